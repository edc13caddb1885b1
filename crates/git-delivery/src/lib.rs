//! Git for Counterfoil.
#![warn(missing_docs)]
