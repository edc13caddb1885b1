//! The records that are delivered with a change: `plan.md`, `result.md`, `review.md` and `handoff.md`.
//!
//! What the worker or the reviewer said stands in quotations, line by line, so that it can neither forge a section nor a
//! table of facts. Everything else is computed from the run.

mod handoff;
mod plan;

use std::fmt::Write as _;

use ledger_core::{
    ChangeKind, CheckResult, CommitId, Finding, Phase, PhaseEvidence, RefName, Report, Review, Run, Strength, Verdict,
};

use crate::children::children_in_words;
use crate::expert_opinions::expert_opinions;
use crate::markdown::{cell, code, inline, quote, quotes};
use crate::questions::QuestionReport;
use crate::round_reports::round_reports;
use crate::stack::{stack_of, stack_sentence};

pub use handoff::handoff_record;
pub(crate) use handoff::{setback, setbacks, stopped_handoff};
pub(crate) use plan::departures;
pub use plan::plan_record;

/// What a record names beside the run.
#[derive(Debug, Clone)]
pub struct RecordFacts<'a> {
    /// The commit of the change.
    pub change: CommitId,
    /// The branch that will hold it.
    pub branch: &'a RefName,
    /// The ticket's title.
    pub title: &'a str,
    /// What did not work before.
    pub setbacks: &'a [String],
}

/// `result.md` of a run that is about to be delivered.
pub fn result_record(run: &Run, facts: &RecordFacts<'_>) -> String {
    let mut text = front_matter(run, facts, "result");
    let report = report_of(run);
    let _ = writeln!(text, "# Result of {}\n", run.opened().ticket);
    heading(&mut text, "Summary");
    let _ = writeln!(text, "Delivered: {}\n\nThe worker says:\n", inline(facts.title));
    quote(&mut text, report.map_or("", |report| &report.summary));
    let children = children_in_words(run);
    if !children.is_empty() {
        heading(&mut text, "Children");
        quotes(&mut text, &children);
    }
    heading(&mut text, "Files changed");
    files(&mut text, run);
    heading(&mut text, "Commands run");
    let _ = writeln!(text, "By the worker, as it says:\n");
    let commands: Vec<_> = report
        .map(|report| {
            report
                .commands
                .iter()
                .map(|c| format!("{}: {}", c.command, c.outcome))
                .collect()
        })
        .unwrap_or_default();
    quotes(&mut text, &commands);
    heading(&mut text, "Verification");
    verification(&mut text, run);
    let rounds = round_reports(run);
    if !rounds.is_empty() {
        heading(&mut text, "Rounds");
        let _ = writeln!(
            text,
            "Each one task that an advisor named, and what the checks then showed:\n"
        );
        let lines: Vec<_> = rounds
            .iter()
            .map(|round| format!("{}: {}; {}", round.n, round.task.what, round.outcome()))
            .collect();
        quotes(&mut text, &lines);
    }
    let questions = QuestionReport::all(run);
    if !questions.is_empty() {
        heading(&mut text, "Questions");
        let _ = writeln!(text, "What the worker asked a person, and what was answered:\n");
        let lines: Vec<_> = questions.iter().map(QuestionReport::line).collect();
        quotes(&mut text, &lines);
    }
    for (title, lines) in [
        ("Skipped checks", report.map(|report| &report.skipped_checks)),
        ("Deviations from the prompt", report.map(|report| &report.deviations)),
    ] {
        heading(&mut text, title);
        quotes(&mut text, lines.map_or(&[], Vec::as_slice));
    }
    heading(&mut text, "Blockers");
    let _ = writeln!(text, "None.\n");
    heading(&mut text, "Known issues and risks");
    quotes(&mut text, report.map_or(&[], |report| &report.risks));
    heading(&mut text, "Memory updates");
    if let Some(PhaseEvidence::ContextCurated { notes, .. }) = run.evidence(Phase::ContextCurated) {
        quotes(&mut text, notes);
    }
    for note in run.curation().map_or(&[][..], |curation| &curation.notes) {
        let _ = writeln!(text, "{}, {}:\n", code(&note.path), inline(&note.title));
        quote(&mut text, &note.text);
    }
    heading(&mut text, "Suggested next ticket");
    quotes(
        &mut text,
        &report
            .map(|r| r.next_ticket.clone())
            .filter(|n| !n.is_empty())
            .into_iter()
            .collect::<Vec<_>>(),
    );
    heading(&mut text, "Review hand-off");
    let _ = writeln!(
        text,
        "See `review.md` beside this file. Packet role: hand-off for a person, not an approval\n"
    );
    heading(&mut text, "Commit and branch");
    let _ = writeln!(text, "Commit `{}` on branch `{}`.", facts.change, facts.branch.short());
    if let Some(target) = &run.opened().target {
        let _ = writeln!(
            text,
            "\nIt was made to be pushed to `{target}`; the receipt says what the remote had afterwards."
        );
    }
    if let Some(stack) = stack_sentence(stack_of(run)) {
        let _ = writeln!(text, "\nMind: {}.", inline(&stack));
    }
    text
}

