//! Names of what specs list: `REQ-001`, `DEC-001`, `TASK-001`, `ADD-001`, `MOD-001`, `REM-001`.

use crate::id::name_type;

/// A prefix, a hyphen, and upper-case letters, digits and single hyphens.
fn broken_rule(name: &str, prefixes: &[&str]) -> Option<&'static str> {
    let rest = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
    let Some(rest) = rest else {
        return Some("it has another prefix");
    };
    if name.len() > 60 {
        return Some("it must have at most 60 characters");
    }
    let fits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    (!rest.split('-').all(fits)).then_some("after its prefix it has upper-case letters and digits, such as `001`")
}

name_type!(
    RequirementId,
    "RequirementId",
    "requirement id, such as `REQ-001`",
    rule = |name| broken_rule(name, &["REQ-"]),
    pattern = "^REQ-[A-Z0-9]+(-[A-Z0-9]+)*$",
    "Name of a requirement, such as `REQ-001`; the same one never means two requirements of a repository"
);
name_type!(
    DecisionId,
    "DecisionId",
    "decision id, such as `DEC-001`",
    rule = |name| broken_rule(name, &["DEC-"]),
    pattern = "^DEC-[A-Z0-9]+(-[A-Z0-9]+)*$",
    "Name of a decision of a design, such as `DEC-001`"
);
name_type!(
    TaskId,
    "TaskId",
    "task id, such as `TASK-001`",
    rule = |name| broken_rule(name, &["TASK-"]),
    pattern = "^TASK-[A-Z0-9]+(-[A-Z0-9]+)*$",
    "Name of a task, such as `TASK-001`"
);
name_type!(
    DeltaItemId,
    "DeltaItemId",
    "delta item id, such as `ADD-001`, `MOD-001` or `REM-001`",
    rule = |name| broken_rule(name, &["ADD-", "MOD-", "REM-"]),
    pattern = "^(ADD|MOD|REM)-[A-Z0-9]+(-[A-Z0-9]+)*$",
    "Name of an item of a delta: `ADD-001`, `MOD-001`, `REM-001`"
);

impl RequirementId {
    /// The requirement of this number: `REQ-007`.
    pub fn numbered(number: u32) -> Self {
        Self(format!("REQ-{number:03}"))
    }

    /// The number, where the name is a prefix and a number.
    pub fn number(&self) -> Option<u32> {
        self.0.strip_prefix("REQ-")?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_prefix_and_plain_parts() {
        for good in ["REQ-001", "REQ-1", "REQ-LOGIN-001"] {
            assert!(good.parse::<RequirementId>().is_ok(), "{good}");
        }
        for bad in [
            "", "REQ-", "req-001", "REQ-a", "REQ--1", "REQ-1-", "DEC-001", "REQ-001 ", "REQ-é",
        ] {
            assert!(bad.parse::<RequirementId>().is_err(), "{bad}");
        }
        assert!(format!("REQ-{}", "1".repeat(57)).parse::<RequirementId>().is_err());
        assert!("MOD-001".parse::<DeltaItemId>().is_ok());
        assert_eq!(RequirementId::numbered(7).number(), Some(7));
        assert_eq!("REQ-LOGIN-7".parse::<RequirementId>().unwrap().number(), None);
    }
}
