//! The model on scripts whose outcome is plain to see, and what must hold of it on any script.

use super::{Bounds, ByKey, Code, Manner, Mix, Model, Shared, Step, flaw, script};
use crate::expected::{End, Expected, Journey, path_text};
use crate::truth::{More, Row, Truth};

use Code::*;

/// The log of a run in which step n took from 10 n to 10 n + 5. A row's address is 100 and its number, a batch's 200 and its number.
fn log(steps: &[Step]) -> Truth {
    let row = |(at, step): (u64, &Step)| Row {
        source: step.thread,
        seq: at,
        stage: 100 + step.code as u32,
        tid: step.thread,
        before_ns: 10 * at,
        after_ns: 10 * at + 5,
        record: 100 + u64::from(step.object),
        pid: 1,
        more: More { holder: 200 + u64::from(step.second), ..More::default() },
    };
    Truth::from_rows((1..).zip(steps).map(row).collect(), 1)
}

fn run(bounds: Bounds, steps: &[(Code, u32, u32)]) -> Expected {
    let step = |&(code, object, second): &(Code, u32, u32)| Step::new(0, code, object, second);
    play(Manner::default(), bounds, &steps.iter().map(step).collect::<Vec<_>>())
}

fn play(manner: Manner, bounds: Bounds, steps: &[Step]) -> Expected {
    // Of two processes each has two threads.
    let mut model = Model::new(4, bounds, manner);
    steps.iter().for_each(|step| model.step(step));
    model.expected(steps, &log(steps))
}

/// In words, where names cannot be read: each step with its flaws.
fn veiled(steps: &[(Code, u32, u32, u32)]) -> (Vec<String>, Option<u64>) {
    let manner = Manner { named: true, flaws: true, ..Manner::default() };
    let step = |&(code, object, second, flaws): &(Code, u32, u32, u32)| Step {
        flaws,
        ..Step::new(0, code, object, second)
    };
    let expected = play(manner, Bounds::wide(1), &steps.iter().map(step).collect::<Vec<_>>());
    (expected.journeys.iter().map(in_words).collect(), expected.unreadable)
}

/// Each journey in words: its path, its stamps, and its end.
fn words(steps: &[(Code, u32, u32)]) -> Vec<String> {
    run(Bounds::wide(1), steps).journeys.iter().map(in_words).collect()
}

fn in_words(journey: &Journey) -> String {
    let names: Vec<_> = journey.stamps.iter().map(|stamp| stamp.name).collect();
    let end = match &journey.end {
        End::Outcome(outcome) => outcome,
        End::Vanished => "vanished",
        End::InFlight => "in flight",
    };
    format!("{} {}: {end}", path_text(journey.path), names.join(" "))
}

#[test]
fn a_record_lives_as_long_as_one_of_its_keys() {
    let way = [
        (Emit, 1, 0),
        (Alias, 1, 2),
        (Emit, 1, 0),
        (Take, 1, 0),
        (Node, 2, 0),
        (NodeWrite, 2, 0),
        (Emit, 1, 0),
    ];
    assert_eq!(
        words(&way),
        ["0 emit alias node node write: written", "0 emit take: vanished", "0 emit: in flight"]
    );
    // The node is another record's from then on.
    let way = [(Emit, 1, 0), (Alias, 1, 2), (Emit, 3, 0), (Alias, 3, 2), (Node, 2, 0), (Emit, 1, 0)];
    assert_eq!(words(&way), ["0 emit alias: vanished", "0 emit alias node: in flight", "0 emit: in flight"]);
}

#[test]
fn a_scope_without_output_is_a_filter() {
    assert_eq!(
        words(&[(Emit, 1, 0), (Call, 1, 0), (Note, 0, 0), (Return, 0, 0)]),
        ["0 emit call note: filtered"]
    );
    for (code, name) in [(Done, "done"), (Put, "put")] {
        let way = [(Emit, 1, 0), (Call, 1, 0), (code, 1, 0), (Return, 0, 0), (Note, 0, 0)];
        assert_eq!(words(&way), [format!("0 emit call {name}: in flight")]);
    }
    assert_eq!(words(&[(Emit, 1, 0), (KeepCall, 1, 0), (Return, 0, 0)]), ["0 emit keep call: in flight"]);
    assert_eq!(words(&[(Emit, 1, 0), (Open, 1, 0), (Close, 0, 0)]), ["0 emit open close: filtered"]);
}

