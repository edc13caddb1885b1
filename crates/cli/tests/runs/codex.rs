//! `foil codex`

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::World;
use crate::seen;
use crate::world::json;

/// A world in which `codex` is a script that answers as the real one does, and notes how it was called.
fn with_codex(login: &str) -> World {
    let world = with_untrusted_codex(login);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    world
}

fn with_untrusted_codex(login: &str) -> World {
    let world = World::initialized();
    let codex = world.folder().join("codex");
    stand_in(&codex, &world.folder().join("calls"), login);
    world.write(
        "counterfoil.toml",
        format!("[agent]\ncommand = \"{}\"\n", codex.display()),
    );
    world
}

/// Writes a program that answers as Codex does, and notes how it was called.
fn stand_in(codex: &Path, log: &Path, login: &str) {
    let script = format!(
        "#!/bin/sh\necho \"$CODEX_HOME: $*\" >> '{}'\ncase \"$*\" in\n--version) echo codex-cli 0.169.0;;\n\
         'login status') {login};;\n'login --with-api-key') cat > \"$CODEX_HOME/auth.json\";;\nsandbox*) exit 0;;\n*) exit 1;;\nesac\n",
        log.display()
    );
    std::fs::write(codex, script).unwrap();
    std::fs::set_permissions(codex, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_agent_of_a_policy_that_is_not_trusted_is_not_started() {
    let world = with_untrusted_codex("echo 'Logged in using ChatGPT'");
    let in_path = world.folder().join("bin");
    std::fs::create_dir(&in_path).unwrap();
    stand_in(&in_path.join("codex"), &world.folder().join("calls_in_path"), "exit 0");
    let mut path = in_path.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    for args in [&["codex", "status"][..], &["codex", "login"], &["doctor"]] {
        let said = crate::common::said(world.foil_command().env("PATH", &path).args(args));
        let words = said.to_string();
        assert!(words.contains("not trusted") && words.contains("in PATH"), "{said}");
    }
    assert!(world.folder().join("calls_in_path").exists());
    assert!(!world.folder().join("calls").exists());
}

#[test]
fn the_login_and_the_sandbox_that_runs_use_are_shown() {
    let world = with_codex("echo 'Logged in using ChatGPT'");
    seen!("codex_status", world.foil(&["codex", "status"]));
    let document = json(&world.foil(&["codex", "status", "--json"]));
    seen!("codex_json", world.foil(&["codex", "status", "--json"]));
    assert_eq!(document["schema"], "counterfoil.codex/1");
    assert_eq!(document["login"]["works"], true);
    let world = with_codex("echo 'Not \u{1b}[31mlogged in' >&2; exit 1");
    seen!("codex_logged_out", world.foil(&["codex", "status"]));
}

#[test]
fn logging_in_for_runs_leaves_the_users_own_login_alone() {
    let world = with_codex("exit 0");
    let own = world.home().join(".codex/auth.json");
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::write(&own, "mine").unwrap();
    assert_eq!(world.foil(&["codex", "status"]).code, Some(0));
    let ours = world.state_home().join("counterfoil/codex-home/auth.json");
    assert!(ours.is_symlink());
    let key = world.folder().join("key");
    std::fs::write(&key, "for runs").unwrap();
    let mut login = world.foil_command();
    login
        .args(["codex", "login", "--", "--with-api-key"])
        .stdin(std::fs::File::open(&key).unwrap());
    let said = crate::common::said(&mut login);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(!ours.is_symlink());
    assert_eq!(std::fs::read_to_string(&ours).unwrap(), "for runs");
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "mine");
    let failed = world.foil(&["codex", "login"]);
    assert_eq!(failed.code, Some(1), "{failed}");
    let calls = std::fs::read_to_string(world.folder().join("calls")).unwrap();
    let home = ours.parent().unwrap().display().to_string();
    assert!(
        calls
            .lines()
            .filter(|call| call.contains("login"))
            .all(|call| call.starts_with(&home)),
        "{calls}"
    );
}

#[test]
fn the_login_for_runs_needs_no_repository() {
    let world = with_codex("echo 'Logged in using ChatGPT'");
    let mut status = world.foil_command();
    let path = std::env::var("PATH").unwrap();
    status
        .current_dir("/")
        .env("PATH", format!("{}:{path}", world.folder().display()))
        .args(["codex", "status", "--json"]);
    let said = crate::common::said(&mut status);
    let document = json(&said);
    assert_eq!(
        (said.code, &document["login"]["works"]),
        (Some(0), &true.into()),
        "{said}"
    );
    assert!(world.state_home().join("counterfoil/codex-home").is_dir());
}

#[test]
fn without_codex_the_hint_says_what_to_install() {
    let world = World::initialized();
    world.write("counterfoil.toml", "[agent]\ncommand = \"no-such-codex\"\n");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    seen!("codex_missing", world.foil(&["codex", "status"]));
    world.write(
        "counterfoil.toml",
        "[agent]\nkind = \"scripted\"\ncommand = \"scripts\"\n",
    );
    assert_eq!(world.foil(&["codex", "login"]).code, Some(11));
}

#[test]
fn roles_for_the_users_own_codex_are_written_once_and_what_is_theirs_is_left() {
    let world = World::initialized();
    world.write(".codex/config.toml", "model = \"mine\"\n");
    seen!("codex_install_dry_run", world.foil(&["codex", "install", "--dry-run"]));
    assert!(!world.root().join(".codex/agents").exists());
    seen!("codex_install", world.foil(&["codex", "install", "--hooks"]));
    assert_eq!(world.read(".codex/config.toml"), "model = \"mine\"\n");
    seen!("codex_role", world.read(".codex/agents/foil-planner.toml"));
    seen!("codex_hooks", world.read(".codex/hooks.json"));
    let again = json(&world.foil(&["codex", "install", "--hooks", "--json"]));
    let done: std::collections::BTreeSet<_> = again["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["done"].to_string() + &file["because"].to_string())
        .collect();
    assert_eq!(
        done,
        ["\"kept\"\"foreign\"", "\"unchanged\"null"].map(str::to_owned).into()
    );
}

#[test]
fn roles_for_all_repositories_go_to_the_users_codex_home() {
    let world = World::initialized();
    let said = world.foil(&["codex", "install", "--user"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains("start `codex` once"), "{said}");
    std::fs::create_dir_all(world.home().join(".codex")).unwrap();
    let said = world.foil(&["codex", "install", "--user"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(world.home().join(".codex/agents/foil-writer.toml").exists());
    assert!(!world.root().join(".codex").exists());
}

#[test]
fn the_skill_names_only_verbs_that_exist_and_leaves_a_persons_word_to_a_person() {
    let world = World::initialized();
    assert_eq!(world.foil(&["codex", "install"]).code, Some(0));
    let skill = world.read(".codex/skills/foil/SKILL.md");
    let verbs: std::collections::BTreeSet<_> = skill
        .split("`foil ")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap())
        .collect();
    for verb in &verbs {
        let said = world.foil(&[verb, "--help"]);
        assert_eq!(said.code, Some(0), "{verb}: {said}");
    }
    for expected in [
        "plan", "check", "run", "status", "review", "explain", "approve", "answer",
    ] {
        assert!(verbs.contains(expected), "{verbs:?}");
    }
    let (_, persons) = skill.split_once("## What only a person does").unwrap();
    let persons = persons.split("\n## ").next().unwrap();
    for word in ["approve", "trust", "answer", "accept", "reject", "cancel"] {
        assert!(persons.contains(&format!("`foil {word}`")), "{word}");
    }
    assert!(persons.contains("Never run them"), "{persons}");
    assert!(skill.contains("drafts only: nothing is approved"), "{skill}");
}

#[test]
fn a_skill_of_the_persons_own_is_left() {
    let world = World::initialized();
    world.write(
        ".codex/skills/foil/SKILL.md",
        "---\nname: foil\ndescription: mine\n---\n",
    );
    let said = world.foil(&["codex", "install"]);
    assert!(said.stdout.contains("kept     .codex/skills/foil/SKILL.md"), "{said}");
    assert!(world.read(".codex/skills/foil/SKILL.md").contains("mine"));
}
