//! How an agent under way is, by several witnesses. Silence alone is none: a model may think for minutes, a build may print nothing, and a provider may stall.
//!
//! | verdict | seen by | what follows |
//! | --- | --- | --- |
//! | `working` | its own events | nothing |
//! | `working_silent` | no event for a minute, but a command that may still run, processor time, input and output, or an open connection | it is waited for |
//! | `livelock` | the same actions over and over, no file changed in between, by the agent's word or by a look at its files | the turn ends with `livelock` |
//! | `provider_down` | requests that are made again for two minutes, and no connection that the last of them keeps open | it is waited for; after `[limits] idle_timeout` the turn ends with `agent_unavailable`, and is taken again later |
//! | `waiting_for_person` | requests for approvals that nobody will give | the turn ends with `needs_person` |
//! | `dead` | none of all that for `[limits] idle_timeout`, with an open connection for twice as long | the turn ends with `stalled` |

use jiff::{SignedDuration, Timestamp};
use ledger_core::{Blocker, BlockerCode, Duration, Live};
use serde::Serialize;

use crate::commands::declared_seconds;
use crate::inputs::signed;
use crate::limits::Limits;

/// How an agent under way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// It says what it does.
    Working,
    /// It says nothing, and something else shows that it works.
    WorkingSilent,
    /// It repeats itself.
    Livelock,
    /// Its provider does not answer.
    ProviderDown,
    /// It asks for what only a person could give.
    WaitingForPerson,
    /// Nothing shows that it works.
    Dead,
}

impl Liveness {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::WorkingSilent => "working_silent",
            Self::Livelock => "livelock",
            Self::ProviderDown => "provider_down",
            Self::WaitingForPerson => "waiting_for_person",
            Self::Dead => "dead",
        }
    }

    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::WorkingSilent => "working, and silent",
            Self::Livelock => "repeating itself",
            Self::ProviderDown => "waiting for its provider",
            Self::WaitingForPerson => "asking for what only a person could give",
            Self::Dead => "without a sign of life",
        }
    }
}

/// From here on an agent is silent.
const SILENT: SignedDuration = SignedDuration::from_secs(60);

/// From here on a request that is made again says something of the provider.
const DOWN: SignedDuration = SignedDuration::from_secs(120);

/// How often an agent may ask for what is declined in one turn.
const MOST_DECLINED: u32 = 10;

/// The most commands that an agent may have open at once.
const MAX_OPEN_COMMANDS: usize = 64;

/// What a command gets beyond the time that it was given itself, in seconds.
const BEYOND: u64 = 60;

/// How an agent is whose turn is under way.
pub fn liveness(live: &Live, limits: &Limits, now: Timestamp) -> Liveness {
    if waits_for_person(live).is_some() {
        return Liveness::WaitingForPerson;
    }
    if repeats_itself(live, limits).is_some() {
        return Liveness::Livelock;
    }
    if unanswered_since(live).is_some_and(|since| now.duration_since(since) >= DOWN) {
        return Liveness::ProviderDown;
    }
    if now.duration_since(live.last_activity) < SILENT {
        return Liveness::Working;
    }
    let is_over = |(deadline, _): (Timestamp, Blocker)| deadline <= now;
    match idle_deadline(live, limits).is_some_and(is_over) {
        true => Liveness::Dead,
        false => Liveness::WorkingSilent,
    }
}

/// Why the turn of an agent that began then is to be ended now by what it does or does not do, if it is to be: all that [`next_step`] ends one for but
/// what the turn and the run have cost and what its commands would do.
///
/// [`next_step`]: crate::next_step
pub fn ending_cause(live: &Live, since: Timestamp, limits: &Limits, now: Timestamp) -> Option<Blocker> {
    let is_over = |(deadline, blocker): (Timestamp, Blocker)| (deadline <= now).then_some(blocker);
    cause_by_deeds(live, limits).or_else(|| deadlines(live, since, limits).into_iter().find_map(is_over))
}

/// Why the turn of an agent is to be ended for the tokens that it has spent.
pub fn spent_turn(live: &Live, limits: &Limits) -> Option<Blocker> {
    let (tokens, most) = (live.spent.total, limits.turn_tokens?);
    let reason = format!("the turn has spent {tokens} tokens of at most {most}");
    (tokens >= most).then(|| Blocker::new(BlockerCode::BudgetExhausted, reason))
}

