//! What a `foil plan` leaves that is killed, and who takes it away.

use std::path::Path;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use runner::guard::ProcessIdentity;
use runner::lock::LockHolder;
use runner::{CleanKind, CleanOptions, CleanReport, apply_clean, plan_clean, used_bytes};
use serde_json::Value;

use crate::common::World;
use crate::doctor::findings;
use crate::parallel::beside;
use crate::plan::{GOAL, GOAL_PROMPT, PACKAGE, places, plan, script, two, world};
use crate::seen;
use crate::world::{Runner, eventually, workspace};

/// A planner in the middle of its turn, and a process that it has started and that nothing but a look at its guard finds.
fn planning() -> (World, Runner, ProcessIdentity) {
    let world = world();
    let left = world.folder().join("left");
    let command = format!(
        "setsid sleep 60 & echo $! >{0}.new; mv {0}.new {0}; wait",
        left.display()
    );
    let steps = format!("[[step]]\ndo = \"run\"\ncommand = \"{command}\"\n[end]\nnever = true\n");
    script(&world, GOAL_PROMPT, &steps);
    let planner = beside(&world, &["plan", GOAL]);
    eventually("it is asked", || left.exists());
    let pid = std::fs::read_to_string(left).unwrap().trim().parse().unwrap();
    let process = ProcessIdentity::of(pid).unwrap().unwrap();
    (world, planner, process)
}

/// Kills a process with its guards, before they can do their work, and waits until what the kernel ends with them is gone too.
pub(crate) fn kill_with_guards(guards: &Path, kill_process: impl FnOnce()) {
    let records: Vec<Value> = std::fs::read_dir(guards)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .map(|record| serde_json::from_slice(&record).unwrap())
        .collect();
    assert!(!records.is_empty());
    let identities = |key: &str| -> Vec<ProcessIdentity> {
        let of = |record: &Value| serde_json::from_value(record[key].clone()).unwrap();
        records.iter().map(of).collect()
    };
    let (guards, children) = (identities("guard"), identities("child"));
    let signal = |signal: &str| {
        let pids = guards.iter().map(|guard| guard.pid.to_string());
        let status = Command::new("kill").arg(signal).args(pids).status().unwrap();
        assert!(status.success());
    };
    signal("-STOP");
    kill_process();
    signal("-KILL");
    eventually("they are gone", || {
        !guards.iter().chain(&children).any(ProcessIdentity::is_alive)
    });
}

/// The same world, once that planner is killed.
fn killed() -> (World, ProcessIdentity) {
    let (world, planner, process) = planning();
    let guards = world.root().join(format!(".git/counterfoil/plans/{PACKAGE}/guards"));
    kill_with_guards(&guards, || planner.killed());
    assert!(process.is_alive());
    (world, process)
}

fn later(days: i64) -> CleanOptions {
    CleanOptions {
        keep: 0,
        older_than: None,
        now: Timestamp::now() + SignedDuration::from_hours(24 * days),
    }
}

/// What could go.
fn kinds(world: &World, options: &CleanOptions) -> Vec<CleanKind> {
    let plan = plan_clean(&workspace(world), options).unwrap();
    plan.items.iter().map(|item| item.kind).collect()
}

fn apply(world: &World, options: &CleanOptions) -> CleanReport {
    let workspace = workspace(world);
    let plan = plan_clean(&workspace, options).unwrap();
    let holder = LockHolder::current(Timestamp::now()).unwrap();
    apply_clean(&workspace, plan, options, &holder)
}

