//! Processes that go and leave something open: nothing of them takes the place of those that come.

use anyhow::{Result, ensure};
use profiler_common::{Config, Counter, SequenceMode};
use profiler_user::agent::Resolver;
use profiler_user::attach::{Kernel, Settings};
use profiler_user::spec::{self as specs, Overrides};
use stain_tests::family::copy;
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::told::{Told, spec};
use stain_tests::{control, ledger, tally, targets};

const STAGES: [&str; 5] = [
    "S0 emit arg0 space = 'row'",
    "T+ outer arg0 space = 'row';scope = 'call'",
    "Q+ put arg0 space = 'row';batch = 'arg1';batch_space = 'batch'",
    "Q- flush arg0 space = 'batch'",
    "W! done arg0 space = 'row'",
];

/// More than there is room for, had each left its batch behind.
#[test]
fn batches_of_processes_that_are_gone_leave_room() -> Result<()> {
    if !tally::privileged("gone::batches_of_processes_that_are_gone_leave_room").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let binary = copy(&targets::told_target(false)?, folder.path(), "told")?;
    let first = format!(
        "[target]\nexe = \"{}\"\n[sampling]\nrate = 1\nmax_traces_per_second = 0\nmax_batches = 2\ntrace_ttl = \"10m\"",
        binary.display()
    );
    let mut agent = Agent::follow(&spec(&first, &STAGES), &[], folder.path(), "agent")?;
    let mut ended = 0;
    let mut leave = |target: &mut Told| -> Result<()> {
        target.tell(&["emit 1 0", "emit 2 0", "put 1 77", "put 2 77", "emit 3 0", "put 3 78", "outer 1"])?;
        ended += 3;
        Ok(())
    };
    let until_ended = |agent: &Agent, ended: u64| {
        control::until_counted(agent.pid(), |counts| counts["ended"].as_u64() >= Some(ended))
    };
    for round in 0..4 {
        let mut target = Told::start(&binary)?;
        agent.has_attached_to(target.pid())?;
        leave(&mut target)?;
        match round % 3 {
            0 => target.kill()?,
            1 => target.finish()?,
            _ => {
                // The same process, another program image.
                target.tell(&["become"])?;
                until_ended(&agent, 3 * (round + 1))?;
                target.kill()?;
            }
        }
        until_ended(&agent, 3 * (round + 1))?;
    }
    let report = agent.stop(SHORT)?.report;
    let wrong = ledger::check(&report);
    ensure!(wrong.is_empty(), "{wrong:?}\n{}", report.summary);
    let ledger = &report.summary["ledger"];
    ensure!(ledger["balanced"] == true && ledger["journeys"]["batches_full"] == 0, "{ledger}");
    ensure!(report.ledger.lost_by("target_exit") == ended && report.traces.len() as u64 == ended, "{ledger}");
    ensure!(report.traces.iter().all(|trace| !trace.flags.contains_key("batches_dropped")), "{ledger}");
    Ok(())
}

/// A thread that becomes another program does not end; its scopes do.
#[test]
fn scopes_of_threads_that_became_another_program_leave_room() -> Result<()> {
    if !tally::privileged("gone::scopes_of_threads_that_became_another_program_leave_room").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let config = Config {
        rate: 1,
        sequence: SequenceMode::Task as u32,
        max_entries: 8,
        slots: 64,
        max_keys: 1,
        max_members: 8,
        max_extras: 8,
        max_attributes: 4,
        ..Config::default()
    };
    let settings =
        Settings { probes: 16, more: true, scope_threads: 2, batches: 2, ..Settings::plain(config) };
    let mut kernel = Kernel::load(&settings)?;
    let binary = targets::told_target(false)?;
    for number in 1..=6 {
        let mut target = Told::start(&binary)?;
        let text = spec(&format!("[target]\npid = {}", target.pid()), &STAGES);
        let spec = specs::load(Some(("told", &text)), &Overrides::default())?;
        let sites = Resolver::default().sites(&spec, target.pid())?;
        for site in &sites {
            kernel.set_probe(site)?;
        }
        let links = kernel.attach(target.pid(), number, &sites)?;
        target.tell(&["emit 1 0", "outer 1", "become"])?;
        drop(links);
        kernel.forget(target.pid(), number);
        target.kill()?;
    }
    let counters = kernel.counters()?;
    let counted = |counter: Counter| counters[counter as usize];
    assert_eq!([counted(Counter::Admitted), counted(Counter::ScopesFull)], [6, 0]);
    Ok(())
}
