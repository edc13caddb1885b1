//! What the commands of checks run, as far as their text says it.

use std::collections::BTreeSet;

use crate::commands::{Command, SHELLS, base_name, commands_of};

/// Programs that read the file which they are given as one.
const INTERPRETERS: [&str; 21] = [
    ".",
    "source",
    "bun",
    "elixir",
    "groovy",
    "java",
    "julia",
    "kotlin",
    "lua",
    "node",
    "nodejs",
    "perl",
    "php",
    "powershell",
    "pwsh",
    "pypy",
    "python",
    "Rscript",
    "ruby",
    "ts-node",
    "tsx",
];

/// Options of theirs whose value is read besides.
const READ_BESIDES: [&str; 7] = ["-r", "--require", "--import", "--loader", "--preload", "-f", "--file"];

/// Options of programs that name their settings.
const SETTINGS: [&str; 5] = ["-c", "--config", "--config-file", "--rcfile", "--configuration"];

/// Programs that run the command behind this word, or behind them.
const RUNNERS: [(&str, Option<&str>); 16] = [
    ("bundle", Some("exec")),
    ("coverage", Some("run")),
    ("deno", Some("run")),
    ("go", Some("run")),
    ("npm", Some("exec")),
    ("pnpm", Some("exec")),
    ("yarn", Some("exec")),
    ("uv", Some("run")),
    ("poetry", Some("run")),
    ("pdm", Some("run")),
    ("pipenv", Some("run")),
    ("hatch", Some("run")),
    ("rye", Some("run")),
    ("npx", None),
    ("bunx", None),
    ("uvx", None),
];

/// What the commands of checks run.
#[derive(Debug, Clone, Default)]
pub(super) struct CheckCommands {
    words: BTreeSet<String>,
    /// Files and, with a `/` at the end, folders.
    programs: BTreeSet<String>,
    called: BTreeSet<String>,
}

impl CheckCommands {
    pub(super) fn of(lines: impl Iterator<Item = String>) -> Self {
        let mut all = Self::default();
        for line in lines {
            let words = line.split(|c: char| c.is_whitespace() || "\"';|&()<>=".contains(c));
            all.words
                .extend(words.map(|word| word.trim_start_matches("./").to_owned()));
            let mut folder = String::new();
            for command in commands_of(&line) {
                all.add(&folder, &command);
                // The folder of a subshell ends with it, and one that is computed is not known.
                if !folder.is_empty() {
                    all.add("", &command);
                }
                if let ("cd" | "pushd", [to]) = (command.program(), command.arguments()) {
                    folder = joined(&folder, to);
                }
            }
        }
        all
    }

    /// Whether one of their words is this one.
    pub(super) fn name(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// Whether the file is one of the programs that they run, or the settings of one: as the command itself, behind an interpreter, or in
    /// the folder of a module or package that is run.
    pub(super) fn run(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end + 1).chain([path.len()]);
        ends.filter_map(|end| path.get(..end))
            .any(|path| self.programs.contains(path))
    }

    /// Whether they call one of these programs.
    pub(super) fn call(&self, programs: &[&str]) -> bool {
        programs.iter().any(|program| self.called.contains(*program))
    }

    fn add(&mut self, folder: &str, command: &Command) {
        let mut called = command.called.as_str();
        let mut arguments = command.arguments();
        while let Some((first, behind)) = behind_runner(called, arguments) {
            if base_name(called) == "go" {
                self.add_folder(folder, first);
            }
            (called, arguments) = (first, behind);
        }
        self.add_program(folder, called);
        let program = base_name(called);
        self.called.insert(program.to_owned());
        if is_interpreter(program) {
            self.add_scripts(folder, arguments);
            command.reads.iter().for_each(|file| self.add_program(folder, file));
            return;
        }
        for pair in arguments.windows(2) {
            if let [option, value] = pair
                && SETTINGS.contains(&option.as_str())
            {
                self.add_program(folder, value);
            }
        }
        for (option, value) in arguments.iter().filter_map(|word| word.split_once('=')) {
            if SETTINGS.contains(&option) {
                self.add_program(folder, value);
            }
        }
    }

    /// What an interpreter reads: the first argument that looks like a file, and what its options name before that.
    fn add_scripts(&mut self, folder: &str, arguments: &[String]) {
        let mut before = "";
        for word in arguments {
            let is_option = word.starts_with('-');
            if before == "-m" {
                let module = word.replace('.', "/");
                self.add_program(folder, &format!("{module}.py"));
                self.add_program(folder, &format!("{module}/__main__.py"));
                self.add_program(folder, &format!("{module}/__init__.py"));
                return;
            }
            match word.split_once('=') {
                Some((option, value)) if READ_BESIDES.contains(&option) => self.add_program(folder, value),
                _ if is_option => {}
                _ => {
                    self.add_program(folder, word);
                    self.add_program(folder, &format!("{word}/__main__.py"));
                    if word.contains(['/', '.']) && !READ_BESIDES.contains(&before) {
                        return;
                    }
                }
            }
            before = word;
        }
    }

