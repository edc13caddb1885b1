//! `foil status --watch`: a view of the whole screen for a person, lines for everybody else.

use std::time::{Duration, Instant};

use runner::{Moment, OverviewWatch, Settings, StatusReport, TicketState};

use super::{StatusArgs, words};
use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many times as long as a look takes it is waited for the next one at least: looking at the largest ledger then takes a
/// twentieth of one processor.
const REST: u32 = 20;

pub(super) fn run(args: &StatusArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let from = context.directory().canonicalize()?;
    let mut watch = OverviewWatch::new(&from, Settings::from_environment()?, args.ticket.clone());
    #[cfg(feature = "tui")]
    if context.output.is_live() && super::screen::is_there() {
        return on_screen(&mut watch, context);
    }
    in_lines(args, &mut watch, context)
}

/// Shows the status anew whenever more than the time has changed.
fn in_lines(args: &StatusArgs, watch: &mut OverviewWatch, context: &Context<'_>) -> Result<Exit, Failure> {
    let mut shown = None;
    loop {
        let began = Instant::now();
        let report = &watch.look(Moment::now().at)?.status;
        let lasting = without_time(report);
        if shown.as_ref() != Some(&lasting) {
            if context.output.is_json() {
                context.output.json_line(report)?;
            } else {
                context.output.answer(&words(args, report))?;
            }
            shown = Some(lasting);
        }
        std::thread::sleep(rest(began.elapsed()));
    }
}

/// Until the next look, after one that took so long.
fn rest(took: Duration) -> Duration {
    INTERVAL.max(took.saturating_mul(REST))
}

/// The status without what changes although nothing happens.
fn without_time(report: &StatusReport) -> StatusReport {
    let mut report = report.clone();
    for ticket in &mut report.tickets {
        if let TicketState::Running(run) = &mut ticket.state {
            run.elapsed_seconds = 0;
        }
    }
    report
}

#[cfg(feature = "tui")]
fn on_screen(watch: &mut OverviewWatch, context: &Context<'_>) -> Result<Exit, Failure> {
    use super::screen::{Happened, Screen};
    use super::view::{Reaction, View};

    // What keeps it from being seen at all is told on the terminal as it was.
    let overview = watch.look(Moment::now().at)?.clone();
    let has_color = context.output.has_color();
    let mut view = View::new(overview, has_color, jiff::tz::TimeZone::system());
    let mut screen = Screen::open(has_color)?;
    let mut due = Instant::now() + INTERVAL;
    let mut draws = true;
    loop {
        if draws {
            screen.draw(|frame| view.draw(frame, Moment::now().at))?;
        }
        draws = true;
        match screen.wait(due.saturating_duration_since(Instant::now()))? {
            Happened::Asked(exit) => return Ok(exit),
            Happened::Resized => {}
            Happened::Pressed(key) => match view.press(key) {
                Reaction::Stay => {}
                Reaction::Quit => return Ok(Exit::Done),
                Reaction::Interrupt => return Ok(Exit::Interrupted),
            },
            Happened::Nothing => {
                draws = Instant::now() >= due;
                if draws {
                    let began = Instant::now();
                    match watch.look(Moment::now().at) {
                        Ok(overview) => view.update(overview),
                        // A file that is being written, a policy with a slip: it may be mended while somebody looks.
                        Err(error) => view.cannot_look(&error.to_string()),
                    }
                    due = Instant::now() + rest(began.elapsed());
                }
            }
        }
    }
}
