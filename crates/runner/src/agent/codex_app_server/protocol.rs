//! What of Codex' app-server protocol runs rely on, and how an installed Codex differs from the one that it was tested with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What of the pinned Codex' protocol is used: made of `codex app-server generate-json-schema --experimental` by
/// [`CodexProtocol::read`], and compared with it by a test that drives the real program.
const PINNED: &str = include_str!("protocol.json");

/// The most bytes of one schema that are read.
const MAX_SCHEMA_BYTES: u64 = 64 * 1024 * 1024;

/// How deep a shape is described; what lies deeper is not told apart.
const DEPTH: usize = 4;

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    /// Sent by us.
    Request,
    /// What the server answers to that.
    Answer,
    /// Told by the server.
    Notification,
}

/// What is sent or read, message by message. Pointers lead through the properties; `*` is each item of a list.
const USED: &[(Message, &str, &[&str])] = &[
    (Message::Request, "initialize", &["clientInfo", "capabilities"]),
    (
        Message::Request,
        "thread/start",
        &[
            "cwd",
            "sandbox",
            "approvalPolicy",
            "model",
            "config",
            "experimentalRawEvents",
        ],
    ),
    (
        Message::Request,
        "thread/resume",
        &[
            "threadId",
            "excludeTurns",
            "cwd",
            "sandbox",
            "approvalPolicy",
            "model",
            "config",
        ],
    ),
    (
        Message::Request,
        "turn/start",
        &[
            "threadId",
            "input",
            "cwd",
            "approvalPolicy",
            "sandboxPolicy",
            "model",
            "effort",
            "outputSchema",
        ],
    ),
    (Message::Request, "turn/interrupt", &["threadId", "turnId"]),
    (Message::Request, "thread/backgroundTerminals/list", &["threadId"]),
    (Message::Request, "thread/backgroundTerminals/clean", &["threadId"]),
    (
        Message::Answer,
        "thread/start",
        &["thread/id", "thread/path", "model", "sandbox/type"],
    ),
    (Message::Answer, "thread/resume", &["thread/id", "thread/path", "model"]),
    (Message::Answer, "turn/start", &["turn/id"]),
    (Message::Answer, "thread/backgroundTerminals/list", &["data"]),
    (Message::Notification, "turn/started", &["threadId", "turn/id"]),
    (
        Message::Notification,
        "turn/completed",
        &[
            "threadId",
            "turn/id",
            "turn/status",
            "turn/error/message",
            "turn/error/codexErrorInfo",
            "turn/items/*/type",
            "turn/items/*/text",
        ],
    ),
    (
        Message::Notification,
        "item/started",
        &["item/type", "item/id", "item/command"],
    ),
    (
        Message::Notification,
        "item/completed",
        &[
            "threadId",
            "item/type",
            "item/id",
            "item/command",
            "item/exitCode",
            "item/status",
            "item/changes/*/path",
            "item/changes/*/kind",
            "item/text",
        ],
    ),
    (
        Message::Notification,
        "rawResponseItem/completed",
        &["item/type", "item/call_id"],
    ),
    (
        Message::Notification,
        "thread/tokenUsage/updated",
        &["threadId", "turnId", "tokenUsage/total", "tokenUsage/last"],
    ),
    (
        Message::Notification,
        "thread/settings/updated",
        &["threadId", "threadSettings/sandboxPolicy"],
    ),
    (
        Message::Notification,
        "error",
        &["threadId", "error/message", "error/codexErrorInfo", "willRetry"],
    ),
    (
        Message::Notification,
        "account/rateLimits/updated",
        &["rateLimits/primary/usedPercent", "rateLimits/primary/resetsAt"],
    ),
    (Message::Notification, "warning", &["message"]),
    (Message::Notification, "configWarning", &["summary"]),
    (Message::Notification, "deprecationNotice", &["summary"]),
    (Message::Notification, "model/rerouted", &["fromModel", "toModel"]),
];

/// The parts of the protocol that runs use, each with what it looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodexProtocol {
    /// The Codex that it was taken from.
    pub codex: String,
    /// The shape of each part that is used, by its message and its place in it. One that is not there is missing.
    pub shapes: BTreeMap<String, String>,
    /// What each request must have, by its message.
    pub required: BTreeMap<String, BTreeSet<String>>,
    /// What the server may ask for. Each is declined; one that is not known, as not offered.
    pub asked: BTreeSet<String>,
}

