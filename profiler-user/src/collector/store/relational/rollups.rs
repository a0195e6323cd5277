//! Adds what a batch came to to the rollups that are stored.
//!
//! Owns: that no hop has more members than [`MAX_MEMBERS`]. Refuses: to be called without the counter's lock, which is what keeps others from the same rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::super::model::Dimension;
use super::super::super::sketch::Sketch;
use super::super::rollups::{Change, MAX_MEMBERS, OTHER, RollupKey};
use super::super::sql::Value;
use super::ids;
use super::schema::ROLLUPS;
use super::session::{Fault, Put, Session};
use super::write::one;

/// Rollups by their ids.
type Stored = HashMap<Vec<u8>, Sketch>;

/// See the module.
pub(super) async fn add(
    session: &mut dyn Session,
    changes: BTreeMap<RollupKey, Change>,
) -> Result<(), Fault> {
    let mut changes: BTreeMap<Vec<u8>, (RollupKey, Vec<Change>)> =
        changes.into_iter().map(|(key, change)| (ids::id(&key), (key, vec![change]))).collect();
    let mut stored = stored(session, changes.keys()).await?;
    let crowded = crowded(session, &changes, &stored).await?;
    let others: Vec<_> = crowded.into_iter().filter_map(|id| changes.remove(&id)).collect();
    let mut other_ids = BTreeSet::new();
    for (key, change) in others {
        let key = RollupKey { member: OTHER.to_owned(), ..key };
        let id = ids::id(&key);
        other_ids.insert(id.clone());
        changes.entry(id).or_insert_with(|| (key, Vec::new())).1.extend(change);
    }
    stored.extend(self::stored(session, other_ids.iter()).await?);
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
    session.put(&ROLLUPS, &rows, Put::Replace).await?;
    session.among("DELETE FROM stain_rollups", "id", &gone).await.map(drop)
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

async fn stored(session: &mut dyn Session, ids: impl Iterator<Item = &Vec<u8>>) -> Result<Stored, Fault> {
    let ids: Vec<Value> = ids.map(|id| Value::Bytes(id.clone())).collect();
    let rows = session.among("SELECT id, sketch FROM stain_rollups", "id", &ids).await?;
    rows.into_iter().map(|mut row| Ok((row.bytes()?, sketch(&row.bytes()?)?))).collect()
}

/// A stored sketch.
pub(super) fn sketch(bytes: &[u8]) -> Result<Sketch, Fault> {
    Sketch::from_bytes(bytes).ok_or(Fault::Damage("a rollup is no histogram"))
}

/// The ids of members that are new, and for which there is no room beside the others.
async fn crowded(
    session: &mut dyn Session,
    changes: &BTreeMap<Vec<u8>, (RollupKey, Vec<Change>)>,
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
                let room = MAX_MEMBERS.saturating_sub(members(session, &group).await?);
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
async fn members(session: &mut dyn Session, group: &[u8]) -> Result<usize, Fault> {
    // A member's length comes next, and is below this.
    let last = [group, &[0xff; 4]].concat();
    let sql = "SELECT COUNT(*) FROM stain_rollups WHERE id >= ? AND id < ?";
    let values = [Value::Bytes(group.to_vec()), Value::Bytes(last)];
    let count = one(session.rows(sql, &values).await?, "nothing is counted")?.unsigned()?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
