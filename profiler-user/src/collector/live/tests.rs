//! Clients that come, go, are slow, and come back.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::sync::watch;

use super::{EventStream, Hub, LiveError, MAX_CLIENTS, Pace, QUEUE, place};
use crate::collector::model::Part;
use crate::collector::query::testing::{MemoryStore, part};
use crate::collector::store::Batch;

/// A hub that is quick about it.
fn hub(store: Arc<MemoryStore>) -> Arc<Hub> {
    let pace = Pace {
        least: Duration::from_millis(1),
        others: Duration::from_millis(5),
        keep_alive: Duration::from_millis(50),
    };
    // Nobody here writes: all of it comes from others.
    Hub::with_pace(store, watch::channel(0).1, pace)
}

fn numbered(id: u64, job: &str) -> Part {
    let mut part = part(id, "S0@0 W!@40");
    job.clone_into(&mut part.key.job);
    part
}

fn put(store: &MemoryStore, ids: std::ops::Range<u64>) {
    let parts = ids.map(|id| numbered(id, if id % 2 == 0 { "even" } else { "odd" })).collect();
    store.put(Batch { parts, ..Batch::default() });
}

/// Reads until so many traces came, or the stream ended: the traces, and the last id.
async fn read(stream: &mut EventStream, most: usize) -> (Vec<u64>, Option<u64>) {
    let (mut ids, mut last, mut text) = (Vec::new(), None, String::new());
    let reading = async {
        while ids.len() < most {
            let Some(frame) = stream.frame().await else { return };
            text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
            while ids.len() < most
                && let Some((event, rest)) = text.split_once("\n\n")
            {
                if let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) {
                    last = Some(place(id).unwrap());
                }
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    let trace: serde_json::Value = serde_json::from_str(data).unwrap();
                    ids.push(trace["traceId"].as_str().unwrap().parse().unwrap());
                }
                text = rest.to_owned();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap();
    (ids, last)
}

#[tokio::test]
async fn everybody_gets_what_comes_and_a_job_its_own() {
    let store = Arc::new(MemoryStore::default());
    put(&store, 0..10);
    let hub = hub(Arc::clone(&store));
    let mut all = hub.listen(None, None).await.unwrap();
    let mut odd = hub.listen(Some("odd".to_owned()), None).await.unwrap();
    put(&store, 10..20);
    put(&store, 20..30);
    assert_eq!(read(&mut all, 20).await.0, (10..30).collect::<Vec<_>>());
    assert_eq!(read(&mut odd, 10).await.0, (11..30).step_by(2).collect::<Vec<_>>());
    assert_eq!(hub.clients(), 2);
    drop((all, odd));
    assert_eq!(hub.clients(), 0);
}

#[tokio::test]
async fn what_this_collector_wrote_wakes_the_reader() {
    let store = Arc::new(MemoryStore::default());
    let (written, seen) = watch::channel(0);
    let never = Duration::from_secs(100_000);
    let pace = Pace { least: Duration::from_millis(1), others: never, keep_alive: never };
    let hub = Hub::with_pace(Arc::<MemoryStore>::clone(&store), seen, pace);
    let mut all = hub.listen(None, None).await.unwrap();
    for round in 0..20 {
        put(&store, 10 * round..10 * round + 10);
        written.send_modify(|count| *count += 10);
        assert_eq!(read(&mut all, 10).await.0, (10 * round..10 * round + 10).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn who_comes_back_goes_on_without_a_gap_or_a_repeat() {
    let store = Arc::new(MemoryStore::default());
    let hub = hub(Arc::clone(&store));
    let mut busy = hub.listen(None, None).await.unwrap();
    let mut first = hub.listen(None, None).await.unwrap();
    put(&store, 0..7);
    let (mut seen, mut last) = read(&mut first, 3).await;
    drop(first);
    // More than one look takes, and more while it comes back.
    for (from, most) in [(7, 900), (2000, 701), (4000, 1)] {
        put(&store, from..from + 1500);
        let mut again = hub.listen(None, last).await.unwrap();
        put(&store, from + 1500..from + 1505);
        let (more, at) = read(&mut again, most).await;
        assert_eq!(more.len(), most);
        (seen, last) = (seen.into_iter().chain(more).collect(), at);
    }
    let mut again = hub.listen(None, last).await.unwrap();
    let whole: Vec<u64> = (0..1512).chain(2000..3505).chain(4000..5505).collect();
    seen.extend(read(&mut again, whole.len() - seen.len()).await.0);
    assert_eq!(seen, whole);
    assert_eq!(read(&mut busy, 50).await.0, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_and_misses_nothing() {
    let store = Arc::new(MemoryStore::default());
    let hub = hub(Arc::clone(&store));
    let mut slow = hub.listen(None, None).await.unwrap();
    let mut able = hub.listen(None, None).await.unwrap();
    let mut count = 0;
    for _ in 0..3 * QUEUE as u64 {
        put(&store, count..count + 5);
        count += 5;
        read(&mut able, 5).await;
    }
    // The rest of its queue, and then the end.
    let (mut seen, last) = read(&mut slow, usize::MAX).await;
    assert!(!seen.is_empty() && seen.len() < count as usize, "{}", seen.len());
    let mut again = hub.listen(None, last).await.unwrap();
    seen.extend(read(&mut again, count as usize - seen.len()).await.0);
    assert_eq!(seen, (0..count).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broken_store_and_a_quiet_one_keep_their_clients() {
    let store = Arc::new(MemoryStore::default());
    let hub = hub(Arc::clone(&store));
    let mut client = hub.listen(None, None).await.unwrap();
    store.break_with(Some("the disk is full"));
    let hello = client.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(hello, "retry: 1000\nid: 0\n\n");
    let alive = client.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(alive, ": alive\nid: 0\n\n");
    assert!(matches!(hub.listen(None, None).await, Err(LiveError::Store(_))));
    store.break_with(None);
    put(&store, 0..3);
    assert_eq!(read(&mut client, 3).await.0, [0, 1, 2]);
}

#[tokio::test]
async fn seats_are_bounded_and_a_stop_ends_all() {
    let hub = hub(Arc::new(MemoryStore::default()));
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        clients.push(hub.listen(None, None).await.unwrap());
    }
    assert!(matches!(hub.listen(None, None).await, Err(LiveError::Full)));
    clients.pop();
    clients.push(hub.listen(None, None).await.unwrap());
    hub.close();
    for client in &mut clients {
        read(client, usize::MAX).await;
    }
    assert!(matches!(hub.listen(None, None).await, Err(LiveError::Stopping)));
}

#[test]
fn ids_are_read_strictly() {
    assert_eq!((place("17"), place("18446744073709551615")), (Some(17), Some(u64::MAX)));
    for wrong in ["", "-", "-1", "+1", "1-2", " 1", "18446744073709551616", "x"] {
        assert_eq!(place(wrong), None, "{wrong}");
    }
}
