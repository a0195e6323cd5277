//! `stain ctl`: what is changed while records flow holds from then on, exactly, and the ledger knows of it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stain_tests::child::Guarded;
use stain_tests::journey::{self, Expect};
use stain_tests::report::Report;
use stain_tests::run::{Done, Running, SHORT, Scenario};
use stain_tests::targets::Flavour;
use stain_tests::windows::Windows;
use stain_tests::{code, control, ledger, specs, stain, tally};

/// A client that is not ours.
const KNOCK: &str = r#"$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; $SIG{PIPE} = "IGNORE"; print $s "pause\n"; print <$s>;"#;

/// One source that emits until it is told to halt, at a pace that leaves the processor to others.
const FLOW: &str =
    "--until-halt --records 0 --rate-per-second 20000 --reuse shared --drop-percent 20 --truth-sample 10";

fn start(rate: u64) -> Result<Running> {
    Scenario::new(Flavour::C, FLOW, specs::every(Flavour::C, rate)).start()
}

/// Lets records pass until so many more are sampled.
fn pass(running: &Running, samples: u64) -> Result<()> {
    let agent = running.agent.pid();
    let status = control::ask(agent, "status")?;
    let before = status["status"]["counts"]["sampled"].as_u64().context("no counts")?;
    control::until_counted(agent, |counts| counts["sampled"].as_u64() >= Some(before + samples))
}

/// Lets the sources stop, and collects everything.
fn halt(mut running: Running) -> Result<Done> {
    running.pipeline.halt()?;
    running.finish()
}

/// A change, which must come true, and its time.
fn change(running: &Running, line: &str) -> Result<u64> {
    let answer = control::ask(running.agent.pid(), line)?;
    ensure!(answer["ok"] == true, "{line}: {answer}");
    answer["changed"]["at_ns"].as_u64().with_context(|| format!("{line}: {answer}"))
}

/// Numbers in the sequence of the only source, in order, with the time of S0.
fn sampled(report: &Report) -> Vec<(u64, u64)> {
    let mut list: Vec<_> = report.traces.iter().map(|trace| (trace.sequence, trace.start_ns)).collect();
    list.sort_unstable();
    list
}

/// Every trace is true; which records are sampled is each test's own matter.
fn assert_true_traces(done: &Done, rate: u64) -> Result<()> {
    let expect = Expect { complete: false, ..Expect::every(rate) };
    let violations = journey::check(&done.report, &done.truth, &expect);
    ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), done.report.summary);
    let wrong = ledger::check(&done.report);
    ensure!(wrong.is_empty() && done.report.summary["ledger"]["balanced"] == true, "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_new_rate_holds_from_its_moment_on_and_the_sequence_goes_on() -> Result<()> {
    if !tally::privileged("ctl::a_new_rate_holds_from_its_moment_on_and_the_sequence_goes_on").open() {
        return Ok(());
    }
    let (old, new) = (30, 70);
    let mut running = start(old)?;
    running.pipeline.go()?;
    pass(&running, 100)?;
    let at_ns = change(&running, &format!("rate {new}"))?;
    let status = control::ask(running.agent.pid(), "status")?;
    assert_eq!(status["status"]["rate"], new, "{status}");
    pass(&running, 100)?;
    let done = halt(running)?;
    assert_true_traces(&done, 10)?;
    let found = sampled(&done.report);
    // Up to some record the multiples of the one rate and no others, from there on those of the other.
    let last_old = found
        .iter()
        .map(|(number, _)| *number)
        .filter(|number| number % new != 0)
        .max()
        .context("no sample of the old rate")?;
    let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
    let expected = |cut: u64| -> Vec<u64> {
        (1..=done.totals.emitted)
            .filter(|number| number % if *number <= cut { old } else { new } == 0)
            .collect()
    };
    let cut = (last_old..last_old + old).find(|cut| numbers == expected(*cut));
    ensure!(
        cut.is_some(),
        "around {last_old}: {:?}",
        numbers.iter().skip_while(|n| **n < last_old).take(20).collect::<Vec<_>>()
    );
    ensure!(last_old + 10 * new < done.totals.emitted, "the change came too late: {last_old}");
    let late = found.iter().find(|(number, start_ns)| *start_ns > at_ns && number % new != 0);
    assert_eq!(late, None, "of the old rate, after the answer of {at_ns}");
    let ledger = &done.report.ledger;
    assert_eq!((ledger.sampled, ledger.refused()), (numbers.len() as u64, 0));
    assert_eq!(done.report.summary["rate"], new);
    let changes = &done.report.summary["changes"];
    assert_eq!((changes.as_array().map(Vec::len), &changes[0]["to"]), (Some(1), &json!(new)), "{changes}");
    assert!(
        done.agent.stderr.contains("rate: one record in 70 from now on (was one in 30)"),
        "{}",
        done.agent.stderr
    );
    Ok(())
}

