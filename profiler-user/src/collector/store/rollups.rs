//! What a batch adds to the rollups, put together in memory before a store is touched: one change for each of a few keys instead of dozens for each trace. Pure.
//!
//! Owns: which keys a part counts for, and the bound on members. Refuses: knowing how a store keeps sketches. Every store that keeps them merges
//! through here, so that all of them count alike.

use std::collections::{BTreeMap, HashMap};

use super::super::model::{Contribution, Dimension, HopKey, Part, contributions, joint_changes};
use super::super::sketch::Sketch;
use super::{Width, members};

/// Members of one dimension that a job, bucket and hop keeps apart; those that come later are counted together, as [`OTHER`].
pub const MAX_MEMBERS: usize = 256;

/// The member for what found no place of its own.
pub const OTHER: &str = "(other)";

/// What one sketch is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RollupKey {
    /// How wide the bucket is.
    pub width: Width,
    /// The job.
    pub job: String,
    /// The bucket's start, ms since the Unix epoch.
    pub bucket_ms: i64,
    /// By what durations are told apart.
    pub dimension: Dimension,
    /// Of what they are.
    pub hop: HopKey,
    /// The member of the dimension; empty for [`Dimension::All`].
    pub member: String,
}

/// The bucket of a journey that ended then, ms since the Unix epoch.
#[must_use]
pub const fn bucket_ms(end_ns: i64) -> i64 {
    Width::Seconds.start_ms(end_ns.div_euclid(1_000_000))
}

/// What happens to the sketch of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Durations that come in.
    pub added: Sketch,
    /// Durations that were counted before and go, ns: a part that came late showed that they were none.
    pub removed: Vec<i64>,
}

impl Change {
    /// Does it.
    pub fn apply(&self, sketch: &mut Sketch) {
        sketch.merge(&self.added);
        for ns in &self.removed {
            sketch.remove(*ns);
        }
    }

    /// Does another one after it.
    fn then(&mut self, other: &Self) {
        self.added.merge(&other.added);
        self.removed.extend(&other.removed);
    }

    fn is_empty(&self) -> bool {
        self.added.count() == 0 && self.removed.is_empty()
    }
}

/// What each part of a batch would add, worked out before it is known which of them are new.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    keys: Vec<RollupKey>,
    /// For each part: key and duration, ns.
    parts: Vec<Vec<(usize, i64)>>,
}

impl Plan {
    /// Works it out.
    #[must_use]
    pub fn of(parts: &[Part]) -> Self {
        let mut planner = Planner::default();
        let parts = parts.iter().map(|part| planner.part(part)).collect();
        Self { keys: planner.keys, parts }
    }
}

/// Gives keys their numbers: comparing numbers is what makes 24 keys a trace cheap.
#[derive(Default)]
struct Planner {
    keys: Vec<RollupKey>,
    numbers: HashMap<(u32, i64, u32, Dimension, u32), usize>,
    hops: HashMap<HopKey, u32>,
    texts: HashMap<String, u32>,
    tasks: HashMap<i64, u32>,
}

impl Planner {
    fn part(&mut self, part: &Part) -> Vec<(usize, i64)> {
        let bucket = bucket_ms(part.end_ns);
        let job = self.text(&part.key.job);
        let nothing = self.text("");
        let host = (!part.host.is_empty()).then(|| self.text(&part.host));
        let table = part.table.as_deref().map(|table| self.text(table));
        let own = contributions(part);
        let mut all = Vec::with_capacity(4 * own.len());
        for Contribution { hop, ns, task } in own {
            let number = self.hop(&hop);
            let numbers = [Some(nothing), Some(self.task(task)), host, table];
            for (dimension, member) in Dimension::EACH.into_iter().zip(numbers) {
                let Some(member) = member else { continue };
                let next = self.keys.len();
                let key = *self.numbers.entry((job, bucket, number, dimension, member)).or_insert(next);
                if key == next {
                    let mut keys = keys(part, &hop, task);
                    self.keys.extend(keys.find(|key| key.dimension == dimension));
                }
                all.push((key, ns));
            }
        }
        all
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.insert(text.to_owned(), number);
        number
    }

