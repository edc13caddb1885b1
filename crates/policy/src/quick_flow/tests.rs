//! Each line alone and several together, before the first turn and after it.

use std::collections::BTreeMap;

use ledger_core::{BlockerCode, Change, EntryMode, Side, Violation};

use super::*;
use crate::changes::{FileFacts, judge_changes};
use crate::scope::ScopeRules;

mod any_text;
mod go;
mod options;
mod placed;
mod public;
mod rust;
mod script;
mod texts;

const POLICY: &str = "[[check]]\nname = \"tests\"\nrun = \"make test\"\n[scope]\nforbidden = [\"vendor/**\"]\n";

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn rules() -> QuickFlow {
    QuickFlow::new(&Policy::parse(POLICY.as_bytes()).unwrap()).unwrap()
}

fn quick(allowed: &[&str], more: &str) -> TicketFile {
    let text = format!("title = \"x\"\nmode = \"quick\"\n[scope]\nallowed = {allowed:?}\ngoal = \"y\"\n{more}");
    TicketFile::parse(text.as_bytes()).unwrap()
}

fn names(crossings: &[Crossing]) -> String {
    let mut names: Vec<_> = crossings.iter().map(|crossing| crossing.trigger.as_str()).collect();
    assert!(names.is_sorted());
    names.dedup();
    names.join(" ")
}

fn manifests(list: &[&str]) -> BTreeSet<RepoPath> {
    list.iter().map(|text| path(text)).collect()
}

fn ticket_crosses(allowed: &[&str], more: &str) -> String {
    names(&rules().of_ticket(&quick(allowed, more), &BTreeSet::new()))
}

#[test]
fn each_thing_that_a_ticket_says_crosses_its_own_line_and_no_other() {
    let decision = |status: &str, blocks: bool| {
        format!("[[decision]]\nid = \"D\"\nstatus = \"{status}\"\ndecision = \"d\"\nblocks = {blocks}\n")
    };
    for (allowed, more, expected) in [
        (&["src/a.rs"][..], "", ""),
        (&["src/a.rs", "src/b.rs", "tests/a.rs"], "", ""),
        (
            &["src/a.rs", "src/b.rs", "src/c.rs", "tests/a.rs"],
            "",
            "broad_file_scope",
        ),
        (&["src/**"], "", "broad_file_scope"),
        (&["src/?.rs"], "", "broad_file_scope"),
        (&["src/{a,b}.rs"], "", "broad_file_scope"),
        (&["app/[id]/route.ts"], "", "broad_file_scope"),
        (&["src/../a.rs"], "", "broad_file_scope"),
        (&[], "", "broad_file_scope"),
        (&["ledger/tickets/0001-a/ticket.toml"], "", "broad_file_scope"),
        (
            &["src/a.rs", "src/b.rs", "src/c.rs", "ledger/tickets/0001-a/notes.md"],
            "",
            "",
        ),
        (&["vendor/a.rs"], "", "forbidden_path"),
        (&["src/a.rs"], "forbidden = [\"src/*.rs\"]\n", "forbidden_path"),
        (&["src/AGENTS.md"], "", "forbidden_path"),
        (
            &["src/a.rs"],
            "[grants]\nprotected = [\"AGENTS.md\"]\n",
            "forbidden_path",
        ),
        (&["Cargo.toml"], "", "dependencies"),
        (&["web/yarn.lock"], "", "dependencies"),
        (&["src/a.rs"], "[grants]\ndependencies = [\"serde\"]\n", "dependencies"),
        (&["db/migrate/1_users.rb"], "", "schema_data"),
        (&["prisma/schema.prisma"], "", "schema_data"),
        (&["src/a.rs"], "[grants]\nmigrations = true\n", "schema_data"),
        (&["services/a/x.py", "services/b/x.py"], "", "multiple_services_modules"),
        (&["services/a/x.py", "services/b/test_x.py", "docs/b.md"], "", ""),
        (&["services/a/src/x.py", "services/a/lib/y.py"], "", ""),
        (&["src/auth/mod.rs"], "", "security_auth_privacy"),
        (&["src/sessionStore.rs"], "", "security_auth_privacy"),
        (&["src/JWTToken.rs"], "", "security_auth_privacy"),
        (&["src/tokenizer.rs", "src/author.rs", "src/catalog.rs"], "", ""),
        (&["docs/auth.md"], "", ""),
        (&[".github/workflows/ci.yml"], "", "security_auth_privacy"),
        (&["Dockerfile"], "", "security_auth_privacy"),
        (&["src/a.rs"], "[grants]\nnetwork = true\n", "security_auth_privacy"),
        (
            &["src/a.rs"],
            "[grants]\ncommands = [\"npm install\"]\n",
            "security_auth_privacy",
        ),
        (&["api/openapi.yaml"], "", "public_api_shared_contract"),
        (&["api/a.proto"], "", "public_api_shared_contract"),
        (&["types/a.d.ts"], "", "public_api_shared_contract"),
        (&[".env.example"], "", "public_api_shared_contract"),
        (&["deploys/app.yml.sample"], "", "public_api_shared_contract"),
        (&["config.example.toml"], "", "public_api_shared_contract"),
        (&["etc/mail.sample.ini"], "", "public_api_shared_contract"),
        (&["app/settings.example.py"], "", "public_api_shared_contract"),
        (&["wp-config-sample.php"], "", "public_api_shared_contract"),
        (&["config/default.json"], "", "public_api_shared_contract"),
        (&["config/config.default.js"], "", "public_api_shared_contract"),
        (&["default-settings.yaml"], "", "public_api_shared_contract"),
        (&["config-schema.yaml"], "", "public_api_shared_contract"),
        (&["tests/config.example.toml"], "", ""),
        (&["examples/example.json", "src/sample.rs", "src/default.rs"], "", ""),
        (
            &["src/default_config.rs", "src/config_schema.rs", "src/config.rs"],
            "",
            "",
        ),
        (&["web/a.css"], "", "visual_flow_ambiguity"),
        (&["web/A.tsx"], "", "visual_flow_ambiguity"),
        (&["web/A.test.tsx"], "", ""),
        (&["src/a.rs"], &decision("proposed", true), "unclear_requirements"),
        (&["src/a.rs"], &decision("proposed", false), ""),
        (&["src/a.rs"], &decision("accepted", true), ""),
        (&["src/a.rs"], &decision("superseded", true), ""),
        (
            &["Cargo.toml", "src/auth/a.sql", "web/a.css", "**"],
            "",
            "broad_file_scope dependencies multiple_services_modules schema_data security_auth_privacy visual_flow_ambiguity",
        ),
    ] {
        assert_eq!(ticket_crosses(allowed, more), expected, "{allowed:?} {more}");
    }
}

