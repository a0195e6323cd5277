//! Server-sent events: a trace each, with the place from which to go on. Pure.

use bytes::Bytes;

use crate::collector::model::Part;
use crate::collector::query::shapes;

/// Reads the id of an event: a place in the store's order.
#[must_use]
pub fn place(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// The event of one part.
fn frame(place: u64, part: &Part) -> String {
    // Cannot fail: texts, numbers and lists of them. A line break inside is escaped in JSON.
    let data = serde_json::to_string(&shapes::live(part)).unwrap_or_default();
    format!("id: {place}\nevent: trace\ndata: {data}\n\n")
}

/// The events of parts with their places, of one job or of all.
pub(super) fn frames(parts: &[(u64, Part)], job: Option<&str>) -> Bytes {
    let wanted = parts.iter().filter(|(_, part)| job.is_none_or(|job| part.key.job == job));
    wanted.map(|(place, part)| frame(*place, part)).collect::<String>().into()
}

/// What a client gets first: when to come back, and from where, if it is cut off before any event.
pub(super) fn hello(place: u64) -> Bytes {
    format!("retry: 1000\nid: {place}\n\n").into()
}

/// A comment that the connection lives, and how far its client is.
pub(super) fn alive(place: u64) -> Bytes {
    format!(": alive\nid: {place}\n\n").into()
}
