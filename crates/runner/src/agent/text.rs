//! Makes an agent's texts fit to be shown and recorded: short, on one line, without control characters, without paths
//! of this machine and without secrets that this process knows.

use std::path::Path;

use crate::redact::{Redactor, hides_or_reorders};

/// The text on one line, without control characters, terminal sequences and marks that reorder text; at most
/// `limit` characters, keeping the beginning.
///
/// ```
/// assert_eq!(counterfoil_runner::shorten("two\nlines \u{1b}[31mred", 40), "two lines red");
/// assert_eq!(counterfoil_runner::shorten("abcdef", 4), "abc…");
/// ```
pub fn shorten(text: &str, limit: usize) -> String {
    let mut clean = Cleaned::new(text);
    let mut short: String = clean.by_ref().take(limit).collect();
    if clean.next().is_some() {
        short.pop();
        short.push('…');
    }
    short.trim().to_owned()
}

/// Like [`shorten`], keeping the end.
///
/// ```
/// assert_eq!(counterfoil_runner::shorten_end("abcdef", 4), "…def");
/// ```
pub fn shorten_end(text: &str, limit: usize) -> String {
    let clean: Vec<char> = Cleaned::new(text).collect();
    if clean.len() <= limit {
        return clean.into_iter().collect::<String>().trim().to_owned();
    }
    let kept: String = clean[clean.len() - limit.saturating_sub(1)..].iter().collect();
    format!("…{}", kept.trim_end())
}

/// The printable characters of a text.
struct Cleaned<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    after_space: bool,
}

impl<'a> Cleaned<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            after_space: true,
        }
    }

    /// Passes over what follows an escape character: `[` parameters and one final byte, or one character.
    fn skip_sequence(&mut self) {
        match self.rest.next_if(|next| !next.is_control()) {
            Some('[') => while self.rest.next_if(|next| ('\u{20}'..='\u{3f}').contains(next)).is_some() {},
            // An operating system command runs until BEL or the string terminator.
            Some(']') => {
                while self
                    .rest
                    .next_if(|next| *next != '\u{7}' && *next != '\u{1b}')
                    .is_some()
                {}
                return;
            }
            _ => return,
        }
        self.rest.next_if(|next| ('\u{40}'..='\u{7e}').contains(next));
    }
}

impl Iterator for Cleaned<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let character = self.rest.next()?;
            match character {
                '\u{1b}' => self.skip_sequence(),
                _ if character.is_whitespace() => {
                    if !self.after_space {
                        self.after_space = true;
                        return Some(' ');
                    }
                }
                _ if character.is_control() || hides_or_reorders(character) => {}
                _ => {
                    self.after_space = false;
                    return Some(character);
                }
            }
        }
    }
}

/// What must not leave: paths of this machine, secrets of this process' environment, and what whoever asked for the turn knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redaction {
    redactor: Redactor,
    /// Has to see a text before it is cut: of a secret that is cut in two it would not know the halves.
    further: Redactor,
    place: Option<String>,
}

impl Redaction {
    /// For a turn in this place, with these environment variables known to the agent, and with what else must not leave.
    pub(crate) fn new(
        place: &Path,
        codex_home: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        further: Redactor,
    ) -> Self {
        let environment: Vec<_> = environment.collect();
        let known = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut redactor = Redactor::default().secrets_of(known).path(place, ".");
        if let Some(home) = codex_home {
            redactor = redactor.path(home, "<codex home>");
        }
        if let Some((_, home)) = environment.iter().find(|(name, _)| name == "HOME") {
            redactor = redactor.path(home, "~");
        }
        Self {
            redactor,
            further,
            place: place.to_str().map(str::to_owned),
        }
    }

    /// A text for people: redacted, on one line, its beginning.
    pub(crate) fn text(&self, text: &str, limit: usize) -> String {
        shorten(&self.whole(text), limit)
    }

    /// A text for people: redacted, on one line, its end.
    pub(crate) fn end_of(&self, text: &str, limit: usize) -> String {
        shorten_end(&self.whole(text), limit)
    }

    /// A text for people, before it is cut.
    fn whole(&self, text: &str) -> String {
        self.further.text(&self.redactor.text(text))
    }

    /// A command line, whole, because rules judge it. Line breaks stay, because they separate commands.
    pub(crate) fn command(&self, text: &str) -> String {
        self.redactor.text(text)
    }

    /// A path as it lies in the place, where it does.
    pub(crate) fn path(&self, path: &str) -> String {
        let inside = self
            .place
            .as_deref()
            .and_then(|place| path.strip_prefix(place))
            .and_then(|rest| rest.strip_prefix('/'));
        match inside {
            Some(rest) => self.text(rest, 300),
            None => self.text(path, 300),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_and_reordering_marks_do_not_leave() {
        assert_eq!(shorten("a\u{1b}]0;title\u{7}b\u{202e}c\u{9b}d\0e", 40), "abcde");
        assert_eq!(shorten("\u{1b}[2J\u{1b}[1;31mx\r\n\n  y", 40), "x y");
        assert_eq!(shorten("\u{1b}", 40), "");
    }

    #[test]
    fn paths_of_the_machine_and_secrets_are_replaced() {
        let environment = [
            ("HOME", "/home/ann"),
            ("API_KEY", "hunter2hunter2"),
            ("LANG", "en_GB.UTF-8"),
        ];
        let redaction = Redaction::new(
            Path::new("/home/ann/state/work"),
            None,
            environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter(),
            Redactor::default(),
        );
        assert_eq!(
            redaction.text(
                "cat /home/ann/state/work/a /home/ann/.ssh hunter2hunter2 en_GB.UTF-8",
                200
            ),
            "cat ./a ~/.ssh [secret] en_GB.UTF-8"
        );
        assert_eq!(redaction.path("/home/ann/state/work/src/a.rs"), "src/a.rs");
        assert_eq!(
            redaction.path("/home/ann/state/work/hunter2hunter2.txt"),
            "[secret].txt"
        );
        assert_eq!(redaction.path("/home/ann/state/workshop"), "~/state/workshop");
    }

    #[test]
    fn no_part_of_what_must_not_leave_is_left_where_a_text_is_cut() {
        let further = Redactor::default()
            .path("/srv/ann/project", "$REPOSITORY")
            .patterns_of(&policy::Policy::default());
        let redaction = Redaction::new(Path::new("/place"), None, std::iter::empty(), further);
        let token = "ghp_Zq8LmN3vTx6RbW1yKcJ5HdF9sGpA2uEo7iXk";
        for before in 0..60 {
            let words = format!(
                "{}{token} /srv/ann/project/x {}",
                "x ".repeat(before),
                "x ".repeat(before)
            );
            for cut in [
                redaction.text(&words, 60),
                redaction.end_of(&words, 60),
                redaction.path(&words),
            ] {
                assert!(!cut.contains("srv") && !cut.contains("ghp"), "{cut}");
                assert!(!cut.contains("7iXk") && !cut.contains("/ann"), "{cut}");
            }
        }
    }
}
