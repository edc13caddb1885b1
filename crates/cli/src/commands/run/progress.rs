//! What is shown while a run is under way: on a terminal a live line below the story, elsewhere plain lines.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger_core::{CheckResult, Event, Observation, Record, Run, TicketId};
use runner::TimelineLine;

use crate::output::{BAD, DIM, Output, plain, styled};

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
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
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
            live.set_message(self.now(run));
        }
        if let Some(line) = self.line(run, record) {
            self.say(&line);
        }
    }

    /// Takes the live line away.
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

    /// The live line: where the run stands and what is being done.
    fn now(&self, run: &Run) -> String {
        let totals = run.totals();
        let phase = run.phase().map_or("starting", ledger_core::Phase::as_str);
        let doing = match run.pending() {
            Some(pending) if !pending.live.doing.is_empty() => pending.live.doing.clone(),
            Some(pending) => pending.effect.words().to_owned(),
            None => String::new(),
        };
        let files = run.change().map_or(0, |change| change.counts.total());
        let files = if files > 0 {
            format!(" · {files} files")
        } else {
            String::new()
        };
        plain(&format!(
            "{} · {phase} · turn {}{files} · {} tokens · {doing}",
            self.place,
            totals.iterations,
            run.tokens().total
        ))
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
