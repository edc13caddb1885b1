//! The packages of a ledger in a work tree.

mod error;
mod named;
mod pinned;
mod shared_branch;
mod show;
mod sources;
mod standing;
mod write;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use ledger_core::{Package, PackageName, RepoPath, TicketId};

pub use error::PackageError;
pub use named::Named;
pub(crate) use pinned::{is_as_pinned, pinned_files};
pub use shared_branch::SharedBranch;
pub use show::{LockStatus, PACKAGE_SCHEMA, PackageReport, PackageTicket, show_package};
pub(crate) use sources::TicketSources;
pub use sources::{PackageSources, SourceProblem};
pub(crate) use standing::package_standing;
pub use write::{NewPackage, PackageChange, PackageChangeKind, PackageWritten, lock_package, new_package};

use crate::beneath::read_beneath;
use crate::ledger::{FileProblem, join};

/// All packages of a ledger, each read or with the reason why not.
#[derive(Debug, Default)]
pub struct Packages {
    packages: BTreeMap<PackageName, Result<Package, FileProblem>>,
    /// The bytes of those that can be read.
    documents: BTreeMap<PackageName, Vec<u8>>,
    /// The tickets of each package, sorted.
    members: BTreeMap<PackageName, Vec<TicketId>>,
    /// For a package that has the name of another one but for case, that one.
    twins: BTreeMap<PackageName, PackageName>,
    misfits: Vec<RepoPath>,
}

/// The folder of packages cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` cannot be read: {source}")]
pub struct PackagesError {
    /// The folder in the repository.
    pub path: RepoPath,
    /// What the system says.
    pub source: std::io::Error,
}

impl Packages {
    /// Reads the packages in this ledger of a work tree. No folder is no package.
    pub fn in_work_tree(root: &Path, dir: &RepoPath) -> Result<Self, PackagesError> {
        let mut found = Self::default();
        let Some(folder) = join(dir, "packages") else {
            return Ok(found);
        };
        let failed = |source| PackagesError {
            path: folder.clone(),
            source,
        };
        let on_disk = Self::on_disk(root, &folder);
        // Neither the ledger nor its folder of packages may be a link to elsewhere.
        for part in [Self::on_disk(root, dir), on_disk.clone()] {
            match part.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => {}
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => return Ok(found),
            }
        }
        for entry in std::fs::read_dir(on_disk).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            let Some(stem) = name.strip_suffix(".toml").filter(|_| !name.starts_with('.')) else {
                continue;
            };
            let Some(path) = join(&folder, &name) else { continue };
            match stem.parse::<PackageName>() {
                Ok(package) => {
                    let read = match read_beneath(root, &path) {
                        Ok(bytes) => {
                            let parsed = Package::parse(&bytes);
                            found.documents.insert(package.clone(), bytes);
                            parsed.map_err(FileProblem::from)
                        }
                        Err(problem) => Err(problem),
                    };
                    if let Ok(read) = &read {
                        let mut members = read.tickets.clone();
                        members.sort();
                        found.members.insert(package.clone(), members);
                    }
                    found.packages.insert(package, read);
                }
                Err(_) => found.misfits.push(path),
            }
        }
        found.misfits.sort();
        let mut folded: BTreeMap<String, PackageName> = BTreeMap::new();
        for name in found.packages.keys() {
            match folded.entry(name.as_str().to_ascii_lowercase()) {
                Entry::Vacant(free) => {
                    free.insert(name.clone());
                }
                Entry::Occupied(twin) => {
                    found.twins.insert(name.clone(), twin.get().clone());
                }
            }
        }
        Ok(found)
    }

    fn on_disk(root: &Path, path: &RepoPath) -> std::path::PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        root.join(std::ffi::OsStr::from_bytes(path.as_bytes()))
    }

    /// Every package by name.
    pub fn iter(&self) -> impl Iterator<Item = (&PackageName, &Result<Package, FileProblem>)> {
        self.packages.iter()
    }

    /// A package that can be read.
    pub fn get(&self, name: &PackageName) -> Option<&Package> {
        self.packages.get(name)?.as_ref().ok()
    }

    /// Files among the packages whose names do not fit.
    pub fn misfits(&self) -> &[RepoPath] {
        &self.misfits
    }

    /// What is known of a package: none where there is no such file.
    pub fn find(&self, name: &PackageName) -> Option<&Result<Package, FileProblem>> {
        self.packages.get(name)
    }

    /// The bytes of a package's file; empty where it cannot be read.
    pub fn document(&self, name: &PackageName) -> &[u8] {
        self.documents.get(name).map_or(&[], Vec::as_slice)
    }

    /// The package that has the same name but for upper and lower case, and comes before it.
    pub fn twin_of(&self, name: &PackageName) -> Option<&PackageName> {
        self.twins.get(name)
    }

    /// Whether a package that can be read has this ticket.
    pub fn contains(&self, package: &PackageName, ticket: &TicketId) -> bool {
        self.members
            .get(package)
            .is_some_and(|members| members.binary_search(ticket).is_ok())
    }

    /// For each listed ticket, the one right before it in a package.
    pub fn each_after(&self) -> BTreeMap<TicketId, Vec<TicketId>> {
        let mut after: BTreeMap<TicketId, Vec<TicketId>> = BTreeMap::new();
        for package in self.packages.values().flatten() {
            for pair in package.tickets.windows(2) {
                after.entry(pair[1].clone()).or_default().push(pair[0].clone());
            }
        }
        after
    }
}

/// The file of a package.
pub(crate) fn package_path(dir: &RepoPath, name: &PackageName) -> Option<RepoPath> {
    join(dir, &format!("packages/{name}.toml"))
}
