//! A real night in small: twenty-two tickets, four at a time, a runner that is killed at random twenty times.
//!
//! `NIGHT_SEED` chooses when it is killed; the seed is printed where the test fails.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use ledger_core::{BlockerCode, Event, Journal};
use testkit::model_server::{ModelScript, Reply, Rule};

use crate::processes::assert_none_below;
use crate::world::{BackEnd, REVIEW, Terms, World, shell, through_both};

through_both!(every_ticket_of_a_night_ends_done_or_blocked_with_the_true_cause);

const DEATHS: usize = 20;
const LONG: Duration = Duration::from_secs(420);
/// The ticket whose worker meets a limit of the provider. It is approved once nobody is killed any more, so that the limit is met once.
const LIMITED: &str = "0022-t";
/// How long after the world was made that limit is lifted: longer than all deaths take.
const LIMIT: SignedDuration = SignedDuration::from_secs(130);

/// What a ticket's worker does, and how the ticket must end.
struct Night {
    /// What its contract says besides.
    contract: &'static str,
    /// What its worker does first.
    command: &'static str,
    /// What follows; none: its report.
    then: Option<Reply>,
    /// How often the model refuses before.
    refusals: u32,
    /// Whether its worker does the same again and again.
    repeats: bool,
    /// The state, and of a blocked one the code.
    ends: (&'static str, Option<&'static str>),
}

const DONE: (&str, Option<&str>) = ("done", None);

fn night() -> BTreeMap<String, Night> {
    let honest = || Night {
        contract: "",
        command: "echo hello > $FILE",
        then: None,
        refusals: 0,
        repeats: false,
        ends: DONE,
    };
    let blocked = |command, code| Night {
        command,
        ends: ("blocked", Some(code)),
        ..honest()
    };
    let special = [
        blocked("echo x > elsewhere.txt", "scope_violation"),
        Night {
            contract: "depends_on = [\"0013-t\"]\n",
            ends: ("waiting", Some("dependency_not_done")),
            ..honest()
        },
        blocked("printf 'AKIA%s' IOSFODNN7EXAMPLQ > $FILE", "secret_found"),
        blocked("git push origin HEAD; echo hello > $FILE", "unsafe_action"),
        Night {
            contract: "[limits]\nmax_iterations = 2\n",
            ..blocked("echo hel > $FILE", "max_iterations")
        },
        Night {
            contract: "[limits]\nturn_timeout = \"15s\"\n",
            then: Some(Reply::Silence),
            ..blocked("echo hello > $FILE", "turn_timeout")
        },
        Night {
            refusals: 2,
            ..honest()
        },
        Night {
            command: "(setsid sleep 300 >/dev/null 2>&1 &); echo hello > $FILE",
            ..honest()
        },
        Night {
            repeats: true,
            ..blocked("cat README", "livelock")
        },
        Night {
            contract: "priority = 1\n",
            ..honest()
        },
    ];
    let plain = std::iter::repeat_with(honest).take(12);
    let all = plain.chain(special).enumerate();
    all.map(|(number, night)| (format!("{:04}-t", number + 1), night))
        .collect()
}

fn file_of(ticket: &str) -> String {
    format!("{ticket}.txt")
}

fn world(back_end: BackEnd, limit_until: Timestamp) -> World {
    let mut script = ModelScript::default();
    for (ticket, night) in night() {
        let words = format!("# Ticket {ticket}");
        if night.refusals > 0 {
            script = script.rule(Rule {
                times: Some(night.refusals),
                ..Rule::new(&words, Reply::status(500))
            });
        }
        if ticket == LIMITED {
            script = script.rule(Rule {
                times: Some(1),
                ..Rule::new(&words, Reply::usage_limit_until(limit_until.as_second()))
            });
        }
        let command = night.command.replace("$FILE", &file_of(&ticket));
        if night.repeats {
            script = script.rule(Rule::new(&words, shell(&command)));
        }
        let then = night.then.unwrap_or_else(|| Reply::done("written"));
        script = script.turn(&words, [shell(&command), then]);
    }
    let script = script.rule(Rule::new(REVIEW, Reply::pass("as asked")));
    let terms = Terms {
        check: "true",
        more: "[schedule]\nconcurrency = 4\n[limits]\nmax_repeats = 8\n",
        ..Terms::default()
    };
    let world = World::without_tickets(back_end, terms, script);
    for (ticket, night) in night() {
        let file = file_of(&ticket);
        let (keys, tables) = match night.contract.starts_with('[') {
            true => ("", night.contract),
            false => (night.contract, ""),
        };
        let contract = format!(
            "title = \"Write {file}\"\n{keys}[scope]\ngoal = \"a file\"\nallowed = [\"{file}\"]\n{tables}\
             [[acceptance]]\nid = \"AC-1\"\nthen = \"it says hello\"\n\
             [[check]]\nname = \"{file}\"\nrun = \"grep -qx hello {file}\"\nproves = [\"AC-1\"]\n"
        );
        world.write(&format!("ledger/tickets/{ticket}/ticket.toml"), &contract);
        world.write(
            &format!("ledger/tickets/{ticket}/prompt.md"),
            &format!("Write {file}.\n"),
        );
    }
    let ids: Vec<_> = night().into_keys().filter(|ticket| ticket != LIMITED).collect();
    let mut approve = vec!["approve"];
    approve.extend(ids.iter().map(String::as_str));
    world.foil(&approve).succeeds();
    world
}

