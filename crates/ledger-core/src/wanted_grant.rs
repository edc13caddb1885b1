//! Grants that an agent asks for. Asking gives nothing: a person adds the grant to the ticket and approves it again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ticket::Grants;

/// A grant that the ticket would need and does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedGrant {
    /// What kind of action it would allow
    pub kind: GrantKind,
    /// The dependency's name, or the path of a file in which dependencies are not read by name; the protected path, or the exact command line; empty for migrations and network
    pub name: String,
    /// Why the ticket cannot be done without it
    pub reason: String,
}

/// What a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// To add or change a dependency
    Dependency,
    /// To change a protected path
    ProtectedPath,
    /// To run a command that is denied
    Command,
    /// To add, change and run data migrations
    Migrations,
    /// To use the network
    Network,
}

impl GrantKind {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dependency => "dependency",
            Self::ProtectedPath => "protected_path",
            Self::Command => "command",
            Self::Migrations => "migrations",
            Self::Network => "network",
        }
    }
}

/// The most grants that are shown of one answer, and the most characters of a name.
const MAX_SHOWN: usize = 20;
const MAX_NAME: usize = 200;

impl WantedGrant {
    /// Whether these grants hold it already.
    pub fn is_in(&self, grants: &Grants) -> bool {
        match self.kind {
            GrantKind::Dependency => grants.names_dependency(&self.name),
            GrantKind::ProtectedPath => grants.protected.contains(&self.name),
            GrantKind::Command => grants.commands.contains(&self.name),
            GrantKind::Migrations => grants.migrations,
            GrantKind::Network => grants.network,
        }
    }

    /// Whether a ticket can be given it: it has a name where it needs one, of one line and of bounded length.
    fn can_be_written(&self) -> bool {
        let needs_name = !matches!(self.kind, GrantKind::Migrations | GrantKind::Network);
        let name = self.name.trim();
        !needs_name || (!name.is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control))
    }
}

/// The lines of a ticket's `[grants]` with what it grants already and what is asked for beside that, for a person who agrees to all of it;
/// none where nothing is asked for that is not granted, or that could be written there.
///
/// ```
/// use counterfoil_ledger_core::{GrantKind, Grants, WantedGrant, wanted_lines};
/// let wanted = WantedGrant { kind: GrantKind::Dependency, name: "time".into(), reason: "dates".into() };
/// let lines = wanted_lines(&Grants::default(), &[wanted]).unwrap();
/// assert_eq!(lines, "[grants]\ndependencies = [\"time\"]\n");
/// ```
pub fn wanted_lines(grants: &Grants, wanted: &[WantedGrant]) -> Option<String> {
    let mut all = grants.clone();
    let mut is_more = false;
    for wish in wanted.iter().take(MAX_SHOWN) {
        if wish.is_in(&all) || !wish.can_be_written() {
            continue;
        }
        is_more = true;
        match wish.kind {
            GrantKind::Dependency => all.dependencies.push(wish.name.clone()),
            GrantKind::ProtectedPath => all.protected.push(wish.name.clone()),
            GrantKind::Command => all.commands.push(wish.name.clone()),
            GrantKind::Migrations => all.migrations = true,
            GrantKind::Network => all.network = true,
        }
    }
    if !is_more {
        return None;
    }
    let mut lines = "[grants]\n".to_owned();
    for (key, names) in [
        ("dependencies", &all.dependencies),
        ("protected", &all.protected),
        ("commands", &all.commands),
    ] {
        if !names.is_empty() {
            // What TOML itself writes of a list of strings.
            let list: toml::Value = names
                .iter()
                .cloned()
                .map(toml::Value::String)
                .collect::<Vec<_>>()
                .into();
            lines.push_str(&format!("{key} = {list}\n"));
        }
    }
    for (key, is_granted) in [("migrations", all.migrations), ("network", all.network)] {
        if is_granted {
            lines.push_str(&format!("{key} = true\n"));
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(kind: GrantKind, name: &str) -> WantedGrant {
        WantedGrant {
            kind,
            name: name.to_owned(),
            reason: String::new(),
        }
    }

    #[test]
    fn what_is_asked_for_stands_beside_what_is_granted() {
        let grants = Grants {
            dependencies: vec!["serde".to_owned()],
            ..Grants::default()
        };
        let wanted = [
            wish(GrantKind::Dependency, "serde"),
            wish(GrantKind::Dependency, "a\"b"),
            wish(GrantKind::Command, "npm install"),
            wish(GrantKind::Network, "anything"),
        ];
        let lines = wanted_lines(&grants, &wanted).unwrap();
        insta::assert_snapshot!(lines);
        let file = crate::TicketFile::parse(format!("title = \"x\"\nmode = \"loop\"\n{lines}").as_bytes()).unwrap();
        assert_eq!(file.grants.dependencies, ["serde", "a\"b"]);
        assert!(wanted.iter().all(|wish| wish.is_in(&file.grants)));
    }

    #[test]
    fn what_cannot_stand_in_a_ticket_is_not_shown() {
        let wanted = [
            wish(GrantKind::Dependency, " "),
            wish(GrantKind::Command, "true\nnetwork = true"),
            wish(GrantKind::ProtectedPath, &"a".repeat(201)),
        ];
        assert_eq!(wanted_lines(&Grants::default(), &wanted), None);
    }
}
