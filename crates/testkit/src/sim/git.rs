//! A model of Git, as small as the simulated worlds need it: objects that exist only once they are written and survive a power cut only once they are
//! flushed, refs that move by compare-and-set and are on the disk then, anchors, and a remote with refs and objects of its own. `tests/git_model.rs`
//! holds it against real Git.

use std::collections::{BTreeMap, BTreeSet};

use ledger_core::{CommitId, Digest, ObjectId, RefName, RepoPath, RunId, TreeId};

const KEEP: &str = "refs/counterfoil/keep/";

/// The files of a tree, all of them plain.
pub type Files = BTreeMap<RepoPath, Vec<u8>>;

/// A commit; author, committer and time zone are always the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its tree.
    pub tree: TreeId,
    /// Its parents, in order.
    pub parents: Vec<CommitId>,
    /// The whole message.
    pub message: String,
    /// When it was made.
    pub seconds: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Object {
    Tree(Files),
    Commit(Commit),
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitRefusal {
    /// An object is not there.
    Missing(ObjectId),
    /// A ref is not what was expected.
    Refused(Option<ObjectId>),
    /// The branch is checked out.
    CheckedOut,
    /// A ref that exists makes the name impossible.
    NameTaken(RefName),
    /// An anchor of this name holds another object.
    AnchorTaken(ObjectId),
}

/// What became of carrying a change from one tree to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// The tree, which is written.
    Clean(TreeId),
    /// The paths of the change that both sides changed.
    Conflict(Vec<RepoPath>),
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// The remote's branch is the new commit.
    Taken,
    /// It was not what it was to be.
    Moved,
    /// It would have been by force, or a rule of the remote's forbids it.
    Rejected,
}

/// A repository.
#[derive(Debug, Clone, Default)]
pub struct Git {
    objects: BTreeMap<ObjectId, Object>,
    /// Those that a power cut may take.
    unflushed: BTreeSet<ObjectId>,
    refs: BTreeMap<RefName, ObjectId>,
    /// What each ref has been moved to.
    moves: BTreeMap<RefName, Vec<ObjectId>>,
    /// The branch of the only work tree.
    checked_out: Option<RefName>,
}

/// A repository elsewhere, and what it lets nobody do.
#[derive(Debug, Clone, Default)]
pub struct Remote {
    /// What it holds.
    pub git: Git,
    /// Branches that nobody may move.
    pub closed: BTreeSet<RefName>,
    /// What was pushed and taken, in order.
    pub taken: Vec<(RefName, CommitId)>,
}

impl Git {
    /// An empty repository whose work tree is on this branch.
    pub fn on(branch: RefName) -> Self {
        Self {
            checked_out: Some(branch),
            ..Self::default()
        }
    }

