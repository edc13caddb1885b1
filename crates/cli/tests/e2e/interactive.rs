//! The Codex that a person uses themselves: the roles and hooks that `foil codex install` writes for it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::json;
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::world::{BackEnd, PATIENCE, Ran, Terms, World, codex_path, shell};

const TICKET: &str = "0001-say-hello";
const ASK: &str = "please do the ticket";

/// A world whose person has installed everything, trusts the project, and has the ticket's branch checked out.
fn world(script: ModelScript) -> World {
    let world = World::new(BackEnd::AppServer, Terms::default(), script);
    world.foil(&["codex", "install", "--hooks"]).succeeds();
    world.git(&["add", "--all"]);
    world.git(&["commit", "--quiet", "-m", "Set up Codex"]);
    world.git(&["switch", "--quiet", "-c", &format!("foil/{TICKET}")]);
    let mut config = world.model.codex_config("gpt-5.5", 0);
    config.extend(toml::toml! {
        approval_policy = "never"
        check_for_update_on_startup = false
        analytics = { enabled = false }
        features = { plugins = false, shell_snapshot = false, unbounded_connection_retries = false }
    });
    let trusted = toml::Table::from_iter([("trust_level".to_owned(), "trusted".into())]);
    let project = world.repository.to_str().unwrap().to_owned();
    let projects = toml::Table::from_iter([(project, trusted.into())]);
    config.insert("projects".to_owned(), projects.into());
    let home = world.root().join("home/.codex");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("config.toml"), config.to_string()).unwrap();
    world
}

/// Lets Codex take one turn, as its person would.
fn codex(world: &World, more: &[&str]) -> Ran {
    let mut command = Command::new(codex_path());
    let foil = std::path::Path::new(env!("CARGO_BIN_EXE_foil")).parent().unwrap();
    let path = format!("{}:{}", foil.display(), std::env::var("PATH").unwrap());
    command
        .args(["exec", "--json", "-s", "workspace-write"])
        .args(more)
        .arg(ASK)
        .env("PATH", path);
    world.start(command).ends_within(PATIENCE).succeeds()
}

fn patch(path: &str) -> Reply {
    Reply::Patch(format!("*** Begin Patch\n*** Add File: {path}\n+hello\n*** End Patch"))
}

/// What the model was told of its tools, in order.
fn outputs(world: &World) -> Vec<String> {
    let requests = world.model.requests().into_iter();
    requests.filter_map(|request| request.last_tool_output()).collect()
}

#[test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
fn a_model_that_leaves_the_scope_is_refused_by_the_hook_and_told_why() {
    let heredoc = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: away.txt\n+x\n*** End Patch\nEOF";
    let script = ModelScript::default().turn(
        ASK,
        [
            patch("elsewhere.txt"),
            shell(heredoc),
            shell("foil approve 0001-say-hello"),
            patch("hello.txt"),
            Reply::Message("done".to_owned()),
        ],
    );
    let world = world(script);

    codex(&world, &["--dangerously-bypass-hook-trust"]);

    let told = outputs(&world);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(
        told[0].contains("`elsewhere.txt` may not change for ticket 0001-say-hello"),
        "{told:#?}"
    );
    assert!(
        told[1].contains("`away.txt` may not change for ticket 0001-say-hello"),
        "{told:#?}"
    );
    assert!(told[2].contains("`foil approve` is a person's word"), "{told:#?}");
    assert!(world.repository.join("hello.txt").exists(), "{told:#?}");
    assert!(!world.repository.join("elsewhere.txt").exists());
    assert!(!world.repository.join("away.txt").exists());
    let first = world.model.requests()[0].body.to_string();
    assert!(
        first.contains("This conversation is about ticket `0001-say-hello`"),
        "{first}"
    );
}

#[test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
fn hooks_that_nobody_trusted_do_not_run() {
    let script = ModelScript::default().turn(ASK, [patch("elsewhere.txt"), Reply::Message("done".to_owned())]);
    let world = world(script);
    codex(&world, &[]);
    assert!(world.repository.join("elsewhere.txt").exists(), "as the guide says");
}

#[test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
fn a_hook_without_foil_keeps_the_tool_from_being_used() {
    let script = ModelScript::default().turn(ASK, [patch("hello.txt"), Reply::Message("done".to_owned())]);
    let world = world(script);
    let mut command = Command::new(codex_path());
    command
        .args([
            "exec",
            "--json",
            "-s",
            "workspace-write",
            "--dangerously-bypass-hook-trust",
            ASK,
        ])
        .env("PATH", "/usr/bin:/bin");
    world.start(command).ends_within(PATIENCE).succeeds();
    let told = outputs(&world);
    assert!(told[0].contains("foil") && told[0].contains("not found"), "{told:#?}");
    assert!(!world.repository.join("hello.txt").exists());
}

