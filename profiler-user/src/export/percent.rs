//! Bytes as `%XX`, as in URLs and in messages of gRPC. Pure.

use std::fmt::Write as _;

/// Reads `%XX` as the byte that it stands for. `None` when a percent sign has no two hexadecimal digits behind it, or what comes of it is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = behind.split_first_chunk::<2>()?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(digits[0])? << 4 | digit(digits[1])?).to_le_bytes()[0]);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

/// Writes every byte as `%XX` that a path of a URL cannot hold as it is (RFC 3986, `pchar` and `/`). What is written so already stays.
pub(super) fn of_path(path: &str) -> String {
    encode(path, |byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte))
}

/// Writes every byte as `%XX` but letters, digits and `-._~`.
pub(crate) fn of_text(text: &str) -> String {
    encode(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn encode(text: &str, stays: impl Fn(u8) -> bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if stays(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::{decode, of_path, of_text};
    use proptest::prelude::*;

    #[test]
    fn bytes_are_read_and_written() {
        assert_eq!(decode("a%20b%2fc").as_deref(), Some("a b/c"));
        for wrong in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
        assert_eq!(of_path("/a b%2Fc/\u{e4}?#"), "/a%20b%2Fc/%C3%A4%3F%23");
        assert_eq!(of_text("a/%\u{e4}"), "a%2F%25%C3%A4");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in ".{0,60}") {
            prop_assert_eq!(decode(&of_text(&text)), Some(text.clone()));
            let path = of_path(&text);
            prop_assert_eq!(of_path(&path), path.clone());
            prop_assert!(format!("/{path}").parse::<hyper::Uri>().is_ok(), "{}", path);
        }
    }
}
