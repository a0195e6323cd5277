//! Input for the assembly benchmark: slots as the kernel program leaves them, so that decoding is measured too.

use profiler_common::{Entry, Handle, Outcome, SlotHeader, SlotState, StageCode, trace_id};

use super::decode::{self, ENTRY_BYTES, HEADER_BYTES};
use super::{Part, ProbePlace, ProbeTable, Processes, Slot, Tables, WallClock, assemble};

/// Slots with their tables.
#[derive(Clone, Debug)]
pub struct Input {
    headers: Vec<[u8; HEADER_BYTES]>,
    entries: Vec<u8>,
    slot_bytes: usize,
    probes: ProbeTable,
    clock: WallClock,
    processes: Processes,
}

/// So many slots of `max_entries` entries each, every one with a complete journey of six stages.
#[must_use]
pub fn input(slots: u32, max_entries: usize) -> Input {
    let max_entries = max_entries.max(STAGES.len());
    let mut input = Input {
        headers: Vec::new(),
        entries: Vec::new(),
        slot_bytes: max_entries * ENTRY_BYTES,
        probes: six_stages(),
        clock: WallClock { offset_ns: 1_700_000_000_000_000_000 },
        processes: Processes::from_iter([(1, 4242)]),
    };
    for slot in 0..slots {
        let handle = Handle::new(slot, 7);
        input.headers.push(decode::encode::header(&header(slot, handle)));
        let mut entries = vec![Entry::default(); max_entries];
        for (index, _) in STAGES.iter().enumerate() {
            let place = if index + 1 == STAGES.len() { max_entries - 1 } else { index };
            if let Some(entry) = entries.get_mut(place) {
                *entry = stamp(slot, handle, index as u16);
            }
        }
        input.entries.extend(entries.iter().flat_map(decode::encode::entry));
    }
    input
}

/// Decodes and assembles every slot once; gives the number of traces.
#[must_use]
pub fn run(input: &Input) -> u64 {
    let tables = Tables { probes: &input.probes, clock: &input.clock, processes: &input.processes };
    let mut entries = Vec::new();
    let mut traces = 0;
    for (header, bytes) in input.headers.iter().zip(input.entries.chunks(input.slot_bytes)) {
        decode::entries(bytes, &mut entries);
        let header = decode::header(header);
        let slot = Slot { header: &header, entries: &entries, extras: &[], parent: None };
        let trace = assemble(&slot, &tables);
        traces += u64::from(std::hint::black_box(trace).is_ok());
    }
    traces
}

const STAGES: [(StageCode, Part); 6] = [
    (StageCode::SOURCE, Part::Begins),
    (StageCode::ENQUEUE, Part::Passes),
    (StageCode::DEQUEUE, Part::Passes),
    (StageCode::TRANSFORM_IN, Part::Passes),
    (StageCode::TRANSFORM_OUT, Part::Passes),
    (StageCode::SINK, Part::Ends(Outcome::Written)),
];

fn six_stages() -> ProbeTable {
    let mut table = ProbeTable::default();
    for (stage, (code, part)) in STAGES.into_iter().enumerate() {
        table.set(stage as u32, ProbePlace { stage, code, part });
    }
    table
}

fn header(slot: u32, handle: Handle) -> SlotHeader {
    let start_ns = start_ns(slot);
    SlotHeader {
        state: SlotState::Finished as u32,
        outcome: Outcome::Written.code(),
        handle: handle.0,
        flags: SlotHeader::HAS_TERMINAL,
        trace_id: trace_id(4300, u64::from(slot), 1_700_000_000_000),
        sequence: u64::from(slot) * 1000,
        start_ns,
        end_ns: start_ns + 5_000,
        key: 0x7f00_0000_0000 + u64::from(slot) * 64,
        process: 1,
        entries: 5,
        tid: 4300,
        task_id: 4300,
        ..SlotHeader::default()
    }
}

fn stamp(slot: u32, handle: Handle, index: u16) -> Entry {
    let ts_ns = start_ns(slot) + u64::from(index) * 1_000;
    let mark = handle.generation() as u32;
    Entry { ts_ns, task_id: 4300, probe: index, cpu: index % 2, tid: 4300, process: 1, mark }
}

fn start_ns(slot: u32) -> u64 {
    1_000_000_000 + u64::from(slot) * 10_000
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_slot_is_a_trace() {
        assert_eq!(super::run(&super::input(1000, 32)), 1000);
        assert_eq!(super::run(&super::input(10, 0)), 10);
    }

    /// `cargo test --release -p profiler-user --lib assemble::bench -- --ignored --nocapture` prints the rate.
    #[test]
    #[ignore = "a measurement, for an idle machine and a release build"]
    fn rate() {
        let input = super::input(10_000, 32);
        let start = std::time::Instant::now();
        let traces: u64 = (0..100).map(|_| super::run(&input)).sum();
        println!("{:.0} traces/s", traces as f64 / start.elapsed().as_secs_f64());
    }
}
