//! The journals of all tickets of a clone, read on while their runners write them.

use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

use git_delivery::Repository;
use jiff::Timestamp;
use ledger_core::{Event, Record, Run, RunId, TicketId};

use super::{FollowError, JournalFollower, TimelineLine};
use crate::file_stamp::FileStamp;
use crate::run_files::RunFiles;
use crate::run_history::{HistoryError, JOURNAL, ReadRun, known_runs, read_known, tickets_with_runs};
use crate::state::StateRoots;

/// How much of what was written before is given too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimelineStart {
    /// All of it.
    Beginning,
    /// What is in the journals that were written then or later. Lines from before are among it.
    Since(Timestamp),
    /// What is in the journals that were written last, this many.
    Latest(usize),
    /// Nothing.
    Now,
}

/// Follows the runs of every ticket of a clone, or of one: also runs that begin later. Takes no lock and disturbs no runner.
///
/// A look costs two questions to the system for each ticket that ran in this clone, and reading what was appended.
#[derive(Debug)]
pub struct TimelineFollower {
    roots: StateRoots,
    only: Option<TicketId>,
    start: TimelineStart,
    started: bool,
    tickets: BTreeMap<TicketId, Followed>,
}

/// What was written since the last look.
#[derive(Debug, Default)]
pub struct TimelineNews {
    /// In the order of time.
    pub lines: Vec<TimelineLine>,
    /// Journals that cannot be read any further, each told once. What they had before is among the lines, and a later run of
    /// the same ticket is followed again.
    pub problems: Vec<FollowError>,
}

/// What was seen of the runs of a ticket.
#[derive(Debug, Default)]
struct Followed {
    /// The folder of its runs, where all that lay in it is known.
    folder: Option<FileStamp>,
    /// The latest run: no earlier one is written any more.
    latest: Option<Latest>,
}

#[derive(Debug)]
struct Latest {
    run: RunId,
    /// The journal as it was when it was read last.
    journal: Option<FileStamp>,
    reading: Reading,
    /// What is to be given at the next look.
    pending: TimelineNews,
}

/// How far the journal of a run is read.
#[derive(Debug)]
enum Reading {
    /// Not yet, and so many bytes of it are not wanted.
    Unread {
        passed_over: u64,
    },
    Open(Box<JournalFollower>),
    /// It cannot be read any further, which was told once.
    Given,
}

impl TimelineFollower {
    /// Follows all tickets, or only this one.
    pub fn new(roots: &StateRoots, only: Option<TicketId>, start: TimelineStart) -> Self {
        Self {
            roots: roots.clone(),
            only,
            start,
            started: false,
            tickets: BTreeMap::new(),
        }
    }

    /// What was written since the last look.
    ///
    /// # Errors
    /// The folder of runs cannot be listed.
    pub fn look(&mut self) -> io::Result<TimelineNews> {
        let mut news = TimelineNews::default();
        let tickets = self.tickets_with_folders()?;
        self.tickets.retain(|ticket, _| tickets.binary_search(ticket).is_ok());
        let oldest_wanted = match self.start {
            _ if self.started => (i64::MIN, 0),
            TimelineStart::Beginning => (i64::MIN, 0),
            TimelineStart::Since(since) => (since.as_second(), i64::from(since.subsec_nanosecond())),
            TimelineStart::Latest(count) => self.written_last(&tickets, count)?,
            TimelineStart::Now => (i64::MAX, 0),
        };
        for ticket in tickets {
            let followed = self.tickets.entry(ticket.clone()).or_default();
            followed.look(&self.roots, &ticket, oldest_wanted, &mut news)?;
        }
        self.started = true;
        news.lines.sort_by_cached_key(order);
        Ok(news)
    }

    /// The latest run of a ticket as far as its journal is written; none where nothing of it can be read. Of a journal that
    /// was passed over, nothing is given.
    pub fn run(&mut self, ticket: &TicketId) -> Option<&Run> {
        let latest = self.tickets.get_mut(ticket)?.latest.as_mut()?;
        if matches!(latest.reading, Reading::Unread { .. }) {
            let mut news = TimelineNews::default();
            latest.read(&self.roots, ticket, &mut news);
            latest.pending = news;
        }
        match &latest.reading {
            Reading::Open(follower) => follower.run(),
            Reading::Unread { .. } | Reading::Given => None,
        }
    }

    fn tickets_with_folders(&self) -> io::Result<Vec<TicketId>> {
        if let Some(only) = &self.only {
            return Ok(vec![only.clone()]);
        }
        let entries = match std::fs::read_dir(self.roots.runs()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut tickets = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            tickets.extend(name.to_str().and_then(|name| name.parse::<TicketId>().ok()));
        }
        tickets.sort();
        Ok(tickets)
    }

    /// When the oldest of the journals was written that were written last.
    fn written_last(&self, tickets: &[TicketId], count: usize) -> io::Result<(i64, i64)> {
        let mut written = Vec::new();
        for ticket in tickets {
            if let Some(run) = self.roots.runs_of(ticket)?.last() {
                written.extend(FileStamp::of(&self.roots.journal(ticket, run)).map(|stamp| stamp.modified()));
            }
        }
        written.sort_unstable_by(|a, b| b.cmp(a));
        let oldest = count
            .checked_sub(1)
            .and_then(|last| written.get(last).or(written.last()));
        Ok(oldest.copied().unwrap_or((i64::MAX, 0)))
    }
}

