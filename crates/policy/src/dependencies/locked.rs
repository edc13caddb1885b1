//! Reading lock files, which say of each dependency where its content comes from and what it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::DependencyChange;

/// How a lock file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockFormat {
    Cargo,
    Npm,
}

/// What a lock file says, by the name of the dependency.
#[derive(Debug, Default)]
pub(super) struct Locked(BTreeMap<String, BTreeSet<Pinned>>);

/// One version of a dependency. What is not said is empty.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pinned {
    /// Where in the file, where that makes a difference.
    place: String,
    version: String,
    /// Where its content comes from, in full.
    origin: String,
    checksum: String,
}

impl Locked {
    /// None: it cannot be read.
    pub(super) fn read(format: LockFormat, content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok()?;
        match format {
            LockFormat::Cargo => cargo(text),
            LockFormat::Npm => npm(text),
        }
    }

    pub(super) fn changed_to(&self, new: &Self) -> DependencyChange {
        let all: BTreeSet<_> = self.0.keys().chain(new.0.keys()).collect();
        let names = all.into_iter().filter(|name| self.0.get(*name) != new.0.get(*name));
        let replaced = new.0.iter().filter(|(name, after)| {
            let before = self.0.get(*name);
            before.is_some_and(|before| after.iter().any(|pinned| pinned.replaces(before)))
        });
        DependencyChange::Locked {
            names: names.cloned().collect(),
            replaced: replaced.map(|(name, _)| name.clone()).collect(),
        }
    }

    fn add(&mut self, name: &str, pinned: Pinned) {
        self.0.entry(name.to_owned()).or_default().insert(pinned);
    }
}

impl Pinned {
    /// Whether it is in the same version not what it was, or comes in another from where no version came before.
    fn replaces(&self, before: &BTreeSet<Self>) -> bool {
        let is_kept = |old: &str, new: &str| old.is_empty() || old == new;
        let mut same_version = before.iter().filter(|old| old.version == self.version).peekable();
        match same_version.peek() {
            Some(_) => {
                !same_version.any(|old| is_kept(&old.origin, &self.origin) && is_kept(&old.checksum, &self.checksum))
            }
            None => !before.iter().any(|old| old.root() == self.root()),
        }
    }

    /// Where all versions of it come from: the registry, the repository or the host.
    fn root(&self) -> &str {
        let (scheme, rest) = match self.origin.split_once("://") {
            Some(("http" | "https", rest)) => (self.origin.len() - rest.len(), rest),
            // What Cargo writes: the commit of a repository is behind its address.
            _ => return self.origin.split(['?', '#']).next().unwrap_or_default(),
        };
        let host = rest.find('/').unwrap_or(rest.len());
        &self.origin[..scheme + host]
    }
}

fn cargo(text: &str) -> Option<Locked> {
    let document: toml::Table = toml::from_str(text).ok()?;
    let packages = document.get("package").and_then(toml::Value::as_array);
    let mut found = Locked::default();
    for package in packages.into_iter().flatten() {
        let field = |key: &str| package.get(key).and_then(toml::Value::as_str);
        // A package without a source is one of the repository's own.
        if let (Some(name), Some(version), Some(source)) = (field("name"), field("version"), field("source")) {
            let pinned = Pinned {
                place: String::new(),
                version: version.to_owned(),
                origin: source.to_owned(),
                checksum: field("checksum").unwrap_or_default().to_owned(),
            };
            found.add(name, pinned);
        }
    }
    Some(found)
}

fn npm(text: &str) -> Option<Locked> {
    let document: Value = serde_json::from_str(text).ok()?;
    let mut found = Locked::default();
    for (place, package) in document
        .get("packages")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if let Some((_, name)) = place.rsplit_once("node_modules/") {
            add_npm(name, place, package, &mut found);
        }
    }
    // The first format has no `packages`.
    if document.get("packages").is_none() {
        nested(&document, "", &mut found);
    }
    Some(found)
}

fn nested(package: &Value, place: &str, found: &mut Locked) {
    for (name, package) in package
        .get("dependencies")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let place = format!("{place}/{name}");
        add_npm(name, &place, package, found);
        nested(package, &place, found);
    }
}

fn add_npm(name: &str, place: &str, package: &Value, found: &mut Locked) {
    if package.get("link").and_then(Value::as_bool) == Some(true) {
        return;
    }
    let field = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    // It is said only where the place has another one.
    let own_name = field("name");
    let name = if own_name.is_empty() { name } else { &own_name };
    let pinned = Pinned {
        place: place.to_owned(),
        version: field("version"),
        origin: field("resolved"),
        checksum: field("integrity"),
    };
    found.add(name, pinned);
}
