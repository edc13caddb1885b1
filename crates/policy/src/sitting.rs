//! What a runner of several tickets does next: which start, which are tried again and when, how long it waits, when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use ledger_core::{Blocker, BlockerCode, PackageName, TicketId};

use crate::retries::Retries;
use crate::schedule::{Claim, Held, HeldBecause, schedule};

/// How often it is looked whether a person has answered a question that a ticket waits for.
const LOOK_FOR_ANSWERS: Duration = Duration::from_secs(5);

/// How often it is looked whether a run of another process that is in the way has ended.
const LOOK_AT_OTHERS: Duration = Duration::from_secs(5);

/// The longest sleep in one piece: a clock may be set, and a machine sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How often in a row it may be impossible to tell what is ready, where it is looked for new tickets: somebody may be editing the policy.
const MOST_FAILURES: u32 = 10;

/// A ticket that is about to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The ticket.
    pub id: TicketId,
    /// The package whose name it was meant by; none where it was named itself or chosen as a ready one.
    pub package: Option<PackageName>,
}

/// What is known of the tickets at one moment.
pub trait TicketsAtHand {
    /// Every ready ticket, in the order in which they would run.
    fn ready(&self) -> Vec<Queued>;
    /// When a ticket that could run was approved.
    fn approved_at(&self, id: &TicketId) -> Option<Timestamp>;
    /// Before this moment the cause that stopped a ticket's run is not gone, where that is known.
    fn not_before(&self, id: &TicketId) -> Option<Timestamp>;
    /// What stopped a ticket's run that passes by itself, where it is known until when.
    fn passes(&self, _: &TicketId) -> Option<Blocker> {
        None
    }
    /// Before this moment no ticket can work, where that is known: what stopped one would meet each.
    fn held_until(&self) -> Option<Timestamp> {
        None
    }
    /// The tickets that a ticket waits for, whether they are done or not.
    fn waits_for(&self, id: &TicketId) -> &[TicketId];
    /// The tickets that a runner works on, this one or another.
    fn running(&self) -> &BTreeSet<TicketId>;
    /// What a ticket takes for itself as long as it runs.
    fn claim(&self, id: &TicketId) -> Claim;
    /// Why a ticket does not run before a person has answered, or the time for that is over.
    fn waits_for_answer(&self, _: &TicketId) -> Option<Blocker> {
        None
    }
}

/// Which tickets a sitting is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// These, in this order where one waits for another.
    These(Vec<Queued>),
    /// Every ready ticket, also those that become ready meanwhile.
    AllReady {
        /// How often it is looked for new ones once none is ready, until it is asked to leave; none: then it ends.
        poll: Option<Duration>,
        /// How often it is looked in vain before it ends all the same.
        max_cycles: Option<u32>,
    },
}

/// The tickets that start now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Starting {
    /// They, in order.
    pub start: Vec<Queued>,
    /// Those of which it has to be told that they wait for one that another process runs; once for each reason.
    pub held: Vec<Held>,
    /// Those of which it has to be told that they wait for an answer, with what was asked, or for what passes by itself and stopped an earlier runner, and
    /// until when; once for each reason.
    pub postponed: Vec<(TicketId, Blocker, Timestamp)>,
}

/// How a ticket that was started has ended, as far as something follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketEnd {
    /// Whether it is done.
    pub is_done: bool,
    /// Whether it was not begun at all, because somebody else had delivered it. Then it is done too.
    pub was_delivered: bool,
    /// What stopped it, or one of its children.
    pub stopped_by: Option<Blocker>,
    /// Whether it goes on once a person has said a word.
    pub waits_for_word: bool,
}

impl TicketEnd {
    /// Whether it goes on once a person has answered a question; `may_retry`: nobody has asked for an end.
    pub fn waits_for_answer(&self, may_retry: bool) -> bool {
        let asks = |stopped_by: &Blocker| stopped_by.code == BlockerCode::AnswerNeeded;
        may_retry && !self.is_done && self.stopped_by.as_ref().is_some_and(asks)
    }
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// Nothing runs, and nothing will.
    Nothing,
    /// That a ticket ends, if one runs, or that this time has passed.
    Change {
        /// None: as long as it takes.
        time: Option<Duration>,
        /// Whether nothing is ready, and that is all that is waited for.
        is_idle: bool,
    },
}

