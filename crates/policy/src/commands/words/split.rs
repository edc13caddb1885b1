//! Cutting a line at what joins commands, and commands into words, as a shell's quotes say.

use super::{SHELLS, base_name};

/// A command as it stands in the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Simple {
    pub(super) words: Vec<String>,
    pub(super) writes: Vec<String>,
    pub(super) reads: Vec<String>,
    pub(super) piped: bool,
    /// Texts of `$(…)` and backquotes.
    pub(super) nested: Vec<String>,
    /// Texts that it is given as its input, or that were given to the commands before it in a pipe, unless a shell took them.
    pub(super) documents: Vec<String>,
}

impl Simple {
    fn may_run_shell(&self) -> bool {
        self.words.iter().any(|word| SHELLS.contains(&base_name(word)))
    }
}

/// A document whose lines are still to come.
struct Announced {
    /// The command that it is for.
    command: usize,
    mark: String,
    /// Whether tabs before its lines are taken away.
    is_indented: bool,
    /// Whether what stands in it is taken word by word.
    is_verbatim: bool,
}

/// What the next word is for.
#[derive(Clone, Copy)]
enum Redirect {
    Output,
    Input,
    /// `<<` and `<<-`
    Document,
    /// `<<<`
    Text,
}

#[derive(Default)]
struct Splitter {
    done: Vec<Simple>,
    now: Simple,
    word: String,
    in_word: bool,
    /// Whether a part of the word is quoted.
    is_quoted: bool,
    redirect: Option<Redirect>,
    announced: Vec<Announced>,
}

impl Splitter {
    fn push(&mut self, character: char) {
        self.word.push(character);
        self.in_word = true;
    }

    fn end_word(&mut self) {
        if !self.in_word {
            return;
        }
        self.in_word = false;
        let word = std::mem::take(&mut self.word);
        let is_quoted = std::mem::take(&mut self.is_quoted);
        match self.redirect.take() {
            Some(Redirect::Output) => self.now.writes.push(word),
            Some(Redirect::Input) => self.now.reads.push(word),
            Some(Redirect::Text) => self.now.documents.push(word),
            Some(Redirect::Document) => {
                let mark = word.strip_prefix('-');
                self.announced.push(Announced {
                    command: self.done.len(),
                    is_indented: mark.is_some(),
                    is_verbatim: is_quoted,
                    mark: mark.unwrap_or(&word).to_owned(),
                });
            }
            None => self.now.words.push(word),
        }
    }

    fn end_command(&mut self, pipe: bool) {
        self.end_word();
        self.redirect = None;
        let next = Simple {
            piped: pipe,
            ..Simple::default()
        };
        let done = std::mem::replace(&mut self.now, next);
        self.done.push(done);
    }

    /// Takes the announced documents out of the text that begins here, and gives where it goes on. One that nothing ends is none: what follows may as well be
    /// commands.
    fn documents(&mut self, characters: &[char], mut at: usize) -> usize {
        for announced in std::mem::take(&mut self.announced) {
            let Some((text, behind)) = document(characters, at, &announced) else {
                continue;
            };
            at = behind;
            if let Some(command) = self.done.get_mut(announced.command) {
                if !announced.is_verbatim {
                    command.nested.extend(substitutions(&text));
                }
                command.documents.push(text);
            }
        }
        at
    }
}

/// The text of a document that begins at `at`, and where its mark ends.
fn document(characters: &[char], mut at: usize, announced: &Announced) -> Option<(String, usize)> {
    let mut text = String::new();
    while at < characters.len() {
        let rest = &characters[at..];
        let length = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
        let line: String = rest[..length].iter().collect();
        let line = match announced.is_indented {
            true => line.trim_start_matches('\t'),
            false => &line,
        };
        at = (at + length + 1).min(characters.len());
        if line == announced.mark {
            return Some((text, at));
        }
        text.push_str(line);
        text.push('\n');
    }
    None
}

/// The texts of the substitutions in a document.
fn substitutions(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut splitter = Splitter::default();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        at = match (character, characters.get(at + 1)) {
            ('\\', _) => at + 2,
            ('`', _) | ('$', Some('(')) => substitution(&characters, at, &mut splitter),
            _ => at + 1,
        };
    }
    splitter.now.nested
}

