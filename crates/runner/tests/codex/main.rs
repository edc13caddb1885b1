//! The real Codex against a scripted model, through both ways of driving it.
//!
//! Needs the pinned Codex: run by `cargo xtask e2e`, or with `FOIL_TEST_CODEX` naming the program.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod home;
mod interrupts;
mod turns;
mod world;
