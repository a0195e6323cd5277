//! Spans as our agent makes them, read back: the same journeys, stamp for stamp.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use profiler_common::Outcome;
use proptest::prelude::*;
use prost::Message as _;

use super::{Decoded, decode, json};
use crate::collector::model::{Part, Precision};
use crate::feed::SessionInfo;
use crate::sink::otlp::{Resource, Spans, lines};
use crate::sink::testing::{info, rich};
use crate::trace::testing::trace;
use crate::trace::{Flags, Trace};

fn request(traces: &[&Trace], info: &SessionInfo) -> ExportTraceServiceRequest {
    let (mut spans, mut out) = (Spans::default(), Vec::new());
    traces.iter().for_each(|trace| spans.add(trace, info));
    let resource = Resource {
        service: "pipeline".to_owned(),
        host: "here".to_owned(),
        job: "77".to_owned(),
        pids: vec![4242],
    };
    spans.finish(&resource, &mut out);
    ExportTraceServiceRequest::decode(out.as_slice()).unwrap()
}

fn parts(decoded: Decoded) -> Vec<Part> {
    assert_eq!((decoded.invalid.len(), decoded.rejected, decoded.batch.raw.len()), (0, 0, 0), "{decoded:?}");
    decoded.batch.parts
}

type Stamps = Vec<(u8, i64, i64, u32, u32)>;

fn stamps(trace: &Trace, from: usize) -> Stamps {
    let stamps = trace.stamps.iter().skip(from);
    stamps.map(|s| (s.code.0, s.task_id, trace.wall_at(s.ts_ns), s.pid, s.tid)).collect()
}

fn entries(part: &Part) -> Stamps {
    part.entries.iter().map(|e| (e.code, e.task, e.ts_ns, e.pid, e.tid)).collect()
}

#[test]
fn a_record_comes_back_as_it_was() {
    let traces = [
        trace("S0@100 Q+@110 Q-@150 W!@151", Outcome::Written),
        Trace { id: 43, ..trace("S0@5", Outcome::Expired) },
        Trace { id: 44, ..trace("S0@5 Q+@5 Q-@5 T+@9 drop@9", Outcome::Filtered) },
    ];
    let info = info();
    let found = parts(decode(&request(&traces.each_ref(), &info), None, 7));
    assert_eq!(found.len(), traces.len());
    for (part, trace) in found.iter().zip(&traces) {
        assert_eq!(entries(part), stamps(trace, 0));
        assert_eq!(part.outcome, trace.outcome.name(&info.outcomes));
        assert_eq!(
            (part.key.trace_id, part.key.branch, part.key.sink_task),
            (trace.id, 0, trace.last_task())
        );
        assert_eq!((part.host.as_str(), &part.key.job, part.received_ms), ("here", &"77".to_owned(), 7));
        assert_eq!(
            (part.precision, part.start_ns, part.shared),
            (Precision::Nanos, trace.wall_at(trace.start_ns), 0)
        );
        let names: Vec<_> = trace.stamps.iter().map(|s| info.stages[s.stage].name.clone()).collect();
        assert_eq!(part.entries.iter().map(|e| e.name.clone().unwrap()).collect::<Vec<_>>(), names);
    }
}

#[test]
fn a_branch_keeps_all_that_its_spans_tell() {
    let trace = rich();
    let found = parts(decode(&request(&[&trace], &info()), None, 7));
    let part = &found[0];
    // From the stamp at which it left its record, which is that one's.
    assert_eq!((entries(part), part.shared), (stamps(&trace, 2), 1));
    assert_eq!((part.key.trace_id, part.key.branch), (trace.id, trace.branch.0));
    assert_eq!((part.outcome.as_str(), part.is_partial), ("error_routed", true));
    let values: Vec<_> =
        part.attributes.iter().map(|a| (usize::from(a.entry), a.value.to_string())).collect();
    let told: Vec<_> =
        trace.attributes.iter().map(|a| (a.stamp.saturating_sub(2), a.value.to_string())).collect();
    assert_eq!(values, told);
    // Its record's beginning is known, as an event would tell it.
    assert_eq!(part.start_ns, trace.wall_at(trace.start_ns));
    assert_eq!(part.attributes[0].name, "table");
    let batches: Vec<_> =
        part.batches.iter().map(|b| (usize::from(b.entry), b.key, b.position, b.size)).collect();
    let told: Vec<_> =
        trace.batches.iter().map(|b| (b.stamp.saturating_sub(2), b.key, b.position, b.size)).collect();
    assert_eq!(batches, told);
    let times: Vec<_> = part.record_times.iter().map(|t| (t.event_ns, t.latency_ns)).collect();
    assert_eq!(times, trace.record_times.iter().map(|t| (t.event_ns, t.latency_ns)).collect::<Vec<_>>());
    let flags: Vec<_> =
        trace.flags.named().filter(|(_, count)| *count > 0).map(|(n, c)| (n.to_owned(), c)).collect();
    assert_eq!(part.flags, flags);
}

#[test]
fn a_branch_of_which_nobody_says_when_it_began_counts_from_end_to_end_nowhere() {
    let branch = Trace { flags: Flags::default(), ..rich() };
    let mut request = request(&[&branch], &info());
    let whole = parts(decode(&request, None, 7));
    assert!(!whole[0].is_partial);
    let spans = &mut request.resource_spans[0].scope_spans[0].spans;
    for span in spans {
        span.attributes.retain(|pair| pair.key != "stain.record_start_unix_nano");
    }
    let found = parts(decode(&request, None, 7));
    assert!(found[0].is_partial && found[0].start_ns == whole[0].entries[0].ts_ns);
}

