//! The places of a run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git_delivery::{
    Brought, LeftOut, Leftovers, Place, PlaceError, PlaceIndexError, Repository, Strays, UntrackedFile,
};
use ledger_core::{BlockerCode, CommitId, Observation, RepoPath, Run, TreeId};

use super::set_up::{about_copies, exempt, put_copies, read_copies, run_set_up, told, unchanged};
use super::{Engine, Failed, RunPlan, blocked};

/// Where a run keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolders {
    /// Journal, logs and outputs, below the repository's common Git directory.
    pub run: PathBuf,
    /// The places, in the user's state folder: never in the repository, never in a temporary folder.
    pub places: PathBuf,
}

impl RunFolders {
    /// The folder of one place.
    pub fn place(&self, name: &str) -> PathBuf {
        self.places.join(name)
    }
}

/// The places that are open. `work` is the worker's; the runner alone writes `check`; nobody writes `review`. Those of the
/// runner are locked apart, so that they can be tidied while the worker's is measured.
#[derive(Debug, Default, Clone)]
pub(super) struct Places {
    work: Arc<Mutex<Option<Place>>>,
    runners: Arc<Mutex<Runners>>,
}

impl Places {
    pub(super) fn with_work<T>(&self, action: impl FnOnce(&mut Option<Place>) -> T) -> T {
        action(&mut locked(&self.work))
    }

    /// Waits for what is being tidied. Nothing touches the places after this.
    pub(super) fn close(&self) {
        self.with_runners(|runners| runners.is_closed = true);
    }

    pub(super) fn with_runners<T>(&self, action: impl FnOnce(&mut Runners) -> T) -> T {
        action(&mut locked(&self.runners))
    }
}

/// A thread that panicked while it had a place left nothing half-changed in memory that matters: its truth is on disk.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The places that the runner brings to exact trees.
#[derive(Debug, Default)]
pub(super) struct Runners {
    check: Option<Place>,
    review: Option<Place>,
    /// The files of the user's that the check place has beside its tree.
    copies: Arc<[UntrackedFile]>,
    /// Whether the set-up commands ran in the check place, and what they made is still there.
    pub(super) is_set_up: bool,
    /// What became of caches when the check place was tidied, if nothing has run in it since: then it is exactly its tree.
    tidied: Option<Leftovers>,
    /// Whether the run has ended: what happens to its places now is no longer the engine's.
    is_closed: bool,
}

/// A place that the runner brings to exact trees.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunnersPlace {
    /// For checks, with what becomes of caches.
    Check(Leftovers),
    /// For the reviewer.
    Review,
}

impl Runners {
    /// Brings one of the places to exactly this tree, making it if need be. Gives the files of the tree before that something has
    /// changed there, unless it is known that nobody can have.
    pub(super) fn bring(
        &mut self,
        plan: &RunPlan,
        repository: &Repository,
        which: RunnersPlace,
        base: CommitId,
        tree: TreeId,
    ) -> Result<Vec<RepoPath>, Failed> {
        let (folder, copies) = match which {
            RunnersPlace::Check(_) => (plan.folders.place("check"), Arc::clone(&self.copies)),
            RunnersPlace::Review => (plan.folders.place("review"), Arc::default()),
        };
        let (folder, exempt) = (&folder, exempt(plan));
        let refs = repository.snapshot_refs().map_err(|error| Failed::of(&error))?;
        self.forget_those_of_another(base);
        let (slot, leftovers, is_exact) = match which {
            RunnersPlace::Check(leftovers) => {
                let tidied = self.tidied.take();
                // What is to rest on the tree alone does not rest on the sandbox of the worker either, which could have
                // written there meanwhile if that has a hole.
                let is_exact = tidied.is_some() && leftovers == Leftovers::KeepIgnored;
                self.is_set_up &= leftovers == Leftovers::KeepIgnored && self.check.is_some();
                (&mut self.check, leftovers, is_exact)
            }
            RunnersPlace::Review => (&mut self.review, Leftovers::RemoveAll, false),
        };
        let place = match slot {
            Some(place) => place,
            None => slot.insert(runners_place(repository, folder, base)?),
        };
        let brought = if is_exact {
            place.advance_to(repository, tree, &refs)
        } else {
            place.bring_to(repository, tree, &refs, leftovers, &exempt)
        };
        let with_copies = |place: &Place, brought: Brought| put_copies(place, &copies).map(|()| brought.changed);
        match brought.and_then(|brought| with_copies(place, brought)) {
            Ok(changed) => Ok(changed),
            Err(error @ PlaceError::Tracked { .. }) => Err(in_the_way(&error)),
            // Made anew it would lack what was set up.
            Err(error) if self.is_set_up && matches!(which, RunnersPlace::Check(_)) => Err(failed(error)),
            Err(_) => {
                // Whatever the code under test did to it: the place is only a copy.
                *slot = None;
                Place::remove(folder).map_err(failed)?;
                let place = slot.insert(runners_place(repository, folder, base)?);
                let brought = place.bring_to(repository, tree, &refs, leftovers, &exempt);
                brought.and_then(|brought| with_copies(place, brought)).map_err(failed)
            }
        }
    }

