//! `foil service`. The service manager is a stand-in that notes what it is asked: there is no user's manager where these tests run. What a unit
//! says is held against systemd's own reader where that is there.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::common::{Said, World, said};
use crate::world::json;

/// Runs `foil service …` with a manager that answers like this.
fn service(world: &World, manager: &str, arguments: &[&str]) -> Said {
    let tools = world.folder().join("manager");
    std::fs::create_dir_all(&tools).unwrap();
    let program = tools.join("systemctl");
    let asked = world.folder().join("asked");
    std::fs::write(
        &program,
        format!("#!/bin/sh\necho \"$@\" >>{}\n{manager}\n", asked.display()),
    )
    .unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = world.foil_command();
    command
        .arg("service")
        .args(arguments)
        .env("PATH", format!("{}:{path}", tools.display()))
        .env("XDG_CONFIG_HOME", world.folder().join("config"));
    said(&mut command)
}

fn asked(world: &World) -> String {
    std::fs::read_to_string(world.folder().join("asked")).unwrap_or_default()
}

fn units(world: &World) -> Vec<PathBuf> {
    let folder = world.folder().join("config/systemd/user");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_service_is_installed_asked_and_taken_away() {
    let world = World::initialized();
    let before = service(&world, "exit 0", &["status"]);
    assert_eq!(before.code, Some(10), "{before}");
    let said = service(&world, "exit 0", &["install", "--jobs", "3", "--once"]);
    assert_eq!(said.code, Some(0), "{said}");
    let [unit] = &units(&world)[..] else {
        panic!("one unit");
    };
    let name = unit.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        asked(&world),
        format!("--user daemon-reload\n--user enable {name}\n--user restart {name}\n")
    );
    let text = std::fs::read_to_string(unit).unwrap();
    assert!(
        text.contains("\"daemon\" \"run\" \"--jobs\" \"3\" \"--once\"\n"),
        "{text}"
    );
    let status = json(&service(&world, "echo active", &["status", "--json"]));
    assert_eq!(
        (&status["installed"], &status["state"]),
        (&true.into(), &"active".into())
    );
    let said = service(&world, "exit 0", &["uninstall"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(units(&world), Vec::<PathBuf>::new());
    assert!(asked(&world).contains(&format!("--user disable --now {name}\n")));
    let again = service(&world, "exit 0", &["uninstall"]);
    assert_eq!(again.stdout, "Nothing to do: no service of this clone is installed.\n");
}

#[test]
#[cfg(target_os = "linux")]
fn where_the_manager_refuses_nothing_stays() {
    let world = World::initialized();
    let said = service(&world, "echo 'Failed to connect to bus' >&2; exit 1", &["install"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("Failed to connect to bus"), "{said}");
    assert!(said.stderr.contains("`foil daemon start` works without one"), "{said}");
    assert_eq!(units(&world), Vec::<PathBuf>::new());
}

#[test]
#[cfg(target_os = "linux")]
fn systemd_understands_the_unit() {
    let world = World::initialized();
    let said = service(&world, "exit 0", &["install", "--print"]);
    assert_eq!((said.code, asked(&world).as_str()), (Some(0), ""), "{said}");
    let unit = world.folder().join("printed.service");
    std::fs::write(&unit, &said.stdout).unwrap();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--user"])
        .arg(&unit)
        .env("XDG_RUNTIME_DIR", world.folder())
        .output();
    let Ok(verified) = verified else {
        eprintln!("skipped: systemd_understands_the_unit needs systemd-analyze");
        return;
    };
    let words = String::from_utf8_lossy(&verified.stderr);
    assert!(
        verified.status.success() && !words.contains("printed.service"),
        "{words}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_work_tree_whose_name_would_swallow_the_next_line_of_the_unit_is_refused() {
    let world = World::initialized();
    for name in ["odd\\", "odd "] {
        let other = world.folder().join(name);
        let other = other.to_str().unwrap();
        world.git(&["clone", "--quiet", ".", other]);
        let said = service(&world, "exit 0", &["install", "-C", other]);
        assert_eq!(said.code, Some(11), "{said}");
        assert!(said.stderr.contains("ends in a backslash or a blank"), "{said}");
        assert_eq!(units(&world), Vec::<PathBuf>::new());
    }
}
