//! Steering packs: what a repository tells those who work on a ticket, beside the ticket.

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{DocumentError, document_text, locate, read_toml};
use crate::id::name_type;
use crate::path::RepoPath;

name_type!(
    RuleKey,
    "RuleKey",
    "rule's key",
    rule = |key| {
        let fits = key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        (!fits || !(1..=MAX_LINE).contains(&key.len()))
            .then_some("it is 1 to 200 of `a-z0-9._-`, so that nobody writes the same one otherwise")
    },
    pattern = "^[a-z0-9._-]{1,200}$",
    "What a rule is about: 1 to 200 of `a-z0-9._-`"
);

name_type!(
    RuleValue,
    "RuleValue",
    "rule's value",
    rule = |value| {
        let is_one_line = (1..=MAX_LINE).contains(&value.chars().count()) && !value.contains(char::is_control);
        (!is_one_line || value.trim() != value)
            .then_some("it is one line of 1 to 200 characters, without blanks around it")
    },
    pattern = "^\\S(.{0,198}\\S)?$",
    "What a rule says: one line of 1 to 200 characters, without blanks around it"
);

/// A steering pack: a Markdown file in the ledger's folder `steering`, with a head in TOML. Its name is the file's, without `.md`.
///
/// ```
/// use counterfoil_ledger_core::{InclusionMode, SteeringPack};
/// let pack = SteeringPack::parse(
///     b"+++\ntitle = \"Errors\"\n[inclusion]\nmode = \"always\"\n[rules]\n\"errors.library\" = \"thiserror\"\n+++\nUse thiserror.\n",
/// )
/// .unwrap();
/// assert_eq!(pack.head.inclusion.mode, InclusionMode::Always);
/// assert_eq!(pack.text, "Use thiserror.\n");
/// let error = SteeringPack::parse(b"+++\ntitel = \"Errors\"\n+++\n").unwrap_err();
/// assert_eq!((error.line, error.hint.as_deref()), (2, Some("did you mean `title`?")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteeringPack {
    /// When it is given, and what of it a program can compare.
    pub head: SteeringHead,
    /// What is told, in Markdown.
    pub text: String,
}

/// The head of a steering pack, between two lines `+++`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Steering pack", extend("examples" = [{"title": "Errors", "inclusion": {"mode": "always"}}]))]
pub struct SteeringHead {
    /// What it is about, in one line
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// When it is given
    pub inclusion: Inclusion,
    /// What it says in a form that programs compare: two packs, or a pack and an accepted decision, that give the same key another value contradict each
    /// other, and no run begins
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<RuleKey, RuleValue>,
    /// Exact paths that its text asks every worker to change, such as a changelog: a ticket for which one of them may not change contradicts it
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks_to_change: Vec<RepoPath>,
}

/// When a steering pack is given
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// How that is told
    pub mode: InclusionMode,
    /// Exact paths or globs, for the modes `file_match` and `auto`, which need at least one
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_match: Vec<String>,
    /// When a person should name it; for people
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// How it is told when a pack is given. The order is that in which packs are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InclusionMode {
    /// For every ticket
    Always,
    /// For tickets that may change a file that `file_match` names
    FileMatch,
    /// In repositories that have a file that `file_match` names
    Auto,
    /// For tickets that name it in `[context] steering`
    Manual,
}

impl InclusionMode {
    /// The name as written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::FileMatch => "file_match",
            Self::Auto => "auto",
            Self::Manual => "manual",
        }
    }
}

impl std::fmt::Display for InclusionMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The line before and after a head.
const FENCE: &str = "+++";
/// The longest title, and the longest key and value of a rule, in characters.
const MAX_LINE: usize = 200;

