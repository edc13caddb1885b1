//! Worlds for tests: a scripted model server, repositories, a simulated executor.
#![warn(missing_docs)]

pub mod model_server;
pub mod repo;
pub mod sim;
