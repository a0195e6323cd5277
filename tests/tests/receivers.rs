//! OpenTelemetry by receivers of others: what they decode is what the agent's own JSON lines say.

use std::collections::BTreeMap;
use std::net::TcpListener;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stain_tests::child::Ended;
use stain_tests::receivers::{self, Otlp, gate};
use stain_tests::report::stamp_times;
use stain_tests::run::{SHORT, turn};
use tempfile::TempDir;

/// From the source to the end, ns, and each hop's, by trace.
type Spans = BTreeMap<u64, (u64, Vec<u64>)>;

/// A session, and what its own lines say.
fn session(folder: &TempDir, records: &str, exports: &[String]) -> Result<(Ended, Spans)> {
    let (ended, lines) = receivers::session(folder.path(), records, exports)?;
    Ok((ended, expected(&lines)?))
}

fn expected(lines: &str) -> Result<Spans> {
    let spans = |times: Vec<u64>| {
        let hops = times.windows(2).map(|two| two[1] - two[0]).collect();
        let whole = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
        (whole, hops)
    };
    Ok(stamp_times(lines)?.into_iter().map(|(id, times)| (id, spans(times))).collect())
}

fn number(value: &Value) -> Result<u64> {
    Ok(value.as_str().with_context(|| format!("no text: {value}"))?.parse()?)
}

/// The spans of all messages of a way, repeats dropped by their ids.
fn received(messages: &[Value], way: &str) -> Result<Spans> {
    let mut spans: BTreeMap<(String, String), Value> = BTreeMap::new();
    for message in messages.iter().filter(|m| m["kind"] == "traces" && m["way"] == way) {
        let scope = &message["message"]["resourceSpans"][0]["scopeSpans"][0];
        for span in scope["spans"].as_array().context("no spans")? {
            let text = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
            spans.insert((text("traceId"), text("spanId")), span.clone());
        }
    }
    let mut all: BTreeMap<u64, (u64, Vec<(u64, u64)>)> = BTreeMap::new();
    for ((trace, _), span) in &spans {
        let (start, end) = (number(&span["startTimeUnixNano"])?, number(&span["endTimeUnixNano"])?);
        let entry = all.entry(id(trace)?).or_default();
        match span["name"].as_str() {
            Some("record") => entry.0 = end - start,
            _ => entry.1.push((start, end - start)),
        }
    }
    let in_order = |(id, (whole, mut hops)): (u64, (u64, Vec<(u64, u64)>))| {
        hops.sort_by_key(|(start, _)| *start);
        (id, (whole, hops.into_iter().map(|(_, ns)| ns).collect()))
    };
    Ok(all.into_iter().map(in_order).collect())
}

/// Sixteen bytes in base64, as the JSON form of Python has them: the last eight are the id.
fn id(base64: &str) -> Result<u64> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0u128;
    let mut count = 0;
    for c in base64.trim_end_matches('=').chars() {
        bits = bits << 6 | alphabet.find(c).with_context(|| format!("{c} is no base64"))? as u128;
        count += 6;
    }
    Ok((bits >> (count - 128)) as u64)
}

/// Hops that start together sort by chance: compared as sets.
fn assert_same(found: &Spans, expected: &Spans, way: &str) -> Result<()> {
    ensure!(found.keys().eq(expected.keys()), "{way}: {} of {} traces", found.len(), expected.len());
    for (id, (whole, hops)) in expected {
        let (found_whole, found_hops) = &found[id];
        let (mut one, mut other) = (hops.clone(), found_hops.clone());
        one.sort_unstable();
        other.sort_unstable();
        ensure!((whole, &one) == (found_whole, &other), "{way}: {id}: {hops:?}, but {found_hops:?}");
    }
    Ok(())
}

#[test]
fn opentelemetrys_own_classes_read_spans_and_metrics() -> Result<()> {
    if !gate("opentelemetrys_own_classes_read_spans_and_metrics").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let otlp = Otlp::start(&["unavailable", "slow-down", "unavailable"])?;
    let spool = folder.path().join("spool");
    let spool = spool.display();
    let exports = [
        format!("otlp+grpc://127.0.0.1:{}?batch=100&flush=30s&spool={spool}&service=shop", otlp.grpc),
        format!("otlp+http://127.0.0.1:{}?flush=30s&spool={spool}", otlp.http),
    ];
    let (ended, expected) = session(&folder, "60000", &exports)?;
    let messages = otlp.finish()?;
    ensure!(expected.len() == 600, "{}", expected.len());
    let sent = ended.stderr.lines().filter(|line| line.ends_with("600 received = 600 sent")).count();
    ensure!(sent == 2, "{} messages; {}", messages.len(), ended.stderr);
    for way in ["grpc", "http"] {
        assert_same(&received(&messages, way)?, &expected, way)?;
    }
    let resource =
        messages.iter().find(|m| m["kind"] == "traces" && m["way"] == "grpc").context("no traces")?;
    let attributes = resource["message"]["resourceSpans"][0]["resource"]["attributes"].to_string();
    ensure!(attributes.contains("\"shop\""), "{attributes}");
    let last =
        messages.iter().rfind(|m| m["kind"] == "metrics" && m["way"] == "grpc").context("no metrics")?;
    let metrics = last["message"]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        .as_array()
        .context("no metrics")?;
    let named = |name: &str| {
        metrics.iter().find(|metric| metric["name"] == name).with_context(|| format!("no {name}"))
    };
    let admitted = &named("stain.admitted")?["sum"];
    ensure!(admitted["dataPoints"][0]["asDouble"] == 600.0 && admitted["isMonotonic"] == true, "{admitted}");
    let e2e = &named("stain.e2e.duration")?["exponentialHistogram"]["dataPoints"][0];
    let buckets = e2e["positive"]["bucketCounts"].as_array().context("no buckets")?;
    let counted: u64 = buckets.iter().map(number).sum::<Result<u64>>()?;
    ensure!(counted == number(&e2e["count"])? && counted > 0, "{e2e}");
    let slowest = e2e["exemplars"][0]["traceId"].as_str().context("no exemplar")?;
    ensure!(expected.contains_key(&id(slowest)?), "{slowest}");
    Ok(())
}

