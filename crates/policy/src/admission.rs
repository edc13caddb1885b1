//! Whether a ticket may run now: every gate with yes, no or unknown, and why.

mod context_gates;
mod gates;
mod others;

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{
    Approval, Blocker, BlockerCode, Cancellation, CommitId, Digest, PackageName, ReplacedRequirement, RepoPath, RunId,
    TicketFile, TicketId,
};

pub use others::may_stack;

use crate::config::Policy;
use crate::context_budget::ContextFacts;
use crate::spec_claims::SpecConflict;
use crate::steering::SteeringFacts;

/// What has to be known of the world before a ticket may run. Gathered by the runner; what it could not find out is
/// `None` or an `Unknown` and counts as "not yet", never as "fine".
#[derive(Debug, Clone, PartialEq)]
pub struct AdmissionFacts {
    /// What this repository is called.
    pub repository: String,
    /// Why the repository cannot be worked on exactly, where it cannot: `a bare repository`.
    pub unsupported: Option<String>,
    /// Whether the repository lies where the worker's sandbox can write: `/tmp` or TMPDIR.
    pub is_temporary: bool,
    /// The operation of Git that is not finished, such as `rebase`.
    pub operation: Option<String>,
    /// Where HEAD is.
    pub head: HeadFact,
    /// How the branch of the remote stands that the policy pushes to; none where it pushes nowhere.
    pub target: Option<TargetFact>,
    /// Whether this user trusts the policy at the base.
    pub trust: TrustFact,
    /// The ticket's approval at the base.
    pub approval: ApprovalFact,
    /// Every file that an approval of this ticket has to cover: ticket, prompt, linked specs, package.
    pub must_cover: Vec<RepoPath>,
    /// The digest at the base of each file that the approval covers or has to cover; none: it is not there.
    pub at_base: BTreeMap<RepoPath, Option<Digest>>,
    /// Requirements that the approval lets the ticket's delta replace, and that say something else at the base.
    pub overtaken: Vec<ReplacedRequirement>,
    /// Files of the ticket whose committed bytes at the base are not those in the work tree.
    pub uncommitted: Vec<RepoPath>,
    /// The package manifests of the base above the files that a ticket in quick mode names: files with a name of
    /// [`crate::PACKAGE_MANIFESTS`].
    pub manifests: BTreeSet<RepoPath>,
    /// What the repository tells those who work on this ticket.
    pub steering: SteeringFacts,
    /// What the worker is given to read.
    pub context: ContextFacts,
    /// The specs that the ticket links.
    pub specs: SpecsFact,
    /// How each ticket that this one depends on stands.
    pub dependencies: Vec<DependencyFact>,
    /// How the children of a ticket in mode `parent` stand; none in other modes.
    pub children: Option<Vec<DependencyFact>>,
    /// How the ticket stands in its package; none where it names none.
    pub package: Option<PackageFact>,
    /// How the ticket was already brought to its end, where it was.
    pub consumed: Option<ConsumedFact>,
    /// A person closed the ticket.
    pub canceled: Option<Cancellation>,
    /// Runs of the ticket as it is approved now that ended in a blocker which cannot be resumed.
    pub failed_runs: u32,
    /// Who else is working on it.
    pub claimed_by: Option<ClaimFact>,
    /// The version of the agent, or why it cannot be used; none: it was not asked.
    pub agent: Option<Result<String, String>>,
    /// The sandbox of the checks, or why there is none; none: it was not tried.
    pub sandbox: Option<Result<String, String>>,
    /// Free bytes where places are made; none: not known.
    pub disk_free: Option<u64>,
}

/// Where HEAD is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadFact {
    /// At a branch with commits.
    Branch {
        /// Its short name.
        name: String,
    },
    /// At a commit.
    Detached,
    /// At a branch without a commit.
    Unborn,
}

/// The branch of a remote that a delivery is pushed to, which is the base then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFact {
    /// Its name, such as `origin/main`.
    pub name: String,
    /// How it stands.
    pub state: TargetState,
}

/// How the target of a push stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetState {
    /// It was looked at, and the run starts from there.
    Seen {
        /// What it was.
        commit: CommitId,
    },
    /// Nobody has looked at it from here.
    Unseen,
    /// Its policy delivers otherwise than that of the commit that is checked out.
    OtherPolicy,
    /// It has not the approval of the commit that is checked out.
    Unpushed,
    /// It goes on from the commit that is checked out, and has another approval.
    Ahead,
}

/// Whether this user trusts the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustFact {
    /// These bytes are trusted.
    Trusted,
    /// They are not.
    NotTrusted {
        /// Their digest.
        digest: Digest,
    },
    /// The trust store could not be read.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// A ticket's approval at the base.
#[derive(Debug, Clone, PartialEq)]
pub enum ApprovalFact {
    /// There is none.
    Missing,
    /// It cannot be read.
    Invalid {
        /// Why.
        reason: String,
    },
    /// It is there.
    Found(Approval),
}

/// The specs that a ticket links, at the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecsFact {
    /// It links none that it is held to.
    None,
    /// They cannot be used, or do not fit the ticket.
    Unusable {
        /// Why: the first reason, with its place.
        reason: String,
    },
    /// They were read.
    Found {
        /// What is not decided, from [`crate::open_spec_decisions`].
        open: Vec<String>,
        /// What another open ticket works on too.
        conflicts: Vec<SpecConflict>,
    },
}

/// How a ticket that another depends on stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyFact {
    /// The ticket.
    pub id: TicketId,
    /// How it stands.
    pub state: DependencyState,
}

