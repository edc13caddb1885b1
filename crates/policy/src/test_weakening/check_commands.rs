//! What the commands of checks run, as far as their text says it.

use std::collections::BTreeSet;

use crate::commands::{Command, SHELLS, base_name, commands_of};
use crate::tokens::Language;

/// Programs that read the file which they are given as one.
const INTERPRETERS: [&str; 23] = [
    ".",
    "source",
    "bun",
    "coverage",
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

/// Options of theirs whose value is read besides.
const READ_BESIDES: [&str; 7] = [
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "--preload",
    "--test-reporter",
];

/// Options of programs that name their settings.
const SETTINGS: [&str; 5] = ["-c", "--config", "--config-file", "--rcfile", "--configuration"];

/// Options that name what a program runs, and those programs.
const FILES: [&str; 4] = ["-f", "--file", "--makefile", "--justfile"];
const RUN_FILES: [&str; 10] = [
    "make",
    "gmake",
    "just",
    "rake",
    "docker",
    "docker-compose",
    "podman",
    "awk",
    "gawk",
    "sed",
];

/// Options by which a program goes to another folder first.
const FOLDERS: [&str; 9] = [
    "-C",
    "--chdir",
    "--cwd",
    "--dir",
    "--directory",
    "--prefix",
    "--project-directory",
    "--working-directory",
    "--workdir",
];

/// Programs that run the command behind one of these words, or behind them.
const RUNNERS: [(&str, &[&str]); 22] = [
    ("bundle", &["exec"]),
    ("deno", &["run"]),
    ("docker", &["run", "exec"]),
    ("docker-compose", &["run", "exec"]),
    ("podman", &["run", "exec"]),
    ("dbus-run-session", &[]),
    ("go", &["run"]),
    ("hatch", &["run"]),
    ("nix", &["-c", "--command"]),
    ("npm", &["exec"]),
    ("pdm", &["run"]),
    ("pipenv", &["run"]),
    ("pnpm", &["exec"]),
    ("poetry", &["run"]),
    ("rye", &["run"]),
    ("uv", &["run"]),
    ("yarn", &["exec"]),
    ("bunx", &[]),
    ("npx", &[]),
    ("pipx", &["run"]),
    ("uvx", &[]),
    ("xvfb-run", &[]),
];

/// Those of them that are told where to run it before they are told what.
const NAME_A_PLACE: [&str; 3] = ["docker", "docker-compose", "podman"];

/// Programs that run what a file of the repository says under a name.
pub(super) const TASK_RUNNERS: [&str; 14] = [
    "make", "gmake", "just", "rake", "task", "npm", "pnpm", "yarn", "bun", "gradle", "gradlew", "composer", "invoke",
    "mix",
];

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
            let words: Vec<&str> = cut(&line).collect();
            let bare = words.iter().map(|word| word.trim_start_matches("./").to_owned());
            all.words.extend(bare);
            let named = words.windows(2).filter(|pair| FOLDERS.contains(&pair[0]));
            let named: Vec<&str> = named.map(|pair| pair[1]).collect();
            let mut here = String::new();
            for command in commands_of(&line) {
                // The folder of a subshell ends with it, and one that is computed is not known.
                let mut folders = BTreeSet::from([String::new(), here.clone()]);
                folders.extend(named.iter().map(|folder| joined(&here, folder)));
                all.add(&folders, &command);
                let within = command
                    .arguments()
                    .iter()
                    .filter(|word| word.contains(char::is_whitespace));
                for command in within.flat_map(|line| commands_of(line)) {
                    all.add(&folders, &command);
                }
                if let ("cd" | "pushd", [to]) = (command.program(), command.arguments()) {
                    here = joined(&here, to);
                }
            }
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

    fn add(&mut self, folders: &BTreeSet<String>, command: &Command) {
        let arguments = command.arguments().iter().map(String::as_str);
        let words: Vec<&str> = [command.called.as_str()].into_iter().chain(arguments).collect();
        let mut rest = words.as_slice();
        let is_interpreted = loop {
            let [called, arguments @ ..] = rest else { return };
            let program = base_name(called);
            self.called.insert(program.to_owned());
            self.add_program(folders, called);
            self.add_options(folders, program, arguments);
            if is_interpreter(program) {
                self.add_scripts(folders, program, arguments);
                break true;
            }
            match behind_runner(program, arguments) {
                Some([package, ..]) if program == "go" => {
                    self.add_program(folders, package);
                    self.add_package(folders, package);
                    break false;
                }
                Some(behind) => rest = behind,
                None => break false,
            }
        };
        if is_interpreted {
            command.reads.iter().for_each(|file| self.add_program(folders, file));
        }
    }

    /// What the options of a program name: its settings, or what it runs.
    fn add_options(&mut self, folders: &BTreeSet<String>, program: &str, arguments: &[&str]) {
        let names_files = RUN_FILES.contains(&program);
        let is_one = |option: &str| SETTINGS.contains(&option) || names_files && FILES.contains(&option);
        for pair in arguments.windows(2).filter(|pair| is_one(pair[0])) {
            self.add_program(folders, pair[1]);
        }
        let joined = arguments.iter().filter_map(|word| word.split_once('='));
        for (_, value) in joined.filter(|(option, _)| is_one(option)) {
            self.add_program(folders, value);
        }
    }

    /// What an interpreter reads: the first argument that looks like a file, and before that what options may name.
    fn add_scripts(&mut self, folders: &BTreeSet<String>, program: &str, arguments: &[&str]) {
        let mut before = "";
        for word in arguments {
            if before == "-m" && is_python(program) {
                let module = word.replace('.', "/");
                self.modules
                    .extend(["", "/__main__", "/__init__"].map(|name| format!("{module}{name}.py")));
                return;
            }
            let is_value = before.starts_with('-');
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
                    // What stands behind an option may be its value.
                    let is_script = if is_value {
                        is_code(word) && !READ_BESIDES.contains(&before)
                    } else {
                        word.contains(['/', '.'])
                    };
                    if is_script {
                        return;
                    }
                }
            }
            before = word;
        }
    }

    fn add_program(&mut self, folders: &BTreeSet<String>, word: &str) {
        if let Some(word) = in_repository(word) {
            let paths = folders.iter().map(|folder| joined(folder, word));
            self.programs.extend(paths.filter(|path| !path.is_empty()));
        }
    }

    fn add_package(&mut self, folders: &BTreeSet<String>, word: &str) {
        if let Some(word) = in_repository(word) {
            let paths = folders.iter().map(|folder| joined(folder, word));
            // All of a repository would be the product.
            let paths = paths.filter(|path| !path.is_empty());
            self.programs.extend(paths.map(|path| format!("{path}/")));
        }
    }
}

