//! From Codex' errors to classes that decisions can rest on.

use jiff::Timestamp;
use ledger_core::{AgentFailure, AgentFailureClass};
use serde_json::Value;

use super::text::Redaction;
use crate::guard::GuardError;

/// How much of an error's message is kept.
const MESSAGE_LIMIT: usize = 600;

/// The failure that a message in prose stands for, as `codex exec` gives it.
pub(super) fn from_prose(message: &str, redaction: &Redaction) -> AgentFailure {
    AgentFailure::new(
        prose_class(message).unwrap_or(AgentFailureClass::Other),
        redaction.text(message, MESSAGE_LIMIT),
    )
}

/// The failure that a `TurnError` of the app-server stands for.
pub(super) fn from_turn_error(error: &Value, redaction: &Redaction) -> AgentFailure {
    let message = error
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("no reason was given");
    let typed = error.get("codexErrorInfo").map_or(Typed::Unknown, typed_class);
    let class = match typed {
        // Some providers answer "no such model" as a bad request.
        Typed::Known(AgentFailureClass::BadRequest) if names_missing_model(message) => {
            AgentFailureClass::ModelUnavailable
        }
        Typed::Known(class) => class,
        Typed::Unknown => prose_class(message).unwrap_or(AgentFailureClass::Other),
    };
    AgentFailure::new(class, redaction.text(message, MESSAGE_LIMIT))
}

/// A failure that we saw ourselves.
pub(super) fn seen(class: AgentFailureClass, message: &str, redaction: &Redaction) -> AgentFailure {
    AgentFailure::new(class, redaction.text(message, MESSAGE_LIMIT))
}

/// The windows of time that a provider's limits hold for, in the `rateLimits` of an `account/rateLimits/updated` of the app-server.
pub(super) const LIMIT_WINDOWS: [&str; 2] = ["primary", "secondary"];

/// When the last of these limits is lifted that are used up; `None` where none is. The times are seconds since 1970.
pub(super) fn limits_reset_at(limits: &Value) -> Option<Timestamp> {
    let used_up = |window: &&Value| {
        window
            .get("usedPercent")
            .and_then(Value::as_i64)
            .is_some_and(|used| used >= 100)
    };
    let windows = LIMIT_WINDOWS.iter().filter_map(|name| limits.get(*name));
    let resets = windows
        .filter(used_up)
        .filter_map(|window| window.get("resetsAt").and_then(Value::as_i64));
    resets.filter_map(|at| Timestamp::from_second(at).ok()).max()
}

/// The log of turns cannot be written. Without it a crash could not be recovered from, so the turn does not go on.
pub(super) fn unwritable_log(error: &std::io::Error, redaction: &Redaction) -> AgentFailure {
    seen(
        AgentFailureClass::Other,
        &format!("the agent's log cannot be written: {error}"),
        redaction,
    )
}

/// Processes of the turn could not be ended.
pub(super) fn survived(error: &GuardError, redaction: &Redaction) -> AgentFailure {
    seen(
        AgentFailureClass::Other,
        &format!("processes of the turn could not be ended: {error}"),
        redaction,
    )
}

enum Typed {
    Known(AgentFailureClass),
    Unknown,
}

fn typed_class(info: &Value) -> Typed {
    use AgentFailureClass::{Auth, BadRequest, Connection, ContextWindow, ModelUnavailable};
    use AgentFailureClass::{RateLimited, Refused, Sandbox, Server, UsageLimit};
    if let Some(name) = info.as_str() {
        return match name {
            "usageLimitExceeded" | "sessionBudgetExceeded" => Typed::Known(UsageLimit),
            "rateLimitExceeded" => Typed::Known(RateLimited),
            "serverOverloaded" | "flexUnavailable" | "policyCapacityUnavailable" | "internalServerError" => {
                Typed::Known(Server)
            }
            "contextWindowExceeded" => Typed::Known(ContextWindow),
            "modelNotFound" => Typed::Known(ModelUnavailable),
            "unauthorized" => Typed::Known(Auth),
            "badRequest" => Typed::Known(BadRequest),
            "sandboxError" => Typed::Known(Sandbox),
            "cyberPolicy" | "misalignmentPolicyViolation" | "inferenceHookDenied" | "tooManyDenials" => {
                Typed::Known(Refused)
            }
            _ => Typed::Unknown,
        };
    }
    let Some((name, details)) = info.as_object().and_then(|object| object.iter().next()) else {
        return Typed::Unknown;
    };
    match name.as_str() {
        "httpConnectionFailed"
        | "responseStreamConnectionFailed"
        | "responseStreamDisconnected"
        | "responseTooManyFailedAttempts" => {
            let status = details.get("httpStatusCode").and_then(Value::as_u64);
            Typed::Known(status.map_or(Connection, status_class))
        }
        _ => Typed::Unknown,
    }
}

