//! What `init`, `new`, `approve` and `cancel` write, seen by an editor's TOML tool from elsewhere: `@taplo/cli`.

mod common;

use common::{LOOP, World, installed};

/// `cargo xtask e2e` runs it: it needs npm and its registry.
#[test]
#[ignore = "needs npm and its registry"]
fn editors_accept_what_is_written_and_find_what_is_wrong() {
    let taplo = installed("@taplo/cli@0.7.0", "@taplo/cli/dist/cli.js").unwrap();
    let world = World::initialized();
    world.foil(&["new", "A draft"]);
    world.ticket("0002-b", LOOP);
    world.foil(&["approve", "0002-b"]);
    world.ticket("0003-c", LOOP);
    world.foil(&["cancel", "0003-c"]);
    let lint = |files: &[&str]| {
        let output = world
            .command("node")
            .arg(&taplo)
            .arg("lint")
            .args(files)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let files = [
        "counterfoil.toml",
        "ledger/templates/standard.toml",
        "ledger/templates/quick.toml",
        "ledger/templates/loop.toml",
        "ledger/tickets/0001-a-draft/ticket.toml",
        "ledger/tickets/0002-b/approval.toml",
        "ledger/tickets/0003-c/canceled.toml",
    ];
    for file in files {
        let (clean, said) = lint(&[file]);
        assert!(clean, "{file}: {said}");
    }
    world.write(
        "ledger/tickets/0001-a-draft/ticket.toml",
        "#:schema ../../schemas/ticket.schema.json\ntitle = \"x\"\nmode = \"lop\"\n",
    );
    let (clean, said) = lint(&["ledger/tickets/0001-a-draft/ticket.toml"]);
    assert!(!clean && said.contains("lop"), "{said}");
}
