//! Drives the pure loop by hand: what should follow is asked of the policy, what may follow of the run, and nothing at all
//! is done. Whoever embeds the engine can put any world in the place of the answers below.

use std::io::{self, Write as _};

use jiff::Timestamp;
use ledger_core::{
    BaseReason, Blocker, BlockerCode, CommitId, CoveredFile, DeliveryMode, Digest, Discovery, Event, Head,
    JOURNAL_FORMAT, Journal, Mode, ObjectId, Observation, Opened, Run, SourceLock, TreeId, verify_chain,
};
use policy::{Inputs, Limits, Policy, StartFacts, Step, next_step};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let opened = Event::Opened(Opened {
        format: JOURNAL_FORMAT,
        foil: env!("CARGO_PKG_VERSION").to_owned(),
        ticket: "0001-by-hand".parse()?,
        run: "run-1".parse()?,
        repository: "owner/name".to_owned(),
        mode: Mode::Standard,
        delivery: DeliveryMode::Branch,
        plan: false,
        curate: false,
        review: true,
        experts: Vec::new(),
        checks: vec!["tests".to_owned()],
        max_repair_rounds: 3,
        max_rounds: None,
        target: None,
        rescued: None,
    });
    let mut now: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let mut run = Run::open(now, &opened)?;
    let (mut bytes, mut head) = Head::default().line(now, &opened)?;
    loop {
        now += jiff::SignedDuration::from_millis(10);
        let event = match next_step(&run, &inputs(head.sum)?, now) {
            Step::Record(event) => event,
            Step::Start(effect) => Event::Intended(effect),
            Step::Finish(outcome) => {
                writeln!(io::stdout(), "finished: {outcome:?}")?;
                break;
            }
            // Something is under way. A real executor does it and looks; here the world is a disk without space.
            Step::Wait { .. } => {
                let pending = run.pending().ok_or("it waits for nothing")?;
                let observation = Observation::Failed {
                    code: BlockerCode::DiskFull,
                    reason: "no space".to_owned(),
                };
                Event::Observed {
                    of: pending.seq,
                    observation,
                }
            }
        };
        run = run.applied(now, &event)?; // refused before it is written
        let (line, next) = head.line(now, &event)?;
        bytes.extend_from_slice(&line);
        head = next;
        writeln!(io::stdout(), "{:>2} {:?}", run.next_seq() - 1, run.phase())?;
    }
    let hint = Blocker::new(BlockerCode::DiskFull, "").next_step;
    writeln!(
        io::stdout(),
        "{} lines, chain holds: {}; {hint}",
        Journal::parse(&bytes)?.records.len(),
        verify_chain(&bytes).is_ok()
    )?;
    Ok(())
}

fn inputs(head: Digest) -> Result<Inputs, Box<dyn std::error::Error>> {
    let object = ObjectId::from_bytes([1; 20]);
    let file = CoveredFile {
        path: "ticket.toml".parse()?,
        blob: ledger_core::BlobId(object),
        sha256: Digest::of("ticket"),
    };
    let lock = SourceLock {
        repository: "owner/name".to_owned(),
        files: vec![file.clone()],
        approval: file.clone(),
        approved_by: "Ada".to_owned(),
        policy: Digest::of(""),
        prompts: Vec::new(),
        steering: Vec::new(),
    };
    let discovery = Discovery {
        base: CommitId(object),
        reason: BaseReason::Tip { branch: None },
        branch: None,
        upstream: None,
        repository_kind: Vec::new(),
        since: None,
        check_sandbox: "bubblewrap".to_owned(),
    };
    let start = StartFacts {
        lock,
        discovery,
        base_tree: TreeId(object),
        recorded: vec![file],
        plan: None,
        children: Vec::new(),
    };
    Ok(Inputs {
        policy: Policy::default(),
        gates: Policy::default().gates.of(ledger_core::Kind::Feature),
        grants: ledger_core::Grants::default(),
        acceptance: Vec::new(),
        required: Vec::new(),
        limits: Limits::default(),
        start,
        baseline: Vec::new(),
        head,
        stop: None,
    })
}
