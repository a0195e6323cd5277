//! Journeys of records that change, split, merge and vanish, against what the target says itself: every scenario in every language.

use anyhow::Result;
use stain_tests::flow::{Flow, Kind, Read, codes};
use stain_tests::targets::Flavour;

/// Every journey of a run is the one that the target logged, and every number adds up.
fn assert_true(flow: &Flow) -> Result<()> {
    let done = flow.run()?;
    done.assert_says(&flow.expected(&done.truth))
}

/// Rate, and arguments of the target, that make a run of a few seconds.
fn size(kind: Kind) -> (u64, &'static str) {
    match kind {
        Kind::Split => (10, "--records 10000 --sources 2 --workers 2 --queue 64"),
        Kind::Nested => (2, "--records 6000 --sources 2 --workers 2 --queue 64"),
        Kind::Steal => (5, "--records 3000 --workers 8"),
        Kind::Batch => (10, "--records 25000 --sources 2 --workers 2 --queue 64"),
        _ => (5, "--records 20000 --sources 2 --workers 2 --queue 64"),
    }
}

fn quick(kind: Kind, flavour: Flavour) -> Result<()> {
    let (rate, target) = size(kind);
    assert_true(&Flow::new(kind, flavour, rate, target))
}

macro_rules! in_each_language {
    ($($scenario:ident: $kind:expr),+ $(,)?) => {
        $(mod $scenario {
            use super::*;

            #[test]
            fn in_c() -> Result<()> {
                let test = concat!("journeys::", stringify!($scenario), "::in_c");
                if stain_tests::tally::privileged(test).open() { quick($kind, Flavour::CProtected) } else { Ok(()) }
            }

            #[test]
            fn in_cpp() -> Result<()> {
                let test = concat!("journeys::", stringify!($scenario), "::in_cpp");
                if stain_tests::tally::privileged(test).open() { quick($kind, Flavour::Cpp) } else { Ok(()) }
            }

            #[test]
            fn in_rust() -> Result<()> {
                let test = concat!("journeys::", stringify!($scenario), "::in_rust");
                if stain_tests::tally::privileged(test).open() { quick($kind, Flavour::Rust) } else { Ok(()) }
            }
        })+
    };
}

in_each_language!(
    handed_over_across_three_objects: Kind::Handover,
    filtered_by_scope_or_drop_point: Kind::Filter,
    split_and_split_again: Kind::Split,
    put_into_batches_and_bigger_batches: Kind::Batch,
    routed_to_error_sinks: Kind::Errors,
    nested_recursive_and_left: Kind::Nested,
    stolen_by_eight_threads: Kind::Steal,
);

/// Every record is traced, so that every address is some trace's at every moment.
#[test]
fn at_a_rate_of_one_nothing_mixes() -> Result<()> {
    if !stain_tests::tally::privileged("journeys::at_a_rate_of_one_nothing_mixes").open() {
        return Ok(());
    }
    for (kind, records) in [
        (Kind::Handover, 20_000),
        (Kind::Filter, 20_000),
        (Kind::Split, 2500),
        (Kind::Nested, 6000),
        (Kind::Steal, 2000),
    ] {
        let workers = if kind == Kind::Steal { 8 } else { 2 };
        // Every one is written: no faster than any machine can.
        let target = format!("--records {records} --workers {workers} --queue 16 --rate-per-second 4000");
        assert_true(&Flow::new(kind, Flavour::CProtected, 1, &target))?;
    }
    Ok(())
}

/// Where entries are no `endbr64`, the probes lie elsewhere.
#[test]
fn without_endbr64_nothing_is_different() -> Result<()> {
    if !stain_tests::tally::privileged("journeys::without_endbr64_nothing_is_different").open() {
        return Ok(());
    }
    for (kind, flavour) in [(Kind::Nested, Flavour::C), (Kind::Split, Flavour::RustV0)] {
        quick(kind, flavour)?;
    }
    Ok(())
}

/// Strings by NUL and by length, numbers, words for numbers, and the record's own time: at the source, on branches, and at the end.
#[test]
fn attributes_and_record_times_are_what_the_record_has() -> Result<()> {
    if !stain_tests::tally::privileged("journeys::attributes_and_record_times_are_what_the_record_has").open()
    {
        return Ok(());
    }
    let all = [Read::Table(64), Read::Exact, Read::Status, Read::Word, Read::Uid, Read::TimeMs];
    for flavour in Flavour::LANGUAGES {
        let (rate, target) = size(Kind::Errors);
        let errors = Flow::new(Kind::Errors, flavour, rate, target)
            .read(codes::S0, &all)
            .read(codes::ERROR, &[Read::Table(16), Read::Word])
            .read(codes::WRITE_OK, &[Read::TimeNs, Read::Status])
            .read(codes::WRITE_FAILED, &[Read::Exact, Read::TimeNs]);
        assert_true(&errors)?;
        let (rate, target) = size(Kind::Split);
        let split = Flow::new(Kind::Split, flavour, rate, target)
            .read(codes::S0, &[Read::Table(64), Read::TimeMs])
            .read(codes::FORK, &[Read::Status, Read::Uid])
            .read(codes::WRITTEN, &[Read::Word, Read::TimeNs]);
        assert_true(&split)?;
    }
    Ok(())
}
