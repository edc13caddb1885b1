//! What the full-screen view shows, and what its keys do. It looks and changes nothing.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger_core::TicketId;
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use runner::{HealthState, Overview, RunStatus, TicketState, TicketStatus};

use super::text;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, count, plain};

/// From this height on events are shown.
const WITH_EVENTS: u16 = 14;

/// The most lines of events.
const MOST_EVENTS: u16 = 16;

/// The most lines that one fact of the selected ticket takes.
const MOST_LINES: usize = 4;

/// The most facts about the repository that are shown.
const MOST_NOTICES: usize = 2;

/// What a key leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    /// The view may look different.
    Stay,
    /// It was asked to end.
    Quit,
    /// It was asked to end as by a signal.
    Interrupt,
}

/// The view.
#[derive(Debug)]
pub(super) struct View {
    has_color: bool,
    zone: TimeZone,
    overview: Overview,
    /// Why the overview is not that of now.
    problem: Option<String>,
    selected: Option<TicketId>,
    /// The first line of the list that is shown.
    top: usize,
    /// How many lines of the list were shown last.
    page: usize,
    shows_help: bool,
}

/// A line of the list.
#[derive(Debug)]
struct Row {
    /// The ticket that it is about; a heading is about none.
    ticket: Option<usize>,
    line: Line<'static>,
}

impl View {
    pub(super) fn new(overview: Overview, has_color: bool, zone: TimeZone) -> Self {
        let mut view = Self {
            has_color,
            zone,
            overview,
            problem: None,
            selected: None,
            top: 0,
            page: 1,
            shows_help: false,
        };
        view.select(0);
        view
    }

    /// Shows this from now on.
    pub(super) fn update(&mut self, overview: &Overview) {
        self.overview.clone_from(overview);
        self.problem = None;
        if self.selected_place().is_none() {
            self.select(0);
        }
    }

    /// Goes on showing what was seen last, and why.
    pub(super) fn cannot_look(&mut self, problem: &str) {
        self.problem = Some(plain(problem));
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Reaction {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let (here, last) = (self.selected_place().unwrap_or(0), self.order().len().saturating_sub(1));
        match key.code {
            KeyCode::Char('c') if control => return Reaction::Interrupt,
            KeyCode::Char(_) if control => {}
            KeyCode::Char('q') => return Reaction::Quit,
            KeyCode::Esc | KeyCode::Char('?' | 'h') if self.shows_help => self.shows_help = false,
            KeyCode::Esc => return Reaction::Quit,
            KeyCode::Char('?' | 'h') => self.shows_help = true,
            KeyCode::Up | KeyCode::Char('k') => self.select(here.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(here.saturating_add(1)),
            KeyCode::PageUp => self.select(here.saturating_sub(self.page)),
            KeyCode::PageDown => self.select(here.saturating_add(self.page)),
            KeyCode::Home | KeyCode::Char('g') => self.select(0),
            KeyCode::End | KeyCode::Char('G') => self.select(last),
            _ => {}
        }
        Reaction::Stay
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, now: Timestamp) {
        let area = frame.area();
        let notices = self.notices();
        let events = match area.height {
            WITH_EVENTS.. => (area.height / 3).min(MOST_EVENTS),
            _ => 0,
        };
        let top = u16::try_from(notices.len()).unwrap_or(0).saturating_add(2);
        let [head, list, events, foot] = Layout::vertical([
            Constraint::Length(top),
            Constraint::Min(0),
            Constraint::Length(events),
            Constraint::Length(1),
        ])
        .areas(area);
        let counts = cut(&text::counts(&self.overview.status), usize::from(head.width));
        let mut lines = vec![self.title(head.width, now), self.styled(&counts, HEADING)];
        lines.extend(notices);
        frame.render_widget(Text::from(lines), head);
        if self.shows_help {
            frame.render_widget(Text::from(HELP), list);
        } else {
            frame.render_widget(Text::from(self.list(list)), list);
        }
        frame.render_widget(Text::from(self.events(events)), events);
        frame.render_widget(self.foot(foot.width), foot);
    }

    fn title(&self, width: u16, now: Timestamp) -> Line<'static> {
        let status = &self.overview.status;
        let (name, place) = (plain(&status.repository.id), text::place(status));
        let time = self.time(now);
        let room = usize::from(width).saturating_sub(time.len() + 1);
        let left = cut(&format!("{name} {place}"), room);
        let gap = " ".repeat(usize::from(width).saturating_sub(width_of(&left) + time.len()));
        Line::from(vec![
            Span::styled(left, self.style(HEADING)),
            Span::raw(gap),
            Span::styled(time, self.style(DIM)),
        ])
    }

    /// What is to be known before everything else.
    fn notices(&self) -> Vec<Line<'static>> {
        if let Some(problem) = &self.problem {
            return vec![self.styled(&format!("not as of now: {problem}"), BAD)];
        }
        let reasons = &self.overview.status.health.reasons;
        let of_repository = reasons.iter().filter(|reason| reason.ticket.is_none());
        let lines = of_repository.take(MOST_NOTICES).map(|reason| {
            let next = reason.next_step.as_ref().map(|step| format!("; next: {}", plain(step)));
            self.styled(&format!("{}{}", plain(&reason.reason), next.unwrap_or_default()), BAD)
        });
        lines.collect()
    }

