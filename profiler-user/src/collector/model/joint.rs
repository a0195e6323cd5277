//! What parts of one journey come to together that none of them knows alone: the hop from one process to the next, and the time from end to end.
//!
//! The parts of one job, trace and branch lie as [`chains`] says; so the order in which they arrive does not matter, only which there are. What two copies
//! of a record have in common counts once.

use std::collections::BTreeSet;

use super::Part;
use super::contribution::{Contribution, HopKey, contributions, flag, names};
use super::order::{Chain, chains};

/// Parts of one job, trace and branch that are put together; further ones stand alone. No pipeline has so many processes.
pub const MAX_JOINED: usize = 64;

/// A duration of several parts, and the part in which it ends: its bucket, host and table count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint<'p> {
    /// The part in which it ends.
    pub part: &'p Part,
    /// The duration.
    pub contribution: Contribution,
}

/// The hops between parts of one job, trace and branch, and the time of each whole journey from end to end.
///
/// A hop next to stamps that are known to be missing is left out. From end to end is to the last part that was written.
#[must_use]
pub fn joints<'p>(parts: impl IntoIterator<Item = &'p Part>) -> Vec<Joint<'p>> {
    let chains = chains(parts.into_iter().enumerate());
    let mut counted = BTreeSet::new();
    let mut all = Vec::new();
    for pair in chains.iter().flat_map(|chain| chain.parts.windows(2)) {
        if let [(from, before), (to, after)] = pair
            && counted.insert((from, to))
        {
            all.extend(between(before, after));
        }
    }
    all.extend(chains.iter().filter_map(whole));
    all
}

/// The hop from the last stamp of one part to the first of the next.
fn between<'p>(before: &'p Part, after: &'p Part) -> Option<Joint<'p>> {
    let is_torn = flag(before, "torn_stamps") || flag(after, "torn_stamps");
    if is_torn {
        return None;
    }
    let (last, first) = (before.entries.last()?, after.entries.first()?);
    let (from, to) = (names(before).pop()?, names(after).into_iter().next()?);
    let ns = first.ts_ns.saturating_sub(last.ts_ns);
    let contribution = Contribution { hop: HopKey::Hop { from, to }, ns, task: first.task };
    Some(Joint { part: after, contribution })
}

fn whole<'p>(chain: &Chain<'p>) -> Option<Joint<'p>> {
    let (_, first) = chain.parts.first().filter(|(_, part)| !part.is_partial)?;
    let is_written = |(_, part): &&(usize, &Part)| part.is_written() && !part.entries.is_empty();
    let (_, part) = chain.parts.iter().rev().find(is_written)?;
    let last = part.entries.last()?;
    let ns = last.ts_ns.saturating_sub(first.start_ns);
    Some(Joint { part, contribution: Contribution { hop: HopKey::EndToEnd, ns, task: last.task } })
}

/// What changes when `new` joins others of its job, trace and branch, beside what it [contributes](contributions) alone: true is added, false was
/// counted and is no more.
#[must_use]
pub fn joint_changes<'p>(others: &'p [Part], new: &'p Part) -> Vec<(Joint<'p>, bool)> {
    let is_joined = |part: &Part| part.is_partial;
    if others.is_empty() || others.len() >= MAX_JOINED || !(is_joined(new) || others.iter().any(is_joined)) {
        return Vec::new();
    }
    let mut counted = joints(others);
    let own = contributions(new).into_iter().filter(|one| one.hop == HopKey::EndToEnd);
    counted.extend(own.map(|contribution| Joint { part: new, contribution }));
    let mut added = Vec::new();
    for joint in joints(others.iter().chain([new])) {
        match counted.iter().position(|one| *one == joint) {
            Some(at) => drop(counted.swap_remove(at)),
            None => added.push((joint, true)),
        }
    }
    added.extend(counted.into_iter().map(|joint| (joint, false)));
    added
}

#[cfg(test)]
mod tests {
    use super::{Joint, joint_changes, joints};
    use crate::collector::model::{Entry, HopKey, Part, PartKey, Precision, contributions};
    use proptest::prelude::*;

    /// Process `number` of a journey: two stamps, the first after `start_ns`.
    fn part(number: u8, start_ns: i64, is_partial: bool, outcome: &str) -> Part {
        let stamp = |code, ts_ns| Entry { code, name: None, task: i64::from(number), ts_ns, pid: 1, tid: 1 };
        let entries = vec![stamp(2 * number + 1, start_ns), stamp(2 * number + 2, start_ns + 10)];
        Part {
            key: PartKey { job: "77".to_owned(), trace_id: 1, sink_task: number.into(), branch: 0 },
            table: None,
            created_ms: 0,
            received_ms: 0,
            start_ns,
            end_ns: start_ns + 10,
            outcome: outcome.to_owned(),
            host: String::new(),
            stream: None,
            precision: Precision::Nanos,
            is_partial,
            shared: 0,
            flags: Vec::new(),
            entries,
            attributes: Vec::new(),
            batches: Vec::new(),
            record_times: Vec::new(),
            payload: Vec::new(),
        }
    }

    fn shown(joints: &[Joint<'_>]) -> Vec<(i64, String, i64)> {
        let name = |hop: &HopKey| match hop {
            HopKey::EndToEnd => "whole".to_owned(),
            HopKey::Hop { from, to } => format!("{}-{}", from.code, to.code),
        };
        let one = |joint: &Joint<'_>| {
            (joint.part.key.sink_task, name(&joint.contribution.hop), joint.contribution.ns)
        };
        joints.iter().map(one).collect()
    }

