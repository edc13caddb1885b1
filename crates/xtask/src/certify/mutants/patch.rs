//! A breakage as it is kept: what it breaks and who has to see it, and a unified diff of one line.

use std::path::PathBuf;

use super::suite::Test;
use crate::error::TaskError;
use crate::workspace::Workspace;

/// Where they are kept.
pub(super) const FOLDER: &str = "fixtures/mutants";

/// A breakage. Its file is `NN-name.patch`: lines of `Key: value`, an empty line, the diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mutant {
    /// Of the file, without its number.
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// `Promise`: the promise that it breaks.
    pub(super) promise: String,
    /// `Breaks`: what is so with it.
    pub(super) breaks: String,
    /// `Test`, each: a test that has to fail.
    pub(super) tests: Vec<Test>,
    /// `Example`, each: a program that those tests start.
    pub(super) examples: Vec<String>,
}

impl Mutant {
    /// All that are kept, in the order of their numbers.
    pub(super) fn all(workspace: &Workspace) -> Result<Vec<Self>, TaskError> {
        let folder = workspace.path(FOLDER);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(TaskError::file(&folder))? {
            files.push(entry.map_err(TaskError::file(&folder))?.path());
        }
        files.sort();
        let read = |file: PathBuf| {
            let text = std::fs::read_to_string(&file).map_err(TaskError::file(&file))?;
            Self::parse(file, &text)
        };
        files.into_iter().map(read).collect()
    }

    pub(super) fn parse(file: PathBuf, text: &str) -> Result<Self, TaskError> {
        let shown = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let wrong = |reason: &str| TaskError::unreadable(&shown, reason);
        let name = shown
            .strip_suffix(".patch")
            .and_then(|name| name.split_once('-'))
            .filter(|(number, name)| number.bytes().all(|digit| digit.is_ascii_digit()) && !name.is_empty())
            .map(|(_, name)| name.to_owned())
            .ok_or_else(|| wrong("its name is not `NN-name.patch`"))?;
        let (header, diff) = text
            .split_once("\n\n")
            .ok_or_else(|| wrong("no empty line stands between what it says and its diff"))?;
        let (mut promise, mut breaks, mut tests, mut examples) = (None, None, Vec::new(), Vec::new());
        for line in header.lines() {
            let (key, value) = line
                .split_once(": ")
                .ok_or_else(|| wrong(&format!("`{line}` is not `Key: value`")))?;
            match key {
                "Promise" if promise.is_none() => promise = Some(value.to_owned()),
                "Breaks" if breaks.is_none() => breaks = Some(value.to_owned()),
                "Test" => tests.push(value.parse().map_err(|reason: String| wrong(&reason))?),
                "Example" => examples.push(value.to_owned()),
                _ => return Err(wrong(&format!("`{key}` is unknown, or said twice"))),
            }
        }
        if tests.is_empty() {
            return Err(wrong("it names no test"));
        }
        one_line(diff).map_err(wrong)?;
        Ok(Self {
            name,
            file: file.clone(),
            promise: promise.ok_or_else(|| wrong("it names no promise"))?,
            breaks: breaks.ok_or_else(|| wrong("it does not say what it breaks"))?,
            tests,
            examples,
        })
    }
}

/// Refuses a diff of more than one line of one file.
fn one_line(diff: &str) -> Result<(), &'static str> {
    let heads = |mark: &str| diff.lines().filter(|line| line.starts_with(mark)).count();
    if heads("--- a/crates/") != 1 || heads("+++ b/crates/") != 1 {
        return Err("its diff is not of one file below `crates`");
    }
    let body = || diff.lines().skip_while(|line| !line.starts_with("@@ "));
    let count = |mark: char| body().filter(|line| line.starts_with(mark)).count();
    match (count('-'), count('+')) {
        (0, 0) => Err("its diff changes nothing"),
        (0 | 1, 0 | 1) => Ok(()),
        _ => Err("its diff changes more than one line"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::certify::mutants::tree::git_apply;
    use crate::command::capture;

    const DIFF: &str = "--- a/crates/x.rs\n+++ b/crates/x.rs\n@@ -1,2 +1,2 @@\n fn x() {\n-    --a;\n+    ++a;\n";

    fn parse(header: &str, diff: &str) -> Result<Mutant, String> {
        Mutant::parse("07-breaks-it.patch".into(), &format!("{header}\n{diff}")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_patch_says_what_it_breaks_and_who_has_to_see_it() {
        let header = "Promise: nothing is lost: ever\nBreaks: all is\nTest: a::b c::d\nTest: a e\nExample: f\n";
        let expected = Mutant {
            name: "breaks-it".to_owned(),
            file: "07-breaks-it.patch".into(),
            promise: "nothing is lost: ever".to_owned(),
            breaks: "all is".to_owned(),
            tests: vec!["a::b c::d".parse().unwrap(), "a e".parse().unwrap()],
            examples: vec!["f".to_owned()],
        };
        assert_eq!(parse(header, DIFF), Ok(expected));
    }

    #[test]
    fn a_patch_that_leaves_something_out_or_changes_more_than_a_line_is_refused() {
        let all = "Promise: a\nBreaks: b\nTest: c d\n";
        for (header, diff, reason) in [
            ("Breaks: b\nTest: c d\n", DIFF, "it names no promise"),
            ("Promise: a\nTest: c d\n", DIFF, "it does not say what it breaks"),
            ("Promise: a\nBreaks: b\n", DIFF, "it names no test"),
            (
                "Promise: a\nBreaks: b\nTest: c\n",
                DIFF,
                "`c` is not a binary and a test",
            ),
            ("Promise: a\nPromise: a\n", DIFF, "`Promise` is unknown, or said twice"),
            ("Promise\n", DIFF, "`Promise` is not `Key: value`"),
            (all, "", "its diff is not of one file below `crates`"),
            (
                all,
                "--- a/crates/x\n+++ b/crates/x\n@@ -1 +1 @@\n a\n",
                "its diff changes nothing",
            ),
            (all, &format!("{DIFF}+b\n"), "its diff changes more than one line"),
            (
                all,
                &format!("{DIFF}{DIFF}"),
                "its diff is not of one file below `crates`",
            ),
        ] {
            let refused = parse(header, diff).unwrap_err();
            assert_eq!(refused, format!("07-breaks-it.patch: {reason}"));
        }
        for name in ["breaks-it.patch", "07-breaks-it", "07-.patch"] {
            assert!(Mutant::parse(name.into(), &format!("{all}\n{DIFF}")).is_err(), "{name}");
        }
    }

    #[test]
    fn every_kept_breakage_applies_and_its_tests_are_there() {
        let workspace = Workspace::find().unwrap();
        let mutants = Mutant::all(&workspace).unwrap();
        let metadata = workspace.metadata().unwrap();
        assert!(mutants.len() >= 10, "{}", mutants.len());
        let names: BTreeSet<_> = mutants.iter().map(|mutant| &mutant.name).collect();
        assert_eq!(names.len(), mutants.len(), "each has a name of its own");
        for mutant in &mutants {
            let mut command = git_apply(workspace.root());
            command.arg("--check").arg(&mutant.file);
            let output = capture(command).unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{} does not apply any more: {said}",
                mutant.name
            );
            for test in &mutant.tests {
                assert!(test.is_in(&metadata), "{}: there is no test `{test}`", mutant.name);
            }
        }
    }
}
