//! Packets read back by the layout of the metadata.

use super::{INDEX_HEADER, PACKET_HEADER_BITS, Packets, metadata};
use crate::sink::packet::Packet;
use crate::sink::testing::{info, rich};
use crate::trace::testing::trace;
use profiler_common::Outcome;

const BEGAN: u64 = 1_700_000_000_000_000_000;

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Begin, end, content bits, packet bits, number, discarded.
fn context(packet: &[u8]) -> [u64; 6] {
    assert_eq!(packet[..4], 0xC1FC_1FC1u32.to_le_bytes());
    std::array::from_fn(|index| u64_at(packet, 8 + index * 8))
}

#[test]
fn packets_have_times_in_order_and_entries_that_fit() {
    let mut packets = Packets::default();
    let (mut data, mut index) = (Vec::new(), INDEX_HEADER.to_vec());
    for end in [900, 300, 600] {
        packets.add(&trace(&format!("S0@100 W!@{end}"), Outcome::Written), &info());
    }
    let first = Packet { count: 3, discarded_kernel: 5, discarded_agent: 2, ..Packet::default() };
    packets.finish(&first, BEGAN, 0, &mut data, &mut index);
    let second_at = data.len();
    let [begin, end, content, size, number, discarded] = context(&data);
    assert_eq!((begin, end, number, discarded), (300, 900, 0, 7));
    assert_eq!((content, size), (second_at as u64 * 8, second_at as u64 * 8));
    // Its end came before that of the last event.
    packets.add(&trace("S0@100 W!@800", Outcome::Written), &info());
    let second = Packet { packet: 1, count: 1, ..Packet::default() };
    packets.finish(&second, BEGAN, second_at as u64, &mut data, &mut index);
    assert_eq!(context(&data[second_at..])[..2], [900, 900]);
    // A beacon is a packet without events.
    let third_at = data.len();
    let complete_ns = (BEGAN + 5000) as i64;
    packets.finish(
        &Packet { packet: 2, complete_ns, ..Packet::default() },
        BEGAN,
        third_at as u64,
        &mut data,
        &mut index,
    );
    assert_eq!(context(&data[third_at..])[..3], [5000, 5000, PACKET_HEADER_BITS]);
    assert_eq!(data.len(), third_at + PACKET_HEADER_BITS as usize / 8);
    assert_eq!(index.len(), 16 + 3 * 72);
    let entry = |number: usize| -> [u64; 9] {
        std::array::from_fn(|field| {
            let at = 16 + number * 72 + field * 8;
            u64::from_be_bytes(index[at..at + 8].try_into().unwrap())
        })
    };
    let bits = second_at as u64 * 8;
    assert_eq!(entry(0), [0, bits, bits, 300, 900, 7, 0, 0, 0]);
    assert_eq!(entry(1)[0], second_at as u64);
    assert_eq!((entry(2)[0], entry(2)[8]), (third_at as u64, 2));
}

#[test]
fn a_file_begins_with_an_empty_packet_and_counts_from_there() {
    let mut packets = Packets::default();
    let (mut data, mut index) = (Vec::new(), Vec::new());
    packets.add(&trace("S0@100 W!@900", Outcome::Written), &info());
    packets.add(&trace("S0@100 W!@300", Outcome::Written), &info());
    let packet =
        Packet { packet: 7, count: 2, discarded_kernel: 30, discarded_agent: 12, ..Packet::default() };
    packets.open(&packet, 40, BEGAN, &mut data, &mut index);
    let bits = PACKET_HEADER_BITS;
    assert_eq!(context(&data), [300, 300, bits, bits, 7, 0]);
    let at = data.len() as u64;
    packets.finish(&Packet { packet: 8, ..packet }, BEGAN, at, &mut data, &mut index);
    let [begin, end, .., number, discarded] = context(&data[at as usize..]);
    assert_eq!((begin, end, number, discarded), (300, 900, 8, 2));
    assert_eq!(index.len(), 2 * 72);
    // An older file is nothing to the next.
    packets.add(&trace("S0@100 W!@200", Outcome::Written), &info());
    data.clear();
    packets.open(&packet, 42, BEGAN, &mut data, &mut index);
    assert_eq!(context(&data), [200, 200, bits, bits, 7, 0]);
}

#[test]
fn an_event_has_the_layout_of_the_metadata() {
    let trace = rich();
    let mut packets = Packets::default();
    packets.add(&trace, &info());
    let (mut data, mut index) = (Vec::new(), Vec::new());
    packets.finish(&Packet { count: 1, ..Packet::default() }, BEGAN, 0, &mut data, &mut index);
    let event = &data[PACKET_HEADER_BITS as usize / 8..];
    assert_eq!(u64_at(event, 4), 7_000_001);
    assert_eq!(u64_at(event, 12), trace.id);
    assert_eq!(&event[20..24], b"2.3\0");
    assert_eq!(event[24], trace.outcome.code() as u8);
    let stamps = 25 + 4 + 8 + 8 + 8 + 8 + 2 + 4;
    let flags = b"entries_dropped=3 batches_dropped=1 partial=1\0";
    assert_eq!(&event[stamps..stamps + flags.len()], flags);
    let stamps = stamps + flags.len();
    assert_eq!(event[stamps..stamps + 2], 5u16.to_le_bytes());
    let second = stamps + 2 + 31;
    assert_eq!((event[second], u64_at(event, second + 3)), (2, u64::MAX));
    let attributes = stamps + 2 + 5 * 31;
    assert_eq!(event[attributes..attributes + 2], 4u16.to_le_bytes());
    let named = b"table\x0018446744073709551615\0";
    assert_eq!(&event[attributes + 4..attributes + 4 + named.len()], named);
}

#[test]
fn the_metadata_names_what_the_spec_names() {
    let mut info = info();
    info.stages[0].name = "a \"quoted\"\nname".to_owned();
    let text = metadata::text(&info, "here", BEGAN + 7);
    for part in [
        "/* CTF 1.8 */",
        "\"0 a \\\"quoted\\\"?name\" = 0",
        "\"5 write\" = 5",
        "\"error_routed\" = 9",
        "\"W!\" = 6",
        "offset_s = 1700000000;",
        "offset = 7;",
        "hostname = \"here\";",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}
