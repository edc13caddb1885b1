use super::*;
use crate::config::Policy;

fn pack(head: &str) -> SteeringPack {
    SteeringPack::parse(format!("+++\ntitle = \"x\"\n{head}\n+++\nText.\n").as_bytes()).unwrap()
}

fn packs(list: &[(&str, &str)]) -> BTreeMap<SteeringName, SteeringPack> {
    list.iter()
        .map(|(name, head)| (name.parse().unwrap(), pack(head)))
        .collect()
}

fn ticket(text: &str) -> TicketFile {
    TicketFile::parse(format!("title = \"x\"\n{text}").as_bytes()).unwrap()
}

fn files(list: &[&str]) -> Vec<RepoPath> {
    list.iter().map(|path| path.parse().unwrap()).collect()
}

type Chosen = Result<Vec<SteeringName>, SteeringError>;

fn choose(ticket: &TicketFile, packs: &BTreeMap<SteeringName, SteeringPack>, base: &[&str]) -> Chosen {
    let (policy, base) = (Policy::default(), files(base));
    let scope = PolicyScope::new(&policy);
    let choice = SteeringChoice::new(packs.iter().map(|(name, pack)| (name, &pack.head)));
    let chosen = choice.of(ticket, &scope, &base);
    if let Some(places) = choice.places() {
        let is_in = |path: &RepoPath| places.iter().any(|place| path == place || path.is_within(place));
        let (by_places, _) = base.iter().cloned().partition::<Vec<_>, _>(is_in);
        assert_eq!(chosen, choice.of(ticket, &scope, &by_places));
    }
    let by_files_that_count = choice.of(ticket, &scope, &choice.files_that_count(base));
    assert_eq!(chosen, by_files_that_count);
    chosen
}

fn chosen(ticket: &TicketFile, packs: &BTreeMap<SteeringName, SteeringPack>, base: &[&str]) -> Vec<String> {
    let chosen = choose(ticket, packs, base).unwrap();
    chosen.iter().map(ToString::to_string).collect()
}

const ALWAYS: &str = "[inclusion]\nmode = \"always\"";
const MANUAL: &str = "[inclusion]\nmode = \"manual\"";

fn files_of(mode: &str, pattern: &str) -> String {
    format!("[inclusion]\nmode = \"{mode}\"\nfile_match = [\"{pattern}\"]")
}

#[test]
fn packs_are_given_by_mode_and_then_by_name() {
    let rust = files_of("file_match", "src/**");
    let cargo = files_of("auto", "Cargo.toml");
    let all = packs(&[
        ("a-shop", MANUAL),
        ("b-cargo", &cargo),
        ("c-rust", &rust),
        ("d-style", ALWAYS),
        ("e-base", ALWAYS),
        ("f-other", MANUAL),
    ]);
    let ticket = ticket("[context]\nsteering = [\"a-shop\", \"d-style\"]\n[scope]\nallowed = [\"src/a.rs\"]\n");
    assert_eq!(
        chosen(&ticket, &all, &["Cargo.toml", "src/a.rs"]),
        ["d-style", "e-base", "c-rust", "b-cargo", "a-shop"]
    );
    assert_eq!(chosen(&ticket, &all, &[]), ["d-style", "e-base", "c-rust", "a-shop"]);
}

#[test]
fn a_pack_for_files_is_given_where_the_ticket_may_change_one_of_them() {
    for (pattern, scope, base, given) in [
        ("src/**", "[\"src/a.rs\"]", &[][..], true),
        ("src/**", "[\"src/new/**\"]", &[], true),
        ("**/*.sql", "[\"src/**\"]", &[], false),
        ("**/*.sql", "[\"src/**\"]", &["src/q.sql"], true),
        ("**/*.sql", "[\"src/**\"]", &["db/q.sql"], false),
        ("src/*.rs", "[\"src/*\"]", &["src/a.rs", "src/deep/a.rs"], true),
        ("docs/**", "[\"src/**\"]", &["docs/a.md"], false),
        (
            "src/old/**",
            "[\"src/**\"]\nforbidden = [\"src/old/**\"]",
            &["src/old/a.rs"],
            false,
        ),
        ("**/AGENTS.md", "[\"**\"]", &["AGENTS.md"], false),
        ("app/[id]/page.tsx", "[\"app/[id]/page.tsx\"]", &[], true),
    ] {
        let all = packs(&[("p", &files_of("file_match", pattern))]);
        let ticket = ticket(&format!("[scope]\nallowed = {scope}\n"));
        assert_eq!(
            !chosen(&ticket, &all, base).is_empty(),
            given,
            "{pattern} for {scope} in {base:?}"
        );
    }
    let granted = ticket("[scope]\nallowed = [\"a\"]\n[grants]\nprotected = [\".github/workflows/ci.yml\"]\n");
    let all = packs(&[("ci", &files_of("file_match", ".github/**"))]);
    assert_eq!(chosen(&granted, &all, &[]), ["ci"]);
    let all = packs(&[("docs", &files_of("file_match", "docs/**"))]);
    assert_eq!(chosen(&ticket("docs_only = true\n"), &all, &["docs/a.md"]), ["docs"]);
    assert_eq!(chosen(&ticket("docs_only = true\n"), &all, &["a.md"]), [""; 0]);
    assert_eq!(chosen(&ticket("mode = \"loop\"\n"), &all, &["docs/a.md"]), ["docs"]);
}

