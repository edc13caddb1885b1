//! What is kept in a world: objects in Git, runs, bundles, state.

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Leak, Plant, Scanner, Surface};

/// A larger blob or file is passed over: none of ours is so large but where a test is about that.
const LARGEST: u64 = 16 * 1024 * 1024;

/// So many files of a folder are looked at.
const MOST_FILES: usize = 4000;

/// What must not be in this world.
pub(super) fn leaks(scanner: &Scanner, folder: &Path) -> Vec<Leak> {
    let mut seen = Seen::default();
    for repository in repositories(folder) {
        of_objects(scanner, &repository, &mut seen);
        for (path, name) in files_below(&repository.join("counterfoil/runs"), |_| false) {
            let surface = match path.file_name() {
                Some(name) if name == "agent.jsonl" => Surface::AgentLog,
                _ => Surface::RunFolder,
            };
            seen.file(scanner, surface, &path, &name);
        }
        let is_seen = |path: &Path| path.ends_with("runs");
        for (path, name) in files_below(&repository.join("counterfoil"), is_seen) {
            seen.file(scanner, Surface::State, &path, &name);
        }
    }
    // Places are checkouts with the worker's content; its home is where Codex remembers, word by word, what was said.
    let passed_over = |path: &Path| path.ends_with("places") || path.ends_with("codex-home");
    for (path, name) in files_below(&folder.join("state"), passed_over) {
        seen.file(scanner, Surface::State, &path, &name);
    }
    let work_trees = ["repo", "repository"].map(|name| files_below(&folder.join(name), |path| path.ends_with(".git")));
    for (path, name) in work_trees.into_iter().flatten() {
        let surface = match Path::new(&name).extension() {
            Some(tar) if tar == "tar" => Surface::Bundle,
            _ => surface_of(&name),
        };
        seen.file(scanner, surface, &path, &name);
    }
    seen.leaks()
}

/// What was seen in a world.
#[derive(Debug, Default)]
struct Seen {
    leaks: Vec<Leak>,
    /// The user's own words, which records quote as they are, name a path of the machine.
    user_names_a_path: bool,
}

impl Seen {
    fn bytes(&mut self, scanner: &Scanner, surface: Surface, name: &str, bytes: &[u8]) {
        self.leaks.extend(scanner.leaks(surface, name, bytes));
        let is_the_users = ["counterfoil.toml", "ticket.toml", "prompt.md"].contains(&file_name(name));
        self.user_names_a_path |= surface == Surface::Content && is_the_users && scanner.holds_path(bytes);
    }

    fn file(&mut self, scanner: &Scanner, surface: Surface, path: &Path, name: &str) {
        let metadata = path.symlink_metadata();
        let is_ours = metadata.is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
        // One that is gone, or not for us, is what a test is about.
        if let Some(Ok(bytes)) = is_ours.then(|| std::fs::read(path)) {
            self.bytes(scanner, surface, name, &bytes);
        }
    }

    /// What must not be there. A policy, a ticket and a prompt are committed by the user before a run quotes them.
    fn leaks(self) -> Vec<Leak> {
        let quotes = [Surface::StoredRun, Surface::RunFolder, Surface::DeliveredRecord];
        let is_quoted =
            |leak: &Leak| self.user_names_a_path && leak.plant == Plant::Path && quotes.contains(&leak.surface);
        self.leaks.iter().filter(|leak| !is_quoted(leak)).cloned().collect()
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
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

/// Everything that refs lead to. A repository that a test has damaged is looked at as far as Git gets.
fn of_objects(scanner: &Scanner, repository: &Path, seen: &mut Seen) {
    let limit = format!("--filter=blob:limit={LARGEST}");
    let Ok(listed) = git(repository, &["rev-list", "--objects", &limit, "--all"]).output() else {
        return;
    };
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let named: Vec<(&str, &str)> = listed
        .lines()
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    let ids: String = named.iter().map(|(id, _)| format!("{id}\n")).collect();
    let mut reader = git(repository, &["cat-file", "--batch", "--buffer"]);
    let child = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return };
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return;
    };
    let writer = std::thread::spawn(move || input.write_all(ids.as_bytes()));
    let mut output = BufReader::new(output);
    for (_, path) in named {
        let Some((kind, bytes)) = object(&mut output) else {
            break;
        };
        let surface = match kind.as_str() {
            "commit" | "tag" => Surface::Commit,
            "blob" => surface_of(path),
            _ => continue,
        };
        let place = match surface {
            Surface::Commit => "a message".to_owned(),
            _ => path.to_owned(),
        };
        seen.bytes(scanner, surface, &place, &bytes);
    }
    let _ = writer.join();
    let _ = child.wait();
}

/// The next object. One that is missing is empty and of no kind.
fn object(output: &mut impl std::io::BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    output.read_line(&mut head).ok().filter(|read| *read > 0)?;
    let mut parts = head.split_whitespace().skip(1);
    let kind = parts.next()?.to_owned();
    let Some(size) = parts.next().and_then(|size| size.parse::<usize>().ok()) else {
        return Some((String::new(), Vec::new()));
    };
    let mut bytes = vec![0; size.checked_add(1)?];
    output.read_exact(&mut bytes).ok()?;
    bytes.pop();
    Some((kind, bytes))
}

fn git(repository: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("--git-dir")
        .arg(repository)
        .args(args)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Files with their paths from the folder, at most so many. No link is followed.
fn files_below(root: &Path, passed_over: impl Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !passed_over(&path) => folders.push(path),
                Ok(kind) if kind.is_file() && found.len() < MOST_FILES => {
                    let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                    found.push((path, name));
                }
                _ => {}
            }
        }
    }
    found
}
