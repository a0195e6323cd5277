//! Field by field: records that split, and are put into batches, with attributes and times of their own. What each receiver has of every journey is what the
//! agent's own lines say, to the nanosecond.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use serde_json::Value;
use stain_tests::faulty::Faulty;
use stain_tests::fields::{
    self, All, Who, babeltrace, difference, events, files, int, list, natural, read_all, spans, text,
};
use stain_tests::flow::{Flow, Kind, Read, codes};
use stain_tests::pipeline::Pipeline;
use stain_tests::receivers::{self, Otlp, gate};
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::targets::Flavour;
use tempfile::TempDir;

/// One receiver for each way and each kind of value.
struct Receivers {
    folder: PathBuf,
    nano: Faulty,
    millis: Faulty,
    otlp: Otlp,
    kafka: MockCluster<'static, DefaultProducerContext>,
}

impl Receivers {
    fn start(folder: &Path) -> Result<Self> {
        let kafka = MockCluster::new(1)?;
        for topic in ["json", "sttr"] {
            kafka.create_topic(topic, 2, 1)?;
        }
        let (nano, millis) = (Faulty::start([])?, Faulty::start([])?);
        Ok(Self { folder: folder.to_owned(), nano, millis, otlp: Otlp::start(&["unavailable"])?, kafka })
    }

    fn urls(&self) -> Vec<String> {
        let folder = |name: &str| self.folder.join(name).display().to_string();
        let options = format!("flush=200s&spool={}", folder("spool"));
        let (brokers, Otlp { grpc, http, .. }) = (self.kafka.bootstrap_servers(), &self.otlp);
        vec![
            format!("http://{}/nano?payload=nano&batch=100&{options}", self.nano.address()),
            format!("http://{}/millis?batch=70&{options}", self.millis.address()),
            format!("otlp+grpc://127.0.0.1:{grpc}?metrics=no&batch=100&{options}"),
            format!("otlp+http://127.0.0.1:{http}?metrics=no&{options}"),
            format!("kafka://{brokers}/json?payload=nano&{options}"),
            format!("kafka://{brokers}/sttr?value=sttr&{options}"),
            format!("file:{}?format=jsonl&rotate_size=32KiB", folder("jsonl")),
            format!("file:{}?format=otlp-json", folder("otlp")),
            format!("file:{}?format=sttr", folder("sttr")),
            format!("file:{}?format=ctf", folder("ctf")),
        ]
    }

