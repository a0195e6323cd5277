//! An agent that sends to servers of every kind is killed in the midst of it, or has no room for its spools: all that it accepted arrives.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use stain_tests::disk::Disk;
use stain_tests::faulty::{Faulty, Reply};
use stain_tests::fields::{self, events, files, read_all, wire};
use stain_tests::ledger;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::scraped::{self, free_port, sum};
use stain_tests::specs;
use stain_tests::stain::Agent;
use stain_tests::tally::privileged;
use stain_tests::targets::Flavour;
use tempfile::TempDir;

/// Records of a pipeline, and those of them that are traced.
const RECORDS: &str = "40000";
const TRACES: usize = 400;

/// A server for each way.
struct Servers {
    events: Faulty,
    otlp_http: Faulty,
    otlp_grpc: Faulty,
    kafka: MockCluster<'static, DefaultProducerContext>,
}

impl Servers {
    /// They fail so, whatever comes, until they are [`mended`](Self::mend).
    fn start(fault: &Reply) -> Result<Self> {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let script = || vec![fault.clone(); 10_000];
        let kafka = MockCluster::new(1)?;
        kafka.create_topic("traces", 2, 1)?;
        match fault {
            // It takes connections, and says nothing.
            Reply::Stall(time) => kafka.broker_round_trip_time(1, *time)?,
            _ => kafka.broker_down(1)?,
        }
        Ok(Self {
            events: Faulty::start(script())?,
            otlp_http: Faulty::start(script())?,
            otlp_grpc: Faulty::start_grpc_at(any, script())?,
            kafka,
        })
    }

    /// The destinations, by the names that accounts have for them.
    fn names(&self) -> [String; 4] {
        [
            format!("http://{}/ingest", self.events.address()),
            format!("otlp+http://{}", self.otlp_http.address()),
            format!("otlp+grpc://{}", self.otlp_grpc.address()),
            format!("kafka://{}/traces", self.kafka.bootstrap_servers()),
        ]
    }

    fn urls(&self, options: &str, spool: &Path) -> Vec<String> {
        let more = ["packets=no", "metrics=no", "metrics=no", "value=sttr&timeout=2s"];
        let url = |(name, more): (String, &str)| format!("{name}?{more}&{options}&spool={}", spool.display());
        self.names().into_iter().zip(more).map(url).collect()
    }

    fn mend(&self) -> Result<()> {
        for server in [&self.events, &self.otlp_http, &self.otlp_grpc] {
            server.script([]);
        }
        self.kafka.broker_up(1)?;
        Ok(self.kafka.broker_round_trip_time(1, Duration::ZERO)?)
    }

    /// Waits until each has exactly these traces.
    fn have(&self, given: &BTreeSet<u64>) -> Result<()> {
        let deadline = Instant::now() + LONG;
        let mut in_topic = BTreeSet::new();
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.bootstrap_servers())
            .set("group.id", "test")
            .set("auto.offset.reset", "earliest")
            .create()?;
        consumer.subscribe(&["traces"])?;
        loop {
            while let Some(message) = consumer.poll(Duration::from_millis(100)) {
                // What is wrong on the way to the broker ends some time.
                let Ok(message) = message else { continue };
                in_topic.insert(std::str::from_utf8(message.key().context("no key")?)?.parse()?);
            }
            let in_events = events::of_type(&self.events.seen(), "STAIN_TRACE")?;
            let in_events = in_events.iter().map(|event| fields::natural(&event["traceId"]));
            let found = [
                in_events.collect::<Result<BTreeSet<u64>>>()?,
                wire::trace_ids(&self.otlp_http.seen())?,
                wire::trace_ids(&self.otlp_grpc.seen())?,
                in_topic.clone(),
            ];
            if found.iter().all(|found| found == given) {
                return Ok(());
            }
            let counts =
                found.map(|found| (found.intersection(given).count(), found.difference(given).count()));
            ensure!(Instant::now() < deadline, "{} given; known and unknown ones: {counts:?}", given.len());
        }
    }
}

/// A pipeline, and the agent that exports what it does.
struct Session {
    folder: TempDir,
    pipeline: Pipeline,
    servers: Servers,
    scraped: String,
}

impl Session {
    fn start(fault: &Reply) -> Result<Self> {
        let folder = TempDir::new()?;
        let pipeline = Pipeline::start(Flavour::C, &["--records", RECORDS], folder.path())?;
        let scraped = format!("127.0.0.1:{}", free_port()?);
        Ok(Self { folder, pipeline, servers: Servers::start(fault)?, scraped })
    }

    /// An agent with all destinations; it also writes to files.
    fn attach(&self, options: &str, spool: &Path, name: &str) -> Result<Agent> {
        let mut urls = self.servers.urls(options, spool);
        urls.push(format!("file:{}", self.folder.path().join(name).display()));
        urls.push(format!("prometheus://{}", self.scraped));
        let exports: Vec<&str> = urls.iter().flat_map(|url| ["--export", url]).collect();
        let spec = specs::every(Flavour::C, 100).toml();
        Agent::attach(self.pipeline.pid(), &spec, &exports, self.folder.path(), name)
    }

