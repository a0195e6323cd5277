//! The specs of the journeys programs are good ones, in every language.

use anyhow::{Result, ensure};
use stain_tests::flow::{Flow, Kind, Read, codes};
use stain_tests::model::{Bounds, Manner, Shared, spec};
use stain_tests::run::SHORT;
use stain_tests::stain;
use stain_tests::targets::Flavour;

fn assert_good(text: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("spec.toml");
    // `stain spec` wants to know the target, which the other tests name on the command line.
    std::fs::write(&file, format!("[target]\npid = 1\n{text}"))?;
    let ended = stain::run(&["spec", file.to_str().unwrap_or_default()], SHORT)?;
    ensure!(ended.status.success(), "{}\n{}\n{text}", ended.stdout, ended.stderr);
    Ok(())
}

#[test]
fn every_scenario_has_a_good_spec() -> Result<()> {
    let all = [Read::Table(64), Read::Exact, Read::Status, Read::Word, Read::Uid, Read::TimeMs];
    for kind in Kind::ALONE {
        for flavour in Flavour::LANGUAGES {
            let flow =
                Flow::new(kind, flavour, 7, "").read(codes::S0, &all).read(codes::FORK, &[Read::TimeNs]);
            assert_good(&flow.toml())?;
        }
    }
    let all = Manner {
        named: true,
        conditions: true,
        attributes: true,
        linked: Some(Shared { nodes: true, ..Shared::default() }),
        ..Manner::default()
    };
    [Manner::default(), all].iter().try_for_each(|manner| assert_good(&spec(&Bounds::wide(3), manner)))
}
