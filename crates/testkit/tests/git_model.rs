//! The model of Git that the simulated worlds use, held against real Git: the same random operations on both, through the functions that the engine
//! itself uses, and after each of them the same refs, objects, history and refusals.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use git_delivery::{
    AnchorError, CommitDraft, CommitError, CommitTime, Expected, Merge, ObjectError, Patience, Person, PushEnd,
    RefError, RemoteError, Repository, StoreError, TreeError,
};
use ledger_core::{CommitId, ObjectId, RefName, RepoPath, RunId, TreeId};
use proptest::prelude::*;
use testkit::repo::TestRepository;
use testkit::sim::git::{Carried, Commit, Files, Git, GitRefusal, Push, Remote};

/// Files and folders that are in each other's way.
const PATHS: [&str; 6] = ["a", "b", "d", "d/x", "d/e/y", "f/z"];

/// Branches, one of them checked out, two of them in each other's way.
const BRANCHES: [&str; 4] = ["main", "one", "one/two", "three"];

/// Branches of the remote; nobody may move the last.
const TARGETS: [&str; 3] = ["main", "side", "closed"];

/// A number that stands for one of those that there are.
type Pick = prop::sample::Index;

/// What a ref is expected to be.
#[derive(Debug, Clone)]
enum Was {
    Missing,
    /// What it is.
    Current,
    /// Some commit.
    Commit(Pick),
}

#[derive(Debug, Clone)]
enum Operation {
    Tree {
        base: Pick,
        files: Vec<(usize, u8)>,
        removed: Vec<usize>,
    },
    Commit {
        tree: Pick,
        parents: Vec<Pick>,
        second: u8,
    },
    Store {
        files: Vec<(usize, u8)>,
        parent: Option<Pick>,
    },
    Carry {
        from: Pick,
        changed: Pick,
        onto: Pick,
    },
    Move {
        branch: usize,
        to: Pick,
        was: Was,
    },
    Delete {
        branch: usize,
        was: Was,
    },
    Anchor {
        run: usize,
        name: usize,
        object: Pick,
    },
    Release {
        run: usize,
        name: usize,
    },
    Ask {
        target: usize,
    },
    Fetch {
        target: usize,
    },
    Push {
        target: usize,
        was: Was,
        new: Pick,
        is_away: bool,
    },
    /// Somebody else moves a branch of the remote.
    Elsewhere {
        target: usize,
        new: Pick,
    },
    CollectGarbage,
}

fn operations() -> impl Strategy<Value = Operation> {
    let files = || prop::collection::vec((0..PATHS.len(), 0..3_u8), 0..3);
    let was = || {
        prop_oneof![
            1 => Just(Was::Missing),
            5 => Just(Was::Current),
            1 => any::<Pick>().prop_map(Was::Commit),
        ]
    };
    prop_oneof![
        4 => (any::<Pick>(), files(), prop::collection::vec(0..PATHS.len(), 0..3))
            .prop_map(|(base, files, removed)| Operation::Tree { base, files, removed }),
        6 => (any::<Pick>(), prop::collection::vec(any::<Pick>(), 0..3), 0..2_u8)
            .prop_map(|(tree, parents, second)| Operation::Commit { tree, parents, second }),
        1 => (files(), prop::option::of(any::<Pick>())).prop_map(|(files, parent)| Operation::Store { files, parent }),
        3 => (any::<Pick>(), any::<Pick>(), any::<Pick>())
            .prop_map(|(from, changed, onto)| Operation::Carry { from, changed, onto }),
        5 => (0..BRANCHES.len(), any::<Pick>(), was())
            .prop_map(|(branch, to, was)| Operation::Move { branch, to, was }),
        1 => (0..BRANCHES.len(), was()).prop_map(|(branch, was)| Operation::Delete { branch, was }),
        3 => (0..2_usize, 0..3_usize, any::<Pick>())
            .prop_map(|(run, name, object)| Operation::Anchor { run, name, object }),
        1 => (0..2_usize, 0..3_usize).prop_map(|(run, name)| Operation::Release { run, name }),
        1 => (0..TARGETS.len()).prop_map(|target| Operation::Ask { target }),
        1 => (0..TARGETS.len()).prop_map(|target| Operation::Fetch { target }),
        5 => (0..TARGETS.len(), was(), any::<Pick>(), prop::bool::weighted(0.1))
            .prop_map(|(target, was, new, is_away)| Operation::Push { target, was, new, is_away }),
        1 => (0..TARGETS.len(), any::<Pick>()).prop_map(|(target, new)| Operation::Elsewhere { target, new }),
        1 => Just(Operation::CollectGarbage),
    ]
}

