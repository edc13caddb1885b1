//! Deaths at every point, one after the other, and pairs of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::look::{Seen, look};
use super::mode::Mode;
use super::world::{End, World};
use crate::error::TaskError;

/// How many worlds are used at the same time: more than there are processors, because each waits for its disk half of the time.
pub(super) const SLOTS: usize = 4;

/// What came of all deaths of one mode.
#[derive(Debug)]
pub(super) struct Figures {
    mode: Mode,
    /// Points that a run passes where nobody dies.
    points: usize,
    /// Deaths that happened, and runs that ended before they came to the point.
    singles: (usize, usize),
    /// The same of second deaths.
    pairs: (usize, usize),
    /// Ends after which nobody was told, because it was not known whether somebody was.
    untold: usize,
    /// What does not hold, each with its point.
    pub(super) broken: Vec<String>,
}

impl Figures {
    /// All of them as a table.
    pub(super) fn table(all: &[Self]) -> String {
        let mut text = "| world | points | deaths | not come to | second deaths | not come to | nobody told | lost, doubled or left over |\n\
                        | --- | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
        for one in all {
            text += &format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
                one.mode.name(),
                one.points,
                one.singles.0,
                one.singles.1,
                one.pairs.0,
                one.pairs.1,
                one.untold,
                one.broken.len()
            );
        }
        text
    }
}

/// How many deaths.
pub(super) struct Plan {
    /// Only every so manieth point.
    pub(super) every: usize,
    /// Only every so manieth of those in a longer story.
    pub(super) every_of_stories: usize,
    /// How many pairs, in all modes together; without it every one.
    pub(super) pairs: Option<usize>,
    /// Of what is chosen by chance.
    pub(super) seed: u64,
}

/// Lets the command of each of these modes die at every point that it passes.
pub(super) fn certify(folder: &Path, foil: &Path, modes: &[Mode], plan: &Plan) -> Result<Vec<Figures>, TaskError> {
    let pairs = plan.pairs.map(|pairs| pairs.div_ceil(modes.len().max(1)));
    let of_mode = |mode: &Mode| of_mode(&folder.join("worlds"), foil, *mode, plan, pairs);
    modes.iter().map(of_mode).collect()
}

/// What one death, or two, came to.
enum Came {
    /// The command ended before it.
    ToNothing,
    /// It happened, and this does not hold afterwards.
    To { broken: Vec<String>, is_untold: bool },
}

/// A world, and what it is like where nobody dies.
pub(super) struct Slot {
    pub(super) world: World,
    pub(super) reference: Seen,
}

impl Slot {
    /// Makes it, and gives the points that a run passes where nobody dies.
    pub(super) fn create(folder: &Path, foil: &Path, mode: Mode) -> Result<(Self, Vec<String>), TaskError> {
        let world = World::create(folder, foil, mode)?;
        let log = folder.join("points");
        let _ = fs::remove_file(&log);
        if let End::Exited(code @ 1.., said) = world.foil(mode.command(), None, Some(&log))? {
            return Err(TaskError::unreadable(
                format!("a run that nobody lets die ({}) ended with {code}", mode.name()),
                said,
            ));
        }
        let points = fs::read_to_string(&log).map_err(TaskError::file(&log))?;
        let points = points.lines().map(str::to_owned).collect();
        let unflushed = world.unflushed()?;
        if let Some(id) = unflushed.first() {
            let reason = format!(
                "{} objects were never brought to the disk, such as {id}",
                unflushed.len()
            );
            return Err(TaskError::unreadable(format!("a whole run ({})", mode.name()), reason));
        }
        let reference = look(&world)?;
        Ok((Self { world, reference }, points))
    }

    /// Lets the command die at these points, one after the other, and goes on then. The points that the last passes go into `log`.
    fn die(&self, at: &[&str], log: Option<&Path>) -> Result<Came, TaskError> {
        let world = &self.world;
        world.restore()?;
        // What the death before has left there is another's.
        if let Some(log) = log {
            let _ = fs::remove_file(log);
        }
        let command = world.mode.command();
        for (number, point) in at.iter().enumerate() {
            match world.foil(command, Some(point), None)? {
                End::Died => {}
                end if world.mode.is_settled(&end) => return Ok(Came::ToNothing),
                End::Exited(0, _) => return Ok(Came::ToNothing),
                End::Exited(code, said) => {
                    let broken = vec![format!("the run before death {} ended with {code}: {said}", number + 1)];
                    return Ok(Came::To {
                        broken,
                        is_untold: false,
                    });
                }
            }
        }
        let mut broken = match world.foil(command, None, log)? {
            End::Exited(0, _) => Vec::new(),
            end if world.mode.is_settled(&end) => Vec::new(),
            other => vec![format!("the run afterwards: {other:?}")],
        };
        let mut is_untold = false;
        match look(world) {
            Ok(seen) => {
                broken.extend(seen.differences(&self.reference));
                is_untold = seen.told < self.reference.told;
            }
            Err(error) => broken.push(error.to_string()),
        }
        Ok(Came::To { broken, is_untold })
    }
}

