//! Experts: asked one after another, about a plan before the first edit and about a tree after the reviewer has passed it.

use jiff::Timestamp;
use ledger_core::{
    Blocker, BlockerCode, Effect, EndedExpert, ExpertReview, ExpertSubject, Judge, Recommendation, Run, TreeId,
};

use super::under_way::spent_budget;
use super::{FailedAnswer, blocked, places, stopped, turn_label};
use crate::inputs::{Inputs, Step};

/// How it stands with one of those that are asked.
enum Word {
    /// It has answered, in a conversation of its own.
    Given,
    /// It gave no answer that can be used, also when asked again, or nothing is left to ask it with. It is one whose word stops nothing.
    Missing,
    /// This comes first.
    Open(Step),
}

/// What comes before the verdict on a tree that the reviewer has passed; none: everybody has answered whose word it needs.
pub(super) fn of_tree(run: &Run, tree: TreeId, inputs: &Inputs, now: Timestamp) -> Option<Step> {
    let subject = ExpertSubject::Tree { tree };
    run.expert_calls().into_iter().find_map(|call| {
        match word(run, call.judge, subject, call.is_advisory, inputs, now) {
            Word::Given | Word::Missing => None,
            Word::Open(step) => Some(step),
        }
    })
}

/// What comes before a plan is recorded that fits the ticket; none: everybody has answered whose word it needs.
pub(super) fn of_plan(run: &Run, inputs: &Inputs, now: Timestamp) -> Option<Step> {
    let subject = run.plan_to_judge()?;
    run.plan_experts().iter().find_map(
        |field| match word(run, Judge::from(*field), subject, false, inputs, now) {
            Word::Given | Word::Missing => None,
            Word::Open(step) => Some(step),
        },
    )
}

fn word(run: &Run, judge: Judge, subject: ExpertSubject, is_advisory: bool, inputs: &Inputs, now: Timestamp) -> Word {
    let ask = || {
        let needed = match subject {
            ExpertSubject::Tree { .. } => places(run),
            ExpertSubject::Plan { .. } => None,
        };
        needed.unwrap_or_else(|| {
            Step::Start(Effect::AskExpert {
                judge,
                subject,
                label: turn_label(run, judge.as_str()),
            })
        })
    };
    // Whose word stops nothing is not waited for with what there is not.
    let skips = is_advisory && spent_budget(run, inputs, now).is_some();
    let Some(ended) = run.expert(judge, &subject) else {
        return if skips { Word::Missing } else { Word::Open(ask()) };
    };
    if let Some(said) = ended.turn.end.answer() {
        return answered(run, judge, &subject, ended, &said.review, is_advisory);
    }
    match &ended.turn.interrupted_for {
        Some(because) if !is_advisory => return Word::Open(stopped(run, because.clone())),
        Some(_) => return Word::Missing,
        None if skips => return Word::Missing,
        None => {}
    }
    let mut given_up = false;
    let give_up = |tries, reason: &str| {
        given_up = true;
        let reason = format!("{tries} turns of the expert `{judge}` gave no answer; the last: {reason}");
        blocked(run, BlockerCode::ReviewFailed, reason)
    };
    let step = FailedAnswer::of(&ended.turn, ended.failed).ask_again(run, inputs, now, ask, give_up);
    if given_up && is_advisory {
        Word::Missing
    } else {
        Word::Open(step)
    }
}

fn answered(
    run: &Run,
    judge: Judge,
    subject: &ExpertSubject,
    ended: &EndedExpert,
    review: &ExpertReview,
    is_advisory: bool,
) -> Word {
    let refused = |reason: String| Word::Open(blocked(run, BlockerCode::ReviewFailed, reason));
    match &ended.turn.thread {
        None => return refused(format!("the expert `{judge}` named no conversation")),
        Some(thread) if run.is_taken(thread, judge, subject) => {
            return refused(format!("the expert `{judge}` answered in somebody else's conversation"));
        }
        Some(_) => {}
    }
    if review.recommendation == Recommendation::Stop && !is_advisory {
        return Word::Open(stopped(run, stop(judge, review)));
    }
    Word::Given
}

/// The end of a run that an expert wants a person to decide about. Asking again would be asking until the answer is liked.
fn stop(judge: Judge, review: &ExpertReview) -> Blocker {
    let said = if review.next_action.trim().is_empty() {
        &review.summary
    } else {
        &review.next_action
    };
    Blocker {
        next_step:
            "read what the expert says with `foil review <ticket>`; change the ticket and approve it again, or decide \
                    yourself"
                .to_owned(),
        resumable: false,
        ..Blocker::new(
            BlockerCode::ReviewFailed,
            format!("the expert `{judge}` says that it should not go on: {said}"),
        )
    }
}
