//! Values that JSON has no exact form for.

use std::fmt;

use profiler_common::StageCode;
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::sink::sttr::{from_text, to_hex};
use crate::trace::BranchPath;

/// A whole number of 64 bits: a string of decimal digits; as input, a number too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Int(pub(super) i64);

impl Serialize for Int {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntVisitor)
    }
}

struct IntVisitor;

impl Visitor<'_> for IntVisitor {
    type Value = Int;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 64 bits, or its digits as a string")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Int, E> {
        Ok(Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Int, E> {
        i64::try_from(value).map(Int).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Int, E> {
        value.parse().map(Int).map_err(|_| E::invalid_value(serde::de::Unexpected::Str(value), &self))
    }
}

/// An address or hash: `0x7f00`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hex(pub(super) u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        u64::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| D::Error::custom(format!("`{text}` is no hexadecimal number of 64 bits")))
    }
}

/// A stage: `S0`, `STAGE_101`; as input, its number too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage(pub(super) u8);

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&StageCode(self.0))
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StageVisitor)
    }
}

struct StageVisitor;

impl Visitor<'_> for StageVisitor {
    type Value = Stage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stage such as \"S0\" or \"STAGE_101\", or its number from 0 to 255")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Stage, E> {
        u8::try_from(value)
            .map(Stage)
            .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Stage, E> {
        let number = value.strip_prefix("STAGE_").and_then(|digits| digits.parse().ok());
        let code = number.or_else(|| StageCode::from_short_name(value).map(|code| code.0));
        code.map(Stage).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(value), &self))
    }
}

/// A branch: `0`, `2.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) BranchPath);

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("`{text}` is no branch such as \"0\" or \"2.1\""));
        if text == "0" {
            return Ok(Self::default());
        }
        let mut path = 0u64;
        for (level, ordinal) in text.split('.').enumerate() {
            // Of a payload of others whatever it says; only the first would be lost.
            let is_told = |ordinal: &u8| level < 8 && (*ordinal > 0 || level > 0);
            let ordinal = ordinal.parse::<u8>().ok().filter(is_told);
            path = path << 8 | u64::from(ordinal.ok_or_else(wrong)?);
        }
        Ok(Self(BranchPath(path)))
    }
}

/// Bytes as hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HexBytes(pub(super) Vec<u8>);

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.0.len() * 2);
        to_hex(&self.0, &mut text);
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A section without a body is one, too.
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        from_text(&text).map(Self).map_err(D::Error::custom)
    }
}
