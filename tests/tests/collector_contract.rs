//! The contract of stain-trace collectors, on the program as it runs: its vectors, and each fault that Apache SeaTunnel's collector has and this one must not.
//!
//! | fault upstream | here |
//! |---|---|
//! | ClickHouse rows are not deduplicated | `collector_stores::on_a_real_clickhouse`, `on_a_real_chdb`: the suite's writes that come again, and two writers at a time |
//! | the job is not in the key | [`the_job_is_a_part_of_the_key`] |
//! | an unknown trace answers 200 with nulls | [`what_is_not_there_is_404`] |
//! | a body that is too large is 400, broken JSON 500 | [`bad_bodies_have_their_status`] |
//! | the label `event_type` takes any input | [`no_input_becomes_a_label`] |
//! | CORS reflects any origin, with credentials | [`no_origin_is_let_in_that_is_not_listed`] |
//! | a database connection for each call | `collector_stores`: `few_connections`, on each server |
//! | nothing is ever removed | [`what_is_old_is_removed`]; in each store: the suite's retention |
//! | no percentiles | [`percentiles_are_asked_for_and_lists_tell_their_total`]; of live pipelines: `collector_query`, `collector_nginx` |
//! | `count` of a list is the page's size, and no total is told | the same |
//! | task names are fetched inside ingest | [`ingest_asks_no_engine_anything`] |
//! | loss is silent | [`what_is_lost_is_told`] |

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stain_tests::collector::Collector;
use stain_tests::fields::{int, list, text};
use stain_tests::run::SHORT;
use tempfile::TempDir;

const VECTORS: &str = include_str!("../data/stain-trace-vectors.json");

fn vectors(name: &str) -> Result<Vec<Value>> {
    let mut vectors: Value = serde_json::from_str(VECTORS)?;
    serde_json::from_value(vectors[name].take()).context("no vectors")
}

