//! What programs that watch a repository get: `runner::OverviewWatch`, on real runs.

use std::process::Stdio;

use runner::{Moment, Overview, OverviewWatch, Settings, TicketState};

use crate::common::{LOOP, World};
use crate::world::{Runner, TICKET, WRITER, approved, eventually, under_way};

fn watch(world: &World) -> OverviewWatch {
    let settings = Settings {
        state_folder: world.state_home().join("counterfoil"),
    };
    OverviewWatch::new(&world.root(), settings, None)
}

fn look(watch: &mut OverviewWatch) -> Overview {
    watch.look(Moment::now().at).unwrap().clone()
}

/// Looks until nothing changes any more: what changed a moment ago is read again.
fn settle(watch: &mut OverviewWatch) -> Overview {
    let mut overview = look(watch);
    eventually("nothing changes", || {
        let before = watch.times_read();
        overview = look(watch);
        watch.times_read() == before
    });
    overview
}

fn state<'a>(overview: &'a Overview, id: &str) -> &'a TicketState {
    let ticket = overview.status.tickets.iter().find(|ticket| ticket.id.as_str() == id);
    &ticket.unwrap().state
}

#[test]
fn nothing_is_read_again_while_nothing_changes_and_every_change_is_seen() {
    let world = approved(WRITER);
    let mut watch = watch(&world);
    let overview = settle(&mut watch);
    assert_eq!(state(&overview, TICKET).name(), "ready");
    let changes: [(&str, &dyn Fn()); 6] = [
        ("a prompt", &|| {
            world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Other.\n");
        }),
        ("a ticket", &|| world.ticket("0002-new", LOOP)),
        ("the policy", &|| {
            let policy = world.read("counterfoil.toml");
            world.write("counterfoil.toml", format!("{policy}\n# a word\n"));
        }),
        ("trust", &|| assert_eq!(world.foil(&["trust"]).code, Some(0))),
        ("a branch", &|| {
            world.git(&["switch", "-q", "-c", "other"]);
        }),
        ("a package", &|| {
            assert_eq!(world.foil(&["package", "new", "P", "0002-new"]).code, Some(0));
        }),
    ];
    let mut last = settle(&mut watch).status;
    for (what, change) in changes {
        let before = watch.times_read();
        assert_eq!(look(&mut watch).status, last, "{what}");
        assert_eq!(watch.times_read(), before, "{what}");
        change();
        let status = look(&mut watch).status;
        assert!(watch.times_read() > before, "{what} is not seen");
        assert_ne!(status, last, "{what}");
        last = settle(&mut watch).status;
    }
}

#[test]
fn a_run_under_way_is_followed_without_reading_everything_and_a_dead_runner_is_seen() {
    let (world, runner) = under_way();
    let mut watch = watch(&world);
    let overview = settle(&mut watch);
    let TicketState::Running(run) = state(&overview, TICKET) else {
        panic!("{overview:?}");
    };
    assert_eq!((run.max_tokens, run.iteration), (Some(5_000_000), 1));
    assert!(
        overview
            .events
            .iter()
            .any(|event| event.text.contains("begins conversation"))
    );
    let before = watch.times_read();
    let later = Moment::now().at + jiff::SignedDuration::from_secs(50);
    let overview = watch.look(later).unwrap().clone();
    let TicketState::Running(later) = state(&overview, TICKET) else {
        panic!("{overview:?}");
    };
    assert!(later.elapsed_seconds >= run.elapsed_seconds + 49);
    assert_eq!(watch.times_read(), before);
    // Nothing of it leaves a trace in any file.
    runner.killed();
    let overview = look(&mut watch);
    assert!(
        matches!(state(&overview, TICKET), TicketState::Paused(paused) if paused.cause == "crash"),
        "{overview:?}"
    );
}

#[test]
fn a_run_is_seen_from_its_beginning_to_its_end() {
    let world = approved(WRITER);
    let mut watch = watch(&world);
    settle(&mut watch);
    let mut command = world.foil_command();
    command
        .args(["run", TICKET])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut runner = Runner(command.spawn().unwrap());
    let mut seen = Vec::new();
    eventually("it is done", || {
        let name = state(&look(&mut watch), TICKET).name();
        if seen.last() != Some(&name) {
            seen.push(name);
        }
        name == "done"
    });
    assert_eq!(seen, ["ready", "running", "done"]);
    runner.0.wait().unwrap();
    let overview = settle(&mut watch);
    assert_eq!(
        overview.status,
        runner::status(&crate::world::workspace(&world), Moment::now().at).unwrap()
    );
    let told: Vec<_> = overview.events.iter().map(|event| event.seq).collect();
    assert!(told.is_sorted() && told.len() > 20, "{told:?}");
    assert!(overview.events.iter().all(|event| !event.is_token_count()));
}

#[test]
fn a_slip_in_the_policy_is_told_and_mended_while_somebody_looks() {
    let world = approved(WRITER);
    let mut watch = watch(&world);
    let before = settle(&mut watch);
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", "limits = 3\n");
    for _ in 0..2 {
        let error = watch.look(Moment::now().at).unwrap_err();
        assert!(error.to_string().contains("counterfoil.toml"), "{error}");
    }
    world.write("counterfoil.toml", policy);
    assert_eq!(settle(&mut watch), before);
}
