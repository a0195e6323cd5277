//! Adds what a batch came to to the rollups that are stored.
//!
//! Owns: that no hop has more members than [`MAX_MEMBERS`]. Refuses: to be called without the counter's lock, which is what keeps others from the same rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::super::model::Dimension;
use super::super::super::sketch::Sketch;
use super::super::Width;
use super::super::rollups::{Change, MAX_MEMBERS, OTHER, RollupKey};
use super::super::sql::Value;
use super::ids;
use super::schema::{self, Table};
use super::session::{Fault, Put, Session};
use super::write::one;

/// Rollups by their ids.
type Stored = HashMap<Vec<u8>, Sketch>;

/// See the module.
pub(super) async fn add(
    session: &mut dyn Session,
    changes: BTreeMap<RollupKey, Change>,
) -> Result<(), Fault> {
    let mut of = Width::EACH.map(|width| (schema::rollups(width), Changes::new()));
    for (key, change) in changes {
        let Some((_, changes)) =
            Width::EACH.iter().position(|width| *width == key.width).and_then(|at| of.get_mut(at))
        else {
            continue;
        };
        changes.insert(ids::id(&key), (key, vec![change]));
    }
    for (table, changes) in of {
        add_to(session, table, changes).await?;
    }
    Ok(())
}

/// Changes of one width by the ids of the rollups.
type Changes = BTreeMap<Vec<u8>, (RollupKey, Vec<Change>)>;

async fn add_to(session: &mut dyn Session, table: &Table, mut changes: Changes) -> Result<(), Fault> {
    let mut stored = stored(session, table, changes.keys()).await?;
    let crowded = crowded(session, table, &changes, &stored).await?;
    let others: Vec<_> = crowded.into_iter().filter_map(|id| changes.remove(&id)).collect();
    let mut other_ids = BTreeSet::new();
    for (key, change) in others {
        let key = RollupKey { member: OTHER.to_owned(), ..key };
        let id = ids::id(&key);
        other_ids.insert(id.clone());
        changes.entry(id).or_insert_with(|| (key, Vec::new())).1.extend(change);
    }
    stored.extend(self::stored(session, table, other_ids.iter()).await?);
    let (mut rows, mut gone) = (Vec::new(), Vec::new());
    for (id, (key, changes)) in changes {
        let mut sketch = stored.remove(&id).unwrap_or_default();
        changes.iter().for_each(|change| change.apply(&mut sketch));
        if sketch.count() == 0 {
            gone.push(Value::Bytes(id));
        } else {
            rows.push(row(id, key, &sketch));
        }
    }
    session.put(table, &rows, Put::Replace).await?;
    session.among(&format!("DELETE FROM {}", table.name), "id", &gone).await.map(drop)
}

/// Fills the table of a width from the narrowest rollups.
pub(super) async fn widen(session: &mut dyn Session, width: Width) -> Result<(), Fault> {
    const STEP: i64 = 1000;
    let sql = format!(
        "SELECT id, sketch FROM {} WHERE id > ? ORDER BY id LIMIT ?",
        schema::rollups(Width::Seconds).name
    );
    let (mut last, mut sums) = (Vec::new(), BTreeMap::<RollupKey, Sketch>::new());
    loop {
        let found = session.rows(&sql, &[Value::Bytes(last.clone()), Value::Int(STEP)]).await?;
        let is_end = found.is_empty();
        for mut row in found {
            last = row.bytes()?;
            let key = ids::key(&last).ok_or(Fault::Damage("the id of a rollup cannot be read"))?;
            let key = RollupKey { width, bucket_ms: width.start_ms(key.bucket_ms), ..key };
            sums.entry(key).or_default().merge(&sketch(&row.bytes()?)?);
        }
        // Ids are in the order of buckets: what is in an earlier one than the last is whole.
        let current = ids::key(&last).map_or(i64::MAX, |key| width.start_ms(key.bucket_ms));
        let whole = sums.extract_if(.., |key, _| is_end || key.bucket_ms < current);
        let rows: Vec<_> = whole.map(|(key, sketch)| row(ids::id(&key), key, &sketch)).collect();
        session.put(schema::rollups(width), &rows, Put::Replace).await?;
        if is_end {
            return Ok(());
        }
    }
}

fn row(id: Vec<u8>, key: RollupKey, sketch: &Sketch) -> Vec<Value> {
    vec![
        Value::Bytes(id),
        key.bucket_ms.into(),
        key.dimension.name().into(),
        Value::Text(key.job),
        Value::Text(key.member),
        Value::Bytes(sketch.to_bytes()),
    ]
}

async fn stored(
    session: &mut dyn Session,
    table: &Table,
    ids: impl Iterator<Item = &Vec<u8>>,
) -> Result<Stored, Fault> {
    let ids: Vec<Value> = ids.map(|id| Value::Bytes(id.clone())).collect();
    let rows = session.among(&format!("SELECT id, sketch FROM {}", table.name), "id", &ids).await?;
    rows.into_iter().map(|mut row| Ok((row.bytes()?, sketch(&row.bytes()?)?))).collect()
}

/// A stored sketch.
pub(super) fn sketch(bytes: &[u8]) -> Result<Sketch, Fault> {
    Sketch::from_bytes(bytes).ok_or(Fault::Damage("a rollup is no histogram"))
}

/// The ids of members that are new, and for which there is no room beside the others.
async fn crowded(
    session: &mut dyn Session,
    table: &Table,
    changes: &Changes,
    stored: &Stored,
) -> Result<Vec<Vec<u8>>, Fault> {
    let mut rooms = HashMap::<Vec<u8>, usize>::new();
    let mut crowded = Vec::new();
    let is_new = |id: &Vec<u8>, key: &RollupKey| {
        key.dimension != Dimension::All && key.member != OTHER && !stored.contains_key(id)
    };
    for (id, (key, _)) in changes.iter().filter(|(id, (key, _))| is_new(id, key)) {
        let group = ids::group(key);
        let room = match rooms.get_mut(&group) {
            Some(room) => room,
            None => {
                let room = MAX_MEMBERS.saturating_sub(members(session, table, &group).await?);
                rooms.entry(group).or_insert(room)
            }
        };
        match room.checked_sub(1) {
            Some(less) => *room = less,
            None => crowded.push(id.clone()),
        }
    }
    Ok(crowded)
}

/// How many members there are of a group of ids.
async fn members(session: &mut dyn Session, table: &Table, group: &[u8]) -> Result<usize, Fault> {
    // A member's length comes next, and is below this.
    let last = [group, &[0xff; 4]].concat();
    let sql = format!("SELECT COUNT(*) FROM {} WHERE id >= ? AND id < ?", table.name);
    let values = [Value::Bytes(group.to_vec()), Value::Bytes(last)];
    let count = one(session.rows(&sql, &values).await?, "nothing is counted")?.unsigned()?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
