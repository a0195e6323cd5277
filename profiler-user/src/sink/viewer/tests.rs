use serde_json::Value;

use super::{Form, Viewer};
use crate::feed::testing::busy;
use crate::feed::{FeedEvent, SessionInfo};
use crate::sink::event::job_of;
use std::sync::Arc;

/// A recording's bytes in a form, after `change`d names.
fn written(form: Form, change: impl Fn(&mut SessionInfo)) -> Vec<u8> {
    let mut viewer = Viewer::new(form, None);
    let mut out = Vec::new();
    viewer.begin(&mut out);
    for event in busy() {
        let event = match event {
            FeedEvent::Started(info) => {
                let mut info = SessionInfo::clone(&info);
                change(&mut info);
                FeedEvent::Started(Arc::new(info))
            }
            event => event,
        };
        viewer.add(&event, &mut out).unwrap();
    }
    viewer.end(&mut out);
    assert_eq!(viewer.written(), busy().iter().filter(|e| matches!(e, FeedEvent::Trace(_))).count() as u64);
    out
}

#[test]
fn chrome_events_are_json_and_each_begin_has_its_end() {
    let page: Value = serde_json::from_slice(&written(Form::Chrome, |_| {})).unwrap();
    let mut open: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
    for event in page["traceEvents"].as_array().unwrap() {
        let name = event["name"].as_str().unwrap().to_owned();
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        match event["ph"].as_str().unwrap() {
            "b" => open.entry(id).or_default().push(name),
            "e" => assert_eq!(open.get_mut(&id).and_then(Vec::pop), Some(name)),
            "i" => assert_eq!(event["s"], "t"),
            "M" => assert_eq!(event["name"], "process_name"),
            other => panic!("{other}"),
        }
        assert!(event["ph"] == "M" || event["ts"].is_number(), "{event}");
    }
    assert!(!open.is_empty() && open.values().all(Vec::is_empty), "{open:?}");
}

#[test]
fn names_of_the_target_are_quoted_in_csv_and_are_no_formulas() {
    let text = String::from_utf8(written(Form::Csv, |info| {
        info.stages[0].name = "a,\"b\"\r\nc".to_owned();
        info.stages[1].name = "=HYPERLINK(1)".to_owned();
    }))
    .unwrap();
    assert!(text.contains(",\"a,\"\"b\"\"\r\nc\",") && text.contains(",\" =HYPERLINK(1)\","), "{text}");
}

#[test]
fn a_recording_has_the_job_that_exporters_gave_the_session() {
    let job = |host: &str| {
        let lines = written(Form::OtlpJson, |info| {
            (info.host, info.target) = (host.to_owned(), "mill".to_owned());
        });
        let line: Value = serde_json::from_slice(lines.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        let attributes = line["resourceSpans"][0]["resource"]["attributes"].as_array().unwrap();
        attributes.iter().find(|one| one["key"] == "seatunnel.job_id").map(|one| one["value"].clone())
    };
    assert_eq!(job("db1"), Some(serde_json::json!({"stringValue": job_of("db1", "mill")})));
    // As recordings of older programs are read.
    assert_eq!(job(""), Some(serde_json::json!({"stringValue": job_of("", "mill")})));
}

#[test]
fn a_recording_of_nothing_is_a_file_of_its_form() {
    for (form, expected) in [
        (Form::Chrome, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n]}\n"),
        (Form::Perfetto, ""),
        (Form::OtlpJson, ""),
        (Form::Sttr, ""),
    ] {
        let (mut viewer, mut out) = (Viewer::new(form, None), Vec::new());
        viewer.begin(&mut out);
        viewer.end(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
