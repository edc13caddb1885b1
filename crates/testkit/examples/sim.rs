//! Lets the runner of one simulated ticket meet every fault at every operation, and every two deaths, on as many threads as there are processors.
//!
//! `cargo xtask sim` builds it with optimisation and runs it; by hand:
//! `cargo run --profile night -p testkit --features night --example sim -- search <first seed> <seeds> <every single> <every pair>`,
//! or `-- replay <case>`.

use std::io::{self, Write as _};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use testkit::sim::night::case::{Breadth, Case, Delivery, Failing, Search};

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["replay", ref case @ ..] => replay(&case.join(" ")),
        ["search", first, seeds, single, pairs] => {
            let number = |text: &str| text.parse::<u64>().map_err(io::Error::other);
            let every = |text: &str| text.parse::<usize>().map_err(io::Error::other);
            let breadth = Breadth {
                single: every(single)?.max(1),
                pairs: Some(every(pairs)?).filter(|every| *every > 0),
            };
            let first = number(first)?;
            search(first..first.saturating_add(number(seeds)?), breadth)
        }
        _ => Err(io::Error::other(
            "usage: sim search <first seed> <seeds> <every single> <every pair> | sim replay <case>",
        )),
    }
}

fn replay(case: &str) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let case: Case = case.parse().map_err(io::Error::other)?;
    let (end, journal) = case.told();
    out.write_all(&journal)?;
    match end {
        Ok(survived) => {
            let (steps, faults) = (survived.tally.steps, survived.tally.faults());
            writeln!(out, "{case}: survived, {steps} steps, {faults} faults")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failing) => {
            writeln!(out, "{failing}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn search(seeds: std::ops::Range<u64>, breadth: Breadth) -> io::Result<ExitCode> {
    let began = Instant::now();
    let cases = seeds.flat_map(|seed| Delivery::ALL.map(|delivery| Case::quiet(delivery, seed)));
    let cases = Mutex::new(cases);
    let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (sender, receiver) = std::sync::mpsc::channel::<(Case, f64, Result<Search, Failing>)>();
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut out = io::stdout().lock();
    let (mut all, mut failing) = (Search::default(), Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(case) = next() {
                    let began = Instant::now();
                    let found = case.search(breadth);
                    if sender.send((case, began.elapsed().as_secs_f64(), found)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (case, seconds, found) in receiver {
            match found {
                Ok(search) => {
                    writeln!(
                        out,
                        "seed {}, {}: {}",
                        case.seed,
                        case.delivery.name(),
                        line(&search, seconds)
                    )?;
                    all = all.plus(search);
                }
                Err(found) => {
                    writeln!(out, "seed {}, {}: BROKEN", case.seed, case.delivery.name())?;
                    failing.push(found);
                }
            }
        }
        io::Result::Ok(())
    })?;
    writeln!(out, "in all: {}", line(&all, began.elapsed().as_secs_f64()))?;
    let is_broken = !failing.is_empty();
    for found in failing {
        let found = found.shrunk();
        writeln!(out, "\n{}\ncargo xtask sim --replay '{}'", found.broken, found.case)?;
    }
    Ok(if is_broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn line(search: &Search, seconds: f64) -> String {
    let tally = search.tally;
    format!(
        "{} single faults and {} pairs in {seconds:.1} s, {} steps ({:.0} a second); survived {} faults: {} kills, {} power cuts, {} full disks, {} silences",
        search.single,
        search.pairs,
        tally.steps,
        tally.steps as f64 / seconds.max(1e-9),
        tally.faults(),
        tally.kills,
        tally.power_cuts,
        tally.full_disks,
        tally.silences,
    )
}
