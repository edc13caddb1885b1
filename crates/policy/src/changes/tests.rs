//! Change sets, ordinary and hostile, row by row.

use ledger_core::Side;

use super::*;

const TICKET: &str = "title = \"x\"\n[scope]\nallowed = [\"src/**\", \"Cargo.toml\", \"Cargo.lock\", \"yarn.lock\", \"db/**\", \"sub\", \"package.json\"]\nforbidden = [\"src/old/**\"]\n";

fn side(mode: EntryMode, digit: &str) -> Option<Side> {
    Some(Side {
        mode,
        id: digit.repeat(40).parse().unwrap(),
    })
}

fn change(path: &str, before: Option<Side>, after: Option<Side>) -> Change {
    Change {
        path: path.parse().unwrap(),
        before,
        after,
        renamed_from: None,
    }
}

fn searched() -> FileFacts {
    FileFacts {
        secrets: Some(Vec::new()),
        ..FileFacts::default()
    }
}

fn judged(
    policy: &str,
    ticket: &str,
    changes: Vec<Change>,
    facts: &[(&str, FileFacts)],
    walk: Vec<WalkFinding>,
) -> Vec<Violation> {
    // As the format has it: also keys that this version refuses where a policy is used.
    let policy: Policy = ledger_core::read_toml(policy.as_bytes()).unwrap();
    let ticket = TicketFile::parse(ticket.as_bytes()).unwrap();
    let rules = ScopeRules::new(&policy, &ticket).unwrap();
    let files = facts
        .iter()
        .map(|(path, facts)| (path.parse().unwrap(), facts.clone()))
        .collect();
    let set = ChangeSet {
        base: "b".repeat(40).parse().unwrap(),
        tree: "c".repeat(40).parse().unwrap(),
        changes,
    };
    judge_changes(
        &set,
        &ChangeFacts {
            files,
            walk,
            ..ChangeFacts::default()
        },
        &rules,
        &policy,
        &ticket,
    )
}

