//! Bodies in, parts out: the vectors of the format, events of our own agent, and everything that can be wrong with one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use profiler_common::Outcome;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Broken, Decoded, decode};
use crate::collector::model::{Part, Precision};
use crate::collector::settings::Limits;
use crate::sink::event::{Events, Origin, PayloadVersion, put_packet};
use crate::sink::packet::Packet;
use crate::sink::sttr::from_text;
use crate::sink::testing::{info, rich};
use crate::trace::{Trace, testing::trace};

const VECTORS: &str = include_str!("../../../../../tests/data/stain-trace-vectors.json");

fn read(body: &Value) -> Decoded {
    decode(body.to_string().as_bytes(), &Limits::default(), 5_000).unwrap()
}

fn event(payload: &[u8], id: u64) -> Value {
    json!({"createdTime": 1_700_000_000_010i64, "jobId": "1", "eventType": "STAIN_TRACE", "traceId": id,
        "payload": STANDARD.encode(payload), "sinkTaskId": 99, "tableId": "db.tbl"})
}

fn with(mut event: Value, key: &str, value: Value) -> Value {
    event[key] = value;
    event
}

/// A payload of two entries: id 123, S0 by task 10 and W! by task 99.
fn two() -> Vec<u8> {
    from_text("535454520001000000000000007b0000018bcfe56800000201000000000000000a0000018bcfe568010600000000000000630000018bcfe56802").unwrap()
}

#[test]
fn every_vector_is_understood() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    for vector in vectors["payloads"].as_array().unwrap() {
        let payload = from_text(vector["hex"].as_str().unwrap()).unwrap();
        let id: u64 = vector["traceId"].as_str().unwrap().parse().unwrap();
        let decoded = read(&json!([event(&payload, id)]));
        let [part] = decoded.batch.parts.as_slice() else { panic!("{vector}: {decoded:?}") };
        let entries: Vec<_> = part
            .entries
            .iter()
            .map(|entry| json!([entry.code, entry.task, entry.ts_ns / 1_000_000]))
            .collect();
        assert_eq!(Value::from(entries), vector["entries"]);
        assert_eq!(part.start_ns, vector["startMs"].as_i64().unwrap() * 1_000_000);
        assert_eq!((part.key.trace_id, part.key.sink_task, part.precision), (id, 99, Precision::Millis));
        assert_eq!(part.payload, payload);
    }
}

#[test]
fn every_invalid_vector_is_kept_with_its_reason_and_harms_no_other() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    for vector in vectors["invalid"].as_array().unwrap() {
        let payload = from_text(vector["hex"].as_str().unwrap()).unwrap();
        let decoded = read(&json!([event(&two(), 123), event(&payload, 123), event(&two(), 123)]));
        assert_eq!((decoded.batch.parts.len(), decoded.received, decoded.traces), (2, 3, 3), "{vector}");
        assert_eq!(decoded.invalid, [("payload", 1)].into());
        let [raw] = decoded.batch.raw.as_slice() else { panic!("{vector}") };
        let body: Value = serde_json::from_str(&raw.body).unwrap();
        assert_eq!((raw.event_type.as_str(), raw.job.as_deref()), ("INVALID", Some("1")));
        assert_eq!(body["event"], event(&payload, 123));
        assert!(body["reason"].as_str().unwrap().starts_with("payload is no STTR"), "{body}");
    }
}

#[test]
fn numbers_and_payloads_come_in_all_their_forms() {
    let expected = read(&json!([event(&two(), 123)])).batch.parts;
    assert_eq!((expected[0].outcome.as_str(), expected[0].is_partial), ("written", false));
    assert_eq!((expected[0].created_ms, expected[0].received_ms), (1_700_000_000_010, 5_000));
    let bytes: Vec<_> = two().iter().map(|byte| byte.cast_signed()).collect();
    for event in [
        with(event(&two(), 123), "traceId", json!("123")),
        with(event(&two(), 123), "sinkTaskId", json!("99")),
        with(event(&two(), 123), "createdTime", json!("1700000000010")),
        with(event(&two(), 123), "jobId", json!(1)),
        with(event(&two(), 123), "payload", json!(bytes)),
        with(event(&two(), 123), "payload", json!(two())),
        with(event(&two(), 123), "more", json!({"of": ["anything"]})),
    ] {
        assert_eq!(read(&json!([event])).batch.parts, expected, "{event}");
    }
}