/// How a ticket that another depends on stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyState {
    /// Its delivered commit is in the base.
    InBase,
    /// It is delivered, and its commit is not in the base.
    Delivered,
    /// It is not delivered.
    NotDelivered,
    /// A person closed it.
    Canceled,
    /// There is no such ticket.
    Missing,
    /// It could not be found out.
    Unknown,
}

/// How a ticket stands in the package that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFact {
    /// The package.
    pub name: PackageName,
    /// How the package stands.
    pub state: PackageState,
    /// Each ticket before this one, in the package's order.
    pub before: Vec<DependencyFact>,
    /// How many tickets come after this one.
    pub after: usize,
    /// Tickets after it that are delivered already.
    pub delivered_after: Vec<TicketId>,
}

/// How a package stands at the base, and in the work tree as far as its files are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageState {
    /// It lists the ticket, and every file is as its lock has it.
    Locked {
        /// How many files the lock names.
        files: usize,
    },
    /// There is none.
    Missing,
    /// It cannot be read.
    Invalid {
        /// Why.
        reason: String,
    },
    /// It does not list the ticket.
    NotListed,
    /// It has no lock.
    NotLocked,
    /// A file is not as the lock has it.
    Differs {
        /// Which, and how.
        difference: String,
    },
    /// It could not be found out.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// How a ticket was already brought to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumedFact {
    /// A finished run of it is stored.
    Run {
        /// The run.
        run: RunId,
    },
    /// Its result is at the base.
    Result {
        /// The record.
        path: RepoPath,
    },
}

/// Another process that is working on a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimFact {
    /// The process.
    pub process: i32,
    /// The latest run; none where it has not begun one.
    pub run: Option<RunId>,
}

/// One rule that a ticket has to pass before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its stable name.
    pub name: &'static str,
    /// Whether the ticket passes.
    pub verdict: Verdict,
    /// What was found, in plain words.
    pub detail: String,
}

/// Whether a ticket passes a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Yes,
    /// It does not.
    No(Blocker),
    /// Nobody knows yet.
    Unknown,
}

/// Every gate of a ticket, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The gates.
    pub gates: Vec<Gate>,
}

impl Admission {
    /// Whether the ticket may run: every gate says yes. Unknown is not yes.
    pub fn is_admitted(&self) -> bool {
        self.gates.iter().all(|gate| gate.verdict == Verdict::Yes)
    }

    /// Whether nothing is known that would keep the ticket from running: as [`Self::is_admitted`], but for what was not
    /// looked at. For lists, which do not start agents and sandboxes to find out.
    pub fn is_ready(&self) -> bool {
        !self.gates.iter().any(|gate| matches!(gate.verdict, Verdict::No(_)))
    }

    /// As [`Self::is_ready`], but for children of a parent that are not delivered: whether a run may begin that has them run first.
    pub fn is_ready_but_for_children(&self) -> bool {
        !self.gates.iter().any(|gate| match &gate.verdict {
            Verdict::No(blocker) => gate.name != others::CHILDREN || blocker.code != BlockerCode::DependencyNotDone,
            Verdict::Yes | Verdict::Unknown => false,
        })
    }

    /// Whether what keeps the ticket from running is, before anything else, that it was brought to its end. What later gates say no to follows
    /// from that: a delivery changes what they look at.
    pub fn refuses_what_is_done(&self) -> bool {
        let refusing = self.gates.iter().find(|gate| matches!(gate.verdict, Verdict::No(_)));
        refusing.is_some_and(|gate| gate.name == gates::NOT_DONE)
    }

    /// Why the ticket may not run: the first gate that says no, else the first that nobody knows.
    pub fn blocker(&self) -> Option<Blocker> {
        let no = self.gates.iter().find_map(|gate| match &gate.verdict {
            Verdict::No(blocker) => Some(blocker.clone()),
            _ => None,
        });
        let unknown = || {
            let gate = self.gates.iter().find(|gate| gate.verdict == Verdict::Unknown)?;
            let reason = format!("the gate `{}` is not decided: {}", gate.name, gate.detail);
            Some(Blocker::new(BlockerCode::NeedsPerson, reason))
        };
        no.or_else(unknown)
    }
}

/// Judges every gate, also after one has said no: `foil explain` shows them all.
///
/// The order is that of the reasons: what the repository is, whom its policy is trusted by, what was approved, whether it
/// is this ticket's turn, what the machine has.
pub fn admit(ticket: &TicketFile, policy: &Policy, facts: &AdmissionFacts) -> Admission {
    let mut gates = vec![gates::repository(facts), gates::head(facts), gates::operation(facts)];
    gates.extend(gates::target(facts));
    gates.extend([
        gates::trust(facts),
        gates::contract(ticket, policy),
        gates::canceled(facts),
        gates::consumed(facts),
        gates::committed(policy, facts),
        gates::approved(facts),
        gates::approval_current(facts),
        gates::decisions(ticket, facts),
    ]);
    gates.extend(context_gates::steering(ticket, policy, facts));
    gates.extend(context_gates::context(ticket, facts));
    gates.extend(gates::specs(ticket, facts));
    gates.extend(gates::spec_conflict(facts));
    gates.extend(gates::quick_flow(ticket, policy, facts));
    let mut earlier = vec![
        others::dependencies(ticket, policy, facts),
        others::package(policy, facts),
    ];
    earlier.extend(others::children(ticket, policy, facts));
    // What is still to be delivered before it may bring the files along.
    let waits = earlier.iter().any(|gate| gate.verdict != Verdict::Yes);
    gates.extend(earlier);
    if !waits {
        gates.extend(context_gates::required(facts));
    }
    gates.extend([
        gates::claim(facts),
        gates::failures(policy, facts),
        gates::agent(facts),
        gates::sandbox(policy, ticket, facts),
        gates::disk(policy, facts),
    ]);
    Admission { gates }
}

#[cfg(test)]
mod tests;
