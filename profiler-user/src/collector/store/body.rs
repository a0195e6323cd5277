//! What of a part is kept as one piece of bytes: everything that no store filters or sorts by. Pure.
//!
//! Owns: the bytes, and their first one, which tells a later form. Refuses: payloads, which are kept beside it as they came.

use super::super::model::{
    Attribute, AttributeValue, Entry, Membership, Part, PartKey, Precision, RecordTime,
};
use crate::varint;

/// The first byte.
const FORM: u8 = 1;

/// The bytes of a part; the key, names that are columns, and the payload are not in it.
pub(super) fn encode(part: &Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + 16 * part.entries.len());
    out.push(FORM);
    out.push(u8::from(part.precision == Precision::Nanos) | u8::from(part.is_partial) << 1);
    put_signed(&mut out, part.created_ms);
    put_signed(&mut out, part.end_ns.wrapping_sub(part.start_ns));
    put_option(&mut out, part.stream);
    varint::put(&mut out, u64::from(part.shared));
    put_list(&mut out, &part.flags, |out, (name, count)| {
        put_text(out, name);
        varint::put(out, u64::from(*count));
    });
    let mut before = part.start_ns;
    put_list(&mut out, &part.entries, |out, entry| {
        out.push(entry.code);
        out.push(u8::from(entry.name.is_some()));
        if let Some(name) = &entry.name {
            put_text(out, name);
        }
        put_signed(out, entry.task);
        put_signed(out, entry.ts_ns.wrapping_sub(before));
        varint::put(out, u64::from(entry.pid));
        varint::put(out, u64::from(entry.tid));
        before = entry.ts_ns;
    });
    put_list(&mut out, &part.attributes, put_attribute);
    put_list(&mut out, &part.batches, |out, one| {
        varint::put(out, u64::from(one.entry));
        varint::put(out, one.key);
        varint::put(out, u64::from(one.position));
        put_option(out, one.size.map(u64::from));
    });
    put_list(&mut out, &part.record_times, |out, one| {
        varint::put(out, u64::from(one.entry));
        put_signed(out, one.event_ns);
        put_signed(out, one.latency_ns);
    });
    out
}

/// What of a part is kept in columns.
pub(super) struct Columns {
    pub(super) key: PartKey,
    pub(super) table: Option<String>,
    pub(super) outcome: String,
    pub(super) host: String,
    pub(super) received_ms: i64,
    pub(super) start_ns: i64,
}

impl Columns {
    /// The part, of which all else is yet to be read.
    fn part(self) -> Part {
        let Self { key, table, outcome, host, received_ms, start_ns } = self;
        Part {
            key,
            table,
            created_ms: 0,
            received_ms,
            start_ns,
            end_ns: 0,
            outcome,
            host,
            stream: None,
            precision: Precision::Nanos,
            is_partial: false,
            shared: 0,
            flags: Vec::new(),
            entries: Vec::new(),
            attributes: Vec::new(),
            batches: Vec::new(),
            record_times: Vec::new(),
            payload: Vec::new(),
        }
    }
}

/// The part, less its payload. `None` where the bytes are damaged or of a later form.
pub(super) fn decode(columns: Columns, bytes: &[u8]) -> Option<Part> {
    let mut part = columns.part();
    let (&[form, bits], mut rest) = bytes.split_first_chunk::<2>()?;
    if form != FORM {
        return None;
    }
    let rest = &mut rest;
    part.precision = if bits & 1 == 1 { Precision::Nanos } else { Precision::Millis };
    part.is_partial = bits & 2 == 2;
    part.created_ms = take_signed(rest)?;
    part.end_ns = part.start_ns.wrapping_add(take_signed(rest)?);
    part.stream = take_option(rest)?;
    part.shared = take_small(rest)?;
    part.flags = take_list(rest, |rest| Some((take_text(rest)?, take_small(rest)?)))?;
    let mut before = part.start_ns;
    part.entries = take_list(rest, |rest| {
        let entry = take_entry(rest, before)?;
        before = entry.ts_ns;
        Some(entry)
    })?;
    part.attributes = take_list(rest, take_attribute)?;
    part.batches = take_list(rest, |rest| {
        Some(Membership {
            entry: take_small(rest)?,
            key: varint::take(rest)?,
            position: take_small(rest)?,
            size: match take_option(rest)? {
                Some(size) => Some(size.try_into().ok()?),
                None => None,
            },
        })
    })?;
    part.record_times = take_list(rest, |rest| {
        Some(RecordTime {
            entry: take_small(rest)?,
            event_ns: take_signed(rest)?,
            latency_ns: take_signed(rest)?,
        })
    })?;
    rest.is_empty().then_some(part)
}

fn take_entry(rest: &mut &[u8], before_ns: i64) -> Option<Entry> {
    Some(Entry {
        code: take_byte(rest)?,
        name: match take_byte(rest)? {
            0 => None,
            _ => Some(take_text(rest)?),
        },
        task: take_signed(rest)?,
        ts_ns: before_ns.wrapping_add(take_signed(rest)?),
        pid: take_small(rest)?,
        tid: take_small(rest)?,
    })
}

