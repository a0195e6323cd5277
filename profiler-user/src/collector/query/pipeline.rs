//! In which order the stages lie, as the hops between them tell. Pure.

use std::collections::BTreeSet;

use crate::collector::model::{HopKey, StageName};

/// The stages of these hops in the order of the pipeline: each before those that follow it. Where hops go round in a circle, the stage with the
/// fewest before it comes first; of several the one with the lesser code.
pub(super) fn stages<'a>(hops: impl Iterator<Item = &'a HopKey>) -> Vec<StageName> {
    let mut ways: BTreeSet<(&StageName, &StageName)> = BTreeSet::new();
    for hop in hops {
        if let HopKey::Hop { from, to } = hop {
            ways.insert((from, to));
        }
    }
    let mut left: BTreeSet<&StageName> = ways.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let mut order = Vec::with_capacity(left.len());
    while let Some(next) = left.iter().copied().min_by_key(|stage| {
        let before = ways.iter().filter(|(from, to)| to == stage && from != stage && left.contains(from));
        (before.count(), *stage)
    }) {
        left.remove(next);
        order.push(next.clone());
    }
    order
}

/// What a hop is called: `end to end`, or `FROM -> TO`.
pub(super) fn name(hop: &HopKey) -> String {
    match hop {
        HopKey::EndToEnd => "end to end".to_owned(),
        HopKey::Hop { from, to } => format!("{} -> {}", from.name, to.name),
    }
}

/// The place of a hop in lists: from end to end first, then in the order of the pipeline.
pub(super) fn place(hop: &HopKey, stages: &[StageName]) -> (usize, usize) {
    let at = |stage: &StageName| stages.iter().position(|known| known == stage).map_or(0, |at| at + 1);
    match hop {
        HopKey::EndToEnd => (0, 0),
        HopKey::Hop { from, to } => (at(from), at(to)),
    }
}

#[cfg(test)]
mod tests {
    use super::{name, place, stages};
    use crate::collector::model::{HopKey, StageName};

    fn hop(from: (u8, &str), to: (u8, &str)) -> HopKey {
        let stage = |(code, name): (u8, &str)| StageName { code, name: name.to_owned() };
        HopKey::Hop { from: stage(from), to: stage(to) }
    }

    #[test]
    fn stages_lie_as_records_pass_them() {
        // Two queues, the second one behind the transform.
        let hops = [
            hop((5, "T-"), (2, "Q+#2")),
            hop((1, "S0"), (2, "Q+")),
            hop((3, "Q-#2"), (6, "W!")),
            hop((2, "Q+"), (3, "Q-")),
            hop((4, "T+"), (5, "T-")),
            hop((2, "Q+#2"), (3, "Q-#2")),
            hop((3, "Q-"), (4, "T+")),
            HopKey::EndToEnd,
        ];
        let order = stages(hops.iter());
        let names: Vec<&str> = order.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["S0", "Q+", "Q-", "T+", "T-", "Q+#2", "Q-#2", "W!"]);
        assert_eq!((place(&hops[7], &order), place(&hops[1], &order)), ((0, 0), (1, 2)));
        assert_eq!((name(&hops[1]).as_str(), name(&hops[7]).as_str()), ("S0 -> Q+", "end to end"));
    }

    #[test]
    fn circles_end() {
        let hops = [
            hop((4, "a"), (4, "b")),
            hop((4, "b"), (4, "a")),
            hop((4, "a"), (4, "a")),
            hop((4, "b"), (6, "W!")),
        ];
        let order = stages(hops.iter());
        assert_eq!(order.len(), 3);
        assert_eq!(order[2].name, "W!");
    }
}
