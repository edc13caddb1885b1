//! What a check printed, from where it was kept.

use git_delivery::Repository;
use ledger_core::{CheckResult, CheckSandbox, CommitId, Digest, OutputRecord};

use super::LogKind;
use crate::run_files::RunFiles;
use crate::run_history::stored_file;

/// The most bytes of one output that are read: more is never kept.
const MAX_OUTPUT_BYTES: u64 = 64 * 1024 * 1024;

/// The texts that the result of a check amounts to, each of any number of lines. Not cleaned.
pub(super) fn lines_of(
    result: &CheckResult,
    files: Option<&RunFiles>,
    repository: &Repository,
    stored: Option<CommitId>,
) -> Vec<(LogKind, String)> {
    let sandbox = match result.sandbox {
        CheckSandbox::Bubblewrap => "",
        CheckSandbox::Off => " (without a sandbox)",
    };
    let mut lines = vec![
        (LogKind::Mark, format!("check `{}` begins{sandbox}", result.name)),
        (LogKind::Command, format!("$ {}", result.command)),
    ];
    match kept(&result.output, files, repository, stored) {
        Some(bytes) => lines.push((LogKind::Output, String::from_utf8_lossy(&bytes).into_owned())),
        None => {
            if result.output.kept_bytes > result.output.tail.len() as u64 {
                lines.push((
                    LogKind::Problem,
                    "the whole output is no longer kept; this is its end".to_owned(),
                ));
            }
            lines.push((LogKind::Output, result.output.tail.clone()));
        }
    }
    let seconds = std::time::Duration::from_millis(result.duration_ms).as_secs_f64();
    let verdict = if result.passed() { "passed" } else { "failed" };
    lines.push((
        LogKind::Mark,
        format!("check `{}` {verdict}: {}, {seconds:.1} s", result.name, result.ending()),
    ));
    lines
}

/// The kept output, live or stored, if it is what was recorded.
fn kept(
    output: &OutputRecord,
    files: Option<&RunFiles>,
    repository: &Repository,
    stored: Option<CommitId>,
) -> Option<Vec<u8>> {
    let as_recorded = |bytes: &Vec<u8>| Digest::of(bytes) == output.digest;
    let hex = output.digest.hex();
    let live = files.and_then(|files| files.read(&format!("checks/{hex}"), MAX_OUTPUT_BYTES).ok().flatten());
    live.filter(as_recorded).or_else(|| {
        let bytes = stored_file(repository, stored?, &format!("outputs/{hex}"))
            .ok()
            .flatten();
        bytes.filter(as_recorded)
    })
}