#[test]
fn what_is_sampled_while_paused_is_refused_and_counted() -> Result<()> {
    if !tally::privileged("ctl::what_is_sampled_while_paused_is_refused_and_counted").open() {
        return Ok(());
    }
    let rate = 10;
    let mut running = start(rate)?;
    running.pipeline.go()?;
    pass(&running, 100)?;
    let paused_ns = change(&running, "pause")?;
    let status = control::ask(running.agent.pid(), "status")?;
    assert_eq!(status["status"]["state"], "paused", "{status}");
    pass(&running, 100)?;
    let before_resume_ns = change(&running, "pause")?;
    change(&running, "resume")?;
    pass(&running, 100)?;
    let done = halt(running)?;
    assert_true_traces(&done, rate)?;
    let ledger = &done.report.ledger;
    assert_eq!(ledger.sampled, done.totals.emitted / rate);
    assert_eq!(ledger.sampled, ledger.admitted + ledger.refused_paused);
    assert!(ledger.refused_paused >= 100, "{ledger:?}");
    let found = sampled(&done.report);
    let within =
        found.iter().filter(|(_, start_ns)| (paused_ns..before_resume_ns).contains(start_ns)).count();
    assert_eq!(within, 0, "traces begun while paused");
    // What is missing is one stretch, as long as the count says.
    let gaps: Vec<u64> =
        found.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|gap| *gap != rate).collect();
    assert_eq!(gaps, [(ledger.refused_paused + 1) * rate]);
    let changes: Vec<&Value> = done.report.summary["changes"].as_array().context("no list")?.iter().collect();
    assert_eq!(changes.len(), 2, "a pause while paused changes nothing: {changes:?}");
    Ok(())
}

#[test]
fn a_new_budget_is_strict_in_every_second() -> Result<()> {
    if !tally::privileged("ctl::a_new_budget_is_strict_in_every_second").open() {
        return Ok(());
    }
    let target =
        "--until-halt --records 0 --sources 2 --rate-per-second 20000 --reuse owner --truth-sample 50";
    let mut spec = specs::every(Flavour::C, 50);
    spec.budget = 40;
    let mut running = Scenario::new(Flavour::C, target, spec).start()?;
    running.pipeline.go()?;
    // Each time at least one whole second of the budget.
    let admit = |traces: u64| {
        let status = control::ask(running.agent.pid(), "status")?;
        let before = status["status"]["counts"]["admitted"].as_u64().context("no counts")?;
        control::until_counted(running.agent.pid(), |counts| {
            counts["admitted"].as_u64() >= Some(before + traces)
        })
    };
    admit(2 * 40)?;
    let lowered_ns = change(&running, "budget 15")?;
    admit(3 * 15)?;
    let raised_ns = change(&running, "budget 25")?;
    admit(3 * 25)?;
    let done = halt(running)?;
    assert_true_traces(&done, 50)?;
    let windows = Windows::of(&done.report, &done.truth, 50)?;
    let (lowered, raised) = (windows.second(lowered_ns), windows.second(raised_ns));
    for (at, window) in windows.iter() {
        let kept = match at {
            _ if at < lowered => window.keeps(40),
            _ if at > lowered && at < raised => window.keeps(15),
            _ if at > raised => window.keeps(25),
            // Those of the changes.
            _ => window.traces <= if at == lowered { 40 } else { 25 },
        };
        assert!(kept, "second {at}: {window:?} of {windows:?}");
    }
    assert!(windows.iter().any(|(at, _)| at > lowered && at < raised), "{windows:?}");
    // None of the old budget's after the answer.
    let after = done
        .report
        .traces
        .iter()
        .filter(|t| t.start_ns > lowered_ns && windows.second(t.start_ns) == lowered)
        .count();
    assert!(after <= 15, "{after} in the rest of the second");
    Ok(())
}