/// The model and the real thing side by side.
struct Both {
    world: TestRepository,
    real: Repository,
    git: Git,
    remote: Remote,
    /// What the objects of the model are called by Git.
    names: BTreeMap<ObjectId, ObjectId>,
    trees: Vec<TreeId>,
    commits: Vec<CommitId>,
}

fn branch(name: &str) -> RefName {
    RefName::branch(name).unwrap()
}

fn run(number: usize) -> RunId {
    format!("run-{number}").parse().unwrap()
}

fn path(number: usize) -> RepoPath {
    PATHS[number].parse().unwrap()
}

fn files_of(files: &[(usize, u8)]) -> Files {
    let content = |byte: u8| format!("{byte}\n").into_bytes();
    files.iter().map(|(at, byte)| (path(*at), content(*byte))).collect()
}

fn at(second: u8) -> CommitTime {
    CommitTime {
        seconds: i64::from(second),
        offset_minutes: 0,
    }
}

fn patience() -> Patience {
    Patience::of(Duration::from_secs(60))
}

impl Both {
    fn new() -> Self {
        let world = TestRepository::new(env!("CARGO_TARGET_TMPDIR"));
        world.write("a", "0\n");
        let first: CommitId = world.commit_all("first").parse().unwrap();
        let bare = world.folder().join("remote.git");
        let bare = bare.to_str().unwrap();
        world.git(&["init", "-q", "--bare", bare]);
        world.git(&["remote", "add", "origin", bare]);
        let hook = world.folder().join("remote.git/hooks/update");
        std::fs::write(&hook, "#!/bin/sh\ntest \"$1\" != refs/heads/closed\n").unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let real = Repository::discover(&world.root()).unwrap();
        let mut both = Self {
            world,
            real,
            git: Git::on(branch("main")),
            remote: Remote {
                closed: BTreeSet::from([branch("closed")]),
                ..Remote::default()
            },
            names: BTreeMap::new(),
            trees: Vec::new(),
            commits: Vec::new(),
        };
        let tree = both.git.overlay(None, &files_of(&[(0, 0)]), &BTreeSet::new()).unwrap();
        let commit = both.git.write(Commit {
            tree,
            parents: Vec::new(),
            message: "first\n".to_owned(),
            seconds: 0,
        });
        let commit = commit.unwrap();
        both.git.force(&branch("main"), commit.0);
        both.made_tree(tree, both.real.commit_tree_id(first).unwrap());
        both.made_commit(commit, first);
        both
    }

    fn bare(&self) -> PathBuf {
        self.world.folder().join("remote.git")
    }

    /// The same object has the same name always, and no other has it.
    fn made(&mut self, model: ObjectId, real: ObjectId) {
        let before = self.names.insert(model, real);
        assert!(
            before.is_none_or(|before| before == real),
            "one object of the model is two of Git"
        );
        let called_so = self.names.values().filter(|name| **name == real).count();
        assert_eq!(called_so, 1, "two objects of the model are one of Git");
    }

    fn made_tree(&mut self, model: TreeId, real: TreeId) {
        self.made(model.0, real.0);
        self.trees.push(model);
    }

    fn made_commit(&mut self, model: CommitId, real: CommitId) {
        self.made(model.0, real.0);
        self.commits.push(model);
    }

    fn real(&self, model: ObjectId) -> ObjectId {
        self.names[&model]
    }

    fn real_commit(&self, model: CommitId) -> CommitId {
        CommitId(self.real(model.0))
    }

    fn real_tree(&self, model: TreeId) -> TreeId {
        TreeId(self.real(model.0))
    }

    fn model(&self, real: ObjectId) -> ObjectId {
        let found = self.names.iter().find(|(_, name)| **name == real);
        *found.unwrap_or_else(|| panic!("the model knows no {real}")).0
    }

