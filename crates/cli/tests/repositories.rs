//! Where `foil` is started: each kind of place has its own error, and nothing is changed.

mod common;

use common::{LOOP, World};
use testkit::repo::TestRepository;

#[test]
fn places_that_cannot_be_worked_in_are_refused_by_name() {
    let mut all = String::new();
    let world = World::new();
    all.push_str(&format!("no repository\n{}\n", world.foil(&["-C", "/", "status"])));
    all.push_str(&format!("no folder\n{}\n", world.foil(&["-C", "nowhere", "status"])));
    for (name, args) in [
        ("bare", &["init", "-q", "--bare", "."][..]),
        ("sha256", &["init", "-q", "--object-format=sha256", "."]),
    ] {
        let world = World {
            repository: TestRepository::empty(env!("CARGO_TARGET_TMPDIR")),
        };
        std::fs::create_dir(world.root()).unwrap();
        world.git(args);
        let before = world.observed();
        all.push_str(&format!("{name}\n{}\n", world.foil(&["status"])));
        all.push_str(&format!("{name}\n{}\n", world.foil(&["init", "--json"])));
        assert_eq!(world.observed(), before);
    }
    snapshot!(all);
}

#[test]
fn any_folder_of_the_repository_will_do() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.write("deep/er/file", "");
    let here = world.foil(&["status"]);
    let deep = common::said(
        world
            .foil_command()
            .current_dir(world.root().join("deep/er"))
            .arg("status"),
    );
    assert_eq!(here, deep);
    let from_outside =
        common::said(
            world
                .foil_command()
                .current_dir(world.folder())
                .args(["-C", "repo/deep", "status"]),
        );
    assert_eq!(here, from_outside);
}

#[test]
fn a_shallow_clone_and_a_linked_work_tree_work() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.commit_all("ticket");
    let url = format!("file://{}", world.root().display());
    world.git(&["clone", "-q", "--depth", "1", &url, "../shallow"]);
    world.git(&["worktree", "add", "-q", "-b", "side", "../linked"]);
    for place in ["shallow", "linked"] {
        let folder = world.folder().join(place);
        let foil = |args: &[&str]| {
            let mut command = world.foil_command();
            command
                .current_dir(&folder)
                .env("GIT_AUTHOR_NAME", "Ada")
                .env("GIT_AUTHOR_EMAIL", "ada@example.org")
                .env("GIT_COMMITTER_NAME", "Ada")
                .env("GIT_COMMITTER_EMAIL", "ada@example.org")
                .args(args);
            common::said(&mut command)
        };
        let said = foil(&["approve", "0001-a"]);
        assert_eq!(said.code, Some(0), "{place}: {said}");
        let said = foil(&["status", "--json"]);
        assert!(said.stdout.contains("\"state\": \"ready\""), "{place}: {said}");
    }
    assert!(
        world
            .foil(&["status", "--json"])
            .stdout
            .contains("\"state\": \"draft\"")
    );
}

#[test]
fn the_policy_of_a_clone_is_not_trusted() {
    let world = World::initialized();
    world.git(&["clone", "-q", ".", "../clone"]);
    let foil = |args: &[&str]| {
        common::said(
            world
                .foil_command()
                .current_dir(world.folder().join("clone"))
                .args(args),
        )
    };
    snapshot!("trust_show", foil(&["trust", "--show"]));
    assert!(foil(&["status", "--json"]).stdout.contains("\"trusted\": false"));
    snapshot!("trust_json", foil(&["trust", "--json"]));
    assert!(foil(&["status", "--json"]).stdout.contains("\"trusted\": true"));
}
