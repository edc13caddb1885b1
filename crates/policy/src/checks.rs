//! The checks that a run runs: the policy's and the ticket's, with everything resolved.

use std::collections::BTreeMap;

use ledger_core::{CheckCommand, Duration, InvalidCheckCommand, Strength, TicketCheck, TicketFile, TicketId};

use crate::config::{Baseline, InvalidText, Policy, SandboxUse, TestReport};

/// How long a ticket's own check may take where it does not say.
pub const DEFAULT_CHECK_TIMEOUT: Duration = Duration::minutes(10);

/// One check as the runner runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSpec {
    /// Its name, unique in the run.
    pub name: String,
    /// What is run.
    pub command: CheckCommand,
    /// How long it may take.
    pub timeout: Duration,
    /// Names of environment variables that it is handed beside the built-in ones, sorted, each once.
    pub env: Vec<String>,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether it runs in the sandbox.
    pub sandbox: SandboxUse,
    /// What it must do on the base.
    pub baseline: Baseline,
    /// The strength of its evidence.
    pub strength: Strength,
    /// Whether no other check may run at the same time.
    pub exclusive: bool,
    /// Where it writes a test report.
    pub report: Option<TestReport>,
    /// The acceptance items that it proves.
    pub proves: Vec<String>,
    /// Whether the ticket brought it.
    pub from_ticket: bool,
}

/// Checks that cannot be run together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChecks {
    /// Two checks have one name, which is how results are told apart.
    #[error("check `{name}` of the ticket has the name of another check")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A check without one command.
    #[error("check `{name}`: {source}")]
    Command {
        /// The check.
        name: String,
        /// What is wrong.
        source: InvalidCheckCommand,
    },
    /// A report that cannot be read.
    #[error("check `{name}`: {source}")]
    Report {
        /// The check.
        name: String,
        /// What is wrong.
        source: InvalidText,
    },
}

/// The checks of a run in order: the policy's, then the ticket's. A ticket's check runs in the sandbox, without network,
/// and not on the base: what it proves need not exist there.
///
/// ```
/// use counterfoil_policy::{Policy, check_specs};
/// use ledger_core::TicketFile;
/// let policy = Policy::parse(b"[[check]]\nname = \"tests\"\nrun = \"make test\"\n").unwrap();
/// let ticket = TicketFile::parse(b"title = \"x\"\nmode = \"loop\"\n[[check]]\nname = \"one\"\nargv = [\"make\", \"one\"]\n").unwrap();
/// let specs = check_specs(&policy, &ticket).unwrap();
/// assert_eq!(specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["tests", "one"]);
/// ```
pub fn check_specs(policy: &Policy, ticket: &TicketFile) -> Result<Vec<CheckSpec>, InvalidChecks> {
    if !ticket.mode.discipline().is_checked() {
        return Ok(Vec::new());
    }
    all_checks(policy, ticket)
}

fn all_checks(policy: &Policy, ticket: &TicketFile) -> Result<Vec<CheckSpec>, InvalidChecks> {
    let mut specs: BTreeMap<String, usize> = BTreeMap::new();
    let mut list: Vec<CheckSpec> = Vec::new();
    let common: Vec<_> = policy
        .workspace
        .env
        .iter()
        .map(|name| name.as_str().to_owned())
        .collect();
    let policy_checks = policy.check.iter().map(|check| {
        let mut env = common.clone();
        env.extend(check.env.iter().map(|name| name.as_str().to_owned()));
        Ok(CheckSpec {
            name: check.name.clone(),
            command: command(&check.name, check.run.as_deref(), check.argv.as_deref())?,
            timeout: check.timeout,
            env: sorted(env),
            network: check.network,
            sandbox: check.sandbox,
            baseline: check.baseline,
            strength: check.strength.into(),
            exclusive: check.exclusive,
            report: check.report.clone(),
            proves: Vec::new(),
            from_ticket: false,
        })
    });
    let ticket_checks = ticket.check.iter().map(|check| {
        let report = check.report.as_deref().map(str::parse).transpose();
        Ok(CheckSpec {
            name: check.name.clone(),
            command: command(&check.name, check.run.as_deref(), check.argv.as_deref())?,
            timeout: check.timeout.unwrap_or(DEFAULT_CHECK_TIMEOUT),
            env: sorted(common.clone()),
            network: false,
            sandbox: SandboxUse::Required,
            baseline: Baseline::Off,
            strength: Strength::RunnerRan,
            exclusive: false,
            report: report.map_err(|source| InvalidChecks::Report {
                name: check.name.clone(),
                source,
            })?,
            proves: check.proves.clone(),
            from_ticket: true,
        })
    });
    for spec in policy_checks.chain(ticket_checks) {
        let spec: CheckSpec = spec?;
        if specs.insert(spec.name.clone(), list.len()).is_some() {
            return Err(InvalidChecks::NameTaken { name: spec.name });
        }
        list.push(spec);
    }
    Ok(list)
}

