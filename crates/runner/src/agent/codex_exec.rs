//! Codex through `codex exec --json`: one process a turn. The fallback where the app-server cannot be used. It sees
//! less: tokens only at the end of a turn that succeeded, nothing of sub-agents, errors in prose, and not
//! always a command that fails at once on Codex' sandbox.

pub(super) mod watch;

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;
use ledger_core::{Activity, AgentFailureClass, AgentIdentity, AgentKind, ThreadId, TokenCount};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::watch::ExecWatch;
use super::child::{AgentChild, Launch};
use super::codex_home::set_aside_warning;
use super::codex_settings::thread_config;
use super::reset::with_told_reset;
use super::text::Redaction;
use super::transcript::{Transcript, last_exec_usage};
use super::turn::{INTERRUPT_LIMIT, StopSignal, TurnSink};
use super::{Agent, CodexAgentSettings, ThreadChoice, Turn, TurnEnd, TurnOutcome, TurnRequest, failure};
use crate::guard::{Exit, GuardError};

/// How long a process may take to end after it has told the end of its turn.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Codex, driven through `codex exec`.
#[derive(Debug)]
pub struct CodexExec {
    settings: Arc<CodexAgentSettings>,
    /// Held during a turn, so that turns follow one another.
    busy: Arc<Mutex<()>>,
}

impl CodexExec {
    /// An agent that starts a process for each turn.
    pub fn new(settings: CodexAgentSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            busy: Arc::new(Mutex::new(())),
        }
    }
}

impl Agent for CodexExec {
    fn kind(&self) -> AgentKind {
        AgentKind::CodexExec
    }

    fn start_turn(&mut self, request: TurnRequest) -> Turn {
        let (turn, sink) = Turn::channel();
        let (settings, busy) = (Arc::clone(&self.settings), Arc::clone(&self.busy));
        tokio::spawn(async move {
            let mut stop = sink.stop();
            let guard = tokio::select! {
                biased;
                () = stop.wait() => None,
                guard = busy.lock() => Some(guard),
            };
            if guard.is_none() {
                sink.ended(TurnEnd::interrupted()).await;
                return;
            }
            let (end, sink) = take_turn(&settings, &request, sink).await;
            drop(guard);
            sink.ended(end).await;
        });
        turn
    }

    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // Nothing is kept between turns.
        Box::pin(async move { drop(self.busy.lock().await) })
    }
}

async fn take_turn(settings: &CodexAgentSettings, request: &TurnRequest, sink: TurnSink) -> (TurnEnd, TurnSink) {
    let redaction = settings.redaction(request);
    let transcript = match Transcript::begin(request, AgentKind::CodexExec) {
        Ok(transcript) => transcript,
        Err(error) => {
            let failure = failure::unwritable_log(&error, &redaction);
            return (TurnEnd::failed(failure, TokenCount::default(), None), sink);
        }
    };
    let mut turn = ExecTurn {
        settings,
        request,
        stop: sink.stop(),
        sink,
        transcript,
        watch: ExecWatch::new(redaction.clone()),
        redaction,
        announced: false,
    };
    let outcome = match turn.take().await {
        Ok(outcome) => with_told_reset(outcome, &Zoned::now()),
        Err(fault) => TurnOutcome::Failed(failure::seen(fault.class(), &fault.to_string(), &turn.redaction)),
    };
    let mut end = TurnEnd {
        outcome,
        tokens: turn.watch.tokens(),
        thread: turn.watch.thread().cloned(),
    };
    if let Err(error) = turn.transcript.ended(&end) {
        end.outcome = TurnOutcome::Failed(failure::unwritable_log(&error, &turn.redaction));
    }
    (end, turn.sink)
}

