//! The order in which records flow through the stages, found from the hops that were seen: a main way, and what branches off it.
//!
//! Owns: the walk. Each kind of hop is walked once, so that a stage that is passed twice (a queue in front of two workers) stands there twice, and the walk
//! ends. Refuses: knowing how it is drawn. The result depends on nothing but stages and counts, and hardly ever changes while these grow.

use std::collections::{BTreeMap, BTreeSet};

use profiler_common::StageCode;

/// A kind of hop, and how often it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Index of the stage where it starts.
    pub from: usize,
    /// Index of the stage where it ends.
    pub to: usize,
    /// Times it was seen.
    pub count: u64,
}

/// What a step is to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stage at which a way begins; there is no hop to it.
    Root,
    /// Goes on where the step before it, of this depth, ended.
    Way,
    /// Branches off the stage where the last step of the depth before ended.
    Branch,
    /// From a stage to itself: tried again, or one more piece.
    Again,
}

/// One line of the diagram: a stage, and the hop that leads there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How it is joined to the others.
    pub kind: Kind,
    /// The stage where its hop starts; of a root the stage itself.
    pub from: usize,
    /// Its stage.
    pub to: usize,
    /// How many branches lie between it and a root.
    pub depth: usize,
    /// The way goes on elsewhere: its stage stands there too.
    pub joins: bool,
}

/// Walks the hops from the sources on. `codes` are the stages' codes, by index.
#[must_use]
pub fn walk(codes: &[StageCode], edges: &[Edge]) -> Vec<Step> {
    let mut walk = Walk::new(codes, edges);
    let mut steps = Vec::new();
    for root in walk.roots(codes) {
        walk.walk_root(root, &mut steps);
    }
    // What no root leads to: journeys that were met on their way, or a ring.
    while let Some(&(root, _)) = walk.left.keys().next() {
        walk.walk_root(root, &mut steps);
    }
    steps
}

struct Walk<'a> {
    codes: &'a [StageCode],
    /// Hops not walked yet, with their counts.
    left: BTreeMap<(usize, usize), u64>,
    /// Stages from which a sink can be reached.
    to_sink: BTreeSet<usize>,
    seen: BTreeSet<usize>,
}

impl<'a> Walk<'a> {
    fn new(codes: &'a [StageCode], edges: &[Edge]) -> Self {
        let left = edges.iter().map(|edge| ((edge.from, edge.to), edge.count)).collect();
        let sinks = codes.iter().enumerate().filter(|(_, code)| **code == StageCode::SINK);
        let mut to_sink: BTreeSet<usize> = sinks.map(|(stage, _)| stage).collect();
        let mut known = 0;
        while known < to_sink.len() {
            known = to_sink.len();
            to_sink.extend(
                edges
                    .iter()
                    .filter(|edge| to_sink.contains(&edge.to))
                    .map(|edge| edge.from)
                    .collect::<Vec<_>>(),
            );
        }
        Self { codes, left, to_sink, seen: BTreeSet::new() }
    }

    /// Sources, and stages to which no hop leads but from which some do.
    fn roots(&self, codes: &[StageCode]) -> Vec<usize> {
        let is_left = |stage: usize| self.left.keys().any(|(from, _)| *from == stage);
        let is_reached = |stage: usize| self.left.keys().any(|(from, to)| *to == stage && *from != stage);
        let begins = |stage: usize| self.codes.get(stage) == Some(&StageCode::SOURCE) || !is_reached(stage);
        (0..codes.len()).filter(|stage| is_left(*stage) && begins(*stage)).collect()
    }

    fn walk_root(&mut self, root: usize, steps: &mut Vec<Step>) {
        if !self.left.keys().any(|(from, _)| *from == root) {
            return;
        }
        self.seen.insert(root);
        let way = self.way(root);
        steps.push(Step { kind: Kind::Root, from: root, to: root, depth: 0, joins: false });
        self.branches(root, 0, steps);
        self.follow(&way, Kind::Way, 0, steps);
    }

    /// The main way from a stage on, its hops taken out; and whether each leads to a stage that was not passed before.
    fn way(&mut self, from: usize) -> Vec<(usize, usize, bool)> {
        let mut way = Vec::new();
        let mut at = from;
        while let Some(next) = self.next(at) {
            way.push(self.go(at, next));
            at = next;
        }
        way
    }

    fn go(&mut self, from: usize, to: usize) -> (usize, usize, bool) {
        self.left.remove(&(from, to));
        (from, to, self.seen.insert(to))
    }

    /// Where most records go on: towards a sink if any do, then the first in the spec of those that at least half as many take.
    fn next(&self, at: usize) -> Option<usize> {
        let out = || self.left.range((at, 0)..=(at, usize::MAX)).filter(|((_, to), _)| *to != at);
        let sink = out().any(|((_, to), _)| self.to_sink.contains(to));
        let good = || out().filter(move |((_, to), _)| !sink || self.to_sink.contains(to));
        let most = good().map(|(_, count)| *count).max()?;
        let on_the_way = good().filter(|(_, count)| **count >= most / 2).map(|((_, to), _)| *to);
        // Forward before backward.
        on_the_way.min_by_key(|to| (*to < at, *to))
    }

