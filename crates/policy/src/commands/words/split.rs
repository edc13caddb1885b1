//! Cutting a line at what joins commands, and commands into words, as a shell's quotes say.

/// A command as it stands in the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Simple {
    pub(super) words: Vec<String>,
    pub(super) writes: Vec<String>,
    pub(super) reads: Vec<String>,
    pub(super) piped: bool,
    /// Texts of `$(…)` and backquotes.
    pub(super) nested: Vec<String>,
}

#[derive(Default)]
struct Splitter {
    done: Vec<Simple>,
    now: Simple,
    word: String,
    in_word: bool,
    /// What the next word is, if it is a redirection's file.
    redirect: Option<char>,
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
        match self.redirect.take() {
            Some('>') => self.now.writes.push(word),
            Some(_) => self.now.reads.push(word),
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
                splitter.in_word = true;
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
            ';' | '\n' | '&' | '(' | ')' => splitter.end_command(false),
            '<' | '>' => at = redirection(&characters, at - 1, &mut splitter),
            space if space.is_whitespace() => splitter.end_word(),
            plain => splitter.push(plain),
        }
    }
    splitter.end_command(false);
    splitter.done.retain(|simple| {
        !(simple.words.is_empty() && simple.writes.is_empty() && simple.reads.is_empty() && simple.nested.is_empty())
    });
    splitter.done
}

fn double_quoted(characters: &[char], mut at: usize, splitter: &mut Splitter) -> usize {
    splitter.in_word = true;
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
    // A here-document's word is no file.
    splitter.redirect = Some(if sign == '<' && length > 1 { 'h' } else { sign });
    at
}
