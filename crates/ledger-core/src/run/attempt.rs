//! What a run knows of the iteration and the effect that are under way.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::ended_reader::{EndedCuration, EndedReader, still_counts};
use super::experts::EndedExpert;
use crate::activity::{Activity, AgentIdentity, TokenCount};
use crate::blocker::{Blocker, BlockerCode};
use crate::change::ChangeSummary;
use crate::changed_tests::ChangedTests;
use crate::comparison::TestComparison;
use crate::digest::Digest;
use crate::drift::SpecDrift;
use crate::effect::Effect;
use crate::event::{IterationCause, ResumeCause};
use crate::evidence::CheckResult;
use crate::expert::{ExpertCall, Judge};
use crate::id::ThreadId;
use crate::object::{CommitId, TreeId};
use crate::observation::{TurnEnd, Violation};
use crate::reader_end::JudgedReview;
use crate::review::Finding;
use crate::weakening::WeakenedTest;

/// An iteration: one turn of the worker, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Counted from 1 in the run.
    pub n: u32,
    /// Why it was started; none for a repair round.
    pub cause: Option<IterationCause>,
    /// The round that it belongs to, as long as the advisor has not said that all is done.
    pub round: Option<u32>,
    /// When it was started.
    pub since: Timestamp,
    /// Turns taken to get a valid report.
    pub report_repairs: u32,
    /// The agent that answered.
    pub thread: Option<StartedThread>,
    /// The last turn, once it ended.
    pub turn: Option<EndedTurn>,
    /// The change set, once computed.
    pub measured: Option<MeasuredChange>,
    /// The checks, once they ran.
    pub checked: Option<CheckedTree>,
    /// What tests show before and after the change, once that was looked at.
    pub compared: Option<TestComparison>,
    /// The last review, once it ended.
    pub review: Option<EndedReview>,
    /// Reviews that ended without a valid verdict.
    pub failed_reviews: u32,
    /// What experts last said, once their turns ended.
    pub experts: BTreeMap<Judge, EndedExpert>,
    /// The last curator's turn, once it ended.
    pub curation: Option<EndedCuration>,
    /// Curators' turns that ended without an answer that can be used.
    pub failed_curations: u32,
    /// What a person found, where one rejected the result.
    pub rejection: Option<Vec<Finding>>,
}

/// An agent that has named its conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedThread {
    /// The conversation.
    pub thread: ThreadId,
    /// Who answers.
    pub agent: AgentIdentity,
}

/// A turn that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedTurn {
    /// How.
    pub end: TurnEnd,
    /// When.
    pub at: Timestamp,
    /// Why it was interrupted by us, where the policy did.
    pub interrupted_for: Option<Blocker>,
}

/// A computed change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredChange {
    /// How the tree differs from the base.
    pub change: ChangeSummary,
    /// What the policy forbids about it.
    pub violations: Vec<Violation>,
    /// The hunks of it that weaken tests, where the policy wants them found.
    pub weakened: Vec<WeakenedTest>,
    /// Where it parts from its specs; none: the ticket has none that it is held to.
    pub drift: Option<SpecDrift>,
    /// What it does to tests, where the policy asks for that.
    pub tests: Option<ChangedTests>,
    /// The refused tree of this run that it is no other change than.
    pub same_as: Option<TreeId>,
    /// Who has to judge it beside the reviewer.
    pub experts: Vec<ExpertCall>,
}

/// A change that a reviewer or a person refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedChange {
    /// The base that it was made on.
    pub base: CommitId,
    /// Its tree.
    pub tree: TreeId,
    /// The hunks of it that weaken tests, where the policy wants them found.
    pub weakened: Vec<WeakenedTest>,
}

/// Checks that ran.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedTree {
    /// The tree.
    pub tree: TreeId,
    /// Their results, in order.
    pub results: Vec<CheckResult>,
}

/// A review that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedReview {
    /// The tree that was judged.
    pub tree: TreeId,
    /// The reviewer's turn.
    pub turn: EndedReader<JudgedReview>,
    /// The tree that the reviewer saw, where the same change was brought onto another base since.
    pub carried_from: Option<TreeId>,
}

/// An effect that is under way, or was when the runner died.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The number of its intent.
    pub seq: u64,
    /// The effect.
    pub effect: Effect,
    /// When it was intended.
    pub since: Timestamp,
    /// What is seen of it.
    pub live: Live,
    /// The interruption, once asked for: the blocker, or none where a person or a signal asked.
    pub interrupt: Option<Option<Blocker>>,
    /// Whether the runner that intended it is gone.
    pub orphaned: bool,
}

