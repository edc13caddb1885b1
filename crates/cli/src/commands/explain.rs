//! `foil explain`

use jiff::Timestamp;
use ledger_core::{Blocker, BlockerCode, ExpertField, RepoPath, RunId, TicketFile, TicketId, TreeId};
use policy::config::{AcceptUse, GateLevel, Gates, IndependentReview, ReviewPolicy};
use policy::{ApprovalFact, Verdict};
use runner::{Candidacy, left_work, rescue_command};
use serde::Serialize;

use super::Context;
use super::explain_code::{self, codes};
use super::since::local_time;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, DIM, GOOD, HEADING, NOTICE, plain, styled};

/// Say whether a ticket would run now, gate by gate, and how
///
/// Shows every gate with yes, no or unknown and why, the checks that would run, the limits, and the agent. Changes nothing;
/// what can only be seen by starting the agent or the sandbox is unknown here. With --code it says what a blocker code means
/// instead, what to look at, and how to go on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil explain 0042-validate-email\n  foil explain --code scope_violation\n  foil explain 0042-validate-email --json | jq '.gates[] | select(.verdict == \"no\")'"
)]
pub(crate) struct ExplainArgs {
    /// The ticket
    #[arg(required_unless_present = "code")]
    ticket: Option<TicketId>,
    /// What this blocker code means
    #[arg(long, value_parser = codes(), hide_possible_values = true, conflicts_with = "ticket")]
    code: Option<BlockerCode>,
}

#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    ticket: TicketId,
    title: String,
    would_run: bool,
    gates: Vec<ReportGate>,
    /// The commands that set up each place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    set_up: Vec<ReportSetUp>,
    /// Untracked files that each place is given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies: Vec<RepoPath>,
    checks: Vec<ReportCheck>,
    /// Whose judgement the ticket asks for by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experts: Vec<ExpertField>,
    /// Who is asked beside them where the change touches their field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experts_by_evidence: Vec<ExpertField>,
    /// What the policy wants of the result beside the checks, with its level, where that is anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<ReportRule>,
    /// Whether a person has to accept the result before it is delivered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    waits_for_word: bool,
    agent: ReportAgent,
    delivery: String,
    /// What an earlier run left, for a new one to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    rescue: Option<ReportRescue>,
}

#[derive(Debug, Serialize)]
struct ReportGate {
    name: &'static str,
    verdict: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocker: Option<Blocker>,
}

#[derive(Debug, Serialize)]
struct ReportCheck {
    name: String,
    command: String,
    sandboxed: bool,
    network: bool,
    timeout: String,
}

#[derive(Debug, Serialize)]
struct ReportRule {
    gate: &'static str,
    level: GateLevel,
}

#[derive(Debug, Serialize)]
struct ReportSetUp {
    command: String,
    network: bool,
    timeout: String,
}

#[derive(Debug, Serialize)]
struct ReportAgent {
    kind: &'static str,
    command: String,
    model: Option<String>,
    sandbox: &'static str,
    network: bool,
}

#[derive(Debug, Serialize)]
struct ReportRescue {
    run: RunId,
    tree: TreeId,
    command: String,
}

pub(super) fn run(args: &ExplainArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    match (&args.ticket, args.code) {
        (_, Some(code)) => explain_code::run(code, context),
        (Some(ticket), None) => explain_ticket(ticket, context),
        // Refused as a wrong command line before.
        (None, None) => Ok(Exit::Usage),
    }
}

fn explain_ticket(ticket: &TicketId, context: &Context<'_>) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let candidacy = Candidacy::gather(&workspace, ticket, None).map_err(runner::RunError::from)?;
    let admission = candidacy.admission();
    let checks = candidacy
        .checks()
        .map_err(|error| runner::RunError::from(runner::AdmitError::from(error)))?;
    let (agent, workspace_policy) = (&candidacy.policy.agent, &candidacy.policy.workspace);
    let file = &candidacy.ticket.file;
    let package = file.package.as_ref().map(ledger_core::PackageName::as_str);
    let (named, by_evidence) = experts(file, &candidacy.policy.review);
    let report = Report {
        schema: "counterfoil.explain/1",
        ticket: ticket.clone(),
        title: file.title.clone(),
        would_run: admission.is_ready(),
        gates: admission
            .gates
            .iter()
            .map(|gate| ReportGate {
                name: gate.name,
                verdict: match gate.verdict {
                    Verdict::Yes => "yes",
                    Verdict::No(_) => "no",
                    Verdict::Unknown => "unknown",
                },
                detail: gate.detail.clone(),
                blocker: match &gate.verdict {
                    Verdict::No(blocker) => Some(blocker.shown_for(ticket)),
                    _ => None,
                },
            })
            .collect(),
        set_up: workspace_policy
            .setup
            .iter()
            .map(|command| ReportSetUp {
                command: command.run.clone(),
                network: command.network,
                timeout: command.timeout.to_string(),
            })
            .collect(),
        copies: workspace_policy.copy.clone(),
        checks: checks
            .iter()
            .map(|check| ReportCheck {
                name: check.name.clone(),
                command: check.command.to_string(),
                sandboxed: check.sandbox == policy::config::SandboxUse::Required,
                network: check.network,
                timeout: check.timeout.to_string(),
            })
            .collect(),
        experts: named,
        experts_by_evidence: by_evidence,
        rules: rules(&candidacy.policy.gates.of_ticket(file)),
        waits_for_word: candidacy.policy.delivery.accept != AcceptUse::Off,
        agent: ReportAgent {
            kind: match agent.kind {
                ledger_core::AgentKind::Codex => "codex",
                ledger_core::AgentKind::CodexExec => "codex-exec",
                ledger_core::AgentKind::Scripted => "scripted",
                ledger_core::AgentKind::External => "external",
            },
            command: agent.command.clone(),
            model: agent.model.clone(),
            sandbox: agent.sandbox.as_str(),
            network: agent.network || file.grants.network,
        },
        delivery: match candidacy.policy.delivery.mode {
            ledger_core::DeliveryMode::None => "none".to_owned(),
            _ => candidacy.policy.delivery.branch.fill(ticket.as_str(), package),
        },
        rescue: left_work(workspace.repository(), workspace.roots(), ticket)
            .ok()
            .filter(|left| left.is_over)
            .map(|left| ReportRescue {
                run: left.run,
                tree: left.tree,
                command: rescue_command(ticket),
            }),
    };
    if context.output.is_json() {
        context.output.json(&report)?;
    } else {
        let approved_at = match &candidacy.facts.approval {
            ApprovalFact::Found(approval) => Some(approval.at),
            ApprovalFact::Missing | ApprovalFact::Invalid { .. } => None,
        };
        context.output.answer(&words(&report, approved_at))?;
    }
    Ok(if report.would_run { Exit::Done } else { Exit::Refused })
}

