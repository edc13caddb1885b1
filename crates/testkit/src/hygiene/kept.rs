//! What is kept in a world: objects in Git, runs, bundles, state.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::objects::{self, Object};
use super::quoted::Quoted;
use super::{Leak, Scanner, Surface};

/// Content that is larger is passed over: a worker may write files without end. Whatever else is kept is looked at, however
/// large it is.
const LARGEST_CONTENT: u64 = 16 * 1024 * 1024;

/// So many files of content are looked at in a work tree.
const MOST_CONTENT: usize = 4000;

/// What must not be in this world.
pub(super) fn leaks(scanner: &Scanner, folder: &Path) -> Vec<Leak> {
    let mut seen = Seen {
        scanner,
        folder,
        quoted: OnceCell::new(),
        leaks: Vec::new(),
    };
    for repository in repositories(folder) {
        for name in objects::refs(&repository).lines() {
            seen.name(Surface::Commit, name);
        }
        objects::each(&repository, &["--all"], is_passed_over, |object| seen.object(object));
        for (path, name) in files_below(&repository.join("counterfoil/runs"), |_| false) {
            let surface = match path.file_name() {
                Some(name) if name == "agent.jsonl" => Surface::AgentLog,
                _ => Surface::RunFolder,
            };
            seen.file(surface, &path, &name);
        }
        let is_seen = |path: &Path| path.ends_with("runs");
        for (path, name) in files_below(&repository.join("counterfoil"), is_seen) {
            seen.file(Surface::State, &path, &name);
        }
    }
    // Places are checkouts with the worker's content; its home is where Codex remembers, word by word, what was said.
    let passed_over = |path: &Path| path.ends_with("places") || path.ends_with("codex-home");
    for (path, name) in files_below(&folder.join("state"), passed_over) {
        seen.file(Surface::State, &path, &name);
    }
    for root in ["repo", "repository"] {
        seen.work_tree(&folder.join(root));
    }
    seen.leaks
}

/// What was seen in a world.
struct Seen<'a> {
    scanner: &'a Scanner,
    folder: &'a Path,
    /// Asked for only where a record names a path.
    quoted: OnceCell<Quoted>,
    leaks: Vec<Leak>,
}

impl Seen<'_> {
    fn object(&mut self, object: &Object) {
        let Object { kind, path, bytes } = object;
        let surface = surface_of(path);
        self.name(surface, path);
        match kind.as_str() {
            "commit" | "tag" => self.bytes(Surface::Commit, "a message", bytes),
            "blob" => self.bytes(surface, path, bytes),
            // An object is listed once, at its first path: its other names stand in trees.
            _ => self.names(surface, &format!("names in {path}"), bytes),
        }
    }

    fn work_tree(&mut self, root: &Path) {
        let mut content = 0;
        for (path, name) in files_below(root, |path| path.ends_with(".git")) {
            let surface = match Path::new(&name).extension() {
                Some(tar) if tar == "tar" => Surface::Bundle,
                _ => surface_of(&name),
            };
            content += usize::from(surface == Surface::Content);
            if surface != Surface::Content || content <= MOST_CONTENT {
                self.file(surface, &path, &name);
            }
        }
    }

    fn file(&mut self, surface: Surface, path: &Path, name: &str) {
        self.name(surface, name);
        let size = path.symlink_metadata().map(|found| found.len());
        let is_read = size.is_ok_and(|size| surface != Surface::Content || size <= LARGEST_CONTENT);
        // One that is gone, or not for us, is what a test is about.
        if let Some(Ok(bytes)) = is_read.then(|| std::fs::read(path)) {
            self.bytes(surface, name, &bytes);
        }
    }

    fn bytes(&mut self, surface: Surface, place: &str, bytes: &[u8]) {
        let leaks = self
            .scanner
            .leaks_but(surface, place, bytes, |path| self.is_quoted(surface, path));
        self.leaks.extend(leaks);
    }

    fn name(&mut self, surface: Surface, name: &str) {
        self.names(surface, &format!("the name {name}"), name.as_bytes());
    }

    fn names(&mut self, surface: Surface, place: &str, names: &[u8]) {
        self.leaks.extend(self.scanner.found(surface, place, names, |_| false));
    }

    /// Whether this is a path that the user committed before a run quoted it here.
    fn is_quoted(&self, surface: Surface, path: &[u8]) -> bool {
        let quotes = [Surface::StoredRun, Surface::RunFolder, Surface::DeliveredRecord];
        let quoted = || Quoted::of(self.scanner, self.folder);
        quotes.contains(&surface) && self.quoted.get_or_init(quoted).names(path)
    }
}

/// The folders of Git in this one: of clones with a work tree, and of bare repositories.
fn repositories(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.flat_map(|entry| [entry.path().join(".git"), entry.path()]);
    let mut found: Vec<_> = folders
        .filter(|path| path.join("objects").is_dir() && path.join("HEAD").is_file())
        .collect();
    found.sort();
    found
}

/// What a file of a commit or of a work tree is, by its path.
fn surface_of(path: &str) -> Surface {
    let record = ["result.md", "review.md", "plan.md", "handoff.md"];
    if matches!(
        path,
        "journal.jsonl" | "receipt.json" | "statement.json" | "evidence.json"
    ) || path.starts_with("outputs/")
    {
        Surface::StoredRun
    } else if let Some((_, name)) = path
        .strip_prefix("ledger/tickets/")
        .and_then(|path| path.split_once('/'))
        && record.contains(&name)
    {
        Surface::DeliveredRecord
    } else {
        Surface::Content
    }
}

/// Whether a blob at this path is passed over.
fn is_passed_over(path: &str, size: u64) -> bool {
    surface_of(path) == Surface::Content && size > LARGEST_CONTENT
}

/// Files with their paths from the folder. No link is followed.
fn files_below(root: &Path, passed_over: impl Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !passed_over(&path) => folders.push(path),
                Ok(kind) if kind.is_file() => {
                    let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                    found.push((path, name));
                }
                _ => {}
            }
        }
    }
    found
}
