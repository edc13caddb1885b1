//! An agent that does what plain files say: for the demo, and for tests of what a hostile worker could do.
//!
//! A folder holds one TOML file a turn. For each turn the first file, by name, that fits is followed:
//!
//! ```toml
//! role = "writer"                 # writer (may write), reviewer (may only read), planner, expert, curator, advisor,
//!                                 # any (default: writer and reviewer)
//! turn = 1                        # only the n-th turn of that role in the log; absent: every turn
//! prompt_contains = "0001-hello"  # only if the prompt has these words; absent: every prompt
//! tokens = { input = 1200, cached_input = 0, output = 300 }
//!
//! [[step]]
//! do = "write"                    # write, append, delete, rename, chmod, symlink, run, message, warning,
//! path = "hello.txt"              # command, retry, decline, wait
//! text = "hello\n"
//!
//! [answer]                        # text, report, review, plan, expert, curation or advice; missing fields of all but the first are empty
//! report = { status = "done", summary = "wrote the file" }
//!
//! # or, in place of an answer:
//! # [end]
//! # fail = { class = "rate_limited", message = "slow down" }      or      never = true
//! ```
//!
//! Where no script is a planner's, the planner answers with the least that a plan can say; where none is an expert's, every expert says proceed;
//! where none is a curator's, the curator has nothing to note; where none is an advisor's, it names one task and is content with what comes of it.
//!
//! In every text `{turn}` stands for the turn's label. Paths are relative to the place and cannot leave it. A `run`
//! step is a shell command **without any sandbox**, with the rights of whoever runs Counterfoil: a folder of scripts is
//! as trusted as a program. What such a command leaves running is ended with it.

mod script;
mod steps;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use ledger_core::{Activity, AgentFailure, AgentFailureClass, AgentIdentity, AgentKind, Digest, ThreadId, TokenCount};
use tokio::sync::Mutex;

pub use self::script::InvalidScript;
use self::script::{End, Script};
use super::text::Redaction;
use super::transcript::{Transcript, TranscriptEntry, read_transcript};
use super::turn::{StopSignal, TurnSink};
use super::{
    Access, Agent, AgentGuard, Role, ThreadChoice, Turn, TurnEnd, TurnOutcome, TurnRequest, bounded_answer, failure,
};

/// An agent that follows scripts.
#[derive(Debug)]
pub struct ScriptedAgent {
    scripts: Arc<Vec<Script>>,
    guard: AgentGuard,
    busy: Arc<Mutex<()>>,
}

impl ScriptedAgent {
    /// Reads every `*.toml` of the folder. Refuses a folder without any, and a file that is not of the format.
    pub fn load(folder: &Path, guard: AgentGuard) -> Result<Self, InvalidScript> {
        Ok(Self {
            scripts: Arc::new(Script::load_all(folder)?),
            guard,
            busy: Arc::new(Mutex::new(())),
        })
    }
}

impl Agent for ScriptedAgent {
    fn kind(&self) -> AgentKind {
        AgentKind::Scripted
    }

    fn start_turn(&mut self, request: TurnRequest) -> Turn {
        let (turn, sink) = Turn::channel();
        let (scripts, busy) = (Arc::clone(&self.scripts), Arc::clone(&self.busy));
        let guard = self.guard.clone();
        tokio::spawn(async move {
            let alone = busy.lock().await;
            let (end, sink) = take_turn(&scripts, &guard, &request, sink).await;
            drop(alone);
            sink.ended(end).await;
        });
        turn
    }

    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { drop(self.busy.lock().await) })
    }
}

