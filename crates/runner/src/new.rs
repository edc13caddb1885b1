//! A draft of a ticket, from a template.

use std::collections::BTreeMap;
use std::path::Path;

use git_delivery::RefError;
use ledger_core::{
    DocumentError, Kind, Mode, PackageName, RepoPath, SpecFolder, SpecKind, TicketFile, TicketId, spec_skeleton,
};
use toml_edit::{DocumentMut, value};

use crate::beneath::{
    Created, WriteError, create_beneath, folders_beneath, make_new_folder, read_beneath, remove_just_made,
};
use crate::init::built_in_template;
use crate::ledger::{FileProblem, Ledger, TicketFileName, join};
use crate::status::nearest_id;
use crate::workspace::{Workspace, WorkspaceError};

/// What a draft is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTicket {
    /// Its title: one line.
    pub title: String,
    /// Its id; none: the next free number and the title's words.
    pub id: Option<TicketId>,
    /// Its mode; none: `standard`.
    pub mode: Option<Mode>,
    /// Its kind; none: the template's.
    pub kind: Option<Kind>,
    /// The ticket that it is a part of.
    pub parent: Option<TicketId>,
    /// The package that it belongs to.
    pub package: Option<PackageName>,
    /// Whether it gets specs, which begin as skeletons below the ledger's `specs/changes`.
    pub spec: bool,
}

/// A draft that is not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub id: TicketId,
    /// Its folder.
    pub folder: RepoPath,
    /// Its files.
    pub files: BTreeMap<RepoPath, String>,
    wanted: NewTicket,
}

/// A draft cannot be made. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum NewTicketError {
    /// The workspace cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The refs of delivered tickets cannot be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The title is none.
    #[error("a title is one line of 1 to 200 characters")]
    Title,
    /// The id is taken, perhaps by a ticket that differs only by case.
    #[error("there is a ticket `{id}` already")]
    Taken {
        /// The ticket that is there.
        id: TicketId,
    },
    /// A file that would be written is there already. Nothing of it was changed.
    #[error("`{path}` is there already")]
    Exists {
        /// The file.
        path: RepoPath,
    },
    /// There is no such parent.
    #[error("there is no ticket `{id}` that could be the parent")]
    NoSuchParent {
        /// What was asked for.
        id: TicketId,
        /// The ticket with the nearest name.
        nearest: Option<TicketId>,
    },
    /// The template cannot be used.
    #[error("the template `{path}` cannot be used: {problem}")]
    Template {
        /// The template.
        path: RepoPath,
        /// Why.
        problem: FileProblem,
    },
    /// The template with these values is no ticket.
    #[error("what the template `{path}` gives is no ticket: {source}")]
    NotATicket {
        /// The template.
        path: RepoPath,
        /// Why.
        source: DocumentError,
    },
    /// The folder or a file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Every number that was tried was taken by others at the same moment.
    #[error("no free number was found for the ticket")]
    NoNumber,
}

impl Draft {
    /// What `foil new` would write. Changes nothing.
    pub fn new(workspace: &Workspace, wanted: &NewTicket) -> Result<Self, NewTicketError> {
        let title = wanted.title.trim();
        if title.is_empty() || title.chars().count() > 200 || title.chars().any(char::is_control) {
            return Err(NewTicketError::Title);
        }
        let ledger = workspace.ledger()?;
        if let Some(parent) = &wanted.parent
            && ledger.ids().binary_search(parent).is_err()
        {
            return Err(NewTicketError::NoSuchParent {
                id: parent.clone(),
                nearest: nearest_id(parent.as_str(), ledger.ids()),
            });
        }
        let taken = taken_names(workspace, &ledger)?;
        let id = match &wanted.id {
            Some(id) => id.clone(),
            None => numbered_id(title, next_number(&taken)),
        };
        if let Some(there) = taken.get(&id.folded()) {
            return Err(NewTicketError::Taken { id: there.clone() });
        }
        let dir = ledger.dir();
        let below = |rest: &str| join(dir, &format!("tickets/{id}{rest}")).unwrap_or_else(|| dir.clone());
        let file = |name: TicketFileName| below(&format!("/{}", name.as_str()));
        let contract = contract(workspace, &ledger, &id, title, wanted)?;
        let mut files = BTreeMap::from([
            (file(TicketFileName::Ticket), contract),
            (file(TicketFileName::Prompt), prompt(title)),
        ]);
        if wanted.spec {
            let specs = SpecFolder::of(dir);
            let number = next_requirement(workspace.repository().work_dir(), &specs);
            for kind in SpecKind::ALL {
                files.insert(
                    specs.change_file(&id, kind),
                    spec_skeleton(kind, &id, title, dir, number),
                );
            }
        }
        Ok(Self {
            folder: below(""),
            id,
            files,
            wanted: wanted.clone(),
        })
    }

