//! `foil accept` and `foil reject`: a person's word before a delivery.

use serde_json::Value;

use crate::common::{Said, World};
use crate::seen;
use crate::world::{CONTRACT, TICKET, WRITER, approved, approved_with, blocked, done, json};

const ACCEPT: &str = "[delivery]\naccept = \"required\"\n";

/// A world in which a person's word is needed, and the worker follows this script.
fn world_with(writer: &str, policy: &str) -> World {
    approved_with(writer, CONTRACT, |world| {
        let before = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{before}{policy}"));
    })
}

/// A worker whose repair is another change: with each turn it says more.
fn says_more() -> String {
    WRITER.replace("do = \"write\"", "do = \"append\"")
}

/// A world in which a result waits for a person's word.
fn waiting(writer: &str) -> World {
    let world = world_with(writer, ACCEPT);
    assert_waits(&world);
    world
}

/// The same, for others.
pub(crate) fn waiting_for_a_word() -> World {
    waiting(WRITER)
}

fn run(world: &World) -> (Said, Value) {
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = json(&said)["runs"][0]["packet"].clone();
    (said, packet)
}

fn assert_waits(world: &World) {
    let (said, packet) = run(world);
    assert_eq!(
        (said.code, &packet["blocker"]["code"]),
        (Some(10), &"acceptance_needed".into()),
        "{said}"
    );
    assert_eq!(world.git(&["branch", "--list", "foil/*"]), "", "nothing is delivered");
}

fn receipt(world: &World) -> Value {
    let text = world.git(&["show", &format!("refs/counterfoil/receipts/{TICKET}:receipt.json")]);
    serde_json::from_str(&text).unwrap()
}

fn assert_delivered(world: &World) {
    let (said, packet) = run(world);
    assert_eq!((said.code, &packet["outcome"]), (Some(0), &"done".into()), "{said}");
    assert_eq!(receipt(world)["accepted_by"], "Ada <ada@example.org>");
    let review = format!("foil/{TICKET}:ledger/tickets/{TICKET}/review.md");
    let review = world.try_git(&["show", &review]);
    if review.status.success() {
        let text = String::from_utf8(review.stdout).unwrap();
        assert!(text.contains("Accepted by Ada "), "{text}");
    }
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
}

fn reject(world: &World) -> Said {
    world.foil(&["reject", TICKET, "--because", "say it in Esperanto"])
}

