//! `foil verify` where somebody who can write everywhere wrote a run anew, with every sum as it must then be.
//!
//! A chain of sums shows damage. That a whole journal was written anew shows by what else names it: what is stored of the run
//! in Git, and the delivered commits.

use std::collections::BTreeMap;

use git_delivery::CommitTime;
use ledger_core::{
    Digest, Effect, Event, EvidenceIndex, Head, Journal, ObjectId, PhaseEvidence, Receipt, RepoPath, Run, Statement,
};

use crate::common::World;
use crate::seen;
use crate::world::{TICKET, blocked, done, json, run_folder, run_id, workspace};

/// A run as it is told and stored, and who writes it anew.
struct Forger {
    world: World,
    run: String,
    /// The journal as it was written.
    journal: Vec<u8>,
    /// What is stored of it.
    files: BTreeMap<RepoPath, Vec<u8>>,
}

impl Forger {
    fn of(world: World) -> Self {
        let run = run_id(&world);
        let journal = std::fs::read(run_folder(&world).join("journal.jsonl")).unwrap();
        let stored = world.git(&["rev-parse", &format!("refs/counterfoil/runs/{TICKET}/{run}")]);
        let stored = ledger_core::CommitId(stored.parse::<ObjectId>().unwrap());
        let files = workspace(&world).repository().read_stored(stored, 1 << 24).unwrap();
        Self {
            world,
            run,
            journal,
            files,
        }
    }

    /// The commit that a name means.
    fn commit(&self, name: &str) -> String {
        self.world.git(&["rev-parse", name])
    }

    /// A commit like this one, but for its tree, its parent and its message where others are given.
    fn commit_like(&self, commit: &str, tree: Option<&str>, parent: Option<&str>, message: Option<&str>) -> String {
        let told = self.world.git(&["log", "-1", "--format=%B", commit]);
        let tree = format!("{}^{{tree}}", tree.unwrap_or(commit));
        let parent = parent.map_or(format!("{commit}^"), str::to_owned);
        let message = message.unwrap_or(&told);
        self.world.git(&["commit-tree", "-p", &parent, "-m", message, &tree])
    }

    /// The tree of a commit with another file at this path.
    fn tree_with(&self, commit: &str, path: &str) -> String {
        let world = &self.world;
        world.git(&["read-tree", "--index-output=.git/other", commit]);
        let blob = world.git(&["rev-parse", "HEAD:counterfoil.toml"]);
        let index = |args: &[&str]| {
            let mut command = world.command("git");
            let said = crate::common::said(command.env("GIT_INDEX_FILE", ".git/other").args(args));
            assert_eq!(said.code, Some(0), "{said}");
            said.stdout.trim().to_owned()
        };
        index(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]);
        index(&["write-tree"])
    }

    /// Puts this journal where the live one was.
    fn tell(&self, journal: &[u8]) {
        let folder = self
            .world
            .root()
            .join(".git/counterfoil/runs")
            .join(TICKET)
            .join(&self.run);
        std::fs::write(folder.join("journal.jsonl"), journal).unwrap();
    }

    /// Stores this journal with everything that follows from it, and then what else was altered. Answers with the commit.
    fn store(&self, journal: &[u8], alter: impl FnOnce(&mut BTreeMap<RepoPath, Vec<u8>>)) -> String {
        let journal = until_stored(journal);
        let parsed = Journal::parse(&journal).unwrap();
        let run = Run::replay(&parsed.records).unwrap();
        let mut files = self.files.clone();
        files.insert(path("journal.jsonl"), journal);
        if let Some(receipt) = run.receipt() {
            files.insert(path("receipt.json"), receipt.to_bytes());
            files.insert(path("statement.json"), Statement::of(receipt).to_bytes());
        }
        if let Some(evidence) = EvidenceIndex::of(&run) {
            files.insert(path("evidence.json"), evidence.to_bytes());
        }
        alter(&mut files);
        self.store_files(&files, &format!("Counterfoil-Journal: {}\n", parsed.head.sum))
    }

    fn store_files(&self, files: &BTreeMap<RepoPath, Vec<u8>>, trailer: &str) -> String {
        let time = CommitTime {
            seconds: 0,
            offset_minutes: 0,
        };
        let message = format!("{TICKET}: run {}\n\n{trailer}", self.run);
        let stored = workspace(&self.world)
            .repository()
            .store_files(files, &message, &[], time)
            .unwrap()
            .to_string();
        for name in [
            format!("refs/counterfoil/runs/{TICKET}/{}", self.run),
            format!("refs/counterfoil/receipts/{TICKET}"),
        ] {
            self.world.git(&["update-ref", &name, &stored]);
        }
        stored
    }

    /// Which comparisons differ.
    fn differing(&self) -> Vec<String> {
        let said = self.world.foil(&["verify", TICKET, "--json"]);
        let document = json(&said);
        let verifications = document["tickets"][0]["verifications"].as_array().unwrap();
        let differing = verifications.iter().filter(|one| one["verdict"] == "differs");
        let differing: Vec<_> = differing.map(|one| one["what"].as_str().unwrap().to_owned()).collect();
        assert_eq!(said.code, Some(if differing.is_empty() { 0 } else { 12 }), "{said}");
        differing
    }
}

