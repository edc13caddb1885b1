//! Why a run stopped or may not start: stable codes, each with a fixed hint.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::TicketId;

macro_rules! blocker_codes {
    ($($variant:ident, $code:literal, resumable = $resumable:literal, $doc:literal, $hint:literal;)+) => {
        /// A coded reason why a run stopped or may not start. Codes are never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum BlockerCode {
            $(#[doc = $doc] $variant,)+
            /// A code that a newer version wrote.
            #[serde(other)]
            Other,
        }

        impl BlockerCode {
            /// Every code but `other`, in a stable order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ Self::Other => "other" }
            }

            /// What to do next, in words that never advise to force anything.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)+ Self::Other => "this record was written by a newer foil: use that version" }
            }

            /// Whether the same run may go on once the cause is gone.
            pub fn resumable(self) -> bool {
                match self { $(Self::$variant => $resumable,)+ Self::Other => false }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ Self::Other => "A code that a newer version wrote." }
            }
        }
    };
}

blocker_codes! {
    NotApproved, "not_approved", resumable = false, "No person has approved the ticket.", "read the ticket, then `foil approve <ticket>`";
    ApprovalStale, "approval_stale", resumable = false, "A covered file changed after the approval.", "look at the difference with `git diff`, then `foil approve <ticket>` again";
    PolicyNotTrusted, "policy_not_trusted", resumable = false, "This user has not trusted these bytes of the policy.", "read what it would run with `foil trust`, and trust it if you agree";
    WrongRepository, "wrong_repository", resumable = false, "The approval is for another repository.", "approve the ticket in this repository with `foil approve <ticket>`";
    RepositoryUnsupported, "repository_unsupported", resumable = false, "Counterfoil cannot work exactly on this kind of repository.", "the message names the kind; see the guide on repositories";
    TicketNotCommitted, "ticket_not_committed", resumable = false, "The ticket or its approval is not in the base commit.", "commit the ticket's folder, or run `foil approve <ticket>` which does";
    UnpushedCommits, "unpushed_commits", resumable = false, "The local branch has commits that the target does not have.", "push them or start from the target";
    DependencyNotDone, "dependency_not_done", resumable = false, "A ticket that this one depends on is not delivered.", "run that ticket first; `foil status` shows how far it is";
    PreviousTicketDirt, "previous_ticket_dirt", resumable = false, "A ticket before this one in its package is not finished.", "finish or cancel the earlier ticket first";
    SourceLockMismatch, "source_lock_mismatch", resumable = false, "A file that the run was started from is not what it was.", "approve the ticket again; the next run starts from the new content";
    ClaimedElsewhere, "claimed_elsewhere", resumable = true, "Another process is working on this ticket.", "`foil status <ticket>` shows which; wait for it or `foil stop <ticket>`";
    TargetForbidden, "target_forbidden", resumable = false, "The delivery target is one that the policy forbids.", "name another branch in `[delivery]`";
    BranchNameTaken, "branch_name_taken", resumable = true, "The delivery branch cannot be created beside the branches that exist.", "give the branch in the way another name (`git branch -m`), or leave it where it is checked out; `foil run <ticket>` goes on";
    ScopeViolation, "scope_violation", resumable = false, "A path outside the ticket's scope was changed.", "widen `[scope] allowed` if the change is right, approve again, and run";
    ForbiddenPath, "forbidden_path", resumable = false, "A path was changed that the ticket or the policy forbids.", "split the work, or change `[scope] forbidden` and approve again";
    FilteredPath, "filtered_path", resumable = false, "A path was touched whose content a Git filter produces, and the filter is not allowed.", "keep the path out of scope, or change it yourself; this version runs no filters";
    SecretFound, "secret_found", resumable = false, "Something that looks like a secret would be delivered.", "remove it from the prompt's task; if it is none, add its fingerprint to `[scope] secrets`";
    ProtectedPathChanged, "protected_path_changed", resumable = false, "A path was changed that belongs to the runner or instructs agents.", "if the change is wanted, grant exactly that path in the ticket's `[grants] protected`";
    UnsafeAction, "unsafe_action", resumable = false, "The worker started a command that needs a grant.", "if it is wanted, grant exactly that command in the ticket's `[grants] commands`";
    GrantMissing, "grant_missing", resumable = false, "The change needs a grant that the ticket does not give.", "add the exact grant to the ticket and approve it again";
    BaselineOverlap, "baseline_overlap", resumable = false, "An uncommitted change of yours touches the same paths.", "commit or set aside your change to these paths first";
    NotFastForward, "not_fast_forward", resumable = false, "The branch that is checked out has commits that the delivery does not go on from.", "`foil status <ticket>` names the branch to merge; nothing was changed";
    SetupChangedTree, "setup_changed_tree", resumable = false, "The set-up commands changed tracked files, or left new ones that Git does not ignore.", "make `[workspace] setup` leave tracked files as they are, and let `.gitignore` name what it makes";
    BaselineFailed, "baseline_failed", resumable = false, "A check fails on the base, before any change.", "mend the base, or set the check's `baseline`";
    NoChanges, "no_changes", resumable = false, "The worker says that it is done, and nothing changed.", "make the prompt say what should differ, or cancel the ticket";
    NoProgressLimit, "no_progress_limit", resumable = false, "Several iterations ended in trees that had occurred before.", "read the last turns with `foil logs <ticket>` and make the ticket smaller or clearer";
    MaxIterations, "max_iterations", resumable = false, "The run used all its iterations.", "make the ticket smaller, or raise `[limits] max_iterations`";
    RunnerFailureLimit, "runner_failure_limit", resumable = true, "Several turns in a row failed for reasons outside the ticket.", "`foil doctor` looks for the cause; the next `foil run <ticket>` goes on";
    VerificationFailureLimit, "verification_failure_limit", resumable = false, "The checks failed too often in a row.", "read the failing output with `foil logs <ticket>`";
    TicketFailureLimit, "ticket_failure_limit", resumable = false, "Too many runs of this ticket ended in a blocker.", "change the ticket and approve it again";
    TurnTimeout, "turn_timeout", resumable = true, "A turn took longer than it may.", "raise `[limits] turn_timeout`, or make the ticket smaller; `foil run <ticket>` goes on";
    Stalled, "stalled", resumable = true, "The worker gave no sign of life for too long.", "`foil doctor` looks for the cause; `foil run <ticket>` goes on";
    Livelock, "livelock", resumable = false, "The worker repeated itself without effect.", "read the last turns with `foil logs <ticket>` and make the ticket clearer";
    BudgetExhausted, "budget_exhausted", resumable = false, "The run spent all the tokens or time that it may.", "make the ticket smaller, or raise the limit in `[limits]` and trust the policy; the next run starts anew, what this one did is kept";
    AgentBlocked, "agent_blocked", resumable = false, "The worker says that it cannot go on without a person.", "read why with `foil status <ticket>`, mend the ticket, approve it again";
    AgentUnavailable, "agent_unavailable", resumable = true, "Codex is not installed, has an unsupported version or did not start, or its provider does not answer.", "`foil doctor` says which; then `foil run <ticket>` goes on";
    AgentModelUnavailable, "agent_model_unavailable", resumable = true, "The model does not exist or may not be used.", "name another in `[agent] model` or with `--model`";
    AgentAuth, "agent_auth", resumable = true, "Codex is not logged in, or its credentials were refused.", "`foil codex login`, then `foil run <ticket>` goes on";
    AgentRateLimited, "agent_rate_limited", resumable = true, "The provider's rate or usage limit is reached.", "wait until the limit resets; `foil run <ticket>` goes on";
    SandboxUnavailable, "sandbox_unavailable", resumable = true, "No sandbox could be started for the worker or the checks.", "`foil doctor` shows what the machine lacks (bubblewrap, user namespaces)";
    ReportInvalid, "report_invalid", resumable = false, "The worker gave no valid report, or the planner no valid plan, also when asked again.", "read its answer with `foil logs <ticket>`; another model may help";
    ReviewFailed, "review_failed", resumable = true, "The reviewer gave no valid verdict.", "`foil run <ticket>` asks again";
    RepairLimit, "repair_limit", resumable = false, "The change was refused, and the repair rounds are used up or a repair was no other change.", "read the findings with `foil review <ticket>` and decide yourself";
    ProofFailed, "proof_failed", resumable = false, "What was asked is not proved by the checks.", "add a check that proves it, or mend the acceptance item";
    QuickFlowEscalation, "quick_flow_escalation", resumable = false, "The change is more than the quick mode allows.", "set the ticket's `mode` to `standard` and `foil approve <ticket>`; then `foil run --from-rescue <ticket>` goes on with the work, which is kept";
    UnresolvedDecision, "unresolved_decision", resumable = false, "A decision that blocks the ticket is not made.", "decide it in the ticket's `[[decision]]` or in its specs, and approve again";
    SpecDrift, "spec_drift", resumable = false, "The change and its specs have parted.", "mend the specs and `foil approve <ticket>`; then `foil run --from-rescue <ticket>` goes on with the work, which is kept";
    SpecConflict, "spec_conflict", resumable = false, "Another open ticket works on the same requirement or the same current spec.", "let one of them name the other in `depends_on`, or take it out of one, and approve that again";
    SteeringConflict, "steering_conflict", resumable = false, "Steering packs contradict each other or the ticket, or cannot be used.", "mend one of those that the message names, or the ticket";
    ContextOverBudget, "context_over_budget", resumable = false, "The ticket gives more to read than its budget allows.", "name less in `[context]`, or raise its `max_files` or `max_summary_lines`, and approve the ticket again";
    HookFailed, "hook_failed", resumable = true, "A hook of the policy failed.", "read its output with `foil logs <ticket>` and mend what it missed; `foil run <ticket>` goes on";
    MergeConflict, "merge_conflict", resumable = false, "The tickets that this one depends on do not merge.", "merge them by hand, then run this one";
    UpstreamMoved, "upstream_moved", resumable = false, "The target moved while the run was under way.", "`foil run <ticket>` begins a new run on the new target; `foil run --from-rescue <ticket>` with this work, where nobody else changed the same files";
    PushRejected, "push_rejected", resumable = true, "The remote refused the push.", "the message has the remote's words";
    RemoteUnreachable, "remote_unreachable", resumable = true, "The remote did not answer.", "`foil run <ticket>` tries again";
    TreeMismatch, "tree_mismatch", resumable = false, "Two trees that must be the same are not.", "nothing was delivered; `foil events <ticket>` shows where they part";
    DiskFull, "disk_full", resumable = true, "There is not enough free disk space.", "free some space (`foil clean` shows what could go); `foil run <ticket>` goes on";
    AcceptanceNeeded, "acceptance_needed", resumable = true, "The policy wants a person to accept the result before it is delivered.", "look at it with `foil review <ticket>`; then `foil accept <ticket>`, or `foil reject <ticket> --because \"…\"`";
    AnswerNeeded, "answer_needed", resumable = true, "The worker has asked a person a question, and nobody has answered it.", "`foil answer <ticket>` shows it and takes the answer; the run goes on with it";
    NeedsPerson, "needs_person", resumable = true, "A person has to decide.", "the message says what";
}

