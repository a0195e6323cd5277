//! One connection of PostgreSQL in one transaction.

use async_trait::async_trait;
use deadpool_postgres::Object;
use tokio_postgres::types::ToSql;

use super::super::relational::{Fault, Put, Row, Session, Table};
use super::super::sql::Value;
use super::error::fault;
use super::values;

/// See the module. Dropped, it goes back to the pool, which takes back what was not committed.
pub(super) struct Connection(Object);

impl Connection {
    /// A connection in which a transaction began.
    pub(super) const fn new(client: Object) -> Self {
        Self(client)
    }

    async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        let statement = self.0.prepare_cached(sql).await.map_err(|error| fault(&error))?;
        let rows = self.0.query(&statement, values).await.map_err(|error| fault(&error))?;
        rows.iter().map(values::row).collect::<Result<_, _>>().map_err(|error| fault(&error))
    }
}

#[async_trait]
impl Session for Connection {
    async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        let values: Vec<_> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.query(&numbered(sql), &values).await
    }

    async fn among(&mut self, sql: &str, column: &str, keys: &[Value]) -> Result<Vec<Row>, Fault> {
        let Some(first) = keys.first() else { return Ok(Vec::new()) };
        let sql = format!("{sql} WHERE {column} = ANY($1)");
        let keys = values::Column::like(first, keys.iter());
        self.query(&sql, &[&keys]).await
    }

    async fn put(&mut self, table: &Table, rows: &[Vec<Value>], how: Put) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let columns = table.columns.iter().enumerate();
        let columns: Vec<_> = columns
            .map(|(at, (_, kind))| values::Column::of(*kind, rows.iter().filter_map(|row| row.get(at))))
            .collect();
        let arrays: Vec<_> = columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect();
        self.query(&insert(table, how), &arrays).await.map(drop)
    }

    async fn batch(&mut self, sql: &str) -> Result<(), Fault> {
        self.0.batch_execute(sql).await.map_err(|error| fault(&error))
    }

    async fn commit(self: Box<Self>) -> Result<(), Fault> {
        self.0.batch_execute("COMMIT").await.map_err(|error| fault(&error))
    }
}

/// PostgreSQL's names of parameters.
fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 8);
    for (at, piece) in sql.split('?').enumerate() {
        if at > 0 {
            out.push('$');
            out.push_str(&at.to_string());
        }
        out.push_str(piece);
    }
    out
}

/// All rows in one statement that is always the same: a column is one parameter.
fn insert(table: &Table, how: Put) -> String {
    let arrays: Vec<_> = (1..)
        .zip(table.columns)
        .map(|(number, (_, kind))| format!("${number}::{}[]", values::type_name(*kind)))
        .collect();
    let (name, names, arrays) = (table.name, table.names(), arrays.join(", "));
    let insert = format!("INSERT INTO {name} ({names}) SELECT * FROM unnest({arrays})");
    if how == Put::New {
        return insert;
    }
    let (key, others) = table.columns.split_at(table.key);
    let key: Vec<_> = key.iter().map(|(name, _)| *name).collect();
    let set: Vec<_> = others.iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), set.join(", "))
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn parameters_are_numbered() {
        assert_eq!(numbered("a = ? AND b IN (?, ?)"), "a = $1 AND b IN ($2, $3)");
        assert_eq!(numbered("a"), "a");
    }
}
