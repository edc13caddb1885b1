//! Everything that speaks in a run says what must not leave the machine. That none of it is shown is looked at by [`World`]
//! itself: whatever `foil` prints, and whatever a world keeps, is scanned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use testkit::hygiene::{Plant, Surface};

use crate::common::{World, output_of, said, scanner};
use crate::world::{CONTRACT, TICKET, approved, approved_in, run_folder};

/// What is said everywhere: the credential, and the paths that are known.
fn planted(world: &World) -> String {
    let credential = Plant::Credential.value().unwrap();
    let [home, repository, state] =
        [world.home(), world.root(), world.state_home()].map(|path| path.display().to_string());
    format!("{credential} {home}/a -I{repository}/b ({state}/counterfoil/c) {state}/counterfoil.")
}

/// Checks and hooks that print the same, and all that they were handed. One that is confined also tries for the home.
const POLICY: &str = r#"
[[check]]
name = "tells"
run = "echo $PLANTED_API_TOKEN $PLANTED_BESIDE_IT $HOME/a $PWD; env; grep -qx hello hello.txt"
env = ["PLANTED_BESIDE_IT"]
sandbox = "off"
baseline = "off"
[[check]]
name = "reads"
run = "echo it is [words]; env; cat [words] ~/.netrc $HOME/.netrc; true"
env = ["PLANTED_BESIDE_IT"]
baseline = "off"
[notify]
on = ["done", "blocked"]
command = "cat >>[told]; env | grep ^FOIL_ >>[told]"
[hooks]
pre_iteration = "echo $HOME; pwd; echo [planted] >&2"
post_iteration = "echo [planted]; exit 3"
on_completed = "echo [planted]; exit 3"
on_blocked = "echo [planted]; exit 3"
"#;

const WRITER: &str = r#"role = "writer"
[[step]]
do = "message"
text = "I begin [planted]"
[[step]]
do = "command"
command = "ls [planted]"
exit_code = 1
[[step]]
do = "warning"
text = "[planted]"
[[step]]
do = "retry"
reason = "[planted]"
[[step]]
do = "decline"
request = "[planted]"
about = "[planted]"
[[step]]
do = "run"
command = "echo '[planted]'; echo '[planted]' >&2"
[[step]]
do = "write"
path = "hello.txt"
text = "[text]\n"
"#;

const REPORT: &str = r#"summary = "[planted]", risks = ["[planted]"], deviations = ["[planted]"], skipped_checks = ["[planted]"],
    next_ticket = "[planted]", memory = ["[planted]"], commands = [{ command = "[planted]", outcome = "[planted]" }],
    self_review = { checked = ["[planted]"], concerns = ["[planted]"] }"#;

const REVIEW: &str =
    r#"summary = "[planted]", inspected = ["[planted]"], residual_risks = ["[planted]"], next_action = "[planted]""#;

const FINDING: &str = r#"{ severity = "high", place = "[planted]", expected = "[planted]", actual = "[planted]", required_repair = "[planted]" }"#;

/// A world in which all of them speak, the worker in the end with this report.
fn speaking(report: &str) -> World {
    let world = World::new();
    std::fs::create_dir(world.home()).unwrap();
    let one_line = |text: &str| text.replace('\n', " ");
    let first = one_line(REPORT);
    let writers = [
        format!("turn = 1\n{WRITER}[answer]\nreport = {{ {first} }}\n").replace("[text]", "goodbye"),
        format!("turn = 2\n{WRITER}[answer]\nreport = {{ {first} }}\n").replace("[text]", "hello"),
        format!("turn = 3\n{WRITER}[answer]\nreport = {{ {} }}\n", one_line(report)).replace("[text]", r"hello\nagain"),
    ];
    let reviews = [
        format!("verdict = \"fail\", findings = [{FINDING}], {REVIEW}"),
        format!("verdict = \"pass\", {REVIEW}"),
    ];
    let planted = planted(&world);
    let filled = |text: &str| text.replace("[planted]", &planted);
    approved_in(world, &filled(&writers[0]), CONTRACT, |world| {
        let scripts = world.folder().join("scripts");
        let write = |name: &str, text: &str| std::fs::write(scripts.join(name), filled(text)).unwrap();
        write("writer-2.toml", &writers[1]);
        write("writer-3.toml", &writers[2]);
        write(
            "reviewer.toml",
            &format!(
                "role = \"reviewer\"\nturn = 1\n[answer]\nreview = {{ {} }}\n",
                reviews[0]
            ),
        );
        write(
            "reviewer-2.toml",
            &format!(
                "role = \"reviewer\"\nturn = 2\n[answer]\nreview = {{ {} }}\n",
                reviews[1]
            ),
        );
        // Hooks print files, so that no path and no secret is committed in the policy.
        std::fs::write(world.folder().join("words"), format!("{planted}\n")).unwrap();
        let policy = world.read("counterfoil.toml");
        let agent = policy.split("[[check]]").next().unwrap();
        let words = world.folder().join("words").display().to_string();
        let told = world.folder().join("told").display().to_string();
        let more = POLICY
            .replace("[planted]", &format!("$(cat {words})"))
            .replace("[words]", &words)
            .replace("[told]", &told);
        world.write("counterfoil.toml", format!("{agent}{more}"));
    })
}

