//! Rollups against a list of all durations.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::make::{Numbers, START_MS, START_NS, any, batch, entries, entry, part, with_entries};
use super::model::durations;
use super::writing::everything;
use crate::collector::model::{Dimension, HopKey, Part};
use crate::collector::store::rollups::{MAX_MEMBERS, OTHER};
use crate::collector::store::{BUCKET_MS, Rollup, RollupFilter, Store, Width};

/// The store gives what the list gives: counts, sums and maxima exactly, percentiles within 1 %.
async fn agrees(store: &dyn Store, parts: &[Part], filter: &RollupFilter) {
    let expected = durations(parts, filter);
    let found = store.rollups(filter).await.unwrap();
    let keys: Vec<_> = found.iter().map(|one| (one.bucket_ms, one.hop.clone(), one.member.clone())).collect();
    assert_eq!(keys, expected.keys().cloned().collect::<Vec<_>>(), "{filter:?}");
    for (rollup, durations) in found.iter().zip(expected.values()) {
        figures(rollup, durations.clone());
    }
}

fn figures(rollup: &Rollup, mut durations: Vec<i64>) {
    durations.sort_unstable();
    let sketch = &rollup.sketch;
    let count = durations.len();
    let total: i128 = durations.iter().map(|ns| i128::from(*ns)).sum();
    assert_eq!((sketch.count(), sketch.total_ns()), (count as u64, total), "{rollup:?}");
    let found = sketch.figures().unwrap();
    assert_eq!(found.max_ns, durations[count - 1], "{rollup:?}");
    assert_eq!(i128::from(found.mean_ns), total / count as i128);
    for (percent, ns) in [(50, found.p50_ns), (95, found.p95_ns), (99, found.p99_ns)] {
        let exact = durations[(percent * count).div_ceil(100) - 1];
        let is_near = exact < 0 || ns.abs_diff(exact) <= exact.unsigned_abs() / 100;
        assert!(is_near, "P{percent} is {ns}, exactly {exact}: {:?} {:?}", rollup.hop, rollup.member);
    }
}

async fn agree_all(store: &dyn Store, parts: &[Part]) {
    for by in Dimension::EACH {
        for width in Width::EACH {
            agrees(store, parts, &RollupFilter { width, ..everything(by) }).await;
        }
        let job = Some("77".to_owned());
        agrees(store, parts, &RollupFilter { job, ..everything(by) }).await;
    }
}

pub(super) async fn rollups(store: Arc<dyn Store>) {
    let mut numbers = Numbers(5);
    let parts: Vec<Part> = (0..600).map(|id| any(&mut numbers, id)).collect();
    for some in parts.chunks(70) {
        store.write(&batch(some)).await.unwrap();
    }
    store.write(&batch(&parts[..50])).await.unwrap();
    agree_all(&*store, &parts).await;
    let from_ms = START_MS + BUCKET_MS;
    for (from_ms, to_ms) in [
        (from_ms, from_ms + 2 * BUCKET_MS),
        (from_ms + 1, from_ms + BUCKET_MS + 1),
        (from_ms - 1, from_ms),
        (5, 4),
    ] {
        agrees(&*store, &parts, &RollupFilter { from_ms, to_ms, ..everything(Dimension::All) }).await;
    }
    // Wider ones: those that begin before the one and end after the other.
    let start_ms = Width::Minutes.start_ms(START_MS);
    for (from_ms, to_ms) in [(start_ms, start_ms + 1), (start_ms - 1, start_ms), (START_MS, START_MS + 9)] {
        let width = Width::Minutes;
        agrees(&*store, &parts, &RollupFilter { from_ms, to_ms, width, ..everything(Dimension::All) }).await;
    }
    for (by, member) in [
        (Dimension::Task, "4302"),
        (Dimension::Host, "db2"),
        (Dimension::Table, "shop.items"),
        (Dimension::Host, "none"),
    ] {
        agrees(&*store, &parts, &RollupFilter { member: Some(member.to_owned()), ..everything(by) }).await;
    }
    let none = RollupFilter { job: Some("no such job".to_owned()), ..everything(Dimension::All) };
    agrees(&*store, &parts, &none).await;
}

