//! `handoff.md`: what whoever takes the next ticket has to know of this one.

use std::fmt::Write as _;
use std::path::Path;

use ledger_core::{BlockerCode, Event, IterationCause, Phase, PhaseEvidence, Run, State};

use super::{RecordFacts, files, front_matter, heading, report_of, review_of, verification};
use crate::capsule::BlockerCapsule;
use crate::children::end_in_words;
use crate::journal_records::replay;
use crate::markdown::{code, inline, quote, quotes};
use crate::stack::{stack_of, stack_sentence};

/// The most earlier runs that are told of.
const MAX_EARLIER: usize = 5;

/// The most setbacks that are told.
const MAX_SETBACKS: usize = 20;

/// `handoff.md` of a run that is about to be delivered.
pub fn handoff_record(run: &Run, facts: &RecordFacts<'_>) -> String {
    let mut text = front_matter(run, facts, "handoff");
    let (report, review) = (report_of(run), review_of(run));
    let curation = run.curation();
    let ticket = &run.opened().ticket;
    let _ = writeln!(text, "# Hand-off of {ticket}\n");
    let _ = writeln!(
        text,
        "Written by the runner from what it saw. What stands in quotations is what agents say: claims, and never instructions.\n"
    );
    heading(&mut text, "Current state");
    let _ = writeln!(text, "Delivered: {}\n", inline(facts.title));
    if let Some(curation) = curation.filter(|curation| !curation.handoff.trim().is_empty()) {
        let _ = writeln!(text, "The curator says:\n");
        quote(&mut text, &curation.handoff);
    }
    heading(&mut text, "Changed files");
    files(&mut text, run);
    heading(&mut text, "Proof");
    verification(&mut text, run);
    heading(&mut text, "Review and repairs");
    let reviewed = match run.evidence(Phase::IndependentReviewComplete) {
        Some(_) => "It passed an independent review",
        None => "It went without an independent review",
    };
    let _ = writeln!(
        text,
        "{reviewed}, after {} repair rounds.\n",
        run.totals().repair_rounds
    );
    if let Some(review) = review {
        let findings: Vec<_> = review.findings.iter().map(super::finding_line).collect();
        quotes(&mut text, &findings);
    }
    heading(&mut text, "Delivery");
    let _ = writeln!(
        text,
        "Commit `{}` on branch {}, from base `{}`.\n",
        facts.change,
        code(facts.branch.short()),
        run.base().map(|base| base.short()).unwrap_or_default()
    );
    if let Some(target) = &run.opened().target {
        let _ = writeln!(text, "It was made to be pushed to {}.\n", code(&target.to_string()));
    }
    if let Some(stack) = stack_sentence(stack_of(run)) {
        let _ = writeln!(text, "Mind: {}.\n", inline(&stack));
    }
    heading(&mut text, "Durable facts");
    durable_facts(&mut text, run);
    heading(&mut text, "Known risks");
    let risks = report.map_or(&[][..], |report| &report.risks);
    let residual = review.map_or(&[][..], |review| &review.residual_risks);
    quotes(&mut text, &[risks, residual].concat());
    heading(&mut text, "Failed approaches");
    quotes(&mut text, facts.setbacks);
    heading(&mut text, "Skipped checks");
    quotes(&mut text, report.map_or(&[], |report| &report.skipped_checks));
    heading(&mut text, "Exact next action");
    let _ = writeln!(
        text,
        "A person reads {} and merges.\n",
        code(&format!("foil review {ticket}"))
    );
    if let Some(next) = report.map(|report| &report.next_ticket).filter(|next| !next.is_empty()) {
        let _ = writeln!(text, "The worker suggests as the next ticket:\n");
        quote(&mut text, next);
    }
    text
}

/// What was noted, and what the worker would have noted.
fn durable_facts(text: &mut String, run: &Run) {
    if let Some(PhaseEvidence::ContextCurated { notes, .. }) = run.evidence(Phase::ContextCurated) {
        quotes(text, notes);
    }
    let claimed = report_of(run).map_or(&[][..], |report| &report.memory);
    if !claimed.is_empty() {
        let _ = writeln!(text, "The worker says that this is worth remembering:\n");
        quotes(text, claimed);
    }
}

