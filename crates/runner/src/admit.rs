//! Gathering what has to be known before a ticket may run, from the base commit, and everything that its run is made of.
//! Whether it may run is judged by the policy.

mod children;
mod error;
mod facts;

use std::collections::{BTreeMap, BTreeSet};

use git_delivery::{Head, Identity, Operation, Repository};
use ledger_core::{
    BaseReason, Blocker, BlockerCode, CommitId, CoveredFile, Digest, Discovery, MAX_DOCUMENT_BYTES, ObservedRef,
    PushTarget, RefName, ReplacedRequirement, RepoPath, Run, SourceLock, StackedTicket, Ticket, TicketFile, TicketId,
    TreeId,
};
use policy::{
    Admission, AdmissionFacts, ApprovalFact, CheckSpec, ChildFact, ContextFacts, HeadFact, InvalidChecks, Policy,
    PolicyScope, StartFacts, SteeringFacts, TargetFact, TargetState, admit, check_specs_of_whole, may_stack,
};

use self::children::{Children, children_of};
pub use self::error::AdmitError;
pub(crate) use self::facts::policy_at_head;
use self::facts::{
    approval_of, canceled, claimed_by, consumed, differs_in, discovery, failed_runs, in_file, is_temporary,
    manifests_for, plain_file_at, policy_at, specs_of, upstream,
};
use crate::base::{Base, choose_base, runner_identity};
use crate::consent::required_files;
use crate::disk::free_bytes;
use crate::hand_offs::HandOffSearch;
use crate::ledger::{Ledger, TicketFileName};
use crate::memory::memory_files;
use crate::other_tickets::OtherTickets;
use crate::packages::{Packages, SharedBranch, is_as_pinned, package_standing, pinned_files};
use crate::prompt::{HandOffs, Instructions, Steering};
use crate::prompt_files::PromptFiles;
use crate::specs::{LinkedSpecs, overtaken_in};
use crate::status::nearest_id;
use crate::steering_files::SteeringFiles;
use crate::target::{last_seen, push_target};
use crate::workspace::{PolicyFile, Workspace, repository_id};

/// Everything that is known of a ticket before it runs.
#[derive(Debug)]
pub struct Candidacy {
    /// The ticket, as it is in the base; where it is not there, as it is in the work tree.
    pub ticket: Ticket,
    /// The policy of the base.
    pub policy: Policy,
    /// What the gates are judged from.
    pub facts: AdmissionFacts,
    /// The repository's name.
    pub repository: String,
    approval: Option<CoveredFile>,
    tip: Option<Tip>,
    target: Option<PushTarget>,
    prompts: PromptFiles,
    steering: SteeringFiles,
    given: Vec<CoveredFile>,
    stacked: Vec<StackedTicket>,
    plan: Option<Digest>,
    specs: Option<LinkedSpecs>,
    /// The branch that the tickets of its package share, where they share one.
    goal: Option<SharedBranch>,
    hand_offs: HandOffs,
    /// The tickets before this one whose checks run once more on its result.
    whole: Vec<(TicketId, TicketFile)>,
    /// The tickets that name this one as their parent.
    children: Children,
}

#[derive(Debug)]
struct Tip {
    branch: Option<RefName>,
    commit: CommitId,
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
    /// The specs that the change is held to, where it has some.
    pub specs: Option<LinkedSpecs>,
    /// What the first phases are entered with.
    pub start: StartFacts,
    /// The branch of a remote that the delivery is pushed to, where it goes that far.
    pub target: Option<PushTarget>,
    /// The branch that the tickets of its package share, where they share one.
    pub goal: Option<SharedBranch>,
    /// What the repository tells workers and reviewers.
    pub instructions: Instructions,
    /// What earlier tickets hand off to this one.
    pub hand_offs: HandOffs,
    /// Whether the base has memory files that a curator may add to.
    pub has_memory: bool,
    /// Who commits.
    pub identity: Identity,
    /// The repository's name.
    pub repository: String,
}

