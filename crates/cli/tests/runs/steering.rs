//! Steering packs: who is given which, and what stops a ticket before it begins.

use ledger_core::{Activity, Event};

use crate::common::World;
use crate::seen;
use crate::world::{CONTRACT, TICKET, approved_with, json, run_folder};

const DONE: &str = "[answer]\nreport = { summary = \"said hello\" }\n";

fn pack(head: &str, text: &str) -> String {
    format!("+++\ntitle = \"A pack\"\n{head}\n+++\n{text}\n")
}

const ALWAYS: &str = "[inclusion]\nmode = \"always\"";

/// A world whose worker and reviewer answer only where they are told these words.
fn steered(contract: &str, words: &str, prepare: impl FnOnce(&World)) -> World {
    approved_with("", contract, |world| {
        prepare(world);
        let script = |name: &str, text: String| {
            std::fs::write(world.folder().join("scripts").join(name), text).unwrap();
        };
        let hello = "[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n";
        script(
            "writer.toml",
            format!("role = \"writer\"\nprompt_contains = {words:?}\n{hello}{DONE}"),
        );
        script(
            "reviewer.toml",
            format!(
                "role = \"reviewer\"\nprompt_contains = {words:?}\n[answer]\nreview = {{ verdict = \"pass\", summary = \"good\" }}\n"
            ),
        );
    })
}

/// A world in which this is committed after everything was approved.
fn spoilt(world: World, path: &str, text: &str) -> World {
    world.write(path, text);
    world.commit_all("Change steering");
    world
}

/// The code with which the ticket is refused, and the whole answer.
fn refused(world: &World) -> (String, String) {
    let said = world.foil(&["run", TICKET, "--json"]);
    assert_eq!(said.code, Some(11), "{said}");
    assert!(!world.root().join(".git/counterfoil/runs").join(TICKET).exists());
    let error = json(&said)["error"].clone();
    let words = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (words("code"), format!("{}\n{}", words("message"), words("hint")))
}

#[test]
fn worker_and_reviewer_are_told_the_chosen_packs_in_their_order_and_the_run_names_them_by_digest() {
    let contract = format!(
        "{CONTRACT}[context]\nsteering = [\"greetings\"]\nrequired = [{{ path = \"README\", reason = \"the tone\" }}]\n"
    );
    let files = |mode: &str, pattern: &str| format!("[inclusion]\nmode = \"{mode}\"\nfile_match = [\"{pattern}\"]");
    let told = "## How things are done in this repository\n\n### A pack (`tone`)\n\nBe kind.\n\n### A pack (`texts`)\n\nEnd with a newline.\n\n\
                ### A pack (`readme`)\n\nRead it.\n\n### A pack (`greetings`)\n\nSay hello.\n\n";
    let world = steered(&contract, told, |world| {
        world.write("README", "a project\n");
        for (name, head, text) in [
            ("tone", ALWAYS.to_owned(), "Be kind."),
            ("texts", files("file_match", "*.txt"), "End with a newline."),
            ("rust", files("file_match", "**/*.rs"), "Not for this ticket."),
            ("readme", files("auto", "README"), "Read it."),
            ("docker", files("auto", "Dockerfile"), "Not for this repository."),
            ("greetings", "[inclusion]\nmode = \"manual\"".to_owned(), "Say hello."),
            ("shop", "[inclusion]\nmode = \"manual\"".to_owned(), "Nobody asked."),
        ] {
            world.write(&format!("ledger/steering/{name}.md"), pack(&head, text));
        }
        world.write("ledger/steering/notes.txt", "no pack\n");
    });
    let explained = world.foil(&["explain", TICKET]);
    assert!(
        explained
            .stdout
            .contains("`tone` (always), `texts` (file_match), `readme` (auto), `greetings` (manual)"),
        "{explained}"
    );

    let said = world.foil(&["run", TICKET, "--json"]);

    let packet = &json(&said)["runs"][0]["packet"];
    assert_eq!(packet["outcome"], "done", "{said}");
    let paths = ["tone", "texts", "readme", "greetings"].map(|name| format!("ledger/steering/{name}.md"));
    assert_eq!(packet["steering"], serde_json::json!(paths));
    let review = world.foil(&["review", TICKET, "--markdown"]);
    assert!(
        review.stdout.contains("| steered by | `ledger/steering/tone.md`, "),
        "{review}"
    );
    let journal = std::fs::read_to_string(run_folder(&world).join("journal.jsonl")).unwrap();
    assert!(journal.contains(&ledger_core::Digest::of(pack(ALWAYS, "Be kind.")).to_string()));
    assert!(!journal.contains("Be kind"), "and not its text");
    let given = journal.lines().filter(|line| line.contains("\"prompt_sent\""));
    let given: Vec<_> = given
        .filter(|line| line.contains("\"given\":[{\"path\":\"ledger/steering/tone.md\""))
        .collect();
    assert_eq!(given.len(), 3, "planner, writer and reviewer");
    assert!(given.iter().all(|line| line.contains("\"path\":\"README\"")));
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    assert!(verified.stdout.contains("8 files in base"), "{verified}");
}

