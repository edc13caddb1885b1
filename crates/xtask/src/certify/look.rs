//! What a world shows of what was done in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ledger_core::{Digest, Effect, Event, Journal, Observation, TurnEnd};

use super::mode::Mode;
use super::world::World;
use crate::error::TaskError;

/// The folder of the anchors.
const KEPT: &str = "refs/counterfoil/keep/";

/// What in Git's folder is the person's alone.
const PERSONS: [&str; 3] = ["config", "hooks", "info"];

/// Everything that must be the same however often the runner died, a line for each thing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    lines: BTreeMap<String, u64>,
    /// Notifications that somebody got.
    pub(super) told: u64,
    /// Effects of one run that may be done once, and were begun more often.
    doubled: Vec<String>,
}

impl Seen {
    /// What is there that is not there, or not as often, where nobody died.
    pub(super) fn more_than(&self, reference: &Self) -> Vec<String> {
        let more = self.differences(reference).into_iter();
        more.filter(|difference| !difference.starts_with("lost: ")).collect()
    }

    /// What was there before and is not any more, although it is there where nobody died: whatever it is then, its name has to be there.
    pub(super) fn vanished_since(&self, before: &Self, reference: &Self) -> Vec<String> {
        let name = |line: &String| line.split(": ").next().unwrap_or_default().to_owned();
        let names = |of: &Self| of.lines.keys().map(name).collect::<BTreeSet<_>>();
        let (now, due) = (names(self), names(reference));
        // What a run keeps goes when it is delivered.
        let was = names(before)
            .into_iter()
            .filter(|name| due.contains(name) && !name.starts_with(KEPT));
        was.filter(|name| !now.contains(name))
            .map(|name| format!("vanished: {name}"))
            .collect()
    }

    fn add(&mut self, line: String) {
        *self.lines.entry(line).or_default() += 1;
    }

    /// What is not as it is where nobody died, in words.
    pub(super) fn differences(&self, reference: &Self) -> Vec<String> {
        let mut differences = self.doubled.clone();
        for (line, count) in &reference.lines {
            let here = self.lines.get(line).copied().unwrap_or(0);
            if here < *count {
                differences.push(format!("lost: {line} ({here} of {count})"));
            }
        }
        for (line, count) in &self.lines {
            let there = reference.lines.get(line).copied().unwrap_or(0);
            // What a run keeps it keeps anew with each attempt.
            if *count > there && !line.starts_with(KEPT) {
                let word = if there == 0 { "left over" } else { "doubled" };
                differences.push(format!("{word}: {line} ({count} for {there})"));
            }
        }
        // Told at most once, and nobody is told where it is not known whether somebody was.
        if self.told > reference.told {
            differences.push(format!("doubled: a notification ({})", self.told));
        }
        differences
    }
}

/// Looks at all of a world.
pub(super) fn look(world: &World) -> Result<Seen, TaskError> {
    let mut seen = Seen::default();
    // What a dead runner left of what it had finished goes when a person or the budget says so; what stays is an orphan.
    world.succeeds(&["clean", "--apply"])?;
    for name in ["state", "home", "repository/.git/counterfoil"] {
        files(&world.path(name), name, &mut seen);
    }
    locks(&world.path("repository/.git"), &mut seen);
    of_persons(world, &mut seen)?;
    if world.mode != Mode::Here {
        world.succeeds(&["verify"])?;
    }
    world.succeeds(&["check"])?;
    effects(world, &mut seen)?;
    Ok(seen)
}

/// Looks at what is the person's and at what others got, and at nothing of ours that may be damaged.
pub(super) fn look_at_persons(world: &World) -> Result<Seen, TaskError> {
    let mut seen = Seen::default();
    of_persons(world, &mut seen)?;
    Ok(seen)
}

fn of_persons(world: &World, seen: &mut Seen) -> Result<(), TaskError> {
    refs(world, None, seen)?;
    if world.mode.pushes() {
        refs(world, Some("../remote.git"), seen)?;
    }
    contents(world, seen)?;
    seen.add(format!(
        "the person's work tree: {}",
        world
            .git(&["status", "--porcelain=v2", "--branch", "--untracked-files=all"])?
            .lines()
            .filter(|line| !line.starts_with("# branch.oid"))
            .collect::<Vec<_>>()
            .join("; ")
    ));
    for line in lines_of(&world.path("pushes")) {
        let name = line.split(' ').nth(2).unwrap_or_default();
        seen.add(format!("a push to {name}"));
    }
    seen.told = lines_of(&world.path("told")).len() as u64;
    for process in world.processes() {
        seen.add(format!("a process: {process}"));
    }
    world.git(&["fsck", "--strict", "--no-dangling", "--no-progress"])?;
    Ok(())
}

/// Every ref of the repository, or of the one in this folder, with what it means where that must be the same: ids of commits hold the time.
fn refs(world: &World, remote: Option<&str>, seen: &mut Seen) -> Result<(), TaskError> {
    let git = |arguments: &[&str]| {
        let of = remote.map(|folder| ["--git-dir", folder]);
        world.git(&[of.as_slice().as_flattened(), arguments].concat())
    };
    let owner = remote.map_or("", |_| "the remote's ");
    let list = git(&["for-each-ref", "--format=%(refname) %(objecttype) %(objectname)"])?;
    for line in list.lines() {
        let mut words = line.split(' ');
        let [name, kind, id] = [(); 3].map(|()| words.next().unwrap_or_default());
        let meaning = if name.starts_with("refs/heads/") && kind == "commit" {
            let count = git(&["rev-list", "--count", name])?;
            let files = git(&["ls-tree", "-r", name])?;
            // The records name times and ids.
            let files = files.lines().filter(|line| !line.contains("\tledger/"));
            format!("{count} commits, {}", files.collect::<Vec<_>>().join("; "))
        } else if name.starts_with("refs/counterfoil/") || name.starts_with("refs/remotes/") {
            kind.to_owned()
        } else {
            id.to_owned()
        };
        let orphan = match kept_for(name) {
            Some(run) if !is_known(world, run) => "of no run that is known: ",
            _ => "",
        };
        seen.add(format!("{orphan}{owner}{}: {meaning}", without_ids(name)));
    }
    Ok(())
}

