//! How often liveness ends an agent that works, and how often it misses one that does not: on traces that were recorded of the real Codex and on such that are
//! made from a seed, beside a rule that only knows silence. Nothing is measured in time; every figure follows from the traces.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use ledger_core::{Activity, Event, Journal, Live, TokenCount};
use policy::{Limits, ending_cause};
use serde::Deserialize;

use crate::error::TaskError;
use crate::workspace::Workspace;

/// How many traces of each kind are made.
const TRACES: u64 = 200;

/// A turn is over by then in any case.
const TURN: i64 = 30 * 60;

/// Where the traces of the real Codex are.
const RECORDED: &str = "fixtures/liveness";

/// What an agent is seen doing, each at its second, until it ends or the turn is over.
struct Trace {
    seen: Vec<(i64, Activity)>,
    ends_at: i64,
    /// From which second on nothing comes of it any more; none: it works.
    lost_from: Option<i64>,
}

/// Numbers that look random and follow from a seed.
struct Chance(u64);

impl Chance {
    fn between(&mut self, low: i64, high: i64) -> i64 {
        // The multiplier of L'Ecuyer's table for 64 bits.
        self.0 = self
            .0
            .wrapping_mul(2_862_933_555_777_941_757)
            .wrapping_add(3_037_000_493);
        let span = u64::try_from(high - low + 1).unwrap_or(1);
        low + i64::try_from((self.0 >> 33) % span).unwrap_or(0)
    }
}

/// A trace under way.
struct Maker {
    chance: Chance,
    at: i64,
    seen: Vec<(i64, Activity)>,
    commands: u32,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        chance.between(0, 1);
        Self {
            chance,
            at: 0,
            seen: Vec::new(),
            commands: 0,
        }
    }

    fn wait(&mut self, low: i64, high: i64) {
        self.at += self.chance.between(low, high);
    }

    fn see(&mut self, activity: Activity) {
        self.seen.push((self.at, activity));
    }

    /// Begins a command, and says by which name it ends.
    fn begin(&mut self, line: &str) -> String {
        self.commands += 1;
        let item = self.commands.to_string();
        self.see(Activity::CommandStarted {
            item: item.clone(),
            command: line.to_owned(),
        });
        item
    }

    fn command(&mut self, line: &str, low: i64, high: i64, code: i32) {
        let item = self.begin(line);
        self.wait(low, high);
        self.see(Activity::CommandEnded {
            item,
            exit_code: Some(code),
            declined: false,
        });
    }

    fn edit(&mut self) {
        let path = format!("src/{}.rs", self.chance.between(1, 9));
        self.see(Activity::FilesEdited { paths: vec![path] });
    }

    fn retry(&mut self) {
        let reason = "503".to_owned();
        self.see(Activity::Retrying { reason });
    }

    /// Thinks without a word. The runner looks at its processes meanwhile.
    fn think(&mut self, seconds: i64, cpu_ms: u64, connections: u32) {
        let until = self.at + seconds;
        while self.at + 30 < until {
            self.at += 30;
            self.see(Activity::ProcessSeen {
                cpu_ms,
                io_bytes: 0,
                connections,
            });
        }
        self.at = until;
    }

    /// Works as agents do for a while: reads, edits, tests.
    fn work(&mut self, rounds: i64) {
        for _ in 0..rounds {
            self.wait(1, 20);
            let file = self.chance.between(1, 99);
            self.command(&format!("sed -n 1,80p src/{file}.rs"), 0, 1, 0);
            self.wait(2, 40);
            self.edit();
            self.command("cargo test", 2, 60, 101);
        }
    }

    fn works(self) -> Trace {
        let ends_at = self.at;
        Trace {
            seen: self.seen,
            ends_at,
            lost_from: None,
        }
    }

    /// From here on it does this until the turn is over.
    fn lost(mut self, mut again: impl FnMut(&mut Self)) -> Trace {
        let from = self.at;
        while self.at < TURN {
            again(&mut self);
        }
        Trace {
            seen: self.seen,
            ends_at: TURN,
            lost_from: Some(from),
        }
    }
}

