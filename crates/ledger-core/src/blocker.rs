//! Why a run stopped or may not start: stable codes, each with a fixed hint.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::TicketId;

macro_rules! blocker_codes {
    ($($variant:ident, $code:literal, resumable = $resumable:literal, $doc:literal, $hint:literal, $look:literal;)+) => {
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

            /// What to look at to find the cause: a sentence without a capital and without a final period.
            pub fn look(self) -> &'static str {
                match self { $(Self::$variant => $look,)+ Self::Other => "which version of foil others here use" }
            }

            /// The code that has this name, if there is one.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
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
    NotApproved, "not_approved", resumable = false, "No person has approved the ticket.", "read the ticket, then `foil approve <ticket>`", "the ticket's folder has no `approval.toml`, or one that covers other files: `foil explain <ticket>` says which";
    ApprovalStale, "approval_stale", resumable = false, "A covered file changed after the approval.", "look at the difference with `git diff`, then `foil approve <ticket>` again", "`foil explain <ticket>` names the file that changed; its history in Git says who changed it, and how";
    PolicyNotTrusted, "policy_not_trusted", resumable = false, "This user has not trusted these bytes of the policy.", "read what it would run with `foil trust`, and trust it if you agree", "`git log -p counterfoil.toml` shows what changed since you trusted it";
    WrongRepository, "wrong_repository", resumable = false, "The approval is for another repository.", "approve the ticket in this repository with `foil approve <ticket>`", "`[repository] id` of the policy and the address of the remote, against the id in `approval.toml`";
    RepositoryUnsupported, "repository_unsupported", resumable = false, "Counterfoil cannot work exactly on this kind of repository.", "the message names the kind; see the guide on repositories", "`foil doctor` looks at the repository too; a clone without the setting that is named can be worked in";
    TicketNotCommitted, "ticket_not_committed", resumable = false, "The ticket or its approval is not in the base commit.", "commit the ticket's folder, or run `foil approve <ticket>` which does", "`git status` of the ticket's folder, and whether the branch or target that a run starts from has its commit";
    UnpushedCommits, "unpushed_commits", resumable = false, "The local branch has commits that the target does not have.", "push them or start from the target", "`git log @{upstream}..` lists commits of yours that are not on the remote";
    DependencyNotDone, "dependency_not_done", resumable = false, "A ticket that this one depends on is not delivered.", "run that ticket first; `foil status` shows how far it is", "`depends_on` in `ticket.toml` names those that count, and `foil status` where each of them stands";
    PreviousTicketDirt, "previous_ticket_dirt", resumable = false, "A ticket before this one in its package is not finished.", "finish or cancel the earlier ticket first", "`foil package show` lists the tickets of a package in order, with the first that is not finished";
    SourceLockMismatch, "source_lock_mismatch", resumable = false, "A file that the run was started from is not what it was.", "approve the ticket again; the next run starts from the new content", "the history of the ticket's folder, its specs and `counterfoil.toml`: one of them is not what the run began with";
    ClaimedElsewhere, "claimed_elsewhere", resumable = true, "Another process is working on this ticket.", "`foil status <ticket>` shows which; wait for it or `foil stop <ticket>`", "`foil status <ticket>` shows what the other process does; a lock whose process is gone is free, and never stands in the way";
    TargetForbidden, "target_forbidden", resumable = false, "The delivery target is one that the policy forbids.", "name another branch in `[delivery]`", "`[delivery]` in `counterfoil.toml`, and which branch is the default one of the remote";
    BranchNameTaken, "branch_name_taken", resumable = true, "The delivery branch cannot be created beside the branches that exist.", "give the branch in the way another name (`git branch -m`), or leave it where it is checked out; `foil run <ticket>` goes on", "`git branch --list 'foil/*'` and `git worktree list` show the branch that is in the way, or where it is checked out";
    ScopeViolation, "scope_violation", resumable = false, "A path outside the ticket's scope was changed.", "widen `[scope] allowed` if the change is right, approve again, and run", "the paths that the reason names, against `[scope] allowed`; `foil logs <ticket>` shows what led the worker there";
    ForbiddenPath, "forbidden_path", resumable = false, "A path was changed that the ticket or the policy forbids.", "split the work, or change `[scope] forbidden` and approve again", "the paths that the reason names, against `[scope] forbidden` of ticket and policy";
    FilteredPath, "filtered_path", resumable = false, "A path was touched whose content a Git filter produces, and the filter is not allowed.", "keep the path out of scope, or change it yourself; this version runs no filters", "`git check-attr filter` of the path says which filter it has, such as that of Git LFS";
    SecretFound, "secret_found", resumable = false, "Something that looks like a secret would be delivered.", "remove it from the prompt's task; if it is none, add its fingerprint to `[scope] secrets`", "the reason names the place and a fingerprint, and never the secret itself; it may have been in the task's own words";
    ProtectedPathChanged, "protected_path_changed", resumable = false, "A path was changed that belongs to the runner or instructs agents.", "if the change is wanted, grant exactly that path in the ticket's `[grants] protected`", "the path that the reason names: policy, ledger, pipelines, hooks and instructions to agents are protected";
    UnsafeAction, "unsafe_action", resumable = false, "The worker started a command that needs a grant.", "if it is wanted, grant exactly that command in the ticket's `[grants] commands`", "`foil logs <ticket>` shows the command and what led to it";
    GrantMissing, "grant_missing", resumable = false, "The change needs a grant that the ticket does not give.", "add the exact grant to the ticket and approve it again", "the reason names what needs a grant, and `[grants]` in `ticket.toml` what was given";
    BaselineOverlap, "baseline_overlap", resumable = false, "An uncommitted change of yours touches the same paths.", "commit or set aside your change to these paths first", "`git status` shows your own changes to the paths that the reason names";
    NotFastForward, "not_fast_forward", resumable = false, "The branch that is checked out has commits that the delivery does not go on from.", "`foil status <ticket>` names the branch to merge; nothing was changed", "`git log --graph` of your branch and of the delivery's shows where they parted";
    SetupChangedTree, "setup_changed_tree", resumable = false, "The set-up commands changed tracked files, or left new ones that Git does not ignore.", "make `[workspace] setup` leave tracked files as they are, and let `.gitignore` name what it makes", "the files that the reason names; `foil logs <ticket>` has what the set-up printed";
    BaselineFailed, "baseline_failed", resumable = false, "A check fails on the base, before any change.", "mend the base, or set the check's `baseline`", "`foil logs <ticket>` has the check's output; run the same command in your own checkout of the base";
    NoChanges, "no_changes", resumable = false, "The worker says that it is done, and nothing changed.", "make the prompt say what should differ, or cancel the ticket", "`foil logs <ticket>`: perhaps the worker found that all was done before";
    NoProgressLimit, "no_progress_limit", resumable = false, "Several iterations ended in trees that had occurred before.", "read the last turns with `foil logs <ticket>` and make the ticket smaller or clearer", "`foil events <ticket>` lists the iterations with what each of them changed";
    MaxIterations, "max_iterations", resumable = false, "The run used all its iterations.", "make the ticket smaller, or raise `[limits] max_iterations`", "`foil events <ticket>` shows whether the iterations came closer to the end, or went in circles";
    RunnerFailureLimit, "runner_failure_limit", resumable = true, "Several turns in a row failed for reasons outside the ticket.", "`foil doctor` looks for the cause; the next `foil run <ticket>` goes on", "`foil events <ticket>` has the reason of each turn that failed";
    VerificationFailureLimit, "verification_failure_limit", resumable = false, "The checks failed too often in a row.", "read the failing output with `foil logs <ticket>`", "whether it is the same check each time, and whether the change can mend at all what it complains of";
    TicketFailureLimit, "ticket_failure_limit", resumable = false, "Too many runs of this ticket ended in a blocker.", "change the ticket and approve it again", "`foil events <ticket>` and `foil status <ticket>` say what the runs ended with";
    TurnTimeout, "turn_timeout", resumable = true, "A turn, or a command of it, took longer than it may.", "raise `[limits] turn_timeout` or `command_timeout`, whichever the reason names, or make the ticket smaller; `foil run <ticket>` goes on", "`foil logs <ticket>` ends with what took the time, such as a command that waits for input";
    Stalled, "stalled", resumable = true, "The worker gave no sign of life for too long.", "`foil doctor` looks for the cause; `foil run <ticket>` goes on", "`foil logs <ticket>` ends with the last sign of life; the network or the provider may have been slow";
    Livelock, "livelock", resumable = false, "The worker repeated itself without effect.", "read the last turns with `foil logs <ticket>` and make the ticket clearer", "`foil logs <ticket>` shows what comes again and again";
    BudgetExhausted, "budget_exhausted", resumable = false, "The run spent all the tokens or time that it may.", "make the ticket smaller, or raise the limit in `[limits]` and trust the policy; the next run starts anew, what this one did is kept", "`foil status <ticket>` shows tokens and time, `[limits]` of ticket and policy what they are held to";
    AgentBlocked, "agent_blocked", resumable = false, "The worker says that it cannot go on without a person.", "read why with `foil status <ticket>`, mend the ticket, approve it again", "`foil logs <ticket>` shows what it tried before it gave up";
    AgentUnavailable, "agent_unavailable", resumable = true, "Codex is not installed, has an unsupported version or did not start, or its provider does not answer.", "`foil doctor` says which; then `foil run <ticket>` goes on", "`foil codex status` asks the same program that runs use";
    AgentModelUnavailable, "agent_model_unavailable", resumable = true, "The model does not exist or may not be used.", "name another in `[agent] model` or with `--model`", "`[agent] model` in `counterfoil.toml`, against the models that your login may use (`/model` in Codex)";
    AgentRefused, "agent_refused", resumable = true, "The provider refuses what the ticket asks for, or the request itself.", "the reason has the provider's words: mend what they name, in the ticket or in `[agent]`, or name another model; `foil run <ticket>` asks once more", "`foil logs <ticket>` shows what the worker was asked and did before that; nothing that is only tried again would change the answer";
    AgentAuth, "agent_auth", resumable = true, "Codex is not logged in, or its credentials were refused.", "`foil codex login`, then `foil run <ticket>` goes on", "`foil codex status` asks in the Codex home of runs, which may have another login than your own Codex";
    AgentRateLimited, "agent_rate_limited", resumable = true, "The provider's rate or usage limit is reached.", "wait until the limit resets; `foil run <ticket>` goes on", "the reason has the provider's words, and the time when the limit resets where it is known";
    SandboxUnavailable, "sandbox_unavailable", resumable = true, "No sandbox could be started for the worker or the checks.", "`foil doctor` shows what the machine lacks (bubblewrap, user namespaces)", "`foil doctor` tries the sandboxes of Codex and of checks, and has the system's own words";
    ReportInvalid, "report_invalid", resumable = false, "The worker gave no valid report, or the planner no valid plan, also when asked again.", "read its answer with `foil logs <ticket>`; another model may help", "`foil schema report` prints what a report has to be";
    ReviewFailed, "review_failed", resumable = true, "The reviewer gave no valid verdict.", "`foil run <ticket>` asks again", "`foil logs <ticket>` has what the reviewer answered";
    RepairLimit, "repair_limit", resumable = false, "The change was refused, and the repair rounds are used up or a repair was no other change.", "read the findings with `foil review <ticket>` and decide yourself", "`foil review <ticket>` has the findings, and `foil events <ticket>` what each repair changed";
    ProofFailed, "proof_failed", resumable = false, "What was asked is not proved by the checks.", "add a check that proves it, or mend the acceptance item", "`foil review <ticket>` says which acceptance items are proved, and which check was to prove the others";
    QuickFlowEscalation, "quick_flow_escalation", resumable = false, "The change is more than the quick mode allows.", "set the ticket's `mode` to `standard` and `foil approve <ticket>`; then `foil run --from-rescue <ticket>` goes on with the work, which is kept", "the reason names what is more than the mode allows; the guide has all of it in \"A quick ticket\"";
    UnresolvedDecision, "unresolved_decision", resumable = false, "A decision that blocks the ticket is not made.", "decide it in the ticket's `[[decision]]` or in its specs, and approve again", "the decision that the reason names, in `ticket.toml` or in the specs";
    SpecDrift, "spec_drift", resumable = false, "The change and its specs have parted.", "mend the specs and `foil approve <ticket>`; then `foil run --from-rescue <ticket>` goes on with the work, which is kept", "the reason names the requirement, task or file that the specs do not agree with; `foil check <ticket>` looks at the specs alone";
    SpecConflict, "spec_conflict", resumable = false, "Another open ticket works on the same requirement or the same current spec, or the current specs became others than the delta is for.", "let one of two tickets name the other in `depends_on`, or take it out of one; where the current specs changed, mend the delta; then approve that again", "the specs of both tickets, or the history of the current spec that the reason names: one was written without the other in mind";
    SteeringConflict, "steering_conflict", resumable = false, "Steering packs contradict each other or the ticket, or cannot be used.", "mend one of those that the message names, or the ticket", "the packs that the reason names, in the ledger's folder `steering`; `foil explain <ticket>` shows what it comes to";
    ContextOverBudget, "context_over_budget", resumable = false, "The ticket gives more to read than its budget allows, or than fits into the model.", "name less in `[context]`, make the prompt shorter or the ticket smaller, or raise `max_files` or `max_summary_lines`, and approve the ticket again", "`[context] required` and `prior_work` in `ticket.toml`, and the length of `prompt.md` and of the steering packs: the reason says which budget it is";
    HookFailed, "hook_failed", resumable = true, "A hook of the policy failed.", "read its output with `foil logs <ticket>` and mend what it missed; `foil run <ticket>` goes on", "`foil logs <ticket>` has what the hook printed; `[hooks]` in `counterfoil.toml` names its command";
    MergeConflict, "merge_conflict", resumable = false, "The tickets that this one depends on do not merge.", "merge them by hand, then run this one", "`git merge-tree --write-tree` of the two commits shows the conflict, and changes nothing of yours";
    UpstreamMoved, "upstream_moved", resumable = false, "The target moved while the run was under way.", "`foil run <ticket>` begins a new run on the new target; `foil run --from-rescue <ticket>` with this work, where nobody else changed the same files", "`git fetch`, then the log of the target: what came in while the run was under way";
    PushRejected, "push_rejected", resumable = true, "The remote refused the push.", "the message has the remote's words", "the rules of the remote for that branch, and whether others push to it";
    RemoteUnreachable, "remote_unreachable", resumable = true, "The remote did not answer.", "`foil run <ticket>` tries again", "`git ls-remote` of the remote, in the terminal that foil runs in: whether it answers without asking for anything";
    TreeMismatch, "tree_mismatch", resumable = false, "Two trees that must be the same are not.", "nothing was delivered; `foil events <ticket>` shows where they part", "`foil verify <ticket>` compares every tree again; something changed files or refs while the run was at work";
    DiskFull, "disk_full", resumable = true, "There is not enough free disk space.", "free some space (`foil clean` shows what could go); `foil run <ticket>` goes on", "`foil doctor` says how much is free where places and objects lie, and `[disk] min_free` how much must be";
    AcceptanceNeeded, "acceptance_needed", resumable = true, "The policy wants a person to accept the result before it is delivered.", "look at it with `foil review <ticket>`; then `foil accept <ticket>`, or `foil reject <ticket> --because \"…\"`", "`foil review <ticket>` has what was changed, what proves it, and what the reviewer says";
    AnswerNeeded, "answer_needed", resumable = true, "The worker has asked a person a question, and nobody has answered it.", "`foil answer <ticket>` shows it and takes the answer; the run goes on with it", "`foil status <ticket>` has the question and until when it waits; where the ticket could have answered it, say so there for the next";
    NeedsPerson, "needs_person", resumable = true, "A person has to decide.", "the message says what", "`foil status <ticket>` has the reason in full";
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
    fn every_code_says_what_to_look_at_in_words_of_its_own() {
        let mut said = std::collections::BTreeSet::new();
        for code in BlockerCode::ALL.iter().copied().chain([BlockerCode::Other]) {
            let look = code.look();
            assert!(said.insert(look), "{code} says what another says: {look}");
            assert!(!look.replace("<ticket>", "").contains('<'), "{code}: {look}");
            assert!(!look.ends_with('.') && !look.is_empty(), "{code}: {look}");
            assert_ne!(look, code.hint(), "{code}");
        }
        assert_eq!(BlockerCode::named("disk_full"), Some(BlockerCode::DiskFull));
        assert_eq!(
            BlockerCode::named("other"),
            None,
            "it is no code, but one that is not known"
        );
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
                assert!(!code.look().contains(word), "{code}: {word}");
            }
        }
    }
}
