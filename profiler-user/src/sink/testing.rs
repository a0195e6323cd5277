//! What the tests of all sinks share: a session in which much happened, and the law of the counts.

use profiler_common::{Outcome, StageCode};

use super::counts::{Counts, DropReason};
use super::{Change, Session, Setting, Sink, StageRow};
use crate::ledger::{AgentCounts, Ledger};
use crate::plan::Class;
use crate::stats::{Cost, Measured, ProbeHits, Stats};
use crate::trace::testing::trace;
use crate::trace::{Attribute, AttributeValue, BranchPath, Flags, Membership, RecordTime, Trace};

const CHANGES: [Change; 1] = [Change {
    setting: Setting::Budget,
    from: 20,
    to: 50,
    at_ns: 6_000_000_000,
    wall_ns: 1_700_000_001_000_000_000,
}];

/// The parts of a session, to borrow from.
pub(crate) struct Parts {
    pub(crate) stages: Vec<StageRow>,
    pub(crate) outcomes: Vec<String>,
    pub(crate) stats: Stats,
    pub(crate) ledger: Ledger,
    pub(crate) cost: Cost,
    pub(crate) rate: u64,
    pub(crate) exports: Vec<(String, Counts)>,
}

impl Parts {
    pub(crate) fn session(&self) -> Session<'_> {
        Session {
            target: "pipeline",
            pids: &[4242],
            rate: self.rate,
            budget: 50,
            changes: &CHANGES,
            stages: &self.stages,
            fills: &[],
            outcomes: &self.outcomes,
            stats: &self.stats,
            ledger: &self.ledger,
            cost: &self.cost,
            duration_ns: 10_000_000_000,
            began_ns: 1_000_000_000,
            end: "duration",
            exports: &self.exports,
        }
    }
}

pub(crate) fn stages() -> Vec<StageRow> {
    let names =
        [("S0", "emit"), ("Q+", "push"), ("Q-", "pop"), ("T+", "parse"), ("T-", "parsed"), ("W!", "write")];
    let row = |(index, (code, name)): (usize, (&str, &str))| StageRow {
        code: StageCode::from_short_name(code).unwrap(),
        name: name.to_owned(),
        attributes: attributes().swap_remove(index),
        sites: 1 + index as u64 / 3,
        hits: 1_234_567 - index as u64 * 100_000,
        unreadable: if index == 3 { 16 } else { 0 },
        stamps: 120 - index as u64,
    };
    names.into_iter().enumerate().map(row).collect()
}

/// The names of the attributes of each of the six stages.
pub(crate) fn attributes() -> Vec<Vec<String>> {
    let names: [&[&str]; 6] = [&["size"], &["delta", "state"], &[], &[], &["path", "peer", "note"], &[]];
    names.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect()
}

pub(crate) fn outcomes() -> Vec<String> {
    vec!["error_routed".to_owned()]
}

/// A hundred written records, ten filtered ones, and all that the ledger knows.
pub(crate) fn busy() -> Parts {
    let mut stats = Stats::default();
    for record in 1..=100u64 {
        stats.add(&written(record));
    }
    for record in 1..=10u64 {
        let mut filtered = trace("S0@0 Q+@900 Q-@250000 T+@251000", Outcome::Filtered);
        filtered.id = 1000 + record;
        stats.add(&filtered);
    }
    let (kernel, agent) = crate::ledger::tests::session();
    Parts {
        stages: stages(),
        outcomes: outcomes(),
        stats,
        ledger: Ledger::new(&kernel, &agent),
        cost: cost(),
        rate: 1000,
        exports: exports(),
    }
}

/// The n-th record waits n times 4.2 us in its queue.
fn written(record: u64) -> Trace {
    let start = 5_000_000_000 + record * 1_000_000;
    let mut now = start;
    let mut text = format!("S0@{now}");
    for (code, ns) in
        [("Q+", 850), ("Q-", 4_200 * record), ("T+", 700), ("T-", 52_000), ("W!", 9_000 + record * 10)]
    {
        now += ns;
        text += &format!(" {code}@{now}");
    }
    Trace {
        id: record,
        sequence: record * 1000,
        wall_ns: 1_700_000_000_000_000_000 + start,
        ..trace(&text, Outcome::Written)
    }
}

fn exports() -> Vec<(String, Counts)> {
    let mut http = Counts { received: 980, recovered: 120, sent: 1_050, spooled: 40, ..Counts::default() };
    http.drop_traces(DropReason::Rejected, 10);
    let file = Counts { received: 980, sent: 980, ..Counts::default() };
    vec![("http://collector:9808/ingest".to_owned(), http), ("file:/var/log/stain".to_owned(), file)]
}