fn path(name: &str) -> RepoPath {
    name.parse().unwrap()
}

/// A journal with these words in place of those, in which every sum, and the receipt, is what follows from it.
fn written_anew(journal: &[u8], replaced: &[(&str, &str)]) -> Vec<u8> {
    let (mut head, mut bytes, mut run) = (Head::default(), Vec::new(), None::<Run>);
    let mut sums: Vec<(String, String)> = Vec::new();
    for record in Journal::parse(journal).unwrap().records {
        let mut event = serde_json::to_string(&record.event).unwrap();
        for (old, new) in replaced {
            event = event.replace(old, new);
        }
        for (old, new) in &sums {
            event = event.replace(old, new);
        }
        let mut event: Event = serde_json::from_str(&event).unwrap();
        if let (Event::Entered(PhaseEvidence::Done { receipt, journal }), Some(run)) = (&mut event, &run) {
            *receipt = Receipt::of(run, *journal).unwrap().digest();
        }
        run = Some(match run {
            None => Run::open(record.at, &event).unwrap(),
            Some(run) => run.applied(record.at, &event).unwrap(),
        });
        let (line, next) = head.line(record.at, &event).unwrap();
        sums.push((record.sum.to_string(), next.sum.to_string()));
        bytes.extend_from_slice(&line);
        head = next;
    }
    assert_ne!(bytes, journal, "something is altered");
    bytes
}

/// What of a journal is stored: the lines before the intent to store it.
fn until_stored(journal: &[u8]) -> Vec<u8> {
    let records = Journal::parse(journal).unwrap().records;
    let is_intent = |event: &Event| matches!(event, Event::Intended(Effect::StoreRun { .. }));
    let lines = records.iter().position(|record| is_intent(&record.event)).unwrap();
    journal
        .split_inclusive(|byte| *byte == b'\n')
        .take(lines)
        .flatten()
        .copied()
        .collect()
}

#[test]
fn a_live_journal_that_was_written_anew_does_not_begin_with_the_stored_one() {
    let forger = Forger::of(done());
    forger.tell(&written_anew(&forger.journal, &[("I begin", "I obey")]));
    assert_eq!(forger.differing(), ["live journal begins with the stored one"]);
    seen!("verify_live_written_anew", forger.world.foil(&["verify", TICKET]));
}

#[test]
fn delivered_commits_name_another_journal_than_one_that_was_written_anew_everywhere() {
    let forger = Forger::of(done());
    let forged = written_anew(&forger.journal, &[("I begin", "I obey")]);
    let told = forger.commit(&format!("refs/counterfoil/runs/{TICKET}/{}", forger.run));
    let stored = forger.store(&forged, |_| ());
    forger.tell(&written_anew(&forged, &[(&told, &stored)]));
    let differing = ["change commit names the journal", "records commit names the journal"];
    assert_eq!(forger.differing(), differing);
    seen!("verify_written_anew", forger.world.foil(&["verify", TICKET]));
    std::fs::remove_dir_all(run_folder(&forger.world)).unwrap();
    assert_eq!(forger.differing(), differing, "with what is stored alone");
}

#[test]
fn a_stored_journal_that_was_written_anew_alone_fits_neither_its_commit_nor_its_receipt() {
    let forger = Forger::of(done());
    let forged = written_anew(&forger.journal, &[("I begin", "I obey")]);
    let mut files = forger.files.clone();
    files.insert(path("journal.jsonl"), until_stored(&forged));
    let head = Journal::parse(&until_stored(&forger.journal)).unwrap().head.sum;
    forger.store_files(&files, &format!("Counterfoil-Journal: {head}\n"));
    std::fs::remove_dir_all(run_folder(&forger.world)).unwrap();
    assert_eq!(
        forger.differing(),
        [
            "stored commit names the journal's head",
            "receipt",
            "statement",
            "change commit names the journal",
            "records commit names the journal",
        ]
    );
}

