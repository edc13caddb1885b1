//! What a source file offers to others, as far as its words tell.
//!
//! No parser: a public declaration is found by the word that makes it one, or by its place, and taken up to where its body begins.
//! Comments and layout do not count, nor do bodies and values. Options of a command line are offered wherever they stand. Where that
//! errs it finds too much rather than too little.

mod go;
mod members;
mod php;
mod placed;
mod public;
mod rust;
mod script;
mod source;

use ledger_core::RepoPath;

use self::source::{Found, Source};
use super::options::options;
use crate::changes::is_migration;
use crate::tokens;

/// The most bytes of a source file that are looked at: all its words are held in memory. What is larger was made by a program.
const MAX_BYTES: usize = 2 << 20;

/// What stands for the declarations of a file in which there is too much to tell.
const TOO_MUCH: &str = "more than can be compared";

/// The public declarations that differ between the two sides of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicApiChange {
    /// Those that only the new side has, in the order of their bytes. A changed signature is both added and removed.
    pub added: Vec<String>,
    /// Those that only the old side has.
    pub removed: Vec<String>,
}

impl PublicApiChange {
    /// Whether both sides offer the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// Languages whose public declarations are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Script,
    Python,
    Go,
    Java,
    CSharp,
    Php,
    Swift,
    Kotlin,
    Ruby,
}

impl Language {
    /// How it writes comments and texts.
    fn words(self) -> tokens::Language {
        match self {
            Self::Rust => tokens::Language::Rust,
            Self::Script => tokens::Language::Script,
            Self::Python => tokens::Language::Python,
            Self::Go => tokens::Language::Go,
            Self::Java => tokens::Language::Jvm,
            Self::Kotlin => tokens::Language::Kotlin,
            Self::CSharp => tokens::Language::CSharp,
            Self::Php => tokens::Language::Php,
            Self::Swift => tokens::Language::Swift,
            Self::Ruby => tokens::Language::Hash,
        }
    }
}

fn language_of(path: &RepoPath) -> Option<Language> {
    let name = path.file_name().to_ascii_lowercase();
    let name = std::str::from_utf8(&name).unwrap_or_default();
    Some(match name.rsplit_once('.')?.1 {
        "rs" => Language::Rust,
        "ts" | "tsx" | "mts" | "cts" | "js" | "jsx" | "mjs" | "cjs" => Language::Script,
        "py" => Language::Python,
        "go" => Language::Go,
        "java" => Language::Java,
        "cs" => Language::CSharp,
        "php" => Language::Php,
        "swift" => Language::Swift,
        "kt" => Language::Kotlin,
        "rb" => Language::Ruby,
        _ => return None,
    })
}

/// Whether what a file of this name offers to others can be told from its content. Classes of Ruby's migrations are called by their
/// framework alone, and that they change how data is stored is told by their path.
pub fn has_public_api(path: &RepoPath) -> bool {
    match language_of(path) {
        None => false,
        Some(Language::Ruby) if is_migration(path) => false,
        Some(_) => !super::paths::is_test(path),
    }
}

/// What a change does to the declarations that a source file offers to others, the options and commands of its command line among them;
/// none: the file is a test, or of no language that is known. A side that is not there offers nothing.
///
/// ```
/// use counterfoil_policy::public_api_change;
/// let path = "src/lib.rs".parse().unwrap();
/// let change = public_api_change(&path, Some(b"pub fn a() {\n    1\n}\n"), Some(b"pub fn a() {\n    2\n}\npub fn b() {}\n")).unwrap();
/// assert_eq!((change.added, change.removed), (vec!["pub fn b()".to_owned()], vec![]));
/// ```
pub fn public_api_change(path: &RepoPath, before: Option<&[u8]>, after: Option<&[u8]>) -> Option<PublicApiChange> {
    if !has_public_api(path) {
        return None;
    }
    let language = language_of(path)?;
    let file = String::from_utf8_lossy(path.file_name());
    let of = |side: Option<&[u8]>| match side {
        Some(bytes) if bytes.len() > MAX_BYTES => None,
        Some(bytes) => offered(language, &file, &String::from_utf8_lossy(bytes)),
        None => Some(Found::default()),
    };
    let (Some(old), Some(new)) = (of(before), of(after)) else {
        return Some(PublicApiChange {
            added: vec![TOO_MUCH.to_owned()],
            removed: Vec::new(),
        });
    };
    Some(PublicApiChange {
        added: new.without(&old),
        removed: old.without(&new),
    })
}

/// What a file offers to others; none: there is too much in it to tell.
fn offered(language: Language, file: &str, text: &str) -> Option<Found> {
    let mut source = Source::new(text, language);
    match language {
        Language::Rust => rust::rust(&mut source),
        Language::Script => script::script(&mut source),
        Language::Go => go::go(&mut source),
        Language::Java | Language::CSharp | Language::Swift => public::public(&mut source, language),
        Language::Php => php::php(&mut source),
        Language::Python | Language::Kotlin | Language::Ruby => placed::placed(&mut source, text, file),
    }
    // What begins with `*` is code where the words say so, and else goes on with a comment.
    let starred = source.lines_beginning_with("*");
    let mut found = source.finish()?;
    for option in options(language, text, |line| starred.contains(&line)) {
        found.add_text(option);
    }
    Some(found)
}
