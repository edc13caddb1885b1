//! Where code under test runs: bubblewrap, with namespaces of its own and a view of the file system made for one check.
//!
//! A confined command has its own user, process, IPC, host name and control group namespace, no network unless allowed, no capabilities, no
//! terminal. `/` is read-only; the home is an empty one with the toolchains in it read-only ([`Confinement`]); `/tmp` and `/run` are private; only
//! the check place, without its `.git`, and what the policy names can be changed. It ends with its guard.
//!
//! Cargo works without network on what is in the user's registry: `~/.cargo` is an empty writable folder (so that Cargo can lock it) in which
//! `bin`, `registry` and `git` are the user's, read-only. Packages that were downloaded but never unpacked cannot be unpacked there.
//!
//! Also considered: *Landlock* restricts files and TCP ports but hides nothing (processes, sockets, the contents of `/proc`), and has no process
//! namespace that dies as one. *systemd-run* needs a running user manager and, for most of its protections, privileges. *Containers* need a daemon or
//! an image, and would run the checks against other tools than the user's. `codex sandbox` is made for the agent: it leaves the home readable,
//! and its profile changes with Codex' version.
//!
//! Not protected: what is world-readable outside the home, the repository and the folders named in [`Confinement`] can be read; with `network`
//! also services on the machine's loopback and abstract sockets can be reached. A service that bound its socket by a relative path outside the folders
//! that are hidden can be reached, because the system does not tell where it is. Keys in the session keyring of the kernel can be read by who runs
//! checks: joining another one needs a system call that safe Rust does not have here. A desktop session keeps few keys there, if any; start `foil`
//! by `keyctl session - foil …` where that matters.

mod confinement;
mod toolchains;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger_core::CommandOutcome;

use crate::guard::{GuardProgram, GuardedCommand};
use crate::process::{ProcessLimits, Supervision};
use crate::redact::printable_lines;

pub use confinement::{Confinement, ConfinementError};
pub(crate) use toolchains::variables as toolchain_variables;

/// How often a sandbox is set up anew before it counts as unavailable. What is to be covered may go between being looked for and
/// being covered, sockets of short-lived services above all; each time is another chance, and costs some ten milliseconds.
pub(crate) const ATTEMPTS: u32 = 10;

/// How long starting a sandbox for nothing may take.
const PROBE_TIME: Duration = Duration::from_secs(20);

/// The namespaces and rights of every confined command.
const ISOLATION: &[&str] = &[
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--hostname",
    "check",
];

/// A bubblewrap that works on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    program: PathBuf,
}

/// Code under test cannot be confined here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("checks cannot be confined: {reason}")]
pub struct SandboxUnavailable {
    /// What was seen.
    pub reason: String,
    /// What a person can do about it.
    pub hint: &'static str,
}

impl SandboxUnavailable {
    fn because(reason: String) -> Self {
        Self {
            hint: hint_for(&reason),
            reason,
        }
    }

    /// Whether something went away while the sandbox was set up, so that the next time may be better.
    fn is_passing(&self) -> bool {
        self.reason.contains("Can't create file at") || self.reason.contains("Can't find source path")
    }

    /// What a bubblewrap that could not do its work said.
    pub(crate) fn from_output(output: &[u8], outcome: &CommandOutcome) -> Self {
        let said = printable_lines(&String::from_utf8_lossy(output));
        Self::because(match said.lines().next().unwrap_or_default() {
            "" => format!("`bwrap` ended with {outcome}"),
            said => crate::shorten(said, 300),
        })
    }
}

/// Where bubblewrap may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxSearch {
    /// A search path such as `PATH`. Looked at first; relative folders are passed over.
    pub path: Option<OsString>,
    /// The program that comes with Codex: `codex-resources/bwrap` beside its `bin`.
    pub bundled: Option<PathBuf>,
}

impl SandboxSearch {
    /// `PATH`, and the program that comes with Codex.
    pub fn new(bundled: Option<PathBuf>) -> Self {
        Self {
            path: std::env::var_os("PATH"),
            bundled,
        }
    }

    /// The programs that there are, in order.
    fn candidates(&self, confinement: &Confinement) -> Vec<PathBuf> {
        let path = self.path.as_deref().unwrap_or_default();
        std::env::split_paths(path)
            .map(|folder| folder.join("bwrap"))
            .chain(self.bundled.clone())
            // Never one that code under test could have put there.
            .filter(|program| program.is_absolute() && !program.starts_with(&confinement.place))
            .filter(|program| program.is_file())
            .collect()
    }
}

