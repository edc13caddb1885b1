//! What keeps `foil run` from starting anything.

use crate::common::{Said, World};
use crate::world::{TICKET, approved, done, json, under_way};

/// As in a clone of somebody who trusts nothing yet.
fn forget_trust(world: &World) {
    std::fs::remove_dir_all(world.state_home().join("counterfoil/trust")).unwrap();
}

fn assert_refused_for(said: &Said, code: &str, world: &World) {
    assert_eq!(said.code, Some(11), "{said}");
    let gate = world.foil(&["explain", TICKET, "--json"]);
    assert!(gate.stdout.contains(&format!("\"{code}\"")), "{gate}");
    assert!(!world.root().join(".git/counterfoil/runs").exists());
}

#[test]
fn a_policy_that_is_not_trusted_runs_nothing() {
    let world = approved("role = \"writer\"\n");
    forget_trust(&world);
    let said = world.foil(&["run", TICKET]);
    assert!(said.stderr.contains("not trusted the policy"), "{said}");
    assert_refused_for(&said, "policy_not_trusted", &world);
}

#[test]
fn a_repository_without_a_policy_runs_nothing_before_that_is_trusted() {
    let world = approved("role = \"writer\"\n");
    forget_trust(&world);
    std::fs::remove_file(world.root().join("counterfoil.toml")).unwrap();
    world.commit_all("Without a policy");
    let said = world.foil(&["run", TICKET]);
    assert!(said.stderr.contains("not trusted the policy"), "{said}");
    assert_refused_for(&said, "policy_not_trusted", &world);
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let now = world.foil(&["explain", TICKET, "--json"]);
    assert!(!now.stdout.contains("policy_not_trusted"), "{now}");
}

/// What `foil explain` says of a gate.
fn gate(world: &World, name: &str) -> serde_json::Value {
    let document = json(&world.foil(&["explain", TICKET, "--json"]));
    let gates = document["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["name"] == name).unwrap().clone()
}

#[test]
fn a_ticket_that_another_process_runs_is_claimed() {
    let (world, runner) = under_way();
    let claim = gate(&world, "claim");
    assert_eq!(claim["blocker"]["code"], "claimed_elsewhere", "{claim}");
    let pid = format!("process {}", runner.0.id());
    assert!(claim["detail"].as_str().unwrap().contains(&pid), "{claim}");
}

#[test]
fn a_ticket_is_done_also_where_the_ref_of_its_receipt_is_gone() {
    let world = done();
    world.git(&["update-ref", "-d", &format!("refs/counterfoil/receipts/{TICKET}")]);
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(11));
    let status = json(&world.foil(&["status", TICKET, "--json"]));
    assert!(status.to_string().contains("\"done\""), "{status:#}");
    std::fs::remove_dir_all(world.root().join(".git/counterfoil")).unwrap();
    assert_eq!(
        world.foil(&["run", TICKET]).code,
        Some(11),
        "as in a clone that fetched the refs of runs"
    );
    assert_eq!(world.git(&["branch", "--list", "foil/*"]).lines().count(), 1);
}

#[test]
fn a_receipt_that_cannot_be_read_is_no_leave_to_deliver_twice() {
    let world = done();
    world.git(&["update-ref", &format!("refs/counterfoil/receipts/{TICKET}"), "HEAD"]);
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(12), "{said}");
    assert_eq!(world.git(&["branch", "--list", "foil/*"]).lines().count(), 1);
}

#[test]
fn the_receipt_of_another_ticket_delivers_nothing() {
    let world = done();
    world.ticket("0002-x", crate::common::LOOP);
    world.ticket("0003-y", &format!("depends_on = [\"0002-x\"]\n{}", crate::common::LOOP));
    let said = world.foil(&["approve", "0002-x", "0003-y"]);
    assert_eq!(said.code, Some(0), "{said}");
    let receipt = world.git(&["rev-parse", &format!("refs/counterfoil/receipts/{TICKET}")]);
    world.git(&["update-ref", "refs/counterfoil/receipts/0002-x", &receipt]);
    let branches = world.git(&["branch", "--list"]);
    let said = world.foil(&["run", "0002-x"]);
    assert_eq!(said.code, Some(12), "{said}");
    let status = json(&world.foil(&["status", "0002-x", "--json"]));
    assert_eq!(status["tickets"][0]["state"], "broken", "{status:#}");
    let reason = "the receipt of `0002-x` cannot be used: it is that of `0001-hello`";
    assert_eq!(status["tickets"][0]["reason"], reason, "{status:#}");
    let document = json(&world.foil(&["explain", "0003-y", "--json"]));
    let gates = document["gates"].as_array().unwrap();
    let dependencies = gates.iter().find(|gate| gate["name"] == "dependencies").unwrap();
    assert_eq!(dependencies["verdict"], "unknown", "{document:#}");
    assert_eq!(world.foil(&["run", "0003-y"]).code, Some(11));
    assert_eq!(world.git(&["branch", "--list"]), branches);
    assert!(!world.root().join(".git/counterfoil/runs/0002-x").exists());
}

#[test]
fn a_dependency_that_was_merged_by_a_squash_is_in_the_base() {
    let world = done();
    world.ticket(
        "0002-next",
        &format!("depends_on = [\"{TICKET}\"]\n{}", crate::common::LOOP),
    );
    world.git(&["merge", "--quiet", "--squash", "foil/0001-hello"]);
    world.commit_all("Say hello, squashed");
    assert_eq!(world.foil(&["approve", "0002-next"]).code, Some(0));
    let document = json(&world.foil(&["explain", "0002-next", "--json"]));
    assert_eq!(document["would_run"], true, "{document:#}");
    let workspace = crate::world::workspace(&world);
    let head = workspace.repository().head().unwrap().commit().unwrap();
    let tree = workspace.repository().commit_tree_id(head).unwrap();
    let (dir, id) = ("ledger".parse().unwrap(), TICKET.parse().unwrap());
    let state = runner::dependency_state(workspace.repository(), head, tree, &dir, &id);
    assert_eq!(state, runner::DependencyState::InBase);
}
