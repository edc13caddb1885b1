//! The file of an index, beside the place that it describes.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger_core::{BlobId, CommitId, ObjectId, TreeId};

use super::{ENTRY_SIZE, Entry, FileStat, Moment, Origin, PlaceIndex, RuleFile, read_u64};
use crate::crash_point::crash_point;

const MAGIC: &[u8; 8] = b"foilidx1";

/// How many files may be as new as the clock: reading them again takes less time than a tick.
const FEW: usize = 16;

/// The index of a place cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlaceIndexError {
    /// It is not there: the place was never finished.
    #[error("`{}` is missing: the place was not finished", path.display())]
    Missing {
        /// The index.
        path: PathBuf,
    },
    /// It is not what was written.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The index.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("`{}` cannot be read or written", path.display())]
    Io {
        /// The index.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl PlaceIndex {
    /// Writes it in place of the old one. `place` is the folder that it describes. Returns the tick that it was written with.
    pub(crate) fn save(&self, path: &Path, place: &Path) -> Result<Option<Moment>, PlaceIndexError> {
        let failed = |source| PlaceIndexError::Io {
            path: path.to_owned(),
            source,
        };
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let mut file = File::create(&temporary).map_err(failed)?;
        let tick = self.observe_tick(&mut file, place).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        let bytes = self.encode(tick);
        io::Seek::rewind(&mut file).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        drop(file);
        crash_point("the facts of a place are written beside their name");
        std::fs::rename(&temporary, path).map_err(failed)?;
        crash_point("the facts of a place are noted");
        Ok(tick)
    }

    /// A moment of the place's own clock that lies behind all facts, or all but a few, if that can be had in a few
    /// milliseconds. The few are read again, which is quicker than to wait for the clock.
    fn observe_tick(&self, file: &mut File, place: &Path) -> io::Result<Option<Moment>> {
        let place = rustix::fs::stat(place)?;
        let latest = |entry: Entry<'_>| entry.stat.changed.max(entry.stat.modified);
        let mut tick = None;
        for _ in 0..10 {
            file.write_all(b"-")?;
            let stat = rustix::fs::fstat(&*file)?;
            if stat.st_dev != place.st_dev {
                // Another file system may have another clock.
                return Ok(None);
            }
            let now = FileStat::new(&stat).changed;
            tick = Some(now);
            if self.iter().filter(|entry| latest(*entry) >= now).nth(FEW).is_none() {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(tick)
    }

    pub(crate) fn encode(&self, tick: Option<Moment>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() + self.paths.len() + 4096);
        bytes.extend_from_slice(MAGIC);
        for id in [self.origin.base.0, self.origin.base_tree.0, self.origin.tree.0] {
            bytes.extend_from_slice(id.as_bytes());
        }
        let tick = tick.unwrap_or(Moment {
            seconds: i64::MIN,
            nanoseconds: 0,
        });
        bytes.extend_from_slice(&tick.seconds.to_le_bytes());
        bytes.extend_from_slice(&tick.nanoseconds.to_le_bytes());
        bytes.extend_from_slice(&(self.rules.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.count as u64).to_le_bytes());
        bytes.extend_from_slice(&(self.paths.len() as u64).to_le_bytes());
        for rule in &self.rules {
            bytes.extend_from_slice(&(rule.path.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&rule.path);
            bytes.extend_from_slice(rule.id.0.as_bytes());
        }
        bytes.extend_from_slice(&self.entries);
        bytes.extend_from_slice(&self.paths);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads it back.
    pub(crate) fn load(path: &Path) -> Result<Self, PlaceIndexError> {
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => PlaceIndexError::Missing { path: path.to_owned() },
            _ => PlaceIndexError::Io {
                path: path.to_owned(),
                source,
            },
        })?;
        Self::decode(&bytes).ok_or_else(|| PlaceIndexError::Damaged { path: path.to_owned() })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<8>()?;
        if checksum(content) != u64::from_le_bytes(*sum) {
            return None;
        }
        let mut rest = content.strip_prefix(MAGIC)?;
        let base = CommitId(take_id(&mut rest)?);
        let base_tree = TreeId(take_id(&mut rest)?);
        let tree = TreeId(take_id(&mut rest)?);
        let seconds = i64::from_le_bytes(*take(&mut rest)?);
        let nanoseconds = u32::from_le_bytes(*take(&mut rest)?);
        let rule_count = u32::from_le_bytes(*take(&mut rest)?);
        let count = usize::try_from(u64::from_le_bytes(*take(&mut rest)?)).ok()?;
        let path_bytes = usize::try_from(u64::from_le_bytes(*take(&mut rest)?)).ok()?;
        let mut rules = Vec::new();
        for _ in 0..rule_count {
            let length = u32::from_le_bytes(*take(&mut rest)?) as usize;
            let (path, after) = rest.split_at_checked(length)?;
            rest = after;
            rules.push(RuleFile {
                path: path.to_owned(),
                id: BlobId(take_id(&mut rest)?),
            });
        }
        let (entries, paths) = rest.split_at_checked(count.checked_mul(ENTRY_SIZE)?)?;
        if paths.len() != path_bytes {
            return None;
        }
        Some(Self {
            origin: Origin { base, base_tree, tree },
            rules,
            tick: (seconds != i64::MIN).then_some(Moment { seconds, nanoseconds }),
            count,
            entries: entries.to_owned(),
            paths: paths.to_owned(),
        })
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(taken)
}

fn take_id(rest: &mut &[u8]) -> Option<ObjectId> {
    take::<20>(rest).map(|bytes| ObjectId::from_bytes(*bytes))
}

/// Shows damage, not intent: only the runner can write the file. Fast, because it is computed before each measurement.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        sum = (sum ^ read_u64(word, 0))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
    for byte in words.remainder() {
        sum = (sum ^ u64::from(*byte))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::index::tests::sample;

    #[test]
    fn an_index_survives_its_file_and_damage_is_seen() {
        let index = sample(&["a/x", "a/y", "b"]);
        let bytes = index.encode(None);
        let again = PlaceIndex::decode(&bytes).unwrap();
        assert_eq!(again.origin, index.origin);
        assert_eq!(again.rules, index.rules);
        assert!(again.iter().eq(index.iter()));
        assert_eq!(again.entry(2).stat.modified.seconds, -5);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(PlaceIndex::decode(&damaged).is_none(), "byte {at}");
            assert!(PlaceIndex::decode(&bytes[..at]).is_none(), "cut at {at}");
        }
    }
}
