//! `stain doctor` on this very machine: with root's rights it finds what it takes, without them it says what is missing.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;
use stain_tests::child::{Ended, Guarded};
use stain_tests::run::SHORT;
use stain_tests::{stain, tally};

/// `nobody`.
const NOBODY: u32 = 65534;

fn check<'a>(report: &'a Value, id: &str) -> Result<&'a Value> {
    let checks = report["checks"].as_array().context("no checks")?;
    checks.iter().find(|check| check["id"] == id).with_context(|| format!("no check {id}"))
}

fn report(ended: &Ended) -> Result<Value> {
    serde_json::from_str(&ended.stdout).with_context(|| format!("{}\n{}", ended.stdout, ended.stderr))
}

#[test]
fn doctor_finds_that_attaching_works_and_what_it_costs() -> Result<()> {
    let gate = tally::privileged("doctor_finds_that_attaching_works_and_what_it_costs");
    if !gate.condition(cfg!(target_arch = "x86_64"), "prices are measured on x86-64 only").open() {
        return Ok(());
    }
    let ended = stain::run(&["doctor", "--format", "json"], SHORT)?;
    let report = report(&ended)?;
    assert!(ended.status.success(), "{report:#}");
    assert_eq!(report["attach_works"], true, "{report:#}");
    assert_eq!(check(&report, "bpf")?["status"], "ok", "{report:#}");
    let calibration = &report["calibration"];
    for class in ["emulated_ns", "optimised_nop_ns", "stepped_ns", "trampoline_ns"] {
        let ns = calibration[class].as_u64().with_context(|| format!("no {class}: {report:#}"))?;
        assert!(ns > 0 && ns < 10_000_000, "{class}: {ns}");
    }
    // Safe or not is the kernel's affair; but the verdict must be what the self-test saw.
    let nop = check(&report, "five_byte_nop")?;
    let found = nop["found"].as_str().unwrap_or_default();
    match calibration["safe_five_byte_nop"].as_bool() {
        Some(true) => assert!(nop["status"] == "ok" && found.starts_with("safe:"), "{nop:#}"),
        Some(false) => assert!(nop["status"] == "warn" && found.starts_with("not safe:"), "{nop:#}"),
        None => panic!("no verdict: {report:#}"),
    }
    Ok(())
}

#[test]
fn doctor_leaves_no_process_behind_and_says_the_same_in_words() -> Result<()> {
    if !tally::privileged("doctor_leaves_no_process_behind_and_says_the_same_in_words").open() {
        return Ok(());
    }
    let ended = stain::run(&["doctor"], SHORT)?;
    assert!(ended.status.success(), "{}", ended.stdout);
    assert!(ended.stdout.trim_end().ends_with("stain can attach on this machine."), "{}", ended.stdout);
    let binary = stain::binary()?.canonicalize()?;
    for process in std::fs::read_dir("/proc")?.flatten() {
        let runs = std::fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == binary);
        let arguments = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
        // Other tests run the same binary at the same time: only a child without its agent is one left behind.
        let orphan = parent(&process.path().join("stat")) == Some(1);
        assert!(!(runs && orphan && arguments.contains("probe-specimens")), "{:?}", process.path());
    }
    Ok(())
}

/// The parent's process id in a `/proc/PID/stat`.
fn parent(stat: &std::path::Path) -> Option<u32> {
    let text = std::fs::read_to_string(stat).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn doctor_runs_without_rights_and_says_what_is_missing() -> Result<()> {
    // Root is needed only to become somebody else.
    if !tally::privileged("doctor_runs_without_rights_and_says_what_is_missing").open() {
        return Ok(());
    }
    // Where everybody can run it.
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let binary = folder.path().join("stain");
    std::fs::copy(stain::binary()?, &binary)?;
    let mut command = Command::new(&binary);
    command.args(["doctor", "--format", "json"]).uid(NOBODY).gid(NOBODY).current_dir("/");
    let ended = Guarded::spawn(&mut command)?.wait(SHORT)?;
    let report = report(&ended)?;
    assert_eq!(ended.status.code(), Some(1), "{report:#}");
    assert_eq!(report["attach_works"], false);
    let missing = check(&report, "capabilities")?;
    assert_eq!(missing["status"], "missing", "{missing:#}");
    let get = missing["get"].as_str().unwrap_or_default();
    let command = format!("sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep {}", binary.display());
    assert!(get.contains(&command), "{get}");
    assert_eq!(report["calibration"], Value::Null);
    Ok(())
}