/// Why a turn could not be taken.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("codex cannot be started: {0}")]
    CannotStart(GuardError),
    #[error("codex wrote something that cannot be read: {0}")]
    Line(#[from] super::child::LineError),
    #[error("a file of the turn cannot be written: {0}")]
    File(#[from] std::io::Error),
    #[error("processes of the turn could not be ended: {0}")]
    NotEnded(#[from] GuardError),
    #[error("{0}")]
    Request(String),
}

impl Fault {
    fn class(&self) -> AgentFailureClass {
        match self {
            Self::CannotStart(_) => AgentFailureClass::Unavailable,
            Self::Line(_) => AgentFailureClass::Protocol,
            Self::File(_) | Self::NotEnded(_) => AgentFailureClass::Other,
            Self::Request(_) => AgentFailureClass::BadRequest,
        }
    }
}

struct ExecTurn<'a> {
    settings: &'a CodexAgentSettings,
    request: &'a TurnRequest,
    sink: TurnSink,
    stop: StopSignal,
    transcript: Transcript,
    redaction: Redaction,
    watch: ExecWatch,
    announced: bool,
}

/// How one process ended.
enum ProcessEnd {
    /// With the end of the turn.
    Turn(TurnOutcome),
    /// Without a conversation, having said this.
    NoThread(String),
}

impl ExecTurn<'_> {
    async fn take(&mut self) -> Result<TurnOutcome, Fault> {
        let config = thread_config(self.request).map_err(|error| Fault::Request(error.to_string()))?;
        let set_aside = self
            .settings
            .home
            .restore()
            .map_err(|error| Fault::Request(error.to_string()))?;
        if let Some(message) = set_aside_warning(&set_aside) {
            self.sink.activity(Activity::Warning { message }).await;
        }
        let mut schema = tempfile::NamedTempFile::new_in(self.settings.home.path())?;
        schema.write_all(self.request.answer_schema.to_string().as_bytes())?;
        schema.flush()?;

        if let ThreadChoice::Resume(thread) = &self.request.thread {
            self.watch
                .spent_before(last_exec_usage(&self.request.log, thread)?.unwrap_or_default());
            match self
                .run(self.arguments(&config, schema.path(), Some(thread)), Some(thread))
                .await?
            {
                ProcessEnd::Turn(outcome) => return Ok(outcome),
                ProcessEnd::NoThread(said) => {
                    let reason = self.redaction.text(&said, 300);
                    let message = format!("the conversation cannot be resumed, a new one is started: {reason}");
                    self.sink.activity(Activity::Warning { message }).await;
                    self.watch.spent_before(TokenCount::default());
                }
            }
        }
        match self.run(self.arguments(&config, schema.path(), None), None).await? {
            ProcessEnd::Turn(outcome) => Ok(outcome),
            ProcessEnd::NoThread(said) => {
                let mut failure = self.watch.cut_off(&said);
                if failure.class == AgentFailureClass::Other {
                    failure.class = AgentFailureClass::Unavailable;
                }
                Ok(TurnOutcome::Failed(failure))
            }
        }
    }

    fn arguments(
        &self,
        config: &serde_json::Map<String, Value>,
        schema: &std::path::Path,
        resume: Option<&ThreadId>,
    ) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = vec![
            "exec".into(),
            "--json".into(),
            "--skip-git-repo-check".into(),
            "--sandbox".into(),
            self.request.access.sandbox_mode().into(),
            "--cd".into(),
            self.request.place.clone().into(),
            "--output-schema".into(),
            schema.into(),
        ];
        arguments.extend(self.settings.home.arguments().into_iter().map(Into::into));
        if let Some(model) = &self.request.model {
            arguments.extend(["--model".into(), model.into()]);
        }
        let effort = self
            .request
            .effort
            .as_ref()
            .map(|effort| ("model_reasoning_effort", Value::from(effort.as_str())));
        let config = config.iter().map(|(key, value)| (key.as_str(), value.clone()));
        for (key, value) in config.chain(effort) {
            if let Some(value) = as_toml(&value) {
                arguments.extend(["-c".into(), format!("{key}={value}").into()]);
            }
        }
        if let Some(thread) = resume {
            arguments.extend(["resume".into(), thread.as_str().into()]);
        }
        // The prompt comes over standard input: an argument would be cut at 128 KiB and shown to every process.
        arguments.push("-".into());
        arguments
    }

    /// Runs one process to its end.
    async fn run(&mut self, args: Vec<std::ffi::OsString>, resume: Option<&ThreadId>) -> Result<ProcessEnd, Fault> {
        let launch = Launch {
            program: self.settings.program.path().to_owned(),
            args,
            folder: self.request.place.clone(),
            env: self.settings.environment(),
        };
        let mut child = AgentChild::start(&launch, &self.settings.guard)
            .await
            .map_err(Fault::CannotStart)?;
        self.transcript.sent(&self.request.prompt)?;
        child.write(self.request.prompt.clone().into_bytes());
        child.close_input();
        loop {
            let line = tokio::select! {
                biased;
                () = self.stop.wait() => {
                    self.interrupt(&mut child).await?;
                    let outcome = self.watch.outcome().cloned();
                    return Ok(ProcessEnd::Turn(outcome.unwrap_or(TurnOutcome::Interrupted)));
                }
                line = child.line() => line,
            };
            match line {
                Ok(Some(line)) => {
                    self.transcript.received(&line)?;
                    let activities = self.watch.line(&line);
                    self.announce(resume.is_some()).await?;
                    for activity in activities {
                        self.sink.activity(activity).await;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    child.kill().await?;
                    return Err(error.into());
                }
            }
        }
        let exit = child.end(END_LIMIT).await?;
        let last_words = child.last_words();
        self.transcript.last_words(last_words.clone())?;
        if let Some(outcome) = self.watch.outcome() {
            return Ok(ProcessEnd::Turn(outcome.clone()));
        }
        let said = match last_words.trim() {
            "" => match exit {
                Some(Exit::Exited { code }) => format!("codex ended with status {code}"),
                Some(Exit::Signaled { signal }) => format!("codex was ended by signal {signal}"),
                None => "codex did not end by itself".to_owned(),
            },
            words => words.to_owned(),
        };
        if self.watch.thread().is_none() {
            return Ok(ProcessEnd::NoThread(said));
        }
        let message = format!("codex ended in the middle of the turn: {said}");
        let failure = failure::seen(AgentFailureClass::Crashed, &message, &self.redaction);
        Ok(ProcessEnd::Turn(TurnOutcome::Failed(failure)))
    }

    /// Tells that the conversation has begun, once.
    async fn announce(&mut self, resumed: bool) -> Result<(), Fault> {
        let Some(thread) = self.watch.thread().cloned() else {
            return Ok(());
        };
        if std::mem::replace(&mut self.announced, true) {
            return Ok(());
        }
        self.transcript.thread(&thread)?;
        let agent = AgentIdentity {
            kind: AgentKind::CodexExec,
            ..self.settings.identity(self.request.access)
        };
        self.sink
            .activity(Activity::ThreadStarted { thread, resumed, agent })
            .await;
        Ok(())
    }

    /// Asks the process to end, then kills it. What it still writes is taken in: the turn may have ended just now.
    async fn interrupt(&mut self, child: &mut AgentChild) -> Result<(), GuardError> {
        let deadline = Instant::now() + INTERRUPT_LIMIT;
        child.ask_to_stop().await;
        let rest = async {
            while let Ok(Some(line)) = child.line().await {
                // A log that cannot be written shows when the end is recorded.
                let _ = self.transcript.received(&line);
                self.watch.line(&line);
            }
        };
        match tokio::time::timeout_at(deadline, rest).await {
            Ok(()) => {
                let left = deadline.saturating_duration_since(Instant::now());
                child.end(left).await.map(|_| ())
            }
            Err(_) => child.kill().await,
        }
    }
}

/// A value as TOML on one line. Null has no form there.
fn as_toml(value: &Value) -> Option<toml::Value> {
    toml::Value::try_from(value).ok()
}
