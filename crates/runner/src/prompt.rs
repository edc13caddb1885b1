//! What the worker and the reviewer are told. Everything that came from a worker or from code under test is put between
//! marks and named as what it is: material, never an instruction.

mod advice;
mod answers;
mod children;
mod curation;
mod experts;
mod gates;
mod goal;
mod hand_offs;
mod planning;
mod review;

use std::fmt::Write as _;

use ledger_core::{
    CheckResult, Decision, DecisionStatus, Finding, Grants, IterationCause, MAX_QUESTIONS, Plan, RepoPath, RoundTask,
    RunQuestion, SteeringName, TestSummary, Ticket, TicketFile,
};
use policy::MAX_QUICK_FILES;
use policy::config::Gates;

pub use self::advice::{AdviceTask, advice_prompt};
use self::answers::answers_to_writer;
use self::children::the_whole;
pub use self::curation::{CurationTask, curation_prompt};
pub use self::experts::{ExpertPlanTask, ExpertTask, expert_plan_prompt, expert_prompt};
use self::gates::{tests_refused, what_tests_must_show};
pub(crate) use self::goal::{GoalTask, Refused, goal_prompt};
use self::hand_offs::hand_offs;
pub use self::hand_offs::{HandOff, HandOffs};
use self::planning::given_plan;
pub use self::planning::{PlanTask, plan_prompt};
pub use self::review::{ReviewTask, review_prompt};
use crate::specs::LinkedSpecs;

/// What a turn of the writer is about.
#[derive(Debug, Clone)]
pub struct WriterTask<'a> {
    /// The ticket.
    pub ticket: &'a Ticket,
    /// The label that the report must carry.
    pub label: &'a str,
    /// Counted from 1.
    pub iteration: u32,
    /// Whether the checkout holds what an earlier run left.
    pub is_rescued: bool,
    /// The one task of the round that it belongs to, where the work goes in rounds.
    pub round: Option<&'a RoundTask>,
    /// Why this turn is taken.
    pub cause: Option<&'a IterationCause>,
    /// What a reviewer or a person wants repaired.
    pub findings: &'a [Finding],
    /// What was asked in earlier turns, and what was answered.
    pub questions: &'a [RunQuestion],
    /// How it is to be done.
    pub plan: GivenPlan<'a>,
    /// The checks that failed on the last tree.
    pub failed_checks: &'a [CheckResult],
    /// The checks that will be run, as `name: command`.
    pub checks: &'a [String],
    /// What the policy forbids on top of the ticket.
    pub forbidden: &'a [String],
    /// What the repository tells every worker.
    pub instructions: Option<&'a str>,
    /// What steers everybody who works on this ticket.
    pub steering: &'a [Steering],
    /// What earlier tickets hand off.
    pub hand_offs: &'a HandOffs,
    /// What the policy wants of tests.
    pub gates: Gates,
    /// What the checkout holds beside the tree.
    pub given: Given<'a>,
    /// The specs that the change is held to.
    pub specs: Option<&'a LinkedSpecs>,
    /// How the children of a parent ended.
    pub children: &'a [String],
}

/// The plan that a worker follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GivenPlan<'a> {
    /// There is none.
    #[default]
    None,
    /// A thread of ours made it.
    Made(&'a Plan),
    /// A person wrote it, in this file.
    Written(String),
}

/// What the repository tells everybody who works on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instructions {
    /// To the worker.
    pub writer: Option<String>,
    /// To the worker in a repair round, in place of that.
    pub repair: Option<String>,
    /// To the reviewer.
    pub reviewer: Option<String>,
    /// To the planner.
    pub planner: Option<String>,
    /// To the curator.
    pub curator: Option<String>,
    /// To all of them, in this order.
    pub steering: Vec<Steering>,
}

/// A steering pack as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steering {
    /// Its name.
    pub name: SteeringName,
    /// Its file.
    pub path: RepoPath,
    /// What it is about.
    pub title: String,
    /// What it says.
    pub text: String,
}

/// What a place holds beside its tree.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// Untracked files of the user's.
    pub copied: &'a [RepoPath],
    /// The commands that set it up.
    pub set_up: &'a [String],
}

