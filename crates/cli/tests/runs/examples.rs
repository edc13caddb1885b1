//! The programs that show how to embed the engine, run as they are.

use std::path::{Path, PathBuf};

use crate::common::{Said, said};
use crate::seen;
use crate::world::{TICKET, WRITER, approved, json_lines};

/// An example of the runner, which is built with the tests of the workspace.
fn example(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_foil")).parent().unwrap().join("examples");
    let program = program.join(name);
    assert!(
        program.is_file(),
        "build the example `{name}` first (`cargo build --workspace --examples`)"
    );
    program
}

#[test]
fn an_embedder_runs_a_ticket_and_follows_its_events() {
    let world = approved(WRITER);
    let run = || said(world.command(example("embed")).arg(TICKET));
    let told = run();
    let events = json_lines(&world.foil(&["events", TICKET, "--json"]));
    let lines: Vec<_> = events
        .iter()
        .map(|line| format!("{} {}\n", line["at"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        Said {
            code: Some(0),
            stdout: format!("done: foil/{TICKET}\n"),
            stderr: lines.concat(),
        }
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    // A second time there is nothing to run.
    let again = run();
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""), "{again}");
    assert_eq!(said(&mut world.command(example("embed"))).code, Some(1));
}

#[test]
fn an_embedder_tells_by_its_exit_code_that_a_run_stopped() {
    let world = approved("role = \"writer\"\n[answer]\nreport = { summary = \"nothing to do\" }\n");
    let told = said(world.command(example("embed")).arg(TICKET));
    assert_eq!(
        (told.code, told.stdout.as_str()),
        (Some(1), "blocked: no branch\n"),
        "{told}"
    );
}

#[test]
fn the_pure_loop_is_driven_by_hand_to_its_end() {
    let world = crate::common::World::new();
    seen!("pure_loop", said(&mut world.command(example("pure_loop"))));
}
