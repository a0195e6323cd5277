//! One busy session in each text.

use std::sync::Arc;

use super::{Metrics, graphite, prometheus};
use crate::feed::{Clock, FeedEvent, SessionInfo, Tick};
use crate::ledger::Ledger;
use crate::sink::counts::Counts;
use crate::sink::counts::DropReason;
use crate::sink::testing::info;
use crate::trace::testing::trace;
use crate::trace::{RecordTime, Trace};
use profiler_common::Outcome;

fn metrics() -> Metrics {
    let mut metrics = Metrics::default();
    let began = Clock { mono_ns: 0, wall_ns: 1_700_000_000_000_000_000 };
    metrics.add(&FeedEvent::Started(Arc::new(SessionInfo { began, ..info() })));
    for ns in [1_000, 2_000, 400_000] {
        let mut trace =
            trace(&format!("S0@0 Q+@10 Q-@20 T+@30 T-@{} W!@{}", ns + 30, ns + 40), Outcome::Written);
        trace.record_times = vec![RecordTime { stamp: 5, event_ns: 0, latency_ns: ns as i64 * 1000 }];
        metrics.add(&FeedEvent::Trace(Arc::new(trace)));
    }
    let (kernel, agent) = crate::ledger::tests::session();
    let tick =
        Tick { wall_ns: 1_700_000_009_000_000_000, ledger: Ledger::new(&kernel, &agent), ..Tick::default() };
    metrics.add(&FeedEvent::Tick(Arc::new(tick)));
    metrics
}

/// The value of a line that begins so.
fn value(text: &str, beginning: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(beginning));
    line.unwrap_or_else(|| panic!("no {beginning} in\n{text}"))
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn prometheus_gets_the_accounts_and_the_latencies() {
    let mut counts = Counts { received: 5, sent: 3, ..Counts::default() };
    counts.drop_traces(DropReason::Rejected, 2);
    let text = prometheus::text(&metrics(), &[("http://h/in\"gest".to_owned(), counts)]);
    for (beginning, expected) in [
        ("stain_admitted_total ", 1006.0),
        ("stain_refused_total{reason=\"budget\"} ", 200.0),
        ("stain_traces_total{outcome=\"written\"} ", 898.0),
        ("stain_traces_total{outcome=\"error_routed\"} ", 6.0),
        ("stain_corrupt_total ", 1.0),
        ("stain_in_flight ", 16.0),
        ("stain_hop_seconds_bucket{from=\"parse\",to=\"parsed\",cause=\"transform\",le=\"0.000001\"} ", 1.0),
        ("stain_hop_seconds_bucket{from=\"parse\",to=\"parsed\",cause=\"transform\",le=\"0.0005\"} ", 3.0),
        ("stain_hop_seconds_bucket{from=\"parse\",to=\"parsed\",cause=\"transform\",le=\"+Inf\"} ", 3.0),
        ("stain_hop_seconds_sum{from=\"parse\",to=\"parsed\",cause=\"transform\"} ", 0.000_403),
        ("stain_e2e_seconds_count ", 3.0),
        ("sink_record_latency_max_ms ", 400.0),
        ("sink_record_latency_avg_ms ", 403.0 / 3.0),
        ("transform_chain_sink_record_time_max_ms{stage=\"parse\",to=\"parsed\"} ", 0.4),
        ("stain_export_sent_total{sink=\"http://h/in\\\"gest\"} ", 3.0),
        ("stain_export_dropped_total{sink=\"http://h/in\\\"gest\",reason=\"rejected\"} ", 2.0),
    ] {
        let found = value(&text, beginning);
        assert!((found - expected).abs() < 1e-9, "{beginning}: {found}");
    }
    // Each name has its type once, before its series.
    let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let unique: std::collections::BTreeSet<_> = types.iter().collect();
    assert_eq!(types.len(), unique.len());
}

#[test]
fn graphite_gets_paths() {
    let text = graphite::lines(&metrics(), "prod.stain", 1_700_000_009);
    assert!(text.lines().all(|line| line.ends_with(" 1700000009") && line.split(' ').count() == 3), "{text}");
    for (beginning, expected) in [
        ("prod.stain.pipeline.admitted ", 1006.0),
        ("prod.stain.pipeline.refused.budget ", 200.0),
        ("prod.stain.pipeline.hop.parse.parsed.max_ms ", 0.4),
        ("prod.stain.pipeline.hop.parse.parsed.p99_ms ", 0.4),
        ("prod.stain.pipeline.e2e.count ", 3.0),
        ("prod.stain.pipeline.sink-record-latency-max-ms ", 400.0),
    ] {
        assert!((value(&text, beginning) - expected).abs() < 1e-9, "{beginning}");
    }
    let p50 = value(&text, "prod.stain.pipeline.hop.parse.parsed.p50_ms ");
    assert!((0.002..0.002 * 1.045).contains(&p50), "{p50}");
}

#[test]
fn kinds_of_hops_are_bounded_and_equal_names_are_told_apart() {
    let mut metrics = metrics();
    for stage in 0..super::MAX_HOPS + 7 {
        let mut one: Trace = trace("S0@0 W!@9", Outcome::Written);
        one.stamps[1].stage = 10 + stage;
        metrics.add(&FeedEvent::Trace(Arc::new(one)));
    }
    assert_eq!((metrics.hops().count(), metrics.hops_overflowed()), (super::MAX_HOPS, 12));
    let mut same = info();
    same.stages[1].name = "emit".to_owned();
    let mut metrics = Metrics::default();
    metrics.add(&FeedEvent::Started(Arc::new(same)));
    let code = profiler_common::StageCode::SOURCE;
    assert_eq!(
        (metrics.stage_name((code, 0)), metrics.stage_name((code, 1))),
        ("emit#0".to_owned(), "emit#1".to_owned())
    );
    assert_eq!(metrics.stage_name((code, 99)), "S0#99");
}
