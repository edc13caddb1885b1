//! What the view looks like, drawn into a terminal that is none.

use insta::assert_snapshot;
use jiff::SignedDuration;
use ledger_core::{BlockerCode, Digest, Mode, Phase};
use policy::Liveness;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::{Terminal, crossterm::event::KeyEventState};
use runner::{
    BlockedStatus, BrokenStatus, DoneStatus, EVENTS_SCHEMA, HealthCode, HealthReason, NextStep, PausedStatus,
    PolicyStatus, RepositoryStatus, RunStatus, STATUS_SCHEMA, StaleStatus, StatusHealth, StatusReport, TimelineLine,
    WaitingStatus,
};

use super::*;

fn now() -> Timestamp {
    "2026-01-02T13:24:35Z".parse().unwrap()
}

fn run(doing: &str) -> RunStatus {
    RunStatus {
        run: "r1".parse().unwrap(),
        phase: Some(Phase::WriterAssigned),
        iteration: 2,
        repair_rounds: 1,
        doing: Some(doing.to_owned()),
        files_changed: Some(3),
        tokens: 123_456,
        unknown: Vec::new(),
        max_tokens: Some(400_000),
        liveness: None,
        limits: None,
        stacked: Vec::new(),
        started_at: now(),
        last_event_at: now(),
        elapsed_seconds: 754,
    }
}

fn ticket(id: &str, title: &str, state: TicketState) -> TicketStatus {
    TicketStatus {
        id: id.parse().unwrap(),
        title: Some(title.into()),
        kind: None,
        mode: Some(Mode::Standard),
        priority: 0,
        state,
    }
}

/// A ticket in each state.
fn tickets() -> Vec<TicketStatus> {
    vec![
        ticket(
            "0001-user-model",
            "A model of the user",
            TicketState::Done(Box::new(DoneStatus {
                branch: Some("foil/0001-user-model".to_owned()),
                merged: Some(false),
                next_steps: vec![NextStep {
                    purpose: "review",
                    command: "foil review 0001-user-model".to_owned(),
                }],
                ..DoneStatus::default()
            })),
        ),
        ticket(
            "0002-sign-up",
            "The form by which people sign up",
            TicketState::Running(Box::new(run("the turn: cargo test -p auth --all-features"))),
        ),
        ticket(
            "0003-validate-email",
            "Validate e-mail addresses",
            TicketState::Waiting(Box::new(WaitingStatus {
                code: BlockerCode::DependencyNotDone,
                tickets: vec!["0002-sign-up".parse().unwrap()],
                reason: "`0002-sign-up` is not delivered".to_owned(),
            })),
        ),
        ticket(
            "0004-rate-limit",
            "Limit how often somebody may try",
            TicketState::Blocked(Box::new(BlockedStatus {
                code: BlockerCode::ScopeViolation,
                reason: "the worker changed `src/lib.rs`, which the ticket does not allow".to_owned(),
                next_step: "widen `[scope] allowed`, then `foil approve 0004-rate-limit`".to_owned(),
                resumable: false,
                retry_at: None,
                failed: Vec::new(),
                waits_for_word: false,
                question: None,
                rescue: Some("foil run --from-rescue 0004-rate-limit".to_owned()),
                unkept: false,
                run: run("nothing"),
            })),
        ),
        ticket(
            "0005-logout",
            "Log out everywhere",
            TicketState::Paused(Box::new(PausedStatus {
                cause: "crash",
                next_step: "foil run 0005-logout".to_owned(),
                run: run("checks: cargo test"),
            })),
        ),
        ticket("0006-audit", "Keep an audit log", TicketState::Draft),
        ticket(
            "0007-words",
            "Better words",
            TicketState::Ready {
                approved_by: "Ada".into(),
                uncommitted: false,
                next_step: None,
            },
        ),
        ticket(
            "0008-edited",
            "Edited since",
            TicketState::Stale(Box::new(StaleStatus {
                code: BlockerCode::ApprovalStale,
                reason: "`ledger/tickets/0008-edited/prompt.md`: it was changed".to_owned(),
                next_step: "foil approve 0008-edited".to_owned(),
            })),
        ),
        TicketStatus {
            title: None,
            ..ticket(
                "0009-broken",
                "",
                TicketState::Broken(Box::new(BrokenStatus {
                    path: Some("ledger/tickets/0009-broken/ticket.toml".parse().unwrap()),
                    line: Some(2),
                    column: Some(1),
                    reason: "unknown key `kid`".to_owned(),
                    hint: Some("`kind` is nearest".to_owned()),
                })),
            )
        },
        ticket("0010-old", "Not wanted any more", TicketState::Canceled),
    ]
}

fn event(second: i64, text: &str) -> TimelineLine {
    TimelineLine {
        schema: EVENTS_SCHEMA,
        ticket: "0002-sign-up".parse().unwrap(),
        run: "r1".parse().unwrap(),
        seq: 0,
        at: now() - SignedDuration::from_secs(60 - second),
        kind: "activity",
        subject: None,
        text: text.to_owned(),
    }
}

