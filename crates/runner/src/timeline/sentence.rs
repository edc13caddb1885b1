//! What an event says, in one sentence.

use ledger_core::{
    Activity, AdviceEnd, AdviceNext, Blocker, ChangeCounts, CheckResult, CheckSandbox, ChildEnded, Consent,
    CurationEnd, DeliveryMode, Effect, Event, ExpertEnd, ExpertSubject, Finding, IterationCause, Judge, Observation,
    PauseCause, Phase, PhaseEvidence, PlanEnd, PlanStatus, ResumeCause, ReviewEnd, TestComparison, TurnEnd, Verdict,
};
use serde::Serialize;

use crate::children::end_in_words;
use crate::stack::stack_in_words;

/// What an event is about, where its kind alone does not say.
pub(super) fn subject(event: &Event) -> Option<String> {
    match event {
        Event::Entered(evidence) => Some(evidence.phase().as_str().to_owned()),
        Event::NotRequired { phase, .. } => Some(phase.as_str().to_owned()),
        Event::Intended(effect) => name_in(effect, "effect"),
        Event::Activity(activity) => name_in(activity, "activity"),
        Event::Observed { observation, .. } => name_in(observation, "seen"),
        Event::Blocked(blocker) => Some(blocker.code.as_str().to_owned()),
        _ => None,
    }
}

/// The stable name of a variant, as it is written.
fn name_in(value: &impl Serialize, tag: &str) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    value.get(tag)?.as_str().map(str::to_owned)
}

/// What an event says.
pub(super) fn sentence(event: &Event) -> String {
    match event {
        Event::Opened(opened) => {
            let from = opened.rescued.as_ref();
            let from = from.map(|rescued| format!(", with what run {} left", rescued.run));
            format!(
                "run of `{}` opened in mode {}, {}{}",
                opened.ticket,
                opened.mode.as_str(),
                delivery_words(opened.delivery),
                from.unwrap_or_default()
            )
        }
        Event::DeliveryOpened(delivery) => format!(
            "delivery run {} of what is done opened, {}",
            delivery.run,
            delivery_words(delivery.delivery)
        ),
        Event::Entered(evidence) => entered(evidence),
        Event::NotRequired { phase, reason, .. } => format!("{} is not required: {reason}", phase_words(*phase)),
        Event::ChildEnded(ended) => child_ended(ended),
        Event::IterationStarted { n, cause } => match cause {
            IterationCause::First => format!("iteration {n} started"),
            IterationCause::MoreToDo => format!("iteration {n} started: the worker says that there is more to do"),
            IterationCause::ChecksFailed { checks } => {
                format!(
                    "iteration {n} started: {} failed",
                    list(checks.iter().map(String::as_str))
                )
            }
            IterationCause::Round { round, task } => {
                format!("round {round} started as iteration {n}: {}", task.what)
            }
            IterationCause::TestsRefused { gate, reason } => format!("iteration {n} started, {gate}: {reason}"),
            IterationCause::SpecDrift { findings } => {
                let first = findings
                    .first()
                    .map(|first| format!(", first {first}"))
                    .unwrap_or_default();
                format!("iteration {n} started: the change has parted from its specs{first}")
            }
            IterationCause::TurnFailed { reason } => format!("iteration {n} started: {reason}"),
        },
        Event::RepairStarted { round, n, findings } => {
            format!(
                "repair round {round} started as iteration {n}, for {}",
                count(findings.len(), "finding")
            )
        }
        Event::Intended(effect) => intended(effect),
        Event::Activity(activity) => activity_words(activity),
        Event::Observed { observation, .. } => observed(observation),
        Event::Paused { cause } => match cause {
            PauseCause::Stop => "paused by `foil stop`".to_owned(),
            PauseCause::Interrupt => "paused by an interrupt".to_owned(),
            PauseCause::Terminate => "paused by a request to terminate".to_owned(),
            PauseCause::Person => "paused by a person's word".to_owned(),
            PauseCause::Children => "waits for the children of the ticket".to_owned(),
        },
        Event::Resumed { after } => match after {
            ResumeCause::Pause => "taken up again after a pause".to_owned(),
            ResumeCause::Crash => "taken up again: the last runner was gone without a word".to_owned(),
            ResumeCause::Blocker => "taken up again after a blocker".to_owned(),
            ResumeCause::Unstored => "taken up again to be stored".to_owned(),
        },
        Event::Warned { message } => format!("warning: {message}"),
        Event::Accepted { by, tree } => {
            let tree = tree
                .map(|tree| format!(" as tree {}", tree.short()))
                .unwrap_or_default();
            format!("accepted by {by}{tree}")
        }
        Event::Rejected { by, findings } => {
            format!(
                "rejected by {by} with {}{}",
                count(findings.len(), "finding"),
                first_finding(findings)
            )
        }
        Event::Blocked(blocker) => format!("blocked, {}", blocker_words(blocker)),
        Event::Canceled { by, reason } => format!("canceled by {by}: {reason}"),
    }
}

