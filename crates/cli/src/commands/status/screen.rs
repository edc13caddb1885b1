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
use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// How long a signal may wait until it is heeded.
const PATIENCE: Duration = Duration::from_millis(100);

/// After this time from a signal on the view hangs.
const HANGS: Duration = Duration::from_secs(2);

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
        // What was typed at once is known at once; only then is it waited for more.
        for longest in [Duration::ZERO, longest.min(PATIENCE)] {
            let is_gone = is_gone_within(longest)?;
            if let Some(exit) = self.signals.asked() {
                return Ok(Happened::Asked(exit));
            }
            if is_gone {
                return Ok(Happened::Asked(Exit::Terminated));
            }
            if event::poll(Duration::ZERO)? {
                return Ok(match event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => Happened::Pressed(key),
                    Event::Resize(..) => Happened::Resized,
                    _ => Happened::Nothing,
                });
            }
        }
        Ok(Happened::Nothing)
    }
}

/// Waits until something is typed, a signal comes or the time is over. Whether the terminal is gone: reading from one that is
/// would never end.
fn is_gone_within(longest: Duration) -> io::Result<bool> {
    let stdin = stdin();
    let mut terminal = [PollFd::new(&stdin, PollFlags::IN)];
    let longest = Timespec::try_from(longest).ok();
    match rustix::event::poll(&mut terminal, longest.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(terminal[0].revents().intersects(gone))
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

#[expect(clippy::exit, reason = "a view that hangs has nothing to lose")]
async fn note(mut signal: Signal, asked: Arc<AtomicU8>, exit: Exit) {
    if signal.recv().await.is_some() {
        let _ = asked.compare_exchange(0, exit.code(), Ordering::Relaxed, Ordering::Relaxed);
        // The terminal may have gone in the very moment in which it was read.
        tokio::time::sleep(HANGS).await;
        give_back();
        std::process::exit(exit.code().into());
    }
}
