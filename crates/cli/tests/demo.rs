//! `foil demo`, as somebody runs it who has just built the command: no repository, no configuration, no Codex.
#![expect(clippy::panic, reason = "a point of the story that is missing is a failed test")]

mod common;

use common::{World, said};

#[test]
fn the_demo_tells_the_whole_story_and_leaves_nothing() {
    let world = World::new();
    std::fs::create_dir(world.home()).unwrap();
    assert_tells_the_story(&world);
}

#[test]
fn without_a_sandbox_the_demo_says_so_and_tells_the_same_story() {
    // No home, and so nothing that a sandbox could be made around.
    let world = World::new();
    let told = assert_tells_the_story(&world);
    assert!(told.contains("runs without a sandbox"), "{told}");
}

fn assert_tells_the_story(world: &World) -> String {
    let told = said(world.foil_command().current_dir(world.folder()).arg("demo"));
    assert_eq!(told.code, Some(0), "{told}");
    let mut rest = told.stdout.as_str();
    for point in [
        "A small repository",
        "$ foil init",
        "$ foil trust",
        "A person approves exactly these bytes.\n",
        "$ foil new \"Greet by name\"",
        "$ foil approve 0001-greet-by-name",
        "The worker's first turn is wrong",
        "$ foil run",
        "done 0001-greet-by-name on branch `foil/0001-greet-by-name`",
        "$ foil review 0001-greet-by-name",
        "$ foil verify 0001-greet-by-name",
        "everything matches",
        "Somebody edits the journal",
        "$ sed -i",
        "$ foil verify 0001-greet-by-name",
        "DIFFERS",
        "exit status 12, as it should be",
        "The damage is found at its line.",
    ] {
        let at = rest
            .find(point)
            .unwrap_or_else(|| panic!("`{point}` is missing or out of order: {told}"));
        rest = &rest[at + point.len()..];
    }
    let state = world.state_home().join("counterfoil");
    let left: Vec<_> = std::fs::read_dir(state)
        .map(|entries| entries.flatten().collect())
        .unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
    told.stdout
}
