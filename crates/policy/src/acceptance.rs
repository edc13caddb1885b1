//! Where each acceptance item is proved.

use ledger_core::{Acceptance, AcceptanceProof, CheckResult, Confidence, Strength};

/// For each acceptance item, in order, the checks that prove it. Only checks that passed count, and of those that report
/// their tests only the ones of which a test passed: nothing is proved by tests that are gone or skipped. Confidence is
/// high where a check's own test report shows tests that passed, medium where only its exit status speaks, and low where
/// no check proves the item: then only the reviewer judges it, and all that is observed is the worker's claim.
///
/// ```
/// use counterfoil_policy::acceptance_proofs;
/// use ledger_core::{Acceptance, Confidence, Strength};
/// let item = Acceptance { id: "AC-1".into(), given: String::new(), when: String::new(), then: "it works".into(), requirements: Vec::new() };
/// let proofs = acceptance_proofs(&[item], &[]);
/// assert_eq!((proofs[0].strength, proofs[0].confidence), (Strength::WorkerClaimed, Confidence::Low));
/// ```
pub fn acceptance_proofs(items: &[Acceptance], results: &[CheckResult]) -> Vec<AcceptanceProof> {
    items.iter().map(|item| proof(item, results)).collect()
}

/// The ids of the items that a check was to prove, and none does. An item that no check names is left to the reviewer.
pub fn unproved<'a>(proofs: &'a [AcceptanceProof], results: &[CheckResult]) -> Vec<&'a str> {
    let to_be_proved = |proof: &&AcceptanceProof| results.iter().any(|result| result.proves.contains(&proof.id));
    let without = proofs.iter().filter(|proof| proof.checks.is_empty());
    without.filter(to_be_proved).map(|proof| proof.id.as_str()).collect()
}

fn proof(item: &Acceptance, results: &[CheckResult]) -> AcceptanceProof {
    let counts = |result: &CheckResult| result.passed() && result.tests.as_ref().is_none_or(|tests| tests.passed > 0);
    let proving: Vec<_> = results
        .iter()
        .filter(|result| counts(result) && result.proves.contains(&item.id))
        .collect();
    let confidence = match proving.as_slice() {
        [] => Confidence::Low,
        some if some.iter().any(|result| result.tests.is_some()) => Confidence::High,
        _ => Confidence::Medium,
    };
    AcceptanceProof {
        id: item.id.clone(),
        checks: proving.iter().map(|result| result.name.clone()).collect(),
        strength: proving
            .iter()
            .map(|result| result.strength)
            .max()
            .unwrap_or(Strength::WorkerClaimed),
        confidence,
    }
}

#[cfg(test)]
mod tests {
    use ledger_core::{CheckSandbox, CommandOutcome, Digest, EvidenceLabel, OutputRecord, TestSummary};

    use super::*;

    fn result(name: &str, proves: &str, code: i32, tests: Option<(u64, u64)>) -> CheckResult {
        CheckResult {
            name: name.to_owned(),
            command: name.to_owned(),
            outcome: CommandOutcome::Exited { code },
            duration_ms: 1,
            output: OutputRecord {
                digest: Digest::of(b""),
                kept_bytes: 0,
                total_bytes: 0,
                tail: String::new(),
            },
            environment: Digest::of(b""),
            tests: tests.map(|(passed, failed)| TestSummary {
                passed,
                failed,
                ..TestSummary::default()
            }),
            proves: vec![proves.to_owned()],
            sandbox: CheckSandbox::Bubblewrap,
            label: EvidenceLabel::Local,
            strength: Strength::RunnerRan,
        }
    }

    #[test]
    fn only_checks_that_passed_and_whose_tests_ran_prove_an_item() {
        let item = |id: &str| Acceptance {
            id: id.to_owned(),
            given: String::new(),
            when: String::new(),
            then: "x".to_owned(),
            requirements: Vec::new(),
        };
        let items = ["tested", "ran", "failed", "no tests", "hidden failure", "nobody"].map(item);
        let results = [
            result("a", "tested", 0, Some((3, 0))),
            result("b", "ran", 0, None),
            result("c", "failed", 1, Some((3, 0))),
            result("d", "no tests", 0, Some((0, 0))),
            result("e", "hidden failure", 0, Some((3, 1))),
        ];
        let proofs = acceptance_proofs(&items, &results);
        let rows: Vec<_> = proofs
            .iter()
            .map(|proof| (proof.id.as_str(), proof.checks.join(","), proof.confidence))
            .collect();
        assert_eq!(
            rows,
            [
                ("tested", "a".to_owned(), Confidence::High),
                ("ran", "b".to_owned(), Confidence::Medium),
                ("failed", String::new(), Confidence::Low),
                ("no tests", String::new(), Confidence::Low),
                ("hidden failure", String::new(), Confidence::Low),
                ("nobody", String::new(), Confidence::Low),
            ]
        );
        assert_eq!(unproved(&proofs, &results), ["failed", "no tests", "hidden failure"]);
    }
}