#[test]
fn a_result_waits_for_a_persons_word_and_is_delivered_once_it_is_accepted() {
    let world = waiting(WRITER);
    let shown = world.foil(&["status", TICKET]).stdout;
    let next = "next: look at it with `foil review 0001-hello`; then `foil accept 0001-hello`, or `foil reject 0001-hello --because \"…\"`";
    assert!(shown.contains(next), "{shown}");
    let packet = world.foil(&["review", TICKET]).stdout;
    assert!(packet.contains("foil accept 0001-hello"), "{packet}");
    let chosen = world.foil(&["run"]);
    assert_ne!(chosen.code, Some(10), "it is not run again by itself: {chosen}");
    let before = world.observed();
    let said = world.foil(&["accept", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.observed(), before, "a word alone changes nothing");
    seen!("word_accepted", said);
    let shown = world.foil(&["status", TICKET]).stdout;
    let goes_on = shown.contains("a person has given their word; ") && shown.contains("next: foil run 0001-hello");
    assert!(goes_on, "{shown}");
    let events = world.foil(&["events", TICKET]).stdout;
    assert!(
        events.contains("accepted by Ada <ada@example.org> as tree "),
        "{events}"
    );
    assert_delivered(&world);
}

#[test]
fn what_is_rejected_is_repaired_with_the_persons_words_and_waits_again() {
    let world = waiting(WRITER);
    let repair = "role = \"writer\"\nturn = 2\nprompt_contains = \"say it in Esperanto\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\n\
                  text = \"hello, saluton\\n\"\n[answer]\nreport = { summary = \"in Esperanto\" }\n";
    std::fs::write(world.folder().join("scripts/again.toml"), repair).unwrap();
    let said = world.foil(&["reject", TICKET, "--because", "say it in Esperanto", "--json"]);
    assert_eq!(said.code, Some(0), "{said}");
    seen!("word_rejected_json", said.stdout);
    // It cannot be accepted any more before it is repaired.
    let said = world.foil(&["accept", TICKET, "--json"]);
    assert_eq!(
        (said.code, &json(&said)["error"]["code"]),
        (Some(11), &"needs_person".into()),
        "{said}"
    );
    assert_waits(&world);
    let (_, packet) = run(&world);
    assert_eq!(packet["repair_rounds"], 1, "{packet}");
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    assert_delivered(&world);
    assert_eq!(
        world.git(&["show", &format!("foil/{TICKET}:hello.txt")]),
        "hello, saluton"
    );
}

#[test]
fn what_is_to_be_repaired_is_told_until_a_review_has_found_it_mended() {
    let world = waiting(WRITER);
    let script = |name: &str, text: String| std::fs::write(world.folder().join("scripts").join(name), text).unwrap();
    let writes = |turn: u32, told: &str, text: &str| {
        format!(
            "role = \"writer\"\nturn = {turn}\nprompt_contains = \"{told}\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\n\
             text = \"{text}\\n\"\n[answer]\nreport = {{ summary = \"in Esperanto\" }}\n"
        )
    };
    // The check wants a hello; the turn after it failed has both to mend.
    script("a_2.toml", writes(2, "say it in Esperanto", "saluton"));
    script("a_3.toml", writes(3, "say it in Esperanto", "hello, saluton"));
    script(
        "a_reviewer.toml",
        "role = \"reviewer\"\nprompt_contains = \"say it in Esperanto\"\n[answer]\nreview = { verdict = \"pass\", summary = \"mended\" }\n"
            .to_owned(),
    );
    let said = world.foil(&["reject", TICKET, "--because", "say it in Esperanto"]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_waits(&world);
    let (_, packet) = run(&world);
    assert_eq!(
        (&packet["iterations"], &packet["review"]),
        (&3.into(), &"mended".into()),
        "{packet:#}"
    );
}

/// The guide, whose words are held to what happens.
const GUIDE: &str = include_str!("../../../../docs/guide.md");

#[test]
fn the_words_of_the_guide_are_given_as_the_guide_says() {
    let (_, section) = GUIDE.split_once("### A person's word").unwrap();
    let block = |language: &str| {
        let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
        block.split_once("```").unwrap().0
    };
    let world = world_with(WRITER, block("toml"));
    assert_waits(&world);
    let tree = run(&world).1["tree"].as_str().unwrap()[..12].to_owned();
    let mut happened = String::new();
    for command in block("console").lines().filter_map(|line| line.strip_prefix("$ foil ")) {
        // One word in quotes, which a shell would take off.
        let (words, because) = command.split_once(" \"").unwrap_or((command, ""));
        let because = because.trim_end_matches('"');
        let args: Vec<_> = words
            .split(' ')
            .chain([because].into_iter().filter(|because| !because.is_empty()))
            .collect();
        let said = world.foil(&args);
        assert_eq!(said.code, Some(0), "{said}");
        happened.push_str(&format!("$ foil {command}\n{}", said.stderr));
    }
    assert_eq!(happened.replace(&tree, "1f7a7a472abf"), block("console"));
}

#[test]
fn rejections_count_to_the_limit_of_repair_rounds() {
    let policy = format!("{ACCEPT}[limits]\nmax_repair_rounds = 1\n");
    let world = world_with(&says_more(), &policy);
    assert_waits(&world);
    assert_eq!(reject(&world).code, Some(0));
    assert_waits(&world);
    assert_eq!(reject(&world).code, Some(0));
    let (said, packet) = run(&world);
    assert_eq!(
        (said.code, &packet["blocker"]["code"]),
        (Some(10), &"repair_limit".into()),
        "{said}"
    );
    let reason = packet["blocker"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("a person still refuses") && reason.contains("Esperanto"),
        "{reason}"
    );
}

#[test]
fn a_change_of_mind_before_the_delivery_counts() {
    let world = waiting(&says_more());
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    assert_eq!(reject(&world).code, Some(0));
    assert_waits(&world);
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    assert_delivered(&world);
}

#[test]
fn a_word_on_anything_else_is_refused_and_recorded_nowhere() {
    let waits = |world: &World, code: i32, message: &str| {
        let journal = || {
            let runs = world.root().join(".git/counterfoil/runs").join(TICKET);
            let runs = std::fs::read_dir(runs).into_iter().flatten();
            let read =
                |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry.unwrap().path().join("journal.jsonl"));
            runs.map(read).collect::<Result<Vec<_>, _>>().unwrap()
        };
        let before = (journal(), world.observed());
        for said in [world.foil(&["accept", TICKET, "--json"]), reject(world)] {
            assert_eq!(said.code, Some(code), "{said}");
            assert!(said.stderr.contains(message), "{message}: {said}");
        }
        assert_eq!((journal(), world.observed()), before);
    };
    waits(&done(), 11, "is done, and its result is delivered");
    waits(&blocked(), 11, "waits for a person's word");
    waits(&approved(WRITER), 2, "has no run in this clone");
    let world = waiting(WRITER);
    let said = world.foil(&["reject", TICKET, "--because", "  "]);
    assert_eq!(said.code, Some(2), "{said}");
    // What was accepted goes on from what was approved then, and nothing else.
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Something else.\n");
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(0));
    assert_waits(&world);
}

