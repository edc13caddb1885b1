//! `foil logs --bundle`

use std::collections::BTreeMap;
use std::process::Command;

use ledger_core::Digest;
use serde_json::Value;

use crate::common::{Said, World, output_of, said};
use crate::seen;
use crate::world::{TICKET, WRITER, approved, blocked, done, json, run_folder, run_id, under_way};

/// What a bundle holds, by the paths below its only folder, and the folder's name.
struct Bundle {
    folder: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// Unpacked by the system's `tar`, which is what whoever gets it has.
    fn unpack(world: &World, name: &str) -> Self {
        let folder = world.folder().join("unpacked").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let archive = world.root().join(name);
        let tar = said(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&folder));
        assert_eq!(tar.code, Some(0), "{tar}");
        let mut roots: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        let root = roots.pop().unwrap();
        assert!(roots.is_empty(), "{roots:?}");
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    files.insert(name, std::fs::read(path).unwrap());
                }
            }
        }
        let folder = root.file_name().unwrap().to_str().unwrap().to_owned();
        Self { folder, files }
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&self.files["manifest.json"]).unwrap()
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.files[path].clone()).unwrap()
    }

    /// Sure that the manifest names every other file as it is, and in order.
    fn holds(&self) {
        let manifest = self.manifest();
        let named: Vec<_> = manifest["files"].as_array().unwrap().iter().collect();
        let paths: Vec<_> = named.iter().map(|file| file["path"].as_str().unwrap()).collect();
        let there: Vec<_> = self
            .files
            .keys()
            .map(String::as_str)
            .filter(|path| *path != "manifest.json")
            .collect();
        assert_eq!(paths, there);
        for file in named {
            let bytes = &self.files[file["path"].as_str().unwrap()];
            assert_eq!(file["sha256"], Digest::of(bytes).to_string(), "{file}");
            assert_eq!(file["bytes"], bytes.len() as u64, "{file}");
        }
    }
}

fn bundle(world: &World, arguments: &[&str], name: &str) -> Said {
    let said = world.foil(&[&["logs", "--bundle", name], arguments].concat());
    assert_eq!(said.code, Some(0), "{said}");
    said
}

#[test]
fn a_bundle_has_everything_that_is_known_of_a_run() {
    let world = done();
    let said = bundle(&world, &[TICKET], "a.tar");
    seen!("bundle_written", said);
    let bundle = Bundle::unpack(&world, "a.tar");
    bundle.holds();
    assert_eq!(bundle.folder, format!("{TICKET}.{}", run_id(&world)));
    let what: Vec<_> = bundle.manifest()["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            let original = if file["original"].is_null() { "" } else { " (changed)" };
            format!(
                "{}: {}{original}",
                file["path"].as_str().unwrap(),
                file["what"].as_str().unwrap()
            )
        })
        .collect();
    seen!("bundle_files", what.join("\n"));
    let manifest = bundle.manifest();
    assert_eq!(
        (&manifest["state"], &manifest["missing"]),
        (&Value::from("done"), &Value::Null)
    );
    // What nothing had to be taken out of is what was recorded, byte for byte.
    let live = run_folder(&world);
    assert_eq!(
        bundle.files["journal.jsonl"],
        std::fs::read(live.join("journal.jsonl")).unwrap()
    );
    for name in ["ticket.toml", "prompt.md", "approval.toml"] {
        let path = format!("ledger/tickets/{TICKET}/{name}");
        assert_eq!(bundle.text(&format!("source/{path}")), world.read(&path));
    }
    let commit = json(&world.foil(&["status", TICKET, "--json"]))["tickets"][0]["commit"].clone();
    let result = format!("{}:ledger/tickets/{TICKET}/result.md", commit.as_str().unwrap());
    assert_eq!(
        bundle.text("records/result.md").trim_end(),
        world.git(&["show", &result])
    );
    assert!(bundle.text("agent.jsonl").contains("\"schema\":\"counterfoil.logs/1\""));
    assert!(bundle.text("summary.md").starts_with('#'));
}

