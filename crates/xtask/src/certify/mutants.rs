//! Breakages that the tests have to see: each is a patch of one line below `fixtures/mutants` that breaks one promise, and names the tests that have to
//! fail for it.
//!
//! They are applied one after another to a copy of the checkout, which has a target folder of its own. First the named tests have to pass
//! there without any; a breakage that does not apply or does not compile was seen by nobody.

mod leftovers;
mod patch;
mod suite;
mod tree;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::workspace::Workspace;

use self::patch::Mutant;
use self::suite::{Suite, Test, Verdict};
use self::tree::Tree;

/// What came of one breakage.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Every named test failed.
    Caught,
    /// These named tests passed all the same.
    Survived(Vec<Test>),
    /// It could not be tried.
    Untried(String),
}

/// One breakage that was tried.
#[derive(Debug)]
struct Row {
    mutant: Mutant,
    end: End,
    /// Building and testing.
    took: Duration,
}

/// What came of all breakages.
#[derive(Debug)]
pub(super) struct Figures {
    rows: Vec<Row>,
    /// How many tests passed without any.
    passed: usize,
    /// Building and testing without any.
    unbroken: Duration,
}

impl Figures {
    /// As a table, with how long all of it took.
    pub(super) fn table(&self) -> String {
        let mut table = "| breakage | promise | caught by | seconds |\n| --- | --- | --- | --- |\n".to_owned();
        for Row { mutant, end, took } in &self.rows {
            let caught = match end {
                End::Caught => listed(&mutant.tests),
                End::Survived(passed) => format!("**not by** {}", listed(passed)),
                End::Untried(reason) => format!("**not tried**: {}", reason.lines().next().unwrap_or_default()),
            };
            let (name, promise, breaks) = (&mutant.name, &mutant.promise, &mutant.breaks);
            let seconds = took.as_secs();
            table.push_str(&format!("| {name}: {breaks} | {promise} | {caught} | {seconds} |\n"));
        }
        let all: Duration = self.rows.iter().map(|row| row.took).sum();
        let caught = self.rows.iter().filter(|row| row.end == End::Caught).count();
        table.push_str(&format!(
            "\n{caught} of {} caught in {} s, after {} tests had passed without any in {} s\n",
            self.rows.len(),
            all.as_secs(),
            self.passed,
            self.unbroken.as_secs()
        ));
        table
    }

    /// Every breakage that was not caught, and why.
    pub(super) fn survivors(&self) -> Vec<String> {
        let rows = self.rows.iter().map(|Row { mutant, end, .. }| match end {
            End::Caught => None,
            End::Survived(passed) => Some(format!("{} is not seen by {}", mutant.name, listed(passed))),
            End::Untried(reason) => Some(format!("{} could not be tried: {reason}", mutant.name)),
        });
        rows.flatten().collect()
    }
}

fn listed(tests: &[Test]) -> String {
    let names: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
    names.join(", ")
}

/// Tries the breakages of these names, without any name all of them.
pub(super) fn certify(workspace: &Workspace, names: &[String]) -> Result<Figures, TaskError> {
    let mutants = chosen(Mutant::all(workspace)?, names)?;
    leftovers::adopt()?;
    eprintln!("the checkout is copied, with what is not committed");
    let tree = Tree::copy(workspace)?;
    let suite = Suite::new(workspace, &tree)?;

    let tests: BTreeSet<_> = mutants.iter().flat_map(|mutant| mutant.tests.clone()).collect();
    let tests: Vec<_> = tests.into_iter().collect();
    let examples: BTreeSet<_> = mutants.iter().flat_map(|mutant| mutant.examples.clone()).collect();
    let start = Instant::now();
    eprintln!("without a breakage: {} tests are built and run", tests.len());
    let examples: Vec<_> = examples.into_iter().collect();
    suite.build("none", &tests, &examples)?;
    let verdicts = suite.run("none", &tests)?;
    leftovers::end()?;
    let not_passed = named(&tests, &verdicts, |verdict| verdict != Verdict::Passed);
    if !not_passed.is_empty() {
        let reason = format!(
            "without any breakage {} do not pass, or are not there",
            listed(&not_passed)
        );
        return Err(TaskError::unreadable("mutants", reason));
    }
    let unbroken = start.elapsed();

    let mut rows = Vec::new();
    for mutant in mutants {
        let start = Instant::now();
        let end = tried(&tree, &suite, &mutant)?;
        let took = start.elapsed();
        let word = match &end {
            End::Caught => "caught",
            End::Survived(_) => "NOT CAUGHT",
            End::Untried(_) => "NOT TRIED",
        };
        eprintln!("{:<40} {word:<10} {:>4} s", mutant.name, took.as_secs());
        rows.push(Row { mutant, end, took });
    }
    Ok(Figures {
        rows,
        passed: tests.len(),
        unbroken,
    })
}

