//! Reading manifests, as far as dependencies go.

use std::collections::{BTreeMap, BTreeSet};

use super::Format;

/// What a manifest says of each dependency, by its section and by what the manifest calls it. It may say several things.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entries(BTreeMap<(String, String), BTreeSet<Entry>>);

/// What a manifest says of a dependency.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// What is taken, whatever the manifest calls it: the package of a registry, or the address where it comes from elsewhere.
    name: String,
    /// Everything that says which version of it.
    says: String,
}

impl Entries {
    /// The names of what one of two says and the other does not.
    pub(super) fn differing(&self, other: &Self) -> BTreeSet<String> {
        let only_in = |these: &Self, those: &Self| -> Vec<String> {
            let all = these
                .0
                .iter()
                .flat_map(|(key, said)| said.iter().map(move |entry| (key, entry)));
            let missing = all.filter(|(key, entry)| those.0.get(*key).is_none_or(|said| !said.contains(*entry)));
            missing.map(|(_, entry)| entry.name.clone()).collect()
        };
        only_in(self, other).into_iter().chain(only_in(other, self)).collect()
    }

    fn add(&mut self, section: &str, key: impl Into<String>, name: impl Into<String>, says: impl Into<String>) {
        let (name, says) = (name.into(), says.into());
        let said = self.0.entry((section.to_owned(), key.into())).or_default();
        said.insert(Entry { name, says });
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
    let mut found = Entries::default();
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
        let toml::Value::Table(table) = value else {
            found.add(section, key, key, format!("version={value}"));
            continue;
        };
        let inherited = table.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        let own_path = table
            .get("path")
            .and_then(toml::Value::as_str)
            .is_some_and(|path| !path.starts_with('/'));
        if inherited || (own_path && !table.contains_key("git") && !table.contains_key("registry")) {
            continue;
        }
        let elsewhere = ["git", "registry-index", "registry", "path", "package"];
        let kept = ["version", "branch", "tag", "rev"].iter().chain(&elsewhere);
        let kept = kept.filter_map(|key| table.get(*key).map(|value| format!("{key}={value}")));
        let name = elsewhere.iter().find_map(|key| table.get(*key)?.as_str());
        found.add(section, key, name.unwrap_or(key), kept.collect::<Vec<_>>().join(" "));
    }
}

fn is_own(requirement: &str) -> bool {
    ["workspace:", "file:", "link:", "portal:"]
        .iter()
        .any(|scheme| requirement.starts_with(scheme))
}

fn package_json(text: &str) -> Option<Entries> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut found = Entries::default();
    for section in [
        "dependencies",
        "devDependencies",
        "peerDependencies",
        "optionalDependencies",
        "overrides",
        "resolutions",
        // What the package manager of this name is told beside; its `overrides` are like npm's.
        "pnpm",
        "bun",
    ] {
        if let Some(list) = document.get(section) {
            npm_section(section, list, &mut found);
        }
    }
    // A package manager that is fetched.
    if let Some(said) = document.get("packageManager").and_then(|said| said.as_str()) {
        let (name, version) = said.split_once('@').unwrap_or((said, ""));
        found.add("packageManager", "", npm_name(name, version), said);
    }
    // What is run when packages are fetched.
    for key in [
        "preinstall",
        "install",
        "postinstall",
        "preprepare",
        "prepare",
        "postprepare",
        "prepublish",
    ] {
        if let Some(said) = document.get("scripts").and_then(|scripts| scripts.get(key)) {
            found.add("scripts", key, key, said.to_string());
        }
    }
    Some(found)
}

