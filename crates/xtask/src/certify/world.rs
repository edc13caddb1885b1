//! A repository with one ticket, which a run can be let die in again and again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::command::{capture, line};
use crate::error::TaskError;

/// The file of the world in which objects are noted as they are written and brought to the disk.
pub(super) const OBJECTS: &str = "objects";

/// The only ticket.
pub(super) const TICKET: &str = "0001-hello";

/// The name under which the world is kept as it was before the command.
const PRISTINE: &str = "pristine";

/// How long a process may take to be gone once nothing keeps it any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a finished change is delivered, and by which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    None,
    Branch,
    Push,
    Later,
    Here,
}

impl Mode {
    pub(super) const ALL: [Self; 5] = [Self::None, Self::Branch, Self::Push, Self::Later, Self::Here];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Branch => "branch",
            Self::Push => "push",
            Self::Later => "later",
            Self::Here => "here",
        }
    }

    /// Whether the command refuses because all of it was done before.
    pub(super) fn is_settled(self, end: &End) -> bool {
        matches!((self, end), (Self::Later, End::Exited(11, said)) if said.contains(" is delivered to "))
    }

    /// Those of these names, or all.
    pub(super) fn named(names: &[String]) -> Result<Vec<Self>, TaskError> {
        if names.is_empty() {
            return Ok(Self::ALL.to_vec());
        }
        let of = |name: &String| {
            let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
            let reason = format!(
                "there is no such way of delivery; there are {}",
                Self::ALL.map(Self::name).join(", ")
            );
            found.ok_or_else(|| TaskError::unreadable(format!("`{name}`"), reason))
        };
        names.iter().map(of).collect()
    }

    /// The command that is let die, and that goes on afterwards.
    pub(super) fn command(self) -> &'static [&'static str] {
        match self {
            Self::None | Self::Branch | Self::Push => &["run", "--all"],
            Self::Later => &["deliver", TICKET],
            Self::Here => &["deliver", TICKET, "--here"],
        }
    }

    fn delivery(self) -> &'static str {
        match self {
            Self::None | Self::Later => "mode = \"none\"",
            Self::Branch | Self::Here => "mode = \"branch\"",
            Self::Push => "mode = \"push\"\ntarget = \"main\"",
        }
    }
}

/// A folder in which everything of a world is, and beside it the world as it was before the command.
pub(super) struct World {
    folder: PathBuf,
    foil: PathBuf,
    pub(super) mode: Mode,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By its own exit code, with what it said.
    Exited(i32, String),
    /// By the signal that it sent to itself.
    Died,
}

impl End {
    /// Whether it has done what it was told.
    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Exited(0, _))
    }

    /// That of a command which has ended.
    pub(super) fn of(output: &Output) -> Self {
        match output.status.code() {
            Some(code) => Self::Exited(code, words(output)),
            None if output.status.signal() == Some(9) => Self::Died,
            None => Self::Exited(-1, format!("{}", output.status)),
        }
    }
}

