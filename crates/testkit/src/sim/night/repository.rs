//! What the engine does with Git, on the model: the same writes in the same order, with a moment between each two in which the runner may die.
#![expect(
    clippy::result_large_err,
    reason = "what is seen of a failure is an observation like any other"
)]

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{
    BlockerCode, CommitId, DeliveryMode, Digest, Effect, Event, ObjectId, Observation, PhaseEvidence, PreparedDelivery,
    RefName, Run, State, TreeId,
};

use super::behaviour::Behaviour;
use super::fuse::{Fault, Operation};
use super::world::{TicketWorld, UnderWay, World, failed};
use crate::sim::git::{Carried, Commit, Files, Git, GitRefusal, Push, Remote};
use crate::sim::prepared;

/// A defect that an executor could have, to show that it would be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// It does not look whether the branch has moved, and moves it whatever it is.
    MovesAgain,
    /// It does not look whether the run is stored already.
    StoresAgain,
    /// It names a tree that nothing keeps.
    KeepsNothing,
    /// It takes every push for one that the remote has taken.
    BelievesPushes,
    /// It leaves objects in memory and names them all the same.
    FlushesNothing,
}

/// The repository of a night, its remote, and the commit that every run begins with.
pub(super) fn begin(tickets: &[TicketWorld]) -> Result<(Git, Remote, CommitId), GitRefusal> {
    let mut remote = Remote::default();
    let mut git = Git::default();
    let commit = |git: &mut Git, base: Option<CommitId>, file: &str| {
        let tree = match base {
            Some(base) => Some(git.commit(base)?.tree),
            None => None,
        };
        let tree = git.overlay(tree, &one_file(file, "1"), &BTreeSet::new())?;
        git.write(Commit {
            tree,
            parents: base.into_iter().collect(),
            message: format!("{file}\n"),
            seconds: 0,
        })
    };
    let base = commit(&mut git, None, "README.md")?;
    if let Ok(main) = RefName::branch("main") {
        git.force(&main, base.0);
    }
    for of in tickets {
        remote.force(&git, &of.target, base);
        match of.behaviour {
            Behaviour::BranchTaken => {
                let somebodys = commit(&mut git, Some(base), "theirs.txt")?;
                git.force(&of.branch, somebodys.0);
            }
            Behaviour::TargetMoves { late: false } => somebody_moves(&mut remote, &of.target)?,
            Behaviour::PushRefused => {
                remote.closed.insert(of.target.clone());
            }
            _ => {}
        }
    }
    // It was all there long before.
    git.lose_power(&git.unflushed().clone());
    Ok((git, remote, base))
}

/// Somebody goes on from what a branch of the remote is, in another clone.
fn somebody_moves(remote: &mut Remote, target: &RefName) -> Result<(), GitRefusal> {
    let Some(now) = remote.git.resolve(target).map(CommitId) else {
        return Ok(());
    };
    let tree = Some(remote.git.commit(now)?.tree);
    let tree = remote
        .git
        .overlay(tree, &one_file("theirs.txt", "1"), &BTreeSet::new())?;
    let moved = remote.git.write(Commit {
        tree,
        parents: vec![now],
        message: "theirs\n".to_owned(),
        seconds: 0,
    })?;
    remote.git.force(target, moved.0);
    Ok(())
}

fn one_file(path: &str, content: &str) -> Files {
    let path = path.parse().ok();
    path.map(|path| (path, content.as_bytes().to_vec()))
        .into_iter()
        .collect()
}

/// What the model refuses, as the engine says it.
fn refused(refusal: &GitRefusal) -> Observation {
    let code = match refusal {
        GitRefusal::CheckedOut | GitRefusal::NameTaken(_) => BlockerCode::BranchNameTaken,
        _ => BlockerCode::NeedsPerson,
    };
    failed(code, &format!("git: {refusal:?}"))
}

type Seen = Result<Observation, Observation>;

impl World {
    /// The moment before something is written in the repository.
    fn write(&mut self) -> Result<(), Observation> {
        self.moment(Operation::Write)
    }

