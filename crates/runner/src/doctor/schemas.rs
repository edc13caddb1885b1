//! Whether the schemas that editors use are those of this version.

use ledger_core::RepoPath;

use super::DoctorFinding;
use crate::beneath::{read_beneath, replace_beneath};
use crate::init::{schema_for_editors, schema_texts};
use crate::seal::is_sealed;
use crate::workspace::Workspace;

const WHAT: &str = "schemas";

/// Looks at the schemas in the ledger, and with `repair` writes those anew that an older foil wrote and nobody has changed
/// since. Any other is the user's.
pub(super) fn examine(workspace: &Workspace, repair: bool) -> Vec<DoctorFinding> {
    let Ok(texts) = schema_texts() else {
        return vec![DoctorFinding::problem(
            WHAT,
            "the schemas of this version cannot be written",
        )];
    };
    let dir = match workspace.policy() {
        Ok(policy) => policy.ledger.dir.path().to_string(),
        Err(error) => return vec![DoctorFinding::problem(WHAT, error)],
    };
    let root = workspace.repository().work_dir();
    let (mut current, mut old, mut yours) = (0_usize, Vec::new(), Vec::new());
    for (name, text) in &texts {
        let Ok(path) = format!("{dir}/schemas/{name}.schema.json").parse::<RepoPath>() else {
            continue;
        };
        let Ok(bytes) = read_beneath(root, &path) else {
            continue;
        };
        // Git may have checked it out with other line ends.
        let found = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        let wanted = schema_for_editors(text);
        if found == wanted || found == *text {
            current += 1;
        } else if is_sealed(&found) {
            old.push((*name, path, wanted));
        } else {
            yours.push(*name);
        }
    }
    let mut findings = Vec::new();
    if !old.is_empty() {
        let names: Vec<_> = old.iter().map(|(name, ..)| *name).collect();
        let finding = DoctorFinding::warning(WHAT, format!("of an older foil: {}", names.join(", ")));
        let written = repair.then(|| {
            old.iter()
                .try_for_each(|(_, path, wanted)| replace_beneath(root, path, wanted.as_bytes()))
        });
        findings.push(match written {
            None => finding.hint("they are for editors only; `foil doctor --repair` writes them anew"),
            Some(Ok(())) => finding.repaired(),
            Some(Err(error)) => DoctorFinding::problem(WHAT, error),
        });
    }
    if let Some(first) = yours.first() {
        let hint = format!(
            "they are for editors only, and yours since they were changed; `foil schema {first}` prints that of this version"
        );
        let detail = format!("not those of this version: {}", yours.join(", "));
        findings.push(DoctorFinding::warning(WHAT, detail).hint(hint));
    }
    if findings.is_empty() {
        findings.push(match current {
            0 => DoctorFinding::ok(WHAT, "there are none; editors go without"),
            count => DoctorFinding::ok(WHAT, format!("{count} are those of this version")),
        });
    }
    findings
}
