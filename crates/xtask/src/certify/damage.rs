//! What a power cut leaves: files that end too early or in zeros, and objects that never came to the disk.
//!
//! A command dies at a point; then one file of its state is damaged at its end, or the objects go that were not brought to the disk. Whoever starts the command
//! again either comes to the end that it would have come to, or is told and stopped. Never is anything done twice, and nothing of the person's changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::crash::{Dice, SLOTS, Slot, side_by_side};
use super::look::{Seen, look, look_at_persons, without_ids};
use super::mode::Mode;
use super::world::{End, World};
use crate::error::TaskError;

/// How many deaths of a mode are damaged.
const WOUNDS: usize = 8;

/// The most bytes at the end of a file that are damaged, where it has no lines.
const TAIL: usize = 512;

/// The point at which objects were written that are not on the disk.
const UNFLUSHED: &str = "an object is written and not brought to the disk";

/// What came of all damages of one mode.
#[derive(Debug)]
pub(super) struct Damages {
    mode: Mode,
    /// Files that ended too early, files that ended in zeros, and sets of objects that were gone.
    kinds: [usize; 3],
    /// What kinds of files were damaged.
    files: BTreeSet<String>,
    /// After how many of them all came to the end that it would have come to.
    went_on: usize,
    /// What does not hold, each with its damage.
    pub(super) broken: Vec<String>,
}

impl Damages {
    /// All of them as a table.
    pub(super) fn table(all: &[Self]) -> String {
        let mut text =
            "| world | cut off | zeros | kinds of files | objects gone | went on to the same end | told and stopped | does not hold |\n\
                        | --- | --- | --- | --- | --- | --- | --- | --- |\n"
                .to_owned();
        for one in all {
            let [cut, zeros, objects] = one.kinds;
            let told = (cut + zeros + objects).saturating_sub(one.went_on + one.broken.len());
            text += &format!(
                "| {} | {cut} | {zeros} | {} | {objects} | {} | {told} | {} |\n",
                one.mode.name(),
                one.files.len(),
                one.went_on,
                one.broken.len()
            );
        }
        text
    }
}

/// Damages what these modes leave, so many times in all.
pub(super) fn certify(
    folder: &Path,
    foil: &Path,
    modes: &[Mode],
    count: usize,
    seed: u64,
) -> Result<Vec<Damages>, TaskError> {
    let each = count.div_ceil(modes.len().max(1));
    let of_mode = |mode: &Mode| of_mode(&folder.join("worlds"), foil, *mode, each, seed);
    modes.iter().map(of_mode).collect()
}

/// One damage.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// All from this byte on is gone.
    CutOff,
    /// All from this byte on is zeros, as file systems leave it that know the length and not the content.
    Zeros,
    /// Every object that was not brought to the disk is gone.
    Objects,
}

fn of_mode(folder: &Path, foil: &Path, mode: Mode, count: usize, seed: u64) -> Result<Damages, TaskError> {
    eprintln!("{}: {count} damages", mode.name());
    let mut slots = Vec::new();
    let mut wounds = Vec::new();
    for number in 0..SLOTS {
        let (slot, points) = Slot::create(&folder.join(format!("{number}")), foil, mode)?;
        wounds = chosen(&points);
        for (index, point) in wounds.iter().enumerate() {
            slot.world.restore()?;
            match slot.world.foil(mode.command(), Some(point), None)? {
                End::Died => slot.world.keep_as(&kept(index))?,
                other => return Err(TaskError::unreadable(format!("death at {point}"), format!("{other:?}"))),
            }
        }
        slots.push(slot);
    }
    let found = Mutex::new(Damages {
        mode,
        kinds: [0; 3],
        files: BTreeSet::new(),
        went_on: 0,
        broken: Vec::new(),
    });
    side_by_side(&slots, count, |slot, _, index| {
        let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
        let damage = [Damage::CutOff, Damage::Zeros, Damage::CutOff, Damage::Objects][index % 4];
        let fits = |wound: &usize| !matches!(damage, Damage::Objects) || wounds[*wound].starts_with(UNFLUSHED);
        let fitting: Vec<_> = (0..wounds.len()).filter(fits).collect();
        // A delivery of a run that was done before may write no object.
        let (damage, wound) = match fitting.get(dice.below(fitting.len())) {
            Some(wound) => (damage, *wound),
            None => (Damage::Zeros, dice.below(wounds.len())),
        };
        slot.world.restore_from(&kept(wound))?;
        let before = look_at_persons(&slot.world)?;
        let (kind, what) = match damage {
            Damage::Objects => (None, take_objects(&slot.world)?),
            _ => {
                let (kind, what) = damage_file(&slot.world, damage, index, &mut dice)?;
                (Some(kind), what)
            }
        };
        let came = came(slot, &before)?;
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.kinds[damage as usize] += 1;
        found.files.extend(kind);
        match came {
            Came::ToTheSameEnd => found.went_on += 1,
            Came::Stopped => {}
            Came::To(broken) => {
                let broken = broken.join("; ");
                found
                    .broken
                    .push(format!("{} at {}, {what}: {broken}", mode.name(), wounds[wound]));
            }
        }
        Ok(())
    })?;
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn kept(wound: usize) -> String {
    format!("wound-{wound}")
}

/// Deaths over the whole run, and some at which objects are not on the disk.
fn chosen(points: &[String]) -> Vec<String> {
    let of = |points: Vec<&String>, count: usize| -> Vec<String> {
        let step = points.len().div_ceil(count).max(1);
        points.into_iter().skip(step / 2).step_by(step).cloned().collect()
    };
    let unflushed = points.iter().filter(|point| point.starts_with(UNFLUSHED)).collect();
    let mut chosen = of(points.iter().collect(), WOUNDS);
    chosen.extend(of(unflushed, WOUNDS / 2));
    chosen.sort();
    chosen.dedup();
    chosen
}

/// Damages a file of the state, of another kind each time, and says of which and how.
fn damage_file(world: &World, damage: Damage, index: usize, dice: &mut Dice) -> Result<(String, String), TaskError> {
    let mut files = Vec::new();
    for name in ["repository/.git/counterfoil", "state"] {
        state_files(&world.path(name), &mut files);
    }
    files.sort();
    let mut kinds = BTreeMap::<String, Vec<PathBuf>>::new();
    for file in files {
        let shown = file.strip_prefix(world.path("")).unwrap_or(&file).display().to_string();
        kinds.entry(without_ids(&shown)).or_default().push(file);
    }
    let Some((kind, files)) = kinds.iter().nth(index % kinds.len().max(1)) else {
        return Err(TaskError::unreadable("the state of a dead run", "there is none"));
    };
    let file = &files[dice.below(files.len())];
    let bytes = fs::read(file).map_err(TaskError::file(file))?;
    let at = bytes.len() - 1 - dice.below(tail(&bytes).min(bytes.len() - 1));
    let mut damaged = bytes[..at].to_vec();
    if matches!(damage, Damage::Zeros) {
        damaged.resize(bytes.len(), 0);
    }
    fs::write(file, damaged).map_err(TaskError::file(file))?;
    let shown = file.strip_prefix(world.path("")).unwrap_or(file).display();
    Ok((
        kind.clone(),
        format!("{damage:?} at {at} of {} of {shown}", bytes.len()),
    ))
}

/// The files by which a run goes on, but for what is in its places and what is empty.
fn state_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && path.join(".git").symlink_metadata().is_err() => state_files(&path, files),
            Ok(kind) if kind.is_file() && entry.metadata().is_ok_and(|data| data.len() > 1) => files.push(path),
            _ => {}
        }
    }
}