    /// Places of another base are made anew, with their `HEAD` and what is set up on it.
    pub(super) fn forget_those_of_another(&mut self, base: CommitId) {
        let is_other = |place: &Option<Place>| place.as_ref().is_some_and(|place| place.base() != base);
        if is_other(&self.check) {
            self.check = None;
            self.tidied = None;
            self.is_set_up = false;
        }
        if is_other(&self.review) {
            self.review = None;
        }
    }

    /// How the check place differs from the tree that it was brought to.
    pub(super) fn strays_in_check(&self, plan: &RunPlan, repository: &Repository) -> Result<Strays, Failed> {
        match &self.check {
            Some(place) => {
                let strays = place.strays(repository, Leftovers::KeepIgnored, &exempt(plan));
                strays.map_err(failed)
            }
            None => Err(Failed::new(BlockerCode::NeedsPerson, "the check place is not open")),
        }
    }

    /// How the reviewer's place differs from the tree that it was brought to, by this runner or by one that died.
    pub(super) fn strays_in_review(&mut self, plan: &RunPlan, repository: &Repository) -> Result<Strays, Failed> {
        let place = match &mut self.review {
            Some(place) => place,
            none => none.insert(Place::open(&plan.folders.place("review")).map_err(failed)?),
        };
        let strays = place.strays(repository, Leftovers::RemoveAll, &BTreeSet::new());
        strays.map_err(failed)
    }

    /// Notes that the set-up commands ran in the check place, where they left the tree as it was.
    pub(super) fn set_up(&mut self, plan: &RunPlan, repository: &Repository) -> Result<(), Failed> {
        let Some(place) = &self.check else {
            return Err(Failed::new(BlockerCode::NeedsPerson, "the check place is not open"));
        };
        unchanged(plan, repository, place)?;
        self.is_set_up = true;
        Ok(())
    }

    /// Brings the check place back to its tree, so that the next checks need not look for what the last ones did to it, or find
    /// little where they look all the same. Only after checks that left nothing running: from here on the worker's sandbox keeps
    /// everybody but the runner out. What cannot be tidied now
    /// is told when the place is needed again.
    pub(super) fn tidy_check(&mut self, plan: &RunPlan, repository: &Repository, leftovers: Leftovers) {
        if self.is_closed {
            return;
        }
        self.tidied = None;
        let (Some(place), Ok(refs)) = (&mut self.check, repository.snapshot_refs()) else {
            return;
        };
        self.is_set_up &= leftovers == Leftovers::KeepIgnored;
        let tree = place.tree();
        if place
            .bring_to(repository, tree, &refs, leftovers, &exempt(plan))
            .is_ok()
        {
            self.tidied = Some(leftovers);
        }
    }
}

/// A place of the runner's own is only a copy: one that cannot be opened is made anew.
fn runners_place(repository: &Repository, folder: &Path, base: CommitId) -> Result<Place, Failed> {
    if !matches!(Place::open(folder), Ok(place) if place.base() == base) {
        Place::remove(folder).map_err(failed)?;
    }
    let (place, _) = open_or_create(repository, folder, base, None)?;
    is_made(folder)?;
    Ok(place)
}

/// Beside a place as long as not all is in it that belongs there. Nobody has worked in such a place.
pub(crate) fn unfinished(folder: &Path) -> PathBuf {
    folder.with_extension("unfinished")
}

fn is_made(folder: &Path) -> Result<(), Failed> {
    match std::fs::remove_file(unfinished(folder)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failed::of(&error)),
        _ => Ok(()),
    }
}

/// Nobody has seen it: a file of the worker's stands where the policy puts one of the user's.
fn in_the_way(error: &PlaceError) -> Failed {
    Failed::new(BlockerCode::ScopeViolation, format!("`[workspace] copy`: {error}"))
}

/// What an earlier runner left is used again, if it is whole and of the same base. What somebody has put in its place is set aside. Whatever cannot be read is left alone: there
/// may be work in it that nobody has seen yet.
fn open_or_create(
    repository: &Repository,
    folder: &Path,
    base: CommitId,
    left_out: Option<&LeftOut>,
) -> Result<(Place, Origin), Failed> {
    if unfinished(folder).exists() {
        Place::remove(folder).map_err(failed)?;
    }
    match Place::open(folder) {
        Ok(place) if place.base() == base && !place.is_gone() => match place.is_replaced(repository) {
            false => return Ok((place, Origin::Found)),
            true => Place::set_aside(folder).map_err(failed)?,
        },
        // Of another base, or never finished: in neither has anybody worked on this run. Or there is nothing left in it to lose.
        Ok(_) | Err(PlaceError::Index(PlaceIndexError::Missing { .. })) => Place::remove(folder).map_err(failed)?,
        Err(error) => return Err(failed(error)),
    }
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(|error| Failed::of(&error))?;
    }
    std::fs::write(unfinished(folder), b"").map_err(|error| Failed::of(&error))?;
    let refs = repository.snapshot_refs().map_err(|error| Failed::of(&error))?;
    let place = match left_out {
        Some(left_out) => Place::create_without(repository, folder, base, &refs, left_out),
        None => Place::create(repository, folder, base, &refs),
    };
    Ok((place.map_err(failed)?, Origin::Made))
}