fn one(ticket: &str, path: &str, before: Option<Side>, after: Option<Side>, facts: FileFacts) -> String {
    let found = judged(
        "",
        ticket,
        vec![change(path, before, after)],
        &[(path, facts)],
        Vec::new(),
    );
    found.iter().map(|v| v.code.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_kind_of_change_is_judged_as_what_it_is() {
    use EntryMode::{Executable, File, Submodule, Symlink};
    let link = |target: &str| FileFacts {
        link_target: Some(target.as_bytes().to_vec()),
        ..searched()
    };
    let names = |list: &[&str]| FileFacts {
        dependencies: Some(DependencyChange::Names(
            list.iter().map(|name| (*name).to_owned()).collect(),
        )),
        ..searched()
    };
    let locked = |list: &[&str], replaced: &[&str]| {
        let all = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        FileFacts {
            dependencies: Some(DependencyChange::Locked {
                names: all(list),
                replaced: all(replaced),
            }),
            ..searched()
        }
    };
    let unknown = || FileFacts {
        dependencies: Some(DependencyChange::Unknown),
        ..searched()
    };
    let whole = format!("{TICKET}[grants]\ndependencies = [\"yarn.lock\", \"Cargo.toml\"]\n");
    let granted = format!("{TICKET}[grants]\ndependencies = [\"email_address\"]\nmigrations = true\n");
    let (old, new) = (side(File, "1"), side(File, "2"));
    for (ticket, path, before, after, facts, expected) in [
        (TICKET, "src/a.rs", old, new, searched(), ""),
        (TICKET, "src/a.rs", None, new, searched(), ""),
        (TICKET, "src/a.rs", old, None, FileFacts::default(), ""),
        (TICKET, "src/a.rs", old, side(Executable, "1"), FileFacts::default(), ""),
        (TICKET, "src/a.rs", old, new, FileFacts::default(), "secret_found"),
        (TICKET, "other.rs", old, None, FileFacts::default(), "scope_violation"),
        (
            TICKET,
            "src/old/a.rs",
            old,
            None,
            FileFacts::default(),
            "forbidden_path",
        ),
        (TICKET, "src/AGENTS.md", None, new, searched(), "protected_path_changed"),
        (TICKET, "src/l", None, side(Symlink, "2"), link("a.rs"), ""),
        (
            TICKET,
            "src/l",
            None,
            side(Symlink, "2"),
            link("/etc/passwd"),
            "scope_violation",
        ),
        (
            TICKET,
            "src/l",
            old,
            side(Symlink, "2"),
            link("../../x"),
            "scope_violation",
        ),
        (
            TICKET,
            "src/l",
            old,
            side(Symlink, "2"),
            link("../.git/hooks"),
            "protected_path_changed",
        ),
        (TICKET, "src/l", None, side(Symlink, "2"), searched(), "scope_violation"),
        (TICKET, "src/l", side(Symlink, "2"), None, FileFacts::default(), ""),
        (
            TICKET,
            "src/m",
            None,
            side(Submodule, "2"),
            FileFacts::default(),
            "scope_violation",
        ),
        (
            TICKET,
            "src/m",
            side(Submodule, "2"),
            None,
            FileFacts::default(),
            "scope_violation",
        ),
        (
            TICKET,
            "sub",
            side(Submodule, "1"),
            side(Submodule, "2"),
            FileFacts::default(),
            "",
        ),
        (
            TICKET,
            "src/big",
            None,
            new,
            FileFacts {
                filter: Some("lfs".into()),
                ..searched()
            },
            "filtered_path",
        ),
        (
            TICKET,
            "src/big",
            old,
            None,
            FileFacts {
                filter: Some("lfs".into()),
                ..FileFacts::default()
            },
            "filtered_path",
        ),
        (TICKET, "Cargo.toml", old, new, searched(), "grant_missing"),
        (TICKET, "Cargo.toml", old, new, names(&[]), ""),
        (
            TICKET,
            "Cargo.toml",
            old,
            new,
            names(&["email-address"]),
            "grant_missing",
        ),
        (&granted, "Cargo.toml", old, new, names(&["email-address"]), ""),
        (
            &granted,
            "Cargo.toml",
            old,
            new,
            names(&["email-address", "evil"]),
            "grant_missing",
        ),
        (&whole, "Cargo.toml", old, new, names(&["email-address", "evil"]), ""),
        (TICKET, "Cargo.toml", old, None, names(&["serde"]), "grant_missing"),
        (TICKET, "Cargo.toml", old, None, names(&[]), ""),
        (&granted, "Cargo.toml", old, None, names(&["email_address"]), ""),
        (
            &granted,
            "Cargo.toml",
            old,
            side(Symlink, "2"),
            link("src/other.toml"),
            "grant_missing",
        ),
        (TICKET, "Cargo.lock", old, new, locked(&["serde"], &[]), "grant_missing"),
        (&granted, "Cargo.lock", old, new, locked(&["serde"], &[]), ""),
        (
            &granted,
            "Cargo.lock",
            old,
            new,
            locked(&["serde"], &["serde"]),
            "grant_missing",
        ),
        (
            &granted,
            "Cargo.lock",
            old,
            new,
            locked(&["email-address"], &["email-address"]),
            "",
        ),
        (TICKET, "yarn.lock", old, new, unknown(), "grant_missing"),
        (&granted, "yarn.lock", old, new, unknown(), "grant_missing"),
        (&granted, "yarn.lock", old, new, searched(), "grant_missing"),
        (&granted, "yarn.lock", old, None, unknown(), "grant_missing"),
        (&whole, "yarn.lock", old, new, unknown(), ""),
        (&whole, "src/yarn.lock", old, new, unknown(), "grant_missing"),
        (&whole, "yarn.lock", old, None, unknown(), ""),
        (TICKET, "yarn.lock", old, side(Executable, "1"), searched(), ""),
        (
            TICKET,
            "db/migrate/001_users.rb",
            None,
            new,
            searched(),
            "grant_missing",
        ),
        (
            TICKET,
            "src/app/migrations/0001_initial.py",
            None,
            new,
            searched(),
            "grant_missing",
        ),
        (&granted, "db/migrate/001_users.rb", None, new, searched(), ""),
        (
            TICKET,
            "db/migrate/001_users.rb",
            old,
            None,
            FileFacts::default(),
            "grant_missing",
        ),
        (&granted, "db/migrate/001_users.rb", old, None, FileFacts::default(), ""),
        (TICKET, "src/migrations/README.md", old, None, FileFacts::default(), ""),
        (TICKET, "src/migrations/README.md", None, new, searched(), ""),
        (TICKET, "src/migration_guide.rs", None, new, searched(), ""),
    ] {
        assert_eq!(
            one(ticket, path, before, after, facts),
            expected,
            "{path} {before:?} {after:?}"
        );
    }
}

#[test]
fn a_rename_counts_at_both_ends() {
    let file = side(EntryMode::File, "1");
    let mut new = change("src/moved.rs", None, file);
    new.renamed_from = Some("lib/moved.rs".parse().unwrap());
    let found = judged(
        "",
        TICKET,
        vec![change("lib/moved.rs", file, None), new],
        &[("src/moved.rs", searched())],
        Vec::new(),
    );
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].path.as_ref().map(ToString::to_string).as_deref(),
        Some("lib/moved.rs")
    );
}

