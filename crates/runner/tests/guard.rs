//! Nothing that is started under a guard outlives it or its runner.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{census, eventually, folder, guard, guard_probe, unique_word};
use counterfoil_runner::guard::{Exit, GuardError, GuardProgram, GuardedCommand, ProcessIdentity, end_leftovers};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

/// A census that finds nothing.
const NONE: [i32; 0] = [];

/// A shell whose scripts name themselves by a word in their arguments. Reads the word as `$0`.
fn shell(script: &str, word: &str) -> GuardedCommand {
    GuardedCommand::new("/bin/sh")
        .args(["-c", script, word])
        .env("PATH", "/usr/bin:/bin")
}

/// Leaves a daemon in a session of its own whose parent is gone, which ignores TERM and holds the output open.
const DAEMON: &str = r#"
    (setsid sh -c 'trap "" TERM HUP; while :; do sleep 1000; done' "$0.daemon" &) &
    sleep 1000
"#;

fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn exit_code_and_signal_are_reported() {
    for (script, exit) in [
        ("exit 0", Exit::Exited { code: 0 }),
        ("exit 77", Exit::Exited { code: 77 }),
        ("kill -9 $$", Exit::Signaled { signal: 9 }),
    ] {
        let mut child = shell(script, "sh").spawn(&guard()).await.unwrap();
        let end = child.wait().await.unwrap();
        assert_eq!((end.exit, end.ended), (exit, 0), "{script}");
    }
}

#[tokio::test]
async fn a_command_that_cannot_run_is_told_from_one_that_fails() {
    let missing = GuardedCommand::new("/no/such/program").spawn(&guard()).await;
    let Err(GuardError::NotStarted { reason }) = missing else {
        panic!("{missing:?}");
    };
    assert!(reason.contains("program cannot be run"), "{reason}");
    let nowhere = shell("exit 0", "sh")
        .current_dir("/no/such/folder")
        .spawn(&guard())
        .await;
    let Err(GuardError::NotStarted { reason }) = nowhere else {
        panic!("{nowhere:?}");
    };
    assert!(reason.contains("folder cannot be entered"), "{reason}");
    let nul = GuardedCommand::new("/bin/true").arg("a\0b").spawn(&guard()).await;
    assert!(matches!(nul, Err(GuardError::NotStarted { .. })), "{nul:?}");
}

#[tokio::test]
async fn a_program_that_is_no_guard_is_refused() {
    let result = shell("exit 0", "sh")
        .spawn(&GuardProgram::at("/bin/true").unwrap())
        .await;
    assert!(matches!(result, Err(GuardError::NoGuard)), "{result:?}");
}

#[tokio::test]
async fn only_the_given_environment_and_the_mark_arrive() {
    let mut child = GuardedCommand::new("/usr/bin/env")
        .env("ONLY", "this")
        .pipe_stdout()
        .spawn(&guard())
        .await
        .unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
    child.wait().await.unwrap();
    let mut names: Vec<_> = text.lines().map(|line| line.split('=').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["COUNTERFOIL_GUARD_ID", "ONLY"]);
}

#[tokio::test]
async fn lines_go_to_and_fro_with_a_child_that_lives_on() {
    let mut child = GuardedCommand::new("/bin/sh")
        .args([
            "-c",
            "while read line; do echo \"got $line\"; echo \"heard $line\" >&2; done",
        ])
        .pipe_stdin()
        .pipe_stdout()
        .pipe_stderr()
        .spawn(&guard())
        .await
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut errors = tokio::io::BufReader::new(child.stderr.take().unwrap()).lines();
    for word in ["one", "two"] {
        input.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        assert_eq!(output.next_line().await.unwrap().unwrap(), format!("got {word}"));
        assert_eq!(errors.next_line().await.unwrap().unwrap(), format!("heard {word}"));
    }
    drop(input);
    let end = child.wait().await.unwrap();
    assert_eq!(end.exit, Exit::Exited { code: 0 });
}

