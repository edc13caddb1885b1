//! What the pure crates may depend on: exactly the crates of `pure-dependencies.toml`, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{capture, cargo};
use crate::error::{TaskError, nothing_found};
use crate::workspace::{PURE_CRATES, Workspace};

const LIST: &str = "crates/xtask/pure-dependencies.toml";

/// Features that would bring a clock, files or randomness into an allowed crate.
const IMPURE_FEATURES: [(&str, &str); 4] = [("jiff", "std"), ("jiff", "tz-system"), ("uuid", "v4"), ("uuid", "v7")];

/// Fails where a pure crate depends on more or less than the list says.
pub(super) fn check(workspace: &Workspace) -> Result<(), TaskError> {
    let listed: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(&workspace.read(LIST)?).map_err(|error| TaskError::unreadable(LIST, error))?;
    let mut allowed = BTreeSet::new();
    let mut findings = Vec::new();
    // Each crate may also use what the ones below it use.
    for (folder, package) in PURE_CRATES {
        let own = listed
            .get(folder)
            .ok_or_else(|| TaskError::unreadable(LIST, format!("it has no table [{folder}]")))?;
        allowed.extend(own.keys().map(String::as_str));
        let tree = tree(workspace, package)?;
        findings.extend(compare(folder, own, &allowed, &tree));
    }
    nothing_found(
        "the pure crates depend on other crates than listed",
        findings,
        &format!(
            "a dependency of a pure crate must do no I/O, read no clock and use no randomness: look, then list it in \
             {LIST} with the reason, or leave it out"
        ),
    )
}

/// Every crate that the package is built with, and the features that it has then.
fn tree(workspace: &Workspace, package: &str) -> Result<BTreeMap<String, BTreeSet<String>>, TaskError> {
    let output = capture(cargo(
        workspace,
        &[
            "tree",
            "--locked",
            "--package",
            package,
            "--edges",
            "normal,build",
            "--target",
            "all",
            "--prefix",
            "none",
            "--no-dedupe",
            "--format",
            "{p}|{f}",
        ],
    ))?;
    if !output.status.success() {
        return Err(TaskError::unreadable(
            "cargo tree",
            String::from_utf8_lossy(&output.stderr).trim(),
        ));
    }
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines().skip(1) {
        let (name, features) = line.split_once('|').unwrap_or((line, ""));
        let name = name.split(' ').next().unwrap_or(name);
        let features = features.split(',').map(|feature| feature.trim().to_owned());
        crates.entry(name.to_owned()).or_default().extend(features);
    }
    Ok(crates)
}

fn compare(
    folder: &str,
    own: &BTreeMap<String, String>,
    allowed: &BTreeSet<&str>,
    tree: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let unlisted = tree
        .keys()
        .filter(|name| !allowed.contains(name.as_str()))
        .map(|name| format!("{folder} depends on {name}, which is not listed"));
    let gone = own
        .keys()
        .filter(|name| !tree.contains_key(*name))
        .map(|name| format!("{folder} no longer depends on {name}; take it from the list"));
    let unexplained = own
        .iter()
        .filter(|(_, reason)| reason.trim().is_empty())
        .map(|(name, _)| format!("{name} is listed without a reason"));
    let impure = IMPURE_FEATURES
        .iter()
        .filter(|(name, feature)| tree.get(*name).is_some_and(|features| features.contains(*feature)))
        .map(|(name, feature)| format!("{folder} depends on {name} with its feature `{feature}`"));
    unlisted.chain(gone).chain(unexplained).chain(impure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlisted_gone_unexplained_and_impure_crates_are_found() {
        let own = BTreeMap::from([
            ("serde".to_owned(), "derives".to_owned()),
            ("toml".to_owned(), " ".to_owned()),
        ]);
        let allowed = BTreeSet::from(["serde", "toml", "jiff"]);
        let tree = BTreeMap::from([
            ("serde".to_owned(), BTreeSet::new()),
            ("jiff".to_owned(), BTreeSet::from(["std".to_owned()])),
            ("rand".to_owned(), BTreeSet::new()),
        ]);
        assert_eq!(
            compare("policy", &own, &allowed, &tree),
            [
                "policy depends on rand, which is not listed",
                "policy no longer depends on toml; take it from the list",
                "toml is listed without a reason",
                "policy depends on jiff with its feature `std`",
            ]
        );
    }
}
