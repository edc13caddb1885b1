//! What can go wrong in the command, as data. `exit` turns it into a code, `story` into words.

use std::io;

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked for contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// There is no such schema.
    #[error("there is no schema `{name}`")]
    UnknownSchema { name: String, known: Vec<&'static str> },
    /// The answer cannot be written.
    #[error("the answer cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The answer has no JSON form.
    #[error("the answer has no JSON form: {0}")]
    Json(serde_json::Error),
    /// The editor did not end well.
    #[error("the editor `{editor}` did not end well: {reason}")]
    Editor { editor: String, reason: String },
    /// A file of the person's cannot be written.
    #[error("`{}` cannot be written: {source}", path.display())]
    NotWritten {
        path: std::path::PathBuf,
        source: io::Error,
    },
    /// There is no run to show.
    #[error("nothing ran in this clone")]
    NothingRan,
    #[error(transparent)]
    History(runner::HistoryError),
    #[error(transparent)]
    Follow(runner::FollowError),
    #[error(transparent)]
    Logs(runner::LogError),
    #[error(transparent)]
    Bundle(#[from] runner::BundleError),
    #[error(transparent)]
    Stop(runner::StopError),
    #[error(transparent)]
    Daemon(#[from] runner::DaemonError),
    /// The daemon was started and did not begin.
    #[error("the daemon was started as process {pid} and has not begun yet")]
    DaemonNotBegun { pid: u32 },
    #[error(transparent)]
    Service(#[from] runner::ServiceError),
    #[error(transparent)]
    Clean(runner::CleanError),
    #[error(transparent)]
    Agent(runner::AgentProblem),
    #[error(transparent)]
    CodexFiles(#[from] runner::CodexFilesError),
    #[error(transparent)]
    State(#[from] runner::StateError),
    #[error(transparent)]
    Workspace(#[from] runner::WorkspaceError),
    #[error(transparent)]
    Status(#[from] runner::StatusError),
    #[error(transparent)]
    Check(#[from] runner::CheckLedgerError),
    #[error(transparent)]
    Approve(#[from] runner::ApproveError),
    #[error(transparent)]
    Cancel(#[from] runner::CancelError),
    #[error(transparent)]
    Word(#[from] runner::WordError),
    #[error(transparent)]
    Answer(#[from] runner::AnswerError),
    #[error(transparent)]
    Deliver(#[from] runner::DeliverError),
    #[error(transparent)]
    Goal(#[from] runner::GoalError),
    #[error(transparent)]
    Init(#[from] runner::InitError),
    /// A step of the demo did not end as it must.
    #[error("the demo went wrong: {0}")]
    Demo(String),
    #[error(transparent)]
    Schedule(runner::lock::ScheduleLockError),
    #[error(transparent)]
    Select(#[from] policy::SelectionError),
    #[error(transparent)]
    Run(#[from] runner::RunError),
    #[error(transparent)]
    New(#[from] runner::NewTicketError),
    #[error(transparent)]
    Package(#[from] runner::PackageError),
    /// A package that is to be run cannot be read.
    #[error("the package `{name}` cannot be used")]
    BrokenPackage {
        name: ledger_core::PackageName,
        finding: Box<runner::Finding>,
    },
    #[error(transparent)]
    Packages(runner::PackagesError),
}

impl From<runner::QueueError> for Failure {
    fn from(error: runner::QueueError) -> Self {
        match error {
            runner::QueueError::Status(error) => Self::Status(error),
            runner::QueueError::Packages(error) => Self::Packages(error),
            runner::QueueError::Running(error) => Self::Stop(error),
            runner::QueueError::Schedule(error) => Self::Schedule(error),
            runner::QueueError::Select(error) => Self::Select(error),
            runner::QueueError::BrokenPackage { name, finding } => Self::BrokenPackage { name, finding },
        }
    }
}

impl Failure {
    /// Whether nobody reads the answer any more, as after `| head`.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Bundle(runner::BundleError::Write(error)) => error.kind() == io::ErrorKind::BrokenPipe,
            Self::Json(error) => error.io_error_kind() == Some(io::ErrorKind::BrokenPipe),
            _ => false,
        }
    }
}
