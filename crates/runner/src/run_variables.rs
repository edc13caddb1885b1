//! What hooks and notification commands are told in their environment. Titles are the words of others: they are values there, and never a part of a command
//! line.

use ledger_core::{CommandOutcome, HookPoint, NotificationEvent, Run, State, TreeId, TurnEnd};

use crate::redact::printable_lines;

/// The variables of a hook of this run, by name.
pub(crate) fn hook_variables(run: &Run, title: &str, hook: HookPoint, tree: TreeId, place: &str) -> Variables {
    let mut variables = of_run(run, title);
    variables.set("FOIL_EVENT", hook.as_str());
    variables.set("FOIL_PLACE", place);
    variables.set("FOIL_TREE", &tree.to_string());
    if hook == HookPoint::PostIteration {
        variables.set("FOIL_OUTCOME", outcome_of_iteration(run));
    }
    variables
}

/// The variables of a command that tells of the end of this run.
pub(crate) fn notification_variables(run: &Run, title: &str, about: NotificationEvent) -> Variables {
    let mut variables = of_run(run, title);
    variables.set("FOIL_EVENT", about.as_str());
    if let Some(tree) = run.kept_tree() {
        variables.set("FOIL_TREE", &tree.to_string());
    }
    variables
}

/// Names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Variables(pub(crate) Vec<(String, String)>);

impl Variables {
    /// Sets one. What a terminal would act on goes, and with it what no environment can hold.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), one_line(value)));
    }
}

fn of_run(run: &Run, title: &str) -> Variables {
    let opened = run.opened();
    let mut variables = Variables::default();
    variables.set("FOIL_REPOSITORY", &opened.repository);
    variables.set("FOIL_TICKET", opened.ticket.as_str());
    variables.set("FOIL_TITLE", title);
    variables.set("FOIL_RUN", opened.run.as_str());
    variables.set("FOIL_ITERATION", &run.totals().iterations.to_string());
    match run.state() {
        State::Done => variables.set("FOIL_OUTCOME", "done"),
        State::Blocked(blocker) => {
            variables.set("FOIL_OUTCOME", "blocked");
            variables.set("FOIL_BLOCKER", blocker.code.as_str());
        }
        State::Climbing | State::Paused { .. } | State::Canceled { .. } => {}
    }
    if let Some(delivered) = run.receipt().and_then(|receipt| receipt.delivered.as_ref())
        && *run.state() == State::Done
    {
        variables.set("FOIL_BRANCH", delivered.branch.short());
        variables.set("FOIL_COMMIT", &delivered.records.to_string());
    }
    variables
}

/// What came of the iteration under way, in one word.
fn outcome_of_iteration(run: &Run) -> &'static str {
    let Some(attempt) = run.attempt() else {
        return "no_result";
    };
    match (&attempt.checked, &attempt.turn) {
        (Some(checked), _) if checked.results.iter().all(ledger_core::CheckResult::passed) => "passed",
        (Some(_), _) => "failed",
        (None, Some(turn)) if matches!(turn.end, TurnEnd::Reported { .. }) => "unchecked",
        (None, _) => "no_result",
    }
}

/// The text in one line, without control characters.
pub(crate) fn one_line(text: &str) -> String {
    let text = printable_lines(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a command ended whose output nobody wants where it succeeded.
pub(crate) fn ending(outcome: &CommandOutcome, printed: &str) -> String {
    match printed.trim().lines().last() {
        Some(last) => format!("{outcome}; it printed last: {last}"),
        None => outcome.to_string(),
    }
}
