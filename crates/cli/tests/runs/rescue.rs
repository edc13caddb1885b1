//! `foil run --from-rescue`

use std::path::PathBuf;

use crate::common::{Said, World};
use crate::seen;
use crate::world::{TICKET, approved, blocked, done, json, run_id, under_way};

const BRANCH: &str = "foil/0001-hello";

/// What makes of the file that [`blocked`] left what the ticket asks for.
const MENDS: &str = "[[step]]\ndo = \"rename\"\npath = \"elsewhere.txt\"\nto = \"hello.txt\"\n\
    [[step]]\ndo = \"append\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n";

/// What adds what the ticket asks for.
const ADDS: &str = "[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n";

/// From now on the worker does this.
fn worker_does(world: &World, steps: &str) {
    let script = format!("role = \"writer\"\n{steps}[answer]\nreport = {{ summary = \"went on\" }}\n");
    std::fs::write(world.folder().join("scripts/writer.toml"), script).unwrap();
}

fn rescue(world: &World) -> Said {
    world.foil(&["run", "--from-rescue", TICKET])
}

fn runs(world: &World) -> Vec<PathBuf> {
    let folder = world.root().join(".git/counterfoil/runs").join(TICKET);
    let entries = std::fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().path()).collect());
    let mut runs: Vec<PathBuf> = entries.unwrap_or_default();
    runs.sort();
    runs
}

