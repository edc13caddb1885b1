//! The format of a script.

use std::path::{Component, Path, PathBuf};

use ledger_core::{AgentFailure, TokenCount};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::agent::{Access, Role, TurnRequest};

/// A file that is no script, or a folder without any.
#[derive(Debug, thiserror::Error)]
pub enum InvalidScript {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder has no `*.toml`.
    #[error("{} holds no script (a file that ends in .toml)", folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// It is not of the format.
    #[error("{} is not a script: {reason}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// What an agent does in one turn.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    #[serde(skip)]
    name: String,
    #[serde(default)]
    role: ScriptRole,
    turn: Option<u32>,
    prompt_contains: Option<String>,
    #[serde(default)]
    tokens: Tokens,
    #[serde(default, rename = "step")]
    steps: Vec<Step>,
    answer: Option<Answer>,
    end: Option<EndTable>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScriptRole {
    Planner,
    Expert,
    Curator,
    Advisor,
    Writer,
    Reviewer,
    #[default]
    Any,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    #[serde(default)]
    input: u64,
    #[serde(default)]
    cached_input: u64,
    #[serde(default)]
    output: u64,
}

/// One thing that the agent does.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    /// Writes a file, with its folders.
    Write { path: InPlace, text: String },
    /// Adds to a file.
    Append { path: InPlace, text: String },
    /// Deletes a file, a link, or a folder with all that it holds.
    Delete { path: InPlace },
    /// Renames.
    Rename { path: InPlace, to: InPlace },
    /// Changes the permissions, in octal.
    Chmod { path: InPlace, mode: String },
    /// Makes a symbolic link with any target.
    Symlink { path: InPlace, target: String },
    /// Runs a shell command in the place, without a sandbox. A status other than zero fails the turn unless
    /// `may_fail` is set.
    Run {
        command: String,
        #[serde(default)]
        may_fail: bool,
    },
    /// Says something, once or more often. `{n}` stands for how often it was said by then.
    Message {
        text: String,
        #[serde(default = "once")]
        times: u32,
    },
    /// Warns.
    Warning { text: String },
    /// Claims to have run a command, without running it.
    Command {
        command: String,
        #[serde(default)]
        exit_code: i32,
    },
    /// Claims that a request to the model is being made again.
    Retry { reason: String },
    /// Claims to have asked for an approval.
    Decline { request: String, about: String },
    /// Waits.
    Wait { milliseconds: u64 },
}

fn once() -> u32 {
    1
}

/// A path below the place.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct InPlace(PathBuf);

impl TryFrom<String> for InPlace {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        let inside = Path::new(&path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if path.is_empty() || !inside {
            return Err(format!(
                "`{path}` is not a path below the place; use `run` to reach elsewhere"
            ));
        }
        Ok(Self(PathBuf::from(path)))
    }
}

impl InPlace {
    pub(super) fn below(&self, place: &Path) -> PathBuf {
        place.join(&self.0)
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.0
    }
}

