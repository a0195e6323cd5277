//! Two agents send 2,000 traces a second for a minute to collectors on SQLite and on PostgreSQL, which are killed all the time, whose disks are full for a while, and whose
//! answers are late or cut off: at the end each trace that the agents accepted is in either store, once.
//!
//! Whatever happens, and when, is drawn from a seed, which is told; `STAIN_SEED` is another one.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::Signal;
use stain_tests::collector::Collector;
use stain_tests::dice::Dice;
use stain_tests::disk::Disk;
use stain_tests::faulty::proxy::Proxy;
use stain_tests::fields;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::services::{Server, Service};
use stain_tests::stain::{Agent, Attached};
use stain_tests::tally::privileged;
use stain_tests::targets::Flavour;
use stain_tests::{agreed, ledger, specs};
use tempfile::TempDir;

/// How long it goes on.
const MINUTE: Duration = Duration::from_secs(60);
/// Sources of a pipeline, and records a second of each. Every second one is traced: 1000 traces a second of each of the two pipelines.
const SOURCES: u64 = 2;
const RECORDS_A_SECOND: u64 = 1000;
const RATE: u64 = 2;
/// What a pipeline emits, and what of that is traced.
const RECORDS: u64 = SOURCES * RECORDS_A_SECOND * 60;
const TRACES: u64 = RECORDS / RATE;
/// One in so many traces is looked at stamp by stamp.
const LOOKED_AT: usize = 500;
/// Of each store, KiB: more than a minute's traces take with all logs.
const DISK_KIB: u64 = 2 << 20;
/// How long the disk is full.
const FULL_FOR: Duration = Duration::from_secs(8);

/// What is done to a store's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// The collector is killed, and started again after a while.
    Kill,
    /// The database server is.
    KillServer,
    /// The disk is full.
    Fill,
    /// It has room again.
    Free,
}

