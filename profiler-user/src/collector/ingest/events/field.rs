//! One value of an event, read leniently: a value of the wrong kind makes its event invalid, not the whole body.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::collector::ingest::invalid::Invalid;
use crate::collector::model::MAX_NAME;

/// Bytes of a payload at most: 2048 entries with nanoseconds and as much again.
const MAX_PAYLOAD: usize = 1 << 20;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Field<'a> {
    /// It is not there.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A whole number.
    Int(i128),
    /// A text.
    Text(Cow<'a, str>),
    /// A list of numbers from -128 to 255: bytes, as some senders write them.
    Bytes(Vec<u8>),
    /// Anything else.
    Other,
}

impl<'a> Field<'a> {
    /// Whether it is there and not `null`.
    pub(super) const fn is_there(&self) -> bool {
        !matches!(self, Self::Absent | Self::Null)
    }

    /// A whole number, written as such or in decimal digits.
    pub(super) fn int(&self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(*number),
            // Longer ones are no numbers of 64 bits.
            Self::Text(text) if text.len() <= 20 => {
                text.parse::<i64>().map(i128::from).ok().or_else(|| text.parse::<u64>().map(i128::from).ok())
            }
            _ => None,
        }
    }

    /// A signed number.
    pub(super) fn i64(&self, name: &'static str) -> Result<i64, Invalid> {
        self.int().and_then(|number| i64::try_from(number).ok()).ok_or(Invalid::Number(name))
    }

    /// An unsigned number; 0 where it is not there.
    pub(super) fn u64_or_0(&self, name: &'static str) -> Result<u64, Invalid> {
        if !self.is_there() {
            return Ok(0);
        }
        self.int().and_then(|number| u64::try_from(number).ok()).ok_or(Invalid::Number(name))
    }

    /// A signed number; 0 where it is not there.
    pub(super) fn i64_or_0(&self, name: &'static str) -> Result<i64, Invalid> {
        if self.is_there() { self.i64(name) } else { Ok(0) }
    }

    /// A name; `None` where it is not there.
    pub(super) fn name(&self, of: &'static str) -> Result<Option<String>, Invalid> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Text(text) => fit(text, of).map(Some),
            _ => Err(Invalid::Text(of)),
        }
    }

    /// A job: a name, or a number.
    pub(super) fn job(&self) -> Result<String, Invalid> {
        match self {
            Self::Int(number) => Ok(number.to_string()),
            Self::Text(text) if !text.is_empty() => fit(text, "jobId"),
            _ => Err(Invalid::Job),
        }
    }

    /// A payload's bytes.
    pub(super) fn payload(self) -> Result<Vec<u8>, Invalid> {
        let wrong = |reason: &str| Err(Invalid::PayloadForm(reason.to_owned()));
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Text(text) => {
                STANDARD.decode(text.as_bytes()).map_err(|error| Invalid::PayloadForm(error.to_string()))
            }
            Self::Absent | Self::Null => wrong("there is none"),
            Self::Int(_) | Self::Other => wrong("it is something else"),
        }
    }
}

/// A text as it is stored: no longer than names may be, and without zero characters, which some databases refuse.
pub(in crate::collector::ingest) fn fit(text: &str, of: &'static str) -> Result<String, Invalid> {
    if text.len() > MAX_NAME || text.contains('\0') {
        return Err(Invalid::Text(of));
    }
    Ok(text.to_owned())
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyField)
    }
}

struct AnyField;

impl<'de> Visitor<'de> for AnyField {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Field::Int(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Int(number.into()))
    }

    /// Whole numbers that a writer put as 1.7e12 are exact below 2^53.
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        let is_whole = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
        Ok(if is_whole { Field::Int(number as i128) } else { Field::Other })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Some(Vec::new());
        while let Some(one) = list.next_element::<Byte>()? {
            let room = bytes.take().filter(|bytes| bytes.len() < MAX_PAYLOAD);
            bytes = room.zip(one.0).map(|(mut bytes, byte)| {
                bytes.push(byte);
                bytes
            });
        }
        Ok(bytes.map_or(Field::Other, Field::Bytes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

/// A byte of a list, with or without a sign; `None` is anything else.
struct Byte(Option<u8>);

impl<'de> Deserialize<'de> for Byte {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyByte;
        impl<'de> Visitor<'de> for AnyByte {
            type Value = Byte;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Byte, E> {
                Ok(Byte(u8::try_from(number).ok()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Byte, E> {
                Ok(Byte(i8::try_from(number).ok().map(i8::cast_unsigned)))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Byte, E> {
                Ok(Byte(None))
            }

            fn visit_unit<E>(self) -> Result<Byte, E> {
                Ok(Byte(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Byte, E> {
                Ok(Byte(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Byte, E> {
                Ok(Byte(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Byte, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Byte(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Byte, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Byte(None))
            }
        }
        deserializer.deserialize_any(AnyByte)
    }
}

#[cfg(test)]
mod tests {
    use super::Field;
    use std::borrow::Cow;

    fn read(text: &str) -> Field<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_come_as_numbers_or_as_digits() {
        for (text, number) in [
            ("5", Some(5)),
            ("-5", Some(-5)),
            ("\"9223372036854775807\"", Some(i128::from(i64::MAX))),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("\"18446744073709551615\"", Some(i128::from(u64::MAX))),
            ("1.7e12", Some(1_700_000_000_000)),
            ("1.5", None),
            ("1e300", None),
            ("\"\"", None),
            ("\"0x5\"", None),
            ("\"184467440737095516150\"", None),
            ("null", None),
            ("true", None),
        ] {
            assert_eq!(read(text).int(), number, "{text}");
        }
        assert_eq!(read("-1").u64_or_0("x").unwrap_err().reason(), "number");
        assert_eq!((read("null").u64_or_0("x"), Field::Absent.i64_or_0("x")), (Ok(0), Ok(0)));
    }

    #[test]
    fn bytes_come_as_base64_or_as_numbers() {
        assert_eq!(read("\"U1RU\"").payload(), Ok(b"STT".to_vec()));
        assert_eq!(read("[83,84,-1,255,-128]").payload(), Ok(vec![83, 84, 255, 255, 128]));
        assert_eq!(read("[]").payload(), Ok(vec![]));
        for text in [
            "[256]",
            "[-129]",
            "[1.5]",
            "[null]",
            "[[1]]",
            "[{\"a\":1}]",
            "[\"1\"]",
            "[true]",
            "\"U1R\"",
            "\"_\"",
            "5",
            "null",
            "{\"a\":[]}",
        ] {
            assert_eq!(read(text).payload().unwrap_err().reason(), "payload", "{text}");
        }
    }

    #[test]
    fn names_are_bounded_and_jobs_may_be_numbers() {
        let long = format!("\"{}\"", "a".repeat(257));
        assert!(read(&long).name("x").is_err() && read("\"a\\u0000\"").name("x").is_err());
        assert_eq!(read("\"a\"").name("x"), Ok(Some("a".to_owned())));
        assert_eq!((read("null").name("x"), read("1").name("x").is_err()), (Ok(None), true));
        assert_eq!((read("7").job(), read("\"7\"").job()), (Ok("7".to_owned()), Ok("7".to_owned())));
        assert!(read("\"\"").job().is_err() && read("null").job().is_err() && read("[1]").job().is_err());
        assert_eq!(read("\"a\""), Field::Text(Cow::Borrowed("a")));
    }
}
