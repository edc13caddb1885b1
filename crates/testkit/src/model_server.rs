//! A scripted model behind the Responses API, on loopback: the real Codex talks to it in tests.

mod script;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::script::{ModelScript, Reply, Rule, Usage, turn_label};

/// A model server. It ends when it is dropped.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request that the server got.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// Its headers, names in lower case, those that are text.
    pub headers: Vec<(String, String)>,
    /// Its body; null where it was not JSON.
    pub body: Value,
    /// The prompt of the turn: the text of the last message of the user's.
    pub prompt: String,
    /// The number of tool results after the prompt.
    pub step: usize,
}

impl RecordedRequest {
    /// The header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The last tool result, as text.
    pub fn last_tool_output(&self) -> Option<String> {
        last_tool_output(&self.body)
    }
}

fn last_tool_output(body: &Value) -> Option<String> {
    let input = body.get("input")?.as_array()?;
    let output = input.iter().rev().find(|item| is_tool_output(item))?.get("output")?;
    Some(match output {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// The number by which Codex knows the command under way that the last tool result tells of.
fn session_under_way(body: &Value) -> Option<u64> {
    let output = last_tool_output(body)?;
    let (_, after) = output.split_once("session ID ")?;
    let number = after.split(|character: char| !character.is_ascii_digit()).next()?;
    number.parse().ok()
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    /// The number of requests got.
    count: watch::Sender<usize>,
}

#[derive(Debug)]
struct World {
    script: ModelScript,
    /// How often each rule has answered.
    used: Vec<u32>,
    requests: Vec<RecordedRequest>,
}

impl Shared {
    /// A test that panicked has poisoned nothing that matters to the next look.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ModelServer {
    /// Starts a server on a free port of loopback.
    pub async fn start(script: ModelScript) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            world: Mutex::new(World {
                used: vec![0; script.rules.len()],
                script,
                requests: Vec::new(),
            }),
            count: watch::Sender::new(0),
        });
        let app = Router::new()
            .route("/v1/responses", post(answer))
            .fallback(|| async { stream::refusal(404, None, None) })
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // Serving on loopback ends only with the task.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, shared, task })
    }

    /// The address to give to Codex as a provider's `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The configuration by which Codex uses this server, to be merged into its `config.toml`. Codex is to make
    /// `retries` further attempts at requests and streams that fail.
    pub fn codex_config(&self, model: &str, retries: u32) -> toml::Table {
        let provider = toml::toml! {
            name = "mock"
            wire_api = "responses"
            env_key = "MOCK_API_KEY"
            stream_idle_timeout_ms = 3000
        };
        let mut provider = provider;
        provider.insert("base_url".to_owned(), self.base_url().into());
        provider.insert("request_max_retries".to_owned(), i64::from(retries).into());
        provider.insert("stream_max_retries".to_owned(), i64::from(retries).into());
        let mut config = toml::Table::new();
        config.insert("model".to_owned(), model.into());
        config.insert("model_provider".to_owned(), "mock".into());
        config.insert(
            "model_providers".to_owned(),
            toml::Table::from_iter([("mock".to_owned(), provider.into())]).into(),
        );
        config
    }

    /// Every request until now, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.world().requests.clone()
    }

    /// Replaces the script; requests under way keep their answers.
    pub fn set_script(&self, script: ModelScript) {
        let mut world = self.shared.world();
        world.used = vec![0; script.rules.len()];
        world.script = script;
    }

    /// Waits until this many requests have come. Bound it by a timeout.
    pub async fn wait_for_requests(&self, count: usize) {
        let mut seen = self.shared.count.subscribe();
        // The sender lives as long as `self`.
        let _ = seen.wait_for(|seen| *seen >= count).await;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (prompt, step) = place_in_turn(&body);
    let sub_agent = headers.contains_key("x-codex-parent-thread-id");
    let headers = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let turn = stream::Turn {
        label: turn_label(&prompt).unwrap_or("unknown").to_owned(),
        session: session_under_way(&body),
    };
    let free_answer = FREE
        .iter()
        .find(|(words, _)| prompt.starts_with(words))
        .map(|(_, reply)| reply);
    let fields = free_fields(&prompt);
    let (chosen, serial) = {
        let mut world = shared.world();
        let chosen = world.choose(&prompt, step, sub_agent);
        // What no rule asks for is not seen by the test either.
        let is_seen = chosen.is_some() || free_answer.is_none();
        if is_seen {
            world.requests.push(RecordedRequest {
                headers,
                body,
                prompt,
                step,
            });
        }
        (chosen, world.requests.len())
    };
    shared.count.send_replace(serial);
    match (chosen, free_answer) {
        (None, Some(reply)) => {
            let free = Usage {
                input: 0,
                cached: 0,
                output: 0,
            };
            stream::respond(&reply(fields), free, &turn, serial).await
        }
        (Some(rule), _) => {
            tokio::time::sleep(Duration::from_millis(rule.thinks_ms)).await;
            stream::respond(&rule.reply, rule.usage, &turn, serial).await
        }
        // A 400 is not repeated by Codex: the mistake in the script shows at once.
        (None, None) => stream::refusal(
            400,
            Some(&serde_json::json!({ "error": {
                "type": "invalid_request_error",
                "message": format!("no rule of the scripted model fits step {step} of this turn"),
            }})),
            None,
        ),
    }
}

