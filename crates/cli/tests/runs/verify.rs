//! `foil verify`

use crate::common::World;
use crate::seen;
use crate::world::{TICKET, done, json, run_folder, run_id};

#[test]
fn a_finished_run_matches_what_it_claims() {
    let world = done();
    let said = world.foil(&["verify", TICKET]);
    seen!("verify", said);
    seen!("verify_all", world.foil(&["verify"]));
    let by_run = world.foil(&["verify", &run_id(&world)]);
    assert_eq!(by_run.stdout, said.stdout);
    let document = json(&world.foil(&["verify", "--json"]));
    assert_eq!(document["schema"], "counterfoil.verify/1");
    assert_eq!(document["holds"], true);
    assert_eq!(document["tickets"][0]["ticket"], TICKET);
}

#[test]
fn what_became_of_the_branch_is_information() {
    let world = done();
    world.git(&["branch", "-D", "foil/0001-hello"]);
    let said = world.foil(&["verify", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains("`foil/0001-hello` is gone"), "{said}");
}

#[test]
fn one_changed_byte_of_a_record_differs() {
    let world = done();
    let path = run_folder(&world).join("journal.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let said = world.foil(&["verify"]);
    assert_eq!(said.code, Some(12), "{said}");
    assert!(said.stdout.contains("DIFFERS"), "{said}");
    let document = json(&world.foil(&["verify", "--json"]));
    assert_eq!(document["holds"], false);
}

#[test]
fn a_stored_run_that_was_written_anew_differs() {
    let world = done();
    let name = format!("refs/counterfoil/runs/{TICKET}/{}", run_id(&world));
    let message = world.git(&["log", "-1", "--format=%B", &name]);
    let forged = message.replace("sha256:", "sha256:0");
    let tree = format!("{name}^{{tree}}");
    let commit = world.git(&["commit-tree", "-m", &forged, &tree]);
    world.git(&["update-ref", &name, &commit]);
    let said = world.foil(&["verify", TICKET]);
    assert_eq!(said.code, Some(12), "{said}");
}

#[test]
fn what_never_ran_cannot_be_verified() {
    let world = crate::common::World::initialized();
    seen!("verify_nothing", world.foil(&["verify"]));
    seen!("verify_never_ran", world.foil(&["verify", "0009-x"]));
    assert_eq!(world.foil(&["verify", "../x"]).code, Some(2));
}

/// The ref of the ticket's only run.
fn run_ref(world: &World) -> String {
    format!("refs/counterfoil/runs/{TICKET}/{}", run_id(world))
}

#[track_caller]
fn assert_differs(world: &World, words: &str) {
    let said = world.foil(&["verify", TICKET]);
    assert_eq!(said.code, Some(12), "{said}");
    let line = said.stdout.lines().find(|line| line.contains(words));
    assert!(line.is_some_and(|line| line.contains("DIFFERS")), "{said}");
}

/// Stores the ticket's only run without this file.
fn without(world: &World, file: &str) {
    let name = run_ref(world);
    let listed = world.git(&["ls-tree", &name]);
    let without: Vec<_> = listed.lines().filter(|line| !line.ends_with(file)).collect();
    let list = world.folder().join("list");
    std::fs::write(&list, without.join("\n") + "\n").unwrap();
    let mut mktree = world.command("git");
    let mktree = mktree.arg("mktree").stdin(std::fs::File::open(&list).unwrap());
    let tree = crate::common::said(mktree).stdout;
    let message = world.git(&["log", "-1", "--format=%B", &name]);
    let commit = world.git(&["commit-tree", "-m", &message, tree.trim()]);
    world.git(&["update-ref", &name, &commit]);
    world.git(&["update-ref", &format!("refs/counterfoil/receipts/{TICKET}"), &commit]);
    std::fs::remove_dir_all(run_folder(world)).unwrap();
}

#[test]
fn a_run_that_is_stored_without_a_statement_is_told() {
    let world = done();
    without(&world, "statement.json");
    let said = world.foil(&["verify", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let line = said.stdout.lines().find(|line| line.contains("statement"));
    assert!(
        line.is_some_and(|line| line.contains("what is stored has none")),
        "{said}"
    );
}

#[test]
fn a_finished_run_whose_receipt_is_gone_differs_and_the_rest_is_still_compared() {
    let world = done();
    without(&world, "receipt.json");
    assert_differs(&world, "what is stored of it has none");
    let said = world.foil(&["verify", TICKET]);
    assert!(said.stdout.contains("tree of the change commit"), "{said}");
}

#[test]
fn a_delivery_that_was_forged_as_a_merge_differs() {
    let world = done();
    let change = world.git(&["rev-parse", &format!("foil/{TICKET}^")]);
    let base = world.git(&["rev-parse", "HEAD"]);
    let tree = format!("{change}^{{tree}}");
    let message = world.git(&["log", "-1", "--format=%B", &change]);
    let other = world.git(&["commit-tree", "-m", "Unseen", &tree]);
    let forged = world.git(&["commit-tree", "-p", &base, "-p", &other, "-m", &message, &tree]);
    let name = run_ref(&world);
    let receipt = world.git(&["cat-file", "blob", &format!("{name}:receipt.json")]);
    let file = world.folder().join("receipt");
    std::fs::write(&file, format!("{}\n", receipt.replace(&change, &forged))).unwrap();
    let blob = world.git(&["hash-object", "-w", file.to_str().unwrap()]);
    let listed = world.git(&["ls-tree", &name]);
    let lines: Vec<_> = listed
        .lines()
        .map(|line| match line.ends_with("\treceipt.json") {
            true => format!("100644 blob {blob}\treceipt.json"),
            false => line.to_owned(),
        })
        .collect();
    let list = world.folder().join("list");
    std::fs::write(&list, lines.join("\n") + "\n").unwrap();
    let mut mktree = world.command("git");
    let mktree = mktree.arg("mktree").stdin(std::fs::File::open(&list).unwrap());
    let stored = crate::common::said(mktree).stdout;
    let message = world.git(&["log", "-1", "--format=%B", &name]);
    let commit = world.git(&["commit-tree", "-m", &message, stored.trim()]);
    world.git(&["update-ref", &name, &commit]);
    world.git(&["update-ref", &format!("refs/counterfoil/receipts/{TICKET}"), &commit]);
    std::fs::remove_dir_all(run_folder(&world)).unwrap();
    // What is compared is what the journal delivered, so the forged receipt is found out and its commit counts for nothing.
    assert_differs(&world, "receipt  computed again from the journal");
}

#[test]
fn a_receipt_ref_that_points_elsewhere_differs() {
    let world = done();
    world.git(&["update-ref", &format!("refs/counterfoil/receipts/{TICKET}"), "HEAD"]);
    assert_differs(&world, "stores no such run");
}

/// A clone with nothing of ours but what these patterns of refs bring.
fn clone_with(world: &World, patterns: &[&str]) -> World {
    let clone = World::new();
    let from = world.root();
    let mut fetch = vec!["fetch", "-q", from.to_str().unwrap()];
    fetch.extend(patterns);
    clone.git(&fetch);
    clone
}

#[test]
fn a_receipt_of_a_run_that_is_not_there_differs() {
    const ALL: &str = "refs/counterfoil/*:refs/counterfoil/*";
    const RECEIPTS: &str = "refs/counterfoil/receipts/*:refs/counterfoil/receipts/*";
    const NO_RUN: &str = "and no run that is stored here is that";
    let world = done();
    let whole = clone_with(&world, &["+refs/heads/*:refs/remotes/origin/*", ALL]);
    let said = whole.foil(&["verify"]);
    assert_eq!(said.code, Some(0), "{said}");
    whole.git(&["update-ref", "-d", &run_ref(&world)]);
    let receipts_alone = clone_with(&world, &[RECEIPTS]);
    for clone in [&whole, &receipts_alone] {
        for args in [&["verify"][..], &["verify", TICKET]] {
            let said = clone.foil(args);
            assert_eq!(said.code, Some(12), "{args:?}: {said}");
            assert!(said.stdout.contains(NO_RUN), "{args:?}: {said}");
        }
    }
}

#[test]
fn a_receipt_beside_a_run_that_has_none_differs() {
    let world = crate::world::blocked();
    assert_eq!(world.foil(&["verify"]).code, Some(0));
    world.git(&["update-ref", &format!("refs/counterfoil/receipts/{TICKET}"), "HEAD"]);
    assert_differs(&world, "and no run that is stored here is that");
}

#[test]
fn a_stored_run_whose_ref_is_gone_or_moved_differs_from_its_journal() {
    let world = done();
    let stored = world.git(&["rev-parse", &run_ref(&world)]);
    let tree = world.git(&["rev-parse", &format!("{stored}^{{tree}}")]);
    let message = world.git(&["log", "-1", "--format=%B", &stored]);
    let other = world.git(&["commit-tree", "-m", &message, &tree]);
    world.git(&["update-ref", &run_ref(&world), &other]);
    assert_differs(&world, "and told in");
    world.git(&["update-ref", "-d", &run_ref(&world)]);
    assert_differs(&world, "its ref is gone");
}

#[test]
fn a_run_that_keeps_other_commits_than_its_journal_names_differs_though_its_live_folder_is_gone() {
    let world = done();
    std::fs::remove_dir_all(run_folder(&world)).unwrap_or_default();
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    let anchors = world.git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil/keep/"]);
    let change = anchors.lines().find(|name| name.contains("/change-")).unwrap();
    world.git(&["update-ref", change, "HEAD"]);
    assert_differs(&world, "the journal does not name");
}

#[test]
fn a_live_journal_that_cannot_be_read_differs() {
    let world = done();
    let path = run_folder(&world).join("journal.jsonl");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_differs(&world, "it is there and cannot be read");
}

#[test]
fn a_receipt_is_verified_by_its_ref_and_by_its_file() {
    let world = done();
    let name = format!("refs/counterfoil/receipts/{TICKET}");
    let by_ref = world.foil(&["verify", &name]);
    assert_eq!(by_ref.code, Some(0), "{by_ref}");
    let receipt = world.git(&["cat-file", "blob", &format!("{name}:receipt.json")]);
    world.write("receipt.json", format!("{receipt}\n"));
    let by_file = world.foil(&["verify", "receipt.json"]);
    assert_eq!(by_file.code, Some(0), "{by_file}");
    assert!(by_file.stdout.contains("byte for byte"), "{by_file}");
    // The same in the form of in-toto, byte for byte too.
    let statement = world.git(&["cat-file", "blob", &format!("{name}:statement.json")]);
    world.write("statement.json", format!("{statement}\n"));
    let by_statement = world.foil(&["verify", "statement.json"]);
    assert_eq!(by_statement.code, Some(0), "{by_statement}");
    let parsed: serde_json::Value = serde_json::from_str(&statement).unwrap();
    assert_eq!(parsed["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(
        parsed["predicate"],
        serde_json::from_str::<serde_json::Value>(&receipt).unwrap()
    );
    let commit = world.git(&["rev-parse", &format!("foil/{TICKET}")]);
    assert_eq!(
        parsed["subject"][2],
        serde_json::json!({ "name": format!("refs/heads/foil/{TICKET}"), "digest": { "gitCommit": commit } })
    );
    let forged = statement.replace("\"foil\": \"", "\"foil\": \"1");
    world.write("statement.json", format!("{forged}\n"));
    assert_eq!(world.foil(&["verify", "statement.json"]).code, Some(12));
    // One that is about something else than its receipt is none.
    let other = world.git(&["rev-parse", "HEAD"]);
    world.write("statement.json", statement.replacen(&commit, &other, 1));
    assert_eq!(world.foil(&["verify", "statement.json"]).code, Some(2));
    let forged = receipt.replace("\"foil\": \"", "\"foil\": \"1");
    assert_ne!(forged, receipt);
    world.write("receipt.json", format!("{forged}\n"));
    let forged = world.foil(&["verify", "receipt.json"]);
    assert_eq!(forged.code, Some(12), "{forged}");
    world.write("receipt.json", "{}");
    assert_eq!(world.foil(&["verify", "receipt.json"]).code, Some(2));
    assert_eq!(
        world.foil(&["verify", "refs/counterfoil/receipts/0009-x"]).code,
        Some(1)
    );
}

#[test]
fn a_journal_without_a_whole_line_is_of_a_run_that_never_began_unless_the_run_has_kept_something() {
    let world = done();
    let folder = run_folder(&world);
    let torn = folder.with_file_name("01a1f86a-0613-7821-992d-b2eec5112875");
    std::fs::create_dir(&torn).unwrap();
    std::fs::write(torn.join("journal.jsonl"), "{\"seq\":0").unwrap();
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    assert!(!verified.stdout.contains("01a1f86a"), "{verified}");
    let keep = "refs/counterfoil/keep/01a1f86a-0613-7821-992d-b2eec5112875/base";
    world.git(&["update-ref", keep, "main"]);
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(12), "{verified}");
    assert!(
        verified
            .stdout
            .contains("it has no whole line, and the run has kept `base`"),
        "{verified}"
    );
}