    fn add_program(&mut self, folder: &str, word: &str) {
        let word = word
            .strip_prefix("$PWD/")
            .or(word.strip_prefix("${PWD}/"))
            .unwrap_or(word);
        // Another place, or a program of the system.
        if !word.starts_with('/') {
            self.programs.insert(joined(folder, word));
        }
    }

    fn add_folder(&mut self, folder: &str, word: &str) {
        self.programs.insert(format!("{}/", joined(folder, word)));
    }
}

/// The command behind a program that only runs others.
fn behind_runner<'a>(called: &str, arguments: &'a [String]) -> Option<(&'a str, &'a [String])> {
    let name = base_name(called);
    let (_, verb) = RUNNERS.iter().find(|(program, _)| *program == name)?;
    let behind = match verb {
        Some(verb) => {
            let at = arguments.iter().position(|word| word == verb)?;
            arguments.get(at + 1..)?
        }
        None => arguments,
    };
    let options = behind.iter().take_while(|word| word.starts_with('-')).count();
    let (first, behind) = behind.get(options..)?.split_first()?;
    Some((first, behind))
}

/// `python3.12` is one as `python` is.
fn is_interpreter(program: &str) -> bool {
    let name = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    SHELLS.contains(&program) || INTERPRETERS.contains(&program) || INTERPRETERS.contains(&name)
}

/// The path from the root of the repository; of one outside, what is left of it.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_that_a_command_runs_are_told() {
        for (line, expected) in [
            ("python3 tools/quality.py src", &["python3", "tools/quality.py"][..]),
            (
                "python3.12 -W error tools/q.py x.py",
                &["error", "python3.12", "tools/q.py"],
            ),
            ("python tools", &["python", "tools", "tools/__main__.py"]),
            (
                "python -m tools.quality",
                &["python", "tools/quality.py", "tools/quality/__init__.py"],
            ),
            (
                "node -r ./set.js tools/q.js src/a.js",
                &["node", "set.js", "tools/q.js"],
            ),
            ("node --import=./set.js q.js", &["node", "q.js", "set.js"]),
            (
                "cd tools && sh quality.sh",
                &["cd", "quality.sh", "sh", "tools/quality.sh", "tools/sh"],
            ),
            ("cd a; cd ../b && ./c", &["a/cd", "b/c", "c", "cd"]),
            (
                "(cd a && true) && /usr/bin/npx tsx b.ts",
                &["a/b.ts", "a/true", "a/tsx", "b.ts", "cd", "true", "tsx"],
            ),
            ("./tools//q --all src/x.py", &["tools/q"]),
            ("$PWD/q && ${PWD}/r", &["q", "r"]),
            ("sh -ec './q | sort'", &["q", "sort"]),
            ("uv run --frozen python tools/q.py", &["python", "tools/q.py"]),
            ("bundle exec ruby q.rb", &["q.rb", "ruby"]),
            ("sh < q.sh", &["q.sh", "sh"]),
            ("go run ./cmd/q src", &["cmd/q", "cmd/q/"]),
            ("go test ./cmd/q && go build ./cmd/q", &["go"]),
            ("deno run -A q.ts && deno test tests", &["deno", "q.ts"]),
            (
                "eslint -c conf/e.js --config=conf/f.js src",
                &["conf/e.js", "conf/f.js", "eslint"],
            ),
            ("/bin/sh /opt/x.sh", &[]),
            ("", &[]),
        ] {
            let commands = CheckCommands::of([line.to_owned()].into_iter());
            let is_told = |program: &&String| line == "python tools" || !program.ends_with("/__main__.py");
            let programs: Vec<_> = commands.programs.iter().filter(is_told).collect();
            assert_eq!(programs, expected, "{line}");
        }
    }

    #[test]
    fn a_file_below_a_folder_is_run_where_the_folder_is_a_package() {
        let lines = ["go run ./cmd/q", "go run .", "node --test tests/", "bun test"];
        let commands = CheckCommands::of(lines.into_iter().map(str::to_owned));
        assert!(commands.run("cmd/q/main.go"));
        for path in ["cmd/quality.go", "src/main.go", "tests/a.js", "test/a.js", "main.go"] {
            assert!(!commands.run(path), "{path}");
        }
    }
}
