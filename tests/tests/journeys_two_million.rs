//! Two million records in each scenario, each in one of the languages.

use anyhow::{Result, ensure};
use stain_tests::flow::{Flow, Kind};
use stain_tests::targets::Flavour;

fn run(kind: Kind, flavour: Flavour, rate: u64, target: &str) -> Result<()> {
    let flow = Flow::new(kind, flavour, rate, target);
    let done = flow.run()?;
    ensure!(done.totals.emitted == 2_000_000, "{:?}", done.totals);
    let expected = flow.expected(&done.truth);
    ensure!(expected.journeys.len() as u64 >= 2_000_000 / rate, "{} journeys", expected.journeys.len());
    done.assert_says(&expected)
}

macro_rules! two_million {
    ($($scenario:ident: $kind:expr, $flavour:expr, $rate:literal, $target:literal;)+) => {
        $(#[test]
        fn $scenario() -> Result<()> {
            let test = concat!("journeys_two_million::", stringify!($scenario));
            if stain_tests::tally::privileged(test).open() { run($kind, $flavour, $rate, $target) } else { Ok(()) }
        })+
    };
}

two_million!(
    handed_over: Kind::Handover, Flavour::CProtected, 100, "--records 2000000 --workers 2";
    filtered: Kind::Filter, Flavour::Cpp, 100, "--records 1000000 --sources 2 --workers 2";
    split: Kind::Split, Flavour::Rust, 500, "--records 2000000 --workers 2";
    batched: Kind::Batch, Flavour::CProtected, 50, "--records 1000000 --sources 2 --workers 2";
    routed: Kind::Errors, Flavour::Rust, 100, "--records 2000000 --workers 2";
    nested: Kind::Nested, Flavour::CProtected, 100, "--records 2000000 --workers 2";
    stolen: Kind::Steal, Flavour::Cpp, 100, "--records 250000 --workers 8";
);