    fn was(&self, was: &Was, current: Option<ObjectId>) -> Option<ObjectId> {
        match was {
            Was::Missing => None,
            Was::Current => current,
            Was::Commit(pick) => Some(pick.get(&self.commits).0),
        }
    }

    fn of_object(&self, error: &ObjectError) -> GitRefusal {
        match error {
            ObjectError::Missing { id } => GitRefusal::Missing(self.model(*id)),
            error => panic!("{error}"),
        }
    }

    fn of_tree(&self, error: &TreeError) -> GitRefusal {
        match error {
            TreeError::Object(error) => self.of_object(error),
            error => panic!("{error}"),
        }
    }

    fn of_commit(&self, error: &CommitError) -> GitRefusal {
        match error {
            CommitError::Object(error) => self.of_object(error),
            error => panic!("{error}"),
        }
    }

    fn of_ref(&self, error: &RefError) -> GitRefusal {
        match error {
            RefError::Refused { actual, .. } => GitRefusal::Refused(actual.map(|actual| self.model(actual))),
            RefError::CheckedOut { .. } => GitRefusal::CheckedOut,
            RefError::NameTaken { beside, .. } => GitRefusal::NameTaken(beside.parse().unwrap()),
            RefError::MissingObject { id } => GitRefusal::Missing(self.model(*id)),
            error => panic!("{error}"),
        }
    }

    fn carry_out(&mut self, operation: &Operation) {
        match operation {
            Operation::Tree { base, files, removed } => {
                let base = *base.get(&self.trees);
                let (files, removed) = (files_of(files), removed.iter().map(|at| path(*at)).collect());
                let real = self.real.overlay(self.real_tree(base), &files, &removed);
                match (self.git.overlay(Some(base), &files, &removed), real) {
                    (Ok(model), Ok(real)) => self.made_tree(model, real),
                    (model, real) => assert_eq!(model, Err(self.of_tree(&real.unwrap_err()))),
                }
            }
            Operation::Commit { tree, parents, second } => self.commit(*tree.get(&self.trees), parents, *second),
            Operation::Store { files, parent } => {
                let files = files_of(files);
                let parents: Vec<_> = parent.iter().map(|pick| *pick.get(&self.commits)).collect();
                let reals: Vec<_> = parents.iter().map(|parent| self.real_commit(*parent)).collect();
                let tree = self.git.overlay(None, &files, &BTreeSet::new()).unwrap();
                let message = "stored\n".to_owned();
                let real = self.real.store_files(&files, &message, &reals, at(0));
                let model = self.git.write(Commit {
                    tree,
                    parents,
                    message,
                    seconds: 0,
                });
                match (model, real) {
                    (Ok(model), Ok(real)) => {
                        self.made_tree(tree, self.real.commit_tree_id(real).unwrap());
                        self.made_commit(model, real);
                    }
                    (model, Err(StoreError::Commit(error))) => assert_eq!(model, Err(self.of_commit(&error))),
                    (model, real) => panic!("{model:?}, and really {real:?}"),
                }
            }
            Operation::Carry { from, changed, onto } => {
                let [from, changed, onto] = [from, changed, onto].map(|pick| *pick.get(&self.trees));
                let [was, is, on] = [from, changed, onto].map(|tree| self.real_tree(tree));
                match (self.git.carry(from, changed, onto), self.real.carry(was, is, on)) {
                    (Ok(Carried::Clean(model)), Ok(Merge::Clean { tree })) => self.made_tree(model, tree),
                    (Ok(Carried::Conflict(model)), Ok(Merge::Conflict { paths })) => assert_eq!(model, paths),
                    (Err(model), Err(real)) => assert_eq!(model, self.of_object(&real)),
                    (model, real) => panic!("{model:?}, and really {real:?}"),
                }
            }
            Operation::Move { branch: at, to, was } => {
                let (name, to) = (branch(BRANCHES[*at]), *to.get(&self.commits));
                let was = self.was(was, self.git.resolve(&name));
                let expected = was.map_or(Expected::Missing, |was| Expected::Is(self.real(was)));
                let real = self.real.update_ref(&name, self.real(to.0), expected, "moved");
                let model = self.git.update_ref(&name, to.0, was);
                assert_eq!(model, real.map_err(|error| self.of_ref(&error)));
            }
            Operation::Delete { branch: at, was } => {
                let name = branch(BRANCHES[*at]);
                let Some(was) = self.was(was, self.git.resolve(&name)) else {
                    return;
                };
                let real = self.real.delete_ref(&name, self.real(was));
                let model = self.git.delete_ref(&name, was);
                assert_eq!(model, real.map_err(|error| self.of_ref(&error)));
            }
            Operation::Anchor { run: at, name, object } => {
                let (of, name) = (run(*at), format!("object-{name}"));
                let objects: Vec<_> = self.names.keys().copied().collect();
                let object = *object.get(&objects);
                let real = match self.real.anchor(&of, &name, self.real(object)) {
                    Err(AnchorError::Taken { actual, .. }) => Err(GitRefusal::AnchorTaken(self.model(actual))),
                    Err(AnchorError::Ref(error)) => Err(self.of_ref(&error)),
                    other => {
                        other.unwrap();
                        Ok(())
                    }
                };
                assert_eq!(self.git.anchor(&of, &name, object), real);
            }
            Operation::Release { run: at, name } => {
                let (of, name) = (run(*at), format!("object-{name}"));
                self.real.release_anchor(&of, &name).unwrap();
                self.git.release_anchor(&of, &name);
            }
            Operation::Ask { target } => {
                let name = branch(TARGETS[*target]);
                let real = self.real.ask_remote("origin", &name, &patience()).unwrap();
                let model = self.remote.git.resolve(&name);
                assert_eq!(model.map(|id| CommitId(self.real(id))), real);
            }
            Operation::Fetch { target } => {
                let name = branch(TARGETS[*target]);
                let real = self.real.fetch_branch("origin", &name, &patience()).unwrap();
                let model = self.git.fetch_branch(&self.remote, &name);
                assert_eq!(model.map(|commit| self.real_commit(commit)), real);
            }
            Operation::Push {
                target,
                was,
                new,
                is_away,
            } => self.push(*target, was, *new.get(&self.commits), *is_away),
            Operation::Elsewhere { target, new } => {
                let (name, new) = (branch(TARGETS[*target]), *new.get(&self.commits));
                // What is gone here may be there still.
                if self.git.has(new.0) && !self.remote.closed.contains(&name) {
                    let order = format!("+{}:{name}", self.real_commit(new));
                    self.world.git(&["push", "-q", self.bare().to_str().unwrap(), &order]);
                    self.remote.force(&self.git, &name, new);
                }
            }
            Operation::CollectGarbage => {
                let none_is_recent = ["-c", "gc.reflogExpire=now", "-c", "gc.reflogExpireUnreachable=now"];
                let args = [&none_is_recent[..], &["gc", "-q", "--prune=now"]].concat();
                self.world.git(&args);
                self.git.collect_garbage();
            }
        }
    }