/// The writer's prompt. Every turn's prompt is complete, so that it also serves a conversation that had to start anew.
pub fn writer_prompt(task: &WriterTask<'_>) -> String {
    let ticket = task.ticket;
    let file = &ticket.file;
    let mut text = String::new();
    let _ = writeln!(text, "# Ticket {}: {}\n", ticket.id, file.title);
    why_this_turn(&mut text, task);
    answers_to_writer(&mut text, task.questions);
    advice::one_task(&mut text, task.round);
    what_is_asked(&mut text, task.ticket, task.forbidden, task.specs);
    instructions(&mut text, task.instructions);
    steering(&mut text, task.steering);
    hand_offs(&mut text, task.hand_offs);
    given_plan(&mut text, &task.plan);
    list(&mut text, "Checks that the runner will run on your result", task.checks);
    what_tests_must_show(&mut text, &task.gates);
    given(&mut text, task.given);
    if file.mode.discipline().owns_tickets {
        the_whole(&mut text, task.children);
    } else if !file.mode.discipline().may_change {
        only_an_answer(&mut text);
    }
    let _ = writeln!(
        text,
        "## How to work\n\n\
         - You work in a checkout of your own. Edit files in it; do not commit, push, or touch Git's files: the runner commits.\n\
         - Nobody sits beside you. What the ticket leaves open and you can judge, decide yourself, and say so in `deviations`. Where only a person can \
         decide, and a wrong guess would make the work useless, do what does not depend on it, report `blocked`, and ask one `question`: with all that is \
         needed to answer it, the choices where there are some, and as `default` what you would do yourself. The run waits, perhaps for hours, and goes on \
         with the answer, or with your default. At most {MAX_QUESTIONS} questions are asked in a run, and an answer allows nothing that the ticket does not.\n\
         - If the ticket cannot be done as it is written, report `blocked` without a question and say what is missing; name in `wanted_grants` what it \
         would have to allow.\n\
         - Do not weaken, skip or delete tests or checks to make them pass.\n\
         - A command that adds a dependency, runs data migrations, reaches another machine, publishes or deploys ends the run, unless that is allowed.\n\
         - What you report is taken as a claim. The runner computes the change set itself, runs the checks where you cannot write, \
         and has the result reviewed by somebody else.\n\
         - Before you report, read your whole change once more as a reviewer would.\n"
    );
    answer(&mut text, task.label);
    text
}

/// What is asked of a worker that changes nothing.
fn only_an_answer(text: &mut String) {
    let _ = writeln!(
        text,
        "## An answer, no change\n\n\
         This ticket asks for an answer. Your checkout is read-only, and a file that differs at the end ends the run. Write the whole answer into `summary`, in \
         Markdown, as long as it has to be: it is all that is kept. Say for each statement where it can be seen (file and line, command and output), and what you \
         did not find out.\n"
    );
}

/// What the ticket asks, without what this turn is about.
fn what_is_asked(text: &mut String, ticket: &Ticket, forbidden: &[String], specs: Option<&LinkedSpecs>) {
    let file = &ticket.file;
    let _ = writeln!(text, "## What is asked\n\n{}\n", ticket.prompt.trim());
    let context = &file.context;
    section(text, "Problem", &context.problem);
    section(text, "How it is today", &context.current);
    section(text, "How it should be", &context.desired);
    if !context.required.is_empty() {
        let _ = writeln!(text, "## Read first\n");
        for required in &context.required {
            let _ = writeln!(text, "- `{}`: {}", required.path, required.reason);
        }
        text.push('\n');
    }
    if !file.acceptance.is_empty() {
        let _ = writeln!(text, "## Acceptance\n");
        for item in &file.acceptance {
            let _ = write!(text, "- {}:", item.id);
            for (word, part) in [("given", &item.given), ("when", &item.when), ("then", &item.then)] {
                if !part.is_empty() {
                    let _ = write!(text, " {word} {part},");
                }
            }
            text.pop();
            text.push('\n');
        }
        text.push('\n');
    }
    if let Some(specs) = specs {
        spec_section(text, specs);
    }
    scope(text, file, forbidden);
    if file.mode.discipline().is_small {
        small(text);
    }
    list(text, "Stop, and report `blocked`, when", &file.stop_when);
    grants(text, &file.grants);
    decisions(text, &file.decision);
}

