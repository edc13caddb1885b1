//! The lines that a change in quick mode may not cross, and what is told of one that was.

use std::collections::BTreeSet;
use std::fmt;

use ledger_core::{BlockerCode, RepoPath, Violation};

/// The most places that are listed for one trigger.
pub const MAX_PLACES: usize = 5;

/// A line that a change in quick mode may not cross. Names are never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum QuickTrigger {
    /// More files than quick mode has, or nobody knows which.
    BroadFileScope,
    /// Something that says which dependencies there are.
    Dependencies,
    /// A path that the policy or the ticket forbids, or that needs a grant.
    ForbiddenPath,
    /// More than one package, service or area.
    MultipleServicesModules,
    /// No check would show that the change works.
    ProofUnavailable,
    /// What others use: exported declarations, options of a command line, descriptions of interfaces, configuration that is copied.
    PublicApiSharedContract,
    /// How data is stored.
    SchemaData,
    /// Who may do what, secrets, money, deployment, releases.
    SecurityAuthPrivacy,
    /// Nobody said what must be so afterwards, or a decision is open.
    UnclearRequirements,
    /// What people see.
    VisualFlowAmbiguity,
}

impl QuickTrigger {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BroadFileScope => "broad_file_scope",
            Self::Dependencies => "dependencies",
            Self::ForbiddenPath => "forbidden_path",
            Self::MultipleServicesModules => "multiple_services_modules",
            Self::ProofUnavailable => "proof_unavailable",
            Self::PublicApiSharedContract => "public_api_shared_contract",
            Self::SchemaData => "schema_data",
            Self::SecurityAuthPrivacy => "security_auth_privacy",
            Self::UnclearRequirements => "unclear_requirements",
            Self::VisualFlowAmbiguity => "visual_flow_ambiguity",
        }
    }

    /// Whether it is about something that specs are for, whatever the size of the change.
    pub(super) fn calls_for_specs(self) -> bool {
        matches!(
            self,
            Self::Dependencies
                | Self::PublicApiSharedContract
                | Self::SchemaData
                | Self::SecurityAuthPrivacy
                | Self::VisualFlowAmbiguity
        )
    }
}

impl fmt::Display for QuickTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A line that was crossed, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crossing {
    /// Which line.
    pub trigger: QuickTrigger,
    /// The path that it is about, where it is about one.
    pub path: Option<RepoPath>,
    /// What was seen, in plain words.
    pub evidence: String,
}

impl Crossing {
    /// As a violation that stops the run.
    pub(crate) fn violation(self) -> Violation {
        Violation {
            code: BlockerCode::QuickFlowEscalation,
            detail: format!("{}: {}", self.trigger, self.evidence),
            path: self.path,
        }
    }
}

impl fmt::Display for Crossing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.trigger)?;
        if let Some(path) = &self.path {
            write!(f, " in `{}`", shown(&path.to_string(), 120))?;
        }
        write!(f, " ({})", self.evidence)
    }
}

/// What was crossed so far.
#[derive(Default)]
pub(super) struct Found(BTreeSet<Crossing>);

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, trigger: QuickTrigger, evidence: String) {
        self.0.insert(Crossing {
            trigger,
            path: None,
            evidence,
        });
    }

    pub(super) fn at(&mut self, trigger: QuickTrigger, path: &RepoPath, evidence: String) {
        self.0.insert(Crossing {
            trigger,
            path: Some(path.clone()),
            evidence,
        });
    }

    /// Sorted, and all of them.
    pub(super) fn all(self) -> impl Iterator<Item = Crossing> {
        self.0.into_iter()
    }

    /// Sorted, and bounded for each trigger, so that none hides another.
    pub(super) fn finish(self) -> Vec<Crossing> {
        let mut listed: Vec<Crossing> = Vec::new();
        let (mut places, mut more) = (0, 0);
        for crossing in self.0 {
            if listed.last().is_none_or(|last| last.trigger != crossing.trigger) {
                count_rest(&mut listed, more);
                (places, more) = (0, 0);
            }
            if places < MAX_PLACES {
                places += 1;
                listed.push(crossing);
            } else {
                more += 1;
            }
        }
        count_rest(&mut listed, more);
        listed
    }
}

fn count_rest(listed: &mut [Crossing], more: usize) {
    if let Some(last) = listed.last_mut().filter(|_| more > 0) {
        last.evidence.push_str(&format!("; and {more} more"));
    }
}

/// The beginning of what somebody else wrote, so that it can be no more than words of one line.
pub(super) fn shown(text: &str, length: usize) -> String {
    let mut short = String::new();
    for character in text.chars().take(length) {
        match character {
            '`' => short.push('\''),
            '"' | '\'' | '\\' => short.push(character),
            _ => short.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(length).is_some() {
        short.push('…');
    }
    short
}
