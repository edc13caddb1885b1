//! A repository with one ticket, whose worker does what nobody should.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use ledger_core::{Effect, Event, Journal, Observation, Run, State};

use crate::bench::Bench;
use crate::bench::measure::{Samples, Spent, spent};
use crate::bench::repository::{REPOSITORY, TestRepository};
use crate::bench::turns::only_journal;
use crate::error::TaskError;

/// The only ticket.
pub(super) const TICKET: &str = "one";

/// Who takes the turn.
pub(super) enum Worker<'a> {
    /// The steps of a script.
    Steps(&'a str),
    /// A shell script in place of Codex, for the one turn that it takes; the prompt is its input.
    Program(&'a str),
}

/// A run that came to its end.
pub(super) struct Ran {
    /// Where.
    pub(super) world: TestRepository,
    /// What `foil run` took.
    pub(super) spent: Spent,
    journal: Journal,
}

impl Worker<'_> {
    /// Runs the ticket, which allows every path, in a new world. `prepare` adds to what the base has.
    pub(super) fn run(
        &self,
        bench: &Bench,
        name: &str,
        prepare: impl FnOnce(&TestRepository) -> Result<(), TaskError>,
    ) -> Result<Ran, TaskError> {
        let folder = bench.folder.join("limits").join(name);
        let world = TestRepository::create(&folder)?;
        let (kind, command) = match self {
            Self::Steps(steps) => {
                let scripts = folder.join("script");
                std::fs::create_dir_all(&scripts).map_err(TaskError::file(&scripts))?;
                let script = format!("role = \"writer\"\n{steps}\n[answer]\nreport = {{ summary = \"did it\" }}\n");
                let path = scripts.join("writer.toml");
                std::fs::write(&path, script).map_err(TaskError::file(&path))?;
                ("scripted", scripts)
            }
            Self::Program(script) => ("codex-exec", stand_in(folder.join("codex"), script)?),
        };
        let policy = format!(
            "[repository]\nid = \"{REPOSITORY}\"\n\n[agent]\nkind = \"{kind}\"\ncommand = '{}'\n\n[review]\nindependent = \"off\"\n\n\
             [[check]]\nname = \"one\"\nrun = \"true\"\n",
            command.display()
        );
        world.write("counterfoil.toml", &policy)?;
        world.write("README.md", "A project.\n")?;
        world.write(
            &format!("ledger/tickets/{TICKET}/ticket.toml"),
            "title = \"Do it\"\nmode = \"loop\"\n\n[scope]\nallowed = [\"**\"]\n",
        )?;
        world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Do it.\n")?;
        prepare(&world)?;
        world.commit_all("a ticket")?;
        world.capture(&bench.programs.foil, &["trust"])?;
        world.capture(&bench.programs.foil, &["approve", TICKET])?;
        let spent = spent(&world.command(&bench.programs.foil, &["--quiet", "run", TICKET]))?;
        let journal = only_journal(&world.root().join(".git/counterfoil/runs").join(TICKET)).map_err(|error| {
            TaskError::unreadable(format!("the run of {name}"), format!("{error}: {}", spent.errors))
        })?;
        Ok(Ran { world, spent, journal })
    }
}

/// A program that says what Codex says of itself, and takes a turn as this script does.
fn stand_in(path: PathBuf, script: &str) -> Result<PathBuf, TaskError> {
    let text = format!(
        "#!/bin/bash\ncase \"$*\" in\n--version) echo codex-cli 0.169.0; exit;;\nexec*) ;;\n*) exit 0;;\nesac\n{script}\n"
    );
    std::fs::write(&path, text).map_err(TaskError::file(&path))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).map_err(TaskError::file(&path))?;
    Ok(path)
}

impl Ran {
    /// Refuses a run that ended in another way: its ticket was delivered, or stopped for the reason with this code.
    pub(super) fn must_end(self, blocked: Option<&str>) -> Result<Self, TaskError> {
        let what = "the run's end";
        let run = Run::replay(&self.journal.records).map_err(|error| TaskError::unreadable(what, error))?;
        let is_so = match (run.state(), blocked) {
            (State::Done, None) => true,
            (State::Blocked(blocker), Some(code)) => blocker.code.as_str() == code,
            _ => false,
        };
        if is_so {
            return Ok(self);
        }
        let reason = format!("{:?}, where {} was due", run.state(), blocked.unwrap_or("a delivery"));
        Err(TaskError::unreadable(what, reason))
    }

    /// The folder of the run.
    pub(super) fn folder(&self) -> Result<PathBuf, TaskError> {
        let runs = self.world.root().join(".git/counterfoil/runs").join(TICKET);
        let mut entries = std::fs::read_dir(&runs).map_err(TaskError::file(&runs))?;
        let only = entries
            .next()
            .ok_or_else(|| TaskError::unreadable("the run", "it has no folder"))?;
        Ok(only.map_err(TaskError::file(&runs))?.path())
    }

    /// How long the turn took.
    pub(super) fn turn(&self) -> Samples {
        self.between(
            |event| matches!(event, Event::Intended(Effect::TakeTurn { .. })),
            is_turn_end,
        )
    }

    /// From the turn's end to what the change is known to be, or that it cannot be known.
    pub(super) fn measuring(&self) -> Samples {
        self.between(is_turn_end, |event| {
            matches!(
                event,
                Event::Observed {
                    observation: Observation::ChangesMeasured { .. } | Observation::Failed { .. },
                    ..
                }
            )
        })
    }

    /// From the turn's end to the last that the run tells.
    pub(super) fn afterwards(&self) -> Samples {
        let ended = self.at(is_turn_end);
        let last = self.journal.records.last().map(|record| record.at);
        since(ended, last)
    }

    fn between(&self, from: fn(&Event) -> bool, to: fn(&Event) -> bool) -> Samples {
        since(self.at(from), self.at(to))
    }

    /// When such an event was recorded last.
    fn at(&self, is_it: impl Fn(&Event) -> bool) -> Option<Timestamp> {
        let mut records = self.journal.records.iter().rev();
        records.find(|record| is_it(&record.event)).map(|record| record.at)
    }
}

fn is_turn_end(event: &Event) -> bool {
    matches!(
        event,
        Event::Observed {
            observation: Observation::TurnEnded { .. },
            ..
        }
    )
}

/// Nothing where one of both is not told.
fn since(from: Option<Timestamp>, to: Option<Timestamp>) -> Samples {
    let between = from.zip(to).map(|(from, to)| to.duration_since(from));
    between
        .and_then(|between| Duration::try_from(between).ok())
        .into_iter()
        .collect()
}
