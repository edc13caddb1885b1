//! Cutting a command line into the commands that it joins, and those into words.

mod split;
mod timeout;

pub(crate) use split::Simple;
use split::split;
use timeout::Timeout;

/// The deepest nesting of shells in shells that is followed.
const MAX_DEPTH: usize = 6;
/// The most commands of one line that are looked at: more than any line that is judged has, unless it nests shells in shells.
const MAX_COMMANDS: usize = super::MAX_COMMAND_BYTES;

/// One plain command: its program and arguments, without the wrappers around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// The words, the program first and without its folder.
    pub(crate) words: Vec<String>,
    /// The program as it is called, with its folder.
    pub(crate) called: String,
    /// The files that its output is written to.
    pub(crate) writes: Vec<String>,
    /// The files that its input is read from.
    pub(crate) reads: Vec<String>,
}

impl Command {
    /// The program's name; empty where the command only redirects.
    pub(crate) fn program(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// The arguments.
    pub(crate) fn arguments(&self) -> &[String] {
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

/// After how many seconds a line that is a single command is over at the latest, because `timeout` starts it; none: it does not, or what else is
/// on the line takes time of its own.
pub(crate) fn declared_seconds(line: &str) -> Option<u64> {
    declared_seconds_below(line, 0)
}

fn declared_seconds_below(line: &str, depth: usize) -> Option<u64> {
    let simples = split(line);
    let [simple] = &simples[..] else {
        return None;
    };
    let (first, arguments) = simple.words.split_first()?;
    let is_alone = simple.nested.is_empty() && depth <= MAX_DEPTH;
    match base_name(first) {
        _ if !is_alone => None,
        "timeout" => Timeout::of(arguments).seconds,
        shell if SHELLS.contains(&shell) => declared_seconds_below(shell_script(arguments)?, depth + 1),
        _ => None,
    }
}

/// The plain commands that a line joins, also inside of `sh -c`, `env`, `sudo`, `xargs`, subshells and substitutions.
pub(crate) fn commands_of(line: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    collect(line, 0, &mut commands);
    commands
}

/// What a line joins, as it is written, with every word, assignment and redirection. Only shells that are there to run a text are taken away, because
/// agents put one around whatever they run, and where output to one descriptor goes to another.
pub(crate) fn as_written(line: &str) -> Vec<Simple> {
    let mut written = Vec::new();
    write_out(line, 0, &mut written);
    written
}

fn write_out(line: &str, depth: usize, written: &mut Vec<Simple>) {
    for mut simple in split(line) {
        simple.writes.retain(|file| !file.starts_with('&'));
        let is_bare = simple.writes.is_empty()
            && simple.reads.is_empty()
            && simple.nested.is_empty()
            && simple.documents.is_empty()
            && !simple.piped;
        match simple.words.as_slice() {
            [shell, options, script] if is_bare && depth < MAX_DEPTH && is_plain_shell(shell, options) => {
                write_out(script, depth + 1, written);
            }
            _ => written.push(simple),
        }
        if written.len() >= MAX_COMMANDS {
            written.truncate(MAX_COMMANDS);
            return;
        }
    }
}

fn is_plain_shell(shell: &str, options: &str) -> bool {
    let is_system = |folder: &str| matches!(folder, "/bin/" | "/usr/bin/");
    let name = base_name(shell);
    let folder = &shell[..shell.len() - name.len()];
    SHELLS.contains(&name) && (folder.is_empty() || is_system(folder)) && matches!(options, "-c" | "-lc")
}

/// The plain commands of a part of a line, see [`commands_of`].
pub(crate) fn commands_within(simple: Simple) -> Vec<Command> {
    let mut commands = Vec::new();
    collect_simple(simple, 0, &mut commands);
    commands
}

fn collect(line: &str, depth: usize, commands: &mut Vec<Command>) {
    if depth > MAX_DEPTH {
        return;
    }
    for simple in split(line) {
        collect_simple(simple, depth, commands);
        if commands.len() >= MAX_COMMANDS {
            commands.truncate(MAX_COMMANDS);
            return;
        }
    }
}

fn collect_simple(simple: Simple, depth: usize, commands: &mut Vec<Command>) {
    for nested in &simple.nested {
        collect(nested, depth + 1, commands);
    }
    unwrap(simple, depth, commands);
}

/// Words of the shell's own grammar that stand before a command.
const KEYWORDS: [&str; 12] = [
    "then", "else", "elif", "do", "if", "while", "until", "!", "{", "}", "time", "coproc",
];

/// Programs that run the command behind them, with their options that take a value.
const WRAPPERS: [(&str, &[&str]); 23] = [
    (
        "sudo",
        &[
            "-u", "-g", "-h", "-p", "-C", "-T", "-D", "-R", "--user", "--group", "--host",
        ],
    ),
    ("doas", &["-u", "-C"]),
    ("env", &["-u", "-C", "--unset", "--chdir"]),
    ("nohup", &[]),
    ("setsid", &[]),
    ("nice", &["-n", "--adjustment"]),
    ("ionice", &["-c", "-n", "-p"]),
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

pub(crate) const SHELLS: [&str; 7] = ["sh", "bash", "zsh", "dash", "ksh", "ash", "fish"];

fn unwrap(simple: Simple, depth: usize, commands: &mut Vec<Command>) {
    let Simple {
        words,
        writes,
        reads,
        documents,
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
        if SHELLS.contains(&name) {
            if let Some(script) = shell_script(&rest[1..]) {
                collect(script, depth + 1, commands);
                rest = &[];
            } else if reads_its_script(&rest[1..]) {
                documents.iter().for_each(|text| collect(text, depth + 1, commands));
            }
            break;
        }
        if name == "timeout" {
            let behind = Timeout::of(&rest[1..]).behind;
            if behind.is_empty() {
                break;
            }
            rest = behind;
            continue;
        }
        if let Some(line) = split_string(name, &rest[1..]) {
            collect(&line, depth + 1, commands);
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
    let called = words.first().cloned().unwrap_or_default();
    if let Some(program) = words.first_mut() {
        *program = base_name(program).to_owned();
    }
    commands.push(Command {
        words,
        called,
        writes,
        reads,
    });
}

/// The command that `env` is given as one text, with what stands behind it.
fn split_string(name: &str, arguments: &[String]) -> Option<String> {
    if name != "env" {
        return None;
    }
    let mut rest = arguments;
    while let Some((word, behind)) = rest.split_first() {
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        let given = match (word.strip_prefix("--split-string"), letters) {
            (Some(given), _) => Some(given.trim_start_matches('=')),
            (None, Some(letters)) => letters.split_once('S').map(|(_, given)| given),
            (None, None) => None,
        };
        if let Some(given) = given {
            return Some(format!("{given} {}", behind.join(" ")));
        }
        let skipped = match word.as_str() {
            "-u" | "-C" | "--unset" | "--chdir" => 2,
            word if word.starts_with('-') || is_assignment(word) => 1,
            _ => return None,
        };
        rest = rest.get(skipped..)?;
    }
    None
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
    // `flock file x` has one operand of its own.
    match name {
        "flock" => rest.get(1..).unwrap_or_default(),
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

/// Whether a shell with these arguments takes its commands from its input.
fn reads_its_script(arguments: &[String]) -> bool {
    let mut options = arguments.iter().take_while(|word| word.starts_with(['-', '+']));
    let says_so = |word: &String| !word.starts_with("--") && word.contains('s');
    options.clone().count() == arguments.len() || options.any(says_so)
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
    let words = words[at + 1..].iter();
    Some(quoted(words.take_while(|word| !matches!(word.as_str(), ";" | "+"))))
}

/// The line that a shell cuts into exactly these words.
pub(crate) fn quoted<'a>(words: impl Iterator<Item = &'a String>) -> String {
    let words: Vec<_> = words.map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    words.join(" ")
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

pub(crate) fn base_name(word: &str) -> &str {
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
            ("cat <<EOF\nx\nEOF", &["cat"]),
            ("cat <<EOF && a\nx\nEOF\nb", &["cat", "a", "b"]),
            ("cat <<-'E F' <<X; a\nx\n\tE F\ny\nX\nb", &["cat", "a", "b"]),
            ("cat <<EOF\nx", &["cat", "x"]),
            ("cat <<EOF\n\\$(x) $(y) `z`\nEOF", &["y", "z", "cat"]),
            ("cat <<\"EOF\"\n$(y)\nEOF", &["cat"]),
            ("cat <<<x; a", &["cat", "a"]),
            ("echo '<<EOF'\na\nEOF", &["echo|<<EOF", "a", "EOF"]),
            ("sudo bash -e <<EOF\nx; y\nEOF", &["x", "y", "bash|-e"]),
            ("bash -s -- a <<<x", &["x", "bash|-s|--|a"]),
            ("bash a.sh <<<x", &["bash|a.sh"]),
            ("sh <<EOF | tee z | sh\nx\nEOF", &["x", "sh", "tee|z", "sh"]),
            ("cat <<EOF | tee z | sh\nx\nEOF\na", &["cat", "tee|z", "x", "sh", "a"]),
            (
                "find . -name '*.rs' -exec rm -rf {} \\;",
                &["rm|-rf|{}", "find|.|-name|*.rs|-exec|rm|-rf|{}|;"],
            ),
            ("ls | xargs -n 1 -I{} rm {}", &["ls", "rm|{}"]),
            ("timeout 10s a b", &["a|b"]),
            ("timeout -vk 5 --signal 9 10s a b", &["a|b"]),
            ("a 'unclosed", &["a|unclosed"]),
            ("a\\ b c", &["a b|c"]),
            ("", &[]),
            ("$(", &["$()"]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
