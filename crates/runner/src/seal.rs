//! Files of ours in places of the user's: each says the digest of itself, by which it is known whether it was changed since.

use ledger_core::Digest;

/// Stands for the digest in the text that the digest is of.
pub(crate) const PLACE: &str = "{digest}";
/// How far the place of the digest is from the beginning at most.
const HEAD_BYTES: usize = 400;

/// The text with the digest of itself in its place, by which it is known to be ours and unchanged.
pub(crate) fn sealed(text: &str) -> String {
    text.replacen(PLACE, &Digest::of(text).to_string(), 1)
}

/// Whether the text is as it was once sealed.
pub(crate) fn is_sealed(text: &str) -> bool {
    let head_end = (0..=HEAD_BYTES.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let head = &text[..head_end.unwrap_or(0)];
    let length = Digest::of("").to_string().len();
    let Some(at) = head.find("(sha256:").map(|at| at + 1) else {
        return false;
    };
    let Some(digest) = text.get(at..at + length) else {
        return false;
    };
    let unsealed = [&text[..at], PLACE, &text[at + length..]].concat();
    digest
        .parse::<Digest>()
        .is_ok_and(|digest| digest == Digest::of(unsealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_of_the_whole_text() {
        let text = sealed("# (x) ({digest})\na\n");
        assert!(is_sealed(&text));
        for other in [
            text.replace("\na", "\nb"),
            text.replace("# ", "## "),
            format!("{text}\n"),
            text.replace("sha256:", "sha256:0"),
            "# (sha256:".to_owned(),
            String::new(),
            format!("{}{text}", "é".repeat(300)),
        ] {
            assert!(!is_sealed(&other), "{other}");
        }
    }
}
