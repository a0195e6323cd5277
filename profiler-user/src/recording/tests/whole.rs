//! What is written is read again.

use super::arbitrary::events;
use super::{read, recorded};
use crate::feed::testing::{busy, ended, notice};
use crate::feed::{Account, Attached, FeedEvent};
use crate::recording::{Damage, Keeper, event_ns};
use proptest::prelude::*;
use std::io;
use std::sync::{Arc, Mutex};

/// Attachments with many sites come in parts: put together again.
fn joined(events: &[FeedEvent]) -> Vec<FeedEvent> {
    let mut whole: Vec<FeedEvent> = Vec::new();
    for event in events {
        if let (Some(FeedEvent::Attached(last)), FeedEvent::Attached(next)) = (whole.last_mut(), event)
            && last.sites.len().is_multiple_of(super::super::event::SITES_AT_ONCE)
            && !last.sites.is_empty()
        {
            let sites = last.sites.iter().chain(&next.sites).cloned().collect();
            *last = Arc::new(Attached { sites, ..Attached::clone(last) });
        } else {
            whole.push(event.clone());
        }
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_event_comes_back_as_it_was(events in events()) {
        let (bytes, recorded) = recorded(&events);
        let (found, damage) = read(&bytes);
        prop_assert_eq!(joined(&found), events.clone());
        prop_assert_eq!(damage, Damage::default());
        let traces = events.iter().filter(|event| matches!(event, FeedEvent::Trace(_))).count() as u64;
        prop_assert_eq!((recorded.bytes, recorded.traces, recorded.too_large), (bytes.len() as u64, traces, 0));
    }
}

#[test]
fn a_recording_comes_to_the_session_that_was_recorded() {
    let mut events = busy();
    events.push(ended("duration"));
    let (bytes, _) = recorded(&events);
    let (mut told, mut found) = (Account::default(), Account::default());
    events.iter().for_each(|event| told.add(event));
    read(&bytes).0.iter().for_each(|event| found.add(event));
    assert_eq!(format!("{:?}", found.totals().session()), format!("{:?}", told.totals().session()));
}

/// A destination that can be looked at, and that is full at some point.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Vec<u8>>>, usize);

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().unwrap();
        if disk.len() + bytes.len() > self.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_session_is_recorded_while_it_runs() {
    let disk = Disk(Arc::default(), usize::MAX);
    let (sender, receiver) = crate::feed::channel(100);
    let keeper = Keeper::start(receiver, disk.clone(), |_| ()).unwrap();
    let mut events = busy();
    events.push(ended("duration"));
    events.iter().for_each(|event| sender.send(event.clone()));
    drop(sender);
    let kept = keeper.close();
    assert_eq!((kept.recorded.traces, kept.missed, kept.error.is_none()), (2, 0, true));
    assert_eq!(read(&disk.0.lock().unwrap()).0, events);
}

#[test]
fn a_full_disk_ends_the_recording_and_nothing_else() {
    let disk = Disk(Arc::default(), 1000);
    let (sender, receiver) = crate::feed::channel(100);
    let (told, word) = std::sync::mpsc::channel();
    let on_error = move |error: &io::Error| told.send(error.kind()).unwrap();
    let keeper = Keeper::start(receiver, disk.clone(), on_error).unwrap();
    busy().iter().for_each(|event| sender.send(event.clone()));
    while !sender.is_closed() {
        // Each goes into a frame of its own sooner or later.
        sender.send(notice(&"x".repeat(500)));
        sender.send(FeedEvent::Tick(crate::feed::testing::tick(9)));
        std::thread::yield_now();
    }
    let kept = keeper.close();
    assert_eq!(word.recv().unwrap(), io::ErrorKind::StorageFull);
    assert_eq!(kept.error.unwrap().kind(), io::ErrorKind::StorageFull);
    let (found, damage) = read(&disk.0.lock().unwrap());
    assert_eq!(found[..busy().len()], busy());
    assert!(damage.is_only_cut(), "{damage:?}");
}

#[test]
fn times_of_events() {
    let times: Vec<u64> = busy().iter().map(event_ns).collect();
    let second = 1_000_000_000;
    assert_eq!(times, [second, second, 0, second, second + 900, 2 * second, 2 * second + 9100, 3 * second]);
}

#[test]
fn a_session_that_attaches_to_nothing_writes_nothing() {
    let disk = Disk(Arc::default(), usize::MAX);
    let (sender, receiver) = crate::feed::channel(100);
    let keeper = Keeper::start(receiver, disk.clone(), |_| ()).unwrap();
    [busy().swap_remove(0), notice("waiting"), ended("interrupted")]
        .iter()
        .for_each(|event| sender.send(event.clone()));
    drop(sender);
    assert_eq!(keeper.close().recorded.bytes, 0);
    assert!(disk.0.lock().unwrap().is_empty());
}

/// The bytes that the document takes apart, line by line, are those of this recording.
#[test]
fn the_document_shows_these_bytes() {
    let change = crate::sink::Change {
        setting: crate::sink::Setting::Budget,
        from: 50,
        to: 300,
        at_ns: 2_000,
        wall_ns: 5_000,
    };
    let mut trace = crate::trace::testing::trace("S0@1000 W!@1900", profiler_common::Outcome::Written);
    trace.flags.late_stamps = 1;
    let events = [FeedEvent::Trace(Arc::new(trace)), FeedEvent::Changed(change), ended("duration")];
    let (bytes, _) = recorded(&events);
    let document = include_str!("../../../../docs/recording.md");
    let (_, example) = document.split_once("```hex\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let shown: Vec<u8> = example
        .lines()
        .flat_map(|line| line.split("  ").next().unwrap_or("").split(' '))
        .filter(|word| !word.is_empty())
        .map(|word| u8::from_str_radix(word, 16).unwrap())
        .collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    assert_eq!(hex(&shown), hex(&bytes));
}