    /// Runs the pipeline, and waits until each exporter has all traces where `kept` says; gives their ids.
    fn given(&mut self, name: &str, kept: impl Fn(&str, &str) -> bool) -> Result<BTreeSet<u64>> {
        self.pipeline.go()?;
        self.pipeline.totals(LONG)?;
        let names = self.servers.names();
        scraped::until(&self.scraped, |text| names.iter().all(|name| kept(text, name)))?;
        let deadline = Instant::now() + SHORT;
        loop {
            let lines = read_all(&files(&self.folder.path().join(name), ".jsonl")?)?;
            let all = fields::of_lines(&lines)?;
            if all.len() == TRACES {
                return Ok(all.into_keys().map(|(id, _)| id).collect());
            }
            ensure!(Instant::now() < deadline, "{} traces", all.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The next agent sends what one has left, and ends with exactly that in its accounts.
    fn the_next_sends_all(self, options: &str, spool: &Path, given: &BTreeSet<u64>) -> Result<()> {
        let agent = self.attach(options, spool, "next")?;
        self.servers.have(given)?;
        let names = self.servers.names();
        scraped::until(&self.scraped, |text| {
            names.iter().all(|name| sum(text, "stain_export_sent_total", name) == TRACES as f64)
        })?;
        let attached = agent.stop(LONG)?;
        let stderr = &attached.ended.stderr;
        for name in names {
            let law = format!("0 received + {TRACES} recovered = {TRACES} sent");
            ensure!(ledger::says(stderr, &name, &law), "no `{law}` of {name} in\n{stderr}");
        }
        ensure!(self.pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
        Ok(())
    }
}

/// Received by a sink, and of those kept on disk and in memory.
fn kept(text: &str, name: &str) -> [f64; 3] {
    ["received_total", "spooled", "pending"].map(|what| sum(text, &format!("stain_export_{what}"), name))
}

#[test]
fn an_agent_is_killed_while_it_sends_to_all() -> Result<()> {
    if !privileged("export_faults::an_agent_is_killed_while_it_sends_to_all").open() {
        return Ok(());
    }
    let _turn = turn()?;
    // They take requests in, and say nothing.
    let mut session = Session::start(&Reply::Stall(Duration::from_secs(300)))?;
    let options = "batch=20&linger=100ms&flush=60s";
    let spool = session.folder.path().join("spool");
    let agent = session.attach(options, &spool, "killed")?;
    let all = TRACES as f64;
    let given = session.given("killed", |text, name| kept(text, name) == [all, all, 0.0])?;
    for server in [&session.servers.events, &session.servers.otlp_http, &session.servers.otlp_grpc] {
        // In the midst of a request.
        server.until(SHORT, |seen| !seen.is_empty())?;
        ensure!(server.seen().iter().all(|request| !request.was_taken()), "taken after all");
    }
    agent.signal(rustix::process::Signal::KILL)?;
    ensure!(agent.wait(SHORT)?.signal() == Some(9), "not killed");
    session.servers.mend()?;
    session.the_next_sends_all(options, &spool, &given)
}

/// What becomes of a session whose spools lie on a full disk.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The servers take traces again, the disk stays full.
    ServersTake,
    /// The disk has room again before the session ends; the servers take traces in the next one.
    DiskHasRoom,
}

#[test]
fn a_full_disk_under_all_spools() -> Result<()> {
    let gate = privileged("export_faults::a_full_disk_under_all_spools");
    if !gate.condition(Disk::can_be_made(), "no file system can be mounted").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for then in [Then::ServersTake, Then::DiskHasRoom] {
        full_disk(then).with_context(|| format!("{then:?}"))?;
    }
    Ok(())
}

fn full_disk(then: Then) -> Result<()> {
    let disk = Disk::of_kib(96)?;
    let mut session = Session::start(&Reply::Status(503, "not now"))?;
    let flush = if matches!(then, Then::DiskHasRoom) { "flush=500ms" } else { "flush=60s" };
    let options = format!("batch=20&linger=100ms&{flush}");
    let agent = session.attach(&options, disk.path(), "full")?;
    let all = TRACES as f64;
    // What has no room on the disk is in memory: all is there, in one or the other.
    let given = session.given("full", |text, name| {
        let [received, spooled, pending] = kept(text, name);
        received == all && spooled + pending == all
    })?;
    let text = scraped::scrape(&session.scraped)?;
    let in_memory: f64 = session.servers.names().iter().map(|name| kept(&text, name)[2]).sum();
    ensure!(in_memory > 0.0, "the disk was never full:\n{text}");
    match then {
        Then::ServersTake => {
            session.servers.mend()?;
            session.servers.have(&given)?;
        }
        Then::DiskHasRoom => disk.resize(32 << 10)?,
    }
    let attached = agent.stop(LONG)?;
    let stderr = attached.ended.stderr;
    ensure!(stderr.contains("No space left on device"), "nobody was told:\n{stderr}");
    let end = match then {
        Then::ServersTake => format!("{TRACES} received = {TRACES} sent"),
        Then::DiskHasRoom => format!("{TRACES} received = 0 sent + {TRACES} spooled"),
    };
    for name in session.servers.names() {
        ensure!(ledger::says(&stderr, &name, &end), "no `{end}` of {name} in\n{stderr}");
    }
    if matches!(then, Then::DiskHasRoom) {
        session.servers.mend()?;
        return session.the_next_sends_all("batch=20&linger=100ms&flush=60s", disk.path(), &given);
    }
    ensure!(session.pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    Ok(())
}
