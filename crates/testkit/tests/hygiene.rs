//! That the scanner sees what is planted, on every surface, where it is, and never says it.
#![expect(
    clippy::unwrap_used,
    unused_crate_dependencies,
    reason = "a test that cannot go on ends"
)]

use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use testkit::hygiene::{Plant, Scanner, Surface};
use testkit::repo::TestRepository;

const PLACE: &str = env!("CARGO_TARGET_TMPDIR");

fn values() -> [String; 3] {
    [Plant::Credential, Plant::Variable, Plant::HomeFile].map(|plant| plant.value().unwrap().to_owned())
}

fn path() -> String {
    format!("{PLACE}/world-abc123/home/notes")
}

/// What the test fails with that does this, or nothing.
fn failure(action: impl FnOnce()) -> String {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let ended = catch_unwind(AssertUnwindSafe(action));
    std::panic::set_hook(hook);
    match ended {
        Ok(()) => String::new(),
        Err(reason) => reason.downcast_ref::<String>().unwrap().clone(),
    }
}

#[test]
fn what_is_planted_is_found_on_every_surface_that_must_not_show_it() {
    let scanner = Scanner::new(PLACE);
    let planted = [
        (Plant::Credential, values()[0].clone()),
        (Plant::Variable, values()[1].clone()),
        (Plant::HomeFile, values()[2].clone()),
        (Plant::Path, path()),
    ];
    for surface in Surface::ALL {
        assert_eq!(scanner.leaks(surface, "nowhere", b"all is well in /usr/bin/env"), []);
        for (plant, value) in &planted {
            let text = format!("it says {value}; that is all");
            let leaks = scanner.leaks(surface, "somewhere", text.as_bytes());
            if surface.may_show(*plant) {
                assert_eq!(leaks, [], "{surface:?} {plant:?}");
                continue;
            }
            let [leak] = &leaks[..] else {
                panic!("{surface:?} {plant:?}: {leaks:?}")
            };
            assert_eq!((leak.surface, leak.plant, leak.at), (surface, *plant, 8));
            let told = leak.to_string();
            assert!(
                told.contains(surface.name()) && told.contains("somewhere") && told.contains(plant.name()),
                "{told}"
            );
            assert!(!told.contains(value), "{told}");
        }
    }
}

#[test]
fn a_credential_is_shown_nowhere_but_word_by_word_in_the_agents_own_log() {
    let shown = |plant| -> Vec<_> {
        let all = Surface::ALL.into_iter();
        all.filter(|surface| surface.may_show(plant)).collect()
    };
    assert_eq!(shown(Plant::Credential), [Surface::AgentLog]);
    assert_eq!(shown(Plant::HomeFile), [Surface::AgentLog]);
    assert_eq!(shown(Plant::Variable), [Surface::Log, Surface::AgentLog]);
}

#[test]
fn a_path_is_one_where_it_leads_to_what_is_known() {
    let scanner = Scanner::new(PLACE);
    let target = PLACE.strip_suffix("/tmp").unwrap();
    for (text, is_found) in [
        (format!("{PLACE}/world-a1/repo"), true),
        (format!("in {PLACE}/world-a1/repo."), true),
        (format!("`{PLACE}/e2e-a1/repository/x`"), true),
        (format!("\"{PLACE}/world-a1/state/counterfoil\""), true),
        (format!("to {PLACE}/world-a1/state/counterfoil."), true),
        (format!("{target}/debug/foil"), true),
        (format!("{PLACE}/world-a1/state/another"), false),
        (format!("{PLACE}/world-a1/elsewhere"), false),
        (format!("{PLACE}/world-a1/repository2"), false),
        (format!("{PLACE}/world-a1"), false),
        (format!("{target}-other/debug"), false),
        (format!("{PLACE}/world-a1/elsewhere {PLACE}/world-a1/home"), true),
    ] {
        let leaks = scanner.leaks(Surface::StoredRun, "journal.jsonl", text.as_bytes());
        assert_eq!(!leaks.is_empty(), is_found, "{text}");
    }
}