    /// Brings to the disk what was written, after a moment in which it is not there.
    fn flush(&mut self, object: ObjectId) -> Result<(), Observation> {
        self.moment(Operation::Flush)?;
        if self.defect != Some(Defect::FlushesNothing) {
            self.git.flush(object);
        }
        Ok(())
    }

    fn moment(&mut self, operation: Operation) -> Result<(), Observation> {
        // One that was done to its end before the runner died.
        if self.fuse.is_dead() {
            return Ok(());
        }
        let fault = self.fuse.burn(operation);
        if self.fuse.is_dead() {
            // Nobody sees it.
            return Err(failed(BlockerCode::NeedsPerson, "the runner is gone"));
        }
        match fault {
            Some(Fault::Full(_)) => {
                self.tally.full_disks += 1;
                self.met_full_disk = true;
                Err(failed(BlockerCode::DiskFull, "no space"))
            }
            _ => Ok(()),
        }
    }

    fn anchor(&mut self, ticket: usize, name: &str, object: ObjectId) -> Result<(), Observation> {
        self.write()?;
        if self.defect == Some(Defect::KeepsNothing) {
            return Ok(());
        }
        let run = &self.tickets[ticket].run;
        self.git.anchor(run, name, object).map_err(|refusal| refused(&refusal))
    }

    /// What the worker has written up to now, on this base.
    pub(super) fn measure(
        &mut self,
        ticket: usize,
        under_way: &UnderWay,
        iteration: u32,
    ) -> Result<TreeId, Observation> {
        let of = &self.tickets[ticket];
        let base = self.git.commit(under_way.base.unwrap_or(self.base));
        let base = base.map_err(|refusal| refused(&refusal))?.tree;
        let tree = match under_way.carried {
            Some(tree) => tree,
            None if of.behaviour == Behaviour::NoChange => base,
            None => {
                let work = one_file(&format!("{}.txt", of.id), &format!("after {}", of.work()));
                self.write()?;
                let tree = self.git.overlay(Some(base), &work, &BTreeSet::new());
                let tree = tree.map_err(|refusal| refused(&refusal))?;
                self.flush(tree.0)?;
                tree
            }
        };
        self.anchor(ticket, &format!("tree-{iteration}-{}", under_way.seq), tree.0)?;
        Ok(tree)
    }

    /// What is to be looked at has to be there, whatever keeps it.
    pub(super) fn require(&self, tree: TreeId) -> Result<(), Observation> {
        self.git.files(tree).map(drop).map_err(|refusal| refused(&refusal))
    }

    pub(super) fn prepare(&mut self, ticket: usize, under_way: &UnderWay, tree: TreeId, journal: Digest) -> Seen {
        let of = &self.tickets[ticket];
        let (id, branch) = (of.id.clone(), of.branch.clone());
        let base = under_way.base.unwrap_or(self.base);
        let old = under_way
            .placed
            .filter(|placed| self.git.resolve(&branch) == Some(placed.0));
        let draft = |tree, parent, what: &str| Commit {
            tree,
            parents: vec![parent],
            message: format!("{id}: {what}\n\nCounterfoil-Journal: {journal}\n"),
            seconds: under_way.seconds,
        };
        let here = |refusal: GitRefusal| refused(&refusal);
        self.write()?;
        let change = self.git.write(draft(tree, base, "change")).map_err(here)?;
        self.flush(change.0)?;
        self.write()?;
        let result = one_file(&format!("ledger/tickets/{id}/result.md"), &change.to_string());
        let records_tree = self.git.overlay(Some(tree), &result, &BTreeSet::new()).map_err(here)?;
        self.flush(records_tree.0)?;
        self.write()?;
        let records = self.git.write(draft(records_tree, change, "records")).map_err(here)?;
        self.flush(records.0)?;
        for (what, commit) in [("change", change), ("records", records)] {
            self.anchor(ticket, &format!("{what}-{}", under_way.seq), commit.0)?;
        }
        let delivery = PreparedDelivery {
            branch,
            old,
            base,
            change,
            records_tree,
            records,
            ..prepared(under_way.delivery, tree)
        };
        Ok(Observation::DeliveryPrepared { delivery })
    }