fn overview(tickets: Vec<TicketStatus>, reasons: Vec<HealthReason>) -> Overview {
    let mut counts = std::collections::BTreeMap::new();
    for ticket in &tickets {
        *counts.entry(ticket.state.name()).or_insert(0) += 1;
    }
    let state = reasons.iter().map(|reason| reason.code.state()).max();
    Overview {
        status: StatusReport {
            schema: STATUS_SCHEMA,
            repository: RepositoryStatus {
                id: "acme/shop".to_owned(),
                branch: Some("main".to_owned()),
                commit: Some("1111111111111111111111111111111111111111".parse().unwrap()),
            },
            policy: PolicyStatus {
                digest: Digest::of(""),
                trusted: true,
            },
            health: StatusHealth {
                state: state.unwrap_or(HealthState::Ok),
                reasons,
            },
            ledger: "ledger".parse().unwrap(),
            counts,
            tickets,
            packages: Vec::new(),
            misfits: Vec::new(),
        },
        events: (1..=40)
            .map(|second| event(second, &format!("the worker says something, for the {second}th time")))
            .collect(),
    }
}

fn reason(code: HealthCode) -> HealthReason {
    HealthReason {
        code,
        ticket: (code == HealthCode::TicketBlocked).then(|| "0004-rate-limit".parse().unwrap()),
        blocker: None,
        reason: "the policy is not trusted".to_owned(),
        next_step: Some("foil trust".to_owned()),
    }
}

fn full(has_color: bool) -> View {
    let reasons = vec![reason(HealthCode::PolicyNotTrusted), reason(HealthCode::TicketBlocked)];
    View::new(overview(tickets(), reasons), has_color, TimeZone::UTC)
}

fn drawn(view: &mut View, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view.draw(frame, now())).unwrap();
    terminal.backend().buffer().clone()
}

/// The characters, without those that are only room.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let lines = buffer.content.chunks(width).map(|line| {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is styled, run by run of cells, with its style.
fn styles(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let mut lines = Vec::new();
    for (row, line) in buffer.content.chunks(width).enumerate() {
        for cells in line.chunk_by(|a, b| (a.fg, a.modifier) == (b.fg, b.modifier)) {
            let (color, modifier) = (cells[0].fg, cells[0].modifier);
            let words: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
            if (color, modifier) != (Color::Reset, Modifier::empty()) && !words.trim().is_empty() {
                lines.push(format!("{row}: {color:?} {modifier:?}: {}", words.trim()));
            }
        }
    }
    lines.join("\n")
}

fn press(view: &mut View, code: KeyCode) -> Reaction {
    view.press(KeyEvent {
        code,
        modifiers: KeyModifiers::NONE,
        kind: ratatui::crossterm::event::KeyEventKind::Press,
        state: KeyEventState::NONE,
    })
}

#[test]
fn every_state_can_be_read_on_the_smallest_usual_terminal() {
    let mut view = full(false);
    let first = drawn(&mut view, 80, 24);
    assert_eq!(styles(&first), "");
    assert_snapshot!("view_80x24", text(&first));
    press(&mut view, KeyCode::Down);
    assert_snapshot!("view_80x24_blocked", text(&drawn(&mut view, 80, 24)));
    press(&mut view, KeyCode::End);
    assert_snapshot!("view_80x24_end", text(&drawn(&mut view, 80, 24)));
}

#[test]
fn a_large_terminal_shows_more_of_everything() {
    assert_snapshot!("view_120x40", text(&drawn(&mut full(false), 120, 40)));
}

#[test]
fn colours_only_underline_what_the_words_say() {
    let (colored, plain) = (drawn(&mut full(true), 120, 40), drawn(&mut full(false), 120, 40));
    assert_eq!(text(&colored), text(&plain));
    assert_eq!(styles(&plain), "");
    assert_snapshot!("view_styles", styles(&colored));
}

#[test]
fn the_keys_are_explained_and_the_explanation_goes_again() {
    let mut view = full(false);
    let before = text(&drawn(&mut view, 80, 24));
    press(&mut view, KeyCode::Char('?'));
    assert_snapshot!("view_help", text(&drawn(&mut view, 80, 24)));
    assert_eq!(press(&mut view, KeyCode::Esc), Reaction::Stay);
    assert_eq!(text(&drawn(&mut view, 80, 24)), before);
}

