//! Whether a plan keeps to what the ticket allows.

use ledger_core::{BlockerCode, Grants, Plan, RepoPath, RoundTask, Violation};

use crate::changes::is_migration;
use crate::dependencies::is_opaque_dependency_file;
use crate::scope::ScopeRules;

/// What is forbidden about a plan, in the order of its files; empty: it can be followed. A plan is checked so that no turn is spent on what
/// could not be delivered; the change itself is judged whatever was planned.
///
/// ```
/// use counterfoil_policy::{Policy, ScopeRules, plan_violations};
/// use ledger_core::{Plan, TicketFile};
/// let ticket = TicketFile::parse(b"title = \"x\"\n[scope]\nallowed = [\"src/**\"]\n").unwrap();
/// let rules = ScopeRules::new(&Policy::default(), &ticket).unwrap();
/// let answer = r#"{ "turn": "t", "status": "planned", "approach": "a", "steps": [], "proof": ["b"], "stop_conditions": ["c"], "risks": [],
///     "wanted_grants": [], "blocked_because": "", "files": [{ "path": "README.md", "change": "edit", "reason": "say so" }] }"#;
/// let plan = Plan::parse(answer, "t").unwrap();
/// assert_eq!(plan_violations(&plan, &rules, &ticket.grants)[0].code.as_str(), "scope_violation");
/// ```
pub fn plan_violations(plan: &Plan, scope: &ScopeRules, grants: &Grants) -> Vec<Violation> {
    let judge = |path: RepoPath| scope.judge(&path).or_else(|| missing_grant(&path, grants));
    plan.paths().filter_map(judge).collect()
}

/// The same of the task of a round.
pub fn task_violations(task: &RoundTask, scope: &ScopeRules, grants: &Grants) -> Vec<Violation> {
    let judge = |path: &RepoPath| scope.judge(path).or_else(|| missing_grant(path, grants));
    task.files.iter().filter_map(judge).collect()
}

/// What any change of the file would need. A manifest that is read by name may change in other ways, which shows only when it has.
fn missing_grant(path: &RepoPath, grants: &Grants) -> Option<Violation> {
    let is_named = || {
        grants
            .dependencies
            .iter()
            .any(|granted| granted.as_bytes() == path.as_bytes())
    };
    let detail = if is_migration(path) && !grants.migrations {
        "it is a data migration, and the ticket has no `[grants] migrations`".to_owned()
    } else if is_opaque_dependency_file(path) && !is_named() {
        format!("it says which dependencies there are, and `[grants] dependencies` does not name `{path}`")
    } else {
        return None;
    };
    Some(Violation {
        code: BlockerCode::GrantMissing,
        path: Some(path.clone()),
        detail,
    })
}

#[cfg(test)]
mod tests {
    use ledger_core::TicketFile;

    use super::*;
    use crate::config::Policy;

    #[test]
    fn what_any_change_of_a_planned_file_would_need_is_missed_before_it_is_written() {
        let judged = |path: &str, grants: &str| {
            let ticket = format!("title = \"x\"\n[scope]\nallowed = [\"**\"]\n[grants]\n{grants}");
            let ticket = TicketFile::parse(ticket.as_bytes()).unwrap();
            let rules = ScopeRules::new(&Policy::default(), &ticket).unwrap();
            let answer = serde_json::json!({
                "turn": "t", "status": "planned", "approach": "a", "steps": [], "proof": ["b"], "stop_conditions": ["c"], "risks": [],
                "wanted_grants": [], "blocked_because": "", "files": [{ "path": path, "change": "edit", "reason": "r" }],
            });
            let plan = Plan::parse(&answer.to_string(), "t").unwrap();
            let found = plan_violations(&plan, &rules, &ticket.grants);
            found.first().map_or("", |violation| violation.code.as_str())
        };
        assert_eq!(judged("db/migrate/1.rb", ""), "grant_missing");
        assert_eq!(judged("db/migrate/1.rb", "migrations = true"), "");
        assert_eq!(judged("web/Gemfile", "dependencies = [\"rack\"]"), "grant_missing");
        assert_eq!(judged("web/Gemfile", "dependencies = [\"web/Gemfile\"]"), "");
        assert_eq!(judged("Cargo.toml", ""), "", "its features may be all that changes");
    }
}