#[test]
fn a_command_that_prints_what_is_planted_fails_its_test() {
    let scanner = Scanner::new(PLACE);
    let scan = |words: &[&str], stdout: &str, stderr: &str| {
        let words: Vec<_> = words.iter().map(OsStr::new).collect();
        failure(|| scanner.scan_output(&words, stdout.as_bytes(), stderr.as_bytes()))
    };
    assert_eq!(scan(&["trust"], &path(), &path()), "");
    assert_eq!(scan(&["review", "0001-x"], "", &path()), "");
    assert!(scan(&["--quiet"], &path(), "").contains("answer: stdout of `foil --quiet`: [planted path]"));
    let told = scan(&["--json", "review", "0001-x"], &path(), "");
    assert!(
        told.contains("answer: stdout of `foil --json review 0001-x`: [planted path] at byte 0"),
        "{told}"
    );
    let error = format!("{{\n  \"schema\": \"counterfoil.error/1\", {}", path());
    assert_eq!(scan(&["run", "--json"], &error, ""), "");
    let wrapped = ["--target", "7", "/debug/foil", "-C", "trust", "status"];
    assert!(scan(&wrapped, &path(), "").contains("answer: stdout"));
    assert_eq!(
        scan(&["--target", "7", "/debug/foil", "-C", "/x", "trust"], &path(), ""),
        ""
    );
    let told = scan(&["trust"], "", &values()[1]);
    assert!(
        told.contains("terminal: stderr of `foil trust`: [planted variable]"),
        "{told}"
    );
    assert_eq!(scan(&["logs", "0001-x"], &values()[1], ""), "");
    let told = scan(&["logs", "0001-x"], &format!("{} {}", values()[0], path()), "");
    assert!(
        told.contains("log: stdout of `foil logs 0001-x`: [planted credential]") && told.contains("[planted path]"),
        "{told}"
    );
    let mut archive = vec![0; 257];
    archive.extend_from_slice(format!("ustar {}", path()).as_bytes());
    let words = ["logs", "--bundle", "-"].map(OsStr::new);
    let told = failure(|| scanner.scan_output(&words, &archive, b""));
    assert!(
        told.contains("bundle: stdout of `foil logs --bundle -`: [planted path]"),
        "{told}"
    );
}

/// Leaks in one kept place.
type Planting = fn(&TestRepository, &str);

#[test]
fn what_a_world_keeps_is_looked_at_wherever_it_is() {
    let plantings: [(&str, Planting); 10] = [
        ("commit: a message", |world, leak| {
            world.commit_all(&format!("Say hello\n\nin {leak}"));
        }),
        ("stored run: journal.jsonl", |world, leak| {
            store(world, "journal.jsonl", leak)
        }),
        ("stored run: outputs/0f", |world, leak| store(world, "outputs/0f", leak)),
        ("delivered record: ledger/tickets/0001-x/result.md", |world, leak| {
            world.git(&["checkout", "-q", "-b", "foil/0001-x"]);
            world.write("ledger/tickets/0001-x/result.md", leak);
            world.commit_all("Records");
            world.git(&["checkout", "-q", "main"]);
        }),
        ("run folder: 0001-x/r/checks/0f", |world, leak| {
            world.write(".git/counterfoil/runs/0001-x/r/checks/0f", leak);
        }),
        ("delivered record: ledger/tickets/0001-x/review.md", |world, leak| {
            world.write("ledger/tickets/0001-x/review.md", leak);
        }),
        ("bundle: a.tar", |world, leak| world.write("a.tar", leak)),
        ("stored run: receipt.json", |world, leak| {
            // In another clone, which is bare.
            store(world, "receipt.json", leak);
            let remote = world.folder().join("remote.git");
            world.git(&["clone", "-q", "--mirror", ".", remote.to_str().unwrap()]);
            world.git(&["update-ref", "-d", "refs/counterfoil/runs/0001-x/r"]);
        }),
        ("state: daemon/daemon.log", |world, leak| {
            world.write(".git/counterfoil/daemon/daemon.log", leak);
        }),
        ("state: counterfoil/notes", |world, leak| {
            let folder = world.state_home().join("counterfoil");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("notes"), leak).unwrap();
        }),
    ];
    let scanner = Scanner::new(PLACE);
    for (place, planting) in plantings {
        for (leak, plant) in [(values()[0].as_str(), Plant::Credential), (&path(), Plant::Path)] {
            let world = TestRepository::new(PLACE);
            world.write("README", "a project\n");
            world.commit_all("Begin");
            assert_eq!(failure(|| scanner.scan_world(world.folder())), "");
            planting(&world, leak);
            let told = failure(|| scanner.scan_world(world.folder()));
            if place.starts_with("state") && plant == Plant::Path {
                assert_eq!(told, "");
            } else {
                assert!(told.contains(&format!("{place}: {}", plant.name())), "{place}: {told}");
                assert_eq!(told.lines().count(), 2, "{told}");
                assert!(!told.contains(leak), "{told}");
            }
        }
    }
}

