//! Commits, stored files, merges and diffs, against what `git` itself makes of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::Stdio;

use common::{NOON, World, ada, git_command, git_in, path};
use counterfoil_git_delivery::{
    CommitDraft, CommitError, CommitTime, Merge, MergeAll, ObjectError, Person, StoreError, TreeError,
};
use ledger_core::{Change, ChangeSet, CommitId, EntryMode};
use proptest::prelude::*;
use rustix::fs::inotify;

fn draft(world: &World) -> CommitDraft {
    CommitDraft {
        tree: world.tree("HEAD"),
        parents: vec![world.commit("HEAD")],
        author: ada(),
        committer: ada(),
        time: NOON,
        message: "subject\n\nbody\n".to_owned(),
    }
}

/// What `git commit-tree` makes of the same draft.
fn by_git(world: &World, draft: &CommitDraft) -> String {
    let mut args = vec!["commit-tree".to_owned(), draft.tree.to_string()];
    for parent in &draft.parents {
        args.extend(["-p".to_owned(), parent.to_string()]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let CommitTime {
        seconds,
        offset_minutes,
    } = draft.time;
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let offset = offset_minutes.unsigned_abs();
    let date = format!("@{seconds} {sign}{:02}{:02}", offset / 60, offset % 60);
    let mut child = git_command(&world.repo(), &args)
        .env("GIT_AUTHOR_NAME", &draft.author.name)
        .env("GIT_AUTHOR_EMAIL", &draft.author.email)
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_NAME", &draft.committer.name)
        .env("GIT_COMMITTER_EMAIL", &draft.committer.email)
        .env("GIT_COMMITTER_DATE", &date)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(draft.message.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_commit_is_byte_for_byte_what_commit_tree_makes() {
    let world = World::with(&[("a", "1")]);
    let repository = world.open();
    let plain = draft(&world);
    let mut root = plain.clone();
    root.parents.clear();
    root.message = "ünï\u{1f980}\n".to_owned();
    let mut west = plain.clone();
    west.time.offset_minutes = -(9 * 60 + 30);
    west.author = Person {
        name: "  Jane \"J\" D. <Doe>, Jr.".to_owned(),
        email: "<jane@example.org>".to_owned(),
    };
    for draft in [plain, root, west] {
        assert_eq!(draft.id().unwrap().to_string(), by_git(&world, &draft));
        assert_eq!(draft.write(&repository).unwrap(), draft.id().unwrap());
    }
    world.git(&["fsck", "--strict"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_name_message_and_time_make_the_commit_that_git_makes(
        name in "[ -~é]{0,12}[a-z][ -~]{0,6}",
        email in "[!-~]{1,12}",
        message in "[ -~é\n]{1,60}",
        seconds in 100_000_000_i64..4_000_000_000,
        quarters in -56_i16..56,
    ) {
        let world = World::with(&[("a", "1")]);
        let person = Person { name, email };
        let draft = CommitDraft {
            author: person.clone(),
            committer: person,
            time: CommitTime { seconds, offset_minutes: quarters * 15 },
            message,
            ..draft(&world)
        };
        prop_assert_eq!(draft.id().unwrap().to_string(), by_git(&world, &draft));
    }
}

#[test]
fn a_commit_that_could_not_stand_is_refused() {
    let world = World::with(&[("a", "1")]);
    let repository = world.open();
    let mut nameless = draft(&world);
    nameless.author.name = " ,<>".to_owned();
    assert!(matches!(nameless.id(), Err(CommitError::InvalidName { .. })));
    let mut cut = draft(&world);
    cut.message = "a\0b".to_owned();
    assert!(matches!(cut.id(), Err(CommitError::InvalidMessage)));
    let mut orphan = draft(&world);
    orphan.parents = vec![CommitId(ledger_core::ObjectId::from_bytes([1; 20]))];
    assert!(matches!(
        orphan.write(&repository),
        Err(CommitError::Object(ObjectError::Missing { .. }))
    ));
    let mut wrong = draft(&world);
    wrong.parents = vec![CommitId(wrong.tree.0)];
    assert!(matches!(
        wrong.write(&repository),
        Err(CommitError::Object(ObjectError::WrongKind { .. }))
    ));
}

#[test]
fn an_overlay_changes_only_its_own_files() {
    let world = World::with(&[("a", "1"), ("b/c", "2"), ("b/d", "3")]);
    let repository = world.open();
    let base = world.tree("HEAD");
    let files = BTreeMap::from([
        (path("ledger/tickets/x/result.md"), b"done\n".to_vec()),
        (path("b/c/now/a/folder"), b"4".to_vec()),
    ]);
    let tree = repository.overlay(base, &files, &BTreeSet::new()).unwrap();
    let only = |allowed: &[&str]| {
        repository
            .tree_differs_only_in(base, tree, |path| allowed.contains(&path.to_string().as_str()))
            .unwrap()
    };
    assert!(only(&["ledger/tickets/x/result.md", "b/c", "b/c/now/a/folder"]));
    assert!(!only(&["ledger/tickets/x/result.md"]));
    assert_eq!(
        world.git(&["diff-tree", "-r", "--name-status", &base.to_string(), &tree.to_string()]),
        "D\tb/c\nA\tb/c/now/a/folder\nA\tledger/tickets/x/result.md"
    );
    // What goes takes its empty folders with it; what is in both lists is there.
    let removed = BTreeSet::from([path("b/c"), path("b/d"), path("nowhere/x"), path("moved")]);
    let moved = BTreeMap::from([(path("moved"), b"2".to_vec())]);
    let tree = repository.overlay(base, &moved, &removed).unwrap();
    assert_eq!(
        world.git(&["ls-tree", "-r", "-t", "--name-only", &tree.to_string()]),
        "a\nmoved"
    );
    let bad = BTreeMap::from([(path("x/.GIT/config"), b"".to_vec())]);
    assert!(matches!(
        repository.overlay(base, &bad, &BTreeSet::new()),
        Err(TreeError::ForbiddenName { .. })
    ));
}

#[test]
fn the_empty_tree_is_listed_where_no_store_has_it() {
    let world = World::with(&[("a", "1")]);
    let repository = world.open();
    let removed = BTreeSet::from([path("a")]);
    let empty = repository.overlay(world.tree("HEAD"), &BTreeMap::new(), &removed);
    let empty = empty.unwrap();
    world.git(&["-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now"]);
    assert_eq!(world.git(&["count-objects"]), "0 objects, 0 kilobytes");
    assert!(repository.has_object(empty.0));
    assert_eq!(repository.list_tree(empty, None).unwrap(), []);
    assert_eq!(world.git(&["ls-tree", &empty.to_string()]), "");
}

#[test]
fn a_tree_with_the_entries_of_another_is_that_tree_there_and_as_it_was_elsewhere() {
    let world = World::with(&[("src/a", "1"), ("tests/a", "1"), ("tests/b", "1"), ("tests/c/d", "1")]);
    let repository = world.open();
    let base = world.tree("HEAD");
    world.write("src/a", "2");
    world.write("tests/a", "2");
    world.git(&["rm", "-rq", "tests/b", "tests/c"]);
    world.write("tests/b/now/a/folder", "2");
    world.write("tests/c", "a file now");
    world.commit_all("second");
    let tree = world.tree("HEAD");
    let changes = repository.tree_changes(base, tree).unwrap();
    let of_tests = |side: fn(&Change) -> Option<ledger_core::Side>| -> BTreeMap<_, _> {
        let of_tests = changes
            .iter()
            .filter(|change| change.path.as_bytes().starts_with(b"tests/"));
        of_tests.map(|change| (change.path.clone(), side(change))).collect()
    };
    let differing = |one: ledger_core::TreeId, other: ledger_core::TreeId| {
        world.git(&["diff-tree", "-r", "--name-only", &one.to_string(), &other.to_string()])
    };
    let laid = repository.with_entries(base, &of_tests(|change| change.after)).unwrap();
    assert_eq!(differing(laid, tree), "src/a");
    let former = repository
        .with_entries(tree, &of_tests(|change| change.before))
        .unwrap();
    assert_eq!(differing(former, base), "src/a");
    assert_eq!(repository.with_entries(base, &BTreeMap::new()).unwrap(), base);

    let side = changes[0].after;
    assert!(side.is_some());
    let bad = BTreeMap::from([(path("tests/.git/config"), side)]);
    assert!(matches!(
        repository.with_entries(base, &bad),
        Err(TreeError::ForbiddenName { .. })
    ));
}

#[test]
fn two_changes_are_the_same_wherever_their_lines_stand() {
    let lines = |first: &str, body: &str| format!("{first}def f():\n    a()\n{body}    b()\n");
    let world = World::with(&[("f.py", &lines("", ""))]);
    let base = world.tree("HEAD");
    let change = |content: &str| {
        world.write("f.py", content);
        world.commit_all("again");
        world.tree("HEAD")
    };
    let one = change(&lines("", "    c(1, 2)\n"));
    let respaced = change(&lines("", "\n    c(1,  2) \n"));
    let dedented = change(&lines("", "c(1, 2)\n"));
    let moved_base = change(&lines("x = 1\ny = 2\nz = 3\nw = 4\n", ""));
    let moved = change(&lines("x = 1\ny = 2\nz = 3\nw = 4\n", "    c(1, 2)\n"));
    let repository = world.open();
    let same = |one, other, limit| repository.is_same_change(one, other, limit).unwrap();
    assert!(same((base, one), (base, respaced), 1 << 20));
    assert!(!same((base, one), (base, dedented), 1 << 20));
    assert!(!same((base, one), (base, base), 1 << 20));
    assert!(
        !same((base, one), (moved_base, moved), 1 << 20),
        "what stands around it counts"
    );
    assert!(
        !same((base, one), (base, respaced), 10),
        "what is too large to be compared is another"
    );
    assert!(same((base, one), (base, one), 10));
}

#[test]
fn stored_files_come_back_and_are_the_same_commit_each_time() {
    let world = World::new();
    let repository = world.open();
    let files = BTreeMap::from([
        (path("journal.jsonl"), b"{}\n".to_vec()),
        (path("evidence/\u{e9}"), vec![0, 255]),
    ]);
    let first = repository.store_files(&files, "run\n", &[], NOON).unwrap();
    assert_eq!(repository.store_files(&files, "run\n", &[], NOON).unwrap(), first);
    assert_eq!(repository.read_stored(first, 100).unwrap(), files);
    assert!(matches!(
        repository.read_stored(first, 3),
        Err(StoreError::TooLarge { .. })
    ));
    let empty = repository
        .store_files(&BTreeMap::new(), "none\n", &[first], NOON)
        .unwrap();
    assert_eq!(repository.read_stored(empty, 0).unwrap(), BTreeMap::new());
    assert_eq!(repository.commit_parents(empty).unwrap(), [first]);
    world.git(&["fsck", "--strict"]);
}

#[test]
fn clean_merges_are_those_of_git_and_conflicts_name_their_paths() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n"), ("c", "1\n")]);
    for (branch, file) in [("one", "a"), ("two", "b"), ("three", "a")] {
        world.git(&["checkout", "-q", "-b", branch, "main"]);
        world.write(file, branch);
        world.commit_all(branch);
    }
    world.git(&["checkout", "-q", "main"]);
    let repository = world.open();
    let (one, two, three) = (world.commit("one"), world.commit("two"), world.commit("three"));
    let Merge::Clean { tree } = repository.merge_trees(one, two).unwrap() else {
        panic!("not clean");
    };
    assert_eq!(
        repository.merge_trees(one, three).unwrap(),
        Merge::Conflict { paths: vec![path("a")] }
    );
    let merged = repository
        .merge_all(&[one, world.commit("main"), two], &ada(), NOON, "stack\n")
        .unwrap();
    let MergeAll::Clean { commit } = merged else {
        panic!("{merged:?}");
    };
    assert_eq!(repository.commit_tree_id(commit).unwrap(), tree);
    assert_eq!(repository.commit_parents(commit).unwrap(), [one, two]);
    assert_eq!(
        repository
            .merge_all(&[world.commit("main"), one], &ada(), NOON, "x")
            .unwrap(),
        MergeAll::Clean { commit: one }
    );
    let refused = repository
        .merge_all(&[one, two, three], &ada(), NOON, "stack\n")
        .unwrap();
    assert_eq!(
        refused,
        MergeAll::Conflict {
            commit: three,
            paths: vec![path("a")]
        }
    );
    assert_eq!(world.git(&["status", "--porcelain"]), "");
}

/// Nobody can see a flush, but that a file is opened for it: Git itself opens none of what it has only to name.
#[test]
fn what_a_merge_finds_is_brought_to_the_disk_as_what_it_writes_is() {
    let lines = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n6\n{last}\n");
    let world = World::with(&[("d/a", &lines("1", "7"))]);
    for (branch, content) in [("one", lines("one", "7")), ("two", lines("1", "two"))] {
        world.git(&["checkout", "-q", "-b", branch, "main"]);
        world.write("d/a", &content);
        world.commit_all(branch);
    }
    let repository = world.open();
    let (one, two) = (world.commit("one"), world.commit("two"));
    let Merge::Clean { tree } = repository.merge_trees(one, two).unwrap() else {
        panic!("not clean");
    };
    let merged = repository.entry_at(tree, &path("d/a")).unwrap().unwrap();
    let hex = merged.id.to_string();
    let (folder, name) = hex.split_at(2);

    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    let folder = world.repo().join(".git/objects").join(folder);
    inotify::add_watch(&watch, &folder, inotify::WatchFlags::OPEN).unwrap();
    assert_eq!(repository.merge_trees(one, two).unwrap(), Merge::Clean { tree });
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut opened = inotify::Reader::new(watch, &mut buffer);
    let mut names = BTreeSet::new();
    while let Ok(event) = opened.next() {
        // The folder itself has no name here.
        names.insert(
            event
                .file_name()
                .map_or(String::new(), |name| name.to_str().unwrap().to_owned()),
        );
    }
    assert!(names.contains(name) && names.contains(""), "{names:?}");
}

#[test]
fn a_merge_driver_of_the_repository_does_not_run() {
    let world = World::with(&[("a", "1\n"), (".gitattributes", "* merge=evil\n")]);
    let canary = world.path("pwned");
    world.git(&[
        "config",
        "merge.evil.driver",
        &format!("touch {} && true", canary.display()),
    ]);
    for branch in ["one", "two"] {
        world.git(&["checkout", "-q", "-b", branch, "main"]);
        world.write("a", branch);
        world.commit_all(branch);
    }
    let result = world
        .open()
        .merge_trees(world.commit("one"), world.commit("two"))
        .unwrap();
    assert_eq!(result, Merge::Conflict { paths: vec![path("a")] });
    assert!(!canary.exists());
}

/// What becomes of a change of `a` to `1`, and of a new file, on a tree where this was done too.
fn carried(prepare: impl FnOnce(&World)) -> (World, Merge) {
    let world = World::with(&[("a", "0\n"), ("b", "0\n"), ("d/c", "0\n")]);
    let from = world.tree("HEAD");
    world.write("a", "1\n");
    world.write("new/file", "1\n");
    std::fs::remove_file(world.repo().join("d/c")).unwrap();
    world.commit_all("change");
    let changed = world.tree("HEAD");
    world.git(&["checkout", "-q", "HEAD^"]);
    prepare(&world);
    world.commit_all("other");
    let carried = world.open().carry(from, changed, world.tree("HEAD")).unwrap();
    (world, carried)
}

#[test]
fn a_change_is_carried_to_a_tree_that_differs_elsewhere() {
    let (world, carried) = carried(|world| {
        world.write("b", "2\n");
        world.write("d/e", "2\n");
        // The same change on both sides.
        world.write("a", "1\n");
    });
    world.write("new/file", "1\n");
    std::fs::remove_file(world.repo().join("d/c")).unwrap();
    world.commit_all("both");
    let tree = world.tree("HEAD");
    assert_eq!(carried, Merge::Clean { tree });
}

#[test]
fn a_change_is_not_carried_where_the_same_path_or_a_folder_of_it_changed() {
    for (other, paths) in [("a", ["a"]), ("new", ["new/file"]), ("d/c/deeper", ["d/c"])] {
        let (_, carried) = carried(|world| {
            let _ = std::fs::remove_file(world.repo().join("d/c"));
            if !other.starts_with("d/") {
                world.write("d/c", "0\n");
            }
            world.write(other, "2\n");
        });
        let paths = paths.map(path).to_vec();
        assert_eq!(carried, Merge::Conflict { paths }, "{other}");
    }
}

/// What becomes of a change of the first line of `list`, merged with what was done to it elsewhere.
fn merged(prepare: impl FnOnce(&World)) -> (World, Merge) {
    let lines = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n6\n7\n{last}\n");
    let world = World::with(&[("list", &lines("1", "8")), ("b", "0\n")]);
    let from = world.tree("HEAD");
    world.write("list", &lines("one", "8"));
    world.commit_all("change");
    let changed = world.tree("HEAD");
    world.git(&["checkout", "-q", "HEAD^"]);
    world.write("list", &lines("1", "eight"));
    prepare(&world);
    world.commit_all("other");
    let repository = world.open();
    let onto = world.tree("HEAD");
    assert_eq!(
        repository.carry(from, changed, onto).unwrap(),
        Merge::Conflict {
            paths: vec![path("list")]
        }
    );
    let merged = repository.carry_merging(from, changed, onto).unwrap();
    (world, merged)
}

#[test]
fn files_that_both_changed_are_merged_line_by_line_where_that_is_wanted() {
    let (world, merged) = merged(|world| world.write("b", "2\n"));
    let Merge::Clean { tree } = merged else {
        panic!("{merged:?}")
    };
    assert_eq!(
        world.git(&["cat-file", "blob", &format!("{tree}:list")]),
        "one\n2\n3\n4\n5\n6\n7\neight"
    );
    assert_eq!(world.git(&["cat-file", "blob", &format!("{tree}:b")]), "2");
}

#[test]
fn what_no_lines_can_decide_is_not_merged() {
    let same_lines = |world: &World| world.write("list", "eins\n2\n3\n4\n5\n6\n7\n8\n");
    let gone = |world: &World| std::fs::remove_file(world.repo().join("list")).unwrap();
    let renamed = |world: &World| {
        std::fs::rename(world.repo().join("list"), world.repo().join("elsewhere")).unwrap();
    };
    let executable = |world: &World| {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(world.repo().join("list"), mode).unwrap();
    };
    let link = |world: &World| {
        gone(world);
        std::os::unix::fs::symlink("b", world.repo().join("list")).unwrap();
    };
    let binary = |world: &World| world.write("list", "1\n2\0\n3\n4\n5\n6\n7\neight\n");
    type Prepare<'a> = &'a dyn Fn(&World);
    let cases: [(&str, Prepare<'_>); 6] = [
        ("the same lines", &same_lines),
        ("gone", &gone),
        ("renamed", &renamed),
        ("executable", &executable),
        ("a link", &link),
        ("binary", &binary),
    ];
    for (what, prepare) in cases {
        let (_, merged) = merged(|world| prepare(world));
        let paths = vec![path("list")];
        assert_eq!(merged, Merge::Conflict { paths }, "{what}");
    }
}

#[test]
fn a_patch_rebuilds_the_tree_whatever_the_attributes_say() {
    let world = World::with(&[
        ("a", "1\n2\n3\n"),
        ("gone", "x\n"),
        ("bin", "\0\u{1}"),
        ("old", "some\nlines\nhere\n"),
    ]);
    let before = world.tree("HEAD");
    world.write("a", "1\ntwo\n3\nno newline");
    world.write("bin", "\0\u{2}");
    world.write(".gitattributes", "* -diff\n");
    std::fs::remove_file(world.repo().join("gone")).unwrap();
    std::fs::rename(world.repo().join("old"), world.repo().join("new\tname")).unwrap();
    world.commit_all("second");
    let after = world.tree("HEAD");
    world.git(&["config", "diff.external", "false"]);
    world.git(&["config", "diff.noprefix", "true"]);
    let repository = world.open();
    let patch = repository.patch(before, after, 1 << 20).unwrap();
    assert!(!patch.truncated);
    assert!(String::from_utf8_lossy(&patch.bytes).contains("\n-2\n+two\n"));
    world.git(&["checkout", "-q", "HEAD~1"]);
    std::fs::write(world.path("patch"), &patch.bytes).unwrap();
    world.git(&["apply", "--index", "../patch"]);
    assert_eq!(world.git(&["write-tree"]), after.to_string());
    let cut = repository.patch(before, after, 50).unwrap();
    assert!(cut.truncated);
    assert_eq!(cut.bytes, patch.bytes[..50]);

    let counts: BTreeMap<String, _> = repository
        .line_counts(before, after)
        .unwrap()
        .into_iter()
        .map(|count| {
            (
                count.path.to_string(),
                (count.lines, count.renamed_from.map(|p| p.to_string())),
            )
        })
        .collect();
    assert_eq!(counts["a"], (Some((2, 1)), None));
    assert_eq!(counts["bin"], (None, None));
    assert_eq!(counts["gone"], (Some((0, 1)), None));
    assert_eq!(counts[r"new\x09name"], (Some((0, 0)), Some("old".to_owned())));
    assert_eq!(repository.patch(after, after, 10).unwrap().bytes, b"");
    assert_eq!(repository.patch_id(after, after, 10).unwrap(), None);
    assert_eq!(
        repository.patch_id(before, after, 1 << 20).unwrap().map(|id| id.len()),
        Some(40)
    );
}

#[test]
fn new_blobs_are_shown_for_inspection() {
    let world = World::with(&[("a", "1"), ("same", "x")]);
    let (base, before) = (world.commit("HEAD"), world.tree("HEAD"));
    world.write("a", "secret");
    world.write("b", "0123456789");
    world.commit_all("second");
    let repository = world.open();
    let changes: Vec<Change> = repository.tree_changes(before, world.tree("HEAD")).unwrap();
    assert!(
        changes
            .iter()
            .all(|change| change.after.unwrap().mode == EntryMode::File)
    );
    let change_set = ChangeSet {
        base,
        tree: world.tree("HEAD"),
        changes,
    };
    let mut seen = Vec::new();
    repository
        .for_each_new_blob(&change_set, 8, |path, _, size, bytes| {
            seen.push((path.to_string(), size, bytes.to_vec()));
        })
        .unwrap();
    assert_eq!(
        seen,
        [
            ("a".to_owned(), 6, b"secret".to_vec()),
            ("b".to_owned(), 10, b"01234567".to_vec())
        ]
    );
}

#[test]
fn what_is_written_is_found_by_another_program_at_once() {
    let world = World::with(&[("a", "1")]);
    let files: BTreeMap<_, _> = (0..200)
        .map(|n| (path(&format!("d{}/{n}", n % 7)), format!("{n}").into_bytes()))
        .collect();
    let tree = world
        .open()
        .overlay(world.tree("HEAD"), &files, &BTreeSet::new())
        .unwrap();
    let listed = git_in(&world.repo(), &["ls-tree", "-r", "--name-only", &tree.to_string()]);
    assert_eq!(listed.lines().count(), 201);
}
