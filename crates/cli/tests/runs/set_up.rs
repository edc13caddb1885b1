//! What places are given beside their tree: untracked files of the user's, and what the set-up commands make.

use std::process::Stdio;
use std::time::Duration;

use crate::common::{Said, World};
use crate::processes::assert_none_below;
use crate::snapshot::Snapshot;
use crate::world::{Runner, TICKET, approved_with, eventually, json, run_folder};

const WIDE: &str = "title = \"Say hello\"\nmode = \"quick\"\n[scope]\nallowed = [\"**\"]\n";
const HELLO: &str = "[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n";
const DONE: &str = "[answer]\nreport = { summary = \"said hello\" }\n";

/// A world with this `[workspace]`, a second check, and a worker that takes these steps and then says hello.
fn world(workspace: &str, check: &str, steps: &str) -> World {
    let world = approved_with(&format!("role = \"writer\"\n{steps}{HELLO}{DONE}"), WIDE, |world| {
        let policy = world.read("counterfoil.toml");
        let check = format!("[[check]]\nname = \"given\"\nrun = \"{check}\"\nsandbox = \"off\"\n");
        world.write("counterfoil.toml", format!("{policy}{check}\n[workspace]\n{workspace}"));
        world.write(".gitignore", "ignored/\n");
        world.write("prepare.sh", "mkdir -p ignored && echo made >ignored/made\n");
        std::fs::create_dir_all(world.folder().join("home")).unwrap();
    });
    world.write("local.txt", "mine\nunspoken\n");
    world
}

fn runs(command: &str) -> String {
    format!("[[step]]\ndo = \"run\"\ncommand = \"{command}\"\n")
}

/// The paths of the delivered change.
fn delivered(world: &World) -> Vec<String> {
    let before = Snapshot::of(&world.root(), &world.git(&["for-each-ref"]));
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
    before.assert_same_as(&Snapshot::of(&world.root(), &world.git(&["for-each-ref"])));
    assert_none_below(world.folder(), Duration::from_secs(10));
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    let paths = world.git(&["diff", "--name-only", "HEAD", &format!("foil/{TICKET}^")]);
    paths.lines().map(str::to_owned).collect()
}

/// The code and the reason that stop the run, and whether a turn was taken before.
fn blocked(world: &World) -> (String, String, bool) {
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(10), "{said}");
    let blocker = json(&said)["runs"][0]["packet"]["blocker"].clone();
    let text = |key: &str| blocker[key].as_str().unwrap().to_owned();
    (text("code"), text("reason"), journal(world).contains("take_turn"))
}

fn journal(world: &World) -> String {
    std::fs::read_to_string(run_folder(world).join("journal.jsonl")).unwrap()
}

fn events(world: &World) -> Said {
    world.foil(&["events", TICKET])
}

const COPY: &str = "copy = [\"data/x\", \"local.txt\"]\n";

/// A world whose places are given two files.
fn copying(check: &str, steps: &str) -> World {
    let world = world(COPY, check, steps);
    world.write("data/x", "more\n");
    world
}

#[test]
fn copied_files_are_in_both_places_and_in_no_change() {
    let steps = runs("grep -qx mine local.txt && grep -qx more data/x");
    let world = copying("grep -qx mine local.txt && grep -qx more data/x", &steps);
    assert_eq!(delivered(&world), ["hello.txt"]);
    let told = events(&world).stdout;
    assert!(told.contains("places made, with 2 files of yours"), "{told}");
    assert!(!journal(&world).contains("unspoken"), "their content is nowhere");
}

#[test]
fn what_the_worker_does_to_its_copy_changes_nothing() {
    for attack in [
        "rm local.txt data/x",
        "echo evil >local.txt; echo evil >data/x",
        "rm local.txt && ln -s /etc/passwd local.txt",
        "rm local.txt && mkdir local.txt && touch local.txt/hidden",
        "git add -f local.txt data/x && git -c user.name=a -c user.email=a@b commit -qm theirs",
    ] {
        let world = copying("grep -qx mine local.txt && grep -qx more data/x", &runs(attack));
        assert_eq!(delivered(&world), ["hello.txt"], "{attack}");
    }
}

#[test]
fn what_a_check_does_to_its_copy_is_undone_before_the_next() {
    let steps = "[[step]]\ndo = \"write\"\npath = \"build.sh\"\ntext = \"rm -rf data && ln -s $HOME data; echo evil >local.txt\\n\"\n";
    let check = "grep -qx mine local.txt && grep -qx more data/x && { test ! -e build.sh || sh build.sh; }";
    let world = copying(check, steps);
    let policy = world.read("counterfoil.toml");
    let again =
        "[[check]]\nname = \"again\"\nrun = \"grep -qx mine local.txt && grep -qx more data/x\"\nsandbox = \"off\"\n";
    world.write("counterfoil.toml", format!("{again}\n{policy}"));
    world.git(&["commit", "-qm", "Check again", "--", "counterfoil.toml"]);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    assert_eq!(delivered(&world), ["build.sh", "hello.txt"]);
    assert!(
        !world.folder().join("home/x").exists(),
        "nothing is written through a link"
    );
}

#[test]
fn a_file_where_a_copy_goes_is_out_of_scope() {
    let world = copying("true", &runs("rm -r data && echo mine >data"));
    let (code, reason, _) = blocked(&world);
    assert_eq!(code, "scope_violation");
    assert!(reason.contains("`data/x`"), "{reason}");
}