#[test]
fn what_a_killed_planner_left_running_is_named_and_ended() {
    let (world, process) = killed();
    let said = world.foil(&["doctor", "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    let found = findings(&said, "processes");
    let detail = format!(
        "the plan of `{PACKAGE}`: a process of a dead runner still runs: {}",
        process.pid
    );
    let hint = "`foil doctor --repair` ends them, as the next plan of the package does";
    assert_eq!(
        found,
        [serde_json::json!({"what": "processes", "state": "warning", "detail": detail, "hint": hint})]
    );
    assert!(process.is_alive(), "looking ends nothing");
    let repaired = world.foil(&["doctor", "--repair", "--json"]);
    let detail = format!("the plan of `{PACKAGE}`: a process of a dead runner ended");
    assert_eq!(
        findings(&repaired, "processes"),
        [serde_json::json!({"what": "processes", "state": "ok", "detail": detail, "repaired": true})]
    );
    assert!(!process.is_alive());
    assert_eq!(
        findings(&world.foil(&["doctor", "--json"]), "processes"),
        [] as [Value; 0]
    );
}

#[test]
fn a_record_of_what_is_gone_is_named_and_removed() {
    let (world, process) = killed();
    assert!(
        Command::new("kill")
            .args(["-9", &process.pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    eventually("it is gone", || !process.is_alive());
    let found = findings(&world.foil(&["doctor", "--json"]), "processes");
    let detail =
        format!("the plan of `{PACKAGE}`: the record of processes that a dead runner had, all of which are gone");
    assert_eq!(found[0]["detail"], detail);
    assert_eq!(
        findings(&world.foil(&["doctor", "--repair", "--json"]), "processes")[0]["repaired"],
        true
    );
    assert_eq!(
        findings(&world.foil(&["doctor", "--json"]), "processes"),
        [] as [Value; 0]
    );
}

#[test]
fn places_of_a_killed_planner_go_and_what_it_had_started_ends_first() {
    let (world, process) = killed();
    assert_eq!(places(&world).len(), 1);
    seen!("clean_plan_dry", world.foil(&["clean"]));
    assert_eq!((places(&world).len(), process.is_alive()), (1, true));
    seen!("clean_plan_apply", world.foil(&["clean", "--apply"]));
    assert!(places(&world).is_empty());
    assert!(!process.is_alive());
    assert_eq!(world.foil(&["clean"]).stdout, "Nothing to remove.\n");
}

#[test]
fn nothing_of_a_plan_that_is_under_way_is_touched() {
    let (world, _planner, process) = planning();
    assert_eq!(kinds(&world, &later(400)), []);
    let said = world.foil(&["doctor", "--repair", "--json"]);
    assert_eq!(findings(&said, "processes"), [] as [Value; 0]);
    assert!(process.is_alive());
    assert_eq!(places(&world).len(), 1);
}

#[test]
fn a_plan_that_begins_between_looking_and_removing_is_safe() {
    let (world, _) = killed();
    let options = later(400);
    let planned = plan_clean(&workspace(&world), &options).unwrap();
    let (left, holder) = (places(&world), LockHolder::current(Timestamp::now()).unwrap());
    // The planner is asked anew, and does not end.
    std::fs::remove_file(world.folder().join("left")).unwrap();
    let _planner = beside(&world, &["plan", GOAL]);
    eventually("it is asked", || world.folder().join("left").exists());
    let report = apply_clean(&workspace(&world), planned, &options, &holder);
    assert_eq!(report.removed, []);
    let reasons: Vec<_> = report.failed.iter().map(|failure| failure.reason.as_str()).collect();
    assert_eq!(reasons, ["the package is being planned"; 2]);
    assert_eq!(places(&world), left);
}

#[test]
fn what_planners_said_goes_when_it_is_old_and_the_drafts_can_still_be_planned_anew() {
    let world = world();
    two(&world);
    (0..2).for_each(|_| assert_eq!(plan(&world).code, Some(0)));
    let folder = world.root().join(format!(".git/counterfoil/plans/{PACKAGE}"));
    assert_eq!(kinds(&world, &later(6)), []);
    let before = used_bytes(&workspace(&world)).unwrap();
    let report = apply(&world, &later(8));
    assert_eq!((report.failed.len(), report.removed.len()), (0, 1));
    assert!(!folder.join("agent.jsonl").exists() && !folder.join("agent.jsonl.1").exists());
    let after = used_bytes(&workspace(&world)).unwrap();
    assert_eq!(before - after, report.bytes());
    let said = plan(&world);
    assert_eq!(said.code, Some(0), "{said}");
}
