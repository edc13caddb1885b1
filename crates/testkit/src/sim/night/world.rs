//! What is outside of the runner, and stays when it dies: agents, refs, the remote, the disk, the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ledger_core::{
    AgentFailure, AgentFailureClass, BlockerCode, ChangeSummary, CheckPurpose, CommitId, Consent, DeliveryMode, Effect,
    Observation, PlanStatus, ReaderEnd, RefName, ReportStatus, Run, RunId, State, ThreadId, TokenCount, TreeId,
    TurnEnd, TurnPurpose, Violation,
};

use super::behaviour::Behaviour;
use super::fuse::{Fuse, Part};
use super::memory_journal::StoredBytes;
use super::repository::Defect;
use super::tickets::Ticket;
use super::weather::Weather;
use crate::sim::git::{Git, Remote};
use crate::sim::{answered, change, check, curated, not_json, plan, planned, report};

pub(super) type SharedWorld = Arc<Mutex<World>>;

/// The world, also where a run that was dropped in the middle has left it.
pub(super) fn lock(world: &SharedWorld) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) chance: Rng,
    pub(super) weather: Weather,
    pub(super) fuse: Fuse,
    pub(super) git: Git,
    pub(super) remote: Remote,
    /// What every run begins with.
    pub(super) base: CommitId,
    /// What is wrong with those who carry out effects.
    pub(super) defect: Option<Defect>,
    pub(super) tickets: Vec<TicketWorld>,
    pub(super) tally: Tally,
    /// When the run that was polled last has to be polled again; none: it waits for nothing.
    pub(super) wakes: Option<Timestamp>,
    /// Whether the run that was polled last has met a full disk.
    pub(super) met_full_disk: bool,
    /// Whether somebody was told the same twice.
    pub(super) told_twice: bool,
    /// What was seen that must never be, and after how many steps.
    pub(super) broken: Vec<(u64, String)>,
}

/// What was counted in a night.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that were written to journals.
    pub steps: u64,
    /// Runners that were killed.
    pub kills: u64,
    /// Power cuts.
    pub power_cuts: u64,
    /// Writes and effects that failed because the disk was full.
    pub full_disks: u64,
    /// Turns that met a limit of the provider.
    pub limits: u64,
    /// Questions and pushes that the remote did not answer.
    pub silences: u64,
    /// Turns that failed, fell silent or were ended by the policy.
    pub bad_turns: u64,
}

impl Tally {
    /// How many faults were survived.
    pub fn faults(&self) -> u64 {
        self.kills + self.power_cuts + self.full_disks + self.limits + self.silences + self.bad_turns
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            kills: self.kills + other.kills,
            power_cuts: self.power_cuts + other.power_cuts,
            full_disks: self.full_disks + other.full_disks,
            limits: self.limits + other.limits,
            silences: self.silences + other.silences,
            bad_turns: self.bad_turns + other.bad_turns,
        }
    }
}

/// The part of the world that is about one ticket.
pub(super) struct TicketWorld {
    pub(super) id: String,
    pub(super) behaviour: Behaviour,
    pub(super) journal: StoredBytes,
    pub(super) run: RunId,
    /// The delivery branch.
    pub(super) branch: RefName,
    /// Where it is pushed.
    pub(super) target: RefName,
    /// Where its run is stored, and its receipt.
    pub(super) stored: RefName,
    pub(super) receipt: RefName,
    /// Whether somebody has moved the target right before the push.
    pub(super) is_overtaken: bool,
    /// What agents did, by the label that they were given.
    pub(super) turns: BTreeMap<String, AgentTurn>,
    /// Turns of the writer that ended in a report.
    reports: u64,
    /// Turns that failed because of the behaviour.
    failures: u32,
    failed_checks: u32,
    refusals: u32,
}

/// What an agent did, as its own log tells it.
#[derive(Debug, Clone, Default)]
pub(super) struct AgentTurn {
    /// The number of the intent that it was taken for.
    pub(super) seq: u64,
    /// Tokens spent.
    pub(super) spent: u64,
    /// How it ended, where it came to an end.
    pub(super) end: Option<Observation>,
    pub(super) thread: Option<ThreadId>,
    /// The limit of the provider that it began with.
    pub(super) limit: Option<AgentFailure>,
}

