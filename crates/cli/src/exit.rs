//! How the command ends: the same codes for every verb, with or without `--json`.

use git_delivery::{FastForwardError, HereError, RefError, RepositoryError};
use ledger_core::PauseCause;
use policy::SelectionError;
use runner::lock::LockError;
use runner::{
    AdmitError, AnswerError, ApproveError, BundleError, CancelError, CheckLedgerError, CodexFilesError, DaemonError,
    DeliverError, FollowError, GoalError, HistoryError, InitError, JournalFileError, LedgerError, LogError,
    NewTicketError, PackageError, RescueError, RunError, ServiceError, StatusError, WordError, WorkspaceError,
};

use crate::failure::Failure;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// An error that is ours or the machine's.
    Failed,
    /// Wrong usage.
    Usage,
    /// Invalid input: policy, ticket, spec.
    Invalid,
    /// At least one run stopped with a blocker.
    Blocked,
    /// Not allowed now.
    Refused,
    /// A record, chain, tree or ref does not match.
    Unverified,
    /// SIGINT or `foil stop`.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// What a night may cost is used up: said to the daemon alone, by `foil run --in-background`.
    NightOver,
}

impl Exit {
    /// The code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Blocked => 10,
            Self::Refused => 11,
            Self::Unverified => 12,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::NightOver => 75,
        }
    }

    /// The code where both apply: being interrupted, then errors of ours, then failed verification, invalid input, refusal,
    /// blockers.
    pub(crate) fn and(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Interrupted | Self::Terminated => 7,
            Self::Failed => 6,
            Self::Usage => 5,
            Self::Unverified => 4,
            Self::Invalid => 3,
            Self::Refused => 2,
            Self::Blocked | Self::NightOver => 1,
            Self::Done => 0,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// The code that a failure ends with.
    pub(crate) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Usage(_) | Failure::UnknownSchema { .. } => Self::Usage,
            Failure::Demo(_) | Failure::Io(_) | Failure::Json(_) | Failure::State(_) => Self::Failed,
            Failure::Editor { .. } | Failure::NotWritten { .. } => Self::Failed,
            Failure::NothingRan => Self::Refused,
            Failure::History(error) | Failure::Logs(LogError::History(error)) => history(error),
            Failure::Follow(error) | Failure::Logs(LogError::Follow(error)) => match error {
                FollowError::Io { .. } => Self::Failed,
                FollowError::Damaged { .. } | FollowError::Replay { .. } | FollowError::Foreign { .. } => {
                    Self::Unverified
                }
            },
            Failure::Logs(LogError::Io { .. }) => Self::Failed,
            Failure::Bundle(error) => match error {
                BundleError::History(error) | BundleError::Log(LogError::History(error)) => history(error),
                _ => Self::Failed,
            },
            Failure::Stop(_) | Failure::Clean(_) | Failure::Packages(_) | Failure::Schedule(_) => Self::Failed,
            Failure::Daemon(DaemonError::AlreadyRunning { .. }) => Self::Refused,
            Failure::Daemon(_) | Failure::DaemonNotBegun { .. } => Self::Failed,
            Failure::Service(error) => match error {
                ServiceError::NotOurs { .. } | ServiceError::NoManager { .. } | ServiceError::Name { .. } => {
                    Self::Refused
                }
                ServiceError::Refused { .. } | ServiceError::Io { .. } => Self::Failed,
            },
            Failure::BrokenPackage { .. } => Self::Invalid,
            Failure::Agent(_) => Self::Refused,
            Failure::CodexFiles(error) => match error {
                CodexFilesError::NoHome | CodexFilesError::HomeMissing => Self::Refused,
                CodexFilesError::Write(_) | CodexFilesError::Path { .. } => Self::Failed,
            },
            Failure::Workspace(error) => workspace(error),
            Failure::Status(error) => match error {
                StatusError::Workspace(error) => workspace(error),
                StatusError::Repository(error) => repository(error),
                StatusError::NoSuchTicket { .. } => Self::Usage,
                _ => Self::Failed,
            },
            Failure::Check(error) => match error {
                CheckLedgerError::Workspace(error) => workspace(error),
                CheckLedgerError::Ledger(error) => ledger(error),
                CheckLedgerError::Packages(_) => Self::Failed,
                CheckLedgerError::NoSuchTicket { .. } => Self::Usage,
            },
            Failure::Approve(error) => match error {
                ApproveError::Workspace(error) => workspace(error),
                ApproveError::Repository(error) => repository(error),
                ApproveError::Unknown { .. } => Self::Usage,
                ApproveError::NotFit { .. } | ApproveError::BrokenPackage { .. } | ApproveError::File { .. } => {
                    Self::Invalid
                }
                ApproveError::NoName { .. }
                | ApproveError::LockDiffers { .. }
                | ApproveError::Canceled { .. }
                | ApproveError::Delivered { .. } => Self::Refused,
                ApproveError::Commit(error) => here(error),
                _ => Self::Failed,
            },
            Failure::Deliver(error) => deliver(error),
            Failure::Word(error) => word(error),
            Failure::Answer(error) => answer(error),
            Failure::Cancel(error) => match error {
                CancelError::Workspace(error) => workspace(error),
                CancelError::Repository(error) => repository(error),
                CancelError::NoSuchTicket { .. } => Self::Usage,
                CancelError::Delivered { .. } => Self::Refused,
                CancelError::Unreadable { .. } => Self::Invalid,
                CancelError::Commit(error) => here(error),
                _ => Self::Failed,
            },
            Failure::Goal(error) => goal(error),
            Failure::Init(error) => match error {
                InitError::Workspace(error) => workspace(error),
                InitError::Options { .. } => Self::Usage,
                _ => Self::Failed,
            },
            Failure::Select(error) => match error {
                SelectionError::Unknown { .. } => Self::Usage,
                SelectionError::SeveralReady { .. } => Self::Refused,
                SelectionError::Cycle { .. } => Self::Invalid,
            },
            Failure::Run(error) => run(error),
            Failure::New(error) => match error {
                NewTicketError::Workspace(error) => workspace(error),
                NewTicketError::Title | NewTicketError::NoSuchParent { .. } => Self::Usage,
                NewTicketError::Taken { .. } | NewTicketError::Exists { .. } => Self::Refused,
                NewTicketError::Template { .. } | NewTicketError::NotATicket { .. } => Self::Invalid,
                _ => Self::Failed,
            },
            Failure::Package(error) => match error {
                PackageError::Workspace(error) => workspace(error),
                PackageError::Unknown { .. }
                | PackageError::Title
                | PackageError::NoName { .. }
                | PackageError::NoSuchTicket { .. }
                | PackageError::Twice { .. } => Self::Usage,
                PackageError::Taken { .. }
                | PackageError::NameOfTicket { .. }
                | PackageError::Closed { .. }
                | PackageError::OtherPackage { .. } => Self::Refused,
                PackageError::NotFit { .. } | PackageError::Encode { .. } => Self::Invalid,
                PackageError::Packages(_) | PackageError::Status(_) | PackageError::Write(_) => Self::Failed,
            },
        }
    }
}

