//! What a run should do next, and what it is allowed to do: `counterfoil.toml` and the rules that follow from it, as
//! pure functions without I/O, clock or randomness.
//!
//! Whatever a rule needs to know of the world is gathered by others as facts and handed in; the same facts always give
//! the same answer, in the same order.
#![warn(missing_docs)]

mod acceptance;
mod admission;
mod changes;
mod checks;
mod commands;
pub mod config;
mod context_budget;
mod dependencies;
mod inputs;
mod limits;
mod liveness;
mod manager;
mod memory;
mod next_step;
mod pauses;
mod plan;
mod quick_flow;
mod retries;
mod room;
mod routing;
mod schedule;
mod scope;
mod secrets;
mod selection;
mod sitting;
mod spec_claims;
mod spec_drift;
mod spec_trace;
mod steering;
mod test_folders;
mod test_weakening;
mod tokens;
mod tool_use;
mod unkept;
mod waves;
mod wishes;
mod write_scope;

pub use acceptance::{acceptance_proofs, unproved};
pub use admission::{
    Admission, AdmissionFacts, ApprovalFact, ClaimFact, ConsumedFact, DependencyFact, DependencyState, Gate, HeadFact,
    PackageFact, PackageState, SpecsFact, TargetFact, TargetState, TrustFact, Verdict, admit, may_stack,
};
pub use changes::{ChangeFacts, FileFacts, MAX_VIOLATIONS, WalkFinding, WalkProblem, judge_changes};
pub use checks::{CheckSpec, DEFAULT_CHECK_TIMEOUT, InvalidChecks, check_specs, check_specs_of_whole};
pub use commands::{MAX_COMMAND_BYTES, judge_command, judge_command_beside_person};
pub use config::{Policy, policy_schema};
pub use context_budget::{
    ContextFacts, ContextLimit, ContextSize, DEFAULT_CONTEXT_FILES, DEFAULT_CONTEXT_LINES, context_files,
};
pub use dependencies::{DependencyChange, dependency_change, is_dependency_file, is_opaque_dependency_file};
pub use inputs::{Inputs, Outcome, StartFacts, Step, is_hurried};
pub use limits::{Limits, comes_near};
pub use liveness::{Liveness, ending_cause, liveness, spent_turn};
pub use manager::{ChildFact, ChildState, NextChild, after_child, next_child};
pub use memory::{MemoryFacts, MemoryPaths, note_violations};
pub use next_step::{interruption, next_notification, next_step, unanswered};
pub use plan::{plan_violations, task_violations};
pub use quick_flow::{
    Crossing, MAX_PLACES, MAX_QUICK_FILES, PACKAGE_MANIFESTS, PublicApiChange, QuickFlow, QuickTrigger, has_public_api,
    public_api_change,
};
pub use room::{Room, Spare, SpareThing, given_up};
pub use routing::{ExpertRouting, LARGE_CHANGE_FILES, LARGE_CHANGE_LINES, RoutingFacts};
pub use schedule::{Claim, Held, HeldBecause, Schedule, schedule};
pub use scope::{InvalidScope, PolicyScope, Protected, ProtectedPaths, ScopeRules};
pub use secrets::{MAX_SECRET_FINDINGS, SecretFinding, SecretRules};
pub use selection::{Candidate, SelectionError, ready_in_order, select_tickets};
pub use sitting::{Queued, Sitting, Sought, Starting, TicketEnd, TicketsAtHand, WaitFor};
pub use spec_claims::{ClaimedSpec, SpecClaim, SpecConflict, spec_conflicts};
pub use spec_drift::{SpecFacts, drift_without_specs, spec_drift};
pub use spec_trace::{
    RequiredProof, TraceGap, TracePlace, has_specs, open_spec_decisions, required_proofs, trace_gaps,
    unproved_requirements,
};
pub use steering::{
    RuleSource, SteeringChoice, SteeringConflict, SteeringError, SteeringFacts, check_steering_patterns,
    steering_conflicts,
};
pub use test_weakening::{
    InlineTests, MAX_TEST_BYTES, MAX_TEST_FILE_BYTES, MAX_WEAKENED_TESTS, TestChange, TestContent, TestRules,
    changed_tests, hunks_to_justify, inline_tests, weakened_tests, with_those_of_repairs,
};
pub use tool_use::{CommandWrites, UnclearPatch, command_writes, consent_command, patch_paths};
pub use unkept::{UnkeptKey, looser_limits, unasked_experts};
pub use waves::{Waiting, WavesError, waves};
pub use wishes::grantable;
pub use write_scope::WriteScope;
