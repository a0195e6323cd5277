//! Numbers of variable length: seven bits a byte, the lowest first, the top bit says that more follow (LEB128). Protocol buffers, recordings and what the collector
//! stores all write them. Pure.

/// Appends a number.
#[inline]
pub fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Takes a number off the front; `None` where it is cut short or has more than ten bytes.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{put, take};
    use proptest::prelude::*;

    #[test]
    fn what_is_cut_short_or_too_long_is_none() {
        assert_eq!(take(&mut &[][..]), None);
        assert_eq!(take(&mut &[0x80][..]), None);
        assert_eq!(take(&mut &[0x80; 11][..]), None);
    }

    proptest! {
        #[test]
        fn numbers_come_back(number: u64, small in 0u64..300) {
            for number in [number, small] {
                let mut out = Vec::new();
                put(&mut out, number);
                let mut rest = &out[..];
                prop_assert_eq!((take(&mut rest), rest.len()), (Some(number), 0));
            }
        }
    }
}
