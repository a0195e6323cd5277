//! Files of a session that is made up.

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::Files;
use crate::export::Notify;
use crate::export::settings::{Destination, FileSettings, Settings};
use crate::feed::channel::{Hub, channel};
use crate::feed::{Clock, FeedEvent, SessionInfo, Tick};
use crate::sink::counts::{Counts, DropReason};
use crate::sink::event::Origin;
use crate::sink::sttr;
use crate::sink::testing::{info, rich};
use crate::trace::Trace;
use crate::trace::testing::trace;
use profiler_common::Outcome;

fn settings(folder: &Path, options: &str) -> FileSettings {
    let url = format!("file:{}?{options}", folder.display());
    let Destination::File(settings) = Settings::parse(&url).unwrap().destination else { panic!() };
    settings
}

/// The whole life of an exporter that is given these traces.
fn export(settings: &FileSettings, traces: &[Trace]) -> (Counts, Vec<String>) {
    let said = Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = Arc::clone(&said);
    let notify: Notify = Arc::new(move |text: &str| listener.lock().unwrap().push(text.to_owned()));
    let (sender, receiver) = channel(1 << 20);
    let began = Clock { mono_ns: 0, wall_ns: 1_700_000_000_000_000_000 };
    let hub = Hub::new(vec![sender]);
    hub.send(&FeedEvent::Started(Arc::new(SessionInfo { began, ..info() })));
    traces.iter().for_each(|trace| hub.send(&FeedEvent::Trace(Arc::new(trace.clone()))));
    hub.send(&FeedEvent::Tick(Arc::new(Tick { wall_ns: began.wall_ns + 9_000_000_000, ..Tick::default() })));
    drop(hub);
    let files = Files::start("file:x".to_owned(), settings, Origin::default(), receiver, &notify).unwrap();
    let counted = files.counted();
    files.join();
    let said = said.lock().unwrap().clone();
    (counted.counts(), said)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn traces(count: u64) -> Vec<Trace> {
    (0..count).map(|id| Trace { id, ..trace("S0@100 Q+@110 W!@200", Outcome::Written) }).collect()
}

#[test]
fn each_format_holds_every_trace() {
    let all = [traces(3), vec![rich()]].concat();
    for (format, name) in [("jsonl", "jsonl"), ("otlp-json", "otlp.jsonl"), ("sttr", "sttr")] {
        let folder = TempDir::new().unwrap();
        let (counts, said) = export(&settings(folder.path(), &format!("format={format}")), &all);
        assert_eq!((counts.received, counts.sent, counts.check(), said.len()), (4, 4, Ok(()), 0));
        assert_eq!(names(folder.path()), [format!("stain-20231114T221320Z-99-0001.{name}")]);
        let bytes = std::fs::read(folder.path().join(&names(folder.path())[0])).unwrap();
        if format == "sttr" {
            let (mut rest, mut ids) = (bytes.as_slice(), Vec::new());
            while !rest.is_empty() {
                let (payload, behind) = sttr::decode_first(rest).unwrap();
                ids.push(payload.trace_id() as u64);
                rest = behind;
            }
            assert_eq!(ids, [0, 1, 2, rich().id]);
        } else {
            let lines: Vec<serde_json::Value> = bytes
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect();
            assert_eq!(lines.len(), 4);
        }
    }
}

#[test]
fn files_are_closed_by_size_and_the_oldest_go() {
    let folder = TempDir::new().unwrap();
    let (counts, _) =
        export(&settings(folder.path(), "format=sttr&rotate_size=100KiB&keep=2"), &traces(5000));
    assert_eq!((counts.sent, counts.check()), (5000, Ok(())));
    let left = names(folder.path());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].as_str() > "stain-20231114T221320Z-99-0003.sttr", "{left:?}");
}

#[test]
fn a_trace_in_the_common_trace_format_is_a_folder() {
    let folder = TempDir::new().unwrap();
    let (counts, _) = export(&settings(folder.path(), "format=ctf"), &[traces(3), vec![rich()]].concat());
    assert_eq!((counts.sent, counts.check()), (4, Ok(())));
    let directory = folder.path().join("stain-20231114T221320Z-99-0001.ctf");
    assert_eq!(names(&directory), ["ch0_0", "index", "metadata"]);
    let index = std::fs::read(directory.join("index/ch0_0.idx")).unwrap();
    // The empty one, one packet of traces, and the last one.
    assert_eq!(index.len(), 16 + 3 * 72);
}

#[test]
fn what_cannot_be_written_is_counted_and_told_once() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder.path().join("gone"), "format=jsonl");
    let (counts, said) = export(&settings, &traces(2000));
    assert_eq!(
        (counts.received, counts.dropped(DropReason::Unwritable), counts.check()),
        (2000, 2000, Ok(()))
    );
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("file:x: cannot be written: "), "{said:?}");
}

#[test]
fn two_formats_in_one_folder_keep_files_of_their_own() {
    let folder = TempDir::new().unwrap();
    for format in ["otlp-json", "jsonl", "jsonl", "otlp-json"] {
        let (counts, said) = export(
            &settings(folder.path(), &format!("format={format}&keep=2&rotate_size=20KiB")),
            &traces(2000),
        );
        assert_eq!((counts.sent, counts.check(), said.len()), (2000, Ok(()), 0));
    }
    let names = names(folder.path());
    let of = |ending: &str| names.iter().filter(|name| name.split_once('.').unwrap().1 == ending).count();
    assert_eq!((of("jsonl"), of("otlp.jsonl")), (2, 2), "{names:?}");
}