/// Whether what an agent said is a report or a review, which carry the label of their turn.
fn is_answer(said: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(said).is_ok_and(|said| said.get("turn").is_some())
}

/// A label without the run that it begins with, which whoever reads its journal knows.
fn short_label(label: &str) -> &str {
    label.rsplit('/').next().unwrap_or(label)
}

fn entered(evidence: &PhaseEvidence) -> String {
    match evidence {
        PhaseEvidence::SourceLockValidated(lock) => format!(
            "source lock validated: {} as approved by {}",
            count(lock.files.len(), "file"),
            lock.approved_by
        ),
        PhaseEvidence::RepositoryDiscovered(discovery) => {
            let sandbox = match discovery.check_sandbox.as_str() {
                "" | "off" => "without a sandbox".to_owned(),
                sandbox => format!("in the sandbox `{sandbox}`"),
            };
            let stack = match discovery.reason.stacked() {
                [] => String::new(),
                stack => format!(" on unmerged {}", stack_in_words(stack)),
            };
            format!("base is {}{stack}, checks run {sandbox}", discovery.base.short())
        }
        PhaseEvidence::PlanRecorded { .. } => "plan recorded".to_owned(),
        PhaseEvidence::RepositoryTicketRecorded { commit, files } => {
            format!(
                "{} of the ticket found in {}",
                count(files.len(), "file"),
                commit.short()
            )
        }
        PhaseEvidence::WriterAssigned { iteration, agent, .. } => {
            let kind = name_of(&agent.kind);
            let model = agent
                .model
                .as_deref()
                .map(|model| format!(" with {model}"))
                .unwrap_or_default();
            let warning = crate::agent_warning(agent)
                .map(|warning| format!("; {warning}"))
                .unwrap_or_default();
            format!(
                "{kind} {}{model} writes iteration {iteration}, sandbox `{}`{warning}",
                agent.version, agent.sandbox
            )
        }
        PhaseEvidence::ImplementationComplete { change, .. } => {
            format!(
                "the turn's result is tree {}: {}",
                change.tree.short(),
                changes(&change.counts)
            )
        }
        PhaseEvidence::FocusedTestsPassed { tree, checks, .. } => {
            format!("{} passed on tree {}", count(checks.len(), "check"), tree.short())
        }
        PhaseEvidence::SelfReviewComplete { .. } => "the worker has reviewed its own change".to_owned(),
        PhaseEvidence::IndependentReviewComplete {
            tree,
            verdict,
            findings,
            experts,
            ..
        } => {
            let verdict = match verdict {
                Verdict::Pass => "passes",
                Verdict::Fail => "fails",
            };
            format!(
                "independent review: tree {} {verdict}, {}{}",
                tree.short(),
                count(findings.len(), "finding"),
                if experts.is_empty() {
                    String::new()
                } else {
                    let said = experts
                        .iter()
                        .map(|said| format!("{} {}", said.judge, passes_or_fails(said.passes)));
                    format!("; {}", said.collect::<Vec<_>>().join(", "))
                }
            )
        }
        PhaseEvidence::RepairLoopCompleteOrNotNeeded { rounds } => {
            format!(
                "nothing is left to repair, after {}",
                count(count_of(*rounds), "repair round")
            )
        }
        PhaseEvidence::ContextCurated { notes, .. } => list(notes.iter().map(String::as_str)),
        PhaseEvidence::GitDeliveryStarted(prepared) => format!(
            "delivery to `{}` prepared: change {}, records {}",
            prepared.branch.short(),
            prepared.change.short(),
            prepared.records.short()
        ),
        PhaseEvidence::ExplicitPathsStaged { tree, total, .. } => {
            format!(
                "the commit holds exactly {} of tree {}",
                count(usize::try_from(*total).unwrap_or(usize::MAX), "path"),
                tree.short()
            )
        }
        PhaseEvidence::Committed { branch, new, .. } => format!("`{}` points at {}", branch.short(), new.short()),
        PhaseEvidence::Pushed { remote, name, new, .. } => {
            format!("`{}` of {remote} points at {}", name.short(), new.short())
        }
        PhaseEvidence::HeadEqualsUpstreamProved { remote, name, commit } => {
            format!(
                "asked again, {remote} says that `{}` is {}",
                name.short(),
                commit.short()
            )
        }
        PhaseEvidence::Proposed {
            number, base, draft, ..
        } => {
            let draft = if *draft { "draft " } else { "" };
            format!("{draft}pull request {number} to `{base}` is there")
        }
        PhaseEvidence::Done { receipt, .. } => format!("done, receipt {}", short_digest(&receipt.hex())),
    }
}

