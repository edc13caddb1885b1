//! `foil package`

use clap::Subcommand;
use ledger_core::{PackageName, TicketId};
use runner::{
    LockStatus, Moment, NewPackage, PackageChange, PackageChangeKind, PackageReport, PackageTicket, TicketState,
    lock_package, new_package, show_package,
};

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, GOOD, HEADING, NOTICE, count, plain, styled, table};

/// Put tickets into an order and lock their files
///
/// The tickets of a package are delivered one after the other, each from the last one's result. The lock names every file that says
/// what is asked, with its digest; while one of them differs, none of the tickets can be approved or run.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil package new \"Sign-up\" 0041-user-model 0042-validate-email\n  foil package show sign-up\n  foil package lock sign-up       after a change of its tickets\n  foil approve sign-up            all of it, in one commit\n  foil run sign-up"
)]
pub(crate) struct PackageArgs {
    #[command(subcommand)]
    verb: PackageVerb,
}

#[derive(Debug, Subcommand)]
enum PackageVerb {
    /// Make a package of these tickets, in this order, with its lock
    ///
    /// Writes `packages/<name>.toml`, and the key `package` into each ticket that has none. Nothing that is there is overwritten.
    #[command(
        after_help = "Examples:\n  foil package new \"Sign-up\" 0041-user-model 0042-validate-email\n  foil package new \"Sign-up\" 0041-user-model --name accounts --goal \"People can sign up\""
    )]
    New {
        /// What the tickets amount to, in one line
        title: String,
        /// The tickets, in the order in which they are to be delivered
        #[arg(value_name = "TICKET", required = true)]
        tickets: Vec<TicketId>,
        /// Its name, else the title's words
        #[arg(long, value_name = "NAME")]
        name: Option<PackageName>,
        /// The goal, in a few sentences
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        goal: String,
        /// Deliver all of them on one branch, `foil/<name>`, each from the last one's result
        #[arg(long)]
        one_branch: bool,
    },
    /// Lock the files of its tickets as they are now, and tell what changed
    #[command(after_help = "Examples:\n  foil package lock sign-up")]
    Lock {
        /// The package
        name: PackageName,
    },
    /// Show order, lock, and how far each ticket is
    #[command(after_help = "Examples:\n  foil package show sign-up\n  foil package show sign-up --json")]
    Show {
        /// The package
        name: PackageName,
    },
}

pub(super) fn run(args: &PackageArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let (name, changes) = match &args.verb {
        PackageVerb::New {
            title,
            tickets,
            name,
            goal,
            one_branch,
        } => {
            let wanted = NewPackage {
                title: title.clone(),
                name: name.clone(),
                goal: goal.clone(),
                one_branch: *one_branch,
                tickets: tickets.clone(),
            };
            let written = new_package(&workspace, &wanted)?;
            (written.name, written.changes)
        }
        PackageVerb::Lock { name } => (name.clone(), lock_package(&workspace, name)?.changes),
        PackageVerb::Show { name } => (name.clone(), Vec::new()),
    };
    let report = PackageReport {
        changes,
        ..show_package(&workspace, &name, Moment::now().at)?
    };
    let output = context.output;
    if output.is_json() {
        output.json(&report)?;
        return Ok(Exit::Done);
    }
    let next = format!("Next: `foil approve {name}`\n");
    match &args.verb {
        PackageVerb::New { .. } => {
            output.answer(&format!("{name}\n"))?;
            output.story(&format!("{}{next}", changed(&report.changes)))?;
        }
        PackageVerb::Lock { .. } if report.changes.is_empty() => {
            output.answer("Nothing to do: the lock holds.\n")?;
        }
        PackageVerb::Lock { .. } => {
            output.answer(&changed(&report.changes))?;
            output.story(&next)?;
        }
        PackageVerb::Show { .. } => output.answer(&words(&report))?,
    }
    Ok(Exit::Done)
}

fn changed(changes: &[PackageChange]) -> String {
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            let what = match change.what {
                PackageChangeKind::Created => "created",
                PackageChangeKind::Named => "names it now",
                PackageChangeKind::Locked => "locked",
                PackageChangeKind::Relocked => "changed, locked anew",
                PackageChangeKind::Unlocked => "gone, not locked any more",
            };
            vec![plain(&change.path.to_string()), what.to_owned()]
        })
        .collect();
    table(&rows, 2)
}

fn words(report: &PackageReport) -> String {
    let mut text = format!("{}  {}\n", styled(HEADING, &report.package), plain(&report.title));
    if !report.goal.is_empty() {
        text.push_str(&format!("  {}\n", plain(&report.goal)));
    }
    text.push_str(&match &report.lock {
        LockStatus::Holds { files } => {
            format!("  lock {}: {}\n", styled(GOOD, "holds"), count(*files, "file", "files"))
        }
        LockStatus::Missing => format!("  {}: nothing is locked\n", styled(NOTICE, "no lock")),
        LockStatus::Differs { differences } => {
            let mut text = format!("  lock {}\n", styled(BAD, "does not hold"));
            for difference in differences {
                text.push_str(&format!("    {}\n", plain(&difference.to_string())));
            }
            text
        }
        LockStatus::Unreadable { reason } => format!("  lock {}: {}\n", styled(BAD, "unknown"), plain(reason)),
    });
    let rows: Vec<_> = report
        .tickets
        .iter()
        .enumerate()
        .map(|(index, ticket)| row(index, ticket))
        .collect();
    text.push('\n');
    text.push_str(&table(&rows, 2));
    let delivered = report.tickets.iter().filter(|ticket| is_done(ticket)).count();
    text.push_str(&format!(
        "\n{delivered} of {} delivered\n",
        count(report.tickets.len(), "ticket", "tickets")
    ));
    match (&report.lock, &report.next) {
        (LockStatus::Holds { .. }, None) => {}
        (LockStatus::Holds { .. }, Some(_)) if needs_approval(report) => {
            text.push_str(&format!("next: `foil approve {}`\n", report.package));
        }
        (LockStatus::Holds { .. }, Some(_)) => text.push_str(&format!("next: `foil run {}`\n", report.package)),
        _ => text.push_str(&format!(
            "next: if the files are as they should be, `foil package lock {0}`, then `foil approve {0}`\n",
            report.package
        )),
    }
    text
}

fn row(index: usize, ticket: &PackageTicket) -> Vec<String> {
    let (id, state, title) = match &ticket.status {
        Some(status) => (
            status.id.to_string(),
            status.state.name().to_owned(),
            status.title.as_deref().map(plain).unwrap_or_default(),
        ),
        None => {
            let id = ticket.missing.as_ref().map(ToString::to_string).unwrap_or_default();
            (id, "missing".to_owned(), String::new())
        }
    };
    let wave = ticket.wave.map(|wave| format!("wave {wave}")).unwrap_or_default();
    let after: Vec<_> = ticket.depends_on.iter().map(ToString::to_string).collect();
    let after = match after.is_empty() {
        true => String::new(),
        false => format!("after {}", after.join(", ")),
    };
    vec![format!("{}.", index + 1), id, state, wave, title, after]
}

fn is_done(ticket: &PackageTicket) -> bool {
    let state = ticket.status.as_ref().map(|status| &status.state);
    matches!(state, Some(TicketState::Done(_)))
}

fn needs_approval(report: &PackageReport) -> bool {
    report.tickets.iter().any(|ticket| {
        let state = ticket.status.as_ref().map(|status| &status.state);
        matches!(state, Some(TicketState::Draft | TicketState::Stale(_)))
    })
}
