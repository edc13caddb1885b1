//! What is told of several runs, and kept for the answer.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger_core::{Blocker, BlockerCode, TicketId};
use policy::{Held, Outcome, Queued};
use runner::{CleanError, MadeRoom, Place, ReviewPacket, RunError, RunReport, View, Witness, Workspace};

use super::progress::Screen;
use super::{NotRun, ReportRun, exit_of, tell, title_of};
use crate::commands::Context;
use crate::commands::clean::{size, words as kind};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{GOOD, NOTICE, plain, styled};
use crate::story::FailureFacts;

/// After this many tickets in a row that could not be run for an error of the machine's, it is the machine and none of them.
const MOST_IN_A_ROW: u32 = 3;

/// Tells of runs as they begin and end.
pub(super) struct Teller<'a> {
    workspace: &'a Workspace,
    context: &'a Context<'a>,
    screen: Screen<'a>,
    /// The only ticket that was asked for: that it cannot be run is the answer.
    only: Option<TicketId>,
    told: Mutex<Told>,
}

/// What came of the runs.
#[derive(Debug)]
pub(super) struct Told {
    /// How the command ends.
    pub(super) exit: Exit,
    /// Each run; kept only where the answer is a document.
    pub(super) runs: Vec<ReportRun>,
    /// Each ticket that could not be run.
    pub(super) not_run: Vec<NotRun>,
    /// Tickets of packages that wait, because one before them is not done.
    pub(super) held_back: Vec<TicketId>,
    /// Tickets that somebody else has delivered.
    pub(super) delivered: Vec<TicketId>,
    /// Whether anything was run, or could not be.
    pub(super) has_tried: bool,
    /// Whether it was said that no ticket is ready.
    is_idle: bool,
    /// Tickets that wait to be tried again.
    postponed: BTreeSet<TicketId>,
    /// Whether the disk is full, which would meet every other ticket too.
    pub(super) is_full: bool,
    /// How many tickets in a row could not be run for an error of the machine's.
    failed_in_a_row: u32,
    /// Whether nobody reads what is told any more.
    is_unread: bool,
    failure: Option<Failure>,
}

impl<'a> Teller<'a> {
    /// `several`: whether more than one may run at the same time.
    pub(super) fn new(
        workspace: &'a Workspace,
        context: &'a Context<'a>,
        several: bool,
        only: Option<TicketId>,
    ) -> Self {
        Self {
            workspace,
            context,
            screen: Screen::new(context.output, several),
            only,
            told: Mutex::new(Told {
                exit: Exit::Done,
                runs: Vec::new(),
                not_run: Vec::new(),
                held_back: Vec::new(),
                delivered: Vec::new(),
                has_tried: false,
                is_idle: false,
                postponed: BTreeSet::new(),
                is_full: false,
                failed_in_a_row: 0,
                is_unread: false,
                failure: None,
            }),
        }
    }

