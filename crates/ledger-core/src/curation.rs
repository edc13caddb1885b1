//! A curator's answer: what is worth knowing of a delivered change, in a small strict form. It can only add.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::path::RepoPath;
use crate::phase::NO_MEMORY_UPDATE;
use crate::report::{InvalidReport, parse_answer, same_turn};

/// What whoever works here next should know, as a thread that may only read has written it down. Every property is required and no other
/// is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Curator's answer")]
pub struct Curation {
    /// The turn label given in the prompt, copied exactly
    pub turn: String,
    /// What is to be added to the memory files; empty if nothing that they lack is worth it
    pub notes: Vec<MemoryNote>,
    /// What whoever takes the next ticket should know first, in a few sentences; empty if nothing
    pub handoff: String,
}

/// A note that is added to the end of a memory file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryNote {
    /// The memory file that it is for, from the top of the repository, with forward slashes
    pub path: String,
    /// What it is about
    pub kind: NoteKind,
    /// What it says, in one line
    pub title: String,
    /// The note itself
    pub text: String,
    /// Where it can be seen, in one line: a file, a check, the report, the review
    pub source: String,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// How something is now
    State,
    /// What was decided, and why
    Decision,
    /// What is known to be wrong
    KnownIssue,
    /// What should be done later
    FollowUp,
    /// Where something is
    Path,
    /// A program or service that is worked with
    Service,
    /// What changed for those who use it
    Changelog,
}

impl NoteKind {
    /// The name as written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Decision => "decision",
            Self::KnownIssue => "known_issue",
            Self::FollowUp => "follow_up",
            Self::Path => "path",
            Self::Service => "service",
            Self::Changelog => "changelog",
        }
    }
}

/// The most notes of one answer.
pub const MAX_NOTES: usize = 10;

/// The most characters of a note's text, and of what is said to the next ticket.
pub const MAX_NOTE_CHARACTERS: usize = 2000;

/// The most characters of a note's title, and of its source.
const MAX_LINE_CHARACTERS: usize = 200;

impl Curation {
    /// Reads the answer to the curator's turn with this label. Refuses anything else, however close: more than [`MAX_NOTES`] notes, a text
    /// that is empty or has more than [`MAX_NOTE_CHARACTERS`], a path that is none, control characters.
    pub fn parse(text: &str, turn: &str) -> Result<Self, InvalidReport> {
        let curation: Self = parse_answer(text)?;
        same_turn(&curation.turn, turn)?;
        match curation.shortcoming() {
            None => Ok(curation),
            Some(reason) => Err(InvalidReport::Shape { reason }),
        }
    }

    fn shortcoming(&self) -> Option<String> {
        if self.notes.len() > MAX_NOTES {
            return Some(format!("it has {} notes, more than {MAX_NOTES}", self.notes.len()));
        }
        let of_note = |(index, note): (usize, &MemoryNote)| {
            let wrong = note.shortcoming()?;
            Some(format!("`notes[{index}].{wrong}"))
        };
        let handoff = || {
            let wrong = wrong_text(&self.handoff)?;
            Some(format!("`handoff` {wrong}"))
        };
        self.notes.iter().enumerate().find_map(of_note).or_else(handoff)
    }

    /// Its notes for the records, a line each; the one line that none is needed where there is none.
    pub fn lines(&self) -> Vec<String> {
        match &self.notes[..] {
            [] => vec![NO_MEMORY_UPDATE.to_owned()],
            notes => notes.iter().map(MemoryNote::line).collect(),
        }
    }

    /// Digest of the answer, over the bytes of its compact JSON with its properties in their order here.
    pub fn digest(&self) -> Digest {
        // A struct of strings and lists always serializes.
        Digest::of(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl MemoryNote {
    /// The file that it is for. [`Curation::parse`] refuses a path that is none; a recorded note with one is for no file.
    pub fn file(&self) -> Option<RepoPath> {
        self.path.parse().ok()
    }

    /// It in one line.
    pub fn line(&self) -> String {
        format!("{}: {}: {}", self.path, self.kind.as_str(), self.title)
    }

    fn shortcoming(&self) -> Option<String> {
        if let Err(error) = self.path.parse::<RepoPath>() {
            return Some(format!("path`: {error}"));
        }
        for (name, line) in [("path", &self.path), ("title", &self.title), ("source", &self.source)] {
            if line.chars().any(char::is_control) {
                return Some(format!("{name}` holds a control character or a second line"));
            }
        }
        for (name, line) in [("title", &self.title), ("source", &self.source)] {
            if line.trim().is_empty() {
                return Some(format!("{name}` is empty"));
            }
            if line.chars().count() > MAX_LINE_CHARACTERS {
                return Some(format!("{name}` has more than {MAX_LINE_CHARACTERS} characters"));
            }
        }
        if self.text.trim().is_empty() {
            return Some("text` is empty".to_owned());
        }
        wrong_text(&self.text).map(|wrong| format!("text` {wrong}"))
    }
}

/// What a text of several lines may not be.
fn wrong_text(text: &str) -> Option<String> {
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Some("holds a control character".to_owned());
    }
    (text.chars().count() > MAX_NOTE_CHARACTERS).then(|| format!("has more than {MAX_NOTE_CHARACTERS} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Curation, String> {
        let mut value = serde_json::json!({
            "turn": "run/curation-9", "handoff": "Mind the greeting.",
            "notes": [{ "path": "agent/state.md", "kind": "known_issue", "title": "It is loud", "text": "Nobody\nlikes it.", "source": "hello.txt" }],
        });
        change(&mut value);
        Curation::parse(&value.to_string(), "run/curation-9").map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_is_of_its_turn_bounded_and_without_control_characters() {
        let curation = parsed(|_| {}).unwrap();
        assert_eq!(curation.notes[0].line(), "agent/state.md: known_issue: It is loud");
        let empty = parsed(|answer| {
            answer["notes"] = serde_json::json!([]);
            answer["handoff"] = "".into();
        });
        assert_eq!(empty.unwrap().notes, []);
        let refused = |change: fn(&mut serde_json::Value)| parsed(change).unwrap_err();
        insta::assert_snapshot!(
            [
                refused(|answer| answer["turn"] = "run/curation-8".into()),
                refused(|answer| answer["notes"] = std::iter::repeat_n(answer["notes"][0].clone(), 11).collect()),
                refused(|answer| answer["notes"][0]["path"] = "../secret".into()),
                refused(|answer| answer["notes"][0]["path"] = "/etc/passwd".into()),
                refused(|answer| answer["notes"][0]["kind"] = "gossip".into()),
                refused(|answer| answer["notes"][0]["title"] = "a\n# b".into()),
                refused(|answer| answer["notes"][0]["title"] = "a".repeat(201).into()),
                refused(|answer| answer["notes"][0]["source"] = " ".into()),
                refused(|answer| answer["notes"][0]["text"] = " \n".into()),
                refused(|answer| answer["notes"][0]["text"] = "a\u{1b}[2J".into()),
                refused(|answer| answer["notes"][0]["text"] = "é".repeat(2001).into()),
                refused(|answer| answer["handoff"] = "a\u{7f}".into()),
                refused(|answer| answer["extra"] = 1.into()),
            ]
            .join("\n")
        );
    }

    #[test]
    fn one_other_byte_is_another_answer() {
        let other = parsed(|answer| answer["notes"][0]["text"] = "Nobody\nlikes it!".into());
        assert_ne!(parsed(|_| {}).unwrap().digest(), other.unwrap().digest());
    }
}