/// How another Codex' protocol differs in what runs use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtocolDrift {
    /// What is not there any more, or is wanted now and not sent: runs will not work.
    pub broken: Vec<String>,
    /// What looks different: runs may work.
    pub changed: Vec<String>,
    /// What the server may ask for and did not before.
    pub added: Vec<String>,
}

/// The schemas of a protocol cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// A file cannot be read.
    #[error("the schema `{name}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        reason: String,
    },
}

impl CodexProtocol {
    /// That of the Codex that this version is tested with.
    pub fn pinned() -> Self {
        // A test reads it; without one, everything would differ.
        serde_json::from_str(PINNED).unwrap_or(Self {
            codex: String::new(),
            shapes: BTreeMap::new(),
            required: BTreeMap::new(),
            asked: BTreeSet::new(),
        })
    }

    /// Reads what `codex app-server generate-json-schema --experimental` of the Codex with this version wrote into a folder.
    pub fn read(codex: impl Into<String>, folder: &Path) -> Result<Self, ProtocolError> {
        let requests = Schema::read(folder, "ClientRequest.json")?;
        let notifications = Schema::read(folder, "ServerNotification.json")?;
        let asked = Schema::read(folder, "ServerRequest.json")?.methods();
        let mut protocol = Self {
            codex: codex.into(),
            shapes: BTreeMap::new(),
            required: BTreeMap::new(),
            asked,
        };
        for (message, method, pointers) in USED {
            let file;
            let found = match message {
                Message::Request => requests.params(method).map(|params| (&requests, params)),
                Message::Answer => {
                    file = requests
                        .answer_file(method)
                        .and_then(|name| Schema::read(folder, &name).ok());
                    file.as_ref().map(|file| (file, &file.0))
                }
                Message::Notification => match notifications.params(method) {
                    Some(params) => Some((&notifications, params)),
                    // Those that only experimental clients are told have a file and no line in the list.
                    None => {
                        file = Schema::read(folder, &format!("v2/{}Notification.json", pascal(method))).ok();
                        file.as_ref().map(|file| (file, &file.0))
                    }
                },
            };
            let Some((schema, root)) = found else {
                continue;
            };
            let name = message.named(method);
            for pointer in *pointers {
                if let Some(shape) = schema.shape_at(root, pointer) {
                    protocol.shapes.insert(format!("{name}: {pointer}"), shape);
                }
            }
            if *message == Message::Request {
                protocol.required.insert(name, schema.required(root));
            }
        }
        Ok(protocol)
    }

    /// How another one differs from this.
    pub fn drift_to(&self, other: &Self) -> ProtocolDrift {
        let mut drift = ProtocolDrift::default();
        for (part, shape) in &self.shapes {
            match other.shapes.get(part) {
                None => drift.broken.push(format!("{part} is not there")),
                Some(now) if now != shape => drift.changed.push(format!("{part} was {shape}, is {now}")),
                Some(_) => {}
            }
        }
        for (request, required) in &other.required {
            let sent = |field: &&String| self.shapes.contains_key(&format!("{request}: {field}"));
            let before = self.required.get(request);
            let unsent = required
                .iter()
                .filter(|field| !before.is_some_and(|before| before.contains(*field)))
                .filter(|field| !sent(field));
            drift
                .broken
                .extend(unsent.map(|field| format!("{request}: {field} is required now")));
        }
        drift.added.extend(other.asked.difference(&self.asked).cloned());
        drift
    }
}

impl ProtocolDrift {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.broken.is_empty() && self.changed.is_empty() && self.added.is_empty()
    }
}

impl Message {
    fn named(self, method: &str) -> String {
        match self {
            Self::Request => format!("request {method}"),
            Self::Answer => format!("answer to {method}"),
            Self::Notification => format!("notification {method}"),
        }
    }
}

/// A file of schemas with its definitions.
struct Schema(Value);

