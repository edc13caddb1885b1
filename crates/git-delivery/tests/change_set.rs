//! The change set: everything is seen, nothing can be hidden, and the tree is exactly what is there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use common::{World, git_in, path, try_git_in, write_below};
use counterfoil_git_delivery::{ChangeSetError, Finding, MeasureOptions, Measured, Place, WalkError};
use ledger_core::ChangeKind;
use proptest::prelude::*;

fn keeping() -> MeasureOptions {
    MeasureOptions {
        keep: true,
        ..MeasureOptions::default()
    }
}

fn measure(world: &World, place: &Place) -> Measured {
    let measured = place.measure(&world.open(), &keeping()).unwrap();
    let unkept = place.measure(&world.open(), &MeasureOptions::default()).unwrap();
    assert_eq!(
        unkept.change_set.tree, measured.change_set.tree,
        "the tree does not depend on keeping"
    );
    let changes = world
        .open()
        .tree_changes(
            world.open().commit_tree_id(place.base()).unwrap(),
            measured.change_set.tree,
        )
        .unwrap();
    let said: Vec<_> = measured
        .change_set
        .changes
        .iter()
        .map(|change| (&change.path, change.before, change.after))
        .collect();
    let real: Vec<_> = changes
        .iter()
        .map(|change| (&change.path, change.before, change.after))
        .collect();
    assert_eq!(said, real, "the changes are the difference of the trees");
    measured
}

fn changed(measured: &Measured) -> BTreeMap<String, ChangeKind> {
    measured
        .change_set
        .changes
        .iter()
        .map(|change| (change.path.to_string(), change.kind()))
        .collect()
}

fn only(name: &str, kind: ChangeKind) -> BTreeMap<String, ChangeKind> {
    BTreeMap::from([(name.to_owned(), kind)])
}

