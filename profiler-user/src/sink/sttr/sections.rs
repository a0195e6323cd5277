//! What follows the entries of a payload with nanoseconds: sections of tag, length and body. Most traces have none.

use bytes::BufMut;
use profiler_common::Outcome;

use super::DecodeError;
use super::read::Reader;
use crate::trace::{Attribute, AttributeValue, Membership, RecordTime, Trace};

/// Bytes of a section before its body: tag and length.
const HEADER: usize = 5;
/// Bytes of one batch membership.
const BATCH: usize = 18;
/// Bytes of one record time.
const TIME: usize = 18;
/// Bytes of an attribute before its value.
const ATTRIBUTE: usize = 5;

/// Batch sizes that were not known.
const SIZE_UNKNOWN: u32 = u32::MAX;

const OUTCOME: u8 = 1;
const ATTRIBUTES: u8 = 2;
const BATCHES: u8 = 3;
const TIMES: u8 = 4;

const UNSIGNED: u8 = 1;
const SIGNED: u8 = 2;
const WORD: u8 = 3;
const TEXT: u8 = 4;

/// One section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its tag; any number.
    pub tag: u8,
    /// What it holds.
    pub body: &'a [u8],
}

/// What a section of a known tag holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionKind<'a> {
    /// The name of an outcome of the spec's own.
    Outcome(&'a str),
    /// What was read of the record.
    Attributes(Vec<Attribute>),
    /// The batches that the record was put into.
    Batches(Vec<Membership>),
    /// The record's own times.
    Times(Vec<RecordTime>),
    /// A tag that this program does not know.
    Unknown,
}

/// All sections of a payload, found to be well formed as far as tags and lengths go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sections<'a>(&'a [u8]);

impl<'a> Sections<'a> {
    pub(super) fn check(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        while !reader.rest().is_empty() {
            next(&mut reader)?;
        }
        Ok(Self(bytes))
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Section<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || next(&mut reader).ok())
    }
}

fn next<'a>(reader: &mut Reader<'a>) -> Result<Section<'a>, DecodeError> {
    let tag = reader.u8("a section")?;
    let length = reader.u32("a section")?;
    let body = reader.bytes(usize::try_from(length).unwrap_or(usize::MAX), "a section's body")?;
    Ok(Section { tag, body })
}

impl<'a> Section<'a> {
    /// What it holds.
    ///
    /// # Errors
    /// When its tag is known and its body is not what sections of that tag hold.
    pub fn kind(&self) -> Result<SectionKind<'a>, DecodeError> {
        let Self { tag, body } = *self;
        let kind = match tag {
            OUTCOME => std::str::from_utf8(body).ok().map(SectionKind::Outcome),
            ATTRIBUTES => all(body, attribute).map(SectionKind::Attributes),
            BATCHES => all(body, membership).map(SectionKind::Batches),
            TIMES => all(body, record_time).map(SectionKind::Times),
            _ => Some(SectionKind::Unknown),
        };
        kind.ok_or(DecodeError::Section { tag })
    }
}

fn all<T>(body: &[u8], one: fn(&mut Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut reader = Reader::new(body);
    let mut values = Vec::new();
    while !reader.rest().is_empty() {
        values.push(one(&mut reader)?);
    }
    Some(values)
}

fn attribute(reader: &mut Reader<'_>) -> Option<Attribute> {
    let stamp = usize::from(reader.u16("").ok()?);
    let index = usize::from(reader.u16("").ok()?);
    let kind = reader.u8("").ok()?;
    let value = match kind {
        UNSIGNED => AttributeValue::Unsigned(reader.u64("").ok()?),
        SIGNED => AttributeValue::Signed(reader.i64("").ok()?),
        WORD | TEXT => {
            let length = usize::from(reader.u16("").ok()?);
            let text = std::str::from_utf8(reader.bytes(length, "").ok()?).ok()?.into();
            if kind == WORD { AttributeValue::Word(text) } else { AttributeValue::Text(text) }
        }
        _ => return None,
    };
    Some(Attribute { stamp, index, value })
}

fn membership(reader: &mut Reader<'_>) -> Option<Membership> {
    Some(Membership {
        stamp: usize::from(reader.u16("").ok()?),
        key: reader.u64("").ok()?,
        position: reader.u32("").ok()?,
        size: Some(reader.u32("").ok()?).filter(|size| *size != SIZE_UNKNOWN),
    })
}

fn record_time(reader: &mut Reader<'_>) -> Option<RecordTime> {
    Some(RecordTime {
        stamp: usize::from(reader.u16("").ok()?),
        event_ns: reader.i64("").ok()?,
        latency_ns: reader.i64("").ok()?,
    })
}

/// Bytes of a text as it is written: no longer than its length field can say.
fn clipped(text: &str) -> &[u8] {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.as_bytes().get(..end).unwrap_or_default()
}

fn attribute_length(attribute: &Attribute) -> usize {
    ATTRIBUTE
        + match &attribute.value {
            AttributeValue::Unsigned(_) | AttributeValue::Signed(_) => 8,
            AttributeValue::Word(text) | AttributeValue::Text(text) => 2 + clipped(text).len(),
        }
}

/// What the sections of one payload hold, those of unknown tags apart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents<'a> {
    /// The name of an outcome of the spec's own; empty for the others.
    pub(super) outcome: &'a str,
    pub(super) attributes: &'a [Attribute],
    pub(super) batches: &'a [Membership],
    pub(super) times: &'a [RecordTime],
}

