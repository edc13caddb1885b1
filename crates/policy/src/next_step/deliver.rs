//! From curated context to the receipt.

use ledger_core::{
    BlockerCode, Consent, DeliveryMode, Effect, Event, MAX_REBASES, NotRequiredCode, Phase, PhaseEvidence, PushTarget,
    RefusedPush, Run, SeenRemote,
};

use super::{blocked, enter, not_required};
use crate::config::{AcceptUse, WhenMoved};
use crate::inputs::{Inputs, Step};
use ledger_core::Receipt;

pub(super) fn next(run: &Run, inputs: &Inputs) -> Step {
    let delivery = run.opened().delivery;
    match run.phase() {
        // Also what is not delivered anywhere counts as done; so somebody must still want it.
        Some(Phase::ContextCurated) if delivery == DeliveryMode::None => {
            with_word(run, inputs, || with_consent(run, || skip(Phase::GitDeliveryStarted)))
        }
        Some(Phase::ContextCurated) => {
            // What a person accepts is what goes to the target.
            at_the_target(run, inputs, || with_word(run, inputs, || prepare(run, inputs)))
        }
        Some(Phase::GitDeliveryStarted) if delivery == DeliveryMode::None => skip(Phase::ExplicitPathsStaged),
        Some(Phase::GitDeliveryStarted) => staged(run),
        Some(Phase::ExplicitPathsStaged) if delivery == DeliveryMode::None => skip(Phase::Committed),
        Some(Phase::ExplicitPathsStaged) => move_branch(run),
        Some(Phase::Committed) => match &run.opened().target {
            None => skip(Phase::Pushed),
            Some(target) => push(run, inputs, target),
        },
        Some(Phase::Pushed) => match &run.opened().target {
            None => skip(Phase::HeadEqualsUpstreamProved),
            Some(target) => prove(run, target),
        },
        Some(Phase::HeadEqualsUpstreamProved) => skip(Phase::Proposed),
        _ => match Receipt::of(run, inputs.head) {
            Some(receipt) => enter(PhaseEvidence::Done {
                receipt: receipt.digest(),
                journal: inputs.head,
            }),
            None => blocked(run, BlockerCode::TreeMismatch, "the run stands on no tree"),
        },
    }
}

fn skip(phase: Phase) -> Step {
    not_required(
        phase,
        NotRequiredCode::DeliveryMode,
        "the delivery mode goes without it",
    )
}

/// Goes on where no person has to accept the result, or one has accepted exactly this tree.
fn with_word(run: &Run, inputs: &Inputs, then: impl FnOnce() -> Step) -> Step {
    if inputs.policy.delivery.accept == AcceptUse::Off || run.accepted_by().is_some() {
        return then();
    }
    let tree = run
        .tree()
        .map_or("the tree".to_owned(), |tree| format!("tree {}", tree.short()));
    let reason = format!("{tree} is checked and reviewed, and no person has accepted it");
    blocked(run, BlockerCode::AcceptanceNeeded, reason)
}

/// Consent is looked at right before each step that changes the user's repository, and before the ticket counts as done.
fn with_consent(run: &Run, then: impl FnOnce() -> Step) -> Step {
    match run.consent() {
        None => Step::Start(Effect::ConfirmConsent),
        Some(Consent::Current) => then(),
        Some(Consent::Changed { path }) => {
            // What the approval itself does not cover is of another ticket of the package, whose lock has it.
            let is_covered = run.source_lock().is_none_or(|lock| {
                let mut covered = lock.files.iter().chain([&lock.approval]);
                covered.any(|file| file.path == *path)
            });
            let code = match is_covered {
                true => BlockerCode::ApprovalStale,
                false => BlockerCode::SourceLockMismatch,
            };
            blocked(run, code, format!("`{path}` changed while the run was under way"))
        }
        Some(Consent::Canceled { by, reason }) => Step::Record(Event::Canceled {
            by: by.clone(),
            reason: reason.clone(),
        }),
    }
}

fn prepare(run: &Run, inputs: &Inputs) -> Step {
    let Some(tree) = run.tree() else {
        return blocked(run, BlockerCode::TreeMismatch, "the run stands on no tree");
    };
    match run.prepared() {
        None => with_consent(run, || {
            Step::Start(Effect::PrepareDelivery {
                tree,
                journal: inputs.head,
            })
        }),
        Some(delivery) if delivery.tree != tree => {
            let reason = format!(
                "the commit has tree {}, but tree {} was checked and reviewed",
                delivery.tree.short(),
                tree.short()
            );
            blocked(run, BlockerCode::TreeMismatch, reason)
        }
        Some(delivery) => enter(PhaseEvidence::GitDeliveryStarted(delivery.clone())),
    }
}

