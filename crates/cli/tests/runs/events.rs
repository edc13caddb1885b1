//! `foil events`

use std::os::unix::fs::symlink;

use crate::common::World;
use crate::seen;
use crate::world::{TICKET, done, is_harmless, json_lines, run_folder, run_id};

#[test]
fn a_run_is_told_one_sentence_an_event_and_the_worker_cannot_forge_one() {
    let world = done();
    let said = world.foil(&["events"]);
    assert!(is_harmless(&said.stdout), "{said}");
    seen!("events", said);
    let lines = json_lines(&world.foil(&["events", TICKET, "--json"]));
    let numbers: Vec<_> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    assert!(
        lines
            .iter()
            .all(|line| line["schema"] == "counterfoil.events/1" && line["ticket"] == TICKET)
    );
    assert!(lines.iter().any(|line| line["subject"] == "tokens"));
    let last = serde_json::to_string_pretty(lines.iter().rfind(|line| line["kind"] == "entered").unwrap()).unwrap();
    seen!("events_json_line", last);
}

#[test]
fn the_last_events_and_those_since_a_time_are_chosen() {
    let world = done();
    let all = json_lines(&world.foil(&["events", TICKET, "--json"]));
    let last = json_lines(&world.foil(&["events", TICKET, "--json", "--limit", "3"]));
    assert_eq!(last, all[all.len() - 3..]);
    let since = all[10]["at"].as_str().unwrap();
    let later = json_lines(&world.foil(&["events", "--ticket", TICKET, "--json", "--since", since]));
    assert_eq!(
        later,
        all[all.iter().position(|line| line["at"] == all[10]["at"]).unwrap()..]
    );
    assert_eq!(world.foil(&["events", "--since", "2999-01-01T00:00:00Z"]).stdout, "");
    assert_eq!(world.foil(&["events", "--since", "soon"]).code, Some(2));
}

#[test]
fn following_a_run_that_ended_shows_it_once_and_ends() {
    let world = done();
    let followed = world.foil(&["events", TICKET, "--follow", "--json"]);
    assert_eq!(followed.code, Some(0));
    assert_eq!(followed.stdout, world.foil(&["events", TICKET, "--json"]).stdout);
    assert_eq!(followed.stderr, "Nobody is at work on it.\n");
}

#[test]
fn a_ticket_that_never_ran_says_so() {
    let world = World::initialized();
    seen!("events_nothing_ran", world.foil(&["events"]));
    seen!("events_never_ran", world.foil(&["events", "0002-other"]));
    let world = done();
    seen!(
        "events_unknown_run",
        world.foil(&["events", TICKET, "--run", "no-such-run"])
    );
}

#[test]
fn a_damaged_journal_is_shown_by_its_line_and_not_changed() {
    let world = done();
    let path = run_folder(&world).join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let damaged = text.replacen("said ", "sayd ", 1);
    std::fs::write(&path, &damaged).unwrap();
    let said = world.foil(&["events", TICKET]);
    assert_eq!(said.code, Some(12), "{said}");
    assert!(said.stderr.contains("is damaged"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
}

#[test]
fn the_journal_of_another_ticket_is_not_shown_as_that_of_this_one() {
    let world = done();
    let runs = world.root().join(".git/counterfoil/runs");
    let other = runs.join("0002-other").join(run_id(&world));
    std::fs::create_dir_all(&other).unwrap();
    std::fs::copy(run_folder(&world).join("journal.jsonl"), other.join("journal.jsonl")).unwrap();
    let said = world.foil(&["events", "0002-other"]);
    assert_eq!(said.code, Some(12), "{said}");
    assert!(said.stderr.contains("is that of `0001-hello`"), "{said}");
    assert_eq!(world.foil(&["logs", "0002-other"]).stdout.matches("hello").count(), 0);
}

#[test]
fn a_run_folder_that_is_a_link_is_not_followed() {
    let world = done();
    let folder = run_folder(&world);
    let elsewhere = world.folder().join("elsewhere");
    std::fs::rename(&folder, &elsewhere).unwrap();
    symlink(&elsewhere, &folder).unwrap();
    for verb in ["events", "logs", "review"] {
        let said = world.foil(&[verb, TICKET]);
        assert_eq!(said.code, Some(1), "{said}");
        assert!(said.stderr.contains("symbolic link"), "{said}");
        assert_eq!(said.stdout, "");
    }
}

#[test]
fn a_run_that_is_only_in_git_is_told_as_well() {
    let world = done();
    let live = world.foil(&["events", TICKET, "--json", "--limit", "1000"]);
    std::fs::remove_dir_all(run_folder(&world)).unwrap();
    let stored = world.foil(&["events", TICKET, "--json"]);
    assert_eq!(stored.code, Some(0));
    // That it was stored is only known where it was live.
    assert!(live.stdout.starts_with(&stored.stdout));
    assert!(stored.stdout.contains("\"subject\":\"done\""));
}

#[test]
fn refs_that_are_no_runs_are_passed_over_and_one_that_pretends_to_be_is_refused() {
    let world = done();
    for name in [
        "refs/counterfoil/runs/-n/1",
        "refs/counterfoil/runs/0001-hello/CON",
        "refs/counterfoil/runs/x",
    ] {
        world.git(&["update-ref", name, "HEAD"]);
    }
    assert_eq!(world.foil(&["events"]).code, Some(0));
    assert_eq!(world.foil(&["verify"]).code, Some(0));
    world.git(&["update-ref", "refs/counterfoil/runs/0001-hello/zzz", "HEAD"]);
    assert_eq!(world.foil(&["events", TICKET]).code, Some(12));
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(12));
}
