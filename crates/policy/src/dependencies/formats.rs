//! Reading manifests, as far as dependencies go.

use std::collections::BTreeMap;

use super::Format;

/// What a manifest says of each dependency, by its section and by what the manifest calls it.
pub(super) type Entries = BTreeMap<(String, String), Entry>;

/// What a manifest says of a dependency.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// What is taken, whatever the manifest calls it: the package of a registry, or the address where it comes from elsewhere.
    pub(super) name: String,
    /// Everything that says which version of it.
    says: String,
}

impl Entry {
    fn new(name: impl Into<String>, says: impl Into<String>) -> Self {
        let (name, says) = (name.into(), says.into());
        Self { name, says }
    }
}

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
    for (key, value) in list.as_table().into_iter().flatten() {
        let entry = match value {
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
                let elsewhere = ["git", "registry-index", "path", "package"];
                let name = elsewhere.iter().find_map(|key| table.get(*key)?.as_str());
                Entry::new(name.unwrap_or(key), kept.collect::<Vec<_>>().join(" "))
            }
            other => Entry::new(key, format!("version={other}")),
        };
        found.insert((section.to_owned(), key.clone()), entry);
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
        if let Some(list) = document.get(section) {
            npm_section(section, list, &mut found);
        }
    }
    Some(found)
}

/// An override may name others below one: what they need of it.
fn npm_section(section: &str, list: &serde_json::Value, found: &mut Entries) {
    for (key, requirement) in list.as_object().into_iter().flatten() {
        match requirement.as_str() {
            Some(text) if is_own(text) => {}
            Some(text) => {
                found.insert((section.to_owned(), key.clone()), Entry::new(npm_name(key, text), text));
            }
            None if requirement.is_object() => npm_section(&format!("{section}.{key}"), requirement, found),
            None => {
                found.insert(
                    (section.to_owned(), key.clone()),
                    Entry::new(key, requirement.to_string()),
                );
            }
        }
    }
}

/// `npm:name@1` is another package, and what is no version or tag is an address: <https://docs.npmjs.com/cli/v11/configuring-npm/package-json#dependencies>.
fn npm_name<'a>(key: &'a str, requirement: &'a str) -> &'a str {
    if let Some(other) = ["npm:", "jsr:"]
        .iter()
        .find_map(|scheme| requirement.strip_prefix(scheme))
    {
        let scoped = usize::from(other.starts_with('@'));
        return other[scoped..].find('@').map_or(other, |at| &other[..at + scoped]);
    }
    if requirement.contains([':', '/']) {
        requirement.split('#').next().unwrap_or(requirement)
    } else {
        key
    }
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
                let entry = Entry::new(python_taken(requirement), requirement);
                found.insert((section.to_owned(), python_name(requirement)), entry);
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
        for (key, requirement) in value.and_then(toml::Value::as_table).into_iter().flatten() {
            let address = ["git", "url"].iter().find_map(|from| requirement.get(*from)?.as_str());
            let entry = Entry::new(address.unwrap_or(key), requirement.to_string());
            found.insert((section.to_owned(), key.clone()), entry);
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
        found.insert((String::new(), python_name(line)), Entry::new(python_taken(line), line));
    }
    Some(found)
}

/// What a requirement takes: the address that it gives (`name @ address`, or the address alone), else the package of its name.
fn python_taken(requirement: &str) -> String {
    match requirement.split_once("://") {
        Some((before, _)) if !requirement.starts_with('-') => {
            let begins = before
                .rfind(|c: char| c == '@' || c.is_whitespace())
                .map_or(0, |at| at + 1);
            let address = &requirement[begins..];
            // A marker follows a semicolon.
            address.split([';', ' ']).next().unwrap_or(address).to_owned()
        }
        _ => python_name(requirement),
    }
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
                    let by = rest.iter().skip_while(|word| **word != "=>").nth(1);
                    found.insert(
                        (block.unwrap_or(words[0]).to_owned(), (*name).to_owned()),
                        Entry::new(*by.unwrap_or(name), rest.join(" ")),
                    );
                }
            }
            _ => {}
        }
    }
    found
}
