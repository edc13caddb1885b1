//! The agent's process, under a guard: its lines in and out, its last words, its end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::guard::{Exit, GuardError, GuardProgram, GuardedChild, GuardedCommand};

/// The longest line that an agent may write. Codex cuts a command's output at 1 MiB and repeats it in one line.
pub(super) const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// How much of the end of standard error is kept.
const STDERR_TAIL_BYTES: usize = 8 * 1024;

/// How long the rest of standard error may take to be read once its writers are gone.
const STDERR_LIMIT: Duration = Duration::from_secs(1);

/// Under what an agent's processes are started.
#[derive(Debug, Clone)]
pub struct AgentGuard {
    /// The program that becomes the guard.
    pub program: GuardProgram,
    /// The folder where guards are recorded, for [`crate::guard::end_leftovers`] after a crash.
    pub records: PathBuf,
}

/// What to start.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) folder: PathBuf,
    /// The whole environment.
    pub(super) env: Vec<(OsString, OsString)>,
}

/// Has glibc keep little freed memory. By default each thread of a process, several a run, comes to have a pool of its own, most of which lies unused, and
/// what is freed in the middle of one stays.
pub(crate) const SMALL_HEAP: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "32768"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
];

/// Is set where those are meant for this process alone.
pub(crate) const OWN_HEAP: &str = "COUNTERFOIL_OWN_HEAP";

/// The environment of this process without Git's, Codex' and our own variables, which would point into the user's
/// repository or home.
pub(crate) fn inherited_environment() -> impl Iterator<Item = (OsString, OsString)> {
    let own_heap = std::env::var_os(OWN_HEAP).is_some();
    std::env::vars_os().filter(move |(name, _)| {
        let name = name.to_string_lossy();
        if own_heap && SMALL_HEAP.iter().any(|(own, _)| name == *own) {
            return false;
        }
        !["GIT_", "CODEX_", "FOIL_", "COUNTERFOIL_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    })
}

/// A running agent's process. Dropping it ends it with all that it started.
#[derive(Debug)]
pub(super) struct AgentChild {
    child: GuardedChild,
    input: Option<mpsc::UnboundedSender<Vec<u8>>>,
    output: LineReader<pipe::Receiver>,
    stderr: Arc<Mutex<Vec<u8>>>,
    stderr_reader: JoinHandle<()>,
}

impl AgentChild {
    pub(super) async fn start(launch: &Launch, guard: &AgentGuard) -> Result<Self, GuardError> {
        let mut child = GuardedCommand::new(&launch.program)
            .args(&launch.args)
            .current_dir(&launch.folder)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .record_in(&guard.records)
            .pipe_stdin()
            .pipe_stdout()
            .pipe_stderr()
            .spawn(&guard.program)
            .await?;
        let missing = || GuardError::Io(std::io::Error::other("a standard stream is missing"));
        let mut stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;

        // A task of its own writes: an agent that waits until its output is read would never read a long prompt.
        let (input, mut waiting) = mpsc::unbounded_channel::<Vec<u8>>();
        tokio::spawn(async move {
            while let Some(bytes) = waiting.recv().await {
                if stdin.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        });

        let tail = Arc::new(Mutex::new(Vec::new()));
        let stderr_reader = tokio::spawn(keep_tail(stderr, Arc::clone(&tail)));
        Ok(Self {
            child,
            input: Some(input),
            output: LineReader::new(stdout),
            stderr: tail,
            stderr_reader,
        })
    }

    /// Hands over bytes to be written. An agent that is gone shows it by ending its output.
    pub(super) fn write(&self, bytes: Vec<u8>) {
        if let Some(input) = &self.input {
            let _ = input.send(bytes);
        }
    }

    /// Closes the agent's standard input, after what was handed over.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// The next line, `None` at the end. May be dropped at any point without losing anything.
    pub(super) async fn line(&mut self) -> Result<Option<String>, LineError> {
        self.output.next().await
    }

    /// The end of what the agent wrote to standard error.
    pub(super) fn last_words(&self) -> String {
        let tail = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&tail).into_owned()
    }

    /// Asks the agent itself to stop (SIGINT), which then ends its commands.
    pub(super) async fn ask_to_stop(&mut self) {
        // One that is gone needs no asking, and one that cannot be asked is killed.
        let _ = self.child.signal(Signal::INT).await;
    }

    /// Closes its input, gives it this long to end by itself, then kills it. Returns when nothing that it started is
    /// left, with how it ended where it ended by itself.
    pub(super) async fn end(&mut self, grace: Duration) -> Result<Option<Exit>, GuardError> {
        self.close_input();
        match tokio::time::timeout(grace, self.child.wait_for_exit()).await {
            Ok(Ok(exit)) => {
                // What it left is not the agent's any more and gets no time.
                self.child.kill_now().await?;
                // Nobody is left to write: what is still in the pipe is read at once.
                let _ = tokio::time::timeout(STDERR_LIMIT, &mut self.stderr_reader).await;
                Ok(Some(exit))
            }
            // It has been ended together with its guard.
            Ok(Err(GuardError::Lost)) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(_) => self.kill().await.map(|()| None),
        }
    }

    /// Kills it with all that it started. Returns when nothing is left.
    pub(super) async fn kill(&mut self) -> Result<(), GuardError> {
        match self.child.kill_now().await {
            Ok(_) | Err(GuardError::Lost) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Reads to the end, keeping the last bytes.
async fn keep_tail(mut stderr: pipe::Receiver, tail: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0; 4096];
    while let Ok(count) = stderr.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&buffer[..count]);
        let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
        tail.drain(..excess);
    }
}

/// Why a line cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("a line has more than {MAX_LINE_BYTES} bytes")]
    TooLong,
    #[error(transparent)]
    Read(#[from] std::io::Error),
}

/// Lines of bounded length.
#[derive(Debug)]
struct LineReader<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(64 * 1024, reader),
            line: Vec::new(),
        }
    }

    /// The next line without its end. What follows the last line break is no line: it was cut off.
    async fn next(&mut self) -> Result<Option<String>, LineError> {
        loop {
            // The only point where this waits; everything read so far is kept in `self`.
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(available.len());
            if self.line.len() + taken > MAX_LINE_BYTES {
                return Err(LineError::TooLong);
            }
            self.line.extend_from_slice(&available[..taken]);
            self.reader.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                let line = String::from_utf8_lossy(&self.line).into_owned();
                // A long line must not keep its memory for the rest of the run.
                self.line = Vec::new();
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_lines_are_read_and_endless_ones_refused() {
        let long = format!("{}\n", "x".repeat(2 * 1024 * 1024));
        let mut reader = LineReader::new(long.as_bytes());
        assert_eq!(reader.next().await.unwrap().unwrap().len(), 2 * 1024 * 1024);
        assert!(reader.next().await.unwrap().is_none());

        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        let mut reader = LineReader::new(endless.as_slice());
        assert!(matches!(reader.next().await, Err(LineError::TooLong)));
    }

    #[tokio::test]
    async fn a_line_that_was_cut_off_is_no_line() {
        let mut reader = LineReader::new(&b"one\n\xff\ntwo"[..]);
        assert_eq!(reader.next().await.unwrap().unwrap(), "one");
        assert_eq!(reader.next().await.unwrap().unwrap(), "\u{fffd}");
        assert!(reader.next().await.unwrap().is_none());
    }
}
