//! What a Codex that misbehaves can do to a turn: a shell script in place of the program.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use counterfoil_runner::redact::Redactor;
use counterfoil_runner::{
    Access, Agent, AgentGuard, CodexAgentSettings, CodexAppServer, CodexHome, CodexProgram, HomeSettings,
    ProjectInstructions, Role, ThreadChoice, TurnEnd, TurnEvent, TurnOutcome, TurnRequest, recover_turn,
};
use ledger_core::{Activity, AgentFailureClass};

/// Answers the requests of a turn; `@THREAD@` and `@TURN@` are what follows them.
const SERVER: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo "codex-cli 0.169.0"; exit; fi
while read -r line; do
  case "$line" in
    *'"method":"initialize"'*) echo '{"id":1,"result":{}}' ;;
    *'"method":"thread/start"'*) @THREAD@ ;;
    *'"method":"turn/start"'*)
      echo '{"id":3,"result":{"turn":{"id":"turn-1"}}}'
      @TURN@ ;;
    *'"method":"thread/backgroundTerminals/list"'*) echo '{"id":4,"result":{"data":[]}}' ;;
    *) echo "$line" >> "$CODEX_HOME/answers" ;;
  esac
done
"#;

const THREAD: &str =
    r#"echo '{"id":2,"result":{"thread":{"id":"thread-1"},"model":"m","sandbox":{"type":"readOnly"}}}'"#;

const COMPLETED: &str = r#"echo '{"method":"turn/completed","params":{"threadId":"thread-1","turn":{"id":"turn-1","status":"completed","items":[{"type":"agentMessage","text":"the answer"}]}}}'"#;

struct Seen {
    activities: Vec<Activity>,
    end: TurnEnd,
    home: PathBuf,
}

impl Seen {
    fn class(&self) -> AgentFailureClass {
        match &self.end.outcome {
            TurnOutcome::Failed(failure) => failure.class,
            other => panic!("not failed: {other:?}"),
        }
    }
}

async fn take(name: &str, thread: &str, turn: &str) -> Seen {
    let folder = common::folder(name);
    let program = folder.join("codex");
    std::fs::write(&program, SERVER.replace("@THREAD@", thread).replace("@TURN@", turn)).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let place = folder.join("work");
    std::fs::create_dir(&place).unwrap();
    let home = CodexHome::prepare(&folder.join("home"), &HomeSettings::default()).unwrap();
    let mut agent: Box<dyn Agent> = Box::new(CodexAppServer::new(CodexAgentSettings {
        program: CodexProgram::find(program.to_str().unwrap(), None).await.unwrap(),
        home: home.clone(),
        env: BTreeMap::new(),
        guard: AgentGuard {
            program: common::guard(),
            records: folder.join("guards"),
        },
    }));
    let log = folder.join("agent.jsonl");
    let mut turn = agent.start_turn(TurnRequest {
        label: "r/1".to_owned(),
        role: Role::Writer,
        place,
        thread: ThreadChoice::Fresh,
        prompt: "do it".to_owned(),
        answer_schema: serde_json::json!({}),
        access: Access::Write,
        network: false,
        model: None,
        effort: None,
        instructions: ProjectInstructions::On,
        config: serde_json::Map::new(),
        env: BTreeMap::new(),
        log: log.clone(),
        redactor: Redactor::default(),
    });
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
    agent.close().await;
    assert_eq!(recover_turn(&log, "r/1").unwrap().as_ref(), Some(&end));
    Seen {
        activities,
        end,
        home: home.path().to_owned(),
    }
}