impl BlockerCode {
    /// Whether the cause goes without anybody doing anything: the same run is tried again later.
    pub fn passes_by_itself(self) -> bool {
        self.meets_every_ticket() || self == Self::RemoteUnreachable
    }

    /// Whether the cause goes by itself, and every other ticket would meet it until then.
    pub fn meets_every_ticket(self) -> bool {
        matches!(self, Self::AgentRateLimited | Self::AgentUnavailable)
    }
}

/// Lists the codes with their meaning, and lets others pass: a reader takes a code that it does not know as `other`.
impl JsonSchema for BlockerCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BlockerCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let known = Self::ALL
            .iter()
            .map(|code| serde_json::json!({ "const": code.as_str(), "description": code.meaning() }));
        let newer = serde_json::json!({ "pattern": "^[a-z][a-z0-9_]*$", "description": Self::Other.meaning() });
        schemars::json_schema!({
            "type": "string",
            "title": "Blocker code",
            "description": "A coded reason why a run stopped or may not start. Codes are never renamed",
            "anyOf": known.chain([newer]).collect::<Vec<_>>(),
        })
    }
}

/// Why a run stopped, with what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// The stable code.
    pub code: BlockerCode,
    /// The reason in plain words, with the facts.
    pub reason: String,
    /// What to do next.
    pub next_step: String,
    /// Whether the same run may go on once the cause is gone.
    pub resumable: bool,
    /// Before this moment the cause is not gone, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

