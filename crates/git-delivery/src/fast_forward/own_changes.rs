//! The user's uncommitted changes, each with an identity by which it is known again.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ledger_core::{Digest, RepoPath};
use rustix::fs::AtFlags;

use super::error::{FastForwardError, failed};
use super::user_index::UserIndex;
use crate::beneath::{Root, open_file, split};
use crate::git_program::GitProgramError;
use crate::repository::Repository;

/// A path at which work tree, index and last commit are not all the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnChange {
    /// The path; that of the folder for a repository in the work tree.
    pub path: RepoPath,
    /// Digest of what is there: kind, permissions, size, content, and the entries of the index with their flags. Of a repository that
    /// lies there, the commit that it is at: what is not committed in it would have to be read by its own filters.
    pub identity: Digest,
}

impl Repository {
    /// Every uncommitted change of the work tree: staged, unstaged and untracked, without what is ignored, in the order of the paths.
    /// Nothing is refreshed or written, and no link is followed. A submodule counts by the commit that it is at.
    pub fn own_changes(&self) -> Result<Vec<OwnChange>, FastForwardError> {
        let unreadable = || GitProgramError::Unreadable {
            command: "status".to_owned(),
        };
        let answer = self
            .git()
            .on_index("status", self.work_dir())
            .args([
                "--porcelain=v2",
                "-z",
                "--untracked-files=all",
                "--ignored=no",
                "--no-renames",
                "--ignore-submodules=dirty",
                "--no-ahead-behind",
            ])
            .succeed()?;
        if answer.truncated {
            return Err(unreadable().into());
        }
        let root = self.work_root()?;
        let index = UserIndex::read(self)?;
        let told = told(&answer.stdout).ok_or_else(unreadable)?;
        let mut changes = Vec::new();
        for (path, mut facts) in told {
            for entry in index.0.get(&path).into_iter().flatten() {
                facts.extend_from_slice(format!("\n{entry:?}").as_bytes());
            }
            let found = describe(self.work_dir(), &root, &path).map_err(|source| failed(&path, source))?;
            facts.extend_from_slice(format!("\n{found}").as_bytes());
            let identity = Digest::of(facts);
            changes.push(OwnChange { path, identity });
        }
        Ok(changes)
    }
}

/// What `status --porcelain=v2 -z` tells of each path. None where it is not that. A file that is taken out of the index is told twice: as
/// deleted, and as untracked.
pub(super) fn told(answer: &[u8]) -> Option<BTreeMap<RepoPath, Vec<u8>>> {
    let mut told = BTreeMap::<_, Vec<u8>>::new();
    for line in answer.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        // `1 <XY> <six facts> <path>`, `u <XY> <eight facts> <path>`, `? <path>`
        let facts = match line[0] {
            b'1' => 8,
            b'u' => 10,
            _ => 1,
        };
        let path = line.splitn(facts + 1, |byte| *byte == b' ').nth(facts)?;
        let before = &line[..line.len() - path.len()];
        let path = path.strip_suffix(b"/").unwrap_or(path);
        told.entry(RepoPath::new(path).ok()?)
            .or_default()
            .extend_from_slice(before);
    }
    Some(told)
}

fn describe(work_dir: &Path, root: &Root, path: &RepoPath) -> io::Result<String> {
    let (above, name) = split(path.as_bytes());
    let folder = match root.folder(above) {
        Ok(folder) => folder,
        Err(_) => return Ok("missing".to_owned()),
    };
    let stat = match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok("missing".to_owned()),
        Err(error) => return Err(error.into()),
    };
    let content = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::RegularFile => digest(open_file(folder.as_fd(), name)?)?,
        rustix::fs::FileType::Symlink => Digest::of(rustix::fs::readlinkat(&folder, name, Vec::new())?.to_bytes()),
        rustix::fs::FileType::Directory => {
            let head = head_of(&work_dir.join(OsStr::from_bytes(path.as_bytes())));
            return Ok(format!("{:o} {head}", stat.st_mode));
        }
        _ => return Ok(format!("{:o}", stat.st_mode)),
    };
    Ok(format!("{:o} {} {content}", stat.st_mode, stat.st_size))
}

/// The commit that a repository is at, which lies in a folder. Only its files are read: nothing that it configures is started.
fn head_of(folder: &Path) -> String {
    let Ok(nested) = gix::open_opts(folder, gix::open::Options::isolated()) else {
        return "no repository".to_owned();
    };
    match nested.head().map(|head| head.into_peeled_id()) {
        Ok(Ok(commit)) => commit.to_string(),
        _ => "no commit".to_owned(),
    }
}

/// The digest of a file of any size.
fn digest(mut file: std::fs::File) -> io::Result<Digest> {
    let mut hashing = Digest::hashing();
    let mut piece = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut piece) {
            Ok(0) => return Ok(hashing.digest()),
            Ok(read) => hashing.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
