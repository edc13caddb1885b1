//! What hooks and notifications came to, as far as somebody should know it: those that failed, and those whose end nobody saw.

use ledger_core::{Effect, HookEnd, NotificationEnd, Run};

/// What went wrong or is not known, in sentences, in the order of time.
pub(crate) fn problems(run: &Run) -> Vec<String> {
    let hooks = run.hooks().iter().filter(|ran| !ran.end.succeeded()).map(|ran| {
        let words = hook_words(ran.hook.as_str(), ran.iteration, ran.hook.is_of_iteration());
        (ran.seq, format!("{words}: {}", ran.end))
    });
    let sent = run.notifications().iter();
    let sent = sent.filter(|sent| sent.end != NotificationEnd::HandedOver);
    let notifications = sent.map(|sent| {
        (
            sent.seq,
            format!("the notification `{}` by the {}: {}", sent.about, sent.by, sent.end),
        )
    });
    let mut all: Vec<_> = hooks.chain(notifications).collect();
    all.sort_by_key(|(seq, _)| *seq);
    all.into_iter().map(|(_, words)| words).chain(unseen(run)).collect()
}

/// Those of which nobody knows how they ended, in sentences.
pub(crate) fn unknown(run: &Run) -> Vec<String> {
    let hooks = run.hooks().iter().filter(|ran| ran.end == HookEnd::Unknown);
    let hooks = hooks.map(|ran| hook_words(ran.hook.as_str(), ran.iteration, ran.hook.is_of_iteration()));
    let sent = run.notifications().iter();
    let sent = sent.filter(|sent| sent.end == NotificationEnd::Unknown);
    let sent = sent.map(|sent| format!("the notification `{}` by the {}", sent.about, sent.by));
    let words = hooks.chain(sent).map(|what| format!("{what}: how it ended is unknown"));
    words.chain(unseen(run)).collect()
}

/// What a run that is over has begun and not seen the end of. Where its runner is gone, nobody will.
fn unseen(run: &Run) -> Option<String> {
    let pending = run.pending().filter(|_| run.state().is_ended())?;
    let what = match &pending.effect {
        Effect::RunHook { hook, iteration, .. } => hook_words(hook.as_str(), *iteration, hook.is_of_iteration()),
        Effect::Notify { about, by } => format!("the notification `{about}` by the {by}"),
        _ => return None,
    };
    Some(format!(
        "{what} was begun: unless a runner is still at it, how it ended is unknown, and it is not done again"
    ))
}

fn hook_words(hook: &str, iteration: u32, is_of_iteration: bool) -> String {
    match is_of_iteration {
        true => format!("the hook `{hook}` of iteration {iteration}"),
        false => format!("the hook `{hook}`"),
    }
}
