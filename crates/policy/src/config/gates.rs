//! `[gates]`: further rules for what may be delivered, each for all tickets or by their kind.

use std::fmt;

use ledger_core::{Kind, TicketFile};
use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// `[gates]`: further rules for what may be delivered. Each is one level for all tickets, or a table of levels by the ticket's
/// `kind`. Those that ask for a review mean nothing in loop mode where the policy switches reviews off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatesPolicy {
    /// Tests come first: the runner has to have seen a tree with changed tests, and without any changed source, on which checks
    /// fail. It includes `fail_to_pass`
    pub tdd: GateSetting,
    /// A change of source changes tests as well
    pub changed_tests: GateSetting,
    /// A further review of a change with more than 10 files or 200 added lines, for what can be removed: with `block` it has to pass,
    /// with `warn` what it finds is listed
    pub cleanup_review: GateSetting,
    /// A second, independent review, of whether the code is right and of nothing else: with `block` it has to pass, with `warn` what it
    /// finds is listed
    pub code_review: GateSetting,
    /// A test of the change fails on the base and passes on the change, and no test of the base that passed there fails on the change
    pub fail_to_pass: GateSetting,
    /// Changes of what specs are for by a standard ticket without specs: with `block` they stop the run, with `warn` the packet has them
    /// where the ticket says why it needs none
    pub specs: GateSetting,
    /// Hunks that weaken tests: with `block` a reviewer has to justify each of them, with `warn` they are listed for reviewer and
    /// reader, and only those that come with a repair have to be justified
    pub test_weakening: GateSetting,
}

impl Default for GatesPolicy {
    fn default() -> Self {
        let off = GateSetting::Everywhere(GateLevel::Off);
        Self {
            tdd: off,
            changed_tests: off,
            cleanup_review: off,
            code_review: off,
            fail_to_pass: off,
            specs: GateSetting::Everywhere(GateLevel::Warn),
            // Stops nothing, so that a policy that says nothing of it keeps its meaning.
            test_weakening: GateSetting::Everywhere(GateLevel::Warn),
        }
    }
}

impl GatesPolicy {
    /// What the gates do for tickets of this kind.
    ///
    /// ```
    /// use counterfoil_policy::{Policy, config::GateLevel};
    /// use ledger_core::Kind;
    /// let text = b"[gates]\nfail_to_pass = { bugfix = \"block\", default = \"warn\" }\n";
    /// let gates = Policy::parse(text).unwrap().gates;
    /// assert_eq!(gates.of(Kind::Bugfix).fail_to_pass, GateLevel::Block);
    /// assert_eq!(gates.of(Kind::Feature).fail_to_pass, GateLevel::Warn);
    /// ```
    pub fn of(&self, kind: Kind) -> Gates {
        let default = Self::default();
        let tdd = self.tdd.of(kind, default.tdd);
        let fail_to_pass = self.fail_to_pass.of(kind, default.fail_to_pass);
        Gates {
            tdd,
            changed_tests: self.changed_tests.of(kind, default.changed_tests),
            // That tests failed at first says nothing of those that are there in the end.
            fail_to_pass: tdd.max(fail_to_pass),
            cleanup_review: self.cleanup_review.of(kind, default.cleanup_review),
            code_review: self.code_review.of(kind, default.code_review),
            specs: self.specs.of(kind, default.specs),
            test_weakening: self.test_weakening.of(kind, default.test_weakening),
        }
    }

    /// What the gates do for this ticket: nothing where nothing may change. The whole that a parent brings together is held to those
    /// that ask a reviewer; the others ask for the base of one change, and every child was held to them.
    pub fn of_ticket(&self, ticket: &TicketFile) -> Gates {
        let gates = self.of(ticket.kind);
        let discipline = ticket.mode.discipline();
        if discipline.may_change {
            gates
        } else if discipline.owns_tickets {
            Gates {
                cleanup_review: gates.cleanup_review,
                code_review: gates.code_review,
                test_weakening: gates.test_weakening,
                ..Gates::default()
            }
        } else {
            Gates::default()
        }
    }
}

/// What the gates do for one ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gates {
    /// Tests come first.
    pub tdd: GateLevel,
    /// A change of source changes tests as well.
    pub changed_tests: GateLevel,
    /// A test fails before and passes after.
    pub fail_to_pass: GateLevel,
    /// What can be removed from a large change.
    pub cleanup_review: GateLevel,
    /// Whether the code is right.
    pub code_review: GateLevel,
    /// Changes of what specs are for have specs.
    pub specs: GateLevel,
    /// Hunks that weaken tests.
    pub test_weakening: GateLevel,
}

