//! Which question may be put, and which answer counts.

use jiff::Timestamp;

use super::condition;
use crate::event::IterationCause;
use crate::question::{AskedQuestion, MAX_QUESTIONS};
use crate::run::{Refusal, Run, RunQuestion, State};

impl Run {
    /// Nothing is asked but what the turn ended with, once what it wrote is kept.
    pub(super) fn permit_question(&self, asked: &AskedQuestion) -> Result<(), Refusal> {
        const EVENT: &str = "question_asked";
        condition(EVENT, self.pending.is_none(), "an effect is under way")?;
        self.permit_after_stop(EVENT)?;
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.n == asked.iteration);
        condition(EVENT, attempt.is_some(), "it is not the iteration under way")?;
        let same = self.question_to_ask() == Some(&asked.question);
        condition(EVENT, same, "the turn did not end with this question")?;
        condition(EVENT, !self.unmeasured, "what the turn wrote is not kept yet")?;
        // Of a turn without a conversation nothing is left once the run is taken up.
        let is_named = attempt.is_some_and(|attempt| attempt.thread.is_some());
        condition(EVENT, is_named, "the worker has not named its conversation")?;
        condition(EVENT, self.question_of_turn().is_none(), "it was asked")?;
        let before = u32::try_from(self.questions().len()).unwrap_or(u32::MAX);
        condition(
            EVENT,
            asked.n == before.saturating_add(1),
            "questions are counted one by one",
        )?;
        condition(EVENT, before < MAX_QUESTIONS, "no more questions are allowed")
    }

    pub(super) fn permit_seen(&self, question: u32) -> Result<(), Refusal> {
        const EVENT: &str = "question_seen";
        let waits = matches!(&self.state, State::Blocked(_));
        condition(EVENT, waits && self.pending.is_none(), "the run does not wait")?;
        let open = self.permit_open(EVENT, question)?;
        condition(EVENT, open.seen.is_none(), "somebody has looked at it before")
    }

    /// A person answers while the run waits. That nobody did is found by the runner that takes it up then.
    pub(super) fn permit_answer(
        &self,
        at: Timestamp,
        question: u32,
        answer: &str,
        by: Option<&str>,
    ) -> Result<(), Refusal> {
        const EVENT: &str = "question_answered";
        condition(EVENT, self.pending.is_none(), "an effect is under way")?;
        let open = self.permit_open(EVENT, question)?;
        let asked = &open.asked;
        if by.is_some() {
            let waits = matches!(&self.state, State::Blocked(_));
            condition(EVENT, waits, "the run does not wait")?;
            return condition(EVENT, asked.question.takes(answer), "it is no answer to that");
        }
        let climbs = self.state == State::Climbing;
        condition(EVENT, climbs, "no runner has taken the run up")?;
        condition(EVENT, asked.question.default == answer, "it is not the default")?;
        let is_over = asked.expires_at <= at;
        condition(EVENT, is_over, "there is still time to answer")
    }

    fn permit_open(&self, event: &'static str, question: u32) -> Result<&RunQuestion, Refusal> {
        let open = self.open_question().filter(|open| open.asked.n == question);
        open.ok_or(Refusal::Condition {
            event,
            reason: "no such question is open",
        })
    }

    /// What a question was asked for goes on with its answer and with nothing else.
    pub(super) fn permit_after_question(&self, cause: &IterationCause) -> Result<(), Refusal> {
        const EVENT: &str = "iteration_started";
        let answered = |asked: &RunQuestion| asked.answer.is_some().then_some(asked.asked.n);
        match (cause, self.question_of_turn()) {
            (IterationCause::Answered { question }, Some(asked)) => {
                condition(EVENT, answered(asked) == Some(*question), "the question has no answer")
            }
            (IterationCause::Answered { .. }, None) => condition(EVENT, false, "no question was asked"),
            (_, asked) => condition(EVENT, asked.is_none(), "a question was asked"),
        }
    }
}
