//! What all runs of one night may spend together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use ledger_core::{NotificationEvent, PauseCause, Refusal, Run, RunId, TicketId};
use policy::comes_near;
use policy::config::LimitsPolicy;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::guard::GuardProgram;
use crate::journal_records::{JournalRecords, replay};
use crate::notify::{Notifier, notification_of_night, told_to_stop};
use crate::redact::Redactor;
use crate::run_clock::ClockReading;
use crate::run_history::{KnownRun, known_runs, read_known, tickets_with_runs};
use crate::run_variables::Variables;
use crate::workspace::Workspace;

/// How long before the runner began spending counts too, so that a runner that is started anew begins no new night.
const NIGHT: SignedDuration = SignedDuration::from_hours(24);

/// Counts what is spent, and has all runs paused when it is enough.
pub(super) struct Night {
    /// What had passed of it when the runner began, and when that was by a clock that nobody sets. While the machine sleeps it does not go on, as in a run.
    taken: SignedDuration,
    since: Instant,
    tokens: Option<u64>,
    wall: Option<Duration>,
    soft_percent: u8,
    spent: Mutex<Spent>,
    /// Which of its two limits it was said of that they come near.
    warned: Mutex<Warned>,
    /// Becomes `Some` when all runs are to leave.
    stop: watch::Sender<Option<PauseCause>>,
}

/// Tokens.
#[derive(Debug, Default)]
struct Spent {
    /// By runs of the night before the runner began.
    before: u64,
    /// What each run had spent when it was first seen and when it was last seen.
    runs: BTreeMap<RunId, (u64, u64)>,
}

#[derive(Debug, Default)]
struct Warned {
    tokens: bool,
    wall: bool,
}

impl Night {
    /// A night that began then, or begins now, with what was spent in this clone before.
    pub(super) fn begin(
        workspace: &Workspace,
        limits: &LimitsPolicy,
        (began, now): (Option<Timestamp>, ClockReading),
        stop: watch::Sender<Option<PauseCause>>,
    ) -> Self {
        let since = now.machine.checked_sub(NIGHT).unwrap_or(Timestamp::MIN);
        let before = limits.night_tokens.map_or(0, |_| spent_since(workspace, since));
        Self {
            // A clock that was set back gives no night back.
            taken: began.map_or(SignedDuration::ZERO, |began| {
                now.machine.duration_since(began).max(SignedDuration::ZERO)
            }),
            since: now.steady,
            tokens: limits.night_tokens,
            wall: limits.night_wall.map(|wall| wall.to_std()),
            soft_percent: limits.soft.percent(),
            spent: Mutex::new(Spent {
                before,
                ..Spent::default()
            }),
            warned: Mutex::default(),
            stop,
        }
    }

    /// What tells runs to leave.
    pub(super) fn stop(&self) -> watch::Receiver<Option<PauseCause>> {
        self.stop.subscribe()
    }

    /// Has all runs leave once somebody asks for it.
    pub(super) fn follow(&self, runtime: &Handle, mut asked: watch::Receiver<Option<PauseCause>>) {
        let stop = self.stop.clone();
        runtime.spawn(async move {
            let cause = asked.wait_for(Option::is_some).await.ok().and_then(|cause| *cause);
            if let Some(cause) = cause {
                leave(&stop, cause);
            }
        });
    }

    /// Has all runs paused because the night is over.
    pub(super) fn pause(&self) {
        leave(&self.stop, PauseCause::Budget);
    }

    /// Notes what a run has spent.
    pub(super) fn see(&self, run: &Run) {
        if self.tokens.is_none() {
            return;
        }
        let total = run.tokens().total;
        let id = &run.opened().run;
        {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            match spent.runs.get_mut(id) {
                Some((_, last)) => *last = total,
                None => drop(spent.runs.insert(id.clone(), (total, total))),
            }
        }
        if self.has_spent().is_some() {
            self.pause();
        }
    }