/// The minute of one store: when what is done.
fn plan(dice: &mut Dice, has_server: bool) -> Vec<(Duration, Act)> {
    let mut acts = Vec::new();
    let mut at = dice.between(1000, 5000);
    while at < MINUTE {
        acts.push((at, Act::Kill));
        at += dice.between(1500, 7000);
    }
    let full = dice.between(10_000, 40_000);
    acts.extend([(full, Act::Fill), (full + FULL_FOR, Act::Free)]);
    if has_server {
        acts.push((dice.between(5000, 55_000), Act::KillServer));
    }
    acts.sort_unstable();
    acts
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Suffered {
    kills: u32,
    server_kills: u32,
    server_ends: u32,
    failed_starts: u32,
    /// Batches that one collector could not write while the disk was full.
    refused: u64,
}

impl Suffered {
    /// Asks a collector on a full disk what it could not write.
    fn look(&mut self, collector: &Collector, is_full: bool) {
        if is_full {
            let refused = collector.counter("st_trace_collector_db_write_failures_total{table=\"st_trace\"}");
            self.refused = self.refused.max(refused.unwrap_or(0));
        }
    }
}

/// A store, the collector on it, and the way there.
struct Side {
    disk: Disk,
    server: Option<Server>,
    store: String,
    collector: Option<Collector>,
    proxy: Proxy,
    dice: Dice,
    suffered: Suffered,
    is_full: bool,
    began: Instant,
}

impl Side {
    fn start(with_server: bool, mut dice: Dice) -> Result<Self> {
        let disk = Disk::of_kib(DISK_KIB)?;
        // It takes its folder for itself.
        let folder = disk.path().join("store");
        std::fs::create_dir(&folder)?;
        let server = with_server.then(|| Service::Postgres.start_in(&folder)).transpose()?;
        let store = match &server {
            Some(server) => server.database("traces")?,
            None => format!("sqlite:{}", folder.join("traces.db").display()),
        };
        // Longer than the agents wait for an answer.
        let proxy = Proxy::start(dice.below(u64::MAX), Duration::from_secs(3))?;
        let (suffered, began) = (Suffered::default(), Instant::now());
        let collector = None;
        let mut side = Self { disk, server, store, collector, proxy, dice, suffered, is_full: false, began };
        side.start_collector()?;
        Ok(side)
    }

    fn start_collector(&mut self) -> Result<()> {
        let collector = Collector::start_on(&self.store, &["--log", "error"])?;
        self.proxy.lead_to(Some(collector.address().parse()?));
        self.collector = Some(collector);
        Ok(())
    }

    /// Starts again what has ended, as whoever supervises services does. A collector ends by our hand alone.
    fn supervise(&mut self) -> Result<()> {
        if let Some(server) = &mut self.server
            && !server.is_running()?
        {
            // A PostgreSQL that cannot write its log ends, and does not start before there is room.
            self.suffered.server_ends += 1;
            self.suffered.failed_starts += u32::from(server.start_again().is_err());
        }
        match &mut self.collector {
            Some(collector) => {
                ensure!(collector.is_running()?, "the collector has ended");
                self.suffered.look(collector, self.is_full);
            }
            None => {
                let started = self.start_collector();
                self.suffered.failed_starts += u32::from(started.is_err());
            }
        }
        Ok(())
    }

    /// Does what is planned, each thing at its time.
    fn suffer(&mut self) -> Result<()> {
        self.began = Instant::now();
        for (at, act) in plan(&mut self.dice, self.server.is_some()) {
            while self.began.elapsed() < at {
                self.supervise()?;
                std::thread::sleep(Duration::from_millis(100));
            }
            match act {
                Act::Kill => {
                    let Some(collector) = self.collector.take() else { continue };
                    self.proxy.lead_to(None);
                    self.suffered.look(&collector, self.is_full);
                    let ended = collector.end(Signal::KILL)?;
                    ensure!(ended.signal() == Some(9), "the collector had ended: {}", ended.stderr);
                    self.suffered.kills += 1;
                    std::thread::sleep(self.dice.between(0, 1500));
                }
                Act::KillServer => {
                    if let Some(server) = &mut self.server {
                        server.kill()?;
                        self.suffered.server_kills += 1;
                    }
                }
                Act::Fill => {
                    self.disk.fill()?;
                    self.is_full = true;
                }
                Act::Free => {
                    self.disk.free()?;
                    self.is_full = false;
                }
            }
        }
        while self.began.elapsed() < MINUTE {
            self.supervise()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        self.mend()
    }

    /// From now on all is well.
    fn mend(&mut self) -> Result<()> {
        self.proxy.calm_down();
        let deadline = Instant::now() + LONG;
        loop {
            self.supervise()?;
            let answered = self.collector.as_ref().map(|collector| collector.get("/readyz"));
            if let Some(Ok((200, _))) = answered {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{self} is never well again: {answered:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Everything happened that was to happen.
    fn has_suffered(&self) -> Result<()> {
        let done = self.proxy.done();
        let Suffered { kills, refused, failed_starts, .. } = self.suffered;
        // A full disk refuses what a collector writes, or that one starts.
        let was_full = refused > 0 || failed_starts > 0;
        let all = kills >= 5 && was_full && done.held_up > 0 && done.cut > 0 && done.passed > 0;
        ensure!(all, "{self}: that was no chaos");
        ensure!(
            self.server.is_none() || self.suffered.server_kills == 1,
            "{self}: the server was not killed"
        );
        Ok(())
    }

    /// That all of a session is there, once, as the agent told it.
    fn has(&self, session: &Session) -> Result<()> {
        let collector = self.collector.as_ref().context("no collector")?;
        let (job, given) = (session.job, &session.given);
        let list = collector.all_of(job)?;
        let mut ids = BTreeSet::new();
        for item in &list {
            let id: u64 = fields::natural(&item["traceId"])?;
            ensure!(ids.insert(id), "{id} is there twice");
            let expected = given.get(&(id, "0".to_owned()));
            agreed::listed(item, expected.with_context(|| format!("nobody sent {item}"))?)?;
        }
        ensure!(ids.len() == given.len(), "{} of {} are there", ids.len(), given.len());
        // Rollups count each once, too.
        agreed::percentiles(collector, job, &session.attached.report.summary)?;
        let streams = collector.json(&format!("/api/v1/agents?jobId={job}"))?;
        let stream = &streams["items"][0];
        let whole = stream["isWhole"] == true && stream["missingPackets"] == 0;
        ensure!(whole && stream["traces"] == given.len() && streams["items"][1].is_null(), "{streams}");
        for ((id, _), expected) in given.iter().step_by(LOOKED_AT) {
            agreed::detailed(&collector.json(&format!("/api/v1/traces/{id}?jobId={job}"))?, expected)?;
        }
        Ok(())
    }
}

impl Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.server.is_some() { "PostgreSQL" } else { "SQLite" };
        write!(f, "{name}: {:?}, {:?}", self.suffered, self.proxy.done())
    }
}

/// A pipeline, and the agent on it, which sends to both sides.
struct Running {
    job: &'static str,
    folder: TempDir,
    pipeline: Pipeline,
    agent: Agent,
    destinations: Vec<String>,
}

/// One that is over.
struct Session {
    job: &'static str,
    given: fields::All,
    attached: Attached,
}

impl Running {
    fn start(job: &'static str, flavour: Flavour, sides: &[SocketAddr]) -> Result<Self> {
        let folder = TempDir::new()?;
        let pace = format!(
            "--sources {SOURCES} --records {} --rate-per-second {RECORDS_A_SECOND} --drop-percent 10",
            RECORDS / SOURCES
        );
        let pace: Vec<&str> = pace.split(' ').collect();
        let pipeline = Pipeline::start(flavour, &pace, folder.path())?;
        let destinations: Vec<String> = sides.iter().map(|side| format!("http://{side}/ingest")).collect();
        let exports = exports(&destinations, job, folder.path());
        let exports: Vec<&str> = exports.iter().flat_map(|url| ["--export", url]).collect();
        let spec = specs::every(flavour, RATE).toml();
        let agent = Agent::attach(pipeline.pid(), &spec, &exports, folder.path(), "agent")?;
        Ok(Self { job, folder, pipeline, agent, destinations })
    }

    /// Waits until all records are through and everything is sent: neither target nor agent was harmed, and each destination has all.
    fn finish(mut self) -> Result<Session> {
        let totals = self.pipeline.totals(LONG)?;
        let ended = self.pipeline.finish(SHORT)?;
        ensure!(ended.status.success(), "the pipeline was harmed: {} {}", ended.status, ended.stderr);
        ensure!(totals.emitted == RECORDS && totals.dropped + totals.written == RECORDS, "{totals:?}");
        let attached = self.agent.stop(LONG)?;
        let report = &attached.report;
        let wrong = ledger::check(report);
        ensure!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), report.summary);
        ensure!(report.ledger.admitted == TRACES && report.ledger.lost() == 0, "{}", report.summary);
        let law = format!("{TRACES} received = {TRACES} sent");
        let stderr = &attached.ended.stderr;
        for destination in &self.destinations {
            ensure!(ledger::says(stderr, destination, &law), "no `{law}` of {destination} in\n{stderr}");
        }
        let given = fields::of_lines(&std::fs::read_to_string(self.folder.path().join("agent.jsonl"))?)?;
        ensure!(given.len() as u64 == TRACES, "{} traces were told", given.len());
        Ok(Session { job: self.job, given, attached })
    }
}

/// The destinations with what is to be said of them.
fn exports(destinations: &[String], job: &str, folder: &Path) -> Vec<String> {
    let spool = folder.join("spool");
    let options = format!(
        "payload=nano&job={job}&batch=256&linger=200ms&timeout=2s&flush=200s&spool={}",
        spool.display()
    );
    destinations.iter().map(|destination| format!("{destination}?{options}")).collect()
}

/// The same in every run that does not ask for another one: a failure comes again.
const SEED: u64 = 1;

fn seed() -> Result<u64> {
    std::env::var("STAIN_SEED").map_or(Ok(SEED), |text| Ok(text.parse()?))
}

/// One side from its start to its end, in a thread of its own: processes end with the thread that started them.
fn side(
    with_server: bool,
    dice: Dice,
    address: &Sender<SocketAddr>,
    go: &Receiver<()>,
    sessions: &Receiver<Arc<[Session; 2]>>,
) -> Result<()> {
    let mut side = Side::start(with_server, dice)?;
    address.send(side.proxy.address())?;
    go.recv()?;
    let suffered = side.suffer();
    suffered.with_context(|| side.to_string())?;
    side.has_suffered()?;
    for session in &*sessions.recv()? {
        side.has(session).with_context(|| format!("{side}: job {}", session.job))?;
    }
    eprintln!("{side}");
    let ended = side.collector.take().context("no collector")?.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}

fn agents(
    addresses: &[Receiver<SocketAddr>; 2],
    go: &[Sender<()>; 2],
    sessions: &[Sender<Arc<[Session; 2]>>; 2],
) -> Result<()> {
    let addresses = [addresses[0].recv()?, addresses[1].recv()?];
    let mut one = Running::start("101", Flavour::CProtected, &addresses)?;
    let mut other = Running::start("102", Flavour::Cpp, &addresses)?;
    one.pipeline.go()?;
    other.pipeline.go()?;
    for go in go {
        go.send(())?;
    }
    let both = Arc::new([one.finish()?, other.finish()?]);
    for sessions in sessions {
        sessions.send(Arc::clone(&both))?;
    }
    Ok(())
}

fn chaos(seed: u64) -> Result<()> {
    let mut dice = Dice(seed);
    let (address, addresses) = channels();
    let (go, wait) = channels();
    let (sessions, told) = channels();
    std::thread::scope(|scope| {
        let ways = address.into_iter().zip(wait).zip(told).zip([false, true]);
        let sides: Vec<_> = ways
            .map(|(((address, wait), told), with_server)| {
                let dice = Dice(dice.below(u64::MAX));
                scope.spawn(move || side(with_server, dice, &address, &wait, &told))
            })
            .collect();
        let agents = agents(&addresses, &go, &sessions);
        // Whoever still waits for something learns that it does not come.
        drop((go, sessions));
        for side in sides {
            side.join().map_err(|_| anyhow!("a side panicked"))??;
        }
        agents
    })
}

/// A channel to, or from, each side.
fn channels<T>() -> ([Sender<T>; 2], [Receiver<T>; 2]) {
    let ((one, from_one), (other, from_other)) = (channel(), channel());
    ([one, other], [from_one, from_other])
}

#[test]
fn what_agents_accepted_is_in_the_store_once_whatever_happened() -> Result<()> {
    let gate = privileged("collector_chaos::what_agents_accepted_is_in_the_store_once_whatever_happened");
    let gate = gate.condition(Disk::can_be_made(), "no file system can be mounted");
    let has_postgres = Service::Postgres.program().is_some();
    let gate = gate.condition(has_postgres, "PostgreSQL is not installed (cargo xtask setup services)");
    if !gate.open() {
        return Ok(());
    }
    let _turn = turn()?;
    let seed = seed()?;
    eprintln!("seed {seed}");
    chaos(seed).with_context(|| format!("STAIN_SEED={seed}"))
}