impl Schema {
    fn read(folder: &Path, name: &str) -> Result<Self, ProtocolError> {
        let unreadable = |reason: String| ProtocolError::Unreadable {
            name: name.to_owned(),
            reason,
        };
        let path = folder.join(name);
        let size = std::fs::metadata(&path)
            .map_err(|error| unreadable(error.to_string()))?
            .len();
        if size > MAX_SCHEMA_BYTES {
            return Err(unreadable(format!("it has {size} bytes")));
        }
        let bytes = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| unreadable(error.to_string()))
    }

    fn variants(&self) -> impl Iterator<Item = (&str, &Value)> {
        let variants = self.0.get("oneOf").and_then(Value::as_array);
        variants.into_iter().flatten().filter_map(|variant| {
            let properties = variant.get("properties")?;
            let method = properties
                .pointer("/method/enum/0")
                .or(properties.pointer("/method/const"))?;
            Some((method.as_str()?, properties))
        })
    }

    fn methods(&self) -> BTreeSet<String> {
        self.variants().map(|(method, _)| method.to_owned()).collect()
    }

    /// The parameters of a method; null where it has none.
    fn params(&self, method: &str) -> Option<&Value> {
        let (_, properties) = self.variants().find(|(name, _)| *name == method)?;
        Some(properties.get("params").unwrap_or(&Value::Null))
    }

    /// The file of what a request is answered with, by the name of its parameters.
    fn answer_file(&self, method: &str) -> Option<String> {
        let params = self.params(method)?.get("$ref")?.as_str()?;
        let name = params.rsplit('/').next()?.strip_suffix("Params")?;
        Some(format!("v2/{name}Response.json"))
    }

    /// The schema that a reference leads to.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let named = schema.get("$ref").and_then(Value::as_str);
        named
            .and_then(|named| named.strip_prefix('#'))
            .and_then(|pointer| self.0.pointer(pointer))
            .unwrap_or(schema)
    }

    fn required(&self, schema: &Value) -> BTreeSet<String> {
        let required = self.resolved(schema).get("required").and_then(Value::as_array);
        let names = required.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }

    /// What a part looks like, in all forms that the message may have.
    fn shape_at(&self, root: &Value, pointer: &str) -> Option<String> {
        let mut found = vec![root];
        for segment in pointer.split('/') {
            found = found
                .into_iter()
                .flat_map(|schema| self.forms(schema, DEPTH))
                .filter_map(|form| match segment {
                    "*" => form.get("items"),
                    name => form.get("properties")?.get(name),
                })
                .collect();
        }
        let shapes: BTreeSet<_> = found
            .into_iter()
            .flat_map(|schema| self.shapes(schema, DEPTH))
            .collect();
        (!shapes.is_empty()).then(|| joined(shapes))
    }

    /// The forms that a value may have.
    fn forms<'a>(&'a self, schema: &'a Value, depth: usize) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let Some(depth) = depth.checked_sub(1) else {
            return vec![schema];
        };
        let choices = ["oneOf", "anyOf", "allOf"]
            .into_iter()
            .filter_map(|word| schema.get(word)?.as_array());
        let mut forms: Vec<_> = choices.flatten().flat_map(|form| self.forms(form, depth)).collect();
        if forms.is_empty() || schema.get("properties").is_some() {
            forms.push(schema);
        }
        forms
    }

    /// What its forms look like: the values of a choice, the type of anything else, the mark of an object that has one.
    fn shapes(&self, schema: &Value, depth: usize) -> BTreeSet<String> {
        let forms = self.forms(schema, depth);
        forms
            .into_iter()
            .flat_map(|form| self.shapes_of_form(form, depth))
            .collect()
    }

    fn shapes_of_form(&self, form: &Value, depth: usize) -> BTreeSet<String> {
        if let Some(values) = form.get("enum").and_then(Value::as_array) {
            return values.iter().map(Value::to_string).collect();
        }
        if let Some(value) = form.get("const") {
            return [value.to_string()].into();
        }
        let types: Vec<&str> = match form.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => vec!["anything"],
        };
        let shape = |name: &str| match (name, depth.checked_sub(1)) {
            ("array", Some(depth)) => {
                let items = form.get("items").map(|items| joined(self.shapes(items, depth)));
                format!("[{}]", items.unwrap_or_default())
            }
            ("object", Some(depth)) => {
                let mark = form.pointer("/properties/type");
                let mark = mark.map(|mark| format!("type {}", joined(self.shapes(mark, depth))));
                let required = self.required(form).into_iter().collect::<Vec<_>>().join(" ");
                format!("{{{}}}", mark.unwrap_or(required))
            }
            (name, _) => name.to_owned(),
        };
        types.into_iter().map(shape).collect()
    }
}

fn joined(shapes: BTreeSet<String>) -> String {
    shapes.into_iter().collect::<Vec<_>>().join(" or ")
}

