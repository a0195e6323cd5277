//! Changes that would make a journey false are refused with what to do, and leave the session as it was.

use anyhow::{Context as _, Result, ensure};
use stain_tests::report::Trace;
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::told::{Told, in_short, spec};
use stain_tests::{control, ledger, tally, targets};

const EACH: &str = "[sampling]\nrate = 1\nmax_traces_per_second = 0\ntrace_ttl = \"10m\"";

/// A pipeline with all that bears keys, ends batches, or is decided by.
const STAGES: [&str; 9] = [
    "S0 emit arg0 name = 'emit';space = 'row'",
    "T+ outer arg0 name = 'call';space = 'row';scope = 'call'",
    "T- inner arg0 name = 'made';space = 'row'",
    "T- mark arg0 name = 'part';space = 'row';branch = true",
    "Q+ bind arg0 name = 'node';space = 'row';also = 'arg1';also_space = 'node'",
    "Q- take arg0 name = 'taken';space = 'node'",
    "Q+ put arg0 name = 'put';space = 'row';batch = 'arg1';batch_space = 'batch'",
    "W! flush arg0 name = 'flushed';space = 'batch'",
    "W! done arg0 name = 'done';space = 'row'",
];

/// The stage that is at the level `debug`, what it is called, and why it neither comes nor goes.
const REFUSED: [(usize, &str, &str); 6] = [
    (1, "T+ call", "opens or closes scopes, and one that is open now would go on into the next record"),
    (
        3,
        "T- part",
        "begins records, and those that it does not see would be taken for older ones with their keys",
    ),
    (
        4,
        "Q+ node",
        "binds a key that later stages know records by, and one that it does not see would be taken",
    ),
    (6, "Q+ put", "puts records into batches, and those that it does not see would be missing there"),
    (
        7,
        "W! flushed",
        "must end all batches or none: one that it does not end goes on in the next one at its address",
    ),
    (
        2,
        "a scope tells by T- made",
        "which records were filtered, and would take those that come there for such",
    ),
];

/// The target at work: after each of these, what is refused is asked for.
const WORK: [&[&str]; 6] = [
    &["emit 1 0", "outer 1", "inner 1"],
    &["return", "return", "bind 1 101", "emit 6 0"],
    &["take 101", "put 1 55", "emit 4 0", "put 4 55"],
    &["flush 55", "emit 2 0", "outer 2", "mark 21"],
    &["mark 22", "return", "emit 3 0", "outer 3", "return", "done 21", "put 6 55"],
    &["done 22", "flush 55", "emit 5 0", "done 5"],
];

const JOURNEYS: [&str; 8] = [
    "1: S0 T+ T- Q+ Q- Q+ W! written",
    "2: S0 T+ split",
    "3: S0 T+ filtered",
    "4: S0 Q+ W! written",
    "5: S0 W! written",
    "6: S0 Q+ W! written",
    "21: S0 T+ T- W! written",
    "22: S0 T+ T- W! written",
];

fn is_refused(agent: u32, line: &str, sentence: &[&str]) -> Result<()> {
    let answer = control::ask(agent, line)?;
    let error = answer["error"].as_str().unwrap_or_default();
    ensure!(answer["ok"] == false, "{line}: {answer}");
    ensure!(sentence.iter().all(|part| error.contains(part)), "{line}, expected {sentence:?}: {error}");
    Ok(())
}

/// A stay in a batch: see [`batches`].
type Stay = (u64, u64, u32, Option<u64>);

/// Key, position and size of the batch of each record that was put into one.
fn batches(traces: &[Trace]) -> Result<Vec<Stay>> {
    let mut found = Vec::new();
    for trace in traces {
        for batch in &trace.batches {
            let (key, of) = (trace.key().context("no key")?, batch.key().context("no key")?);
            found.push((key, of, batch.position, batch.size));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A session in which one stage is at the level `debug`: neither the level nor the stage can be changed, and all is as if nobody had asked.
fn run(binary: &std::path::Path, (stage, label, why): (usize, &str, &str)) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut target = Told::start(binary)?;
    let deeper = format!("{};level = 'debug'", STAGES[stage]);
    let mut stages = STAGES;
    stages[stage] = &deeper;
    let agent =
        Agent::attach(target.pid(), &spec(EACH, &stages), &["--level", "debug"], folder.path(), "agent")?;
    for lines in WORK {
        target.tell(lines)?;
        is_refused(agent.pid(), "level info", &[label, why, "; it stays at debug"])?;
        is_refused(agent.pid(), &format!("stage {stage} off"), &["stays on: ", label, why])?;
    }
    let status = control::ask(agent.pid(), "status")?["status"].clone();
    ensure!(status["level"] == "debug", "{status}");
    let probed = status["stages"].as_array().context("no stages")?;
    ensure!(probed.iter().all(|stage| stage["probed"] == true), "{status}");
    let report = agent.stop(SHORT)?.report;
    target.finish()?;
    assert_eq!(in_short(&report.traces)?, JOURNEYS, "{label}: {}", report.summary);
    // The second batch at the same address is another one.
    let expected = [(1, 55, 0, Some(2)), (4, 55, 1, Some(2)), (6, 55, 0, Some(1))];
    assert_eq!(batches(&report.traces)?, expected, "{label}");
    let wrong = ledger::check(&report);
    ensure!(
        wrong.is_empty() && report.summary["ledger"]["balanced"] == true,
        "{wrong:?}\n{}",
        report.summary
    );
    ensure!(report.summary["changes"].as_array().is_none_or(Vec::is_empty), "{}", report.summary["changes"]);
    Ok(())
}

#[test]
fn what_would_make_journeys_false_is_refused() -> Result<()> {
    if !tally::privileged("ctl_refused::what_would_make_journeys_false_is_refused").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let binary = targets::told_target(false)?;
    REFUSED.into_iter().try_for_each(|one| run(&binary, one).with_context(|| one.1))
}