async fn take_turn(
    scripts: &[Script],
    guard: &AgentGuard,
    request: &TurnRequest,
    mut sink: TurnSink,
) -> (TurnEnd, TurnSink) {
    let known =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let redaction = Redaction::new(&request.place, None, known, request.redactor.clone());
    let begun = number_of_turn(request).and_then(|number| {
        let transcript = Transcript::begin(request, AgentKind::Scripted)?;
        Ok((number, transcript))
    });
    let (number, mut transcript) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            let failure = failure::unwritable_log(&error, &redaction);
            return (TurnEnd::failed(failure, TokenCount::default(), None), sink);
        }
    };
    let thread = thread_of(request, number);
    let script = scripts.iter().find(|script| script.fits(request, number));
    let player = Player {
        request,
        guard,
        redaction: &redaction,
        stop: sink.stop(),
        sink: &mut sink,
    };
    let outcome = player.play(script, thread.as_ref()).await;
    let tokens = match outcome {
        TurnOutcome::Interrupted => TokenCount::default(),
        _ => script.map(|script| script.tokens()).unwrap_or_default(),
    };
    let mut end = TurnEnd {
        outcome,
        tokens,
        thread,
    };
    if let Err(error) = transcript.ended(&end) {
        end.outcome = TurnOutcome::Failed(failure::unwritable_log(&error, &redaction));
    }
    (end, sink)
}

/// Which turn of its role this is, counted from one over the whole log, so that a restarted runner goes on counting.
fn number_of_turn(request: &TurnRequest) -> std::io::Result<u32> {
    let mut number = 1;
    read_transcript(&request.log, |record| {
        let is_alike = |access, role: Option<Role>| {
            let alone = |role: Role| (!matches!(role, Role::Writer | Role::Reviewer)).then_some(role);
            access == request.access && role.and_then(alone) == alone(request.role)
        };
        if matches!(record.entry, TranscriptEntry::Began { access, role, .. } if is_alike(access, role)) {
            number += 1;
        }
    })?;
    Ok(number)
}

fn thread_of(request: &TurnRequest, number: u32) -> Option<ThreadId> {
    match &request.thread {
        ThreadChoice::Resume(thread) => Some(thread.clone()),
        ThreadChoice::Fresh => {
            let role = match (request.role, request.access) {
                (Role::Planner, _) => "planner",
                (Role::Expert, _) => "expert",
                (Role::Curator, _) => "curator",
                (Role::Advisor, _) => "advisor",
                (_, Access::Write) => "writer",
                (_, Access::ReadOnly) => "reviewer",
            };
            let digest = Digest::of(&request.label).hex();
            format!("scripted-{role}-{number}-{}", &digest[..12]).parse().ok()
        }
    }
}

/// Follows a script.
struct Player<'a> {
    request: &'a TurnRequest,
    guard: &'a AgentGuard,
    redaction: &'a Redaction,
    stop: StopSignal,
    sink: &'a mut TurnSink,
}

impl Player<'_> {
    async fn play(mut self, script: Option<&Script>, thread: Option<&ThreadId>) -> TurnOutcome {
        if let Some(thread) = thread {
            let agent = AgentIdentity {
                kind: AgentKind::Scripted,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                model: None,
                sandbox: "none".to_owned(),
            };
            let resumed = matches!(self.request.thread, ThreadChoice::Resume(_));
            self.sink
                .activity(Activity::ThreadStarted {
                    thread: thread.clone(),
                    resumed,
                    agent,
                })
                .await;
        }
        let Some(script) = script else {
            return self.failed(AgentFailureClass::Other, "no script fits this turn");
        };
        for (number, step) in script.steps().iter().enumerate() {
            if self.stop.is_set() {
                return TurnOutcome::Interrupted;
            }
            if let Err(error) = self.step(step, number).await {
                let message = format!("step {} of `{}`: {error}", number + 1, script.name());
                return self.failed(AgentFailureClass::Other, &message);
            }
        }
        let spent = script.tokens();
        if spent != TokenCount::default() {
            self.sink.activity(Activity::Tokens { spent }).await;
        }
        if self.stop.is_set() {
            return TurnOutcome::Interrupted;
        }
        match script.end() {
            End::Answer(answer) => TurnOutcome::Completed {
                answer: bounded_answer(answer.text(&self.request.label)),
            },
            End::Fail(failure) => TurnOutcome::Failed(AgentFailure {
                resets_at: failure.resets_at,
                ..failure::seen(failure.class, &failure.message, self.redaction)
            }),
            End::Never => {
                self.stop.wait().await;
                TurnOutcome::Interrupted
            }
        }
    }

    fn failed(&self, class: AgentFailureClass, message: &str) -> TurnOutcome {
        TurnOutcome::Failed(failure::seen(class, message, self.redaction))
    }
}
