//! What SQL databases are asked by: values that go as parameters, and conditions that every one of them understands.
//!
//! Owns: the conditions of a filter and of a place among pages. Refuses: SQL made of values.

use super::super::model::Part;
use super::{Cursor, Filter, terms};

/// A value of a column or of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A number. Those without a sign are kept by their bits.
    Int(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// None.
    Null,
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(number.cast_signed())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The order of pages.
pub(super) const ORDER: &str = "received_ms DESC, trace_id DESC, sink_task DESC, branch DESC, job DESC";

/// The place of a part in that order.
pub(super) fn cursor(part: &Part) -> Cursor {
    Cursor {
        received_ms: part.received_ms,
        trace_id: part.key.trace_id,
        sink_task: part.key.sink_task,
        branch: part.key.branch,
        job: part.key.job.clone(),
    }
}

/// Conditions, joined by AND, and the values in them.
#[derive(Debug, Default)]
pub(super) struct Where {
    /// What stands behind the table's name.
    pub(super) sql: String,
    /// A value for each question mark.
    pub(super) values: Vec<Value>,
}

impl Where {
    /// A further condition.
    pub(super) fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    /// A further condition, if there is a value for it.
    pub(super) fn and_if(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.and(condition, [value.into()]);
        }
    }

    /// What a filter asks for, of the columns that all databases have. `contains` is how a text is looked for in the terms.
    pub(super) fn of(filter: &Filter, contains: &str) -> Self {
        let mut all = Self::default();
        all.and_if("job = ?", filter.job.as_deref());
        all.and_if("table_id = ?", filter.table.as_deref());
        all.and_if("received_ms >= ?", filter.from_ms);
        all.and_if("received_ms <= ?", filter.to_ms);
        all.and_if("outcome = ?", filter.outcome.as_deref());
        all.and_if("host = ?", filter.host.as_deref());
        all.and_if("duration_ns >= ?", filter.min_duration_ns);
        for term in terms::wanted(filter) {
            all.and(contains, [Value::Text(term)]);
        }
        all
    }

    /// Only what comes after a place in the order of pages.
    pub(super) fn after(&mut self, cursor: &Cursor) {
        // The first condition is a range of an index; a comparison of rows alone is not, to every server.
        self.and("received_ms <= ?", [cursor.received_ms.into()]);
        let place: [Value; 5] = [
            cursor.received_ms.into(),
            cursor.trace_id.into(),
            cursor.sink_task.into(),
            cursor.branch.into(),
            cursor.job.as_str().into(),
        ];
        self.and("(received_ms, trace_id, sink_task, branch, job) < (?, ?, ?, ?, ?)", place);
    }
}
