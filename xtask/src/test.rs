//! Runs the tests, tier by tier, and adds them up.
//!
//! Owns the tiers and the closing line. Refuses to stop at the first failure, and to count a skipped test as passed.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use xtask::{bpf, cargo};

use crate::{
    fuzz, lint,
    privileged::Tally,
    product,
    run::{loud, shown, step},
    setup::{self, Set},
    totals::Totals,
};

/// The pure rooms: no privileges, no kernel, as parallel as the machine.
const PURE: [&[&str]; 2] = [&["--lib", "--bins"], &["--doc"]];
/// Seconds of each fuzz target on the way.
const BRIEFLY: &str = "5";
/// Tests that need servers, by their names: those of databases run with all others, too.
const SERVICES: [&str; 2] = ["a_real_broker", "on_a_real_"];
/// Integration tests. They load every CPU and read the clock: one at a time.
const INTEGRATION: &[&str] = &["--test", "*"];

/// Sets up, checks the formatting, runs the tests whose names contain one of `filters` (all, if none), and ends with one line of
/// the numbers of all.
pub(crate) fn run(root: &Path, filters: &[String]) -> Result<()> {
    setup::ensure(root, Set::Test)?;
    setup::services::ensure_databases(root);
    let mut totals = Totals::default();
    if let Err(error) = lint::format(root) {
        eprintln!("error: {error:#}");
        totals.failed += 1;
    }
    product::kernel_program(root)?;
    if filters.is_empty()
        && cfg!(target_arch = "x86_64")
        && let Err(error) = fuzz::run(root, BRIEFLY)
    {
        eprintln!("error: {error:#}");
        totals.failed += 1;
    }
    for kinds in PURE {
        totals.add(cargo_test(root, kinds, filters, &[])?);
    }
    totals.add(integration(root, filters, &[])?);
    end(&totals)
}

/// The tests against servers, those that are had only when asked for too: set up, run, and added up as above.
pub(crate) fn services(root: &Path) -> Result<()> {
    setup::services::run(root)?;
    product::kernel_program(root)?;
    let filters = SERVICES.map(str::to_owned);
    end(&integration(root, &filters, &["--include-ignored"])?)
}

fn end(totals: &Totals) -> Result<()> {
    println!("{totals}");
    if totals.failed > 0 {
        bail!("tests failed");
    }
    Ok(())
}

fn integration(root: &Path, filters: &[String], more: &[&str]) -> Result<Totals> {
    let tally = bpf::target_folder(root).join("tally.jsonl");
    fs::write(&tally, "").with_context(|| format!("cannot write {}", tally.display()))?;
    step("agent", "cargo build, for the integration tests", || {
        // Of the whole workspace, so that what it is made of has the same features as for the tests: it is built already.
        loud(cargo::workspace(root).args(["build", "--workspace", "--bin", "stain"]))
    })?;
    let stain = bpf::target_folder(root).join("debug/stain");
    let variables = [("STAIN_TALLY", tally.as_path()), ("STAIN_BIN", stain.as_path())];
    let mut totals = cargo_test(
        root,
        INTEGRATION,
        &[filters.to_vec(), more.iter().map(|one| (*one).to_owned()).collect()].concat(),
        &variables,
    )?;
    let tally = Tally::read(&fs::read_to_string(&tally).context("the tally is gone")?);
    totals.passed_to_skipped(tally.skipped());
    println!("\n{}", tally.report());
    if let Some(complaint) = tally.complaint(!filters.is_empty()) {
        eprintln!("error: {complaint}");
        totals.failed += 1;
    }
    Ok(totals)
}

/// Runs `cargo test` on some kinds of targets, passing its output on. A run that breaks without a count (it does not build, it
/// crashes) counts as one failure.
fn cargo_test(
    root: &Path,
    kinds: &[&str],
    filters: &[String],
    variables: &[(&str, &Path)],
) -> Result<Totals> {
    let mut command = cargo::workspace(root);
    command.args(["test", "--workspace", "--no-fail-fast"]).args(kinds).arg("--").args(filters);
    if kinds == INTEGRATION {
        command.arg("--test-threads=1");
    }
    command.envs(variables.iter().copied()).stdout(Stdio::piped());
    eprintln!("{:>10}  {}", "test", shown(&command));
    let (mut totals, succeeded) = stream(&mut command)?;
    if !succeeded && totals.failed == 0 {
        totals.failed = 1;
    }
    Ok(totals)
}

fn stream(command: &mut Command) -> Result<(Totals, bool)> {
    let mut child = command.spawn().context("cargo does not start")?;
    let mut totals = Totals::default();
    if let Some(pipe) = child.stdout.take() {
        let mut out = std::io::stdout().lock();
        for line in BufReader::new(pipe).split(b'\n') {
            let line = line?;
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            if let Some(counts) = Totals::from_result_line(&String::from_utf8_lossy(&line)) {
                totals.add(counts);
            }
        }
    }
    Ok((totals, child.wait()?.success()))
}
