//! Whether a change still agrees with its specs: they and the tree are read here and judged by the policy.

use git_delivery::Repository;
use ledger_core::{BlockerCode, ChangeSet, ExpertField, SpecDrift, SpecMode};
use policy::config::GateLevel;
use policy::{ChangeFacts, SpecFacts, drift_without_specs, spec_drift};

use super::{Failed, RunPlan};

/// Whether what a change does to what files offer to others has to be known.
pub(super) fn looks_at_contracts(plan: &RunPlan) -> bool {
    plan.specs.is_some() || has_to_do_without(plan) || plan.policy.review.experts.contains(&ExpertField::Architecture)
}

/// Whether a ticket without specs is held to need none.
fn has_to_do_without(plan: &RunPlan) -> bool {
    let ticket = &plan.ticket.file;
    let is_standard = ticket.mode.discipline().plans && ticket.specs.mode == SpecMode::None;
    is_standard && plan.gates().specs == GateLevel::Block
}

/// Where the change parts from its specs; none where it is held to none.
pub(super) fn drift(
    plan: &RunPlan,
    repository: &Repository,
    set: &ChangeSet,
    facts: &ChangeFacts,
) -> Result<Option<SpecDrift>, Failed> {
    let (policy, ticket) = (&plan.policy, &plan.ticket.file);
    let judged = match &plan.specs {
        Some(specs) => {
            let current = specs
                .current_in(repository, set.tree)
                .map_err(|error| Failed::of(&error))?;
            let specs = SpecFacts {
                set: &specs.set,
                current: &current,
            };
            spec_drift(policy, ticket, set, facts, specs)
        }
        None if has_to_do_without(plan) => drift_without_specs(policy, ticket, set, facts),
        None => return Ok(None),
    };
    judged
        .map(Some)
        .map_err(|error| Failed::new(BlockerCode::ScopeViolation, error))
}
