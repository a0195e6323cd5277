//! To Kafka: a message a trace, keyed by the trace's id, so that all branches of a record lie in one partition.
//!
//! The body of a batch is its messages behind each other: length of the key (2 bytes, big-endian), key, length of the value (4), value.

#[cfg(feature = "kafka")]
pub(crate) mod library;
#[cfg(feature = "kafka")]
mod producer;

use bytes::{BufMut as _, Bytes};
#[cfg(feature = "kafka")]
pub(super) use producer::Producing;

use super::network::Encoder;
use super::settings::KafkaValue;
use crate::feed::{Attached, SessionInfo};
use crate::sink::event::{Events, Origin, job_of};
use crate::sink::packet::Packet;
use crate::sink::sttr;
use crate::trace::Trace;

/// Makes batches of messages.
pub(super) struct KafkaEncoder {
    events: Events,
    origin: Origin,
    value: KafkaValue,
    body: Vec<u8>,
}

impl KafkaEncoder {
    pub(super) fn new(origin: Origin, value: KafkaValue) -> Self {
        Self { events: Events::default(), origin, value, body: Vec::new() }
    }

    fn put_value(&mut self, trace: &Trace, info: &SessionInfo) -> bool {
        match self.value {
            KafkaValue::Json => self.events.put(trace, info, &self.origin, &mut self.body).is_ok(),
            KafkaValue::Sttr => {
                sttr::nano::encode(trace, &info.outcomes, &mut self.body);
                true
            }
        }
    }
}

impl Encoder for KafkaEncoder {
    fn add(&mut self, trace: &Trace, info: &SessionInfo) -> bool {
        if self.origin.job.is_empty() {
            self.origin.job = job_of(&self.origin.host, &info.target);
        }
        let before = self.body.len();
        let key = trace.id.to_string();
        self.body.put_u16(u16::try_from(key.len()).unwrap_or(0));
        self.body.put_slice(key.as_bytes());
        let length_at = self.body.len();
        self.body.put_u32(0);
        let put = self.put_value(trace, info);
        let length = u32::try_from(self.body.len() - length_at - 4).unwrap_or(u32::MAX);
        match self.body.get_mut(length_at..length_at + 4) {
            Some(place) if put => place.copy_from_slice(&length.to_be_bytes()),
            _ => self.body.truncate(before),
        }
        put
    }

    fn bytes(&self) -> usize {
        self.body.len()
    }

    fn finish(&mut self, _: &Packet, _: &SessionInfo) -> Bytes {
        Bytes::from(std::mem::take(&mut self.body))
    }

    fn has_beacons(&self) -> bool {
        false
    }

    fn attached(&mut self, _: &Attached) {}
}

/// Key and value.
#[cfg(any(feature = "kafka", test))]
type Message<'a> = (&'a [u8], &'a [u8]);

/// The body of these messages.
#[cfg(any(feature = "kafka", test))]
fn of_messages<'a>(all: impl Iterator<Item = Message<'a>>) -> Bytes {
    let mut body = Vec::new();
    for (key, value) in all {
        body.put_u16(u16::try_from(key.len()).unwrap_or(0));
        body.put_slice(key);
        body.put_u32(u32::try_from(value.len()).unwrap_or(0));
        body.put_slice(value);
    }
    Bytes::from(body)
}

/// The messages of a body, up to the first that is not whole.
#[cfg(any(feature = "kafka", test))]
fn messages(mut body: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (length, rest) = body.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (value, rest) = rest.split_at_checked(length)?;
        body = rest;
        Some((key, value))
    })
}

#[cfg(test)]
mod tests {
    use super::{Encoder as _, KafkaEncoder, messages, of_messages};
    use crate::export::settings::KafkaValue;
    use crate::sink::event::Origin;
    use crate::sink::packet::Packet;
    use crate::sink::sttr::decode;
    use crate::sink::testing::{info, rich};
    use crate::trace::testing::trace;
    use profiler_common::Outcome;

    #[test]
    fn a_body_holds_its_messages() {
        for value in [KafkaValue::Json, KafkaValue::Sttr] {
            let mut encoder = KafkaEncoder::new(Origin::default(), value);
            let traces = [trace("S0@1 W!@2", Outcome::Written), rich()];
            assert!(traces.iter().all(|trace| encoder.add(trace, &info())));
            let body = encoder.finish(&Packet::default(), &info());
            assert_eq!(encoder.bytes(), 0);
            let found: Vec<_> = messages(&body).collect();
            assert_eq!(found.len(), 2);
            assert_eq!(of_messages(found.iter().copied()), body);
            for ((key, value_bytes), trace) in found.into_iter().zip(&traces) {
                assert_eq!(key, trace.id.to_string().as_bytes());
                match value {
                    KafkaValue::Json => {
                        let event: serde_json::Value = serde_json::from_slice(value_bytes).unwrap();
                        assert_eq!(event["traceId"], trace.journey_id());
                    }
                    KafkaValue::Sttr => assert_eq!(decode(value_bytes).unwrap().trace_id() as u64, trace.id),
                }
            }
            for end in 0..body.len() {
                assert!(messages(&body[..end]).count() < 2);
            }
        }
    }
}
