//! The loaded kernel program: its settings, counters, notices and slots.

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, PerCpuArray, RingBuf};
use aya::programs::{Program, ProgramError, RawTracePoint, RawTracePointRunOptions, TestRun as _};
use profiler_common::{
    Config, Counter, Edition, Handle, Notice, NoticeKind, Outcome, Predicate, ProbeCount, ProbeMore,
    ProbeSpec,
};

use super::belongings::Belongings;
use super::error::AttachError;
use super::links::{self, Backend, Links};
use super::multi::{MultiSupport, multi_support};
use super::object::{self, chain, map_fd};
use super::programs::{Kind, Programs};
use super::settings::LiveSettings;
use super::shared::{Shared, SharedFds};
use crate::plan::Site;

/// What to load.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Settings of the kernel program.
    pub config: Config,
    /// Sites that there is room for.
    pub probes: u32,
    /// Whether any of them may have a predicate.
    pub predicates: bool,
    /// Whether any of them may have to do with further keys, batches or attributes.
    pub more: bool,
    /// Threads whose scopes there is room for; 0 where no stage has to do with scopes.
    pub scope_threads: u32,
    /// Batches that there is room for; 0 where no stage has to do with batches.
    pub batches: u32,
    /// Diagnostics of the kernel program: 0 off, 1 errors .. 5 all.
    pub log_level: u8,
    /// How to set probes; the best that the kernel offers when `None`.
    pub backend: Option<Backend>,
}

impl Settings {
    /// For one plain site, without diagnostics.
    #[must_use]
    pub fn plain(config: Config) -> Self {
        Self {
            config,
            probes: 1,
            predicates: false,
            more: false,
            scope_threads: 0,
            batches: 0,
            log_level: 0,
            backend: None,
        }
    }
}

/// A probe id that the kernel program knows nothing of: such a hit does nothing.
const NO_PROBE: u32 = u32::MAX;

/// The loaded kernel program. Dropping it, or killing the agent, removes it with all its probes.
pub struct Kernel {
    ebpf: Ebpf,
    programs: Programs,
    shared: Shared,
    config: Array<MapData, Config>,
    live: LiveSettings,
    specs: Array<MapData, ProbeSpec>,
    predicates: Array<MapData, Predicate>,
    more: Array<MapData, ProbeMore>,
    counters: PerCpuArray<MapData, u64>,
    probe_counts: PerCpuArray<MapData, ProbeCount>,
    processes: HashMap<MapData, u32, u32>,
    belongings: Belongings,
    notices: RingBuf<MapData>,
    probes: u32,
}

impl Kernel {
    /// Loads the program and its maps. Sets no probe yet.
    ///
    /// # Errors
    /// Missing privileges, a kernel that lacks something, or a verifier that refuses, each in a sentence.
    pub fn load(settings: &Settings) -> Result<Self, AttachError> {
        let backend = settings.backend.map_or_else(best_backend, Ok)?;
        let config = settings.config;
        let mut ebpf = object::load(settings)?;
        let shared = share(&ebpf, &config)?;
        let live = LiveSettings::new(map_fd(&ebpf, "CONFIG")?)?;
        load_watches(&mut ebpf)?;
        let mut programs = Programs::new(backend, &ebpf)?;
        // The kernel's word on it comes before anything is done to a target.
        programs.load(&mut ebpf, Kind::Plain)?;
        let mut kernel = Self {
            config: take(&mut ebpf, "CONFIG")?,
            live,
            specs: take(&mut ebpf, "PROBES")?,
            predicates: take(&mut ebpf, "PREDICATES")?,
            more: take(&mut ebpf, "MORE")?,
            counters: take(&mut ebpf, "COUNTERS")?,
            probe_counts: take(&mut ebpf, "PROBE_COUNTS")?,
            processes: take(&mut ebpf, "PROCESSES")?,
            belongings: Belongings::of(&mut ebpf)?,
            notices: take(&mut ebpf, "NOTICES")?,
            ebpf,
            programs,
            shared,
            probes: 0,
        };
        kernel.configure(&config)?;
        Ok(kernel)
    }

