//! Where what is known of the planning of a package lies, and who plans it now.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ledger_core::{Digest, PackageName};

use crate::lock::read_note;
use crate::state::StateRoots;

/// How the names of planners' places begin; the package follows, and a mark of the clone.
const PLACE: &str = "plan-";

/// How many digits of a digest mark a clone.
const MARK_DIGITS: usize = 12;

/// The files of the planning of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanFiles {
    folder: PathBuf,
    place: PathBuf,
}

impl PlanFiles {
    /// Those of this package in the clone with these roots.
    pub(crate) fn of(roots: &StateRoots, package: &PackageName) -> Self {
        Self {
            folder: plans(roots).join(package.as_str()),
            place: roots
                .places()
                .join(format!("{PLACE}{package}-{}", mark_of_clone(roots))),
        }
    }

    /// The folder of all but the place.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Held while the package is planned.
    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// The records of guards.
    pub(crate) fn guards(&self) -> PathBuf {
        self.folder.join("guards")
    }

    /// What the planner said in the last plan.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("agent.jsonl")
    }

    /// The same of the plan before.
    pub(crate) fn earlier_log(&self) -> PathBuf {
        self.folder.join("agent.jsonl.1")
    }

    /// What the last plan wrote.
    pub(crate) fn written(&self) -> PathBuf {
        self.folder.join("written.json")
    }

    /// The folder of the planner's places.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// Whether somebody plans the package now. Takes no lock.
    pub(crate) fn is_under_way(&self) -> bool {
        read_note(&self.lock()).is_some_and(|holder| holder.process.is_alive())
    }
}

/// The folder of what is known of plans, with a folder for each package.
pub(crate) fn plans(roots: &StateRoots) -> PathBuf {
    roots.repository().join("plans")
}

/// The packages of which a plan of this clone left something, in the order of their names. Links and other names are passed over: they are not ours.
pub(crate) fn planned_packages(roots: &StateRoots) -> io::Result<BTreeSet<PackageName>> {
    let mut packages: BTreeSet<_> = folders(&plans(roots))?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let mark = format!("-{}", mark_of_clone(roots));
    let of_place = |name: &String| name.strip_prefix(PLACE)?.strip_suffix(&mark)?.parse().ok();
    packages.extend(folders(&roots.places())?.iter().filter_map(of_place));
    Ok(packages)
}

fn folders(above: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(above) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Places of all clones of a user lie side by side, and two clones may plan packages of one name.
fn mark_of_clone(roots: &StateRoots) -> String {
    let state = roots.repository();
    let common = state.parent().unwrap_or(state);
    let common = common.canonicalize().unwrap_or_else(|_| common.to_owned());
    let digest = Digest::of(common.as_os_str().as_encoded_bytes());
    digest.hex().chars().take(MARK_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_were_planned_are_known_by_their_folders_and_by_places_of_this_clone_alone() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().join("user");
        let clone = |name: &str| {
            let common = folder.path().join(name);
            fs::create_dir_all(&common).unwrap();
            StateRoots::new(&common, &user)
        };
        let (here, there) = (clone("here"), clone("there"));
        assert_eq!(planned_packages(&here).unwrap(), BTreeSet::new());
        let package = |name: &str| name.parse::<PackageName>().unwrap();
        let files = |roots: &StateRoots, name: &str| PlanFiles::of(roots, &package(name));
        assert_ne!(files(&here, "both").place(), files(&there, "both").place());
        for path in [
            files(&here, "noted").folder(),
            files(&here, "placed").place(),
            files(&there, "elsewhere").place(),
            &user.join("places/plan-"),
            &user.join("places/0001-a-01900000-0000-7000-8000-000000000000"),
        ] {
            fs::create_dir_all(path).unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), files(&here, "linked").place()).unwrap();
        let known = planned_packages(&here).unwrap();
        assert_eq!(known, BTreeSet::from([package("noted"), package("placed")]));
    }
}