#[test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
fn the_roles_are_offered_to_the_model_and_one_that_reads_writes_nothing() {
    let call = |name: &str, arguments| Reply::Call {
        name: name.to_owned(),
        namespace: Some("collaboration".to_owned()),
        arguments,
    };
    let reviewer = json!({ "agent_type": "foil-reviewer", "message": "judge it", "task_name": "review" });
    let of_reviewer = |times, reply| Rule {
        sub_agent: Some(true),
        times,
        ..Rule::new("", reply)
    };
    let script = ModelScript::default()
        .rule(of_reviewer(Some(1), patch("hello.txt")))
        .rule(of_reviewer(None, Reply::Message("judged".to_owned())))
        .turn(
            ASK,
            [
                call("spawn_agent", reviewer),
                call("wait_agent", json!({ "timeout_ms": 20_000 })),
                Reply::Message("done".to_owned()),
            ],
        );
    let world = world(script);

    codex(&world, &["-m", "gpt-6-sol", "--dangerously-bypass-hook-trust"]);

    let requests = world.model.requests();
    let offered = requests[0].body.to_string();
    for role in [
        "foil-writer",
        "foil-reviewer",
        "foil-expert-security",
        "foil-final-verifier",
    ] {
        assert!(offered.contains(&format!("{role}: {{")), "{role}: {offered}");
    }
    let of_role: Vec<_> = requests
        .iter()
        .filter(|request| request.header("x-codex-parent-thread-id").is_some())
        .collect();
    assert_eq!(of_role.len(), 2, "the reviewer's turn");
    assert!(
        of_role[0]
            .body
            .to_string()
            .contains("You judge a change that somebody else wrote")
    );
    let told = of_role[0].body.to_string();
    assert!(
        told.contains("You were started for work on ticket `0001-say-hello`"),
        "{told}"
    );
    let told = of_role[1].last_tool_output().unwrap();
    assert!(told.contains("`foil-reviewer` only reads"), "{told}");
    assert!(!world.repository.join("hello.txt").exists());
}

#[test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
fn the_skill_is_offered_to_the_model_and_read_when_it_is_named() {
    // What the skill says comes last, so it is what the model answers to.
    let world = world(ModelScript::default().turn("<skill>", [Reply::Message("done".to_owned())]));
    let mut command = Command::new(codex_path());
    command.args(["exec", "--json", "-s", "read-only", &format!("$foil {ASK}")]);
    world.start(command).ends_within(PATIENCE).succeeds();
    let first = world.model.requests()[0].body.to_string();
    assert!(first.contains("- foil: Work with Counterfoil"), "it is listed: {first}");
    assert!(first.contains("# Working with foil"), "it is read: {first}");
    assert!(first.contains("Never run them"), "{first}");
}

#[test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
fn the_doctor_finds_the_protocol_of_the_pinned_codex_as_it_was_tested() {
    let world = World::new(BackEnd::AppServer, Terms::default(), ModelScript::default());
    let said = world.foil(&["doctor", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let protocol = findings.iter().find(|finding| finding["what"] == "codex protocol");
    assert_eq!(protocol.unwrap()["state"], "ok", "{}", said.stdout);
}

/// What the doctor finds of the protocol of a Codex whose description of itself is changed so.
fn protocol_of(change: &str) -> serde_json::Value {
    let world = World::new(BackEnd::AppServer, Terms::default(), ModelScript::default());
    let codex = world.root().join("changed-codex");
    let real = codex_path();
    let script = format!(
        "#!/bin/sh\n'{}' \"$@\" || exit\ncase \"$*\" in *generate-json-schema*) cd \"$5\" && {change};; esac\n",
        real.display()
    );
    std::fs::write(&codex, script).unwrap();
    std::fs::set_permissions(&codex, std::fs::Permissions::from_mode(0o755)).unwrap();
    let policy = world.repository.join("counterfoil.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    let named = format!("command = \"{}\"", real.display());
    assert!(text.contains(&named), "{text}");
    std::fs::write(
        &policy,
        text.replace(&named, &format!("command = \"{}\"", codex.display())),
    )
    .unwrap();
    world.foil(&["trust"]).succeeds();
    let said = world.foil(&["doctor", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap().iter();
    let mut found = findings.filter(|finding| finding["what"] == "codex protocol");
    found.next().unwrap().clone()
}

#[test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
fn a_codex_that_asks_for_more_is_warned_of_and_one_that_lacks_what_runs_use_is_a_problem() {
    let same = protocol_of("true");
    assert_eq!(same["state"], "ok", "{same}");
    let more = protocol_of("sed -i 's|\"item/tool/call\"|\"item/tool/call2\"|' ServerRequest.json");
    assert_eq!(more["state"], "warning", "{more}");
    assert!(
        more["detail"]
            .as_str()
            .unwrap()
            .contains("`item/tool/call2` may be asked for"),
        "{more}"
    );
    let less = protocol_of("sed -i 's|\"turn/interrupt\"|\"turn/stop\"|' ClientRequest.json");
    assert_eq!(less["state"], "problem", "{less}");
    assert!(
        less["detail"].as_str().unwrap().contains("request turn/interrupt"),
        "{less}"
    );
}
