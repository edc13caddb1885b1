//! The agent that does what files say.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use counterfoil_runner::redact::Redactor;
use counterfoil_runner::{
    Access, Agent, AgentGuard, InvalidScript, ProjectInstructions, Role, ScriptedAgent, ThreadChoice, Turn, TurnEnd,
    TurnEvent, TurnOutcome, TurnRequest, recover_turn,
};
use ledger_core::{Activity, AgentFailureClass, Report, Review};

struct World {
    folder: PathBuf,
}

impl World {
    /// A folder with these scripts, by name, and an empty place.
    fn new(name: &str, scripts: &[(&str, &str)]) -> Self {
        let folder = common::folder(name);
        std::fs::create_dir(folder.join("work")).unwrap();
        std::fs::create_dir(folder.join("scripts")).unwrap();
        for (name, text) in scripts {
            std::fs::write(folder.join("scripts").join(name), text).unwrap();
        }
        Self { folder }
    }

    fn load(&self) -> Result<ScriptedAgent, InvalidScript> {
        let guard = AgentGuard {
            program: common::guard(),
            records: self.folder.join("guards"),
        };
        ScriptedAgent::load(&self.folder.join("scripts"), guard)
    }

    fn agent(&self) -> Box<dyn Agent> {
        Box::new(self.load().unwrap())
    }

    fn place(&self) -> PathBuf {
        self.folder.join("work")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("agent.jsonl")
    }

