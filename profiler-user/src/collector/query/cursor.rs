//! The place of a page as text: nothing that a client could or should make up. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::collector::model::MAX_NAME;
use crate::collector::store::Cursor;

/// The first byte: a later form has another one.
const FORM: u8 = 1;

/// The text of a place.
#[must_use]
pub fn to_text(cursor: &Cursor) -> String {
    let Cursor { received_ms, trace_id, sink_task, branch, job } = cursor;
    let mut bytes = vec![FORM];
    bytes.extend_from_slice(&received_ms.to_be_bytes());
    bytes.extend_from_slice(&trace_id.to_be_bytes());
    bytes.extend_from_slice(&sink_task.to_be_bytes());
    bytes.extend_from_slice(&branch.to_be_bytes());
    bytes.extend_from_slice(job.as_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place of a text; `None` where it is not one that [`to_text`] made.
#[must_use]
pub fn from_text(text: &str) -> Option<Cursor> {
    if text.len() > 2 * (MAX_NAME + 64) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (told, sum) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(told) != u32::from_be_bytes(*sum) {
        return None;
    }
    let rest = told.strip_prefix(&[FORM])?;
    let (received_ms, rest) = rest.split_first_chunk::<8>()?;
    let (trace_id, rest) = rest.split_first_chunk::<8>()?;
    let (sink_task, rest) = rest.split_first_chunk::<8>()?;
    let (branch, job) = rest.split_first_chunk::<8>()?;
    let cursor = Cursor {
        received_ms: i64::from_be_bytes(*received_ms),
        trace_id: u64::from_be_bytes(*trace_id),
        sink_task: i64::from_be_bytes(*sink_task),
        branch: u64::from_be_bytes(*branch),
        job: String::from_utf8(job.to_vec()).ok()?,
    };
    Some(cursor).filter(|cursor| cursor.trace_id < 1 << 63 && cursor.job.len() <= MAX_NAME)
}

#[cfg(test)]
mod tests {
    use super::{from_text, to_text};
    use crate::collector::store::Cursor;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_comes_back_and_nothing_else_is_one(
            received_ms in any::<i64>(), trace_id in 0u64..1 << 63, sink_task in any::<i64>(), branch in any::<u64>(),
            job in "\\PC{0,40}", at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_-]", noise in "\\PC{0,60}",
        ) {
            let cursor = Cursor { received_ms, trace_id, sink_task, branch, job };
            let text = to_text(&cursor);
            prop_assert_eq!(from_text(&text), Some(cursor));
            let mut other = text.clone();
            let at = at.index(text.len());
            other.replace_range(at..=at, &with);
            prop_assert!(other == text || from_text(&other).is_none());
            prop_assert_eq!(from_text(&noise), None);
        }
    }
}
