//! Reading manifests, as far as dependencies go.

use std::collections::BTreeMap;

use super::Format;

/// Section and name of each dependency, with where it comes from.
pub(super) type Entries = BTreeMap<(String, String), String>;

/// The dependencies that a file names; none: it cannot be read.
pub(super) fn entries(format: Format, content: &[u8]) -> Option<Entries> {
    let text = std::str::from_utf8(content).ok()?;
    match format {
        Format::CargoToml => cargo_toml(text),
        Format::PackageJson => package_json(text),
        Format::PyProject => pyproject(text),
        Format::Requirements => requirements(text),
        Format::GoMod => Some(go_mod(text)),
        Format::Lock(_) | Format::Opaque => None,
    }
}

fn cargo_toml(text: &str) -> Option<Entries> {
    let document: toml::Table = toml::from_str(text).ok()?;
    let mut found = Entries::new();
    let mut tables = vec![(String::new(), &document)];
    if let Some(workspace) = document.get("workspace").and_then(toml::Value::as_table) {
        tables.push(("workspace.".to_owned(), workspace));
    }
    for (target, table) in document
        .get("target")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten()
    {
        tables.extend(table.as_table().map(|table| (format!("target.{target}."), table)));
    }
    for (registry, table) in document
        .get("patch")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten()
    {
        cargo_section(&format!("patch.{registry}"), table, &mut found);
    }
    for (prefix, table) in tables {
        for section in [
            "dependencies",
            "dev-dependencies",
            "build-dependencies",
            "replace",
            "dev_dependencies",
            "build_dependencies",
        ] {
            if let Some(list) = table.get(section) {
                cargo_section(&format!("{prefix}{section}"), list, &mut found);
            }
        }
    }
    Some(found)
}

fn cargo_section(section: &str, list: &toml::Value, found: &mut Entries) {
    for (name, value) in list.as_table().into_iter().flatten() {
        let origin = match value {
            toml::Value::Table(table) => {
                let inherited = table.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                let own_path = table
                    .get("path")
                    .and_then(toml::Value::as_str)
                    .is_some_and(|path| !path.starts_with('/'));
                if inherited || (own_path && !table.contains_key("git") && !table.contains_key("registry")) {
                    continue;
                }
                let kept = [
                    "version",
                    "git",
                    "branch",
                    "tag",
                    "rev",
                    "registry",
                    "registry-index",
                    "path",
                    "package",
                ];
                let kept = kept
                    .iter()
                    .filter_map(|key| table.get(*key).map(|value| format!("{key}={value}")));
                kept.collect::<Vec<_>>().join(" ")
            }
            other => format!("version={other}"),
        };
        found.insert((section.to_owned(), name.clone()), origin);
    }
}

fn is_own(requirement: &str) -> bool {
    ["workspace:", "file:", "link:", "portal:"]
        .iter()
        .any(|scheme| requirement.starts_with(scheme))
}

fn package_json(text: &str) -> Option<Entries> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut found = Entries::new();
    for section in [
        "dependencies",
        "devDependencies",
        "peerDependencies",
        "optionalDependencies",
        "overrides",
        "resolutions",
    ] {
        for (name, requirement) in document
            .get(section)
            .and_then(|list| list.as_object())
            .into_iter()
            .flatten()
        {
            if !requirement.as_str().is_some_and(is_own) {
                found.insert((section.to_owned(), name.clone()), requirement.to_string());
            }
        }
    }
    Some(found)
}

fn pyproject(text: &str) -> Option<Entries> {
    let document: toml::Table = toml::from_str(text).ok()?;
    let mut found = Entries::new();
    let at = |path: &[&str]| {
        let (first, rest) = path.split_first()?;
        rest.iter()
            .try_fold(document.get(*first)?, |value, key| value.get(*key))
    };
    let mut list = |section: &str, value: Option<&toml::Value>| {
        for item in value.and_then(toml::Value::as_array).into_iter().flatten() {
            if let Some(requirement) = item.as_str() {
                found.insert((section.to_owned(), python_name(requirement)), requirement.to_owned());
            }
        }
    };
    list("dependencies", at(&["project", "dependencies"]));
    list("build-system", at(&["build-system", "requires"]));
    list("uv", at(&["tool", "uv", "dev-dependencies"]));
    for groups in [&["project", "optional-dependencies"][..], &["dependency-groups"]] {
        for (group, items) in at(groups).and_then(toml::Value::as_table).into_iter().flatten() {
            list(group, Some(items));
        }
    }
    let mut table = |section: &str, value: Option<&toml::Value>| {
        for (name, requirement) in value.and_then(toml::Value::as_table).into_iter().flatten() {
            found.insert((section.to_owned(), name.clone()), requirement.to_string());
        }
    };
    table("poetry", at(&["tool", "poetry", "dependencies"]));
    table("poetry-dev", at(&["tool", "poetry", "dev-dependencies"]));
    table("uv-sources", at(&["tool", "uv", "sources"]));
    for (group, items) in at(&["tool", "poetry", "group"])
        .and_then(toml::Value::as_table)
        .into_iter()
        .flatten()
    {
        table(group, items.get("dependencies"));
    }
    Some(found)
}

fn requirements(text: &str) -> Option<Entries> {
    let mut found = Entries::new();
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("--hash") {
            continue;
        }
        if line == "-e ." || line.starts_with("-e ./") || line.starts_with("./") {
            continue;
        }
        found.insert((String::new(), python_name(line)), line.to_owned());
    }
    Some(found)
}

/// The name before version, extras and markers, as Python's own tools fold it.
fn python_name(requirement: &str) -> String {
    let end = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
        .unwrap_or(requirement.len());
    let name = requirement[..end].to_ascii_lowercase().replace(['_', '.'], "-");
    if name.is_empty() || requirement.starts_with('-') {
        requirement.to_owned()
    } else {
        name
    }
}

fn go_mod(text: &str) -> Entries {
    let mut found = Entries::new();
    let mut block = None;
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let words: Vec<_> = line.split_whitespace().collect();
        match (words.as_slice(), block) {
            ([")"], _) => block = None,
            ([directive @ ("require" | "replace" | "tool"), "("], _) => block = Some(*directive),
            (["require" | "replace" | "tool", name, rest @ ..], None)
            | ([name, rest @ ..], Some("require" | "replace" | "tool")) => {
                // A replacement by a folder of the repository is none of the network's.
                let own = rest.iter().any(|word| word.starts_with("./"));
                if !own {
                    found.insert(
                        (block.unwrap_or(words[0]).to_owned(), (*name).to_owned()),
                        rest.join(" "),
                    );
                }
            }
            _ => {}
        }
    }
    found
}
