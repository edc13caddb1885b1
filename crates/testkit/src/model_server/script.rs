//! What the scripted model answers, as plain data.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Everything that a scripted model does: the first rule that fits a request answers it.
///
/// A request is one step of a turn. The turn is known by its prompt, the last message of the user's; its step is the
/// number of tool results that followed the prompt, so that a repeated request is the same step.
///
/// A planner's, an expert's or an advisor's turn is answered only by rules whose words begin like its prompt, `# Plan for ticket`, `# Expert` and
/// `# What is next`. Where there is none, it is given the least that such an answer can say, at no cost, and the request is not recorded.
///
/// In a file:
/// ```toml
/// [[rule]]
/// contains = "add a greeting"
/// step = 0
/// reply = { shell = "echo hello > hello.txt" }
///
/// [[rule]]
/// contains = "add a greeting"
/// reply = { report = { status = "done" } }
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelScript {
    /// In order of preference.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// One answer, and when it is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Words that the prompt has.
    pub contains: Option<String>,
    /// The step of the turn, counted from 0.
    pub step: Option<usize>,
    /// Whether the request must come from a sub-agent, or must not. Absent: either.
    pub sub_agent: Option<bool>,
    /// How often the rule answers; later requests go to the next rule that fits. Absent: always.
    pub times: Option<u32>,
    /// The answer.
    pub reply: Reply,
    /// The tokens that the answer claims to have cost.
    #[serde(default)]
    pub usage: Usage,
    /// How long the model thinks before it answers, in milliseconds: until then nothing of the answer is sent.
    #[serde(default)]
    pub thinks_ms: u64,
}

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Sent, cached ones included.
    pub input: u64,
    /// Sent and cached.
    #[serde(default)]
    pub cached: u64,
    /// Written.
    pub output: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            input: 100,
            cached: 0,
            output: 10,
        }
    }
}

/// What a scripted model answers. In every text, `{turn}` stands for the turn's label, see [`turn_label`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// A message, which ends the turn.
    Message(String),
    /// A worker's report, which ends the turn. Missing fields are empty, missing `turn` is the label.
    Report(Map<String, Value>),
    /// A reviewer's answer, which ends the turn. Missing fields are empty, missing `turn` is the label.
    Review(Map<String, Value>),
    /// An advisor's answer, which ends the turn. Missing fields name a task, missing `turn` is the label.
    Advice(Map<String, Value>),
    /// An expert's answer, which ends the turn. Missing fields say that it may proceed, missing `turn` is the label.
    Expert(Map<String, Value>),
    /// A planner's answer, which ends the turn. Missing fields say the least that a plan can, missing `turn` is the label.
    Plan(Map<String, Value>),
    /// A curator's answer, which ends the turn. Missing fields say that there is nothing to note, missing `turn` is the label.
    Curation(Map<String, Value>),
    /// A shell command.
    Shell(String),
    /// A look at the command under way that the last tool result tells of, for so many milliseconds or until it ends.
    Look(u64),
    /// A patch in Codex' format, from `*** Begin Patch` to `*** End Patch`.
    Patch(String),
    /// A call of any function tool.
    Call {
        /// Its name.
        name: String,
        /// Its namespace, for tools that have one.
        #[serde(default)]
        namespace: Option<String>,
        /// Its arguments.
        arguments: Value,
    },
    /// A refusal before any stream.
    Status {
        /// The HTTP status.
        status: u16,
        /// The body. Absent: a JSON error that names the status.
        #[serde(default)]
        body: Option<Value>,
        /// The header `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// A stream that breaks off after some text.
    Cut,
    /// No answer at all, not even headers, until the client goes.
    Silence,
    /// Headers and a first event, then nothing until the client goes.
    Stall,
    /// A stream that ends in `response.failed`.
    Failed {
        /// The error's code, such as `rate_limit_exceeded`, `insufficient_quota`, `context_length_exceeded`,
        /// `server_is_overloaded`.
        code: String,
        /// The error's message.
        message: String,
    },
    /// A stream that ends in `response.incomplete`.
    Incomplete {
        /// Such as `max_output_tokens`.
        reason: String,
    },
}

impl ModelScript {
    /// Reads a script file in TOML.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Adds a turn: each reply answers one step of the turns whose prompts have these words.
    #[must_use]
    pub fn turn(mut self, contains: &str, replies: impl IntoIterator<Item = Reply>) -> Self {
        for (step, reply) in replies.into_iter().enumerate() {
            self.rules.push(Rule {
                step: Some(step),
                ..Rule::new(contains, reply)
            });
        }
        self
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

impl Rule {
    /// A rule for every step of the turns whose prompts have these words.
    pub fn new(contains: &str, reply: Reply) -> Self {
        Self {
            contains: Some(contains.to_owned()),
            step: None,
            sub_agent: None,
            times: None,
            reply,
            usage: Usage::default(),
            thinks_ms: 0,
        }
    }
}

impl Reply {
    /// A refusal with this HTTP status.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            body: None,
            retry_after: None,
        }
    }

    /// The refusal that stands for an exhausted subscription.
    pub fn usage_limit() -> Self {
        Self::limit(json!({ "resets_in_seconds": 3600 }))
    }

    /// The same with the time, in seconds since 1970, at which it is lifted.
    pub fn usage_limit_until(second: i64) -> Self {
        Self::limit(json!({ "resets_at": second }))
    }

    fn limit(resets: Value) -> Self {
        let mut error = json!({
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
        });
        if let (Some(error), Value::Object(resets)) = (error.as_object_mut(), resets) {
            error.extend(resets);
        }
        Self::Status {
            status: 429,
            body: Some(json!({ "error": error })),
            retry_after: None,
        }
    }

    /// The refusal of a model that does not exist.
    pub fn unknown_model(model: &str) -> Self {
        Self::Status {
            status: 404,
            body: Some(json!({ "error": {
                "type": "invalid_request_error",
                "code": "model_not_found",
                "message": format!("The model `{model}` does not exist or you do not have access to it."),
            }})),
            retry_after: None,
        }
    }

    /// A report that says that the work is done.
    pub fn done(summary: &str) -> Self {
        let fields = [("status", json!("done")), ("summary", json!(summary))];
        Self::Report(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
    }

    /// A review that passes.
    pub fn pass(summary: &str) -> Self {
        let fields = [("verdict", json!("pass")), ("summary", json!(summary))];
        Self::Review(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
    }

    /// An advisor's answer with these fields in place of those that name a task.
    pub fn advice<const N: usize>(fields: [(&str, Value); N]) -> Self {
        Self::Advice(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
    }

    /// An expert's answer with these fields in place of those that say that it may proceed.
    pub fn expert<const N: usize>(fields: [(&str, Value); N]) -> Self {
        Self::Expert(fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
    }
}

/// The label of the turn, out of its prompt: the word after `Turn label:`, or after the runner's own words
/// "`turn` is exactly:", without quotes of any kind.
pub fn turn_label(prompt: &str) -> Option<&str> {
    let marks = ["Turn label:", "`turn` is exactly:"];
    // The last one: what a ticket or a log quotes comes before what the runner says itself.
    let after = marks
        .iter()
        .filter_map(|mark| prompt.rfind(mark).map(|at| at + mark.len()))
        .max()?;
    let word = prompt[after..].trim_start_matches(|c: char| c.is_whitespace() || "`\"'*".contains(c));
    let end = word
        .find(|c: char| !(c.is_ascii_alphanumeric() || "._:/-".contains(c)))
        .unwrap_or(word.len());
    let label = word[..end].trim_end_matches(['.', ':']);
    (!label.is_empty()).then_some(label)
}
