//! Setting up a repository: policy, ledger folder, protocols, templates and schemas. Nothing that is there is overwritten.

mod detect;

use ledger_core::{Mode, RepoPath, schemas};
use policy::{Policy, policy_schema};

pub use detect::{DetectedCheck, detect_checks};

use crate::beneath::{Created, WriteError, create_beneath, make_folder, read_beneath, replace_beneath};
use crate::ledger::{FileProblem, join};
use crate::moment::Moment;
use crate::seal::{PLACE, sealed};
use crate::trust::TrustError;
use crate::workspace::{PolicyFile, Workspace, WorkspaceError, repository_id};

/// What `init` is asked for.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The model to name in the policy; none: the one that Codex chooses.
    pub model: Option<String>,
    /// The repository's name; none: taken from the remote where there is one.
    pub repository: Option<String>,
    /// Whether a file for what later tickets should know is made too.
    pub memory: bool,
}

/// What `init` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialized {
    /// Each file, in the order of writing.
    pub files: Vec<InitFile>,
    /// The checks that the policy has, where it was written now.
    pub checks: Vec<DetectedCheck>,
    /// Whether the policy that was written is trusted now. A policy that was there is not: read it first.
    pub trusted: bool,
}

/// What was done about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitFile {
    /// The file.
    pub path: RepoPath,
    /// What was done about it.
    pub done: InitDone,
}

/// What was done about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InitDone {
    /// It is new.
    Created,
    /// It was there and is as it was.
    Kept,
    /// A section was added at its end.
    Extended,
}