#[test]
fn a_forbidden_path_is_known_however_it_is_written() {
    for (forbidden, named, expected) in [
        ("src/**/old/**", "src/a/OLD/b.rs", true),
        ("src/**/old/**", "src/a/older/b.rs", false),
        ("src/{a/x,b}/*.rs", "src/b/c.rs", true),
        ("src/{a/x,b}/*.rs", "src/c/c.rs", false),
        ("SRC/a.rs", "src/A.rs", true),
        ("straße/*", "STRASSE/a", true),
        ("\u{212a}/*", "k/a", true),
        ("k/*", "\u{212a}/a", true),
        ("**", "src/a.rs", true),
        ("src/a.r", "src/a.rs", false),
    ] {
        let ticket = quick(&[named], &format!("forbidden = [\"{forbidden}\"]\n"));
        let judged = ScopeRules::new(&Policy::default(), &ticket)
            .unwrap()
            .judge(&path(named));
        let is_forbidden = judged.is_some_and(|violation| violation.code == BlockerCode::ForbiddenPath);
        assert_eq!(is_forbidden, expected, "{forbidden} {named}: by the scope itself");
        let told = names(&rules().of_ticket(&ticket, &BTreeSet::new()));
        assert_eq!(told == "forbidden_path", expected, "{forbidden} {named}: {told}");
    }
}

#[test]
fn a_ticket_needs_a_check_and_a_goal_or_an_acceptance_item() {
    let told = |policy: &str, ticket: &str| {
        let rules = QuickFlow::new(&Policy::parse(policy.as_bytes()).unwrap()).unwrap();
        let text = format!("title = \"x\"\nmode = \"quick\"\n[scope]\nallowed = [\"a\"]\n{ticket}");
        names(&rules.of_ticket(&TicketFile::parse(text.as_bytes()).unwrap(), &BTreeSet::new()))
    };
    let acceptance = "[[acceptance]]\nid = \"A\"\nthen = \"t\"\n";
    let check = "[[check]]\nname = \"c\"\nrun = \"make test\"\n";
    for nothing in [
        "run = \"git diff --check HEAD\"",
        "argv = [\"git\", \"diff\", \"--check\"]",
        "run = \" true \"",
        "run = \"exit 0\"",
    ] {
        let check = format!("{acceptance}[[check]]\nname = \"a\"\n{nothing}\n");
        assert_eq!(told("", &check), "proof_unavailable", "{nothing}");
        assert_eq!(
            told(&format!("[[check]]\nname = \"a\"\n{nothing}\n"), acceptance),
            "proof_unavailable",
            "{nothing}"
        );
    }
    for something in [
        "run = \"git diff --check && cargo test\"",
        "run = \"git diff --exit-code\"",
    ] {
        let check = format!("{acceptance}[[check]]\nname = \"a\"\n{something}\n");
        assert_eq!(told("", &check), "", "{something}");
    }
    assert_eq!(told("", acceptance), "proof_unavailable");
    assert_eq!(told("", &format!("{acceptance}{check}")), "");
    assert_eq!(told(POLICY, acceptance), "");
    assert_eq!(told(POLICY, "goal = \"  \"\n"), "unclear_requirements");
    assert_eq!(told("", ""), "proof_unavailable unclear_requirements");
    let docs =
        TicketFile::parse(b"title = \"x\"\nmode = \"quick\"\ndocs_only = true\n[scope]\ngoal = \"y\"\n").unwrap();
    assert_eq!(names(&rules().of_ticket(&docs, &BTreeSet::new())), "broad_file_scope");
}

