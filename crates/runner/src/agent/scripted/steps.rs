//! Takes the steps of a script.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ledger_core::Activity;

use super::script::{InPlace, Step};
use crate::agent::TurnRequest;
use crate::agent::text::Redaction;
use crate::agent::turn::TurnSink;

/// Takes one step. Dropping the future ends a command that it runs.
pub(super) async fn take(
    step: &Step,
    number: usize,
    request: &TurnRequest,
    redaction: &Redaction,
    sink: &mut TurnSink,
) -> io::Result<()> {
    let place = &request.place;
    let label = |text: &str| text.replace("{turn}", &request.label);
    match step {
        Step::Write { path, text } => {
            let file = path.below(place);
            make_folder_of(&file)?;
            std::fs::write(file, label(text))?;
            edited(sink, &[path]).await;
        }
        Step::Append { path, text } => {
            use std::io::Write;
            let file = path.below(place);
            make_folder_of(&file)?;
            std::fs::File::options()
                .append(true)
                .create(true)
                .open(file)?
                .write_all(label(text).as_bytes())?;
            edited(sink, &[path]).await;
        }
        Step::Delete { path } => {
            let file = path.below(place);
            if std::fs::symlink_metadata(&file)?.is_dir() {
                std::fs::remove_dir_all(file)?;
            } else {
                std::fs::remove_file(file)?;
            }
            edited(sink, &[path]).await;
        }
        Step::Rename { path, to } => {
            let target = to.below(place);
            make_folder_of(&target)?;
            std::fs::rename(path.below(place), target)?;
            edited(sink, &[path, to]).await;
        }
        Step::Chmod { path, mode } => {
            let mode = u32::from_str_radix(mode, 8).map_err(io::Error::other)?;
            std::fs::set_permissions(path.below(place), std::fs::Permissions::from_mode(mode))?;
            edited(sink, &[path]).await;
        }
        Step::Symlink { path, target } => {
            let link = path.below(place);
            make_folder_of(&link)?;
            std::os::unix::fs::symlink(target, link)?;
            edited(sink, &[path]).await;
        }
        Step::Run { command, may_fail } => {
            return run(&label(command), *may_fail, number, request, redaction, sink).await;
        }
        Step::Message { text } => {
            let text = redaction.end_of(&label(text), 400);
            sink.activity(Activity::Message { text }).await;
        }
        Step::Warning { text } => {
            let message = redaction.text(&label(text), 400);
            sink.activity(Activity::Warning { message }).await;
        }
        Step::Command { command, exit_code } => {
            let item = item(number);
            sink.activity(Activity::CommandStarted {
                item: item.clone(),
                command: redaction.command(&label(command)),
            })
            .await;
            sink.activity(Activity::CommandEnded {
                item,
                exit_code: Some(*exit_code),
                declined: false,
            })
            .await;
        }
        Step::Retry { reason } => {
            let reason = redaction.text(reason, 400);
            sink.activity(Activity::Retrying { reason }).await;
        }
        Step::Decline { request, about } => {
            let (request, about) = (redaction.text(request, 100), redaction.text(about, 300));
            sink.activity(Activity::RequestDeclined { request, about }).await;
        }
        Step::Wait { milliseconds } => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
    }
    Ok(())
}

fn item(number: usize) -> String {
    format!("step-{}", number + 1)
}

async fn edited(sink: &mut TurnSink, paths: &[&InPlace]) {
    let paths = paths
        .iter()
        .map(|path| crate::agent::shorten(&path.as_path().to_string_lossy(), 300))
        .collect();
    sink.activity(Activity::FilesEdited { paths }).await;
}

fn make_folder_of(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) => std::fs::create_dir_all(folder),
        None => Ok(()),
    }
}

/// Runs a shell command in the place.
async fn run(
    command: &str,
    may_fail: bool,
    number: usize,
    request: &TurnRequest,
    redaction: &Redaction,
    sink: &mut TurnSink,
) -> io::Result<()> {
    sink.activity(Activity::CommandStarted {
        item: item(number),
        command: redaction.command(command),
    })
    .await;
    let mut child = tokio::process::Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(&request.place)
        .envs(&request.env)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let mut group = Group(
        child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw),
    );
    let status = child.wait().await?;
    // Over: what the command left in its group is its own affair, as a script may want to leave a daemon.
    group.0 = None;
    sink.activity(Activity::CommandEnded {
        item: item(number),
        exit_code: status.code(),
        declined: false,
    })
    .await;
    if status.success() || may_fail {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "`{}` ended with {status}",
        redaction.text(command, 100)
    )))
}

/// Ends a process group when it is dropped.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}
