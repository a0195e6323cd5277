//! One session, all destinations: the same traces in each, field by field as in the agent's own JSON lines.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use serde_json::Value;
use stain_tests::faulty::{Faulty, Reply};
use stain_tests::nginx::{self, Site};
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::specs;
use stain_tests::stain::{self, Agent};
use stain_tests::tally::privileged;
use stain_tests::targets::Flavour;
use stain_tests::traffic;
use tempfile::TempDir;

/// What a trace is told to be: outcome, and code, task and ns since its first stamp of each stamp.
type Journey = (String, Vec<(String, i64, i64)>);

/// Traces by id.
type Journeys = BTreeMap<u64, Journey>;

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("no text: {value}"))
}

fn int(value: &Value) -> Result<i64> {
    match value {
        Value::String(text) => Ok(text.parse()?),
        other => other.as_i64().with_context(|| format!("no number: {other}")),
    }
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("no list: {value}"))
}

/// The agent's lines, or those of a `jsonl` file.
fn of_lines(lines: &str) -> Result<Journeys> {
    let mut all = Journeys::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line.get("summary").is_some() {
            continue;
        }
        let start = int(&line["start_ns"])?;
        let entry =
            |e: &Value| Ok((text(&e["stage"])?.to_owned(), int(&e["task_id"])?, int(&e["ts_ns"])? - start));
        let entries = list(&line["entries"])?.iter().map(entry).collect::<Result<_>>()?;
        all.insert(text(&line["trace_id"])?.parse()?, (text(&line["outcome"])?.to_owned(), entries));
    }
    Ok(all)
}

/// What `stain decode` shows of payloads with nanoseconds.
fn of_payloads(shown: &str) -> Result<Journeys> {
    let mut all = Journeys::new();
    for document in serde_json::Deserializer::from_str(shown).into_iter::<Value>() {
        let document = document?;
        let start = int(&document["start_ns"])?;
        let entry =
            |e: &Value| Ok((text(&e["stage"])?.to_owned(), int(&e["task_id"])?, int(&e["ts_ns"])? - start));
        let entries = list(&document["entries"])?.iter().map(entry).collect::<Result<_>>()?;
        let outcome = text(&document["outcome_name"])?.to_owned();
        all.insert(text(&document["trace_id"])?.parse()?, (outcome, entries));
    }
    Ok(all)
}

/// Lines of the stain-trace format.
fn of_otlp_lines(lines: &str) -> Result<Journeys> {
    let mut all = Journeys::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        let span = &line["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let start = int(&span["startTimeUnixNano"])?;
        let attribute = |of: &Value, key: &str| {
            let found =
                of["attributes"].as_array().and_then(|all| all.iter().find(|pair| pair["key"] == key));
            found.map(|pair| pair["value"].clone()).with_context(|| format!("no {key} in {of}"))
        };
        let event = |e: &Value| {
            let task = int(&attribute(e, "seatunnel.task_id")?["intValue"])?;
            Ok((text(&e["name"])?.to_owned(), task, int(&e["timeUnixNano"])? - start))
        };
        let entries = list(&span["events"])?.iter().map(event).collect::<Result<_>>()?;
        let outcome = text(&attribute(span, "stain.outcome")?["stringValue"])?.to_owned();
        all.insert(u64::from_str_radix(text(&span["traceId"])?, 16)?, (outcome, entries));
    }
    Ok(all)
}

/// All files of a folder with this extension, in their order.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    all.retain(|path| path.to_string_lossy().ends_with(extension));
    all.sort();
    Ok(all)
}

fn read_all(paths: &[PathBuf]) -> Result<String> {
    paths.iter().map(|path| Ok(std::fs::read_to_string(path)?)).collect()
}

/// A receiver of Carbon's lines, until the sender has closed its second connection or the time is over.
fn carbon(listener: TcpListener) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut last = Vec::new();
        while let Ok((client, _)) = listener.accept() {
            let lines: Vec<String> = BufReader::new(client).lines().map_while(Result::ok).collect();
            if lines.iter().any(|line| line == "end") {
                break;
            }
            last = lines;
        }
        last
    })
}