/// Where an open place comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// An earlier runner left it.
    Found,
    /// It was made just now.
    Made,
}

/// The tickets that the worker is not shown: all that its own does not name. It needs none of them, what strangers wrote in
/// them is no part of its task, and a large ledger is not walked after every turn.
fn other_tickets(plan: &RunPlan) -> Result<LeftOut, Failed> {
    let below = format!("{}/tickets", plan.policy.ledger.dir.path());
    let below: RepoPath = below
        .parse()
        .map_err(|error| Failed::new(BlockerCode::NeedsPerson, error))?;
    let file = &plan.ticket.file;
    let named = file
        .depends_on
        .iter()
        .chain(&file.parent)
        .chain(&file.context.prior_work)
        .chain(&plan.children);
    let mut except: BTreeSet<String> = named.chain([&plan.ticket.id]).map(ToString::to_string).collect();
    for required in &file.context.required {
        let below = required.path.as_bytes().strip_prefix(below.as_bytes());
        let ticket = below.and_then(|rest| rest.split(|byte| *byte == b'/').nth(1));
        except.extend(ticket.and_then(|name| String::from_utf8(name.to_owned()).ok()));
    }
    Ok(LeftOut { below, except })
}

fn failed(error: PlaceError) -> Failed {
    Failed::of(&error)
}

impl Engine {
    /// Makes the worker's place, or takes the one that is there. A new one holds the last tree that is kept of the worker's, not
    /// the base: the worker goes on from what it has done, in this run or in the one that this one rescues.
    pub(super) fn prepare_places(&mut self, seq: u64, base: CommitId, run: &Run) {
        let work = WorkPlace {
            plan: Arc::clone(&self.plan),
            repository: Arc::clone(&self.repository),
            places: self.places.clone(),
            base,
            kept: run.kept_tree(),
        };
        let interrupted = self.interrupt.subscribe();
        self.waiting(seq, async move {
            let opening = work.clone();
            let origin = blocked(move || opening.open()).await?;
            let mut results = Vec::new();
            if origin == Origin::Made {
                let folder = work.plan.folders.place("work");
                match run_set_up(&work.plan, &folder, &interrupted).await? {
                    Some(set_up) => results = set_up,
                    None => return Ok(Observation::Interrupted),
                }
                let finishing = work.clone();
                blocked(move || finishing.finish()).await?;
            }
            Ok(Observation::PlacesReady {
                anew: origin == Origin::Made,
                copied: told(&work.places.with_runners(|runners| Arc::clone(&runners.copies))),
                set_up: results,
            })
        });
    }

    /// Brings `review/` to exactly this tree.
    pub(super) fn bring_review_to(&self, base: CommitId, tree: TreeId) -> Result<(), Failed> {
        self.places
            .with_runners(|runners| runners.bring(&self.plan, &self.repository, RunnersPlace::Review, base, tree))
            .map(drop)
    }
}

/// The worker's place, and what is to be in it before the worker is.
#[derive(Clone)]
struct WorkPlace {
    plan: Arc<RunPlan>,
    repository: Arc<Repository>,
    places: Places,
    base: CommitId,
    kept: Option<TreeId>,
}

impl WorkPlace {
    /// Opens it or makes it of the base, with the files of the user's.
    fn open(&self) -> Result<Origin, Failed> {
        let copies: Arc<[UntrackedFile]> = read_copies(&self.plan, &self.repository)?.into();
        self.places.with_runners(|runners| runners.copies = Arc::clone(&copies));
        let folder = self.plan.folders.place("work");
        let left_out = other_tickets(&self.plan)?;
        let (work, origin) = open_or_create(&self.repository, &folder, self.base, Some(&left_out))?;
        if origin == Origin::Made {
            put_copies(&work, &copies).map_err(|error| about_copies(&error))?;
        }
        self.places.with_work(|opened| *opened = Some(work));
        Ok(origin)
    }

    /// Brings it to the tree that the worker goes on from, once it is set up.
    fn finish(&self) -> Result<(), Failed> {
        self.places.with_work(|work| {
            let Some(work) = work else {
                return Err(Failed::new(BlockerCode::NeedsPerson, "the worker's place is not open"));
            };
            unchanged(&self.plan, &self.repository, work)?;
            if let Some(tree) = self.kept {
                let refs = self.repository.snapshot_refs().map_err(|error| Failed::of(&error))?;
                let (keep, exempt) = (Leftovers::KeepIgnored, exempt(&self.plan));
                work.bring_to(&self.repository, tree, &refs, keep, &exempt)
                    .map_err(failed)?;
            }
            is_made(work.folder())
        })
    }
}