    fn commit(&mut self, tree: TreeId, parents: &[Pick], second: u8) {
        // Git takes a parent that is named twice for one.
        let parents: BTreeSet<_> = parents.iter().map(|pick| *pick.get(&self.commits)).collect();
        let parents: Vec<_> = parents.into_iter().collect();
        let person = Person {
            name: "Ada".to_owned(),
            email: "ada@example.org".to_owned(),
        };
        let message = "a change\n".to_owned();
        let real = CommitDraft {
            tree: self.real_tree(tree),
            parents: parents.iter().map(|parent| self.real_commit(*parent)).collect(),
            author: person.clone(),
            committer: person,
            time: at(second),
            message: message.clone(),
        }
        .write(&self.real);
        let model = self.git.write(Commit {
            tree,
            parents,
            message,
            seconds: i64::from(second),
        });
        match (model, real) {
            (Ok(model), Ok(real)) => self.made_commit(model, real),
            (model, real) => assert_eq!(model, Err(self.of_commit(&real.unwrap_err()))),
        }
    }

    fn push(&mut self, target: usize, was: &Was, new: CommitId, is_away: bool) {
        let name = branch(TARGETS[target]);
        let (away, bare) = (self.world.folder().join("away.git"), self.bare());
        if is_away {
            std::fs::rename(&bare, &away).unwrap();
        }
        match self.was(was, self.remote.git.resolve(&name)) {
            // Only where it does not exist yet.
            None if !is_away => {
                if self.git.has(new.0) && !self.remote.closed.contains(&name) {
                    let end = self
                        .real
                        .push_new("origin", &name, self.real(new.0), &patience())
                        .unwrap();
                    let model = self.git.push_new(&mut self.remote, &name, new);
                    assert_eq!(model, ended(&end));
                }
            }
            was => {
                let old = CommitId(was.unwrap_or(new.0));
                let (was, is) = (self.real_commit(old), self.real_commit(new));
                let real = self.real.push_commit("origin", &name, was, is, &patience());
                if is_away && self.git.is_ancestor(old, new) == Ok(true) {
                    assert!(matches!(real, Err(RemoteError::Unreachable { .. })), "{real:?}");
                } else {
                    let model = self.git.push_commit(&mut self.remote, &name, old, new);
                    assert_eq!(model, ended(&real.unwrap()));
                }
            }
        }
        if is_away {
            std::fs::rename(&away, &bare).unwrap();
        }
    }