/// Stores a file as a run is stored.
fn store(world: &TestRepository, name: &str, text: &str) {
    world.git(&["checkout", "-q", "--orphan", "run"]);
    world.git(&["rm", "-q", "-r", "--cached", "."]);
    world.write(name, text);
    world.git(&["add", name]);
    world.git(&["commit", "-q", "-m", "run"]);
    world.git(&["update-ref", "refs/counterfoil/runs/0001-x/r", "HEAD"]);
    std::fs::remove_file(world.root().join(name)).unwrap();
    world.git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    world.git(&["reset", "-q", "--hard"]);
    world.git(&["branch", "-q", "-D", "run"]);
}

#[test]
fn names_are_looked_at_as_what_they_name_is() {
    let plantings: [(&str, Planting); 5] = [
        ("stored run: the name outputs/x", |world, leak| {
            store(world, &format!("outputs/x{leak}"), "said\n");
        }),
        ("run folder: the name 0001-x/r/checks/x", |world, leak| {
            world.write(&format!(".git/counterfoil/runs/0001-x/r/checks/x{leak}"), "said\n");
        }),
        ("commit: the name refs/heads/x", |world, leak| {
            world.git(&["update-ref", &format!("refs/heads/x{leak}"), "HEAD"]);
        }),
        ("content: the name x", |world, leak| {
            world.write(&format!("x{leak}"), "said\n")
        }),
        ("content: names in docs", |world, leak| {
            // The same content, which is listed at its first path alone.
            world.write("README", "a project\n");
            world.write(&format!("docs/x{leak}"), "a project\n");
            world.commit_all("Document it");
            world.git(&["rm", "-q", "-r", "docs"]);
            world.commit_all("Take it away");
        }),
    ];
    let scanner = Scanner::new(PLACE);
    for (place, planting) in plantings {
        for (leak, plant) in [(values()[0].as_str(), Plant::Credential), (&path(), Plant::Path)] {
            let world = TestRepository::new(PLACE);
            world.write("README", "a project\n");
            world.commit_all("Begin");
            assert_eq!(failure(|| scanner.scan_world(world.folder())), "");
            planting(&world, leak);
            let told = failure(|| scanner.scan_world(world.folder()));
            if place.starts_with("content") && plant == Plant::Path {
                assert_eq!(told, "");
            } else {
                assert!(told.contains(place) && told.contains(plant.name()), "{place}: {told}");
                assert!(!told.contains(leak), "{told}");
            }
        }
    }
}

