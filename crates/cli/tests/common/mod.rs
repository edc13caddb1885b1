//! The real binary on real repositories.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test file uses a part of it, and a world that cannot be made is a failed test"
)]

mod running;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use testkit::hygiene::{self, Scanner};
use testkit::repo::TestRepository;

pub use self::running::{LONGEST, Running, Stream};

/// A repository and the user's state, below the target folder.
pub struct World {
    pub repository: TestRepository,
}

/// What a call of `foil` left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl std::ops::Deref for World {
    type Target = TestRepository;

    fn deref(&self) -> &TestRepository {
        &self.repository
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A test that fails already has its own words to say.
        if !std::thread::panicking() {
            scanner().scan_world(self.folder());
        }
    }
}

impl World {
    /// A repository without a commit.
    pub fn new() -> Self {
        Self {
            repository: TestRepository::new(env!("CARGO_TARGET_TMPDIR")),
        }
    }

    /// A repository that was set up and committed.
    pub fn initialized() -> Self {
        let world = Self::new();
        assert_eq!(world.foil(&["init"]).code, Some(0));
        world.commit_all("Set up Counterfoil");
        world
    }

    /// `foil` with these arguments, at the root of the repository.
    pub fn foil(&self, args: &[&str]) -> Said {
        said(self.foil_command().args(args))
    }

    pub fn foil_command(&self) -> Command {
        hygiene::plant_home(&self.home());
        let mut command = self.command(env!("CARGO_BIN_EXE_foil"));
        command.stdin(Stdio::null());
        command
    }

    /// A ticket that is fit to be approved.
    pub fn ticket(&self, id: &str, contract: &str) {
        self.write(&format!("ledger/tickets/{id}/ticket.toml"), contract);
        self.write(&format!("ledger/tickets/{id}/prompt.md"), "Do it.\n");
    }
}

/// What a command says, from its beginning to its end.
pub fn said(command: &mut Command) -> Said {
    text_of(output_of(command))
}

/// The same, byte for byte.
pub fn output_of(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    scan(&output, &command.get_args().collect::<Vec<_>>());
    output
}

/// What a command with these arguments has said.
pub fn said_by(output: Output, arguments: &[&OsStr]) -> Said {
    scan(&output, arguments);
    text_of(output)
}

fn scan(output: &Output, arguments: &[&OsStr]) {
    scanner().scan_output(arguments, &output.stdout, &output.stderr);
}

/// Looks for what is planted in every world.
pub fn scanner() -> Scanner {
    Scanner::new(env!("CARGO_TARGET_TMPDIR"))
}

fn text_of(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A file of a package of npm's, which is installed once into the target folder. Answers with the reason where that cannot be
/// done.
pub fn installed(package: &str, file: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("npm")
        .join(package.replace('/', "_"));
    let file = folder.join("node_modules").join(file);
    if file.is_file() {
        return Ok(file);
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let npm = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(&folder)
        .arg(package)
        .output()
        .map_err(|error| format!("npm cannot be started: {error}"))?;
    if npm.status.success() && file.is_file() {
        Ok(file)
    } else {
        Err(String::from_utf8_lossy(&npm.stderr).into_owned())
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit {code}")?,
            None => writeln!(f, "ended by a signal")?,
        }
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// A contract that is fit to be approved.
pub const LOOP: &str = "title = \"Say hello\"\nmode = \"loop\"\n";

/// Snapshots without what differs from call to call.
pub fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (r"sha256:[0-9a-f]{64}", "[digest]"),
        (r"\b[0-9a-f]{40}\b", "[object]"),
        (r"\b[0-9a-f]{12}\b", "[short]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
        (r"[^ `\n]*/world-[A-Za-z0-9]+", "[world]"),
        (r"foil \d+\.\d+\.\d+", "foil [version]"),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings
}

/// Compares with a snapshot, without what differs from call to call.
#[macro_export]
macro_rules! snapshot {
    ($value:expr) => {
        $crate::common::settings().bind(|| insta::assert_snapshot!($value))
    };
    ($name:expr, $value:expr) => {
        $crate::common::settings().bind(|| insta::assert_snapshot!($name, $value))
    };
}
