//! What a server answered. Pure.

use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;

use crate::export::courier::Attempt;
use crate::export::redact::Redaction;

/// Characters of an answer that messages repeat.
const SHOWN: usize = 200;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// What came behind the body.
    pub trailers: HeaderMap,
    /// The body, up to a bound.
    pub body: Bytes,
}

impl Answer {
    /// A header or trailer, where it is text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).or_else(|| self.headers.get(name))?.to_str().ok()
    }

    /// What the answer means for the batch that was sent. `now_s` is seconds since the Unix epoch; reasons are shown without secrets.
    ///
    /// Those that say that the request came at a bad time (408, 425, 429, 5xx) or that it was the wrong way to send anything at all (401, 403, 404, 405,
    /// 407, redirects) do not speak about the batch: it is kept. All other refusals do.
    #[must_use]
    pub fn attempt(&self, now_s: i64, redaction: &Redaction) -> Attempt {
        let reason = || format!("it answered {}{}", self.status, self.shown(redaction));
        match self.status {
            200..=299 => Attempt::Accepted,
            408 | 425 | 429 | 500..=599 => {
                let after = self.field("retry-after").and_then(|text| retry_after(text, now_s));
                Attempt::Retry { reason: reason(), after }
            }
            300..=399 | 401 | 403 | 404 | 405 | 407 => Attempt::Retry { reason: reason(), after: None },
            _ => Attempt::Rejected { reason: reason() },
        }
    }

    /// The beginning of the body, if it is text.
    fn shown(&self, redaction: &Redaction) -> String {
        let text = shown(&String::from_utf8_lossy(&self.body), redaction);
        if text.is_empty() { String::new() } else { format!(": {text}") }
    }
}

/// What may be shown of what a server said: the beginning, on one line, without secrets.
#[must_use]
pub fn shown(text: &str, redaction: &Redaction) -> String {
    // Secrets first: the beginning of one is to be shown no more than the whole.
    let beginning: String = redaction.clean(text).chars().take(SHOWN).collect();
    let clean: String = beginning.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.trim().to_owned()
}

/// How long a `Retry-After` asks to wait: seconds, or a date.
#[must_use]
pub fn retry_after(text: &str, now_s: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
    Some(Duration::from_secs(u64::try_from(date.saturating_sub(now_s)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Attempt, Redaction, SHOWN, retry_after, shown};
    use bytes::Bytes;
    use hyper::HeaderMap;
    use std::time::Duration;

    fn answer(status: u16, body: &'static str) -> Answer {
        let (headers, trailers) = (HeaderMap::new(), HeaderMap::new());
        Answer { status, headers, trailers, body: Bytes::from(body) }
    }

    #[test]
    fn statuses_decide_about_the_batch() {
        for (status, expected) in [
            (200, "accepted"),
            (204, "accepted"),
            (302, "again"),
            (400, "aside"),
            (401, "again"),
            (404, "again"),
            (409, "aside"),
            (413, "aside"),
            (422, "aside"),
            (429, "again"),
            (500, "again"),
            (503, "again"),
            (100, "aside"),
        ] {
            let found = match answer(status, "").attempt(0, &Redaction::default()) {
                Attempt::Accepted => "accepted",
                Attempt::Retry { .. } => "again",
                Attempt::Rejected { .. } => "aside",
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{status}");
        }
        let Attempt::Rejected { reason } = answer(400, "bad\nbatch ").attempt(0, &Redaction::default())
        else {
            panic!()
        };
        assert_eq!(reason, "it answered 400: bad batch");
    }

    #[test]
    fn a_secret_that_is_said_again_is_not_shown() {
        let mut headers = HeaderMap::new();
        let mut token = hyper::header::HeaderValue::from_static("s3cret-token");
        token.set_sensitive(true);
        headers.insert("x-seatunnel-token", token);
        let redaction = Redaction::of(&headers);
        let echo = answer(401, "{\"headers\":{\"X-Seatunnel-Token\":\"s3cret-token\"},\"cookie\":\"a=b\"}");
        let Attempt::Retry { reason, .. } = echo.attempt(0, &redaction) else { panic!() };
        assert!(
            reason.starts_with("it answered 401: {\"headers\"") && !reason.contains("s3cret"),
            "{reason}"
        );
        assert!(!reason.contains("a=b"), "{reason}");
        // Nor is its beginning where the text is cut.
        let long = format!("{}s3cret-token", "x".repeat(SHOWN - 3));
        assert!(!shown(&long, &redaction).contains("s3c"));
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        for (text, now_s, wait) in [
            ("120", 0, Some(120)),
            (" 0 ", 0, Some(0)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_470, Some(10)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 2_000_000_000, Some(0)),
            ("soon", 0, None),
            ("-1", 0, None),
        ] {
            assert_eq!(retry_after(text, now_s), wait.map(Duration::from_secs), "{text}");
        }
    }
}
