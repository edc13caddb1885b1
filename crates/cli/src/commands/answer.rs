//! `foil answer`

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use jiff::Timestamp;
use ledger_core::{RunId, TicketId};
use runner::{OpenQuestion, PersonsAnswer, QuestionReport, give_answer, see_question};
use serde::Serialize;

use super::Context;
use super::since::local_time;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{DIM, HEADING, plain, styled};

/// The most bytes of a line that is typed as an answer: one byte more than any answer has is refused as too long.
const MAX_TYPED: u64 = 64 * 1024;

/// Answer the question of a run that waits for a person
///
/// Without an answer, shows the question, its choices, and what holds when nobody answers in time, and records that you have looked at it; in a terminal it asks
/// for the answer then. The run goes on with the answer: a runner that waits for it takes it up within seconds, else the next `foil run` does.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  foil answer 0042-validate-email\n  foil answer 0042-validate-email --choice 2\n  foil answer 0042-validate-email \"refuse them, as RFC 5321 does\"\n  foil answer 0042-validate-email --json | jq -r .question.text"
)]
pub(crate) struct AnswerArgs {
    /// The ticket
    ticket: TicketId,
    /// The answer: where there are choices, one of them, else your own words
    answer: Option<String>,
    /// The choice with this number
    #[arg(long, value_name = "N", conflicts_with_all = ["answer", "default"])]
    choice: Option<usize>,
    /// What would hold if nobody answered
    #[arg(long, conflicts_with = "answer")]
    default: bool,
}

impl AnswerArgs {
    fn given(&self) -> Option<PersonsAnswer> {
        let words = self.answer.clone().map(PersonsAnswer::Words);
        let choice = self.choice.map(PersonsAnswer::Choice);
        words.or(choice).or(self.default.then_some(PersonsAnswer::Default))
    }
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: &'static str,
    ticket: &'a TicketId,
    run: &'a RunId,
    question: &'a QuestionReport,
    next_step: String,
}

pub(super) fn run(args: &AnswerArgs, context: &Context<'_>) -> Result<Exit, Failure> {
    let ticket = &args.ticket;
    let workspace = context.workspace()?;
    let (number, answer) = match args.given() {
        Some(answer) => (None, answer),
        None => {
            let open = see_question(&workspace, ticket, Timestamp::now())?;
            if context.output.is_json() {
                let next_step = format!("foil answer {ticket}");
                context
                    .output
                    .json(&report(ticket, &open.run, &open.report, next_step))?;
                return Ok(Exit::Done);
            }
            context.output.answer(&shown(ticket, &open.report))?;
            match ask(&open, context)? {
                Some(answer) => (Some(open.asked.n), answer),
                None => return Ok(Exit::Done),
            }
        }
    };
    let given = give_answer(&workspace, ticket, number, &answer, Timestamp::now())?;
    if context.output.is_json() {
        let next_step = format!("foil run {ticket}");
        context
            .output
            .json(&report(ticket, &given.run, &given.report, next_step))?;
    } else {
        let text = format!(
            "Answered question {} of {ticket}: {}\nA runner that waits goes on with it, else `foil run {ticket}`\n",
            given.report.n,
            plain(&given.answer)
        );
        context.output.story(&text)?;
    }
    Ok(Exit::Done)
}

fn report<'a>(ticket: &'a TicketId, run: &'a RunId, question: &'a QuestionReport, next_step: String) -> Report<'a> {
    Report {
        schema: "counterfoil.answer/1",
        ticket,
        run,
        question,
        next_step,
    }
}

/// What somebody types below the question. None: nothing, or nobody can.
fn ask(open: &OpenQuestion, context: &Context<'_>) -> Result<Option<PersonsAnswer>, Failure> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() || !context.output.is_live() {
        return Ok(None);
    }
    let what = match open.asked.question.choices.len() {
        0 => "Your answer in one line".to_owned(),
        count => format!("Your choice, 1 to {count}"),
    };
    context
        .output
        .answer(&format!("{what}, or nothing to leave it open: "))?;
    let mut line = String::new();
    stdin.lock().take(MAX_TYPED).read_line(&mut line)?;
    Ok(PersonsAnswer::typed(&open.asked.question, &line))
}

fn shown(ticket: &TicketId, question: &QuestionReport) -> String {
    let mut text = format!(
        "{} {} of {ticket}, asked by its worker at {}\n\n",
        styled(HEADING, "question"),
        question.n,
        local_time(question.asked_at)
    );
    for line in question.text.trim().lines() {
        text.push_str(&format!("  {}\n", plain(line)));
    }
    text.push('\n');
    for (choice, number) in question.choices.iter().zip(1..) {
        let mark = match *choice == question.default {
            true => styled(DIM, " (default)"),
            false => String::new(),
        };
        text.push_str(&format!("  {number}. {}{mark}\n", plain(choice)));
    }
    if question.choices.is_empty() {
        text.push_str(&format!("  default: {}\n", plain(&question.default)));
    }
    text.push_str(&format!(
        "\nWithout an answer the default holds from {} on\n",
        local_time(question.expires_at)
    ));
    text
}