/// What the repository tells beside the ticket. It comes from the base, where only a person writes it.
fn instructions(text: &mut String, instructions: Option<&str>) {
    if let Some(told) = instructions {
        let _ = writeln!(text, "## Instructions of this repository\n\n{}\n", told.trim());
    }
}

/// What the ledger's packs say. They come from the base too, and whatever contradicts them was refused before the run.
fn steering(text: &mut String, packs: &[Steering]) {
    if packs.is_empty() {
        return;
    }
    let _ = writeln!(text, "## How things are done in this repository\n");
    for pack in packs {
        let _ = writeln!(
            text,
            "### {} (`{}`)\n\n{}\n",
            one_line(&pack.title),
            pack.name,
            pack.text.trim()
        );
    }
}

/// What is in the checkout and no part of the change.
fn given(text: &mut String, given: Given<'_>) {
    if !given.copied.is_empty() {
        let _ = writeln!(
            text,
            "## Files that are not yours\n\nThese are copies of files that the repository does not track. What you do to them is not part of your \
             change, and checks see them as they were:\n"
        );
        for path in given.copied {
            let _ = writeln!(text, "- `{path}`");
        }
        text.push('\n');
    }
    if !given.set_up.is_empty() {
        let _ = writeln!(
            text,
            "## How the checkout was set up\n\nThese ran before your first turn, as the base has them. They are not run again for what you change, \
             here or where checks run:\n"
        );
        for command in given.set_up {
            let _ = writeln!(text, "- `{}`", one_line(command));
        }
        text.push('\n');
    }
}

fn why_this_turn(text: &mut String, task: &WriterTask<'_>) {
    if !task.findings.is_empty() {
        let refused = match task.cause {
            None => "A reviewer looked at the change that is now in your checkout and refused it. Repair exactly this:",
            Some(_) => {
                "A reviewer refused an earlier state of the change in your checkout. Repair exactly this, as far as it is not done:"
            }
        };
        let _ = writeln!(text, "## Repair\n\n{refused}\n");
        for finding in task.findings {
            let _ = writeln!(
                text,
                "- **{}** ({})\n  - expected: {}\n  - found: {}\n  - repair: {}",
                one_line(&finding.place),
                finding.severity,
                one_line(&finding.expected),
                one_line(&finding.actual),
                one_line(&finding.required_repair),
            );
        }
        text.push('\n');
        if task.cause.is_none() {
            return;
        }
    }
    match task.cause {
        None | Some(IterationCause::First) if task.is_rescued => {
            let _ = writeln!(
                text,
                "## Where you are\n\nAn earlier run of this ticket ended before it was done, and what it had changed is in your checkout, not \
                 committed. Look at it first: keep what is right, and undo what is wrong or not part of the ticket.\n"
            );
        }
        None | Some(IterationCause::First | IterationCause::Round { .. }) => {}
        Some(IterationCause::MoreToDo) => {
            let _ = writeln!(
                text,
                "## Where you are\n\nThis is turn {}. Your last turn said that there is more to do: go on.\n",
                task.iteration
            );
        }
        Some(IterationCause::Answered { .. }) => {
            let _ = writeln!(
                text,
                "## Where you are\n\nThis is turn {}. Your last turn ended with a question, and this is the answer. What you had done is still in your \
                 checkout: go on with it.\n",
                task.iteration
            );
        }
        Some(IterationCause::TestsRefused { reason, .. }) => tests_refused(text, task.iteration, reason),
        Some(IterationCause::TurnFailed { .. }) => {
            let _ = writeln!(
                text,
                "## Where you are\n\nThis is turn {}. The last turn broke off; what it had done is still in your checkout.\n",
                task.iteration
            );
        }
        Some(IterationCause::SpecDrift { findings }) => {
            let _ = writeln!(
                text,
                "## Not what the specs say\n\nThis is turn {}. Your last result passed its checks, and it is not what the specs below say. Mend the \
                 change; the specs cannot be changed by you. Where they are wrong, report `blocked` and say what is wrong with them.\n",
                task.iteration
            );
            for finding in findings.iter().filter(|finding| finding.blocks) {
                let _ = writeln!(text, "- {}", one_line(&finding.to_string()));
            }
            text.push('\n');
        }
        Some(IterationCause::ChecksFailed { .. }) => {
            let _ = writeln!(
                text,
                "## Checks failed\n\nThis is turn {}. On your last result these checks failed. Find the cause and mend it.\n",
                task.iteration
            );
            for check in task.failed_checks {
                let _ = writeln!(
                    text,
                    "### `{}`: {}\n\nCommand: `{}`\n",
                    check.name,
                    check.outcome,
                    one_line(&check.command)
                );
                let failing = check.tests.as_ref().map(TestSummary::new_failures).unwrap_or_default();
                if !failing.is_empty() {
                    let names: Vec<_> = failing
                        .iter()
                        .take(20)
                        .map(|name| format!("`{}`", one_line(name)))
                        .collect();
                    let _ = writeln!(text, "Failing tests: {}\n", names.join(", "));
                }
                let _ = writeln!(text, "The end of its output:\n");
                material(text, "check output", &check.output.tail);
            }
        }
    }
}

