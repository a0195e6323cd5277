//! OTLP over gRPC: the two unary calls, on HTTP/2 by hand.
//!
//! A call is a POST whose body is a flag (0: not compressed), a length and the message; its result is in the trailers.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, TE, USER_AGENT};

use crate::export::courier::Attempt;
use crate::export::http::{Answer, Client, Request};
use crate::export::network::Transport;

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

/// Calls of one server.
pub(in crate::export) struct Grpc {
    client: Client,
    headers: HeaderMap,
}

impl Grpc {
    /// `headers` has the token, where there is one.
    pub(in crate::export) fn new(client: Client, mut headers: HeaderMap) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(HeaderName::from_static("grpc-accept-encoding"), HeaderValue::from_static("identity"));
        let agent = concat!("stain/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        Self { client, headers }
    }

    fn call(&mut self, path: &str, message: &Bytes) -> Attempt {
        let mut body = BytesMut::with_capacity(message.len() + 5);
        body.put_u8(0);
        // Batches are a megabyte.
        body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        body.put_slice(message);
        let (path, headers) = (path.to_owned(), self.headers.clone());
        match self.client.post(&Request { path, headers, body: body.freeze() }) {
            Ok(answer) => attempt(&answer),
            Err(error) => Attempt::Retry { reason: error.to_string(), after: None },
        }
    }
}

impl Transport for Grpc {
    fn send(&mut self, body: &Bytes) -> Attempt {
        self.call(TRACES, body)
    }

    fn send_extra(&mut self, body: &Bytes) -> Attempt {
        self.call(METRICS, body)
    }
}

/// What an answer means, by the rules of OTLP; what does not speak about the batch is tried again, as over HTTP.
fn attempt(answer: &Answer) -> Attempt {
    let Some(status) = answer.field("grpc-status").and_then(|text| text.parse::<u32>().ok()) else {
        // No answer of gRPC: a proxy's, or one that was cut off.
        let reason = format!("it answered {} without a grpc-status", answer.status);
        return Attempt::Retry { reason, after: None };
    };
    let reason = || {
        let message = answer.field("grpc-message").unwrap_or_default();
        let shown: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
        format!("it answered with gRPC status {status}{}{shown}", if shown.is_empty() { "" } else { ": " })
    };
    let after = answer.field("grpc-status-details-bin").and_then(retry_delay);
    match status {
        code::OK => Attempt::Accepted,
        code::CANCELLED
        | code::UNKNOWN
        | code::DEADLINE_EXCEEDED
        | code::RESOURCE_EXHAUSTED
        | code::ABORTED
        | code::OUT_OF_RANGE
        | code::INTERNAL
        | code::UNAVAILABLE
        | code::DATA_LOSS
        | code::PERMISSION_DENIED
        | code::UNAUTHENTICATED
        | code::UNIMPLEMENTED => Attempt::Retry { reason: reason(), after },
        _ => Attempt::Rejected { reason: reason() },
    }
}

/// The delay of a `google.rpc.RetryInfo` among the details of a `google.rpc.Status`.
fn retry_delay(details: &str) -> Option<Duration> {
    let status = BASE64.decode(details).ok()?;
    for detail in fields(&status).filter_map(|(field, value)| Some(value.bytes()?).filter(|_| field == 3)) {
        let any =
            |wanted| fields(detail).find(|(field, _)| *field == wanted).and_then(|(_, value)| value.bytes());
        if any(1).is_some_and(|kind| kind.ends_with(b"google.rpc.RetryInfo")) {
            let delay = fields(any(2)?).find(|(field, _)| *field == 1)?.1.bytes()?;
            let number =
                |wanted| fields(delay).find(|(field, _)| *field == wanted).and_then(|(_, v)| v.number());
            let nanos = u32::try_from(number(2).unwrap_or(0)).ok().filter(|nanos| *nanos < 1_000_000_000)?;
            return Some(Duration::new(number(1).unwrap_or(0), nanos));
        }
    }
    None
}

/// A field's value, as it is on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    const fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    const fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

/// The fields of a message, up to the first that makes no sense.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Wire<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint(&mut bytes)?;
        let value = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => Wire::Bytes(split(&mut bytes, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Wire::Bytes(split(&mut bytes, length)?)
            }
            5 => Wire::Bytes(split(&mut bytes, 4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(first)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Answer, Attempt, attempt, retry_delay};
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

    #[test]
    fn statuses_decide_about_the_batch() {
        for (status, expected) in
            [("0", "accepted"), ("3", "aside"), ("5", "aside"), ("14", "again"), ("16", "again")]
        {
            let found = match attempt(&answer(&[("grpc-status", status)])) {
                Attempt::Accepted => "accepted",
                Attempt::Retry { .. } => "again",
                Attempt::Rejected { .. } => "aside",
            };
            assert_eq!(found, expected, "{status}");
        }
        assert!(matches!(attempt(&answer(&[])), Attempt::Retry { .. }));
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