type Make = fn(Maker) -> Trace;

const HEALTHY: [(&str, Make); 10] = [
    ("edits and tests", |mut maker| {
        let rounds = maker.chance.between(3, 20);
        maker.work(rounds);
        maker.works()
    }),
    ("thinks for up to 12 minutes, connected", |mut maker| {
        maker.work(2);
        let seconds = maker.chance.between(60, 720);
        maker.think(seconds, 20, 1);
        maker.work(2);
        maker.works()
    }),
    ("computes for up to 20 minutes without a word", |mut maker| {
        maker.work(1);
        let seconds = maker.chance.between(60, 1_200);
        maker.think(seconds, 20_000, 0);
        maker.work(1);
        maker.works()
    }),
    ("a build of up to 25 minutes", |mut maker| {
        maker.work(1);
        maker.command("cargo build --release", 60, 1_500, 0);
        maker.works()
    }),
    ("a provider that is away for up to 8 minutes", |mut maker| {
        maker.work(1);
        let until = maker.at + maker.chance.between(30, 480);
        while maker.at < until {
            maker.retry();
            maker.wait(5, 60);
        }
        maker.work(2);
        maker.works()
    }),
    (
        "one 503 or two, each before up to 12 minutes of thought",
        |mut maker| {
            maker.work(1);
            for _ in 0..maker.chance.between(1, 2) {
                maker.retry();
                let seconds = maker.chance.between(60, 720);
                maker.think(seconds, 20, 1);
            }
            maker.work(1);
            maker.works()
        },
    ),
    ("waits for a service, up to 20 looks", |mut maker| {
        for _ in 0..maker.chance.between(2, 20) {
            maker.command("sleep 10; curl -sf localhost:8080/health", 10, 12, 7);
        }
        maker.command("sleep 10; curl -sf localhost:8080/health", 10, 12, 0);
        maker.work(1);
        maker.works()
    }),
    ("one test that fails through 60 edits", |mut maker| {
        for _ in 0..60 {
            maker.edit();
            maker.command("cargo test one", 1, 15, 101);
        }
        maker.works()
    }),
    ("`timeout 60`, which ends in time", |mut maker| {
        for _ in 0..maker.chance.between(1, 10) {
            maker.command("timeout 60 cargo test", 20, 62, 124);
            maker.edit();
        }
        maker.works()
    }),
    ("`timeout -k 10 600`, which ends after 2 to 9 minutes", |mut maker| {
        maker.work(1);
        maker.command("timeout -k 10 600 sh build.sh", 120, 540, 0);
        maker.works()
    }),
];

const LOST: [(&str, Make); 9] = [
    ("one command over and over", |mut maker| {
        maker.work(2);
        maker.lost(|maker| {
            maker.wait(1, 10);
            maker.command("cat src/main.rs", 0, 1, 0);
        })
    }),
    ("three commands in a circle", |mut maker| {
        maker.work(1);
        maker.lost(|maker| {
            for line in ["git status", "git diff", "ls"] {
                maker.wait(1, 5);
                maker.command(line, 0, 1, 0);
            }
        })
    }),
    ("the same words over and over", |maker| {
        maker.lost(|maker| {
            maker.see(Activity::Message {
                text: "I will now continue.".to_owned(),
            });
            maker.see(Activity::Tokens {
                spent: TokenCount::default(),
            });
            maker.wait(2, 20);
        })
    }),
    ("dead: no word, no processor time, no connection", |mut maker| {
        maker.work(1);
        maker.lost(|maker| maker.think(60, 0, 0))
    }),
    ("a stream that is open and silent", |mut maker| {
        maker.work(1);
        maker.lost(|maker| maker.think(60, 20, 1))
    }),
    ("a provider that never comes back", |mut maker| {
        maker.work(1);
        maker.lost(|maker| {
            maker.retry();
            maker.wait(5, 60);
        })
    }),
    (
        "a gateway that fails each request after a minute or more",
        |mut maker| {
            maker.work(1);
            maker.lost(|maker| {
                maker.retry();
                let seconds = maker.chance.between(61, 110);
                maker.think(seconds, 20, 1);
            })
        },
    ),
    ("a command that never ends, given 10 minutes", |mut maker| {
        maker.work(1);
        maker.begin("timeout -k 10 600 sh build.sh");
        maker.lost(|maker| maker.think(60, 0, 0))
    }),
    ("asks for approvals", |maker| {
        maker.lost(|maker| {
            maker.see(Activity::RequestDeclined {
                request: "item/commandExecution/requestApproval".to_owned(),
                about: "rm".to_owned(),
            });
            maker.wait(2, 20);
        })
    }),
];

