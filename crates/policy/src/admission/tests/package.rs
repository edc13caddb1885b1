//! A ticket of a package runs in its turn, and only while the lock holds.

use super::*;

fn before(state: DependencyState) -> DependencyFact {
    DependencyFact {
        id: "0001-a".parse().unwrap(),
        state,
    }
}

fn said(policy: &Policy, state: PackageState, change: impl FnOnce(&mut AdmissionFacts, &mut PackageFact)) -> String {
    let mut facts = facts();
    let mut package = PackageFact {
        name: "sign-up".parse().unwrap(),
        state,
        before: Vec::new(),
        after: 0,
        delivered_after: Vec::new(),
    };
    change(&mut facts, &mut package);
    facts.package = Some(package);
    let admission = admit(&ticket(""), policy, &facts);
    match told(&admission) {
        wrong if wrong.is_empty() => {
            let gate = admission.gates.iter().find(|gate| gate.name == "package").unwrap();
            format!("yes: {}", gate.detail)
        }
        wrong => wrong,
    }
}

#[test]
fn a_package_that_is_not_as_it_was_locked_refuses_its_tickets() {
    let reason = || "a reason".to_owned();
    let states = [
        PackageState::Locked { files: 1 },
        PackageState::Locked { files: 4 },
        PackageState::Missing,
        PackageState::Invalid { reason: reason() },
        PackageState::NotListed,
        PackageState::NotLocked,
        PackageState::Differs {
            difference: "`t/prompt.md`: it is not what was locked".into(),
        },
        PackageState::Unknown { reason: reason() },
    ];
    let lines: Vec<_> = states
        .into_iter()
        .map(|state| said(&Policy::default(), state, |_, _| ()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn whatever_comes_before_a_ticket_must_be_delivered_and_in_the_base_or_stackable() {
    let alone = Policy::parse(b"[delivery]\nstack = false\n").unwrap();
    let network = Policy::parse(b"[workspace]\nsetup = [{ run = \"fetch\", network = true }]\n").unwrap();
    let locked = || PackageState::Locked { files: 4 };
    let mut lines = Vec::new();
    for state in [
        DependencyState::InBase,
        DependencyState::Delivered,
        DependencyState::NotDelivered,
        DependencyState::Canceled,
        DependencyState::Missing,
        DependencyState::Unknown,
    ] {
        lines.push(said(&Policy::default(), locked(), |_, package| {
            package.before = vec![before(state)]
        }));
    }
    let delivered = || vec![before(DependencyState::Delivered)];
    lines.push(said(&alone, locked(), |_, package| package.before = delivered()));
    lines.push(said(&network, locked(), |_, package| package.before = delivered()));
    lines.push(said(&Policy::default(), locked(), |facts, package| {
        package.before = delivered();
        facts.target = Some(TargetFact {
            name: "origin/main".into(),
            state: TargetState::Seen {
                commit: "a".repeat(40).parse().unwrap(),
            },
        });
    }));
    // One that is not delivered refuses, whatever the others are.
    lines.push(said(&Policy::default(), locked(), |_, package| {
        package.before = vec![before(DependencyState::InBase), before(DependencyState::NotDelivered)];
    }));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_ticket_that_was_put_before_a_delivered_one_is_refused() {
    insta::assert_snapshot!(said(
        &Policy::default(),
        PackageState::Locked { files: 4 },
        |_, package| {
            package.delivered_after = vec!["0003-c".parse().unwrap()];
        }
    ));
}

#[test]
fn where_nothing_is_delivered_no_ticket_begins_that_another_one_comes_after() {
    let nowhere = Policy::parse(b"[delivery]\nmode = \"none\"\n").unwrap();
    let with_after = |policy: &Policy, after| {
        said(policy, PackageState::Locked { files: 4 }, |_, package| {
            package.after = after
        })
    };
    assert_eq!(with_after(&nowhere, 0), with_after(&Policy::default(), 2));
    insta::assert_snapshot!(with_after(&nowhere, 2));
}
