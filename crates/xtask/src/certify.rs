//! The certificate: what of the promises can be counted is counted, with the real program, real Git and real files.

mod contention;
mod crash;
mod damage;
mod look;
mod mode;
mod mutants;
mod world;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::command::{cargo, succeed};
use crate::error::{TaskError, nothing_found};
use crate::workspace::Workspace;

use self::crash::Figures;
use self::damage::Damages;
use self::mode::Mode;

/// A change has to pass every so manieth point.
const CUT: NonZero<usize> = NonZero::<usize>::MIN.saturating_add(4);

/// How much of the certificate.
#[derive(Debug, Clone, Args)]
pub(crate) struct Certificate {
    /// Ways of delivery, such as `push`; without any all
    deliveries: Vec<String>,
    /// Only every so manieth point
    #[arg(long, value_name = "N", default_value = "1")]
    every: NonZero<usize>,
    /// How many pairs of deaths, the second of them while the first is recovered from
    #[arg(long, value_name = "N", default_value_t = 500)]
    pairs: usize,
    /// How many times what a death left is damaged as by a power cut
    #[arg(long, value_name = "N", default_value_t = 500)]
    damages: usize,
    /// How many rounds of 64 processes that contend for one ticket
    #[arg(long, value_name = "N", default_value_t = 200)]
    rounds: usize,
    /// The seed of what is chosen by chance
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The program is built as tests are, so that nobody has to wait for the release build
    #[arg(long)]
    quick: bool,
    /// Breakages that the tests have to see instead of deaths; without any name all of `fixtures/mutants`
    #[arg(long, value_name = "NAME", num_args = 0.., conflicts_with_all = ["deliveries", "every", "pairs", "damages", "rounds", "seed", "quick"])]
    mutants: Option<Vec<String>>,
}

/// Counts what is lost, doubled or left over, prints the figures, and fails where there is any.
pub(crate) fn run(workspace: &Workspace, certificate: &Certificate) -> Result<(), TaskError> {
    if let Some(names) = &certificate.mutants {
        return break_promises(workspace, names);
    }
    let folder = workspace.target_folder().join("certify");
    std::fs::create_dir_all(&folder).map_err(TaskError::file(&folder))?;
    let foil = build(workspace, &folder, certificate.quick)?;
    let modes = Mode::named(&certificate.deliveries)?;
    let plan = crash::Plan {
        every: certificate.every.get(),
        pairs: certificate.pairs,
        seed: certificate.seed,
    };
    let figures = crash::certify(&folder, &foil, &modes, &plan)?;
    println!("{}", Figures::table(&figures));
    let damages = damage::certify(&folder, &foil, &modes, certificate.damages, certificate.seed)?;
    println!("{}", Damages::table(&damages));
    let contention = contention::certify(&folder.join("worlds"), &foil, certificate.rounds)?;
    println!("{}", contention.table());
    let broken = figures.into_iter().flat_map(|figures| figures.broken);
    let damaged = damages.into_iter().flat_map(|damages| damages.broken);
    nothing_found(
        "what is promised of a run that dies, or of several at once, does not hold",
        broken.chain(damaged).chain(contention.broken).collect(),
        "a line about a death names where the process died: `COUNTERFOIL_CRASH_AT` repeats it",
    )
}

/// What a change has to pass: a part of the single deaths, always the same, and few pairs.
pub(crate) fn cut(workspace: &Workspace) -> Result<(), TaskError> {
    let certificate = Certificate {
        deliveries: Vec::new(),
        every: CUT,
        pairs: 40,
        damages: 30,
        rounds: 5,
        seed: 1,
        quick: true,
        mutants: None,
    };
    run(workspace, &certificate)
}

/// Breaks one promise after another, and fails where the tests do not see it.
fn break_promises(workspace: &Workspace, names: &[String]) -> Result<(), TaskError> {
    let figures = mutants::certify(workspace, names)?;
    println!("{}", figures.table());
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
