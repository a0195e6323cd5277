//! What a response of OTLP says besides that the request was taken: `partial_success`. Pure.
//!
//! It tells how many spans were refused, and not which ones: since every span is of some trace, no more than so many traces were hit. They are counted as
//! refused, all of them: what is called sent has surely arrived.

use super::wire::{bytes, number};
use crate::export::courier::{Attempt, Refusal};
use crate::export::http::shown;
use crate::export::redact::Redaction;

/// What requests of traces consist of.
pub(super) const SPANS: &str = "spans";

/// What requests of metrics consist of.
pub(super) const POINTS: &str = "data points";

/// Of a request that was taken. `what` is [`SPANS`] or [`POINTS`]: the responses to both have the same fields.
pub(super) fn attempt(response: &[u8], what: &str, redaction: &Redaction) -> Attempt {
    let Some(partial) = bytes(response, 1) else { return Attempt::Accepted };
    // An int64: less than nothing is nothing.
    let refused = number(partial, 1).filter(|count| count.cast_signed() > 0).unwrap_or(0);
    let message = shown(&String::from_utf8_lossy(bytes(partial, 2).unwrap_or_default()), redaction);
    let colon = if message.is_empty() { "" } else { ": " };
    match refused {
        0 if message.is_empty() => Attempt::Accepted,
        0 => Attempt::Warned { text: format!("it warns: {message}") },
        _ => {
            let reason = format!("it refused {refused} {what}{colon}{message}");
            Attempt::Partly(Refusal { traces: refused, body: None, reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Redaction, Refusal, SPANS, attempt};
    use crate::sink::proto::Message;
    use proptest::prelude::*;

    fn response(refused: Option<i64>, message: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Message(&mut out).nested(1, |partial| {
            if let Some(refused) = refused {
                partial.uint(1, refused.cast_unsigned());
            }
            partial.string(2, message);
        });
        out
    }

    fn of(response: &[u8]) -> Attempt {
        attempt(response, SPANS, &Redaction::default())
    }

    #[test]
    fn refused_spans_and_warnings_are_read() {
        let partly =
            |traces, reason: &str| Attempt::Partly(Refusal { traces, body: None, reason: reason.to_owned() });
        assert_eq!(of(&response(Some(300), "too old")), partly(300, "it refused 300 spans: too old"));
        assert_eq!(of(&response(Some(1), "")), partly(1, "it refused 1 spans"));
        let warned = Attempt::Warned { text: "it warns: use token=[redacted]".to_owned() };
        assert_eq!(of(&response(None, "use token=abc")), warned);
        for nothing in [response(Some(0), ""), response(Some(-3), ""), Vec::new(), b"{}".to_vec()] {
            assert_eq!(of(&nothing), Attempt::Accepted);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = of(&bytes);
        }
    }
}
