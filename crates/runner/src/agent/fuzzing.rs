//! Doors to what reads the lines of Codex, for the fuzz targets alone. Not part of the API.

use std::path::Path;

use ledger_core::{Activity, ThreadId};

use super::TurnEnd;
use super::codex_app_server::watch::TurnWatch;
use super::codex_app_server::{Message, declined};
use super::codex_exec::watch::ExecWatch;
use super::text::Redaction;
use crate::redact::Redactor;

/// What was seen of a turn.
#[derive(Debug, PartialEq, Eq)]
pub struct SeenTurn {
    /// What was told of it, in order.
    pub activities: Vec<Activity>,
    /// How it ended, where that was told.
    pub end: Option<TurnEnd>,
}

/// A turn in this place, where these variables are known, by the lines of the app-server as they come.
pub fn app_server_live(place: &Path, known: &[(&str, &str)], thread: &ThreadId, lines: &[&str]) -> SeenTurn {
    let mut watch = TurnWatch::new(redaction(place, known));
    watch.main_thread_is(thread);
    let mut activities = Vec::new();
    for line in lines {
        if let Message::Notification { method, params } = Message::parse(line) {
            activities.extend(watch.notification(&method, &params));
        }
    }
    let end = watch.end();
    SeenTurn { activities, end }
}

/// The same by the lines that a log has of it.
pub fn app_server_recovered(place: &Path, known: &[(&str, &str)], thread: &ThreadId, lines: &[&str]) -> SeenTurn {
    let mut watch = TurnWatch::new(redaction(place, known));
    watch.main_thread_is(thread);
    let activities = lines.iter().flat_map(|line| watch.line(line)).collect();
    let end = watch.end();
    SeenTurn { activities, end }
}

/// The line by which a request of the app-server is declined; none where this line is no request.
pub fn declining(line: &str) -> Option<String> {
    match Message::parse(line) {
        Message::Request { id, method, .. } => Some(declined(&id, &method)),
        _ => None,
    }
}

/// A turn by the lines of `codex exec`.
pub fn exec(place: &Path, known: &[(&str, &str)], lines: &[&str]) -> SeenTurn {
    let mut watch = ExecWatch::new(redaction(place, known));
    let activities = lines.iter().flat_map(|line| watch.line(line)).collect();
    let end = watch.end();
    SeenTurn { activities, end }
}

fn redaction(place: &Path, known: &[(&str, &str)]) -> Redaction {
    let known = known
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Redaction::new(place, None, known, Redactor::default())
}
