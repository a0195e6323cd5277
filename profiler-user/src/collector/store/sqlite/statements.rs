//! Statements that are compiled once for the life of a connection.

use rusqlite::{Connection, Params, Row, Statement};

/// The statements of one connection that were used so far.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    compiled: Vec<(&'static str, Statement<'c>)>,
}

impl<'c> Statements<'c> {
    pub(super) const fn new(connection: &'c Connection) -> Self {
        Self { connection, compiled: Vec::new() }
    }

    /// The statement of this text.
    pub(super) fn get(&mut self, sql: &'static str) -> rusqlite::Result<&mut Statement<'c>> {
        let at = match self.compiled.iter().position(|(text, _)| *text == sql) {
            Some(at) => at,
            None => {
                self.compiled.push((sql, self.connection.prepare(sql)?));
                self.compiled.len() - 1
            }
        };
        self.compiled.get_mut(at).map(|(_, statement)| statement).ok_or(rusqlite::Error::InvalidQuery)
    }

    /// Rows that it changed.
    pub(super) fn run(&mut self, sql: &'static str, parameters: impl Params) -> rusqlite::Result<usize> {
        self.get(sql)?.execute(parameters)
    }

    /// Its first row, if it has any.
    pub(super) fn first<T>(
        &mut self,
        sql: &'static str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut rows = self.get(sql)?.query(parameters)?;
        rows.next()?.map(read).transpose()
    }
}