/// The checks of the last ticket of a package, whose result is that of the whole: its own, and those that the tickets before it brought,
/// each named after its ticket. They prove nothing of what this ticket is asked.
///
/// ```
/// use counterfoil_policy::{Policy, check_specs_of_whole};
/// use ledger_core::TicketFile;
/// let ticket = |check: &str| {
///     let text = format!("title = \"x\"\nmode = \"loop\"\n[[check]]\nname = \"{check}\"\nargv = [\"true\"]\n");
///     TicketFile::parse(text.as_bytes()).unwrap()
/// };
/// let before = [("0001-a".parse().unwrap(), ticket("tests"))];
/// let specs = check_specs_of_whole(&Policy::default(), &ticket("tests"), &before).unwrap();
/// assert_eq!(specs.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["tests", "0001-a: tests"]);
/// ```
pub fn check_specs_of_whole(
    policy: &Policy,
    ticket: &TicketFile,
    before: &[(TicketId, TicketFile)],
) -> Result<Vec<CheckSpec>, InvalidChecks> {
    if before.is_empty() {
        return check_specs(policy, ticket);
    }
    let mut whole = ticket.clone();
    for (id, file) in before {
        whole.check.extend(file.check.iter().map(|check| TicketCheck {
            name: format!("{id}: {}", check.name),
            proves: Vec::new(),
            ..check.clone()
        }));
    }
    all_checks(policy, &whole)
}

fn command(name: &str, run: Option<&str>, argv: Option<&[String]>) -> Result<CheckCommand, InvalidChecks> {
    CheckCommand::new(run, argv).map_err(|source| InvalidChecks::Command {
        name: name.to_owned(),
        source,
    })
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(ticket: &str) -> Result<Vec<CheckSpec>, InvalidChecks> {
        let policy = Policy::parse(
            b"[workspace]\nenv = [\"CI\"]\n[[check]]\nname = \"tests\"\nrun = \"make test\"\nenv = [\"B\", \"A\", \"CI\"]\nsandbox = \"off\"\nnetwork = true\nstrength = \"runner_ran_clean\"\nbaseline = \"off\"\ntimeout = \"1h\"\nreport = \"junit:a.xml\"\n",
        )
        .unwrap();
        let ticket = TicketFile::parse(format!("title = \"x\"\nmode = \"loop\"\n{ticket}").as_bytes()).unwrap();
        check_specs(&policy, &ticket)
    }

    #[test]
    fn checks_of_policy_and_ticket_are_resolved_in_order() {
        let list = specs(
            "[[acceptance]]\nid = \"AC-1\"\nthen = \"y\"\n[[check]]\nname = \"one\"\nargv = [\"a\", \"b\"]\nproves = [\"AC-1\"]\nreport = \"junit:b.xml\"\n",
        )
        .unwrap();
        insta::assert_debug_snapshot!(list);
    }

    #[test]
    fn a_name_that_is_taken_or_a_report_that_cannot_be_read_is_refused() {
        let taken = specs("[[check]]\nname = \"tests\"\nrun = \"true\"\n").unwrap_err();
        let report = specs("[[check]]\nname = \"one\"\nrun = \"true\"\nreport = \"junit:../x\"\n").unwrap_err();
        insta::assert_snapshot!(format!("{taken}\n{report}"));
    }
}
