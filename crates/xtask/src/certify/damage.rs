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

/// How many damages.
pub(super) struct Plan {
    /// In all modes together; without it every one: of each file of each death, at each byte of its end.
    pub(super) count: Option<usize>,
    /// Of what is chosen by chance.
    pub(super) seed: u64,
}

/// Damages what these modes leave.
pub(super) fn certify(folder: &Path, foil: &Path, modes: &[Mode], plan: &Plan) -> Result<Vec<Damages>, TaskError> {
    let each = plan.count.map(|count| count.div_ceil(modes.len().max(1)));
    let of_mode = |mode: &Mode| of_mode(&folder.join("worlds"), foil, *mode, each, plan.seed);
    modes.iter().map(of_mode).collect()
}

/// One damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// All from this byte on is gone.
    CutOff,
    /// All from this byte on is zeros, as file systems leave it that know the length and not the content.
    Zeros,
    /// Every object that was not brought to the disk is gone.
    Objects,
}

/// Where a damage is, in worlds in which the same happened: names and lengths differ in them, because ids and times do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    /// Which death.
    wound: usize,
    damage: Damage,
    /// Of a file: which kind, which of them, and how many bytes before its end.
    kind: usize,
    file: usize,
    before_end: usize,
}

/// Every spot of these deaths: of each the lengths of the ends of its files, by their kind, and whether it left objects that are not on the disk.
fn every_spot(wounds: &[(Vec<Vec<usize>>, bool)]) -> Vec<Spot> {
    let mut spots = Vec::new();
    for (wound, (kinds, has_objects)) in wounds.iter().enumerate() {
        let spot = |damage, kind, file, before_end| Spot {
            wound,
            damage,
            kind,
            file,
            before_end,
        };
        if *has_objects {
            spots.push(spot(Damage::Objects, 0, 0, 0));
        }
        for (kind, files) in kinds.iter().enumerate() {
            for (file, tail) in files.iter().enumerate() {
                for before_end in 1..=*tail {
                    spots.push(spot(Damage::CutOff, kind, file, before_end));
                    spots.push(spot(Damage::Zeros, kind, file, before_end));
                }
            }
        }
    }
    spots
}

/// So many of them, by chance and from a seed, each time of another kind of file.
fn some_spots(wounds: &[(Vec<Vec<usize>>, bool)], count: usize, seed: u64) -> Vec<Spot> {
    let with_objects: Vec<_> = (0..wounds.len()).filter(|wound| wounds[*wound].1).collect();
    let spot = |index: usize| {
        let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(index as u64));
        let damage = [Damage::CutOff, Damage::Zeros, Damage::CutOff, Damage::Objects][index % 4];
        // A delivery of a run that was done before may write no object.
        let (damage, wound) = match (damage, with_objects.get(dice.below(with_objects.len()))) {
            (Damage::Objects, Some(wound)) => (damage, *wound),
            (Damage::Objects, None) => (Damage::Zeros, dice.below(wounds.len())),
            _ => (damage, dice.below(wounds.len())),
        };
        let kinds = &wounds[wound].0;
        let kind = index % kinds.len().max(1);
        let files = kinds.get(kind).map_or(&[][..], Vec::as_slice);
        let file = dice.below(files.len());
        let before_end = 1 + dice.below(files.get(file).copied().unwrap_or(1));
        Spot {
            wound,
            damage,
            kind,
            file,
            before_end,
        }
    };
    (0..count).map(spot).collect()
}

