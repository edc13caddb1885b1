//! A person's answer to the question that a run waits for.

use std::time::{Duration, Instant};

use git_delivery::RepositoryError;
use jiff::Timestamp;
use ledger_core::{AskedQuestion, Event, MAX_ANSWER_CHARACTERS, Question, RunId, RunQuestion, State, TicketId};
use policy::SecretRules;

use super::word::{lock_for_upkeep, person};
use super::{Earlier, EarlierRun, How, RunError, Standing, earlier_runs, guards, refused};
use crate::drive::DriveError;
use crate::guard::end_leftovers;
use crate::journal_file::JournalSink as _;
use crate::lock::{LockError, TicketLock};
use crate::questions::QuestionReport;
use crate::redact::printable_lines;
use crate::run_history::{HistoryError, read_run};
use crate::workspace::Workspace;

/// How long a runner that has asked is waited for, and how often it is looked whether it has left.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonsAnswer {
    /// These words. Where there are choices, they are one of them.
    Words(String),
    /// The choice with this number, counted from 1.
    Choice(usize),
    /// What would hold if nobody answered.
    Default,
}

impl PersonsAnswer {
    /// What somebody means who types this line below the question: a choice, by its words or its number, else words of their own. None: nothing was typed.
    pub fn typed(question: &Question, line: &str) -> Option<Self> {
        let line = line.trim();
        let number = || line.parse().ok().map(Self::Choice);
        match question.choices.iter().any(|choice| choice == line) {
            _ if line.is_empty() => None,
            false if !question.choices.is_empty() => number().or_else(|| Some(Self::Words(line.to_owned()))),
            _ => Some(Self::Words(line.to_owned())),
        }
    }

    /// The answer as it is recorded.
    fn text(&self, question: &Question) -> Result<String, AnswerError> {
        match self {
            Self::Default => Ok(question.default.clone()),
            Self::Choice(number) => {
                let place = number.checked_sub(1);
                let choice = place.and_then(|place| question.choices.get(place)).cloned();
                choice.ok_or_else(|| AnswerError::NoSuchChoice {
                    number: *number,
                    choices: numbered(&question.choices),
                })
            }
            Self::Words(words) => {
                let words = printable_lines(words).trim().to_owned();
                match question.takes(&words) {
                    true => Ok(words),
                    false if question.choices.is_empty() => Err(AnswerError::Length),
                    false => Err(AnswerError::NoChoice {
                        choices: numbered(&question.choices),
                    }),
                }
            }
        }
    }
}

fn numbered(choices: &[String]) -> String {
    let lines = choices.iter().zip(1..).map(|(choice, n)| format!("{n}. {choice}"));
    lines.collect::<Vec<_>>().join("; ")
}

/// A question that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuestion {
    /// The run that asks it.
    pub run: RunId,
    /// The question as it was put.
    pub asked: AskedQuestion,
    /// The same with what became of it so far.
    pub report: QuestionReport,
}

/// An answer that was given. The next runner goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenAnswer {
    /// The run.
    pub run: RunId,
    /// The answer as it was recorded.
    pub answer: String,
    /// Who gave it, as Git knows the person.
    pub by: String,
    /// The question with it.
    pub report: QuestionReport,
}

/// A question cannot be shown or answered. Nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No run of the ticket waits for an answer.
    #[error("no question of `{ticket}` waits for an answer")]
    NotWaiting {
        /// The ticket.
        ticket: TicketId,
    },
    /// It is answered already.
    #[error("question {question} of `{ticket}` is answered already, {}", answered_by(.by.as_deref()))]
    Answered {
        /// The ticket.
        ticket: TicketId,
        /// The question's number.
        question: u32,
        /// By whom; none: by its default.
        by: Option<String>,
    },
    /// Another question is open than the one that the answer is for.
    #[error("question {question} of `{ticket}` is not open any more")]
    OtherQuestion {
        /// The ticket.
        ticket: TicketId,
        /// The number of the question that was to be answered.
        question: u32,
    },
    /// What the run was started from was changed and approved anew.
    #[error(
        "`{ticket}` was changed and approved anew since the question was asked: a new run begins, and inherits no answer"
    )]
    Changed {
        /// The ticket.
        ticket: TicketId,
    },
    /// It has choices, and the answer is none of them.
    #[error("the answer is none of the choices: {choices}")]
    NoChoice {
        /// They, with their numbers.
        choices: String,
    },
    /// It has no such choice.
    #[error("there is no choice {number}{}", of_choices(.choices))]
    NoSuchChoice {
        /// The number that was given.
        number: usize,
        /// The choices with their numbers.
        choices: String,
    },
    /// The answer says nothing, or too much.
    #[error("an answer has 1 to {MAX_ANSWER_CHARACTERS} characters")]
    Length,
    /// The answer would show a secret to everybody who reads the record.
    #[error("the answer holds what looks like a secret, and an answer is kept in the record of the run")]
    Secret,
    /// The runs of the ticket cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Git knows no name for the person.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The run may not go on, another process has the ticket, or its journal cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It cannot be recorded.
    #[error(transparent)]
    Record(#[from] DriveError),
}

