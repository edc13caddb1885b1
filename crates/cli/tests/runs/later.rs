//! `foil deliver`: what a run has delivered nowhere is delivered later, to a branch.

use ledger_core::{Journal, Receipt, Run};
use serde_json::{Value, json};

use crate::common::{Running, Said, World};
use crate::seen;
use crate::world::{CONTRACT, TICKET, WRITER, approved_with, blocked, done, json as json_of};

const BRANCH: &str = "foil/0001-hello";

/// A world in which the ticket is done and delivered nowhere, with these further lines in the policy.
fn done_nowhere_with(policy: &str) -> World {
    let world = approved_with(WRITER, CONTRACT, |world| {
        let agent = world.read("counterfoil.toml");
        world.write(
            "counterfoil.toml",
            format!("{agent}[delivery]\nmode = \"none\"\n{policy}"),
        );
    });
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert_eq!(world.git(&["for-each-ref", "refs/heads/foil"]), "");
    world
}

fn done_nowhere() -> World {
    done_nowhere_with("")
}

fn deliver(world: &World) -> Said {
    world.foil(&["deliver", TICKET, "--json"])
}

/// The journals of the ticket's runs, oldest first.
fn journals(world: &World) -> Vec<Vec<u8>> {
    let runs = world.root().join(".git/counterfoil/runs").join(TICKET);
    let mut paths: Vec<_> = std::fs::read_dir(runs)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("journal.jsonl"))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn replayed(journal: &[u8]) -> Run {
    Run::replay(&Journal::parse(journal).unwrap().records).unwrap()
}

fn error(said: &Said, code: i32) -> Value {
    assert_eq!(said.code, Some(code), "{said}");
    json_of(said)["error"].clone()
}

fn stored_receipt(world: &World) -> Receipt {
    let receipt = world.git(&["show", &format!("refs/counterfoil/receipts/{TICKET}:receipt.json")]);
    Receipt::parse(receipt.as_bytes()).unwrap()
}

#[test]
fn what_was_delivered_nowhere_is_delivered_to_a_branch_by_a_run_that_names_the_earlier_one() {
    let world = done_nowhere();
    let earlier = stored_receipt(&world);
    let said = deliver(&world);
    assert_eq!(said.code, Some(0), "{said}");
    let packet = &json_of(&said)["runs"][0]["packet"];
    assert_eq!(
        (&packet["outcome"], &packet["branch"]),
        (&json!("done"), &json!(BRANCH))
    );
    let receipt = stored_receipt(&world);
    let cited = receipt.delivers.clone().unwrap();
    assert_eq!((&cited.run, cited.receipt), (&earlier.run, earlier.digest()));
    assert_eq!((receipt.tree, receipt.base), (earlier.tree, earlier.base));
    assert_eq!(receipt.review, earlier.review);
    let tree = world.git(&["rev-parse", &format!("{BRANCH}^^{{tree}}")]);
    assert_eq!(tree, earlier.tree.to_string(), "exactly what was reviewed");
    let review = world.git(&["show", &format!("{BRANCH}:ledger/tickets/{TICKET}/review.md")]);
    assert!(
        review.contains("**pass** for tree") && review.contains("good & "),
        "{review}"
    );
    let [first, second] = &journals(&world)[..] else {
        panic!("two runs")
    };
    assert!(replayed(first).delivers().is_none());
    assert_eq!(replayed(second).delivers(), Some(&cited));
    let verified = world.foil(&["verify", TICKET]);
    assert_eq!(verified.code, Some(0), "{verified}");
    assert!(verified.stdout.contains("run that is delivered"), "{verified}");
    seen!(
        "deliver_later_events",
        world.foil(&["events", TICKET, "--limit", "14"]).stdout
    );

    // Once is enough.
    let refused = error(&deliver(&world), 11);
    assert_eq!(
        refused["message"],
        format!("`{TICKET}` is delivered to `{BRANCH}` already")
    );
    assert_eq!(journals(&world).len(), 2);
}

#[test]
fn what_is_not_done_or_was_delivered_is_not_delivered_later() {
    let delivered = error(&deliver(&done()), 11);
    assert_eq!(
        delivered["message"],
        format!("`{TICKET}` is delivered to `{BRANCH}` already")
    );
    let world = blocked();
    let nothing = error(&deliver(&world), 11);
    assert_eq!(nothing["message"], format!("no run of `{TICKET}` is done"));
}

#[test]
fn a_policy_that_pushes_now_is_refused_by_name() {
    let world = done_nowhere();
    let policy = world.read("counterfoil.toml");
    world.write(
        "counterfoil.toml",
        policy.replace("mode = \"none\"", "mode = \"push\"\ntarget = \"main\""),
    );
    world.commit_all("Push from now on");
    let refused = error(&deliver(&world), 11);
    assert_eq!(
        refused["message"],
        "the policy delivers by `push`, and what a run left is delivered later only to a branch"
    );
    assert_eq!(journals(&world).len(), 1);
}

