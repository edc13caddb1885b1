//! `foil init`: what it writes, and that it never overwrites.

mod common;

use common::World;

#[test]
fn an_empty_repository_is_set_up_and_trusted() {
    let world = World::new();
    world.write("Cargo.toml", "[package]\nname = \"x\"\n");
    world.git(&["remote", "add", "origin", "https://ada:secret@example.org/ada/x.git"]);
    snapshot!("init_human", world.foil(&["init"]));
    snapshot!("init_policy", world.read("counterfoil.toml"));
    snapshot!("init_agents", world.read("AGENTS.md"));
    let trusted = world.foil(&["trust", "--show", "--json"]);
    assert!(trusted.stdout.contains("\"trusted\": true"), "{trusted}");
    assert_eq!(world.foil(&["check", "--schema"]).code, Some(0));
    for file in [
        "README.md",
        "EXECUTION_PROTOCOL.md",
        "REVIEW_PROTOCOL.md",
        "templates/loop.toml",
    ] {
        assert!(!world.read(&format!("ledger/{file}")).is_empty());
    }
}

#[test]
fn a_second_time_changes_nothing() {
    let world = World::initialized();
    let before = world.observed();
    snapshot!(world.foil(&["init", "--json"]));
    assert_eq!(world.observed(), before);
}

#[test]
fn files_that_are_there_are_kept_and_a_policy_of_others_is_not_trusted() {
    let world = World::new();
    world.write("counterfoil.toml", "[ledger]\ndir = \"work/ledger\"\n");
    world.write("work/ledger/README.md", "ours\n");
    world.write("AGENTS.md", "# Rules\r\nBe kind.\r\n");
    let said = world.foil(&["init"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.read("counterfoil.toml"), "[ledger]\ndir = \"work/ledger\"\n");
    assert_eq!(world.read("work/ledger/README.md"), "ours\n");
    let agents = world.read("AGENTS.md");
    assert!(agents.starts_with("# Rules\r\nBe kind.\r\n\r\n<!-- counterfoil:begin -->\r\n"));
    assert!(
        !agents.replace("\r\n", "").contains('\n'),
        "the line ends stay of one kind"
    );
    assert!(agents.contains("`work/ledger/`"));
    assert!(world.root().join("work/ledger/tickets").is_dir());
    assert!(!world.root().join("ledger").exists());
    assert!(
        world
            .foil(&["trust", "--show", "--json"])
            .stdout
            .contains("\"trusted\": false")
    );
}

#[test]
fn a_ledger_folder_that_is_a_link_to_elsewhere_is_not_written_through() {
    let world = World::new();
    let outside = world.folder().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, world.root().join("ledger")).unwrap();
    let said = world.foil(&["init"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn options_that_make_no_policy_are_refused_before_anything_is_written() {
    let world = World::new();
    let before = world.observed();
    snapshot!(world.foil(&["init", "--repository", "no slash"]));
    let said = world.foil(&["init", "--model", "x\"\n[agent]\nnetwork = true"]);
    assert_eq!(said.code, Some(2), "{said}");
    assert_eq!(world.observed(), before);
}