#[test]
fn a_worker_that_gives_the_word_itself_is_not_heard() {
    let foil = env!("CARGO_BIN_EXE_foil");
    let attack = "role = \"writer\"\n[[step]]\ndo = \"run\"\ncommand = \"sh $WORLD/attack.sh\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\n\
                  text = \"hello\\n\"\n[answer]\nreport = { summary = \"done\" }\n";
    let world = approved_with("", CONTRACT, |world| {
        let before = world.read("counterfoil.toml");
        world.write("counterfoil.toml", format!("{before}{ACCEPT}"));
        let folder = world.folder().display().to_string();
        std::fs::write(
            world.folder().join("scripts/writer.toml"),
            attack.replace("$WORLD", &folder),
        )
        .unwrap();
        let script = format!(
            "cd {}\n{foil} accept {TICKET} >{folder}/said 2>&1\necho $? >>{folder}/said\n",
            world.root().display()
        );
        std::fs::write(world.folder().join("attack.sh"), script).unwrap();
    });
    assert_waits(&world);
    let said = std::fs::read_to_string(world.folder().join("said")).unwrap();
    assert!(said.contains("claimed_elsewhere") && said.ends_with("11\n"), "{said}");
    assert!(!world.foil(&["events", TICKET]).stdout.contains("accepted by"));
}

#[test]
fn a_run_that_delivers_nothing_waits_too() {
    let world = world_with(WRITER, &ACCEPT.replace("[delivery]", "[delivery]\nmode = \"none\""));
    assert_waits(&world);
    assert_eq!(world.foil(&["accept", TICKET]).code, Some(0));
    assert_delivered(&world);
}

#[test]
fn what_the_policy_wants_of_the_result_is_explained_before_anything_runs() {
    let world = approved_with(WRITER, CONTRACT, |world| {
        let policy = world.read("counterfoil.toml");
        let more =
            "[gates]\nfail_to_pass = { feature = \"block\" }\nspecs = \"off\"\n[delivery]\naccept = \"required\"\n";
        world.write("counterfoil.toml", format!("{policy}{more}"));
    });
    let said = world.foil(&["explain", TICKET]);
    assert!(
        said.stdout
            .contains("\ngates     fail_to_pass (has to pass)\ngates     test_weakening (warns)\n"),
        "{said}"
    );
    assert!(
        said.stdout
            .contains("\ndelivered when a person has accepted the result (`foil accept`)\n"),
        "{said}"
    );
}
