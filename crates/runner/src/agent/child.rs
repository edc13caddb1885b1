//! The agent's process: its lines in and out, its last words, its end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;

/// The longest line that an agent may write. Codex cuts a command's output at 1 MiB and repeats it in one line.
pub(super) const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// How much of the end of standard error is kept.
const STDERR_TAIL_BYTES: usize = 8 * 1024;

/// What to start.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) folder: PathBuf,
    /// The whole environment.
    pub(super) env: Vec<(OsString, OsString)>,
}

/// Starts a program with piped standard streams, in a process group of its own, killed when it is dropped.
/// The only place where an agent's process is started.
fn spawn(launch: &Launch) -> std::io::Result<Child> {
    Command::new(&launch.program)
        .args(&launch.args)
        .current_dir(&launch.folder)
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// A running agent's process.
#[derive(Debug)]
pub(super) struct AgentChild {
    child: Child,
    pid: Option<Pid>,
    input: Option<mpsc::UnboundedSender<Vec<u8>>>,
    output: LineReader<ChildStdout>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl AgentChild {
    pub(super) fn start(launch: &Launch) -> std::io::Result<Self> {
        let mut child = spawn(launch)?;
        let missing = || std::io::Error::other("a standard stream is missing");
        let mut stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;

        // A task of its own writes: an agent that waits until its output is read would never read a long prompt.
        let (input, mut waiting) = mpsc::unbounded_channel::<Vec<u8>>();
        tokio::spawn(async move {
            while let Some(bytes) = waiting.recv().await {
                if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
                    break;
                }
            }
        });

        let tail = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(keep_tail(stderr, Arc::clone(&tail)));

        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self {
            child,
            pid,
            input: Some(input),
            output: LineReader::new(stdout),
            stderr: tail,
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

    /// Waits at most this long for the end by itself. Says whether it came and was without error.
    pub(super) async fn wait(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        tokio::time::timeout(limit, self.child.wait()).await.ok()?.ok()
    }

    /// Sends SIGINT to the agent itself, which then ends its commands.
    pub(super) fn ask_to_stop(&self) {
        if let Some(pid) = self.pid {
            // It may be gone already.
            let _ = kill_process(pid, Signal::INT);
        }
    }

    /// Closes its input, gives it this long, then kills it with its group. Returns when it is gone.
    pub(super) async fn end(mut self, grace: Duration) {
        self.close_input();
        if self.wait(grace).await.is_none() {
            self.kill().await;
        }
    }

    /// Kills it with its group at once and waits until it is gone.
    pub(super) async fn kill(&mut self) {
        // Only while it has not been waited for is the number surely ours.
        if let (Some(pid), Some(_)) = (self.pid, self.child.id()) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.kill().await;
    }
}

/// Reads to the end, keeping the last bytes.
async fn keep_tail(mut stderr: tokio::process::ChildStderr, tail: Arc<Mutex<Vec<u8>>>) {
    use tokio::io::AsyncReadExt;
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
