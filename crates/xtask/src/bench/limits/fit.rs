//! How something grows with a size.

use crate::bench::measure::Samples;
use crate::bench::table::{Row, mebibytes};

/// More than `n log n` costs at these sizes (about 1.09), and what the caches of the processor add; far less than a square.
const GOAL: f64 = 1.15;
/// From here on time is no matter of the machine.
const WRONG: f64 = 1.5;

/// What was measured at each size, the smallest first.
#[derive(Debug)]
pub(super) struct Growth<T>(Vec<(usize, T)>);

impl<T> Default for Growth<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Growth<T> {
    pub(super) fn add(&mut self, size: usize, measured: T) {
        self.0.push((size, measured));
    }

    /// The smaller sizes, and both exponents.
    fn told(&self, exponents: Option<Exponents>, show: impl Fn(&T) -> String) -> String {
        let smaller = self.0.split_last().map_or(&[][..], |(_, smaller)| smaller);
        let mut told: Vec<String> = smaller
            .iter()
            .map(|(size, measured)| format!("{size}: {}", show(measured)))
            .collect();
        told.extend(exponents.map(|found| format!("fit {:.2}, last step {:.2}", found.fit, found.last_step)));
        told.join("; ")
    }
}

impl Growth<Samples> {
    /// The time at the largest size. Fails no machine, unless it grows as nothing does that is merely slow.
    pub(super) fn time_row(&self, what: &str) -> Row {
        let points: Vec<_> = self
            .0
            .iter()
            .map(|(size, samples)| (*size, samples.median().as_secs_f64()))
            .collect();
        let found = Exponents::of(&points);
        let exponent = found.map(Exponents::larger);
        let ours = self
            .0
            .last()
            .map_or_else(String::new, |(_, samples)| samples.to_string());
        let told = self.told(found, |samples| {
            format!("{:.1} ms", samples.median().as_secs_f64() * 1000.0)
        });
        let met = exponent.is_some_and(|exponent| exponent <= GOAL);
        let is_fixed = !exponent.is_some_and(|exponent| exponent <= WRONG);
        Row::fitted(what, ours, told, exponent, format!("size^b, b ≤ {GOAL}"), met, is_fixed)
    }
}

impl Growth<Option<u64>> {
    /// The memory at the largest size, at most `goal` MiB.
    pub(super) fn memory_row(&self, what: &str, goal: u64) -> Row {
        let points: Option<Vec<_>> = self
            .0
            .iter()
            .map(|(size, bytes)| Some((*size, mebibytes((*bytes)?))))
            .collect();
        let show = |bytes: &Option<u64>| match bytes {
            Some(bytes) => format!("{:.1} MiB", mebibytes(*bytes)),
            None => "not measured".to_owned(),
        };
        let found = points.as_deref().and_then(Exponents::of);
        let exponent = found.map(Exponents::larger);
        let largest = self.0.last().and_then(|(_, bytes)| *bytes);
        let met = largest.is_some_and(|bytes| bytes <= goal << 20) && exponent.is_some_and(|found| found <= GOAL);
        let goal = format!("≤ {goal} MiB, b ≤ {GOAL}");
        Row::fitted(what, show(&largest), self.told(found, show), exponent, goal, met, true)
    }
}

/// The `b` of `size^b`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Exponents {
    /// Of the straight line through the logarithms that misses all points least.
    fit: f64,
    /// From the last size but one to the last: where something begins to grow faster, it is seen there.
    last_step: f64,
}

impl Exponents {
    /// None of less than two sizes, or where something is not more than zero.
    fn of(points: &[(usize, f64)]) -> Option<Self> {
        let logarithms: Option<Vec<(f64, f64)>> = points
            .iter()
            .map(|(size, measured)| {
                let size = u32::try_from(*size).ok().filter(|size| *size > 0)?;
                (*measured > 0.0).then(|| (f64::from(size).ln(), measured.ln()))
            })
            .collect();
        let logarithms = logarithms?;
        let [.., before, _] = logarithms.as_slice() else {
            return None;
        };
        let last = logarithms.last()?;
        Some(Self {
            fit: slope(&logarithms)?,
            last_step: slope(&[*before, *last])?,
        })
    }

