//! Sizes as people write them: `2 GiB`, `512 KiB`, `1500000 B`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::InvalidText;

/// A number of bytes, written with a unit: `B`, `KiB`, `MiB`, `GiB`, `TiB`, or the decimal `kB`, `MB`, `GB`, `TB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// This many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many KiB, at most what fits.
    pub const fn kibibytes(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// This many GiB, at most what fits.
    pub const fn gibibytes(count: u64) -> Self {
        Self(count.saturating_mul(1 << 30))
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let wrong = |reason: &str| InvalidText::new(text, "a size", reason);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number
            .parse()
            .map_err(|_| wrong("write a whole number and a unit, such as `2 GiB` or `512 KiB`"))?;
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let (_, size) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| wrong("the unit must be one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB"))?;
        number
            .checked_mul(size)
            .map(Self)
            .ok_or_else(|| wrong("it is more than can be counted"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS
            .into_iter()
            .take(4)
            .find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size))
            .unwrap_or(("B", 1));
        f.pad(&format!("{} {unit}", self.0 / size))
    }
}

impl fmt::Debug for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByteSize({self})")
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "ByteSize",
            "description": "A number of bytes with its unit, such as `2 GiB`, `512 KiB` or `1500000 B`",
            "pattern": "^[0-9]+ ?(B|[KMGT]iB|kB|[MGT]B)$",
            "examples": ["2 GiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_trip_and_nonsense_is_refused() {
        for (text, bytes, back) in [
            ("2 GiB", 2 << 30, "2 GiB"),
            ("512KiB", 512 << 10, "512 KiB"),
            ("1500 B", 1500, "1500 B"),
            ("2 kB", 2000, "2000 B"),
            ("0 B", 0, "0 B"),
            ("1024 MiB", 1 << 30, "1 GiB"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.as_bytes(), size.to_string().as_str()), (bytes, back));
        }
        for bad in [
            "",
            "GiB",
            "2",
            "2 gib",
            "-1 B",
            "1.5 GiB",
            "2  GiB",
            "99999999999 TiB",
            "2 GiB ",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad:?}");
        }
    }
}
