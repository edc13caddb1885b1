//! What holds now, and what becomes of it when a change is delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::reader::Reader;
use super::requirements::{COLUMNS, items};
use super::{
    DeltaChange, DeltaItem, DeltaItemId, MAX_SPEC_BYTES, Requirement, RequirementId, SpecKind, SpecProblem, SpecSet,
    SpecSeverity,
};
use crate::approval::ReplacedRequirement;
use crate::digest::Digest;
use crate::document::document_text;
use crate::path::RepoPath;
use crate::ticket::DecisionStatus;

/// The requirements that hold now, in one file of the current specs. Of the sections of a spec it needs `Requirements` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentRequirements {
    /// Each of them. One that was removed is `superseded`, so that its name is not given again.
    pub items: Vec<Requirement>,
}

impl CurrentRequirements {
    /// Reads a file of the current specs.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<SpecProblem>> {
        let mut reader = Reader::new(SpecKind::Requirements, bytes).map_err(|problem| vec![problem])?;
        let items = items(&mut reader);
        let mut problems = reader.into_problems();
        problems.retain(|problem| problem.severity == SpecSeverity::Error);
        match problems.is_empty() {
            true => Ok(Self { items }),
            false => Err(problems),
        }
    }
}

/// Which files of the current specs have each requirement, whatever its status: an id is given once in a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CurrentIds(BTreeMap<RequirementId, BTreeSet<RepoPath>>);

impl CurrentIds {
    /// Adds a file. One that cannot be read has none.
    pub fn add(&mut self, path: &RepoPath, bytes: &[u8]) {
        let read = CurrentRequirements::parse(bytes);
        for item in read.into_iter().flat_map(|read| read.items) {
            self.0.entry(item.id).or_default().insert(path.clone());
        }
    }

    /// The items of this set that add a requirement whose id another file has than the one that it is added to.
    pub fn taken_by(&self, set: &SpecSet) -> Vec<CurrentProblem> {
        let items = set.delta.iter().flat_map(|delta| delta.applied());
        let taken = items
            .filter(|item| item.change == DeltaChange::Added)
            .filter_map(|item| {
                let mut others = self.0.get(&item.requirement)?.iter();
                let other = others.find(|path| **path != item.current)?;
                let id = &item.requirement;
                let reason = format!("`{other}` has `{id}` already; give the new requirement another id");
                Some(CurrentProblem::new(item, reason))
            });
        taken.collect()
    }
}

impl ReplacedRequirement {
    /// Whether a file of the current specs still says of the requirement what it said then. `bytes` is none where the file is not there.
    pub fn is_in(&self, bytes: Option<&[u8]>) -> bool {
        bytes.and_then(|bytes| said_of(bytes, &self.requirement)) == Some(self.sha256)
    }
}

/// What accepted items of the delta modify or remove, as it is required now, in the order of the delta. What is not there is left out.
/// `current` has each file that the delta names.
pub fn replaced_by(set: &SpecSet, current: &BTreeMap<RepoPath, Option<Vec<u8>>>) -> Vec<ReplacedRequirement> {
    let items = set.delta.iter().flat_map(|delta| delta.applied());
    let replacing = items.filter(|item| item.change != DeltaChange::Added);
    let replaced = replacing.filter_map(|item| {
        let bytes = current.get(&item.current)?.as_ref()?;
        Some(ReplacedRequirement {
            requirement: item.requirement.clone(),
            path: item.current.clone(),
            sha256: said_of(bytes, &item.requirement)?,
        })
    });
    replaced.collect()
}

/// The digest of what a file of the current specs says of a requirement; none where it says nothing that can be read.
fn said_of(bytes: &[u8], id: &RequirementId) -> Option<Digest> {
    let current = CurrentRequirements::parse(bytes).ok()?;
    let row = current.items.iter().find(|item| item.id == *id)?;
    let status = row.status.as_str();
    let cells = [id.as_str(), status, &row.text, &row.criteria, &row.proof];
    Some(Digest::of(format!("| {} |", cells.join(" | "))))
}

/// The byte order mark.
const MARK: &str = "\u{feff}";

/// Why an item of a delta cannot become current.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{item}` cannot be brought into `{file}`: {reason}")]
pub struct CurrentProblem {
    /// The item.
    pub item: DeltaItemId,
    /// The file of the current specs.
    pub file: RepoPath,
    /// Why, in lower case and without a final period.
    pub reason: String,
    /// Where the item stands in the delta.
    pub at: Range<usize>,
}