    pub(super) fn move_branch(&mut self, name: &RefName, old: Option<CommitId>, new: CommitId) -> Seen {
        self.write()?;
        if self.defect == Some(Defect::MovesAgain) {
            self.git.force(name, new.0);
        }
        match self.git.update_ref(name, new.0, old.map(|old| old.0)) {
            // What it is now is looked at, and judged there.
            Ok(()) | Err(GitRefusal::Refused(_)) => Ok(self.see_branch(name, new)),
            Err(refusal) => Err(refused(&refusal)),
        }
    }

    fn see_branch(&self, name: &RefName, new: CommitId) -> Observation {
        let value = self.git.resolve(name).map(CommitId);
        let contains_new = value.is_some_and(|value| self.git.is_ancestor(new, value) == Ok(true));
        Observation::RefSeen { value, contains_new }
    }

    pub(super) fn see_remote(
        &mut self,
        ticket: usize,
        base: Option<CommitId>,
        records: Option<CommitId>,
    ) -> Observation {
        let target = &self.tickets[ticket].target;
        let mut value = self.remote.git.resolve(target).map(CommitId);
        let contains_new = match (value, records) {
            (Some(value), Some(records)) if value == records => true,
            (Some(seen), Some(records)) if Some(seen) != base => {
                value = self.git.fetch_branch(&self.remote, target);
                value.is_some_and(|value| self.git.is_ancestor(records, value) == Ok(true))
            }
            _ => false,
        };
        Observation::RemoteSeen { value, contains_new }
    }

    pub(super) fn push(&mut self, ticket: usize, old: CommitId, new: CommitId) -> Observation {
        let of = &mut self.tickets[ticket];
        if of.behaviour == (Behaviour::TargetMoves { late: true }) && !std::mem::replace(&mut of.is_overtaken, true) {
            // It is what the whole behaviour is about, and cannot be refused.
            let _ = somebody_moves(&mut self.remote, &of.target);
        }
        let end = self.git.push_commit(&mut self.remote, &of.target, old, new);
        match end {
            _ if self.defect == Some(Defect::BelievesPushes) => Observation::Pushed { old, new },
            Push::Taken => Observation::Pushed { old, new },
            end => Observation::PushRefused {
                moved: end == Push::Moved,
                reason: "the remote says no".to_owned(),
            },
        }
    }

    pub(super) fn rebase(&mut self, ticket: usize, under_way: &UnderWay, onto: CommitId) -> Seen {
        let here = |refusal: GitRefusal| refused(&refusal);
        let (base, tree) = (under_way.base.unwrap_or(self.base), under_way.tree);
        let Some(tree) = tree else {
            return Err(failed(BlockerCode::TreeMismatch, "the run stands on no tree"));
        };
        if !self.git.has(onto.0) {
            self.write()?;
            self.git.fetch_branch(&self.remote, &self.tickets[ticket].target);
        }
        if self.git.is_ancestor(base, onto).map_err(here)? {
            let (before, after) = (
                self.git.commit(base).map_err(here)?.tree,
                self.git.commit(onto).map_err(here)?.tree,
            );
            self.write()?;
            if let Carried::Clean(carried) = self.git.carry(before, tree, after).map_err(here)? {
                self.flush(carried.0)?;
                self.anchor(ticket, &format!("base-{}", onto.short()), onto.0)?;
                self.anchor(ticket, &format!("rebased-{}", under_way.seq), carried.0)?;
                let now = self.git.tree_changes(after, carried).map_err(here)?;
                let then = self.git.tree_changes(before, tree).map_err(here)?;
                return Ok(Observation::Rebased {
                    onto,
                    base_tree: after,
                    tree: carried,
                    same_change: now == then && !then.is_empty(),
                });
            }
        }
        Err(failed(
            BlockerCode::UpstreamMoved,
            "the target and the change do not fit",
        ))
    }

