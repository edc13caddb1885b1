//! The canary: a crate that does all that the pure crates must not do. Clippy has to find every bit of it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::command::{capture, cargo};
use crate::error::{TaskError, nothing_found};
use crate::workspace::{PURE_CRATES, Workspace};

const FOLDER: &str = "crates/xtask/canary";

/// The part of a `clippy.toml` that the canary is measured by.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Rules {
    disallowed_methods: Vec<Entry>,
    disallowed_types: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    path: String,
    reason: String,
}

/// A forbidden path and the line of the canary that uses it.
type Use = (usize, String);

/// Fails where the canary does not use everything that is forbidden, or Clippy lets a use pass.
pub(super) fn check(workspace: &Workspace, rules: &str) -> Result<(), TaskError> {
    let rules: Rules = toml::from_str(rules).map_err(|error| TaskError::unreadable("clippy.toml", error))?;
    let marked = marked(&workspace.read(&format!("{FOLDER}/src/lib.rs"))?);
    let reported = reported(workspace)?;
    nothing_found(
        "the canary and the rules of the pure crates do not match",
        compare(&rules, &marked, &reported),
        &format!(
            "each forbidden path has one line in {FOLDER}/src/lib.rs that uses it and ends in `//~ <path>`, with a comma between several"
        ),
    )
}

/// The uses that the canary marks.
fn marked(source: &str) -> BTreeSet<Use> {
    source
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.split_once("//~ ")?.1)))
        .flat_map(|(line, paths)| paths.split(", ").map(move |path| (line, path.trim().to_owned())))
        .collect()
}

/// The uses that Clippy reports when it reads the pure crates' rules.
fn reported(workspace: &Workspace) -> Result<BTreeSet<Use>, TaskError> {
    let manifest = format!("{FOLDER}/Cargo.toml");
    let mut command = cargo(
        workspace,
        &[
            "clippy",
            "--locked",
            "--quiet",
            "--message-format",
            "json",
            "--manifest-path",
            &manifest,
        ],
    );
    command.env(
        "CLIPPY_CONF_DIR",
        workspace.path(&format!("crates/{}", PURE_CRATES[0].0)),
    );
    // It is a workspace of its own, which must not leave anything in the checkout.
    command.env("CARGO_TARGET_DIR", workspace.target_folder().join("canary"));
    // Cargo does not know that the result depends on the rules, so an earlier one must not be shown again.
    let touched = workspace.path(&format!("{FOLDER}/src/lib.rs"));
    std::fs::File::options()
        .append(true)
        .open(&touched)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()))
        .map_err(TaskError::file(touched))?;
    let output = capture(command)?;
    if !output.status.success() {
        return Err(TaskError::unreadable(
            "the canary does not compile",
            String::from_utf8_lossy(&output.stderr).trim(),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().flat_map(uses).collect())
}

/// The uses in one of Cargo's messages.
fn uses(message: &str) -> Vec<Use> {
    let Ok(message) = serde_json::from_str::<serde_json::Value>(message) else {
        return Vec::new();
    };
    let message = &message["message"];
    let code = message["code"]["code"].as_str().unwrap_or_default();
    if code != "clippy::disallowed_methods" && code != "clippy::disallowed_types" {
        return Vec::new();
    }
    let text = message["message"].as_str().unwrap_or_default();
    let Some(path) = text.split('`').nth(1) else {
        return Vec::new();
    };
    let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    spans
        .iter()
        .filter_map(|span| usize::try_from(span["line_start"].as_u64()?).ok())
        .map(|line| (line, path.to_owned()))
        .collect()
}

fn compare(rules: &Rules, marked: &BTreeSet<Use>, reported: &BTreeSet<Use>) -> Vec<String> {
    let mut findings = Vec::new();
    for entry in rules.disallowed_methods.iter().chain(&rules.disallowed_types) {
        if entry.reason.is_empty() {
            findings.push(format!("`{}` is forbidden without a reason", entry.path));
        }
        if !marked.iter().any(|(_, path)| *path == entry.path) {
            findings.push(format!("the canary does not use `{}`", entry.path));
        }
    }
    for (line, path) in marked.difference(reported) {
        findings.push(format!("line {line}: `{path}` passed"));
    }
    for (line, path) in reported.difference(marked) {
        findings.push(format!("line {line}: `{path}` is reported and not marked"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_that_passes_and_a_rule_without_a_use_are_found() {
        let entry = |path: &str| Entry {
            path: path.to_owned(),
            reason: "files".to_owned(),
        };
        let rules = Rules {
            disallowed_methods: vec![entry("std::fs::read"), entry("std::fs::copy")],
            disallowed_types: vec![entry("std::fs::File")],
        };
        let marked =
            marked("fn a() {\n    std::fs::read(); //~ std::fs::read\n    std::fs::File; //~ std::fs::File\n}\n");
        let reported = BTreeSet::from([(2, "std::fs::read".to_owned())]);
        assert_eq!(
            compare(&rules, &marked, &reported),
            [
                "the canary does not use `std::fs::copy`",
                "line 3: `std::fs::File` passed"
            ]
        );
    }

    #[test]
    fn uses_are_read_from_cargos_messages() {
        let message = r#"{"reason":"compiler-message","message":{"message":"use of a disallowed method `std::fs::read`",
            "code":{"code":"clippy::disallowed_methods"},"spans":[{"line_start":7}]}}"#;
        assert_eq!(uses(message), [(7, "std::fs::read".to_owned())]);
        assert_eq!(uses(r#"{"reason":"build-finished"}"#), []);
        assert_eq!(uses("not json"), []);
    }
}
