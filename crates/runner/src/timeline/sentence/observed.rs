//! What an observation says, in one sentence.

use ledger_core::{
    AdviceEnd, AdviceNext, CheckResult, CheckSandbox, Consent, CurationEnd, ExpertEnd, ExpertSubject, Judge,
    JudgedAdvice, JudgedCuration, JudgedExpertReview, JudgedPlan, JudgedReview, Observation, PlanEnd, PlanStatus,
    ReaderEnd, ReviewEnd, TestComparison, TurnEnd, Violation,
};

use super::{changes, count, first_finding, list, subject_words};

/// What an observation says.
pub(super) fn observed(observation: &Observation) -> String {
    match observation {
        Observation::PlacesReady {
            anew: true,
            copied,
            set_up,
        } => {
            let mut text = "places made".to_owned();
            if !copied.is_empty() {
                text.push_str(&format!(", with {} of yours", count(copied.len(), "file")));
            }
            if !set_up.is_empty() {
                text.push_str(&format!(", and set up by {}", count(set_up.len(), "command")));
            }
            text
        }
        Observation::PlacesReady { anew: false, .. } => "places found as they were left".to_owned(),
        Observation::ChecksRan { results, .. } => checks(results),
        Observation::PlanEnded { end, tokens, .. } => {
            format!("planning ended after {} tokens, {}", tokens.total, plan_ended(end))
        }
        Observation::CurationEnded { end, tokens, .. } => {
            format!("curation ended after {} tokens, {}", tokens.total, curation_ended(end))
        }
        Observation::AdviceEnded { end, .. } => advice_ended(end),
        Observation::TestsCompared { comparison, .. } => compared(comparison),
        Observation::TurnEnded { end, tokens, .. } => {
            let how = match end {
                TurnEnd::Reported { report } => format!("with the report: {}", report.summary),
                TurnEnd::InvalidReport { reason } => format!("without a valid report: {reason}"),
                TurnEnd::Interrupted => "interrupted".to_owned(),
                TurnEnd::Failed { failure } => format!("in an error: {}", failure.message),
            };
            format!("the turn ended after {} tokens, {how}", tokens.total)
        }
        Observation::ChangesMeasured {
            change,
            violations,
            weakened,
            tests: _,
            same_as,
            drift,
            experts,
        } => {
            let tree = change.tree.short();
            let mut changed = changes(&change.counts);
            if let Some(first) = weakened.first() {
                let hunks = count(weakened.len(), "hunk");
                changed.push_str(&format!(
                    "; {hunks} may weaken tests, first {}: {}",
                    first.place(),
                    first.how
                ));
            }
            if let Some(refused) = same_as {
                changed.push_str(&format!(
                    "; no other change than {}, which was refused",
                    refused.short()
                ));
            }
            if let Some(drift) = drift {
                changed.push_str(&format!("; held against its specs: {}", drift.verdict().as_str()));
                if let Some(first) = drift.findings.first() {
                    changed.push_str(&format!(", {}, first {first}", count(drift.findings.len(), "finding")));
                }
            }
            if !experts.is_empty() {
                let names = list(experts.iter().map(|call| call.judge.as_str()));
                changed.push_str(&format!("; it calls for {names}"));
            }
            match first_violation(violations) {
                None => format!("tree {tree}: {changed}"),
                Some(forbidden) => format!("tree {tree}: {changed}; {forbidden}"),
            }
        }
        Observation::ReviewEnded { end, .. } => review_ended(end),
        Observation::ExpertEnded {
            judge, subject, end, ..
        } => expert_ended(*judge, subject, end),
        Observation::ConsentSeen { consent } => match consent {
            Consent::Current => "the approval still stands".to_owned(),
            Consent::Changed { path } => format!("`{path}` is not what was approved"),
            Consent::Canceled { by, reason } => format!("the ticket was canceled by {by}: {reason}"),
        },
        Observation::DeliveryPrepared { delivery } => {
            format!(
                "commits written: change {}, records {}",
                delivery.change.short(),
                delivery.records.short()
            )
        }
        Observation::Rebased {
            onto,
            tree,
            same_change,
            ..
        } => {
            let what = if *same_change {
                "the same change"
            } else {
                "what is left of the change"
            };
            format!("tree {} is {what} on {}", tree.short(), onto.short())
        }
        Observation::RemoteSeen {
            value: Some(value),
            contains_new,
        } => {
            let holds = if *contains_new {
                ", which holds the delivery"
            } else {
                ""
            };
            format!("the remote says that it is {}{holds}", value.short())
        }
        Observation::RemoteSeen { value: None, .. } => "the remote says that it does not exist".to_owned(),
        Observation::Pushed { old, new } => {
            format!("the remote took it: {} became {}", old.short(), new.short())
        }
        Observation::PushRefused { reason, .. } => format!("the remote did not take it: {reason}"),
        Observation::RefSeen {
            value: Some(value),
            contains_new: true,
        } => {
            format!("the branch points at {}, which holds the delivery", value.short())
        }
        Observation::RefSeen {
            value: Some(value),
            contains_new: false,
        } => {
            format!(
                "the branch points at {}, which does not hold the delivery",
                value.short()
            )
        }
        Observation::RefSeen { value: None, .. } => "the branch does not exist".to_owned(),
        Observation::HookEnded { result, .. } => format!("the hook `{}` ended: {}", result.name, result.outcome),
        Observation::Notified { problem: None } => "the notification was handed over".to_owned(),
        Observation::Notified { problem: Some(problem) } => format!("the notification was not handed over: {problem}"),
        Observation::RunStored { commit } => format!("the run is stored in {}", commit.short()),
        Observation::Failed { code, reason } => format!("it could not be done, {code}: {reason}"),
        Observation::Lost { reason } => format!("nobody saw how it ended: {reason}"),
        Observation::Interrupted => "interrupted before its end".to_owned(),
    }
}