impl World {
    fn choose(&mut self, prompt: &str, step: usize, sub_agent: bool) -> Option<Rule> {
        let rules = self.script.rules.iter().zip(&mut self.used);
        let alone = FREE
            .iter()
            .map(|(words, _)| *words)
            .find(|words| prompt.starts_with(words));
        for (rule, used) in rules {
            let for_it = |begins: &str| rule.contains.as_ref().is_some_and(|words| words.starts_with(begins));
            let fits = alone.is_none_or(for_it)
                && rule.contains.as_ref().is_none_or(|words| prompt.contains(words))
                && rule.step.is_none_or(|wanted| wanted == step)
                && rule.sub_agent.is_none_or(|wanted| wanted == sub_agent)
                && rule.times.is_none_or(|times| *used < times);
            if fits {
                *used += 1;
                return Some(rule.clone());
            }
        }
        None
    }
}

/// Makes a reply of the fields of an answer.
type Answer = fn(serde_json::Map<String, Value>) -> Reply;

/// How the prompts of planner, experts, curator and advisor begin, and what they are answered where no rule is for them.
const FREE: [(&str, Answer); 4] = [
    ("# Plan for ticket", Reply::Plan),
    ("# Expert", Reply::Expert),
    ("# Curation of ticket", Reply::Curation),
    ("# What is next", Reply::Advice),
];

/// What such an answer says beside the least: an advisor is content with what the first round brought.
fn free_fields(prompt: &str) -> serde_json::Map<String, Value> {
    let is_content = prompt.starts_with("# What is next") && !prompt.contains("No round was taken yet");
    is_content
        .then(|| ("next".to_owned(), "done".into()))
        .into_iter()
        .collect()
}

/// The prompt of the turn that a request belongs to, and how many tool results followed it.
fn place_in_turn(body: &Value) -> (String, usize) {
    let empty = Vec::new();
    let input = body.get("input").and_then(Value::as_array).unwrap_or(&empty);
    let Some(prompt_at) = input.iter().rposition(is_user_message) else {
        return (String::new(), 0);
    };
    let step = input[prompt_at..].iter().filter(|item| is_tool_output(item)).count();
    (text_of(&input[prompt_at]), step)
}

fn is_user_message(item: &Value) -> bool {
    item["role"] == "user" && (item["type"] == "message" || item["type"].is_null())
}

fn is_tool_output(item: &Value) -> bool {
    item["type"].as_str().is_some_and(|kind| kind.ends_with("_call_output"))
}

fn text_of(item: &Value) -> String {
    match &item["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let parts = parts.iter().filter_map(|part| part["text"].as_str());
            parts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_is_the_number_of_tool_results_since_the_last_prompt() {
        let body = json!({ "input": [
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "first" }] },
            { "type": "function_call_output", "call_id": "a", "output": "x" },
            { "type": "message", "role": "user", "content": "second" },
            { "type": "function_call", "call_id": "b" },
            { "type": "function_call_output", "call_id": "b", "output": "x" },
            { "type": "custom_tool_call_output", "call_id": "c", "output": "x" },
        ]});
        assert_eq!(place_in_turn(&body), ("second".to_owned(), 2));
        assert_eq!(place_in_turn(&Value::Null), (String::new(), 0));
    }

    #[test]
    fn a_command_under_way_is_known_by_the_number_of_the_last_tool_result() {
        let output =
            |text: &str| json!({ "input": [{ "type": "function_call_output", "call_id": "a", "output": text }] });
        let under_way = "Wall time: 10.0 seconds\nProcess running with session ID 4821\nOutput:\n";
        assert_eq!(session_under_way(&output(under_way)), Some(4821));
        assert_eq!(session_under_way(&output("Process exited with code 0")), None);
    }

    #[test]
    fn the_label_is_found_in_the_prompt() {
        for prompt in [
            "Do it.\nTurn label: `0042/3`.\n",
            "Turn label:0042/3",
            "x Turn label: **0042/3**, copy it",
            "Turn label: \"0042/3\"",
            "Turn label: `old`\nIts property `turn` is exactly: 0042/3",
        ] {
            assert_eq!(turn_label(prompt), Some("0042/3"), "{prompt}");
        }
        assert_eq!(turn_label("no label"), None);
    }

    #[test]
    fn a_script_is_plain_data() {
        let script = ModelScript::from_toml(
            "[[rule]]\ncontains = \"a\"\nstep = 0\nreply = { shell = \"true\" }\n\
             [[rule]]\ntimes = 2\nreply = { status = { status = 429, retry_after = 1 } }\n\
             [[rule]]\nreply = \"silence\"\n",
        )
        .unwrap();
        assert!(matches!(script.rules[0].reply, Reply::Shell(_)));
        assert!(matches!(script.rules[1].reply, Reply::Status { status: 429, .. }));
        assert!(matches!(script.rules[2].reply, Reply::Silence));
    }
}
