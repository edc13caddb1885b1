//! The next step of a run, in worlds that answer what effects show.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of a test fail like the test itself"
)]

mod blockers;
mod breakers;
mod gates;
mod limits;
mod random_worlds;
mod world;
