//! The one place where bytes of trace slots become values. Every bit pattern decodes to something; whether it
//! makes sense is for [`super::assemble()`] to say.

use profiler_common::limits::MAX_TEXT_BYTES;
use profiler_common::{Entry, Extra, SlotHeader};

/// Bytes of a slot's header.
pub const HEADER_BYTES: usize = size_of::<SlotHeader>();

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = size_of::<Entry>();

/// Bytes of one extra.
pub const EXTRA_BYTES: usize = size_of::<Extra>();

const TEXT_BYTES: usize = MAX_TEXT_BYTES as usize;

/// Reads a slot's header.
#[must_use]
pub fn header(bytes: &[u8; HEADER_BYTES]) -> SlotHeader {
    let mut at = Fields { bytes, at: 0 };
    // In the order of the layout, which the tests below hold against the fields' true offsets.
    SlotHeader {
        state: at.u32(),
        outcome: at.u32(),
        handle: at.u64(),
        life: at.u64(),
        trace_id: at.u64(),
        sequence: at.u64(),
        start_ns: at.u64(),
        end_ns: at.u64(),
        key: at.u64(),
        space: at.u32(),
        process: at.u32(),
        entries: at.u32(),
        tid: at.u32(),
        task_id: at.u64(),
        unseen: at.u64(),
        parent: at.u64(),
        branch: at.u64(),
        shared: at.u32(),
        children: at.u32(),
        branches: at.u32(),
        keys: at.u32(),
        live_keys: at.u32(),
        extras: at.u32(),
        outputs: at.u32(),
        flags: at.u32(),
        batch_key: at.u64(),
        batch_serial: at.u64(),
        keys_dropped: at.u32(),
        extras_unreadable: at.u32(),
        batches_dropped: at.u32(),
        foreign_keys: at.u32(),
        scope_unsure: at.u32(),
        attributes: at.u32(),
        attributes_dropped: at.u32(),
        notes: at.u32(),
    }
}

/// Reads fields one after the other. Expressions in a struct literal are evaluated as they are written.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn u16(&mut self) -> u16 {
        let field = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        self.at += 2;
        field.map_or(0, |field| u16::from_ne_bytes(*field))
    }

    fn u32(&mut self) -> u32 {
        let field = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        self.at += 4;
        field.map_or(0, |field| u32::from_ne_bytes(*field))
    }

    fn u64(&mut self) -> u64 {
        let field = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        self.at += 8;
        field.map_or(0, |field| u64::from_ne_bytes(*field))
    }
}

/// Reads one entry.
#[must_use]
pub fn entry(bytes: &[u8; ENTRY_BYTES]) -> Entry {
    let mut at = Fields { bytes, at: 0 };
    Entry {
        ts_ns: at.u64(),
        task_id: at.u64(),
        probe: at.u16(),
        cpu: at.u16(),
        tid: at.u32(),
        process: at.u32(),
        mark: at.u32(),
    }
}

/// Reads one extra.
#[must_use]
pub fn extra(bytes: &[u8; EXTRA_BYTES]) -> Extra {
    let mut at = Fields { bytes, at: 0 };
    let (entry, probe) = (at.u16(), at.u16());
    let [kind, index] = at.u16().to_ne_bytes();
    let (len, mark) = (at.u16(), at.u32());
    let text = *bytes.last_chunk().unwrap_or(&[0; TEXT_BYTES]);
    Extra { entry, probe, kind, index, len, mark, reserved: 0, bytes: text }
}

/// Reads a slot's entries into `into`, which is emptied first: one buffer serves all slots. Bytes after the last
/// whole entry are no entry.
pub fn entries(bytes: &[u8], into: &mut Vec<Entry>) {
    let (whole, _rest) = bytes.as_chunks::<ENTRY_BYTES>();
    into.clear();
    into.extend(whole.iter().map(entry));
}

/// Reads a slot's extras into `into`, in the manner of [`entries`].
pub fn extras(bytes: &[u8], into: &mut Vec<Extra>) {
    let (whole, _rest) = bytes.as_chunks::<EXTRA_BYTES>();
    into.clear();
    into.extend(whole.iter().map(extra));
}

/// The other way, for tests and benchmarks that play the kernel.
pub(super) mod encode {
    use super::{ENTRY_BYTES, Entry, HEADER_BYTES, SlotHeader};

    pub(crate) fn header(header: &SlotHeader) -> [u8; HEADER_BYTES] {
        // SAFETY: `repr(C)`, integers only, without padding: every byte of it is initialised.
        unsafe { std::mem::transmute_copy(header) }
    }

    pub(crate) fn entry(entry: &Entry) -> [u8; ENTRY_BYTES] {
        // SAFETY: as above.
        unsafe { std::mem::transmute_copy(entry) }
    }

    #[cfg(test)]
    pub(crate) fn extra(extra: &super::Extra) -> [u8; super::EXTRA_BYTES] {
        // SAFETY: as above.
        unsafe { std::mem::transmute_copy(extra) }
    }
}

#[cfg(test)]
mod tests {
    use super::{ENTRY_BYTES, EXTRA_BYTES, Entry, HEADER_BYTES, encode};

    fn numbered<const N: usize>() -> [u8; N] {
        std::array::from_fn(|i| i as u8 + 1)
    }

    /// The encoder copies the memory of the layout, the decoder reads it field by field: what comes through unchanged was read from its own place.
    #[test]
    fn each_field_comes_from_its_own_place() {
        let mut bytes: [u8; HEADER_BYTES] = numbered();
        // The reserved words at the end are not read.
        bytes[HEADER_BYTES - 20..].fill(0);
        assert_eq!(encode::header(&super::header(&bytes)), bytes);
        let bytes: [u8; ENTRY_BYTES] = numbered();
        assert_eq!(encode::entry(&super::entry(&bytes)), bytes);
        let mut bytes: [u8; EXTRA_BYTES] = numbered();
        bytes[12..16].fill(0);
        assert_eq!(encode::extra(&super::extra(&bytes)), bytes);
    }

    #[test]
    fn a_torn_tail_is_no_entry() {
        let mut into = vec![Entry::default(); 7];
        super::entries(&[1; 2 * ENTRY_BYTES + 5], &mut into);
        assert_eq!(into.len(), 2);
        super::entries(&[], &mut into);
        assert_eq!(into.len(), 0);
        let mut into = Vec::new();
        super::extras(&[1; 3 * EXTRA_BYTES + 79], &mut into);
        assert_eq!(into.len(), 3);
    }
}
