//! What a turn is seen to do, from what the app-server says. Does no I/O: the same lines give the same turn, live and
//! when it is recovered from its log.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{Activity, AgentFailure, AgentFailureClass, ThreadId, TokenCount};
use serde_json::Value;

use crate::agent::reset::is_limit;
use crate::agent::text::Redaction;
use crate::agent::{TurnEnd, TurnOutcome, bounded_answer, failure};

/// How much of a message or a reason is handed on.
const TEXT_LIMIT: usize = 400;

/// The most paths of one edit that are handed on.
const MOST_PATHS: usize = 20;

/// The most conversations that are told apart in one turn.
const MOST_THREADS: usize = 1000;

/// A turn as the app-server tells it.
#[derive(Debug)]
pub(in crate::agent) struct TurnWatch {
    redaction: Redaction,
    main_thread: Option<ThreadId>,
    /// The turn under way in the main conversation.
    main_turn: Option<String>,
    /// Turns under way by conversation, those of sub-agents included.
    open_turns: BTreeMap<String, String>,
    /// Every conversation that was seen.
    threads: BTreeSet<String>,
    /// Commands by item, from when they were asked for.
    commands: BTreeMap<String, Command>,
    spent: BTreeMap<String, Spent>,
    answer: String,
    last_error: Option<AgentFailure>,
    /// The last that was told of each window of the provider's limits.
    limits: Value,
    outcome: Option<TurnOutcome>,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    /// The model asked for it; Codex has not said that it runs.
    Asked,
    /// Codex has said that it runs, and will say when it ends.
    Running,
    /// It is over.
    Ended,
}

/// What one conversation has spent.
#[derive(Debug, Default)]
struct Spent {
    /// The conversation's cumulative count as it was told last.
    cumulative: TokenCount,
    /// The part of it that this turn spent.
    in_turn: TokenCount,
}

impl TurnWatch {
    pub(in crate::agent) fn new(redaction: Redaction) -> Self {
        Self {
            redaction,
            main_thread: None,
            main_turn: None,
            open_turns: BTreeMap::new(),
            threads: BTreeSet::new(),
            commands: BTreeMap::new(),
            spent: BTreeMap::new(),
            answer: String::new(),
            last_error: None,
            limits: Value::Null,
            outcome: None,
        }
    }

    /// Says which conversation the turn belongs to.
    pub(in crate::agent) fn main_thread_is(&mut self, thread: &ThreadId) {
        self.threads.insert(thread.as_str().to_owned());
        self.main_thread = Some(thread.clone());
    }

