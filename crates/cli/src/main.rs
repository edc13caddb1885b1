//! The command `foil`.
fn main() {}