#[test]
fn the_same_run_gives_the_same_bytes_in_a_file_and_on_standard_output() {
    let world = done();
    bundle(&world, &[TICKET], "a.tar");
    let first = std::fs::read(world.root().join("a.tar")).unwrap();
    bundle(&world, &[&run_id(&world)], "b.tar");
    assert_eq!(std::fs::read(world.root().join("b.tar")).unwrap(), first);
    let output = output_of(world.foil_command().args(["logs", "--bundle", "-"]));
    assert_eq!((output.status.code(), output.stdout), (Some(0), first));
    // Neither times nor owners are told.
    let listed = said(
        world
            .command("tar")
            .args(["--list", "--verbose", "--numeric-owner", "-f", "a.tar"]),
    );
    assert!(
        listed
            .stdout
            .lines()
            .all(|line| line.starts_with("-rw-r--r-- 0/0 ") && line.contains(" 1970-01-01 00:00 ")),
        "{listed}"
    );
}

#[test]
fn nothing_is_overwritten_and_nothing_half_is_left() {
    let world = done();
    world.write("there.tar", "mine\n");
    std::os::unix::fs::symlink("nowhere", world.root().join("link.tar")).unwrap();
    let before = world.observed();
    for (name, code) in [("there.tar", 1), ("link.tar", 1), ("no/folder/x.tar", 1)] {
        let said = world.foil(&["logs", TICKET, "--bundle", name]);
        assert_eq!(said.code, Some(code), "{said}");
    }
    seen!("bundle_exists", world.foil(&["logs", TICKET, "--bundle", "there.tar"]));
    assert_eq!(world.foil(&["logs", "0002-none", "--bundle", "new.tar"]).code, Some(2));
    assert_eq!(
        world.foil(&["logs", TICKET, "--bundle", "new.tar", "--follow"]).code,
        Some(2)
    );
    assert_eq!(world.foil(&["logs", TICKET, "--bundle", "-", "--json"]).code, Some(2));
    assert_eq!(world.observed(), before);
}

/// A secret of a kind that patterns know, made so that no search of this repository finds it.
fn token() -> String {
    format!("{}{}", "ghp_", "Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk")
}

