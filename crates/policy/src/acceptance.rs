//! Which acceptance items the checks prove.

use ledger_core::{Acceptance, AcceptanceProof, CheckResult, Confidence, Strength};

/// For each acceptance item, the checks that prove it. One that no check proves is only judged by the reviewer.
pub fn acceptance_proofs(items: &[Acceptance], results: &[CheckResult]) -> Vec<AcceptanceProof> {
    items
        .iter()
        .map(|item| {
            let proving: Vec<_> = results
                .iter()
                .filter(|result| result.passed() && result.proves.contains(&item.id))
                .collect();
            AcceptanceProof {
                id: item.id.clone(),
                checks: proving.iter().map(|result| result.name.clone()).collect(),
                strength: proving
                    .iter()
                    .map(|result| result.strength)
                    .max()
                    .unwrap_or(Strength::WorkerClaimed),
                confidence: if proving.is_empty() {
                    Confidence::Low
                } else {
                    Confidence::High
                },
            }
        })
        .collect()
}