#[tokio::test]
async fn a_signal_reaches_the_first_child_alone() {
    let word = unique_word("signal");
    let mut child = shell("trap 'exit 5' INT; echo ready; while :; do sleep 0.05; done", &word)
        .pipe_stdout()
        .spawn(&guard())
        .await
        .unwrap();
    let mut output = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(output.next_line().await.unwrap().unwrap(), "ready");
    child.signal(Signal::INT).await.unwrap();
    assert_eq!(child.wait().await.unwrap().exit, Exit::Exited { code: 5 });
    assert_eq!(census(&word), NONE);
}

#[tokio::test]
async fn a_daemon_that_stays_behind_is_ended_with_its_parent() {
    let word = unique_word("stays");
    let script =
        r#"setsid sh -c 'trap "" TERM; echo up; while :; do sleep 1000; done' "$0.daemon" & read up <"$1"; exit 3"#;
    let fifo = folder("stays").join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let script = script.replace("echo up;", &format!("echo up >'{}';", fifo.display()));
    let mut child = shell(&script, &word)
        .arg(&fifo)
        .grace(Duration::from_millis(100))
        .spawn(&guard())
        .await
        .unwrap();
    let end = child.wait().await.unwrap();
    assert_eq!(end.exit, Exit::Exited { code: 3 });
    assert!(end.ended >= 1, "{end:?}");
    assert_eq!(census(&word), NONE);
}

#[tokio::test]
async fn everything_ends_on_request_even_what_ignores_it() {
    let word = unique_word("request");
    let mut child = shell(DAEMON, &word)
        .grace(Duration::from_millis(200))
        .spawn(&guard())
        .await
        .unwrap();
    eventually("the daemon runs", || !census(&format!("{word}.daemon")).is_empty());
    child.kill_all().await.unwrap();
    assert_eq!(census(&word), NONE);
}

#[tokio::test]
async fn dropping_the_child_ends_it() {
    let word = unique_word("drop");
    let child = shell(DAEMON, &word)
        .grace(Duration::from_millis(50))
        .spawn(&guard())
        .await
        .unwrap();
    eventually("the daemon runs", || !census(&format!("{word}.daemon")).is_empty());
    drop(child);
    eventually("all are gone", || census(&word).is_empty());
}

#[tokio::test]
async fn what_forks_without_end_is_caught() {
    let word = unique_word("forks");
    // Each child starts two more before it goes, at most some hundred at a time by its own counting.
    let script = r#"
        spread() { [ "$1" -gt 9 ] && { setsid sleep 1000; return; }; (spread $(($1 + 1))) & (spread $(($1 + 1))) & }
        trap '' TERM; spread 1; wait; sleep 1000
    "#;
    let mut child = shell(script, &word)
        .grace(Duration::ZERO)
        .spawn(&guard())
        .await
        .unwrap();
    eventually("some hundred run", || census(&word).len() > 60);
    child.kill_all().await.unwrap();
    assert_eq!(census(&word), NONE);
}

/// A runner in a process of its own, so that it can be killed.
struct Runner {
    /// Kept open: the runner says there how the process ended.
    _output: BufReader<std::process::ChildStdout>,
    process: std::process::Child,
    word: String,
    records: std::path::PathBuf,
}

impl Runner {
    fn start(name: &str) -> Self {
        let word = unique_word(name);
        let records = folder(name);
        let mut process = Command::new(guard_probe())
            .arg(&records)
            .args(["/bin/sh", "-c", DAEMON, &word])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert!(line.starts_with("started "), "{line}");
        eventually("the daemon runs", || !census(&format!("{word}.daemon")).is_empty());
        Self {
            _output: output,
            process,
            word,
            records,
        }
    }

    fn guard(&self) -> i32 {
        let record = self.record_file();
        let record: serde_json::Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
        i32::try_from(record["guard"]["pid"].as_i64().unwrap()).unwrap()
    }