#[test]
fn what_an_event_may_leave_out_is_found_in_the_payload() {
    let mut event = event(&two(), 123);
    for key in ["createdTime", "sinkTaskId", "tableId"] {
        event.as_object_mut().unwrap().remove(key);
    }
    let parts = read(&json!([event])).batch.parts;
    assert_eq!((parts[0].key.sink_task, parts[0].table.as_deref(), parts[0].created_ms), (99, None, 5_000));
}

#[test]
fn an_event_that_contradicts_itself_is_no_journey() {
    for (key, value, reason) in [
        ("traceId", json!(124), "contradiction"),
        ("traceId", json!(-1), "trace_id"),
        ("traceId", json!(9_223_372_036_854_775_808u64), "trace_id"),
        ("traceId", json!(null), "trace_id"),
        ("traceId", json!(1.5), "trace_id"),
        ("jobId", json!(null), "job_id"),
        ("jobId", json!({}), "job_id"),
        ("jobId", json!("x".repeat(257)), "text"),
        ("sinkTaskId", json!("ninety"), "number"),
        ("createdTime", json!([]), "number"),
        ("tableId", json!(5), "text"),
        ("tableId", json!("a\0b"), "text"),
        ("outcome", json!(false), "text"),
        ("payload", json!(null), "payload"),
        ("payload", json!("?"), "payload"),
        ("payload", json!([300]), "payload"),
        ("eventType", json!(null), "event_type"),
        ("eventType", json!(7), "event_type"),
        ("branch", json!("2"), "text"),
        ("rootTraceId", json!("123"), "text"),
        ("shared", json!(70_000), "number"),
    ] {
        let event = with(event(&two(), 123), key, value);
        let decoded = read(&json!([event]));
        assert_eq!(decoded.invalid, [(reason, 1)].into(), "{event}");
        assert_eq!((decoded.batch.parts.len(), decoded.batch.raw.len(), decoded.received), (0, 1, 1));
        assert!(serde_json::from_str::<Value>(&decoded.batch.raw[0].body).is_ok());
    }
    let mut late = two();
    late[24 + 9..24 + 17].copy_from_slice(&i64::MAX.to_be_bytes());
    assert_eq!(read(&json!([event(&late, 123)])).invalid, [("time", 1)].into());
}

#[test]
fn other_events_and_what_is_no_event_are_kept_as_they_came() {
    let schema = json!({"eventType": "SCHEMA_CHANGE_ADD_COLUMN", "jobId": "7", "createdTime": 3, "x": [1]});
    let body = format!(
        "[ {schema} ,5,\"x\",null,[],{{\"a\":1,\"a\":2,\"eventType\":\"T\"}},{{\"jobId\":1,\"jobId\":2}}]"
    );
    let decoded = decode(body.as_bytes(), &Limits::default(), 9).unwrap();
    assert_eq!((decoded.received, decoded.batch.raw.len()), (7, 7));
    let first = &decoded.batch.raw[0];
    assert_eq!(
        (first.event_type.as_str(), first.job.as_deref(), first.created_ms, first.received_ms),
        ("SCHEMA_CHANGE_ADD_COLUMN", Some("7"), 3, 9)
    );
    assert_eq!(serde_json::from_str::<Value>(&first.body).unwrap(), schema);
    let types: Vec<_> = decoded.batch.raw.iter().map(|raw| raw.event_type.as_str()).collect();
    assert_eq!(types[1..], ["INVALID", "INVALID", "INVALID", "INVALID", "T", "INVALID"]);
    assert_eq!(decoded.invalid, [("shape", 5)].into());
}