/// The run for which something is kept under this name.
fn kept_for(name: &str) -> Option<&str> {
    name.strip_prefix(KEPT)?.split('/').next()
}

/// Whether there is a journal of this run, or one is stored.
fn is_known(world: &World, run: &str) -> bool {
    let is_of_it = |path: &PathBuf| path.components().any(|part| part.as_os_str() == run);
    let journals = journals(&world.path("repository/.git/counterfoil/runs"));
    let stored = || world.git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil/runs"]);
    journals.iter().any(is_of_it) || stored().is_ok_and(|refs| refs.lines().any(|name| name.ends_with(run)))
}

/// The person's files, hooks and configuration, with their modes and contents. Of what lies in the ledger the name alone: the records name times and ids.
fn contents(world: &World, seen: &mut Seen) -> Result<(), TaskError> {
    let repository = world.path("repository");
    let mut waiting = vec![repository.clone()];
    while let Some(path) = waiting.pop() {
        let data = fs::symlink_metadata(&path).map_err(TaskError::file(&path))?;
        if data.is_dir() {
            let entries = fs::read_dir(&path).map_err(TaskError::file(&path))?;
            waiting.extend(entries.flatten().map(|entry| entry.path()).filter(|entry| {
                let of_git = entry.strip_prefix(repository.join(".git"));
                of_git.map_or(true, |name| {
                    PERSONS
                        .iter()
                        .any(|theirs| name.starts_with(theirs) || name == Path::new(""))
                })
            }));
            continue;
        }
        let name = path.strip_prefix(&repository).unwrap_or(&path);
        let content = match name.starts_with("ledger") {
            true => String::new(),
            false => Digest::of(fs::read(&path).map_err(TaskError::file(&path))?).to_string(),
        };
        let mode = data.permissions().mode();
        seen.add(format!("the person's {}: {mode:o} {content}", name.display()));
    }
    Ok(())
}

/// The names of all files.
fn files(folder: &Path, shown: &str, seen: &mut Seen) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = format!("{shown}/{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path(), &name, seen),
            _ => seen.add(format!("the file {}", without_ids(&name))),
        }
    }
}

/// Locks of Git's, which keep others out.
fn locks(folder: &Path, seen: &mut Seen) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => locks(&path, seen),
            false if path.extension().is_some_and(|end| end == "lock") => {
                seen.add(format!("the lock {}", without_ids(&path.display().to_string())));
            }
            false => {}
        }
    }
}

fn lines_of(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A name in which run ids and object ids do not differ.
pub(super) fn without_ids(name: &str) -> String {
    let is_id = |word: &str| word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    name.split_inclusive(['/', '.', ':', ' '])
        .map(|part| {
            let word = part.trim_end_matches(['/', '.', ':', ' ']);
            let end = &part[word.len()..];
            // What is kept is named by the number of its event.
            let unnumbered = word.trim_end_matches(|digit: char| digit.is_ascii_digit());
            match is_id(word) {
                true => format!("<id>{end}"),
                false if unnumbered.ends_with('-') => format!("{unnumbered}<n>{end}"),
                false => part.to_owned(),
            }
        })
        .collect()
}

/// What the journals say of reports that were taken, and of effects that may be done once and no more.
fn effects(world: &World, seen: &mut Seen) -> Result<(), TaskError> {
    for path in journals(&world.path("repository/.git/counterfoil/runs")) {
        let bytes = fs::read(&path).unwrap_or_default();
        if !bytes.contains(&b'\n') {
            // Its runner died before the run had begun.
            continue;
        }
        let journal =
            Journal::parse(&bytes).map_err(|error| TaskError::unreadable(path.display().to_string(), error))?;
        let mut once = BTreeMap::<String, u64>::new();
        for record in &journal.records {
            match &record.event {
                Event::Intended(effect @ (Effect::RunHook { .. } | Effect::Notify { .. })) => {
                    *once.entry(format!("{effect:?}")).or_default() += 1;
                }
                Event::Observed {
                    observation:
                        Observation::TurnEnded {
                            end: TurnEnd::Reported { .. },
                            ..
                        },
                    ..
                } => seen.add("a turn of a worker whose report was taken".to_owned()),
                _ => {}
            }
        }
        let twice = once.into_iter().filter(|(_, count)| *count > 1);
        let words = |(effect, count)| format!("doubled: {effect} ({count} times)");
        seen.doubled.extend(twice.map(words));
    }
    Ok(())
}

/// The journals of all runs of all tickets.
fn journals(runs: &Path) -> Vec<PathBuf> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let of_ticket = inside(runs).into_iter().flat_map(|ticket| inside(&ticket));
    of_ticket
        .map(|run| run.join("journal.jsonl"))
        .filter(|journal| journal.is_file())
        .collect()
}
