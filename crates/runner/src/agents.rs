//! The agent that a policy names, found and probed before any token is spent.

use std::path::Path;

use ledger_core::{AgentKind, BlockerCode};
use policy::Policy;
use policy::config::AgentHome;

use crate::agent::{
    Agent, AgentGuard, CodexAgentSettings, CodexAppServer, CodexExec, CodexHome, CodexProgram, CodexProgramError,
    HomeSettings, ScriptedAgent,
};

/// An agent cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct AgentProblem {
    /// The blocker that follows.
    pub code: BlockerCode,
    /// What is missing, in words.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

impl AgentProblem {
    fn new(code: BlockerCode, reason: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_string(),
            hint: hint.into(),
        }
    }
}

impl From<CodexProgramError> for AgentProblem {
    fn from(error: CodexProgramError) -> Self {
        let code = match error {
            CodexProgramError::NotLoggedIn { .. } => BlockerCode::AgentAuth,
            CodexProgramError::SandboxUnavailable { .. } => BlockerCode::SandboxUnavailable,
            _ => BlockerCode::AgentUnavailable,
        };
        Self::new(code, &error, error.hint())
    }
}

/// A Codex that was found, with the home that it is used with.
#[derive(Debug, Clone)]
pub struct PreparedCodex {
    /// The program.
    pub program: CodexProgram,
    /// The home.
    pub home: CodexHome,
    /// Whether the policy brings a provider of its own, which needs no login with the home.
    pub own_provider: bool,
}

impl PreparedCodex {
    /// Finds Codex and prepares the home that the policy asks for. Starts nothing but `codex --version`.
    pub async fn find(policy: &Policy, codex_home: &Path) -> Result<Self, AgentProblem> {
        let search_path = std::env::var_os("PATH");
        let program = CodexProgram::find(&policy.agent.command, search_path.as_deref()).await?;
        let unusable = |error: &dyn std::fmt::Display| {
            AgentProblem::new(
                BlockerCode::AgentUnavailable,
                error,
                "`foil doctor` looks at the Codex home",
            )
        };
        let user_home = user_codex_home();
        let home = match policy.agent.home {
            AgentHome::User => {
                let path = user_home.ok_or_else(|| unusable(&"neither CODEX_HOME nor HOME is set"))?;
                CodexHome::of_user(&path)
            }
            AgentHome::Shared => {
                let settings = HomeSettings {
                    login_from: user_home,
                    ..HomeSettings::default()
                };
                CodexHome::prepare(codex_home, &settings)
            }
        };
        let home = home.map_err(|error| unusable(&error))?;
        let own_provider = policy.agent.config.keys().any(|key| key == "model_provider");
        Ok(Self {
            program,
            home,
            own_provider,
        })
    }

    /// Whether turns can be taken: logged in, and Codex' own sandbox starts.
    pub async fn probe(&self) -> Result<(), AgentProblem> {
        self.program.sandbox_probe(&self.home).await?;
        if !self.own_provider {
            self.program.login_status(&self.home).await?;
        }
        Ok(())
    }
}

/// The user's own Codex home.
pub(crate) fn user_codex_home() -> Option<std::path::PathBuf> {
    let named = std::env::var_os("CODEX_HOME").filter(|value| !value.is_empty());
    named
        .map(Into::into)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".codex")))
}

/// The agent that takes the turns of a run, ready to start.
pub async fn prepare_agent(
    policy: &Policy,
    codex_home: &Path,
    guard: &AgentGuard,
) -> Result<(Box<dyn Agent>, Option<PreparedCodex>), AgentProblem> {
    let kind = policy.agent.kind;
    if kind == AgentKind::Scripted {
        let scripted = ScriptedAgent::load(Path::new(&policy.agent.command), guard.clone()).map_err(|error| {
            AgentProblem::new(
                BlockerCode::AgentUnavailable,
                error,
                "`[agent] command` names the folder of the scripts",
            )
        })?;
        return Ok((Box::new(scripted), None));
    }
    if kind == AgentKind::External {
        return Err(AgentProblem::new(
            BlockerCode::AgentUnavailable,
            "an external agent is brought by the program that embeds the engine",
            "set `[agent] kind` to `codex`",
        ));
    }
    let codex = PreparedCodex::find(policy, codex_home).await?;
    codex.probe().await?;
    let settings = CodexAgentSettings {
        program: codex.program.clone(),
        home: codex.home.clone(),
        env: policy.agent.env.clone(),
        guard: guard.clone(),
    };
    let agent: Box<dyn Agent> = match kind {
        AgentKind::CodexExec => Box::new(CodexExec::new(settings)),
        _ => Box::new(CodexAppServer::new(settings)),
    };
    Ok((agent, Some(codex)))
}