impl CurrentProblem {
    fn new(item: &DeltaItem, reason: String) -> Self {
        Self {
            item: item.id.clone(),
            file: item.current.clone(),
            reason,
            at: item.at.clone(),
        }
    }
}

/// The current specs once the change of this set is delivered: the files that differ, whole. `current` has each file that the delta names,
/// or none where it is not there.
///
/// An item that is in the current specs already changes nothing. Everything else in a file stays byte for byte.
pub fn with_delta(
    set: &SpecSet,
    current: &BTreeMap<RepoPath, Option<Vec<u8>>>,
) -> Result<BTreeMap<RepoPath, Vec<u8>>, Vec<CurrentProblem>> {
    let Some(delta) = &set.delta else {
        return Ok(BTreeMap::new());
    };
    let (mut files, mut problems) = (BTreeMap::new(), Vec::new());
    for item in delta.applied() {
        let known = files
            .get(&item.current)
            .or_else(|| current.get(&item.current)?.as_ref());
        match applied(set, item, known.map(Vec::as_slice)) {
            Ok(Some(text)) => {
                files.insert(item.current.clone(), text.into_bytes());
            }
            Ok(None) => {}
            Err(reason) => problems.push(CurrentProblem::new(item, reason)),
        }
    }
    match problems.is_empty() {
        true => Ok(files),
        false => Err(problems),
    }
}

/// The file with one item in it; none where it is in it already.
fn applied(set: &SpecSet, item: &DeltaItem, known: Option<&[u8]>) -> Result<Option<String>, String> {
    let new = match item.change {
        DeltaChange::Removed => None,
        _ => Some(
            set.requirements
                .get(&item.requirement)
                .ok_or("its requirement is not there")?,
        ),
    };
    let Some(bytes) = known else {
        return match (item.change, new) {
            (DeltaChange::Added, Some(new)) => Ok(Some(new_file(&item.current, new))),
            _ => Err("the file is not there".to_owned()),
        };
    };
    let text = document_text(bytes).map_err(|error| error.to_string())?;
    let read = CurrentRequirements::parse(bytes);
    let read = read.map_err(|problems| {
        problems
            .first()
            .map_or_else(String::new, |problem| problem.error.to_string())
    })?;
    let there = read.items.iter().find(|known| known.id == item.requirement);
    let id = &item.requirement;
    let edited = match (item.change, there, new) {
        (DeltaChange::Added | DeltaChange::Modified, Some(there), Some(new)) if is_same(there, new) => return Ok(None),
        (DeltaChange::Added, Some(there), _) if there.is_accepted() => {
            return Err(format!("it has `{id}` already, and says something else; modify it"));
        }
        (DeltaChange::Added, Some(_), _) => {
            return Err(format!("`{id}` was there before; give the new requirement another id"));
        }
        (DeltaChange::Added, None, Some(new)) => with_row(text, &read.items, new)?,
        (DeltaChange::Modified, Some(there), Some(new)) if there.is_accepted() => {
            let row = row_of(text, new)?;
            format!("{}{row}{}", &text[..there.at.start], &text[there.at.end..])
        }
        (DeltaChange::Removed, Some(there), _) if there.status == DecisionStatus::Superseded => return Ok(None),
        (DeltaChange::Removed, Some(there), _) => {
            let gone = Requirement {
                status: DecisionStatus::Superseded,
                ..there.clone()
            };
            let row = row_of(text, &gone)?;
            format!("{}{row}{}", &text[..there.at.start], &text[there.at.end..])
        }
        (DeltaChange::Modified, Some(_), _) => return Err(format!("`{id}` is not required there any more")),
        (DeltaChange::Modified | DeltaChange::Removed, None, _) | (_, _, None) => {
            return Err(format!("it has no `{id}`"));
        }
    };
    if edited.len() > MAX_SPEC_BYTES {
        return Err(format!("it would have more than {MAX_SPEC_BYTES} bytes"));
    }
    let edited = confirmed(edited, &read.items, item, new)?;
    // It is left out where the text is read.
    let mark = if bytes.starts_with(MARK.as_bytes()) { MARK } else { "" };
    Ok(Some(format!("{mark}{edited}")))
}

