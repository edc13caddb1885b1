//! Which hunks that weaken tests a reviewer has to justify one by one.

use ledger_core::{Run, WeakenedTest};

use super::is_same;
use crate::config::{GateLevel, Gates};

/// The hunks of the change that was measured last which a reviewer has to justify one by one: all with `block`. With `warn` those that
/// the first change which was refused did not have: a repair makes no test weaker unseen. None where nobody looks.
pub fn hunks_to_justify(run: &Run, gates: &Gates) -> Vec<WeakenedTest> {
    let measured = run.attempt().and_then(|attempt| attempt.measured.as_ref());
    let hunks = measured.map_or(&[][..], |measured| &measured.weakened);
    match (gates.test_weakening, run.refused().first()) {
        (GateLevel::Block, _) => hunks.to_vec(),
        (GateLevel::Warn, Some(first)) => {
            let mut left: Vec<&WeakenedTest> = first.weakened.iter().collect();
            let mut hunks = hunks.to_vec();
            hunks.retain(|hunk| match left.iter().position(|known| is_same(known, hunk)) {
                Some(at) => {
                    left.swap_remove(at);
                    false
                }
                None => true,
            });
            hunks
        }
        _ => Vec::new(),
    }
}
