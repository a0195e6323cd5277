//! What may be asked for, as text and as a value. Pure.

use std::fmt;

use profiler_common::limits::MAX_BUDGET;

use crate::spec::{Level, MAX_STAGES, ParseError};

/// Longest request, in bytes, its line feed not counted.
pub const MAX_REQUEST_BYTES: usize = 128;

/// Largest rate; a spec's is the same.
const MAX_RATE: u64 = i64::MAX.cast_unsigned();

/// What a session can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// How it stands.
    Status,
    /// Sample one record in so many from now on; 0: none.
    Rate(u64),
    /// Begin at most so many traces a second from now on; 0: no bound.
    Budget(u32),
    /// Probe the stages of this level and of those before it.
    Level(Level),
    /// Probe this stage, by its number in the spec from 0, no longer; or again.
    Stage(usize, bool),
    /// Begin no trace.
    Pause,
    /// Begin traces again.
    Resume,
    /// End the session.
    Detach,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status"),
            Self::Rate(rate) => write!(f, "rate {rate}"),
            Self::Budget(budget) => write!(f, "budget {budget}"),
            Self::Level(level) => write!(f, "level {level}"),
            Self::Stage(stage, on) => write!(f, "stage {stage} {}", if *on { "on" } else { "off" }),
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Detach => f.write_str("detach"),
        }
    }
}

impl Request {
    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// A sentence for who sent it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() > MAX_REQUEST_BYTES {
            return Err(too_long());
        }
        let text = std::str::from_utf8(line)
            .ok()
            .filter(|text| text.chars().all(|c| c.is_ascii_graphic() || c.is_ascii_whitespace()))
            .ok_or("the request is not plain text; send a line such as `status`")?;
        let mut words = text.split_ascii_whitespace();
        let Some(word) = words.next() else {
            return Err("the request is empty; send a line such as `status`".to_owned());
        };
        let request = match word {
            "status" => Self::Status,
            "rate" => Self::Rate(number(word, words.next(), MAX_RATE, "0 samples nothing")?),
            "budget" => Self::Budget(number(word, words.next(), MAX_BUDGET, "0 means no bound")?),
            "level" => Self::Level(level(words.next())?),
            "stage" => stage(words.next(), words.next())?,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "detach" => Self::Detach,
            other => {
                return Err(format!(
                    "there is no request `{other}`; there are status, rate N, budget N, level L, stage N on|off, pause, resume and detach"
                ));
            }
        };
        match words.next() {
            None => Ok(request),
            Some(more) => Err(format!("`{more}` is one word too many after `{request}`")),
        }
    }
}

/// What a line that is too long is answered.
pub(super) fn too_long() -> String {
    format!("the request is longer than {MAX_REQUEST_BYTES} bytes; send a line such as `status`")
}

fn level(word: Option<&str>) -> Result<Level, String> {
    let word = word.ok_or(r#"`level` takes "info", "debug" or "trace"; none is given"#)?;
    word.parse().map_err(|error: ParseError| error.message)
}

fn stage(stage: Option<&str>, state: Option<&str>) -> Result<Request, String> {
    let stage = number("stage", stage, MAX_STAGES - 1, "`status` lists them")?;
    match state {
        Some("on") => Ok(Request::Stage(stage, true)),
        Some("off") => Ok(Request::Stage(stage, false)),
        Some(other) => Err(format!("`stage {stage}` is followed by `on` or `off`; `{other}` is neither")),
        None => Err(format!("`stage {stage}` is followed by `on` or `off`; none is given")),
    }
}

fn number<T>(what: &str, word: Option<&str>, most: T, zero: &str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display + Copy,
{
    let wanted = format!("`{what}` takes a whole number from 0 to {most}; {zero}");
    let word = word.ok_or_else(|| format!("{wanted}; none is given"))?;
    // Digits only: no sign, as a shell user would expect.
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = word.parse().ok().filter(|number| digits && *number <= most);
    parsed.ok_or_else(|| format!("{wanted}; `{word}` is none"))
}

#[cfg(test)]
mod tests {
    use super::{Level, MAX_REQUEST_BYTES, Request};
    use proptest::prelude::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        for request in [
            Request::Status,
            Request::Rate(0),
            Request::Rate(i64::MAX as u64),
            Request::Budget(0),
            Request::Budget(16_777_215),
            Request::Level(Level::Debug),
            Request::Stage(0, false),
            Request::Stage(255, true),
            Request::Pause,
            Request::Resume,
            Request::Detach,
        ] {
            assert_eq!(Request::parse(request.to_string().as_bytes()), Ok(request));
        }
        assert_eq!(Request::parse(b"  rate \t 7 \r"), Ok(Request::Rate(7)));
    }

    #[test]
    fn mistakes_are_answered_with_a_sentence() {
        for (line, words) in [
            (&b""[..], &["empty", "status"][..]),
            (b"   ", &["empty"]),
            (b"stop", &["no request `stop`", "detach"]),
            (b"rate", &["`rate` takes a whole number", "none is given"]),
            (b"rate x", &["`x` is none", "0 samples nothing"]),
            (b"rate -1", &["`-1` is none"]),
            (b"rate +1", &["`+1` is none"]),
            (b"rate 1 2", &["`2` is one word too many after `rate 1`"]),
            (b"rate 9223372036854775808", &["from 0 to 9223372036854775807"]),
            (b"budget 16777216", &["from 0 to 16777215", "0 means no bound"]),
            (b"level", &["`level` takes", "none is given"]),
            (b"level loud", &["there is no level `loud`", "\"debug\""]),
            (b"level debug now", &["`now` is one word too many after `level debug`"]),
            (b"stage", &["`stage` takes a whole number from 0 to 255", "none is given"]),
            (b"stage 256 on", &["`256` is none"]),
            (b"stage 3", &["`on` or `off`; none is given"]),
            (b"stage 3 up", &["`up` is neither"]),
            (b"stage 3 on 4", &["`4` is one word too many after `stage 3 on`"]),
            (b"pause now", &["`now` is one word too many"]),
            (b"sta\0tus", &["not plain text"]),
            (b"\xff\xfe", &["not plain text"]),
        ] {
            let sentence = Request::parse(line).unwrap_err();
            for word in words {
                assert!(sentence.contains(word), "{word:?} in {sentence:?}");
            }
        }
        let sentence = Request::parse(&[b'a'; MAX_REQUEST_BYTES + 1]).unwrap_err();
        assert!(sentence.contains("longer than 128 bytes"), "{sentence}");
    }

    proptest! {
        #[test]
        fn any_line_is_handled(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Err(sentence) = Request::parse(&line) {
                prop_assert!(sentence.len() < 400 && !sentence.contains('\n'));
            }
        }

        #[test]
        fn any_number_is_handled(word in "(rate|budget) [0-9+-]{0,30}") {
            let _ = Request::parse(word.as_bytes());
        }
    }
}
