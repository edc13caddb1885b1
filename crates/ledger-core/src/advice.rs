//! An advisor's answer: the one bounded task that should be done next, in a small strict form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::RepoPath;
use crate::report::{InvalidReport, parse_answer, same_turn};

/// What an advisor says should happen next. Every property is required and no other is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Advisor's answer")]
pub struct Advice {
    /// The turn label given in the prompt, copied exactly
    pub turn: String,
    /// How it goes on
    pub next: AdviceNext,
    /// If next is task: the one thing that is to be done, small enough for one turn; else empty
    pub what: String,
    /// If next is task: every file that it may have to create, edit or remove; else empty
    pub files: Vec<String>,
    /// If next is task: what will show that it is done; else empty
    pub proof: Vec<String>,
    /// Why so; if next is stop: what is missing and who could give it
    pub why: String,
}

/// How a run goes on, as an advisor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdviceNext {
    /// With one more task
    Task,
    /// Everything that the ticket asks for is done
    Done,
    /// Not at all: a person has to decide
    Stop,
}

/// The one task of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoundTask {
    /// What is to be done.
    pub what: String,
    /// The files that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<RepoPath>,
    /// What will show that it is done.
    pub proof: Vec<String>,
}

/// The most files, and the most proofs, that a task may name. What needs more is more than one task.
pub const MAX_TASK_FILES: usize = 50;

impl Advice {
    /// Reads the answer to the advisor's turn with this label. Refuses anything else, however close, and one that says nothing: a task
    /// without words or proof, with a path that is none, or with more than [`MAX_TASK_FILES`] files, and a stop without a reason.
    pub fn parse(text: &str, turn: &str) -> Result<Self, InvalidReport> {
        let advice: Self = parse_answer(text)?;
        same_turn(&advice.turn, turn)?;
        match advice.shortcoming() {
            None => Ok(advice),
            Some(reason) => Err(InvalidReport::Shape { reason }),
        }
    }

    fn shortcoming(&self) -> Option<String> {
        match self.next {
            AdviceNext::Done => return None,
            AdviceNext::Stop => {
                return self
                    .why
                    .trim()
                    .is_empty()
                    .then(|| "`why` is empty, although `next` is `stop`".to_owned());
            }
            AdviceNext::Task => {}
        }
        if self.what.trim().is_empty() {
            return Some("`what` is empty, although `next` is `task`".to_owned());
        }
        if self.proof.iter().all(|proof| proof.trim().is_empty()) {
            return Some("`proof` is empty: a task says what will show that it is done".to_owned());
        }
        let (files, proofs) = (self.files.len(), self.proof.len());
        if files.max(proofs) > MAX_TASK_FILES {
            return Some(format!(
                "it names {files} files and {proofs} proofs, and may name {MAX_TASK_FILES} of each"
            ));
        }
        self.files.iter().enumerate().find_map(|(index, file)| {
            let invalid = file.parse::<RepoPath>().err()?;
            Some(format!("`files[{index}]`: {invalid}"))
        })
    }

    /// The task, where it is one.
    pub fn task(&self) -> Option<RoundTask> {
        (self.next == AdviceNext::Task).then(|| RoundTask {
            what: self.what.clone(),
            // `parse` refuses a path that is none; a recorded answer with one names nothing by it.
            files: self.files.iter().filter_map(|file| file.parse().ok()).collect(),
            proof: self.proof.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Advice, String> {
        let mut value = serde_json::json!({
            "turn": "run/advice-2", "next": "task", "what": "say it", "files": ["src/a.rs"], "proof": ["the checks"], "why": "",
        });
        change(&mut value);
        Advice::parse(&value.to_string(), "run/advice-2").map_err(|error| error.to_string())
    }

    #[test]
    fn advice_is_of_its_turn_and_says_something() {
        assert_eq!(
            parsed(|_| {}).unwrap().task().unwrap().files,
            ["src/a.rs".parse().unwrap()]
        );
        assert_eq!(parsed(|advice| advice["next"] = "done".into()).unwrap().task(), None);
        let refused = |change: fn(&mut serde_json::Value)| parsed(change).unwrap_err();
        insta::assert_snapshot!(
            [
                refused(|advice| advice["turn"] = "run/advice-1".into()),
                refused(|advice| advice["next"] = "two_tasks".into()),
                refused(|advice| advice["next"] = "stop".into()),
                refused(|advice| advice["what"] = " ".into()),
                refused(|advice| advice["proof"] = serde_json::json!([""])),
                refused(|advice| advice["files"][0] = "../secret".into()),
                refused(|advice| advice["files"] = std::iter::repeat_n(advice["files"][0].clone(), 51).collect()),
                refused(|advice| advice["second"] = "and this".into()),
            ]
            .join("\n")
        );
    }
}
