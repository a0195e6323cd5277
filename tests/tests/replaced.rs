//! A binary that was replaced on disk while it runs, as every upgrade does: what runs is traced, not what lies there now.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use stain_tests::child::Guarded;
use stain_tests::journey::{self, Expect};
use stain_tests::pipeline::Pipeline;
use stain_tests::report::Report;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::stain::{self, Agent};
use stain_tests::targets::Flavour;
use stain_tests::{specs, tally};

const RATE: u64 = 10;

/// Another program takes the path, by renaming, as package managers do; or none does.
fn replace(path: &Path, by: Option<&Path>) -> Result<()> {
    let Some(by) = by else { return Ok(std::fs::remove_file(path)?) };
    let fresh = path.with_extension("new");
    std::fs::copy(by, &fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755))?;
    Ok(std::fs::rename(fresh, path)?)
}

fn assert_true(report: &Report, pipeline: &Pipeline) -> Result<()> {
    let violations = journey::check(report, &pipeline.truth()?, &Expect::every(RATE));
    ensure!(violations.is_empty(), "{}\n{}", journey::show(&violations), report.summary);
    ensure!(report.ledger.written > 0, "{}", report.summary);
    Ok(())
}

fn unharmed(pipeline: Pipeline) -> Result<()> {
    let ended = pipeline.finish(SHORT)?;
    ensure!(ended.status.success(), "the target was harmed: {}", ended.status);
    Ok(())
}

#[test]
fn the_program_that_runs_is_traced_not_the_one_that_took_its_path() -> Result<()> {
    if !tally::privileged("replaced::the_program_that_runs_is_traced_not_the_one_that_took_its_path").open() {
        return Ok(());
    }
    let _turn = turn()?;
    // The same functions at other places; a file that is no program; nothing.
    let other = Flavour::CProtected.binary()?;
    for by in [Some(other.as_path()), Some(Path::new("/etc/hostname")), None] {
        let folder = tempfile::tempdir()?;
        let binary = folder.path().join("app");
        std::fs::copy(Flavour::C.binary()?, &binary)?;
        let target = ["--records", "20000", "--reuse", "shared", "--drop-percent", "30"];
        let mut pipeline = Pipeline::start_binary(binary.clone(), &target, folder.path())?;
        replace(&binary, by)?;
        let spec = specs::every(Flavour::C, RATE).toml();
        let agent = Agent::attach(pipeline.pid(), &spec, &[], folder.path(), "agent")
            .with_context(|| format!("replaced by {by:?}"))?;
        pipeline.go()?;
        pipeline.totals(LONG)?;
        assert_true(&agent.stop(SHORT)?.report, &pipeline)?;
        unharmed(pipeline)?;
    }
    Ok(())
}

#[test]
fn by_its_path_the_old_program_and_the_new_one_are_both_found() -> Result<()> {
    if !tally::privileged("replaced::by_its_path_the_old_program_and_the_new_one_are_both_found").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let (folder, second) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let binary = folder.path().join("app");
    std::fs::copy(Flavour::C.binary()?, &binary)?;
    let target = ["--records", "5000", "--reuse", "shared"];
    let mut old = Pipeline::start_binary(binary.clone(), &target, folder.path())?;
    replace(&binary, Some(&Flavour::CProtected.binary()?))?;
    let mut new = Pipeline::start_binary(binary.clone(), &target, second.path())?;
    let (spec, report) = (folder.path().join("spec.toml"), folder.path().join("report.jsonl"));
    std::fs::write(&spec, specs::every(Flavour::C, RATE).toml())?;
    let mut command = Command::new(stain::binary()?);
    command.args(["attach", "--format", "jsonl", "--exe"]).arg(&binary);
    command.arg("--spec").arg(&spec).arg("-o").arg(&report);
    let mut agent = Guarded::spawn(&mut command)?;
    let line = agent.stderr().find(|line| line.starts_with("attached"), SHORT)?;
    ensure!(line.contains("14 sites in 2 processes"), "{line}");
    for pipeline in [&mut old, &mut new] {
        pipeline.go()?;
        pipeline.totals(LONG)?;
    }
    agent.signal(rustix::process::Signal::INT)?;
    ensure!(agent.wait(SHORT)?.status.success());
    let text = std::fs::read_to_string(&report)?;
    let report = Report::parse(&text)?;
    ensure!((report.ledger.records, report.ledger.written) == (10_000, 1000), "{}", report.summary);
    for pid in [old.pid(), new.pid()] {
        let written =
            report.traces.iter().filter(|trace| trace.pid == pid && trace.entries.len() == 6).count();
        ensure!(written == 500, "{written} whole traces of process {pid}");
    }
    unharmed(old)?;
    unharmed(new)
}
