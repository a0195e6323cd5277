//! Rollups in their table: one row a job, dimension, bucket, hop and member, a [`Sketch`] in each.

use std::collections::{BTreeMap, HashMap};

use rusqlite::types::Value;
use rusqlite::{Connection, ToSql, params, params_from_iter};

use super::super::rollups::{Change, MAX_MEMBERS, OTHER, RollupKey};
use super::super::{Rollup, RollupFilter, Width};
use super::error::damaged;
use super::texts::{Known, Sql};
use super::write::Writer;
use crate::collector::model::{Dimension, HopKey, StageName};
use crate::collector::sketch::Sketch;

/// Hops that are remembered, each up to the last bucket of which it may be.
pub(super) type Hops = HashMap<HopKey, Known>;

const HOP: Sql = Sql {
    find: "SELECT id, until_ms FROM hop WHERE from_code = ? AND from_name = ? AND to_code = ? AND to_name = ?",
    insert: "INSERT INTO hop (from_code, from_name, to_code, to_name, until_ms) VALUES (?, ?, ?, ?, ?)",
    renew: "UPDATE hop SET until_ms = ?2 WHERE id = ?1",
};

/// Hops that are remembered at most; then all are forgotten and found again when they are met.
const REMEMBERED: usize = 1 << 14;

/// The number of the time from end to end: it has no row.
const END_TO_END: i64 = 0;

/// The number of a dimension and a width, in the column `dimension`.
const fn number(dimension: Dimension, width: Width) -> i64 {
    let dimension = match dimension {
        Dimension::All => 0,
        Dimension::Task => 1,
        Dimension::Host => 2,
        Dimension::Table => 3,
    };
    dimension + first_number(width)
}

/// The number of the first dimension of a width; those of the others follow.
pub(super) const fn first_number(width: Width) -> i64 {
    match width {
        Width::Seconds => 0,
        Width::Minutes => 4,
        Width::Hour => 8,
    }
}

/// A row's key, but for its member.
type Place = [i64; 4];

impl Writer<'_> {
    /// Puts a batch's changes into the rows.
    pub(super) fn roll_up(&mut self, changes: BTreeMap<RollupKey, Change>) -> rusqlite::Result<()> {
        if self.hops.len() > REMEMBERED {
            self.hops.clear();
        }
        for (key, change) in changes {
            let RollupKey { width, job, bucket_ms, dimension, hop, member } = key;
            let (job, hop) = (self.name(&job, i64::MIN)?, self.hop(hop, bucket_ms)?);
            let place = [job, number(dimension, width), bucket_ms, hop];
            let (member, mut sketch) = self.sketch(place, member)?;
            change.apply(&mut sketch);
            self.keep(place, &member, &sketch)?;
        }
        Ok(())
    }

    /// The sketch of a member, or of all the others when it has none and no place for one is left.
    fn sketch(&mut self, place: Place, member: String) -> rusqlite::Result<(String, Sketch)> {
        if let Some(sketch) = self.stored(place, &member)? {
            return Ok((member, sketch));
        }
        let [job, dimension, bucket, hop] = place;
        let sql = "SELECT count(*) FROM rollup WHERE job = ? AND dimension = ? AND bucket_ms = ? AND hop = ?";
        let members =
            self.statements.first(sql, [job, dimension, bucket, hop], |row| row.get::<_, i64>(0))?;
        if members.unwrap_or(0) < MAX_MEMBERS as i64 {
            return Ok((member, Sketch::default()));
        }
        let sketch = self.stored(place, OTHER)?.unwrap_or_default();
        Ok((OTHER.to_owned(), sketch))
    }

    fn stored(
        &mut self,
        [job, dimension, bucket, hop]: Place,
        member: &str,
    ) -> rusqlite::Result<Option<Sketch>> {
        let sql = "SELECT sketch FROM rollup WHERE job = ? AND dimension = ? AND bucket_ms = ? AND hop = ? AND member = ?";
        let key = params![job, dimension, bucket, hop, member];
        let read = |row: &rusqlite::Row<'_>| decode(row.get_ref(0)?.as_blob()?);
        self.statements.first(sql, key, read)
    }

    fn keep(
        &mut self,
        [job, dimension, bucket, hop]: Place,
        member: &str,
        sketch: &Sketch,
    ) -> rusqlite::Result<()> {
        if sketch.count() == 0 {
            let sql = "DELETE FROM rollup WHERE job = ? AND dimension = ? AND bucket_ms = ? AND hop = ? AND member = ?";
            return self.statements.run(sql, params![job, dimension, bucket, hop, member]).map(drop);
        }
        let row = params![job, dimension, bucket, hop, member, sketch.to_bytes()];
        self.statements.run("INSERT OR REPLACE INTO rollup VALUES (?, ?, ?, ?, ?, ?)", row).map(drop)
    }

    fn hop(&mut self, hop: HopKey, bucket_ms: i64) -> rusqlite::Result<i64> {
        let HopKey::Hop { from, to } = &hop else { return Ok(END_TO_END) };
        let key: [&dyn ToSql; 4] = [&from.code, &from.name, &to.code, &to.name];
        let remembered = self.hops.get(&hop).copied();
        let (known, _) = self.known(&HOP, &key, remembered, bucket_ms)?;
        self.hops.insert(hop, known);
        Ok(known.number)
    }
}