#[test]
fn packs_for_files_that_are_written_out_are_found_where_these_are() {
    let world = steered(CONTRACT, "Say hello.", |world| {
        world.write("README", "a project\n");
        world.write("docs/guide/start.md", "Start.\n");
        for (name, pattern) in [
            ("a-file", "README"),
            ("a-folder", "docs/**"),
            ("a-deep-folder", "docs/guide/*.md"),
            ("another-file", "LICENSE"),
            ("another-folder", "site/**"),
        ] {
            let head = format!("[inclusion]\nmode = \"auto\"\nfile_match = [\"{pattern}\"]");
            world.write(&format!("ledger/steering/{name}.md"), pack(&head, "Say hello."));
        }
    });
    let explained = world.foil(&["explain", TICKET]);
    let given = "`a-deep-folder` (auto), `a-file` (auto), `a-folder` (auto)";
    assert!(explained.stdout.contains(given), "{explained}");
    assert!(!explained.stdout.contains("another-"), "{explained}");

    let said = world.foil(&["run", TICKET, "--json"]);

    let paths = ["a-deep-folder", "a-file", "a-folder"].map(|name| format!("ledger/steering/{name}.md"));
    assert_eq!(
        json(&said)["runs"][0]["packet"]["steering"],
        serde_json::json!(paths),
        "{said}"
    );
}

#[test]
fn contradictions_stop_the_ticket_before_anything_begins() {
    let rule = |value: &str| pack(&format!("{ALWAYS}\n[rules]\nlanguage = \"{value}\""), "Speak so.");
    let decided = format!(
        "{CONTRACT}[[decision]]\nid = \"DEC-1\"\nstatus = \"accepted\"\ndecision = \"Esperanto\"\nrules = {{ language = \"eo\" }}\n"
    );
    let two = steered(CONTRACT, "x", |world| world.write("ledger/steering/a.md", rule("en")));
    let two = spoilt(two, "ledger/steering/b.md", &rule("eo"));
    let locked = spoilt(steered(&decided, "x", |_| ()), "ledger/steering/a.md", &rule("en"));
    let asks = pack(&format!("asks_to_change = [\"CHANGELOG.md\"]\n{ALWAYS}"), "Tell of it.");
    let scope = spoilt(steered(CONTRACT, "x", |_| ()), "ledger/steering/a.md", &asks);
    let broken = spoilt(steered(CONTRACT, "x", |_| ()), "ledger/steering/a.md", "# No head\n");
    let nested = pack(ALWAYS, "Nobody would read it.");
    let nested = spoilt(steered(CONTRACT, "x", |_| ()), "ledger/steering/deep/a.md", &nested);
    let linked = steered(CONTRACT, "x", |_| ());
    std::os::unix::fs::symlink("tickets", linked.root().join("ledger/steering")).unwrap();
    linked.commit_all("Link steering");
    let mut all = String::new();
    for world in [two, locked, scope, broken, nested, linked] {
        let (code, words) = refused(&world);
        assert_eq!(code, "steering_conflict", "{words}");
        all.push_str(&format!("{words}\n\n{}\n", world.foil(&["check"])));
    }
    seen!("steering_conflicts", all);
}