/// `review.md` of a run that is about to be delivered.
pub fn review_record(run: &Run, facts: &RecordFacts<'_>) -> String {
    let mut text = front_matter(run, facts, "review");
    let _ = writeln!(text, "# Review of {}\n", run.opened().ticket);
    let _ = writeln!(text, "Packet role: hand-off for a person, not an approval\n");
    let review = review_of(run);
    heading(&mut text, "Verdict");
    match run.evidence(Phase::IndependentReviewComplete) {
        Some(PhaseEvidence::IndependentReviewComplete {
            verdict,
            tree,
            carried_from,
            ..
        }) => {
            let word = if *verdict == Verdict::Pass { "pass" } else { "fail" };
            let _ = writeln!(
                text,
                "**{word}** for tree `{tree}`, after {} repair rounds.\n",
                run.totals().repair_rounds
            );
            if let Some(seen) = carried_from {
                let _ = writeln!(
                    text,
                    "The reviewer saw tree `{seen}`: the same change, which was brought onto another base since. Nobody else had changed its files.\n"
                );
            }
            quote(&mut text, review.map_or("", |review| &review.summary));
        }
        _ => {
            let _ = writeln!(
                text,
                "No independent review: the ticket's mode and the policy go without.\n"
            );
        }
    }
    if let (Some(by), Some(tree)) = (run.accepted_by(), run.tree()) {
        let _ = writeln!(text, "Accepted by {} as tree `{tree}`.\n", inline(by));
    }
    heading(&mut text, "Findings");
    findings(&mut text, review);
    let opinions = expert_opinions(run);
    if !opinions.is_empty() {
        heading(&mut text, "Experts");
        let _ = writeln!(
            text,
            "Each judged one field, in a conversation of its own that could only read.\n"
        );
        for opinion in &opinions {
            let _ = writeln!(
                text,
                "**{}** of the {}: {}. Called by: {}\n",
                opinion.expert,
                opinion.about,
                opinion.verdict_in_words(),
                inline(&opinion.called_by())
            );
            quotes(&mut text, &opinion.lines());
        }
    }
    heading(&mut text, "What was inspected");
    quotes(&mut text, review.map_or(&[], |review| &review.inspected));
    heading(&mut text, "Evidence");
    verification(&mut text, run);
    if let Some(drift) = crate::drift::of(run) {
        let _ = writeln!(text, "Held against its specs: **{}**.\n", drift.verdict().as_str());
        let findings: Vec<_> = drift.findings.iter().map(ToString::to_string).collect();
        if !findings.is_empty() {
            quotes(&mut text, &findings);
        }
    }
    let weakened = crate::weakened::lines(run);
    if !weakened.is_empty() {
        let _ = writeln!(text, "Hunks that weaken tests, found by their structure:\n");
        quotes(&mut text, &weakened);
    }
    heading(&mut text, "Residual risks");
    quotes(&mut text, review.map_or(&[], |review| &review.residual_risks));
    heading(&mut text, "Recommended next action");
    quote(&mut text, review.map_or("", |review| &review.next_action));
    text
}

/// Whether these bytes are a record of this kind that a run has written.
pub(crate) fn is_record_of(bytes: &[u8], record: &str) -> bool {
    let rest = bytes.strip_prefix(b"---\nrecord: ").unwrap_or_default();
    rest.strip_prefix(record.as_bytes())
        .is_some_and(|rest| rest.starts_with(b"\n"))
}

fn front_matter(run: &Run, facts: &RecordFacts<'_>, record: &str) -> String {
    let opened = run.opened();
    let tree = run.tree().map(|tree| tree.to_string()).unwrap_or_default();
    let base = run.base().map(|base| base.to_string()).unwrap_or_default();
    let totals = run.totals();
    let rescued = opened.rescued.as_ref();
    let rescued = rescued.map(|rescued| format!("rescued: {}\n", rescued.run));
    format!(
        "---\nrecord: {record}\nticket: {}\nrun: {}\n{}tree: {}\nbase: {}\nchange: {}\nbranch: {}\niterations: {}\n\
         repair_rounds: {}\ntokens: {}\nstarted: {}\nfoil: {}\n---\n\n",
        scalar(opened.ticket.as_str()),
        opened.run,
        rescued.unwrap_or_default(),
        scalar(&tree),
        scalar(&base),
        scalar(&facts.change.to_string()),
        scalar(facts.branch.short()),
        totals.iterations,
        totals.repair_rounds,
        totals.tokens.total,
        run.opened_at(),
        opened.foil,
    )
}

