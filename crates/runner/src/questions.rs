//! What became of the questions of a run, in a form for status, packets and records.

use jiff::Timestamp;
use ledger_core::{NotificationEvent, Run, RunQuestion};
use serde::Serialize;

/// A question that a run has put to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuestionReport {
    /// Its number, counted from 1 in the run.
    pub n: u32,
    /// The question, in the worker's words.
    pub text: String,
    /// The answers to choose from; empty: the answer is in the person's own words.
    pub choices: Vec<String>,
    /// The answer that holds if nobody gives one in time.
    pub default: String,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When its default holds.
    pub expires_at: Timestamp,
    /// Who was told of it by a notification, and what came of that, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// Who was the first to look at it with `foil answer`, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenReport>,
    /// Its answer; none: it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerReport>,
}

/// That a person has looked at a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenReport {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What a question was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerReport {
    /// The answer.
    pub text: String,
    /// Who gave it; none: nobody did in time, and it is the default.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl QuestionReport {
    /// All questions of a run, in order.
    pub fn all(run: &Run) -> Vec<Self> {
        run.questions()
            .iter()
            .map(|question| Self::new(run, question))
            .collect()
    }

    /// The question that the run waits for an answer to.
    pub fn open(run: &Run) -> Option<Self> {
        run.waits_for_answer().map(|question| Self::new(run, question))
    }

    pub(crate) fn new(run: &Run, question: &RunQuestion) -> Self {
        let asked = &question.asked;
        let next = run.questions().iter().find(|next| next.asked.n > asked.n);
        let told = run.notifications().iter().filter(|sent| {
            let is_of_it = sent.seq > question.seq && next.is_none_or(|next| sent.seq < next.seq);
            is_of_it && sent.about == NotificationEvent::NeedsPerson
        });
        Self {
            n: asked.n,
            text: asked.question.text.clone(),
            choices: asked.question.choices.clone(),
            default: asked.question.default.clone(),
            asked_at: question.asked_at,
            expires_at: asked.expires_at,
            told: told.map(|sent| format!("the {}: {}", sent.by, sent.end)).collect(),
            seen: question.seen.as_ref().map(|seen| SeenReport {
                by: seen.by.clone(),
                at: seen.at,
            }),
            answer: question.answer.as_ref().map(|answer| AnswerReport {
                text: answer.text.clone(),
                by: answer.by.clone(),
                at: answer.at,
            }),
        }
    }

    /// The question with its answer, in one paragraph.
    pub fn line(&self) -> String {
        let answer = match &self.answer {
            None => format!("open; at {} this holds: {}", self.expires_at, self.default),
            Some(AnswerReport { text, by: None, .. }) => format!("nobody answered in time, so this held: {text}"),
            Some(AnswerReport { text, by: Some(by), .. }) => format!("{by} answered: {text}"),
        };
        format!("{}: {} — {answer}", self.n, self.text.trim())
    }
}
