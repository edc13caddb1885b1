//! Who is to be told of an end, once it is recorded.

use ledger_core::{Effect, NotificationEvent, Run, State};

use crate::config::NotifyPolicy;
use crate::inputs::Step;

/// The next notification of the end of this run; none where everybody was told, or nobody is to be.
pub fn next_notification(run: &Run, notify: &NotifyPolicy) -> Option<Effect> {
    let about = match run.state() {
        State::Done => NotificationEvent::Done,
        State::Blocked(blocker) => NotificationEvent::of_blocker(blocker),
        State::Climbing | State::Paused { .. } | State::Canceled { .. } => return None,
    };
    // Whoever delivers later does it by hand and sees the end.
    if run.delivers().is_some() || run.stored().is_some() {
        return None;
    }
    let mut channels = notify.channels(about).into_iter();
    let by = channels.find(|by| run.notification_of_end(*by).is_none())?;
    Some(Effect::Notify { about, by })
}

pub(super) fn after_end(run: &Run, notify: &NotifyPolicy) -> Option<Step> {
    next_notification(run, notify).map(Step::Start)
}
