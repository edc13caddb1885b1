//! The worked examples of modes in the guide that no other test runs.

use crate::quick_flow::in_guide;
use crate::world::{TICKET, approved_with, json};

const HEADING: &str = "### A loop";

#[test]
fn the_loop_of_the_guide_turns_until_its_check_passes() {
    let turn = |turn: &str, text: &str| {
        format!(
            "role = \"writer\"\n{turn}[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"{text}\\n\"\n[answer]\nreport = {{ summary = \"said it\" }}\n"
        )
    };
    let world = approved_with(&turn("", "hello"), in_guide(HEADING, "toml"), |world| {
        // The ticket's own check runs in the sandbox.
        std::fs::create_dir_all(world.home()).unwrap();
        std::fs::write(world.folder().join("scripts/a-first.toml"), turn("turn = 1\n", "helo")).unwrap();
        let agent = world.read("counterfoil.toml");
        let (agent, _) = agent.split_once("[[check]]").unwrap();
        world.write("counterfoil.toml", format!("{agent}[review]\nindependent = \"off\"\n"));
    });
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    assert_eq!(packet["outcome"], "done", "{said}");
    let warnings = packet["warnings"].to_string();
    assert!(
        warnings.contains("review"),
        "nobody reviewed it, and that is said: {warnings}"
    );
    let events = world.foil(&["events", TICKET]).stdout;
    let started: Vec<_> = events
        .lines()
        .filter_map(|line| line.find("iteration").map(|at| &line[at..]))
        .collect();
    let started: Vec<_> = started.into_iter().filter(|line| line.contains(" started")).collect();
    assert_eq!(started, in_guide(HEADING, "text").lines().collect::<Vec<_>>());
}
