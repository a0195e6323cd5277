//! Probes set in the way of older kernels, by perf events: the same truth. And the kernel program's diagnostics.

use anyhow::{Result, ensure};
use stain_tests::journey::{self, Expect, KeyKind, Violation};
use stain_tests::run::{Done, SHORT, Scenario};
use stain_tests::specs::{self, Spec};
use stain_tests::targets::Flavour;
use stain_tests::truth::POP;
use stain_tests::{code, tally};

const RATE: u64 = 7;
const TARGET: &str = "--records 30000 --sources 2 --drop-percent 30 --truth-sample 7";

fn scenario(flavour: Flavour, target: &str, spec: Spec, flags: &[&str]) -> Scenario {
    let mut scenario = Scenario::new(flavour, target, spec);
    scenario.attach = flags.iter().map(|&flag| flag.to_owned()).collect();
    scenario
}

fn run(flavour: Flavour, target: &str, spec: Spec) -> Result<Done> {
    scenario(flavour, target, spec, &["--backend", "perf"]).run()
}

#[test]
fn vanished_records_never_mix_by_perf_events_either() -> Result<()> {
    if !tally::privileged("backend::vanished_records_never_mix_by_perf_events_either").open() {
        return Ok(());
    }
    for flavour in [Flavour::C, Flavour::CProtected, Flavour::Rust] {
        let target = format!("{TARGET} --drop-mode silent --reuse shared");
        let done = run(flavour, &target, specs::every(flavour, RATE).without_drop())?;
        done.assert_true(&Expect::every(RATE).without_drop())?;
        let ledger = &done.report.ledger;
        ensure!(ledger.superseded > ledger.sampled / 5, "{flavour:?}: {ledger:?}");
        // One backend for all: each probe counts each call once.
        assert_eq!(done.report.hits("S0"), done.totals.emitted, "{flavour:?}");
        assert_eq!(done.report.hits("W!"), done.totals.written, "{flavour:?}");
    }
    Ok(())
}

#[test]
fn a_stage_at_a_return_is_true_by_perf_events_too() -> Result<()> {
    if !tally::privileged("backend::a_stage_at_a_return_is_true_by_perf_events_too").open() {
        return Ok(());
    }
    for (flavour, pop) in [(Flavour::C, "queue_pop"), (Flavour::Rust, "*pipeline::Queue<*>*::pop")] {
        let mut spec = specs::every(flavour, RATE);
        let take = spec.stages.iter_mut().filter(|stage| stage.code == "Q-");
        take.for_each(|stage| *stage = specs::stage("Q-", pop, "ret"));
        let mut expect = Expect::every(RATE);
        expect.stages.iter_mut().filter(|(code, _)| *code == "Q-").for_each(|stage| stage.1 = POP);
        let done = run(flavour, &format!("{TARGET} --reuse shared"), spec)?;
        let mut violations = journey::check(&done.report, &done.truth, &expect);
        // The two workers wait in `pop` when the agent attaches; those two calls return without a trampoline.
        let before = violations.len();
        violations.retain(|violation| !lacks_only_the_pop(violation));
        ensure!(violations.is_empty(), "{}", journey::show(&violations));
        ensure!(before <= 2, "{before} records without their return");
        ensure!(done.report.ledger.written > 4000, "{}", done.report.summary);
    }
    Ok(())
}

fn lacks_only_the_pop(violation: &Violation) -> bool {
    let Violation::Stages { found, expected, .. } = violation else { return false };
    expected.contains(&POP) && !found.iter().any(|stage| stage == "Q-") && found.len() + 1 == expected.len()
}

/// The powers that the agent keeps are those that its way of setting probes needs.
#[test]
fn an_agent_keeps_no_power_that_it_does_not_need() -> Result<()> {
    if !tally::privileged("backend::an_agent_keeps_no_power_that_it_does_not_need").open() {
        return Ok(());
    }
    const ALWAYS_LEFT: u64 = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 12 | 1 << 16 | 1 << 17;
    const SYS_ADMIN: u64 = 1 << 21;
    for (backend, left) in [("multi", ALWAYS_LEFT | SYS_ADMIN), ("perf", ALWAYS_LEFT)] {
        let flags = ["--backend", backend];
        let running =
            scenario(Flavour::C, "--records 100", specs::every(Flavour::C, RATE), &flags).start()?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.agent.pid()))?;
        let held = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap_or("none");
        let held = u64::from_str_radix(held.trim(), 16)?;
        assert_eq!(held & left, 0, "{backend}: {held:x}");
        ensure!(status.contains("NoNewPrivs:\t1"), "{backend}");
        running.agent.stop(SHORT)?;
    }
    Ok(())
}

/// Off by default; asked for, a line a key that cannot be read.
#[test]
fn diagnostics_of_the_kernel_program_come_when_asked_for() -> Result<()> {
    if !tally::privileged("backend::diagnostics_of_the_kernel_program_come_when_asked_for").open() {
        return Ok(());
    }
    let target = "--records 3000 --workers 2 --fault-keys --reuse shared --truth-sample 10";
    for (flags, wanted) in
        [(&["--bpf-log", "debug"][..], true), (&["--bpf-log", "warn"], false), (&[], false)]
    {
        let mut spec = specs::every(Flavour::C, 10);
        "*(u64*)({}+24)".clone_into(&mut spec.key);
        let done = scenario(Flavour::C, target, spec, flags).run()?;
        done.assert_true(&Expect { key: KeyKind::Uid, ..Expect::every(10) })?;
        let lines = done.agent.stderr.lines().filter(|line| line.contains("key unreadable")).count() as u64;
        ensure!(done.totals.bogus > 20, "{:?}", done.totals);
        assert_eq!(lines, if wanted { done.totals.bogus } else { 0 }, "{flags:?}: {}", done.agent.stderr);
    }
    Ok(())
}

/// Links by perf events are per process too: the code comes back when the agent goes.
#[test]
fn probes_by_perf_events_leave_nothing_behind() -> Result<()> {
    if !tally::privileged("backend::probes_by_perf_events_leave_nothing_behind").open() {
        return Ok(());
    }
    for killed in [false, true] {
        let flags = ["--backend", "perf"];
        let spec = specs::every(Flavour::CProtected, RATE);
        let running = scenario(Flavour::CProtected, "--records 1000", spec, &flags).start()?;
        let (pid, binary) = (running.pipeline.pid(), running.pipeline.binary().to_owned());
        assert_eq!(code::differences(pid, &binary)?.len(), 7);
        running.agent.signal(if killed {
            rustix::process::Signal::KILL
        } else {
            rustix::process::Signal::INT
        })?;
        let mut alone = running.without_agent(SHORT)?;
        code::wait_until_restored(pid, &binary, SHORT)?;
        alone.pipeline.go()?;
        assert_eq!(alone.pipeline.totals(SHORT)?.written, 1000);
    }
    Ok(())
}