/// What an agent is seen doing in the turn under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// When it last gave a sign of life.
    pub last_activity: Timestamp,
    /// Commands that have not ended, by the agent's name for them.
    pub open_commands: BTreeMap<String, OpenCommand>,
    /// Since when requests to the model are being made again; none: none is. That one of them is answered is not told: see [`Live::is_connected`].
    pub retrying_since: Option<Timestamp>,
    /// When its processes were last seen doing something although it said nothing.
    pub busy_at: Option<Timestamp>,
    /// Whether its processes had a network connection open when they were last looked at, which was after the last request that was made again.
    pub is_connected: bool,
    /// What it does over and over.
    pub repetition: Repetition,
    /// How often it asked for an approval or an answer and was declined.
    pub declined: u32,
    /// Tokens spent in this turn.
    pub spent: TokenCount,
    /// The agent, once it has named the conversation.
    pub thread: Option<StartedThread>,
    /// The last thing that it did, for people.
    pub doing: String,
    /// Commands that were started in this turn.
    pub commands: u64,
}

/// Actions that follow each other in the same way again and again, without a changed file in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repetition {
    /// The last actions, the latest last.
    recent: VecDeque<(Digest, String)>,
    /// For each length of a cycle, how many actions in a row were the same as that many actions before.
    streaks: [u32; MAX_CYCLE],
}

/// The longest cycle of actions that is noticed.
const MAX_CYCLE: usize = 4;

/// The most characters of an action that are shown.
const MAX_ACTION: usize = 400;

impl Repetition {
    /// How often the same cycle of actions was gone through in a row, and the cycle. Once: no repetition.
    pub fn times(&self) -> (u32, Vec<&str>) {
        let of = |(index, streak): (usize, &u32)| {
            let length = index.saturating_add(1);
            let times = u32::try_from(length).map_or(1, |length| (streak / length).saturating_add(1));
            (times, length)
        };
        // Of two lengths the shorter one says it better.
        let all = self.streaks.iter().enumerate().map(of);
        let (times, length) = all.rev().max_by_key(|(times, _)| *times).unwrap_or((1, 1));
        let skipped = self.recent.len().saturating_sub(length);
        (
            times,
            self.recent
                .iter()
                .skip(skipped)
                .map(|(_, shown)| shown.as_str())
                .collect(),
        )
    }

    fn note(&mut self, action: &str) {
        let digest = Digest::of(action);
        let shown: String = action.chars().take(MAX_ACTION).collect();
        for (index, streak) in self.streaks.iter_mut().enumerate() {
            let before = self.recent.len().checked_sub(index.saturating_add(1));
            let is_same = before
                .and_then(|before| self.recent.get(before))
                .is_some_and(|(before, _)| *before == digest);
            *streak = if is_same { streak.saturating_add(1) } else { 0 };
        }
        if self.recent.len() == MAX_CYCLE {
            self.recent.pop_front();
        }
        self.recent.push_back((digest, shown));
    }
}

/// A command that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCommand {
    /// The command line, shortened.
    pub command: String,
    /// When it was started.
    pub since: Timestamp,
}

/// From this much processor time between two looks on, processes do something: an idle agent that waits for its provider uses less.
const BUSY_CPU_MS: u64 = 200;

/// The same for bytes read and written.
const BUSY_IO_BYTES: u64 = 64 * 1024;

/// A request that has had its connection for so long was heard: if the next one is made again, that is another trouble.
const HEARD: SignedDuration = SignedDuration::from_secs(120);

/// The most commands that are remembered as open; a hostile agent may name any number.
const MAX_OPEN_COMMANDS: usize = 256;

impl Attempt {
    pub(super) fn new(n: u32, cause: Option<IterationCause>, since: Timestamp) -> Self {
        Self {
            n,
            round: None,
            cause,
            since,
            report_repairs: 0,
            thread: None,
            turn: None,
            measured: None,
            checked: None,
            compared: None,
            review: None,
            failed_reviews: 0,
            experts: BTreeMap::new(),
            curation: None,
            failed_curations: 0,
            rejection: None,
        }
    }

    /// Why the policy stopped the last turn, the last review, an expert or the curator, where it did. As long as there is a reason, nothing comes
    /// of the iteration. That nothing was left for somebody whose word stops nothing is none.
    pub fn stopped_for(&self) -> Option<&Blocker> {
        let turn = self.turn.as_ref().and_then(|turn| turn.interrupted_for.as_ref());
        let review = self
            .review
            .as_ref()
            .and_then(|review| review.turn.interrupted_for.as_ref());
        let expert = self.experts.iter().find_map(|(judge, expert)| {
            let because = expert.turn.interrupted_for.as_ref()?;
            let dispensable = because.code == BlockerCode::BudgetExhausted && self.is_advisory(*judge);
            (!dispensable).then_some(because)
        });
        let curation = self.curation.as_ref().and_then(EndedCuration::stopped_for);
        turn.or(review).or(expert).or(curation)
    }

    fn is_advisory(&self, judge: Judge) -> bool {
        let calls = self.measured.iter().flat_map(|measured| &measured.experts);
        calls.into_iter().any(|call| call.judge == judge && call.is_advisory)
    }

    /// The worker writes again: whatever came of an earlier turn of this iteration counts for nothing.
    pub(super) fn begin_turn(&mut self) {
        self.report_repairs = 0;
        self.turn = None;
        self.measured = None;
        self.checked = None;
        self.compared = None;
        self.review = None;
        self.failed_reviews = 0;
        self.experts.clear();
        self.forget_curation();
    }

