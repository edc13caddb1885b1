//! A part of a whole, kept exactly.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A part of a whole, from 0.001 to 1 in steps of a thousandth. Kept as a whole number, so that the same limit always
/// comes out to the same token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// This many thousandths, kept between 1 and 1000.
    pub const fn thousandths(count: u16) -> Self {
        match count {
            0 => Self(1),
            more if more > 1000 => Self(1000),
            fits => Self(fits),
        }
    }

    /// In percent, rounded down, and at least 1.
    pub const fn percent(self) -> u8 {
        match self.0 / 10 {
            0 => 1,
            // The cast is exact: at most 100.
            percent => percent as u8,
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 1000.0)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        let thousandths = (value * 1000.0).round();
        if (1.0..=1000.0).contains(&thousandths) {
            // The cast is exact: the value is whole and within 1 and 1000.
            Ok(Self(thousandths as u16))
        } else {
            Err(serde::de::Error::custom(format!(
                "{value} is not a share: it must lie between 0.001 and 1"
            )))
        }
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "title": "Share",
            "description": "A part of a whole, such as 0.8",
            "minimum": 0.001,
            "maximum": 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_in_percent_and_never_to_nothing() {
        assert_eq!(Share::thousandths(800).percent(), 80);
        assert_eq!(Share::thousandths(1000).percent(), 100);
        assert_eq!(Share::thousandths(999).percent(), 99);
        assert_eq!(Share::thousandths(1).percent(), 1);
    }
}
