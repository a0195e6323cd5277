//! One connection of MySQL in one transaction.

use async_trait::async_trait;
use mysql_async::Transaction;
use mysql_async::prelude::Queryable as _;

use super::super::relational::{Fault, Put, Row, Session, Table};
use super::super::sql::Value;
use super::error::fault;

/// Numbers of rows or keys of one statement: a few lengths, so that each is prepared once.
const LENGTHS: [usize; 4] = [512, 64, 8, 1];
/// Bytes of one statement, far below what servers take (`max_allowed_packet`, 16 MiB).
const STATEMENT_BYTES: usize = 4 << 20;

/// See the module. Dropped, it goes back to the pool, which takes back what was not committed.
pub(super) struct Connection(Transaction<'static>);

impl Connection {
    /// A transaction that began.
    pub(super) const fn new(transaction: Transaction<'static>) -> Self {
        Self(transaction)
    }

    async fn query(&mut self, sql: &str, values: Vec<mysql_async::Value>) -> Result<Vec<Row>, Fault> {
        let rows: Vec<mysql_async::Row> = self.0.exec(sql, values).await.map_err(|error| fault(&error))?;
        Ok(rows.into_iter().map(row).collect())
    }
}

#[async_trait]
impl Session for Connection {
    async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        self.query(sql, values.iter().map(param).collect()).await
    }

    async fn among(&mut self, sql: &str, column: &str, mut keys: &[Value]) -> Result<Vec<Row>, Fault> {
        let mut found = Vec::new();
        while let Some(last) = keys.last() {
            let enough = LENGTHS.into_iter().filter(|length| *length >= keys.len()).min();
            let length = enough.unwrap_or(LENGTHS[0]);
            let (these, rest) = keys.split_at(length.min(keys.len()));
            // A key that stands there twice finds its row once.
            let padded = these.iter().chain(std::iter::repeat(last)).take(length);
            let sql = format!("{sql} WHERE {column} IN ({})", marks("?", length));
            found.extend(self.query(&sql, padded.map(param).collect()).await?);
            keys = rest;
        }
        Ok(found)
    }

    async fn put(&mut self, table: &Table, mut rows: &[Vec<Value>], how: Put) -> Result<(), Fault> {
        let row = format!("({})", marks("?", table.columns.len()));
        while !rows.is_empty() {
            let (these, rest) = rows.split_at(fitting(rows));
            let sql = insert(table, &marks(&row, these.len()), how);
            self.query(&sql, these.iter().flatten().map(param).collect()).await?;
            rows = rest;
        }
        Ok(())
    }

    async fn batch(&mut self, sql: &str) -> Result<(), Fault> {
        self.0.query_drop(sql).await.map_err(|error| fault(&error))
    }

    async fn commit(self: Box<Self>) -> Result<(), Fault> {
        self.0.commit().await.map_err(|error| fault(&error))
    }
}

fn marks(mark: &str, count: usize) -> String {
    vec![mark; count].join(",")
}

/// How many of these rows, from the first, go into one statement.
fn fitting(rows: &[Vec<Value>]) -> usize {
    let bytes =
        |length: &usize| rows.iter().take(*length).flatten().map(size).sum::<usize>() <= STATEMENT_BYTES;
    let fit = LENGTHS.into_iter().filter(|length| *length <= rows.len()).find(bytes);
    fit.unwrap_or(1)
}

const fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len() + 9,
        Value::Bytes(bytes) => bytes.len() + 9,
        Value::Int(_) | Value::Null => 9,
    }
}

fn insert(table: &Table, rows: &str, how: Put) -> String {
    let insert = format!("INSERT INTO {} ({}) VALUES {rows}", table.name, table.names());
    if how == Put::New {
        return insert;
    }
    let others = table.columns.iter().skip(table.key);
    let set: Vec<_> = others.map(|(name, _)| format!("{name} = VALUES({name})")).collect();
    format!("{insert} ON DUPLICATE KEY UPDATE {}", set.join(", "))
}

fn param(value: &Value) -> mysql_async::Value {
    match value {
        Value::Int(number) => mysql_async::Value::Int(*number),
        Value::Text(text) => mysql_async::Value::Bytes(text.clone().into_bytes()),
        Value::Bytes(bytes) => mysql_async::Value::Bytes(bytes.clone()),
        Value::Null => mysql_async::Value::NULL,
    }
}

fn row(row: mysql_async::Row) -> Row {
    let value = |value| match value {
        mysql_async::Value::Bytes(bytes) => Value::Bytes(bytes),
        mysql_async::Value::Int(number) => Value::Int(number),
        mysql_async::Value::UInt(number) => number.into(),
        _ => Value::Null,
    };
    Row::new(row.unwrap().into_iter().map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_stay_small() {
        let rows = |count: usize, bytes: usize| vec![vec![Value::Bytes(vec![0; bytes])]; count];
        assert_eq!(fitting(&rows(1000, 10)), 512);
        assert_eq!(fitting(&rows(70, 10)), 64);
        assert_eq!(fitting(&rows(100, 100_000)), 8);
        assert_eq!(fitting(&rows(2, 10 << 20)), 1);
    }
}
