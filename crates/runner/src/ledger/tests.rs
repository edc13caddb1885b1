use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::beneath::read_beneath;

fn dir() -> RepoPath {
    "ledger".parse().unwrap()
}

fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn listed(ledger: &Ledger<'_>) -> (Vec<String>, Vec<String>) {
    let ids = ledger.ids().iter().map(ToString::to_string).collect();
    let misfits = ledger
        .misfits()
        .iter()
        .map(|misfit| format!("{}: {}", misfit.path, misfit.reason))
        .collect();
    (ids, misfits)
}

#[test]
fn no_folder_is_an_empty_ledger() {
    let root = tempfile::tempdir().unwrap();
    let ledger = Ledger::in_work_tree(root.path(), &dir()).unwrap();
    assert!(!ledger.exists());
    assert_eq!(listed(&ledger), (vec![], vec![]));
}

#[test]
fn tickets_are_listed_in_order_and_what_is_none_is_named() {
    let root = tempfile::tempdir().unwrap();
    for id in ["0002-b", "0001-a", "0001-A", "a b", "x.lock", ".hidden"] {
        fs::create_dir_all(root.path().join("ledger/tickets").join(id)).unwrap();
    }
    write(root.path(), "ledger/tickets/README.md", "");
    symlink("/etc", root.path().join("ledger/tickets/0003-link")).unwrap();
    let ledger = Ledger::in_work_tree(root.path(), &dir()).unwrap();
    insta::assert_debug_snapshot!(listed(&ledger));
}

#[test]
fn a_broken_ticket_does_not_stand_in_the_way_of_others() {
    let root = tempfile::tempdir().unwrap();
    let at = |id: &str| format!("ledger/tickets/{id}/ticket.toml");
    write(root.path(), &at("good"), "title = \"x\"\nmode = \"loop\"\n");
    write(root.path(), &at("key"), "titel = \"x\"\n");
    write(root.path(), &at("empty"), "");
    write(root.path(), &at("binary"), b"\x00\x01");
    write(root.path(), &at("latin"), b"title = \"\xe9\"\n");
    write(root.path(), &at("huge"), vec![b'#'; 3 << 20]);
    fs::create_dir_all(root.path().join("ledger/tickets/missing")).unwrap();
    fs::create_dir_all(root.path().join(at("folder"))).unwrap();
    fs::create_dir_all(root.path().join("ledger/tickets/linked")).unwrap();
    symlink("/etc/passwd", root.path().join(at("linked"))).unwrap();
    rustix::fs::mkfifoat(
        fs::File::open(root.path().join("ledger/tickets/missing")).unwrap(),
        "prompt.md",
        rustix::fs::Mode::RWXU,
    )
    .unwrap();
    let ledger = Ledger::in_work_tree(root.path(), &dir()).unwrap();
    let said = ledger.map(|folder| {
        let ticket = match folder.ticket() {
            Ok(ticket) => ticket.title,
            Err(problem) => problem.to_string(),
        };
        format!("{}: {ticket}", folder.id())
    });
    insta::assert_snapshot!(said.join("\n"));
    let missing = ledger.ticket(&"missing".parse().unwrap()).unwrap();
    assert_eq!(missing.prompt(), Err(FileProblem::NotAFile));
    assert!(missing.has(TicketFileName::Prompt));
    assert_eq!(missing.read(TicketFileName::Approval), Ok(None));
}

#[test]
fn no_symbolic_link_is_followed_on_the_way() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "elsewhere/tickets/a/ticket.toml", "title = \"x\"\n");
    symlink("elsewhere", root.path().join("ledger")).unwrap();
    let error = Ledger::in_work_tree(root.path(), &dir()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`ledger/tickets` is not a folder, and symbolic links are not followed"
    );
    let path: RepoPath = "ledger/tickets/a/ticket.toml".parse().unwrap();
    assert_eq!(read_beneath(root.path(), &path), Err(FileProblem::NotAFile));
}

#[test]
fn two_threads_keep_the_order() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..2 * TWO_THREADS_FROM {
        let path = format!("ledger/tickets/{number:04}/ticket.toml");
        write(root.path(), &path, format!("title = \"{number}\"\nmode = \"loop\"\n"));
    }
    let ledger = Ledger::in_work_tree(root.path(), &dir()).unwrap();
    let titles = ledger.map(|folder| folder.ticket().unwrap().title);
    let expected: Vec<_> = (0..2 * TWO_THREADS_FROM).map(|number| number.to_string()).collect();
    assert_eq!(titles, expected);
}

#[test]
fn no_symbolic_link_of_a_commit_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let world = testkit::repo::TestRepository::new(folder.path().to_str().unwrap());
    let root = world.root();
    write(&root, "elsewhere/ticket.toml", "title = \"x\"\nmode = \"loop\"\n");
    write(&root, "ledger/tickets/0001-a/prompt.md", "Do it.\n");
    symlink(
        "../../../elsewhere/ticket.toml",
        root.join("ledger/tickets/0001-a/ticket.toml"),
    )
    .unwrap();
    symlink("../../elsewhere", root.join("ledger/tickets/0002-b")).unwrap();
    world.commit_all("Links");
    let repository = Repository::discover(&root).unwrap();
    let at_head = || repository.head().unwrap().commit().unwrap();
    let ledger = Ledger::at_commit(&repository, at_head(), &dir()).unwrap();
    let why = "it is a symbolic link, and a ledger is read without following any";
    assert_eq!(
        listed(&ledger),
        (vec!["0001-a".to_owned()], vec![format!("ledger/tickets/0002-b: {why}")])
    );
    let ticket = ledger.ticket(&"0001-a".parse().unwrap()).unwrap();
    assert_eq!(ticket.ticket(), Err(FileProblem::NotAFile));
    let contract = ticket.path(TicketFileName::Ticket);
    assert_eq!(ticket.read_path(&contract), Err(FileProblem::NotAFile));

    for folder in ["ledger/tickets", "ledger"] {
        fs::rename(root.join(folder), root.join("away")).unwrap();
        let up = if folder == "ledger" { "away" } else { "../away" };
        symlink(up, root.join(folder)).unwrap();
        world.commit_all("A linked folder");
        let error = Ledger::at_commit(&repository, at_head(), &dir()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{folder}` is not a folder, and symbolic links are not followed")
        );
        fs::remove_file(root.join(folder)).unwrap();
        fs::rename(root.join("away"), root.join(folder)).unwrap();
    }
}