/// Why an agent is stopped for what it does.
pub(crate) fn cause_by_deeds(live: &Live, limits: &Limits) -> Option<Blocker> {
    begins_too_much(live)
        .or_else(|| repeats_itself(live, limits))
        .or_else(|| waits_for_person(live))
}

/// What ends a turn that began then, and when, if nothing happens.
pub(crate) fn deadlines(live: &Live, since: Timestamp, limits: &Limits) -> Vec<(Timestamp, Blocker)> {
    let timeout = |limit: Duration, since: Timestamp, what: String| {
        let blocker = Blocker::new(BlockerCode::TurnTimeout, format!("{what} took {limit}"));
        (limit.after(since), blocker)
    };
    let mut deadlines = vec![timeout(limits.turn_timeout, since, "the turn".to_owned())];
    for command in live.open_commands.values() {
        let limit = command_limit(&command.command, limits);
        deadlines.push(timeout(
            limit,
            command.since,
            format!("the command `{}`", command.command),
        ));
    }
    deadlines.extend(provider_deadline(live, limits));
    deadlines.extend(idle_deadline(live, limits));
    deadlines
}

/// Why an agent is stopped that begins one command after the other and waits for none.
fn begins_too_much(live: &Live) -> Option<Blocker> {
    let open = live.open_commands.len();
    let reason = || format!("the worker has {open} commands under way at once");
    (open > MAX_OPEN_COMMANDS).then(|| Blocker::new(BlockerCode::Livelock, reason()))
}

/// Why an agent that repeats itself is stopped.
fn repeats_itself(live: &Live, limits: &Limits) -> Option<Blocker> {
    let (times, cycle) = live.repetition.times();
    if limits.max_repeats == 0 || times < limits.max_repeats {
        return None;
    }
    let cycle: Vec<_> = cycle.iter().map(|action| format!("`{action}`")).collect();
    let reason = format!(
        "the worker did {} {times} times in a row, and changed no file",
        cycle.join(", ")
    );
    Some(Blocker::new(BlockerCode::Livelock, reason))
}

/// Why an agent that asks for approvals is stopped.
fn waits_for_person(live: &Live) -> Option<Blocker> {
    let reason = || {
        format!(
            "the agent asked {} times for approvals or answers, which nobody gives in a run",
            live.declined
        )
    };
    (live.declined >= MOST_DECLINED).then(|| Blocker::new(BlockerCode::NeedsPerson, reason()))
}

/// Since when the provider does not answer. A connection that is open long after a request was made again is that of a model that thinks.
fn unanswered_since(live: &Live) -> Option<Timestamp> {
    live.retrying_since.filter(|_| !live.is_connected)
}

/// When an agent is given up whose requests are made again and again.
fn provider_deadline(live: &Live, limits: &Limits) -> Option<(Timestamp, Blocker)> {
    let since = unanswered_since(live)?;
    let reason = format!("the provider has not answered for {}", limits.idle_timeout);
    Some((
        limits.idle_timeout.after(since),
        Blocker::new(BlockerCode::AgentUnavailable, reason),
    ))
}

/// When an agent is given up that shows no sign of life. None: a command is under way, or its provider is waited for.
fn idle_deadline(live: &Live, limits: &Limits) -> Option<(Timestamp, Blocker)> {
    if !live.open_commands.is_empty() || unanswered_since(live).is_some() {
        return None;
    }
    let last = live
        .busy_at
        .map_or(live.last_activity, |busy| busy.max(live.last_activity));
    let patience = signed(limits.idle_timeout);
    let patience = match live.is_connected {
        true => patience.saturating_add(patience),
        false => patience,
    };
    let deadline = last.checked_add(patience).unwrap_or(Timestamp::MAX);
    let reason = format!(
        "no sign of life for {}",
        Duration::seconds(u64::try_from(patience.as_secs()).unwrap_or(0))
    );
    Some((deadline, Blocker::new(BlockerCode::Stalled, reason)))
}

/// How long a command may take: as long as the policy says, or until a minute after the time that it was started with (`timeout 60 …`).
fn command_limit(command: &str, limits: &Limits) -> Duration {
    let declared = declared_seconds(command).map(|seconds| Duration::seconds(seconds.saturating_add(BEYOND)));
    declared.map_or(limits.command_timeout, |declared| declared.min(limits.command_timeout))
}