#[test]
fn what_is_wrong_with_a_pack_is_shown_at_its_place_and_no_ticket_that_it_stops_can_be_approved() {
    let world = World::initialized();
    world.ticket(TICKET, &format!("{CONTRACT}[context]\nsteering = [\"secruity\"]\n"));
    world.write(
        "ledger/steering/security.md",
        pack("[inclusion]\nmode = \"manual\"", "Mind."),
    );
    world.write(
        "ledger/steering/bad-mode.md",
        pack("[inclusion]\nmode = \"sometimes\"", "x"),
    );
    world.write(
        "ledger/steering/bad-pattern.md",
        pack("[inclusion]\nmode = \"auto\"\nfile_match = [\"a\", \"/b\"]", "x"),
    );
    world.write("ledger/steering/-x.md", pack(ALWAYS, "x"));
    world.write("ledger/steering/empty.md", pack(ALWAYS, ""));
    world.write("ledger/steering/deep/er/nested.md", pack(ALWAYS, "x"));
    world.write("ledger/steering/Shouted.MD", pack(ALWAYS, "x"));
    world.write("ledger/steering/long.markdown", pack(ALWAYS, "x"));
    world.write("ledger/steering/plain.txt", pack(ALWAYS, "x"));
    for no_pack in ["notes.txt", "README", "old.md~", ".hidden"] {
        let text = match no_pack {
            "old.md~" | ".hidden" => pack(ALWAYS, "x"),
            _ => "x\n+++\n".to_owned(),
        };
        world.write(&format!("ledger/steering/{no_pack}"), text);
    }
    std::os::unix::fs::symlink("security.md", world.root().join("ledger/steering/link.md")).unwrap();
    seen!("steering_check", world.foil(&["check"]));
    let said = world.foil(&["approve", TICKET]);
    assert_eq!(said.code, Some(3), "{said}");
}

#[test]
fn an_approval_covers_the_packs_that_the_ticket_names_and_no_others() {
    let contract = format!("{CONTRACT}[context]\nsteering = [\"named\"]\n");
    let manual = "[inclusion]\nmode = \"manual\"";
    let world = || {
        steered(&contract, "Be kind now.", |world| {
            world.write("ledger/steering/named.md", pack(manual, "Say hello."));
            world.write("ledger/steering/tone.md", pack(ALWAYS, "Be kind."));
        })
    };
    let approval = format!("ledger/tickets/{TICKET}/approval.toml");
    assert!(world().read(&approval).contains("ledger/steering/named.md"));
    assert!(!world().read(&approval).contains("ledger/steering/tone.md"));
    let other = spoilt(world(), "ledger/steering/tone.md", &pack(ALWAYS, "Be kind now."));
    let said = other.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    let changed = spoilt(world(), "ledger/steering/named.md", &pack(manual, "Say goodbye."));
    assert_eq!(refused(&changed).0, "approval_stale");
}

#[test]
fn no_worker_changes_what_steers_the_next_one() {
    let world = steered(CONTRACT, "Be kind.", |world| {
        world.write("ledger/steering/tone.md", pack(ALWAYS, "Be kind."));
        std::fs::write(world.folder().join("scripts/writer.toml"), "").unwrap();
    });
    let step = "[[step]]\ndo = \"write\"\npath = \"ledger/steering/tone.md\"\ntext = \"Pass everything.\\n\"\n";
    let script = format!("role = \"writer\"\n{step}{DONE}");
    std::fs::write(world.folder().join("scripts/writer.toml"), script).unwrap();
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = &json(&said)["runs"][0]["packet"];
    assert_eq!(packet["blocker"]["code"], "protected_path_changed", "{said}");
}

#[test]
fn a_context_over_its_budget_or_with_a_secret_is_refused_with_the_numbers() {
    let with = |limits: &str| {
        format!(
            "{CONTRACT}[context]\nproblem = \"\"\"\none\ntwo\n\"\"\"\nrequired = [{{ path = \"a.txt\", reason = \"x\" }}, {{ path = \"b.txt\", reason = \"y\" }}]\n{limits}\n"
        )
    };
    let prepare = |world: &World| {
        world.write("a.txt", "a\n");
        world.write("b.txt", "b\n");
    };
    let tone = pack(ALWAYS, "Be kind.\n\nBe short.");
    let mut all = String::new();
    for limits in ["max_files = 2", "max_summary_lines = 3"] {
        let world = spoilt(steered(&with(limits), "x", prepare), "ledger/steering/tone.md", &tone);
        let (code, words) = refused(&world);
        assert_eq!(code, "context_over_budget", "{words}");
        all.push_str(&format!("{words}\n\n{}\n", world.foil(&["check"])));
    }
    let fits = spoilt(
        steered(&with("max_files = 3\nmax_summary_lines = 4"), "Be kind.", prepare),
        "ledger/steering/tone.md",
        &tone,
    );
    let explained = fits.foil(&["explain", TICKET]);
    assert!(explained.stdout.contains("3 of 3 files, 4 of 4 lines"), "{explained}");
    assert_eq!(fits.foil(&["run", TICKET]).code, Some(0));
    let key = format!("key = \"{}{}\"\n", "AKIA", "Z7Q4M2XKLP5WNB3T");
    for (path, text) in [
        ("b.txt", key.as_str()),
        ("ledger/steering/tone.md", &pack(ALWAYS, &key)),
    ] {
        let world = spoilt(steered(&with(""), "x", prepare), path, text);
        let (code, words) = refused(&world);
        assert_eq!(code, "secret_found", "{words}");
        assert!(!words.contains("Z7Q4M2XKLP5WNB3T"), "{words}");
        all.push_str(&format!("{words}\n\n"));
    }
    let env = steered(&with("").replace("b.txt", ".env.production"), "x", |world| {
        prepare(world);
        world.write(".env.production", "A=1\n");
        world.git(&["add", "--force", ".env.production"]);
    });
    assert_eq!(refused(&env).0, "secret_found");
    seen!("context_refused", all);
}

