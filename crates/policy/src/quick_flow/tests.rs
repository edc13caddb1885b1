//! Each line alone and several together, before the first turn and after it.

use std::collections::BTreeMap;

use ledger_core::{BlockerCode, Change, EntryMode, Side, Violation};
use proptest::prelude::*;

use super::*;
use crate::changes::{FileFacts, judge_changes};
use crate::scope::ScopeRules;

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
        (
            "export class Utf8Decoder {\n}\n".to_owned(),
            "export class Utf8Decoder {",
        ),
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

#[test]
fn what_others_see_of_a_file_is_told_apart_from_what_they_do_not() {
    for (name, before, after, expected) in [
        ("a.rs", "pub fn a() { 1 }\n", "pub fn a() { 2 }\n", ""),
        (
            "a.rs",
            "pub fn a(\n    x: u8,\n) {}\n",
            "pub fn a(\n    x: u16,\n) {}\n",
            "+pub fn a( x: u16, )|-pub fn a( x: u8, )",
        ),
        (
            "a.rs",
            "fn a() {}\n",
            "pub async unsafe fn a() -> [u8; 4] {}\n",
            "+pub async unsafe fn a() -> [u8; 4]",
        ),
        ("a.rs", "pub const A: u8 = 1;\n", "pub const A: u8 = 2;\n", ""),
        (
            "a.rs",
            "pub use a::{b};\n",
            "pub use a::{b, c};\n",
            "+pub use a::{b, c}|-pub use a::{b}",
        ),
        (
            "a.rs",
            "pub enum A {\n    B, // one\n}\n",
            "pub enum A {\n    B, // two\n}\n",
            "",
        ),
        (
            "a.rs",
            "pub enum A {\n    B,\n}\n",
            "pub enum A {\n    B,\n    C,\n}\n",
            "+pub enum A { B, C,|-pub enum A { B,",
        ),
        (
            "a.rs",
            "pub trait T {\n    fn a() {\n        1\n    }\n}\n",
            "pub trait T {\n    fn a() {\n        2\n    }\n}\n",
            "",
        ),
        (
            "a.rs",
            "pub trait T {\n    fn a();\n}\n",
            "pub trait T {\n    fn a(x: u8);\n}\n",
            "+pub trait T { fn a(x: u8);|-pub trait T { fn a();",
        ),
        (
            "a.rs",
            "struct S {\n    a: u8,\n}\n",
            "struct S {\n    pub a: u8,\n}\n",
            "+pub a: u8,",
        ),
        (
            "a.rs",
            "impl A {\n    pub fn new() {}\n}\nimpl B {\n    pub fn new() {}\n}\n",
            "impl A {\n    pub fn new() {}\n}\n",
            "-pub fn new()",
        ),
        (
            "a.rs",
            "",
            "#[macro_export]\n// why\nmacro_rules! m {\n}\n",
            "+macro_rules! m",
        ),
        ("a.rs", "", "macro_rules! m {\n}\n", ""),
        ("a.rs", "", "// pub fn a() {}\nlet pub_fn = 1;\n", ""),
        (
            "a.ts",
            "export function a(x: { y: 1 }) {\n  return 1;\n}\n",
            "export function a(x: { y: 1 }) {\n  return 2;\n}\n",
            "",
        ),
        (
            "a.ts",
            "function a() {}\n",
            "export function a() {}\n",
            "+export function a()",
        ),
        ("a.js", "export const a = 1;\n", "export const a = 2;\n", ""),
        (
            "a.ts",
            "export const f: (a: 1) => void = x;\n",
            "export const f: (a: 2) => void = x;\n",
            "+export const f: (a: 2) => void|-export const f: (a: 1) => void",
        ),
        (
            "a.ts",
            "export interface A {\n  b: 1\n}\n",
            "export interface A {\n  b?: 1\n}\n",
            "+export interface A { b?: 1|-export interface A { b: 1",
        ),
        (
            "a.ts",
            "export type A =\n  | 1\n\nlet x = 1\n",
            "export type A =\n  | 1\n\nlet x = 2\n",
            "",
        ),
        (
            "a.ts",
            "export class A {\n  b() { return 1 }\n  private c() {}\n  d = 1;\n}\n",
            "export class A {\n  b() { return 2 }\n  private e() {}\n  d = 2;\n}\n",
            "",
        ),
        (
            "a.ts",
            "export class A {\n  b() {}\n}\n",
            "export class A {\n  b(x) {}\n}\n",
            "+export class A { b(x) {}|-export class A { b() {}",
        ),
        (
            "a.ts",
            "export {\n  a,\n} from './x'\nlet y = 1\n",
            "export {\n  a,\n} from './y'\nlet y = 2\n",
            "+export { a, } from './y'|-export { a, } from './x'",
        ),
        (
            "a.js",
            "module.exports = {\n  a,\n};\n",
            "module.exports = {\n  a,\n  b,\n};\n",
            "+module.exports a, b,|-module.exports a,",
        ),
        ("a.js", "exportedThing()\n", "exportsOfOurs()\n", ""),
        ("a.py", "def a(x):\n    return 1\n", "def a(x):\n    return 2\n", ""),
        (
            "a.py",
            "def a(x: int = 1) -> int:\n    pass\n",
            "def a(x: str = 1) -> int:\n    pass\n",
            "+def a(x: str = 1) -> int|-def a(x: int = 1) -> int",
        ),
        (
            "a.py",
            "def _a():\n    def b(): pass\n",
            "def _c():\n    def d(): pass\n",
            "",
        ),
        (
            "a.py",
            "class A:\n    def b(self):\n        pass\n",
            "class A:\n    def _b(self):\n        def c(): pass\n    def __init__(self, x):\n        pass\n",
            "+class A: def __init__(self, x)|-class A: def b(self)",
        ),
        (
            "a.py",
            "A = 1\n_B = 1\nif A == 2:\n    pass\n",
            "A = 2\n_C = 1\nif A == 3:\n    pass\n",
            "",
        ),
        (
            "a.py",
            "",
            "A: int = 1\n__all__ = [\n    'A',\n]\n",
            "+A|+__all__ = [ 'A', ]",
        ),
        (
            "a.go",
            "func a() {\n}\nfunc (t *T) B(x int) {\n}\n",
            "func b() {\n}\nfunc (t *T) B(x int) {\n\treturn\n}\n",
            "",
        ),
        (
            "a.go",
            "type T struct {\n\tA int\n}\n",
            "type T struct {\n\tA string\n}\n",
            "+type T struct { A string|-type T struct { A int",
        ),
        (
            "a.go",
            "const (\n\tA = 1\n\tb = 1\n)\n",
            "const (\n\tA = 2\n\tc = 1\n\tB = 3\n)\n",
            "+B",
        ),
        (
            "A.java",
            "public class A {\n  private int x;\n}\n",
            "public class A {\n  public int y() {\n  }\n}\n",
            "+public int y()",
        ),
        ("a_test.go", "", "func A() {\n}\n", "-"),
        ("a.txt", "", "pub fn a() {}\n", "-"),
    ] {
        assert_eq!(api(name, before, after), expected, "{name}: {before:?} {after:?}");
    }
}

