//! The terminal while the full-screen view has it: taken over whole, given back as it was however the view ends.

use std::io::{self, IsTerminal as _, Stdout, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::force_color_output;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// How long a signal may wait until it is heeded.
const PATIENCE: Duration = Duration::from_millis(100);

/// Whether a view can be shown: a person sits at a terminal that can be drawn on.
pub(super) fn is_there() -> bool {
    let can_draw = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    can_draw && stdin().is_terminal() && stdout().is_terminal()
}

/// What happened while somebody looked.
#[derive(Debug)]
pub(super) enum Happened {
    Pressed(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// A signal asks to end.
    Asked(Exit),
    Nothing,
}

/// The terminal, until it is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    signals: Signals,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn open(has_color: bool) -> io::Result<Self> {
        // Whether there are colours was decided already, by what was asked for as well as by the environment.
        force_color_output(has_color);
        let signals = Signals::listen()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        give_back_before_panics_are_told();
        // From here on it is given back by dropping, also where the next steps do not succeed.
        let screen = Self { terminal, signals };
        enable_raw_mode()?;
        // Not by `Terminal::clear`, which asks where the cursor is and fails where nobody answers.
        execute!(stdout(), EnterAlternateScreen, Hide, Clear(ClearType::All))?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw)?;
        Ok(())
    }

    /// Waits for something to happen, at most so long.
    pub(super) fn wait(&self, longest: Duration) -> io::Result<Happened> {
        if let Some(exit) = self.signals.asked() {
            return Ok(Happened::Asked(exit));
        }
        let happened = event::poll(longest.min(PATIENCE)).and_then(|is_there| match is_there {
            true => event::read().map(Some),
            false => Ok(None),
        });
        // A terminal that is gone is told by a signal too, which says better what it was.
        if let Some(exit) = self.signals.asked() {
            return Ok(Happened::Asked(exit));
        }
        Ok(match happened? {
            Some(Event::Key(key)) if key.kind != KeyEventKind::Release => Happened::Pressed(key),
            Some(Event::Resize(..)) => Happened::Resized,
            _ => Happened::Nothing,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Leaves the terminal as it was. What cannot be told to a terminal that is gone needs no telling.
fn give_back() {
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Words about a panic would be gone with the other screen.
fn give_back_before_panics_are_told() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        tell(panic);
    }));
}

/// Signals that ask to end, heard on another thread.
struct Signals {
    /// The code of the first; 0 where there was none.
    asked: Arc<AtomicU8>,
    _runtime: Runtime,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let asked = Arc::new(AtomicU8::new(0));
        let inside = runtime.enter();
        for (kind, exit) in [
            (SignalKind::interrupt(), Exit::Interrupted),
            (SignalKind::terminate(), Exit::Terminated),
            (SignalKind::hangup(), Exit::Terminated),
        ] {
            tokio::spawn(note(signal(kind)?, Arc::clone(&asked), exit));
        }
        drop(inside);
        Ok(Self {
            asked,
            _runtime: runtime,
        })
    }

    fn asked(&self) -> Option<Exit> {
        match self.asked.load(Ordering::Relaxed) {
            0 => None,
            code if code == Exit::Interrupted.code() => Some(Exit::Interrupted),
            _ => Some(Exit::Terminated),
        }
    }
}

async fn note(mut signal: Signal, asked: Arc<AtomicU8>, exit: Exit) {
    if signal.recv().await.is_some() {
        let _ = asked.compare_exchange(0, exit.code(), Ordering::Relaxed, Ordering::Relaxed);
    }
}