/// A text as a scalar of YAML: as it is where nobody could read anything else out of it, quoted otherwise. A ticket may be
/// called `0042`, and a branch `'team'/a`.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c));
    // Numbers with exponents and dates among them.
    let is_number = text.starts_with("0x") || text.chars().all(|c| c.is_ascii_digit() || "._-eEoOb".contains(c));
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_plain && !is_number && !is_word {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// The worker's report that the run stands on.
pub fn report_of(run: &Run) -> Option<&Report> {
    match run.evidence(Phase::ImplementationComplete)? {
        PhaseEvidence::ImplementationComplete { report, .. } => Some(report),
        _ => None,
    }
}

/// The reviewer's answer in the iteration that the run stands on.
pub fn review_of(run: &Run) -> Option<&Review> {
    let judged = run.attempt()?.review.as_ref()?.turn.end.answer()?;
    Some(&judged.review)
}

fn heading(text: &mut String, title: &str) {
    let _ = writeln!(text, "## {title}\n");
}

fn files(text: &mut String, run: &Run) {
    let Some(change) = run.change() else { return };
    if change.counts.total() == 0 {
        let _ = writeln!(text, "None.");
    }
    for listed in &change.paths {
        let word = match listed.kind {
            ChangeKind::Added => "added",
            ChangeKind::Modified => "modified",
            ChangeKind::ModeChanged => "mode changed",
            ChangeKind::TypeChanged => "type changed",
            ChangeKind::Deleted => "deleted",
            ChangeKind::Renamed => "renamed",
        };
        let from = listed
            .from
            .as_ref()
            .map(|from| format!(" from {}", code(&from.to_string())))
            .unwrap_or_default();
        let _ = writeln!(text, "- {} {word}{from}", code(&listed.path.to_string()));
    }
    let listed = u64::try_from(change.paths.len()).unwrap_or(u64::MAX);
    if change.counts.total() > listed {
        let _ = writeln!(text, "- and {} more", change.counts.total() - listed);
    }
    text.push('\n');
}

fn verification(text: &mut String, run: &Run) {
    let Some(PhaseEvidence::FocusedTestsPassed {
        tree,
        checks,
        acceptance,
        compared,
    }) = run.evidence(Phase::FocusedTestsPassed)
    else {
        let _ = writeln!(
            text,
            "{}\n",
            if run.opened().mode.discipline().is_checked() {
                "**No check ran: neither policy nor ticket has one. The result is only claimed.**"
            } else {
                "Nothing changed, so there was nothing to check. The answer is only claimed; the reviewer judged it."
            }
        );
        return;
    };
    let _ = writeln!(
        text,
        "By the runner, on tree `{tree}`:\n\n| check | result | strength | time | proves |\n| --- | --- | --- | --- | --- |"
    );
    for check in checks {
        let _ = writeln!(text, "{}", row(check));
    }
    text.push('\n');
    for proof in acceptance {
        if proof.checks.is_empty() {
            let _ = writeln!(
                text,
                "- {}: no check proves it; judged by the reviewer only",
                code(&proof.id)
            );
        } else {
            let _ = writeln!(
                text,
                "- {}: proved by {}",
                code(&proof.id),
                inline(&proof.checks.join(", "))
            );
        }
    }
    if !acceptance.is_empty() {
        text.push('\n');
    }
    if let Some(comparison) = compared {
        let _ = writeln!(text, "Tests before and after the change, as they report themselves:\n");
        quotes(text, &crate::compared::lines(comparison));
    }
}

fn row(check: &CheckResult) -> String {
    let tests = check
        .tests
        .as_ref()
        .map(|t| format!(", {} passed, {} failed, {} skipped", t.passed, t.failed, t.skipped))
        .unwrap_or_default();
    format!(
        "| {} | {}{tests} | `{}` | {} ms | {} |",
        cell(&check.name),
        cell(&check.ending()),
        strength_name(check.strength),
        check.duration_ms,
        cell(&check.proves.join(", "))
    )
}

/// The word for a strength that the policy and the stored records use.
pub fn strength_name(strength: Strength) -> &'static str {
    match strength {
        Strength::WorkerClaimed => "worker_claimed",
        Strength::WorkerRan => "worker_ran",
        Strength::RunnerRan => "runner_ran",
        Strength::RunnerRanClean => "runner_ran_clean",
        Strength::RerunElsewhere => "rerun_elsewhere",
    }
}

fn findings(text: &mut String, review: Option<&Review>) {
    let findings = review.map_or(&[][..], |review| &review.findings);
    let lines: Vec<_> = findings.iter().map(finding_line).collect();
    quotes(text, &lines);
}

/// A finding in one sentence.
pub(crate) fn finding_line(finding: &Finding) -> String {
    format!(
        "{}: {}: expected {}, found {}; repair: {}",
        finding.severity, finding.place, finding.expected, finding.actual, finding.required_repair
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_would_read_as_something_else_is_quoted() {
        for plain in ["0042-validate", "foil/0042", "a.b_c-d", "1a", "nothing", "deadbeef00"] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in [
            "",
            "0042",
            "1.5",
            "1e3",
            "12_000",
            "0o17",
            "0b1",
            "0xcafe",
            "2026-01-01",
            "null",
            "True",
            "NO",
            "@team/a",
            "a#b",
            "a: b",
            "'a",
            "\"a",
            "-a",
            "é",
        ] {
            assert_eq!(scalar(quoted), format!("'{}'", quoted.replace('\'', "''")));
        }
    }
}
