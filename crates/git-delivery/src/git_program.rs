//! The one place that starts the `git` program.
//!
//! What `gix` does well (reading objects, refs and configuration, hashing, writing loose objects) is done in process.
//! The program is used where `gix` cannot do it, or does it with weaker promises:
//!
//! | use | why not in process |
//! | --- | --- |
//! | `update-ref --stdin` | `gix` does not fsync refs, misses name conflicts with packed refs, and its "must not exist" accepts an equal value. Anchors, which only this program writes and which never move, are written in process |
//! | `update-index --index-info`, `ls-files` on the user's own index | `gix` loses index extensions and cannot write split or sparse indexes |
//! | `read-tree`, `check-attr`, `checkout-index` on an index of ours | line ends, encodings and attributes are Git's to decide |
//! | `status` | what the user has changed is what `git status` shows |
//! | `diff-tree -p`, `--numstat`, `patch-id` | patches must apply with `git apply`; those of `gix` do not |
//! | `merge-tree --write-tree` | the result must be what a person gets from `git merge` |
//! | `ls-remote`, `fetch`, `push` | transports, credentials and proxies are the user's, as the program uses them; and no TLS in this one |
//! | `var GIT_AUTHOR_IDENT` | the identity exactly as `git commit` would use it |
//!
//! Each call names the real Git directory, runs no hook, no file system monitor, no pager and no prompt, and inherits
//! none of the `GIT_*` variables that could send it elsewhere.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::remote::Patience;

/// The oldest `git` that has everything used here: `merge-tree --write-tree` came with 2.38.
/// The user guide repeats this number.
pub const MINIMUM_GIT_VERSION: GitVersion = GitVersion { major: 2, minor: 38 };

/// How much of an answer is kept when the caller does not say.
const ANSWER_LIMIT: u64 = 256 << 20;
/// How much of the error output is kept.
const COMPLAINT_LIMIT: u64 = 4096;

/// The version of the `git` program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl std::fmt::Display for GitVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The `git` program could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitProgramError {
    /// It could not be started.
    #[error("the git program cannot be started")]
    NotStarted {
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Talking to it broke off.
    #[error("the connection to `git {command}` broke off")]
    Interrupted {
        /// The subcommand.
        command: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`git {command}` failed: {complaint}")]
    Failed {
        /// The subcommand.
        command: String,
        /// The exit status, if it was not ended by a signal.
        status: Option<i32>,
        /// The beginning of its error output.
        complaint: String,
    },
    /// It answered something that cannot be read.
    #[error("`git {command}` gave an answer that cannot be read")]
    Unreadable {
        /// The subcommand.
        command: String,
    },
    /// It took longer than was waited for.
    #[error("`git {command}` did not end in time")]
    Late {
        /// The subcommand.
        command: String,
    },
    /// It is older than [`MINIMUM_GIT_VERSION`].
    #[error("git {found} is too old: {} or newer is needed", MINIMUM_GIT_VERSION)]
    TooOld {
        /// The version that is installed.
        found: GitVersion,
    },
}

/// The version of the installed `git` program. Refuses one that is older than [`MINIMUM_GIT_VERSION`].
pub fn installed_git() -> Result<GitVersion, GitProgramError> {
    let mut command = clean_command();
    command.arg("version");
    let answer = converse("version", command, None, ANSWER_LIMIT, None)?.into_success("version")?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let found = parse_version(&text).ok_or_else(|| GitProgramError::Unreadable {
        command: "version".into(),
    })?;
    if found < MINIMUM_GIT_VERSION {
        return Err(GitProgramError::TooOld { found });
    }
    Ok(found)
}

fn parse_version(text: &str) -> Option<GitVersion> {
    let mut numbers = text.trim().strip_prefix("git version ")?.split('.');
    Some(GitVersion {
        major: numbers.next()?.parse().ok()?,
        minor: numbers.next()?.trim().parse().ok()?,
    })
}

/// What a finished `git` left behind.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The exit status, if it was not ended by a signal.
    pub(crate) status: Option<i32>,
    /// What it wrote, up to the limit.
    pub(crate) stdout: Vec<u8>,
    /// Whether it wrote more than the limit. It is ended then, so the status says nothing.
    pub(crate) truncated: bool,
    /// The beginning of its error output.
    pub(crate) complaint: String,
}

impl Answer {
    fn into_success(self, command: &str) -> Result<Self, GitProgramError> {
        if self.status == Some(0) || self.truncated {
            return Ok(self);
        }
        Err(GitProgramError::Failed {
            command: command.to_owned(),
            status: self.status,
            complaint: self.complaint,
        })
    }
}

/// How to call `git` for one repository.
#[derive(Debug, Clone)]
pub(crate) struct GitProgram {
    git_dir: PathBuf,
    common_dir: PathBuf,
}

/// One call, built up and then run.
pub(crate) struct Call<'a> {
    command: Command,
    name: &'static str,
    stdin: Option<&'a [u8]>,
    limit: u64,
    patience: Option<Patience>,
}

