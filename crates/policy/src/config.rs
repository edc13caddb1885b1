//! `counterfoil.toml`: what this repository allows.

mod agent;
mod agent_settings;
mod byte_size;
mod check;
mod delivery;
mod gates;
mod hooks;
mod limits;
mod notify;
mod pattern;
mod prompts;
mod repository;
mod requires;
mod scope;
mod share;
mod text;
mod unsupported;
mod validate;
mod workspace;

use ledger_core::{Digest, DocumentError, document_text, read_toml, schema_of};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

pub use agent::{AgentHome, AgentPolicy, WorkerSandbox};
pub use byte_size::ByteSize;
pub use check::{Baseline, CheckPolicy, CheckStrength, SandboxUse, TestReport};
pub use delivery::{
    AcceptUse, BranchName, BranchTemplate, CommitHooks, DeliveryPolicy, IndependentReview, MessageTemplate, RemoteName,
    ReviewPolicy, WhenMoved,
};
pub use gates::{GateLevel, GateSetting, GateTable, Gates, GatesPolicy};
pub use hooks::{HookFailure, HooksPolicy};
pub use limits::LimitsPolicy;
pub use notify::{NotifyPolicy, Webhook, WebhookHost, webhook_host};
pub use pattern::PathPattern;
pub use prompts::PromptsPolicy;
pub use repository::{
    DiskPolicy, Focus, LedgerFolder, LedgerPolicy, MemoryPolicy, Pick, RepositoryId, RepositoryPolicy, SchedulePolicy,
};
pub use requires::{FoilVersion, VersionRequirement};
pub use scope::{CommandPattern, CommandsPolicy, Fingerprint, ScopePolicy, SecretPattern, SecretsPolicy};
pub use share::Share;
pub use text::InvalidText;
pub use workspace::{EnvironmentName, FilterName, FolderPath, KeepPlaces, SetupCommand, WorkspacePolicy};

/// `counterfoil.toml`: what this repository allows. Every key has a default, so an empty file, or none, works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Policy", extend("examples" = [
    {},
    {"requires": ">=0.1", "check": [{"name": "tests", "run": "cargo test"}], "scope": {"forbidden": ["vendor/**"]}}
]))]
pub struct Policy {
    /// The versions of foil that this policy is written for, such as `>=0.1` or `>=0.1, <0.3`; checked before all else
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = [">=0.1"]))]
    pub requires: Option<String>,
    /// What this repository is called
    pub repository: RepositoryPolicy,
    /// The folder of tickets and records
    pub ledger: LedgerPolicy,
    /// Who takes the turns
    pub agent: AgentPolicy,
    /// The repository's own prompt files
    pub prompts: PromptsPolicy,
    /// The places that a run works and checks in
    pub workspace: WorkspacePolicy,
    /// The commands that prove a change
    pub check: Vec<CheckPolicy>,
    /// Where a run ends if nothing else ends it
    pub limits: LimitsPolicy,
    /// Which paths may not change
    pub scope: ScopePolicy,
    /// Which commands stop a turn
    pub commands: CommandsPolicy,
    /// Further rules for what may be delivered
    pub gates: GatesPolicy,
    /// The independent judgement of a change
    pub review: ReviewPolicy,
    /// Where a reviewed tree goes
    pub delivery: DeliveryPolicy,
    /// Commands around a run
    pub hooks: HooksPolicy,
    /// Who is told
    pub notify: NotifyPolicy,
    /// Which ticket runs next
    pub schedule: SchedulePolicy,
    /// Files for what later tickets should know
    pub memory: MemoryPolicy,
    /// What may be used of the disk
    pub disk: DiskPolicy,
}

impl Policy {
    /// The file's name at the repository's root.
    pub const FILE_NAME: &'static str = "counterfoil.toml";

    /// Reads `counterfoil.toml`. Refuses, in this order: what is not TOML, a policy that is written for another version
    /// of foil, keys that this version would have to ignore, unknown keys and values, and what contradicts itself.
    ///
    /// ```
    /// use counterfoil_policy::Policy;
    /// let policy = Policy::parse(b"[[check]]\nname = \"tests\"\nrun = \"cargo test\"\n").unwrap();
    /// assert_eq!(policy.check[0].timeout.to_string(), "10m");
    /// assert_eq!(Policy::parse(b"").unwrap(), Policy::default());
    ///
    /// let error = Policy::parse(b"[limits]\nmax_iteration = 3\n").unwrap_err();
    /// assert_eq!((error.line, error.hint.as_deref()), (2, Some("did you mean `max_iterations`?")));
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        Self::parse_for(bytes, FoilVersion::current())
    }

    /// The same for a given version of foil.
    pub fn parse_for(bytes: &[u8], version: FoilVersion) -> Result<Self, DocumentError> {
        let text = document_text(bytes)?;
        validate::before_reading(text, version)?;
        let policy: Self = read_toml(bytes)?;
        match validate::contradiction(&policy) {
            None => Ok(policy),
            Some(contradiction) => Err(contradiction.in_text(text)),
        }
    }

    /// The digest by which a user trusts a policy: of the file's bytes as they are in the base commit, and of no bytes
    /// where there is no file. So "no policy" and an empty file are the same consent, which they may be: both mean all
    /// defaults.
    pub fn digest(bytes: Option<&[u8]>) -> Digest {
        Digest::of(bytes.unwrap_or_default())
    }
}

/// The JSON Schema of `counterfoil.toml`.
pub fn policy_schema() -> Schema {
    schema_of::<Policy>("policy")
}

#[cfg(test)]
mod tests;