fn put_attribute(out: &mut Vec<u8>, one: &Attribute) {
    varint::put(out, u64::from(one.entry));
    put_text(out, &one.name);
    match &one.value {
        AttributeValue::Unsigned(number) => {
            out.push(0);
            varint::put(out, *number);
        }
        AttributeValue::Signed(number) => {
            out.push(1);
            put_signed(out, *number);
        }
        AttributeValue::Text(text) => {
            out.push(2);
            put_text(out, text);
        }
    }
}

fn take_attribute(rest: &mut &[u8]) -> Option<Attribute> {
    Some(Attribute {
        entry: take_small(rest)?,
        name: take_text(rest)?,
        value: match take_byte(rest)? {
            0 => AttributeValue::Unsigned(varint::take(rest)?),
            1 => AttributeValue::Signed(take_signed(rest)?),
            2 => AttributeValue::Text(take_text(rest)?),
            _ => return None,
        },
    })
}

fn put_list<T>(out: &mut Vec<u8>, all: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    varint::put(out, all.len() as u64);
    all.iter().for_each(|one| put(out, one));
}

fn take_list<T>(rest: &mut &[u8], mut take: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    // Every element is a byte at least: a damaged count asks for no memory.
    let count: usize = take_small(rest)?;
    (count <= rest.len()).then_some(())?;
    (0..count).map(|_| take(rest)).collect()
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length: usize = take_small(rest)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

fn put_option(out: &mut Vec<u8>, number: Option<u64>) {
    out.push(u8::from(number.is_some()));
    if let Some(number) = number {
        varint::put(out, number);
    }
}

#[expect(clippy::option_option, reason = "the outer one is damage, the inner one a value")]
fn take_option(rest: &mut &[u8]) -> Option<Option<u64>> {
    match take_byte(rest)? {
        0 => Some(None),
        _ => varint::take(rest).map(Some),
    }
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    varint::put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn take_signed(rest: &mut &[u8]) -> Option<i64> {
    let folded = varint::take(rest)?;
    Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
}

fn take_small<T: TryFrom<u64>>(rest: &mut &[u8]) -> Option<T> {
    varint::take(rest)?.try_into().ok()
}

pub(super) fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(numbers: &[i64], text: &str) -> Part {
        let at = |index: usize| numbers.get(index % numbers.len().max(1)).copied().unwrap_or(0);
        let entry = |index: usize| Entry {
            code: index as u8,
            name: (index % 2 == 1).then(|| text.to_owned()),
            task: at(index),
            ts_ns: at(index + 1),
            pid: at(index) as u32,
            tid: 7,
        };
        let value = |index: usize| match index % 3 {
            0 => AttributeValue::Unsigned(at(index).cast_unsigned()),
            1 => AttributeValue::Signed(at(index)),
            _ => AttributeValue::Text(text.to_owned()),
        };
        Part {
            key: PartKey { job: text.to_owned(), trace_id: 1, sink_task: 2, branch: 3 },
            table: None,
            created_ms: at(0),
            received_ms: at(1),
            start_ns: at(2),
            end_ns: at(3),
            outcome: "written".to_owned(),
            host: text.to_owned(),
            stream: (at(4) > 0).then(|| at(4).cast_unsigned()),
            precision: if at(5) > 0 { Precision::Nanos } else { Precision::Millis },
            is_partial: at(6) > 0,
            shared: at(7) as u16,
            flags: vec![(text.to_owned(), at(8) as u32)],
            entries: (0..numbers.len()).map(entry).collect(),
            attributes: (0..numbers.len())
                .map(|index| Attribute { entry: index as u16, name: text.to_owned(), value: value(index) })
                .collect(),
            batches: vec![Membership {
                entry: 1,
                key: at(9).cast_unsigned(),
                position: 4,
                size: (at(1) > 0).then_some(9),
            }],
            record_times: vec![RecordTime { entry: 3, event_ns: at(2), latency_ns: at(3) }],
            payload: Vec::new(),
        }
    }

    fn columns(part: &Part) -> Columns {
        let Part { key, table, received_ms, start_ns, outcome, host, .. } = part.clone();
        Columns { key, table, outcome, host, received_ms, start_ns }
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(numbers in proptest::collection::vec(any::<i64>(), 0..12), text in ".{0,9}") {
            let part = part(&numbers, &text);
            let bytes = encode(&part);
            prop_assert_eq!(decode(columns(&part), &bytes), Some(part.clone()));
            prop_assert_eq!(decode(columns(&part), &bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(decode(columns(&part), &[&bytes[..], &[0]].concat()), None);
        }

        #[test]
        fn damage_is_told_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let bytes = [&[FORM][..], &bytes].concat();
            let _ = decode(columns(&part(&[], "")), &bytes);
        }
    }
}
