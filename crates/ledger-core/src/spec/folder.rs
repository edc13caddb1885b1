//! Where specs lie in a ledger.

use super::SpecKind;
use crate::id::TicketId;
use crate::path::RepoPath;

/// The archive has room for so many changes of one name.
pub const MOST_OF_ONE_NAME: u32 = 999;

/// The folder `specs` of a ledger: `current` has what holds now, `changes` what tickets work on, `archive` what they delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFolder(RepoPath);

impl SpecFolder {
    /// The one in this ledger.
    ///
    /// ```
    /// use counterfoil_ledger_core::{SpecFolder, SpecKind};
    /// let specs = SpecFolder::of(&"ledger".parse().unwrap());
    /// let design = "ledger/specs/changes/0042-sign-up/design.md".parse().unwrap();
    /// assert_eq!(specs.change_of(&design, SpecKind::Design), Some("0042-sign-up".parse().unwrap()));
    /// assert_eq!(specs.change_of(&design, SpecKind::Tasks), None);
    /// assert!(specs.is_current(&"ledger/specs/current/sign-up/requirements.md".parse().unwrap()));
    /// ```
    pub fn of(ledger: &RepoPath) -> Self {
        let mut path = ledger.as_bytes().to_vec();
        path.extend(b"/specs");
        // What is below a path is a path.
        Self(RepoPath::new(path).unwrap_or_else(|_| ledger.clone()))
    }

    /// Its path.
    pub fn path(&self) -> &RepoPath {
        &self.0
    }

    /// A file of a change on which a ticket works.
    pub fn change_file(&self, name: &TicketId, kind: SpecKind) -> RepoPath {
        self.below(&format!("changes/{name}/{kind}.md"))
    }

    /// A file of a change that was delivered; of a second one of that name with 2, and so on.
    pub fn archived_file(&self, name: &TicketId, number: u32, kind: SpecKind) -> RepoPath {
        match number {
            0 | 1 => self.below(&format!("archive/{name}/{kind}.md")),
            number => self.below(&format!("archive/{name}-{number}/{kind}.md")),
        }
    }

    /// The change that has this file as its file of this kind.
    pub fn change_of(&self, path: &RepoPath, kind: SpecKind) -> Option<TicketId> {
        self.name_in("changes", path, &format!("{kind}.md"))
    }

    /// Where a file of a change may lie once that is delivered, in the order in which the places are taken; nowhere for any other path.
    ///
    /// ```
    /// use counterfoil_ledger_core::SpecFolder;
    /// let specs = SpecFolder::of(&"ledger".parse().unwrap());
    /// let places = |path: &str| specs.archived(&path.parse().unwrap()).take(2).map(|path| path.to_string()).collect::<Vec<_>>();
    /// assert_eq!(
    ///     places("ledger/specs/changes/0042-sign-up/design.md"),
    ///     ["ledger/specs/archive/0042-sign-up/design.md", "ledger/specs/archive/0042-sign-up-2/design.md"]
    /// );
    /// assert!(places("ledger/specs/current/sign-up/requirements.md").is_empty());
    /// ```
    pub fn archived(&self, path: &RepoPath) -> impl Iterator<Item = RepoPath> + use<'_> {
        let of = |kind: SpecKind| Some((self.change_of(path, kind)?, kind));
        let change = SpecKind::ALL.into_iter().find_map(of);
        change.into_iter().flat_map(move |(name, kind)| {
            (1..=MOST_OF_ONE_NAME).map(move |number| self.archived_file(&name, number, kind))
        })
    }

    /// Whether a path is that of current requirements.
    pub fn is_current(&self, path: &RepoPath) -> bool {
        self.name_in("current", path, "requirements.md").is_some()
    }

    /// The name between a folder and a file. A folder of specs is named by the same rules as a ticket's.
    fn name_in(&self, folder: &str, path: &RepoPath, file: &str) -> Option<TicketId> {
        let path = path.as_bytes().strip_prefix(self.0.as_bytes())?;
        let rest = path
            .strip_prefix(b"/")?
            .strip_prefix(folder.as_bytes())?
            .strip_prefix(b"/")?;
        let name = rest.strip_suffix(file.as_bytes())?.strip_suffix(b"/")?;
        std::str::from_utf8(name).ok()?.parse().ok()
    }

    fn below(&self, rest: &str) -> RepoPath {
        let path = [self.0.as_bytes(), b"/", rest.as_bytes()].concat();
        RepoPath::new(path).unwrap_or_else(|_| self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_of_specs_are_taken_for_such() {
        let specs = SpecFolder::of(&"a/ledger".parse().unwrap());
        let change = |path: &str| {
            let path = path.parse().unwrap();
            SpecKind::ALL.iter().find_map(|kind| specs.change_of(&path, *kind))
        };
        assert_eq!(change("a/ledger/specs/changes/x/delta.md").unwrap().as_str(), "x");
        for other in [
            "a/ledger/specs/changes/delta.md",
            "a/ledger/specs/changes/x/y/delta.md",
            "a/ledger/specs/changes/x/notes.md",
            "a/ledger/specs/current/x/delta.md",
            "a/ledger/specs-changes/x/delta.md",
            "ledger/specs/changes/x/delta.md",
            "a/ledger/specs/changes/-x/delta.md",
        ] {
            assert_eq!(change(other), None, "{other}");
        }
        assert!(!specs.is_current(&"a/ledger/specs/current/x/design.md".parse().unwrap()));
        let name = "x".parse().unwrap();
        assert_eq!(
            specs.archived_file(&name, 2, SpecKind::Tasks).to_string(),
            "a/ledger/specs/archive/x-2/tasks.md"
        );
    }
}