#[test]
fn only_content_is_passed_over_where_there_is_too_much_of_it() {
    const LARGE: usize = 16 * 1024 * 1024;
    let scanner = Scanner::new(PLACE);
    let large = || "x".repeat(LARGE) + &values()[0];
    let world = TestRepository::new(PLACE);
    world.write("large", large());
    world.commit_all("Begin");
    for number in 0..4000 {
        world.write(&format!("many/{number}"), "");
    }
    assert_eq!(failure(|| scanner.scan_world(world.folder())), "");
    store(&world, "outputs/0f", &large());
    world.write("ledger/tickets/0001-x/review.md", large());
    world.write(".git/counterfoil/runs/0001-x/r/checks/0f", large());
    world.write(".git/counterfoil/daemon/daemon.log", large());
    let told = failure(|| scanner.scan_world(world.folder()));
    let leaks: Vec<_> = told.lines().skip(1).collect();
    for place in [
        "stored run: outputs/0f",
        "delivered record: ledger/tickets/0001-x/review.md",
        "run folder: 0001-x/r/checks/0f",
        "state: daemon/daemon.log",
    ] {
        let begins = format!("{place}: [planted credential] at byte {LARGE}");
        assert!(leaks.iter().any(|leak| leak.starts_with(&begins)), "{place}: {told}");
    }
    assert_eq!(leaks.len(), 4, "{told}");
}

#[test]
fn a_path_that_the_user_wrote_is_quoted_as_it_is_and_no_other() {
    let scanner = Scanner::new(PLACE);
    let scanned = |world: &TestRepository| failure(|| scanner.scan_world(world.folder()));
    for words in [
        "counterfoil.toml",
        "ledger/tickets/0001-x/ticket.toml",
        "ledger/tickets/0001-x/prompt.md",
    ] {
        let world = TestRepository::new(PLACE);
        world.write(words, format!("run = \"cat {}\"\n", path()));
        world.commit_all("Begin");
        let quote = format!("{{\"run\":\"cat {}\"}}, and in words {}.", path(), path());
        store(&world, "journal.jsonl", &quote);
        world.write(".git/counterfoil/runs/0001-x/r/journal.jsonl", &quote);
        world.write("ledger/tickets/0001-x/result.md", &quote);
        assert_eq!(scanned(&world), "", "{words}");
        // Not where no record quotes them, not with a secret beside it, and no path above, below or beside.
        world.commit_all(&format!("In {}", path()));
        assert!(scanned(&world).contains("commit: a message: [planted path]"));
        for (more, plant) in [
            (values()[0].clone(), "[planted credential]"),
            (format!("{}/b", path()), "[planted path]"),
            (path().replace("/notes", ""), "[planted path]"),
            (path().replace("notes", "other"), "[planted path]"),
        ] {
            store(&world, "journal.jsonl", &format!("{quote} {more}"));
            let told = scanned(&world);
            assert!(
                told.contains(&format!("stored run: journal.jsonl: {plant}")),
                "{words}: {told}"
            );
        }
    }
}

#[test]
fn what_a_worker_wrote_excuses_nothing() {
    let scanner = Scanner::new(PLACE);
    for (branch, file) in [
        ("main", "sub/counterfoil.toml"),
        ("main", "prompt.md"),
        ("main", "ledger/tickets/0001-x/sub/prompt.md"),
        ("foil/0001-x", "ledger/tickets/0001-x/prompt.md"),
    ] {
        let world = TestRepository::new(PLACE);
        world.write("README", "a project\n");
        world.commit_all("Begin");
        world.git(&["checkout", "-q", "-B", branch]);
        world.write(file, path());
        world.commit_all("Work");
        world.git(&["checkout", "-q", "main"]);
        store(&world, "journal.jsonl", &path());
        let told = failure(|| scanner.scan_world(world.folder()));
        assert!(
            told.contains("stored run: journal.jsonl: [planted path]"),
            "{file}: {told}"
        );
    }
}