impl SteeringPack {
    /// Reads a pack. Refuses a head that is missing, not closed or not valid, one whose mode and `file_match` do not go together, and a pack that says nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let text = document_text(bytes)?;
        let (head_text, body) = split(text)?;
        let head: SteeringHead = read_toml(head_text.as_bytes())?;
        if let Some((path, message, hint)) = head.contradiction() {
            let place = locate(&head_text, &path);
            return Err(DocumentError::at(text, place, message).with_hint(hint));
        }
        let said = text.get(body.clone()).unwrap_or_default();
        if said.trim().is_empty() {
            let error = DocumentError::at(text, body, "the pack says nothing after its head");
            return Err(error.with_hint("write what those who work on a ticket should know"));
        }
        Ok(Self {
            head,
            text: said.to_owned(),
        })
    }

    /// The head of a pack as a TOML document in which everything stands where it stands in the pack, for [`locate`]. Empty where there is no head.
    pub fn head_document(bytes: &[u8]) -> String {
        let text = document_text(bytes).unwrap_or_default();
        split(text).map(|(head, _)| head).unwrap_or_default()
    }
}

impl SteeringHead {
    /// The first thing that the head says and cannot mean, with the key path where it says so and what to do.
    fn contradiction(&self) -> Option<(Vec<&str>, String, &'static str)> {
        if let Some(message) = crate::title::broken_title(&self.title) {
            return Some((
                vec!["title"],
                message.to_owned(),
                "write one line, such as `title = \"Errors\"`",
            ));
        }
        let needs_files = matches!(self.inclusion.mode, InclusionMode::FileMatch | InclusionMode::Auto);
        let mode = self.inclusion.mode;
        match (needs_files, self.inclusion.file_match.is_empty()) {
            (true, true) => Some((
                vec!["inclusion"],
                format!("mode `{mode}` needs `file_match`"),
                "name paths, such as `file_match = [\"src/**\"]`, or use `mode = \"always\"`",
            )),
            (false, false) => Some((
                vec!["inclusion", "file_match"],
                format!("mode `{mode}` does not look at files"),
                "leave `file_match` out, or use `mode = \"file_match\"`",
            )),
            _ => None,
        }
    }
}