    /// Whether each has what the agent's own lines say.
    fn have(self, lines: &str) -> Result<()> {
        let expected = fields::of_lines(lines)?;
        let packets = events::of_type(&self.nano.seen(), "STAIN_PACKET")?;
        let names = events::names(packets.last().context("no packet")?)?;
        has_what_journeys_have(&expected)?;

        let in_nano = events::of_type(&self.nano.seen(), "STAIN_TRACE")?;
        let of_events = |all: &[Value]| -> Result<All> {
            let payloads: Vec<String> =
                all.iter().map(|event| Ok(text(&event["payload"])?.to_owned())).collect::<Result<_>>()?;
            events::of_documents(&events::decoded(&payloads)?, &names)
        };
        same("http, nano", &of_events(&in_nano)?, &expected)?;
        let briefs: BTreeMap<Who, _> =
            expected.iter().map(|(who, fields)| (who.clone(), events::brief(fields))).collect();
        let in_millis = events::of_type(&self.millis.seen(), "STAIN_TRACE")?;
        same("http, v1", &events::briefs(&in_millis)?, &briefs)?;
        // A receiver that knows no branches tells journeys apart by these.
        let ids: std::collections::BTreeSet<u64> =
            in_millis.iter().map(|event| natural(&event["traceId"])).collect::<Result<_>>()?;
        ensure!(ids.len() == expected.len(), "{} ids of {} journeys", ids.len(), expected.len());

        let consumed = |topic: &str| -> Result<Vec<(Value, Vec<u8>)>> {
            let brokers = self.kafka.bootstrap_servers();
            let messages = receivers::consumed(&brokers, topic, expected.len())?;
            messages.iter().map(|m| Ok((m["key"].clone(), STANDARD.decode(text(&m["value"])?)?))).collect()
        };
        let (mut in_json, mut in_sttr) = (Vec::new(), Vec::new());
        for (key, value) in consumed("json")? {
            let event: Value = serde_json::from_slice(&value)?;
            ensure!(events::who(&event)?.0 == natural(&key)?, "{key}: {event}");
            in_json.push(event);
        }
        same("kafka, json", &of_events(&in_json)?, &expected)?;
        for (_, value) in consumed("sttr")? {
            in_sttr.push(STANDARD.encode(value));
        }
        same("kafka, sttr", &events::of_documents(&events::decoded(&in_sttr)?, &names)?, &expected)?;

        let summary: Value = serde_json::from_str(lines.lines().last().context("no summary")?)?;
        let as_spans = spans::expected(&expected, &spans::causes(&summary["summary"])?)?;
        let messages = self.otlp.finish()?;
        for way in ["grpc", "http"] {
            same(way, &spans::received(&messages, way)?, &as_spans)?;
        }

        let folder = |name: &str| self.folder.join(name);
        let jsonl = files(&folder("jsonl"), ".jsonl")?;
        ensure!(jsonl.len() > 1, "never rotated");
        same("jsonl", &fields::of_lines(&read_all(&jsonl)?)?, &expected)?;
        let journeys = in_millis.iter().map(|event| Ok((natural(&event["traceId"])?, events::who(event)?)));
        let journeys: BTreeMap<u64, Who> = journeys.collect::<Result<_>>()?;
        let lines = read_all(&files(&folder("otlp"), ".otlp.jsonl")?)?;
        same("otlp-json", &of_otlp_lines(&lines, &journeys)?, &expected_otlp_lines(&expected))?;
        let sttr = files(&folder("sttr"), ".sttr")?;
        let documents = events::decoded_file(&sttr.first().context("no file")?.display().to_string())?;
        same("sttr", &events::of_documents(&documents, &names)?, &expected)?;
        let ctf = files(&folder("ctf"), ".ctf")?;
        let read = babeltrace::read(ctf.first().context("no folder")?)?;
        ensure!(read.said.is_empty(), "babeltrace2: {}", read.said);
        same("ctf", &but_for_empty_texts(read.all, &expected), &expected)
    }
}

/// Where a text is empty, babeltrace2 2.0 shows the one that the field had in an earlier event: these cannot be compared.
fn but_for_empty_texts(mut found: All, expected: &All) -> All {
    for (who, fields) in &mut found {
        let known = expected.get(who).map_or(&[][..], |known| &known.attributes);
        for ((entry, name, value), known) in fields.attributes.iter_mut().zip(known) {
            if (*entry, name.as_str(), "") == (known.0, known.1.as_str(), known.2.as_str()) {
                value.clear();
            }
        }
    }
    found
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &BTreeMap<Who, T>,
    expected: &BTreeMap<Who, T>,
) -> Result<()> {
    match difference(found, expected) {
        None => Ok(()),
        Some(how) => anyhow::bail!("{what}: {how}"),
    }
}

/// The run has all that this test is about.
fn has_what_journeys_have(all: &All) -> Result<()> {
    let count = |holds: &dyn Fn(&fields::Fields) -> bool| all.values().filter(|one| holds(one)).count();
    let parts = [
        ("branches", all.keys().filter(|(_, branch)| branch != "0").count()),
        ("roots", all.keys().filter(|(_, branch)| branch == "0").count()),
        ("shared entries", count(&|one| one.shared > 0)),
        ("batches", count(&|one| one.batches.iter().any(|(.., size)| size.is_some()))),
        ("bigger batches", count(&|one| one.batches.len() > 1)),
        ("texts", count(&|one| one.attributes.iter().any(|(_, name, _)| name == "table"))),
        ("numbers", count(&|one| one.attributes.iter().any(|(_, name, _)| name == "uid"))),
        ("record times", count(&|one| !one.record_times.is_empty())),
        ("written", count(&|one| one.outcome == "written")),
        ("others", count(&|one| one.outcome != "written")),
    ];
    let lacking: Vec<_> = parts.iter().filter(|(_, count)| *count < 5).collect();
    ensure!(lacking.is_empty(), "{lacking:?} of {}", all.len());
    Ok(())
}

