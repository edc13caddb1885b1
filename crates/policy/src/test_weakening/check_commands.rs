//! What the commands of checks run, as far as their text says it.

mod programs;

use std::collections::BTreeSet;

use crate::commands::{Command, base_name, commands_of, quoted};

pub(super) use programs::TASK_RUNNERS;
use programs::{
    DENO_TASK, FILES, FOLDERS, READ_BESIDES, RUN_FILES, SETTINGS, TELL, behind_runner, is_code, is_interpreter,
    is_python, may_have_value,
};

/// How deep texts within texts are read.
const DEEPEST: usize = 3;

/// What the commands of checks run.
#[derive(Debug, Clone, Default)]
pub(super) struct CheckCommands {
    words: BTreeSet<String>,
    /// Files and, with a `/` at the end, folders.
    programs: BTreeSet<String>,
    /// Modules of Python, as paths, whatever folder they lie in.
    modules: BTreeSet<String>,
    called: BTreeSet<String>,
}

impl CheckCommands {
    pub(super) fn of(lines: impl Iterator<Item = String>) -> Self {
        let mut all = Self::default();
        for line in lines {
            let words = cut(&line).map(|word| word.trim_start_matches("./").to_owned());
            all.words.extend(words);
            all.read(&line, "", DEEPEST);
        }
        all
    }

    /// Whether one of their words is this one.
    pub(super) fn name(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// Whether one of their words is this task, or stands for several with a `*` at its end.
    pub(super) fn name_task(&self, task: &str) -> bool {
        let mut names = self.words.iter().flat_map(|word| tasks_named(word));
        names.any(|name| name == task || several(name).is_some_and(|beginning| task.starts_with(beginning)))
    }

    /// Whether the file is one of the programs that they run, or the settings of one: as the command itself, behind an interpreter, or in
    /// the folder of a module or package that is run.
    pub(super) fn run(&self, path: &str) -> bool {
        let begins = path.match_indices('/').map(|(end, _)| end + 1);
        let mut above = begins.clone().filter_map(|end| path.get(..end));
        let mut below = [0].into_iter().chain(begins).filter_map(|at| path.get(at..));
        self.programs.contains(path)
            || above.any(|folder| self.programs.contains(folder))
            || below.any(|path| self.modules.contains(path))
    }

    /// Whether they call one of these programs.
    pub(super) fn call(&self, programs: &[&str]) -> bool {
        programs.iter().any(|program| self.called.contains(*program))
    }

    /// Reads a line that is run in a folder, and texts within it as lines.
    fn read(&mut self, line: &str, folder: &str, depth: usize) {
        let words: Vec<&str> = cut(line).collect();
        let named = words.windows(2).filter(|pair| FOLDERS.contains(&pair[0]));
        let named: Vec<&str> = named.map(|pair| pair[1]).collect();
        let mut here = folder.to_owned();
        // Where a subshell begins anew from the folder of the line.
        let mut anew = folder.to_owned();
        for command in commands_of(line) {
            // One that is computed is not known.
            let mut folders = BTreeSet::from([String::new(), folder.to_owned(), here.clone(), anew.clone()]);
            folders.extend(named.iter().map(|folder| joined(&here, folder)));
            self.add(&folders, &command);
            let texts = command
                .arguments()
                .iter()
                .filter(|word| word.contains(char::is_whitespace));
            let is_read = depth > 0 && !TELL.contains(&command.program());
            for text in texts.filter(|_| is_read) {
                self.read(text, &here, depth - 1);
            }
            if let ("cd" | "pushd", [to]) = (command.program(), command.arguments())
                && let Some(to) = in_repository(to)
            {
                here = joined(&here, to);
                anew = joined(folder, to);
            }
        }
    }

    fn add(&mut self, folders: &BTreeSet<String>, command: &Command) {
        let called = [command.called.clone()];
        let words: Vec<String> = called.iter().chain(command.arguments()).cloned().collect();
        let mut rest = words.as_slice();
        while let [called, arguments @ ..] = rest {
            let program = base_name(called);
            self.called.insert(program.to_owned());
            self.add_program(folders, called);
            self.add_options(folders, program, arguments);
            rest = match (program, arguments) {
                ("deno", [task, ..]) if task == "task" => {
                    self.called.insert(DENO_TASK.to_owned());
                    return;
                }
                ("coverage", [run, arguments @ ..]) if run == "run" => self.add_scripts(folders, "python", arguments),
                ("go", _) => {
                    for package in behind_runner(program, arguments)
                        .iter()
                        .flat_map(|behind| behind.first())
                    {
                        self.add_program(folders, package);
                        self.add_package(folders, package);
                    }
                    return;
                }
                _ if is_interpreter(program) => {
                    command.reads.iter().for_each(|file| self.add_program(folders, file));
                    self.add_scripts(folders, program, arguments)
                }
                _ => {
                    // There may be something around it again, such as `env` or `timeout`.
                    let behind = behind_runner(program, arguments).map(|behind| quoted(behind.iter()));
                    for command in behind.iter().flat_map(|line| commands_of(line)) {
                        self.add(folders, &command);
                    }
                    return;
                }
            };
        }
    }

    /// What the options of a program name: its settings, or what it runs.
    fn add_options(&mut self, folders: &BTreeSet<String>, program: &str, arguments: &[String]) {
        let names_files = RUN_FILES.contains(&program);
        let is_one = |option: &str| SETTINGS.contains(&option) || names_files && FILES.contains(&option);
        for pair in arguments.windows(2).filter(|pair| is_one(&pair[0])) {
            self.add_program(folders, &pair[1]);
        }
        let joined = arguments.iter().filter_map(|word| word.split_once('='));
        for (_, value) in joined.filter(|(option, _)| is_one(option)) {
            self.add_program(folders, value);
        }
    }

    /// What an interpreter reads: the first argument that looks like a file, and before that what options may name. Gives the command that a
    /// module of Python is told to run.
    fn add_scripts<'a>(&mut self, folders: &BTreeSet<String>, program: &str, arguments: &'a [String]) -> &'a [String] {
        let mut before = "";
        for (at, word) in arguments.iter().enumerate() {
            if before == "-m" && is_python(program) {
                let module = word.replace('.', "/");
                self.modules
                    .extend(["", "/__main__", "/__init__"].map(|name| format!("{module}{name}.py")));
                return arguments.get(at..).filter(|_| word == "coverage").unwrap_or_default();
            }
            match word.split_once('=') {
                Some((option, value)) if option.starts_with('-') => {
                    if READ_BESIDES.contains(&option) {
                        self.add_program(folders, value);
                    }
                }
                _ if word.starts_with('-') => {}
                _ => {
                    self.add_program(folders, word);
                    self.add_program(folders, &format!("{word}/__main__.py"));
                    let is_script = match may_have_value(before) {
                        true => is_code(word) && !READ_BESIDES.contains(&before),
                        false => word.contains(['/', '.']),
                    };
                    if is_script {
                        break;
                    }
                }
            }
            before = word;
        }
        &[]
    }

    fn add_program(&mut self, folders: &BTreeSet<String>, word: &str) {
        self.programs.extend(paths(folders, word));
    }

    /// All of a folder. That of a whole repository would be the product.
    fn add_package(&mut self, folders: &BTreeSet<String>, word: &str) {
        self.programs
            .extend(paths(folders, word).map(|path| format!("{path}/")));
    }
}