/// Numbers that look random and follow from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        // The multiplier of L'Ecuyer's table for 64 bits.
        self.0 = self
            .0
            .wrapping_mul(2_862_933_555_777_941_757)
            .wrapping_add(3_037_000_493);
        (self.0 >> 33) % limit
    }
}

fn every_ticket_of_a_night_ends_done_or_blocked_with_the_true_cause(back_end: BackEnd) {
    let given = std::env::var("NIGHT_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = given.unwrap_or(now);
    eprintln!("NIGHT_SEED={seed}");
    let mut chance = Chance(seed);
    let limit_until = Timestamp::now() + LIMIT;
    let mut world = world(back_end, limit_until);

    for _ in 0..DEATHS {
        let running = world.start_foil(&["run", "--all"]);
        // Short enough that the night is not over before the last of them, which `kill` holds.
        std::thread::sleep(Duration::from_millis(200 + chance.below(2_500)));
        running.kill();
    }
    world.user_runs(&["approve", LIMITED]).succeeds();
    // Some are blocked, so it is not a success.
    world.start_foil(&["run", "--all"]).ends_within(LONG).ends_with(10);

    let status = world.foil(&["status", "--json"]).succeeds().json();
    let ended: BTreeMap<_, _> = status["tickets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ticket| {
            let text = |key: &str| ticket[key].as_str().map(str::to_owned);
            (text("id").unwrap(), (text("state").unwrap(), text("code")))
        })
        .collect();
    let expected: BTreeMap<_, _> = night()
        .into_iter()
        .map(|(ticket, night)| (ticket, (night.ends.0.to_owned(), night.ends.1.map(str::to_owned))))
        .collect();
    assert_eq!(ended, expected);
    for (ticket, night) in night() {
        let branch = format!("foil/{ticket}");
        if night.ends == DONE {
            let range = format!("main..{branch}");
            assert_eq!(
                world.git(&["rev-list", "--count", &range]),
                "2",
                "{ticket} is delivered once"
            );
            assert_eq!(world.git(&["show", &format!("{branch}:{}", file_of(&ticket))]), "hello");
            let stored = world.git(&["for-each-ref", &format!("refs/counterfoil/runs/{ticket}/")]);
            assert_eq!(stored.lines().count(), 1, "{ticket} is stored once: {stored}");
        } else {
            assert_eq!(
                world.git(&["branch", "--list", &branch]),
                "",
                "{ticket} is not delivered"
            );
        }
    }
    assert_waited_for_the_limit(&world, limit_until);
    world.foil(&["verify"]).succeeds();
    assert_none_below(world.root(), Duration::from_secs(10));
    world.assert_untouched();
}

/// The limit was met once and told with its end, and nothing was asked again before that.
fn assert_waited_for_the_limit(world: &World, until: Timestamp) {
    let journal = std::fs::read(&world.journals(LIMITED)[0]).unwrap();
    let records = Journal::parse(&journal).unwrap().records;
    let blockers = records.iter().filter_map(|record| match &record.event {
        Event::Blocked(blocker) => Some((blocker.code, blocker.retry_at)),
        _ => None,
    });
    let blockers: Vec<_> = blockers.collect();
    let [(BlockerCode::AgentRateLimited, Some(retry_at))] = blockers[..] else {
        panic!("{LIMITED} was blocked by {blockers:?}");
    };
    assert!(retry_at >= until, "{retry_at} is before {until}");
    let resumed = records
        .iter()
        .find(|record| matches!(record.event, Event::Resumed { .. }));
    let resumed = resumed.expect("the run is taken up again").at;
    assert!(resumed >= retry_at, "{resumed} is before {retry_at}");
}
