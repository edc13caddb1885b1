//! Names as file systems see them that do not keep case, normal forms or invisible characters apart.

use unicode_normalization::UnicodeNormalization;

use ledger_core::RepoPath;

/// The form under which two paths are one file on some file system: composed, without case, without characters that HFS+
/// ignores, and each part without what NTFS drops at its end. Bytes that are not UTF-8 only lose their ASCII case.
pub(super) fn folded_path(path: &RepoPath) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = path.parts().map(folded_part).collect();
    parts.join(&b'/')
}

pub(super) fn folded_part(part: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(part) else {
        return part.to_ascii_lowercase();
    };
    let folded = folded_text(text);
    // NTFS: `name:stream` opens `name`; trailing dots and spaces are dropped.
    let name = folded
        .split(':')
        .next()
        .unwrap_or_default()
        .trim_end_matches(['.', ' ']);
    if name.is_empty() {
        folded.into_bytes()
    } else {
        name.as_bytes().to_vec()
    }
}

/// The same for the text of a pattern, whose parts keep their ends.
pub(super) fn folded_text(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let visible: String = text.nfc().filter(|character| !is_ignored(*character)).collect();
    // Upper first: some letters, such as `ſ`, meet their plain form only there.
    visible.to_uppercase().to_lowercase().nfc().collect()
}

fn is_ignored(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
