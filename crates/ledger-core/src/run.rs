//! A run: the fold over its events. It says what *may* follow; what *should* follow is the policy's to say.

mod apply;
mod attempt;
mod ended_reader;
mod experts;
mod fold;
mod hooks;
mod observe;
mod questions;
mod refusal;
mod rounds;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

pub use attempt::{
    Attempt, CheckedTree, EndedReview, EndedTurn, Live, MeasuredChange, OpenCommand, Pending, RefusedChange,
    Repetition, StartedThread,
};
pub use ended_reader::{EndedCuration, EndedPlan, EndedReader};
pub use experts::EndedExpert;
pub use hooks::{HookEnd, NotificationEnd, RanHook, SentNotification};
pub use questions::{QuestionAnswer, RunQuestion, SeenQuestion};
pub use refusal::Refusal;
pub use rounds::{EndedAdvice, Round};

use crate::activity::TokenCount;
use crate::blocker::{Blocker, BlockerCode};
use crate::change::ChangeSummary;
use crate::changed_tests::ChangedTests;
use crate::curation::Curation;
use crate::event::{Event, Opened, PauseCause};
use crate::evidence::CheckResult;
use crate::expert::Judge;
use crate::id::{ThreadId, TicketId};
use crate::journal::Record;
use crate::object::{CommitId, ObjectId, RefName, TreeId};
use crate::observation::{Consent, CopiedFile, Violation};
use crate::parent::Child;
use crate::phase::{DeliveryMode, Discovery, Phase, PhaseEvidence, PreparedDelivery, SourceLock};
use crate::plan::Plan;
use crate::receipt::{DeliveredRun, Receipt};
use crate::review::Finding;

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// On its way.
    Climbing,
    /// Left in good order.
    Paused {
        /// Why.
        cause: PauseCause,
    },
    /// Stopped for a reason.
    Blocked(Blocker),
    /// Ended by a person.
    Canceled {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Done.
    Done,
}

impl State {
    /// Whether the run is over, unless a blocker that allows it is resumed.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Blocked(_) | Self::Canceled { .. } | Self::Done)
    }
}

/// How often an agent that only reads is asked for an answer before the run stops.
pub const MAX_FAILED_ANSWERS: u32 = 3;

/// How often a run brings its change onto a target that others move.
pub const MAX_REBASES: u32 = 5;

/// What a run has used up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Iterations that were started.
    pub iterations: u32,
    /// Repair rounds that were started.
    pub repair_rounds: u32,
    /// Tokens of all ended turns and reviews.
    pub tokens: TokenCount,
    /// Turns in a row that failed for reasons outside the ticket.
    pub runner_failures: u32,
    /// Turns in a row that began a conversation of their own, and for which that did not fit into the model.
    pub misfits: u32,
    /// Trees in a row on which checks failed.
    pub verification_failures: u32,
    /// Iterations that were started because the change had parted from its specs.
    pub spec_drifts: u32,
    /// Reported turns in a row whose tree had occurred before: as that of another turn, or as what the run began with.
    pub repeated_trees: u32,
    /// How often a gate about tests sent the worker back.
    pub tests_refused: u32,
    /// How often the change was brought onto a target that had moved.
    pub rebases: u32,
    /// How often a push was tried.
    pub pushes: u32,
    /// How often the remote said of a push that the target had moved, since the change was last brought onto another base.
    pub moved_pushes: u32,
    /// Every tree that a turn ended in, in order.
    pub trees: Vec<TreeId>,
    /// Plans that were asked for and ended, in whatever way.
    pub plans: u32,
    /// Warnings that were given.
    pub warnings: Vec<String>,
}