    fn put(&mut self, object: Object) -> ObjectId {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&Digest::of(format!("{object:?}")).as_bytes()[..20]);
        let id = ObjectId::from_bytes(bytes);
        let is_always_there = is_empty_tree(&object);
        if self.objects.insert(id, object).is_none() && !is_always_there {
            self.unflushed.insert(id);
        }
        id
    }

    /// Whether an object is there.
    pub fn has(&self, id: ObjectId) -> bool {
        self.objects.contains_key(&id)
    }

    /// Brings an object to the disk, whoever wrote it; a tree with all that is in it.
    pub fn flush(&mut self, id: ObjectId) {
        self.unflushed.remove(&id);
    }

    /// Objects that are there and not yet on the disk.
    pub fn unflushed(&self) -> &BTreeSet<ObjectId> {
        &self.unflushed
    }

    /// The power is cut: of what was not on the disk this is there, and is on the disk now.
    pub fn lose_power(&mut self, left: &BTreeSet<ObjectId>) {
        for id in std::mem::take(&mut self.unflushed).difference(left) {
            self.objects.remove(id);
        }
    }

    /// The files of a tree.
    pub fn files(&self, tree: TreeId) -> Result<&Files, GitRefusal> {
        match self.objects.get(&tree.0) {
            Some(Object::Tree(files)) => Ok(files),
            _ => Err(GitRefusal::Missing(tree.0)),
        }
    }

    /// A commit.
    pub fn commit(&self, commit: CommitId) -> Result<&Commit, GitRefusal> {
        match self.objects.get(&commit.0) {
            Some(Object::Commit(found)) => Ok(found),
            _ => Err(GitRefusal::Missing(commit.0)),
        }
    }

    /// A tree like this one, or an empty one, with these files and without those files or folders. What is in the way of a file is replaced.
    pub fn overlay(
        &mut self,
        tree: Option<TreeId>,
        files: &Files,
        removed: &BTreeSet<RepoPath>,
    ) -> Result<TreeId, GitRefusal> {
        let mut all = tree.map_or(Ok(Files::new()), |tree| self.files(tree).cloned())?;
        all.retain(|path, _| !removed.iter().any(|gone| path.is_within(gone)));
        for (path, content) in files {
            let in_the_way = |other: &RepoPath| other != path && (other.is_within(path) || path.is_within(other));
            all.retain(|other, _| !in_the_way(other));
            all.insert(path.clone(), content.clone());
        }
        Ok(TreeId(self.put(Object::Tree(all))))
    }

    /// Writes a commit whose tree and parents are there. The same one always has the same id.
    pub fn write(&mut self, commit: Commit) -> Result<CommitId, GitRefusal> {
        self.files(commit.tree)?;
        for parent in &commit.parents {
            self.commit(*parent)?;
        }
        Ok(CommitId(self.put(Object::Commit(commit))))
    }

    /// What a ref names.
    pub fn resolve(&self, name: &RefName) -> Option<ObjectId> {
        self.refs.get(name).copied()
    }

    /// The refs whose names begin so, in order.
    pub fn refs_below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a RefName, ObjectId)> {
        // A prefix is no name, so the names that begin with it are searched from the first that may.
        let refs = match prefix.trim_end_matches('/').parse::<RefName>() {
            Ok(first) => self.refs.range(first..),
            Err(_) => self.refs.range::<RefName, _>(..),
        };
        refs.skip_while(move |(name, _)| name.as_str() < prefix)
            .take_while(move |(name, _)| name.as_str().starts_with(prefix))
            .map(|(name, object)| (name, *object))
    }

    /// What a ref was moved to, again and again.
    pub fn moves(&self, name: &RefName) -> &[ObjectId] {
        self.moves.get(name).map_or(&[], Vec::as_slice)
    }

    fn set(&mut self, name: &RefName, object: ObjectId) {
        self.refs.insert(name.clone(), object);
        self.moves.entry(name.clone()).or_default().push(object);
    }

    /// Makes a ref name an object if it names what is expected; none: if it does not exist.
    pub fn update_ref(&mut self, name: &RefName, new: ObjectId, expected: Option<ObjectId>) -> Result<(), GitRefusal> {
        if self.checked_out.as_ref() == Some(name) {
            return Err(GitRefusal::CheckedOut);
        }
        if !self.has(new) {
            return Err(GitRefusal::Missing(new));
        }
        let actual = self.resolve(name);
        if actual != expected {
            return Err(GitRefusal::Refused(actual));
        }
        if actual.is_none()
            && let Some(beside) = self.in_the_way(name)
        {
            return Err(GitRefusal::NameTaken(beside));
        }
        self.set(name, new);
        Ok(())
    }

    /// A ref whose name is a folder of this name, or the other way round: the first below it, else the nearest above it.
    fn in_the_way(&self, name: &RefName) -> Option<RefName> {
        let below = format!("{name}/");
        if let Some((below, _)) = self.refs_below(&below).next() {
            return Some(below.clone());
        }
        let mut folder = name.as_str();
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            if let Some((above, _)) = above
                .parse()
                .ok()
                .and_then(|above| self.refs.get_key_value::<RefName>(&above))
            {
                return Some(above.clone());
            }
        }
        None
    }

    /// Deletes a ref if it names this.
    pub fn delete_ref(&mut self, name: &RefName, old: ObjectId) -> Result<(), GitRefusal> {
        if self.checked_out.as_ref() == Some(name) {
            return Err(GitRefusal::CheckedOut);
        }
        match self.resolve(name) {
            Some(actual) if actual == old => {
                self.refs.remove(name);
                Ok(())
            }
            actual => Err(GitRefusal::Refused(actual)),
        }
    }

    /// Moves a branch as a person does in the work tree or in another clone: whatever it is, and whoever has it.
    pub fn force(&mut self, name: &RefName, new: ObjectId) {
        self.set(name, new);
    }

    /// Keeps an object under a name that is unique in its run. Again is nothing.
    pub fn anchor(&mut self, run: &RunId, name: &str, object: ObjectId) -> Result<(), GitRefusal> {
        if !self.has(object) {
            return Err(GitRefusal::Missing(object));
        }
        let Some(name) = anchor_ref(run, name) else {
            return Err(GitRefusal::Missing(object));
        };
        match self.resolve(&name) {
            None => self.set(&name, object),
            Some(actual) if actual == object => {}
            Some(actual) => return Err(GitRefusal::AnchorTaken(actual)),
        }
        Ok(())
    }

    /// What a run keeps, by name.
    pub fn anchors(&self, run: &RunId) -> BTreeMap<String, ObjectId> {
        let prefix = format!("{KEEP}{run}/");
        let named =
            |(name, object): (&RefName, ObjectId)| Some((name.as_str().strip_prefix(&prefix)?.to_owned(), object));
        self.refs_below(&prefix).filter_map(named).collect()
    }

    /// The runs that keep something.
    pub fn anchored_runs(&self) -> BTreeSet<RunId> {
        let run = |(name, _): (&RefName, ObjectId)| name.as_str().strip_prefix(KEEP)?.split('/').next()?.parse().ok();
        self.refs_below(KEEP).filter_map(run).collect()
    }

    /// Lets go of what is kept under this name, if anything is.
    pub fn release_anchor(&mut self, run: &RunId, name: &str) {
        if let Some(name) = anchor_ref(run, name) {
            self.refs.remove(&name);
        }
    }

    /// Whether one commit is the other or can be reached from it.
    pub fn is_ancestor(&self, ancestor: CommitId, commit: CommitId) -> Result<bool, GitRefusal> {
        if ancestor == commit {
            return Ok(true);
        }
        self.commit(ancestor)?;
        self.commit(commit)?;
        Ok(self.reachable(commit.0).contains(&ancestor.0))
    }

    /// An object and all that it leads to.
    fn reachable(&self, from: ObjectId) -> BTreeSet<ObjectId> {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(id) = next.pop() {
            if seen.insert(id)
                && let Some(Object::Commit(commit)) = self.objects.get(&id)
            {
                next.push(commit.tree.0);
                next.extend(commit.parents.iter().map(|parent| parent.0));
            }
        }
        seen
    }

    /// Whether a ref below one of these names leads to an object, so that no collection of garbage takes it away.
    pub fn keeps(&self, object: ObjectId, prefixes: &[&str]) -> bool {
        let mut refs = prefixes.iter().flat_map(|prefix| self.refs_below(prefix));
        refs.any(|(_, from)| from == object || self.reachable(from).contains(&object))
    }

    /// A ref that leads to what is not there, as `git fsck` tells it.
    pub fn broken_ref(&self) -> Option<(&RefName, ObjectId)> {
        let gone = |from| self.reachable(from).into_iter().find(|id| !self.has(*id));
        self.refs.iter().find_map(|(name, from)| Some((name, gone(*from)?)))
    }

    /// Takes away what no ref leads to, as `git gc` does once nothing is recent any more; nothing, where a ref is broken.
    pub fn collect_garbage(&mut self) {
        if self.broken_ref().is_some() {
            return;
        }
        let mut kept = BTreeSet::new();
        for object in self.refs.values() {
            kept.extend(self.reachable(*object));
        }
        self.objects
            .retain(|id, object| kept.contains(id) || is_empty_tree(object));
        self.unflushed.retain(|id| self.objects.contains_key(id));
    }

    /// The paths at which two trees differ, with what the second has there.
    pub fn tree_changes(
        &self,
        before: TreeId,
        after: TreeId,
    ) -> Result<BTreeMap<RepoPath, Option<Vec<u8>>>, GitRefusal> {
        let (before, after) = (self.files(before)?, self.files(after)?);
        let paths: BTreeSet<&RepoPath> = before.keys().chain(after.keys()).collect();
        let differing = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
        Ok(differing.map(|path| (path.clone(), after.get(path).cloned())).collect())
    }

    /// The tree that `onto` becomes by what differs between `from` and `changed`, whole files at a time.
    pub fn carry(&mut self, from: TreeId, changed: TreeId, onto: TreeId) -> Result<Carried, GitRefusal> {
        let mine = self.tree_changes(from, changed)?;
        let theirs = self.tree_changes(from, onto)?;
        let meets = |(path, after): &(&RepoPath, &Option<Vec<u8>>)| {
            let is_other = theirs.get(*path).is_some_and(|other| other != *after);
            let is_beside = |other: &RepoPath| other != *path && (other.is_within(path) || path.is_within(other));
            is_other || theirs.keys().any(is_beside)
        };
        let conflicts: Vec<RepoPath> = mine.iter().filter(meets).map(|(path, _)| path.clone()).collect();
        if !conflicts.is_empty() {
            return Ok(Carried::Conflict(conflicts));
        }
        let removed = mine.iter().filter(|(_, after)| after.is_none());
        let removed = removed.map(|(path, _)| path.clone()).collect();
        let files = mine.into_iter().filter_map(|(path, after)| Some((path, after?)));
        Ok(Carried::Clean(self.overlay(Some(onto), &files.collect(), &removed)?))
    }

    /// Takes what an object of another repository leads to. Git brings to the disk what it fetches.
    fn copy(&mut self, other: &Self, from: ObjectId) {
        for id in other.reachable(from) {
            if let Some(object) = other.objects.get(&id) {
                self.objects.insert(id, object.clone());
            }
        }
    }

    /// Fetches a branch of a remote into a ref of ours.
    pub fn fetch_branch(&mut self, remote: &Remote, branch: &RefName) -> Option<CommitId> {
        let found = remote.git.resolve(branch)?;
        self.copy(&remote.git, found);
        if let Some(kept) = target_ref(branch) {
            self.set(&kept, found);
        }
        Some(CommitId(found))
    }

    /// What a branch of the remote was when it was last looked at from here.
    pub fn last_seen(&self, branch: &RefName) -> Option<CommitId> {
        let ours = target_ref(branch).and_then(|kept| self.resolve(&kept));
        let tracking = || self.resolve(&tracking_ref(branch)?);
        ours.or_else(tracking).map(CommitId)
    }

    /// Makes a branch of the remote `new` if it is `old`, which `new` must descend from.
    pub fn push_commit(&mut self, remote: &mut Remote, branch: &RefName, old: CommitId, new: CommitId) -> Push {
        if self.is_ancestor(old, new) != Ok(true) {
            return Push::Rejected;
        }
        let end = remote.receive(self, branch, Some(old.0), new);
        if end == Push::Taken {
            // Git notes it for the user, and so do we.
            for noted in [target_ref(branch), tracking_ref(branch)].into_iter().flatten() {
                self.set(&noted, new.0);
            }
        }
        end
    }

    /// Makes a branch of the remote that must not exist there.
    pub fn push_new(&mut self, remote: &mut Remote, branch: &RefName, new: CommitId) -> Push {
        let end = remote.receive(self, branch, None, new);
        if let (Push::Taken, Some(noted)) = (end, tracking_ref(branch)) {
            self.set(&noted, new.0);
        }
        end
    }
}

