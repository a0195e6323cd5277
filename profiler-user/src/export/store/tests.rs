//! The store against a simple model, with crashes and torn files.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Batch, Spool, Store, Taken};
use crate::export::courier::Refusal;
use crate::sink::counts::DropReason;
use crate::sink::packet::Lost;

const LIMIT: u64 = 16 << 20;

fn batch(number: u64, traces: u64) -> Batch {
    Batch { traces, body: Bytes::from(format!("body {number}")) }
}

fn store(folder: &Path) -> Store {
    Store::new(Some(Spool::open(folder, LIMIT).unwrap()), 1 << 20)
}

/// Of a whole batch.
fn refusal(reason: &str) -> Refusal {
    Refusal { traces: u64::MAX, body: None, reason: reason.to_owned() }
}

fn bodies(store: &mut Store) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(taken) = store.take() {
        all.push(String::from_utf8(taken.batch.body.to_vec()).unwrap());
        store.sent(&taken);
    }
    all
}

#[test]
fn what_was_not_sent_is_there_after_a_crash() {
    let folder = TempDir::new().unwrap();
    let mut first = store(folder.path());
    (0..5).for_each(|number| assert!(first.push(batch(number, 10)).is_none()));
    for _ in 0..2 {
        let taken = first.take().unwrap();
        first.sent(&taken);
    }
    // Half sent: the destination may have it, nobody knows.
    let _third = first.take().unwrap();
    let counts = first.counts(50, 0);
    assert_eq!((counts.sent, counts.spooled, counts.check()), (20, 30, Ok(())));
    // No farewell.
    drop(first);
    let mut second = store(folder.path());
    assert_eq!(second.counts(0, 0).recovered, 30);
    assert!(second.push(batch(5, 1)).is_none());
    assert_eq!(bodies(&mut second), ["body 2", "body 3", "body 4", "body 5"]);
    let counts = second.counts(1, 0);
    assert_eq!((counts.sent, counts.spooled, counts.check()), (31, 0, Ok(())));
    second.close();
    drop(second);
    assert_eq!(store(folder.path()).counts(0, 0).recovered, 0);
}

fn store_with_left(folder: &Path) -> Store {
    let (own, left) = Spool::open_all(folder, LIMIT).unwrap();
    Store::with_left(Some(own), left, 1 << 20)
}

#[test]
fn agents_have_spools_of_their_own_and_all_that_they_leave_is_taken_over() {
    let folder = TempDir::new().unwrap();
    let mut agents: Vec<Store> = (0..4).map(|_| store(folder.path())).collect();
    for (agent, number) in agents.iter_mut().zip(0..) {
        assert!(agent.push(batch(number, 1)).is_none());
    }
    assert_eq!(bodies(&mut agents[2]), ["body 2"]);
    // The last one lives on.
    let mut alive = agents.pop().unwrap();
    drop(agents);
    let mut next = store_with_left(folder.path());
    assert_eq!(next.counts(0, 0).recovered, 2);
    assert!(next.push(batch(9, 1)).is_none());
    let taken = next.take().unwrap();
    assert_eq!(taken.batch, batch(1, 1));
    next.again(taken);
    assert_eq!((next.counts(1, 0).spooled, next.counts(1, 0).check()), (3, Ok(())));
    assert!(!next.is_empty());
    assert_eq!(bodies(&mut next), ["body 1", "body 0", "body 9"]);
    assert_eq!((next.counts(1, 0).sent, next.counts(1, 0).check()), (3, Ok(())));
    assert_eq!(bodies(&mut alive), ["body 3"]);
    next.close();
    drop((next, alive));
    assert_eq!(store_with_left(folder.path()).counts(0, 0).recovered, 0);
}