fn scope(text: &mut String, file: &TicketFile, forbidden: &[String]) {
    let _ = writeln!(text, "## Scope\n");
    if !file.scope.goal.is_empty() {
        let _ = writeln!(text, "Goal: {}\n", file.scope.goal);
    }
    match &file.scope.allowed {
        Some(allowed) => {
            let _ = writeln!(text, "Only these paths may change, counting both ends of a rename:\n");
            for glob in allowed {
                let _ = writeln!(text, "- `{glob}`");
            }
        }
        None if file.docs_only => {
            let _ = writeln!(text, "Only documentation may change.");
        }
        None if !file.mode.discipline().may_change => {
            let _ = writeln!(text, "No file may change.");
        }
        None => {
            let _ = writeln!(text, "Everything may change but what is forbidden below.");
        }
    }
    let forbidden: Vec<_> = file.scope.forbidden.iter().chain(forbidden).collect();
    if !forbidden.is_empty() {
        let _ = writeln!(text, "\nThese may not change:\n");
        for glob in forbidden {
            let _ = writeln!(text, "- `{glob}`");
        }
    }
    for left_out in &file.scope.out_of_scope {
        let _ = writeln!(text, "\nNot part of this ticket: {left_out}");
    }
    let _ = writeln!(
        text,
        "\nThe policy, the ledger, CI, Git and agent configuration and instructions to agents may not change either.\n\
         A change outside the scope ends the run, however small.\n"
    );
}

/// The specs that a change is held to. They come from the base, where only a person writes them.
fn spec_section(text: &mut String, specs: &LinkedSpecs) {
    let _ = writeln!(
        text,
        "## Specs\n\nYour change is held to these files of your checkout; read them whole. What they say is compared with what you change, and every \
         accepted requirement has to be proved. You cannot change them, nor the current specs: the runner does, when the ticket is delivered.\n"
    );
    spec_lists(text, specs);
    text.push('\n');
}

/// The files by digest, and what in them is accepted.
fn spec_lists(text: &mut String, specs: &LinkedSpecs) {
    for file in &specs.files {
        let _ = writeln!(text, "- `{}` ({})", file.path, file.digest());
    }
    let set = &specs.set;
    let _ = writeln!(text, "\nRequirements:\n");
    for requirement in set.requirements.accepted() {
        let _ = writeln!(
            text,
            "- {}: {} ({})",
            requirement.id, requirement.text, requirement.criteria
        );
    }
    let accepted = set
        .design
        .decisions
        .iter()
        .filter(|decision| decision.status == DecisionStatus::Accepted);
    for (number, decision) in accepted.enumerate() {
        if number == 0 {
            let _ = writeln!(text, "\nDecisions:\n");
        }
        let _ = writeln!(text, "- {}: {}", decision.id, decision.decision);
    }
    let _ = writeln!(text, "\nFiles:\n");
    for file in &set.design.files {
        let _ = writeln!(text, "- {} `{}`", file.change.as_str(), file.path);
    }
    let _ = writeln!(text, "\nTasks, in order:\n");
    for task in set.tasks.accepted() {
        let _ = writeln!(text, "- {}: {}", task.id, task.proof);
    }
}

