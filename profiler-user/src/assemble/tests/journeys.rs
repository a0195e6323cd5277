//! Journeys of more than one slot: branches, with what they share; and what lies beside the stamps.

use std::sync::Arc;

use profiler_common::{Extra, ExtraKind, Handle, Outcome, SlotHeader, StageCode};

use super::super::{Ancestor, AttributeDecoder, Corrupt, Lineage, Slot, StageDecoder, Tables, assemble};
use super::{GENERATION, MARK, at, header, slot, tables, torn};
use crate::assemble::{Part, ProbePlace, ProbeTable};
use crate::trace::{AttributeValue, BranchPath, Membership, Trace};

/// Probe 6 makes branches, beside the probes of [`tables`].
fn probes() -> ProbeTable {
    let (mut probes, _, _) = tables();
    probes.set(6, ProbePlace { stage: 60, code: StageCode::TRANSFORM_OUT, part: Part::Branches });
    probes.set_decoders(vec![
        StageDecoder {
            attributes: vec![
                AttributeDecoder { is_signed: true, words: vec![(5, "five".into())] },
                AttributeDecoder::default(),
            ],
            unit_ns: 1_000_000,
        };
        61
    ]);
    probes
}

fn run(slot: &Slot<'_>) -> Result<Trace, Corrupt> {
    let (_, clock, processes) = tables();
    let probes = probes();
    assemble(slot, &Tables { probes: &probes, clock: &clock, processes: &processes })
}

/// A journey that branched off the one in slot `parent`, when that had `shared` entries.
fn child(of: u32, path: u64, shared: u32, outcome: Outcome) -> SlotHeader {
    SlotHeader { parent: Handle::new(of, GENERATION).0, branch: path, shared, ..header(outcome, 1, 900) }
}

fn in_slot(number: u32, header: SlotHeader) -> SlotHeader {
    SlotHeader { handle: Handle::new(number, GENERATION).0, ..header }
}

fn times(trace: &Trace) -> Vec<u64> {
    trace.stamps.iter().map(|stamp| stamp.ts_ns).collect()
}

#[test]
fn a_branch_of_a_branch_shows_what_it_shares_with_both() {
    let root = in_slot(1, SlotHeader { children: 2, branches: 1, ..header(Outcome::Split, 3, 400) });
    let root_entries = slot(&[at(0, 100), at(1, 110), at(2, 500)], torn(4, 0));
    let root = Ancestor::of(&Slot { header: &root, entries: &root_entries, extras: &[], parent: None });
    let middle = in_slot(2, SlotHeader { branches: 1, entries: 3, ..child(1, 1, 2, Outcome::Split) });
    let middle_entries = slot(&[at(6, 130), at(1, 140), at(2, 200)], torn(4, 0));
    let middle_slot = Slot { header: &middle, entries: &middle_entries, extras: &[], parent: Some(&root) };
    let leaf = in_slot(3, SlotHeader { entries: 2, ..child(2, 0x0101, 2, Outcome::Written) });
    let leaf_entries = slot(&[at(6, 160), at(1, 170)], at(4, 900));

    let shown = run(&middle_slot).unwrap();
    // The root's last stamp came after the branch was made.
    assert_eq!((times(&shown), shown.shared), (vec![100, 110, 130, 140, 200], 2));
    assert_eq!((shown.branch, shown.branches, shown.outcome), (BranchPath(1), 1, Outcome::Split));
    let middle = Ancestor::of(&middle_slot);
    let shown =
        run(&Slot { header: &leaf, entries: &leaf_entries, extras: &[], parent: Some(&middle) }).unwrap();
    assert_eq!((times(&shown), shown.shared), (vec![100, 110, 130, 140, 160, 170, 900], 4));
    assert_eq!((shown.branch.to_string(), shown.e2e_ns()), ("1.1".to_owned(), Some(800)));
    assert_eq!(shown.own_hops().count(), 3);
}