/// Whose judgement is asked for: by the ticket, and by what the change will touch. Nobody's where nobody reviews.
fn experts(ticket: &TicketFile, review: &ReviewPolicy) -> (Vec<ExpertField>, Vec<ExpertField>) {
    let discipline = ticket.mode.discipline();
    let is_off = review.independent == IndependentReview::Off && discipline.review_may_be_off;
    if is_off || !(discipline.may_change || discipline.owns_tickets) {
        return (Vec::new(), Vec::new());
    }
    let mut fields = ExpertField::ALL.to_vec();
    fields.retain(|field| ticket.experts.contains(field) || review.experts.contains(field));
    fields.into_iter().partition(|field| ticket.experts.contains(field))
}

/// The gates that are not off.
fn rules(gates: &Gates) -> Vec<ReportRule> {
    let named = gates.named().into_iter();
    let acted_on = named.filter(|(_, level)| *level != GateLevel::Off);
    acted_on.map(|(gate, level)| ReportRule { gate, level }).collect()
}

/// The report in words, with times in the reader's zone.
fn words(report: &Report, approved_at: Option<Timestamp>) -> String {
    let mut text = format!("{}  {}\n", styled(HEADING, &report.ticket), plain(&report.title));
    for gate in &report.gates {
        let sign = match gate.verdict {
            "yes" => styled(GOOD, "yes    "),
            "no" => styled(BAD, "no     "),
            _ => styled(NOTICE, "unknown"),
        };
        let detail = match approved_at {
            Some(at) => gate.detail.replace(&at.to_string(), &local_time(at)),
            None => gate.detail.clone(),
        };
        text.push_str(&format!("  {sign} {}: {}\n", gate.name, plain(&detail)));
        if let Some(blocker) = &gate.blocker {
            text.push_str(&format!(
                "          {} {}\n",
                styled(DIM, blocker.code),
                plain(&blocker.next_step)
            ));
        }
    }
    let agent = &report.agent;
    let model = agent.model.as_deref().unwrap_or("Codex' own choice");
    let network = if agent.network { "with network" } else { "no network" };
    text.push_str(&format!(
        "\nagent     {} (`{}`), model {}, sandbox {}, {network}\n",
        agent.kind,
        plain(&agent.command),
        plain(model),
        agent.sandbox
    ));
    text.push_str(&format!("delivery  {}\n", plain(&report.delivery)));
    for path in &report.copies {
        text.push_str(&format!(
            "given     {}, as it is in your work tree\n",
            plain(&path.to_string())
        ));
    }
    let with_network = |network: bool| match network {
        true => styled(NOTICE, "with network, "),
        false => String::new(),
    };
    for command in &report.set_up {
        text.push_str(&format!(
            "set-up    `{}` (sandboxed, {}at most {})\n",
            plain(&command.command),
            with_network(command.network),
            command.timeout
        ));
    }
    for check in &report.checks {
        let sandbox = if check.sandboxed {
            "sandboxed".to_owned()
        } else {
            styled(BAD, "no sandbox")
        };
        let network = with_network(check.network);
        text.push_str(&format!(
            "check     {}: `{}` ({sandbox}, {network}at most {})\n",
            plain(&check.name),
            plain(&check.command),
            check.timeout
        ));
    }
    for (level, what) in [(GateLevel::Block, "has to pass"), (GateLevel::Warn, "warns")] {
        let gates: Vec<_> = report
            .rules
            .iter()
            .filter(|rule| rule.level == level)
            .map(|rule| rule.gate)
            .collect();
        if !gates.is_empty() {
            text.push_str(&format!("gates     {} ({what})\n", gates.join(", ")));
        }
    }
    if report.waits_for_word {
        text.push_str("delivered when a person has accepted the result (`foil accept`)\n");
    }
    for (fields, when) in [
        (&report.experts, "named by the ticket"),
        (&report.experts_by_evidence, "where the change touches their field"),
    ] {
        if !fields.is_empty() {
            let names: Vec<_> = fields.iter().map(|field| field.as_str()).collect();
            text.push_str(&format!("experts   {} ({when})\n", names.join(", ")));
        }
    }
    if let Some(rescue) = &report.rescue {
        text.push_str(&format!(
            "rescue    run {} left tree {}: `{}` begins with it\n",
            rescue.run,
            rescue.tree.short(),
            rescue.command
        ));
    }
    let verdict = if report.would_run {
        styled(GOOD, "It would run now.")
    } else {
        styled(BAD, "It would not run now.")
    };
    text.push_str(&format!("\n{verdict}\n"));
    text
}
