//! temp
use crate::config::Policy;
use ledger_core::{BlockerCode, Grants, Violation};
/// temp
pub fn judge_command(line: &str, _policy: &Policy, _grants: &Grants) -> Option<Violation> {
    line.contains("git push").then(|| Violation {
        code: BlockerCode::UnsafeAction,
        path: None,
        detail: format!("`{line}` pushes"),
    })
}
