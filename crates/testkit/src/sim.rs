//! Simulated worlds: what effects show is made up, and no time passes.

mod facts;
pub mod git;
#[cfg(feature = "night")]
pub mod night;

pub use facts::{
    advised, answered, asks, call, change, changed_tests, check, comparison, covered, curated, curation, expert_answer,
    inputs, not_json, object, opened, outside, plan, planned, prepared, report, terms, thread_started,
};
