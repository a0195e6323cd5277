//! First inputs: small and whole, made by the program itself.

use std::sync::Arc;

use profiler_common::{Outcome, StageCode};
use profiler_user::collector::ingest::otlp::json as spans_in_json;
use profiler_user::collector::model::PacketSeen;
use profiler_user::collector::query::cursor;
use profiler_user::collector::store::Cursor;
use profiler_user::collector::streams::StreamState;
use profiler_user::feed::{Clock, Ended, FeedEvent, SessionInfo, StageInfo, Tick};
use profiler_user::recording::Recorder;
use profiler_user::sink::event::{self, PayloadVersion};
use profiler_user::sink::otlp::lines;
use profiler_user::sink::packet::Packet;
use profiler_user::sink::sttr::{decode, json, nano, v1};
use profiler_user::spec::{Level, SAMPLE, defaults};
use profiler_user::trace::{Attribute, AttributeValue, BranchPath, Flags, RecordTime, Stamp, Trace};
use prost::Message as _;

fn trace() -> Trace {
    let stamp = |index: u8| Stamp {
        stage: index.into(),
        code: StageCode(index + 1),
        probe: index.into(),
        pid: 4242,
        task_id: 4300 + i64::from(index),
        tid: 4300,
        cpu: 1,
        ts_ns: 1_000_000 + u64::from(index) * 1000,
    };
    Trace {
        id: 77 << 40 | 12_345,
        outcome: Outcome::Written,
        pid: 4242,
        key: 0x7f00_0000_1000,
        sequence: 1000,
        start_ns: 1_000_000,
        wall_ns: 1_700_000_000_000_000_000,
        end_ns: 1_003_000,
        stamps: (0..3).map(stamp).collect(),
        branch: BranchPath::ROOT,
        shared: 0,
        branches: 0,
        batches: Vec::new(),
        attributes: vec![Attribute { stamp: 1, index: 0, value: AttributeValue::Text("orders".into()) }],
        record_times: vec![RecordTime {
            stamp: 0,
            event_ns: 1_699_999_999_000_000_000,
            latency_ns: 1_000_000_000,
        }],
        flags: Flags { late_stamps: 2, ..Flags::default() },
    }
}

pub(crate) fn payloads() -> Vec<Vec<u8>> {
    let (mut millis, mut nanos) = (Vec::new(), Vec::new());
    v1::encode(&trace(), 99, &mut millis);
    nano::encode(&trace(), &[], &mut nanos);
    vec![millis, nanos]
}

/// A list of events of each kind, and lines of spans in JSON.
pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let mut lists = Vec::new();
    for payload in [PayloadVersion::Millis, PayloadVersion::Nanos] {
        let origin = event::Origin {
            job: "7".to_owned(),
            host: "here".to_owned(),
            payload,
            ..event::Origin::default()
        };
        let branch = Trace { branch: BranchPath(2), shared: 1, ..trace() };
        let mut list = b"[".to_vec();
        for trace in [trace(), branch] {
            let _ = event::Events::default().put(&trace, &info(), &origin, &mut list);
            list.push(b',');
        }
        let _ = event::put_packet(&Packet::default(), &info(), &origin, &mut list);
        list.extend_from_slice(b",{\"eventType\":\"JOB_STATUS\"}]");
        lists.push(list);
    }
    let (mut line, origin) = (Vec::new(), lines::Origin { job: "7".to_owned(), table: None });
    let _ = lines::put(&trace(), &info(), &origin, &mut line);
    lists.push(line);
    // A line of the agent's own, with all that lines may have.
    lists.push(
        br#"{"trace_id":"42","branch":"2","parent":"0","outcome":"written","pid":1,"key":"0x7f","sequence":3,"start_ns":5,"end_ns":9,"wall_time":"2023-11-14T22:13:20.123456789Z","shared":1,"branches":1,"entries":[{"stage":"S0","name":"emit","task_id":-7,"tid":7,"cpu":0,"ts_ns":5,"attributes":{"id":18446744073709551615,"n":-1,"table":"t"}},{"stage":"STAGE_9","name":"","pid":2,"task_id":8,"tid":8,"cpu":1,"ts_ns":9,"record_time_ns":-1,"record_latency_ns":2}],"batches":[{"entry":1,"key":"0x2","position":3,"size":null}],"flags":{"late_stamps":2,"partial":true}}"#
            .to_vec(),
    );
    lists
}

/// Spans of the format's line, in protocol buffers.
pub(crate) fn spans() -> Vec<Vec<u8>> {
    let bytes = |line: &Vec<u8>| {
        let request = spans_in_json::request(std::str::from_utf8(line).ok()?).ok()?;
        Some(request.encode_to_vec())
    };
    bodies().iter().filter_map(bytes).collect()
}

pub(crate) fn places() -> Vec<Vec<u8>> {
    let place = Cursor {
        received_ms: 1_700_000_000_000,
        trace_id: 77,
        sink_task: 99,
        branch: 2,
        job: "7".to_owned(),
    };
    let mut state = StreamState::default();
    for number in [0, 1, 5, 9] {
        let host = "here".to_owned();
        state.see(&PacketSeen {
            packet: number,
            count: 10,
            complete_ns: 1000,
            host,
            ..PacketSeen::default()
        });
    }
    vec![cursor::to_text(&place).into_bytes(), state.to_text().into_bytes()]
}

pub(crate) fn jsons() -> Vec<Vec<u8>> {
    let text = |bytes: &Vec<u8>| decode(bytes).ok().and_then(|payload| json::from_payload(&payload).ok());
    payloads().iter().filter_map(text).map(String::into_bytes).collect()
}

fn info() -> SessionInfo {
    let stage = |code, name: &str| StageInfo {
        code,
        name: name.to_owned(),
        probed: true,
        attributes: vec!["table".to_owned()],
    };
    SessionInfo {
        version: "0".to_owned(),
        agent: 1,
        host: "host".to_owned(),
        target: "target".to_owned(),
        stages: vec![stage(StageCode::SOURCE, "emit"), stage(StageCode::SINK, "write")],
        fills: Vec::new(),
        outcomes: Vec::new(),
        sampling: defaults::sampling(),
        level: Level::Info,
        began: Clock { mono_ns: 1, wall_ns: 2 },
    }
}

pub(crate) fn recordings() -> Vec<Vec<u8>> {
    let events = [
        FeedEvent::Started(Arc::new(info())),
        FeedEvent::Trace(Arc::new(trace())),
        FeedEvent::Tick(Arc::new(Tick { mono_ns: 2_000_000, ..Tick::default() })),
        FeedEvent::Ended(Arc::new(Ended { mono_ns: 3_000_000, why: "duration".to_owned() })),
    ];
    let mut bytes = Vec::new();
    let mut recorder = Recorder::new(&mut bytes);
    for event in &events {
        if recorder.event(event).is_err() {
            return Vec::new();
        }
    }
    let _ = recorder.flush();
    drop(recorder);
    vec![bytes]
}

pub(crate) fn texts() -> Vec<Vec<u8>> {
    let lines = [
        "*(u64*)(arg0+24)",
        "level debug",
        "S0:read=libc.so.6:read%return(arg1)@thread",
        "str(*(u64*)(arg1+16), 32)",
    ];
    lines.into_iter().chain([SAMPLE]).map(|text| text.as_bytes().to_vec()).collect()
}