#[cfg(test)]
mod tests {
    use ledger_core::Activity;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn started(item: &str, command: &str) -> Activity {
        Activity::CommandStarted {
            item: item.to_owned(),
            command: command.to_owned(),
        }
    }

    fn ended(item: &str, code: i32) -> Activity {
        Activity::CommandEnded {
            item: item.to_owned(),
            exit_code: Some(code),
            declined: false,
        }
    }

    fn process(cpu_ms: u64, connections: u32) -> Activity {
        Activity::ProcessSeen {
            cpu_ms,
            io_bytes: 0,
            connections,
        }
    }

    fn retrying() -> Activity {
        let reason = "503".to_owned();
        Activity::Retrying { reason }
    }

    /// An agent that was seen doing this, each at its second.
    fn seen(activities: &[(i64, Activity)]) -> Live {
        let mut live = Live::new(at(0));
        for (second, activity) in activities {
            live.see(at(*second), activity);
        }
        live
    }

    fn verdict(live: &Live, second: i64) -> (&'static str, Option<&'static str>) {
        let limits = Limits::default();
        let ending_cause = ending_cause(live, at(0), &limits, at(second));
        (
            liveness(live, &limits, at(second)).as_str(),
            ending_cause.map(|blocker| blocker.code.as_str()),
        )
    }

    #[test]
    fn silence_alone_ends_nothing_as_long_as_another_witness_speaks() {
        let silent = seen(&[]);
        assert_eq!(verdict(&silent, 59), ("working", None));
        assert_eq!(verdict(&silent, 599), ("working_silent", None));
        assert_eq!(verdict(&silent, 600), ("dead", Some("stalled")));
        let busy = seen(&[(590, process(5_000, 0))]);
        assert_eq!(verdict(&busy, 1_189), ("working_silent", None));
        assert_eq!(verdict(&busy, 1_190), ("dead", Some("stalled")));
        let idle = seen(&[(590, process(100, 0))]);
        assert_eq!(verdict(&idle, 600), ("dead", Some("stalled")));
        let connected = seen(&[(590, process(0, 1))]);
        assert_eq!(verdict(&connected, 1_199), ("working_silent", None));
        assert_eq!(verdict(&connected, 1_200), ("dead", Some("stalled")));
        let cut = seen(&[(590, process(0, 1)), (620, process(0, 0))]);
        assert_eq!(verdict(&cut, 620), ("dead", Some("stalled")));
        let building = seen(&[(5, started("1", "cargo build"))]);
        assert_eq!(verdict(&building, 1_700), ("working_silent", None));
    }

    #[test]
    fn a_provider_that_does_not_answer_is_waited_for_and_then_left_for_later() {
        let down = seen(&[(0, retrying()), (60, retrying()), (110, retrying())]);
        assert_eq!(verdict(&down, 119), ("working", None));
        assert_eq!(verdict(&down, 120), ("provider_down", None));
        assert_eq!(verdict(&down, 600), ("provider_down", Some("agent_unavailable")));
        let back = seen(&[(0, retrying()), (599, started("1", "ls"))]);
        assert_eq!(verdict(&back, 610), ("working", None));
    }

    #[test]
    fn a_model_that_thinks_after_a_request_was_made_again_is_not_a_provider_that_is_away() {
        let mut retried = vec![(0, retrying())];
        retried.extend((1..=30).map(|look| (30 + 30 * look, process(20, 1))));
        let thinks = seen(&retried);
        assert_eq!(verdict(&thinks, 959), ("working_silent", None));
        assert_eq!(verdict(&thinks, 1_199), ("working_silent", None));
        assert_eq!(verdict(&thinks, 1_200), ("dead", Some("stalled")));
        // It was heard: what comes after it is another trouble.
        retried.push((960, retrying()));
        let again = seen(&retried);
        assert_eq!(verdict(&again, 970), ("working", None));
        assert_eq!(verdict(&again, 1_080), ("provider_down", None));
        assert_eq!(verdict(&again, 1_560), ("provider_down", Some("agent_unavailable")));
        // A gateway that lets each wait and then fails it answers none.
        let fails = |from: i64| [(from, retrying()), (from + 60, process(20, 1))];
        let gateway: Vec<_> = (0..=8).flat_map(|time| fails(75 * time)).collect();
        assert_eq!(
            verdict(&seen(&gateway[..17]), 600),
            ("provider_down", Some("agent_unavailable"))
        );
        assert_eq!(verdict(&seen(&gateway[..16]), 599), ("working_silent", None));
    }

