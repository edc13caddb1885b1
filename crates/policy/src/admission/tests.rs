//! Each gate says no for its own reason, and only then.

use ledger_core::{ApprovalKind, CoveredFile, LabelConsent};

use super::*;

mod package;

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn ticket(more: &str) -> TicketFile {
    TicketFile::parse(format!("title = \"x\"\nmode = \"loop\"\n{more}").as_bytes()).unwrap()
}

fn approval() -> Approval {
    let covered = |name: &str| CoveredFile {
        path: path(name),
        blob: "a".repeat(40).parse().unwrap(),
        sha256: Digest::of(name),
    };
    Approval {
        schema: 1,
        kind: ApprovalKind::Person,
        by: "Ada <ada@example.org>".into(),
        at: jiff::Timestamp::UNIX_EPOCH,
        repository: "owner/name".into(),
        label: None,
        file: vec![covered("t/ticket.toml"), covered("t/prompt.md")],
        signature: None,
    }
}

fn facts() -> AdmissionFacts {
    let names = ["t/ticket.toml", "t/prompt.md"];
    AdmissionFacts {
        repository: "owner/name".into(),
        unsupported: None,
        is_temporary: false,
        operation: None,
        head: HeadFact::Branch { name: "main".into() },
        target: None,
        trust: TrustFact::Trusted,
        approval: ApprovalFact::Found(approval()),
        must_cover: names.map(path).to_vec(),
        at_base: names.map(|name| (path(name), Some(Digest::of(name)))).into(),
        uncommitted: Vec::new(),
        manifests: BTreeSet::new(),
        dependencies: Vec::new(),
        package: None,
        consumed: None,
        canceled: None,
        failed_runs: 0,
        claimed_by: None,
        agent: Some(Ok("codex 0.169.0".into())),
        sandbox: Some(Ok("bubblewrap".into())),
        disk_free: Some(10 << 30),
    }
}

