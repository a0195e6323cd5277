//! What we may do.

use super::{unknown, version};
use crate::doctor::facts::Capabilities;
use crate::doctor::{Check, Facts, Load, Others, Status};

/// What loading programs and setting probes takes, in kernels that tell them from CAP_SYS_ADMIN.
const NEEDED: [(Capabilities, &str); 2] = [Capabilities::BPF, Capabilities::PERFMON];

/// Whether the rights suffice by the book.
fn suffices(held: Capabilities) -> bool {
    held.has(Capabilities::SYS_ADMIN.0) || NEEDED.iter().all(|(needed, _)| held.has(*needed))
}

fn grant(facts: &Facts) -> String {
    format!(
        "Run it by sudo, or once:\nsudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep {}",
        facts.exe.display()
    )
}

pub(super) fn capabilities(facts: &Facts) -> Check {
    let who = if facts.user == 0 { "root".to_owned() } else { format!("user {}", facts.user) };
    let all = [Capabilities::BPF, Capabilities::PERFMON, Capabilities::SYS_PTRACE, Capabilities::SYS_ADMIN];
    let held: Vec<&str> =
        all.iter().filter(|(one, _)| facts.capabilities.has(*one)).map(|(_, name)| *name).collect();
    let found = if held.is_empty() {
        format!("{who}, without any that is needed")
    } else {
        format!("{who}, with {}", held.join(", "))
    };
    let check = |status| Check::new("capabilities", "capabilities", status, found.as_str());
    let means = "CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN) load programs and set probes.";
    // Who has loaded the programs has what it takes, however it came by it.
    if suffices(facts.capabilities) || facts.load == Load::Loaded {
        return check(Status::Ok).means(means);
    }
    check(Status::Missing).means(means).get(grant(facts))
}

pub(super) fn load(facts: &Facts) -> Check {
    let check = |status, found: &str| Check::new("bpf", "BPF maps and programs", status, found.to_owned());
    match &facts.load {
        Load::Loaded => check(Status::Ok, "loaded").means("The kernel's verifier accepts every program."),
        Load::NoPermission(_) if !suffices(facts.capabilities) => unknown("bpf", "BPF maps and programs"),
        Load::NoPermission(_) => check(Status::Missing, "refused, although the capabilities are there")
            .means("A container's filter of system calls or a user namespace takes bpf(2) or perf_event_open(2) away.")
            .get("Run it outside of the container, or give the container the capabilities BPF, PERFMON and SYS_PTRACE and a seccomp profile that allows bpf(2) and perf_event_open(2)."),
        Load::Refused(reason) => check(Status::Missing, first_line(reason))
            .means(reason.as_str())
            .get("Use a kernel with CONFIG_BPF_SYSCALL, CONFIG_BPF_EVENTS, CONFIG_UPROBES and CONFIG_UPROBE_EVENTS; where it has them, report this text."),
    }
}

/// The first line of an error; verifier logs have many.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

pub(super) fn other_processes(facts: &Facts) -> Check {
    let Others { open, closed, hidden } = facts.others;
    let mut found = format!("{open} of {} can be looked into", open.saturating_add(closed));
    if let Some(option) = &facts.hidepid {
        found.push_str(&format!(" (/proc is mounted with hidepid={option})"));
    }
    let check = |status| Check::new("processes", "other processes", status, found.as_str());
    if facts.capabilities.has(Capabilities::SYS_PTRACE.0) || closed == 0 && !hidden {
        return check(Status::Ok).means("Processes of all users can be traced.");
    }
    let unseen =
        if hidden { " A process id of another user looks as if there were no such process." } else { "" };
    check(Status::Warn)
        .means(format!("Only processes of your own user can be traced; others take CAP_SYS_PTRACE.{unseen}"))
        .get(grant(facts))
}

pub(super) fn perf_event_paranoid(facts: &Facts) -> Check {
    sysctl("perf_event_paranoid", facts.perf_event_paranoid, "who has CAP_PERFMON is not bound by it")
}

pub(super) fn unprivileged_bpf(facts: &Facts) -> Check {
    sysctl("unprivileged_bpf_disabled", facts.unprivileged_bpf_disabled, "who has CAP_BPF is not bound by it")
}

pub(super) fn ptrace_scope(facts: &Facts) -> Check {
    sysctl("ptrace_scope", facts.ptrace_scope, "nothing is ever stopped or written to by ptrace")
}

/// A setting that people ask about, and that does not matter.
fn sysctl(name: &'static str, value: Option<i64>, why: &str) -> Check {
    let value = value.map_or_else(|| "none".to_owned(), |value| value.to_string());
    Check::new(name, name, Status::Ok, format!("{value} ({why})"))
        .means(format!("It does not matter: {why}."))
}

pub(super) fn lockdown(facts: &Facts) -> Check {
    let check = |status, found: &str| Check::new("lockdown", "lockdown", status, found);
    match facts.lockdown.as_deref() {
        None => check(Status::Ok, "none").means("No restriction by secure boot."),
        Some(mode @ ("none" | "integrity")) => {
            check(Status::Ok, mode).means("It does not keep programs from being traced.")
        }
        Some(mode) if facts.load == Load::Loaded => check(Status::Ok, mode)
            .means("It keeps the kernel's memory from being read, which is not done here."),
        Some(mode) => check(Status::Warn, mode)
            .means("The kernel is locked down, as with secure boot; this may be why programs are refused.")
            .get("Boot with lockdown=integrity, or with secure boot switched off."),
    }
}

/// Since this kernel BPF memory is accounted to the control group instead.
const MEMLOCK_UNUSED: (u32, u32) = (5, 11);

pub(super) fn memlock(facts: &Facts) -> Check {
    let found = match facts.memlock_bytes {
        Some(bytes) => crate::sink::units::bytes(bytes),
        None => "no limit".to_owned(),
    };
    let check = |status, note: &str| Check::new("memlock", "locked memory", status, format!("{found}{note}"));
    let matters = version(&facts.release).is_some_and(|version| version < MEMLOCK_UNUSED);
    if !matters {
        return check(Status::Ok, " (not counted by this kernel)")
            .means("Since Linux 5.11 the memory of BPF maps is not bound by this limit.");
    }
    if facts.memlock_bytes.is_none() {
        return check(Status::Ok, "").means("Before Linux 5.11 the memory of BPF maps counts here.");
    }
    check(Status::Warn, "")
        .means("Before Linux 5.11 the memory of BPF maps counts here; a low limit makes loading fail.")
        .get("ulimit -l unlimited")
}
