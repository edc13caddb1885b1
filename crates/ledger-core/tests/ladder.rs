//! Which event may follow where.

mod support;

use std::collections::BTreeMap;

use counterfoil_ledger_core as ledger_core;
use ledger_core::*;
use support::*;

/// A short name of an event, with its effect, observation or phase.
fn label(event: &Event) -> String {
    let json = serde_json::to_value(event).unwrap();
    let text = |key: &str| json.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let seen = json
        .get("observation")
        .and_then(|seen| seen.get("seen"))
        .and_then(|seen| seen.as_str());
    let detail = text("effect")
        .map(|effect| match text("purpose") {
            Some(purpose) => format!("{effect}:{purpose}"),
            None => effect,
        })
        .or_else(|| text("phase"))
        .or_else(|| text("after"))
        .or_else(|| text("code"))
        .or_else(|| seen.map(str::to_owned));
    match detail {
        Some(detail) => format!("{} {detail}", json["kind"].as_str().unwrap()),
        None => json["kind"].as_str().unwrap().to_owned(),
    }
}

/// Every kind of event, effect, observation and evidence, as it would fit the run where it stands.
fn candidates(run: &Run, whole: &[Event]) -> Vec<Event> {
    let n = run.totals().iterations + 1;
    let of = run.pending().map_or(0, |pending| pending.seq);
    let mut events: Vec<Event> = whole
        .iter()
        .map(|event| match event {
            Event::Observed { observation, .. } => Event::Observed {
                of,
                observation: observation.clone(),
            },
            event => event.clone(),
        })
        .collect();
    for observation in [
        Observation::Failed {
            code: BlockerCode::DiskFull,
            reason: "no space left".to_owned(),
        },
        Observation::Lost {
            reason: "the runner was gone".to_owned(),
        },
        Observation::Interrupted,
    ] {
        events.push(Event::Observed { of, observation });
    }
    events.extend([
        Event::Intended(Effect::Interrupt { of, because: None }),
        Event::Intended(turn(run.totals().iterations, TurnPurpose::RepairReport)),
        Event::IterationStarted {
            n,
            cause: IterationCause::MoreToDo,
        },
        Event::RepairStarted {
            round: run.totals().repair_rounds + 1,
            n,
            findings: vec![finding()],
        },
        Event::Paused {
            cause: PauseCause::Stop,
        },
        Event::Resumed {
            after: ResumeCause::Pause,
        },
        Event::Resumed {
            after: ResumeCause::Crash,
        },
        Event::Resumed {
            after: ResumeCause::Blocker,
        },
        Event::Warned {
            message: "80 % of the tokens are spent".to_owned(),
        },
        Event::Accepted { by: "Ada".to_owned() },
        Event::Rejected {
            by: "Ada".to_owned(),
            findings: vec![finding()],
        },
        Event::Blocked(Blocker::new(BlockerCode::AgentAuth, "not logged in")),
        Event::Blocked(Blocker::new(BlockerCode::ScopeViolation, "src/secret.rs")),
        Event::Canceled {
            by: "Ada".to_owned(),
            reason: "no longer wanted".to_owned(),
        },
    ]);
    let mut seen = Vec::new();
    events.retain(|event| {
        let new = !seen.contains(&label(event));
        seen.push(label(event));
        new
    });
    events
}

/// One line for what may follow and one for each reason why something else may not.
fn what_may_follow(run: &Run, whole: &[Event]) -> String {
    let mut allowed = Vec::new();
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in candidates(run, whole) {
        let before = run.clone();
        match run.applied(at(5_000), &event) {
            Ok(_) => allowed.push(label(&event)),
            Err(Refusal::Order { .. }) => refused
                .entry("out of order".to_owned())
                .or_default()
                .push(label(&event)),
            Err(refusal) => refused.entry(refusal.to_string()).or_default().push(label(&event)),
        }
        assert_eq!(*run, before, "a question changed the run");
    }
    let refused: Vec<_> = refused
        .into_iter()
        .map(|(reason, events)| format!("    {reason}\n        {}", events.join(", ")))
        .collect();
    format!("    allowed: {}\n{}", allowed.join(", "), refused.join("\n"))
}

