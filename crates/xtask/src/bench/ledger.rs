//! `foil status` and `foil check` on large ledgers, beside a plain read of the tickets.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::Bench;
use super::measure::{Samples, in_turn, peak_memory};
use super::repository::{REPOSITORY, TestRepository, ticket_folder, ticket_id};
use super::table::Row;
use crate::error::TaskError;

/// Delivered tickets whose branch was not merged yet.
const UNMERGED: usize = 20;
/// Finished runs of each delivered ticket: half of the tickets are delivered, so there are twice as many runs as tickets.
const RUNS: usize = 4;
/// Raised when the worlds are made in another way: one that lies there is used again.
const WORLD: &str = "3";

/// It has a ticket with specs.
const GUIDE: &str = include_str!("../../../../docs/guide.md");

/// What one size of ledger took.
struct Measured {
    status: Samples,
    find: Samples,
    check: Samples,
}

/// Status and check at two sizes, the memory at the smaller one, and how they grow.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let small = if bench.quick { 1_000 } else { 10_000 };
    let large = small * 10;
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for count in [small, large] {
        let folder = bench.folder.join(format!("ledger-{count}"));
        let world = world(&folder, count)?;
        let rounds = if count == large {
            bench.rounds.div_ceil(2)
        } else {
            bench.rounds
        };
        let measured = measure(bench, &world, rounds)?;
        let Measured { status, find, check } = &measured;
        let plain = "`find … -exec cat {} +`";
        rows.push(Row::against(
            format!("`foil status`, {count} tickets"),
            status,
            find,
            plain,
            1.0,
        ));
        rows.push(Row::against(
            format!("`foil check`, {count} tickets"),
            check,
            find,
            plain,
            2.0,
        ));
        if count == small {
            for verb in ["status", "check"] {
                let peak = peak_memory(&world.command(&bench.programs.foil, &[verb]));
                rows.push(Row::size(
                    format!("memory of `foil {verb}`, {count} tickets, at its peak"),
                    peak,
                    Some(40),
                ));
            }
        }
        all.push(measured);
    }
    rows.push(quick_row(bench, small)?);
    rows.push(package_row(bench, small)?);
    rows.push(specs_row(bench, small)?);
    if let [small, large] = all.as_slice() {
        let what = "`foil status`, ten times the tickets";
        rows.push(Row::growth(what, &large.status, &small.status, 11.0));
        let what = "`find … -exec cat {} +`, ten times the tickets";
        rows.push(Row::told_growth(what, &large.find, &small.find));
    }
    Ok(rows)
}

fn measure(bench: &Bench, world: &TestRepository, rounds: usize) -> Result<Measured, TaskError> {
    let foil = &bench.programs.foil;
    let [status, find, check] = in_turn(
        rounds,
        [
            &|| world.command(foil, &["status"]),
            &|| world.command("find", &["ledger", "-name", "ticket.toml", "-exec", "cat", "{}", "+"]),
            &|| world.command(foil, &["check"]),
        ],
    )?;
    Ok(Measured { status, find, check })
}

/// What `foil check` takes where every ticket is in quick mode, and one in ten says too much for it.
fn quick_row(bench: &Bench, count: usize) -> Result<Row, TaskError> {
    let folder = bench.folder.join(format!("quick-{count}"));
    let made = folder.join("made");
    let world = if std::fs::read_to_string(&made).is_ok_and(|text| text == WORLD) {
        TestRepository::at(&folder)
    } else {
        eprintln!("making a ledger of {count} quick tickets");
        let world = TestRepository::create(&folder)?;
        let policy =
            format!("[repository]\nid = \"{REPOSITORY}\"\n\n[[check]]\nname = \"tests\"\nrun = \"cargo test\"\n");
        world.write("counterfoil.toml", &policy)?;
        world.write("Cargo.toml", "[workspace]\n")?;
        world.commit_all("policy")?;
        for number in 0..count {
            let ticket = ticket_folder(number);
            world.write(&format!("{ticket}/ticket.toml"), &quick_contract(number))?;
            world.write(&format!("{ticket}/prompt.md"), "Do it.\n")?;
        }
        std::fs::write(&made, WORLD).map_err(TaskError::file(&made))?;
        world
    };
    let [check] = in_turn(bench.rounds, [&|| world.command(&bench.programs.foil, &["check"])])?;
    Ok(Row::within(
        format!("`foil check`, {count} tickets in quick mode"),
        &check,
        Duration::from_secs(1),
    ))
}

/// What `foil check` takes where every ticket is in a package of a hundred, whose locks hold.
fn package_row(bench: &Bench, count: usize) -> Result<Row, TaskError> {
    let folder = bench.folder.join(format!("packages-{count}"));
    let made = folder.join("made");
    let world = if std::fs::read_to_string(&made).is_ok_and(|text| text == WORLD) {
        TestRepository::at(&folder)
    } else {
        eprintln!("making a ledger of {count} tickets in packages");
        let world = TestRepository::create(&folder)?;
        let policy = format!("[repository]\nid = \"{REPOSITORY}\"\n");
        world.write("counterfoil.toml", &policy)?;
        world.commit_all("policy")?;
        world.write_tickets(count)?;
        write_packages(bench, &world, count)?;
        std::fs::write(&made, WORLD).map_err(TaskError::file(&made))?;
        world
    };
    let [check] = in_turn(bench.rounds, [&|| world.command(&bench.programs.foil, &["check"])])?;
    Ok(Row::within(
        format!("`foil check`, {count} tickets in packages"),
        &check,
        Duration::from_secs(1),
    ))
}

