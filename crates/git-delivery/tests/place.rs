//! Places: made, brought to a tree whatever happened in them, removed whatever is in them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

mod common;

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;

use common::{World, fingerprint, git_in, path, try_git_in, write_below};
use counterfoil_git_delivery::{Brought, LeftOut, Leftovers, MeasureOptions, Place, PlaceError, RefSnapshot, Strays};
use ledger_core::TreeId;

fn bring(world: &World, place: &mut Place, tree: TreeId) -> Brought {
    place
        .bring_to(
            &world.open(),
            tree,
            &RefSnapshot::default(),
            Leftovers::KeepIgnored,
            &BTreeSet::new(),
        )
        .unwrap()
}

/// Names, kinds, execute bits and contents, without `.git`.
fn contents(folder: &Path) -> Vec<String> {
    fingerprint(folder, &|path| path.starts_with(".git"))
        .into_iter()
        .map(|line| {
            let mut words = line.splitn(5, ' ');
            let (name, mode) = (words.next().unwrap(), words.next().unwrap());
            format!("{name} {mode} {}", words.nth(2).unwrap_or_default())
        })
        .collect()
}

/// The same files as a fresh place of this tree has.
fn assert_is(world: &World, place: &Place, commit: &str) {
    let fresh = world.place_of("fresh", world.commit(commit));
    assert_eq!(contents(place.folder()), contents(fresh.folder()));
    Place::remove(fresh.folder()).unwrap();
    assert_eq!(
        git_in(place.folder(), &["diff-files"]),
        "",
        "the index of the place agrees"
    );
    assert_eq!(git_in(place.folder(), &["ls-files", "--others"]), "");
    let measured = place.measure(&world.open(), &MeasureOptions::default()).unwrap();
    assert_eq!(measured.change_set.tree, place.tree());
}

