//! What is shown while a run is under way: on a terminal two live lines below the story, elsewhere plain lines.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger_core::{CheckResult, Event, Observation, Record, Run, TicketId};
use runner::{RunStatus, TimelineLine};

use crate::output::{BAD, DIM, Output, count, plain, styled, thousands};

/// The lines of a failed check's output that are shown.
const SHOWN_LINES: usize = 12;

/// Shows one run.
pub(super) struct Progress<'a> {
    output: &'a Output,
    place: String,
    live: Option<ProgressBar>,
}

impl<'a> Progress<'a> {
    /// For the run of this ticket, the `n`-th of `total`.
    pub(super) fn new(output: &'a Output, ticket: &TicketId, n: usize, total: usize) -> Self {
        let live = output.story_is_live().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {prefix}\n  {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        let place = if total > 1 {
            format!("[{n}/{total}] {ticket}")
        } else {
            ticket.to_string()
        };
        Self { output, place, live }
    }

    /// Shows a record as it is written. Whether anybody reads it changes nothing about the run.
    pub(super) fn show(&mut self, run: &Run, record: &Record) {
        if let Some(live) = &self.live {
            live.set_prefix(self.stand(run));
            live.set_message(now(run));
        }
        if let Some(line) = self.line(run, record) {
            self.say(&line);
        }
    }

    /// Takes the live lines away.
    pub(super) fn end(&mut self) {
        if let Some(live) = self.live.take() {
            live.finish_and_clear();
        }
    }

    fn say(&self, text: &str) {
        let say = || {
            let _ = self.output.story(text);
        };
        match &self.live {
            Some(live) => live.suspend(say),
            None => say(),
        }
    }

    /// The first live line: where the run stands.
    fn stand(&self, run: &Run) -> String {
        let phase = run.phase().map_or("starting", ledger_core::Phase::as_str);
        let iteration = match run.totals().iterations {
            0 => String::new(),
            n => format!(" · iteration {n}"),
        };
        plain(&format!("{} · {phase}{iteration}", self.place))
    }

    fn line(&self, run: &Run, record: &Record) -> Option<String> {
        let line = TimelineLine::new(run.opened(), record);
        let quiet = match &record.event {
            Event::Activity(_) => self.live.is_some() || line.is_token_count(),
            Event::Intended(_) => false,
            Event::NotRequired { .. } => true,
            _ => false,
        };
        if quiet {
            return None;
        }
        let time = record
            .at
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%H:%M:%S")
            .to_string();
        let mut text = format!("{} {}\n", styled(DIM, time), plain(&line.text));
        if let Event::Observed {
            observation: Observation::ChecksRan { results, .. },
            ..
        } = &record.event
        {
            for failed in results.iter().filter(|result| !result.passed()) {
                text.push_str(&end_of_output(failed));
            }
        }
        Some(text)
    }
}

/// The second live line, of which a narrow terminal shows the beginning: what it came to so far, and what is being done.
fn now(run: &Run) -> String {
    let status = RunStatus::of(run, None);
    let mut parts = Vec::new();
    if let Some(files) = status.files_changed.filter(|files| *files > 0) {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        parts.push(count(files, "file changed", "files changed"));
    }
    parts.push(format!("{} tokens", thousands(status.tokens)));
    parts.extend(status.doing);
    plain(&parts.join(" · "))
}

/// The end of a failed check's output.
fn end_of_output(result: &CheckResult) -> String {
    let lines: Vec<_> = result.output.tail.lines().collect();
    let mut text = format!(
        "  {} `{}`: {}\n",
        styled(BAD, "failed"),
        plain(&result.name),
        result.outcome
    );
    for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
        text.push_str(&format!("  {} {}\n", styled(DIM, "│"), plain(line)));
    }
    text
}
