//! Replies on the wire: server-sent events of the Responses API.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::script::{Reply, Usage};

/// What an answer takes from its turn.
pub(super) struct Turn {
    /// Its label.
    pub(super) label: String,
    /// The number of the command under way, where the last tool result tells of one.
    pub(super) session: Option<u64>,
}

/// The answer to a request of this turn. `serial` makes ids unique.
pub(super) async fn respond(reply: &Reply, usage: Usage, turn: &Turn, serial: usize) -> Response {
    let label = turn.label.as_str();
    let text = |text: &str| text.replace("{turn}", label);
    match reply {
        Reply::Message(said) => items(serial, vec![message(serial, &text(said))], usage),
        Reply::Report(fields) => items(
            serial,
            vec![message(serial, &text(&filled(usual_report(), fields)))],
            usage,
        ),
        Reply::Review(fields) => items(
            serial,
            vec![message(serial, &text(&filled(usual_review(), fields)))],
            usage,
        ),
        Reply::Advice(fields) => items(
            serial,
            vec![message(serial, &text(&filled(usual_advice(), fields)))],
            usage,
        ),
        Reply::Expert(fields) => items(
            serial,
            vec![message(serial, &text(&filled(usual_expert(), fields)))],
            usage,
        ),
        Reply::Plan(fields) => items(
            serial,
            vec![message(serial, &text(&filled(usual_plan(), fields)))],
            usage,
        ),
        Reply::Curation(fields) => items(
            serial,
            vec![message(serial, &text(&filled(usual_curation(), fields)))],
            usage,
        ),
        Reply::Shell(command) => {
            let arguments = json!({ "cmd": text(command) });
            items(serial, vec![call(serial, "exec_command", None, &arguments)], usage)
        }
        Reply::Look(milliseconds) => {
            let arguments = json!({ "session_id": turn.session, "chars": "", "yield_time_ms": milliseconds });
            items(serial, vec![call(serial, "write_stdin", None, &arguments)], usage)
        }
        Reply::Patch(patch) => {
            let item = json!({
                "type": "custom_tool_call", "id": format!("ctc_{serial}"), "call_id": format!("call_{serial}"),
                "name": "apply_patch", "input": text(patch),
            });
            items(serial, vec![item], usage)
        }
        Reply::Call {
            name,
            namespace,
            arguments,
        } => items(serial, vec![call(serial, name, namespace.as_deref(), arguments)], usage),
        Reply::Status {
            status,
            body,
            retry_after,
        } => refusal(*status, body.as_ref(), *retry_after),
        Reply::Cut => broken_off(vec![created(serial), partial_text(serial)]),
        Reply::Silence => {
            // Ends when the client closes the connection.
            std::future::pending::<Infallible>().await;
            refusal(500, None, None)
        }
        Reply::Stall => stalled(vec![created(serial)]),
        Reply::Failed { code, message } => events(vec![
            created(serial),
            json!({ "type": "response.failed", "response": {
                "id": response_id(serial), "status": "failed",
                "error": { "code": code, "message": message },
            }}),
        ]),
        Reply::Incomplete { reason } => events(vec![
            created(serial),
            json!({ "type": "response.incomplete", "response": {
                "id": response_id(serial), "status": "incomplete",
                "incomplete_details": { "reason": reason },
            }}),
        ]),
    }
}

fn response_id(serial: usize) -> String {
    format!("resp_{serial}")
}

fn created(serial: usize) -> Value {
    json!({ "type": "response.created", "response": { "id": response_id(serial) } })
}

fn partial_text(serial: usize) -> Value {
    json!({ "type": "response.output_item.added", "output_index": 0, "item": {
        "type": "message", "role": "assistant", "id": format!("msg_{serial}"), "content": [],
    }})
}

fn message(serial: usize, text: &str) -> Value {
    json!({
        "type": "message", "role": "assistant", "id": format!("msg_{serial}"),
        "content": [{ "type": "output_text", "text": text }],
    })
}

