//! The blocker capsule: what somebody needs who is to decide how a stopped run goes on, and no more.

use std::fmt::Write as _;

use ledger_core::{BlockerCode, CheckResult, Run, State, TestSummary, TicketFile};
use serde::Serialize;

use crate::markdown::{code, inline, quote, quotes};
use crate::records::{report_of, review_of};

/// The most changed paths, findings and failing tests that are named, each.
const NAMED: usize = 10;

/// The most lines of an output that are shown, and the most characters of them.
const EXCERPT_LINES: usize = 12;
const EXCERPT: usize = 1200;

/// What is known of a stopped run, in the shortest form that lets somebody decide. Computed from the run, and the ticket where it is at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockerCapsule {
    /// The ticket.
    pub ticket: String,
    /// The highest phase that was entered; none: none was.
    pub phase: Option<&'static str>,
    /// Why it stopped.
    pub code: BlockerCode,
    /// What the code means.
    pub boundary: &'static str,
    /// What happened.
    pub reason: String,
    /// What the ticket is for, where that is known.
    pub objective: Option<String>,
    /// What the ticket allows to change, where it says so.
    pub allowed: Vec<String>,
    /// What was changed, the first ten paths.
    pub changed: Vec<String>,
    /// What did not hold at last.
    pub failed: Vec<FailedProof>,
    /// Turns that the worker took.
    pub iterations: u32,
    /// Times that a reviewer or a person sent it back.
    pub repair_rounds: u32,
    /// Times that gates about tests sent it back.
    pub tests_refused: u32,
    /// Times that it was sent back because the change had parted from its specs.
    #[serde(skip_serializing_if = "is_none")]
    pub spec_drifts: u32,
    /// The smallest thing that could be done next.
    pub action: String,
}

/// A command, a finding or a gate that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedProof {
    /// What it is: a check with its command, or the place of a finding.
    pub what: String,
    /// How it ended, or what was found.
    pub outcome: String,
    /// A few lines of its output: the words of code under test.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
}

impl BlockerCapsule {
    /// That of a run; none where nothing blocks it.
    pub fn of(run: &Run, ticket: Option<&TicketFile>) -> Option<Self> {
        let State::Blocked(blocker) = run.state() else {
            return None;
        };
        let opened = run.opened();
        let measured = run.attempt().and_then(|attempt| attempt.measured.as_ref());
        let change = run.change().or(measured.map(|measured| &measured.change));
        let paths = change.map_or(&[][..], |change| &change.paths);
        let scope = ticket.map(|ticket| &ticket.scope);
        let goal = scope.map(|scope| scope.goal.clone()).filter(|goal| !goal.is_empty());
        Some(Self {
            ticket: opened.ticket.to_string(),
            phase: run.phase().map(ledger_core::Phase::as_str),
            code: blocker.code,
            boundary: blocker.code.meaning(),
            reason: blocker.reason.clone(),
            objective: goal.or(ticket.map(|ticket| ticket.title.clone())),
            allowed: scope.and_then(|scope| scope.allowed.clone()).unwrap_or_default(),
            changed: paths.iter().take(NAMED).map(|listed| listed.path.to_string()).collect(),
            failed: failed(run),
            iterations: run.totals().iterations,
            repair_rounds: run.totals().repair_rounds,
            tests_refused: run.totals().tests_refused,
            spec_drifts: run.totals().spec_drifts,
            action: blocker.next_step_for(&opened.ticket),
        })
    }

    /// The capsule as Markdown. What others say in it stands in quotations.
    pub(crate) fn markdown(&self, text: &mut String) {
        let _ = writeln!(text, "## Blocker\n\n`{}`: {}\n", self.code, inline(self.boundary));
        quote(text, &self.reason);
        if let Some(objective) = &self.objective {
            let _ = writeln!(text, "- objective: {}", inline(objective));
        }
        let _ = writeln!(text, "- phase: {}", self.phase.unwrap_or("none"));
        let _ = writeln!(text, "- attempts: {}", self.attempts());
        for (what, paths) in [("the ticket allows", &self.allowed), ("changed", &self.changed)] {
            if !paths.is_empty() {
                let paths: Vec<_> = paths.iter().map(|path| code(path)).collect();
                let _ = writeln!(text, "- {what}: {}", paths.join(", "));
            }
        }
        let _ = writeln!(text, "\nNext: {}\n", inline(&self.action));
        if !self.failed.is_empty() {
            let _ = writeln!(text, "What did not hold:\n");
            let lines: Vec<_> = self.failed.iter().map(FailedProof::line).collect();
            quotes(text, &lines);
        }
        for proof in self.failed.iter().filter(|proof| !proof.excerpt.is_empty()) {
            let _ = writeln!(text, "The end of the output of {}:\n", code(&proof.what));
            quote(text, &proof.excerpt);
        }
    }