    /// Writes the draft as a new folder. If another process took the number in between, the next one is taken. Answers
    /// with the draft as it was written.
    pub fn write(mut self, workspace: &Workspace) -> Result<Self, NewTicketError> {
        let root = workspace.repository().work_dir();
        for _ in 0..1000 {
            if make_new_folder(root, &self.folder)? == Created::New {
                let mut made = Vec::new();
                return match self.write_files(workspace, &mut made) {
                    Ok(()) => Ok(self),
                    Err(error) => {
                        for path in made {
                            remove_just_made(root, &path, false);
                        }
                        remove_just_made(root, &self.folder, true);
                        Err(error)
                    }
                };
            }
            if self.wanted.id.is_some() {
                return Err(NewTicketError::Taken { id: self.id });
            }
            self = Self::new(workspace, &self.wanted)?;
        }
        Err(NewTicketError::NoNumber)
    }

    /// Writes the files one by one, and says which. What is there already is left as it is, and nothing goes on.
    fn write_files(&self, workspace: &Workspace, made: &mut Vec<RepoPath>) -> Result<(), NewTicketError> {
        for (path, text) in &self.files {
            match create_beneath(workspace.repository().work_dir(), path, text.as_bytes())? {
                Created::New => made.push(path.clone()),
                Created::Exists => return Err(NewTicketError::Exists { path: path.clone() }),
            }
        }
        Ok(())
    }
}

/// The number after the highest that a ticket of this workspace has.
pub(crate) fn next_ticket_number(workspace: &Workspace) -> Result<u32, NewTicketError> {
    Ok(next_number(&taken_names(workspace, &workspace.ledger()?)?))
}

/// The number after the highest that a requirement in this work tree has.
pub(crate) fn next_requirement(root: &Path, specs: &SpecFolder) -> u32 {
    let mut highest = 0;
    for folder in ["current", "changes", "archive"] {
        let Some(folder) = join(specs.path(), folder) else {
            continue;
        };
        for name in folders_beneath(root, &folder) {
            let path = join(&folder, &format!("{name}/requirements.md"));
            let text = path.and_then(|path| read_beneath(root, &path).ok()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let numbers = text.split("REQ-").skip(1).filter_map(|rest| {
                let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
                // A longer one is no number that is counted on.
                (1..=6)
                    .contains(&digits.len())
                    .then(|| digits.parse::<u32>().ok())
                    .flatten()
            });
            highest = numbers.fold(highest, u32::max);
        }
    }
    highest.saturating_add(1)
}

/// Every name that a new ticket may not have, folded: tickets, folders that are none, and tickets with a receipt.
fn taken_names(workspace: &Workspace, ledger: &Ledger<'_>) -> Result<BTreeMap<String, TicketId>, NewTicketError> {
    let mut taken: BTreeMap<String, TicketId> = ledger.ids().iter().map(|id| (id.folded(), id.clone())).collect();
    for misfit in ledger.misfits() {
        let name = std::str::from_utf8(misfit.path.file_name())
            .ok()
            .and_then(|name| name.parse::<TicketId>().ok());
        if let Some(id) = name {
            taken.entry(id.folded()).or_insert(id);
        }
    }
    let prefix = "refs/counterfoil/receipts/";
    workspace.repository().refs_below(prefix, |name, _| {
        if let Some(Ok(id)) = name.strip_prefix(prefix).map(str::parse::<TicketId>) {
            taken.entry(id.folded()).or_insert(id);
        }
    })?;
    Ok(taken)
}

fn next_number(taken: &BTreeMap<String, TicketId>) -> u32 {
    let number = |id: &TicketId| -> Option<u32> {
        let digits = id.as_str().split(|c: char| !c.is_ascii_digit()).next()?;
        // Longer ones are dates or numbers of other systems.
        (1..=6).contains(&digits.len()).then(|| digits.parse().ok()).flatten()
    };
    taken.values().filter_map(number).max().unwrap_or(0).saturating_add(1)
}

fn numbered_id(title: &str, number: u32) -> TicketId {
    with_number(number, &words_of(title))
}

/// The words of a title as a name has them: small letters and digits with hyphens between, at most 50. Empty where it has none.
pub(crate) fn words_of(title: &str) -> String {
    let mut slug = String::new();
    for character in title.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !matches!(character, '\'' | '’') && !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let short = match slug.char_indices().nth(50) {
        // Cut at a whole word where there is one.
        Some((end, _)) => slug[..end].rsplit_once('-').map_or(&slug[..end], |(words, _)| words),
        None => &slug,
    };
    short.trim_matches('-').to_owned()
}

/// An id of digits, letters and hyphens always fits; should it ever not, the number alone does.
#[expect(clippy::expect_used, reason = "four or more digits are a ticket id")]
fn with_number(number: u32, slug: &str) -> TicketId {
    let id = match slug {
        "" => format!("{number:04}"),
        slug => format!("{number:04}-{slug}"),
    };
    id.parse()
        .unwrap_or_else(|_| format!("{number:04}").parse().expect("digits are a ticket id"))
}

fn contract(
    workspace: &Workspace,
    ledger: &Ledger<'_>,
    id: &TicketId,
    title: &str,
    wanted: &NewTicket,
) -> Result<String, NewTicketError> {
    let mode = wanted.mode.unwrap_or_default();
    let path = join(ledger.dir(), &format!("templates/{}.toml", mode.as_str())).unwrap_or_else(|| ledger.dir().clone());
    let template = |problem| NewTicketError::Template {
        path: path.clone(),
        problem,
    };
    let text = match read_beneath(workspace.repository().work_dir(), &path) {
        Ok(bytes) => ledger_core::document_text(&bytes)
            .map_err(|error| template(error.into()))?
            .to_owned(),
        Err(FileProblem::Missing) => built_in_template(mode).to_owned(),
        Err(problem) => return Err(template(problem)),
    };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().trim_end().replace('\n', ", ");
        template(DocumentError::at(&text, span, message).into())
    })?;
    set(&mut document, "title", title);
    set(&mut document, "mode", mode.as_str());
    if let Some(kind) = wanted.kind {
        set(&mut document, "kind", kind_name(kind));
    }
    if let Some(parent) = &wanted.parent {
        set(&mut document, "parent", parent.as_str());
    }
    if let Some(package) = &wanted.package {
        set(&mut document, "package", package.as_str());
    }
    if wanted.spec {
        let specs = SpecFolder::of(ledger.dir());
        let table = document.entry("specs").or_insert_with(toml_edit::table);
        let Some(table) = table.as_table_like_mut() else {
            return Err(template(FileProblem::Unreadable {
                reason: "`specs` is no table in it".to_owned(),
            }));
        };
        table.insert("mode", value("full"));
        for kind in SpecKind::ALL {
            table.insert(kind.as_str(), value(specs.change_file(id, kind).to_string()));
        }
    }
    // The template lies one folder higher than the ticket.
    let text = document
        .to_string()
        .replacen("#:schema ../schemas/", "#:schema ../../schemas/", 1);
    match TicketFile::parse(text.as_bytes()) {
        Ok(_) => Ok(text),
        Err(source) => Err(NewTicketError::NotATicket { path, source }),
    }
}

