//! Journeys that cross processes and machines.

use super::clock::{Basis, Clocks, Crossing, crossings, is_doubtful};
use super::merge;
use crate::collector::model::{Certainty, Part, Precision, contributions};
use crate::collector::query::testing::{START_NS, part};
use proptest::prelude::*;

fn on(host: &str, outcome: &str, text: &str) -> Part {
    let mut part = part(42, text);
    (part.host, part.outcome) = (host.to_owned(), outcome.to_owned());
    part.entries.iter_mut().for_each(|entry| entry.pid = host.len() as u32);
    part
}

/// The journeys as text: hosts with their stages.
fn told(parts: &[Part]) -> Vec<String> {
    let merged = merge(parts, &[]);
    let journey = |journey: &super::Journey<'_>| {
        let part = |at: &usize| {
            let codes: Vec<String> = parts[*at]
                .entries
                .iter()
                .map(|entry| profiler_common::StageCode(entry.code).to_string())
                .collect();
            format!("{}: {}", parts[*at].host, codes.join(" "))
        };
        journey.parts.iter().map(part).collect::<Vec<_>>().join(" | ")
    };
    merged.journeys.iter().map(journey).collect()
}

#[test]
fn stages_order_the_parts_whatever_the_clocks_say() {
    let all = [
        on("c", "written", "Q-@50 W!@60"),
        // Its clock is an hour behind.
        on("b", "expired", "Q-@-3600000000000 T+@-3599999999990 T-@-3599999999980 Q+@-3599999999970"),
        on("a", "expired", "S0@0 Q+@10"),
    ];
    let line = "a: S0 Q+ | b: Q- T+ T- Q+ | c: Q- W!";
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let parts = order.map(|at: usize| all[at].clone());
        assert_eq!(told(&parts), [line], "{order:?}");
        let merged = merge(&parts, &[]);
        assert_eq!(merged.journeys[0].certainty, Certainty::Stages);
        let suspect: Vec<bool> =
            merged.journeys[0].places.iter().map(|place| place.is_clock_suspect).collect();
        assert_eq!(suspect, [false, false, true, false, false, false, false, false]);
        assert_eq!(merged.journeys[0].duration_ns(), 60);
    }
}

#[test]
fn one_machine_has_one_clock() {
    let parts = [
        on("a", "expired", "T+@30 T-@40"),
        on("a", "expired", "T+@20 T-@25"),
        on("a", "written", "Q-@50 W!@60"),
        on("a", "expired", "S0@0 Q+@10"),
    ];
    let merged = merge(&parts, &[]);
    assert_eq!(
        (&merged.journeys[0].parts, merged.journeys[0].certainty),
        (&vec![3, 1, 0, 2], Certainty::Stages)
    );
}

#[test]
fn where_stages_leave_a_choice_the_journey_says_so() {
    let parts = [on("b", "expired", "T+@30 T-@40"), on("a", "expired", "T+@20 T-@25")];
    let merged = merge(&parts, &[]);
    assert_eq!((&merged.journeys[0].parts, merged.journeys[0].certainty), (&vec![1, 0], Certainty::Clocks));
    assert_eq!(crossings(&merged), []);
}

#[test]
fn copies_under_one_id_are_no_journey_of_several_sinks() {
    // As an engine has it whose 1-to-N gives all outputs one id.
    let mut copies = [part(42, "S0@0 T+@5 T-@10 W!@20"), part(42, "S0@0 T+@5 T-@10 W!@15")];
    copies[1].key.sink_task = 9;
    copies[1].entries[3].task = 9;
    assert_eq!(told(&copies).len(), 2);
    let merged = merge(&copies, &[]);
    assert_eq!((merged.journeys[0].shared, merged.journeys[1].shared), (0, 3));
    assert_eq!(merged.journeys[1].parent, Some(crate::trace::BranchPath::ROOT));
    // Two consumers of one topic.
    let fan = [
        on("a", "expired", "S0@0 Q+@10"),
        on("b", "written", "Q-@50 W!@60"),
        on("c", "written", "Q-@40 W!@90"),
    ];
    assert_eq!(told(&fan), ["a: S0 Q+ | c: Q- W!", "a: S0 Q+ | b: Q- W!"]);
    let turned = [fan[1].clone(), fan[2].clone(), fan[0].clone()];
    assert_eq!(told(&turned), told(&fan));
    assert_eq!(merge(&fan, &[]).journeys[1].shared, 2);
    // Nobody knows which of two open beginnings it follows.
    let torn = [
        on("a", "expired", "S0@0 Q+@10"),
        on("b", "expired", "S0@0 Q+@11"),
        on("c", "written", "Q-@40 W!@90"),
    ];
    assert_eq!(told(&torn), ["a: S0 Q+", "b: S0 Q+", "c: Q- W!"]);
}

