//! Worlds for tests: a scripted model server, repositories, a simulated executor.
