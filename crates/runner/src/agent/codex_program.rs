//! The Codex program: where it is, whether it is one that we know, whether it can work here.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use ledger_core::{AgentIdentity, AgentKind};
use tokio::process::Command;

use super::text::shorten;
use super::{CodexHome, CodexProtocol};

/// The version that this release is tested with. Another one may speak differently: it is used with a warning.
pub const PINNED_CODEX: CodexVersion = CodexVersion(0, 169, 0);

/// The oldest version that is used at all. Older ones lack what runs rely on: typed errors, `turn/interrupt` together
/// with `thread/backgroundTerminals/clean`, and explicit sandboxes per turn.
pub const OLDEST_CODEX: CodexVersion = CodexVersion(0, 160, 0);

/// How long Codex may take to say what it is asked.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A version of Codex: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodexVersion(pub u32, pub u32, pub u32);

impl fmt::Display for CodexVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl CodexVersion {
    /// What a person should know about this version, if anything.
    fn warning(self) -> Option<String> {
        let tested = (self.0, self.1) == (PINNED_CODEX.0, PINNED_CODEX.1);
        (!tested).then(|| format!("codex {self} is not the tested version {PINNED_CODEX}"))
    }

    /// Reads the version out of what `codex --version` prints, such as `codex-cli 0.169.0`.
    fn parse(text: &str) -> Option<Self> {
        let word = text
            .split_whitespace()
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
        let plain = word.split(['-', '+']).next()?;
        let mut parts = plain.split('.').map(|part| part.parse().ok());
        Some(Self(parts.next()??, parts.next()??, parts.next()??))
    }
}

/// A Codex program that can be used.
#[derive(Debug, Clone)]
pub struct CodexProgram {
    path: PathBuf,
    version: CodexVersion,
}

/// Why Codex cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodexProgramError {
    /// No such program.
    #[error("`{command}` is not installed, or not on the search path")]
    NotInstalled {
        /// What was looked for.
        command: String,
    },
    /// The npm package is there without the program that it wraps.
    #[error("`{}` is npm's wrapper, and the program that it wraps is not beside it", path.display())]
    OnlyWrapper {
        /// The wrapper.
        path: PathBuf,
    },
    /// Another version.
    #[error("codex {found} is too old: {OLDEST_CODEX} is the oldest that works, {PINNED_CODEX} the tested one")]
    TooOld {
        /// Its version.
        found: CodexVersion,
    },
    /// It does not say which version it is.
    #[error("`{} --version` does not name a version: {said}", path.display())]
    NoVersion {
        /// The program.
        path: PathBuf,
        /// What it said, shortened.
        said: String,
    },
    /// No login.
    #[error("codex is not logged in: {said}")]
    NotLoggedIn {
        /// What Codex said, shortened.
        said: String,
    },
    /// It does not describe its protocol.
    #[error("codex does not say what its protocol is: {said}")]
    NoProtocol {
        /// What it said, or what is wrong with the description, shortened.
        said: String,
    },
    /// Codex' sandbox cannot start here.
    #[error("the sandbox of codex cannot start: {said}")]
    SandboxUnavailable {
        /// What Codex said, shortened.
        said: String,
    },
    /// No answer in time.
    #[error("`codex {asked}` did not answer within {} seconds", ANSWER_LIMIT.as_secs())]
    NoAnswer {
        /// What was asked.
        asked: String,
    },
    /// It could not be started.
    #[error("`{}` cannot be started: {source}", path.display())]
    CannotStart {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What a person should know about the agent that took a run's turns, if anything: another Codex than the tested one.
pub fn agent_warning(agent: &AgentIdentity) -> Option<String> {
    let is_codex = matches!(agent.kind, AgentKind::Codex | AgentKind::CodexExec);
    CodexVersion::parse(&agent.version).filter(|_| is_codex)?.warning()
}

impl CodexProgramError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotInstalled { .. } => "install Codex, or name the program in `[agent] command`",
            Self::OnlyWrapper { .. } => "install the npm package again with its optional dependencies",
            Self::TooOld { .. } => "install a newer Codex",
            Self::NoVersion { .. } | Self::NoAnswer { .. } | Self::CannotStart { .. } => {
                "check that `[agent] command` names Codex and that it runs"
            }
            Self::NotLoggedIn { .. } => "log in with `foil codex login`",
            Self::NoProtocol { .. } => "it is used as it is; install the tested version if runs misbehave",
            Self::SandboxUnavailable { .. } => {
                "allow unprivileged user namespaces for Codex' sandbox; nothing runs without it"
            }
        }
    }
}

impl CodexProgram {
    /// Finds the program that `command` names, a name on `search_path` (as in `PATH`) or a path, passes through npm's
    /// wrapper to the program itself, and asks it for its version.
    pub async fn find(command: &str, search_path: Option<&OsStr>) -> Result<Self, CodexProgramError> {
        let named = locate(command, search_path).ok_or_else(|| CodexProgramError::NotInstalled {
            command: shorten(command, 200),
        })?;
        let path = native(&named)?;
        let output = ask(&path, &["--version"], None).await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = CodexVersion::parse(&said).ok_or_else(|| CodexProgramError::NoVersion {
            path: path.clone(),
            said: shorten(&said, 200),
        })?;
        if version < OLDEST_CODEX {
            return Err(CodexProgramError::TooOld { found: version });
        }
        Ok(Self { path, version })
    }

    /// The program itself, never npm's wrapper.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version.
    pub fn version(&self) -> CodexVersion {
        self.version
    }

    /// What a person should know about this version, if anything.
    pub fn warning(&self) -> Option<String> {
        self.version.warning()
    }