#[tokio::test]
async fn requests_of_the_server_are_declined_and_reported() {
    let requests = [
        (
            "item/commandExecution/requestApproval",
            r#"{"command":"rm -rf /"}"#,
            "rm -rf /",
        ),
        (
            "item/fileChange/requestApproval",
            r#"{"reason":"more rights"}"#,
            "more rights",
        ),
        ("item/permissions/requestApproval", r#"{"reason":"network"}"#, "network"),
        (
            "item/tool/requestUserInput",
            r#"{"questions":[{"question":"which?"}]}"#,
            "which?",
        ),
        ("mcpServer/elicitation/request", r#"{"message":"password"}"#, "password"),
        ("item/tool/call", r#"{"tool":"publish"}"#, "publish"),
        ("execCommandApproval", r#"{"reason":"old"}"#, "old"),
        (
            "account/chatgptAuthTokens/refresh",
            r#"{"reason":"expired"}"#,
            "expired",
        ),
        ("something/new", "{}", ""),
    ];
    let mut turn = String::new();
    for (number, (method, params, _)) in requests.iter().enumerate() {
        let line = format!(r#"{{"id":"ask-{number}","method":"{method}","params":{params}}}"#);
        turn.push_str(&format!(
            "echo '{line}'; read -r answer; echo \"$answer\" >> \"$CODEX_HOME/answers\"; "
        ));
    }
    let seen = take("declined", THREAD, &format!("{turn}{COMPLETED}")).await;
    let declined: Vec<(&str, &str)> = seen
        .activities
        .iter()
        .filter_map(|activity| match activity {
            Activity::RequestDeclined { request, about } => Some((request.as_str(), about.as_str())),
            _ => None,
        })
        .collect();
    let expected: Vec<(&str, &str)> = requests.iter().map(|(method, _, about)| (*method, *about)).collect();
    assert_eq!(declined, expected);

    let answers = std::fs::read_to_string(seen.home.join("answers")).unwrap();
    let answers: Vec<&str> = answers.lines().filter(|line| line.contains("\"ask-")).collect();
    assert_eq!(
        answers,
        [
            r#"{"id":"ask-0","result":{"decision":"decline"}}"#,
            r#"{"id":"ask-1","result":{"decision":"decline"}}"#,
            r#"{"id":"ask-2","result":{"permissions":{},"scope":"turn"}}"#,
            r#"{"id":"ask-3","result":{"answers":{}}}"#,
            r#"{"id":"ask-4","result":{"action":"decline"}}"#,
            r#"{"id":"ask-5","result":{"contentItems":[{"text":"this tool is not offered","type":"inputText"}],"success":false}}"#,
            r#"{"id":"ask-6","result":{"decision":{"denied":{"rejection":"approvals are declined in unattended runs"}}}}"#,
            r#"{"error":{"code":-32601,"message":"not offered in unattended runs"},"id":"ask-7"}"#,
            r#"{"error":{"code":-32601,"message":"not offered in unattended runs"},"id":"ask-8"}"#,
        ]
    );
    assert_eq!(
        seen.end.outcome,
        TurnOutcome::Completed {
            answer: "the answer".to_owned()
        }
    );
}

#[tokio::test]
async fn what_is_no_message_or_unknown_is_passed_over() {
    let turn = format!(
        r#"echo 'hello'; echo '[1]'; echo '{{"method":"a/new/one","params":{{"threadId":7}}}}'; echo '{{"id":99,"result":1}}'
        echo '{{"method":"item/started"}}'; echo '{{"method":"thread/tokenUsage/updated","params":{{"threadId":"thread-1","turnId":"turn-1","tokenUsage":{{"total":{{"totalTokens":-5}},"last":{{}}}}}}}}'
        printf '\377\376\n'; {COMPLETED}"#
    );
    let seen = take("unknown", THREAD, &turn).await;
    assert!(
        matches!(seen.end.outcome, TurnOutcome::Completed { .. }),
        "{:?}",
        seen.end
    );
    let warnings = seen
        .activities
        .iter()
        .filter(|activity| matches!(activity, Activity::Warning { .. }));
    assert_eq!(warnings.count(), 1, "{:?}", seen.activities);
}

#[tokio::test]
async fn a_line_without_end_ends_the_turn() {
    let turn = r"head -c 17000000 /dev/zero | tr '\0' x; sleep 1000";
    let seen = take("endless", THREAD, turn).await;
    assert_eq!(seen.class(), AgentFailureClass::Protocol);
}

#[tokio::test]
async fn a_server_that_ends_in_the_middle_is_a_crash_with_its_last_words() {
    let turn = "echo 'thread panicked: oh no' >&2; exit 101";
    let seen = take("crash", THREAD, turn).await;
    assert_eq!(seen.class(), AgentFailureClass::Crashed);
    let TurnOutcome::Failed(failure) = &seen.end.outcome else {
        panic!()
    };
    assert!(failure.message.contains("oh no"), "{}", failure.message);
}

#[tokio::test]
async fn a_conversation_that_could_write_too_early_is_not_used() {
    let thread = r#"echo '{"id":2,"result":{"thread":{"id":"thread-1"},"sandbox":{"type":"dangerFullAccess"}}}'"#;
    let seen = take("sandbox", thread, COMPLETED).await;
    assert_eq!(seen.class(), AgentFailureClass::Sandbox);
}

#[tokio::test]
async fn a_turn_in_a_wider_sandbox_than_asked_for_is_ended() {
    let turn = format!(
        r#"echo '{{"method":"thread/settings/updated","params":{{"threadId":"thread-1","threadSettings":{{"sandboxPolicy":{{"type":"workspaceWrite","writableRoots":["/"],"networkAccess":false,"excludeTmpdirEnvVar":true,"excludeSlashTmp":true}}}}}}}}'; {COMPLETED}"#
    );
    let seen = take("wider", THREAD, &turn).await;
    assert_eq!(seen.class(), AgentFailureClass::Sandbox);
}

#[tokio::test]
async fn a_conversation_without_a_usable_name_is_refused() {
    for (number, id) in ["", "../../etc", "a b"].into_iter().enumerate() {
        let thread =
            format!(r#"echo '{{"id":2,"result":{{"thread":{{"id":"{id}"}},"sandbox":{{"type":"readOnly"}}}}}}'"#);
        let seen = take(&format!("name-{number}"), &thread, COMPLETED).await;
        assert_eq!(seen.class(), AgentFailureClass::Protocol, "{id}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_to_what_is_refused_as_too_long() {
    let turn = r#"printf '{"method":"turn/completed","params":{"threadId":"thread-1","turn":{"id":"turn-1","status":"completed","items":[{"type":"agentMessage","text":"'
      head -c 1000000 /dev/zero | tr '\0' x; echo '"}]}}}'"#;
    let seen = take("long-answer", THREAD, turn).await;
    let TurnOutcome::Completed { answer } = &seen.end.outcome else {
        panic!("{:?}", seen.end)
    };
    assert_eq!(answer.len(), counterfoil_runner::MAX_ANSWER_BYTES);
    let refused = ledger_core::Report::parse(answer, "r/1").unwrap_err();
    assert!(matches!(refused, ledger_core::InvalidReport::TooLong { .. }));
}

#[tokio::test]
async fn another_conversation_or_turn_cannot_end_this_one() {
    let other = COMPLETED
        .replace("thread-1", "thread-2")
        .replace("the answer", "forged");
    let earlier = COMPLETED.replace("turn-1", "turn-0").replace("the answer", "forged");
    let seen = take("forged", THREAD, &format!("{other}; {earlier}; {COMPLETED}")).await;
    assert_eq!(
        seen.end.outcome,
        TurnOutcome::Completed {
            answer: "the answer".to_owned()
        }
    );
}

#[tokio::test]
async fn the_end_of_a_limit_is_what_the_server_says_in_numbers_or_in_words() {
    let limits =
        |told: &str| format!(r#"echo '{{"method":"account/rateLimits/updated","params":{{"rateLimits":{told}}}}}'"#);
    let failed = |error: &str, message: &str| {
        format!(
            r#"echo '{{"method":"turn/completed","params":{{"threadId":"thread-1","turn":{{"id":"turn-1","status":"failed","items":[],"error":{{"message":"{message}","codexErrorInfo":"{error}"}}}}}}}}'"#
        )
    };
    let used_up = |second: i64| format!(r#"{{"usedPercent":100,"resetsAt":{second}}}"#);
    let later = jiff::Zoned::now()
        .with()
        .subsec_nanosecond(0)
        .second(0)
        .build()
        .unwrap()
        + jiff::Span::new().hours(60);
    let words = later
        .strftime("Try again at %b %-dth, %Y %-I:%M %p.")
        .to_string()
        .replace("Try", "Or try");
    // The end of the minute that the words name.
    let told = later.timestamp().as_second() + 60;
    for (number, (updates, error, message, expected)) in [
        (
            &[(used_up(2_000_000_000), "null".to_owned())][..],
            "usageLimitExceeded",
            "used up",
            Some(2_000_000_000),
        ),
        // An update may leave out a window that did not change.
        (
            &[
                (used_up(2_000_000_000), "null".to_owned()),
                ("null".to_owned(), used_up(2_000_000_500)),
            ],
            "usageLimitExceeded",
            "used up",
            Some(2_000_000_500),
        ),
        // Numbers go before words.
        (
            &[("null".to_owned(), used_up(2_000_000_000))],
            "usageLimitExceeded",
            &words,
            Some(2_000_000_000),
        ),
        (&[], "usageLimitExceeded", &words, Some(told)),
        (
            &[(
                r#"{"usedPercent":99,"resetsAt":2000000000}"#.to_owned(),
                "null".to_owned(),
            )],
            "usageLimitExceeded",
            &words,
            Some(told),
        ),
        (&[], "usageLimitExceeded", "used up", None),
        // Another failure has no such end.
        (
            &[(used_up(2_000_000_000), "null".to_owned())],
            "internalServerError",
            &words,
            None,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut turn: Vec<_> = updates
            .iter()
            .map(|(primary, secondary)| limits(&format!(r#"{{"primary":{primary},"secondary":{secondary}}}"#)))
            .collect();
        turn.push(failed(error, message));
        let seen = take(&format!("limits-{number}"), THREAD, &turn.join("; ")).await;
        let TurnOutcome::Failed(failure) = &seen.end.outcome else {
            panic!("{:?}", seen.end)
        };
        let resets_at = failure.resets_at.map(jiff::Timestamp::as_second);
        assert_eq!(resets_at, expected, "{number}: {failure:?}");
    }
}
