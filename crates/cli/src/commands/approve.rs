//! `foil approve`

use ledger_core::{CheckCommand, CommitId, CoveredFile, PackageName, RepoPath, TicketId};
use runner::{ApprovalPlan, Committing, Moment, PlannedApproval, PlannedPackage, drafted_package};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, count, plain, styled};
use crate::story::findings_text;

/// Consent to exactly the bytes of a ticket that are there now
///
/// Shows what is approved, writes approval.toml, and commits exactly the covered files and the approval on the current
/// branch; whatever else is changed or staged stays as it is. An edit of a covered file voids the approval. A package stands for
/// every open ticket of it; its lock must hold, and what it names is committed too.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil approve 0042-validate-email\n  foil approve 0042-validate-email 0043-reminders --no-commit\n  foil approve sign-up             every open ticket of a package\n  foil approve --all               the same, where only one package has drafts"
)]
pub(crate) struct ApproveArgs {
    /// Tickets or packages
    #[arg(value_name = "TICKET", required_unless_present = "all")]
    names: Vec<String>,
    /// Every open ticket of the package, which is what naming one means; without a name, of the only package that has drafts
    #[arg(long)]
    all: bool,
    /// Only write the approvals; commit them yourself
    #[arg(long)]
    no_commit: bool,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    by: &'a str,
    repository: &'a str,
    tickets: Vec<ReportTicket<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packages: Vec<&'a PackageName>,
    written: &'a [RepoPath],
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitId>,
}

#[derive(Debug, Serialize)]
struct ReportTicket<'a> {
    id: &'a TicketId,
    files: &'a [CoveredFile],
    already: bool,
}

pub(super) fn run(args: &ApproveArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let output = context.output;
    let names = match args.names.as_slice() {
        [] => vec![drafted_package(&workspace)?.to_string()],
        named => named.to_vec(),
    };
    let plan = ApprovalPlan::new(&workspace, &names, Moment::now())?;
    if !output.is_json() {
        for package in &plan.packages {
            output.answer(&shown_package(package))?;
        }
        for planned in &plan.tickets {
            output.answer(&shown(planned))?;
            let work_dir = workspace.repository().work_dir();
            output.story(&findings_text(&planned.warnings, Some(work_dir), output))?;
        }
    }
    let committing = if args.no_commit {
        Committing::No
    } else {
        Committing::Yes
    };
    let done = plan.carry_out(&workspace, committing)?;
    if let Some(error) = &done.index_not_refreshed {
        output.error(&format!("{}: {error}\n", styled(NOTICE, "the index was not refreshed")))?;
    }
    if output.is_json() {
        output.json(&Report {
            schema: "counterfoil.approve/1",
            by: &plan.by,
            repository: &plan.repository,
            tickets: plan
                .tickets
                .iter()
                .map(|planned| ReportTicket {
                    id: &planned.id,
                    files: &planned.files,
                    already: planned.already,
                })
                .collect(),
            packages: plan.packages.iter().map(|package| &package.name).collect(),
            written: &done.written,
            commit: done.commit,
        })?;
        return Ok(Exit::Done);
    }
    let mut text = match (done.written.len(), done.commit) {
        (0, _) => "Nothing to do: all of it is approved as it is.\n".to_owned(),
        (_, Some(commit)) => format!(
            "{} by {}, in commit {}\n",
            styled(GOOD, "Approved"),
            plain(&plan.by),
            commit.short()
        ),
        (_, None) => {
            let mut text = format!("{} by {}, not committed:\n", styled(GOOD, "Approved"), plain(&plan.by));
            for path in &done.written {
                text.push_str(&format!("  {path}\n"));
            }
            text
        }
    };
    match (plan.tickets.as_slice(), plan.packages.as_slice()) {
        ([_, _, ..], [package]) if plan.tickets.iter().all(|planned| planned.ticket.package.is_some()) => {
            text.push_str(&format!("Next: foil run {}\n", package.name));
        }
        ([one], _) => text.push_str(&format!("Next: foil run {}\n", one.id)),
        _ => text.push_str("Next: foil status\n"),
    }
    output.story(&text)?;
    Ok(Exit::Done)
}

/// The package that a person agrees to.
fn shown_package(planned: &PlannedPackage) -> String {
    let package = &planned.package;
    let order: Vec<_> = package.tickets.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "{} {}  {}\n",
        styled(HEADING, "package"),
        planned.name,
        plain(&package.title)
    );
    if !package.goal.is_empty() {
        text.push_str(&format!("  {}\n", plain(&package.goal)));
    }
    text.push_str(&format!("  one after the other: {}\n", order.join(", ")));
    text.push_str(&format!(
        "  the lock holds: {}\n",
        count(package.lock.len(), "file", "files")
    ));
    text
}

/// What a person agrees to.
fn shown(planned: &PlannedApproval) -> String {
    let ticket = &planned.ticket;
    let mut text = format!("{}  {}\n", styled(HEADING, &planned.id), plain(&ticket.title));
    text.push_str(&format!("  mode {}\n", ticket.mode.as_str()));
    let listed = |name: &str, items: &[String]| -> String {
        if items.is_empty() {
            return String::new();
        }
        let items: Vec<_> = items.iter().map(|item| plain(item)).collect();
        format!("  {name}: {}\n", items.join(", "))
    };
    match &ticket.scope.allowed {
        Some(allowed) => text.push_str(&listed("may change", allowed)),
        None if ticket.docs_only => text.push_str("  may change: the policy's documentation\n"),
        None => text.push_str(&format!(
            "  may change: {}\n",
            styled(NOTICE, "everything that is not forbidden")
        )),
    }
    text.push_str(&listed("may not change", &ticket.scope.forbidden));
    for check in &ticket.check {
        if let Ok(command) = CheckCommand::new(check.run.as_deref(), check.argv.as_deref()) {
            text.push_str(&format!(
                "  check `{}`: {}\n",
                plain(&check.name),
                plain(&command.to_string())
            ));
        }
    }
    let grants = &ticket.grants;
    let mut granted: Vec<String> = Vec::new();
    granted.extend(grants.dependencies.iter().map(|name| format!("dependency {name}")));
    granted.extend(grants.protected.iter().map(|path| format!("protected path {path}")));
    granted.extend(grants.commands.iter().map(|command| format!("command {command}")));
    granted.extend(grants.migrations.then(|| "migrations".to_owned()));
    granted.extend(grants.network.then(|| "network".to_owned()));
    for grant in granted {
        text.push_str(&format!("  {} {}\n", styled(BAD, "grants"), plain(&grant)));
    }
    for file in &planned.files {
        let digest = file.sha256.hex();
        text.push_str(&format!(
            "  covers {} {}\n",
            file.path,
            styled(DIM, digest.get(..12).unwrap_or_default())
        ));
    }
    if planned.already {
        text.push_str(&format!("  {}\n", styled(DIM, "approved already")));
    }
    text
}