impl Gates {
    /// Each with its name in the policy.
    pub fn named(&self) -> [(&'static str, GateLevel); 7] {
        [
            ("tdd", self.tdd),
            ("changed_tests", self.changed_tests),
            ("fail_to_pass", self.fail_to_pass),
            ("cleanup_review", self.cleanup_review),
            ("code_review", self.code_review),
            ("specs", self.specs),
            ("test_weakening", self.test_weakening),
        ]
    }

    /// Whether any of them asks what a change does to tests.
    pub fn ask_for_tests(&self) -> bool {
        self.tdd.max(self.changed_tests).max(self.fail_to_pass) > GateLevel::Off
    }
}

/// A level for all tickets, or one for each kind of ticket
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "GateSetting")]
pub enum GateSetting {
    /// The same for all tickets
    Everywhere(GateLevel),
    /// By the ticket's kind
    ByKind(GateTable),
}

impl GateSetting {
    fn of(&self, kind: Kind, otherwise: Self) -> GateLevel {
        match self {
            Self::Everywhere(level) => *level,
            Self::ByKind(table) => table.of(kind).unwrap_or(match otherwise {
                Self::Everywhere(level) => level,
                Self::ByKind(_) => GateLevel::Off,
            }),
        }
    }
}

// Not derived: of an untagged enum serde says no more than that nothing fits.
impl<'de> Deserialize<'de> for GateSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Setting;
        impl<'de> Visitor<'de> for Setting {
            type Value = GateSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`\"block\"`, `\"warn\"`, `\"off\"` or a table of these by kind of ticket")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<GateSetting, E> {
                GateLevel::deserialize(StrDeserializer::new(text)).map(GateSetting::Everywhere)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<GateSetting, A::Error> {
                GateTable::deserialize(MapAccessDeserializer::new(map)).map(GateSetting::ByKind)
            }
        }
        deserializer.deserialize_any(Setting)
    }
}

/// Levels by the ticket's `kind`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GateTable {
    /// For kinds that are not named; absent: as if the gate were not set
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<GateLevel>,
    /// For features
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<GateLevel>,
    /// For bug fixes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bugfix: Option<GateLevel>,
    /// For refactorings
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refactor: Option<GateLevel>,
    /// For tickets about tests
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<GateLevel>,
    /// For tickets about documentation
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation: Option<GateLevel>,
    /// For tickets that find out why
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<GateLevel>,
    /// For tickets that tidy up
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<GateLevel>,
}

impl GateTable {
    fn of(&self, kind: Kind) -> Option<GateLevel> {
        let named = match kind {
            Kind::Feature => self.feature,
            Kind::Bugfix => self.bugfix,
            Kind::Refactor => self.refactor,
            Kind::Test => self.test,
            Kind::Documentation => self.documentation,
            Kind::Diagnosis => self.diagnosis,
            Kind::Cleanup => self.cleanup,
        };
        named.or(self.default)
    }
}

/// What a gate does. A later one is stricter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateLevel {
    /// Nothing
    #[default]
    Off,
    /// It warns
    Warn,
    /// It stops the run
    Block,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Policy;

    const KINDS: [Kind; 7] = [
        Kind::Feature,
        Kind::Bugfix,
        Kind::Refactor,
        Kind::Test,
        Kind::Documentation,
        Kind::Diagnosis,
        Kind::Cleanup,
    ];

    fn gates(text: &str) -> [Gates; 7] {
        let policy = Policy::parse(format!("[gates]\n{text}").as_bytes()).unwrap();
        assert_eq!(
            Policy::parse(toml::to_string(&policy).unwrap().as_bytes()).unwrap(),
            policy,
            "it survives being written"
        );
        KINDS.map(|kind| policy.gates.of(kind))
    }

    #[test]
    fn a_level_is_that_of_the_kind_or_the_tables_default_or_the_gates_own() {
        use GateLevel::{Block, Off, Warn};
        let all =
            "changed_tests = { feature = \"block\", bugfix = \"warn\", cleanup = \"off\", default = \"block\" }\n";
        assert_eq!(
            gates(all).map(|gates| gates.changed_tests),
            [Block, Warn, Block, Block, Block, Block, Off]
        );
        let some = gates("test_weakening = { bugfix = \"block\" }\nchanged_tests = { bugfix = \"block\" }\n");
        assert_eq!(
            some.map(|gates| (gates.test_weakening, gates.changed_tests)),
            [
                (Warn, Off),
                (Block, Block),
                (Warn, Off),
                (Warn, Off),
                (Warn, Off),
                (Warn, Off),
                (Warn, Off)
            ]
        );
    }

    #[test]
    fn tests_that_come_first_have_to_show_the_change_as_well() {
        use GateLevel::{Block, Warn};
        let levels = |text| {
            let Gates { tdd, fail_to_pass, .. } = gates(text)[0];
            (tdd, fail_to_pass)
        };
        assert_eq!(levels("tdd = \"block\"\n"), (Block, Block));
        assert_eq!(levels("tdd = \"warn\"\nfail_to_pass = \"block\"\n"), (Warn, Block));
        assert_eq!(levels("tdd = \"block\"\nfail_to_pass = \"warn\"\n"), (Block, Block));
    }
}