impl World {
    /// Makes a world below a folder that belongs to nobody else.
    pub(super) fn create(folder: &Path, foil: &Path, mode: Mode) -> Result<Self, TaskError> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(TaskError::file(folder)(error)),
            _ => {}
        }
        let world = Self {
            folder: folder.to_owned(),
            foil: foil.to_owned(),
            mode,
        };
        for name in ["repository", "home", "scripts"] {
            let path = world.path(name);
            fs::create_dir_all(&path).map_err(TaskError::file(&path))?;
        }
        world.git(&["init", "--quiet", "--initial-branch=main"])?;
        for (key, value) in [
            ("user.name", "A person"),
            ("user.email", "person@localhost"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
        ] {
            world.git(&["config", key, value])?;
        }
        world.write_files()?;
        if mode == Mode::Push {
            world.add_remote()?;
        }
        world.git(&["add", "--all"])?;
        world.git(&["commit", "--quiet", "-m", "a project"])?;
        world.succeeds(&["trust"])?;
        world.succeeds(&["approve", TICKET])?;
        if mode == Mode::Push {
            world.git(&["push", "--quiet", "origin", "main"])?;
        }
        if matches!(mode, Mode::Later | Mode::Here) {
            world.succeeds(&["run", "--all"])?;
            world.write("notes.txt", "the person's own, and in no commit\n")?;
        }
        world.keep_as(PRISTINE)?;
        Ok(world)
    }

    fn write_files(&self) -> Result<(), TaskError> {
        let policy = format!(
            "[agent]\nkind = \"scripted\"\ncommand = '{}'\n\n\
             [[check]]\nname = \"greeting\"\nrun = \"test ! -e hello.txt || grep -qx hello hello.txt\"\n\n\
             [hooks]\npre_iteration = \"true\"\npost_iteration = \"true\"\non_completed = \"true\"\n\n\
             [notify]\ncommand = 'cat >>{}'\non = [\"done\"]\n\n[delivery]\n{}\n",
            self.path("scripts").display(),
            self.path("told").display(),
            self.mode.delivery(),
        );
        self.write("counterfoil.toml", &policy)?;
        self.write("README", "a project\n")?;
        let folder = format!("ledger/tickets/{TICKET}");
        self.write(
            &format!("{folder}/ticket.toml"),
            "title = \"Say hello\"\nmode = \"standard\"\n\n[scope]\ngoal = \"hello\"\nallowed = [\"hello.txt\"]\n\n\
             [[acceptance]]\nid = \"AC-1\"\ngiven = \"a project\"\nwhen = \"it is read\"\nthen = \"it says hello\"\n\n\
             [specs]\nmode = \"none\"\nreason = \"a greeting\"\n",
        )?;
        self.write(&format!("{folder}/prompt.md"), "Say hello in `hello.txt`.\n")?;
        for (name, text) in [
            (
                "writer",
                "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n[answer]\nreport = { summary = \"said hello\" }\n",
            ),
            (
                "reviewer",
                "role = \"reviewer\"\n[answer]\nreview = { verdict = \"pass\", summary = \"it says hello\" }\n",
            ),
        ] {
            let path = self.path("scripts").join(format!("{name}.toml"));
            fs::write(&path, text).map_err(TaskError::file(&path))?;
        }
        Ok(())
    }

    /// A bare repository that writes down each update that it takes.
    fn add_remote(&self) -> Result<(), TaskError> {
        let remote = self.path("remote.git");
        let at = remote.display().to_string();
        self.git(&["init", "--quiet", "--bare", "--initial-branch=main", &at])?;
        self.git(&["remote", "add", "origin", &at])?;
        let hook = remote.join("hooks/post-receive");
        let pushes = self.path("pushes");
        let text = format!("#!/bin/sh\nexec cat >>'{}'\n", pushes.display());
        fs::write(&hook, text).map_err(TaskError::file(&hook))?;
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&hook, executable).map_err(TaskError::file(&hook))
    }

    /// Puts everything back to what it was before the command.
    pub(super) fn restore(&self) -> Result<(), TaskError> {
        self.restore_from(PRISTINE)
    }

    /// Keeps everything as it is now under a name.
    pub(super) fn keep_as(&self, name: &str) -> Result<(), TaskError> {
        copy(&self.path(""), &self.folder.join(name))
    }

    /// Puts everything back to what was kept under a name.
    pub(super) fn restore_from(&self, name: &str) -> Result<(), TaskError> {
        let now = self.path("");
        fs::remove_dir_all(&now).map_err(TaskError::file(&now))?;
        copy(&self.folder.join(name), &now)
    }

    /// Something of the world.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join("world").join(name)
    }

    fn write(&self, path: &str, text: &str) -> Result<(), TaskError> {
        let path = self.path("repository").join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(TaskError::file(folder))?;
        }
        fs::write(&path, text).map_err(TaskError::file(&path))
    }

    /// Runs Git and gives what it prints.
    pub(super) fn git(&self, arguments: &[&str]) -> Result<String, TaskError> {
        let mut command = self.prepared("git", "repository");
        command.args(arguments);
        let said = line(&command);
        let output = capture(command)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()),
            false => Err(TaskError::unreadable(said, words(&output))),
        }
    }

    /// Runs `foil`, which must succeed, and gives what it prints.
    pub(super) fn succeeds(&self, arguments: &[&str]) -> Result<String, TaskError> {
        match self.foil(arguments, None, None)? {
            End::Exited(0, said) => Ok(said),
            other => Err(TaskError::unreadable(
                format!("foil {}", arguments.join(" ")),
                format!("{other:?}"),
            )),
        }
    }

    /// Runs `foil`; it dies at this point, and writes down those that it passes.
    pub(super) fn foil(&self, arguments: &[&str], at: Option<&str>, log: Option<&Path>) -> Result<End, TaskError> {
        let mut command = self.prepared(&self.foil, "repository");
        command.args(arguments);
        if let Some(at) = at {
            command.env("COUNTERFOIL_CRASH_AT", at);
        }
        if let Some(log) = log {
            command.env("COUNTERFOIL_CRASH_LOG", log);
        }
        command.env("COUNTERFOIL_CRASH_OBJECTS", self.path(OBJECTS));
        Ok(End::of(&capture(command)?))
    }

    /// Runs `foil` in a folder of the world.
    pub(super) fn foil_in(&self, folder: &str, arguments: &[&str]) -> Result<End, TaskError> {
        let mut command = self.prepared(&self.foil, folder);
        command.args(arguments);
        Ok(End::of(&capture(command)?))
    }

    /// The program that is certified.
    pub(super) fn program(&self) -> &Path {
        &self.foil
    }

    /// A program that is to run in a folder of the world, and knows nothing of what is outside.
    pub(super) fn prepared(&self, program: impl AsRef<OsStr>, folder: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path(folder))
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null());
        command
    }

    /// Processes that are still there although nothing should be, after a while.
    pub(super) fn processes(&self) -> Vec<String> {
        let began = Instant::now();
        loop {
            let left = self.processes_now();
            if left.is_empty() || began.elapsed() > PATIENCE {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn processes_now(&self) -> Vec<String> {
        let mark = self.path("").display().to_string();
        let names_world = |path: PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let of_world = entries.filter(|entry| {
            let is_process = entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit());
            is_process && (names_world(entry.path().join("environ")) || names_world(entry.path().join("cmdline")))
        });
        of_world
            .map(|entry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).replace('\0', " ")
            })
            .collect()
    }
}

/// Copies a folder as it is.
fn copy(from: &Path, to: &Path) -> Result<(), TaskError> {
    let mut command = Command::new("cp");
    command.arg("-a").arg(from).arg(to);
    let output = capture(command)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(TaskError::unreadable("cp", words(&output))),
    }
}

/// All that a command said.
fn words(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}