/// Widens what the ticket allows to the file that [`blocked`] left, and approves that.
fn widen(world: &World) {
    let path = format!("ledger/tickets/{TICKET}/ticket.toml");
    let contract = world
        .read(&path)
        .replace("\"hello.txt\"", "\"hello.txt\", \"elsewhere.txt\"");
    world.write(&path, contract);
    let said = world.foil(&["approve", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
}

/// Refused, and nothing was changed.
#[track_caller]
fn assert_refused(world: &World, words: &str) {
    let (runs_before, refs) = (runs(world), world.git(&["for-each-ref"]));
    let said = rescue(world);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains(words), "{said}");
    assert_eq!((runs(world), world.git(&["for-each-ref"])), (runs_before, refs));
}

/// The code that the latest run stopped with.
fn blocked_with(said: &Said) -> String {
    let document = json(said);
    document["runs"][0]["packet"]["blocker"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_new_run_begins_with_what_the_last_one_left() {
    let world = blocked();
    let left = run_id(&world);
    seen!("rescue_status", world.foil(&["status", TICKET]));
    let explained = world.foil(&["explain", TICKET]).stdout;
    assert!(
        explained.contains(&format!("`foil run --from-rescue {TICKET}` begins with it")),
        "{explained}"
    );
    worker_does(&world, MENDS);

    let said = rescue(&world);

    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(
        world.git(&["show", &format!("{BRANCH}:hello.txt")]),
        "worth keeping\nhello"
    );
    assert_eq!(world.git(&["ls-tree", "--name-only", BRANCH, "elsewhere.txt"]), "");
    let record = world.git(&["show", &format!("{BRANCH}:ledger/tickets/{TICKET}/result.md")]);
    assert!(record.contains(&format!("\nrescued: {left}\n")), "{record}");
    let events = world.foil(&["events", TICKET]).stdout;
    assert!(events.contains(&format!("with what run {left} left")), "{events}");
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    assert!(
        verified.stdout.contains(&format!("the change that run {left} left")),
        "{verified}"
    );
}

#[test]
fn what_was_left_is_carried_to_a_base_that_changed_elsewhere() {
    let world = blocked();
    world.write("README", "what somebody else wrote\n");
    world.commit_all("Read me");
    widen(&world);
    worker_does(&world, ADDS);
    let said = rescue(&world);
    assert_eq!(said.code, Some(0), "{said}");
    let change = world.git(&["diff", "--name-only", "HEAD", &format!("{BRANCH}^")]);
    assert_eq!(
        change, "elsewhere.txt\nhello.txt",
        "nothing of somebody else's is undone"
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_base_that_changed_in_the_same_file_is_refused() {
    let world = blocked();
    world.write("elsewhere.txt", "what somebody else wrote\n");
    world.commit_all("Elsewhere");
    seen!("rescue_base_changed", rescue(&world));
    assert_refused(&world, "which changed in `elsewhere.txt`");
}

#[test]
fn a_ticket_that_left_nothing_is_refused() {
    let world = approved(&format!(
        "role = \"writer\"\n{ADDS}[answer]\nreport = {{ summary = \"x\" }}\n"
    ));
    assert_refused(&world, "no earlier run of `0001-hello` in this clone left work");
    worker_does(&world, "");
    assert_eq!(world.foil(&["run", TICKET]).code, Some(10), "no_changes");
    assert_refused(&world, "left work");
}

#[test]
fn a_run_that_is_not_over_is_not_rescued() {
    let (world, mut runner) = under_way();
    runner.0.kill().unwrap();
    runner.0.wait().unwrap();
    let said = rescue(&world);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(said.stderr.contains("is not over"), "{said}");
    assert_eq!(runs(&world).len(), 1);
    assert_eq!(rescue(&done()).code, Some(11), "what is delivered is consumed");
}

#[test]
fn what_is_rescued_needs_a_name() {
    let world = approved(ADDS);
    let said = world.foil(&["run", "--from-rescue"]);
    assert_eq!(said.code, Some(2), "{said}");
    assert_eq!(world.foil(&["run", "--from-rescue", "--all"]).code, Some(2));
}

#[test]
fn the_work_of_a_rescue_is_rescued_again() {
    let world = blocked();
    // A run that stops before anything is measured.
    worker_does(&world, "");
    let policy = world
        .read("counterfoil.toml")
        .replace("baseline = \"off\"", "baseline = \"must_pass\"");
    world.write("counterfoil.toml", policy);
    world.commit_all("Checks must pass before");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", "--from-rescue", TICKET, "--json"]);
    assert_eq!(blocked_with(&said), "baseline_failed", "{said}");
    let policy = world.read("counterfoil.toml").replace("must_pass", "off");
    world.write("counterfoil.toml", policy);
    world.commit_all("Or not");
    worker_does(&world, MENDS);
    let said = rescue(&world);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(
        world.git(&["show", &format!("{BRANCH}:hello.txt")]),
        "worth keeping\nhello"
    );
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn a_place_whose_making_was_cut_short_gets_what_was_left_all_the_same() {
    let world = blocked();
    worker_does(&world, ADDS);
    assert_eq!(rescue(&world).code, Some(10), "out of scope again");
    // As if the runner had been killed when the place had the files of the base, and not yet what was left.
    let folder = runs(&world).pop().unwrap();
    let run = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let places = text.lines().position(|line| line.contains("prepare_places")).unwrap();
    let kept: String = text.split_inclusive('\n').take(places + 1).collect();
    std::fs::write(folder.join("journal.jsonl"), kept).unwrap();
    world.git(&["update-ref", "-d", &format!("refs/counterfoil/runs/{TICKET}/{run}")]);
    let work = world
        .state_home()
        .join(format!("counterfoil/places/{TICKET}-{run}/work"));
    std::fs::remove_file(work.join("elsewhere.txt")).unwrap();
    std::fs::write(work.with_extension("unfinished"), "").unwrap();
    worker_does(&world, MENDS);
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(
        world.git(&["show", &format!("{BRANCH}:hello.txt")]),
        "worth keeping\nhello"
    );
}

#[test]
fn what_was_out_of_scope_is_out_of_scope_again() {
    let world = blocked();
    worker_does(&world, ADDS);
    let said = world.foil(&["run", "--from-rescue", TICKET, "--json"]);
    assert_eq!(blocked_with(&said), "scope_violation", "{said}");
    assert_eq!(world.git(&["for-each-ref", "refs/heads/foil"]), "");
}

#[test]
fn a_secret_in_what_was_left_is_found_again() {
    // Put together here, so that this file holds none.
    let token = ["ghp_", "Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk"].concat();
    let writes = format!("[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n{token}\\n\"\n");
    let world = approved(&format!(
        "role = \"writer\"\n{writes}[answer]\nreport = {{ summary = \"x\" }}\n"
    ));
    assert_eq!(blocked_with(&world.foil(&["run", TICKET, "--json"])), "secret_found");
    worker_does(
        &world,
        "[[step]]\ndo = \"append\"\npath = \"hello.txt\"\ntext = \"more\\n\"\n",
    );
    let said = world.foil(&["run", "--from-rescue", TICKET, "--json"]);
    assert_eq!(blocked_with(&said), "secret_found", "{said}");
    assert_eq!(world.git(&["for-each-ref", "refs/heads/foil"]), "");
}

#[test]
fn an_anchor_that_was_turned_to_another_tree_rescues_nothing() {
    let world = blocked();
    let anchor = world.git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil/keep/**/tree-*"]);
    let other = world.git(&["rev-parse", "HEAD^{tree}"]);
    world.git(&["update-ref", &anchor, &other]);
    assert_refused(&world, "does not keep tree");
}

#[test]
fn what_a_run_began_with_is_compared_with_what_was_left() {
    let world = blocked();
    worker_does(&world, MENDS);
    assert_eq!(rescue(&world).code, Some(0));
    let anchor = world.git(&["for-each-ref", "--format=%(refname)", "refs/counterfoil/keep/*/rescued"]);
    let other = world.git(&["rev-parse", "HEAD^{tree}"]);
    world.git(&["update-ref", &anchor, &other]);
    let said = world.foil(&["verify", TICKET]);
    assert_eq!(said.code, Some(12), "{said}");
}