/// What a line of the stain-trace format has: outcome, sink task, table, start and end, and code, task and time of each entry.
type Line = (String, i64, Option<String>, (i64, i64), Vec<(String, i64, i64)>);

fn expected_otlp_lines(all: &All) -> BTreeMap<Who, Line> {
    let of = |fields: &fields::Fields| {
        let (outcome, task, table, ..) = events::brief(fields);
        let entry = |entry: &fields::Entry| (entry.code.clone(), entry.task_id, entry.unix_ns);
        let end = fields.entries.last().map_or(fields.end_ns, |entry| entry.unix_ns);
        (outcome, task, table, (fields.start_ns, end), fields.entries.iter().map(entry).collect())
    };
    all.iter().map(|(who, fields)| (who.clone(), of(fields))).collect()
}

fn of_otlp_lines(lines: &str, journeys: &BTreeMap<u64, Who>) -> Result<BTreeMap<Who, Line>> {
    let mut all = BTreeMap::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line)?;
        let span = &line["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        let attribute = |of: &Value, key: &str, kind: &str| -> Result<Option<Value>> {
            let found = list(&of["attributes"])?.iter().find(|pair| pair["key"] == key);
            Ok(found.map(|pair| pair["value"][kind].clone()))
        };
        let number = |of: &Value, key: &str| -> Result<i64> {
            int(&attribute(of, key, "intValue")?.with_context(|| format!("no {key}: {of}"))?)
        };
        let event = |event: &Value| -> Result<_> {
            let task = number(event, "seatunnel.task_id")?;
            Ok((text(&event["name"])?.to_owned(), task, int(&event["timeUnixNano"])?))
        };
        let outcome = attribute(span, "stain.outcome", "stringValue")?.context("no outcome")?;
        let table = attribute(span, "seatunnel.table_id", "stringValue")?;
        let id = u64::from_str_radix(text(&span["traceId"])?, 16)?;
        let who = journeys.get(&id).with_context(|| format!("no journey {id}"))?;
        let found = (
            text(&outcome)?.to_owned(),
            number(span, "seatunnel.sink_task_id")?,
            table.map(|table| text(&table).map(str::to_owned)).transpose()?,
            (int(&span["startTimeUnixNano"])?, int(&span["endTimeUnixNano"])?),
            list(&span["events"])?.iter().map(event).collect::<Result<Vec<_>>>()?,
        );
        all.insert(who.clone(), found);
    }
    Ok(all)
}

/// Every kind of value at the source, and some on the way: on branches, in batches, at the end.
fn flow() -> Flow {
    Flow::new(Kind::Batch, Flavour::C, 10, "--records 2000 --sources 2 --workers 2 --queue 64")
        .read(codes::S0, &[Read::Table(64), Read::Exact, Read::Status, Read::Word, Read::Uid, Read::TimeMs])
        .read(codes::FORK, &[Read::Status, Read::Uid])
        .read(codes::BATCH_ADD, &[Read::Word, Read::TimeNs])
}

#[test]
fn every_field_of_every_journey_arrives_everywhere() -> Result<()> {
    let test = "export_fields::every_field_of_every_journey_arrives_everywhere";
    if !gate(test).program("babeltrace2", "/usr/bin/babeltrace2").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let flow = flow();
    let arguments = flow.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut pipeline = Pipeline::start_binary(flow.binary()?, &arguments, folder.path())?;
    let receivers = Receivers::start(folder.path())?;
    let urls = receivers.urls();
    let exports: Vec<&str> = urls.iter().flat_map(|url| ["--export", url]).collect();
    let agent = Agent::attach(pipeline.pid(), &flow.toml(), &exports, folder.path(), "agent")?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    let attached = agent.stop(LONG)?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    let all = attached.report.traces.len();
    let sent = format!("{all} received = {all} sent");
    let stderr = &attached.ended.stderr;
    ensure!(stderr.lines().filter(|line| line.ends_with(&sent)).count() == urls.len(), "{stderr}");
    receivers.have(&std::fs::read_to_string(folder.path().join("agent.jsonl"))?)
}
