//! Writing a loose object. The library writes the same, and makes a new state to compress for each: a quarter of a MiB, aligned, whose place the
//! allocator of glibc does not always use again. Tens of thousands of objects then cost gigabytes.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gix::zlib::stream::deflate::{Compress, FlushCompress};
use gix::zlib::{Compression, Status};
use ledger_core::ObjectId;

/// What is compressed before it is written out.
const BUFFER_BYTES: usize = 32 * 1024;

thread_local! {
    /// One for all objects of a thread.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::BEST_SPEED));
}

/// Writes an object whose id has been computed from these very bytes into a folder of objects, whole or not at all. It is not on the disk yet.
pub(crate) fn write(objects: &Path, kind: gix::objs::Kind, bytes: &[u8], id: ObjectId) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o444))
        .tempfile_in(objects)?;
    let header = gix::objs::encode::loose_header(kind, bytes.len() as u64);
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut put = |bytes: &[u8], flush| put(compress, bytes, flush, &mut buffer, file.as_file_mut());
        put(&header, FlushCompress::None)?;
        put(bytes, FlushCompress::Finish)
    })?;
    let hex = id.to_string();
    let (folder, name) = hex.split_at(2);
    let folder = objects.join(folder);
    match std::fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    Ok(())
}

/// Compresses all of these bytes, and with `Finish` also what is still held back.
fn put(
    compress: &mut Compress,
    mut bytes: &[u8],
    flush: FlushCompress,
    buffer: &mut [u8],
    to: &mut std::fs::File,
) -> io::Result<()> {
    loop {
        let (before_in, before_out) = (compress.total_in(), compress.total_out());
        let status = compress.compress(bytes, buffer, flush).map_err(io::Error::other)?;
        let taken = usize::try_from(compress.total_in() - before_in).map_err(io::Error::other)?;
        let made = usize::try_from(compress.total_out() - before_out).map_err(io::Error::other)?;
        to.write_all(buffer.get(..made).unwrap_or_default())?;
        bytes = bytes.get(taken..).unwrap_or_default();
        match (status, flush) {
            (Status::StreamEnd, _) => return Ok(()),
            (_, FlushCompress::None) if bytes.is_empty() => return Ok(()),
            _ if taken == 0 && made == 0 => return Err(io::Error::other("the compression makes no progress")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::objects::object_id;

    fn git(folder: &Path, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("git");
        let output = command.arg("-C").arg(folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    }

    fn resident_bytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    #[test]
    fn git_reads_what_is_written_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet"]);
        let objects = folder.path().join(".git/objects");
        let noise: Vec<u8> = (0..300_000_u64).flat_map(|n| (n * n * 7919).to_le_bytes()).collect();
        for size in [0, 1, 100, BUFFER_BYTES, BUFFER_BYTES * 3 + 1, noise.len()] {
            let bytes = &noise[..size];
            let id = object_id(gix::objs::Kind::Blob, bytes).unwrap();
            write(&objects, gix::objs::Kind::Blob, bytes, id).unwrap();
            assert_eq!(git(folder.path(), &["cat-file", "blob", &id.to_string()]), bytes);
            // Again is no error.
            write(&objects, gix::objs::Kind::Blob, bytes, id).unwrap();
        }
        git(folder.path(), &["fsck", "--strict"]);
        let left: Vec<_> = std::fs::read_dir(&objects)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            left.iter().all(|name| !name.to_string_lossy().starts_with(".tmp")),
            "{left:?}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn many_objects_take_no_memory_between_what_is_kept_of_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        // A thread of its own has an arena of its own.
        let grown = std::thread::spawn(move || {
            let before = resident_bytes();
            let mut kept = Vec::new();
            for number in 0..3_000_u32 {
                let bytes = format!("file {number}\n").into_bytes();
                let id = object_id(gix::objs::Kind::Blob, &bytes).unwrap();
                write(&path, gix::objs::Kind::Blob, &bytes, id).unwrap();
                kept.push((id.to_string(), vec![0_u8; 40], format!("src/made/file-{number}.rs")));
            }
            assert_eq!(kept.len(), 3_000);
            resident_bytes().saturating_sub(before)
        });
        let grown = grown.join().unwrap();
        assert!(grown < 32 << 20, "{grown} bytes");
    }
}
