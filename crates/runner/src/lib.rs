//! Carries out Counterfoil runs: Codex, checks, sandbox, journals, delivery.
//!
//! Nothing here prints, reads the terminal or ends the process; the command does.
#![warn(missing_docs)]

mod admit;
mod agent;
mod agents;
mod approve;
mod base;
mod beneath;
mod bundle;
mod cancel;
mod capsule;
pub mod check;
mod check_ledger;
mod children;
mod clean;
mod closeout;
mod codex_files;
mod codex_setup;
mod compared;
mod consent;
mod daemon;
mod deliver;
mod disk;
mod doctor;
mod drift;
mod drive;
mod engine;
mod executor;
mod expert_fields;
mod expert_opinions;
mod file_stamp;
mod finding;
mod growing_file;
pub mod guard;
mod hand_offs;
mod hook;
mod init;
mod journal_file;
mod journal_records;
pub mod junit;
mod leaving;
mod ledger;
pub mod lock;
mod logs;
mod manifests;
mod markdown;
mod memory;
mod moment;
mod new;
mod notify;
mod once_only;
mod other_tickets;
mod overview;
mod packages;
mod packet;
mod plan_files;
mod plan_goal;
pub mod process;
mod prompt;
mod prompt_files;
mod questions;
mod queue;
mod records;
pub mod redact;
mod rescue;
mod round_reports;
mod run_clock;
mod run_files;
mod run_history;
mod run_ticket;
mod run_tickets;
mod run_variables;
pub mod sandbox;
mod seal;
mod service;
mod spec_claim;
mod specs;
mod stack;
mod state;
mod status;
mod steering_files;
mod stop;
mod target;
mod timeline;
mod trust;
mod verify;
mod weakened;
mod workspace;

