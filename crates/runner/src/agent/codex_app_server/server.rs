//! A running app-server: JSON-RPC, one message a line.

use std::time::Duration;

use serde_json::{Value, json};

use crate::agent::CodexAgentSettings;
use crate::agent::child::{AgentChild, Launch, LineError};
use crate::guard::GuardError;

/// How long a server may take to end once its input is closed.
const END_GRACE: Duration = Duration::from_secs(2);

/// Notifications that are not wanted: pieces of what is told whole later, and the server's own idea of the diff.
const NOT_WANTED: [&str; 10] = [
    "item/agentMessage/delta",
    "item/plan/delta",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/summaryPartAdded",
    "item/reasoning/textDelta",
    "item/commandExecution/outputDelta",
    "item/fileChange/outputDelta",
    "item/fileChange/patchUpdated",
    "turn/diff/updated",
    "thread/status/changed",
];

/// An app-server and its standard streams.
#[derive(Debug)]
pub(super) struct Server {
    child: AgentChild,
    next_id: u64,
}

/// A message from the server.
#[derive(Debug)]
pub(in crate::agent) enum Message {
    /// The answer to one of our requests.
    Response { id: u64, result: Result<Value, Refusal> },
    /// Something to know.
    Notification { method: String, params: Value },
    /// A request of the server's.
    Request { id: Value, method: String, params: Value },
    /// A line that is no message.
    Unreadable,
}

/// An error that the server answered with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(in crate::agent) struct Refusal {
    pub(in crate::agent) message: String,
}

impl Server {
    pub(super) async fn start(settings: &CodexAgentSettings) -> Result<Self, GuardError> {
        let arguments = ["app-server".to_owned()].into_iter().chain(settings.home.arguments());
        let launch = Launch {
            program: settings.program.path().to_owned(),
            args: arguments.map(Into::into).collect(),
            folder: settings.home.path().to_owned(),
            env: settings.environment(),
        };
        let child = AgentChild::start(&launch, &settings.guard).await?;
        Ok(Self { child, next_id: 1 })
    }

    /// The parameters of `initialize`.
    pub(super) fn introduction() -> Value {
        json!({
            "clientInfo": {
                "name": "counterfoil",
                "title": "Counterfoil",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "capabilities": {
                // For `thread/backgroundTerminals/*` and raw events.
                "experimentalApi": true,
                "requestAttestation": false,
                "optOutNotificationMethods": NOT_WANTED,
            },
        })
    }

    /// The line of a request, and the id that its answer will have.
    pub(super) fn request_line(&mut self, method: &str, params: &Value) -> (u64, String) {
        let id = self.next_id;
        self.next_id += 1;
        (id, json!({ "id": id, "method": method, "params": params }).to_string())
    }

    /// Sends one line.
    pub(super) fn send(&self, line: &str) {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.child.write(bytes);
    }

    /// The next line, `None` once the server is gone. May be dropped at any point without losing anything.
    pub(super) async fn line(&mut self) -> Result<Option<String>, LineError> {
        self.child.line().await
    }

    /// The end of what it wrote to standard error.
    pub(super) fn last_words(&self) -> String {
        self.child.last_words()
    }

    /// What it wrote to standard error, once its output has ended.
    pub(super) async fn last_words_at_its_end(&mut self) -> String {
        // What cannot be ended is noticed when the server is discarded.
        let _ = self.child.end(END_GRACE).await;
        self.child.last_words()
    }

    /// Ends it in good order, with whatever it still runs.
    pub(super) async fn end(self) -> Result<(), GuardError> {
        self.end_within(END_GRACE).await
    }

    /// The same, but in this time.
    pub(super) async fn end_within(mut self, grace: Duration) -> Result<(), GuardError> {
        self.child.end(grace).await.map(|_| ())
    }

    /// Kills it with whatever it still runs.
    pub(super) async fn kill(mut self) -> Result<(), GuardError> {
        self.child.kill().await
    }
}

impl Message {
    pub(in crate::agent) fn parse(line: &str) -> Self {
        let Ok(Value::Object(mut message)) = serde_json::from_str(line) else {
            return Self::Unreadable;
        };
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        let params = message.remove("params").unwrap_or(Value::Null);
        match (method, message.remove("id")) {
            (Some(method), Some(id)) => Self::Request { id, method, params },
            (Some(method), None) => Self::Notification { method, params },
            (None, Some(id)) => {
                let Some(id) = id.as_u64() else {
                    return Self::Unreadable;
                };
                let result = match message.remove("error") {
                    Some(error) => Err(Refusal {
                        message: super::watch::text(&error, "/message").to_owned(),
                    }),
                    None => Ok(message.remove("result").unwrap_or(Value::Null)),
                };
                Self::Response { id, result }
            }
            (None, None) => Self::Unreadable,
        }
    }
}

/// The answer that declines a request of the server's: nobody is there to ask, and a turn gets nothing beyond what it
/// was started with.
pub(in crate::agent) fn declined(id: &Value, method: &str) -> String {
    let result = match method {
        "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => json!({ "decision": "decline" }),
        "item/permissions/requestApproval" => json!({ "permissions": {}, "scope": "turn" }),
        "item/tool/requestUserInput" => json!({ "answers": {} }),
        "mcpServer/elicitation/request" => json!({ "action": "decline" }),
        "item/tool/call" => json!({
            "success": false,
            "contentItems": [{ "type": "inputText", "text": "this tool is not offered" }],
        }),
        "applyPatchApproval" | "execCommandApproval" => {
            json!({ "decision": { "denied": { "rejection": "approvals are declined in unattended runs" } } })
        }
        _ => {
            let error = json!({ "code": -32601, "message": "not offered in unattended runs" });
            return json!({ "id": id, "error": error }).to_string();
        }
    };
    json!({ "id": id, "result": result }).to_string()
}

/// What a request of the server's is about.
pub(super) fn about(params: &Value) -> &str {
    [
        "/command",
        "/reason",
        "/message",
        "/tool",
        "/questions/0/question",
        "/serverName",
    ]
    .into_iter()
    .map(|pointer| super::watch::text(params, pointer))
    .find(|about| !about.is_empty())
    .unwrap_or_default()
}