#[test]
fn branches_hang_on_the_journeys_that_they_left() {
    let mut branch = on("a", "written", "S0@0 T+@1 T-@3 W!@9");
    (branch.key.branch, branch.shared) = (0x0201, 2);
    let parts = [on("a", "split", "S0@0 T+@1"), branch];
    let merged = merge(&parts, &[]);
    let found: Vec<_> = merged
        .journeys
        .iter()
        .map(|journey| (journey.branch.to_string(), journey.parent.map(|p| p.to_string()), journey.shared))
        .collect();
    assert_eq!(found, [("0".to_owned(), None, 0), ("2.1".to_owned(), Some("2".to_owned()), 2)]);
}

#[test]
fn a_branch_that_came_without_its_beginning_is_whole_again() {
    // One thread takes all stamps.
    let branched = |branch: u64, shared: u16, text: &str| {
        let mut part = on("a", if branch > 0 { "written" } else { "split" }, text);
        (part.key.branch, part.shared, part.key.sink_task) = (branch, shared, 7);
        part.entries.iter_mut().for_each(|entry| entry.task = 7);
        part
    };
    // As spans tell of it: from the stamp on at which it left.
    let cut = |branch: u64, text: &str| branched(branch, 1, text);
    let parts = [
        branched(0, 0, "S0@0 Q+@1 Q-@5 T+@6"),
        cut(0x02, "T+@6 T-@8 Q+@9 Q-@20 W!@30"),
        cut(0x0201, "Q-@20 T+@25 T-@26 W!@40"),
        // Nobody has what was before it.
        cut(0x03, "T+@7 W!@31"),
    ];
    let merged = merge(&parts, &[]);
    let told = |at: usize| {
        let journey: &super::Journey<'_> = &merged.journeys[at];
        let times: Vec<i64> = journey.places.iter().map(|place| place.entry.ts_ns - START_NS).collect();
        (times, journey.shared, journey.first_part(&parts).map(|part| part.key.branch))
    };
    assert_eq!(told(1), (vec![0, 1, 5, 6, 8, 9, 20, 30], 4, Some(0)));
    assert_eq!(told(2), (vec![7, 31], 1, Some(3)));
    assert_eq!(told(3), (vec![0, 1, 5, 6, 8, 9, 20, 25, 26, 40], 7, Some(0)));
    // What came whole stays as it is, and each hop counts once, whichever way the branch came.
    let both = [parts[0].clone(), branched(0x02, 4, "S0@0 Q+@1 Q-@5 T+@6 T-@8 Q+@9 Q-@20 W!@30")];
    let merged = merge(&both, &[]);
    assert_eq!((merged.journeys[1].places.len(), merged.journeys[1].shared), (8, 4));
    let full = branched(0x02, 4, "S0@0 Q+@1 Q-@5 T+@6 T-@8 W!@30");
    let from_spans = Part { start_ns: full.start_ns, is_partial: false, ..cut(0x02, "T+@6 T-@8 W!@30") };
    assert_eq!(contributions(&from_spans), contributions(&full));
}

