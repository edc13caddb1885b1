//! Bringing the user's own work tree forward to a commit, and leaving everything else as it is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

mod common;

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use common::{World, fingerprint, git_command, git_in, try_git_in};
use counterfoil_git_delivery::{Begun, FastForwardError, Operation, Repository};
use ledger_core::CommitId;

/// A world on `main`, with a commit on `side` that goes on from it by what `change` does to the work tree.
fn ahead_of(world: World, change: impl FnOnce(&World)) -> (World, CommitId) {
    world.git(&["checkout", "-q", "-b", "side"]);
    change(&world);
    let to = world.commit_all("side");
    world.git(&["checkout", "-q", "main"]);
    (world, to)
}

fn ahead(files: &[(&str, &str)], change: impl FnOnce(&World)) -> (World, CommitId) {
    ahead_of(World::with(files), change)
}

fn room(repository: &Repository) -> PathBuf {
    let room = repository.git_dir().join("counterfoil/here");
    fs::create_dir_all(&room).unwrap();
    room
}

fn bring(repository: &Repository, to: CommitId, begun: Option<Begun<'_>>) -> Result<(), FastForwardError> {
    let room = room(repository);
    let lock = repository.lock_index(&room)?;
    let plan = repository.plan_fast_forward(to, &room, begun)?;
    plan.carry_out(repository, lock, "foil: deliver")?;
    assert_eq!(plan.differing(repository)?, []);
    drop(plan);
    let left: Vec<_> = fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "nothing is left of the work");
    Ok(())
}

fn delivered(world: &World, to: CommitId) {
    bring(&world.open(), to, None).unwrap();
    assert_eq!(world.commit("main"), to);
    world.git(&["fsck", "--strict"]);
}