fn status_class(status: u64) -> AgentFailureClass {
    match status {
        401 | 403 => AgentFailureClass::Auth,
        402 => AgentFailureClass::UsageLimit,
        404 => AgentFailureClass::ModelUnavailable,
        429 => AgentFailureClass::RateLimited,
        408 => AgentFailureClass::Connection,
        400..=499 => AgentFailureClass::BadRequest,
        500..=599 => AgentFailureClass::Server,
        _ => AgentFailureClass::Connection,
    }
}

fn names_missing_model(message: &str) -> bool {
    let text = sentences(message);
    says(&text, "model_not_found")
        || (says(&text, "model")
            && ["does not exist", "not found", "not supported", "do not have access"]
                .iter()
                .any(|words| says(&text, words)))
}

/// A message without what anybody may have named as he liked: paths and addresses. What a provider answers as JSON has none of this machine.
fn sentences(message: &str) -> String {
    let text = message.to_lowercase();
    if is_json_object(message) {
        return text;
    }
    let words = text.split_whitespace().filter(|word| !word.contains(['/', '\\']));
    words.collect::<Vec<_>>().join(" ")
}

fn is_json_object(message: &str) -> bool {
    serde_json::from_str::<Value>(message).is_ok_and(|body| body.is_object())
}

/// Whether a text has these words as such, and not within a name, such as that of a ticket, a branch or a file.
fn says(text: &str, words: &str) -> bool {
    let is_of_name = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    text.match_indices(words).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let mut after = text.get(at + words.len()..).unwrap_or_default().chars();
        let follows = match after.next() {
            Some('-' | '_') => true,
            Some('.') => after.next().is_some_and(is_of_name),
            _ => false,
        };
        !before.is_some_and(is_of_name) && !follows
    })
}

/// What a sentence of Codex' says. The sentences are those of the pinned version; the order is from the most telling.
fn prose_class(message: &str) -> Option<AgentFailureClass> {
    use AgentFailureClass::{
        Auth, BadRequest, Connection, ContextWindow, ModelUnavailable, Sandbox, Server, UsageLimit,
    };
    let text = sentences(message);
    let says = |any: &[&str]| any.iter().any(|words| says(&text, words));
    if says(&[
        "usage limit",
        "quota exceeded",
        "billing details",
        "purchase more credits",
    ]) {
        return Some(UsageLimit);
    }
    if says(&["context window"]) {
        return Some(ContextWindow);
    }
    if let Some(status) = status_in(&text) {
        return Some(status_class(status));
    }
    if names_missing_model(message) {
        return Some(ModelUnavailable);
    }
    if says(&[
        "missing environment variable",
        "not logged in",
        "incorrect api key",
        "unauthorized",
        "codex login",
    ]) {
        return Some(Auth);
    }
    if says(&["high demand", "at capacity", "overloaded"]) {
        return Some(Server);
    }
    if says(&["rate limit"]) {
        return Some(AgentFailureClass::RateLimited);
    }
    if says(&[
        "stream disconnected",
        "idle timeout",
        "error sending request",
        "connection failed",
        "connection refused",
        "network error",
        "waiting for network",
    ]) {
        return Some(Connection);
    }
    // The body of a 400 is all that Codex says of it.
    if is_json_object(message) || says(&["invalid_request_error", "invalid_json_schema", "bad request"]) {
        return Some(BadRequest);
    }
    if says(&["bwrap:", "bubblewrap", "sandbox", "codex-linux-sandbox"]) {
        return Some(Sandbox);
    }
    None
}