#[test]
fn git_works_in_a_place_and_leads_nowhere() {
    let world = World::with(&[("a", "1\n"), ("deep/er/b", "2\n"), ("run.sh", "#!/bin/sh\n")]);
    std::fs::set_permissions(world.repo().join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("deep/er/b", world.repo().join("link")).unwrap();
    world.commit_all("second");
    world.git(&["tag", "-a", "-m", "tag", "v1"]);
    world.git(&["remote", "add", "origin", "/nowhere"]);
    world.git(&["config", "alias.evil", "!false"]);
    let repository = world.open();
    let refs = repository.snapshot_refs().unwrap();
    let place = Place::create(&repository, &world.path("work"), world.commit("HEAD"), &refs).unwrap();
    let git = |args: &[&str]| git_in(place.folder(), args);
    assert_eq!(git(&["status", "--porcelain", "--branch"]), "## HEAD (no branch)");
    assert_eq!(git(&["log", "--oneline"]).lines().count(), 2);
    assert_eq!(git(&["describe", "HEAD"]), "v1");
    assert_eq!(
        git(&["branch", "--format=%(refname)", "--list", "main"]),
        "refs/heads/main"
    );
    assert_eq!(git(&["remote"]), "");
    assert!(!try_git_in(place.folder(), &["evil"]).status.success());
    std::fs::write(place.folder().join("a"), "changed\n").unwrap();
    assert!(git(&["diff"]).contains("+changed"));
    assert_eq!(git(&["fsck"]), "");
    assert_eq!(place.folder().join("run.sh").metadata().unwrap().mode() & 0o111, 0o111);
    assert_eq!(
        std::fs::read_link(place.folder().join("link")).unwrap(),
        Path::new("deep/er/b")
    );
}

#[test]
fn alternates_of_the_users_own_and_shallow_clones_work_in_a_place() {
    let world = World::with(&[("a", "1\n")]);
    world.write("a", "2\n");
    world.commit_all("second");
    git_in(world.folder.path(), &["clone", "-q", "--shared", "repo", "one"]);
    git_in(world.folder.path(), &["clone", "-q", "--shared", "one", "two"]);
    let source = format!("file://{}", world.repo().display());
    git_in(world.folder.path(), &["clone", "-q", "--depth=1", &source, "shallow"]);
    for (clone, commits) in [("two", 2), ("shallow", 1)] {
        let repository = counterfoil_git_delivery::Repository::discover(&world.path(clone)).unwrap();
        let base = repository.head().unwrap().commit().unwrap();
        let folder = world.path(&format!("place-{clone}"));
        let place = Place::create(&repository, &folder, base, &RefSnapshot::default()).unwrap();
        assert_eq!(git_in(place.folder(), &["log", "--oneline"]).lines().count(), commits);
        assert_eq!(git_in(place.folder(), &["status", "--porcelain"]), "");
    }
}

#[test]
fn files_are_exactly_what_is_stored_whatever_attributes_say() {
    let world = World::new();
    world.write(".gitattributes", "*.txt text eol=crlf\n*.bin filter=evil\n*.id ident\n");
    world.write("crlf.txt", "a\r\nb\r\n");
    world.write("x.bin", "stored");
    world.write("x.id", "$Id$\n");
    world.git(&["-c", "core.autocrlf=false", "add", "-A"]);
    let canary = world.path("pwned");
    world.commit_all("first");
    world.git(&["config", "core.autocrlf", "true"]);
    world.git(&[
        "config",
        "filter.evil.smudge",
        &format!("touch {}; cat", canary.display()),
    ]);
    world.git(&[
        "config",
        "filter.evil.clean",
        &format!("touch {}; cat", canary.display()),
    ]);
    let place = world.place("work");
    assert_eq!(std::fs::read(place.folder().join("crlf.txt")).unwrap(), b"a\nb\n");
    assert_eq!(std::fs::read(place.folder().join("x.id")).unwrap(), b"$Id$\n");
    assert_eq!(git_in(place.folder(), &["status", "--porcelain"]), "");
    let measured = place.measure(&world.open(), &MeasureOptions::default()).unwrap();
    assert!(measured.change_set.is_empty());
    assert!(!canary.exists());
}

#[test]
fn a_place_is_not_made_over_files_and_not_opened_unfinished() {
    let world = World::with(&[("a", "1")]);
    std::fs::create_dir(world.path("full")).unwrap();
    std::fs::write(world.path("full/x"), "").unwrap();
    let commit = world.commit("HEAD");
    let refused = Place::create(&world.open(), &world.path("full"), commit, &RefSnapshot::default());
    assert!(matches!(refused, Err(PlaceError::NotEmpty { .. })));
    assert!(world.path("full/x").exists());
    assert!(matches!(Place::open(&world.path("full")), Err(PlaceError::Index(_))));
    let place = world.place("work");
    let again = Place::open(&world.path("work")).unwrap();
    assert_eq!((again.base(), again.tree()), (place.base(), place.tree()));
    let index = world.path("work.place");
    let mut bytes = std::fs::read(&index).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&index, bytes).unwrap();
    assert!(matches!(Place::open(&world.path("work")), Err(PlaceError::Index(_))));
}

#[test]
fn a_tree_with_names_that_lead_out_is_refused() {
    let world = World::with(&[("a", "1")]);
    let blob = world.git(&["rev-parse", "HEAD:a"]);
    for name in ["..", ".git", ".GIT", "git~1"] {
        let listing = world.path("listing");
        let mut raw = format!("100644 {name}\0").into_bytes();
        let id: Vec<u8> = (0..20)
            .map(|n| u8::from_str_radix(&blob[2 * n..2 * n + 2], 16).unwrap())
            .collect();
        raw.extend(id);
        std::fs::write(&listing, raw).unwrap();
        let tree = world.git(&[
            "hash-object",
            "--literally",
            "-w",
            "-t",
            "tree",
            listing.to_str().unwrap(),
        ]);
        let commit = world.git(&["commit-tree", "-m", "x", &tree]).parse().unwrap();
        let refused = Place::create(&world.open(), &world.path("bad"), commit, &RefSnapshot::default());
        assert!(
            matches!(refused, Err(PlaceError::ForbiddenName { .. })),
            "{name} {refused:?}"
        );
        Place::remove(&world.path("bad")).unwrap();
    }
}