#[test]
fn the_nearest_manifest_tells_the_module() {
    let told = |allowed: &[&str], known: &[&str]| names(&rules().of_ticket(&quick(allowed, ""), &manifests(known)));
    let two = "multiple_services_modules";
    let workspace = ["Cargo.toml", "crates/a/Cargo.toml", "crates/b/Cargo.toml"];
    assert_eq!(told(&["lexer/a.rs", "parser/a.rs"], &[]), two);
    assert_eq!(told(&["lexer/a.rs", "parser/a.rs"], &["Cargo.toml"]), "");
    assert_eq!(told(&["crates/a/src/x/y.rs", "crates/a/build.rs"], &workspace), "");
    assert_eq!(told(&["crates/a/src/x.rs", "crates/b/src/x.rs"], &workspace), two);
    assert_eq!(told(&["crates/a/src/x.rs", "build.rs"], &workspace), two);
    assert_eq!(told(&["crates/a/src/x.rs", "README.md"], &workspace), "");
}

fn side(digit: &str) -> Option<Side> {
    Some(Side {
        mode: EntryMode::File,
        id: digit.repeat(40).parse().unwrap(),
    })
}

/// A change of these files, each with its content before and after; what needs to be known of them is known.
fn changed(files: &[(&str, Option<&str>, Option<&str>)]) -> (ChangeSet, ChangeFacts) {
    let mut facts = ChangeFacts::default();
    let mut changes = Vec::new();
    for (name, before, after) in files {
        let (before, after) = (before.map(str::as_bytes), after.map(str::as_bytes));
        facts.files.insert(
            path(name),
            FileFacts {
                secrets: Some(Vec::new()),
                dependencies: crate::dependency_change(&path(name), before, after),
                public_api: public_api_change(&path(name), before, after),
                ..FileFacts::default()
            },
        );
        changes.push(Change {
            path: path(name),
            before: before.and(side("1")),
            after: after.and(side("2")),
            renamed_from: None,
        });
    }
    (set(changes), facts)
}

fn set(mut changes: Vec<Change>) -> ChangeSet {
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    ChangeSet {
        base: "b".repeat(40).parse().unwrap(),
        tree: "c".repeat(40).parse().unwrap(),
        changes,
    }
}

fn change_crosses(files: &[(&str, Option<&str>, Option<&str>)]) -> String {
    let (set, facts) = changed(files);
    names(&rules().of_changes(&set, &facts, &quick(&["a"], "")))
}

#[test]
fn each_thing_that_a_change_does_crosses_its_own_line_and_no_other() {
    let (old, new) = (Some("x\n"), Some("y\n"));
    for (files, expected) in [
        (&[("src/a.rs", old, new)][..], ""),
        (
            &[("src/a.rs", old, new), ("src/b.rs", old, None), ("src/c.rs", None, new)],
            "",
        ),
        (
            &[
                ("src/a.rs", old, new),
                ("src/b.rs", old, new),
                ("src/c.rs", old, None),
                ("src/d.rs", None, new),
            ],
            "broad_file_scope",
        ),
        (
            &[
                ("a", old, new),
                ("b", old, new),
                ("c", old, new),
                ("ledger/tickets/0001-a/result.md", None, new),
            ],
            "",
        ),
        (&[("vendor/a.rs", old, None)], "forbidden_path"),
        (&[("Cargo.toml", old, None)], "dependencies"),
        (&[("web/package-lock.json", None, new)], "dependencies"),
        (&[("app/migrations/0002_more.py", old, None)], "schema_data"),
        (
            &[("a/x.rs", old, None), ("b/x.rs", None, new)],
            "multiple_services_modules",
        ),
        (&[("a/x.rs", old, None), ("a/y.rs", None, new)], ""),
        (
            &[("src/login.rs", old, None), ("src/a.rs", None, new)],
            "security_auth_privacy",
        ),
        (&[("api/schema.json", old, new)], "public_api_shared_contract"),
        (
            &[("src/a.rs", Some("pub fn a() {}\n"), None)],
            "public_api_shared_contract",
        ),
        (&[("src/a.rs", old, Some("pub(crate) fn a() {}\n"))], ""),
        (&[("tests/a.rs", old, Some("pub fn a() {}\n"))], ""),
        (&[("web/a.vue", old, new)], "visual_flow_ambiguity"),
        (
            &[
                ("web/a.vue", old, new),
                ("api/x.graphql", old, None),
                ("go.sum", old, new),
                ("src/pay/token.py", None, new),
            ],
            "broad_file_scope dependencies multiple_services_modules public_api_shared_contract security_auth_privacy \
             visual_flow_ambiguity",
        ),
    ] {
        assert_eq!(change_crosses(files), expected, "{files:?}");
    }
}

