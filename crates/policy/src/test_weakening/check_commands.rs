//! What the commands of checks run, as far as their text says it.

use std::collections::BTreeSet;

use crate::commands::{Command, SHELLS, base_name, commands_of};
use crate::tokens::Language;

/// Programs that read the file which they are given as one.
const INTERPRETERS: [&str; 23] = [
    ".",
    "source",
    "bun",
    "deno",
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
    "tclsh",
    "ts-node",
    "tsx",
];

/// Programs that look at the files which they are given, and run none of them.
const ONLY_LOOK: [&str; 33] = [
    "[",
    "black",
    "biome",
    "cat",
    "clang-format",
    "clang-tidy",
    "cmp",
    "diff",
    "echo",
    "eslint",
    "flake8",
    "gofmt",
    "grep",
    "head",
    "isort",
    "ls",
    "mypy",
    "prettier",
    "printf",
    "pylint",
    "pyright",
    "rg",
    "rubocop",
    "ruff",
    "rustfmt",
    "sed",
    "shellcheck",
    "shfmt",
    "stat",
    "tail",
    "test",
    "tsc",
    "wc",
];

/// Options of interpreters that have a file read besides the one that is run.
const READ_BESIDES: [&str; 5] = ["-r", "--require", "--import", "--loader", "--preload"];

/// Options of programs that name their settings, or what they run.
const SETTINGS: [&str; 9] = [
    "-c",
    "--config",
    "--config-file",
    "--rcfile",
    "--configuration",
    "-f",
    "--file",
    "--makefile",
    "--justfile",
];

/// What takes a command to another folder, as a program or an option.
const ELSEWHERE: [&str; 11] = [
    "cd",
    "pushd",
    "-C",
    "--chdir",
    "--cwd",
    "--directory",
    "--prefix",
    "--dir",
    "--project-directory",
    "-w",
    "--workdir",
];

/// What the commands of checks run.
#[derive(Debug, Clone, Default)]
pub(super) struct CheckCommands {
    words: BTreeSet<String>,
    /// Files, folders whose programs are run, and modules, as paths.
    programs: BTreeSet<String>,
    /// Those of them that may lie in any folder, because a command goes to one first.
    anywhere: BTreeSet<String>,
    called: BTreeSet<String>,
}

impl CheckCommands {
    pub(super) fn of(lines: impl Iterator<Item = String>) -> Self {
        let mut all = Self::default();
        for line in lines {
            let words = cut(&line).map(|word| word.trim_start_matches("./").to_owned());
            all.words.extend(words);
            let mut programs = BTreeSet::new();
            for command in commands_of(&line) {
                all.add(&command, &mut programs);
            }
            if cut(&line).any(|word| ELSEWHERE.contains(&word) || word.starts_with("-C")) {
                all.anywhere.extend(programs.iter().cloned());
            }
            all.programs.extend(programs);
        }
        all
    }

    /// Whether one of their words is this one.
    pub(super) fn name(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// Whether one of their words is this task, or stands for several with a `*` at its end.
    pub(super) fn name_task(&self, task: &str) -> bool {
        let beginnings = self.words.iter().filter_map(|own| several(own));
        self.name(task) || beginnings.into_iter().any(|beginning| task.starts_with(beginning))
    }

    /// Whether the file is one of the programs that they run, or the settings of one: as the command itself, behind an interpreter, as a module, or in
    /// a folder that is run.
    pub(super) fn run(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end + 1).chain([path.len()]);
        let mut beginnings = ends.filter_map(|end| path.get(..end));
        let mut tails = path.match_indices('/').filter_map(|(end, _)| path.get(end + 1..));
        beginnings.any(|path| self.programs.contains(path)) || tails.any(|path| self.anywhere.contains(path))
    }

    /// Whether they call one of these programs.
    pub(super) fn call(&self, programs: &[&str]) -> bool {
        programs.iter().any(|program| self.called.contains(*program))
    }

    fn add(&mut self, command: &Command, programs: &mut BTreeSet<String>) {
        let arguments = command.arguments().iter().map(String::as_str);
        let words: Vec<&str> = [command.called.as_str()]
            .into_iter()
            .chain(arguments)
            .flat_map(|word| match word.split_once('=') {
                Some((option, value)) if word.starts_with('-') => vec![option, value],
                _ => vec![word],
            })
            .collect();
        self.called.extend(words.iter().map(|word| base_name(word).to_owned()));
        let mut add = |word: &str| programs.extend(program(word));
        for pair in words.windows(2) {
            match pair {
                ["-m", module] => {
                    let module = module.replace('.', "/");
                    for path in ["", "/__main__", "/__init__"].map(|name| format!("{module}{name}.py")) {
                        self.anywhere.insert(path.clone());
                        add(&path);
                    }
                }
                [option, value] if SETTINGS.contains(option) || READ_BESIDES.contains(option) => add(value),
                _ => {}
            }
        }
        // Whatever stands before an interpreter, runs it.
        let interpreter = words.iter().position(|word| is_interpreter(base_name(word)));
        let mut rest = words.get(interpreter.unwrap_or(0)..).unwrap_or_default().iter();
        let Some(first) = rest.next() else {
            return;
        };
        add(first);
        if ONLY_LOOK.contains(&base_name(first)) {
            return;
        }
        let mut before = "";
        for word in rest {
            let is_code = !word.starts_with('-') && is_code(word);
            if is_code || interpreter.is_some() {
                add(word);
                add(&format!("{word}/__main__.py"));
            }
            if is_code && !READ_BESIDES.contains(&before) {
                break;
            }
            before = word;
        }
        if interpreter.is_some() {
            command.reads.iter().for_each(|file| add(file));
        }
        if let Some(at) = words.windows(2).position(|pair| pair == ["go", "run"]) {
            let mut behind = words.iter().skip(at + 2);
            let folder = behind.find(|word| !word.starts_with('-'));
            let folder = folder.and_then(|word| program(word));
            programs.extend(folder.iter().map(|folder| format!("{folder}/")));
            programs.extend(folder);
        }
    }
}