/// What ends a run in quick mode; it is judged by the change, not by what the worker says.
fn small(text: &mut String) {
    let _ = writeln!(
        text,
        "## A small change\n\nThis ticket is for a small change. The run ends where yours\n\n\
         - touches more than {MAX_QUICK_FILES} files, or more than one package;\n\
         - adds, removes or changes what others use: exported declarations, descriptions of interfaces;\n\
         - touches dependencies, how data is stored, security, deployment, or what people see.\n\n\
         Where the ticket cannot be done within that, do not work around it: stop, and report `blocked` with the reason.\n"
    );
}

/// What a turn must leave alone but for these.
fn grants(text: &mut String, grants: &Grants) {
    let Grants {
        dependencies,
        protected,
        migrations,
        network,
        commands,
    } = grants;
    let mut lines = Vec::new();
    for (what, names) in [
        ("add or change the dependency", dependencies),
        ("change the protected path", protected),
        ("run the command", commands),
    ] {
        lines.extend(names.iter().map(|name| format!("{what} `{name}`")));
    }
    for (is_granted, what) in [
        (migrations, "add, change and run data migrations"),
        (network, "use the network"),
    ] {
        if *is_granted {
            lines.push(what.to_owned());
        }
    }
    list(text, "What this ticket allows beside its scope", &lines);
}

/// What was decided for the ticket.
fn decisions(text: &mut String, decisions: &[Decision]) {
    let accepted: Vec<_> = decisions
        .iter()
        .filter(|decision| decision.status == DecisionStatus::Accepted)
        .map(|decision| one_line(&decision.decision))
        .collect();
    list(text, "What is decided", &accepted);
}

fn answer(text: &mut String, label: &str) {
    let _ = write!(
        text,
        "## Your answer\n\nEnd the turn with one JSON object of the given schema and nothing else. Its property `turn` is exactly: {label}"
    );
}

/// How much is told of why an answer could not be used, in characters.
const LONGEST_REASON: usize = 500;

/// Why an answer is asked for again. Whoever is asked may not remember the last one.
fn asked_again(text: &mut String, refused: Option<&str>) {
    let Some(reason) = refused else { return };
    let _ = writeln!(text, "## Answer again\n\nThe last answer could not be used.\n");
    // It may hold words of that answer.
    let reason: String = one_line(reason).chars().take(LONGEST_REASON).collect();
    material(text, "why not", &reason);
}

/// The prompt that asks for the same answer in the right form. Whoever gets it may not remember the turn, so it holds all that was asked.
pub fn report_repair_prompt(task: &WriterTask<'_>, reason: &str) -> String {
    let mut text = format!(
        "# Report on ticket {}: {}\n\n\
         Your last answer could not be used: {}.\n\n\
         The work of the turn is in your checkout. Do not change any file. Look at the change, where you do not remember it, and report on it: what was \
         done of what is asked below, and what was not.\n\n",
        task.ticket.id,
        task.ticket.file.title,
        one_line(reason)
    );
    what_is_asked(&mut text, task.ticket, task.forbidden, task.specs);
    answer(&mut text, task.label);
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    if !body.trim().is_empty() {
        let _ = writeln!(text, "## {title}\n\n{}\n", body.trim());
    }
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(text, "## {title}\n");
        for line in lines {
            let _ = writeln!(text, "- {line}");
        }
        text.push('\n');
    }
}

/// Puts untrusted text between marks that it cannot forge: the mark is longer than any run of that character in it.
pub(crate) fn material(text: &mut String, name: &str, body: &str) {
    between_marks(text, &format!("untrusted: {name}"), body);
}

/// The same for words of which only their extent is in question.
fn between_marks(text: &mut String, label: &str, body: &str) {
    let longest = body
        .split(|character| character != '~')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let mark = "~".repeat(longest.max(3) + 1);
    let _ = writeln!(text, "{mark} {label}\n{}\n{mark}\n", body.trim_end_matches('\n'));
}

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
