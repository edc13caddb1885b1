//! The table that is printed.

use std::fmt::Write as _;
use std::time::Duration;

use super::measure::Samples;

/// One thing that was measured.
pub(super) struct Row {
    what: String,
    ours: String,
    theirs: String,
    ratio: Option<f64>,
    goal: String,
    met: Option<bool>,
    /// Whether the goal is the same on every machine.
    is_fixed: bool,
}

impl Row {
    /// Ours may take at most `goal` times as long as the baseline.
    pub(super) fn against(
        what: impl Into<String>,
        ours: &Samples,
        theirs: &Samples,
        baseline: &str,
        goal: f64,
    ) -> Self {
        let ratio = ours.median().as_secs_f64() / theirs.median().as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            what: what.into(),
            ours: ours.to_string(),
            theirs: format!("{baseline}: {theirs}"),
            ratio: Some(ratio),
            goal: format!("≤ {goal:.1}×"),
            met: Some(ratio <= goal),
            is_fixed: false,
        }
    }

    /// Ours may take at most so long.
    pub(super) fn within(what: impl Into<String>, ours: &Samples, goal: Duration) -> Self {
        Self {
            what: what.into(),
            ours: ours.to_string(),
            theirs: String::new(),
            ratio: None,
            goal: format!("≤ {} ms", goal.as_millis()),
            met: Some(ours.median() <= goal),
            is_fixed: false,
        }
    }

    /// Only told, without a goal.
    pub(super) fn told(what: impl Into<String>, ours: &Samples) -> Self {
        Self {
            what: what.into(),
            ours: ours.to_string(),
            theirs: String::new(),
            ratio: None,
            goal: String::new(),
            met: None,
            is_fixed: false,
        }
    }

    /// A size in bytes, where it could be measured, that may be at most `goal` MiB, where there is one. No machine is too slow for it.
    pub(super) fn size(what: impl Into<String>, bytes: Option<u64>, goal: Option<u64>) -> Self {
        Self {
            what: what.into(),
            ours: bytes.map_or_else(
                || "not measured".to_owned(),
                |bytes| format!("{:.1} MiB", mebibytes(bytes)),
            ),
            theirs: String::new(),
            ratio: None,
            goal: goal.map(|goal| format!("≤ {goal} MiB")).unwrap_or_default(),
            met: bytes.zip(goal).map(|(bytes, goal)| bytes <= goal * 1024 * 1024),
            is_fixed: goal.is_some(),
        }
    }

    /// How much longer the larger world takes than the smaller one.
    pub(super) fn growth(what: impl Into<String>, large: &Samples, small: &Samples, goal: f64) -> Self {
        let ratio = large.median().as_secs_f64() / small.median().as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            what: what.into(),
            ours: large.to_string(),
            theirs: format!("the smaller: {small}"),
            ratio: Some(ratio),
            goal: format!("≤ {goal:.1}×"),
            met: Some(ratio <= goal),
            is_fixed: false,
        }
    }

    /// What was measured at the largest of several sizes, and with which exponent it grew up to there.
    pub(super) fn fitted(
        what: &str,
        ours: String,
        smaller: String,
        exponent: Option<f64>,
        goal: String,
        is_met: bool,
        is_fixed: bool,
    ) -> Self {
        Self {
            what: what.to_owned(),
            ours,
            theirs: smaller,
            ratio: exponent,
            goal,
            met: Some(is_met),
            is_fixed,
        }
    }

    /// The same, without a goal.
    pub(super) fn told_growth(what: impl Into<String>, large: &Samples, small: &Samples) -> Self {
        Self {
            goal: String::new(),
            met: None,
            ..Self::growth(what, large, small, f64::INFINITY)
        }
    }
}

/// So many bytes in MiB.
#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit after the point")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// What does not meet a goal that is the same on every machine, or was not measured.
pub(super) fn unmet(rows: &[Row]) -> Vec<String> {
    let unmet = rows.iter().filter(|row| row.is_fixed && row.met != Some(true));
    unmet
        .map(|row| format!("{}: {}, {}", row.what, row.ours, row.goal))
        .collect()
}

/// The rows as a Markdown table.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut table =
        String::from("| what | ours | theirs | ratio | goal | met |\n| --- | --- | --- | --- | --- | --- |\n");
    for row in rows {
        let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let Row {
            what,
            ours,
            theirs,
            goal,
            ..
        } = row;
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {what} | {ours} | {theirs} | {ratio} | {goal} | {met} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(milliseconds: &[u64]) -> Samples {
        milliseconds.iter().map(|ms| Duration::from_millis(*ms)).collect()
    }

    #[test]
    fn a_size_that_is_too_large_is_an_error_and_a_slow_machine_is_none() {
        let rows = [
            Row::within("version", &samples(&[11]), Duration::from_millis(10)),
            Row::growth("linear", &samples(&[1000]), &samples(&[1]), 11.0),
            Row::size("program", Some(25 << 20), Some(25)),
            Row::size("memory", Some(41 << 20), Some(40)),
            Row::size("output", None, Some(8)),
            Row::size("in a terminal", Some(41 << 20), None),
        ];
        let unmet = unmet(&rows);
        assert_eq!(unmet, ["memory: 41.0 MiB, ≤ 40 MiB", "output: not measured, ≤ 8 MiB"]);
    }

    #[test]
    fn a_row_says_whether_its_goal_is_met() {
        let rows = [
            Row::against("status", &samples(&[90, 80, 100]), &samples(&[100]), "find", 1.0),
            Row::within("version", &samples(&[11]), Duration::from_millis(10)),
            Row::told("with the checks", &samples(&[7])),
            Row::size("memory", Some(41 << 20), Some(40)),
            Row::size("memory", None, Some(40)),
            Row::growth("linear", &samples(&[1000]), &samples(&[100]), 11.0),
        ];
        insta::assert_snapshot!(markdown(&rows), @r"
        | what | ours | theirs | ratio | goal | met |
        | --- | --- | --- | --- | --- | --- |
        | status | 90.0 ms (80.0–100.0, n = 3) | find: 100.0 ms (100.0–100.0, n = 1) | 0.90 | ≤ 1.0× | yes |
        | version | 11.0 ms (11.0–11.0, n = 1) |  |  | ≤ 10 ms | **no** |
        | with the checks | 7.0 ms (7.0–7.0, n = 1) |  |  |  |  |
        | memory | 41.0 MiB |  |  | ≤ 40 MiB | **no** |
        | memory | not measured |  |  | ≤ 40 MiB |  |
        | linear | 1000.0 ms (1000.0–1000.0, n = 1) | the smaller: 100.0 ms (100.0–100.0, n = 1) | 10.00 | ≤ 11.0× | yes |
        ");
    }
}
