use ledger_core::{
    AdviceEnd, AdviceNext, BlockerCode, CurationEnd, ExpertEnd, ExpertSubject, GrantKind, Judge, JudgedAdvice,
    JudgedCuration, JudgedExpertReview, JudgedPlan, JudgedReview, PlanEnd, PlanStatus, PlannedChange, Recommendation,
    ReportStatus, ReviewEnd, Severity, TokenCount, Verdict, WeakenedTest, Weakening, WeakeningVerdict,
};
use policy::Policy;

use super::*;

const TOKEN: &str = "ghp_Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk";

fn redacted(observation: Observation) -> String {
    redacted_event(Event::Observed { of: 1, observation })
}

fn redacted_event(event: Event) -> String {
    let redactor = Redactor::default()
        .path("/home/ann/place", "$PLACE")
        .patterns_of(&Policy::default());
    serde_json::to_string(&redactor.event(event)).unwrap()
}

/// A text as a careless or hostile agent writes it.
fn said() -> String {
    format!("{TOKEN} in /home/ann/place/a\u{1b}[2J")
}

fn forbidden() -> Vec<Violation> {
    vec![Violation {
        code: BlockerCode::ScopeViolation,
        path: None,
        detail: said(),
    }]
}

fn found() -> Vec<Finding> {
    vec![Finding {
        severity: Severity::Low,
        place: said(),
        expected: said(),
        actual: said(),
        required_repair: said(),
    }]
}

fn wanted() -> Vec<WantedGrant> {
    vec![WantedGrant {
        kind: GrantKind::Command,
        name: said(),
        reason: said(),
    }]
}

fn assert_clean(text: &str, says: usize) {
    assert!(
        !text.contains("ghp_") && !text.contains("/home/ann") && !text.contains("u001b"),
        "{text}"
    );
    assert_eq!(text.matches("[secret] in $PLACE/a").count(), says, "{text}");
}

#[test]
fn no_field_of_a_report_keeps_a_secret_or_a_path() {
    let report = Report {
        turn: "turn".to_owned(),
        status: ReportStatus::Done,
        summary: said(),
        commands: vec![ClaimedCommand {
            command: said(),
            outcome: said(),
        }],
        skipped_checks: vec![said()],
        deviations: vec![said()],
        risks: vec![said()],
        memory: vec![said()],
        self_review: SelfReview {
            checked: vec![said()],
            concerns: vec![said()],
        },
        wanted_grants: wanted(),
        question: vec![Question {
            text: said(),
            choices: vec![said()],
            default: said(),
        }],
        blocked_because: said(),
        next_ticket: said(),
    };
    let text = redacted(Observation::TurnEnded {
        end: TurnEnd::Reported { report },
        tokens: TokenCount::default(),
        thread: None,
    });
    assert_clean(&text, 16);
}

#[test]
fn no_field_of_a_plan_keeps_a_secret_or_a_path() {
    let plan = Plan {
        turn: "turn".to_owned(),
        status: PlanStatus::Planned,
        approach: said(),
        steps: vec![said()],
        files: vec![PlannedFile {
            path: said(),
            change: PlannedChange::Edit,
            reason: said(),
        }],
        proof: vec![said()],
        stop_conditions: vec![said()],
        risks: vec![said()],
        wanted_grants: wanted(),
        blocked_because: said(),
    };
    let violations = forbidden();
    let text = redacted(Observation::PlanEnded {
        end: PlanEnd::Answered(JudgedPlan { plan, violations }),
        tokens: TokenCount::default(),
        thread: None,
    });
    assert_clean(&text, 11);
}

#[test]
fn no_field_of_a_curation_keeps_a_secret_or_a_path() {
    let curation = Curation {
        turn: "turn".to_owned(),
        notes: vec![MemoryNote {
            path: said(),
            kind: ledger_core::NoteKind::State,
            title: said(),
            text: said(),
            source: said(),
        }],
        handoff: said(),
    };
    let refused = forbidden();
    let text = redacted(Observation::CurationEnded {
        end: CurationEnd::Answered(JudgedCuration { curation, refused }),
        tokens: TokenCount::default(),
        thread: None,
    });
    assert_clean(&text, 6);
}

#[test]
fn no_field_of_a_review_keeps_a_secret_or_a_path() {
    let review = Review {
        turn: "turn".to_owned(),
        verdict: Verdict::Pass,
        summary: said(),
        inspected: vec![said()],
        findings: found(),
        weakened_tests: vec![WeakenedTestAnswer {
            id: said(),
            verdict: WeakeningVerdict::Justified,
            reason: said(),
        }],
        residual_risks: vec![said()],
        next_action: said(),
    };
    let text = redacted(Observation::ReviewEnded {
        tree: ledger_core::TreeId(ledger_core::ObjectId::ZERO),
        end: ReviewEnd::Answered(JudgedReview { review, passes: true }),
        tokens: TokenCount::default(),
        thread: None,
    });
    assert_clean(&text, 10);
}

