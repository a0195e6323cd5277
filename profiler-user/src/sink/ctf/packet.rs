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
    /// What earlier files told of events that were discarded. Each file counts from 0: a reader is told how much more a packet says than the one before
    /// it, and of a file's first packet it has nothing to take that from.
    told: u64,
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
        let begin_ns = self.begin_ns(packet, began_ns);
        self.last_ns = begin_ns;
        let start = data.len();
        let context = put_header(data);
        for Event { end_ns, fields } in self.events.drain(..) {
            self.last_ns = self.last_ns.max(end_ns.saturating_sub(began_ns));
            data.put_u32_le(0);
            data.put_u64_le(self.last_ns);
            data.put_slice(self.fields.get(fields).unwrap_or_default());
        }
        self.fields.clear();
        let bits = (data.len() - start) as u64 * 8;
        debug_assert!(bits >= PACKET_HEADER_BITS);
        let times = [begin_ns, self.last_ns];
        let told = [packet.packet, discarded(packet).saturating_sub(self.told)];
        put_context(data.get_mut(context..).unwrap_or_default(), times, bits, told);
        put_entry(index, at, times, bits, told);
    }

    /// A file's first packet: it is empty, as old as the open one, and says that nothing was discarded yet. It is of number `packet.packet`; the open
    /// packet stays open. Of what was told in earlier files, up to `told` in all, this file says nothing.
    pub fn open(
        &mut self,
        packet: &Packet,
        told: u64,
        began_ns: u64,
        data: &mut Vec<u8>,
        index: &mut Vec<u8>,
    ) {
        (self.last_ns, self.told) = (0, told);
        self.last_ns = self.begin_ns(packet, began_ns);
        let (times, numbers) = ([self.last_ns; 2], [packet.packet, 0]);
        let context = put_header(data);
        put_context(data.get_mut(context..).unwrap_or_default(), times, PACKET_HEADER_BITS, numbers);
        put_entry(index, 0, times, PACKET_HEADER_BITS, numbers);
    }

    /// When the open packet begins, on the clock of the file.
    fn begin_ns(&self, packet: &Packet, began_ns: u64) -> u64 {
        let first = self.events.iter().map(|event| event.end_ns).min();
        first.unwrap_or(packet.complete_ns.cast_unsigned()).saturating_sub(began_ns).max(self.last_ns)
    }
}

/// Events that were discarded so far, as far as a packet knows.
#[must_use]
pub fn discarded(packet: &Packet) -> u64 {
    packet.discarded_kernel.saturating_add(packet.discarded_agent)
}

/// Appends a packet's header, and room for its context. Returns where that begins.
fn put_header(data: &mut Vec<u8>) -> usize {
    data.put_u32_le(PACKET_MAGIC);
    data.put_u32_le(STREAM);
    let context = data.len();
    data.put_bytes(0, 48);
    context
}

/// A packet's context: when it begins and ends, its bits, number, and what was discarded.
fn put_context(place: &mut [u8], times: [u64; 2], bits: u64, told: [u64; 2]) {
    let values = times.into_iter().chain([bits, bits]).chain(told);
    for (place, value) in place.chunks_exact_mut(8).zip(values) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

/// A packet's entry in the index.
fn put_entry(index: &mut Vec<u8>, at: u64, [begin_ns, end_ns]: [u64; 2], bits: u64, told: [u64; 2]) {
    let [number, discarded] = told;
    let entry = [at, bits, bits, begin_ns, end_ns, discarded, u64::from(STREAM), 0, number];
    entry.into_iter().for_each(|value| index.put_u64(value));
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
