//! The probes of one process, held by links: dropping them removes every probe.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::CString;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aya::Ebpf;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope};

use profiler_common::{ProbeSpec, Role};

use super::error::AttachError;
use super::object::chain;
use super::programs::{self, Kind, Programs};
use super::sweep::Sweep;
use super::sys::{self, MultiLink};
use crate::plan::{Site, Trap};

/// How probes are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// One `uprobe_multi` link a file and process: others pay nothing.
    Multi,
    /// One perf event a site and process: each context switch of the target pays for it.
    Perf,
}

/// Links of one process.
#[derive(Debug)]
pub struct Links {
    /// Closing a descriptor removes its probes.
    multi: Vec<OwnedFd>,
    perf: Vec<UProbeLink>,
    probes: usize,
    sweep: Option<Sweep>,
}

impl Links {
    /// How many probes they hold.
    #[must_use]
    pub fn probes(&self) -> usize {
        self.probes
    }

    /// What takes the breakpoints out of the process's children; `None` where the kernel does it by itself, as with perf events.
    #[must_use]
    pub fn sweep(&self) -> Option<Sweep> {
        self.sweep.clone()
    }
}

/// Sets the probes of `sites` in process `pid`, which the kernel program shall know as `number`.
pub(super) fn multi(
    programs: &Programs,
    pid: u32,
    number: u32,
    sites: &[Site],
) -> Result<Links, AttachError> {
    let sweep = Some(Sweep::new(pid, sites));
    let mut links = Links { multi: Vec::new(), perf: Vec::new(), probes: sites.len(), sweep };
    for (Group { path, at_return, kind, .. }, sites) in grouped(sites) {
        let offsets: Vec<u64> = sites.iter().map(|site| site.offset.0).collect();
        let cookies: Vec<u64> = sites.iter().map(|site| cookie(number, site.probe)).collect();
        let failed = |error: &io::Error| probe_error(path, pid, offsets.len(), error);
        let c_path =
            CString::new(path.as_os_str().as_bytes()).map_err(|error| failed(&io::Error::other(error)))?;
        let link = MultiLink { path: &c_path, offsets: &offsets, cookies: &cookies, at_return, pid };
        links.multi.push(sys::create_link(programs.multi(kind)?, &link).map_err(|error| failed(&error))?);
    }
    Ok(links)
}

/// The same by perf events, for kernels without `uprobe_multi`.
pub(super) fn perf(ebpf: &mut Ebpf, pid: u32, number: u32, sites: &[Site]) -> Result<Links, AttachError> {
    let mut links = Links { multi: Vec::new(), perf: Vec::new(), probes: sites.len(), sweep: None };
    let scope = NonZeroU32::new(pid).map_or(UProbeScope::CallingProcess, UProbeScope::OneProcess);
    for site in in_turn(sites) {
        let program = programs::perf(ebpf, Kind::of(&site.spec), site.trap == Trap::Return)?;
        let point = UProbeAttachPoint {
            location: UProbeAttachLocation::AbsoluteOffset(site.offset.0),
            cookie: Some(cookie(number, site.probe)),
        };
        let failed = |error: &(dyn std::error::Error + 'static)| match probe_error(
            &site.path,
            pid,
            1,
            &os_error(error),
        ) {
            AttachError::Permission { .. } => AttachError::Permission {
                what: "set probes by perf events (newer kernels want CAP_SYS_ADMIN for that)".to_owned(),
            },
            other => other,
        };
        let id = program.attach(point, &site.path, scope).map_err(|error| failed(&error))?;
        links.perf.push(program.take_link(id).map_err(|error| failed(&error))?);
    }
    Ok(links)
}

/// What the kernel program gets at each hit: which process, which site.
fn cookie(number: u32, probe: u32) -> u64 {
    u64::from(number) << 32 | u64::from(probe)
}

/// When a site's probe is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// Where a scope ends. Of several probes on one instruction the kernel runs the one that was set last first (since Linux 3.5; a test asserts it): so what is passed at
    /// that instruction is passed before the scope closes.
    End,
    /// All others.
    Passed,
    /// The sources come last: a record that is sampled finds every later stage probed.
    Source,
}

impl Turn {
    const fn of(site: &Site) -> Self {
        let role = site.spec.role;
        if role == Role::Leave as u8 || role == Role::Tail as u8 {
            Self::End
        } else if role == Role::Start as u8 {
            Self::Source
        } else {
            Self::Passed
        }
    }
}

/// The sites of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group<'a> {
    /// First of all.
    turn: Turn,
    path: &'a Path,
    at_return: bool,
    kind: Kind,
}

fn grouped(sites: &[Site]) -> BTreeMap<Group<'_>, Vec<&Site>> {
    let mut groups: BTreeMap<Group<'_>, Vec<&Site>> = BTreeMap::new();
    for site in sites {
        let (turn, at_return) = (Turn::of(site), site.trap == Trap::Return);
        let group = Group { turn, path: &site.path, at_return, kind: Kind::of(&site.spec) };
        groups.entry(group).or_default().push(site);
    }
    groups
}

/// Sites in the order in which their probes are set, by either way.
fn in_turn(sites: &[Site]) -> impl Iterator<Item = &Site> {
    grouped(sites).into_values().flatten()
}

/// Marks, of several sites at one place, the one whose program the kernel runs first: the one that is set last.
pub fn mark_leading(sites: &mut [Site]) {
    let leading: HashSet<u32> = in_turn(sites)
        .map(|site| ((&site.path, site.offset, site.trap), site.probe))
        .collect::<HashMap<_, _>>()
        .into_values()
        .collect();
    for site in sites {
        let is_leading = leading.contains(&site.probe);
        site.spec.flags = site.spec.flags & !ProbeSpec::LEADS | if is_leading { ProbeSpec::LEADS } else { 0 };
    }
}

/// The system's error among the causes, which tells what to do, or all of them in words.
fn os_error(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(code);
        }
        cause = error.source();
    }
    io::Error::other(chain(error))
}

pub(super) fn probe_error(file: &Path, pid: u32, count: usize, error: &io::Error) -> AttachError {
    let reason = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => return AttachError::Permission { what: "set probes".to_owned() },
        Some(libc::ESRCH) => "the process has ended".to_owned(),
        Some(libc::ENOENT) => {
            "the file is gone; if it was replaced while running, restart the target".to_owned()
        }
        Some(libc::EOPNOTSUPP) => {
            "the kernel does not probe one of these instructions; `stain plan` shows them".to_owned()
        }
        Some(libc::EINVAL) => {
            "the kernel does not accept one of these offsets; `stain plan` shows them".to_owned()
        }
        Some(libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::E2BIG) => {
            format!("{error}; use fewer stage points")
        }
        _ => error.to_string(),
    };
    AttachError::Probe { file: file.to_owned(), pid, count, reason }
}
