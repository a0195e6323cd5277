//! Removing what is too old or too much: in short transactions, between which others write.

use std::collections::HashMap;

use rusqlite::params;

use super::super::{Removed, Retention, Width};
use super::error::damaged;
use super::open::LOG_BYTES;
use super::prepare::More;
use super::rollup::first_number;
use super::write::Writer;

/// Rows of one kind that one step removes at most: a few milliseconds.
const STEP: i64 = 500;
/// Pages that one step gives back to the disk.
const PAGES: i64 = 500;

/// A part's key in the order of pages, and its place.
struct Old {
    received_ms: i64,
    key: [i64; 4],
    place: i64,
}

impl Writer<'_> {
    /// One step towards what retention asks for; `None` when there is nothing left to do.
    pub(super) fn retain(&mut self, retention: &Retention) -> rusqlite::Result<Option<Removed>> {
        let Retention { before_ms, rollups_before_ms, max_bytes } = *retention;
        let removed = self.transaction(|writer| {
            let mut removed = Removed::default();
            if let Some(before_ms) = before_ms {
                removed = writer.older(before_ms)?;
            }
            if let Some(before_ms) = rollups_before_ms {
                removed.rollups = writer.rollups(before_ms)?;
            }
            if let Some(max) = max_bytes.filter(|_| removed == Removed::default())
                && writer.bytes("page_count")?.saturating_sub(writer.bytes("freelist_count")?) > pages_of(max)
            {
                removed = writer.oldest()?;
            }
            Ok(removed)
        })?;
        let has_more = removed != Removed::default()
            || (*retention != Retention::default() && self.transaction(|writer| writer.sweep(STEP))? > 0)
            || self.give_back(max_bytes)?;
        Ok(has_more.then_some(removed))
    }

    fn older(&mut self, before_ms: i64) -> rusqlite::Result<Removed> {
        let streams = "DELETE FROM stream WHERE last_ms < ?";
        Ok(Removed {
            parts: self.parts(before_ms)?.0,
            raw: self.raw(before_ms)?,
            streams: self.statements.run(streams, [before_ms])? as u64,
            rollups: 0,
        })
    }

    /// The oldest of all: parts, and the raw events from before them; rollups, which are small, when there is nothing else.
    fn oldest(&mut self) -> rusqlite::Result<Removed> {
        let (parts, newest_ms) = self.parts(i64::MAX)?;
        let raw = self.raw(if parts == STEP as u64 { newest_ms } else { i64::MAX })?;
        if parts + raw > 0 {
            return Ok(Removed { parts, raw, ..Removed::default() });
        }
        let sql =
            "SELECT min(bucket_ms + CASE dimension / 4 WHEN 0 THEN ? WHEN 1 THEN ? ELSE ? END) FROM rollup";
        let oldest = self.statements.first(sql, Width::EACH.map(Width::ms), |row| row.get(0))?;
        let rollups = oldest.flatten().map_or(Ok(0), |before_ms| self.rollups(before_ms))?;
        Ok(Removed { rollups, ..Removed::default() })
    }

    /// Removes parts that came before a time, and says when the newest of them came.
    fn parts(&mut self, before_ms: i64) -> rusqlite::Result<(u64, i64)> {
        let sql =
            "SELECT received_ms, trace_id, sink_task, branch, job, place FROM part_page WHERE received_ms < ?
            ORDER BY received_ms, trace_id, sink_task, branch, job LIMIT ?";
        let rows = self.statements.get(sql)?.query_map([before_ms, STEP], |row| {
            let key = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
            Ok(Old { received_ms: row.get(0)?, key, place: row.get(5)? })
        })?;
        let old = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut parts_of = HashMap::<i64, i64>::new();
        for part in &old {
            self.part(part)?;
            let [_, _, _, job] = part.key;
            *parts_of.entry(job).or_default() += 1;
        }
        for (job, parts) in parts_of {
            self.statements.run("UPDATE job SET parts = parts - ?2 WHERE name = ?1", [job, parts])?;
        }
        Ok((old.len() as u64, old.last().map_or(i64::MIN, |part| part.received_ms)))
    }

    fn part(&mut self, old: &Old) -> rusqlite::Result<()> {
        let Old { received_ms, key: [trace_id, sink_task, branch, job], place } = *old;
        let more =
            self.statements.first("SELECT more FROM part WHERE place = ?", [place], |row| row.get(0))?;
        if let Some(text) = more.flatten() {
            let text: String = text;
            let more: More =
                serde_json::from_str(&text).map_err(|_| damaged("what a part has besides its stamps"))?;
            for (name, value) in more.attributes() {
                let name = self.name(name, i64::MIN)?;
                let sql = "DELETE FROM attribute WHERE name = ? AND value = ? AND received_ms = ? AND trace_id = ? AND sink_task = ?
                    AND branch = ? AND job = ?";
                self.statements
                    .run(sql, params![name, value, received_ms, trace_id, sink_task, branch, job])?;
            }
        }
        self.statements.run("DELETE FROM part WHERE place = ?", [place])?;
        let sql = "DELETE FROM part_page WHERE received_ms = ? AND trace_id = ? AND sink_task = ? AND branch = ? AND job = ?";
        self.statements.run(sql, [received_ms, trace_id, sink_task, branch, job]).map(drop)
    }

    fn raw(&mut self, before_ms: i64) -> rusqlite::Result<u64> {
        let sql = "DELETE FROM raw WHERE id IN (SELECT id FROM raw WHERE received_ms < ? ORDER BY received_ms LIMIT ?)";
        Ok(self.statements.run(sql, [before_ms, STEP])? as u64)
    }

    /// Removes rollups of buckets that ended by then.
    fn rollups(&mut self, before_ms: i64) -> rusqlite::Result<u64> {
        let sql = "DELETE FROM rollup WHERE (job, dimension, bucket_ms, hop, member) IN (SELECT job, dimension, bucket_ms, hop, member FROM rollup
            WHERE job IN (SELECT name FROM job) AND dimension IN (?1, ?1 + 1, ?1 + 2, ?1 + 3) AND bucket_ms <= ?2 LIMIT ?3)";
        let mut removed = 0;
        for width in Width::EACH {
            let last_ms = before_ms.saturating_sub(width.ms());
            removed += self.statements.run(sql, [first_number(width), last_ms, STEP])? as u64;
        }
        Ok(removed)
    }

    /// Bytes of as many pages as a pragma counts.
    fn bytes(&self, pragma: &str) -> rusqlite::Result<u64> {
        let number = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok(u64::try_from(number(pragma)?.saturating_mul(number("page_size")?)).unwrap_or_default())
    }

    /// Makes the files smaller where they are larger than they may be, by free pages and the log: true when there is more to do.
    fn give_back(&mut self, max_bytes: Option<u64>) -> rusqlite::Result<bool> {
        let Some(max) = max_bytes else { return Ok(false) };
        let before = self.bytes("page_count")?;
        if before > pages_of(max) && self.bytes("freelist_count")? > 0 {
            self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            return Ok(self.bytes("page_count")? < before);
        }
        if before.saturating_add(self.log_bytes()) > max {
            // Where somebody reads, it does what it can, and the rest the next time.
            self.statements.first("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(false)
    }

    /// How large the log is just now.
    fn log_bytes(&self) -> u64 {
        let Some(path) = self.connection.path().filter(|path| !path.is_empty()) else { return 0 };
        std::fs::metadata(format!("{path}-wal")).map_or(0, |about| about.len())
    }
}

/// What the pages of the database may take of all bytes: the rest is the log's.
fn pages_of(max_bytes: u64) -> u64 {
    max_bytes - (max_bytes / 4).min(LOG_BYTES.unsigned_abs())
}
