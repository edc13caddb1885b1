//! Whether a ticket may run now, and everything that its run is made of, read from the base commit.

use git_delivery::{Head, Identity, Operation, RepositoryError};
use ledger_core::{
    Blocker, BlockerCode, CommitId, CoveredFile, Digest, Discovery, ObservedRef, RefName, Run, SourceLock,
    StackedTicket, Ticket, TicketFile, TicketId, TreeId,
};
use policy::{CheckSpec, Policy, StartFacts, check_specs};

use crate::base::{Base, DependencyState, choose_base, delivered_commit, dependency_state};
use crate::consent::{ConsentState, consent_state};
use crate::ledger::{FileProblem, Ledger, LedgerError, TicketFileName, TicketFolder};
use crate::trust::TrustError;
use crate::workspace::{PolicyFile, Workspace, WorkspaceError, repository_id};

/// What a gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateVerdict {
    /// The ticket may pass.
    Yes,
    /// It may not, and why.
    No(Blocker),
    /// It cannot be told before another gate says yes.
    Unknown,
}

/// One condition that a ticket must meet before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// What it asks, as a statement that should be true.
    pub name: &'static str,
    /// What it says.
    pub verdict: GateVerdict,
    /// The facts, in words.
    pub detail: String,
}

/// All gates, and what a run would be made of if all say yes.
#[derive(Debug)]
pub struct Admission {
    /// The gates, in the order in which they are asked.
    pub gates: Vec<Gate>,
    ready: Option<Box<Ready>>,
}

impl Admission {
    /// What the run is made of, or the first gate's no.
    pub fn into_ready(self) -> Result<Box<Ready>, Blocker> {
        match self.ready {
            Some(ready) => Ok(ready),
            None => Err(self.first_no()),
        }
    }

    /// What the run would be made of, where every gate says yes.
    pub fn ready(&self) -> Option<&Ready> {
        self.ready.as_deref()
    }

    fn first_no(&self) -> Blocker {
        let no = self.gates.iter().find_map(|gate| match &gate.verdict {
            GateVerdict::No(blocker) => Some(blocker.clone()),
            _ => None,
        });
        no.unwrap_or_else(|| Blocker::new(BlockerCode::NeedsPerson, "no gate could be asked"))
    }
}

/// What a run is made of.
#[derive(Debug)]
pub struct Ready {
    /// The ticket, as it is in the base.
    pub ticket: Ticket,
    /// The policy, as it is in the base.
    pub policy: Policy,
    /// The checks, in order.
    pub checks: Vec<CheckSpec>,
    /// What the first phases are entered with.
    pub start: StartFacts,
    /// Who commits.
    pub identity: Identity,
    /// The repository's name.
    pub repository: String,
}

