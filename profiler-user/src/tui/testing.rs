//! Sessions for tests of the screen: nothing, one record, many, and more of everything than any screen has room for.

use std::sync::Arc;

use profiler_common::{Counter, Outcome, ProbeCount, StageCode};

use super::model::Model;
use super::update::update;
use crate::feed::{
    Attached, Clock, Ended, FeedEvent, Notice, NoticeKind, SessionInfo, Settings, SiteInfo, StageInfo, Tick,
};
use crate::ledger::{AgentCounts, Ledger};
use crate::plan::Class;
use crate::sink::{Change, Setting};
use crate::spec::{Level, defaults};
use crate::stats::Measured;
use crate::trace::{Attribute, AttributeValue, Membership, RecordTime, Stamp, Trace};
use crate::tui::message::Message;

pub(crate) const SECOND: u64 = 1_000_000_000;

/// 2023-11-14 22:13:20 UTC.
const WALL: u64 = 1_700_000_000 * SECOND;

/// When sessions begin, monotonic.
const BEGAN: u64 = 1_000 * SECOND;

/// Some numbers that look as if they came by chance, always the same ones.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}

pub(crate) fn model(size: (u16, u16), events: &[FeedEvent]) -> Model {
    let mut model = Model::new(size);
    for event in events {
        update(&mut model, Message::Feed(event.clone()));
    }
    model
}

/// Presses keys, by their names.
pub(crate) fn press(model: &mut Model, keys: &str) -> Vec<super::message::Effect> {
    keys.split_whitespace().map(|key| update(model, Message::Key(key.to_owned()))).collect()
}

const STAGES: [(&str, &str); 8] = [
    ("S0", "line read"),
    ("Q+", "queued"),
    ("Q-", "transform takes"),
    ("T+", "parse and scan"),
    ("T-", "transformed"),
    ("Q-", "sink takes"),
    ("W!", "batch written"),
    ("drop", "filtered out"),
];

fn info(stages: Vec<StageInfo>) -> FeedEvent {
    FeedEvent::Started(Arc::new(SessionInfo {
        version: "0.1.0".to_owned(),
        agent: 99,
        host: "host".to_owned(),
        target: "pipeline".to_owned(),
        stages,
        fills: Vec::new(),
        outcomes: vec!["error_routed".to_owned()],
        sampling: defaults::sampling(),
        level: Level::Info,
        began: Clock { mono_ns: BEGAN, wall_ns: WALL },
    }))
}

fn stage(code: &str, name: &str) -> StageInfo {
    let attributes = if code == "T+" { vec!["table".to_owned(), "status".to_owned()] } else { Vec::new() };
    StageInfo {
        code: StageCode::from_short_name(code).unwrap(),
        name: name.to_owned(),
        probed: true,
        attributes,
    }
}

fn stages() -> Vec<StageInfo> {
    STAGES.iter().map(|(code, name)| stage(code, name)).collect()
}

fn site(probe: u32, stage: usize, label: &str) -> SiteInfo {
    let class = if probe % 4 == 3 { Class::Stepped } else { Class::Emulated };
    let ns_each = if class == Class::Stepped { 9_800 } else { 460 };
    SiteInfo {
        probe,
        stage,
        label: label.to_owned(),
        file: "pipeline".to_owned(),
        class,
        ns_each,
        saves: false,
    }
}

fn attached(pids: Vec<u32>, sites: Vec<SiteInfo>) -> FeedEvent {
    FeedEvent::Attached(Arc::new(Attached {
        target: "pipeline".to_owned(),
        mono_ns: BEGAN + SECOND,
        pids,
        sites,
    }))
}

