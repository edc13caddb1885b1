//! The certificate: what of the promises can be counted is counted, with the real program, real Git and real files.

mod contention;
mod crash;
mod damage;
mod look;
mod mode;
mod mutants;
mod page;
mod simulated;
mod world;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use crate::command::{cargo, succeed};
use crate::error::{TaskError, nothing_found};
use crate::fuzz::{self, Effort};
use crate::workspace::Workspace;

use self::crash::Figures;
use self::damage::Damages;
use self::mode::Mode;
use self::page::Part;

/// The parts, by their names on the page, in the order in which they are made: what is over soon first.
const PARTS: [&str; 6] = ["nights", "simulation", "damages", "deaths", "contention", "bytes"];

/// The part that takes a copy of the checkout, and is made only where it is asked for.
const MUTANTS: &str = "mutants";

/// Of the points of longer stories only every so manieth is tried, but with `--long`.
const STORIES: usize = 4;

/// How many times what deaths left is damaged, but with `--long`.
const DAMAGES: usize = 500;

/// How much of the certificate.
#[derive(Debug, Clone, Args)]
pub(crate) struct Certificate {
    /// Worlds of which a run is let die, such as `push`; without any all
    worlds: Vec<String>,
    /// Only these parts
    #[arg(long = "part", value_name = "PART", value_parser = PARTS)]
    parts: Vec<String>,
    /// As much as can be wished for, in days: every pair of deaths, every damage, and ten million executions of each fuzz target
    #[arg(long, conflicts_with_all = ["quick", "every", "pairs", "simulated", "damages", "seconds"])]
    long: bool,
    /// Only every so manieth point, in longer stories every fourth of those [default: 1]
    #[arg(long, value_name = "N")]
    every: Option<NonZero<usize>>,
    /// How many pairs of deaths, the second of them while the first is recovered from [default: 500]
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// Of the simulated pairs of deaths only every so manieth first with every so manieth second [default: 1]
    #[arg(long, value_name = "N")]
    simulated: Option<NonZero<u64>>,
    /// How many times what a death left is damaged as by a power cut [default: 500]
    #[arg(long, value_name = "N")]
    damages: Option<usize>,
    /// How many rounds of 64 processes that contend for one ticket [default: 200]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How many simulated nights [default: 1000]
    #[arg(long, value_name = "N")]
    seeds: Option<NonZero<u64>>,
    /// How many seconds each fuzz target gets [default: 120]
    #[arg(long, value_name = "N")]
    seconds: Option<NonZero<u64>>,
    /// The seed of what is chosen by chance
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u32,
    /// The program is built as tests are, so that nobody has to wait for the release build
    #[arg(long)]
    quick: bool,
    /// Breakages that the tests have to see instead; without any name all of `fixtures/mutants`
    #[arg(long, value_name = "NAME", num_args = 0..,
          conflicts_with_all = ["worlds", "parts", "long", "every", "pairs", "simulated", "damages", "rounds", "seeds", "seconds", "seed", "quick"])]
    mutants: Option<Vec<String>>,
}

