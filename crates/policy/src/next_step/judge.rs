//! From a finished turn to a passed review.

use jiff::Timestamp;
use ledger_core::{
    AcceptanceProof, BlockerCode, CheckPurpose, CheckedTree, Effect, EndedReview, Event, Finding, IterationCause,
    JudgedReview, NotRequiredCode, Phase, PhaseEvidence, ReportStatus, Run, Severity, TreeId, Verdict,
};

use super::write::{another_iteration, baseline_failed, failed};
use super::{FailedAnswer, and_more, blocked, enter, experts, gates, not_required, places, rounds, turn_label};
use crate::acceptance::{acceptance_proofs, unproved};
use crate::inputs::{Inputs, Step};
use crate::spec_trace::unproved_requirements;
use crate::test_weakening::hunks_to_justify;

pub(super) fn next(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    let Some(tree) = run.tree() else {
        return blocked(run, BlockerCode::TreeMismatch, "the run stands on no tree");
    };
    match run.phase() {
        Some(Phase::ImplementationComplete) => checks(run, tree, inputs, now),
        Some(Phase::FocusedTestsPassed) => self_review(run),
        Some(Phase::SelfReviewComplete) => review(run, tree, inputs, now),
        _ => after_review(run, inputs),
    }
}

/// Whether everybody has passed the change whose word it needs, so that nothing is left but to deliver it. That costs no tokens.
pub(super) fn is_passed(run: &Run, inputs: &Inputs, now: Timestamp) -> bool {
    let Some(attempt) = run.attempt().filter(|attempt| attempt.rejection.is_none()) else {
        return false;
    };
    if !run.opened().review {
        return run.phase() >= Some(Phase::FocusedTestsPassed);
    }
    let Some(review) = &attempt.review else { return false };
    let judged = review
        .turn
        .end
        .answer()
        .filter(|_| review.turn.interrupted_for.is_none());
    let by_experts = match run.tree() {
        Some(tree) => experts::of_tree(run, tree, inputs, now).is_none() && run.expert_findings().is_empty(),
        // They passed it before it was brought onto another base.
        None => review.carried_from.is_some(),
    };
    judged.is_some_and(|judged| judged.passes) && by_experts
}

fn checks(run: &Run, tree: TreeId, inputs: &Inputs, now: Timestamp) -> Step {
    // What gates want of a change, it has to have in the end.
    if run.round().is_none()
        && let Some(step) = gates::before_checks(run, inputs)
    {
        return step;
    }
    let names = &run.opened().checks;
    if names.is_empty() {
        if let Some(step) = drifted(run, inputs, &[]) {
            return step;
        }
        let reason = if run.opened().mode.discipline().is_checked() {
            "neither policy nor ticket has a check: what was done is only claimed"
        } else {
            "nothing changes, so there is nothing to check"
        };
        return not_required(Phase::FocusedTestsPassed, NotRequiredCode::NoChecks, reason);
    }
    if let Some(step) = places(run) {
        return step;
    }
    if let Some(step) = baseline_again(run, inputs) {
        return step;
    }
    match run.attempt().and_then(|attempt| attempt.checked.as_ref()) {
        None => Step::Start(Effect::RunChecks {
            purpose: CheckPurpose::Proof,
            tree,
            checks: names.clone(),
        }),
        Some(checked) if checked.tree != tree => mismatch(run, "checked", checked.tree, tree),
        Some(checked) if run.round().is_some() => after_checks_of_round(run, checked, inputs, now),
        Some(checked) => after_checks(run, checked, inputs),
    }
}

/// A base that the change was brought onto is checked as the first one was.
fn baseline_again(run: &Run, inputs: &Inputs) -> Option<Step> {
    let tree = run.rebased_base_tree()?;
    match run.baseline() {
        None if inputs.baseline.is_empty() => None,
        None => Some(Step::Start(Effect::RunChecks {
            purpose: CheckPurpose::Baseline,
            tree,
            checks: inputs.baseline.clone(),
        })),
        Some(results) => baseline_failed(run, results),
    }
}

fn mismatch(run: &Run, what: &str, found: TreeId, expected: TreeId) -> Step {
    let reason = format!(
        "tree {} was {what}, but the worker's turn ended in tree {}",
        found.short(),
        expected.short()
    );
    blocked(run, BlockerCode::TreeMismatch, reason)
}

fn after_checks_of_round(run: &Run, checked: &CheckedTree, inputs: &Inputs, now: Timestamp) -> Step {
    rounds::after_checks(run, checked, inputs, now)
        .or_else(|| gates::before_checks(run, inputs))
        .or_else(|| gates::after_checks(run, inputs, checked.tree))
        .unwrap_or_else(|| proved(run, checked, inputs))
}

