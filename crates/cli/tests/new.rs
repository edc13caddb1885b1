//! `foil new`: drafts from templates.

mod common;

use common::World;

#[test]
fn a_draft_gets_the_next_number_and_its_title() {
    let world = World::initialized();
    snapshot!("new_first", world.foil(&["new", "Validate e-mail addresses"]));
    assert_eq!(
        world.foil(&["new", "Again", "--quiet"]).stdout,
        "0002-again\n",
        "only the id is the answer"
    );
    snapshot!(
        "new_contract",
        world.read("ledger/tickets/0001-validate-e-mail-addresses/ticket.toml")
    );
    snapshot!(
        "new_prompt",
        world.read("ledger/tickets/0001-validate-e-mail-addresses/prompt.md")
    );
    assert_eq!(world.foil(&["check", "--schema"]).code, Some(0));
}

#[test]
fn every_option_ends_up_in_the_contract() {
    let world = World::initialized();
    world.foil(&["new", "Parent"]);
    let said = world.foil(&[
        "new",
        "Fix \"it\"",
        "--id",
        "X-1",
        "--mode",
        "quick",
        "--kind",
        "test",
        "--parent",
        "0001-parent",
        "--package",
        "p1",
        "--json",
    ]);
    snapshot!("new_json", said);
    snapshot!("new_options", world.read("ledger/tickets/X-1/ticket.toml"));
}

#[test]
fn printing_a_draft_writes_nothing() {
    let world = World::initialized();
    let before = world.observed();
    let said = world.foil(&["new", "Try it", "--stdout"]);
    assert!(said.stdout.contains("title = \"Try it\""), "{said}");
    assert_eq!(world.observed(), before);
}

#[test]
fn a_template_of_the_repository_counts_and_keeps_its_comments() {
    let world = World::initialized();
    world.write(
        "ledger/templates/loop.toml",
        "#:schema ../schemas/ticket.schema.json\n# Ours.\ntitle = \"\" # say it\nmode = \"loop\"\n\n[limits]\nmax_iterations = 3\n",
    );
    snapshot!(world.foil(&["new", "Try it", "--mode", "loop", "--stdout", "--quiet"]));
}

#[test]
fn what_cannot_be_made_is_refused_and_nothing_is_written() {
    let world = World::initialized();
    world.foil(&["new", "One", "--id", "Taken"]);
    world.write("ledger/templates/quick.toml", "title = \n");
    world.write("ledger/templates/research.toml", "title = \"\"\nnonsense = 1\n");
    let before = world.observed();
    let mut all = String::new();
    for args in [
        &["new", ""][..],
        &["new", "two\nlines"],
        &["new", "Two", "--id", "taken"],
        &["new", "Two", "--id", "a b"],
        &["new", "Two", "--parent", "takn"],
        &["new", "Two", "--mode", "quick"],
        &["new", "Two", "--mode", "research"],
        &["new", "Two", "--mode", "nonsense"],
    ] {
        all.push_str(&format!("$ foil {args:?}\n{}\n", world.foil(args)));
    }
    snapshot!(all);
    assert_eq!(world.observed(), before);
}

#[test]
fn drafts_made_at_the_same_moment_get_different_numbers() {
    let world = World::initialized();
    let children: Vec<_> = (0..8)
        .map(|_| common::Running::start(world.foil_command().args(["new", "Same title", "--quiet"])))
        .collect();
    let mut ids: Vec<_> = children.into_iter().map(|child| child.said().stdout).collect();
    ids.sort();
    let expected: Vec<_> = (1..=8).map(|number| format!("000{number}-same-title\n")).collect();
    assert_eq!(ids, expected);
}

#[test]
fn an_editor_is_given_both_files() {
    let world = World::initialized();
    let said = common::said(
        world
            .foil_command()
            .env("EDITOR", "printf '%s\\n' >>edited")
            .args(["new", "Edit me", "--edit", "--quiet"]),
    );
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(
        world.read("edited"),
        "ledger/tickets/0001-edit-me/prompt.md\nledger/tickets/0001-edit-me/ticket.toml\n"
    );
}
