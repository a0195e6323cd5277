//! Streams of agents, and the order in which traces are shown as they come.

use std::sync::Arc;

use super::make::{START_MS, batch, part};
use crate::collector::model::{PacketSeen, Part};
use crate::collector::store::{Batch, Store};
use crate::collector::streams::StreamState;

fn packet(stream: u64, packet: u64) -> PacketSeen {
    PacketSeen {
        job: "77".to_owned(),
        stream,
        packet,
        count: 10,
        first_ns: 1000 * packet as i64,
        last_ns: 1000 * packet as i64 + 900,
        complete_ns: 1000 * (packet as i64 + 1),
        discarded_kernel: packet,
        discarded_by_setting: Some(packet / 2),
        discarded_agent: 2 * packet,
        discarded_packets: packet / 2,
        discarded_in_packets: packet,
        discarded_earlier: 3,
        total: Some(10 * (packet + 1)),
        is_last: false,
        host: "db1".to_owned(),
        agent: 4242,
        version: "0.1.0".to_owned(),
        target: "nginx".to_owned(),
        received_ms: START_MS + (stream % 1000 + packet) as i64,
    }
}

async fn write(store: &dyn Store, packets: Vec<PacketSeen>) {
    store.write(&Batch { packets, ..Batch::default() }).await.unwrap();
}

pub(super) async fn streams(store: Arc<dyn Store>) {
    write(&*store, vec![packet(5, 0), packet(5, 1), packet(5, 1), packet(u64::MAX, 0)]).await;
    write(&*store, vec![packet(5, 1), packet(5, 4)]).await;
    let writers = [2, 3, 5, 6].map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { write(&*store, vec![packet(5, number), packet(5, number)]).await })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    let mut expected = StreamState::default();
    for number in [0, 1, 4, 2, 3, 5, 6] {
        expected.see(&packet(5, number));
    }
    let found = store.streams(10).await.unwrap();
    let known: Vec<_> = found.iter().map(|row| (row.job.as_str(), row.stream, row.last_ms)).collect();
    let last = START_MS + (u64::MAX % 1000) as i64;
    assert_eq!(known, [("77", u64::MAX, last), ("77", 5, START_MS + 11)]);
    assert_eq!(StreamState::from_text(&found[1].state), Some(expected));
    assert_eq!(store.streams(1).await.unwrap(), found[..1]);
}

pub(super) async fn after(store: Arc<dyn Store>) {
    store.write(&batch(&[part("77", 900_001)])).await.unwrap();
    let (mut place, none) = store.after(None, 10).await.unwrap();
    assert!(none.is_empty(), "it begins at the newest");
    let write = |first: u64| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for start in (first..first + 200).step_by(8) {
                // The clock says nothing about the order.
                let one = |id: u64| Part { received_ms: START_MS - id as i64, ..part("77", id) };
                let parts: Vec<Part> = (start..start + 8).map(one).collect();
                store.write(&batch(&parts)).await.unwrap();
            }
        })
    };
    let writers: Vec<_> = [0, 1000, 2000, 3000].into_iter().map(write).collect();
    let mut seen = Vec::new();
    while seen.len() < 800 {
        let is_done = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let (next, parts) = store.after(Some(place), 7).await.unwrap();
        assert!(parts.len() <= 7);
        assert!(!(is_done && parts.is_empty()), "{} of 800 were seen", seen.len());
        assert_eq!(next, parts.last().map_or(place, |(place, _)| *place));
        for (at, part) in parts {
            assert!(at > place, "places ascend");
            place = at;
            seen.push(part.key.trace_id);
        }
        tokio::task::yield_now().await;
    }
    seen.sort_unstable();
    let expected: Vec<u64> = [0, 1000, 2000, 3000].into_iter().flat_map(|first| first..first + 200).collect();
    assert_eq!(seen, expected);
    let (last, none) = store.after(Some(place), 10).await.unwrap();
    assert_eq!((last, none.len()), (place, 0));
    assert_eq!(store.after(None, 10).await.unwrap().0, place);
    for writer in writers {
        writer.await.unwrap();
    }
}
