//! Finding Codex, and its home.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use counterfoil_runner::{
    CodexHome, CodexProgram, CodexProgramError, CodexProtocol, HomeSettings, OLDEST_CODEX, PINNED_CODEX,
};
use toml::Table;

use crate::world::{codex_path, scratch};

fn write_program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn prints(version: &str) -> String {
    format!("#!/bin/sh\necho 'codex-cli {version}'\n")
}

#[tokio::test]
async fn what_is_not_installed_is_said_so() {
    let folder = scratch();
    for command in ["codex", "./codex", "", folder.path().to_str().unwrap()] {
        let error = CodexProgram::find(command, Some(folder.path().as_os_str()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, CodexProgramError::NotInstalled { .. }),
            "{command}: {error}"
        );
        assert!(!error.hint().is_empty());
    }
}

#[tokio::test]
async fn old_versions_are_refused_and_other_ones_warned_of() {
    let folder = scratch();
    let program = folder.path().join("codex");
    let find = || CodexProgram::find("codex", Some(folder.path().as_os_str()));

    write_program(&program, &prints("0.159.9"));
    let error = find().await.unwrap_err();
    assert!(matches!(error, CodexProgramError::TooOld { .. }), "{error}");

    for (version, warned) in [("0.169.4", false), ("0.170.0", true), ("0.160.0", true)] {
        write_program(&program, &prints(version));
        let found = find().await.unwrap();
        assert!(found.version() >= OLDEST_CODEX);
        assert_eq!(found.warning().is_some(), warned, "{version}");
    }

    write_program(&program, "#!/bin/sh\necho hello\n");
    let error = find().await.unwrap_err();
    assert!(matches!(error, CodexProgramError::NoVersion { .. }), "{error}");
}

#[tokio::test]
async fn the_program_behind_the_wrapper_of_npm_is_taken() {
    let folder = scratch();
    let modules = folder.path().join("lib/node_modules/@openai");
    let wrapper = modules.join("codex/bin/codex.js");
    write_program(&wrapper, "#!/usr/bin/env node\n");
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(&wrapper, bin.join("codex")).unwrap();
    let error = CodexProgram::find("codex", Some(bin.as_os_str())).await.unwrap_err();
    assert!(matches!(error, CodexProgramError::OnlyWrapper { .. }), "{error}");

    let native = modules.join("codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex");
    write_program(&native, &prints("0.169.0"));
    let found = CodexProgram::find("codex", Some(bin.as_os_str())).await.unwrap();
    assert_eq!(found.path(), native.canonicalize().unwrap());
    assert_eq!(found.version(), PINNED_CODEX);
    assert_eq!(found.bundled_bwrap(), None);
}

