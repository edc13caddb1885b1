//! Makes an agent's texts fit to be shown and recorded: short, on one line, without control characters, without paths
//! of this machine and without secrets that this process knows.

use std::path::Path;

/// The longest command line that is handed on. Long, because rules judge it: padding must not hide what matters.
const COMMAND_LIMIT: usize = 16 * 1024;

/// The text on one line, without control characters, terminal sequences and marks that reorder text; at most
/// `limit` characters, keeping the beginning.
///
/// ```
/// assert_eq!(counterfoil_runner::shorten("two\nlines \u{1b}[31mred", 40), "two lines red");
/// assert_eq!(counterfoil_runner::shorten("abcdef", 4), "abc…");
/// ```
pub fn shorten(text: &str, limit: usize) -> String {
    let mut clean = Cleaned::new(text, false);
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
    let clean: Vec<char> = Cleaned::new(text, false).collect();
    if clean.len() <= limit {
        return clean.into_iter().collect::<String>().trim().to_owned();
    }
    let kept: String = clean[clean.len() - limit.saturating_sub(1)..].iter().collect();
    format!("…{}", kept.trim_end())
}

/// A command line: line breaks stay, because they separate commands; of one that is too long, beginning and end.
fn shorten_command(text: &str) -> String {
    let clean: Vec<char> = Cleaned::new(text, true).collect();
    if clean.len() <= COMMAND_LIMIT {
        return clean.into_iter().collect();
    }
    let half = COMMAND_LIMIT / 2;
    let head: String = clean[..half].iter().collect();
    let tail: String = clean[clean.len() - half..].iter().collect();
    format!("{head}\n…\n{tail}")
}

/// The printable characters of a text.
struct Cleaned<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    keeps_lines: bool,
    after_space: bool,
}

impl<'a> Cleaned<'a> {
    fn new(text: &'a str, keeps_lines: bool) -> Self {
        Self {
            rest: text.chars().peekable(),
            keeps_lines,
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
                '\n' | '\t' if self.keeps_lines => return Some(character),
                _ if !self.keeps_lines && character.is_whitespace() => {
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

/// Characters that reorder or hide what follows on a terminal.
fn hides_or_reorders(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What must not leave: paths of this machine and secrets of this process' environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redaction {
    replacements: Vec<(String, &'static str)>,
    place: Option<String>,
}

impl Redaction {
    /// For a turn in this place, with these environment variables known to the agent.
    pub(crate) fn new(
        place: &Path,
        codex_home: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut replacements = Vec::new();
        let place = place.to_str().map(str::to_owned);
        if let Some(place) = &place {
            replacements.push((place.clone(), "."));
        }
        if let Some(home) = codex_home.and_then(Path::to_str) {
            replacements.push((home.to_owned(), "<codex home>"));
        }
        for (name, value) in environment {
            if name == "HOME" && value.len() > 1 {
                replacements.push((value, "~"));
            } else if value.len() >= 8 && names_a_secret(&name) {
                replacements.push((value, "<secret>"));
            }
        }
        // Longer ones first: a place usually lies below the home.
        replacements.sort_by_key(|(found, _)| std::cmp::Reverse(found.len()));
        Self { replacements, place }
    }

    fn apply(&self, text: &str) -> String {
        self.replacements
            .iter()
            .filter(|(found, _)| !found.is_empty())
            .fold(text.to_owned(), |text, (found, with)| replace_whole(&text, found, with))
    }

    /// A text for people: redacted, on one line, its beginning.
    pub(crate) fn text(&self, text: &str, limit: usize) -> String {
        shorten(&self.apply(text), limit)
    }

    /// A text for people: redacted, on one line, its end.
    pub(crate) fn end_of(&self, text: &str, limit: usize) -> String {
        shorten_end(&self.apply(text), limit)
    }

    /// A command line.
    pub(crate) fn command(&self, text: &str) -> String {
        shorten_command(&self.apply(text))
    }

    /// A path as it lies in the place, where it does.
    pub(crate) fn path(&self, path: &str) -> String {
        let inside = self
            .place
            .as_deref()
            .and_then(|place| path.strip_prefix(place))
            .and_then(|rest| rest.strip_prefix('/'));
        match inside {
            Some(rest) => shorten(rest, 300),
            None => self.text(path, 300),
        }
    }
}

/// Replaces every occurrence that is not the beginning of a longer name: `/a/work` is not in `/a/workshop`.
fn replace_whole(text: &str, found: &str, with: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(found) {
        let (before, from) = rest.split_at(at);
        let after = &from[found.len()..];
        let continues = after.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '-');
        replaced.push_str(before);
        replaced.push_str(if continues { found } else { with });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

/// Whether a variable of this name usually holds a secret.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "SECRET", "TOKEN", "PASSW", "CREDENTIAL"]
        .iter()
        .any(|part| name.contains(part))
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
    fn a_command_keeps_its_lines_and_both_ends() {
        let redaction = Redaction::default();
        assert_eq!(redaction.command("echo a\nterraform apply"), "echo a\nterraform apply");
        let padded = format!("true {} ; rm -rf /", "x".repeat(100_000));
        let short = redaction.command(&padded);
        assert!(
            short.starts_with("true xxx") && short.ends_with("; rm -rf /"),
            "{}",
            short.len()
        );
        assert!(short.chars().count() < 17_000);
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
        );
        assert_eq!(
            redaction.text(
                "cat /home/ann/state/work/a /home/ann/.ssh hunter2hunter2 en_GB.UTF-8",
                200
            ),
            "cat ./a ~/.ssh <secret> en_GB.UTF-8"
        );
        assert_eq!(redaction.path("/home/ann/state/work/src/a.rs"), "src/a.rs");
        assert_eq!(redaction.path("/home/ann/state/workshop"), "~/state/workshop");
    }
}