    /// How probes are set.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.programs.backend()
    }

    /// The slots.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Lets hits have effects, or none any more. After closing and a grace period nothing changes in the accounts and slots.
    pub fn set_closed(&mut self, closed: bool) {
        self.live.set_closed(closed);
    }

    /// Samples one record in so many of each sequence from the next hit on; the sequences go on. 0: none.
    pub fn set_rate(&mut self, rate: u64) {
        self.live.set_rate(rate);
    }

    /// Admits at most so many traces a second from the next hit on, this second included. 0: no bound.
    pub fn set_budget(&mut self, budget: u32) {
        self.live.set_budget(budget);
    }

    /// Admits no trace from the next hit on, or some again.
    pub fn set_paused(&mut self, paused: bool) {
        self.live.set_paused(paused);
    }

    /// Makes sites that sleep in this edition do nothing, and all others count, from the next hit on; or begins a change from one edition to another, in which
    /// each hit is of one of the two.
    pub fn set_edition(&mut self, edition: Edition) {
        self.live.set_edition(edition);
    }

    /// Returns when all hits at `sites` of a process have ended that were under way. Probes that do nothing are set there and taken off again for it: a probe that is
    /// taken off is waited for, whatever the kernel's way of that, and the whole of a hit, of which a grace period of RCU sees the single programs alone.
    ///
    /// # Errors
    /// When probes cannot be set there any more.
    pub fn settle(&mut self, pid: u32, sites: &[Site]) -> Result<(), AttachError> {
        // All of one kind: one link, and to take that off is what takes long.
        let idle = |site: &Site| Site { probe: NO_PROBE, spec: ProbeSpec::default(), ..site.clone() };
        let idle: Vec<Site> = sites.iter().map(idle).collect();
        self.set_probes(pid, 0, &idle).map(drop)
    }

    /// Forgets whose hits were taken by a new set of sites: the change is over.
    pub fn forget_change(&mut self) {
        self.belongings.forget_change();
    }

    /// Forgets the arguments that were saved for the returns of these calls (see [`ProbeSpec::call`]). None of them is being saved just now.
    ///
    /// # Errors
    /// When the kernel refuses the look.
    pub fn forget_calls(&mut self, is_meant: impl Fn(u32) -> bool) -> Result<(), AttachError> {
        self.belongings.forget_calls(is_meant)
    }

    /// The settings that the kernel program has, read back from its map.
    ///
    /// # Errors
    /// When the kernel refuses the look.
    pub fn settings(&self) -> Result<Config, AttachError> {
        self.config.get(&0, 0).map_err(|error| AttachError::Load(chain(&error)))
    }

    /// Gives the kernel program all settings at once. Not while probes are set: a hit could see a half of them.
    ///
    /// # Errors
    /// When the kernel refuses the write.
    pub fn configure(&mut self, config: &Config) -> Result<(), AttachError> {
        self.config.set(0, config, 0).map_err(|error| AttachError::Load(chain(&error)))
    }

    /// How many sites there is room for.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.specs.len()
    }

    /// Tells the kernel program what a site does. Before it is probed.
    ///
    /// # Errors
    /// When there is no room for a site of this id.
    pub fn set_probe(&mut self, site: &Site) -> Result<(), AttachError> {
        if site.probe >= self.room() {
            return Err(AttachError::NoRoom { sites: site.probe as usize + 1, room: self.room() });
        }
        let failed = |error| AttachError::Load(chain(&error));
        if let Some(predicate) = &site.predicate {
            self.predicates.set(site.probe, **predicate, 0).map_err(failed)?;
        }
        if let Some(more) = &site.more {
            self.more.set(site.probe, **more, 0).map_err(failed)?;
        }
        self.specs.set(site.probe, site.spec, 0).map_err(failed)?;
        self.probes = self.probes.max(site.probe + 1);
        Ok(())
    }

    /// Makes a process a target: sets its probes. `number` is never used twice.
    ///
    /// # Errors
    /// When a probe cannot be set; then none is.
    pub fn attach(&mut self, pid: u32, number: u32, sites: &[Site]) -> Result<Links, AttachError> {
        self.processes.insert(pid, number, 0).map_err(|error| AttachError::Load(chain(&error)))?;
        let links = self.set_probes(pid, number, sites);
        if links.is_err() {
            self.forget(pid, number);
        }
        links
    }

    /// Sets further probes in a process that is a target.
    ///
    /// # Errors
    /// When one cannot be set; then none of them is.
    pub fn attach_more(&mut self, pid: u32, number: u32, sites: &[Site]) -> Result<Links, AttachError> {
        self.set_probes(pid, number, sites)
    }

    fn set_probes(&mut self, pid: u32, number: u32, sites: &[Site]) -> Result<Links, AttachError> {
        for site in sites {
            self.programs.load(&mut self.ebpf, Kind::of(&site.spec))?;
        }
        match self.programs.backend() {
            Backend::Multi => links::multi(&self.programs, pid, number, sites),
            Backend::Perf => links::perf(&mut self.ebpf, pid, number, sites),
        }
    }

    /// A process is gone, or has become another program: it is no longer a target, and what was kept of it is over. Its links the caller has dropped before.
    pub fn forget(&mut self, pid: u32, number: u32) {
        // It may be gone already; then there is nothing to forget.
        let _ = self.processes.remove(&pid);
        self.belongings.forget_process(number);
        // Most threads were forgotten when they ended; the one that became another program has not.
        for thread in self.belongings.threads_with_scopes(number) {
            if let Err(error) = self.run("stain_forget", [thread.process.into(), thread.tid.into()]) {
                log::debug!("scopes of thread {} are not forgotten: {error}", thread.tid);
            }
        }
    }

    /// The ledger's kernel half, indexed by [`Counter`].
    ///
    /// # Errors
    /// When a counter cannot be read.
    pub fn counters(&self) -> Result<[u64; Counter::COUNT as usize], AttachError> {
        let mut sums = [0; Counter::COUNT as usize];
        for (index, sum) in (0u32..).zip(sums.iter_mut()) {
            let values = self.counters.get(&index, 0).map_err(|error| AttachError::Load(chain(&error)))?;
            *sum = values.iter().fold(0u64, |sum, value| sum.wrapping_add(*value));
        }
        Ok(sums)
    }

    /// What happened at each site, by probe id.
    ///
    /// # Errors
    /// When a counter cannot be read.
    pub fn probe_counts(&self) -> Result<Vec<ProbeCount>, AttachError> {
        (0..self.probes)
            .map(|probe| {
                let values =
                    self.probe_counts.get(&probe, 0).map_err(|error| AttachError::Load(chain(&error)))?;
                Ok(values.iter().fold(ProbeCount::default(), |sum, value| ProbeCount {
                    hits: sum.hits + value.hits,
                    unreadable: sum.unreadable + value.unreadable,
                    stamps: sum.stamps + value.stamps,
                }))
            })
            .collect()
    }

    /// Hands all waiting notices to `take`. Those that are none are skipped.
    pub fn drain_notices(&mut self, mut take: impl FnMut(NoticeKind, u64)) {
        while let Some(item) = self.notices.next() {
            if let Some((kind, value)) = Notice::decode(&item) {
                take(kind, value);
            }
        }
    }

    /// Ends a trace that is in flight, unless its record was first.
    ///
    /// # Errors
    /// When the kernel refuses to run the program.
    pub fn end_trace(&self, handle: Handle, outcome: Outcome) -> Result<(), AttachError> {
        self.run("stain_end", [handle.0, outcome.code().into()])
    }

    /// Runs a program that is attached to nothing, once.
    fn run(&self, name: &str, [one, other]: [u64; 2]) -> Result<(), AttachError> {
        let Some(Program::RawTracePoint(program)) = self.ebpf.program(name) else {
            return Err(AttachError::Load(format!("it has no program `{name}`")));
        };
        let mut options = RawTracePointRunOptions::new();
        let [first, second, ..] = &mut options.args;
        (*first, *second) = (one, other);
        // What the program returns is not asked for: aya's wrapper around it always returns 0.
        program.test_run(options).map_err(|error| program_error(name, error))?;
        Ok(())
    }

    /// The kernel program's diagnostics, to be flushed now and then; `None` when switched off.
    ///
    /// # Errors
    /// When the object has no log.
    pub fn logger(&mut self) -> Result<aya_log::EbpfLogger<&'static dyn log::Log>, AttachError> {
        aya_log::EbpfLogger::init(&mut self.ebpf).map_err(|error| AttachError::Load(error.to_string()))
    }
}