fn config_of(home: &CodexHome) -> Table {
    std::fs::read_to_string(home.path().join("config.toml"))
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_home_is_for_its_user_alone_and_says_what_holds_in_runs() {
    let folder = scratch();
    let home = CodexHome::prepare(&folder.path().join("home"), &HomeSettings::default()).unwrap();
    let mode = std::fs::metadata(home.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let config = config_of(&home);
    assert_eq!(config["approval_policy"].as_str(), Some("never"));
    assert_eq!(config["sandbox_mode"].as_str(), Some("read-only"));
    assert_eq!(config["analytics"]["enabled"].as_bool(), Some(false));
    assert_eq!(
        config["sandbox_workspace_write"]["exclude_slash_tmp"].as_bool(),
        Some(true)
    );
}

#[test]
fn what_trust_a_home_was_given_behind_our_back_is_taken_back() {
    let folder = scratch();
    let home = CodexHome::prepare(&folder.path().join("home"), &HomeSettings::default()).unwrap();
    let before = config_of(&home);
    let forged = "approval_policy = \"on-request\"\n[projects.\"/place\"]\ntrust_level = \"trusted\"\n";
    std::fs::write(home.path().join("config.toml"), forged).unwrap();
    assert!(home.restore().unwrap().is_empty());
    assert_eq!(config_of(&home), before);

    let settings = HomeSettings {
        login_from: None,
        config: forged.parse().unwrap(),
    };
    let home = CodexHome::prepare(home.path(), &settings).unwrap();
    assert_eq!(config_of(&home), before);
}

#[test]
fn what_would_instruct_agents_is_set_aside_and_what_codex_keeps_stays() {
    let folder = scratch();
    let home = CodexHome::prepare(&folder.path().join("home"), &HomeSettings::default()).unwrap();
    let write = |path: &str, text: &str| {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let read = |path: &str| std::fs::read_to_string(home.path().join(path)).ok();
    write("skills/.system/own/SKILL.md", "Codex' own");
    write("sessions/1.jsonl", "{}");
    let planted = [
        ".env",
        "AGENTS.md",
        "rules/all.rules",
        "skills/yes/SKILL.md",
        "skills/no/SKILL.md",
    ];
    for text in ["first", "second"] {
        for path in planted {
            write(path, text);
        }
        std::os::unix::fs::symlink(folder.path(), home.path().join("agents")).unwrap();

        assert_eq!(
            home.restore().unwrap(),
            [".env", "AGENTS.md", "agents", "rules", "skills"]
        );

        for path in planted {
            assert_eq!(read(path), None, "{path}");
            assert_eq!(read(&format!("set-aside/{path}")).as_deref(), Some(text), "{path}");
        }
        assert!(home.path().join("agents").symlink_metadata().is_err());
        assert!(folder.path().is_dir(), "no link is followed");
    }
    assert_eq!(read("skills/.system/own/SKILL.md").as_deref(), Some("Codex' own"));
    assert_eq!(read("sessions/1.jsonl").as_deref(), Some("{}"));
    assert!(home.restore().unwrap().is_empty());

    // The user's own home is the user's.
    let user = CodexHome::of_user(home.path()).unwrap();
    write("AGENTS.md", "the user's");
    assert!(user.restore().unwrap().is_empty());
    assert_eq!(read("AGENTS.md").as_deref(), Some("the user's"));
}

#[test]
fn the_login_of_the_user_is_linked_and_one_of_its_own_kept() {
    let folder = scratch();
    let user = folder.path().join("user");
    std::fs::create_dir(&user).unwrap();
    let settings = HomeSettings {
        login_from: Some(user.clone()),
        ..HomeSettings::default()
    };
    let prepare = || CodexHome::prepare(&folder.path().join("home"), &settings).unwrap();
    let login = prepare().path().join("auth.json");
    assert!(std::fs::symlink_metadata(&login).is_err(), "no login, no link");

    std::fs::write(user.join("auth.json"), "{}").unwrap();
    prepare();
    prepare();
    assert_eq!(std::fs::read_link(&login).unwrap(), user.join("auth.json"));

    std::fs::remove_file(&login).unwrap();
    std::fs::write(&login, "{\"own\":true}").unwrap();
    prepare();
    assert_eq!(std::fs::read_to_string(&login).unwrap(), "{\"own\":true}");
}

#[tokio::test]
#[ignore = "needs Codex: cargo xtask e2e"]
async fn the_real_codex_is_probed() {
    let folder = scratch();
    let home = CodexHome::prepare(&folder.path().join("home"), &HomeSettings::default()).unwrap();
    let program = CodexProgram::find(codex_path().to_str().unwrap(), None).await.unwrap();
    assert_eq!(program.version(), PINNED_CODEX);
    assert_eq!(program.warning(), None);
    assert!(program.bundled_bwrap().is_some());
    program.sandbox_probe(&home).await.unwrap();
    let error = program.login_status(&home).await.unwrap_err();
    assert!(matches!(error, CodexProgramError::NotLoggedIn { .. }), "{error}");
}

#[tokio::test]
#[ignore = "needs the real Codex; run by cargo xtask e2e"]
async fn the_pinned_protocol_is_what_the_pinned_codex_says() {
    let folder = scratch();
    let program = CodexProgram::find(codex_path().to_str().unwrap(), None).await.unwrap();
    let home = CodexHome::prepare(&folder.path().join("home"), &HomeSettings::default()).unwrap();
    let said = program.protocol(&home, folder.path()).await.unwrap();
    if said != CodexProtocol::pinned() {
        let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join("protocol.json");
        std::fs::write(&found, serde_json::to_string_pretty(&said).unwrap() + "\n").unwrap();
        panic!(
            "it is other than src/agent/codex_app_server/protocol.json; see {}",
            found.display()
        );
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing but the home is left"
    );
}
