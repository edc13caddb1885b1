//! `foil deliver --here`

use std::io;

use ledger_core::{ChangeKind, CommitId, RefName, RepoPath, RunId, TicketId};
use runner::{DeliveredHere, HereOutcome, deliver_here};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::DeliverArgs;
use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{GOOD, HEADING, NOTICE, count, plain, styled, table};

/// The most paths of the person's own changes that are named.
const MOST_NAMED: usize = 20;

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    ticket: &'a TicketId,
    run: &'a RunId,
    outcome: HereOutcome,
    branch: &'a RefName,
    from: CommitId,
    to: CommitId,
    /// Whether an earlier process had begun it.
    taken_up: bool,
    paths: Vec<PathReport<'a>>,
    /// The person's own changes, which stay.
    kept: &'a [RepoPath],
    changed_meanwhile: &'a [RepoPath],
}

#[derive(Debug, Serialize)]
struct PathReport<'a> {
    path: &'a RepoPath,
    change: ChangeKind,
    /// Whether only the index has it, because the work tree leaves the path out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    index_only: bool,
}

pub(super) fn run(args: &DeliverArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let _held = hold_signals()?;
    let done = deliver_here(&workspace, &args.ticket, args.dry_run)?;
    let paths: Vec<_> = done
        .changes
        .iter()
        .map(|change| PathReport {
            path: &change.path,
            change: change.kind(),
            index_only: done.hidden.contains(&change.path),
        })
        .collect();
    let output = context.output;
    if output.is_json() {
        output.json(&Report {
            schema: "counterfoil.deliver/1",
            ticket: &args.ticket,
            run: &done.run,
            outcome: done.outcome,
            branch: &done.branch,
            from: done.from,
            to: done.to,
            taken_up: done.taken_up,
            paths,
            kept: &done.own,
            changed_meanwhile: &done.changed_meanwhile,
        })?;
    } else {
        output.answer(&words(&args.ticket, &done, &paths))?;
        output.story(&own_changes(&done))?;
    }
    if !done.changed_meanwhile.is_empty() {
        let text = format!(
            "somebody else changed {} meanwhile; look at `git status`",
            named(&done.changed_meanwhile)
        );
        output.error(&format!("{}\n", styled(NOTICE, text)))?;
    }
    Ok(Exit::Done)
}

/// Until the runtime is dropped, signals do not end this process: what is begun is finished, or taken back where a `git` that it
/// needs was ended by one.
fn hold_signals() -> io::Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        // That it is heard at all is what keeps the process.
        drop(signal(kind)?);
    }
    drop(entered);
    Ok(runtime)
}

fn words(ticket: &TicketId, done: &DeliveredHere, paths: &[PathReport<'_>]) -> String {
    let (branch, from, to) = (done.branch.short(), done.from.short(), done.to.short());
    let branch = plain(branch);
    let mut text = match done.outcome {
        HereOutcome::AlreadyThere => return format!("Nothing to do: {branch} contains {ticket}.\n"),
        HereOutcome::Delivered => styled(GOOD, format!("{branch} is at {to} now, and was at {from}\n")),
        HereOutcome::WouldDeliver => styled(HEADING, format!("{branch} would go from {from} to {to}\n")),
    };
    let rows: Vec<_> = paths
        .iter()
        .map(|path| {
            let change = match path.change {
                ChangeKind::Added | ChangeKind::Renamed => "added",
                ChangeKind::Modified => "modified",
                ChangeKind::ModeChanged => "mode",
                ChangeKind::TypeChanged => "type",
                ChangeKind::Deleted => "deleted",
            };
            let note = if path.index_only { " (index only)" } else { "" };
            vec![change.to_owned(), format!("{}{note}", path.path)]
        })
        .collect();
    text.push_str(&table(&rows, 2));
    text
}

/// What stays is told once: not again as long as it stays the same.
fn own_changes(done: &DeliveredHere) -> String {
    if done.untold.is_empty() || done.outcome == HereOutcome::AlreadyThere {
        return String::new();
    }
    let number = done.own.len();
    let changes = count(number, "change of yours", "changes of yours");
    let stay = match (done.outcome, number) {
        (HereOutcome::Delivered, 1) => "stays",
        (HereOutcome::Delivered, _) => "stay",
        _ => "would stay",
    };
    format!("{changes} {stay} as before: {}\n", named(&done.untold))
}

fn named(paths: &[RepoPath]) -> String {
    let mut named: Vec<_> = paths.iter().take(MOST_NAMED).map(RepoPath::to_string).collect();
    if paths.len() > MOST_NAMED {
        named.push(format!("and {} more", paths.len() - MOST_NAMED));
    }
    named.join(", ")
}
