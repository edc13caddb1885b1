//! What is outside of the runner, and stays when it dies: agents, refs, the remote, the disk, the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ledger_core::{
    AgentFailure, AgentFailureClass, BlockerCode, ChangeSummary, CheckPurpose, CommitId, Consent, DeliveryMode, Digest,
    Effect, ObjectId, Observation, PlanStatus, PreparedDelivery, ReaderEnd, RefName, ReportStatus, Run, ThreadId,
    TokenCount, TreeId, TurnEnd, TurnPurpose, Violation,
};

use super::behaviour::Behaviour;
use super::fuse::Fuse;
use super::memory_journal::StoredBytes;
use super::weather::Weather;
use crate::sim::{answered, change, check, curated, not_json, plan, planned, prepared, report};

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
    pub(super) tickets: Vec<TicketWorld>,
    pub(super) tally: Tally,
    /// When the run that was polled last has to be polled again; none: it waits for nothing.
    pub(super) wakes: Option<Timestamp>,
    /// Whether the run that was polled last has met a full disk.
    pub(super) met_full_disk: bool,
    /// What was seen that must never be.
    pub(super) broken: Vec<String>,
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
    /// The delivery branch, and how often the runner has moved it.
    pub(super) branch: Option<CommitId>,
    pub(super) branch_moves: u32,
    /// The target on the remote, and how often the runner has moved it.
    pub(super) remote: CommitId,
    pub(super) remote_moves: u32,
    /// The heads of the journal that are stored.
    pub(super) stored: BTreeSet<Digest>,
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
    delivery: DeliveryMode,
    base: Option<CommitId>,
    placed: Option<CommitId>,
    /// The tree of a change that was brought onto another base, and is to be found as it is.
    carried: Option<TreeId>,
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
        }
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

/// An object whose id follows from words.
pub(super) fn named_object(words: &str) -> ObjectId {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(&Digest::of(words).as_bytes()[..20]);
    ObjectId::from_bytes(bytes)
}

impl TicketWorld {
    pub(super) fn new(id: String, behaviour: Behaviour) -> Self {
        let base = CommitId(named_object("base"));
        let somebodys = CommitId(named_object("somebody else's"));
        Self {
            behaviour,
            journal: StoredBytes::default(),
            branch: (behaviour == Behaviour::BranchTaken).then_some(somebodys),
            branch_moves: 0,
            remote: if behaviour == Behaviour::TargetMoves {
                somebodys
            } else {
                base
            },
            remote_moves: 0,
            stored: BTreeSet::new(),
            turns: BTreeMap::new(),
            reports: 0,
            failures: 0,
            failed_checks: 0,
            refusals: 0,
            id,
        }
    }

