//! What an event says, in one sentence.

mod observed;

use ledger_core::{
    Activity, Blocker, ChangeCounts, ChildEnded, DeliveryMode, Effect, Event, ExpertSubject, Finding, IterationCause,
    PauseCause, Phase, PhaseEvidence, ResumeCause, Verdict,
};
use serde::Serialize;

use self::observed::observed;
use crate::agent::shorten;
use crate::children::end_in_words;
use crate::stack::stack_in_words;

/// The most characters of a question and of a default in a sentence that has room for both.
const QUOTED: usize = 140;

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
            IterationCause::Answered { question } => {
                format!("iteration {n} started with the answer to question {question}")
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
            PauseCause::Budget => "paused, because what a night may cost is spent".to_owned(),
            PauseCause::Children => "waits for the children of the ticket".to_owned(),
        },
        Event::Resumed { after } => match after {
            ResumeCause::Pause => "taken up again after a pause".to_owned(),
            ResumeCause::Crash => "taken up again: the last runner was gone without a word".to_owned(),
            ResumeCause::Blocker => "taken up again after a blocker".to_owned(),
            ResumeCause::Unstored => "taken up again to be stored".to_owned(),
            ResumeCause::Clock => "went on after the machine's clock was set, or the machine slept".to_owned(),
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
        Event::QuestionAsked(asked) => format!(
            "question {} to a person, who has until {} to answer: {}; else this holds: {}",
            asked.n,
            asked.expires_at,
            shorten(&asked.question.text, QUOTED),
            shorten(&asked.question.default, QUOTED)
        ),
        Event::QuestionSeen { question, by } => format!("question {question} was looked at by {by}"),
        Event::QuestionAnswered {
            question,
            answer,
            by: Some(by),
        } => format!("question {question} answered by {by}: {answer}"),
        Event::QuestionAnswered {
            question,
            answer,
            by: None,
            ..
        } => format!("question {question} was answered by nobody in time, so its default holds: {answer}"),
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
        Effect::RunHook { hook, iteration, tree } if hook.is_of_iteration() => {
            format!(
                "running the hook `{hook}` of iteration {iteration} on tree {}",
                tree.short()
            )
        }
        Effect::RunHook { hook, tree, .. } => format!("running the hook `{hook}` on tree {}", tree.short()),
        Effect::Notify { about, by } => format!("telling the {by} that the run is `{about}`"),
        Effect::StoreRun { name, .. } => format!("storing the run as `{}`", name.short()),
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
        Activity::TreeChanged { .. } => "the agent repeats itself, and files change by it".to_owned(),
        Activity::ProcessSeen {
            cpu_ms,
            io_bytes,
            connections,
        } => format!(
            "the agent says nothing; since the last look {cpu_ms} ms of processor time, {io_bytes} bytes read and written, {connections} connections open"
        ),
    }
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
