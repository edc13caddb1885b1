//! What Git ignores and how it treats files, by rules that the worker cannot change: those of given blobs and the
//! user's own.

use gix::bstr::{BStr, ByteSlice};
use ledger_core::{EntryMode, ObjectId};

use crate::objects::{ObjectError, theirs};
use crate::place::index::RuleFile;

pub(crate) const IGNORE_FILE: &[u8] = b".gitignore";
pub(crate) const ATTRIBUTES_FILE: &[u8] = b".gitattributes";

/// Whether a file of this name and kind has a say. Git reads neither through a symbolic link.
pub(crate) fn is_rule_file(path: &[u8], mode: EntryMode) -> bool {
    let (_, name) = crate::beneath::split(path);
    matches!(mode, EntryMode::File | EntryMode::Executable) && (name == IGNORE_FILE || name == ATTRIBUTES_FILE)
}

/// Says what is ignored. One a thread.
pub(crate) struct IgnoreRules<'a> {
    stack: gix::AttributeStack<'a>,
}

impl<'a> IgnoreRules<'a> {
    pub(crate) fn new(local: &'a gix::Repository, rules: &[RuleFile]) -> Result<Self, ObjectError> {
        let stack = local
            .excludes(
                &mapping(rules),
                None,
                gix::worktree::stack::state::ignore::Source::IdMapping,
            )
            .map_err(unreadable)?;
        Ok(Self { stack })
    }

    /// Whether a file that the base does not have is ignored. The caller asks for a folder before what is in it, and does
    /// not ask further once it is ignored.
    pub(crate) fn is_ignored(&mut self, path: &[u8], is_folder: bool) -> Result<bool, ObjectError> {
        let mode = if is_folder {
            gix::index::entry::Mode::DIR
        } else {
            gix::index::entry::Mode::FILE
        };
        let found = self.stack.at_entry(path.as_bstr(), Some(mode)).map_err(unreadable)?;
        Ok(found.is_excluded())
    }
}

/// Says which files Git would change on their way in or out.
pub(crate) struct FilterRules<'a> {
    stack: gix::AttributeStack<'a>,
    outcome: gix::attrs::search::Outcome,
}

impl<'a> FilterRules<'a> {
    pub(crate) fn new(local: &'a gix::Repository, rules: &[RuleFile]) -> Result<Self, ObjectError> {
        let stack = local
            .attributes_only(
                &mapping(rules),
                gix::worktree::stack::state::attributes::Source::IdMapping,
            )
            .map_err(unreadable)?;
        let outcome = stack.selected_attribute_matches(["filter"]);
        Ok(Self { stack, outcome })
    }

    /// The filter program that the path is assigned to, such as `lfs`.
    pub(crate) fn filter_of(&mut self, path: &[u8]) -> Result<Option<String>, ObjectError> {
        let found = self
            .stack
            .at_entry(path.as_bstr(), Some(gix::index::entry::Mode::FILE))
            .map_err(unreadable)?;
        self.outcome.reset();
        found.matching_attributes(&mut self.outcome);
        Ok(self
            .outcome
            .iter_selected()
            .find_map(|found| match found.assignment.state {
                gix::attrs::StateRef::Value(value) => Some(value.as_bstr().to_string()),
                _ => None,
            }))
    }
}

/// The library finds rule files through an index; this one has nothing else.
fn mapping(rules: &[RuleFile]) -> gix::index::State {
    let mut state = gix::index::State::new(gix::hash::Kind::Sha1);
    for rule in rules {
        state.dangerously_push_entry(
            gix::index::entry::Stat::default(),
            theirs(rule.id.0),
            gix::index::entry::Flags::empty(),
            gix::index::entry::Mode::FILE,
            BStr::new(&rule.path),
        );
    }
    state.sort_entries();
    state
}

fn unreadable(error: impl std::fmt::Display) -> ObjectError {
    ObjectError::Damaged {
        id: ObjectId::ZERO,
        reason: format!("the rules of .gitignore or .gitattributes cannot be read: {error}"),
    }
}
