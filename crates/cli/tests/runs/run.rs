//! `foil run`, `foil explain` and `foil status` of what runs.

use std::process::Stdio;

use ledger_core::{Activity, Event};
use serde_json::Value;

use crate::seen;
use crate::world::{Runner, TICKET, approved, done, eventually, journaled, json, unchosen};

#[test]
fn a_dry_run_names_what_would_run_and_runs_nothing() {
    let world = unchosen();
    let before = world.observed();
    seen!("run_dry_several", world.foil(&["run", "--dry-run"]));
    seen!(
        "run_dry_next_json",
        world.foil(&["run", "--dry-run", "--next", "--json"])
    );
    seen!("run_dry_all", world.foil(&["run", "--dry-run", "--all"]));
    assert_eq!(world.observed(), before);
    assert!(!world.root().join(".git/counterfoil/runs").exists());
}

#[test]
fn the_next_of_several_ready_tickets_is_run_alone() {
    let world = unchosen();
    let said = world.foil(&["run", "--next", "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    let document = json(&said);
    // The higher priority goes first.
    assert_eq!(document["runs"][0]["ticket"], "0002-later");
    assert_eq!(document["runs"].as_array().unwrap().len(), 1);
    assert_eq!(
        json(&world.foil(&["status", TICKET, "--json"]))["tickets"][0]["state"],
        "ready"
    );
}

#[test]
fn a_run_is_told_in_words_and_as_a_document() {
    let world = approved(crate::world::WRITER);
    let said = world.foil(&["run", "--json", "--model", "some-model"]);
    assert_eq!(said.code, Some(0), "{said}");
    seen!("run_json", said.stdout);
}

#[test]
fn why_a_ticket_would_run_is_explained_gate_by_gate() {
    let world = approved(crate::world::WRITER);
    let before = world.observed();
    seen!("explain", world.foil(&["explain", TICKET]));
    seen!("explain_json", world.foil(&["explain", TICKET, "--json"]));
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Something else.\n");
    let said = world.foil(&["explain", TICKET, "--json"]);
    assert_eq!(said.code, Some(11), "{said}");
    let document = json(&said);
    assert_eq!(document["would_run"], false);
    let no = document["gates"]
        .as_array()
        .unwrap()
        .iter()
        .find(|gate| gate["verdict"] == "no");
    let next = no.unwrap()["blocker"]["next_step"].as_str().unwrap();
    assert!(next.contains(&format!("foil approve {TICKET}")), "{document}");
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Do it.\n");
    assert_eq!(world.observed(), before);
}

#[test]
fn what_runs_now_is_shown_while_it_runs() {
    let world = approved(
        "role = \"writer\"\n[tokens]\ninput = 1200\noutput = 34\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n\
         [answer]\nreport = { summary = \"done\" }\n",
    );
    // The check waits until somebody writes into the pipe, and so does the run.
    let pipe = world.folder().join("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let policy = world.read("counterfoil.toml");
    let held = format!(
        "{policy}\n[[check]]\nname = \"held\"\nrun = \"cat {}\"\nsandbox = \"off\"\nbaseline = \"off\"\n",
        pipe.display()
    );
    world.write("counterfoil.toml", held);
    world.commit_all("A check that waits");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let mut command = world.foil_command();
    command
        .args(["run", TICKET])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut runner = Runner(command.spawn().unwrap());

    let status = || json(&world.foil(&["status", TICKET, "--json"]))["tickets"][0].clone();
    eventually("the checks run", || {
        status()["doing"].as_str().is_some_and(|doing| doing.contains("checks"))
    });
    let now: Value = status();
    assert_eq!(now["state"], "running");
    assert_eq!(now["phase"], "implementation_complete");
    assert_eq!((&now["iteration"], &now["tokens"]), (&1.into(), &1234.into()));
    assert_eq!(now["files_changed"], 1);
    assert!(now["elapsed_seconds"].is_u64(), "{now}");
    let shown = world.foil(&["status"]);
    for part in [
        "running",
        "implementation_complete, iteration 1, ",
        "checks",
        "1 file changed, 1.2k of 5.0M tokens, ",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {shown}");
    }

    std::fs::write(&pipe, "go\n").unwrap();
    assert_eq!(runner.0.wait().unwrap().code(), Some(0));
    assert_eq!(status()["state"], "done");
}

#[test]
fn a_run_that_delivers_nothing_names_how_to_get_its_tree() {
    let world = approved(crate::world::WRITER);
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}\n[delivery]\nmode = \"none\"\n"));
    world.commit_all("Deliver nothing");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    assert_eq!(world.foil(&["run"]).code, Some(0));
    let ticket = json(&world.foil(&["status", TICKET, "--json"]))["tickets"][0].clone();
    let command = |purpose: &str| {
        let steps = ticket["next_steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["purpose"] == purpose);
        step.unwrap_or_else(|| panic!("{purpose}: {ticket}"))["command"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let shell = |line: &str| crate::common::said(world.command("sh").args(["-c", line]));
    let diff = shell(&command("see the change"));
    assert!(diff.stdout.contains("+hello"), "{diff}");
    assert_eq!(shell(&command("make a branch of it")).code, Some(0));
    assert_eq!(world.git(&["show", "foil/0001-hello:hello.txt"]), "hello");
    seen!("status_undelivered", world.foil(&["status", TICKET]));
}

#[test]
fn what_is_done_is_cleaned_up_by_the_command_that_status_names() {
    let world = done();
    let shown = world.foil(&["status", TICKET]);
    assert!(shown.stdout.contains("foil clean --apply"), "{shown}");
    seen!("clean_apply_json", world.foil(&["clean", "--apply", "--json"]));
}

#[test]
fn documents_of_the_other_verbs_keep_their_form() {
    let world = done();
    seen!("verify_json", world.foil(&["verify", "--json"]));
    seen!("logs_json", world.foil(&["logs", TICKET, "--json"]));
    seen!("stop_json", world.foil(&["stop", "--json"]));
    // What is seen differs from machine to machine; what is looked at does not.
    let doctor = json(&world.foil(&["doctor", "--json"]));
    let mut keys = std::collections::BTreeSet::new();
    for finding in doctor["findings"].as_array().unwrap() {
        keys.extend(finding.as_object().unwrap().keys().cloned());
    }
    let top: Vec<_> = doctor.as_object().unwrap().keys().cloned().collect();
    keys.remove("hint");
    let keys: Vec<_> = keys.into_iter().collect();
    seen!("doctor_keys", format!("{}\n{}", top.join(" "), keys.join(" ")));
}

#[test]
fn all_that_a_worker_says_is_recorded_however_fast_it_says_it() {
    let world = approved(
        "role = \"writer\"\n[[step]]\ndo = \"message\"\ntext = \"step {n}\"\ntimes = 5000\n\
         [[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n[answer]\nreport = { summary = \"wrote it\" }\n",
    );
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let steps: Vec<_> = journaled(&world)
        .into_iter()
        .filter_map(|event| match event {
            Event::Activity(Activity::Message { text }) => Some(text),
            _ => None,
        })
        .collect();
    let expected: Vec<_> = (1..=5000).map(|n| format!("step {n}")).collect();
    assert_eq!(steps, expected);
}
