//! A supervised command stays within its limits, whatever it does.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{census, eventually, folder, guard, unique_word};
use counterfoil_runner::guard::GuardedCommand;
use counterfoil_runner::process::{ProcessEnd, ProcessLimits, Supervision};
use ledger_core::{CommandOutcome, Digest};
use tokio::sync::watch;

const NONE: [i32; 0] = [];

struct World {
    output: PathBuf,
    word: String,
    limits: ProcessLimits,
    input: Option<Vec<u8>>,
}

impl World {
    fn new(name: &str) -> Self {
        Self {
            output: folder(name).join("output"),
            word: unique_word(name),
            limits: ProcessLimits::with_time(Duration::from_secs(60)),
            input: None,
        }
    }

    fn command(&self, script: &str) -> GuardedCommand {
        GuardedCommand::new("/bin/sh")
            .args(["-c", script, &self.word])
            .env("PATH", "/usr/bin:/bin")
            .grace(Duration::from_millis(300))
    }

    async fn run(&self, script: &str, stop: impl Future<Output = ()>) -> ProcessEnd {
        let guard = guard();
        let supervision = Supervision {
            guard: &guard,
            limits: self.limits,
            output: &self.output,
            input: self.input.clone(),
            printed: None,
        };
        let end = supervision.run(self.command(script), stop).await.unwrap();
        assert_eq!(census(&self.word), NONE, "{script}");
        let kept = fs::read(&self.output).unwrap();
        assert_eq!(end.output, Digest::of(&kept));
        assert_eq!(end.kept_bytes, kept.len() as u64);
        end
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.output).unwrap()).into_owned()
    }
}

#[tokio::test]
async fn output_and_errors_are_kept_in_their_order() {
    let world = World::new("order");
    let end = world
        .run("echo one; echo two >&2; echo three; exit 4", std::future::pending())
        .await;
    assert_eq!(end.outcome, CommandOutcome::Exited { code: 4 });
    assert_eq!(world.text(), "one\ntwo\nthree\n");
    assert_eq!((end.total_bytes, end.left_behind), (14, 0));
}

#[tokio::test]
async fn a_command_that_does_not_exist_was_not_started() {
    let world = World::new("missing");
    let guard = guard();
    let supervision = Supervision {
        guard: &guard,
        limits: world.limits,
        output: &world.output,
        input: None,
        printed: None,
    };
    let end = supervision
        .run(GuardedCommand::new("/no/such/program"), std::future::pending())
        .await
        .unwrap();
    assert!(matches!(end.outcome, CommandOutcome::NotStarted { .. }), "{end:?}");
    assert_eq!(end.total_bytes, 0);
}

#[tokio::test]
async fn time_runs_out_even_for_what_ignores_it_and_last_words_are_kept() {
    let mut world = World::new("time");
    world.limits.time = Duration::from_millis(400);
    let began = Instant::now();
    let script = "trap 'echo told to end' TERM; echo begun; while :; do sleep 0.05; done";
    let end = world.run(script, std::future::pending()).await;
    assert_eq!(end.outcome, CommandOutcome::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(
        world.text().starts_with("begun\n") && world.text().contains("told to end\n"),
        "{}",
        world.text()
    );
}

#[tokio::test]
async fn a_gibibyte_of_output_ends_at_the_limit_with_beginning_and_end_kept() {
    let mut world = World::new("gibibyte");
    world.limits.kept_bytes = 64 << 10;
    world.limits.printed_bytes = 8 << 20;
    let end = world
        .run(
            "echo first; head -c 1073741824 /dev/zero | tr '\\0' x",
            std::future::pending(),
        )
        .await;
    assert_eq!(end.outcome, CommandOutcome::OutputLimit);
    assert!(end.total_bytes > 8 << 20 && end.total_bytes < 9 << 20, "{end:?}");
    assert!(end.kept_bytes <= 64 << 10, "{end:?}");
    let text = world.text();
    assert!(text.starts_with("first\nxxx"), "{text:.20}");
    assert!(text.contains("bytes of the output were left out here"));
    assert!(text.ends_with("xxx"));
}

#[tokio::test]
async fn a_daemon_that_holds_the_output_open_holds_nothing_up() {
    let world = World::new("holds");
    let began = Instant::now();
    let script = r#"setsid sh -c 'trap "" TERM HUP; while :; do sleep 1000; done' "$0.daemon" & echo done"#;
    let end = world.run(script, std::future::pending()).await;
    assert_eq!(end.outcome, CommandOutcome::Exited { code: 0 });
    assert_eq!(world.text(), "done\n");
    assert!(end.left_behind >= 1, "{end:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stop_ends_it() {
    let world = World::new("stop");
    let (stop, mut stopped) = watch::channel(false);
    let word = world.word.clone();
    let stopper = tokio::task::spawn_blocking(move || {
        eventually("the command runs", || !census(&word).is_empty());
        stop.send(true).unwrap();
        stop
    });
    let stop = async {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let end = world.run("sleep 1000", stop).await;
    assert_eq!(end.outcome, CommandOutcome::Stopped);
    drop(stopper.await.unwrap());
}

#[tokio::test]
async fn dropping_the_supervision_ends_it() {
    let world = World::new("dropped");
    let word = world.word.clone();
    let task = tokio::spawn(async move { world.run("sleep 1000", std::future::pending()).await });
    let begun = word.clone();
    tokio::task::spawn_blocking(move || eventually("the command runs", || !census(&begun).is_empty()))
        .await
        .unwrap();
    task.abort();
    tokio::task::spawn_blocking(move || eventually("it is gone", || census(&word).is_empty()))
        .await
        .unwrap();
}

#[tokio::test]
async fn input_arrives_whole_and_is_closed() {
    let mut world = World::new("input");
    world.input = Some(vec![b'a'; 3 << 20]);
    let end = world.run("wc -c", std::future::pending()).await;
    assert_eq!(end.outcome, CommandOutcome::Exited { code: 0 });
    assert_eq!(world.text().trim(), (3 << 20).to_string());
}

#[tokio::test]
async fn input_that_nobody_reads_holds_nothing_up() {
    let mut world = World::new("unread");
    world.input = Some(vec![b'a'; 3 << 20]);
    let end = world.run("exit 0", std::future::pending()).await;
    assert_eq!(end.outcome, CommandOutcome::Exited { code: 0 });
}

#[tokio::test]
async fn the_number_of_printed_bytes_is_told_while_it_runs() {
    let world = World::new("told");
    let guard = guard();
    let (printed, mut seen) = watch::channel(0);
    let (stop, mut stopped) = watch::channel(false);
    let supervision = Supervision {
        guard: &guard,
        limits: world.limits,
        output: &world.output,
        input: None,
        printed: Some(printed),
    };
    let watcher = async {
        seen.wait_for(|bytes| *bytes == 5).await.unwrap();
        stop.send(true).unwrap();
    };
    let stop = async {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let (end, ()) = tokio::join!(supervision.run(world.command("echo four; sleep 1000"), stop), watcher);
    assert_eq!(end.unwrap().outcome, CommandOutcome::Stopped);
}
