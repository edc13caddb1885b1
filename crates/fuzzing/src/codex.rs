//! The lines of Codex: bounded, cleaned, and seen live as they are seen in a log.

use std::path::Path;

use ledger_core::{Activity, ThreadId};
use runner::fuzzing::{SeenTurn, app_server_live, app_server_recovered, declining};
use runner::{MAX_ANSWER_BYTES, TurnOutcome};

const PLACE: &str = "/home/ann/state/places/7/work";
const SECRET: &str = "hunter2-hunter2";
const KNOWN: [(&str, &str); 2] = [("API_KEY", SECRET), ("HOME", "/home/ann")];

/// Lines of the app-server.
pub fn app_server(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().collect();
    let thread: ThreadId = "thread-1".parse().expect("it is a name");
    let live = app_server_live(Path::new(PLACE), &KNOWN, &thread, &lines);
    let recovered = app_server_recovered(Path::new(PLACE), &KNOWN, &thread, &lines);
    assert_eq!(live, recovered, "a log tells the same as was seen");
    is_clean(&live);
    commands_are_told_once(&live);
    for answer in lines.iter().filter_map(|line| declining(line)) {
        assert!(!answer.contains('\n'));
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("an answer is JSON");
        assert!(answer.get("id").is_some() && (answer.get("result").is_some() != answer.get("error").is_some()));
    }
}

/// Lines of `codex exec --json`.
pub fn exec(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().collect();
    let seen = runner::fuzzing::exec(Path::new(PLACE), &KNOWN, &lines);
    is_clean(&seen);
    commands_are_told_once(&seen);
}

/// What is told is short, on one line, and names neither the machine nor its secrets.
fn is_clean(seen: &SeenTurn) {
    for activity in &seen.activities {
        match activity {
            Activity::Message { text } => is_short(text, 400),
            Activity::Retrying { reason } => is_short(reason, 400),
            Activity::Warning { message } => is_short(message, 400),
            Activity::CommandEnded { item, .. } => is_short(item, 100),
            // A command is told whole, because rules judge it.
            Activity::CommandStarted { item, command } => {
                is_short(item, 100);
                assert!(
                    !command.contains(|c: char| c.is_control() && c != '\n' && c != '\t'),
                    "{command:?}"
                );
                is_private(command);
            }
            Activity::FilesEdited { paths } => {
                assert!(paths.len() <= 20);
                paths.iter().for_each(|path| is_short(path, 300));
            }
            _ => {}
        }
    }
    match seen.end.as_ref().map(|end| &end.outcome) {
        Some(TurnOutcome::Completed { answer }) => assert!(answer.len() <= MAX_ANSWER_BYTES),
        Some(TurnOutcome::Failed(failure)) => is_short(&failure.message, 1000),
        _ => {}
    }
}

/// A command begins once and ends once.
fn commands_are_told_once(seen: &SeenTurn) {
    let (mut began, mut ended) = (Vec::new(), Vec::new());
    for activity in &seen.activities {
        let (told, item) = match activity {
            Activity::CommandStarted { item, .. } => (&mut began, item),
            Activity::CommandEnded { item, .. } => (&mut ended, item),
            _ => continue,
        };
        assert!(!told.contains(&item), "{activity:?} twice");
        told.push(item);
    }
}

fn is_short(text: &str, most: usize) {
    assert!(text.chars().count() <= most, "{text:?}");
    assert!(!text.contains(char::is_control), "{text:?}");
    is_private(text);
}

fn is_private(text: &str) {
    assert!(!text.contains(SECRET), "{text:?}");
    for (at, _) in text.match_indices(PLACE) {
        let continues = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '~' | '…');
        let is_part = text[..at].ends_with(continues) || text[at + PLACE.len()..].starts_with(continues);
        assert!(is_part, "{text:?}");
    }
}