/// Every verb that tells of a run, in each of its forms. What they print is scanned.
fn tell_all(world: &World) {
    let forms: &[&[&str]] = &[
        &["status"],
        &["status", TICKET],
        &["status", TICKET, "--json"],
        &["events", TICKET],
        &["events", TICKET, "--json"],
        &["events", "--all-tickets"],
        &["logs", TICKET],
        &["logs", TICKET, "--json"],
        &["logs", TICKET, "--raw", "--all"],
        &["logs", TICKET, "--raw", "--all", "--json"],
        &["logs", TICKET, "--bundle", "a.tar"],
        &["logs", TICKET, "--bundle", "-"],
        &["review", TICKET],
        &["review", TICKET, "--markdown"],
        &["review", TICKET, "--html"],
        &["review", TICKET, "--json"],
        &["review", TICKET, "--prompt"],
        &["verify", TICKET],
        &["verify", TICKET, "--json"],
        &["explain", TICKET],
        &["explain", TICKET, "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["trust"],
        &["clean"],
    ];
    let tell = |form: &&[&str]| {
        let mut command = world.foil_command();
        let output = output_of(command.args(*form));
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        // Each of them has something to tell.
        assert!(matches!(output.status.code(), Some(0 | 11)), "{form:?}: {output:?}");
        assert!(!stdout.is_empty(), "{form:?}: {output:?}");
        if ["events", "logs"].contains(&form[0]) && !form.contains(&"a.tar") {
            assert!(
                stdout.contains("[secret]") && stdout.contains("$REPOSITORY/b"),
                "{form:?}: {stdout}"
            );
        }
    };
    forms.iter().for_each(tell);
}

/// What a notification command was told, scanned.
fn told(world: &World) -> String {
    let told = std::fs::read(world.folder().join("told")).unwrap();
    scanner().scan(Surface::Notification, "told", &told);
    String::from_utf8(told).unwrap()
}

#[test]
fn a_run_that_is_done_shows_nothing_of_what_all_in_it_said() {
    let world = speaking(REPORT);
    let ran = said(world.foil_command().args(["run", TICKET, "--json"]));
    assert_eq!(ran.code, Some(0), "{ran}");
    tell_all(&world);
    assert!(told(&world).contains(TICKET));
    for name in ["result", "review"] {
        let record = world.git(&["show", &format!("foil/{TICKET}:ledger/tickets/{TICKET}/{name}.md")]);
        assert!(record.contains("secret"), "{record}");
    }
    // All of it was said: what the agents said themselves is kept word by word.
    let log = std::fs::read_to_string(run_folder(&world).join("agent.jsonl")).unwrap();
    assert!(log.contains(Plant::Credential.value().unwrap()) && log.contains(world.root().to_str().unwrap()));
}

#[test]
fn a_run_that_stopped_shows_nothing_of_why() {
    let world = speaking("status = \"blocked\", blocked_because = \"[planted]\", summary = \"[planted]\"");
    let ran = said(world.foil_command().args(["run", TICKET]));
    assert_eq!(ran.code, Some(10), "{ran}");
    tell_all(&world);
    assert!(told(&world).contains("blocked"));
}

#[test]
fn a_plain_value_that_a_worker_repeats_is_masked_in_bundles_alone() {
    let writer = "role = \"writer\"\n[[step]]\ndo = \"write\"\npath = \"hello.txt\"\ntext = \"hello\\n\"\n\
        [answer]\nreport = { summary = \"for the harbour blue-green-7\" }\n";
    let world = approved(writer);
    let with_value = |arguments: &[&str]| said(world.foil_command().args(arguments).env("HARBOUR", "blue-green-7"));
    let ran = with_value(&["run", TICKET]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let record = world.git(&["show", &format!("foil/{TICKET}:ledger/tickets/{TICKET}/result.md")]);
    assert!(record.contains("for the harbour blue-green-7"), "{record}");
    assert!(
        with_value(&["logs", TICKET])
            .stdout
            .contains("for the harbour blue-green-7")
    );
    let bundled = with_value(&["logs", TICKET, "--bundle", "-"]).stdout;
    assert!(bundled.contains("for the harbour [secret]") && !bundled.contains("blue-green-7"));
}

/// What a test fails with that does this.
fn failure(action: impl FnOnce()) -> String {
    let ended = catch_unwind(AssertUnwindSafe(action));
    ended.unwrap_err().downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_world_that_keeps_a_leak_fails_its_test() {
    let world = World::new();
    let leak = planted(&world);
    world.commit_all(&leak);
    let reason = failure(|| drop(world));
    assert!(reason.contains("commit: a message: [planted credential]"), "{reason}");
    assert!(
        reason.contains("commit: a message: [planted path]") && !reason.contains(&leak),
        "{reason}"
    );
}

#[test]
fn a_command_that_prints_a_leak_fails_its_test() {
    let world = World::new();
    std::fs::create_dir(world.home()).unwrap();
    world.foil(&["status"]);
    for (script, surface, plant) in [
        ("echo $PLANTED_API_TOKEN >&2", "terminal: stderr", Plant::Credential),
        ("echo $PLANTED_BESIDE_IT", "answer: stdout", Plant::Variable),
        ("cat ~/.netrc", "answer: stdout", Plant::HomeFile),
        ("echo $HOME", "answer: stdout", Plant::Path),
    ] {
        // In place of a `foil run`.
        let told = failure(|| drop(said(world.command("sh").args(["-c", script, "run"]))));
        assert!(
            told.contains(surface) && told.contains(plant.name()),
            "{script}: {told}"
        );
    }
}

/// Where something is captured beside `common`, how often, and why nothing of `foil` passes by unseen there.
const CAPTURED: [(&str, usize, &str); 8] = [
    ("e2e/real_repository.rs", 1, "Cargo's"),
    ("e2e/refusals.rs", 1, "`true`"),
    ("e2e/world.rs", 3, "Git's, and the files of `Running`, which scans them"),
    ("runs/full_disk.rs", 1, "a shell that holds the disk"),
    ("runs/push/http.rs", 1, "Git's own server"),
    ("runs/service.rs", 1, "systemd's reader of units"),
    ("runs/test_gates.rs", 1, "the compiler's"),
    ("taplo.rs", 1, "the reader of TOML"),
];

#[test]
fn what_is_printed_is_captured_in_one_place_where_it_is_scanned() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut captured = Vec::new();
    for file in sources(&tests) {
        let name = file.strip_prefix(&tests).unwrap().to_str().unwrap().to_owned();
        let source = std::fs::read_to_string(&file).unwrap();
        let streams = ["stdout", "stderr"].map(|stream| {
            let begins = format!(".{stream}(");
            let given = source.split(&begins).skip(1);
            given
                .filter(|to| !to.starts_with(')') && !to.starts_with("Stdio::null()"))
                .count()
        });
        let count = source.matches(&[".output", "()"].concat()).count() + streams.iter().sum::<usize>();
        if count > 0 && !name.starts_with("common/") {
            captured.push((name, count));
        }
    }
    captured.sort();
    let expected = CAPTURED.map(|(name, count, _)| (name.to_owned(), count));
    assert_eq!(
        captured, expected,
        "`common::said` and `common::Running` scan what they read"
    );
}

/// The sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
