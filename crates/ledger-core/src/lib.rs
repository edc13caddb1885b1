//! Tickets, runs, journals and evidence: what *may* follow what, without any I/O, clock or randomness.
//!
//! Everything that Counterfoil stores or sends is a type here (the policy file is in `counterfoil-policy`), with a
//! JSON Schema generated from it.
#![warn(missing_docs)]

mod activity;
mod approval;
mod blocker;
mod bounded;
mod change;
mod digest;
mod document;
mod duration;
mod effect;
mod event;
mod evidence;
mod id;
mod journal;
mod object;
mod package;
mod path;
mod phase;
mod receipt;
mod report;
mod review;
mod run;
mod schema;
mod text_form;
mod ticket;
mod weakening;

pub use activity::{Activity, AgentFailure, AgentFailureClass, AgentIdentity, AgentKind, TokenCount};
pub use approval::{Approval, ApprovalKind, Cancellation, CoveredFile, LabelConsent, Signature};
pub use blocker::{Blocker, BlockerCode};
pub use bounded::{MAX_LIST_BYTES, fitting};
pub use change::{
    Change, ChangeCounts, ChangeKind, ChangeSet, ChangeSummary, EntryMode, ListedPath, MAX_LISTED_PATHS, Side,
};
pub use digest::{Digest, InvalidDigest};
pub use document::{DocumentError, MAX_DOCUMENT_BYTES, document_text, locate, read_toml};
pub use duration::{Duration, InvalidDuration};
pub use effect::{
    CheckPurpose, Consent, CopiedFile, Effect, EffectClass, Observation, ReviewEnd, TurnEnd, TurnPurpose, Violation,
};
pub use event::{Event, IterationCause, JOURNAL_FORMAT, Opened, PauseCause, Rescued, ResumeCause};
pub use evidence::{
    AcceptanceProof, CheckResult, CheckSandbox, CommandOutcome, Confidence, EvidenceIndex, EvidenceLabel,
    MAX_FAILING_TESTS, OutputRecord, Strength, TestSummary,
};
pub use id::{InvalidName, PackageName, RunId, ThreadId, TicketId};
pub use journal::{
    ChainSummary, EncodeError, Head, Journal, JournalError, MAX_LINE_BYTES, Record, TornTail, verify_chain,
};
pub use object::{BlobId, CommitId, InvalidObjectId, InvalidRefName, ObjectId, RefName, TreeId};
pub use package::{LockChange, LockDifference, Package};
pub use path::{InvalidRepoPath, RepoPath};
pub use phase::{
    BaseReason, DeliveryMode, Discovery, NO_MEMORY_UPDATE, NotRequiredCode, ObservedRef, Phase, PhaseEvidence,
    PreparedDelivery, PushTarget, SourceLock, StackedTicket,
};
pub use receipt::{Delivered, InvalidReceipt, Receipt, ReceiptReview, RemoteDelivery};
pub use report::{ClaimedCommand, InvalidReport, MAX_REPORT_BYTES, Report, ReportStatus, SelfReview};
pub use review::{Finding, Review, Severity, Verdict};
pub use run::{
    Attempt, CheckedTree, EffectFailure, EndedReview, EndedTurn, Live, MAX_REBASES, MeasuredChange, MovedRef,
    OpenCommand, Pending, PushedRef, Refusal, RefusedPush, Run, SeenRemote, StartedThread, State, Totals,
};
pub use schema::{answer_schema_of, schema_of, schemas};
pub use ticket::{
    Acceptance, CheckCommand, Context, Decision, DecisionStatus, Grants, InvalidCheckCommand, Kind, Mode, RequiredFile,
    Scope, SpecMode, Specs, Ticket, TicketCheck, TicketFile, TicketLimits,
};
pub use weakening::{LineRange, WeakenedTest, WeakenedTestAnswer, Weakening, WeakeningVerdict, unjustified};
