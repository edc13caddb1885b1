//! Whether runs can work here, and what dead runners left: looked at piece by piece, each with what to do about it.

mod codex;
mod journals;
mod leftovers;
mod machine;
mod ref_locks;
mod runs;
mod schemas;

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::guard::GuardProgram;
use crate::lock::LockHolder;
use crate::workspace::{Settings, Workspace};

/// The name of the report's format.
pub const DOCTOR_SCHEMA: &str = "counterfoil.doctor/1";

/// How the doctor works.
#[derive(Debug, Clone)]
pub struct DoctorOptions {
    /// How the sandbox for checks is probed.
    pub guard: GuardProgram,
    /// Whether what dead runners left is ended and mended: processes, torn tails, damaged journals, notes of locks and of
    /// runners, old locks of our own refs, schemas of an older foil. What is cut or set aside is kept beside; nothing that the user wrote is touched, and
    /// nothing that a run still needs.
    pub repair: bool,
    /// The time of the examination.
    pub now: Timestamp,
}

/// All that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// [`DOCTOR_SCHEMA`].
    pub schema: &'static str,
    /// What was found, in the order in which it was looked at.
    pub findings: Vec<DoctorFinding>,
}

impl DoctorReport {
    /// The worst of the findings.
    pub fn health(&self) -> Health {
        self.findings
            .iter()
            .map(|finding| finding.state)
            .max()
            .unwrap_or(Health::Ok)
    }
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Runs work, and it is worth knowing.
    Warning,
    /// Some or all runs do not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorFinding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub state: Health,
    /// What was seen, in lower case and without a final period.
    pub detail: String,
    /// What to do about it, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether it was repaired just now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repaired: bool,
}

impl DoctorFinding {
    fn new(what: &'static str, state: Health, detail: impl std::fmt::Display) -> Self {
        Self {
            what,
            state,
            detail: detail.to_string(),
            hint: None,
            repaired: false,
        }
    }

    fn ok(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::new(what, Health::Ok, detail)
    }

    fn warning(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::new(what, Health::Warning, detail)
    }

    fn problem(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::new(what, Health::Problem, detail)
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn repaired(mut self) -> Self {
        self.repaired = true;
        self
    }
}

/// Looks at everything that runs need, from this folder. Never fails: what cannot be looked at is a finding.
///
/// Starts `git`, `codex --version`, `codex login status`, `codex app-server generate-json-schema` and an empty command in each
/// sandbox; spends no tokens. Prepares our Codex home, as a run would.
pub async fn diagnose(from: &Path, settings: &Settings, options: &DoctorOptions) -> DoctorReport {
    let mut findings = vec![machine::git()];
    match Workspace::open(from, settings) {
        Err(error) => {
            let hint = "start inside a repository, or name one with `-C`";
            findings.push(DoctorFinding::problem("repository", error).hint(hint));
        }
        Ok(workspace) => {
            findings.extend(machine::repository(&workspace));
            findings.extend(policy(&workspace));
            if let Ok((policy, _)) = workspace.policy_to_look_at_agent() {
                let bundled = codex::examine(&policy, &workspace, &mut findings).await;
                findings.push(machine::check_sandbox(&policy, &workspace, bundled, options).await);
                findings.push(machine::disk(&workspace, &policy.disk));
                findings.extend(schemas::examine(&workspace, options.repair));
            }
            let holder = LockHolder::current(options.now)
                .ok()
                .filter(|_| options.repair)
                .map(|holder| holder.for_upkeep());
            findings.extend(runs::examine(&workspace, holder.as_ref(), options.now));
            findings.extend(ref_locks::examine(&workspace, holder.as_ref(), options.now));
        }
    }
    DoctorReport {
        schema: DOCTOR_SCHEMA,
        findings,
    }
}

fn policy(workspace: &Workspace) -> Vec<DoctorFinding> {
    let file = workspace.policy_file();
    if let Err(problem) = &file.policy {
        let finding = DoctorFinding::problem("policy", format!("`counterfoil.toml`: {problem}"));
        return vec![finding.hint("`foil check` shows the place")];
    }
    let read = match file.bytes {
        Some(_) => DoctorFinding::ok("policy", "`counterfoil.toml` can be used"),
        None => DoctorFinding::ok("policy", "there is none: all defaults").hint("`foil init` writes one"),
    };
    let trust = match workspace.is_policy_trusted() {
        Ok(true) => DoctorFinding::ok("trust", "you trust the policy as it is in the work tree"),
        Ok(false) => {
            let detail = "you have not trusted these bytes of the policy; nothing runs, and of its agent only `codex` in PATH is \
                          looked at";
            let finding = DoctorFinding::warning("trust", detail);
            finding.hint("read what it would run with `foil trust`, and trust it if you agree")
        }
        Err(error) => DoctorFinding::problem("trust", error),
    };
    vec![read, trust]
}
