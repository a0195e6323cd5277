//! Durations, a row each, and the rollups that are made of them when they are asked for.
//!
//! Owns: the key of a duration, which is the part and the stamp in which it ends: what a part that comes later shows to be otherwise takes its place.

use std::collections::{BTreeMap, HashMap};

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::error::Fault;
use super::write::{Journey, journey};
use crate::collector::model::{
    Contribution, Dimension, HopKey, Part, StageName, contributions, joint_changes,
};
use crate::collector::sketch::{Sketch, step_of};
use crate::collector::store::rollups::{MAX_MEMBERS, OTHER, bucket_ms};
use crate::collector::store::sql::Where;
use crate::collector::store::{BUCKET_MS, Rollup, RollupFilter};

/// The number of the hop that leads to a part from the one before it.
const JOINT: u32 = 0;
/// The number of the time from end to end.
const WHOLE: u32 = u32::MAX;

/// A row of `stain_hops`.
#[derive(Debug, Row, Serialize)]
pub(super) struct HopRow {
    bucket_ms: i64,
    job: String,
    trace_id: u64,
    branch: i64,
    sink_task: i64,
    number: u32,
    is_there: u8,
    is_whole: u8,
    from_code: u8,
    from_name: String,
    to_code: u8,
    to_name: String,
    ns: i64,
    step: u16,
    task: i64,
    host: String,
    table_id: Option<String>,
    received_ms: i64,
    rank: u64,
}

impl HopRow {
    fn new(part: &Part, number: u32, duration: Contribution, is_there: bool, rank: u64) -> Self {
        let Contribution { hop, ns, task } = duration;
        let is_whole = u8::from(hop == HopKey::EndToEnd);
        let none = || StageName { code: 0, name: String::new() };
        let (from, to) = match hop {
            HopKey::EndToEnd => (none(), none()),
            HopKey::Hop { from, to } => (from, to),
        };
        Self {
            bucket_ms: bucket_ms(part.end_ns),
            job: part.key.job.clone(),
            trace_id: part.key.trace_id,
            branch: part.key.branch.cast_signed(),
            sink_task: part.key.sink_task,
            number,
            is_there: u8::from(is_there),
            is_whole,
            from_code: from.code,
            from_name: from.name,
            to_code: to.code,
            to_name: to.name,
            ns,
            step: step_of(u64::try_from(ns).unwrap_or(0)),
            task,
            host: part.host.clone(),
            table_id: part.table.clone(),
            received_ms: part.received_ms,
            rank,
        }
    }
}

/// The rows of new parts, alone and together with what is there of their journeys. `rank` is higher than that of all rows before.
pub(super) fn rows(new: &[&Part], mut siblings: BTreeMap<Journey, Vec<Part>>, rank: u64) -> Vec<HopRow> {
    let mut rows = Rows { rows: Vec::with_capacity(6 * new.len()), by_key: HashMap::new(), rank };
    let mut times = HashMap::<(u64, u64), u32>::new();
    for part in new {
        *times.entry((part.key.trace_id, part.key.branch)).or_default() += 1;
    }
    for part in new {
        for (number, duration) in (1..).zip(contributions(part)) {
            rows.put(part, number, duration, true);
        }
        // Nearly every journey is one part: nothing is copied for those.
        if siblings.is_empty() && times.get(&(part.key.trace_id, part.key.branch)) == Some(&1) {
            continue;
        }
        let others = siblings.entry(journey(&part.key)).or_default();
        let mut changes = joint_changes(others, part);
        changes.sort_by_key(|(_, is_there)| *is_there);
        for (joint, is_there) in changes {
            rows.put(joint.part, JOINT, joint.contribution, is_there);
        }
        others.push((*part).clone());
    }
    rows.rows
}

struct Rows {
    rows: Vec<HopRow>,
    by_key: HashMap<(Journey, i64, u32), usize>,
    rank: u64,
}

impl Rows {
    /// A row; in the place of one of the same key that is there already.
    fn put(&mut self, part: &Part, number: u32, duration: Contribution, is_there: bool) {
        let number = if duration.hop == HopKey::EndToEnd { WHOLE } else { number };
        let row = HopRow::new(part, number, duration, is_there, self.rank);
        let next = self.rows.len();
        let at = *self.by_key.entry((journey(&part.key), part.key.sink_task, number)).or_insert(next);
        match self.rows.get_mut(at) {
            Some(before) => *before = row,
            None => self.rows.push(row),
        }
    }
}

