//! What runs left: journals, locks, processes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git_delivery::Place;
use jiff::Timestamp;
use ledger_core::{EffectClass, Journal, JournalError, Run, RunId, State, TicketId};

use super::leftovers::{Guards, of_plans_and_daemon};
use super::{DoctorFinding, journals};
use crate::lock::{LockHolder, TicketLock, runner_notes};
use crate::run_files::RunFiles;
use crate::run_history::{JOURNAL, KnownRun, MAX_RUN_BYTES, Unwritten, known_runs, tickets_with_runs, unwritten};
use crate::workspace::Workspace;

/// Looks at every live run, and with `repair` as the holder of the locks, ends what dead runners left.
pub(super) fn examine(workspace: &Workspace, repair: Option<&LockHolder>, now: Timestamp) -> Vec<DoctorFinding> {
    let roots = workspace.roots();
    let tickets = match tickets_with_runs(workspace.repository(), roots) {
        Ok(tickets) => tickets,
        Err(error) => return vec![DoctorFinding::problem("runs", error)],
    };
    let mut findings = Vec::new();
    let (mut whole, mut under_way) = (0_usize, 0_usize);
    for ticket in &tickets {
        if TicketLock::holder(&roots.locks(), ticket).is_some() {
            under_way += 1;
        }
        let runs = match known_runs(workspace.repository(), roots, ticket) {
            Ok(runs) => runs,
            Err(error) => {
                findings.push(DoctorFinding::problem("runs", error));
                continue;
            }
        };
        for known in runs.iter().filter(|known| known.live) {
            let examined = Examined {
                workspace,
                ticket,
                run: &known.run,
                repair,
                now,
            };
            whole += usize::from(examined.journal(known, &mut findings));
            findings.extend(examined.leftovers());
        }
    }
    findings.extend(of_plans_and_daemon(roots, repair));
    findings.extend(locks(&roots.locks(), repair));
    let words = match whole {
        0 => "none in this clone".to_owned(),
        1 => "one, and it is whole".to_owned(),
        whole => format!("{whole}, and all are whole"),
    };
    findings.push(DoctorFinding::ok("journals", words));
    if under_way > 0 {
        findings.push(DoctorFinding::ok("runs", format!("{under_way} under way")).hint("`foil status` shows them"));
    }
    findings
}

struct Examined<'a> {
    workspace: &'a Workspace,
    ticket: &'a TicketId,
    run: &'a RunId,
    repair: Option<&'a LockHolder>,
    now: Timestamp,
}

