//! What was counted, as OpenTelemetry metrics: cumulative sums, gauges, and latencies as exponential histograms with an exemplar.

use super::super::proto::Message;
use super::{Resource, put_resource, put_scope, put_text, trace_id};
use crate::sink::metrics::{Exemplar, Histogram, Metrics, Number};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

/// Start of the series and time of the snapshot, ns since the Unix epoch.
#[derive(Clone, Copy)]
struct Span {
    start: u64,
    now: u64,
}

/// Appends an `ExportMetricsServiceRequest`. False, and nothing is appended, while nothing is known yet.
pub fn put(metrics: &Metrics, resource: &Resource, out: &mut Vec<u8>) -> bool {
    let (Some(info), Some(tick)) = (metrics.info(), metrics.tick()) else { return false };
    let span = Span { start: info.began.wall_ns, now: tick.wall_ns };
    Message(out).nested(1, |all| {
        put_resource(all, resource);
        all.nested(2, |scope| {
            put_scope(scope);
            put_numbers(scope, &metrics.numbers(), span);
            put_histograms(scope, metrics, span);
        });
    });
    true
}

/// Numbers of one name lie behind each other.
fn put_numbers(scope: &mut Message<'_>, numbers: &[Number], span: Span) {
    for same in numbers.chunk_by(|one, other| one.name == other.name) {
        let Some(first) = same.first() else { continue };
        scope.nested(2, |metric| {
            metric.parts(1, &["stain.", first.name]);
            metric.string(2, first.help);
            let points = |data: &mut Message<'_>| {
                same.iter().for_each(|number| put_number(data, number, span));
            };
            if first.is_counter {
                metric.nested(7, |sum| {
                    points(sum);
                    sum.uint(2, CUMULATIVE);
                    sum.uint(3, 1);
                });
            } else {
                metric.nested(5, points);
            }
        });
    }
}

fn put_number(data: &mut Message<'_>, number: &Number, span: Span) {
    data.nested(1, |point| {
        point.fixed64(2, span.start);
        point.fixed64(3, span.now);
        point.double(4, number.value);
        if let Some((name, value)) = &number.label {
            put_text(point, 7, name, value);
        }
    });
}

fn put_histograms(scope: &mut Message<'_>, metrics: &Metrics, span: Span) {
    let head = |metric: &mut Message<'_>, name: &str, help: &str| {
        metric.string(1, name);
        metric.string(2, help);
        metric.string(3, "s");
    };
    scope.nested(2, |metric| {
        head(metric, "stain.hop.duration", "Time between two stages that follow each other.");
        metric.nested(10, |data| {
            for hop in metrics.hops() {
                put_histogram(data, &hop.latency, span, |point| {
                    put_text(point, 1, "stain.from", &metrics.stage_name(hop.from));
                    put_text(point, 1, "stain.to", &metrics.stage_name(hop.to));
                    put_text(point, 1, "stain.cause", hop.cause.name());
                });
            }
            data.uint(2, CUMULATIVE);
        });
    });
    scope.nested(2, |metric| {
        head(metric, "stain.e2e.duration", "Time from the source to the end of the write.");
        metric.nested(10, |data| {
            put_histogram(data, metrics.e2e(), span, |_| {});
            data.uint(2, CUMULATIVE);
        });
    });
}

fn put_histogram(
    data: &mut Message<'_>,
    series: &Histogram,
    span: Span,
    attributes: impl FnOnce(&mut Message<'_>),
) {
    let (scale, offset, buckets, zeros) = series.exponential.parts();
    data.nested(1, |point| {
        attributes(point);
        point.fixed64(2, span.start);
        point.fixed64(3, span.now);
        point.fixed64(4, series.count);
        point.double(5, series.sum_ns as f64 / 1e9);
        point.sint(6, scale);
        point.fixed64(7, zeros);
        point.nested(8, |positive| {
            positive.sint(1, offset);
            positive.nested(2, |counts| buckets.iter().for_each(|count| counts.packed(*count)));
        });
        if let Some(exemplar) = &series.exemplar {
            put_exemplar(point, exemplar);
        }
        if series.count > 0 {
            point.double(12, series.min_ns as f64 / 1e9);
            point.double(13, series.max_ns as f64 / 1e9);
        }
    });
}

fn put_exemplar(point: &mut Message<'_>, exemplar: &Exemplar) {
    point.nested(11, |out| {
        out.fixed64(2, exemplar.at_ns.cast_unsigned());
        out.double(3, exemplar.ns as f64 / 1e9);
        out.bytes(4, &exemplar.span_id);
        out.bytes(5, &trace_id(exemplar.trace_id));
    });
}
