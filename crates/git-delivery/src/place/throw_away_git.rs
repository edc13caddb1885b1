//! The `.git` of a place: enough for `git status`, `git log` and `git diff` to work there, and nothing that leads to the
//! user's repository for writing. Never read again by the runner.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ledger_core::ObjectId;

use crate::place::PlaceError;
use crate::place::git_index::git_index;
use crate::place::index::PlaceIndex;
use crate::refs::RefError;
use crate::repository::Repository;

/// The branches and tags of the user's repository at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefSnapshot {
    refs: Vec<(String, ObjectId)>,
}

impl Repository {
    /// All branches and tags as they are now, for the places of a run.
    pub fn snapshot_refs(&self) -> Result<RefSnapshot, RefError> {
        let mut refs = Vec::new();
        for prefix in ["refs/heads/", "refs/tags/"] {
            self.refs_below(prefix, |name, id| refs.push((name.to_owned(), id)))?;
        }
        Ok(RefSnapshot { refs })
    }
}

/// Nothing here runs a program, converts a file or tidies up behind the worker's back.
const CONFIG: &str = "\
[core]
\trepositoryFormatVersion = 0
\tfileMode = true
\tbare = false
\tlogAllRefUpdates = false
\tautocrlf = false
\thooksPath = /dev/null
\tfsmonitor = false
\tuntrackedCache = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
";

/// Files are in the place exactly as they are stored, whatever `.gitattributes` says, so Git must compare them so.
const ATTRIBUTES: &str = "* -text -filter -ident -working-tree-encoding\n";

/// The largest `info/exclude` that is copied.
const LARGEST_EXCLUDE: u64 = 1 << 20;

/// Makes the folder `.git` of a place that has exactly the files of this index. It must not exist.
pub(crate) fn write_git_folder(
    repository: &Repository,
    place: &Path,
    index: &PlaceIndex,
    refs: &RefSnapshot,
) -> Result<(), PlaceError> {
    let git_dir = place.join(".git");
    let failed = |source: io::Error| PlaceError::io(b".git", source);
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "info"] {
        fs::create_dir_all(git_dir.join(folder)).map_err(failed)?;
    }
    let write = |name: &str, content: &[u8]| fs::write(git_dir.join(name), content).map_err(failed);
    write("HEAD", format!("{}\n", index.origin.base).as_bytes())?;
    write("config", CONFIG.as_bytes())?;
    write("info/attributes", ATTRIBUTES.as_bytes())?;
    write("objects/info/alternates", &alternates(repository)?)?;
    let common_dir = repository.common_dir();
    let exclude = common_dir.join("info/exclude");
    if fs::metadata(&exclude).is_ok_and(|file| file.is_file() && file.len() <= LARGEST_EXCLUDE) {
        write("info/exclude", &fs::read(&exclude).map_err(failed)?)?;
    }
    if repository.is_shallow() {
        write("shallow", &fs::read(common_dir.join("shallow")).map_err(failed)?)?;
    }
    renew_git_folder(place, index, refs)
}

/// Brings what depends on tree and refs up to date, where all the rest is as it was written.
pub(crate) fn renew_git_folder(place: &Path, index: &PlaceIndex, refs: &RefSnapshot) -> Result<(), PlaceError> {
    let git_dir = place.join(".git");
    fs::write(git_dir.join("packed-refs"), packed_refs(refs))
        .map_err(|source| PlaceError::io(b".git/packed-refs", source))?;
    write_git_index(&git_dir, index).map_err(|source| PlaceError::io(b".git/index", source))
}

/// Whether the Git folder of a place borrows from this repository, as one does that was made for it.
pub(crate) fn is_of(repository: &Repository, place: &Path) -> bool {
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let git_dir = place.join(".git");
    let first_line = |text: Vec<u8>| text.split(|byte| *byte == b'\n').next().map(<[u8]>::to_vec);
    let borrowed = || {
        fs::read(git_dir.join("objects/info/alternates"))
            .ok()
            .and_then(first_line)
    };
    let own = || alternates(repository).ok().and_then(first_line);
    is_folder(place) && is_folder(&git_dir) && borrowed().is_some_and(|borrowed| Some(borrowed) == own())
}

/// The user's object store and everything that it borrows from, as absolute paths: Git follows relative ones only one
/// step far.
fn alternates(repository: &Repository) -> Result<Vec<u8>, PlaceError> {
    use std::os::unix::ffi::OsStrExt as _;
    let local = repository.local();
    let store = local.objects.store_ref();
    let mut paths: Vec<PathBuf> = vec![store.path().to_owned()];
    let borrowed = store.alternate_db_paths().map_err(|error| PlaceError::Alternates {
        reason: error.to_string(),
    })?;
    paths.extend(borrowed);
    let mut content = Vec::new();
    for path in paths {
        let path = path.canonicalize().map_err(|error| PlaceError::Alternates {
            reason: error.to_string(),
        })?;
        let bytes = path.as_os_str().as_bytes();
        if bytes.contains(&b'\n') {
            return Err(PlaceError::Alternates {
                reason: "the path of the object store holds a line break".to_owned(),
            });
        }
        content.extend_from_slice(bytes);
        content.push(b'\n');
    }
    Ok(content)
}

fn packed_refs(refs: &RefSnapshot) -> String {
    let mut content = String::with_capacity(refs.refs.len() * 80 + 32);
    content.push_str("# pack-refs with: sorted \n");
    for (name, id) in &refs.refs {
        content.push_str(&id.to_string());
        content.push(' ');
        content.push_str(name);
        content.push('\n');
    }
    content
}

/// Over the old one, which nobody reads meanwhile: a file that takes the name of another goes to the disk at once.
fn write_git_index(git_dir: &Path, index: &PlaceIndex) -> io::Result<()> {
    let bytes = git_index(index);
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(git_dir.join("index"))?;
    file.write_all(&bytes)?;
    file.set_len(bytes.len() as u64)
}
