//! What runs left: journals, locks, processes.

use std::fs;
use std::io;
use std::path::Path;

use ledger_core::{Journal, JournalError, Run, RunId, State, TicketId};

use super::DoctorFinding;
use crate::guard::end_leftovers;
use crate::journal_file::JournalFile;
use crate::lock::{LockHolder, TicketLock};
use crate::run_files::RunFiles;
use crate::run_history::{JOURNAL, KnownRun, MAX_RUN_BYTES, known_runs, tickets_with_runs};
use crate::workspace::Workspace;

/// Looks at every live run, and with `repair` as the holder of the locks, ends what dead runners left.
pub(super) fn examine(workspace: &Workspace, repair: Option<&LockHolder>) -> Vec<DoctorFinding> {
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
            };
            whole += usize::from(examined.journal(known, &mut findings));
            examined.leftovers(&mut findings);
        }
    }
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
            // A run that was refused before it began, or is about to begin.
            Ok(None) => return false,
            Err(error) => {
                findings.push(DoctorFinding::problem(WHAT, about(&error)));
                return false;
            }
        };
        let journal = match Journal::parse(&bytes) {
            Ok(journal) => journal,
            Err(JournalError::Empty) => return false,
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
            let lock = self.lock();
            let cut = lock.is_some() && JournalFile::open(&roots.journal(ticket, run)).is_ok();
            let detail = about(&format!("the last append was cut off, {} bytes", torn.bytes));
            let finding = DoctorFinding::warning(WHAT, detail);
            findings.push(if cut {
                finding.repaired()
            } else {
                finding.hint("the next run cuts them, as `foil doctor --repair` does")
            });
        }
        findings.extend(self.unfinished(&replayed, known));
        true
    }

    fn unfinished(&self, run: &Run, known: &KnownRun) -> Option<DoctorFinding> {
        let detail = match run.state() {
            State::Climbing => "its runner was gone without a word",
            state if state.is_ended() && known.stored.is_none() && run.stored().is_none() => {
                "it ended and is not kept in Git yet"
            }
            _ => return None,
        };
        let finding = DoctorFinding::warning("run", format!("`{}`, run {}: {detail}", self.ticket, self.run));
        Some(finding.hint(format!("`foil run {}` goes on where it was left", self.ticket)))
    }

    /// Looks for records of guards that nobody removed, and with repair ends what they guarded.
    fn leftovers(&self, findings: &mut Vec<DoctorFinding>) {
        const WHAT: &str = "processes";
        let folder = self.workspace.roots().run(self.ticket, self.run).join("guards");
        let records = guard_records(&folder).unwrap_or(0);
        if records == 0 || self.is_under_way() {
            return;
        }
        let about = |detail: &dyn std::fmt::Display| format!("`{}`, run {}: {detail}", self.ticket, self.run);
        let Some(lock) = self.lock() else {
            let detail = about(&"a dead runner may have left processes");
            let hint = "`foil doctor --repair` ends them, as the next run does";
            findings.push(DoctorFinding::warning(WHAT, detail).hint(hint));
            return;
        };
        findings.push(match end_leftovers(&folder) {
            Ok(ended) => {
                let detail = format!("{} processes of a dead runner ended", ended.len());
                DoctorFinding::ok(WHAT, about(&detail)).repaired()
            }
            Err(error) => DoctorFinding::problem(WHAT, about(&error)),
        });
        drop(lock);
    }
}

fn guard_records(folder: &Path) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        count += usize::from(name.starts_with("guard-") && name.ends_with(".json"));
    }
    Ok(count)
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
    if stale.is_empty() {
        return Vec::new();
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
    vec![if cleared == count { finding.repaired() } else { finding }]
}