/// What is said of the end of a turn that only reads: of its answer, or that it gave no valid one, was interrupted, or failed.
fn reader_ended<A>(
    end: &ReaderEnd<A>,
    [invalid, interrupted, failed]: [&str; 3],
    answered: impl FnOnce(&A) -> String,
) -> String {
    match end {
        ReaderEnd::Answered(judged) => answered(judged),
        ReaderEnd::InvalidAnswer { reason } => format!("{invalid}: {reason}"),
        ReaderEnd::Interrupted => interrupted.to_owned(),
        ReaderEnd::Failed { failure } => format!("{failed}: {}", failure.message),
    }
}

fn plan_ended(end: &PlanEnd) -> String {
    let words = ["without a valid plan", "interrupted", "in an error"];
    reader_ended(end, words, |JudgedPlan { plan, violations }| {
        if plan.status == PlanStatus::Blocked {
            return format!("blocked: {}", plan.blocked_because);
        }
        let files = count(plan.files.len(), "file");
        match first_violation(violations) {
            None => format!("with {files}: {}", plan.approach),
            Some(forbidden) => format!("with {files}, {forbidden}"),
        }
    })
}

fn curation_ended(end: &CurationEnd) -> String {
    let words = ["without a valid answer", "interrupted", "in an error"];
    reader_ended(end, words, |JudgedCuration { curation, refused }| {
        let notes = count(curation.notes.len(), "note");
        match first_violation(refused) {
            None => format!("with {notes}"),
            Some(forbidden) => format!("with {notes}, {forbidden}"),
        }
    })
}

fn advice_ended(end: &AdviceEnd) -> String {
    let words = [
        "the advisor gave no valid answer",
        "the advisor was interrupted",
        "the advisor's turn ended in an error",
    ];
    reader_ended(end, words, |JudgedAdvice { advice, violations }| {
        let said = match advice.next {
            AdviceNext::Task => format!("names the task: {}", advice.what),
            AdviceNext::Done => "says that all is done".to_owned(),
            AdviceNext::Stop => format!("says that it cannot go on: {}", advice.why),
        };
        match first_violation(violations) {
            None => format!("the advisor {said}"),
            Some(forbidden) => format!("the advisor {said}; {forbidden}"),
        }
    })
}

fn review_ended(end: &ReviewEnd) -> String {
    let words = [
        "the reviewer gave no valid verdict",
        "the review was interrupted",
        "the review ended in an error",
    ];
    reader_ended(end, words, |JudgedReview { review, passes }| {
        let verdict = if *passes { "passes" } else { "fails" };
        let findings = count(review.findings.len(), "finding");
        format!(
            "the change {verdict} the review with {findings}{}",
            first_finding(&review.findings)
        )
    })
}

fn expert_ended(judge: Judge, subject: &ExpertSubject, end: &ExpertEnd) -> String {
    let words = [
        &format!("the expert `{judge}` gave no valid answer")[..],
        &format!("the turn of the expert `{judge}` was interrupted"),
        &format!("the turn of the expert `{judge}` ended in an error"),
    ];
    reader_ended(end, words, |JudgedExpertReview { review, passes }| {
        let verdict = if *passes { "lets it pass" } else { "refuses it" };
        format!(
            "the expert `{judge}` says {} of {} and {verdict}, with {}{}",
            review.recommendation.as_str(),
            subject_words(subject),
            count(review.findings.len(), "finding"),
            first_finding(&review.findings)
        )
    })
}

fn compared(comparison: &TestComparison) -> String {
    let shown = comparison
        .checks
        .iter()
        .fold(0_u64, |sum, check| sum.saturating_add(check.changed.fail_to_pass.count));
    let shown = count(usize::try_from(shown).unwrap_or(usize::MAX), "test");
    let broken = usize::try_from(comparison.broken()).unwrap_or(usize::MAX);
    format!(
        "{shown} of the change failed on the base and passed on it; {} of the base passed there and did not on it",
        count(broken, "test")
    )
}

fn checks(results: &[CheckResult]) -> String {
    let unconfined = results.iter().any(|result| result.sandbox == CheckSandbox::Off);
    let note = if unconfined { ", without a sandbox" } else { "" };
    let failed: Vec<_> = results
        .iter()
        .filter(|result| !result.passed())
        .map(|result| format!("{} ({})", result.name, result.outcome))
        .collect();
    if failed.is_empty() {
        return format!("{} passed{note}", count(results.len(), "check"));
    }
    format!(
        "{} of {} failed{note}: {}",
        failed.len(),
        count(results.len(), "check"),
        list(failed.iter().map(String::as_str))
    )
}

fn first_violation(violations: &[Violation]) -> Option<String> {
    let first = violations.first()?;
    let all = count(violations.len(), "violation");
    Some(format!("{all}, first {}: {}", first.code, first.detail))
}