#[test]
fn the_outermost_scope_decides() {
    let way = [(Emit, 1, 0), (Call, 1, 0), (Call, 1, 0), (Return, 0, 0), (Done, 0, 0), (Return, 0, 0)];
    assert_eq!(words(&way), ["0 emit call call done: in flight"]);
    // Another record in the midst.
    let way = [
        (Emit, 1, 0),
        (Emit, 2, 0),
        (Call, 1, 0),
        (Call, 2, 0),
        (Done, 0, 0),
        (Return, 0, 0),
        (Return, 0, 0),
    ];
    assert_eq!(words(&way), ["0 emit call: filtered", "0 emit call done: in flight"]);
}

#[test]
fn a_scope_that_is_left_decides_nothing_and_leads_nowhere() {
    let way = [(Emit, 1, 0), (Call, 1, 0), (PlainCall, 0, 0), (Leave, 2, 0), (PlainCall, 0, 0), (Note, 0, 0)];
    assert_eq!(words(&way), ["0 emit call: in flight"]);
    let way = [(Emit, 1, 0), (Call, 1, 0), (Leave, 1, 0), (Emit, 1, 0)];
    assert_eq!(words(&way), ["0 emit call: vanished", "0 emit: in flight"]);
    // As long as it is open, it holds the record.
    let way = [(Emit, 1, 0), (Call, 1, 0), (Emit, 1, 0), (Note, 0, 0), (Return, 0, 0)];
    assert_eq!(words(&way), ["0 emit call note: filtered", "0 emit: in flight"]);
}

#[test]
fn scopes_end_with_their_thread() {
    let way = [(Emit, 1, 0), (Call, 1, 0), (Die, 0, 0), (Note, 0, 0), (Take, 1, 0)];
    assert_eq!(words(&way), ["0 emit call take: in flight"]);
}

#[test]
fn branches_are_numbered_by_their_making() {
    let way = [
        (Emit, 1, 0),
        (Call, 1, 0),
        (Fork, 2, 0),
        (Fork, 3, 0),
        (Return, 0, 0),
        (Call, 2, 0),
        (Fork, 4, 0),
        (Done, 0, 0),
        (Return, 0, 0),
        (Write, 3, 0),
    ];
    let expected = run(Bounds::wide(1), &way);
    assert_eq!(
        expected.journeys.iter().map(in_words).collect::<Vec<_>>(),
        [
            "0 emit call: split",
            "1 emit call fork call done: in flight",
            "2 emit call fork write: written",
            "1.1 emit call fork call fork: in flight"
        ]
    );
    let shared: Vec<_> = expected.journeys.iter().map(|journey| (journey.shared, journey.branches)).collect();
    assert_eq!(shared, [(0, 2), (2, 1), (2, 0), (4, 0)]);
}

#[test]
fn a_batch_and_the_one_around_it() {
    let way = [
        (Emit, 1, 0),
        (Emit, 2, 0),
        (Add, 1, 5),
        (Add, 2, 5),
        (Emit, 1, 0),
        (Add, 9, 6),
        (Merge, 5, 6),
        (Flush, 6, 0),
    ];
    let journeys = run(Bounds::wide(1), &way).journeys;
    assert_eq!(in_words(&journeys[0]), "0 emit add merge flush: written");
    let batches: Vec<_> = journeys[1].batches.iter().map(|b| (b.entry, b.key, b.position, b.size)).collect();
    assert_eq!(batches, [(1, 205, 1, Some(2)), (2, 206, 2, Some(3))]);
}