/// Its parent had no room for two of its seven stamps when it branched off.
#[test]
fn a_branch_says_what_is_missing_of_its_parent() {
    let root = in_slot(1, SlotHeader { children: 1, branches: 1, ..header(Outcome::Written, 8, 400) });
    let passed = [at(0, 100), at(1, 110), at(2, 120), at(1, 130), at(2, 140)];
    let entries = slot(&passed, at(4, 400));
    let root = Ancestor::of(&Slot { header: &root, entries: &entries, extras: &[], parent: None });
    for (shared, dropped, gaps) in [
        (7, 2, [false, false, false, false, true, false, true]),
        (5, 0, [false, false, false, false, false, false, false]),
    ] {
        let leaf = in_slot(2, SlotHeader { entries: 2, ..child(1, 1, shared, Outcome::Written) });
        let entries = slot(&[at(6, 160), at(1, 170)], at(4, 900));
        let slot = Slot { header: &leaf, entries: &entries, extras: &[], parent: Some(&root) };
        let shown = run(&slot).unwrap();
        assert_eq!(times(&shown), [100, 110, 120, 130, 140, 160, 170, 900]);
        assert_eq!((shown.shared, shown.flags.entries_dropped), (5, dropped));
        assert_eq!(shown.hops().map(|hop| hop.has_gap).collect::<Vec<_>>(), gaps);
        // The last hop is left out, too, as it may be this journey's own stamps that are missing.
        assert_eq!(shown.own_hops().filter(|hop| !hop.has_gap).count(), if dropped > 0 { 1 } else { 3 });
    }
}

#[test]
fn a_branch_is_none_without_its_parent_or_without_a_split() {
    let header = child(1, 1, 1, Outcome::Written);
    let entries = slot(&[at(6, 130)], at(4, 900));
    let orphan = Slot { header: &header, entries: &entries, extras: &[], parent: None };
    assert_eq!(run(&orphan), Err(Corrupt::NoParent));
    let entries = slot(&[at(0, 130)], at(4, 900));
    assert_eq!(run(&Slot { entries: &entries, ..orphan }), Err(Corrupt::FirstNotSource(0)));
    let plain = super::header(Outcome::Written, 1, 900);
    let entries = slot(&[at(6, 100)], at(4, 900));
    assert_eq!(run(&Slot { header: &plain, entries: &entries, ..orphan }), Err(Corrupt::FirstNotSource(6)));
}

#[test]
fn a_partial_journey_may_begin_and_end_anywhere() {
    let begun = |probe, outcome| {
        let header = SlotHeader { flags: SlotHeader::PARTIAL, ..header(outcome, 1, 900) };
        let entries = slot(&[at(probe, 100)], torn(4, 0));
        run(&Slot { header: &header, entries: &entries, extras: &[], parent: None })
    };
    let met = begun(1, Outcome::Expired).unwrap();
    assert!(met.flags.is_partial);
    // Met at the sink: one stamp is both its beginning and its end.
    assert_eq!(times(&begun(4, Outcome::Written).unwrap()), [100]);
    assert_eq!(begun(6, Outcome::Written), Err(Corrupt::FirstNotSource(6)));
}

#[test]
fn a_record_filtered_by_its_scope_has_no_last_stamp() {
    let header = SlotHeader { flags: 0, ..header(Outcome::Filtered, 2, 900) };
    let entries = slot(&[at(0, 100), at(1, 200)], torn(5, 0));
    let trace = run(&Slot { header: &header, entries: &entries, extras: &[], parent: None }).unwrap();
    assert_eq!((times(&trace), trace.outcome, trace.end_ns), (vec![100, 200], Outcome::Filtered, 900));
    let written = SlotHeader { outcome: Outcome::Written.code(), ..header };
    let slot = Slot { header: &written, entries: &entries, extras: &[], parent: None };
    assert_eq!(run(&slot), Err(Corrupt::NoTerminal));
}