fn bytes(vector: &Value) -> Result<Vec<u8>> {
    let hex = text(&vector["hex"])?;
    let byte = |at: usize| Ok(u8::from_str_radix(hex.get(at..at + 2).context("half a byte")?, 16)?);
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// The vector with six stages.
fn six_stages() -> Result<Vec<u8>> {
    let all = vectors("payloads")?;
    bytes(all.iter().find(|vector| vector["name"] == "six stages").context("no such vector")?)
}

fn event(job: &str, id: &Value, payload: &Value) -> Value {
    json!({"createdTime": 1_700_000_000_010i64, "jobId": job, "eventType": "STAIN_TRACE", "traceId": id, "payload": payload,
        "sinkTaskId": 99, "tableId": "db.tbl"})
}

/// An event around a payload, with the id that the payload has.
fn around(job: &str, payload: &[u8]) -> Result<Value> {
    let id = payload.get(6..14).and_then(|id| id.try_into().ok()).map(i64::from_be_bytes);
    Ok(event(job, &json!(id.context("no id")?), &json!(STANDARD.encode(payload))))
}

struct Running {
    folder: TempDir,
    collector: Collector,
}

fn start(arguments: &[&str]) -> Result<Running> {
    let folder = TempDir::new()?;
    Ok(Running { collector: Collector::start(folder.path(), arguments)?, folder })
}

/// Base64, numbers without a sign, and numbers as Java's bytes are.
fn forms(payload: &[u8]) -> [Value; 3] {
    let signed: Vec<i8> = payload.iter().map(|byte| byte.cast_signed()).collect();
    [json!(STANDARD.encode(payload)), json!(payload), json!(signed)]
}

#[test]
fn every_vector_is_served_as_it_was_sent_in_each_of_its_forms() -> Result<()> {
    let Running { collector, .. } = start(&[])?;
    for (number, vector) in vectors("payloads")?.iter().enumerate() {
        let payload = bytes(vector)?;
        let id = text(&vector["traceId"])?;
        for (form, payload) in forms(&payload).into_iter().enumerate() {
            let job = format!("{}", 100 * number + form);
            // The id as a number and as its digits, by both paths: the second time it is a repeat.
            collector.take(&json!([event(&job, &json!(id), &payload)]))?;
            let body = json!([event(&job, &json!(id.parse::<u64>()?), &payload)]).to_string();
            let answer = collector.ask("POST /api/v1/seatunnel/events", body.as_bytes())?;
            ensure!(answer.ends_with("{\"received\":1}"), "{answer}");
            let detail = collector.json(&format!("/api/v1/traces/{id}?jobId={job}&sinkTaskId=99"))?;
            let trace = &detail["trace"];
            ensure!(trace["traceId"] == id && trace["startTsMs"] == vector["startMs"], "{vector}: {detail}");
            ensure!(
                trace["tableId"] == "db.tbl" && trace["createdTimeMs"] == 1_700_000_000_010i64,
                "{detail}"
            );
            let entry = |entry: &Value| Ok(json!([entry["code"], int(&entry["taskId"])?, entry["tsMs"]]));
            let entries: Vec<Value> = list(&detail["entries"])?.iter().map(entry).collect::<Result<_>>()?;
            ensure!(json!(entries) == vector["entries"], "{vector}: {detail}");
            ensure!(collector.json(&format!("/traces?jobId={job}"))?["total"] == 1, "{vector}");
        }
    }
    Ok(())
}

#[test]
fn every_invalid_vector_is_kept_counted_and_harms_no_other() -> Result<()> {
    let Running { collector, .. } = start(&[])?;
    let invalid = vectors("invalid")?;
    for (number, vector) in invalid.iter().enumerate() {
        let bad = event("1", &json!(123), &json!(STANDARD.encode(bytes(vector)?)));
        let job = (number + 10).to_string();
        collector.take(&json!([bad, around(&job, &six_stages()?)?]))?;
        ensure!(collector.json(&format!("/api/v1/traces?jobId={job}"))?["total"] == 1, "{vector}");
    }
    ensure!(collector.json("/api/v1/traces?jobId=1")?["total"] == 0);
    let counted = collector.counter("st_trace_collector_invalid_events_total{reason=\"payload\"}")?;
    ensure!(counted == invalid.len() as u64, "{counted}");
    Ok(())
}

/// JavaScript would lose the last digits of most of these.
#[test]
fn ids_keep_all_their_digits() -> Result<()> {
    let Running { collector, .. } = start(&[])?;
    for (number, vector) in vectors("traceIds")?.iter().enumerate() {
        let (id, job) = (text(&vector["id"])?, (number + 1).to_string());
        let mut payload = six_stages()?;
        payload.get_mut(6..14).context("no id")?.copy_from_slice(&id.parse::<u64>()?.to_be_bytes());
        collector.take(&json!([around(&job, &payload)?]))?;
        let list = collector.json(&format!("/api/v1/traces?jobId={job}"))?;
        ensure!(list["items"][0]["traceId"] == id, "{list}");
        ensure!(collector.json(&format!("/api/v1/traces/{id}?jobId={job}"))?["trace"]["traceId"] == id);
    }
    Ok(())
}

#[test]
fn the_job_is_a_part_of_the_key() -> Result<()> {
    let Running { collector, .. } = start(&[])?;
    let payload = six_stages()?;
    collector.take(&json!([around("1", &payload)?, around("2", &payload)?, around("1", &payload)?]))?;
    for (path, total) in [("/api/v1/traces", 2), ("/api/v1/traces?jobId=1", 1), ("/api/v1/traces?jobId=2", 1)]
    {
        ensure!(collector.json(path)?["total"] == total, "{path}");
    }
    Ok(())
}

#[test]
fn what_is_not_there_is_404() -> Result<()> {
    let Running { collector, .. } = start(&[])?;
    collector.take(&json!([around("1", &six_stages()?)?]))?;
    let id = "3078081308926798968";
    for path in [
        "/api/v1/traces/7".to_owned(),
        format!("/api/v1/traces/{id}?jobId=2"),
        format!("/api/v1/traces/{id}?sinkTaskId=98"),
        format!("/api/v1/traces/{id}?branch=1"),
        "/api/v1".to_owned(),
    ] {
        let (status, body) = collector.get(&path)?;
        ensure!(status == 404 && body.starts_with("{\"error\":\""), "{path}: {status} {body}");
    }
    Ok(())
}

#[test]
fn bad_bodies_have_their_status() -> Result<()> {
    let Running { collector, .. } =
        start(&["--max-body", "100KiB", "--max-plain", "200KiB", "--max-events", "100"])?;
    let large = vec![b' '; 101 << 10];
    let many = format!("[{}]", vec!["{}"; 101].join(","));
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    for (body, status) in [
        (&large[..], 413),
        (many.as_bytes(), 413),
        (b"{", 400),
        (b"[{]", 400),
        (b"{}", 400),
        (b"", 400),
        (b"[\"\xff\"]", 400),
        (deep.as_bytes(), 400),
    ] {
        let answer = collector.ask("POST /ingest", body)?;
        ensure!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains("{\"error\":\""),
            "{answer}"
        );
    }
    collector.take(&json!([around("1", &six_stages()?)?]))
}