    /// What came of all. An error where something could not be told, or where the only ticket could not be run.
    pub(super) fn finish(self) -> Result<Told, Failure> {
        let mut told = self.told.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !told.postponed.is_empty() {
            told.exit = told.exit.and(Exit::Blocked);
        }
        match told.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(told),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something; where nobody reads any more, nothing else is begun.
    fn say(&self, told: &mut Told, say: impl FnOnce() -> Result<(), Failure>) {
        if let Err(failure) = self.screen.suspend(say) {
            told.is_unread = true;
            told.failure.get_or_insert(failure);
        }
    }
}

impl Witness for Teller<'_> {
    fn begins(&self, ticket: &TicketId, place: Option<Place>) -> View<'_> {
        Box::new(self.screen.view(ticket, place))
    }

    fn ended(&self, ticket: &TicketId, ran: Result<RunReport, RunError>) {
        let mut told = self.told();
        let output = self.context.output;
        (told.has_tried, told.is_idle) = (true, false);
        told.postponed.remove(ticket);
        match ran {
            Ok(report) => {
                told.exit = told.exit.and(exit_of(&report));
                told.failed_in_a_row = 0;
                told.is_full |=
                    matches!(&report.outcome, Outcome::Blocked(blocker) if blocker.code == BlockerCode::DiskFull);
                self.say(&mut told, || tell(&report, self.context));
                if output.is_json() {
                    told.runs.push(ReportRun {
                        packet: ReviewPacket::read(self.workspace, &report.run, &title_of(self.workspace, ticket)),
                        taken_up: report.taken_up,
                        ticket: ticket.clone(),
                    });
                }
            }
            Err(error) if self.only.as_ref() == Some(ticket) => told.failure = Some(Failure::Run(error)),
            Err(error) => {
                let failure = Failure::Run(error);
                let of_this = Exit::of(&failure);
                told.exit = told.exit.and(of_this);
                let error = FailureFacts::of(&failure, of_this);
                let words = error.words(self.context.work_dir(), output);
                let text = format!("{} {ticket}\n{words}", styled(NOTICE, "not run"));
                self.say(&mut told, || Ok(output.error(&text)?));
                told.is_full |= error.code == Some(BlockerCode::DiskFull);
                match of_this {
                    Exit::Failed => told.failed_in_a_row += 1,
                    _ => told.failed_in_a_row = 0,
                }
                let ticket = ticket.clone();
                let error = error.reported_in(self.workspace);
                told.not_run.push(NotRun { ticket, error });
            }
        }
    }

    fn delivered(&self, ticket: &TicketId) {
        let text = format!(
            "{} {ticket}: its result is in the base, somebody else has delivered it; `git pull` brings it here\n",
            styled(GOOD, "delivered")
        );
        let mut told = self.told();
        (told.has_tried, told.is_idle) = (true, false);
        told.postponed.remove(ticket);
        told.delivered.push(ticket.clone());
        let output = self.context.output;
        self.say(&mut told, || Ok(output.story(&text)?));
    }

    fn goes_on(&self) -> bool {
        let told = self.told();
        !told.is_full && !told.is_unread && told.failed_in_a_row < MOST_IN_A_ROW
    }

    fn held(&self, held: &[Held]) {
        let mut text = String::new();
        for held in held {
            let because = plain(&held.because.to_string());
            text.push_str(&format!(
                "{} {}: {because}, and is run by another process\n",
                styled(NOTICE, "waiting"),
                held.ticket
            ));
        }
        let output = self.context.output;
        self.say(&mut self.told(), || Ok(output.story(&text)?));
    }

    fn held_back(&self, tickets: &[TicketId], because_of: &Queued) {
        let names: Vec<_> = tickets.iter().map(ToString::to_string).collect();
        let package = because_of
            .package
            .as_ref()
            .map(|package| format!(" in the package `{package}`"));
        let text = format!(
            "{} {}: they come after {}{}\n",
            styled(NOTICE, "waiting"),
            names.join(", "),
            because_of.id,
            package.unwrap_or_default()
        );
        let mut told = self.told();
        told.held_back.extend_from_slice(tickets);
        let output = self.context.output;
        self.say(&mut told, || Ok(output.story(&text)?));
    }

    fn postponed(&self, ticket: &TicketId, stopped_by: &Blocker, until: Timestamp) {
        let at = until.to_zoned(TimeZone::system()).strftime("%a %H:%M");
        let goes_on = match stopped_by.code {
            BlockerCode::AnswerNeeded => format!("`foil answer {ticket}` answers it, else it goes on at {at}"),
            _ => format!("it goes on at {at}, or later"),
        };
        let text = format!(
            "{} {ticket}: {} ({}); {goes_on}\n",
            styled(NOTICE, "waiting"),
            plain(&stopped_by.reason),
            stopped_by.code
        );
        let mut told = self.told();
        (told.has_tried, told.is_idle) = (true, false);
        told.postponed.insert(ticket.clone());
        self.say(&mut told, || Ok(self.context.output.story(&text)?));
    }

    fn not_notified(&self, problem: &str) {
        let text = format!(
            "{}: nobody was told that the night is over: {}\n",
            styled(NOTICE, "mind"),
            plain(problem)
        );
        self.say(&mut self.told(), || Ok(self.context.output.story(&text)?));
    }

    fn made_room(&self, made: &Result<MadeRoom, CleanError>) {
        let mut text = String::new();
        match made {
            Ok(made) => {
                for item in &made.report.removed {
                    let what = format!("{} of {}", kind(item.kind), item.of);
                    text.push_str(&format!("made room: {what} gone, {}\n", size(item.bytes)));
                }
                if made.is_over() {
                    text.push_str(&format!(
                        "{}: places and logs take {}, and `[disk] budget` is {}; nothing more of them may go by itself, `foil clean` says why\n",
                        styled(NOTICE, "mind"),
                        size(made.used),
                        size(made.budget)
                    ));
                }
            }
            Err(error) => {
                let words = plain(&error.to_string());
                text.push_str(&format!("{}: no room was made: {words}\n", styled(NOTICE, "mind")));
            }
        }
        let output = self.context.output;
        self.say(&mut self.told(), || Ok(output.story(&text)?));
    }

    fn nearly_spent(&self, words: &str) {
        let text = format!("{}: {words}\n", styled(NOTICE, "mind"));
        self.say(&mut self.told(), || Ok(self.context.output.story(&text)?));
    }

    fn idle(&self) {
        let mut told = self.told();
        if !std::mem::replace(&mut told.is_idle, true) {
            let text = "No ticket is ready; waiting for one. Ctrl-C ends it.\n";
            self.say(&mut told, || Ok(self.context.output.story(text)?));
        }
    }
}
