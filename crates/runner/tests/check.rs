//! Checks are confined, bounded, and observed as they are. Needs bubblewrap: without it every test here fails and says so.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

mod common;

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{census, folder, guard, unique_word};
use counterfoil_runner::check::{Check, CheckBench, CheckCommand, CheckError, CheckRun};
use counterfoil_runner::guard::GuardProgram;
use counterfoil_runner::redact::Redactor;
use counterfoil_runner::sandbox::{Confinement, ConfinementError, Sandbox, SandboxSearch};
use ledger_core::{CheckSandbox, CommandOutcome, Strength};

/// A machine in small: a home with secrets and a toolchain, a repository with the runner's state, places.
struct World {
    root: PathBuf,
    confinement: Confinement,
    environment: Vec<(OsString, OsString)>,
    guard: GuardProgram,
    sandbox: Sandbox,
    redactor: Redactor,
}

impl World {
    async fn new(name: &str) -> Self {
        let root = folder(name);
        for (path, content) in [
            ("home/.ssh/id_ed25519", "PRIVATE KEY"),
            ("home/.config/gh/hosts.yml", "oauth_token: x"),
            ("home/.codex/auth.json", "{}"),
            ("home/.cargo/credentials.toml", "token"),
            ("home/.cargo/bin/own-tool", "#!/bin/sh\necho from the toolchain\n"),
            ("home/.dotnet/corefx/cryptography/x509stores/my/key.pfx", "PRIVATE KEY"),
            ("home/.dotnet/sdk/8.0/dotnet.dll", ""),
            ("home/.netrc", "password"),
            ("home/state/places/1/check/file.txt", "checked"),
            ("home/state/places/1/check/.git/HEAD", "ref: refs/heads/main"),
            ("home/state/places/1/check/.git/hooks/README", ""),
            ("home/state/places/1/work/file.txt", "the worker's"),
            ("home/state/codex-home/auth.json", "{}"),
            ("repository/.git/counterfoil/runs/journal.jsonl", "{}\n"),
            ("repository/.git/objects/info/packs", "packs"),
            ("repository/.git/refs/heads/main", "0000"),
            ("repository/.git/config", "url = https://user:token@host/"),
            ("repository/.env", "SECRET=1"),
            ("repository/src/lib.rs", ""),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        make_executable(&root.join("home/.cargo/bin/own-tool"));
        let home = root.join("home");
        let confinement = Confinement {
            place: home.join("state/places/1/check"),
            home: home.clone(),
            scratch: None,
            writable: Vec::new(),
            readable: vec![root.join("repository/.git/objects")],
            hidden: vec![
                home.join("state"),
                root.join("repository"),
                root.join("repository/.git"),
            ],
            environment: Vec::new(),
            network: false,
        };
        let path = format!("{0}/.cargo/bin:{0}/.dotnet:relative:/usr/bin:/bin", home.display());
        let guard = guard();
        let sandbox = Sandbox::probe(&SandboxSearch::new(None), &guard, &confinement)
            .await
            .expect("these tests need bubblewrap (package `bubblewrap`) and user namespaces");
        Self {
            redactor: Redactor::default().path(&confinement.place, "$PLACE").path(&home, "~"),
            root,
            confinement,
            environment: vec![
                ("PATH".into(), path.into()),
                ("LANG".into(), "C".into()),
                ("MY_API_KEY".into(), "very-secret-value".into()),
                ("ALLOWED_TOKEN".into(), "allowed-secret-value".into()),
                ("SSH_AUTH_SOCK".into(), "/run/agent".into()),
            ],
            guard,
            sandbox,
        }
    }

    fn place(&self) -> &Path {
        &self.confinement.place
    }

    async fn try_run(&self, check: &Check, sandbox: Option<&Sandbox>) -> Result<CheckRun, CheckError> {
        let bench = CheckBench {
            guard: &self.guard,
            sandbox,
            confinement: &self.confinement,
            environment: &self.environment,
            redactor: &self.redactor,
            records: &self.root.join("records"),
            temporary: &self.root.join("temporary"),
        };
        let run = bench
            .run(check, &self.root.join("output"), None, std::future::pending())
            .await;
        if let Ok(mut left) = fs::read_dir(self.root.join("temporary")) {
            assert!(left.next().is_none(), "temporary files are left");
        }
        run
    }

    async fn run(&self, check: &Check) -> CheckRun {
        self.try_run(check, Some(&self.sandbox)).await.unwrap()
    }

    /// Runs a script and returns what it printed. It must succeed.
    async fn printed(&self, script: &str) -> String {
        let run = self.run(&check(script)).await;
        assert!(run.result.outcome.succeeded(), "{script}: {run:#?}");
        fs::read_to_string(self.root.join("output")).unwrap()
    }

    /// Runs a script that must not succeed.
    async fn refused(&self, script: &str) {
        let run = self.run(&check(script)).await;
        assert!(!run.result.outcome.succeeded(), "{script}: {run:#?}");
    }
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn check(script: &str) -> Check {
    Check {
        name: "test".to_owned(),
        command: CheckCommand::Shell(script.to_owned()),
        timeout: Duration::from_secs(60),
        variables: Vec::new(),
        given: Vec::new(),
        network: false,
        report: None,
        proves: vec!["AC-1".to_owned()],
        strength: Strength::RunnerRan,
    }
}

#[tokio::test]
async fn a_check_is_observed_as_it_ends() {
    let world = World::new("observed").await;
    let run = world.run(&check("cat file.txt; echo; echo at fault >&2; exit 3")).await;
    assert_eq!(run.result.outcome, CommandOutcome::Exited { code: 3 });
    assert_eq!(run.result.output.tail, "checked\nat fault\n");
    assert_eq!(run.result.sandbox, CheckSandbox::Bubblewrap);
    assert_eq!(run.result.proves, ["AC-1"]);
    assert!(!run.result.passed());

    let program = |words: &[&str]| Check {
        command: CheckCommand::Program(words.iter().map(|word| (*word).to_owned()).collect()),
        ..check("")
    };
    let run = world.run(&program(&["printf", "%s|", "a b", "c"])).await;
    assert_eq!(run.result.output.tail, "a b|c|");
    assert_eq!(run.result.command, "printf '%s|' 'a b' c");
    assert!(matches!(
        world.try_run(&program(&[]), Some(&world.sandbox)).await,
        Err(CheckError::NoCommand)
    ));
    assert!(!world.run(&program(&["no-such-program"])).await.result.passed());
}

#[tokio::test]
async fn secrets_of_the_home_and_state_of_the_runner_are_not_there() {
    let world = World::new("secrets").await;
    let root = world.root.display().to_string();
    let seen = world
        .printed(&format!(
            "cd {root} && find home repository \\( -type f -o -type s \\) | sort"
        ))
        .await;
    let place = "home/state/places/1/check";
    assert_eq!(
        seen.lines().collect::<Vec<_>>(),
        [
            "home/.cargo/bin/own-tool".to_owned(),
            "home/.dotnet/sdk/8.0/dotnet.dll".to_owned(),
            format!("{place}/.git/HEAD"),
            format!("{place}/.git/hooks/README"),
            format!("{place}/file.txt"),
            "repository/.git/objects/info/packs".to_owned(),
        ]
    );
    assert_eq!(world.printed("own-tool").await, "from the toolchain\n");
    // The administrator's own files too, for who runs checks as the administrator.
    for path in ["/root", "/home", "/run"] {
        let seen = world.printed(&format!("find {path} -xdev -type f -o -type s")).await;
        assert_eq!(seen, "", "{path}");
    }
    world.refused("cat /etc/shadow").await;
}

#[tokio::test]
async fn only_the_place_can_be_changed() {
    let world = World::new("changed").await;
    let root = world.root.display().to_string();
    assert_eq!(
        world
            .printed("echo new >made && mkdir -p target && rm file.txt && ls")
            .await,
        "made\ntarget\n"
    );
    assert_eq!(fs::read_to_string(world.place().join("made")).unwrap(), "new\n");
    for script in [
        "echo x >.git/HEAD".to_owned(),
        "echo x >.git/hooks/pre-commit".to_owned(),
        "rm -rf .git".to_owned(),
        "mv .git elsewhere".to_owned(),
        format!("echo x >>{root}/repository/.git/refs/heads/main"),
        format!("echo x >{root}/repository/src/lib.rs"),
        format!("echo x >{root}/repository/.git/objects/info/packs"),
        format!("echo x >{root}/home/.cargo/bin/own-tool"),
        "echo x >/usr/bin/x".to_owned(),
        "echo x >/etc/x".to_owned(),
        "mount -o remount,rw /".to_owned(),
        "umount /home".to_owned(),
        format!("ln file.txt x; ln -s {root}/repository/src/lib.rs link && echo x >link"),
    ] {
        world.refused(&script).await;
    }
    // Nothing of this reaches the machine, though it can be written.
    world
        .printed("echo x >~/.ssh-key; mkdir ~/.ssh && echo x >~/.ssh/authorized_keys; echo x >/tmp/counterfoil-test-leak; echo $TMPDIR")
        .await;
    assert!(!world.root.join("home/.ssh-key").exists());
    assert!(!world.root.join("home/.ssh/authorized_keys").exists());
    assert!(!Path::new("/tmp/counterfoil-test-leak").exists());
    assert_eq!(
        fs::read_to_string(world.root.join("repository/src/lib.rs")).unwrap(),
        ""
    );
}

#[tokio::test]
async fn what_the_policy_opens_can_be_changed_and_what_is_too_wide_is_refused() {
    let mut world = World::new("opened").await;
    let cache = world.root.join("home/cache");
    fs::create_dir(&cache).unwrap();
    world.confinement.writable = vec![cache.clone()];
    world.printed("echo kept >~/cache/file").await;
    assert_eq!(fs::read_to_string(cache.join("file")).unwrap(), "kept\n");
    for wide in [
        PathBuf::from("/"),
        world.root.clone(),
        world.confinement.home.clone(),
        world.root.join("home/state"),
        PathBuf::from("/proc"),
    ] {
        world.confinement.writable = vec![wide.clone()];
        let error = world.try_run(&check("true"), Some(&world.sandbox)).await.unwrap_err();
        assert!(
            matches!(
                &error,
                CheckError::Sandbox(_) | CheckError::Confinement(ConfinementError::TooWide { .. })
            ),
            "{}: {error:?}",
            wide.display()
        );
    }
}

#[tokio::test]
async fn the_network_is_closed_unless_opened() {
    let world = World::new("network").await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo hello >&3");
    let bash = |script: &str| Check {
        command: CheckCommand::Program(["bash", "-c", script].map(str::to_owned).to_vec()),
        ..check("")
    };
    let run = world.run(&bash(&connect)).await;
    assert!(!run.result.outcome.succeeded(), "{run:?}");
    let open = Check {
        network: true,
        ..bash(&connect)
    };
    let accepted = std::thread::spawn(move || {
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        text
    });
    assert!(world.run(&open).await.result.outcome.succeeded());
    assert_eq!(accepted.join().unwrap(), "hello\n");
}

#[tokio::test]
async fn sockets_of_services_cannot_be_reached() {
    let world = World::new("sockets").await;
    let hidden = [
        PathBuf::from(format!("/run/counterfoil-test-{}.sock", std::process::id())),
        PathBuf::from(format!("/tmp/counterfoil-test-{}.sock", std::process::id())),
        PathBuf::from(format!("/var/lib/counterfoil-test-{}.sock", std::process::id())),
        PathBuf::from(format!("/usr/local/counterfoil-test-{}.sock", std::process::id())),
        world.root.join("service.sock"),
        world.root.join("home/agent.sock"),
    ];
    for path in &hidden {
        // Only who may write there has such sockets to lose.
        let Ok(_listener) = UnixListener::bind(path) else {
            continue;
        };
        let script = format!(
            "import socket; socket.socket(socket.AF_UNIX).connect('{}')",
            path.display()
        );
        let python = Check {
            command: CheckCommand::Program(vec!["/usr/bin/python3".to_owned(), "-c".to_owned(), script]),
            ..check("")
        };
        let run = world.run(&python).await;
        fs::remove_file(path).unwrap();
        assert!(!run.result.outcome.succeeded(), "{}", path.display());
        assert!(run.result.output.tail.contains("Error"), "{}", run.result.output.tail);
    }
}

#[tokio::test]
async fn other_processes_are_neither_seen_nor_reached() {
    let world = World::new("processes").await;
    let own = std::process::id();
    let seen = world.printed("ls /proc | grep -c '^[0-9]'").await;
    assert!(seen.trim().parse::<u32>().unwrap() < 10, "{seen}");
    world.refused(&format!("kill -0 {own}")).await;
    world.refused("hostname changed").await;
}

#[tokio::test]
async fn the_environment_is_what_is_documented_and_no_more() {
    let world = World::new("environment").await;
    let with_token = Check {
        variables: vec!["ALLOWED_TOKEN".to_owned(), "NOT_SET".to_owned()],
        ..check("env | cut -d= -f1 | sort")
    };
    world.run(&with_token).await;
    let printed = fs::read_to_string(world.root.join("output")).unwrap();
    let names: Vec<_> = printed
        .lines()
        .filter(|name| !["_", "SHLVL", "PWD", "OLDPWD"].contains(name))
        .collect();
    assert_eq!(
        names,
        [
            "ALLOWED_TOKEN",
            "CARGO_NET_OFFLINE",
            "CI",
            "COUNTERFOIL_GUARD_ID",
            "GIT_OPTIONAL_LOCKS",
            "GIT_TERMINAL_PROMPT",
            "HOME",
            "LANG",
            "PATH",
            "SHELL",
            "TERM",
            "TMPDIR",
        ]
    );
    assert_eq!(
        world.printed("echo $HOME; echo $PATH; echo $TMPDIR").await,
        "~\n~/.cargo/bin:~/.dotnet:/usr/bin:/bin\n/tmp\n"
    );
    let given = Check {
        given: vec![("FOIL_TITLE".to_owned(), "$(id) \"x\"".to_owned())],
        ..check("echo \"$FOIL_TITLE\"")
    };
    assert_eq!(world.run(&given).await.result.output.tail, "$(id) \"x\"\n");
    let first = world.run(&check("true")).await.result.environment;
    assert_eq!(world.run(&check("exit 1")).await.result.environment, first);
    assert_ne!(world.run(&with_token).await.result.environment, first);
}

#[tokio::test]
async fn the_tail_is_bounded_and_holds_no_secret_no_path_and_no_control() {
    let world = World::new("tail").await;
    let noisy = Check {
        variables: vec!["ALLOWED_TOKEN".to_owned()],
        ..check("seq 1 20000; printf '\\033[31m%s\\033[0m in %s and %s\\n' \"$ALLOWED_TOKEN\" \"$PWD\" \"$HOME/x\"")
    };
    let tail = world.run(&noisy).await.result.output.tail;
    assert!(tail.len() <= 4096);
    assert!(tail.ends_with("\n20000\n[secret] in $PLACE and ~/x\n"), "{tail}");
}

#[tokio::test]
async fn output_that_is_no_text_is_kept_and_shown() {
    let world = World::new("bytes").await;
    for code in [0, 3] {
        let run = world
            .run(&check(&format!("printf 'before \\377\\376 after\\n'; exit {code}")))
            .await;
        assert_eq!(run.result.outcome, CommandOutcome::Exited { code });
        assert_eq!(run.result.output.tail, "before \u{fffd}\u{fffd} after\n");
        assert!(fs::metadata(world.root.join("output")).unwrap().len() > 0);
    }
}

#[tokio::test]
async fn what_is_kept_of_the_output_holds_no_secret_no_path_and_no_control() {
    let mut world = World::new("kept").await;
    world.redactor = world.redactor.clone().patterns_of(&policy::Policy::default());
    world.environment.push(("PLAIN_NAME".into(), "handed over".into()));
    let token = ["ghp_", "Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk"].concat();
    let report = r#"<testsuite><testcase name="TOKEN"><failure/></testcase></testsuite>"#.replace("TOKEN", &token);
    let noisy = Check {
        variables: vec!["ALLOWED_TOKEN".to_owned(), "PLAIN_NAME".to_owned()],
        report: Some("junit.xml".parse().unwrap()),
        ..check(&format!(
            "echo \"$ALLOWED_TOKEN $PLAIN_NAME {token} $PWD\"; seq 1 20000; printf '\\033[31m'; echo '{report}' >junit.xml"
        ))
    };
    let run = world.run(&noisy).await;
    let kept = fs::read_to_string(world.root.join("output")).unwrap();
    assert_eq!(kept.lines().next(), Some("[secret] [secret] [secret] $PLACE"));
    assert!(kept.ends_with("\n20000\n"), "no terminal sequence is kept");
    assert_eq!(run.result.output.digest, ledger_core::Digest::of(&kept));
    assert_eq!(run.result.output.kept_bytes, kept.len() as u64);
    assert_eq!(run.result.tests.unwrap().failing, ["[secret]"]);
}

#[tokio::test]
async fn a_variable_that_loads_code_does_not_reach_what_confines() {
    let mut world = World::new("loader").await;
    let name = world.place().join("no-such-library.so");
    world.environment.push(("LD_PRELOAD".into(), name.into()));
    let preload = Check {
        variables: vec!["LD_PRELOAD".to_owned()],
        ..check("echo \"$LD_PRELOAD\"")
    };
    let run = world.run(&preload).await;
    let output = run.result.output.tail;
    assert!(output.ends_with("[secret]\n"), "{output}");
    // Had `bwrap` itself been told to load it, it would complain as well.
    assert!(
        !output
            .lines()
            .any(|line| line.contains("bwrap") && line.contains("preload")),
        "{output}"
    );
}

#[tokio::test]
async fn a_daemon_ends_with_its_check_and_a_stubborn_one_at_its_time() {
    let world = World::new("daemon").await;
    let word = unique_word("check");
    let script = format!("setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1000; done' {word} & echo done");
    let run = world.run(&check(&script)).await;
    assert!(run.result.outcome.succeeded());
    assert_eq!(census(&word), Vec::<i32>::new());
    let stubborn = Check {
        timeout: Duration::from_millis(500),
        ..check(&format!("trap '' TERM; : {word}; while :; do sleep 1; done"))
    };
    assert_eq!(world.run(&stubborn).await.result.outcome, CommandOutcome::TimedOut);
    assert_eq!(census(&word), Vec::<i32>::new());
}

#[tokio::test]
async fn a_report_is_read_only_if_this_check_wrote_it() {
    let world = World::new("report").await;
    fs::create_dir(world.place().join("out")).unwrap();
    let old = "<testsuite><testcase name=\"old\"/></testsuite>";
    fs::write(world.place().join("out/junit.xml"), old).unwrap();
    let with_report = |script: &str| Check {
        report: Some("out/junit.xml".parse().unwrap()),
        ..check(script)
    };
    let run = world.run(&with_report("true")).await;
    assert!(run.tests.is_none() && run.report_problem.is_some(), "{run:?}");
    assert!(run.result.output.tail.contains("[the test report was not written]"));

    let write =
        "echo '<testsuite><testcase name=\"a\"/><testcase name=\"b\"><failure/></testcase></testsuite>' >out/junit.xml";
    let run = world.run(&with_report(write)).await;
    let tests = run.result.tests.as_ref().unwrap();
    assert_eq!(
        (tests.passed, tests.failed, tests.failing.as_slice()),
        (1, 1, &["b".to_owned()][..])
    );
    assert!(run.result.outcome.succeeded() && !run.result.passed());

    fs::remove_dir_all(world.place().join("out")).unwrap();
    let secret = world.root.join("home/.netrc").display().to_string();
    let run = world
        .run(&with_report(&format!("mkdir out; ln -s {secret} out/junit.xml")))
        .await;
    assert!(run.tests.is_none(), "{run:?}");
}

#[tokio::test]
async fn what_a_check_makes_unreadable_is_removed_all_the_same() {
    let world = World::new("unreadable").await;
    world
        .printed("mkdir -p /tmp/a/b && touch /tmp/a/b/c && chmod 000 /tmp/a/b /tmp/a")
        .await;
}

#[tokio::test]
async fn folders_without_end_that_a_check_makes_are_removed() {
    let world = World::new("deep").await;
    let script = "import os\nos.chdir('/tmp')\nfor _ in range(6000):\n    os.mkdir('d' * 100)\n    os.chdir('d' * 100)";
    let python = Check {
        command: CheckCommand::Program(vec!["/usr/bin/python3".to_owned(), "-c".to_owned(), script.to_owned()]),
        ..check("")
    };
    assert!(world.run(&python).await.result.passed());
}

#[tokio::test]
async fn a_check_cannot_pose_as_a_sandbox_that_fails() {
    let world = World::new("poses").await;
    let script =
        "echo x >/tmp/.counterfoil-check; cat /proc/1/fd/0 <&- & cat; exec 0<&-; echo 'bwrap: it broke' >&2; exit 1";
    let run = world.run(&check(script)).await;
    assert_eq!(run.result.outcome, CommandOutcome::Exited { code: 1 });
    // Nor does it have a way to the runner at its input.
    assert_eq!(world.printed("readlink /proc/self/fd/0").await, "/dev/null\n");
}

#[tokio::test]
async fn a_sandbox_that_fails_is_not_taken_for_a_check_that_fails() {
    let mut world = World::new("fails").await;
    let copy = world.root.join("bwrap");
    fs::copy(world.sandbox.program(), &copy).unwrap();
    make_executable(&copy);
    let search = SandboxSearch {
        path: None,
        bundled: Some(copy.clone()),
    };
    world.sandbox = Sandbox::probe(&search, &world.guard, &world.confinement).await.unwrap();
    fs::write(&copy, "#!/bin/sh\necho 'bwrap: it broke' >&2; exit 1").unwrap();
    let error = world.try_run(&check("true"), Some(&world.sandbox)).await.unwrap_err();
    assert!(
        matches!(&error, CheckError::Sandbox(sandbox) if sandbox.reason == "bwrap: it broke"),
        "{error:?}"
    );
}

#[tokio::test]
async fn without_the_sandbox_the_result_says_so() {
    let world = World::new("off").await;
    let run = world.try_run(&check("cat ~/.netrc"), None).await.unwrap();
    assert_eq!(run.result.sandbox, CheckSandbox::Off);
    assert_eq!(run.result.output.tail, "password");
}

#[tokio::test]
async fn a_missing_or_broken_bubblewrap_is_unavailable_with_a_hint() {
    let world = World::new("unavailable").await;
    let broken = world.root.join("broken");
    fs::create_dir(&broken).unwrap();
    let mut file = fs::File::create(broken.join("bwrap")).unwrap();
    writeln!(
        file,
        "#!/bin/sh\necho 'bwrap: Creating new namespace failed: Operation not permitted' >&2; exit 1"
    )
    .unwrap();
    drop(file);
    make_executable(&broken.join("bwrap"));
    let search = |path: &Path, bundled: Option<PathBuf>| SandboxSearch {
        path: Some(path.into()),
        bundled,
    };
    let probe = async |search: &SandboxSearch| Sandbox::probe(search, &world.guard, &world.confinement).await;
    let none = probe(&search(Path::new("/nowhere"), None)).await.unwrap_err();
    assert_eq!(none.reason, "there is no `bwrap`");
    let refused = probe(&search(&broken, None)).await.unwrap_err();
    assert!(refused.reason.contains("Creating new namespace failed"), "{refused}");
    assert!(refused.hint.contains("user namespaces"), "{}", refused.hint);
    let bundled = world.sandbox.program().to_owned();
    let found = probe(&search(&broken, Some(bundled.clone()))).await.unwrap();
    assert_eq!(found.program(), bundled);
    // One that code under test put into its place is never used.
    fs::copy(broken.join("bwrap"), world.place().join("bwrap")).unwrap();
    assert!(
        probe(&search(world.place(), None))
            .await
            .unwrap_err()
            .reason
            .contains("there is no")
    );
}

/// The real toolchain of this machine, in its real home: Cargo, with its registry read-only, no network, and a dependency that is only in the cache.
#[tokio::test]
async fn cargo_tests_a_crate_with_cached_dependencies_without_network() {
    let world = World::new("cargo").await;
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    // A crate that this workspace depends on is in the registry, or these tests could not have been built.
    for (path, content) in [
        (
            "Cargo.toml",
            "[package]\nname = \"checked\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nthiserror = \"2\"\n[workspace]\n",
        ),
        (
            "src/lib.rs",
            "#[derive(Debug, thiserror::Error)]\n#[error(\"it\")]\npub struct E;\n#[test]\nfn passes() { assert_eq!(E.to_string(), \"it\"); }\n",
        ),
    ] {
        let path = world.place().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let world = World {
        confinement: Confinement {
            home,
            ..world.confinement
        },
        environment: std::env::vars_os()
            .filter(|(name, _)| name != "CARGO_TARGET_DIR")
            .collect(),
        ..world
    };
    let cargo = Check {
        timeout: Duration::from_secs(600),
        ..check("cargo test 2>&1")
    };
    let run = world.run(&cargo).await;
    assert!(run.result.passed(), "{}", run.result.output.tail);
    assert!(
        run.result.output.tail.contains("test passes ... ok"),
        "{}",
        run.result.output.tail
    );
    // Caches in the place persist; a second time there is nothing to build.
    let again = world.run(&cargo).await;
    assert!(
        !again.result.output.tail.contains("Compiling"),
        "{}",
        again.result.output.tail
    );
}

#[tokio::test]
async fn git_works_in_a_place_that_borrows_objects_and_cannot_change_it() {
    let world = World::new("borrows").await;
    let git = |folder: &Path, arguments: &[&str]| {
        let status = std::process::Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
            .args(arguments)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    let repository = world.root.join("home/repository");
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q", "-b", "main"]);
    fs::write(repository.join("a.txt"), "a\n").unwrap();
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-q", "-m", "one"]);
    let place = world.root.join("home/state/places/2/check");
    fs::create_dir_all(&place).unwrap();
    git(&place, &["init", "-q", "-b", "main", "--template="]);
    let objects = repository.join(".git/objects");
    fs::create_dir_all(place.join(".git/objects/info")).unwrap();
    fs::write(
        place.join(".git/objects/info/alternates"),
        format!("{}\n", objects.display()),
    )
    .unwrap();
    let head = fs::read_to_string(repository.join(".git/refs/heads/main")).unwrap();
    git(&place, &["reset", "-q", "--hard", head.trim()]);

    let world = World {
        confinement: Confinement {
            place,
            readable: vec![objects],
            ..world.confinement
        },
        ..world
    };
    let printed = world
        .printed("git diff --check && git status --short && git log --format=%s && cat a.txt")
        .await;
    assert_eq!(printed, "one\na\n");
    world.printed("echo 'a ' >a.txt; ! git diff --check").await;
    world.refused("git add a.txt").await;
    world
        .refused("git -c user.name=a -c user.email=a@b commit -qam two")
        .await;
    world.refused("git update-ref refs/heads/x HEAD").await;
    world.refused("cat ~/repository/a.txt").await;
}
