//! A journal as far as it has to be known to verify a run.

use ledger_core::{ChainSummary, Digest, Effect, Event, Record, Run};

use crate::journal_records::{JournalRecords, ReplayError};

/// What a journal says, without what it tells of the worker's doings: of these a run may have a million.
pub(super) struct ReadJournal {
    /// The run that it amounts to.
    pub(super) run: Run,
    /// Its records, but for the activities.
    pub(super) records: Vec<Record>,
    /// Its end.
    pub(super) summary: ChainSummary,
    /// The sum of the line before the intent to prepare the delivery that counted, where that intent names it.
    pub(super) before_delivery: Option<Digest>,
}

impl ReadJournal {
    pub(super) fn of(bytes: &[u8]) -> Result<Self, ReplayError> {
        let mut lines = JournalRecords::new(bytes);
        let mut records = Vec::new();
        let (mut before, mut before_delivery) = (None, None);
        let run = Run::try_replay(lines.by_ref().inspect(|read| {
            let Ok(record) = read else { return };
            match &record.event {
                Event::Activity(_) => {}
                event => {
                    if let Event::Intended(Effect::PrepareDelivery { journal, .. }) = event
                        && before == Some(*journal)
                    {
                        before_delivery = before;
                    }
                    records.push(record.clone());
                }
            }
            before = Some(record.sum);
        }))?;
        Ok(Self {
            run,
            records,
            summary: lines.end()?,
            before_delivery,
        })
    }
}
