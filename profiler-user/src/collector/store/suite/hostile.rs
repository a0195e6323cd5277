//! Texts that want to be SQL, and numbers at the ends of their ranges.

use std::sync::Arc;

use super::make::{attribute, batch, entry, page, part, with_entries};
use super::writing::everything;
use crate::collector::model::{
    AttributeValue, Dimension, Membership, PacketSeen, Part, RawEvent, RecordTime,
};
use crate::collector::store::{Batch, Filter, Page, RollupFilter, Store};

const TEXTS: [&str; 12] = [
    "",
    "'",
    "\"; DROP TABLE part; --",
    "' OR '1'='1",
    "\\' \\\\ \\n",
    "a\0b",
    "%_?$1:name@p",
    "\u{1F980} größe \u{202E}\u{0}",
    "\t\r\n",
    "null",
    "{\"a\":[1,2]}",
    "\u{FEFF}\u{FFFD}\u{10FFFF}",
];

/// A part with this text wherever it has any.
pub(super) fn hostile(text: &str, trace_id: u64) -> Part {
    let mut part = part(text, trace_id);
    part.table = Some(text.to_owned());
    text.clone_into(&mut part.outcome);
    text.clone_into(&mut part.host);
    part.entries.iter_mut().for_each(|entry| entry.name = Some(text.to_owned()));
    part.attributes = vec![attribute(text, AttributeValue::Text(text.to_owned()))];
    part.flags = vec![(text.to_owned(), 1)];
    part.payload = text.as_bytes().to_vec();
    part
}

fn packet(text: &str) -> PacketSeen {
    let text = text.to_owned();
    PacketSeen {
        job: text.clone(),
        host: text.clone(),
        version: text.clone(),
        target: text,
        ..PacketSeen::default()
    }
}

pub(super) async fn texts(store: Arc<dyn Store>) {
    let longest = "é".repeat(128);
    let texts: Vec<&str> = TEXTS.into_iter().chain([longest.as_str()]).collect();
    let parts: Vec<Part> = (0..).zip(&texts).map(|(id, text)| hostile(text, id)).collect();
    let raw = |text: &&str| RawEvent {
        event_type: (*text).to_owned(),
        job: Some((*text).to_owned()),
        created_ms: 0,
        received_ms: 0,
        body: (*text).to_owned(),
    };
    let packets = texts.iter().map(|text| packet(text)).collect();
    let all = Batch { parts: parts.clone(), raw: texts.iter().map(raw).collect(), packets };
    assert_eq!(store.write(&all).await.unwrap().new, texts.len() as u64);
    for (part, text) in parts.iter().zip(&texts) {
        assert_eq!(
            store.parts(Some(text), part.key.trace_id).await.unwrap(),
            std::slice::from_ref(part),
            "{text:?}"
        );
        let text = || Some((*text).to_owned());
        let filter = Filter {
            job: text(),
            table: text(),
            outcome: text(),
            host: text(),
            stage_name: text(),
            attributes: text().map(|text| (text.clone(), text)).into_iter().collect(),
            ..Filter::default()
        };
        let found = store.traces(&filter, &page(10)).await.unwrap();
        assert_eq!((found.total, found.items.len()), (1, 1), "{filter:?}");
        rollups(&*store, part).await;
    }
    let mut expected: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    let mut jobs: Vec<_> = store.jobs().await.unwrap().into_iter().map(|row| row.job).collect();
    jobs.sort();
    assert_eq!(jobs, expected);
    let mut streams: Vec<_> = store.streams(100).await.unwrap().into_iter().map(|row| row.job).collect();
    streams.sort();
    assert_eq!(streams, expected);
}

