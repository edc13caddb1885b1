//! Signals that ask the runner to leave in good order.

use std::io;

use ledger_core::PauseCause;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes `Some` when somebody asks the runner to leave: SIGINT, SIGTERM, or SIGUSR1, which is what `foil stop` sends.
pub(super) fn watch() -> io::Result<watch::Receiver<Option<PauseCause>>> {
    let (sender, receiver) = watch::channel(None);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut stop = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        loop {
            let cause = tokio::select! {
                _ = interrupt.recv() => PauseCause::Interrupt,
                _ = terminate.recv() => PauseCause::Terminate,
                _ = hang_up.recv() => PauseCause::Terminate,
                _ = stop.recv() => PauseCause::Stop,
            };
            // The first one counts: leaving takes a moment, and a person may be impatient.
            sender.send_if_modified(|current| {
                let first = current.is_none();
                current.get_or_insert(cause);
                first
            });
        }
    });
    Ok(receiver)
}
