//! Byte offsets of a text as line and column, and the field that a broken line seems to be about.

use std::ops::Range;
use std::sync::Arc;

use super::error::FilePlace;
use super::locus::Locus;

/// A spec file's text, indexed by line.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    file: Arc<str>,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &str, text: &'a str) -> Self {
        let after_newline = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { file: file.into(), text, starts: std::iter::once(0).chain(after_newline).collect() }
    }

    /// Where a span begins.
    pub(super) fn place(&self, span: &Range<usize>) -> FilePlace {
        let line = self.starts.partition_point(|&start| start <= span.start).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..span.start).unwrap_or("");
        FilePlace { file: self.file.clone(), line, column: before.chars().count() + 1 }
    }

    /// A field at the place where a span begins.
    pub(super) fn locus(&self, span: &Range<usize>, field: impl Into<String>) -> Locus {
        Locus { place: Some(self.place(span)), field: field.into() }
    }

    /// The place of a mistake of TOML itself, with the field guessed from the lines above.
    pub(super) fn guess(&self, span: &Range<usize>) -> Locus {
        let place = self.place(span);
        let field = self.guess_field(place.line);
        Locus { place: Some(place), field }
    }

    fn guess_field(&self, line: usize) -> String {
        let lines: Vec<&str> = self.text.lines().take(line).collect();
        let broken = lines.last().copied().unwrap_or("").trim();
        let key = if broken.starts_with('[') { "" } else { bare_key(broken) };
        match (header(&lines), key) {
            (None, "") => "file".to_owned(),
            (None, key) => key.to_owned(),
            (Some(table), "") => table,
            (Some(table), key) => format!("{table}.{key}"),
        }
    }
}

/// The table that the last of these lines is in.
fn header(lines: &[&str]) -> Option<String> {
    let last = lines.iter().rev().find_map(|line| header_name(line))?;
    let list = lines.iter().filter(|line| line.trim().starts_with("[[") && header_name(line) == Some(last));
    match list.count() {
        0 => Some(last.to_owned()),
        count => Some(format!("{last}[{}]", count - 1)),
    }
}

/// The name between the brackets of a header line.
fn header_name(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[').map(|rest| bare_key(rest.trim_start_matches('[')))
}

/// The bare key that a line starts with; empty when it starts with none.
fn bare_key(line: &str) -> &str {
    let line = line.trim_start();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(line.len());
    line.get(..end).unwrap_or("")
}