/// A repository cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The workspace cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The values that were given do not make a policy.
    #[error("these options do not make a policy: {problem}")]
    Options {
        /// Why.
        problem: FileProblem,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A schema has no JSON form.
    #[error("the schema `{name}` cannot be written: {reason}")]
    Schema {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The trust store cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

const BEGIN: &str = "<!-- counterfoil:begin -->";

/// The template that `foil new` starts from where the ledger has none for this mode.
pub fn built_in_template(mode: Mode) -> &'static str {
    match mode {
        Mode::Loop => include_str!("init/files/templates/loop.toml"),
        Mode::Quick => include_str!("init/files/templates/quick.toml"),
        Mode::Parent => include_str!("init/files/templates/parent.toml"),
        Mode::Research => include_str!("init/files/templates/research.toml"),
        Mode::Expert => include_str!("init/files/templates/expert.toml"),
        _ => include_str!("init/files/templates/standard.toml"),
    }
}

/// Every schema by name, in alphabetical order, as indented JSON with a final newline.
pub fn schema_texts() -> Result<Vec<(&'static str, String)>, InitError> {
    let mut all = schemas();
    all.push(("policy", policy_schema()));
    all.sort_by_key(|(name, _)| *name);
    all.into_iter()
        .map(|(name, schema)| {
            let text = serde_json::to_string_pretty(&schema).map_err(|error| InitError::Schema {
                name: name.to_owned(),
                reason: error.to_string(),
            })?;
            Ok((name, text + "\n"))
        })
        .collect()
}

/// The schema as it is written for editors: with the digest of itself, by which one that nobody changed is known.
pub(crate) fn schema_for_editors(text: &str) -> String {
    let comment =
        format!("  \"$comment\": \"Written by foil ({PLACE}). Change it and it is yours: it is left alone then.\",\n");
    match text.split_once("{\n") {
        Some((before, rest)) => sealed(&format!("{before}{{\n{comment}{rest}")),
        None => text.to_owned(),
    }
}

/// Writes what is not there yet, and trusts the policy if it was written now.
pub fn init(workspace: &Workspace, options: &InitOptions, moment: Moment) -> Result<Initialized, InitError> {
    let root = workspace.repository().work_dir();
    let policy_file = workspace.policy_file();
    let (policy_text, checks) = match &policy_file.bytes {
        Some(_) => (None, Vec::new()),
        None => {
            // What is there and cannot be read is somebody's policy all the same.
            workspace.policy()?;
            let checks = detect_checks(root);
            (Some(policy_text(workspace, options, &checks)?), checks)
        }
    };
    let dir = match &policy_text {
        Some(_) => Policy::default().ledger.dir.path().clone(),
        None => workspace.policy()?.ledger.dir.path().clone(),
    };
    let mut files = Vec::new();
    let mut write = |path: RepoPath, text: &str| -> Result<InitDone, InitError> {
        let done = match create_beneath(root, &path, text.as_bytes())? {
            Created::New => InitDone::Created,
            Created::Exists => InitDone::Kept,
        };
        files.push(InitFile { path, done });
        Ok(done)
    };
    let policy_done = match &policy_text {
        Some(text) => write(PolicyFile::path(), text)?,
        None => InitDone::Kept,
    };
    let below = |path: &str| join(&dir, path).unwrap_or_else(|| dir.clone());
    for (path, text) in [
        ("README.md", include_str!("init/files/README.md")),
        (
            "EXECUTION_PROTOCOL.md",
            include_str!("init/files/EXECUTION_PROTOCOL.md"),
        ),
        ("REVIEW_PROTOCOL.md", include_str!("init/files/REVIEW_PROTOCOL.md")),
        ("templates/standard.toml", built_in_template(Mode::Standard)),
        ("templates/quick.toml", built_in_template(Mode::Quick)),
        ("templates/loop.toml", built_in_template(Mode::Loop)),
        ("templates/research.toml", built_in_template(Mode::Research)),
        ("templates/parent.toml", built_in_template(Mode::Parent)),
    ] {
        write(below(path), text)?;
    }
    for (name, text) in schema_texts()? {
        write(
            below(&format!("schemas/{name}.schema.json")),
            &schema_for_editors(&text),
        )?;
    }
    if options.memory
        && let Ok(path) = "agent/memory.md".parse()
    {
        write(path, "# What later tickets should know\n")?;
    }
    make_folder(root, &below("tickets"))?;
    if policy_text.is_none() {
        let path = PolicyFile::path();
        files.insert(
            0,
            InitFile {
                path,
                done: InitDone::Kept,
            },
        );
    }
    files.push(agents_section(workspace, &dir)?);
    let trusted = match (&policy_text, policy_done) {
        (Some(text), InitDone::Created) => {
            let digest = Policy::digest(Some(text.as_bytes()));
            let store = workspace.trust_store();
            store.trust(workspace.repository().common_dir(), digest, moment.at)?;
            true
        }
        _ => false,
    };
    Ok(Initialized { files, checks, trusted })
}

fn policy_text(workspace: &Workspace, options: &InitOptions, checks: &[DetectedCheck]) -> Result<String, InitError> {
    let quoted = |text: &str| toml_edit::Value::from(text).to_string().trim().to_owned();
    let remotes = workspace.repository().remotes().map_err(WorkspaceError::from)?;
    let id = match &options.repository {
        Some(id) => Some(id.clone()),
        None => Some(repository_id(&Policy::default(), &remotes)?).filter(|id| id.contains('/')),
    };
    let repository = match id {
        Some(id) => format!("\n[repository]\nid = {}\n", quoted(&id)),
        None => String::new(),
    };
    let model = match &options.model {
        Some(model) => format!("model = {}\n", quoted(model)),
        None => "# model = \"…\"              # absent: the one that Codex chooses\n".to_owned(),
    };
    let checks: String = checks
        .iter()
        .map(|check| {
            format!(
                "[[check]]\nname = {}\nrun = {}\n\n",
                quoted(&check.name),
                quoted(&check.run)
            )
        })
        .collect();
    let text = include_str!("init/files/counterfoil.toml")
        .replace("{schema}", "ledger/schemas/policy.schema.json")
        .replace("{repository}{ledger}", &repository)
        .replace("{model}", &model)
        .replace("{checks}", checks.trim_end())
        .replace("\n\n\n", "\n\n");
    // Whatever was given as an option must not make a file that foil itself refuses.
    Policy::parse(text.as_bytes()).map_err(|error| InitError::Options { problem: error.into() })?;
    Ok(text)
}

/// Adds our section to AGENTS.md, at its end. A file that has one, that is a link, or that is no text is left as it is.
fn agents_section(workspace: &Workspace, dir: &RepoPath) -> Result<InitFile, InitError> {
    let root = workspace.repository().work_dir();
    let section = include_str!("init/files/AGENTS-section.md").replace("{ledger}", &dir.to_string());
    let path = join_root("AGENTS.md").unwrap_or_else(|| dir.clone());
    let done = match read_beneath(root, &path) {
        Err(FileProblem::Missing) => match create_beneath(root, &path, section.as_bytes())? {
            Created::New => InitDone::Created,
            Created::Exists => InitDone::Kept,
        },
        Err(_) => InitDone::Kept,
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) if !text.contains(BEGIN) => {
                let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
                let gap = match text {
                    "" => "",
                    text if text.ends_with('\n') => "\n",
                    _ => "\n\n",
                };
                let added = format!("{gap}{section}").replace('\n', line_end);
                replace_beneath(root, &path, format!("{text}{added}").as_bytes())?;
                InitDone::Extended
            }
            _ => InitDone::Kept,
        },
    };
    Ok(InitFile { path, done })
}

fn join_root(name: &str) -> Option<RepoPath> {
    name.parse().ok()
}
