//! A command that goes on beside the test. What it prints is read here, and scanned.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::{Said, said_by, scanner};

/// How long what is awaited may take.
pub const LONGEST: Duration = Duration::from_secs(30);

/// A command that goes on, ended with the test.
pub struct Running {
    child: Child,
    arguments: Vec<OsString>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let arguments = command.get_args().map(OsStr::to_owned).collect();
        Self { child, arguments }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its exit code, once it has ended.
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Where it reads, if it was given a pipe for that.
    pub fn stdin(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().unwrap()
    }

    /// What it answers, as it comes.
    pub fn stdout(&mut self) -> Stream {
        let pipe = self.child.stdout.take().unwrap();
        Stream::of(pipe, self.arguments.clone(), scan_answer)
    }

    /// What it tells the person at the machine, as it comes.
    pub fn stderr(&mut self) -> Stream {
        let pipe = self.child.stderr.take().unwrap();
        Stream::of(pipe, self.arguments.clone(), scan_told)
    }

    /// What appears in the terminal that it is, as it comes: both at once.
    pub fn screen(&mut self) -> Stream {
        let pipe = self.child.stdout.take().unwrap();
        Stream::of(pipe, self.arguments.clone(), scan_told)
    }

    /// Leaves what it answers unread, as a reader does that is gone.
    pub fn close_stdout(&mut self) {
        self.child.stdout.take().unwrap();
    }

    /// All that it says and nobody has read, once it has ended.
    pub fn said(mut self) -> Said {
        self.child.stdin.take();
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| {
            // Both at once: either can be more than a pipe holds.
            scope.spawn(|| err.map(|mut pipe| pipe.read_to_end(&mut stderr).unwrap()));
            out.map(|mut pipe| pipe.read_to_end(&mut stdout).unwrap());
        });
        let status = self.child.wait().unwrap();
        let arguments: Vec<_> = self.arguments.iter().map(OsString::as_os_str).collect();
        said_by(Output { status, stdout, stderr }, &arguments)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks at what a command with these arguments has printed.
type Scan = fn(&[&OsStr], &[u8]);

fn scan_answer(arguments: &[&OsStr], bytes: &[u8]) {
    scanner().scan_output(arguments, bytes, b"");
}

fn scan_told(arguments: &[&OsStr], bytes: &[u8]) {
    scanner().scan_output(arguments, b"", bytes);
}

/// What a command prints, as it comes; an error where nothing comes for long. Scanned in the end.
pub struct Stream {
    chunks: Receiver<Vec<u8>>,
    /// All that came.
    seen: Vec<u8>,
    /// How much of it was read.
    read: usize,
    arguments: Vec<OsString>,
    scan: Scan,
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static, arguments: Vec<OsString>, scan: Scan) -> Self {
        let (sender, chunks) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            chunks,
            seen: Vec::new(),
            read: 0,
            arguments,
            scan,
        }
    }

    pub fn lines(self) -> impl Iterator<Item = String> {
        BufReader::new(self).lines().map(Result::unwrap)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read == self.seen.len() {
            match self.chunks.recv_timeout(LONGEST) {
                Ok(chunk) => self.seen.extend(chunk),
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) => return Err(std::io::ErrorKind::TimedOut.into()),
            }
        }
        let count = (&self.seen[self.read..]).read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A test that fails already has its own words to say.
        if !std::thread::panicking() {
            self.seen.extend(self.chunks.try_iter().flatten());
            let arguments: Vec<_> = self.arguments.iter().map(OsString::as_os_str).collect();
            (self.scan)(&arguments, &self.seen);
        }
    }
}
