//! An hour of traces to servers that are dead: memory stays flat, the disk within its limit, and every trace is accounted for. Needs no privileges.
//!
//! The only test of its program, so that the program's memory is that of the exporters.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use profiler_common::{Outcome, StageCode};
use profiler_user::export::settings::Settings;
use profiler_user::export::{Exports, Machine, Notify, Running};
use profiler_user::feed::{Clock, FeedEvent, Hub, SessionInfo, StageInfo, Tick};
use profiler_user::sink::counts::{Counts, DropReason};
use profiler_user::spec::{Level, defaults};
use profiler_user::trace::{BranchPath, Flags, Stamp, Trace};
use stain_tests::faulty::Faulty;
use stain_tests::fields::{events, natural};
use stain_tests::run::LONG;
use stain_tests::scraped::free_port;
use tempfile::TempDir;

/// An hour at the default budget of 50 traces a second.
const HOUR: u64 = 3600 * 50;

/// Traces between two looks at the accounts: a fiftieth of the hour.
const ROUND: u64 = HOUR / 50;

/// Rounds until all limits are met.
const WARM: u64 = 10;

/// What memory may grow by once they are: what the allocator keeps.
const SLACK: u64 = 6 << 20;

/// Of each spool, bytes.
const SPOOL: u64 = 1 << 20;

fn info() -> SessionInfo {
    let stage = |(code, name): (StageCode, &str)| StageInfo {
        code,
        name: name.to_owned(),
        probed: true,
        attributes: Vec::new(),
    };
    let stages = [(StageCode::SOURCE, "in"), (StageCode::ENQUEUE, "queued"), (StageCode::SINK, "out")];
    SessionInfo {
        version: "0".to_owned(),
        agent: 1,
        host: "host".to_owned(),
        target: "hour".to_owned(),
        stages: stages.map(stage).into(),
        fills: Vec::new(),
        outcomes: Vec::new(),
        sampling: defaults::sampling(),
        level: Level::Info,
        began: Clock::default(),
    }
}

fn trace(id: u64) -> Trace {
    let start_ns = id * 20_000_000;
    let codes = [StageCode::SOURCE, StageCode::ENQUEUE, StageCode::SINK];
    let stamp = |(stage, code): (usize, StageCode)| Stamp {
        stage,
        code,
        probe: 0,
        pid: 7,
        task_id: 8,
        tid: 8,
        cpu: 0,
        ts_ns: start_ns + stage as u64 * 1000,
    };
    Trace {
        id,
        outcome: Outcome::Written,
        pid: 7,
        key: 0x7f00_0000 + id,
        sequence: id,
        start_ns,
        wall_ns: 1_700_000_000_000_000_000 + start_ns,
        end_ns: start_ns + 2000,
        stamps: codes.into_iter().enumerate().map(stamp).collect(),
        branch: BranchPath::ROOT,
        shared: 0,
        branches: 0,
        batches: Vec::new(),
        attributes: Vec::new(),
        record_times: Vec::new(),
        flags: Flags::default(),
    }
}

fn start(urls: &[String]) -> Result<(Hub, Running)> {
    let settings = urls.iter().map(|url| Ok(Settings::parse(url)?)).collect::<Result<Vec<_>>>()?;
    let machine = Machine { host: "here".to_owned(), state: None, seed: 1 };
    let notify: Notify = Arc::new(|_: &str| {});
    let (senders, running) = Exports::open(settings, &machine)?.start(1 << 14, &notify)?;
    let hub = Hub::new(senders);
    hub.send(&FeedEvent::Started(Arc::new(info())));
    Ok((hub, running))
}

/// Memory of this program, bytes.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