#[test]
fn what_an_agent_left_and_the_next_cannot_send_stays_for_the_one_after() {
    let folder = TempDir::new().unwrap();
    let (mut one, mut two) = (store(folder.path()), store(folder.path()));
    assert!(one.push(batch(1, 1)).is_none() && two.push(batch(2, 1)).is_none());
    drop((one, two));
    let mut next = store_with_left(folder.path());
    let taken = next.take().unwrap();
    next.set_aside(&taken, &refusal("no")).unwrap();
    next.close();
    let counts = next.counts(0, 0);
    assert_eq!((counts.spooled, counts.dropped(DropReason::Rejected), counts.check()), (1, 1, Ok(())));
    assert_eq!(next.losses().earlier, Lost { packets: 1, traces: 1 });
    assert_eq!(next.losses().own, Lost::default());
    drop(next);
    assert_eq!(bodies(&mut store_with_left(folder.path())), ["body 1"]);
}

#[test]
fn what_is_given_up_is_known_by_its_packets() {
    let folder = TempDir::new().unwrap();
    let limit = 1 << 20;
    let large = || Batch { traces: 10, body: Bytes::from(vec![1; 50_000]) };
    let mut first = Store::new(Some(Spool::open(folder.path(), limit).unwrap()), 0);
    (0..3).for_each(|_| assert!(first.push(large()).is_none()));
    drop(first);
    let mut store = Store::new(Some(Spool::open(folder.path(), limit).unwrap()), 0);
    let taken = store.take().unwrap();
    for _ in 0..40 {
        assert!(store.push(large()).is_none());
    }
    // The batch that is being sent is lost when it comes back, and not before.
    assert_eq!(store.losses().earlier, Lost { packets: 2, traces: 20 });
    store.again(taken);
    let refused = store.take().unwrap();
    store.set_aside(&refused, &refusal("no")).unwrap();
    let (losses, counts) = (store.losses(), store.counts(400, 0));
    assert_eq!(losses.earlier, Lost { packets: 3, traces: 30 });
    assert_eq!(losses.own.traces, losses.own.packets * 10);
    assert_eq!(losses.own.traces + losses.earlier.traces, counts.dropped_total());
    assert!(losses.own.packets > 15, "{losses:?}");
    assert_eq!(counts.check(), Ok(()));
}

#[test]
fn at_the_limit_the_oldest_goes_and_is_counted_but_not_the_one_that_is_being_sent() {
    let folder = TempDir::new().unwrap();
    let limit = 1 << 20;
    let mut store = Store::new(Some(Spool::open(folder.path(), limit).unwrap()), 0);
    let large = |number: u64| Batch { traces: 100, body: Bytes::from(vec![number as u8; 50_000]) };
    assert!(store.push(large(0)).is_none());
    let sending = store.take().unwrap();
    for number in 1..100 {
        assert!(store.push(large(number)).is_none());
    }
    let counts = store.counts(10_000, 0);
    assert_eq!(counts.check(), Ok(()));
    assert!(counts.spooled <= 100 * limit / 50_000 && counts.spooled > 1_000, "{counts}");
    assert_eq!(counts.dropped(DropReason::SpoolFull), 10_000 - counts.spooled);
    // It arrived after all.
    store.sent(&sending);
    assert_eq!((store.counts(10_000, 0).sent, store.counts(10_000, 0).check()), (100, Ok(())));
    let files: u64 = std::fs::read_dir(folder.path().join("0"))
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum();
    assert!(files <= limit + 60_000, "{files}");
    // The last ones are the newest.
    let mut last = None;
    while let Some(taken) = store.take() {
        last = taken.batch.body.first().copied();
        store.sent(&taken);
    }
    assert_eq!(last, Some(99));
}

#[test]
fn a_batch_that_could_not_be_sent_before_its_segment_went_is_lost_and_counted() {
    let folder = TempDir::new().unwrap();
    let mut store = Store::new(Some(Spool::open(folder.path(), 1 << 20).unwrap()), 0);
    let large = || Batch { traces: 1, body: Bytes::from(vec![1; 50_000]) };
    assert!(store.push(large()).is_none());
    let sending = store.take().unwrap();
    (0..50).for_each(|_| assert!(store.push(large()).is_none()));
    store.again(sending);
    assert_eq!(store.counts(51, 0).check(), Ok(()));
    let next = store.take().unwrap();
    assert_eq!(next.batch.traces, 1);
    store.again(next);
}