impl Certificate {
    /// Whether it is less, or other, than what the page has.
    fn is_partial(&self) -> bool {
        let numbers = [
            self.every.is_some(),
            self.pairs.is_some(),
            self.simulated.is_some(),
            self.damages.is_some(),
            self.rounds.is_some(),
            self.seeds.is_some(),
            self.seconds.is_some(),
        ];
        self.quick || self.seed != 1 || !self.worlds.is_empty() || numbers.contains(&true)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

/// Counts what is lost, doubled or left over, prints the figures, and fails where there is any. Whole parts go onto the page, also where they fail.
pub(crate) fn run(workspace: &Workspace, certificate: &Certificate) -> Result<(), TaskError> {
    if let Some(names) = &certificate.mutants {
        return break_promises(workspace, names);
    }
    let folder = workspace.target_folder().join("certify");
    std::fs::create_dir_all(&folder).map_err(TaskError::file(&folder))?;
    let modes = Mode::named(&certificate.worlds)?;
    let mut foil = None;
    let mut broken = Vec::new();
    let all_began = Instant::now();
    let source = page::source(workspace)?;
    for name in PARTS.into_iter().filter(|name| certificate.wants(name)) {
        let began = Instant::now();
        let worlds = Worlds {
            folder: &folder,
            modes: &modes,
        };
        let (figures, found) = match name {
            "nights" => simulated::nights(workspace, certificate.seeds.unwrap_or(number(1000)))?,
            "simulation" => {
                let every = certificate.simulated.unwrap_or(NonZero::<u64>::MIN);
                simulated::deaths(workspace, every)?
            }
            "bytes" => bytes(workspace, certificate)?,
            _ => {
                let foil = match &foil {
                    Some(foil) => foil,
                    None => foil.insert(build(workspace, &folder, certificate.quick)?),
                };
                worlds.part(name, foil, certificate)?
            }
        };
        println!("{figures}");
        if !certificate.is_partial() {
            let part = Part {
                name,
                figures,
                broken: found.len(),
                took: began.elapsed(),
                source: source.clone(),
            };
            let long = if certificate.long { "--long " } else { "" };
            page::write(workspace, &part, &format!("cargo xtask certify {long}--part {name}"))?;
        }
        broken.extend(found);
    }
    // On another machine, or beside others, it is another time: so it is told, and fails nothing.
    println!(
        "in {:.1} min, building included",
        all_began.elapsed().as_secs_f64() / 60.0
    );
    nothing_found(
        "what is promised does not hold",
        broken,
        "a line about a death names where the process died: `COUNTERFOIL_CRASH_AT` repeats it",
    )
}

fn number(number: u64) -> NonZero<u64> {
    NonZero::new(number).unwrap_or(NonZero::<u64>::MIN)
}

/// Where a run dies, is damaged, or is started many times.
struct Worlds<'a> {
    folder: &'a Path,
    modes: &'a [Mode],
}

impl Worlds<'_> {
    fn part(&self, name: &str, foil: &Path, certificate: &Certificate) -> Result<(String, Vec<String>), TaskError> {
        let seed = u64::from(certificate.seed);
        Ok(match name {
            "deaths" => {
                let every = certificate.every.map_or(1, NonZero::get);
                let plan = crash::Plan {
                    every,
                    every_of_stories: if certificate.long { 1 } else { STORIES * every },
                    pairs: (!certificate.long).then(|| certificate.pairs.unwrap_or(500)),
                    seed,
                };
                let figures = crash::certify(self.folder, foil, self.modes, &plan)?;
                let table = Figures::table(&figures);
                (table, figures.into_iter().flat_map(|figures| figures.broken).collect())
            }
            "damages" => {
                let plan = damage::Plan {
                    count: (!certificate.long).then(|| certificate.damages.unwrap_or(DAMAGES)),
                    seed,
                };
                let damages = damage::certify(self.folder, foil, self.modes, &plan)?;
                let table = Damages::table(&damages);
                (table, damages.into_iter().flat_map(|damages| damages.broken).collect())
            }
            _ => {
                let rounds = certificate.rounds.unwrap_or(200);
                let contention = contention::certify(&self.folder.join("worlds"), foil, rounds)?;
                (contention.table(), contention.broken)
            }
        })
    }
}

/// Fuzzes every target.
fn bytes(workspace: &Workspace, certificate: &Certificate) -> Result<(String, Vec<String>), TaskError> {
    let effort = match certificate.long {
        true => Effort::Runs(number(10_000_000)),
        false => Effort::Seconds(certificate.seconds.unwrap_or(number(120))),
    };
    let figures = fuzz::fuzz(workspace, &[], effort, certificate.seed)?;
    let table = fuzz::table(&figures);
    Ok((table, figures.into_iter().flat_map(|figures| figures.broken).collect()))
}

/// What a change has to pass: a part of the single deaths, always the same, and few of the rest. Nights, simulation and bytes have cuts of their own.
pub(crate) fn cut(workspace: &Workspace) -> Result<(), TaskError> {
    let certificate = Certificate {
        worlds: Vec::new(),
        parts: ["deaths", "damages", "contention"].map(str::to_owned).to_vec(),
        long: false,
        every: NonZero::new(5),
        pairs: Some(40),
        simulated: None,
        damages: Some(36),
        rounds: Some(5),
        seeds: None,
        seconds: None,
        seed: 1,
        quick: true,
        mutants: None,
    };
    run(workspace, &certificate)
}

/// Breaks one promise after another, and fails where the tests do not see it.
fn break_promises(workspace: &Workspace, names: &[String]) -> Result<(), TaskError> {
    let began = Instant::now();
    let source = page::source(workspace)?;
    let figures = mutants::certify(workspace, names)?;
    println!("{}", figures.table());
    if names.is_empty() {
        let part = Part {
            name: MUTANTS,
            figures: figures.table(),
            broken: figures.survivors().len(),
            took: began.elapsed(),
            source,
        };
        page::write(workspace, &part, "cargo xtask certify --mutants")?;
    }
    nothing_found(
        "breakages that the tests do not see",
        figures.survivors(),
        "a test is missing, or the breakage breaks nothing; what was built and printed is below `mutants/logs` in the target folder",
    )
}

/// The program that dies where it is told to. Copied, so that a later build does not change it under the certificate.
fn build(workspace: &Workspace, folder: &Path, quick: bool) -> Result<PathBuf, TaskError> {
    let (profile, built) = match quick {
        true => ("dev", "debug"),
        false => ("release", "release"),
    };
    succeed(cargo(
        workspace,
        &[
            "build",
            "--locked",
            "--profile",
            profile,
            "--workspace",
            "--bin=foil",
            "--features=counterfoil/crash-points",
        ],
    ))?;
    let built = workspace.target_folder().join(built).join("foil");
    let program = folder.join("foil");
    std::fs::copy(&built, &program).map_err(TaskError::file(&built))?;
    Ok(program)
}
