//! A worker that the sandbox does not keep from the journal of its own run. Nothing is delivered of which the proof is not as the
//! runner wrote it.

use super::{Blocked, NARROW, attack_on_records, done, hello, run, world_of};
use crate::world::{TICKET, json};

/// A worker that does this to the journal, `$journal`, and what is told of it.
fn forges(command: &str, told: &str) {
    let forge =
        format!("for journal in $WORLD/repo/.git/counterfoil/runs/{TICKET}/*/journal.jsonl; do {command}; done");
    let world = world_of(NARROW, &[hello(), run(&forge), done()].concat());
    let (world, said) = attack_on_records(world, &Blocked("needs_person"), |_| ());
    let reason = json(&said)["runs"][0]["packet"]["blocker"]["reason"].clone();
    let begin = format!("the journal of the run is not as this runner wrote it: {told}");
    assert!(reason.as_str().unwrap().starts_with(&begin), "{reason}");
    let stored = world.git(&["for-each-ref", "refs/counterfoil/runs", "refs/counterfoil/receipts"]);
    assert_eq!(stored, "", "no proof of it is kept");
    let verified = world.foil(&["verify", TICKET, "--json"]);
    assert_eq!(verified.code, Some(12), "{verified}");
    assert_eq!(json(&verified)["holds"], false);
}

#[test]
fn repeats_a_line_of_its_journal() {
    forges("tail -n 1 $journal >again; cat again >>$journal; rm again", "line ");
}

#[test]
fn breaks_off_a_line_of_its_journal() {
    forges("printf '{' >>$journal", "line ");
}

#[test]
fn empties_its_journal() {
    forges(": >$journal", "line 1 ");
}

#[test]
fn puts_another_journal_in_the_place_of_its_own() {
    forges(
        "cp $journal $journal.new; mv $journal.new $journal",
        "its last line is missing",
    );
}

#[test]
fn removes_its_journal() {
    forges("rm $journal", "it is gone");
}
