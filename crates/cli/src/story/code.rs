//! The stable code of a failure.

use ledger_core::BlockerCode;
use policy::SelectionError;
use runner::{
    AnswerError, ApproveError, CancelError, RunError, StatusError, WordError, WorkspaceError, repository_code,
};

use super::workspace_error;
use crate::failure::Failure;

/// The stable code of a failure that is a blocker by nature: what `foil run` would stop for.
pub(super) fn code(failure: &Failure) -> Option<BlockerCode> {
    if let Some(WorkspaceError::Repository(error)) = workspace_error(failure) {
        return repository_code(error);
    }
    match failure {
        Failure::Run(error) => RunError::code(error),
        Failure::Deliver(error) => error.code(),
        Failure::Word(WordError::Run(error)) => RunError::code(error),
        Failure::Word(WordError::Done { .. } | WordError::NotWaiting { .. } | WordError::Rejected { .. }) => {
            Some(BlockerCode::NeedsPerson)
        }
        Failure::Answer(AnswerError::Run(error)) => RunError::code(error),
        Failure::Answer(
            AnswerError::NotWaiting { .. } | AnswerError::Answered { .. } | AnswerError::OtherQuestion { .. },
        ) => Some(BlockerCode::NeedsPerson),
        Failure::Answer(AnswerError::Changed { .. }) => Some(BlockerCode::SourceLockMismatch),
        Failure::Answer(AnswerError::Secret) => Some(BlockerCode::SecretFound),
        Failure::Agent(problem) => Some(problem.code),
        Failure::Select(SelectionError::SeveralReady { .. }) => Some(BlockerCode::NeedsPerson),
        Failure::Status(StatusError::Repository(error))
        | Failure::Approve(ApproveError::Repository(error))
        | Failure::Cancel(CancelError::Repository(error)) => repository_code(error),
        Failure::Approve(ApproveError::LockDiffers { .. }) => Some(BlockerCode::SourceLockMismatch),
        _ => None,
    }
}