/// An effect under way, with what of the run it depends on.
#[derive(Debug, Clone)]
pub(super) struct UnderWay {
    pub(super) seq: u64,
    pub(super) effect: Effect,
    pub(super) delivery: DeliveryMode,
    pub(super) base: Option<CommitId>,
    pub(super) placed: Option<CommitId>,
    /// The tree of a change that was brought onto another base, and is to be found as it is.
    pub(super) carried: Option<TreeId>,
    /// The tree that the run stands on.
    pub(super) tree: Option<TreeId>,
    /// The last commit of its delivery.
    pub(super) records: Option<CommitId>,
    pub(super) is_done: bool,
    /// When the last event was recorded.
    pub(super) seconds: i64,
}

impl UnderWay {
    pub(super) fn new(seq: u64, effect: &Effect, run: &Run) -> Self {
        let kept = run.kept_tree().filter(|tree| !run.totals().trees.contains(tree));
        Self {
            seq,
            effect: effect.clone(),
            delivery: run.opened().delivery,
            base: run.base(),
            placed: run.placed().map(|(_, commit)| commit),
            carried: kept.filter(|_| run.rebased_base_tree().is_some()),
            tree: run.tree(),
            records: run.prepared().map(|delivery| delivery.records),
            is_done: *run.state() == State::Done,
            seconds: run.last_at().as_second(),
        }
    }

    /// Whether it cannot be done on a full disk.
    pub(super) fn needs_room(&self) -> bool {
        matches!(
            self.effect,
            Effect::PreparePlaces { .. }
                | Effect::RunChecks { .. }
                | Effect::MeasureChanges { .. }
                | Effect::PrepareDelivery { .. }
                | Effect::Rebase { .. }
                | Effect::StoreRun { .. }
        )
    }

    /// The label of the agent's turn that it is.
    pub(super) fn label(&self) -> Option<&str> {
        label_of(&self.effect)
    }
}

/// The label that an agent is given with this effect.
pub(super) fn label_of(effect: &Effect) -> Option<&str> {
    match effect {
        Effect::TakePlan { label }
        | Effect::TakeTurn { label, .. }
        | Effect::TakeReview { label, .. }
        | Effect::TakeCuration { label, .. } => Some(label),
        _ => None,
    }
}

impl TicketWorld {
    #[expect(clippy::expect_used, reason = "the names are made of a ticket's")]
    pub(super) fn new(ticket: &Ticket) -> Self {
        let id = ticket.id.to_string();
        let run = ticket.run();
        let name = |name: String| name.parse::<RefName>().expect("a name of a ref");
        Self {
            behaviour: ticket.behaviour,
            journal: StoredBytes::default(),
            branch: name(format!("refs/heads/foil/{id}")),
            target: name(format!("refs/heads/{id}")),
            stored: name(format!("refs/counterfoil/runs/{id}/{run}")),
            receipt: name(format!("refs/counterfoil/receipts/{id}")),
            run,
            is_overtaken: false,
            turns: BTreeMap::new(),
            reports: 0,
            failures: 0,
            failed_checks: 0,
            refusals: 0,
            id,
        }
    }

    /// How far the worker has come: what it has written follows from it.
    pub(super) fn work(&self) -> u64 {
        if self.behaviour == Behaviour::SameTree {
            0
        } else {
            self.reports
        }
    }

    /// How a turn of the writer ends that comes to an end by itself.
    fn end_of_turn(&mut self, label: &str, purpose: TurnPurpose) -> TurnEnd {
        let failed = |class| TurnEnd::Failed {
            failure: AgentFailure::new(class, "it failed"),
        };
        let status = match self.behaviour {
            Behaviour::Fails { class, times } if self.failures < times => {
                self.failures += 1;
                return failed(class);
            }
            Behaviour::Crashes => return failed(AgentFailureClass::Crashed),
            Behaviour::LoggedOut => return failed(AgentFailureClass::Auth),
            Behaviour::NoModel => return failed(AgentFailureClass::ModelUnavailable),
            Behaviour::RefusedByProvider => return failed(AgentFailureClass::Refused),
            Behaviour::Oversized => return failed(AgentFailureClass::ContextWindow),
            Behaviour::NoReport => {
                let reason = "not JSON".to_owned();
                return TurnEnd::InvalidReport { reason };
            }
            Behaviour::SaysBlocked => ReportStatus::Blocked,
            Behaviour::SameTree | Behaviour::NeverDone => ReportStatus::InProgress,
            Behaviour::Honest { turns } if self.reports + 1 < turns => ReportStatus::InProgress,
            _ => ReportStatus::Done,
        };
        self.reports += u64::from(purpose == TurnPurpose::Write);
        let report = report(label, status);
        TurnEnd::Reported { report }
    }

