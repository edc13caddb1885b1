//! A package whose tickets are run in several clones.

use std::path::PathBuf;

use crate::common::{Said, World, said};
use crate::packages::{ONE, THREE, TWO, packaged, runs_of};
use crate::world::json;

/// The first ticket of a package is delivered to a remote, of which there is another clone.
fn two_clones() -> (World, PathBuf) {
    let world = packaged(
        [""; 3],
        "[repository]\nid = \"owner/goal\"\n[delivery]\nmode = \"push\"\ntarget = \"main\"\n",
    );
    let remote = world.folder().join("remote.git");
    world.git(&["init", "-q", "--bare", "-b", "main", remote.to_str().unwrap()]);
    world.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    world.git(&["push", "-q", "origin", "main"]);
    assert_eq!(world.foil(&["run", ONE]).code, Some(0));
    let other = world.folder().join("other");
    world.git(&["clone", "-q", remote.to_str().unwrap(), other.to_str().unwrap()]);
    for key in ["user.name", "user.email"] {
        let value = world.git(&["config", key]);
        world.git(&["-C", other.to_str().unwrap(), "config", key, &value]);
    }
    (world, other)
}

fn run_there(world: &World, other: &PathBuf, tickets: &[&str]) -> Said {
    let there = |args: &[&str]| said(world.foil_command().args(args).current_dir(other));
    assert_eq!(there(&["trust"]).code, Some(0));
    there(&[&["run"], tickets].concat())
}

#[test]
fn a_package_that_another_clone_has_brought_to_its_end_is_done() {
    let (world, other) = two_clones();
    let ran = run_there(&world, &other, &[TWO, THREE]);
    assert_eq!(ran.code, Some(0), "{ran}");
    for args in [&["run", "goal"][..], &["run", "--all"], &["run", "goal"]] {
        let ran = world.foil(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran}");
        for ticket in [TWO, THREE] {
            assert!(ran.stderr.contains(&format!("delivered {ticket}: ")), "{args:?}: {ran}");
            assert_eq!(runs_of(&world, ticket), 0, "{args:?}");
        }
    }
    let ran = json(&world.foil(&["run", "goal", "--json"]));
    assert_eq!(ran["delivered_elsewhere"], serde_json::json!([TWO, THREE]), "{ran}");
}

#[test]
fn a_package_goes_on_where_another_clone_has_delivered_its_next_ticket() {
    for args in [
        &["run", "goal"][..],
        &["run", "--all"],
        &["run", "goal", "--max-runs", "1"],
    ] {
        let (world, other) = two_clones();
        let ran = run_there(&world, &other, &[TWO]);
        assert_eq!(ran.code, Some(0), "{ran}");

        let ran = world.foil(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran}");
        assert!(ran.stderr.contains(&format!("delivered {TWO}: ")), "{args:?}: {ran}");
        assert_eq!(world.git(&["show", "origin/main:three.txt"]), "one\ntwo\nthree");
        assert_eq!(runs_of(&world, TWO), 0, "{args:?}");
        // Now something is delivered after what the other clone has delivered.
        for again in [args, &["run", "--all"]] {
            let ran = world.foil(again);
            assert_eq!(ran.code, Some(0), "{again:?}: {ran}");
        }
        // Whoever names the ticket itself is told that nothing is left of it.
        let ran = world.foil(&["run", TWO]);
        assert_eq!(ran.code, Some(11), "{ran}");
        assert!(ran.stderr.contains("is in the base"), "{ran}");
    }
}
