//! What keeps `foil run` from starting anything.

use crate::common::{Said, World};
use crate::world::{TICKET, approved};

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