#[test]
fn a_place_is_brought_to_a_tree_and_caches_stay() {
    let world = World::with(&[
        (".gitignore", "target/\n*.o\n"),
        ("src/a.rs", "1\n"),
        ("src/b.rs", "1\n"),
        ("keep/me", "1\n"),
        ("gone/deep/x", "1\n"),
    ]);
    let base = world.commit("HEAD");
    world.write("src/a.rs", "2\n");
    world.write("src/new/c.rs", "1\n");
    std::fs::remove_dir_all(world.repo().join("gone")).unwrap();
    std::fs::write(world.repo().join(".gitignore"), "nothing\n").unwrap();
    world.commit_all("second");
    let mut place = world.place_of("check", base);
    write_below(place.folder(), "target/debug/cache", "warm");
    write_below(place.folder(), "src/x.o", "warm");
    let kept = place.folder().join("keep/me").metadata().unwrap().mtime_nsec();
    let brought = bring(&world, &mut place, world.tree("HEAD"));
    assert_eq!(
        brought,
        Brought {
            written: 3,
            removed: 1,
            changed: Vec::new()
        }
    );
    assert!(
        place.folder().join("target/debug/cache").exists(),
        "the base's rules say what a cache is"
    );
    assert!(place.folder().join("src/x.o").exists());
    assert!(!place.folder().join("gone").exists());
    assert_eq!(place.folder().join("keep/me").metadata().unwrap().mtime_nsec(), kept);
    let brought = bring(&world, &mut place, world.tree("HEAD"));
    assert_eq!(brought, Brought::default(), "nothing is touched twice");
    let none = BTreeSet::new();
    place
        .bring_to(
            &world.open(),
            world.tree("HEAD"),
            &RefSnapshot::default(),
            Leftovers::RemoveAll,
            &none,
        )
        .unwrap();
    assert_is(&world, &place, "HEAD");
}

