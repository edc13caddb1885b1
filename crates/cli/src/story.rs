//! Failures as words: what happened, where, and what to do next.

mod code;
mod document;
mod hint;

use std::path::Path;

use ledger_core::BlockerCode;
use runner::redact::Redactor;
use runner::{AdmitError, CheckLedgerError, FileProblem, RunError};
use runner::{
    ApproveError, CancelError, Finding, InitError, NewTicketError, PackageError, PolicyFile, StatusError, Workspace,
    WorkspaceError,
};
use serde::Serialize;

pub(crate) use document::findings_text;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, HEADING, Output, plain, styled};

/// A failure as JSON.
#[derive(Debug, Serialize)]
struct FailureReport {
    schema: &'static str,
    error: FailureFacts,
}

/// What is known of a failure, in the form of its document.
#[derive(Debug, Serialize)]
pub(crate) struct FailureFacts {
    /// The stable code, where it is a blocker by nature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<BlockerCode>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    exit: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
}

impl FailureFacts {
    /// The same for a document that may be passed on: it names no folder of this machine.
    pub(crate) fn reported_in(mut self, workspace: &Workspace) -> Self {
        let folders = Redactor::default().workspace(workspace);
        self.message = folders.text(&self.message);
        self.hint = self.hint.map(|hint| folders.text(&hint));
        self
    }

    /// What is known of this failure.
    pub(crate) fn of(failure: &Failure, exit: Exit) -> Self {
        Self {
            code: code::code(failure),
            message: message(failure),
            hint: hint::hint(failure),
            exit: exit.code(),
            findings: findings(failure),
        }
    }

    /// The failure in words: `error[code]: …` where there is a code. Files that it is about are shown from the work tree.
    pub(crate) fn words(&self, work_dir: Option<&Path>, output: &Output) -> String {
        let label = match self.code {
            Some(code) => format!("error[{code}]"),
            None => "error".to_owned(),
        };
        let mut text = format!("{}: {}\n", styled(BAD, label), plain(&self.message));
        text.push_str(&findings_text(&self.findings, work_dir, output));
        if let Some(hint) = &self.hint {
            text.push_str(&format!("{}: {}\n", styled(HEADING, "hint"), plain(hint)));
        }
        text
    }
}

/// Tells what is wrong with the command line, in clap's words, or gives the help or version that was asked for. Where a document
/// was asked for, it is one too.
pub(crate) fn tell_usage(error: &clap::Error) -> Exit {
    // Nobody is left to be told where this fails.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done;
    }
    let wants_json = std::env::args_os()
        .take_while(|arg| arg != "--")
        .any(|arg| arg == "--json");
    if wants_json {
        let text = error.render().to_string();
        // A paragraph of clap's begins with its label; what is listed below belongs to it.
        let said = |label: &str| {
            let paragraphs = text.split("\n\n").map(str::trim);
            let paragraph = paragraphs
                .into_iter()
                .find_map(|paragraph| paragraph.strip_prefix(label))?;
            Some(paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let report = FailureReport {
            schema: "counterfoil.error/1",
            error: FailureFacts {
                code: None,
                message: said("error: ").unwrap_or_else(|| "the command line is incomplete".to_owned()),
                hint: said("tip: ")
                    .or_else(|| Some("`foil --help` shows every verb, and `foil <verb> --help` its flags".to_owned())),
                exit: Exit::Usage.code(),
                findings: Vec::new(),
            },
        };
        let _ = Output::for_documents().json(&report);
    }
    Exit::Usage
}

/// Tells a failure on standard error, and with `--json` also as the answer.
pub(crate) fn tell(failure: &Failure, exit: Exit, work_dir: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let error = FailureFacts::of(failure, exit);
    output.error(&error.words(work_dir, output))?;
    if output.is_json() {
        output.json(&FailureReport {
            schema: "counterfoil.error/1",
            error,
        })?;
    }
    Ok(())
}

/// The failure in one line. What a finding says in full is not said twice.
fn message(failure: &Failure) -> String {
    match workspace_error(failure) {
        Some(WorkspaceError::Policy(_)) => "the policy cannot be used".to_owned(),
        _ => match failure {
            Failure::New(NewTicketError::Template { .. }) => "the template cannot be used".to_owned(),
            Failure::Cancel(CancelError::Unreadable { .. }) => "there is a cancellation that cannot be read".to_owned(),
            other => other.to_string(),
        },
    }
}

/// The error of the workspace that a failure is, whatever verb met it.
fn workspace_error(failure: &Failure) -> Option<&WorkspaceError> {
    match failure {
        Failure::Workspace(error)
        | Failure::Status(StatusError::Workspace(error))
        | Failure::Check(CheckLedgerError::Workspace(error))
        | Failure::Approve(ApproveError::Workspace(error))
        | Failure::Cancel(CancelError::Workspace(error))
        | Failure::Init(InitError::Workspace(error))
        | Failure::New(NewTicketError::Workspace(error))
        | Failure::Package(PackageError::Workspace(error)) => Some(error),
        _ => None,
    }
}

/// What is wrong in files.
fn findings(failure: &Failure) -> Vec<Finding> {
    if let Some(WorkspaceError::Policy(problem)) = workspace_error(failure) {
        return vec![Finding::in_file(PolicyFile::path(), problem)];
    }
    let about = |path: &ledger_core::RepoPath, problem: &FileProblem| vec![Finding::in_file(path.clone(), problem)];
    match failure {
        Failure::Approve(ApproveError::NotFit { findings, .. }) => findings.clone(),
        Failure::Approve(ApproveError::BrokenPackage { findings, .. } | ApproveError::LockDiffers { findings, .. })
        | Failure::Package(PackageError::NotFit { findings, .. }) => findings.clone(),
        Failure::BrokenPackage { finding, .. } => vec![(**finding).clone()],
        Failure::Run(RunError::Admit(AdmitError::File { path, problem }))
        | Failure::Cancel(CancelError::Unreadable { path, problem })
        | Failure::New(NewTicketError::Template { path, problem }) => about(path, problem),
        _ => Vec::new(),
    }
}
