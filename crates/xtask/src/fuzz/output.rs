//! What libFuzzer says while it works.

/// What a fuzzer has said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) executions: u64,
    pub(super) per_second: u64,
    pub(super) corpus: u64,
    pub(super) coverage: u64,
    pub(super) coverage_at_first: u64,
    /// The file with the input that it stopped at.
    pub(super) input: Option<String>,
    /// What was said of it.
    pub(super) complaint: Option<String>,
}

impl Outcome {
    /// By what a fuzzer wrote with `-print_final_stats=1`.
    pub(super) fn of(said: &str) -> Self {
        let mut outcome = Self::default();
        let mut lines = said.lines();
        while let Some(line) = lines.next() {
            if let Some((_, input)) = line.split_once("Test unit written to ") {
                outcome.input = Some(input.trim().to_owned());
            } else if line.contains("panicked at ") {
                // The message follows on a line of its own.
                outcome.complaint = Some(format!("{}: {}", line.trim(), lines.next().unwrap_or_default().trim()));
            } else if let Some(complaint) = line.split_once("ERROR: libFuzzer: ") {
                outcome.complaint.get_or_insert_with(|| complaint.1.trim().to_owned());
            } else if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
                outcome.executions = number.trim().parse().unwrap_or(0);
            } else if let Some(number) = line.strip_prefix("stat::average_exec_per_sec:") {
                outcome.per_second = number.trim().parse().unwrap_or(0);
            } else if line.starts_with('#') {
                outcome.step(line);
            }
        }
        outcome
    }

    /// `#123  NEW    cov: 45 ft: 67 corp: 8/90b exec/s: 1 rss: 2Mb`
    fn step(&mut self, line: &str) {
        let after = |name: &str| {
            let rest = line.split_once(name)?.1.trim_start();
            let end = rest
                .find(|character: char| !character.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..end].parse::<u64>().ok()
        };
        if let Some(executions) = after("#") {
            self.executions = executions;
        }
        if let Some(corpus) = after(" corp:") {
            self.corpus = corpus;
        }
        if let Some(coverage) = after(" cov:") {
            self.coverage = coverage;
            if self.coverage_at_first == 0 {
                self.coverage_at_first = coverage;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_target_that_holds_are_read() {
        let said = "INFO: seed corpus: files: 9 min: 1b max: 90b total: 300b rss: 30Mb\n\
            #10\tINITED cov: 500 ft: 700 corp: 8/1Kb exec/s: 0 rss: 31Mb\n\
            #64\tNEW    cov: 510 ft: 730 corp: 9/1Kb lim: 90 exec/s: 0 rss: 31Mb L: 3/90 MS: 1 ChangeBit-\n\
            #90000\tDONE   cov: 512 ft: 760 corp: 12/2Kb lim: 90 exec/s: 1500 rss: 40Mb\n\
            Done 90000 runs in 60 second(s)\n\
            stat::number_of_executed_units: 90000\nstat::average_exec_per_sec:     1475\n";
        let expected = Outcome {
            executions: 90_000,
            per_second: 1475,
            corpus: 12,
            coverage: 512,
            coverage_at_first: 500,
            input: None,
            complaint: None,
        };
        assert_eq!(Outcome::of(said), expected);
    }

    #[test]
    fn an_input_that_breaks_a_promise_is_named_with_what_was_said() {
        let said = "#10\tINITED cov: 500 ft: 700 corp: 8/1Kb exec/s: 0 rss: 31Mb\n\n\
            thread '<unnamed>' (7) panicked at crates/a/src/b.rs:12:5:\nassertion failed: a\n\
            note: run with `RUST_BACKTRACE=1`\n==7== ERROR: libFuzzer: deadly signal\n\
            artifact_prefix='/t/'; Test unit written to /t/crash-0123\n";
        let outcome = Outcome::of(said);
        assert_eq!(outcome.input.as_deref(), Some("/t/crash-0123"));
        let complaint = "thread '<unnamed>' (7) panicked at crates/a/src/b.rs:12:5:: assertion failed: a";
        assert_eq!(outcome.complaint.as_deref(), Some(complaint));
        let hang = "==7== ERROR: libFuzzer: timeout after 10 seconds\nartifact_prefix='/t/'; Test unit written to /t/timeout-01\n";
        assert_eq!(Outcome::of(hang).complaint.as_deref(), Some("timeout after 10 seconds"));
    }
}
