//! A segment of the spool, byte by byte. Pure, and never panics whatever the bytes are.
//!
//! A segment is a file of records behind each other, little-endian: magic (4 bytes), CRC-32 of all that follows in the record (4), number of the batch (8),
//! traces (4), length of the body (4), body. A record counts only when it is whole; what follows one that is not was being written when the
//! program or the machine stopped.

/// The first bytes of each record.
const MAGIC: u32 = 0x3153_5453;

/// Bytes of a record before its body.
pub(super) const HEADER: usize = 24;

/// Longest body: more is damage.
pub(super) const MAX_BODY: usize = 64 << 20;

/// Traces of a batch at most, as the settings have it.
const MAX_TRACES: u32 = 100_000;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Number of the batch in its spool.
    pub(super) number: u64,
    /// Traces in it.
    pub(super) traces: u32,
    /// What is sent.
    pub(super) body: &'a [u8],
}

/// Why the bytes at a place are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// They end within it.
    #[error("the record is cut off")]
    Cut,
    /// They do not begin like one.
    #[error("no record begins here")]
    Magic,
    /// They are not what was written.
    #[error("the checksum does not fit")]
    Checksum,
}

/// Appends a record.
pub(super) fn put(out: &mut Vec<u8>, record: Record<'_>) {
    let Record { number, traces, body } = record;
    let at = out.len();
    out.extend(MAGIC.to_le_bytes());
    out.extend([0; 4]);
    out.extend(number.to_le_bytes());
    out.extend(traces.to_le_bytes());
    // The store refuses longer ones before.
    out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(body);
    let sum = crc32fast::hash(out.get(at + 8..).unwrap_or_default());
    if let Some(place) = out.get_mut(at + 4..at + 8) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}

/// The record that the bytes begin with, and how many of them it takes. `None` where nothing follows.
///
/// # Errors
/// When something follows that is no whole record.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Record<'_>, usize)>, Damage> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let header = bytes.first_chunk::<HEADER>().ok_or(Damage::Cut)?;
    let [m0, m1, m2, m3, c0, c1, c2, c3, n0, n1, n2, n3, n4, n5, n6, n7, t0, t1, t2, t3, l0, l1, l2, l3] =
        *header;
    if u32::from_le_bytes([m0, m1, m2, m3]) != MAGIC {
        return Err(Damage::Magic);
    }
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    let end = HEADER.saturating_add(length);
    let summed = bytes.get(8..end).filter(|_| length <= MAX_BODY).ok_or(Damage::Cut)?;
    if crc32fast::hash(summed) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(Damage::Checksum);
    }
    let record = Record {
        number: u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
        traces: u32::from_le_bytes([t0, t1, t2, t3]),
        body: bytes.get(HEADER..end).unwrap_or_default(),
    };
    Ok(Some((record, end)))
}

/// Where the next whole record begins, behind bytes that are none.
#[must_use]
pub(super) fn resume(bytes: &[u8]) -> Option<usize> {
    let begins = |at: &usize| matches!(first(bytes.get(*at..).unwrap_or_default()), Ok(Some(_)));
    let magic = MAGIC.to_le_bytes();
    let places = bytes.windows(magic.len()).enumerate().skip(1).filter(|(_, four)| *four == magic);
    places.map(|(at, _)| at).find(begins)
}

/// How many traces a damaged record says that it has, if it can still be believed: no batch has more.
#[must_use]
pub(super) fn claimed(bytes: &[u8]) -> u64 {
    let field = |at: usize| bytes.get(at..at + 4).and_then(|field| field.first_chunk::<4>().copied());
    let is_record = field(0).is_some_and(|magic| u32::from_le_bytes(magic) == MAGIC);
    let traces = field(16).map_or(0, u32::from_le_bytes);
    if is_record && traces <= MAX_TRACES { traces.into() } else { 0 }
}

/// One of the two places of the cursor: the number below which everything is done, and its checksum.
#[must_use]
pub(super) fn cursor(number: u64) -> [u8; 12] {
    let bytes = number.to_le_bytes();
    let mut slot = [0; 12];
    let sum = crc32fast::hash(&bytes).to_le_bytes();
    slot.iter_mut().zip(bytes.into_iter().chain(sum)).for_each(|(place, byte)| *place = byte);
    slot
}

/// The number in a place of the cursor, if it is whole.
#[must_use]
pub(super) fn read_cursor(slot: &[u8]) -> Option<u64> {
    let (number, sum) = slot.first_chunk::<12>()?.split_first_chunk::<8>()?;
    (crc32fast::hash(number).to_le_bytes() == *sum).then(|| u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::{Damage, HEADER, Record, claimed, cursor, first, put, read_cursor, resume};
    use proptest::prelude::*;

    #[test]
    fn records_are_read_back_until_the_tear() {
        let mut bytes = Vec::new();
        put(&mut bytes, Record { number: 7, traces: 3, body: b"one" });
        put(&mut bytes, Record { number: 8, traces: 0, body: b"" });
        let whole = bytes.len();
        put(&mut bytes, Record { number: 9, traces: 1, body: b"two" });
        let (record, length) = first(&bytes).unwrap().unwrap();
        assert_eq!((record, length), (Record { number: 7, traces: 3, body: b"one" }, HEADER + 3));
        let (record, _) = first(&bytes[length..]).unwrap().unwrap();
        assert_eq!(record, Record { number: 8, traces: 0, body: b"" });
        for end in whole + 1..bytes.len() {
            assert_eq!(first(&bytes[whole..end]), Err(Damage::Cut));
        }
        assert_eq!(first(&[]), Ok(None));
    }

    #[test]
    fn behind_damage_the_next_record_is_found() {
        let mut bytes = Vec::new();
        put(&mut bytes, Record { number: 7, traces: 3, body: &super::MAGIC.to_le_bytes() });
        let second = bytes.len();
        put(&mut bytes, Record { number: 8, traces: 5, body: b"two" });
        for at in 0..second {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(first(&damaged).is_err());
            assert_eq!(resume(&damaged), Some(second), "{at}");
            assert!(matches!(claimed(&damaged), 0 | 3 | 67 | 16_387), "{at}");
        }
        assert_eq!((resume(&bytes[second..]), claimed(&bytes[second..]), claimed(&[])), (None, 5, 0));
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        let mut bytes = Vec::new();
        put(&mut bytes, Record { number: 7, traces: 3, body: b"a body" });
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(first(&damaged).is_err(), "bit {bit}");
        }
        let slot = cursor(123_456);
        assert_eq!(read_cursor(&slot), Some(123_456));
        for bit in 0..96 {
            let mut damaged = slot;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_cursor(&damaged), None, "bit {bit}");
        }
        assert_eq!(read_cursor(&slot[..11]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), with_magic: bool) {
            let mut bytes = bytes;
            if with_magic {
                bytes.splice(0..0, super::MAGIC.to_le_bytes());
            }
            let _ = (first(&bytes), resume(&bytes), claimed(&bytes));
            let _ = read_cursor(&bytes);
        }
    }
}
