//! A question of the worker's: put once, answered once, and gone on with once.

#[cfg(test)]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod support;

use counterfoil_ledger_core as ledger_core;
use jiff::Timestamp;
use ledger_core::*;
use support::*;

fn question() -> Question {
    Question {
        text: "Which of both?".to_owned(),
        choices: vec!["left".to_owned(), "right".to_owned()],
        default: "left".to_owned(),
    }
}

fn asks() -> Report {
    Report {
        status: ReportStatus::Blocked,
        question: vec![question()],
        ..report()
    }
}

fn asked(n: u32, iteration: u32, expires_at: Timestamp) -> Event {
    Event::QuestionAsked(AskedQuestion {
        n,
        iteration,
        question: question(),
        expires_at,
    })
}

fn answered(question: u32, answer: &str, by: Option<&str>) -> Event {
    Event::QuestionAnswered {
        question,
        answer: answer.to_owned(),
        by: by.map(str::to_owned),
    }
}

fn seen(question: u32) -> Event {
    let by = "Ada".to_owned();
    Event::QuestionSeen { question, by }
}

fn goes_on(n: u32, question: u32) -> Event {
    let cause = IterationCause::Answered { question };
    Event::IterationStarted { n, cause }
}

fn waits() -> Event {
    Event::Blocked(Blocker::new(BlockerCode::AnswerNeeded, "the worker asks"))
}

/// A turn of this iteration that ends with the question.
fn turn_asks(climb: &mut Climb, n: u32) {
    let seq = climb.intend(turn(n, TurnPurpose::Write));
    climb.apply(thread_started(writer()));
    climb.observe(seq, turn_ended(TurnEnd::Reported { report: asks() }));
    assert_eq!(
        refusal(climb, asked(n, n, later())),
        "`question_asked` may not follow: what the turn wrote is not kept yet"
    );
    climb.done(
        Effect::MeasureChanges { iteration: n },
        Observation::ChangesMeasured {
            change: change(tree()),
            violations: Vec::new(),
            weakened: Vec::new(),
            tests: None,
            same_as: None,
            drift: None,
            experts: Vec::new(),
        },
    );
}

/// Long after everything that is written here.
fn later() -> Timestamp {
    at(1_000_000)
}

fn first_asks() -> Climb {
    let mut climb = Climb::to_iteration(STANDARD);
    let cause = IterationCause::First;
    climb.apply(Event::IterationStarted { n: 1, cause });
    turn_asks(&mut climb, 1);
    climb
}

/// A run that has stopped for its question.
fn waiting(expires_at: Timestamp) -> Climb {
    let mut climb = first_asks();
    climb.apply(asked(1, 1, expires_at));
    climb.apply(waits());
    climb
}

fn resumed(climb: &mut Climb, after: ResumeCause) {
    climb.apply(Event::Resumed { after });
    climb.done(
        Effect::PreparePlaces { base: id('0') },
        Observation::PlacesReady {
            anew: false,
            copied: Vec::new(),
            set_up: Vec::new(),
        },
    );
}

fn refusal(climb: &mut Climb, event: Event) -> String {
    let refused = climb.try_apply(event).err();
    refused.map_or("it may follow".to_owned(), |refusal| refusal.to_string())
}

#[test]
fn only_what_the_turn_ended_with_is_asked_and_only_once() {
    let mut climb = first_asks();
    let other = Event::QuestionAsked(AskedQuestion {
        n: 1,
        iteration: 1,
        question: Question {
            default: "right".to_owned(),
            ..question()
        },
        expires_at: later(),
    });
    insta::assert_snapshot!(
        [
            refusal(&mut climb, other),
            refusal(&mut climb, asked(1, 2, later())),
            refusal(&mut climb, asked(2, 1, later())),
            refusal(&mut climb, goes_on(2, 1)),
            refusal(&mut climb, seen(1)),
            refusal(&mut climb, answered(1, "left", Some("Ada"))),
            refusal(&mut Climb::to_review(STANDARD), asked(1, 1, later())),
            refusal(&mut climb, asked(1, 1, later())),
            refusal(&mut climb, asked(2, 1, later())),
            refusal(&mut climb, goes_on(2, 1)),
            refusal(
                &mut climb,
                Event::IterationStarted {
                    n: 2,
                    cause: IterationCause::MoreToDo
                }
            ),
        ]
        .join("\n")
    );
}

#[test]
fn a_person_answers_once_while_the_run_waits_and_it_goes_on_with_that() {
    let mut climb = waiting(later());
    assert!(climb.run.waits_for_answer().is_some());
    climb.apply(seen(1));
    insta::assert_snapshot!(
        [
            refusal(&mut climb, seen(1)),
            refusal(&mut climb, answered(2, "left", Some("Ada"))),
            refusal(&mut climb, answered(1, "both", Some("Ada"))),
            refusal(&mut climb, answered(1, "left", None)),
        ]
        .join("\n")
    );
    climb.apply(answered(1, "right", Some("Ada")));
    let cause = PauseCause::Person;
    assert_eq!(climb.run.state(), &State::Paused { cause });
    assert_eq!(climb.run.waits_for_answer(), None);
    assert_eq!(climb.run.waits_for_word(), None, "an answer is no word on a result");
    climb.try_apply(answered(1, "left", Some("Bob"))).unwrap_err();
    resumed(&mut climb, ResumeCause::Pause);
    climb.try_apply(goes_on(2, 2)).unwrap_err();
    climb.apply(goes_on(2, 1));
    climb.try_apply(goes_on(3, 1)).unwrap_err();
    let answer = climb.run.questions()[0].answer.clone().unwrap();
    assert_eq!((answer.text.as_str(), answer.by.as_deref()), ("right", Some("Ada")));
    assert_eq!(climb.run.questions()[0].seen.clone().unwrap().by, "Ada");
    climb.work(STANDARD, 2);
    assert_eq!(climb.run.tree(), Some(tree()));
    let again = Run::replay(&Journal::parse(&climb.journal).unwrap().records).unwrap();
    assert_eq!(again, climb.run);
}

