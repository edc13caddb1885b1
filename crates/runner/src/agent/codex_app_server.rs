//! Codex through its app-server: one server process a run, JSON-RPC over its standard streams.
//!
//! A turn that ends in any way but a clean one takes the server with it: closing it is the only way to be sure that
//! nothing of the worker's goes on in the place. The next turn starts another one and resumes its conversation.

mod fault;
mod protocol;
mod rollout;
mod server;
mod session;
pub(super) mod watch;

pub use protocol::{CodexProtocol, ProtocolDrift, ProtocolError};
#[cfg(feature = "fuzzing")]
pub(super) use server::{Message, declined};

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ledger_core::{AgentKind, TokenCount};
use tokio::sync::Mutex;

use self::server::Server;
use self::session::Session;
use super::transcript::Transcript;
use super::turn::TurnSink;
use super::{Agent, CodexAgentSettings, Turn, TurnEnd, TurnRequest, failure};

/// Codex, driven through `codex app-server`.
#[derive(Debug)]
pub struct CodexAppServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: CodexAgentSettings,
    /// The server that is kept between turns. Held during a turn, so that turns follow one another.
    server: Mutex<Option<LoadedServer>>,
}

/// A server with the conversations that it knows.
#[derive(Debug)]
struct LoadedServer {
    server: Server,
    threads: Vec<session::LoadedThread>,
}

impl CodexAppServer {
    /// An agent that starts Codex when the first turn is taken.
    pub fn new(settings: CodexAgentSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                server: Mutex::new(None),
            }),
        }
    }
}

impl Agent for CodexAppServer {
    fn kind(&self) -> AgentKind {
        AgentKind::Codex
    }

    fn start_turn(&mut self, request: TurnRequest) -> Turn {
        let (turn, sink) = Turn::channel();
        tokio::spawn(take_turn(Arc::clone(&self.shared), request, sink));
        turn
    }

    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if let Some(loaded) = self.shared.server.lock().await.take() {
                // What could not be ended is found by the next start.
                let _ = loaded.server.end().await;
            }
        })
    }
}

async fn take_turn(shared: Arc<Shared>, request: TurnRequest, sink: TurnSink) {
    let mut stop = sink.stop();
    let mut slot = tokio::select! {
        biased;
        () = stop.wait() => {
            sink.ended(TurnEnd::interrupted()).await;
            return;
        }
        slot = shared.server.lock() => slot,
    };
    let redaction = shared.settings.redaction(&request);
    let transcript = match Transcript::begin(&request, AgentKind::Codex) {
        Ok(transcript) => transcript,
        Err(error) => {
            let failure = failure::unwritable_log(&error, &redaction);
            sink.ended(TurnEnd::failed(failure, TokenCount::default(), None)).await;
            return;
        }
    };
    let session = Session::new(&shared.settings, &request, slot.take(), sink, transcript, redaction);
    let (end, kept, sink) = session.run().await;
    *slot = kept;
    // The next turn need not wait until the caller has taken the end of this one.
    drop(slot);
    sink.ended(end).await;
}
