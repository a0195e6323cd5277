//! The scrape as Prometheus's own parser reads it: each figure is what the ledger and the summary of the same session say.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stain_tests::fields::text;
use stain_tests::flow::{Flow, Kind, Read, codes};
use stain_tests::pipeline::Pipeline;
use stain_tests::receivers::{self, gate};
use stain_tests::report::Report;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::scraped::{self, free_port, metric};
use stain_tests::stain::Agent;
use stain_tests::targets::Flavour;
use tempfile::TempDir;

/// Labels of a sample.
type Labels = BTreeMap<String, String>;

/// Samples by name and labels, and the type of each family.
struct Scrape {
    samples: BTreeMap<(String, Labels), f64>,
    types: BTreeMap<String, String>,
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

impl Scrape {
    fn read(scraped: &str) -> Result<Self> {
        let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
        for sample in receivers::prometheus(scraped)? {
            let labels: Labels = serde_json::from_value(sample["labels"].clone())?;
            let (name, value) = (text(&sample["name"])?.to_owned(), text(&sample["value"])?.parse()?);
            ensure!(samples.insert((name, labels), value).is_none(), "twice: {sample}");
            ensure!(sample["help"].as_str().is_some_and(|help| !help.is_empty()), "no help: {sample}");
            types.insert(text(&sample["family"])?.to_owned(), text(&sample["type"])?.to_owned());
        }
        Ok(Self { samples, types })
    }

    fn get(&self, name: &str, pairs: &[(&str, &str)]) -> Result<f64> {
        let found = self.samples.get(&(name.to_owned(), labels(pairs)));
        found.copied().with_context(|| format!("no {name} {pairs:?}"))
    }

    fn is(&self, name: &str, pairs: &[(&str, &str)], expected: u64) -> Result<()> {
        let found = self.get(name, pairs)?;
        ensure!(found == expected as f64, "{name} {pairs:?}: {found}, not {expected}");
        Ok(())
    }

    /// Milliseconds that are these nanoseconds, but for what a mean was rounded by.
    fn is_ms(&self, name: &str, pairs: &[(&str, &str)], ns: &Value) -> Result<()> {
        let (found, ns) = (self.get(name, pairs)?, ns.as_f64().context("no time")?);
        ensure!((found * 1e6 - ns).abs() <= 1.0, "{name} {pairs:?}: {found} ms, not {ns} ns");
        Ok(())
    }

