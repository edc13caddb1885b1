//! `foil status` while a runner works, in a clone that holds what many runs have left.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::Bench;
use super::measure::in_turn;
use super::repository::{REPOSITORY, TestRepository, ticket_folder, ticket_id};
use super::table::Row;
use crate::error::TaskError;

/// How many tickets there are. Half of them are delivered.
const TICKETS: usize = 1_000;
const GOAL: Duration = Duration::from_millis(60);
/// The ticket of the run whose journal every delivered ticket gets a copy of.
const DONE: &str = "done";
/// The ticket of the run that is under way.
const RUNNING: &str = "running";
/// How long a run may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// Status with the finished runs in Git alone, and with all of them live too.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let world = world(bench)?;
    let foil = &bench.programs.foil;
    let writes = "[[step]]\ndo = \"write\"\npath = \"done.txt\"\ntext = \"x\\n\"\n[answer]\nreport = { summary = \"wrote it\" }\n";
    write_script(bench, writes)?;
    world.capture(foil, &["run", DONE])?;
    write_script(bench, "[end]\nnever = true\n")?;
    let mut command = world.command(foil, &["run", RUNNING]);
    let _runner = Ended(
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(TaskError::file(foil))?,
    );
    let began = Instant::now();
    while !world
        .capture(foil, &["status", RUNNING, "--json"])?
        .contains("\"writer_assigned\"")
    {
        if began.elapsed() > PATIENCE {
            return Err(TaskError::unreadable("the run", "its worker does not begin"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = || world.command(foil, &["status"]);
    let [stored] = in_turn(bench.rounds, [&status])?;
    copy_run(&world)?;
    let [live] = in_turn(bench.rounds, [&status])?;
    Ok(vec![
        Row::within(
            format!("`foil status` while one of {TICKETS} tickets runs"),
            &stored,
            GOAL,
        ),
        Row::told(
            format!("the same with the live folders of {} finished runs", TICKETS / 2),
            &live,
        ),
    ])
}

/// A runner, ended with what is measured.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder of what the worker does.
fn scripts(bench: &Bench) -> PathBuf {
    bench.folder.join("under-way/scripts")
}

fn write_script(bench: &Bench, script: &str) -> Result<(), TaskError> {
    let path = scripts(bench).join("writer.toml");
    std::fs::write(&path, format!("role = \"writer\"\n{script}")).map_err(TaskError::file(&path))
}

fn world(bench: &Bench) -> Result<TestRepository, TaskError> {
    let folder = bench.folder.join("under-way");
    let world = TestRepository::create(&folder)?;
    let scripts = scripts(bench);
    std::fs::create_dir_all(&scripts).map_err(TaskError::file(&scripts))?;
    let policy = format!(
        "[repository]\nid = \"{REPOSITORY}\"\n\n[agent]\nkind = \"scripted\"\ncommand = '{}'\n\n[review]\nindependent = \"off\"\n",
        scripts.display()
    );
    world.write("counterfoil.toml", &policy)?;
    world.write_tickets(TICKETS)?;
    let approved: Vec<_> = (0..TICKETS / 4 * 3).collect();
    world.write_approvals(&approved)?;
    for number in 0..TICKETS / 2 {
        world.write(&format!("{}/result.md", ticket_folder(number)), "done\n")?;
    }
    for ticket in [DONE, RUNNING] {
        let contract = format!("title = \"One that runs\"\nmode = \"loop\"\n\n[scope]\nallowed = [\"{ticket}.txt\"]\n");
        world.write(&format!("ledger/tickets/{ticket}/ticket.toml"), &contract)?;
        world.write(&format!("ledger/tickets/{ticket}/prompt.md"), "Do it.\n")?;
    }
    world.commit_all("tickets")?;
    world.capture(&bench.programs.foil, &["trust"])?;
    world.capture(&bench.programs.foil, &["approve", DONE, RUNNING])?;
    Ok(world)
}

/// Gives every delivered ticket the journal of the run that is done.
fn copy_run(world: &TestRepository) -> Result<(), TaskError> {
    let runs = world.root().join(".git/counterfoil/runs");
    let run = only_entry(&runs.join(DONE))?;
    let name = run.file_name().unwrap_or_default();
    for number in 0..TICKETS / 2 {
        let folder = runs.join(ticket_id(number)).join(name);
        std::fs::create_dir_all(&folder).map_err(TaskError::file(&folder))?;
        let journal = folder.join("journal.jsonl");
        std::fs::copy(run.join("journal.jsonl"), &journal).map_err(TaskError::file(&journal))?;
    }
    Ok(())
}

fn only_entry(folder: &Path) -> Result<PathBuf, TaskError> {
    let mut entries = std::fs::read_dir(folder).map_err(TaskError::file(folder))?;
    match entries.next() {
        Some(entry) => Ok(entry.map_err(TaskError::file(folder))?.path()),
        None => Err(TaskError::unreadable(folder.display().to_string(), "it is empty")),
    }
}
