//! From a passed review to curated context. Nothing here holds up a change that is checked and reviewed: where no curator answers, its
//! delivery goes on without notes and says why.

use jiff::Timestamp;
use ledger_core::{
    BlockerCode, Effect, EndedCuration, MAX_FAILED_ANSWERS, MEMORY_NOT_UPDATED, NO_MEMORY_UPDATE, PhaseEvidence, Run,
    TreeId, Violation,
};

use super::under_way::spent_budget;
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
    match (&attempt.curation, spent_budget(run, inputs, now)) {
        (None, Some(spent)) => without_notes(&spent.reason),
        (None, None) => ask(run, tree),
        (Some(ended), _) => after(run, tree, ended, attempt.failed_curations, inputs, now),
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
    // It took too long or too much: every other reason has stopped the run.
    if let Some(blocker) = &ended.interrupted_for {
        return without_notes(&blocker.reason);
    }
    if let Some(spent) = spent_budget(run, inputs, now) {
        return without_notes(&spent.reason);
    }
    let mut failed = FailedAnswer::of(ended, tries);
    if failed.stops.is_some() {
        return without_notes(failed.reason);
    }
    let refused = ended.end.answer().map(|answer| &answer.refused[..]);
    if refused.is_some() && tries < MAX_FAILED_ANSWERS {
        // It is told what is forbidden.
        return ask(run, tree);
    }
    let forbidden = refused.and_then(in_words);
    failed.reason = forbidden.as_deref().unwrap_or(failed.reason);
    failed.ask_again(
        run,
        inputs,
        now,
        || ask(run, tree),
        |tries, reason| {
            without_notes(&format!(
                "{tries} turns gave no answer that can be used; the last: {reason}"
            ))
        },
    )
}

fn in_words(refused: &[Violation]) -> Option<String> {
    let first = refused.first()?;
    Some(format!("{first}{}", and_more(refused.len().saturating_sub(1))))
}

fn without_notes(reason: &str) -> Step {
    enter(PhaseEvidence::ContextCurated {
        notes: vec![format!("{MEMORY_NOT_UPDATED}{reason}")],
        curation: None,
    })
}