#[test]
fn what_a_command_line_takes_is_compared_and_what_it_does_is_not() {
    for (name, before, after, expected) in [
        // clap: what an attribute stands on is a part of it, and of a derived type all that people write.
        (
            "a.rs",
            "struct A {\n    #[arg(long)]\n    b: bool,\n}\nfn x() { 1 }\n",
            "struct A {\n    #[arg(long)]\n    b: bool,\n}\nfn x() { 2 }\n",
            "",
        ),
        (
            "a.rs",
            "struct A {\n    #[arg(long)]\n    b: bool,\n}\n",
            "struct A {\n    #[arg(long, help = \"see https://a (b\")]\n    // why\n    b: bool,\n}\nfn x() {}\n",
            "+b: bool with #[arg(long, help = \"see https://a (b\")]|-b: bool with #[arg(long)]",
        ),
        (
            "a.rs",
            "#[arg(\n    short = 'a',\n)]\nb: bool,\n",
            "#[arg(\n    short = 'a',\n)]\nc: bool,\n",
            "+c: bool with #[arg( short = 'a', )]|-b: bool with #[arg( short = 'a', )]",
        ),
        (
            "a.rs",
            "#[derive(Debug, clap::Subcommand)]\n#[command(\n    flatten,\n)]\nenum A {\n    /// One.\n    B,\n}\nfn x() { 1 }\n",
            "#[derive(Debug, clap::Subcommand)]\n#[command(\n    flatten,\n)]\nenum A {\n    /// Two.\n    B,\n    C { d: u8 },\n}\nfn x() { 2 }\n",
            "+enum A { B, C { d: u8 },|-enum A { B,",
        ),
        (
            "a.rs",
            "#[derive(Debug)]\nenum A {\n    B,\n}\n",
            "#[derive(Debug)]\nenum A {\n    C,\n}\n",
            "",
        ),
        (
            "a.rs",
            "x.arg(Arg::new(\"a\").long(\"all\"))\n",
            "x.arg(Arg::new(\"a\").long(\"every\"))\n",
            "+every: .long(\"every\")|-all: .long(\"all\")",
        ),
        (
            "a.rs",
            "Command::new(\"git\").arg(\"a\")\n",
            "Command::new(\"git\").arg(\"b\")\n",
            "",
        ),
        // JavaScript: a function among the arguments is not looked at.
        (
            "a.js",
            "p.command('serve').option('--port <n>', 'which').action(() => {\n  run(1)\n})\n",
            "p.command('serve').option('--port <n>', 'which').action(() => {\n  run(2)\n})\n",
            "",
        ),
        (
            "a.js",
            "y.command('serve', 'Serve', (y) => {\n  return y\n    .option(\n      'port',\n      { type: 'number' }\n    )\n}, (argv) => { run(1) })\n",
            "y.command('serve', 'Serve', (y) => {\n  return y\n    .option(\n      'port',\n      { type: 'string' }\n    )\n}, (argv) => { run(2) })\n",
            "+port: .option( 'port', { type: 'string' } )|-port: .option( 'port', { type: 'number' } )",
        ),
        (
            "a.js",
            "p.option('--a')\n",
            "p.option('--a')\np.option('--b')\n",
            "+--b: p.option('--b')",
        ),
        (
            "a.js",
            "// p.option('--a')\ndb.command({ a: 1 })\n",
            "// p.option('--b')\ndb.command({ a: 2 })\n",
            "",
        ),
        // Python: argparse, click, typer.
        (
            "a.py",
            "def _a(p):\n    p.add_argument('--b',  # don't\n        type=int)\n    x = 1\n",
            "def _a(p):\n    p.add_argument('--b',  # do\n        type=int)\n    x = 2\n",
            "",
        ),
        (
            "a.py",
            "def _a(p):\n    p.add_argument('--b',\n        type=int)\n",
            "def _a(p):\n    p.add_argument('--b',\n        type=str)\n",
            "+--b: p.add_argument('--b', type=str)|---b: p.add_argument('--b', type=int)",
        ),
        (
            "a.py",
            "@click.command()\n@click.option('--b', default=1)\ndef _a(b):\n    return 1\n",
            "@click.command()\n@click.option('--b', default=2)\ndef _a(b):\n    return 2\n",
            "+def _a(b) with @click.option('--b', default=2)|-def _a(b) with @click.option('--b', default=1)",
        ),
        (
            "a.py",
            "@app.command\ndef _a(b: int = typer.Option(1)): pass\n",
            "@app.command\ndef _a(b: int = typer.Option(2)): pass\n",
            "+def _a(b: int = typer.Option(2)|+def _a(b: int = typer.Option(2)): pass with @app.command|\
             -def _a(b: int = typer.Option(1)|-def _a(b: int = typer.Option(1)): pass with @app.command",
        ),
        (
            "a.py",
            "@app.get('/a')\ndef _a(): pass\n",
            "@app.get('/b')\ndef _a(): pass\n",
            "",
        ),
        // Go: flag, pflag, cobra, urfave/cli.
        (
            "a.go",
            "func main() {\n\tp := flag.Int(\"port\", 1, \"which\")\n\tx(1)\n}\n",
            "func main() {\n\tp := flag.Int(\"port\", 2, \"which\")\n\tx(2)\n}\n",
            "+port: p := flag.Int(\"port\", 2, \"which\")|-port: p := flag.Int(\"port\", 1, \"which\")",
        ),
        (
            "a.go",
            "\tc.Flags().StringVarP(&a, \"a\", \"x\", \"\", \"\")\n\tflag.Parse()\n",
            "\tc.Flags().StringVarP(&a, \"b\", \"x\", \"\", \"\")\n\tif flag.Parsed() {\n\t}\n",
            "+c.Flags().StringVarP(&a, \"b\", \"x\", \"\", \"\")|-c.Flags().StringVarP(&a, \"a\", \"x\", \"\", \"\")",
        ),
        (
            "a.go",
            "\tUse:   \"serve\",\n\tRunE: func() { x(1) },\n",
            "\tUse: \"run\",\n\tRunE: func() { x(2) },\n",
            "+Use: \"run\"|-Use: \"serve\"",
        ),
        (
            "a.go",
            "&cli.BoolFlag{Name: \"a\", Action: func() {\n x(1)\n}},\n",
            "&cli.BoolFlag{Name: \"b\", Action: func() {\n x(2)\n}},\n",
            "+&cli.BoolFlag{Name: \"b\", Action:|-&cli.BoolFlag{Name: \"a\", Action:",
        ),
        // Those that write `public` in front.
        (
            "A.java",
            "  @Option(names = \"-a\")\n  private boolean a;\n  int x = 1;\n",
            "  @Option(names = \"-b\")\n  private boolean a;\n  int x = 2;\n",
            "+private boolean a with @Option(names = \"-b\")|-private boolean a with @Option(names = \"-a\")",
        ),
        (
            "A.cs",
            "var a = new Option<int[]>(\"--a\");\n",
            "var a = new Option<int[]>(\"--b\");\n",
            "+--b: var a = new Option<int[]>(\"--b\")|---a: var a = new Option<int[]>(\"--a\")",
        ),
        (
            "A.php",
            "$this->addOption('a', null, ['x' => 1]);\n$this->run(1);\n",
            "$this->addOption('a', null, ['x' => 2]);\n$this->run(2);\n",
            "+a: $this->addOption('a', null, ['x' => 2])|-a: $this->addOption('a', null, ['x' => 1])",
        ),
        (
            "A.swift",
            "  @Flag var a = false\n",
            "  @Flag var b = false\n",
            "+var b = false with @Flag|-var a = false with @Flag",
        ),
        (
            "A.kt",
            "private class A {\n  val b by option(\"-b\").flag()\n  fun run() { 1 }\n}\n",
            "private class A {\n  val b by option(\"-c\").flag()\n  fun run() { 2 }\n}\n",
            "+-c: val b by option(\"-c\")|--b: val b by option(\"-b\")",
        ),
        (
            "a.rb",
            "opts.on('-a', '--all') do\n  run 1\nend\nx.on(:b) { 1 }\n",
            "opts.on('-a', '--every') do\n  run 2\nend\nx.on(:b) { 2 }\n",
            "+-a: opts.on('-a', '--every')|--a: opts.on('-a', '--all')",
        ),
        (
            "a.rb",
            "method_option :a,\n  type: :boolean\nx 1\n",
            "method_option :a,\n  type: :string\nx 2\n",
            "+method_option :a, type: :string|-method_option :a, type: :boolean",
        ),
    ] {
        assert_eq!(api(name, before, after), expected, "{name}: {before:?} {after:?}");
    }
}

