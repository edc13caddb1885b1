//! `[delivery] branch` with `{package}` alone: the tickets of a package share one branch, each from its tip.

use serde_json::{Value, json};

use crate::common::World;
use crate::packages::{packaged, runs, writer};
use crate::world::json as json_of;

const SHARED: &str = "[delivery]\nbranch = \"goals/{package}\"\n";
const BRANCH: &str = "goals/goal";

fn goal() -> World {
    packaged([""; 3], SHARED)
}

fn run(world: &World, names: &[&str]) -> Value {
    let said = world.foil(&[&["run", "--json"], names].concat());
    assert_eq!(said.code, Some(0), "{said}");
    json_of(&said)
}

fn subjects(world: &World, range: &str) -> Vec<String> {
    let log = world.git(&["log", "--format=%s", "--reverse", "--no-merges", range]);
    log.lines().map(str::to_owned).collect()
}

fn branches(world: &World) -> String {
    world.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/"])
}

const SUBJECTS: [&str; 6] = [
    "0001-one: Say hello",
    "0001-one: records",
    "0002-two: Say hello",
    "0002-two: records",
    "0003-three: Say hello",
    "0003-three: records",
];

#[test]
fn tickets_of_a_package_share_one_branch_each_from_its_tip() {
    let world = goal();
    run(&world, &["0001-one"]);
    let first = world.git(&["rev-parse", BRANCH]);
    assert_eq!(branches(&world), format!("{BRANCH}\nmain"));
    run(&world, &["goal"]);
    assert_eq!(branches(&world), format!("{BRANCH}\nmain"));
    assert_eq!(subjects(&world, &format!("main..{BRANCH}")), SUBJECTS);
    assert_eq!(world.git(&["merge-base", &first, BRANCH]), first);
    assert_eq!(world.git(&["show", &format!("{BRANCH}:three.txt")]), "one\ntwo\nthree");
    let verified = world.foil(&["verify"]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

#[test]
fn the_branch_goes_on_from_what_a_person_added_and_from_what_was_committed_beside_it() {
    let world = goal();
    run(&world, &["0001-one"]);
    // On the branch itself, and on the one that is checked out.
    let tree = world.git(&["rev-parse", &format!("{BRANCH}^{{tree}}")]);
    let person = world.git(&["commit-tree", "-p", BRANCH, "-m", "A person goes on", &tree]);
    world.git(&["update-ref", &format!("refs/heads/{BRANCH}"), &person]);
    world.write("README", "read me\n");
    world.commit_all("Beside it");
    run(&world, &["goal"]);
    assert_eq!(branches(&world), format!("{BRANCH}\nmain"));
    for contained in [person.as_str(), "main"] {
        let base = world.git(&["merge-base", contained, BRANCH]);
        assert_eq!(base, world.git(&["rev-parse", contained]));
    }
    assert_eq!(world.git(&["show", &format!("{BRANCH}:three.txt")]), "one\ntwo\nthree");
}

#[test]
fn a_branch_that_is_somebody_elses_is_left_as_it_is() {
    let world = goal();
    world.git(&["branch", "-q", BRANCH]);
    let theirs = world.git(&["rev-parse", BRANCH]);
    run(&world, &["goal"]);
    assert_eq!(world.git(&["rev-parse", BRANCH]), theirs);
    assert_eq!(branches(&world), format!("{BRANCH}\n{BRANCH}-2\nmain"));
    assert_eq!(subjects(&world, &format!("main..{BRANCH}-2")), SUBJECTS);
}

#[test]
fn a_branch_that_was_taken_back_is_left_as_it_is_and_the_work_goes_on_from_the_receipts() {
    let world = goal();
    run(&world, &["0001-one"]);
    world.git(&["update-ref", &format!("refs/heads/{BRANCH}"), "main"]);
    run(&world, &["goal"]);
    assert_eq!(world.git(&["rev-parse", BRANCH]), world.git(&["rev-parse", "main"]));
    assert_eq!(subjects(&world, &format!("main..{BRANCH}-2")), SUBJECTS);
}

#[test]
fn a_merged_branch_that_was_deleted_is_begun_anew() {
    let world = goal();
    run(&world, &["0001-one"]);
    world.git(&["merge", "-q", "--ff-only", BRANCH]);
    world.git(&["branch", "-q", "-d", BRANCH]);
    run(&world, &["goal"]);
    assert_eq!(subjects(&world, &format!("main..{BRANCH}")), SUBJECTS[2..]);
}

#[test]
fn a_branch_that_somebody_moves_while_a_run_is_under_way_is_not_overwritten() {
    let world = goal();
    run(&world, &["0001-one"]);
    let root = world.root();
    let moving = format!(
        "cat one.txt >two.txt; cd '{}' && git update-ref refs/heads/{BRANCH} \
         $(git -c user.name=x -c user.email=x@example.org commit-tree -p {BRANCH} -m more {BRANCH}^{{tree}})",
        root.display()
    );
    std::fs::write(world.folder().join("move.sh"), moving).unwrap();
    let script = format!("sh '{}'", world.folder().join("move.sh").display());
    writer(&world, "two", &runs(&script));
    let said = world.foil(&["run", "goal", "--json"]);
    assert_eq!(said.code, Some(10), "{said}");
    let document = json_of(&said);
    let blocker = &document["runs"][0]["packet"]["blocker"];
    assert_eq!(blocker["code"], "upstream_moved", "{document:#}");
    assert_eq!(world.git(&["log", "-1", "--format=%s", BRANCH]), "more");
    // The work is kept, and a new run begins with it on what the branch is now.
    writer(&world, "two", &runs("true"));
    let said = world.foil(&["run", "--from-rescue", "0002-two"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.git(&["log", "-1", "--format=%s", &format!("{BRANCH}~2")]), "more");
}

/// A check of a ticket.
fn check(name: &str, run: &str) -> String {
    format!(
        "[[acceptance]]\nid = \"AC-1\"\nthen = \"it is so\"\n[[check]]\nname = \"{name}\"\nrun = \"{run}\"\nproves = [\"AC-1\"]\n"
    )
}

#[test]
fn the_checks_of_every_ticket_run_once_more_on_the_whole() {
    let [one, two, three] = [
        check("mine", "grep -q one one.txt"),
        check("mine", "grep -q two two.txt"),
        check("mine", "grep -q three three.txt"),
    ];
    let world = packaged([&one, &two, &three], SHARED);
    std::fs::create_dir_all(world.folder().join("home")).unwrap();
    let document = run(&world, &["0001-one", "0002-two"]);
    let names = |run: &Value| -> Vec<String> {
        let checks = run["packet"]["checks"].as_array().unwrap();
        checks
            .iter()
            .map(|check| check["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&document["runs"][1]), ["any", "mine"]);
    let explained = json_of(&world.foil(&["explain", "0003-three", "--json"]));
    let explained: Vec<_> = explained["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| &check["name"])
        .collect();
    assert_eq!(explained, ["any", "mine", "0001-one: mine", "0002-two: mine"]);
    // The last ticket breaks what the first one made: the whole is not right, and the worker is told.
    writer(
        &world,
        "three",
        "turn = 1\n[[step]]\ndo = \"run\"\ncommand = \"echo three >three.txt; echo 1 >one.txt\"\n[answer]\nreport = { summary = \"done\" }\n",
    );
    let scripts = world.folder().join("scripts");
    let mending = format!(
        "role = \"writer\"\nturn = 2\nprompt_contains = \"0001-one: mine\"\n{}",
        runs("echo one >one.txt")
    );
    std::fs::write(scripts.join("mending.toml"), mending).unwrap();
    let document = run(&world, &["goal"]);
    assert_eq!(
        names(&document["runs"][0]),
        ["any", "mine", "0001-one: mine", "0002-two: mine"],
        "{document:#}"
    );
    assert_eq!(world.git(&["show", &format!("{BRANCH}:one.txt")]), "one");
    let verified = world.foil(&["verify"]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

#[test]
fn a_ticket_of_no_package_has_a_branch_of_its_own() {
    let world = goal();
    world.ticket("0009-alone", crate::common::LOOP);
    world.write("ledger/tickets/0009-alone/prompt.md", "Write one.\n");
    assert_eq!(world.foil(&["approve", "0009-alone"]).code, Some(0));
    let document = run(&world, &["0009-alone"]);
    assert_eq!(document["runs"][0]["packet"]["branch"], json!("goals/0009-alone"));
}
