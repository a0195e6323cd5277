//! Packets of events, and their entries in the index.

use bytes::BufMut;

use super::{PACKET_HEADER_BITS, PACKET_MAGIC, STREAM};
use crate::feed::SessionInfo;
use crate::sink::packet::Packet;
use crate::trace::{Membership, RecordTime, Trace};

/// The header of an index file: magic, version 1.1, bytes of an entry.
pub const INDEX_HEADER: [u8; 16] = [0xC1, 0xF1, 0xDC, 0xC1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 72];

/// An event whose place in the packet is not known yet.
#[derive(Debug)]
struct Event {
    end_ns: u64,
    fields: std::ops::Range<usize>,
}

/// Makes packets.
#[derive(Debug, Default)]
pub struct Packets {
    events: Vec<Event>,
    fields: Vec<u8>,
    /// The time of the last event or packet: none after it is earlier.
    last_ns: u64,
}

impl Packets {
    /// Puts a trace into the open packet.
    pub fn add(&mut self, trace: &Trace, info: &SessionInfo) {
        let from = self.fields.len();
        put_fields(&mut self.fields, trace, info);
        let end_ns = trace.wall_at(trace.end_ns).cast_unsigned();
        self.events.push(Event { end_ns, fields: from..self.fields.len() });
    }

    /// Bytes of the open packet, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.fields.len() + self.events.len() * 12
    }

    /// Closes the packet: appends it to `data` and its entry to `index`, and opens the next. `began_ns` is when the clock begins; `at` is where
    /// in its file the packet begins.
    pub fn finish(
        &mut self,
        packet: &Packet,
        began_ns: u64,
        at: u64,
        data: &mut Vec<u8>,
        index: &mut Vec<u8>,
    ) {
        self.events.sort_by_key(|event| event.end_ns);
        let since = |wall_ns: u64| wall_ns.saturating_sub(began_ns);
        let first = self.events.first().map_or(packet.complete_ns.cast_unsigned(), |event| event.end_ns);
        let begin_ns = since(first).max(self.last_ns);
        self.last_ns = begin_ns;
        let start = data.len();
        data.put_u32_le(PACKET_MAGIC);
        data.put_u32_le(STREAM);
        let context = data.len();
        data.put_bytes(0, 48);
        for Event { end_ns, fields } in self.events.drain(..) {
            self.last_ns = self.last_ns.max(since(end_ns));
            data.put_u32_le(0);
            data.put_u64_le(self.last_ns);
            data.put_slice(self.fields.get(fields).unwrap_or_default());
        }
        self.fields.clear();
        let bits = (data.len() - start) as u64 * 8;
        debug_assert!(bits >= PACKET_HEADER_BITS);
        let discarded = packet.discarded_kernel.saturating_add(packet.discarded_agent);
        let values = [begin_ns, self.last_ns, bits, bits, packet.packet, discarded];
        if let Some(place) = data.get_mut(context..context + 48) {
            place
                .chunks_exact_mut(8)
                .zip(values)
                .for_each(|(place, value)| place.copy_from_slice(&value.to_le_bytes()));
        }
        let entry = [at, bits, bits, begin_ns, self.last_ns, discarded, u64::from(STREAM), 0, packet.packet];
        entry.into_iter().for_each(|value| index.put_u64(value));
    }

    /// The packets to come are of a new file.
    pub fn restart(&mut self) {
        self.last_ns = 0;
    }
}

fn put_fields(out: &mut Vec<u8>, trace: &Trace, info: &SessionInfo) {
    out.put_u64_le(trace.id);
    put_string(out, &trace.branch.to_string());
    out.put_u8(u8::try_from(trace.outcome.code()).unwrap_or(0));
    out.put_u32_le(trace.pid);
    out.put_u64_le(trace.key);
    out.put_u64_le(trace.sequence);
    out.put_i64_le(trace.wall_at(trace.start_ns));
    out.put_i64_le(trace.wall_at(trace.end_ns));
    put_index(out, trace.shared);
    out.put_u32_le(trace.branches);
    put_string(out, &flags(trace));
    put_index(out, trace.stamps.len());
    for stamp in &trace.stamps {
        out.put_u8(stamp.code.0);
        put_index(out, stamp.stage);
        out.put_i64_le(stamp.task_id);
        out.put_u32_le(stamp.pid);
        out.put_u32_le(stamp.tid);
        out.put_u32_le(stamp.cpu);
        out.put_i64_le(trace.wall_at(stamp.ts_ns));
    }
    put_index(out, trace.attributes.len());
    for attribute in &trace.attributes {
        put_index(out, attribute.stamp);
        put_string(out, info.attribute_name(trace, attribute).unwrap_or(""));
        put_string(out, &attribute.value.to_string());
    }
    put_index(out, trace.batches.len());
    for Membership { stamp, key, position, size } in &trace.batches {
        put_index(out, *stamp);
        out.put_u64_le(*key);
        out.put_u32_le(*position);
        out.put_i64_le(size.map_or(-1, i64::from));
    }
    put_index(out, trace.record_times.len());
    for RecordTime { stamp, event_ns, latency_ns } in &trace.record_times {
        put_index(out, *stamp);
        out.put_i64_le(*event_ns);
        out.put_i64_le(*latency_ns);
    }
}

/// A count or index: a trace has at most 2048 stamps, and fewer of all else.
fn put_index(out: &mut Vec<u8>, index: usize) {
    out.put_u16_le(u16::try_from(index).unwrap_or(u16::MAX));
}

/// Ends with a zero, which it therefore cannot hold.
fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.put_u8(0);
}

/// `name=count` of each flag that is not zero.
fn flags(trace: &Trace) -> String {
    let partial = ("partial", u32::from(trace.flags.is_partial));
    let set = trace.flags.named().chain([partial]).filter(|(_, count)| *count > 0);
    set.map(|(name, count)| format!("{name}={count}")).collect::<Vec<_>>().join(" ")
}