#[test]
fn a_batch_that_grpc_refuses_for_good_is_set_aside() -> Result<()> {
    if !gate("a_batch_that_grpc_refuses_for_good_is_set_aside").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let otlp = Otlp::start(&["invalid"])?;
    let url = format!(
        "otlp+grpc://127.0.0.1:{}?batch=100&linger=30s&flush=30s&spool={}",
        otlp.grpc,
        folder.path().display()
    );
    let (ended, expected) = session(&folder, "30000", &[url])?;
    let found = received(&otlp.finish()?, "grpc")?;
    ensure!(found.len() == 200 && found.keys().all(|id| expected.contains_key(id)), "{}", found.len());
    let stderr = &ended.stderr;
    ensure!(stderr.contains("300 received = 200 sent + 100 dropped (rejected)"), "{stderr}");
    ensure!(stderr.contains("gRPC status 3: no such thing"), "{stderr}");
    Ok(())
}

#[test]
fn rotel_takes_every_span() -> Result<()> {
    if !gate("rotel_takes_every_span").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let port = || -> Result<u16> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()) };
    let (grpc, http) = (port()?, port()?);
    let rotel = receivers::rotel(grpc, http, &folder.path().join("pid").display().to_string())?;
    receivers::until_listening(grpc)?;
    let spool = folder.path().join("spool");
    let options = format!("flush=30s&metrics=no&spool={}", spool.display());
    let exports = [
        format!("otlp+grpc://127.0.0.1:{grpc}?{options}"),
        format!("otlp+http://127.0.0.1:{http}?{options}"),
    ];
    let (ended, expected) = session(&folder, "20000", &exports)?;
    rotel.signal(rustix::process::Signal::TERM)?;
    let told = rotel.wait(SHORT)?;
    let told = format!("{}\n{}", told.stdout, told.stderr);
    for id in expected.keys() {
        let hex = format!("{id:032x}");
        let times = told.matches(&hex).count();
        let spans = expected[id].1.len() + 1;
        ensure!(times >= 2 * spans, "trace {hex}: {times} times, {spans} spans by two ways");
    }
    let sent = ended.stderr.lines().filter(|line| line.ends_with("200 received = 200 sent")).count();
    ensure!(sent == 2, "{}", ended.stderr);
    Ok(())
}

#[test]
fn tls_with_a_ca_and_a_certificate_of_our_own() -> Result<()> {
    if !gate("tls_with_a_ca_and_a_certificate_of_our_own").program("openssl", "/usr/bin/openssl").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    receivers::certificates(folder.path())?;
    let at = folder.path().display();
    let otlp = Otlp::start(&["--tls", &at.to_string()])?;
    let spool = format!("spool={at}/spool");
    let (ca, own) = (format!("ca={at}/ca.pem"), format!("cert={at}/client.pem&key={at}/client.key"));
    let exports = [
        format!("otlp+grpcs://localhost:{}?{ca}&{own}&{spool}&metrics=no", otlp.grpc),
        format!("otlp+https://127.0.0.1:{}?{ca}&{own}&{spool}&metrics=no", otlp.http),
        // Who does not show a certificate, or does not trust the server's, gets nothing through.
        format!("otlp+https://localhost:{}/a?{ca}&spool=none&flush=1s&metrics=no", otlp.http),
        format!("otlp+https://localhost:{}/b?{own}&spool=none&flush=1s&metrics=no", otlp.http),
    ];
    let (ended, expected) = session(&folder, "10000", &exports)?;
    let messages = otlp.finish()?;
    for way in ["grpc", "http"] {
        assert_same(&received(&messages, way)?, &expected, way)?;
    }
    let stderr = &ended.stderr;
    let count = |end: &str| stderr.lines().filter(|line| line.ends_with(end)).count();
    ensure!(count("100 received = 100 sent") == 2, "{stderr}");
    ensure!(count("100 received = 0 sent + 100 dropped (unsent)") == 2, "{stderr}");
    ensure!(stderr.contains("UnknownIssuer") || stderr.contains("invalid peer certificate"), "{stderr}");
    Ok(())
}
