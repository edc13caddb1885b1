//! Machines on which nobody may work.

use std::process::Command;
use std::time::Duration;

use crate::processes::assert_none_below;
use crate::world::{BackEnd, PATIENCE, Terms, World, honest_script, skip, through_both};

through_both!(without_a_sandbox_nothing_is_asked_and_nothing_is_left);

/// In a user namespace of its own, in which no further namespace can be made: neither Codex' sandbox nor that of checks
/// starts there.
const WITHOUT_NAMESPACES: [&str; 6] = [
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    "for kind in user mnt pid net; do echo 0 > /proc/sys/user/max_${kind}_namespaces || exit 99; done; exec \"$@\"",
];

fn without_namespaces(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(WITHOUT_NAMESPACES[0]);
    command
        .args(&WITHOUT_NAMESPACES[1..])
        .arg("sh")
        .arg(program)
        .args(arguments);
    command
}

fn without_a_sandbox_nothing_is_asked_and_nothing_is_left(back_end: BackEnd) {
    let possible = without_namespaces("true", &[]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        let test = format!("without_a_sandbox_nothing_is_asked_and_nothing_is_left ({back_end:?})");
        return skip(&test, "namespaces cannot be taken away from a process here");
    }
    let world = World::new(back_end, Terms::default(), honest_script());
    let before = world.snapshot();
    let running = world.start(without_namespaces(env!("CARGO_BIN_EXE_foil"), &["run", "--json"]));

    let ran = running.ends_within(PATIENCE).ends_with(11);

    assert!(ran.stderr.starts_with("error[sandbox_unavailable]: "), "{}", ran.stderr);
    assert_eq!(ran.json()["error"]["code"], "sandbox_unavailable");
    assert_eq!(world.model.requests().len(), 0, "not one token is spent");
    assert_eq!(world.journals("0001-say-hello").len(), 0, "no run was opened");
    let places = world.root().join("state/counterfoil/places");
    let left = std::fs::read_dir(&places).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a place is left");
    assert_eq!(world.git(&["for-each-ref", "refs/counterfoil"]), "");
    before.assert_same_as(&world.snapshot());
    assert_none_below(world.root(), Duration::from_secs(5));
}
