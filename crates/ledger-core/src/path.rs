//! Paths inside a repository: bytes, as Git stores them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::hex;

/// A path relative to the repository's root, with `/` between its parts. Any bytes but NUL, as in Git.
///
/// In JSON it is a string where it is UTF-8, else `{"bytes": "<hex digits>"}`, so that nothing is lost.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(Vec<u8>);

/// The bytes are no path that Git could store in a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a path in a repository: {reason}", printable(.path))]
pub struct InvalidRepoPath {
    /// What was given.
    pub path: Vec<u8>,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl RepoPath {
    /// A path from these bytes. Refuses what is empty, absolute, holds NUL, or has an empty, `.` or `..` part.
    pub fn new(path: impl Into<Vec<u8>>) -> Result<Self, InvalidRepoPath> {
        let path = path.into();
        match broken_rule(&path) {
            None => Ok(Self(path)),
            Some(reason) => Err(InvalidRepoPath { path, reason }),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as text where it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The parts between the slashes.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.0.split(|byte| *byte == b'/')
    }

    /// The last part.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// Whether this path is `folder` or lies below it.
    pub fn is_within(&self, folder: &RepoPath) -> bool {
        self.0
            .strip_prefix(folder.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

fn broken_rule(path: &[u8]) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.contains(&0) {
        return Some("it holds a NUL byte");
    }
    if path[0] == b'/' {
        return Some("it is absolute");
    }
    path.split(|byte| *byte == b'/').find_map(|part| match part {
        b"" => Some("a part of it is empty"),
        b"." | b".." => Some("a part of it is `.` or `..`"),
        _ => None,
    })
}

/// For people: control characters and what is not UTF-8 as `\xNN`, so that a name cannot forge a line of output.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || is_direction_mark(character) {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    text.push_str(&format!("\\x{byte:02x}"));
                }
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Characters that reorder or hide what follows on a terminal.
fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&printable(&self.0))
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoPath({self})")
    }
}

impl std::str::FromStr for RepoPath {
    type Err = InvalidRepoPath;

    fn from_str(path: &str) -> Result<Self, InvalidRepoPath> {
        Self::new(path)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Wire {
    /// A path that is UTF-8.
    Text(String),
    /// A path that is not UTF-8.
    Bytes {
        /// The bytes as lower-case hex digits.
        bytes: String,
    },
}

impl Serialize for RepoPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => Wire::Bytes { bytes: hex(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RepoPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = match Wire::deserialize(deserializer)? {
            Wire::Text(text) => text.into_bytes(),
            Wire::Bytes { bytes } => decode(&bytes)
                .ok_or_else(|| serde::de::Error::custom("a path's bytes must be pairs of lower-case hex digits"))?,
        };
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

fn decode(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len() / 2)
        .map(|i| crate::digest::unhex::<1>(&digits[2 * i..2 * i + 2]).map(|[byte]| byte))
        .collect()
}

impl JsonSchema for RepoPath {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RepoPath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "title": "RepoPath",
            "description": "Path relative to the repository's root: a string, or its bytes in hex where it is not UTF-8",
            "anyOf": [
                { "type": "string", "pattern": "^[^/]+(/[^/]+)*$" },
                {
                    "type": "object",
                    "properties": {
                        "bytes": {
                            "description": "The bytes as lower-case hex digits",
                            "type": "string",
                            "pattern": "^([0-9a-f]{2})+$",
                        },
                    },
                    "required": ["bytes"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_utf8_survives_json() {
        let path = RepoPath::new(*b"src/\xff\n.rs").unwrap();
        let json = serde_json::to_string(&path).unwrap();
        assert_eq!(json, r#"{"bytes":"7372632fff0a2e7273"}"#);
        assert_eq!(serde_json::from_str::<RepoPath>(&json).unwrap(), path);
        assert_eq!(path.to_string(), r"src/\xff\x0a.rs");
    }

    #[test]
    fn what_git_could_not_store_is_refused() {
        for bad in ["", "/a", "a//b", "a/", "../a", "a/./b", "a\0"] {
            assert!(RepoPath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn within_is_by_whole_parts() {
        let path = |text: &str| text.parse::<RepoPath>().unwrap();
        assert!(path("a/b/c").is_within(&path("a/b")));
        assert!(path("a/b").is_within(&path("a/b")));
        assert!(!path("a/bc").is_within(&path("a/b")));
    }
}
