//! The questions of a run, and what came of them.

use jiff::Timestamp;

use super::{Run, State};
use crate::blocker::BlockerCode;
use crate::observation::TurnEnd;
use crate::question::{AskedQuestion, Question};

/// A question of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunQuestion {
    /// The number of the event by which it was asked.
    pub seq: u64,
    /// The question as it was put.
    pub asked: AskedQuestion,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// The first person who looked at it; none: nobody did before it was answered.
    pub seen: Option<SeenQuestion>,
    /// Its answer; none: it is open.
    pub answer: Option<QuestionAnswer>,
}

/// That a person has looked at a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenQuestion {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What a question was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionAnswer {
    /// The answer.
    pub text: String,
    /// Who gave it; none: nobody did in time, and it is the default.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Run {
    /// The questions that were asked, in order.
    pub fn questions(&self) -> &[RunQuestion] {
        &self.questions
    }

    /// The question that the last turn ended with, where it was put to a person.
    pub fn question_of_turn(&self) -> Option<&RunQuestion> {
        let attempt = self.attempt.as_ref()?;
        self.questions.last().filter(|last| last.asked.iteration == attempt.n)
    }

    /// The question that the run has stopped for, and that nobody has answered yet.
    pub fn waits_for_answer(&self) -> Option<&RunQuestion> {
        let waits = matches!(&self.state, State::Blocked(blocker) if blocker.code == BlockerCode::AnswerNeeded);
        self.open_question().filter(|_| waits)
    }

    pub(super) fn open_question(&self) -> Option<&RunQuestion> {
        self.questions.last().filter(|last| last.answer.is_none())
    }

    /// What the last turn asks a person, where it ended with a question.
    pub(super) fn question_to_ask(&self) -> Option<&Question> {
        match &self.attempt.as_ref()?.turn.as_ref()?.end {
            TurnEnd::Reported { report } => report.asks(),
            TurnEnd::InvalidReport { .. } | TurnEnd::Failed { .. } | TurnEnd::Interrupted => None,
        }
    }

    pub(super) fn question_asked(&mut self, at: Timestamp, asked: &AskedQuestion) {
        self.questions.push(RunQuestion {
            seq: self.next_seq,
            asked: asked.clone(),
            asked_at: at,
            seen: None,
            answer: None,
        });
    }

    pub(super) fn question_seen(&mut self, at: Timestamp, by: &str) {
        if let Some(question) = self.questions.last_mut() {
            question.seen = Some(SeenQuestion { by: by.to_owned(), at });
        }
    }

    pub(super) fn question_answered(&mut self, at: Timestamp, answer: &str, by: Option<&str>) {
        if let Some(question) = self.questions.last_mut() {
            question.answer = Some(QuestionAnswer {
                text: answer.to_owned(),
                by: by.map(str::to_owned),
                at,
            });
        }
    }
}