/// One sitting of a runner of several tickets, from its start until nothing is left to run. Whoever holds it starts what it says, waits as long as it
/// says, and tells it what has ended; time and tickets are handed in.
///
/// ```
/// use std::collections::BTreeSet;
/// use counterfoil_policy::{Claim, Queued, Sitting, Sought, TicketEnd, TicketsAtHand, WaitFor};
/// use jiff::Timestamp;
/// use ledger_core::TicketId;
///
/// struct Two(BTreeSet<TicketId>);
/// impl TicketsAtHand for Two {
///     fn ready(&self) -> Vec<Queued> {
///         ["a", "b"].map(|id| Queued { id: id.parse().unwrap(), package: None }).to_vec()
///     }
///     fn approved_at(&self, _: &TicketId) -> Option<Timestamp> { None }
///     fn not_before(&self, _: &TicketId) -> Option<Timestamp> { None }
///     fn waits_for(&self, _: &TicketId) -> &[TicketId] { &[] }
///     fn running(&self) -> &BTreeSet<TicketId> { &self.0 }
///     // Nobody knows what they write, so that each runs alone.
///     fn claim(&self, id: &TicketId) -> Claim { Claim::of_unknown(id.clone()) }
/// }
///
/// let (tickets, now) = (Two(BTreeSet::new()), Timestamp::UNIX_EPOCH);
/// let mut sitting = Sitting::new(Sought::AllReady { poll: None, max_cycles: None }, 2, None);
/// for expected in ["a", "b"] {
///     let starting = sitting.start(&tickets, now);
///     let [only] = &starting.start[..] else { panic!("{starting:?}") };
///     assert_eq!(only.id.as_str(), expected);
///     let until_it_ends = WaitFor::Change { time: None, is_idle: false };
///     assert_eq!(sitting.wait(now, false, None), until_it_ends);
///     let end = TicketEnd { is_done: true, ..TicketEnd::default() };
///     assert_eq!(sitting.ended(&only.id, &end, now, true), None, "it is not tried again");
/// }
/// assert!(sitting.start(&tickets, now).start.is_empty());
/// assert_eq!(sitting.wait(now, false, None), WaitFor::Nothing);
/// ```
#[derive(Debug)]
pub struct Sitting {
    sought: Sought,
    slots: usize,
    max_runs: Option<u32>,
    /// Those that were asked for and not begun, or the ready ones as they were last seen.
    waiting: Vec<Queued>,
    /// Those that were asked for with a package, and do not run because one before them did not end done.
    held_back: BTreeSet<TicketId>,
    /// Those that somebody else had delivered when it was their turn.
    delivered: BTreeSet<TicketId>,
    running: BTreeMap<TicketId, Claim>,
    /// Those that ran, with the approval that they ran by.
    tried: BTreeMap<TicketId, Option<Timestamp>>,
    /// They, each with its place in the order in which they were begun.
    begun: BTreeMap<TicketId, usize>,
    /// What was said of tickets that wait.
    told: BTreeSet<(TicketId, String)>,
    /// How often it was looked in vain.
    cycles: u32,
    retries: Retries,
    /// When the first of those becomes ready that an earlier runner left to wait.
    next_ready: Option<Timestamp>,
    /// How often in a row it could not be told what is ready.
    failures: u32,
    /// Whether a ticket waits for one that another process runs.
    waits_for_others: bool,
    /// Whether one waits for a person's answer.
    waits_for_answers: bool,
}

impl Sitting {
    /// One that has not begun, in which so many run at the same time and at most so many are begun at all.
    pub fn new(sought: Sought, slots: usize, max_runs: Option<u32>) -> Self {
        let waiting = match &sought {
            Sought::These(tickets) => tickets.clone(),
            Sought::AllReady { .. } => Vec::new(),
        };
        Self {
            sought,
            slots,
            max_runs,
            waiting,
            held_back: BTreeSet::new(),
            delivered: BTreeSet::new(),
            running: BTreeMap::new(),
            tried: BTreeMap::new(),
            begun: BTreeMap::new(),
            told: BTreeSet::new(),
            cycles: 0,
            retries: Retries::default(),
            next_ready: None,
            failures: 0,
            waits_for_others: false,
            waits_for_answers: false,
        }
    }

