//! Programs that run others, or files: what of their arguments is one.

use crate::commands::{SHELLS, base_name};
use crate::tokens::Language;

/// Programs that read the file which they are given as one.
const INTERPRETERS: [&str; 22] = [
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
    "tclsh",
    "ts-node",
    "tsx",
];

/// Options of theirs whose value is read besides.
pub(super) const READ_BESIDES: [&str; 7] = [
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "--preload",
    "--test-reporter",
];

/// Options of programs that name their settings.
pub(super) const SETTINGS: [&str; 5] = ["-c", "--config", "--config-file", "--rcfile", "--configuration"];

/// Options that name what a program runs, and those programs.
pub(super) const FILES: [&str; 4] = ["-f", "--file", "--makefile", "--justfile"];
pub(super) const RUN_FILES: [&str; 12] = [
    "make",
    "gmake",
    "just",
    "rake",
    "nox",
    "docker",
    "docker-compose",
    "podman",
    "awk",
    "gawk",
    "jq",
    "sed",
];

/// Options by which a program goes to another folder first.
pub(super) const FOLDERS: [&str; 9] = [
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

/// Options whose value is a file that is not run.
const OTHER_FILES: [&str; 5] = ["--env-file", "--project", "--with-requirements", "-modfile", "-overlay"];

/// Options that have no value.
const FLAGS: [&str; 15] = [
    "-A",
    "-a",
    "-e",
    "-eu",
    "-eux",
    "-race",
    "-u",
    "-v",
    "-x",
    "-y",
    "--bun",
    "--frozen",
    "--locked",
    "--no-install",
    "--yes",
];

/// Programs that run the command behind one of these words, or behind them.
const RUNNERS: [(&str, &[&str]); 26] = [
    ("bundle", &["exec"]),
    ("bunx", &[]),
    ("c8", &[]),
    ("conda", &["run"]),
    ("cross-env", &[]),
    ("dbus-run-session", &[]),
    ("deno", &["run"]),
    ("docker", &["run", "exec"]),
    ("docker-compose", &["run", "exec"]),
    ("go", &["run"]),
    ("hatch", &["run"]),
    ("nix", &["-c", "--command"]),
    ("npm", &["exec"]),
    ("npx", &[]),
    ("nyc", &[]),
    ("pdm", &["run"]),
    ("pipenv", &["run"]),
    ("pipx", &["run"]),
    ("pnpm", &["exec", "dlx"]),
    ("podman", &["run", "exec"]),
    ("poetry", &["run"]),
    ("rye", &["run"]),
    ("uv", &["run"]),
    ("uvx", &[]),
    ("xvfb-run", &[]),
    ("yarn", &["exec", "dlx"]),
];

/// Those of them that are told where to run it before they are told what.
const NAME_A_PLACE: [&str; 3] = ["docker", "docker-compose", "podman"];

/// Programs that run what a file of the repository says under a name.
pub(in super::super) const TASK_RUNNERS: [&str; 17] = [
    "make", "gmake", "just", "rake", "task", "go-task", "npm", "pnpm", "yarn", "bun", DENO_TASK, "gradle", "gradlew",
    "composer", "invoke", "inv", "mix",
];

/// Deno runs tasks only where it is told so.
pub(super) const DENO_TASK: &str = "deno task";

/// Programs that only tell or look for the texts which they are given.
pub(super) const TELL: [&str; 8] = ["[", "echo", "git", "grep", "jq", "printf", "rg", "test"];

/// The command behind a program that only runs others.
pub(super) fn behind_runner<'a>(program: &str, arguments: &'a [String]) -> Option<&'a [String]> {
    let (_, verbs) = RUNNERS.iter().find(|(runner, _)| *runner == program)?;
    let verb = arguments.iter().position(|word| verbs.contains(&word.as_str()));
    let behind = match (verbs, verb) {
        ([], _) => arguments,
        (_, Some(verb)) => arguments.get(verb + 1..)?,
        // `yarn node x.js`
        (_, None) if matches!(program, "pnpm" | "yarn") && arguments.first().is_some_and(|word| is_known(word)) => {
            arguments
        }
        _ => return None,
    };
    if NAME_A_PLACE.contains(&program) {
        // An image may be called as what is in it.
        let is_known = |at: usize| behind.get(at).is_some_and(|word| is_known(base_name(word)));
        let known = (0..behind.len()).find(|at| is_known(*at) && !is_known(at + 1));
        let first = known.or_else(|| behind.iter().position(|word| word.starts_with("./")))?;
        return behind.get(first..);
    }
    let mut before = "";
    let first = behind.iter().position(|word| {
        let option = std::mem::replace(&mut before, word);
        if word.starts_with('-') || word.contains('=') || names_other_file(option) {
            return false;
        }
        let is_path = !word.contains(':') && (word.contains('/') || is_code(word) || program == "go" && word == ".");
        !may_have_value(option) || is_known(base_name(word)) || is_path
    })?;
    behind.get(first..)
}

/// Whether the next word may be the value of this one, if it is an option.
pub(super) fn may_have_value(word: &str) -> bool {
    word.starts_with('-') && word != "--" && !word.contains('=') && !FLAGS.contains(&word)
}

fn names_other_file(option: &str) -> bool {
    FOLDERS.contains(&option) || SETTINGS.contains(&option) || OTHER_FILES.contains(&option)
}

/// Whether a program of this name runs something else, wherever it stands.
fn is_known(word: &str) -> bool {
    let is_sign = matches!(word, "." | "source");
    let is_runner = RUNNERS.iter().any(|(runner, _)| *runner == word);
    !is_sign && (is_runner || is_interpreter(word) || TASK_RUNNERS.contains(&word))
}

/// Whether a file of this name holds a program that is run as it is. What has to be compiled first is most often the product.
pub(super) fn is_code(name: &str) -> bool {
    let ending = base_name(name).rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| match Language::of(&ending.to_ascii_lowercase()) {
        Some(Language::Other) => ending == "lua",
        Some(Language::Rust | Language::Go | Language::Swift | Language::CSharp) | None => false,
        Some(_) => true,
    })
}

/// `python3.12` is one as `python` is.
pub(super) fn is_interpreter(program: &str) -> bool {
    SHELLS.contains(&program) || INTERPRETERS.contains(&program) || INTERPRETERS.contains(&without_version(program))
}

pub(super) fn is_python(program: &str) -> bool {
    matches!(without_version(program), "python" | "pypy")
}

fn without_version(program: &str) -> &str {
    program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
}