fn intended(effect: &Effect) -> String {
    match effect {
        Effect::PreparePlaces { base } => format!("preparing places from {}", base.short()),
        Effect::RunChecks { tree, checks, .. } => {
            let what = effect.words();
            format!(
                "{what}: {} on tree {}",
                list(checks.iter().map(String::as_str)),
                tree.short()
            )
        }
        Effect::TakePlan { label } => format!("planning ({})", short_label(label)),
        Effect::TakeAdvice { tree, label } => {
            format!(
                "asking what is next ({}) after tree {}",
                short_label(label),
                tree.short()
            )
        }
        Effect::CompareTests { tree, .. } => format!("{} for tree {}", effect.words(), tree.short()),
        Effect::TakeTurn { iteration, label, .. } => {
            format!("{} ({}), iteration {iteration}", effect.words(), short_label(label))
        }
        Effect::Interrupt {
            because: Some(blocker), ..
        } => format!("interrupting, {}", blocker_words(blocker)),
        Effect::Interrupt { because: None, .. } => "interrupting, as asked".to_owned(),
        Effect::MeasureChanges { iteration } => format!("computing the change set of iteration {iteration}"),
        Effect::TakeReview { tree, label } => {
            format!("independent review ({}) of tree {}", short_label(label), tree.short())
        }
        Effect::AskExpert { judge, subject, label } => {
            format!(
                "asking the expert `{judge}` about {} ({})",
                subject_words(subject),
                short_label(label)
            )
        }
        Effect::TakeCuration { tree, label } => {
            format!("curating ({}) of tree {}", short_label(label), tree.short())
        }
        Effect::ConfirmConsent => "looking whether the approval still stands".to_owned(),
        Effect::PrepareDelivery { tree, .. } => format!("preparing commits of tree {}", tree.short()),
        Effect::UpdateRef { name, new, .. } => format!("moving `{}` to {}", name.short(), new.short()),
        Effect::AskRemote { target } => format!("asking for `{target}`"),
        Effect::Push { target, new, .. } => format!("pushing {} to `{target}`", new.short()),
        Effect::Rebase { onto } => format!("bringing the change onto {}", onto.short()),
        Effect::StoreRun { name, .. } => format!("storing the run as `{}`", name.short()),
    }
}