#[test]
fn without_a_spool_that_can_be_written_memory_serves() {
    let folder = TempDir::new().unwrap();
    let mut store = Store::new(Some(Spool::open(folder.path(), LIMIT).unwrap()), 300);
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(store.push(batch(0, 1)).unwrap().to_string().contains("cannot be used"));
    (1..10).for_each(|number| drop(store.push(batch(number, 1))));
    let counts = store.counts(10, 0);
    assert_eq!((counts.pending, counts.dropped(DropReason::MemoryFull), counts.check()), (4, 6, Ok(())));
    let taken = store.take().unwrap();
    assert_eq!((taken.batch.clone(), store.counts(10, 0).pending), (batch(6, 1), 4));
    store.again(taken);
    let taken = store.take().unwrap();
    store.sent(&taken);
    store.close();
    let counts = store.counts(10, 0);
    assert_eq!((counts.sent, counts.dropped(DropReason::Unsent), counts.pending), (1, 3, 0));
    assert_eq!(counts.check(), Ok(()));
}

#[test]
fn what_is_refused_is_set_aside_with_its_reason_within_a_bound() {
    let folder = TempDir::new().unwrap();
    let mut store = store(folder.path());
    for number in 0..20 {
        assert!(store.push(batch(number, 2)).is_none());
        let taken = store.take().unwrap();
        store.set_aside(&taken, &refusal("400: no")).unwrap();
    }
    let rejected = folder.path().join("0/rejected");
    let mut names: Vec<_> = std::fs::read_dir(&rejected)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 32, "{names:?}");
    assert_eq!(std::fs::read_to_string(rejected.join(&names[31])).unwrap(), "400: no\n");
    assert_eq!(std::fs::read_to_string(rejected.join(&names[30])).unwrap(), "body 19");
    let counts = store.counts(40, 0);
    assert_eq!((counts.dropped(DropReason::Rejected), counts.check()), (40, Ok(())));
}

#[test]
fn of_a_batch_that_is_partly_refused_the_rest_is_sent() {
    let folder = TempDir::new().unwrap();
    let mut store = store(folder.path());
    for (number, traces, body, kept) in
        [(0, 3, Some(Bytes::from_static(b"those")), "those"), (1, 100, None, "body 1")]
    {
        assert!(store.push(batch(number, 10)).is_none());
        let taken = store.take().unwrap();
        store.set_aside(&taken, &Refusal { traces, body, ..refusal("no") }).unwrap();
        let rejected = std::fs::read_dir(folder.path().join("0/rejected")).unwrap();
        let newest = rejected.map(|entry| entry.unwrap().path()).filter(|p| p.extension().unwrap() == "body");
        assert_eq!(std::fs::read_to_string(newest.max().unwrap()).unwrap(), kept);
    }
    // No more than the batch has.
    let counts = store.counts(20, 0);
    assert_eq!((counts.sent, counts.dropped(DropReason::Rejected), counts.check()), (7, 13, Ok(())));
    assert!(store.is_empty());
}

/// The only segment file of a spool.
fn segment(folder: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder.join("0")).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "seg")).collect();
    assert_eq!(segments.len(), 1);
    segments.remove(0)
}