#[test]
fn what_kotlin_and_ruby_offer_is_told_by_where_it_stands() {
    for (name, before, after, expected) in [
        (
            "a.kt",
            "fun a(x: Int = 1): Int = x\n",
            "fun a(x: Int = 1): Int = y\n",
            "",
        ),
        (
            "a.kt",
            "fun a() {\n    val x = 1\n}\n",
            "fun a() {\n    val y = 1\n}\n",
            "",
        ),
        ("a.kt", "fun a()\n", "private fun a()\n", "-fun a()"),
        (
            "a.kt",
            "data class A(\n    val b: Int,\n) : B() {\n    fun c() {\n        fun d() {}\n    }\n    private fun e() {}\n}\n",
            "data class A(\n    val b: Int,\n) : B() {\n    fun c(x: Int) {\n        fun f() {}\n    }\n    private fun g() {}\n}\n",
            "+A: fun c(x: Int)|-A: fun c()",
        ),
        (
            "a.kt",
            "internal class A {\n    fun b() {}\n}\n",
            "internal class A {\n    fun c() {}\n}\n",
            "",
        ),
        (
            "a.kt",
            "class A {\n    companion object {\n        const val B = 1\n    }\n}\n",
            "class A {\n    companion object {\n        const val C = 1\n    }\n}\n",
            "+companion: const val C|-companion: const val B",
        ),
        (
            "a.kt",
            "enum class A {\n    B,\n}\n",
            "enum class A {\n    B,\n    C,\n}\n",
            "+enum class A { B, C,|-enum class A { B,",
        ),
        ("a.rb", "def a(x)\n  1\nend\n", "def a(x) # one\n  2\nend\n", ""),
        (
            "a.rb",
            "module M\n  class A < B\n    C = 1\n    attr_reader :d\n    def e; end\n    private\n    def f; end\n  end\nend\n",
            "module M\n  class A < B\n    C = 2\n    attr_reader :d, :x\n    def e(y) = y\n    private\n    def g; end\n  end\nend\n",
            "+A: attr_reader :d, :x|+A: def e(y) = y|-A: attr_reader :d|-A: def e",
        ),
        (
            "a.rb",
            "class A\n  class << self\n    private\n    def b; end\n  end\n  def c; end\nend\n",
            "class A\n  class << self\n    private\n    def x; end\n  end\n  def d; end\nend\n",
            "+A: def d|-A: def c",
        ),
        (
            "a.rb",
            "class A\n  private def b; end\nend\n",
            "class A\n  private def c; end\nend\n",
            "",
        ),
        ("spec/a.rb", "", "def a; end\n", "-"),
        ("db/migrate/1_a.rb", "", "class A\n  def change; end\nend\n", "-"),
    ] {
        assert_eq!(api(name, before, after), expected, "{name}: {before:?} {after:?}");
    }
}