#[test]
fn what_is_no_list_of_json_is_refused() {
    let limits = Limits { events: 2, depth: 4, ..Limits::default() };
    let refused = |body: &[u8]| decode(body, &limits, 0).unwrap_err();
    assert_eq!(refused(b"{}"), Broken::NoList);
    assert_eq!(refused(b"[1,2,3]"), Broken::Many(2));
    assert_eq!(refused(b"[[[[[]]]]]"), Broken::Depth(4));
    assert_eq!(refused(b"[\"\xff\"]"), Broken::Utf8(2));
    for body in [
        "[x]",
        "[{]",
        "[{}",
        "[{\"a\":}]",
        "[01]",
        "[{\"jobId\":1,\"jobId\":2,x}]",
        "[5 5]",
        "[\"\x01\"]",
        "[{\"a\" 1}]",
    ] {
        assert!(matches!(refused(body.as_bytes()), Broken::Json(_)), "{body}");
    }
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(refused(deep.as_bytes()), Broken::Depth(4));
}

fn sent(traces: &[&Trace], payload: PayloadVersion) -> Vec<Part> {
    let origin = Origin { job: "7".to_owned(), host: "here".to_owned(), payload, ..Origin::default() };
    let mut body = b"[".to_vec();
    for trace in traces {
        Events::default().put(trace, &info(), &origin, &mut body).unwrap();
        body.push(b',');
    }
    let packet =
        Packet { stream: 11, packet: 3, count: traces.len() as u64, complete_ns: 5, ..Packet::default() };
    put_packet(&packet, &info(), &origin, &mut body).unwrap();
    body.push(b']');
    let decoded = decode(&body, &Limits::default(), 1).unwrap();
    assert_eq!((decoded.invalid.len(), decoded.batch.raw.len()), (0, 0), "{decoded:?}");
    let [seen] = decoded.batch.packets.as_slice() else { panic!() };
    assert_eq!((seen.job.as_str(), seen.stream, seen.packet, seen.host.as_str()), ("7", 11, 3, "here"));
    assert_eq!((seen.count, seen.complete_ns, seen.received_ms), (traces.len() as u64, 5, 1));
    decoded.batch.parts
}

#[test]
fn all_that_our_agent_knows_of_a_branch_arrives() {
    let trace = rich();
    let parts = sent(&[&trace], PayloadVersion::Nanos);
    let part = &parts[0];
    assert_eq!((part.key.trace_id, part.key.branch, part.key.job.as_str()), (trace.id, trace.branch.0, "7"));
    assert_eq!((part.host.as_str(), part.stream, part.outcome.as_str()), ("here", Some(11), "error_routed"));
    assert_eq!((part.shared, part.is_partial, part.precision), (3, true, Precision::Nanos));
    let stamps: Vec<_> =
        trace.stamps.iter().map(|s| (s.code.0, s.task_id, trace.wall_at(s.ts_ns), s.pid, s.tid)).collect();
    let entries: Vec<_> = part.entries.iter().map(|e| (e.code, e.task, e.ts_ns, e.pid, e.tid)).collect();
    assert_eq!(entries, stamps);
    // A name is told of the stage that has both its index and its code.
    let name = |s: &crate::trace::Stamp| {
        info().stages.get(s.stage).filter(|stage| stage.code == s.code).map(|stage| stage.name.clone())
    };
    let names: Vec<_> = trace.stamps.iter().map(name).collect();
    assert_eq!(part.entries.iter().map(|e| e.name.clone()).collect::<Vec<_>>(), names);
    let attributes: Vec<_> =
        part.attributes.iter().map(|a| (usize::from(a.entry), a.value.to_string())).collect();
    let told: Vec<_> = trace.attributes.iter().map(|a| (a.stamp, a.value.to_string())).collect();
    assert_eq!(attributes, told);
    assert_eq!(part.attributes[0].name, "table");
    let batches: Vec<_> =
        part.batches.iter().map(|b| (usize::from(b.entry), b.key, b.position, b.size)).collect();
    let told: Vec<_> = trace.batches.iter().map(|b| (b.stamp, b.key, b.position, b.size)).collect();
    assert_eq!(batches, told);
    assert_eq!(part.record_times.len(), trace.record_times.len());
    let flags: Vec<_> =
        trace.flags.named().filter(|(_, count)| *count > 0).map(|(n, c)| (n.to_owned(), c)).collect();
    assert_eq!(part.flags, flags);
}

