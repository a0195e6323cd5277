//! What the screen takes: frames of every view while ten thousand long traces a second come in, and memory over a day.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use profiler_common::{Outcome, StageCode};
use profiler_user::feed::{Attached, Clock, FeedEvent, SessionInfo, SiteInfo, StageInfo, Tick};
use profiler_user::meter::rss_bytes;
use profiler_user::plan::Class;
use profiler_user::spec::{Level, defaults};
use profiler_user::trace::{Stamp, Trace};
use profiler_user::tui::message::Message;
use profiler_user::tui::model::{Model, View};
use profiler_user::tui::theme::{Depth, Look, Theme};
use profiler_user::tui::update::update;
use profiler_user::tui::view::draw;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::table::{Aim, Row, Table};

const SECOND: u64 = 1_000_000_000;
const SIZE: (u16, u16) = (200, 60);
const FRAMES: u64 = 10;
const BUSY: u64 = 10_000;
const BUSY_SECONDS: u64 = 20;
const HOPS: usize = 50;
const CALM: u64 = 50;
const DAY: u64 = 86_400;

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    Ok(vec![busy()?, day()?])
}

fn stages(hops: usize) -> Result<Vec<StageInfo>> {
    let code = |index: usize| match index {
        0 => "S0",
        _ if index == hops => "W!",
        _ => ["Q+", "Q-", "T+", "T-"][(index - 1) % 4],
    };
    let stage = |index| {
        Ok(StageInfo {
            code: StageCode::from_short_name(code(index)).context("no such code")?,
            name: format!("stage number {index}"),
            probed: true,
            attributes: Vec::new(),
        })
    };
    (0..=hops).map(stage).collect()
}

/// A session before its first trace.
fn session(stages: &[StageInfo]) -> Model {
    let mut model = Model::new(SIZE);
    let site = |index: usize| SiteInfo {
        probe: index as u32,
        stage: index,
        label: format!("pipeline::stage_{index}::run"),
        file: "pipeline".to_owned(),
        class: Class::Emulated,
        ns_each: 460,
        saves: false,
    };
    let info = SessionInfo {
        version: "0".to_owned(),
        agent: 1,
        host: "host".to_owned(),
        target: "pipeline".to_owned(),
        stages: stages.to_vec(),
        fills: Vec::new(),
        outcomes: Vec::new(),
        sampling: defaults::sampling(),
        level: Level::Info,
        began: Clock { mono_ns: SECOND, wall_ns: 1_700_000_000 * SECOND },
    };
    let sites = (0..stages.len()).map(site).collect();
    let attached = Attached { target: "pipeline".to_owned(), mono_ns: SECOND, pids: vec![4242], sites };
    update(&mut model, Message::Feed(FeedEvent::Started(Arc::new(info))));
    update(&mut model, Message::Feed(FeedEvent::Attached(Arc::new(attached))));
    model
}

/// A trace through all stages; durations vary by more than a thousandfold.
fn trace(stages: &[StageInfo], id: u64, start_ns: u64) -> FeedEvent {
    let mut now = start_ns;
    let mut chance = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut stamps = Vec::with_capacity(stages.len());
    for (index, stage) in stages.iter().enumerate() {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        now += if index == 0 { 0 } else { 500 + (chance & 0xFFFF) * (1 + index as u64 % 7) };
        let worker = (id + index as u64 / 4) % 8;
        stamps.push(Stamp {
            stage: index,
            code: stage.code,
            probe: index as u32,
            pid: 4242,
            task_id: 4300 + worker.cast_signed(),
            tid: 4300 + worker as u32,
            cpu: worker as u32 % 2,
            ts_ns: now,
        });
    }
    FeedEvent::Trace(Arc::new(Trace {
        id,
        outcome: Outcome::Written,
        pid: 4242,
        key: 0x7f00_0000_0000 + id % 4096 * 64,
        sequence: id * 1000,
        start_ns,
        wall_ns: 1_700_000_000 * SECOND + start_ns,
        end_ns: now,
        stamps,
        ..crate::sttr::plain()
    }))
}

