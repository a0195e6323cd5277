//! Parts to write, all of them made from a number.

use crate::collector::model::{
    Attribute, AttributeValue, Entry, Membership, Part, PartKey, Precision, RecordTime,
};
use crate::collector::store::{Batch, Page};

/// A time to begin with, ms since the Unix epoch: a multiple of rollups' buckets.
pub(super) const START_MS: i64 = 1_700_000_000_000;

/// The same in ns.
pub(super) const START_NS: i64 = START_MS * 1_000_000;

/// Numbers that look random and are the same each time (splitmix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize].clone()
    }
}

/// A stamp of a stage without a name.
pub(super) const fn entry(code: u8, task: i64, ts_ns: i64) -> Entry {
    Entry { code, name: None, task, ts_ns, pid: 4242, tid: 4243 }
}

/// Stamps at these distances from the start, ns, of stages 1, 2, ..; of tasks 10, 11, ...
pub(super) fn entries(start_ns: i64, since: &[i64]) -> Vec<Entry> {
    let one = |(index, since): (usize, &i64)| entry(index as u8 + 1, 10 + index as i64, start_ns + since);
    since.iter().enumerate().map(one).collect()
}

/// A plain journey of six stages.
pub(super) fn part(job: &str, trace_id: u64) -> Part {
    let start_ns = START_NS + (trace_id % 1_000_000) as i64 * 1000;
    with_entries(job, trace_id, entries(start_ns, &[0, 1000, 3000, 4000, 9000, 12_000]))
}

/// A plain journey of these stamps.
pub(super) fn with_entries(job: &str, trace_id: u64, entries: Vec<Entry>) -> Part {
    let (start_ns, end_ns) =
        (entries.first().map_or(0, |one| one.ts_ns), entries.last().map_or(0, |one| one.ts_ns));
    Part {
        key: PartKey {
            job: job.to_owned(),
            trace_id,
            sink_task: entries.last().map_or(0, |one| one.task),
            branch: 0,
        },
        table: Some("shop.orders".to_owned()),
        created_ms: end_ns / 1_000_000,
        received_ms: end_ns / 1_000_000 + 5,
        start_ns,
        end_ns,
        outcome: "written".to_owned(),
        host: "db1".to_owned(),
        stream: Some(7),
        precision: Precision::Nanos,
        is_partial: false,
        shared: 0,
        flags: Vec::new(),
        entries,
        attributes: Vec::new(),
        batches: Vec::new(),
        record_times: Vec::new(),
        payload: trace_id.to_be_bytes().to_vec(),
    }
}

/// An attribute of the first stamp.
pub(super) fn attribute(name: &str, value: AttributeValue) -> Attribute {
    Attribute { entry: 0, name: name.to_owned(), value }
}

/// A journey of which every field depends on the numbers.
pub(super) fn any(numbers: &mut Numbers, trace_id: u64) -> Part {
    let job = numbers.one_of(&["77", "78", "nightly"]);
    let count = numbers.below(7) + 1;
    let mut ts_ns = START_NS + numbers.below(60_000_000_000) as i64;
    let mut stamps = Vec::new();
    for _ in 0..count {
        let code = numbers.one_of(&[1u8, 2, 3, 4, 5, 6, 64, 227]);
        let name = numbers.one_of(&[None, None, Some("parse".to_owned()), Some("größe".to_owned())]);
        let task = numbers.one_of(&[-1i64, 4301, 4302, 4303, 10_001]);
        stamps.push(Entry { code, name, task, ts_ns, pid: numbers.below(3) as u32, tid: task as u32 });
        ts_ns += numbers.below(50_000_000) as i64;
    }
    let mut part = with_entries(job, trace_id, stamps);
    part.key.branch = numbers.one_of(&[0, 0, 0, 1, 0x0203]);
    part.table = numbers.one_of(&[None, Some("shop.orders".to_owned()), Some("shop.items".to_owned())]);
    part.host = numbers.one_of(&["", "db1", "db2"]).to_owned();
    part.outcome =
        numbers.one_of(&["written", "written", "filtered", "expired", "rejected by hand"]).to_owned();
    part.stream = numbers.one_of(&[None, Some(1), Some(u64::MAX)]);
    part.precision = numbers.one_of(&[Precision::Millis, Precision::Nanos]);
    part.received_ms = START_MS + 61_000 + numbers.below(2000) as i64;
    part.shared = numbers.below(2) as u16;
    part.flags =
        numbers.one_of(&[vec![], vec![], vec![("late_stamps".to_owned(), 3), ("torn_stamps".to_owned(), 1)]]);
    part.payload = (0..numbers.below(300)).map(|byte| byte as u8).collect();
    more(numbers, part)
}

fn more(numbers: &mut Numbers, mut part: Part) -> Part {
    for index in 0..numbers.below(4) {
        let value = match numbers.below(3) {
            0 => AttributeValue::Unsigned(numbers.below(3)),
            1 => AttributeValue::Signed(-(numbers.below(3) as i64)),
            _ => AttributeValue::Text(numbers.one_of(&["eu", "us"]).to_owned()),
        };
        let name = numbers.one_of(&["region", "size"]).to_owned();
        part.attributes.push(Attribute { entry: index as u16 % part.entries.len() as u16, name, value });
    }
    if numbers.below(3) == 0 {
        let size = numbers.one_of(&[None, Some(64)]);
        part.batches.push(Membership { entry: 0, key: numbers.next(), position: 3, size });
        part.record_times.push(RecordTime { entry: 0, event_ns: part.start_ns - 5, latency_ns: 5 });
    }
    part
}

/// A batch of parts and nothing else.
pub(super) fn batch(parts: &[Part]) -> Batch {
    Batch { parts: parts.to_vec(), ..Batch::default() }
}

/// The first page.
pub(super) const fn page(limit: u32) -> Page {
    Page { limit, offset: 0, after: None }
}
