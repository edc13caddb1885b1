//! The status in words.

use anstyle::Style;
use ledger_core::BlockerCode;
use policy::Liveness;
use runner::{
    DoneStatus, HealthCode, QuestionReport, RunStatus, StatusReport, TicketState, TicketStatus, stack_in_words,
    stack_sentence,
};

use crate::commands::since::local_time;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, count, plain, styled, table, thousands};

/// How many tickets of a state are listed that nobody has to look at now.
const SHORT_LIST: usize = 20;

/// How much of what did not hold is shown of a blocked ticket.
const SHOWN_FAILED: usize = 3;

/// The tickets of a repository, by state.
pub(super) fn all(report: &StatusReport, in_full: bool) -> String {
    let mut text = heading(report);
    for name in TicketState::NAMES {
        let tickets: Vec<_> = report
            .tickets
            .iter()
            .filter(|ticket| ticket.state.name() == name)
            .collect();
        if tickets.is_empty() {
            continue;
        }
        text.push_str(&format!("\n{}\n", state_heading(name)));
        let quiet = matches!(name, "draft" | "done" | "canceled" | "ready" | "waiting");
        let (hidden, shown) = match tickets.len().checked_sub(SHORT_LIST) {
            // What is at the end of the order is what was made last.
            Some(hidden) if quiet && !in_full => tickets.split_at(hidden),
            _ => tickets.split_at(0),
        };
        if !hidden.is_empty() {
            text.push_str(&styled(DIM, format!("  {} more: --all shows them", hidden.len())));
            text.push('\n');
        }
        text.push_str(&group(shown));
    }
    text.push_str(&packages(report, in_full));
    for misfit in &report.misfits {
        text.push_str(&format!(
            "\n{} {}: {}\n",
            styled(BAD, "no ticket"),
            misfit.path,
            plain(&misfit.reason)
        ));
    }
    text.push_str(&format!("\n{}\n", counts(report)));
    text
}

/// One ticket with everything that is known.
pub(super) fn one(report: &StatusReport, ticket: &TicketStatus) -> String {
    let mut text = heading(report);
    text.push_str(&format!("\n{}\n", state_heading(ticket.state.name())));
    text.push_str(&group(&[ticket]));
    if let TicketState::Draft = ticket.state {
        text.push_str(&format!("    next: foil approve {}\n", ticket.id));
    }
    if let TicketState::Ready {
        approved_by, next_step, ..
    } = &ticket.state
    {
        text.push_str(&format!("    approved by {}\n", plain(approved_by)));
        if next_step.is_none() {
            text.push_str(&format!("    next: foil run {}\n", ticket.id));
        }
    }
    if let TicketState::Blocked(blocked) = &ticket.state
        && blocked.code != BlockerCode::Other
    {
        text.push_str(&format!("    more: foil explain --code {}\n", blocked.code));
    }
    text.push_str(&packages(report, true));
    text
}

/// How far each package is. Those that are delivered are only counted, unless all is asked for.
fn packages(report: &StatusReport, in_full: bool) -> String {
    if report.packages.is_empty() {
        return String::new();
    }
    let (shown, hidden): (Vec<_>, Vec<_>) = report
        .packages
        .iter()
        .partition(|package| in_full || package.next.is_some());
    let rows: Vec<_> = shown
        .iter()
        .map(|package| {
            let next = package.next.as_ref().map(|next| format!("next {next}"));
            vec![
                package.name.to_string(),
                plain(&package.title),
                format!("{} of {} delivered", package.delivered, package.tickets),
                next.unwrap_or_default(),
            ]
        })
        .collect();
    let mut text = format!("\n{}\n", styled(HEADING, "packages"));
    if !hidden.is_empty() {
        let delivered = format!("  {} delivered: --all shows them", hidden.len());
        text.push_str(&format!("{}\n", styled(DIM, delivered)));
    }
    for (package, line) in shown.iter().zip(table(&rows, 2).lines()) {
        text.push_str(&format!("{line}\n"));
        if let Some(problem) = &package.lock {
            text.push_str(&format!(
                "    {}: {}\n",
                styled(BAD, "its lock does not hold"),
                plain(problem)
            ));
        }
    }
    text
}

fn heading(report: &StatusReport) -> String {
    let mut text = format!("{} {}\n", styled(HEADING, plain(&report.repository.id)), place(report));
    if !report.policy.trusted {
        text.push_str(&format!(
            "{}: nothing runs before `foil trust`\n",
            styled(NOTICE, "the policy is not trusted")
        ));
    }
    let reasons = report.health.reasons.iter();
    let said_here = [HealthCode::DiskLow, HealthCode::DaemonFailing, HealthCode::DaemonGone];
    for reason in reasons.filter(|reason| said_here.contains(&reason.code)) {
        let next = reason
            .next_step
            .as_ref()
            .map(|step| format!("; next: `{}`", plain(step)));
        text.push_str(&format!(
            "{}{}\n",
            styled(BAD, plain(&reason.reason)),
            next.unwrap_or_default()
        ));
    }
    text
}

