//! To a collector of stain traces: arrays of events over HTTP.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};

use super::courier::Attempt;
use super::http::{Client, Request};
use super::network::{Encoder, Transport};
use super::redact::Redaction;
use crate::feed::{Attached, SessionInfo};
use crate::sink::event::{Events, Origin, job_of, put_packet};
use crate::sink::packet::Packet;
use crate::trace::Trace;

/// Makes arrays of events.
pub(super) struct EventEncoder {
    events: Events,
    origin: Origin,
    packets: bool,
    body: Vec<u8>,
}

impl EventEncoder {
    pub(super) fn new(origin: Origin, packets: bool) -> Self {
        Self { events: Events::default(), origin, packets, body: Vec::new() }
    }

    fn separate(&mut self) {
        self.body.push(if self.body.is_empty() { b'[' } else { b',' });
    }

    /// A target has the same job in each of its sessions, unless the user names one.
    fn name_job(&mut self, info: &SessionInfo) {
        if self.origin.job.is_empty() {
            self.origin.job = job_of(&self.origin.host, &info.target);
        }
    }
}

impl Encoder for EventEncoder {
    fn add(&mut self, trace: &Trace, info: &SessionInfo) -> bool {
        self.name_job(info);
        let before = self.body.len();
        self.separate();
        let put = self.events.put(trace, info, &self.origin, &mut self.body);
        if put.is_err() {
            self.body.truncate(before);
        }
        put.is_ok()
    }

    fn bytes(&self) -> usize {
        self.body.len()
    }

    fn finish(&mut self, packet: &Packet, info: &SessionInfo) -> Bytes {
        self.name_job(info);
        if self.packets {
            let before = self.body.len();
            self.separate();
            if put_packet(packet, info, &self.origin, &mut self.body).is_err() {
                self.body.truncate(before);
            }
        }
        if self.body.is_empty() {
            self.body.push(b'[');
        }
        self.body.push(b']');
        let room = self.body.capacity();
        Bytes::from(std::mem::replace(&mut self.body, Vec::with_capacity(room.min(1 << 20))))
    }

    fn has_beacons(&self) -> bool {
        self.packets
    }

    fn attached(&mut self, _: &Attached) {}
}

/// Posts bodies to one path.
pub(super) struct Posting {
    client: Client,
    path: String,
    headers: HeaderMap,
    redaction: Redaction,
}

impl Posting {
    /// `headers` has the token, where there is one.
    pub(super) fn new(client: Client, path: String, media: &'static str, mut headers: HeaderMap) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        let agent = concat!("stain/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        let redaction = Redaction::of(&headers);
        Self { client, path, headers, redaction }
    }

    /// Posts to another path of the same server. What the answer means, and its body.
    pub(super) fn post_to(&mut self, path: &str, body: &Bytes) -> (Attempt, Bytes) {
        let request = Request { path: path.to_owned(), headers: self.headers.clone(), body: body.clone() };
        match self.client.post(&request) {
            Ok(answer) => (answer.attempt(super::epoch_seconds(), &self.redaction), answer.body),
            Err(error) => (Attempt::Retry { reason: error.to_string(), after: None }, Bytes::new()),
        }
    }

    /// For other readers of what the server says.
    pub(super) const fn redaction(&self) -> &Redaction {
        &self.redaction
    }
}

impl Transport for Posting {
    fn send(&mut self, body: &Bytes) -> Attempt {
        let path = self.path.clone();
        self.post_to(&path, body).0
    }

    fn send_extra(&mut self, _: &Bytes) -> Attempt {
        Attempt::Accepted
    }
}
