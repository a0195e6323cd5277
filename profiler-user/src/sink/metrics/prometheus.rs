//! The text that Prometheus scrapes (exposition format 0.0.4).

use std::fmt::{self, Write};

use profiler_common::StageCode;

use super::{Histogram, HopMetric, Metrics};
use crate::sink::counts::Counts;
use crate::sink::counts::DropReason;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The whole text. `exports` are the accounts of the exporters, by their names.
#[must_use]
pub fn text(metrics: &Metrics, exports: &[(String, Counts)]) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write_all(&mut out, metrics, exports);
    out
}

fn write_all(out: &mut String, metrics: &Metrics, exports: &[(String, Counts)]) -> fmt::Result {
    let mut last = "";
    for number in metrics.numbers() {
        let (suffix, kind) = if number.is_counter { ("_total", "counter") } else { ("", "gauge") };
        if number.name != last {
            head(out, &format!("stain_{}{suffix}", number.name), number.help, kind)?;
            last = number.name;
        }
        let label: Vec<_> = number.label.iter().map(|(name, value)| (*name, value.as_str())).collect();
        writeln!(out, "stain_{}{suffix}{} {}", number.name, Labels(&label), number.value)?;
    }
    hops(out, metrics)?;
    kip_864(out, metrics)?;
    self::exports(out, exports)
}

/// What a family's lines begin with.
pub(crate) fn head(out: &mut String, name: &str, help: &str, kind: &str) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn hops(out: &mut String, metrics: &Metrics) -> fmt::Result {
    head(out, "stain_hop_seconds", "Time between two stages that follow each other.", "histogram")?;
    for hop in metrics.hops() {
        let (from, to) = (metrics.stage_name(hop.from), metrics.stage_name(hop.to));
        let labels = [("from", from.as_str()), ("to", to.as_str()), ("cause", hop.cause.name())];
        histogram(out, "stain_hop_seconds", &labels, &hop.latency)?;
    }
    let help = "Time from the source to the end of the write.";
    head(out, "stain_e2e_seconds", help, "histogram")?;
    histogram(out, "stain_e2e_seconds", &[], metrics.e2e())
}

fn histogram(out: &mut String, name: &str, labels: &[(&str, &str)], series: &Histogram) -> fmt::Result {
    let with = |le: &str| {
        let labels: Vec<_> = labels.iter().copied().chain([("le", le)]).collect();
        Labels(&labels).to_string()
    };
    for (bound_ns, count) in series.cumulative() {
        writeln!(out, "{name}_bucket{} {count}", with(&(bound_ns as f64 / 1e9).to_string()))?;
    }
    writeln!(out, "{name}_bucket{} {}", with("+Inf"), series.count)?;
    writeln!(out, "{name}_sum{} {}", Labels(labels), series.sum_ns as f64 / 1e9)?;
    writeln!(out, "{name}_count{} {}", Labels(labels), series.count)
}

/// The names that KIP-864 gives to what Kafka Connect measures of its own records, in milliseconds.
fn kip_864(out: &mut String, metrics: &Metrics) -> fmt::Result {
    let record = metrics.record();
    if record.count > 0 {
        let mean = record.sum_ns as f64 / record.count as f64 / 1e6;
        for (name, help, value) in [
            (
                "sink_record_latency_avg_ms",
                "Mean of wall clock at the sink less the record's own time.",
                mean,
            ),
            ("sink_record_latency_max_ms", "The greatest of the same.", record.max_ns as f64 / 1e6),
        ] {
            head(out, name, help, "gauge")?;
            writeln!(out, "{name} {value}")?;
        }
    }
    for (kind, help, converts) in [
        ("transform_chain_sink_record_time", "Time of a transform on a record", false),
        ("convert_sink_record_time", "Time of the conversion of a record", true),
    ] {
        for (suffix, which) in [("avg", "mean"), ("max", "greatest")] {
            let name = format!("{kind}_{suffix}_ms");
            let mut hops = metrics
                .hops()
                .filter(|hop| is_transform(hop) && converts == is_convert(metrics, hop))
                .peekable();
            if hops.peek().is_some() {
                head(out, &name, &format!("{help}, {which}."), "gauge")?;
            }
            for hop in hops {
                let value = if suffix == "avg" { hop.latency.mean_ns() } else { hop.latency.max_ns as f64 };
                let (stage, to) = (metrics.stage_name(hop.from), metrics.stage_name(hop.to));
                let labels = [("stage", stage.as_str()), ("to", to.as_str())];
                writeln!(out, "{name}{} {}", Labels(&labels), value / 1e6)?;
            }
        }
    }
    Ok(())
}

fn is_transform(hop: &HopMetric) -> bool {
    (hop.from.0, hop.to.0) == (StageCode::TRANSFORM_IN, StageCode::TRANSFORM_OUT)
}

/// By the name that the user gave the stage.
fn is_convert(metrics: &Metrics, hop: &HopMetric) -> bool {
    metrics.stage_name(hop.from).to_ascii_lowercase().contains("convert")
}

fn exports(out: &mut String, exports: &[(String, Counts)]) -> fmt::Result {
    if exports.is_empty() {
        return Ok(());
    }
    type Get = fn(&Counts) -> u64;
    let simple: [(&str, &str, &str, Get); 6] = [
        ("stain_export_received_total", "Traces given to an exporter.", "counter", |c| c.received),
        (
            "stain_export_recovered_total",
            "Traces that an earlier session left in the spool.",
            "counter",
            |c| c.recovered,
        ),
        ("stain_export_sent_total", "Traces that the destination has taken.", "counter", |c| c.sent),
        ("stain_export_spooled", "Traces in the spool, to be sent.", "gauge", |c| c.spooled),
        ("stain_export_pending", "Traces in memory, to be sent.", "gauge", |c| c.pending),
        (
            "stain_export_points_refused_total",
            "Data points of metrics that the destination refused.",
            "counter",
            |c| c.points_refused,
        ),
    ];
    for (name, help, kind, get) in simple {
        head(out, name, help, kind)?;
        for (sink, counts) in exports {
            writeln!(out, "{name}{} {}", Labels(&[("sink", sink)]), get(counts))?;
        }
    }
    let name = "stain_export_dropped_total";
    head(out, name, "Traces that an exporter gave up.", "counter")?;
    for (sink, counts) in exports {
        for reason in DropReason::ALL {
            let labels = [("sink", sink.as_str()), ("reason", reason.name())];
            writeln!(out, "{name}{} {}", Labels(&labels), counts.dropped(reason))?;
        }
    }
    Ok(())
}

/// Labels in braces; nothing where there are none.
pub(crate) struct Labels<'a>(pub(crate) &'a [(&'a str, &'a str)]);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}=\"{}\"", if index == 0 { '{' } else { ',' }, Escaped(value))?;
        }
        if self.0.is_empty() { Ok(()) } else { f.write_char('}') }
    }
}

/// A label's value.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c if c.is_control() => f.write_char('?'),
            c => f.write_char(c),
        })
    }
}
