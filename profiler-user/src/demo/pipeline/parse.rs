//! A line of a web server's log, in the combined format, to its fields.

use super::record::Request;

/// `None` for a line in another format.
pub(super) fn parse(line: &str) -> Option<Request> {
    // client - user [time] "method path version" status bytes "referrer" "agent"
    let mut parts = line.split('"');
    let (head, request, numbers) = (parts.next()?, parts.next()?, parts.next()?);
    let (_referrer, _blank, agent) = (parts.next()?, parts.next()?, parts.next()?);
    let (method, rest) = request.split_once(' ')?;
    let (path, _version) = rest.rsplit_once(' ')?;
    let (status, bytes) = numbers.trim().split_once(' ')?;
    Some(Request {
        client: head.split(' ').next()?.to_owned(),
        method: method.to_owned(),
        path: decode(path),
        status: status.parse().ok()?,
        bytes: bytes.parse().ok()?,
        agent: agent.to_owned(),
    })
}

/// Takes `%20` and the like out of a path.
fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, hex(after)) {
            (b'%', Some((code, after))) => {
                bytes.push(code);
                rest = after;
            }
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<2>()?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [high, low] = digits.map(digit);
    Some((u8::try_from(high? * 16 + low?).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::{Request, decode, parse};

    #[test]
    fn reads_the_combined_format() {
        let line =
            r#"192.0.2.7 - - [20/Nov/2026:10:00:00 +0000] "GET /a%20b?c HTTP/1.1" 200 512 "-" "Mozilla/5.0""#;
        let request = Request {
            client: "192.0.2.7".into(),
            method: "GET".into(),
            path: "/a b?c".into(),
            status: 200,
            bytes: 512,
            agent: "Mozilla/5.0".into(),
        };
        assert_eq!(parse(line), Some(request));
        for line in ["", "\"\"\"\"\"\"", "a \"GET\" 1 2 \"\" \"\"", "a \"GET / x\" 70000 2 \"\" \"\""] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn decodes_what_is_encoded() {
        for (path, decoded) in [("%41%", "A%"), ("%4", "%4"), ("%zz%7e", "%zz~"), ("", "")] {
            assert_eq!(decode(path), decoded);
        }
    }
}