/// Sets a key and keeps the comments around the old value.
pub(crate) fn set(document: &mut DocumentMut, key: &str, text: &str) {
    let mut item = value(text);
    if let (Some(old), Some(new)) = (
        document.get(key).and_then(toml_edit::Item::as_value),
        item.as_value_mut(),
    ) {
        *new.decor_mut() = old.decor().clone();
    }
    document[key] = item;
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Feature => "feature",
        Kind::Bugfix => "bugfix",
        Kind::Refactor => "refactor",
        Kind::Test => "test",
        Kind::Documentation => "documentation",
        Kind::Diagnosis => "diagnosis",
        Kind::Cleanup => "cleanup",
    }
}

fn prompt(title: &str) -> String {
    format!(
        "# {title}\n\n<!-- Say what should be different afterwards, and why. Name what must not change.\n     \
         The worker sees this text, the contract beside it, and the repository; nothing else. -->\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_the_next_number_and_the_title() {
        let id = |title: &str| numbered_id(title, 42).to_string();
        assert_eq!(id("Validate e-mail addresses"), "0042-validate-e-mail-addresses");
        assert_eq!(id("  Don't panic!  "), "0042-don-t-panic".replace("don-t", "dont"));
        assert_eq!(id("日本語"), "0042");
        assert_eq!(id("../../etc"), "0042-etc");
        assert_eq!(id("con"), "0042-con");
        assert!(id(&"long words ".repeat(30)).len() < 60);
        assert_eq!(id(&"x".repeat(200)).len(), 55);
    }

    #[test]
    fn the_next_number_follows_the_highest_and_skips_dates() {
        let taken = |ids: &[&str]| -> BTreeMap<String, TicketId> {
            ids.iter().map(|id| ((*id).to_owned(), id.parse().unwrap())).collect()
        };
        assert_eq!(next_number(&taken(&[])), 1);
        assert_eq!(next_number(&taken(&["0041-a", "7", "x-99", "20261120-b"])), 42);
    }
}
