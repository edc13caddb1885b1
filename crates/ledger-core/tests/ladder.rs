//! Which event may follow where.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[cfg(test)]
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
    let mut events = vec![
        Event::Intended(turn(run.totals().iterations, TurnPurpose::Write)),
        Event::Intended(Effect::MeasureChanges {
            iteration: run.totals().iterations,
        }),
        Event::IterationStarted {
            n,
            cause: IterationCause::MoreToDo,
        },
    ];
    events.extend(whole.iter().map(|event| match event {
        Event::Observed { observation, .. } => Event::Observed {
            of,
            observation: observation.clone(),
        },
        event => event.clone(),
    }));
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
        Event::Resumed {
            after: ResumeCause::Unstored,
        },
        Event::Resumed {
            after: ResumeCause::Clock,
        },
        Event::Warned {
            message: "80 % of the tokens are spent".to_owned(),
        },
        Event::Accepted {
            by: "Ada".to_owned(),
            tree: None,
        },
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
                    curate: checks && mode == Mode::Standard,
                };
                if mode == Mode::BoundedRounds && !checks {
                    let refused = Run::open(at(0), &Event::Opened(opened(Terms { review: true, ..terms })));
                    assert_eq!(refused, Err(Refusal::RoundsNeeded { mode }));
                    continue;
                }
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

/// The reason why a run refuses an event.
fn refusal(climb: &Climb, event: Event) -> String {
    climb.run.applied(at(9_000), &event).unwrap_err().to_string()
}

