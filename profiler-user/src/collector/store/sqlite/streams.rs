//! The states of agents' streams.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::super::StreamRow;
use super::error::damaged;
use super::statements::Statements;
use crate::collector::model::PacketSeen;
use crate::collector::streams::StreamState;

/// Takes packets into their streams' states: each state is read and written once, however many packets of it there are.
pub(super) fn see(statements: &mut Statements<'_>, packets: &[PacketSeen]) -> rusqlite::Result<()> {
    let mut packets_of = BTreeMap::<_, Vec<&PacketSeen>>::new();
    for packet in packets {
        packets_of.entry((packet.job.as_str(), packet.stream)).or_default().push(packet);
    }
    for ((job, stream), packets) in packets_of {
        let sql = "SELECT state FROM stream WHERE job = ? AND stream = ?";
        let key = params![job, stream.cast_signed()];
        let mut state = match statements.first(sql, key, |row| row.get::<_, String>(0))? {
            Some(text) => StreamState::from_text(&text).ok_or_else(|| damaged("a stream's state"))?,
            None => StreamState::default(),
        };
        let new = packets.into_iter().filter(|packet| state.see(packet)).count();
        if new > 0 {
            let row = params![job, stream.cast_signed(), state.to_text(), state.last_received_ms];
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