#[test]
fn damage_takes_what_is_behind_it_and_is_counted() {
    let folder = TempDir::new().unwrap();
    let mut store = store(folder.path());
    (0..3).for_each(|number| assert!(store.push(batch(number, 7)).is_none()));
    let path = segment(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(bodies(&mut store), ["body 0"]);
    let counts = store.counts(21, 0);
    assert_eq!((counts.sent, counts.dropped(DropReason::Damaged), counts.check()), (7, 14, Ok(())));
    assert!(store.push(batch(3, 7)).is_none());
    assert_eq!(bodies(&mut store), ["body 3"]);
}

#[test]
fn of_what_an_earlier_session_left_only_the_damaged_batch_is_lost_and_counted() {
    let folder = TempDir::new().unwrap();
    let mut first = store(folder.path());
    (0..4).for_each(|number| assert!(first.push(batch(number, 7)).is_none()));
    drop(first);
    let path = segment(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    // In the second record's body.
    let at = bytes.len() / 4 + 26;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut next = store(folder.path());
    let counts = next.counts(0, 0);
    assert_eq!((counts.recovered, counts.spooled, counts.dropped(DropReason::Damaged)), (28, 21, 7));
    assert_eq!(bodies(&mut next), ["body 0", "body 2", "body 3"]);
    assert_eq!(next.counts(0, 0).check(), Ok(()));
    assert_eq!(next.losses().earlier, Lost { packets: 1, traces: 7 });
}

#[derive(Clone, Debug)]
enum Op {
    Push(u8),
    Send,
    Fail,
    Refuse,
    Crash,
    /// Crash while the last record was being written: so many of its bytes are missing.
    Tear(u8),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u8..5).prop_map(Op::Push),
        3 => Just(Op::Send),
        1 => Just(Op::Fail),
        1 => Just(Op::Refuse),
        1 => Just(Op::Crash),
        1 => (1u8..20).prop_map(Op::Tear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn as_the_model_says(ops in proptest::collection::vec(any_op(), 1..60)) {
        let folder = TempDir::new().unwrap();
        let mut subject = store(folder.path());
        let mut model: std::collections::VecDeque<(u64, u64)> = std::collections::VecDeque::new();
        let (mut received, mut number) = (0, 0);
        let taken = |subject: &mut Store, model: &std::collections::VecDeque<(u64, u64)>| -> Option<Taken> {
            let taken = subject.take();
            let expected = model.front().map(|(number, traces)| batch(*number, *traces));
            assert_eq!(taken.as_ref().map(|taken| taken.batch.clone()), expected);
            taken
        };
        for op in ops {
            match op {
                Op::Push(traces) => {
                    prop_assert!(subject.push(batch(number, traces.into())).is_none());
                    model.push_back((number, traces.into()));
                    received += u64::from(traces);
                    number += 1;
                }
                Op::Send => if let Some(taken) = taken(&mut subject, &model) {
                    subject.sent(&taken);
                    model.pop_front();
                }
                Op::Fail => if let Some(taken) = taken(&mut subject, &model) {
                    subject.again(taken);
                }
                Op::Refuse => if let Some(taken) = taken(&mut subject, &model) {
                    subject.set_aside(&taken, &refusal("no")).unwrap();
                    model.pop_front();
                }
                Op::Crash | Op::Tear(_) => {
                    drop(subject);
                    if let Op::Tear(bytes) = op && let Some((last, _)) = model.back() {
                        let files = std::fs::read_dir(folder.path().join("0")).unwrap().map(|entry| entry.unwrap().path());
                        let newest = files.filter(|path| path.extension().is_some_and(|e| e == "seg")).max().unwrap();
                        let file = std::fs::File::options().write(true).open(newest).unwrap();
                        // Within the last record, whose body is no shorter.
                        let bytes = u64::from(bytes).min(24 + format!("body {last}").len() as u64 - 1);
                        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
                        model.pop_back();
                    }
                    subject = store(folder.path());
                    let left: u64 = model.iter().map(|(_, traces)| traces).sum();
                    prop_assert_eq!(subject.counts(0, 0).recovered, left);
                    received = 0;
                }
            }
            let counts = subject.counts(received, 0);
            prop_assert_eq!(counts.check(), Ok(()), "{}", counts);
            prop_assert_eq!(counts.spooled, model.iter().map(|(_, traces)| *traces).sum::<u64>());
            prop_assert_eq!(subject.is_empty(), model.is_empty());
        }
    }
}