#[test]
fn a_pack_that_is_named_is_given_whatever_its_mode() {
    let all = packs(&[("p", &files_of("file_match", "docs/**"))]);
    let named = ticket("[context]\nsteering = [\"p\"]\n[scope]\nallowed = [\"src/**\"]\n");
    assert_eq!(chosen(&named, &all, &[]), ["p"]);
    let unknown = ticket("[context]\nsteering = [\"q\"]\n[scope]\nallowed = [\"src/**\"]\n");
    assert_eq!(
        choose(&unknown, &all, &[]),
        Err(SteeringError::Unknown {
            name: "q".parse().unwrap()
        })
    );
}

#[test]
fn a_pattern_that_cannot_be_used_is_an_error_of_its_pack() {
    let all = packs(&[("p", &files_of("auto", "/absolute"))]);
    let error = choose(&ticket("mode = \"loop\"\n"), &all, &[]).unwrap_err();
    assert!(
        matches!(&error, SteeringError::Pattern { pack, .. } if pack.as_str() == "p"),
        "{error}"
    );
    assert!(check_steering_patterns(&all.values().next().unwrap().head).is_err());
}

#[test]
fn contradictions_are_found_and_agreement_is_none() {
    let conflicts = |ticket: &TicketFile, list: &[(&str, &str)]| {
        let packs: Vec<_> = packs(list).into_iter().collect();
        let conflicts = steering_conflicts(ticket, &PolicyScope::new(&Policy::default()), &packs);
        conflicts.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let rule = |value: &str| format!("{ALWAYS}\n[rules]\n\"errors.library\" = \"{value}\"");
    let asks = |path: &str| format!("asks_to_change = [\"{path}\"]\n{ALWAYS}");
    let decided = |status: &str| {
        ticket(&format!(
            "[scope]\nallowed = [\"src/**\"]\n[[decision]]\nid = \"DEC-1\"\nstatus = \"{status}\"\ndecision = \"anyhow\"\n\
             rules = {{ \"errors.library\" = \"anyhow\" }}\n"
        ))
    };
    let plain = ticket("[scope]\nallowed = [\"src/**\"]\n");
    assert_eq!(conflicts(&plain, &[("a", &rule("x")), ("b", &rule("x"))]), [""; 0]);
    assert_eq!(
        conflicts(&plain, &[("a", &rule("x")), ("b", &rule("y")), ("c", &rule("x"))]),
        ["the pack `a` says `errors.library` is `x`, and the pack `b` says `y`"]
    );
    assert_eq!(
        conflicts(&decided("accepted"), &[("a", &rule("thiserror"))]),
        ["the decision `DEC-1` says `errors.library` is `anyhow`, and the pack `a` says `thiserror`"]
    );
    assert_eq!(conflicts(&decided("proposed"), &[("a", &rule("thiserror"))]), [""; 0]);
    assert_eq!(conflicts(&plain, &[("a", &asks("src/changes.md"))]), [""; 0]);
    assert_eq!(
        conflicts(&plain, &[("a", &asks("CHANGELOG.md")), ("b", &asks("src/AGENTS.md"))]),
        [
            "the pack `a` asks to change `CHANGELOG.md`: the path is not in the ticket's `[scope] allowed`",
            "the pack `b` asks to change `src/AGENTS.md`: protected: it instructs coding agents"
        ]
    );
}
