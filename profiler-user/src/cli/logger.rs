//! The log: to standard error, one line a record. Off unless asked for, save for errors.
//!
//! Owns: the two forms of a line, for people and for programs. Refuses: lines that a record's own line breaks would make.

use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};
use serde::Serialize;
use serde_json::{Map, Value};

use super::args::TextOrJson;
use super::output;

struct Stderr(TextOrJson);

/// Set once, by the one command that runs; a second logger would change nothing.
static LOGGER: OnceLock<Stderr> = OnceLock::new();

/// A record as one object of JSON.
#[derive(Serialize)]
struct Line<'a> {
    /// RFC 3339, in UTC.
    time: String,
    level: String,
    /// All that is said, as people see it.
    message: &'a str,
    /// What is said as `name=value`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
}

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        let is_ours = record.target().starts_with(env!("CARGO_CRATE_NAME"));
        let level = record.level().as_str().to_ascii_lowercase();
        let line = match self.0 {
            TextOrJson::Text => format!("{level}: {}", text.replace(['\n', '\r'], " ")),
            TextOrJson::Json => json(level, &text, if is_ours { fields(&text) } else { Map::new() }),
        };
        output::note(&line);
    }

    fn flush(&self) {}
}

fn json(level: String, message: &str, fields: Map<String, Value>) -> String {
    let time = format!("{:.6}", jiff::Timestamp::now());
    // A line of texts can always be written.
    serde_json::to_string(&Line { time, level, message, fields }).unwrap_or_default()
}

/// The `name=value` of a text that consists of nothing else. A value in quotes ends where the next name begins: it may have quotes in it.
fn fields(text: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((name, behind)) = rest.split_once('=').filter(|(name, _)| is_name(name)) else {
            return Map::new();
        };
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted),
            None => behind.split_once(' ').unwrap_or((behind, "")),
        };
        // The first of two is the program's own; what follows may be somebody else's words.
        fields.entry(name).or_insert_with(|| value.into());
        rest = behind;
    }
    fields
}

fn quoted_value(text: &str) -> (&str, &str) {
    for (at, _) in text.match_indices('"') {
        let (value, behind) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        if behind.is_empty() {
            return (value, "");
        }
        if let Some(next) = behind.strip_prefix(' ')
            && next.split_once('=').is_some_and(|(name, _)| is_name(name))
        {
            return (value, next);
        }
    }
    (text, "")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Shows records of `level` and worse, for people.
pub(super) fn init(level: Option<Level>) {
    init_as(level, TextOrJson::Text);
}

/// The same in this form.
pub(super) fn init_as(level: Option<Level>, form: TextOrJson) {
    if log::set_logger(LOGGER.get_or_init(|| Stderr(form))).is_ok() {
        log::set_max_level(level.map_or(LevelFilter::Error, |level| level.to_level_filter()));
    }
}

/// Says something whatever the level is, in the form of the log.
pub(super) fn say(level: Level, text: &str) {
    match LOGGER.get().map(|logger| logger.0) {
        Some(TextOrJson::Json) => {
            output::note(&json(level.as_str().to_ascii_lowercase(), text, Map::new()));
        }
        _ if level == Level::Error => output::note(&format!("error: {text}")),
        _ => output::note(text),
    }
}

#[cfg(test)]
mod tests {
    use super::{fields, json};
    use serde_json::{Map, Value, json as of};

    #[test]
    fn what_is_said_as_name_and_value_is_told_apart() {
        for (text, expected) in [
            (
                "action=start address=127.0.0.1:1 store=sqlite",
                of!({"action": "start", "address": "127.0.0.1:1", "store": "sqlite"}),
            ),
            ("action=stop reason=\"not in time\"", of!({"action": "stop", "reason": "not in time"})),
            (
                "action=x error=\"no \"such\" table\" rows=3",
                of!({"action": "x", "error": "no \"such\" table", "rows": "3"}),
            ),
            ("action=x error=\"cut", of!({"action": "x", "error": "cut"})),
            ("action=x error=\"\" action=y", of!({"action": "x", "error": ""})),
            ("plain words", of!({})),
            ("two words=1", of!({})),
            ("action=x and more", of!({})),
            ("", of!({})),
        ] {
            assert_eq!(Value::Object(fields(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_line_is_one_object_whatever_is_said() {
        let said = "a \"quote\",\na line break and \u{1}";
        let line = json("warn".to_owned(), said, Map::new());
        assert!(!line.contains('\n'), "{line}");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["level"], &line["message"], &line["fields"]),
            (&"warn".into(), &said.into(), &Value::Null)
        );
        let time = line["time"].as_str().unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
    }
}
