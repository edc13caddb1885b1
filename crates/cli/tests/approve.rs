//! `foil approve` and `foil cancel`: consent to exactly these bytes, committed without touching anything else.

mod common;

use common::{LOOP, World};
use ledger_core::{Approval, Cancellation, Digest};

#[expect(clippy::unwrap_used, reason = "an approval that cannot be read is a failed test")]
fn approval(world: &World, id: &str) -> Approval {
    Approval::parse(world.read(&format!("ledger/tickets/{id}/approval.toml")).as_bytes()).unwrap()
}

#[test]
fn an_approval_covers_the_bytes_that_are_committed() {
    let world = World::initialized();
    world.ticket(
        "0001-a",
        "title = \"A\"\nmode = \"standard\"\n[scope]\nallowed = [\"src/**\"]\nforbidden = [\"src/old/**\"]\n\
         [[check]]\nname = \"extra\"\nargv = [\"true\"]\n[specs]\ndesign = \"docs/a.md\"\n\
         [grants]\nnetwork = true\ndependencies = [\"serde\"]\n",
    );
    world.write("docs/a.md", "design\n");
    world.write("ledger/tickets/0001-a/plan.md", "plan\n");
    snapshot!("approve_human", world.foil(&["approve", "0001-a"]));
    let approval = approval(&world, "0001-a");
    assert_eq!(approval.by, "Ada <ada@example.org>");
    let files: Vec<_> = approval.file.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(
        files,
        [
            "ledger/tickets/0001-a/ticket.toml",
            "ledger/tickets/0001-a/prompt.md",
            "ledger/tickets/0001-a/plan.md",
            "docs/a.md"
        ]
    );
    for file in &approval.file {
        let committed = world.git(&["rev-parse", &format!("HEAD:{}", file.path)]);
        assert_eq!(committed, file.blob.to_string());
        assert_eq!(Digest::of(world.read(&file.path.to_string())), file.sha256);
    }
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    assert!(
        world
            .foil(&["status", "0001-a", "--json"])
            .stdout
            .contains("\"state\": \"ready\"")
    );
    assert_eq!(world.foil(&["check", "--schema"]).code, Some(0));
}

#[test]
fn only_the_ticket_and_its_approval_are_committed() {
    let world = World::initialized();
    world.write("tracked", "one\n");
    world.commit_all("tracked");
    world.ticket("0001-a", LOOP);
    world.write("tracked", "two\n");
    world.write("staged", "new\n");
    world.git(&["add", "staged"]);
    world.write("untracked", "u\n");
    assert_eq!(world.foil(&["approve", "0001-a"]).code, Some(0));
    assert_eq!(
        world.git(&["show", "--name-status", "--format=%an <%ae>%n%s", "HEAD"]),
        "Ada <ada@example.org>\nApprove ticket 0001-a\n\n\
         A\tledger/tickets/0001-a/approval.toml\nA\tledger/tickets/0001-a/prompt.md\n\
         A\tledger/tickets/0001-a/ticket.toml"
    );
    assert_eq!(
        world.git(&["status", "--porcelain"]),
        "A  staged\n M tracked\n?? untracked"
    );
}

#[test]
fn approving_again_does_nothing_until_a_byte_changes() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    snapshot!("approve_json", world.foil(&["approve", "0001-a", "--json"]));
    let before = world.observed();
    let said = world.foil(&["approve", "0001-a", "--json"]);
    assert!(
        said.stdout.contains("\"already\": true") && said.stdout.contains("\"written\": []"),
        "{said}"
    );
    assert_eq!(world.observed(), before);
    world.write("ledger/tickets/0001-a/prompt.md", "Do it!\n");
    assert!(
        world
            .foil(&["status", "--json"])
            .stdout
            .contains("\"state\": \"stale\"")
    );
    assert_eq!(world.foil(&["approve", "0001-a"]).code, Some(0));
    assert!(
        world
            .foil(&["status", "--json"])
            .stdout
            .contains("\"state\": \"ready\"")
    );
}

#[test]
fn an_approval_for_another_repository_does_not_count() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.foil(&["approve", "0001-a"]);
    world.git(&["remote", "add", "origin", "https://example.org/ada/x.git"]);
    snapshot!(world.foil(&["status", "0001-a"]));
}