/// One attempt to bring a ticket from approved to done.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    opened: Opened,
    opened_at: Timestamp,
    delivers: Option<DeliveredRun>,
    last_at: Timestamp,
    active: SignedDuration,
    next_seq: u64,
    state: State,
    phase: Option<Phase>,
    /// The evidence that counts now; none for a phase that does not apply.
    entered: BTreeMap<Phase, Option<PhaseEvidence>>,
    /// How the children of a parent ticket ended.
    children: BTreeMap<TicketId, Child>,
    places_ready: bool,
    copied: Vec<CopiedFile>,
    set_up: Vec<CheckResult>,
    baseline: Option<Vec<CheckResult>>,
    plan: Option<EndedPlan>,
    /// What experts said of that plan.
    plan_experts: BTreeMap<Judge, EndedExpert>,
    rounds: Vec<Round>,
    /// The last advice, and how often it was asked for in a row.
    advice: Option<EndedAdvice>,
    failed_advice: u32,
    /// The experts who have refused a tree of this run.
    unsatisfied: BTreeSet<Judge>,
    attempt: Option<Attempt>,
    last_checked: Option<CheckedTree>,
    unmeasured: bool,
    refused: Vec<RefusedChange>,
    /// What was found in the last of them, until a review passes.
    to_mend: Vec<Finding>,
    /// The last tree that had tests alone, and on which checks failed.
    tests_alone: Option<TreeId>,
    pending: Option<Pending>,
    totals: Totals,
    writer: Option<ThreadId>,
    consent: Option<Consent>,
    accepted: Option<AcceptedTree>,
    prepared: Option<PreparedDelivery>,
    moved: Option<MovedRef>,
    remote: Option<SeenRemote>,
    pushed: Option<PushedRef>,
    /// The base since the change was last brought onto another, and its tree.
    rebased: Option<(CommitId, TreeId)>,
    /// The tree of the change on it, until that is measured.
    carried: Option<TreeId>,
    /// The branch and its commit that an earlier delivery of this run left, before the target moved.
    placed: Option<(RefName, CommitId)>,
    push_refused: Option<RefusedPush>,
    failure: Option<EffectFailure>,
    receipt: Option<Receipt>,
    hooks: Vec<RanHook>,
    notifications: Vec<SentNotification>,
    questions: Vec<RunQuestion>,
    /// The number of the event by which the run ended last.
    ended_at: Option<u64>,
    stored: Option<CommitId>,
}

/// A tree that a person has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AcceptedTree {
    by: String,
    tree: TreeId,
}

/// What was seen of the delivery branch after it was to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRef {
    /// What it points at.
    pub value: Option<CommitId>,
    /// Whether that contains the new commit.
    pub contains_new: bool,
}

/// What a remote answered when it was asked for the target of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenRemote {
    /// What the target is; none: it does not exist.
    pub value: Option<CommitId>,
    /// Whether that contains the commits of the delivery.
    pub contains_new: bool,
}

/// A push as the remote reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushedRef {
    /// What the target was.
    pub old: CommitId,
    /// What it is.
    pub new: CommitId,
}

/// A push that the remote did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPush {
    /// Whether because the target was no longer what it had been.
    pub moved: bool,
    /// The remote's words.
    pub reason: String,
}

/// The last effect could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectFailure {
    /// The code that the run stops with.
    pub code: crate::blocker::BlockerCode,
    /// What happened.
    pub reason: String,
}

impl Run {
    /// A run from its first event, which must be [`Event::Opened`].
    pub fn open(at: Timestamp, event: &Event) -> Result<Self, Refusal> {
        let Event::Opened(opened) = event else {
            return Err(Refusal::NotOpened);
        };
        if !opened.review && !opened.mode.discipline().review_may_be_off {
            return Err(Refusal::ReviewNeeded { mode: opened.mode });
        }
        let in_rounds = opened.mode.discipline().goes_in_rounds;
        if in_rounds != opened.max_rounds.is_some() || (in_rounds && opened.checks.is_empty()) {
            return Err(Refusal::RoundsNeeded { mode: opened.mode });
        }
        let in_order = opened.experts.is_sorted_by(|one, next| one < next);
        if !in_order || (opened.mode.discipline().needs_experts && opened.experts.is_empty()) {
            return Err(Refusal::ExpertsNeeded { mode: opened.mode });
        }
        if (opened.delivery >= DeliveryMode::Push) != opened.target.is_some() {
            return Err(Refusal::TargetNeeded {
                delivery: opened.delivery,
            });
        }
        Ok(Self {
            opened: opened.clone(),
            opened_at: at,
            delivers: None,
            last_at: at,
            active: SignedDuration::ZERO,
            next_seq: 1,
            state: State::Climbing,
            phase: None,
            entered: BTreeMap::new(),
            children: BTreeMap::new(),
            places_ready: false,
            copied: Vec::new(),
            set_up: Vec::new(),
            baseline: None,
            plan: None,
            plan_experts: BTreeMap::new(),
            rounds: Vec::new(),
            advice: None,
            failed_advice: 0,
            unsatisfied: BTreeSet::new(),
            attempt: None,
            last_checked: None,
            unmeasured: false,
            refused: Vec::new(),
            to_mend: Vec::new(),
            tests_alone: None,
            pending: None,
            totals: Totals::default(),
            writer: None,
            consent: None,
            accepted: None,
            prepared: None,
            moved: None,
            remote: None,
            pushed: None,
            rebased: None,
            carried: None,
            placed: None,
            push_refused: None,
            failure: None,
            receipt: None,
            hooks: Vec::new(),
            notifications: Vec::new(),
            questions: Vec::new(),
            ended_at: None,
            stored: None,
        })
    }