fn told(admission: &Admission) -> String {
    let wrong = admission.gates.iter().filter(|gate| gate.verdict != Verdict::Yes);
    let lines = wrong.map(|gate| match &gate.verdict {
        Verdict::No(blocker) => format!(
            "{}: {}: {} → {}",
            gate.name, blocker.code, gate.detail, blocker.next_step
        ),
        _ => format!("{}: unknown: {}", gate.name, gate.detail),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_ticket_is_admitted_when_every_gate_says_yes() {
    let admission = admit(&ticket(""), &Policy::default(), &facts());
    assert!(
        admission.is_admitted() && admission.blocker().is_none(),
        "{}",
        told(&admission)
    );
    let lines: Vec<_> = admission
        .gates
        .iter()
        .map(|gate| format!("{}: {}", gate.name, gate.detail))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn each_gate_says_no_for_its_own_reason() {
    let id = |text: &str| text.parse::<TicketId>().unwrap();
    type Change<'a> = (&'a str, Box<dyn Fn(&mut AdmissionFacts)>);
    let changes: Vec<Change<'_>> = vec![
        (
            "",
            Box::new(|facts| facts.unsupported = Some("a bare repository, which has no work tree".into())),
        ),
        ("", Box::new(|facts| facts.is_temporary = true)),
        ("", Box::new(|facts| facts.head = HeadFact::Unborn)),
        ("", Box::new(|facts| facts.operation = Some("rebase".into()))),
        (
            "",
            Box::new(|facts| {
                facts.trust = TrustFact::NotTrusted {
                    digest: Digest::of("x"),
                }
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.trust = TrustFact::Unknown {
                    reason: "the trust store cannot be read".into(),
                }
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.canceled = Some(Cancellation {
                    schema: 1,
                    by: "Ada".into(),
                    at: jiff::Timestamp::UNIX_EPOCH,
                    reason: "no longer needed".into(),
                })
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.consumed = Some(ConsumedFact::Run {
                    run: "r1".parse().unwrap(),
                })
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.consumed = Some(ConsumedFact::Result {
                    path: path("t/result.md"),
                })
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.at_base.insert(path("t/prompt.md"), None);
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.at_base.insert(path("t/prompt.md"), Some(Digest::of("edited")));
            }),
        ),
        ("", Box::new(|facts| facts.uncommitted = vec![path("t/prompt.md")])),
        ("", Box::new(|facts| facts.uncommitted = vec![path("counterfoil.toml")])),
        (
            "",
            Box::new(|facts| {
                facts.must_cover.push(path("s/design.md"));
                facts.at_base.insert(path("s/design.md"), Some(Digest::of("d")));
            }),
        ),
        ("", Box::new(|facts| facts.approval = ApprovalFact::Missing)),
        (
            "",
            Box::new(|facts| {
                facts.approval = ApprovalFact::Invalid {
                    reason: "line 1, column 1: missing field `by`".into(),
                }
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.approval = ApprovalFact::Found(Approval {
                    repository: "other/name".into(),
                    ..approval()
                })
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.approval = ApprovalFact::Found(Approval {
                    kind: ApprovalKind::Label,
                    label: Some(LabelConsent {
                        number: 1,
                        label: "foil".into(),
                        actor: "ada".into(),
                        permission: "write".into(),
                        body: Digest::of("b"),
                    }),
                    ..approval()
                })
            }),
        ),
        (
            "",
            Box::new(move |facts| {
                facts.package = Some(PackageFact {
                    name: "p".parse().unwrap(),
                    state: PackageState::Locked { files: 4 },
                    before: vec![DependencyFact {
                        id: id("0001-a"),
                        state: DependencyState::NotDelivered,
                    }],
                    after: 1,
                    delivered_after: Vec::new(),
                })
            }),
        ),
        (
            "",
            Box::new(|facts| {
                facts.claimed_by = Some(ClaimFact {
                    process: 42,
                    run: Some("r2".parse().unwrap()),
                })
            }),
        ),
        ("", Box::new(|facts| facts.failed_runs = 5)),
        (
            "",
            Box::new(|facts| facts.agent = Some(Err("codex is not in PATH".into()))),
        ),
        ("", Box::new(|facts| facts.agent = None)),
        (
            "[[check]]\nname = \"a\"\nrun = \"b\"\n",
            Box::new(|facts| facts.sandbox = Some(Err("bwrap is not installed".into()))),
        ),
        ("", Box::new(|facts| facts.disk_free = Some(1 << 30))),
        ("", Box::new(|facts| facts.disk_free = None)),
        (
            "[[decision]]\nid = \"DEC-1\"\nstatus = \"proposed\"\ndecision = \"x\"\nblocks = true\n",
            Box::new(|_| {}),
        ),
        ("[scope]\nallowed = [\"src/\"]\n", Box::new(|_| {})),
        (
            "[[check]]\nname = \"a\"\nrun = \"b\"\nreport = \"x\"\n",
            Box::new(|_| {}),
        ),
    ];
    let mut lines = Vec::new();
    for (more, change) in changes {
        let mut facts = facts();
        change(&mut facts);
        let admission = admit(&ticket(more), &Policy::default(), &facts);
        assert!(!admission.is_admitted());
        assert!(admission.blocker().is_some());
        lines.push(told(&admission));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn modes_that_this_version_does_not_run_are_refused() {
    for (mode, fine) in [
        ("loop", true),
        ("quick", true),
        ("standard", true),
        ("expert", false),
        ("bounded_rounds", false),
        ("research", false),
        ("parent", false),
    ] {
        let ticket = TicketFile::parse(format!("title = \"x\"\nmode = \"{mode}\"\n{SMALL}").as_bytes()).unwrap();
        assert_eq!(
            admit(&ticket, &Policy::default(), &facts()).is_admitted(),
            fine,
            "{mode}"
        );
    }
}

/// What is small enough for quick mode.
const SMALL: &str = "[scope]\nallowed = [\"src/a.rs\"]\ngoal = \"y\"\n[[check]]\nname = \"c\"\nrun = \"true\"\n";

#[test]
fn a_ticket_in_quick_mode_is_refused_where_it_says_more_than_that_allows() {
    let gate = |mode: &str, more: &str| {
        let text = format!("title = \"x\"\nmode = \"{mode}\"\n{SMALL}{more}");
        let admission = admit(
            &TicketFile::parse(text.as_bytes()).unwrap(),
            &Policy::default(),
            &facts(),
        );
        admission.gates.into_iter().find(|gate| gate.name == "quick_flow")
    };
    let small = gate("quick", "").unwrap();
    assert_eq!(small.verdict, Verdict::Yes);
    let grants = "[grants]\nnetwork = true\nmigrations = true\n";
    let refused = gate("quick", grants).unwrap();
    let detail = "more than quick mode allows: schema_data (the ticket grants `migrations`); security_auth_privacy (the ticket grants `network`)";
    let blocker = Blocker {
        next_step: "set the ticket's `mode` to `standard`, or mend what is named, and approve it again".into(),
        ..Blocker::new(BlockerCode::QuickFlowEscalation, detail)
    };
    assert_eq!(refused.verdict, Verdict::No(blocker));
    assert_eq!(gate("standard", grants), None);
    assert_eq!(gate("loop", grants), None);
}

#[test]
fn the_packages_of_the_base_tell_how_many_a_quick_ticket_touches() {
    let contract = SMALL.replace("\"src/a.rs\"", "\"lexer/a.rs\", \"parser/a.rs\"");
    let ticket = TicketFile::parse(format!("title = \"x\"\nmode = \"quick\"\n{contract}").as_bytes()).unwrap();
    let told = |manifests: &[&str]| {
        let manifests = manifests.iter().map(|name| path(name)).collect();
        let admission = admit(&ticket, &Policy::default(), &AdmissionFacts { manifests, ..facts() });
        admission.blocker().map(|blocker| blocker.reason)
    };
    let refused = "more than quick mode allows: multiple_services_modules (2 modules: `lexer`, `parser`)".to_owned();
    assert_eq!(told(&[]), Some(refused.clone()));
    assert_eq!(told(&["Cargo.toml"]), None);
    assert_eq!(
        told(&["Cargo.toml", "lexer/Cargo.toml", "parser/Cargo.toml"]),
        Some(refused)
    );
}

#[test]
fn a_delivered_dependency_waits_for_its_merge_where_set_up_has_the_network() {
    let ticket = ticket("depends_on = [\"0001-a\"]\n");
    let told = |network: bool, state: DependencyState| {
        let setup = format!("[workspace]\nsetup = [{{ run = \"make\", network = {network} }}]\n");
        let facts = AdmissionFacts {
            dependencies: vec![DependencyFact {
                id: "0001-a".parse().unwrap(),
                state,
            }],
            ..facts()
        };
        let admission = admit(&ticket, &Policy::parse(setup.as_bytes()).unwrap(), &facts);
        admission
            .blocker()
            .map(|blocker| (blocker.code, blocker.next_step.clone()))
    };
    assert_eq!(told(false, DependencyState::Delivered), None);
    assert_eq!(told(true, DependencyState::InBase), None);
    let refused = (
        BlockerCode::DependencyNotDone,
        "look at its branch, and merge it".to_owned(),
    );
    assert_eq!(told(true, DependencyState::Delivered), Some(refused));
}

#[test]
fn a_dependency_must_be_in_the_base_or_stackable() {
    let ticket = ticket("depends_on = [\"0001-a\"]\n");
    let alone = Policy::parse(b"[delivery]\nstack = false\n").unwrap();
    let mut lines = Vec::new();
    for state in [
        DependencyState::InBase,
        DependencyState::Delivered,
        DependencyState::NotDelivered,
        DependencyState::Canceled,
        DependencyState::Missing,
        DependencyState::Unknown,
    ] {
        let mut facts = facts();
        facts.dependencies = vec![DependencyFact {
            id: "0001-a".parse().unwrap(),
            state,
        }];
        let (stacked, alone) = (
            admit(&ticket, &Policy::default(), &facts),
            admit(&ticket, &alone, &facts),
        );
        lines.push(format!(
            "{state:?} {} {} {}",
            stacked.is_admitted(),
            alone.is_admitted(),
            told(&alone)
        ));
    }
    lines.push(format!("none {}", told(&admit(&ticket, &alone, &facts()))));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_was_not_looked_at_keeps_a_ticket_ready_but_not_admitted() {
    let admission = admit(
        &ticket(""),
        &Policy::default(),
        &AdmissionFacts { agent: None, ..facts() },
    );
    assert!(admission.is_ready() && !admission.is_admitted());
    assert_eq!(
        admission.blocker().map(|blocker| blocker.code),
        Some(BlockerCode::NeedsPerson)
    );
}
