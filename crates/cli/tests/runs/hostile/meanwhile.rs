//! What changes in a place after the worker's turn, while the runner checks, and while the reviewer reads: by whatever the worker
//! left running, or by anybody else who can write there.

use std::path::PathBuf;

use super::{HELLO, NARROW, attack_while, done, hello, with_checks, world_of};
use crate::common::World;
use crate::world::{TICKET, eventually, run_id};

/// A command that says that it is under way and waits until [`go_on`].
fn held(world: &World) -> String {
    let folder = world.folder().display();
    format!("touch '{folder}/held'; cat '{folder}/pipe'")
}

/// Makes the pipe that a held command waits for.
fn make_pipe(world: &World) {
    let pipe = world.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(pipe).status().unwrap();
    assert!(made.success());
}

fn await_held(world: &World) {
    eventually("the command is under way", || world.folder().join("held").exists());
}

fn go_on(world: &World) {
    std::fs::write(world.folder().join("pipe"), "go\n").unwrap();
}

/// One of the places of the ticket's only run.
fn place(world: &World, name: &str) -> PathBuf {
    let run = run_id(world);
    let place = world
        .state_home()
        .join(format!("counterfoil/places/{TICKET}-{run}/{name}"));
    assert!(place.is_dir(), "{}", place.display());
    place
}

/// A world with an honest worker, and a check that is held before it does this.
fn with_held_check(check: &str) -> World {
    let world = world_of(NARROW, &[hello(), done()].concat());
    make_pipe(&world);
    let checks = format!(
        "[[check]]\nname = \"held\"\nrun = \"{}; {check}\"\nsandbox = \"off\"\nbaseline = \"off\"\n",
        held(&world)
    );
    with_checks(world, &checks)
}

#[test]
fn edits_its_files_after_the_turn() {
    let world = with_held_check("grep -qx hello hello.txt");
    attack_while(world, &HELLO, |world| {
        await_held(world);
        let work = place(world, "work");
        std::fs::write(work.join("hello.txt"), "evil\n").unwrap();
        std::fs::write(work.join("README"), "evil\n").unwrap();
        std::fs::write(work.join("src/evil.rs"), "").unwrap();
        go_on(world);
    });
}