impl Candidacy {
    /// Looks at a ticket. With `unfinished`, at the base that this run was started from. Starts no process but Git, and
    /// changes nothing.
    pub fn gather(workspace: &Workspace, id: &TicketId, unfinished: Option<&Run>) -> Result<Self, AdmitError> {
        let repository = workspace.repository();
        let head = repository.head()?;
        let taken_up = unfinished.and_then(Run::discovery).map(|discovery| discovery.base);
        let tip = match &head {
            Head::Branch { name, commit } => Some(Tip {
                branch: Some(name.clone()),
                commit: *commit,
            }),
            Head::Detached { commit } => Some(Tip {
                branch: None,
                commit: *commit,
            }),
            Head::Unborn { .. } => None,
        };
        let here_and_now = head.commit();
        let mut tip = tip.map(|tip| Tip {
            commit: taken_up.unwrap_or(tip.commit),
            ..tip
        });
        let (mut policy, mut trust) = policy_at(workspace, tip.as_ref())?;
        let target = push_target(&policy);
        let mut state = taken_up.map(|commit| TargetState::Seen { commit });
        if let (Some(target), None, Some(tip)) = (&target, taken_up, &mut tip) {
            state = Some(match last_seen(workspace, target)? {
                None => TargetState::Unseen,
                Some(commit) => {
                    tip.commit = commit;
                    (policy, trust) = policy_at(workspace, Some(tip))?;
                    match push_target(&policy).as_ref() == Some(target) {
                        true => TargetState::Seen { commit },
                        false => TargetState::OtherPolicy,
                    }
                }
            });
        }
        let dir = policy.ledger.dir.path();
        let here = Ledger::in_work_tree(repository.work_dir(), dir)?;
        let committed = match &tip {
            Some(tip) => Some(Ledger::at_commit(repository, tip.commit, dir)?),
            None => None,
        };
        for ledger in committed.iter().chain([&here]) {
            ledger.refuse_link(id)?;
        }
        let at_base = committed.as_ref().and_then(|ledger| ledger.ticket(id));
        let Some(folder) = at_base.or_else(|| here.ticket(id)) else {
            return Err(AdmitError::NoSuchTicket {
                id: id.clone(),
                nearest: nearest_id(id.as_str(), here.ids()),
            });
        };
        let file = folder
            .ticket()
            .map_err(|problem| in_file(&folder, TicketFileName::Ticket, problem))?;
        let prompt = folder
            .prompt()
            .map_err(|problem| in_file(&folder, TicketFileName::Prompt, problem))?;
        let prompts = match &tip {
            Some(tip) => PromptFiles::at(repository, tip.commit, &policy)?,
            None => PromptFiles::default(),
        };
        let name = repository_id(&policy, &repository.remotes()?)?;

        let must_cover = required_files(&folder, &file);
        let approval_path = folder.path(TicketFileName::Approval);
        let committed_folder = committed.as_ref().and_then(|ledger| ledger.ticket(id));
        if let (Some(TargetState::Seen { commit }), None, Some(here_and_now)) = (&state, taken_up, here_and_now) {
            // Where the local branch has another approval, it is that one that the person means.
            let approval_at = |commit| -> Result<_, AdmitError> {
                let tree = repository.commit_tree_id(commit)?;
                Ok(repository.entry_at(tree, &approval_path)?)
            };
            let approved_here = approval_at(here_and_now)?;
            let same = approved_here == approval_at(*commit)?;
            if approved_here.is_some() && !same {
                state = Some(match repository.is_ancestor(here_and_now, *commit).unwrap_or(false) {
                    true => TargetState::Ahead,
                    false => TargetState::Unpushed,
                });
            }
            if let Some(tip) = tip.as_mut().filter(|_| !same) {
                // A change of mind is not to be looked for where the ticket is not.
                tip.branch = None;
            }
        }
        let (approval, approval_file) = approval_of(committed_folder.as_ref(), &approval_path);
        let overtaken = match &tip {
            Some(tip) => overtaken_in(repository, repository.commit_tree_id(tip.commit)?, replaces(&approval))?,
            None => Vec::new(),
        };
        let covered = match &approval {
            ApprovalFact::Found(approval) => approval.file.iter().map(|file| file.path.clone()).collect(),
            _ => Vec::new(),
        };
        let paths: BTreeSet<RepoPath> = must_cover.iter().cloned().chain(covered).collect();
        let package_path = file.package.as_ref().and_then(|name| folder.package_path(name));
        let mut at_base = BTreeMap::new();
        let mut uncommitted = Vec::new();
        for path in paths.iter().chain([&approval_path, &PolicyFile::path()]) {
            let base = match &tip {
                // What is wrong with these is told of at their gates.
                Some(tip) if *path == approval_path || package_path.as_ref() == Some(path) => repository
                    .read_file_at(tip.commit, path, MAX_DOCUMENT_BYTES as u64)?
                    .map(Digest::of),
                Some(tip) => plain_file_at(repository, tip, path)?.map(Digest::of),
                None => None,
            };
            if differs_in(repository.work_dir(), path, base) {
                uncommitted.push(path.clone());
            }
            at_base.insert(path.clone(), base);
        }
        let others = OtherTickets {
            repository,
            ledger: &here,
            tip: tip.as_ref().map(|tip| tip.commit),
        };
        let standing = match &file.package {
            Some(package) => Some(package_standing(&others, committed.as_ref(), package, id)?),
            None => None,
        };
        let mut stacked = standing
            .as_ref()
            .map(|standing| standing.stacked.clone())
            .unwrap_or_default();
        let mut dependencies = Vec::new();
        for dependency in &file.depends_on {
            let (fact, delivered) = others.dependency(dependency)?;
            dependencies.push(fact);
            stacked.extend(delivered.filter(|delivered| !stacked.contains(delivered)));
        }
        let children = match &committed {
            Some(committed) if file.mode.discipline().owns_tickets => {
                let packages = Packages::in_work_tree(repository.work_dir(), dir)?;
                children_of(&others, committed, id, &packages.each_after())?
            }
            _ => Children::default(),
        };
        for delivered in &children.stacked {
            if !stacked.contains(delivered) {
                stacked.push(delivered.clone());
            }
        }
        let steering = match &tip {
            Some(tip) => SteeringFiles::at(repository, tip.commit, dir)?,
            None => SteeringFiles::default(),
        };
        let locked = unfinished.and_then(Run::source_lock);
        let chosen = steering.chosen(&file, &PolicyScope::new(&policy), locked, || {
            let Some(tip) = &tip else { return Ok(Vec::new().into()) };
            let tree = repository.commit_tree_id(tip.commit)?;
            Ok::<_, AdmitError>(steering.paths_in(repository, tree)?.into())
        })?;
        let given = steering.covered(&chosen)?;
        let (specs, specs_fact) = specs_of(workspace, &folder, &here, &file, &policy);
        if standing.as_ref().is_some_and(|standing| standing.has_one_branch) {
            policy.delivery.branch = policy.delivery.branch.shared();
        }
        let is_shared = policy.delivery.branch.is_shared();
        let goal = standing.as_ref().filter(|_| is_shared).map(|standing| SharedBranch {
            wanted: policy
                .delivery
                .branch
                .fill(id.as_str(), Some(standing.fact.name.as_str())),
            ledger: dir.clone(),
            before: standing.fact.before.iter().map(|before| before.id.clone()).collect(),
        });
        if let (Some(goal), true, None) = (&goal, may_stack(&policy), taken_up)
            && let (Some((_, commit)), Some(ticket)) = (goal.find(repository)?, goal.before.last())
        {
            // Its tip, which may hold more than was delivered: a person may have gone on there.
            let on_tip = StackedTicket {
                ticket: ticket.clone(),
                commit,
            };
            stacked.retain(|stacked| stacked.ticket != on_tip.ticket);
            if tip
                .as_ref()
                .is_none_or(|tip| !repository.is_ancestor(commit, tip.commit).unwrap_or(false))
            {
                stacked.push(on_tip);
            }
        }
        let mut whole = match &standing {
            Some(standing) if is_shared && standing.is_last => standing.before.clone(),
            _ => Vec::new(),
        };
        for child in &children.files {
            if !whole.iter().any(|(id, _)| *id == child.0) {
                whole.push(child.clone());
            }
        }
        let context = match &tip {
            Some(tip) => {
                let commits = [tip.commit].into_iter().chain(stacked.iter().map(|other| other.commit));
                steering.context(&file, &policy, &chosen, repository, &commits.collect::<Vec<_>>())?
            }
            None => ContextFacts::default(),
        };
        let before = standing.as_ref().and_then(|standing| Some(&standing.before.last()?.0));
        let hand_offs = match &tip {
            Some(tip) => HandOffSearch {
                repository,
                roots: workspace.roots(),
                tip: tip.commit,
                stacked: &stacked,
                committed: committed.as_ref(),
                dir,
            }
            .of(id, &file, before, (&chosen, &context))?,
            None => HandOffs::default(),
        };
        let manifests = manifests_for(&policy, &file, repository, tip.as_ref())?;
        let facts = AdmissionFacts {
            repository: name.clone(),
            unsupported: None,
            is_temporary: is_temporary(repository.work_dir()),
            operation: repository
                .operation_in_progress()
                .filter(|operation| *operation != Operation::Bisect)
                .map(|operation| operation.to_string()),
            head: match &head {
                Head::Branch { name, .. } => HeadFact::Branch {
                    name: name.short().to_owned(),
                },
                Head::Detached { .. } => HeadFact::Detached,
                Head::Unborn { .. } => HeadFact::Unborn,
            },
            target: target.as_ref().zip(state).map(|(target, state)| TargetFact {
                name: target.to_string(),
                state,
            }),
            trust,
            approval,
            must_cover,
            at_base,
            overtaken,
            uncommitted,
            manifests,
            steering: chosen,
            context,
            specs: specs_fact,
            dependencies,
            children: file.mode.discipline().owns_tickets.then(|| children.facts.clone()),
            package: standing.map(|standing| standing.fact),
            consumed: if unfinished.is_some() {
                None
            } else {
                consumed(workspace, &folder, id)?
            },
            canceled: canceled(&folder, here.ticket(id).as_ref()),
            failed_runs: failed_runs(workspace, id, approval_file.as_ref()),
            claimed_by: claimed_by(workspace, id),
            agent: None,
            sandbox: None,
            disk_free: free_bytes(&[workspace.roots().user(), workspace.repository().common_dir()]),
        };
        // One that cannot be read is not covered by the approval.
        let plan = folder.written_plan().ok().flatten().map(Digest::of);
        Ok(Self {
            ticket: Ticket {
                id: id.clone(),
                file,
                prompt,
            },
            policy,
            facts,
            repository: name,
            approval: approval_file,
            tip,
            target,
            prompts,
            steering,
            given,
            stacked,
            plan,
            specs,
            goal,
            hand_offs,
            whole,
            children,
        })
    }

