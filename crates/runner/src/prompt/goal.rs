//! What a planner is told of a goal.

use std::fmt::Write as _;

use ledger_core::{PackageName, RepoPath, SpecKind, TicketId, spec_skeleton};
use policy::MAX_QUICK_FILES;

use super::{answer, instructions, list, material, one_line, section};

/// What the planning of a goal is about.
#[derive(Debug, Clone)]
pub(crate) struct GoalTask<'a> {
    /// The goal, in a person's words.
    pub(crate) goal: &'a str,
    /// The label that the answer must carry.
    pub(crate) label: &'a str,
    /// The package that the tickets will make.
    pub(crate) package: &'a PackageName,
    /// The ledger's folder.
    pub(crate) ledger: &'a RepoPath,
    /// The first number that no ticket has.
    pub(crate) next_number: u32,
    /// The first number that no requirement has.
    pub(crate) next_requirement: u32,
    /// The checks that run for every ticket, as `name: command`.
    pub(crate) checks: &'a [String],
    /// What the policy forbids.
    pub(crate) forbidden: &'a [String],
    /// Drafts of an earlier plan, which may be changed or left out.
    pub(crate) drafts: &'a [TicketId],
    /// Drafts of the package that a person has edited since, which stay as they are.
    pub(crate) edited: &'a [TicketId],
    /// What the repository tells every planner.
    pub(crate) instructions: Option<&'a str>,
    /// Why the last answer could not be used.
    pub(crate) refused: Option<&'a Refused>,
}

/// An answer to a goal that could not be used.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// Each reason, in one line.
    pub(crate) reasons: Vec<String>,
    /// The answer.
    pub(crate) answer: String,
}

/// The prompt for planning a goal.
pub(crate) fn goal_prompt(task: &GoalTask<'_>) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# Plan a goal: {}\n\n\
         You plan work that others will do, ticket by ticket, each in a checkout of its own, each checked and reviewed by itself. Your checkout holds the \
         repository as it is now, read-only: change nothing. Read as much of it as you need to cut the work into tickets and to name their files. A person \
         reads every ticket before it runs, and changes what is wrong; nothing that you write allows anything.\n",
        task.package
    );
    if let Some(refused) = task.refused {
        let _ = writeln!(
            text,
            "## Plan again\n\nYour last answer could not be used. Answer once more with all of it, and mend what is named here.\n"
        );
        let mut reasons = String::new();
        for reason in &refused.reasons {
            let _ = writeln!(reasons, "- {}", one_line(reason));
        }
        material(&mut text, "what is wrong", &reasons);
        material(&mut text, "last answer", &refused.answer);
    }
    section(&mut text, "The goal", task.goal);
    instructions(&mut text, task.instructions);
    list(&mut text, "Checks that run for every ticket", task.checks);
    list(&mut text, "What no ticket may change", task.forbidden);
    earlier(&mut text, task);
    let _ = writeln!(
        text,
        "## Tickets\n\n\
         - Their ids are the numbers from {next:04} on, each with a hyphen and two to five words, such as `{next:04}-parse-header`. They are delivered in the order of \
         your list, on one branch, each on the result of those before it.\n\
         - One ticket is one change that a reviewer can judge by itself. Prefer few tickets; split where one half can be wrong without the other.\n\
         - `allowed` names every path that the change needs, also tests, documentation and build files, and nothing else: what is not named cannot be changed. A folder \
         needs `/**`.\n\
         - Acceptance says what can be seen from outside. Each item is proved by one of the checks above, or by one that you add, with a command that works in the repository as \
         it is after the ticket.\n\
         - `prompt` says what to do and why, names the places, and what must stay as it is. The writer knows nothing of this conversation or of the other tickets.\n\
         - Mode `quick` is for at most {quick} files of one module without any public interface, dependency, migration or security-sensitive path; else `standard`. \
         `expert` where a mistake would be dear and hard to see: then `experts` says in which fields.\n\
         - A new dependency, a migration, a file that is protected or the use of a network need a person's consent: ask for it under `questions`, and plan as if it were given.\n\
         - If the goal contradicts itself, or it cannot be known what it means here, the status is `blocked`, and `blocked_because` says what is missing.\n",
        next = task.next_number,
        quick = MAX_QUICK_FILES,
    );
    specs(&mut text, task);
    answer(&mut text, task.label);
    text
}

fn earlier(text: &mut String, task: &GoalTask<'_>) {
    let ledger = task.ledger;
    let named = |ids: &[TicketId]| {
        let lines: Vec<_> = ids
            .iter()
            .map(|id| format!("`{id}` in `{ledger}/tickets/{id}`"))
            .collect();
        lines
    };
    list(
        text,
        "Drafts of an earlier plan for this goal: keep their ids where you keep them; what you leave out is removed",
        &named(task.drafts),
    );
    list(
        text,
        "Drafts that a person has edited: they stay as they are. List them, at their place, with their fields as they are, and build on them",
        &named(task.edited),
    );
}

/// When a ticket needs specs, and how they look.
fn specs(text: &mut String, task: &GoalTask<'_>) {
    let _ = writeln!(
        text,
        "## Specs\n\n\
         A ticket needs specs where it changes what others rely on: a public interface, a format, a protocol, a schema, several modules at once. Then fill all four texts, with every \
         section of the forms below and the same headings, and say in each acceptance item which requirements it is about. Requirements are numbered from REQ-{:03} on. Else leave all four \
         empty and say why under `no_specs_because`.\n",
        task.next_requirement
    );
    // The forms are the same for every ticket but for its name.
    let Ok(sample) = format!("{:04}-sample", task.next_number).parse::<TicketId>() else {
        return;
    };
    for kind in SpecKind::ALL {
        let form = spec_skeleton(kind, &sample, "Sample", task.ledger, task.next_requirement);
        material(text, &format!("form of `{}`", kind.as_str()), &form);
    }
}
