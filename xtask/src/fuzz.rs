//! The chore `fuzz`: every fuzz target for some seconds, from its own first inputs on.
//!
//! Owns: the compiler's flags for coverage, a target folder of their own, and the folders of inputs. An input that breaks something is left in
//! `target/fuzz/findings` and named.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::{bpf, cargo};

use crate::run::{quiet, step};

/// As libFuzzer wants them: counters, what is compared, and a table of places. <https://llvm.org/docs/LibFuzzer.html>
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// For flags that hold for the program and not for what builds it, cargo wants the machine named.
const MACHINE: &str = "x86_64-unknown-linux-gnu";

/// See `stain_fuzz::Target`.
pub(crate) const TARGETS: [&str; 8] =
    ["payload", "json", "recording", "spool", "text", "events", "spans", "places"];

/// Largest input, in bytes.
const MAX_BYTES: u32 = 4096;

/// Builds the fuzzer, and runs each target for so many seconds.
pub(crate) fn run(root: &Path, seconds: &str) -> Result<()> {
    ensure!(seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0), "`{seconds}` is no number of seconds");
    let folder = bpf::target_folder(root).join("fuzz");
    step("fuzz", "build with coverage", || {
        let mut build = cargo::workspace(root);
        build.args([
            "build",
            "-q",
            "-p",
            "stain-fuzz",
            "--features",
            "fuzzing",
            "--target",
            MACHINE,
            "--target-dir",
        ]);
        quiet(build.arg(&folder).env("RUSTFLAGS", COVERAGE))
    })?;
    let program = folder.join(MACHINE).join("debug/fuzz");
    let findings = folder.join("findings");
    fs::create_dir_all(&findings).context("cannot make a folder for findings")?;
    for target in TARGETS {
        let corpus = folder.join("corpus").join(target);
        fs::create_dir_all(&corpus).context("cannot make a folder for inputs")?;
        step("fuzz", &format!("{target} for {seconds} s"), || {
            target_for(&program, target, &corpus, &findings, seconds)
        })?;
    }
    Ok(())
}

fn target_for(program: &Path, target: &str, corpus: &Path, findings: &Path, seconds: &str) -> Result<()> {
    let mut fuzzer = std::process::Command::new(program);
    fuzzer.env("STAIN_FUZZ_TARGET", target).env("STAIN_FUZZ_SEEDS", corpus);
    fuzzer.args([format!("-max_total_time={seconds}"), format!("-max_len={MAX_BYTES}")]);
    fuzzer.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    let output =
        fuzzer.arg(format!("-artifact_prefix={}/{target}-", findings.display())).arg(corpus).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last: Vec<&str> = told.lines().rev().take(30).collect();
        bail!("{target}: {}\n{}", output.status, last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    let executed = told.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let executed: u64 = executed.unwrap_or_default().trim().parse().unwrap_or(0);
    ensure!(executed > 100, "{target} ran on {executed} inputs only");
    eprintln!("{:>10}  {target}: {executed} inputs", "fuzz");
    Ok(())
}
