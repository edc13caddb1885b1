//! Cutting a command line into the commands that it joins, and those into words.

/// The deepest nesting of shells in shells that is followed.
const MAX_DEPTH: usize = 6;
/// The most commands of one line that are looked at.
const MAX_COMMANDS: usize = 2000;

/// One plain command: its program and arguments, without the wrappers around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The words, the program first and without its folder.
    pub(super) words: Vec<String>,
    /// The files that its output is written to.
    pub(super) writes: Vec<String>,
    /// The files that its input is read from.
    pub(super) reads: Vec<String>,
    /// Whether it reads what another command writes.
    pub(super) piped: bool,
}

impl Command {
    /// The program's name; empty where the command only redirects.
    pub(super) fn program(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// The arguments.
    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The arguments that are no options.
    pub(super) fn plain_arguments(&self) -> impl Iterator<Item = &str> {
        self.arguments()
            .iter()
            .map(String::as_str)
            .filter(|word| !word.starts_with('-'))
    }

    /// Whether one of the arguments is this option, alone or with `=value`.
    pub(super) fn has_option(&self, names: &[&str]) -> bool {
        self.arguments().iter().any(|word| {
            names
                .iter()
                .any(|name| word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
        })
    }

    /// Whether the words begin so; `*` stands for any one word. The folder of the program does not count.
    pub(super) fn begins_with<'a>(&self, mut words: impl Iterator<Item = &'a str>) -> bool {
        let mut own = self.words.iter();
        let program = words.next().map(base_name).unwrap_or_default();
        own.next().is_some_and(|own| own == program)
            && words.all(|word| own.next().is_some_and(|own| word == "*" || own == word))
    }
}

/// The plain commands that a line joins, also inside of `sh -c`, `env`, `sudo`, `xargs`, subshells and substitutions.
pub(super) fn commands_of(line: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    collect(line, 0, &mut commands);
    commands
}

fn collect(line: &str, depth: usize, commands: &mut Vec<Command>) {
    if depth > MAX_DEPTH {
        return;
    }
    for simple in split(line) {
        for nested in &simple.nested {
            collect(nested, depth + 1, commands);
        }
        unwrap(simple, depth, commands);
        if commands.len() >= MAX_COMMANDS {
            commands.truncate(MAX_COMMANDS);
            return;
        }
    }
}

/// A command as it stands in the line.
#[derive(Debug, Default)]
struct Simple {
    words: Vec<String>,
    writes: Vec<String>,
    reads: Vec<String>,
    piped: bool,
    /// Texts of `$(…)` and backquotes.
    nested: Vec<String>,
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

fn split(line: &str) -> Vec<Simple> {
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

/// Words of the shell's own grammar that stand before a command.
const KEYWORDS: [&str; 12] = [
    "then", "else", "elif", "do", "if", "while", "until", "!", "{", "}", "time", "coproc",
];

/// Programs that run the command behind them, with their options that take a value.
const WRAPPERS: [(&str, &[&str]); 24] = [
    (
        "sudo",
        &[
            "-u", "-g", "-h", "-p", "-C", "-T", "-D", "-R", "--user", "--group", "--host",
        ],
    ),
    ("doas", &["-u", "-C"]),
    ("env", &["-u", "-C", "-S", "--unset", "--chdir"]),
    ("nohup", &[]),
    ("setsid", &[]),
    ("nice", &["-n", "--adjustment"]),
    ("ionice", &["-c", "-n", "-p"]),
    ("timeout", &["-s", "-k", "--signal", "--kill-after"]),
    ("stdbuf", &["-i", "-o", "-e"]),
    (
        "xargs",
        &[
            "-I",
            "-n",
            "-P",
            "-L",
            "-d",
            "-s",
            "-E",
            "-a",
            "--max-args",
            "--max-procs",
            "--delimiter",
            "--arg-file",
        ],
    ),
    ("command", &[]),
    ("builtin", &[]),
    ("exec", &["-a"]),
    ("time", &["-f", "-o"]),
    ("watch", &["-n", "--interval"]),
    ("strace", &["-e", "-o", "-p", "-s"]),
    ("busybox", &[]),
    ("unbuffer", &[]),
    ("parallel", &["-j", "--jobs"]),
    ("flock", &["-w", "-E"]),
    ("script", &["-c"]),
    ("chronic", &[]),
    ("caffeinate", &[]),
    ("proxychains", &["-f"]),
];

const SHELLS: [&str; 7] = ["sh", "bash", "zsh", "dash", "ksh", "ash", "fish"];

fn unwrap(simple: Simple, depth: usize, commands: &mut Vec<Command>) {
    let Simple {
        words,
        writes,
        reads,
        piped,
        ..
    } = simple;
    let mut rest: &[String] = &words;
    while let Some(first) = rest.first() {
        if KEYWORDS.contains(&first.as_str()) || is_assignment(first) {
            rest = &rest[1..];
            continue;
        }
        let name = base_name(first);
        if name == "eval" {
            collect(&rest[1..].join(" "), depth + 1, commands);
            rest = &[];
            break;
        }
        if SHELLS.contains(&name)
            && let Some(script) = shell_script(&rest[1..])
        {
            collect(script, depth + 1, commands);
            rest = &[];
            break;
        }
        let Some((_, with_value)) = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name) else {
            break;
        };
        // `command -v x` only asks where `x` is.
        if name == "command" && rest.get(1).is_some_and(|word| matches!(word.as_str(), "-v" | "-V")) {
            break;
        }
        let behind = behind_wrapper(name, &rest[1..], with_value);
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    if rest.is_empty() && writes.is_empty() && reads.is_empty() {
        return;
    }
    if let Some(nested) = find_exec(rest) {
        collect(&nested, depth + 1, commands);
    }
    let mut words = rest.to_vec();
    if let Some(program) = words.first_mut() {
        *program = base_name(program).to_owned();
    }
    commands.push(Command {
        words,
        writes,
        reads,
        piped,
    });
}

fn behind_wrapper<'a>(name: &str, mut rest: &'a [String], with_value: &[&str]) -> &'a [String] {
    while let Some(word) = rest.first() {
        if word == "--" {
            rest = &rest[1..];
            break;
        } else if word.starts_with('-') && word.len() > 1 {
            let takes_value = with_value.contains(&word.as_str());
            rest = rest.get(1 + usize::from(takes_value)..).unwrap_or_default();
        } else if name == "env" && is_assignment(word) {
            rest = &rest[1..];
        } else {
            break;
        }
    }
    // `timeout 10 x` and `flock file x` have one operand of their own.
    match name {
        "timeout" | "flock" => rest.get(1..).unwrap_or_default(),
        _ => rest,
    }
}

/// The text behind `-c`, also as `-lc` or `-ec`.
fn shell_script(arguments: &[String]) -> Option<&str> {
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        match letters {
            Some(letters) if letters.contains('c') => {
                return arguments.find(|word| !word.starts_with('-')).map(String::as_str);
            }
            Some("o" | "O") => {
                arguments.next();
            }
            Some(_) => {}
            None if word.starts_with("--") => {}
            None => return None,
        }
    }
    None
}

