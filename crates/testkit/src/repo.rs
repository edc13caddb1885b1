//! A real repository for tests, made with the real `git`, away from `/tmp`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a world that cannot be made is a failed test"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with a repository in `repo` and room for state beside it. Removed in the end.
#[derive(Debug)]
pub struct TestRepository {
    folder: tempfile::TempDir,
}

impl TestRepository {
    /// A repository without a commit, on the branch `main`, in a new folder below `place`. Tests give
    /// `env!("CARGO_TARGET_TMPDIR")`: below `/tmp` a worker's sandbox could write.
    pub fn new(place: &str) -> Self {
        let world = Self::empty(place);
        std::fs::create_dir(world.root()).expect("a folder for the repository");
        world.git(&["init", "-q", "-b", "main"]);
        world.git(&["config", "user.name", "Ada"]);
        world.git(&["config", "user.email", "ada@example.org"]);
        world
    }

    /// The folder without a repository in it.
    pub fn empty(place: &str) -> Self {
        std::fs::create_dir_all(place).expect("the place for test repositories");
        let folder = tempfile::Builder::new()
            .prefix("world-")
            .tempdir_in(place)
            .expect("a folder for the world");
        Self { folder }
    }

    /// The folder around the repository.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The root of the work tree.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    /// The home of the user in this world.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The user's state folder in this world: `XDG_STATE_HOME`.
    pub fn state_home(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A command in this world: at the repository's root, with nothing of the environment but `PATH`, and with a user who
    /// has no Git configuration.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("XDG_STATE_HOME", self.state_home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8");
        crate::hygiene::plant(&mut command);
        if self.root().is_dir() {
            command.current_dir(self.root());
        } else {
            command.current_dir(self.folder());
        }
        command
    }

    /// The answer of `git`, without the last line break. Fails the test if `git` does.
    pub fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(args);
        if !output.status.success() {
            panic!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// What `git` left behind, whatever it is. Commits have a fixed time.
    pub fn try_git(&self, args: &[&str]) -> Output {
        self.command("git")
            .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
            .args(args)
            .output()
            .expect("git starts")
    }

    /// Writes a file of the work tree, with the folders above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("the file's folder");
        }
        std::fs::write(path, content).expect("the file");
    }

    /// The content of a file of the work tree.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).expect("the file")
    }

    /// Commits all that is there and answers with the commit.
    pub fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Everything of the user's that a command might change: each file of the work tree with its mode, refs, index, stash and
    /// configuration. Objects, reflogs and our own state below `.git/counterfoil` are left out.
    pub fn observed(&self) -> BTreeMap<String, Vec<u8>> {
        let mut seen = BTreeMap::new();
        let root = self.root();
        collect(&root, &root, &mut seen);
        if root.join(".git").is_dir() {
            for args in [
                &["for-each-ref"][..],
                &["ls-files", "--stage"],
                &["symbolic-ref", "-q", "HEAD"],
                &["status", "--porcelain=v2", "-uall"],
            ] {
                seen.insert(format!("git {}", args.join(" ")), self.try_git(args).stdout);
            }
        }
        seen
    }
}

fn collect(root: &Path, folder: &Path, seen: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let left_out = [".git/objects", ".git/logs", ".git/counterfoil", ".git/index"];
        if left_out.contains(&name.as_str()) {
            continue;
        }
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        if metadata.is_dir() {
            seen.insert(format!("{name}/"), Vec::new());
            collect(root, &path, seen);
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(&path).unwrap_or_default();
            seen.insert(name, target.as_os_str().as_bytes().to_vec());
        } else if metadata.is_file() {
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
            let mut content = format!("{mode:o}\n").into_bytes();
            content.extend(std::fs::read(&path).unwrap_or_default());
            seen.insert(name, content);
        } else {
            seen.insert(name, b"special".to_vec());
        }
    }
}
