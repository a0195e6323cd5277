use proptest::prelude::*;

use super::*;

mod journeys;
use profiler_common::{Handle, StageCode};

const GENERATION: u64 = (3 << 32) + 9;
const MARK: u32 = 9;
const MAX: usize = 6;

fn tables() -> (ProbeTable, WallClock, Processes) {
    let mut probes = ProbeTable::default();
    for (probe, code, part) in [
        (0, StageCode::SOURCE, Part::Begins),
        (1, StageCode::ENQUEUE, Part::Passes),
        (2, StageCode::DEQUEUE, Part::Passes),
        (4, StageCode::SINK, Part::Ends(Outcome::Written)),
        (5, StageCode::DROP, Part::Ends(Outcome::Filtered)),
    ] {
        probes.set(probe, ProbePlace { stage: probe as usize * 10, code, part });
    }
    (probes, WallClock { offset_ns: 1_000_000 }, Processes::from_iter([(3, 4242)]))
}

fn header(outcome: Outcome, entries: u32, end_ns: u64) -> SlotHeader {
    let flags = if outcome.has_terminal_stamp() { SlotHeader::HAS_TERMINAL } else { 0 };
    SlotHeader {
        flags,
        outcome: outcome.code(),
        handle: Handle::new(77, GENERATION).0,
        trace_id: 5,
        sequence: 300,
        start_ns: 100,
        end_ns,
        key: u64::MAX,
        process: 3,
        entries,
        ..SlotHeader::default()
    }
}

fn at(probe: u16, ts_ns: u64) -> Entry {
    Entry { ts_ns, task_id: u64::MAX, probe, cpu: 1, tid: 7, process: 3, mark: MARK }
}

fn torn(probe: u16, ts_ns: u64) -> Entry {
    Entry { mark: MARK - 1, ..at(probe, ts_ns) }
}

/// A slot of six entries with these from 0, and this in the last place.
fn slot(passed: &[Entry], terminal: Entry) -> Vec<Entry> {
    let mut entries = vec![torn(1, 1); MAX];
    entries[..passed.len()].copy_from_slice(passed);
    entries[MAX - 1] = terminal;
    entries
}

fn run(header: &SlotHeader, entries: &[Entry]) -> Result<Trace, Corrupt> {
    let (probes, clock, processes) = tables();
    let tables = Tables { probes: &probes, clock: &clock, processes: &processes };
    assemble(&Slot { header, entries, extras: &[], parent: None }, &tables)
}

/// Probe and time of each stamp, and the flags as (dropped, late, torn, early).
type Shown = (Vec<(u32, u64)>, [u32; 4]);

fn shown(trace: &Trace) -> Shown {
    let Flags { entries_dropped, late_stamps, torn_stamps, early_stamps, .. } = trace.flags;
    let stamps = trace.stamps.iter().map(|stamp| (stamp.probe, stamp.ts_ns)).collect();
    (stamps, [entries_dropped, late_stamps, torn_stamps, early_stamps])
}

