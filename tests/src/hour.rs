//! An hour of two made-up pipelines, as their agents would tell a collector of it: for pictures and pages that no live test lasts long enough for.
//!
//! Owns: what happens in that hour. On three machines records wait longer and longer in a queue from its last third on, the disk of one machine is slow, one record in
//! forty is split in two, and one agent loses packets; other records cross from one machine to another whose clock is behind. Every run tells the same, but for when it was.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::collector::Collector;

/// The hour, ns: a little less, so that all of it is within the last hour of whoever asks.
const HOUR_NS: i64 = 3_480_000_000_000;

/// Records of the first pipeline.
pub const RECORDS: u64 = 3600;

/// Records of the second one, each of which has two parts.
pub const CROSSINGS: u64 = 240;

/// One record in so many is split in two.
pub const SPLIT: u64 = 40;

/// Journeys of one request.
const BATCH: usize = 400;

/// How far the clock of the machine behind is behind, ns.
const BEHIND_NS: i64 = 3_000_000;

/// The stages of the first pipeline, with the thread that takes each and its usual distance from the one before, µs.
const STAGES: [(&str, &str, i64, f64); 6] = [
    ("S0", "accept", 100, 0.0),
    ("Q+", "push", 100, 18.0),
    ("Q-", "pop", 200, 900.0),
    ("T+", "parse", 200, 12.0),
    ("T-", "parsed", 200, 240.0),
    ("W!", "write", 300, 600.0),
];

/// The same chance in every run.
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A time around this one, ns: now and then much longer.
    fn around_us(&mut self, us: f64) -> i64 {
        let bell: f64 = (0..6).map(|_| self.next()).sum::<f64>() - 3.0;
        (us * 1000.0 * (bell * 0.9).exp()) as i64
    }
}

/// One stamp: stage code, name, task, ns since the Unix epoch.
type Stamp = (&'static str, &'static str, i64, i64);

/// The spans of one journey, as `docs/export.md` has them. `began_ns` is when the record of a branch began.
fn spans(
    id: u64,
    (branch, outcome): (&str, &str),
    pid: i64,
    stamps: &[Stamp],
    began_ns: Option<i64>,
) -> Vec<Value> {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let number = |key: &str, value: i64| json!({"key": key, "value": {"intValue": value.to_string()}});
    let trace = format!("{id:032x}");
    let path = branch.split('.').fold(0u64, |path, level| path << 8 | level.parse().unwrap_or(0));
    let own = format!("{:016x}", id << 20 | path << 8);
    let [(code, name, task, start), .., (.., end)] = stamps else { return Vec::new() };
    let mut attributes = vec![
        text("stain.outcome", outcome),
        text("stain.branch", branch),
        text("stain.from", name),
        text("stain.from_code", code),
        number("stain.task_id", *task),
        number("thread.id", *task),
        number("process.pid", pid),
    ];
    if *code != "S0" && began_ns.is_none() {
        attributes.push(json!({"key": "stain.flags.partial", "value": {"boolValue": true}}));
    }
    attributes.extend(began_ns.map(|ns| number("stain.record_start_unix_nano", ns)));
    let time = |at: &i64| at.to_string();
    let mut all = vec![json!({
        "traceId": trace, "spanId": own, "name": "record", "attributes": attributes,
        "startTimeUnixNano": time(start), "endTimeUnixNano": time(end),
        "events": [{"timeUnixNano": time(start), "name": "table", "attributes": [
            text("stain.stage", name), text("value", ["orders", "clients", "payments"][(id % 3) as usize]),
        ]}],
    })];
    for (index, pair) in stamps.windows(2).enumerate() {
        let [(from_code, from, _, start), (to_code, to, task, end)] = pair else { continue };
        all.push(json!({
            "traceId": trace, "spanId": format!("{:016x}", id << 20 | path << 8 | (index as u64 + 1)),
            "parentSpanId": own, "name": format!("{from} -> {to}"),
            "startTimeUnixNano": time(start), "endTimeUnixNano": time(end),
            "attributes": [
                text("stain.from", from), text("stain.from_code", from_code), text("stain.to", to),
                text("stain.to_code", to_code), number("stain.task_id", *task), number("thread.id", *task),
            ],
        }));
    }
    all
}