fn cost() -> Cost {
    let hits = |probe: u32, site: &str, class, hits, ns_each| ProbeHits {
        probe,
        site: site.to_owned(),
        class,
        hits,
        ns_each,
    };
    let measured = Measured {
        duration_ns: 10_000_000_000,
        target_cpu_ns: Some(12_500_000_000),
        target_context_switches: Some(54_321),
        target_cycles: None,
        target_instructions: None,
        agent_cpu_ns: 43_000_000,
        agent_max_rss_bytes: 12_900_000,
    };
    Cost::new(
        measured,
        vec![
            hits(0, "emit", Class::Emulated, 1_234_567, 510),
            hits(1, "queue::push+4", Class::Emulated, 1_134_567, 510),
            hits(2, "queue::pop", Class::Stepped, 20_000, 9_800),
            hits(3, "parse", Class::OptimisedNop, 0, 350),
        ],
    )
}

/// A session without a trace.
pub(crate) fn empty() -> Parts {
    let mut stages = stages();
    for row in &mut stages {
        (row.hits, row.stamps, row.unreadable) = (0, 0, 0);
    }
    let cost = Cost::new(Measured { duration_ns: 10_000_000_000, ..Measured::default() }, Vec::new());
    Parts {
        stages,
        outcomes: Vec::new(),
        stats: Stats::default(),
        ledger: Ledger::default(),
        cost,
        rate: 100_000,
        exports: Vec::new(),
    }
}

/// A ledger of these counters only.
pub(crate) fn ledger(counters: &[(profiler_common::Counter, u64)], agent: &AgentCounts) -> Ledger {
    let mut kernel = [0; profiler_common::Counter::COUNT as usize];
    for (counter, count) in counters {
        kernel[*counter as usize] = *count;
    }
    Ledger::new(&kernel, agent)
}

/// The law that every sink keeps, whatever its destination does: gives it traces, a flush now and then, and an end.
pub(crate) fn assert_counts(sink: &mut dyn Sink, traces: &[Trace], flush_every: usize) {
    let parts = busy();
    for (index, trace) in traces.iter().enumerate() {
        let _ = sink.trace(trace);
        let counts = sink.counts();
        assert_eq!(counts.received, index as u64 + 1);
        assert_eq!(counts.received, counts.sent + counts.dropped + counts.pending());
        if index % flush_every == flush_every - 1 {
            let _ = sink.flush();
            assert_eq!(sink.counts().pending(), 0);
        }
    }
    let _ = sink.finish(&parts.session());
    let counts = sink.counts();
    assert_eq!((counts.received, counts.pending()), (traces.len() as u64, 0));
    assert_eq!(counts.received, counts.sent + counts.dropped);
}

/// A branch with everything that a journey can have.
pub(crate) fn rich() -> Trace {
    let attribute = |stamp, index, value| Attribute { stamp, index, value };
    let mut trace = trace("S0@100 Q+@1110 Q-@5000150 T-@5000151 W!@7000000", Outcome::Named(0));
    trace.id = 7_969_916_174_494_417_963;
    trace.branch = BranchPath(0x0203);
    trace.shared = 3;
    trace.branches = 2;
    trace.end_ns = 7_000_001;
    trace.stamps[1].task_id = -1;
    trace.batches = vec![
        Membership { stamp: 1, key: 0xffff_8000_0000_1234, position: 0, size: None },
        Membership { stamp: 3, key: 7, position: 63, size: Some(64) },
    ];
    trace.attributes = vec![
        attribute(0, 0, AttributeValue::Unsigned(u64::MAX)),
        attribute(1, 0, AttributeValue::Signed(i64::MIN)),
        attribute(1, 1, AttributeValue::Word("ok".into())),
        attribute(4, 2, AttributeValue::Text("a \"quoted\" \u{e4}\n".into())),
    ];
    trace.record_times = vec![RecordTime { stamp: 4, event_ns: 1_699_999_999_999_000_000, latency_ns: -5 }];
    trace.flags = Flags { entries_dropped: 3, batches_dropped: 1, is_partial: true, ..Flags::default() };
    trace
}

/// The session of those stages; the first one reads an attribute.
pub(crate) fn info() -> crate::feed::SessionInfo {
    let attributes = |index| if index == 0 { vec!["table".to_owned()] } else { Vec::new() };
    let stage = |(index, row): (usize, StageRow)| crate::feed::StageInfo {
        code: row.code,
        name: row.name,
        probed: true,
        attributes: attributes(index),
    };
    crate::feed::SessionInfo {
        version: "0.1.0".to_owned(),
        agent: 99,
        host: "host".to_owned(),
        target: "pipeline".to_owned(),
        stages: stages().into_iter().enumerate().map(stage).collect(),
        fills: Vec::new(),
        outcomes: outcomes(),
        sampling: crate::spec::defaults::sampling(),
        level: crate::spec::Level::Info,
        began: crate::feed::Clock::default(),
    }
}
