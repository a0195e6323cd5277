use std::io::{self, Write};

use profiler_common::Outcome;
use serde_json::Value;

use super::JsonLines;
use crate::sink::testing::{assert_counts, attributes, busy, empty, outcomes, rich, stages};
use crate::sink::{Names, Sink, SinkCounts, SinkError};
use crate::trace::testing::trace;
use crate::trace::{Flags, Trace};

fn names() -> Names {
    let stages = stages().into_iter().map(|row| row.name).collect();
    Names { stages, attributes: attributes(), outcomes: outcomes() }
}

fn lines(traces: &[Trace]) -> Vec<String> {
    let parts = busy();
    let mut out = Vec::new();
    let mut sink = JsonLines::new(&mut out, "memory", names());
    traces.iter().for_each(|trace| sink.trace(trace).unwrap());
    sink.finish(&parts.session()).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_trace_is_exactly_this_line() {
    let mut one = trace("S0@5000000000 Q+@5000000850 W!@5000009999", Outcome::Written);
    (one.key, one.id) = (u64::MAX, i64::MAX as u64);
    one.stamps[1].task_id = i64::MIN;
    assert_eq!(
        lines(&[one])[0],
        r#"{"trace_id":"9223372036854775807","outcome":"written","pid":4242,"key":"0xffffffffffffffff","sequence":300,"#.to_owned()
            + r#""start_ns":5000000000,"end_ns":5000009999,"wall_time":"2023-11-14T22:13:25.000000000Z","entries":["#
            + r#"{"stage":"S0","name":"emit","task_id":4300,"tid":4300,"cpu":0,"ts_ns":5000000000},"#
            + r#"{"stage":"Q+","name":"push","task_id":-9223372036854775808,"tid":4301,"cpu":1,"ts_ns":5000000850},"#
            + r#"{"stage":"W!","name":"pop","task_id":4302,"tid":4302,"cpu":0,"ts_ns":5000009999}],"flags":{}}"#
    );
}

#[test]
fn a_branch_with_all_that_there_is_is_exactly_this_line() {
    let mut one = rich();
    one.stamps[3].pid = 77;
    assert_eq!(
        lines(&[one])[0],
        r#"{"trace_id":"7969916174494417963","branch":"2.3","parent":"2","outcome":"error_routed","pid":4242,"key":"0x7f0000001000","#.to_owned()
            + r#""sequence":300,"start_ns":100,"end_ns":7000001,"wall_time":"2023-11-14T22:13:20.000000100Z","shared":3,"branches":2,"entries":["#
            + r#"{"stage":"S0","name":"emit","task_id":4300,"tid":4300,"cpu":0,"ts_ns":100,"attributes":{"size":18446744073709551615}},"#
            + r#"{"stage":"Q+","name":"push","task_id":-1,"tid":4301,"cpu":1,"ts_ns":1110,"attributes":{"delta":-9223372036854775808,"state":"ok"}},"#
            + r#"{"stage":"Q-","name":"pop","task_id":4302,"tid":4302,"cpu":0,"ts_ns":5000150},"#
            + r#"{"stage":"T-","name":"parse","pid":77,"task_id":4303,"tid":4303,"cpu":1,"ts_ns":5000151},"#
            + r#"{"stage":"W!","name":"parsed","task_id":4304,"tid":4304,"cpu":0,"ts_ns":7000000,"#
            + "\"attributes\":{\"note\":\"a \\\"quoted\\\" \u{e4}\\n\"},"
            + r#""record_time_ns":1699999999999000000,"record_latency_ns":-5}],"#
            + r#""batches":[{"entry":1,"key":"0xffff800000001234","position":0,"size":null},{"entry":3,"key":"0x7","position":63,"size":64}],"#
            + r#""flags":{"entries_dropped":3,"batches_dropped":1,"partial":true}}"#
    );
}

#[test]
fn flags_are_those_that_are_not_zero() {
    let mut one = trace("S0@1", Outcome::TargetExit);
    one.flags = Flags { entries_dropped: 3, torn_stamps: 2, early_stamps: 1, ..Flags::default() };
    let line = &lines(&[one])[0];
    assert!(line.contains(r#""outcome":"target_exit""#), "{line}");
    assert!(line.ends_with(r#""flags":{"entries_dropped":3,"torn_stamps":2,"early_stamps":1}}"#), "{line}");
}

#[test]
fn wall_times_have_nine_digits_to_the_end_of_time() {
    for (wall_ns, text) in [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_700_000_000_123_456_780, "2023-11-14T22:13:20.123456780Z"),
        (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
    ] {
        let line = &lines(&[Trace { wall_ns, ..trace("S0@1", Outcome::Expired) }])[0];
        assert!(line.contains(&format!(r#""wall_time":"{text}""#)), "{line}");
    }
}

#[test]
fn an_outcome_has_the_name_that_the_spec_gives_it() {
    let line = &lines(&[trace("S0@1 drop@2", Outcome::Named(0))])[0];
    assert!(line.contains(r#""outcome":"error_routed""#), "{line}");
}

/// Every path of keys in a value, arrays by their first member; names that the spec gives are no keys of the format.
fn keys(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                into.push(format!("{path}{name}"));
                if name == "outcomes" || name == "attributes" {
                    continue;
                }
                keys(value, &format!("{path}{name}."), into);
            }
        }
        Value::Array(members) => members.iter().take(1).for_each(|member| keys(member, path, into)),
        _ => {}
    }
}

/// The keys that the document names: the first code span of each table row, below a heading that names the line.
fn documented(section: &str) -> Vec<String> {
    let doc = include_str!("../../../../docs/jsonl.md");
    let body = doc.split("\n## ").find(|part| part.starts_with(section)).unwrap();
    let rows = body.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(key, _)| key.to_owned()).collect()
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}

#[test]
fn the_document_names_precisely_the_keys() {
    let mut flagged = rich();
    flagged.stamps[0].pid = 77;
    flagged.record_times[0].stamp = 0;
    flagged.flags = Flags {
        entries_dropped: 1,
        late_stamps: 1,
        torn_stamps: 1,
        early_stamps: 1,
        keys_dropped: 1,
        branches_dropped: 1,
        batches_dropped: 1,
        attributes_dropped: 1,
        attributes_unreadable: 1,
        is_partial: true,
    };
    let lines = lines(&[flagged]);
    for (line, section) in lines.iter().zip(["A trace's line", "The summary's line"]) {
        let mut found = Vec::new();
        keys(&serde_json::from_str(line).unwrap(), "", &mut found);
        assert_eq!(sorted(found), sorted(documented(section)), "{section}");
    }
}

#[test]
fn the_examples_of_the_document_have_the_keys_of_the_lines() {
    let doc = include_str!("../../../../docs/jsonl.md");
    let examples: Vec<Value> = doc
        .lines()
        .filter(|line| line.starts_with("    {"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(examples.len(), 2);
    let plain = [trace("S0@1 W!@2", Outcome::Written)];
    for (line, example) in lines(&plain).iter().zip(&examples) {
        let (mut found, mut shown) = (Vec::new(), Vec::new());
        keys(&serde_json::from_str(line).unwrap(), "", &mut found);
        keys(example, "", &mut shown);
        assert_eq!(sorted(shown), sorted(found));
    }
}

#[test]
fn the_summary_has_the_numbers() {
    let last: Value = serde_json::from_str(&lines(&[])[0]).unwrap();
    let summary = &last["summary"];
    assert_eq!(
        (summary["ledger"]["sampled"].as_u64(), summary["ledger"]["admitted"].as_u64()),
        (Some(1240), Some(1006))
    );
    assert_eq!(summary["ledger"]["balanced"], true);
    assert_eq!(
        summary["ledger"]["lost"],
        serde_json::json!({"target_exit": 7, "thread_exit": 4, "source_unseen": 0, "corrupt": 1})
    );
    assert_eq!(summary["ledger"]["outcomes"], serde_json::json!({"error_routed": 6}));
    assert_eq!(summary["e2e"]["count"], 100);
    assert_eq!(summary["hops"][1]["cause"], "queue");
    assert_eq!(summary["hops"][1]["max_ns"], 420_000);
    assert_eq!(summary["cost"]["probe_ns_total"], 510 * (1_234_567 + 1_134_567) + 20_000 * 9_800);
    assert_eq!(summary["target"], serde_json::json!({"name": "pipeline", "pids": [4242]}));
    assert_eq!((&summary["end"], &summary["duration_ns"]), (&"duration".into(), &10_000_000_000u64.into()));
}

#[test]
fn a_session_without_traces_has_nulls_not_zeroes() {
    let (parts, mut out) = (empty(), Vec::new());
    JsonLines::new(&mut out, "memory", names()).finish(&parts.session()).unwrap();
    let last: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(last["summary"]["e2e"]["count"], 0);
    assert!(last["summary"]["e2e"]["p99_ns"].is_null() && last["summary"]["cost"]["target_cpu_ns"].is_null());
    assert_eq!(last["summary"]["ledger"]["balanced"], true);
}

/// A disk with room for so many bytes, which takes at most so many at once.
struct Disk {
    bytes: Vec<u8>,
    room: usize,
    at_once: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let take = bytes.len().min(self.at_once).min(self.room - self.bytes.len());
        self.bytes.extend(&bytes[..take]);
        if take == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(take) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn received_is_sent_plus_dropped_whatever_the_disk_does() {
    let traces: Vec<_> =
        (0..500).map(|id| Trace { id, ..trace("S0@1 Q+@2 Q-@3 W!@4", Outcome::Written) }).collect();
    for room in [0, 1, 400, 10_000, 70_000, 150_000, 10_000_000] {
        for (at_once, flush_every) in [(7, 3), (100_000, 1000), (1000, 50)] {
            let mut sink = JsonLines::new(Disk { bytes: Vec::new(), room, at_once }, "disk", names());
            assert_counts(&mut sink, &traces, flush_every);
            let whole = String::from_utf8_lossy(&sink.out.bytes).matches("}\n").count() as u64;
            let summary = u64::from(room == 10_000_000);
            assert_eq!(sink.counts().sent + summary, whole, "room {room}, {at_once} at once");
            assert_eq!(sink.counts().dropped == 0, room == 10_000_000);
        }
    }
}

#[test]
fn a_full_disk_is_said_with_its_name_and_the_loss() {
    let mut sink =
        JsonLines::new(Disk { bytes: Vec::new(), room: 10, at_once: 99 }, "/data/out.jsonl", names());
    let one = trace("S0@1 W!@2", Outcome::Written);
    sink.trace(&one).unwrap();
    sink.trace(&one).unwrap();
    let first = sink.flush().unwrap_err();
    assert!(matches!(first, SinkError::Write { dropped: 2, .. }));
    let text = first.to_string();
    assert!(
        text.starts_with("cannot write to /data/out.jsonl: ")
            && text.ends_with("2 traces not delivered so far"),
        "{text}"
    );
    let second = sink.trace(&one).unwrap_err();
    assert_eq!(
        second.to_string(),
        "/data/out.jsonl is closed after a failed write; 3 traces not delivered so far"
    );
    assert_eq!(sink.counts(), SinkCounts { received: 3, sent: 0, dropped: 3 });
}