fn answered_by(by: Option<&str>) -> String {
    match by {
        Some(by) => format!("by {by}"),
        None => "by its default, because nobody did in time".to_owned(),
    }
}

fn of_choices(choices: &str) -> String {
    match choices {
        "" => ": the answer is in your own words".to_owned(),
        choices => format!(": {choices}"),
    }
}

/// The question that a run of the ticket waits for, for a person who looks at it. That somebody did is recorded the first time.
pub fn see_question(workspace: &Workspace, ticket: &TicketId, now: Timestamp) -> Result<OpenQuestion, AnswerError> {
    let by = person(workspace)?;
    let mut waiting = Waiting::find(workspace, ticket, now)?;
    if waiting.question.seen.is_none() {
        let question = waiting.question.asked.n;
        waiting.record(now, &Event::QuestionSeen { question, by })?;
    }
    let run = &waiting.earlier.run;
    let question = run.waits_for_answer().unwrap_or(&waiting.question);
    Ok(OpenQuestion {
        run: run.opened().run.clone(),
        asked: question.asked.clone(),
        report: QuestionReport::new(run, question),
    })
}

/// Records what a person answers to the question that a run of the ticket waits for. Nothing else happens: whoever runs the ticket next goes on with it in
/// the same run. With a number, only that question is answered.
pub fn give_answer(
    workspace: &Workspace,
    ticket: &TicketId,
    number: Option<u32>,
    answer: &PersonsAnswer,
    now: Timestamp,
) -> Result<GivenAnswer, AnswerError> {
    let by = person(workspace)?;
    let mut waiting = Waiting::find(workspace, ticket, now)?;
    let asked = &waiting.question.asked;
    let question = asked.n;
    if let Some(number) = number.filter(|number| *number != question) {
        let ticket = ticket.clone();
        return Err(AnswerError::OtherQuestion {
            ticket,
            question: number,
        });
    }
    let answer = answer.text(&asked.question)?;
    let policy = workspace.policy().map_err(RunError::from)?;
    // What the worker has named was looked at when it was recorded.
    let is_own = answer != asked.question.default && asked.question.choices.is_empty();
    if is_own && SecretRules::new(policy).masked(&answer, "") != answer {
        return Err(AnswerError::Secret);
    }
    waiting.record(
        now,
        &Event::QuestionAnswered {
            question,
            answer: answer.clone(),
            by: Some(by.clone()),
        },
    )?;
    let run = &waiting.earlier.run;
    let answered = run.questions().last().unwrap_or(&waiting.question);
    Ok(GivenAnswer {
        run: run.opened().run.clone(),
        answer,
        by,
        report: QuestionReport::new(run, answered),
    })
}

/// A run that waits for an answer, and may go on with it.
struct Waiting {
    earlier: EarlierRun,
    question: RunQuestion,
    _lock: TicketLock,
}

impl Waiting {
    fn find(workspace: &Workspace, ticket: &TicketId, now: Timestamp) -> Result<Self, AnswerError> {
        let roots = workspace.roots();
        if !roots.ticket_runs(ticket).is_dir() {
            return Err(not_waiting(workspace, ticket)?);
        }
        let lock = lock_once_told(workspace, ticket, now)?;
        let Earlier { unfinished, .. } = earlier_runs(workspace, ticket)?;
        let open = unfinished.and_then(|earlier| {
            let question = earlier.run.waits_for_answer()?.clone();
            Some((earlier, question))
        });
        let Some((mut earlier, question)) = open else {
            return Err(not_waiting(workspace, ticket)?);
        };
        let standing = Standing::of(workspace, ticket, Some(&earlier.run));
        let Standing { candidacy, how } = standing.map_err(RunError::from)?;
        let admission = candidacy.admission();
        if !admission.is_ready() {
            return Err(refused(ticket, &candidacy.facts, &admission).into());
        }
        if how == How::Replaces {
            let ticket = ticket.clone();
            return Err(AnswerError::Changed { ticket });
        }
        // A runner that died while it told somebody of the question is not at it any more.
        if let Some(pending) = earlier.run.pending().cloned() {
            let folder = roots.run(ticket, &earlier.run.opened().run);
            end_leftovers(&guards(&folder)).map_err(RunError::from)?;
            let mut nobody = |_: &_, _: &_| ();
            earlier.driver(&mut nobody).see(now, &pending, Vec::new())?;
        }
        Ok(Self {
            earlier,
            question,
            _lock: lock,
        })
    }