#[test]
fn journeys() {
    use Outcome::{Expired, Filtered, Superseded, Written};
    let whole = [at(0, 100), at(1, 110), at(2, 120)];
    let cases: [(&str, SlotHeader, Vec<Entry>, Shown); 12] = [
        (
            "whole",
            header(Written, 3, 130),
            slot(&whole, at(4, 130)),
            (vec![(0, 100), (1, 110), (2, 120), (4, 130)], [0; 4]),
        ),
        (
            "filtered",
            header(Filtered, 2, 130),
            slot(&whole, at(5, 130)),
            (vec![(0, 100), (1, 110), (5, 130)], [0; 4]),
        ),
        ("two stamps", header(Written, 1, 130), slot(&whole, at(4, 130)), (vec![(0, 100), (4, 130)], [0; 4])),
        (
            "no terminal stamp",
            header(Expired, 2, 999),
            slot(&whole, at(4, 130)),
            (vec![(0, 100), (1, 110)], [0; 4]),
        ),
        ("superseded at S0", header(Superseded, 1, 100), slot(&whole, at(4, 130)), (vec![(0, 100)], [0; 4])),
        (
            "out of order",
            header(Written, 4, 130),
            slot(&[at(0, 100), at(2, 120), at(1, 110), at(1, 105)], at(4, 130)),
            (vec![(0, 100), (1, 105), (1, 110), (2, 120), (4, 130)], [0; 4]),
        ),
        (
            "the same nanosecond",
            header(Written, 4, 100),
            slot(&[at(0, 100), at(2, 100), at(1, 100), at(2, 100)], at(4, 100)),
            (vec![(0, 100), (2, 100), (1, 100), (2, 100), (4, 100)], [0; 4]),
        ),
        (
            "late",
            header(Written, 3, 115),
            slot(&whole, at(4, 115)),
            (vec![(0, 100), (1, 110), (4, 115)], [0, 1, 0, 0]),
        ),
        (
            "early",
            header(Written, 3, 130),
            slot(&[at(0, 100), at(2, 99), at(1, 110)], at(4, 130)),
            (vec![(0, 100), (1, 110), (4, 130)], [0, 0, 0, 1]),
        ),
        (
            "torn",
            header(Written, 3, 130),
            slot(&[at(0, 100), torn(1, 110), at(2, 120)], at(4, 130)),
            (vec![(0, 100), (2, 120), (4, 130)], [0, 0, 1, 0]),
        ),
        (
            "unknown probe, a save site, a source and an end on the way",
            header(Written, 5, 130),
            slot(&[at(0, 100), at(9999, 110), at(3, 111), at(0, 112), at(4, 113)], at(4, 130)),
            (vec![(0, 100), (4, 130)], [0, 0, 4, 0]),
        ),
        (
            "more than the slot holds",
            header(Written, 5 + 11, 130),
            slot(&[at(0, 100), at(1, 101), at(2, 102), at(1, 103), at(2, 104)], at(4, 130)),
            (vec![(0, 100), (1, 101), (2, 102), (1, 103), (2, 104), (4, 130)], [11, 0, 0, 0]),
        ),
    ];
    for (name, header, entries, expected) in cases {
        assert_eq!(run(&header, &entries).map(|trace| shown(&trace)), Ok(expected), "{name}");
    }
}

#[test]
fn names_and_numbers_come_through() {
    let trace = run(&header(Outcome::Written, 1, 130), &slot(&[at(0, 100)], at(4, 130))).unwrap();
    assert_eq!((trace.id, trace.outcome, trace.pid, trace.key), (5, Outcome::Written, 4242, u64::MAX));
    assert_eq!((trace.sequence, trace.start_ns, trace.wall_ns, trace.end_ns), (300, 100, 1_000_100, 130));
    let last = trace.stamps[1];
    assert_eq!((last.stage, last.code, last.task_id, last.tid, last.cpu), (40, StageCode::SINK, -1, 7, 1));
}

#[test]
fn what_is_no_journey_says_why() {
    let good = header(Outcome::Written, 1, 130);
    let entries = slot(&[at(0, 100)], at(4, 130));
    let with = |change: fn(&mut SlotHeader)| {
        let mut header = good;
        change(&mut header);
        header
    };
    let cases = [
        (good, vec![], Corrupt::TooSmall(0)),
        (good, vec![at(0, 100)], Corrupt::TooSmall(1)),
        (with(|h| h.outcome = 0), entries.clone(), Corrupt::Outcome(0)),
        (with(|h| h.outcome = 25), entries.clone(), Corrupt::Outcome(25)),
        (with(|h| h.trace_id = 1 << 63), entries.clone(), Corrupt::TraceId(1 << 63)),
        (with(|h| h.process = 4), entries.clone(), Corrupt::Process(4)),
        (with(|h| h.end_ns = 99), entries.clone(), Corrupt::EndsBeforeStart { start_ns: 100, end_ns: 99 }),
        (with(|h| h.entries = 0), entries.clone(), Corrupt::NoFirst),
        (good, slot(&[torn(0, 100)], at(4, 130)), Corrupt::NoFirst),
        (with(|h| h.handle = Handle::new(77, GENERATION + 1).0), entries.clone(), Corrupt::NoFirst),
        (good, slot(&[at(1, 100)], at(4, 130)), Corrupt::FirstNotSource(1)),
        (good, slot(&[at(77, 100)], at(4, 130)), Corrupt::FirstNotSource(77)),
        (good, slot(&[at(0, 101)], at(4, 130)), Corrupt::FirstTime { entry_ns: 101, start_ns: 100 }),
        (good, slot(&[at(0, 100)], torn(4, 130)), Corrupt::NoTerminal),
        (good, slot(&[at(0, 100)], at(5, 130)), Corrupt::TerminalProbe(5)),
        (good, slot(&[at(0, 100)], at(1, 130)), Corrupt::TerminalProbe(1)),
        (good, slot(&[at(0, 100)], at(4, 131)), Corrupt::TerminalTime { entry_ns: 131, end_ns: 130 }),
    ];
    for (header, entries, reason) in cases {
        assert_eq!(run(&header, &entries), Err(reason), "{reason}");
    }
}

