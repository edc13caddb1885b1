//! A package whose tickets are run in several clones.

use crate::common::said;
use crate::packages::{ONE, TWO, packaged, runs_of};

#[test]
fn a_package_goes_on_where_another_clone_has_delivered_its_next_ticket() {
    for args in [
        &["run", "goal"][..],
        &["run", "--all"],
        &["run", "goal", "--max-runs", "1"],
    ] {
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
        let there = |args: &[&str]| said(world.foil_command().args(args).current_dir(&other));
        assert_eq!(there(&["trust"]).code, Some(0));
        let ran = there(&["run", TWO]);
        assert_eq!(ran.code, Some(0), "{ran}");

        let ran = world.foil(args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran}");
        assert!(ran.stderr.contains(&format!("delivered {TWO}: ")), "{args:?}: {ran}");
        assert_eq!(world.git(&["show", "origin/main:three.txt"]), "one\ntwo\nthree");
        assert_eq!(runs_of(&world, TWO), 0, "{args:?}");
        // Whoever names the ticket itself is told that nothing is left of it.
        let ran = world.foil(&["run", TWO]);
        assert_eq!(ran.code, Some(11), "{ran}");
        assert!(ran.stderr.contains("is in the base"), "{ran}");
    }
}
