//! Who carries out effects.

use std::future::Future;

use jiff::Timestamp;
use ledger_core::{Effect, Event, PauseCause, Pending, Run};

/// Carries out effects, and reports what it sees. The runner implements it with real processes and Git; a simulated
/// world can fail, stall or die at any point.
pub trait Executor {
    /// Starts an effect whose intent has this number, and returns at once. What is seen of it comes from
    /// [`Self::next_event`]; last comes one [`Event::Observed`] with this number. An [`Effect::Interrupt`] is the
    /// exception: it makes the effect that it names end, and has no observation of its own.
    fn start(&mut self, seq: u64, effect: &Effect, run: &Run);

    /// The next event, or none when this much time has passed without one, or somebody asked the runner to leave.
    fn next_event(&mut self, wake: Option<Timestamp>) -> impl Future<Output = Option<Event>> + Send;

    /// Looks at an effect that was under way when a runner died: what came of it, as the events that the dead runner
    /// would have recorded. The last is the [`Event::Observed`] of that effect.
    fn look(&mut self, pending: &Pending, run: &Run) -> impl Future<Output = Vec<Event>> + Send;

    /// The time of the run, which goes on evenly whatever becomes of the machine's clock.
    fn now(&self) -> Timestamp;

    /// Sets the time of the run by the machine's clock, where they are apart, and answers whether they were. Asked for only while nothing is
    /// under way whose time is limited.
    fn set_clock(&mut self) -> bool {
        false
    }

    /// Whether somebody asked the runner to leave.
    fn stop_requested(&self) -> Option<PauseCause>;
}
