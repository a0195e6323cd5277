//! A small queueing simulator: sources, a bounded queue, workers, another queue, sinks. Time is exact, chance is a fixed sequence.

use profiler_common::{Outcome, StageCode};

use crate::stats::Stats;
use crate::trace::testing::trace;
use crate::trace::{Stamp, Trace};
use crate::verdict::{Evidence, Hop, Verdict, judge};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const MILLI: u64 = 1_000_000;
pub(super) const MICRO: u64 = 1_000;

/// Indices of the stages.
pub(super) const S0: usize = 0;
pub(super) const PUT: usize = 1;
pub(super) const TAKEN: usize = 2;
pub(super) const IN: usize = 3;
pub(super) const OUT: usize = 4;
pub(super) const PUT2: usize = 5;
pub(super) const TAKEN2: usize = 6;
pub(super) const WRITTEN: usize = 7;

/// How long work takes: of which server (the first is 0), at what time (ns since the start), of which record.
pub(super) type Work = fn(usize, u64, u64) -> u64;

/// A pipeline.
#[derive(Clone, Copy)]
pub(super) struct Pipeline {
    pub(super) sources: usize,
    /// Of a source: from one record to the next.
    pub(super) pause: Work,
    /// Of a source: from S0 to its attempt to put the record into the queue.
    pub(super) emit: Work,
    /// Places in the first queue.
    pub(super) room: usize,
    pub(super) workers: usize,
    pub(super) transform: Work,
    pub(super) sinks: usize,
    pub(super) write: Work,
    pub(super) seconds: u64,
    /// One record in so many is sampled.
    pub(super) rate: u64,
}

/// A pipeline that has nothing to do most of the time: 1,000 records a second, a fifth of a millisecond each.
pub(super) const EASY: Pipeline = Pipeline {
    sources: 1,
    pause: |_, _, record| 900 * MICRO + jitter(record, 200 * MICRO),
    emit: |_, _, _| 5 * MICRO,
    room: 1000,
    workers: 2,
    transform: |_, _, record| 180 * MICRO + jitter(record, 40 * MICRO),
    sinks: 1,
    write: |_, _, record| 90 * MICRO + jitter(record, 20 * MICRO),
    seconds: 60,
    // A prime: otherwise records that go round eight workers are those of a few.
    rate: 19,
};

/// Something between 0 and `most`, always the same for a record.
pub(super) fn jitter(record: u64, most: u64) -> u64 {
    (record.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % most.max(1)
}

/// What a record went through: times by stage, and who served it.
#[derive(Clone, Copy, Default)]
struct Journey {
    at: [u64; 8],
    source: usize,
    worker: usize,
    sink: usize,
}

impl Pipeline {
    /// The verdict on the whole session, with the counts of all records.
    pub(super) fn verdict(&self) -> Verdict {
        self.judge(true, &[])
    }

    /// The same without any counts.
    pub(super) fn verdict_by_traces_alone(&self) -> Verdict {
        self.judge(false, &[])
    }

    /// The same with hops in which a batch is filled.
    pub(super) fn judge(&self, counted: bool, fills: &[Hop]) -> Verdict {
        let (stats, records) = self.run();
        let hits = [records; 8];
        let hits = if counted { &hits[..] } else { &[] };
        judge(&Evidence {
            stats: &stats,
            span_ns: None,
            hits,
            fills,
            hits_ns: self.seconds * SECOND,
            past_from_ns: None,
        })
        .unwrap()
    }

    /// Statistics over the sampled records, and how many records there were.
    pub(super) fn run(&self) -> (Stats, u64) {
        let mut journeys = self.sources();
        journeys.sort_by_key(|journey| journey.at[OUT]);
        let mut free = vec![0u64; self.sinks];
        let mut done: Vec<Journey> = Vec::new();
        for (record, mut journey) in (0..).zip(journeys) {
            journey.at[PUT2] = journey.at[OUT] + MICRO;
            let sink = earliest(&free);
            journey.at[TAKEN2] = free[sink].max(journey.at[PUT2]) + MICRO;
            journey.at[WRITTEN] = journey.at[TAKEN2] + (self.write)(sink, journey.at[TAKEN2], record);
            (free[sink], journey.sink) = (journey.at[WRITTEN], sink);
            done.push(journey);
        }
        let records = done.len() as u64;
        let mut sampled: Vec<Trace> = (0..)
            .zip(&done)
            .filter(|(record, _)| record % self.rate == 0)
            .map(|(id, j)| as_trace(id, j))
            .collect();
        sampled.sort_by_key(|trace| trace.end_ns);
        let mut stats = Stats::default();
        sampled.iter().for_each(|trace| stats.add(trace));
        (stats, records)
    }

    /// Sources, first queue and workers: a source that finds the queue full waits.
    fn sources(&self) -> Vec<Journey> {
        let mut next: Vec<u64> = (0..self.sources as u64).map(|source| source * 10 * MICRO).collect();
        let mut free = vec![0u64; self.workers];
        let mut taken: Vec<u64> = Vec::new();
        let mut journeys = Vec::new();
        loop {
            let (source, record) = (earliest(&next), taken.len() as u64);
            let start = next[source];
            if start >= self.seconds * SECOND {
                return journeys;
            }
            let mut journey = Journey { source, ..Journey::default() };
            journey.at[S0] = start;
            let ready = start + (self.emit)(source, start, record);
            let room = taken.len().checked_sub(self.room).map_or(0, |before| taken[before]);
            journey.at[PUT] = ready.max(room);
            let worker = earliest(&free);
            journey.at[TAKEN] = free[worker].max(journey.at[PUT]) + MICRO;
            journey.at[IN] = journey.at[TAKEN] + MICRO;
            journey.at[OUT] = journey.at[IN] + (self.transform)(worker, journey.at[IN], record);
            (free[worker], journey.worker) = (journey.at[OUT], worker);
            taken.push(journey.at[TAKEN]);
            next[source] = journey.at[PUT] + (self.pause)(source, start, record);
            journeys.push(journey);
        }
    }
}

fn earliest(times: &[u64]) -> usize {
    (0..times.len()).min_by_key(|place| times[*place]).unwrap()
}

fn as_trace(id: u64, journey: &Journey) -> Trace {
    let codes = ["S0", "Q+", "Q-", "T+", "T-", "Q+", "Q-", "W!"];
    let tids = [
        100 + journey.source,
        100 + journey.source,
        200 + journey.worker,
        200 + journey.worker,
        200 + journey.worker,
        200 + journey.worker,
        300 + journey.sink,
        300 + journey.sink,
    ];
    let stamp = |stage: usize| Stamp {
        stage,
        code: StageCode::from_short_name(codes[stage]).unwrap(),
        probe: stage as u32,
        pid: 4242,
        task_id: tids[stage] as i64,
        tid: tids[stage] as u32,
        cpu: 0,
        ts_ns: 10 * SECOND + journey.at[stage],
    };
    let stamps: Vec<Stamp> = (0..8).map(stamp).collect();
    let (start_ns, end_ns) = (stamps[0].ts_ns, stamps[7].ts_ns);
    Trace { id, start_ns, end_ns, stamps, ..trace("S0@0 W!@1", Outcome::Written) }
}