#[test]
fn a_source_file_that_nobody_looked_into_counts_as_crossed() {
    let (set, mut facts) = changed(&[("src/a.rs", Some("x"), Some("y"))]);
    facts.files.clear();
    let crossed = rules().of_changes(&set, &facts, &quick(&["src/a.rs"], ""));
    let expected = Crossing {
        trigger: QuickTrigger::PublicApiSharedContract,
        path: Some(path("src/a.rs")),
        evidence: "nobody looked at what it offers to others".to_owned(),
    };
    assert_eq!(crossed, [expected]);
}

#[test]
fn nothing_that_could_be_a_key_is_told_of_a_declaration() {
    let key = ["ghp_", "Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk"].concat();
    for (line, shown) in [
        (format!("export default \"{key}\"\n"), "export default"),
        (format!("export default '{key}'\n"), "export default '…'"),
        (format!("export default {key}\n"), "export default …"),
        ("export class Utf8Decoder {\n}\n".to_owned(), "export class Utf8Decoder"),
    ] {
        let (set, facts) = changed(&[("src/a.js", None, Some(&line))]);
        let crossed = rules().of_changes(&set, &facts, &quick(&["src/a.js"], ""));
        let evidence: Vec<_> = crossed.iter().map(|crossing| crossing.evidence.as_str()).collect();
        assert_eq!(evidence, [format!("it adds `{shown}`")]);
    }
}

#[test]
fn what_specs_are_for_is_told_apart_from_the_size() {
    let (set, facts) = changed(&[
        ("a/x.rs", None, Some("pub fn a() {}\n")),
        ("b/x.rs", None, Some("x")),
        ("c/x.rs", None, Some("x")),
        ("d/session.rs", None, Some("x")),
    ]);
    let needs = rules().needs_specs(&set, &facts, &quick(&["a"], ""));
    assert_eq!(names(&needs), "public_api_shared_contract security_auth_privacy");
}

#[test]
fn only_a_ticket_in_quick_mode_is_held_to_it() {
    let policy = Policy::parse(POLICY.as_bytes()).unwrap();
    let (set, facts) = changed(&[("src/a.rs", Some(""), Some("pub fn a() {}\n"))]);
    let violations = |mode: &str| {
        let text = format!("title = \"x\"\nmode = \"{mode}\"\n[scope]\nallowed = [\"src/a.rs\"]\n");
        let ticket = TicketFile::parse(text.as_bytes()).unwrap();
        judge_changes(
            &set,
            &facts,
            &ScopeRules::new(&policy, &ticket).unwrap(),
            &policy,
            &ticket,
        )
    };
    let expected = Violation {
        code: BlockerCode::QuickFlowEscalation,
        path: Some(path("src/a.rs")),
        detail: "public_api_shared_contract: it adds `pub fn a()`".to_owned(),
    };
    assert_eq!(violations("quick"), [expected]);
    assert_eq!(violations("standard"), []);
    assert_eq!(violations("loop"), []);
}

fn api(name: &str, before: &str, after: &str) -> String {
    match public_api_change(&path(name), Some(before.as_bytes()), Some(after.as_bytes())) {
        None => "-".to_owned(),
        Some(change) => {
            let added = change.added.iter().map(|text| format!("+{text}"));
            let removed = change.removed.iter().map(|text| format!("-{text}"));
            added.chain(removed).collect::<Vec<_>>().join("|")
        }
    }
}

/// What a file of this name is said to add (`+`) and to remove (`-`), for each content before and after.
fn all(name: &str, rows: &[(&str, &str, &str)]) {
    let told: Vec<_> = rows.iter().map(|(before, after, _)| api(name, before, after)).collect();
    let wrong: Vec<_> = rows
        .iter()
        .zip(&told)
        .filter(|((_, _, expected), told)| expected != told)
        .collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
}

#[test]
fn tests_migrations_and_other_files_offer_nothing() {
    for (name, after) in [
        ("a_test.go", "func A() {\n}\n"),
        ("a.txt", "pub fn a() {}\n"),
        ("spec/a.rb", "def a; end\n"),
        ("db/migrate/1_a.rb", "class A\n  def change; end\nend\n"),
    ] {
        assert_eq!(api(name, "", after), "-", "{name}");
    }
}
