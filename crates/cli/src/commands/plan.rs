//! `foil plan`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ledger_core::{Activity, PackageName, PlannedMode, TicketId, TokenCount};
use runner::guard::GuardProgram;
use runner::{
    Finding, GoalDrafts, GoalFile, GoalFileChange, GoalOutcome, GoalRequest, LeaveRequests, MAX_GOAL_BYTES, plan_goal,
};
use serde::Serialize;

use super::Context;
use super::run::signals;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, count, plain, styled, table, thousands};
use crate::story::findings_text;

/// Have Codex draft the tickets for a goal
///
/// Codex reads the repository and proposes a package of tickets, with scope, acceptance, checks and, where they are needed, specs. What it proposes is held against
/// all rules of `foil check` before a file is written. Nothing is approved: read the drafts, change what is wrong, then `foil approve`.
/// Again for the same goal or `--package`: drafts are replaced, but for those that you have edited; nothing that is approved is planned anew.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil plan \"Refuse e-mail addresses without a domain, in the form and in the import\"\n  foil plan --from docs/goal.md --package addresses\n  foil plan \"…\" --dry-run           show the drafts, write nothing\n  foil approve addresses && foil run addresses"
)]
pub(crate) struct PlanArgs {
    /// The goal, in a few sentences
    #[arg(required_unless_present = "from")]
    goal: Option<String>,
    /// Read the goal from this file; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "goal")]
    from: Option<PathBuf>,
    /// The name of the package, else the goal's first words
    #[arg(long, value_name = "NAME")]
    package: Option<PackageName>,
    /// Only show what would be written
    #[arg(long)]
    dry_run: bool,
    /// Use this model in place of the policy's
    #[arg(long)]
    model: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<&'a PackageName>,
    title: &'a str,
    approach: &'a str,
    tickets: Vec<ReportTicket<'a>>,
    files: &'a [GoalFile],
    assumptions: &'a [String],
    questions: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    blocked_because: &'a str,
    warnings: &'a [Finding],
    tokens: TokenCount,
}

#[derive(Debug, Serialize)]
struct ReportTicket<'a> {
    id: &'a TicketId,
    /// Whether it was left as it is, because a person has edited it.
    edited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<PlannedMode>,
    specs: bool,
}

pub(super) fn run(args: &PlanArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let goal = match (&args.goal, &args.from) {
        (Some(goal), _) => goal.clone(),
        (None, Some(from)) => read_goal(from)?,
        (None, None) => String::new(),
    };
    let runtime = super::run::runtime()?;
    let outcome = runtime.block_on(async {
        let requests = LeaveRequests::for_this_process(workspace.roots().locks())?;
        let request = GoalRequest {
            goal,
            package: args.package.clone(),
            guard: GuardProgram::current()?,
            stop: signals::watch(context.output, requests)?.stop,
            model: args.model.clone(),
            write: !args.dry_run,
        };
        let output = context.output;
        let show = |activity: &Activity| {
            if let Some(line) = line(activity) {
                // Whether anybody reads it changes nothing.
                let _ = output.story(&format!("  {}\n", styled(DIM, plain(&line))));
            }
        };
        context.output.story("The planner reads the repository.\n")?;
        plan_goal(&workspace, &request, show).await.map_err(Failure::from)
    })?;
    match &outcome {
        GoalOutcome::Blocked {
            because,
            questions,
            tokens,
        } => {
            if context.output.is_json() {
                context.output.json(&Report {
                    schema: SCHEMA,
                    package: None,
                    title: "",
                    approach: "",
                    tickets: Vec::new(),
                    files: &[],
                    assumptions: &[],
                    questions,
                    blocked_because: because,
                    warnings: &[],
                    tokens: *tokens,
                })?;
            } else {
                let mut text = format!("{}: {}\n", styled(BAD, "not planned"), plain(because));
                text.push_str(&listed("to decide", questions));
                text.push_str("  next: say it in the goal, and plan again; nothing was written\n");
                context.output.answer(&text)?;
            }
            Ok(Exit::Blocked)
        }
        GoalOutcome::Planned(drafts) => {
            if context.output.is_json() {
                context.output.json(&report(drafts))?;
            } else {
                context.output.answer(&words(drafts, args.dry_run))?;
                let work_dir = workspace.repository().work_dir();
                // Of drafts that are not there no line can be shown.
                let work_dir = Some(work_dir).filter(|_| !args.dry_run);
                context
                    .output
                    .story(&findings_text(&drafts.warnings, work_dir, context.output))?;
            }
            Ok(Exit::Done)
        }
    }
}

const SCHEMA: &str = "counterfoil.plan/1";

