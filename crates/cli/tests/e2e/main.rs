//! `foil` as a user drives it, with the real Codex and a scripted model, from `init` to the delivered branch.
//!
//! Needs the pinned Codex: run by `cargo xtask e2e`, or with `FOIL_TEST_CODEX` naming the program.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends, and one that cannot begin says so"
)]

mod crashes;
mod deliveries;
mod experts;
mod failures;
mod hostile;
mod interactive;
mod liveness;
mod night;
mod package;
mod plan;
mod processes;
mod questions;
mod real_repository;
mod refusals;
mod rounds;
mod signals;
mod snapshot;
mod turns;
mod unconfined;
mod world;