/// Makes the wider buckets of the narrowest ones, of a database that has only these.
pub(super) fn widen(connection: &Connection) -> rusqlite::Result<()> {
    let mut read = connection.prepare(
        "SELECT job, dimension, bucket_ms, hop, member, sketch FROM rollup WHERE dimension < 4 ORDER BY job, dimension, bucket_ms, hop, member",
    )?;
    let mut write = connection.prepare("INSERT INTO rollup VALUES (?, ?, ?, ?, ?, ?)")?;
    for width in Width::WIDER {
        let mut rows = read.query([])?;
        // Of one bucket at a time: by hop and member.
        let (mut at, mut sums) = ([0; 3], BTreeMap::<(i64, String), Sketch>::new());
        let mut put = |at: [i64; 3], sums: &mut BTreeMap<(i64, String), Sketch>| -> rusqlite::Result<()> {
            for ((hop, member), sketch) in std::mem::take(sums) {
                let [job, dimension, bucket_ms] = at;
                write.execute(params![job, dimension, bucket_ms, hop, member, sketch.to_bytes()])?;
            }
            Ok(())
        };
        while let Some(row) = rows.next()? {
            let dimension = first_number(width) + row.get::<_, i64>(1)?;
            let next = [row.get(0)?, dimension, width.start_ms(row.get(2)?)];
            if next != at {
                put(at, &mut sums)?;
                at = next;
            }
            let sketch = decode(row.get_ref(5)?.as_blob()?)?;
            sums.entry((row.get(3)?, row.get(4)?)).or_default().merge(&sketch);
        }
        put(at, &mut sums)?;
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> rusqlite::Result<Sketch> {
    Sketch::from_bytes(bytes).ok_or_else(|| damaged("a rollup's histogram"))
}

/// The rollups of a filter, in the order of bucket, hop and member.
pub(super) fn list(connection: &Connection, filter: &RollupFilter) -> rusqlite::Result<Vec<Rollup>> {
    let RollupFilter { job, from_ms, to_ms, by, member, width } = filter;
    let mut sql = "SELECT bucket_ms, hop, member, sketch FROM rollup WHERE dimension = ? AND bucket_ms > ? AND bucket_ms < ?".to_owned();
    let after_ms = from_ms.saturating_sub(width.ms());
    let mut values = vec![number(*by, *width).into(), after_ms.into(), (*to_ms).into()];
    match job {
        Some(job) => {
            sql.push_str(" AND job = (SELECT id FROM name WHERE text = ?)");
            values.push(Value::from(job.clone()));
        }
        // One search for each job, instead of a scan of all.
        None => sql.push_str(" AND job IN (SELECT name FROM job)"),
    }
    if let Some(member) = member {
        sql.push_str(" AND member = ?");
        values.push(Value::from(member.clone()));
    }
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut merged = BTreeMap::<(i64, i64, String), Sketch>::new();
    while let Some(row) = rows.next()? {
        let sketch = decode(row.get_ref(3)?.as_blob()?)?;
        merged.entry((row.get(0)?, row.get(1)?, row.get(2)?)).or_default().merge(&sketch);
    }
    let hops = hops(connection)?;
    let found = merged.into_iter().map(|((bucket_ms, hop, member), sketch)| {
        let hop = hops.get(&hop).cloned().ok_or_else(|| damaged("a rollup's hop"))?;
        Ok(Rollup { bucket_ms, hop, member, sketch })
    });
    let mut found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    found.sort_by(|a, b| (a.bucket_ms, &a.hop, &a.member).cmp(&(b.bucket_ms, &b.hop, &b.member)));
    Ok(found)
}

fn hops(connection: &Connection) -> rusqlite::Result<HashMap<i64, HopKey>> {
    let mut statement = connection.prepare("SELECT id, from_code, from_name, to_code, to_name FROM hop")?;
    let rows = statement.query_map([], |row| {
        let from = StageName { code: row.get(1)?, name: row.get(2)? };
        let to = StageName { code: row.get(3)?, name: row.get(4)? };
        Ok((row.get(0)?, HopKey::Hop { from, to }))
    })?;
    rows.chain([Ok((END_TO_END, HopKey::EndToEnd))]).collect()
}
