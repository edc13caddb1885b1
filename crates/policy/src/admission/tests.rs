//! Each gate says no for its own reason, and only then.

use ledger_core::{ApprovalKind, CoveredFile, LabelConsent, Mode, SteeringName, SteeringPack};

use super::*;
use crate::context_budget::DEFAULT_CONTEXT_FILES;
use crate::secrets::SecretRules;
use crate::spec_claims::ClaimedSpec;

const SPECS: &str = "[specs]\nmode = \"full\"\nrequirements = \"r\"\ndesign = \"d\"\ntasks = \"t\"\n";

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
        replaces: Vec::new(),
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
        overtaken: Vec::new(),
        uncommitted: Vec::new(),
        manifests: BTreeSet::new(),
        steering: SteeringFacts::default(),
        context: ContextFacts::default(),
        specs: SpecsFact::None,
        dependencies: Vec::new(),
        children: None,
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
        (
            "",
            Box::new(|facts| {
                facts.overtaken = vec![ReplacedRequirement {
                    requirement: "REQ-001".parse().unwrap(),
                    path: path("ledger/specs/current/mail/requirements.md"),
                    sha256: Digest::of("row"),
                }]
            }),
        ),
        (SPECS, Box::new(|_| {})),
        (
            SPECS,
            Box::new(|facts| {
                facts.specs = SpecsFact::Unusable {
                    reason: "`design.md:3`: the section `Overview` is missing".into(),
                }
            }),
        ),
        (
            SPECS,
            Box::new(|facts| {
                facts.specs = SpecsFact::Found {
                    open: vec!["design.md".into(), "DEC-002".into()],
                    conflicts: Vec::new(),
                }
            }),
        ),
        (
            SPECS,
            Box::new(move |facts| {
                let conflict = SpecConflict {
                    other: id("0007-b"),
                    on: ClaimedSpec::Requirement("REQ-001".parse().unwrap()),
                };
                facts.specs = SpecsFact::Found {
                    open: Vec::new(),
                    conflicts: vec![conflict],
                }
            }),
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
fn every_mode_can_be_admitted_and_a_parent_needs_delivered_children() {
    for mode in Mode::ALL {
        let mode = mode.as_str();
        let small = if ["research", "parent"].contains(&mode) {
            ""
        } else {
            SMALL
        };
        let experts = if mode == "expert" { "experts = [\"test\"]\n" } else { "" };
        let ticket =
            TicketFile::parse(format!("title = \"x\"\nmode = \"{mode}\"\n{experts}{small}").as_bytes()).unwrap();
        let child = |state| DependencyFact {
            id: "0001-child".parse().unwrap(),
            state,
        };
        let admitted = |children: Vec<DependencyFact>| {
            let facts = AdmissionFacts {
                children: Some(children),
                ..facts()
            };
            admit(&ticket, &Policy::default(), &facts).is_admitted()
        };
        let is_parent = mode == "parent";
        assert!(admitted(vec![child(DependencyState::Delivered)]), "{mode}");
        for children in [
            vec![],
            vec![child(DependencyState::NotDelivered)],
            vec![child(DependencyState::Canceled)],
            vec![child(DependencyState::Unknown)],
            vec![child(DependencyState::Delivered), child(DependencyState::NotDelivered)],
        ] {
            assert_eq!(admitted(children), !is_parent, "{mode}");
        }
    }
}

/// What is small enough for quick mode.
const SMALL: &str = "[scope]\nallowed = [\"src/a.rs\"]\ngoal = \"y\"\n[[check]]\nname = \"c\"\nrun = \"make test\"\n";

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

fn pack(name: &str, head: &str, text: &str) -> (SteeringName, SteeringPack) {
    let document = format!("+++\ntitle = \"x\"\n[inclusion]\nmode = \"always\"\n{head}\n+++\n{text}\n");
    (name.parse().unwrap(), SteeringPack::parse(document.as_bytes()).unwrap())
}

#[test]
fn steering_that_contradicts_itself_or_cannot_be_used_stops_the_ticket() {
    let judged = |steering: SteeringFacts| {
        let admission = admit(&ticket(""), &Policy::default(), &AdmissionFacts { steering, ..facts() });
        let gate = admission.gates.iter().find(|gate| gate.name == "steering").cloned();
        (
            gate.map(|gate| gate.detail),
            admission.blocker().map(|blocker| blocker.code),
        )
    };
    let packs = |list: Vec<_>| SteeringFacts {
        packs: list,
        unusable: Vec::new(),
    };
    assert_eq!(judged(SteeringFacts::default()), (None, None));
    let rule = |name, value: &str| pack(name, &format!("[rules]\na = \"{value}\""), "Text.");
    assert_eq!(
        judged(packs(vec![rule("b", "1"), rule("c", "1")])),
        (Some("`b` (always), `c` (always)".to_owned()), None)
    );
    let (detail, code) = judged(packs(vec![rule("b", "1"), rule("c", "2"), rule("d", "3")]));
    assert_eq!(code, Some(BlockerCode::SteeringConflict));
    assert_eq!(
        detail.as_deref(),
        Some("the pack `b` says `a` is `1`, and the pack `c` says `2`; and 1 more")
    );
    let unusable = SteeringFacts {
        packs: Vec::new(),
        unusable: vec!["`x`: broken".to_owned()],
    };
    assert_eq!(
        judged(unusable),
        (Some("`x`: broken".to_owned()), Some(BlockerCode::SteeringConflict))
    );
}

#[test]
fn a_file_that_has_to_be_read_is_missed_once_nothing_is_awaited_that_could_bring_it() {
    let missing = |state| {
        let mut facts = AdmissionFacts {
            dependencies: vec![DependencyFact {
                id: "a".parse().unwrap(),
                state,
            }],
            ..facts()
        };
        facts.context.missing = vec![path("x"), path("y")];
        let admission = admit(&ticket("depends_on = [\"a\"]\n"), &Policy::default(), &facts);
        let gates = admission.gates.iter();
        let refused: Vec<_> = gates.filter(|gate| gate.verdict != Verdict::Yes).collect();
        assert_eq!(refused.len(), 1, "{refused:?}");
        (refused[0].name, refused[0].detail.clone())
    };
    assert_eq!(missing(DependencyState::NotDelivered).0, "dependencies");
    assert_eq!(
        missing(DependencyState::InBase),
        (
            "required",
            "the base has no file `x`, which `[context] required` names; and 1 more".to_owned()
        )
    );
}

#[test]
fn what_a_worker_is_given_to_read_is_counted() {
    let judged = |limits: &str, context: ContextFacts| {
        let contract = format!("[context]\nproblem = \"\"\"\none\n\ntwo\n\"\"\"\n{limits}\n");
        let steering = SteeringFacts {
            packs: vec![pack("b", "", "three\n\nfour")],
            unusable: Vec::new(),
        };
        let facts = AdmissionFacts {
            steering,
            context,
            ..facts()
        };
        let admission = admit(&ticket(&contract), &Policy::default(), &facts);
        let gate = admission.gates.iter().find(|gate| gate.name == "context").cloned();
        (
            gate.map(|gate| gate.detail),
            admission.blocker().map(|blocker| blocker.code),
        )
    };
    let two_files = || ContextFacts {
        files: vec![path("a"), path("b")],
        ..ContextFacts::default()
    };
    assert_eq!(judged("", two_files()), (None, None));
    assert_eq!(
        judged("max_files = 2\nmax_summary_lines = 4", two_files()),
        (Some("2 of 2 files, 4 of 4 lines".to_owned()), None)
    );
    for (limits, told) in [
        (
            "max_files = 1",
            "the worker is given 2 files to read, and `context.max_files` is 1",
        ),
        (
            "max_summary_lines = 3",
            "the worker is given 4 lines to read, and `context.max_summary_lines` is 3",
        ),
    ] {
        assert_eq!(
            judged(limits, two_files()),
            (Some(told.to_owned()), Some(BlockerCode::ContextOverBudget))
        );
    }
    let many = ContextFacts {
        files: (0..=DEFAULT_CONTEXT_FILES)
            .map(|number| path(&number.to_string()))
            .collect(),
        ..ContextFacts::default()
    };
    assert_eq!(
        judged("", many.clone()),
        (
            Some(
                "the worker is given 51 files to read, and `context.max_files` is 50 where a ticket does not set it"
                    .to_owned()
            ),
            Some(BlockerCode::ContextOverBudget)
        )
    );
    assert_eq!(
        judged("max_files = 51", many),
        (Some("51 of 51 files".to_owned()), None)
    );
    let context = ContextFacts {
        too_large: vec![(path("b"), 1 << 30)],
        ..two_files()
    };
    assert_eq!(judged("", context).1, Some(BlockerCode::ContextOverBudget));
    let key = format!("key = \"{}{}\"", "AKIA", "Z7Q4M2XKLP5WNB3T");
    let secret = SecretRules::new(&Policy::default())
        .scan(&path("a"), key.as_bytes())
        .remove(0);
    let context = ContextFacts {
        secrets: vec![(path("a"), secret)],
        ..two_files()
    };
    let (detail, code) = judged("", context);
    assert_eq!(code, Some(BlockerCode::SecretFound));
    assert_eq!(
        detail.as_deref(),
        Some("line 1 of `a`, which the worker is given to read, looks like a secret: AWS access key id")
    );
}