/// The commands of a line as they stand there.
pub(super) fn split(line: &str) -> Vec<Simple> {
    let characters: Vec<char> = line.chars().collect();
    let mut splitter = Splitter::default();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        let next = characters.get(at + 1).copied();
        at += 1;
        match character {
            '\'' => {
                (splitter.in_word, splitter.is_quoted) = (true, true);
                while let Some(&inner) = characters.get(at) {
                    at += 1;
                    if inner == '\'' {
                        break;
                    }
                    splitter.word.push(inner);
                }
            }
            '"' => at = double_quoted(&characters, at, &mut splitter),
            '\\' => {
                at += 1;
                splitter.is_quoted = true;
                match next {
                    Some('\n') | None => {}
                    Some(escaped) => splitter.push(escaped),
                }
            }
            '`' | '$' if character == '`' || next == Some('(') => at = substitution(&characters, at - 1, &mut splitter),
            '#' if !splitter.in_word => {
                while characters.get(at).is_some_and(|c| *c != '\n') {
                    at += 1;
                }
            }
            '|' => {
                at += usize::from(matches!(next, Some('|' | '&')));
                splitter.end_command(next != Some('|'));
            }
            '&' if next == Some('>') => splitter.end_word(),
            '&' if splitter.redirect.is_some() => splitter.push('&'),
            '\n' => {
                splitter.end_command(false);
                at = splitter.documents(&characters, at);
            }
            ';' | '&' | '(' | ')' => splitter.end_command(false),
            '<' | '>' => at = redirection(&characters, at - 1, &mut splitter),
            space if space.is_whitespace() => splitter.end_word(),
            plain => splitter.push(plain),
        }
    }
    splitter.end_command(false);
    let mut done = splitter.done;
    for next in 1..done.len() {
        if done[next].piped && !done[next - 1].may_run_shell() {
            let handed_on = std::mem::take(&mut done[next - 1].documents);
            done[next].documents.extend(handed_on);
        }
    }
    done.retain(|simple| {
        !(simple.words.is_empty() && simple.writes.is_empty() && simple.reads.is_empty() && simple.nested.is_empty())
    });
    done
}

fn double_quoted(characters: &[char], mut at: usize, splitter: &mut Splitter) -> usize {
    (splitter.in_word, splitter.is_quoted) = (true, true);
    while let Some(&inner) = characters.get(at) {
        let next = characters.get(at + 1).copied();
        match inner {
            '"' => return at + 1,
            '\\' if matches!(next, Some('"' | '\\' | '$' | '`' | '\n')) => {
                splitter.word.extend(next.filter(|c| *c != '\n'));
                at += 2;
            }
            '`' | '$' if inner == '`' || next == Some('(') => at = substitution(characters, at, splitter),
            _ => {
                splitter.word.push(inner);
                at += 1;
            }
        }
    }
    at
}

/// The text of a substitution that begins at `at` is kept for itself; the word only shows that there was one.
fn substitution(characters: &[char], at: usize, splitter: &mut Splitter) -> usize {
    let (begin, open) = if characters[at] == '`' {
        (at + 1, None)
    } else {
        (at + 2, Some('('))
    };
    let (mut end, mut depth, mut quote) = (begin, 1_usize, None);
    while let Some(&character) = characters.get(end) {
        match (quote, character) {
            (_, '\\') => end += 1,
            (Some(open_quote), found) if found == open_quote => quote = None,
            (Some(_), _) => {}
            (None, '`') if open.is_none() => break,
            (None, '\'' | '"') => quote = Some(character),
            (None, '(') if open.is_some() => depth += 1,
            (None, ')') if open.is_some() => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            _ => {}
        }
        end += 1;
    }
    let end = end.min(characters.len());
    let text = characters.get(begin..end).unwrap_or_default();
    splitter.now.nested.push(text.iter().collect());
    splitter.word.push_str("$()");
    splitter.in_word = true;
    (end + 1).min(characters.len().max(begin))
}

fn redirection(characters: &[char], mut at: usize, splitter: &mut Splitter) -> usize {
    let sign = characters[at];
    // `2>`: the digit is no word.
    if splitter.in_word && !splitter.word.is_empty() && splitter.word.chars().all(|c| c.is_ascii_digit()) {
        splitter.word.clear();
        splitter.in_word = false;
    }
    splitter.end_word();
    let mut length = 0;
    while characters.get(at).is_some_and(|c| matches!(c, '<' | '>')) {
        at += 1;
        length += 1;
    }
    // `<(…)` is a command of its own; the parenthesis ends this one.
    if sign == '<' && characters.get(at) == Some(&'(') {
        return at;
    }
    if characters.get(at) == Some(&'|') {
        at += 1;
    }
    if characters.get(at) == Some(&'&') {
        // `>&2` and `<&3` name no file.
        at += 1;
        while characters.get(at).is_some_and(|c| c.is_ascii_digit() || *c == '-') {
            at += 1;
        }
        return at;
    }
    splitter.redirect = Some(match (sign, length) {
        ('<', 2) => Redirect::Document,
        ('<', 3) => Redirect::Text,
        ('<', _) => Redirect::Input,
        _ => Redirect::Output,
    });
    at
}
