//! `plan.md`: what was decided before the first edit, and how far the change kept to it.

use std::fmt::Write as _;

use ledger_core::{Plan, Run};

use super::{RecordFacts, front_matter, heading};
use crate::markdown::{code, inline, quote, quotes};

/// `plan.md` of a run that is about to be delivered, where a planner's turn was part of it. What the planner said stands in quotations.
pub fn plan_record(run: &Run, facts: &RecordFacts<'_>) -> Option<String> {
    let plan = run.followed_plan()?;
    let mut text = front_matter(run, facts, "plan");
    let _ = writeln!(text, "# Plan of {}\n", run.opened().ticket);
    let _ = writeln!(
        text,
        "Made before the first edit by a thread that could only read, and checked against the ticket's scope. Digest: `{}`.\n",
        plan.digest()
    );
    heading(&mut text, "Approach");
    quote(&mut text, &plan.approach);
    heading(&mut text, "Steps");
    quotes(&mut text, &plan.steps);
    heading(&mut text, "Files");
    for file in &plan.files {
        let _ = writeln!(
            text,
            "- {} {}: {}",
            file.change.as_str(),
            code(&file.path),
            inline(&file.reason)
        );
    }
    if plan.files.is_empty() {
        let _ = writeln!(text, "None.");
    }
    text.push('\n');
    for (title, lines) in [
        ("Proof", &plan.proof),
        ("Stop conditions", &plan.stop_conditions),
        ("Risks", &plan.risks),
    ] {
        heading(&mut text, title);
        quotes(&mut text, lines);
    }
    heading(&mut text, "Where the change departs from it");
    quotes(&mut text, &departures(run, plan));
    Some(text)
}

/// Files that were planned and did not change, and that changed and were not planned, as far as the change set lists its files. Neither is
/// forbidden: the scope says what is.
pub(crate) fn departures(run: &Run, plan: &Plan) -> Vec<String> {
    let planned: Vec<_> = plan.paths().collect();
    let Some(change) = run.change() else { return Vec::new() };
    if planned.is_empty() && !change.paths.is_empty() {
        return vec!["the plan names no file".to_owned()];
    }
    let is_whole = change.counts.total() == u64::try_from(change.paths.len()).unwrap_or(u64::MAX);
    let changed: Vec<_> = change
        .paths
        .iter()
        .flat_map(|listed| listed.from.iter().chain([&listed.path]))
        .collect();
    let untouched = planned.iter().filter(|path| is_whole && !changed.contains(path));
    let unplanned = changed.iter().filter(|path| !planned.contains(path));
    untouched
        .map(|path| format!("{path} was planned, and did not change"))
        .chain(unplanned.map(|path| format!("{path} changed, and was not planned")))
        .collect()
}