/// Puts the tickets into packages of a hundred, and locks them.
fn write_packages(bench: &Bench, world: &TestRepository, count: usize) -> Result<(), TaskError> {
    for first in (0..count).step_by(100) {
        let ids: Vec<_> = (first..count.min(first + 100)).map(ticket_id).collect();
        let title = format!("Goal {first}");
        let mut arguments = vec!["package", "new", title.as_str()];
        arguments.extend(ids.iter().map(String::as_str));
        world.capture(&bench.programs.foil, &arguments)?;
    }
    Ok(())
}

/// What `foil check` takes where one ticket in ten has specs, the others are quick or standard ones of which some may need specs, all of
/// them are in packages of a hundred, of which every other one is approved, and a pack is chosen by the files that a ticket may change.
fn specs_row(bench: &Bench, count: usize) -> Result<Row, TaskError> {
    let folder = bench.folder.join(format!("specs-{count}"));
    let made = folder.join("made");
    let world = if std::fs::read_to_string(&made).is_ok_and(|text| text == WORLD) {
        TestRepository::at(&folder)
    } else {
        eprintln!("making a ledger of {count} tickets with specs, packs and packages");
        let world = TestRepository::create(&folder)?;
        let policy =
            format!("[repository]\nid = \"{REPOSITORY}\"\n\n[[check]]\nname = \"tests\"\nrun = \"cargo test\"\n");
        world.write("counterfoil.toml", &policy)?;
        world.write("Cargo.toml", "[workspace]\n")?;
        let pack = "+++\ntitle = \"Sessions\"\n\n[inclusion]\nmode = \"file_match\"\n\
                    file_match = [\"forms/**/src/session_*.rs\"]\n+++\n\nSessions end after an hour.\n";
        world.write("ledger/steering/sessions.md", pack)?;
        world.commit_all("policy")?;
        world.capture(&bench.programs.foil, &["trust"])?;
        world.write_tickets(count)?;
        for number in (0..count).filter(|number| !number.is_multiple_of(10) && number % 10 < 5) {
            let ticket = ticket_folder(number);
            world.write(&format!("{ticket}/ticket.toml"), &quick_contract(number))?;
        }
        for number in (0..count).step_by(10) {
            write_specs(&world, number)?;
        }
        write_packages(bench, &world, count)?;
        world.commit_all("ledger")?;
        for first in (0..count).step_by(200) {
            world.capture(&bench.programs.foil, &["approve", &format!("goal-{first}")])?;
        }
        std::fs::write(&made, WORLD).map_err(TaskError::file(&made))?;
        world
    };
    let [check] = in_turn(bench.rounds, [&|| world.command(&bench.programs.foil, &["check"])])?;
    Ok(Row::within(
        format!("`foil check`, {count} tickets with quick flow, specs, packs and packages, half of them approved"),
        &check,
        Duration::from_secs(1),
    ))
}

/// The ticket with specs of the guide, with names of its own.
fn write_specs(world: &TestRepository, number: usize) -> Result<(), TaskError> {
    let section = GUIDE.split_once("### A ticket with specs").map_or("", |(_, rest)| rest);
    let own = |text: &str| {
        text.replace("0007-leap-years", &ticket_id(number))
            .replace("REQ-001", &format!("REQ-{number}"))
            .replace("current/calendar", &format!("current/calendar-{number}"))
            .replace("src/year.rs", &format!("src/year_{number}.rs"))
    };
    let blocks = |language: &str| {
        let fence = format!("```{language}\n");
        let blocks = section
            .split(&fence)
            .skip(1)
            .filter_map(|block| Some(own(block.split_once("```")?.0)));
        blocks.collect::<Vec<_>>()
    };
    for contract in blocks("toml").into_iter().take(1) {
        world.write(&format!("{}/ticket.toml", ticket_folder(number)), &contract)?;
    }
    let names = ["requirements", "design", "tasks", "delta"];
    for (name, text) in names.iter().zip(blocks("markdown")) {
        let folder = format!("ledger/specs/changes/{}", ticket_id(number));
        world.write(&format!("{folder}/{name}.md"), &text)?;
    }
    Ok(())
}

fn quick_contract(number: usize) -> String {
    format!(
        "schema = 1\ntitle = \"Keep what was typed in form {number}\"\nmode = \"quick\"\n\n[scope]\n\
         goal = \"the form keeps what was typed\"\n\
         allowed = [\"forms/{group}/src/{word}_{number}.rs\", \"forms/{group}/tests/form_{number}.rs\"]\n\
         forbidden = [\"forms/**/legacy/**\"]\n",
        group = number % 100,
        word = if number.is_multiple_of(10) { "session" } else { "form" },
    )
}