#[test]
fn bounds_are_met_and_counted() {
    let bounds = Bounds { keys: 2, branches: 1, members: 1, ..Bounds::wide(1) };
    let way = [
        (Emit, 1, 0),
        (Alias, 1, 1),
        (Alias, 1, 2),
        (Call, 1, 0),
        (Fork, 2, 0),
        (Fork, 3, 0),
        (Return, 0, 0),
        (Emit, 4, 0),
        (Add, 2, 7),
        (Add, 4, 7),
        (Flush, 7, 0),
    ];
    let expected = run(bounds, &way);
    let met: Vec<_> = expected.bounds.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(met, [("branches_full", 1), ("keys_full", 1), ("members_full", 1)]);
    let flags: Vec<_> =
        expected.journeys.iter().map(|j| j.flags.keys().cloned().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(flags, ["branches_dropped keys_dropped", "", "batches_dropped"]);
    assert_eq!(in_words(&expected.journeys[1]), "1 emit alias alias call fork add flush: written");
    assert_eq!(in_words(&expected.journeys[2]), "0 emit add: in flight");
}

#[test]
fn what_passes_unseen_leaves_no_journey_sure() {
    // Nowhere, no record is.
    let way = [(Emit, 1, 0, 0), (Emit, 2, 0, flaw::OBJECT), (Take, 1, 0, 0), (Take, 1, 0, flaw::OBJECT)];
    assert_eq!(veiled(&way), (vec!["0 emit take: in flight".to_owned()], Some(2)));
    for passes in [(Emit, 2, 0, flaw::OBJECT | flaw::FAR), (Alias, 2, 0, flaw::SECOND | flaw::FAR)] {
        let way = [(Emit, 1, 0, 0), passes, (Take, 1, 0, 0), (Emit, 1, 0, 0), (Take, 1, 0, 0)];
        let expected = vec!["0 emit: source_unseen".to_owned(), "0 emit take: in flight".to_owned()];
        assert_eq!(veiled(&way), (expected, Some(1)));
    }
}

#[test]
fn a_scope_that_an_unseen_output_may_have_left_is_no_filter() {
    for unseen in [(Put, 1), (Fork, 2), (Error, 1), (Write, 1), (Flush, 3)] {
        let way =
            [(Emit, 1, 0, 0), (Call, 1, 0, 0), (unseen.0, unseen.1, 0, flaw::OBJECT), (Return, 0, 0, 0)];
        assert_eq!(veiled(&way).0, ["0 emit call: in flight"]);
    }
    // It may be the record's own, and hides what is around it.
    let way = [
        (Emit, 1, 0, 0),
        (Call, 1, 0, 0),
        (Call, 1, 0, flaw::OBJECT),
        (Done, 0, 0, 0),
        (Return, 0, 0, 0),
        (Return, 0, 0, 0),
    ];
    assert_eq!(veiled(&way).0, ["0 emit call: in flight"]);
}

#[test]
fn a_scope_that_may_have_been_closed_is_hidden_and_no_filter() {
    let manner = Manner { conditions: true, flaws: true, ..Manner::default() };
    let step = |code, object, flaws| Step { flaws, ..Step::new(0, code, object, 0) };
    let way = |flaws| {
        let steps = [(Emit, 0), (Call, 0), (Open, 0), (Close, flaws), (Note, 0), (Close, 0), (Return, 0)];
        let steps = steps.map(|(code, flaws)| step(code, 1, flaws));
        play(manner, Bounds::wide(1), &steps).journeys.iter().map(in_words).collect::<Vec<_>>()
    };
    assert_eq!(way(0), ["0 emit call open close note close: filtered"]);
    // Nowhere there is no record: nothing is closed.
    assert_eq!(way(flaw::OBJECT), ["0 emit call open note close: filtered"]);
    assert_eq!(way(flaw::OBJECT | flaw::FAR), ["0 emit call open: in flight"]);
}

#[test]
fn a_scope_that_a_stage_opened_lasts_while_the_thread_is_no_further_out() {
    // A call from the same place is within it.
    let way = [(Emit, 1, 0), (Open, 1, 0), (Call, 1, 0), (Return, 0, 0), (Done, 0, 0), (Close, 0, 0)];
    assert_eq!(words(&way), ["0 emit open call done close: in flight"]);
    // Found further out, it was left, and its record is filtered by no other scope.
    let way = [
        (Emit, 1, 0),
        (PlainCall, 0, 0),
        (Open, 1, 0),
        (Return, 0, 0),
        (Note, 0, 0),
        (Call, 1, 0),
        (Return, 0, 0),
    ];
    assert_eq!(words(&way), ["0 emit open call: in flight"]);
    // Around it is another one's: nothing is taken for that one's, nor is it filtered.
    let way = [
        (Emit, 1, 0),
        (Emit, 2, 0),
        (Call, 1, 0),
        (PlainCall, 0, 0),
        (Open, 2, 0),
        (Return, 0, 0),
        (Note, 0, 0),
        (Return, 0, 0),
    ];
    assert_eq!(words(&way), ["0 emit call: in flight", "0 emit open: in flight"]);
}

#[test]
fn a_scope_ends_with_its_own_close_also_where_its_record_is_over() {
    let way = [
        (Emit, 1, 0),
        (Emit, 2, 0),
        (Call, 1, 0),
        (Open, 2, 0),
        (Write, 2, 0),
        (Close, 0, 0),
        (Done, 0, 0),
        (Return, 0, 0),
    ];
    assert_eq!(words(&way), ["0 emit call done: in flight", "0 emit open write: written"]);
}

#[test]
fn a_batch_whose_end_is_not_known_is_none_until_its_next() {
    let way = [
        (Emit, 1, 0, 0),
        (Add, 1, 5, 0),
        (Flush, 5, 0, flaw::OBJECT | flaw::FAR),
        (Emit, 2, 0, 0),
        (Add, 2, 5, 0),
        (Flush, 5, 0, 0),
        (Emit, 3, 0, 0),
        (Add, 3, 5, 0),
        (Flush, 5, 0, 0),
    ];
    let (words, unreadable) = veiled(&way);
    assert_eq!(words, ["0 emit add: in flight", "0 emit add: in flight", "0 emit add flush: written"]);
    assert_eq!(unreadable, Some(1));
}

/// In words, where a key is met anywhere: of each step the row, the second object, and the row's new name. And how many were refused.
fn met(steps: &[(Code, u32, u32, u32)]) -> (Vec<String>, u64) {
    let by_key = ByKey { is_unsourced: true, is_sampled: |key, _| key != 0, trace_id: |key| key };
    let manner = Manner { named: true, by_key: Some(by_key), ..Manner::default() };
    let step = |&(code, object, second, name): &(Code, u32, u32, u32)| Step {
        name,
        ..Step::new(0, code, object, second)
    };
    let expected = play(manner, Bounds::wide(1), &steps.iter().map(step).collect::<Vec<_>>());
    let flags = |journey: &Journey| journey.flags.keys().cloned().collect::<Vec<_>>().join(" ");
    let words = expected.journeys.iter().map(|journey| format!("{} {}", in_words(journey), flags(journey)));
    (words.collect(), expected.refused)
}

#[test]
fn a_record_is_met_at_any_stage_but_its_end() {
    let way = [
        (Emit, 1, 0, 7),
        (Write, 1, 0, 0),
        (Put, 1, 0, 0),
        (Alias, 1, 2, 0),
        (Emit, 1, 0, 8),
        (Node, 2, 0, 0),
        (Take, 3, 0, 7),
        (Write, 3, 0, 0),
        (Node, 2, 0, 0),
        (Call, 1, 0, 0),
        (Fork, 4, 0, 9),
        (Take, 3, 0, 0),
    ];
    let expected = [
        "0 put alias node take write: written partial",
        "0 call: in flight partial",
        "1 call fork: in flight partial",
        "0 take: in flight partial",
    ];
    assert_eq!(met(&way), (expected.map(str::to_owned).to_vec(), 0));
}

#[test]
fn what_was_refused_is_not_met_again_before_its_end_or_another_s_birth() {
    for over in [(Write, 1, 0, 0), (Error, 2, 0, 7), (Fork, 3, 0, 7)] {
        let way = [
            (Halt, 0, 0, 0),
            (Take, 1, 0, 7),
            (Put, 1, 0, 0),
            (Halt, 0, 0, 0),
            (Take, 1, 0, 0),
            (Flush, 1, 0, 0),
            over,
            (Put, 1, 0, 0),
        ];
        assert_eq!(met(&way), (vec!["0 put: in flight partial".to_owned()], 1), "{over:?}");
    }
}

#[test]
fn what_passes_unseen_is_of_its_process_or_of_all_that_share_the_key() {
    const FAR: u32 = flaw::FAR | flaw::OBJECT;
    let words = |shared: [bool; 2], steps: &[(u32, Code, u32, u32, u32)]| -> Vec<String> {
        let [rows, nodes] = shared;
        let linked = Some(Shared { rows, nodes, batches: false });
        let manner = Manner { named: true, flaws: true, linked, ..Manner::default() };
        let step = |&(thread, code, object, second, flaws): &(u32, Code, u32, u32, u32)| Step {
            flaws,
            ..Step::new(thread, code, object, second)
        };
        let expected = play(manner, Bounds::wide(1), &steps.iter().map(step).collect::<Vec<_>>());
        expected.journeys.iter().map(in_words).collect()
    };
    let way = [(0, Emit, 1, 0, 0), (2, Emit, 1, 0, FAR), (2, Take, 1, 0, 0), (0, Take, 1, 0, 0)];
    assert_eq!(words([false, true], &way), ["0 emit take: in flight"]);
    assert_eq!(words([true, false], &way), ["0 emit: source_unseen"]);
    let way = [(0, Emit, 1, 0, 0), (2, Take, 1, 0, 0), (0, Take, 1, 0, 0)];
    assert_eq!(words([false, true], &way), ["0 emit take: in flight"]);
    assert_eq!(words([true, false], &way), ["0 emit take take: in flight"]);
    // Of a key that it does not have any more no record can be.
    let (node, unseen) = (flaw::FAR | flaw::SECOND, "0 emit alias: source_unseen");
    let begin = [(0, Emit, 1, 0, 0), (0, Alias, 1, 2, 0)];
    let way = [&begin[..], &[(2, Alias, 3, 3, node), (0, Take, 1, 0, 0)]].concat();
    assert_eq!(words([false, true], &way), [unseen]);
    let way = [&begin[..], &[(0, Emit, 4, 0, FAR), (2, Node, 2, 0, 0)]].concat();
    assert_eq!(words([false, true], &way), [unseen]);
    let way = [&begin[..], &[(0, Emit, 1, 0, 0), (0, Emit, 4, 0, FAR), (2, Node, 2, 0, 0)]].concat();
    assert_eq!(words([false, true], &way), ["0 emit alias node: in flight", "0 emit: in flight"]);
}

#[test]
fn a_call_that_does_not_count_takes_the_place_of_one_that_was_left() {
    let manner = Manner { conditions: true, ..Manner::default() };
    // The status that the condition of a call refuses.
    let refused = Step { value: 4, ..Step::new(0, Call, 1, 0) };
    let step = |code, object| Step::new(0, code, object, 0);
    let steps = [step(Emit, 1), step(Call, 1), step(Leave, 1), refused, step(Note, 0), step(Return, 0)];
    let expected = play(manner, Bounds::wide(1), &steps);
    assert_eq!(expected.journeys.iter().map(in_words).collect::<Vec<_>>(), ["0 emit call: in flight"]);
}

#[test]
fn a_ninth_scope_hides_the_others() {
    let mut way = vec![(Emit, 1, 0)];
    way.extend([(Call, 1, 0); 9]);
    way.extend([(Note, 0, 0), (Return, 0, 0), (Note, 0, 0)]);
    let expected = run(Bounds::wide(1), &way);
    assert_eq!(in_words(&expected.journeys[0]), format!("0 emit{} note: in flight", " call".repeat(9)));
    assert_eq!(expected.bounds.get("scopes_full"), Some(&1));
}

/// Whatever the script: a record has one journey, a branch one parent, and no stamp is taken twice by one journey.
#[test]
fn any_script_makes_whole_families() {
    for seed in 0..60 {
        let mix = [Mix::ALL[seed as usize % 4]];
        let mut model =
            Model::new(3, Bounds { keys: 4, branches: 3, members: 5, ..Bounds::wide(2) }, Manner::default());
        let steps = script(seed, 3000, &mix, &mut model);
        let emitted = steps.iter().filter(|step| step.code == Emit).count() as u64;
        let expected = model.expected(&steps, &log(&steps));
        let roots = expected.journeys.iter().filter(|journey| journey.path == 0).count() as u64;
        let threads = 3 + steps.iter().filter(|step| step.code == Die).count() as u64;
        assert!(((emitted - threads) / 2..=emitted / 2).contains(&roots), "{emitted} {roots}");
        let branches: u32 = expected.journeys.iter().map(|journey| journey.branches).sum();
        assert_eq!(u64::from(branches) + roots, expected.journeys.len() as u64);
        for journey in &expected.journeys {
            assert!(
                journey.stamps.is_sorted_by(|a, b| a.before_ns < b.before_ns),
                "seed {seed}: {journey:?}"
            );
            assert!(journey.shared < journey.stamps.len() && (journey.shared == 0) == (journey.path == 0));
            let ends = journey.stamps.iter().filter(|stamp| matches!(stamp.code, "W!" | "drop")).count();
            assert!(ends <= 1, "seed {seed}: {journey:?}");
        }
    }
}