/// Where the work tree stands.
pub(super) fn place(report: &StatusReport) -> String {
    let repository = &report.repository;
    match (&repository.branch, &repository.commit) {
        (Some(branch), Some(_)) => format!("on {}", plain(branch)),
        (Some(branch), None) => format!("on {}, without a commit yet", plain(branch)),
        (None, Some(commit)) => format!("at {}, on no branch", commit.short()),
        (None, None) => "without a commit".to_owned(),
    }
}

fn state_heading(name: &str) -> String {
    styled(style_of_state(name), name)
}

/// How the name of a state is shown.
pub(super) fn style_of_state(name: &str) -> Style {
    match name {
        "running" | "ready" | "done" => GOOD,
        "blocked" | "broken" => BAD,
        "paused" | "stale" | "waiting" => NOTICE,
        _ => HEADING,
    }
}

/// How many tickets stand where.
pub(super) fn counts(report: &StatusReport) -> String {
    if report.tickets.is_empty() {
        return format!(
            "no tickets in {}/tickets yet: `foil new \"<title>\"` makes one",
            report.ledger
        );
    }
    let parts: Vec<_> = TicketState::NAMES
        .iter()
        .filter_map(|name| report.counts.get(name).map(|number| format!("{number} {name}")))
        .collect();
    format!(
        "{}: {}",
        count(report.tickets.len(), "ticket", "tickets"),
        parts.join(", ")
    )
}

fn group(tickets: &[&TicketStatus]) -> String {
    let rows: Vec<_> = tickets
        .iter()
        .map(|ticket| {
            let title = ticket.title.as_deref().map(plain).unwrap_or_default();
            vec![ticket.id.to_string(), title]
        })
        .collect();
    let mut text = String::new();
    for (ticket, line) in tickets.iter().zip(table(&rows, 2).lines()) {
        text.push_str(line);
        text.push('\n');
        for detail in details(ticket) {
            text.push_str(&format!("    {detail}\n"));
        }
    }
    text
}

/// What is known of a ticket beside its title, a line each.
pub(super) fn details(ticket: &TicketStatus) -> Vec<String> {
    match &ticket.state {
        TicketState::Draft | TicketState::Canceled => Vec::new(),
        TicketState::Ready { next_step, .. } => match next_step {
            Some(step) => vec!["its approval is not committed as it is here".to_owned(), next(step)],
            None => Vec::new(),
        },
        TicketState::Stale(stale) => vec![
            format!("{}: {}", stale.code, plain(&stale.reason)),
            next(&stale.next_step),
        ],
        TicketState::Waiting(waiting) => vec![plain(&waiting.reason)],
        TicketState::Running(run) => std::iter::once(progress(run))
            .chain(rests_on(run))
            .chain(minds(&run.unknown))
            .collect(),
        TicketState::Paused(paused) => {
            let why = match paused.cause {
                "person" => "a person has given their word".to_owned(),
                cause => format!("left by {cause}"),
            };
            let mut lines = vec![format!("{why}; {}", progress(&paused.run))];
            lines.extend(rests_on(&paused.run));
            lines.extend(minds(&paused.run.unknown));
            lines.push(next(&paused.next_step));
            lines
        }
        TicketState::Blocked(blocked) => {
            let mut lines = vec![
                format!("{}: {}", blocked.code, plain(&blocked.reason)),
                progress(&blocked.run),
            ];
            lines.extend(rests_on(&blocked.run));
            lines.extend(minds(&blocked.run.unknown));
            let failed = blocked.failed.iter().take(SHOWN_FAILED);
            lines.extend(failed.map(|proof| format!("did not hold: {}", plain(&proof.line()))));
            lines.extend(blocked.question.iter().flat_map(asked));
            // A question says itself until when it waits.
            let at = blocked.retry_at.filter(|_| blocked.question.is_none());
            lines.extend(at.map(|at| format!("`foil run --all` {GOES_ON} {}", local_time(at))));
            lines.push(next(&blocked.next_step));
            let rescue = blocked.rescue.as_ref();
            lines.extend(rescue.map(|command| format!("its work is kept: `{command}` begins a new run with it")));
            lines
        }
        TicketState::Done(done) => delivered(done),
        TicketState::Broken(broken) => {
            let reason = plain(&broken.reason);
            let mut lines = vec![match (&broken.path, broken.line, broken.column) {
                (Some(path), Some(line), Some(column)) => format!("{path}:{line}:{column}: {reason}"),
                (Some(path), ..) => format!("{path}: {reason}"),
                (None, ..) => reason,
            }];
            lines.extend(broken.hint.as_deref().map(|hint| format!("hint: {}", plain(hint))));
            lines
        }
    }
}