#[test]
fn a_journey_of_which_spans_are_missing_is_kept_and_shown_to_nobody() {
    let whole = request(&[&trace("S0@100 Q+@110 Q-@150 W!@151", Outcome::Written)], &info());
    let spans = whole.resource_spans[0].scope_spans[0].spans.len();
    for missing in 0..spans {
        let mut part = whole.clone();
        part.resource_spans[0].scope_spans[0].spans.remove(missing);
        let decoded = decode(&part, None, 7);
        assert_eq!(
            (decoded.batch.parts.len(), decoded.batch.raw.len(), decoded.rejected),
            (0, 1, 0),
            "{missing}"
        );
        assert_eq!(decoded.invalid, [("spans", 1)].into());
        assert_eq!(decoded.batch.raw[0].event_type, "INVALID");
        assert!(decoded.batch.raw[0].body.contains("exportTraceServiceRequest"));
    }
}

#[test]
fn spans_of_others_are_told_back() {
    let mut request = request(&[&trace("S0@1 W!@2", Outcome::Written)], &info());
    let spans = &mut request.resource_spans[0].scope_spans[0].spans;
    let mut other = spans[0].clone();
    other.attributes.clear();
    spans.push(other);
    let decoded = decode(&request, None, 7);
    assert_eq!((decoded.spans, decoded.rejected, decoded.batch.parts.len()), (3, 1, 1));
    assert!(decoded.batch.raw.is_empty());
}

fn line(trace: &Trace) -> String {
    let origin = lines::Origin { job: "77".to_owned(), table: Some("db.tbl".to_owned()) };
    let mut out = Vec::new();
    lines::put(trace, &info(), &origin, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn lines_of_the_format_are_journeys_with_nanoseconds() {
    for trace in [trace("S0@100 Q+@110 W!@151", Outcome::Written), rich()] {
        let found = parts(decode(&json::request(&line(&trace)).unwrap(), None, 7));
        let part = &found[0];
        let stamps: Vec<_> =
            stamps(&trace, 0).into_iter().map(|(code, task, ts, ..)| (code, task, ts, 0, 0)).collect();
        assert_eq!(entries(part), stamps);
        assert_eq!((part.key.job.as_str(), part.table.as_deref()), ("77", Some("db.tbl")));
        assert_eq!(
            (part.key.trace_id, part.key.branch, usize::from(part.shared)),
            (trace.id, trace.branch.0, trace.shared)
        );
        assert_eq!(
            (part.key.sink_task, part.outcome.as_str()),
            (trace.last_task(), trace.outcome.name(&info().outcomes))
        );
    }
}

#[test]
fn lines_of_an_engine_know_no_outcome() {
    let line = line(&trace("S0@100 Q+@110 W!@151", Outcome::Written)).replace("stain.outcome", "other");
    assert_eq!(parts(decode(&json::request(&line).unwrap(), None, 7))[0].outcome, "written");
    let line = self::line(&trace("S0@100 Q+@110", Outcome::Written)).replace("stain.outcome", "other");
    let line = line.replace("\"intValue\":\"2\"", "\"intValue\":2").replace("seatunnel.job_id", "none");
    let part = &parts(decode(&json::request(&line).unwrap(), Some("5"), 7))[0];
    assert_eq!((part.outcome.as_str(), part.key.job.as_str(), part.entries.len()), ("unknown", "5", 2));
}

#[test]
fn json_is_read_as_protocol_buffers_write_it() {
    let text = r#"{"resourceSpans":[{"resource":null,"scopeSpans":[{"spans":[{"traceId":"0A","startTimeUnixNano":"18446744073709551615",
        "endTimeUnixNano":5,"unknown":{},"attributes":[{"key":"a","value":{"intValue":"-5"}},{"key":"b","value":{"doubleValue":1.5}},
        {"key":"c","value":{"boolValue":true}}]}]}]}]}"#;
    let request = json::request(text).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(
        (span.trace_id.as_slice(), span.start_time_unix_nano, span.end_time_unix_nano),
        (&[10u8][..], u64::MAX, 5)
    );
    assert_eq!(super::number(&span.attributes, "a"), Some(-5));
    for text in [
        "",
        "[]",
        "5",
        r#"{"resourceSpans":5}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0"}]}]}]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xx"}]}]}]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"x"}]}]}]}"#,
    ] {
        assert!(json::request(text).is_err(), "{text}");
    }
}

proptest! {
    /// Whatever byte of a request is another one, nothing panics, and each journey is a part or kept.
    #[test]
    fn near_requests_do_no_harm(at: prop::sample::Index, by in 1u8..=255) {
        let mut bytes = request(&[&rich(), &trace("S0@1 Q+@2 W!@3", Outcome::Written)], &info()).encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        if let Ok(request) = ExportTraceServiceRequest::decode(bytes.as_slice()) {
            let decoded = decode(&request, None, 7);
            prop_assert_eq!(decoded.invalid.values().sum::<u64>(), decoded.batch.raw.len() as u64);
        }
    }

    #[test]
    fn no_text_panics(text in "[\\[\\]{}\":,a-zA-Z0-9]{0,80}") {
        let _ = json::request(&text);
    }
}
