//! A disk that becomes full while a run is at work: a real file system, and a small one.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{Running, Said, World, said};
use crate::doctor::findings;
use crate::packages::writer;
use crate::parallel::{scope, world_of};
use crate::world::{CONTRACT, TICKET, WRITER, approved_with, eventually, json};

/// A folder of a world on a file system of its own, which those see that are started through it.
struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

/// The bytes of the file system.
const SIZE: &str = "24m";

/// More pages than a run of these tests takes.
const ENOUGH_PAGES: u64 = 1_000;

impl SmallDisk {
    /// Puts a folder, with all that is in it, on a small file system of memory in a mount namespace of its own. `None`, and a
    /// word about it, where this user may not have one.
    fn below(folder: &Path, test: &str) -> Option<Self> {
        const SCRIPT: &str = "set -e; mkdir -p \"$0\"; cp -a \"$0\" \"$0.kept\"; mount -t tmpfs -o \"size=$1,mode=755\" none \"$0\"; \
                              cp -a \"$0.kept/.\" \"$0\"; rm -r \"$0.kept\"; echo ready; exec cat >/dev/null";
        let holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT])
            .arg(folder)
            .arg(SIZE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut holder) = holder else {
            skip(test, "there is no `unshare`");
            return None;
        };
        let mut line = String::new();
        let _ = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line);
        let folder = folder.to_owned();
        let disk = Self { holder, folder };
        if line != "ready\n" {
            skip(test, "this user may not mount a file system of its own");
            return None;
        }
        Some(disk)
    }

    /// A program by which the small file system is seen.
    fn command(&self, world: &World, program: &str) -> Command {
        let mut command = world.command("nsenter");
        command
            .args(["--preserve-credentials", "--user", "--mount", "--target"])
            .arg(self.holder.id().to_string())
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    fn foil(&self, world: &World, args: &[&str]) -> Said {
        let mut command = self.command(world, env!("CARGO_BIN_EXE_foil"));
        said(command.arg("-C").arg(world.root()).args(args))
    }

    fn git(&self, world: &World, args: &[&str]) -> String {
        let told = said(self.command(world, "git").arg("-C").arg(world.root()).args(args));
        assert_eq!(told.code, Some(0), "{told}");
        told.stdout.trim_end().to_owned()
    }

    /// Fills the file system but for this many pages.
    fn leave_free(&self, world: &World, pages: u64) {
        const SCRIPT: &str = "set -e; rm -f \"$0/ballast\"; free=$(stat -f -c %a \"$0\"); \
                              test \"$free\" -le \"$1\" || fallocate -l $(( (free - $1) * $(stat -f -c %S \"$0\") )) \"$0/ballast\"";
        let mut command = self.command(world, "sh");
        let filled = said(command.args(["-c", SCRIPT]).arg(&self.folder).arg(pages.to_string()));
        assert_eq!(filled.code, Some(0), "{filled}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Says that a test could not be made here, as those with Codex do.
#[expect(clippy::print_stderr, reason = "whoever reads the output is told")]
fn skip(test: &str, reason: &str) {
    eprintln!("skipped: {test}: {reason}");
    if let Some(list) = std::env::var_os("FOIL_TEST_SKIPPED") {
        use std::io::Write as _;
        let mut list = std::fs::File::options().create(true).append(true).open(list).unwrap();
        writeln!(list, "{test}: {reason}").unwrap();
    }
}

/// A world whose policy lets the disk become full, so that it is met in the middle and not before.
fn unguarded() -> World {
    approved_with(WRITER, CONTRACT, |world| {
        let agent = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{agent}[disk]\nmin_free = \"0 B\"\n"));
    })
}

/// The code for which a call stopped, whether the journal could still take it or not.
fn stopped_for(run: &Said) -> Value {
    let document = json(run);
    let packet = &document["runs"][0]["packet"];
    match run.code {
        Some(10) => packet["blocker"]["code"].clone(),
        // All is done but keeping the run in Git, which the next call does.
        Some(1) if packet["outcome"] == "done" && run.stderr.contains("the run is not kept in Git yet") => {
            assert!(FULL.iter().any(|full| run.stderr.contains(full)), "{run}");
            "disk_full".into()
        }
        _ => document["error"]["code"].clone(),
    }
}

/// What a full disk is told by, where it is told in words.
const FULL: [&str; 2] = ["No space left on device", "couldn't write '"];

/// Runs the ticket with a page more each time until it is done: each time the disk is full at another moment.
fn run_with_ever_more_room(disk: &SmallDisk, world: &World) -> Vec<Option<i32>> {
    let mut codes = Vec::new();
    for pages in 0..ENOUGH_PAGES {
        disk.leave_free(world, pages);
        let run = disk.foil(world, &["run", TICKET, "--json"]);
        codes.push(run.code);
        if run.code == Some(0) {
            return codes;
        }
        assert!(matches!(run.code, Some(1 | 10)), "with {pages} pages: {run}");
        assert_eq!(stopped_for(&run), "disk_full", "with {pages} pages: {run}");
        let status = disk.foil(world, &["status", TICKET, "--json"]);
        assert_eq!(status.code, Some(0), "with {pages} pages: {status}");
        assert!(!status.stdout.contains("\"broken\": 1"), "with {pages} pages: {status}");
    }
    panic!("with {ENOUGH_PAGES} pages it is not done: {codes:?}");
}

/// One run, once delivered, of which nothing is lost.
fn is_whole(disk: &SmallDisk, world: &World) {
    let events = is_delivered_once(disk, world, TICKET);
    assert_eq!(disk.git(world, &["show", &format!("foil/{TICKET}:hello.txt")]), "hello");
    // A planner that is cut off begins again, and what it had said by then counts once.
    assert_eq!(
        events.matches("the worker has reviewed its own change").count(),
        1,
        "{events}"
    );
}

/// The events of a ticket's only run, once delivered.
fn is_delivered_once(disk: &SmallDisk, world: &World, ticket: &str) -> String {
    let verified = disk.foil(world, &["verify", ticket]);
    assert_eq!(verified.code, Some(0), "{verified}");
    assert_eq!(disk.git(world, &["status", "--porcelain"]), "");
    assert_eq!(
        disk.git(world, &["rev-list", "--count", &format!("main..foil/{ticket}")]),
        "2",
        "the change and its records, once"
    );
    let stored = format!("refs/counterfoil/runs/{ticket}/");
    assert_eq!(
        disk.git(world, &["for-each-ref", "--format=x", &stored]),
        "x",
        "one run"
    );
    let events = disk.foil(world, &["events", ticket]).stdout;
    assert_eq!(events.matches("done, receipt").count(), 1, "{events}");
    let doctor = disk.foil(world, &["doctor", "--json"]);
    assert!(!doctor.stdout.contains("\"what\": \"journal\""), "{doctor}");
    events
}

#[test]
fn a_run_whose_places_find_no_room_stops_each_time_and_goes_on_where_it_stopped() {
    let world = unguarded();
    let test = "a_run_whose_places_find_no_room_stops_each_time_and_goes_on_where_it_stopped";
    let Some(disk) = SmallDisk::below(&world.state_home(), test) else {
        return;
    };
    let codes = run_with_ever_more_room(&disk, &world);
    assert!(codes.len() > 3, "{codes:?}");
    assert!(!codes.contains(&Some(1)), "the journal has room: {codes:?}");
    is_whole(&disk, &world);
}

#[test]
fn a_run_whose_journal_logs_and_objects_find_no_room_stops_each_time_and_goes_on_where_it_stopped() {
    let world = unguarded();
    let test = "a_run_whose_journal_logs_and_objects_find_no_room_stops_each_time_and_goes_on_where_it_stopped";
    let Some(disk) = SmallDisk::below(&world.root().join(".git"), test) else {
        return;
    };
    let codes = run_with_ever_more_room(&disk, &world);
    assert!(codes.len() > 3, "{codes:?}");
    is_whole(&disk, &world);
}

#[test]
fn a_full_disk_keeps_the_other_tickets_from_being_begun() {
    let test = "a_full_disk_keeps_the_other_tickets_from_being_begun";
    let world = unguarded();
    world.ticket("0002-second", CONTRACT);
    assert_eq!(world.foil(&["approve", "0002-second"]).code, Some(0));
    let Some(disk) = SmallDisk::below(&world.state_home(), test) else {
        return;
    };
    disk.leave_free(&world, 0);
    let run = disk.foil(&world, &["run", "--all", "--json"]);
    assert_eq!(stopped_for(&run), "disk_full", "{run}");
    assert_eq!(json(&run)["runs"].as_array().unwrap().len(), 1, "{run}");
    // The daemon takes that for an end that it does not leave it at.
    let run = disk.foil(&world, &["run", "--all", "--in-background"]);
    assert_eq!(run.code, Some(1), "{run}");
    disk.leave_free(&world, ENOUGH_PAGES);
    let run = disk.foil(&world, &["run", "--all", "--retry-blocked", "--json"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(json(&run)["runs"].as_array().unwrap().len(), 2, "{run}");
}

/// Two tickets whose workers wait for each other and then for a word, and write a file each.
fn two_unguarded() -> World {
    let world = world_of(
        "[disk]\nmin_free = \"0 B\"\n",
        &[("0001-a", &scope("a.txt"), ""), ("0002-b", &scope("b.txt"), "")],
    );
    let meet = world.folder().join("meet").display().to_string();
    for (id, file) in [("0001-a", "a.txt"), ("0002-b", "b.txt")] {
        let wait = format!("touch {meet}/{file}; until test -e {meet}/go; do sleep 0.02; done");
        let steps = format!(
            "[[step]]\ndo = \"run\"\ncommand = \"{wait}\"\n\
             [[step]]\ndo = \"write\"\npath = \"{file}\"\ntext = \"{id}\\n\"\n\
             [answer]\nreport = {{ summary = \"done\" }}\n"
        );
        writer(&world, id, &steps);
    }
    world
}

/// Two runs at work, under both of which the disk becomes full: how `foil run` ended.
fn run_two_into_a_full_disk(disk: &SmallDisk, world: &World) -> Said {
    let mut command = disk.command(world, env!("CARGO_BIN_EXE_foil"));
    command.arg("-C").arg(world.root());
    command.args(["run", "0001-a", "0002-b", "--jobs", "2", "--json"]);
    let runner = Running::start(&mut command);
    let meet = world.folder().join("meet");
    eventually("both at work", || {
        meet.join("a.txt").exists() && meet.join("b.txt").exists()
    });
    disk.leave_free(world, 0);
    std::fs::write(meet.join("go"), "").unwrap();
    runner.said()
}

/// Both runs go on once there is room, and nothing of either is lost or there twice.
fn both_finish(disk: &SmallDisk, world: &World) {
    disk.leave_free(world, ENOUGH_PAGES);
    let run = disk.foil(world, &["run", "0001-a", "0002-b", "--jobs", "2", "--json"]);
    assert_eq!(run.code, Some(0), "{run}");
    for (id, file) in [("0001-a", "a.txt"), ("0002-b", "b.txt")] {
        is_delivered_once(disk, world, id);
        assert_eq!(disk.git(world, &["show", &format!("foil/{id}:{file}")]), id);
    }
}

#[test]
fn two_runs_whose_places_find_no_room_both_stop_for_that_and_both_finish() {
    let test = "two_runs_whose_places_find_no_room_both_stop_for_that_and_both_finish";
    let world = two_unguarded();
    let Some(disk) = SmallDisk::below(&world.state_home(), test) else {
        return;
    };
    let run = run_two_into_a_full_disk(&disk, &world);
    assert_eq!(run.code, Some(10), "{run}");
    let blockers: Vec<_> = json(&run)["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["packet"]["blocker"].clone())
        .collect();
    let codes: Vec<_> = blockers.iter().map(|blocker| &blocker["code"]).collect();
    assert_eq!(codes, ["disk_full"; 2], "{run}");
    both_finish(&disk, &world);
}

#[test]
fn two_runs_whose_journals_find_no_room_both_stop_for_that_and_both_finish() {
    let test = "two_runs_whose_journals_find_no_room_both_stop_for_that_and_both_finish";
    let world = two_unguarded();
    let Some(disk) = SmallDisk::below(&world.root().join(".git"), test) else {
        return;
    };
    let run = run_two_into_a_full_disk(&disk, &world);
    assert!(matches!(run.code, Some(1 | 10)), "{run}");
    for id in ["0001-a", "0002-b"] {
        let told = run.stderr.lines().filter(|line| line.contains(id));
        let told: Vec<_> = told
            .filter(|line| FULL.iter().any(|full| line.contains(full)))
            .collect();
        assert!(!told.is_empty(), "{id}: {run}");
    }
    let status = disk.foil(&world, &["status", "--json"]);
    assert!(!status.stdout.contains("\"broken\": 1"), "{status}");
    both_finish(&disk, &world);
}

#[test]
fn no_run_begins_where_too_little_is_free_and_the_numbers_are_told() {
    let world = approved_with(WRITER, CONTRACT, |world| {
        let agent = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{agent}[disk]\nmin_free = \"900 TiB\"\n"));
    });
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(11), "{said}");
    let error = json(&said)["error"].clone();
    assert_eq!(error["code"], "disk_full");
    assert!(
        error["message"].as_str().unwrap().contains("900 TiB are needed"),
        "{error}"
    );
    assert!(error["hint"].as_str().unwrap().contains("`foil clean`"), "{error}");
    let doctor = world.foil(&["doctor", "--json"]);
    assert_eq!(doctor.code, Some(1), "{doctor}");
    let disk = &findings(&doctor, "disk")[0];
    assert_eq!(disk["state"], "problem", "{doctor}");
    let detail = disk["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("MiB free, and 943718400 MiB must stay free"),
        "{detail}"
    );
    assert_eq!(disk["hint"], "`foil clean` shows what could go");
}
