//! Compares a measurement of a place with `git status` on the same files: 50,000 files in 1,000 folders, ten edits.
//! A line `ours` or `theirs` holds the nanoseconds of one round, for `cargo xtask bench`.
//!
//! `cargo run --release -p counterfoil-git-delivery --example change_set_bench`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "a program for people who measure"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use counterfoil_git_delivery::{MeasureOptions, Place, RefSnapshot, Repository};

const FOLDERS: usize = 1000;
const FILES: usize = 50;
const ROUNDS: usize = 15;

fn main() {
    let folder = std::env::args().nth(1).map_or_else(
        || {
            std::env::current_exe()
                .unwrap()
                .parent()
                .unwrap()
                .join("change-set-bench")
        },
        Into::into,
    );
    let _ = std::fs::remove_dir_all(&folder);
    let repo = folder.join("repo");
    std::fs::create_dir_all(&repo).unwrap();
    git(&repo, &["init", "-q"]);
    git(&repo, &["config", "maintenance.auto", "false"]);
    for number in 0..FOLDERS {
        let below = repo.join(format!("part{}/folder{number}", number % 10));
        std::fs::create_dir_all(&below).unwrap();
        for file in 0..FILES {
            std::fs::write(
                below.join(format!("file{file}.rs")),
                format!("fn f{number}_{file}() {{}}\n"),
            )
            .unwrap();
        }
    }
    std::fs::write(repo.join(".gitignore"), "target/\n*.log\n").unwrap();
    git(&repo, &["add", "-A"]);
    git(
        &repo,
        &[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "-m",
            "first",
        ],
    );
    git(&repo, &["repack", "-a", "-d", "-q"]);

    let repository = Repository::discover(&repo).unwrap();
    let base = repository.head().unwrap().commit().unwrap();
    let place = folder.join("place");
    let start = Instant::now();
    Place::create(&repository, &place, base, &RefSnapshot::default()).unwrap();
    println!("place of {} files made in {:?}", FOLDERS * FILES, start.elapsed());

    for number in 0..5 {
        std::fs::write(
            place.join(format!("part0/folder{}/file3.rs", number * 10)),
            "fn changed() {}\n",
        )
        .unwrap();
        std::fs::write(
            place.join(format!("part1/folder{}/new.rs", number * 10 + 1)),
            "fn new() {}\n",
        )
        .unwrap();
    }
    git(&place, &["status", "--porcelain=v2", "-uall"]);

    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let status = git(&place, &["status", "--porcelain=v2", "-uall"]);
        let elapsed = start.elapsed();
        println!("theirs {}", elapsed.as_nanos());
        theirs.push(elapsed);
        assert_eq!(status.lines().count(), 10);
        let start = Instant::now();
        let repository = Repository::discover(&repo).unwrap();
        let measured = Place::open(&place)
            .unwrap()
            .measure(&repository, &MeasureOptions::default())
            .unwrap();
        let elapsed = start.elapsed();
        println!("ours {}", elapsed.as_nanos());
        ours.push(elapsed);
        assert_eq!(measured.change_set.changes.len(), 10);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "git status: {theirs:?}; measured: {ours:?}; ratio {:.2}",
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    let start = Instant::now();
    Place::remove(&place).unwrap();
    println!("removed in {:?}", start.elapsed());

    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 0..200_000 {
        packed.push_str(&format!("{base} refs/heads/b{number:06}\n"));
    }
    std::fs::write(repo.join(".git/packed-refs"), packed).unwrap();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let repository = Repository::discover(&repo).unwrap();
        let start = Instant::now();
        let mut count = 0;
        repository.refs_below("refs/heads/", |_, _| count += 1).unwrap();
        times.push(start.elapsed());
        assert!(count >= 200_000);
    }
    println!("200,000 packed refs read in {:?}", median(times));
    std::fs::remove_dir_all(&folder).unwrap();
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git").current_dir(folder).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}
