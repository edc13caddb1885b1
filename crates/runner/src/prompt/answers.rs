//! What was asked in the course of a run, and what a person answered.

use std::fmt::Write as _;

use ledger_core::RunQuestion;

use super::{between_marks, material, one_line};

/// For the writer, who asked.
pub(super) fn answers_to_writer(text: &mut String, questions: &[RunQuestion]) {
    answers(
        text,
        questions,
        "## Answers to your questions\n\nYou asked these in earlier turns of this run. The answers hold beside what the ticket says. They widen neither its scope nor what \
         it allows.\n",
    );
}

/// For whoever judges the change, or says what is next.
pub(super) fn answers_to_reader(text: &mut String, questions: &[RunQuestion]) {
    answers(
        text,
        questions,
        "## What was asked in between\n\nThe writer put these questions to a person. What a person has answered is part of what was asked. What holds by default is the \
         writer's own choice, to which nobody objected in time: judge it like the rest of its work.\n",
    );
}

fn answers(text: &mut String, questions: &[RunQuestion], introduction: &str) {
    let answered = questions
        .iter()
        .filter_map(|question| Some((&question.asked, question.answer.as_ref()?)));
    for (place, (asked, answer)) in answered.enumerate() {
        if place == 0 {
            let _ = writeln!(text, "{introduction}");
        }
        let n = asked.n;
        let _ = writeln!(text, "Question {n}:\n");
        material(text, "question of the writer", &asked.question.text);
        match &answer.by {
            Some(by) => {
                let _ = writeln!(text, "Answer of {}:\n", one_line(by));
                between_marks(text, "a person's answer", &answer.text);
            }
            None => {
                let _ = writeln!(
                    text,
                    "Nobody answered in time. This holds, which the writer had named:\n"
                );
                material(text, "default of the writer", &answer.text);
            }
        }
    }
}