#[test]
fn an_allowed_filter_and_a_finding_of_the_walk() {
    let filtered = FileFacts {
        filter: Some("lfs".into()),
        ..searched()
    };
    let file = side(EntryMode::File, "1");
    let policy = "[workspace]\nfilters = [\"lfs\"]\n";
    let walk = vec![
        WalkFinding {
            path: "src/A.rs".parse().unwrap(),
            problem: WalkProblem::Twin {
                of: "src/a.rs".parse().unwrap(),
            },
        },
        WalkFinding {
            path: "src/huge".parse().unwrap(),
            problem: WalkProblem::TooLarge { bytes: 9, limit: 5 },
        },
        WalkFinding {
            path: "src/nested".parse().unwrap(),
            problem: WalkProblem::NestedRepository,
        },
        WalkFinding {
            path: "src/pipe".parse().unwrap(),
            problem: WalkProblem::NotAFile,
        },
    ];
    let found = judged(
        policy,
        TICKET,
        vec![change("src/big", None, file)],
        &[("src/big", filtered)],
        walk,
    );
    let lines: Vec<_> = found
        .iter()
        .map(|v| format!("{} {}: {}", v.code, v.path.as_ref().unwrap(), v.detail))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_secret_is_named_by_rule_line_and_fingerprint_only() {
    let rules = crate::secrets::SecretRules::new(&Policy::default());
    let secret = format!("AKIA{}", "Z7Q4M2XKLP5WNB3T");
    let path: RepoPath = "src/a.rs".parse().unwrap();
    let facts = FileFacts {
        secrets: Some(rules.added(&path, None, format!("\n{secret}\n").as_bytes())),
        ..searched()
    };
    let found = judged(
        "",
        TICKET,
        vec![change("src/a.rs", None, side(EntryMode::File, "1"))],
        &[("src/a.rs", facts)],
        Vec::new(),
    );
    assert_eq!(found.len(), 1);
    assert!(
        found[0].detail.starts_with("AWS access key id in line 2, fingerprint "),
        "{}",
        found[0].detail
    );
    assert!(!found[0].detail.contains("Z7Q4"));
}

#[test]
fn the_list_is_bounded_and_in_order() {
    let changes: Vec<_> = (0..250)
        .rev()
        .map(|n| change(&format!("x/{n:03}"), side(EntryMode::File, "1"), None))
        .collect();
    let found = judged("", TICKET, changes, &[], Vec::new());
    assert_eq!(found.len(), MAX_VIOLATIONS + 1);
    assert_eq!(found[0].path.as_ref().unwrap().to_string(), "x/000");
    assert_eq!(found[MAX_VIOLATIONS].detail, "and 150 more");
}

/// A path that is as long as one may be, and takes many times as much as JSON or as text for people.
fn long_path(n: usize, byte: u8) -> RepoPath {
    let part = vec![byte; 240];
    let mut path = vec![part; 15].join(&b'/');
    path.extend_from_slice(format!("/{n}").as_bytes());
    RepoPath::new(path).unwrap()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(6))]

    #[test]
    fn what_is_recorded_of_any_change_set_fits_into_a_journal_line(
        bytes in proptest::collection::vec(proptest::sample::select(vec![1_u8, 0x1f, b'a', b'"', b'\\', 0x80, 0xff]), 0..130),
        renamed in proptest::num::u8::ANY,
    ) {
        static RULES: std::sync::OnceLock<ScopeRules> = std::sync::OnceLock::new();
        let ticket = TicketFile::parse(TICKET.as_bytes()).unwrap();
        let rules = RULES.get_or_init(|| ScopeRules::new(&Policy::default(), &ticket).unwrap());
        let changes: Vec<_> = bytes.iter().enumerate().map(|(n, byte)| Change {
            path: long_path(n, *byte),
            before: None,
            after: side(EntryMode::File, "1"),
            renamed_from: (byte % 2 == renamed % 2).then(|| long_path(n + 1000, *byte)),
        }).collect();
        let twins = changes.iter().map(|change| WalkFinding {
            path: change.path.clone(),
            problem: WalkProblem::Twin { of: change.path.clone() },
        });
        let facts = ChangeFacts { files: BTreeMap::new(), walk: twins.collect(), ..ChangeFacts::default() };
        let set = ChangeSet { base: "b".repeat(40).parse().unwrap(), tree: "c".repeat(40).parse().unwrap(), changes };
        let violations = judge_changes(&set, &facts, rules, &Policy::default(), &ticket);
        proptest::prop_assert_eq!(violations.is_empty(), set.changes.is_empty());
        let change = set.summary();
        proptest::prop_assert_eq!(change.counts.total(), u64::try_from(set.changes.len()).unwrap());
        let observation = ledger_core::Observation::ChangesMeasured { change, violations, weakened: Vec::new(), tests: None, same_as: None, drift: None, experts: Vec::new() };
        let event = ledger_core::Event::Observed { of: 1, observation };
        let (line, _) = ledger_core::Head::default().line(jiff::Timestamp::UNIX_EPOCH, &event).unwrap();
        proptest::prop_assert!(line.len() < 2 * ledger_core::MAX_LIST_BYTES + 1024, "{}", line.len());
    }
}

