//! What an agent's transcript means, for people.

use std::collections::BTreeSet;

use serde_json::Value;

use super::LogKind;
use crate::agent::{Access, Role, TranscriptEntry, TurnOutcome};

/// The most commands that are remembered as shown.
const MAX_SHOWN: usize = 1000;

/// Turns the entries of a transcript into text.
#[derive(Debug, Default)]
pub(super) struct AgentText {
    raw: bool,
    /// Commands that were shown when they began.
    shown: BTreeSet<String>,
    last_said: String,
}

type Lines = Vec<(LogKind, String)>;

impl AgentText {
    /// With `raw`, the lines of the protocol are shown as they are.
    pub(super) fn new(raw: bool) -> Self {
        Self { raw, ..Self::default() }
    }

    /// The texts that an entry amounts to, each of any number of lines. Not cleaned.
    pub(super) fn lines_of(&mut self, entry: TranscriptEntry) -> Lines {
        match entry {
            TranscriptEntry::Began { agent, access, role } => {
                self.shown.clear();
                self.last_said.clear();
                let agent = serde_json::to_value(agent).ok();
                let agent = agent.as_ref().and_then(Value::as_str).unwrap_or("agent");
                let access = match (role, access) {
                    (Some(Role::Planner), _) => "plans, reads only",
                    (Some(Role::Advisor), _) => "says what is next, reads only",
                    (Some(Role::Expert), _) => "judges in one field, reads only",
                    (Some(Role::Curator), _) => "curates, reads only",
                    (_, Access::Write) => "may write",
                    (_, Access::ReadOnly) => "reads only",
                };
                vec![(LogKind::Mark, format!("turn begins: {agent}, {access}"))]
            }
            TranscriptEntry::Thread { .. } => Vec::new(),
            TranscriptEntry::Sent { line } if self.raw => vec![(LogKind::Protocol, format!("> {line}"))],
            TranscriptEntry::Sent { .. } => Vec::new(),
            TranscriptEntry::Received { line, cut } if self.raw => {
                let note = if cut { " (only its beginning was kept)" } else { "" };
                vec![(LogKind::Protocol, format!("< {line}{note}"))]
            }
            TranscriptEntry::Received { line, .. } => match serde_json::from_str(&line) {
                Ok(message) => self.message(&message),
                Err(_) => Vec::new(),
            },
            TranscriptEntry::LastWords { text } => vec![(LogKind::Problem, format!("last words of the agent: {text}"))],
            TranscriptEntry::Ended { end } => {
                let tokens = end.tokens.total;
                let mut lines = Vec::new();
                let how = match end.outcome {
                    TurnOutcome::Completed { answer } => {
                        if !self.raw && answer.trim() != self.last_said.trim() {
                            lines.push((LogKind::Said, in_words(&answer)));
                        }
                        "turn ends".to_owned()
                    }
                    TurnOutcome::Interrupted => "turn ends: interrupted".to_owned(),
                    TurnOutcome::Failed(failure) => {
                        lines.push((LogKind::Problem, failure.message));
                        "turn ends: failed".to_owned()
                    }
                };
                lines.push((LogKind::Mark, format!("{how}, {tokens} tokens")));
                lines
            }
        }
    }

