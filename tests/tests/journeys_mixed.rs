//! Journeys with keys of several owners (private and shared ones), and hits of which it is not known whether they count: no stamp is another record's.

use anyhow::{Result, ensure};
use stain_tests::report::Report;
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::told::{Told, in_short, spec};
use stain_tests::{control, ledger, tally, targets};

const EACH: &str = "[sampling]\nrate = 1\nmax_traces_per_second = 0\ntrace_ttl = \"10m\"";

/// What is reported of these lines.
fn traced(spec: &str, lines: &[&str]) -> Result<Report> {
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let mut target = Told::start(&targets::told_target(false)?)?;
    let agent = Agent::attach(target.pid(), spec, &[], folder.path(), "agent")?;
    target.tell(lines)?;
    let report = agent.stop(SHORT)?.report;
    target.finish()?;
    assert_balanced(&report)?;
    Ok(report)
}

fn assert_balanced(report: &Report) -> Result<()> {
    let wrong = ledger::check(report);
    ensure!(wrong.is_empty(), "{wrong:?}\n{}", report.summary);
    ensure!(report.summary["ledger"]["balanced"] == true, "{}", report.summary);
    Ok(())
}

/// An order's number is shared, and the node that it lies in is its process's; the other way round, too.
#[test]
fn an_unseen_key_of_either_kind_ends_a_journey_that_has_both() -> Result<()> {
    let name = "journeys_mixed::an_unseen_key_of_either_kind_ends_a_journey_that_has_both";
    if !tally::privileged(name).open() {
        return Ok(());
    }
    for (shared, of_key, of_other) in [("id", "id", "node"), ("id", "row", "id")] {
        let first = format!("{EACH}\n[[space]]\nname = \"{shared}\"\nshared = true");
        let spec = spec(
            &first,
            &[
                &format!("S0 emit arg0 space = '{of_key}';also = '*(u64*)arg1';also_space = '{of_other}'"),
                &format!("Q- take arg0 space = '{of_other}'"),
                &format!("W! done arg0 space = '{of_key}'"),
            ],
        );
        // The second record has the first one's other key from now on; but where that is read, it cannot be.
        let report = traced(&spec, &["emit 1 7", "emit_hidden 2", "take 7", "done 2", "emit 3 8", "done 3"])?;
        let expected = ["1: S0 source_unseen", "2: S0 W! written", "3: S0 W! written"];
        assert_eq!(in_short(&report.traces)?, expected, "{of_key} first: {}", report.summary);
    }
    Ok(())
}

/// Nothing of the kind that was not seen, no end.
#[test]
fn a_key_that_was_taken_away_is_no_concern_any_more() -> Result<()> {
    let name = "journeys_mixed::a_key_that_was_taken_away_is_no_concern_any_more";
    if !tally::privileged(name).open() {
        return Ok(());
    }
    let first = format!("{EACH}\n[[space]]\nname = \"id\"\nshared = true");
    let spec = spec(
        &first,
        &[
            "S0 emit arg0 space = 'id';also = '*(u64*)arg1';also_space = 'node'",
            "Q- take arg0 space = 'node'",
            "W! done arg0 space = 'id'",
        ],
    );
    // Node 7 is the second record's before any goes unseen: the first one has nothing left that could be mistaken.
    let lines = ["emit 1 7", "emit 2 7", "emit_hidden 3", "done 1", "take 7", "done 2", "done 3"];
    let report = traced(&spec, &lines)?;
    let expected = ["1: S0 W! written", "2: S0 source_unseen", "3: S0 W! written"];
    assert_eq!(in_short(&report.traces)?, expected, "{}", report.summary);
    Ok(())
}

