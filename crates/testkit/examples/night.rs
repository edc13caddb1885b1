//! Spends simulated nights, each made from a seed, on as many threads as there are processors.
//!
//! `cargo xtask night` builds it with optimisation and runs it; by hand:
//! `cargo run --profile night -p testkit --features night --example night -- <first seed> <seeds> <tickets>`.

use std::io::{self, Write as _};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use testkit::sim::night::{NightBroken, NightReport, NightSeed, Nights, spend_night};

/// How many failing seeds are shown before the rest are left.
const MOST_FAILING: usize = 5;

type Spent = (NightSeed, f64, Result<NightReport, NightBroken>);

fn main() -> io::Result<ExitCode> {
    let numbers: Result<Vec<u64>, _> = std::env::args().skip(1).map(|argument| argument.parse()).collect();
    let Ok([first, count, tickets]) = numbers.as_deref() else {
        return Err(io::Error::other("usage: night <first seed> <seeds> <tickets>"));
    };
    let tickets = usize::try_from(*tickets).map_err(io::Error::other)?;
    let end = first.saturating_add(*count);
    let next = AtomicU64::new(*first);
    let began = Instant::now();
    let mut out = io::stdout().lock();
    let (sender, receiver) = mpsc::channel::<Spent>();
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut failing = Vec::new();
    let (mut nights, mut all) = (0_u64, Nights::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let night = NightSeed { seed, tickets };
                    let began = Instant::now();
                    // Where nobody listens any more, enough has failed.
                    if seed >= end || sender.send(spend(night, began)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (night, seconds, spent) in receiver {
            nights += 1;
            match spent {
                Ok(report) => {
                    all.add(&report);
                    writeln!(out, "{}", line(night, seconds, &report))?;
                }
                Err(broken) => {
                    writeln!(out, "seed {} BROKEN: {broken}", night.seed)?;
                    failing.push((night, broken));
                    if failing.len() >= MOST_FAILING {
                        break;
                    }
                }
            }
        }
        io::Result::Ok(())
    })?;
    let seconds = began.elapsed().as_secs_f64();
    writeln!(
        out,
        "{nights} nights of {tickets} tickets in {seconds:.1} s ({:.2} a second, {:.0} steps a second), {} faults survived",
        per_second(nights, seconds),
        per_second(all.tally.steps, seconds),
        all.tally.faults()
    )?;
    for (night, broken) in &failing {
        let (small, broken) = shrunk(*night, broken.clone());
        writeln!(
            out,
            "\n{broken}\ncargo xtask night --seed {} --tickets {}",
            small.seed, small.tickets
        )?;
    }
    let never = what_never_came(&all);
    let proves_too_little = failing.is_empty() && Nights::are_enough(nights, tickets) && !never.is_empty();
    if proves_too_little {
        writeln!(out, "\nnights without {} prove too little", never.join(", "))?;
    }
    Ok(if failing.is_empty() && !proves_too_little {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn what_never_came(nights: &Nights) -> Vec<String> {
    let faults = nights.faults_that_never_came().into_iter().map(str::to_owned);
    faults.chain(nights.behaviours_that_never_came()).collect()
}

fn spend(night: NightSeed, began: Instant) -> Spent {
    // What panics is broken like what is said to be; the panic has printed where.
    let spent = std::panic::catch_unwind(|| spend_night(night)).unwrap_or_else(|_| {
        Err(NightBroken {
            steps: 0,
            what: "the night panicked".to_owned(),
        })
    });
    (night, began.elapsed().as_secs_f64(), spent)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-9)
}

fn line(night: NightSeed, seconds: f64, report: &NightReport) -> String {
    let NightReport {
        done,
        blocked,
        waiting,
        sittings,
        tally,
        took,
        seen: _,
    } = report;
    format!(
        "seed {}: {} tickets, {done} done, {blocked} blocked, {waiting} waiting; {} steps ({:.0} a second), {} h, {sittings} runners; survived {} kills, \
         {} power cuts, {} full disks, {} limits, {} silences, {} bad turns",
        night.seed,
        night.tickets,
        tally.steps,
        per_second(tally.steps, seconds),
        took.as_hours(),
        tally.kills,
        tally.power_cuts,
        tally.full_disks,
        tally.limits,
        tally.silences,
        tally.bad_turns,
    )
}

/// The same seed with as few tickets as it still fails with, halved again and again.
fn shrunk(mut night: NightSeed, mut broken: NightBroken) -> (NightSeed, NightBroken) {
    while night.tickets > 1 {
        let smaller = NightSeed {
            tickets: night.tickets / 2,
            ..night
        };
        let (_, _, Err(still)) = spend(smaller, Instant::now()) else {
            break;
        };
        (night, broken) = (smaller, still);
    }
    (night, broken)
}