    fn request(&self, label: &str, access: Access) -> TurnRequest {
        TurnRequest {
            label: label.to_owned(),
            role: Role::Writer,
            place: self.place(),
            thread: ThreadChoice::Fresh,
            prompt: format!("ticket 0001-hello, {label}"),
            answer_schema: serde_json::json!({}),
            access,
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

async fn finish(mut turn: Turn) -> (Vec<Activity>, TurnEnd) {
    let mut activities = Vec::new();
    let end = async {
        loop {
            match turn.events.recv().await.expect("an end") {
                TurnEvent::Activity(activity) => activities.push(activity),
                TurnEvent::Ended(end) => break end,
            }
        }
    };
    let end = tokio::time::timeout(Duration::from_secs(60), end)
        .await
        .expect("the turn ends");
    (activities, end)
}

fn answer(end: &TurnEnd) -> &str {
    match &end.outcome {
        TurnOutcome::Completed { answer } => answer,
        other => panic!("not completed: {other:?}"),
    }
}

#[tokio::test]
async fn every_step_does_what_it_says() {
    let script = r#"
        tokens = { input = 1200, output = 300 }
        step = [
            { do = "write", path = "a/one.txt", text = "one {turn}\n" },
            { do = "append", path = "a/one.txt", text = "more\n" },
            { do = "write", path = "two.txt", text = "two" },
            { do = "rename", path = "two.txt", to = "b/three.txt" },
            { do = "chmod", path = "b/three.txt", mode = "755" },
            { do = "symlink", path = "link", target = "/etc/passwd" },
            { do = "write", path = "gone.txt", text = "" },
            { do = "delete", path = "gone.txt" },
            { do = "run", command = "pwd > pwd.txt; echo $SEEN >> pwd.txt" },
            { do = "run", command = "exit 7", may_fail = true },
            { do = "command", command = "git push", exit_code = 1 },
            { do = "message", text = "working on {turn}" },
            { do = "warning", text = "careful" },
            { do = "retry", reason = "slow" },
            { do = "decline", request = "item/tool/requestUserInput", about = "which?" },
        ]
        [answer]
        report = { summary = "did {turn}" }
    "#;
    let world = World::new("steps", &[("turn.toml", script)]);
    let mut agent = world.agent();
    let mut request = world.request("r/1", Access::Write);
    request.env.insert("SEEN".to_owned(), "by the command".to_owned());
    let (activities, end) = finish(agent.start_turn(request)).await;
    let report = Report::parse(answer(&end), "r/1").unwrap();
    assert_eq!(report.summary, "did r/1");
    assert_eq!(end.tokens.total, 1500);

    let read = |path: &str| std::fs::read_to_string(world.place().join(path)).unwrap();
    assert_eq!(read("a/one.txt"), "one r/1\nmore\n");
    assert_eq!(read("b/three.txt"), "two");
    let mode = std::fs::metadata(world.place().join("b/three.txt"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    assert_eq!(
        std::fs::read_link(world.place().join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert!(!world.place().join("gone.txt").exists());
    assert_eq!(
        read("pwd.txt"),
        format!("{}\nby the command\n", world.place().display())
    );

    let commands: Vec<&str> = activities
        .iter()
        .filter_map(|activity| match activity {
            Activity::CommandStarted { command, .. } => Some(command.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(commands, ["pwd > pwd.txt; echo $SEEN >> pwd.txt", "exit 7", "git push"]);
    for expected in [
        Activity::Message {
            text: "working on r/1".to_owned(),
        },
        Activity::Warning {
            message: "careful".to_owned(),
        },
        Activity::Retrying {
            reason: "slow".to_owned(),
        },
        Activity::RequestDeclined {
            request: "item/tool/requestUserInput".to_owned(),
            about: "which?".to_owned(),
        },
        Activity::Tokens { spent: end.tokens },
    ] {
        assert!(activities.contains(&expected), "{expected:?} in {activities:?}");
    }
    assert_eq!(recover_turn(&world.log(), "r/1").unwrap(), Some(end));
    agent.close().await;
}

#[tokio::test]
async fn scripts_are_chosen_by_role_turn_and_prompt() {
    let text = |text: &str| format!("[answer]\ntext = \"{text}\"\n");
    let world = World::new(
        "choice",
        &[
            ("1.toml", &format!("role = \"writer\"\nturn = 2\n{}", text("second"))),
            (
                "2.toml",
                &format!(
                    "role = \"writer\"\nprompt_contains = \"0002\"\n{}",
                    text("other ticket")
                ),
            ),
            ("3.toml", &format!("role = \"writer\"\n{}", text("any turn"))),
            (
                "4.toml",
                "role = \"reviewer\"\n[answer]\nreview = { verdict = \"fail\" }\n",
            ),
            ("notes.txt", "no script"),
        ],
    );
    let mut agent = world.agent();
    let (_, end) = finish(agent.start_turn(world.request("r/1", Access::Write))).await;
    assert_eq!(answer(&end), "any turn");
    let (_, end) = finish(agent.start_turn(world.request("v/1", Access::ReadOnly))).await;
    Review::parse(answer(&end), "v/1").unwrap();
    agent.close().await;

    // Another runner counts on from the log.
    let mut agent = world.agent();
    let (_, second) = finish(agent.start_turn(world.request("r/2", Access::Write))).await;
    assert_eq!(answer(&second), "second");
    let mut request = world.request("r/3", Access::Write);
    request.prompt = "ticket 0002".to_owned();
    request.thread = ThreadChoice::Resume(second.thread.clone().unwrap());
    let (_, end) = finish(agent.start_turn(request)).await;
    assert_eq!(answer(&end), "other ticket");
    assert_eq!(end.thread, second.thread);
    agent.close().await;
}

#[tokio::test]
async fn failures_are_those_of_the_script() {
    let world = World::new(
        "failures",
        &[
            (
                "1.toml",
                "turn = 1\n[end]\nfail = { class = \"rate_limited\", message = \"slow down\" }\n",
            ),
            (
                "2.toml",
                "turn = 2\nstep = [{ do = \"run\", command = \"exit 3\" }]\n[answer]\ntext = \"no\"\n",
            ),
        ],
    );
    let mut agent = world.agent();
    for (label, class, words) in [
        ("r/1", AgentFailureClass::RateLimited, "slow down"),
        ("r/2", AgentFailureClass::Other, "step 1 of `2.toml`"),
        ("r/3", AgentFailureClass::Other, "no script fits"),
    ] {
        let (_, end) = finish(agent.start_turn(world.request(label, Access::Write))).await;
        let TurnOutcome::Failed(failure) = end.outcome else {
            panic!("{label}")
        };
        assert_eq!(failure.class, class, "{label}");
        assert!(failure.message.contains(words), "{}", failure.message);
    }
    agent.close().await;
}

#[tokio::test]
async fn an_interrupt_ends_waits_commands_and_turns_that_never_end() {
    let word = common::unique_word("scripted");
    let command =
        format!("[[step]]\ndo = \"run\"\ncommand = \"sh -c 'sleep 1000; true' {word}\"\n[answer]\ntext = \"no\"\n");
    let cases = [
        ("never", "[end]\nnever = true\n"),
        (
            "wait",
            "[[step]]\ndo = \"wait\"\nmilliseconds = 1000000\n[answer]\ntext = \"no\"\n",
        ),
        ("command", command.as_str()),
    ];
    for (name, script) in cases {
        let world = World::new(name, &[("turn.toml", script)]);
        let mut agent = world.agent();
        let mut turn = agent.start_turn(world.request("r/1", Access::Write));
        assert!(matches!(turn.events.recv().await, Some(TurnEvent::Activity(_))));
        turn.interrupt();
        let (_, end) = finish(turn).await;
        assert_eq!(end.outcome, TurnOutcome::Interrupted, "{name}");
        assert_eq!(common::census(&word), [0; 0], "{name}");
        agent.close().await;
    }
}

#[tokio::test]
async fn what_a_command_leaves_behind_ends_with_it() {
    let word = common::unique_word("daemon");
    let script = format!(
        "[[step]]\ndo = \"run\"\ncommand = \"setsid sh -c 'trap \\\"\\\" TERM; while :; do sleep 1000; done' {word} &\"\n[answer]\ntext = \"left\"\n"
    );
    let world = World::new("left", &[("turn.toml", &script)]);
    let mut agent = world.agent();
    let (_, end) = finish(agent.start_turn(world.request("r/1", Access::Write))).await;
    assert_eq!(answer(&end), "left");
    assert_eq!(common::census(&word), [0; 0]);
    agent.close().await;
}

#[tokio::test]
async fn a_folder_without_scripts_or_with_a_broken_one_is_refused() {
    let empty = World::new("empty", &[]);
    assert!(matches!(empty.load(), Err(InvalidScript::Empty { .. })));
    let broken = World::new("broken", &[("turn.toml", "answer = 7\n")]);
    let Err(error) = broken.load() else {
        panic!("not refused")
    };
    assert!(matches!(error, InvalidScript::Shape { .. }), "{error}");
    assert!(error.to_string().contains("turn.toml"), "{error}");
}