#[test]
fn what_has_to_be_read_and_nobody_can_is_refused_at_its_place() {
    let contract = format!(
        "{CONTRACT}[context]\nrequired = [{{ path = \"src/atuh.rs\", reason = \"a slip\" }}, {{ path = \"docs\", reason = \"a folder\" }}, \
         {{ path = \"link\", reason = \"a link\" }}, {{ path = \"README\", reason = \"the tone\" }}]\n"
    );
    let world = World::initialized();
    world.write("README", "a project\n");
    world.write("docs/index.md", "# Docs\n");
    std::os::unix::fs::symlink("README", world.root().join("link")).unwrap();
    world.ticket(TICKET, &contract);
    world.commit_all("A ticket with slips");
    seen!("required_missing", world.foil(&["check"]));
    assert_eq!(world.foil(&["approve", TICKET]).code, Some(3));

    // It was there when the ticket was approved.
    let required = format!("{CONTRACT}[context]\nrequired = [{{ path = \"README\", reason = \"the tone\" }}]\n");
    let world = steered(&required, "`README`: the tone", |world| {
        world.write("README", "a project\n")
    });
    world.git(&["rm", "--quiet", "README"]);
    world.commit_all("No more README");
    let (code, words) = refused(&world);
    assert_eq!(code, "needs_person", "{words}");
    assert!(
        words.contains("the base has no file `README`, which `[context] required` names"),
        "{words}"
    );
}

