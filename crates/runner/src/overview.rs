//! Everything that a person watches, kept up to date while runners work, for little: what nothing shows a change of is not
//! read again.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use ledger_core::TicketId;
use serde::Serialize;

use crate::daemon::{DaemonFiles, DaemonTrouble, daemon_trouble};
use crate::file_stamp::TreeStamp;
use crate::lock::TicketLock;
use crate::status::{RunStatus, StatusError, StatusReport, TicketState, status, ticket_status};
use crate::timeline::{TimelineFollower, TimelineLine, TimelineNews, TimelineStart};
use crate::workspace::{Settings, Workspace};

/// The most events that are kept.
const MOST_EVENTS: usize = 200;

/// Of how many runs the earlier events are read at first.
const RUNS_AT_FIRST: usize = 4;

/// After this long everything is read again: what lies outside of the repository and of the user's state has no stamp.
const LONGEST_RELIED_ON: SignedDuration = SignedDuration::from_secs(60);

/// How far below the ledger's folder, that of refs and that of trust there is something to see.
const DEPTH: usize = 12;

/// Where everything stands, and what happened last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    /// Where everything stands.
    pub status: StatusReport,
    /// The last events of all runs, at most 200, oldest first. Counts of tokens are left out.
    pub events: VecDeque<TimelineLine>,
}

/// Keeps an [`Overview`] up to date.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use counterfoil_runner::{Moment, OverviewWatch, Settings};
/// let mut watch = OverviewWatch::new(std::path::Path::new("."), Settings::from_environment()?, None);
/// let overview = watch.look(Moment::now().at)?;
/// println!("{} tickets", overview.status.tickets.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OverviewWatch {
    from: PathBuf,
    settings: Settings,
    only: Option<TicketId>,
    timeline: Option<TimelineFollower>,
    events: VecDeque<TimelineLine>,
    seen: Option<Seen>,
    times_read: u64,
}

/// What was read last, and by what it shows whether it is still so.
#[derive(Debug)]
struct Seen {
    workspace: Workspace,
    stamp: TreeStamp,
    /// A daemon that is killed leaves every file as it was.
    daemon: Option<DaemonTrouble>,
    read_at: Timestamp,
    overview: Overview,
}

impl OverviewWatch {
    /// Watches the repository that holds this folder, or one ticket of it. Reads nothing yet.
    pub fn new(from: &Path, settings: Settings, only: Option<TicketId>) -> Self {
        Self {
            from: from.to_owned(),
            settings,
            only,
            timeline: None,
            events: VecDeque::new(),
            seen: None,
            times_read: 0,
        }
    }

    /// The overview at this moment.
    ///
    /// # Errors
    /// What keeps [`status`] from being computed. The next look tries again.
    pub fn look(&mut self, now: Timestamp) -> Result<&Overview, StatusError> {
        let (mut seen, is_first) = match self.seen.take() {
            Some(seen) => (seen, false),
            None => (self.read(now)?, true),
        };
        let timeline = self.timeline.get_or_insert_with(|| {
            let start = TimelineStart::Latest(RUNS_AT_FIRST);
            TimelineFollower::new(seen.workspace.roots(), self.only.clone(), start)
        });
        let TimelineNews { lines, problems } = timeline.look().map_err(StatusError::Runs)?;
        // A journal that cannot be read any further is told by the status.
        let is_current = is_first || (problems.is_empty() && seen.has_not_changed(now) && seen.shows(&lines, timeline));
        self.events
            .extend(lines.into_iter().filter(|line| !line.is_token_count()));
        let too_many = self.events.len().saturating_sub(MOST_EVENTS);
        self.events.drain(..too_many);
        if !is_current {
            seen = self.read(now)?;
        }
        if let Some(timeline) = &mut self.timeline {
            seen.bring_up_to_date(now, timeline);
        }
        seen.overview.events.clone_from(&self.events);
        Ok(&self.seen.insert(seen).overview)
    }

