//! Discovery, kinds of repositories, and what is read of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "helpers of tests fail loudly too"
)]

mod common;

use std::collections::BTreeMap;

use common::{World, ada, git_in, path, try_git_in};
use counterfoil_git_delivery::{Head, ObjectError, Operation, Repository, RepositoryError, UnsupportedKind};
use ledger_core::{EntryMode, RefName};

fn refused_kind(world: &World) -> UnsupportedKind {
    match Repository::discover(&world.repo()) {
        Err(RepositoryError::Unsupported { kind, .. }) => kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_repository_is_found_from_a_subfolder_and_a_linked_work_tree() {
    let world = World::with(&[("a/b/c", "1")]);
    let from_below = Repository::discover(&world.repo().join("a/b")).unwrap();
    assert_eq!(from_below.work_dir(), world.repo());
    world.git(&["worktree", "add", "-q", "-b", "other", "../linked"]);
    let linked = Repository::discover(&world.path("linked/a")).unwrap();
    assert_eq!(linked.work_dir(), world.path("linked"));
    assert_eq!(linked.common_dir(), world.repo().join(".git").canonicalize().unwrap());
    assert_ne!(linked.git_dir(), linked.common_dir());
    let name = RefName::branch("other").unwrap();
    assert_eq!(
        linked.head().unwrap(),
        Head::Branch {
            name,
            commit: world.commit("HEAD")
        }
    );
}

#[test]
fn a_submodule_is_a_repository_of_its_own() {
    let inner = World::with(&[("x", "1")]);
    let outer = World::with(&[("y", "1")]);
    let from = inner.repo();
    outer.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        from.to_str().unwrap(),
        "sub",
    ]);
    let found = Repository::discover(&outer.repo().join("sub")).unwrap();
    assert_eq!(found.work_dir(), outer.repo().join("sub"));
    assert_eq!(found.head().unwrap().commit(), Some(inner.commit("HEAD")));
}

#[test]
fn no_repository_is_an_error_of_its_own() {
    // Below the target folder, which is itself inside a repository: look outside.
    let error = Repository::discover(std::path::Path::new("/proc")).unwrap_err();
    assert!(matches!(error, RepositoryError::NotARepository { .. }), "{error:?}");
}

#[test]
fn kinds_that_cannot_be_handled_exactly_are_refused_by_name() {
    let bare = World::empty();
    git_in(bare.folder.path(), &["init", "-q", "--bare", "repo"]);
    assert_eq!(refused_kind(&bare), UnsupportedKind::Bare);
    let sha256 = World::empty();
    git_in(sha256.folder.path(), &["init", "-q", "--object-format=sha256", "repo"]);
    assert_eq!(refused_kind(&sha256), UnsupportedKind::Sha256);
    let partial = World::with(&[("a", "1")]);
    partial.git(&["config", "remote.origin.url", "file:///nowhere"]);
    partial.git(&["config", "remote.origin.promisor", "true"]);
    assert_eq!(refused_kind(&partial), UnsupportedKind::PartialClone);
    let future = World::with(&[("a", "1")]);
    future.git(&["config", "core.repositoryFormatVersion", "1"]);
    future.git(&["config", "extensions.timeTravel", "true"]);
    assert_eq!(refused_kind(&future), UnsupportedKind::UnknownExtension);
    let reftable = World::empty();
    if try_git_in(reftable.folder.path(), &["init", "-q", "--ref-format=reftable", "repo"])
        .status
        .success()
    {
        assert_eq!(refused_kind(&reftable), UnsupportedKind::Reftable);
    }
}

#[test]
fn sparse_shallow_and_split_index_repositories_are_allowed() {
    let world = World::with(&[("a/x", "1"), ("b/y", "1")]);
    world.git(&["sparse-checkout", "set", "--sparse-index", "a"]);
    assert!(world.open().head().is_ok());
    let split = World::with(&[("a", "1")]);
    split.git(&["update-index", "--split-index"]);
    assert!(split.open().head().is_ok());
    world.commit_all("second");
    let source = format!("file://{}", world.repo().display());
    git_in(world.folder.path(), &["clone", "-q", "--depth=1", &source, "shallow"]);
    let shallow = Repository::discover(&world.path("shallow")).unwrap();
    assert!(shallow.is_shallow());
    let tip = shallow.head().unwrap().commit().unwrap();
    assert!(shallow.is_ancestor(tip, tip).unwrap());
    let missing = world.commit("HEAD~1");
    assert!(matches!(
        shallow.is_ancestor(missing, tip),
        Err(ObjectError::Missing { .. })
    ));
}

#[test]
fn head_is_a_branch_a_commit_or_unborn() {
    let world = World::new();
    let name = RefName::branch("main").unwrap();
    assert_eq!(world.open().head().unwrap(), Head::Unborn { name: name.clone() });
    let commit = world.commit_all("first");
    assert_eq!(world.open().head().unwrap(), Head::Branch { name, commit });
    world.git(&["checkout", "-q", "--detach"]);
    assert_eq!(world.open().head().unwrap(), Head::Detached { commit });
}