#[test]
fn every_kind_of_change_is_told() {
    let world = World::with(&[
        ("same", "1"),
        ("edited", "1"),
        ("gone", "a file that goes away\n"),
        ("mode", "1"),
        ("type", "1"),
        ("moved", "a file that moves\nwith two lines\n"),
        ("folder/file", "1"),
    ]);
    let place = world.place("work");
    let at = |name: &str| place.folder().join(name);
    std::fs::write(at("edited"), "2").unwrap();
    std::fs::remove_file(at("gone")).unwrap();
    std::fs::set_permissions(at("mode"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::remove_file(at("type")).unwrap();
    symlink("same", at("type")).unwrap();
    std::fs::rename(at("moved"), at("new name")).unwrap();
    std::fs::remove_dir_all(at("folder")).unwrap();
    std::fs::write(at("folder"), "now a file").unwrap();
    write_below(place.folder(), "added/deep", "new");
    let measured = measure(&world, &place);
    let expected = [
        ("added/deep", ChangeKind::Added),
        ("edited", ChangeKind::Modified),
        ("folder", ChangeKind::Added),
        ("folder/file", ChangeKind::Deleted),
        ("gone", ChangeKind::Deleted),
        ("mode", ChangeKind::ModeChanged),
        ("moved", ChangeKind::Deleted),
        ("new name", ChangeKind::Renamed),
        ("type", ChangeKind::TypeChanged),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, kind)| (name.to_owned(), kind)).into();
    assert_eq!(changed(&measured), expected);
    assert_eq!(measured.findings, []);
    world.git(&["fsck", "--strict"]);
    assert_eq!(
        place.measure(&world.open(), &keeping()).unwrap(),
        measured,
        "measuring changes nothing"
    );
}

#[test]
fn a_similar_file_counts_as_renamed_and_a_different_one_does_not() {
    let text: String = (0..40).map(|n| format!("line {n}\n")).collect();
    let world = World::with(&[("old.rs", &text), ("other.rs", "nothing alike\n")]);
    let place = world.place("work");
    std::fs::remove_file(place.folder().join("old.rs")).unwrap();
    std::fs::remove_file(place.folder().join("other.rs")).unwrap();
    std::fs::write(place.folder().join("new.rs"), text.replace("line 7\n", "changed\n")).unwrap();
    std::fs::write(place.folder().join("unlike.rs"), "something else\n").unwrap();
    let measured = measure(&world, &place);
    let from = |name: &str| {
        let changes = &measured.change_set.changes;
        changes
            .iter()
            .find(|change| change.path == path(name))
            .unwrap()
            .renamed_from
            .clone()
    };
    assert_eq!(from("new.rs"), Some(path("old.rs")));
    assert_eq!(from("unlike.rs"), None);
}

/// Ways of a worker to hide a change to `src/a` (`1\n` becomes `2\n`).
type Attack = (&'static str, fn(&Path));

fn edit_with_old_times(place: &Path) {
    let file = place.join("src/a");
    let times = file.metadata().unwrap();
    std::fs::write(&file, "2\n").unwrap();
    let handle = std::fs::File::options().write(true).open(&file).unwrap();
    handle
        .set_times(
            std::fs::FileTimes::new()
                .set_modified(times.modified().unwrap())
                .set_accessed(times.accessed().unwrap()),
        )
        .unwrap();
}

fn edit(place: &Path) {
    std::fs::write(place.join("src/a"), "2\n").unwrap();
}

const ATTACKS: &[Attack] = &[
    ("assume-unchanged", |place| {
        git_in(place, &["update-index", "--assume-unchanged", "src/a"]);
        edit(place);
    }),
    ("skip-worktree", |place| {
        git_in(place, &["update-index", "--skip-worktree", "src/a"]);
        edit(place);
    }),
    ("restored modification time", edit_with_old_times),
    ("core.trustctime off and restored time", |place| {
        git_in(place, &["config", "core.trustctime", "false"]);
        git_in(place, &["config", "core.checkStat", "minimal"]);
        edit_with_old_times(place);
    }),
    ("committed in the place", |place| {
        edit(place);
        git_in(
            place,
            &[
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@y",
                "commit",
                "-q",
                "-am",
                "hidden",
            ],
        );
    }),
    ("staged in the place", |place| {
        edit(place);
        git_in(place, &["add", "-A"]);
    }),
    ("ignored by a new rule", |place| {
        edit(place);
        std::fs::write(place.join(".git/info/exclude"), "*\n").unwrap();
    }),
    ("no .git at all", |place| {
        edit(place);
        std::fs::remove_dir_all(place.join(".git")).unwrap();
    }),
    ("a .git that is a file", |place| {
        edit(place);
        std::fs::remove_dir_all(place.join(".git")).unwrap();
        std::fs::write(place.join(".git"), "gitdir: /nowhere\n").unwrap();
    }),
    ("a work tree elsewhere", |place| {
        edit(place);
        git_in(place, &["config", "core.worktree", "/nowhere"]);
    }),
    ("sparse checkout", |place| {
        git_in(place, &["sparse-checkout", "set", "other"]);
        write_below(place, "src/a", "2\n");
    }),
    ("replaced by a new file with old times", |place| {
        let file = place.join("src/a");
        let time = file.metadata().unwrap().modified().unwrap();
        std::fs::write(place.join("src/b"), "2\n").unwrap();
        std::fs::File::options()
            .write(true)
            .open(place.join("src/b"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        std::fs::rename(place.join("src/b"), file).unwrap();
    }),
];

#[test]
fn no_change_to_a_tracked_file_can_be_hidden() {
    for (name, attack) in ATTACKS {
        let world = World::with(&[("src/a", "1\n"), (".gitignore", "*.log\n")]);
        let place = world.place("work");
        attack(place.folder());
        let measured = measure(&world, &place);
        assert_eq!(changed(&measured), only("src/a", ChangeKind::Modified), "{name}");
        assert_eq!(
            world.git(&["cat-file", "-p", &format!("{}:src/a", measured.change_set.tree)]),
            "2",
            "{name}"
        );
    }
}

/// As the file of a place has it at its end. It shows damage, and whoever can write the file can write it.
fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    let mut mix = |word: u64| sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        mix(u64::from_le_bytes(word.try_into().unwrap()));
    }
    words.remainder().iter().for_each(|byte| mix(u64::from(*byte)));
    sum
}

#[test]
fn a_change_cannot_be_hidden_in_what_is_noted_of_the_base() {
    let world = World::with(&[("src/a", "1\n")]);
    let base = world.commit("HEAD");
    world.write("src/a", "2\n");
    let other = world.commit_all("Other");
    let folder = world.place_of("work", other).folder().to_owned();
    let noted = folder.with_extension("place");
    let mut bytes = std::fs::read(&noted).unwrap();
    let raw = |id: ledger_core::CommitId| -> Vec<u8> {
        let text = id.to_string();
        let pairs = (0..text.len()).step_by(2);
        pairs
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    };
    let at = bytes.windows(20).position(|window| window == raw(other)).unwrap();
    bytes.splice(at..at + 20, raw(base));
    let end = bytes.len() - 8;
    let sum = checksum(&bytes[..end]);
    bytes.splice(end.., sum.to_le_bytes());
    std::fs::write(&noted, bytes).unwrap();

    let place = Place::open(&folder).unwrap();

    assert_eq!(place.base(), base);
    assert_eq!(changed(&measure(&world, &place)), only("src/a", ChangeKind::Modified));
}

#[test]
fn a_tracked_file_is_compared_also_where_the_base_ignores_it() {
    let world = World::with(&[("build/out", "1\n"), (".gitignore", "build/\n")]);
    let place = world.place("work");
    write_below(place.folder(), "build/out", "2\n");
    write_below(place.folder(), "build/new", "ignored\n");
    write_below(place.folder(), "build/deep/new", "ignored\n");
    assert_eq!(
        changed(&measure(&world, &place)),
        only("build/out", ChangeKind::Modified)
    );
    std::fs::remove_dir_all(place.folder().join("build")).unwrap();
    assert_eq!(
        changed(&measure(&world, &place)),
        only("build/out", ChangeKind::Deleted)
    );
}

#[test]
fn only_rules_of_the_base_and_the_user_say_what_is_ignored() {
    let world = World::with(&[
        (".gitignore", "*.log\n!keep.log\n"),
        ("sub/.gitignore", "/local\n"),
        ("sub/x", "1"),
    ]);
    std::fs::write(world.repo().join(".git/info/exclude"), "mine\n").unwrap();
    let place = world.place("work");
    for file in [
        "a.log",
        "keep.log",
        "sub/local",
        "local",
        "mine",
        "sub/mine",
        "new",
        "hidden/file",
    ] {
        write_below(place.folder(), file, "x");
    }
    write_below(place.folder(), "hidden/.gitignore", "*\n");
    write_below(place.folder(), ".gitignore", "new\nhidden\n*.log\n!keep.log\n");
    std::fs::write(place.folder().join(".git/info/exclude"), "*\n").unwrap();
    let measured = measure(&world, &place);
    let seen: Vec<String> = changed(&measured).into_keys().collect();
    assert_eq!(
        seen,
        [
            ".gitignore",
            "hidden/.gitignore",
            "hidden/file",
            "keep.log",
            "local",
            "new"
        ]
    );
}

#[test]
fn mode_changes_are_seen_whatever_the_configuration_says() {
    let world = World::with(&[("a", "1\n")]);
    let place = world.place("work");
    git_in(place.folder(), &["config", "core.fileMode", "false"]);
    git_in(place.folder(), &["config", "core.symlinks", "false"]);
    git_in(place.folder(), &["config", "core.ignoreCase", "true"]);
    std::fs::set_permissions(place.folder().join("a"), PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(changed(&measure(&world, &place)), only("a", ChangeKind::ModeChanged));
}

#[test]
fn a_link_in_place_of_a_folder_is_not_followed() {
    let world = World::with(&[("src/a", "1\n"), ("b", "1\n")]);
    let outside = world.path("outside");
    write_below(&outside, "a", "1\n");
    let place = world.place("work");
    std::fs::remove_dir_all(place.folder().join("src")).unwrap();
    symlink(&outside, place.folder().join("src")).unwrap();
    let measured = measure(&world, &place);
    let expected = BTreeMap::from([
        ("src".to_owned(), ChangeKind::Added),
        ("src/a".to_owned(), ChangeKind::Deleted),
    ]);
    assert_eq!(changed(&measured), expected);
    assert_eq!(
        world.git(&["cat-file", "-p", &format!("{}:src", measured.change_set.tree)]),
        outside.to_str().unwrap()
    );
}

#[test]
fn what_a_tree_cannot_say_is_a_finding() {
    let world = World::with(&[
        ("a", "1\n"),
        ("was-a-file", "1\n"),
        ("Readme", "1\n"),
        (".gitattributes", "*.bin filter=lfs\n"),
    ]);
    let commit = world.commit("HEAD");
    world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    world.git(&["commit", "-q", "-m", "submodule"]);
    let place = world.place("work");
    let at = |name: &str| place.folder().join(name);
    let pipe = |name: &str| {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at(name),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
    };
    pipe("pipe");
    std::fs::remove_file(at("was-a-file")).unwrap();
    pipe("was-a-file");
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    std::fs::create_dir(at("nested")).unwrap();
    git_in(&at("nested"), &["init", "-q"]);
    write_below(place.folder(), "nested/file", "seen");
    write_below(place.folder(), "worse/.GIT/config", "x");
    write_below(place.folder(), "sub/file", "x");
    write_below(place.folder(), "README", "twin");
    write_below(place.folder(), "caf\u{e9}", "1");
    write_below(place.folder(), "cafe\u{301}", "2");
    write_below(place.folder(), "large", &"x".repeat(5000));
    write_below(place.folder(), "model.bin", "pointer");
    write_below(place.folder(), "late.dat", "pointer");
    write_below(place.folder(), ".gitattributes", "*.dat filter=other\n");
    std::fs::hard_link(at("a"), at("second-name")).unwrap();
    let options = MeasureOptions {
        largest_file: 4000,
        ..keeping()
    };
    let measured = place.measure(&world.open(), &options).unwrap();
    let mut expected = vec![
        Finding::SpecialFile { path: path("pipe") },
        Finding::SpecialFile {
            path: path("was-a-file"),
        },
        Finding::SpecialFile { path: path("socket") },
        Finding::NestedRepository { path: path("nested") },
        Finding::ForbiddenName {
            path: path("worse/.GIT"),
        },
        Finding::FilesInSubmodule { path: path("sub") },
        Finding::TooLarge {
            path: path("large"),
            size: 5000,
        },
        Finding::HardLink {
            path: path("second-name"),
        },
        Finding::Twins {
            one: path("README"),
            other: path("Readme"),
        },
        Finding::Twins {
            one: path("cafe\u{301}"),
            other: path("caf\u{e9}"),
        },
        Finding::Filtered {
            path: path("model.bin"),
            filter: "lfs".to_owned(),
        },
        Finding::Filtered {
            path: path("late.dat"),
            filter: "other".to_owned(),
        },
    ];
    expected.sort();
    assert_eq!(measured.findings, expected);
    let seen: BTreeSet<String> = changed(&measured).into_keys().collect();
    let expected = [
        ".gitattributes",
        "README",
        "caf\u{e9}",
        "cafe\u{301}",
        "late.dat",
        "model.bin",
        "nested/file",
        "second-name",
        "was-a-file",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
}

#[test]
fn names_of_any_bytes_are_told_apart() {
    let world = World::with(&[("a", "1\n")]);
    let place = world.place("work");
    let names: [&[u8]; 5] = [b"line\nbreak", b"\xff\xfe", b"tab\there", b"-rf", b"\"quoted\""];
    for name in names {
        std::fs::write(place.folder().join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let measured = measure(&world, &place);
    let seen: BTreeSet<&[u8]> = measured
        .change_set
        .changes
        .iter()
        .map(|change| change.path.as_bytes())
        .collect();
    assert_eq!(seen, names.into());
}

#[test]
fn too_much_is_an_error_and_not_a_part() {
    let world = World::with(&[("a", "1\n")]);
    let place = world.place("work");
    for number in 0..20 {
        write_below(place.folder(), &format!("new/{number}"), "0123456789");
    }
    let few = MeasureOptions {
        most_new_paths: 20,
        ..MeasureOptions::default()
    };
    let refused = place.measure(&world.open(), &few);
    assert!(
        matches!(
            refused,
            Err(ChangeSetError::Walk(WalkError::TooManyPaths { limit: 20 }))
        ),
        "{refused:?}"
    );
    let little = MeasureOptions {
        most_bytes: 199,
        ..keeping()
    };
    let refused = place.measure(&world.open(), &little);
    assert!(
        matches!(
            refused,
            Err(ChangeSetError::Walk(WalkError::TooManyBytes { limit: 199 }))
        ),
        "{refused:?}"
    );
}

#[test]
fn a_large_tracked_file_is_compared_without_being_held() {
    let world = World::with(&[("large", &"x".repeat(100_000)), ("other", &"y".repeat(100_000))]);
    let place = world.place("work");
    let options = MeasureOptions {
        largest_file: 1000,
        ..keeping()
    };
    let touch = |name: &str, content: &str| std::fs::write(place.folder().join(name), content).unwrap();
    touch("large", &"x".repeat(100_000));
    touch("other", &"z".repeat(100_000));
    let measured = place.measure(&world.open(), &options).unwrap();
    assert_eq!(changed(&measured), only("other", ChangeKind::Deleted));
    let size = 100_000;
    assert_eq!(
        measured.findings,
        [Finding::TooLarge {
            path: path("other"),
            size
        }]
    );
}

#[test]
fn a_tracked_file_that_became_endless_is_changed_without_being_read() {
    let world = World::with(&[("README", "a\n")]);
    let place = world.place("work");
    // A hole costs nothing to make and weeks to read.
    let size = 8 << 40;
    let file = std::fs::File::options()
        .write(true)
        .open(place.folder().join("README"))
        .unwrap();
    file.set_len(size).unwrap();
    let measured = place.measure(&world.open(), &keeping()).unwrap();
    assert_eq!(
        measured.findings,
        [Finding::TooLarge {
            path: path("README"),
            size
        }]
    );
}

#[test]
fn a_rescued_tree_is_measured_against_the_base() {
    let world = World::with(&[("a", "1\n"), ("b", "1\n"), ("c", "1\n")]);
    let base = world.commit("HEAD");
    world.write("a", "2\n");
    world.write("b", "2\n");
    world.write("d", "1\n");
    world.commit_all("rescued");
    let mut place = world.place_of("work", base);
    place
        .bring_to(
            &world.open(),
            world.tree("HEAD"),
            &counterfoil_git_delivery::RefSnapshot::default(),
            counterfoil_git_delivery::Leftovers::KeepIgnored,
            &BTreeSet::new(),
        )
        .unwrap();
    write_below(place.folder(), "b", "1\n");
    write_below(place.folder(), "c", "3\n");
    let expected = [
        ("a", ChangeKind::Modified),
        ("c", ChangeKind::Modified),
        ("d", ChangeKind::Added),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, kind)| (name.to_owned(), kind)).into();
    assert_eq!(changed(&measure(&world, &place)), expected);
}

#[test]
fn what_is_kept_is_written_and_what_is_not_kept_is_not() {
    let world = World::with(&[("a", "1\n")]);
    let place = world.place("work");
    write_below(place.folder(), "dir/new", "fresh content\n");
    let loose = || world.git(&["count-objects"]);
    let before = loose();
    let unkept = place.measure(&world.open(), &MeasureOptions::default()).unwrap();
    assert_eq!(loose(), before);
    let repository = world.open();
    assert!(!repository.has_object(unkept.change_set.tree.0));
    let kept = place.measure(&repository, &keeping()).unwrap();
    assert!(repository.has_object(kept.change_set.tree.0));
    assert_eq!(kept.change_set.tree, unkept.change_set.tree);
}

#[derive(Debug, Clone)]
enum Act {
    Write(usize, u8),
    Remove(usize),
    Link(usize),
    Execute(usize),
    Rename(usize, usize),
}

const NAMES: [&str; 10] = [
    "a", "b", "d/a", "d/b", "d/e/f", "d.x", "x.log", "log/keep", "log/x", "\u{e9}",
];

fn act() -> impl Strategy<Value = Act> {
    let name = 0..NAMES.len();
    prop_oneof![
        4 => (name.clone(), 0_u8..4).prop_map(|(name, content)| Act::Write(name, content)),
        2 => name.clone().prop_map(Act::Remove),
        1 => name.clone().prop_map(Act::Link),
        1 => name.clone().prop_map(Act::Execute),
        1 => (name.clone(), name).prop_map(|(from, to)| Act::Rename(from, to)),
    ]
}

/// Does it where it can be done.
fn perform(folder: &Path, act: &Act) {
    let make_room = |path: &Path| {
        for ancestor in path.ancestors().skip(1).take_while(|ancestor| *ancestor != folder) {
            if ancestor.symlink_metadata().is_ok_and(|data| !data.is_dir()) {
                std::fs::remove_file(ancestor).unwrap();
            }
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if path.symlink_metadata().is_ok_and(|data| data.is_dir()) {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            let _ = std::fs::remove_file(path);
        }
    };
    match act {
        Act::Write(name, content) => {
            let path = folder.join(NAMES[*name]);
            make_room(&path);
            std::fs::write(path, vec![b'a' + content; usize::from(*content)]).unwrap();
        }
        Act::Remove(name) => {
            let path = folder.join(NAMES[*name]);
            if path.symlink_metadata().is_ok_and(|data| data.is_dir()) {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                let _ = std::fs::remove_file(path);
            }
        }
        Act::Link(name) => {
            let path = folder.join(NAMES[*name]);
            make_room(&path);
            symlink("a", path).unwrap();
        }
        Act::Execute(name) => {
            let path = folder.join(NAMES[*name]);
            if path.symlink_metadata().is_ok_and(|data| data.is_file()) {
                std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
            }
        }
        Act::Rename(from, to) => {
            let (from, to) = (folder.join(NAMES[*from]), folder.join(NAMES[*to]));
            if from.symlink_metadata().is_ok_and(|data| !data.is_dir()) && from != to && !to.starts_with(&from) {
                make_room(&to);
                if from.symlink_metadata().is_ok() {
                    std::fs::rename(from, to).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn the_tree_is_what_git_itself_would_add(
        first in prop::collection::vec(act(), 0..12),
        second in prop::collection::vec(act(), 0..12),
    ) {
        let world = World::new();
        std::fs::write(world.repo().join(".gitignore"), "*.log\nlog/\n").unwrap();
        first.iter().for_each(|act| perform(&world.repo(), act));
        world.commit_all("first");
        let mut place = world.place("work");
        second.iter().for_each(|act| perform(place.folder(), act));
        let measured = measure(&world, &place);

        // Git's own word, from an index of its own, with the rules of the base: they are not changed here.
        let index = world.path("truth");
        let truth = |args: &[&str]| {
            let output = common::git_command(place.folder(), args).env("GIT_INDEX_FILE", &index).output().unwrap();
            assert!(output.status.success(), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        truth(&["read-tree", "HEAD"]);
        truth(&["add", "-A"]);
        prop_assert_eq!(measured.change_set.tree.to_string(), truth(&["write-tree"]));
        let status = try_git_in(place.folder(), &["status", "--porcelain=v2", "-uall", "-z", "--no-renames"]).stdout;
        let listed: BTreeSet<&[u8]> = status
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
            .map(|line| match line[0] {
                b'?' => &line[2..],
                _ => line.splitn(9, |byte| *byte == b' ').nth(8).unwrap(),
            })
            .collect();
        let seen: BTreeSet<&[u8]> = measured.change_set.changes.iter().map(|change| change.path.as_bytes()).collect();
        prop_assert_eq!(seen, listed);

        // And a place that was brought to the base again is as new, whatever was done in it.
        let base = world.tree("HEAD");
        place.bring_to(
            &world.open(),
            base,
            &counterfoil_git_delivery::RefSnapshot::default(),
            counterfoil_git_delivery::Leftovers::RemoveAll,
            &BTreeSet::new(),
        ).unwrap();
        let again = place.measure(&world.open(), &MeasureOptions::default()).unwrap();
        prop_assert!(again.change_set.is_empty());
        prop_assert_eq!(git_in(place.folder(), &["status", "--porcelain", "--ignored"]), "");
        prop_assert_eq!(git_in(place.folder(), &["-c", "core.checkStat=minimal", "diff", "HEAD"]), "");
    }
}