/// The best way to set probes that this kernel offers.
///
/// # Errors
/// When the agent may not find out.
pub fn best_backend() -> Result<Backend, AttachError> {
    match multi_support() {
        MultiSupport::PerProcess => Ok(Backend::Multi),
        MultiSupport::NoPermission => Err(AttachError::Permission { what: "load BPF programs".to_owned() }),
        MultiSupport::PerThread | MultiSupport::None => Ok(Backend::Perf),
    }
}

fn share(ebpf: &Ebpf, config: &Config) -> Result<Shared, AttachError> {
    let fds = SharedFds {
        headers: map_fd(ebpf, "SLOTS")?,
        entries: map_fd(ebpf, "ENTRIES")?,
        extras: map_fd(ebpf, "EXTRAS")?,
        free: map_fd(ebpf, "FREE")?,
        cursors: map_fd(ebpf, "FREE_CURSORS")?,
    };
    Shared::new(&fds, config)
}

pub(super) fn take<T: TryFrom<aya::maps::Map>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, AttachError> {
    ebpf.take_map(name).and_then(|map| T::try_from(map).ok()).ok_or(AttachError::Map(name))
}

/// Loads what watches threads and processes, and attaches it.
fn load_watches(ebpf: &mut Ebpf) -> Result<(), AttachError> {
    for (name, program) in ebpf.programs_mut() {
        if let Program::RawTracePoint(program) = program {
            load_watch(name, program)?;
        }
    }
    Ok(())
}

fn load_watch(name: &str, program: &mut RawTracePoint) -> Result<(), AttachError> {
    let tracepoint = match name {
        "stain_exit" => Some("sched_process_exit"),
        "stain_exec" => Some("sched_process_exec"),
        "stain_fork" => Some("sched_process_fork"),
        _ => None,
    };
    program.load().map_err(|error| program_error(name, error))?;
    if let Some(tracepoint) = tracepoint {
        program.attach(tracepoint).map_err(|error| program_error(name, error))?;
    }
    Ok(())
}

pub(super) fn program_error(name: &str, error: ProgramError) -> AttachError {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => match io_error.raw_os_error() {
            Some(libc::EPERM) => AttachError::Permission { what: "load BPF programs".to_owned() },
            _ => AttachError::Verifier {
                program: name.to_owned(),
                reason: io_error.to_string(),
                log: verifier_log.to_string(),
            },
        },
        other => AttachError::Load(format!("program `{name}`: {}", chain(&other))),
    }
}
