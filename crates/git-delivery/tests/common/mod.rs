//! Real repositories for the tests, made with the real `git`.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test file uses a part of it"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use counterfoil_git_delivery::{CommitTime, Identity, Person, Place, RefSnapshot, Repository};
use ledger_core::{CommitId, ObjectId, RepoPath, TreeId};

/// A folder below the target folder, removed in the end, with a repository in `repo`.
pub struct World {
    pub folder: tempfile::TempDir,
}

impl World {
    /// A repository without a commit, on the branch `main`.
    pub fn new() -> Self {
        let world = Self::empty();
        std::fs::create_dir(world.repo()).unwrap();
        world.git(&["init", "-q", "-b", "main"]);
        world.git(&["config", "user.name", "Ada"]);
        world.git(&["config", "user.email", "ada@example.org"]);
        world
    }

    /// No repository at all.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { folder }
    }

    /// A repository with these files in one commit.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        for (path, content) in files {
            world.write(path, content);
        }
        world.commit_all("first");
        world
    }

    pub fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn open(&self) -> Repository {
        Repository::discover(&self.repo()).unwrap()
    }

    pub fn write(&self, path: &str, content: &str) {
        write_below(&self.repo(), path, content);
    }

    /// Everything that is there, ignored or not.
    pub fn commit_all(&self, message: &str) -> CommitId {
        self.git(&["add", "-A", "-f"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.commit("HEAD")
    }

    pub fn commit(&self, name: &str) -> CommitId {
        CommitId(self.object(&format!("{name}^{{commit}}")))
    }

    pub fn tree(&self, name: &str) -> TreeId {
        TreeId(self.object(&format!("{name}^{{tree}}")))
    }

    pub fn object(&self, name: &str) -> ObjectId {
        self.git(&["rev-parse", "--verify", name]).parse().unwrap()
    }

    /// The trimmed output of a `git` that must succeed.
    pub fn git(&self, args: &[&str]) -> String {
        git_in(&self.repo(), args)
    }

    /// A place of `HEAD`.
    pub fn place(&self, name: &str) -> Place {
        self.place_of(name, self.commit("HEAD"))
    }

    pub fn place_of(&self, name: &str, base: CommitId) -> Place {
        Place::create(&self.open(), &self.path(name), base, &RefSnapshot::default()).unwrap()
    }
}

pub fn write_below(folder: &Path, path: &str, content: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

pub fn git_command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("GIT_") {
            command.env_remove(key);
        }
    }
    command
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("LC_ALL", "C")
        .args(args);
    command
}

pub fn try_git_in(folder: &Path, args: &[&str]) -> Output {
    git_command(folder, args).output().unwrap()
}

pub fn git_in(folder: &Path, args: &[&str]) -> String {
    let output = try_git_in(folder, args);
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end_matches('\n')
        .to_owned()
}

pub fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

pub fn ada() -> Person {
    Person {
        name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    }
}

pub fn identity() -> Identity {
    Identity {
        author: ada(),
        committer: ada(),
    }
}

pub const NOON: CommitTime = CommitTime {
    seconds: 1_763_726_400,
    offset_minutes: 60,
};

/// Everything of a folder that could be noticed: names, kinds, permissions, contents and times of files.
pub fn fingerprint(folder: &Path, skip: &dyn Fn(&Path) -> bool) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mut lines = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(folder).unwrap();
            if skip(relative) {
                continue;
            }
            let data = path.symlink_metadata().unwrap();
            let mut line = format!("{:?} {:o}", relative, data.mode());
            if data.is_dir() {
                waiting.push(path.clone());
            } else {
                let content = if data.is_symlink() {
                    std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                } else {
                    std::fs::read(&path).unwrap()
                };
                line.push_str(&format!(
                    " {} {}.{} {content:?}",
                    data.ino(),
                    data.mtime(),
                    data.mtime_nsec()
                ));
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines
}
