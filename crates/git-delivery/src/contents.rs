//! What a file in a place holds, as Git would store it.

use std::io::Read as _;

use ledger_core::{BlobId, EntryMode, RepoPath, Side};
use rustix::io::Errno;

use crate::beneath::open_file;
use crate::objects::{ObjectError, blob_id, ours};
use crate::place::index::FileStat;
use crate::place::walk::{Spot, WalkError};

/// How a file was found.
pub(crate) enum Content {
    /// It was read whole.
    Read { side: Side, bytes: Vec<u8> },
    /// It is too large to hold, so only its id was computed.
    Large { side: Side },
    /// It may not be read.
    Unreadable,
    /// It is no longer there.
    Gone,
}

/// Reads a plain file or the target of a link. Of a file with more than `limit` bytes only the id is computed, and only if it has the size that
/// is known of it: one of another size is changed, and may be without end at no cost to who made it.
pub(crate) fn read_content(
    spot: &Spot<'_>,
    stat: &FileStat,
    limit: u64,
    known_size: Option<u64>,
) -> Result<Content, WalkError> {
    let Some(mode) = stat.entry_mode() else {
        return Ok(Content::Gone);
    };
    let unstable = || match RepoPath::new(spot.path) {
        Ok(path) => WalkError::Unstable { path },
        Err(_) => WalkError::Died,
    };
    if mode == EntryMode::Symlink {
        return match rustix::fs::readlinkat(spot.folder, spot.name, Vec::new()) {
            Ok(target) => {
                let bytes = target.into_bytes();
                let id = blob_id(&bytes)?;
                Ok(Content::Read {
                    side: Side { mode, id },
                    bytes,
                })
            }
            Err(Errno::NOENT) => Ok(Content::Gone),
            Err(_) => Err(unstable()),
        };
    }
    let mut file = match open_file(spot.folder, spot.name) {
        Ok(file) => file,
        Err(error) => {
            return match Errno::from_io_error(&error) {
                Some(Errno::NOENT) => Ok(Content::Gone),
                Some(Errno::ACCESS | Errno::PERM) => Ok(Content::Unreadable),
                Some(Errno::LOOP) => Err(unstable()),
                _ if error.kind() == std::io::ErrorKind::InvalidInput => Err(unstable()),
                _ => Err(WalkError::io(spot.path, error)),
            };
        }
    };
    let io_error = |error: std::io::Error| WalkError::io(spot.path, error);
    let content = if stat.size > limit {
        let id = if known_size == Some(stat.size) {
            hash_stream(&mut file, stat.size).map_err(|error| match error {
                Hashing::Io(error) => io_error(error),
                Hashing::Object(error) => WalkError::Object(error),
                Hashing::Resized => unstable(),
            })?
        } else {
            BlobId(ledger_core::ObjectId::ZERO)
        };
        Content::Large {
            side: Side { mode, id },
        }
    } else {
        let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0));
        file.by_ref()
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(io_error)?;
        let id = blob_id(&bytes)?;
        Content::Read {
            side: Side { mode, id },
            bytes,
        }
    };
    let after = rustix::fs::fstat(&file).map_err(|error| io_error(error.into()))?;
    // The access time is no part of this; everything else must be as it was when the walk saw it.
    if FileStat::new(&after) != *stat {
        return Err(unstable());
    }
    Ok(content)
}

enum Hashing {
    Io(std::io::Error),
    Object(ObjectError),
    Resized,
}

fn hash_stream(file: &mut std::fs::File, size: u64) -> Result<BlobId, Hashing> {
    let failed = |error: &dyn std::fmt::Display| {
        Hashing::Object(ObjectError::NotWritten {
            reason: error.to_string(),
        })
    };
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&gix::objs::encode::loose_header(gix::objs::Kind::Blob, size));
    let mut buffer = vec![0; 1 << 16];
    let mut read = 0_u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                read += count as u64;
                if read > size {
                    return Err(Hashing::Resized);
                }
                hasher.update(&buffer[..count]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Hashing::Io(error)),
        }
    }
    if read != size {
        return Err(Hashing::Resized);
    }
    let id = hasher.try_finalize().map_err(|error| failed(&error))?;
    ours(id).map(BlobId).map_err(Hashing::Object)
}