async fn rollups(store: &dyn Store, part: &Part) {
    for (by, member) in [(Dimension::Host, Some(part.host.clone())), (Dimension::Table, part.table.clone())] {
        // A host that is not known is no member. From end to end there is nothing: none of these was written.
        let expected = if by == Dimension::Host && part.host.is_empty() { 0 } else { 5 };
        let filter = RollupFilter { job: Some(part.key.job.clone()), member, ..everything(by) };
        let found = store.rollups(&filter).await.unwrap();
        assert_eq!(found.iter().map(|one| one.sketch.count()).sum::<u64>(), expected, "{filter:?}");
    }
}

pub(super) async fn numbers(store: Arc<dyn Store>) {
    let ids = [0, 1, (1 << 53) + 1, i64::MAX as u64 - 1, i64::MAX as u64];
    let branches = [0, 1, 0x0203, 1 << 63, u64::MAX];
    let tasks = [i64::MIN, -1, 0, i64::MAX - 1, i64::MAX];
    let mut parts = Vec::new();
    for ((trace_id, branch), sink_task) in ids.into_iter().zip(branches).zip(tasks) {
        for (index, span) in [(0, (1, 2)), (1, (-5_000_000_000, -1)), (2, (0, 0))] {
            let entries = vec![entry(0, sink_task, span.0), entry(255, sink_task, span.1)];
            let mut part = with_entries("77", trace_id, entries);
            part.key.branch = branch;
            part.key.sink_task = sink_task ^ index;
            part.created_ms = [i64::MIN, -1, i64::MAX][index as usize];
            part.stream = Some([0, 1 << 63, u64::MAX][index as usize]);
            part.entries[0].pid = u32::MAX;
            part.entries[1].tid = u32::MAX;
            part.attributes = vec![
                attribute("most", AttributeValue::Unsigned(u64::MAX)),
                attribute("least", AttributeValue::Signed(i64::MIN)),
            ];
            part.batches =
                vec![Membership { entry: 1, key: u64::MAX, position: u32::MAX, size: Some(u32::MAX) }];
            part.record_times = vec![RecordTime { entry: 0, event_ns: i64::MIN, latency_ns: i64::MAX }];
            parts.push(part);
        }
    }
    assert_eq!(store.write(&batch(&parts)).await.unwrap().new, parts.len() as u64);
    assert_eq!(store.write(&batch(&parts)).await.unwrap().new, 0);
    for part in &parts {
        let found = store.parts(None, part.key.trace_id).await.unwrap();
        assert!(found.contains(part), "{part:?}");
        let filter = Filter { task: Some(part.entries[0].task), stage: Some(255), ..Filter::default() };
        assert_eq!(store.traces(&filter, &page(100)).await.unwrap().total, 3);
    }
    paged(&*store, &parts).await;
    times(&*store).await;
}

/// A page a part: each is a cursor.
async fn paged(store: &dyn Store, parts: &[Part]) {
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = Page { limit: 1, offset: 0, after };
        let answer = store.traces(&Filter::default(), &page).await.unwrap();
        seen.extend(answer.items.into_iter().map(|part| part.key));
        after = answer.next;
        if after.is_none() {
            break;
        }
    }
    let expected = super::model::fitting(parts, &Filter::default());
    assert_eq!(seen, expected.into_iter().map(|part| part.key.clone()).collect::<Vec<_>>());
}

/// Durations that no 64-bit number holds are as long as one can be.
async fn times(store: &dyn Store) {
    let entries = vec![entry(1, 1, i64::MIN), entry(6, 1, i64::MAX)];
    let part = Part { received_ms: 0, ..with_entries("ends of time", 5, entries) };
    store.write(&batch(std::slice::from_ref(&part))).await.unwrap();
    assert_eq!(store.parts(Some("ends of time"), 5).await.unwrap(), [part]);
    let filter = RollupFilter { job: Some("ends of time".to_owned()), ..everything(Dimension::All) };
    let found = store.rollups(&filter).await.unwrap();
    let figures: Vec<_> = found.iter().filter_map(|one| one.sketch.figures()).collect();
    assert!(figures.len() == 2 && figures.iter().all(|one| one.max_ns == i64::MAX && one.p50_ns == i64::MAX));
}