#[test]
fn no_input_becomes_a_label() -> Result<()> {
    let Running { collector, .. } = start(&[])?;
    let series = |collector: &Collector| Ok::<_, anyhow::Error>(collector.get("/metrics")?.1.lines().count());
    let odd = |round: usize| -> Vec<Value> {
        (0..200)
            .map(|number| json!({"eventType": format!("TYPE_{round}_{number}\"}} x"), "jobId": "1"}))
            .collect()
    };
    let ask = |round: usize| -> Result<()> {
        collector.take(&json!(odd(round)))?;
        for number in 0..20 {
            collector.get(&format!("/no/{round}/{number}"))?;
            collector.get(&format!("/api/v1/traces/{round}{number}"))?;
            collector.ask(&format!("M{round}X{number} /ingest"), b"")?;
        }
        Ok(())
    };
    ask(0)?;
    // Asking for metrics makes series of its own.
    series(&collector)?;
    let before = series(&collector)?;
    ask(1)?;
    let after = series(&collector)?;
    ensure!(before == after, "{before} lines of metrics became {after}");
    ensure!(collector.counter("st_trace_collector_events_received_total{event_type=\"OTHER\"}")? == 400);
    Ok(())
}

#[test]
fn no_origin_is_let_in_that_is_not_listed() -> Result<()> {
    let listed = "https://ours.example";
    for (arguments, origin, is_let_in) in [
        (&[][..], "https://evil.example", false),
        (&["--cors", listed], "https://evil.example", false),
        (&["--cors", listed], "null", false),
        (&["--cors", listed], listed, true),
    ] {
        let Running { collector, .. } = start(arguments)?;
        for (head, more) in [
            ("GET /api/v1/traces", None),
            ("OPTIONS /ingest", Some(("access-control-request-method", "POST"))),
        ] {
            let headers: Vec<_> = [("origin", origin)].into_iter().chain(more).collect();
            let answer = collector.ask_with(head, &headers, b"")?.to_ascii_lowercase();
            let allowed = answer.contains(&format!("access-control-allow-origin: {origin}\r\n"));
            ensure!(allowed == is_let_in, "{arguments:?} {origin}: {answer}");
            ensure!(is_let_in || !answer.contains("access-control-allow"), "{answer}");
            ensure!(!answer.contains("access-control-allow-credentials"), "{answer}");
        }
    }
    Ok(())
}

#[test]
fn what_is_old_is_removed() -> Result<()> {
    let Running { collector, folder } = start(&["--retain-age", "none"])?;
    collector.take(&json!([around("1", &six_stages()?)?, {"eventType": "JOB_STATUS", "jobId": "1"}]))?;
    std::thread::sleep(Duration::from_millis(1100)); // until it is older than the next one keeps
    ensure!(collector.json("/api/v1/traces")?["total"] == 1);
    ensure!(collector.stop()?.status.success());
    let collector = Collector::start(folder.path(), &["--retain-age", "1s"])?;
    collector.until("/api/v1/traces", |(_, body)| body.contains("\"total\":0"))?;
    for table in ["st_trace", "st_trace_event_raw"] {
        let removed = format!("st_trace_collector_removed_total{{table=\"{table}\"}}");
        // A table after the other, and counted once all is done.
        let count = collector.until_counter(&removed, |count| count > 0)?;
        ensure!(count == 1, "{table}: {count}");
    }
    Ok(())
}