#[test]
fn a_table_takes_the_sites_of_a_plan() {
    let table = ProbeTable::new(&[], &[]);
    assert_eq!(table, ProbeTable::default());
    let mut table = table;
    let place = ProbePlace { stage: 0, code: StageCode::SOURCE, part: Part::Begins };
    table.set(u32::MAX, place);
    assert_eq!(table.get(u32::MAX), None);
    table.set(4095, place);
    assert_eq!((table.get(4095), table.get(0)), (Some(place), None));
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let mark = prop_oneof![4 => Just(MARK), 1 => any::<u32>()];
    let ts = prop_oneof![8 => 90u64..200, 1 => any::<u64>()];
    let probe = prop_oneof![8 => 0u16..7, 1 => any::<u16>()];
    (ts, any::<u64>(), probe, any::<u16>(), any::<u32>(), any::<u32>(), mark).prop_map(
        |(ts_ns, task_id, probe, cpu, tid, process, mark)| Entry {
            ts_ns,
            task_id,
            probe,
            cpu,
            tid,
            process,
            mark,
        },
    )
}

fn any_header() -> impl Strategy<Value = SlotHeader> {
    let entries = prop_oneof![8 => 0u32..12, 1 => any::<u32>()];
    (0u32..8, entries, 90u64..200, 2u32..5, any::<u64>()).prop_map(
        |(outcome, entries, end_ns, process, trace_id)| SlotHeader {
            outcome,
            process,
            trace_id: trace_id >> 1,
            ..self::header(Outcome::Written, entries, end_ns)
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_at_all(header: [u8; 32], more: [[u8; 32]; 5], entries: Vec<u8>) {
        let bytes: Vec<u8> = header.into_iter().chain(more.into_iter().flatten()).collect();
        let mut decoded = Vec::new();
        decode::entries(&entries, &mut decoded);
        let _ = run(&decode::header(&bytes.try_into().unwrap()), &decoded);
    }

    /// Whatever lies in the slot: each entry asked for is shown or counted, time never runs backwards, and the ends
    /// are the ends.
    #[test]
    fn nothing_vanishes(
        header in any_header(), mut entries in proptest::collection::vec(any_entry(), 0..9), good_first: bool,
        good_last: bool,
    ) {
        if good_first && let Some(first) = entries.first_mut() {
            *first = at(0, 100);
        }
        if good_last && let Some(last) = entries.last_mut() {
            *last = at(3 + header.outcome as u16, header.end_ns);
        }
        if let Ok(trace) = run(&header, &entries) {
            let (stamps, flags) = shown(&trace);
            let terminal = usize::from(header.flags & SlotHeader::HAS_TERMINAL != 0);
            let counted: u64 = flags.iter().map(|&count| u64::from(count)).sum();
            prop_assert_eq!((stamps.len() - terminal) as u64 + counted, u64::from(header.entries));
            prop_assert!(trace.stamps.is_sorted_by_key(|stamp| stamp.ts_ns));
            prop_assert_eq!(trace.stamps[0].code, StageCode::SOURCE);
            prop_assert_eq!(trace.stamps[0].ts_ns, trace.start_ns);
            prop_assert!(trace.stamps.iter().all(|stamp| stamp.ts_ns <= trace.end_ns));
            if terminal == 1 {
                prop_assert_eq!(trace.stamps.last().unwrap().ts_ns, trace.end_ns);
            }
        }
    }
}
