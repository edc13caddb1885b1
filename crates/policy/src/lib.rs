//! What a Counterfoil run should do next.
#![warn(missing_docs)]
