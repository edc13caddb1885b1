//! The gates one by one.

use ledger_core::{ApprovalKind, Blocker, BlockerCode, DecisionStatus, RepoPath, TicketFile};

use super::{
    AdmissionFacts, ApprovalFact, ConsumedFact, Gate, HeadFact, SpecsFact, TargetFact, TargetState, TrustFact, Verdict,
};
use crate::checks::check_specs;
use crate::config::{ByteSize, Policy, SandboxUse};
use crate::quick_flow::QuickFlow;
use crate::scope::ScopeRules;
use crate::spec_trace::has_specs;
use crate::unkept::unasked_experts;

pub(super) fn yes(name: &'static str, detail: impl Into<String>) -> Gate {
    Gate {
        name,
        verdict: Verdict::Yes,
        detail: detail.into(),
    }
}

pub(super) fn unknown(name: &'static str, detail: impl Into<String>) -> Gate {
    Gate {
        name,
        verdict: Verdict::Unknown,
        detail: detail.into(),
    }
}

pub(super) fn no(name: &'static str, code: BlockerCode, detail: impl Into<String>) -> Gate {
    let detail = detail.into();
    Gate {
        name,
        verdict: Verdict::No(Blocker::new(code, detail.clone())),
        detail,
    }
}

/// A refusal with a next step of its own, where the code's own hint is too general.
pub(super) fn no_but(name: &'static str, code: BlockerCode, detail: impl Into<String>, next_step: &str) -> Gate {
    let detail = detail.into();
    let blocker = Blocker {
        next_step: next_step.to_owned(),
        ..Blocker::new(code, detail.clone())
    };
    Gate {
        name,
        verdict: Verdict::No(blocker),
        detail,
    }
}

