//! Records that are dropped unnoticed, in the cases in which nothing later tells so.

use std::process::Command;

use anyhow::{Result, ensure};
use stain_tests::child::Guarded;
use stain_tests::report::Report;
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::{control, ledger, targets};

const SPEC: &str = r#"
[sampling]
rate = 1
max_traces_per_second = 0
trace_ttl = "1s"
[[stage]]
code = "S0"
point = "emit"
key = "*(u64*)arg0"
[[stage]]
code = "T+"
point = "transform"
key = "arg0"
[[stage]]
code = "W!"
point = "done"
key = "arg0"
"#;

/// Traced until so many traces have come to an end of any kind.
fn traced(mode: &str, spec: &str, flags: &[&str], ended: u64) -> Result<Report> {
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let mut target = Guarded::spawn(Command::new(targets::keys_target()?).arg(mode))?;
    let agent = Agent::attach(target.pid(), spec, flags, folder.path(), "agent")?;
    control::until_counted(agent.pid(), |counts| counts["ended"].as_u64() >= Some(ended))?;
    let report = agent.stop(SHORT)?.report;
    target.close_stdin();
    let ended = target.wait(SHORT)?;
    ensure!(ended.status.success(), "the target was harmed: {} {}", ended.status, ended.stderr);
    let wrong = ledger::check(&report);
    ensure!(wrong.is_empty(), "{wrong:?}\n{}", report.summary);
    ensure!(report.summary["ledger"]["balanced"] == true, "{}", report.summary);
    Ok(report)
}

#[test]
fn a_record_that_passed_the_source_unseen_is_never_taken_for_an_older_one() -> Result<()> {
    let name = "keys::a_record_that_passed_the_source_unseen_is_never_taken_for_an_older_one";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let report = traced("unseen", SPEC, &[], 200)?;
    ensure!(report.ledger.lost_by("source_unseen") > 100, "{}", report.summary);
    for trace in &report.traces {
        ensure!(trace.entries.len() == 1, "a stamp of another record: {trace:?}");
        ensure!(trace.outcome == "source_unseen", "{trace:?}");
    }
    Ok(())
}

/// Many run out of time just while the session ends, and are accounted for like all others.
#[test]
fn records_that_expire_at_the_end_of_the_session_are_in_the_accounts() -> Result<()> {
    let name = "keys::records_that_expire_at_the_end_of_the_session_are_in_the_accounts";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    let report = traced("expire", SPEC, &[], 200)?;
    ensure!(report.ledger.expired > 100 && report.ledger.in_flight > 0, "{}", report.summary);
    Ok(())
}

/// A transform whose result says whether the record goes on: its scope closes at the very instruction where the stage is.
const FILTER: &str = r#"
[sampling]
rate = 1
max_traces_per_second = 0
[[stage]]
code = "S0"
point = "emit"
key = "*(u64*)arg0"
[[stage]]
code = "T+"
point = "judge"
key = "arg0"
scope = "call"
[[stage]]
code = "T-"
point = "judge%return"
key = "arg0"
when = "(i32)ret != 0"
[[stage]]
code = "W!"
point = "done"
key = "arg0"
"#;

#[test]
fn a_stage_at_the_return_that_closes_a_scope_is_passed_before_it_closes() -> Result<()> {
    let name = "keys::a_stage_at_the_return_that_closes_a_scope_is_passed_before_it_closes";
    if !stain_tests::tally::privileged(name).open() {
        return Ok(());
    }
    for backend in ["multi", "perf"] {
        let report = traced("filter", FILTER, &["--backend", backend], 200)?;
        for trace in &report.traces {
            let stages: Vec<&str> = trace.entries.iter().map(|entry| entry.stage.as_str()).collect();
            let expected = match trace.outcome.as_str() {
                "written" => (1, &["S0", "T+", "T-", "W!"][..]),
                "filtered" => (0, &["S0", "T+"][..]),
                other => anyhow::bail!("{other}: {trace:?}"),
            };
            let key = u64::from_str_radix(trace.key.trim_start_matches("0x"), 16)?;
            ensure!((key % 2, &stages[..]) == expected, "{backend}: {trace:?}");
        }
        ensure!(report.ledger.written > 80 && report.ledger.filtered > 80, "{backend}: {}", report.summary);
    }
    Ok(())
}
