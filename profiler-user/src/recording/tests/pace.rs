//! Replays, with a clock of the test's own.

use super::recorded;
use crate::feed::FeedEvent;
use crate::feed::testing::{ended, info, tick, trace_event};
use crate::recording::{Pace, Reader, Replay, event_ns, survey};
use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;

/// Ten seconds from the first on, a trace and a tick in each.
fn bytes() -> Vec<u8> {
    let mut events = vec![FeedEvent::Started(Arc::new(info()))];
    for second in 1..=10u64 {
        let start = second * SECOND + SECOND / 2;
        events.push(trace_event(&format!("S0@{start} W!@{}", start + 100)));
        events.push(FeedEvent::Tick(tick(second + 1)));
    }
    events.push(ended("duration"));
    recorded(&events).0
}

fn replay(pace: Pace, now_ns: u64) -> Replay<Cursor<Vec<u8>>> {
    Replay::new(Reader::new(Cursor::new(bytes())).unwrap(), pace, now_ns).unwrap()
}

/// How many events are due.
fn due(replay: &mut Replay<Cursor<Vec<u8>>>, now_ns: u64) -> usize {
    let mut events = VecDeque::new();
    while replay.due(now_ns, &mut events).unwrap() {}
    events.len()
}

#[test]
fn time_passes_as_it_was_recorded() {
    let mut at_once = replay(Pace::Times(1), 50);
    assert_eq!(due(&mut at_once, 50), 1);
    assert_eq!(due(&mut at_once, 50 + SECOND / 2), 0);
    assert_eq!(due(&mut at_once, 50 + SECOND / 2 + 100), 1);
    assert_eq!(due(&mut at_once, 50 + SECOND), 1);
    assert_eq!(due(&mut at_once, 50 + 10 * SECOND - 1), 17);
    assert!(!at_once.is_over());
    // The last tick, and the end that has no later time.
    assert_eq!((due(&mut at_once, 50 + 10 * SECOND), at_once.is_over()), (2, true));
}

#[test]
fn the_pace_can_change_at_any_time() {
    let mut fast = replay(Pace::Times(1000), 0);
    assert_eq!(due(&mut fast, 2_000_000), 1 + 4);
    assert_eq!(fast.clock_ns(2_000_000), 3 * SECOND);
    fast.set_pace(Pace::Paused, 2_000_000);
    assert_eq!((due(&mut fast, 90 * SECOND), fast.clock_ns(90 * SECOND)), (0, 3 * SECOND));
    fast.set_pace(Pace::Times(2), 90 * SECOND);
    assert_eq!(due(&mut fast, 91 * SECOND), 4);
}

#[test]
fn steps_go_from_trace_to_trace() {
    let mut steps = replay(Pace::Paused, 0);
    let mut events = VecDeque::new();
    assert!(steps.step(0, &mut events).unwrap());
    assert!(matches!(events.make_contiguous(), [FeedEvent::Started(_), FeedEvent::Trace(_)]));
    assert_eq!(steps.clock_ns(0), event_ns(&events[1]));
    let mut count = 1;
    while steps.step(0, &mut events).unwrap() {
        count += 1;
    }
    // The eleventh finds no trace any more, and the end.
    assert_eq!((count, events.len(), steps.is_over()), (11, 22, true));
}

#[test]
fn a_way_back_begins_anew() {
    let mut seeks = replay(Pace::Paused, 0);
    assert!(!seeks.seek(8 * SECOND, 0).unwrap());
    assert_eq!(due(&mut seeks, 0), 1 + 14);
    assert!(seeks.seek(3 * SECOND, 0).unwrap());
    assert_eq!((due(&mut seeks, 0), seeks.clock_ns(0)), (1 + 4, 3 * SECOND));
    assert!(!seeks.seek(100 * SECOND, 0).unwrap());
    assert_eq!((due(&mut seeks, 0), seeks.is_over()), (17, true));
}

#[test]
fn a_survey_tells_how_long_it_is() {
    let mut reader = Reader::new(Cursor::new(bytes())).unwrap();
    let found = survey(&mut reader).unwrap();
    assert_eq!(
        (found.first_ns, found.last_ns, found.traces, found.is_complete),
        (SECOND, 11 * SECOND, 10, true)
    );
    reader.rewind().unwrap();
    assert_eq!(survey(&mut reader).unwrap(), found);
}
