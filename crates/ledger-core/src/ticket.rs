//! The ticket: the contract for one bounded change.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{DocumentError, document_text, locate, read_toml};
use crate::duration::Duration;
use crate::expert::ExpertField;
use crate::id::{PackageName, SteeringName, TicketId};
use crate::mode::Mode;
use crate::path::RepoPath;
use crate::spec::{RequirementId, SpecKind};
use crate::steering::{RuleKey, RuleValue};

/// A ticket as it stands in its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The folder's name.
    pub id: TicketId,
    /// `ticket.toml`.
    pub file: TicketFile,
    /// `prompt.md`: what the worker is asked, in prose.
    pub prompt: String,
}

/// `ticket.toml`: the contract for one bounded change. Only `title` is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Ticket", extend("examples" = [{"title": "Validate e-mail addresses on sign-up"}]))]
pub struct TicketFile {
    /// Version of this format
    #[serde(default = "first_version")]
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// What the change is, in one line
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// What kind of change it is
    #[serde(default)]
    pub kind: Kind,
    /// How much discipline the change needs
    #[serde(default)]
    pub mode: Mode,
    /// The fields whose experts judge the change beside the reviewer, whatever it touches; in mode `expert` they judge the plan too
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experts: Vec<ExpertField>,
    /// The ticket in mode `parent` that this one is a child of: it runs before the parent, which brings its children together
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TicketId>,
    /// The package that this ticket belongs to
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageName>,
    /// Tickets that must be delivered first
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<TicketId>,
    /// Higher runs first
    #[serde(default)]
    pub priority: i32,
    /// Names of things that only one run may use at a time, such as a staging database: tickets that name the same never run at the same time
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// If true, only the policy's documentation roots may change
    #[serde(default)]
    pub docs_only: bool,
    /// Conditions under which the worker must stop; told to the worker and listed in the review packet
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop_when: Vec<String>,
    /// What the worker has to know
    #[serde(default)]
    pub context: Context,
    /// What may be touched
    #[serde(default)]
    pub scope: Scope,
    /// What must be so afterwards
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<Acceptance>,
    /// Checks beside the policy's own
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub check: Vec<TicketCheck>,
    /// Linked specs
    #[serde(default)]
    pub specs: Specs,
    /// Decisions that the change rests on
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decision: Vec<Decision>,
    /// Consent to exact actions that are denied by default
    #[serde(default)]
    pub grants: Grants,
    /// Limits tighter than the policy's
    #[serde(default)]
    pub limits: TicketLimits,
}

fn first_version() -> u32 {
    1
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something new
    #[default]
    Feature,
    /// Something that was wrong
    Bugfix,
    /// Other structure, same behaviour
    Refactor,
    /// Tests only
    Test,
    /// Documentation only
    Documentation,
    /// Finding out why
    Diagnosis,
    /// Removing what is no longer needed
    Cleanup,
}

/// What the worker has to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// What is wrong or missing
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// How it is today
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub current: String,
    /// How it should be
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub desired: String,
    /// Earlier tickets worth reading. Planner and worker are given their hand-offs as far as the base has them and `max_files` and
    /// `max_summary_lines` leave room; one that does not fit is only named
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prior_work: Vec<TicketId>,
    /// Files of the base that the worker must read first
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<RequiredFile>,
    /// The most files that a worker may be given to read: `required`, linked specs and steering packs together; 50 where it is not said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_files: Option<u32>,
    /// The most lines that a worker may be told: `problem`, `current`, `desired` and the texts of steering packs
    /// together; 1000 where it is not said. A line of more than 200 characters counts as several
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_summary_lines: Option<u32>,
    /// Steering packs that this ticket asks for beside those that are given anyway. The approval covers them
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steering: Vec<SteeringName>,
}

/// A file that the worker must read first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequiredFile {
    /// Its path
    pub path: RepoPath,
    /// Why it must be read
    pub reason: String,
}

/// What may be touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// What the change is for, in one sentence
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub goal: String,
    /// Exact paths or globs that may change; a folder needs `/**`. Absent: everything that is not forbidden, in loop mode only
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// Exact paths or globs that may not change
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<String>,
    /// What is deliberately left out, for the worker and the reviewer
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub out_of_scope: Vec<String>,
}

