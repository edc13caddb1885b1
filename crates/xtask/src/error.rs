//! Why a task did not succeed.

use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a task did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// A program that the task runs could not be started.
    #[error("`{command}` could not be started: {source}")]
    Start { command: String, source: std::io::Error },
    /// A program that the task runs says that something is wrong; it has printed what.
    #[error("`{command}` ended with {status}")]
    Ended { command: String, status: ExitStatus },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// Something that the task reads is not of the form that it expects.
    #[error("{what}: {reason}")]
    Unreadable { what: String, reason: String },
    /// The task has found what it looks for.
    #[error("{summary}:\n  {}\n{hint}", findings.join("\n  "))]
    Found {
        summary: String,
        findings: Vec<String>,
        hint: String,
    },
}

impl TaskError {
    /// Turns an I/O error into one that names the file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// Something that is not of the expected form.
    pub(crate) fn unreadable(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Unreadable {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}

/// Succeeds where nothing was found.
pub(crate) fn nothing_found(summary: &str, findings: Vec<String>, hint: &str) -> Result<(), TaskError> {
    if findings.is_empty() {
        return Ok(());
    }
    Err(TaskError::Found {
        summary: summary.to_owned(),
        findings,
        hint: hint.to_owned(),
    })
}