impl GitProgram {
    pub(crate) fn new(git_dir: &Path, common_dir: &Path) -> Self {
        Self {
            git_dir: git_dir.to_owned(),
            common_dir: common_dir.to_owned(),
        }
    }

    /// A call that reads. The Git directory itself stands in for the work tree, so that no attribute file of the
    /// user's work tree has a say in what a diff or a merge shows, and no merge or diff driver is found through one.
    pub(crate) fn reading<'a>(&self, name: &'static str) -> Call<'a> {
        self.without_index(name, &[])
    }

    /// A call that pushes nothing but what it names: options of the configuration are for a person's own pushes, and a server that knows none
    /// refuses them.
    pub(crate) fn pushing<'a>(&self) -> Call<'a> {
        self.without_index("push", &["push.pushOption="])
    }

    /// A call that writes objects or refs: everything reaches the disk before it returns.
    pub(crate) fn writing<'a>(&self, name: &'static str) -> Call<'a> {
        self.without_index(name, &["core.fsync=all"])
    }

    fn without_index<'a>(&self, name: &'static str, settings: &[&str]) -> Call<'a> {
        let mut call = self.call(name, &self.common_dir, settings);
        // Attributes that the work tree does not have would be looked for in the index.
        call.command
            .env("GIT_INDEX_FILE", self.common_dir.join("counterfoil/no-index"));
        call
    }

    /// A call on the user's own index.
    pub(crate) fn on_index<'a>(&self, name: &'static str, work_dir: &Path) -> Call<'a> {
        self.call(name, work_dir, &["core.fsync=all"])
    }

    /// A call on an index of ours, with a folder in the place of the work tree.
    pub(crate) fn on_index_at<'a>(&self, name: &'static str, work_dir: &Path, index: &Path) -> Call<'a> {
        let mut call = self.on_index(name, work_dir);
        call.command.env("GIT_INDEX_FILE", index);
        call
    }

    fn call<'a>(&self, name: &'static str, work_dir: &Path, settings: &[&str]) -> Call<'a> {
        let mut command = clean_command();
        let mut git_dir = OsString::from("--git-dir=");
        git_dir.push(&self.git_dir);
        let mut work_tree = OsString::from("--work-tree=");
        work_tree.push(work_dir);
        command.arg(git_dir).arg(work_tree).current_dir(work_dir);
        for setting in ["core.fsmonitor=false", "core.hooksPath=/dev/null"]
            .iter()
            .chain(settings)
        {
            command.arg("-c").arg(setting);
        }
        command.arg(name);
        Call {
            command,
            name,
            stdin: None,
            limit: ANSWER_LIMIT,
            patience: None,
        }
    }
}

impl<'a> Call<'a> {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<I: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.command.args(args);
        self
    }

    /// Feeds these bytes.
    pub(crate) fn stdin(mut self, bytes: &'a [u8]) -> Self {
        self.stdin = Some(bytes);
        self
    }

    /// Keeps at most this much of the answer and ends the program when there is more.
    pub(crate) fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Lets the identity variables of the environment through, which `git commit` would obey too.
    pub(crate) fn with_identity_variables(mut self) -> Self {
        for (key, value) in std::env::vars_os() {
            let name = key.to_string_lossy();
            if name.starts_with("GIT_AUTHOR_") || name.starts_with("GIT_COMMITTER_") {
                self.command.env(&key, value);
            }
        }
        self
    }

    /// Starts it in this folder: relative addresses of remotes are read from there.
    pub(crate) fn started_in(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Lets the variables through that say how remotes are reached, and keeps everything from asking at the terminal or in a window.
    /// `has_ssh_command`: whether the user's configuration says how `ssh` is called.
    pub(crate) fn with_network_variables(mut self, has_ssh_command: bool) -> Self {
        let mut asks_by_itself = has_ssh_command;
        for (key, value) in std::env::vars_os() {
            let name = key.to_string_lossy();
            asks_by_itself |= name == "GIT_SSH" || name == "GIT_SSH_COMMAND";
            if name.starts_with("GIT_SSH") || name.starts_with("GIT_SSL_") || name.starts_with("GIT_PROXY_") {
                self.command.env(&key, value);
            }
        }
        // Opens the terminal by itself otherwise, for a password or an unknown host.
        if !asks_by_itself {
            self.command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
        }
        self.command
            // Answers with nothing, whatever the configuration names to ask with.
            .env("GIT_ASKPASS", "true")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env_remove("SSH_ASKPASS")
            // Nothing of it is left when nobody waits any longer: the programs that it starts are ended with it.
            .process_group(0);
        self
    }

    /// Ends it when nobody waits for it any longer.
    pub(crate) fn patient(mut self, patience: Patience) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Runs it and reports whatever came out.
    pub(crate) fn run(self) -> Result<Answer, GitProgramError> {
        converse(self.name, self.command, self.stdin, self.limit, self.patience.as_ref())
    }

    /// Runs it; anything but success is an error.
    pub(crate) fn succeed(self) -> Result<Answer, GitProgramError> {
        let name = self.name;
        self.run()?.into_success(name)
    }
}

