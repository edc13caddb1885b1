//! A repository in which a scripted agent has run tickets.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ledger_core::{Event, Journal};
use runner::{Settings, Workspace};
use serde_json::Value;

use crate::common::{Said, World};

/// The ticket of most tests.
pub(crate) const TICKET: &str = "0001-hello";

/// What the worker does in most tests: with everything that a terminal and a page should not get.
pub(crate) const WRITER: &str = r#"
role = "writer"
[tokens]
input = 10
output = 5
[[step]]
do = "message"
text = "I begin \u001b[31mnow\u202e"
[[step]]
do = "command"
command = "ls \u001b]0;title\u0007-la"
[[step]]
do = "write"
path = "hello.txt"
text = "hello\n"
[answer]
report = { summary = "said <script>alert(1)</script> \u001b[2J" }
"#;

const REVIEWER: &str =
    "role = \"reviewer\"\n[answer]\nreview = { verdict = \"pass\", summary = \"good & <b>bold</b>\" }\n";

pub(crate) const CONTRACT: &str = "title = \"Say hello\"\nmode = \"standard\"\n[scope]\ngoal = \"hello\"\nallowed = [\"hello.txt\"]\n\
    [[acceptance]]\nid = \"AC-1\"\ngiven = \"a\"\nwhen = \"b\"\nthen = \"c\"\n";

/// A check that prints what a terminal should not get.
const CHECK: &str = "[[check]]\nname = \"hello\"\nrun = \"printf 'checked \\\\033[31mred\\\\rover\\\\n'; grep -q hello hello.txt\"\n\
    sandbox = \"off\"\nbaseline = \"off\"\n";

/// A world with an approved ticket and an agent that follows this script.
pub(crate) fn approved(writer: &str) -> World {
    approved_with(writer, CONTRACT, |_| ())
}

/// The same with another contract, and with what else is prepared before everything is committed.
pub(crate) fn approved_with(writer: &str, contract: &str, prepare: impl FnOnce(&World)) -> World {
    approved_in(World::new(), writer, contract, prepare)
}

/// The same in this world, which is empty yet.
pub(crate) fn approved_in(world: World, writer: &str, contract: &str, prepare: impl FnOnce(&World)) -> World {
    assert_eq!(world.foil(&["init"]).code, Some(0));
    let scripts = world.folder().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    std::fs::write(scripts.join("writer.toml"), writer).unwrap();
    std::fs::write(scripts.join("reviewer.toml"), REVIEWER).unwrap();
    let agent = format!("[agent]\nkind = \"scripted\"\ncommand = \"{}\"\n", scripts.display());
    world.write("counterfoil.toml", format!("{agent}{CHECK}"));
    world.ticket(TICKET, contract);
    prepare(&world);
    world.commit_all("Set up Counterfoil");
    for args in [&["trust"][..], &["approve", TICKET]] {
        let said = world.foil(args);
        assert_eq!(said.code, Some(0), "{said}");
    }
    world
}

/// A world in which another ticket is ready too, with a higher priority.
pub(crate) fn unchosen() -> World {
    let world = approved(WRITER);
    world.ticket("0002-later", &format!("{}priority = 7\n", crate::common::LOOP));
    assert_eq!(world.foil(&["approve", "0002-later"]).code, Some(0));
    world
}

/// A world in which the ticket is done.
pub(crate) fn done() -> World {
    let world = approved(WRITER);
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(0), "{said}");
    world
}

/// A world in which the ticket ended in a blocker that it cannot go on from, with this left in its place.
pub(crate) fn blocked() -> World {
    let step = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"elsewhere.txt\"\ntext = \"worth keeping\\n\"\n";
    let world = approved(&format!("{step}[answer]\nreport = {{ summary = \"out of scope\" }}\n"));
    let policy = world.read("counterfoil.toml");
    world.write("counterfoil.toml", format!("{policy}[workspace]\nkeep = \"always\"\n"));
    world.commit_all("Keep places");
    assert_eq!(world.foil(&["trust"]).code, Some(0));
    let said = world.foil(&["run", TICKET]);
    assert_eq!(said.code, Some(10), "{said}");
    world
}

/// A world in which the worker of a run never ends, and the process that runs it.
pub(crate) fn under_way() -> (World, Runner) {
    let world = approved("role = \"writer\"\n[end]\nnever = true\n");
    let runner = begin(&world, TICKET, TICKET, WRITES);
    (world, runner)
}

/// What the events of a ticket say once its worker, or its planner, is at work.
pub(crate) const WRITES: &str = "begins conversation scripted-writer";
pub(crate) const PLANS: &str = "begins conversation scripted-planner";

/// A `foil run` of what has this name, once the events of the ticket say these words.
pub(crate) fn begin(world: &World, name: &str, ticket: &str, words: &str) -> Runner {
    let mut command = world.foil_command();
    command.args(["run", name]).stdout(Stdio::null()).stderr(Stdio::null());
    let runner = Runner(command.spawn().unwrap());
    eventually(words, || world.foil(&["events", ticket]).stdout.contains(words));
    runner
}