    fn hop(&mut self, hop: &HopKey) -> u32 {
        if let Some(number) = self.hops.get(hop) {
            return *number;
        }
        let number = self.hops.len() as u32;
        self.hops.insert(hop.clone(), number);
        number
    }

    fn task(&mut self, task: i64) -> u32 {
        let next = self.tasks.len() as u32;
        *self.tasks.entry(task).or_insert(next)
    }
}

/// The keys that a duration of a part counts for.
fn keys<'p>(part: &'p Part, hop: &'p HopKey, task: i64) -> impl Iterator<Item = RollupKey> + 'p {
    let bucket_ms = bucket_ms(part.end_ns);
    members(part, task).into_iter().filter_map(move |(dimension, member)| {
        let (job, hop) = (part.key.job.clone(), hop.clone());
        Some(RollupKey { width: Width::Seconds, job, bucket_ms, dimension, hop, member: member? })
    })
}

/// Adds up what the parts of a plan that turn out to be new come to.
#[derive(Debug)]
pub struct Gathered<'p> {
    plan: &'p Plan,
    sums: Vec<Sketch>,
    joined: BTreeMap<RollupKey, Change>,
}

impl<'p> Gathered<'p> {
    /// Nothing yet.
    #[must_use]
    pub fn new(plan: &'p Plan) -> Self {
        Self { plan, sums: vec![Sketch::default(); plan.keys.len()], joined: BTreeMap::new() }
    }

    /// The part of this index in the batch is new.
    pub fn take(&mut self, part: usize) {
        for (key, ns) in self.plan.parts.get(part).into_iter().flatten() {
            if let Some(sum) = self.sums.get_mut(*key) {
                sum.add(*ns);
            }
        }
    }

    /// A new part was [taken](Self::take), and the store has other parts of its job, trace and branch: what they come to together.
    pub fn join(&mut self, others: &[Part], new: &Part) {
        for (change, is_added) in joint_changes(others, new) {
            let Contribution { hop, ns, task } = change.contribution;
            for key in keys(change.part, &hop, task) {
                let entry = self.joined.entry(key).or_default();
                if is_added {
                    entry.added.add(ns);
                } else {
                    entry.removed.push(ns);
                }
            }
        }
    }

    /// The changes of every width, in the order of their keys: stores that lock rows lock them in the same order.
    #[must_use]
    pub fn finish(self) -> BTreeMap<RollupKey, Change> {
        let Self { plan, sums, mut joined } = self;
        for (key, sum) in plan.keys.iter().zip(sums).filter(|(_, sum)| sum.count() > 0) {
            joined.entry(key.clone()).or_default().added.merge(&sum);
        }
        joined.retain(|_, change| !change.is_empty());
        widened(joined)
    }
}

