//! The binary payload of a trace, "STTR": version 1, which every stain-trace collector reads, and a version of our own with nanoseconds.
//! `docs/sttr.md` has both byte by byte.
//!
//! Owns: encoding without an allocation into a buffer that is used again, and decoding as a view of the bytes. Refuses: guessing. What is
//! not exactly a payload is refused with the reason; what is well formed but unknown (stage codes, sections) is kept.

pub mod json;
pub mod nano;
mod read;
mod sections;
#[cfg(test)]
mod tests;
mod text;
pub mod v1;

pub use sections::{Section, SectionKind};
pub(crate) use text::to_hex;
pub use text::{TextError, from_text};

use read::Reader;

/// The first four bytes of every payload: "STTR".
pub const MAGIC: u32 = 0x5354_5452;

/// The version that the stain-trace format defines: milliseconds.
pub const VERSION_1: u16 = 1;

/// The version of our own: nanoseconds, branch, outcome, flags. `N` and its revision, far from the numbers that the format's own
/// next versions will have.
pub const VERSION_NANO: u16 = 0x4E01;

/// Entries of one payload at most: what collectors accept.
pub const MAX_ENTRIES: usize = 2048;

/// Bytes of a payload of version 1 without entries.
const V1_HEADER: usize = 24;
/// Bytes of one entry of version 1.
const V1_ENTRY: usize = 17;

/// Why bytes are no payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends before what it has to hold.
    #[error("the payload has {length} bytes, and {what} needs {needed}")]
    TooShort {
        /// What is not there.
        what: &'static str,
        /// Bytes that there are.
        length: usize,
        /// Bytes that it takes, from the first one.
        needed: usize,
    },
    /// It does not begin like a payload.
    #[error("a payload begins with 0x53545452 (STTR), and this with {found:#010x}")]
    Magic {
        /// The first four bytes.
        found: u32,
    },
    /// Its version is neither of those that there are.
    #[error("version {found} is not known; 1 and {VERSION_NANO} are")]
    Version {
        /// What the payload says.
        found: u16,
    },
    /// There is something behind it.
    #[error("the payload of {count} entries has {expected} bytes, and here are {length}")]
    Length {
        /// Its entries, as it says.
        count: u16,
        /// Bytes that so many take.
        expected: usize,
        /// Bytes that there are.
        length: usize,
    },
    /// It has more entries than any trace.
    #[error("the payload says that it has {count} entries, and a trace has at most {MAX_ENTRIES}")]
    TooMany {
        /// Its entries, as it says.
        count: u16,
    },
    /// A section's body is not what sections of its kind hold.
    #[error("section {tag} does not hold what it should")]
    Section {
        /// The section's tag.
        tag: u8,
    },
}

/// A payload, decoded. Nothing is copied; entries are read as they are iterated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Version 1.
    V1(v1::View<'a>),
    /// The version with nanoseconds.
    Nano(nano::View<'a>),
}

impl Payload<'_> {
    /// The trace's id.
    #[must_use]
    pub const fn trace_id(&self) -> i64 {
        match self {
            Self::V1(view) => view.trace_id,
            Self::Nano(view) => view.trace_id,
        }
    }
}

/// Decodes one payload, which must be all there is.
///
/// # Errors
/// When it is not exactly a payload.
pub fn decode(bytes: &[u8]) -> Result<Payload<'_>, DecodeError> {
    let (payload, rest) = decode_first(bytes)?;
    if rest.is_empty() {
        return Ok(payload);
    }
    let count = match payload {
        Payload::V1(view) => view.entries().len(),
        Payload::Nano(view) => view.entries().len(),
    };
    // At most MAX_ENTRIES.
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    Err(DecodeError::Length { count, expected: bytes.len() - rest.len(), length: bytes.len() })
}

/// Decodes the first of several payloads, and gives what is behind it.
///
/// # Errors
/// When the bytes do not begin with a payload.
pub fn decode_first(bytes: &[u8]) -> Result<(Payload<'_>, &[u8]), DecodeError> {
    let mut reader = Reader::new(bytes);
    let found = reader.u32("the magic number")?;
    if found != MAGIC {
        return Err(DecodeError::Magic { found });
    }
    match reader.u16("the version")? {
        VERSION_1 => v1::View::read(reader).map(|(view, rest)| (Payload::V1(view), rest)),
        VERSION_NANO => nano::View::read(reader).map(|(view, rest)| (Payload::Nano(view), rest)),
        found => Err(DecodeError::Version { found }),
    }
}

/// Appends fixed-size fields to a buffer. A chunk of `N` bytes is put in at once: one check for room.
struct Chunk<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Chunk<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    #[inline]
    fn put<const M: usize>(mut self, field: [u8; M]) -> Self {
        if let Some(place) = self.bytes.get_mut(self.at..self.at + M) {
            place.copy_from_slice(&field);
        }
        self.at += M;
        self
    }
}
