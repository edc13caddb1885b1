//! A project that was not made for tests, taken through the commands that the README names, word for word.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, CHECKS_FAILED, REVIEW, Terms, WRITE, World, shell, through_both};

through_both!(the_first_ten_minutes_of_the_readme_work_in_a_repository_of_somebody_else);

/// The project: a dependency of ours that has tests and no dependencies.
const CRATE: &str = "strsim";

const TICKET: &str = "0001-refuse-an-empty-name";

/// Its tests are compiled, twice.
const LONG: Duration = Duration::from_secs(400);

fn the_first_ten_minutes_of_the_readme_work_in_a_repository_of_somebody_else(back_end: BackEnd) {
    let refuse = |condition: &str| {
        shell(&format!(
            "cat > tests/names.rs <<'EOF'\nextern crate strsim;\nuse strsim::is_name;\n\n#[test]\nfn an_empty_name_is_refused() {{\n    assert!(!is_name(\"\"));\n    \
             assert!(is_name(\"Ada\"));\n}}\nEOF\nsed -i '/^pub fn is_name/,$d' src/lib.rs\n\
             cat >> src/lib.rs <<'EOF'\npub fn is_name(name: &str) -> bool {{\n    {condition}\n}}\nEOF"
        ))
    };
    let script = ModelScript::default()
        .turn(
            CHECKS_FAILED,
            [refuse("!name.is_empty()"), Reply::done("empty names are refused")],
        )
        .turn(
            WRITE,
            [refuse("name.is_empty()"), Reply::done("empty names are refused")],
        )
        .rule(Rule::new(REVIEW, Reply::pass("it refuses the empty name")));
    let world = World::empty(script);
    copy(&source(), &world.repository);
    world.write(".gitignore", "/target\nCargo.lock\n");
    world.git(&["add", "--all"]);
    world.git(&["commit", "--quiet", "-m", "begin"]);

    for line in first_ten_minutes() {
        match line.strip_prefix("$EDITOR ") {
            Some(path) => edit(&world, path, back_end),
            None => type_in(&world, &line),
        }
    }

    let merged = world.git(&["show", "HEAD:src/lib.rs"]);
    assert!(merged.contains("pub fn is_name"), "the change is merged");
    let status = world.foil(&["status", TICKET, "--json"]).succeeds().json();
    assert_eq!(status["tickets"][0]["merged"], true, "{status:#}");
    let packet = world.foil(&["review", TICKET, "--json"]).succeeds().json();
    assert!(
        packet.to_string().contains("\"iterations\":2"),
        "the first turn failed the project's own tests"
    );
    assert!(packet.to_string().contains("cargo test"), "{packet:#}");
}

/// What a person types in the README's first ten minutes, without the comments.
fn first_ten_minutes() -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let section = readme.split("## The first ten minutes").nth(1).expect("the section");
    let console = section.split("```").nth(1).expect("a console");
    let lines: Vec<_> = console
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| line.split(" #").next().unwrap_or(line).trim_end().to_owned())
        .filter(|line| line != "cd your-repository")
        .collect();
    assert!(lines.iter().any(|line| line == "foil run"), "{lines:?}");
    lines
}

/// What a person writes into a file that the README opens.
fn edit(world: &World, path: &str, back_end: BackEnd) {
    let old = std::fs::read_to_string(world.repository.join(path)).unwrap();
    let new = match path.rsplit('/').next() {
        // `init` has found the project's own tests.
        Some("counterfoil.toml") => {
            assert!(old.contains("run = \"cargo test\""), "{old}");
            let agent = toml::Table::from_iter([("agent".to_owned(), world.agent(back_end, &Terms::default()).into())]);
            old.replacen("[agent]\nkind = \"codex\"\n", &agent.to_string(), 1)
        }
        Some("ticket.toml") => {
            "schema = 1\ntitle = \"Refuse an empty name\"\n\n[scope]\nallowed = [\"src/**\", \"tests/**\"]\n".to_owned()
        }
        Some("prompt.md") => "`is_name` says whether a text can be a name: it is not empty.\n".to_owned(),
        other => panic!("the README opens {other:?}"),
    };
    assert_ne!(old, new);
    world.write(path, &new);
}

/// Runs a line as a shell would, with this `foil`.
fn type_in(world: &World, line: &str) {
    let programs = Path::new(env!("CARGO_BIN_EXE_foil")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .env("PATH", format!("{}:{path}", programs.display()));
    let before = world.snapshot();
    let ran = world.start(command).ends_within(LONG);
    if line.starts_with("foil run") {
        before.assert_same_as(&world.snapshot());
    }
    assert!(ran.status.success(), "{line}\n{}\n{}", ran.stdout, ran.stderr);
}

/// Where the project's source lies, as Cargo has fetched it for us.
fn source() -> PathBuf {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("what cargo knows");
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"] == CRATE)
        .expect("a dependency of ours");
    Path::new(package["manifest_path"].as_str().unwrap())
        .parent()
        .unwrap()
        .to_owned()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else if entry.file_name() != ".cargo-ok" && entry.file_name() != ".cargo_vcs_info.json" {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