/// How many bytes the last two whole lines have with what follows them, or the end of a file that has none.
fn tail(bytes: &[u8]) -> usize {
    let line_ends = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let third_last = line_ends.map(|(at, _)| at + 1).nth(2);
    third_last.map_or_else(|| bytes.len().min(TAIL), |at| bytes.len() - at)
}

/// Takes away every object that was written and not brought to the disk.
fn take_objects(world: &World) -> Result<String, TaskError> {
    let unflushed = world.unflushed()?;
    let objects = world.path("repository/.git/objects");
    let mut gone = 0;
    for id in unflushed {
        let (folder, name) = id.split_at(2);
        let path = objects.join(folder).join(name);
        fs::remove_file(&path).map_err(TaskError::file(&path))?;
        gone += 1;
    }
    match gone {
        0 => Err(TaskError::unreadable(
            "the objects that are not on the disk",
            "there are none",
        )),
        _ => Ok(format!("without {gone} objects")),
    }
}

/// What came of a damage.
enum Came {
    ToTheSameEnd,
    Stopped,
    To(Vec<String>),
}

/// `before` is what the person had when the command had died.
fn came(slot: &Slot, before: &Seen) -> Result<Came, TaskError> {
    let (world, mode) = (&slot.world, slot.world.mode);
    let end = world.foil(mode.command(), None, None)?;
    let mut broken = Vec::new();
    match end {
        end if end.is_success() || mode.is_settled(&end) => {
            match look(world) {
                Ok(seen) => broken.extend(seen.differences(&slot.reference)),
                Err(error) => broken.push(error.to_string()),
            }
            return Ok(match broken.is_empty() {
                true => Came::ToTheSameEnd,
                false => Came::To(broken),
            });
        }
        End::Exited(1 | 3 | 10 | 11 | 12, said) if !said.trim().is_empty() => {}
        other => broken.push(format!("it ended otherwise than by saying what is wrong: {other:?}")),
    }
    let seen = look_at_persons(world)?;
    // Neither what was there before nor what had to come.
    let known = before.more_than(&slot.reference);
    let more = seen.more_than(&slot.reference).into_iter();
    broken.extend(more.filter(|difference| !known.contains(difference)));
    broken.extend(seen.vanished_since(before, &slot.reference));
    Ok(match broken.is_empty() {
        true => Came::Stopped,
        false => Came::To(broken),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_file_is_its_last_two_lines_or_so_many_bytes() {
        for (bytes, expected) in [
            (&b"one\ntwo\nthree\n"[..], 10),
            (b"one\ntwo\nthree\nfour", 14),
            (b"one\ntwo\n", 8),
            (b"one", 3),
        ] {
            assert_eq!(tail(bytes), expected, "{bytes:?}");
        }
        assert_eq!(tail(&[b'x'; 2 * TAIL]), TAIL);
    }

    #[test]
    fn deaths_are_chosen_over_the_whole_run_and_some_where_objects_are_not_on_the_disk() {
        let points: Vec<_> = (0..100)
            .map(|number| format!("an event is appended #{number}"))
            .collect();
        let unflushed = (0..20).map(|number| format!("{UNFLUSHED} #{number}"));
        let all: Vec<_> = points.iter().cloned().chain(unflushed).collect();
        let chosen = chosen(&all);
        assert!(chosen.iter().filter(|point| point.starts_with(UNFLUSHED)).count() >= WOUNDS / 2);
        assert!(chosen.iter().filter(|point| points.contains(point)).count() >= WOUNDS / 2);
        assert!(chosen.len() <= WOUNDS + WOUNDS / 2);
    }
}