/// A `foil run`, ended with the test.
pub(crate) struct Runner(pub(crate) Child);

impl Runner {
    /// Ends it as nobody can prevent.
    pub(crate) fn killed(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a condition holds, and fails the test where it does not within half a minute.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The workspace as the command opens it.
pub(crate) fn workspace(world: &World) -> Workspace {
    let settings = Settings {
        state_folder: world.state_home().join("counterfoil"),
    };
    Workspace::open(&world.root(), &settings).unwrap()
}

/// The name of what Git is in the middle of, and how that begins.
pub(crate) type Operation = (&'static str, fn(&World));

/// All of them.
pub(crate) const OPERATIONS: [Operation; 6] = [
    ("merge", |world| {
        beside(world);
        world.git(&["merge", "-q", "--no-commit", "--no-ff", "side"]);
    }),
    ("cherry-pick", |world| {
        beside(world);
        world.git(&["reset", "-q", "--hard", "HEAD"]);
        assert!(!world.try_git(&["cherry-pick", "side", "other"]).status.success());
    }),
    // Between two picks, after a conflict that was thrown away.
    ("cherry-pick", |world| {
        beside(world);
        world.git(&["reset", "-q", "--hard", "HEAD"]);
        assert!(
            !world
                .try_git(&["cherry-pick", "side", "other", "main"])
                .status
                .success()
        );
        world.git(&["reset", "-q", "--merge"]);
    }),
    ("revert", |world| {
        beside(world);
        world.git(&["revert", "--no-commit", "HEAD"]);
    }),
    ("rebase", |world| {
        beside(world);
        assert!(!world.try_git(&["rebase", "--exec", "false", "HEAD^"]).status.success());
    }),
    ("bisect", |world| {
        beside(world);
        world.git(&["bisect", "start"]);
        world.git(&["bisect", "bad"]);
        world.git(&["bisect", "good", "HEAD^"]);
    }),
];

/// A branch with a commit of its own, and another that does not go with it.
fn beside(world: &World) {
    for branch in ["side", "other"] {
        world.git(&["switch", "-q", "-c", branch, "main"]);
        world.write("side", format!("{branch}\n"));
        world.commit_all(branch);
    }
    world.git(&["switch", "-q", "main"]);
}

/// The folder of the ticket's only run.
pub(crate) fn run_folder(world: &World) -> PathBuf {
    let runs = world.root().join(".git/counterfoil/runs").join(TICKET);
    let mut entries: Vec<_> = std::fs::read_dir(runs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

/// The id of the ticket's only run.
pub(crate) fn run_id(world: &World) -> String {
    run_folder(world).file_name().unwrap().to_str().unwrap().to_owned()
}

/// The one JSON document of an answer.
pub(crate) fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The JSON documents of an answer, one a line.
pub(crate) fn json_lines(said: &Said) -> Vec<Value> {
    said.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Whether a text holds nothing that moves a cursor or reorders what is read.
pub(crate) fn is_harmless(text: &str) -> bool {
    text.chars()
        .all(|c| c == '\n' || (!c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)))
}

/// Compares with a snapshot, without what differs from run to run.
#[macro_export]
macro_rules! seen {
    ($name:expr, $value:expr) => {{
        let mut settings = $crate::common::settings();
        for (pattern, replacement) in [
            // The general settings have shortened the last part by now.
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-(\[short\]|[0-9a-f]{12})",
                "[run]",
            ),
            (r"\b(change|records|tree-\d+)-\d+\b", "$1-[seq]"),
            (r"\b\d+ lines\b", "[count] lines"),
            (r"\b\d+ bytes\b", "[count] bytes"),
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
                "[run]",
            ),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[time]"),
            (r"\d+\.\d s\b", "[seconds]"),
            (r"\d+ ms\b", "[milliseconds]"),
            (r"\| time \| \d+ s", "| time | [seconds]"),
            (r"tokens, \d+ ?s", "tokens, [seconds]"),
            (r"prompt of \d+ bytes", "prompt of [count] bytes"),
            (r"\d+ (KiB|MiB)\b", "[size]"),
            (r#""duration_ms": \d+"#, r#""duration_ms": "[milliseconds]""#),
            (r#""seconds": \d+"#, r#""seconds": "[seconds]""#),
            (r#""bytes": \d+"#, r#""bytes": "[size]""#),
            (
                r"scripted-(writer|reviewer)-1-\[short\]|scripted-(writer|reviewer)-1-[0-9a-f]{12}",
                "[thread]",
            ),
        ] {
            settings.add_filter(pattern, replacement);
        }
        settings.bind(|| insta::assert_snapshot!($name, $value))
    }};
}

/// Every event of the only run, as its journal has it.
pub(crate) fn journaled(world: &World) -> Vec<Event> {
    let journal = std::fs::read(run_folder(world).join("journal.jsonl")).unwrap();
    let records = Journal::parse(&journal).unwrap().records;
    records.into_iter().map(|record| record.event).collect()
}
