//! Payloads as text: hexadecimal or base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why a text is no payload's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing is there.
    #[error("there is no payload: the text is empty")]
    Empty,
    /// It has an odd number of hexadecimal digits.
    #[error("the text has {digits} hexadecimal digits, and bytes have two each")]
    OddHex {
        /// How many.
        digits: usize,
    },
    /// It is neither.
    #[error("the text is neither hexadecimal nor base64 ({reason})")]
    Neither {
        /// What base64 lacks.
        reason: String,
    },
}

/// The bytes of a text in hexadecimal digits (with or without 0x) or in standard base64. White space does not matter.
///
/// # Errors
/// When it is neither.
pub fn from_text(text: &str) -> Result<Vec<u8>, TextError> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    if digits.is_empty() {
        return Err(TextError::Empty);
    }
    if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return from_hex(digits);
    }
    STANDARD.decode(&text).map_err(|error| TextError::Neither { reason: error.to_string() })
}

fn from_hex(digits: &str) -> Result<Vec<u8>, TextError> {
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return Err(TextError::OddHex { digits: digits.len() });
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
    // Two digits are below 256.
    let byte = |[high, low]: &[u8; 2]| (digit(*high) << 4 | digit(*low)).to_le_bytes()[0];
    Ok(pairs.iter().map(byte).collect())
}

/// Appends the bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        out.extend(
            [byte >> 4, byte & 15].map(|digit| DIGITS.get(usize::from(digit)).copied().unwrap_or('?')),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{TextError, from_text, to_hex};

    #[test]
    fn both_forms_are_told_apart() {
        for text in ["535454520001", "0x5354 5452\n0001", "U1RUUgAB", " U1RU\nUgAB "] {
            assert_eq!(from_text(text).unwrap(), b"STTR\0\x01", "{text}");
        }
        assert_eq!(from_text(" \n"), Err(TextError::Empty));
        assert_eq!(from_text("0x"), Err(TextError::Empty));
        assert_eq!(from_text("535"), Err(TextError::OddHex { digits: 3 }));
        assert!(matches!(from_text("no-text"), Err(TextError::Neither { .. })));
    }

    #[test]
    fn hexadecimal_is_inverse() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        to_hex(&bytes, &mut text);
        assert_eq!(from_text(&text), Ok(bytes));
    }
}