    fn follow(&mut self, way: &[(usize, usize, bool)], first: Kind, depth: usize, steps: &mut Vec<Step>) {
        let last = way.len().saturating_sub(1);
        for (index, &(from, to, is_new)) in way.iter().enumerate() {
            let kind = if index == 0 { first } else { Kind::Way };
            steps.push(Step { kind, from, to, depth, joins: index == last && !is_new });
            if is_new {
                self.branches(to, depth, steps);
            }
        }
    }

    /// What leaves a stage beside the way that was walked.
    fn branches(&mut self, at: usize, depth: usize, steps: &mut Vec<Step>) {
        if self.left.remove(&(at, at)).is_some() {
            steps.push(Step { kind: Kind::Again, from: at, to: at, depth: depth + 1, joins: false });
        }
        while let Some(next) = self.next(at) {
            let first = self.go(at, next);
            let mut way = vec![first];
            if first.2 {
                way.extend(self.way(next));
            }
            self.follow(&way, Kind::Branch, depth + 1, steps);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Edge, Kind, Step, walk};
    use profiler_common::StageCode;
    use proptest::prelude::*;

    /// Hops as `S0>Q+ 10, Q+>Q- 9`; stages are numbered as they come in the first text.
    pub(in crate::tui) fn parse(stages: &str, hops: &str) -> (Vec<StageCode>, Vec<Edge>) {
        let names: Vec<&str> = stages.split_whitespace().collect();
        let code = |name: &str| {
            StageCode::from_short_name(
                name.trim_end_matches(|c: char| c.is_ascii_lowercase() && name != "drop"),
            )
        };
        let codes = names.iter().map(|name| code(name).unwrap()).collect();
        let place = |name: &str| names.iter().position(|known| *known == name).unwrap();
        let edge = |text: &str| {
            let (hop, count) = text.trim().split_once(' ').unwrap();
            let (from, to) = hop.split_once('>').unwrap();
            Edge { from: place(from), to: place(to), count: count.parse().unwrap() }
        };
        (codes, hops.split(',').filter(|hop| !hop.is_empty()).map(edge).collect())
    }

    fn text(stages: &str, steps: &[Step]) -> Vec<String> {
        let names: Vec<&str> = stages.split_whitespace().collect();
        let line = |step: &Step| {
            let kind = match step.kind {
                Kind::Root => "",
                Kind::Way => "> ",
                Kind::Branch => "\\ ",
                Kind::Again => "@ ",
            };
            format!(
                "{}{kind}{}{}",
                "  ".repeat(step.depth),
                names[step.to],
                if step.joins { " .." } else { "" }
            )
        };
        steps.iter().map(line).collect()
    }

    fn walked(stages: &str, hops: &str) -> Vec<String> {
        let (codes, edges) = parse(stages, hops);
        text(stages, &walk(&codes, &edges))
    }

    #[test]
    fn a_queue_in_front_of_two_workers_stands_there_twice() {
        let stages = "S0 Q+ Q-t T+ T- Q-s W! drop";
        let hops = "S0>Q+ 404, Q+>Q-t 404, Q+>Q-s 40, Q-t>T+ 404, T+>T- 40, T+>drop 364, T->Q+ 40, Q-s>W! 40";
        assert_eq!(
            walked(stages, hops),
            ["S0", "> Q+", "> Q-t", "> T+", "  \\ drop", "> T-", "> Q+", "> Q-s", "> W!"]
        );
    }

    #[test]
    fn rare_ways_branch_off_and_join() {
        assert_eq!(
            walked("S0 Q+ Q- T+ W!", "S0>T+ 99, S0>Q+ 1, Q+>Q- 1, Q->T+ 1, T+>T+ 7, T+>W! 100"),
            ["S0", "  \\ Q+", "  > Q-", "  > T+ ..", "> T+", "  @ T+", "> W!"]
        );
    }

    #[test]
    fn several_sources_and_what_no_source_leads_to() {
        assert_eq!(
            walked("S0a S0b T+ T- W! Q+ Q-", "S0a>T+ 5, S0b>T+ 5, T+>W! 10, Q+>Q- 3, Q->Q+ 3"),
            ["S0a", "> T+", "> W!", "S0b", "> T+ ..", "Q+", "> Q-", "> Q+ .."]
        );
        assert_eq!(walked("S0 W!", ""), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn every_hop_is_walked_once(hops in proptest::collection::btree_map((0usize..8, 0usize..8), 0u64..9, 0..30)) {
            let codes = ["S0", "Q+", "Q-", "T+", "T-", "W!", "drop", "T+"].map(|name| StageCode::from_short_name(name).unwrap());
            let edges: Vec<_> = hops.iter().map(|(&(from, to), &count)| Edge { from, to, count }).collect();
            let steps = walk(&codes, &edges);
            let mut walked: Vec<_> =
                steps.iter().filter(|step| step.kind != Kind::Root).map(|step| (step.from, step.to)).collect();
            walked.sort_unstable();
            prop_assert_eq!(walked, hops.into_keys().collect::<Vec<_>>());
        }
    }
}
