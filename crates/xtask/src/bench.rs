//! How fast `foil` is beside plain tools that do the same amount of work, on the machine at hand.
//!
//! Every row compares with a baseline that is measured in the same run, in turn, because machines differ and are shared. How long
//! something takes is not a test: a slow machine fails nothing. How large things are is one.

mod change_set;
mod journal;
mod ledger;
mod limits;
mod liveness;
mod measure;
mod night;
mod program;
mod push;
mod repository;
mod table;
mod turns;
mod under_way;

use std::path::{Path, PathBuf};

use crate::command::{cargo, succeed};
use crate::error::{TaskError, nothing_found};
use crate::workspace::Workspace;

use self::table::Row;

/// What a group of rows is made with.
struct Bench {
    /// The programs that were built for it.
    programs: Programs,
    /// The folder below which each group has its own.
    folder: PathBuf,
    /// How often a thing is measured.
    rounds: usize,
    /// Smaller worlds.
    quick: bool,
}

/// What is built before anything is measured.
struct Programs {
    foil: PathBuf,
    journal: PathBuf,
    change_set: PathBuf,
}

type Group = fn(&Bench) -> Result<Vec<Row>, TaskError>;

const GROUPS: [(&str, Group); 9] = [
    ("program", program::rows),
    ("journal", journal::rows),
    ("change-set", change_set::rows),
    ("status", ledger::rows),
    ("under-way", under_way::rows),
    ("push", push::rows),
    ("turns", turns::rows),
    ("night", night::rows),
    ("limits", limits::rows),
];

/// Builds the release program, measures the named groups of rows, or all, and prints them as a Markdown table.
///
/// `liveness` is none of them: it measures no time, and takes journals to look at.
pub(crate) fn run(workspace: &Workspace, names: &[String], quick: bool) -> Result<(), TaskError> {
    if let [first, journals @ ..] = names
        && first == "liveness"
    {
        return liveness::run(workspace, journals);
    }
    if let Some(unknown) = names.iter().find(|name| GROUPS.iter().all(|(known, _)| known != name)) {
        let known: Vec<_> = GROUPS.iter().map(|(name, _)| *name).collect();
        let reason = format!("there is no such group; there are {}", known.join(", "));
        return Err(TaskError::unreadable(format!("`{unknown}`"), reason));
    }
    let bench = Bench {
        programs: build(workspace)?,
        folder: workspace.target_folder().join("bench"),
        rounds: if quick { 5 } else { 15 },
        quick,
    };
    std::fs::create_dir_all(&bench.folder).map_err(TaskError::file(&bench.folder))?;
    let mut rows = Vec::new();
    let mut measured = Ok(());
    for (name, group) in GROUPS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            eprintln!("measuring {name}");
            match group(&bench) {
                Ok(of_group) => rows.extend(of_group),
                Err(error) => {
                    measured = Err(error);
                    break;
                }
            }
        }
    }
    // What was measured before something went wrong was measured.
    print!("{}", table::markdown(&rows));
    measured?;
    nothing_found(
        "too large, or not measured",
        table::unmet(&rows),
        "memory and sizes do not depend on how fast a machine is",
    )
}

fn build(workspace: &Workspace) -> Result<Programs, TaskError> {
    let release = workspace.target_folder().join("release");
    let program = |path: &str| -> Result<PathBuf, TaskError> {
        let path = release.join(path);
        path.canonicalize().map_err(TaskError::file(path))
    };
    succeed(cargo(
        workspace,
        &[
            "build",
            "--release",
            "--locked",
            "--package=counterfoil",
            "--package=counterfoil-runner",
            "--package=counterfoil-git-delivery",
            "--bin=foil",
            "--example=journal_bench",
            "--example=change_set_bench",
        ],
    ))?;
    Ok(Programs {
        foil: program("foil")?,
        journal: program("examples/journal_bench")?,
        change_set: program("examples/change_set_bench")?,
    })
}

/// An empty folder in place of what was there.
fn emptied(folder: &Path) -> Result<(), TaskError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(TaskError::file(folder)(error)),
        _ => {}
    }
    std::fs::create_dir_all(folder).map_err(TaskError::file(folder))
}
