//! The one way to hash: SHA-256 over stored bytes, written as `sha256:` and 64 lower-case hex digits.

use std::str::FromStr;

use sha2::Digest as _;

use crate::text_form::text_form;

/// A SHA-256 digest of bytes.
///
/// ```
/// let digest = counterfoil_ledger_core::Digest::of(b"abc");
/// assert!(digest.to_string().starts_with("sha256:ba7816bf"));
/// assert_eq!(digest.to_string().parse(), Ok(digest));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// The text is not `sha256:` followed by 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: expected `sha256:` and 64 lower-case hex digits")]
pub struct InvalidDigest;

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest with these 32 bytes.
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Hashes what comes piece by piece.
    ///
    /// ```
    /// use counterfoil_ledger_core::Digest;
    /// let mut hashing = Digest::hashing();
    /// hashing.update(b"a");
    /// hashing.update(b"bc");
    /// assert_eq!(hashing.digest(), Digest::of(b"abc"));
    /// ```
    pub fn hashing() -> Hashing {
        Hashing(sha2::Sha256::new())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hex digits without the prefix, as file names and `sha256sum` write them.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    fn text(&self) -> String {
        format!("sha256:{}", self.hex())
    }
}

/// A digest of bytes that come piece by piece.
#[derive(Debug, Clone)]
pub struct Hashing(sha2::Sha256);

impl Hashing {
    /// The next piece.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// The digest of all of them.
    pub fn digest(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let digits = text.strip_prefix("sha256:").ok_or(InvalidDigest)?;
        unhex(digits).map(Self).ok_or(InvalidDigest)
    }
}

text_form!(
    Digest,
    name = "Digest",
    description = "SHA-256 of the stored bytes: `sha256:` and 64 lower-case hex digits",
    pattern = "^sha256:[0-9a-f]{64}$"
);

/// Lower-case hex digits of these bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The bytes that exactly `2 * N` lower-case hex digits stand for.
pub(crate) fn unhex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_what_is_not_exact() {
        let digest = Digest::of(b"");
        assert_eq!(
            digest.hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in [
            "",
            "sha256:",
            "sha1:00",
            &digest.hex(),
            &digest.to_string().to_uppercase(),
        ] {
            assert_eq!(wrong.parse::<Digest>(), Err(InvalidDigest), "{wrong}");
        }
    }
}
