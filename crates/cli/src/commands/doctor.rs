//! `foil doctor`

use runner::guard::GuardProgram;
use runner::{DoctorOptions, DoctorReport, Health, Moment, Settings, diagnose};

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, NOTICE, plain, styled};

/// Look whether runs can work here, and at what dead runners left
///
/// Git, the repository, the policy, Codex (version, protocol, login, sandbox), the sandbox for checks, room on the disk, schemas,
/// journals, places, locks. Spends no tokens. Ends with 1 if something keeps runs from working.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil doctor\n  foil doctor --repair\n  foil doctor --json | jq '.findings[] | select(.state != \"ok\")'"
)]
pub(crate) struct DoctorArgs {
    /// Mend what dead runners left: processes, notes, journals that are cut off or damaged, whose bytes are kept beside them; and
    /// schemas of an older foil. Nothing of yours is touched
    #[arg(long)]
    repair: bool,
}

pub(super) fn run(args: &DoctorArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let options = DoctorOptions {
        guard: GuardProgram::current()?,
        repair: args.repair,
        now: Moment::now().at,
    };
    let settings = Settings::from_environment()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(diagnose(context.directory(), &settings, &options));
    let exit = match report.health() {
        Health::Problem => Exit::Failed,
        Health::Ok | Health::Warning => Exit::Done,
    };
    if context.output.is_json() {
        context.output.json(&report)?;
        return Ok(exit);
    }
    context.output.answer(&words(&report))?;
    Ok(exit)
}

fn words(report: &DoctorReport) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let (style, sign) = match finding.state {
            Health::Ok => (GOOD, "ok"),
            Health::Warning => (NOTICE, "warning"),
            Health::Problem => (BAD, "problem"),
        };
        let repaired = if finding.repaired {
            styled(GOOD, " repaired")
        } else {
            String::new()
        };
        let sign = styled(style, format!("{sign:<7}"));
        text.push_str(&format!(
            "{sign}  {}: {}{repaired}\n",
            finding.what,
            plain(&finding.detail)
        ));
        if let Some(hint) = finding.hint.as_ref().filter(|_| !finding.repaired) {
            text.push_str(&format!("         {}\n", styled(DIM, plain(hint))));
        }
    }
    text
}
