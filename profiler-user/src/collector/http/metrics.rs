//! What the collector counts of itself, as `/metrics` shows it.
//!
//! Every label value comes from a list of this program: whatever is sent, the number of series is bounded.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::collector::kafka::{self, Progress};
use crate::sink::metrics::prometheus::{Labels, head};

/// Upper bounds of the buckets of requests' times, seconds.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Types of events that have a series of their own; types that begin with a word that ends in `_` share one.
const EVENT_TYPES: [&str; 7] =
    ["STAIN_TRACE", "STAIN_PACKET", "SCHEMA_CHANGE_", "LIFECYCLE_", "JOB_STATUS", "OTLP_SPAN", "CHECKPOINT_"];

/// The series of all other types.
const OTHER: &str = "OTHER";

/// Counters of one label whose values are this program's own words.
#[derive(Debug, Default)]
struct Counters(Mutex<BTreeMap<&'static str, u64>>);

impl Counters {
    fn add(&self, label: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(label).or_default() += count;
    }

    fn put(&self, out: &mut String, name: &str, help: &str, label: &str) -> fmt::Result {
        head(out, name, help, "counter")?;
        for (value, count) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            writeln!(out, "{name}{} {count}", Labels(&[(label, value)]))?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

/// Path of a route, as routes are written, and method.
type Route = (String, &'static str);

/// See the module.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(Route, u16), u64>>,
    times: Mutex<BTreeMap<Route, Times>>,
    events: Counters,
    invalid: Counters,
    write_failures: Counters,
    read_failures: Counters,
    traces: AtomicU64,
    new: AtomicU64,
    repeated: AtomicU64,
    removed: Counters,
    connections: AtomicU64,
    sources: Mutex<Vec<Arc<Progress>>>,
}

impl Metrics {
    /// A request was answered. `path` is a route's own, so that there are not more of them than routes.
    pub fn request(&self, path: &str, method: &'static str, code: u16, took: Duration) {
        let route = (path.to_owned(), method);
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let series = times.entry(route.clone()).or_default();
        let seconds = took.as_secs_f64();
        for (bucket, bound) in series.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        series.count += 1;
        series.seconds += seconds;
        drop(times);
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, code)).or_default() += 1;
    }

    /// Events of a type came.
    pub fn events(&self, event_type: &str, count: u64) {
        let known = EVENT_TYPES
            .into_iter()
            .find(|known| *known == event_type || known.ends_with('_') && event_type.starts_with(known));
        self.events.add(known.map_or(OTHER, |known| known.trim_end_matches('_')), count);
    }

    /// Traces came, new or not.
    pub fn traces(&self, count: u64) {
        self.traces.fetch_add(count, Ordering::Relaxed);
    }

    /// Something that was sent makes no sense.
    pub fn invalid(&self, reason: &'static str, count: u64) {
        self.invalid.add(reason, count);
    }

    /// The store took parts.
    pub fn written(&self, new: u64, repeated: u64) {
        self.new.fetch_add(new, Ordering::Relaxed);
        self.repeated.fetch_add(repeated, Ordering::Relaxed);
    }

    /// The store did not take something. `table` is one of a few words.
    pub fn write_failed(&self, table: &'static str) {
        self.write_failures.add(table, 1);
    }

    /// The store did not answer. `op` is one of a few words: what was asked.
    pub fn read_failed(&self, op: &'static str) {
        self.read_failures.add(op, 1);
    }

    /// Rows were removed, because they were too old or too many.
    pub fn removed(&self, table: &'static str, count: u64) {
        self.removed.add(table, count);
    }

    /// A connection begins.
    pub fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended.
    pub fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// A topic of Kafka is read. There are as many as the operator names.
    pub fn source(&self, progress: Arc<Progress>) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(progress);
    }

    /// The topics of Kafka that are read.
    #[must_use]
    pub fn sources(&self) -> Vec<Arc<Progress>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The text that Prometheus scrapes.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.put(&mut out);
        out
    }

    fn put(&self, out: &mut String) -> fmt::Result {
        self.put_requests(out)?;
        let name = "st_trace_collector_events_received_total";
        self.events.put(out, name, "Events that came, by type.", "event_type")?;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let single = [
            ("st_trace_collector_stain_trace_received_total", "Traces that came.", load(&self.traces)),
            (
                "st_trace_collector_stain_trace_new_total",
                "Traces that were not there before.",
                load(&self.new),
            ),
            (
                "st_trace_collector_stain_trace_repeated_total",
                "Traces that were there already, and changed nothing.",
                load(&self.repeated),
            ),
        ];
        for (name, help, value) in single {
            head(out, name, help, "counter")?;
            writeln!(out, "{name} {value}")?;
        }
        let name = "st_trace_collector_invalid_events_total";
        self.invalid.put(out, name, "Bodies and events that make no sense, by reason.", "reason")?;
        let name = "st_trace_collector_db_write_failures_total";
        self.write_failures.put(out, name, "Writes that the store did not take.", "table")?;
        let name = "st_trace_collector_db_read_failures_total";
        self.read_failures.put(out, name, "Questions that the store did not answer.", "op")?;
        let name = "st_trace_collector_removed_total";
        self.removed.put(out, name, "Rows removed because they were too old or too many.", "table")?;
        let name = "st_trace_collector_connections";
        head(out, name, "Connections just now.", "gauge")?;
        writeln!(out, "{name} {}", load(&self.connections))?;
        kafka::put_metrics(out, &self.sources())
    }

    fn put_requests(&self, out: &mut String) -> fmt::Result {
        let name = "st_trace_collector_http_requests_total";
        head(out, name, "Requests that were answered.", "counter")?;
        for (((path, method), code), count) in
            self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter()
        {
            let labels = [("path", path.as_str()), ("method", method), ("code", &code.to_string())];
            writeln!(out, "{name}{} {count}", Labels(&labels))?;
        }
        let name = "st_trace_collector_http_request_seconds";
        head(out, name, "How long requests took.", "histogram")?;
        for ((path, method), times) in self.times.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = [("path", path.as_str()), ("method", *method)];
            let [path, method] = labels;
            for (bucket, bound) in times.buckets.iter().zip(BOUNDS) {
                let labels = Labels(&[path, method, ("le", &bound.to_string())]).to_string();
                writeln!(out, "{name}_bucket{labels} {bucket}")?;
            }
            writeln!(out, "{name}_bucket{} {}", Labels(&[path, method, ("le", "+Inf")]), times.count)?;
            writeln!(out, "{name}_sum{} {}", Labels(&labels), times.seconds)?;
            writeln!(out, "{name}_count{} {}", Labels(&labels), times.count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;
    use std::time::Duration;

    #[test]
    fn every_family_of_the_contract_is_there_from_the_beginning() {
        let text = Metrics::default().text();
        for family in [
            "http_requests_total",
            "http_request_seconds",
            "events_received_total",
            "stain_trace_received_total",
            "invalid_events_total",
            "db_write_failures_total",
            "db_read_failures_total",
        ] {
            assert!(text.contains(&format!("# TYPE st_trace_collector_{family} ")), "{family}");
        }
    }

    #[test]
    fn values_of_others_make_no_series() {
        let metrics = Metrics::default();
        for number in 0..1000 {
            metrics.events(&format!("TYPE_{number}\"}} 1"), 1);
            metrics.events(&format!("SCHEMA_CHANGE_{number}"), 1);
        }
        metrics.events("STAIN_TRACE", 3);
        let text = metrics.text();
        let series: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("st_trace_collector_events_received_total{"))
            .collect();
        assert_eq!(
            series,
            [
                "st_trace_collector_events_received_total{event_type=\"OTHER\"} 1000",
                "st_trace_collector_events_received_total{event_type=\"SCHEMA_CHANGE\"} 1000",
                "st_trace_collector_events_received_total{event_type=\"STAIN_TRACE\"} 3",
            ]
        );
    }

    #[test]
    fn requests_are_counted_by_route_and_their_times_are_cumulative() {
        let metrics = Metrics::default();
        metrics.request("/ingest", "POST", 200, Duration::from_millis(2));
        metrics.request("/ingest", "POST", 200, Duration::from_secs(100));
        metrics.request("/ingest", "POST", 413, Duration::ZERO);
        let text = metrics.text();
        for line in [
            "http_requests_total{path=\"/ingest\",method=\"POST\",code=\"200\"} 2",
            "http_requests_total{path=\"/ingest\",method=\"POST\",code=\"413\"} 1",
            "http_request_seconds_bucket{path=\"/ingest\",method=\"POST\",le=\"0.001\"} 1",
            "http_request_seconds_bucket{path=\"/ingest\",method=\"POST\",le=\"0.0025\"} 2",
            "http_request_seconds_bucket{path=\"/ingest\",method=\"POST\",le=\"+Inf\"} 3",
            "http_request_seconds_count{path=\"/ingest\",method=\"POST\"} 3",
        ] {
            assert!(text.contains(&format!("st_trace_collector_{line}\n")), "{line} in {text}");
        }
    }
}