    /// The run that these records amount to. Refuses what a runner could not have written.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, Refusal> {
        Self::try_replay(records.into_iter().map(Ok::<_, Refusal>))
    }

    /// The same for records that may turn out to be none, such as those that are read one by one.
    pub fn try_replay<R: Borrow<Record>, E: From<Refusal>>(
        records: impl IntoIterator<Item = Result<R, E>>,
    ) -> Result<Self, E> {
        let mut records = records.into_iter();
        let first = records.next().ok_or(Refusal::NotOpened)??;
        let mut run = Self::open(first.borrow().at, &first.borrow().event)?;
        for record in records {
            let record = record?;
            run.apply(record.borrow().at, &record.borrow().event)?;
        }
        Ok(run)
    }

    /// The run after this event. Refuses every step that may not follow, so that nothing illegal is ever written.
    pub fn applied(&self, at: Timestamp, event: &Event) -> Result<Self, Refusal> {
        let mut next = self.clone();
        next.apply(at, event)?;
        Ok(next)
    }

    /// Like [`Self::applied`], in place. After a refusal the run is as it was.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), Refusal> {
        self.permit(at, event)?;
        // Before a runner takes the run up, and once the run is over, nobody is at work.
        let at_work = self.state == State::Climbing && !matches!(event, Event::Resumed { .. });
        self.fold(at, event);
        if at_work {
            let since = at.duration_since(self.last_at).max(SignedDuration::ZERO);
            self.active = self.active.saturating_add(since);
        }
        // It may lie before that of the last event, where the clock was set back between two runners.
        self.last_at = at;
        self.next_seq += 1;
        Ok(())
    }

    /// What the run is and the terms that it runs under.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The run that is delivered, where this one does nothing else.
    pub fn delivers(&self) -> Option<&DeliveredRun> {
        self.delivers.as_ref()
    }

    /// When it was opened.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// When its last event was written.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// How long a runner has been at work on it up to [`Self::last_at`]: neither pauses nor the time after a runner died
    /// count, nor by how much the machine's clock was set.
    pub fn active(&self) -> SignedDuration {
        self.active
    }

    /// The number of the next event.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// How it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The highest phase that is entered.
    pub fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// The evidence of a phase, where it is entered and not merely not required.
    pub fn evidence(&self, phase: Phase) -> Option<&PhaseEvidence> {
        self.entered.get(&phase)?.as_ref()
    }

    /// What the run was started from.
    pub fn source_lock(&self) -> Option<&SourceLock> {
        match self.evidence(Phase::SourceLockValidated)? {
            PhaseEvidence::SourceLockValidated(lock) => Some(lock),
            _ => None,
        }
    }

    /// What was found when the run looked at the repository.
    pub fn discovery(&self) -> Option<&Discovery> {
        match self.evidence(Phase::RepositoryDiscovered)? {
            PhaseEvidence::RepositoryDiscovered(discovery) => Some(discovery),
            _ => None,
        }
    }

    /// The commit that the change is made on: the one that the run was started from, or what the target was when the change was
    /// last brought onto it.
    pub fn base(&self) -> Option<CommitId> {
        let rebased = self.rebased.map(|(base, _)| base);
        rebased.or(self.discovery().map(|discovery| discovery.base))
    }

    /// The tree of the base that the change was last brought onto; none where that never happened.
    pub fn rebased_base_tree(&self) -> Option<TreeId> {
        self.rebased.map(|(_, tree)| tree)
    }

    /// The delivery branch and its commit that this run has made already, before its target moved.
    pub fn placed(&self) -> Option<(&RefName, CommitId)> {
        self.placed.as_ref().map(|(name, commit)| (name, *commit))
    }

    /// How the children of a parent ticket ended, by their names.
    pub fn children(&self) -> &BTreeMap<TicketId, Child> {
        &self.children
    }

    /// The change set that the run stands on.
    pub fn change(&self) -> Option<&ChangeSummary> {
        match self.evidence(Phase::ImplementationComplete)? {
            PhaseEvidence::ImplementationComplete { change, .. } => Some(change),
            _ => None,
        }
    }

    /// Tree T: what was and will be checked, reviewed and delivered.
    pub fn tree(&self) -> Option<TreeId> {
        self.change().map(|change| change.tree)
    }

    /// Whether the places are there since the runner last took the run up.
    pub fn places_ready(&self) -> bool {
        self.places_ready
    }

    /// The untracked files of the user's that its places hold beside their trees.
    pub fn copied(&self) -> &[CopiedFile] {
        &self.copied
    }

    /// The set-up commands that ran in `work/`.
    pub fn set_up(&self) -> &[CheckResult] {
        &self.set_up
    }

    /// The results on the base.
    pub fn baseline(&self) -> Option<&[CheckResult]> {
        self.baseline.as_deref()
    }

    /// The last plan that was asked for, once it ended.
    pub fn plan(&self) -> Option<&EndedPlan> {
        self.plan.as_ref()
    }

    /// The plan that the run follows: the one with which its phase is entered, where a thread of ours made it.
    pub fn followed_plan(&self) -> Option<&Plan> {
        self.evidence(Phase::PlanRecorded)?;
        let judged = self.plan.as_ref()?.end.answer();
        judged.map(|judged| &judged.plan)
    }

    /// The curator's answer that counts: the one with which its phase is entered.
    pub fn curation(&self) -> Option<&Curation> {
        match self.evidence(Phase::ContextCurated)? {
            PhaseEvidence::ContextCurated { curation: Some(_), .. } => {
                self.attempt.as_ref()?.curation.as_ref()?.sound()
            }
            _ => None,
        }
    }

    /// Why the policy stopped the agent whose answer the run stands before, where it did: nothing comes of that answer.
    pub fn stopped_for(&self) -> Option<&Blocker> {
        let planner = self.plan.as_ref().and_then(|plan| plan.interrupted_for.as_ref());
        let mut experts = self.plan_experts.values();
        let expert = experts.find_map(|expert| expert.turn.interrupted_for.as_ref());
        let advisor = self
            .advice
            .as_ref()
            .and_then(|advice| advice.turn.interrupted_for.as_ref());
        planner
            .or(expert)
            .or(advisor)
            .or(self.attempt.as_ref().and_then(Attempt::stopped_for))
    }

    /// The iteration under way.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }

    /// The last checks that ran on a turn's result, also those of an earlier iteration.
    pub fn last_checked(&self) -> Option<&CheckedTree> {
        self.last_checked.as_ref()
    }

    /// Whether a turn was begun since the last change set was computed: what it wrote is kept nowhere but in its place.
    pub fn has_unmeasured_work(&self) -> bool {
        self.unmeasured
    }

    /// The changes that a reviewer or a person refused, in order.
    pub fn refused(&self) -> &[RefusedChange] {
        &self.refused
    }

    /// What was found in the last of them, and no review has found mended yet, however many iterations it takes.
    pub fn to_mend(&self) -> &[Finding] {
        &self.to_mend
    }

    /// The last tree in which tests were all that differed from the base, and on which checks failed, where the policy wants that.
    pub fn tests_alone(&self) -> Option<TreeId> {
        self.tests_alone
    }

    /// What the change that was measured last does to tests, where the policy asks for that.
    pub fn changed_tests(&self) -> Option<&ChangedTests> {
        self.attempt.as_ref()?.measured.as_ref()?.tests.as_ref()
    }

    /// The effect under way.
    pub fn pending(&self) -> Option<&Pending> {
        self.pending.as_ref()
    }

    /// What the run has used up.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The last tree that is kept of the worker's: that of the last measured turn, else the one that the run began with. None
    /// where nothing but the base is known of it.
    pub fn kept_tree(&self) -> Option<TreeId> {
        let began_with = self.opened.rescued.as_ref().map(|rescued| rescued.tree);
        self.carried.or(self.totals.trees.last().copied()).or(began_with)
    }

    /// Every commit and tree that the run names and goes on from. Each is anchored before it is named.
    pub fn named_objects(&self) -> Vec<ObjectId> {
        let mut named: Vec<ObjectId> = self.totals.trees.iter().map(|tree| tree.0).collect();
        named.extend(self.discovery().map(|discovery| discovery.base.0));
        named.extend(self.rebased.map(|(base, _)| base.0));
        let tests = self.changed_tests().and_then(|tests| tests.apart);
        named.extend(
            tests
                .into_iter()
                .flat_map(|apart| [apart.tests_on_base.0, apart.former_tests.0]),
        );
        named.extend(self.carried.map(|tree| tree.0));
        named.extend(self.opened.rescued.as_ref().map(|rescued| rescued.tree.0));
        if let Some(prepared) = &self.prepared {
            named.extend([prepared.change.0, prepared.records.0]);
        }
        named
    }

    /// Tokens of ended turns and of the one under way.
    pub fn tokens(&self) -> TokenCount {
        match &self.pending {
            Some(pending) => self.totals.tokens.plus(pending.live.spent),
            None => self.totals.tokens,
        }
    }

    /// The writer's last conversation.
    pub fn writer(&self) -> Option<&ThreadId> {
        self.writer.as_ref()
    }

    /// The consent as last looked at since the last step that changed anything.
    pub fn consent(&self) -> Option<&Consent> {
        self.consent.as_ref()
    }

    /// Who has accepted the tree that the run stands on, where a person has.
    pub fn accepted_by(&self) -> Option<&str> {
        let accepted = self.accepted.as_ref()?;
        (Some(accepted.tree) == self.tree()).then_some(accepted.by.as_str())
    }

    /// Whether a person has rejected the result, and it is not repaired yet.
    pub fn is_rejected(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.rejection.is_some())
    }

    /// The tree that waits for a person's word before it is delivered, also where the word was given and no runner has taken the run
    /// up since.
    pub fn waits_for_word(&self) -> Option<TreeId> {
        let waits = match &self.state {
            State::Blocked(blocker) => blocker.code == BlockerCode::AcceptanceNeeded,
            State::Paused { cause } => *cause == PauseCause::Person,
            State::Climbing | State::Canceled { .. } | State::Done => false,
        };
        self.tree()
            .filter(|_| waits && self.phase == Some(Phase::ContextCurated))
    }

    /// The computed commits.
    pub fn prepared(&self) -> Option<&PreparedDelivery> {
        self.prepared.as_ref()
    }

    /// What was seen of the branch after it was to move.
    pub fn moved(&self) -> Option<&MovedRef> {
        self.moved.as_ref()
    }

    /// What the remote last said of the target, since the last push or the last phase that rests on it.
    pub fn remote(&self) -> Option<SeenRemote> {
        self.remote
    }

    /// The push, as the remote reported it.
    pub fn pushed(&self) -> Option<PushedRef> {
        self.pushed
    }

    /// Why the remote did not take the last push.
    pub fn push_refused(&self) -> Option<&RefusedPush> {
        self.push_refused.as_ref()
    }

    /// Whether the remote was seen to hold what was to be delivered, or said so. From then on the run can only be finished.
    pub fn remote_holds_delivery(&self) -> bool {
        self.pushed.is_some() || self.remote.is_some_and(|seen| seen.contains_new)
    }

    /// Whether what was to be delivered is where it was to go. From then on the run can only be finished.
    pub fn holds_delivery(&self) -> bool {
        match self.opened.target {
            Some(_) => self.remote_holds_delivery() || self.phase >= Some(Phase::Pushed),
            None => self.branch_holds_delivery(),
        }
    }

    /// Whether the branch was seen to hold what was to be delivered. From then on the run can only be finished.
    pub fn branch_holds_delivery(&self) -> bool {
        self.prepared
            .as_ref()
            .zip(self.moved.as_ref())
            .is_some_and(|(prepared, seen)| seen.contains_new || seen.value == Some(prepared.records))
    }

    /// Why the last effect could not be done.
    pub fn failure(&self) -> Option<&EffectFailure> {
        self.failure.as_ref()
    }

    /// The receipt, once the run is done.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    /// The commit that stores the run as it ended.
    pub fn stored(&self) -> Option<CommitId> {
        self.stored
    }

    /// What the policy forbids about the last change set.
    pub fn violations(&self) -> &[Violation] {
        self.attempt
            .as_ref()
            .and_then(|attempt| attempt.measured.as_ref())
            .map_or(&[], |measured| &measured.violations)
    }
}