    /// How many were begun; one that is tried again counts once.
    pub fn begun(&self) -> usize {
        self.begun.len()
    }

    /// The tickets that were asked for by their names and not begun, but for those that were held back or delivered already.
    pub fn not_begun(&self) -> Vec<TicketId> {
        let Sought::These(tickets) = &self.sought else {
            return Vec::new();
        };
        let ids = tickets.iter().map(|queued| &queued.id);
        let others = [&self.held_back, &self.delivered];
        ids.filter(|id| !self.begun.contains_key(*id) && !others.iter().any(|others| others.contains(*id)))
            .cloned()
            .collect()
    }

    /// The tickets that somebody else had delivered when it was their turn.
    pub fn delivered(&self) -> &BTreeSet<TicketId> {
        &self.delivered
    }

    /// How many run.
    pub fn runs(&self) -> usize {
        self.running.len()
    }

    /// How many more may be begun; one that is tried again was begun before.
    pub fn room(&self) -> usize {
        let most = self.max_runs.map_or(usize::MAX, |most| most as usize);
        most.saturating_sub(self.begun.len())
    }

    /// Which of those that were begun this one is, counted from 1, and of how many as far as that is known.
    pub fn place_of(&self, ticket: &TicketId) -> (usize, usize) {
        let before = self.begun.get(ticket).copied().unwrap_or_default();
        (before + 1, self.begun.len() + self.waiting.len())
    }

    /// Forgets what waits: nothing more is to be begun, or it cannot be told what is ready.
    pub fn begin_no_more(&mut self) {
        self.waiting.clear();
    }

    /// It could not be told what is ready. Whether that was so too often, so that the sitting ends once all that runs has ended.
    pub fn cannot_look(&mut self) -> bool {
        self.failures += 1;
        self.begin_no_more();
        let polls = matches!(self.sought, Sought::AllReady { poll: Some(_), .. });
        !polls || self.failures >= MOST_FAILURES
    }

    /// The tickets that start now. From here on they run.
    pub fn start(&mut self, tickets: &impl TicketsAtHand, now: Timestamp) -> Starting {
        self.failures = 0;
        let mut postponed = Vec::new();
        let mut held = None;
        if matches!(self.sought, Sought::AllReady { .. }) {
            let mut ready = tickets.ready();
            ready.retain(|queued| {
                let tried = self.tried.get(&queued.id);
                let is_tried = tried == Some(&tickets.approved_at(&queued.id)) || self.retries.waits(&queued.id, now);
                // What another process works on is its own.
                !tickets.running().contains(&queued.id) && !self.running.contains_key(&queued.id) && !is_tried
            });
            postponed = self.news_of_questions(tickets, &ready);
            let not_before = |queued: &Queued| tickets.not_before(&queued.id).filter(|at| now < *at);
            postponed.extend(self.news_of_pauses(tickets, &ready, now));
            // An earlier runner has met what would stop each.
            held = tickets.held_until().filter(|at| now < *at);
            self.next_ready = ready.iter().filter_map(not_before).chain(held).min();
            ready.retain(|queued| not_before(queued).is_none());
            self.waiting = ready;
        }
        if self.room() == 0 {
            self.waiting.retain(|queued| self.begun.contains_key(&queued.id));
        }
        let nothing = |postponed| Starting {
            postponed,
            ..Starting::default()
        };
        if held.is_some() || self.retries.holds(now) {
            return nothing(postponed);
        }
        // What others run here is in the way too; of a ticket itself, its lock says so.
        let elsewhere: Vec<_> = tickets
            .running()
            .iter()
            .filter(|id| !self.running.contains_key(*id) && !self.waiting.iter().any(|queued| queued.id == **id))
            .map(|id| tickets.claim(id))
            .collect();
        if elsewhere.is_empty() && self.running.len() >= self.slots {
            // Whatever waits, it waits for a slot.
            self.waits_for_others = false;
            return nothing(postponed);
        }
        let claims = self.claims(tickets);
        let beside: Vec<_> = self.running.values().chain(&elsewhere).cloned().collect();
        let mut room = self.room();
        let mut decided = schedule(&claims, &beside, self.slots.saturating_add(elsewhere.len()));
        decided.start.retain(|ticket| {
            let is_new = !self.begun.contains_key(ticket);
            let may_start = !is_new || room > 0;
            room = room.saturating_sub(usize::from(is_new && may_start));
            may_start
        });
        let held = self.news_of(decided.held, &elsewhere);
        let (start, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|queued| decided.start.contains(&queued.id));
        self.waiting = waiting;
        for queued in &start {
            let claim = claims.iter().find(|claim| claim.ticket == queued.id).cloned();
            let claim = claim.unwrap_or_else(|| Claim::of_unknown(queued.id.clone()));
            self.running.insert(queued.id.clone(), claim);
            self.tried.insert(queued.id.clone(), tickets.approved_at(&queued.id));
            // One that is tried again was begun before.
            let place = self.begun.len();
            self.begun.entry(queued.id.clone()).or_insert(place);
            self.cycles = 0;
        }
        Starting { start, held, postponed }
    }