#[test]
fn a_journal_that_names_other_commits_than_were_delivered_differs_by_what_is_wrong_with_them() {
    let forger = Forger::of(done());
    std::fs::remove_dir_all(run_folder(&forger.world)).unwrap();
    let records = forger.commit(&format!("foil/{TICKET}"));
    let change = forger.commit(&format!("foil/{TICKET}^"));
    let base = forger.commit(&format!("foil/{TICKET}^^"));
    let before = forger.commit(&format!("{base}^"));
    let missing = "1".repeat(40);
    let more = forger.tree_with(&records, "hello.txt");
    let other_change = |tree: Option<&str>, parent: Option<&str>, message: Option<&str>| {
        let other = forger.commit_like(&change, tree, parent, message);
        (other.clone(), forger.commit_like(&records, None, Some(&other), None))
    };
    let other_records = |tree: Option<&str>, parent: Option<&str>, message: Option<&str>| {
        (change.clone(), forger.commit_like(&records, tree, parent, message))
    };
    let kept = "what the run keeps";
    for ((other_change, other_records), differing) in [
        (
            other_change(Some(&base), None, None),
            vec![kept, "tree of the change commit", "records commit"],
        ),
        (
            other_change(None, Some(&before), None),
            vec![kept, "parent of the change commit"],
        ),
        (
            other_change(None, None, Some("Say hello")),
            vec![kept, "change commit names the journal"],
        ),
        ((missing.clone(), records.clone()), vec![kept, "change commit"]),
        (
            other_records(None, Some(&base), None),
            vec![kept, "parent of the records commit"],
        ),
        (other_records(Some(&more), None, None), vec![kept, "records commit"]),
        (
            other_records(None, None, Some("Records")),
            vec![kept, "records commit names the journal"],
        ),
    ] {
        let replaced = [(change.as_str(), other_change.as_str()), (&records, &other_records)];
        forger.store(&written_anew(&forger.journal, &replaced), |_| ());
        assert_eq!(forger.differing(), differing);
    }
    let elsewhere = written_anew(&forger.journal, &[(&base, &before)]);
    forger.store(&elsewhere, |_| ());
    assert_eq!(
        forger.differing(),
        [
            "source lock",
            "parent of the change commit",
            "change commit names the journal",
            "records commit names the journal",
        ]
    );
}

#[test]
fn a_journal_that_names_another_policy_than_the_base_has_differs() {
    let forger = Forger::of(done());
    std::fs::remove_dir_all(run_folder(&forger.world)).unwrap();
    let policy = Digest::of(forger.world.read("counterfoil.toml")).to_string();
    let other = Digest::of("[review]\nindependent = \"off\"\n").to_string();
    forger.store(&written_anew(&forger.journal, &[(&policy, &other)]), |_| ());
    let differing = forger.differing();
    assert!(differing.contains(&"source lock".to_owned()), "{differing:?}");
}

#[test]
fn specs_that_became_current_otherwise_than_their_delta_says_differ() {
    let forger = Forger::of(crate::specs::done_with_specs());
    std::fs::remove_dir_all(run_folder(&forger.world)).unwrap();
    let records = forger.commit(&format!("foil/{TICKET}"));
    for (path, differing) in [
        ("ledger/specs/current/calendar/requirements.md".to_owned(), "specs"),
        (format!("ledger/specs/archive/{TICKET}/design.md"), "specs"),
        (format!("ledger/specs/changes/{TICKET}/delta.md"), "specs"),
        (
            "ledger/specs/current/other/requirements.md".to_owned(),
            "records commit",
        ),
        (format!("ledger/specs/archive/{TICKET}/notes.md"), "records commit"),
    ] {
        let tree = forger.tree_with(&records, &path);
        let other = forger.commit_like(&records, Some(&tree), None, None);
        forger.store(&written_anew(&forger.journal, &[(&records, &other)]), |_| ());
        assert_eq!(forger.differing(), ["what the run keeps", differing], "{path}");
    }
}

#[test]
fn what_is_stored_beside_a_journal_is_compared_with_it() {
    let forger = Forger::of(done());
    std::fs::remove_dir_all(run_folder(&forger.world)).unwrap();
    forger.store(&forger.journal, |_| ());
    assert_eq!(forger.differing(), [""; 0], "as it was");
    let output = forger
        .files
        .keys()
        .find(|path| path.to_string().starts_with("outputs/"));
    let output = output.unwrap().to_string();
    for (name, differing) in [
        ("journal.jsonl", "stored journal"),
        ("receipt.json", "receipt"),
        ("statement.json", "statement"),
        ("evidence.json", "evidence index"),
        (&output, "check output"),
    ] {
        forger.store(&forger.journal, |files| files.get_mut(&path(name)).unwrap()[0] ^= 1);
        assert_eq!(forger.differing(), [differing]);
    }
    // A run of an earlier version has none.
    forger.store(&forger.journal, |files| {
        files.remove(&path("statement.json"));
    });
    assert_eq!(forger.differing(), [""; 0]);
    forger.store(&forger.journal, |files| {
        files.remove(&path("journal.jsonl"));
    });
    assert_eq!(forger.differing(), ["stored journal"]);
    forger.store(&forger.journal, |_| ());
    let receipts = format!("refs/counterfoil/receipts/{TICKET}");
    forger.world.git(&["update-ref", "-d", &receipts]);
    assert_eq!(forger.differing(), ["receipt ref"]);
}

#[test]
fn a_blocked_run_has_no_receipt() {
    let forger = Forger::of(blocked());
    std::fs::remove_dir_all(run_folder(&forger.world)).unwrap();
    assert_eq!(forger.differing(), [""; 0], "as it was");
    forger.store(&forger.journal, |files| {
        files.insert(path("receipt.json"), b"{}".to_vec());
    });
    assert_eq!(forger.differing(), ["receipt"]);
}
