//! The specs of a change, and the current ones.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{
    CurrentRequirements, MAX_SPEC_BYTES, MAX_SPEC_PROBLEMS, MAX_SPEC_ROWS, RepoPath, SpecKind, SpecProblem, SpecSet,
    SpecSeverity, SpecSources, replaced_by, with_delta,
};

use crate::document::has_its_place;
use crate::is_one_of_eight;

/// The specs of a change, with a NUL byte between requirements, design, tasks, delta and what is current. Without any the bytes are each of them.
pub fn specs(data: &[u8]) {
    let parts: Vec<&[u8]> = data.split(|byte| *byte == 0).collect();
    let part = |number: usize| match parts.len() {
        1 => data,
        _ => parts.get(number).copied().unwrap_or_default(),
    };
    let sources = SpecSources {
        requirements: part(0),
        design: part(1),
        tasks: part(2),
        delta: (parts.len() != 4).then(|| part(3)),
    };
    let reading = SpecSet::read(sources);
    if is_one_of_eight(data) {
        assert_eq!(reading, SpecSet::read(sources), "the same bytes are read as the same");
    }
    for problem in &reading.problems {
        is_told_well(source(&sources, problem.kind), problem);
    }
    for kind in SpecKind::ALL {
        let of_kind = reading.problems.iter().filter(|problem| problem.kind == kind);
        // Those of reading and those of references.
        assert!(of_kind.count() <= 2 * MAX_SPEC_PROBLEMS);
    }
    let has_error = reading
        .problems
        .iter()
        .any(|problem| problem.severity == SpecSeverity::Error);
    assert_eq!(
        reading.set.is_none(),
        has_error,
        "a set is there exactly where nothing is wrong with it"
    );
    if let Err(problems) = CurrentRequirements::parse(part(4)) {
        assert!(!problems.is_empty());
        problems.iter().for_each(|problem| is_told_well(part(4), problem));
    }
    if let Some(set) = &reading.set {
        set_holds(set, part(4));
    }
}

fn set_holds(set: &SpecSet, current: &[u8]) {
    let ids: BTreeSet<_> = set.requirements.items.iter().map(|item| &item.id).collect();
    assert_eq!(ids.len(), set.requirements.items.len(), "an id is there once");
    assert!(set.requirements.items.len() <= MAX_SPEC_ROWS && set.tasks.items.len() <= MAX_SPEC_ROWS);
    let Some(delta) = &set.delta else { return };
    let known: BTreeMap<RepoPath, Option<Vec<u8>>> = delta
        .items
        .iter()
        .map(|item| (item.current.clone(), (!current.is_empty()).then(|| current.to_vec())))
        .collect();
    for replaced in replaced_by(set, &known) {
        assert!(replaced.is_in(Some(current)), "what is replaced is there");
    }
    let Ok(changed) = with_delta(set, &known) else { return };
    for (path, bytes) in &changed {
        assert!(known.contains_key(path), "only files that the delta names are changed");
        assert!(
            CurrentRequirements::parse(bytes).is_ok(),
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

fn source<'a>(sources: &SpecSources<'a>, kind: SpecKind) -> &'a [u8] {
    match kind {
        SpecKind::Requirements => sources.requirements,
        SpecKind::Design => sources.design,
        SpecKind::Tasks => sources.tasks,
        SpecKind::Delta => sources.delta.unwrap_or_default(),
    }
}

fn is_told_well(bytes: &[u8], problem: &SpecProblem) {
    if bytes.len() <= MAX_SPEC_BYTES {
        has_its_place(bytes, &problem.error);
    }
}
