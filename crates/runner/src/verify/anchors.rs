//! Whether what a run keeps from being collected is what its journal names.

use git_delivery::{Anchor, AnchorError, Repository};
use ledger_core::{Effect, Event, Observation, Record, RunId};

use super::Verifier;

impl Verifier<'_> {
    /// Whether what a run keeps is what its journal names. Anchors never move, so that they outlive a journal that was
    /// written anew.
    pub(super) fn anchors(&mut self, run: &RunId, records: &[Record]) {
        const WHAT: &str = "what the run keeps";
        let anchors = match self.repository.anchors(run) {
            Ok(anchors) => anchors,
            Err(error) => return self.differs(WHAT, error.to_string()),
        };
        let unnamed: Vec<_> = anchors
            .iter()
            .filter(|anchor| !is_named(anchor, records))
            .map(|anchor| format!("`{}`", anchor.name))
            .collect();
        if !unnamed.is_empty() {
            let detail = format!(
                "the journal does not name what these anchors hold: {}",
                unnamed.join(", ")
            );
            self.differs(WHAT, detail);
        } else if !anchors.is_empty() {
            self.matches(WHAT, format!("{} anchors", anchors.len()));
        }
    }
}

/// Whether the run keeps commits of a delivery that its journal knows nothing of: it is not as its runner left it, for their intent
/// is brought to the disk before they are made. What it says is no ground to deliver from.
pub(crate) fn forgets_a_delivery(
    repository: &Repository,
    run: &RunId,
    records: &[Record],
) -> Result<bool, AnchorError> {
    let of_delivery = |anchor: &Anchor| matches!(anchor.name.split('-').next(), Some("change" | "records"));
    let anchors = repository.anchors(run)?;
    Ok(anchors
        .iter()
        .any(|anchor| of_delivery(anchor) && !is_named(anchor, records)))
}

/// Whether a journal names what an anchor holds, where its name says by which effect that was made. An effect whose end
/// nobody saw may have left anything.
fn is_named(anchor: &Anchor, records: &[Record]) -> bool {
    if anchor.name == "rescued" {
        return records.iter().any(|record| match &record.event {
            Event::Opened(opened) => opened
                .rescued
                .as_ref()
                .is_some_and(|rescued| rescued.tree.0 == anchor.object),
            _ => false,
        });
    }
    let mut parts = anchor.name.split('-');
    let (kind, number) = (parts.next(), parts.next().and_then(|number| number.parse::<u64>().ok()));
    let Some(number) = number else { return true };
    // Each effect that can have made the anchor, with what was seen of it: whether it named the object, if it named any.
    let of = |seq: u64| {
        let observed = records.iter().find_map(|record| match &record.event {
            Event::Observed { of, observation } if *of == seq => Some(observation),
            _ => None,
        });
        match observed {
            Some(Observation::DeliveryPrepared { delivery }) => match kind {
                Some("change") => Some(delivery.change.0 == anchor.object),
                _ => Some(delivery.records.0 == anchor.object),
            },
            Some(Observation::Rebased { tree, .. }) => Some(tree.0 == anchor.object),
            Some(Observation::ChangesMeasured { change, tests, .. }) => {
                let apart = tests.as_ref().and_then(|tests| tests.apart);
                let named = match kind {
                    Some("tests") => apart.map(|apart| apart.tests_on_base),
                    Some("former") => apart.map(|apart| apart.former_tests),
                    _ => Some(change.tree),
                };
                Some(named.is_some_and(|tree| tree.0 == anchor.object))
            }
            _ => None,
        }
    };
    let mut makers = records.iter().filter_map(|record| match &record.event {
        Event::Intended(Effect::PrepareDelivery { .. }) if matches!(kind, Some("change" | "records")) => {
            (record.seq == number).then(|| of(record.seq))
        }
        Event::Intended(Effect::MeasureChanges { iteration }) if matches!(kind, Some("tree" | "tests" | "former")) => {
            (u64::from(*iteration) == number).then(|| of(record.seq))
        }
        Event::Intended(Effect::Rebase { .. }) if kind == Some("rebased") => {
            (record.seq == number).then(|| of(record.seq))
        }
        _ => None,
    });
    !matches!(
        kind,
        Some("change" | "records" | "tree" | "tests" | "former" | "rebased")
    ) || makers.any(|named| named != Some(false))
}
