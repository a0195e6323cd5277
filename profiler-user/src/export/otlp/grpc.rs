//! OTLP over gRPC: the two unary calls, on HTTP/2 by hand.
//!
//! A call is a POST whose body is a flag (0: not compressed), a length and the message; its result is in the trailers.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, TE, USER_AGENT};

use super::partial;
use super::wire::{bytes, fields, number};
use crate::export::courier::Attempt;
use crate::export::http::{Answer, Client, Request, shown};
use crate::export::network::Transport;
use crate::export::percent;
use crate::export::redact::Redaction;

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Status codes of gRPC.
mod code {
    pub(super) const OK: u32 = 0;
    pub(super) const CANCELLED: u32 = 1;
    pub(super) const UNKNOWN: u32 = 2;
    pub(super) const DEADLINE_EXCEEDED: u32 = 4;
    pub(super) const PERMISSION_DENIED: u32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(super) const ABORTED: u32 = 10;
    pub(super) const OUT_OF_RANGE: u32 = 11;
    pub(super) const UNIMPLEMENTED: u32 = 12;
    pub(super) const INTERNAL: u32 = 13;
    pub(super) const UNAVAILABLE: u32 = 14;
    pub(super) const DATA_LOSS: u32 = 15;
    pub(super) const UNAUTHENTICATED: u32 = 16;
}

/// Base64 of binary headers, whose padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes before a message: the flag and the length.
const PREFIX: usize = 5;

/// Calls of one server.
pub(in crate::export) struct Grpc {
    client: Client,
    headers: HeaderMap,
    redaction: Redaction,
}

impl Grpc {
    /// `headers` has the token, where there is one.
    pub(in crate::export) fn new(client: Client, mut headers: HeaderMap) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(HeaderName::from_static("grpc-accept-encoding"), HeaderValue::from_static("identity"));
        let agent = concat!("stain/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        let redaction = Redaction::of(&headers);
        Self { client, headers, redaction }
    }

    fn call(&mut self, path: &str, message: &Bytes, what: &str) -> Attempt {
        let mut body = BytesMut::with_capacity(message.len() + PREFIX);
        body.put_u8(0);
        // Batches are a megabyte.
        body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        body.put_slice(message);
        let (path, headers) = (path.to_owned(), self.headers.clone());
        match self.client.post(&Request { path, headers, body: body.freeze() }) {
            Ok(answer) => attempt(&answer, what, &self.redaction),
            Err(error) => Attempt::Retry { reason: error.to_string(), after: None },
        }
    }
}

impl Transport for Grpc {
    fn send(&mut self, body: &Bytes) -> Attempt {
        self.call(TRACES, body, partial::SPANS)
    }

    fn send_extra(&mut self, body: &Bytes) -> Attempt {
        self.call(METRICS, body, partial::POINTS)
    }
}

/// What an answer means. What OTLP calls retryable is tried again, and so is what speaks about the way and not about the batch, as over HTTP. OTLP calls the
/// three in doubt not retryable; but servers say them of a bad moment, too, and of a batch that they will never take: so for a while.
fn attempt(answer: &Answer, what: &str, redaction: &Redaction) -> Attempt {
    let Some(status) = answer.field("grpc-status").and_then(|text| text.parse::<u32>().ok()) else {
        return no_grpc(answer, redaction);
    };
    let reason = || {
        let message = answer.field("grpc-message").unwrap_or_default();
        let shown = shown(&percent::decode(message).unwrap_or_else(|| message.to_owned()), redaction);
        format!("it answered with gRPC status {status}{}{shown}", if shown.is_empty() { "" } else { ": " })
    };
    let after = answer.field("grpc-status-details-bin").and_then(retry_delay);
    match status {
        code::OK => partial::attempt(answer.body.get(PREFIX..).unwrap_or_default(), what, redaction),
        code::RESOURCE_EXHAUSTED if after.is_some() => Attempt::Retry { reason: reason(), after },
        code::CANCELLED
        | code::DEADLINE_EXCEEDED
        | code::ABORTED
        | code::OUT_OF_RANGE
        | code::UNAVAILABLE
        | code::DATA_LOSS
        | code::PERMISSION_DENIED
        | code::UNAUTHENTICATED
        | code::UNIMPLEMENTED => Attempt::Retry { reason: reason(), after },
        code::RESOURCE_EXHAUSTED | code::INTERNAL | code::UNKNOWN => {
            Attempt::Doubtful { reason: reason(), after }
        }
        _ => Attempt::Rejected { reason: reason() },
    }
}

/// No answer of gRPC: one that was cut off, or that of a proxy, which may find the batch too large. What HTTP means by it, but nothing is refused at once for
/// the word of somebody in between.
fn no_grpc(answer: &Answer, redaction: &Redaction) -> Attempt {
    match answer.attempt(crate::export::epoch_seconds(), redaction) {
        Attempt::Rejected { reason } => Attempt::Doubtful { reason, after: None },
        Attempt::Retry { reason, after } => Attempt::Retry { reason, after },
        _ => {
            let reason = format!("it answered {} without a grpc-status", answer.status);
            Attempt::Retry { reason, after: None }
        }
    }
}

