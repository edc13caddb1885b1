//! `requires`: which versions of foil a policy is written for.

use std::fmt;
use std::str::FromStr;

use super::text::InvalidText;

/// A version of foil: major, minor, patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoilVersion([u64; 3]);

impl FoilVersion {
    /// The version that this crate is released with.
    pub fn current() -> Self {
        env!("CARGO_PKG_VERSION").parse().unwrap_or(Self([0; 3]))
    }
}

impl FromStr for FoilVersion {
    type Err = InvalidText;

    /// One to three numbers with dots; what is missing is zero. A pre-release counts as its release.
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let wrong = || InvalidText::new(text, "a version", "write one to three numbers with dots, such as `0.1`");
        let release = text.split(['-', '+']).next().unwrap_or_default();
        let mut numbers = [0; 3];
        for (index, part) in release.split('.').enumerate() {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let number = numbers.get_mut(index).filter(|_| digits).ok_or_else(wrong)?;
            *number = part.parse().map_err(|_| wrong())?;
        }
        Ok(Self(numbers))
    }
}

impl fmt::Display for FoilVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// A requirement such as `>=0.1` or `>=0.1, <0.3`: bounds that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRequirement {
    least: FoilVersion,
    below: Option<FoilVersion>,
}

impl VersionRequirement {
    /// Whether this version will do.
    pub fn is_met_by(&self, version: FoilVersion) -> bool {
        version >= self.least && self.below.is_none_or(|below| version < below)
    }
}

impl FromStr for VersionRequirement {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let wrong = || InvalidText::new(text, "a version requirement", "write it like `>=0.1` or `>=0.1, <0.3`");
        let (least, below) = match text.split_once(',') {
            None => (text, None),
            Some((least, below)) => (least, Some(below)),
        };
        let bound = |text: &str, sign: &str| -> Result<FoilVersion, InvalidText> {
            let number = text.trim().strip_prefix(sign).ok_or_else(wrong)?.trim();
            if number.contains(['-', '+']) {
                return Err(wrong());
            }
            number.parse().map_err(|_| wrong())
        };
        Ok(Self {
            least: bound(least, ">=")?,
            below: below.map(|below| bound(below, "<")).transpose()?,
        })
    }
}

impl fmt::Display for VersionRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ">= {}", self.least)?;
        match self.below {
            Some(below) => write!(f, ", < {below}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_compared_number_by_number() {
        for (requirement, version, met) in [
            (">=0.1", "0.1.0", true),
            (">=0.1", "0.0.9", false),
            (">= 0.9", "0.10.0", true),
            (">=0.1, <0.3", "0.2.9", true),
            (">=0.1,<0.3", "0.3.0", false),
            (">=1", "0.99.99", false),
            (">=0.1.2", "0.1.1", false),
            (">=0.2", "0.2.0-rc.1", true),
        ] {
            let parsed: VersionRequirement = requirement.parse().unwrap();
            assert_eq!(
                parsed.is_met_by(version.parse().unwrap()),
                met,
                "{requirement} {version}"
            );
        }
        for bad in [
            "",
            "0.1",
            "^0.1",
            ">=",
            ">=a",
            ">=0.1.2.3",
            "<0.3",
            ">=0.1, >=0.2",
            ">=0.1,<",
            ">=0.1-rc",
            ">=0..1",
        ] {
            assert!(bad.parse::<VersionRequirement>().is_err(), "{bad}");
        }
    }
}