    /// The bubblewrap that comes with Codex, where the package is whole.
    pub fn bundled_bwrap(&self) -> Option<PathBuf> {
        let package = self.path.parent()?.parent()?;
        let bwrap = package.join("codex-resources/bwrap");
        is_program(&bwrap).then_some(bwrap)
    }

    /// Asks whether this home is logged in, and returns Codex' words about the login. Providers of the user's own do
    /// not need one.
    pub async fn login_status(&self, home: &CodexHome) -> Result<String, CodexProgramError> {
        let output = ask(&self.path, &["login", "status"], Some(home)).await?;
        let said = said(&output);
        if output.status.success() {
            Ok(said)
        } else {
            Err(CodexProgramError::NotLoggedIn { said })
        }
    }

    /// What it says of its app-server's protocol, as far as runs use it. Writes some MiB below `scratch`, and removes them.
    pub async fn protocol(&self, home: &CodexHome, scratch: &Path) -> Result<CodexProtocol, CodexProgramError> {
        let unsaid = |said: String| CodexProgramError::NoProtocol {
            said: shorten(&said, 300),
        };
        let folder = std::fs::create_dir_all(scratch)
            .and_then(|()| tempfile::Builder::new().prefix("protocol-").tempdir_in(scratch))
            .map_err(|error| unsaid(error.to_string()))?;
        let Some(path) = folder.path().to_str() else {
            return Err(unsaid("the state folder is not UTF-8".to_owned()));
        };
        let asked = ["app-server", "generate-json-schema", "--experimental", "--out", path];
        let output = ask(&self.path, &asked, Some(home)).await?;
        if !output.status.success() {
            return Err(unsaid(said(&output)));
        }
        CodexProtocol::read(self.version.to_string(), folder.path()).map_err(|error| unsaid(error.to_string()))
    }

    /// Starts nothing in Codex' sandbox, which shows whether it can start anything.
    pub async fn sandbox_probe(&self, home: &CodexHome) -> Result<(), CodexProgramError> {
        let output = ask(&self.path, &["sandbox", "--", "/bin/true"], Some(home)).await?;
        if output.status.success() {
            Ok(())
        } else {
            Err(CodexProgramError::SandboxUnavailable { said: said(&output) })
        }
    }
}

/// What a program printed, for people.
fn said(output: &Output) -> String {
    let text = if output.stderr.trim_ascii().is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    shorten(&String::from_utf8_lossy(text), 300)
}

async fn ask(path: &Path, arguments: &[&str], home: Option<&CodexHome>) -> Result<Output, CodexProgramError> {
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(home) = home {
        command.env("CODEX_HOME", home.path()).current_dir(home.path());
    }
    match tokio::time::timeout(ANSWER_LIMIT, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(source)) => Err(CodexProgramError::CannotStart {
            path: path.to_owned(),
            source,
        }),
        Err(_) => Err(CodexProgramError::NoAnswer {
            asked: arguments.join(" "),
        }),
    }
}

/// The file that a command names.
fn locate(command: &str, search_path: Option<&OsStr>) -> Option<PathBuf> {
    if command.is_empty() {
        return None;
    }
    if command.contains('/') {
        let path = std::path::absolute(command).ok()?;
        return is_program(&path).then_some(path);
    }
    // An empty entry would mean the current folder, where a repository's own `codex` may lie.
    std::env::split_paths(search_path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(command))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The program behind npm's wrapper: as a parent that cannot be killed together with its child, the wrapper must not be
/// what we start. Anything else is what it is.
fn native(named: &Path) -> Result<PathBuf, CodexProgramError> {
    let real = named.canonicalize().unwrap_or_else(|_| named.to_owned());
    if real.extension().is_none_or(|extension| extension != "js") {
        return Ok(real);
    }
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some(("linux-x64", "x86_64-unknown-linux-musl")),
        ("linux", "aarch64") => Some(("linux-arm64", "aarch64-unknown-linux-musl")),
        ("macos", "x86_64") => Some(("darwin-x64", "x86_64-apple-darwin")),
        ("macos", "aarch64") => Some(("darwin-arm64", "aarch64-apple-darwin")),
        _ => None,
    };
    let found = platform.and_then(|(package, target)| {
        let inner = format!("vendor/{target}/bin/codex");
        real.ancestors().skip(1).find_map(|folder| {
            [
                folder.join(&inner),
                folder.join(format!("node_modules/@openai/codex-{package}/{inner}")),
            ]
            .into_iter()
            .find(|path| is_program(path))
        })
    });
    found.ok_or(CodexProgramError::OnlyWrapper { path: real })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        assert_eq!(CodexVersion::parse("codex-cli 0.169.0\n"), Some(PINNED_CODEX));
        assert_eq!(
            CodexVersion::parse("codex-cli 0.170.0-alpha.3"),
            Some(CodexVersion(0, 170, 0))
        );
        for no_version in ["", "codex", "codex-cli 1.2", "codex-cli 99999999999.1.1", "1.x.3"] {
            assert_eq!(CodexVersion::parse(no_version), None, "{no_version}");
        }
        assert!(CodexVersion(0, 99, 9) < OLDEST_CODEX && OLDEST_CODEX < PINNED_CODEX);
        let warned = |kind, version: &str| {
            let agent = AgentIdentity {
                kind,
                version: version.to_owned(),
                model: None,
                sandbox: "workspace-write".to_owned(),
            };
            agent_warning(&agent)
        };
        assert_eq!(warned(AgentKind::Codex, "0.169.3"), None);
        assert_eq!(warned(AgentKind::Scripted, "scripted"), None);
        let said = warned(AgentKind::CodexExec, "0.170.0");
        assert_eq!(said.as_deref(), Some("codex 0.170.0 is not the tested version 0.169.0"));
    }
}
