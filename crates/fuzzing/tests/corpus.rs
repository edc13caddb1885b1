//! The corpus that is committed beside the fuzz targets, and bytes that are made of it.
#![expect(clippy::unwrap_used, reason = "a corpus that is not there is a failure")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fuzzing::{TARGETS, Target};
use proptest::prelude::*;
use proptest::sample::Index;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The files of the corpus of each target, by name.
static CORPUS: LazyLock<BTreeMap<&str, BTreeMap<String, Vec<u8>>>> = LazyLock::new(|| {
    let files = |name: &str| {
        std::fs::read_dir(folder().join("corpus").join(name))
            .unwrap()
            .map(|file| file.unwrap())
            .map(|file| {
                (
                    file.file_name().into_string().unwrap(),
                    std::fs::read(file.path()).unwrap(),
                )
            })
            .collect()
    };
    TARGETS.iter().map(|(name, _)| (*name, files(name))).collect()
});

fn target(name: &str) -> Target {
    TARGETS.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn every_file_of_the_corpus_keeps_what_is_promised() {
    let mut broken = Vec::new();
    for (name, files) in CORPUS.iter() {
        assert!(files.len() >= 3, "{name} has a corpus");
        for (file, bytes) in files {
            if catch_unwind(AssertUnwindSafe(|| target(name)(bytes))).is_err() {
                broken.push(format!("{name}/{file}"));
            }
        }
    }
    assert!(broken.is_empty(), "see above: {broken:?}");
}

#[test]
fn every_target_is_a_program_with_a_corpus_and_no_other_is() {
    let manifest: toml::Table = std::fs::read_to_string(folder().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let bins = manifest["bin"].as_array().unwrap();
    let bins: Vec<_> = bins.iter().map(|bin| bin["name"].as_str().unwrap()).collect();
    assert_eq!(bins, TARGETS.map(|(name, _)| name));
    for name in bins {
        let source = std::fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("fuzzing::{name}(data)")), "{name}");
    }
    let mut folders: Vec<_> = std::fs::read_dir(folder().join("corpus"))
        .unwrap()
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, TARGETS.map(|(name, _)| name));
}

#[test]
fn the_corpus_stays_small() {
    let bytes: usize = CORPUS.values().flat_map(BTreeMap::values).map(Vec::len).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes");
}

/// One step by which bytes become others.
#[derive(Debug, Clone)]
enum Step {
    /// A byte becomes another.
    Byte(Index, u8),
    /// So many bytes are left out.
    Cut(Index, usize),
    /// Bytes are put in.
    Insert(Index, Vec<u8>),
    /// A part of another file of the same corpus is put in.
    Splice(Index, Index, Index, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let place = any::<Index>;
    let odd = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(vec![
            "\0",
            "\n",
            "\r\n",
            "\"",
            "\\",
            "|",
            "+++",
            "é",
            "\u{feff}",
            "\u{202e}",
            "{",
            "]",
            "../",
            "\u{1b}[2J"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Step::Byte(at, byte)),
        (place(), 1..60_usize).prop_map(|(at, bytes)| Step::Cut(at, bytes)),
        (place(), odd).prop_map(|(at, bytes)| Step::Insert(at, bytes)),
        (place(), place(), place(), 1..400_usize)
            .prop_map(|(at, file, from, bytes)| Step::Splice(at, file, from, bytes)),
    ]
}

fn taken(bytes: &mut Vec<u8>, step: &Step, files: &[&Vec<u8>]) {
    let place = |index: &Index| index.index(bytes.len() + 1);
    match step {
        Step::Byte(at, byte) => {
            let at = place(at);
            if let Some(old) = bytes.get_mut(at) {
                *old = *byte;
            }
        }
        Step::Cut(at, count) => {
            let at = place(at);
            let end = (at + count).min(bytes.len());
            bytes.drain(at..end);
        }
        Step::Insert(at, new) => {
            let at = place(at);
            bytes.splice(at..at, new.iter().copied());
        }
        Step::Splice(at, file, from, count) => {
            let (at, file) = (place(at), files[file.index(files.len())]);
            let from = from.index(file.len() + 1);
            let part = &file[from..(from + count).min(file.len())];
            bytes.splice(at..at, part.iter().copied());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 5000, max_shrink_iters: 2000, ..Default::default() })]

    #[test]
    fn what_is_made_of_the_corpus_keeps_what_is_promised(
        target in prop::sample::select(TARGETS.to_vec()),
        file in any::<Index>(),
        steps in prop::collection::vec(step(), 1..6),
    ) {
        let (name, target) = target;
        let files: Vec<&Vec<u8>> = CORPUS[name].values().collect();
        let mut bytes = files[file.index(files.len())].clone();
        for step in &steps {
            taken(&mut bytes, step, &files);
        }
        target(&bytes);
    }

    #[test]
    fn any_bytes_keep_what_is_promised(target in prop::sample::select(TARGETS.to_vec()), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        target.1(&bytes);
    }
}

/// A lock file of its own must not bring other versions than those that are released.
#[test]
fn the_targets_are_built_of_what_is_released() {
    let packages = |lock: &Path| -> Vec<(String, String)> {
        let lock: toml::Table = std::fs::read_to_string(lock).unwrap().parse().unwrap();
        let text = |package: &toml::Value, key: &str| package[key].as_str().unwrap().to_owned();
        let packages = lock["package"].as_array().unwrap();
        packages
            .iter()
            .map(|package| (text(package, "name"), text(package, "version")))
            .collect()
    };
    let released = packages(&folder().join("../Cargo.lock"));
    let mut beside = packages(&folder().join("Cargo.lock"));
    beside.retain(|package| !released.contains(package));
    let beside: Vec<_> = beside.into_iter().map(|(name, _)| name).collect();
    let fuzzer = [
        "arbitrary",
        "cc",
        "counterfoil-fuzz",
        "find-msvc-tools",
        "jobserver",
        "libfuzzer-sys",
        "shlex",
    ];
    assert_eq!(
        beside, fuzzer,
        "copy Cargo.lock to fuzz/Cargo.lock and run `cargo metadata --manifest-path fuzz/Cargo.toml`"
    );
}
