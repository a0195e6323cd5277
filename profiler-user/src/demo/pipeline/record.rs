//! What flows: a line of the log, and what is found out about it on its way.

use std::time::{Duration, Instant};

/// A line on its way. It lies in one box from source to sink.
#[derive(Debug)]
pub(super) struct Record {
    /// From 1, in the order of the source.
    pub(super) number: u64,
    pub(super) received: Instant,
    /// The line of the log.
    pub(super) line: String,
    /// Headers, and what was uploaded.
    pub(super) body: Vec<u8>,
    /// Known once it is parsed.
    pub(super) request: Option<Request>,
    /// Hash of who asks.
    pub(super) visitor: u64,
    /// How many signs of an attack it bears.
    pub(super) threats: u64,
    /// How long it waited for its transform.
    pub(super) waited: Duration,
}

/// The fields of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) client: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) agent: String,
}

impl Record {
    pub(super) fn new(line: String, body: Vec<u8>) -> Box<Self> {
        Box::new(Self {
            number: 0,
            received: Instant::now(),
            line,
            body,
            request: None,
            visitor: 0,
            threats: 0,
            waited: Duration::ZERO,
        })
    }
}
