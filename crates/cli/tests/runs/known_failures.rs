//! A check that fails on the base, and may go on failing as it did there.

use crate::common::{Said, World};
use crate::world::{TICKET, approved_with, json, run_folder};

/// Writes a report in which the tests of `failing` fail, and ends as `status` says if there are any.
const TESTS: &str = r#"
{
    printf '<testsuite><testcase name="works"/>'
    while read -r name; do printf '<testcase name="%s"><failure/></testcase>' "$name"; done <failing
    printf '</testsuite>'
} >report.xml
test ! -s failing || exit "$(cat status)"
"#;

const CONTRACT: &str =
    "title = \"Say hello\"\nmode = \"standard\"\n[scope]\nallowed = [\"hello.txt\", \"failing\", \"status\"]\n";

/// Runs the ticket with a worker that takes these steps in its first turn, and only says hello later.
fn run(failing: &str, first: &[(&str, &str)]) -> (World, Said) {
    let write =
        |(path, text): &(&str, &str)| format!("[[step]]\ndo = \"write\"\npath = \"{path}\"\ntext = \"{text}\"\n");
    let steps: String = first.iter().chain([&("hello.txt", "hello\\n")]).map(write).collect();
    let answer = "[answer]\nreport = { summary = \"said hello\" }\n";
    let world = approved_with(
        &format!("role = \"writer\"\nturn = 1\n{steps}{answer}"),
        CONTRACT,
        |world| {
            let policy = world.read("counterfoil.toml");
            let (agent, _) = policy.split_once("[[check]]").unwrap();
            let check = "[[check]]\nname = \"tests\"\nrun = \"sh tests.sh\"\nsandbox = \"off\"\n\
                     baseline = \"no_new_failures\"\nreport = \"junit:report.xml\"\n";
            world.write("counterfoil.toml", format!("{agent}{check}"));
            world.write("tests.sh", TESTS);
            world.write("failing", failing);
            world.write("status", "1\n");
            let restore = [("failing", failing.replace('\n', "\\n")), ("status", "1\\n".to_owned())];
            let restore: String = restore.iter().map(|(path, text)| write(&(path, text))).collect();
            std::fs::write(
                world.folder().join("scripts/writer_later.toml"),
                format!("role = \"writer\"\n{restore}{answer}"),
            )
            .unwrap();
        },
    );
    let said = world.foil(&["run", TICKET, "--json"]);
    (world, said)
}

/// How many turns it took, if the change was delivered.
fn turns_to_delivery((world, said): &(World, Said)) -> usize {
    assert_eq!(json(said)["runs"][0]["packet"]["outcome"], "done", "{said}");
    let journal = std::fs::read_to_string(run_folder(world).join("journal.jsonl")).unwrap();
    journal.matches("\"kind\":\"iteration_started\"").count()
}

#[test]
fn what_failed_before_may_go_on_failing_and_is_told() {
    let ran = run("old\nolder\n", &[]);
    assert_eq!(turns_to_delivery(&ran), 1);
    let (world, _) = &ran;
    let told = "exit status 1; 2 tests fail as on the base";
    let record = world.git(&["show", &format!("foil/{TICKET}:ledger/tickets/{TICKET}/result.md")]);
    assert!(record.contains(told), "{record}");
    let packet = world.foil(&["review", TICKET]).stdout;
    assert!(packet.contains(told), "{packet}");
    assert_eq!(world.foil(&["verify", TICKET]).code, Some(0));
}

#[test]
fn what_failed_before_may_be_mended() {
    assert_eq!(turns_to_delivery(&run("old\nolder\n", &[("failing", "older\\n")])), 1);
    assert_eq!(turns_to_delivery(&run("old\n", &[("failing", "")])), 1);
}

#[test]
fn no_other_test_may_fail() {
    assert_eq!(turns_to_delivery(&run("old\n", &[("failing", "old\\nnew\\n")])), 2);
    assert_eq!(
        turns_to_delivery(&run("old\n", &[("failing", "new\\n")])),
        2,
        "not one in exchange for another"
    );
    assert_eq!(
        turns_to_delivery(&run("old\n", &[("failing", "old\\nold\\n")])),
        2,
        "nor one of the same name"
    );
    assert_eq!(turns_to_delivery(&run("", &[("failing", "new\\n")])), 2);
}

#[test]
fn the_check_may_not_end_otherwise_than_on_the_base() {
    assert_eq!(turns_to_delivery(&run("old\n", &[("status", "2\\n")])), 2);
}

#[test]
fn failing_tests_that_cannot_be_told_apart_are_no_base() {
    let many: String = (0..101).map(|number| format!("test{number}\n")).collect();
    let (_, said) = run(&many, &[]);
    let blocker = &json(&said)["runs"][0]["packet"]["blocker"];
    assert_eq!(blocker["code"], "baseline_failed", "{said}");
    assert!(
        blocker["reason"].as_str().unwrap().contains("101 failing tests"),
        "{said}"
    );
}