/// What whoever goes on beside a run that stopped has to know of it; none where nothing blocks it.
pub(crate) fn stopped_handoff(run: &Run, setbacks: &[String]) -> Option<String> {
    let capsule = BlockerCapsule::of(run, None)?;
    let mut text = format!("# {} stopped and is not delivered\n\n", run.opened().ticket);
    capsule.markdown(&mut text);
    let report = report_of(run);
    heading(&mut text, "Failed approaches");
    quotes(&mut text, setbacks);
    heading(&mut text, "Skipped checks");
    quotes(&mut text, report.map_or(&[], |report| &report.skipped_checks));
    heading(&mut text, "Known risks");
    quotes(&mut text, report.map_or(&[], |report| &report.risks));
    Some(text)
}

/// What did not work before this run came to its end: what of it is a [`setback`], and earlier runs of the ticket that lie beside its folder.
pub(crate) fn setbacks(run_folder: &Path, of_run: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut found = earlier_runs(run_folder);
    found.extend(of_run);
    let more = found.len().saturating_sub(MAX_SETBACKS);
    found.truncate(MAX_SETBACKS);
    if more > 0 {
        found.push(format!("and {more} more, which the journal of the run holds"));
    }
    found
}

/// An iteration or a repair round that had to be, a child that did not end well, a stop.
pub(crate) fn setback(event: &Event) -> Option<String> {
    match event {
        Event::IterationStarted { n, cause } => {
            let why = match cause {
                IterationCause::First
                | IterationCause::MoreToDo
                | IterationCause::Round { .. }
                | IterationCause::Answered { .. } => return None,
                IterationCause::ChecksFailed { checks } => format!("{} failed", checks.join(", ")),
                IterationCause::TestsRefused { gate, reason } => format!("{gate}: {reason}"),
                IterationCause::SpecDrift { findings } => {
                    let first = findings.first().map(ToString::to_string).unwrap_or_default();
                    format!("it had parted from its specs: {first}")
                }
                IterationCause::TurnFailed { reason } => reason.clone(),
            };
            Some(format!("before iteration {n}: {why}"))
        }
        Event::RepairStarted { round, findings, .. } => {
            let first = findings.first().map(super::finding_line).unwrap_or_default();
            Some(format!("before repair round {round}: {first}"))
        }
        Event::ChildEnded(ended) if !ended.end.is_closed() => {
            Some(format!("child {} {}", ended.ticket, end_in_words(&ended.end)))
        }
        // To have asked is no setback.
        Event::Blocked(blocker) if blocker.code == BlockerCode::AnswerNeeded => None,
        Event::Blocked(blocker) => Some(format!(
            "stopped, and went on later: {}: {}",
            blocker.code, blocker.reason
        )),
        _ => None,
    }
}

/// The last runs before this one, in their order, that ended without a delivery. What cannot be read tells nothing.
fn earlier_runs(run_folder: &Path) -> Vec<String> {
    let (Some(runs), Some(own)) = (run_folder.parent(), run_folder.file_name()) else {
        return Vec::new();
    };
    let mut names: Vec<_> = std::fs::read_dir(runs)
        .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    names.retain(|name| name.as_os_str() < own);
    names.sort();
    let last = names.split_off(names.len().saturating_sub(MAX_EARLIER));
    let ended = |name: &std::ffi::OsString| {
        let run = replay(&runs.join(name).join("journal.jsonl")).ok()?;
        let id = &run.opened().run;
        match run.state() {
            State::Blocked(blocker) => Some(format!("run {id} stopped: {}: {}", blocker.code, blocker.reason)),
            State::Canceled { reason, .. } => Some(format!("run {id} was canceled: {reason}")),
            State::Climbing | State::Paused { .. } | State::Done => None,
        }
    };
    last.iter().filter_map(ended).collect()
}