/// A tick in which `records` were seen so far, one in a thousand sampled, and all of these written.
fn tick(second: u64, records: u64, sites: u64) -> FeedEvent {
    let sampled = records / 1000;
    let counters = [
        (Counter::Records, records),
        (Counter::Sampled, sampled),
        (Counter::Admitted, sampled - sampled / 10),
        (Counter::RefusedBudget, sampled / 10),
        (Counter::Written, sampled - sampled / 10),
    ];
    let mut agent = AgentCounts::default();
    agent.delivered[Outcome::Written.index()] = sampled - sampled / 10;
    let count =
        |site: u64| ProbeCount { hits: records - records * site / 20, stamps: sampled, unreadable: 0 };
    let elapsed = second.saturating_sub(1) * SECOND;
    FeedEvent::Tick(Arc::new(Tick {
        mono_ns: BEGAN + second * SECOND,
        wall_ns: WALL + second * SECOND,
        settings: Settings { rate: 1000, budget: 50, paused: false },
        ledger: crate::sink::testing::ledger(&counters, &agent),
        probes: (0..sites).map(count).collect(),
        processes: vec![4242],
        measured: Measured {
            duration_ns: elapsed,
            target_cpu_ns: Some(elapsed * 3 / 4),
            target_context_switches: Some(second * 12_000),
            agent_cpu_ns: elapsed / 80,
            agent_max_rss_bytes: 14 << 20,
            ..Measured::default()
        },
        agent_rss_bytes: 12 << 20,
        missed: 0,
    }))
}

/// A journey through these stages, each so many ns after the one before.
pub(crate) fn journey(
    stages: &[StageInfo],
    id: u64,
    start_ns: u64,
    way: &[(usize, u64)],
    outcome: Outcome,
) -> Trace {
    let mut now = start_ns;
    let stamp = |(stage, ns): &(usize, u64)| {
        now += ns;
        Stamp {
            stage: *stage,
            code: stages[*stage].code,
            probe: *stage as u32,
            pid: 4242,
            task_id: 4300 + *stage as i64 / 3,
            tid: 4300 + *stage as u32 / 3,
            cpu: *stage as u32 / 2 % 2,
            ts_ns: now,
        }
    };
    let stamps: Vec<Stamp> = way.iter().map(stamp).collect();
    Trace {
        id,
        key: 0x7f00_0000_1000 + id % 100_000 * 64,
        sequence: id.saturating_mul(1000),
        start_ns,
        wall_ns: WALL + (start_ns - BEGAN),
        end_ns: now,
        stamps,
        ..crate::trace::testing::plain(outcome)
    }
}

fn event(trace: Trace) -> FeedEvent {
    FeedEvent::Trace(Arc::new(trace))
}

/// A session that has just begun.
pub(crate) fn empty() -> Vec<FeedEvent> {
    vec![info(stages())]
}

/// One record, with everything that a trace can carry.
pub(crate) fn one() -> Vec<FeedEvent> {
    let stages = stages();
    let way = [(0, 0), (1, 1_500), (2, 815_000), (3, 900), (4, 11_400), (1, 811), (5, 30_300), (6, 403_000)];
    let mut trace = journey(&stages, 7, BEGAN + 2 * SECOND, &way, Outcome::Written);
    trace.attributes = vec![
        Attribute { stamp: 3, index: 0, value: AttributeValue::Text("orders".into()) },
        Attribute { stamp: 3, index: 1, value: AttributeValue::Word("ok".into()) },
    ];
    trace.batches = vec![Membership { stamp: 6, key: 0x7f00_dead_0000, position: 16, size: Some(64) }];
    trace.record_times = vec![RecordTime { stamp: 0, event_ns: 1, latency_ns: 2_500_000_000 }];
    let sites = (0..8).map(|index| site(index, index as usize, STAGES[index as usize].1)).collect();
    vec![info(stages), attached(vec![4242], sites), tick(1, 0, 8), event(trace), tick(3, 2_500, 8)]
}

