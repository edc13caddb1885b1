//! File names that must not be delivered, and names that some file systems take for one.

use gix::bstr::ByteSlice;
use unicode_normalization::UnicodeNormalization as _;

/// Whether Git would refuse this name in a tree, on any system: `.git` in each disguise that some file system knows, and
/// a `.gitmodules` that is a symbolic link.
pub(crate) fn is_forbidden(name: &[u8], is_symlink: bool) -> bool {
    use gix::validate::path::component;
    let mode = is_symlink.then_some(component::Mode::Symlink);
    let options = component::Options {
        // Names that only Windows cannot have are common in real repositories.
        protect_windows: false,
        protect_hfs: true,
        protect_ntfs: true,
    };
    gix::validate::path::component(name.as_bstr(), mode, options).is_err()
}

/// Whether any part of this path is forbidden.
pub(crate) fn is_forbidden_path(path: &[u8], is_symlink: bool) -> bool {
    let mut parts = path.split(|byte| *byte == b'/').peekable();
    while let Some(part) = parts.next() {
        if is_forbidden(part, is_symlink && parts.peek().is_none()) {
            return true;
        }
    }
    false
}

/// The form under which a file system that folds case and normal forms would find the name.
pub(crate) fn folded(name: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(name) {
        Ok(name) if name.is_ascii() => name.to_ascii_lowercase().into_bytes(),
        Ok(name) => {
            let composed: String = name.nfc().collect();
            // Upper first: `ß` and `ſ` meet `ss` and `s` only there.
            let folded: String = composed.to_uppercase().to_lowercase().nfc().collect();
            folded.into_bytes()
        }
        Err(_) => name.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_in_disguise_is_forbidden() {
        for bad in [
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            ".git\u{200c}",
            ".git ",
            ".git.",
            ".git::$INDEX_ALLOCATION",
        ] {
            assert!(is_forbidden(bad.as_bytes(), false), "{bad:?}");
        }
        for good in [".gitignore", ".gitmodules", "git", ".github", "a\\b", "con", "x:y"] {
            assert!(!is_forbidden(good.as_bytes(), false), "{good:?}");
        }
        assert!(is_forbidden(b".gitmodules", true));
        assert!(is_forbidden_path(b"a/.git/config", false));
    }

    #[test]
    fn twins_fold_to_one_name() {
        assert_eq!(folded(b"README"), folded(b"readme"));
        assert_eq!(folded("é".as_bytes()), folded("e\u{301}".as_bytes()));
        assert_eq!(folded("É".as_bytes()), folded("e\u{301}".as_bytes()));
        assert_eq!(folded("Straße".as_bytes()), folded(b"STRASSE"));
        assert_eq!(folded("\u{17f}rc".as_bytes()), folded(b"src"));
        assert_ne!(folded(b"a"), folded(b"b"));
    }
}