/// Begun under a key of its own, it lives on under the one that it shares.
#[test]
fn a_record_lives_on_in_another_process_when_its_first_one_ends() -> Result<()> {
    let name = "journeys_mixed::a_record_lives_on_in_another_process_when_its_first_one_ends";
    if !tally::privileged(name).open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let binary = targets::told_target(false)?;
    let (mut one, mut other) = (Told::start(&binary)?, Told::start(&binary)?);
    let first = format!(
        "[target]\npids = [{}, {}]\n{EACH}\n[[space]]\nname = \"id\"\nshared = true",
        one.pid(),
        other.pid()
    );
    let spec = spec(
        &first,
        &[
            "S0 emit arg0 space = 'row'",
            "Q+ bind arg0 space = 'row';also = 'arg1';also_space = 'id'",
            "W! done arg0 space = 'id'",
        ],
    );
    let mut agent = Agent::follow(&spec, &[], folder.path(), "agent")?;
    agent.has_attached_to(one.pid())?;
    agent.has_attached_to(other.pid())?;
    one.tell(&["emit 1 0", "emit 2 0", "bind 2 102"])?;
    one.kill()?;
    // The one that has no shared key ends with its process.
    control::until_counted(agent.pid(), |counts| counts["ended"].as_u64() >= Some(1))?;
    other.tell(&["done 102", "done 1"])?;
    control::until_counted(agent.pid(), |counts| counts["ended"].as_u64() >= Some(2))?;
    let report = agent.stop(SHORT)?.report;
    other.finish()?;
    assert_balanced(&report)?;
    assert_eq!(in_short(&report.traces)?, ["1: S0 target_exit", "2: S0 Q+ W! written"], "{}", report.summary);
    Ok(())
}

/// Whether the second record goes into the first one's node is not known, so no stage of the node is sure.
#[test]
fn a_condition_that_cannot_be_read_may_have_handed_a_key_on() -> Result<()> {
    let name = "journeys_mixed::a_condition_that_cannot_be_read_may_have_handed_a_key_on";
    if !tally::privileged(name).open() {
        return Ok(());
    }
    let spec = spec(
        EACH,
        &[
            "S0 emit arg0 space = 'row'",
            "Q+ bind arg0 space = 'row';also = 'arg1';also_space = 'node';when = '*(u64*)arg2 != 99'",
            "Q- take arg0 space = 'node'",
            "W! done arg0 space = 'row'",
        ],
    );
    let lines = ["emit 1 0", "bind 1 7", "emit 2 0", "hide", "bind 2 7", "show", "take 7", "done 2"];
    let report = traced(&spec, &lines)?;
    assert_eq!(
        in_short(&report.traces)?,
        ["1: S0 Q+ source_unseen", "2: S0 source_unseen"],
        "{}",
        report.summary
    );
    Ok(())
}

/// What is done within is perhaps not done to the record outside; nor is that one known to have been handed on to nobody.
#[test]
fn a_condition_that_cannot_be_read_may_have_opened_a_scope() -> Result<()> {
    let name = "journeys_mixed::a_condition_that_cannot_be_read_may_have_opened_a_scope";
    if !tally::privileged(name).open() {
        return Ok(());
    }
    let spec = spec(
        EACH,
        &[
            "S0 emit arg0 space = 'row'",
            "T+ outer arg0 space = 'row';scope = 'call'",
            "TRANSFORM_EXECUTE_START inner arg0 space = 'row';scope = 'call';when = '*(u64*)arg1 != 99'",
            "SINK_FORMAT_END mark scope",
            "T- put arg0 space = 'row'",
            "W! done arg0 space = 'row'",
        ],
    );
    let lines = [
        // Readable, the scope within is another record's, which is not traced.
        "emit 1 0",
        "outer 1",
        "inner 11 0",
        "mark 0",
        "return",
        "mark 0",
        "put 1 0",
        "return",
        "done 1", // and as it should be
        "emit 2 0",
        "outer 2",
        "hide",
        "inner 12 0",
        "show",
        "mark 0",
        "return",
        "mark 0",
        "return",
        "done 2",
        "emit 3 0",
        "outer 3",
        "return",
    ];
    let report = traced(&spec, &lines)?;
    let expected = ["1: S0 T+ STAGE_107 T- W! written", "2: S0 T+ STAGE_107 W! written", "3: S0 T+ filtered"];
    assert_eq!(in_short(&report.traces)?, expected, "{}", report.summary);
    Ok(())
}
