//! One command from start to end: under a guard, with a time limit, its output kept in a file of bounded size.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use ledger_core::{CommandOutcome, Digest, Hashing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::guard::{Exit, GuardError, GuardProgram, GuardedChild, GuardedCommand, GuardedExit};

/// How long the output is still read when nothing is left that could write to it.
const DRAIN: Duration = Duration::from_secs(1);

/// Room for the line that says how much was left out.
const NOTE_BYTES: u64 = 80;

/// What a command may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimits {
    /// How long it may take.
    pub time: Duration,
    /// How many bytes of its output are kept: the first half from the beginning, the rest from the end. At least 4 KiB.
    pub kept_bytes: u64,
    /// How many bytes it may print before it is ended.
    pub printed_bytes: u64,
}

impl ProcessLimits {
    /// This much time; 4 MiB of output kept, 64 MiB printed.
    pub const fn with_time(time: Duration) -> Self {
        Self {
            time,
            kept_bytes: 4 << 20,
            printed_bytes: 64 << 20,
        }
    }
}

/// A command could not be supervised. What was started has been ended.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Its guard did not work, or was lost.
    #[error("the command could not be guarded")]
    Guard(#[source] GuardError),
    /// Its output cannot be written.
    #[error("the output of the command cannot be kept")]
    Output(#[source] io::Error),
}

/// What was observed of a command that has ended, with all that it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessEnd {
    /// How it ended.
    pub outcome: CommandOutcome,
    /// From start to the end of its whole descent.
    pub duration: Duration,
    /// Digest of the file with its output.
    pub output: Digest,
    /// Size of that file.
    pub kept_bytes: u64,
    /// How many bytes it printed, as far as they were read.
    pub total_bytes: u64,
    /// How many processes it left behind that had to be ended.
    pub left_behind: u32,
    /// Whether it said anything on the way that [`GuardedCommand::signal_at_stdin`] gives it.
    pub has_signaled: bool,
}

/// How to run a command.
#[derive(Debug)]
pub struct Supervision<'a> {
    /// What guards it.
    pub guard: &'a GuardProgram,
    /// What it may use.
    pub limits: ProcessLimits,
    /// The file for standard output and error, in the order of arrival. It is replaced; its folder must exist and be the runner's.
    pub output: &'a Path,
    /// What is written to its standard input; `None` is an empty input.
    pub input: Option<Vec<u8>>,
    /// Where the number of bytes printed so far is told.
    pub printed: Option<watch::Sender<u64>>,
}

