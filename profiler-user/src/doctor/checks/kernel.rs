//! What the machine and its kernel have to offer.

use super::unknown;
use crate::attach::{Grace, MultiSupport};
use crate::doctor::{Check, Facts, Load, Status};

/// The first kernel with attach cookies.
const OLDEST: (u32, u32) = (5, 15);

pub(super) fn architecture(facts: &Facts) -> Check {
    let check = |status| Check::new("architecture", "architecture", status, &facts.arch);
    match facts.arch.as_str() {
        "x86_64" => check(Status::Ok).means("Its instructions are known, and what probes cost can be measured."),
        "aarch64" => check(Status::Warn).means(
            "Sites are chosen by the kernel's tables for this machine; what probes cost is assumed, not measured.",
        ),
        _ => check(Status::Missing)
            .means("Probes are placed by the meaning of instructions, and only those of x86-64 and aarch64 are known.")
            .get("Run stain on an x86-64 or aarch64 machine."),
    }
}

pub(super) fn version(facts: &Facts) -> Check {
    let check = |status| Check::new("kernel", "kernel", status, format!("Linux {}", facts.release));
    let why = "Linux 5.15 is the first in which one program can tell its probes apart (attach cookies)";
    match super::version(&facts.release) {
        Some(version) if version >= OLDEST => check(Status::Ok).means(format!("{why}.")),
        // Distributions carry features back: what the kernel took counts, not its number.
        Some(_) if facts.load == Load::Loaded => {
            check(Status::Ok).means(format!("{why}; this one is older by its number, but has it."))
        }
        Some(_) => check(Status::Missing).means(format!("{why}. Older ones cannot run this profiler.")).get(
            "Use Linux 5.15 or newer; from 6.10 on, probes burden nothing but the functions that carry them.",
        ),
        None => check(Status::Warn).means(format!("{why}; what this one can do is not known from its name.")),
    }
}

pub(super) fn btf(facts: &Facts) -> Check {
    let found = if facts.btf { "/sys/kernel/btf/vmlinux" } else { "none" };
    Check::new("btf", "kernel types (BTF)", Status::Ok, format!("{found} (not needed)"))
        .means("Only registers and the target's own memory are read, never the kernel's structures.")
}

/// What is behind a part of the kernel program that is told by name when it fails.
fn part(
    facts: &Facts,
    (id, name): (&'static str, &'static str),
    marks: &[&str],
    means: &str,
    get: &str,
) -> Check {
    match &facts.load {
        Load::Loaded => Check::new(id, name, Status::Ok, "works").means(means),
        Load::Refused(reason) if marks.iter().any(|mark| reason.contains(mark)) => {
            Check::new(id, name, Status::Missing, super::rights::first_line(reason)).means(means).get(get)
        }
        Load::Refused(_) => Check::new(id, name, Status::Warn, "not known")
            .means("The kernel refused the programs before this could be tried."),
        Load::NoPermission(_) => unknown(id, name),
    }
}

pub(super) fn ring_buffer(facts: &Facts) -> Check {
    part(
        facts,
        ("ring_buffer", "BPF ring buffer"),
        &["NOTICES"],
        "Through it the kernel tells of finished traces.",
        "Use Linux 5.8 or newer.",
    )
}

pub(super) fn raw_tracepoints(facts: &Facts) -> Check {
    part(
        facts,
        ("raw_tracepoints", "raw tracepoints"),
        &["stain_exit", "stain_exec", "stain_fork", "stain_end"],
        "They tell of processes that start and threads that end. A mounted tracefs is not needed for them.",
        "Use a kernel built with CONFIG_BPF_EVENTS and CONFIG_TRACEPOINTS.",
    )
}

pub(super) fn uprobe_multi(facts: &Facts) -> Check {
    let check = |status, found: &str| Check::new("uprobe_multi", "multi-uprobe links", status, found);
    let fallback = "Probes are set one by one as perf events instead, and each context switch of the target pays for each of them: \
        a ping-pong between two threads took 7.4 us instead of 4.5 us with 8 sites, and 39.5 us with 128.";
    let get = "Use Linux 6.10 or newer.";
    match facts.multi {
        MultiSupport::PerProcess => check(Status::Ok, "for one process")
            .means("Other processes that map the same file pay nothing, and the target's context switches are not slowed."),
        MultiSupport::PerThread => {
            check(Status::Warn, "for one thread only, not used").means(fallback).get(get)
        }
        MultiSupport::None => check(Status::Warn, "none").means(fallback).get(get),
        MultiSupport::NoPermission => unknown("uprobe_multi", "multi-uprobe links"),
    }
}

pub(super) fn membarrier(facts: &Facts) -> Check {
    let check = |status, found: &str| Check::new("membarrier", "grace periods", status, found);
    match facts.grace {
        Grace::Membarrier => check(Status::Ok, "by membarrier(2)")
            .means("A finished trace is read some ten milliseconds after its end."),
        Grace::Wait => check(Status::Warn, "by waiting a second")
            .means("membarrier(2) is not offered (nohz_full machines, seccomp filters): finished traces hold their places a second longer, so that more of them are needed at the same time.")
            .get("Allow membarrier(2) in the container's seccomp filter, or raise the number of open traces."),
    }
}