fn read_goal(from: &Path) -> Result<String, Failure> {
    // One byte more than fits, so that a longer one is refused as too long.
    let most = MAX_GOAL_BYTES.saturating_add(1) as u64;
    let mut text = String::new();
    let read = if from.as_os_str() == "-" {
        std::io::stdin().lock().take(most).read_to_string(&mut text)
    } else {
        std::fs::File::open(from).and_then(|file| file.take(most).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::Usage(format!(
            "the goal in `{}` cannot be read: {error}",
            from.display()
        ))),
    }
}

/// What the planner does, where a person wants to see it.
fn line(activity: &Activity) -> Option<String> {
    match activity {
        Activity::CommandStarted { command, .. } => Some(format!("runs {command}")),
        Activity::Message { text } => text.lines().next().map(|line| line.chars().take(120).collect()),
        Activity::Retrying { reason, .. } => Some(format!("tries again: {reason}")),
        _ => None,
    }
}

fn report(drafts: &GoalDrafts) -> Report<'_> {
    let tickets = drafts.tickets.iter().map(|id| {
        let edited = drafts.edited.contains(id);
        let planned = drafts.plan.tickets.iter().find(|ticket| ticket.id == id.as_str());
        let planned = planned.filter(|_| !edited);
        ReportTicket {
            id,
            edited,
            title: planned.map(|ticket| ticket.title.as_str()),
            mode: planned.map(|ticket| ticket.mode),
            specs: planned.is_some_and(|ticket| !ticket.specs.is_empty()),
        }
    });
    Report {
        schema: SCHEMA,
        package: Some(&drafts.package),
        title: &drafts.plan.title,
        approach: &drafts.plan.approach,
        tickets: tickets.collect(),
        files: &drafts.files,
        assumptions: &drafts.plan.assumptions,
        questions: &drafts.plan.questions,
        blocked_because: "",
        warnings: &drafts.warnings,
        tokens: drafts.tokens,
    }
}

fn words(drafts: &GoalDrafts, is_dry: bool) -> String {
    let plan = &drafts.plan;
    let mut text = format!(
        "{}: {}\n{}\n\n",
        styled(HEADING, &drafts.package),
        plain(&plan.title),
        plain(&plan.approach)
    );
    for id in &drafts.tickets {
        let planned = plan.tickets.iter().find(|ticket| ticket.id == id.as_str());
        let Some(ticket) = planned.filter(|_| !drafts.edited.contains(id)) else {
            text.push_str(&format!("  {id}  {}\n", styled(DIM, "as you have edited it")));
            continue;
        };
        let specs = if ticket.specs.is_empty() { "" } else { ", with specs" };
        let mode = match ticket.mode {
            PlannedMode::Quick => "quick",
            PlannedMode::Standard => "standard",
            PlannedMode::Expert => "expert",
        };
        text.push_str(&format!(
            "  {id}  {} {}\n",
            plain(&ticket.title),
            styled(DIM, format!("({mode}{specs})"))
        ));
        text.push_str(&format!("    may change: {}\n", plain(&ticket.allowed.join(", "))));
        for (index, item) in ticket.acceptance.iter().enumerate() {
            text.push_str(&format!("    AC-{}: {}\n", index.saturating_add(1), plain(&item.then)));
        }
        for check in &ticket.checks {
            text.push_str(&format!("    check `{}`: {}\n", plain(&check.name), plain(&check.run)));
        }
    }
    text.push('\n');
    text.push_str(&listed("taken for granted", &plan.assumptions));
    text.push_str(&listed("to decide", &plan.questions));
    let rows: Vec<_> = drafts
        .files
        .iter()
        .filter(|file| file.change != GoalFileChange::Kept)
        .map(|file| {
            let what = match (file.change, is_dry) {
                (GoalFileChange::Created, false) => "new",
                (GoalFileChange::Created, true) => "would be new",
                (GoalFileChange::Replaced, false) => "replaced",
                (GoalFileChange::Replaced, true) => "would be replaced",
                (GoalFileChange::Removed, false) => "removed",
                (GoalFileChange::Removed, true) => "would be removed",
                (GoalFileChange::Kept, _) => "as it was",
            };
            vec![what.to_owned(), plain(&file.path.to_string())]
        })
        .collect();
    text.push_str(&table(&rows, 2));
    let tickets = count(drafts.tickets.len(), "draft", "drafts");
    let spent = thousands(drafts.tokens.total);
    let package = &drafts.package;
    text.push_str(&match is_dry {
        true => format!("{tickets}, {spent} tokens; nothing was written\n"),
        false => format!(
            "{} {tickets}, {spent} tokens; nothing is approved\n  next: read and edit the drafts, then `foil package lock {package}` if you did, `foil approve {package}`, `foil run {package}`\n",
            styled(GOOD, "written")
        ),
    });
    text
}

fn listed(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", styled(NOTICE, title));
    for line in lines {
        text.push_str(&format!("  - {}\n", plain(line)));
    }
    text
}
