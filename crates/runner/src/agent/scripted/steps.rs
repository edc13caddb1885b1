//! Takes the steps of a script.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use ledger_core::Activity;

use super::Player;
use super::script::{InPlace, Step};
use crate::agent::child::inherited_environment;
use crate::guard::{Exit, GuardedCommand};

impl Player<'_> {
    /// Takes one step. Returns early, without an error, where the turn is to end.
    pub(super) async fn step(&mut self, step: &Step, number: usize) -> io::Result<()> {
        let place = &self.request.place;
        let label = |text: &str| text.replace("{turn}", &self.request.label);
        match step {
            Step::Write { path, text } => {
                let file = path.below(place);
                make_folder_of(&file)?;
                std::fs::write(file, label(text))?;
                self.edited(&[path]).await;
            }
            Step::Append { path, text } => {
                let file = path.below(place);
                make_folder_of(&file)?;
                let mut file = std::fs::File::options().append(true).create(true).open(file)?;
                file.write_all(label(text).as_bytes())?;
                self.edited(&[path]).await;
            }
            Step::Delete { path } => {
                let file = path.below(place);
                if std::fs::symlink_metadata(&file)?.is_dir() {
                    std::fs::remove_dir_all(file)?;
                } else {
                    std::fs::remove_file(file)?;
                }
                self.edited(&[path]).await;
            }
            Step::Rename { path, to } => {
                let target = to.below(place);
                make_folder_of(&target)?;
                std::fs::rename(path.below(place), target)?;
                self.edited(&[path, to]).await;
            }
            Step::Chmod { path, mode } => {
                let mode = u32::from_str_radix(mode, 8).map_err(io::Error::other)?;
                std::fs::set_permissions(path.below(place), std::fs::Permissions::from_mode(mode))?;
                self.edited(&[path]).await;
            }
            Step::Symlink { path, target } => {
                let link = path.below(place);
                make_folder_of(&link)?;
                std::os::unix::fs::symlink(target, link)?;
                self.edited(&[path]).await;
            }
            Step::Run { command, may_fail } => return self.run(&label(command), *may_fail, number).await,
            Step::Message { text, times } => {
                let text = label(text);
                for n in 1..=*times {
                    let text = self.redaction.end_of(&text.replace("{n}", &n.to_string()), 400);
                    self.sink.activity(Activity::Message { text }).await;
                }
            }
            Step::Warning { text } => {
                let message = self.redaction.text(&label(text), 400);
                self.sink.activity(Activity::Warning { message }).await;
            }
            Step::Command { command, exit_code } => {
                let command = label(command);
                self.command_started(&command, number).await;
                self.command_ended(Some(*exit_code), number).await;
            }
            Step::Retry { reason } => {
                let reason = self.redaction.text(reason, 400);
                self.sink.activity(Activity::Retrying { reason }).await;
            }
            Step::Decline { request, about } => {
                let request = self.redaction.text(request, 100);
                let about = self.redaction.text(about, 300);
                self.sink.activity(Activity::RequestDeclined { request, about }).await;
            }
            Step::Wait { milliseconds } => {
                let wait = tokio::time::sleep(Duration::from_millis(*milliseconds));
                tokio::select! {
                    () = self.stop.wait() => {}
                    () = wait => {}
                }
            }
        }
        Ok(())
    }

    async fn edited(&mut self, paths: &[&InPlace]) {
        let paths = paths
            .iter()
            .map(|path| self.redaction.text(&path.as_path().to_string_lossy(), 300))
            .collect();
        self.sink.activity(Activity::FilesEdited { paths }).await;
    }

    async fn command_started(&mut self, command: &str, number: usize) {
        let command = self.redaction.command(command);
        let item = item(number);
        self.sink.activity(Activity::CommandStarted { item, command }).await;
    }

    async fn command_ended(&mut self, exit_code: Option<i32>, number: usize) {
        self.sink
            .activity(Activity::CommandEnded {
                item: item(number),
                exit_code,
                declined: false,
            })
            .await;
    }

    /// Runs a shell command in the place, under a guard.
    async fn run(&mut self, command: &str, may_fail: bool, number: usize) -> io::Result<()> {
        self.command_started(command, number).await;
        let mut child = GuardedCommand::new("/bin/sh")
            .args(["-c", command])
            .envs(inherited_environment())
            .envs(&self.request.env)
            .current_dir(&self.request.place)
            .record_in(&self.guard.records)
            .grace(Duration::ZERO)
            .spawn(&self.guard.program)
            .await
            .map_err(io::Error::other)?;
        let ended = tokio::select! {
            biased;
            () = self.stop.wait() => child.kill_now().await.map(|_| None),
            ended = child.wait() => ended.map(Some),
        };
        let Some(ended) = ended.map_err(io::Error::other)? else {
            return Ok(());
        };
        let exit_code = match ended.exit {
            Exit::Exited { code } => Some(code),
            Exit::Signaled { .. } => None,
        };
        self.command_ended(exit_code, number).await;
        if exit_code == Some(0) || may_fail {
            return Ok(());
        }
        let command = self.redaction.text(command, 100);
        Err(io::Error::other(format!("`{command}` ended with {:?}", ended.exit)))
    }
}

fn item(number: usize) -> String {
    format!("step-{}", number + 1)
}

fn make_folder_of(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) => std::fs::create_dir_all(folder),
        None => Ok(()),
    }
}