/// Two minutes of forty records a second; the queue fills more and more in the second one.
pub(crate) fn many() -> Vec<FeedEvent> {
    let stages = stages();
    let mut chance = Chance::new();
    let sites =
        (0..8).map(|index| site(index, index as usize, &format!("flow::stage_{index}::run"))).collect();
    let mut events = vec![info(stages.clone()), attached(vec![4242], sites)];
    for second in 1..=120u64 {
        for record in 0..40 {
            let id = second * 100 + record;
            let start = BEGAN + second * SECOND + record * 20_000_000;
            let full = if second > 60 { (second - 60) * 40_000 } else { 0 };
            let wait =
                200_000 + chance.below(800_000) + full + if chance.below(50) == 0 { 9_000_000 } else { 0 };
            let mut way =
                vec![(0, 0), (1, 1_000 + chance.below(900)), (2, wait), (3, 700 + chance.below(300))];
            let outcome = if record % 5 == 0 {
                way.push((7, 2_000 + chance.below(500)));
                Outcome::Filtered
            } else {
                way.extend([(4, 11_000 + chance.below(4_000)), (1, 800), (5, 20_000 + chance.below(60_000))]);
                way.push((6, 250_000 + chance.below(300_000)));
                Outcome::Written
            };
            events.push(event(journey(&stages, id, start, &way, outcome)));
        }
        events.push(tick(second + 1, second * 50_000, 8));
    }
    events.push(changed());
    events
}

fn changed() -> FeedEvent {
    FeedEvent::Changed(Change {
        setting: Setting::Rate,
        from: 500,
        to: 1000,
        at_ns: BEGAN + 121 * SECOND,
        wall_ns: WALL + 121 * SECOND,
    })
}

/// Names, numbers, stages, sites, messages and losses beyond what a screen has room for; and the end.
pub(crate) fn overflowing() -> Vec<FeedEvent> {
    let mut stages = vec![stage("S0", "a_source_with_a_name_that_somebody_has_chosen_with_great_care")];
    for index in 0..56 {
        let (code, name) = [("Q+", "put"), ("Q-", "get"), ("T+", "größer 日本 in"), ("T-", "out")][index % 4];
        stages.push(stage(code, &format!("{name} {index}")));
    }
    stages.push(stage("W!", "written\u{1b}[2J\n"));
    let sites = (0..400)
        .map(|probe| {
            site(probe, probe as usize % 58, &format!("a::very::long::path::to::a::function::number_{probe}"))
        })
        .collect();
    let mut events = vec![info(stages.clone()), attached((1..500).collect(), sites)];
    let mut chance = Chance::new();
    for second in 1..=5u64 {
        for record in 0..60 {
            let way: Vec<_> = (0..58)
                .map(|stage| (stage, if stage == 0 { 0 } else { 1 + chance.below(1 << (stage % 33)) }))
                .collect();
            let start = BEGAN + second * SECOND + record;
            let mut trace =
                journey(&stages, u64::MAX / 2 - second * 100 - record, start, &way, Outcome::Written);
            trace.flags.torn_stamps = u32::from(record == 0);
            events.push(event(trace));
        }
        events.push(overflowing_tick(second));
    }
    for index in 0..300 {
        let text = format!(
            "warning number {index} that is so long that no status line of any terminal that is used these days has room for all of it"
        );
        events.push(notice(second_clock(5), &text));
    }
    events.push(FeedEvent::Ended(Arc::new(Ended {
        why: "target exited".to_owned(),
        mono_ns: BEGAN + 6 * SECOND,
    })));
    events
}

fn second_clock(second: u64) -> Clock {
    Clock { mono_ns: BEGAN + second * SECOND, wall_ns: WALL + second * SECOND }
}

pub(crate) fn notice(at: Clock, text: &str) -> FeedEvent {
    FeedEvent::Notice(Arc::new(Notice { at, kind: NoticeKind::Warning, text: text.to_owned() }))
}

fn overflowing_tick(second: u64) -> FeedEvent {
    let counters = [1 << 60; Counter::COUNT as usize];
    let agent = AgentCounts { delivered: [1 << 50; Outcome::COUNT], ..AgentCounts::default() };
    let FeedEvent::Tick(tick) = tick(second, 1 << 61, 0) else { unreachable!() };
    let probes = vec![ProbeCount { hits: u64::MAX / 10 * second, unreadable: 1 << 40, stamps: 1 << 40 }; 400];
    FeedEvent::Tick(Arc::new(Tick {
        ledger: Ledger::new(&counters, &agent),
        settings: Settings { rate: u64::MAX, budget: 16_777_215, paused: second == 3 },
        probes,
        processes: (1..500).collect(),
        ..(*tick).clone()
    }))
}