impl Supervision<'_> {
    /// Runs a command until nothing of its descent is left, a limit is passed, or `stop` is ready. What is ended gets TERM, the
    /// grace of the command, then KILL. If this future is dropped, the guard ends everything.
    ///
    /// A command that cannot be started is an outcome, not an error.
    pub async fn run(
        mut self,
        command: GuardedCommand,
        stop: impl Future<Output = ()>,
    ) -> Result<ProcessEnd, ProcessError> {
        let began = Instant::now();
        let mut kept = KeptOutput::create(self.output, self.limits.kept_bytes).map_err(ProcessError::Output)?;
        let command = command.pipe_stdout().stderr_with_stdout();
        let command = if self.input.is_some() {
            command.pipe_stdin()
        } else {
            command
        };
        let mut child = match command.spawn(self.guard).await {
            Ok(child) => child,
            Err(GuardError::NotStarted { reason }) => {
                return kept.end(CommandOutcome::NotStarted { reason }, began, 0);
            }
            Err(error) => return Err(ProcessError::Guard(error)),
        };
        let writer = match (child.stdin.take(), self.input.take()) {
            (Some(mut stdin), Some(input)) => Some(tokio::spawn(async move {
                // A command that does not read its input is its own affair.
                let _ = stdin.write_all(&input).await;
            })),
            _ => None,
        };
        let result = self.supervise(&mut child, &mut kept, began, stop).await;
        if let Some(writer) = writer {
            writer.abort();
        }
        let (outcome, left_behind) = result?;
        let end = kept.end(outcome, began, left_behind)?;
        Ok(ProcessEnd {
            has_signaled: child.has_signaled(),
            ..end
        })
    }

    async fn supervise(
        &self,
        child: &mut GuardedChild,
        kept: &mut KeptOutput,
        began: Instant,
        stop: impl Future<Output = ()>,
    ) -> Result<(CommandOutcome, u32), ProcessError> {
        let mut output = child.stdout.take();
        let deadline = tokio::time::Instant::from_std(began + self.limits.time);
        let mut stop = std::pin::pin!(stop);
        let mut buffer = vec![0; 64 << 10];
        let ended = loop {
            tokio::select! {
                // What prints without pause must not keep its limits from being looked at.
                biased;
                () = &mut stop => break CommandOutcome::Stopped,
                () = tokio::time::sleep_until(deadline) => break CommandOutcome::TimedOut,
                exit = child.wait() => {
                    let exit = exit.map_err(ProcessError::Guard)?;
                    self.drain(&mut output, kept, &mut buffer).await?;
                    return Ok((outcome_of(exit), exit.ended));
                }
                read = read(&mut output, &mut buffer) => {
                    self.keep(kept, &buffer[..read])?;
                    if kept.total_bytes > self.limits.printed_bytes {
                        break CommandOutcome::OutputLimit;
                    }
                }
            }
        };
        let exit = if ended == CommandOutcome::OutputLimit {
            drop(output);
            child.kill_now().await
        } else {
            // Its last words, such as where it was stuck, are worth having.
            let mut ending = std::pin::pin!(child.kill_all());
            let exit = loop {
                tokio::select! {
                    biased;
                    exit = &mut ending => break exit,
                    read = read(&mut output, &mut buffer) => {
                        self.keep(kept, &buffer[..read])?;
                        if kept.total_bytes > self.limits.printed_bytes {
                            output = None;
                        }
                    }
                }
            };
            self.drain(&mut output, kept, &mut buffer).await?;
            exit
        };
        let exit = exit.map_err(ProcessError::Guard)?;
        Ok((ended, exit.ended))
    }

    /// Reads what is still in the pipe.
    async fn drain(
        &self,
        output: &mut Option<pipe::Receiver>,
        kept: &mut KeptOutput,
        buffer: &mut [u8],
    ) -> Result<(), ProcessError> {
        let deadline = tokio::time::Instant::now() + DRAIN;
        while output.is_some() && kept.total_bytes <= self.limits.printed_bytes {
            match tokio::time::timeout_at(deadline, read(output, buffer)).await {
                Ok(read) => self.keep(kept, &buffer[..read])?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn keep(&self, kept: &mut KeptOutput, bytes: &[u8]) -> Result<(), ProcessError> {
        kept.add(bytes).map_err(ProcessError::Output)?;
        if let Some(printed) = &self.printed {
            printed.send_replace(kept.total_bytes);
        }
        Ok(())
    }
}

fn outcome_of(exit: GuardedExit) -> CommandOutcome {
    match exit.exit {
        Exit::Exited { code } => CommandOutcome::Exited { code },
        Exit::Signaled { signal } => CommandOutcome::Signaled { signal },
    }
}

/// The next bytes. At the end of the output it is closed; then this never returns.
async fn read(output: &mut Option<pipe::Receiver>, buffer: &mut [u8]) -> usize {
    let Some(open) = output else {
        return std::future::pending().await;
    };
    match open.read(buffer).await {
        Ok(read) if read > 0 => read,
        Ok(_) | Err(_) => {
            *output = None;
            0
        }
    }
}

/// Beginning and end of an output of any length.
#[derive(Debug)]
struct KeptOutput {
    file: File,
    digest: Hashing,
    written: u64,
    head_bytes: u64,
    tail: VecDeque<u8>,
    tail_bytes: usize,
    total_bytes: u64,
}

impl KeptOutput {
    fn create(file: &Path, kept_bytes: u64) -> io::Result<Self> {
        let kept_bytes = kept_bytes.max(4 << 10);
        let head_bytes = kept_bytes / 2;
        let tail_bytes = usize::try_from(kept_bytes - head_bytes - NOTE_BYTES).unwrap_or(usize::MAX);
        Ok(Self {
            file: File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(file)?,
            digest: Digest::hashing(),
            written: 0,
            head_bytes,
            tail: VecDeque::new(),
            tail_bytes,
            total_bytes: 0,
        })
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.total_bytes += bytes.len() as u64;
        let room = usize::try_from(self.head_bytes.saturating_sub(self.written)).unwrap_or(usize::MAX);
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.write(head)?;
        let rest = &rest[rest.len().saturating_sub(self.tail_bytes)..];
        let surplus = (self.tail.len() + rest.len()).saturating_sub(self.tail_bytes);
        self.tail.drain(..surplus);
        self.tail.extend(rest);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn end(mut self, outcome: CommandOutcome, began: Instant, left_behind: u32) -> Result<ProcessEnd, ProcessError> {
        self.finish().map_err(ProcessError::Output)?;
        Ok(ProcessEnd {
            outcome,
            duration: began.elapsed(),
            output: self.digest.digest(),
            kept_bytes: self.written,
            total_bytes: self.total_bytes,
            left_behind,
            has_signaled: false,
        })
    }

    fn finish(&mut self) -> io::Result<()> {
        let cut = self.total_bytes - self.written - self.tail.len() as u64;
        if cut > 0 {
            self.write(format!("\n[{cut} bytes of the output were left out here]\n").as_bytes())?;
        }
        let tail = std::mem::take(&mut self.tail);
        let (first, second) = tail.as_slices();
        self.write(first)?;
        self.write(second)?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_is_a_beginning_and_an_end_within_the_limit(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..12)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("output");
            let mut kept = KeptOutput::create(&path, 4096).unwrap();
            let all = pieces.concat();
            for piece in &pieces {
                kept.add(piece).unwrap();
            }
            let end = kept.end(CommandOutcome::Stopped, Instant::now(), 0).unwrap();
            let file = std::fs::read(&path).unwrap();
            prop_assert_eq!(end.output, Digest::of(&file));
            prop_assert_eq!((end.kept_bytes, end.total_bytes), (file.len() as u64, all.len() as u64));
            prop_assert!(file.len() <= 4096);
            prop_assert_eq!(&file[..all.len().min(2048)], &all[..all.len().min(2048)]);
            let tail = all.len().min(4096 - 2048 - 80);
            prop_assert_eq!(&file[file.len() - tail..], &all[all.len() - tail..]);
        }
    }
}