/// Something that must be so afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Its name, unique in the ticket
    #[schemars(length(min = 1, max = 60))]
    pub id: String,
    /// The situation
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub given: String,
    /// What happens
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub when: String,
    /// What must follow
    pub then: String,
    /// The requirements of the linked specs that it is about
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<RequirementId>,
}

/// A check that a ticket adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketCheck {
    /// Its name, unique among the ticket's and the policy's
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// A shell command line; either this or `argv`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// A program and its arguments; either this or `run`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// The acceptance items that it proves
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proves: Vec<String>,
    /// How long it may take
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Where it writes a test report: `junit:<path>`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// A command as a check has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckCommand {
    /// A line for `sh -c`.
    Shell(String),
    /// A program and its arguments; never empty.
    Program(Vec<String>),
}

/// A check names neither or both of `run` and `argv`, or an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a check needs either `run` or `argv`, and not an empty one")]
pub struct InvalidCheckCommand;

impl CheckCommand {
    /// The command that a check's two keys stand for.
    pub fn new(run: Option<&str>, argv: Option<&[String]>) -> Result<Self, InvalidCheckCommand> {
        match (run, argv) {
            (Some(line), None) if !line.trim().is_empty() => Ok(Self::Shell(line.to_owned())),
            (None, Some([program, rest @ ..])) if !program.is_empty() => {
                Ok(Self::Program(std::iter::once(program).chain(rest).cloned().collect()))
            }
            _ => Err(InvalidCheckCommand),
        }
    }
}

impl std::fmt::Display for CheckCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shell(line) => f.write_str(line),
            Self::Program(argv) => f.write_str(&argv.join(" ")),
        }
    }
}

/// Linked specs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Specs {
    /// Whether the change has specs
    #[serde(default)]
    pub mode: SpecMode,
    /// Why it needs none
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Path of the requirements: `requirements.md` in a folder below `specs/changes` of the ledger
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<RepoPath>,
    /// Path of the design: `design.md` beside the requirements
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub design: Option<RepoPath>,
    /// Path of the tasks: `tasks.md` beside the requirements
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<RepoPath>,
    /// Path of the delta, where there is one: `delta.md` beside the requirements
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<RepoPath>,
}

impl Specs {
    /// The linked file of one kind.
    pub fn file(&self, kind: SpecKind) -> Option<&RepoPath> {
        match kind {
            SpecKind::Requirements => self.requirements.as_ref(),
            SpecKind::Design => self.design.as_ref(),
            SpecKind::Tasks => self.tasks.as_ref(),
            SpecKind::Delta => self.delta.as_ref(),
        }
    }

    /// The linked files, in a fixed order.
    pub fn files(&self) -> impl Iterator<Item = &RepoPath> {
        SpecKind::ALL.into_iter().filter_map(|kind| self.file(kind))
    }
}

/// Whether a change has specs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpecMode {
    /// It has none
    #[default]
    None,
    /// It has them
    Full,
}

/// A decision that the change rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Its name, unique in the ticket
    pub id: String,
    /// Whether it is made
    pub status: DecisionStatus,
    /// What was decided, or has to be
    pub decision: String,
    /// If true, no run starts until it is accepted
    #[serde(default)]
    pub blocks: bool,
    /// What it settles, in the words of the `[rules]` of steering packs. Where a pack says otherwise, no run starts
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<RuleKey, RuleValue>,
}

/// Whether a decision is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionStatus {
    /// Nobody has thought about it
    Unknown,
    /// Proposed, not accepted
    Proposed,
    /// Made
    Accepted,
    /// Replaced by another
    Superseded,
}

impl DecisionStatus {
    /// The word for it in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Proposed => "proposed",
            Self::Accepted => "accepted",
            Self::Superseded => "superseded",
        }
    }
}

/// Consent to exact actions that are denied by default. Nothing wider follows from any of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Dependencies that may be added, replaced or removed, and files that may name any
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
    /// Protected paths that may change
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
    /// Whether data migrations may be added, changed, removed and run
    #[serde(default)]
    pub migrations: bool,
    /// Whether the worker may use the network
    #[serde(default)]
    pub network: bool,
    /// Commands that may be run, each exactly as written
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

impl Grants {
    /// Whether they name this dependency. Registries take `-` and `_` for the same, some also case.
    pub fn names_dependency(&self, name: &str) -> bool {
        let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
        let name = plain(name);
        self.dependencies.iter().any(|granted| plain(granted) == name)
    }
}

