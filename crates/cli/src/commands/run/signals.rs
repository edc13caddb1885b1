//! Signals that ask the runner to leave in good order.

use std::io;

use ledger_core::PauseCause;
use runner::{LeaveRequests, Leaving};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::Exit;
use crate::output::Output;

/// What signals ask for.
pub(in crate::commands) struct Signals {
    /// Becomes `Some` when somebody asks the runner to leave: SIGINT, SIGTERM, or SIGUSR1, which is what `foil stop` sends.
    pub(in crate::commands) stop: watch::Receiver<Option<PauseCause>>,
    /// Becomes true when no more tickets are to be begun: SIGUSR2, which is what `foil stop --drain` sends.
    pub(in crate::commands) drain: watch::Receiver<bool>,
    /// The tickets that are to be left while others go on: those that somebody has left a note for before SIGUSR1.
    pub(in crate::commands) leaving: Leaving,
}

/// Listens to signals from now on. To be called in a runtime.
///
/// Leaving takes a moment, and a person may be impatient: the second signal is answered with a word, the third ends the
/// process at once. Whatever it left is then taken up as after a crash.
#[expect(clippy::exit, reason = "a person who asks three times wants the process to end now")]
pub(in crate::commands) fn watch(output: &Output, requests: LeaveRequests) -> io::Result<Signals> {
    let (sender, stopped) = watch::channel(None);
    let (drainer, drain) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut stop = signal(SignalKind::user_defined1())?;
    let mut last = signal(SignalKind::user_defined2())?;
    let output = output.clone();
    let leaving = Leaving::default();
    let left = leaving.clone();
    tokio::spawn(async move {
        let mut asked = 0;
        loop {
            let cause = tokio::select! {
                _ = interrupt.recv() => PauseCause::Interrupt,
                _ = terminate.recv() => PauseCause::Terminate,
                _ = hang_up.recv() => PauseCause::Terminate,
                _ = stop.recv() => {
                    let tickets = requests.take();
                    if tickets.is_empty() {
                        PauseCause::Stop
                    } else {
                        tickets.iter().for_each(|ticket| left.leave(ticket));
                        continue;
                    }
                }
                _ = last.recv() => {
                    if !drainer.send_replace(true) {
                        let _ = output.error(DRAINING);
                    }
                    continue;
                }
            };
            asked += 1;
            match answer(asked, cause) {
                Answer::Leave => {
                    sender.send_replace(Some(cause));
                }
                Answer::Say => {
                    // Whether anybody reads it changes nothing.
                    let _ = output.error(STOPPING);
                }
                Answer::LeaveAtOnce(exit) => std::process::exit(i32::from(exit.code())),
                Answer::Nothing => {}
            }
        }
    });
    Ok(Signals {
        stop: stopped,
        drain,
        leaving,
    })
}

const DRAINING: &str = "no more tickets are begun; those that run are brought to their end\n";

const STOPPING: &str = "stopping; once more leaves at once. Nothing is lost: `foil run` goes on from here\n";

/// What a signal leads to.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The run is asked to leave in good order.
    Leave,
    /// The person is told that it does.
    Say,
    /// The process ends.
    LeaveAtOnce(Exit),
    Nothing,
}

/// What the `asked`-th signal, counted from one, leads to. `foil stop` is never impatient.
fn answer(asked: u32, cause: PauseCause) -> Answer {
    match (asked, cause) {
        (1, _) => Answer::Leave,
        (2, _) => Answer::Say,
        (_, PauseCause::Stop | PauseCause::Person | PauseCause::Children | PauseCause::Budget) => Answer::Nothing,
        (_, PauseCause::Interrupt) => Answer::LeaveAtOnce(Exit::Interrupted),
        (_, PauseCause::Terminate) => Answer::LeaveAtOnce(Exit::Terminated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_signal_is_answered_and_the_third_ends_the_process() {
        use PauseCause::{Interrupt, Stop, Terminate};
        assert_eq!(answer(1, Terminate), Answer::Leave);
        assert_eq!(answer(2, Interrupt), Answer::Say);
        assert_eq!(answer(3, Stop), Answer::Nothing);
        assert_eq!(answer(3, Interrupt), Answer::LeaveAtOnce(Exit::Interrupted));
        assert_eq!(answer(4, Terminate), Answer::LeaveAtOnce(Exit::Terminated));
    }
}