#[test]
fn a_branch_in_milliseconds_belongs_to_its_record() {
    let (record, branch) = (trace("S0@100 Q+@2000000 W!@5000000", Outcome::Written), rich());
    let parts = sent(&[&record, &branch], PayloadVersion::Millis);
    let keys: Vec<_> = parts.iter().map(|part| (part.key.trace_id, part.key.branch, part.shared)).collect();
    assert_eq!(keys, [(record.id, 0, 0), (branch.id, branch.branch.0, 3)]);
    // Names by code, where that leaves no doubt.
    assert_eq!(parts[0].entries[0].name.as_deref(), Some("emit"));
    assert_eq!(parts[0].entries[1].ts_ns % 1_000_000, 0);
}

#[test]
fn a_packet_that_makes_no_sense_is_kept() {
    for packet in [
        json!({"eventType": "STAIN_PACKET", "jobId": "1"}),
        json!({"eventType": "STAIN_PACKET", "jobId": "1", "stream": "x", "packet": 1}),
        json!({"eventType": "STAIN_PACKET", "stream": "1", "packet": 1}),
        json!({"eventType": "STAIN_PACKET", "jobId": "1", "stream": "1", "packet": 1, "stages": 5}),
        json!({"eventType": "STAIN_PACKET", "jobId": "1", "stream": "1", "packet": 1, "stages": [{"code": 300}]}),
        json!({"eventType": "STAIN_PACKET", "jobId": "1", "stream": "1", "packet": 1, "host": "x".repeat(300)}),
        json!({"eventType": "STAIN_PACKET", "jobId": "1", "stream": "1", "packet": 1, "agent": 1u64 << 40}),
    ] {
        let decoded = read(&json!([packet, event(&two(), 123)]));
        assert_eq!(
            (decoded.batch.raw.len(), decoded.batch.packets.len(), decoded.batch.parts.len()),
            (1, 0, 1)
        );
        assert_eq!(decoded.invalid.values().sum::<u64>(), 1, "{packet}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("U1RUUgABAAAAAAAAAHsAAAAAAAAByAAA")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{0,4}|jobId|payload", inner, 0..6)
                .prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever an event's values are, it becomes exactly one thing, and what is kept is what came.
    #[test]
    fn every_event_becomes_one_thing(key in "createdTime|jobId|eventType|traceId|payload|sinkTaskId|tableId|outcome|branch|rootTraceId|shared|stream|packet", value in any_json(), packet: bool) {
        let mut event = event(&two(), 123);
        if packet {
            event = json!({"eventType": "STAIN_PACKET", "jobId": "1", "stream": "1", "packet": 1});
        }
        let event = with(event, &key, value);
        let decoded = read(&json!([event, 1, event]));
        let batch = &decoded.batch;
        prop_assert_eq!(batch.parts.len() + batch.raw.len() + batch.packets.len(), 3);
        prop_assert_eq!(decoded.received, 3);
        for raw in batch.raw.iter().filter(|raw| raw.event_type == "INVALID") {
            // As text: numbers that are no integers are not read back to the last digit.
            prop_assert!(serde_json::from_str::<Value>(&raw.body).is_ok());
            let is_kept = raw.body.contains(&event.to_string()) || raw.body.ends_with("\"event\":1}");
            prop_assert!(is_kept, "{}", raw.body);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\",:a1\\\\ ]{0,80}") {
        let _ = decode(&bytes, &Limits::default(), 0);
        let _ = decode(text.as_bytes(), &Limits::default(), 0);
    }
}
