//! What has to hold of everything that reads bytes from outside, whatever the bytes: one function for each kind of them.
//!
//! The fuzz targets in the folder `fuzz` call these functions with bytes that a fuzzer makes up; the tests here call them with the corpus that is
//! committed beside the targets and with bytes that properties make up. A promise that is broken is a panic.
#![warn(missing_docs)]
#![expect(clippy::expect_used, reason = "a target says by a panic that a promise is broken")]

mod answers;
mod codex;
mod command;
mod document;
mod git;
mod journal;
mod junit;
mod receipt;
mod specs;
mod tree;

pub use answers::report;
pub use codex::{app_server, exec};
pub use command::command;
pub use document::{approval, package, policy_file as policy, steering, ticket};
pub use git::git;
pub use journal::journal;
pub use junit::junit;
pub use receipt::receipt;
pub use specs::specs;
pub use tree::tree;

/// A function that panics where a promise does not hold for these bytes.
pub type Target = fn(&[u8]);

/// Every target, by its name.
pub const TARGETS: [(&str, Target); 15] = [
    ("app_server", app_server),
    ("approval", approval),
    ("command", command),
    ("exec", exec),
    ("git", git),
    ("journal", journal),
    ("junit", junit),
    ("package", package),
    ("policy", policy),
    ("receipt", receipt),
    ("report", report),
    ("specs", specs),
    ("steering", steering),
    ("ticket", ticket),
    ("tree", tree),
];

/// A number below `most` that follows from the bytes, so that the same bytes are always damaged at the same place.
fn chosen(data: &[u8], most: usize) -> usize {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let sum = data.iter().fold(0xcbf2_9ce4_8422_2325, step);
    usize::try_from((sum ^ sum >> 32) % (most.max(1) as u64)).unwrap_or(0)
}

/// Whether what takes long and is much the same for all is to be looked at for these bytes too.
fn is_one_of_eight(data: &[u8]) -> bool {
    chosen(data, 8) == 0
}