#[test]
fn detach_ends_the_session_as_usual() -> Result<()> {
    if !tally::privileged("ctl::detach_ends_the_session_as_usual").open() {
        return Ok(());
    }
    let mut running = start(10)?;
    running.pipeline.go()?;
    control::until_written(running.agent.pid(), 100)?;
    let ended = control::ctl(running.agent.pid(), &["detach"])?;
    assert!(ended.status.success() && ended.stdout.contains("no probe is left"), "{ended:?}");
    // The answer came after the probes had gone.
    assert_eq!(code::differences(running.pipeline.pid(), running.pipeline.binary())?, [0u64; 0][..]);
    let pid = running.agent.pid();
    let (mut orphaned, attached) = running.until_agent_ends(SHORT)?;
    assert_eq!(attached.report.summary["end"], "detached");
    assert!(attached.report.ledger.written >= 100 && attached.report.summary["ledger"]["balanced"] == true);
    assert_eq!(control::socket(pid), None, "the socket is gone");
    assert!(orphaned.pipeline.is_running()?, "the target was harmed");
    orphaned.pipeline.halt()?;
    let totals = orphaned.pipeline.totals(SHORT)?;
    assert_eq!(totals.written + totals.dropped, totals.emitted);
    Ok(())
}

#[test]
fn wrong_words_are_answered_with_a_sentence() -> Result<()> {
    if !tally::privileged("ctl::wrong_words_are_answered_with_a_sentence").open() {
        return Ok(());
    }
    let running = start(10)?;
    let agent = running.agent.pid();
    for (line, words) in [
        ("", "empty"),
        ("faster", "no request `faster`"),
        ("rate -5", "`-5` is none"),
        ("rate", "none is given"),
    ] {
        let answer = control::ask(agent, line)?;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(answer["ok"] == false && error.contains(words), "{line:?}: {answer}");
    }
    let long = control::ask(agent, &"rate 1".repeat(100))?;
    assert!(long["error"].as_str().unwrap_or_default().contains("longer than 128 bytes"), "{long}");
    for arguments in [&["faster"][..], &["rate"], &["rate", "-1"], &["budget", "99999999"]] {
        let ended = control::ctl(agent, arguments)?;
        assert!(!ended.status.success() && !ended.stderr.contains("panicked"), "{arguments:?}: {ended:?}");
    }
    let shown = control::ctl(agent, &["status"])?;
    assert!(shown.status.success() && shown.stdout.contains("samples one record in 10"), "{shown:?}");
    let json: Value = serde_json::from_str(&control::ctl(agent, &["status", "--format", "json"])?.stdout)?;
    assert_eq!((&json["status"]["rate"], &json["status"]["state"]), (&json!(10), &json!("running")));
    assert_eq!(json["status"]["pids"], json!([running.pipeline.pid()]));
    let nobody = control::ctl(1, &["status"])?;
    assert!(!nobody.status.success() && nobody.stderr.contains("process id 1"), "{nobody:?}");
    Ok(())
}

