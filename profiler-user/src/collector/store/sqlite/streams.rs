//! The states of agents' streams.

use rusqlite::{Connection, params};

use super::super::StreamRow;
use super::error::damaged;
use super::statements::Statements;
use crate::collector::model::PacketSeen;
use crate::collector::streams::StreamState;

/// Takes packets into their streams' states.
pub(super) fn see(statements: &mut Statements<'_>, packets: &[PacketSeen]) -> rusqlite::Result<()> {
    for packet in packets {
        let key = params![packet.job, packet.stream.cast_signed()];
        let sql = "SELECT state FROM stream WHERE job = ? AND stream = ?";
        let mut state = match statements.first(sql, key, |row| row.get::<_, String>(0))? {
            Some(text) => StreamState::from_text(&text).ok_or_else(|| damaged("a stream's state"))?,
            None => StreamState::default(),
        };
        if state.see(packet) {
            let (text, last_ms) = (state.to_text(), state.last_received_ms);
            let row = params![packet.job, packet.stream.cast_signed(), text, last_ms];
            statements.run("INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?)", row)?;
        }
    }
    Ok(())
}

/// The streams, those with the latest packet first.
pub(super) fn list(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<StreamRow>> {
    let sql = "SELECT job, stream, state, last_ms FROM stream ORDER BY last_ms DESC, job, stream LIMIT ?";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([limit], |row| {
        let stream: i64 = row.get(1)?;
        Ok(StreamRow {
            job: row.get(0)?,
            stream: stream.cast_unsigned(),
            state: row.get(2)?,
            last_ms: row.get(3)?,
        })
    })?;
    rows.collect()
}