#[test]
fn evidence_that_is_not_what_the_run_saw_is_refused() {
    let other = || id::<TreeId>('6');
    let mut refusals = Vec::new();
    let mut refuse = |climb: &Climb, evidence| refusals.push(refusal(climb, Event::Entered(evidence)));

    let mut climb = Climb::open(STANDARD);
    let lock = source_lock();
    refuse(
        &climb,
        PhaseEvidence::SourceLockValidated(SourceLock {
            repository: "example/other".to_owned(),
            ..lock.clone()
        }),
    );
    refuse(
        &climb,
        PhaseEvidence::SourceLockValidated(SourceLock {
            files: Vec::new(),
            ..lock
        }),
    );

    climb = Climb::to_iteration(STANDARD);
    climb.apply(Event::IterationStarted {
        n: 1,
        cause: IterationCause::First,
    });
    let seq = climb.intend(turn(1, TurnPurpose::Write));
    climb.apply(thread_started(writer()));
    let assigned = |iteration, thread| PhaseEvidence::WriterAssigned {
        iteration,
        agent: agent(),
        thread,
    };
    refuse(&climb, assigned(1, reviewer()));
    refuse(&climb, assigned(2, writer()));
    climb.enter(assigned(1, writer()));
    climb.observe(seq, turn_ended(TurnEnd::Reported { report: report() }));
    climb.done(
        Effect::MeasureChanges { iteration: 1 },
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
    let spent = climb.run.totals().tokens;
    let implemented = |tree, report, tokens| PhaseEvidence::ImplementationComplete {
        iteration: 1,
        change: change(tree),
        report,
        tokens,
    };
    refuse(&climb, implemented(other(), report(), spent));
    let forged = Report {
        summary: "All is well.".to_owned(),
        ..report()
    };
    refuse(&climb, implemented(tree(), forged, spent));
    refuse(&climb, implemented(tree(), report(), TokenCount::default()));
    climb.enter(implemented(tree(), report(), spent));

    climb.done(
        Effect::RunChecks {
            purpose: CheckPurpose::Proof,
            tree: tree(),
            checks: opened(STANDARD).checks,
        },
        Observation::ChecksRan {
            tree: tree(),
            results: vec![check(1)],
            set_up: Vec::new(),
        },
    );
    let tested = |tree, result: CheckResult, proved_by: &str| PhaseEvidence::FocusedTestsPassed {
        tree,
        checks: vec![result],
        acceptance: vec![AcceptanceProof {
            id: "AC-1".to_owned(),
            checks: vec![proved_by.to_owned()],
            strength: Strength::RunnerRan,
            confidence: Confidence::High,
        }],
        compared: None,
    };
    refuse(&climb, tested(tree(), check(1), "auth tests"));
    refuse(&climb, tested(tree(), check(0), "auth tests"));
    refuse(&climb, tested(other(), check(1), "auth tests"));

    climb = Climb::to_review(STANDARD);
    climb.done(
        Effect::TakeReview {
            tree: tree(),
            label: "r".to_owned(),
        },
        review_ended(Verdict::Fail),
    );
    let judged = |tree, thread, verdict, findings| PhaseEvidence::IndependentReviewComplete {
        tree,
        thread,
        verdict,
        findings,
        experts: Vec::new(),
        carried_from: None,
    };
    refuse(&climb, judged(tree(), reviewer(), Verdict::Pass, vec![finding()]));
    refuse(&climb, judged(tree(), reviewer(), Verdict::Fail, Vec::new()));
    refuse(&climb, judged(other(), reviewer(), Verdict::Fail, vec![finding()]));
    refuse(&climb, judged(tree(), writer(), Verdict::Fail, vec![finding()]));
    refuse(&climb, judged(tree(), name("another"), Verdict::Fail, vec![finding()]));
    climb.enter(judged(tree(), reviewer(), Verdict::Fail, vec![finding()]));
    refuse(&climb, PhaseEvidence::RepairLoopCompleteOrNotNeeded { rounds: 0 });
    refuse(&climb, PhaseEvidence::RepairLoopCompleteOrNotNeeded { rounds: 1 });

    let whole = Climb::whole(STANDARD);
    let before = |phase: Phase| {
        let upto = whole
            .events
            .iter()
            .position(|(_, event)| matches!(event, Event::Entered(evidence) if evidence.phase() == phase))
            .unwrap();
        let mut climb = Climb::open(STANDARD);
        whole.events[1..upto]
            .iter()
            .for_each(|(_, event)| climb.apply(event.clone()));
        climb
    };
    refuse(
        &before(Phase::ContextCurated),
        PhaseEvidence::ContextCurated {
            notes: Vec::new(),
            curation: None,
        },
    );
    for forged in [
        PreparedDelivery {
            tree: other(),
            ..delivery(DeliveryMode::Branch)
        },
        PreparedDelivery {
            branch: name("refs/heads/main"),
            ..delivery(DeliveryMode::Branch)
        },
    ] {
        refuse(
            &before(Phase::GitDeliveryStarted),
            PhaseEvidence::GitDeliveryStarted(forged),
        );
    }
    let staged = |tree, total, path: &str| PhaseEvidence::ExplicitPathsStaged {
        tree,
        total,
        paths: vec![name(path), name("tests/auth.rs")],
    };
    let staging = before(Phase::ExplicitPathsStaged);
    refuse(&staging, staged(other(), 2, "src/auth/mod.rs"));
    refuse(&staging, staged(tree(), 3, "src/auth/mod.rs"));
    refuse(&staging, staged(tree(), 2, "src/other.rs"));
    refuse(
        &before(Phase::Committed),
        PhaseEvidence::Committed {
            change: id('c'),
            records: id('d'),
            branch: name("refs/heads/main"),
            old: None,
            new: id('d'),
        },
    );
    refuse(
        &before(Phase::Done),
        PhaseEvidence::Done {
            receipt: Digest::of("forged"),
            journal: whole.head.sum,
        },
    );
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_branch_that_was_not_seen_to_move_is_not_committed() {
    let whole = Climb::whole(STANDARD);
    let seen = |observation: &Observation| matches!(observation, Observation::RefSeen { .. });
    let mut climb = Climb::open(STANDARD);
    for (_, event) in &whole.events[1..] {
        match event {
            Event::Observed { of, observation } if seen(observation) => {
                climb.observe(
                    *of,
                    Observation::RefSeen {
                        value: Some(id('9')),
                        contains_new: false,
                    },
                );
                break;
            }
            event => climb.apply(event.clone()),
        }
    }
    assert_eq!(
        refusal(&climb, Event::Entered(committed())),
        "phase `committed` may not be entered: the branch was not seen to point there"
    );
}

#[test]
fn delivery_needs_a_consent_that_was_confirmed_just_before() {
    let whole = Climb::whole(STANDARD);
    let curated = whole
        .events
        .iter()
        .position(|(_, event)| matches!(event, Event::Entered(evidence) if evidence.phase() == Phase::ContextCurated))
        .unwrap();
    let mut climb = Climb::open(STANDARD);
    whole.events[1..=curated]
        .iter()
        .for_each(|(_, event)| climb.apply(event.clone()));
    let prepare = || {
        Event::Intended(Effect::PrepareDelivery {
            tree: tree(),
            journal: Digest::of("head"),
        })
    };
    assert!(climb.try_apply(prepare()).is_err());
    for consent in [
        Consent::Changed {
            path: name("ledger/tickets/0042-validate-email/prompt.md"),
        },
        Consent::Canceled {
            by: "Ada".to_owned(),
            reason: String::new(),
        },
    ] {
        climb.done(Effect::ConfirmConsent, Observation::ConsentSeen { consent });
        assert!(climb.try_apply(prepare()).is_err());
    }
    climb.done(
        Effect::ConfirmConsent,
        Observation::ConsentSeen {
            consent: Consent::Current,
        },
    );
    climb.apply(Event::Paused {
        cause: PauseCause::Stop,
    });
    climb.apply(Event::Resumed {
        after: ResumeCause::Pause,
    });
    assert!(
        climb.try_apply(prepare()).is_err(),
        "consent from before a pause counted"
    );
}

#[test]
fn going_back_clears_what_was_bound_to_the_earlier_tree() {
    let mut climb = Climb::to_review(STANDARD);
    climb.done(
        Effect::TakeReview {
            tree: tree(),
            label: "r".to_owned(),
        },
        review_ended(Verdict::Fail),
    );
    climb.enter(judged_by(Verdict::Fail, Vec::new()));
    climb.apply(Event::RepairStarted {
        round: 1,
        n: 2,
        findings: vec![finding()],
    });
    assert_eq!(climb.run.phase(), Some(Phase::RepositoryTicketRecorded));
    for phase in Phase::ALL
        .into_iter()
        .filter(|phase| *phase > Phase::RepositoryTicketRecorded)
    {
        assert_eq!(climb.run.evidence(phase), None, "{phase}");
    }
    assert_eq!(climb.run.tree(), None);
    assert_eq!(climb.run.attempt().and_then(|attempt| attempt.checked.as_ref()), None);
    // What the checks said is remembered for the next turn's prompt.
    let last = climb
        .run
        .last_checked()
        .map(|checked| (checked.tree, checked.results.len()));
    assert_eq!(last, Some((tree(), 1)));
    assert_eq!(climb.run.totals().repair_rounds, 1);
    // The second round ends well.
    climb.work(STANDARD, 2);
}

#[test]
fn what_a_person_rejected_is_repaired_and_not_delivered() {
    let whole = Climb::whole(STANDARD);
    let curated = whole
        .events
        .iter()
        .position(|(_, event)| matches!(event, Event::Entered(evidence) if evidence.phase() == Phase::ContextCurated))
        .unwrap();
    for upto in [curated - 1, curated] {
        let mut climb = Climb::open(STANDARD);
        whole.events[1..=upto]
            .iter()
            .for_each(|(_, event)| climb.apply(event.clone()));
        climb.apply(Event::Rejected {
            by: "Ada".to_owned(),
            findings: vec![finding()],
        });
        climb
            .try_apply(Event::Entered(PhaseEvidence::ContextCurated {
                notes: vec![NO_MEMORY_UPDATE.to_owned()],
                curation: None,
            }))
            .unwrap_err();
        if upto == curated {
            climb.done(
                Effect::ConfirmConsent,
                Observation::ConsentSeen {
                    consent: Consent::Current,
                },
            );
            climb
                .try_apply(Event::Intended(Effect::PrepareDelivery {
                    tree: tree(),
                    journal: Digest::of("head"),
                }))
                .unwrap_err();
        }
        climb.apply(Event::RepairStarted {
            round: 1,
            n: 2,
            findings: vec![finding()],
        });
        assert_eq!(climb.run.phase(), Some(Phase::RepositoryTicketRecorded));
    }
}

/// With a curator.
const CURATED: Terms = Terms {
    curate: true,
    ..STANDARD
};

/// A run with a curator, right before that one is asked.
fn reviewed() -> Climb {
    let mut climb = Climb::to_review(CURATED);
    climb.done(
        Effect::TakeReview {
            tree: tree(),
            label: "0042-validate-email/01J9Z3/review-1".to_owned(),
        },
        review_ended(Verdict::Pass),
    );
    climb.enter(judged_by(Verdict::Pass, Vec::new()));
    climb.enter(PhaseEvidence::RepairLoopCompleteOrNotNeeded { rounds: 0 });
    climb
}

fn curated_with(notes: Vec<String>, curation: Option<Digest>) -> Event {
    Event::Entered(PhaseEvidence::ContextCurated { notes, curation })
}

#[test]
fn context_is_curated_with_the_notes_of_the_curator_and_no_others() {
    let nothing = || vec![NO_MEMORY_UPDATE.to_owned()];
    let (lines, digest) = (curation().lines(), curation().digest());
    let mut climb = reviewed();
    // Nobody says that it was looked at before anybody has.
    climb.try_apply(curated_with(nothing(), None)).unwrap_err();
    let untaken = || vec![format!("{MEMORY_NOT_UPDATED}no key")];
    // That nobody was asked has a reason.
    climb.clone().apply(curated_with(untaken(), None));
    climb.done(take_curation(), curation_ended(Vec::new()));
    for (notes, curation) in [
        (nothing(), Some(digest)),
        (nothing(), None),
        (untaken(), None),
        (lines.clone(), None),
        (lines.clone(), Some(Digest::of("another"))),
    ] {
        climb.try_apply(curated_with(notes, curation)).unwrap_err();
    }
    // It is asked once, and only until it has answered.
    climb.try_apply(Event::Intended(take_curation())).unwrap_err();
    climb.apply(curated_with(lines, Some(digest)));
    assert_eq!(climb.run.curation(), Some(&curation()));
    climb.try_apply(Event::Intended(take_curation())).unwrap_err();

    // Without a curator in its terms a run has none.
    let mut without = Climb::whole(STANDARD);
    assert_eq!(without.run.curation(), None);
    without.try_apply(Event::Intended(take_curation())).unwrap_err();
}

#[test]
fn notes_that_are_refused_or_of_the_writer_are_none_and_the_reason_is_told() {
    let forbidden = Violation {
        code: BlockerCode::ProtectedPathChanged,
        path: Some(name("counterfoil.toml")),
        detail: "protected: it is the policy".to_owned(),
    };
    let of_writer = Observation::CurationEnded {
        end: CurationEnd::Answered(JudgedCuration {
            curation: curation(),
            refused: Vec::new(),
        }),
        tokens: tokens(),
        thread: Some(writer()),
    };
    for ended in [curation_ended(vec![forbidden]), of_writer] {
        let mut climb = reviewed();
        climb.done(take_curation(), ended);
        let (lines, digest) = (curation().lines(), curation().digest());
        climb.try_apply(curated_with(lines, Some(digest))).unwrap_err();
        climb
            .try_apply(curated_with(vec![NO_MEMORY_UPDATE.to_owned()], None))
            .unwrap_err();
        // It may be asked once more, or given up with the reason.
        let mut again = climb.clone();
        again.done(take_curation(), curation_ended(Vec::new()));
        again.apply(curated_with(curation().lines(), Some(digest)));
        climb.apply(curated_with(vec![format!("{MEMORY_NOT_UPDATED}it was refused")], None));
        assert_eq!(climb.run.curation(), None);
    }
}

/// A run that waits for a person's word before its delivery.
fn waiting_for_a_word() -> Climb {
    let mut climb = curated();
    climb.apply(Event::Blocked(Blocker::new(
        BlockerCode::AcceptanceNeeded,
        "nobody has accepted it",
    )));
    climb
}

/// A run right before its delivery.
fn curated() -> Climb {
    let whole = Climb::whole(STANDARD);
    let is_curated = |(_, event): &(_, Event)| matches!(event, Event::Entered(evidence) if evidence.phase() == Phase::ContextCurated);
    let curated = whole.events.iter().position(is_curated).unwrap();
    let mut climb = Climb::open(STANDARD);
    whole.events[1..=curated]
        .iter()
        .for_each(|(_, event)| climb.apply(event.clone()));
    climb
}

#[test]
fn a_word_is_about_the_tree_that_waits_for_it_and_about_no_other() {
    let mut climb = waiting_for_a_word();
    assert_eq!(climb.run.waits_for_word(), Some(tree()));
    let accepted = |tree| Event::Accepted {
        by: "Ada".to_owned(),
        tree,
    };
    let other = "5".repeat(40).parse().unwrap();
    assert_ne!(tree(), other);
    climb.try_apply(accepted(Some(other))).unwrap_err();
    assert_eq!(climb.run.accepted_by(), None);
    climb.apply(accepted(Some(tree())));
    let waits = State::Paused {
        cause: PauseCause::Person,
    };
    assert_eq!((climb.run.state(), climb.run.accepted_by()), (&waits, Some("Ada")));
    // A change of mind, in both directions but for a rejection.
    climb.apply(accepted(Some(tree())));
    climb.apply(Event::Rejected {
        by: "Bob".to_owned(),
        findings: vec![finding()],
    });
    assert_eq!((climb.run.state(), climb.run.accepted_by()), (&waits, None));
    climb.try_apply(accepted(Some(tree()))).unwrap_err();
    climb.apply(Event::Resumed {
        after: ResumeCause::Pause,
    });
    assert!(climb.run.is_rejected());
    climb.apply(Event::RepairStarted {
        round: 1,
        n: 2,
        findings: vec![finding()],
    });
    assert!(!climb.run.is_rejected());
    assert_eq!(climb.run.waits_for_word(), None);
}

#[test]
fn a_later_turn_voids_what_was_accepted() {
    let mut climb = curated();
    climb.apply(Event::Accepted {
        by: "Ada".to_owned(),
        tree: None,
    });
    assert_eq!(climb.run.accepted_by(), Some("Ada"));
    climb.apply(Event::IterationStarted {
        n: 2,
        cause: IterationCause::MoreToDo,
    });
    // Also where the same tree comes of it.
    climb.work(STANDARD, 2);
    assert_eq!(climb.run.tree(), Some(tree()));
    assert_eq!(climb.run.accepted_by(), None);
}

#[test]
fn nobody_is_paused_by_a_person_without_a_word() {
    let paused = Event::Paused {
        cause: PauseCause::Person,
    };
    Climb::to_review(STANDARD).try_apply(paused).unwrap_err();
    let mut climb = waiting_for_a_word();
    climb.apply(Event::Resumed {
        after: ResumeCause::Blocker,
    });
    climb.apply(Event::Blocked(Blocker::new(BlockerCode::ScopeViolation, "over")));
    let accepted = Event::Accepted {
        by: "Ada".to_owned(),
        tree: None,
    };
    climb.try_apply(accepted).unwrap_err();
}

#[test]
fn repair_rounds_end_at_their_limit() {
    let mut climb = Climb::to_review(STANDARD);
    for round in 1..=3 {
        climb.apply(Event::Rejected {
            by: "Ada".to_owned(),
            findings: vec![finding()],
        });
        let n = round + 1;
        climb.apply(Event::RepairStarted {
            round,
            n,
            findings: vec![finding()],
        });
        climb.work(STANDARD, n);
    }
    climb.apply(Event::Rejected {
        by: "Ada".to_owned(),
        findings: vec![finding()],
    });
    assert_eq!(
        refusal(
            &climb,
            Event::RepairStarted {
                round: 4,
                n: 5,
                findings: vec![finding()],
            }
        ),
        "`repair_started` may not follow: no more repair rounds are allowed"
    );
}

#[test]
fn a_change_that_has_parted_from_its_specs_goes_no_further() {
    let parted = |blocks| SpecDrift {
        findings: vec![DriftFinding {
            code: DriftCode::FileUnchanged,
            place: "src/mail.rs".to_owned(),
            detail: "it is not changed".to_owned(),
            blocks,
        }],
    };
    for terms in [
        STANDARD,
        Terms {
            checks: false,
            ..STANDARD
        },
    ] {
        for blocks in [true, false] {
            let mut climb = Climb::to_iteration(terms);
            climb.apply(Event::IterationStarted {
                n: 1,
                cause: IterationCause::First,
            });
            let seq = climb.intend(turn(1, TurnPurpose::Write));
            climb.apply(thread_started(writer()));
            climb.enter(PhaseEvidence::WriterAssigned {
                iteration: 1,
                agent: agent(),
                thread: writer(),
            });
            climb.observe(seq, turn_ended(TurnEnd::Reported { report: report() }));
            climb.done(
                Effect::MeasureChanges { iteration: 1 },
                Observation::ChangesMeasured {
                    change: change(tree()),
                    violations: Vec::new(),
                    weakened: Vec::new(),
                    tests: None,
                    same_as: None,
                    drift: Some(parted(blocks)),
                    experts: Vec::new(),
                },
            );
            climb.enter(PhaseEvidence::ImplementationComplete {
                iteration: 1,
                change: change(tree()),
                report: report(),
                tokens: climb.run.totals().tokens,
            });
            let next = if terms.checks {
                climb.done(
                    Effect::RunChecks {
                        purpose: CheckPurpose::Proof,
                        tree: tree(),
                        checks: opened(terms).checks,
                    },
                    Observation::ChecksRan {
                        tree: tree(),
                        results: vec![check(0)],
                        set_up: Vec::new(),
                    },
                );
                Event::Entered(PhaseEvidence::FocusedTestsPassed {
                    tree: tree(),
                    checks: vec![check(0)],
                    acceptance: Vec::new(),
                    compared: None,
                })
            } else {
                Event::NotRequired {
                    phase: Phase::FocusedTestsPassed,
                    code: NotRequiredCode::NoChecks,
                    reason: "no checks".to_owned(),
                }
            };
            assert_eq!(climb.try_apply(next).is_err(), blocks);
        }
    }
}

/// The run of these terms, done and not stored yet, as its delivery begins with it.
fn done_nowhere() -> Climb {
    let terms = Terms {
        delivery: DeliveryMode::None,
        ..STANDARD
    };
    let whole = Climb::whole(terms);
    let done = whole
        .events
        .iter()
        .position(|(_, event)| matches!(event, Event::Entered(PhaseEvidence::Done { .. })))
        .unwrap();
    let mut climb = Climb::open(terms);
    whole.events[1..=done]
        .iter()
        .for_each(|(_, event)| climb.apply(event.clone()));
    climb
}

fn delivery_opened(climb: &Climb) -> DeliveryOpened {
    DeliveryOpened {
        run: name("01J9Z4"),
        foil: "0.1.0".to_owned(),
        delivery: DeliveryMode::Branch,
        receipt: climb.run.receipt().unwrap().digest(),
    }
}

#[test]
fn what_is_done_is_delivered_by_a_run_that_shows_all_that_it_has_shown() {
    let mut climb = done_nowhere();
    let (tree, cited) = (climb.run.tree(), climb.run.receipt().unwrap().clone());
    climb.apply(Event::DeliveryOpened(delivery_opened(&climb)));
    assert_eq!(
        (climb.run.phase(), climb.run.tree()),
        (Some(Phase::ContextCurated), tree)
    );
    assert_eq!((climb.run.opened().run.as_str(), climb.run.receipt()), ("01J9Z4", None));
    // It changes nothing: nobody works on it, and nobody has it repaired.
    for event in [
        Event::IterationStarted {
            n: 2,
            cause: IterationCause::MoreToDo,
        },
        Event::Rejected {
            by: "Ada".to_owned(),
            findings: vec![finding()],
        },
        Event::Intended(turn(1, TurnPurpose::Write)),
        Event::Intended(Effect::PrepareDelivery {
            tree: self::tree(),
            journal: Digest::of("head"),
        }),
    ] {
        climb.try_apply(event).unwrap_err();
    }
    climb.done(
        Effect::ConfirmConsent,
        Observation::ConsentSeen {
            consent: Consent::Current,
        },
    );
    climb.done(
        Effect::PrepareDelivery {
            tree: self::tree(),
            journal: Digest::of("head"),
        },
        Observation::DeliveryPrepared {
            delivery: delivery(DeliveryMode::Branch),
        },
    );
    let delivers = climb.run.delivers().cloned();
    assert_eq!(
        delivers,
        Some(DeliveredRun {
            run: cited.run.clone(),
            receipt: cited.digest(),
        })
    );
}

#[test]
fn only_what_is_done_and_delivered_nowhere_is_delivered_later() {
    let mut climb = done_nowhere();
    let opened = delivery_opened(&climb);
    for other in [
        DeliveryOpened {
            receipt: Digest::of("another"),
            ..opened.clone()
        },
        DeliveryOpened {
            delivery: DeliveryMode::Push,
            ..opened.clone()
        },
        DeliveryOpened {
            delivery: DeliveryMode::None,
            ..opened.clone()
        },
        DeliveryOpened {
            run: climb.run.opened().run.clone(),
            ..opened.clone()
        },
    ] {
        climb.try_apply(Event::DeliveryOpened(other)).unwrap_err();
    }
    let mut delivered = Climb::whole(STANDARD);
    let again = delivery_opened(&delivered);
    delivered.try_apply(Event::DeliveryOpened(again)).unwrap_err();
    curated().try_apply(Event::DeliveryOpened(opened.clone())).unwrap_err();
    climb.apply(Event::DeliveryOpened(opened.clone()));
    climb.try_apply(Event::DeliveryOpened(opened)).unwrap_err();
}
