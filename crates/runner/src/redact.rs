//! What must not leave in a text: paths of the machine, secrets, and characters that do something to a terminal.

mod events;

use std::path::Path;
use std::sync::Arc;

use policy::{Policy, SecretRules};

use crate::workspace::Workspace;

/// What stands where a secret was.
const MASK: &str = "[secret]";

/// Known values shorter than this are not masked: they would blot out ordinary words.
const SHORTEST_SECRET: usize = 6;

/// The same for values of which nobody says that they are secret.
const SHORTEST_VALUE: usize = 8;

/// Folders that most machines have.
const COMMON_FOLDERS: [&str; 9] = ["/bin", "/sbin", "/usr", "/lib", "/etc", "/dev", "/proc", "/sys", "/tmp"];

/// Replaces paths by words and masks secrets.
///
/// ```
/// use counterfoil_runner::redact::Redactor;
/// let redactor = Redactor::default()
///     .path("/home/ann/state/places/7/check", "$PLACE")
///     .path("/home/ann", "~")
///     .secret("hunter2-hunter2");
/// assert_eq!(
///     redactor.text("/home/ann/state/places/7/check/a.rs: \u{1b}[31mhunter2-hunter2\u{1b}[0m in /home/ann/x, not /home/anna"),
///     "$PLACE/a.rs: [secret] in ~/x, not /home/anna",
/// );
/// ```
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// Longest first.
    paths: Vec<(String, String)>,
    /// Longest first.
    secrets: Vec<String>,
    rules: Option<Arc<SecretRules>>,
}

impl Redactor {
    /// Shows `word` instead of this path and in front of what lies below it. A longer path wins over a shorter one; the root and paths that
    /// are not UTF-8 are left alone.
    #[must_use]
    pub fn path(mut self, path: impl AsRef<Path>, word: &str) -> Self {
        let path = path.as_ref();
        let canonical = path.canonicalize().ok();
        for path in [Some(path), canonical.as_deref()].into_iter().flatten() {
            if let Some(text) = path.to_str().map(|text| text.trim_end_matches('/'))
                && text.starts_with('/')
                && !self.paths.iter().any(|(known, _)| known == text)
            {
                self.paths.push((text.to_owned(), word.to_owned()));
            }
        }
        self.paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        self
    }

    /// Masks this value wherever it occurs, unless it is shorter than six bytes.
    #[must_use]
    pub fn secret(mut self, value: &str) -> Self {
        // A value of several lines is printed line by line as often as whole.
        for part in std::iter::once(value).chain(value.lines()) {
            let part = part.trim();
            if part.len() >= SHORTEST_SECRET && !self.secrets.iter().any(|known| known == part) {
                self.secrets.push(part.to_owned());
            }
        }
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self
    }

    /// Masks the values of those environment entries whose names say that they are secret.
    #[must_use]
    pub fn secrets_of<'a>(mut self, environment: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (name, value) in environment {
            if names_a_secret(name) {
                self = self.secret(value);
            }
        }
        self
    }

    /// Masks these values whatever they are called, unless they are shorter than eight bytes.
    #[must_use]
    pub fn values<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        for value in values.into_iter().filter(|value| value.len() >= SHORTEST_VALUE) {
            self = self.secret(value);
        }
        self
    }

    /// Masks the values of this environment whatever they are called, and shows `$NAME` in place of those that are paths:
    /// for what is given to others. Left as they are are values of less than eight bytes, paths that most machines have, and
    /// what only says how language and terminal are set.
    #[must_use]
    pub fn environment<'a>(mut self, environment: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (name, value) in environment {
            if says_nothing_of_the_machine(name) || value.len() < SHORTEST_VALUE {
                continue;
            }
            let is_common = || COMMON_FOLDERS.iter().any(|folder| Path::new(value).starts_with(folder));
            if !value.starts_with('/') {
                self = self.secret(value);
            } else if !value.contains(':') && !is_common() {
                self = self.path(value, &format!("${name}"));
            }
        }
        self
    }

    /// Masks what looks like a secret under this policy.
    #[must_use]
    pub fn patterns_of(mut self, policy: &Policy) -> Self {
        self.rules = Some(Arc::new(SecretRules::new(policy)));
        self
    }

    /// Shows words in place of the folders of this workspace, and masks what looks like a secret under the policy of its work
    /// tree, or under the default one where that cannot be used.
    #[must_use]
    pub fn workspace(self, workspace: &Workspace) -> Self {
        let repository = workspace.repository();
        self.path(workspace.roots().user(), "$STATE")
            .path(repository.work_dir(), "$REPOSITORY")
            .path(repository.common_dir(), "$REPOSITORY/.git")
            .patterns_of(workspace.policy().unwrap_or(&Policy::default()))
    }

    /// The rules of [`Redactor::patterns_of`].
    pub(crate) fn secret_rules(&self) -> Option<&SecretRules> {
        self.rules.as_deref()
    }

    /// The text in printable lines, with words for paths and masks for secrets.
    pub fn text(&self, text: &str) -> String {
        // Control characters go first: one in the middle of a secret must not hide it.
        let mut text = printable_lines(text);
        for secret in &self.secrets {
            if text.contains(secret) {
                text = text.replace(secret, MASK);
            }
        }
        if let Some(rules) = self.secret_rules() {
            text = rules.masked(&text, MASK);
        }
        for (path, word) in &self.paths {
            text = replace_path(&text, path, word);
        }
        text
    }
}