/// The head with everything in its place, and where the text is.
fn split(text: &str) -> Result<(String, Range<usize>), DocumentError> {
    let hint = "a pack begins with a line `+++`, then `title` and `[inclusion]`, then another line `+++`";
    let mut at = 0;
    let mut head = None;
    for line in text.split_inclusive('\n') {
        let is_fence = line.trim_end() == FENCE;
        let end = at + line.len();
        match (head, is_fence) {
            (None, true) => head = Some(end),
            (None, false) => {
                let error = DocumentError::at(text, at..end.min(at + line.trim_end().len()), "the pack has no head");
                return Err(error.with_hint(hint));
            }
            (Some(begin), true) => {
                let opening = text.get(..begin).unwrap_or_default();
                let blank: String = opening.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
                let inner = text.get(begin..at).unwrap_or_default();
                return Ok((format!("{blank}{inner}"), end..text.len()));
            }
            (Some(_), false) => {}
        }
        at = end;
    }
    let message = match head {
        None => "the pack has no head",
        Some(_) => "the head is not closed",
    };
    Err(DocumentError::at(text, 0..text.lines().next().map_or(0, str::len), message).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(head: &str) -> Result<SteeringPack, DocumentError> {
        SteeringPack::parse(format!("+++\n{head}+++\nDo it so.\n").as_bytes())
    }

    #[test]
    fn a_pack_is_a_head_and_a_text() {
        let text =
            "+++\r\ntitle = \"A\"\r\n[inclusion]\r\nmode = \"auto\"\r\nfile_match = [\"a\"]\r\n+++ \r\n+++\nText\n";
        let read = SteeringPack::parse(text.as_bytes()).unwrap();
        assert_eq!(read.text, "+++\nText\n");
        assert_eq!(read.head.inclusion.file_match, ["a"]);
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_stands_in_the_file() {
        let at = |text: &str| {
            let error = SteeringPack::parse(text.as_bytes()).unwrap_err();
            (error.line, error.column, text[error.span].to_owned())
        };
        assert_eq!(at("# Title\n"), (1, 1, "# Title".to_owned()));
        assert_eq!(at(""), (1, 1, String::new()));
        assert_eq!(at("+++\ntitle = \"a\"\n"), (1, 1, "+++".to_owned()));
        assert_eq!(at("+++\ntitle = \"a\n+++\nx"), (2, 9, "\"a".to_owned()));
        let head = "+++\ntitle = \"a\"\n[inclusion]\nmode = \"sometimes\"\n+++\nx\n";
        assert_eq!(at(head), (4, 8, "\"sometimes\"".to_owned()));
        let rules = "+++\ntitle = \"é\"\n[inclusion]\nmode = \"always\"\n[rules]\na = \"\"\n+++\nx\n";
        assert_eq!(at(rules), (6, 5, "\"\"".to_owned()));
        let rule = |rule: &str| {
            let head = format!("title = \"a\"\n[inclusion]\nmode = \"always\"\n[rules]\n{rule}\n");
            pack(&head).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(rule("\"errors.library_2-x\" = \"use é, a b\""), Ok(()));
        for bad in [
            "\"errors.library \" = \"x\"",
            "Errors = \"x\"",
            "\"\" = \"x\"",
            "a = \"x \"",
            "a = \"x\\ny\"",
            &format!("a = \"{}\"", "x".repeat(201)),
        ] {
            let error = rule(bad).unwrap_err();
            assert!(error.contains("is not a rule's"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_mode_and_its_files_go_together() {
        for good in [
            "title = \"a\"\n[inclusion]\nmode = \"always\"\n",
            "title = \"a\"\n[inclusion]\nmode = \"manual\"\ndescription = \"for the shop\"\n",
            "title = \"a\"\nasks_to_change = [\"CHANGELOG.md\"]\n[inclusion]\nmode = \"file_match\"\nfile_match = [\"src/**\"]\n",
        ] {
            assert!(pack(good).is_ok(), "{good}");
        }
        for bad in [
            "title = \"a\"\n[inclusion]\nmode = \"auto\"\n",
            "title = \"a\"\n[inclusion]\nmode = \"file_match\"\nfile_match = []\n",
            "title = \"a\"\n[inclusion]\nmode = \"always\"\nfile_match = [\"a\"]\n",
            "title = \"a\\nb\"\n[inclusion]\nmode = \"always\"\n",
            "title = \"a\"\nasks_to_change = [\"../a\"]\n[inclusion]\nmode = \"always\"\n",
            "title = \"a\"\n",
        ] {
            assert!(pack(bad).is_err(), "{bad}");
        }
        assert!(SteeringPack::parse(b"+++\ntitle = \"a\"\n[inclusion]\nmode = \"always\"\n+++\n \n").is_err());
    }

    const PIECES: [&str; 14] = [
        "+++",
        "\n",
        "\r\n",
        " ",
        "title = \"é\"",
        "[inclusion]",
        "mode = \"auto\"",
        "file_match = [\"a\"]",
        "[rules]",
        "\"a\" = \"\"",
        "=",
        "é",
        "\u{feff}",
        "\0",
    ];

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_text_is_too_odd_and_every_error_has_its_place(pieces in proptest::collection::vec(0..PIECES.len(), 0..30)) {
            let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
            let head = SteeringPack::head_document(text.as_bytes());
            if let Err(error) = SteeringPack::parse(text.as_bytes()) {
                proptest::prop_assert!(error.line >= 1 && error.column >= 1);
                // Places are those of the text without its byte order mark.
                let read = document_text(text.as_bytes()).unwrap_or(&text);
                proptest::prop_assert!(read.get(error.span.clone()).is_some(), "{error:?}");
            } else {
                proptest::prop_assert!(head.parse::<toml::Table>().is_ok());
            }
        }
    }
}