    fn foot(&self, width: u16) -> Line<'static> {
        const KEYS: &str = "q quit   ↑↓ select   ? help";
        let health = &self.overview.status.health;
        let (word, style) = match health.state {
            HealthState::Ok => ("ok".to_owned(), GOOD),
            HealthState::Degraded => (count(health.reasons.len(), "to look at", "to look at"), NOTICE),
            HealthState::Error => (count(health.reasons.len(), "to look at", "to look at"), BAD),
        };
        let gap = usize::from(width).saturating_sub(width_of(KEYS) + word.len());
        Line::from(vec![
            Span::styled(KEYS, self.style(DIM)),
            Span::raw(" ".repeat(gap)),
            Span::styled(word, self.style(style)),
        ])
    }

    fn events(&self, area: Rect) -> Vec<Line<'static>> {
        let Some(room) = area.height.checked_sub(1) else {
            return Vec::new();
        };
        let mut lines = vec![self.rule("events", area.width)];
        let events = &self.overview.events;
        let names = events
            .iter()
            .map(|event| event.ticket.as_str().len())
            .max()
            .unwrap_or(0)
            .min(24);
        for event in events.range(events.len().saturating_sub(usize::from(room))..) {
            let time = self.time(event.at);
            let name = format!("{:names$}", cut(event.ticket.as_str(), names));
            let room = usize::from(area.width).saturating_sub(time.len() + width_of(&name) + 4);
            lines.push(Line::from(vec![
                Span::styled(format!("{time}  "), self.style(DIM)),
                Span::raw(format!("{name}  ")),
                Span::raw(cut(&plain(&event.text), room)),
            ]));
        }
        if lines.len() == 1 {
            lines.push(self.styled("nothing ran in this clone yet", DIM));
        }
        lines
    }

    /// The part of the list that is shown: so that the selected ticket is in sight.
    fn list(&mut self, area: Rect) -> Vec<Line<'static>> {
        let height = usize::from(area.height);
        let rows = self.rows(usize::from(area.width));
        let selected = self.selected_index();
        let is_selected = |row: &Row| row.ticket.is_some() && row.ticket == selected;
        let first = rows.iter().position(is_selected).unwrap_or(0);
        let after = rows.iter().rposition(is_selected).map_or(0, |last| last + 1);
        // A heading right above it is shown with it.
        let first = if first <= 1 { 0 } else { first };
        if after > self.top + height {
            self.top = after - height;
        }
        self.top = self.top.min(first).min(rows.len().saturating_sub(height));
        self.page = height.max(1);
        rows.into_iter()
            .skip(self.top)
            .take(height)
            .map(|row| row.line)
            .collect()
    }

    fn rows(&self, width: usize) -> Vec<Row> {
        let tickets = &self.overview.status.tickets;
        let ids = tickets
            .iter()
            .map(|ticket| ticket.id.as_str().len())
            .max()
            .unwrap_or(0)
            .min(32);
        let selected = self.selected_index();
        let mut rows = Vec::new();
        let mut state = "";
        for index in self.order() {
            let ticket = &tickets[index];
            if ticket.state.name() != state {
                state = ticket.state.name();
                let line = self.styled(state, text::style_of_state(state));
                rows.push(Row { ticket: None, line });
            }
            let is_selected = selected == Some(index);
            rows.push(Row {
                ticket: Some(index),
                line: self.ticket(ticket, ids, width, is_selected),
            });
            let room = width.saturating_sub(INDENT.len());
            let details = if is_selected {
                in_full(ticket, room)
            } else {
                in_short(ticket, room)
            };
            rows.extend(details.into_iter().map(|detail| Row {
                ticket: Some(index),
                line: Line::raw(format!("{INDENT}{detail}")),
            }));
        }
        rows
    }

    fn ticket(&self, ticket: &TicketStatus, ids: usize, width: usize, is_selected: bool) -> Line<'static> {
        let mark = if is_selected { "> " } else { "  " };
        let id = format!("{:ids$}", cut(ticket.id.as_str(), ids));
        let title = ticket.title.as_deref().map(plain).unwrap_or_default();
        let room = width.saturating_sub(mark.len() + width_of(&id) + 2);
        let style = if is_selected { self.style(HEADING) } else { Style::new() };
        Line::styled(format!("{mark}{id}  {}", cut(&title, room)), style)
    }

    /// The places of the tickets in the report, in the order in which people want to hear of them.
    fn order(&self) -> Vec<usize> {
        let tickets = &self.overview.status.tickets;
        let rank = |index: &usize| {
            let name = tickets[*index].state.name();
            TicketState::NAMES.iter().position(|known| *known == name)
        };
        let mut order: Vec<_> = (0..tickets.len()).collect();
        order.sort_by_key(rank);
        order
    }

    fn select(&mut self, place: usize) {
        let order = self.order();
        let index = order.get(place).or(order.last());
        self.selected = index.map(|index| self.overview.status.tickets[*index].id.clone());
    }

    fn selected_index(&self) -> Option<usize> {
        let tickets = &self.overview.status.tickets;
        let selected = self.selected.as_ref()?;
        tickets.iter().position(|ticket| ticket.id == *selected)
    }

    fn selected_place(&self) -> Option<usize> {
        let index = self.selected_index()?;
        self.order().iter().position(|other| *other == index)
    }

    fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    fn rule(&self, title: &str, width: u16) -> Line<'static> {
        let rest = usize::from(width).saturating_sub(title.len() + 4);
        self.styled(&format!("── {title} {}", "─".repeat(rest)), DIM)
    }

    fn styled(&self, text: &str, style: anstyle::Style) -> Line<'static> {
        Line::styled(text.to_owned(), self.style(style))
    }

    /// The same style here; none where colours are not wanted.
    fn style(&self, style: anstyle::Style) -> Style {
        let plain = Style::new();
        match style {
            _ if !self.has_color => plain,
            HEADING => plain.add_modifier(Modifier::BOLD),
            DIM => plain.add_modifier(Modifier::DIM),
            GOOD => plain.fg(Color::Green),
            NOTICE => plain.fg(Color::Yellow),
            BAD => plain.fg(Color::Red),
            _ => plain,
        }
    }
}

