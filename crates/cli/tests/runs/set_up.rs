//! What places are given beside their tree: untracked files of the user's, and what the set-up commands make.

use std::process::Stdio;
use std::time::Duration;

use crate::common::{Said, World};
use crate::processes::assert_none_below;
use crate::snapshot::Snapshot;
use crate::world::{Runner, TICKET, approved_with, eventually, json, run_folder};

const WIDE: &str = "title = \"Say hello\"\nmode = \"standard\"\n[scope]\nallowed = [\"**\"]\n";
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
            "more than the 67108864 bytes that they may have together",
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

/// A world with this policy beside what [`world`] has, which is told where it is.
fn with_policy(more: &str, check: &str, steps: &str) -> World {
    let world = world("", check, steps);
    let policy = world.read("counterfoil.toml");
    let more = more.replace("$WORLD", world.folder().to_str().unwrap());
    world.write("counterfoil.toml", format!("{policy}{more}"));
    world.git(&["commit", "-qm", "Set up", "--", "counterfoil.toml"]);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    world
}

#[test]
fn code_under_test_cannot_plant_what_a_set_up_with_network_uses_next() {
    for (network, ending) in [(true, "done"), (false, "blocked")] {
        let more = format!(
            "setup = [{{ run = \"mkdir -p ignored; touch $WORLD/cache/mine; test ! -e $WORLD/cache/planted\", network = {network} }}]\n\
             writable = [\"$WORLD/cache\"]\n\
             [[check]]\nname = \"plants\"\nrun = \"test -e $WORLD/cache/mine; touch $WORLD/cache/planted; true\"\nbaseline = \"off\"\n\
             [[check]]\nname = \"clean\"\nrun = \"true\"\nstrength = \"runner_ran_clean\"\n"
        );
        let world = with_policy(&more, "true", "");
        std::fs::create_dir(world.folder().join("cache")).unwrap();
        let said = world.foil(&["run", TICKET, "--json"]);
        assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], ending, "{said}");
        assert_eq!(world.folder().join("cache/planted").exists(), !network);
        assert!(world.folder().join("cache/mine").exists());
    }
}

#[test]
fn what_a_failing_check_destroyed_is_set_up_anew() {
    let steps = "[[step]]\ndo = \"write\"\npath = \"build.sh\"\ntext = \"rm -rf ignored; exit 1\\n\"\n";
    let check = "test -e ignored/made && { test ! -e build.sh || sh build.sh; }";
    let world = world("setup = [{ run = \"sh prepare.sh\" }]\n", check, steps);
    let second = format!(
        "role = \"writer\"\nturn = 2\n[[step]]\ndo = \"write\"\npath = \"build.sh\"\ntext = \"true\\n\"\n{HELLO}{DONE}"
    );
    std::fs::write(world.folder().join("scripts/a-second.toml"), second).unwrap();
    assert_eq!(delivered(&world), ["build.sh", "hello.txt"]);
    let set_up = journal(&world).matches("\"set_up\":[{\"name\":\"set-up 1\"").count();
    assert_eq!(
        set_up, 3,
        "in the worker's place, for the base, and after the check that failed"
    );
}

#[test]
fn a_file_in_the_way_of_what_was_set_up_does_not_stay_in_its_way() {
    let world = world(
        "setup = [{ run = \"sh prepare.sh\" }]\n",
        "test ! -f ignored",
        &runs("rm -r ignored; touch ignored"),
    );
    let second = format!("role = \"writer\"\nturn = 2\n{}{HELLO}{DONE}", runs("rm ignored"));
    std::fs::write(world.folder().join("scripts/a-second.toml"), second).unwrap();
    let policy = world.read("counterfoil.toml");
    let given = "[[check]]\nname = \"made\"\nrun = \"test -e ignored/made\"\nsandbox = \"off\"\n";
    world.write("counterfoil.toml", format!("{given}{policy}"));
    world.git(&["commit", "-qm", "Check again", "--", "counterfoil.toml"]);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    assert_eq!(delivered(&world), ["hello.txt"]);
}