#[test]
fn percentiles_are_asked_for_and_lists_tell_their_total() -> Result<()> {
    let Running { collector, .. } = start(&[])?;
    // The vector's times lie in the past: W! is 15 ms behind T-, Q- 4 ms behind Q+, and the whole way 25 ms.
    let mut events = Vec::new();
    for id in 1..=100u64 {
        let mut payload = six_stages()?;
        payload.get_mut(6..14).context("no id")?.copy_from_slice(&id.to_be_bytes());
        events.push(around("1", &payload)?);
    }
    collector.take(&json!(events))?;
    let time = "fromMs=1700000000000&toMs=1700000100000";
    let stats = collector.json(&format!("/api/v1/stats?jobId=1&{time}"))?;
    let series = list(&stats["series"])?;
    ensure!(series.len() == 6, "{stats}");
    for (hop, ms) in [("end to end", 25), ("Q+ -> Q-", 4), ("T- -> W!", 15)] {
        let one =
            series.iter().find(|series| series["hop"] == hop).with_context(|| format!("{hop}: {stats}"))?;
        let total = &one["total"];
        ensure!(
            total["count"] == 100 && total["meanNs"] == ms * 1_000_000 && total["maxNs"] == ms * 1_000_000,
            "{one}"
        );
        for name in ["p50Ns", "p95Ns", "p99Ns"] {
            let apart = (total[name].as_f64().context("no number")? / (f64::from(ms) * 1e6) - 1.0).abs();
            ensure!(apart <= 0.01, "{name}: {one}");
        }
    }
    let page = collector.json("/api/v1/traces?jobId=1&limit=30")?;
    ensure!(page["count"] == 30 && page["total"] == 100 && list(&page["items"])?.len() == 30, "{page}");
    ensure!(collector.all_of("1")?.len() == 100);
    Ok(())
}

/// An engine that takes connections and says nothing: ingest does not even try.
#[test]
fn ingest_asks_no_engine_anything() -> Result<()> {
    let engine = TcpListener::bind("127.0.0.1:0")?;
    engine.set_nonblocking(true)?;
    let address = format!("http://{}", engine.local_addr()?);
    let Running { collector, .. } = start(&["--engine", &address])?;
    for job in 1..20 {
        collector.take(&json!([around(&job.to_string(), &six_stages()?)?]))?;
    }
    let asked = engine.accept();
    ensure!(asked.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{asked:?}");
    // A question does, and has its answer though the engine never gives one.
    let detail = collector.json("/api/v1/traces/3078081308926798968?jobId=1")?;
    ensure!(detail["entries"][0]["workerAddress"].is_null(), "{detail}");
    let deadline = Instant::now() + SHORT;
    while engine.accept().is_err() {
        ensure!(Instant::now() < deadline, "nobody asked the engine");
        std::thread::sleep(Duration::from_millis(10));
    }
    collector.take(&json!([around("20", &six_stages()?)?]))
}

/// Of a stream's packets one never came, and the agent says what it and its kernel program had to give up.
#[test]
fn what_is_lost_is_told() -> Result<()> {
    let Running { collector, .. } = start(&[])?;
    let packet = |number: u64, total: u64, last: bool| {
        json!({"createdTime": 1_700_000_000_500i64, "jobId": "1", "eventType": "STAIN_PACKET", "stream": "31", "packet": number, "count": 1,
            "firstNs": "1700000000000000000", "lastNs": "1700000000000000000", "completeNs": (1_700_000_000_000_000_000u64 + number).to_string(),
            "discardedKernel": 5, "discardedAgent": 3, "discardedPackets": 0, "discardedInPackets": 0, "discardedEarlier": 0, "total": total,
            "last": last, "host": "db1", "agent": 4242, "version": "0.1.0", "target": "x",
            "stages": [{"code": 1, "name": "in", "attributes": []}], "outcomes": []})
    };
    collector.take(&json!([around("1", &six_stages()?)?, packet(0, 1, false)]))?;
    collector.take(&json!([packet(2, 3, true)]))?;
    let agents = collector.json("/api/v1/agents?jobId=1")?;
    let stream = &agents["items"][0];
    ensure!(stream["isWhole"] == false && stream["missingPackets"] == 1, "{agents}");
    ensure!(stream["gaps"] == json!([[1, 1]]), "{agents}");
    ensure!(stream["discardedKernel"] == 5 && stream["discardedAgent"] == 3, "{agents}");
    ensure!(stream["completeUntilNs"] == "1700000000000000000", "{agents}");
    // It was in the spool after all.
    collector.take(&json!([packet(1, 2, false)]))?;
    let agents = collector.json("/api/v1/agents?jobId=1")?;
    ensure!(agents["items"][0]["missingPackets"] == 0, "{agents}");
    Ok(())
}
