//! Filters, pages, details, jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::make::{Numbers, START_MS, any, attribute, batch, page, part};
use super::model::fitting;
use crate::collector::model::{AttributeValue, Part};
use crate::collector::store::{Cursor, Filter, JobRow, Page, Store};

/// The store gives what the list gives: the total, and all pages.
async fn agrees(store: &dyn Store, parts: &[Part], filter: &Filter) {
    let expected = fitting(parts, filter);
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = Page { limit: 37, offset: 0, after };
        let answer = store.traces(filter, &page).await.unwrap();
        assert_eq!(answer.total, expected.len() as u64, "{filter:?}");
        found.extend(answer.items);
        after = answer.next;
        if after.is_none() {
            break;
        }
        assert_eq!(found.len() % 37, 0, "only the last page is short: {filter:?}");
    }
    let shown = |part: &Part| (part.received_ms, part.key.clone(), part.entries.clone(), part.host.clone());
    let found: Vec<_> = found.iter().map(shown).collect();
    let expected: Vec<_> = expected.into_iter().map(shown).collect();
    assert_eq!(found, expected, "{filter:?}");
}

pub(super) async fn filters(store: Arc<dyn Store>) {
    let mut numbers = Numbers(2);
    let parts: Vec<Part> = (0..600).map(|id| any(&mut numbers, id)).collect();
    for some in parts.chunks(150) {
        store.write(&batch(some)).await.unwrap();
    }
    let text = |text: &str| Some(text.to_owned());
    let none = Filter::default();
    let middle = START_MS + 62_000;
    let single = [
        none.clone(),
        Filter { job: text("77"), ..none.clone() },
        Filter { job: text("no such job"), ..none.clone() },
        Filter { table: text("shop.items"), ..none.clone() },
        Filter { from_ms: Some(middle), ..none.clone() },
        Filter { to_ms: Some(middle), ..none.clone() },
        Filter { from_ms: Some(middle), to_ms: Some(middle), ..none.clone() },
        Filter { stage: Some(227), ..none.clone() },
        Filter { stage: Some(99), ..none.clone() },
        Filter { stage_name: text("größe"), ..none.clone() },
        Filter { outcome: text("rejected by hand"), ..none.clone() },
        Filter { task: Some(-1), ..none.clone() },
        Filter { task: Some(5), ..none.clone() },
        Filter { host: text("db2"), ..none.clone() },
        Filter { host: text(""), ..none.clone() },
        Filter { min_duration_ns: Some(60_000_000), ..none.clone() },
        Filter { min_duration_ns: Some(i64::MAX), ..none.clone() },
    ];
    for filter in &single {
        agrees(&*store, &parts, filter).await;
    }
    let several = [
        Filter { job: text("78"), from_ms: Some(middle), stage: Some(1), ..none.clone() },
        Filter {
            job: text("nightly"),
            outcome: text("written"),
            host: text("db1"),
            task: Some(4301),
            ..none.clone()
        },
        Filter {
            stage: Some(6),
            stage_name: text("parse"),
            min_duration_ns: Some(1),
            table: text("shop.orders"),
            ..none
        },
    ];
    for filter in &several {
        agrees(&*store, &parts, filter).await;
    }
}

pub(super) async fn attributes(store: Arc<dyn Store>) {
    let mut numbers = Numbers(3);
    let mut parts: Vec<Part> = (0..400).map(|id| any(&mut numbers, id)).collect();
    parts[7].attributes = vec![attribute("order", AttributeValue::Unsigned(u64::MAX))];
    store.write(&batch(&parts)).await.unwrap();
    let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    for attributes in [
        vec![one("region", "eu")],
        vec![one("region", "eu"), one("size", "-1")],
        vec![one("size", "0"), one("size", "1"), one("region", "us")],
        vec![one("order", "18446744073709551615")],
        vec![one("order", "18446744073709551614")],
        vec![one("region", "nowhere")],
        vec![one("unheard of", "eu")],
    ] {
        let filter = Filter { attributes, ..Filter::default() };
        agrees(&*store, &parts, &filter).await;
        let narrow = Filter {
            job: Some("77".to_owned()),
            host: Some("db1".to_owned()),
            from_ms: Some(START_MS + 61_500),
            ..filter
        };
        agrees(&*store, &parts, &narrow).await;
    }
}

