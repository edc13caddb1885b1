//! `foil verify`

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