fn matrix(climb: &Climb) -> String {
    let whole: Vec<_> = climb.events.iter().map(|(_, event)| event.clone()).collect();
    let (first, rest) = climb.events.split_first().unwrap();
    let mut run = Run::open(first.0, &first.1).unwrap();
    let mut text = format!("after opened\n{}\n", what_may_follow(&run, &whole));
    for (at, event) in rest {
        run.apply(*at, event).unwrap();
        text.push_str(&format!("after {}\n{}\n", label(event), what_may_follow(&run, &whole)));
    }
    text
}

#[test]
fn a_standard_run_that_is_delivered_to_a_branch() {
    insta::assert_snapshot!(matrix(&Climb::whole(STANDARD)));
}

#[test]
fn a_loop_without_checks_review_or_delivery() {
    insta::assert_snapshot!(matrix(&Climb::whole(LOOP)));
}

#[test]
fn runs_that_are_paused_blocked_or_canceled() {
    let climb = Climb::to_review(STANDARD);
    let whole: Vec<_> = Climb::whole(STANDARD)
        .events
        .into_iter()
        .map(|(_, event)| event)
        .collect();
    let stops = [
        Event::Paused {
            cause: PauseCause::Terminate,
        },
        Event::Blocked(Blocker::new(BlockerCode::AgentAuth, "not logged in")),
        Event::Blocked(Blocker::new(BlockerCode::ScopeViolation, "src/secret.rs")),
        Event::Canceled {
            by: "Ada".to_owned(),
            reason: "no longer wanted".to_owned(),
        },
    ];
    let mut text = String::new();
    for stop in stops {
        let stopped = climb.run.applied(at(100), &stop).unwrap();
        text.push_str(&format!(
            "after {}\n{}\n",
            label(&stop),
            what_may_follow(&stopped, &whole)
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_mode_and_every_delivery_without_a_remote_reaches_the_top() {
    for mode in [
        Mode::Loop,
        Mode::Quick,
        Mode::Standard,
        Mode::Expert,
        Mode::BoundedRounds,
    ] {
        for delivery in [DeliveryMode::None, DeliveryMode::Branch] {
            for (review, checks) in [(true, true), (true, false), (false, true), (false, false)] {
                let terms = Terms {
                    mode,
                    delivery,
                    review,
                    checks,
                };
                if !review && mode != Mode::Loop {
                    let event = Event::Opened(opened(terms));
                    assert_eq!(Run::open(at(0), &event), Err(Refusal::ReviewNeeded { mode }));
                    continue;
                }
                let climb = Climb::whole(terms);
                assert_eq!(climb.run.phase(), Some(Phase::Done), "{terms:?}");
                assert_eq!(*climb.run.state(), State::Done);
                assert_eq!(climb.run.stored(), Some(id('e')));
            }
        }
    }
}

#[test]
fn a_phase_of_a_remote_is_not_entered_when_no_remote_was_asked() {
    for delivery in [DeliveryMode::Push, DeliveryMode::DraftPr] {
        let terms = Terms { delivery, ..STANDARD };
        let mut climb = Climb::whole(STANDARD);
        let upto = climb
            .events
            .iter()
            .position(|(_, event)| {
                matches!(
                    event,
                    Event::NotRequired {
                        phase: Phase::Pushed,
                        ..
                    }
                )
            })
            .unwrap();
        // The same run with other terms: its own delivery events carry the mode, so they are rebuilt.
        let mut remote = Climb::open(terms);
        for (_, event) in climb.events.drain(..upto).skip(1) {
            let event = match event {
                Event::Observed {
                    of,
                    observation: Observation::DeliveryPrepared { .. },
                } => Event::Observed {
                    of,
                    observation: Observation::DeliveryPrepared {
                        delivery: support::delivery(delivery),
                    },
                },
                Event::Entered(PhaseEvidence::GitDeliveryStarted(_)) => {
                    Event::Entered(PhaseEvidence::GitDeliveryStarted(support::delivery(delivery)))
                }
                event => event,
            };
            remote.apply(event);
        }
        let pushed = PhaseEvidence::Pushed {
            remote: "origin".to_owned(),
            name: name("refs/heads/foil/0042-validate-email"),
            old: None,
            new: id('d'),
        };
        assert!(remote.try_apply(Event::Entered(pushed)).is_err());
        let skipped = Event::NotRequired {
            phase: Phase::Pushed,
            code: NotRequiredCode::DeliveryMode,
            reason: "not wanted".to_owned(),
        };
        assert!(remote.try_apply(skipped).is_err());
    }
}