proptest::proptest! {
    #[test]
    fn any_change_is_judged_and_always_the_same(
        paths in proptest::collection::vec(proptest::collection::vec(1u8..=255, 1..30), 0..20),
        target in proptest::option::of(proptest::collection::vec(proptest::num::u8::ANY, 0..30)),
        modes in proptest::collection::vec((0usize..5, 0usize..5), 20),
    ) {
        static RULES: std::sync::OnceLock<ScopeRules> = std::sync::OnceLock::new();
        let ticket = TicketFile::parse(TICKET.as_bytes()).unwrap();
        let rules = RULES.get_or_init(|| ScopeRules::new(&Policy::default(), &ticket).unwrap());
        let all = [None, side(EntryMode::File, "1"), side(EntryMode::Executable, "2"), side(EntryMode::Symlink, "3"), side(EntryMode::Submodule, "4")];
        let changes: Vec<_> = paths.iter().zip(modes).filter_map(|(path, (before, after))| {
            let path = RepoPath::new(path.clone()).ok()?;
            Some(Change { path, before: all[before], after: all[after], renamed_from: None })
        }).collect();
        let files = changes.iter().map(|c| (c.path.clone(), FileFacts { link_target: target.clone(), ..searched() })).collect();
        let set = ChangeSet { base: "b".repeat(40).parse().unwrap(), tree: "c".repeat(40).parse().unwrap(), changes };
        let facts = ChangeFacts { files, ..ChangeFacts::default() };
        let first = judge_changes(&set, &facts, rules, &Policy::default(), &ticket);
        proptest::prop_assert!(first.len() <= MAX_VIOLATIONS + 1);
        proptest::prop_assert_eq!(first, judge_changes(&set, &facts, rules, &Policy::default(), &ticket));
    }
}

#[test]
fn a_migration_is_known_by_where_it_lies_and_not_by_its_ending() {
    for path in [
        "src/app/migrations/0001_initial.py",
        "db/migrations/001.psql",
        "migrations/0001_init.up",
        "migrations/0002.sh",
        "migrations/0003.cql",
        "src/migrations/add.tsx",
        "db/migrate/001.rake",
        "src/main/resources/changelog/db.changelog-1.xml",
        "db/changelog-master.yaml",
        "sqitch.plan",
        "deploy/users.sql",
        "Flyway/V1__init.SQL",
        "db/versions/V1_2__init.sql",
        "sql/R__views.sql",
        "src/migrate/001-init.ts",
    ] {
        assert!(is_migration(&path.parse().unwrap()), "{path}");
    }
    for path in [
        "src/migrations/README.md",
        "docs/changelog.xml",
        "CHANGELOG.md",
        "deploy/app.yaml",
        "src/migrate.rs",
        "src/migrate/mod.rs",
        "queries/users.sql",
        "queries/view__users.sql",
        "db/schema.rb",
    ] {
        assert!(!is_migration(&path.parse().unwrap()), "{path}");
    }
}
