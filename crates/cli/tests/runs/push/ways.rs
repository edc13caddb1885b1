//! What says how the remote is reached, changed while a worker without a sandbox takes its turn.

use super::{elsewhere, pushing, run, tip};
use crate::world::{TICKET, json};

/// The steps of a worker that runs this.
fn steps(command: &str) -> String {
    format!(
        "[[step]]\ndo = \"run\"\ncommand = {}\n",
        serde_json::to_string(command).unwrap()
    )
}

#[test]
fn where_the_way_to_the_remote_has_changed_under_a_run_nothing_is_pushed_until_a_person_has_looked() {
    let commands = [
        "git -C $WORLD/repo config remote.origin.url $WORLD/elsewhere.git",
        "git -C $WORLD/repo config remote.origin.pushurl $WORLD/elsewhere.git",
        "git -C $WORLD/repo config remote.origin.receivepack $WORLD/program",
        "git -C $WORLD/repo config url.$WORLD/elsewhere.git.insteadOf $WORLD/remote.git",
    ];
    for command in commands {
        let world = pushing(&steps(command));
        let elsewhere = elsewhere(&world);
        let before = tip(&world);
        let configuration = std::fs::read(world.root().join(".git/config")).unwrap();

        let said = run(&world);

        assert_eq!(said.code, Some(10), "{command}: {said}");
        let blocker = &json(&said)["runs"][0]["packet"]["blocker"];
        let reason = "Git's configuration of how the remote `origin` is reached was changed meanwhile";
        assert_eq!(
            (&blocker["code"], &blocker["reason"]),
            (&"needs_person".into(), &reason.into()),
            "{command}: {said}"
        );
        let there = world.git(&["--git-dir", elsewhere.to_str().unwrap(), "rev-parse", "main"]);
        assert_eq!((tip(&world), there), (before.clone(), before), "{command}");

        std::fs::write(world.root().join(".git/config"), configuration).unwrap();
        let said = world.foil(&["run", TICKET, "--json"]);
        assert_eq!(said.code, Some(0), "{command}: {said}");
        assert_eq!(
            tip(&world),
            world.git(&["rev-parse", &format!("foil/{TICKET}")]),
            "{command}"
        );
    }
}