    /// How often everything was read so far.
    pub fn times_read(&self) -> u64 {
        self.times_read
    }

    fn read(&mut self, now: Timestamp) -> Result<Seen, StatusError> {
        let workspace = Workspace::open(&self.from, &self.settings)?;
        // Before anything is read: what changes meanwhile is then seen by the next look.
        let stamp = stamp_of(&workspace);
        let daemon = daemon_trouble(&DaemonFiles::of(workspace.roots()), now);
        let status = match &self.only {
            Some(ticket) => ticket_status(&workspace, ticket, now)?,
            None => status(&workspace, now)?,
        };
        self.times_read = self.times_read.saturating_add(1);
        Ok(Seen {
            workspace,
            stamp,
            daemon,
            read_at: now,
            overview: Overview {
                status,
                events: VecDeque::new(),
            },
        })
    }
}

impl Seen {
    fn has_not_changed(&self, now: Timestamp) -> bool {
        let since = now.duration_since(self.read_at);
        let is_recent = !since.is_negative() && since < LONGEST_RELIED_ON;
        let daemon = daemon_trouble(&DaemonFiles::of(self.workspace.roots()), now);
        is_recent && daemon == self.daemon && stamp_of(&self.workspace).shows_no_change_since(&self.stamp)
    }

    /// Whether the status has all that these new lines tell, but for how far runs are that are under way.
    fn shows(&self, lines: &[TimelineLine], timeline: &mut TimelineFollower) -> bool {
        let mut running = BTreeMap::new();
        for ticket in &self.overview.status.tickets {
            if let TicketState::Running(run) = &ticket.state {
                running.insert(&ticket.id, &run.run);
            }
        }
        let locks = self.workspace.roots().locks();
        let are_of_running = lines.iter().all(|line| running.get(&line.ticket) == Some(&&line.run));
        are_of_running
            && running.keys().all(|ticket| {
                let is_over = timeline.run(ticket).is_some_and(|run| run.state().is_ended());
                // A runner that was killed leaves everything as it was.
                !is_over && TicketLock::holder(&locks, ticket).is_some()
            })
    }

    /// Takes from the journals how far the runs are that are under way.
    fn bring_up_to_date(&mut self, now: Timestamp, timeline: &mut TimelineFollower) {
        for ticket in &mut self.overview.status.tickets {
            if let TicketState::Running(status) = &mut ticket.state
                && let Some(run) = timeline.run(&ticket.id)
                && run.opened().run == status.run
            {
                **status = match status.limits {
                    Some(limits) => RunStatus::within(Some(limits), run, now),
                    // Its base may be known only now.
                    None => RunStatus::under_way(&self.workspace, run, now),
                };
            }
        }
    }
}

/// The stamp of everything that a status is computed from, but for the journals of runs, which are followed.
fn stamp_of(workspace: &Workspace) -> TreeStamp {
    let mut stamp = TreeStamp::begin();
    let repository = workspace.repository();
    let (work_dir, roots) = (repository.work_dir(), workspace.roots());
    stamp.add(&work_dir.join(policy::Policy::FILE_NAME));
    if let Ok(ledger) = workspace.policy().map(|policy| policy.ledger.dir.path()) {
        stamp.add_all(&work_dir.join(ledger.to_string()), DEPTH);
    }
    stamp.add(&repository.git_dir().join("HEAD"));
    for name in ["config", "packed-refs"] {
        stamp.add(&repository.common_dir().join(name));
    }
    for refs in ["refs/heads", "refs/counterfoil/receipts"] {
        stamp.add_all(&repository.common_dir().join(refs), DEPTH);
    }
    // A lock is noted when a runner takes a ticket, and the note goes when it leaves it.
    stamp.add_all(&roots.locks(), 1);
    stamp.add_all(&roots.runs(), 1);
    stamp.add_all(&roots.trust(), 2);
    stamp
}