fn advice_ended(end: &AdviceEnd) -> String {
    match end {
        AdviceEnd::Answered { advice, violations } => {
            let said = match advice.next {
                AdviceNext::Task => format!("names the task: {}", advice.what),
                AdviceNext::Done => "says that all is done".to_owned(),
                AdviceNext::Stop => format!("says that it cannot go on: {}", advice.why),
            };
            let forbidden = violations.first().map(|first| {
                let many = count(violations.len(), "violation");
                format!("; {many}, first {}: {}", first.code, first.detail)
            });
            format!("the advisor {said}{}", forbidden.unwrap_or_default())
        }
        AdviceEnd::InvalidAnswer { reason } => format!("the advisor gave no valid answer: {reason}"),
        AdviceEnd::Interrupted => "the advisor was interrupted".to_owned(),
        AdviceEnd::Failed { failure } => format!("the advisor's turn ended in an error: {}", failure.message),
    }
}

fn passes_or_fails(passes: bool) -> &'static str {
    if passes { "passes it" } else { "refuses it" }
}

fn subject_words(subject: &ExpertSubject) -> String {
    match subject {
        ExpertSubject::Plan { .. } => "the plan".to_owned(),
        ExpertSubject::Tree { tree } => format!("tree {}", tree.short()),
    }
}

fn expert_ended(judge: Judge, subject: &ExpertSubject, end: &ExpertEnd) -> String {
    let about = subject_words(subject);
    match end {
        ExpertEnd::Answered { review, passes } => {
            let verdict = if *passes { "lets it pass" } else { "refuses it" };
            format!(
                "the expert `{judge}` says {} of {about} and {verdict}, with {}{}",
                review.recommendation.as_str(),
                count(review.findings.len(), "finding"),
                first_finding(&review.findings)
            )
        }
        ExpertEnd::InvalidAnswer { reason } => format!("the expert `{judge}` gave no valid answer: {reason}"),
        ExpertEnd::Interrupted => format!("the turn of the expert `{judge}` was interrupted"),
        ExpertEnd::Failed { failure } => format!(
            "the turn of the expert `{judge}` ended in an error: {}",
            failure.message
        ),
    }
}

fn activity_words(activity: &Activity) -> String {
    match activity {
        Activity::PromptSent { bytes, .. } => format!("prompt of {bytes} bytes sent"),
        Activity::ThreadStarted { thread, resumed, .. } => {
            let verb = if *resumed { "goes on with" } else { "begins" };
            format!("the agent {verb} conversation {thread}")
        }
        Activity::CommandStarted { command, .. } => format!("the agent runs: {command}"),
        Activity::CommandEnded { declined: true, .. } => "the command was declined".to_owned(),
        Activity::CommandEnded {
            exit_code: Some(code), ..
        } => format!("the command ended with status {code}"),
        Activity::CommandEnded { .. } => "the command was cut off".to_owned(),
        Activity::FilesEdited { paths } => format!(
            "the agent says that it edited {}",
            list(paths.iter().map(String::as_str))
        ),
        // What the answer holds is told when the turn ends.
        Activity::Message { text } if is_answer(text) => "the agent gives its answer".to_owned(),
        Activity::Message { text } => format!("the agent says: {text}"),
        Activity::Tokens { spent } => format!("{} tokens spent in this turn", spent.total),
        Activity::Retrying { reason } => format!("the agent tries again: {reason}"),
        Activity::RequestDeclined { request, about } => format!("declined the agent's request {request}: {about}"),
        Activity::Warning { message } => format!("the agent warns: {message}"),
    }
}

