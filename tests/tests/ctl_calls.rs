//! A stage at a return, switched off and on: no call that began while it was off, or before, is stamped with what another call was given.

use anyhow::{Context as _, Result, ensure};
use stain_tests::run::{SHORT, turn};
use stain_tests::stain::Agent;
use stain_tests::told::{Told, in_short, spec};
use stain_tests::{control, ledger, tally, targets};

const EACH: &str = "[sampling]\nrate = 1\nmax_traces_per_second = 0\ntrace_ttl = \"10m\"";

/// What is asked of the target, or of the agent.
enum Ask {
    Target(&'static [&'static str]),
    Agent(&'static str),
}
use Ask::{Agent as Ctl, Target};

/// A run in which this is asked, with one more stage's `level`; what is reported, in short, and how many returns were seen without their entry.
fn run(unwinds: bool, level: &str, asked: &[Ask]) -> Result<(Vec<String>, u64)> {
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let mut target = Told::start(&targets::told_target(unwinds)?)?;
    let got = format!("Q- get%return arg0 {level}");
    let spec = spec(EACH, &["S0 emit arg0", &got, "W! done arg0"]);
    let agent = Agent::attach(target.pid(), &spec, &["--level", "debug"], folder.path(), "agent")?;
    for ask in asked {
        match ask {
            Target(lines) => target.tell(lines)?,
            Ctl(line) => {
                let answer = control::ask(agent.pid(), line)?;
                ensure!(answer["ok"] == true, "{line}: {answer}");
            }
        }
    }
    let report = agent.stop(SHORT)?.report;
    target.finish()?;
    let wrong = ledger::check(&report);
    ensure!(wrong.is_empty(), "{wrong:?}\n{}", report.summary);
    ensure!(report.summary["ledger"]["balanced"] == true, "{}", report.summary);
    let unseen = report.summary["ledger"]["entry_unseen"].as_u64().context("no entry_unseen")?;
    Ok((in_short(&report.traces)?, unseen))
}

/// By the file's `ret` instructions, which are reached by calls that began before, and by the kernel's trampoline.
const BOTH: [bool; 2] = [true, false];

#[test]
fn a_call_that_began_while_its_stage_was_off_is_not_taken_for_one_that_was_left() -> Result<()> {
    let name = "ctl_calls::a_call_that_began_while_its_stage_was_off_is_not_taken_for_one_that_was_left";
    if !tally::privileged(name).open() {
        return Ok(());
    }
    let switches = [("", ["stage 1 off", "stage 1 on"]), ("level = 'debug'", ["level info", "level debug"])];
    for (level, [off, on]) in switches {
        for unwinds in BOTH {
            let asked = [
                // The first call is left by a far jump; the second one lies at the same place of the stack, and begins unseen.
                Target(&["emit 1 0", "emit 2 0", "emit 3 0", "get 1", "jump"]),
                Ctl(off),
                Target(&["get 2"]),
                Ctl(on),
                Target(&["return", "get 3", "return", "done 1", "done 2", "done 3"]),
            ];
            let (told, unseen) = run(unwinds, level, &asked)?;
            let expected = ["1: S0 W! written", "2: S0 W! written", "3: S0 Q- W! written"];
            assert_eq!(told, expected, "{off}, unwinds: {unwinds}");
            // The trampoline does not even see the return of a call that began before it was set.
            assert_eq!(unseen, u64::from(unwinds), "{off}, unwinds: {unwinds}");
        }
    }
    Ok(())
}

#[test]
fn a_call_that_began_before_its_stage_was_switched_off_and_on_is_not_stamped() -> Result<()> {
    let name = "ctl_calls::a_call_that_began_before_its_stage_was_switched_off_and_on_is_not_stamped";
    if !tally::privileged(name).open() {
        return Ok(());
    }
    for unwinds in BOTH {
        let asked = [
            Target(&["emit 1 0", "emit 2 0", "get 1"]),
            Ctl("stage 1 off"),
            Ctl("stage 1 on"),
            Target(&["return", "done 1"]),
            // And one that returned while it was off, with a later one that begins while it still is.
            Target(&["emit 3 0", "get 3"]),
            Ctl("stage 1 off"),
            Target(&["return", "get 2"]),
            Ctl("stage 1 on"),
            Target(&["return", "done 3", "done 2"]),
        ];
        let (told, unseen) = run(unwinds, "", &asked)?;
        assert_eq!(told, ["1: S0 W! written", "2: S0 W! written", "3: S0 W! written"], "unwinds: {unwinds}");
        // By the trampoline the call that began before is seen to return, if the kernel has not yet let its return go.
        ensure!(if unwinds { unseen == 2 } else { unseen <= 1 }, "unwinds: {unwinds}: {unseen}");
    }
    Ok(())
}

/// Without any switching: what a call that was left had been given is not the next one's.
#[test]
fn a_call_after_one_that_was_left_has_its_own_arguments() -> Result<()> {
    if !tally::privileged("ctl_calls::a_call_after_one_that_was_left_has_its_own_arguments").open() {
        return Ok(());
    }
    for unwinds in BOTH {
        let asked = [Target(&[
            "emit 1 0", "emit 2 0", "get 1", "jump", "get 2", "get 1", "jump", "get 2", "return", "done 1",
            "done 2",
        ])];
        let (told, unseen) = run(unwinds, "", &asked)?;
        assert_eq!(told, ["1: S0 W! written", "2: S0 Q- W! written"], "unwinds: {unwinds}");
        assert_eq!(unseen, 0, "unwinds: {unwinds}");
    }
    Ok(())
}
