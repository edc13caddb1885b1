//! What the `git` program answers, paths of repositories, and the index of a place.

use std::path::{Component, Path};

use git_delivery::{LineCount, fuzzing as doors};
use ledger_core::{RefName, RepoPath};

use crate::chosen;

/// One of several answers, chosen by the first byte.
pub fn git(data: &[u8]) {
    let Some((kind, answer)) = data.split_first() else {
        return;
    };
    match kind % 8 {
        0 => line_counts(answer),
        1 => user_index(answer),
        2 => own_changes(answer),
        3 => staged(answer),
        4 => conflicts(answer),
        5 => remote(answer),
        6 => path(answer),
        _ => place_index(answer),
    }
}

fn line_counts(answer: &[u8]) {
    let Some(counts) = doors::line_counts(answer) else {
        return;
    };
    let written: Vec<u8> = counts.iter().flat_map(numstat).collect();
    assert_eq!(doors::line_counts(&written), Some(counts));
    // Numbers may have been written in another way; nothing may have been left out.
    let fields = |bytes: &[u8]| bytes.split(|byte| *byte == 0).filter(|field| !field.is_empty()).count();
    assert_eq!(fields(&written), fields(answer), "every field is read");
}

/// As Git writes it.
fn numstat(count: &LineCount) -> Vec<u8> {
    let lines = match count.lines {
        Some((added, removed)) => format!("{added}\t{removed}\t"),
        None => "-\t-\t".to_owned(),
    };
    let mut bytes = lines.into_bytes();
    if let Some(from) = &count.renamed_from {
        bytes.push(0);
        bytes.extend_from_slice(from.as_bytes());
        bytes.push(0);
    }
    bytes.extend_from_slice(count.path.as_bytes());
    bytes.push(0);
    bytes
}

fn user_index(answer: &[u8]) {
    let Some(index) = doors::user_index(answer) else { return };
    let entries: usize = index.values().map(Vec::len).sum();
    assert_eq!(entries, lines(answer), "every line is an entry");
    for (path, entries) in &index {
        for id in entries {
            let (id, end) = (format!(" {id} "), [b"\t", path.as_bytes()].concat());
            let has_both =
                |line: &[u8]| line.ends_with(&end) && line.windows(id.len()).any(|window| window == id.as_bytes());
            assert!(answer.split(|byte| *byte == 0).any(has_both), "{path}{id}");
        }
    }
}

fn own_changes(answer: &[u8]) {
    let Some(told) = doors::own_changes(answer) else { return };
    assert!(told.len() <= lines(answer));
    for path in told.keys() {
        let bytes = path.as_bytes();
        let ends =
            |line: &[u8]| line.ends_with(bytes) || line.strip_suffix(b"/").is_some_and(|line| line.ends_with(bytes));
        assert!(answer.split(|byte| *byte == 0).any(ends), "{path}");
    }
}

fn staged(answer: &[u8]) {
    let Some(staged) = doors::staged(answer) else { return };
    assert_eq!(staged.values().sum::<usize>(), lines(answer), "every line is an entry");
}

fn conflicts(answer: &[u8]) {
    let Some(paths) = doors::conflicts(answer) else { return };
    assert!(paths.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(paths.len() <= lines(answer));
}

fn remote(answer: &[u8]) {
    let branch: RefName = "refs/heads/main".parse().expect("it is a name");
    if let Ok(Some(commit)) = doors::branch_at_remote(answer, &branch) {
        let line = format!("{commit}\t{branch}");
        assert!(String::from_utf8_lossy(answer).lines().any(|found| found == line));
    }
    let told = String::from_utf8_lossy(answer);
    let addresses = [
        "https://ann:hunter2@git.example/a.git".to_owned(),
        "/srv/git/a.git".to_owned(),
    ];
    let clean = doors::without_addresses(&told, &addresses);
    assert!(
        addresses.iter().all(|address| !clean.contains(address.as_str())),
        "{clean}"
    );
    assert!(!clean.contains("://"), "{clean}");
}

fn path(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<RepoPath>(bytes) {
        is_inside(&read);
    }
    if let Ok(path) = RepoPath::new(bytes) {
        assert_eq!(path.as_bytes(), bytes);
        is_inside(&path);
    }
}

/// It leads nowhere but below the folder that it is joined to, is the same after it was written, and forges no line of output.
fn is_inside(path: &RepoPath) {
    use std::os::unix::ffi::OsStrExt as _;
    let joined = Path::new("/r").join(std::ffi::OsStr::from_bytes(path.as_bytes()));
    let mut parts = joined.components();
    assert_eq!(
        (parts.next(), parts.next().map(|part| part.as_os_str().as_bytes())),
        (Some(Component::RootDir), Some(&b"r"[..]))
    );
    assert_eq!(parts.clone().count(), path.parts().count());
    assert!(parts.all(|part| matches!(part, Component::Normal(_))));
    let json = serde_json::to_string(path).expect("a path has a JSON form");
    assert_eq!(serde_json::from_str::<RepoPath>(&json).expect("which is read"), *path);
    assert!(!path.to_string().contains(char::is_control), "{path}");
}

fn place_index(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), doors::sealed(bytes)] {
        if let Some((paths, again)) = doors::place_index(&bytes) {
            assert_eq!(
                doors::place_index(&again),
                Some((paths, again)),
                "an index is written as it was read"
            );
        }
    }
    let mut paths: Vec<&[u8]> = bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut index = doors::place_index_of(&paths);
    let (read, _) = doors::place_index(&index).expect("an index is read");
    assert_eq!(read, paths);
    let at = chosen(bytes, index.len());
    index[at] ^= 1 << (chosen(bytes, usize::MAX) % 8);
    assert_eq!(doors::place_index(&index), None, "damage is seen");
}

fn lines(answer: &[u8]) -> usize {
    answer.split(|byte| *byte == 0).filter(|line| !line.is_empty()).count()
}