#[test]
fn a_ticket_that_was_changed_since_is_not_delivered() {
    let world = done_nowhere();
    world.write(&format!("ledger/tickets/{TICKET}/prompt.md"), "Say goodbye.\n");
    world.commit_all("Another mind");
    let said = deliver(&world);
    assert_ne!(said.code, Some(0), "{said}");
    assert_eq!(world.git(&["for-each-ref", "refs/heads/foil"]), "");
}

#[test]
fn what_the_earlier_run_left_is_verified_before_it_is_delivered() {
    let world = done_nowhere();
    let path = world
        .root()
        .join(".git/counterfoil/runs")
        .join(TICKET)
        .join(stored_receipt(&world).run.to_string())
        .join("journal.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let said = deliver(&world);
    assert_eq!(said.code, Some(12), "{said}");
    assert_eq!(world.git(&["for-each-ref", "refs/heads/foil"]), "");
}

#[test]
fn a_branch_of_the_name_is_left_alone() {
    let world = done_nowhere();
    world.git(&["branch", BRANCH]);
    let before = world.git(&["rev-parse", BRANCH]);
    let packet = json_of(&deliver(&world))["runs"][0]["packet"].clone();
    assert_eq!(packet["branch"], format!("{BRANCH}-2"));
    assert_eq!(world.git(&["rev-parse", BRANCH]), before);
}

#[test]
fn a_delivery_that_is_killed_at_any_line_goes_on_and_delivers_once() {
    let whole = done_nowhere();
    assert_eq!(deliver(&whole).code, Some(0));
    // Its last two lines tell that it was stored, and are not in what was stored.
    let earlier = journals(&whole)[0].iter().filter(|byte| **byte == b'\n').count() - 2;
    let lines = journals(&whole)[1].iter().filter(|byte| **byte == b'\n').count();
    // The last lines store the run; each of those before is where a runner may die.
    for cut in [1, 3, 6] {
        let world = done_nowhere();
        assert_eq!(deliver(&world).code, Some(0));
        let runs = world.root().join(".git/counterfoil/runs").join(TICKET);
        let run = stored_receipt(&world).run.to_string();
        let path = runs.join(&run).join("journal.jsonl");
        let journal = std::fs::read_to_string(&path).unwrap();
        let kept: String = journal
            .lines()
            .take((earlier + cut).min(lines))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&path, kept).unwrap();
        // As the runner left it that wrote only so much.
        for name in [
            format!("refs/heads/{BRANCH}"),
            format!("refs/counterfoil/runs/{TICKET}/{run}"),
        ] {
            world.git(&["update-ref", "-d", &name]);
        }
        for anchor in world
            .git(&[
                "for-each-ref",
                "--format=%(refname)",
                &format!("refs/counterfoil/keep/{run}"),
            ])
            .lines()
            .filter(|name| name.contains("/change-") || name.contains("/records-"))
        {
            world.git(&["update-ref", "-d", anchor]);
        }
        let first = world.git(&[
            "for-each-ref",
            "--format=%(objectname)",
            &format!("refs/counterfoil/runs/{TICKET}"),
        ]);
        world.git(&["update-ref", &format!("refs/counterfoil/receipts/{TICKET}"), &first]);
        let said = deliver(&world);
        assert_eq!(said.code, Some(0), "{cut}: {said}");
        assert_eq!(json_of(&said)["runs"][0]["taken_up"], true, "{cut}");
        assert_eq!(world.git(&["rev-list", "--count", &format!("main..{BRANCH}")]), "2");
        assert_eq!(journals(&world).len(), 2);
        assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
    }
}

#[test]
fn no_agent_has_a_part_in_it() {
    let world = done_nowhere();
    std::fs::remove_dir_all(world.folder().join("scripts")).unwrap();
    let said = world.foil(&["deliver", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains(BRANCH), "{said}");
}

#[test]
fn of_two_that_deliver_at_the_same_time_one_does_and_the_other_says_so() {
    let world = done_nowhere();
    let begin = || Running::start(world.foil_command().args(["deliver", TICKET, "--json"]));
    let both = [begin(), begin()].map(Running::said);
    let mut codes = both.each_ref().map(|said| said.code);
    codes.sort();
    assert_eq!(codes, [Some(0), Some(11)], "{} {}", both[0], both[1]);
    let other = both.iter().find(|said| said.code == Some(11)).unwrap();
    let error = json_of(other)["error"].clone();
    let told = error["message"].as_str().unwrap();
    let is_told = error["code"] == "claimed_elsewhere" || told.contains("is delivered to `foil/0001-hello` already");
    assert!(is_told, "{other}");
    assert_eq!(world.git(&["for-each-ref", "refs/heads/foil"]).lines().count(), 1);
    assert_eq!(world.git(&["rev-list", "--count", &format!("main..{BRANCH}")]), "2");
    let receipts = format!("refs/counterfoil/receipts/{TICKET}");
    assert_eq!(world.git(&["for-each-ref", &receipts]).lines().count(), 1);
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}