    /// Why the night is over at this moment, where it is.
    pub(super) fn over(&self, now: Instant) -> Option<String> {
        self.has_spent().or_else(|| {
            let wall = self.wall.filter(|wall| self.taken(now) >= signed(*wall))?;
            Some(format!("the night has taken its {} s", wall.as_secs()))
        })
    }

    fn has_spent(&self) -> Option<String> {
        let (limit, spent) = (self.tokens?, self.spent());
        (spent >= limit).then(|| format!("{spent} of the {limit} tokens of a night are spent"))
    }

    fn taken(&self, now: Instant) -> SignedDuration {
        self.taken
            .saturating_add(signed(now.saturating_duration_since(self.since)))
    }

    /// The next moment at which its time is up, or comes near that, by the machine's clock as it is now.
    pub(super) fn next_look(&self, now: ClockReading) -> Option<Timestamp> {
        let taken = self.taken(now.steady);
        let at = |part: Duration| now.machine.checked_add(signed(part).saturating_sub(taken)).ok();
        let soft = at(self.soft_wall()?).filter(|soft| now.machine < *soft);
        soft.or_else(|| at(self.wall?))
    }

    /// After this part of its time somebody is told.
    fn soft_wall(&self) -> Option<Duration> {
        Some(self.wall?.saturating_mul(u32::from(self.soft_percent)) / 100)
    }

    /// That it comes near one of its ends: each is said once.
    pub(super) fn warning(&self, now: Instant) -> Option<String> {
        if self.over(now).is_some() {
            return None;
        }
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_news = |said: fn(&mut Warned) -> &mut bool| !std::mem::replace(said(&mut warned), true);
        let tokens = self.tokens_come_near().filter(|_| is_news(|warned| &mut warned.tokens));
        tokens.or_else(|| self.wall_comes_near(now).filter(|_| is_news(|warned| &mut warned.wall)))
    }

    fn tokens_come_near(&self) -> Option<String> {
        let (limit, spent) = (self.tokens?, self.spent());
        let is_near = comes_near(spent, limit, self.soft_percent);
        is_near.then(|| format!("{spent} of the {limit} tokens of a night are spent"))
    }

    fn wall_comes_near(&self, now: Instant) -> Option<String> {
        let (wall, taken) = (self.wall?, self.taken(now));
        let is_near = taken >= signed(self.soft_wall()?);
        is_near.then(|| format!("the night has taken {} of its {} s", taken.as_secs(), wall.as_secs()))
    }

    fn spent(&self) -> u64 {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let of_runs = spent.runs.values().map(|(first, last)| last.saturating_sub(*first));
        of_runs.fold(spent.before, u64::saturating_add)
    }
}

/// Whoever asks first says why.
fn leave(stop: &watch::Sender<Option<PauseCause>>, cause: PauseCause) {
    stop.send_if_modified(|stop| {
        let is_new = stop.is_none();
        stop.get_or_insert(cause);
        is_new
    });
}

