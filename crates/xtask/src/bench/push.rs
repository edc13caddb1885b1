//! What delivering to a remote costs, beside `git push` of the same commits.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use ledger_core::{Effect, Event, Journal, Observation, PhaseEvidence};

use super::Bench;
use super::measure::Samples;
use super::repository::TestRepository;
use super::table::Row;
use super::turns::only_journal;
use crate::error::TaskError;

const GOAL: f64 = 1.3;

/// A large change, beside a push alone; and the smallest, of which the questions that the remote is asked are a large part, beside a push with
/// the same questions.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let large = measure(bench, 300)?;
    let small = measure(bench, 1)?;
    let push = "`git push` of the same commits";
    let with_questions = "`git ls-remote`, `git push`, `git ls-remote`";
    let asked = "the same with what the remote is asked before and after";
    Ok(vec![
        Row::against(
            "a push of 300 new files, as the run does it",
            &large.push,
            &large.plain,
            push,
            GOAL,
        ),
        Row::against(asked, &large.whole, &large.plain, push, GOAL),
        Row::against("a push of one new file", &small.push, &small.plain, push, GOAL),
        Row::against(asked, &small.whole, &small.plain_whole, with_questions, GOAL),
    ])
}

struct Measured {
    push: Samples,
    whole: Samples,
    plain: Samples,
    plain_whole: Samples,
}

/// Tickets with so many files that are pushed one after the other, each followed by the same with plain Git and another remote.
fn measure(bench: &Bench, files: usize) -> Result<Measured, TaskError> {
    let folder = bench.folder.join(format!("push-{files}"));
    let world = TestRepository::create(&folder)?;
    let script = folder.join("script");
    let remotes = ["remote.git", "plain.git"].map(|name| folder.join(name).display().to_string());
    std::fs::create_dir_all(&script).map_err(TaskError::file(&script))?;
    let policy = format!(
        "[agent]\nkind = \"scripted\"\ncommand = '{}'\n\n[review]\nindependent = \"off\"\n\n[delivery]\nmode = \"push\"\ntarget = \"main\"\n",
        script.display()
    );
    world.write("counterfoil.toml", &policy)?;
    let tickets: Vec<String> = (0..=bench.rounds).map(|number| format!("{number:04}-files")).collect();
    for ticket in &tickets {
        let path = script.join(format!("{ticket}.toml"));
        std::fs::write(&path, worker(ticket, files)).map_err(TaskError::file(&path))?;
        let folder = format!("ledger/tickets/{ticket}");
        world.write(&format!("{folder}/ticket.toml"), "title = \"Files\"\nmode = \"loop\"\n")?;
        world.write(&format!("{folder}/prompt.md"), "Write them.\n")?;
    }
    world.commit_all("tickets")?;
    for remote in &remotes {
        world.git(&["init", "--quiet", "--bare", "--initial-branch=main", remote])?;
    }
    world.git(&["remote", "add", "origin", &remotes[0]])?;
    let foil = &bench.programs.foil;
    world.capture(foil, &["trust"])?;
    for ticket in &tickets {
        world.capture(foil, &["approve", ticket])?;
    }
    for remote in &remotes {
        world.git(&["push", "--quiet", remote, "main"])?;
    }
    let mut all: [Vec<Duration>; 4] = Default::default();
    for (round, ticket) in tickets.iter().enumerate() {
        world.capture(foil, &["run", ticket])?;
        let journal = only_journal(&world.root().join(".git/counterfoil/runs").join(ticket))?;
        let seen = seen(&journal)?;
        let commits = format!("{}:refs/heads/main", seen.records);
        let timed = |arguments: &[&str]| {
            let began = Instant::now();
            world.git(arguments).map(|_| began.elapsed())
        };
        let question = ["ls-remote", "--refs", "--", &remotes[1], "refs/heads/main"];
        let before = timed(&question)?;
        let plain = timed(&["push", "--quiet", &remotes[1], &commits])?;
        let after = timed(&question)?;
        // The first is for warming up.
        if round > 0 {
            let times = [seen.push, seen.whole, plain, before + plain + after];
            for (all, time) in all.iter_mut().zip(times) {
                all.push(time);
            }
        }
    }
    let [push, whole, plain, plain_whole] = all.map(|times| times.into_iter().collect());
    Ok(Measured {
        push,
        whole,
        plain,
        plain_whole,
    })
}

/// A worker that writes files of about two kilobytes, none like another.
fn worker(ticket: &str, files: usize) -> String {
    let command = format!(
        "mkdir {ticket} && for i in $(seq {files}); do seq $i $((i + 400)) | sed s/^/{ticket}/ >{ticket}/$i; done"
    );
    let mut script = format!("role = \"writer\"\nprompt_contains = \"# Ticket {ticket}\"\n");
    // Writing to a string cannot fail.
    let _ = write!(
        script,
        "[[step]]\ndo = \"run\"\ncommand = \"{command}\"\n[answer]\nreport = {{ status = \"done\", summary = \"wrote them\" }}\n"
    );
    script
}

/// What a journal says of its delivery to a remote.
struct Seen {
    push: Duration,
    whole: Duration,
    records: String,
}

fn seen(journal: &Journal) -> Result<Seen, TaskError> {
    let (mut asked, mut pushing) = (None, None);
    let (mut push, mut whole) = (Duration::ZERO, Duration::ZERO);
    let mut records = None;
    let since = |at: jiff::Timestamp, earlier: Option<jiff::Timestamp>| {
        earlier
            .and_then(|earlier| Duration::try_from(at.duration_since(earlier)).ok())
            .unwrap_or_default()
    };
    for record in &journal.records {
        match &record.event {
            Event::Intended(Effect::AskRemote { .. }) => asked = Some(record.at),
            Event::Intended(Effect::Push { new, .. }) => {
                pushing = Some(record.at);
                records = Some(new.to_string());
            }
            Event::Observed {
                observation: Observation::RemoteSeen { .. },
                ..
            } => whole += since(record.at, asked.take()),
            Event::Observed {
                observation: Observation::Pushed { .. },
                ..
            } => {
                push = since(record.at, pushing);
                whole += push;
            }
            Event::Entered(PhaseEvidence::HeadEqualsUpstreamProved { .. }) => break,
            _ => {}
        }
    }
    let records = records.ok_or_else(|| TaskError::unreadable("the run's journal", "nothing was pushed"))?;
    Ok(Seen { push, whole, records })
}
