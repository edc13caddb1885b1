//! Whatever effects show, the next step is one that may follow, and the run comes to an end.

use counterfoil_policy::config::{GateLevel, Gates, HookFailure, HooksPolicy};
use counterfoil_policy::{Limits, Outcome};
use ledger_core::{DeliveryMode, Judge, Mode, NotificationEvent, Phase, ReportStatus, Run, TestOrder, TurnEnd};
use proptest::prelude::*;

use crate::world::{World, drive, inputs, opened, start};

#[test]
fn when_all_goes_well_every_phase_is_entered_and_the_receipt_names_the_reviewed_tree() {
    for (mode, review, delivery, checks, baseline) in [
        (Mode::Standard, true, DeliveryMode::Branch, true, true),
        (Mode::Standard, true, DeliveryMode::Push, true, true),
        (Mode::Standard, true, DeliveryMode::None, false, false),
        (Mode::Expert, true, DeliveryMode::Branch, true, true),
        (Mode::BoundedRounds, true, DeliveryMode::Branch, true, true),
        (Mode::Loop, false, DeliveryMode::Branch, true, false),
        (Mode::Loop, true, DeliveryMode::Branch, false, false),
    ] {
        let mut world = World::honest();
        let run = Run::open(start(), &opened(mode, review, delivery, checks)).unwrap();
        let (run, outcome, _) = drive(&mut world, run, inputs(Limits::default(), baseline), 0);
        assert_eq!((outcome, run.phase()), (Outcome::Done, Some(Phase::Done)));
        let receipt = run.receipt().expect("a run that is done has a receipt");
        assert_eq!(Some(receipt.tree), run.tree());
        assert_eq!(receipt.delivered.is_some(), delivery != DeliveryMode::None);
        let remote = receipt
            .delivered
            .as_ref()
            .and_then(|delivered| delivered.remote.as_ref());
        assert_eq!(
            remote.map(|remote| remote.commit),
            (delivery == DeliveryMode::Push).then(|| receipt.delivered.as_ref().unwrap().records)
        );
        assert_eq!(receipt.review.is_some(), review);
        assert!(run.stored().is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_world_is_survived_and_every_run_ends(
        choices in proptest::collection::vec(any::<u8>(), 0..400),
        shape in any::<u8>(),
        levels in proptest::array::uniform3(0_usize..3),
        hooks in any::<u8>(),
        max_iterations in 1_u32..6,
        max_tokens in prop_oneof![Just(5_000_000_u64), 1_000_u64..50_000],
    ) {
        let review = shape & 1 == 0;
        let mode = match (review && shape & 2 == 0, shape & 64) {
            (true, 0) => Mode::Standard,
            (true, _) if shape & 128 == 0 || shape & 8 != 0 => Mode::Expert,
            (true, _) => Mode::BoundedRounds,
            (false, _) => Mode::Loop,
        };
        let delivery = match (shape & 4, shape & 32) {
            (0, 0) => DeliveryMode::Branch,
            (0, _) => DeliveryMode::Push,
            _ => DeliveryMode::None,
        };
        let limits = Limits { max_iterations, max_tokens, ..Limits::default() };
        let run = Run::open(start(), &opened(mode, review, delivery, shape & 8 == 0)).unwrap();
        let mut world = World::of(choices);
        let mut inputs = inputs(limits, shape & 16 == 0);
        let [tdd, changed_tests, fail_to_pass] = levels.map(|level| [GateLevel::Off, GateLevel::Warn, GateLevel::Block][level]);
        inputs.gates = Gates { tdd, changed_tests, fail_to_pass: fail_to_pass.max(tdd), ..inputs.gates };
        let gates = inputs.gates;
        let command = |bit: u8| (hooks & bit != 0).then(|| "true".to_owned());
        inputs.policy.hooks = HooksPolicy {
            pre_iteration: command(1),
            post_iteration: command(2),
            on_completed: command(4),
            on_blocked: command(8),
            failure: if hooks & 16 == 0 { HookFailure::Ignore } else { HookFailure::Block },
            ..HooksPolicy::default()
        };
        inputs.policy.notify.command = command(32);
        inputs.policy.notify.on.push(NotificationEvent::Limit);
        let (run, outcome, steps) = drive(&mut world, run, inputs, 5);
        prop_assert!(run.totals().tests_refused <= 3);
        prop_assert!(run.questions().len() <= 5);
        prop_assert!(run.totals().iterations <= max_iterations);
        prop_assert!(run.totals().repair_rounds <= 3);
        prop_assert!(run.totals().spec_drifts <= 3);
        prop_assert!(steps < 1_500, "{steps} steps");
        if outcome == Outcome::Done {
            let receipt = run.receipt().expect("a run that is done has a receipt");
            prop_assert_eq!(Some(receipt.tree), run.tree());
            prop_assert_eq!(run.violations().len(), 0);
            if let Some(tests) = run.changed_tests().filter(|tests| tests.sources > 0) {
                let compared = run.attempt().and_then(|attempt| attempt.compared.as_ref());
                prop_assert!(gates.changed_tests != GateLevel::Block || tests.tests > 0);
                let is_alone = matches!(tests.order, Some(TestOrder::Alone { .. }));
                prop_assert!(gates.tdd != GateLevel::Block || is_alone);
                let shows = compared.is_some_and(|seen| {
                    Some(seen.tree) == run.tree() && seen.shows_the_change() && seen.broken() == 0
                });
                prop_assert!(gates.fail_to_pass != GateLevel::Block || shows);
            }
            let reported = run.attempt().and_then(|attempt| attempt.turn.as_ref());
            // Whether there is more to do is the advisor's to say, where there is one.
            let is_done = |status| status == ReportStatus::Done || (mode == Mode::BoundedRounds && status == ReportStatus::InProgress);
            prop_assert!(
                reported.is_some_and(|turn| matches!(&turn.end, TurnEnd::Reported { report } if is_done(report.status))),
                "what is in progress is delivered"
            );
            let measured = run.attempt().and_then(|attempt| attempt.measured.as_ref());
            let drift = measured.and_then(|measured| measured.drift.as_ref());
            prop_assert!(drift.is_none_or(|drift| drift.blocking().next().is_none()));
            if delivery == DeliveryMode::Push {
                prop_assert!(run.remote_holds_delivery());
                prop_assert!(receipt.delivered.as_ref().is_some_and(|delivered| delivered.remote.is_some()));
            }
            if let Some(checked) = run.attempt().and_then(|attempt| attempt.checked.as_ref()) {
                prop_assert_eq!(checked.tree, receipt.tree);
            }
            let verdicts = run.expert_verdicts();
            for call in run.expert_calls().into_iter().filter(|call| !call.is_advisory) {
                prop_assert!(verdicts.iter().any(|said| said.judge == call.judge && said.passes), "{call:?}");
            }
            prop_assert_eq!(receipt.experts.len(), verdicts.len());
            if mode == Mode::BoundedRounds {
                prop_assert!(!run.rounds().is_empty() && run.rounds().len() <= 5);
            }
            if mode == Mode::Expert {
                prop_assert!(run.followed_plan().is_some());
                prop_assert!(verdicts.iter().any(|said| said.judge == Judge::Security));
            }
            if let Some(ended) = run.attempt().and_then(|attempt| attempt.review.as_ref()) {
                prop_assert_eq!(ended.tree, receipt.tree);
            }
        }
    }
}