pub(super) async fn special(store: Arc<dyn Store>) {
    let whole = part("77", 1);
    // Two branches share the first three stamps, which are the record's own.
    let branch = |branch: u64| {
        let mut part = part("77", 1);
        (part.key.branch, part.shared) = (branch, 3);
        part
    };
    let backwards = with_entries("77", 2, entries(START_NS + 1000, &[0, -700, -200, -900]));
    let mut torn = part("77", 3);
    torn.flags = vec![("torn_stamps".to_owned(), 2)];
    let mut cut = part("77", 4);
    cut.flags = vec![("entries_dropped".to_owned(), 1)];
    let lone = with_entries("77", 5, entries(START_NS, &[0]));
    let none = Part { outcome: "filtered".to_owned(), ..with_entries("77", 6, Vec::new()) };
    let parts = [whole, branch(1), branch(2), backwards, torn, cut, lone, none];
    store.write(&batch(&parts)).await.unwrap();
    agree_all(&*store, &parts).await;
    let found = store.rollups(&everything(Dimension::All)).await.unwrap();
    let counts: Vec<u64> = found.iter().map(|one| one.sketch.count()).collect();
    // From end to end all but the one without stamps; two hops that the branches share with the record; one into which they part; what comes after, but for the
    // journey of four stamps; and the last, before which stamps are missing in the one that was cut.
    assert_eq!(counts, [7, 3, 3, 5, 4, 3], "{found:?}");
}

/// A journey through processes: each sees two stages, and knows nothing of the others.
fn journey(trace_id: u64, processes: u8, start_ns: i64) -> Vec<Part> {
    let one = |process: u8| {
        let at = start_ns + i64::from(process) * 4_000_000;
        let stage = 2 * process + 1;
        let stamps =
            vec![entry(stage, i64::from(process), at), entry(stage + 1, i64::from(process), at + 1_000_000)];
        let mut part = with_entries("77", trace_id, stamps);
        part.host = format!("db{process}");
        part.is_partial = process > 0;
        part.outcome = if process + 1 == processes { "written" } else { "target_exit" }.to_owned();
        part
    };
    (0..processes).map(one).collect()
}

pub(super) async fn processes(store: Arc<dyn Store>) {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut parts = Vec::new();
    for (trace_id, order) in (0..).zip(orders) {
        let journey = journey(trace_id, 3, START_NS + trace_id as i64 * 3_000_000_000);
        for index in order {
            let some = batch(&journey[index..=index]);
            store.write(&some).await.unwrap();
            store.write(&some).await.unwrap();
            parts.push(journey[index].clone());
            agree_all(&*store, &parts).await;
        }
    }
    // All in one batch, with a repeat; without a beginning; without an end; two at once that begin at a source.
    let mut together = journey(10, 3, START_NS);
    together.push(together[1].clone());
    let mut headless = journey(11, 3, START_NS);
    headless.remove(0);
    let mut endless = journey(12, 3, START_NS);
    endless.pop();
    let mut twice = journey(13, 2, START_NS);
    let mut second = twice[0].clone();
    (second.key.sink_task, second.outcome) = (99, "written".to_owned());
    twice.push(second);
    store.write(&batch(&together)).await.unwrap();
    together.pop();
    for some in [headless, endless, twice] {
        store.write(&batch(&some)).await.unwrap();
        parts.extend(some);
    }
    parts.extend(together);
    agree_all(&*store, &parts).await;
    let found = store.rollups(&everything(Dimension::All)).await.unwrap();
    let whole = found.iter().filter(|one| one.hop == HopKey::EndToEnd).map(|one| one.sketch.count());
    // Of the two that begin at a source one was written there; the other one goes on.
    assert_eq!(whole.sum::<u64>(), 6 + 1 + 2, "each journey once from end to end");
}

pub(super) async fn members(store: Arc<dyn Store>) {
    let of_task = |task: i64| {
        with_entries("77", task as u64, vec![entry(1, task, START_NS), entry(6, task, START_NS + 100)])
    };
    let parts: Vec<Part> = (0..MAX_MEMBERS as i64 + 40).map(of_task).collect();
    for some in parts.chunks(100) {
        store.write(&batch(some)).await.unwrap();
    }
    let found = store.rollups(&everything(Dimension::Task)).await.unwrap();
    let members: BTreeSet<_> = found.iter().map(|one| one.member.as_str()).collect();
    assert!(members.len() <= MAX_MEMBERS + 1 && members.contains(OTHER), "{} members", members.len());
    let counted: u64 = found.iter().map(|one| one.sketch.count()).sum();
    assert_eq!(counted, 2 * parts.len() as u64, "none is lost");
    agrees(&*store, &parts, &everything(Dimension::All)).await;
}
