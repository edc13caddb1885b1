//! Whether a change is small enough for quick mode. That is computed, from the ticket before the first turn and from the real
//! change after each, and never believed.

mod declarations;
mod modules;
mod paths;

use std::collections::BTreeSet;
use std::fmt;

use ledger_core::{BlockerCode, ChangeSet, Decision, DecisionStatus, RepoPath, TicketFile, Violation};

use crate::changes::{ChangeFacts, is_migration};
use crate::config::Policy;
use crate::dependencies::{DependencyChange, is_dependency_file};
use crate::scope::{InvalidScope, PatternSet, Protected, ProtectedPaths, patterns};

pub use declarations::{PublicApiChange, has_public_api, public_api_change};
pub use modules::PACKAGE_MANIFESTS;

/// The most files outside of the ledger that a change in quick mode may touch.
pub const MAX_QUICK_FILES: usize = 3;

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
    /// What others use: exported declarations, descriptions of interfaces.
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
    fn calls_for_specs(self) -> bool {
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

/// By what changes in quick mode are judged under one policy.
///
/// What is found is sorted by the names of the triggers, and at most [`MAX_PLACES`] are listed for each. Nothing in the ledger
/// counts: tickets, approvals and records belong to every change.
///
/// ```
/// use counterfoil_policy::{Policy, QuickFlow};
/// use ledger_core::TicketFile;
/// let policy = Policy::parse(b"[[check]]\nname = \"tests\"\nrun = \"make test\"\n").unwrap();
/// let rules = QuickFlow::new(&policy).unwrap();
/// let told = |allowed: &str| {
///     let text = format!("title = \"x\"\nmode = \"quick\"\n[scope]\ngoal = \"y\"\nallowed = [{allowed}]\n");
///     let ticket = TicketFile::parse(text.as_bytes()).unwrap();
///     let crossed = rules.of_ticket(&ticket, &Default::default());
///     crossed.iter().map(|crossing| crossing.trigger.as_str()).collect::<Vec<_>>()
/// };
/// assert_eq!(told("\"src/parse.rs\""), Vec::<&str>::new());
/// assert_eq!(told("\"src/**\""), ["broad_file_scope"]);
/// assert_eq!(told("\"src/session.rs\", \"Cargo.toml\""), ["dependencies", "security_auth_privacy"]);
/// ```
#[derive(Debug, Clone)]
pub struct QuickFlow {
    ledger: RepoPath,
    protected: ProtectedPaths,
    forbidden: PatternSet,
    docs: PatternSet,
    has_check: bool,
}

impl QuickFlow {
    /// The rules under this policy. Refuses one whose patterns cannot be used.
    pub fn new(policy: &Policy) -> Result<Self, InvalidScope> {
        Ok(Self {
            ledger: policy.ledger.dir.path().clone(),
            protected: ProtectedPaths::new(policy)?,
            forbidden: PatternSet::new("scope.forbidden", &policy.scope.forbidden)?,
            docs: PatternSet::new("scope.docs_roots", &policy.scope.docs_roots)?,
            has_check: !policy.check.is_empty(),
        })
    }

    /// The files outside of the ledger that a ticket names exactly, in the order of their bytes.
    pub fn named_files(&self, ticket: &TicketFile) -> BTreeSet<RepoPath> {
        let named = ticket.scope.allowed.iter().flatten();
        named
            .filter(|entry| !is_pattern(entry))
            .filter_map(|entry| entry.parse().ok())
            .filter(|path| self.counts(path))
            .collect()
    }

    /// The lines that a ticket crosses by what it says, before anything is done. `manifests` are the package manifests above the
    /// files that it names.
    pub fn of_ticket(&self, ticket: &TicketFile, manifests: &BTreeSet<RepoPath>) -> Vec<Crossing> {
        let mut found = Found::default();
        let unknown = "the files are not known";
        match &ticket.scope.allowed {
            None => found.add(
                QuickTrigger::BroadFileScope,
                format!("{unknown}: there is no `[scope] allowed`"),
            ),
            Some(list) => {
                for entry in list {
                    let shown = shown(entry, 80);
                    if is_pattern(entry) {
                        found.add(
                            QuickTrigger::BroadFileScope,
                            format!("{unknown}: `{shown}` is a pattern"),
                        );
                    } else if entry.parse::<RepoPath>().is_err() {
                        found.add(QuickTrigger::BroadFileScope, format!("{unknown}: `{shown}` is no path"));
                    }
                }
            }
        }
        let files = self.named_files(ticket);
        if files.is_empty() && found.0.is_empty() {
            found.add(
                QuickTrigger::BroadFileScope,
                format!("{unknown}: `[scope] allowed` names none"),
            );
        }
        self.judge_all(&files, manifests, &mut found);
        let forbidden = self.forbidden_by(ticket);
        for path in &files {
            self.judge_path(path, forbidden.as_ref(), &mut found);
            if is_dependency_file(path) {
                let evidence = "it says which dependencies there are";
                found.at(QuickTrigger::Dependencies, path, evidence.to_owned());
            }
        }
        self.judge_words(ticket, &mut found);
        found.finish()
    }

    /// The lines that a change crosses, whatever the ticket allows. What is missing in the facts counts as crossed.
    pub fn of_changes(&self, set: &ChangeSet, facts: &ChangeFacts, ticket: &TicketFile) -> Vec<Crossing> {
        let mut found = Found::default();
        // A rename stands there with both its ends.
        let paths: BTreeSet<RepoPath> = set.changes.iter().map(|change| change.path.clone()).collect();
        let paths = paths.into_iter().filter(|path| self.counts(path)).collect();
        self.judge_all(&paths, &facts.manifests, &mut found);
        let forbidden = self.forbidden_by(ticket);
        for path in &paths {
            self.judge_path(path, forbidden.as_ref(), &mut found);
            let known = facts.files.get(path);
            if is_dependency_file(path) {
                let change = known.and_then(|facts| facts.dependencies.as_ref());
                found.at(QuickTrigger::Dependencies, path, dependency_evidence(change));
            }
            if has_public_api(path) {
                let evidence = match known.and_then(|facts| facts.public_api.as_ref()) {
                    None => Some("nobody looked at what it offers to others".to_owned()),
                    Some(change) => api_evidence(change),
                };
                if let Some(evidence) = evidence {
                    found.at(QuickTrigger::PublicApiSharedContract, path, evidence);
                }
            }
        }
        found.finish()
    }

    /// Those of [`Self::of_changes`] that specs are for, whatever the size of the change.
    pub fn needs_specs(&self, set: &ChangeSet, facts: &ChangeFacts, ticket: &TicketFile) -> Vec<Crossing> {
        let mut crossings = self.of_changes(set, facts, ticket);
        crossings.retain(|crossing| crossing.trigger.calls_for_specs());
        crossings
    }

    fn counts(&self, path: &RepoPath) -> bool {
        !path.is_within(&self.ledger)
    }

    /// What the ticket forbids; none: nothing. That its patterns cannot be used is told elsewhere.
    fn forbidden_by(&self, ticket: &TicketFile) -> Option<PatternSet> {
        let list = &ticket.scope.forbidden;
        if list.is_empty() {
            return None;
        }
        PatternSet::new("scope.forbidden", &patterns("scope.forbidden", list).ok()?).ok()
    }

    /// What many files together cross.
    fn judge_all(&self, paths: &BTreeSet<RepoPath>, manifests: &BTreeSet<RepoPath>, found: &mut Found) {
        if paths.len() > MAX_QUICK_FILES {
            found.add(
                QuickTrigger::BroadFileScope,
                format!("{} files, and quick mode has at most {MAX_QUICK_FILES}", paths.len()),
            );
        }
        // Tests and documentation change no behaviour, wherever they lie.
        let behaviour = paths
            .iter()
            .filter(|path| !paths::is_test(path) && !self.docs.allows(path));
        let modules: BTreeSet<_> = behaviour.map(|path| modules::module_of(path, manifests)).collect();
        if modules.len() > 1 {
            let names: Vec<_> = modules.iter().take(3).map(|folder| module_name(folder)).collect();
            let more = match modules.len().saturating_sub(3) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            found.add(
                QuickTrigger::MultipleServicesModules,
                format!("{} modules: {}{more}", modules.len(), names.join(", ")),
            );
        }
    }

    /// What a path crosses by its name.
    fn judge_path(&self, path: &RepoPath, forbidden: Option<&PatternSet>, found: &mut Found) {
        let protected = self.protected.find(path);
        let is_documentation = self.docs.allows(path);
        match protected {
            Some(Protected::Automation) => {
                let evidence = "automatic builds run it";
                found.at(QuickTrigger::SecurityAuthPrivacy, path, evidence.to_owned());
            }
            Some(other) => found.at(QuickTrigger::ForbiddenPath, path, other.to_string()),
            None => {}
        }
        for (set, by) in [(Some(&self.forbidden), "policy"), (forbidden, "ticket")] {
            if let Some(pattern) = set.and_then(|set| set.find_folded(path)) {
                let evidence = format!("forbidden by the {by}: `{}`", shown(pattern, 80));
                found.at(QuickTrigger::ForbiddenPath, path, evidence);
            }
        }
        if is_migration(path) || paths::is_data_schema(path) {
            let evidence = "it says how data is stored";
            found.at(QuickTrigger::SchemaData, path, evidence.to_owned());
        }
        if paths::is_contract(path) && !paths::is_test(path) {
            let evidence = "it describes what others use";
            found.at(QuickTrigger::PublicApiSharedContract, path, evidence.to_owned());
        }
        if is_documentation {
            return;
        }
        if paths::is_deployment(path) {
            let evidence = "it says how the program is made or shipped";
            found.at(QuickTrigger::SecurityAuthPrivacy, path, evidence.to_owned());
        } else if let Some(word) = paths::sensitive_word(path) {
            found.at(
                QuickTrigger::SecurityAuthPrivacy,
                path,
                format!("`{word}` stands in its path"),
            );
        }
        if paths::is_visual(path) && !paths::is_test(path) {
            let evidence = "people see it, and no check shows how it looks";
            found.at(QuickTrigger::VisualFlowAmbiguity, path, evidence.to_owned());
        }
    }

    /// What the ticket crosses by what it says or leaves out, beside its paths.
    fn judge_words(&self, ticket: &TicketFile, found: &mut Found) {
        if !self.has_check && ticket.check.is_empty() {
            let evidence = "neither policy nor ticket has a check";
            found.add(QuickTrigger::ProofUnavailable, evidence.to_owned());
        }
        if ticket.acceptance.is_empty() && ticket.scope.goal.trim().is_empty() {
            let evidence = "neither `[[acceptance]]` nor `[scope] goal` says what must be so afterwards";
            found.add(QuickTrigger::UnclearRequirements, evidence.to_owned());
        }
        let is_open = |decision: &&Decision| decision.blocks && decision.status != DecisionStatus::Accepted;
        for decision in ticket.decision.iter().filter(is_open) {
            found.add(
                QuickTrigger::UnclearRequirements,
                format!("the decision `{}` is open", shown(&decision.id, 80)),
            );
        }
        let grants = &ticket.grants;
        for (given, key, trigger) in [
            (
                !grants.dependencies.is_empty(),
                "dependencies",
                QuickTrigger::Dependencies,
            ),
            (grants.migrations, "migrations", QuickTrigger::SchemaData),
            (!grants.protected.is_empty(), "protected", QuickTrigger::ForbiddenPath),
            (grants.network, "network", QuickTrigger::SecurityAuthPrivacy),
            (
                !grants.commands.is_empty(),
                "commands",
                QuickTrigger::SecurityAuthPrivacy,
            ),
        ] {
            if given {
                found.add(trigger, format!("the ticket grants `{key}`"));
            }
        }
    }
}

/// Whether an entry of a scope can mean more than the one file of that name.
fn is_pattern(entry: &str) -> bool {
    entry.contains(['*', '?', '[', '{'])
}

fn module_name(folder: &[u8]) -> String {
    match folder {
        b"" => "the repository's root".to_owned(),
        folder => format!("`{}`", shown(&String::from_utf8_lossy(folder), 60)),
    }
}

fn dependency_evidence(change: Option<&DependencyChange>) -> String {
    match change {
        Some(DependencyChange::Names(names)) if !names.is_empty() => {
            format!("it adds or replaces {}", listed(names.iter()))
        }
        _ => "it says which dependencies there are".to_owned(),
    }
}

fn api_evidence(change: &PublicApiChange) -> Option<String> {
    let mut parts = Vec::new();
    for (list, verb) in [(&change.added, "adds"), (&change.removed, "removes")] {
        if !list.is_empty() {
            let list: Vec<_> = list.iter().map(|declaration| without_values(declaration)).collect();
            parts.push(format!("{verb} {}", listed(list.iter())));
        }
    }
    (!parts.is_empty()).then(|| format!("it {}", parts.join(", and ")))
}

/// A declaration up to the first text in it, and without words that could be a key: what is recorded holds no secret, and what is
/// cut off in the middle of one would not be known as one any more.
fn without_values(declaration: &str) -> String {
    let shown = declaration.split(['"', '`']).next().unwrap_or_default();
    let is_word = |character: char| character.is_ascii_alphanumeric() || "_+/=-.".contains(character);
    let mut kept = String::new();
    let mut rest = shown;
    while let Some(start) = rest.find(is_word) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|character| !is_word(character)).unwrap_or(word.len()));
        kept.push_str(before);
        let could_be_key = word.len() >= 16 && word.contains(|character: char| character.is_ascii_digit());
        kept.push_str(if could_be_key { "…" } else { word });
        rest = after;
    }
    kept.push_str(rest);
    kept.trim_end().to_owned()
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let count = names.len();
    let names: Vec<_> = names.take(3).map(|name| format!("`{}`", shown(name, 80))).collect();
    match count.saturating_sub(3) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// The beginning of what somebody else wrote, so that it can be no more than words of one line.
fn shown(text: &str, length: usize) -> String {
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

/// What was crossed so far.
#[derive(Default)]
struct Found(BTreeSet<Crossing>);

impl Found {
    fn add(&mut self, trigger: QuickTrigger, evidence: String) {
        self.0.insert(Crossing {
            trigger,
            path: None,
            evidence,
        });
    }

    fn at(&mut self, trigger: QuickTrigger, path: &RepoPath, evidence: String) {
        self.0.insert(Crossing {
            trigger,
            path: Some(path.clone()),
            evidence,
        });
    }

    /// Sorted, and bounded for each trigger, so that none hides another.
    fn finish(self) -> Vec<Crossing> {
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

#[cfg(test)]
mod tests;
