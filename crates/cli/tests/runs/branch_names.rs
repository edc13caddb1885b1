//! Delivery beside the branches that exist: none of them is ever moved.

use serde_json::json;

use crate::common::World;
use crate::snapshot::Snapshot;
use crate::world::{TICKET, WRITER, approved, json as json_of};

/// The branches with what they point at.
fn branches(world: &World) -> Vec<String> {
    let listed = world.git(&["for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads"]);
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn a_branch_of_the_same_name_is_left_alone_and_the_delivery_gets_the_next_free_name() {
    let world = approved(WRITER);
    world.git(&["branch", "foil/0001-hello"]);
    world.git(&["branch", "foil/0001-hello-2"]);
    world.git(&["pack-refs", "--include", "refs/heads/foil/0001-hello-2"]);
    let before = branches(&world);
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(json_of(&said)["runs"][0]["packet"]["branch"], "foil/0001-hello-3");
    let delivered = world.git(&["rev-parse", "foil/0001-hello-3"]);
    let mut after = before;
    after.insert(2, format!("foil/0001-hello-3 {delivered}"));
    assert_eq!(branches(&world), after);
    let status = json_of(&world.foil(&["status", TICKET, "--json"]))["tickets"][0].clone();
    assert_eq!(status["branch"], "foil/0001-hello-3");
    assert_eq!(status["commit"], delivered.as_str());
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

/// A name that cannot be there beside this branch stops the run, which goes on once the branch is out of the way.
fn assert_in_the_way(branch: &str, packed: bool) {
    let world = approved(WRITER);
    world.git(&["branch", branch]);
    if packed {
        world.git(&["pack-refs", "--all"]);
    }
    let before = Snapshot::of(&world.root(), &world.git(&["for-each-ref"]));
    let refs = branches(&world);
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(10), "{said}");
    let blocker = json_of(&said)["runs"][0]["packet"]["blocker"].clone();
    let hint = "give the branch in the way another name (`git branch -m`), or leave it where it is checked out; \
                `foil run 0001-hello` goes on";
    assert_eq!(
        blocker,
        json!({
            "code": "branch_name_taken",
            "reason": format!("`refs/heads/foil/0001-hello` cannot exist beside `refs/heads/{branch}`"),
            "next_step": hint,
            "resumable": true,
        })
    );
    assert_eq!(branches(&world), refs);
    before.assert_same_as(&Snapshot::of(&world.root(), &world.git(&["for-each-ref"])));

    world.git(&["branch", "-m", branch, "elsewhere"]);
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    let run = json_of(&said)["runs"][0].clone();
    assert_eq!(
        (&run["taken_up"], &run["packet"]["branch"]),
        (&true.into(), &"foil/0001-hello".into())
    );
    assert_eq!(run["packet"]["iterations"], 1, "the work is not done twice");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_branch_that_is_called_like_the_folder_of_branches_is_in_the_way() {
    assert_in_the_way("foil", false);
    assert_in_the_way("foil", true);
}

#[test]
fn a_branch_below_the_name_is_in_the_way() {
    assert_in_the_way("foil/0001-hello/more", false);
    assert_in_the_way("foil/0001-hello/more", true);
}

#[test]
fn two_tickets_whose_ids_begin_alike_have_branches_and_records_of_their_own() {
    const MORE: &str = "0001-hello-2";
    let world = approved(WRITER);
    world.ticket(MORE, crate::world::CONTRACT);
    world.commit_all("Another ticket");
    assert_eq!(world.foil(&["approve", MORE]).code, Some(0));
    world.git(&["branch", "foil/0001-hello"]);
    // The second choice of the one is the first choice of the other.
    for (id, branch) in [(TICKET, "foil/0001-hello-2"), (MORE, "foil/0001-hello-2-2")] {
        let said = world.foil(&["run", id, "--json"]);
        assert_eq!(said.code, Some(0), "{said}");
        assert_eq!(json_of(&said)["runs"][0]["packet"]["branch"], branch);
    }
    for (id, branch) in [(TICKET, "foil/0001-hello-2"), (MORE, "foil/0001-hello-2-2")] {
        assert_has_its_own(&world, id, branch);
    }
}

#[test]
fn tickets_whose_ids_end_alike_have_branches_and_records_of_their_own() {
    let world = approved(WRITER);
    let ids = [TICKET, "hello", "0009-zzhello"];
    for id in &ids[1..] {
        world.ticket(id, crate::world::CONTRACT);
    }
    world.commit_all("More tickets");
    for id in &ids[1..] {
        assert_eq!(world.foil(&["approve", id]).code, Some(0));
    }
    // Each is run where the others are not delivered yet, and the one whose id all of them end with in between.
    for id in ids {
        let said = world.foil(&["run", id, "--json"]);
        assert_eq!(said.code, Some(0), "{said}");
        let runs = json_of(&said)["runs"].clone();
        assert_eq!(runs.as_array().unwrap().len(), 1, "{said}");
        assert_eq!(
            (&runs[0]["ticket"], &runs[0]["packet"]["branch"]),
            (&id.into(), &format!("foil/{id}").into())
        );
    }
    for id in ids {
        assert_has_its_own(&world, id, &format!("foil/{id}"));
    }
}

/// What is delivered, recorded and shown of this ticket is about no other one.
fn assert_has_its_own(world: &World, id: &str, branch: &str) {
    let delivered = world.git(&["rev-parse", branch]);
    let status = json_of(&world.foil(&["status", id, "--json"]))["tickets"].clone();
    assert_eq!(status.as_array().unwrap().len(), 1);
    assert_eq!(
        (&status[0]["id"], &status[0]["branch"], &status[0]["commit"]),
        (&id.into(), &branch.into(), &delivered.as_str().into())
    );
    for commit in [branch.to_owned(), format!("{branch}^")] {
        let trailer = "--format=%(trailers:key=Counterfoil-Ticket,valueonly)";
        assert_eq!(world.git(&["log", "-1", trailer, &commit]).trim(), id);
    }
    let changed = world.git(&["diff", "--name-only", &format!("{branch}^"), branch]);
    let folder = format!("ledger/tickets/{id}/");
    assert!(changed.lines().all(|path| path.starts_with(&folder)), "{changed}");
    let receipt = world.git(&[
        "cat-file",
        "blob",
        &format!("refs/counterfoil/receipts/{id}:receipt.json"),
    ]);
    let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(receipt["ticket"], id);
    let verified = json_of(&world.foil(&["verify", id, "--json"]));
    assert_eq!(world.foil(&["verify", id]).code, Some(0), "{verified:#}");
    let events = world.foil(&["events", id, "--json"]);
    assert_eq!(events.code, Some(0));
    let first: serde_json::Value = serde_json::from_str(events.stdout.lines().next().unwrap()).unwrap();
    assert!(first.to_string().contains(&format!("\"ticket\":\"{id}\"")), "{first:#}");
    let runs = world.root().join(".git/counterfoil/runs").join(id);
    assert_eq!(std::fs::read_dir(runs).unwrap().count(), 1);
}