/// At most five of a list, in words.
pub(super) fn listed<T: std::fmt::Display>(items: impl ExactSizeIterator<Item = T>) -> String {
    let count = items.len();
    let shown: Vec<_> = items.take(5).map(|item| format!("`{item}`")).collect();
    match count.saturating_sub(5) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

pub(super) fn repository(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "repository";
    if let Some(kind) = &facts.unsupported {
        return no(NAME, BlockerCode::RepositoryUnsupported, kind.clone());
    }
    if facts.is_temporary {
        let detail = "the repository lies in a temporary folder, where the worker's sandbox can write";
        return no_but(
            NAME,
            BlockerCode::RepositoryUnsupported,
            detail,
            "move or clone the repository to another folder",
        );
    }
    yes(NAME, format!("this is `{}`", facts.repository))
}

pub(super) fn head(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "head";
    match &facts.head {
        HeadFact::Branch { name } => yes(NAME, format!("at branch `{name}`")),
        HeadFact::Detached => yes(NAME, "at a commit without a branch"),
        HeadFact::Unborn => no(
            NAME,
            BlockerCode::TicketNotCommitted,
            "the branch has no commit yet, so that there is no base",
        ),
    }
}

pub(super) fn operation(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "operation";
    match &facts.operation {
        None => yes(NAME, "no merge, rebase or other operation is under way"),
        Some(operation) => {
            let detail = format!("a {operation} is under way, so that HEAD may not be the base that you mean");
            no_but(NAME, BlockerCode::NeedsPerson, detail, "finish the operation first")
        }
    }
}

/// None where nothing is pushed.
pub(super) fn target(facts: &AdmissionFacts) -> Option<Gate> {
    const NAME: &str = "target";
    let TargetFact { name, state } = facts.target.as_ref()?;
    Some(match state {
        TargetState::Seen { commit } => yes(
            NAME,
            format!("`{name}` was {} when it was last looked at", commit.short()),
        ),
        TargetState::Unseen => unknown(NAME, format!("`{name}` was not looked at; `foil run` fetches it")),
        TargetState::OtherPolicy => {
            let detail = format!("the policy in `{name}` delivers otherwise than the one that is checked out");
            no_but(
                NAME,
                BlockerCode::UnpushedCommits,
                detail,
                "push the policy, or check out what the remote has",
            )
        }
        TargetState::Ahead => {
            let detail = format!("the ticket was approved anew in `{name}`, which is not checked out here");
            no_but(
                NAME,
                BlockerCode::TicketNotCommitted,
                detail,
                "bring it here first, as with `git pull --ff-only`",
            )
        }
        TargetState::Unpushed => {
            let detail = format!("the ticket is not approved in `{name}` as it is here");
            let next_step = format!("push the commit that approves it to `{name}`; a run starts from there");
            no_but(NAME, BlockerCode::UnpushedCommits, detail, &next_step)
        }
    })
}

pub(super) fn trust(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "policy_trusted";
    match &facts.trust {
        TrustFact::Trusted => yes(NAME, "you trust these bytes of the policy"),
        TrustFact::NotTrusted { digest } => {
            let detail = format!("you have not trusted the policy with digest {digest}");
            no(NAME, BlockerCode::PolicyNotTrusted, detail)
        }
        TrustFact::Unknown { reason } => unknown(NAME, reason.clone()),
    }
}

pub(super) fn contract(ticket: &TicketFile, policy: &Policy) -> Gate {
    const NAME: &str = "contract";
    if let Some(unkept) = unasked_experts(policy, ticket) {
        let next_step = format!("{}, and approve the ticket again", unkept.hint);
        return no_but(NAME, BlockerCode::NeedsPerson, unkept.message, &next_step);
    }
    let wrong = match (ScopeRules::new(policy, ticket), check_specs(policy, ticket)) {
        (Err(error), _) => error.to_string(),
        (_, Err(error)) => error.to_string(),
        (Ok(_), Ok(checks)) if checks.is_empty() && ticket.mode.discipline().goes_in_rounds => {
            return no_but(
                NAME,
                BlockerCode::NeedsPerson,
                "the mode goes by what checks show, and neither policy nor ticket has one",
                "add a `[[check]]` to the ticket and approve it again",
            );
        }
        (Ok(_), Ok(checks)) if checks.is_empty() => {
            return yes(
                NAME,
                "scope and checks can be used; there is no check, so that only the review judges the change",
            );
        }
        (Ok(_), Ok(checks)) if checks.len() == 1 => return yes(NAME, "scope and checks can be used; 1 check"),
        (Ok(_), Ok(checks)) => return yes(NAME, format!("scope and checks can be used; {} checks", checks.len())),
    };
    no_but(
        NAME,
        BlockerCode::NeedsPerson,
        wrong,
        "`foil check` shows what is wrong; mend the ticket and approve it again",
    )
}

pub(super) fn canceled(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "not_canceled";
    match &facts.canceled {
        None => yes(NAME, "nobody closed the ticket"),
        Some(cancellation) => {
            let detail = match cancellation.reason.as_str() {
                "" => format!("{} closed the ticket", cancellation.by),
                reason => format!("{} closed the ticket: {reason}", cancellation.by),
            };
            no_but(
                NAME,
                BlockerCode::NeedsPerson,
                detail,
                "remove the ticket's `canceled.toml` and commit that, or write a new ticket",
            )
        }
    }
}

/// Name of the gate that a ticket does not pass which was brought to its end.
pub(super) const NOT_DONE: &str = "not_done";

pub(super) fn consumed(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = NOT_DONE;
    let detail = match &facts.consumed {
        None => return yes(NAME, "no run has brought the ticket to its end"),
        Some(ConsumedFact::Run { run }) => format!("run `{run}` has brought the ticket to its end"),
        Some(ConsumedFact::Result { path }) => format!("its result `{path}` is in the base"),
    };
    no_but(
        NAME,
        BlockerCode::NeedsPerson,
        detail,
        "nothing is left to do; for more, write a new ticket with `foil new`",
    )
}

pub(super) fn committed(policy: &Policy, facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "committed";
    let missing: Vec<_> = facts
        .must_cover
        .iter()
        .filter(|path| !matches!(facts.at_base.get(*path), Some(Some(_))))
        .collect();
    if !missing.is_empty() {
        let detail = format!("the base does not have {}", listed(missing.iter()));
        return no(NAME, BlockerCode::TicketNotCommitted, detail);
    }
    if !facts.uncommitted.is_empty() {
        let detail = format!(
            "not committed as in the work tree: {}",
            listed(facts.uncommitted.iter())
        );
        if policy.ledger.require_committed {
            let is_policy = |path: &RepoPath| path.as_bytes() == Policy::FILE_NAME.as_bytes();
            return if facts.uncommitted.iter().any(is_policy) {
                // Approving a ticket commits its files and never the policy.
                let commit = format!("`git add {0} && git commit {0}` commits the policy", Policy::FILE_NAME);
                let next_step = match facts.uncommitted.len() {
                    1 => commit,
                    _ => format!("{commit}, `foil approve <ticket>` the ticket"),
                };
                no_but(NAME, BlockerCode::TicketNotCommitted, detail, &next_step)
            } else {
                no(NAME, BlockerCode::TicketNotCommitted, detail)
            };
        }
        return yes(NAME, format!("{detail}; the committed bytes count"));
    }
    yes(NAME, "the ticket is in the base as it is in the work tree")
}

pub(super) fn approved(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "approved";
    match &facts.approval {
        ApprovalFact::Missing => no(NAME, BlockerCode::NotApproved, "nobody has approved the ticket"),
        ApprovalFact::Invalid { reason } => no(
            NAME,
            BlockerCode::NotApproved,
            format!("the approval cannot be read: {reason}"),
        ),
        ApprovalFact::Found(approval) if approval.repository != facts.repository => {
            let detail = format!(
                "the approval is for `{}`, and this is `{}`",
                approval.repository, facts.repository
            );
            no(NAME, BlockerCode::WrongRepository, detail)
        }
        ApprovalFact::Found(approval) if approval.kind == ApprovalKind::Label => {
            let detail = "the approval is a label on an issue, which this version of foil cannot verify";
            no(NAME, BlockerCode::NotApproved, detail)
        }
        ApprovalFact::Found(approval) => yes(NAME, format!("approved by {} at {}", approval.by, approval.at)),
    }
}

pub(super) fn approval_current(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "approval_current";
    let ApprovalFact::Found(approval) = &facts.approval else {
        return unknown(NAME, "there is no approval to compare with");
    };
    let uncovered: Vec<_> = facts
        .must_cover
        .iter()
        .filter(|path| !approval.file.iter().any(|file| file.path == **path))
        .collect();
    if !uncovered.is_empty() {
        let detail = format!("the approval does not cover {}", listed(uncovered.iter()));
        return no(NAME, BlockerCode::ApprovalStale, detail);
    }
    for file in &approval.file {
        match facts.at_base.get(&file.path) {
            Some(Some(digest)) if *digest == file.sha256 => {}
            Some(Some(_)) => {
                let detail = format!("`{}` changed after the approval", file.path);
                return no(NAME, BlockerCode::ApprovalStale, detail);
            }
            Some(None) => {
                let detail = format!("`{}` was approved and is not in the base", file.path);
                return no(NAME, BlockerCode::ApprovalStale, detail);
            }
            None => return unknown(NAME, format!("`{}` was not looked at", file.path)),
        }
    }
    if let Some(overtaken) = facts.overtaken.first() {
        let (requirement, path) = (&overtaken.requirement, &overtaken.path);
        return no_but(
            NAME,
            BlockerCode::ApprovalStale,
            format!("`{requirement}` says something else in `{path}` than when its replacement was approved"),
            "look at what it says now, mend the delta where it matters, and approve the ticket again",
        );
    }
    yes(NAME, format!("{} files are as they were approved", approval.file.len()))
}

pub(super) fn decisions(ticket: &TicketFile, facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "decisions";
    let open: Vec<_> = ticket
        .decision
        .iter()
        .filter(|decision| {
            decision.blocks && matches!(decision.status, DecisionStatus::Unknown | DecisionStatus::Proposed)
        })
        .collect();
    let of_ticket = open.iter().map(|decision| &decision.id);
    let of_specs = match &facts.specs {
        SpecsFact::Found { open, .. } => open.as_slice(),
        SpecsFact::None | SpecsFact::Unusable { .. } => &[],
    };
    let open: Vec<_> = of_ticket.chain(of_specs).collect();
    if open.is_empty() {
        return yes(NAME, "no open decision blocks the ticket");
    }
    let detail = format!("not decided: {}", listed(open.iter()));
    no(NAME, BlockerCode::UnresolvedDecision, detail)
}

/// None where the ticket links no specs.
pub(super) fn specs(ticket: &TicketFile, facts: &AdmissionFacts) -> Option<Gate> {
    const NAME: &str = "specs";
    if !has_specs(ticket) {
        return None;
    }
    let next_step = "`foil check` shows everything that is wrong; mend it and approve the ticket again";
    Some(match &facts.specs {
        SpecsFact::Found { .. } => yes(
            NAME,
            "the linked specs can be used, and every accepted requirement is traced",
        ),
        SpecsFact::Unusable { reason } => no_but(NAME, BlockerCode::NeedsPerson, reason.clone(), next_step),
        SpecsFact::None => unknown(NAME, "nobody looked at the linked specs"),
    })
}

/// None where no specs were read.
pub(super) fn spec_conflict(facts: &AdmissionFacts) -> Option<Gate> {
    const NAME: &str = "spec_conflict";
    let SpecsFact::Found { conflicts, .. } = &facts.specs else {
        return None;
    };
    Some(match conflicts.as_slice() {
        [] => yes(NAME, "no other open ticket works on the same requirements"),
        some => {
            let each: Vec<_> = some
                .iter()
                .take(5)
                .map(|conflict| format!("{} in `{}`", conflict.on, conflict.other))
                .collect();
            let more = match some.len().saturating_sub(5) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let detail = format!("another open ticket works on the same: {}{more}", each.join(", "));
            no(NAME, BlockerCode::SpecConflict, detail)
        }
    })
}

/// None where the ticket is not in quick mode.
pub(super) fn quick_flow(ticket: &TicketFile, policy: &Policy, facts: &AdmissionFacts) -> Option<Gate> {
    const NAME: &str = "quick_flow";
    if !ticket.mode.discipline().is_small {
        return None;
    }
    let crossed = match QuickFlow::new(policy) {
        Ok(rules) => rules.of_ticket(ticket, &facts.manifests),
        Err(error) => return Some(unknown(NAME, error.to_string())),
    };
    if crossed.is_empty() {
        return Some(yes(NAME, "what the ticket says is small enough for quick mode"));
    }
    let crossed: Vec<_> = crossed.iter().map(ToString::to_string).collect();
    Some(no_but(
        NAME,
        BlockerCode::QuickFlowEscalation,
        format!("more than quick mode allows: {}", crossed.join("; ")),
        "set the ticket's `mode` to `standard`, or mend what is named, and approve it again",
    ))
}

pub(super) fn claim(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "claim";
    match &facts.claimed_by {
        None => yes(NAME, "no other process works on it"),
        Some(claim) => {
            let run = claim
                .run
                .as_ref()
                .map(|run| format!(", run `{run}`"))
                .unwrap_or_default();
            let detail = format!("process {} is at work on it{run}", claim.process);
            no(NAME, BlockerCode::ClaimedElsewhere, detail)
        }
    }
}

pub(super) fn failures(policy: &Policy, facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "failed_runs";
    let limit = policy.limits.ticket_failures;
    let detail = format!("{} of at most {limit} runs ended in a blocker", facts.failed_runs);
    if facts.failed_runs < limit {
        yes(NAME, detail)
    } else {
        no(NAME, BlockerCode::TicketFailureLimit, detail)
    }
}

pub(super) fn agent(facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "agent";
    match &facts.agent {
        Some(Ok(version)) => yes(NAME, version.clone()),
        Some(Err(reason)) => no(NAME, BlockerCode::AgentUnavailable, reason.clone()),
        None => unknown(NAME, "the agent was not asked"),
    }
}

pub(super) fn sandbox(policy: &Policy, ticket: &TicketFile, facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "check_sandbox";
    // What a policy sets up and what a ticket checks always runs in the sandbox.
    let checks = check_specs(policy, ticket);
    let needed = checks.is_ok_and(|checks| checks.iter().any(|check| check.sandbox == SandboxUse::Required))
        || !policy.workspace.setup.is_empty();
    match &facts.sandbox {
        Some(Ok(sandbox)) => yes(NAME, sandbox.clone()),
        _ if !needed => yes(NAME, "nothing that is run needs one"),
        Some(Err(reason)) => no(NAME, BlockerCode::SandboxUnavailable, reason.clone()),
        None => unknown(NAME, "the sandbox was not tried"),
    }
}

pub(super) fn disk(policy: &Policy, facts: &AdmissionFacts) -> Gate {
    const NAME: &str = "disk";
    let least = policy.disk.min_free;
    match facts.disk_free {
        None => unknown(NAME, "the free disk space is not known"),
        Some(free) => {
            // In whole MiB, as people read it; the comparison is exact.
            let detail = format!(
                "{} MiB are free, {least} are needed",
                free / ByteSize::kibibytes(1024).as_bytes()
            );
            if free >= least.as_bytes() {
                yes(NAME, detail)
            } else {
                no(NAME, BlockerCode::DiskFull, detail)
            }
        }
    }
}
