//! The transform: parses a line, leaves out who is not wanted, finds out who asks and whether it looks like an attack.

use std::hash::Hasher;
use std::ops::AddAssign;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::parse::parse;
use super::queue::{Popped, Queue};
use super::record::{Record, Request};
use super::scan;

/// How long a worker sleeps for an item before it looks whether it is still needed.
const PATIENCE: Duration = Duration::from_millis(200);

/// Who is left out. Shared by the workers, as settings that may change are.
#[derive(Debug)]
pub(super) struct Filters {
    paths: Vec<&'static str>,
    agents: Vec<&'static str>,
}

impl Default for Filters {
    fn default() -> Self {
        Self { paths: vec!["/health", "/metrics"], agents: vec!["bot", "crawler", "spider"] }
    }
}

impl Filters {
    fn wants(&self, request: &Request) -> bool {
        !self.paths.contains(&request.path.as_str())
            && !self.agents.iter().any(|agent| request.agent.contains(agent))
    }
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Worked {
    pub(super) handled: u64,
    pub(super) forwarded: u64,
    pub(super) filtered: u64,
    /// Signs of an attack that were found.
    pub(super) threats: u64,
}

impl AddAssign for Worked {
    fn add_assign(&mut self, other: Self) {
        let Self { handled, forwarded, filtered, threats } = other;
        self.handled += handled;
        self.forwarded += forwarded;
        self.filtered += filtered;
        self.threats += threats;
    }
}

/// A worker's own state.
#[derive(Debug)]
pub(super) struct Worker<'p> {
    filters: &'p RwLock<Filters>,
    output: &'p Queue<Record>,
    worked: Worked,
}

impl<'p> Worker<'p> {
    pub(super) fn new(filters: &'p RwLock<Filters>, output: &'p Queue<Record>) -> Self {
        Self { filters, output, worked: Worked::default() }
    }

    /// Until the queue ends.
    pub(super) fn run(mut self, input: &Queue<Record>) -> Worked {
        loop {
            match input.pop(PATIENCE) {
                Popped::Item(record) => self.handle(record),
                Popped::Idle => {}
                Popped::Ended => break,
            }
        }
        self.output.close();
        self.worked
    }

    /// One record, whole.
    #[inline(never)]
    fn handle(&mut self, mut record: Box<Record>) {
        self.worked.handled += 1;
        record.waited = record.received.elapsed();
        if self.transform(&mut record) {
            self.finish(record);
        } else {
            self.discard(record);
        }
    }

    /// Fills in what can be found out. False for a record that is not wanted.
    #[inline(never)]
    fn transform(&mut self, record: &mut Record) -> bool {
        let Some(request) = parse(&record.line) else { return false };
        if !self.filters.read().unwrap_or_else(PoisonError::into_inner).wants(&request) {
            return false;
        }
        record.visitor = visitor(&request);
        record.threats = scan::count(request.path.as_bytes()) + scan::count(&record.body);
        self.worked.threats += record.threats;
        record.request = Some(request);
        true
    }

    /// What is not needed any more is let go, and the rest goes to the sink.
    #[inline(never)]
    fn finish(&mut self, mut record: Box<Record>) {
        self.worked.forwarded += 1;
        record.line = String::new();
        record.body = Vec::new();
        self.output.push(record);
    }

    /// Ends a record that is not wanted.
    #[inline(never)]
    fn discard(&mut self, record: Box<Record>) {
        self.worked.filtered += 1;
        drop(record);
    }
}

fn visitor(request: &Request) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(request.client.as_bytes());
    hasher.write(request.agent.as_bytes());
    hasher.finish()
}