/// A second's events: so many traces, and a tick.
fn second(stages: &[StageInfo], second: u64, traces: u64) -> Vec<FeedEvent> {
    let began = (second + 1) * SECOND;
    let one = |index| trace(stages, second * traces + index, began + index * (SECOND / traces) / 2);
    let mut events: Vec<FeedEvent> = (0..traces).map(one).collect();
    let mono_ns = began + SECOND;
    events.push(FeedEvent::Tick(Arc::new(Tick {
        mono_ns,
        wall_ns: 1_700_000_000 * SECOND + mono_ns,
        ..Tick::default()
    })));
    events
}

fn take(model: &mut Model, events: Vec<FeedEvent>) {
    for event in events {
        update(model, Message::Feed(event));
    }
}

fn frame(model: &Model, buffer: &mut Buffer) -> Duration {
    let start = Instant::now();
    buffer.reset();
    draw(model, Theme::new(Look { depth: Depth::True, ascii: false }), buffer);
    start.elapsed()
}

/// Resident memory, MiB.
fn memory() -> f64 {
    rss_bytes() as f64 / f64::from(1 << 20)
}

/// Every view in turn, ten frames a second, while traces of fifty hops come in.
fn busy() -> Result<Table> {
    let stages = stages(HOPS)?;
    let mut model = session(&stages);
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    let (mut taking, mut drawing) = (Duration::ZERO, Duration::ZERO);
    let mut worst = [Duration::ZERO; View::ALL.len()];
    for now in 0..BUSY_SECONDS {
        let mut events = second(&stages, now, BUSY);
        while !events.is_empty() {
            let rest = events.split_off(events.len().min((BUSY / FRAMES) as usize));
            let start = Instant::now();
            take(&mut model, std::mem::replace(&mut events, rest));
            taking += start.elapsed();
            let view = now as usize % View::ALL.len();
            model.view = View::ALL[view];
            let took = frame(&model, &mut buffer);
            drawing += took;
            worst[view] = worst[view].max(took);
        }
    }
    let seconds = BUSY_SECONDS as f64;
    let (taking, drawing) = (taking.as_secs_f64() / seconds, drawing.as_secs_f64() / seconds);
    let core = taking + drawing;
    let mut rows = vec![
        Row::new("taking the traces in", taking * 100.0, "% of a core"),
        Row::new("ten frames a second", drawing * 100.0, "% of a core"),
        Row::new("memory, with a second's events", memory(), "MiB"),
    ];
    let mut aims = vec![Aim::at_most("screen at 10,000 traces/s", core * 100.0, 50.0, " % of a core")];
    for (view, worst) in View::ALL.iter().zip(worst) {
        let ms = worst.as_secs_f64() * 1e3;
        rows.push(Row::new(format!("slowest frame of {}", view.title()), ms, "ms"));
        aims.push(Aim::at_most(format!("frame of {}", view.title()), ms, 5.0, " ms"));
    }
    aims.push(Aim::at_most("memory", memory(), 100.0, " MiB"));
    Ok(Table {
        title: format!("{BUSY} traces/s of {HOPS} hops, {} x {}", SIZE.0, SIZE.1),
        base: "",
        rows,
        aims,
        notes: vec!["frames are drawn into memory: what the terminal takes is not counted".to_owned()],
    })
}

/// Fifty traces a second for a day, as fast as it goes.
fn day() -> Result<Table> {
    let stages = stages(7)?;
    let mut model = session(&stages);
    let mut rows = Vec::new();
    let mut found = Vec::new();
    for now in 0..DAY {
        take(&mut model, second(&stages, now, CALM));
        if [DAY / 24 - 1, DAY / 4 - 1, DAY - 1].contains(&now) {
            let memory = memory();
            rows.push(Row::new(format!("after {} h", (now + 1) / 3600), memory, "MiB"));
            found.push(memory);
        }
    }
    let growth = found.last().zip(found.first()).map_or(f64::NAN, |(last, first)| last / first);
    Ok(Table {
        title: format!("memory over a day of {CALM} traces/s"),
        base: "",
        rows,
        aims: vec![Aim::at_most("memory after a day, to that after an hour", growth, 1.1, "x")],
        notes: Vec::new(),
    })
}