fn goal(error: &GoalError) -> Exit {
    match error {
        GoalError::Workspace(error) => workspace(error),
        GoalError::Repository(error) => repository(error),
        GoalError::Goal | GoalError::NoName => Exit::Usage,
        GoalError::Package { .. } | GoalError::Prompts { .. } => Exit::Invalid,
        GoalError::NoCommit
        | GoalError::NotTrusted
        | GoalError::Taken { .. }
        | GoalError::Begun { .. }
        | GoalError::Held { .. }
        | GoalError::Moved { .. }
        | GoalError::Exists { .. }
        | GoalError::Agent(_) => Exit::Refused,
        GoalError::Failed { .. }
        | GoalError::Ended { .. }
        | GoalError::Tokens { .. }
        | GoalError::Refused { .. }
        | GoalError::Touched => Exit::Blocked,
        GoalError::Stopped {
            cause: PauseCause::Terminate,
        } => Exit::Terminated,
        GoalError::Stopped { .. } => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

fn history(error: &HistoryError) -> Exit {
    match error {
        HistoryError::NoRun { .. } | HistoryError::UnknownRun { .. } => Exit::Usage,
        HistoryError::Journal { .. }
        | HistoryError::Replay { .. }
        | HistoryError::Foreign { .. }
        | HistoryError::NoJournal { .. } => Exit::Unverified,
        HistoryError::Io { .. } | HistoryError::Ref(_) | HistoryError::Store(_) => Exit::Failed,
    }
}

fn deliver(error: &DeliverError) -> Exit {
    match error {
        DeliverError::History(error) => history(error),
        DeliverError::Unverified { .. } => Exit::Unverified,
        DeliverError::TagName { .. } => Exit::Usage,
        DeliverError::Run(error) => run(error),
        DeliverError::Here(FastForwardError::Repository(error)) | DeliverError::Repository(error) => repository(error),
        DeliverError::Here(FastForwardError::Ref(RefError::Refused { .. } | RefError::Locked { .. })) => Exit::Refused,
        error if error.code().is_some() => Exit::Refused,
        _ => Exit::Failed,
    }
}

fn word(error: &WordError) -> Exit {
    match error {
        WordError::Done { .. } | WordError::NotWaiting { .. } | WordError::Rejected { .. } => Exit::Refused,
        WordError::Reason => Exit::Usage,
        WordError::History(error) => history(error),
        WordError::Repository(error) => repository(error),
        WordError::Run(error) => run(error),
        WordError::Record(_) => Exit::Failed,
    }
}

fn answer(error: &AnswerError) -> Exit {
    match error {
        AnswerError::NotWaiting { .. }
        | AnswerError::Answered { .. }
        | AnswerError::OtherQuestion { .. }
        | AnswerError::Changed { .. }
        | AnswerError::Secret => Exit::Refused,
        AnswerError::NoChoice { .. } | AnswerError::NoSuchChoice { .. } | AnswerError::Length => Exit::Usage,
        AnswerError::History(error) => history(error),
        AnswerError::Repository(error) => repository(error),
        AnswerError::Run(error) => run(error),
        AnswerError::Record(_) => Exit::Failed,
    }
}

fn run(error: &RunError) -> Exit {
    match error {
        RunError::Refused { .. } | RunError::Agent(_) | RunError::Sandbox(_) | RunError::Target(_) => Exit::Refused,
        RunError::Locked(LockError::Held { .. }) => Exit::Refused,
        RunError::Rescue(RescueError::History(error)) => history(error),
        RunError::Rescue(error) if error.code().is_some() => Exit::Refused,
        RunError::Journal(JournalFileError::Damaged { .. })
        | RunError::JournalLost { .. }
        | RunError::Replay { .. }
        | RunError::Rewound { .. } => Exit::Unverified,
        RunError::Stopped {
            cause: PauseCause::Terminate,
        } => Exit::Terminated,
        RunError::Stopped {
            cause: PauseCause::Budget,
        } => Exit::Blocked,
        RunError::Stopped { .. } => Exit::Interrupted,
        RunError::Workspace(error) => workspace(error),
        RunError::Admit(error) => match error {
            AdmitError::NoSuchTicket { .. } => Exit::Usage,
            AdmitError::File { .. } | AdmitError::Checks(_) => Exit::Invalid,
            AdmitError::SourceLock | AdmitError::Identity(_) | AdmitError::Base(_) | AdmitError::Target(_) => {
                Exit::Refused
            }
            AdmitError::Repository(error) => repository(error),
            AdmitError::Workspace(error) => workspace(error),
            AdmitError::Ledger(error) => ledger(error),
            AdmitError::Receipt(_) | AdmitError::ObjectGone { .. } => Exit::Unverified,
            AdmitError::Ref(_) | AdmitError::Object(_) | AdmitError::Trust(_) | AdmitError::Packages(_) => Exit::Failed,
        },
        _ => Exit::Failed,
    }
}

fn workspace(error: &WorkspaceError) -> Exit {
    match error {
        WorkspaceError::Repository(error) => repository(error),
        WorkspaceError::Policy(_) => Exit::Invalid,
        WorkspaceError::Ledger(error) => ledger(error),
        WorkspaceError::State(_) | WorkspaceError::Trust(_) => Exit::Failed,
    }
}

fn ledger(error: &LedgerError) -> Exit {
    match error {
        LedgerError::NotAFolder { .. } => Exit::Invalid,
        LedgerError::Io { .. } | LedgerError::Object(_) => Exit::Failed,
    }
}

fn repository(error: &RepositoryError) -> Exit {
    match error {
        RepositoryError::NotARepository { .. }
        | RepositoryError::ForeignOwner { .. }
        | RepositoryError::Unsupported { .. }
        | RepositoryError::IdentityUnknown => Exit::Refused,
        _ => Exit::Failed,
    }
}

fn here(error: &HereError) -> Exit {
    match error {
        HereError::OperationInProgress { .. }
        | HereError::DetachedHead
        | HereError::StagedDifferently { .. }
        | HereError::Ref(RefError::Refused { .. } | RefError::Locked { .. }) => Exit::Refused,
        HereError::Repository(error) => repository(error),
        _ => Exit::Failed,
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code, from what counts least to what counts most.
    const ALL: [Exit; 9] = [
        Exit::Done,
        Exit::Blocked,
        Exit::Refused,
        Exit::Invalid,
        Exit::Unverified,
        Exit::Usage,
        Exit::Failed,
        Exit::Interrupted,
        Exit::Terminated,
    ];

    #[test]
    fn of_two_codes_the_graver_one_counts_whichever_came_first() {
        let table = ALL.map(|first| ALL.map(|second| first.and(second).code()));
        assert_eq!(
            table,
            [
                [0, 10, 11, 3, 12, 2, 1, 130, 143],
                [10, 10, 11, 3, 12, 2, 1, 130, 143],
                [11, 11, 11, 3, 12, 2, 1, 130, 143],
                [3, 3, 3, 3, 12, 2, 1, 130, 143],
                [12, 12, 12, 12, 12, 2, 1, 130, 143],
                [2, 2, 2, 2, 2, 2, 1, 130, 143],
                [1, 1, 1, 1, 1, 1, 1, 130, 143],
                // Of two signals the first one ended it.
                [130, 130, 130, 130, 130, 130, 130, 130, 130],
                [143, 143, 143, 143, 143, 143, 143, 143, 143],
            ]
        );
    }
}
