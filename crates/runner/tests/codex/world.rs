//! A place, a Codex home, a scripted model and an agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use counterfoil_runner::redact::Redactor;
use counterfoil_runner::{
    Access, Agent, AgentGuard, CodexAgentSettings, CodexAppServer, CodexExec, CodexHome, CodexProgram, HomeSettings,
    ProjectInstructions, Role, ThreadChoice, Turn, TurnEnd, TurnEvent, TurnOutcome, TurnRequest,
};
use ledger_core::{Activity, AgentFailureClass, ThreadId};
use tempfile::TempDir;
use testkit::model_server::{ModelScript, ModelServer};

/// Longer than anything here should take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which way of driving Codex a test takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackEnd {
    AppServer,
    Exec,
}

pub(crate) struct World {
    pub(crate) model: ModelServer,
    pub(crate) home: CodexHome,
    pub(crate) program: CodexProgram,
    pub(crate) place: PathBuf,
    root: TempDir,
    back_end: BackEnd,
}

/// What was seen of a turn.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) activities: Vec<Activity>,
    pub(crate) end: TurnEnd,
}

/// The program to test with.
pub(crate) fn codex_path() -> PathBuf {
    if let Some(path) = std::env::var_os("FOIL_TEST_CODEX") {
        return PathBuf::from(path);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("a target folder");
    target.join("codex/0.169.0/vendor/x86_64-unknown-linux-musl/bin/codex")
}

/// A folder of this test's own, outside of `/tmp`, where Codex' sandbox behaves as it does for users.
pub(crate) fn scratch() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

impl World {
    pub(crate) async fn new(back_end: BackEnd, script: ModelScript) -> Self {
        Self::with_retries(back_end, script, 0).await
    }

    pub(crate) async fn with_retries(back_end: BackEnd, script: ModelScript, retries: u32) -> Self {
        let program = CodexProgram::find(codex_path().to_str().unwrap(), None)
            .await
            .expect("needs Codex: run `cargo xtask e2e`");
        let root = scratch();
        let place = root.path().join("work");
        make_repository(&place);
        let model = ModelServer::start(script).await.unwrap();
        let settings = HomeSettings {
            login_from: None,
            config: model.codex_config("gpt-5.5", retries),
        };
        let home = CodexHome::prepare(&root.path().join("codex-home"), &settings).unwrap();
        Self {
            model,
            home,
            program,
            place,
            root,
            back_end,
        }
    }

    /// A new agent, as after a restart of the runner.
    pub(crate) fn agent(&self) -> Box<dyn Agent> {
        let settings = CodexAgentSettings {
            program: self.program.clone(),
            home: self.home.clone(),
            env: BTreeMap::from([("MOCK_API_KEY".to_owned(), "mock-key-value".to_owned())]),
            guard: AgentGuard {
                program: crate::common::guard(),
                records: self.root.path().join("guards"),
            },
        };
        match self.back_end {
            BackEnd::AppServer => Box::new(CodexAppServer::new(settings)),
            BackEnd::Exec => Box::new(CodexExec::new(settings)),
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.path().join("agent.jsonl")
    }

    /// A writer's turn with this label.
    pub(crate) fn request(&self, label: &str, prompt: &str) -> TurnRequest {
        TurnRequest {
            label: label.to_owned(),
            role: Role::Writer,
            place: self.place.clone(),
            thread: ThreadChoice::Fresh,
            prompt: format!("{prompt}\n\nTurn label: `{label}`\n"),
            answer_schema: schema(),
            access: Access::Write,
            network: false,
            model: None,
            effort: None,
            instructions: ProjectInstructions::On,
            config: serde_json::Map::new(),
            env: BTreeMap::new(),
            log: self.log(),
            redactor: Redactor::default(),
        }
    }
}

/// A schema as Structured Outputs want it.
fn schema() -> serde_json::Value {
    serde_json::json!({
        "type": "object",
        "properties": { "turn": { "type": "string" } },
        "required": ["turn"],
        "additionalProperties": false,
    })
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn make_repository(place: &Path) {
    std::fs::create_dir_all(place).unwrap();
    git(place, &["init", "--quiet"]);
    std::fs::write(place.join("README"), "a place\n").unwrap();
    git(place, &["add", "README"]);
    git(place, &["commit", "--quiet", "-m", "begin"]);
}

/// Takes a turn to its end.
pub(crate) async fn take(agent: &mut Box<dyn Agent>, request: TurnRequest) -> Seen {
    let turn = agent.start_turn(request);
    finish(turn, Vec::new()).await
}

/// Takes what is left of a turn.
pub(crate) async fn finish(mut turn: Turn, mut activities: Vec<Activity>) -> Seen {
    let end = async {
        loop {
            match turn.events.recv().await.expect("a turn ends with its end") {
                TurnEvent::Activity(activity) => activities.push(activity),
                TurnEvent::Ended(end) => break end,
            }
        }
    };
    let end = tokio::time::timeout(PATIENCE, end).await.expect("the turn ends");
    assert!(turn.events.recv().await.is_none(), "nothing follows the end");
    Seen { activities, end }
}

/// Takes events until one fits.
pub(crate) async fn until(turn: &mut Turn, fits: impl Fn(&Activity) -> bool) -> Vec<Activity> {
    let mut activities = Vec::new();
    let found = async {
        loop {
            match turn.events.recv().await.expect("the turn goes on") {
                TurnEvent::Activity(activity) => {
                    activities.push(activity);
                    if activities.last().is_some_and(&fits) {
                        break;
                    }
                }
                TurnEvent::Ended(end) => panic!("the turn ended: {end:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the activity comes");
    activities
}

impl Seen {
    pub(crate) fn answer(&self) -> &str {
        match &self.end.outcome {
            TurnOutcome::Completed { answer } => answer,
            other => panic!("not completed: {other:?}\n{:#?}", self.activities),
        }
    }

    pub(crate) fn class(&self) -> AgentFailureClass {
        match &self.end.outcome {
            TurnOutcome::Failed(failure) => failure.class,
            other => panic!("not failed: {other:?}\n{:#?}", self.activities),
        }
    }

    pub(crate) fn thread(&self) -> ThreadId {
        self.end.thread.clone().expect("a conversation")
    }

    /// Whether the conversation was resumed.
    pub(crate) fn resumed(&self) -> bool {
        let resumed = self.activities.iter().find_map(|activity| match activity {
            Activity::ThreadStarted { resumed, .. } => Some(*resumed),
            _ => None,
        });
        resumed.expect("a conversation")
    }

    pub(crate) fn commands(&self) -> Vec<&str> {
        let commands = self.activities.iter().filter_map(|activity| match activity {
            Activity::CommandStarted { command, .. } => Some(command.as_str()),
            _ => None,
        });
        commands.collect()
    }
}

/// The processes whose command line has these words.
pub(crate) fn processes_with(words: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may end while it is looked at.
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(words) && pid != std::process::id() {
            found.push(pid);
        }
    }
    found
}

/// Waits until no process has these words in its command line.
pub(crate) async fn no_process_with(words: &str, limit: Duration) {
    let gone = async {
        while !processes_with(words).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = tokio::time::timeout(limit, gone).await;
    assert!(gone.is_ok(), "left over: {:?}", processes_with(words));
}

/// Makes one test for each way of driving Codex out of `async fn name(back_end: BackEnd)`.
macro_rules! through_both {
    ($($name:ident),+ $(,)?) => {
        mod through_app_server {
            $(
                #[tokio::test]
                #[ignore = "needs Codex: cargo xtask e2e"]
                async fn $name() {
                    super::$name(crate::world::BackEnd::AppServer).await;
                }
            )+
        }
        mod through_exec {
            $(
                #[tokio::test]
                #[ignore = "needs Codex: cargo xtask e2e"]
                async fn $name() {
                    super::$name(crate::world::BackEnd::Exec).await;
                }
            )+
        }
    };
}
pub(crate) use through_both;
