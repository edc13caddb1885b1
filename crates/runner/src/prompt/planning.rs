//! What the planner is told, and what others are told of its plan.

use std::fmt::Write as _;

use ledger_core::{Finding, Judge, JudgedPlan, Plan, PlanEnd, Ticket};

use crate::specs::LinkedSpecs;

use super::{
    GivenPlan, HandOffs, Steering, answer, asked_again, hand_offs, instructions, list, material, one_line, steering,
    what_is_asked,
};

/// What a planning turn is about.
#[derive(Debug, Clone)]
pub struct PlanTask<'a> {
    /// The ticket.
    pub ticket: &'a Ticket,
    /// The label that the answer must carry.
    pub label: &'a str,
    /// The checks that will be run on the result, as `name: command`.
    pub checks: &'a [String],
    /// What the policy forbids on top of the ticket.
    pub forbidden: &'a [String],
    /// The specs that the change will be held to.
    pub specs: Option<&'a LinkedSpecs>,
    /// What became of the last planning turn of the run.
    pub last: Option<&'a PlanEnd>,
    /// What experts have found in that plan.
    pub found: &'a [(Judge, Vec<Finding>)],
    /// What the repository tells every planner.
    pub instructions: Option<&'a str>,
    /// What it tells everybody who works on such a ticket.
    pub steering: &'a [Steering],
    /// What earlier tickets hand off.
    pub hand_offs: &'a HandOffs,
}

/// The planner's prompt.
pub fn plan_prompt(task: &PlanTask<'_>) -> String {
    let ticket = task.ticket;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# Plan for ticket {}: {}\n\n\
         You plan a change that somebody else will make. Your checkout holds the repository as it is now, read-only: change nothing. Read as \
         much of it as you need to name the files and to know how the change is proved.\n",
        ticket.id, ticket.file.title
    );
    why_again(&mut text, task.last);
    found_by_experts(&mut text, task);
    what_is_asked(&mut text, ticket, task.forbidden, task.specs);
    instructions(&mut text, task.instructions);
    steering(&mut text, task.steering);
    hand_offs(&mut text, task.hand_offs);
    list(&mut text, "Checks that will be run on the result", task.checks);
    let _ = writeln!(
        text,
        "## What a good plan says\n\n\
         - How it is to be done, and why so and not otherwise, in a few sentences; then the steps in their order.\n\
         - Name every file that is to change, also tests and documentation, and none outside the scope: a plan with one is refused.\n\
         - What will show that each acceptance item is true: a check, or a test that is to be written.\n\
         - When the writer has to stop rather than go on.\n\
         - If the ticket contradicts itself, leaves open what only a person can decide, or cannot be done within its scope, the status is \
         `blocked` and `blocked_because` says what is missing. What it would have to allow stands in `wanted_grants`.\n"
    );
    answer(&mut text, task.label);
    text
}

/// What was wrong with the last plan.
fn why_again(text: &mut String, last: Option<&PlanEnd>) {
    match last {
        Some(PlanEnd::Answered(JudgedPlan { plan, violations })) if !violations.is_empty() => {
            let _ = writeln!(
                text,
                "## Plan again\n\nThe last plan for this ticket names what the ticket does not allow. Find a way that does without, or say `blocked`.\n"
            );
            let mut found = String::new();
            for violation in violations {
                let _ = writeln!(found, "- {}", one_line(&violation.to_string()));
            }
            material(text, "what is not allowed", &found);
            material(text, "last plan", &plan_in_words(plan));
        }
        _ => asked_again(text, last.and_then(PlanEnd::refused_for)),
    }
}

/// What was wrong with the last plan as experts say, where it fits the ticket.
fn found_by_experts(text: &mut String, task: &PlanTask<'_>) {
    let last = task.last.filter(|_| !task.found.is_empty());
    let Some(JudgedPlan { plan, .. }) = last.and_then(PlanEnd::answer) else {
        return;
    };
    let _ = writeln!(
        text,
        "## Plan again\n\nExperts have read the last plan for this ticket and do not let it proceed. Plan so that what they found is answered; where \
         they are wrong, say why under `approach`. They allow nothing that the ticket does not allow.\n"
    );
    let mut found = String::new();
    for (judge, findings) in task.found {
        for finding in findings {
            let line = crate::records::finding_line(finding);
            let _ = writeln!(found, "- {judge}: {}", one_line(&line));
        }
    }
    material(text, "what experts found", &found);
    material(text, "last plan", &plan_in_words(plan));
}

/// The plan as the writer is told it. Whoever made it may have read anything in the repository: it says how, never what may be done.
pub(super) fn given_plan(text: &mut String, plan: &GivenPlan<'_>) {
    match plan {
        GivenPlan::None => {}
        GivenPlan::Made(plan) => {
            let _ = writeln!(
                text,
                "## The plan\n\nAnother thread planned this ticket. Follow it as far as it holds; where it turns out to be wrong, do what the ticket \
                 asks and say so under `deviations`. It allows nothing that the ticket does not allow.\n"
            );
            material(text, "plan", &plan_in_words(plan));
        }
        GivenPlan::Written(path) => {
            let _ = writeln!(
                text,
                "## The plan\n\nA person planned this ticket in `{path}`: read it first. Where you depart from it, say so under `deviations`.\n"
            );
        }
    }
}

/// A plan as plain text.
pub(super) fn plan_in_words(plan: &Plan) -> String {
    let mut text = format!("{}\n", plan.approach.trim());
    let files: Vec<_> = plan
        .files
        .iter()
        .map(|file| format!("{} {}: {}", file.change.as_str(), file.path, file.reason))
        .collect();
    for (title, lines) in [
        ("Steps", &plan.steps),
        ("Files", &files),
        ("Proof", &plan.proof),
        ("Stop when", &plan.stop_conditions),
        ("Risks", &plan.risks),
    ] {
        if !lines.is_empty() {
            let _ = writeln!(text, "{title}:");
            for line in lines {
                let _ = writeln!(text, "- {}", one_line(line));
            }
        }
    }
    text
}