/// An override may name others below one: what they need of it.
fn npm_section(section: &str, list: &serde_json::Value, found: &mut Entries) {
    for (key, requirement) in list.as_object().into_iter().flatten() {
        match requirement.as_str() {
            Some(text) if is_own(text) => {}
            Some(text) => found.add(section, key, npm_name(key, text), text),
            None if requirement.is_object() => npm_section(&format!("{section}.{key}"), requirement, found),
            None => found.add(section, key, key, requirement.to_string()),
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
    let mut found = Entries::default();
    for (section, value) in &document {
        match section.as_str() {
            "dependency-groups" => python_requirements(section, value, &mut found),
            _ => python_tool(section, value, &mut found),
        }
    }
    Some(found)
}

/// Whatever tool reads it: a key that ends so lists dependencies.
const LISTS: [&str; 4] = ["dependencies", "requires", "constraints", "overrides"];
/// Such a key says where they come from.
const ORIGINS: [&str; 8] = [
    "source",
    "sources",
    "index",
    "index-url",
    "extra-index-url",
    "find-links",
    "build-backend",
    "backend-path",
];

fn python_tool(section: &str, value: &toml::Value, found: &mut Entries) {
    for (key, value) in value.as_table().into_iter().flatten() {
        let below = format!("{section}.{key}");
        if LISTS.iter().any(|list| key.ends_with(list)) {
            python_requirements(&below, value, found);
        } else if ORIGINS.contains(&key.as_str()) {
            python_origins(&below, value, found);
        } else {
            let tables = value
                .as_array()
                .into_iter()
                .flatten()
                .chain(value.is_table().then_some(value));
            tables.for_each(|table| python_tool(&below, table, found));
        }
    }
}

/// A list of requirements, groups of them, or a table of names and versions.
fn python_requirements(section: &str, value: &toml::Value, found: &mut Entries) {
    match value {
        toml::Value::String(requirement) => {
            found.add(
                section,
                python_name(requirement),
                python_taken(requirement),
                requirement,
            );
        }
        toml::Value::Array(list) => list.iter().for_each(|item| python_requirements(section, item, found)),
        toml::Value::Table(table) => {
            for (key, value) in table {
                match value {
                    toml::Value::Array(list) if list.iter().all(toml::Value::is_str) => {
                        python_requirements(&format!("{section}.{key}"), value, found);
                    }
                    _ => found.add(section, key, address_in(value).unwrap_or(key), value.to_string()),
                }
            }
        }
        other => found.add(section, "", section, other.to_string()),
    }
}

fn python_origins(section: &str, value: &toml::Value, found: &mut Entries) {
    match value {
        toml::Value::Array(list) => list.iter().for_each(|item| python_origins(section, item, found)),
        toml::Value::Table(table) if !table.contains_key("url") => {
            for (key, value) in table {
                found.add(section, key, address_in(value).unwrap_or(key), value.to_string());
            }
        }
        toml::Value::String(text) => found.add(section, "", text, text),
        other => found.add(section, "", address_in(other).unwrap_or(section), other.to_string()),
    }
}

fn address_in(value: &toml::Value) -> Option<&str> {
    let is_address = |text: &&str| text.contains("://");
    let of_table = || ["git", "url"].iter().find_map(|from| value.get(*from)?.as_str());
    value.as_str().filter(is_address).or_else(of_table)
}

fn requirements(text: &str) -> Option<Entries> {
    let mut found = Entries::default();
    for line in joined_lines(text) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        let is_own = line == "-e ." || line.starts_with("-e ./") || line.starts_with("./");
        if line.is_empty() || line.starts_with('#') || is_own {
            continue;
        }
        found.add("", python_name(line), python_taken(line), line);
    }
    Some(found)
}

/// A line that ends in a backslash goes on in the next: hashes follow their requirement. A comment ends what was begun, and never goes on itself, as in
/// <https://pip.pypa.io/en/stable/reference/requirements-file-format/>.
fn joined_lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for line in text.lines() {
        let is_comment = line.trim_start().starts_with('#');
        let (said, goes_on) = match line.strip_suffix('\\') {
            _ if is_comment => ("", false),
            Some(said) => (said, true),
            None => (line, false),
        };
        if let Some(last) = lines.last_mut() {
            last.push_str(said);
            last.push(' ');
        }
        if !goes_on {
            lines.push(String::new());
        }
    }
    lines
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
    let mut found = Entries::default();
    let mut block = None;
    for line in text.lines() {
        // A block may begin without a blank.
        let line = line.split("//").next().unwrap_or_default().replace('(', " ( ");
        let words: Vec<_> = line.split_whitespace().collect();
        match (words.as_slice(), &block) {
            ([")"], _) => block = None,
            ([directive @ ("require" | "replace" | "tool" | "toolchain"), "("], _) => {
                block = Some((*directive).to_owned())
            }
            (["require" | "replace" | "tool" | "toolchain", name, rest @ ..], None) | ([name, rest @ ..], Some(_)) => {
                // A replacement by a folder of the repository is none of the network's.
                let own = rest.iter().any(|word| word.starts_with("./"));
                if !own {
                    let by = rest.iter().skip_while(|word| **word != "=>").nth(1);
                    let directive = block.clone().unwrap_or_else(|| words[0].to_owned());
                    found.add(&directive, *name, *by.unwrap_or(name), rest.join(" "));
                }
            }
            _ => {}
        }
    }
    found
}
