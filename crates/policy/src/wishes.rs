//! Which of the grants that an agent asks for a person could give.

use std::cell::LazyCell;

use ledger_core::{GrantKind, Mode, RepoPath, WantedGrant};

use crate::config::Policy;
use crate::scope::ProtectedPaths;

/// Those that a ticket of this mode could give under the policy. What a ticket is refused for is not offered as if it could be: anything but
/// commands where nothing may change, and a path that no grant reaches, or that is none.
///
/// ```
/// use counterfoil_policy::{Policy, grantable};
/// use ledger_core::{GrantKind, Mode, WantedGrant};
/// let wish = |name: &str| WantedGrant { kind: GrantKind::ProtectedPath, name: name.into(), reason: String::new() };
/// let wanted = [wish("AGENTS.md"), wish("counterfoil.toml"), wish("docs/**")];
/// assert_eq!(grantable(&Policy::default(), Mode::Standard, &wanted), [wish("AGENTS.md")]);
/// assert_eq!(grantable(&Policy::default(), Mode::Research, &wanted), []);
/// ```
pub fn grantable(policy: &Policy, mode: Mode, wanted: &[WantedGrant]) -> Vec<WantedGrant> {
    let protected = LazyCell::new(|| ProtectedPaths::new(policy).ok());
    let reaches = |name: &str| match name.parse::<RepoPath>() {
        Ok(path) => {
            !name.contains('*')
                && protected
                    .as_ref()
                    .is_some_and(|paths| paths.never_granted(&path).is_none())
        }
        Err(_) => false,
    };
    let may_change = mode.discipline().may_change;
    let could = |wish: &&WantedGrant| match wish.kind {
        GrantKind::Command => true,
        GrantKind::ProtectedPath => may_change && reaches(&wish.name),
        GrantKind::Dependency | GrantKind::Migrations | GrantKind::Network => may_change,
    };
    wanted.iter().filter(could).cloned().collect()
}