/// A method as its types are named.
fn pascal(method: &str) -> String {
    method
        .split('/')
        .map(|word| {
            let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
            format!("{}{rest}", first.to_ascii_uppercase())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variant(method: &str, params: &str) -> Value {
        json!({ "properties": { "method": { "enum": [method] }, "params": { "$ref": format!("#/definitions/{params}") } } })
    }

    /// A protocol of one request and one notification, and what the server may ask for.
    fn protocol(start: &Value, completed: &Value, asked: &str) -> CodexProtocol {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
        std::fs::create_dir(folder.path().join("v2")).unwrap();
        write(
            "ClientRequest.json",
            json!({ "oneOf": [variant("thread/start", "ThreadStartParams")], "definitions": { "ThreadStartParams": start } }),
        );
        write(
            "ServerNotification.json",
            json!({ "oneOf": [variant("turn/completed", "Completed")], "definitions": { "Completed": completed } }),
        );
        write("ServerRequest.json", json!({ "oneOf": [variant(asked, "X")] }));
        write(
            "v2/ThreadStartResponse.json",
            json!({ "properties": { "thread": { "properties": { "id": { "type": "string" } } } } }),
        );
        CodexProtocol::read("1.2.3", folder.path()).unwrap()
    }

    fn start() -> Value {
        json!({
            "properties": {
                "cwd": { "type": ["string", "null"] },
                "sandbox": { "anyOf": [{ "enum": ["read-only", "workspace-write"], "type": "string" }, { "type": "null" }] },
            },
            "required": ["cwd"],
        })
    }

    fn completed() -> Value {
        json!({ "properties": { "threadId": { "type": "string" }, "turn": { "properties": {
            "status": { "enum": ["completed", "failed"] },
            "items": { "type": "array", "items": { "oneOf": [
                { "properties": { "type": { "enum": ["agentMessage"] }, "text": { "type": "string" } } },
                { "properties": { "type": { "enum": ["plan"] } } },
            ] } },
        } } } })
    }

    #[test]
    fn what_is_used_is_found_through_references_choices_and_lists() {
        let shapes = protocol(&start(), &completed(), "item/tool/call").shapes;
        let shapes: Vec<_> = shapes.iter().map(|(part, shape)| format!("{part} = {shape}")).collect();
        assert_eq!(
            shapes,
            [
                "answer to thread/start: thread/id = string",
                "notification turn/completed: threadId = string",
                "notification turn/completed: turn/items/*/text = string",
                "notification turn/completed: turn/items/*/type = \"agentMessage\" or \"plan\"",
                "notification turn/completed: turn/status = \"completed\" or \"failed\"",
                "request thread/start: cwd = null or string",
                "request thread/start: sandbox = \"read-only\" or \"workspace-write\" or null",
            ]
        );
    }

    #[test]
    fn what_is_gone_or_newly_required_breaks_and_what_looks_different_is_told() {
        let before = protocol(&start(), &completed(), "item/tool/call");
        assert!(before.drift_to(&before).is_empty());
        let (mut other_start, mut other_completed) = (start(), completed());
        other_start["properties"].as_object_mut().unwrap().remove("cwd");
        other_start["required"] = json!(["cwd", "tenant"]);
        other_completed["properties"]["turn"]["properties"]["status"]["enum"] = json!(["completed", "error"]);
        let drift = before.drift_to(&protocol(&other_start, &other_completed, "item/new"));
        assert_eq!(
            drift,
            ProtocolDrift {
                broken: vec![
                    "request thread/start: cwd is not there".to_owned(),
                    "request thread/start: tenant is required now".to_owned(),
                ],
                changed: vec![
                    "notification turn/completed: turn/status was \"completed\" or \"failed\", is \"completed\" or \"error\""
                        .to_owned()
                ],
                added: vec!["item/new".to_owned()],
            }
        );
    }

    #[test]
    fn schemas_that_lead_in_circles_or_are_none_end_in_an_answer() {
        let circle = json!({ "properties": { "cwd": { "$ref": "#/definitions/ThreadStartParams" } }, "oneOf": [{ "$ref": "#/definitions/ThreadStartParams" }] });
        let odd = json!({ "properties": { "threadId": 7, "turn": [] }, "oneOf": "x" });
        assert_eq!(protocol(&circle, &odd, "x").shapes.len(), 3);
        let empty = tempfile::tempdir().unwrap();
        assert!(CodexProtocol::read("1.2.3", empty.path()).is_err());
    }

    #[test]
    fn every_part_that_is_used_is_in_the_pinned_protocol() {
        let pinned = CodexProtocol::pinned();
        assert_eq!(pinned.codex, crate::agent::PINNED_CODEX.to_string());
        for (message, method, pointers) in USED {
            for pointer in *pointers {
                let part = format!("{}: {pointer}", message.named(method));
                assert!(pinned.shapes.contains_key(&part), "{part}");
            }
        }
    }
}