#[test]
fn no_field_of_advice_keeps_a_secret_or_a_path() {
    let advice = Advice {
        turn: "turn".to_owned(),
        next: AdviceNext::Task,
        what: said(),
        files: vec![said()],
        proof: vec![said()],
        why: said(),
    };
    let text = redacted(Observation::AdviceEnded {
        tree: ledger_core::TreeId(ledger_core::ObjectId::ZERO),
        end: AdviceEnd::Answered(JudgedAdvice {
            advice,
            violations: Vec::new(),
        }),
        tokens: TokenCount::default(),
        thread: None,
    });
    assert_clean(&text, 4);
}

#[test]
fn no_field_of_an_experts_answer_keeps_a_secret_or_a_path() {
    let review = ExpertReview {
        turn: "turn".to_owned(),
        recommendation: Recommendation::Repair,
        summary: said(),
        findings: found(),
        required_proof: vec![said()],
        next_action: said(),
    };
    let text = redacted(Observation::ExpertEnded {
        judge: Judge::Security,
        subject: ExpertSubject::Tree {
            tree: ledger_core::TreeId(ledger_core::ObjectId::ZERO),
        },
        end: ExpertEnd::Answered(JudgedExpertReview { review, passes: false }),
        tokens: TokenCount::default(),
        thread: None,
    });
    assert_clean(&text, 7);
}

#[test]
fn no_hunk_that_weakens_tests_keeps_a_secret_or_a_path() {
    let id = ledger_core::ObjectId::ZERO;
    let change = ledger_core::ChangeSet {
        base: ledger_core::CommitId(id),
        tree: ledger_core::TreeId(id),
        changes: Vec::new(),
    };
    let hunk = WeakenedTest {
        id: "W1".to_owned(),
        path: "tests/a.rs".parse().unwrap(),
        how: Weakening::AssertionRemoved,
        before: None,
        after: None,
        excerpt: said(),
        of_repair: false,
    };
    let text = redacted(Observation::ChangesMeasured {
        change: change.summary(),
        violations: Vec::new(),
        weakened: vec![hunk],
        tests: None,
        same_as: None,
        drift: None,
        experts: Vec::new(),
    });
    assert_clean(&text, 1);
}

#[test]
fn a_command_keeps_its_lines_and_is_judged_whole_or_refused() {
    let (policy, grants) = (Policy::default(), ledger_core::Grants::default());
    let recorded = |command: String| {
        let item = "1".to_owned();
        match Redactor::default().event(Event::Activity(Activity::CommandStarted { item, command })) {
            Event::Activity(Activity::CommandStarted { command, .. }) => command,
            other => panic!("{other:?}"),
        }
    };
    let refused = |command: &str| policy::judge_command(command, &policy, &grants).is_some();
    assert_eq!(
        recorded("echo a\nterraform apply".to_owned()),
        "echo a\nterraform apply"
    );
    // The middle of a long one is looked at like its ends.
    let padded = format!("true {0}; git push; true {0}", "x".repeat(60_000));
    assert_eq!(recorded(padded.clone()), padded);
    assert!(refused(&padded));
    assert!(!refused(&recorded(format!("true {}", "é".repeat(60_000)))));
    let endless = recorded(format!("true {}; git push", "é".repeat(500_000)));
    assert!(endless.len() < MAX_COMMAND_BYTES + 8, "{}", endless.len());
    assert!(refused(&endless));
}

#[test]
fn no_reason_keeps_a_secret_or_a_path() {
    assert_clean(&redacted(Observation::Lost { reason: said() }), 1);
    let end = TurnEnd::InvalidReport { reason: said() };
    let (tokens, thread) = (TokenCount::default(), None);
    assert_clean(&redacted(Observation::TurnEnded { end, tokens, thread }), 1);
}

#[test]
fn nothing_that_is_seen_of_a_turn_keeps_a_secret_or_a_path() {
    let (item, reason, message) = ("item".to_owned(), said(), said());
    for (activity, says) in [
        (Activity::CommandStarted { item, command: said() }, 1),
        (
            Activity::FilesEdited {
                paths: vec![said(), said()],
            },
            2,
        ),
        (Activity::Message { text: said() }, 1),
        (Activity::Retrying { reason }, 1),
        (
            Activity::RequestDeclined {
                request: said(),
                about: said(),
            },
            2,
        ),
        (Activity::Warning { message }, 1),
    ] {
        assert_clean(&redacted_event(Event::Activity(activity)), says);
    }
}
