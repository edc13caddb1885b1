//! What to run under a guard, and how it is started.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::unix::pipe;

use super::wire::{self, STARTED_AS_GUARD, Start};
use super::{DEFAULT_GRACE, GuardError, GuardProgram, GuardedChild, START_WAIT, inside, leftovers};

/// What a guarded process has at its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Nothing,
    Piped,
    Signal,
}

/// Where the standard output or the errors of a guarded process go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Piped,
    Discarded,
    Merged,
}

/// A command to be run under a guard. Its environment is empty but for what is given here and one entry,
/// `COUNTERFOIL_GUARD_ID`, by which leftovers are recognised; it cannot gain rights (`no_new_privs`) and leaves no core files.
///
/// ```no_run
/// # use counterfoil_runner::guard::{GuardProgram, GuardedCommand};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut child = GuardedCommand::new("/usr/bin/env")
///     .env("LANG", "C.UTF-8")
///     .current_dir("/")
///     .spawn(&GuardProgram::current()?)
///     .await?;
/// let exit = child.wait().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct GuardedCommand {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
    records: Option<PathBuf>,
    grace: Duration,
    input: Input,
    output: Output,
    errors: Output,
}

impl GuardedCommand {
    /// A command without arguments and environment, in `/`, with no input and with its output and errors thrown away. A program
    /// without `/` is looked up in the `PATH` of the given environment.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: PathBuf::from("/"),
            records: None,
            grace: DEFAULT_GRACE,
            input: Input::Nothing,
            output: Output::Discarded,
            errors: Output::Discarded,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Adds an entry to the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds entries to the environment.
    #[must_use]
    pub fn envs(mut self, entries: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>) -> Self {
        for (name, value) in entries {
            self = self.env(name, value);
        }
        self
    }

    /// The folder that it starts in.
    #[must_use]
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = folder.as_ref().to_owned();
        self
    }

    /// The folder, made if need be, in which the guard writes who it is, for [`super::end_leftovers`] after a crash.
    #[must_use]
    pub fn record_in(mut self, folder: impl AsRef<Path>) -> Self {
        self.records = Some(folder.as_ref().to_owned());
        self
    }

    /// How long what is asked to end may take before it is killed. [`DEFAULT_GRACE`] unless said.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Standard input is written by us, through [`GuardedChild::stdin`].
    #[must_use]
    pub fn pipe_stdin(mut self) -> Self {
        self.input = Input::Piped;
        self
    }

    /// Standard input is a way to tell us that something has happened, by writing to it: [`GuardedChild::has_signaled`]. A socket, which unlike a pipe
    /// cannot be opened again by its name below `/proc`.
    #[must_use]
    pub fn signal_at_stdin(mut self) -> Self {
        self.input = Input::Signal;
        self
    }

    /// Standard output is read by us, through [`GuardedChild::stdout`].
    #[must_use]
    pub fn pipe_stdout(mut self) -> Self {
        self.output = Output::Piped;
        self
    }

    /// Standard error is read by us, through [`GuardedChild::stderr`].
    #[must_use]
    pub fn pipe_stderr(mut self) -> Self {
        self.errors = Output::Piped;
        self
    }

    /// Standard error goes where standard output goes, in the order in which both were written.
    #[must_use]
    pub fn stderr_with_stdout(mut self) -> Self {
        self.errors = Output::Merged;
        self
    }

    /// Starts it under a guard. When this returns, the program runs.
    ///
    /// If the future is dropped, or the child that it returns, everything that was started is ended by the guard.
    ///
    /// # Errors
    /// [`GuardError::NotStarted`] where the command cannot be run; [`GuardError::NoGuard`] where `guard` is no guard program.
    pub async fn spawn(self, guard: &GuardProgram) -> Result<GuardedChild, GuardError> {
        if std::env::var_os(STARTED_AS_GUARD).is_some() {
            // This program was to be a guard and did not act as one. Going on would start it again and again.
            return Err(GuardError::NoGuard);
        }
        let id = uuid::Uuid::now_v7().simple().to_string();
        let identity = match &self.records {
            Some(folder) => {
                std::fs::create_dir_all(folder)?;
                let file = leftovers::record_file(&std::path::absolute(folder)?, &id);
                Some(file.into_os_string().into())
            }
            None => None,
        };
        let start = Start {
            id,
            program: self.program.into(),
            arguments: self.arguments.into_iter().map(Into::into).collect(),
            environment: self
                .environment
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            folder: self.folder.into_os_string().into(),
            identity,
            grace_ms: u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX),
            parent: None,
            control_group: None,
        };

        let (input, stdin, signal) = input(self.input)?;
        let (output, stdout) = output(self.output)?;
        let (errors, stderr) = match self.errors {
            Output::Merged => (output.try_clone()?, None),
            other => self::output(other)?,
        };

        let (ours, theirs) = UnixStream::pair()?;
        let process = tokio::process::Command::new(&guard.0)
            .arg(inside::GUARD_VERB)
            .env_clear()
            .env(STARTED_AS_GUARD, "1")
            .current_dir("/")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let body =
            wire::send_header(&ours, &start, &[input.as_fd(), output.as_fd(), errors.as_fd()]).map_err(|error| {
                match error.kind() {
                    // It ended without having read anything.
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => GuardError::NoGuard,
                    _ => error.into(),
                }
            })?;
        drop((input, output, errors));
        ours.set_nonblocking(true)?;
        let mut child = GuardedChild {
            stdin,
            signal,
            stdout,
            stderr,
            socket: Some(tokio::net::UnixStream::from_std(ours)?),
            received: Vec::new(),
            process,
            pid: 0,
            exit: None,
            gone: None,
            record: None,
            grace: self.grace,
        };
        match tokio::time::timeout(START_WAIT, child.started(&body)).await {
            Ok(result) => result.map(|()| child),
            Err(_) => Err(GuardError::NoGuard),
        }
    }
}

type InputEnds = (OwnedFd, Option<pipe::Sender>, Option<UnixStream>);

fn input(input: Input) -> io::Result<InputEnds> {
    match input {
        Input::Nothing => Ok((std::fs::File::open("/dev/null")?.into(), None, None)),
        Input::Piped => {
            let (read, write) = pipe_pair()?;
            Ok((read, Some(pipe::Sender::from_owned_fd(write)?), None))
        }
        Input::Signal => {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            Ok((theirs.into(), None, Some(ours)))
        }
    }
}

fn output(output: Output) -> io::Result<(OwnedFd, Option<pipe::Receiver>)> {
    if output != Output::Piped {
        let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
        return Ok((nowhere.into(), None));
    }
    let (read, write) = pipe_pair()?;
    Ok((write, Some(pipe::Receiver::from_owned_fd(read)?)))
}

fn pipe_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = io::pipe()?;
    Ok((read.into(), write.into()))
}