/// The durations of one step of one kind.
#[derive(Row, Deserialize)]
struct StepRow {
    bucket_ms: i64,
    is_whole: u8,
    from_code: u8,
    from_name: String,
    to_code: u8,
    to_name: String,
    member: String,
    step: u16,
    count: u64,
    /// Their sum is `2^32 * high + low`: it may be more than 64 bits hold.
    high: i64,
    low: i64,
    min_ns: i64,
    max_ns: i64,
}

const COUNTED: &str = "is_whole, from_code, from_name, to_code, to_name";

/// See [`crate::collector::store::Store::rollups`].
pub(super) async fn rollups(shared: &Shared, filter: &RollupFilter) -> Result<Vec<Rollup>, Fault> {
    let (member, is_member) = match filter.by {
        Dimension::All => ("''", "1"),
        Dimension::Task => ("toString(task)", "1"),
        Dimension::Host => ("host", "host != ''"),
        Dimension::Table => ("assumeNotNull(table_id)", "isNotNull(table_id)"),
    };
    let (width, less) = (filter.width.ms(), filter.width.ms() - BUCKET_MS);
    // Division is towards zero.
    let start = format!("intDiv(bucket_ms - if(bucket_ms < 0, {less}, 0), {width}) * {width}");
    let mut all = Where::default();
    all.and("is_there = 1", []);
    all.and(is_member, []);
    // Of the wider buckets all that is in them.
    let first_ms = filter.width.start_ms(filter.from_ms);
    let end_ms = filter.width.start_ms(filter.to_ms.saturating_sub(1)).saturating_add(width);
    all.and("bucket_ms >= ?", [first_ms.into()]);
    all.and("bucket_ms < ?", [end_ms.into()]);
    all.and_if("job = ?", filter.job.as_deref());
    let sql = format!(
        "SELECT {start} AS start, {COUNTED}, {member} AS member, step, count() AS c, sum(intDiv(ns, toInt64(4294967296))) AS high, \
         sum(ns % toInt64(4294967296)) AS low, min(ns) AS least, max(ns) AS most FROM stain_hops FINAL{} \
         GROUP BY start, {COUNTED}, member, step ORDER BY start, {COUNTED}, member, step",
        all.sql
    );
    let mut sketches = BTreeMap::<(i64, HopKey, String), Sketch>::new();
    let mut cursor = shared.query(&sql, &all.values).fetch::<StepRow>()?;
    while let Some(row) = cursor.next().await? {
        let total = (i128::from(row.high) << 32) + i128::from(row.low);
        let one = Sketch::from_cells([(row.step, row.count)], total, row.min_ns, row.max_ns);
        let from = StageName { code: row.from_code, name: row.from_name };
        let to = StageName { code: row.to_code, name: row.to_name };
        let hop = if row.is_whole == 1 { HopKey::EndToEnd } else { HopKey::Hop { from, to } };
        sketches.entry((row.bucket_ms, hop, row.member)).or_default().merge(&one);
    }
    let rollups = bounded(sketches).into_iter();
    let rollups = rollups.filter(|((.., member), _)| filter.member.as_ref().is_none_or(|one| one == member));
    Ok(rollups.map(|((bucket_ms, hop, member), sketch)| Rollup { bucket_ms, hop, member, sketch }).collect())
}

type Sketches = BTreeMap<(i64, HopKey, String), Sketch>;

/// Counts members that are beyond the bound together, those with the fewest durations first.
fn bounded(mut sketches: Sketches) -> Sketches {
    let mut members = HashMap::<(i64, HopKey), Vec<(u64, String)>>::new();
    for ((bucket, hop, member), sketch) in &sketches {
        members.entry((*bucket, hop.clone())).or_default().push((sketch.count(), member.clone()));
    }
    members.retain(|_, all| all.len() > MAX_MEMBERS);
    for ((bucket, hop), mut all) in members {
        all.sort_by(|left, right| right.cmp(left));
        for (_, member) in all.into_iter().skip(MAX_MEMBERS - 1) {
            if let Some(sketch) = sketches.remove(&(bucket, hop.clone(), member)) {
                sketches.entry((bucket, hop.clone(), OTHER.to_owned())).or_default().merge(&sketch);
            }
        }
    }
    sketches
}