/// The words of a line, without what a shell or a program takes for a sign.
pub(super) fn cut(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "\"';|&()<>=\\".contains(c))
}

/// How the names begin that a word stands for.
pub(super) fn several(word: &str) -> Option<&str> {
    word.strip_suffix('*')
        .map(|word| word.trim_end_matches('*'))
        .filter(|word| !word.is_empty())
}

/// The path from the root of the repository; of one outside, what is left of it. None: it is a program of the system, or nothing.
fn program(word: &str) -> Option<String> {
    let word = word
        .strip_prefix("$PWD/")
        .or(word.strip_prefix("${PWD}/"))
        .unwrap_or(word);
    let mut parts: Vec<&str> = Vec::new();
    for part in word.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    (!word.starts_with('/') && !parts.is_empty()).then(|| parts.join("/"))
}

/// Whether a file of this name holds a program that is run as it is. What has to be compiled first is most often the product.
fn is_code(name: &str) -> bool {
    let ending = base_name(name).rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| match Language::of(&ending.to_ascii_lowercase()) {
        Some(Language::Other) => ending == "lua",
        Some(Language::Rust | Language::Go | Language::Swift | Language::CSharp) | None => false,
        Some(_) => true,
    })
}

/// `python3.12` is one as `python` is.
fn is_interpreter(program: &str) -> bool {
    let name = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    SHELLS.contains(&program) || INTERPRETERS.contains(&program) || INTERPRETERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_that_a_command_runs_are_told() {
        for (line, run, not_run) in [
            (
                "python3 tools/quality.py src/a.py",
                &["tools/quality.py"][..],
                &["src/a.py", "q/tools/quality.py"][..],
            ),
            ("python3.12 -W error tools/q.py x.py", &["tools/q.py"], &["x.py"]),
            ("python tools", &["tools/__main__.py"], &["tools/q.py"]),
            (
                "python -m tools.quality",
                &[
                    "tools/quality.py",
                    "tools/quality/__init__.py",
                    "src/tools/quality/__main__.py",
                ],
                &["tools/q.py"],
            ),
            (
                "node -r ./set.js tools/q.js src/a.js",
                &["set.js", "tools/q.js"],
                &["src/a.js"],
            ),
            ("node --import=./set.js q.js", &["q.js", "set.js"], &[]),
            ("ruby -I lib/x -w bin/q.rb src/a.rb", &["bin/q.rb"], &["src/a.rb"]),
            ("php -d a.b=1 q.php", &["q.php"], &[]),
            ("php artisan check", &["artisan"], &[]),
            (
                "cd tools && sh quality.sh",
                &["tools/quality.sh", "quality.sh"],
                &["tools/q.sh"],
            ),
            ("env -C tools ./quality.py", &["tools/quality.py"], &[]),
            ("pushd a/b; ./c", &["a/b/c", "c"], &["a/b"]),
            ("(cd a && true) && /usr/bin/npx tsx b.ts", &["a/b.ts", "b.ts"], &[]),
            ("./tools//q --all src/x.py", &["tools/q"], &["x.py"]),
            ("$PWD/q && ${PWD}/r", &["q", "r"], &[]),
            ("sh -ec './q | sort'", &["q"], &[]),
            ("uv run --frozen python q.py", &["q.py"], &[]),
            ("bundle exec ruby q.rb", &["q.rb"], &[]),
            ("docker compose run --rm app python q.py", &["q.py"], &[]),
            ("xvfb-run -a ./q.js src/a.js", &["q.js"], &["src/a.js"]),
            ("sh < q.txt", &["q.txt"], &[]),
            (
                "go run ./cmd/q src",
                &["cmd/q/main.go"],
                &["cmd/quality.go", "src/main.go"],
            ),
            (
                "go test ./cmd/q && go build ./cmd/q && go run .",
                &[],
                &["cmd/q/main.go", "main.go"],
            ),
            ("go run cmd/q.go src", &["cmd/q.go"], &["cmd/r.go"]),
            ("rustc --test src/a.rs && cc src/b.c", &[], &["src/a.rs", "src/b.c"]),
            ("deno run -A q.ts && deno test tests", &["q.ts"], &["tests/a.ts"]),
            (
                "eslint -c conf/e.js --config=conf/f.js src/a.js",
                &["conf/e.js", "conf/f.js"],
                &["src/a.js"],
            ),
            ("make -f build/rules quality", &["build/rules"], &["quality"]),
            ("test -s src/a.py && ruff check src/a.py", &[], &["src/a.py"]),
            ("node --test tests/ && bun test", &[], &["tests/a.js", "test/a.js"]),
            ("/bin/sh /opt/x.sh", &[], &["opt/x.sh"]),
            ("", &[], &["a"]),
        ] {
            let commands = CheckCommands::of([line.to_owned()].into_iter());
            for path in run {
                assert!(commands.run(path), "{line}: {path}");
            }
            for path in not_run {
                assert!(!commands.run(path), "{line}: {path}");
            }
        }
    }
}
