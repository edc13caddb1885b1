//! Whether a change bears out what its ticket says of specs: that it needs none.

use std::collections::BTreeMap;

use git_delivery::{ObjectError, Repository};
use ledger_core::{Change, ChangeSet, ChangeSummary, EntryMode, RepoPath, Side, SpecMode, TicketFile};
use policy::{
    ChangeFacts, FileFacts, Policy, QuickFlow, dependency_change, has_public_api, is_dependency_file, public_api_change,
};

/// The most files that are looked into, and the most bytes of one. What is left out counts as touched.
const MAX_FILES: usize = 500;
const MAX_BYTES: u64 = 1 << 20;

/// What a person should mind where a standard ticket says why it needs no specs, and its change touches what specs are for. Names
/// triggers and paths only: nothing of what the files hold.
pub(crate) fn contradiction(
    repository: &Repository,
    policy: &Policy,
    ticket: &TicketFile,
    change: &ChangeSummary,
) -> Option<String> {
    let reason = ticket.specs.reason.trim();
    if !ticket.mode.discipline().plans || ticket.specs.mode != SpecMode::None || reason.is_empty() {
        return None;
    }
    // A change whose objects are gone cannot be looked at any more; the rest of the packet can.
    let (set, facts) = gathered(repository, change).ok()?;
    let crossed = QuickFlow::new(policy).ok()?.needs_specs(&set, &facts, ticket);
    if crossed.is_empty() {
        return None;
    }
    let mut places: BTreeMap<&str, Vec<&RepoPath>> = BTreeMap::new();
    for crossing in &crossed {
        let places = places.entry(crossing.trigger.as_str()).or_default();
        places.extend(&crossing.path);
    }
    let touched: Vec<_> = places
        .iter()
        .map(|(trigger, paths)| {
            let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
            format!("{trigger} in {}", paths.join(", "))
        })
        .collect();
    Some(format!(
        "the ticket says that it needs no specs (\"{reason}\"), and the change touches {}",
        touched.join("; ")
    ))
}

fn gathered(repository: &Repository, change: &ChangeSummary) -> Result<(ChangeSet, ChangeFacts), ObjectError> {
    let base = repository.commit_tree_id(change.base)?;
    let changes = repository.tree_changes(base, change.tree)?;
    let mut facts = ChangeFacts::default();
    let is_asked = |change: &&Change| has_public_api(&change.path) || is_dependency_file(&change.path);
    for change in changes.iter().filter(is_asked).take(MAX_FILES) {
        let (Ok(before), Ok(after)) = (content(repository, change.before), content(repository, change.after)) else {
            continue;
        };
        let (before, after) = (before.as_deref(), after.as_deref());
        let known = FileFacts {
            dependencies: dependency_change(&change.path, before, after),
            public_api: public_api_change(&change.path, before, after),
            ..FileFacts::default()
        };
        facts.files.insert(change.path.clone(), known);
    }
    let set = ChangeSet {
        base: change.base,
        tree: change.tree,
        changes,
    };
    Ok((set, facts))
}

fn content(repository: &Repository, side: Option<Side>) -> Result<Option<Vec<u8>>, ObjectError> {
    match side {
        Some(Side {
            mode: EntryMode::File | EntryMode::Executable,
            id,
        }) => repository.read_blob(id, MAX_BYTES).map(Some),
        _ => Ok(None),
    }
}
