//! Spans read back by the rules of the wire format alone.

use std::collections::BTreeMap;

use super::{Resource, Spans, lines, span_id, trace_id};
use crate::feed::SessionInfo;
use crate::sink::proto::tests::{Field, read};
use crate::sink::testing::{info, rich};
use crate::trace::testing::trace;
use crate::trace::{BranchPath, Trace};
use profiler_common::Outcome;

type Message = Vec<(u32, Field)>;

fn nested(message: &Message, field: u32) -> Vec<Message> {
    let parts = message.iter().filter(|(number, _)| *number == field);
    parts
        .map(|(_, value)| if let Field::Bytes(bytes) = value { read(bytes) } else { panic!("{value:?}") })
        .collect()
}

fn string(message: &Message, field: u32) -> String {
    match message.iter().find(|(number, _)| *number == field) {
        Some((_, Field::Bytes(bytes))) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn bytes(message: &Message, field: u32) -> Option<Vec<u8>> {
    let found = message.iter().find(|(number, _)| *number == field)?;
    if let Field::Bytes(bytes) = &found.1 { Some(bytes.clone()) } else { panic!("{found:?}") }
}

fn fixed(message: &Message, field: u32) -> u64 {
    match message.iter().find(|(number, _)| *number == field) {
        Some((_, Field::Fixed64(value))) => *value,
        other => panic!("{other:?}"),
    }
}

fn attributes(message: &Message, field: u32) -> BTreeMap<String, String> {
    let value = |any: &Message| match any.as_slice() {
        [(1, Field::Bytes(text))] => String::from_utf8(text.clone()).unwrap(),
        [(2, Field::Varint(1))] => "true".to_owned(),
        [(3, Field::Varint(number))] => number.cast_signed().to_string(),
        other => panic!("{other:?}"),
    };
    nested(message, field).iter().map(|pair| (string(pair, 1), value(&nested(pair, 2)[0]))).collect()
}

/// The spans of a request of one trace, and the resource's attributes.
fn spans(trace: &Trace, info: &SessionInfo) -> (Vec<Message>, BTreeMap<String, String>) {
    let (mut spans, mut out) = (Spans::default(), Vec::new());
    spans.add(trace, info);
    let resource = Resource {
        service: "pipeline".to_owned(),
        host: "here".to_owned(),
        job: "77".to_owned(),
        pids: vec![4242],
    };
    spans.finish(&resource, &mut out);
    assert_eq!(spans.bytes(), 0);
    let all = nested(&read(&out), 1).remove(0);
    let scope = nested(&all, 2).remove(0);
    assert_eq!(string(&nested(&scope, 1)[0], 1), "stain");
    (nested(&scope, 2), attributes(&nested(&all, 1)[0], 1))
}

#[test]
fn a_record_is_a_span_and_each_hop_a_child() {
    let trace = trace("S0@100 Q+@110 Q-@150 W!@151", Outcome::Written);
    let (spans, resource) = spans(&trace, &info());
    assert_eq!(
        (
            resource["service.name"].as_str(),
            resource["process.pid"].as_str(),
            resource["stain.job_id"].as_str()
        ),
        ("pipeline", "4242", "77")
    );
    let root = span_id(42, BranchPath::ROOT, None).to_vec();
    let seen: Vec<_> = spans
        .iter()
        .map(|span| {
            assert_eq!(bytes(span, 1).unwrap(), trace_id(42));
            (string(span, 5), bytes(span, 4), fixed(span, 7), fixed(span, 8))
        })
        .collect();
    let at = |ns: u64| 1_700_000_000_000_000_000 + ns;
    assert_eq!(
        seen,
        [
            ("record".to_owned(), None, at(100), at(151)),
            ("emit -> push".to_owned(), Some(root.clone()), at(100), at(110)),
            ("push -> pop".to_owned(), Some(root.clone()), at(110), at(150)),
            ("pop -> parse".to_owned(), Some(root.clone()), at(150), at(151)),
        ]
    );
    assert_eq!(bytes(&spans[0], 2), Some(root));
    let ids: std::collections::BTreeSet<_> = spans.iter().map(|span| bytes(span, 2)).collect();
    assert_eq!(ids.len(), 4);
    let hop = attributes(&spans[2], 9);
    assert_eq!(
        (hop["stain.cause"].as_str(), hop["stain.from_code"].as_str(), hop["thread.id"].as_str()),
        ("queue", "Q+", "4302")
    );
    assert!(nested(&spans[0], 15).is_empty() && nested(&spans[0], 13).is_empty());
}

#[test]
fn a_branch_has_its_own_hops_links_and_events() {
    let trace = rich();
    let (spans, _) = spans(&trace, &info());
    // Five stamps, three of them the parent's: two hops of its own.
    assert_eq!(spans.len(), 3);
    let parent = span_id(trace.id, BranchPath(2), None).to_vec();
    assert_eq!((string(&spans[0], 5), bytes(&spans[0], 4)), ("branch".to_owned(), Some(parent.clone())));
    assert_eq!(fixed(&spans[0], 7), trace.wall_at(5_000_150) as u64);
    let all = attributes(&spans[0], 9);
    assert_eq!(
        (
            all["stain.outcome"].as_str(),
            all["stain.branch"].as_str(),
            all["stain.flags.entries_dropped"].as_str()
        ),
        ("error_routed", "2.3", "3")
    );
    assert_eq!(all["stain.flags.partial"], "true");
    assert_eq!(all["stain.record_start_unix_nano"], trace.wall_at(trace.start_ns).to_string());
    let links = nested(&spans[0], 13);
    assert_eq!(links.len(), 3);
    assert_eq!((bytes(&links[0], 2), attributes(&links[0], 4)["stain.branch"].as_str()), (Some(parent), "2"));
    let batch = attributes(&links[2], 4);
    assert_eq!((batch["stain.batch.position"].as_str(), batch["stain.batch.size"].as_str()), ("63", "64"));
    assert!(!attributes(&links[1], 4).contains_key("stain.batch.size"));
    let events: Vec<_> = nested(&spans[0], 11)
        .iter()
        .map(|event| {
            let all = attributes(event, 3);
            (string(event, 2), all.get("value").cloned(), fixed(event, 1))
        })
        .collect();
    let at = |stamp: usize| trace.wall_at(trace.stamps[stamp].ts_ns) as u64;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        events,
        [
            ("table".to_owned(), text("18446744073709551615"), at(0)),
            ("attribute".to_owned(), text("-9223372036854775808"), at(1)),
            ("attribute".to_owned(), text("ok"), at(1)),
            ("attribute".to_owned(), text("a \"quoted\" ä\n"), at(4)),
            ("record time".to_owned(), None, at(4)),
        ]
    );
}

#[test]
fn what_is_not_known_to_have_ended_well_is_an_error() {
    for (outcome, is_error) in [
        (Outcome::Written, false),
        (Outcome::Filtered, false),
        (Outcome::Expired, true),
        (Outcome::TargetExit, true),
        (Outcome::Named(0), false),
    ] {
        let (spans, _) = spans(&trace("S0@1 W!@2", outcome), &info());
        assert_eq!(nested(&spans[0], 15).len(), usize::from(is_error), "{outcome}");
    }
}

#[test]
fn a_line_of_the_stain_trace_format() {
    let trace = trace("S0@100 Q+@110 W!@151", Outcome::Written);
    let origin = lines::Origin { job: "77".to_owned(), table: Some("db.tbl".to_owned()) };
    let mut out = Vec::new();
    lines::put(&trace, &info(), &origin, &mut out).unwrap();
    let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(out.last(), Some(&b'\n'));
    let resource = &line["resourceSpans"][0];
    assert_eq!(
        resource["resource"]["attributes"],
        serde_json::json!([
            {"key": "service.name", "value": {"stringValue": "seatunnel"}},
            {"key": "seatunnel.job_id", "value": {"stringValue": "77"}},
        ])
    );
    let span = &resource["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "0000000000000000000000000000002a");
    assert_eq!((&span["spanId"], &span["name"]), (&"00000000000010ce".into(), &"seatunnel.record".into()));
    assert_eq!(span["endTimeUnixNano"], "1700000000000000151");
    assert_eq!(span["events"][1]["name"], "Q+");
    assert_eq!(
        span["events"][1]["attributes"],
        serde_json::json!([
            {"key": "seatunnel.stage_code", "value": {"intValue": "2"}},
            {"key": "seatunnel.task_id", "value": {"intValue": "4301"}},
        ])
    );
}