#[test]
fn a_file_with_more_declarations_than_can_be_compared_counts_as_changed() {
    // Each reaches to the end of the file, because none of them ends.
    let endless = "pub enum A {\n".repeat(4_000);
    let change = public_api_change(&path("a.rs"), Some(endless.as_bytes()), Some(b"")).unwrap();
    assert_eq!(change.added, ["more than can be compared"]);
    assert!(!change.is_empty());
}

/// None of these may take longer than its size allows for.
#[test]
fn files_that_are_made_to_be_compared_slowly_are_compared() {
    for (name, piece) in [
        ("a.rs", "\n"),
        ("a.rs", "#[arg(\n"),
        ("a.rs", "#[arg(a)]\n"),
        ("a.rs", "#[derive(Parser"),
        ("a.rs", "Arg::new('"),
        ("a.rs", "// Arg::new(\n"),
        ("a.js", ".option(\n'"),
        ("a.js", ".option('"),
        ("a.js", "new "),
        ("a.py", "@click.option\n"),
        ("a.py", "# add_argument(\n"),
        ("a.go", "Use:"),
        ("a.java", "new Option<"),
        ("a.kt", "class A\n "),
        ("a.rb", "option :a,\n"),
    ] {
        let text = piece.repeat((1 << 18) / piece.len());
        let change = public_api_change(&path(name), Some(text.as_bytes()), Some(b"")).unwrap();
        assert!(change.added.len() <= 1, "{name}: {piece:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_paths_end_in_a_sorted_and_bounded_answer(
        paths in proptest::collection::btree_set(
            proptest::collection::vec(
                proptest::sample::select(b"/.aA_-*[{?\x01\x80\xffsqltokenSession.rs".to_vec()), 1..40
            ),
            0..40,
        ),
        extensions in proptest::collection::vec(
            proptest::sample::select(vec!["", ".rs", ".tsx", ".sql", "/Cargo.toml", "/auth.py", ".proto"]), 40
        ),
    ) {
        let all: BTreeSet<RepoPath> = paths
            .into_iter()
            .zip(extensions)
            .filter_map(|(mut bytes, extension)| {
                bytes.extend(extension.as_bytes());
                RepoPath::new(bytes).ok()
            })
            .collect();
        let changes = all.iter().map(|path| Change {
            path: path.clone(),
            before: None,
            after: side("1"),
            renamed_from: None,
        });
        let allowed = all.iter().filter_map(|path| path.to_str().map(str::to_owned)).collect();
        let mut ticket = quick(&["a"], "");
        ticket.scope.allowed = Some(allowed);
        let facts = ChangeFacts { files: BTreeMap::new(), manifests: all.clone(), ..ChangeFacts::default() };
        let rules = rules();
        for crossed in [rules.of_changes(&set(changes.collect()), &facts, &ticket), rules.of_ticket(&ticket, &all)] {
            prop_assert!(crossed.is_sorted_by_key(|crossing| (crossing.trigger, crossing.path.clone())));
            for crossing in &crossed {
                prop_assert!(crossing.evidence.len() < 1200, "{crossing}");
                let same = crossed.iter().filter(|other| other.trigger == crossing.trigger).count();
                prop_assert!(same <= MAX_PLACES);
            }
        }
    }

    #[test]
    fn any_options_end_in_an_answer_and_the_same_ones_in_no_change(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "#[arg(", "#[derive(Parser)]\n", "struct A {", ".option('", ".command(\"", "@click.option(", "add_argument(", "flag.Int(",
                "Use: \"", "cli.XFlag{", "@Option", "[Option(", "new Option<", "by option(", ".on('-", "option :a,", "\n", "  ", "// ", "# ",
                "'", "\"", "\\", ")", "]", "}", "=>", "func(", "é", "*", "class A ", "fun a", "def a", "private\n", "end\n",
            ]),
            0..60,
        ),
    ) {
        let text = words.concat();
        for name in ["a.rs", "a.ts", "a.py", "a.go", "a.java", "a.kt", "a.rb"] {
            let change = public_api_change(&path(name), Some(text.as_bytes()), Some(text.as_bytes())).unwrap();
            prop_assert!(change.is_empty());
            public_api_change(&path(name), None, Some(text.as_bytes()));
        }
    }

    #[test]
    fn any_content_ends_in_an_answer_and_the_same_content_in_no_change(
        bytes in proptest::collection::vec(
            proptest::sample::select(b"\n\n {}()[];=:#/\\\"'\x00\xff\xc3pub fn class def export type enum const".to_vec()), 0..300
        ),
    ) {
        for name in ["a.rs", "a.ts", "a.py", "a.go", "a.java", "a.kt", "a.rb"] {
            let change = public_api_change(&path(name), Some(&bytes), Some(&bytes)).unwrap();
            prop_assert!(change.is_empty());
            public_api_change(&path(name), None, Some(&bytes));
        }
    }
}