#[test]
fn offsets_have_bounds_that_say_what_they_rest_on() {
    let there = |ns| Crossing { from_host: "a".to_owned(), to_host: "b".to_owned(), at_ns: START_NS, ns };
    let back = |ns| Crossing { from_host: "b".to_owned(), to_host: "a".to_owned(), at_ns: START_NS, ns };
    let mut clocks = Clocks::default();
    assert_eq!(clocks.offsets(), []);
    clocks.observe(&back(-900));
    clocks.observe(&back(-950));
    let one = &clocks.offsets()[0];
    assert_eq!(
        (one.from_host.as_str(), one.offset_ns, one.error_ns, one.basis),
        ("b", -950, None, Basis::OneWay)
    );
    assert!(
        is_doubtful(&clocks.offsets(), "a", "b", 5000) && !is_doubtful(&clocks.offsets(), "a", "b", 50_000)
    );
    clocks.observe(&there(1050));
    let both = &clocks.offsets()[0];
    assert_eq!(
        (both.from_host.as_str(), both.offset_ns, both.error_ns, both.basis),
        ("a", 1000, Some(51), Basis::BothWays)
    );
    // What was long ago is forgotten.
    clocks.observe(&Crossing { at_ns: START_NS + 31 * 60_000_000_000, ..there(2000) });
    assert_eq!((clocks.offsets()[0].offset_ns, clocks.offsets()[0].basis), (2000, Basis::OneWay));
    for index in 0..400 {
        clocks.observe(&Crossing { to_host: format!("h{index}"), ..there(1) });
    }
    assert_eq!(clocks.offsets().len(), 256);
}

#[test]
fn a_stamp_in_milliseconds_widens_the_bound() {
    let mut parts = [on("a", "expired", "S0@0 Q+@10"), on("b", "written", "Q-@50 W!@60")];
    assert_eq!(crossings(&merge(&parts, &[]))[0].ns, 40);
    parts[1].precision = Precision::Millis;
    assert_eq!(crossings(&merge(&parts, &[]))[0].ns, 1_000_040);
}

proptest! {
    /// Whatever the delays and the clocks: the truth is within the error.
    #[test]
    fn the_true_offset_is_within_the_error(
        offset in -5_000_000_000i64..5_000_000_000,
        delays in proptest::collection::vec((any::<bool>(), 0i64..50_000_000), 1..40),
    ) {
        let mut clocks = Clocks::default();
        for (is_there, delay) in &delays {
            let (there, back) = (format!("Q-@{}", 10 + delay + offset), format!("Q-@{}", 10 + delay - offset));
            let [first, second, text] = if *is_there { ["a", "b", &there] } else { ["b", "a", &back] };
            let parts = [on(first, "expired", "S0@0 Q+@10"), on(second, "written", text)];
            let merged = merge(&parts, &[]);
            prop_assert_eq!(merged.journeys.len(), 1);
            crossings(&merged).iter().for_each(|crossing| clocks.observe(crossing));
        }
        let found = clocks.offsets();
        prop_assert_eq!(found.len(), 1);
        let truth = if found[0].from_host == "a" { offset } else { -offset };
        match found[0].error_ns {
            Some(error) => prop_assert!((found[0].offset_ns - truth).abs() <= error),
            None => prop_assert!(truth <= found[0].offset_ns),
        }
    }

    /// However the parts come, and wherever their clocks are: the same journey.
    #[test]
    fn a_relay_over_many_machines_is_one_journey(
        skews in proptest::collection::vec(-1_000_000i64..1_000_000, 3), swaps in proptest::collection::vec(0usize..3, 4)
    ) {
        let [a, b, c] = [skews[0], skews[1], skews[2]];
        let mut parts = vec![
            on("a", "expired", &format!("S0@{a} Q+@{}", a + 10)),
            on("b", "expired", &format!("Q-@{} T+@{} T-@{} Q+@{}", b + 20, b + 30, b + 40, b + 50)),
            on("c", "written", &format!("Q-@{} W!@{}", c + 60, c + 70)),
        ];
        for (at, with) in swaps.into_iter().enumerate() {
            parts.swap(at % 3, with);
        }
        prop_assert_eq!(told(&parts), ["a: S0 Q+ | b: Q- T+ T- Q+ | c: Q- W!"]);
    }
}
