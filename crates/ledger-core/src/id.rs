//! Names of tickets, runs, packages and agent threads.

use std::str::FromStr;

use crate::text_form::text_form;

/// A name that does not fit, with the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a {what}: {reason}")]
pub struct InvalidName {
    /// What was given, shortened.
    pub name: String,
    /// Which kind of name was expected.
    pub what: &'static str,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl InvalidName {
    pub(crate) fn new(name: &str, what: &'static str, reason: &'static str) -> Self {
        let name = name.chars().take(120).flat_map(char::escape_default).collect();
        Self { name, what, reason }
    }
}

/// What may name a folder, a branch and a ref on every system that we know of.
fn broken_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 100 {
        return Some("it must have 1 to 100 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Some("it may hold only letters, digits and `._-`");
    }
    if !name.as_bytes()[0].is_ascii_alphanumeric() {
        return Some("it must begin with a letter or a digit");
    }
    if name.contains("..") {
        return Some("it must not hold `..`");
    }
    if name.ends_with('.') {
        return Some("it must not end in a dot");
    }
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".lock") {
        return Some("it must not end in `.lock`");
    }
    let stem = lower.split('.').next().unwrap_or_default();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|n| n.len() == 1 && (b'1'..=b'9').contains(&n.as_bytes()[0]))
    };
    if ["con", "prn", "aux", "nul"].contains(&stem) || numbered("com") || numbered("lpt") {
        return Some("it is a reserved name on Windows");
    }
    None
}

/// A type of names that keep to a rule: a function that tells which part of it a name breaks.
macro_rules! name_type {
    ($type:ident, $name:literal, $what:literal, rule = $rule:expr, pattern = $pattern:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn text(&self) -> String {
                self.0.clone()
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::id::InvalidName;

            fn from_str(name: &str) -> Result<Self, $crate::id::InvalidName> {
                let rule: fn(&str) -> Option<&'static str> = $rule;
                match rule(name) {
                    None => Ok(Self(name.to_owned())),
                    Some(reason) => Err($crate::id::InvalidName::new(name, $what, reason)),
                }
            }
        }

        $crate::text_form::text_form!($type, name = $name, description = $doc, pattern = $pattern);
    };
    ($type:ident, $name:literal, $what:literal, $doc:literal) => {
        $crate::id::name_type!(
            $type,
            $name,
            $what,
            rule = broken_rule,
            pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
            $doc
        );
    };
}
pub(crate) use name_type;

name_type!(
    TicketId,
    "TicketId",
    "ticket id",
    "Name of a ticket's folder: 1–100 of `A-Za-z0-9._-`, beginning with a letter or digit"
);
name_type!(
    RunId,
    "RunId",
    "run id",
    "Name of one attempt at a ticket. Given by the runner, sortable by time"
);
name_type!(
    PackageName,
    "PackageName",
    "package name",
    "Name of a package of tickets"
);
name_type!(
    SteeringName,
    "SteeringName",
    "name of a steering pack",
    "Name of a steering pack: its file's, without `.md`"
);

impl TicketId {
    /// The form under which two ids may not both exist: some file systems and forges fold case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// An agent's name for a conversation. Opaque: given by the worker, so bounded and printable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId(String);

impl ThreadId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

impl FromStr for ThreadId {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() || name.len() > 200 {
            return Err(InvalidName::new(name, "thread id", "it must have 1 to 200 characters"));
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b)) {
            return Err(InvalidName::new(
                name,
                "thread id",
                "it may hold only letters, digits and `._-:`",
            ));
        }
        Ok(Self(name.to_owned()))
    }
}

text_form!(
    ThreadId,
    name = "ThreadId",
    description = "The agent's own name for a conversation",
    pattern = "^[A-Za-z0-9._:-]{1,200}$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_do_not_fit_a_folder_a_branch_and_a_ref_are_refused() {
        for good in [
            "0042-validate-email",
            "a",
            "v1.2_x",
            &"x".repeat(100),
            "console",
            "com10",
        ] {
            assert!(good.parse::<TicketId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            &"x".repeat(101),
            "-a",
            ".a",
            "a..b",
            "a.",
            "a.lock",
            "A.LOCK",
            "a/b",
            "a b",
            "é",
            "con",
            "NUL.txt",
            "com1",
            "a\n",
        ] {
            assert!(bad.parse::<TicketId>().is_err(), "{bad:?}");
        }
    }
}
