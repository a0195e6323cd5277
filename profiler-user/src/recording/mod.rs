//! A session in a file: what the stream of events told, compact, and readable up to the last whole frame however the session ended. `docs/recording.md`
//! has every byte.
//!
//! Owns: the format, its version, and the pace at which a recording is played again. Pure but for the bytes that it is given to read and write.
//! Refuses: trusting a file. No bytes make a reader panic, ask for more memory than a frame's, or show an event that was not written.

mod bytes;
mod event;
mod info;
mod keep;
mod reader;
mod replay;
#[cfg(test)]
mod tests;
mod tick;
mod trace;
mod writer;

pub use keep::{Keeper, Kept};
pub use reader::{Damage, Reader};
pub use replay::{Pace, Replay, Survey, survey};
pub use writer::{Recorded, Recorder};

use crate::feed::FeedEvent;

/// The first bytes of a recording.
pub const MAGIC: [u8; 8] = *b"STAINREC";

/// The version that is written, and the only one that is read.
pub const VERSION: u16 = 1;

/// Bytes of the file before its first frame.
const HEADER_BYTES: usize = 16;

/// The first bytes of a frame: not valid UTF-8, so that no name in a file is taken for one.
const FRAME_MARK: [u8; 4] = [0xF5, b'S', b'F', 0x1A];

/// Bytes of a frame's payload at most. What is written is far smaller.
const MAX_FRAME_BYTES: usize = 1 << 20;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    /// It is something else, or not even its first bytes were written.
    #[error("is no recording: it does not begin with STAINREC; `stain attach --record FILE` makes one")]
    NotARecording,
    /// It is a recording of another version.
    #[error(
        "is a recording of version {0}, and this program reads version {VERSION}; use the program that made it, or a later one"
    )]
    Version(u16),
    /// The first bytes are damaged.
    #[error(
        "is damaged in its first {HEADER_BYTES} bytes; nothing after them can be trusted to be what it seems"
    )]
    Header,
}

fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let crc = |bytes: &[u8]| crc32fast::hash(bytes).to_le_bytes();
    // Version, then two bytes that are 0.
    let start: Vec<u8> = MAGIC.into_iter().chain(VERSION.to_le_bytes()).chain([0, 0]).collect();
    let whole = start.iter().copied().chain(crc(&start));
    header.iter_mut().zip(whole).for_each(|(place, byte)| *place = byte);
    header
}

fn check_header(bytes: &[u8]) -> Result<(), ReadError> {
    let (Some(magic), Some(version)) = (bytes.first_chunk(), bytes.get(8..10)) else {
        return Err(ReadError::NotARecording);
    };
    if *magic != MAGIC {
        return Err(ReadError::NotARecording);
    }
    if bytes == header() {
        return Ok(());
    }
    let version = version.iter().rev().fold(0u16, |sum, byte| sum << 8 | u16::from(*byte));
    Err(if version == VERSION { ReadError::Header } else { ReadError::Version(version) })
}

/// The checksum of a frame: CRC-32 (IEEE) of its length and its payload.
fn crc(length: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(length);
    crc.update(payload);
    crc.finalize()
}

/// When an event happened, ns of the monotonic clock: of a trace, its end.
#[must_use]
pub fn event_ns(event: &FeedEvent) -> u64 {
    match event {
        FeedEvent::Started(info) => info.began.mono_ns,
        FeedEvent::Attached(attached) => attached.mono_ns,
        FeedEvent::Trace(trace) => trace.end_ns,
        FeedEvent::Tick(tick) => tick.mono_ns,
        FeedEvent::Notice(notice) => notice.at.mono_ns,
        FeedEvent::Changed(change) => change.at_ns,
        FeedEvent::Ended(ended) => ended.mono_ns,
    }
}