/// Half of the tickets are delivered and have records, run refs and a receipt; a quarter is approved; a quarter is drafts.
pub(super) fn world(folder: &Path, count: usize) -> Result<TestRepository, TaskError> {
    let made = folder.join("made");
    if std::fs::read_to_string(&made).is_ok_and(|text| text == WORLD) {
        return Ok(TestRepository::at(folder));
    }
    eprintln!("making a ledger of {count} tickets");
    let world = TestRepository::create(folder)?;
    let policy = format!("[repository]\nid = \"{REPOSITORY}\"\n\n[[check]]\nname = \"tests\"\nrun = \"cargo test\"\n");
    world.write("counterfoil.toml", &policy)?;
    world.commit_all("policy")?;
    world.write_tickets(count)?;
    let delivered = count / 2;
    let approved: Vec<usize> = (0..delivered + count / 4).collect();
    world.write_approvals(&approved)?;
    for number in 0..delivered {
        world.write(&format!("{}/result.md", ticket_folder(number)), RECORD)?;
        world.write(&format!("{}/review.md", ticket_folder(number)), RECORD)?;
    }
    write_refs(&world, delivered)?;
    std::fs::write(&made, WORLD).map_err(TaskError::file(&made))?;
    Ok(world)
}

const RECORD: &str = "---\nschema: 1\n---\n\n## Summary\n\nThe form refuses addresses that no mail can be sent to.\n";

/// The refs of delivered tickets: the last few have a receipt of their own and an unmerged branch, the others share one.
fn write_refs(world: &TestRepository, delivered: usize) -> Result<(), TaskError> {
    let main = world.git(&["rev-parse", "HEAD"])?;
    let unmerged = delivered.saturating_sub(UNMERGED)..delivered;
    let mut stream = String::new();
    for number in unmerged.clone() {
        let branch = format!("refs/heads/foil/{}", ticket_id(number));
        import(&mut stream, &branch, Some(&main), "src/auth/address.rs", "// refused\n");
    }
    world.feed_git(&["fast-import", "--quiet"], stream.as_bytes())?;
    let mut stream = String::new();
    for number in unmerged.clone() {
        let id = ticket_id(number);
        let records = world.git(&["rev-parse", &format!("refs/heads/foil/{id}")])?;
        let name = format!("refs/counterfoil/receipts/{id}");
        import(
            &mut stream,
            &name,
            None,
            "receipt.json",
            &receipt(number, &main, &records),
        );
    }
    world.feed_git(&["fast-import", "--quiet"], stream.as_bytes())?;
    let shared = world.git(&[
        "rev-parse",
        &format!("refs/counterfoil/receipts/{}", ticket_id(unmerged.start)),
    ])?;

    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 0..unmerged.start {
        let _ = writeln!(packed, "{shared} refs/counterfoil/receipts/{}", ticket_id(number));
    }
    for number in 0..delivered {
        for run in 0..RUNS {
            let _ = writeln!(
                packed,
                "{shared} refs/counterfoil/runs/{}/{}",
                ticket_id(number),
                run_id(number, run)
            );
        }
    }
    let path = world.root().join(".git/packed-refs");
    std::fs::write(&path, packed).map_err(TaskError::file(&path))
}

/// A commit with one file, on a ref that does not exist yet.
fn import(stream: &mut String, name: &str, from: Option<&str>, path: &str, text: &str) {
    // Writing to a string cannot fail.
    let _ = write!(
        stream,
        "commit {name}\ncommitter A person <person@localhost> 1767323045 +0000\ndata 6\nstored\n{}M 100644 inline {path}\ndata {}\n{text}\n",
        from.map_or_else(String::new, |from| format!("from {from}\n")),
        text.len()
    );
}

fn run_id(number: usize, run: usize) -> String {
    format!("01900000-{run:04x}-7000-8000-{number:012x}")
}

fn receipt(number: usize, base: &str, records: &str) -> String {
    let id = ticket_id(number);
    let run = run_id(number, RUNS - 1);
    let sum = format!("sha256:{}", "0".repeat(64));
    let covered = |file: &str| {
        format!(
            r#"{{"path":"{}/{file}","blob":"{base}","sha256":"{sum}"}}"#,
            ticket_folder(number)
        )
    };
    format!(
        r#"{{"schema":1,"foil":"0.1.0","ticket":"{id}","run":"{run}","source":{{"repository":"{REPOSITORY}","files":[{ticket},{prompt}],"approval":{approval},"approved_by":"A person","policy":"{sum}"}},"base":"{base}","tree":"{base}","evidence":"{sum}","delivery":"branch","delivered":{{"change":"{records}","records":"{records}","branch":"refs/heads/foil/{id}"}},"journal":"{sum}","at":"2026-01-02T03:04:05Z"}}"#,
        ticket = covered("ticket.toml"),
        prompt = covered("prompt.md"),
        approval = covered("approval.toml"),
    )
}
