//! Whether a change is small enough for quick mode. That is computed, from the ticket before the first turn and from the real
//! change after each, and never believed.

mod crossing;
mod declarations;
mod evidence;
mod modules;
mod options;
mod paths;

use std::collections::BTreeSet;

use ledger_core::{ChangeSet, Decision, DecisionStatus, RepoPath, TicketFile};

use crate::changes::{ChangeFacts, is_migration};
use crate::config::Policy;
use crate::dependencies::is_dependency_file;
use crate::scope::{FoldedSet, InvalidScope, PatternSet, Protected, ProtectedPaths, patterns};

use crossing::{Found, shown};
use evidence::{api_evidence, dependency_evidence};

pub use crossing::{Crossing, MAX_PLACES, QuickTrigger};
pub use declarations::{PublicApiChange, has_public_api, public_api_change};
pub use modules::PACKAGE_MANIFESTS;
pub(crate) use paths::{is_benchmark, is_release, is_test};

/// The most files outside of the ledger that a change in quick mode may touch.
pub const MAX_QUICK_FILES: usize = 3;

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
    forbidden: FoldedSet,
    docs: PatternSet,
    has_check: bool,
}

impl QuickFlow {
    /// The rules under this policy. Refuses one whose patterns cannot be used.
    pub fn new(policy: &Policy) -> Result<Self, InvalidScope> {
        Ok(Self {
            ledger: policy.ledger.dir.path().clone(),
            protected: ProtectedPaths::new(policy)?,
            forbidden: FoldedSet::new("scope.forbidden", &policy.scope.forbidden)?,
            docs: PatternSet::new("scope.docs_roots", &policy.scope.docs_roots)?,
            has_check: policy
                .check
                .iter()
                .any(|check| can_prove(check.run.as_deref(), check.argv.as_deref())),
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
        if files.is_empty() && found.is_empty() {
            found.add(
                QuickTrigger::BroadFileScope,
                format!("{unknown}: `[scope] allowed` names none"),
            );
        }
        self.judge_all(&files, manifests, &mut found);
        let forbidden = Self::forbidden_by(ticket, &files);
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

    /// Those of [`Self::of_ticket`] that specs are for, by the files that the ticket names. What it grants, it says by itself.
    pub fn ticket_needs_specs(&self, ticket: &TicketFile) -> Vec<Crossing> {
        let mut crossings = self.of_ticket(ticket, &BTreeSet::new());
        crossings.retain(|crossing| crossing.path.is_some() && crossing.trigger.calls_for_specs());
        crossings
    }

    /// The lines that a change crosses, whatever the ticket allows. What is missing in the facts counts as crossed.
    pub fn of_changes(&self, set: &ChangeSet, facts: &ChangeFacts, ticket: &TicketFile) -> Vec<Crossing> {
        self.crossed_by(set, facts, ticket).finish()
    }

    fn crossed_by(&self, set: &ChangeSet, facts: &ChangeFacts, ticket: &TicketFile) -> Found {
        let mut found = Found::default();
        // A rename stands there with both its ends.
        let paths: BTreeSet<RepoPath> = set.changes.iter().map(|change| change.path.clone()).collect();
        let paths = paths.into_iter().filter(|path| self.counts(path)).collect();
        self.judge_all(&paths, &facts.manifests, &mut found);
        let forbidden = Self::forbidden_by(ticket, &paths);
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
        found
    }

    /// Those of [`Self::of_changes`] that specs are for, whatever the size of the change.
    pub fn needs_specs(&self, set: &ChangeSet, facts: &ChangeFacts, ticket: &TicketFile) -> Vec<Crossing> {
        let mut crossings = self.of_changes(set, facts, ticket);
        crossings.retain(|crossing| crossing.trigger.calls_for_specs());
        crossings
    }

    /// The same, each of them: where one is right, another of its kind may not be.
    pub(crate) fn all_that_need_specs(
        &self,
        set: &ChangeSet,
        facts: &ChangeFacts,
        ticket: &TicketFile,
    ) -> Vec<Crossing> {
        let crossed = self.crossed_by(set, facts, ticket).all();
        crossed.filter(|crossing| crossing.trigger.calls_for_specs()).collect()
    }

    /// Each of those of [`Self::of_changes`], however many there are of a kind.
    pub(crate) fn all_crossings(
        &self,
        set: &ChangeSet,
        facts: &ChangeFacts,
        ticket: &TicketFile,
    ) -> impl Iterator<Item = Crossing> {
        self.crossed_by(set, facts, ticket).all()
    }

    /// Whether the policy says that a path is documentation.
    pub(crate) fn is_documentation(&self, path: &RepoPath) -> bool {
        self.docs.allows(path)
    }

    /// Whether a path belongs to the change rather than to the ledger.
    pub(crate) fn counts(&self, path: &RepoPath) -> bool {
        !path.is_within(&self.ledger)
    }

    /// What the ticket forbids that could mean one of these paths; none: nothing. That its patterns cannot be used is told
    /// elsewhere.
    fn forbidden_by(ticket: &TicketFile, paths: &BTreeSet<RepoPath>) -> Option<FoldedSet> {
        let could_mean = |entry: &&String| paths.iter().any(|path| could_mean(entry, path));
        // Compiling patterns costs more than all the rest, and a ledger has many tickets.
        let list: Vec<_> = ticket.scope.forbidden.iter().filter(could_mean).cloned().collect();
        if list.is_empty() {
            return None;
        }
        FoldedSet::new("scope.forbidden", &patterns("scope.forbidden", &list).ok()?).ok()
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
    fn judge_path(&self, path: &RepoPath, forbidden: Option<&FoldedSet>, found: &mut Found) {
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
            if let Some(pattern) = set.and_then(|set| set.find(path)) {
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
        if paths::is_shared_configuration(path) && !paths::is_test(path) {
            let evidence = "it is configuration that others copy or fill in";
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
        let mut of_ticket = ticket.check.iter();
        if !self.has_check && !of_ticket.any(|check| can_prove(check.run.as_deref(), check.argv.as_deref())) {
            let evidence = "neither policy nor ticket has a check that shows anything";
            found.add(QuickTrigger::ProofUnavailable, evidence.to_owned());
        }
        if ticket.acceptance.is_empty() && ticket.scope.goal.trim().is_empty() {
            let evidence = "neither `[[acceptance]]` nor `[scope] goal` says what must be so afterwards";
            found.add(QuickTrigger::UnclearRequirements, evidence.to_owned());
        }
        let is_open = |decision: &&Decision| {
            decision.blocks && matches!(decision.status, DecisionStatus::Unknown | DecisionStatus::Proposed)
        };
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

/// Whether a pattern may match a path, as far as its parts without signs tell, which must all be parts of the path. Beyond ASCII
/// what is the same letter is left to the pattern itself.
fn could_mean(pattern: &str, path: &RepoPath) -> bool {
    if !pattern.is_ascii() || !path.as_bytes().is_ascii() || pattern.contains('{') {
        return true;
    }
    pattern
        .split('/')
        .filter(|part| !is_pattern(part))
        .all(|part| path.parts().any(|own| own.eq_ignore_ascii_case(part.as_bytes())))
}

fn module_name(folder: &[u8]) -> String {
    match folder {
        b"" => "the repository's root".to_owned(),
        folder => format!("`{}`", shown(&String::from_utf8_lossy(folder), 60)),
    }
}

/// Whether a check could show that a change is right: anything but one that succeeds whatever changed, or that looks at white space alone, as
/// the one does that `foil init` writes where it finds no tests.
fn can_prove(run: Option<&str>, argv: Option<&[String]>) -> bool {
    let words: Vec<&str> = match (run, argv) {
        (Some(line), _) => line.split_whitespace().collect(),
        (None, Some(argv)) => argv.iter().map(String::as_str).collect(),
        (None, None) => return false,
    };
    // What is joined with another command is judged by a person.
    let is_joined = words.iter().any(|word| word.contains([';', '&', '|', '\n']));
    let shows_nothing = match words.as_slice() {
        [] | ["true" | ":" | "/bin/true" | "/usr/bin/true" | "echo", ..] | ["exit", "0"] => true,
        ["git", rest @ ..] => rest.contains(&"diff") && rest.contains(&"--check"),
        _ => false,
    };
    is_joined || !shows_nothing
}

#[cfg(test)]
mod tests;