    /// The checks of a run, in order: the policy's and the ticket's; for the last ticket of a package with one branch also those of the
    /// tickets before it.
    pub fn checks(&self) -> Result<Vec<CheckSpec>, InvalidChecks> {
        check_specs_of_whole(&self.policy, &self.ticket.file, &self.whole)
    }

    /// Every gate, as the policy judges it from what is known now.
    pub fn admission(&self) -> Admission {
        admit(&self.ticket.file, &self.policy, &self.facts)
    }

    /// What a run would be started from; none where nobody has approved the ticket.
    pub(crate) fn source_lock(&self) -> Option<SourceLock> {
        let ApprovalFact::Found(approval) = &self.facts.approval else {
            return None;
        };
        Some(SourceLock {
            repository: self.repository.clone(),
            files: approval.file.clone(),
            approval: self.approval.clone()?,
            approved_by: approval.by.clone(),
            prompts: self.prompts.files.clone(),
            steering: self.given.clone(),
            policy: self
                .facts
                .at_base
                .get(&PolicyFile::path())
                .copied()
                .flatten()
                .unwrap_or(Digest::of(b"")),
        })
    }

    /// The branch of a remote that the delivery is pushed to, where it goes that far.
    pub(crate) fn target(&self) -> Option<&PushTarget> {
        self.target.as_ref()
    }

