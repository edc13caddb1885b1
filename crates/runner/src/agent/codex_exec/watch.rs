//! What a turn is seen to do, from what `codex exec --json` says. Does no I/O.

use std::collections::BTreeSet;

use ledger_core::{Activity, AgentFailure, ThreadId, TokenCount};
use serde_json::Value;

use crate::agent::text::Redaction;
use crate::agent::{TurnEnd, TurnOutcome, bounded_answer, failure};

/// How much of a message or a reason is handed on.
const TEXT_LIMIT: usize = 400;

/// The most paths of one edit that are handed on.
const MOST_PATHS: usize = 20;

/// A turn as `codex exec` tells it.
#[derive(Debug)]
pub(in crate::agent) struct ExecWatch {
    redaction: Redaction,
    thread: Option<ThreadId>,
    /// What the conversation had spent before this turn: its counts are of the whole conversation.
    before: TokenCount,
    cumulative: Option<TokenCount>,
    /// The items of commands that were told, and of those that are over.
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
    answer: String,
    outcome: Option<TurnOutcome>,
}

impl ExecWatch {
    pub(in crate::agent) fn new(redaction: Redaction) -> Self {
        Self {
            redaction,
            thread: None,
            before: TokenCount::default(),
            cumulative: None,
            begun: BTreeSet::new(),
            ended: BTreeSet::new(),
            answer: String::new(),
            outcome: None,
        }
    }

    /// Says what the conversation had spent before this turn.
    pub(super) fn spent_before(&mut self, before: TokenCount) {
        self.before = before;
    }

