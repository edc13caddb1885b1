//! Whether the agent of the policy can take turns.

use std::path::PathBuf;

use ledger_core::AgentKind;
use policy::Policy;

use super::DoctorFinding;
use crate::agent::CodexProtocol;
use crate::agents::PreparedCodex;
use crate::workspace::Workspace;

/// Looks at the agent, and returns the bubblewrap that comes with it.
pub(super) async fn examine(
    policy: &Policy,
    workspace: &Workspace,
    findings: &mut Vec<DoctorFinding>,
) -> Option<PathBuf> {
    match policy.agent.kind {
        AgentKind::Codex | AgentKind::CodexExec => {}
        AgentKind::Scripted => {
            findings.push(DoctorFinding::warning(
                "agent",
                "the policy's agent is scripted: no Codex takes part",
            ));
            return None;
        }
        AgentKind::External => {
            let finding = DoctorFinding::problem(
                "agent",
                "an external agent is brought by a program that embeds the engine",
            );
            findings.push(finding.hint("set `[agent] kind` to `codex`"));
            return None;
        }
    }
    let codex = match PreparedCodex::find(policy, &workspace.roots().codex_home()).await {
        Ok(codex) => codex,
        Err(problem) => {
            findings.push(DoctorFinding::problem("codex", &problem).hint(problem.hint));
            return None;
        }
    };
    let version = codex.program.version();
    findings.push(match codex.program.warning() {
        None => DoctorFinding::ok("codex", format!("version {version}")),
        Some(warning) => {
            DoctorFinding::warning("codex", warning).hint("it is used; install the tested version if runs misbehave")
        }
    });
    if policy.agent.kind == AgentKind::Codex {
        findings.push(protocol(&codex, workspace).await);
    }
    findings.push(match codex.program.sandbox_probe(&codex.home).await {
        Ok(()) => DoctorFinding::ok("codex sandbox", "it starts"),
        Err(error) => DoctorFinding::problem("codex sandbox", &error).hint(error.hint()),
    });
    findings.push(match codex.program.login_status(&codex.home).await {
        Ok(said) => DoctorFinding::ok("codex login", said),
        Err(_) if codex.own_provider => {
            DoctorFinding::ok("codex login", "none, and the policy's own provider needs none")
        }
        Err(error) => DoctorFinding::problem("codex login", &error).hint(error.hint()),
    });
    let model = match &policy.agent.model {
        Some(model) => format!("`{}`, as the policy says", crate::agent::shorten(model, 100)),
        None => "Codex' own default".to_owned(),
    };
    findings.push(DoctorFinding::ok(
        "model",
        format!("{model}; whether it may be used shows at the first turn"),
    ));
    codex.program.bundled_bwrap()
}

/// How many differences are told.
const TOLD: usize = 5;

/// Whether the installed Codex speaks as the one that this version is tested with, in what runs use.
async fn protocol(codex: &PreparedCodex, workspace: &Workspace) -> DoctorFinding {
    const WHAT: &str = "codex protocol";
    let pinned = CodexProtocol::pinned();
    let installed = match codex.program.protocol(&codex.home, workspace.roots().user()).await {
        Ok(installed) => installed,
        Err(error) => return DoctorFinding::warning(WHAT, &error).hint(error.hint()),
    };
    let drift = pinned.drift_to(&installed);
    if drift.is_empty() {
        let parts = pinned.shapes.len();
        return DoctorFinding::ok(
            WHAT,
            format!("as that of codex {}, in all {parts} parts that runs use", pinned.codex),
        );
    }
    let asked = drift
        .added
        .iter()
        .map(|method| format!("`{method}` may be asked for, and is declined"));
    let all: Vec<_> = drift
        .broken
        .iter()
        .chain(&drift.changed)
        .cloned()
        .chain(asked)
        .collect();
    let more = match all.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let told = all.into_iter().take(TOLD).collect::<Vec<_>>().join("; ");
    let detail = format!(
        "other than that of codex {}: {}{more}",
        pinned.codex,
        crate::agent::shorten(&told, 2000)
    );
    let hint = format!(
        "install codex {}, or a foil that is tested with codex {}",
        pinned.codex, installed.codex
    );
    match drift.broken.is_empty() {
        true => DoctorFinding::warning(WHAT, detail).hint(hint),
        false => DoctorFinding::problem(WHAT, detail).hint(hint),
    }
}
