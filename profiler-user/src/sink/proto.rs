//! Writes protocol buffers: the few wire types that OTLP uses. Pure, and without a copy of what is written.
//!
//! A writer by hand, since messages are made from traces field by field at ten thousand traces a second: structs of owned strings in between
//! would cost more than all else.

use crate::varint;

/// A message that is being written.
#[derive(Debug)]
pub struct Message<'a>(pub &'a mut Vec<u8>);

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

impl Message<'_> {
    fn tag(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn varint(&mut self, value: u64) {
        varint::put(self.0, value);
    }

    /// A uint32, uint64, int64 (as its bits), bool or enum. Zero is written too: it may be one of several alternatives.
    pub fn uint(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    /// A sint32.
    pub fn sint(&mut self, field: u32, value: i32) {
        self.uint(field, u64::from((value << 1 ^ value >> 31).cast_unsigned()));
    }

    /// A fixed64 or sfixed64 (as its bits).
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A fixed32.
    pub fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A double.
    pub fn double(&mut self, field: u32, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    /// Bytes, or a string.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A string.
    pub fn string(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A string of several parts.
    pub fn parts(&mut self, field: u32, parts: &[&str]) {
        self.tag(field, BYTES);
        self.varint(parts.iter().map(|part| part.len() as u64).sum());
        parts.iter().for_each(|part| self.0.extend_from_slice(part.as_bytes()));
    }

    /// A message within, or packed values. Its length is known when it is written: what is longer than its place for it is moved.
    pub fn nested(&mut self, field: u32, write: impl FnOnce(&mut Message<'_>)) {
        self.tag(field, BYTES);
        let at = self.0.len();
        self.0.push(0);
        write(&mut Message(self.0));
        let length = self.0.len() - at - 1;
        if let (Ok(small @ ..0x80), Some(place)) = (u8::try_from(length), self.0.get_mut(at)) {
            *place = small;
            return;
        }
        let bits = usize::BITS - length.leading_zeros();
        let last = bits.div_ceil(7).saturating_sub(1);
        // Seven bits a byte, all but the last with the bit that says that more follow.
        let byte = |index: u32| (length >> (7 * index)).to_le_bytes()[0];
        let prefix =
            (0..=last).map(|index| if index < last { byte(index) | 0x80 } else { byte(index) & 0x7f });
        self.0.splice(at..=at, prefix);
    }

    /// A value of packed ones, within [`Message::nested`].
    pub fn packed(&mut self, value: u64) {
        self.varint(value);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Message;

    /// A field as it is on the wire.
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) enum Field {
        Varint(u64),
        Fixed64(u64),
        Bytes(Vec<u8>),
        Fixed32(u32),
    }

    /// Reads a message, by the rules of the wire format alone.
    pub(crate) fn read(mut bytes: &[u8]) -> Vec<(u32, Field)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
            let (taken, rest) = bytes.split_at(count);
            *bytes = rest;
            taken
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            let value = match tag & 7 {
                0 => Field::Varint(varint(&mut bytes)),
                1 => Field::Fixed64(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    Field::Bytes(take(&mut bytes, length).to_vec())
                }
                5 => Field::Fixed32(u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap())),
                wire => panic!("wire type {wire}"),
            };
            fields.push(((tag >> 3) as u32, value));
        }
        fields
    }

    #[test]
    fn the_specifications_examples() {
        let mut out = Vec::new();
        let mut message = Message(&mut out);
        message.uint(1, 150);
        message.string(2, "testing");
        message.nested(3, |inner| inner.uint(1, 150));
        message.nested(6, |inner| [3, 270, 86942].into_iter().for_each(|value| inner.packed(value)));
        let expected = [
            0x08, 0x96, 0x01, 0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67, 0x1a, 0x03, 0x08, 0x96,
            0x01, 0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05,
        ];
        assert_eq!(out, expected);
    }

    #[test]
    fn all_wire_types_and_lengths_are_read_back() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            let mut out = Vec::new();
            let mut message = Message(&mut out);
            message
                .nested(15, |inner| inner.nested(16, |inner| inner.0.extend(std::iter::repeat_n(7, length))));
            message.sint(1, -2);
            message.sint(2, i32::MIN);
            message.double(3, 1.5);
            message.fixed32(4, 9);
            message.uint(5, u64::MAX);
            message.parts(6, &["a", "", "bc"]);
            let fields = read(&out);
            let Field::Bytes(outer) = &fields[0].1 else { panic!() };
            assert_eq!(read(outer), [(16, Field::Bytes(vec![7; length]))]);
            assert_eq!(
                fields[1..],
                [
                    (1, Field::Varint(3)),
                    (2, Field::Varint(u32::MAX.into())),
                    (3, Field::Fixed64(1.5f64.to_bits())),
                    (4, Field::Fixed32(9)),
                    (5, Field::Varint(u64::MAX)),
                    (6, Field::Bytes(b"abc".to_vec())),
                ]
            );
        }
    }
}
