//! Carries out Counterfoil runs.
#![warn(missing_docs)]

pub mod guard;
