//! Which processes belong to a world, as the system shows them.

use std::path::Path;
use std::time::{Duration, Instant};

/// How often a process is looked at while it is awaited.
pub(crate) const POLL: Duration = Duration::from_millis(5);

/// Waits until `holds` answers, and fails in the words of `what` where it does not.
pub(crate) fn await_some<T>(what: &str, limit: Duration, mut holds: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = holds() {
            return found;
        }
        assert!(began.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(POLL);
    }
}

/// The processes whose command line, environment or folder lies below `root`, each with its command line. One that has
/// ended and is not collected yet has none of these.
pub(crate) fn below(root: &Path) -> Vec<String> {
    let mark = root.to_str().unwrap().as_bytes();
    let holds_mark = |bytes: &[u8]| bytes.windows(mark.len()).any(|window| window == mark);
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may end while it is looked at.
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let line = read("cmdline");
        let folder = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let belongs = holds_mark(&line) || holds_mark(&read("environ")) || folder.starts_with(root);
        if belongs && pid != std::process::id() {
            found.push(format!("{pid}: {}", String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}

/// Waits until no process of the world is left.
pub(crate) fn assert_none_below(root: &Path, limit: Duration) {
    let began = Instant::now();
    loop {
        let left = below(root);
        if left.is_empty() {
            return;
        }
        assert!(
            began.elapsed() < limit,
            "left over after {limit:?}:\n{}",
            left.join("\n")
        );
        std::thread::sleep(POLL);
    }
}
