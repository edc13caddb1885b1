//! Names of Git objects and refs, one type for each kind so that a tree is never taken for a commit.

use std::str::FromStr;

use crate::digest::{hex, unhex};
use crate::text_form::text_form;

/// The text is not 40 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an object id: expected 40 lower-case hex digits")]
pub struct InvalidObjectId;

/// A SHA-1 object id of any kind. SHA-256 repositories are refused at discovery.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 20]);

impl ObjectId {
    /// The id that Git uses for "does not exist".
    pub const ZERO: Self = Self([0; 20]);

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    fn text(&self) -> String {
        hex(&self.0)
    }
}

impl FromStr for ObjectId {
    type Err = InvalidObjectId;

    fn from_str(text: &str) -> Result<Self, InvalidObjectId> {
        unhex(text).map(Self).ok_or(InvalidObjectId)
    }
}

text_form!(
    ObjectId,
    name = "ObjectId",
    description = "Git object id: 40 lower-case hex digits",
    pattern = "^[0-9a-f]{40}$"
);

macro_rules! object_kind {
    ($name:ident, $text:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub ObjectId);

        impl $name {
            /// The first twelve digits, for people.
            pub fn short(&self) -> String {
                self.0.text().chars().take(12).collect()
            }

            fn text(&self) -> String {
                self.0.text()
            }
        }

        impl FromStr for $name {
            type Err = InvalidObjectId;

            fn from_str(text: &str) -> Result<Self, InvalidObjectId> {
                text.parse().map(Self)
            }
        }

        text_form!(
            $name,
            name = $text,
            description = $doc,
            pattern = "^[0-9a-f]{40}$"
        );
    };
}

object_kind!(TreeId, "TreeId", "Object id of a Git tree: 40 lower-case hex digits");
object_kind!(
    CommitId,
    "CommitId",
    "Object id of a Git commit: 40 lower-case hex digits"
);
object_kind!(BlobId, "BlobId", "Object id of a Git blob: 40 lower-case hex digits");

/// The text is not a full ref name that Git accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a full ref name: {reason}")]
pub struct InvalidRefName {
    /// What was given.
    pub name: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

/// A full ref name such as `refs/heads/main`, by the rules of `git check-ref-format`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(String);

impl RefName {
    /// The branch with this short name.
    pub fn branch(short: &str) -> Result<Self, InvalidRefName> {
        format!("refs/heads/{short}").parse()
    }

    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without `refs/heads/` for a branch, the full name for anything else.
    pub fn short(&self) -> &str {
        self.0.strip_prefix("refs/heads/").unwrap_or(&self.0)
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

impl FromStr for RefName {
    type Err = InvalidRefName;

    fn from_str(name: &str) -> Result<Self, InvalidRefName> {
        match broken_rule(name) {
            None => Ok(Self(name.to_owned())),
            Some(reason) => Err(InvalidRefName {
                name: name.to_owned(),
                reason,
            }),
        }
    }
}

text_form!(
    RefName,
    name = "RefName",
    description = "Full Git ref name, such as `refs/heads/main`",
    pattern = "^refs/[^ ~^:?*\\[\\\\]+$"
);

/// The rules of git-check-ref-format(1) for a full name below `refs/`.
fn broken_rule(name: &str) -> Option<&'static str> {
    if !name.starts_with("refs/") {
        return Some("it does not begin with `refs/`");
    }
    if name.bytes().any(|b| b < 0x20 || b == 0x7f || b" ~^:?*[\\".contains(&b)) {
        return Some("it holds a space, a control character or one of `~^:?*[\\`");
    }
    if name.contains("..") || name.contains("@{") {
        return Some("it holds `..` or `@{`");
    }
    if name.ends_with('.') {
        return Some("it ends in a dot");
    }
    for part in name.split('/') {
        if part.is_empty() {
            return Some("a part of it is empty");
        }
        if part.starts_with('.') {
            return Some("a part of it begins with a dot");
        }
        if part.ends_with(".lock") {
            return Some("a part of it ends in `.lock`");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_names_follow_check_ref_format() {
        for good in ["refs/heads/main", "refs/heads/foil/0042-x", "refs/counterfoil/runs/a/b"] {
            assert_eq!(good.parse::<RefName>().map(|r| r.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "main",
            "refs/heads/",
            "refs//x",
            "refs/heads/a..b",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a b",
            "refs/heads/a\n",
            "refs/heads/a@{1}",
            "refs/heads/a.",
            "refs/heads/a?",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad}");
        }
    }
}