    fn review_passes(&mut self) -> bool {
        match self.behaviour {
            Behaviour::Refused { times } if self.refusals < times => {
                self.refusals += 1;
                false
            }
            _ => true,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        let (code, detail) = match self.behaviour {
            Behaviour::OutOfScope => (BlockerCode::ScopeViolation, "outside"),
            Behaviour::Secret => (BlockerCode::SecretFound, "a key"),
            _ => return Vec::new(),
        };
        let path = None;
        let detail = detail.to_owned();
        vec![Violation { code, path, detail }]
    }
}

impl World {
    /// Whether there is no room on the disk for what is written now.
    pub(super) fn finds_disk_full(&mut self) -> bool {
        let is_full = self.weather.disk_full_until(self.now).is_some() && self.chance.u8(0..4) == 0;
        self.met_full_disk |= is_full;
        is_full
    }

    pub(super) fn seconds(&mut self, range: std::ops::Range<i64>) -> SignedDuration {
        SignedDuration::from_secs(self.chance.i64(range))
    }

    /// An effect is done, and this is what it shows.
    pub(super) fn perform(&mut self, ticket: usize, under_way: &UnderWay) -> Observation {
        self.performed(ticket, under_way).unwrap_or_else(|failed| failed)
    }

    #[expect(
        clippy::result_large_err,
        reason = "what is seen of a failure is an observation like any other"
    )]
    fn performed(&mut self, ticket: usize, under_way: &UnderWay) -> Result<Observation, Observation> {
        if under_way.needs_room() && self.finds_disk_full() {
            self.tally.full_disks += 1;
            return Err(failed(BlockerCode::DiskFull, "no space"));
        }
        if matches!(under_way.effect, Effect::AskRemote { .. } | Effect::Push { .. })
            && !self.weather.has_remote(self.now)
        {
            self.tally.silences += 1;
            return Err(failed(BlockerCode::RemoteUnreachable, "no answer"));
        }
        if let Effect::RunChecks { tree, .. } | Effect::TakeReview { tree, .. } | Effect::TakeCuration { tree, .. } =
            &under_way.effect
        {
            self.require(*tree)?;
        }
        let of = &mut self.tickets[ticket];
        Ok(match &under_way.effect {
            Effect::PreparePlaces { .. } => Observation::PlacesReady {
                anew: true,
                copied: Vec::new(),
                set_up: Vec::new(),
            },
            Effect::RunChecks { purpose, tree, .. } => {
                let passes = match (purpose, of.behaviour) {
                    (CheckPurpose::Baseline, behaviour) => behaviour != Behaviour::BrokenBase,
                    (CheckPurpose::Proof, Behaviour::ChecksFail { times }) if of.failed_checks < times => {
                        of.failed_checks += 1;
                        false
                    }
                    (CheckPurpose::Proof, _) => true,
                };
                Observation::ChecksRan {
                    tree: *tree,
                    results: vec![check(passes)],
                    set_up: Vec::new(),
                }
            }
            Effect::MeasureChanges { iteration } => {
                let added = u64::from(of.behaviour != Behaviour::NoChange);
                let violations = of.violations();
                let facts = change(0, added);
                Observation::ChangesMeasured {
                    change: ChangeSummary {
                        base: under_way.base.unwrap_or(self.base),
                        tree: self.measure(ticket, under_way, *iteration)?,
                        ..facts
                    },
                    violations,
                    weakened: Vec::new(),
                    tests: None,
                    same_as: None,
                    drift: None,
                    experts: Vec::new(),
                }
            }
            Effect::ConfirmConsent => Observation::ConsentSeen {
                consent: match of.behaviour {
                    Behaviour::Edited => match "ledger/tickets/t/ticket.toml".parse() {
                        Ok(path) => Consent::Changed { path },
                        Err(_) => Consent::Current,
                    },
                    _ => Consent::Current,
                },
            },
            Effect::PrepareDelivery { tree, journal } => self.prepare(ticket, under_way, *tree, *journal)?,
            Effect::UpdateRef { name, old, new } => self.move_branch(name, *old, *new)?,
            Effect::AskRemote { .. } => self.see_remote(ticket, under_way.base, under_way.records),
            Effect::Push { old, new, .. } => self.push(ticket, *old, *new),
            Effect::Rebase { onto } => self.rebase(ticket, under_way, *onto)?,
            Effect::StoreRun { name, journal } => self.store(ticket, under_way, name, *journal)?,
            effect => self.end_turn(ticket, effect),
        })
    }

    /// An agent's turn ends by itself, and its log says how.
    fn end_turn(&mut self, ticket: usize, effect: &Effect) -> Observation {
        let limit_now = self.weather.provider(self.now);
        let of = &mut self.tickets[ticket];
        let Some(turn) = label_of(effect).and_then(|label| of.turns.get_mut(label)) else {
            let what = format!("ticket {}: a turn ended that never began", of.id);
            self.broken.push((self.tally.steps, what));
            return failed(BlockerCode::NeedsPerson, "a turn that never began");
        };
        let tokens = TokenCount {
            total: turn.spent,
            ..TokenCount::default()
        };
        let thread = turn.thread.clone();
        let limit = turn.limit.take().or(limit_now);
        self.tally.limits += u64::from(limit.is_some());
        let observation = match effect {
            Effect::TakeTurn { label, purpose, .. } => {
                let end = match limit {
                    Some(failure) => TurnEnd::Failed { failure },
                    None => {
                        let end = of.end_of_turn(label, *purpose);
                        self.tally.bad_turns += u64::from(!matches!(end, TurnEnd::Reported { .. }));
                        end
                    }
                };
                Observation::TurnEnded { end, tokens, thread }
            }
            Effect::TakeReview { tree, label } => Observation::ReviewEnded {
                tree: *tree,
                end: match limit {
                    Some(failure) => ReaderEnd::Failed { failure },
                    None if of.behaviour == Behaviour::NoVerdict => not_json(),
                    None => answered(label, of.review_passes()),
                },
                tokens,
                thread,
            },
            Effect::TakePlan { label } => Observation::PlanEnded {
                end: match limit {
                    Some(failure) => ReaderEnd::Failed { failure },
                    None => planned(plan(label, PlanStatus::Planned), Vec::new()),
                },
                tokens,
                thread,
            },
            Effect::TakeCuration { label, .. } => Observation::CurationEnded {
                end: match limit {
                    Some(failure) => ReaderEnd::Failed { failure },
                    None => curated(label, Vec::new()),
                },
                tokens,
                thread,
            },
            _ => failed(BlockerCode::NeedsPerson, "an effect that no night knows"),
        };
        if let Some(turn) = label_of(effect).and_then(|label| of.turns.get_mut(label)) {
            turn.end = Some(observation.clone());
        }
        observation
    }

    /// What is found of an effect that a dead runner left under way. None: nothing.
    pub(super) fn look(&mut self, ticket: usize, effect: &Effect, run: &Run) -> Option<Observation> {
        match label_of(effect) {
            Some(label) => self.tickets[ticket].turns.get(label)?.end.clone(),
            None if matches!(effect, Effect::Push { .. }) && !self.weather.has_remote(self.now) => {
                self.tally.silences += 1;
                Some(failed(BlockerCode::RemoteUnreachable, "no answer"))
            }
            None => self.look_at_git(ticket, effect, run),
        }
    }

    /// The disk keeps what was synced and so much of the rest of each journal; where that is not nothing, of the objects whichever chance says. The
    /// tickets whose journals had a rest.
    pub(super) fn lose_power(&mut self, left: Part) -> Vec<usize> {
        let mut lost = Vec::new();
        for (ticket, of) in self.tickets.iter_mut().enumerate() {
            let stored = &mut of.journal;
            let rest = stored.bytes.len().saturating_sub(stored.synced);
            if rest > 0 {
                let kept = stored.synced + left.of(rest, &mut self.chance);
                stored.bytes.truncate(kept);
                lost.push(ticket);
            }
        }
        let mut objects: Vec<_> = self.git.unflushed().iter().copied().collect();
        self.chance.shuffle(&mut objects);
        // An object may be lost where every line of a journal is left.
        let left = if left == Part::Nothing { left } else { Part::Drawn };
        objects.truncate(left.of(objects.len(), &mut self.chance));
        self.git.lose_power(&objects.into_iter().collect());
        lost
    }
}

pub(super) fn failed(code: BlockerCode, reason: &str) -> Observation {
    let reason = reason.to_owned();
    Observation::Failed { code, reason }
}