#[test]
fn without_a_commit_only_the_file_is_written() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    let head = world.git(&["rev-parse", "HEAD"]);
    let said = world.foil(&["approve", "0001-a", "--no-commit"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(approval(&world, "0001-a").file.len(), 2);
    // Committing what is approved already is still to do.
    assert_eq!(world.foil(&["approve", "0001-a"]).code, Some(0));
    assert_eq!(world.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_branch_without_a_commit_gets_its_first() {
    let world = World::new();
    world.foil(&["init", "--quiet"]);
    world.ticket("0001-a", LOOP);
    assert_eq!(world.foil(&["approve", "0001-a"]).code, Some(0));
    assert_eq!(world.git(&["rev-list", "--count", "HEAD"]), "1");
}

#[test]
fn what_is_not_fit_is_refused_and_nothing_is_changed() {
    let world = World::initialized();
    world.foil(&["new", "Draft"]);
    world.ticket("broken", "titel = \"x\"\n");
    world.ticket("no-prompt", LOOP);
    std::fs::remove_file(world.root().join("ledger/tickets/no-prompt/prompt.md")).unwrap();
    world.ticket("canceled", LOOP);
    world.ticket("done", LOOP);
    world.write("ledger/tickets/done/result.md", "done\n");
    world.ticket("spec", &format!("{LOOP}[specs]\ndesign = \"docs/none.md\"\n"));
    world.foil(&["cancel", "canceled"]);
    let before = world.observed();
    let mut all = String::new();
    for name in [
        "0001-draft",
        "broken",
        "no-prompt",
        "canceled",
        "done",
        "spec",
        "brokn",
        "../etc",
    ] {
        all.push_str(&format!("$ foil approve {name}\n{}\n", world.foil(&["approve", name])));
    }
    snapshot!(all);
    assert_eq!(world.observed(), before);
}

#[test]
fn an_unfinished_operation_is_left_alone() {
    let world = World::initialized();
    world.write("file", "base\n");
    world.commit_all("base");
    world.git(&["switch", "-q", "-c", "other"]);
    world.write("file", "other\n");
    world.commit_all("other");
    world.git(&["switch", "-q", "main"]);
    world.write("file", "main\n");
    world.commit_all("main");
    world.ticket("0001-a", LOOP);
    assert!(!world.try_git(&["merge", "other"]).status.success());
    let before = world.observed();
    let mut all = world.foil(&["approve", "0001-a"]).to_string();
    all.push_str(&world.foil(&["cancel", "0001-a"]).to_string());
    assert_eq!(world.observed(), before);
    world.git(&["merge", "--abort"]);
    world.git(&["switch", "-q", "--detach"]);
    let before = world.observed();
    all.push_str(&world.foil(&["approve", "0001-a"]).to_string());
    assert_eq!(world.observed(), before);
    world.git(&["switch", "-q", "main"]);
    world.write("ledger/tickets/0001-a/prompt.md", "Staged.\n");
    world.git(&["add", "ledger/tickets/0001-a/prompt.md"]);
    world.write("ledger/tickets/0001-a/prompt.md", "Not staged.\n");
    let before = world.observed();
    all.push_str(&world.foil(&["approve", "0001-a"]).to_string());
    assert_eq!(world.observed(), before);
    snapshot!(all);
}

#[test]
fn somebody_without_a_name_cannot_approve() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.git(&["config", "--unset", "user.name"]);
    world.git(&["config", "--unset", "user.email"]);
    world.git(&["config", "user.useConfigOnly", "true"]);
    let before = world.observed();
    snapshot!(world.foil(&["approve", "0001-a"]));
    assert_eq!(world.observed(), before);
}

#[test]
fn canceling_closes_a_ticket_and_says_why() {
    let world = World::initialized();
    world.ticket("0001-a", LOOP);
    world.commit_all("ticket");
    snapshot!(
        "cancel_human",
        world.foil(&["cancel", "0001-a", "--because", "done by hand"])
    );
    let file = Cancellation::parse(world.read("ledger/tickets/0001-a/canceled.toml").as_bytes()).unwrap();
    assert_eq!(
        (file.by.as_str(), file.reason.as_str()),
        ("Ada <ada@example.org>", "done by hand")
    );
    assert_eq!(
        world.git(&["show", "--name-only", "--format=%s", "HEAD"]),
        "Cancel ticket 0001-a\n\nledger/tickets/0001-a/canceled.toml"
    );
    let before = world.observed();
    snapshot!("cancel_again", world.foil(&["cancel", "0001-a", "--json"]));
    snapshot!("cancel_unknown", world.foil(&["cancel", "0001-b"]));
    assert_eq!(world.observed(), before);
}
