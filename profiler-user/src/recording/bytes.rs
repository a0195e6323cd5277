//! The primitives of the format: variable-length numbers, strings, and a reader of bytes that can only fail by saying so.

use crate::varint;

/// Appends primitives.
#[derive(Clone, Debug, Default)]
pub(super) struct Put(pub(super) Vec<u8>);

impl Put {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Eight bytes, the lowest first.
    pub(super) fn fixed(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    pub(super) fn number(&mut self, value: u64) {
        varint::put(&mut self.0, value);
    }

    /// A number with a sign: the sign is its lowest bit.
    pub(super) fn signed(&mut self, value: i64) {
        self.number((value << 1 ^ value >> 63).cast_unsigned());
    }

    /// How far `value` is from `from`, whichever way.
    pub(super) fn distance(&mut self, value: u64, from: u64) {
        self.signed(value.wrapping_sub(from).cast_signed());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A string, cut to `most` bytes.
    pub(super) fn text(&mut self, text: &str, most: usize) {
        self.bytes(text.get(..text.floor_char_boundary(most)).unwrap_or_default().as_bytes());
    }

    /// How many, and each.
    pub(super) fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| each(self, item));
    }

    /// An optional number: 0 for none, otherwise one more.
    pub(super) fn option(&mut self, value: Option<u64>) {
        self.u8(u8::from(value.is_some()));
        value.into_iter().for_each(|value| self.number(value));
    }
}

/// Takes primitives off the front. `None` as soon as something is not there or makes no sense.
#[derive(Clone, Debug)]
pub(super) struct Take<'a>(pub(super) &'a [u8]);

impl<'a> Take<'a> {
    pub(super) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn fixed(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*first))
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            // Of the tenth byte one bit is left.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// Whether all was taken.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn distance(&mut self, from: u64) -> Option<u64> {
        Some(from.wrapping_add(self.signed()?.cast_unsigned()))
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A string. What is no UTF-8 is replaced: names come from the target.
    pub(super) fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    /// As many items as are announced. Each takes a byte at least, so that a false number cannot ask for memory that the file does not have.
    pub(super) fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())?;
        (0..count).map(|_| each(self)).collect()
    }

    pub(super) fn option(&mut self) -> Option<Option<u64>> {
        if self.u8()? == 0 { Some(None) } else { self.number().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Put, Take};
    use proptest::prelude::*;

    #[test]
    fn numbers_are_these_bytes() {
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7F]),
            (128, &[0x80, 1]),
            (300, &[0xAC, 2]),
            (u64::MAX, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
        ] {
            let mut put = Put::default();
            put.number(value);
            assert_eq!(put.0, bytes);
        }
        for (value, byte) in [(0, 0), (-1, 1), (1, 2), (-2, 3), (63, 126), (-64, 127)] {
            let mut put = Put::default();
            put.signed(value);
            assert_eq!(put.0, [byte]);
        }
        assert_eq!(Take(&[0xFF; 10]).number(), None);
        assert_eq!(Take(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]).number(), None);
        assert_eq!(Take(&[200, 1, 7]).list(Take::number), None);
    }

    #[test]
    fn strings_are_cut_between_characters() {
        let mut put = Put::default();
        put.text("aäb", 2);
        assert_eq!(put.0, [1, b'a']);
        assert_eq!(Take(&[2, 0xC3, b'x']).text().unwrap(), "\u{fffd}x");
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken(value: u64, signed: i64, from: u64, text in ".{0,40}", option: Option<u64>) {
            let mut put = Put::default();
            put.number(value);
            put.signed(signed);
            put.distance(value, from);
            put.fixed(value);
            put.text(&text, 1000);
            put.option(option);
            put.list(&[value, from], |put, item| put.number(*item));
            let mut take = Take(&put.0);
            prop_assert_eq!((take.number(), take.signed(), take.distance(from), take.fixed()), (Some(value), Some(signed), Some(value), Some(value)));
            prop_assert_eq!((take.text(), take.option(), take.list(Take::number)), (Some(text), Some(option), Some(vec![value, from])));
            prop_assert!(take.0.is_empty());
        }
    }
}
