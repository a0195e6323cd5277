//! What is too old or too much goes, and nothing else.

use std::sync::Arc;

use super::make::{START_MS, START_NS, attribute, batch, page, part};
use super::writing::everything;
use crate::collector::model::{AttributeValue, Dimension, PacketSeen, Part, RawEvent};
use crate::collector::store::{BUCKET_MS, Batch, Filter, Removed, Retention, Store};

/// Part `id` came, and ended, `id` buckets after the start.
fn at(id: u64) -> Part {
    let mut part = part("77", id);
    let later = id as i64 * BUCKET_MS;
    part.entries.iter_mut().for_each(|entry| entry.ts_ns += later * 1_000_000);
    part.start_ns += later * 1_000_000;
    part.end_ns = START_NS + later * 1_000_000 + 5_000_000_000;
    part.received_ms = START_MS + later;
    part.attributes = vec![attribute("order", AttributeValue::Unsigned(id))];
    part
}

async fn total(store: &dyn Store, filter: &Filter) -> u64 {
    store.traces(filter, &page(10)).await.unwrap().total
}

pub(super) async fn retention(store: Arc<dyn Store>) {
    let parts: Vec<Part> = (0..100).map(at).collect();
    let raw = |index: i64| RawEvent {
        event_type: "JOB_STATUS".to_owned(),
        job: None,
        created_ms: 0,
        received_ms: START_MS + index * BUCKET_MS,
        body: index.to_string(),
    };
    let packet = |stream: u64| PacketSeen {
        job: "77".to_owned(),
        stream,
        received_ms: START_MS + stream as i64 * BUCKET_MS,
        ..PacketSeen::default()
    };
    let packets = (0..100).map(packet).collect();
    store.write(&Batch { parts: parts.clone(), raw: (0..100).map(raw).collect(), packets }).await.unwrap();
    assert_eq!(
        store.retain(&Retention::default()).await.unwrap(),
        Removed::default(),
        "nothing was asked for"
    );
    let before_ms = START_MS + 40 * BUCKET_MS;
    let removed =
        store.retain(&Retention { before_ms: Some(before_ms), ..Retention::default() }).await.unwrap();
    assert_eq!(removed, Removed { parts: 40, raw: 40, rollups: 0, streams: 40 });
    left(&*store, 40).await;
    let removed = store
        .retain(&Retention { rollups_before_ms: Some(before_ms + BUCKET_MS / 2), ..Retention::default() })
        .await
        .unwrap();
    assert!(removed.rollups > 0 && removed.parts == 0);
    let rollups = store.rollups(&everything(Dimension::All)).await.unwrap();
    assert_eq!(rollups.first().map(|one| one.bucket_ms), Some(before_ms));
    assert_eq!(rollups.len(), 60 * 6);
    // What went may come again, and is new.
    assert_eq!(store.write(&batch(&parts[39..41])).await.unwrap().new, 1);
    let removed =
        store.retain(&Retention { before_ms: Some(before_ms), ..Retention::default() }).await.unwrap();
    assert_eq!(removed.parts, 1);
    too_much(&*store).await;
}

/// Those that came from this one on are there.
async fn left(store: &dyn Store, first: u64) {
    assert_eq!(total(store, &Filter::default()).await, 100 - first);
    assert_eq!(total(store, &Filter { job: Some("77".to_owned()), ..Filter::default() }).await, 100 - first);
    for (id, count) in [(first - 1, 0), (first, 1)] {
        assert_eq!(store.parts(None, id).await.unwrap().len(), count, "{id}");
        let attributes = vec![("order".to_owned(), id.to_string())];
        assert_eq!(total(store, &Filter { attributes, ..Filter::default() }).await, count as u64);
    }
    let jobs = store.jobs().await.unwrap();
    assert_eq!((jobs[0].parts, jobs[0].first_ms), (100 - first, START_MS + first as i64 * BUCKET_MS));
    assert_eq!(store.streams(1000).await.unwrap().len() as u64, 100 - first);
    assert_eq!(store.rollups(&everything(Dimension::All)).await.unwrap().len(), 600, "rollups live longer");
}

async fn too_much(store: &dyn Store) {
    let large = |id: u64| Part { payload: vec![id as u8; 20_000], ..at(id) };
    for ids in [200..400, 400..600] {
        let parts: Vec<Part> = ids.map(large).collect();
        store.write(&batch(&parts)).await.unwrap();
    }
    let much = Retention { max_bytes: Some(1 << 40), ..Retention::default() };
    assert_eq!(store.retain(&much).await.unwrap(), Removed::default());
    let before = total(store, &Filter::default()).await;
    let removed =
        store.retain(&Retention { max_bytes: Some(5 << 20), ..Retention::default() }).await.unwrap();
    let after = total(store, &Filter::default()).await;
    assert!(removed.parts > 0 && after < before, "{removed:?}");
    assert_eq!(after, before - removed.parts);
    // The oldest went: the newest of those that are left is the newest of all.
    let newest = store.traces(&Filter::default(), &page(2000)).await.unwrap().items;
    if let Some(part) = newest.first() {
        assert_eq!(part.key.trace_id, 599);
        let oldest = newest.last().map_or(0, |part| part.key.trace_id);
        assert_eq!(newest.len() as u64, 600 - oldest, "no gap in between");
    }
    assert!(store.write(&batch(&[at(700)])).await.unwrap().new == 1, "and it goes on");
}

pub(super) async fn emptied(store: Arc<dyn Store>) {
    let everything = Retention { before_ms: Some(START_MS + 1_000_000), ..Retention::default() };
    let mut last = 0;
    for round in 0..3 {
        // The same traces each time: what went is new again.
        let parts: Vec<Part> = (0..20).map(|id| part("77", id)).collect();
        assert_eq!(store.write(&batch(&parts)).await.unwrap().new, 20);
        let (place, found) = store.after(Some(last), 100).await.unwrap();
        assert_eq!(found.len(), 20, "round {round}");
        assert!(place > last);
        last = place;
        assert_eq!(store.retain(&everything).await.unwrap().parts, 20);
        assert_eq!(store.after(None, 10).await.unwrap().0, last);
    }
}