    /// Everything that can be seen of both.
    fn compare(&self) {
        let mut real = BTreeMap::new();
        let each = |name: &str, object| {
            real.insert(name.to_owned(), object);
        };
        self.real.refs_below("refs/", each).unwrap();
        assert_eq!(self.refs(&self.git), real);
        let bare = self.bare();
        let there = self.world.git(&[
            "--git-dir",
            bare.to_str().unwrap(),
            "for-each-ref",
            "--format=%(refname) %(objectname)",
        ]);
        let there = there.lines().map(|line| {
            let (name, object) = line.split_once(' ').unwrap();
            (name.to_owned(), object.parse().unwrap())
        });
        assert_eq!(self.refs(&self.remote.git), there.collect());

        for number in 0..2 {
            let real = self.real.anchors(&run(number)).unwrap();
            let real: BTreeMap<_, _> = real.into_iter().map(|anchor| (anchor.name, anchor.object)).collect();
            let model = self.git.anchors(&run(number)).into_iter();
            assert_eq!(
                model
                    .map(|(name, object)| (name, self.real(object)))
                    .collect::<BTreeMap<_, _>>(),
                real
            );
        }
        let runs: BTreeSet<_> = self.real.anchored_runs().unwrap().into_iter().collect();
        assert_eq!(self.git.anchored_runs(), runs);
        for target in TARGETS.map(branch) {
            let model = self.git.last_seen(&target).map(|commit| self.real_commit(commit));
            assert_eq!(model, self.real.last_seen("origin", &target).unwrap());
        }
        for (model, real) in &self.names {
            assert_eq!(self.git.has(*model), self.real.has_object(*real), "{real}");
        }
        for tree in &self.trees {
            let real = self.real.list_tree(self.real_tree(*tree), None);
            match (self.git.files(*tree), real) {
                (Ok(files), Ok(entries)) => {
                    let bytes = |id| self.real.read_blob(id, 100).unwrap();
                    let real = entries
                        .into_iter()
                        .map(|entry| (entry.path, bytes(ledger_core::BlobId(entry.side.id.0))));
                    assert_eq!(*files, real.collect::<Files>());
                }
                (model, real) => assert_eq!(model, Err(self.of_object(&real.unwrap_err()))),
            }
        }
        for (number, commit) in self.commits.iter().enumerate() {
            let name = self.real_commit(*commit);
            if let Ok(found) = self.git.commit(*commit) {
                assert_eq!(self.real.commit_tree_id(name).unwrap(), self.real_tree(found.tree));
                let parents: Vec<_> = found.parents.iter().map(|parent| self.real_commit(*parent)).collect();
                assert_eq!(self.real.commit_parents(name).unwrap(), parents);
                assert_eq!(self.real.commit_message(name).unwrap(), found.message);
            }
            for other in &self.commits[..number] {
                let real = self.real.is_ancestor(self.real_commit(*other), name);
                let model = self.git.is_ancestor(*other, *commit);
                assert_eq!(model, real.map_err(|error| self.of_object(&error)));
            }
        }
    }

    fn refs(&self, git: &Git) -> BTreeMap<String, ObjectId> {
        let refs = git.refs_below("refs/");
        refs.map(|(name, object)| (name.to_string(), self.real(object)))
            .collect()
    }
}