#[test]
fn an_operation_in_progress_is_reported() {
    let world = World::with(&[("a", "1\n")]);
    assert_eq!(world.open().operation_in_progress(), None);
    world.git(&["checkout", "-q", "-b", "side"]);
    world.write("a", "2\n");
    let side = world.commit_all("side");
    world.git(&["checkout", "-q", "main"]);
    world.write("a", "3\n");
    world.commit_all("main");
    let side = side.to_string();
    for (command, operation) in [
        ("merge", Operation::Merge),
        ("cherry-pick", Operation::CherryPick),
        ("revert", Operation::Revert),
        ("rebase", Operation::Rebase),
    ] {
        assert!(
            !try_git_in(&world.repo(), &[command, &side]).status.success(),
            "{command}"
        );
        assert_eq!(world.open().operation_in_progress(), Some(operation));
        world.git(&[command, "--abort"]);
    }
    world.git(&["bisect", "start"]);
    assert_eq!(world.open().operation_in_progress(), Some(Operation::Bisect));
}

#[test]
fn remotes_and_upstreams_are_read_as_git_reads_them() {
    let world = World::with(&[("a", "1")]);
    world.git(&["config", "url.https://example.org/.insteadOf", "ex:"]);
    world.git(&["remote", "add", "origin", "ex:team/app.git"]);
    world.git(&["config", "remote.origin.pushurl", "ssh://git@example.org/team/app.git"]);
    let commit = world.commit("HEAD");
    world.git(&["update-ref", "refs/remotes/origin/trunk", "HEAD"]);
    world.git(&["branch", "--set-upstream-to=origin/trunk"]);
    let repository = world.open();
    let remotes = repository.remotes().unwrap();
    assert_eq!(remotes.len(), 1);
    assert_eq!(
        remotes[0].fetch_url.as_deref(),
        Some("https://example.org/team/app.git")
    );
    assert_eq!(remotes[0].push_urls, ["ssh://git@example.org/team/app.git"]);
    let upstream = repository
        .upstream_of(&RefName::branch("main").unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(upstream.remote, "origin");
    assert_eq!(upstream.remote_ref.as_str(), "refs/heads/trunk");
    assert_eq!(upstream.tracking.as_str(), "refs/remotes/origin/trunk");
    assert_eq!(upstream.commit, Some(commit));
    assert_eq!(repository.upstream_of(&RefName::branch("none").unwrap()).unwrap(), None);
}

#[test]
fn identity_is_what_git_would_commit_with() {
    let world = World::with(&[("a", "1")]);
    let identity = world.open().identity().unwrap();
    assert_eq!((identity.author, identity.committer), (ada(), ada()));
}

#[test]
fn trees_and_files_are_read() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with(&[("a.b", "1"), ("a/x", "22"), ("a/deep/y", "3"), ("run", "#!")]);
    std::os::unix::fs::symlink("a/x", world.repo().join("link")).unwrap();
    std::fs::set_permissions(world.repo().join("run"), PermissionsExt::from_mode(0o755)).unwrap();
    let commit = world.commit_all("second");
    let repository = world.open();
    let tree = repository.commit_tree_id(commit).unwrap();
    assert_eq!(tree, world.tree("HEAD"));
    let listed: BTreeMap<String, EntryMode> = repository
        .list_tree(tree, None)
        .unwrap()
        .into_iter()
        .map(|entry| (entry.path.to_string(), entry.side.mode))
        .collect();
    let names: Vec<&str> = listed.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.b", "a/deep/y", "a/x", "link", "run"]);
    assert_eq!(listed["link"], EntryMode::Symlink);
    assert_eq!(listed["run"], EntryMode::Executable);
    assert_eq!(repository.list_tree(tree, Some(&path("a/deep"))).unwrap().len(), 1);
    assert_eq!(repository.list_tree(tree, Some(&path("nowhere"))).unwrap(), []);
    assert_eq!(
        repository.read_file_at(commit, &path("a/x"), 10).unwrap(),
        Some(b"22".to_vec())
    );
    assert_eq!(repository.read_file_at(commit, &path("link"), 10).unwrap(), None);
    assert_eq!(repository.read_file_at(commit, &path("a"), 10).unwrap(), None);
    let error = repository.read_file_at(commit, &path("a/x"), 1).unwrap_err();
    assert!(matches!(error, ObjectError::TooLarge { size: 2, limit: 1, .. }));
    assert_eq!(repository.commit_parents(commit).unwrap(), [world.commit("HEAD~1")]);
    assert!(repository.is_ancestor(world.commit("HEAD~1"), commit).unwrap());
    assert!(!repository.is_ancestor(commit, world.commit("HEAD~1")).unwrap());
    assert!(matches!(
        repository.read_blob(ledger_core::BlobId(commit.0), 1000),
        Err(ObjectError::WrongKind { .. })
    ));
}

#[test]
fn replaced_objects_are_not_honoured() {
    let world = World::with(&[("a", "1")]);
    let first = world.commit("HEAD");
    world.write("a", "2");
    let second = world.commit_all("second");
    world.git(&["replace", &first.to_string(), &second.to_string()]);
    let repository = world.open();
    assert_eq!(
        repository.read_file_at(first, &path("a"), 10).unwrap(),
        Some(b"1".to_vec())
    );
}
