//! What `foil run` chooses, and what it says is left.

use crate::common::LOOP;
use crate::packages::{runs, writer};
use crate::parallel::{WAITS, assert_states, beside, scope, signal, states, world_of};
use crate::seen;
use crate::world::{eventually, json};

#[test]
fn a_blocked_ticket_keeps_no_other_from_running_and_all_is_not_done() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), "echo x >elsewhere.txt"),
            (
                "0002-b",
                "depends_on = [\"0001-a\"]\n[scope]\nallowed = [\"b.txt\"]\n",
                "echo b >b.txt",
            ),
            ("0003-c", &scope("c.txt"), "echo c >c.txt"),
        ],
    );
    let said = world.foil(&["run", "--all", "--jobs", "3"]);
    assert_eq!(said.code, Some(10), "{said}");
    assert_states(
        &world,
        &[("0001-a", "blocked"), ("0002-b", "waiting"), ("0003-c", "done")],
    );
    let again = world.foil(&["run", "--all"]);
    assert_eq!(again.code, Some(10), "{again}");
    seen!("run_all_left", again);
    let report = json(&world.foil(&["run", "--all", "--json"]));
    let left: Vec<_> = report["left"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| &left["ticket"])
        .collect();
    assert_eq!(left, ["0001-a", "0002-b"]);
    // The new run fails as the first one did, and is not begun once more.
    let retried = world.foil(&["run", "--all", "--retry-blocked"]);
    assert_eq!(retried.code, Some(10), "{retried}");
    let runs = std::fs::read_dir(world.root().join(".git/counterfoil/runs/0001-a")).unwrap();
    assert_eq!(runs.count(), 2);
}

#[test]
fn as_many_run_as_were_asked_for() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), "echo a >a.txt"),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
            ("0003-c", &format!("priority = 5\n{}", scope("c.txt")), "echo c >c.txt"),
        ],
    );
    let dry = world.foil(&["run", "--all", "--max-runs", "2", "--dry-run"]);
    assert_eq!(dry.stdout, "0003-c\n0001-a\n");
    let said = world.foil(&["run", "--all", "--max-runs", "2", "--jobs", "3"]);
    assert_eq!(said.code, Some(10), "{said}");
    assert!(said.stderr.contains("not done: 1 ticket\n  ready 0002-b\n"), "{said}");
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "ready"), ("0003-c", "done")]);
    let said = world.foil(&["run", "--all", "--max-runs", "1"]);
    assert_eq!(said.code, Some(0), "{said}");
}

#[test]
fn named_tickets_that_were_not_begun_are_left() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), "echo a >a.txt"),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
        ],
    );
    let said = world.foil(&["run", "0001-a", "0002-b", "--max-runs", "1", "--json"]);
    assert_eq!(said.code, Some(10), "{said}");
    let left = &json(&said)["left"];
    assert_eq!(
        (&left[0]["ticket"], &left[0]["state"]),
        (&"0002-b".into(), &"ready".into())
    );
    assert_states(&world, &[("0001-a", "done"), ("0002-b", "ready")]);
}