fn after_checks(run: &Run, checked: &CheckedTree, inputs: &Inputs) -> Step {
    let failing: Vec<_> = failed(&checked.results).map(|result| result.name.clone()).collect();
    if run.opened().mode.discipline().owns_tickets && !failing.is_empty() {
        // Nobody writes here who could mend it.
        let reason = format!("on the children together these checks fail: {}", failing.join(", "));
        return blocked(run, BlockerCode::ProofFailed, reason);
    }
    if failing.is_empty() {
        return match run.evidence(Phase::ImplementationComplete) {
            // Only its tests were looked at.
            Some(PhaseEvidence::ImplementationComplete { report, .. }) if report.status == ReportStatus::InProgress => {
                another_iteration(run, inputs, IterationCause::MoreToDo)
            }
            _ => gates::after_checks(run, inputs, checked.tree).unwrap_or_else(|| proved(run, checked, inputs)),
        };
    }
    let failures = run.totals().verification_failures;
    let limit = inputs.limits.verification_failures;
    if limit > 0 && failures >= limit {
        let reason = format!(
            "checks failed on {failures} trees in a row; the last time: {}",
            failing.join(", ")
        );
        return blocked(run, BlockerCode::VerificationFailureLimit, reason);
    }
    another_iteration(run, inputs, IterationCause::ChecksFailed { checks: failing })
}

fn proved(run: &Run, checked: &CheckedTree, inputs: &Inputs) -> Step {
    let acceptance = acceptance_proofs(&inputs.acceptance, &checked.results);
    let unproved = unproved(&acceptance, &checked.results).join(", ");
    if !unproved.is_empty() {
        let reason = format!("no test passed of the checks that are to prove {unproved}");
        return blocked(run, BlockerCode::ProofFailed, reason);
    }
    if let Some(step) = drifted(run, inputs, &acceptance) {
        return step;
    }
    enter(PhaseEvidence::FocusedTestsPassed {
        tree: checked.tree,
        checks: checked.results.clone(),
        acceptance,
        compared: run.attempt().and_then(|attempt| attempt.compared.clone()),
    })
}

/// Another turn, or the end, where the change has parted from its specs. What the worker cannot mend ends the run at once, as do as many
/// turns for it as there may be repair rounds.
fn drifted(run: &Run, inputs: &Inputs, acceptance: &[AcceptanceProof]) -> Option<Step> {
    let measured = run.attempt().and_then(|attempt| attempt.measured.as_ref());
    let drift = measured.and_then(|measured| measured.drift.as_ref());
    let mut findings: Vec<_> = drift.iter().flat_map(|drift| drift.blocking()).cloned().collect();
    findings.extend(unproved_requirements(&inputs.required, acceptance));
    let first = findings.first()?;
    let is_mendable = findings.iter().all(|finding| finding.code.is_for_the_worker());
    let (turns, totals) = (run.opened().max_repair_rounds, run.totals());
    if is_mendable && totals.spec_drifts < turns && totals.iterations < inputs.limits.max_iterations {
        return Some(another_iteration(run, inputs, IterationCause::SpecDrift { findings }));
    }
    let more = and_more(findings.len().saturating_sub(1));
    Some(blocked(run, BlockerCode::SpecDrift, format!("{first}{more}")))
}

fn self_review(run: &Run) -> Step {
    if !run.opened().review {
        return not_required(
            Phase::SelfReviewComplete,
            NotRequiredCode::Mode,
            "loop mode goes without reviews here",
        );
    }
    match run.evidence(Phase::ImplementationComplete) {
        Some(PhaseEvidence::ImplementationComplete { report, .. }) => enter(PhaseEvidence::SelfReviewComplete {
            self_review: report.self_review.clone(),
        }),
        _ => blocked(run, BlockerCode::ReportInvalid, "the turn has no report"),
    }
}

fn review(run: &Run, tree: TreeId, inputs: &Inputs, now: Timestamp) -> Step {
    if !run.opened().review {
        if let Some(reason) = unjudged_weakening(run, inputs) {
            return blocked(run, BlockerCode::NeedsPerson, reason);
        }
        let reason = "loop mode goes without reviews here";
        return not_required(Phase::IndependentReviewComplete, NotRequiredCode::Mode, reason);
    }
    let ask = || {
        places(run).unwrap_or_else(|| {
            Step::Start(Effect::TakeReview {
                tree,
                label: turn_label(run, "review"),
            })
        })
    };
    let Some(attempt) = run.attempt() else { return ask() };
    let Some(ended) = &attempt.review else { return ask() };
    if ended.tree != tree {
        return mismatch(run, "reviewed", ended.tree, tree);
    }
    if let Some(judged) = ended.turn.end.answer() {
        return verdict(run, tree, ended, judged, inputs, now);
    }
    let give_up = |tries, reason: &str| {
        let reason = format!("{tries} reviews gave no verdict; the last: {reason}");
        blocked(run, BlockerCode::ReviewFailed, reason)
    };
    FailedAnswer::of(&ended.turn, attempt.failed_reviews).ask_again(run, inputs, now, ask, give_up)
}