impl Examined<'_> {
    fn is_under_way(&self) -> bool {
        TicketLock::holder(&self.workspace.roots().locks(), self.ticket).is_some()
    }

    /// The right to repair, where it was asked for and nobody works on the ticket.
    fn lock(&self) -> Option<TicketLock> {
        TicketLock::acquire(&self.workspace.roots().locks(), self.ticket, self.repair?).ok()
    }

    /// Looks at the journal. Whether it is whole.
    fn journal(&self, known: &KnownRun, findings: &mut Vec<DoctorFinding>) -> bool {
        const WHAT: &str = "journal";
        let (ticket, run) = (self.ticket, self.run);
        let about = |detail: &dyn std::fmt::Display| format!("`{ticket}`, run {run}: {detail}");
        let cannot_go_on =
            format!("`foil verify {ticket}` shows all; nothing was changed, and what Git keeps is still there");
        let roots = self.workspace.roots();
        let bytes = RunFiles::open(roots, ticket, run).and_then(|files| match files {
            Some(files) => files.read(JOURNAL, MAX_RUN_BYTES),
            None => Ok(None),
        });
        let bytes = match bytes {
            Ok(Some(bytes)) => bytes,
            // A run that was refused before it began, or is about to begin; or one whose journal was set aside.
            Ok(None) => {
                if self.is_lost(known) {
                    findings.push(self.damaged(&about(&"its journal is gone")));
                    return false;
                }
                findings.extend(journals::aside(&self.folder()).into_iter().map(|name| {
                    let name = journals::told(ticket.as_str(), run.as_str(), &name);
                    let detail = about(&format!("its damaged journal was set aside as `{name}`"));
                    let hint = format!("`foil verify {ticket}` shows what Git has of the run; keep the file as long as you want to know");
                    DoctorFinding::warning(WHAT, detail).hint(hint)
                }));
                return false;
            }
            Err(error) => {
                findings.push(DoctorFinding::problem(WHAT, about(&error)));
                return false;
            }
        };
        let journal = match Journal::parse(&bytes) {
            Ok(journal) => journal,
            Err(JournalError::Empty) => {
                if self.is_lost(known) {
                    findings.push(self.damaged(&about(&"its journal has no whole line")));
                }
                return false;
            }
            Err(error) if journals::is_damaged(&error) => {
                findings.push(self.damaged(&about(&error)));
                return false;
            }
            Err(error) => {
                findings.push(DoctorFinding::problem(WHAT, about(&error)).hint(cannot_go_on));
                return false;
            }
        };
        let replayed = match Run::replay(&journal.records) {
            Ok(replayed) => replayed,
            Err(error) => {
                findings.push(DoctorFinding::problem(WHAT, about(&error)).hint(cannot_go_on));
                return false;
            }
        };
        if replayed.opened().ticket != *ticket || replayed.opened().run != *run {
            let opened = replayed.opened();
            let detail = format!("it is the journal of `{}`, run {}", opened.ticket, opened.run);
            findings.push(DoctorFinding::problem(WHAT, about(&detail)).hint(cannot_go_on));
            return false;
        }
        // While its runner lives a tail is only an append that is not over.
        if self.is_under_way() {
            return true;
        }
        if let Some(torn) = journal.torn {
            let detail = format!("the last append was cut off, {} bytes", torn.bytes);
            let lock = self.lock();
            let torn = bytes.get(torn.offset..).filter(|_| lock.is_some());
            findings.push(match torn.map(|torn| journals::cut(&self.folder(), torn, self.now)) {
                Some(Ok(name)) => {
                    let name = journals::told(ticket.as_str(), run.as_str(), &name);
                    DoctorFinding::warning(WHAT, about(&format!("{detail}; kept as `{name}`"))).repaired()
                }
                Some(Err(error)) => DoctorFinding::problem(WHAT, about(&error)),
                None => DoctorFinding::warning(WHAT, about(&detail))
                    .hint("the next run cuts them; `foil doctor --repair` does too, and keeps a copy"),
            });
            drop(lock);
        }
        findings.extend(self.unfinished(&replayed, known));
        findings.extend(self.lost_place(&replayed));
        true
    }

    /// Whether the journal of the run, which has no line, had some.
    fn is_lost(&self, known: &KnownRun) -> bool {
        let workspace = self.workspace;
        let is_lost = match unwritten(workspace.repository(), workspace.roots(), self.ticket, self.run) {
            Ok(Unwritten::NeverBegan) => known.stored.is_some(),
            Ok(Unwritten::SetAside) => false,
            Ok(Unwritten::Lost) | Err(_) => true,
        };
        // A runner that is about to begin has written nothing yet.
        is_lost && !self.is_under_way()
    }

    fn folder(&self) -> PathBuf {
        self.workspace.roots().run(self.ticket, self.run)
    }

    /// A journal of which a line is damaged. With repair it gets another name, so that a new run can begin; what Git keeps of
    /// the run is not touched.
    fn damaged(&self, detail: &str) -> DoctorFinding {
        const WHAT: &str = "journal";
        let ticket = self.ticket;
        let lock = self.lock();
        let done = lock.as_ref().map(|_| journals::set_aside(&self.folder(), self.now));
        drop(lock);
        match done {
            None => DoctorFinding::problem(WHAT, detail).hint(format!(
                "`foil verify {ticket}` shows all, and nothing was changed; a copy from a backup may be whole. `foil doctor --repair` sets it aside under another name, \
                 and then the next run of the ticket is a new one"
            )),
            Some(Ok(name)) => {
                let name = journals::told(ticket.as_str(), self.run.as_str(), &name);
                let detail = format!("{detail}; it was set aside as `{name}`, and the next run of the ticket is a new one");
                DoctorFinding::warning(WHAT, detail).repaired()
            }
            Some(Err(error)) => DoctorFinding::problem(WHAT, format!("{detail}; it cannot be set aside: {error}")),
        }
    }

    /// The worker's place of a run that goes on is not there any more, or not what it was. The next run makes it from the tree that is kept.
    fn lost_place(&self, run: &Run) -> Option<DoctorFinding> {
        const WHAT: &str = "place";
        let tree = run.kept_tree().filter(|_| goes_on(run))?;
        let place = self
            .workspace
            .roots()
            .places()
            .join(format!("{}-{}", self.ticket, self.run))
            .join("work");
        let gone = match Place::open(&place) {
            Ok(place) if place.is_gone() => "is gone",
            Ok(place) if place.is_replaced(self.workspace.repository()) => "is something else, which will be set aside",
            Ok(_) => return None,
            Err(_) if place.exists() => return None,
            Err(_) => "is gone",
        };
        let about = format!("`{}`, run {}: the worker's place {gone}", self.ticket, self.run);
        if !self.workspace.repository().has_object(tree.0) {
            let hint = "the run cannot go on without it: bring the object back, such as with `git fetch` from a clone that has it";
            let detail = format!("{about}, and tree {} that was kept of it is not there", tree.short());
            return Some(DoctorFinding::problem(WHAT, detail).hint(hint));
        }
        let detail = format!("{about}; tree {} is kept of it", tree.short());
        let hint = format!(
            "`foil run {}` makes it anew with what is in that tree, and goes on",
            self.ticket
        );
        Some(DoctorFinding::warning(WHAT, detail).hint(hint))
    }

    fn unfinished(&self, run: &Run, known: &KnownRun) -> Option<DoctorFinding> {
        let left = match run.state() {
            State::Climbing => "its runner was gone without a word",
            state if state.is_ended() && known.stored.is_none() && run.stored().is_none() => {
                "it ended and is not kept in Git yet"
            }
            _ => return None,
        };
        let again = format!("`foil run {}` goes on where it was left", self.ticket);
        // What came of it is for the next run to see: it looks at the world, and this only reads what was written.
        let (under_way, hint) = match run.pending().map(|pending| &pending.effect) {
            None => (String::new(), again),
            Some(effect) => {
                let then = match effect.class() {
                    EffectClass::AtMostOnce => "does not do that again, because nothing shows whether it was done",
                    EffectClass::Recognisable => "looks whether that was done, and does it only if it was not",
                    EffectClass::Repeatable => {
                        "takes what is left of that, or does it again; what it cost stays counted"
                    }
                };
                (
                    format!(", in the middle of {}", effect.words()),
                    format!("{again}: it {then}"),
                )
            }
        };
        let detail = format!("`{}`, run {}: {left}{under_way}", self.ticket, self.run);
        Some(DoctorFinding::warning("run", detail).hint(hint))
    }

    /// Looks for records of guards that nobody removed, and with repair ends what they guarded.
    fn leftovers(&self) -> Option<DoctorFinding> {
        let guards = Guards {
            folder: self.workspace.roots().run(self.ticket, self.run).join("guards"),
            about: format!("`{}`, run {}", self.ticket, self.run),
            next: "the next run",
        };
        if self.is_under_way() {
            return None;
        }
        guards.examine(|| self.lock())
    }
}

