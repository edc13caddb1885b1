//! Hooks of the user's own repository: what `foil` commits does not set them off, and they add nothing to it.

use std::os::unix::fs::PermissionsExt as _;

use crate::common::{LOOP, World};
use crate::world::{TICKET, WRITER, approved};

/// Every hook that a commit, a checkout, a merge or a push could set off.
const HOOKS: [&str; 11] = [
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "pre-merge-commit",
    "post-merge",
    "post-checkout",
    "post-rewrite",
    "post-index-change",
    "pre-push",
    "reference-transaction",
];

/// Hooks that leave a mark, and bring a file of theirs into every commit. What they call sets off none of them again.
fn plant(world: &World, folder: &str) {
    let folder = world.root().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let fired = world.folder().join("fired");
    for name in HOOKS {
        let hook = folder.join(name);
        let script = format!(
            "#!/bin/sh\n[ -z \"$PLANTED\" ] || exit 0\nexport PLANTED=1\necho {name} >>{}\necho evil >evil.txt\ngit add -f evil.txt\n",
            fired.display()
        );
        std::fs::write(&hook, script).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn no_hook_of_the_users_runs_or_adds_anything_whatever_is_committed() {
    for folder in [".git/hooks", ".git/own-hooks"] {
        let world = approved(WRITER);
        for id in ["0002-more", "0003-never"] {
            world.ticket(id, LOOP);
        }
        plant(&world, folder);
        if folder != ".git/hooks" {
            world.git(&["config", "core.hooksPath", folder]);
        }
        for args in [
            &["approve", "0002-more"][..],
            &["approve", "0003-never"],
            &["cancel", "0003-never", "--because", "not wanted"],
            &["run", TICKET],
            &["deliver", TICKET, "--here"],
        ] {
            let said = world.foil(args);
            assert_eq!(said.code, Some(0), "{args:?}: {said}");
        }
        let fired = std::fs::read_to_string(world.folder().join("fired")).unwrap_or_default();
        assert_eq!(fired, "", "{folder}");
        assert!(!world.root().join("evil.txt").exists());
        assert_eq!(world.git(&["log", "--all", "--format=%h", "--", "evil.txt"]), "");
        // They are hooks that a commit of the user's own sets off.
        world.git(&["commit", "-q", "--allow-empty", "-m", "own"]);
        assert!(world.folder().join("fired").exists(), "{folder}");
    }
}
