//! Many at once: exactly one works on a ticket and the others say so, one clone of two delivers it, and whoever looks meanwhile sees a
//! whole state.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use super::look::{Seen, look};
use super::mode::{Mode, TICKET};
use super::world::{End, World};
use crate::command::{capture, line};
use crate::error::TaskError;

/// How many processes are started at once in each round.
const STARTED: usize = 64;

/// What `foil` ends with where it refuses to begin.
const REFUSED: i32 = 11;

/// What `foil events` says where no run has begun, and where one is just about to.
const NOTHING_YET: [&str; 2] = ["nothing ran in this clone", "has no run in this clone"];

/// What the one of two clones says that comes too late.
const TOO_LATE: [&str; 2] = ["upstream_moved", "is delivered"];

/// What came of all rounds.
#[derive(Debug, Default)]
pub(super) struct Figures {
    rounds: usize,
    /// Processes that worked on the ticket, and those that said that they do not.
    worked: usize,
    refused: usize,
    /// How often somebody looked meanwhile.
    looks: usize,
    /// Rounds of two clones, and deliveries that their remote got.
    clones: usize,
    delivered: usize,
    /// What does not hold.
    pub(super) broken: Vec<String>,
}

impl Figures {
    /// As a table.
    pub(super) fn table(&self) -> String {
        format!(
            "| at once | rounds | worked | refused | looks meanwhile | rounds of two clones | delivered | does not hold |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n\
             | {STARTED} | {} | {} | {} | {} | {} | {} | {} |\n",
            self.rounds,
            self.worked,
            self.refused,
            self.looks,
            self.clones,
            self.delivered,
            self.broken.len()
        )
    }
}

/// Lets processes contend in so many rounds, and two clones in a quarter of them.
pub(super) fn certify(folder: &Path, foil: &Path, rounds: usize) -> Result<Figures, TaskError> {
    let mut figures = Figures::default();
    eprintln!("contention: {rounds} rounds of {STARTED} processes");
    let world = World::create(&folder.join("contention"), foil, Mode::Branch)?;
    world.succeeds(world.mode.command())?;
    let reference = look(&world)?;
    for round in 1..=rounds {
        one_ticket(&world, &reference, round, &mut figures)?;
    }
    let clones = rounds.div_ceil(4);
    eprintln!("contention: {clones} rounds of two clones");
    let world = World::create(&folder.join("clones"), foil, Mode::Push)?;
    for round in 1..=clones {
        two_clones(&world, round, &mut figures)?;
    }
    Ok(figures)
}

/// Everybody runs the same ticket.
fn one_ticket(world: &World, reference: &Seen, round: usize, figures: &mut Figures) -> Result<(), TaskError> {
    world.restore()?;
    let (ends, looks, mut broken) = seen_at_once(world, &vec![("repository", ["run", TICKET]); STARTED])?;
    let worked = ends.iter().filter(|end| matches!(end, End::Exited(0, _))).count();
    let refused = ends.iter().filter(|end| matches!(end, End::Exited(REFUSED, _)));
    let refused = refused.count();
    if (worked, refused) != (1, STARTED - 1) {
        let other = |end: &&End| !matches!(end, End::Exited(0 | REFUSED, _));
        broken.push(format!(
            "{worked} worked and {refused} refused; one that did neither: {:?}",
            ends.iter().find(other)
        ));
    }
    broken.extend(look(world)?.differences(reference));
    figures.rounds += 1;
    figures.worked += worked;
    figures.refused += refused;
    figures.looks += looks;
    let named = broken.into_iter().map(|what| format!("round {round}: {what}"));
    figures.broken.extend(named);
    Ok(())
}

/// Two clones of one remote run the same ticket, and push it to the same branch.
fn two_clones(world: &World, round: usize, figures: &mut Figures) -> Result<(), TaskError> {
    world.restore()?;
    let (remote, other) = (world.path("remote.git"), world.path("other"));
    world.git(&[
        "clone",
        "--quiet",
        &remote.display().to_string(),
        &other.display().to_string(),
    ])?;
    world.configure("other")?;
    match world.foil_in("other", &["trust"])? {
        End::Exited(0, _) => {}
        end => return Err(TaskError::unreadable("the other clone", format!("{end:?}"))),
    }
    let both = [("repository", ["run", TICKET]), ("other", ["run", TICKET])];
    let (ends, looks, broken) = seen_at_once(world, &both)?;
    let named = broken
        .into_iter()
        .map(|what| format!("two clones, round {round}: {what}"));
    figures.broken.extend(named);
    figures.looks += looks;
    let of_remote = |arguments: &[&str]| {
        let mut all = vec!["--git-dir", "../remote.git"];
        all.extend_from_slice(arguments);
        world.git(&all)
    };
    let record = format!("ledger/tickets/{TICKET}/result.md");
    let deliveries = of_remote(&["log", "--format=%s", "main", "--", &record])?;
    let deliveries = deliveries.lines().count();
    let done = ends.iter().filter(|end| matches!(end, End::Exited(0, _))).count();
    if deliveries != 1 || done != 1 {
        figures.broken.push(format!(
            "two clones, round {round}: {deliveries} deliveries, and {done} say that it is done: {ends:?}"
        ));
    }
    let other = ends.iter().find(|end| !end.is_success());
    if let Some(end) = other.filter(|end| !is_told(end)) {
        figures.broken.push(format!(
            "two clones, round {round}: the other does not say what is so: {end:?}"
        ));
    }
    let left = world.processes();
    if !left.is_empty() {
        figures
            .broken
            .push(format!("two clones, round {round}: there still run {left:?}"));
    }
    world.git(&["fsck", "--strict", "--no-dangling", "--no-progress"])?;
    figures.clones += 1;
    figures.delivered += deliveries;
    Ok(())
}

