//! Carbon's plain text: a line a number, `path value seconds`.

use std::fmt::Write as _;

use super::{Histogram, Metrics};

/// All numbers at a moment, seconds since the Unix epoch. Names are paths under `prefix`.
#[must_use]
pub fn lines(metrics: &Metrics, prefix: &str, at_s: u64) -> String {
    let mut out = String::new();
    let base = format!("{prefix}.{}", node(metrics.target()));
    let mut line = |path: &str, value: f64| {
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{base}.{path} {value} {at_s}");
    };
    for number in metrics.numbers() {
        match &number.label {
            Some((_, value)) => line(&format!("{}.{}", number.name, node(value)), number.value),
            None => line(number.name, number.value),
        }
    }
    for hop in metrics.hops() {
        let (from, to) = (node(&metrics.stage_name(hop.from)), node(&metrics.stage_name(hop.to)));
        latency(&mut line, &format!("hop.{from}.{to}"), &hop.latency);
    }
    latency(&mut line, "e2e", metrics.e2e());
    let record = metrics.record();
    if record.count > 0 {
        line("sink-record-latency-avg-ms", record.sum_ns as f64 / record.count as f64 / 1e6);
        line("sink-record-latency-max-ms", record.max_ns as f64 / 1e6);
    }
    out
}

fn latency(line: &mut impl FnMut(&str, f64), path: &str, series: &Histogram) {
    line(&format!("{path}.count"), series.count as f64);
    if series.count > 0 {
        line(&format!("{path}.mean_ms"), series.mean_ns() / 1e6);
        line(&format!("{path}.max_ms"), series.max_ns as f64 / 1e6);
        for (name, percent) in [("p50_ms", 50), ("p95_ms", 95), ("p99_ms", 99)] {
            line(&format!("{path}.{name}"), series.percentile_ns(percent) / 1e6);
        }
    }
}

/// A part of a path: nothing that Carbon or a shell reads as more than a name.
fn node(text: &str) -> String {
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}
