//! What is read of a record at a stage, in the spec's words and by the truth log.

use serde_json::{Value, json};

use crate::truth::Row;

/// Bytes that are kept of a string.
const KEPT: usize = 64;

/// An attribute, or the record's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// `table`: a string up to its NUL, of so many bytes at most.
    Table(usize),
    /// `exact`: the same string by pointer and length.
    Exact,
    /// `status`: a signed number.
    Status,
    /// `word`: the same number, and a word for some of its values.
    Word,
    /// `uid`: source and number in one.
    Uid,
    /// The record's own time in milliseconds.
    TimeMs,
    /// The record's own time in nanoseconds.
    TimeNs,
}

impl Read {
    /// Its line in a stage's table.
    #[must_use]
    pub fn line(self) -> String {
        match self {
            Self::Table(max) => format!("attr.table = \"str({{object}}+72, {max})\"\n"),
            Self::Exact => "attr.exact = \"str(*(u64*)({object}+64), *(u32*)({object}+60))\"\n".to_owned(),
            Self::Status => "attr.status = \"*(i32*)({object}+56)\"\n".to_owned(),
            Self::Word => "attr.word = { value = \"*(i32*)({object}+56)\", names = { \"0\" = \"ok\", \"5\" = \"bad\", \"-1\" = \"unknown\" } }\n".to_owned(),
            Self::Uid => "attr.uid = \"*(u64*)({object}+24)\"\n".to_owned(),
            Self::TimeMs => "event_time = \"*(i64*)({object}+40)\"\n".to_owned(),
            Self::TimeNs => "event_time = \"*(i64*)({object}+48)\"\nevent_time_unit = \"ns\"\n".to_owned(),
        }
    }

    /// Whether it is the record's own time.
    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(self, Self::TimeMs | Self::TimeNs)
    }

    /// Name and value of the attribute in a report; `None` for a time.
    #[must_use]
    pub fn value(self, row: &Row) -> Option<(String, Value)> {
        let number = row.more.number;
        let (name, value) = match self {
            Self::Table(max) => ("table", json!(text(row, max))),
            Self::Exact => ("exact", json!(text(row, KEPT))),
            Self::Status => ("status", json!(number)),
            Self::Word => ("word", word(number).map_or(json!(number), |word| json!(word))),
            Self::Uid => ("uid", json!(u64::from(row.source) << 40 | row.seq)),
            Self::TimeMs | Self::TimeNs => return None,
        };
        Some((name.to_owned(), value))
    }
}

fn word(number: i64) -> Option<&'static str> {
    match number {
        0 => Some("ok"),
        5 => Some("bad"),
        -1 => Some("unknown"),
        _ => None,
    }
}

fn text(row: &Row, max: usize) -> String {
    let bytes = row.more.text;
    let bytes = bytes.iter().take(max.min(KEPT)).take_while(|byte| **byte != 0).copied();
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}
