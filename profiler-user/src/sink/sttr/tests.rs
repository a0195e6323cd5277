//! The format's own vectors, and properties of both versions.

use proptest::prelude::*;
use serde::Deserialize;

use super::{
    DecodeError, MAX_ENTRIES, Payload, SectionKind, decode, decode_first, from_text, json, nano, v1,
};
use crate::sink::testing::{outcomes, rich};
use crate::trace::testing::trace;
use crate::trace::{BranchPath, Trace};
use profiler_common::{Outcome, StageCode};

const VECTORS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/stain-trace-vectors.json"));

#[derive(Deserialize)]
struct Vectors {
    payloads: Vec<Vector>,
    invalid: Vec<Invalid>,
    #[serde(rename = "traceIds")]
    trace_ids: Vec<TraceId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    trace_id: String,
    start_ms: i64,
    entries: Vec<(u8, i64, i64)>,
    hex: String,
}

#[derive(Deserialize)]
struct Invalid {
    hex: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TraceId {
    task_id: i64,
    seq: u64,
    now_ms: u64,
    id: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

fn entries(entries: &[(u8, i64, i64)]) -> Vec<v1::Entry> {
    entries.iter().map(|&(stage, task_id, ts_ms)| v1::Entry { stage, task_id, ts_ms }).collect()
}

#[test]
fn every_vector_both_ways() {
    let Vectors { payloads, .. } = vectors();
    assert_eq!(payloads.len(), 4);
    for Vector { name, trace_id, start_ms, entries: expected, hex } in payloads {
        let bytes = from_text(&hex).unwrap();
        let Payload::V1(view) = decode(&bytes).unwrap() else { panic!("{name} is of version 1") };
        assert_eq!((view.trace_id.to_string(), view.start_ms), (trace_id, start_ms), "{name}");
        let expected = entries(&expected);
        assert_eq!(view.entries().collect::<Vec<_>>(), expected, "{name}");
        let mut out = Vec::new();
        v1::put(&mut out, view.trace_id, start_ms, expected.into_iter());
        assert_eq!(out, bytes, "{name}");
        assert_eq!(
            json::to_payload(&json::from_payload(&Payload::V1(view)).unwrap()).unwrap(),
            bytes,
            "{name}"
        );
    }
}

#[test]
fn every_invalid_vector_is_refused() {
    let Vectors { invalid, .. } = vectors();
    let errors: Vec<_> =
        invalid.iter().map(|Invalid { hex, why }| decode(&from_text(hex).unwrap()).expect_err(why)).collect();
    assert_eq!(
        errors,
        [
            DecodeError::TooShort { what: "the magic number", length: 3, needed: 4 },
            DecodeError::Version { found: 2 },
            DecodeError::Length { count: 0, expected: 24, length: 25 },
            DecodeError::Magic { found: 0x5854_5452 },
            DecodeError::TooShort { what: "what it says to hold", length: 24, needed: 41 },
            DecodeError::TooMany { count: 2049 },
        ]
    );
}

#[test]
fn every_id_vector() {
    for TraceId { task_id, seq, now_ms, id } in vectors().trace_ids {
        let found = profiler_common::trace_id::trace_id(task_id as u64, seq, now_ms);
        assert_eq!(found.to_string(), id, "{task_id} {seq} {now_ms}");
    }
}

#[test]
fn a_trace_in_version_1() {
    let mut trace = trace("S0@999999 Q+@1000000 W!@2600000", Outcome::Written);
    trace.wall_ns = 1_700_000_000_000_999_999;
    let mut out = Vec::new();
    v1::encode(&trace, trace.journey_id(), &mut out);
    let Payload::V1(view) = decode(&out).unwrap() else { panic!() };
    assert_eq!((view.trace_id, view.start_ms), (42, 1_700_000_000_000));
    assert_eq!(
        view.entries().map(|entry| (entry.stage, entry.task_id, entry.ts_ms)).collect::<Vec<_>>(),
        [(1, 4300, 1_700_000_000_000), (2, 4301, 1_700_000_000_001), (6, 4302, 1_700_000_000_002)]
    );
}

fn assert_nano(trace: &Trace, bytes: &[u8]) {
    let Payload::Nano(view) = decode(bytes).unwrap() else { panic!("has nanoseconds") };
    let head = (view.trace_id, view.branch, view.shared, view.branches, view.outcome);
    let (id, outcome) = (trace.id as i64, trace.outcome.code() as u8);
    assert_eq!(head, (id, trace.branch, trace.shared as u16, trace.branches, outcome));
    assert_eq!((view.pid, view.key, view.sequence), (trace.pid, trace.key, trace.sequence));
    assert_eq!((view.start_ns, view.end_ns), (trace.wall_ns as i64, trace.wall_at(trace.end_ns)));
    assert_eq!(view.flags(), trace.flags);
    let stamps = trace.stamps.iter().map(|stamp| nano::Entry {
        code: stamp.code.0,
        task_id: stamp.task_id,
        ts_ns: trace.wall_at(stamp.ts_ns),
        stage: stamp.stage as u16,
        pid: stamp.pid,
        tid: stamp.tid,
        cpu: stamp.cpu,
    });
    assert!(view.entries().eq(stamps));
    let (mut attributes, mut batches, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for section in view.sections() {
        match section.kind().unwrap() {
            SectionKind::Outcome(name) => assert_eq!(name, trace.outcome.name(&outcomes())),
            SectionKind::Attributes(all) => attributes = all,
            SectionKind::Batches(all) => batches = all,
            SectionKind::Times(all) => times = all,
            SectionKind::Unknown => panic!("{section:?}"),
        }
    }
    assert_eq!((&attributes, &batches, &times), (&trace.attributes, &trace.batches, &trace.record_times));
}

#[test]
fn a_trace_with_everything_in_nanoseconds() {
    for trace in [rich(), trace("S0@100 W!@120", Outcome::Written)] {
        let mut bytes = Vec::new();
        nano::encode(&trace, &outcomes(), &mut bytes);
        assert_nano(&trace, &bytes);
        let text = json::from_payload(&decode(&bytes).unwrap()).unwrap();
        assert_eq!(json::to_payload(&text).unwrap(), bytes, "{text}");
    }
}

/// The bytes that `docs/sttr.md` explains.
#[test]
fn the_documents_example() {
    let mut trace = trace("S0@100 W!@120", Outcome::Written);
    trace.branch = BranchPath(2);
    trace.flags.late_stamps = 1;
    let mut bytes = Vec::new();
    nano::encode(&trace, &[], &mut bytes);
    let mut hex = String::new();
    super::to_hex(&bytes, &mut hex);
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sttr.md"));
    let shown: String =
        document.split("```hex").nth(1).unwrap().split("```").next().unwrap().split_whitespace().collect();
    assert_eq!(shown, hex);
}

#[test]
fn what_is_unknown_survives() {
    let mut trace = rich();
    trace.stamps[2].code = StageCode(227);
    let mut bytes = Vec::new();
    nano::encode(&trace, &outcomes(), &mut bytes);
    // An outcome, a flag and a section of the future.
    bytes[50] = 200;
    let at = 28 + 8 + 8 + 2 + 4 + 1 + 4 + 8 + 8;
    bytes[at] |= 0x40;
    let counts = at + 2 + 2 * 4;
    bytes.splice(counts..counts, 9u32.to_be_bytes());
    bytes.extend([99, 0, 0, 0, 2, 0xab, 0xcd]);
    let length = bytes.len() as u32;
    bytes[24..28].copy_from_slice(&length.to_be_bytes());
    let payload = decode(&bytes).unwrap();
    let Payload::Nano(view) = payload else { panic!() };
    assert_eq!(view.outcome, 200);
    assert_eq!(view.counts().collect::<Vec<_>>(), [(0, 3), (8, 1), (14, 9)]);
    assert_eq!(view.entries().nth(2).map(|entry| entry.code), Some(227));
    let text = json::from_payload(&payload).unwrap();
    assert!(text.contains("STAGE_227") && text.contains("\"abcd\""), "{text}");
    assert_eq!(json::to_payload(&text).unwrap(), bytes, "{text}");
}

#[test]
fn payloads_behind_each_other() {
    let mut bytes = Vec::new();
    let trace = rich();
    v1::encode(&trace, 1, &mut bytes);
    nano::encode(&trace, &outcomes(), &mut bytes);
    v1::encode(&trace, 2, &mut bytes);
    let (mut rest, mut ids) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (payload, behind) = decode_first(rest).unwrap();
        ids.push(payload.trace_id());
        rest = behind;
    }
    assert_eq!(ids, [1, trace.id as i64, 2]);
}

#[test]
fn mistakes_of_json_are_told() {
    for (text, part) in [
        ("", "EOF"),
        ("{}", "missing field `version`"),
        (r#"{"version":2}"#, "version 2 cannot be encoded"),
        (r#"{"version":1,"trace_id":"x","start_ms":1,"entries":[]}"#, "a whole number of 64 bits"),
        (
            r#"{"version":1,"trace_id":1,"start_ms":1,"entries":[{"stage":"S1","task_id":1,"ts_ms":1}]}"#,
            "a stage such as",
        ),
        (r#"{"version":1,"trace_id":1,"start_ms":1,"entries":[],"extra":1}"#, "unknown field `extra`"),
        (r#"{"version":19969,"trace_id":1,"start_ns":1,"branch":"0.1","entries":[]}"#, "no branch such as"),
    ] {
        assert!(json::to_payload(text).unwrap_err().to_string().contains(part), "{text}");
    }
    let entry = r#"{"stage":1,"task_id":1,"ts_ms":1}"#;
    let many = vec![entry; MAX_ENTRIES + 1].join(",");
    let text = format!(r#"{{"version":1,"trace_id":1,"start_ms":1,"entries":[{many}]}}"#);
    assert!(json::to_payload(&text).unwrap_err().to_string().contains("2049 entries"));
}

prop_compose! {
    fn any_entry()(code: u8, task_id: i64, ts_ns: i64, stage: u16, pid: u32, tid: u32, cpu: u32) -> nano::Entry {
        nano::Entry { code, task_id, ts_ns, stage, pid, tid, cpu }
    }
}

/// Reads all that a payload has: none of it may panic.
fn exhaust(payload: &Payload<'_>) {
    match payload {
        Payload::V1(view) => assert!(view.entries().count() <= MAX_ENTRIES),
        Payload::Nano(view) => {
            let _ = (view.entries().count(), view.flags(), view.counts().count());
            view.sections().for_each(|section| drop(section.kind()));
        }
    }
    json::from_payload(payload).unwrap();
}

proptest! {
    #[test]
    fn version_1_is_inverse(id: i64, start: i64, entries in proptest::collection::vec(any_entry(), 0..40)) {
        let entries: Vec<_> =
            entries.iter().map(|e| v1::Entry { stage: e.code, task_id: e.task_id, ts_ms: e.ts_ns }).collect();
        let mut bytes = Vec::new();
        v1::put(&mut bytes, id, start, entries.iter().copied());
        let Payload::V1(view) = decode(&bytes).unwrap() else { panic!() };
        prop_assert_eq!((view.trace_id, view.start_ms), (id, start));
        prop_assert!(view.entries().eq(entries));
        prop_assert_eq!(json::to_payload(&json::from_payload(&Payload::V1(view)).unwrap()).unwrap(), bytes);
    }

    #[test]
    fn nanoseconds_are_inverse(
        header in any::<(i64, i64, i64, u64, u16, u32, u8)>(),
        more in any::<(u32, u64, u64, bool)>(),
        counts in proptest::collection::btree_map(0u8..15, any::<u32>(), 0..6),
        entries in proptest::collection::vec(any_entry(), 0..40),
    ) {
        let (trace_id, start_ns, end_ns, branch, shared, branches, outcome) = header;
        let (pid, key, sequence, partial) = more;
        let bits = counts.keys().fold(0u16, |bits, bit| bits | 1 << bit);
        let flag_bits = bits | if partial { nano::PARTIAL } else { 0 };
        let header = nano::Header {
            trace_id, start_ns, end_ns, branch, shared, branches, outcome, pid, key, sequence, flag_bits,
        };
        let mut bytes = Vec::new();
        nano::put(&mut bytes, &header, counts.values().copied(), entries.iter().copied(), 0);
        let Payload::Nano(view) = decode(&bytes).unwrap() else { panic!() };
        prop_assert_eq!((view.trace_id, view.branch.0, view.flag_bits), (trace_id, branch, flag_bits));
        prop_assert!(view.counts().eq(counts.iter().map(|(bit, count)| (u32::from(*bit), *count))));
        prop_assert!(view.entries().eq(entries));
    }

    #[test]
    fn no_bytes_panic(
        version in prop_oneof![Just(super::VERSION_1), Just(super::VERSION_NANO), any::<u16>()],
        tail in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut bytes = super::MAGIC.to_be_bytes().to_vec();
        bytes.extend(version.to_be_bytes());
        bytes.extend(&tail);
        for bytes in [bytes.as_slice(), &tail] {
            if let Ok((payload, _)) = decode_first(bytes) {
                exhaust(&payload);
            }
        }
    }

    #[test]
    fn no_damage_panics(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut: prop::sample::Index) {
        let mut bytes = Vec::new();
        nano::encode(&rich(), &outcomes(), &mut bytes);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok((payload, _)) = decode_first(bytes) {
                exhaust(&payload);
            }
        }
    }

    #[test]
    fn no_json_panics(text in r#"[{}\[\]":,0-9a-z_]{0,60}"#) {
        let _ = json::to_payload(&text);
        let _ = from_text(&text);
    }
}
