//! Licences, banned crates and sources of all dependencies, by the lists of `deny.toml`.
//!
//! The same file is read by `cargo deny`, which is run too where it is installed. It is not required, because building it
//! takes longer than building this workspace.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, Package};
use serde::Deserialize;

use crate::command::{cargo, has_subcommand, succeed};
use crate::error::{TaskError, nothing_found};
use crate::workspace::Workspace;

/// The part of `deny.toml` that is checked here.
#[derive(Debug, Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Debug, Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

/// Fails where a dependency breaks a rule of `deny.toml`; names crates that are there in several versions.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let rules: Rules =
        toml::from_str(&workspace.read("deny.toml")?).map_err(|error| TaskError::unreadable("deny.toml", error))?;
    let metadata = workspace.metadata()?;
    for (name, versions) in doubled(&metadata) {
        eprintln!("note: {name} is there in versions {}", versions.join(" and "));
    }
    let mut findings = Vec::new();
    for package in &metadata.packages {
        findings.extend(rules.broken_by(package)?);
    }
    nothing_found(
        "dependencies break the rules of deny.toml",
        findings,
        "`cargo tree --invert <crate>` shows who brings it; leave it out, or argue for a change of deny.toml",
    )?;
    if has_subcommand(workspace, "deny") {
        succeed(cargo(workspace, &["deny", "check", "licenses", "bans", "sources"]))?;
    }
    Ok(())
}

impl Rules {
    fn broken_by(&self, package: &Package) -> Result<Vec<String>, TaskError> {
        let name = format!("{} {}", package.name, package.version);
        let mut findings = Vec::new();
        if let Some(banned) = self.bans.deny.iter().find(|banned| package.name == banned.name) {
            findings.push(format!("{name} is banned: {}", banned.reason));
        }
        match &package.source {
            None => {}
            Some(source) => {
                let registry = source.repr.strip_prefix("registry+").unwrap_or(&source.repr);
                if !self.sources.allow_registry.iter().any(|allowed| allowed == registry) {
                    findings.push(format!("{name} comes from {registry}, which is no allowed registry"));
                }
            }
        }
        let Some(license) = &package.license else {
            findings.push(format!("{name} names no licence"));
            return Ok(findings);
        };
        // Crates from before 2018 separate their licences by a slash.
        let expression = spdx::Expression::parse_mode(license, spdx::ParseMode::LAX)
            .map_err(|error| TaskError::unreadable(format!("licence of {name}"), error))?;
        let allowed = |requirement: &spdx::LicenseReq| self.licenses.allow.contains(&requirement.to_string());
        if !expression.evaluate(allowed) {
            findings.push(format!("{name} is under {license}, which the list does not allow"));
        }
        Ok(findings)
    }
}

/// Crates that are there more than once.
fn doubled(metadata: &Metadata) -> Vec<(String, Vec<String>)> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in &metadata.packages {
        versions
            .entry(package.name.as_str())
            .or_default()
            .insert(package.version.to_string());
    }
    versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, versions)| (name.to_owned(), versions.into_iter().collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        toml::from_str(
            r#"
            licenses.allow = ["MIT", "Apache-2.0 WITH LLVM-exception"]
            bans.deny = [{ crate = "ring", reason = "needs a C compiler" }]
            sources.allow-registry = ["https://github.com/rust-lang/crates.io-index"]
            "#,
        )
        .unwrap()
    }

    fn broken_by(name: &str, license: &str, source: &str) -> Vec<String> {
        let package = serde_json::json!({
            "name": name, "version": "1.0.0", "id": name, "license": license, "source": source,
            "dependencies": [], "targets": [], "features": {}, "manifest_path": "/x/Cargo.toml",
        });
        rules().broken_by(&serde_json::from_value(package).unwrap()).unwrap()
    }

    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

    #[test]
    fn one_allowed_licence_of_a_choice_is_enough_and_all_of_a_sum_are_needed() {
        let none: [&str; 0] = [];
        assert_eq!(broken_by("a", "GPL-3.0-only OR MIT", REGISTRY), none);
        assert_eq!(broken_by("a", "MIT/Apache-2.0", REGISTRY), none);
        assert_eq!(broken_by("a", "Apache-2.0 WITH LLVM-exception", REGISTRY), none);
        assert_eq!(
            broken_by("a", "MIT AND Apache-2.0", REGISTRY),
            ["a 1.0.0 is under MIT AND Apache-2.0, which the list does not allow"]
        );
    }

    #[test]
    fn banned_crates_and_foreign_sources_are_found() {
        assert_eq!(
            broken_by("ring", "MIT", "git+https://example.org/ring#0123"),
            [
                "ring 1.0.0 is banned: needs a C compiler",
                "ring 1.0.0 comes from git+https://example.org/ring#0123, which is no allowed registry"
            ]
        );
    }
}