/// The HTTP status of `unexpected status 401 …` and `last status: 429 …`.
fn status_in(text: &str) -> Option<u64> {
    ["unexpected status ", "last status: "].iter().find_map(|before| {
        let digits = text.split_once(before)?.1.get(..3)?;
        digits.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_limit_that_is_used_up_says_when_it_is_lifted() {
        let window = |used: i64, at: i64| json!({ "usedPercent": used, "windowDurationMins": 300, "resetsAt": at });
        for (limits, expected) in [
            (
                json!({ "primary": window(100, 1_795_180_000), "secondary": window(12, 1_795_200_000) }),
                Some(1_795_180_000),
            ),
            (
                json!({ "primary": window(100, 1_795_180_000), "secondary": window(101, 1_795_200_000) }),
                Some(1_795_200_000),
            ),
            (json!({ "primary": window(88, 1_795_180_000), "secondary": null }), None),
            (json!({ "primary": { "usedPercent": 100, "resetsAt": null } }), None),
            (json!({ "primary": { "usedPercent": "100", "resetsAt": "soon" } }), None),
            (json!({ "primary": window(100, i64::MAX) }), None),
            (json!("none"), None),
        ] {
            let found = limits_reset_at(&limits).map(Timestamp::as_second);
            assert_eq!(found, expected, "{limits}");
        }
    }

    #[test]
    fn the_sentences_of_codex_exec_have_classes() {
        use AgentFailureClass::*;
        let cases = [
            (
                "unexpected status 401 Unauthorized: Incorrect API key provided, url: http://127.0.0.1/v1",
                Auth,
            ),
            ("unexpected status 404 Not Found: no such model", ModelUnavailable),
            ("exceeded retry limit, last status: 429 Too Many Requests", RateLimited),
            (
                "You’ve hit your usage limit. Upgrade to Pro, or try again at 10:49 AM.",
                UsageLimit,
            ),
            ("Quota exceeded. Check your plan and billing details.", UsageLimit),
            (
                "We’re currently experiencing high demand, which may cause temporary errors.",
                Server,
            ),
            ("Selected model is at capacity. Please try a different model.", Server),
            (
                r#"{"error": {"message": "bad request by mock", "type": "invalid_request_error"}}"#,
                BadRequest,
            ),
            (
                "Codex ran out of room in the model's context window. Start a new thread",
                ContextWindow,
            ),
            (
                "stream disconnected before completion: idle timeout waiting for SSE",
                Connection,
            ),
            (
                "stream disconnected before completion: Transport error: network error",
                Connection,
            ),
            ("Incomplete response returned, reason: max_output_tokens", Other),
            ("Missing environment variable: `MOCK_API_KEY`.", Auth),
            (
                "Reconnecting... waiting for network (Connection failed: error sending request)",
                Connection,
            ),
        ];
        for (message, class) in cases {
            assert_eq!(from_prose(message, &Redaction::default()).class, class, "{message}");
        }
    }

    #[test]
    fn names_of_tickets_files_and_folders_decide_nothing() {
        for name in [
            "/home/ada/network-sandbox-app/tickets/0001-add-timeout/prompt.md",
            "0001-add-idle-timeout",
            "0002-sandbox",
            "sandbox-app",
            "sandbox.toml",
            "0003-unauthorized-page",
            "'src/context window/rate limit/usage limit.rs'",
            "/srv/model/overloaded",
            "foil/0004-bwrap",
        ] {
            let message = format!("No such file or directory (os error 2): {name}: it was not found");
            assert_eq!(prose_class(&message), None, "{message}");
        }
        for (message, class) in [
            (
                "bwrap: No permissions to create a new namespace",
                AgentFailureClass::Sandbox,
            ),
            (
                "error: the sandbox could not be set up for /home/ada/app",
                AgentFailureClass::Sandbox,
            ),
            ("codex-linux-sandbox: not permitted", AgentFailureClass::Sandbox),
            (
                "Rate limits are reached in /home/ada/sandbox",
                AgentFailureClass::RateLimited,
            ),
        ] {
            assert_eq!(prose_class(message), Some(class), "{message}");
        }
    }

    #[test]
    fn typed_errors_win_over_prose() {
        use AgentFailureClass::*;
        let cases = [
            (json!("usageLimitExceeded"), UsageLimit),
            (json!("serverOverloaded"), Server),
            (json!({"httpConnectionFailed": {"httpStatusCode": 401}}), Auth),
            (
                json!({"responseTooManyFailedAttempts": {"httpStatusCode": 429}}),
                RateLimited,
            ),
            (
                json!({"responseStreamDisconnected": {"httpStatusCode": null}}),
                Connection,
            ),
            (json!({"aNewKind": {}}), Connection),
            (json!("other"), Connection),
            (json!(null), Connection),
            (json!(7), Connection),
        ];
        for (info, class) in cases {
            let error = json!({"message": "stream disconnected before completion", "codexErrorInfo": info});
            assert_eq!(from_turn_error(&error, &Redaction::default()).class, class, "{info}");
        }
        let missing = json!({"message": "The model `x` does not exist", "codexErrorInfo": "badRequest"});
        assert_eq!(from_turn_error(&missing, &Redaction::default()).class, ModelUnavailable);
    }

    /// The names of `codexErrorInfo` in the pinned protocol.
    fn names_of_the_protocol() -> BTreeSet<String> {
        let protocol: Value = serde_json::from_str(include_str!("codex_app_server/protocol.json")).unwrap();
        let shape = protocol["shapes"]["notification error: error/codexErrorInfo"].as_str();
        let names = shape
            .unwrap()
            .split(" or ")
            .map(|name| name.trim_matches(['"', '{', '}']));
        let kinds = ["", "null", "string"];
        names.filter(|name| !kinds.contains(name)).map(str::to_owned).collect()
    }

    #[test]
    fn every_name_of_the_pinned_protocol_has_its_class() {
        use AgentFailureClass::*;
        let classes = [
            ("activeTurnNotSteerable", None),
            ("badRequest", Some(BadRequest)),
            ("contextWindowExceeded", Some(ContextWindow)),
            ("cyberPolicy", Some(Refused)),
            ("flexUnavailable", Some(Server)),
            ("httpConnectionFailed", Some(Connection)),
            ("inferenceHookDenied", Some(Refused)),
            ("internalServerError", Some(Server)),
            ("misalignmentPolicyViolation", Some(Refused)),
            ("modelNotFound", Some(ModelUnavailable)),
            ("other", None),
            ("policyCapacityUnavailable", Some(Server)),
            ("rateLimitExceeded", Some(RateLimited)),
            ("responseStreamConnectionFailed", Some(Connection)),
            ("responseStreamDisconnected", Some(Connection)),
            ("responseTooManyFailedAttempts", Some(Connection)),
            ("sandboxError", Some(Sandbox)),
            ("serverOverloaded", Some(Server)),
            ("sessionBudgetExceeded", Some(UsageLimit)),
            ("threadRollbackFailed", None),
            ("tooManyDenials", Some(Refused)),
            ("unauthorized", Some(Auth)),
            ("usageLimitExceeded", Some(UsageLimit)),
        ];
        let named: BTreeSet<_> = classes.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(
            named,
            names_of_the_protocol(),
            "each name is given a class, or none on purpose"
        );
        for (name, class) in classes {
            for info in [json!(name), json!({ name: {} })] {
                let error = json!({"message": "I will not do that.", "codexErrorInfo": info});
                let found = from_turn_error(&error, &Redaction::default());
                assert_eq!(found.message, "I will not do that.");
                if found.class != Other {
                    assert_eq!(Some(found.class), class, "{name}");
                }
            }
            let is_known = |info: Value| matches!(typed_class(&info), Typed::Known(_));
            assert_eq!(
                is_known(json!(name)) || is_known(json!({ name: {} })),
                class.is_some(),
                "{name}"
            );
        }
    }
}
