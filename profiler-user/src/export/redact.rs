//! What a server said, fit to be shown and kept: without our token, which it may have sent back, and without what looks like a secret of anybody else's. Pure.

use hyper::HeaderMap;

/// What stands where a secret was.
const MARK: &str = "[redacted]";

/// What a secret is called in headers and bodies. A name may have more before it: `x-seatunnel-token`, `set-cookie`.
const NAMES: [&str; 9] =
    ["authorization", "cookie", "token", "api-key", "api_key", "apikey", "password", "passwd", "secret"];

/// Words before a secret in `authorization`, and elsewhere.
const SCHEMES: [&str; 2] = ["bearer ", "basic "];

/// See the module.
#[derive(Clone, Default)]
pub struct Redaction {
    /// Our secrets in each form in which a server may send them back, the longest first.
    secrets: Vec<String>,
}

impl Redaction {
    /// Of the headers that are marked as sensitive.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        let mut secrets = Vec::new();
        for text in sensitive.filter_map(|value| value.to_str().ok()) {
            let token = text.strip_prefix("Bearer ").unwrap_or(text);
            let quoted = serde_json::Value::from(token).to_string();
            let escaped = quoted.trim_matches('"').to_owned();
            secrets.extend([token.to_owned(), escaped, super::percent::of_text(token)]);
        }
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// The text without secrets.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let text = self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MARK));
        // Of the same length, byte for byte.
        let lower = text.to_ascii_lowercase();
        let mut clean = String::with_capacity(text.len());
        let mut at = 0;
        while let Some((start, end)) = next_secret(&lower, at) {
            clean.push_str(text.get(at..start).unwrap_or_default());
            clean.push_str(MARK);
            at = end;
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        clean
    }
}

/// Where the next secret lies that its name or scheme gives away. The text is in small letters.
fn next_secret(text: &str, from: usize) -> Option<(usize, usize)> {
    let rest = text.get(from..)?;
    let named = NAMES.iter().flat_map(|name| rest.match_indices(name)).filter_map(|(at, name)| {
        let begin = value_behind(rest, at + name.len())?;
        // These have more than one word.
        let is_line = matches!(name, "authorization" | "cookie");
        value(rest, begin, is_line)
    });
    let schemed = SCHEMES.iter().flat_map(|scheme| rest.match_indices(scheme)).filter_map(|(at, scheme)| {
        let (begin, end) = value(rest, at + scheme.len(), false)?;
        // A word of a sentence is no secret: `bearer token required`.
        let word = rest.get(begin..end)?;
        (word.len() >= 8 && !word.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some((begin, end))
    });
    let (begin, end) = named.chain(schemed).min()?;
    Some((from + begin, from + end))
}

/// Where the value begins behind a name: `name: ..`, `name=..`, `"name": "..`.
fn value_behind(text: &str, at: usize) -> Option<usize> {
    let behind = text.get(at..)?.trim_start_matches(['"', '\'', '\\', ' ']);
    let behind = behind.strip_prefix([':', '='])?.trim_start_matches(['"', '\'', '\\', ' ']);
    Some(text.len() - behind.len())
}

/// From there to the end of the word, or of the line. `None` when there is none, or it was redacted before.
fn value(text: &str, begin: usize, is_line: bool) -> Option<(usize, usize)> {
    let rest = text.get(begin..)?;
    let ends = |c: char| match c {
        '"' | '\n' | '\r' | '<' => true,
        _ => !is_line && (c.is_whitespace() || matches!(c, '\'' | ',' | ';' | '&' | '}' | ']' | ')')),
    };
    let length = rest.find(ends).unwrap_or(rest.len());
    (length > 0 && !rest.starts_with(MARK)).then_some((begin, begin + length))
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, Redaction};
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn redaction(token: &str) -> Redaction {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_static("stain"));
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        value.set_sensitive(true);
        headers.insert("authorization", value);
        Redaction::of(&headers)
    }

    #[test]
    fn our_token_is_not_shown_in_any_form() {
        let redaction = redaction("s3/cr\"et");
        for said in ["s3/cr\"et", "{\"got\":\"s3/cr\\\"et\"}", "x=s3%2Fcr%22et", "as3/cr\"etb"] {
            let shown = redaction.clean(said);
            assert!(shown.contains("[redacted]") && !shown.contains("s3"), "{shown}");
        }
        assert_eq!(redaction.clean("stain: no such job"), "stain: no such job");
    }

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        for (said, shown) in [
            ("Authorization: Bearer abc def\nHost: h", "Authorization: [redacted]\nHost: h"),
            ("X-SeaTunnel-Token: abc\r\nHost: h", "X-SeaTunnel-Token: [redacted]\r\nHost: h"),
            ("Set-Cookie: a=b; c=d", "Set-Cookie: [redacted]"),
            ("{\"token\": \"abc\", \"job\": 1}", "{\"token\": \"[redacted]\", \"job\": 1}"),
            ("?password=abc&x=1", "?password=[redacted]&x=1"),
            ("api-key = abc, secret='d e'", "api-key = [redacted], secret='[redacted] e'"),
            ("wrong bearer eyJ0eXAi.x", "wrong bearer [redacted]"),
            ("bearer token required; basic authentication", "bearer token required; basic authentication"),
            ("token: \n", "token: \n"),
            ("no such job", "no such job"),
        ] {
            assert_eq!(Redaction::default().clean(said), shown);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_or_shows_the_token(text in "(token|cookie|bearer |:|=|\"|\u{e4}|s3cr3t| |\n|.){0,40}") {
            let shown = redaction("s3cr3t").clean(&text);
            prop_assert!(!shown.contains("s3cr3t"), "{}", shown);
        }
    }
}
