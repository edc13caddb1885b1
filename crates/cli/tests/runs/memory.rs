//! What a runner keeps in memory.

use std::process::Stdio;
use std::time::Duration;

use ledger_core::{Event, Observation};

use crate::common::World;
use crate::world::{CONTRACT, TICKET, WRITER, approved_with, journaled};

const PRINTED: u64 = 60 << 20;
/// What is kept of an output is 4 MiB at the most.
const MORE: u64 = 16 << 20;

/// A world whose check prints so much.
fn printing(bytes: u64) -> World {
    approved_with(WRITER, CONTRACT, |world| {
        let policy = world.read("counterfoil.toml");
        let prints = format!("head -c {bytes} /dev/zero | tr '\\\\0' x; grep -q");
        let louder = policy.replace("grep -q", &prints);
        assert_ne!(policy, louder);
        world.write("counterfoil.toml", louder);
    })
}

/// The most memory that a `foil run` held which ends well, as the kernel counts it.
fn peak_of_run(world: &World) -> u64 {
    let mut command = world.foil_command();
    command
        .args(["run", TICKET])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut runner = command.spawn().unwrap();
    let status = format!("/proc/{}/status", runner.id());
    let mut peak = 0;
    let ended = loop {
        // What is not waited for yet can be looked at; what has ended holds nothing any more.
        let text = std::fs::read_to_string(&status).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = kibibytes.map_or(peak, |kibibytes| kibibytes * 1024);
        if let Some(ended) = runner.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success(), "{ended}");
    peak
}

/// How much the checks of a run printed, as its journal says.
fn printed(world: &World) -> u64 {
    let of_checks = |event: &Event| match event {
        Event::Observed {
            observation: Observation::ChecksRan { results, .. },
            ..
        } => results.iter().map(|result| result.output.total_bytes).max(),
        _ => None,
    };
    journaled(world).iter().filter_map(of_checks).max().unwrap()
}

#[test]
fn what_a_check_prints_is_not_kept_in_memory() {
    let (quiet, loud) = (printing(0), printing(PRINTED));

    let (of_quiet, of_loud) = (peak_of_run(&quiet), peak_of_run(&loud));

    assert!(of_quiet > 1 << 20, "{of_quiet} bytes is no program's memory");
    assert!(printed(&quiet) < 1 << 10 && printed(&loud) >= PRINTED);
    assert!(of_loud <= of_quiet + MORE, "{of_loud} bytes beside {of_quiet}");
}