/// The last bytes of a text, at most `limit`, from the beginning of a character.
pub fn end_of(text: &str, limit: usize) -> &str {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// Whether the value of an environment variable of this name is to be kept secret.
pub fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let whole_word = |word: &str| {
        name.split(|c: char| !c.is_ascii_alphanumeric())
            .any(|part| part == word)
    };
    let anywhere = [
        "TOKEN",
        "SECRET",
        "PASSW",
        "PASSPHRASE",
        "CREDENTIAL",
        "APIKEY",
        "DATABASE_URL",
    ];
    anywhere.iter().any(|word| name.contains(word))
        || ["KEY", "AUTH", "COOKIE", "DSN", "PAT"].into_iter().any(whole_word)
}

/// Whether the value of such a variable is the same on many machines, and ordinary words or folders.
fn says_nothing_of_the_machine(name: &str) -> bool {
    let names = [
        "COLORTERM",
        "EDITOR",
        "HOME",
        "LANG",
        "LANGUAGE",
        "OLDPWD",
        "PAGER",
        "PATH",
        "PWD",
        "SHELL",
        "TERM",
        "TERM_PROGRAM",
        "TZ",
        "VISUAL",
        "_",
    ];
    names.contains(&name) || name.starts_with("LC_") || name.starts_with("XDG_SESSION_")
}

/// Replaces a path where it stands for itself or in front of `/`, not where it is part of a longer name.
fn replace_path(text: &str, path: &str, word: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(path) {
        let (before, after) = (&rest[..at], &rest[at + path.len()..]);
        // A dot ends a sentence more often than it continues a name, unless more of a name follows.
        let mut following = after.chars();
        let continues = match following.next() {
            Some('.') => following.next().is_some_and(part_of_name),
            Some(next) => part_of_name(next),
            None => false,
        };
        result.push_str(before);
        if continues || goes_on_a_path(&text[..text.len() - rest.len() + at]) {
            result.push_str(path);
        } else {
            result.push_str(word);
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

fn part_of_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.')
}

/// Whether a path that follows this text is the end of a longer one. It is not behind an option (`-I/usr`), nor behind the letter of an escape (`\n/usr`).
fn goes_on_a_path(before: &str) -> bool {
    let outside = before.trim_end_matches(part_of_name);
    let name = &before[outside.len()..];
    match name {
        "" => before.ends_with('~'),
        "n" | "r" | "t" => !outside.ends_with('\\'),
        name => !name.starts_with('-') || outside.ends_with('/'),
    }
}

/// The text without terminal sequences, control characters but line feed and tab, and marks that hide or reorder.
pub fn printable_lines(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => match rest.next_if(|next| !next.is_control()) {
                Some('[') => {
                    while rest.next_if(|next| ('\u{20}'..='\u{3f}').contains(next)).is_some() {}
                    rest.next_if(|next| ('\u{40}'..='\u{7e}').contains(next));
                }
                // An operating system command, a title or link, runs until BEL or the string terminator. One that never ends must not swallow
                // the lines after it.
                Some(']' | 'P' | '_' | '^' | 'X') => while rest.next_if(|next| !next.is_control()).is_some() {},
                _ => {}
            },
            // The end of a line as some programs write it; alone it would let a line overwrite itself.
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    printable.push('\n');
                }
            }
            '\n' | '\t' => printable.push(character),
            _ if character.is_control() || hides_or_reorders(character) => {}
            _ => printable.push(character),
        }
    }
    printable
}