impl Sandbox {
    /// Finds a bubblewrap that runs a command in exactly this confinement, by running one.
    pub async fn probe(
        search: &SandboxSearch,
        guard: &GuardProgram,
        confinement: &Confinement,
    ) -> Result<Self, SandboxUnavailable> {
        let mut first = None;
        for program in search.candidates(confinement) {
            let sandbox = Self { program };
            match sandbox.check(guard, confinement).await {
                Ok(()) => return Ok(sandbox),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| SandboxUnavailable {
            reason: "there is no `bwrap`".to_owned(),
            hint: "install the package `bubblewrap`, or Codex with its own",
        }))
    }

    /// Runs a command that does nothing in exactly this confinement.
    pub async fn check(&self, guard: &GuardProgram, confinement: &Confinement) -> Result<(), SandboxUnavailable> {
        let mut attempt = 1;
        loop {
            match self.check_once(guard, confinement).await {
                Err(error) if error.is_passing() && attempt < ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    async fn check_once(&self, guard: &GuardProgram, confinement: &Confinement) -> Result<(), SandboxUnavailable> {
        let unavailable = SandboxUnavailable::because;
        let command = self
            .command(
                confinement,
                OsStr::new("true"),
                &[],
                &[("PATH".into(), "/usr/bin:/bin".into())],
            )
            .map_err(|error| unavailable(error.to_string()))?;
        let folder = tempfile::tempdir().map_err(|error| unavailable(error.to_string()))?;
        let output = folder.path().join("output");
        let supervision = Supervision {
            guard,
            limits: ProcessLimits::with_time(PROBE_TIME),
            output: &output,
            input: None,
            printed: None,
        };
        let end = supervision
            .run(command, std::future::pending())
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        if end.outcome == (CommandOutcome::Exited { code: 0 }) {
            return Ok(());
        }
        let said = std::fs::read(&output).unwrap_or_default();
        Err(SandboxUnavailable::from_output(&said, &end.outcome))
    }

    /// The program that is used.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A command that runs `program` with these arguments and this environment inside.
    ///
    /// # Errors
    /// Where the confinement contradicts itself or names what does not exist.
    pub fn command(
        &self,
        confinement: &Confinement,
        program: &OsStr,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Result<GuardedCommand, ConfinementError> {
        let mut command = GuardedCommand::new(&self.program).args(ISOLATION);
        if !confinement.network {
            command = command.arg("--unshare-net");
        }
        command = command.args(confinement.view_arguments()?);
        for (name, value) in environment {
            command = if changes_the_loader(name) {
                // For the command, not for the program that confines it.
                command.args([OsStr::new("--setenv"), name, value])
            } else {
                command.env(name, value)
            };
        }
        Ok(command.arg("--").arg(program).args(arguments))
    }
}

/// Whether a variable makes every program load other code.
fn changes_the_loader(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"LD_") || name == b"GLIBC_TUNABLES" || name == b"GCONV_PATH"
}

fn hint_for(reason: &str) -> &'static str {
    let reason = reason.to_ascii_lowercase();
    if !cfg!(target_os = "linux") {
        "checks are confined on Linux only; `sandbox = \"off\"` in the policy runs them without, and every packet shows it"
    } else if reason.contains("namespace") || reason.contains("uid map") || reason.contains("loopback") {
        "allow user namespaces for this user: on Ubuntu an AppArmor profile for bwrap (package `apparmor-profiles`), else the setting kernel.unprivileged_userns_clone=1"
    } else if reason.contains("proc") {
        "in a container, start it so that /proc can be mounted (`--security-opt systempaths=unconfined`)"
    } else if reason.contains("does not exist") {
        "make the folder that is named; if it is your home, let HOME name one that is there"
    } else {
        "the reason has the words of the system; `foil doctor` tries again once it is mended"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_away_meanwhile_is_told_from_a_sandbox_that_does_not_work() {
        let said = |line: &str| SandboxUnavailable::from_output(line.as_bytes(), &CommandOutcome::Exited { code: 1 });
        assert!(said("bwrap: Can't create file at /srv/a.sock: Read-only file system").is_passing());
        assert!(said("bwrap: Can't find source path /opt/tools: No such file or directory").is_passing());
        assert!(!said("bwrap: Creating new namespace failed: Operation not permitted").is_passing());
        assert!(!said("").is_passing());
    }
}