    #[test]
    fn an_agent_that_asks_for_what_nobody_gives_is_stopped() {
        let ask = || Activity::RequestDeclined {
            request: "item/commandExecution/requestApproval".to_owned(),
            about: "rm".to_owned(),
        };
        let asking: Vec<_> = (0..10).map(|second| (second, ask())).collect();
        assert_eq!(verdict(&seen(&asking[..9]), 10), ("working", None));
        assert_eq!(
            verdict(&seen(&asking), 10),
            ("waiting_for_person", Some("needs_person"))
        );
    }

    /// A cycle of commands, gone through so often.
    fn cycle(commands: &[(&str, i32)], times: i64) -> Vec<(i64, Activity)> {
        let mut all = Vec::new();
        for time in 0..times {
            for (command, code) in commands {
                all.push((time, started(command, command)));
                all.push((time, ended(command, *code)));
            }
        }
        all
    }

    #[test]
    fn the_same_actions_over_and_over_are_a_livelock_unless_a_file_was_edited() {
        for commands in [
            &[("cargo test", 101)][..],
            &[("ls", 0), ("cat a", 1)],
            &[("a", 0), ("b", 0), ("c", 0), ("d", 0)],
        ] {
            assert_eq!(
                verdict(&seen(&cycle(commands, 24)), 30),
                ("working", None),
                "{commands:?}"
            );
            assert_eq!(
                verdict(&seen(&cycle(commands, 25)), 30),
                ("livelock", Some("livelock")),
                "{commands:?}"
            );
        }
        let limits = Limits::default();
        let stopped = repeats_itself(&seen(&cycle(&[("ls", 0), ("cat a", 1)], 25)), &limits).unwrap();
        assert_eq!(
            stopped.reason,
            "the worker did `ls (exit code 0)`, `cat a (exit code 1)` 25 times in a row, and changed no file"
        );
        // Another outcome is another action, and an edited file is progress.
        let mut passes = cycle(&[("cargo test", 101)], 24);
        passes.extend(cycle(&[("cargo test", 0)], 1));
        passes.extend(cycle(&[("cargo test", 101)], 24));
        assert_eq!(verdict(&seen(&passes), 30).1, None);
        let edits = Activity::FilesEdited {
            paths: vec!["src/a.rs".to_owned()],
        };
        let fixing: Vec<_> = (0..60)
            .flat_map(|_| cycle(&[("cargo test", 101)], 1).into_iter().chain([(0, edits.clone())]))
            .collect();
        assert_eq!(verdict(&seen(&fixing), 30).1, None);
        let off = Limits {
            max_repeats: 0,
            ..Limits::default()
        };
        assert_eq!(repeats_itself(&seen(&cycle(&[("ls", 0)], 1_000)), &off), None);
    }

    #[test]
    fn a_command_has_the_time_that_it_was_given_and_a_minute_more() {
        let limit = |command: &str| command_limit(command, &Limits::default()).as_seconds();
        for (command, seconds) in [
            ("cargo test", 1_800),
            ("timeout 60 cargo test", 120),
            ("/usr/bin/timeout 60 cargo test", 120),
            ("/bin/bash -lc 'timeout --preserve-status 5m make'", 360),
            ("timeout 60 sh -c 'a; b'", 120),
            // What an option takes is no time for the command.
            ("timeout -s KILL 60 cargo test", 120),
            ("timeout -s 9 300 make", 360),
            ("timeout -k 1 600 sh build.sh", 661),
            ("bash -lc \"timeout --kill-after 5 20m make\"", 1_265),
            // No limit of its own, and never more than the policy says.
            ("timeout 0 make", 1_800),
            ("timeout 9h make", 1_800),
        ] {
            assert_eq!(limit(command), seconds, "{command}");
        }
        for other in [
            "timeout 60 a; b",
            "timeout 60 a && b",
            "timeout 60 a | b",
            "timeout 60 a $(b)",
            "timeout 60 a `b`",
            "bash -lc 'timeout 60 a\nb'",
            "timeout x a",
            "timeout",
            "timeout 1.5 a",
        ] {
            assert_eq!(limit(other), 1_800, "{other}");
        }
    }
}