const INDENT: &str = "      ";

const HELP: &str = "
  q, Esc, Ctrl-C    leave
  ↑ ↓, k j          select a ticket: everything that is known of it is shown
  PgUp PgDn         select one further up or down
  Home End, g G     select the first or the last
  ?                 this, and back

  This looks and changes nothing. What to do next is shown as a command:
  run it in another terminal.";

/// Everything that is known of a ticket.
fn in_full(ticket: &TicketStatus, width: usize) -> Vec<String> {
    let mut facts = match &ticket.state {
        TicketState::Running(run) => under_way(run),
        _ => text::details(ticket),
    };
    match &ticket.state {
        TicketState::Draft => facts.push(format!("next: foil approve {}", ticket.id)),
        TicketState::Ready { next_step: None, .. } => facts.push(format!("next: foil run {}", ticket.id)),
        _ => {}
    }
    facts.iter().flat_map(|fact| wrapped(fact, width)).collect()
}

/// What is known of a ticket that somebody may have to look at, a line each.
fn in_short(ticket: &TicketStatus, width: usize) -> Vec<String> {
    match &ticket.state {
        TicketState::Running(run) => {
            let facts = under_way(run);
            let (stand, doing) = facts.split_at(1);
            // How far it is has to be read whole; what it does now is another thing in a moment.
            let stand = stand.iter().flat_map(|fact| wrapped(fact, width));
            stand.chain(doing.iter().map(|fact| cut(fact, width))).collect()
        }
        TicketState::Blocked(_) | TicketState::Paused(_) | TicketState::Broken(_) | TicketState::Stale(_) => {
            let details = text::details(ticket);
            let is_told = |detail: &&String| detail.starts_with("next: ") || detail.contains(text::GOES_ON);
            let next = details.iter().skip(1).filter(is_told);
            let facts = details.iter().take(1).chain(next);
            facts.map(|fact| cut(fact, width)).collect()
        }
        _ => Vec::new(),
    }
}

/// How far a run is, and what it is doing.
fn under_way(run: &RunStatus) -> Vec<String> {
    let stand = [text::standing(run), text::spent(run)].concat().join(" · ");
    std::iter::once(stand).chain(run.doing.as_deref().map(plain)).collect()
}

fn width_of(text: &str) -> usize {
    Span::raw(text).width()
}

/// The beginning of a text that fits.
fn cut(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut beginning = String::new();
    for character in text.chars() {
        beginning.push(character);
        if width_of(&beginning) >= width {
            beginning.pop();
            break;
        }
    }
    if width > 0 {
        beginning.push('…');
    }
    beginning
}

/// A text in lines that fit, broken between words where that is possible. Of a long one the beginning.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let is_full = lines.len() == MOST_LINES;
        match lines.last_mut() {
            Some(line) if width_of(line) + 1 + width_of(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) if is_full => {
                *line = cut(&format!("{line} …"), width);
                break;
            }
            _ => lines.push(cut(word, width)),
        }
    }
    lines
}

#[cfg(test)]
mod tests;