/// A call with an environment in which nothing redirects Git, translates its output or asks a question.
fn clean_command() -> Command {
    let mut command = Command::new("git");
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("GIT_") {
            command.env_remove(key);
        }
    }
    command
        .env_remove("LANGUAGE")
        .env_remove("LC_MESSAGES")
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_PAGER", "cat")
        // A read must not refresh the user's index on the side.
        .env("GIT_OPTIONAL_LOCKS", "0")
        // Objects are what their ids say, whatever `refs/replace` holds.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_LITERAL_PATHSPECS", "1");
    command
}

fn converse(
    name: &str,
    mut command: Command,
    stdin: Option<&[u8]>,
    limit: u64,
    patience: Option<&Patience>,
) -> Result<Answer, GitProgramError> {
    command
        .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|source| GitProgramError::NotStarted { source })?;
    let watch = patience.map(|patience| Watch::begin(&child, patience.clone()));
    let heard = listen(&mut child, stdin, limit);
    let interrupted = |source| GitProgramError::Interrupted {
        command: name.to_owned(),
        source,
    };
    if !matches!(heard, Ok(Heard { truncated: false, .. })) {
        // It would wait for ever for somebody to read the rest. It may have ended by itself already.
        let _ = child.kill();
    }
    let status = child.wait().map_err(interrupted)?;
    if watch.is_some_and(Watch::end) {
        let command = name.to_owned();
        return Err(GitProgramError::Late { command });
    }
    let heard = heard.map_err(interrupted)?;
    Ok(Answer {
        status: status.code(),
        stdout: heard.stdout,
        truncated: heard.truncated,
        complaint: heard.complaint,
    })
}

/// Ends a program, with all that it started, when nobody waits for it any longer.
struct Watch {
    ended: mpsc::Sender<()>,
    watcher: JoinHandle<bool>,
}

impl Watch {
    fn begin(child: &Child, patience: Patience) -> Self {
        let (ended, is_over) = mpsc::channel();
        let group = rustix::process::Pid::from_child(child);
        let watcher = std::thread::spawn(move || {
            let begun = Instant::now();
            while let Err(RecvTimeoutError::Timeout) = is_over.recv_timeout(Duration::from_millis(20)) {
                if patience.is_over(begun.elapsed()) {
                    // It leads a group of its own, and is not waited for yet: the group is its own.
                    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                    return true;
                }
            }
            false
        });
        Self { ended, watcher }
    }

    /// Whether it was ended.
    fn end(self) -> bool {
        drop(self.ended);
        self.watcher.join().unwrap_or(false)
    }
}

struct Heard {
    stdout: Vec<u8>,
    truncated: bool,
    complaint: String,
}

fn listen(child: &mut Child, stdin: Option<&[u8]>, limit: u64) -> std::io::Result<Heard> {
    let mut input = child.stdin.take();
    let mut output = child.stdout.take();
    let mut errors = child.stderr.take();
    std::thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            if let (Some(input), Some(bytes)) = (input.as_mut(), stdin) {
                // Git may rightly end before it has read everything; its status says whether it was content.
                let _ = input.write_all(bytes);
            }
        });
        let complaint = scope.spawn(move || {
            let mut kept = Vec::new();
            if let Some(errors) = errors.as_mut() {
                let _ = errors.take(COMPLAINT_LIMIT).read_to_end(&mut kept);
                let _ = std::io::copy(errors, &mut std::io::sink());
            }
            String::from_utf8_lossy(&kept).trim().to_owned()
        });
        let mut stdout = Vec::new();
        let mut read = Ok(0);
        if let Some(output) = output.as_mut() {
            read = output.take(limit.saturating_add(1)).read_to_end(&mut stdout);
        }
        let truncated = stdout.len() as u64 > limit;
        if truncated || read.is_err() {
            stdout.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            // Closing the pipe ends the writer, which lets the other two threads finish.
            drop(output.take());
            let _ = child.kill();
        }
        let complaint = complaint.join().unwrap_or_default();
        let _ = feeder.join();
        read.map(|_| Heard {
            stdout,
            truncated,
            complaint,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_vendors_are_read() {
        for (text, major, minor) in [
            ("git version 2.47.3\n", 2, 47),
            ("git version 2.39.5 (Apple Git-154)\n", 2, 39),
            ("git version 2.38.0.windows.1\n", 2, 38),
            ("git version 3.0\n", 3, 0),
        ] {
            assert_eq!(parse_version(text), Some(GitVersion { major, minor }), "{text}");
        }
        assert_eq!(parse_version("gut version 1"), None);
        assert!(installed_git().is_ok());
    }

    #[test]
    fn an_endless_answer_is_cut_at_its_limit() {
        let mut command = clean_command();
        command.args(["-c", "alias.endless=!yes", "endless"]);
        let answer = converse("endless", command, None, 10, None).unwrap();
        assert_eq!(
            (answer.stdout.as_slice(), answer.truncated),
            (&b"y\ny\ny\ny\ny\n"[..], true)
        );
    }
}
