//! What is seen of a turn beside the agent's own words: its processes, and the files in its place.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use git_delivery::{MeasureOptions, Repository};
use jiff::Timestamp;
use ledger_core::{Activity, Live, TreeId};
use policy::config::LimitsPolicy;
use tokio::time::Instant;

use super::RunPlan;
use super::places::Places;
use super::set_up::exempt;
use crate::guard::Usage;

/// Looks at the processes of an agent that says nothing.
pub(crate) struct SilenceWatch {
    records: PathBuf,
    every: Duration,
    last: Option<Usage>,
    next: Instant,
}

/// How often it is looked, at the most.
const LOOK_EVERY: Duration = Duration::from_secs(30);

impl SilenceWatch {
    /// Over the processes whose guards are recorded in this folder. The first look is only to compare the second with.
    pub(crate) fn new(records: PathBuf, limits: &LimitsPolicy) -> Self {
        // An agent that works in silence is to be seen before it is given up.
        let every = (limits.idle_timeout.to_std() / 4).clamp(Duration::from_millis(100), LOOK_EVERY);
        Self {
            records,
            every,
            last: None,
            next: Instant::now() + every,
        }
    }

    /// The agent has said something: nothing has to be looked at for a while.
    pub(crate) fn heard(&mut self) {
        self.last = None;
        self.next = Instant::now() + self.every;
    }

    /// What was used between two looks, once there were two in a silence.
    pub(crate) async fn look(&mut self) -> Activity {
        loop {
            tokio::time::sleep_until(self.next).await;
            self.next = Instant::now() + self.every;
            let records = self.records.clone();
            let now = tokio::task::spawn_blocking(move || Usage::below_guards(&records)).await;
            let now = now.unwrap_or_default();
            if let Some(last) = self.last.replace(now) {
                let used = now.since(last);
                return Activity::ProcessSeen {
                    cpu_ms: used.cpu_ms,
                    io_bytes: used.io_bytes,
                    connections: used.connections,
                };
            }
        }
    }
}

/// Looks at the files of a writer that does the same over and over: a command may change them, and its agent says nothing of that.
///
/// It looks once the writer needs one more time to be stopped for it, so that an ordinary turn costs nothing.
pub(super) struct TreeWatch {
    plan: Arc<RunPlan>,
    repository: Arc<Repository>,
    places: Places,
    /// The same account of repeated actions that the policy goes by; only its times mean nothing here.
    live: Live,
    /// The trees that were there before.
    seen: BTreeSet<TreeId>,
}

impl TreeWatch {
    /// Over a turn that begins with this tree, where it is known.
    pub(super) fn new(
        plan: &Arc<RunPlan>,
        repository: &Arc<Repository>,
        places: &Places,
        tree: Option<TreeId>,
    ) -> Self {
        Self {
            plan: Arc::clone(plan),
            repository: Arc::clone(repository),
            places: places.clone(),
            live: Live::new(Timestamp::UNIX_EPOCH),
            seen: tree.into_iter().collect(),
        }
    }

    /// What the files show after the agent did this, where they are as they were never before in this turn. A tree that cannot be read
    /// now, while somebody writes in it, shows nothing.
    pub(super) async fn after(&mut self, activity: &Activity) -> Option<Activity> {
        self.live.see(Timestamp::UNIX_EPOCH, activity);
        let (times, _) = self.live.repetition.times();
        let limit = self.plan.policy.limits.max_repeats;
        if limit == 0 || times.saturating_add(1) < limit {
            return None;
        }
        let (plan, repository, places) = (
            Arc::clone(&self.plan),
            Arc::clone(&self.repository),
            self.places.clone(),
        );
        let tree = tokio::task::spawn_blocking(move || tree_now(&plan, &repository, &places));
        let tree = tree.await.ok()??;
        if !self.seen.insert(tree) {
            return None;
        }
        let changed = Activity::TreeChanged { tree };
        self.live.see(Timestamp::UNIX_EPOCH, &changed);
        Some(changed)
    }
}

/// The tree that the worker's place amounts to. Nothing is stored.
fn tree_now(plan: &RunPlan, repository: &Repository, places: &Places) -> Option<TreeId> {
    let options = MeasureOptions {
        exempt: exempt(plan),
        ..MeasureOptions::default()
    };
    places.with_work(|work| Some(work.as_mut()?.measure(repository, &options).ok()?.change_set.tree))
}