/// When a trace is ended by a rule, if it is.
fn ended_at(trace: &Trace, ends: impl Fn(&Live, Timestamp) -> bool) -> Option<i64> {
    let at = |second: i64| {
        Timestamp::UNIX_EPOCH
            .checked_add(SignedDuration::from_secs(second))
            .unwrap_or(Timestamp::MAX)
    };
    let mut live = Live::new(at(0));
    let mut seen = trace.seen.iter().peekable();
    // An end that only the turn's own limit brings is none that a rule has found.
    for second in 0..trace.ends_at.min(TURN) {
        while let Some((_, activity)) = seen.next_if(|(when, _)| *when <= second) {
            live.see(at(second), activity);
        }
        if ends(&live, at(second)) {
            return Some(second);
        }
    }
    None
}

/// Ends what was silent for so long, whatever else is known.
fn silence(minutes: i64) -> impl Fn(&Live, Timestamp) -> bool {
    move |live, now| now.duration_since(live.last_activity) >= SignedDuration::from_mins(minutes)
}

fn liveness(live: &Live, now: Timestamp) -> bool {
    liveness_since(live, Timestamp::UNIX_EPOCH, now)
}

fn liveness_since(live: &Live, since: Timestamp, now: Timestamp) -> bool {
    ending_cause(live, since, &Limits::default(), now).is_some()
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Whether the turn of such an agent is ended now.
type Rule<'a> = &'a dyn Fn(&Live, Timestamp) -> bool;

/// How many traces of a kind a rule ends, and how long after they were lost in the median.
fn column(make: Make, rule: Rule<'_>) -> String {
    let traces = (0..TRACES).map(|seed| make(Maker::new(seed + 1)));
    let ended: Vec<i64> = traces
        .filter_map(|trace| Some(ended_at(&trace, rule)? - trace.lost_from.unwrap_or(0)))
        .collect();
    let count = ended.len();
    match median(ended) {
        Some(after) => format!("{count} ({} min)", (after + 30) / 60),
        None => count.to_string(),
    }
}

/// One line of a recorded trace: what was seen so long after the turn began, or that it was over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at_ms: i64,
    activity: Option<Activity>,
}

/// The traces of the real Codex in one folder, by name. The end-to-end tests of `foil` record them.
fn recorded(folder: &Path) -> Result<Vec<(String, Trace)>, TaskError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(TaskError::file(folder))? {
        paths.push(entry.map_err(TaskError::file(folder))?.path());
    }
    paths.sort();
    let is_lost = folder.ends_with("lost");
    let trace = |path: PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).map_err(TaskError::file(&path))?;
        let mut seen = Vec::new();
        let mut ends_at = None;
        for line in text.lines() {
            let line: Line = serde_json::from_str(line).map_err(|error| unreadable(&path, error))?;
            let second = line.at_ms.div_euclid(1_000);
            match line.activity {
                Some(activity) => seen.push((second, activity)),
                None => ends_at = Some(second),
            }
        }
        let ends_at = ends_at.ok_or_else(|| unreadable(&path, "its last line does not say when the turn was over"))?;
        let lost_from = is_lost.then_some(0);
        Ok((
            name,
            Trace {
                seen,
                ends_at,
                lost_from,
            },
        ))
    };
    paths.into_iter().map(trace).collect()
}

fn unreadable(path: &Path, reason: impl ToString) -> TaskError {
    TaskError::unreadable(path.display().to_string(), reason.to_string())
}

