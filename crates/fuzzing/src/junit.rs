//! Test reports.

use ledger_core::MAX_FAILING_TESTS;
use runner::junit::{TestReport, TestStatus};

/// A report in the JUnit form.
pub fn junit(data: &[u8]) {
    let Ok(report) = TestReport::parse(data) else { return };
    let summary = report.summary();
    assert_eq!(
        summary.passed + summary.failed + summary.skipped,
        report.tests.len() as u64
    );
    assert_eq!(summary.failed as usize, report.failing().count());
    assert_eq!(summary.failing.len(), report.failing().count().min(MAX_FAILING_TESTS));
    let mut xml = "<testsuites>".to_owned();
    for test in &report.tests {
        assert!(
            test.name.chars().count() <= 300 && !test.name.contains(char::is_control),
            "{:?}",
            test.name
        );
        let name = test
            .name
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;");
        let body = match test.status {
            TestStatus::Passed => "",
            TestStatus::Failed => "<failure/>",
            TestStatus::Skipped => "<skipped/>",
        };
        xml.push_str(&format!("<testcase name=\"{name}\">{body}</testcase>"));
    }
    xml.push_str("</testsuites>");
    assert_eq!(
        TestReport::parse(xml.as_bytes()).expect("what was read can be written"),
        report
    );
    // A report that is cut off is none, wherever it is cut.
    let cut = crate::chosen(data, xml.len());
    assert!(
        (0..=cut)
            .rev()
            .find(|at| xml.is_char_boundary(*at))
            .is_some_and(|at| TestReport::parse(&xml.as_bytes()[..at]).is_err())
    );
}