#[test]
fn no_secret_no_value_of_the_environment_and_no_path_of_the_machine_is_in_it() {
    let (home, plain, named) = ("somebody-at-home", "planted-value-1", "planted-token-22");
    let world = approved("");
    let path = world.home().join(home);
    let path = path.to_str().unwrap();
    let token = token();
    let dressed = format!("{}\\u001b[0m{}", &plain[..7], &plain[7..]);
    let said = format!("{dressed} {named} {token} {path} {}", world.root().display());
    let writer = WRITER
        .replace("I begin", &format!("I begin {said}"))
        .replace("ls ", &format!("ls {said} "))
        .replace("said <script>", &format!("{said} <script>"));
    std::fs::write(world.folder().join("scripts/writer.toml"), writer).unwrap();
    let policy = world.read("counterfoil.toml");
    world.write(
        "counterfoil.toml",
        policy.replace(
            "printf 'checked",
            &format!("echo {path} -I{path} {plain} {named}; printf 'checked"),
        ),
    );
    world.write(
        &format!("ledger/tickets/{TICKET}/prompt.md"),
        format!("Say hello to {named} in {path}.\n"),
    );
    world.commit_all("a prompt with too much in it");
    for arguments in [&["trust"][..], &["approve", TICKET], &["run", TICKET]] {
        let said = world.foil(arguments);
        assert_eq!(said.code, Some(0), "{said}");
    }
    // They are known when the bundle is made, and were not when the run was: only the bundle can keep them out.
    let live = std::fs::read_to_string(run_folder(&world).join("agent.jsonl")).unwrap();
    assert!(live.contains(named) && live.contains(&token) && live.contains(home));
    let said = said_with(&world, &[("DEPLOYMENT", plain), ("SERVICE_TOKEN", named)]);
    assert_eq!(said.code, Some(0), "{said}");
    let bundle = Bundle::unpack(&world, "a.tar");
    bundle.holds();
    let bytes = std::fs::read(world.root().join("a.tar")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let folders = [world.home(), world.root(), world.state_home()].map(|folder| folder.to_str().unwrap().to_owned());
    for planted in [plain, named, &token]
        .into_iter()
        .chain(folders.iter().map(String::as_str))
    {
        assert!(!text.contains(planted), "{planted}");
    }
    for path in [
        "agent.jsonl",
        "journal.jsonl",
        &format!("source/ledger/tickets/{TICKET}/prompt.md"),
    ] {
        assert!(bundle.text(path).contains(&format!("~/{home}")), "{path}");
        assert!(bundle.text(path).contains("[secret]"), "{path}");
    }
    // The manifest says what of it is not as it was approved or recorded.
    let manifest = bundle.manifest();
    let files = manifest["files"].as_array().unwrap();
    let prompt = files
        .iter()
        .find(|file| file["path"].as_str().unwrap().ends_with("prompt.md"))
        .unwrap();
    let original = Digest::of(world.read(&format!("ledger/tickets/{TICKET}/prompt.md")));
    assert_eq!(prompt["original"], original.to_string());
}

fn said_with(world: &World, environment: &[(&str, &str)]) -> Said {
    let mut command = world.foil_command();
    said(
        command
            .args(["logs", TICKET, "--bundle", "a.tar"])
            .envs(environment.iter().copied()),
    )
}

#[test]
fn a_run_that_stopped_and_one_that_is_under_way_have_bundles_too() {
    let world = blocked();
    bundle(&world, &[], "a.tar");
    let stopped = Bundle::unpack(&world, "a.tar");
    stopped.holds();
    assert_eq!(stopped.manifest()["state"], "blocked");
    assert!(stopped.text("summary.md").contains("scope_violation"));
    assert!(!stopped.files.contains_key("receipt.json"));

    let (world, runner) = under_way();
    let said = bundle(&world, &["--json"], "a.tar");
    let running = Bundle::unpack(&world, "a.tar");
    running.holds();
    assert_eq!(running.manifest(), json(&said));
    assert_eq!(running.manifest()["state"], "running");
    assert!(running.text("journal.jsonl").ends_with("}\n"));
    runner.killed();
    bundle(&world, &[], "b.tar");
    assert_eq!(Bundle::unpack(&world, "b.tar").manifest()["state"], "paused");
}

#[test]
fn a_run_that_only_git_knows_has_a_bundle_that_says_what_is_gone() {
    let world = done();
    bundle(&world, &[TICKET], "live.tar");
    std::fs::remove_dir_all(run_folder(&world)).unwrap();
    seen!("bundle_stored", bundle(&world, &[TICKET], "stored.tar"));
    let (live, stored) = (Bundle::unpack(&world, "live.tar"), Bundle::unpack(&world, "stored.tar"));
    stored.holds();
    // The journal is stored before it says that it is.
    for (path, bytes) in live.files {
        match path.as_str() {
            "agent.jsonl" | "manifest.json" => {}
            "journal.jsonl" => assert!(bytes.starts_with(&stored.files[&path])),
            _ => assert_eq!(stored.files.get(&path), Some(&bytes), "{path}"),
        }
    }
}

#[test]
fn links_and_forged_outputs_in_the_folder_of_a_run_are_not_bundled() {
    let world = done();
    let elsewhere = world.folder().join("elsewhere");
    std::fs::write(&elsewhere, "private\n").unwrap();
    let folder = run_folder(&world);
    for entry in std::fs::read_dir(folder.join("checks")).unwrap() {
        std::fs::write(entry.unwrap().path(), "forged\n").unwrap();
    }
    bundle(&world, &[TICKET], "a.tar");
    let text = String::from_utf8_lossy(&std::fs::read(world.root().join("a.tar")).unwrap()).into_owned();
    assert!(text.contains("checked red") && !text.contains("forged"));
    std::fs::remove_file(folder.join("agent.jsonl")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("agent.jsonl")).unwrap();
    let said = world.foil(&["logs", TICKET, "--bundle", "b.tar"]);
    assert_eq!(said.code, Some(1), "{said}");
    assert!(
        said.stderr.contains("symbolic link") && !world.root().join("b.tar").exists(),
        "{said}"
    );
}
