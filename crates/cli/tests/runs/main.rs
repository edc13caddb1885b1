//! The verbs that look at runs, on real runs of a scripted agent.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unused_crate_dependencies,
    reason = "a test that cannot go on ends"
)]

#[path = "../common/mod.rs"]
mod common;
#[expect(dead_code, reason = "the tests with Codex use the rest of it")]
#[path = "../e2e/processes.rs"]
mod processes;
#[path = "../e2e/snapshot.rs"]
mod snapshot;

mod branch_names;
mod bundle;
mod clean;
mod codex;
mod curation;
mod daemon;
mod deliver;
mod doctor;
mod events;
mod examples;
mod experts;
mod following;
mod full_disk;
mod gates;
mod going_on;
mod hand_offs;
mod hook;
mod hooks;
mod hostile;
mod hygiene;
mod known_failures;
mod later;
mod left;
mod logs;
#[cfg(target_os = "linux")]
mod memory;
mod modes;
mod notifications;
mod overview;
mod own_hooks;
mod package_holes;
mod packages;
mod packages_in_clones;
mod packages_on_one_branch;
mod parallel;
mod parents;
mod plan;
mod plan_leftovers;
mod planning;
mod prompts;
mod push;
mod questions;
mod quick_flow;
mod records;
mod refusals;
mod rescue;
mod research;
mod review;
mod rewritten;
mod rounds;
mod run;
mod service;
mod set_up;
mod specs;
mod stacks;
mod starting;
mod steering;
mod stop;
mod story;
mod terminal;
mod test_gates;
mod verify;
mod waiting;
mod word;
mod world;
