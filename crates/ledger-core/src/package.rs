//! Packages: ordered tickets with a source lock.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::approval::CoveredFile;
use crate::document::{DocumentError, document_text, locate, read_toml};
use crate::id::TicketId;
use crate::path::RepoPath;

/// `ledger/packages/<name>.toml`: an ordered set of tickets with a source lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Package")]
pub struct Package {
    /// Version of this format
    #[serde(default = "first_version")]
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// What the tickets amount to, in one line
    pub title: String,
    /// The goal in a few sentences
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub goal: String,
    /// Whether its tickets share one branch, each from the last one's result: `{id}` in the policy's `[delivery] branch` is the package's name then. After
    /// the last one the checks of all run once more on the whole
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_branch: bool,
    /// The tickets in the order in which they are to be delivered
    #[schemars(length(min = 1))]
    pub tickets: Vec<TicketId>,
    /// Every file of its tickets that says what is asked (contract, prompt, linked specs, whatever else lies beside them and is no
    /// record), by its bytes
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock: Vec<CoveredFile>,
}

fn first_version() -> u32 {
    1
}

impl Package {
    /// Reads a package. Refuses other formats, an empty list, a ticket that occurs twice, and a file that is locked twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let package: Self = read_toml(bytes)?;
        let Some((path, message)) = package.contradiction() else {
            return Ok(package);
        };
        let text = document_text(bytes)?;
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let error = DocumentError::at(text, locate(text, &path), message);
        Err(error.with_hint(match path[..] {
            ["schema"] => "use the version of foil that wrote it, or write `schema = 1`",
            ["tickets"] => "list the ids of its tickets in their order, or remove the file",
            ["lock", ..] => "`foil package lock` writes the lock anew",
            _ => "leave one of them out",
        }))
    }

    /// What contradicts itself: the path of the key and what is wrong with it.
    fn contradiction(&self) -> Option<(Vec<String>, String)> {
        let at = |path: &[&str], message: String| Some((path.iter().map(|part| (*part).to_owned()).collect(), message));
        if self.schema != 1 {
            return at(
                &["schema"],
                format!("this foil reads package format 1, not {}", self.schema),
            );
        }
        if self.tickets.is_empty() {
            return at(&["tickets"], "a package has at least one ticket".to_owned());
        }
        // Two ids that differ only by case name one folder on some file systems.
        let mut seen = BTreeSet::new();
        if let Some(index) = self.tickets.iter().position(|ticket| !seen.insert(ticket.folded())) {
            let message = format!("`{}` occurs twice", self.tickets[index]);
            return at(&["tickets", &index.to_string()], message);
        }
        let mut seen = BTreeSet::new();
        if let Some(index) = self.lock.iter().position(|file| !seen.insert(&file.path)) {
            let message = format!("`{}` is locked twice", self.lock[index].path);
            return at(&["lock", &index.to_string(), "path"], message);
        }
        None
    }

    /// How the files that its tickets consist of now differ from the lock, in the order of their paths. None: the lock holds.
    /// `sources` is every such file; one that is missing there is told as gone.
    ///
    /// ```
    /// use counterfoil_ledger_core::Package;
    /// let package = Package::parse(b"title = \"Sign-up\"\ntickets = [\"0041-user-model\"]\n").unwrap();
    /// assert!(!package.is_locked());
    /// assert_eq!(package.lock_differences(&[]), []);
    /// ```
    pub fn lock_differences(&self, sources: &[CoveredFile]) -> Vec<LockDifference> {
        let locked: BTreeMap<&RepoPath, &CoveredFile> = self.lock.iter().map(|file| (&file.path, file)).collect();
        let found: BTreeMap<&RepoPath, &CoveredFile> = sources.iter().map(|file| (&file.path, file)).collect();
        let paths: BTreeSet<&RepoPath> = locked.keys().chain(found.keys()).copied().collect();
        let difference = |path: &RepoPath| {
            let how = match (locked.get(path), found.get(path)) {
                // Both the blob and the digest count: one alone could be rewritten.
                (Some(locked), Some(found)) if locked == found => return None,
                (Some(_), Some(_)) => LockChange::Changed,
                (Some(_), None) => LockChange::Gone,
                (None, _) => LockChange::NotLocked,
            };
            Some(LockDifference {
                path: path.clone(),
                how,
            })
        };
        paths.into_iter().filter_map(difference).collect()
    }

    /// Whether it has a lock at all.
    pub fn is_locked(&self) -> bool {
        !self.lock.is_empty()
    }

    /// The file as `foil package new` writes it.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// A file that is not as the lock of a package has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockDifference {
    /// The file.
    pub path: RepoPath,
    /// How it differs.
    pub how: LockChange,
}

impl std::fmt::Display for LockDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.path, self.how)
    }
}

/// How a file differs from the lock of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LockChange {
    /// Its bytes are others.
    #[error("it is not what was locked")]
    Changed,
    /// It is locked, and none of the tickets has it any more.
    #[error("it was locked, and no ticket of the package has it any more")]
    Gone,
    /// A ticket has it, and the lock does not know it.
    #[error("it is not in the lock")]
    NotLocked,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn file(path: &str, blob: &str, content: &str) -> CoveredFile {
        CoveredFile {
            path: path.parse().unwrap(),
            blob: blob.repeat(40).parse().unwrap(),
            sha256: Digest::of(content),
        }
    }

    fn told(lock: &[CoveredFile], sources: &[CoveredFile]) -> Vec<String> {
        let package = Package {
            schema: 1,
            title: "p".into(),
            one_branch: false,
            goal: String::new(),
            tickets: vec!["0001-a".parse().unwrap()],
            lock: lock.to_vec(),
        };
        let again = Package::parse(package.to_toml().unwrap().as_bytes()).unwrap();
        assert_eq!(again, package);
        let differences = package.lock_differences(sources);
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_way_in_which_a_lock_does_not_hold_is_told_with_the_file() {
        let a = file("a", "a", "one");
        let b = file("b", "b", "two");
        assert!(told(&[b.clone(), a.clone()], &[a.clone(), b.clone()]).is_empty());
        // Either of the two rewritten without the other.
        let other_blob = file("a", "c", "one");
        let other_digest = file("a", "a", "other");
        for other in [other_blob, other_digest] {
            assert_eq!(
                told(std::slice::from_ref(&a), &[other]),
                ["`a`: it is not what was locked"]
            );
        }
        assert_eq!(
            told(std::slice::from_ref(&a), &[b]),
            [
                "`a`: it was locked, and no ticket of the package has it any more",
                "`b`: it is not in the lock"
            ]
        );
        assert_eq!(told(&[], &[a]), ["`a`: it is not in the lock"]);
    }

    #[test]
    fn what_contradicts_itself_is_refused_at_its_place() {
        let lock = |path: &str| {
            format!(
                "[[lock]]\npath = \"{path}\"\nblob = \"{}\"\nsha256 = \"{}\"\n",
                "a".repeat(40),
                Digest::of("x")
            )
        };
        let error = |text: &str| Package::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error("title = \"x\"\ntickets = [\"a\", \"A\"]\n"),
            "line 2, column 17: `A` occurs twice"
        );
        assert_eq!(
            error(&format!("title = \"x\"\ntickets = [\"a\"]\n{}{}", lock("f"), lock("f"))),
            "line 8, column 1: `f` is locked twice"
        );
        for path in ["../x", "/etc/passwd", "a/../b", ""] {
            assert!(
                Package::parse(format!("title = \"x\"\ntickets = [\"a\"]\n{}", lock(path)).as_bytes()).is_err(),
                "{path}"
            );
        }
    }
}
