//! Events for tests.

use std::sync::Arc;

use profiler_common::{Counter, Outcome, ProbeCount, StageCode};

use super::{
    Attached, Clock, Ended, FeedEvent, Notice, NoticeKind, SessionInfo, Settings, SiteInfo, StageInfo, Tick,
};
use crate::ledger::AgentCounts;
use crate::plan::Class;
use crate::sink::{Change, Setting};
use crate::spec::{Level, defaults};
use crate::stats::Measured;

const SECOND: u64 = 1_000_000_000;

/// A written trace; see [`crate::trace::testing::trace`].
pub(crate) fn trace_event(text: &str) -> FeedEvent {
    FeedEvent::Trace(Arc::new(crate::trace::testing::trace(text, Outcome::Written)))
}

/// An empty tick at this second.
pub(crate) fn tick(second: u64) -> Arc<Tick> {
    Arc::new(Tick { mono_ns: second * SECOND, ..Tick::default() })
}

/// A warning.
pub(crate) fn notice(text: &str) -> FeedEvent {
    let (kind, text) = (NoticeKind::Warning, text.to_owned());
    FeedEvent::Notice(Arc::new(Notice { at: Clock::default(), kind, text }))
}

/// The end.
pub(crate) fn ended(why: &str) -> FeedEvent {
    FeedEvent::Ended(Arc::new(Ended { why: why.to_owned(), mono_ns: 0 }))
}

/// A pipeline of two stages.
pub(crate) fn info() -> SessionInfo {
    let stage =
        |code, name: &str| StageInfo { code, name: name.to_owned(), probed: true, attributes: Vec::new() };
    SessionInfo {
        version: "0.1.0".to_owned(),
        agent: 99,
        host: "host".to_owned(),
        target: "4242".to_owned(),
        stages: vec![stage(StageCode::SOURCE, "emit"), stage(StageCode::SINK, "write")],
        fills: Vec::new(),
        outcomes: vec!["error_routed".to_owned()],
        sampling: defaults::sampling(),
        level: Level::Info,
        began: Clock { mono_ns: SECOND, wall_ns: 1_700_000_000 * SECOND },
    }
}

/// A site of that pipeline.
pub(crate) fn site(probe: u32, stage: usize, class: Class, ns_each: u64) -> SiteInfo {
    let (label, file) = (format!("function_{probe}"), "pipeline".to_owned());
    SiteInfo { probe, stage, label, file, class, ns_each, saves: false }
}

/// A session of two processes in which one of everything happened, without its end, and with two of its three traces.
pub(crate) fn busy() -> Vec<FeedEvent> {
    let attached =
        |mono_ns, pid, sites| Attached { target: "pipeline".to_owned(), mono_ns, pids: vec![pid], sites };
    let count = |hits, stamps| ProbeCount { hits, unreadable: 0, stamps };
    let counters = [(Counter::Sampled, 3), (Counter::Admitted, 3), (Counter::Written, 3)];
    let mut agent = AgentCounts::default();
    agent.delivered[Outcome::Written.index()] = 3;
    let measured = Measured { duration_ns: 2 * SECOND, target_cpu_ns: Some(SECOND), ..Measured::default() };
    let tick = Tick {
        mono_ns: 3 * SECOND,
        wall_ns: 1_700_000_002 * SECOND,
        settings: Settings { rate: 500, budget: 50, paused: false },
        ledger: crate::sink::testing::ledger(&counters, &agent),
        probes: vec![count(1_000, 3), count(900, 2), count(900, 0)],
        processes: vec![4242, 77],
        measured,
        agent_rss_bytes: 9_000_000,
        missed: 0,
    };
    let change = Change {
        setting: Setting::Rate,
        from: 100_000,
        to: 500,
        at_ns: 2 * SECOND,
        wall_ns: 1_700_000_001 * SECOND,
    };
    let saves = SiteInfo { saves: true, ..site(2, 1, Class::Stepped, 9_000) };
    vec![
        FeedEvent::Started(Arc::new(info())),
        FeedEvent::Attached(Arc::new(attached(SECOND, 4242, vec![site(0, 0, Class::Emulated, 500)]))),
        notice("something to know"),
        FeedEvent::Attached(Arc::new(attached(SECOND, 77, vec![site(1, 1, Class::Stepped, 9_000), saves]))),
        trace_event("S0@1000000100 W!@1000000900"),
        FeedEvent::Changed(change),
        trace_event("S0@2000000100 W!@2000009100"),
        FeedEvent::Tick(Arc::new(tick)),
    ]
}