impl Blocker {
    /// A blocker with the code's own hint and resumability.
    pub fn new(code: BlockerCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            next_step: code.hint().to_owned(),
            resumable: code.resumable(),
            retry_at: None,
        }
    }

    /// What to do next about this ticket: as stored, with the ticket's id where the hint leaves it open.
    pub fn next_step_for(&self, ticket: &TicketId) -> String {
        self.next_step.replace("<ticket>", ticket.as_str())
    }

    /// The same blocker as it is shown for this ticket.
    pub fn shown_for(&self, ticket: &TicketId) -> Self {
        Self {
            next_step: self.next_step_for(ticket),
            ..self.clone()
        }
    }
}

impl std::fmt::Display for BlockerCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_an_unknown_one_is_other() {
        for code in BlockerCode::ALL {
            let json = format!("\"{}\"", code.as_str());
            assert_eq!(serde_json::to_string(code).unwrap(), json);
            assert_eq!(serde_json::from_str::<BlockerCode>(&json).unwrap(), *code);
        }
        assert_eq!(
            serde_json::from_str::<BlockerCode>("\"from_the_future\"").unwrap(),
            BlockerCode::Other
        );
    }

    #[test]
    fn a_next_step_names_the_ticket_and_leaves_nothing_open() {
        let ticket: TicketId = "0001-a".parse().unwrap();
        for code in BlockerCode::ALL {
            let step = Blocker::new(*code, "").next_step_for(&ticket);
            assert!(!step.contains('<'), "{code}: {step}");
        }
        let blocker = Blocker::new(BlockerCode::NotApproved, "").shown_for(&ticket);
        assert_eq!(blocker.next_step, "read the ticket, then `foil approve 0001-a`");
    }

    #[test]
    fn no_hint_advises_a_destructive_shortcut() {
        for code in BlockerCode::ALL {
            for word in [
                "--force",
                "reset --hard",
                "rm -",
                "clean -f",
                "--no-verify",
                "danger-full-access",
            ] {
                assert!(!code.hint().contains(word), "{code}: {word}");
            }
        }
    }
}
