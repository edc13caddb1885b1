//! A runner that is gone before its push has ended.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{WAYS, Way, assert_delivered, hook, run, tip};
use crate::common::World;
use crate::world::{Runner, TICKET, eventually};

/// A runner whose push hangs in the remote until `go` is there.
fn pushing_for_long(world: &World) -> Runner {
    hook(
        world,
        "pre-receive",
        "touch $WORLD/begun; while ! test -e $WORLD/go; do sleep 0.05; done",
    );
    let mut command: Command = world.foil_command();
    command
        .args(["run", TICKET])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let runner = Runner(command.spawn().unwrap());
    eventually("the push begins", || world.folder().join("begun").exists());
    runner
}

#[test]
fn a_runner_killed_in_the_middle_of_a_push_is_taken_up_and_delivers_once() {
    // What a server does for a client that is gone is the server's own affair.
    for (is_taken, way) in [(true, Way::File), (false, Way::File), (true, Way::Http)] {
        let world = way.pushing("", "");
        let before = tip(&world);
        let mut runner = pushing_for_long(&world);
        runner.0.kill().unwrap();
        runner.0.wait().unwrap();
        if is_taken {
            // The push of the dead runner goes on by itself.
            std::fs::write(world.folder().join("go"), "").unwrap();
            eventually("the push ends", || tip(&world) != before);
        } else {
            end_git_below(world.folder());
            std::fs::write(world.folder().join("go"), "").unwrap();
        }
        assert_delivered(&world, &run(&world), &before);
    }
}

/// Ends what a push left behind, as a machine that goes down would.
fn end_git_below(folder: &Path) {
    let folder = folder.to_str().unwrap();
    eventually("the push is gone", || {
        let mut any = false;
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            if command.contains(folder) && (command.contains("git") || command.contains("hooks")) {
                any = true;
                let pid = process.file_name();
                let _ = Command::new("kill")
                    .args(["-9", pid.to_str().unwrap()])
                    .stderr(Stdio::null())
                    .status();
            }
        }
        !any
    });
}

#[test]
fn an_interrupted_push_leaves_at_once_and_goes_on_later() {
    WAYS.into_iter().for_each(an_interrupted_push_goes_on_later);
}

fn an_interrupted_push_goes_on_later(way: Way) {
    let world = way.pushing("", "");
    let before = tip(&world);
    let mut runner = pushing_for_long(&world);
    let begun = Instant::now();
    let pid = runner.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(runner.0.wait().unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    std::fs::write(world.folder().join("go"), "").unwrap();
    assert_delivered(&world, &run(&world), &before);
}