#[test]
fn what_differs_from_the_tree_is_told_by_looking_and_by_mending() {
    let world = World::with(&[
        (".gitignore", "cache/\n"),
        ("same", "1\n"),
        ("touched", "1\n"),
        ("odd", "1\n"),
        ("edited", "1\n"),
        ("executable", "1\n"),
        ("linked", "1\n"),
        ("gone/deep", "1\n"),
    ]);
    let mut place = world.place("check");
    let at = |name: &str| place.folder().join(name);
    let look = |place: &Place, leftovers| place.strays(&world.open(), leftovers, &BTreeSet::new()).unwrap();
    assert_eq!(look(&place, Leftovers::RemoveAll), Strays::default());
    let change_mode = |name: &str, mode| {
        std::fs::set_permissions(at(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    std::fs::write(at("touched"), "1\n").unwrap();
    change_mode("odd", 0o600);
    let times = std::fs::metadata(at("edited")).unwrap().modified().unwrap();
    std::fs::write(at("edited"), "2\n").unwrap();
    let edited = std::fs::File::options().write(true).open(at("edited")).unwrap();
    edited.set_modified(times).unwrap();
    change_mode("executable", 0o755);
    std::fs::remove_file(at("linked")).unwrap();
    symlink("same", at("linked")).unwrap();
    std::fs::remove_dir_all(at("gone")).unwrap();
    write_below(place.folder(), "cache/warm", "1\n");
    write_below(place.folder(), "new", "1\n");
    let paths = |paths: &[&str]| paths.iter().map(|name| path(name)).collect::<Vec<_>>();
    let changed = paths(&["edited", "executable", "gone/deep", "linked"]);
    for (leftovers, added) in [
        (Leftovers::KeepIgnored, paths(&["new"])),
        (Leftovers::RemoveAll, paths(&["cache/warm", "new"])),
    ] {
        let changed = changed.clone();
        assert_eq!(look(&place, leftovers), Strays { changed, added });
    }
    let brought = bring(&world, &mut place, world.tree("HEAD"));
    let expected = Brought {
        written: 5,
        removed: 1,
        changed,
    };
    assert_eq!(brought, expected, "odd permissions are mended too");
    assert_eq!(look(&place, Leftovers::KeepIgnored), Strays::default());
}

#[test]
fn code_that_ran_in_a_place_cannot_keep_it_from_its_tree() {
    let world = World::with(&[
        (".gitignore", "*.cache\n"),
        ("a/one", "1\n"),
        ("a/two", "2\n"),
        ("b/three", "3\n"),
        ("c/four", "4\n"),
        ("d", "5\n"),
        ("e/f/g", "6\n"),
        ("exec", "7\n"),
    ]);
    let outside = world.path("outside");
    write_below(&outside, "three", "precious");
    let mut place = world.place("check");
    let at = |name: &str| place.folder().join(name);
    // Contents with restored times, a folder swapped for a link to elsewhere, files for folders and the reverse.
    let times = std::fs::metadata(at("a/one")).unwrap().modified().unwrap();
    std::fs::write(at("a/one"), "X\n").unwrap();
    std::fs::File::options()
        .write(true)
        .open(at("a/one"))
        .unwrap()
        .set_modified(times)
        .unwrap();
    std::fs::remove_dir_all(at("b")).unwrap();
    symlink(&outside, at("b")).unwrap();
    std::fs::remove_dir_all(at("c")).unwrap();
    std::fs::write(at("c"), "file").unwrap();
    std::fs::remove_file(at("d")).unwrap();
    write_below(&at("d"), "deep/x.cache", "in the way");
    std::fs::set_permissions(at("exec"), PermissionsExt::from_mode(0o755)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    write_below(&at("nested/.git"), "config", "[core]\n\tfsmonitor = touch pwned\n");
    write_below(place.folder(), "untracked/deep/file", "x");
    std::fs::create_dir_all(at("empty/er")).unwrap();
    std::fs::set_permissions(at("e/f"), PermissionsExt::from_mode(0o000)).unwrap();
    std::fs::set_permissions(at("a"), PermissionsExt::from_mode(0o555)).unwrap();
    std::fs::remove_dir_all(at(".git")).unwrap();
    symlink(&outside, at(".git")).unwrap();
    bring(&world, &mut place, world.tree("HEAD"));
    assert_eq!(std::fs::read(outside.join("three")).unwrap(), b"precious");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    std::fs::set_permissions(place.folder().join("a"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(place.folder().join("e/f"), PermissionsExt::from_mode(0o755)).unwrap();
    assert_is(&world, &place, "HEAD");
}

#[test]
fn submodules_are_empty_folders_and_stay_so() {
    let world = World::with(&[("a", "1")]);
    let commit = world.commit("HEAD");
    world.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{commit},lib/sub"),
    ]);
    world.git(&["commit", "-q", "-m", "submodule"]);
    let mut place = world.place("check");
    assert!(place.folder().join("lib/sub").is_dir());
    assert!(
        place
            .measure(&world.open(), &MeasureOptions::default())
            .unwrap()
            .change_set
            .is_empty()
    );
    write_below(place.folder(), "lib/sub/hidden", "x");
    bring(&world, &mut place, world.tree("HEAD"));
    assert_eq!(std::fs::read_dir(place.folder().join("lib/sub")).unwrap().count(), 0);
    bring(&world, &mut place, world.tree("HEAD~1"));
    assert!(!place.folder().join("lib").exists());
}

#[test]
fn exempt_files_survive_and_do_not_count() {
    let world = World::with(&[("a", "1")]);
    let mut place = world.place("check");
    write_below(place.folder(), "conf/local.env", "x");
    let exempt = BTreeSet::from([path("conf/local.env")]);
    let options = MeasureOptions {
        exempt: exempt.clone(),
        ..MeasureOptions::default()
    };
    assert!(place.measure(&world.open(), &options).unwrap().change_set.is_empty());
    let tree = place.tree();
    place
        .bring_to(
            &world.open(),
            tree,
            &RefSnapshot::default(),
            Leftovers::RemoveAll,
            &exempt,
        )
        .unwrap();
    assert!(place.folder().join("conf/local.env").exists());
}

#[test]
fn a_place_is_removed_whatever_is_in_it_and_nothing_else() {
    let world = World::with(&[("a/b", "1")]);
    let place = world.place("work");
    let outside = world.path("outside");
    write_below(&outside, "precious", "x");
    symlink(&outside, place.folder().join("link")).unwrap();
    symlink(&outside, place.folder().join("a/link")).unwrap();
    std::fs::set_permissions(place.folder().join("a"), PermissionsExt::from_mode(0o000)).unwrap();
    // Deeper than any path that a system call accepts.
    let mut here = std::fs::File::open(place.folder()).unwrap();
    let name = "d".repeat(200);
    for _ in 0..200 {
        rustix::fs::mkdirat(&here, &name, rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY;
        let next = rustix::fs::openat(&here, &name, flags, rustix::fs::Mode::empty()).unwrap();
        here = std::fs::File::from(next);
    }
    drop(here);
    let measured = place.measure(&world.open(), &MeasureOptions::default()).unwrap();
    assert!(!measured.findings.is_empty(), "what is too deep is told");
    Place::remove(place.folder()).unwrap();
    assert!(!world.path("work").exists());
    assert!(!world.path("work.place").exists());
    assert_eq!(std::fs::read(outside.join("precious")).unwrap(), b"x");
    Place::remove(place.folder()).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(world.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["outside", "repo"]);
}

#[test]
fn a_tracked_file_that_became_endless_is_written_anew_without_being_read() {
    let world = World::with(&[("README", "a\n")]);
    let mut place = world.place("work");
    let readme = place.folder().join("README");
    // A hole costs nothing to make and weeks to read.
    let file = std::fs::File::options().write(true).open(&readme).unwrap();
    file.set_len(8 << 40).unwrap();
    bring(&world, &mut place, world.tree("HEAD"));
    assert_eq!(std::fs::read(&readme).unwrap(), b"a\n");
}

/// Three tickets, of which only the second is written into the place.
fn place_with_one_ticket(world: &World) -> Place {
    let left_out = LeftOut {
        below: path("ledger/tickets"),
        except: BTreeSet::from(["2".to_owned()]),
    };
    let (folder, base) = (world.path("work"), world.commit("HEAD"));
    Place::create_without(&world.open(), &folder, base, &RefSnapshot::default(), &left_out).unwrap()
}

fn world_of_tickets() -> World {
    World::with(&[
        ("a", "1"),
        ("ledger/tickets/README.md", "read"),
        ("ledger/tickets/1/prompt.md", "one"),
        ("ledger/tickets/1/ticket.toml", "title = 1"),
        ("ledger/tickets/2/prompt.md", "two"),
        ("ledger/tickets/3/prompt.md", "three"),
    ])
}

#[test]
fn what_is_left_out_is_not_there_and_no_change() {
    let world = world_of_tickets();
    let place = place_with_one_ticket(&world);
    assert!(place.folder().join("ledger/tickets/2/prompt.md").is_file());
    assert!(place.folder().join("ledger/tickets/README.md").is_file());
    assert!(!place.folder().join("ledger/tickets/1").exists());
    assert_eq!(git_in(place.folder(), &["status", "--porcelain"]), "");
    for place in [&place, &Place::open(place.folder()).unwrap()] {
        let measured = place.measure(&world.open(), &MeasureOptions::default()).unwrap();
        assert_eq!(measured.change_set.tree, world.tree("HEAD"));
        assert_eq!(measured.change_set.changes, []);
    }
}

#[test]
fn whatever_is_put_where_something_is_left_out_is_seen_as_what_it_is() {
    type Attack = fn(&Path);
    let attacks: &[(Attack, &[&str])] = &[
        (|tickets| write_below(tickets, "1/prompt.md", "one"), &[]),
        (
            |tickets| write_below(tickets, "1/prompt.md", "other"),
            &["M ledger/tickets/1/prompt.md"],
        ),
        (
            |tickets| write_below(tickets, "1/new.md", "new"),
            &["A ledger/tickets/1/new.md"],
        ),
        (
            |tickets| write_below(tickets, "1/prompt.md/x", "deep"),
            &["D ledger/tickets/1/prompt.md", "A ledger/tickets/1/prompt.md/x"],
        ),
        (
            |tickets| write_below(tickets, "1", "a file"),
            &[
                "A ledger/tickets/1",
                "D ledger/tickets/1/prompt.md",
                "D ledger/tickets/1/ticket.toml",
            ],
        ),
        (
            |tickets| symlink("2", tickets.join("3")).unwrap(),
            &["A ledger/tickets/3", "D ledger/tickets/3/prompt.md"],
        ),
        (
            |tickets| std::fs::remove_file(tickets.join("2/prompt.md")).unwrap(),
            &["D ledger/tickets/2/prompt.md"],
        ),
    ];
    for (number, (attack, expected)) in attacks.iter().enumerate() {
        let world = world_of_tickets();
        let place = place_with_one_ticket(&world);
        attack(&place.folder().join("ledger/tickets"));
        let keep = MeasureOptions {
            keep: true,
            ..MeasureOptions::default()
        };
        let repository = world.open();
        let set = place.measure(&repository, &keep).unwrap().change_set;
        let seen: Vec<_> = set
            .changes
            .iter()
            .map(|change| {
                let kind = match (change.before, change.after) {
                    (None, _) => 'A',
                    (_, None) => 'D',
                    _ => 'M',
                };
                format!("{kind} {}", change.path)
            })
            .collect();
        assert_eq!(seen, *expected, "attack {number}");
        let differs = repository.tree_changes(world.tree("HEAD"), set.tree).unwrap();
        assert_eq!(differs.len(), expected.len(), "the tree of attack {number}");
    }
}

#[test]
fn a_place_that_nobody_wrote_in_advances_to_exactly_the_next_tree() {
    let world = World::with(&[("a", "1"), ("deep/er/b", "2"), ("gone/c", "3")]);
    let mut place = world.place("check");
    world.write("a", "changed");
    world.write("new/d", "4");
    std::fs::remove_dir_all(world.repo().join("gone")).unwrap();
    world.commit_all("next");
    let tree = world.tree("HEAD");
    place.advance_to(&world.open(), tree, &RefSnapshot::default()).unwrap();
    assert_is(&world, &place, "HEAD");
    assert_eq!(Place::open(place.folder()).unwrap().tree(), tree);
}

#[test]
fn git_reads_the_index_of_a_place_that_shrinks_and_grows() {
    let world = World::with(&[("a", "1")]);
    let small = world.tree("HEAD");
    world.write("many/b", "2");
    world.write("many/c", "3");
    world.commit_all("more");
    let large = world.tree("HEAD");
    let mut place = world.place("check");
    for (tree, files) in [(small, "a"), (large, "a\nmany/b\nmany/c"), (small, "a")] {
        place.advance_to(&world.open(), tree, &RefSnapshot::default()).unwrap();
        assert_eq!(git_in(place.folder(), &["ls-files"]), files);
        assert_eq!(git_in(place.folder(), &["diff-files"]), "");
        // Looks at the sum of the index too.
        git_in(place.folder(), &["fsck", "--no-dangling"]);
    }
}
