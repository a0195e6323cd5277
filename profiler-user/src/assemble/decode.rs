//! The one place where bytes of trace slots become values. Every bit pattern decodes to something; whether it
//! makes sense is for [`super::assemble()`] to say.

use profiler_common::{Entry, SlotHeader};

/// Bytes of a slot's header.
pub const HEADER_BYTES: usize = size_of::<SlotHeader>();

/// Bytes of one entry.
pub const ENTRY_BYTES: usize = size_of::<Entry>();

/// Reads a slot's header.
#[must_use]
pub fn header(bytes: &[u8; HEADER_BYTES]) -> SlotHeader {
    SlotHeader {
        state: u32_at(bytes, 0),
        outcome: u32_at(bytes, 4),
        handle: u64_at(bytes, 8),
        trace_id: u64_at(bytes, 16),
        sequence: u64_at(bytes, 24),
        start_ns: u64_at(bytes, 32),
        end_ns: u64_at(bytes, 40),
        key: u64_at(bytes, 48),
        space: u32_at(bytes, 56),
        process: u32_at(bytes, 60),
        entries: u32_at(bytes, 64),
        tid: u32_at(bytes, 68),
        task_id: u64_at(bytes, 72),
        unseen: u64_at(bytes, 80),
        reserved: [0; 5],
    }
}

/// Reads one entry.
#[must_use]
pub fn entry(bytes: &[u8; ENTRY_BYTES]) -> Entry {
    Entry {
        ts_ns: u64_at(bytes, 0),
        task_id: u64_at(bytes, 8),
        probe: u32_at(bytes, 16),
        tid: u32_at(bytes, 20),
        cpu: u32_at(bytes, 24),
        mark: u32_at(bytes, 28),
    }
}

/// Reads a slot's entries into `into`, which is emptied first: one buffer serves all slots. Bytes after the last
/// whole entry are no entry.
pub fn entries(bytes: &[u8], into: &mut Vec<Entry>) {
    let (whole, _rest) = bytes.as_chunks::<ENTRY_BYTES>();
    into.clear();
    into.extend(whole.iter().map(entry));
}

/// The callers' offsets lie within their arrays, whose sizes the types fix; past them it reads zeroes.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |field| u32::from_ne_bytes(*field))
}

/// See [`u32_at`].
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |field| u64::from_ne_bytes(*field))
}

/// The other way, for tests and benchmarks that play the kernel.
pub(super) mod encode {
    use super::{ENTRY_BYTES, Entry, HEADER_BYTES, SlotHeader};

    pub(crate) fn header(header: &SlotHeader) -> [u8; HEADER_BYTES] {
        let SlotHeader { state, outcome, handle, trace_id, sequence, start_ns, end_ns, .. } = *header;
        let SlotHeader { key, space, process, entries, tid, task_id, unseen, reserved, .. } = *header;
        let mut out = Vec::with_capacity(HEADER_BYTES);
        [state, outcome].iter().for_each(|word| out.extend(word.to_ne_bytes()));
        [handle, trace_id, sequence, start_ns, end_ns, key]
            .iter()
            .for_each(|word| out.extend(word.to_ne_bytes()));
        [space, process, entries, tid].iter().for_each(|word| out.extend(word.to_ne_bytes()));
        [task_id, unseen].iter().for_each(|word| out.extend(word.to_ne_bytes()));
        reserved.iter().for_each(|word| out.extend(word.to_ne_bytes()));
        out.try_into().unwrap_or([0; HEADER_BYTES])
    }

    pub(crate) fn entry(entry: &Entry) -> [u8; ENTRY_BYTES] {
        let Entry { ts_ns, task_id, probe, tid, cpu, mark } = *entry;
        let mut out = Vec::with_capacity(ENTRY_BYTES);
        [ts_ns, task_id].iter().for_each(|word| out.extend(word.to_ne_bytes()));
        [probe, tid, cpu, mark].iter().for_each(|word| out.extend(word.to_ne_bytes()));
        out.try_into().unwrap_or([0; ENTRY_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::{ENTRY_BYTES, Entry, HEADER_BYTES, SlotHeader, encode};
    use std::mem::offset_of;

    #[test]
    fn each_field_comes_from_its_own_place() {
        let bytes: [u8; HEADER_BYTES] = std::array::from_fn(|i| i as u8 + 1);
        let header = super::header(&bytes);
        let u32s = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64s = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(header.state, u32s(offset_of!(SlotHeader, state)));
        assert_eq!(header.outcome, u32s(offset_of!(SlotHeader, outcome)));
        assert_eq!(header.handle, u64s(offset_of!(SlotHeader, handle)));
        assert_eq!(header.trace_id, u64s(offset_of!(SlotHeader, trace_id)));
        assert_eq!(header.sequence, u64s(offset_of!(SlotHeader, sequence)));
        assert_eq!(header.start_ns, u64s(offset_of!(SlotHeader, start_ns)));
        assert_eq!(header.end_ns, u64s(offset_of!(SlotHeader, end_ns)));
        assert_eq!(header.key, u64s(offset_of!(SlotHeader, key)));
        assert_eq!(header.space, u32s(offset_of!(SlotHeader, space)));
        assert_eq!(header.process, u32s(offset_of!(SlotHeader, process)));
        assert_eq!(header.entries, u32s(offset_of!(SlotHeader, entries)));
        assert_eq!(header.tid, u32s(offset_of!(SlotHeader, tid)));
        assert_eq!(header.task_id, u64s(offset_of!(SlotHeader, task_id)));
        assert_eq!(header.unseen, u64s(offset_of!(SlotHeader, unseen)));
    }

    #[test]
    fn each_field_of_an_entry_comes_from_its_own_place() {
        let bytes: [u8; ENTRY_BYTES] = std::array::from_fn(|i| i as u8 + 1);
        let entry = super::entry(&bytes);
        let u32s = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let u64s = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!(entry.ts_ns, u64s(offset_of!(Entry, ts_ns)));
        assert_eq!(entry.task_id, u64s(offset_of!(Entry, task_id)));
        assert_eq!(entry.probe, u32s(offset_of!(Entry, probe)));
        assert_eq!(entry.tid, u32s(offset_of!(Entry, tid)));
        assert_eq!(entry.cpu, u32s(offset_of!(Entry, cpu)));
        assert_eq!(entry.mark, u32s(offset_of!(Entry, mark)));
        assert_eq!(encode::entry(&entry), bytes);
    }

    #[test]
    fn a_torn_tail_is_no_entry() {
        let mut into = vec![Entry::default(); 7];
        super::entries(&[1; 2 * ENTRY_BYTES + 5], &mut into);
        assert_eq!(into.len(), 2);
        super::entries(&[], &mut into);
        assert_eq!(into.len(), 0);
    }

    proptest::proptest! {
        #[test]
        fn headers_survive_the_way_through_bytes(numbers: [u64; 8], small: [u32; 6]) {
            let [handle, trace_id, sequence, start_ns, end_ns, key, task_id, unseen] = numbers;
            let [state, outcome, space, process, entries, tid] = small;
            let header = SlotHeader {
                state, outcome, handle, trace_id, sequence, start_ns, end_ns, key, space, process, entries, tid, task_id,
                unseen, reserved: [0; 5],
            };
            proptest::prop_assert_eq!(super::header(&encode::header(&header)), header);
        }
    }
}