fn ended(end: &PushEnd) -> Push {
    match end {
        PushEnd::Taken => Push::Taken,
        PushEnd::Moved { .. } => Push::Moved,
        PushEnd::Rejected { .. } => Push::Rejected,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_model_of_git_does_what_git_does(trace in prop::collection::vec(operations(), 1..40)) {
        let mut both = Both::new();
        both.compare();
        for operation in &trace {
            both.carry_out(operation);
            both.compare();
        }
    }
}

/// The order that all of it rests on: whatever is named before it is on the disk is named in vain.
#[test]
fn what_a_power_cut_took_is_told_as_git_tells_it() {
    let mut both = Both::new();
    let tree = |both: &mut Both, base: TreeId, file| {
        let files = files_of(&[(file, 1)]);
        let real = both.real.overlay(both.real_tree(base), &files, &BTreeSet::new());
        match (both.git.overlay(Some(base), &files, &BTreeSet::new()), real) {
            (Ok(model), Ok(real)) => {
                both.made_tree(model, real);
                Ok(model)
            }
            (model, real) => {
                assert_eq!(model, Err(both.of_tree(&real.unwrap_err())));
                model
            }
        }
    };
    let keep = |both: &mut Both, name: &str, object| {
        let real = both.real.anchor(&run(0), name, both.real(object));
        let model = both.git.anchor(&run(0), name, object);
        match real {
            Err(AnchorError::Ref(error)) => assert_eq!(model, Err(both.of_ref(&error))),
            real => assert!(real.is_ok() && model.is_ok(), "{model:?}, and really {real:?}"),
        }
        model
    };
    let (first, first_tree) = (both.commits[0], both.trees[0]);
    let left = tree(&mut both, first_tree, 1).unwrap();
    let lost = tree(&mut both, first_tree, 2).unwrap();
    both.commit(lost, &[], 0);
    let commit = both.commits[1];
    for (name, object) in [("left", left.0), ("lost", lost.0), ("commit", commit.0)] {
        assert_eq!(keep(&mut both, name, object), Ok(()));
    }

    // One of three comes to the disk.
    both.git.flush(first.0);
    both.git.flush(first_tree.0);
    assert_eq!(*both.git.unflushed(), BTreeSet::from([left.0, lost.0, commit.0]));
    both.git.lose_power(&BTreeSet::from([left.0]));
    assert!(both.git.unflushed().is_empty() && both.git.has(left.0));
    for gone in [lost.0, commit.0] {
        let hex = both.real(gone).to_string();
        let (folder, name) = hex.split_at(2);
        let file = format!(".git/objects/{folder}/{name}");
        std::fs::remove_file(both.world.root().join(file)).unwrap();
    }

    // The refs are there, and lead nowhere.
    both.compare();
    let (name, gone) = both.git.broken_ref().map(|(name, gone)| (name.clone(), gone)).unwrap();
    let fsck = both.world.try_git(&["fsck", "--connectivity-only"]);
    let told = String::from_utf8_lossy(&fsck.stderr).into_owned();
    assert!(
        told.contains(&format!("{name}: invalid sha1 pointer {}", both.real(gone))),
        "{told}"
    );
    both.git.collect_garbage();
    assert!(!both.world.try_git(&["gc", "-q", "--prune=now"]).status.success());
    both.compare();
    // What is gone is named no more, also not under the name that it has.
    for name in ["lost", "again"] {
        assert_eq!(keep(&mut both, name, lost.0), Err(GitRefusal::Missing(lost.0)));
    }
    let moved = both.git.update_ref(&branch("one"), commit.0, None);
    let really = both
        .real
        .update_ref(&branch("one"), both.real(commit.0), Expected::Missing, "moved");
    assert_eq!(moved, Err(both.of_ref(&really.unwrap_err())));
    assert_eq!(tree(&mut both, lost, 3), Err(GitRefusal::Missing(lost.0)));
    both.commit(lost, &[], 0);
    assert_eq!(both.commits.len(), 2);

    // Whoever writes the same again has it again.
    assert_eq!(tree(&mut both, first_tree, 2), Ok(lost));
    both.commit(lost, &[], 0);
    both.compare();
    assert_eq!(both.git.broken_ref(), None);
    assert_eq!(*both.git.unflushed(), BTreeSet::from([lost.0, commit.0]));
}
