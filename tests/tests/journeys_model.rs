//! Random scripts: what is reported must be what a simple model of the rules says.

use anyhow::{Result, ensure};
use profiler_common::recipe::{key_hash, key_trace_id};
use stain_tests::dice::Dice;
use stain_tests::model::{Bounds, ByKey, Manner, Play, Refusal, Shared};
use stain_tests::targets::Flavour;

/// Most of the time of a run goes into attaching: so scripts are few and long.
const STEPS: usize = 20_000;

/// Every script of a list, in its manner; all that disagree are told.
fn assert_all_agree(scripts: impl Iterator<Item = (u64, Flavour, Bounds, Manner)>) -> Result<()> {
    let mut wrong = Vec::new();
    for (seed, flavour, bounds, manner) in scripts {
        let what = format!("seed {seed}, {bounds:?}, {manner:?}");
        if let Err(error) = Play::random(seed, STEPS, bounds, manner)?.assert_agrees(flavour, &what) {
            wrong.push(format!("{error:#}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

const PLAIN: Manner = Manner {
    named: false,
    conditions: false,
    attributes: false,
    flaws: false,
    by_key: None,
    linked: None,
    refusal: Refusal::Never,
};

const BY_KEY: ByKey = ByKey {
    is_unsourced: false,
    is_sampled: |key, rate| key_hash(key).is_multiple_of(rate),
    trace_id: key_trace_id,
};

#[test]
fn random_scripts_agree_with_the_model() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::random_scripts_agree_with_the_model").open() {
        return Ok(());
    }
    let flavours = [(Flavour::CProtected, 1), (Flavour::C, 3)];
    assert_all_agree((0..4).map(|seed| {
        let (flavour, rate) = flavours[seed as usize / 2];
        (seed, flavour, Bounds::wide(rate), PLAIN)
    }))
}

#[test]
fn at_every_bound_the_model_agrees_still() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::at_every_bound_the_model_agrees_still").open() {
        return Ok(());
    }
    assert_all_agree((100..103).map(|seed| {
        let bounds = Bounds { keys: 2, branches: 2, members: 3, ..Bounds::wide(1 + seed % 2) };
        (seed, Flavour::CProtected, bounds, PLAIN)
    }))
}

#[test]
fn conditions_and_attributes_are_those_of_the_step() -> Result<()> {
    let name = "journeys_model::conditions_and_attributes_are_those_of_the_step";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    assert_all_agree((200..202).map(|seed| {
        let manner = Manner { named: seed == 201, conditions: true, attributes: true, ..PLAIN };
        (seed, Flavour::CProtected, Bounds::wide(1 + seed % 3), manner)
    }))
}

#[test]
fn what_cannot_be_read_mixes_no_journeys() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::what_cannot_be_read_mixes_no_journeys").open() {
        return Ok(());
    }
    assert_all_agree((301..305).map(|seed| {
        // With keys in registers, conditions and attributes are unreadable all the same.
        let (named, conditions, attributes) = (seed < 304, seed % 2 == 0, seed > 301);
        let manner = Manner { named, conditions, attributes, flaws: true, ..PLAIN };
        (seed, Flavour::CProtected, Bounds::wide(1 + seed % 2), manner)
    }))
}

#[test]
fn keys_can_decide_what_is_sampled() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::keys_can_decide_what_is_sampled").open() {
        return Ok(());
    }
    assert_all_agree((400..402).map(|seed| {
        let odd = seed == 401;
        let manner = Manner { named: true, conditions: odd, flaws: odd, by_key: Some(BY_KEY), ..PLAIN };
        (seed, Flavour::CProtected, Bounds::wide(1 + seed % 2), manner)
    }))
}

/// No S0 is in the spec: a journey begins at whatever stage meets its row first, and a row that is refused there is not met again before its end.
#[test]
fn where_no_source_is_probed_a_record_is_met_anywhere() -> Result<()> {
    let name = "journeys_model::where_no_source_is_probed_a_record_is_met_anywhere";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let by_key = Some(ByKey { is_unsourced: true, ..BY_KEY });
    let refusals = [Refusal::Never, Refusal::Paused, Refusal::Full];
    assert_all_agree((450..).zip(refusals).map(|(seed, refusal)| {
        let odd = seed > 450;
        let manner = Manner { named: true, conditions: odd, flaws: odd, by_key, refusal, ..PLAIN };
        (seed, Flavour::CProtected, with_slots(refusal, Bounds::wide(1 + seed % 2)), manner)
    }))
}

/// Fewer slots than there are journeys, where that is wanted.
fn with_slots(refusal: Refusal, bounds: Bounds) -> Bounds {
    let slots = if refusal == Refusal::Full { 1500 / bounds.rate as usize } else { bounds.slots };
    Bounds { slots, ..bounds }
}

/// Names of all objects are the same in both processes: where they are shared, journeys cross over, and elsewhere none does.
#[test]
fn shared_keys_lead_from_process_to_process_and_no_others() -> Result<()> {
    let name = "journeys_model::shared_keys_lead_from_process_to_process_and_no_others";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let shared = |rows, nodes, batches| Some(Shared { rows, nodes, batches });
    let spaces = [shared(false, true, false), shared(true, false, false), shared(true, true, true)];
    assert_all_agree((500..).zip(spaces).map(|(seed, linked)| {
        let odd = seed == 501;
        let manner =
            Manner { named: true, conditions: odd, attributes: odd, flaws: seed > 500, linked, ..PLAIN };
        (seed, Flavour::CProtected, Bounds::wide(1 + seed % 2), manner)
    }))
}

/// A script, and whatever the dice say of its manner and its bounds.
fn drawn(seed: u64) -> (u64, Flavour, Bounds, Manner) {
    let dice = &mut Dice(seed);
    let manner = Manner::drawn(dice, BY_KEY);
    let wide = Bounds::wide(1 + dice.below(3));
    let bounds = if dice.below(2) == 0 { wide } else { Bounds { keys: 2, branches: 2, members: 3, ..wide } };
    (seed, Flavour::CProtected, with_slots(manner.refusal, bounds), manner)
}

#[test]
fn all_of_it_together_agrees_with_the_model() -> Result<()> {
    if !stain_tests::tally::privileged("journeys_model::all_of_it_together_agrees_with_the_model").open() {
        return Ok(());
    }
    // They have two processes, each with other keys shared, flaws with all of them, no source in two of them, and in one each pauses and too few slots.
    assert_all_agree([605, 617, 622, 627].into_iter().map(drawn))
}
