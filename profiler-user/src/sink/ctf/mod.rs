//! The Common Trace Format 1.8: what the files of a trace directory hold. Pure.
//!
//! One stream of packets; in a packet, one event a trace, in the order of their ends. A reader wants the times of a stream in order: an event's time is that
//! of the journey's end, never before the one ahead of it; the end itself and every stamp are among its fields. All fields are little-endian and
//! aligned to bytes; the packet index is LTTng's, big-endian.

pub mod metadata;
mod packet;
#[cfg(test)]
mod tests;

pub use packet::{INDEX_HEADER, Packets, discarded};

/// `packet.header.magic`.
const PACKET_MAGIC: u32 = 0xC1FC_1FC1;

/// The only stream's id.
const STREAM: u32 = 0;

/// Bits of packet header and context.
const PACKET_HEADER_BITS: u64 = (4 + 4 + 6 * 8) * 8;
