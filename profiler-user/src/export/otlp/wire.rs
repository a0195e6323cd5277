//! Reads protocol buffers: the little of them that answers are made of. Pure, and never panics whatever the bytes are.

use crate::varint;

/// A field's value, as it is on the wire.
pub(super) enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    /// Of a field of bytes.
    pub(super) const fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// Of a field of a number.
    pub(super) const fn number(&self) -> Option<u64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }
}

/// The fields of a message, up to the first that makes no sense.
pub(super) fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Wire<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint::take(&mut bytes)?;
        let value = match tag & 7 {
            0 => Wire::Number(varint::take(&mut bytes)?),
            1 => Wire::Bytes(split(&mut bytes, 8)?),
            2 => {
                let length = usize::try_from(varint::take(&mut bytes)?).ok()?;
                Wire::Bytes(split(&mut bytes, length)?)
            }
            5 => Wire::Bytes(split(&mut bytes, 4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(first)
}

/// The first field of that number that has bytes.
pub(super) fn bytes(message: &[u8], wanted: u64) -> Option<&[u8]> {
    fields(message).find_map(|(field, value)| value.bytes().filter(|_| field == wanted))
}

/// The first field of that number that is a number.
pub(super) fn number(message: &[u8], wanted: u64) -> Option<u64> {
    fields(message).find_map(|(field, value)| value.number().filter(|_| field == wanted))
}