    pub(super) fn store(&mut self, ticket: usize, under_way: &UnderWay, name: &RefName, journal: Digest) -> Seen {
        let here = |refusal: GitRefusal| refused(&refusal);
        let earlier = self.git.resolve(name);
        let outcome = if under_way.is_done { "done" } else { "blocked" };
        self.write()?;
        let files = one_file("journal.jsonl", &format!("up to {journal}"));
        let tree = self.git.overlay(None, &files, &BTreeSet::new()).map_err(here)?;
        self.flush(tree.0)?;
        self.write()?;
        let commit = self.git.write(Commit {
            tree,
            parents: earlier.map(CommitId).into_iter().collect(),
            message: format!("run, {outcome}\n\nCounterfoil-Journal: {journal}\n"),
            seconds: under_way.seconds,
        });
        let commit = commit.map_err(here)?;
        self.flush(commit.0)?;
        self.write()?;
        self.git.update_ref(name, commit.0, earlier).map_err(here)?;
        if under_way.is_done {
            self.write()?;
            self.point_receipt_at(ticket, commit);
        }
        Ok(Observation::RunStored { commit })
    }

    fn point_receipt_at(&mut self, ticket: usize, commit: CommitId) {
        let name = &self.tickets[ticket].receipt;
        let earlier = self.git.resolve(name);
        if earlier != Some(commit.0) {
            // Nobody else writes it.
            let _ = self.git.update_ref(name, commit.0, earlier);
        }
    }

    /// What is found of a write that a dead runner left under way. None: nothing.
    pub(super) fn look_at_git(&mut self, ticket: usize, effect: &Effect, run: &Run) -> Option<Observation> {
        match effect {
            Effect::UpdateRef { .. } if self.defect == Some(Defect::MovesAgain) => None,
            Effect::UpdateRef { name, old, new } => {
                (self.git.resolve(name) != old.map(|old| old.0)).then(|| self.see_branch(name, *new))
            }
            Effect::Push { old, .. } => {
                let seen = self.see_remote(ticket, run.base(), run.prepared().map(|delivery| delivery.records));
                let is_as_before = matches!(&seen, Observation::RemoteSeen { value, .. } if *value == Some(*old));
                (!is_as_before).then_some(seen)
            }
            Effect::StoreRun { .. } if self.defect == Some(Defect::StoresAgain) => None,
            Effect::StoreRun { name, journal } => {
                let commit = CommitId(self.git.resolve(name)?);
                let message = &self.git.commit(commit).ok()?.message;
                if !message.contains(&format!("Counterfoil-Journal: {journal}\n")) {
                    return None;
                }
                if message.starts_with("run, done\n") {
                    self.point_receipt_at(ticket, commit);
                }
                Some(Observation::RunStored { commit })
            }
            _ => None,
        }
    }

    /// The heads of the journal with which a run was stored, and how often each was.
    pub(super) fn stored(&self, ticket: usize) -> BTreeMap<String, usize> {
        let mut stored = BTreeMap::new();
        let mut next = self.git.resolve(&self.tickets[ticket].stored).map(CommitId);
        while let Some(Ok(commit)) = next.map(|commit| self.git.commit(commit)) {
            let head = commit.message.split("Counterfoil-Journal: ").nth(1).unwrap_or_default();
            *stored.entry(head.trim_end().to_owned()).or_default() += 1;
            next = commit.parents.first().copied();
        }
        stored
    }

    /// How often the runner has moved the branch, which may be somebody else's.
    pub(super) fn branch_moves(&self, of: &TicketWorld) -> usize {
        let others = usize::from(of.behaviour == Behaviour::BranchTaken);
        self.git.moves(&of.branch).len() - others
    }

    /// How often the remote has taken the delivery.
    pub(super) fn pushes(&self, of: &TicketWorld) -> usize {
        self.remote.taken.iter().filter(|(name, _)| *name == of.target).count()
    }

    /// What has to hold whenever an event is written.
    pub(super) fn watch(&mut self, ticket: usize, run: &Run, event: &Event) {
        if let Err(what) = self.holds(ticket, run, event) {
            let what = format!("ticket {}: {what}", self.tickets[ticket].id);
            self.broken.push((self.tally.steps, what));
        }
    }

