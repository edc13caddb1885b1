//! `foil clean`

use jiff::SignedDuration;
use ledger_core::Duration;
use runner::lock::LockHolder;
use runner::{
    CleanItem, CleanKind, CleanOptions, CleanOwner, CleanPlan, CleanReport, KeptItem, Moment, apply_clean, plan_clean,
};
use serde::Serialize;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, HEADING, count, plain, styled, table};

/// Show what runs and plans left that nobody needs any more, and remove it with --apply
///
/// Places of runs that ended and of planners that were killed, logs of finished runs that are kept in Git and of plans, and anchors of
/// what a branch holds. Whatever can go on stays, and work that is kept nowhere else is kept as a tree first. Logs stay for seven days unless --older-than says otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  foil clean\n  foil clean --apply\n  foil clean --older-than 30d --keep 1 --apply")]
pub(crate) struct CleanArgs {
    /// Remove it
    #[arg(long)]
    apply: bool,
    /// Leave the latest runs of each ticket alone, this many
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    keep: usize,
    /// Only what is at least so old
    #[arg(long, value_name = "AGE")]
    older_than: Option<Duration>,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    applied: bool,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a CleanPlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<&'a CleanReport>,
}

pub(super) fn run(args: &CleanArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let now = Moment::now().at;
    let age = |age: Duration| SignedDuration::from_secs(i64::try_from(age.as_seconds()).unwrap_or(i64::MAX));
    let options = CleanOptions {
        keep: args.keep,
        older_than: args.older_than.map(age),
        now,
    };
    let plan = plan_clean(&workspace, &options).map_err(Failure::Clean)?;
    if !args.apply {
        return show_plan(&plan, context);
    }
    let holder = LockHolder::current(now)?;
    let kept = plan.kept.clone();
    let done = apply_clean(&workspace, plan, &options, &holder);
    let exit = if done.failed.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    };
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.clean/1",
            applied: true,
            bytes: done.bytes(),
            plan: None,
            done: Some(&done),
        })?;
        return Ok(exit);
    }
    let mut text = rows(&done.removed);
    for failure in &done.failed {
        let what = format!("{} of {}", words(failure.item.kind), failure.item.of);
        text.push_str(&format!(
            "{} {what}: {}\n",
            styled(BAD, "still there:"),
            plain(&failure.reason)
        ));
    }
    text.push_str(&kept_words(&kept));
    let removed = count(done.removed.len(), "thing", "things");
    text.push_str(&format!("{removed} removed, {} freed\n", size(done.bytes())));
    context.output.answer(&text)?;
    Ok(exit)
}

fn show_plan(plan: &CleanPlan, context: &Context<'_>) -> Result<Exit, Failure> {
    if context.output.is_json() {
        context.output.json(&Report {
            schema: "counterfoil.clean/1",
            applied: false,
            bytes: plan.bytes(),
            plan: Some(plan),
            done: None,
        })?;
        return Ok(Exit::Done);
    }
    let mut text = rows(&plan.items);
    text.push_str(&kept_words(&plan.kept));
    if plan.items.is_empty() {
        text.push_str("Nothing to remove.\n");
        context.output.answer(&text)?;
        return Ok(Exit::Done);
    }
    text.push_str(&format!(
        "{} could go, {}\n",
        count(plan.items.len(), "thing", "things"),
        size(plan.bytes())
    ));
    context.output.answer(&text)?;
    context
        .output
        .story("Nothing was removed: `foil clean --apply` does.\n")?;
    Ok(Exit::Done)
}

fn rows(items: &[CleanItem]) -> String {
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            let names = match item.anchors.as_slice() {
                [] => String::new(),
                names => format!(": {}", plain(&names.join(", "))),
            };
            let (of, run) = match &item.of {
                CleanOwner::Run { ticket, run } => (ticket.to_string(), run.to_string()),
                CleanOwner::Plan { package } => (package.to_string(), "its plan".to_owned()),
                CleanOwner::Codex { conversations } => (
                    count(*conversations, "conversation", "conversations"),
                    "of all clones".to_owned(),
                ),
            };
            vec![
                size(item.bytes),
                words(item.kind).to_owned(),
                of,
                run,
                format!("{}{names}", plain(&item.why)),
            ]
        })
        .collect();
    table(&rows, 0)
}

fn kept_words(kept: &[KeptItem]) -> String {
    let mut text = String::new();
    for item in kept {
        let run = item.run.as_ref().map(|run| format!(", run {run}")).unwrap_or_default();
        let size = match item.bytes {
            0 => String::new(),
            bytes => format!(" ({})", size(bytes)),
        };
        let line = format!("{}{run}{size}: {}", item.ticket, plain(&item.why));
        text.push_str(&format!("{} {}\n", styled(HEADING, "stays:"), styled(DIM, line)));
    }
    text
}

pub(super) fn words(kind: CleanKind) -> &'static str {
    match kind {
        CleanKind::Places | CleanKind::PlanPlaces => "places",
        CleanKind::PlacesWithoutRun => "places without a run",
        CleanKind::RunFolder | CleanKind::PlanLogs => "logs",
        CleanKind::Anchors => "anchors",
        CleanKind::Conversations => "conversations",
    }
}

/// Bytes for people: whole units, rounded up so that something is never nothing.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        small if small < 1 << 20 => format!("{} KiB", small.div_ceil(1 << 10)),
        medium if medium < 10 << 30 => format!("{} MiB", medium.div_ceil(1 << 20)),
        large => format!("{} GiB", large.div_ceil(1 << 30)),
    }
}