    pub(super) fn forget_curation(&mut self) {
        self.curation = None;
        self.failed_curations = 0;
    }

    /// Drops turns and reviews that nothing can come of: they are taken again, and what they cost stays counted.
    pub(super) fn resume(&mut self, after: ResumeCause, writer: Option<&ThreadId>) {
        let without_name = self.thread.is_none();
        let useful_turn = |turn: &EndedTurn| {
            let useless = without_name || matches!(turn.end, TurnEnd::Interrupted | TurnEnd::Failed { .. });
            still_counts(turn.interrupted_for.as_ref(), after, !useless)
        };
        self.turn.take_if(|turn| !useful_turn(turn));
        if !self
            .review
            .as_ref()
            .is_some_and(|review| review.turn.is_useful(after, writer))
        {
            self.review = None;
            self.failed_reviews = 0;
        }
        let useful_curation = |ended: &EndedCuration| still_counts(ended.stopped_for(), after, ended.sound().is_some());
        if !self.curation.as_ref().is_some_and(useful_curation) {
            self.forget_curation();
        }
        self.experts.retain(|_, expert| expert.turn.is_useful(after, writer));
    }
}

impl Pending {
    pub(super) fn new(seq: u64, effect: Effect, since: Timestamp) -> Self {
        Self {
            seq,
            effect,
            since,
            live: Live::new(since),
            interrupt: None,
            orphaned: false,
        }
    }

    /// Why the policy interrupted it, where it did.
    pub fn stopped_for(&self) -> Option<&Blocker> {
        self.interrupt.as_ref()?.as_ref()
    }

    /// Whether an end without a result is nobody's fault: somebody asked the runner to leave, or it died.
    pub(super) fn was_abandoned(&self) -> bool {
        self.stopped_for().is_none() && (self.orphaned || self.interrupt.is_some())
    }
}

impl Live {
    /// An agent whose turn begins at this time.
    pub fn new(since: Timestamp) -> Self {
        Self {
            last_activity: since,
            open_commands: BTreeMap::new(),
            retrying_since: None,
            busy_at: None,
            is_connected: false,
            repetition: Repetition::default(),
            declined: 0,
            spent: TokenCount::default(),
            thread: None,
            doing: String::new(),
            commands: 0,
        }
    }

    /// Takes in what the agent is seen doing at this time.
    pub fn see(&mut self, at: Timestamp, activity: &Activity) {
        match activity {
            Activity::ProcessSeen {
                cpu_ms,
                io_bytes,
                connections,
            } => {
                if *cpu_ms >= BUSY_CPU_MS || *io_bytes >= BUSY_IO_BYTES {
                    self.busy_at = Some(at);
                }
                self.is_connected = *connections > 0;
                return;
            }
            Activity::TreeChanged { .. } => {
                self.repetition = Repetition::default();
                return;
            }
            _ => {}
        }
        let was_heard = self.is_connected && at.duration_since(self.last_activity) >= HEARD;
        self.last_activity = self.last_activity.max(at);
        self.retrying_since = match activity {
            Activity::Retrying { .. } => self.retrying_since.filter(|_| !was_heard).or(Some(at)),
            // What it has spent up to now is told at any moment.
            Activity::Tokens { .. } => self.retrying_since,
            _ => None,
        };
        match activity {
            Activity::ThreadStarted { thread, agent, .. } => {
                self.thread = Some(StartedThread {
                    thread: thread.clone(),
                    agent: agent.clone(),
                });
                self.doing = "thinking".to_owned();
            }
            Activity::CommandStarted { item, command } => {
                self.commands += 1;
                self.doing = format!("running {command}");
                if self.open_commands.len() < MAX_OPEN_COMMANDS {
                    let open = OpenCommand {
                        command: command.clone(),
                        since: at,
                    };
                    self.open_commands.insert(item.clone(), open);
                }
            }
            Activity::CommandEnded { item, exit_code, .. } => {
                if let Some(ended) = self.open_commands.remove(item) {
                    let code = exit_code.map_or_else(|| "none".to_owned(), |code| code.to_string());
                    self.repetition.note(&format!("{} (exit code {code})", ended.command));
                }
                self.doing = "thinking".to_owned();
            }
            Activity::FilesEdited { paths } => {
                // Something is another than it was. Edits that take each other back are seen at the end of the turn.
                self.repetition = Repetition::default();
                self.doing = format!("editing {}", paths.join(", "));
            }
            Activity::Message { text } => {
                self.repetition.note(&format!("says: {text}"));
                self.doing = format!("saying: {text}");
            }
            Activity::Tokens { spent } => self.spent = *spent,
            Activity::Retrying { reason } => {
                self.is_connected = false;
                self.doing = format!("waiting to retry: {reason}");
            }
            Activity::PromptSent { .. } => self.doing = "reading the prompt".to_owned(),
            Activity::RequestDeclined { .. } => self.declined = self.declined.saturating_add(1),
            Activity::Warning { .. } | Activity::ProcessSeen { .. } | Activity::TreeChanged { .. } => {}
        }
    }
}