pub(super) async fn pages(store: Arc<dyn Store>) {
    // Ten parts came in each millisecond: the order needs more than the time.
    let at = |id: u64| Part { received_ms: START_MS + (id / 10) as i64, ..part("77", id * 7919 % 1009) };
    let parts: Vec<Part> = (0..300).map(at).collect();
    store.write(&batch(&parts)).await.unwrap();
    let whole = fitting(&parts, &Filter::default());
    for offset in [0, 10, 295, 300, 1000] {
        let answer =
            store.traces(&Filter::default(), &Page { limit: 10, offset, after: None }).await.unwrap();
        let expected: Vec<_> =
            whole.iter().skip(offset as usize).take(10).map(|part| part.key.clone()).collect();
        let found: Vec<_> = answer.items.iter().map(|part| part.key.clone()).collect();
        assert_eq!((answer.total, found), (300, expected), "offset {offset}");
    }
    let mut seen = Vec::new();
    let mut after: Option<Cursor> = None;
    for turn in 0.. {
        let answer = store.traces(&Filter::default(), &Page { limit: 23, offset: 0, after }).await.unwrap();
        seen.extend(answer.items.into_iter().map(|part| part.key));
        after = answer.next;
        if after.is_none() {
            break;
        }
        // Newer ones come while older ones are looked through.
        let late = Part { received_ms: START_MS + 1000 + turn, ..part("77", 5000 + turn as u64) };
        store.write(&batch(&[late])).await.unwrap();
    }
    let expected: Vec<_> = whole.iter().map(|part| part.key.clone()).collect();
    assert_eq!(seen, expected);
    let every = store.traces(&Filter::default(), &page(2000)).await.unwrap();
    assert_eq!((every.items.len() as u64, every.next), (every.total, None));
    let exact = store.traces(&Filter::default(), &page(every.total as u32)).await.unwrap();
    assert_eq!(exact.next, None, "a full page that is the last has none behind it");
}

pub(super) async fn detail(store: Arc<dyn Store>) {
    let mut numbers = Numbers(4);
    let mut parts: Vec<Part> = (0..40).map(|_| any(&mut numbers, 9)).collect();
    for (index, part) in (0..).zip(&mut parts) {
        part.key.sink_task = index;
        part.is_partial = index % 3 == 1;
    }
    store.write(&batch(&parts)).await.unwrap();
    store.write(&batch(&[part("77", 8), part("77", 10)])).await.unwrap();
    for job in [None, Some("77"), Some("78"), Some("no such job")] {
        let mut expected: Vec<_> =
            parts.iter().filter(|part| job.is_none_or(|job| part.key.job == job)).cloned().collect();
        let order = |part: &Part| (part.key.branch, part.start_ns);
        expected.sort_by_key(order);
        let found = store.parts(job, 9).await.unwrap();
        assert_eq!(
            found.iter().map(order).collect::<Vec<_>>(),
            expected.iter().map(order).collect::<Vec<_>>()
        );
        let keys = |parts: &[Part]| parts.iter().map(|part| part.key.clone()).collect::<BTreeSet<_>>();
        assert_eq!(keys(&found), keys(&expected));
        assert!(found.iter().all(|part| expected.contains(part)));
    }
    assert!(store.parts(None, 11).await.unwrap().is_empty());
}

pub(super) async fn jobs(store: Arc<dyn Store>) {
    let mut parts = Vec::new();
    for (job, ids) in [("77", 0..10u64), ("78", 20..25), ("79", 30..31)] {
        parts.extend(ids.map(|id| Part { received_ms: START_MS + id as i64, ..part(job, id) }));
    }
    store.write(&batch(&parts)).await.unwrap();
    store.write(&batch(&parts)).await.unwrap();
    let row = |job: &str, parts, first, last| JobRow {
        job: job.to_owned(),
        parts,
        first_ms: START_MS + first,
        last_ms: START_MS + last,
    };
    let expected = [row("79", 1, 30, 30), row("78", 5, 20, 24), row("77", 10, 0, 9)];
    assert_eq!(store.jobs().await.unwrap(), expected);
}