/// The delay of a `google.rpc.RetryInfo` among the details of a `google.rpc.Status`.
fn retry_delay(details: &str) -> Option<Duration> {
    let status = BASE64.decode(details).ok()?;
    let is_wanted = |any: &&[u8]| bytes(any, 1).is_some_and(|kind| kind.ends_with(b"google.rpc.RetryInfo"));
    let details = fields(&status).filter_map(|(field, value)| value.bytes().filter(|_| field == 3));
    let info = bytes(details.into_iter().find(is_wanted)?, 2)?;
    let delay = bytes(info, 1)?;
    let nanos = u32::try_from(number(delay, 2).unwrap_or(0)).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(number(delay, 1).unwrap_or(0), nanos))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Attempt, Redaction, partial, retry_delay};
    use base64::Engine as _;
    use bytes::Bytes;
    use hyper::HeaderMap;
    use hyper::header::HeaderValue;
    use std::time::Duration;

    fn answer(fields: &[(&'static str, &str)]) -> Answer {
        let mut trailers = HeaderMap::new();
        for (name, value) in fields {
            trailers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        Answer { status: 200, headers: HeaderMap::new(), trailers, body: Bytes::new() }
    }

    fn attempt(answer: &Answer) -> Attempt {
        super::attempt(answer, partial::SPANS, &Redaction::default())
    }

    /// Status 8, "slow down", and a `RetryInfo` of 2.5 s.
    fn details() -> String {
        let mut out = Vec::new();
        let mut status = crate::sink::proto::Message(&mut out);
        status.uint(1, 8);
        status.string(2, "slow down");
        status.nested(3, |any| {
            any.string(1, "type.googleapis.com/google.rpc.RetryInfo");
            any.nested(2, |info| {
                info.nested(1, |delay| {
                    delay.uint(1, 2);
                    delay.uint(2, 500_000_000);
                });
            });
        });
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(out)
    }

    fn word(attempt: &Attempt) -> &'static str {
        match attempt {
            Attempt::Accepted => "accepted",
            Attempt::Warned { .. } => "warned",
            Attempt::Partly(_) => "partly",
            Attempt::Retry { .. } => "again",
            Attempt::Doubtful { .. } => "doubtful",
            Attempt::Rejected { .. } => "aside",
        }
    }

    #[test]
    fn what_was_refused_of_a_batch_is_in_the_message_behind_its_prefix() {
        let mut body = vec![0, 0, 0, 0, 4];
        // partial_success { rejected_spans: 7 }
        body.extend([0x0a, 2, 8, 7]);
        let taken = Answer { body: Bytes::from(body), ..answer(&[("grpc-status", "0")]) };
        assert!(matches!(attempt(&taken), Attempt::Partly(refusal) if refusal.traces == 7));
    }

    #[test]
    fn statuses_decide_about_the_batch() {
        let expected = [
            "accepted", "again", "doubtful", "aside", "again", "aside", "aside", "again", "doubtful",
            "aside", "again", "again", "again", "doubtful", "again", "again", "again", "aside",
        ];
        for (status, expected) in expected.into_iter().enumerate() {
            assert_eq!(
                word(&attempt(&answer(&[("grpc-status", &status.to_string())]))),
                expected,
                "{status}"
            );
        }
        // With a time for the next try there is no doubt.
        let fields = [("grpc-status", "8"), ("grpc-status-details-bin", &*details())];
        assert_eq!(word(&attempt(&answer(&fields))), "again");
        for (status, expected) in [(200, "again"), (502, "again"), (401, "again"), (413, "doubtful")] {
            let proxys = Answer { status, ..answer(&[]) };
            assert_eq!(word(&attempt(&proxys)), expected, "{status}");
        }
        let told = answer(&[("grpc-status", "5"), ("grpc-message", "caf%C3%A9%0a100% token=abc")]);
        assert!(
            matches!(attempt(&told), Attempt::Rejected { reason } if reason.ends_with("caf%C3%A9%0a100% token=[redacted]"))
        );
        let told = answer(&[("grpc-status", "5"), ("grpc-message", "caf%C3%A9%0atoken=abc")]);
        assert!(
            matches!(attempt(&told), Attempt::Rejected { reason } if reason.ends_with("5: caf\u{e9} token=[redacted]"))
        );
        let told = answer(&[("grpc-status", "3"), ("grpc-message", "bad span")]);
        let Attempt::Rejected { reason } = attempt(&told) else { panic!() };
        assert_eq!(reason, "it answered with gRPC status 3: bad span");
    }

    #[test]
    fn the_server_may_ask_for_a_wait() {
        let wait = Some(Duration::from_millis(2500));
        assert_eq!(retry_delay(&details()), wait);
        let fields = [("grpc-status", "8"), ("grpc-status-details-bin", &*details())];
        assert!(matches!(attempt(&answer(&fields)), Attempt::Retry { after, .. } if after == wait));
        for nonsense in ["", "AAAA", "//////////////8B", "GgA"] {
            assert_eq!(retry_delay(nonsense), None, "{nonsense}");
        }
    }
}
