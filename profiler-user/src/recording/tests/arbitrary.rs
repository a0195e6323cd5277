//! Events of every shape.

use std::sync::Arc;
use std::time::Duration;

use profiler_common::{Outcome, ProbeCount, StageCode};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::feed::{
    Attached, Clock, Ended, FeedEvent, Notice, NoticeKind, SessionInfo, Settings, SiteInfo, StageInfo, Tick,
};
use crate::ledger::{JourneyBounds, Ledger};
use crate::plan::Class;
use crate::sink::{Change, Setting};
use crate::spec::{Level, Sampling, SamplingMode, SequenceMode};
use crate::stats::Measured;
use crate::trace::{Attribute, AttributeValue, BranchPath, Flags, Membership, RecordTime, Stamp, Trace};

fn clock() -> impl Strategy<Value = Clock> {
    any::<(u64, u64)>().prop_map(|(mono_ns, wall_ns)| Clock { mono_ns, wall_ns })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    (1..=Outcome::COUNT as u32).prop_map(|code| Outcome::from_code(code).unwrap())
}

prop_compose! {
    fn stamp()(
        stage in 0usize..6, code: u8, probe in 0u32..8, pid in 1u32..4, tid: u32, own: bool, task: i64, cpu: u32, ts_ns: u64
    ) -> Stamp {
        let task_id = if own { i64::from(tid) } else { task };
        Stamp { stage, code: StageCode(code), probe, pid, task_id, tid, cpu, ts_ns }
    }
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let value = prop_oneof![
        any::<u64>().prop_map(AttributeValue::Unsigned),
        any::<i64>().prop_map(AttributeValue::Signed),
        "[ab]{1,2}".prop_map(|text| AttributeValue::Word(text.into())),
        ".{0,9}".prop_map(|text| AttributeValue::Text(text.into())),
    ];
    (0usize..9, 0usize..9, value).prop_map(|(stamp, index, value)| Attribute { stamp, index, value })
}

fn membership() -> impl Strategy<Value = Membership> {
    (0usize..9, any::<u64>(), any::<u32>(), any::<Option<u32>>())
        .prop_map(|(stamp, key, position, size)| Membership { stamp, key, position, size })
}

fn record_time() -> impl Strategy<Value = RecordTime> {
    (0usize..9, any::<i64>(), any::<i64>()).prop_map(|(stamp, event_ns, latency_ns)| RecordTime {
        stamp,
        event_ns,
        latency_ns,
    })
}

fn flags() -> impl Strategy<Value = Flags> {
    (any::<[u32; 9]>(), any::<bool>()).prop_map(|(n, is_partial)| Flags {
        entries_dropped: n[0],
        late_stamps: n[1],
        torn_stamps: n[2],
        early_stamps: n[3],
        keys_dropped: n[4],
        branches_dropped: n[5],
        attributes_dropped: n[6],
        attributes_unreadable: n[7],
        batches_dropped: n[8],
        is_partial,
    })
}

pub(super) fn trace() -> impl Strategy<Value = Trace> {
    let numbers = any::<(u64, u64, u64, u64, u64, u64)>();
    let stamps = vec(stamp(), 0..12);
    let extras = (vec(membership(), 0..3), vec(attribute(), 0..4), vec(record_time(), 0..3));
    let journey = (any::<u64>(), 0usize..9, any::<u32>());
    (numbers, any::<u32>(), any::<bool>(), outcome(), stamps, extras, journey, option::of(flags())).prop_map(
        |(
            n,
            pid,
            own,
            outcome,
            stamps,
            (batches, attributes, record_times),
            (path, shared, branches),
            flags,
        )| {
            let first = stamps.first().map(|stamp| stamp.pid);
            Trace {
                id: n.0,
                outcome,
                pid: first.filter(|_| own).unwrap_or(pid),
                key: n.1,
                sequence: n.2,
                start_ns: n.3,
                wall_ns: n.4,
                end_ns: n.5,
                stamps,
                branch: BranchPath(path),
                shared,
                branches,
                batches,
                attributes,
                record_times,
                flags: flags.unwrap_or_default(),
            }
        },
    )
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::Info), Just(Level::Debug), Just(Level::Trace)]
}

fn started() -> impl Strategy<Value = SessionInfo> {
    let stage = (any::<u8>(), any::<bool>(), ".{0,9}", vec("[a-z]{1,5}", 0..3)).prop_map(
        |(code, probed, name, attributes)| StageInfo { code: StageCode(code), name, probed, attributes },
    );
    let sampling = (any::<(u64, bool, u32, u32)>(), any::<(u64, u32)>()).prop_map(|(a, b)| Sampling {
        rate: a.0,
        sequence: if a.1 { SequenceMode::Process } else { SequenceMode::Task },
        max_traces_per_second: a.2,
        max_entries_per_trace: a.3,
        trace_ttl: Duration::from_nanos(b.0),
        max_open_traces: b.1,
        mode: if a.1 { SamplingMode::Key } else { SamplingMode::Sequence },
        max_keys_per_trace: a.2,
        max_branches_per_trace: a.3,
        max_batches: b.1,
        max_batch_members: a.2,
        max_attributes_per_trace: a.3,
    });
    let stages = (vec(stage, 0..7), vec((0..9usize, 0..300usize), 0..3));
    (any::<u32>(), [".{0,9}", ".{0,9}"], stages, vec("[a-z]{1,9}", 0..3), sampling, level(), clock())
        .prop_map(|(agent, [host, target], (stages, fills), outcomes, sampling, level, began)| SessionInfo {
            version: "0.1.0".to_owned(),
            agent,
            host,
            target,
            stages,
            fills,
            outcomes,
            sampling,
            level,
            began,
        })
}