#[test]
fn keys_leave_or_select_and_do_nothing_else() {
    let mut view = full(false);
    assert_eq!(press(&mut view, KeyCode::Char('q')), Reaction::Quit);
    assert_eq!(press(&mut view, KeyCode::Esc), Reaction::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(view.press(interrupt), Reaction::Interrupt);
    // Ctrl-Q and the like are no `q`.
    assert_eq!(
        view.press(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL)),
        Reaction::Stay
    );
    let selected = |view: &View| view.selected.as_ref().map(|id| id.to_string());
    drawn(&mut view, 80, 24);
    let steps = [
        (KeyCode::Char('j'), "0004-rate-limit"),
        (KeyCode::Up, "0002-sign-up"),
        (KeyCode::Up, "0002-sign-up"),
        (KeyCode::Char('G'), "0010-old"),
        (KeyCode::Down, "0010-old"),
        (KeyCode::Char('k'), "0001-user-model"),
        (KeyCode::Char('g'), "0002-sign-up"),
        (KeyCode::PageDown, "0010-old"),
        (KeyCode::Char('d'), "0010-old"),
    ];
    for (key, expected) in steps {
        assert_eq!(press(&mut view, key), Reaction::Stay);
        assert_eq!(selected(&view).as_deref(), Some(expected), "{key:?}");
    }
}

#[test]
fn the_selected_ticket_stays_selected_and_in_sight_while_the_rest_changes() {
    let mut view = full(false);
    for _ in 0..8 {
        press(&mut view, KeyCode::Down);
        let seen = text(&drawn(&mut view, 80, 18));
        let id = view.selected.as_ref().unwrap();
        assert!(seen.contains(&format!("> {id}")), "{id}: {seen}");
    }
    let mut fewer = tickets();
    fewer.retain(|ticket| ticket.id.as_str() != "0002-sign-up");
    let selected = view.selected.clone();
    view.update(&overview(fewer.clone(), Vec::new()));
    assert_eq!(view.selected, selected);
    fewer.retain(|ticket| Some(&ticket.id) != selected.as_ref());
    view.update(&overview(fewer, Vec::new()));
    assert_eq!(view.selected.unwrap().as_str(), "0004-rate-limit");
}

#[test]
fn what_others_wrote_cannot_leave_its_line() {
    let attack = "x\u{1b}[2J\u{1b}]0;t\u{7}\n\r\u{202e}evil\u{200b}";
    let mut hostile = tickets();
    hostile[1] = ticket("0002-sign-up", attack, TicketState::Running(Box::new(run(attack))));
    let mut overview = overview(
        hostile,
        vec![HealthReason {
            reason: attack.to_owned(),
            ..reason(HealthCode::NoTicket)
        }],
    );
    overview.status.repository.branch = Some(attack.to_owned());
    overview.events.push_back(event(50, attack));
    let mut view = View::new(overview, true, TimeZone::UTC);
    view.cannot_look(attack);
    let buffer = drawn(&mut view, 120, 40);
    let is_harmless =
        |c: char| !c.is_control() && !('\u{200b}'..='\u{200f}').contains(&c) && !('\u{202a}'..='\u{202e}').contains(&c);
    assert!(buffer.content.iter().all(|cell| cell.symbol().chars().all(is_harmless)));
    assert_eq!(text(&buffer).matches("x\\x1b[2J").count(), 5);
}

#[test]
fn any_size_is_drawn() {
    for (width, height) in [
        (1, 1),
        (3, 2),
        (10, 3),
        (20, 5),
        (40, 13),
        (80, 14),
        (500, 3),
        (3, 200),
        (300, 200),
    ] {
        let mut view = full(false);
        drawn(&mut view, width, height);
        press(&mut view, KeyCode::Char('?'));
        drawn(&mut view, width, height);
        let mut empty = View::new(overview(Vec::new(), Vec::new()), true, TimeZone::UTC);
        drawn(&mut empty, width, height);
        press(&mut empty, KeyCode::Down);
        assert_eq!(empty.selected, None);
    }
}

#[test]
fn how_an_agent_is_stands_beside_its_run_where_that_is_no_plain_work() {
    let told = |liveness| {
        text::standing(&RunStatus {
            liveness,
            ..run("thinking")
        })
        .join(", ")
    };
    let plain = told(None);
    assert_eq!(told(Some(Liveness::Working)), plain);
    for (liveness, words) in [
        (Liveness::WorkingSilent, "working, and silent"),
        (Liveness::Livelock, "repeating itself"),
        (Liveness::ProviderDown, "waiting for its provider"),
        (Liveness::WaitingForPerson, "asking for what only a person could give"),
        (Liveness::Dead, "without a sign of life"),
    ] {
        assert_eq!(told(Some(liveness)), format!("{plain}, {words}"));
    }
}

#[test]
fn long_facts_are_broken_between_words_and_end() {
    assert_eq!(wrapped("a bb ccc dddd", 6), ["a bb", "ccc", "dddd"]);
    assert_eq!(wrapped("abcdefghij k", 6), ["abcde…", "k"]);
    let long = "word ".repeat(40);
    let lines = wrapped(&long, 10);
    assert_eq!(lines.len(), MOST_LINES);
    assert_eq!(lines[3], "word word…");
    assert_eq!(cut("日本語", 4), "日…");
    assert_eq!(cut("日本語", 6), "日本語");
    assert_eq!(cut("abc", 0), "");
}