    #[test]
    fn processes_in_a_row() {
        let row =
            [part(2, 300, true, "written"), part(0, 0, false, "target_exit"), part(1, 100, true, "expired")];
        let expected = [(1, "2-3".to_owned(), 90), (2, "4-5".to_owned(), 190), (2, "whole".to_owned(), 310)];
        assert_eq!(shown(&joints(&row)), expected);
    }

    #[test]
    fn the_beginning_is_first_whatever_its_clock_says() {
        let row = [part(1, 100, true, "written"), part(0, 500, false, "written")];
        assert_eq!(shown(&joints(&row)), [(1, "2-3".to_owned(), -410), (1, "whole".to_owned(), -390)]);
    }

    #[test]
    fn clocks_that_disagree_do_not_change_the_order() {
        let mut row =
            [part(2, 300, true, "written"), part(0, 0, false, "expired"), part(1, 5000, true, "expired")];
        for (part, host) in row.iter_mut().zip(["c", "a", "b"]) {
            host.clone_into(&mut part.host);
        }
        let expected =
            [(1, "2-3".to_owned(), 4990), (2, "4-5".to_owned(), -4710), (2, "whole".to_owned(), 310)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let parts = order.map(|at: usize| row[at].clone());
            assert_eq!(shown(&joints(&parts)), expected, "{order:?}");
        }
    }

    #[test]
    fn what_two_copies_share_counts_once() {
        let mut fan = [
            part(0, 0, false, "expired"),
            part(1, 100, true, "expired"),
            part(2, 300, true, "written"),
            part(2, 400, true, "written"),
        ];
        fan[3].key.sink_task = 9;
        let expected = [
            (1, "2-3".to_owned(), 90),
            (2, "4-5".to_owned(), 190),
            (9, "4-5".to_owned(), 290),
            (2, "whole".to_owned(), 310),
            (9, "whole".to_owned(), 410),
        ];
        assert_eq!(shown(&joints(&fan)), expected);
    }

    #[test]
    fn without_a_beginning_there_is_no_whole_and_two_beginnings_are_two_journeys() {
        let headless = [part(1, 100, true, "expired"), part(2, 300, true, "written")];
        assert_eq!(shown(&joints(&headless)), [(2, "4-5".to_owned(), 190)]);
        let two = [part(1, 100, false, "written"), part(2, 300, false, "written")];
        assert_eq!(shown(&joints(&two)), [(1, "whole".to_owned(), 10), (2, "whole".to_owned(), 10)]);
        assert!(joint_changes(&two[..1], &two[1]).is_empty());
    }

    #[test]
    fn beside_stamps_that_are_missing_there_is_no_hop() {
        let mut row = [part(0, 0, false, "expired"), part(1, 100, true, "written")];
        row[0].flags = vec![("torn_stamps".to_owned(), 1)];
        assert_eq!(shown(&joints(&row)), [(1, "whole".to_owned(), 110)]);
        row[1].entries.clear();
        assert!(joints(&row).is_empty());
    }

    #[test]
    fn one_that_comes_between_takes_the_hop_apart() {
        let [first, middle, last] =
            [part(0, 0, false, "written"), part(1, 100, true, "expired"), part(2, 300, true, "written")];
        let others = [first, last];
        let (added, removed): (Vec<_>, Vec<_>) =
            joint_changes(&others, &middle).into_iter().partition(|(_, is_added)| *is_added);
        let joints = |changes: Vec<(Joint<'_>, bool)>| {
            shown(&changes.into_iter().map(|(joint, _)| joint).collect::<Vec<_>>())
        };
        assert_eq!(joints(added), [(1, "2-3".to_owned(), 90), (2, "4-5".to_owned(), 190)]);
        assert_eq!(joints(removed), [(2, "2-5".to_owned(), 290)]);
    }

    proptest! {
        /// Whatever the order of arrival, what the changes add up to is what all parts together come to.
        #[test]
        fn changes_add_up(parts in proptest::collection::vec((0i64..500, any::<bool>(), any::<bool>()), 1..7)) {
            let of = |(index, (start, is_partial, is_written)): (usize, (i64, bool, bool))| {
                part(index as u8, start, is_partial, if is_written { "written" } else { "expired" })
            };
            let parts: Vec<_> = parts.into_iter().enumerate().map(of).collect();
            let mut counted = Vec::new();
            for (index, new) in parts.iter().enumerate() {
                let own = contributions(new).into_iter().filter(|one| one.hop == HopKey::EndToEnd);
                counted.extend(own.map(|contribution| Joint { part: new, contribution }));
                for (joint, is_added) in joint_changes(&parts[..index], new) {
                    if is_added {
                        counted.push(joint);
                    } else {
                        let at = counted.iter().position(|one| *one == joint);
                        prop_assert!(at.is_some(), "{joint:?} was never counted");
                        counted.swap_remove(at.unwrap());
                    }
                }
            }
            let sorted = |joints: &[Joint<'_>]| { let mut all = shown(joints); all.sort(); all };
            prop_assert_eq!(sorted(&counted), sorted(&joints(&parts)));
        }
    }
}