/// Sites are told in the order of their ids: `first` is the id of the first that comes.
fn attached() -> impl Strategy<Value = Attached> {
    let class = prop_oneof![
        Just(Class::Emulated),
        Just(Class::OptimisedNop),
        Just(Class::Stepped),
        Just(Class::Trampoline),
        Just(Class::Refused)
    ];
    let site = (0usize..6, class, any::<u64>(), any::<bool>(), ".{0,9}").prop_map(
        |(stage, class, ns_each, saves, label)| SiteInfo {
            probe: 0,
            stage,
            label,
            file: "nginx".to_owned(),
            class,
            ns_each,
            saves,
        },
    );
    (".{0,9}", any::<u64>(), vec(any::<u32>(), 0..3), vec(site, 0..100)).prop_map(
        |(target, mono_ns, pids, mut sites)| {
            sites.iter_mut().zip(0..).for_each(|(site, probe)| site.probe = probe);
            Attached { target, mono_ns, pids, sites }
        },
    )
}

fn ledger() -> impl Strategy<Value = Ledger> {
    (
        vec(any::<u64>(), 20),
        any::<[u64; 16]>(),
        any::<[u64; 4]>(),
        vec(any::<u64>(), Outcome::COUNT),
        any::<[u64; 10]>(),
    )
        .prop_map(|(n, named, lost, ended, b)| Ledger {
            records: n[0],
            sampled: n[1],
            admitted: n[2],
            refused_budget: n[3],
            refused_full: n[4],
            refused_busy: n[5],
            refused_paused: n[6],
            written: n[7],
            filtered: n[8],
            superseded: n[9],
            expired: n[10],
            split: n[11],
            branched: n[12],
            named,
            lost,
            in_flight: n[13],
            unread: n[14],
            ended: std::array::from_fn(|index| ended[index]),
            tasks_full: n[15],
            entries_full: n[16],
            notice_full: n[17],
            entry_unseen: n[18],
            key_unreadable: n[19],
            journeys: JourneyBounds {
                branches_full: b[0],
                branches_refused: b[1],
                keys_full: b[2],
                keys_refused: b[3],
                scopes_full: b[4],
                scopes_left: b[5],
                batches_full: b[6],
                members_full: b[7],
                attributes_full: b[8],
                attributes_unreadable: b[9],
            },
        })
}

fn tick() -> impl Strategy<Value = Tick> {
    let probe = any::<(u64, u64, u64)>().prop_map(|(hits, unreadable, stamps)| ProbeCount {
        hits,
        unreadable,
        stamps,
    });
    let measured = (any::<(u64, u64, u64)>(), any::<[Option<u64>; 4]>()).prop_map(|(n, o)| Measured {
        duration_ns: n.0,
        target_cpu_ns: o[0],
        target_context_switches: o[1],
        target_cycles: o[2],
        target_instructions: o[3],
        agent_cpu_ns: n.1,
        agent_max_rss_bytes: n.2,
    });
    let settings =
        any::<(u64, u32, bool)>().prop_map(|(rate, budget, paused)| Settings { rate, budget, paused });
    (clock(), settings, ledger(), vec(probe, 0..9), vec(any::<u32>(), 0..4), measured, any::<(u64, u64)>())
        .prop_map(|(at, settings, ledger, probes, processes, measured, (agent_rss_bytes, missed))| Tick {
            mono_ns: at.mono_ns,
            wall_ns: at.wall_ns,
            settings,
            ledger,
            probes,
            processes,
            measured,
            agent_rss_bytes,
            missed,
        })
}

fn notice() -> impl Strategy<Value = Notice> {
    (clock(), any::<bool>(), ".{0,40}").prop_map(|(at, warns, text)| Notice {
        at,
        kind: if warns { NoticeKind::Warning } else { NoticeKind::Process },
        text,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let setting = prop_oneof![
        Just(Setting::Rate),
        Just(Setting::Budget),
        Just(Setting::Paused),
        Just(Setting::Level),
        Just(Setting::Stage)
    ];
    (setting, any::<[u64; 4]>()).prop_map(|(setting, [from, to, at_ns, wall_ns])| Change {
        setting,
        from,
        to,
        at_ns,
        wall_ns,
    })
}

/// An event of any kind. Sites are told at once: see [`events`].
fn event() -> impl Strategy<Value = FeedEvent> {
    prop_oneof![
        6 => trace().prop_map(|trace| FeedEvent::Trace(Arc::new(trace))),
        1 => tick().prop_map(|tick| FeedEvent::Tick(Arc::new(tick))),
        1 => notice().prop_map(|notice| FeedEvent::Notice(Arc::new(notice))),
        1 => change().prop_map(FeedEvent::Changed),
    ]
}

/// A session: its start, its sites, and whatever comes then.
pub(super) fn events() -> impl Strategy<Value = Vec<FeedEvent>> {
    let ended = (any::<u64>(), ".{0,9}")
        .prop_map(|(mono_ns, why)| FeedEvent::Ended(Arc::new(Ended { why, mono_ns })));
    (started(), attached(), vec(event(), 0..30), ended).prop_map(|(started, attached, mut events, ended)| {
        let begin = [FeedEvent::Started(Arc::new(started)), FeedEvent::Attached(Arc::new(attached))];
        events.splice(0..0, begin);
        events.push(ended);
        events
    })
}
