//! What is known of the clocks of machines: told with every answer that rests on it.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::context::Context;
use super::shapes::as_text;
use crate::collector::merge::clock::{Clocks, Offset, crossings};
use crate::collector::merge::{Merged, merge};
use crate::collector::model::Part;
use crate::collector::store::{Filter, Page};

/// How long what is known is good enough, ms.
const FRESH_MS: i64 = 10_000;

/// Latest parts that are looked through for journeys over several machines.
const LOOKED_AT: u32 = 2000;

/// Pages of so many.
const PAGES: usize = 3;

/// How old such a part may be, ms.
const RECENT_MS: i64 = 30 * 60_000;

/// The offset of two clocks in answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClockShape {
    from_host: String,
    to_host: String,
    #[serde(serialize_with = "as_text")]
    offset_ns: i64,
    error_ns: Option<String>,
    basis: &'static str,
}

pub(super) fn shape(offset: &Offset) -> ClockShape {
    let Offset { from_host, to_host, offset_ns, error_ns, basis } = offset;
    ClockShape {
        from_host: from_host.clone(),
        to_host: to_host.clone(),
        offset_ns: *offset_ns,
        error_ns: error_ns.map(|ns| ns.to_string()),
        basis: basis.name(),
    }
}

#[derive(Default)]
struct Book {
    clocks: Clocks,
    read_ms: Option<i64>,
}

/// The running estimates of one collector. They are made from what is stored when somebody asks, so that collectors beside each other, and one that was
/// started again, know the same.
#[derive(Default)]
pub struct ClockBook(Mutex<Book>);

impl ClockBook {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        // Bounds are whole after each step, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a trace in; what is known then.
    pub(super) fn with(&self, merged: &Merged<'_>) -> Vec<Offset> {
        let mut book = self.book();
        crossings(merged).iter().for_each(|crossing| book.clocks.observe(crossing));
        book.clocks.offsets()
    }

    /// What is known, after a look at the latest traces where the last one was a while ago. A store that does not answer leaves what was known before.
    pub(super) async fn recent(&self, context: &Context) -> Vec<Offset> {
        let now_ms = context.clock.now_ms();
        let is_due = {
            let mut book = self.book();
            let is_due = book.read_ms.is_none_or(|read_ms| !(0..FRESH_MS).contains(&(now_ms - read_ms)));
            if is_due {
                book.read_ms = Some(now_ms);
            }
            is_due
        };
        if is_due {
            self.look(context, now_ms).await;
        }
        self.book().clocks.offsets()
    }

    async fn look(&self, context: &Context, now_ms: i64) {
        let filter = Filter { from_ms: Some(now_ms - RECENT_MS), ..Filter::default() };
        let mut page = Page { limit: LOOKED_AT, offset: 0, after: None };
        let mut parts: Vec<Part> = Vec::new();
        for _ in 0..PAGES {
            let Ok(found) = context.read("clocks", context.store.traces(&filter, &page)).await else { break };
            // Only entries are needed, and few machines have more than one.
            parts.extend(found.items.into_iter().filter(|part| !part.host.is_empty()));
            page.after = found.next;
            if page.after.is_none() || parts.iter().all(|part| part.host == parts[0].host) {
                break;
            }
        }
        parts.sort_by(|a, b| (&a.key.job, a.key.trace_id).cmp(&(&b.key.job, b.key.trace_id)));
        for trace in parts.chunk_by(|a, b| (&a.key.job, a.key.trace_id) == (&b.key.job, b.key.trace_id)) {
            if trace.windows(2).any(|pair| pair[0].host != pair[1].host) {
                self.with(&merge(trace, &[]));
            }
        }
    }
}
