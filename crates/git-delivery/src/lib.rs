//! Git for Counterfoil: places, change sets, exact trees, compare-and-set refs.
//!
//! Reads and writes the user's repository without touching work tree, index, stash, hooks, configuration or branches,
//! except where a function's name says so. Everything in a place is taken for hostile.
#![warn(missing_docs)]

mod anchor;
mod beneath;
mod carry;
mod change_set;
mod commit;
mod contents;
mod crash_point;
mod diff;
mod fast_forward;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod git_program;
mod here;
mod history;
mod likeness;
mod loose;
mod merge;
mod names;
mod objects;
mod place;
mod refs;
mod remote;
mod repository;
mod rules;
mod store;
mod tag;
mod tree;
mod tree_order;
mod way;

pub use anchor::{Anchor, AnchorError};
pub use beneath::{make_usable, make_writable};
pub use change_set::{ChangeSetError, Finding, MeasureOptions, Measured};
pub use commit::{CommitDraft, CommitError, CommitTime};
#[doc(hidden)]
pub use crash_point::crash_point;
pub use diff::{DiffError, LineCount, Patch};
pub use fast_forward::{Begun, FastForward, FastForwardError, IndexLock, OwnChange};
pub use git_program::{GitProgramError, GitVersion, MINIMUM_GIT_VERSION, installed_git};
pub use here::{CommittedHere, HereError};
pub use merge::{Merge, MergeAll, MergeError};
pub use objects::{ObjectError, TreeEntry, blob_id};
pub use place::copies::{UntrackedFile, UntrackedFileError};
pub use place::index::PlaceIndexError;
pub use place::throw_away_git::RefSnapshot;
pub use place::walk::WalkError;
pub use place::{Brought, LeftOut, Leftovers, Place, PlaceError, Strays, remove_tree};
pub use refs::{Expected, RefError};
pub use remote::{Patience, PushEnd, RemoteError};
pub use repository::{
    Head, Identity, Operation, Person, Remote, Repository, RepositoryError, UnsupportedKind, Upstream,
};
pub use store::StoreError;
pub use tag::TagDraft;
pub use tree::TreeError;