    /// Whether a person has written a plan for it.
    pub(crate) fn has_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// Whether the commit that a run would start from has files that a curator may add to.
    pub(crate) fn has_memory(&self, repository: &Repository) -> Result<bool, AdmitError> {
        match &self.tip {
            Some(tip) => has_memory(repository, repository.commit_tree_id(tip.commit)?, &self.policy),
            None => Ok(false),
        }
    }

    /// How its children stand, where it is a parent.
    pub(crate) fn children(&self) -> &[ChildFact] {
        &self.children.run
    }

    /// Whether the ticket is there and a run of it would be started from anything else than this.
    pub(crate) fn is_of_other_sources(&self, lock: &SourceLock) -> bool {
        let at_base = |path: &RepoPath| self.facts.at_base.get(path).copied().flatten();
        let is_there = self
            .facts
            .must_cover
            .first()
            .is_some_and(|path| at_base(path).is_some());
        let has_all = || lock.files.iter().all(|file| at_base(&file.path) == Some(file.sha256));
        // The packs that were chosen stay chosen, as long as they say the same.
        let steers = || lock.steering.iter().all(|file| self.steering.holds(file));
        let now = self.source_lock().map(|now| SourceLock {
            steering: lock.steering.clone(),
            ..now
        });
        is_there && !(now.as_ref() == Some(lock) && has_all() && steers())
    }