    fn larger(self) -> f64 {
        self.fit.max(self.last_step)
    }
}

/// The slope of the line with the least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let (mut both, mut square) = (0.0, 0.0);
    for (x, y) in points {
        both += (x - x_mean) * (y - y_mean);
        square += (x - x_mean) * (x - x_mean);
    }
    (square > 0.0).then(|| both / square)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::table::{markdown, unmet};

    fn exponents(of: impl Fn(f64) -> f64) -> (String, String) {
        let points = [1_000, 10_000, 30_000, 100_000_u32].map(|size| (size as usize, of(f64::from(size))));
        let found = Exponents::of(&points).unwrap();
        (format!("{:.2}", found.fit), format!("{:.2}", found.last_step))
    }

    fn both(fit: &str, last_step: &str) -> (String, String) {
        (fit.to_owned(), last_step.to_owned())
    }

    #[test]
    fn the_exponent_of_a_power_is_its_power() {
        assert_eq!(exponents(|size| 3.0 * size), both("1.00", "1.00"));
        assert_eq!(exponents(|size| size * size / 7.0), both("2.00", "2.00"));
        assert_eq!(exponents(|_| 5.0), both("0.00", "0.00"));
        assert_eq!(exponents(|size| size * size.ln()), both("1.11", "1.09"));
    }

    #[test]
    fn a_square_that_hides_behind_a_constant_is_seen_in_the_last_step() {
        let (fit, last_step) = exponents(|size| 1e9 + size * size);
        assert!(fit.parse::<f64>().unwrap() < 1.0, "{fit}");
        assert!(last_step.parse::<f64>().unwrap() > 1.4, "{last_step}");
    }

    #[test]
    fn nothing_is_fitted_to_one_size_or_to_nothing() {
        assert_eq!(Exponents::of(&[(10, 1.0)]), None);
        assert_eq!(Exponents::of(&[(10, 1.0), (10, 2.0)]), None);
        assert_eq!(Exponents::of(&[(10, 0.0), (100, 2.0)]), None);
        assert_eq!(Exponents::of(&[(0, 1.0), (100, 2.0)]), None);
    }

    fn times(milliseconds: [u64; 3]) -> Growth<Samples> {
        let mut growth = Growth::default();
        for (size, time) in [10, 100, 1000].into_iter().zip(milliseconds) {
            growth.add(size, [Duration::from_millis(time)].into_iter().collect());
        }
        growth
    }

    fn memory(mebibytes: [Option<u64>; 3]) -> Growth<Option<u64>> {
        let mut growth = Growth::default();
        for (size, mebibytes) in [10, 100, 1000].into_iter().zip(mebibytes) {
            growth.add(size, mebibytes.map(|count| count << 20));
        }
        growth
    }

    #[test]
    fn memory_fails_beyond_its_goal_and_time_only_where_it_grows_like_nothing_that_is_slow() {
        let rows = [
            times([10, 100, 1000]).time_row("linear"),
            times([10, 200, 4000]).time_row("noisy"),
            times([10, 1000, 100_000]).time_row("square"),
            memory([Some(20), Some(25), Some(30)]).memory_row("small", 30),
            memory([Some(20), Some(25), Some(31)]).memory_row("large", 30),
            memory([Some(1), Some(2), Some(29)]).memory_row("growing", 30),
            memory([Some(1), Some(2), None]).memory_row("unknown", 30),
        ];
        let unmet: Vec<_> = unmet(&rows)
            .into_iter()
            .map(|row| row.split(':').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(unmet, ["square", "large", "growing", "unknown"]);
        let table = markdown(&rows);
        assert!(
            table.contains(
                "| noisy | 4000.0 ms (4000.0–4000.0, n = 1) | 10: 10.0 ms; 100: 200.0 ms; fit 1.30, last step 1.30 | 1.30 | size^b, b ≤ 1.15 | **no** |"
            ),
            "{table}"
        );
        assert!(
            table.contains("| unknown | not measured | 10: 1.0 MiB; 100: 2.0 MiB |"),
            "{table}"
        );
    }
}
