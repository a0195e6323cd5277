use super::{FEWEST, MAX_CELLS, MAX_LANES, MAX_SLOTS, SECOND_NS, Subject, Windows};
use crate::trace::Trace;
use crate::trace::testing::trace;
use profiler_common::Outcome;

const HOP: Subject = Subject::Hop(0, 1);

/// A record that took `ns` and was written `at`.
fn written(at: u64, ns: u64) -> Trace {
    trace(&format!("S0@{} W!@{at}", at - ns), Outcome::Written)
}

fn counts(windows: &Windows, from: u64, to: u64, most: usize) -> Vec<u64> {
    let columns = windows.columns(HOP, from * SECOND_NS, to * SECOND_NS, most);
    columns.iter().map(|column| column.sum.count()).collect()
}

#[test]
fn the_last_minutes_are_kept_by_the_second() {
    let mut windows = Windows::default();
    for second in 100..110u64 {
        for index in 0..second - 99 {
            windows.add(&written(second * SECOND_NS + index, 1000 * (second - 99)));
        }
    }
    assert_eq!(windows.span_ns(), Some((100 * SECOND_NS, 110 * SECOND_NS)));
    assert_eq!(counts(&windows, 100, 110, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(counts(&windows, 100, 110, 5), [3, 7, 11, 15, 19]);
    assert_eq!(counts(&windows, 104, 106, 10), [5, 6]);
    let loads = windows.loads(HOP, 100 * SECOND_NS, 110 * SECOND_NS, 5);
    assert_eq!(loads.iter().map(|load| load.count).collect::<Vec<_>>(), [3, 7, 11, 15, 19]);
    assert_eq!((loads[0].total_ns, loads[0].mean_ns()), (5_000, 1_666));
    assert_eq!(windows.figures(HOP, 105 * SECOND_NS, 107 * SECOND_NS).unwrap().count, 13);
    let last = windows.figures(HOP, 109 * SECOND_NS, 110 * SECOND_NS).unwrap();
    assert_eq!((last.count, last.total_ns, last.max_ns), (10, 100_000, 10_000));
    assert_eq!(
        windows.figures(HOP, 109 * SECOND_NS, 110 * SECOND_NS),
        windows.figures(Subject::EndToEnd, 109 * SECOND_NS, 110 * SECOND_NS)
    );
    assert_eq!(windows.figures(Subject::QueueWait, 0, 200 * SECOND_NS), None);
    assert_eq!(windows.subjects().collect::<Vec<_>>(), [Subject::EndToEnd, Subject::SinkWrite, HOP]);
}

#[test]
fn nothing_is_lost_as_slots_grow_wider() {
    let mut windows = Windows::default();
    // An hour and a bit, one record a second.
    let seconds = 4000u64;
    for second in 7..7 + seconds {
        windows.add(&written(second * SECOND_NS + 500, 400 + second % 3));
    }
    assert_eq!(windows.slot_ns(), 16 * SECOND_NS);
    let all = windows.figures(HOP, 0, (seconds + 7) * SECOND_NS).unwrap();
    assert_eq!((all.count, all.max_ns), (seconds, 402));
    let columns = counts(&windows, 7, 7 + seconds, 60);
    assert!(columns.len() <= 60, "{}", columns.len());
    assert_eq!(columns.iter().sum::<u64>(), seconds);
    assert_eq!(counts(&windows, seconds - 60, seconds - 50, 60), [1; 10]);
}

#[test]
fn late_news_count_in_the_second_that_fills_and_quiet_times_are_empty() {
    let mut windows = Windows::default();
    windows.add(&written(10 * SECOND_NS, 5));
    windows.advance(20 * SECOND_NS);
    windows.add(&written(11 * SECOND_NS, 5));
    assert_eq!(counts(&windows, 10, 21, 100), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let column = &windows.columns(HOP, 20 * SECOND_NS, 21 * SECOND_NS, 1)[0];
    assert!((column.rate() - 1.0).abs() < 1e-9);
}

#[test]
fn a_heat_map_has_what_occurs() {
    let mut windows = Windows::default();
    for (second, ns) in [(10, 100), (11, 100), (11, 100), (12, 100_000)] {
        windows.add(&written(second * SECOND_NS + 500_000, ns));
    }
    let heat = windows.heat(HOP, 10 * SECOND_NS, 13 * SECOND_NS, 30, 8);
    assert_eq!((heat.columns.len(), heat.rows.len(), heat.highest), (3, 8, 2));
    let column = |column| (0..8).map(|row| heat.count(column, row)).collect::<Vec<_>>();
    assert_eq!((column(0), column(1)), (vec![1, 0, 0, 0, 0, 0, 0, 0], vec![2, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(column(2), [0, 0, 0, 0, 0, 0, 0, 1]);
    let (low, high) = (heat.durations(0).unwrap().0, heat.durations(7).unwrap().1);
    assert!((94..=100).contains(&low) && high >= 100_000, "{low} {high}");
    assert_eq!(windows.heat(Subject::QueueWait, 0, 1, 3, 3).rows, []);
}

/// The memory of a day of 50 records a second is that of its first hour, whatever the latencies do.
#[test]
fn a_day_takes_no_more_memory_than_an_hour() {
    let mut windows = Windows::default();
    let mut after_an_hour = 0;
    let mut state = 1u64;
    for second in 0..86_400u64 {
        for _ in 0..50 {
            // A xorshift: durations over twenty octaves.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let ns = (state >> 44) << (state % 12);
            windows.add(&written((second + 10) * SECOND_NS, ns));
        }
        if second == 3600 {
            after_an_hour = windows.bytes();
        }
    }
    assert!(windows.bytes() < after_an_hour * 5 / 4, "{} after {after_an_hour}", windows.bytes());
    assert!(windows.bytes() < 4 << 20, "{}", windows.bytes());
    let all = windows.figures(HOP, 0, 86_410 * SECOND_NS).unwrap();
    assert_eq!(all.count, 86_400 * 50);
}

/// Every kind of hop there can be, with durations all over the scale: detail is given up before memory is.
#[test]
fn the_worst_that_can_come_stays_within_the_bound() {
    let mut windows = Windows::default();
    for second in 0..400u64 {
        windows.advance((second + 10) * SECOND_NS);
        for stage in 0..MAX_LANES + 9 {
            for step in 0..600 {
                windows.add_to(Subject::Hop(stage, stage + 1), crate::stats::scale::lowest_ns(step));
            }
        }
    }
    assert!(windows.cells() <= MAX_CELLS, "{}", windows.cells());
    assert!(windows.recent.is_none_or(|recent| recent >= FEWEST));
    assert!(400 >> windows.shift >= FEWEST / 2 && 400 >> windows.shift <= MAX_SLOTS);
    assert_eq!(windows.lanes.len(), MAX_LANES + 4);
    assert_eq!(windows.overflowed, 5 * 600 * 400);
    let all = windows.figures(HOP, 0, 500 * SECOND_NS).unwrap();
    assert_eq!(all.count, 400 * 600);
}
