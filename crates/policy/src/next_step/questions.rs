//! A question that the worker's turn ended with: it is put to a person once, and the run goes on with the answer.

use jiff::Timestamp;
use ledger_core::{
    AskedQuestion, Blocker, BlockerCode, Event, IterationCause, MAX_QUESTIONS, Question, Run, RunQuestion,
};

use super::write::another_iteration;
use super::{blocked, stopped};
use crate::inputs::{Inputs, Step};

/// The question that a stopped run waits for an answer to at this moment. Until it is answered, or its time is over, nothing is gained by taking the
/// run up.
pub fn unanswered(run: &Run, now: Timestamp) -> Option<&RunQuestion> {
    run.waits_for_answer().filter(|open| now < open.asked.expires_at)
}

pub(super) fn next(run: &Run, question: &Question, inputs: &Inputs, now: Timestamp) -> Step {
    let Some(RunQuestion { asked, answer, .. }) = run.question_of_turn() else {
        return ask(run, question, inputs, now);
    };
    match answer {
        Some(_) => another_iteration(run, inputs, IterationCause::Answered { question: asked.n }),
        None if asked.expires_at <= now => Step::Record(Event::QuestionAnswered {
            question: asked.n,
            answer: asked.question.default.clone(),
            by: None,
        }),
        None => stopped(
            run,
            Blocker {
                retry_at: Some(asked.expires_at),
                ..Blocker::new(BlockerCode::AnswerNeeded, words(question))
            },
        ),
    }
}

/// Nobody is asked whose answer could not be used.
fn ask(run: &Run, question: &Question, inputs: &Inputs, now: Timestamp) -> Step {
    let before = u32::try_from(run.questions().len()).unwrap_or(u32::MAX);
    if before >= MAX_QUESTIONS {
        let reason = format!(
            "{before} questions of the worker's were answered, and {}",
            words(question)
        );
        return blocked(run, BlockerCode::AgentBlocked, reason);
    }
    let taken = run.totals().iterations;
    if taken >= inputs.limits.max_iterations {
        let reason = format!("{taken} iterations were not enough, and {}", words(question));
        return blocked(run, BlockerCode::MaxIterations, reason);
    }
    let Some(attempt) = run.attempt().filter(|attempt| attempt.thread.is_some()) else {
        let reason = "the agent asked a question without having named its conversation";
        return blocked(run, BlockerCode::AgentUnavailable, reason);
    };
    Step::Record(Event::QuestionAsked(AskedQuestion {
        n: before.saturating_add(1),
        iteration: attempt.n,
        question: question.clone(),
        expires_at: inputs.limits.answer_within.after(now),
    }))
}

fn words(question: &Question) -> String {
    format!("the worker asks: {}", question.text.trim())
}
