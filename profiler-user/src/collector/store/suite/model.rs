//! A store that is a list: what every other has to agree with.

use std::collections::BTreeMap;

use crate::collector::model::{Contribution, HopKey, Part, contributions, joints};
use crate::collector::store::rollups::bucket_ms;
use crate::collector::store::{Filter, RollupFilter, members};

/// The parts that fit, in the order of pages. Jobs are told apart only where all else is equal, which no check makes.
pub(super) fn fitting<'p>(parts: &'p [Part], filter: &Filter) -> Vec<&'p Part> {
    let mut found: Vec<_> = parts.iter().filter(|part| fits(part, filter)).collect();
    found.sort_by_key(|part| {
        let key = &part.key;
        (part.received_ms, key.trace_id, key.sink_task, key.branch.cast_signed())
    });
    found.reverse();
    found
}

/// Whether a part fits.
pub(crate) fn fits(part: &Part, filter: &Filter) -> bool {
    let Filter {
        job,
        table,
        from_ms,
        to_ms,
        stage,
        stage_name,
        outcome,
        task,
        host,
        min_duration_ns,
        attributes,
    } = filter;
    job.as_ref().is_none_or(|job| part.key.job == *job)
        && (table.is_none() || part.table == *table)
        && from_ms.is_none_or(|from| part.received_ms >= from)
        && to_ms.is_none_or(|to| part.received_ms <= to)
        && stage.is_none_or(|code| part.entries.iter().any(|entry| entry.code == code))
        && (stage_name.is_none() || part.entries.iter().any(|entry| entry.name == *stage_name))
        && outcome.as_ref().is_none_or(|outcome| part.outcome == *outcome)
        && task.is_none_or(|task| part.entries.iter().any(|entry| entry.task == task))
        && host.as_ref().is_none_or(|host| part.host == *host)
        && min_duration_ns.is_none_or(|least| part.duration_ns() >= least)
        && attributes.iter().all(|(name, value)| {
            part.attributes.iter().any(|one| one.name == *name && one.value.to_string() == *value)
        })
}

/// Durations, ns, by bucket, hop and member.
pub(in crate::collector::store) type Durations = BTreeMap<(i64, HopKey, String), Vec<i64>>;

/// All durations of a filter by bucket, hop and member.
pub(super) fn durations(parts: &[Part], filter: &RollupFilter) -> Durations {
    let mut all = BTreeMap::<_, Vec<i64>>::new();
    let mut count = |part: &Part, one: Contribution| {
        let bucket = filter.width.start_ms(bucket_ms(part.end_ns));
        let is_in = bucket + filter.width.ms() > filter.from_ms && bucket < filter.to_ms;
        if !is_in || filter.job.as_ref().is_some_and(|job| part.key.job != *job) {
            return;
        }
        for (dimension, member) in members(part, one.task) {
            let Some(member) = member.filter(|_| dimension == filter.by) else { continue };
            if filter.member.as_ref().is_none_or(|wanted| *wanted == member) {
                all.entry((bucket, one.hop.clone(), member)).or_default().push(one.ns);
            }
        }
    };
    let mut journeys = BTreeMap::<_, Vec<Part>>::new();
    for part in parts {
        let hops = contributions(part).into_iter().filter(|one| one.hop != HopKey::EndToEnd);
        hops.for_each(|one| count(part, one));
        let key = (part.key.job.clone(), part.key.trace_id, part.key.branch);
        journeys.entry(key).or_default().push(part.clone());
    }
    for journey in journeys.values() {
        joints(journey).into_iter().for_each(|joint| count(joint.part, joint.contribution));
    }
    all
}