/// Whatever stood around the row: what is read afterwards is what was meant, and nothing else changed.
fn confirmed(
    edited: String,
    before: &[Requirement],
    item: &DeltaItem,
    new: Option<&Requirement>,
) -> Result<String, String> {
    let wrong = || "its table cannot be changed row by row".to_owned();
    let read = CurrentRequirements::parse(edited.as_bytes()).map_err(|_| wrong())?;
    let others = |items: &[Requirement]| -> Vec<Requirement> {
        let others = items.iter().filter(|known| known.id != item.requirement);
        others
            .map(|known| Requirement {
                at: 0..0,
                ..known.clone()
            })
            .collect()
    };
    let after = read.items.iter().find(|known| known.id == item.requirement);
    let is_meant = match (new, after) {
        (Some(new), Some(after)) => is_same(after, new),
        (None, Some(after)) => after.status == DecisionStatus::Superseded,
        (_, None) => false,
    };
    match is_meant && others(before) == others(&read.items) {
        true => Ok(edited),
        false => Err(wrong()),
    }
}

fn is_same(there: &Requirement, new: &Requirement) -> bool {
    there.is_accepted() && there.text == new.text && there.criteria == new.criteria && there.proof == new.proof
}

/// The text with one more row at the end of its table.
fn with_row(text: &str, items: &[Requirement], new: &Requirement) -> Result<String, String> {
    let row = row_of(text, new)?;
    let end = match items.last() {
        Some(last) => last.at.end,
        // Below the line that separates the names of the columns from the rows.
        None => header(text).ok_or("it has no table of requirements")?.1,
    };
    let line_end = text[end..].find('\n').map_or(text.len(), |length| end + length);
    let (above, below) = text.split_at(line_end);
    let (above, newline) = match above.strip_suffix('\r') {
        Some(above) => (above, "\r\n"),
        None => (above, "\n"),
    };
    let below = if newline == "\r\n" {
        format!("\r{below}")
    } else {
        below.to_owned()
    };
    Ok(format!("{above}{newline}{row}{below}"))
}

/// The names of the columns and the end of the line below them.
fn header(text: &str) -> Option<(Vec<String>, usize)> {
    let document = super::markdown::Markdown::parse(text);
    let section = document
        .sections
        .iter()
        .find(|section| section.name.eq_ignore_ascii_case("requirements"))?;
    let table = section.tables.first()?;
    let names = table.columns.iter().map(|cell| cell.text.clone()).collect();
    let second = table.at.start + text[table.at.start..].find('\n')? + 1;
    let length = text[second..].find(['\n', '\r']).unwrap_or(text.len() - second);
    Some((names, second + length))
}

/// A requirement as a row of the table that a text has, in the order of its columns.
fn row_of(text: &str, requirement: &Requirement) -> Result<String, String> {
    let (names, _) = header(text).ok_or("it has no table of requirements")?;
    let status = match requirement.status {
        DecisionStatus::Superseded => "superseded",
        _ => "accepted",
    };
    let cell = |name: &String| match COLUMNS.iter().position(|column| column.eq_ignore_ascii_case(name)) {
        Some(0) => requirement.id.as_str(),
        Some(1) => status,
        Some(2) => &requirement.text,
        Some(3) => &requirement.criteria,
        Some(4) => &requirement.proof,
        _ => "",
    };
    let cells: Vec<_> = names.iter().map(cell).collect();
    Ok(format!("| {} |", cells.join(" | ")))
}

/// A file of the current specs with one requirement. Its name is that of its folder.
fn new_file(path: &RepoPath, requirement: &Requirement) -> String {
    let parts: Vec<_> = path.parts().collect();
    let folder = parts.len().checked_sub(2).map_or(&b""[..], |index| parts[index]);
    let head = format!("| {} |\n|{}", COLUMNS.join(" | "), " --- |".repeat(COLUMNS.len()));
    let cells = [
        requirement.id.as_str(),
        "accepted",
        &requirement.text,
        &requirement.criteria,
        &requirement.proof,
    ];
    format!(
        "# {}\n\nWhat holds now. Deltas of delivered tickets are brought in here.\n\n## Requirements\n\n{head}\n| {} |\n",
        String::from_utf8_lossy(folder),
        cells.join(" | ")
    )
}