/// The words of a line, without what a shell or a program takes for a sign.
pub(super) fn cut(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "\"';|&()<>=\\".contains(c))
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

/// The command behind a program that only runs others.
fn behind_runner<'a, 'w>(program: &str, arguments: &'a [&'w str]) -> Option<&'a [&'w str]> {
    let (_, verbs) = RUNNERS.iter().find(|(runner, _)| *runner == program)?;
    let behind = match verbs {
        [] => arguments,
        _ => arguments.get(arguments.iter().position(|word| verbs.contains(word))? + 1..)?,
    };
    let is_path = |word: &str| !word.contains([':', '=']) && (word.contains('/') || is_code(word));
    let mut before = "";
    let first = match NAME_A_PLACE.contains(&program) {
        true => behind.iter().position(|word| is_known(word)),
        false => behind.iter().position(|word| {
            // What stands behind an option may be its value.
            let may_be_value = before.starts_with('-') && before != "--";
            before = word;
            !word.starts_with('-') && (!may_be_value || is_known(word) || is_path(word))
        }),
    };
    let is_plain = |word: &&str| !word.starts_with('-');
    // Else it is the last that can be one.
    let first = first.or_else(|| behind.iter().rposition(is_plain))?;
    behind.get(first..)
}

/// Whether a program of this name runs something else, wherever it stands.
fn is_known(word: &str) -> bool {
    let is_sign = matches!(word, "." | "source");
    let is_runner = RUNNERS.iter().any(|(runner, _)| *runner == word);
    !is_sign && (is_runner || is_interpreter(word) || TASK_RUNNERS.contains(&word))
}

/// The word as a path of the repository, as far as it can be one: not another place, or a program of the system.
fn in_repository(word: &str) -> Option<&str> {
    match word.split_once('/') {
        Some((variable, path)) if variable.starts_with('$') => Some(path),
        _ => (!word.starts_with('/')).then_some(word),
    }
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
    SHELLS.contains(&program) || INTERPRETERS.contains(&program) || INTERPRETERS.contains(&without_version(program))
}

fn is_python(program: &str) -> bool {
    matches!(without_version(program), "python" | "pypy" | "coverage")
}

fn without_version(program: &str) -> &str {
    program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
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
            ("cargo test -p make", false),
            ("pytest tests/make", false),
            ("echo make", false),
        ] {
            assert_eq!(of(line).call(&["make"]), is_called, "{line}");
        }
    }
}