/// Tests that are weaker, in a run without a reviewer who could justify that, where the policy wants it justified.
fn unjudged_weakening(run: &Run, inputs: &Inputs) -> Option<String> {
    let hunks = hunks_to_justify(run, &inputs.gates);
    let first = hunks.first()?;
    let more = and_more(hunks.len().saturating_sub(1));
    Some(format!(
        "{}: {}{more}, and the run goes without a reviewer who could justify it: give the ticket a mode with a review, or look at the \
         change and deliver it yourself",
        first.place(),
        first.how
    ))
}

fn verdict(
    run: &Run,
    tree: TreeId,
    ended: &EndedReview,
    JudgedReview { review, passes }: &JudgedReview,
    inputs: &Inputs,
    now: Timestamp,
) -> Step {
    let Some(thread) = ended.turn.thread.clone() else {
        return blocked(run, BlockerCode::ReviewFailed, "the reviewer named no conversation");
    };
    if run.writer() == Some(&thread) {
        return blocked(
            run,
            BlockerCode::ReviewFailed,
            "the review was answered in the writer's conversation",
        );
    }
    // What the reviewer refuses is repaired before anybody else looks at it.
    if *passes && let Some(step) = experts::of_tree(run, tree, inputs, now) {
        return step;
    }
    let of_experts = run.expert_findings();
    let verdict = if *passes && of_experts.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    enter(PhaseEvidence::IndependentReviewComplete {
        tree,
        thread,
        verdict,
        findings: review.findings.iter().cloned().chain(of_experts).collect(),
        experts: run.expert_verdicts(),
        carried_from: ended.carried_from,
    })
}

fn after_review(run: &Run, inputs: &Inputs) -> Step {
    let rounds = run.totals().repair_rounds;
    let rejection = run.attempt().and_then(|attempt| attempt.rejection.clone());
    let found = match run.evidence(Phase::IndependentReviewComplete) {
        Some(PhaseEvidence::IndependentReviewComplete {
            verdict: Verdict::Fail,
            findings,
            ..
        }) => Some(findings.clone()),
        _ => None,
    };
    let who = if rejection.is_some() {
        "a person"
    } else {
        "the reviewer"
    };
    let Some(findings) = rejection.or(found) else {
        return enter(PhaseEvidence::RepairLoopCompleteOrNotNeeded { rounds });
    };
    let owns_tickets = run.opened().mode.discipline().owns_tickets;
    if owns_tickets || rounds >= run.opened().max_repair_rounds {
        let worst = findings
            .first()
            .map(|f| format!("; first: {}: {}", f.place, f.actual))
            .unwrap_or_default();
        let reason = if owns_tickets {
            // What is wrong with a delivered child is another ticket's to mend.
            format!("{who} refuses the children together{worst}")
        } else {
            format!("after {rounds} repair rounds {who} still refuses the change{worst}")
        };
        return blocked(run, BlockerCode::RepairLimit, reason);
    }
    let taken = run.totals().iterations;
    if taken >= inputs.limits.max_iterations {
        return blocked(
            run,
            BlockerCode::MaxIterations,
            format!("{taken} iterations were not enough"),
        );
    }
    let findings = if findings.is_empty() {
        vec![unnamed_finding(run)]
    } else {
        findings
    };
    Step::Record(Event::RepairStarted {
        round: rounds + 1,
        n: taken + 1,
        findings,
    })
}

/// A reviewer that refuses a change and names nothing has at least said a next action.
fn unnamed_finding(run: &Run) -> Finding {
    let review = run
        .attempt()
        .and_then(|attempt| attempt.review.as_ref())
        .and_then(|ended| ended.turn.end.answer())
        .map(|judged| &judged.review);
    Finding {
        severity: Severity::High,
        place: "the change as a whole".to_owned(),
        expected: "a change that the reviewer can pass".to_owned(),
        actual: review.map(|review| review.summary.clone()).unwrap_or_default(),
        required_repair: review.map(|review| review.next_action.clone()).unwrap_or_default(),
    }
}