    /// What those take that wait for none that comes before them.
    fn claims(&self, tickets: &impl TicketsAtHand) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (place, queued) in self.waiting.iter().enumerate() {
            let before = self.waiting[..place]
                .iter()
                .map(|before| (&before.id, before.package.as_ref()));
            let waits = tickets.waits_for(&queued.id);
            let mut unfinished = before.chain(self.running.keys().map(|id| (id, None)));
            let may_wait = !waits.is_empty() || queued.package.is_some();
            let comes_later = may_wait
                && unfinished.any(|(id, package)| {
                    waits.contains(id) || (package.is_some() && package == queued.package.as_ref())
                });
            if !comes_later {
                claims.push(tickets.claim(&queued.id));
            }
        }
        claims
    }

    /// Of tickets that wait for an answer, each is told once for each question.
    fn news_of_questions(
        &mut self,
        tickets: &impl TicketsAtHand,
        ready: &[Queued],
    ) -> Vec<(TicketId, Blocker, Timestamp)> {
        let mut news = Vec::new();
        self.waits_for_answers = false;
        for Queued { id, .. } in ready {
            let Some(blocker) = tickets.waits_for_answer(id) else {
                continue;
            };
            self.waits_for_answers = true;
            if let Some(until) = blocker.retry_at
                && self.told.insert((id.clone(), format!("asked until {until}")))
            {
                news.push((id.clone(), blocker, until));
            }
        }
        news
    }

    /// Of tickets that an earlier runner left to wait, each is told once.
    fn news_of_pauses(
        &mut self,
        tickets: &impl TicketsAtHand,
        ready: &[Queued],
        now: Timestamp,
    ) -> Vec<(TicketId, Blocker, Timestamp)> {
        let unknown = ready.iter().filter(|queued| !self.begun.contains_key(&queued.id));
        let paused = unknown.filter_map(|queued| {
            let blocker = tickets.passes(&queued.id)?;
            let until = blocker.retry_at.filter(|until| now < *until)?;
            Some((queued.id.clone(), blocker, until))
        });
        let mut paused: Vec<_> = paused.collect();
        paused.retain(|(id, _, until)| self.told.insert((id.clone(), format!("paused until {until}"))));
        paused
    }

    /// Of what runs here, everybody sees that it runs.
    fn news_of(&mut self, mut held: Vec<Held>, elsewhere: &[Claim]) -> Vec<Held> {
        held.retain(|held| match &held.because {
            HeldBecause::NoSlot => false,
            HeldBecause::SamePaths(other)
            | HeldBecause::Serialized(other)
            | HeldBecause::SameResource { with: other, .. } => elsewhere.iter().any(|claim| claim.ticket == *other),
        });
        self.waits_for_others = !held.is_empty();
        held.retain(|held| self.told.insert((held.ticket.clone(), held.because.to_string())));
        held
    }

    /// What to wait for until something may have changed. `ends`: nothing more is begun, whatever is ready; `look_at`: when whoever holds it has to look
    /// at what runs, such as to tell it to leave.
    pub fn wait(&mut self, now: Timestamp, ends: bool, look_at: Option<Timestamp>) -> WaitFor {
        if ends && self.running.is_empty() {
            return WaitFor::Nothing;
        }
        let time = if ends {
            None
        } else {
            self.time_to_next_look(now, look_at)
        };
        if !self.running.is_empty() || !self.waiting.is_empty() || time.is_some() {
            let is_idle = false;
            return WaitFor::Change { time, is_idle };
        }
        match self.sought {
            Sought::AllReady {
                poll: Some(poll),
                max_cycles,
            } if self.room() > 0 => {
                self.cycles += 1;
                if max_cycles.is_some_and(|most| self.cycles >= most) {
                    return WaitFor::Nothing;
                }
                WaitFor::Change {
                    time: Some(poll),
                    is_idle: true,
                }
            }
            _ => WaitFor::Nothing,
        }
    }

    /// When it is to be looked again although no run ended.
    fn time_to_next_look(&self, now: Timestamp, look_at: Option<Timestamp>) -> Option<Duration> {
        let next = [self.retries.next(now), self.next_ready].into_iter().flatten().min();
        let until = |at: Timestamp| at.duration_since(now).try_into().unwrap_or_default();
        let next = next.map(|at| LONGEST_SLEEP.min(until(at)));
        let has_nothing_else = self.running.is_empty() && !self.waiting.is_empty() && next.is_none();
        let others = (self.waits_for_others || has_nothing_else).then_some(LOOK_AT_OTHERS);
        let poll = match self.sought {
            Sought::AllReady { poll, .. } => {
                let has_room = !self.running.is_empty() && self.running.len() < self.slots;
                poll.filter(|_| has_room || next.is_some())
            }
            Sought::These(_) => None,
        };
        let answers = self.waits_for_answers.then_some(LOOK_FOR_ANSWERS);
        let look = look_at.filter(|_| !self.running.is_empty());
        let look = look.map(|at| LONGEST_SLEEP.min(until(at)));
        [next, others, answers, poll, look].into_iter().flatten().min()
    }

    /// A ticket that was started has ended. When it is tried again, where what stopped it passes by itself; `may_retry`: nobody has asked for an end.
    pub fn ended(&mut self, ticket: &TicketId, end: &TicketEnd, now: Timestamp, may_retry: bool) -> Option<Timestamp> {
        self.running.remove(ticket);
        if end.was_delivered {
            self.begun.remove(ticket);
            self.delivered.insert(ticket.clone());
        }
        let seeks_all = matches!(self.sought, Sought::AllReady { .. });
        if seeks_all && end.waits_for_answer(may_retry) {
            // It goes on by the same approval, once it is answered or the time for that is over.
            self.tried.remove(ticket);
            return None;
        }
        if let Some(stopped_by) = &end.stopped_by
            && seeks_all
            && !end.is_done
            && may_retry
            && let Some(until) = self.retries.after(ticket, stopped_by, now)
        {
            self.tried.remove(ticket);
            return Some(until);
        }
        if end.is_done {
            self.retries.reset();
        }
        if end.waits_for_word {
            // It goes on by the same approval, once a person has said it.
            self.tried.remove(ticket);
        }
        None
    }

    /// Takes those tickets out of what waits that were meant with the same package as this one, which did not end done: in a package nothing runs
    /// before all that comes before it is delivered.
    pub fn hold_back(&mut self, because_of: &Queued) -> Vec<TicketId> {
        let Some(package) = &because_of.package else {
            return Vec::new();
        };
        let (held, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|queued: &Queued| queued.package.as_ref() == Some(package));
        self.waiting = rest;
        let held: Vec<_> = held.into_iter().map(|queued| queued.id).collect();
        self.held_back.extend(held.iter().cloned());
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(id: &str, package: Option<&str>) -> Queued {
        Queued {
            id: id.parse().unwrap(),
            package: package.map(|name| name.parse().unwrap()),
        }
    }

    #[test]
    fn only_what_was_meant_with_the_same_package_is_held_back() {
        let rest = || {
            let tickets = [("b", Some("p")), ("c", Some("q")), ("d", None), ("e", Some("p"))];
            Sitting::new(
                Sought::These(tickets.map(|(id, package)| queued(id, package)).to_vec()),
                1,
                None,
            )
        };
        let mut sitting = rest();
        let held = sitting.hold_back(&queued("a", Some("p")));
        assert_eq!(held, ["b", "e"].map(|id| id.parse().unwrap()));
        assert_eq!(sitting.waiting, [queued("c", Some("q")), queued("d", None)]);
        sitting.begin_no_more();
        assert_eq!(sitting.not_begun(), ["c", "d"].map(|id| id.parse().unwrap()));
        let mut sitting = rest();
        assert!(sitting.hold_back(&queued("a", None)).is_empty());
        assert_eq!(sitting.waiting, rest().waiting);
    }

    #[test]
    fn what_somebody_else_delivered_counts_neither_as_begun_nor_as_left() {
        let tickets = ["a", "b"].map(|id| queued(id, Some("p"))).to_vec();
        let mut sitting = Sitting::new(Sought::These(tickets.clone()), 1, Some(1));
        let at_hand = Ready(Vec::new(), BTreeSet::new());
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(sitting.start(&at_hand, now).start, tickets[..1]);
        let end = TicketEnd {
            is_done: true,
            was_delivered: true,
            ..TicketEnd::default()
        };
        assert_eq!(sitting.ended(&tickets[0].id, &end, now, true), None);
        assert_eq!(sitting.begun(), 0);
        assert_eq!(sitting.not_begun(), ["b".parse().unwrap()]);
        assert_eq!(
            sitting.start(&at_hand, now).start,
            tickets[1..],
            "the one run that may be"
        );
    }

    /// Tickets of which some are ready.
    struct Ready(Vec<Queued>, BTreeSet<TicketId>);

    impl TicketsAtHand for Ready {
        fn ready(&self) -> Vec<Queued> {
            self.0.clone()
        }
        fn approved_at(&self, _: &TicketId) -> Option<Timestamp> {
            None
        }
        fn not_before(&self, _: &TicketId) -> Option<Timestamp> {
            None
        }
        fn waits_for(&self, _: &TicketId) -> &[TicketId] {
            &[]
        }
        fn running(&self) -> &BTreeSet<TicketId> {
            &self.1
        }
        fn claim(&self, id: &TicketId) -> Claim {
            Claim::of_unknown(id.clone())
        }
    }

    #[test]
    fn it_is_looked_in_vain_as_often_in_a_row_as_was_asked_for() {
        let poll = Duration::from_secs(60);
        let sought = Sought::AllReady {
            poll: Some(poll),
            max_cycles: Some(3),
        };
        let mut sitting = Sitting::new(sought, 1, None);
        let now = Timestamp::UNIX_EPOCH;
        let nothing = Ready(Vec::new(), BTreeSet::new());
        let look_in_vain = |sitting: &mut Sitting| {
            assert_eq!(sitting.start(&nothing, now), Starting::default());
            sitting.wait(now, false, None)
        };
        let again = WaitFor::Change {
            time: Some(poll),
            is_idle: true,
        };
        assert_eq!([(); 2].map(|()| look_in_vain(&mut sitting)), [again; 2]);
        let one = Ready(vec![queued("a", None)], BTreeSet::new());
        assert_eq!(sitting.start(&one, now).start, one.0);
        let end = TicketEnd {
            is_done: true,
            ..TicketEnd::default()
        };
        sitting.ended(&one.0[0].id, &end, now, true);
        let looks = [(); 3].map(|()| look_in_vain(&mut sitting));
        assert_eq!(looks, [again, again, WaitFor::Nothing], "counted anew after a run");
    }

    #[test]
    fn where_it_cannot_be_told_what_is_ready_only_a_runner_that_polls_looks_again_and_not_for_ever() {
        let sought = |poll| Sought::AllReady { poll, max_cycles: None };
        assert!(Sitting::new(sought(None), 1, None).cannot_look());
        let mut polls = Sitting::new(sought(Some(Duration::from_secs(60))), 1, None);
        let told: Vec<_> = (0..MOST_FAILURES).map(|_| polls.cannot_look()).collect();
        assert_eq!(told.iter().filter(|gives_up| **gives_up).count(), 1);
        assert_eq!(told.last(), Some(&true));
    }
}
