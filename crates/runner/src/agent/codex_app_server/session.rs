//! One turn in one conversation of an app-server.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Zoned;
use ledger_core::{Activity, AgentIdentity, ThreadId};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::LoadedServer;
use super::fault::Fault;
use super::rollout::RolloutTail;
use super::server::{Message, Refusal, Server, about, declined};
use super::watch::{TurnWatch, text};
use crate::agent::codex_home::set_aside_warning;
use crate::agent::codex_settings::{CodexAgentSettings, thread_config};
use crate::agent::reset::with_told_reset;
use crate::agent::text::Redaction;
use crate::agent::transcript::Transcript;
use crate::agent::turn::{INTERRUPT_LIMIT, StopSignal, TurnSink};
use crate::agent::{Access, ThreadChoice, TurnEnd, TurnOutcome, TurnRequest, failure};
use crate::guard::GuardError;

/// How long the server may take to answer a request.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How long the server may take for what is asked of it after a turn.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// A conversation that a server has loaded.
#[derive(Debug, Clone)]
pub(super) struct LoadedThread {
    id: ThreadId,
    identity: AgentIdentity,
    /// Codex' record of it, where the server itself does not tell what the model asks for.
    rollout: Option<PathBuf>,
}

/// A turn under way.
pub(super) struct Session<'a> {
    settings: &'a CodexAgentSettings,
    request: &'a TurnRequest,
    loaded: Option<LoadedServer>,
    sink: TurnSink,
    stop: StopSignal,
    /// Whether a wish to stop still has to be heeded.
    heeds_stop: bool,
    transcript: Transcript,
    redaction: Redaction,
    watch: TurnWatch,
    thread: Option<ThreadId>,
    rollout: Option<RolloutTail>,
    /// Whether the turn was asked for, so that its sandbox holds.
    handed_over: bool,
    unreadable_lines: u32,
    /// Why it is not sure that everything of the turn has ended.
    not_ended: Option<GuardError>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        settings: &'a CodexAgentSettings,
        request: &'a TurnRequest,
        loaded: Option<LoadedServer>,
        sink: TurnSink,
        transcript: Transcript,
        redaction: Redaction,
    ) -> Self {
        Self {
            settings,
            request,
            loaded,
            stop: sink.stop(),
            sink,
            heeds_stop: true,
            transcript,
            watch: TurnWatch::new(redaction.clone()),
            redaction,
            thread: None,
            rollout: None,
            handed_over: false,
            unreadable_lines: 0,
            not_ended: None,
        }
    }

    /// Takes the turn to its end. Returns the server where it may be used again.
    pub(super) async fn run(mut self) -> (TurnEnd, Option<LoadedServer>, TurnSink) {
        let outcome = match self.take().await {
            Ok(()) => self.settle().await,
            Err(Fault::Stopped) => self.interrupt().await,
            Err(fault) => {
                self.discard_server().await;
                // A turn that had already ended is not undone by what came after.
                match self.watch.outcome() {
                    Some(outcome) => outcome.clone(),
                    None => TurnOutcome::Failed(fault.failure(&self.redaction)),
                }
            }
        };
        let outcome = match &self.not_ended {
            None => outcome,
            // Whatever the turn came to: its place may still be changing.
            Some(error) => TurnOutcome::Failed(failure::survived(error, &self.redaction)),
        };
        let end = TurnEnd {
            outcome: with_told_reset(outcome, &Zoned::now()),
            tokens: self.watch.tokens(),
            thread: self.thread.take(),
        };
        let end = match self.transcript.ended(&end) {
            Ok(()) => end,
            Err(error) => TurnEnd {
                outcome: TurnOutcome::Failed(failure::unwritable_log(&error, &self.redaction)),
                ..end
            },
        };
        (end, self.loaded, self.sink)
    }

    /// From nothing to the end of the turn.
    async fn take(&mut self) -> Result<(), Fault> {
        let config = thread_config(self.request).map_err(|error| Fault::Request(error.to_string()))?;
        let set_aside = self
            .settings
            .home
            .restore()
            .map_err(|error| Fault::Request(error.to_string()))?;
        if let Some(message) = set_aside_warning(&set_aside) {
            self.sink.activity(Activity::Warning { message }).await;
        }
        self.ready_server().await?;
        let (thread, resumed) = self.open_thread(config).await?;
        self.transcript.thread(&thread.id)?;
        self.watch.main_thread_is(&thread.id);
        self.thread = Some(thread.id.clone());
        // A record that cannot be read is missed by nothing that a turn needs; its commands may go unseen.
        self.rollout = thread
            .rollout
            .as_deref()
            .and_then(|path| RolloutTail::from_now(path).ok());
        self.sink
            .activity(Activity::ThreadStarted {
                thread: thread.id.clone(),
                resumed,
                agent: thread.identity.clone(),
            })
            .await;
        self.start_turn(&thread).await?;
        while self.watch.outcome().is_none() {
            self.receive(None).await?;
        }
        Ok(())
    }

    fn server(&mut self) -> Result<&mut Server, Fault> {
        match &mut self.loaded {
            Some(loaded) => Ok(&mut loaded.server),
            None => Err(Fault::Gone { stderr: String::new() }),
        }
    }

    /// Starts a server unless there is one.
    async fn ready_server(&mut self) -> Result<(), Fault> {
        if self.loaded.is_some() {
            return Ok(());
        }
        let server = Server::start(self.settings).await.map_err(Fault::CannotStart)?;
        self.loaded = Some(LoadedServer {
            server,
            threads: Vec::new(),
        });
        self.ask("initialize", &Server::introduction()).await?;
        let line = json!({ "method": "initialized" }).to_string();
        self.transcript.sent(&line)?;
        self.server()?.send(&line);
        Ok(())
    }

    /// The conversation of this turn: kept, resumed or new.
    async fn open_thread(&mut self, config: Map<String, Value>) -> Result<(LoadedThread, bool), Fault> {
        let mut params = json!({
            "cwd": self.request.place,
            // What the turn may write is said when it starts. A conversation that is opened for writing would make
            // Codex trust the place, and obey configuration that the worker wrote there.
            "sandbox": Access::ReadOnly.sandbox_mode(),
            "approvalPolicy": "never",
            "model": self.request.model,
            "config": config,
            // Without it some commands are never told, see `TurnWatch`.
            "experimentalRawEvents": true,
        });
        if let ThreadChoice::Resume(wanted) = &self.request.thread {
            let kept = self
                .loaded
                .iter()
                .flat_map(|loaded| &loaded.threads)
                .find(|known| known.id == *wanted);
            if let Some(kept) = kept.cloned() {
                let identity = AgentIdentity {
                    sandbox: self.request.access.sandbox_mode().to_owned(),
                    ..kept.identity
                };
                return Ok((LoadedThread { identity, ..kept }, true));
            }
            params["threadId"] = json!(wanted);
            // Its history is of no use here, and may be long.
            params["excludeTurns"] = json!(true);
            match self.ask("thread/resume", &params).await {
                Ok(answer) => return Ok((self.loaded_thread("thread/resume", &answer)?, true)),
                Err(Fault::Refused { refusal, .. }) => {
                    let reason = self.redaction.text(&refusal.message, 300);
                    let message = format!("the conversation cannot be resumed, a new one is started: {reason}");
                    self.sink.activity(Activity::Warning { message }).await;
                }
                Err(other) => return Err(other),
            }
            if let Some(params) = params.as_object_mut() {
                params.remove("threadId");
                params.remove("excludeTurns");
            }
        }
        let answer = self.ask("thread/start", &params).await?;
        Ok((self.loaded_thread("thread/start", &answer)?, false))
    }

    /// Reads who answers, and makes sure that it is held to what was asked.
    fn loaded_thread(&mut self, method: &'static str, answer: &Value) -> Result<LoadedThread, Fault> {
        let id = text(answer, "/thread/id").parse().map_err(|_| Fault::Incomplete {
            method,
            what: "a usable thread id",
        })?;
        // One that is kept from an earlier turn of another server may report what held then.
        if method == "thread/start" && text(answer, "/sandbox/type") != "readOnly" {
            return Err(Fault::OtherSandbox {
                got: answer.get("sandbox").cloned().unwrap_or_default(),
            });
        }
        let model = text(answer, "/model");
        let rollout = (method == "thread/resume")
            .then(|| PathBuf::from(text(answer, "/thread/path")))
            .filter(|path| path.starts_with(self.settings.home.path()));
        let thread = LoadedThread {
            id,
            rollout,
            identity: AgentIdentity {
                model: (!model.is_empty()).then(|| self.redaction.text(model, 100)),
                ..self.settings.identity(self.request.access)
            },
        };
        if let Some(loaded) = &mut self.loaded {
            loaded.threads.push(thread.clone());
        }
        Ok(thread)
    }

    /// The sandbox of the turn.
    fn sandbox_policy(&self) -> Value {
        match self.request.access {
            Access::Write => json!({
                "type": "workspaceWrite",
                "writableRoots": [],
                "networkAccess": self.request.network,
                "excludeTmpdirEnvVar": true,
                "excludeSlashTmp": true,
            }),
            Access::ReadOnly => json!({ "type": "readOnly", "networkAccess": self.request.network }),
        }
    }

    /// Makes sure that the sandbox that Codex reports is the one that it was given.
    fn check_sandbox(&self, params: &Value) -> Result<(), Fault> {
        let ours = self
            .thread
            .as_ref()
            .is_some_and(|thread| text(params, "/threadId") == thread.as_str());
        let got = params.pointer("/threadSettings/sandboxPolicy");
        match (self.handed_over && ours, got) {
            (true, Some(got)) if !agrees(&self.sandbox_policy(), got) => Err(Fault::OtherSandbox { got: got.clone() }),
            _ => Ok(()),
        }
    }

    /// Hands over the prompt.
    async fn start_turn(&mut self, thread: &LoadedThread) -> Result<(), Fault> {
        let params = json!({
            "threadId": thread.id,
            "input": [{ "type": "text", "text": self.request.prompt }],
            "cwd": self.request.place,
            "approvalPolicy": "never",
            "sandboxPolicy": self.sandbox_policy(),
            "model": self.request.model,
            "effort": self.request.effort,
            "outputSchema": self.request.answer_schema,
        });
        self.handed_over = true;
        let answer = self.ask("turn/start", &params).await?;
        let turn = text(&answer, "/turn/id");
        if turn.is_empty() {
            return Err(Fault::Incomplete {
                method: "turn/start",
                what: "a turn id",
            });
        }
        self.watch.main_turn_is(turn);
        Ok(())
    }

    async fn ask(&mut self, method: &'static str, params: &Value) -> Result<Value, Fault> {
        self.ask_within(method, params, ANSWER_LIMIT).await
    }

    /// Makes a request and takes in whatever comes until it is answered.
    async fn ask_within(&mut self, method: &'static str, params: &Value, limit: Duration) -> Result<Value, Fault> {
        let deadline = Instant::now() + limit;
        let (wanted, line) = self.server()?.request_line(method, params);
        self.transcript.sent(&line)?;
        self.server()?.send(&line);
        loop {
            match self.receive(Some(deadline)).await? {
                Received::Answer { id, result } if id == wanted => {
                    return result.map_err(|refusal| Fault::Refused { method, refusal });
                }
                Received::Answer { .. } | Received::Other => {}
                Received::TimeOut => return Err(Fault::NoAnswer { method, limit }),
            }
        }
    }

    /// Takes in one message.
    async fn receive(&mut self, deadline: Option<Instant>) -> Result<Received, Fault> {
        let Some(loaded) = &mut self.loaded else {
            return Err(Fault::Gone { stderr: String::new() });
        };
        let line = loaded.server.line();
        let line = tokio::select! {
            biased;
            () = self.stop.wait(), if self.heeds_stop => return Err(Fault::Stopped),
            line = within(deadline, line) => match line {
                None => return Ok(Received::TimeOut),
                Some(line) => line?,
            },
        };
        let Some(line) = line else {
            let said = loaded.server.last_words_at_its_end().await;
            let stderr = self.redaction.end_of(&said, 300);
            return Err(Fault::Gone { stderr });
        };
        self.transcript.received(&line)?;
        match Message::parse(&line) {
            Message::Response { id, result } => return Ok(Received::Answer { id, result }),
            Message::Notification { method, params } => {
                if method == "thread/settings/updated" {
                    self.check_sandbox(&params)?;
                }
                // What the model asked for comes before what became of it.
                self.read_rollout().await;
                for activity in self.watch.notification(&method, &params) {
                    self.sink.activity(activity).await;
                }
            }
            Message::Request { id, method, params } => {
                let answer = declined(&id, &method);
                self.transcript.sent(&answer)?;
                self.server()?.send(&answer);
                let about = self.redaction.text(about(&params), 300);
                let request = self.redaction.text(&method, 100);
                self.sink.activity(Activity::RequestDeclined { request, about }).await;
            }
            Message::Unreadable => {
                self.unreadable_lines += 1;
                if self.unreadable_lines == 1 {
                    let message = "codex wrote a line that is no message; such lines are passed over".to_owned();
                    self.sink.activity(Activity::Warning { message }).await;
                }
            }
        }
        Ok(Received::Other)
    }

    /// Takes in what the conversation's record has grown by.
    async fn read_rollout(&mut self) {
        let Some(rollout) = &mut self.rollout else {
            return;
        };
        for item in rollout.new_items() {
            for activity in self.watch.raw_item(&item) {
                self.sink.activity(activity).await;
            }
        }
    }

    /// After a turn that ended by itself: keeps the server only where nothing of the turn can still be running.
    async fn settle(&mut self) -> TurnOutcome {
        self.heeds_stop = false;
        let outcome = match self.watch.outcome() {
            Some(outcome) => outcome.clone(),
            None => TurnOutcome::Interrupted,
        };
        let quiet = !self.watch.has_sub_agents() && self.has_no_terminals().await;
        self.read_rollout().await;
        if !quiet {
            self.discard_server().await;
        }
        outcome
    }

    /// Whether the server says that no command of the conversation is still running.
    async fn has_no_terminals(&mut self) -> bool {
        let params = json!({ "threadId": self.thread });
        let answer = self
            .ask_within("thread/backgroundTerminals/list", &params, SETTLE_LIMIT)
            .await;
        let none = answer.is_ok_and(|answer| {
            answer
                .get("data")
                .and_then(Value::as_array)
                .is_some_and(|terminals| terminals.is_empty())
        });
        none && self.watch.open_turns().is_empty()
    }

    /// Ends the turn as somebody wants it to: by asking, then by force. The server goes in either case.
    async fn interrupt(&mut self) -> TurnOutcome {
        self.heeds_stop = false;
        let deadline = Instant::now() + INTERRUPT_LIMIT;
        // Whatever fails here ends in the same way: the server is closed.
        let _ = self.ask_to_end(deadline).await;
        self.discard_server_by(Some(deadline)).await;
        match self.watch.outcome() {
            Some(outcome) => outcome.clone(),
            None => TurnOutcome::Interrupted,
        }
    }

    async fn ask_to_end(&mut self, deadline: Instant) -> Result<(), Fault> {
        for (thread, turn) in self.watch.open_turns() {
            let params = json!({ "threadId": thread, "turnId": turn });
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ask_within("turn/interrupt", &params, left).await {
                // A turn that ended in the meantime.
                Ok(_) | Err(Fault::Refused { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        if self.watch.outcome().is_none() && self.watch.open_turns().is_empty() {
            // The turn had not begun: nothing will say that it ended.
            return Ok(());
        }
        if let Some(thread) = self.thread.clone() {
            while self.watch.outcome().is_none() {
                if matches!(self.receive(Some(deadline)).await?, Received::TimeOut) {
                    return Ok(());
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let params = json!({ "threadId": thread });
            self.ask_within("thread/backgroundTerminals/clean", &params, left)
                .await?;
        }
        Ok(())
    }

    /// Ends the server with everything that it runs.
    async fn discard_server(&mut self) {
        self.discard_server_by(None).await;
    }

    /// The same, where it has to be gone soon after this moment.
    async fn discard_server_by(&mut self, deadline: Option<Instant>) {
        if let Some(loaded) = self.loaded.take() {
            // A log that cannot be written has been, or will be, reported by what follows.
            let _ = self.transcript.last_words(loaded.server.last_words());
            let ended = match deadline {
                _ if self.watch.outcome().is_none() => loaded.server.kill().await,
                None => loaded.server.end().await,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    loaded.server.end_within(left).await
                }
            };
            self.not_ended = ended.err();
        }
    }
}

/// Whether everything that was asked for is reported.
fn agrees(asked: &Value, got: &Value) -> bool {
    let asked = asked.as_object().into_iter().flatten();
    asked.into_iter().all(|(key, value)| got.get(key) == Some(value))
}

/// What came in.
enum Received {
    Answer { id: u64, result: Result<Value, Refusal> },
    Other,
    TimeOut,
}

/// Waits until the deadline, if there is one.
async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}
