//! Worlds for tests: a scripted model server, repositories, a simulated executor; and what must not leave them.
#![warn(missing_docs)]

pub mod hygiene;
pub mod model_server;
pub mod repo;
pub mod sim;
