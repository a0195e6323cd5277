//! What lies beside the stamps of a slot: attributes, the record's own times, batches.

use profiler_common::{Extra, ExtraKind, Handle};

use super::{Slot, StageDecoder, Tables};
use crate::trace::{Attribute, AttributeValue, Membership, RecordTime, Stamp};

/// What the extras of one or more slots come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extras {
    pub(super) batches: Vec<Membership>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) record_times: Vec<RecordTime>,
}

/// Reads the extras of a slot whose stamps lie in these entries. What belongs to no stamp that is shown is left out: also what the one of two ends read that
/// came second, and stages whose own stamp found no room, though the place of the terminal stamp has their number.
pub(super) fn read(slot: &Slot<'_>, tables: &Tables<'_>, stamps: &[(usize, Stamp)]) -> Extras {
    let asked = slot.header.extras as usize;
    let kept = slot.extras.get(..asked).unwrap_or(slot.extras);
    let mark = Handle(slot.header.handle).generation() as u32;
    let mut extras = Extras::default();
    let mut serials = Vec::new();
    for extra in kept.iter().filter(|extra| extra.mark == mark) {
        let at = stamps.iter().position(|(entry, _)| *entry == usize::from(extra.entry));
        if let Some((at, (_, stamp))) = at.and_then(|at| Some((at, stamps.get(at)?)))
            && (is_of_batch(extra) || u32::from(extra.probe) == stamp.probe)
        {
            extras.take(extra, at, stamp, tables, &mut serials);
        }
    }
    extras.attributes.sort_by_key(|attribute| (attribute.stamp, attribute.index));
    extras.record_times.sort_by_key(|time| time.stamp);
    extras
}

/// Whether it is true wherever it was found: the size of a batch is, of which the record is known to be.
fn is_of_batch(extra: &Extra) -> bool {
    ExtraKind::from_code(extra.kind) == Some(ExtraKind::Taken)
}

impl Extras {
    fn take(&mut self, extra: &Extra, at: usize, stamp: &Stamp, tables: &Tables<'_>, serials: &mut Vec<u64>) {
        let decoder = tables.probes.decoder(stamp.stage);
        let Some(kind) = ExtraKind::from_code(extra.kind) else { return };
        match kind {
            ExtraKind::Number | ExtraKind::Text | ExtraKind::Bytes => {
                let (index, value) = (usize::from(extra.index), value(extra, kind, decoder));
                self.attributes.push(Attribute { stamp: at, index, value });
            }
            ExtraKind::RecordTime => self.record_times.extend(record_time(extra, at, stamp, decoder, tables)),
            ExtraKind::Put => {
                serials.push(word(extra, 1));
                self.batches.push(Membership {
                    stamp: at,
                    key: word(extra, 0),
                    position: word(extra, 2) as u32,
                    size: None,
                });
            }
            ExtraKind::Moved => {
                let before = self.batches.last().map_or(0, |batch| batch.position);
                serials.push(word(extra, 1));
                let position = before.saturating_add(word(extra, 2) as u32);
                self.batches.push(Membership { stamp: at, key: word(extra, 0), position, size: None });
            }
            ExtraKind::Taken => {
                let batch = serials.iter().rposition(|serial| *serial == word(extra, 1));
                if let Some(batch) = batch.and_then(|batch| self.batches.get_mut(batch)) {
                    batch.size = Some(word(extra, 2) as u32);
                }
            }
        }
    }

    /// The same for stamps that others come before, `by` of them.
    pub(super) fn moved_by(&mut self, by: usize) {
        self.batches.iter_mut().for_each(|batch| batch.stamp += by);
        self.attributes.iter_mut().for_each(|attribute| attribute.stamp += by);
        self.record_times.iter_mut().for_each(|time| time.stamp += by);
    }

    /// Takes what belongs to the first `stamps` stamps of an ancestor, before what is here.
    pub(super) fn inherit(&mut self, mut from: Self, stamps: usize) {
        from.batches.retain(|batch| batch.stamp < stamps);
        from.attributes.retain(|attribute| attribute.stamp < stamps);
        from.record_times.retain(|time| time.stamp < stamps);
        self.batches.splice(..0, from.batches);
        self.attributes.splice(..0, from.attributes);
        self.record_times.splice(..0, from.record_times);
    }
}

fn value(extra: &Extra, kind: ExtraKind, decoder: Option<&StageDecoder>) -> AttributeValue {
    if kind != ExtraKind::Number {
        let bytes = extra.bytes.get(..usize::from(extra.len)).unwrap_or(&extra.bytes);
        return AttributeValue::Text(String::from_utf8_lossy(bytes).into());
    }
    let number = word(extra, 0);
    let Some(attribute) = decoder.and_then(|decoder| decoder.attributes.get(usize::from(extra.index))) else {
        return AttributeValue::Unsigned(number);
    };
    match attribute.words.iter().find(|(known, _)| *known == number) {
        Some((_, word)) => AttributeValue::Word(word.clone()),
        None if attribute.is_signed => AttributeValue::Signed(number as i64),
        None => AttributeValue::Unsigned(number),
    }
}

/// A time that the record's unit takes out of 64 bits of nanoseconds is no time.
fn record_time(
    extra: &Extra,
    at: usize,
    stamp: &Stamp,
    decoder: Option<&StageDecoder>,
    tables: &Tables<'_>,
) -> Option<RecordTime> {
    let unit_ns = decoder.map_or(1, |decoder| decoder.unit_ns);
    let event_ns = (word(extra, 0) as i64).checked_mul(i64::try_from(unit_ns).ok()?)?;
    let wall_ns = i64::try_from(tables.clock.at(stamp.ts_ns)).ok()?;
    Some(RecordTime { stamp: at, event_ns, latency_ns: wall_ns.checked_sub(event_ns)? })
}

fn word(extra: &Extra, index: usize) -> u64 {
    let (words, _) = extra.bytes.as_chunks::<8>();
    words.get(index).map_or(0, |word| u64::from_ne_bytes(*word))
}