/// The agent's final answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    /// Anything.
    Text(String),
    /// A worker's report.
    Report(Map<String, Value>),
    /// A reviewer's answer.
    Review(Map<String, Value>),
    /// A planner's answer.
    Plan(Map<String, Value>),
    /// A planner's answer to a goal.
    GoalPlan(Map<String, Value>),
    /// An advisor's answer.
    Advice(Map<String, Value>),
    /// An expert's answer.
    Expert(Map<String, Value>),
    /// A curator's answer.
    Curation(Map<String, Value>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum EndTable {
    Fail(AgentFailure),
    Never(bool),
}

/// How a script ends.
pub(super) enum End<'a> {
    Answer(&'a Answer),
    Fail(&'a AgentFailure),
    Never,
}

impl Script {
    /// Every script of the folder, by name.
    pub(super) fn load_all(folder: &Path) -> Result<Vec<Self>, InvalidScript> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| InvalidScript::Unreadable { path, source }
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(InvalidScript::Empty {
                folder: folder.to_owned(),
            });
        }
        paths.sort();
        let mut scripts = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let script = Self::parse(&text, name).map_err(|reason| InvalidScript::Shape { path, reason })?;
            scripts.push(script);
        }
        for (role, name, answer) in [
            (ScriptRole::Planner, "the plain plan", Answer::Plan(Map::new())),
            (ScriptRole::Expert, "the plain expert", Answer::Expert(Map::new())),
            (ScriptRole::Curator, "nothing to note", Answer::Curation(Map::new())),
            (ScriptRole::Advisor, "the plain end", Answer::Advice(done())),
        ] {
            if scripts.iter().all(|script| script.role != role) {
                if role == ScriptRole::Advisor {
                    let first = Self::plain(role, "the plain task", Answer::Advice(Map::new()));
                    scripts.push(Self { turn: Some(1), ..first });
                }
                scripts.push(Self::plain(role, name, answer));
            }
        }
        Ok(scripts)
    }

    /// What is answered where no script is of a role that a run may do without: the least that it can say.
    fn plain(role: ScriptRole, name: &str, answer: Answer) -> Self {
        Self {
            name: name.to_owned(),
            role,
            turn: None,
            prompt_contains: None,
            tokens: Tokens::default(),
            steps: Vec::new(),
            answer: Some(answer),
            end: None,
        }
    }

    fn parse(text: &str, name: String) -> Result<Self, String> {
        let mut script: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        script.name = name;
        match (&script.answer, &script.end) {
            (Some(_), Some(_)) => Err("it has both an `answer` and an `end`".to_owned()),
            (None, None) => Err("it has neither an `answer` nor an `end`".to_owned()),
            (_, Some(EndTable::Never(false))) => Err("`never` can only be true".to_owned()),
            _ => Ok(script),
        }
    }

    pub(super) fn fits(&self, request: &TurnRequest, number: u32) -> bool {
        let role = match self.role {
            // A script that was made for no role in particular is none of theirs: what it does would be done before its time.
            ScriptRole::Any => matches!(request.role, Role::Writer | Role::Reviewer),
            ScriptRole::Planner => request.role == Role::Planner,
            ScriptRole::Expert => request.role == Role::Expert,
            ScriptRole::Advisor => request.role == Role::Advisor,
            ScriptRole::Writer => request.access == Access::Write,
            ScriptRole::Curator => request.role == Role::Curator,
            ScriptRole::Reviewer => {
                request.access == Access::ReadOnly && matches!(request.role, Role::Writer | Role::Reviewer)
            }
        };
        role && self.turn.is_none_or(|turn| turn == number)
            && self
                .prompt_contains
                .as_ref()
                .is_none_or(|words| request.prompt.contains(words))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(super) fn tokens(&self) -> TokenCount {
        let Tokens {
            input,
            cached_input,
            output,
        } = self.tokens;
        TokenCount {
            input,
            cached_input,
            output,
            total: input.saturating_add(output),
        }
    }

    pub(super) fn end(&self) -> End<'_> {
        match (&self.answer, &self.end) {
            (Some(answer), _) => End::Answer(answer),
            (None, Some(EndTable::Fail(failure))) => End::Fail(failure),
            // `parse` refuses a script without an end.
            (None, _) => End::Never,
        }
    }
}