fn of_mode(folder: &Path, foil: &Path, mode: Mode, count: Option<usize>, seed: u64) -> Result<Damages, TaskError> {
    eprintln!("{}: worlds to be damaged", mode.name());
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
    let world = &slots[0].world;
    let look_at = |(index, point): (usize, &String)| {
        world.restore_from(&kept(index))?;
        let files = |files: &Vec<PathBuf>| files.iter().map(|file| Ok(tail(&read(file)?))).collect();
        let kinds = kinds_of_files(world)
            .values()
            .map(files)
            .collect::<Result<_, TaskError>>()?;
        Ok((kinds, point.starts_with(UNFLUSHED)))
    };
    let looks = wounds
        .iter()
        .enumerate()
        .map(look_at)
        .collect::<Result<Vec<_>, TaskError>>()?;
    let spots = match count {
        Some(count) => some_spots(&looks, count, seed),
        None => every_spot(&looks),
    };
    eprintln!("{}: {} damages", mode.name(), spots.len());
    let found = Mutex::new(Damages {
        mode,
        kinds: [0; 3],
        files: BTreeSet::new(),
        went_on: 0,
        broken: Vec::new(),
    });
    side_by_side(&slots, spots.len(), |slot, _, index| {
        let Spot { wound, damage, .. } = spots[index];
        slot.world.restore_from(&kept(wound))?;
        // Where two agents work at the same time, the same death may be another in another world.
        let damage = match damage {
            Damage::Objects if slot.world.unflushed()?.is_empty() => Damage::Zeros,
            damage => damage,
        };
        let spot = Spot { damage, ..spots[index] };
        let before = look_at_persons(&slot.world)?;
        let (kind, what) = match damage {
            Damage::Objects => (None, take_objects(&slot.world)?),
            _ => {
                let (kind, what) = damage_file(&slot.world, &spot)?;
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

/// The files of the state, by names in which ids do not differ.
fn kinds_of_files(world: &World) -> BTreeMap<String, Vec<PathBuf>> {
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
    kinds
}

fn read(file: &Path) -> Result<Vec<u8>, TaskError> {
    fs::read(file).map_err(TaskError::file(file))
}

/// Damages a file of the state, and says of which kind it is, and how.
fn damage_file(world: &World, spot: &Spot) -> Result<(String, String), TaskError> {
    let kinds = kinds_of_files(world);
    // Where two agents work at the same time, a file more may be there now and then.
    let kind = kinds.iter().nth(spot.kind % kinds.len().max(1));
    let file = |files: &Vec<PathBuf>| files.get(spot.file % files.len().max(1)).cloned();
    let Some((kind, file)) = kind.and_then(|(kind, files)| Some((kind, file(files)?))) else {
        return Err(TaskError::unreadable("the state of a dead run", "there is none"));
    };
    let file = &file;
    let bytes = read(file)?;
    let at = bytes.len().saturating_sub(spot.before_end);
    let mut damaged = bytes[..at].to_vec();
    if spot.damage == Damage::Zeros {
        damaged.resize(bytes.len(), 0);
    }
    fs::write(file, damaged).map_err(TaskError::file(file))?;
    let shown = file.strip_prefix(world.path("")).unwrap_or(file).display();
    let how = format!("{:?} at {at} of {} of {shown}", spot.damage, bytes.len());
    Ok((kind.clone(), how))
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
    fn every_byte_of_the_end_of_every_file_is_damaged_or_some_of_them() {
        let wounds = [
            (vec![vec![2], vec![1, 3]], false),
            (vec![vec![1]], true),
            (Vec::new(), true),
        ];
        let every = every_spot(&wounds);
        let count = |damage| every.iter().filter(|spot| spot.damage == damage).count();
        assert_eq!(
            (count(Damage::CutOff), count(Damage::Zeros), count(Damage::Objects)),
            (7, 7, 2)
        );
        let last = |spot: &&Spot| (spot.wound, spot.kind, spot.file, spot.before_end) == (0, 1, 1, 3);
        assert_eq!(every.iter().filter(last).count(), 2);
        let some = some_spots(&wounds[..2], 40, 1);
        assert!(some.iter().all(|spot| {
            every
                .iter()
                .any(|one| one == spot || one.damage == Damage::Objects && spot.damage == one.damage)
        }));
        assert!(some.iter().any(|spot| (spot.wound, spot.kind, spot.file) == (0, 1, 1)));
        // Where there are no objects, something else is damaged.
        assert!(
            some_spots(&wounds[..1], 40, 1)
                .iter()
                .all(|spot| spot.damage != Damage::Objects)
        );
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