/// Changes of the narrowest buckets, and with them those of the wider ones.
fn widened(mut changes: BTreeMap<RollupKey, Change>) -> BTreeMap<RollupKey, Change> {
    let mut wider = BTreeMap::<RollupKey, Change>::new();
    for width in Width::WIDER {
        for (key, change) in &changes {
            let bucket_ms = width.start_ms(key.bucket_ms);
            wider.entry(RollupKey { width, bucket_ms, ..key.clone() }).or_default().then(change);
        }
    }
    changes.append(&mut wider);
    changes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Change, Gathered, Plan, RollupKey, bucket_ms};
    use crate::collector::model::{Dimension, HopKey, Part};
    use crate::collector::sketch::Sketch;
    use crate::collector::store::suite::{durations, parts};
    use crate::collector::store::{RollupFilter, Width};

    #[test]
    fn a_bucket_is_ten_seconds_from_the_epoch_on() {
        let cases =
            [(0, 0), (9_999_999_999, 0), (10_000_000_000, 10_000), (-1, -10_000), (-10_000_000_000, -10_000)];
        for (end_ns, expected) in cases {
            assert_eq!(bucket_ms(end_ns), expected, "{end_ns}");
        }
        assert!(bucket_ms(i64::MIN) < 0 && bucket_ms(i64::MAX) > 0);
    }

    fn gather(parts: &[Part], is_new: impl Fn(usize) -> bool) -> BTreeMap<RollupKey, Change> {
        let plan = Plan::of(parts);
        let mut gathered = Gathered::new(&plan);
        (0..parts.len()).filter(|index| is_new(*index)).for_each(|index| gathered.take(index));
        gathered.finish()
    }

    #[test]
    fn gathers_what_a_list_of_all_durations_gives() {
        let parts = parts(7, 300);
        let mut changes = gather(&parts, |_| true);
        for (by, width) in Dimension::EACH.into_iter().flat_map(|by| Width::EACH.map(|width| (by, width))) {
            for job in ["77", "78", "nightly"] {
                let filter = RollupFilter {
                    job: Some(job.to_owned()),
                    from_ms: i64::MIN,
                    to_ms: i64::MAX,
                    by,
                    member: None,
                    width,
                };
                for ((bucket_ms, hop, member), list) in durations(&parts, &filter) {
                    let mut sketch = Sketch::default();
                    list.iter().for_each(|ns| sketch.add(*ns));
                    let key = RollupKey { width, job: job.to_owned(), bucket_ms, dimension: by, hop, member };
                    assert_eq!(
                        changes.remove(&key),
                        Some(Change { added: sketch, removed: vec![] }),
                        "{key:?}"
                    );
                }
            }
        }
        assert!(changes.is_empty(), "{changes:?}");
    }

    #[test]
    fn repeats_count_for_nothing() {
        let parts = parts(8, 40);
        assert!(gather(&parts, |_| false).is_empty());
        let some: Vec<_> = parts.iter().step_by(2).cloned().collect();
        assert_eq!(gather(&parts, |index| index % 2 == 0), gather(&some, |_| true));
    }

    #[test]
    fn what_joins_is_added_and_what_it_takes_apart_goes() {
        let mut journey = parts(9, 3);
        for (index, part) in (0..).zip(&mut journey) {
            (part.key.trace_id, part.key.branch, part.key.sink_task) = (1, 0, index);
            "77".clone_into(&mut part.key.job);
            part.flags.clear();
            part.is_partial = index > 0;
            part.outcome = if index == 2 { "written" } else { "target_exit" }.to_owned();
            part.start_ns = 1000 * index;
            part.entries.truncate(1);
            part.entries[0].ts_ns = part.start_ns;
            part.end_ns = part.start_ns;
        }
        let plan = Plan::of(&journey);
        let mut gathered = Gathered::new(&plan);
        gathered.join(&[journey[0].clone(), journey[2].clone()], &journey[1]);
        let changes = gathered.finish();
        let of_all = |(key, change): (RollupKey, Change)| {
            let is_counted = key.dimension == Dimension::All && key.hop != HopKey::EndToEnd;
            (is_counted && key.width == Width::Seconds).then_some(change)
        };
        let (mut added, mut removed) = (Sketch::default(), Vec::new());
        for change in changes.into_iter().filter_map(of_all) {
            added.merge(&change.added);
            removed.extend(change.removed);
        }
        assert_eq!((added.count(), added.total_ns(), removed), (2, 2000, vec![2000]));
    }

    #[test]
    fn a_change_is_applied_whole() {
        let mut sketch = Sketch::default();
        sketch.add(500);
        let mut added = Sketch::default();
        added.add(700);
        Change { added: added.clone(), removed: vec![500] }.apply(&mut sketch);
        assert_eq!((sketch.count(), sketch.total_ns()), (1, 700));
    }
}