    fn record(&mut self, now: Timestamp, event: &Event) -> Result<(), DriveError> {
        let mut nobody = |_: &_, _: &_| ();
        let driver = &mut self.earlier.driver(&mut nobody);
        driver.record(now, event)?;
        Ok(driver.journal.sync()?)
    }
}

/// The lock of the ticket. A runner that has stopped for the question keeps it as long as it tells of that, and who was told may be quick.
fn lock_once_told(workspace: &Workspace, ticket: &TicketId, now: Timestamp) -> Result<TicketLock, AnswerError> {
    let began = Instant::now();
    loop {
        match lock_for_upkeep(workspace, ticket, now) {
            Err(RunError::Locked(LockError::Held { .. })) if began.elapsed() < PATIENCE && asks(workspace, ticket) => {
                std::thread::sleep(PAUSE);
            }
            other => return Ok(other?),
        }
    }
}

fn asks(workspace: &Workspace, ticket: &TicketId) -> bool {
    read_run(workspace.repository(), workspace.roots(), ticket, None)
        .is_ok_and(|read| read.run.waits_for_answer().is_some())
}

/// Why there is nothing to answer.
fn not_waiting(workspace: &Workspace, ticket: &TicketId) -> Result<AnswerError, HistoryError> {
    let read = read_run(workspace.repository(), workspace.roots(), ticket, None)?;
    let answer = read.run.questions().last().and_then(|last| {
        let answer = last.answer.as_ref()?;
        Some((last.asked.n, answer.by.clone()))
    });
    let ticket = ticket.clone();
    Ok(match (answer, read.run.state()) {
        (Some((question, by)), State::Climbing | State::Paused { .. }) => {
            AnswerError::Answered { ticket, question, by }
        }
        _ => AnswerError::NotWaiting { ticket },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(choices: &[&str]) -> Question {
        Question {
            text: "How many?".to_owned(),
            choices: choices.iter().map(ToString::to_string).collect(),
            default: choices.first().unwrap_or(&"none").to_string(),
        }
    }

    #[test]
    fn a_typed_number_is_a_choice_unless_a_choice_reads_like_that() {
        let words = |words: &str| Some(PersonsAnswer::Words(words.to_owned()));
        let typed = |choices: &[&str], line| PersonsAnswer::typed(&question(choices), line);
        assert_eq!(typed(&["left", "right"], " 2\n"), Some(PersonsAnswer::Choice(2)));
        assert_eq!(typed(&["left", "right"], "right"), words("right"));
        assert_eq!(typed(&["left", "right"], "both"), words("both"));
        assert_eq!(typed(&["3", "2"], "2"), words("2"));
        assert_eq!(typed(&[], "2"), words("2"));
        assert_eq!(typed(&["left", "right"], " \n"), None);
    }

    #[test]
    fn only_an_answer_to_the_question_becomes_one() {
        let text = |answer: PersonsAnswer, choices: &[&str]| {
            let text = answer.text(&question(choices));
            text.unwrap_or_else(|error| format!("error: {error}"))
        };
        let words = |words: &str| PersonsAnswer::Words(words.to_owned());
        insta::assert_snapshot!(
            [
                text(words(" right "), &["left", "right"]),
                text(words("Right"), &["left", "right"]),
                text(PersonsAnswer::Choice(2), &["left", "right"]),
                text(PersonsAnswer::Choice(0), &["left", "right"]),
                text(PersonsAnswer::Choice(1), &[]),
                text(PersonsAnswer::Default, &["left", "right"]),
                text(words("two\u{1b}[31m\nor three"), &[]),
                text(words(" \n"), &[]),
                text(words(&"x".repeat(MAX_ANSWER_CHARACTERS + 1)), &[]),
            ]
            .join("\n---\n")
        );
    }
}
