//! How much was looked at.
#![expect(clippy::panic, reason = "figures that cannot be written down are a failed test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{COUNTED_IN, Surface};

/// How much of a surface was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Streams, files or objects.
    things: u64,
    /// Their bytes.
    bytes: u64,
    /// How long that took, without reading them.
    took: Duration,
}

/// Of this process, since it was written down.
static LOOKED_AT: Mutex<BTreeMap<Surface, Counted>> = Mutex::new(BTreeMap::new());

pub(super) fn add(surface: Surface, bytes: usize, took: Duration) {
    let mut all = LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(surface).or_default().add(Counted {
        things: 1,
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        took,
    });
}

/// Appends what was looked at since the last time to the file that the environment names.
pub(super) fn write_down() {
    let all = std::mem::take(&mut *LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner));
    let Some(file) = std::env::var_os(COUNTED_IN) else {
        return;
    };
    let mut lines = String::new();
    for (surface, counted) in all {
        let Counted { things, bytes, took } = counted;
        let _ = writeln!(lines, "{}\t{things}\t{bytes}\t{}", surface.name(), took.as_micros());
    }
    // At once, as many processes append to it.
    let appended = std::fs::File::options()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(lines.as_bytes()));
    if let Err(error) = appended {
        panic!("{}: {error}", file.display());
    }
}

impl Counted {
    /// With so much more.
    fn add(&mut self, more: Self) {
        self.things += more.things;
        self.bytes += more.bytes;
        self.took += more.took;
    }
}
