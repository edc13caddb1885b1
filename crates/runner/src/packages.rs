//! The packages of a ledger in a work tree.

use std::collections::BTreeMap;
use std::path::Path;

use ledger_core::{Package, PackageName, RepoPath, TicketId};

use crate::beneath::read_beneath;
use crate::ledger::{FileProblem, join};

/// All packages of a ledger, each read or with the reason why not.
#[derive(Debug, Default)]
pub struct Packages {
    packages: BTreeMap<PackageName, Result<Package, FileProblem>>,
    /// The tickets of each package, sorted.
    members: BTreeMap<PackageName, Vec<TicketId>>,
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
                    let read = read_beneath(root, &path).and_then(|bytes| Ok(Package::parse(&bytes)?));
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

    /// Whether a package that can be read has this ticket.
    pub fn contains(&self, package: &PackageName, ticket: &TicketId) -> bool {
        self.members
            .get(package)
            .is_some_and(|members| members.binary_search(ticket).is_ok())
    }
}
