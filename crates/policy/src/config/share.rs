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

    /// The part of `whole`, rounded down; never overflows.
    pub const fn of(self, whole: u64) -> u64 {
        let share = self.0 as u64;
        // Split so that the product stays within 64 bits.
        (whole / 1000) * share + (whole % 1000) * share / 1000
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
    fn a_share_of_a_whole_never_overflows() {
        assert_eq!(Share::thousandths(800).of(5_000_000), 4_000_000);
        assert_eq!(Share::thousandths(1000).of(u64::MAX), u64::MAX);
        assert_eq!(Share::thousandths(1).of(999), 0);
    }
}