/// Whether the one that comes too late stops because of what the other delivered.
fn is_told(end: &End) -> bool {
    matches!(end, End::Exited(10 | REFUSED, said) if TOO_LATE.iter().any(|words| said.contains(words)))
}

/// Does it while somebody looks on in each of the folders. Gives how the commands ended, how often somebody looked, and what could not be seen.
fn seen_at_once(world: &World, commands: &[(&str, [&str; 2])]) -> Result<(Vec<End>, usize, Vec<String>), TaskError> {
    let over = &AtomicBool::new(false);
    let folders: BTreeSet<&str> = commands.iter().map(|(folder, _)| *folder).collect();
    let (ends, seen) = std::thread::scope(|scope| {
        let looking: Vec<_> = folders
            .into_iter()
            .map(|folder| scope.spawn(move || look_on(world, folder, over)))
            .collect();
        let ends = at_once(world, commands);
        over.store(true, Ordering::Relaxed);
        (
            ends,
            looking.into_iter().map(|looking| looking.join()).collect::<Vec<_>>(),
        )
    });
    let (mut looks, mut broken) = (0, Vec::new());
    for seen in seen {
        let (here, not_seen) = seen.unwrap_or_else(|_| Err(TaskError::unreadable("a look", "it panicked")))?;
        looks += here;
        broken.extend(not_seen);
    }
    Ok((ends?, looks, broken))
}

/// Starts a command for each of these in its folder, all at the same moment, and waits for them.
fn at_once(world: &World, commands: &[(&str, [&str; 2])]) -> Result<Vec<End>, TaskError> {
    let gate = world.path("gate");
    let mut make = Command::new("mkfifo");
    make.arg(&gate);
    let said = line(&make);
    if !capture(make)?.status.success() {
        return Err(TaskError::unreadable(said, "it made no pipe"));
    }
    // Each has started already, and waits for a line.
    let wait = |(folder, arguments): &(&str, [&str; 2])| {
        let mut command = world.prepared("sh", folder);
        command
            .args(["-c", "read -r line <\"$0\"; exec \"$@\""])
            .arg(&gate)
            .arg(world.program())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().map_err(TaskError::file(&gate))
    };
    let waiting: Vec<Child> = commands.iter().map(wait).collect::<Result<_, _>>()?;
    let mut opened = OpenOptions::new()
        .write(true)
        .open(&gate)
        .map_err(TaskError::file(&gate))?;
    opened
        .write_all("\n".repeat(commands.len()).as_bytes())
        .map_err(TaskError::file(&gate))?;
    let ends = waiting
        .into_iter()
        .map(|child| Ok(End::of(&child.wait_with_output().map_err(TaskError::file(&gate))?)))
        .collect();
    drop(opened);
    ends
}

/// Looks on in a folder until it is over. Gives how often, and what could not be seen.
fn look_on(world: &World, folder: &str, over: &AtomicBool) -> Result<(usize, Vec<String>), TaskError> {
    let (mut looks, mut broken) = (0, Vec::new());
    let mut has_begun = false;
    while !over.load(Ordering::Relaxed) {
        for arguments in [&["status", "--json"][..], &["events", "--json"], &["status"]] {
            let (code, said) = match world.foil_in(folder, arguments)? {
                End::Exited(code, said) => (code, said),
                End::Died => (-1, String::new()),
            };
            if arguments[0] == "events" {
                if !has_begun && NOTHING_YET.iter().any(|words| said.contains(words)) {
                    continue;
                }
                has_begun = true;
            }
            let is_whole = !arguments.contains(&"--json") || is_json(&said) || said.lines().all(is_json);
            if code != 0 || !is_whole {
                broken.push(format!("`foil {}` ended with {code}: {said}", arguments.join(" ")));
            }
            looks += 1;
        }
    }
    Ok((looks, broken))
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok()
}