    /// A histogram that is this one of the summary.
    fn is_histogram(&self, name: &str, pairs: &[(&str, &str)], summary: &Value) -> Result<()> {
        let count = summary["count"].as_u64().context("no count")?;
        self.is(&format!("{name}_count"), pairs, count)?;
        let (bucket, own) = (format!("{name}_bucket"), labels(pairs));
        let bounds = self.samples.iter().filter(|((found, with), _)| {
            *found == bucket && own.iter().all(|(key, value)| with.get(key) == Some(value))
        });
        let mut bounds: Vec<(f64, f64)> =
            bounds.map(|((_, with), count)| Ok((with["le"].parse()?, *count))).collect::<Result<_>>()?;
        bounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        ensure!(bounds.is_sorted_by(|one, other| one.1 <= other.1), "{name}: {bounds:?}");
        ensure!(bounds.last() == Some(&(f64::INFINITY, count as f64)), "{name}: {bounds:?}");
        // Whatever took longer than a bound is not below it.
        let max = summary["max_ns"].as_f64().unwrap_or(0.0) / 1e9;
        let below = bounds.iter().find(|(bound, _)| *bound >= max).context("no bound")?;
        ensure!(below.1 == count as f64, "{name}: {max} s at most, but {bounds:?}");
        let sum_ns = self.get(&format!("{name}_sum"), pairs)? * 1e9;
        let mean_ns = summary["mean_ns"].as_f64().unwrap_or(0.0);
        let off = (sum_ns - mean_ns * count as f64).abs();
        ensure!(off <= count as f64 + 1e-6 * sum_ns, "{name}: {sum_ns} ns in all, {mean_ns} each of {count}");
        Ok(())
    }
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn check(scrape: &Scrape, report: &Report, sinks: &[&str]) -> Result<()> {
    let (ledger, summary) = (&report.ledger, &report.summary);
    for (name, expected) in [
        ("stain_records_total", ledger.records),
        ("stain_sampled_total", ledger.sampled),
        ("stain_admitted_total", ledger.admitted),
        ("stain_branched_total", ledger.branched),
        ("stain_corrupt_total", 0),
        ("stain_in_flight", ledger.in_flight),
    ] {
        scrape.is(name, &[], expected)?;
    }
    for (reason, expected) in [
        ("budget", ledger.refused_budget),
        ("full", ledger.refused_full),
        ("busy", ledger.refused_busy),
        ("paused", ledger.refused_paused),
    ] {
        scrape.is("stain_refused_total", &[("reason", reason)], expected)?;
    }
    let outcomes = ["written", "filtered", "superseded", "expired", "split", "target_exit", "thread_exit"];
    for outcome in outcomes.into_iter().chain(ledger.outcomes.keys().map(String::as_str)) {
        scrape.is("stain_traces_total", &[("outcome", outcome)], report.count(outcome))?;
    }
    for stage in each(&summary["stages"]) {
        let hits = stage["hits"].as_u64().context("no hits")?;
        scrape.is("stain_hits_total", &[("stage", text(&stage["name"])?)], hits)?;
    }
    let mut transforms = 0;
    for hop in each(&summary["hops"]) {
        let (from, to, cause) = (text(&hop["from_name"])?, text(&hop["to_name"])?, text(&hop["cause"])?);
        let pairs = [("from", from), ("to", to), ("cause", cause)];
        scrape.is_histogram("stain_hop_seconds", &pairs, hop).with_context(|| hop.to_string())?;
        if (&hop["from"], &hop["to"]) == (&Value::from("T+"), &Value::from("T-")) {
            transforms += 1;
            let pairs = [("stage", from), ("to", to)];
            let kind = "transform_chain_sink_record_time";
            scrape.is_ms(&format!("{kind}_avg_ms"), &pairs, &hop["mean_ns"])?;
            scrape.is_ms(&format!("{kind}_max_ms"), &pairs, &hop["max_ns"])?;
        }
    }
    ensure!(transforms > 0, "no transform");
    scrape.is_histogram("stain_e2e_seconds", &[], &summary["e2e"])?;
    let record = &summary["record_latency"]["sink"];
    scrape.is_ms("sink_record_latency_avg_ms", &[], &record["mean_ns"])?;
    scrape.is_ms("sink_record_latency_max_ms", &[], &record["max_ns"])?;
    for sink in sinks {
        let all = report.traces.len() as u64;
        for what in ["received_total", "sent_total"] {
            scrape.is(&format!("stain_export_{what}"), &[("sink", sink)], all)?;
        }
        let dropped = scrape.samples.iter().filter(|((name, with), _)| {
            name == "stain_export_dropped_total" && with.get("sink").is_some_and(|found| found == sink)
        });
        ensure!(dropped.map(|(_, count)| *count).sum::<f64>() == 0.0, "{sink} dropped some");
    }
    let kinds =
        [("stain_records", "counter"), ("stain_in_flight", "gauge"), ("stain_hop_seconds", "histogram")];
    for (family, kind) in kinds {
        ensure!(scrape.types.get(family).is_some_and(|found| found == kind), "{family} is no {kind}");
    }
    Ok(())
}

#[test]
fn the_scrape_is_what_the_ledger_says() -> Result<()> {
    if !gate("export_prometheus::the_scrape_is_what_the_ledger_says").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let flow = Flow::new(Kind::Split, Flavour::C, 10, "--records 6000 --sources 2 --workers 2 --queue 64")
        .read(codes::S0, &[Read::TimeNs]);
    let arguments = flow.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut pipeline = Pipeline::start_binary(flow.binary()?, &arguments, folder.path())?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let (file, own) =
        (format!("file:{}", folder.path().join("x").display()), format!("prometheus://{address}"));
    let exports = ["--export", &file, "--export", &own];
    let agent = Agent::attach(pipeline.pid(), &flow.toml(), &exports, folder.path(), "agent")?;
    pipeline.go()?;
    let emitted = pipeline.totals(LONG)?.emitted;
    let scraped = scraped::until(&address, |text| {
        let is = |name: &str| metric(text, name).unwrap_or(-1.0);
        let ended: f64 = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("stain_traces_total{")?.rsplit(' ').next()?.parse::<f64>().ok()
            })
            .sum();
        let sent = |sink: &str| is(&format!("stain_export_sent_total{{sink=\"{sink}\"}}"));
        is("stain_records_total") == emitted as f64
            && is("stain_in_flight") == 0.0
            && ended == is("stain_admitted_total") + is("stain_branched_total")
            && [sent(&file), sent(&own)] == [ended; 2]
    })?;
    let attached = agent.stop(LONG)?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    check(&Scrape::read(&scraped)?, &attached.report, &[&file, &own]).with_context(|| scraped.clone())
}