#[test]
fn named_tickets_that_depend_on_each_other_keep_no_other_from_running() {
    let world = world_of("", &[("0003-c", &scope("c.txt"), "echo c >c.txt")]);
    for (id, other) in [("0001-a", "0002-b"), ("0002-b", "0001-a")] {
        world.ticket(id, &format!("{LOOP}depends_on = [\"{other}\"]\n"));
    }
    world.commit_all("A circle, which nobody can approve");
    let said = world.foil(&["run", "0001-a", "0002-b", "0003-c"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert_states(&world, &[("0001-a", "draft"), ("0002-b", "draft"), ("0003-c", "done")]);
}

#[test]
fn all_is_not_done_while_another_process_runs_a_ticket_or_one_cannot_be_read() {
    let world = world_of(
        "",
        &[
            ("0001-a", &scope("a.txt"), WAITS),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
            ("0003-c", &scope("c.txt"), "echo c >c.txt"),
        ],
    );
    world.ticket("0004-draft", "nonsense\n");
    let mut first = beside(&world, &["run", "0001-a"]);
    let meet = world.folder().join("meet");
    eventually("at work", || meet.join("a").exists());
    world.write("ledger/tickets/0003-c/ticket.toml", "nonsense\n");
    let said = world.foil(&["run", "--all", "--json"]);
    assert_eq!(said.code, Some(10), "{said}");
    let left = json(&said)["left"].clone();
    let left: Vec<_> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|left| (&left["ticket"], &left["state"]))
        .collect();
    assert_eq!(
        left,
        [
            (&"0001-a".into(), &"running".into()),
            (&"0003-c".into(), &"broken".into())
        ]
    );
    std::fs::write(meet.join("go"), "").unwrap();
    assert_eq!(first.0.wait().unwrap().code(), Some(0));
    assert_states(
        &world,
        &[
            ("0001-a", "done"),
            ("0002-b", "done"),
            ("0003-c", "broken"),
            ("0004-draft", "broken"),
        ],
    );
}

#[test]
fn what_becomes_ready_later_is_run_and_what_stopped_is_not_tried_again() {
    let world = world_of(
        "[schedule]\npoll = \"1s\"\n",
        &[
            ("0001-a", &scope("a.txt"), "echo x >elsewhere.txt"),
            ("0002-b", &scope("b.txt"), "echo b >b.txt"),
        ],
    );
    world.ticket("0003-c", &format!("{LOOP}{}", scope("c.txt")));
    world.write("ledger/tickets/0003-c/prompt.md", "Write 0003-c.\n");
    writer(&world, "0003-c", &runs("echo c >c.txt"));
    world.commit_all("A draft");
    let mut runner = beside(&world, &["run", "--continuous", "--retry-blocked"]);
    eventually("what was ready is run", || {
        let states = states(&world);
        states[0].1 == "blocked" && states[1].1 == "done"
    });
    let said = world.foil(&["approve", "0003-c"]);
    assert_eq!(said.code, Some(0), "{said}");
    eventually("what was approved later is run", || states(&world)[2].1 == "done");
    signal(runner.0.id(), "-INT");
    assert_eq!(runner.0.wait().unwrap().code(), Some(130));
    let runs = std::fs::read_dir(world.root().join(".git/counterfoil/runs/0001-a")).unwrap();
    assert_eq!(runs.count(), 1);
    let said = world.foil(&["run", "--continuous", "--max-cycles", "1"]);
    assert_eq!(said.code, Some(10), "{said}");
}

#[test]
fn a_ticket_that_cannot_be_run_for_an_error_keeps_no_other_from_running() {
    let world = world_of(
        "",
        &[
            ("0001-first", "priority = 5\n", "echo 1 >1.txt"),
            ("0002-second", "", "echo 2 >2.txt"),
        ],
    );
    // Something that is no lock is where its lock belongs.
    let in_the_way = world.root().join(".git/counterfoil/locks/0001-first.lock");
    std::fs::create_dir_all(in_the_way).unwrap();
    let said = world.foil(&["run", "--all", "--jobs", "1", "--json"]);
    assert_eq!(said.code, Some(1), "{said}");
    let report = json(&said);
    assert_eq!(report["not_run"][0]["ticket"], "0001-first", "{said}");
    assert_eq!(report["runs"][0]["ticket"], "0002-second", "{said}");
    assert_eq!(report["runs"][0]["packet"]["outcome"], "done", "{said}");
}

#[test]
fn drafts_that_name_each_other_as_parents_keep_no_ticket_from_running() {
    let world = world_of("", &[("0003-c", &scope("c.txt"), "echo c >c.txt")]);
    let draft = |id: &str, mode: &str, parent: &str| {
        world.ticket(
            id,
            &format!("title = \"Any\"\nmode = \"{mode}\"\nparent = \"{parent}\"\n"),
        );
    };
    draft("0001-a", "parent", "0002-b");
    draft("0002-b", "parent", "0001-a");
    world.commit_all("A circle, which nobody can approve");
    assert_eq!(world.foil(&["check"]).code, Some(3));
    let said = world.foil(&["run", "0001-a", "0002-b"]);
    assert_eq!(said.code, Some(11), "none of them is done: {said}");
    // Neither of these owns the other, whatever it says.
    let contract = format!("{LOOP}parent = \"0004-d\"\n{}", scope("c.txt"));
    world.write("ledger/tickets/0003-c/ticket.toml", contract);
    draft("0004-d", "loop", "0003-c");
    world.commit_all("Another circle, one of which is approved");
    let said = world.foil(&["approve", "0003-c"]);
    assert_eq!(said.code, Some(0), "{said}");
    let said = world.foil(&["run", "--all"]);
    assert_eq!(said.code, Some(0), "{said}");
    let drafts = ["0001-a", "0002-b", "0004-d"].map(|id| (id, "draft"));
    assert_states(&world, &[drafts[0], drafts[1], ("0003-c", "done"), drafts[2]]);
}

#[test]
fn a_package_that_was_begun_goes_before_what_is_older_unless_the_policy_asks_for_age() {
    for (policy, expected) in [
        ("", "0003-c\n0001-a\n"),
        ("[schedule]\nfocus = \"package\"\n", "0003-c\n0001-a\n"),
        ("[schedule]\nfocus = \"age\"\n", "0001-a\n0003-c\n"),
    ] {
        let tickets = ["a", "b", "c"];
        let [a, b, c] = tickets.map(|name| (scope(&format!("{name}.txt")), format!("echo {name} >{name}.txt")));
        let world = world_of(
            policy,
            &[("0001-a", &a.0, &a.1), ("0002-b", &b.0, &b.1), ("0003-c", &c.0, &c.1)],
        );
        for args in [
            &["package", "new", "Goal", "0002-b", "0003-c"][..],
            &["approve", "goal"],
            &["run", "0002-b"],
        ] {
            let said = world.foil(args);
            assert_eq!(said.code, Some(0), "{said}");
        }
        let said = world.foil(&["run", "--all", "--dry-run"]);
        assert_eq!(said.stdout, expected, "{policy}");
    }
}
