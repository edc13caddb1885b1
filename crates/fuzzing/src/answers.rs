//! What agents answer at the end of their turns.

use std::fmt::Debug;

use ledger_core::{
    Advice, Curation, ExpertReview, ExpertSubject, GoalPlan, InvalidReport, MAX_GOAL_PLAN_BYTES, MAX_NOTES,
    MAX_REPORT_BYTES, ObjectId, Plan, Report, ReportStatus, Review, Severity, TreeId,
};
use serde::Serialize;

/// The worker's report, and the answers of those who plan, judge, advise and take notes.
pub fn report(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let turn = serde_json::from_str::<serde_json::Value>(text.trim())
        .ok()
        .and_then(|answer| answer.get("turn")?.as_str().map(str::to_owned))
        .unwrap_or_default();
    let subject = ExpertSubject::Tree {
        tree: TreeId(ObjectId::ZERO),
    };
    if let Some(report) = answer(&text, &turn, MAX_REPORT_BYTES, Report::parse) {
        assert!(report.question.len() <= 1);
        assert!(report.question.is_empty() || report.status == ReportStatus::Blocked);
        assert_eq!(report.asks(), report.question.first());
    }
    if let Some(review) = answer(&text, &turn, MAX_REPORT_BYTES, Review::parse) {
        let worst = review.findings.iter().map(|finding| finding.severity).max();
        if review.passes(Severity::High) {
            assert!(worst.is_none_or(|worst| worst < Severity::High));
        }
    }
    answer(&text, &turn, MAX_REPORT_BYTES, Plan::parse);
    answer(&text, &turn, MAX_REPORT_BYTES, Advice::parse);
    if let Some(curation) = answer(&text, &turn, MAX_REPORT_BYTES, Curation::parse) {
        assert!(curation.notes.len() <= MAX_NOTES);
    }
    answer(&text, &turn, MAX_REPORT_BYTES, |text, turn| {
        ExpertReview::parse(text, turn, &subject)
    });
    answer(&text, &turn, MAX_GOAL_PLAN_BYTES, GoalPlan::parse);
}

/// The answer where it is one: of this turn and of no other, of bounded length, and the same after it was written.
fn answer<T: PartialEq + Debug + Serialize>(
    text: &str,
    turn: &str,
    most: usize,
    parse: impl Fn(&str, &str) -> Result<T, InvalidReport>,
) -> Option<T> {
    let read = parse(text, turn).ok()?;
    assert!(text.len() <= most);
    let other = format!("{turn}'");
    assert!(
        matches!(parse(text, &other), Err(InvalidReport::OtherTurn { .. })),
        "an answer of another turn is refused"
    );
    let written = serde_json::to_string(&read).expect("an answer has a JSON form");
    if written.len() <= most {
        assert_eq!(parse(&written, turn).as_ref(), Ok(&read));
    }
    let long = format!("{text}{}", " ".repeat(most + 1 - text.len()));
    assert!(matches!(parse(&long, turn), Err(InvalidReport::TooLong { .. })));
    Some(read)
}
