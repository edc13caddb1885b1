//! Whether a plan keeps to what the ticket allows.

use ledger_core::{Plan, RoundTask, Violation};

use crate::scope::ScopeRules;

/// What is forbidden about a plan, in the order of its files; empty: it can be followed. A plan is checked so that no turn is spent on what
/// could not be delivered; the change itself is judged whatever was planned.
///
/// ```
/// use counterfoil_policy::{Policy, ScopeRules, plan_violations};
/// use ledger_core::{Plan, TicketFile};
/// let ticket = TicketFile::parse(b"title = \"x\"\n[scope]\nallowed = [\"src/**\"]\n").unwrap();
/// let rules = ScopeRules::new(&Policy::default(), &ticket).unwrap();
/// let answer = r#"{ "turn": "t", "status": "planned", "approach": "a", "steps": [], "proof": ["b"], "stop_conditions": [], "risks": [],
///     "wanted_grants": [], "blocked_because": "", "files": [{ "path": "README.md", "change": "edit", "reason": "say so" }] }"#;
/// let plan = Plan::parse(answer, "t").unwrap();
/// assert_eq!(plan_violations(&plan, &rules)[0].code.as_str(), "scope_violation");
/// ```
pub fn plan_violations(plan: &Plan, scope: &ScopeRules) -> Vec<Violation> {
    plan.paths().filter_map(|path| scope.judge(&path)).collect()
}

/// The same of the task of a round.
pub fn task_violations(task: &RoundTask, scope: &ScopeRules) -> Vec<Violation> {
    task.files.iter().filter_map(|path| scope.judge(path)).collect()
}