/// Tells outside that the night is over, where the policy wants that. There is no journal of a night: nobody tells it again, because the runner of the
/// next night has seen nothing of this one. Gives what went wrong.
pub(super) async fn notify_of_night(
    workspace: &Workspace,
    guard: &GuardProgram,
    words: &str,
    stop: &watch::Receiver<Option<PauseCause>>,
) -> Vec<String> {
    let (Ok(policy), Ok(true)) = (workspace.policy(), workspace.is_policy_trusted()) else {
        return Vec::new();
    };
    let about = NotificationEvent::NightOver;
    let repository = workspace.repository_id().unwrap_or_default();
    let notification = notification_of_night(&repository, words);
    let mut variables = Variables::default();
    variables.set("FOIL_EVENT", about.as_str());
    variables.set("FOIL_REPOSITORY", &repository);
    let notifier = Notifier {
        policy: &policy.notify,
        guard,
        records: None,
        temporary: workspace.roots().user(),
        redactor: &Redactor::default(),
    };
    let mut problems = Vec::new();
    for by in policy.notify.channels(about) {
        if let Err(error) = notifier.send(by, &notification, &variables, told_to_stop(stop)).await {
            problems.push(format!("the {by}: {error}"));
        }
    }
    problems
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// The tokens that runs of this clone have spent since then, by their journals, also where only Git has them any more. What cannot be read counts for
/// nothing: `foil doctor` shows it.
fn spent_since(workspace: &Workspace, since: Timestamp) -> u64 {
    let (repository, roots) = (workspace.repository(), workspace.roots());
    let mut spent: u64 = 0;
    for ticket in tickets_with_runs(repository, roots).unwrap_or_default() {
        for known in known_runs(repository, roots, &ticket).unwrap_or_default() {
            let of_run = match known.live {
                true => spent_by_journal(&roots.journal(&ticket, &known.run), since),
                false => spent_by_stored(workspace, &ticket, known, since),
            };
            spent = spent.saturating_add(of_run.unwrap_or(0));
        }
    }
    spent
}

/// None: nothing was written to it since then, or it cannot be read.
fn spent_by_journal(journal: &Path, since: Timestamp) -> Option<u64> {
    let written = std::fs::metadata(journal).and_then(|found| found.modified()).ok()?;
    if written < SystemTime::from(since) {
        return None;
    }
    let now = replay(journal).ok()?;
    let earlier = JournalRecords::open(journal)
        .ok()?
        .take_while(|record| record.as_ref().is_ok_and(|record| record.at < since));
    Some(spent_after(&now, Run::try_replay(earlier).ok()))
}

/// The commit of a stored run is as old as its last event.
fn spent_by_stored(workspace: &Workspace, ticket: &TicketId, known: KnownRun, since: Timestamp) -> Option<u64> {
    let repository = workspace.repository();
    if repository.commit_seconds(known.stored?).ok()? < since.as_second() {
        return None;
    }
    let read = read_known(repository, workspace.roots(), ticket, known).ok()??;
    let earlier = read.journal.records.iter().take_while(|record| record.at < since);
    Some(spent_after(
        &read.run,
        Run::try_replay(earlier.map(Ok::<_, Refusal>)).ok(),
    ))
}

fn spent_after(now: &Run, earlier: Option<Run>) -> u64 {
    let before = earlier.map_or(0, |run| run.tokens().total);
    now.tokens().total.saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that has taken this long when the runner begins, of 60 s and 100 tokens, of which 80 are spent.
    fn night(taken: i64, since: Instant) -> Night {
        Night {
            taken: SignedDuration::from_secs(taken),
            since,
            tokens: Some(100),
            wall: Some(Duration::from_secs(60)),
            soft_percent: 80,
            spent: Mutex::new(Spent {
                before: 80,
                ..Spent::default()
            }),
            warned: Mutex::default(),
            stop: watch::Sender::new(None),
        }
    }

    #[test]
    fn time_that_comes_near_its_end_is_told_once_as_tokens_are() {
        let begun = ClockReading::now();
        let night = night(0, begun.steady);
        let after = |seconds| begun.steady + Duration::from_secs(seconds);
        let mut told = Vec::new();
        let mut look = |(seconds, set)| {
            while let Some(words) = night.warning(after(seconds)) {
                told.push(words);
            }
            let machine = begun.machine + SignedDuration::from_secs(set);
            let steady = after(seconds);
            let next = night.next_look(ClockReading { machine, steady }).unwrap();
            next.duration_since(machine).as_secs()
        };
        // However the machine's clock is set meanwhile.
        assert_eq!(
            [(0, 0), (47, -3600), (48, 7200), (59, 59)].map(&mut look),
            [48, 1, 12, 1]
        );
        assert_eq!(
            told,
            [
                "80 of the 100 tokens of a night are spent",
                "the night has taken 48 of its 60 s"
            ]
        );
        assert_eq!(night.over(after(59)), None);
        assert_eq!(night.over(after(60)).unwrap(), "the night has taken its 60 s");
    }

    #[test]
    fn a_night_that_began_before_its_runner_ends_earlier() {
        let now = Instant::now();
        let night = night(50, now);
        assert_eq!(night.over(now + Duration::from_secs(9)), None);
        assert!(night.over(now + Duration::from_secs(10)).is_some());
    }
}
