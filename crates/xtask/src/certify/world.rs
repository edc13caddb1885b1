//! A repository with approved tickets, in which a command can be let die in again and again.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::mode::Mode;
use crate::command::{capture, line};
use crate::error::TaskError;

/// The file of the world in which objects are noted as they are written and brought to the disk.
const OBJECTS: &str = "objects";

/// The script by which somebody else pushes.
const THEIRS: &str = "theirs.sh";

/// The name under which the world is kept as it was before the command.
const PRISTINE: &str = "pristine";

/// How long a process may take to be gone once nothing keeps it any more.
const PATIENCE: Duration = Duration::from_secs(10);

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
        world.configure("repository")?;
        world.write_files()?;
        let remote = mode.pushes().then(|| world.add_remote()).transpose()?;
        world.git(&["add", "--all"])?;
        world.git(&["commit", "--quiet", "-m", "a project"])?;
        for command in [&[&["trust"][..]], mode.approves()].concat() {
            world.succeeds(command)?;
        }
        if let Some(remote) = remote {
            world.git(&["push", "--quiet", "origin", "main"])?;
            if mode == Mode::Moved {
                world.add_somebody(&remote)?;
            }
        }
        if matches!(mode, Mode::Later | Mode::Here) {
            world.succeeds(&["run", "--all"])?;
            world.write("notes.txt", "the person's own, and in no commit\n")?;
        }
        world.keep_as(PRISTINE)?;
        Ok(world)
    }

    /// Says in a repository of the world who commits, and that nothing is tidied up meanwhile.
    pub(super) fn configure(&self, folder: &str) -> Result<(), TaskError> {
        for (key, value) in [
            ("user.name", "A person"),
            ("user.email", "person@localhost"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
        ] {
            self.git_in(folder, &["config", key, value])?;
        }
        Ok(())
    }

    fn write_files(&self) -> Result<(), TaskError> {
        let policy = format!(
            "[agent]\nkind = \"scripted\"\ncommand = '{}'\n\n\
             [[check]]\nname = \"greeting\"\nrun = \"test ! -e hello.txt || grep -q ^h hello.txt\"\n\n\
             [hooks]\npre_iteration = \"true\"\npost_iteration = \"true\"\non_completed = \"true\"\n\n\
             [notify]\ncommand = 'cat >>{}'\non = [\"done\"]\n\n[delivery]\n{}\n",
            self.path("scripts").display(),
            self.path("told").display(),
            self.mode.delivery(),
        );
        self.write("counterfoil.toml", &policy)?;
        self.write("README", "a project\n")?;
        for ticket in self.mode.tickets() {
            let folder = format!("ledger/tickets/{}", ticket.id);
            self.write(&format!("{folder}/ticket.toml"), &ticket.contract)?;
            self.write(&format!("{folder}/prompt.md"), ticket.prompt)?;
        }
        for (name, text) in self.mode.scripts(&self.path(THEIRS)) {
            let path = self.path("scripts").join(format!("{name}.toml"));
            fs::write(&path, text).map_err(TaskError::file(&path))?;
        }
        Ok(())
    }

    /// Somebody else with a clone of the remote and a commit, who waits to push it.
    fn add_somebody(&self, remote: &str) -> Result<(), TaskError> {
        let theirs = self.path("theirs");
        self.git(&["clone", "--quiet", remote, &theirs.display().to_string()])?;
        self.configure("theirs")?;
        let path = theirs.join("theirs.txt");
        fs::write(&path, "somebody else's\n").map_err(TaskError::file(&path))?;
        self.git_in("theirs", &["add", "--all"])?;
        self.git_in("theirs", &["commit", "--quiet", "-m", "somebody else's"])?;
        let script = self.path(THEIRS);
        let text = format!("exec git -C '{}' push --quiet origin HEAD:main\n", theirs.display());
        fs::write(&script, text).map_err(TaskError::file(&script))
    }

    /// A bare repository that writes down each update that it takes, and where it is.
    fn add_remote(&self) -> Result<String, TaskError> {
        let remote = self.path("remote.git");
        let at = remote.display().to_string();
        self.git(&["init", "--quiet", "--bare", "--initial-branch=main", &at])?;
        self.git(&["remote", "add", "origin", &at])?;
        let hook = remote.join("hooks/post-receive");
        let pushes = self.path("pushes");
        let text = format!("#!/bin/sh\nexec cat >>'{}'\n", pushes.display());
        fs::write(&hook, text).map_err(TaskError::file(&hook))?;
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&hook, executable).map_err(TaskError::file(&hook))?;
        Ok(at)
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

    /// The objects that were written and not brought to the disk since the world was made or put back.
    pub(super) fn unflushed(&self) -> Result<BTreeSet<String>, TaskError> {
        let log = self.path(OBJECTS);
        let noted = match fs::read_to_string(&log) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            noted => noted.map_err(TaskError::file(&log))?,
        };
        let mut unflushed = BTreeSet::new();
        for line in noted.lines() {
            let (sign, id) = line.split_at(1);
            match sign {
                "+" => unflushed.insert(id.to_owned()),
                _ => unflushed.remove(id),
            };
        }
        Ok(unflushed)
    }

    fn write(&self, path: &str, text: &str) -> Result<(), TaskError> {
        let path = self.path("repository").join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(TaskError::file(folder))?;
        }
        fs::write(&path, text).map_err(TaskError::file(&path))
    }

    /// Runs Git in the repository and gives what it prints.
    pub(super) fn git(&self, arguments: &[&str]) -> Result<String, TaskError> {
        self.git_in("repository", arguments)
    }

    fn git_in(&self, folder: &str, arguments: &[&str]) -> Result<String, TaskError> {
        let mut command = self.prepared("git", folder);
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
