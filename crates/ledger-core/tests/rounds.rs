//! Rounds: nothing is done that the advisor has not asked for, and nothing is over before it says so.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[cfg(test)]
mod support;

use counterfoil_ledger_core as ledger_core;
use ledger_core::*;
use support::*;

const ROUNDS: Terms = Terms {
    mode: Mode::BoundedRounds,
    ..STANDARD
};

fn refusal(climb: &Climb, event: Event) -> String {
    climb.clone().try_apply(event).unwrap_err().to_string()
}

fn round(round: u32, n: u32) -> Event {
    Event::IterationStarted {
        n,
        cause: IterationCause::Round {
            round,
            task: advice(AdviceNext::Task).task().unwrap(),
        },
    }
}

/// A run whose first round has ended with checks that ended like this.
fn after_first_round(code: i32) -> Climb {
    let whole = Climb::whole(ROUNDS);
    let mut climb = Climb::open(ROUNDS);
    let mut asked = 0;
    for (_, event) in &whole.events[1..] {
        let mut event = event.clone();
        match &mut event {
            Event::Intended(Effect::TakeAdvice { .. }) => {
                asked += 1;
                if asked == 2 {
                    break;
                }
            }
            Event::Observed {
                observation: Observation::ChecksRan {
                    tree: checked, results, ..
                },
                ..
            } if *checked == tree() => *results = vec![check(code)],
            _ => {}
        }
        climb.apply(event);
    }
    climb
}

#[test]
fn a_mode_and_a_limit_of_rounds_go_together() {
    for (terms, max_rounds) in [(ROUNDS, None), (STANDARD, Some(5)), (LOOP, Some(5))] {
        let event = Event::Opened(Opened {
            max_rounds,
            ..opened(terms)
        });
        let mode = terms.mode;
        assert_eq!(Run::open(at(0), &event), Err(Refusal::RoundsNeeded { mode }));
    }
}

#[test]
fn no_round_begins_that_the_advisor_did_not_ask_for() {
    let mut climb = Climb::to_iteration(ROUNDS);
    let first = Event::IterationStarted {
        n: 1,
        cause: IterationCause::First,
    };
    let mut refusals = vec![refusal(&climb, first), refusal(&climb, round(1, 1))];
    climb.done(take_advice(id('1')), advice_ended(id('1'), AdviceNext::Done));
    refusals.push(refusal(&climb, round(1, 1)));
    climb.done(take_advice(id('1')), advice_ended(id('1'), AdviceNext::Task));
    refusals.push(refusal(&climb, round(2, 1)));
    let Event::IterationStarted {
        n,
        cause: IterationCause::Round { round: number, task },
    } = round(1, 1)
    else {
        unreachable!()
    };
    let other = IterationCause::Round {
        round: number,
        task: RoundTask {
            what: "and something else".to_owned(),
            ..task
        },
    };
    refusals.push(refusal(&climb, Event::IterationStarted { n, cause: other }));
    climb.apply(round(1, 1));
    refusals.push(refusal(&climb, Event::Intended(take_advice(id('1')))));
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_task_that_is_not_allowed_begins_no_round() {
    let mut climb = Climb::to_iteration(ROUNDS);
    let Observation::AdviceEnded {
        tree, tokens, thread, ..
    } = advice_ended(id('1'), AdviceNext::Task)
    else {
        unreachable!()
    };
    let end = AdviceEnd::Answered(JudgedAdvice {
        advice: advice(AdviceNext::Task),
        violations: vec![Violation {
            code: BlockerCode::ScopeViolation,
            path: None,
            detail: "outside".to_owned(),
        }],
    });
    let observation = Observation::AdviceEnded {
        tree,
        end,
        tokens,
        thread,
    };
    climb.done(take_advice(id('1')), observation);
    refusal(&climb, round(1, 1));
}

#[test]
fn nothing_passes_before_the_advisor_has_said_done_on_a_tree_whose_checks_pass() {
    let more = |climb: &Climb| {
        let cause = IterationCause::MoreToDo;
        refusal(climb, Event::IterationStarted { n: 2, cause })
    };
    let mut climb = after_first_round(0);
    assert_eq!(climb.run.rounds()[0].tree, Some(tree()));
    let passed = PhaseEvidence::FocusedTestsPassed {
        tree: tree(),
        checks: vec![check(0)],
        acceptance: Vec::new(),
        compared: None,
    };
    let not_said = "phase `focused_tests_passed` may not be entered: the advisor did not say that all is done";
    assert_eq!(refusal(&climb, Event::Entered(passed.clone())), not_said);
    assert_eq!(
        more(&climb),
        "`iteration_started` may not follow: the advisor did not say that all is done"
    );
    climb.done(take_advice(tree()), advice_ended(tree(), AdviceNext::Task));
    assert_eq!(refusal(&climb, Event::Entered(passed.clone())), not_said);
    let mut done = climb.clone();
    done.done(take_advice(tree()), advice_ended(tree(), AdviceNext::Done));
    done.apply(Event::Entered(passed));
    // The checkpoint stays where a later round begins.
    climb.apply(round(2, 2));
    assert_eq!(climb.run.checkpoint(), [check(0)]);
    // A done beside a failing check is none.
    let mut climb = after_first_round(1);
    climb.done(take_advice(tree()), advice_ended(tree(), AdviceNext::Done));
    more(&climb);
}

#[test]
fn no_more_rounds_begin_than_the_run_has() {
    let mut climb = Climb::to_iteration(ROUNDS);
    climb.iterate(ROUNDS, 1);
    assert_eq!(climb.run.rounds().len(), 1);
    let mut climb = after_first_round(0);
    for n in 2..=5 {
        climb.done(take_advice(tree()), advice_ended(tree(), AdviceNext::Task));
        climb.apply(round(n, n));
        // `work` ends with done; the advisor changes its mind.
        climb = {
            let mut next = climb.clone();
            next.work(ROUNDS, n);
            let upto = next
                .events
                .iter()
                .rposition(|(_, event)| matches!(event, Event::Intended(Effect::TakeAdvice { .. })));
            let mut again = Climb::open(ROUNDS);
            next.events[1..upto.unwrap()]
                .iter()
                .for_each(|(_, event)| again.apply(event.clone()));
            again
        };
    }
    climb.done(take_advice(tree()), advice_ended(tree(), AdviceNext::Task));
    assert_eq!(
        refusal(&climb, round(6, 6)),
        "`iteration_started` may not follow: no more rounds are allowed"
    );
}

#[test]
fn what_is_told_of_the_number_of_rounds_is_what_is_held_to() {
    let (usual, most) = (TicketLimits::DEFAULT_ROUNDS, TicketLimits::MAX_ROUNDS);
    let schema = ledger_core::schema("ticket").unwrap().to_value();
    let rounds = &schema["$defs"]["TicketLimits"]["properties"]["max_rounds"];
    assert_eq!(rounds["maximum"], most);
    let told = rounds["description"].as_str().unwrap();
    assert!(told.ends_with(&format!("; {usual} where it is not said")), "{told}");
    let ticket = format!(
        "title = \"x\"\nmode = \"bounded_rounds\"\n[scope]\nallowed = []\n[limits]\nmax_rounds = {}\n",
        most + 1
    );
    let error = TicketFile::parse(ticket.as_bytes()).unwrap_err();
    assert!(error.hint.unwrap().ends_with(&format!("at most {most} rounds")));
}
