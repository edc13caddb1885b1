//! What runner and guard, and guard and its first child, say to each other over a socket pair.
//!
//! A start is one frame: its length, with up to three file descriptors attached, then JSON. After it both sides send
//! lines of JSON. The file descriptors travel in the message and never by inheritance, so that no other process that
//! happens to be started at the same moment can hold on to them.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;

use super::leftovers::GuardRecord;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A start is refused beyond this many bytes: arguments and environment are bounded by the system anyway.
const MAX_START_BYTES: usize = 16 << 20;

/// Set in the environment of a guard and of its first child, and in that of no other process.
pub(crate) const STARTED_AS_GUARD: &str = "COUNTERFOIL_STARTED_AS_GUARD";

/// In the environment of everything guarded: how leftovers are found if guard and first child are both gone.
pub(crate) const GUARD_ID: &str = "COUNTERFOIL_GUARD_ID";

/// Text of the system: any bytes but NUL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Raw(Vec<u8>);

impl From<OsString> for Raw {
    fn from(text: OsString) -> Self {
        Self(text.into_vec())
    }
}

impl Raw {
    pub(crate) fn to_os_string(&self) -> OsString {
        std::ffi::OsStr::from_bytes(&self.0).to_owned()
    }
}

/// What is to be guarded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Start {
    /// Random; also in the environment of the child.
    pub(crate) id: String,
    pub(crate) program: Raw,
    pub(crate) arguments: Vec<Raw>,
    pub(crate) environment: Vec<(Raw, Raw)>,
    pub(crate) folder: Raw,
    /// The file in which the guard writes who it is.
    pub(crate) identity: Option<Raw>,
    /// How long what is asked to end may take before it is killed.
    pub(crate) grace_ms: u64,
    /// Who must be the parent; filled in by the guard for its first child.
    pub(crate) parent: Option<i32>,
    /// A control group that the first child enters; filled in by the guard.
    pub(crate) control_group: Option<Raw>,
}

/// From the runner to the guard. The end of the stream means `End` with the grace of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Send this signal to the first child alone.
    Signal(i32),
    /// End everything: TERM, and after so many milliseconds KILL.
    End { grace_ms: u64 },
}

/// From the guard to the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notice {
    Started {
        pid: i32,
        record: Option<GuardRecord>,
    },
    NotStarted {
        reason: String,
    },
    /// How the first child ended.
    Exited {
        code: i32,
    },
    Signaled {
        signal: i32,
    },
    /// Nothing is left but `surviving`; `ended` were still there when the end began, the first child not counted.
    Gone {
        ended: u32,
        surviving: u32,
    },
}

/// Sends the length of a start with the file descriptors attached. The start itself (the returned bytes) follows.
pub(crate) fn send_header(socket: &UnixStream, start: &Start, descriptors: &[BorrowedFd<'_>]) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(start)?;
    let length = u32::try_from(body.len()).map_err(|_| too_long())?;
    if body.len() > MAX_START_BYTES {
        return Err(too_long());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    if !attached.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many file descriptors for one message"));
    }
    // Four bytes always fit into an empty socket buffer, so this neither blocks nor is cut.
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(&length.to_le_bytes())],
        &mut attached,
        SendFlags::empty(),
    )?;
    Ok(body)
}

/// Receives what `send_header` and the bytes after it sent.
pub(crate) fn receive_start<const N: usize>(socket: &UnixStream) -> io::Result<(Start, [OwnedFd; N])> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut attached = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut length)],
        &mut attached,
        receive_flags(),
    )?;
    let mut descriptors = Vec::new();
    for message in attached.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            descriptors.extend(some);
        }
    }
    let descriptors = descriptors
        .try_into()
        .map_err(|_| io::Error::other("the start came without its file descriptors"))?;
    let mut socket = socket;
    socket.read_exact(length.get_mut(received.bytes..).unwrap_or_default())?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_START_BYTES {
        return Err(too_long());
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    Ok((serde_json::from_slice(&body)?, descriptors))
}

#[cfg(target_os = "linux")]
fn receive_flags() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

#[cfg(not(target_os = "linux"))]
fn receive_flags() -> RecvFlags {
    RecvFlags::empty()
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "arguments and environment are too long")
}

/// The socket that this process was given as its standard input.
pub(crate) fn socket_at_standard_input() -> io::Result<UnixStream> {
    let descriptor = io::stdin().as_fd().try_clone_to_owned()?;
    Ok(UnixStream::from(descriptor))
}

/// One line to send.
pub(crate) fn line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// Takes the first whole line out of what was received.
pub(crate) fn take_line<T: DeserializeOwned>(received: &mut Vec<u8>) -> Option<Result<T, serde_json::Error>> {
    let end = received.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = received.drain(..=end).collect();
    Some(serde_json::from_slice(&line))
}