/// What happens to record `number` of the first pipeline, which begins then, on its machine.
fn record(dice: &mut Dice, number: u64, start_ns: i64, share: f64) -> Vec<Value> {
    let host = (number % 3) as i64;
    let mut at = start_ns;
    let mut stamps: Vec<Stamp> = Vec::new();
    for (code, name, thread, us) in STAGES {
        let times = match code {
            "Q-" if share > 0.66 => 1.0 + (share - 0.66) * 30.0,
            "W!" if host == 2 => 3.5,
            _ => 1.0,
        };
        at += if us > 0.0 { dice.around_us(us * times) } else { 0 };
        let task = 4000 + 1000 * host + thread + (number / 3 % 4) as i64;
        stamps.push((code, name, task, at));
    }
    let pid = 4000 + 1000 * host;
    let id = number + 1;
    if !number.is_multiple_of(SPLIT) {
        return spans(id, ("0", "written"), pid, &stamps, None);
    }
    // Two are made of it where it is parsed.
    let mut all = spans(id, ("0", "split"), pid, &stamps[..4], None);
    for branch in ["1", "2"] {
        let (parsed, write) = (dice.around_us(240.0), dice.around_us(600.0));
        let mut own = stamps[3..].to_vec();
        own[1].3 = own[0].3 + parsed;
        own[2].3 = own[1].3 + write;
        all.extend(spans(id, (branch, "written"), pid, &own, Some(start_ns)));
    }
    all
}

/// A record that crosses from one machine to another, which has another clock: its parts.
fn crossing(dice: &mut Dice, id: u64, start_ns: i64) -> [Vec<Value>; 2] {
    let sent = start_ns + dice.around_us(40.0);
    let first = [("S0", "read", 7100, start_ns), ("Q+", "send", 7100, sent)];
    let received = sent + 400_000 + dice.around_us(700.0) - BEHIND_NS;
    let written = received + dice.around_us(900.0);
    let second = [("Q-", "receive", 8200, received), ("W!", "store", 8200, written)];
    [spans(id, ("0", "expired"), 7000, &first, None), spans(id, ("0", "written"), 8000, &second, None)]
}

fn send(collector: &Collector, job: &str, host: &str, spans: &[Value]) -> Result<()> {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let resource = json!({"attributes": [text("host.name", host), text("stain.job_id", job)]});
    let body = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]});
    post(collector, "/v1/traces", &body)
}

fn post(collector: &Collector, path: &str, body: &Value) -> Result<()> {
    let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\nx-rest:");
    let answer = collector.ask(&head, body.to_string().as_bytes())?;
    ensure!(answer.starts_with("HTTP/1.1 200") && !answer.contains("rejected"), "{path}: {answer}");
    Ok(())
}

/// What an agent's packets say: the last one has `lost`, and the numbers among `missing` do not come.
fn packets(collector: &Collector, number: u64, now_ns: i64, missing: &[u64], lost: &Value) -> Result<()> {
    let host = format!("web{}", number + 1);
    for packet in (0..12).filter(|packet| !missing.contains(packet)) {
        let complete_ns = now_ns - HOUR_NS / 12 * (11 - packet as i64);
        let mut event = json!({
            "eventType": "STAIN_PACKET", "jobId": "orders", "stream": (77 + number).to_string(), "packet": packet,
            "count": 100, "total": 100 * (packet + 1), "firstNs": (complete_ns - 1_000_000).to_string(),
            "lastNs": complete_ns.to_string(), "completeNs": complete_ns.to_string(), "last": false, "host": host,
            "agent": 5000 + number, "version": env!("CARGO_PKG_VERSION"), "target": "shop",
        });
        if let (11, Some(event), Some(lost)) = (packet, event.as_object_mut(), lost.as_object()) {
            event.extend(lost.clone());
        }
        post(collector, "/ingest", &json!([event]))?;
    }
    Ok(())
}

/// Tells a collector of the hour that ends now.
///
/// # Errors
///
/// When it does not take it.
pub fn fill(collector: &Collector) -> Result<()> {
    let now_ns = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_nanos())? - 5_000_000_000;
    let mut dice = Dice(7);
    let mut told: [Vec<Value>; 3] = Default::default();
    for number in 0..RECORDS {
        let share = number as f64 / RECORDS as f64;
        let start_ns = now_ns - HOUR_NS + (share * HOUR_NS as f64) as i64;
        let host = (number % 3) as usize;
        told[host].extend(record(&mut dice, number, start_ns, share));
        if told[host].len() > BATCH * STAGES.len() || number + 4 > RECORDS {
            send(collector, "orders", &format!("web{}", host + 1), &std::mem::take(&mut told[host]))?;
        }
    }
    let mut parts: [Vec<Value>; 2] = Default::default();
    for number in 0..CROSSINGS {
        let start_ns = now_ns - HOUR_NS + HOUR_NS / CROSSINGS as i64 * number as i64;
        let [first, second] = crossing(&mut dice, 100_000 + number, start_ns);
        parts[0].extend(first);
        parts[1].extend(second);
    }
    send(collector, "billing", "db1", &parts[0])?;
    send(collector, "billing", "db2", &parts[1])?;
    packets(collector, 0, now_ns, &[], &json!({"last": true}))?;
    packets(collector, 1, now_ns, &[], &json!({"discardedKernel": 12}))?;
    let given_up = json!({"discardedAgent": 130, "discardedPackets": 1, "discardedInPackets": 100});
    packets(collector, 2, now_ns, &[4, 8], &given_up)
}