    /// What the worker has written up to now.
    fn tree(&self) -> TreeId {
        let work = if self.behaviour == Behaviour::SameTree {
            0
        } else {
            self.reports
        };
        TreeId(named_object(&format!("{} after {work}", self.id)))
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

    fn delivery(&self, under_way: &UnderWay, tree: TreeId) -> Option<PreparedDelivery> {
        let of = |what: &str| named_object(&format!("{what} of {} at {}", self.id, under_way.seq));
        Some(PreparedDelivery {
            branch: RefName::branch(&format!("foil/{}", self.id)).ok()?,
            old: under_way.placed,
            base: under_way.base?,
            change: CommitId(of("change")),
            records_tree: TreeId(of("records tree")),
            records: CommitId(of("records")),
            ..prepared(under_way.delivery, tree)
        })
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
        let needs_room = matches!(
            under_way.effect,
            Effect::PreparePlaces { .. }
                | Effect::RunChecks { .. }
                | Effect::MeasureChanges { .. }
                | Effect::PrepareDelivery { .. }
                | Effect::Rebase { .. }
                | Effect::StoreRun { .. }
        );
        if needs_room && self.finds_disk_full() {
            self.tally.full_disks += 1;
            return failed(BlockerCode::DiskFull, "no space");
        }
        if matches!(under_way.effect, Effect::AskRemote { .. } | Effect::Push { .. })
            && !self.weather.has_remote(self.now)
        {
            self.tally.silences += 1;
            return failed(BlockerCode::RemoteUnreachable, "no answer");
        }
        let of = &mut self.tickets[ticket];
        match &under_way.effect {
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
            Effect::MeasureChanges { .. } => {
                let added = u64::from(of.behaviour != Behaviour::NoChange);
                let facts = change(0, added);
                Observation::ChangesMeasured {
                    change: ChangeSummary {
                        base: under_way.base.unwrap_or(facts.base),
                        tree: under_way.carried.unwrap_or(of.tree()),
                        ..facts
                    },
                    violations: of.violations(),
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
            Effect::PrepareDelivery { tree, .. } => match of.delivery(under_way, *tree) {
                Some(delivery) => Observation::DeliveryPrepared { delivery },
                None => failed(BlockerCode::TreeMismatch, "no base"),
            },
            Effect::UpdateRef { old, new, .. } => {
                if of.branch == *old {
                    of.branch = Some(*new);
                    of.branch_moves += 1;
                }
                seen_ref(of.branch, *new)
            }
            Effect::AskRemote { .. } => seen_remote(of),
            Effect::Push { old, new, .. } => {
                if of.behaviour == Behaviour::PushRefused || of.remote != *old {
                    return Observation::PushRefused {
                        moved: of.remote != *old,
                        reason: "the remote says no".to_owned(),
                    };
                }
                of.remote = *new;
                of.remote_moves += 1;
                Observation::Pushed { old: *old, new: *new }
            }
            Effect::Rebase { onto } => Observation::Rebased {
                onto: *onto,
                base_tree: TreeId(named_object("the moved target's tree")),
                tree: TreeId(named_object(&format!("{} on the moved target", of.id))),
                same_change: true,
            },
            Effect::StoreRun { journal, .. } => {
                if !of.stored.insert(*journal) {
                    let id = &of.id;
                    self.broken
                        .push(format!("ticket {id}: the same end of its run was stored twice"));
                }
                Observation::RunStored {
                    commit: CommitId(named_object(&journal.to_string())),
                }
            }
            effect => self.end_turn(ticket, effect),
        }
    }

    /// An agent's turn ends by itself, and its log says how.
    fn end_turn(&mut self, ticket: usize, effect: &Effect) -> Observation {
        let limit_now = self.weather.provider(self.now);
        let of = &mut self.tickets[ticket];
        let Some(turn) = label_of(effect).and_then(|label| of.turns.get_mut(label)) else {
            self.broken
                .push(format!("ticket {}: a turn ended that never began", of.id));
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
    pub(super) fn look(&mut self, ticket: usize, effect: &Effect) -> Option<Observation> {
        let of = &self.tickets[ticket];
        match effect {
            Effect::UpdateRef { old, new, .. } => (of.branch != *old).then(|| seen_ref(of.branch, *new)),
            Effect::Push { .. } if !self.weather.has_remote(self.now) => {
                self.tally.silences += 1;
                Some(failed(BlockerCode::RemoteUnreachable, "no answer"))
            }
            Effect::Push { old, .. } => (of.remote != *old).then(|| seen_remote(of)),
            Effect::StoreRun { journal, .. } => of.stored.contains(journal).then(|| Observation::RunStored {
                commit: CommitId(named_object(&journal.to_string())),
            }),
            effect => of.turns.get(label_of(effect)?)?.end.clone(),
        }
    }

    /// The disk keeps what was synced and any part of the rest. The tickets whose journals had a rest.
    pub(super) fn lose_power(&mut self) -> Vec<usize> {
        let mut lost = Vec::new();
        for (ticket, of) in self.tickets.iter_mut().enumerate() {
            let stored = &mut of.journal;
            if stored.synced < stored.bytes.len() {
                let kept = self.chance.usize(stored.synced..=stored.bytes.len());
                stored.bytes.truncate(kept);
                lost.push(ticket);
            }
        }
        lost
    }
}

pub(super) fn failed(code: BlockerCode, reason: &str) -> Observation {
    let reason = reason.to_owned();
    Observation::Failed { code, reason }
}

fn seen_ref(value: Option<CommitId>, new: CommitId) -> Observation {
    let contains_new = value == Some(new);
    Observation::RefSeen { value, contains_new }
}

fn seen_remote(of: &TicketWorld) -> Observation {
    Observation::RemoteSeen {
        value: Some(of.remote),
        contains_new: of.remote_moves > 0,
    }
}
