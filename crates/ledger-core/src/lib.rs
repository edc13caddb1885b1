//! Tickets, runs, journals and evidence: what *may* follow what, without any I/O, clock or randomness.
//!
//! Everything that Counterfoil stores or sends is a type here (the policy file is in `counterfoil-policy`), with a
//! JSON Schema generated from it.
#![warn(missing_docs)]

mod activity;
mod advice;
mod approval;
mod blocker;
mod bounded;
mod change;
mod changed_tests;
mod comparison;
mod curation;
mod digest;
mod document;
mod drift;
mod duration;
mod effect;
mod event;
mod evidence;
mod expert;
mod goal_plan;
mod hook;
mod id;
mod journal;
mod mode;
mod notification;
mod object;
mod observation;
mod package;
mod parent;
mod path;
mod phase;
mod plan;
mod question;
mod reader_end;
mod receipt;
mod report;
mod review;
mod run;
mod schema;
mod spec;
mod statement;
mod steering;
mod text_form;
mod ticket;
mod title;
mod wanted_grant;
mod weakening;

pub use activity::{
    Activity, AgentFailure, AgentFailureClass, AgentIdentity, AgentKind, GivenFile, GivenSize, MAX_GIVEN_FILES,
    TokenCount,
};
pub use advice::{Advice, AdviceNext, MAX_TASK_FILES, RoundTask};
pub use approval::{Approval, ApprovalKind, Cancellation, CoveredFile, LabelConsent, ReplacedRequirement, Signature};
pub use blocker::{Blocker, BlockerCode};
pub use bounded::{MAX_LIST_BYTES, fitting};
pub use change::{
    Change, ChangeCounts, ChangeKind, ChangeSet, ChangeSummary, EntryMode, ListedPath, MAX_LISTED_PATHS, Side,
};
pub use changed_tests::{ChangedTests, TestGate, TestOrder, TreesApart};
pub use comparison::{CheckComparison, ComparedRun, MAX_NAMED_TESTS, NamedTests, TestComparison, ToldBy, Transitions};
pub use curation::{Curation, MAX_NOTE_CHARACTERS, MAX_NOTES, MemoryNote, NoteKind};
pub use digest::{Digest, Hashing, InvalidDigest};
pub use document::{DocumentError, MAX_DOCUMENT_BYTES, document_text, locate, read_toml};
pub use drift::{DriftCode, DriftFinding, DriftVerdict, MAX_DRIFT_FINDINGS, SpecDrift};
pub use duration::{Duration, InvalidDuration};
pub use effect::{CheckPurpose, Effect, EffectClass, TurnPurpose};
pub use event::{DeliveryOpened, Event, IterationCause, JOURNAL_FORMAT, Opened, PauseCause, Rescued, ResumeCause};
pub use evidence::{
    AcceptanceProof, CheckResult, CheckSandbox, CommandOutcome, Confidence, EvidenceIndex, EvidenceLabel,
    MAX_FAILING_TESTS, OutputRecord, Strength, TestSummary,
};
pub use expert::{
    ExpertCall, ExpertField, ExpertReview, ExpertSubject, ExpertVerdict, Judge, MAX_EXPERT_FINDINGS, Recommendation,
};
pub use goal_plan::{
    GoalPlan, GoalPlanStatus, MAX_GOAL_PLAN_BYTES, MAX_PLANNED_TICKETS, PlannedAcceptance, PlannedCheck, PlannedMode,
    PlannedSpecs, PlannedTicket,
};
pub use hook::HookPoint;
pub use id::{InvalidName, PackageName, RunId, SteeringName, ThreadId, TicketId};
pub use journal::{
    ChainSummary, EncodeError, Head, Journal, JournalError, JournalReader, MAX_LINE_BYTES, Record, TornTail,
    verify_chain,
};
pub use mode::{Discipline, Mode};
pub use notification::{Notification, NotificationChannel, NotificationEvent, NotifiedBlocker};
pub use object::{BlobId, CommitId, InvalidObjectId, InvalidRefName, ObjectId, RefName, TreeId};
pub use observation::{Consent, CopiedFile, Observation, TurnEnd, Violation};
pub use package::{LockChange, LockDifference, Package};
pub use parent::{Child, ChildEnd, ChildEnded, Choice};
pub use path::{InvalidRepoPath, RepoPath};
pub use phase::{
    BaseReason, DeliveryMode, Discovery, MEMORY_NOT_UPDATED, NO_MEMORY_UPDATE, NotRequiredCode, ObservedRef, Phase,
    PhaseEvidence, PreparedDelivery, PushTarget, SourceLock, StackedTicket,
};
pub use plan::{MAX_PLANNED_FILES, Plan, PlanStatus, PlannedChange, PlannedFile};
pub use question::{
    AskedQuestion, MAX_ANSWER_CHARACTERS, MAX_CHOICE_CHARACTERS, MAX_CHOICES, MAX_QUESTION_CHARACTERS, MAX_QUESTIONS,
    Question,
};
pub use reader_end::{
    AdviceEnd, CurationEnd, ExpertEnd, JudgedAdvice, JudgedAnswer, JudgedCuration, JudgedExpertReview, JudgedPlan,
    JudgedReview, PlanEnd, ReaderEnd, ReviewEnd,
};
pub use receipt::{Delivered, DeliveredRun, InvalidReceipt, Receipt, ReceiptExpert, ReceiptReview, RemoteDelivery};
pub use report::{ClaimedCommand, InvalidReport, MAX_REPORT_BYTES, Report, ReportStatus, SelfReview};
pub use review::{Finding, Review, Severity, Verdict};
pub use run::{
    Attempt, CheckedTree, EffectFailure, EndedAdvice, EndedCuration, EndedExpert, EndedPlan, EndedReader, EndedReview,
    EndedTurn, HookEnd, Live, MAX_FAILED_ANSWERS, MAX_REBASES, MeasuredChange, MovedRef, NotificationEnd, OpenCommand,
    Pending, PushedRef, QuestionAnswer, RanHook, Refusal, RefusedChange, RefusedPush, Repetition, Round, Run,
    RunQuestion, SeenQuestion, SeenRemote, SentNotification, StartedThread, State, Totals,
};
pub use schema::{answer_schema_of, schema, schema_of, schemas};
pub use spec::{
    Ambiguity, CurrentIds, CurrentProblem, CurrentRequirements, DecisionId, Delta, DeltaChange, DeltaException,
    DeltaHandling, DeltaItem, DeltaItemId, Design, DesignDecision, FileChange, ImpactedFile, MAX_SPEC_BYTES,
    MAX_SPEC_PROBLEMS, MAX_SPEC_ROWS, MOST_OF_ONE_NAME, PlannedTest, ProofItem, Requirement, RequirementId,
    Requirements, SpecFolder, SpecKind, SpecProblem, SpecReading, SpecSet, SpecSeverity, SpecSources, Task, TaskId,
    TaskRole, Tasks, Trace, replaced_by, spec_skeleton, with_delta,
};
pub use statement::{PredicateType, Statement, StatementForm, Subject, SubjectDigest};
pub use steering::{Inclusion, InclusionMode, RuleKey, RuleValue, SteeringHead, SteeringPack};
pub use ticket::{
    Acceptance, CheckCommand, Context, Decision, DecisionStatus, Grants, InvalidCheckCommand, Kind, RequiredFile,
    Scope, SpecMode, Specs, Ticket, TicketCheck, TicketFile, TicketLimits,
};
pub use title::broken_title;
pub use wanted_grant::{GrantKind, WantedGrant, wanted_lines};
pub use weakening::{LineRange, WeakenedTest, WeakenedTestAnswer, Weakening, WeakeningVerdict, unjustified};