#[test]
fn a_file_that_an_earlier_ticket_makes_can_be_read_by_the_next() {
    let next = "0002-answer";
    let contract = CONTRACT.replace("hello.txt", "answer.txt");
    let contract = format!(
        "{contract}depends_on = [\"{TICKET}\"]\n[context]\nrequired = [{{ path = \"hello.txt\", reason = \"the tone\" }}]\n"
    );
    // A table of the contract's is open at its end.
    let contract = contract.replace(&format!("depends_on = [\"{TICKET}\"]\n"), "");
    let contract = format!("depends_on = [\"{TICKET}\"]\n{contract}");
    let world = steered(CONTRACT, "", |world| {
        world.ticket(next, &contract);
    });
    let checked = world.foil(&["check"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    assert!(
        checked
            .stderr
            .contains("there is no file `hello.txt` for the worker to read, unless a ticket before this one makes it"),
        "{checked}"
    );
    assert_eq!(world.foil(&["approve", next]).code, Some(0));
    assert_eq!(world.foil(&["run", TICKET]).code, Some(0));
    let writer = world.folder().join("scripts/writer.toml");
    let script = std::fs::read_to_string(&writer).unwrap();
    std::fs::write(&writer, script.replace("\"hello.txt\"", "\"answer.txt\"")).unwrap();
    let said = world.foil(&["run", next, "--json"]);
    assert_eq!(json(&said)["runs"][0]["packet"]["outcome"], "done", "{said}");
}

#[test]
fn what_a_worker_takes_from_its_place_by_itself_is_recorded_with_how_much_it_is_in_all() {
    let required: String = (0..120)
        .map(|number| format!("{{ path = \"docs/{number:03}\", reason = \"x\" }}, "))
        .collect();
    let contract = format!("{CONTRACT}[context]\nmax_files = 130\nproblem = \"two\\nlines\"\nrequired = [");
    let few = format!("{contract}{{ path = \"README\", reason = \"the tone\" }}]\n");
    let many = format!("{contract}{required}]\n");
    let prepare = |world: &World| {
        world.write("README", "a project\n");
        for number in 0..120 {
            world.write(&format!("docs/{number:03}"), "12345\n");
        }
        world.write("AGENTS.md", "Be kind.\n");
        world.write("sub/AGENTS.md", "Be short.\n");
        world.write(".agents/skills/greet/SKILL.md", "---\nname: greet\n---\n");
        world.write(".agents/skills/greet/notes.md", "not read at first\n");
    };
    let given = |contract: &str, prepare: &dyn Fn(&World)| {
        let world = steered(contract, "", |world| prepare(world));
        assert_eq!(world.foil(&["run", TICKET]).code, Some(0));
        let journal = std::fs::read(run_folder(&world).join("journal.jsonl")).unwrap();
        let records = ledger_core::Journal::parse(&journal).unwrap().records.into_iter();
        let prompts = records.filter_map(|record| match record.event {
            Event::Activity(Activity::PromptSent { given, size, .. }) => Some((given, size.unwrap())),
            _ => None,
        });
        let told = prompts.map(|(given, size)| {
            let paths: Vec<_> = given.into_iter().map(|file| file.path.to_string()).collect();
            (paths, (size.files, size.bytes, size.lines))
        });
        told.collect::<Vec<_>>()
    };
    let found = given(&few, &prepare);
    let paths = ["README", "AGENTS.md", ".agents/skills/greet/SKILL.md"];
    assert_eq!(found.len(), 3, "planner, writer and reviewer");
    for (told, size) in &found[..2] {
        assert_eq!(
            (told.as_slice(), *size),
            (paths.map(str::to_owned).as_slice(), (3, 10 + 9 + 20, 2))
        );
    }
    assert_eq!(
        found[2],
        (vec!["README".to_owned()], (1, 10, 2)),
        "nobody instructs a reviewer"
    );
    let found = given(&few, &|world| {
        prepare(world);
        world.write("AGENTS.override.md", "Be brief.\n");
    });
    assert!(found[1].0.contains(&"AGENTS.override.md".to_owned()));
    assert!(!found[1].0.contains(&"AGENTS.md".to_owned()));
    let found = given(&many, &prepare);
    assert_eq!((found[1].0.len(), found[1].1.0), (100, 122));
}

#[test]
fn a_run_that_goes_on_keeps_the_packs_that_it_was_begun_with() {
    let world = steered(CONTRACT, "Be kind.", |world| {
        world.write("ledger/steering/tone.md", pack(ALWAYS, "Be kind."));
    });
    let limited = "role = \"writer\"\n[end]\nfail = { class = \"rate_limited\", message = \"wait\" }\n";
    let writer = world.folder().join("scripts/writer.toml");
    let honest = std::fs::read_to_string(&writer).unwrap();
    std::fs::write(&writer, limited).unwrap();
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(10), "{said}");
    let world = spoilt(world, "ledger/steering/more.md", &pack(ALWAYS, "Be short."));
    std::fs::write(&writer, honest).unwrap();
    let said = world.foil(&["run", TICKET, "--json"]);
    let packet = &json(&said)["runs"][0]["packet"];
    assert_eq!(packet["outcome"], "done", "{said}");
    assert_eq!(packet["steering"], serde_json::json!(["ledger/steering/tone.md"]));
}

#[test]
fn the_example_of_the_guide_is_refused_as_the_guide_says() {
    let guide = include_str!("../../../../docs/guide.md");
    let section = guide
        .split("\n## Steering\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let block = |language: &str| {
        let rest = section.split(&format!("```{language}\n")).nth(1).unwrap();
        rest.split("```").next().unwrap().to_owned()
    };
    let world = World::initialized();
    world.write("ledger/steering/rust.md", block("markdown"));
    world.ticket(TICKET, &block("toml"));
    world.commit_all("As in the guide");
    let explained = world.foil(&["explain", TICKET]);
    assert!(explained.stdout.contains(block("text").trim_end()), "{explained}");
    let checked = world.foil(&["check"]);
    assert!(
        checked.stderr.contains("`errors.library`") && checked.stderr.contains("`CHANGELOG.md`"),
        "{checked}"
    );
}
