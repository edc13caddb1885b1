//! What the tests of this package share.
#![allow(dead_code, clippy::allow_attributes, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests call it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use counterfoil_runner::guard::GuardProgram;

/// The example that acts as a guard, built beside the tests by `cargo test` and `cargo nextest run`.
pub(crate) fn guard_probe() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let probe = test.parent().unwrap().parent().unwrap().join("examples/guard_probe");
    assert!(
        probe.exists(),
        "build the example `guard_probe` first (`cargo build --examples`)"
    );
    probe
}

pub(crate) fn guard() -> GuardProgram {
    GuardProgram::at(guard_probe()).unwrap()
}

/// A folder of this test's own, below the target folder: what is below `/tmp` is not treated like other folders.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

/// A word that no other process has in its arguments.
pub(crate) fn unique_word(name: &str) -> String {
    format!("{name}.{}.{:?}", std::process::id(), Instant::now())
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
        .collect()
}

/// The processes that run and have this word in their arguments.
pub(crate) fn census(word: &str) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains(word)
        })
        .collect()
}

/// Waits until a condition holds, and fails the test where it does not within half a minute.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
