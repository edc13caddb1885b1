//! Places at which the crash-point certificate lets the process die.

/// Ends this process as a power cut of its own would, where the environment asks for that here. Compiled to nothing without the feature
/// `crash-points`, which only the certificate enables.
///
/// `COUNTERFOIL_CRASH_LOG` names a file that gets a line for each place passed: its name, and how often it was passed. With
/// `COUNTERFOIL_CRASH_AT` such a line, the process kills itself with SIGKILL when it would write it.
#[cfg_attr(not(feature = "crash-points"), inline(always))]
pub fn crash_point(name: &str) {
    #[cfg(feature = "crash-points")]
    pass(name);
    #[cfg(not(feature = "crash-points"))]
    let _ = name;
}

/// Notes that an object was written (`+` and its id) or brought to the disk (`-`), in the file that `COUNTERFOIL_CRASH_OBJECTS` names: what a
/// power cut may take is what was written and not brought there. Compiled to nothing without the feature `crash-points`.
#[cfg_attr(not(feature = "crash-points"), inline(always))]
pub(crate) fn crash_object(sign: char, id: &gix::ObjectId) {
    #[cfg(feature = "crash-points")]
    if let Some(log) = std::env::var_os("COUNTERFOIL_CRASH_OBJECTS")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(log)
    {
        use std::io::Write as _;
        // The certificate fails where nothing is noted.
        let _ = file.write_all(format!("{sign}{id}\n").as_bytes());
    }
    #[cfg(not(feature = "crash-points"))]
    let _ = (sign, id);
}

#[cfg(feature = "crash-points")]
fn pass(name: &str) {
    use std::collections::BTreeMap;
    use std::io::Write as _;
    use std::sync::{Mutex, PoisonError};

    static PASSED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

    // Held until the line is written: what is logged last is where it died.
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let times = passed.entry(name.to_owned()).or_default();
    *times = times.saturating_add(1);
    let line = format!("{name} #{times}");
    if let Some(log) = std::env::var_os("COUNTERFOIL_CRASH_LOG") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(log);
        if let Ok(mut file) = file {
            // The certificate counts the lines; one that is missing is seen there.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
    if std::env::var("COUNTERFOIL_CRASH_AT").is_ok_and(|at| at == line) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal ends it before anything else is done.
        loop {
            std::thread::park();
        }
    }
}
