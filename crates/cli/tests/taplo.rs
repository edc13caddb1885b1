//! What `init`, `new`, `approve` and `cancel` write, seen by an editor's TOML tool from elsewhere: `@taplo/cli`.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{LOOP, World};

/// Installs the tool once into the target folder. Answers with the reason where that cannot be done.
fn taplo() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("taplo");
    let script = folder.join("node_modules/@taplo/cli/dist/cli.js");
    if script.is_file() {
        return Ok(script);
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let npm = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(&folder)
        .arg("@taplo/cli@0.7.0")
        .output()
        .map_err(|error| format!("npm cannot be started: {error}"))?;
    if npm.status.success() && script.is_file() {
        Ok(script)
    } else {
        Err(String::from_utf8_lossy(&npm.stderr).into_owned())
    }
}

/// `cargo xtask e2e` runs it: it needs npm and its registry.
#[test]
#[ignore = "needs npm and its registry"]
fn editors_accept_what_is_written_and_find_what_is_wrong() {
    let taplo = taplo().unwrap();
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