fn scrape(address: &str) -> Result<String> {
    let mut client = TcpStream::connect(address)?;
    write!(client, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let mut text = String::new();
    client.read_to_string(&mut text)?;
    Ok(text)
}

/// The value of a metric of the text.
fn metric(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name} in\n{text}"))?.parse()?)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What babeltrace2 says of a folder: events, and the journeys in them.
fn babeltrace(folder: &Path) -> Result<(Journeys, String)> {
    let output = Command::new("babeltrace2")
        .args(["--fields=all", "--names=all", "--clock-seconds"])
        .arg(folder)
        .output()?;
    let (out, errors) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(output.status.success(), "babeltrace2: {errors}");
    let mut all = Journeys::new();
    for line in out.lines() {
        let field = |name: &str| -> Result<&str> {
            let rest =
                line.split_once(&format!(" {name} = ")).with_context(|| format!("no {name} in {line}"))?.1;
            Ok(rest.split([',', ' ']).next().unwrap_or_default())
        };
        let start: i64 = field("start_unix_ns")?.parse()?;
        let outcome = line
            .split("outcome = ( \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .context("no outcome")?;
        let stamps = line
            .split("stamps = [")
            .nth(1)
            .and_then(|rest| rest.split("attribute_count").next())
            .context("no stamps")?;
        let mut entries = Vec::new();
        for stamp in stamps.split("code = ( \"").skip(1) {
            let part = |name: &str| -> Result<i64> {
                let rest = stamp
                    .split_once(&format!("{name} = "))
                    .with_context(|| format!("no {name} in {stamp}"))?
                    .1;
                Ok(rest.split([',', ' ']).next().unwrap_or_default().parse()?)
            };
            let code = stamp.split('"').next().unwrap_or_default().to_owned();
            entries.push((code, part("task_id")?, part("unix_ns")? - start));
        }
        all.insert(field("trace_id")?.parse()?, (outcome.to_owned(), entries));
    }
    Ok((all, errors))
}

/// One destination of each kind.
struct Everywhere {
    folder: PathBuf,
    events: Faulty,
    otlp: Faulty,
    kafka: MockCluster<'static, DefaultProducerContext>,
    carbon: std::thread::JoinHandle<Vec<String>>,
    carbon_at: SocketAddr,
    scraped_at: String,
    urls: Vec<String>,
}

impl Everywhere {
    fn open(folder: &Path) -> Result<Self> {
        let path = |name: &str| folder.join(name).display().to_string();
        // Some requests fail on the way: what arrives must not change.
        let events = Faulty::start([Reply::Status(500, ""), Reply::Cut(50), Reply::Half])?;
        let otlp = Faulty::start([Reply::Later(0)])?;
        let kafka = MockCluster::new(1)?;
        kafka.create_topic("traces", 2, 1)?;
        let graphite = TcpListener::bind("127.0.0.1:0")?;
        let (carbon_at, scraped_at) = (graphite.local_addr()?, format!("127.0.0.1:{}", free_port()?));
        let spool = path("spool");
        let urls = vec![
            format!("file:{}?format=jsonl&rotate_size=64KiB", path("jsonl")),
            format!("file:{}?format=otlp-json", path("otlp")),
            format!("file:{}?format=sttr", path("sttr")),
            format!("file:{}?format=ctf", path("ctf")),
            format!("http://{}/ingest?payload=nano&batch=50&flush=30s&spool={spool}", events.address()),
            format!("otlp+http://{}?flush=30s&spool={spool}", otlp.address()),
            format!("kafka://{}/traces?value=sttr&flush=30s&spool={spool}", kafka.bootstrap_servers()),
            format!("prometheus://{scraped_at}"),
            format!("graphite://{carbon_at}?prefix=test&interval=500ms"),
        ];
        let carbon = carbon(graphite);
        Ok(Self { folder: folder.to_owned(), events, otlp, kafka, carbon, carbon_at, scraped_at, urls })
    }

    fn arguments(&self) -> Vec<&str> {
        self.urls.iter().flat_map(|url| ["--export", url]).collect()
    }

    /// What is scraped once a tick has seen so many records at least, and no trace is in flight.
    fn at_rest(&self, records: f64) -> Result<String> {
        let deadline = std::time::Instant::now() + SHORT;
        let mut last = None;
        loop {
            let text = scrape(&self.scraped_at)?;
            let seen = metric(&text, "stain_records_total").unwrap_or(0.0);
            // The accounts come with a tick, the durations with the traces.
            let written = metric(&text, "stain_traces_total{outcome=\"written\"}").unwrap_or(0.0);
            let is_counted = metric(&text, "stain_e2e_seconds_count").unwrap_or(0.0) == written;
            if seen >= records && is_counted && metric(&text, "stain_in_flight")? == 0.0 {
                // Who made the load need not know of its last records: none came for longer than a tick takes.
                if last.is_some_and(|(before, at): (f64, std::time::Instant)| {
                    before == seen && at.elapsed() > Duration::from_millis(2500)
                }) {
                    return Ok(text);
                }
                if last.is_none_or(|(before, _)| before != seen) {
                    last = Some((seen, std::time::Instant::now()));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            ensure!(std::time::Instant::now() < deadline, "never at rest:\n{text}");
            std::thread::yield_now();
        }
    }

    /// Whether each has the traces of the agent's own lines, which are given; and what was scraped and said counts them.
    fn got_the_same(self, expected: &Journeys, scraped: &str, stderr: &str) -> Result<()> {
        let lines = files(&self.folder.join("jsonl"), ".jsonl")?;
        ensure!(lines.len() > 3, "never rotated: {lines:?}");
        assert_eq!(of_lines(&read_all(&lines)?)?, *expected, "jsonl");
        let otlp = read_all(&files(&self.folder.join("otlp"), ".jsonl")?)?;
        assert_eq!(of_otlp_lines(&otlp)?, *expected, "otlp-json");
        let sttr = files(&self.folder.join("sttr"), ".sttr")?;
        let shown = stain::run(&["decode", &sttr[0].display().to_string()], SHORT)?.stdout;
        assert_eq!(of_payloads(&shown)?, *expected, "sttr");
        let ctf = files(&self.folder.join("ctf"), ".ctf")?;
        let (events_of_ctf, complaints) = babeltrace(&ctf[0])?;
        assert_eq!(events_of_ctf, *expected, "ctf");
        ensure!(complaints.is_empty(), "babeltrace2 says: {complaints}");
        assert_eq!(of_events(&self.events)?, *expected, "events");
        assert_eq!(of_topic(&self.kafka, expected.len())?, *expected, "kafka");
        let spans = self.otlp.seen().iter().filter(|r| r.was_taken() && r.path == "/v1/traces").count();
        ensure!(spans > 0, "no spans came");
        let e2e = metric(scraped, "stain_e2e_seconds_count")?;
        let written = expected.values().filter(|(outcome, _)| outcome == "written").count() as f64;
        assert_eq!((e2e, metric(scraped, "stain_admitted_total")?), (written, expected.len() as f64));
        drop(TcpStream::connect(self.carbon_at)?.write_all(b"end\n"));
        let lines = self.carbon.join().ok().context("the receiver of Carbon's lines")?;
        let found = lines.iter().find(|line| line.contains(".e2e.count ")).context("no e2e.count")?;
        ensure!(found.split(' ').nth(1) == Some(&written.to_string()), "{found}");
        let report = std::fs::read_to_string(self.folder.join("agent.jsonl"))?;
        let summary: Value = serde_json::from_str(report.lines().last().context("no summary")?)?;
        let told = list(&summary["summary"]["exports"])?;
        let all = expected.len();
        ensure!(
            told.len() == self.urls.len()
                && told.iter().all(|one| one["sent"] == all && one["balanced"] == true),
            "{told:?}"
        );
        for url in &self.urls {
            let name = url.split('?').next().unwrap_or_default();
            let begins = format!("export: {name}");
            let is_its = |line: &&str| {
                let rest = line.strip_prefix(&*begins).unwrap_or_default();
                rest.starts_with([':', '?']) && rest.contains(" received")
            };
            let line = stderr.lines().find(is_its).with_context(|| format!("{name} in\n{stderr}"))?;
            ensure!(line.ends_with(&format!("{all} received = {all} sent")), "{line}");
        }
        Ok(())
    }
}

#[test]
fn all_destinations_get_the_same_traces() -> Result<()> {
    if !privileged("all_destinations_get_the_same_traces")
        .program("babeltrace2", "/usr/bin/babeltrace2")
        .open()
    {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", "60000"], folder.path())?;
    let everywhere = Everywhere::open(folder.path())?;
    let spec = specs::every(Flavour::C, 100).toml();
    let agent = Agent::attach(pipeline.pid(), &spec, &everywhere.arguments(), folder.path(), "agent")?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    let scraped = everywhere.at_rest(60_000.0)?;
    let attached = agent.stop(LONG)?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    let expected = of_lines(&std::fs::read_to_string(folder.path().join("agent.jsonl"))?)?;
    ensure!(expected.len() == 600, "{} traces", expected.len());
    everywhere.got_the_same(&expected, &scraped, &attached.ended.stderr)
}

#[test]
fn nginx_under_load_to_all_destinations() -> Result<()> {
    let gate =
        privileged("nginx_under_load_to_all_destinations").program("babeltrace2", "/usr/bin/babeltrace2");
    if !gate.program("nginx", nginx::PROGRAM).program("wrk", "/usr/bin/wrk").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let site = Site::new(1)?;
    let nginx = site.start()?;
    let everywhere = Everywhere::open(folder.path())?;
    let stages = [
        ("S0", "ngx_http_process_request"),
        ("T+", "ngx_http_handler"),
        ("T-", "ngx_http_output_filter"),
        ("W!", "ngx_http_free_request"),
    ];
    let spec = traffic::spec(50, &stages);
    let worker = *nginx.workers().first().context("no worker")?;
    let agent = Agent::attach(worker, &spec, &everywhere.arguments(), folder.path(), "agent")?;
    let load = nginx::wrk(&site.url("/ok/00000001"), 8, 4)?;
    ensure!(load.requests > 2_000 && load.errors.is_empty(), "{load:?}");
    let scraped = everywhere.at_rest(load.requests as f64)?;
    let attached = agent.stop(LONG)?;
    let expected = of_lines(&std::fs::read_to_string(folder.path().join("agent.jsonl"))?)?;
    ensure!(expected.len() > 100, "{} traces", expected.len());
    everywhere.got_the_same(&expected, &scraped, &attached.ended.stderr)
}

/// What a topic of Kafka holds, read by a client in this process.
fn of_topic(cluster: &MockCluster<'_, DefaultProducerContext>, wanted: usize) -> Result<Journeys> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&["traces"])?;
    let (mut payloads, deadline) = (BTreeMap::new(), std::time::Instant::now() + LONG);
    while payloads.len() < wanted && std::time::Instant::now() < deadline {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        let (key, value) = (message.key().context("no key")?, message.payload().context("no value")?);
        payloads.insert(key.to_vec(), value.to_vec());
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("payloads.sttr");
    std::fs::write(&file, payloads.into_values().collect::<Vec<_>>().concat())?;
    of_payloads(&stain::run(&["decode", &file.display().to_string()], SHORT)?.stdout)
}

/// The payloads that arrived in events, repeats dropped as a receiver does.
fn of_events(server: &Faulty) -> Result<Journeys> {
    let mut payloads = BTreeMap::new();
    for request in server.seen().iter().filter(|request| request.was_taken()) {
        for event in list(&serde_json::from_slice::<Value>(&request.body)?)? {
            if event["eventType"] == "STAIN_TRACE" {
                payloads.insert(
                    (int(&event["traceId"])?, int(&event["sinkTaskId"])?),
                    text(&event["payload"])?.to_owned(),
                );
            }
        }
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("payloads");
    std::fs::write(&file, payloads.into_values().collect::<Vec<_>>().join("\n"))?;
    of_payloads(&stain::run(&["decode", &file.display().to_string()], SHORT)?.stdout)
}

#[test]
fn mistakes_show_before_anything_is_attached() -> Result<()> {
    let attach = |url: &str| {
        stain::run(
            &[
                "attach",
                "-p",
                "1",
                "--stage",
                "S0=f(arg0)",
                "--stage",
                "W!=g(arg0)",
                "--no-calibration",
                "--export",
                url,
            ],
            SHORT,
        )
    };
    for (url, part) in [
        ("ftp://x", "there is no export to `ftp:`"),
        ("http://me:s3cret@x/", "a password in a URL shows"),
        ("http://x/?token_file=/no/such/token&spool=none", "the token in /no/such/token cannot be read"),
        ("prometheus://0.0.0.0:1", "is not a loopback address"),
        ("https://x/?ca=/no/such/ca&spool=none", "the trusted certificate in /no/such/ca cannot be used"),
    ] {
        let ended = attach(url)?;
        ensure!(ended.status.code() == Some(1), "{url}: {}", ended.stderr);
        ensure!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(part),
            "{url}: {}",
            ended.stderr
        );
        ensure!(ended.stderr.lines().count() == 1 && !ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
    Ok(())
}

/// How long a killed session is given to have something in its spool.
const KILL_AFTER: Duration = Duration::from_secs(20);

#[test]
fn what_a_killed_agent_had_accepted_is_sent_by_the_next() -> Result<()> {
    if !privileged("what_a_killed_agent_had_accepted_is_sent_by_the_next").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", "40000"], folder.path())?;
    // The first requests hang: the agent is killed in the midst of one.
    let server = Faulty::start(vec![Reply::Stall(Duration::from_secs(1)); 3])?;
    let spool = folder.path().join("spool");
    let url = format!(
        "http://{}/ingest?payload=nano&batch=20&linger=100ms&spool={}",
        server.address(),
        spool.display()
    );
    let spec = specs::every(Flavour::C, 100).toml();
    let jsonl = format!("file:{}", folder.path().join("kept").display());
    let agent = Agent::attach(
        pipeline.pid(),
        &spec,
        &["--export", &url, "--export", &jsonl],
        folder.path(),
        "killed",
    )?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    server.until(KILL_AFTER, |seen| !seen.is_empty())?;
    // All that the session was given is accepted once the other destination, which is no faster, has it.
    let deadline = std::time::Instant::now() + SHORT;
    let given = loop {
        let lines = read_all(&files(&folder.path().join("kept"), ".jsonl")?)?;
        if lines.lines().count() == 400 {
            break of_lines(&lines)?;
        }
        ensure!(std::time::Instant::now() < deadline, "{} lines", lines.lines().count());
        std::thread::yield_now();
    };
    // The last batch lingers a tenth of a second; its record is whole when the spool has stopped growing.
    std::thread::sleep(Duration::from_millis(700));
    agent.signal(rustix::process::Signal::KILL)?;
    let ended = agent.wait(SHORT)?;
    ensure!(ended.signal() == Some(9), "{}", ended.status);

    let agent = Agent::attach(pipeline.pid(), &spec, &["--export", &url], folder.path(), "next")?;
    let arrived = || of_events(&server).map(|journeys| journeys == given);
    let deadline = std::time::Instant::now() + SHORT;
    while !arrived()? {
        ensure!(std::time::Instant::now() < deadline, "{} of {}", of_events(&server)?.len(), given.len());
        std::thread::sleep(Duration::from_millis(100));
    }
    let attached = agent.stop(SHORT)?;
    let line = attached.ended.stderr.lines().find(|line| line.contains(" recovered = ")).map(str::to_owned);
    ensure!(line.is_some_and(|line| line.contains("0 received + ")), "{}", attached.ended.stderr);
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    Ok(())
}