#[test]
fn what_cannot_be_copied_stops_the_run_before_the_first_turn() {
    type Spoil = fn(&World);
    let cases: [(&str, Spoil, &str); 5] = [
        (
            "local.txt",
            |world| std::fs::remove_file(world.root().join("local.txt")).unwrap(),
            "is not in your work tree",
        ),
        ("ignored", |world| world.write("ignored/a", ""), "is no plain file"),
        (
            "link",
            |world| std::os::unix::fs::symlink("/etc/passwd", world.root().join("link")).unwrap(),
            "is no plain file",
        ),
        (
            "endless",
            |world| {
                std::fs::File::create(world.root().join("endless"))
                    .unwrap()
                    .set_len(10 << 30)
                    .unwrap()
            },
            "has more than 67108864 bytes",
        ),
        ("prepare.sh", |_| {}, "is tracked"),
    ];
    for (path, spoil, reason) in cases {
        let world = world(&format!("copy = [\"{path}\"]\n"), "true", "");
        spoil(&world);
        let (code, told, has_turn) = blocked(&world);
        assert_eq!(code, "needs_person", "{path}");
        assert!(told.contains(reason) && told.contains(path), "{told}");
        assert!(!has_turn, "{path}");
    }
}

#[test]
fn a_missing_file_that_appears_lets_the_run_go_on() {
    let world = world("copy = [\"late.txt\"]\n", "grep -qx late late.txt", "");
    assert_eq!(blocked(&world).0, "needs_person");
    world.write("late.txt", "late\n");
    assert_eq!(delivered(&world), ["hello.txt"]);
}

#[test]
fn set_up_commands_prepare_both_places() {
    let setup = "setup = [{ run = \"sh prepare.sh\" }, { run = \"echo too >ignored/too\" }]\n";
    for strength in ["runner_ran", "runner_ran_clean"] {
        let check = format!("test -e ignored/made && test -e ignored/too\"\nstrength = \"{strength}");
        let world = world(setup, &check, &runs("test -e ignored/made && test -e ignored/too"));
        assert_eq!(delivered(&world), ["hello.txt"], "{strength}");
        let told = events(&world).stdout;
        assert!(told.contains("places made, and set up by 2 commands"), "{told}");
    }
}

#[test]
fn set_up_runs_what_a_person_committed_and_nothing_of_the_workers() {
    let setup = "setup = [{ run = \"sh prepare.sh\" }]\n";
    let steps = "[[step]]\ndo = \"append\"\npath = \"prepare.sh\"\ntext = \"touch ignored/evil\\n\"\n";
    for strength in ["runner_ran", "runner_ran_clean"] {
        let check = format!("test -e ignored/made && test ! -e ignored/evil\"\nstrength = \"{strength}");
        assert_eq!(
            delivered(&world(setup, &check, steps)),
            ["hello.txt", "prepare.sh"],
            "{strength}"
        );
    }
}

#[test]
fn set_up_may_not_change_the_tree() {
    for (command, path) in [
        ("echo >>prepare.sh", "`prepare.sh`"),
        ("rm prepare.sh", "`prepare.sh`"),
        ("chmod +x prepare.sh", "`prepare.sh`"),
        ("touch new", "`new`"),
        ("ln -s /etc new", "`new`"),
        ("mkfifo pipe", "`pipe`"),
    ] {
        let world = world(&format!("setup = [{{ run = \"{command}\" }}]\n"), "true", "");
        let (code, reason, has_turn) = blocked(&world);
        assert_eq!(
            (code.as_str(), has_turn),
            ("setup_changed_tree", false),
            "{command}: {reason}"
        );
        assert!(reason.contains(path), "{command}: {reason}");
    }
}

#[test]
fn set_up_that_fails_stops_the_run_with_the_end_of_its_output() {
    let world = world(
        "setup = [{ run = \"echo no such registry >&2; exit 3\" }]\n",
        "true",
        "",
    );
    let (code, reason, has_turn) = blocked(&world);
    assert_eq!((code.as_str(), has_turn), ("needs_person", false));
    assert!(
        reason.contains("exit status 3") && reason.contains("no such registry"),
        "{reason}"
    );
}

#[test]
fn set_up_is_confined_and_leaves_nothing_running() {
    let setup = "setup = [{ run = \"mkdir ignored; (sleep 600 &) ; touch $WORLD/out; test ! -e $WORLD/repo/.git/config; cat /proc/net/dev >ignored/net\" }]\n";
    let world = world("", "test $(grep -c : ignored/net) = 1", "");
    let policy = world.read("counterfoil.toml");
    let setup = setup.replace("$WORLD", world.folder().to_str().unwrap());
    world.write("counterfoil.toml", format!("{policy}{setup}"));
    world.git(&["commit", "-qm", "Set up", "--", "counterfoil.toml"]);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    assert_eq!(delivered(&world), ["hello.txt"]);
    assert!(!world.folder().join("out").exists());
}

#[test]
fn a_runner_killed_or_interrupted_during_set_up_sets_up_anew() {
    let workspace = "copy = [\"local.txt\"]\nsetup = [{ run = \"mkdir -p ignored; echo >>ignored/begun; grep -q go local.txt || sleep 600\" }]\n";
    for (signal, code) in [("KILL", None), ("INT", Some(130))] {
        let world = world(
            workspace,
            "test $(wc -l <ignored/begun) = 1",
            &runs("test $(wc -l <ignored/begun) = 1"),
        );
        let mut command = world.foil_command();
        command
            .args(["run", TICKET])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut runner = Runner(command.spawn().unwrap());
        eventually("set-up begins", || {
            let places = world.state_home().join("counterfoil/places");
            let runs = std::fs::read_dir(places).into_iter().flatten().flatten();
            runs.into_iter()
                .any(|run| run.path().join("work/ignored/begun").exists())
        });
        let pid = runner.0.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(runner.0.wait().unwrap().code(), code);
        assert_none_below(world.folder(), Duration::from_secs(10));

        world.write("local.txt", "go\n");
        assert_eq!(delivered(&world), ["hello.txt"], "{signal}");
    }
}