pub use admit::{AdmitError, Candidacy, Ready};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use agent::fuzzing;
pub use agent::{
    Access, Agent, AgentGuard, CodexAgentSettings, CodexAppServer, CodexExec, CodexHome, CodexHomeError, CodexProgram,
    CodexProgramError, CodexProtocol, CodexVersion, HomeSettings, InvalidScript, MAX_ANSWER_BYTES, OLDEST_CODEX,
    PINNED_CODEX, ProjectInstructions, ProtocolDrift, ProtocolError, Role, ScriptedAgent, StopSignal, ThreadChoice,
    TranscriptEntry, TranscriptRecord, Turn, TurnEnd, TurnEvent, TurnOutcome, TurnRequest, TurnSink, agent_warning,
    is_reserved_config_key, read_transcript, recover_turn, shorten, shorten_end,
};
pub use agents::{AgentProblem, PreparedCodex, prepare_agent};
pub use approve::{ApprovalPlan, ApproveError, Approved, Committing, PlannedApproval, PlannedPackage, drafted_package};
pub use base::{DependencyState, ReceiptError, dependency_state, stored_receipt};
pub use beneath::{WriteError, read_beneath};
pub use bundle::{BUNDLE_SCHEMA, BundleError, BundleManifest, BundledFile, MissingFile, bundle_to_file, write_bundle};
pub use cancel::{CancelError, Canceled, cancel};
pub use capsule::{BlockerCapsule, FailedProof};
pub use check_ledger::{CHECK_SCHEMA, CheckLedgerError, LedgerCheck, check_ledger};
pub use children::children_in_words;
pub use clean::{
    CleanError, CleanFailure, CleanItem, CleanKind, CleanOptions, CleanOwner, CleanPlan, CleanReport, KEEP_LOGS_FOR,
    KeptItem, MadeRoom, apply_clean, make_room, plan_clean, used_bytes,
};
pub use codex_files::{
    CodexFile, CodexFileDone, CodexFilesError, CodexFilesOptions, CodexFolder, KeptBecause, install_codex_files,
};
pub use codex_setup::{CodexState, CodexStatus, codex_login, codex_status};
pub use consent::{ConsentState, StaleReason, consent_state, required_files};
pub use daemon::{
    DaemonError, DaemonFiles, DaemonOptions, DaemonSignals, DaemonState, DaemonTrouble, RunningDaemon, WorkerEnd,
    daemon_trouble, forget_gone_daemon, leave_session, run_daemon, running_daemon, stop_daemon,
};
pub use deliver::{
    DeliverError, DeliveredHere, HereOutcome, TagOutcome, Tagged, deliver_here, deliver_later, deliver_tag,
};
pub use doctor::{DOCTOR_SCHEMA, DoctorFinding, DoctorOptions, DoctorReport, Health, diagnose};
pub use drive::{DriveError, drive};
pub use engine::{Engine, RunFolders, RunPlan};
pub use executor::Executor;
pub use expert_opinions::ExpertOpinion;
pub use finding::{Finding, FindingSeverity};
pub use hook::{HookEvent, HookRefusal, MAX_HOOK_INPUT_BYTES, answer_hook, opening_context, pre_tool_use};
pub use init::{
    DetectedCheck, InitDone, InitError, InitFile, InitOptions, Initialized, built_in_template, detect_checks, init,
    schema_texts,
};
pub use journal_file::{JournalFile, JournalFileError, JournalSink, OpenedJournal, read_journal};
pub use leaving::{LeaveRequests, Leaving};
pub use ledger::{FileProblem, Ledger, LedgerError, Misfit, MisfitReason, TicketFileName, TicketFolder};
pub use logs::{LOGS_SCHEMA, LastLines, LogError, LogKind, LogLine, LogOptions, LogSource, RunLogs};
pub use moment::Moment;
pub use new::{Draft, NewTicket, NewTicketError};
pub use overview::{Overview, OverviewWatch};
pub use packages::{
    LockStatus, Named, NewPackage, PACKAGE_SCHEMA, PackageChange, PackageChangeKind, PackageError, PackageReport,
    PackageSources, PackageTicket, PackageWritten, Packages, PackagesError, SharedBranch, SourceProblem, lock_package,
    new_package, show_package,
};
pub use packet::{NextCommand, ReviewPacket, next_commands, sentence};
pub use plan_goal::{
    GoalDrafts, GoalError, GoalFile, GoalFileChange, GoalOutcome, GoalRequest, MAX_GOAL_BYTES, plan_goal,
};
pub use prompt::{
    AdviceTask, CurationTask, ExpertPlanTask, ExpertTask, Given, GivenPlan, HandOff, HandOffs, Instructions, PlanTask,
    ReviewTask, Steering, WriterTask, advice_prompt, curation_prompt, expert_plan_prompt, expert_prompt, plan_prompt,
    report_repair_prompt, review_prompt, writer_prompt,
};
pub use questions::{AnswerReport, QuestionReport, SeenReport};
pub use queue::{LeftTicket, Queue, QueueError, Retry};
pub use records::{
    RecordFacts, handoff_record, plan_record, report_of, result_record, review_of, review_record, strength_name,
};
pub use rescue::{LeftWork, RescueError, has_left_work, left_work, rescue_command};
pub use round_reports::RoundReport;
pub use run_clock::{ClockReading, RunClock};
pub use run_history::{HistoryError, KnownRun, ReadRun, known_runs, read_run, tickets_with_runs};
pub use run_ticket::{
    AnswerError, GivenAnswer, GivenWord, Managed, Manager, OpenQuestion, PersonsAnswer, PersonsWord, RunError,
    RunOptions, RunReport, WordError, give_answer, give_word, repository_code, run_ticket, see_question,
};
pub use run_tickets::{Place, RanTickets, RunTickets, Selection, View, Witness, run_tickets};
pub use service::{Service, ServiceCommand, ServiceError, ServiceFolders, ServiceManager};
pub use specs::{LinkedSpec, LinkedSpecs};
pub use stack::{stack_in_words, stack_sentence};
pub use state::{StateError, StateRoots, user_state_folder};
pub use status::{
    BlockedStatus, BrokenStatus, DoneStatus, HealthCode, HealthReason, HealthState, MOST_LOOKED_UP, MisfitStatus,
    NextStep, PackageStatus, PausedStatus, PolicyStatus, RepositoryStatus, RunStatus, STATUS_SCHEMA, StaleStatus,
    StatusError, StatusHealth, StatusReport, TicketState, TicketStatus, WaitingStatus, nearest_id, status,
    ticket_status,
};
pub use stop::{Ask, RunningTicket, StopError, StopOutcome, StoppedRunners, running_tickets, stop_all, stop_ticket};
pub use target::TargetError;
pub use timeline::{
    EVENTS_SCHEMA, FollowError, JournalFollower, TimelineFilter, TimelineFollower, TimelineLine, TimelineNews,
    TimelineStart, stored_timeline, timeline,
};
pub use trust::{PolicyCommand, PolicyCommandKind, TrustError, TrustStore, policy_commands};
pub use verify::{
    Verification, Verified, VerifyReport, named_receipt, tickets_to_verify, verify_receipt, verify_ticket,
};
pub use workspace::{PolicyFile, Settings, Workspace, WorkspaceError, repository_id};