    fn record_file(&self) -> std::path::PathBuf {
        fs::read_dir(&self.records).unwrap().next().unwrap().unwrap().path()
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn no_process_survives_a_killed_runner() {
    let mut runner = Runner::start("killed");
    let word = runner.word.clone();
    runner.kill();
    eventually("all are gone", || census(&word).is_empty());
    eventually("the record is gone", || {
        fs::read_dir(&runner.records).unwrap().next().is_none()
    });
    assert_eq!(end_leftovers(&runner.records).unwrap(), []);
}

#[test]
fn the_next_start_ends_what_runner_and_guard_left_when_both_were_killed() {
    let mut runner = Runner::start("both-killed");
    // The guard is stopped first, so that it cannot do its work when the runner goes.
    let guard = runner.guard();
    kill(guard, Signal::STOP);
    runner.kill();
    kill(guard, Signal::KILL);
    let daemon = format!("{}.daemon", runner.word);
    assert_ne!(census(&daemon), NONE, "nothing is left to be ended");
    let ended = end_leftovers(&runner.records).unwrap();
    assert!(!ended.is_empty());
    assert_eq!(census(&runner.word), NONE);
    assert_eq!(fs::read_dir(&runner.records).unwrap().count(), 0);
}

#[test]
fn a_stopped_guard_is_ended_with_all_that_it_guards() {
    let mut runner = Runner::start("stopped");
    kill(runner.guard(), Signal::STOP);
    runner.kill();
    assert_ne!(census(&runner.word), NONE);
    end_leftovers(&runner.records).unwrap();
    assert_eq!(census(&runner.word), NONE);
}

#[test]
fn terminating_the_guard_ends_what_it_guards() {
    let mut runner = Runner::start("terminated");
    kill(runner.guard(), Signal::TERM);
    let word = runner.word.clone();
    eventually("only the runner is left", || {
        let left = census(&word);
        left.is_empty() || left == [i32::try_from(runner.process.id()).unwrap()]
    });
    assert!(runner.process.wait().unwrap().success());
}

#[tokio::test]
async fn a_killed_guard_is_noticed_and_its_descent_ended() {
    let word = unique_word("lost");
    let records = folder("lost");
    let mut child = shell(DAEMON, &word).record_in(&records).spawn(&guard()).await.unwrap();
    eventually("the daemon runs", || !census(&format!("{word}.daemon")).is_empty());
    let record = fs::read_dir(&records).unwrap().next().unwrap().unwrap().path();
    let record: serde_json::Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
    kill(
        i32::try_from(record["guard"]["pid"].as_i64().unwrap()).unwrap(),
        Signal::KILL,
    );
    let result = child.wait().await;
    assert!(matches!(result, Err(GuardError::Lost)), "{result:?}");
    assert_eq!(census(&word), NONE);
}

#[test]
fn a_reused_pid_is_never_touched() {
    let records = folder("reused");
    let mut bystander = Command::new("sleep").arg("1000").spawn().unwrap();
    let identity = ProcessIdentity::of(i32::try_from(bystander.id()).unwrap())
        .unwrap()
        .unwrap();
    for (id, other) in [
        (
            "a",
            ProcessIdentity {
                start_time: identity.start_time - 1,
                ..identity.clone()
            },
        ),
        (
            "b",
            ProcessIdentity {
                boot_id: "an earlier start".to_owned(),
                ..identity.clone()
            },
        ),
    ] {
        let record = serde_json::json!({
            "schema": 1, "id": id, "guard": other, "child": other, "control_group": "/sys/fs/cgroup",
        });
        fs::write(records.join(format!("guard-{id}.json")), record.to_string()).unwrap();
    }
    let began = Instant::now();
    assert_eq!(end_leftovers(&records).unwrap(), []);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(identity.is_alive());
    assert_eq!(fs::read_dir(&records).unwrap().count(), 0);
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_damaged_record_is_reported_and_kept() {
    let records = folder("damaged");
    fs::write(records.join("guard-x.json"), "{").unwrap();
    fs::write(records.join("unrelated.txt"), "{").unwrap();
    assert!(end_leftovers(&records).is_err());
    assert!(records.join("guard-x.json").exists());
    assert_eq!(end_leftovers(&records.join("missing")).unwrap(), []);
}