    /// What a run is made of. Only for a candidacy that no gate refuses. Writes a merge commit that no ref names where
    /// several dependencies are stacked.
    pub fn into_ready(self, workspace: &Workspace, unfinished: Option<&Run>) -> Result<Ready, AdmitError> {
        let repository = workspace.repository();
        let missing = |code, reason: &str| AdmitError::Base(Blocker::new(code, reason));
        let checks = self.checks()?;
        let lock = self
            .source_lock()
            .ok_or_else(|| missing(BlockerCode::NotApproved, "nobody has approved the ticket"))?;
        let tip = self
            .tip
            .ok_or_else(|| missing(BlockerCode::TicketNotCommitted, "there is no commit to start from"))?;
        if unfinished
            .and_then(Run::source_lock)
            .is_some_and(|earlier| *earlier != lock)
        {
            return Err(AdmitError::SourceLock);
        }
        let identity = repository.identity().map_err(AdmitError::Identity)?;
        let discovery = match unfinished.and_then(Run::discovery) {
            Some(discovery) => discovery.clone(),
            None => {
                let (upstream, base) = match &self.target {
                    Some(target) => (
                        Some(ObservedRef {
                            name: target.name.clone(),
                            commit: tip.commit,
                        }),
                        Base {
                            commit: tip.commit,
                            reason: BaseReason::Target { target: target.clone() },
                        },
                    ),
                    None => (
                        upstream(workspace, tip.branch.as_ref())?,
                        choose_base(
                            repository,
                            tip.branch.clone(),
                            tip.commit,
                            &self.stacked,
                            &runner_identity(),
                        )
                        .map_err(AdmitError::Base)?,
                    ),
                };
                Discovery {
                    since: self.children.since,
                    ..discovery(workspace, base, tip.branch, upstream)
                }
            }
        };
        let tree = repository.commit_tree_id(discovery.base)?;
        let recorded: Vec<_> = lock.files.iter().chain([&lock.approval]).cloned().collect();
        for file in recorded.iter().chain(&lock.prompts).chain(&lock.steering) {
            // A stacked base must hold the same bytes too.
            if repository
                .entry_at(tree, &file.path)?
                .is_none_or(|side| !side.mode.is_file() || side.id != file.blob)
            {
                let reason = format!(
                    "`{}` is not in base {} as the run would be started from it",
                    file.path,
                    discovery.base.short()
                );
                return Err(missing(BlockerCode::TicketNotCommitted, &reason));
            }
        }
        let pinned = pinned_files(repository, &lock, &self.ticket.id, self.ticket.file.package.as_ref())
            .map_err(|error| missing(BlockerCode::SourceLockMismatch, &error.to_string()))?;
        for file in pinned {
            // A ticket that it is stacked on may have changed what another one links.
            if !is_as_pinned(repository, tree, self.policy.ledger.dir.path(), &file)? {
                let reason = format!(
                    "`{}` is not in base {} as it was locked",
                    file.path,
                    discovery.base.short()
                );
                return Err(missing(BlockerCode::SourceLockMismatch, &reason));
            }
        }
        refuse_unfit_delta(repository, tree, &self.facts.approval, self.specs.as_ref())?;
        let has_memory = has_memory(repository, tree, &self.policy)?;
        Ok(Ready {
            checks,
            hand_offs: self.hand_offs.in_tree(repository, tree)?,
            has_memory,
            specs: self.specs,
            start: StartFacts {
                lock,
                discovery,
                base_tree: tree,
                recorded,
                plan: self.plan,
                children: self.children.run,
            },
            ticket: self.ticket,
            policy: self.policy,
            target: self.target,
            instructions: Instructions {
                steering: told_by(&self.facts.steering, &self.given),
                ..self.prompts.told
            },
            goal: self.goal,
            identity,
            repository: self.repository,
        })
    }
}

