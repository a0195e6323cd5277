mod arbitrary;
mod hostile;
mod pace;
mod whole;

use super::{Damage, Reader, Recorded, Recorder};
use crate::feed::FeedEvent;
use std::io::Cursor;

/// The bytes of a recording of these events.
pub(super) fn recorded(events: &[FeedEvent]) -> (Vec<u8>, Recorded) {
    let mut bytes = Vec::new();
    let mut recorder = Recorder::new(&mut bytes);
    events.iter().for_each(|event| recorder.event(event).unwrap());
    recorder.flush().unwrap();
    let recorded = recorder.recorded();
    (bytes, recorded)
}

/// All that a reader finds, and what it could not read.
pub(super) fn read(bytes: &[u8]) -> (Vec<FeedEvent>, Damage) {
    let mut reader = Reader::new(Cursor::new(bytes)).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    (events, reader.damage())
}