impl Answer {
    /// The answer's text, with the turn's label.
    pub(super) fn text(&self, label: &str) -> String {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::Report(fields) => filled(
                json!({
                    "turn": "{turn}", "status": "done", "summary": "", "commands": [], "skipped_checks": [],
                    "deviations": [], "risks": [], "memory": [],
                    "self_review": { "checked": [], "concerns": [] },
                    "wanted_grants": [], "question": [], "blocked_because": "", "next_ticket": "",
                }),
                fields,
            ),
            Self::Plan(fields) => filled(
                json!({
                    "turn": "{turn}", "status": "planned", "approach": "as the ticket says", "steps": [], "files": [],
                    "proof": ["the checks"], "stop_conditions": ["the ticket is wrong"], "risks": [], "wanted_grants": [],
                    "blocked_because": "",
                }),
                fields,
            ),
            Self::GoalPlan(fields) => filled(
                json!({
                    "turn": "{turn}", "status": "planned", "title": "A goal", "approach": "one after the other", "tickets": [],
                    "assumptions": [], "questions": [], "blocked_because": "",
                }),
                fields,
            ),
            Self::Advice(fields) => filled(
                json!({
                    "turn": "{turn}", "next": "task", "what": "as the ticket says", "files": [], "proof": ["the checks"], "why": "",
                }),
                fields,
            ),
            Self::Expert(fields) => filled(
                json!({
                    "turn": "{turn}", "recommendation": "proceed", "summary": "looked at it", "findings": [],
                    "required_proof": [], "next_action": "",
                }),
                fields,
            ),
            Self::Curation(fields) => filled(json!({ "turn": "{turn}", "notes": [], "handoff": "" }), fields),
            Self::Review(fields) => filled(
                json!({
                    "turn": "{turn}", "verdict": "pass", "summary": "looked at it", "inspected": ["the change"],
                    "findings": usual_findings(fields), "weakened_tests": [], "residual_risks": [], "next_action": "",
                }),
                fields,
            ),
        };
        text.replace("{turn}", label)
    }
}

/// An advisor that is content.
fn done() -> Map<String, Value> {
    [("next".to_owned(), Value::from("done"))].into_iter().collect()
}

/// What a reviewer finds who only says that it fails: an answer that names nothing is none.
fn usual_findings(fields: &Map<String, Value>) -> Value {
    if fields.get("verdict") != Some(&Value::from("fail")) {
        return json!([]);
    }
    let summary = fields.get("summary").and_then(Value::as_str).unwrap_or_default();
    json!([{
        "severity": "high", "place": "the change", "expected": "what the ticket asks for",
        "actual": if summary.is_empty() { "it is not there" } else { summary }, "required_repair": "do what the ticket asks for",
    }])
}

/// The usual fields, with these in their place.
fn filled(mut usual: Value, fields: &Map<String, Value>) -> String {
    if let Some(usual) = usual.as_object_mut() {
        usual.extend(fields.clone());
    }
    usual.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, String> {
        Script::parse(text, "test.toml".to_owned())
    }

    #[test]
    fn answers_are_reports_and_reviews_of_this_turn() {
        let script = parse("[answer]\nreport = { status = \"blocked\", blocked_because = \"no key\" }").unwrap();
        let End::Answer(answer) = script.end() else {
            panic!("no answer")
        };
        let report = ledger_core::Report::parse(&answer.text("run-1/2"), "run-1/2").unwrap();
        assert_eq!(report.blocked_because, "no key");

        let script = parse("[answer]\nreview = { verdict = \"fail\" }").unwrap();
        let End::Answer(answer) = script.end() else {
            panic!("no answer")
        };
        let review = ledger_core::Review::parse(&answer.text("r"), "r").unwrap();
        assert_eq!(review.verdict, ledger_core::Verdict::Fail);
        assert_eq!(review.findings.len(), 1);
    }

    #[test]
    fn mistakes_in_scripts_are_named() {
        let cases = [
            ("", "neither"),
            ("[answer]\ntext = \"a\"\n[end]\nnever = true", "both"),
            ("[end]\nnever = false", "never"),
            ("colour = 1\n[end]\nnever = true", "colour"),
            ("[[step]]\ndo = \"dance\"\n[end]\nnever = true", "dance"),
            (
                "[[step]]\ndo = \"delete\"\npath = \"../a\"\n[end]\nnever = true",
                "below the place",
            ),
            (
                "[[step]]\ndo = \"delete\"\npath = \"/a\"\n[end]\nnever = true",
                "below the place",
            ),
            (
                "[[step]]\ndo = \"delete\"\npath = \"a\"\nx = 1\n[end]\nnever = true",
                "x",
            ),
        ];
        for (text, word) in cases {
            let reason = parse(text).expect_err(text);
            assert!(reason.contains(word), "{text}: {reason}");
        }
    }
}
