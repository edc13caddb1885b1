//! Telling somebody outside how a run ended.

use std::sync::Arc;

use jiff::Timestamp;
use ledger_core::{Effect, Event, NotificationChannel, NotificationEvent, Observation, PauseCause, Run};
use tokio::sync::watch;

use super::Engine;
use super::set_up::stopped;
use crate::drive::{DriveError, Driver};
use crate::journal_file::JournalSink;
use crate::notify::{Notifier, NotifyError, notification_of, told_to_stop};
use crate::run_variables::notification_variables;

impl Engine {
    pub(super) fn notify(&mut self, seq: u64, about: NotificationEvent, by: NotificationChannel, run: &Run) {
        let plan = Arc::clone(&self.plan);
        let title = &plan.ticket.file.title;
        let notification = notification_of(run, title, about, &plan.redactor);
        let variables = notification_variables(run, title, about);
        let interrupted = self.interrupt.subscribe();
        self.waiting(seq, async move {
            let notifier = Notifier {
                policy: &plan.policy.notify,
                guard: &plan.guard,
                records: Some(&plan.folders.run.join("guards")),
                temporary: &plan.folders.places.join("temporary"),
                redactor: &plan.redactor,
            };
            let stop = stopped(&interrupted);
            Ok(seen(notifier.send(by, &notification, &variables, stop).await))
        });
    }
}

fn seen(sent: Result<(), NotifyError>) -> Observation {
    Observation::Notified {
        problem: sent.err().map(|error| error.to_string()),
    }
}

/// Tells of the end of a run that no engine drives, before it is kept in Git.
pub(crate) async fn notify_of_end<J: JournalSink>(
    driver: &mut Driver<'_, J>,
    notifier: &Notifier<'_>,
    title: &str,
    stop: &watch::Receiver<Option<PauseCause>>,
) -> Result<(), DriveError> {
    while let Some(effect) = policy::next_notification(driver.run, notifier.policy) {
        let Effect::Notify { about, by } = effect else {
            break;
        };
        let seq = driver.run.next_seq();
        driver.record(Timestamp::now(), &Event::Intended(effect))?;
        driver.journal.sync()?;
        let notification = notification_of(driver.run, title, about, notifier.redactor);
        let variables = notification_variables(driver.run, title, about);
        let observation = seen(notifier.send(by, &notification, &variables, told_to_stop(stop)).await);
        driver.record(Timestamp::now(), &Event::Observed { of: seq, observation })?;
    }
    Ok(())
}
