//! Tasks that have names, and which of them checks run.

use std::collections::{BTreeMap, BTreeSet};

use super::super::check_commands::{CheckCommands, cut, several, tasks_named};
use super::super::files::words_of;
use super::{Piece, is_about_checks, piece};

/// The scripts of a `package.json` that checks run or that are called like one, those that they call, and the settings of test runners; as well the
/// scripts of a `composer.json` and the tasks of a `deno.json`.
pub(super) fn of_package_json(text: &str, checks: &CheckCommands) -> Option<Vec<Piece>> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let scripts = ["scripts", "tasks"]
        .into_iter()
        .filter_map(|key| document.get(key)?.as_object());
    let scripts: Vec<(&str, String)> = scripts
        .flatten()
        .map(|(name, script)| (name.as_str(), script.to_string()))
        .collect();
    let tasks = scripts.iter().map(|(name, script)| Task {
        is_target: true,
        // Those before and after another run with it.
        names: [Some(*name), name.strip_prefix("pre"), name.strip_prefix("post")]
            .into_iter()
            .flatten()
            .collect(),
        calls: cut(script).flat_map(tasks_named).collect(),
    });
    let are_called = checks.call(&[
        "npm",
        "pnpm",
        "yarn",
        "bun",
        "npx",
        "node",
        "run-p",
        "run-s",
        "npm-run-all",
        "concurrently",
        "composer",
        "deno",
    ]);
    let reached = reached(&tasks.collect::<Vec<_>>(), |name| {
        is_called_like_one(name) || are_called && checks.name_task(name)
    });
    let mut pieces: Vec<_> = scripts
        .iter()
        .zip(reached)
        .filter(|(_, is_reached)| *is_reached)
        .map(|((name, script), _)| piece(format!("scripts.{name} = {script}")))
        .collect();
    for key in [
        "jest",
        "vitest",
        "mocha",
        "nyc",
        "c8",
        "ava",
        "tap",
        "jasmine",
        "playwright",
        "eslintConfig",
        "stylelint",
        "lint-staged",
        // Of `deno.json` and `composer.json`.
        "test",
        "lint",
        "exclude",
        "autoload-dev",
        "config",
    ] {
        if let Some(value) = document.get(key) {
            pieces.push(piece(format!("{key} = {value}")));
        }
    }
    Some(pieces)
}

/// The targets of a `Makefile` or `justfile` that checks run or that are called like one, with those that they need or call. Where a check
/// calls such a program, also every variable, and which targets there are: each may decide what a recipe does.
/// `is_included`: none of its targets is made only because no other is named.
pub(super) fn of_makefile(lines: Vec<Piece>, checks: &CheckCommands, is_included: bool) -> Vec<Piece> {
    let are_called = checks.call(&["make", "gmake", "just"]);
    let mut parts: Vec<Vec<Piece>> = Vec::new();
    for line in lines {
        let is_heading = !line.text.starts_with([' ', '\t', '#']) && !line.text.trim().is_empty();
        match parts.last_mut() {
            Some(part) if !is_heading => part.push(line),
            _ => parts.push(vec![line]),
        }
    }
    let tasks: Vec<_> = parts.iter().map(|part| task_of(part)).collect();
    let targets = || tasks.iter().filter(|task| task.is_target).flat_map(|task| &task.names);
    // Without a name, the first one is made.
    let default = targets()
        .find(|name| !name.starts_with('.'))
        .filter(|_| !is_included && are_called && !targets().any(|name| checks.name(name)));
    let reached = reached(&tasks, |name| {
        is_called_like_one(name) || are_called && checks.name(name) || default == Some(&name)
    });
    let how_much = |(task, is_reached): (&Task<'_>, bool)| match (is_reached, are_called) {
        (true, _) => usize::MAX,
        (false, true) if task.is_target => 1,
        (false, true) => usize::MAX,
        (false, false) => 0,
    };
    let counts: Vec<_> = tasks.iter().zip(reached).map(how_much).collect();
    let parts = parts.into_iter().zip(counts);
    parts.flat_map(|(part, count)| part.into_iter().take(count)).collect()
}

/// A target with its recipe, or a variable.
fn task_of(part: &[Piece]) -> Task<'_> {
    let heading = part.first().map(|line| line.text.as_str()).unwrap_or_default();
    let (names, behind) = heading.split_at(heading.find([':', '=']).unwrap_or(heading.len()));
    let is_assigned = [":=", "::=", ":::="].iter().any(|sign| behind.starts_with(sign));
    let words = part.iter().flat_map(|line| cut(&line.text));
    Task {
        is_target: behind.starts_with(':') && !is_assigned,
        names: names.split_whitespace().collect(),
        calls: words.flat_map(|word| word.split(':')).collect(),
    }
}

struct Task<'a> {
    /// Whether it is one, and no variable.
    is_target: bool,
    names: Vec<&'a str>,
    /// Words of what it does, and of what it needs.
    calls: Vec<&'a str>,
}

fn is_called_like_one(name: &str) -> bool {
    words_of(name).iter().any(|word| is_about_checks(word))
}

/// Which tasks are reached from those with such a name. Each name, each task and each beginning of names is looked at once.
fn reached(tasks: &[Task<'_>], is_first: impl Fn(&str) -> bool) -> Vec<bool> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        for name in &task.names {
            by_name.entry(name).or_default().push(index);
        }
    }
    let mut open: Vec<&str> = by_name.keys().copied().filter(|name| is_first(name)).collect();
    let mut known: BTreeSet<&str> = open.iter().copied().collect();
    let mut beginnings = BTreeSet::new();
    let mut reached = vec![false; tasks.len()];
    while let Some(name) = open.pop() {
        for index in by_name.remove(name).unwrap_or_default() {
            let Some((reached, task)) = reached.get_mut(index).zip(tasks.get(index)) else {
                continue;
            };
            if std::mem::replace(reached, true) {
                continue;
            }
            open.extend(task.calls.iter().copied().filter(|name| known.insert(name)));
            let those_of_task = task.calls.iter().filter_map(|word| several(word));
            for beginning in those_of_task.filter(|beginning| beginnings.insert(*beginning)) {
                let names = by_name.range(beginning..).map(|(name, _)| *name);
                let names = names.take_while(|name| name.starts_with(beginning));
                open.extend(names.filter(|name| known.insert(name)));
            }
        }
    }
    reached
}