/// Whether the next run of the ticket goes on with this one.
fn goes_on(run: &Run) -> bool {
    match run.state() {
        State::Climbing | State::Paused { .. } => true,
        State::Blocked(blocker) => blocker.resumable,
        State::Canceled { .. } | State::Done => false,
    }
}

/// Notes of runners that are gone. The system has let go of their locks already.
fn locks(folder: &Path, repair: Option<&LockHolder>) -> Vec<DoctorFinding> {
    const WHAT: &str = "locks";
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![DoctorFinding::problem(WHAT, error)],
        Ok(entries) => entries,
    };
    let mut stale = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ticket = name
            .to_str()
            .and_then(|name| name.strip_suffix(".lock")?.parse::<TicketId>().ok());
        let noted = entry.metadata().is_ok_and(|data| data.is_file() && data.len() > 0);
        if let Some(ticket) = ticket.filter(|_| noted)
            && TicketLock::holder(folder, &ticket).is_none()
        {
            stale.push(ticket);
        }
    }
    let mut findings = runner_notes_left(folder, repair.is_some());
    if stale.is_empty() {
        return findings;
    }
    let count = stale.len();
    let cleared = match repair {
        // Taking a lock and letting go of it clears its note.
        Some(holder) => stale
            .iter()
            .filter(|ticket| TicketLock::acquire(folder, ticket, holder).is_ok())
            .count(),
        None => 0,
    };
    let finding = DoctorFinding::ok(
        WHAT,
        format!("{count} with the note of a runner that is gone; they are free"),
    );
    findings.push(if cleared == count { finding.repaired() } else { finding });
    findings
}

/// Notes of whole runners that are gone, by which `foil stop` would look for them.
fn runner_notes_left(folder: &Path, repair: bool) -> Vec<DoctorFinding> {
    const WHAT: &str = "runners";
    let notes = match runner_notes(folder) {
        Ok(notes) => notes,
        Err(error) => return vec![DoctorFinding::problem(WHAT, error)],
    };
    let gone: Vec<_> = notes
        .into_iter()
        .filter(|(_, note)| note.as_ref().is_none_or(|note| !note.process.is_alive()))
        .collect();
    if gone.is_empty() {
        return Vec::new();
    }
    let finding = DoctorFinding::ok(WHAT, format!("{} left a note and is gone", count(gone.len())));
    let removed = repair && gone.iter().all(|(path, _)| fs::remove_file(path).is_ok());
    vec![if removed { finding.repaired() } else { finding }]
}

fn count(runners: usize) -> String {
    match runners {
        1 => "a runner".to_owned(),
        several => format!("each of {several} runners"),
    }
}
