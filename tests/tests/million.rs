//! A million records through all six stages.

use anyhow::Result;
use stain_tests::journey::Expect;
use stain_tests::run::Scenario;
use stain_tests::specs;
use stain_tests::targets::Flavour;

#[test]
fn a_million_records_at_one_in_a_thousand_give_a_thousand_true_traces() -> Result<()> {
    if !stain_tests::tally::privileged(
        "million::a_million_records_at_one_in_a_thousand_give_a_thousand_true_traces",
    )
    .open()
    {
        return Ok(());
    }
    for flavour in [Flavour::C, Flavour::CProtected, Flavour::Cpp, Flavour::Rust] {
        let target = "--records 1000000 --workers 2 --reuse shared --truth-sample 1000";
        let done = Scenario::new(flavour, target, specs::every(flavour, 1000)).run()?;
        done.assert_true(&Expect::every(1000))?;
        assert_eq!(done.totals.written, 1_000_000);
        assert_eq!((done.report.ledger.written, done.report.traces.len()), (1000, 1000), "{flavour:?}");
        assert!(done.report.traces.iter().all(|trace| trace.entries.len() == 6));
    }
    Ok(())
}