fn observed(observation: &Observation) -> String {
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
            let how = match end {
                PlanEnd::Answered { plan, .. } if plan.status == PlanStatus::Blocked => {
                    format!("blocked: {}", plan.blocked_because)
                }
                PlanEnd::Answered { plan, violations } => {
                    let files = count(plan.files.len(), "file");
                    match violations.first() {
                        None => format!("with {files}: {}", plan.approach),
                        Some(first) => format!(
                            "with {files}, {}, first {}: {}",
                            count(violations.len(), "violation"),
                            first.code,
                            first.detail
                        ),
                    }
                }
                PlanEnd::InvalidAnswer { reason } => format!("without a valid plan: {reason}"),
                PlanEnd::Interrupted => "interrupted".to_owned(),
                PlanEnd::Failed { failure } => format!("in an error: {}", failure.message),
            };
            format!("planning ended after {} tokens, {how}", tokens.total)
        }
        Observation::CurationEnded { end, tokens, .. } => {
            let how = match end {
                CurationEnd::Answered { curation, refused } => {
                    let notes = count(curation.notes.len(), "note");
                    match refused.first() {
                        None => format!("with {notes}"),
                        Some(first) => format!(
                            "with {notes}, {}, first {}: {}",
                            count(refused.len(), "violation"),
                            first.code,
                            first.detail
                        ),
                    }
                }
                CurationEnd::InvalidAnswer { reason } => format!("without a valid answer: {reason}"),
                CurationEnd::Interrupted => "interrupted".to_owned(),
                CurationEnd::Failed { failure } => format!("in an error: {}", failure.message),
            };
            format!("curation ended after {} tokens, {how}", tokens.total)
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
            match violations.first() {
                None => format!("tree {tree}: {changed}"),
                Some(first) => format!(
                    "tree {tree}: {changed}; {}, first {}: {}",
                    count(violations.len(), "violation"),
                    first.code,
                    first.detail
                ),
            }
        }
        Observation::ReviewEnded { end, .. } => match end {
            ReviewEnd::Answered { review, passes } => {
                let verdict = if *passes { "passes" } else { "fails" };
                let findings = count(review.findings.len(), "finding");
                format!(
                    "the change {verdict} the review with {findings}{}",
                    first_finding(&review.findings)
                )
            }
            ReviewEnd::InvalidAnswer { reason } => format!("the reviewer gave no valid verdict: {reason}"),
            ReviewEnd::Interrupted => "the review was interrupted".to_owned(),
            ReviewEnd::Failed { failure } => format!("the review ended in an error: {}", failure.message),
        },
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
        Observation::RunStored { commit } => format!("the run is stored in {}", commit.short()),
        Observation::Failed { code, reason } => format!("it could not be done, {code}: {reason}"),
        Observation::Lost { reason } => format!("nobody saw how it ended: {reason}"),
        Observation::Interrupted => "interrupted before its end".to_owned(),
    }
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

fn blocker_words(blocker: &Blocker) -> String {
    format!("{}: {}; next: {}", blocker.code, blocker.reason, blocker.next_step)
}

fn delivery_words(mode: DeliveryMode) -> &'static str {
    match mode {
        DeliveryMode::None => "delivered nowhere",
        DeliveryMode::Branch => "delivered to a branch",
        DeliveryMode::Push => "delivered to a branch of the remote",
        DeliveryMode::DraftPr => "delivered as a draft pull request",
    }
}

fn phase_words(phase: Phase) -> String {
    phase.as_str().replace('_', " ")
}

fn changes(counts: &ChangeCounts) -> String {
    if counts.total() == 0 {
        return "nothing differs from the base".to_owned();
    }
    let parts: Vec<_> = [
        (counts.added, "added"),
        (counts.modified, "modified"),
        (counts.renamed, "renamed"),
        (counts.deleted, "deleted"),
        (counts.type_changed, "of another type"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("{number} {word}"))
    .collect();
    list(parts.iter().map(String::as_str))
}

fn child_ended(ended: &ChildEnded) -> String {
    format!(
        "child {} {}; choice: {}, because {}",
        ended.ticket,
        end_in_words(&ended.end),
        ended.choice.as_str(),
        ended.reason
    )
}

fn first_finding(findings: &[Finding]) -> String {
    findings
        .first()
        .map(|finding| format!(", first at {}: {}", finding.place, finding.actual))
        .unwrap_or_default()
}

fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "agent".to_owned(),
    }
}

fn short_digest(hex: &str) -> String {
    hex.chars().take(12).collect()
}

fn count_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        other => format!("{other} {one}s"),
    }
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_no_saying() {
        let said = |text: &str| sentence(&Event::Activity(Activity::Message { text: text.to_owned() }));
        assert_eq!(
            said("{\"turn\":\"r/turn-1\",\"status\":\"done\"}"),
            "the agent gives its answer"
        );
        assert_eq!(said("{}"), "the agent says: {}");
    }
}