    /// Takes a raw line. Anything that is not a notification is passed over.
    pub(in crate::agent) fn line(&mut self, line: &str) -> Vec<Activity> {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return Vec::new();
        };
        match (message.get("id"), message.get("method").and_then(Value::as_str)) {
            (None, Some(method)) => self.notification(method, message.get("params").unwrap_or(&Value::Null)),
            _ => Vec::new(),
        }
    }

    /// Takes a notification.
    pub(in crate::agent) fn notification(&mut self, method: &str, params: &Value) -> Vec<Activity> {
        let thread = text(params, "/threadId");
        match method {
            "turn/started" => self.turn_started(thread, params),
            "turn/completed" => self.turn_completed(thread, params),
            "item/started" => return self.item_started(params),
            "item/completed" => return self.item_completed(thread, params),
            "rawResponseItem/completed" => return self.raw_item(params.get("item").unwrap_or(&Value::Null)),
            "thread/tokenUsage/updated" => return self.tokens_updated(thread, params),
            "error" => return self.error(thread, params),
            "account/rateLimits/updated" => {
                // An update may leave out what did not change.
                for name in failure::LIMIT_WINDOWS {
                    if let Some(window @ Value::Object(_)) = params.pointer(&format!("/rateLimits/{name}")) {
                        self.limits[name] = window.clone();
                    }
                }
            }
            "warning" | "guardianWarning" => return self.warning(text(params, "/message")),
            // Codex brings a bubblewrap of its own: that the system has none is no news.
            "configWarning" if text(params, "/summary").starts_with("Codex could not find bubblewrap") => {}
            "configWarning" | "deprecationNotice" => return self.warning(text(params, "/summary")),
            "model/rerouted" => {
                let (from, to) = (text(params, "/fromModel"), text(params, "/toModel"));
                return self.warning(&format!("the model was changed from {from} to {to}"));
            }
            _ => {}
        }
        Vec::new()
    }

    fn is_main(&self, thread: &str) -> bool {
        self.main_thread.as_ref().is_some_and(|main| main.as_str() == thread)
    }

    fn turn_started(&mut self, thread: &str, params: &Value) {
        let turn = text(params, "/turn/id").to_owned();
        if self.is_main(thread) {
            self.main_turn = Some(turn.clone());
        }
        if self.threads.len() < MOST_THREADS {
            self.threads.insert(thread.to_owned());
            self.open_turns.insert(thread.to_owned(), turn);
        }
    }

    fn turn_completed(&mut self, thread: &str, params: &Value) {
        self.open_turns.remove(thread);
        if !self.is_main(thread) || self.outcome.is_some() {
            return;
        }
        // An earlier turn of the same conversation, told late.
        if self
            .main_turn
            .as_deref()
            .is_some_and(|turn| turn != text(params, "/turn/id"))
        {
            return;
        }
        let listed = params
            .pointer("/turn/items")
            .and_then(Value::as_array)
            .and_then(|items| items.iter().rfind(|item| text(item, "/type") == "agentMessage"));
        if let Some(message) = listed {
            self.answer = bounded_answer(text(message, "/text").to_owned());
        }
        self.outcome = Some(match text(params, "/turn/status") {
            "completed" => TurnOutcome::Completed {
                answer: std::mem::take(&mut self.answer),
            },
            "interrupted" => TurnOutcome::Interrupted,
            status => {
                let failure = match (params.pointer("/turn/error"), self.last_error.take()) {
                    (Some(error @ Value::Object(_)), _) => failure::from_turn_error(error, &self.redaction),
                    (_, Some(last)) => last,
                    _ => failure::seen(
                        AgentFailureClass::Protocol,
                        &format!("the turn ended as `{status}` without a reason"),
                        &self.redaction,
                    ),
                };
                TurnOutcome::Failed(self.with_reset(failure))
            }
        });
    }

    /// Where a limit was reached, with the time at which it is lifted.
    fn with_reset(&self, failure: AgentFailure) -> AgentFailure {
        AgentFailure {
            resets_at: failure::limits_reset_at(&self.limits).filter(|_| is_limit(&failure)),
            ..failure
        }
    }

    fn item_started(&mut self, params: &Value) -> Vec<Activity> {
        match text(params, "/item/type") {
            "commandExecution" => {
                let command = text(params, "/item/command");
                self.command(text(params, "/item/id"), command, Command::Running)
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Notes that a command was asked for or runs, and tells of it once.
    fn command(&mut self, item: &str, command: &str, now: Command) -> Option<Activity> {
        let item = self.redaction.text(item, 100);
        let before = self.commands.get(&item).copied();
        if before != Some(Command::Ended) {
            self.commands.insert(item.clone(), now);
        }
        before.is_none().then(|| Activity::CommandStarted {
            item,
            command: self.redaction.command(command),
        })
    }

    /// Notes that a command is over, and tells of it once.
    fn command_ended(&mut self, item: &str, exit_code: Option<i32>, declined: bool) -> Option<Activity> {
        let item = self.redaction.text(item, 100);
        let before = self.commands.insert(item.clone(), Command::Ended);
        (before != Some(Command::Ended)).then_some(Activity::CommandEnded {
            item,
            exit_code,
            declined,
        })
    }

    /// Takes an item of the model's own stream. Codex keeps silent about commands that fail at once on what looks like
    /// its sandbox; here they are seen, before they run.
    pub(super) fn raw_item(&mut self, item: &Value) -> Vec<Activity> {
        let call = text(item, "/call_id");
        let activity = match text(item, "/type") {
            "function_call" => commanded(text(item, "/name"), text(item, "/arguments"))
                .and_then(|command| self.command(call, &command, Command::Asked)),
            // A program of its own, which may run commands.
            "custom_tool_call" if text(item, "/name") == "exec" => {
                self.command(call, text(item, "/input"), Command::Asked)
            }
            "function_call_output" | "custom_tool_call_output" => {
                // One that Codex says to be running goes on beside the turn.
                let asked = self.commands.get(&self.redaction.text(call, 100)) == Some(&Command::Asked);
                asked
                    .then(|| self.command_ended(call, exit_code_in(item), false))
                    .flatten()
            }
            _ => None,
        };
        activity.into_iter().collect()
    }

    fn item_completed(&mut self, thread: &str, params: &Value) -> Vec<Activity> {
        match text(params, "/item/type") {
            "commandExecution" => {
                let item = text(params, "/item/id");
                // A command that is refused at once is told only when it is over.
                let started = self.command(item, text(params, "/item/command"), Command::Running);
                let exit_code = params.pointer("/item/exitCode").and_then(Value::as_i64);
                let exit_code = exit_code.and_then(|code| i32::try_from(code).ok());
                let declined = text(params, "/item/status") == "declined";
                let ended = self.command_ended(item, exit_code, declined);
                started.into_iter().chain(ended).collect()
            }
            "fileChange" if text(params, "/item/status") == "completed" => {
                let changes = params.pointer("/item/changes").and_then(Value::as_array);
                let paths = changes
                    .into_iter()
                    .flatten()
                    .flat_map(|change| [text(change, "/path"), text(change, "/kind/move_path")])
                    .filter(|path| !path.is_empty())
                    .take(MOST_PATHS)
                    .map(|path| self.redaction.path(path))
                    .collect();
                vec![Activity::FilesEdited { paths }]
            }
            "agentMessage" => {
                let said = text(params, "/item/text");
                if self.is_main(thread) && self.outcome.is_none() {
                    self.answer = bounded_answer(said.to_owned());
                }
                vec![Activity::Message {
                    text: self.redaction.end_of(said, TEXT_LIMIT),
                }]
            }
            _ => Vec::new(),
        }
    }

    fn tokens_updated(&mut self, thread: &str, params: &Value) -> Vec<Activity> {
        // What the main conversation spent before this turn is told again when it is resumed.
        let before = self.main_turn.as_deref() != Some(text(params, "/turnId"));
        if self.is_main(thread) && before {
            return Vec::new();
        }
        let known = self.spent.len() < MOST_THREADS || self.spent.contains_key(thread);
        let (Some(total), Some(last)) = (
            params.pointer("/tokenUsage/total").map(count),
            params.pointer("/tokenUsage/last").map(count),
        ) else {
            return Vec::new();
        };
        if !known {
            return Vec::new();
        }
        let spent = self.spent.entry(thread.to_owned()).or_insert_with(|| Spent {
            cumulative: total.since(last),
            in_turn: TokenCount::default(),
        });
        // A count that went down was begun anew, as after a compaction.
        let step = if total.total >= spent.cumulative.total {
            total.since(spent.cumulative)
        } else {
            last
        };
        spent.cumulative = total;
        spent.in_turn = spent.in_turn.plus(step);
        vec![Activity::Tokens { spent: self.tokens() }]
    }

    fn error(&mut self, thread: &str, params: &Value) -> Vec<Activity> {
        let error = params.get("error").unwrap_or(&Value::Null);
        if params.get("willRetry").and_then(Value::as_bool) == Some(true) {
            let reason = self.redaction.text(text(error, "/message"), TEXT_LIMIT);
            return vec![Activity::Retrying { reason }];
        }
        if self.is_main(thread) {
            self.last_error = Some(failure::from_turn_error(error, &self.redaction));
            return Vec::new();
        }
        self.warning(text(error, "/message"))
    }

    fn warning(&self, message: &str) -> Vec<Activity> {
        vec![Activity::Warning {
            message: self.redaction.text(message, TEXT_LIMIT),
        }]
    }

    /// What the turn has spent in all its conversations.
    pub(in crate::agent) fn tokens(&self) -> TokenCount {
        let parts = self.spent.values().map(|spent| spent.in_turn);
        parts.fold(TokenCount::default(), TokenCount::plus)
    }

    /// How the turn ended, once it has.
    pub(super) fn outcome(&self) -> Option<&TurnOutcome> {
        self.outcome.as_ref()
    }

    /// Turns under way, by conversation.
    pub(super) fn open_turns(&self) -> Vec<(String, String)> {
        self.open_turns.clone().into_iter().collect()
    }

    /// Whether sub-agents took part.
    pub(super) fn has_sub_agents(&self) -> bool {
        self.threads.len() > 1
    }

    /// Says which turn of the main conversation this is.
    pub(super) fn main_turn_is(&mut self, turn: &str) {
        self.main_turn = Some(turn.to_owned());
        if let Some(thread) = &self.main_thread
            && self.outcome.is_none()
        {
            self.open_turns.insert(thread.as_str().to_owned(), turn.to_owned());
        }
    }

    /// The end of the turn, where the app-server told it.
    pub(in crate::agent) fn end(self) -> Option<TurnEnd> {
        let tokens = self.tokens();
        Some(TurnEnd {
            outcome: self.outcome?,
            tokens,
            thread: self.main_thread,
        })
    }
}

/// What a call of one of Codex' own tools runs.
fn commanded(tool: &str, arguments: &str) -> Option<String> {
    let arguments: Value = serde_json::from_str(arguments).ok()?;
    let argument = match tool {
        "exec_command" => "cmd",
        "shell" | "shell_command" | "local_shell" => "command",
        // What is typed into a shell that runs already.
        "write_stdin" => "chars",
        _ => return None,
    };
    match arguments.get(argument)? {
        Value::String(command) if command.is_empty() => None,
        Value::String(command) => Some(command.clone()),
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            Some(words.join(" "))
        }
        _ => None,
    }
}

/// The exit code in what Codex says of a command above its output.
fn exit_code_in(item: &Value) -> Option<i32> {
    let said = text(item, "/output").lines().take_while(|line| *line != "Output:");
    said.filter_map(|line| line.strip_prefix("Process exited with code "))
        .find_map(|code| code.parse().ok())
}

/// The text at this place, empty where there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A count of tokens. A negative or missing one is zero.
fn count(breakdown: &Value) -> TokenCount {
    let number = |key: &str| breakdown.get(key).and_then(Value::as_u64).unwrap_or(0);
    TokenCount {
        input: number("inputTokens"),
        cached_input: number("cachedInputTokens"),
        output: number("outputTokens"),
        total: number("totalTokens"),
    }
}