/// Prints what each rule makes of the recorded traces in these folders.
fn of_recorded(fixtures: &Path, rules: [Rule<'_>; 3]) -> Result<(), TaskError> {
    for (kind, title, wrong) in [
        ("working", "the real Codex, working", "ended though it worked"),
        ("lost", "the real Codex, lost", "not ended"),
    ] {
        let traces = recorded(&fixtures.join(kind))?;
        println!("\n| {title} | liveness | 5 min of silence | 10 min of silence |");
        println!("| --- | --- | --- | --- |");
        let mut wrongs = [0; 3];
        for (name, trace) in &traces {
            let mut cells = Vec::new();
            for (rule, wrongs) in rules.iter().zip(&mut wrongs) {
                let ended = ended_at(trace, rule);
                *wrongs += u32::from(ended.is_some() != trace.lost_from.is_some());
                cells.push(ended.map_or("left alone".to_owned(), |second| {
                    format!("ended after {}:{:02} min", second / 60, second % 60)
                }));
            }
            println!("| {name}, {} min | {} |", (trace.ends_at + 30) / 60, cells.join(" | "));
        }
        let wrongs = wrongs.map(|wrongs| wrongs.to_string());
        println!("| **{wrong}, of {}** | {} |", traces.len(), wrongs.join(" | "));
    }
    Ok(())
}

/// Prints the tables, and what is said of the turns in these journals.
pub(super) fn run(workspace: &Workspace, journals: &[String]) -> Result<(), TaskError> {
    let rules: [Rule<'_>; 3] = [&liveness, &silence(5), &silence(10)];
    of_recorded(&workspace.root().join(RECORDED), rules)?;
    for (title, kinds) in [
        ("an agent that works: ended though it worked", &HEALTHY[..]),
        (
            "an agent that is lost: ended within the 30 minutes of a turn (median time after it was lost)",
            &LOST[..],
        ),
    ] {
        println!("\n| {title}, of {TRACES} | liveness | 5 min of silence | 10 min of silence |");
        println!("| --- | --- | --- | --- |");
        for (kind, make) in kinds {
            let columns: Vec<_> = rules.iter().map(|rule| column(*make, rule)).collect();
            println!("| {kind} | {} |", columns.join(" | "));
        }
    }
    for journal in journals {
        of_journal(Path::new(journal))?;
    }
    Ok(())
}

/// What liveness says of the turns of a recorded run.
fn of_journal(path: &Path) -> Result<(), TaskError> {
    let bytes = std::fs::read(path).map_err(TaskError::file(path))?;
    let journal = Journal::parse(&bytes).map_err(|error| TaskError::unreadable(path.display().to_string(), error))?;
    let mut since = Timestamp::UNIX_EPOCH;
    let mut live = Live::new(since);
    let (mut turns, mut ended) = (0, 0);
    let mut is_given_up = false;
    for record in &journal.records {
        match &record.event {
            Event::Intended(_) => {
                since = record.at;
                live = Live::new(since);
                turns += 1;
                is_given_up = false;
            }
            Event::Activity(activity) => {
                if !is_given_up && liveness_since(&live, since, record.at) {
                    is_given_up = true;
                    ended += 1;
                }
                live.see(record.at, activity);
            }
            _ => {}
        }
    }
    println!("\n{}: {turns} effects, {ended} would have been ended", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_codex_is_left_alone_where_it_works_and_given_up_where_it_is_lost() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDED);
        for (kind, is_lost) in [("working", false), ("lost", true)] {
            let traces = recorded(&fixtures.join(kind)).unwrap();
            assert!(traces.len() >= 10, "{kind}: {}", traces.len());
            for (name, trace) in traces {
                assert_eq!(ended_at(&trace, liveness).is_some(), is_lost, "{kind}/{name}");
            }
        }
    }

    #[test]
    fn no_agent_that_works_is_ended_and_none_that_is_lost_is_missed() {
        for (kind, make) in HEALTHY {
            assert_eq!(column(make, &liveness), "0", "{kind}");
        }
        for (kind, make) in LOST {
            let column = column(make, &liveness);
            assert!(column.starts_with(&format!("{TRACES} ")), "{kind}: {column}");
        }
    }
}