impl<'a> Contents<'a> {
    pub(super) fn of(trace: &'a Trace, outcomes: &'a [String]) -> Self {
        let outcome = match trace.outcome {
            Outcome::Named(number) => outcomes.get(usize::from(number)).map_or("", String::as_str),
            _ => "",
        };
        let Trace { attributes, batches, record_times: times, .. } = trace;
        Self { outcome, attributes, batches, times }
    }

    /// Bytes that [`Contents::put`] will write.
    pub(super) fn length(&self) -> usize {
        let lengths = [
            self.outcome.len(),
            self.attributes.iter().map(attribute_length).sum(),
            self.batches.len() * BATCH,
            self.times.len() * TIME,
        ];
        lengths.iter().filter(|length| **length > 0).map(|length| length + HEADER).sum()
    }

    /// Appends the sections of what is there.
    pub(super) fn put(&self, out: &mut impl BufMut) {
        let Self { outcome, attributes, batches, times } = *self;
        if begin(out, OUTCOME, outcome.len()) {
            out.put_slice(outcome.as_bytes());
        }
        if begin(out, ATTRIBUTES, attributes.iter().map(attribute_length).sum()) {
            attributes.iter().for_each(|attribute| put_attribute(out, attribute));
        }
        if begin(out, BATCHES, batches.len() * BATCH) {
            for Membership { stamp, key, position, size } in batches {
                put_index(out, *stamp);
                out.put_u64(*key);
                out.put_u32(*position);
                out.put_u32(size.unwrap_or(SIZE_UNKNOWN));
            }
        }
        if begin(out, TIMES, times.len() * TIME) {
            for RecordTime { stamp, event_ns, latency_ns } in times {
                put_index(out, *stamp);
                out.put_i64(*event_ns);
                out.put_i64(*latency_ns);
            }
        }
    }
}

/// Appends a section as it is.
pub(super) fn put_raw(out: &mut impl BufMut, Section { tag, body }: Section<'_>) {
    out.put_u8(tag);
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_slice(body);
}

/// Bytes that [`put_raw`] will write.
pub(super) fn raw_length(body: &[u8]) -> usize {
    HEADER + body.len()
}

fn begin(out: &mut impl BufMut, tag: u8, length: usize) -> bool {
    if length == 0 {
        return false;
    }
    out.put_u8(tag);
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    true
}

fn put_index(out: &mut impl BufMut, index: usize) {
    out.put_u16(u16::try_from(index).unwrap_or(u16::MAX));
}

fn put_attribute(out: &mut impl BufMut, Attribute { stamp, index, value }: &Attribute) {
    put_index(out, *stamp);
    put_index(out, *index);
    match value {
        AttributeValue::Unsigned(number) => {
            out.put_u8(UNSIGNED);
            out.put_u64(*number);
        }
        AttributeValue::Signed(number) => {
            out.put_u8(SIGNED);
            out.put_i64(*number);
        }
        AttributeValue::Word(text) => put_text(out, WORD, text),
        AttributeValue::Text(text) => put_text(out, TEXT, text),
    }
}

fn put_text(out: &mut impl BufMut, kind: u8, text: &str) {
    let bytes = clipped(text);
    out.put_u8(kind);
    out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.put_slice(bytes);
}