/// Says when what waits for a time goes on.
pub(super) const GOES_ON: &str = "goes on with it at";

/// What is known of a question that waits for an answer.
fn asked(question: &QuestionReport) -> Vec<String> {
    let mut lines = Vec::new();
    if !question.choices.is_empty() {
        let choices = question.choices.iter().zip(1..);
        let choices: Vec<_> = choices.map(|(choice, n)| format!("{n}. {}", plain(choice))).collect();
        lines.push(format!("choices: {}", choices.join("; ")));
    }
    let expires = local_time(question.expires_at);
    lines.push(format!("default, from {expires} on: {}", plain(&question.default)));
    let mut history = vec![format!("asked at {}", local_time(question.asked_at))];
    history.extend(question.told.iter().map(|told| plain(told)));
    history.push(match &question.seen {
        Some(seen) => format!("looked at by {} at {}", plain(&seen.by), local_time(seen.at)),
        None => "nobody has looked at it".to_owned(),
    });
    lines.push(history.join("; "));
    lines
}

fn next(step: &str) -> String {
    format!("next: {}", plain(step))
}

fn delivered(done: &DoneStatus) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(branch) = &done.branch {
        let commit = done
            .commit
            .map(|commit| format!(" at {}", commit.short()))
            .unwrap_or_default();
        let merged = match done.merged {
            Some(true) => ", merged",
            Some(false) => ", not merged",
            None => "",
        };
        let pushed = done
            .pushed
            .as_ref()
            .map(|target| format!(", pushed to {}", plain(target)));
        lines.push(format!(
            "{}{commit}{}{merged}",
            plain(branch),
            pushed.unwrap_or_default()
        ));
    }
    if !done.stacked.is_empty() {
        let them = if done.stacked.len() == 1 { "it" } else { "them" };
        let stack = stack_in_words(&done.stacked);
        lines.push(format!(
            "rests on {stack}, not merged: merging this branch brings {them} too"
        ));
    }
    lines.extend(minds(&done.unknown));
    let rows: Vec<_> = done
        .next_steps
        .iter()
        .map(|step| vec![format!("{}:", step.purpose), plain(&step.command)])
        .collect();
    lines.extend(table(&rows, 0).lines().map(str::to_owned));
    lines
}

/// What nobody knows.
fn minds(unknown: &[String]) -> impl Iterator<Item = String> + '_ {
    unknown.iter().map(|words| format!("mind: {}", plain(words)))
}

/// What a run's base rests on, where that is delivered tickets.
fn rests_on(run: &RunStatus) -> Option<String> {
    stack_sentence(&run.stacked)
}

fn progress(run: &RunStatus) -> String {
    let mut parts = standing(run);
    parts.extend(run.doing.as_deref().map(plain));
    parts.extend(spent(run));
    parts.join(", ")
}

/// Where a run stands.
pub(super) fn standing(run: &RunStatus) -> Vec<String> {
    let mut parts = vec![run.phase.map_or("opened", |phase| phase.as_str()).to_owned()];
    if run.iteration > 0 {
        parts.push(format!("iteration {}", run.iteration));
    }
    if run.repair_rounds > 0 {
        parts.push(count(run.repair_rounds as usize, "repair round", "repair rounds"));
    }
    // That it works is what anybody takes for granted.
    if let Some(liveness) = run.liveness.filter(|liveness| *liveness != Liveness::Working) {
        parts.push(liveness.words().to_owned());
    }
    parts
}

/// What a run has come to and what it took.
pub(super) fn spent(run: &RunStatus) -> Vec<String> {
    let files = run
        .files_changed
        .map(|files| usize::try_from(files).unwrap_or(usize::MAX));
    let files = files.map(|files| count(files, "file changed", "files changed"));
    let of = run.max_tokens.map(|most| format!(" of {}", thousands(most)));
    let tokens = format!("{}{} tokens", thousands(run.tokens), of.unwrap_or_default());
    files
        .into_iter()
        .chain([tokens, elapsed(run.elapsed_seconds)])
        .collect()
}

fn elapsed(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!([0, 59, 250, 7_290].map(elapsed), ["0s", "59s", "4m 10s", "2h 1m"]);
    }
}
