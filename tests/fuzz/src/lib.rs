//! Fuzz targets: whatever bytes come, nothing panics, nothing hangs, and what was understood can be said again.
//!
//! Owns: the targets and their first inputs. The fuzzer is libFuzzer ([`cargo xtask fuzz`](../../xtask/src/fuzz.rs)); a test runs each target on its first
//! inputs and on these with a byte changed, so that the targets themselves stay whole.

mod seeds;
mod spool;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use profiler_user::collector::ingest::otlp::{self, json as spans};
use profiler_user::collector::ingest::{events, jsonl};
use profiler_user::collector::model::PacketSeen;
use profiler_user::collector::query::cursor;
use profiler_user::collector::settings::Limits;
use profiler_user::collector::streams::StreamState;
use profiler_user::control::Request;
use profiler_user::recording::Reader;
use profiler_user::sink::sttr::{decode_first, json};
use profiler_user::spec::{Expr, Overrides, Point, StageKey, load};

/// Something that reads bytes of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Bodies that collectors are sent, and lines that they import: events, spans in JSON, and our own lines.
    Events,
    /// Spans in protocol buffers.
    Spans,
    /// Places of pages, and what is stored of agents' streams.
    Places,
    /// Payloads (STTR), of both versions.
    Payload,
    /// The JSON that payloads are made from.
    Json,
    /// Recordings.
    Recording,
    /// Segments of a spool.
    Spool,
    /// Spec files, points, keys, and requests over the control socket.
    Text,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Events,
        Self::Spans,
        Self::Places,
        Self::Payload,
        Self::Json,
        Self::Recording,
        Self::Spool,
        Self::Text,
    ];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Spans => "spans",
            Self::Places => "places",
            Self::Payload => "payload",
            Self::Json => "json",
            Self::Recording => "recording",
            Self::Spool => "spool",
            Self::Text => "text",
        }
    }

    /// Inputs to begin with.
    #[must_use]
    pub fn seeds(self) -> Vec<Vec<u8>> {
        match self {
            Self::Events => seeds::bodies(),
            Self::Spans => seeds::spans(),
            Self::Places => seeds::places(),
            Self::Payload => seeds::payloads(),
            Self::Json => seeds::jsons(),
            Self::Recording => seeds::recordings(),
            Self::Spool => spool::seeds(),
            Self::Text => seeds::texts(),
        }
    }

    /// Reads the bytes.
    ///
    /// # Panics
    /// When the program that is tested does, or contradicts itself.
    pub fn run(self, data: &[u8]) {
        match self {
            Self::Events => bodies(data),
            Self::Spans => request(data),
            Self::Places => places(data),
            Self::Payload => payload(data),
            Self::Json => said_again(data),
            Self::Recording => recording(data),
            Self::Spool => spool::run(data),
            Self::Text => text(data),
        }
    }
}

/// Every event of a body becomes one thing, and every journey of a request too.
fn bodies(data: &[u8]) {
    if let Ok(decoded) = events::decode(data, &Limits::default(), 1) {
        let batch = &decoded.batch;
        let became = batch.parts.len() + batch.raw.len() + batch.packets.len();
        assert_eq!(became as u64, decoded.received, "an event was lost, or is there twice");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(part) = jsonl::part(text, "7", 1) {
        assert_eq!(part.key.job, "7", "a line names no job");
    }
    if let Ok(request) = spans::request(text) {
        journeys(&request);
    }
}

fn request(data: &[u8]) {
    if let Ok(request) = otlp::of_bytes(data) {
        journeys(&request);
    }
}

fn journeys(request: &ExportTraceServiceRequest) {
    let decoded = otlp::decode(request, None, 1);
    let refused: u64 = decoded.invalid.values().sum();
    assert_eq!(refused, decoded.batch.raw.len() as u64, "a journey was lost");
}

/// A place is what was given out, and no other text is one. A stream's state takes packets, and stays one that can be stored.
fn places(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(cursor) = cursor::from_text(text) {
        assert_eq!(cursor::to_text(&cursor), text, "said again, it is something else");
    }
    let Some(mut state) = StreamState::from_text(text) else { return };
    for packet in [0, 1, 7, u64::MAX, u64::MAX - 1] {
        let packet = PacketSeen { packet, is_last: packet == 7, ..PacketSeen::default() };
        state.see(&packet);
        assert!(!state.see(&packet) || state.ranges.len() >= 1000, "a repeat is new");
        let (missing, gaps) = (state.missing_packets(), state.gaps());
        assert_eq!(missing == 0, gaps.is_empty(), "{missing} are missing in {gaps:?}");
        let _ = (state.is_whole(), state.complete_until_ns());
    }
    assert_eq!(StreamState::from_text(&state.to_text()), Some(state), "stored, it is something else");
}

/// What is decoded comes to the same again by way of JSON.
fn payload(mut data: &[u8]) {
    while let Ok((payload, rest)) = decode_first(data) {
        let Some((whole, _)) = data.split_at_checked(data.len() - rest.len()) else { return };
        assert!(!whole.is_empty(), "an empty payload would never end");
        if let Ok(text) = json::from_payload(&payload) {
            let again = json::to_payload(&text);
            assert!(again.is_ok(), "not taken back: {text}");
            let again = again.unwrap_or_default();
            let read = decode_first(&again).ok().and_then(|(payload, _)| json::from_payload(&payload).ok());
            assert_eq!(read.as_ref(), Some(&text), "said again, it is something else");
        }
        data = rest;
    }
}

fn said_again(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(bytes) = json::to_payload(text) {
        payload(&bytes);
    }
}

fn recording(data: &[u8]) {
    let Ok(mut reader) = Reader::new(data) else { return };
    // A byte or more makes an event.
    let mut events = 0;
    while let Ok(Some(_)) = reader.next_event() {
        events += 1;
        assert!(events <= data.len(), "more events than bytes");
    }
}

fn text(data: &[u8]) {
    let _ = Request::parse(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = load(Some(("fuzz.toml", text)), &Overrides::default());
    let line = text.lines().next().unwrap_or_default();
    let flags = Overrides { pids: vec![1], stages: vec![line.to_owned()], ..Overrides::default() };
    let _ = load(None, &flags);
    let _ = (line.parse::<Point>(), line.parse::<StageKey>());
    if let Ok(expr) = line.parse::<Expr>() {
        assert_eq!(expr.to_string().parse().as_ref(), Ok(&expr), "said again, it is something else");
    }
}

#[cfg(test)]
mod tests {
    use super::Target;
    use proptest::prelude::*;

    #[test]
    fn every_target_takes_its_first_inputs_and_what_is_near_them() {
        for target in Target::ALL {
            let seeds = target.seeds();
            assert!(!seeds.is_empty(), "{target:?}");
            for seed in seeds {
                target.run(&seed);
                for place in (0..seed.len()).step_by(seed.len() / 64 + 1) {
                    let mut near = seed.clone();
                    near[place] ^= 0x81;
                    target.run(&near);
                    target.run(&seed[..place]);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            Target::ALL.into_iter().for_each(|target| target.run(&data));
        }
    }
}