/// The command that `find … -exec` runs, joined again with the quotes that it needs.
fn find_exec(words: &[String]) -> Option<String> {
    let name = words.first().map(|word| base_name(word))?;
    let flags: &[&str] = match name {
        "find" => &["-exec", "-execdir", "-ok", "-okdir"],
        "fd" | "fdfind" => &["-x", "-X", "--exec", "--exec-batch"],
        _ => return None,
    };
    let at = words.iter().position(|word| flags.contains(&word.as_str()))?;
    let quoted: Vec<_> = words[at + 1..]
        .iter()
        .take_while(|word| !matches!(word.as_str(), ";" | "+"))
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    Some(quoted.join(" "))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        commands_of(line)
            .into_iter()
            .map(|command| command.words.join("|"))
            .collect()
    }

    #[test]
    fn a_line_is_cut_into_the_commands_that_it_joins() {
        for (line, expected) in [
            ("a b", &["a|b"][..]),
            ("a && b; c | d || e & f\ng", &["a", "b", "c", "d", "e", "f", "g"]),
            ("bash -lc 'a \"b c\" && d'", &["a|b c", "d"]),
            ("/usr/bin/env X=1 /usr/bin/git -C x push", &["git|-C|x|push"]),
            ("sudo -u root -- sh -ec \"a 'b;c'\"", &["a|b;c"]),
            ("echo \"$(a b)\" `c`", &["a|b", "c", "echo|$()|$()"]),
            ("X=1 Y=2 a", &["a"]),
            ("(cd x && a)", &["cd|x", "a"]),
            ("if a; then b; fi", &["a", "b", "fi"]),
            ("a 2>&1 >x # b; c", &["a"]),
            ("cat <<EOF\nx\nEOF", &["cat", "x", "EOF"]),
            (
                "find . -name '*.rs' -exec rm -rf {} \\;",
                &["rm|-rf|{}", "find|.|-name|*.rs|-exec|rm|-rf|{}|;"],
            ),
            ("ls | xargs -n 1 -I{} rm {}", &["ls", "rm|{}"]),
            ("timeout 10s a b", &["a|b"]),
            ("a 'unclosed", &["a|unclosed"]),
            ("a\\ b c", &["a b|c"]),
            ("", &[]),
            ("$(", &["$()"]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