    /// A message of the app-server, or an event of `codex exec`, which differ in little but their spelling.
    fn message(&mut self, message: &Value) -> Lines {
        let name = text(message, "/method")
            .or_else(|| text(message, "/type"))
            .unwrap_or_default();
        let item = message.pointer("/params/item").or_else(|| message.get("item"));
        match (name, item) {
            ("item/started" | "item.started", Some(item)) => self.item_started(item),
            ("item/completed" | "item.completed", Some(item)) => self.item_completed(item),
            ("error" | "warning" | "configWarning" | "turn.failed" | "turn/completed", _) => {
                let said = [
                    "/params/error/message",
                    "/params/turn/error/message",
                    "/params/message",
                    "/params/summary",
                    "/error/message",
                    "/message",
                ];
                let said = said.iter().find_map(|place| text(message, place));
                said.map(|said| (LogKind::Problem, said.to_owned()))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn item_started(&mut self, item: &Value) -> Lines {
        if !is(item, "commandExecution", "command_execution") {
            return Vec::new();
        }
        if self.shown.len() < MAX_SHOWN {
            self.shown.insert(text(item, "/id").unwrap_or_default().to_owned());
        }
        vec![command(item)]
    }

    fn item_completed(&mut self, item: &Value) -> Lines {
        if is(item, "commandExecution", "command_execution") {
            let mut lines = Vec::new();
            if !self.shown.remove(text(item, "/id").unwrap_or_default()) {
                lines.push(command(item));
            }
            let output = text(item, "/aggregatedOutput").or_else(|| text(item, "/aggregated_output"));
            lines.extend(output.map(|output| (LogKind::Output, output.to_owned())));
            let status = item
                .get("exitCode")
                .or_else(|| item.get("exit_code"))
                .and_then(Value::as_i64);
            match (text(item, "/status"), status) {
                (Some("declined"), _) => lines.push((LogKind::Problem, "the command was declined".to_owned())),
                (_, Some(0)) => {}
                (_, Some(status)) => lines.push((LogKind::Problem, format!("exit status {status}"))),
                (_, None) => lines.push((LogKind::Problem, "the command was cut off".to_owned())),
            }
            return lines;
        }
        if is(item, "agentMessage", "agent_message") {
            let said = text(item, "/text").unwrap_or_default().to_owned();
            let words = in_words(&said);
            self.last_said = said;
            return vec![(LogKind::Said, words)];
        }
        if is(item, "fileChange", "file_change") {
            let changes = item.get("changes").and_then(Value::as_array).into_iter().flatten();
            return changes
                .filter_map(|change| text(change, "/path"))
                .map(|path| (LogKind::Command, format!("edited {path}")))
                .collect();
        }
        if is(item, "reasoning", "reasoning") {
            let summary = item.get("summary").and_then(Value::as_array).into_iter().flatten();
            let summary = summary.filter_map(Value::as_str);
            return text(item, "/text")
                .into_iter()
                .chain(summary)
                .map(|thought| (LogKind::Thought, thought.to_owned()))
                .collect();
        }
        if is(item, "error", "error") {
            let said = text(item, "/message").unwrap_or_default();
            return vec![(LogKind::Problem, said.to_owned())];
        }
        Vec::new()
    }
}

/// What an agent said. Where it is a report or a review, what that holds, one fact a line; the label of the turn and what
/// is empty is left out.
fn in_words(said: &str) -> String {
    let Ok(Value::Object(answer)) = serde_json::from_str::<Value>(said.trim()) else {
        return said.to_owned();
    };
    let facts: Vec<_> = answer
        .iter()
        .filter(|(key, _)| *key != "turn")
        .filter_map(|(key, value)| Some(format!("{}: {}", key.replace('_', " "), fact(value)?)))
        .collect();
    if facts.is_empty() {
        said.to_owned()
    } else {
        facts.join("\n")
    }
}

/// A value in words; none where it is empty.
fn fact(value: &Value) -> Option<String> {
    let words = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(fact).collect::<Vec<_>>().join("; "),
        Value::Object(entries) => entries
            .iter()
            .filter_map(|(key, value)| Some(format!("{} {}", key.replace('_', " "), fact(value)?)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    (!words.is_empty()).then_some(words)
}

fn command(item: &Value) -> (LogKind, String) {
    (
        LogKind::Command,
        format!("$ {}", text(item, "/command").unwrap_or_default()),
    )
}

fn is(item: &Value, app_server: &str, exec: &str) -> bool {
    text(item, "/type").is_some_and(|kind| kind == app_server || kind == exec)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(line: &str) -> TranscriptEntry {
        TranscriptEntry::Received {
            line: line.to_owned(),
            cut: false,
        }
    }

    fn shown(lines: &[&str]) -> Lines {
        let mut text = AgentText::new(false);
        lines.iter().flat_map(|line| text.lines_of(received(line))).collect()
    }

    #[test]
    fn both_protocols_read_the_same() {
        let exec = shown(&[
            r#"{"type":"turn.started"}"#,
            r#"{"type":"item.started","item":{"id":"1","type":"command_execution","command":"ls"}}"#,
            r#"{"type":"item.completed","item":{"id":"1","type":"command_execution","command":"ls","aggregated_output":"a\nb\n","exit_code":2}}"#,
            r#"{"type":"item.completed","item":{"id":"2","type":"agent_message","text":"done"}}"#,
            r#"{"type":"turn.failed","error":{"message":"gone"}}"#,
        ]);
        let server = shown(&[
            r#"{"method":"turn/started","params":{}}"#,
            r#"{"method":"item/started","params":{"item":{"id":"1","type":"commandExecution","command":"ls"}}}"#,
            r#"{"method":"item/completed","params":{"item":{"id":"1","type":"commandExecution","command":"ls","aggregatedOutput":"a\nb\n","exitCode":2}}}"#,
            r#"{"method":"item/completed","params":{"item":{"id":"2","type":"agentMessage","text":"done"}}}"#,
            r#"{"method":"turn/completed","params":{"turn":{"status":"failed","error":{"message":"gone"}}}}"#,
        ]);
        assert_eq!(exec, server);
        assert_eq!(
            exec,
            [
                (LogKind::Command, "$ ls".to_owned()),
                (LogKind::Output, "a\nb\n".to_owned()),
                (LogKind::Problem, "exit status 2".to_owned()),
                (LogKind::Said, "done".to_owned()),
                (LogKind::Problem, "gone".to_owned()),
            ]
        );
    }

    #[test]
    fn a_command_that_is_told_only_when_it_is_over_is_shown_too() {
        let lines = shown(&[
            r#"{"type":"item.completed","item":{"id":"9","type":"command_execution","command":"rm -rf /","status":"declined"}}"#,
        ]);
        assert_eq!(
            lines,
            [
                (LogKind::Command, "$ rm -rf /".to_owned()),
                (LogKind::Problem, "the command was declined".to_owned()),
            ]
        );
    }

    #[test]
    fn a_report_is_shown_in_words_and_other_answers_as_they_are() {
        let report = r#"{"turn":"r/turn-1","status":"done","summary":"said hello","commands":[],"next_ticket":"",
            "findings":[{"place":"a.rs:1","severity":"high"}],"self_review":{"checked":["a","b"],"concerns":[]}}"#;
        assert_eq!(
            in_words(report),
            "findings: place a.rs:1, severity high\nself review: checked a; b\nstatus: done\nsummary: said hello"
        );
        for other in ["done", "[1]", "{}", "{\"turn\":1}"] {
            assert_eq!(in_words(other), other);
        }
    }

    #[test]
    fn lines_of_any_shape_are_passed_over() {
        for line in [
            "",
            "[]",
            "{}",
            "null",
            r#"{"type":3}"#,
            r#"{"type":"item.completed","item":[1]}"#,
            "\u{1b}[2J",
        ] {
            assert_eq!(shown(&[line]), [], "{line}");
        }
    }
}