impl Followed {
    fn look(
        &mut self,
        roots: &StateRoots,
        ticket: &TicketId,
        oldest_wanted: (i64, i64),
        news: &mut TimelineNews,
    ) -> io::Result<()> {
        let now = SystemTime::now();
        let folder = FileStamp::of(&roots.ticket_runs(ticket));
        if folder.is_none() || folder != self.folder {
            for run in roots.runs_of(ticket)? {
                if self.latest.as_ref().is_some_and(|latest| run <= latest.run) {
                    continue;
                }
                if let Some(mut earlier) = self.latest.take() {
                    earlier.read_on(roots, ticket, news);
                }
                let mut latest = Latest::new(roots, ticket, run, oldest_wanted);
                latest.read_on(roots, ticket, news);
                self.latest = Some(latest);
            }
            // Another run may be made within the same step of the file system's clock.
            self.folder = folder.filter(|folder| folder.is_settled(now));
        }
        if let Some(latest) = &mut self.latest {
            latest.read_on(roots, ticket, news);
        }
        Ok(())
    }
}

impl Latest {
    fn new(roots: &StateRoots, ticket: &TicketId, run: RunId, oldest_wanted: (i64, i64)) -> Self {
        let journal = FileStamp::of(&roots.journal(ticket, &run));
        let unwanted = journal.filter(|journal| journal.modified() < oldest_wanted);
        Self {
            run,
            journal: unwanted,
            reading: Reading::Unread {
                passed_over: unwanted.map_or(0, |journal| journal.bytes()),
            },
            pending: TimelineNews::default(),
        }
    }

    /// Reads on where the journal was written since.
    fn read_on(&mut self, roots: &StateRoots, ticket: &TicketId, news: &mut TimelineNews) {
        news.lines.append(&mut self.pending.lines);
        news.problems.append(&mut self.pending.problems);
        let journal = FileStamp::of(&roots.journal(ticket, &self.run));
        // An append always makes it longer, so its stamp needs no time to settle.
        if journal.is_some() && journal != self.journal {
            self.journal = journal;
            self.read(roots, ticket, news);
        }
    }

    /// Reads what there is by now, but for what is not wanted.
    fn read(&mut self, roots: &StateRoots, ticket: &TicketId, news: &mut TimelineNews) {
        let mut known = 0;
        if let Reading::Unread { passed_over } = self.reading {
            let opened = lines_within(roots, ticket, &self.run, passed_over).and_then(|lines| {
                known = lines;
                JournalFollower::open(roots, ticket, &self.run)
            });
            self.reading = match opened {
                Ok(Some(follower)) => Reading::Open(Box::new(follower)),
                // Its folder is gone.
                Ok(None) => return,
                Err(error) => {
                    news.problems.push(error);
                    Reading::Given
                }
            };
        }
        let Reading::Open(follower) = &mut self.reading else {
            return;
        };
        let mut records = Vec::new();
        let result = follower.read_on(|record| {
            // What is before it is the journal of the run that is delivered, which has its own lines.
            if matches!(record.event, Event::DeliveryOpened(_)) {
                records.clear();
            }
            if record.seq >= known {
                records.push(record.clone());
            }
        });
        if let Some(opened) = follower.run().map(Run::opened) {
            let lines = records.iter().map(|record| TimelineLine::new(opened, record));
            news.lines.extend(lines);
        }
        if let Err(error) = result {
            news.problems.push(error);
            self.reading = Reading::Given;
        }
    }
}

/// The timelines of all runs of which only Git knows any more, oldest first, as far as they hold, and why others do not.
/// Those that lie in this clone are followed by [`TimelineFollower`].
pub fn stored_timeline(
    repository: &Repository,
    roots: &StateRoots,
) -> Result<(Vec<TimelineLine>, Vec<HistoryError>), HistoryError> {
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    for ticket in tickets_with_runs(repository, roots)? {
        for known in known_runs(repository, roots, &ticket)? {
            if known.live {
                continue;
            }
            match read_known(repository, roots, &ticket, known) {
                Ok(Some(read)) => lines.extend(own_lines(&read)),
                Ok(None) => {}
                Err(error) => problems.push(error),
            }
        }
    }
    lines.sort_by_cached_key(order);
    Ok((lines, problems))
}

/// The lines of a run but for those of the run that it delivers.
fn own_lines(read: &ReadRun) -> Vec<TimelineLine> {
    let records = &read.journal.records;
    let opens = |record: &Record| matches!(record.event, Event::DeliveryOpened(_));
    let begin = records.iter().rposition(opens).unwrap_or(0);
    let own = records[begin..].iter();
    own.map(|record| TimelineLine::new(read.run.opened(), record)).collect()
}

/// By what lines of several runs are put in order.
fn order(line: &TimelineLine) -> (Timestamp, TicketId, RunId, u64) {
    (line.at, line.ticket.clone(), line.run.clone(), line.seq)
}

/// How many lines end within the first bytes of a journal: each line has the number of those before it.
fn lines_within(roots: &StateRoots, ticket: &TicketId, run: &RunId, bytes: u64) -> Result<u64, FollowError> {
    use io::Read as _;

    let count = || -> io::Result<u64> {
        let file = match RunFiles::open(roots, ticket, run)? {
            Some(files) if bytes > 0 => files.file(JOURNAL)?,
            _ => None,
        };
        let Some(mut rest) = file.map(|file| file.take(bytes)) else {
            return Ok(0);
        };
        let (mut lines, mut chunk) = (0, vec![0; 64 * 1024]);
        loop {
            match rest.read(&mut chunk) {
                Ok(0) => return Ok(lines),
                Ok(read) => lines += chunk[..read].iter().filter(|byte| **byte == b'\n').count() as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    count().map_err(|source| FollowError::Io {
        run: run.clone(),
        source,
    })
}

#[cfg(test)]
mod tests;