    /// What was tried, in a few words.
    pub fn attempts(&self) -> String {
        let times = |count: u32, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        let mut words = times(self.iterations, "turn", "turns");
        if self.repair_rounds > 0 {
            words.push_str(&format!(
                ", {}",
                times(self.repair_rounds, "repair round", "repair rounds")
            ));
        }
        for (count, why) in [
            (self.tests_refused, "for what tests did not show"),
            (self.spec_drifts, "because it had parted from its specs"),
        ] {
            if count > 0 {
                let sent = times(count, "time", "times");
                words.push_str(&format!(", sent back {sent} {why}"));
            }
        }
        words
    }
}

fn is_none(count: &u32) -> bool {
    *count == 0
}

impl FailedProof {
    /// It in one line.
    pub fn line(&self) -> String {
        format!("{}: {}", self.what, self.outcome)
    }
}

/// What did not hold when the run stopped: what a person or a review found, where the change parts from its specs, and the checks that failed last, else what the worker says.
fn failed(run: &Run) -> Vec<FailedProof> {
    let attempt = run.attempt();
    let reviewed = review_of(run).map(|review| &review.findings);
    // What a person found comes after every review.
    let rejected = attempt.and_then(|attempt| attempt.rejection.as_ref());
    let findings = rejected.or(reviewed).map_or(run.to_mend(), Vec::as_slice);
    let checked = attempt
        .and_then(|attempt| attempt.checked.as_ref())
        .or(run.last_checked());
    let results = checked.map_or(&[][..], |checked| &checked.results);
    let checks = run.baseline().unwrap_or_default().iter().chain(results);
    let drift = crate::drift::found(run)
        .iter()
        .filter(|finding| finding.blocks)
        .take(NAMED);
    let mut failed: Vec<_> = findings
        .iter()
        .map(|finding| FailedProof {
            what: finding.place.clone(),
            outcome: format!(
                "{}: expected {}, found {}; repair: {}",
                finding.severity, finding.expected, finding.actual, finding.required_repair
            ),
            excerpt: String::new(),
        })
        .chain(drift.map(|finding| FailedProof {
            what: finding.place.clone(),
            outcome: finding.detail.clone(),
            excerpt: String::new(),
        }))
        .chain(checks.filter(|check| !check.passed()).map(of_check))
        .collect();
    if failed.is_empty()
        && let Some(report) = report_of(run).filter(|report| !report.blocked_because.is_empty())
    {
        failed.push(FailedProof {
            what: "the worker".to_owned(),
            outcome: report.blocked_because.clone(),
            excerpt: String::new(),
        });
    }
    failed.truncate(NAMED);
    failed
}

fn of_check(check: &CheckResult) -> FailedProof {
    let names = check.tests.as_ref().map(TestSummary::new_failures).unwrap_or_default();
    let mut outcome = check.outcome.to_string();
    if !names.is_empty() {
        let names: Vec<_> = names.into_iter().take(NAMED).collect();
        outcome.push_str(&format!("; failing: {}", names.join(", ")));
    }
    FailedProof {
        what: format!("{} ({})", check.name, check.command),
        outcome,
        excerpt: excerpt(&check.output.tail),
    }
}

/// The last lines of an output.
fn excerpt(tail: &str) -> String {
    let lines: Vec<_> = tail.lines().collect();
    let text = lines[lines.len().saturating_sub(EXCERPT_LINES)..].join("\n");
    let more = text.chars().count().saturating_sub(EXCERPT);
    text.chars().skip(more).collect()
}