/// Of the stamp in this entry, which this probe took.
fn extra((entry, probe): (u16, u16), kind: ExtraKind, index: u8, words: &[u64]) -> Extra {
    let mut bytes = [0; 64];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    Extra {
        entry,
        probe,
        kind: kind as u8,
        index,
        len: 8 * words.len() as u16,
        mark: MARK,
        reserved: 0,
        bytes,
    }
}

fn text(of: (u16, u16), index: u8, text: &[u8]) -> Extra {
    let mut extra = extra(of, ExtraKind::Text, index, &[]);
    extra.bytes[..text.len()].copy_from_slice(text);
    Extra { len: text.len() as u16, ..extra }
}

#[test]
fn attributes_and_times_come_to_their_stamps() {
    let header = SlotHeader { extras: 9, ..header(Outcome::Written, 3, 900) };
    // Entry 1 was stamped after entry 2.
    let entries = slot(&[at(0, 100), at(2, 300), at(1, 200)], at(4, 900));
    let extras = [
        text((5, 4), 1, b"d\xffb"),
        extra((0, 0), ExtraKind::Number, 0, &[5]),
        extra((1, 2), ExtraKind::Number, 0, &[u64::MAX]),
        extra((2, 1), ExtraKind::Number, 1, &[u64::MAX]),
        Extra { mark: MARK - 1, ..extra((0, 0), ExtraKind::Number, 1, &[9]) },
        extra((4, 0), ExtraKind::Number, 1, &[7]),
        Extra { kind: 99, ..extra((0, 0), ExtraKind::Number, 1, &[9]) },
        extra((0, 0), ExtraKind::RecordTime, 0, &[1]),
        extra((5, 4), ExtraKind::RecordTime, 0, &[u64::MAX / 2]),
    ];
    let trace = run(&Slot { header: &header, entries: &entries, extras: &extras, parent: None }).unwrap();
    let shown: Vec<_> = trace.attributes.iter().map(|a| (a.stamp, a.index, a.value.to_string())).collect();
    assert_eq!(
        shown,
        [
            (0, 0, "five".into()),
            (1, 1, u64::MAX.to_string()),
            (2, 0, "-1".into()),
            (3, 1, "d\u{fffd}b".into())
        ]
    );
    assert_eq!(trace.attributes[0].value, AttributeValue::Word("five".into()));
    // The wall clock is a million nanoseconds ahead of the monotonic one; a time past 64 bits of nanoseconds is left out.
    let times: Vec<_> =
        trace.record_times.iter().map(|time| (time.stamp, time.event_ns, time.latency_ns)).collect();
    assert_eq!(times, [(0, 1_000_000, 100)]);
}

#[test]
fn a_batch_that_is_put_into_a_bigger_one_keeps_its_members_in_their_order() {
    let header = SlotHeader { extras: 4, ..header(Outcome::Written, 3, 900) };
    let entries = slot(&[at(0, 100), at(1, 200), at(2, 300)], at(4, 900));
    let extras = [
        extra((1, 1), ExtraKind::Put, 0, &[0xAA, 7, 3]),
        extra((2, 2), ExtraKind::Taken, 0, &[0xAA, 7, 5]),
        extra((2, 2), ExtraKind::Moved, 0, &[0xBB, 8, 40]),
        extra((5, 4), ExtraKind::Taken, 0, &[0xBB, 8, 45]),
    ];
    let full = Slot { header: &header, entries: &entries, extras: &extras, parent: None };
    assert_eq!(
        run(&full).unwrap().batches,
        [
            Membership { stamp: 1, key: 0xAA, position: 3, size: Some(5) },
            Membership { stamp: 2, key: 0xBB, position: 43, size: Some(45) },
        ]
    );
    let cut = SlotHeader {
        attributes_dropped: 8,
        keys_dropped: 2,
        batches_dropped: 1,
        extras_unreadable: 3,
        ..header
    };
    let flags = run(&Slot { header: &cut, extras: &extras[..1], ..full }).unwrap().flags;
    assert_eq!(
        (flags.attributes_dropped, flags.keys_dropped, flags.batches_dropped, flags.attributes_unreadable),
        (8, 2, 1, 3)
    );
}