#[test]
fn set_up_that_forgets_to_ignore_a_great_deal_is_told_so_and_fills_no_object_store() {
    let files = "i=0; while [ $i -lt 300 ]; do echo $i >new-$i; i=$((i+1)); done";
    let world = world(&format!("setup = [{{ run = \"{files}\" }}]\n"), "true", "");
    let (code, reason, _) = blocked(&world);
    assert_eq!(code, "setup_changed_tree");
    assert!(reason.ends_with("and 290 more"), "{reason}");
    let objects: u64 = world
        .git(&["count-objects"])
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(objects < 100, "{objects}");
    let said = world.foil(&["clean", "--apply"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.git(&["for-each-ref", "refs/counterfoil/keep/*/cleaned-*"]), "");
}

#[test]
fn a_command_with_network_that_fails_once_is_tried_again() {
    let flaky =
        "mkdir -p ignored; if test -e ignored/once; then touch ignored/made; else touch ignored/once; exit 1; fi";
    for (network, ending) in [(true, "done"), (false, "blocked")] {
        let setup = format!("setup = [{{ run = \"{flaky}\", network = {network} }}]\n");
        let world = world(&setup, "test -e ignored/made", "");
        let said = world.foil(&["run", TICKET, "--json"]);
        assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], ending, "{said}");
    }
}

#[test]
fn a_set_up_command_that_takes_too_long_stops_the_run() {
    let world = world("setup = [{ run = \"sleep 600\", timeout = \"1s\" }]\n", "true", "");
    let (code, reason, has_turn) = blocked(&world);
    assert_eq!((code.as_str(), has_turn), ("needs_person", false));
    assert!(
        reason.contains("`sleep 600` failed in the worker's place (ended at its time limit): it printed nothing"),
        "{reason}"
    );
    assert_none_below(world.folder(), Duration::from_secs(10));
}

#[test]
fn a_copy_is_as_closed_to_others_as_the_file_of_the_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = copying(
        "test $(stat -c %a local.txt) = 600",
        &runs("test $(stat -c %a local.txt) = 600"),
    );
    let path = world.root().join("local.txt");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(delivered(&world), ["hello.txt"]);
}

#[test]
fn a_copy_that_the_policy_no_longer_names_is_not_kept_by_clean() {
    let world = copying("true", &runs("echo out >elsewhere && echo mine >data/x"));
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}keep = \"always\"\n"));
    world.write("0-scope.txt", "");
    world.git(&["add", "0-scope.txt"]);
    world.git(&["commit", "-qm", "Keep places", "--", "counterfoil.toml", "0-scope.txt"]);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    std::fs::write(
        world.folder().join("scripts/writer.toml"),
        format!(
            "role = \"writer\"\n{}[answer]\nreport = {{ status = \"blocked\", summary = \"no\" }}\n",
            runs("echo late >late")
        ),
    )
    .unwrap();
    assert_eq!(world.foil(&["run", TICKET]).code, Some(10));
    // What was measured is kept already; this is not.
    let places = world.state_home().join("counterfoil/places");
    let place = std::fs::read_dir(places).unwrap().flatten().next().unwrap().path();
    std::fs::write(place.join("work/later"), "later\n").unwrap();
    world.write("counterfoil.toml", policy.replace(COPY, ""));
    let said = world.foil(&["clean", "--apply"]);
    assert_eq!(said.code, Some(0), "{said}");
    let kept = world.git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil/keep"]);
    let kept = kept.lines().find(|name| name.contains("/cleaned-")).unwrap();
    let files = world.git(&["ls-tree", "-r", "--name-only", kept]);
    assert!(
        files.contains("later") && !files.contains("local.txt") && !files.contains("data/x"),
        "{files}"
    );
}

#[test]
fn what_places_are_given_is_shown_before_and_after_the_run() {
    let world = copying("test -e ignored/made", "");
    let policy = world.read("counterfoil.toml");
    let setup = "setup = [{ run = \"echo preparing; sh prepare.sh\", timeout = \"2m\", network = true }]\n";
    world.write("counterfoil.toml", format!("{policy}{setup}"));
    world.git(&["commit", "-qm", "Set up", "--", "counterfoil.toml"]);
    let trust = world.foil(&["trust"]).stdout;
    assert!(
        trust.contains("set-up: echo preparing; sh prepare.sh with network"),
        "{trust}"
    );
    assert!(
        trust.ends_with("of your untracked files\n  data/x\n  local.txt\n"),
        "{trust}"
    );
    let explain = world.foil(&["explain", TICKET]).stdout;
    for line in [
        "given     data/x, as it is in your work tree",
        "set-up    `echo preparing; sh prepare.sh` (sandboxed, with network, at most 2m)",
    ] {
        assert!(explain.contains(line), "{explain}");
    }
    assert_eq!(delivered(&world), ["hello.txt"]);
    let packet = world.foil(&["review", TICKET]).stdout;
    let warning = "what the checks show rests on files that the tree does not hold: `data/x`, `local.txt`";
    assert!(packet.contains(warning), "{packet}");
    let logs = world.foil(&["logs", TICKET]).stdout;
    assert!(logs.contains("set-up 1") && logs.contains("preparing"), "{logs}");
}
