//! A question that the worker asks a person: the words, their bounds, and how it is put.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most characters of a question.
pub const MAX_QUESTION_CHARACTERS: usize = 2_000;

/// The most answers to choose from, and the most characters of each.
pub const MAX_CHOICES: usize = 10;
/// The most characters of a choice.
pub const MAX_CHOICE_CHARACTERS: usize = 300;

/// The most characters of an answer in a person's own words.
pub const MAX_ANSWER_CHARACTERS: usize = 4_000;

/// The most questions of one run. A worker that asks more has not understood its ticket.
pub const MAX_QUESTIONS: u32 = 5;

/// What only a person can decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The question with all that is needed to answer it, for somebody who has seen nothing of the work
    pub text: String,
    /// The answers to choose from, two to ten, each in one line; empty if the answer is to be in the person's own words
    pub choices: Vec<String>,
    /// The answer that holds if nobody gives one in time; where there are choices, exactly one of them
    pub default: String,
}

impl Question {
    /// What keeps it from being put to a person; none: nothing does.
    pub(crate) fn shortcoming(&self) -> Option<String> {
        let Self { text, choices, default } = self;
        let is_too_long = |text: &str, most: usize| text.chars().nth(most).is_some();
        if text.trim().is_empty() || is_too_long(text, MAX_QUESTION_CHARACTERS) {
            return Some(format!("its text has 1 to {MAX_QUESTION_CHARACTERS} characters"));
        }
        if choices.len() == 1 || choices.len() > MAX_CHOICES {
            let count = choices.len();
            return Some(format!("it has {count} choices, not 2 to {MAX_CHOICES}, or none"));
        }
        let is_no_line = |choice: &String| {
            let is_bare = choice.trim() == choice && !choice.is_empty();
            !is_bare || is_too_long(choice, MAX_CHOICE_CHARACTERS) || choice.chars().any(char::is_control)
        };
        if choices.iter().any(is_no_line) {
            return Some(format!(
                "a choice is one line of 1 to {MAX_CHOICE_CHARACTERS} characters, without spaces around it"
            ));
        }
        let is_repeated = |(place, choice): (usize, &String)| choices[..place].contains(choice);
        if choices.iter().enumerate().any(is_repeated) {
            return Some("two of its choices are the same".to_owned());
        }
        if !choices.is_empty() && !choices.contains(default) {
            return Some("its `default` is none of its choices".to_owned());
        }
        if default.trim().is_empty() || is_too_long(default, MAX_QUESTION_CHARACTERS) {
            return Some(format!("its `default` has 1 to {MAX_QUESTION_CHARACTERS} characters"));
        }
        None
    }

    /// Whether this can be its answer: one of the choices, where there are some, else words of bounded length.
    ///
    /// ```
    /// use counterfoil_ledger_core::Question;
    /// let question = Question {
    ///     text: "Which one?".to_owned(),
    ///     choices: vec!["left".to_owned(), "right".to_owned()],
    ///     default: "left".to_owned(),
    /// };
    /// assert!(question.takes("right") && !question.takes("both"));
    /// assert!(Question { choices: Vec::new(), ..question }.takes("both"));
    /// ```
    pub fn takes(&self, answer: &str) -> bool {
        if self.choices.is_empty() {
            return !answer.trim().is_empty() && answer.chars().nth(MAX_ANSWER_CHARACTERS).is_none();
        }
        self.choices.iter().any(|choice| choice == answer)
    }
}

/// A question as it is put to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedQuestion {
    /// Its number, counted from 1 in the run.
    pub n: u32,
    /// The iteration whose turn ended with it.
    pub iteration: u32,
    /// The question.
    pub question: Question,
    /// When its default holds, unless somebody has answered before that is taken up.
    pub expires_at: Timestamp,
}