fn staged(run: &Run) -> Step {
    match run.change() {
        Some(change) => enter(PhaseEvidence::ExplicitPathsStaged {
            tree: change.tree,
            total: change.counts.total(),
            paths: change.paths.iter().map(|listed| listed.path.clone()).collect(),
        }),
        None => blocked(run, BlockerCode::TreeMismatch, "the run stands on no tree"),
    }
}

fn move_branch(run: &Run) -> Step {
    let Some(delivery) = run.prepared() else {
        return blocked(run, BlockerCode::TreeMismatch, "no delivery was prepared");
    };
    match run.moved() {
        None => with_consent(run, || {
            Step::Start(Effect::UpdateRef {
                name: delivery.branch.clone(),
                old: delivery.old,
                new: delivery.records,
            })
        }),
        Some(_) if run.branch_holds_delivery() => enter(PhaseEvidence::Committed {
            change: delivery.change,
            records: delivery.records,
            branch: delivery.branch.clone(),
            old: delivery.old,
            new: delivery.records,
        }),
        Some(seen) => {
            let now = seen
                .value
                .map_or("is gone".to_owned(), |commit| format!("points at {}", commit.short()));
            let reason = format!("`{}` {now}: somebody else moved it", delivery.branch.short());
            blocked(run, BlockerCode::BranchNameTaken, reason)
        }
    }
}

/// Goes on where the delivery is pushed nowhere, or the target still is the base.
fn at_the_target(run: &Run, inputs: &Inputs, then: impl FnOnce() -> Step) -> Step {
    let Some(target) = &run.opened().target else {
        return then();
    };
    let base = run.base();
    match run.remote() {
        None => Step::Start(Effect::AskRemote { target: target.clone() }),
        Some(seen) if seen.value.is_some() && seen.value == base => then(),
        Some(seen) => moved(run, inputs, target, seen),
    }
}

/// The change goes on from what the target is now, where the policy wants that: its checks run again, and the review counts as long as
/// nobody else changed what it was about.
fn moved(run: &Run, inputs: &Inputs, target: &PushTarget, seen: SeenRemote) -> Step {
    let rebases = inputs.policy.delivery.when_moved == WhenMoved::Rebase && run.totals().rebases < MAX_REBASES;
    if let (true, Some(onto)) = (rebases, seen.value) {
        return Step::Start(Effect::Rebase { onto });
    }
    let now = seen
        .value
        .map_or("is gone".to_owned(), |commit| format!("is now {}", commit.short()));
    let reason = format!("`{target}` {now}: somebody else moved it while the run was under way");
    blocked(run, BlockerCode::UpstreamMoved, reason)
}

/// Pushes, unless the remote has it: the answer to an earlier push may have been lost.
fn push(run: &Run, inputs: &Inputs, target: &PushTarget) -> Step {
    let Some(delivery) = run.prepared() else {
        return blocked(run, BlockerCode::TreeMismatch, "no delivery was prepared");
    };
    if run.remote_holds_delivery() {
        return enter(PhaseEvidence::Pushed {
            remote: target.remote.clone(),
            name: target.name.clone(),
            old: Some(delivery.base),
            new: delivery.records,
        });
    }
    match run.push_refused() {
        // What it is now is asked. Where it did not move, it was not that, and one more try is enough.
        Some(RefusedPush { moved: true, .. }) if run.totals().moved_pushes < 2 => {
            Step::Start(Effect::AskRemote { target: target.clone() })
        }
        Some(RefusedPush { reason, .. }) => blocked(run, BlockerCode::PushRejected, reason.clone()),
        None => at_the_target(run, inputs, || {
            with_consent(run, || {
                Step::Start(Effect::Push {
                    target: target.clone(),
                    old: delivery.base,
                    new: delivery.records,
                })
            })
        }),
    }
}

/// What the remote reported is not enough: it is asked once more.
fn prove(run: &Run, target: &PushTarget) -> Step {
    let Some(delivery) = run.prepared() else {
        return blocked(run, BlockerCode::TreeMismatch, "no delivery was prepared");
    };
    match run.remote() {
        None => Step::Start(Effect::AskRemote { target: target.clone() }),
        Some(SeenRemote {
            value: Some(commit),
            contains_new,
        }) if contains_new || commit == delivery.records => enter(PhaseEvidence::HeadEqualsUpstreamProved {
            remote: target.remote.clone(),
            name: target.name.clone(),
            commit,
        }),
        Some(SeenRemote { value, .. }) if value == Some(delivery.base) => {
            let reason = format!(
                "the push was taken, and `{target}` still is {}: does it go to another repository than is read from?",
                delivery.base.short()
            );
            blocked(run, BlockerCode::PushRejected, reason)
        }
        Some(seen) => {
            let now = seen
                .value
                .map_or("is gone".to_owned(), |commit| format!("is {}", commit.short()));
            let reason = format!("the push was taken, and `{target}` {now}, which does not hold it");
            blocked(run, BlockerCode::UpstreamMoved, reason)
        }
    }
}
