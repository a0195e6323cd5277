//! To an OpenTelemetry collector: spans and metrics, over HTTP or gRPC.

mod grpc;
mod partial;
mod wire;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::courier::Attempt;
use super::events::Posting;
use super::network::{Encoder, Extra, Transport};
use crate::feed::{Attached, FeedEvent, SessionInfo};
use crate::sink::event::job_of;
use crate::sink::metrics::Metrics;
use crate::sink::otlp::{Resource, Spans, metrics};
use crate::sink::packet::Packet;
use crate::trace::Trace;

pub(super) use grpc::Grpc;

/// Makes requests of spans.
pub(super) struct OtlpEncoder {
    spans: Spans,
    resource: Resource,
    metrics: Option<MetricsOf>,
}

/// Metrics of the session, sent now and then.
struct MetricsOf {
    metrics: Metrics,
    every: Duration,
    last: Instant,
    resource: Resource,
}

impl OtlpEncoder {
    /// `resource.service` may be empty: the target's name is taken then.
    pub(super) fn new(resource: Resource, metrics: Option<Duration>) -> Self {
        let metrics = metrics.map(|every| MetricsOf {
            metrics: Metrics::default(),
            every,
            last: Instant::now(),
            resource: resource.clone(),
        });
        Self { spans: Spans::default(), resource, metrics }
    }
}

impl Encoder for OtlpEncoder {
    fn add(&mut self, trace: &Trace, info: &SessionInfo) -> bool {
        if self.resource.job.is_empty() {
            // The same as of the session's events: a collector that gets both has each trace once.
            self.resource.job = job_of(&self.resource.host, &info.target);
        }
        self.spans.add(trace, info);
        true
    }

    fn bytes(&self) -> usize {
        self.spans.bytes()
    }

    fn finish(&mut self, _: &Packet, _: &SessionInfo) -> Bytes {
        let mut body = Vec::with_capacity(self.spans.bytes() + 256);
        self.spans.finish(&self.resource, &mut body);
        Bytes::from(body)
    }

    fn has_beacons(&self) -> bool {
        false
    }

    fn attached(&mut self, attached: &Attached) {
        let metrics = self.metrics.as_mut().map(|metrics| &mut metrics.resource);
        for resource in [Some(&mut self.resource), metrics].into_iter().flatten() {
            resource.pids.extend(&attached.pids);
            if resource.service.is_empty() {
                resource.service.clone_from(&attached.target);
            }
        }
    }

    fn extra(&mut self) -> Option<&mut dyn Extra> {
        self.metrics.as_mut().map(|metrics| metrics as &mut dyn Extra)
    }
}

impl Extra for MetricsOf {
    fn event(&mut self, event: &FeedEvent) {
        self.metrics.add(event);
    }

    fn due(&mut self, end: bool) -> Option<Bytes> {
        if !end && self.last.elapsed() < self.every {
            return None;
        }
        self.last = Instant::now();
        let mut body = Vec::new();
        metrics::put(&self.metrics, &self.resource, &mut body).then(|| Bytes::from(body))
    }
}

/// OTLP over HTTP: two paths of one server.
pub(super) struct OtlpHttp {
    posting: Posting,
    traces: String,
    metrics: String,
}

impl OtlpHttp {
    /// `base` is the URL's path: `/v1/traces` and `/v1/metrics` are appended, as the specification says.
    pub(super) fn new(posting: Posting, base: &str) -> Self {
        let base = base.trim_end_matches('/');
        Self { posting, traces: format!("{base}/v1/traces"), metrics: format!("{base}/v1/metrics") }
    }
}

impl OtlpHttp {
    fn post(posting: &mut Posting, path: &str, body: &Bytes, what: &str) -> Attempt {
        match posting.post_to(path, body) {
            (Attempt::Accepted, response) => partial::attempt(&response, what, posting.redaction()),
            (other, _) => other,
        }
    }
}

impl Transport for OtlpHttp {
    fn send(&mut self, body: &Bytes) -> Attempt {
        Self::post(&mut self.posting, &self.traces, body, partial::SPANS)
    }

    fn send_extra(&mut self, body: &Bytes) -> Attempt {
        Self::post(&mut self.posting, &self.metrics, body, partial::POINTS)
    }
}
