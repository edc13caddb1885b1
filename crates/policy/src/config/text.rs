//! Checked texts: strings of the policy that are read once and are right from then on.

/// A text of the policy that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: {reason}")]
pub struct InvalidText {
    /// What was given, shortened.
    pub text: String,
    /// What was expected, with its article.
    pub what: &'static str,
    /// The rule that it breaks.
    pub reason: String,
}

impl InvalidText {
    /// An error about `text`, which is shortened and made printable.
    pub(crate) fn new(text: &str, what: &'static str, reason: impl Into<String>) -> Self {
        let text = text
            .chars()
            .take(120)
            .map(|c| if c.is_control() { '\u{fffd}' } else { c });
        Self {
            text: text.collect(),
            what,
            reason: reason.into(),
        }
    }
}

/// A newtype over `String` that can only be made through `FromStr`, with serde and a schema. The rule is a function from
/// `&str` to `Result<(), String>`.
macro_rules! checked_text {
    ($(#[doc = $doc:literal])+ $type:ident, what = $what:literal, rule = $rule:path, example = $example:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// The text as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::config::InvalidText;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match $rule(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(reason) => Err($crate::config::InvalidText::new(text, $what, reason)),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "title": stringify!($type),
                    "description": concat!($($doc),+).trim(),
                    "examples": [$example],
                })
            }
        }
    };
}
pub(crate) use checked_text;