#[test]
fn nobody_answers_by_default_before_the_time_is_over_or_without_a_runner() {
    let mut climb = waiting(later());
    resumed(&mut climb, ResumeCause::Blocker);
    insta::assert_snapshot!(
        [
            refusal(&mut climb, answered(1, "left", None)),
            refusal(&mut climb, answered(1, "left", Some("Ada"))),
            refusal(&mut climb, seen(1)),
        ]
        .join("\n")
    );
    climb.apply(waits());
    climb.apply(answered(1, "left", Some("Ada")));

    let mut climb = waiting(at(0));
    climb.try_apply(answered(1, "left", None)).unwrap_err();
    resumed(&mut climb, ResumeCause::Blocker);
    climb.try_apply(answered(1, "right", None)).unwrap_err();
    climb.apply(answered(1, "left", None));
    assert_eq!(climb.run.state(), &State::Climbing);
    climb.apply(goes_on(2, 1));
}

#[test]
fn a_person_can_answer_after_the_time_is_over_as_long_as_nobody_has_taken_the_run_up() {
    let mut climb = waiting(at(0));
    climb.apply(answered(1, "right", Some("Ada")));
    resumed(&mut climb, ResumeCause::Pause);
    climb.apply(goes_on(2, 1));
}

#[test]
fn questions_come_to_an_end() {
    let mut climb = first_asks();
    for n in 1..=MAX_QUESTIONS {
        climb.apply(asked(n, n, later()));
        climb.apply(waits());
        climb.apply(answered(n, "left", Some("Ada")));
        resumed(&mut climb, ResumeCause::Pause);
        climb.apply(goes_on(n + 1, n));
        turn_asks(&mut climb, n + 1);
    }
    assert_eq!(climb.run.totals().repeated_trees, 0, "who asks has not had its say");
    let n = MAX_QUESTIONS + 1;
    assert_eq!(
        refusal(&mut climb, asked(n, n, later())),
        "`question_asked` may not follow: no more questions are allowed"
    );
}

#[test]
fn a_round_goes_on_with_the_answer() {
    const ROUNDS: Terms = Terms {
        mode: Mode::BoundedRounds,
        ..STANDARD
    };
    let mut climb = Climb::to_iteration(ROUNDS);
    climb.done(take_advice(id('1')), advice_ended(id('1'), AdviceNext::Task));
    let cause = IterationCause::Round {
        round: 1,
        task: round_task(),
    };
    climb.apply(Event::IterationStarted { n: 1, cause });
    turn_asks(&mut climb, 1);
    climb.apply(asked(1, 1, later()));
    climb.apply(waits());
    climb.apply(answered(1, "left", Some("Ada")));
    resumed(&mut climb, ResumeCause::Pause);
    climb.apply(goes_on(2, 1));
    assert_eq!(climb.run.round().map(|round| round.n), Some(1));
}

/// The report that a worker gives, with this in it.
fn parsed(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value = serde_json::to_value(asks()).unwrap_or_default();
    change(&mut value);
    let parsed = Report::parse(&value.to_string(), &report().turn);
    parsed.map_or_else(
        |error| error.to_string(),
        |report| format!("asks {:?}", report.asks().map(|question| &question.default)),
    )
}

#[test]
fn a_question_that_cannot_be_put_is_no_report() {
    let set = |key: &'static str, new: serde_json::Value| parsed(|report| report["question"][0][key] = new.clone());
    let line = "x".repeat(MAX_CHOICE_CHARACTERS + 1);
    let many: Vec<_> = (0..1_000_000).map(|n| n.to_string()).collect();
    let few: Vec<_> = (0..=MAX_CHOICES).map(|n| n.to_string()).collect();
    let none = serde_json::json!([]);
    insta::assert_snapshot!(
        [
            parsed(|_| {}),
            parsed(|report| report["status"] = "done".into()),
            parsed(|report| report["status"] = "in_progress".into()),
            parsed(|report| report["question"] = none.clone()),
            parsed(|report| report["question"] = std::iter::repeat_n(report["question"][0].clone(), 2).collect()),
            parsed(|report| report["question"][0]["urgent"] = true.into()),
            set("text", " \n".into()),
            set("text", "é".repeat(MAX_QUESTION_CHARACTERS).into()),
            set("text", "é".repeat(MAX_QUESTION_CHARACTERS + 1).into()),
            set("choices", none.clone()),
            set("choices", serde_json::json!(["left"])),
            set("choices", few.into()),
            set("choices", many.into()),
            set("choices", serde_json::json!(["left", ""])),
            set("choices", serde_json::json!(["left", " right"])),
            set("choices", serde_json::json!(["left", "right\u{1b}[2J"])),
            set("choices", serde_json::json!(["left", "ri\nght"])),
            set("choices", serde_json::json!(["left", line])),
            set("choices", serde_json::json!(["left", "left"])),
            set("default", "neither".into()),
            set("default", "".into()),
            parsed(|report| {
                report["question"][0] = serde_json::json!({ "text": "?", "choices": [], "default": " " });
            }),
        ]
        .join("\n")
    );
}
