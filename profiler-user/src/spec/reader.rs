//! Typed access to a TOML table: every value with its place, every wrong type and unknown key a mistake.

use toml::de::{DeInteger, DeTable, DeValue};

use super::MAX_PIDS;
use super::code::nearest;
use super::error::quote;
use super::lines::Lines;
use super::locus::{At, Locus, Mistakes};

/// The keys of each table of a spec; the empty name is the file itself.
pub(super) const KEYS: [(&str, &[&str]); 7] = [
    ("", &["target", "sampling", "space", "stage", "export"]),
    ("export", &["url"]),
    ("target", &["pid", "pids", "process", "exe", "container"]),
    (
        "sampling",
        &[
            "mode",
            "rate",
            "sequence",
            "max_traces_per_second",
            "max_entries_per_trace",
            "trace_ttl",
            "max_open_traces",
            "max_keys_per_trace",
            "max_branches_per_trace",
            "max_batches",
            "max_batch_members",
            "max_attributes_per_trace",
        ],
    ),
    (
        "stage",
        &[
            "code",
            "name",
            "point",
            "key",
            "space",
            "also",
            "also_space",
            "scope",
            "empty",
            "branch",
            "batch",
            "batch_space",
            "task",
            "outcome",
            "when",
            "attr",
            "event_time",
            "event_time_unit",
            "ttl",
            "level",
        ],
    ),
    ("space", &["name", "shared"]),
    ("attr", &["value", "names", "level"]),
];

/// Mistakes of one kind that are told of one table at most: a file that is something else altogether has enough of them.
pub(super) const MAX_TOLD: usize = 100;

/// A table that is being read.
pub(super) struct Reader<'a, 'm> {
    pub(super) lines: &'a Lines<'a>,
    pub(super) table: &'a DeTable<'a>,
    /// Where it starts, and its path: `sampling`, `stage[2]`.
    pub(super) locus: Locus,
    pub(super) mistakes: &'m mut Mistakes,
}

impl<'a> Reader<'a, '_> {
    /// Says of each key that `kind` of table does not have.
    pub(super) fn refuse_unknown_keys(&mut self, kind: &str) {
        let known = KEYS.iter().find(|(table, _)| *table == kind).map_or(&[][..], |(_, keys)| keys);
        for key in self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).take(MAX_TOLD) {
            let word = key.get_ref().as_ref();
            let locus = self.lines.locus(&key.span(), self.path(word));
            self.mistakes.wrong(&locus, unknown_key(kind, word, known));
        }
    }

    pub(super) fn value(&self, key: &str) -> Option<(Locus, &'a DeValue<'a>)> {
        let value = self.table.get(key)?;
        Some((self.lines.locus(&value.span(), self.path(key)), value.get_ref()))
    }

    pub(super) fn string(&mut self, key: &str, example: &str) -> Option<At<String>> {
        let (locus, value) = self.value(key)?;
        match value.as_str() {
            Some(text) => Some(At { value: text.to_owned(), locus }),
            None => self.wrong_type(&locus, value, "a string", example),
        }
    }

    pub(super) fn boolean(&mut self, key: &str) -> Option<At<bool>> {
        let (locus, value) = self.value(key)?;
        match value {
            DeValue::Boolean(value) => Some(At { value: *value, locus }),
            other => self.wrong_type(&locus, other, "true or false", &format!("{key} = true")),
        }
    }

    pub(super) fn integer(&mut self, key: &str, example: &str) -> Option<At<i128>> {
        let (locus, value) = self.value(key)?;
        match value {
            DeValue::Integer(number) => self.number(locus, number),
            other => self.wrong_type(&locus, other, "a whole number", example),
        }
    }

    pub(super) fn number(&mut self, locus: Locus, number: &DeInteger<'_>) -> Option<At<i128>> {
        let Ok(value) = i128::from_str_radix(number.as_str(), number.radix()) else {
            self.mistakes.wrong(&locus, format!("{} is far too large a number", quote(number.as_str())));
            return None;
        };
        Some(At { value, locus })
    }

    pub(super) fn integers(&mut self, key: &str, example: &str) -> Option<At<Vec<i128>>> {
        let (locus, value) = self.value(key)?;
        let DeValue::Array(items) = value else {
            return self.wrong_type(&locus, value, "a list of whole numbers", example);
        };
        if items.len() > MAX_PIDS {
            let length = items.len();
            self.mistakes.wrong(
                &locus,
                format!(
                    "the list has {length} members, and at most {MAX_PIDS} are allowed; use process or exe"
                ),
            );
            return None;
        }
        let mut numbers = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = self.lines.locus(&item.span(), format!("{}[{index}]", locus.field));
            let number = match item.get_ref() {
                DeValue::Integer(number) => self.number(at, number),
                other => self.wrong_type(&at, other, "a whole number", example),
            };
            numbers.push(number.map(|number| number.value));
        }
        let value = numbers.into_iter().collect::<Option<_>>()?;
        Some(At { value, locus })
    }

    /// A string that the table must have.
    pub(super) fn required(&mut self, key: &str, example: &str) -> Option<At<String>> {
        self.require(key, example);
        self.string(key, example)
    }

    pub(super) fn require(&mut self, key: &str, example: &str) {
        if !self.table.contains_key(key) {
            let locus = Locus { field: self.path(key), ..self.locus.clone() };
            self.mistakes.missing(&locus, format!("`{key}` is missing; add it, as in {example}"));
        }
    }

    pub(super) fn wrong_type<T>(
        &mut self,
        locus: &Locus,
        found: &DeValue<'_>,
        wanted: &str,
        example: &str,
    ) -> Option<T> {
        let found = kind(found);
        self.mistakes
            .wrong(locus, format!("{found} stands where {wanted} is wanted; write it as in {example}"));
        None
    }

    pub(super) fn path(&self, key: &str) -> String {
        let shown: String = key.chars().take(64).filter(|c| !c.is_control()).collect();
        if self.locus.field.is_empty() { shown } else { format!("{}.{shown}", self.locus.field) }
    }
}

fn unknown_key(kind: &str, word: &str, known: &[&str]) -> String {
    let what = format!("there is no key {} here", quote(word));
    let elsewhere =
        KEYS.iter().find(|(table, keys)| !table.is_empty() && *table != kind && keys.contains(&word));
    match (nearest(word, known.iter().copied()), elsewhere) {
        (Some(near), _) => format!("{what}, did you mean `{near}`?"),
        (None, Some(("export", _))) => format!("{what}; it belongs to an [[export]]"),
        (None, Some((table @ ("stage" | "space"), _))) => format!("{what}; it belongs to a [[{table}]]"),
        (None, Some(("attr", _))) => {
            format!("{what}; it belongs to an attribute, attr.NAME = {{ {word} = .. }}")
        }
        (None, Some((table, _))) => format!("{what}; it belongs to [{table}]"),
        (None, None) => format!("{what}; the keys are {}", known.join(", ")),
    }
}

/// The kind of a value, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
