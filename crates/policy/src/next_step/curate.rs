//! From a passed review to curated context. Nothing here holds up a change that is checked and reviewed: where no curator answers, its
//! delivery goes on without notes and says why.

use jiff::Timestamp;
use ledger_core::{
    BlockerCode, CurationEnd, Effect, EndedCuration, MAX_FAILED_ANSWERS, MEMORY_NOT_UPDATED, NO_MEMORY_UPDATE,
    PhaseEvidence, Run, TreeId, Violation,
};

use super::write::stops_at_once;
use super::{FailedAnswer, and_more, blocked, enter, places, turn_label};
use crate::inputs::{Inputs, Step};

pub(super) fn next(run: &Run, inputs: &Inputs, now: Timestamp) -> Step {
    if !run.opened().curate {
        return enter(PhaseEvidence::ContextCurated {
            notes: vec![NO_MEMORY_UPDATE.to_owned()],
            curation: None,
        });
    }
    let (Some(tree), Some(attempt)) = (run.tree(), run.attempt()) else {
        return blocked(run, BlockerCode::TreeMismatch, "the run stands on no tree");
    };
    match &attempt.curation {
        None => ask(run, tree),
        Some(ended) => after(run, tree, ended, attempt.failed_curations, inputs, now),
    }
}

fn ask(run: &Run, tree: TreeId) -> Step {
    places(run).unwrap_or_else(|| {
        Step::Start(Effect::TakeCuration {
            tree,
            label: turn_label(run, "curation"),
        })
    })
}

fn after(run: &Run, tree: TreeId, ended: &EndedCuration, tries: u32, inputs: &Inputs, now: Timestamp) -> Step {
    if let Some(curation) = ended.sound() {
        return enter(PhaseEvidence::ContextCurated {
            notes: curation.lines(),
            curation: Some(curation.digest()),
        });
    }
    // It took too long: every other reason has stopped the run.
    if let Some(blocker) = &ended.interrupted_for {
        return without_notes(&blocker.reason);
    }
    let reason = match &ended.end {
        // It is told what is forbidden.
        CurationEnd::Answered { .. } if tries < MAX_FAILED_ANSWERS => return ask(run, tree),
        CurationEnd::Answered { refused, .. } => refused.first().map(|first| in_words(first, refused.len())),
        CurationEnd::InvalidAnswer { reason } => Some(reason.clone()),
        CurationEnd::Failed { failure } if stops_at_once(failure.class).is_some() => {
            return without_notes(&failure.message);
        }
        CurationEnd::Failed { failure } => Some(failure.message.clone()),
        CurationEnd::Interrupted => None,
    };
    let reason = reason.unwrap_or_else(|| "it was interrupted".to_owned());
    let failed = FailedAnswer { tries, at: ended.at };
    let give_up = |tries| {
        without_notes(&format!(
            "{tries} turns gave no answer that can be used; the last: {reason}"
        ))
    };
    failed.ask_again(inputs, now, || ask(run, tree), give_up)
}

fn in_words(first: &Violation, count: usize) -> String {
    let path = first
        .path
        .as_ref()
        .map(|path| format!("`{path}`: "))
        .unwrap_or_default();
    format!("{path}{}{}", first.detail, and_more(count.saturating_sub(1)))
}

fn without_notes(reason: &str) -> Step {
    enter(PhaseEvidence::ContextCurated {
        notes: vec![format!("{MEMORY_NOT_UPDATED}{reason}")],
        curation: None,
    })
}