fn chosen(all: Vec<Mutant>, names: &[String]) -> Result<Vec<Mutant>, TaskError> {
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|mutant| mutant.name != **name)) {
        let known: Vec<_> = all.iter().map(|mutant| mutant.name.as_str()).collect();
        let reason = format!("there is none of this name, but: {}", known.join(", "));
        return Err(TaskError::unreadable(unknown, reason));
    }
    let is_chosen = |mutant: &Mutant| names.is_empty() || names.contains(&mutant.name);
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// Breaks the copy, tests it, and mends it again.
fn tried(tree: &Tree, suite: &Suite<'_>, mutant: &Mutant) -> Result<End, TaskError> {
    if let Err(error) = tree.apply(&mutant.file) {
        return Ok(End::Untried(error.to_string()));
    }
    let verdicts = suite
        .build(&mutant.name, &mutant.tests, &mutant.examples)
        .map(|()| suite.run(&mutant.name, &mutant.tests));
    leftovers::end()?;
    tree.take_back(&mutant.file)?;
    Ok(match verdicts {
        Err(error) => End::Untried(error.to_string()),
        Ok(verdicts) => judged(&mutant.tests, &verdicts?),
    })
}

/// A test that did not run has seen nothing.
fn judged(tests: &[Test], verdicts: &[(Test, Verdict)]) -> End {
    let blind = named(tests, verdicts, |verdict| verdict != Verdict::Failed);
    match blind.is_empty() {
        true => End::Caught,
        false => End::Survived(blind),
    }
}

/// The tests that ended so, or of which nothing is known.
fn named(tests: &[Test], verdicts: &[(Test, Verdict)], ended_so: impl Fn(Verdict) -> bool) -> Vec<Test> {
    let ended = |test: &Test| verdicts.iter().find(|(known, _)| known == test);
    let is_named = |test: &&Test| ended(test).is_none_or(|(_, verdict)| ended_so(*verdict));
    tests.iter().filter(is_named).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(text: &str) -> Test {
        text.parse().unwrap()
    }

    #[test]
    fn a_breakage_is_caught_only_where_every_named_test_ran_and_failed() {
        let tests = [test("a::b one"), test("a::b two")];
        let ended = |first, second| judged(&tests, &[(tests[0].clone(), first), (tests[1].clone(), second)]);
        assert_eq!(ended(Verdict::Failed, Verdict::Failed), End::Caught);
        assert_eq!(
            ended(Verdict::Failed, Verdict::Passed),
            End::Survived(vec![tests[1].clone()])
        );
        let one_ran = judged(&tests, &[(tests[1].clone(), Verdict::Failed)]);
        assert_eq!(one_ran, End::Survived(vec![tests[0].clone()]));
    }

    #[test]
    fn what_was_not_caught_is_told_and_what_was_is_not() {
        let row = |name: &str, end| {
            Row {
            mutant: Mutant::parse(
                format!("01-{name}.patch").into(),
                "Promise: it holds\nBreaks: it does not\nTest: a::b one\n\n--- a/crates/x\n+++ b/crates/x\n@@ -1 +1 @@\n-a\n+b\n",
            )
            .unwrap(),
            end,
            took: Duration::from_secs(7),
        }
        };
        let figures = Figures {
            rows: vec![
                row("seen", End::Caught),
                row("unseen", End::Survived(vec![test("a::b one")])),
                row("stale", End::Untried("patch does not apply\nat all".to_owned())),
            ],
            passed: 1,
            unbroken: Duration::from_secs(60),
        };
        assert_eq!(
            figures.survivors(),
            [
                "unseen is not seen by `a::b one`",
                "stale could not be tried: patch does not apply\nat all"
            ]
        );
        assert_eq!(
            figures.table(),
            "| breakage | promise | caught by | seconds |\n\
             | --- | --- | --- | --- |\n\
             | seen: it does not | it holds | `a::b one` | 7 |\n\
             | unseen: it does not | it holds | **not by** `a::b one` | 7 |\n\
             | stale: it does not | it holds | **not tried**: patch does not apply | 7 |\n\
             \n1 of 3 caught in 21 s, after 1 tests had passed without any in 60 s\n"
        );
    }

    #[test]
    fn a_name_that_no_breakage_has_is_refused_with_those_that_there_are() {
        let all = || Mutant::all(&Workspace::find().unwrap()).unwrap();
        let one = all()[0].name.clone();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(chosen(all(), &names(&[&one])).unwrap(), [all()[0].clone()]);
        assert_eq!(chosen(all(), &[]).unwrap(), all());
        let refused = chosen(all(), &names(&["nothing"])).unwrap_err().to_string();
        assert!(refused.starts_with("nothing: ") && refused.contains(&one), "{refused}");
    }
}
