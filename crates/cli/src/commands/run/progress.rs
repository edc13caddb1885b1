//! What is shown while a run is under way: on a terminal two live lines for each below the story, elsewhere plain lines.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger_core::{CheckResult, Event, Observation, Record, Run, TicketId};
use runner::{Place, RunStatus, TimelineLine};

use crate::output::{BAD, DIM, Output, count, plain, styled, thousands};

/// The lines of a failed check's output that are shown.
const SHOWN_LINES: usize = 12;

/// Where runs are shown.
pub(super) struct Screen<'a> {
    output: &'a Output,
    /// Whether lines of several runs come in any order.
    several: bool,
    /// The live lines of all runs.
    live: Option<MultiProgress>,
}

impl<'a> Screen<'a> {
    /// `several`: whether more than one run may be shown at the same time.
    pub(super) fn new(output: &'a Output, several: bool) -> Self {
        let live = output
            .story_is_live()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { output, several, live }
    }

    /// What shows a run of this ticket until it is dropped.
    pub(super) fn view(&self, ticket: &TicketId, place: Option<Place>) -> impl FnMut(&Run, &Record) + use<'_, 'a> {
        let mut progress = Progress {
            screen: self,
            ticket: ticket.clone(),
            place,
            live: None,
        };
        move |run, record| progress.show(run, record)
    }

    /// Does something that writes to the terminal while the live lines are away.
    pub(super) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.live {
            Some(live) => live.suspend(work),
            None => work(),
        }
    }
}

/// Shows one run.
struct Progress<'a> {
    screen: &'a Screen<'a>,
    ticket: TicketId,
    place: Option<Place>,
    live: Option<ProgressBar>,
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            live.finish_and_clear();
        }
    }
}

impl Progress<'_> {
    /// Shows a record as it is written. Whether anybody reads it changes nothing about the run.
    fn show(&mut self, run: &Run, record: &Record) {
        if let Some(screen) = &self.screen.live {
            let stand = self.stand(run);
            let live = self.live.get_or_insert_with(|| live_lines(screen));
            live.set_prefix(stand);
            live.set_message(now(run));
        }
        if let Some(line) = self.line(run, record) {
            self.screen.suspend(|| {
                let _ = self.screen.output.story(&line);
            });
        }
    }

    /// The first live line: where the run stands.
    fn stand(&self, run: &Run) -> String {
        let phase = run.phase().map_or("starting", ledger_core::Phase::as_str);
        let iteration = match run.totals().iterations {
            0 => String::new(),
            n => format!(" · iteration {n}"),
        };
        let place = match self.place {
            Some(Place { n, of }) if of > 1 => format!("[{n}/{of}] {}", self.ticket),
            _ => self.ticket.to_string(),
        };
        plain(&format!("{place} · {phase}{iteration}"))
    }

    fn line(&self, run: &Run, record: &Record) -> Option<String> {
        let line = TimelineLine::new(run.opened(), record);
        let quiet = match &record.event {
            Event::Activity(_) => self.screen.live.is_some() || line.is_token_count(),
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
        let whose = match self.screen.several {
            true => format!("{} ", styled(DIM, &self.ticket)),
            false => String::new(),
        };
        let mut text = format!("{} {whose}{}\n", styled(DIM, time), plain(&line.text));
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

fn live_lines(screen: &MultiProgress) -> ProgressBar {
    let bar = screen.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {prefix}\n  {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
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