/// Characters that are not seen, that reorder what follows, or that some programs take for the end of a line.
pub(crate) fn hides_or_reorders(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_masked_however_it_is_dressed() {
        let redactor = Redactor::default()
            .secrets_of([("API_KEY", "abcdef-123456"), ("LANG", "C.UTF-8"), ("MY_TOKEN", "short")])
            .values(["handed-over", "of six"])
            .patterns_of(&Policy::default());
        let token = "ghp_Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk";
        assert_eq!(
            redactor.text(&format!(
                "abc\u{1b}[1mdef-123\u{200b}456 {token} handed-over C.UTF-8 short of six"
            )),
            "[secret] [secret] [secret] C.UTF-8 short of six"
        );
    }

    #[test]
    fn an_environment_is_masked_but_for_what_every_machine_has() {
        let redactor = Redactor::default().environment([
            ("DEPLOYMENT", "blue-green-7"),
            ("SDK_ROOT", "/opt/ann/sdk"),
            ("SHELL", "/bin/bash-of-ann"),
            ("COMPILER", "/usr/bin/cc"),
            ("LC_ALL", "de_DE.UTF-8"),
            ("CI", "true"),
        ]);
        let text = "blue-green-7 /opt/ann/sdk/bin /bin/bash-of-ann /usr/bin/cc de_DE.UTF-8 true";
        assert_eq!(
            redactor.text(text),
            "[secret] $SDK_ROOT/bin /bin/bash-of-ann /usr/bin/cc de_DE.UTF-8 true"
        );
    }

    #[test]
    fn each_line_of_a_secret_is_masked() {
        let redactor = Redactor::default().secret("-----BEGIN KEY-----\nabcdefghij\n");
        assert_eq!(redactor.text("x abcdefghij y"), "x [secret] y");
    }

    #[test]
    fn a_path_is_replaced_by_whole_names_only() {
        let redactor = Redactor::default().path("/srv/place", "$PLACE").path("/srv", "$SRV");
        for (text, expected) in [
            ("/srv/place", "$PLACE"),
            ("see /srv/place.", "see $PLACE."),
            (
                "/srv/place/a /srv/place2 /srv/place.d",
                "$PLACE/a $SRV/place2 $SRV/place.d",
            ),
            ("file:///srv/place/x", "file://$PLACE/x"),
            ("/data/srv/place /srvs", "/data/srv/place /srvs"),
            ("(/srv/place:3:1)", "($PLACE:3:1)"),
            ("cc -I/srv/place/x -isystem/srv/place", "cc -I$PLACE/x -isystem$PLACE"),
            (r"a\n/srv/place\t/srv/place", r"a\n$PLACE\t$PLACE"),
            ("x:/srv/place,/srv/place", "x:$PLACE,$PLACE"),
            (
                "a/srv/place /-I/srv/place n/srv/place",
                "a/srv/place /-I/srv/place n/srv/place",
            ),
        ] {
            assert_eq!(redactor.text(text), expected);
        }
    }

    #[test]
    fn terminal_sequences_and_tricks_go_and_lines_stay() {
        assert_eq!(
            printable_lines("a\u{1b}]0;title\u{7}b\r\nc\rd\u{8}\u{202e}e\tf\u{1b}[2Kg\u{1b}(h"),
            "ab\nc\nde\tfgh"
        );
    }

    proptest! {
        #[test]
        fn an_end_is_bounded_and_printable(bytes in proptest::collection::vec(any::<u8>(), 0..400), limit in 0usize..300) {
            let redactor = Redactor::default().path("/tmp", "$TMP").secret("secret-value");
            let text = redactor.text(&String::from_utf8_lossy(&bytes));
            let end = end_of(&text, limit);
            prop_assert!(end.len() <= limit);
            prop_assert!(!end.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }

        #[test]
        fn no_secret_survives(before in ".{0,20}", after in ".{0,20}") {
            let redactor = Redactor::default().secret("hunter2-hunter2");
            let text = redactor.text(&format!("{before}hunter2-hunter2{after}"));
            prop_assert!(!text.contains("hunter2-hunter2"));
        }
    }
}