/// Limits tighter than the policy's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketLimits {
    /// The most turns that a run may take
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_iterations: Option<u32>,
    /// The most tokens that a run may spend
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// How long a run may take
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wall: Option<Duration>,
    /// How long a turn may take
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_timeout: Option<Duration>,
    /// The most rounds of a run in mode `bounded_rounds`; 5 where it is not said
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20))]
    pub max_rounds: Option<u32>,
}

impl TicketLimits {
    /// The most rounds of a run that goes in rounds, where the ticket does not say so.
    pub const DEFAULT_ROUNDS: u32 = 5;

    /// The most rounds that a ticket may ask for.
    pub const MAX_ROUNDS: u32 = 20;
}

impl TicketFile {
    /// Reads `ticket.toml`. Refuses what is not valid TOML of this schema, and what contradicts itself: ids that occur
    /// twice, a check that proves an unknown item, a `standard` ticket without a scope.
    ///
    /// ```
    /// use counterfoil_ledger_core::TicketFile;
    /// let ticket = TicketFile::parse(b"title = \"Say hello\"\nmode = \"loop\"\n").unwrap();
    /// assert_eq!(ticket.title, "Say hello");
    /// let error = TicketFile::parse(b"titel = \"Say hello\"\n").unwrap_err();
    /// assert_eq!(error.hint.as_deref(), Some("did you mean `title`?"));
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let file: Self = read_toml(bytes)?;
        match file.contradiction() {
            None => Ok(file),
            Some((path, message)) => {
                let text = document_text(bytes)?;
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                let error = DocumentError::at(text, locate(text, &path), message);
                Err(match next_step_at(&path) {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                })
            }
        }
    }

    /// The first thing that the ticket says and cannot mean, with the key path where it says so.
    fn contradiction(&self) -> Option<(Vec<String>, String)> {
        let at = |path: &[&str], message: String| Some((path.iter().map(|p| (*p).to_owned()).collect(), message));
        if self.schema != 1 {
            return at(
                &["schema"],
                format!("this foil reads ticket format 1, not {}", self.schema),
            );
        }
        if let Some(message) = crate::title::broken_title(&self.title) {
            return at(&["title"], message.to_owned());
        }
        if let Some(index) =
            (1..self.experts.len()).find(|index| self.experts[..*index].contains(&self.experts[*index]))
        {
            let message = format!("the expert `{}` is named twice", self.experts[index]);
            return at(&["experts", &index.to_string()], message);
        }
        if self.mode.discipline().needs_experts && self.experts.is_empty() {
            let message = format!(
                "a ticket in mode `{}` must say in `experts` whose judgement it needs",
                self.mode.as_str()
            );
            return at(&["mode"], message);
        }
        if let Some(rounds) = self.limits.max_rounds {
            if !self.mode.discipline().goes_in_rounds {
                let message = format!("a ticket in mode `{}` does not go in rounds", self.mode.as_str());
                return at(&["limits", "max_rounds"], message);
            }
            let most = TicketLimits::MAX_ROUNDS;
            if !(1..=most).contains(&rounds) {
                let message = format!("there are 1 to {most} rounds, not {rounds}");
                return at(&["limits", "max_rounds"], message);
            }
        }
        for (index, item) in self.acceptance.iter().enumerate() {
            let place = index.to_string();
            if item.id.is_empty() || self.acceptance[..index].iter().any(|earlier| earlier.id == item.id) {
                let message = format!("acceptance id `{}` is empty or occurs twice", item.id);
                return at(&["acceptance", &place, "id"], message);
            }
        }
        let names_requirements = |item: &Acceptance| !item.requirements.is_empty();
        if let (SpecMode::None, Some(index)) = (self.specs.mode, self.acceptance.iter().position(names_requirements)) {
            let message = "an acceptance item is about requirements, and the ticket has no specs".to_owned();
            return at(&["acceptance", &index.to_string(), "requirements"], message);
        }
        for (index, check) in self.check.iter().enumerate() {
            let place = index.to_string();
            if let Err(error) = CheckCommand::new(check.run.as_deref(), check.argv.as_deref()) {
                return at(&["check", &place], error.to_string());
            }
            if check.name.is_empty() || self.check[..index].iter().any(|earlier| earlier.name == check.name) {
                let message = format!("check name `{}` is empty or occurs twice", check.name);
                return at(&["check", &place, "name"], message);
            }
            if let Some(unknown) = check
                .proves
                .iter()
                .find(|id| !self.acceptance.iter().any(|item| item.id == **id))
            {
                let message = format!("the check proves `{unknown}`, which is no acceptance item of this ticket");
                return at(&["check", &place, "proves"], message);
            }
        }
        for (index, decision) in self.decision.iter().enumerate() {
            if self.decision[..index].iter().any(|earlier| earlier.id == decision.id) {
                let message = format!("decision id `{}` occurs twice", decision.id);
                return at(&["decision", &index.to_string(), "id"], message);
            }
        }
        if self.specs.mode == SpecMode::Full {
            if self.mode.discipline().is_small {
                let message = format!(
                    "a ticket in mode `{}` has no specs: what needs them is not that small",
                    self.mode.as_str()
                );
                return at(&["specs", "mode"], message);
            }
            for kind in [SpecKind::Requirements, SpecKind::Design, SpecKind::Tasks] {
                if self.specs.file(kind).is_none() {
                    let message = format!("a ticket with specs names its `{kind}` in `[specs]`");
                    return at(&["specs", kind.as_str()], message);
                }
            }
        }
        if self.mode.discipline().needs_scope && self.scope.allowed.is_none() && !self.docs_only {
            let message = format!(
                "a ticket in mode `{}` must say in `[scope] allowed` what may change",
                self.mode.as_str()
            );
            return at(&["scope"], message);
        }
        if !self.mode.discipline().may_change {
            return self.changes_something();
        }
        None
    }

    /// What a ticket says that asks for an answer only, and that is about a change.
    fn changes_something(&self) -> Option<(Vec<String>, String)> {
        let Grants {
            dependencies,
            protected,
            migrations,
            network,
            ..
        } = &self.grants;
        let said = [
            (vec!["scope", "allowed"], self.scope.allowed.is_some()),
            (vec!["experts"], !self.experts.is_empty()),
            (
                vec!["check"],
                !self.check.is_empty() && !self.mode.discipline().owns_tickets,
            ),
            (vec!["docs_only"], self.docs_only),
            (vec!["specs", "mode"], self.specs.mode == SpecMode::Full),
            (vec!["grants", "dependencies"], !dependencies.is_empty()),
            (vec!["grants", "protected"], !protected.is_empty()),
            (vec!["grants", "migrations"], *migrations),
            (vec!["grants", "network"], *network),
        ];
        let (path, _) = said.into_iter().find(|(_, is_said)| *is_said)?;
        let key = path.join(".");
        let message = format!(
            "a ticket in mode `{}` changes nothing, so `{key}` means nothing in it",
            self.mode.as_str()
        );
        Some((path.into_iter().map(str::to_owned).collect(), message))
    }
}