/// The words of a line, without what a shell or a program takes for a sign.
pub(super) fn cut(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| c.is_whitespace() || "\"';|&()<>=\\".contains(c));
    words.filter(|word| !word.is_empty())
}

/// The tasks that a word may name: `concurrently` and others write `npm:` in front of one, Composer `@`.
pub(super) fn tasks_named(word: &str) -> impl Iterator<Item = &str> {
    [Some(word), word.strip_prefix("npm:"), word.strip_prefix('@')]
        .into_iter()
        .flatten()
}

/// How the names begin that a word stands for.
pub(super) fn several(word: &str) -> Option<&str> {
    let beginning = word.trim_end_matches('*');
    (beginning.len() < word.len() && !beginning.is_empty()).then_some(beginning)
}

/// The word as paths of the repository, from these folders.
fn paths(folders: &BTreeSet<String>, word: &str) -> impl Iterator<Item = String> {
    let paths = in_repository(word).map(|word| folders.iter().map(move |folder| joined(folder, word)));
    paths.into_iter().flatten().filter(|path| !path.is_empty())
}

/// The word as a path of the repository, as far as it can be one: not another place, or a program of the system.
fn in_repository(word: &str) -> Option<&str> {
    match word.split_once('/') {
        Some((variable, path)) if variable.starts_with('$') => Some(path),
        _ => (!word.starts_with('/')).then_some(word),
    }
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

    fn of(line: &str) -> CheckCommands {
        CheckCommands::of([line.to_owned()].into_iter())
    }

    #[test]
    fn the_programs_that_a_command_runs_are_told() {
        for (line, run, not_run) in [
            (
                "python3 tools/quality.py src/a.py",
                &["tools/quality.py"][..],
                &["src/a.py", "q/tools/quality.py"][..],
            ),
            ("python3.12 -W error tools/q.py x.py", &["tools/q.py"], &["x.py"]),
            ("python3 bin/quality src/a.py", &["bin/quality"], &["src/a.py"]),
            ("python tools", &["tools/__main__.py"], &["tools/q.py"]),
            (
                "python -m tools.quality src/a.py",
                &[
                    "tools/quality.py",
                    "tools/quality/__init__.py",
                    "src/tools/quality/__main__.py",
                ],
                &["tools/q.py", "src/a.py"],
            ),
            (
                "coverage run --omit=setup.py manage.py test",
                &["manage.py"],
                &["setup.py"],
            ),
            ("coverage run -m tools.quality", &["tools/quality.py"], &[]),
            ("pytest -m api && git commit -m x", &[], &["api.py", "src/x.py"]),
            (
                "node -r ./set.js tools/q.js src/a.js",
                &["set.js", "tools/q.js"],
                &["src/a.js"],
            ),
            ("node --import=./set.js q.js", &["q.js", "set.js"], &[]),
            ("node --test-reporter=./r.mjs bin/q", &["r.mjs", "bin/q"], &[]),
            ("ruby -I lib/x -w bin/q.rb src/a.rb", &["bin/q.rb"], &["src/a.rb"]),
            ("php -d a.b=1 q.php", &["q.php"], &[]),
            ("php artisan check", &["artisan"], &[]),
            (
                "./bin/style.py . && ./bin/lint.js src/main/java",
                &["bin/style.py", "bin/lint.js"],
                &[],
            ),
            (
                "cd tools && sh quality.sh",
                &["tools/quality.sh", "quality.sh"],
                &["tools/q.sh"],
            ),
            ("env -C tools ./quality.py", &["tools/quality.py"], &[]),
            ("uv run --directory=tools python q.py", &["tools/q.py"], &[]),
            ("pushd a/b; ./c", &["a/b/c", "c"], &["a/b"]),
            ("(cd a && true) && /usr/bin/npx tsx b.ts", &["a/b.ts", "b.ts"], &[]),
            ("./tools//q --all src/x.py", &["tools/q"], &["x.py"]),
            (
                "$PWD/q && ${PWD}/r && $(git rev-parse --show-toplevel)/s",
                &["q", "r", "s"],
                &[],
            ),
            ("sh -ec './q | sort'", &["q"], &[]),
            ("uv run --frozen python q.py", &["q.py"], &[]),
            (
                "cd backend && poetry run bin/quality src/a.py",
                &["backend/bin/quality"],
                &["src/a.py"],
            ),
            ("npx -p typescript tsx b.ts", &["b.ts"], &[]),
            (
                "uv run ruff check src/a.py && npx eslint src/a.js",
                &[],
                &["src/a.py", "src/a.js"],
            ),
            ("bundle exec ruby q.rb", &["q.rb"], &[]),
            ("docker compose run --rm app python q.py", &["q.py"], &[]),
            ("docker run -v .:/w example.org/x/y:1 node q.js", &["q.js"], &[]),
            ("docker compose run app sh -c \"python bin/q.py\"", &["bin/q.py"], &[]),
            (
                "concurrently \"node bin/a.js\" 'node bin/b.js'",
                &["bin/a.js", "bin/b.js"],
                &[],
            ),
            ("xvfb-run -a ./q.js src/a.js", &["q.js"], &["src/a.js"]),
            ("sh < q.txt", &["q.txt"], &[]),
            (
                "go run ./cmd/q src",
                &["cmd/q/main.go"],
                &["cmd/quality.go", "src/main.go"],
            ),
            ("go run -mod=mod -tags e2e ./q", &["q/main.go"], &["e2e/main.go"]),
            (
                "cd tools/q && go run .",
                &["tools/q/main.go"],
                &["main.go", "tools/main.go"],
            ),
            ("cd tools && /usr/local/go/bin/go run ./q", &["tools/q/main.go"], &[]),
            ("go -C tools run ./q", &["tools/q/main.go"], &[]),
            ("go run -mod=mod quality.go src", &["quality.go"], &["src/a.go"]),
            (
                "cd tools/q && go run -race . ../../src",
                &["tools/q/main.go"],
                &["src/a.go"],
            ),
            ("env -C \"web\" node q.js && make  -C  'app' q", &["web/q.js"], &[]),
            ("'env' '-C' 'web' 'node' 'quality.js'", &["web/quality.js"], &[]),
            (
                "uv run --directory services/api --env-file ci/.env python q.py",
                &["services/api/q.py"],
                &["ci/.env"],
            ),
            ("npx --prefix packages/web tsx q.ts", &["packages/web/q.ts"], &[]),
            ("go run -modfile tools/go.mod ./q", &["q/main.go"], &["tools/go.mod"]),
            (
                "(cd api && node q.js) && (cd web && node r.js)",
                &["api/q.js", "web/r.js"],
                &[],
            ),
            ("docker compose run app sh -c 'cd web && node q.js'", &["web/q.js"], &[]),
            ("cd \"$PWD/web\" && node q.js", &["web/q.js"], &[]),
            ("docker compose run --rm app ./q.py src/a.py", &["q.py"], &["src/a.py"]),
            ("docker compose run app pytest src/a.py", &[], &["src/a.py"]),
            ("docker run img /venv/bin/python q.py src", &["q.py"], &[]),
            (
                "python -m coverage run q.py && python -m coverage report r.py",
                &["q.py"],
                &["r.py"],
            ),
            (
                "uv run env CI=1 python q.py && xvfb-run timeout 60 node r.js",
                &["q.py", "r.js"],
                &[],
            ),
            ("pnpm tsx q.ts && yarn node r.js", &["q.ts", "r.js"], &[]),
            (
                "npx c8 node q.js && npx cross-env CI=1 node r.js",
                &["q.js", "r.js"],
                &[],
            ),
            (
                "uv run --frozen mypy src/a.py && npx --yes prettier src/a.js",
                &[],
                &["src/a.py", "src/a.js"],
            ),
            (
                "bash -eu scripts/lint src/a.sh && python3 -u bin/q src/a.py",
                &["scripts/lint", "bin/q"],
                &["src/a.sh", "src/a.py"],
            ),
            ("echo \"node src/a.js failed\"", &[], &["src/a.js"]),
            ("go run cmd/q.go src", &["cmd/q.go"], &["cmd/r.go"]),
            (
                "go test ./cmd/q && go build ./cmd/q && go run .",
                &[],
                &["cmd/q/main.go", "main.go"],
            ),
            ("rustc --test src/a.rs && cc src/b.c", &[], &["src/a.rs", "src/b.c"]),
            ("deno run --allow-read=src/a.ts q.ts", &["q.ts"], &["src/a.ts"]),
            (
                "deno test tests && deno check src/a.ts",
                &[],
                &["tests/a.ts", "src/a.ts"],
            ),
            (
                "eslint -c conf/e.js --config=conf/f.js src/a.js",
                &["conf/e.js", "conf/f.js"],
                &["src/a.js"],
            ),
            (
                "make -f build/rules quality && awk -f q.awk x",
                &["build/rules", "q.awk"],
                &["quality", "x"],
            ),
            (
                "test -f src/a.py && rm -f b.py && pip install -r r.txt",
                &[],
                &["src/a.py", "b.py", "r.txt"],
            ),
            (
                "git diff --exit-code src/a.ts && grep -q python src/a.py",
                &[],
                &["src/a.ts", "src/a.py"],
            ),
            ("node --test tests/ && bun test", &[], &["tests/a.js", "test/a.js"]),
            ("/bin/sh /opt/x.sh", &[], &["opt/x.sh"]),
            ("", &[], &["a"]),
        ] {
            let commands = of(line);
            for path in run {
                assert!(commands.run(path), "{line}: {path}");
            }
            for path in not_run {
                assert!(!commands.run(path), "{line}: {path}");
            }
        }
    }

    #[test]
    fn what_is_called_is_no_argument() {
        for (line, is_called) in [
            ("make", true),
            ("cd x && /usr/bin/make -s q", true),
            ("xvfb-run -a make q", true),
            ("docker compose run --rm app make q", true),
            ("docker compose run app sh -c 'cd x && make q'", true),
            ("docker compose run --rm python make q", true),
            ("grep . x && { echo \"make x first\"; exit 1; }", false),
            ("cargo test -p make", false),
            ("pytest tests/make", false),
            ("echo make", false),
        ] {
            assert_eq!(of(line).call(&["make"]), is_called, "{line}");
        }
    }
}