    /// Takes a raw line. What is not an event is passed over.
    pub(in crate::agent) fn line(&mut self, line: &str) -> Vec<Activity> {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            return Vec::new();
        };
        let item = event.get("item").unwrap_or(&Value::Null);
        match text(&event, "/type") {
            "thread.started" if self.thread.is_none() => self.thread = text(&event, "/thread_id").parse().ok(),
            "item.started" if text(item, "/type") == "command_execution" => {
                return self.command_started(item).into_iter().collect();
            }
            "item.completed" => return self.item_completed(item),
            // Not the end: Codex tries again.
            "error" => {
                let reason = self.redaction.text(text(&event, "/message"), TEXT_LIMIT);
                return vec![Activity::Retrying { reason }];
            }
            "turn.completed" if self.outcome.is_none() => {
                self.cumulative = event.get("usage").map(count);
                let answer = std::mem::take(&mut self.answer);
                self.outcome = Some(TurnOutcome::Completed { answer });
                return vec![Activity::Tokens { spent: self.tokens() }];
            }
            "turn.failed" if self.outcome.is_none() => {
                let message = text(&event, "/error/message");
                self.outcome = Some(TurnOutcome::Failed(failure::from_prose(message, &self.redaction)));
            }
            _ => {}
        }
        Vec::new()
    }

    /// Notes that a command has begun, and tells of it once.
    fn command_started(&mut self, item: &Value) -> Option<Activity> {
        let id = self.redaction.text(text(item, "/id"), 100);
        self.begun.insert(id.clone()).then(|| Activity::CommandStarted {
            item: id,
            command: self.redaction.command(text(item, "/command")),
        })
    }

    /// Notes that a command is over, and tells of it once.
    fn command_ended(&mut self, item: &Value) -> Option<Activity> {
        let id = self.redaction.text(text(item, "/id"), 100);
        let exit_code = item.get("exit_code").and_then(Value::as_i64);
        self.ended.insert(id.clone()).then(|| Activity::CommandEnded {
            item: id,
            exit_code: exit_code.and_then(|code| i32::try_from(code).ok()),
            declined: text(item, "/status") == "declined",
        })
    }

    fn item_completed(&mut self, item: &Value) -> Vec<Activity> {
        match text(item, "/type") {
            "command_execution" => {
                // A command that is refused at once is told only when it is over.
                let started = self.command_started(item);
                started.into_iter().chain(self.command_ended(item)).collect()
            }
            "file_change" if text(item, "/status") == "completed" => {
                let changes = item.get("changes").and_then(Value::as_array);
                let paths = changes
                    .into_iter()
                    .flatten()
                    .map(|change| text(change, "/path"))
                    .filter(|path| !path.is_empty())
                    .take(MOST_PATHS)
                    .map(|path| self.redaction.path(path))
                    .collect();
                vec![Activity::FilesEdited { paths }]
            }
            "agent_message" => {
                let said = text(item, "/text");
                if self.outcome.is_none() {
                    self.answer = bounded_answer(said.to_owned());
                }
                vec![Activity::Message {
                    text: self.redaction.end_of(said, TEXT_LIMIT),
                }]
            }
            "error" => vec![Activity::Warning {
                message: self.redaction.text(text(item, "/message"), TEXT_LIMIT),
            }],
            _ => Vec::new(),
        }
    }

    /// The conversation.
    pub(in crate::agent) fn thread(&self) -> Option<&ThreadId> {
        self.thread.as_ref()
    }

    /// What the conversation has spent up to the end of this turn, where Codex told.
    pub(in crate::agent) fn cumulative(&self) -> Option<TokenCount> {
        self.cumulative
    }

    /// What this turn has spent, as far as Codex told: nothing before the end, nothing of failed turns, nothing of
    /// sub-agents.
    pub(super) fn tokens(&self) -> TokenCount {
        self.cumulative
            .map(|cumulative| cumulative.since(self.before))
            .unwrap_or_default()
    }

    /// How the turn ended, once it has.
    pub(super) fn outcome(&self) -> Option<&TurnOutcome> {
        self.outcome.as_ref()
    }

    /// The failure that the end of the process without the end of the turn stands for.
    pub(super) fn cut_off(&self, message: &str) -> AgentFailure {
        failure::from_prose(message, &self.redaction)
    }

    /// The end of the turn, where Codex told it.
    pub(in crate::agent) fn end(self) -> Option<TurnEnd> {
        let tokens = self.tokens();
        Some(TurnEnd {
            outcome: self.outcome?,
            tokens,
            thread: self.thread,
        })
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A count of tokens. A negative or missing one is zero.
fn count(usage: &Value) -> TokenCount {
    let number = |key: &str| usage.get(key).and_then(Value::as_u64).unwrap_or(0);
    let (input, output) = (number("input_tokens"), number("output_tokens"));
    TokenCount {
        input,
        cached_input: number("cached_input_tokens"),
        output,
        total: input.saturating_add(output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(lines: &[&str]) -> (Vec<Activity>, ExecWatch) {
        let mut watch = ExecWatch::new(Redaction::default());
        let seen = lines.iter().flat_map(|line| watch.line(line)).collect();
        (seen, watch)
    }

    const COMPLETED: &str =
        r#"{"type":"turn.completed","usage":{"input_tokens":5,"cached_input_tokens":2,"output_tokens":3}}"#;

    #[test]
    fn what_is_no_event_is_passed_over() {
        for line in [
            "",
            "hello",
            "7",
            "null",
            "[]",
            "[{\"type\":\"turn.completed\"}]",
            "\"turn.completed\"",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":["turn.completed"]}"#,
            r#"{"type":"turn.started"}"#,
            r#"{"type":"a.new.one","item":{"type":"command_execution"}}"#,
            r#"{"type":"item.started"}"#,
            r#"{"type":"item.started","item":7}"#,
            r#"{"type":"item.completed","item":{"type":"a_new_one"}}"#,
            r#"{"type":"item.completed","item":{"type":"file_change","status":"failed","changes":[{"path":"a"}]}}"#,
            r#"{"type":"thread.started","thread_id":7}"#,
            r#"{"type":"thread.started"}"#,
            r#"{"type":"turn.completed","usage":{}"#,
            "\u{feff}{\"type\":\"turn.completed\"}",
        ] {
            let (seen, watch) = watched(&[line]);
            assert_eq!(seen, [], "{line}");
            assert!(watch.outcome().is_none() && watch.thread().is_none(), "{line}");
        }
    }

    #[test]
    fn what_an_event_lacks_or_has_in_another_form_counts_as_nothing() {
        let command = |item: &str, code: Option<i32>| Activity::CommandEnded {
            item: item.to_owned(),
            exit_code: code,
            declined: false,
        };
        for (code, expected) in [
            ("null", None),
            ("\"0\"", None),
            ("1e99", None),
            ("4294967296", None),
            ("-9", Some(-9)),
        ] {
            let ended = format!(
                r#"{{"type":"item.completed","item":{{"type":"command_execution","id":["x"],"command":{{}},"exit_code":{code}}}}}"#
            );
            let (seen, _) = watched(&[&ended]);
            assert_eq!(seen.last(), Some(&command("", expected)), "{code}");
        }
        let edits = r#"{"type":"item.completed","item":{"type":"file_change","status":"completed","changes":[7,{"path":null},{"path":"a"}]}}"#;
        assert_eq!(
            watched(&[edits]).0,
            [Activity::FilesEdited {
                paths: vec!["a".to_owned()]
            }]
        );
        for usage in [
            "null",
            "7",
            "{}",
            r#"{"input_tokens":-5,"output_tokens":1.5}"#,
            r#"{"input_tokens":"9"}"#,
        ] {
            let (_, watch) = watched(&[&format!(r#"{{"type":"turn.completed","usage":{usage}}}"#)]);
            assert_eq!(watch.tokens(), TokenCount::default(), "{usage}");
        }
        let most = u64::MAX;
        let (_, watch) = watched(&[&format!(
            r#"{{"type":"turn.completed","usage":{{"input_tokens":{most},"output_tokens":{most}}}}}"#
        )]);
        assert_eq!(watch.tokens().total, most);
    }

    #[test]
    fn a_command_that_is_told_again_is_not_counted_as_another() {
        let item = |kind: &str, id: &str| {
            format!(
                r#"{{"type":"item.{kind}","item":{{"type":"command_execution","id":"{id}","command":"make","exit_code":0,"status":"completed"}}}}"#
            )
        };
        let lines = [
            item("started", "1"),
            item("started", "1"),
            item("completed", "1"),
            item("completed", "1"),
            item("started", "1"),
            // One that is told only when it is over, and again.
            item("completed", "2"),
            item("started", "2"),
            item("completed", "2"),
        ];
        let (seen, _) = watched(&lines.each_ref().map(String::as_str));
        let begun = |item: &str| Activity::CommandStarted {
            item: item.to_owned(),
            command: "make".to_owned(),
        };
        let ended = |item: &str| Activity::CommandEnded {
            item: item.to_owned(),
            exit_code: Some(0),
            declined: false,
        };
        assert_eq!(seen, [begun("1"), ended("1"), begun("2"), ended("2")]);
    }

    #[test]
    fn a_turn_ends_once_and_says_what_it_said_before() {
        let said =
            |text: &str| format!(r#"{{"type":"item.completed","item":{{"type":"agent_message","text":"{text}"}}}}"#);
        let started = r#"{"type":"thread.started","thread_id":"first"}"#;
        let again = r#"{"type":"thread.started","thread_id":"second"}"#;
        let failed = r#"{"type":"turn.failed","error":{"message":"gone"}}"#;
        let (_, watch) = watched(&[
            started,
            again,
            &said("a"),
            &said("b"),
            COMPLETED,
            &said("c"),
            failed,
            COMPLETED,
        ]);
        let end = watch.end().unwrap();
        assert_eq!(end.outcome, TurnOutcome::Completed { answer: "b".to_owned() });
        assert_eq!((end.tokens.total, end.thread.unwrap().as_str()), (8, "first"));
        let (_, watch) = watched(&[failed, COMPLETED]);
        assert!(matches!(watch.outcome(), Some(TurnOutcome::Failed(_))), "{watch:?}");
    }
}
