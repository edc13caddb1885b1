//! What has to hold in the morning, ticket by ticket.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ledger_core::{DeliveryMode, Effect, Event, Journal, Observation, PhaseEvidence, Run, State, verify_chain};

use super::behaviour::Ending;
use super::tickets::Standing;
use super::world::{TicketWorld, World, label_of, lock};
use super::{Night, NightReport};

impl Night {
    /// How a ticket has to end.
    pub(super) fn ending_of(&self, ticket: usize) -> Ending {
        let this = &self.tickets[ticket];
        let is_done = |first: &usize| self.ending_of(*first) == Ending::Done;
        match this.waits_for.iter().all(is_done) {
            true => this.behaviour.ending(),
            false => Ending::Waits,
        }
    }

    /// Compares every ticket with how it had to end, and the records with what was done.
    pub(super) fn inspect(&self, began: Timestamp) -> Result<NightReport, String> {
        let world = lock(&self.world);
        let mut report = NightReport {
            sittings: self.sittings,
            tally: world.tally,
            took: world.now.duration_since(began),
            ..NightReport::default()
        };
        for (ticket, of) in world.tickets.iter().enumerate() {
            let behaviour = self.tickets[ticket].behaviour;
            let named = |what: String| format!("ticket {} ({behaviour:?}): {what}", of.id);
            let ending = self.ending_of(ticket);
            match (&self.standings[ticket], ending) {
                (Standing::Open, Ending::Waits) => report.waiting += 1,
                (Standing::Done, Ending::Done) => report.done += 1,
                (Standing::Blocked(blocker), Ending::Blocked(code)) if blocker.code == code => report.blocked += 1,
                (standing, _) => return Err(named(format!("it is {standing:?} and had to end {ending:?}"))),
            }
            delivered_once(&world, of, self.tickets[ticket].delivery, ending).map_err(named)?;
            if ending != Ending::Waits {
                report.seen.insert(behaviour.kind());
                let run = recorded(&world, ticket, ending).map_err(named)?;
                world.delivered(ticket, &run).map_err(named)?;
            } else if !of.journal.bytes.is_empty() {
                return Err(named("it was begun before what it waits for was done".to_owned()));
            }
        }
        if let Some((name, object)) = world.git.broken_ref() {
            return Err(format!("{name} leads to {object}, which is not there"));
        }
        match world.orphan() {
            Some(run) => Err(format!("something is kept for {run}, which is no run")),
            None => Ok(report),
        }
    }
}

/// No ref is moved twice, and none for a ticket that is not done, unless only the step after it was refused.
fn delivered_once(world: &World, of: &TicketWorld, delivery: DeliveryMode, ending: Ending) -> Result<(), String> {
    let is_done = ending == Ending::Done;
    let pushes = delivery == DeliveryMode::Push;
    // A branch is there before it is pushed, and once more after the target has moved.
    let once = 1 + usize::from(of.is_overtaken);
    let moves = match delivery {
        DeliveryMode::None => 0..=0,
        _ if is_done => once..=once,
        _ if pushes => 0..=1,
        _ => 0..=0,
    };
    let moved = world.branch_moves(of);
    if !moves.contains(&moved) {
        return Err(format!("its branch was moved {moved} times"));
    }
    let pushed = world.pushes(of);
    if pushed != usize::from(is_done && pushes) {
        return Err(format!("its target was moved {pushed} times"));
    }
    Ok(())
}

/// The records hold every turn that was taken, once, with what it cost, and the end is stored.
fn recorded(world: &World, ticket: usize, ending: Ending) -> Result<Run, String> {
    let of = &world.tickets[ticket];
    let stored = world.stored(ticket);
    verify_chain(&of.journal.bytes).map_err(|error| error.to_string())?;
    let journal = Journal::parse(&of.journal.bytes).map_err(|error| error.to_string())?;
    let run = Run::replay(&journal.records).map_err(|refusal| refusal.to_string())?;
    if run.stored().is_none() || stored.is_empty() {
        return Err("its run is not stored".to_owned());
    }
    if (*run.state() == State::Done) != (ending == Ending::Done) {
        return Err(format!("its run is {:?}", run.state()));
    }
    let mut taken: BTreeMap<u64, &str> = BTreeMap::new();
    let mut ends: BTreeMap<u64, Vec<&Observation>> = BTreeMap::new();
    let mut spent = 0_u64;
    // Whether the last end is come, how often what stands since then is stored, and how often that failed half-way.
    let (mut is_over, mut kept, mut failures) = (false, 0, 0);
    let mut storing = None;
    for record in &journal.records {
        match &record.event {
            Event::Intended(effect) => {
                if let Some(label) = label_of(effect) {
                    taken.insert(record.seq, label);
                }
                storing = matches!(effect, Effect::StoreRun { .. }).then_some(record.seq);
            }
            Event::Observed { of, observation } => {
                ends.entry(*of).or_default().push(observation);
                spent = spent.saturating_add(reported(observation));
                let has_failed = matches!(observation, Observation::Failed { .. }) && storing == Some(*of);
                failures += usize::from(has_failed);
            }
            Event::Blocked(_) | Event::Entered(PhaseEvidence::Done { .. }) => {
                (is_over, kept, failures) = (true, 0, 0);
            }
            _ => {}
        }
        kept += stored
            .get(&record.sum.to_string())
            .filter(|_| is_over)
            .copied()
            .unwrap_or_default();
    }
    if kept == 0 || kept > 1 + failures {
        return Err(format!("its end is stored {kept} times"));
    }
    let mut most = 0_u64;
    for (label, turn) in &of.turns {
        if taken.get(&turn.seq) != Some(&label.as_str()) {
            return Err(format!("the turn {label} was taken and is recorded nowhere"));
        }
        let ends = ends.get(&turn.seq).map_or(&[][..], Vec::as_slice);
        match (ends, &turn.end) {
            ([_], None) => {}
            ([seen], Some(end)) if *seen == end => {}
            ([seen], Some(_)) => {
                return Err(format!(
                    "the turn {label} came to an end, and what is recorded is {seen:?}"
                ));
            }
            _ => return Err(format!("the end of the turn {label} is recorded {} times", ends.len())),
        }
        most = most.saturating_add(turn.spent);
    }
    let counted = run.tokens().total;
    if counted < spent || counted > most {
        return Err(format!(
            "{counted} tokens are counted, at least {spent} were reported and at most {most} spent"
        ));
    }
    Ok(run)
}

/// The tokens that an agent's end says.
fn reported(observation: &Observation) -> u64 {
    match observation {
        Observation::PlanEnded { tokens, .. }
        | Observation::TurnEnded { tokens, .. }
        | Observation::ReviewEnded { tokens, .. }
        | Observation::CurationEnded { tokens, .. } => tokens.total,
        _ => 0,
    }
}