/// The base may be another than where the ticket was looked at: tickets that it is stacked on bring their own current specs.
fn refuse_unfit_delta(
    repository: &Repository,
    base: TreeId,
    approval: &ApprovalFact,
    specs: Option<&LinkedSpecs>,
) -> Result<(), AdmitError> {
    let refused = |code, reason| Err(AdmitError::Base(Blocker::new(code, reason)));
    if let Some(overtaken) = overtaken_in(repository, base, replaces(approval))?.first() {
        let (requirement, path) = (&overtaken.requirement, &overtaken.path);
        let reason = format!(
            "`{requirement}` says something else in `{path}` of the base than when its replacement was approved"
        );
        return refused(BlockerCode::ApprovalStale, reason);
    }
    let Some(specs) = specs else { return Ok(()) };
    let problems = specs.brought_into(repository, base)?.err();
    match problems.into_iter().flatten().next() {
        None => Ok(()),
        Some(problem) => refused(BlockerCode::SpecConflict, problem.to_string()),
    }
}

/// The current requirements that an approval lets a delta replace.
fn replaces(approval: &ApprovalFact) -> &[ReplacedRequirement] {
    match approval {
        ApprovalFact::Found(approval) => &approval.replaces,
        ApprovalFact::Missing | ApprovalFact::Invalid { .. } => &[],
    }
}

/// Whether a tree has files that a curator may add to.
fn has_memory(repository: &Repository, tree: TreeId, policy: &Policy) -> Result<bool, AdmitError> {
    let files = memory_files(repository, tree, policy);
    let files = files.map_err(|error| AdmitError::Base(Blocker::new(BlockerCode::NeedsPerson, error.to_string())))?;
    Ok(!files.is_empty())
}

/// The chosen packs as they are told.
fn told_by(steering: &SteeringFacts, files: &[CoveredFile]) -> Vec<Steering> {
    let packs = steering.packs.iter().zip(files);
    packs
        .map(|((name, pack), file)| Steering {
            name: name.clone(),
            path: file.path.clone(),
            title: pack.head.title.clone(),
            text: pack.text.clone(),
        })
        .collect()
}