    fn holds(&self, ticket: usize, run: &Run, event: &Event) -> Result<(), String> {
        if !matches!(event, Event::Observed { .. } | Event::Entered(_)) {
            return Ok(());
        }
        let of = &self.tickets[ticket];
        let most = 1 + usize::from(of.is_overtaken);
        if self.branch_moves(of) > most {
            return Err(format!("its branch was moved {} times", self.branch_moves(of)));
        }
        if self.pushes(of) > 1 {
            return Err(format!("it was pushed {} times", self.pushes(of)));
        }
        if let Some((head, times)) = self.stored(ticket).into_iter().find(|(_, times)| *times > 1) {
            return Err(format!("its end {head} is stored {times} times"));
        }
        let ours = [format!("refs/counterfoil/keep/{}/", of.run), of.stored.to_string()];
        let ours = ours.each_ref().map(String::as_str);
        for named in run.named_objects() {
            if !self.git.has(named) {
                return Err(format!("it names {named}, which is not there"));
            }
            if !self.git.keeps(named, &ours) {
                return Err(format!("it names {named}, which nothing keeps"));
            }
        }
        let Event::Entered(evidence) = event else { return Ok(()) };
        let Some(delivery) = run.prepared() else { return Ok(()) };
        let has_moved = matches!(evidence, PhaseEvidence::Committed { .. } | PhaseEvidence::Done { .. });
        let holds = |git: &Git, name| {
            let value = git.resolve(name).map(CommitId);
            value.is_some_and(|value| git.is_ancestor(delivery.records, value) == Ok(true))
        };
        if has_moved && !holds(&self.git, &of.branch) {
            return Err("its branch does not hold what it says is committed".to_owned());
        }
        let is_proved = match evidence {
            PhaseEvidence::HeadEqualsUpstreamProved { .. } => true,
            PhaseEvidence::Done { .. } => run.opened().delivery >= DeliveryMode::Push,
            _ => false,
        };
        if is_proved && !holds(&self.remote.git, &of.target) {
            return Err("it says that the remote holds the delivery, which it does not".to_owned());
        }
        Ok(())
    }

    /// What the refs have to be in the end.
    pub(super) fn delivered(&self, ticket: usize, run: &Run) -> Result<(), String> {
        let of = &self.tickets[ticket];
        let is_done = *run.state() == State::Done;
        let stored = self.git.resolve(&of.stored);
        let receipt = self.git.resolve(&of.receipt);
        if receipt != stored.filter(|_| is_done) {
            return Err(format!(
                "its receipt is {receipt:?}, and what is stored of it {stored:?}"
            ));
        }
        let git = |refusal: GitRefusal| format!("git: {refusal:?}");
        let Some(delivery) = run.prepared().filter(|_| is_done) else {
            return Ok(());
        };
        if self.git.resolve(&of.branch) != Some(delivery.records.0) {
            return Err("its branch is not what was delivered".to_owned());
        }
        let change = self.git.commit(delivery.change).map_err(git)?;
        let records = self.git.commit(delivery.records).map_err(git)?;
        if records.parents != [delivery.change] || change.parents.iter().copied().ne(run.base()) {
            return Err("what was delivered does not stand on its base".to_owned());
        }
        if Some(change.tree) != run.tree() {
            return Err("what was delivered is not what was reviewed".to_owned());
        }
        let differs = self.git.tree_changes(change.tree, records.tree).map_err(git)?;
        if differs.len() != 1 {
            return Err("more than the records was delivered beside the change".to_owned());
        }
        Ok(())
    }

    /// Who keeps something in the repository, and is no run of this night.
    pub(super) fn orphan(&self) -> Option<String> {
        let known: BTreeSet<_> = self.tickets.iter().map(|of| &of.run).collect();
        let runs = self.git.anchored_runs();
        runs.iter().find(|run| !known.contains(run)).map(ToString::to_string)
    }
}