/// Everything that could be noticed, but for these paths: files with their inodes and times, index, stash, configuration, refs.
fn everything_but(world: &World, paths: &[&str]) -> String {
    let skip = |path: &Path| path.starts_with(".git") || paths.iter().any(|other| path.starts_with(other));
    let not = |path: &&str| format!(":(top,exclude,literal){path}");
    let excluded: Vec<_> = paths.iter().map(not).collect();
    let git = |args: &[&str]| {
        let excluded = excluded.iter().map(String::as_str);
        let args: Vec<_> = args.iter().copied().chain(["--", "."]).chain(excluded).collect();
        let output = git_command(&world.repo(), &args)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    format!(
        "{:#?}\n{}\n{}\n{}\n{}\n{}",
        fingerprint(&world.repo(), &skip),
        git(&["ls-files", "--stage", "-v"]),
        git(&["status", "--porcelain=v2", "-uall", "--no-renames"]),
        world.git(&["stash", "list"]),
        fs::read_to_string(world.repo().join(".git/config")).unwrap(),
        world.git(&["for-each-ref", "--exclude=refs/heads/main"]),
    )
}

/// It is refused, and nothing at all has changed.
fn refused(world: &World, to: CommitId) -> String {
    let all = |world: &World| (everything_but(world, &[]), world.git(&["for-each-ref"]));
    let before = all(world);
    let error = bring(&world.open(), to, None).unwrap_err();
    assert_eq!(all(world), before);
    assert!(!world.repo().join(".git/index.lock").exists());
    let seen = world.open().plan_fast_forward(to, &room(&world.open()), None).map(drop);
    assert_eq!(seen.unwrap_err().to_string(), error.to_string(), "a plan says the same");
    error.to_string()
}

#[test]
fn only_what_differs_is_written_and_every_other_change_of_the_user_stays() {
    let files = [
        ("changed", "1\n"),
        ("deep/er/gone", "1\n"),
        ("run.sh", "#!/bin/sh\n"),
        ("staged", "1\n"),
        ("unstaged", "1\n"),
        ("removed", "1\n"),
        ("unlinked", "1\n"),
        ("assumed", "1\n"),
        ("skipped", "1\n"),
        ("mode", "1\n"),
        ("was-a-file", "changed"),
        ("was-a-link", "x"),
    ];
    let world = World::with(&files);
    fs::remove_file(world.repo().join("was-a-link")).unwrap();
    symlink("changed", world.repo().join("was-a-link")).unwrap();
    world.commit_all("a link");
    let (world, to) = ahead_of(world, |world| {
        world.write("changed", "2\n");
        world.write("new/file", "new\n");
        symlink("../changed", world.repo().join("new/link")).unwrap();
        fs::remove_file(world.repo().join("deep/er/gone")).unwrap();
        fs::set_permissions(world.repo().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    });
    world.write("changed", "stashed\n");
    world.git(&["stash", "-q"]);
    world.write("staged", "2\n");
    world.git(&["add", "staged"]);
    world.write("staged", "3\n");
    world.write("unstaged", "2\n");
    world.git(&["rm", "-q", "--cached", "removed"]);
    fs::remove_file(world.repo().join("unlinked")).unwrap();
    world.git(&["update-index", "--assume-unchanged", "assumed"]);
    world.git(&["update-index", "--skip-worktree", "skipped"]);
    world.write("assumed", "mine\n");
    world.write("skipped", "mine\n");
    fs::set_permissions(world.repo().join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    // Each has the bytes that the other kind has.
    fs::remove_file(world.repo().join("was-a-file")).unwrap();
    symlink("changed", world.repo().join("was-a-file")).unwrap();
    fs::remove_file(world.repo().join("was-a-link")).unwrap();
    world.write("was-a-link", "changed");
    world.write("untracked", "mine\n");
    world.write("intent", "mine\n");
    world.git(&["add", "-N", "intent"]);
    fs::write(world.repo().join(".git/info/exclude"), "ignored\n").unwrap();
    world.write("ignored", "mine\n");
    world.write("new/mine", "mine\n");
    world.write("nested/file", "mine\n");
    git_in(&world.repo().join("nested"), &["init", "-q"]);

    let touched = ["changed", "new/file", "new/link", "deep", "run.sh"];
    let state = |world: &World| {
        let own: Vec<_> = world.open().own_changes().unwrap();
        (everything_but(world, &touched), own)
    };
    let before = state(&world);
    let paths: Vec<_> = before.1.iter().map(|change| change.path.to_string()).collect();
    assert_eq!(
        paths,
        [
            "intent",
            "mode",
            "nested",
            "new/mine",
            "removed",
            "staged",
            "unlinked",
            "unstaged",
            "untracked",
            "was-a-file",
            "was-a-link"
        ]
    );
    delivered(&world, to);
    assert_eq!(state(&world), before);
    let listed: Vec<_> = ["ls-files", "-v", "--", "new", "changed", "run.sh"].to_vec();
    assert_eq!(world.git(&listed), "H changed\nH new/file\nH new/link\nH run.sh");
    assert!(!world.repo().join("deep").exists(), "folders that are empty go");
    assert_eq!(
        fs::read_link(world.repo().join("new/link")).unwrap(),
        Path::new("../changed")
    );
    let mode = fs::metadata(world.repo().join("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert!(world.git(&["reflog", "-1", "main"]).contains("foil: deliver"));
    // Git finds nothing to do for what was written, without comparing it anew.
    assert_eq!(
        world.git(&["diff-files", "--name-only", "--", "new", "changed", "run.sh"]),
        ""
    );
    // A second time there is nothing to do.
    let plan = world.open().plan_fast_forward(to, &room(&world.open()), None).unwrap();
    assert!(plan.is_there());
}

#[test]
fn a_change_of_the_user_at_the_same_path_stops_it_before_anything_is_touched() {
    type Case = (&'static str, fn(&World));
    let cases: [Case; 17] = [
        ("changed", |world| world.write("changed", "mine\n")),
        ("changed", |world| {
            world.write("changed", "2\n");
            world.git(&["add", "changed"]);
        }),
        ("changed", |world| {
            world.write("changed", "mine\n");
            world.git(&["add", "changed"]);
            world.write("changed", "1\n");
        }),
        ("changed", |world| {
            fs::remove_file(world.repo().join("changed")).unwrap()
        }),
        ("changed", |world| {
            world.git(&["update-index", "--assume-unchanged", "changed"]);
            world.write("changed", "mine\n");
        }),
        ("changed", |world| {
            world.git(&["update-index", "--skip-worktree", "changed"]);
            world.write("changed", "mine\n");
        }),
        ("changed", |world| {
            fs::remove_file(world.repo().join("changed")).unwrap();
            symlink("gone", world.repo().join("changed")).unwrap();
        }),
        ("changed", |world| {
            // Same size, and the times that the index knows.
            let path = world.repo().join("changed");
            let old = fs::metadata(&path).unwrap();
            fs::write(&path, "7\n").unwrap();
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_times(fs::FileTimes::new().set_modified(old.modified().unwrap()))
                .unwrap();
        }),
        ("gone/file", |world| {
            world.git(&["rm", "-q", "--cached", "gone/file"]);
        }),
        ("gone/file", |world| {
            fs::set_permissions(world.repo().join("gone/file"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("new", |world| world.write("new", "mine\n")),
        ("new", |world| {
            fs::write(world.repo().join(".git/info/exclude"), "new\n").unwrap();
            world.write("new", "ignored, and mine\n");
        }),
        ("new", |world| {
            world.write("new", "new\n");
            world.git(&["add", "-N", "new"]);
        }),
        ("new", |world| world.write("new/below", "mine\n")),
        ("sub/new", |world| world.write("sub", "a file\n")),
        ("sub/new", |world| {
            fs::create_dir(world.repo().join("sub")).unwrap();
            git_in(&world.repo().join("sub"), &["init", "-q"]);
        }),
        ("sub/new", |world| {
            world.write("sub", "staged alone\n");
            world.git(&["add", "sub"]);
            fs::remove_file(world.repo().join("sub")).unwrap();
        }),
    ];
    for (number, (path, mine)) in cases.into_iter().enumerate() {
        let (world, to) = ahead(&[("changed", "1\n"), ("gone/file", "1\n"), ("kept", "1\n")], |world| {
            world.write("changed", "2\n");
            world.write("new", "new\n");
            world.write("sub/new", "new\n");
            fs::remove_file(world.repo().join("gone/file")).unwrap();
        });
        mine(&world);
        let said = refused(&world, to);
        assert_eq!(
            said,
            format!("changes of yours are in the way: `{path}`"),
            "case {number}"
        );
    }
}

#[test]
fn nothing_is_written_through_a_folder_that_is_a_link_now() {
    let (world, to) = ahead(&[("folder/file", "1\n")], |world| {
        world.write("folder/file", "2\n");
        world.write("folder/new", "new\n");
    });
    let outside = world.path("outside");
    fs::rename(world.repo().join("folder"), &outside).unwrap();
    symlink(&outside, world.repo().join("folder")).unwrap();
    let said = refused(&world, to);
    assert_eq!(said, "changes of yours are in the way: `folder/file`, `folder/new`");
    assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
}

#[test]
fn files_and_folders_take_each_others_place() {
    let files = [("file", "1\n"), ("folder/a", "1\n"), ("folder/b/c", "1\n")];
    let swap = |world: &World| {
        fs::remove_file(world.repo().join("file")).unwrap();
        fs::remove_dir_all(world.repo().join("folder")).unwrap();
        world.write("file/inside", "2\n");
        world.write("folder", "2\n");
    };
    let (world, to) = ahead(&files, swap);
    delivered(&world, to);
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    // Something of the user's in the folder that has to go.
    let (world, to) = ahead(&files, swap);
    world.write("folder/b/mine", "mine\n");
    assert_eq!(refused(&world, to), "changes of yours are in the way: `folder`");
}

#[test]
fn names_of_any_kind_are_delivered() {
    use std::ffi::OsStr;
    let names: [&[u8]; 8] = [
        b"-rf",
        b"new\nline",
        b"inv\xffalid",
        b" -> ",
        b"\"quoted\"",
        b"sp ace/\xc3\xbc",
        b":/magic",
        b"*glob[",
    ];
    let (world, to) = ahead(&[("a", "1\n")], |world| {
        for folder in ["sp ace", ":"] {
            fs::create_dir(world.repo().join(folder)).unwrap();
        }
        for name in names {
            fs::write(world.repo().join(OsStr::from_bytes(name)), "new\n").unwrap();
        }
    });
    world.write("globx", "mine\n");
    delivered(&world, to);
    for name in names {
        assert!(world.repo().join(OsStr::from_bytes(name)).is_file(), "{name:?}");
    }
    assert_eq!(world.git(&["status", "--porcelain"]), "?? globx");
}

#[test]
fn names_that_differ_by_case_are_different_files() {
    let (world, to) = ahead(&[("a", "1\n")], |world| world.write("Readme", "new\n"));
    world.write("README", "mine\n");
    delivered(&world, to);
    assert_eq!(fs::read_to_string(world.repo().join("README")).unwrap(), "mine\n");
    assert_eq!(fs::read_to_string(world.repo().join("Readme")).unwrap(), "new\n");
}

#[test]
fn line_ends_are_written_as_git_writes_them() {
    let world = World::with(&[(".gitattributes", "*.bat text eol=crlf\n"), ("go.bat", "1\n")]);
    fs::remove_file(world.repo().join("go.bat")).unwrap();
    world.git(&["checkout", "-q", "go.bat"]);
    assert_eq!(fs::read(world.repo().join("go.bat")).unwrap(), b"1\r\n");
    let (world, to) = ahead_of(world, |world| {
        world.write("go.bat", "2\r\n");
        world.write("new.bat", "new\r\n");
        // Attributes that come with the commit count for it.
        world.write(".gitattributes", "*.bat text eol=crlf\n*.cmd text eol=crlf\n");
        world.write("new.cmd", "new\r\n");
    });
    delivered(&world, to);
    for (name, content) in [("go.bat", "2\r\n"), ("new.bat", "new\r\n"), ("new.cmd", "new\r\n")] {
        assert_eq!(fs::read_to_string(world.repo().join(name)).unwrap(), content, "{name}");
    }
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    assert_eq!(world.git(&["show", "HEAD:new.cmd"]), "new");
}

#[test]
fn a_filter_is_refused_by_name_and_never_run() {
    for attributes in ["* filter=evil\n", "new filter=evil\n"] {
        let (world, to) = ahead(&[("a", "1\n")], |world| {
            world.write("new", "new\n");
            world.write(".gitattributes", attributes);
        });
        let canary = world.path("canary");
        for kind in ["smudge", "clean", "process"] {
            let key = format!("filter.evil.{kind}");
            world.git(&["config", &key, &format!("touch {}; cat", canary.display())]);
        }
        let said = refused(&world, to);
        assert!(said.ends_with("is made by the filter `evil`"), "{said}");
        assert!(!canary.exists());
    }
}

#[test]
fn hooks_and_monitors_do_not_run() {
    let (world, to) = ahead(&[("a", "1\n")], |world| world.write("a", "2\n"));
    let canary = world.path("canary");
    let hooks = world.repo().join(".git/hooks");
    for name in [
        "post-merge",
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "pre-commit",
    ] {
        let hook = hooks.join(name);
        fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", canary.display())).unwrap();
        fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let monitor = hooks.join("pre-commit").display().to_string();
    world.git(&["config", "core.fsmonitor", &monitor]);
    fs::remove_file(&canary).ok();
    bring(&world.open(), to, None).unwrap();
    assert!(!canary.exists());
}

#[test]
fn a_repository_of_the_users_is_known_again_by_its_commit_and_nothing_of_it_runs() {
    let world = World::with(&[("a", "1\n")]);
    let canary = world.path("canary");
    for path in ["nested", "sub"] {
        world.write(&format!("{path}/file"), "1\n");
        let inside = world.repo().join(path);
        git_in(&inside, &["init", "-q"]);
        for (key, value) in [("user.name", "Ada"), ("user.email", "ada@example.org")] {
            git_in(&inside, &["config", key, value]);
        }
        git_in(&inside, &["add", "--all"]);
        git_in(&inside, &["commit", "-q", "-m", "one"]);
    }
    let linked = git_in(&world.repo().join("sub"), &["rev-parse", "HEAD"]);
    world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{linked},sub")]);
    world.git(&["commit", "-q", "-m", "a submodule"]);
    for path in ["nested", "sub"] {
        let inside = world.repo().join(path);
        let plant = format!("touch {}", canary.display());
        for (key, value) in [("core.fsmonitor", plant.as_str()), ("filter.x.clean", &plant)] {
            git_in(&inside, &["config", key, value]);
        }
        fs::write(inside.join(".gitattributes"), "* filter=x\n").unwrap();
    }
    let own = || -> Vec<_> {
        let own = world.open().own_changes().unwrap().into_iter();
        own.map(|change| (change.path.to_string(), change.identity)).collect()
    };
    // As a commit does, but without a look at the files, which would be theirs to filter.
    let commit = |path: &str| {
        let inside = world.repo().join(path);
        let more = git_in(&inside, &["commit-tree", "-m", "more", "-p", "HEAD", "HEAD^{tree}"]);
        git_in(&inside, &["update-ref", "HEAD", &more]);
    };
    let first = own();
    assert_eq!(
        first.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
        ["nested"]
    );
    commit("sub");
    let second = own();
    assert_eq!((second.len(), &second[0]), (2, &first[0]));
    commit("nested");
    commit("sub");
    let third = own();
    assert_eq!(third.len(), 2);
    assert!(third.iter().all(|change| !second.contains(change)), "{third:?}");
    assert_eq!(own(), third);
    assert!(!canary.exists());
}

#[test]
fn only_a_branch_that_goes_on_is_brought_forward() {
    let (world, to) = ahead(&[("a", "1\n")], |world| world.write("a", "2\n"));
    let first = world.commit("main");
    world.write("b", "own\n");
    world.commit_all("own");
    assert_eq!(
        refused(&world, to),
        format!("`main` has commits of its own: {} does not go on from it", to.short())
    );
    world.git(&["checkout", "-q", "--detach", &first.to_string()]);
    assert_eq!(refused(&world, to), "no branch is checked out");
    world.git(&["checkout", "-q", "--orphan", "fresh"]);
    assert_eq!(refused(&world, to), "`fresh` has no commit yet");
    world.git(&["checkout", "-q", "-f", "-B", "twice", &first.to_string()]);
    world.git(&["worktree", "add", "-q", "-f", "../linked", "twice"]);
    assert_eq!(refused(&world, to), "`twice` is checked out in another work tree too");
    // In a linked work tree it is that one's branch, index and files.
    world.git(&["worktree", "remove", "../linked"]);
    world.git(&["checkout", "-q", "-B", "main", &first.to_string()]);
    world.git(&["worktree", "add", "-q", "-b", "theirs", "../linked", &first.to_string()]);
    let before = everything_but(&world, &[]).replace(&format!("{first} commit\trefs/heads/theirs"), "");
    bring(&Repository::discover(&world.path("linked")).unwrap(), to, None).unwrap();
    assert_eq!(world.commit("theirs"), to);
    assert_eq!(git_in(&world.path("linked"), &["status", "--porcelain"]), "");
    assert_eq!(
        everything_but(&world, &[]).replace(&format!("{to} commit\trefs/heads/theirs"), ""),
        before
    );
}

#[test]
fn what_is_begun_and_not_ended_is_left_alone() {
    let (world, to) = ahead(&[("a", "1\n"), ("b", "1\n")], |world| world.write("a", "2\n"));
    world.git(&["checkout", "-q", "-b", "other"]);
    world.write("b", "other\n");
    world.commit_all("other");
    world.git(&["checkout", "-q", "main"]);
    world.write("b", "mine\n");
    world.git(&["stash", "-q"]);
    world.git(&["merge", "-q", "--no-commit", "--no-ff", "other"]);
    assert_eq!(refused(&world, to), "a merge is in progress");
    world.git(&["merge", "--abort"]);
    world.git(&["checkout", "-q", "other"]);
    assert!(!try_git_in(&world.repo(), &["stash", "pop", "-q"]).status.success());
    let other = world.commit("other");
    world.git(&["update-ref", "refs/heads/base", &world.commit("main").to_string()]);
    let to_other = {
        let tree = world.tree("side");
        let made = world.git(&["commit-tree", &tree.to_string(), "-p", &other.to_string(), "-m", "x"]);
        CommitId(made.parse().unwrap())
    };
    assert_eq!(refused(&world, to_other), "`b` is in a conflict that is not resolved");
    world.git(&["reset", "-q", "--hard"]);
    let interrupted = try_git_in(&world.repo(), &["rebase", "-x", "false", "HEAD~1"]);
    assert!(!interrupted.status.success());
    let error = world
        .open()
        .plan_fast_forward(to, &room(&world.open()), None)
        .unwrap_err();
    let rebasing = FastForwardError::OperationInProgress {
        operation: Operation::Rebase,
    };
    assert_eq!(error.to_string(), rebasing.to_string());
}

#[test]
fn a_lock_of_another_program_is_respected_and_one_of_a_dead_runner_is_known() {
    let (world, to) = ahead(&[("a", "1\n")], |world| world.write("a", "2\n"));
    let lock = world.repo().join(".git/index.lock");
    fs::write(&lock, "theirs").unwrap();
    let error = bring(&world.open(), to, None).unwrap_err();
    assert!(matches!(error, FastForwardError::IndexLocked), "{error}");
    assert_eq!(fs::read_to_string(&lock).unwrap(), "theirs");
    fs::remove_file(&lock).unwrap();
    let repository = world.open();
    std::mem::forget(repository.lock_index(&room(&repository)).unwrap());
    assert!(lock.exists());
    assert!(
        !try_git_in(&world.repo(), &["add", "a"]).status.success(),
        "Git waits for it"
    );
    delivered(&world, to);
}

#[test]
fn submodules_and_sparse_work_trees_are_exact_or_refused_by_name() {
    let world = World::with(&[("a", "1\n")]);
    let linked = world.commit("HEAD").to_string();
    let (world, to) = ahead_of(world, |world| {
        world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{linked},sub")]);
        world.git(&["commit", "-q", "-m", "sub"]);
        fs::create_dir_all(world.repo().join("sub")).unwrap();
    });
    fs::remove_dir(world.repo().join("sub")).ok();
    assert_eq!(refused(&world, to), "`sub` is a submodule, and the commit changes it");

    let files = [("in/a", "1\n"), ("out/b", "1\n"), ("top", "1\n")];
    let sparse = |index: &str, change: fn(&World)| {
        let (world, to) = ahead(&files, change);
        world.git(&["sparse-checkout", "set", "--cone", index, "in"]);
        (world, to)
    };
    for index in ["--no-sparse-index", "--sparse-index"] {
        let (world, to) = sparse(index, |world| {
            world.write("in/a", "2\n");
            world.write("in/new", "new\n");
            world.write("out/b", "2\n");
            world.write("top", "2\n");
        });
        delivered(&world, to);
        assert_eq!(world.git(&["status", "--porcelain"]), "", "{index}");
        let listed = world.git(&["ls-files", "-t"]);
        assert_eq!(listed, "H in/a\nH in/new\nS out/b\nH top", "{index}");
        assert!(!world.repo().join("out").exists());
    }
    let (world, to) = sparse("--no-sparse-index", |world| world.write("elsewhere/new", "new\n"));
    assert_eq!(
        refused(&world, to),
        "the work tree is sparse, and nothing beside `elsewhere/new` tells whether that belongs to it"
    );
}

#[test]
fn indexes_of_every_form_keep_their_other_entries() {
    for odd in [
        &["update-index", "--split-index"][..],
        &["update-index", "--untracked-cache"],
        &["update-index", "--index-version", "4"],
    ] {
        let (world, to) = ahead(&[("a", "1\n"), ("b", "1\n")], |world| world.write("a", "2\n"));
        world.write("b", "2\n");
        world.git(&["add", "b"]);
        world.git(odd);
        let before = everything_but(&world, &["a"]);
        delivered(&world, to);
        assert_eq!(everything_but(&world, &["a"]), before, "{odd:?}");
    }
}

/// Every state that a runner which was killed can leave: each path old or new, the branch or not, with what lies beside.
#[test]
fn whatever_a_killed_runner_left_is_finished() {
    let files = [("a", "1\n"), ("gone", "1\n"), ("f", "1\n"), ("d/x", "1\n")];
    let change = |world: &World| {
        world.write("a", "2\n");
        world.write("new/deep", "new\n");
        fs::remove_file(world.repo().join("gone")).unwrap();
        fs::remove_file(world.repo().join("f")).unwrap();
        world.write("f/inside", "2\n");
        fs::remove_dir_all(world.repo().join("d")).unwrap();
        world.write("d", "2\n");
    };
    let steps: [fn(&World); 6] = [
        |world| fs::remove_file(world.repo().join("gone")).unwrap(),
        |world| fs::remove_file(world.repo().join("f")).unwrap(),
        |world| fs::remove_dir_all(world.repo().join("d")).unwrap(),
        |world| world.write("a", "2\n"),
        |world| {
            world.write("f/inside", "2\n");
            world.write("d", "2\n");
        },
        |world| world.write("new/deep", "new\n"),
    ];
    for killed_after in 0..=steps.len() + 2 {
        let (world, to) = ahead(&files, change);
        let from = world.commit("main");
        world.write("mine", "mine\n");
        for step in steps.iter().take(killed_after) {
            step(&world);
        }
        let short = to.short().to_string();
        if killed_after == 3 {
            world.write(&format!(".foil-{short}.tmp"), "hal");
        }
        if killed_after > steps.len() {
            world.git(&["update-ref", "refs/heads/main", &to.to_string()]);
        }
        if killed_after > steps.len() + 1 {
            world.git(&["read-tree", &to.to_string()]);
        }
        let repository = world.open();
        std::mem::forget(repository.lock_index(&room(&repository)).unwrap());
        let main = "refs/heads/main".parse().unwrap();
        let begun = Begun { branch: &main, from };
        bring(&repository, to, Some(begun)).unwrap_or_else(|error| panic!("{killed_after}: {error}"));
        assert_eq!(world.commit("main"), to);
        assert_eq!(
            world.git(&["status", "--porcelain", "-uall"]),
            "?? mine",
            "{killed_after}"
        );
    }
    // What the user has changed since is still theirs.
    let (world, to) = ahead(&files, change);
    let from = world.commit("main");
    world.write("a", "2\n");
    world.write("gone", "mine\n");
    let main = "refs/heads/main".parse().unwrap();
    let error = bring(&world.open(), to, Some(Begun { branch: &main, from })).unwrap_err();
    assert_eq!(error.to_string(), "changes of yours are in the way: `gone`");
}

#[test]
fn where_the_branch_moves_meanwhile_all_is_taken_back() {
    let (world, to) = ahead(&[("a", "1\n"), ("deep/gone", "1\n")], |world| {
        world.write("a", "2\n");
        world.write("new/er/file", "new\n");
        fs::remove_file(world.repo().join("deep/gone")).unwrap();
    });
    let repository = world.open();
    let room = room(&repository);
    let before = everything_but(&world, &[]);
    let lock = repository.lock_index(&room).unwrap();
    let plan = repository.plan_fast_forward(to, &room, None).unwrap();
    let tree = world.tree("main").to_string();
    let other = world.git(&["commit-tree", &tree, "-p", "main", "-m", "theirs"]);
    world.git(&["update-ref", "refs/heads/main", &other]);
    let error = plan.carry_out(&repository, lock, "x").unwrap_err();
    assert!(matches!(error, FastForwardError::Ref(_)), "{error}");
    assert_eq!(everything_but(&world, &[]), before);
    assert!(!world.repo().join(".git/index.lock").exists());
    // The same for a file that is changed after it was looked at.
    world.git(&["reset", "-q", "--soft", "HEAD~1"]);
    let lock = repository.lock_index(&room).unwrap();
    let plan = repository.plan_fast_forward(to, &room, None).unwrap();
    world.write("a", "mine\n");
    let error = plan.carry_out(&repository, lock, "x").unwrap_err();
    assert_eq!(error.to_string(), "changes of yours are in the way: `a`");
    assert_eq!(world.git(&["status", "--porcelain", "-uall"]), " M a");
}
