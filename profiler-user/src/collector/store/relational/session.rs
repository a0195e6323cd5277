//! What a relational database is asked for, in words that PostgreSQL and MySQL share.
//!
//! Owns: rows, and the two traits that a driver is put behind. Refuses: SQL made of values; they go as parameters always.

use async_trait::async_trait;

use super::super::StoreError;
use super::super::sql::Value;
use super::schema::Table;

/// The values of a row, taken one after the other. What is not of the kind that is asked for is damage, told as such.
pub(in super::super) struct Row(std::vec::IntoIter<Value>);

/// What a row is said to be when its columns are not what they should be.
const ODD: &str = "a column holds a value of another kind";

impl Row {
    /// Of these columns.
    pub(in super::super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next one, a number.
    pub(super) fn int(&mut self) -> Result<i64, Fault> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(number),
            _ => Err(Fault::Damage(ODD)),
        }
    }

    /// The next one, a number without a sign.
    pub(super) fn unsigned(&mut self) -> Result<u64, Fault> {
        self.int().map(i64::cast_unsigned)
    }

    /// The next one, a text or none.
    pub(super) fn optional_text(&mut self) -> Result<Option<String>, Fault> {
        match self.0.next() {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Bytes(bytes)) => {
                String::from_utf8(bytes).map(Some).map_err(|_| Fault::Damage("a text is no UTF-8"))
            }
            Some(Value::Null) => Ok(None),
            _ => Err(Fault::Damage(ODD)),
        }
    }

    /// The next one, a text.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        self.optional_text()?.ok_or(Fault::Damage(ODD))
    }

    /// The next one, bytes.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Fault> {
        match self.0.next() {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            _ => Err(Fault::Damage(ODD)),
        }
    }
}

/// Why a database did not do what it was asked.
#[derive(Debug)]
pub(in super::super) enum Fault {
    /// It gave way to another writer: the whole transaction is to be tried again.
    Conflict(String),
    /// It cannot just now, or did not like it: in its own words, without secrets.
    Failed(String),
    /// The way to it is wrong: who asks may not, or there is no such database.
    Place(String),
    /// What is stored makes no sense.
    Damage(&'static str),
    /// Already in the collector's words.
    Store(StoreError),
}

/// What to do with a row whose key is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Put {
    /// There is none: the caller saw to it.
    New,
    /// Its other columns are replaced.
    Replace,
}

/// One connection in one transaction. Dropped without [`Session::commit`], it changes nothing.
#[async_trait]
pub(in super::super) trait Session: Send {
    /// The rows of a statement, in which each `?` is the next value.
    async fn rows(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Fault>;

    /// A statement and, behind it, the condition that a column is one of `keys`, which may be many; gives the rows of all.
    async fn among(&mut self, sql: &str, column: &str, keys: &[Value]) -> Result<Vec<Row>, Fault>;

    /// Writes rows of all columns of a table, in the table's order.
    async fn put(&mut self, table: &Table, rows: &[Vec<Value>], how: Put) -> Result<(), Fault>;

    /// Statements without values, one after the other.
    async fn batch(&mut self, sql: &str) -> Result<(), Fault>;

    /// Makes what was written durable, and visible to others.
    async fn commit(self: Box<Self>) -> Result<(), Fault>;
}

/// The words in which databases differ.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Dialect {
    /// See [`super::super::Store::kind`].
    pub(in super::super) kind: &'static str,
    /// The type of a text that is part of a key: at most [`crate::collector::model::MAX_NAME`] bytes, told apart byte by byte.
    pub(in super::super) name: &'static str,
    /// The type of any other text.
    pub(in super::super) text: &'static str,
    /// The type of bytes that are a key.
    pub(in super::super) id: &'static str,
    /// The type of other bytes.
    pub(in super::super) bytes: &'static str,
    /// What stands behind the columns of a new table.
    pub(in super::super) table_options: &'static str,
    /// The database that the connection is in, as `information_schema` names it.
    pub(in super::super) schema: &'static str,
    /// Waits until no other collector sets up tables.
    pub(in super::super) lock_schema: &'static str,
    /// Lets others do so.
    pub(in super::super) unlock_schema: &'static str,
}

/// A pool of connections to one database.
#[async_trait]
pub(in super::super) trait Database: Send + Sync + 'static {
    /// Its words.
    fn dialect(&self) -> &Dialect;

    /// Where it is, without secrets.
    fn place(&self) -> &str;

    /// A connection of its own, in a transaction that sees what was committed before each statement.
    async fn begin(&self) -> Result<Box<dyn Session>, Fault>;
}