/// What to do about a contradiction at this key path.
fn next_step_at(path: &[&str]) -> Option<&'static str> {
    match path {
        ["schema"] => Some("use the version of foil that wrote it, or write `schema = 1`"),
        ["title"] => Some("write one line, such as `title = \"Validate e-mail addresses\"`"),
        ["mode"] => Some("add such a line as `experts = [\"security\"]`, or use another mode"),
        ["limits", "max_rounds"] => Some("leave it out, or set `mode = \"bounded_rounds\"` and at most 20 rounds"),
        ["experts", _] => Some("name each one once"),
        [.., "id" | "name"] => Some("give each one a name of its own"),
        ["acceptance", _, "requirements"] => {
            Some("leave it out, or link the specs in `[specs]` with `mode = \"full\"`")
        }
        ["check", _, "proves"] => Some("name the id of an `[[acceptance]]` item"),
        ["check", _] => Some("write either `run = \"…\"` or `argv = […]`"),
        ["scope", "allowed"] | ["experts"] | ["check"] | ["docs_only"] | ["grants", _] => {
            Some("leave it out, or choose a mode in which files may change")
        }
        ["specs", "mode"] => Some("set `mode = \"standard\"` for the ticket, or `mode = \"none\"` in `[specs]`"),
        ["specs", _] => Some("`foil new --spec` writes all of them; the files lie below `specs/changes` of the ledger"),
        ["scope"] => Some("add `allowed = [\"src/auth/**\"]` to `[scope]`, or use `mode = \"loop\"`"),
        _ => None,
    }
}
