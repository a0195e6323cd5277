//! The clipboard of the user's terminal, also over SSH: the escape sequence OSC 52.

/// Bytes of base64 that common terminals take at once; some take less, none tells.
pub(super) const MAX_BYTES: usize = 74_994;

/// The sequence that puts a text into the clipboard; `None` if it is longer than terminals take.
#[must_use]
pub(super) fn sequence(text: &str) -> Option<String> {
    let encoded = base64(text.as_bytes());
    (encoded.len() <= MAX_BYTES).then(|| format!("\x1b]52;c;{encoded}\x07"))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = (word >> (18 - 6 * place)) as usize & 63;
            text.push(if place <= chunk.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, base64, sequence};

    #[test]
    fn as_in_rfc_4648() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn too_long_is_said() {
        assert_eq!(sequence("{}").as_deref(), Some("\x1b]52;c;e30=\x07"));
        assert!(sequence(&"x".repeat(MAX_BYTES)).is_none());
    }
}