/// Of two ends the second one's stamp is not shown; a batch was merged when the trace had no room for another stamp.
#[test]
fn what_another_probe_read_is_of_no_stamp_that_is_shown() {
    let header = SlotHeader { extras: 5, entries: 6, ..header(Outcome::Written, 3, 900) };
    let passed = [at(0, 100), at(1, 200), at(2, 300), at(1, 310), at(2, 320)];
    let entries = slot(&passed, at(4, 900));
    let extras = [
        extra((1, 1), ExtraKind::Put, 0, &[0xAA, 7, 3]),
        extra((5, 5), ExtraKind::Number, 0, &[1]),
        extra((5, 4), ExtraKind::Number, 0, &[2]),
        extra((5, 2), ExtraKind::Taken, 0, &[0xAA, 7, 5]),
        extra((5, 2), ExtraKind::Moved, 0, &[0xBB, 8, 40]),
    ];
    let trace = run(&Slot { header: &header, entries: &entries, extras: &extras, parent: None }).unwrap();
    let shown: Vec<_> = trace.attributes.iter().map(|a| (a.stamp, a.value.to_string())).collect();
    assert_eq!((shown, trace.flags.entries_dropped), (vec![(5, "2".to_owned())], 1));
    assert_eq!(trace.batches, [Membership { stamp: 1, key: 0xAA, position: 3, size: Some(5) }]);
}

#[test]
fn a_branch_inherits_what_its_parent_had_by_then() {
    let root = in_slot(1, SlotHeader { branches: 1, extras: 3, ..header(Outcome::Split, 3, 400) });
    let entries = slot(&[at(0, 100), at(1, 110), at(2, 300)], torn(4, 0));
    let extras = [
        text((0, 0), 1, b"orders"),
        extra((1, 1), ExtraKind::Put, 0, &[0xAA, 7, 3]),
        extra((2, 2), ExtraKind::Number, 0, &[1]),
    ];
    let root = Ancestor::of(&Slot { header: &root, entries: &entries, extras: &extras, parent: None });
    let leaf = in_slot(2, SlotHeader { extras: 1, ..child(1, 1, 2, Outcome::Written) });
    let entries = slot(&[at(6, 160)], at(4, 900));
    let extras = [extra((0, 6), ExtraKind::Number, 0, &[2])];
    let trace =
        run(&Slot { header: &leaf, entries: &entries, extras: &extras, parent: Some(&root) }).unwrap();
    let shown: Vec<_> = trace.attributes.iter().map(|a| (a.stamp, a.value.to_string())).collect();
    assert_eq!(shown, [(0, "orders".into()), (2, "2".into())]);
    assert_eq!(trace.batches, [Membership { stamp: 1, key: 0xAA, position: 3, size: None }]);
}

/// Parent and branches may be read in any order; the parent is kept as long as it is needed, and no longer.
#[test]
fn a_parent_is_kept_until_its_last_branch_was_read() {
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0]] {
        let mut lineage = Lineage::default();
        let entries = slot(&[at(0, 100)], torn(4, 0));
        let parent = in_slot(1, SlotHeader { branches: 2, ..header(Outcome::Split, 1, 400) });
        let branches =
            [2, 3].map(|number| in_slot(number, child(1, u64::from(number) - 1, 1, Outcome::Written)));
        for (step, which) in order.into_iter().enumerate() {
            let header = if which == 0 { &parent } else { &branches[which - 1] };
            lineage.read(&Slot { header, entries: &entries, extras: &[], parent: None });
            let read: Vec<_> = order[..=step].to_vec();
            let kept = lineage.get(parent.handle).map(Arc::clone);
            assert_eq!(kept.is_some(), read.contains(&0) && read.len() < 3, "{order:?} after {read:?}");
        }
        assert!(lineage.is_empty(), "{order:?}: {} left", lineage.len());
    }
}
