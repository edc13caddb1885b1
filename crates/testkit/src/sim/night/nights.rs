//! What several nights have shown together, and what none of them has.

use std::collections::BTreeSet;

use super::behaviour::KINDS;
use super::{NightReport, Tally};

/// Nights that went as they must, taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nights {
    /// What was counted in all of them.
    pub tally: Tally,
    seen: BTreeSet<String>,
}

impl Nights {
    /// With this one more.
    pub fn add(&mut self, report: &NightReport) {
        self.tally = self.tally.plus(report.tally);
        self.seen.extend(report.seen.iter().cloned());
    }

    /// The faults that have befallen no runner: nights without them prove nothing about them.
    pub fn faults_that_never_came(&self) -> Vec<&'static str> {
        let tally = self.tally;
        let counted = [
            ("kills", tally.kills),
            ("power cuts", tally.power_cuts),
            ("full disks", tally.full_disks),
            ("limits", tally.limits),
            ("silences", tally.silences),
            ("bad turns", tally.bad_turns),
        ];
        let never = counted.into_iter().filter(|(_, count)| *count == 0);
        never.map(|(name, _)| name).collect()
    }

    /// The behaviours that no ticket has had, and those that nobody has written down.
    pub fn behaviours_that_never_came(&self) -> Vec<String> {
        let known: BTreeSet<_> = KINDS.into_iter().map(str::to_owned).collect();
        known.symmetric_difference(&self.seen).cloned().collect()
    }

    /// Whether so many tickets are enough for every fault and every behaviour to have come.
    pub fn are_enough(nights: u64, tickets: usize) -> bool {
        nights >= 10 && nights.saturating_mul(tickets as u64) >= 2000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_say_what_has_not_come() {
        let mut nights = Nights::default();
        assert_eq!(nights.faults_that_never_came().len(), 6);
        assert_eq!(nights.behaviours_that_never_came().len(), KINDS.len());
        let tally = Tally {
            kills: 1,
            ..Tally::default()
        };
        let seen = BTreeSet::from(["Honest".to_owned(), "Dances".to_owned()]);
        nights.add(&NightReport {
            tally,
            seen,
            ..NightReport::default()
        });
        assert!(!nights.faults_that_never_came().contains(&"kills"));
        let never = nights.behaviours_that_never_came();
        assert!(never.contains(&"Dances".to_owned()) && never.contains(&"Flood".to_owned()));
        assert!(!never.contains(&"Honest".to_owned()));
    }
}
