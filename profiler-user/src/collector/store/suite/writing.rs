//! What becomes of a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::make::{Numbers, any, batch, page, part};
use crate::collector::model::{Dimension, Part, RawEvent};
use crate::collector::store::{Batch, Filter, Retention, RollupFilter, Store, Width, Written};

/// All rollups of all jobs together.
pub(in crate::collector::store) const fn everything(by: Dimension) -> RollupFilter {
    RollupFilter { job: None, from_ms: i64::MIN, to_ms: i64::MAX, by, member: None, width: Width::Seconds }
}

pub(super) async fn comes_back(store: Arc<dyn Store>) {
    let mut numbers = Numbers(1);
    let parts: Vec<Part> = (0..200).map(|id| any(&mut numbers, id)).collect();
    let written = store.write(&batch(&parts)).await.unwrap();
    assert_eq!(written, Written { new: 200, repeated: 0 });
    for part in &parts {
        let found = store.parts(Some(&part.key.job), part.key.trace_id).await.unwrap();
        assert_eq!(found, std::slice::from_ref(part));
    }
    store.ready().await.unwrap();
}

pub(super) async fn repeats(store: Arc<dyn Store>) {
    let first = part("77", 1);
    let mut other = Part { outcome: "filtered".to_owned(), ..part("77", 1) };
    other.entries.truncate(3);
    let written =
        store.write(&batch(&[first.clone(), first.clone(), other.clone(), part("77", 2)])).await.unwrap();
    assert_eq!(written, Written { new: 2, repeated: 2 });
    let before = store.rollups(&everything(Dimension::All)).await.unwrap();
    let written = store.write(&batch(&[other, part("77", 2), part("77", 3)])).await.unwrap();
    assert_eq!(written, Written { new: 1, repeated: 2 });
    assert_eq!(store.parts(None, 1).await.unwrap(), [first]);
    let total = store.traces(&Filter::default(), &page(10)).await.unwrap().total;
    assert_eq!(total, 3);
    let after = store.rollups(&everything(Dimension::All)).await.unwrap();
    let counts = |rollups: &[crate::collector::store::Rollup]| -> Vec<u64> {
        rollups.iter().map(|one| one.sketch.count()).collect()
    };
    assert_eq!((counts(&before), counts(&after)), (vec![2; 6], vec![3; 6]));
}

pub(super) async fn keys(store: Arc<dyn Store>) {
    let base = part("77", 1);
    let mut others = vec![base.clone(); 4];
    others[0].key.job = "78".to_owned();
    others[1].key.trace_id = 2;
    others[2].key.sink_task = 99;
    others[3].key.branch = 1;
    others.push(base);
    let written = store.write(&batch(&others)).await.unwrap();
    assert_eq!(written, Written { new: 5, repeated: 0 });
    let written = store.write(&batch(&others)).await.unwrap();
    assert_eq!(written, Written { new: 0, repeated: 5 });
    assert_eq!(store.traces(&Filter::default(), &page(10)).await.unwrap().total, 5);
}

pub(super) async fn concurrent(store: Arc<dyn Store>) {
    let parts: Vec<Part> = (0..300).map(|id| part("77", id)).collect();
    let write = |parts: Vec<Part>| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for some in parts.chunks(30) {
                store.write(&batch(some)).await.unwrap();
            }
        })
    };
    let backwards = parts.iter().rev().cloned().collect();
    let writers = [write(parts.clone()), write(backwards), write(parts.clone())];
    for writer in writers {
        writer.await.unwrap();
    }
    let found = store.traces(&Filter::default(), &page(1000)).await.unwrap();
    assert_eq!((found.total, found.items.len()), (300, 300));
    let rollups = store.rollups(&everything(Dimension::All)).await.unwrap();
    let counts: Vec<u64> = rollups.iter().map(|one| one.sketch.count()).collect();
    assert_eq!(counts, [300; 6], "rollups count new parts only, once");
}

pub(super) async fn whole(store: Arc<dyn Store>) {
    let is_done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, is_done) = (Arc::clone(&store), Arc::clone(&is_done));
        async move {
            while !is_done.load(Ordering::Relaxed) {
                let total = store.traces(&Filter::default(), &page(1)).await.unwrap().total;
                assert_eq!(total % 500, 0, "half a batch was seen");
                tokio::task::yield_now().await;
            }
        }
    });
    for start in [0, 500, 1000] {
        let parts: Vec<Part> = (start..start + 500).map(|id| part("77", id)).collect();
        store.write(&batch(&parts)).await.unwrap();
        let total = store.traces(&Filter::default(), &page(1)).await.unwrap().total;
        assert_eq!(total, start + 500, "what was written is seen at once");
    }
    is_done.store(true, Ordering::Relaxed);
    reader.await.unwrap();
}

pub(super) async fn empty(store: Arc<dyn Store>) {
    assert_eq!(store.write(&Batch::default()).await.unwrap(), Written::default());
    let found = store.traces(&Filter::default(), &page(10)).await.unwrap();
    assert_eq!((found.total, found.items.len(), found.next), (0, 0, None));
    assert!(store.parts(None, 1).await.unwrap().is_empty());
    assert!(store.rollups(&everything(Dimension::All)).await.unwrap().is_empty());
    let body = r#"{"eventType":"JOB_STATUS","text":"'; DROP TABLE st_trace; --"}"#.to_owned();
    let event =
        RawEvent { event_type: "JOB_STATUS".to_owned(), job: None, created_ms: 0, received_ms: 5, body };
    let raw = vec![event.clone(), RawEvent { job: Some("77".to_owned()), ..event }];
    let written = store.write(&Batch { raw, ..Batch::default() }).await.unwrap();
    assert_eq!(written, Written::default());
    assert!(store.jobs().await.unwrap().is_empty(), "events that are no traces make no job");
}

pub(super) async fn raw(store: Arc<dyn Store>) {
    let event = |number: i64, received_ms| RawEvent {
        event_type: "JOB_STATUS".to_owned(),
        job: (number % 2 == 0).then(|| "77".to_owned()),
        created_ms: number / 4,
        received_ms,
        body: format!("{{\"state\":{}}}", number % 4),
    };
    let batch = |numbers: std::ops::Range<i64>, received_ms| Batch {
        raw: numbers.map(|number| event(number, received_ms)).collect(),
        ..Batch::default()
    };
    let mut twice = batch(0..12, 1000);
    twice.raw.extend(batch(4..8, 1000).raw);
    store.write(&twice).await.unwrap();
    // An answer was lost on its way: all of it comes again, later, and something new with it.
    store.write(&batch(0..20, 2000)).await.unwrap();
    let went = async |before_ms| {
        let all = Retention { before_ms: Some(before_ms), ..Retention::default() };
        store.retain(&all).await.unwrap().raw
    };
    assert_eq!((went(2000).await, went(3000).await), (12, 8));
    // What went may come again.
    store.write(&batch(0..5, 4000)).await.unwrap();
    assert_eq!(went(5000).await, 5);
}