impl Remote {
    /// Somebody moves a branch from another clone, whatever it is.
    pub fn force(&mut self, from: &Git, branch: &RefName, new: CommitId) {
        self.git.copy(from, new.0);
        self.git.set(branch, new.0);
    }

    fn receive(&mut self, from: &Git, branch: &RefName, old: Option<ObjectId>, new: CommitId) -> Push {
        let actual = self.git.resolve(branch);
        // What is there already is not compared with what it was to be.
        if actual == Some(new.0) {
            return Push::Taken;
        }
        if actual != old {
            return Push::Moved;
        }
        if self.closed.contains(branch) {
            return Push::Rejected;
        }
        self.git.copy(from, new.0);
        self.git.set(branch, new.0);
        self.taken.push((branch.clone(), new));
        Push::Taken
    }
}

/// The empty tree is there without being written.
fn is_empty_tree(object: &Object) -> bool {
    matches!(object, Object::Tree(files) if files.is_empty())
}

fn anchor_ref(run: &RunId, name: &str) -> Option<RefName> {
    format!("{KEEP}{run}/{name}").parse().ok()
}

fn target_ref(branch: &RefName) -> Option<RefName> {
    format!("refs/counterfoil/targets/origin/{}", branch.short())
        .parse()
        .ok()
}

fn tracking_ref(branch: &RefName) -> Option<RefName> {
    format!("refs/remotes/origin/{}", branch.short()).parse().ok()
}