/// What is needed to decide cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The repository.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// A ref.
    #[error(transparent)]
    Ref(#[from] git_delivery::RefError),
    /// An object.
    #[error(transparent)]
    Object(#[from] git_delivery::ObjectError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The trust store.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The workspace.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

/// Asks every gate for a ticket. With `unfinished`, whether that run may go on from its own base. Changes nothing but to
/// write a merge commit that no ref names, where several dependencies are stacked.
pub fn admit(
    workspace: &Workspace,
    ticket: &TicketId,
    unfinished: Option<&Run>,
    allow_temporary: bool,
) -> Result<Admission, AdmitError> {
    let mut asked = Asked {
        workspace,
        ticket,
        gates: Vec::new(),
    };
    let ready = asked.all(unfinished, allow_temporary)?;
    Ok(Admission {
        gates: asked.gates,
        ready: ready.map(Box::new),
    })
}

struct Asked<'a> {
    workspace: &'a Workspace,
    ticket: &'a TicketId,
    gates: Vec<Gate>,
}

/// The gates by name, so that those that cannot be asked yet are listed all the same.
const GATES: [&str; 12] = [
    "no operation is under way in the repository",
    "the repository lies where a worker cannot write",
    "there is a commit to start from",
    "the policy can be used",
    "the policy is trusted",
    "the ticket can be used",
    "the ticket is committed with its approval",
    "the ticket is approved as it is",
    "the ticket is not done or canceled",
    "every dependency is delivered",
    "every blocking decision is made",
    "commits have an author",
];

impl Asked<'_> {
    fn yes(&mut self, detail: impl Into<String>) {
        let name = GATES[self.gates.len().min(GATES.len() - 1)];
        self.gates.push(Gate {
            name,
            verdict: GateVerdict::Yes,
            detail: detail.into(),
        });
    }

    /// Records a no; what comes after it is unknown.
    fn no<T>(&mut self, code: BlockerCode, reason: impl Into<String>) -> Option<T> {
        let reason = reason.into();
        let name = GATES[self.gates.len().min(GATES.len() - 1)];
        let verdict = GateVerdict::No(Blocker::new(code, reason.clone()));
        self.gates.push(Gate {
            name,
            verdict,
            detail: reason,
        });
        for name in GATES.iter().skip(self.gates.len()) {
            self.gates.push(Gate {
                name,
                verdict: GateVerdict::Unknown,
                detail: String::new(),
            });
        }
        None
    }

    fn all(&mut self, unfinished: Option<&Run>, allow_temporary: bool) -> Result<Option<Ready>, AdmitError> {
        let repository = self.workspace.repository();
        match repository.operation_in_progress() {
            Some(operation) if operation != Operation::Bisect => {
                return Ok(self.no(
                    BlockerCode::NeedsPerson,
                    format!("{operation:?} is under way: finish or abort it first"),
                ));
            }
            _ => self.yes(""),
        }
        let temporary = temporary_folder_of(repository.work_dir());
        match temporary {
            Some(folder) if !allow_temporary => {
                let reason = format!("it lies below `{folder}`, where a worker's sandbox may write");
                return Ok(self.no(BlockerCode::RepositoryUnsupported, reason));
            }
            _ => self.yes(""),
        }
        let (branch, tip) = match repository.head()? {
            Head::Branch { name, commit } => (Some(name), commit),
            Head::Detached { commit } => (None, commit),
            Head::Unborn { name } => {
                let reason = format!("the branch `{}` has no commit yet", name.short());
                return Ok(self.no(BlockerCode::TicketNotCommitted, reason));
            }
        };
        let taken_up = unfinished.and_then(Run::discovery).cloned();
        let tip = taken_up.as_ref().map_or(tip, |discovery| discovery.base);
        self.yes(format!("{}", tip.short()));

        let Some((policy, digest)) = self.policy(tip)? else {
            return Ok(None);
        };
        let ledger_dir = policy.ledger.dir.path().clone();
        let ledger = Ledger::at_commit(repository, tip, &ledger_dir)?;
        let Some(folder) = ledger.ticket(self.ticket) else {
            let here = Ledger::in_work_tree(repository.work_dir(), &ledger_dir)?
                .ticket(self.ticket)
                .is_some();
            let reason = match here {
                true => format!("`{}` is not in commit {}", self.ticket, tip.short()),
                false => format!("there is no ticket `{}`", self.ticket),
            };
            self.yes_until("the ticket is committed with its approval");
            return Ok(self.no(BlockerCode::TicketNotCommitted, reason));
        };
        let Some((file, contract, prompt)) = self.contract(&folder) else {
            return Ok(None);
        };
        let repository_name = repository_id(&policy, &repository.remotes()?)?;
        let Some(lock) = self.consent(&folder, &file, &contract, &repository_name, digest)? else {
            return Ok(None);
        };
        if !self.still_open(&folder, unfinished)? {
            return Ok(None);
        }
        let identity = repository.identity();
        let Some(base) = self.base(&policy, &file, branch, tip, taken_up.as_ref(), identity.as_ref().ok())? else {
            return Ok(None);
        };
        if let Some(open) = file
            .decision
            .iter()
            .find(|d| d.blocks && d.status != ledger_core::DecisionStatus::Accepted)
        {
            return Ok(self.no(
                BlockerCode::UnresolvedDecision,
                format!("`{}`: {}", open.id, open.decision),
            ));
        }
        self.yes("");
        let identity = match identity {
            Ok(identity) => identity,
            Err(error) => return Ok(self.no(BlockerCode::NeedsPerson, error.to_string())),
        };
        self.yes(format!("{} <{}>", identity.author.name, identity.author.email));
        let Some(recorded) = self.recorded(&lock, base.commit)? else {
            return Ok(None);
        };
        let checks = match check_specs(&policy, &file) {
            Ok(checks) => checks,
            Err(error) => return Ok(self.no(BlockerCode::ProofFailed, error.to_string())),
        };
        if let Some(earlier) = unfinished.and_then(Run::source_lock)
            && *earlier != lock
        {
            let reason = "what the run was started from is not what is approved now";
            return Ok(self.no(BlockerCode::SourceLockMismatch, reason));
        }
        let discovery = taken_up.unwrap_or(Discovery {
            base: base.commit,
            reason: base.reason,
            upstream: self.upstream(&repository.head()?)?,
            repository_kind: self.kind(),
            check_sandbox: String::new(),
        });
        let plan = folder.read(TicketFileName::Plan).ok().flatten().map(Digest::of);
        Ok(Some(Ready {
            start: StartFacts {
                base_tree: repository.commit_tree_id(base.commit)?,
                lock,
                discovery,
                recorded,
                plan,
            },
            ticket: Ticket {
                id: self.ticket.clone(),
                file,
                prompt,
            },
            policy,
            checks,
            identity,
            repository: repository_name,
        }))
    }

    /// Marks the gates up to this one as asked, where what comes first cannot be told apart from it.
    fn yes_until(&mut self, name: &str) {
        while GATES.get(self.gates.len()).is_some_and(|gate| *gate != name) {
            self.yes("");
        }
    }

    /// The policy of the base. A policy in the work tree that is not the base's is not what would count: say so.
    fn policy(&mut self, tip: CommitId) -> Result<Option<(Policy, Digest)>, AdmitError> {
        let repository = self.workspace.repository();
        let limit = ledger_core::MAX_DOCUMENT_BYTES as u64;
        let committed = PolicyFile::new(repository.read_file_at(tip, &PolicyFile::path(), limit)?);
        let here = self.workspace.policy_file();
        let policy = match &committed.policy {
            Ok(policy) => policy.clone(),
            Err(problem) => {
                let reason = format!("`{}` in commit {}: {problem}", Policy::FILE_NAME, tip.short());
                return Ok(self.no(BlockerCode::PolicyNotTrusted, reason));
            }
        };
        if here.bytes.is_some() && here.digest() != committed.digest() {
            let reason = format!(
                "`{}` in the work tree is not what commit {} has: commit it first",
                Policy::FILE_NAME,
                tip.short()
            );
            return Ok(self.no(BlockerCode::TicketNotCommitted, reason));
        }
        self.yes("");
        let digest = committed.digest();
        if committed.bytes.is_some()
            && !self
                .workspace
                .trust_store()
                .is_trusted(repository.common_dir(), digest)?
        {
            let reason = format!("these bytes of `{}` are not trusted by you", Policy::FILE_NAME);
            return Ok(self.no(BlockerCode::PolicyNotTrusted, reason));
        }
        self.yes(digest.to_string());
        Ok(Some((policy, digest)))
    }

    fn contract(&mut self, folder: &TicketFolder<'_>) -> Option<(TicketFile, Vec<u8>, String)> {
        let problem = |name: TicketFileName, problem: FileProblem| format!("`{}`: {problem}", folder.path(name));
        let contract = match folder.read(TicketFileName::Ticket) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return self.no(
                    BlockerCode::NotApproved,
                    problem(TicketFileName::Ticket, FileProblem::Missing),
                );
            }
            Err(error) => return self.no(BlockerCode::NotApproved, problem(TicketFileName::Ticket, error)),
        };
        let file = match TicketFile::parse(&contract) {
            Ok(file) => file,
            Err(error) => return self.no(BlockerCode::NotApproved, problem(TicketFileName::Ticket, error.into())),
        };
        let supported = matches!(
            file.mode,
            ledger_core::Mode::Loop | ledger_core::Mode::Quick | ledger_core::Mode::Standard
        );
        if !supported {
            let reason = format!("mode `{}` is not supported by this version of foil", file.mode.as_str());
            return self.no(BlockerCode::NeedsPerson, reason);
        }
        match folder.prompt() {
            Ok(prompt) if prompt.trim().is_empty() => self.no(
                BlockerCode::NotApproved,
                format!("`{}` is empty", folder.path(TicketFileName::Prompt)),
            ),
            Ok(prompt) => {
                self.yes("");
                Some((file, contract, prompt))
            }
            Err(error) => self.no(BlockerCode::NotApproved, problem(TicketFileName::Prompt, error)),
        }
    }

    fn consent(
        &mut self,
        folder: &TicketFolder<'_>,
        file: &TicketFile,
        contract: &[u8],
        repository_name: &str,
        policy: Digest,
    ) -> Result<Option<SourceLock>, AdmitError> {
        let approval_path = folder.path(TicketFileName::Approval);
        let state = consent_state(folder, contract, file, repository_name);
        let by = match state {
            ConsentState::Approved { by, .. } => by,
            ConsentState::NotApproved => {
                let here = std::fs::exists(self.workspace.repository().work_dir().join(approval_path.to_string()));
                if here.unwrap_or(false) {
                    let reason = format!("`{approval_path}` is not committed");
                    return Ok(self.no(BlockerCode::TicketNotCommitted, reason));
                }
                self.yes("");
                return Ok(self.no(
                    BlockerCode::NotApproved,
                    format!("nobody has approved `{}`", self.ticket),
                ));
            }
            ConsentState::Stale { path, how } => {
                self.yes("");
                return Ok(self.no(BlockerCode::ApprovalStale, format!("`{path}`: {how}")));
            }
            ConsentState::WrongRepository { approved } => {
                self.yes("");
                let reason = format!("it was approved for `{approved}`, and this is `{repository_name}`");
                return Ok(self.no(BlockerCode::WrongRepository, reason));
            }
            ConsentState::Unreadable(problem) => {
                self.yes("");
                return Ok(self.no(BlockerCode::NotApproved, format!("`{approval_path}`: {problem}")));
            }
        };
        self.yes("");
        let repository = self.workspace.repository();
        let Ok(Some(bytes)) = folder.read(TicketFileName::Approval) else {
            return Ok(self.no(BlockerCode::NotApproved, format!("`{approval_path}` cannot be read")));
        };
        let Ok(approval) = ledger_core::Approval::parse(&bytes) else {
            return Ok(self.no(BlockerCode::NotApproved, format!("`{approval_path}` cannot be read")));
        };
        // What is edited and not committed is not what a person consented to run.
        for covered in &approval.file {
            let Some(path) = covered.path.to_str() else { continue };
            if let Ok(bytes) = std::fs::read(repository.work_dir().join(path))
                && Digest::of(&bytes) != covered.sha256
            {
                let reason = format!("`{}` is edited in the work tree since the approval", covered.path);
                return Ok(self.no(BlockerCode::ApprovalStale, reason));
            }
        }
        self.yes(format!("by {by}"));
        let blob = repository.blob_id(&bytes);
        Ok(Some(SourceLock {
            repository: repository_name.to_owned(),
            files: approval.file,
            approval: CoveredFile {
                path: approval_path,
                blob,
                sha256: Digest::of(&bytes),
            },
            approved_by: by,
            policy,
        }))
    }

    fn still_open(&mut self, folder: &TicketFolder<'_>, unfinished: Option<&Run>) -> Result<bool, AdmitError> {
        let repository = self.workspace.repository();
        let canceled = folder.path(TicketFileName::Canceled);
        let here = repository.work_dir().join(canceled.to_string());
        if folder.has(TicketFileName::Canceled) || std::fs::exists(here).unwrap_or(false) {
            return Ok(self
                .no::<()>(
                    BlockerCode::NeedsPerson,
                    format!("`{canceled}`: a person canceled the ticket"),
                )
                .is_some());
        }
        let receipt: Result<RefName, _> = format!("refs/counterfoil/receipts/{}", self.ticket).parse();
        let done = match receipt {
            Ok(name) => repository.resolve(&name)?.is_some(),
            Err(_) => false,
        };
        // A run that ended and was not stored is taken up only to store it.
        if unfinished.is_none() && (done || folder.has(TicketFileName::Result)) {
            let at = delivered_commit(repository, self.ticket).map(|commit| format!(" as {}", commit.short()));
            let reason = format!("it was done{}: a ticket runs once", at.unwrap_or_default());
            return Ok(self.no::<()>(BlockerCode::NeedsPerson, reason).is_some());
        }
        self.yes("");
        Ok(true)
    }

    fn base(
        &mut self,
        policy: &Policy,
        file: &TicketFile,
        branch: Option<RefName>,
        tip: CommitId,
        taken_up: Option<&Discovery>,
        identity: Option<&Identity>,
    ) -> Result<Option<Base>, AdmitError> {
        let repository = self.workspace.repository();
        if let Some(discovery) = taken_up {
            self.yes("as when the run was started");
            return Ok(Some(Base {
                commit: discovery.base,
                reason: discovery.reason.clone(),
            }));
        }
        let tree: TreeId = repository.commit_tree_id(tip)?;
        let mut stacked = Vec::new();
        for dependency in &file.depends_on {
            match dependency_state(repository, tip, tree, policy.ledger.dir.path(), dependency) {
                DependencyState::InBase => {}
                DependencyState::Delivered(commit) if policy.delivery.stack => {
                    stacked.push(StackedTicket {
                        ticket: dependency.clone(),
                        commit,
                    });
                }
                DependencyState::Delivered(commit) => {
                    let reason = format!(
                        "`{dependency}` is delivered as {} and not merged, and `[delivery] stack` is off",
                        commit.short()
                    );
                    return Ok(self.no(BlockerCode::DependencyNotDone, reason));
                }
                DependencyState::NotDone => {
                    return Ok(self.no(
                        BlockerCode::DependencyNotDone,
                        format!("`{dependency}` is not delivered"),
                    ));
                }
            }
        }
        let runner = crate::base::runner_identity();
        match choose_base(repository, branch, tip, &stacked, identity.unwrap_or(&runner)) {
            Ok(base) => {
                let on: Vec<_> = stacked.iter().map(|ticket| ticket.ticket.as_str()).collect();
                self.yes(if on.is_empty() {
                    String::new()
                } else {
                    format!("stacked on {}", on.join(", "))
                });
                Ok(Some(base))
            }
            Err(blocker) => Ok(self.no(blocker.code, blocker.reason)),
        }
    }

    /// The covered files as the base has them: a base that is stacked must hold them too, unchanged.
    fn recorded(&mut self, lock: &SourceLock, base: CommitId) -> Result<Option<Vec<CoveredFile>>, AdmitError> {
        let repository = self.workspace.repository();
        let tree = repository.commit_tree_id(base)?;
        let files: Vec<_> = lock.files.iter().chain([&lock.approval]).cloned().collect();
        for file in &files {
            if repository
                .entry_at(tree, &file.path)?
                .is_none_or(|side| side.id != file.blob)
            {
                let reason = format!("`{}` is not in base {} as it was approved", file.path, base.short());
                return Ok(self.no(BlockerCode::TicketNotCommitted, reason));
            }
        }
        Ok(Some(files))
    }

    fn upstream(&self, head: &Head) -> Result<Option<ObservedRef>, AdmitError> {
        let Head::Branch { name, .. } = head else {
            return Ok(None);
        };
        let upstream = self.workspace.repository().upstream_of(name)?;
        Ok(upstream.and_then(|upstream| {
            Some(ObservedRef {
                name: upstream.tracking?,
                commit: upstream.commit?,
            })
        }))
    }

    fn kind(&self) -> Vec<String> {
        let repository = self.workspace.repository();
        let mut kind = Vec::new();
        if repository.is_shallow() {
            kind.push("shallow".to_owned());
        }
        if repository.git_dir() != repository.common_dir() {
            kind.push("linked work tree".to_owned());
        }
        kind
    }
}

/// The temporary folder that holds this path, if one does.
fn temporary_folder_of(path: &std::path::Path) -> Option<String> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let variable = std::env::var_os("TMPDIR").map(std::path::PathBuf::from);
    [Some("/tmp".into()), Some("/var/tmp".into()), variable]
        .into_iter()
        .flatten()
        .filter(|folder| folder.is_absolute() && folder.parent().is_some())
        .find(|folder| path.starts_with(folder.canonicalize().unwrap_or_else(|_| folder.clone())))
        .map(|folder| folder.display().to_string())
}
