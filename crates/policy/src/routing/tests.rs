use ledger_core::{BlobId, Change, CommitId, EntryMode, Kind, ObjectId, Side, TreeId};

use super::*;

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn side(byte: u8) -> Side {
    Side {
        mode: EntryMode::File,
        id: BlobId(ObjectId::from_bytes([byte; 20])),
    }
}

/// A change set: `+` before a path adds it, `-` removes it, nothing changes it.
fn set(paths: &[&str]) -> ChangeSet {
    let changes = paths.iter().map(|text| {
        let (before, after, name) = match text.split_at(1) {
            ("+", name) => (None, Some(side(2)), name),
            ("-", name) => (Some(side(1)), None, name),
            _ => (Some(side(1)), Some(side(2)), *text),
        };
        Change {
            path: path(name),
            before,
            after,
            renamed_from: None,
        }
    });
    ChangeSet {
        base: CommitId(ObjectId::from_bytes([0; 20])),
        tree: TreeId(ObjectId::from_bytes([7; 20])),
        changes: changes.collect(),
    }
}

fn calls_with(policy: &str, paths: &[&str], added_lines: Option<u64>) -> Vec<ExpertCall> {
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n").unwrap();
    let facts = RoutingFacts {
        change: &ChangeFacts::default(),
        weakened: &[],
        added_lines,
    };
    let gates = policy.gates.of(Kind::Feature);
    let routing = ExpertRouting::new(&policy).unwrap();
    let calls = routing.calls(&set(paths), facts, &ticket, &gates);
    let mut backwards = set(paths);
    backwards.changes.reverse();
    assert_eq!(
        routing.calls(&backwards, facts, &ticket, &gates),
        calls,
        "whatever the order of the changes"
    );
    calls
}

fn named(calls: &[ExpertCall]) -> Vec<String> {
    let path = |call: &ExpertCall| call.path.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    calls
        .iter()
        .map(|call| format!("{} {}", call.judge, path(call)))
        .collect()
}

const ALL: &str = "[review]\nexperts = [\"release_docs\", \"architecture\", \"test\", \"security\", \"ux_accessibility\", \"performance\", \
    \"data_migration\"]\n";

#[test]
fn each_field_is_called_by_its_own_evidence_and_no_other() {
    for (paths, expected) in [
        (&["src/a.txt"][..], &[][..]),
        (&["api/openapi.yaml"], &["architecture api/openapi.yaml"]),
        // Nobody looked at what it offers to others.
        (&["src/a.rs"], &["architecture src/a.rs"]),
        (&["tests/a.txt"], &["test tests/a.txt"]),
        (&["-tests/a.txt"], &["test tests/a.txt"]),
        (&["+tests/a.txt"], &[]),
        (&["src/session/store.txt"], &["security src/session/store.txt"]),
        (&["Cargo.toml"], &["security Cargo.toml"]),
        (&["web/form.css"], &["ux_accessibility web/form.css"]),
        (&["+benches/parse.txt"], &["performance benches/parse.txt"]),
        (&["db/migrate/1_users.rb"], &["data_migration db/migrate/1_users.rb"]),
        (&["docs/guide.md"], &["release_docs docs/guide.md"]),
        (&["CHANGELOG.md"], &["release_docs CHANGELOG.md"]),
        (
            &[".github/workflows/ci.yml"],
            &[
                "security .github/workflows/ci.yml",
                "release_docs .github/workflows/ci.yml",
            ],
        ),
        (&["ledger/tickets/0001-a/session.md"], &[]),
        (&[], &[]),
    ] {
        assert_eq!(named(&calls_with(ALL, paths, None)), expected, "{paths:?}");
    }
}

#[test]
fn calls_come_in_the_order_of_fields_each_with_its_first_path() {
    let paths = [
        "web/b.css",
        "src/session.txt",
        "db/b.sql",
        "web/a.css",
        "db/a.sql",
        "lib/auth.txt",
    ];
    assert_eq!(
        named(&calls_with(ALL, &paths, None)),
        [
            // What is about a path says more than that there are several modules.
            "architecture -",
            "security lib/auth.txt",
            "ux_accessibility web/a.css",
            "data_migration db/a.sql"
        ]
    );
}

#[test]
fn only_fields_that_the_policy_names_are_called() {
    let paths = ["web/b.css", "src/session.txt", "db/b.sql"];
    assert_eq!(
        named(&calls_with("", &paths, None)),
        ["security src/session.txt", "data_migration db/b.sql"]
    );
    assert_eq!(named(&calls_with("[review]\nexperts = []\n", &paths, None)), [""; 0]);
}

#[test]
fn further_reviews_are_asked_for_by_gates_and_by_size() {
    let gates = |levels: &str, paths: &[&str], lines| {
        let calls = calls_with(&format!("[gates]\n{levels}\n"), paths, lines);
        let words = calls
            .iter()
            .map(|call| format!("{} {} {}", call.judge, call.is_advisory, call.trigger));
        words.collect::<Vec<_>>()
    };
    let many: Vec<_> = (0..11).map(|n| format!("src/{n}.txt")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(
        gates("code_review = \"block\"", &["a.txt"], None),
        ["code_review false the policy asks for it"]
    );
    assert_eq!(
        gates("code_review = \"warn\"", &["a.txt"], None),
        ["code_review true the policy asks for it"]
    );
    assert_eq!(gates("code_review = \"block\"", &[], None), [""; 0]);
    let cleanup = "cleanup_review = { feature = \"block\" }";
    assert_eq!(gates(cleanup, &["a.txt"], Some(200)), [""; 0]);
    assert_eq!(
        gates(cleanup, &["a.txt"], Some(201)),
        ["cleanup_review false it adds 201 lines, more than 200"]
    );
    assert_eq!(
        gates(cleanup, &["a.txt"], None),
        ["cleanup_review false nobody knows how many lines it adds"]
    );
    assert_eq!(gates(cleanup, &many[1..], Some(1)), [""; 0]);
    assert_eq!(
        gates("cleanup_review = \"warn\"", &many, Some(1)),
        ["cleanup_review true it changes 11 files, more than 10"]
    );
    assert_eq!(
        gates("cleanup_review = { bugfix = \"block\" }", &many, Some(999)),
        [""; 0]
    );
}
