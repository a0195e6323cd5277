//! Files that are cut, damaged, of another kind, or made to do harm.

use super::arbitrary::events;
use super::{read, recorded};
use crate::feed::FeedEvent;
use crate::feed::testing::{busy, ended};
use crate::recording::{Damage, FRAME_MARK, HEADER_BYTES, ReadError, Reader, header};
use proptest::prelude::*;
use std::io::Cursor;

/// A recording of several frames, and its events.
fn sample() -> (Vec<u8>, Vec<FeedEvent>) {
    let mut events = busy();
    events.extend(busy().split_off(4));
    events.push(ended("duration"));
    (recorded(&events).0, events)
}

fn is_subsequence(found: &[FeedEvent], whole: &[FeedEvent]) -> bool {
    let mut rest = whole.iter();
    found.iter().all(|event| rest.any(|other| other == event))
}

#[test]
fn a_cut_tail_loses_only_the_tail() {
    let (bytes, events) = sample();
    let mut most = 0;
    for length in HEADER_BYTES..bytes.len() {
        let (found, damage) = read(&bytes[..length]);
        assert_eq!(found, events[..found.len()], "cut at {length}");
        assert!(found.len() >= most && damage.is_only_cut(), "cut at {length}: {damage:?}");
        most = found.len();
    }
    // The last frame holds the end, the one before it the second tick and what came since the first.
    assert_eq!((most, events.len()), (12, 13));
}

#[test]
fn a_damaged_byte_costs_a_frame_at_most() {
    let (bytes, events) = sample();
    for place in HEADER_BYTES..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x40;
        let (found, damage) = read(&damaged);
        assert!(is_subsequence(&found, &events), "at {place}: {found:?}");
        assert!(damage.bytes > 0 && found.len() >= 5, "at {place}: {} {damage:?}", found.len());
    }
}

#[test]
fn what_is_no_recording_is_said_so() {
    let open = |bytes: &[u8]| Reader::new(Cursor::new(bytes.to_vec())).map(|_| ()).unwrap_err();
    for bytes in [&b""[..], b"STAIN", b"{\"trace_id\":1}                  "] {
        assert!(matches!(open(bytes), ReadError::NotARecording), "{bytes:?}");
    }
    let mut other = header();
    other[8] = 2;
    let text = open(&other).to_string();
    assert!(text.starts_with("is a recording of version 2, and this program reads version 1"), "{text}");
    let mut damaged = header();
    damaged[13] ^= 1;
    assert!(matches!(open(&damaged), ReadError::Header));
    assert_eq!(read(&header()), (Vec::new(), Damage::default()));
}

/// Kinds of events that only a later version knows are skipped, and so is what it adds to a body.
#[test]
fn later_versions_can_add() {
    let mut payload = vec![0, 0];
    payload.extend([99, 3, 1, 2, 3]);
    let mut body = Vec::new();
    body.extend([0, 100, 0, 7, 1, 2, 3, 9, 9]);
    payload.extend([6, body.len() as u8]);
    payload.extend(&body);
    let (found, damage) = read(&framed(&payload));
    assert!(
        matches!(found[..], [FeedEvent::Changed(change)] if change.from == 100 && change.at_ns == 7),
        "{found:?}"
    );
    assert_eq!(damage, Damage { unknown: 1, ..Damage::default() });
}

/// A file with one frame.
fn framed(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    let crc = crate::recording::crc(&length, payload).to_le_bytes();
    [&header()[..], &FRAME_MARK, &length, &crc, payload].concat()
}

/// Nothing but marks with lengths: each asks for the checksum of a megabyte.
#[test]
fn false_frames_cannot_keep_the_reader_busy() {
    let one = [&FRAME_MARK[..], &(900_000u32).to_le_bytes(), &[0; 4]].concat();
    let bytes = [&header()[..], &one.repeat(200_000)].concat();
    let (found, damage) = read(&bytes);
    assert_eq!((found.len(), damage.bytes), (0, bytes.len() as u64 - HEADER_BYTES as u64));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever the payload of a frame that is whole.
    #[test]
    fn no_payload_makes_the_reader_panic(payload in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(&framed(&payload));
    }

    #[test]
    fn no_file_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(&[&header()[..], &bytes].concat());
    }

    /// A real recording with one byte of a payload changed and the checksum made right again: any event may change, none may break the reader.
    #[test]
    fn no_change_with_a_right_checksum_makes_the_reader_panic(events in events(), place: prop::sample::Index, byte: u8) {
        let (bytes, _) = recorded(&events);
        let mut payload = bytes[HEADER_BYTES + 12..].to_vec();
        let index = place.index(payload.len());
        payload[index] = byte;
        read(&framed(&payload));
    }
}
