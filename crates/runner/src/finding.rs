//! Something that is wrong with a file of the ledger or with the policy.

use ledger_core::{DocumentError, RepoPath, document_text, locate};
use serde::Serialize;

use crate::ledger::FileProblem;

/// Something that is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: FindingSeverity,
    /// The file or folder.
    pub path: RepoPath,
    /// The line, counted from 1, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in characters, counted from 1, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The bytes that it is about, where it is about some.
    #[serde(skip)]
    pub span: Option<std::ops::Range<usize>>,
    /// What is wrong, in lower case and without a final period.
    pub message: String,
    /// What would be right, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingSeverity {
    /// Worth knowing.
    Warning,
    /// A draft says too little to be approved. No error yet.
    Unfinished,
    /// It cannot be used.
    Error,
}

impl Finding {
    /// A finding about a whole file.
    pub fn new(severity: FindingSeverity, path: RepoPath, message: impl Into<String>) -> Self {
        Self {
            severity,
            path,
            line: None,
            column: None,
            span: None,
            message: message.into(),
            hint: None,
        }
    }

    /// The same finding with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error in a document.
    pub fn in_document(path: RepoPath, error: &DocumentError) -> Self {
        Self {
            severity: FindingSeverity::Error,
            path,
            line: Some(error.line),
            column: Some(error.column),
            span: Some(error.span.clone()),
            message: error.message.clone(),
            hint: error.hint.clone(),
        }
    }

    /// A finding at a key or element of a TOML document, by a path as [`locate`] has it; about the whole file where that cannot be
    /// read.
    pub fn at(
        severity: FindingSeverity,
        path: RepoPath,
        document: &[u8],
        keys: &[&str],
        message: impl Into<String>,
    ) -> Self {
        let message = message.into();
        match document_text(document) {
            Ok(text) => Self {
                severity,
                ..Self::in_document(path, &DocumentError::at(text, locate(text, keys), message))
            },
            Err(_) => Self::new(severity, path, message),
        }
    }

    /// An error about a file that cannot be used.
    pub fn in_file(path: RepoPath, problem: &FileProblem) -> Self {
        match problem {
            FileProblem::Document(error) => Self::in_document(path, error),
            other => {
                let finding = Self::new(FindingSeverity::Error, path, other.to_string());
                match next_step(other) {
                    Some(hint) => finding.with_hint(hint),
                    None => finding,
                }
            }
        }
    }
}

fn next_step(problem: &FileProblem) -> Option<&'static str> {
    match problem {
        FileProblem::Missing => Some("write it, or take its folder away"),
        FileProblem::NotAFile => Some("put the file itself in its place"),
        FileProblem::TooLarge { .. } => Some("is this the right file? shorten it, and let it name others for the rest"),
        FileProblem::Unreadable { .. } => Some("look at who may read it, and at the disk"),
        FileProblem::Document(_) => None,
    }
}