fn on_disk(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.path().is_dir() { on_disk(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// Waits until all have been given so many.
fn until_received(running: &Running, wanted: u64) -> Result<()> {
    let deadline = Instant::now() + LONG;
    loop {
        let all = running.accounts().counts();
        for (name, counts) in &all {
            counts.check().with_context(|| format!("{name}: {counts}"))?;
        }
        if all.iter().all(|(_, counts)| counts.received == wanted) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{all:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Nothing was sent; what is not in the spool is dropped for this reason, or, at the end, for that one.
fn is_exact(name: &str, counts: &Counts, reasons: &[DropReason]) -> Result<()> {
    counts.check().with_context(|| name.to_owned())?;
    let dropped: u64 = reasons.iter().map(|reason| counts.dropped(*reason)).sum();
    ensure!((counts.received, counts.sent, counts.pending) == (HOUR, 0, 0), "{name}: {counts}");
    ensure!(dropped == counts.dropped_total() && dropped > HOUR / 2, "{name}: {counts}");
    ensure!(counts.spooled + dropped == HOUR, "{name}: {counts}");
    Ok(())
}

#[test]
fn an_hour_to_dead_servers_takes_no_more_memory_than_a_minute() -> Result<()> {
    let folder = TempDir::new()?;
    let spool = folder.path().display();
    let port = free_port()?;
    let options = format!("batch=500&linger=100ms&spool={spool}&spool_max=1MiB");
    let urls = [
        format!("http://127.0.0.1:{port}/ingest?packets=no&flush=0s&{options}"),
        format!("otlp+http://127.0.0.1:{}?flush=0s&{options}", free_port()?),
        format!("otlp+grpc://127.0.0.1:{}?flush=0s&{options}", free_port()?),
        format!("kafka://127.0.0.1:{}/t?timeout=500ms&flush=0s&{options}", free_port()?),
        format!("http://127.0.0.1:{}/memory?packets=no&flush=0s&batch=500&spool=none", free_port()?),
    ];
    let (hub, running) = start(&urls)?;
    let (mut warm, mut most) = (0, 0);
    for round in 0..HOUR / ROUND {
        for id in round * ROUND..(round + 1) * ROUND {
            hub.send(&FeedEvent::Trace(Arc::new(trace(id))));
        }
        hub.send(&FeedEvent::Tick(Arc::new(Tick::default())));
        until_received(&running, (round + 1) * ROUND)?;
        let now = resident()?;
        (warm, most) = if round < WARM { (warm.max(now), 0) } else { (warm, most.max(now)) };
        ensure!(
            on_disk(folder.path())? < 4 * (SPOOL + (256 << 10)),
            "the spools are larger than they may be"
        );
    }
    ensure!(most <= warm + SLACK, "{warm} bytes at first, {most} later");
    drop(hub);
    let counts = running.finish();
    for (name, counts) in counts.get(..4).context("four spools")? {
        is_exact(name, counts, &[DropReason::SpoolFull])?;
        // At least a batch.
        ensure!(counts.spooled >= 500, "{name}: {counts}");
    }
    let (name, in_memory) = counts.get(4).context("one without")?;
    is_exact(name, in_memory, &[DropReason::MemoryFull, DropReason::Unsent])?;
    // It kept what there was room for until the end.
    ensure!(in_memory.dropped(DropReason::Unsent) > 10_000, "{in_memory}");

    // The next session finds what the accounts say, which are the newest, and not one of those that were given up.
    let spooled = counts.first().context("the first")?.1.spooled;
    let server = Faulty::start_at(([127, 0, 0, 1], port).into(), [])?;
    let (hub, running) =
        start(&urls[..1].iter().map(|url| url.replace("flush=0s", "flush=60s")).collect::<Vec<_>>())?;
    drop(hub);
    let (_, counts) = running.finish().remove(0);
    ensure!(counts == Counts { recovered: spooled, sent: spooled, ..Counts::default() }, "{counts}");
    let arrived = events::of_type(&server.seen(), "STAIN_TRACE")?;
    let arrived: BTreeSet<u64> =
        arrived.iter().map(|event| natural(&event["traceId"])).collect::<Result<_>>()?;
    ensure!(arrived == (HOUR - spooled..HOUR).collect(), "{} of {spooled}", arrived.len());
    Ok(())
}
