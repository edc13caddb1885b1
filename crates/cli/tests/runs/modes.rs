//! The worked examples of modes in the guide that no other test runs.

use serde_json::Value;

use crate::common::World;
use crate::quick_flow::in_guide;
use crate::world::{TICKET, approved_with, json};

/// The only turn, or the n-th, of a worker that writes this.
fn turn(turn: &str, text: &str) -> String {
    format!(
        "role = \"writer\"\n{turn}[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"{text}\\n\"\n[answer]\nreport = {{ summary = \"said it\" }}\n"
    )
}

/// The ticket of the guide below this heading, followed by these scripts and under this policy, after it has run to its end, and its packet.
fn ran(heading: &str, scripts: &[String], policy: &str) -> (World, Value) {
    let world = approved_with(&scripts[0], in_guide(heading, "toml"), |world| {
        // The ticket's own checks run in the sandbox.
        std::fs::create_dir_all(world.home()).unwrap();
        for (number, script) in scripts.iter().enumerate().skip(1) {
            std::fs::write(world.folder().join(format!("scripts/a-{number}.toml")), script).unwrap();
        }
        let agent = world.read("counterfoil.toml");
        let (agent, _) = agent.split_once("[[check]]").unwrap();
        world.write("counterfoil.toml", format!("{agent}{policy}"));
    });
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    assert_eq!(packet["outcome"], "done", "{said}");
    (world, packet)
}

/// What its events say in lines that have these words, without the time.
fn events(world: &World, words: &str) -> Vec<String> {
    let told = world.foil(&["events", TICKET]).stdout;
    let lines = told.lines().filter(|line| line.contains(words));
    lines.map(|line| line.split_once("  ").unwrap().1.to_owned()).collect()
}

fn shown(heading: &str) -> Vec<String> {
    in_guide(heading, "text").lines().map(str::to_owned).collect()
}

#[test]
fn the_loop_of_the_guide_turns_until_its_check_passes() {
    const LOOP: &str = "### A loop";
    let scripts = [turn("", "hello"), turn("turn = 1\n", "helo")];
    let (world, packet) = ran(LOOP, &scripts, "[review]\nindependent = \"off\"\n");
    let warnings = packet["warnings"].to_string();
    assert!(
        warnings.contains("review"),
        "nobody reviewed it, and that is said: {warnings}"
    );
    let mut started = events(&world, " started");
    started.retain(|line| line.starts_with("iteration "));
    assert_eq!(started, shown(LOOP));
}

#[test]
fn the_expert_of_the_guide_judges_plan_and_tree() {
    const EXPERTS: &str = "### Experts";
    let (world, _) = ran(EXPERTS, &[turn("", "hello Ada")], "");
    // Ids differ from run to run.
    let without_ids = |lines: Vec<String>| -> Vec<String> {
        let is_id = |word: &str| word.len() == 12 && word.chars().all(|letter| letter.is_ascii_hexdigit());
        let masked = |line: String| {
            line.split(' ')
                .map(|word| if is_id(word) { "…" } else { word })
                .collect::<Vec<_>>()
                .join(" ")
        };
        lines.into_iter().map(masked).collect()
    };
    assert_eq!(
        without_ids(events(&world, "the expert `security` says")),
        without_ids(shown(EXPERTS))
    );
}

#[test]
fn the_rounds_of_the_guide_do_one_task_each() {
    const ROUNDS: &str = "### Rounds";
    let advice = |turn: u32, what: &str| {
        format!(
            "role = \"advisor\"\nturn = {turn}\n[answer]\nadvice = {{ what = \"write {what}\", files = [\"hello.txt\"] }}\n"
        )
    };
    let done = "role = \"advisor\"\nturn = 3\n[answer]\nadvice = { next = \"done\" }\n".to_owned();
    let scripts = [
        turn("", "one\\ntwo"),
        turn("turn = 1\n", "one"),
        advice(1, "one"),
        advice(2, "two"),
        done,
    ];
    let (world, _) = ran(ROUNDS, &scripts, "");
    assert_eq!(events(&world, "round "), shown(ROUNDS));
}

#[test]
fn the_standard_ticket_of_the_guide_is_planned_before_it_is_written() {
    const PLAN: &str = "### The plan";
    let planned = |turn: u32, input: u32, more: &str, name: &str| {
        format!(
            "role = \"planner\"\nturn = {turn}\n[tokens]\ninput = {input}\noutput = 240\n[answer.plan]\napproach = \"one line that names her{name}\"\nsteps = [\"write `hello.txt`\"]\n\
             files = [{{ path = \"hello.txt\", change = \"create\", reason = \"AC-1\" }}{more}]\n\
             proof = [\"AC-1: the check `names Ada`\"]\nstop_conditions = [\"the greeting is kept elsewhere\"]\n"
        )
    };
    let readme = ", { path = \"README\", change = \"edit\", reason = \"tell of it\" }";
    let scripts = [
        turn("", "hello Ada"),
        planned(1, 9260, readme, ", and a word in README"),
        planned(2, 11000, "", ""),
    ];
    let (world, packet) = ran(PLAN, &scripts, "");
    assert_eq!(packet["verdict"], "pass");
    assert_eq!(events(&world, "planning ended"), shown(PLAN));
    let plan = format!("foil/{TICKET}:ledger/tickets/{TICKET}/plan.md");
    let plan = world.git(&["show", &plan]);
    let (_, told) = plan.split_once("\n## Approach\n").unwrap();
    assert_eq!(format!("## Approach\n{told}"), in_guide(PLAN, "markdown").trim_end());
}
