//! Between `foil run` and the first event of its run.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::world::{Runner, TICKET, WRITER, approved, eventually};

#[test]
fn a_signal_while_the_agent_is_looked_at_ends_the_command_and_begins_no_run() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let world = approved("role = \"any\"\n");
        let (codex, asked) = (world.folder().join("codex"), world.folder().join("asked"));
        let script = format!("#!/bin/sh\ntouch '{}'\nexec sleep 600\n", asked.display());
        std::fs::write(&codex, script).unwrap();
        std::fs::set_permissions(&codex, std::fs::Permissions::from_mode(0o755)).unwrap();
        let policy = format!("[agent]\ncommand = \"{}\"\n", codex.display());
        world.write("counterfoil.toml", policy);
        world.commit_all("An agent that does not answer");
        assert_eq!(world.foil(&["trust"]).code, Some(0));
        let mut command = world.foil_command();
        let command = command
            .args(["run", TICKET])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut runner = Runner(command.spawn().unwrap());
        eventually("the agent is asked for its version", || asked.exists());
        let pid = runner.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let began = std::time::Instant::now();
        assert_eq!(runner.0.wait().unwrap().code(), Some(code));
        assert!(began.elapsed().as_secs() < 8, "it waited for the agent");
        assert!(!world.root().join(".git/counterfoil/runs").exists());
    }
}

#[test]
fn a_variable_that_is_not_utf8_is_nothing_to_a_run() {
    let world = approved(WRITER);
    let mut command = world.foil_command();
    let command = command.args(["run", TICKET]).env("ODD", OsStr::from_bytes(b"\xff\xfe"));
    let said = crate::common::said(command);
    assert_eq!(said.code, Some(0), "{said}");
}
