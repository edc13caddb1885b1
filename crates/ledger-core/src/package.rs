//! Packages: ordered tickets with a source lock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::approval::CoveredFile;
use crate::document::{DocumentError, document_text, locate, read_toml};
use crate::id::TicketId;

/// `ledger/packages/<name>.toml`: an ordered set of tickets with a source lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Package")]
pub struct Package {
    /// Version of this format
    #[serde(default = "first_version")]
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// What the tickets amount to, in one line
    pub title: String,
    /// The goal in a few sentences
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub goal: String,
    /// The tickets in the order in which they are to be delivered
    #[schemars(length(min = 1))]
    pub tickets: Vec<TicketId>,
    /// The files that the order was made from, by their committed bytes
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock: Vec<CoveredFile>,
}

fn first_version() -> u32 {
    1
}

impl Package {
    /// Reads a package. Refuses other formats, an empty list, and a ticket that occurs twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let package: Self = read_toml(bytes)?;
        let twice = package
            .tickets
            .iter()
            .enumerate()
            .find(|(i, ticket)| package.tickets[..*i].contains(ticket));
        let wrong: Option<(Vec<String>, String)> = if package.schema != 1 {
            Some((
                vec!["schema".into()],
                format!("this foil reads package format 1, not {}", package.schema),
            ))
        } else if package.tickets.is_empty() {
            Some((vec!["tickets".into()], "a package has at least one ticket".to_owned()))
        } else {
            twice.map(|(i, ticket)| {
                (
                    vec!["tickets".into(), i.to_string()],
                    format!("`{ticket}` occurs twice"),
                )
            })
        };
        match wrong {
            None => Ok(package),
            Some((path, message)) => {
                let text = document_text(bytes)?;
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                let error = DocumentError::at(text, locate(text, &path), message);
                Err(error.with_hint(match path[..] {
                    ["schema"] => "use the version of foil that wrote it, or write `schema = 1`",
                    ["tickets"] => "list the ids of its tickets in their order, or remove the file",
                    _ => "leave one of them out",
                }))
            }
        }
    }
}