/// What is collected of one mode.
#[derive(Default)]
struct Tally {
    singles: (usize, usize),
    pairs: (usize, usize),
    untold: usize,
    broken: Vec<String>,
    /// The points that each recovery passed.
    recoveries: Vec<(String, Vec<String>)>,
}

impl Tally {
    fn take(&mut self, came: Came, at: &[&str], mode: Mode) {
        let counts = if at.len() == 1 {
            &mut self.singles
        } else {
            &mut self.pairs
        };
        match came {
            Came::ToNothing => counts.1 += 1,
            Came::To { broken, is_untold } => {
                counts.0 += 1;
                self.untold += usize::from(is_untold);
                let place = at.join(", then ");
                self.broken.extend(
                    broken
                        .into_iter()
                        .map(|what| format!("{} at {place}: {what}", mode.name())),
                );
            }
        }
    }
}

fn of_mode(folder: &Path, foil: &Path, mode: Mode, plan: &Plan, pairs: Option<usize>) -> Result<Figures, TaskError> {
    eprintln!("{}: making worlds", mode.name());
    let made: Vec<_> = (0..SLOTS)
        .map(|slot| Slot::create(&folder.join(format!("{slot}")), foil, mode))
        .collect::<Result<_, _>>()?;
    let points = made[0].1.clone();
    let slots: Vec<Slot> = made.into_iter().map(|(slot, _)| slot).collect();
    let tally = Mutex::new(Tally::default());
    eprintln!("{}: {} points", mode.name(), points.len());
    let log = |slot: usize| folder.join(format!("{slot}/recovery"));
    let every = match mode.is_story() {
        true => plan.every_of_stories,
        false => plan.every,
    };
    let tried: Vec<&String> = points.iter().step_by(every).collect();
    side_by_side(&slots, tried.len(), |slot, number, index| {
        let point = tried[index].as_str();
        let log: PathBuf = log(number);
        let came = slot.die(&[point], Some(&log))?;
        let passed = fs::read_to_string(&log).unwrap_or_default();
        let passed = passed.lines().map(str::to_owned).collect();
        let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tally.recoveries.push((point.to_owned(), passed));
        tally.take(came, &[point], mode);
        Ok(())
    })?;
    let recoveries = {
        let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut recoveries = std::mem::take(&mut tally.recoveries);
        recoveries.sort();
        recoveries
    };
    let chosen = match pairs {
        Some(pairs) => choose(&recoveries, pairs, plan.seed),
        None => every_pair(&recoveries),
    };
    eprintln!("{}: {} pairs", mode.name(), chosen.len());
    side_by_side(&slots, chosen.len(), |slot, _, index| {
        let (first, second) = &chosen[index];
        let at = [first.as_str(), second.as_str()];
        let came = slot.die(&at, None)?;
        tally
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take(came, &at, mode);
        Ok(())
    })?;
    let mut tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (what, (came, not)) in [("deaths", tally.singles), ("second deaths", tally.pairs)] {
        // Of two agents at the same time now one is first and now the other, but what seldom comes shows little.
        if not > 1 && not * 10 > came + not {
            tally
                .broken
                .push(format!("{}: {not} of {} {what} did not come", mode.name(), came + not));
        }
    }
    Ok(Figures {
        mode,
        points: points.len(),
        singles: tally.singles,
        pairs: tally.pairs,
        untold: tally.untold,
        broken: tally.broken,
    })
}

/// Does numbered work in all slots at the same time.
pub(super) fn side_by_side(
    slots: &[Slot],
    count: usize,
    work: impl Fn(&Slot, usize, usize) -> Result<(), TaskError> + Sync,
) -> Result<(), TaskError> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = slots
            .iter()
            .enumerate()
            .map(|(number, slot)| {
                let (next, work) = (&next, &work);
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= count {
                            return Ok(());
                        }
                        work(slot, number, index)?;
                    }
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(TaskError::unreadable("the certificate", "a part of it panicked")))
        })
    })
}

/// Pairs of a death and one while it is recovered from, by chance and from a seed.
fn choose(recoveries: &[(String, Vec<String>)], count: usize, seed: u64) -> Vec<(String, String)> {
    let mut dice = Dice::new(seed);
    let some: Vec<_> = recoveries.iter().filter(|(_, passed)| !passed.is_empty()).collect();
    if some.is_empty() {
        return Vec::new();
    }
    (0..count)
        .map(|_| {
            let (first, passed) = some[dice.below(some.len())];
            (first.clone(), passed[dice.below(passed.len())].clone())
        })
        .collect()
}

/// Every pair of a death and one while it is recovered from.
fn every_pair(recoveries: &[(String, Vec<String>)]) -> Vec<(String, String)> {
    let of = |(first, passed): &(String, Vec<String>)| {
        let pair = |second: &String| (first.clone(), second.clone());
        passed.iter().map(pair).collect::<Vec<_>>()
    };
    recoveries.iter().flat_map(of).collect()
}

/// What is chosen by chance, always alike from the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below this one; 0 where there is none.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        // The multiplier of L'Ecuyer's table for 64 bits.
        self.0 = self
            .0
            .wrapping_mul(2_862_933_555_777_941_757)
            .wrapping_add(3_037_000_493);
        usize::try_from((self.0 >> 33) % (limit.max(1) as u64)).unwrap_or(0)
    }
}
