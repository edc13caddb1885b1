//! Codex as runs use it: how it stands, and a login that only runs have.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;

use serde::Serialize;
use tokio::process::Command;

use crate::agent::CodexProgramError;
use crate::agents::PreparedCodex;

/// How Codex is set up for runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodexStatus {
    /// Its version.
    pub version: String,
    /// What a person should know about that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Whether it is logged in, with the home that runs use.
    pub login: CodexState,
    /// Whether its sandbox starts.
    pub sandbox: CodexState,
}

/// Whether something of Codex works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodexState {
    /// Whether it works.
    pub works: bool,
    /// What was seen, in words.
    pub detail: String,
    /// What to do about it, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl CodexStatus {
    /// Whether turns can be taken.
    pub fn works(&self) -> bool {
        self.login.works && self.sandbox.works
    }
}

impl CodexState {
    fn of(seen: Result<String, CodexProgramError>) -> Self {
        match seen {
            Ok(detail) => Self {
                works: true,
                detail,
                hint: None,
            },
            Err(error) => Self {
                works: false,
                hint: Some(error.hint().to_owned()),
                detail: error.to_string(),
            },
        }
    }
}

/// Looks at a Codex that was found. Spends no tokens.
pub async fn codex_status(codex: &PreparedCodex) -> CodexStatus {
    let login = codex.program.login_status(&codex.home).await;
    let sandbox = codex.program.sandbox_probe(&codex.home).await;
    let mut login = CodexState::of(login);
    if codex.own_provider && !login.works {
        login = CodexState::of(Ok("none, and the policy's own provider needs none".to_owned()));
    }
    CodexStatus {
        version: codex.program.version().to_string(),
        warning: codex.program.warning(),
        login,
        sandbox: CodexState::of(sandbox.map(|()| "it starts".to_owned())),
    }
}

/// Lets a person log in with the home that runs use, which is `codex_home` unless the policy says otherwise, on the terminal of this process, with further arguments for
/// `codex login`. Says whether Codex logged in.
///
/// A link to the user's own login is taken away first, because Codex would write through it: after this the home has a login of
/// its own. Where that fails, the next run links the user's login again.
pub async fn codex_login(codex: &PreparedCodex, codex_home: &Path, arguments: &[OsString]) -> io::Result<bool> {
    let login = codex.home.path().join("auth.json");
    let is_link = login.symlink_metadata().is_ok_and(|found| found.is_symlink());
    let is_ours = codex_home.canonicalize().is_ok_and(|ours| ours == codex.home.path());
    if is_link && is_ours {
        std::fs::remove_file(&login)?;
    }
    let mut command = Command::new(codex.program.path());
    let status = command
        .arg("login")
        .args(arguments)
        .env("CODEX_HOME", codex.home.path())
        .current_dir(codex.home.path())
        .stdin(Stdio::inherit())
        .kill_on_drop(true)
        .status()
        .await?;
    Ok(status.success())
}