fn call(serial: usize, name: &str, namespace: Option<&str>, arguments: &Value) -> Value {
    let mut item = json!({
        "type": "function_call", "id": format!("fc_{serial}"), "call_id": format!("call_{serial}"),
        "name": name, "arguments": arguments.to_string(),
    });
    if let Some(namespace) = namespace {
        item["namespace"] = json!(namespace);
    }
    item
}

/// A whole stream with these items.
fn items(serial: usize, items: Vec<Value>, usage: Usage) -> Response {
    let done = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| json!({ "type": "response.output_item.done", "output_index": index, "item": item }));
    let completed = json!({ "type": "response.completed", "response": {
        "id": response_id(serial),
        "usage": {
            "input_tokens": usage.input,
            "input_tokens_details": { "cached_tokens": usage.cached },
            "output_tokens": usage.output,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": usage.input + usage.output,
        },
    }});
    events([created(serial)].into_iter().chain(done).chain([completed]).collect())
}

fn encoded(events: &[Value]) -> Bytes {
    let mut text = String::new();
    for event in events {
        let name = event["type"].as_str().unwrap_or_default();
        text.push_str(&format!("event: {name}\ndata: {event}\n\n"));
    }
    Bytes::from(text)
}

fn stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn events(events: Vec<Value>) -> Response {
    stream(Body::from(encoded(&events)))
}

/// Some events, then a connection error.
fn broken_off(events: Vec<Value>) -> Response {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(2);
    tokio::spawn(async move {
        let _ = sender.send(Ok(encoded(&events))).await;
        // Lets the events leave before the connection is torn: without it they may never be seen.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = sender.send(Err(io::Error::other("broken off on purpose"))).await;
    });
    stream(Body::from_stream(ReceiverStream::new(receiver)))
}

/// Some events, then nothing until the client goes.
fn stalled(events: Vec<Value>) -> Response {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(2);
    tokio::spawn(async move {
        let _ = sender.send(Ok(encoded(&events))).await;
        sender.closed().await;
    });
    stream(Body::from_stream(ReceiverStream::new(receiver)))
}

/// A JSON error before any stream.
pub(super) fn refusal(status: u16, body: Option<&Value>, retry_after: Option<u64>) -> Response {
    let usual = json!({ "error": {
        "type": "scripted_error",
        "message": format!("the scripted model answers {status}"),
    }});
    let mut response = Response::new(Body::from(body.unwrap_or(&usual).to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn usual_report() -> Value {
    json!({
        "turn": "{turn}", "status": "done", "summary": "", "commands": [], "skipped_checks": [], "deviations": [],
        "risks": [], "memory": [], "self_review": { "checked": [], "concerns": [] }, "wanted_grants": [], "question": [], "blocked_because": "",
        "next_ticket": "",
    })
}

fn usual_plan() -> Value {
    json!({
        "turn": "{turn}", "status": "planned", "approach": "as the ticket says", "steps": [], "files": [], "proof": ["the checks"],
        "stop_conditions": ["the ticket is wrong"], "risks": [], "wanted_grants": [], "blocked_because": "",
    })
}

fn usual_advice() -> Value {
    json!({
        "turn": "{turn}", "next": "task", "what": "as the ticket says", "files": [], "proof": ["the checks"], "why": "",
    })
}

fn usual_expert() -> Value {
    json!({
        "turn": "{turn}", "recommendation": "proceed", "summary": "looked at it", "findings": [], "required_proof": [], "next_action": "",
    })
}

fn usual_curation() -> Value {
    json!({ "turn": "{turn}", "notes": [], "handoff": "" })
}

fn usual_review() -> Value {
    json!({
        "turn": "{turn}", "verdict": "pass", "summary": "looked at it", "inspected": ["the change"], "findings": [], "weakened_tests": [], "residual_risks": [],
        "next_action": "",
    })
}

fn filled(mut usual: Value, fields: &Map<String, Value>) -> String {
    if let Some(usual) = usual.as_object_mut() {
        usual.extend(fields.clone());
    }
    usual.to_string()
}