#[test]
fn nobody_else_is_let_in() -> Result<()> {
    if !tally::privileged("ctl::nobody_else_is_let_in").program("perl", "/usr/bin/perl").open() {
        return Ok(());
    }
    let running = start(10)?;
    let socket = control::socket(running.agent.pid()).context("no socket")?;
    let folder = socket.parent().context("no folder")?.to_owned();
    let mode = |path: &std::path::Path| {
        Ok::<_, anyhow::Error>(std::fs::metadata(path)?.permissions().mode() & 0o777)
    };
    assert_eq!((mode(&folder)?, mode(&socket)?), (0o700, 0o600));
    let knock = || -> Result<String> {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
        ]);
        command.args(["/usr/bin/perl", "-MIO::Socket::UNIX", "-e", KNOCK]);
        let mut client = Guarded::spawn(command.arg(&socket))?;
        client.close_stdin();
        let ended = client.wait(SHORT)?;
        Ok(ended.stdout + &ended.stderr)
    };
    let text = knock()?;
    assert!(text.contains("Permission denied"), "{text}");
    // Even with the door open, the kernel's word on who it is counts.
    let open =
        |path: &std::path::Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    open(&folder, 0o711)?;
    open(&socket, 0o666)?;
    let text = knock();
    open(&folder, 0o700)?;
    open(&socket, 0o600)?;
    let text = text?;
    assert!(text.contains("takes nothing from user 65534"), "{text}");
    assert_eq!(control::ask(running.agent.pid(), "status")?["status"]["state"], "running");
    Ok(())
}

#[test]
fn without_control_nothing_listens_and_several_agents_are_told_apart() -> Result<()> {
    if !tally::privileged("ctl::without_control_nothing_listens_and_several_agents_are_told_apart").open() {
        return Ok(());
    }
    let running = start(10)?;
    let spec = specs::every(Flavour::C, 7).toml();
    let attach = |arguments: &[&str], name: &str| {
        stain::Agent::attach(running.pipeline.pid(), &spec, arguments, running.folder.path(), name)
    };
    let deaf = attach(&["--no-control"], "deaf")?;
    assert_eq!(control::socket(deaf.pid()), None);
    let other = attach(&[], "other")?;
    let ended = stain::run(&["ctl", "pause"], SHORT)?;
    assert!(!ended.status.success(), "{ended:?}");
    for words in [
        format!("agent {}: ", running.agent.pid()),
        format!("agent {}: ", other.pid()),
        format!("process {}", running.pipeline.pid()),
    ] {
        assert!(ended.stderr.contains(&words), "{words}: {}", ended.stderr);
    }
    let all = stain::run(&["ctl", "status", "--format", "json"], SHORT)?;
    assert!(all.stdout.lines().count() >= 2, "{}", all.stdout);
    Ok(())
}

#[test]
fn a_session_that_waits_for_its_target_listens() -> Result<()> {
    if !tally::privileged("ctl::a_session_that_waits_for_its_target_listens").open() {
        return Ok(());
    }
    let _turn = stain_tests::run::turn()?;
    let folder = tempfile::tempdir()?;
    let binary = folder.path().join("app");
    std::fs::copy(Flavour::C.binary()?, &binary)?;
    let spec = folder.path().join("spec.toml");
    std::fs::write(&spec, specs::every(Flavour::C, 10).toml())?;
    let report = folder.path().join("report.jsonl");
    let mut command = Command::new(stain::binary()?);
    command.args(["attach", "--format", "jsonl", "--no-calibration", "--spec"]).arg(&spec);
    command.arg("--exe").arg(&binary).arg("-o").arg(&report);
    let mut agent = Guarded::spawn(&mut command)?;
    agent.stderr().find(|line| line.starts_with("waiting"), SHORT)?;
    let status = control::ask(agent.pid(), "status")?;
    assert_eq!(status["status"]["state"], "waiting", "{status}");
    assert_eq!(control::ask(agent.pid(), "rate 50")?["status"]["rate"], 50);
    let mut pipeline =
        stain_tests::pipeline::Pipeline::start_binary(binary, &["--records", "1000"], folder.path())?;
    agent.stderr().find(|line| line.starts_with("attached"), SHORT)?;
    pipeline.go()?;
    pipeline.totals(SHORT)?;
    let answer = control::ask(agent.pid(), "detach")?;
    assert_eq!(answer["status"]["state"], "detached", "{answer}");
    let ended = agent.wait(SHORT)?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    let report = Report::parse(&std::fs::read_to_string(&report)?)?;
    assert_eq!((report.ledger.sampled, report.ledger.written), (20, 20));
    Ok(())
}
