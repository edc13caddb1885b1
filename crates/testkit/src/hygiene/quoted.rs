//! Paths of the machine that the user's own words name: records quote a policy, a ticket and a prompt as they are, and that
//! path is committed already.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Scanner, objects};

const POLICY: &str = "counterfoil.toml";
const TICKETS: &str = "ledger/tickets";

/// Whether a run reads such words at this path.
fn are_words(path: &str) -> bool {
    let of_a_ticket = path.strip_prefix(TICKETS).and_then(|path| path.strip_prefix('/'));
    let file = of_a_ticket.and_then(|path| path.split_once('/'));
    path == POLICY || file.is_some_and(|(_, name)| ["ticket.toml", "prompt.md"].contains(&name))
}

/// The paths that are named there.
#[derive(Debug)]
pub(super) struct Quoted(BTreeSet<Vec<u8>>);

impl Quoted {
    /// What the user of the world in this folder has committed. Branches that `foil` delivers hold what a worker wrote.
    pub(super) fn of(scanner: &Scanner, folder: &Path) -> Self {
        let mut paths = BTreeSet::new();
        let arguments = ["--exclude=foil/*", "--branches", "--", POLICY, TICKETS];
        for repository in ["repo/.git", "repository/.git"] {
            let never = |_: &str, _| false;
            objects::each(&folder.join(repository), &arguments, never, |object| {
                if object.kind == "blob" && are_words(&object.path) {
                    paths.extend(scanner.paths(&object.bytes).map(<[u8]>::to_vec));
                }
            });
        }
        Self(paths)
    }

    /// Whether this path is one of them, as it stands there.
    pub(super) fn names(&self, path: &[u8]) -> bool {
        self.0.contains(path)
    }
}
