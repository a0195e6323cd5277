//! What a session holds while it runs, and what it does at each turn.

use std::collections::{BTreeMap, BTreeSet};

use profiler_common::Config;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::assemble::{Processes, WallClock};
use crate::attach::{
    AttachError, Grace, Kernel, MultiSupport, Settings, monotonic_ns, multi_support, wall_offset_ns,
};
use crate::ledger::AgentCounts;
use crate::meter::{Events, TargetUse};
use crate::sink::Sink;
use crate::spec::{Spec, Target};
use crate::stats::Stats;
use crate::target::{Identity, Process};

use super::error::AgentError;
use super::events::{End, Event, Observer, Progress};
use super::harvest::{Harvest, Life, grace_period};
use super::processes::Traced;
use super::queue::QueuedSink;
use super::registry::Registry;
use super::resolve::Resolver;
use super::run::Options;
use super::tally::Tally;

/// How often new processes of the target are looked for without being told of them, ns.
const DISCOVER_NS: u64 = 2_000_000_000;

/// How often while one is known that cannot be attached to yet: its loader may still be mapping libraries, ns.
const RETRY_NS: u64 = 30_000_000;

/// How long that is waited for, ns.
const PATIENCE_NS: u64 = 5_000_000_000;

const SECOND_NS: u64 = 1_000_000_000;

/// See the module.
pub(super) struct Running {
    pub(super) spec: Spec,
    pub(super) options: Options,
    pub(super) kernel: Option<Kernel>,
    pub(super) harvest: Harvest,
    pub(super) registry: Registry,
    pub(super) tally: Tally,
    pub(super) traced: Vec<Traced>,
    pub(super) pids: Vec<u32>,
    /// Who they are: a process id that is given out again is not what the user named.
    known: BTreeSet<Identity>,
    /// What processes used that have ended since.
    pub(super) past_use: TargetUse,
    pub(super) own_use: Events,
    pub(super) started_ns: u64,
    pub(super) grace: Grace,
    /// Short name of the first process.
    comm: Option<String>,
    resolver: Resolver,
    ended: (Sender<u32>, Receiver<u32>),
    last_number: u32,
    /// Processes that could not be attached to: when first seen, and whether that has been told.
    refused: BTreeMap<Identity, (u64, bool)>,
    next_discovery_ns: u64,
    next_second_ns: u64,
    log: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
}

impl Running {
    /// Takes no privileged step yet but the question whether it may.
    pub(super) fn new(
        spec: Spec,
        resolver: Resolver,
        options: Options,
        sink: Option<Box<dyn Sink + Send>>,
    ) -> Result<Self, AgentError> {
        if multi_support() == MultiSupport::NoPermission {
            return Err(AttachError::Permission { what: "load BPF programs".to_owned() }.into());
        }
        let started =
            |error| AgentError::System { what: "starting the thread that writes the output", error };
        let own_use = Events::on_self();
        let max_entries = spec.sampling.max_entries_per_trace;
        let sink = sink.map(|sink| QueuedSink::new(sink, max_entries)).transpose().map_err(started)?;
        let clock = WallClock { offset_ns: wall_offset_ns() };
        Ok(Self {
            harvest: Harvest::new(spec.sampling.trace_ttl),
            tally: Tally {
                stats: Stats::default(),
                counts: AgentCounts::default(),
                clock,
                processes: Processes::default(),
                sink,
            },
            spec,
            options,
            comm: None,
            resolver,
            own_use,
            kernel: None,
            registry: Registry::default(),
            traced: Vec::new(),
            pids: Vec::new(),
            known: BTreeSet::new(),
            past_use: TargetUse::default(),
            started_ns: monotonic_ns(),
            grace: Grace::detect(),
            ended: channel(64),
            last_number: 0,
            refused: BTreeMap::new(),
            next_discovery_ns: 0,
            next_second_ns: 0,
            log: None,
        })
    }

    /// What the user knows the target by.
    pub(super) fn target(&self) -> String {
        match &self.spec.target {
            Target::Pids(pids) => match &self.comm {
                Some(comm) => comm.clone(),
                None => pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
            },
            Target::Process(name) => name.clone(),
            Target::Exe(path) => path.display().to_string(),
        }
    }

    fn is_by_pid(&self) -> bool {
        matches!(self.spec.target, Target::Pids(_))
    }

    /// Attaches to all processes that are there. False when there are none yet, but may come.
    pub(super) fn attach_first(&mut self, observer: &mut dyn Observer) -> Result<bool, AgentError> {
        let mut first_error = None;
        for process in self.resolver.find(&self.spec.target)? {
            match self.attach(&process) {
                Ok(()) => {}
                Err(error) if self.is_by_pid() || is_fatal(&error) => return Err(error),
                Err(error) => {
                    if let Some((_, error)) = first_error.replace((process.identity, error)) {
                        log::debug!("not attached: {error}");
                    }
                }
            }
        }
        self.resolver.forget();
        match first_error {
            Some((identity, error)) if self.traced.is_empty() => {
                // It may still be starting: its libraries are not all mapped yet.
                let now_ns = monotonic_ns();
                let (since, _) = *self.refused.entry(identity).or_insert((now_ns, false));
                return if now_ns - since < PATIENCE_NS { Ok(false) } else { Err(error) };
            }
            Some((identity, error)) => {
                self.refused.insert(identity, (monotonic_ns(), true));
                observer.event(&Event::NotAttached { pid: identity.pid, reason: error.to_string() });
            }
            None if self.traced.is_empty() => return Ok(false),
            None => {}
        }
        if let Some(kernel) = &mut self.kernel {
            kernel.set_closed(false)?;
        }
        self.started_ns = monotonic_ns();
        let sites = self.traced.iter().map(Traced::probes).sum();
        observer.event(&Event::Attached { sites, pids: self.pids.clone() });
        Ok(true)
    }

    fn attach(&mut self, process: &Process) -> Result<(), AgentError> {
        let pid = process.identity.pid;
        let planned = self.resolver.sites(&self.spec, pid)?;
        if self.kernel.is_none() {
            self.load(planned.len())?;
        }
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        let sites = self.registry.adopt(planned, &self.spec.stages, kernel)?;
        self.last_number += 1;
        let number = self.last_number;
        // Before the first hit, so that every trace finds its process.
        self.tally.processes.set(number, pid);
        let links = kernel.attach(pid, number, &sites)?;
        let traced = Traced::new(number, process.identity, links, monotonic_ns(), self.ended.0.clone());
        let traced = traced.map_err(|error| {
            kernel.forget(pid);
            AgentError::System { what: "watching the target", error }
        })?;
        self.comm.get_or_insert_with(|| process.comm.clone());
        self.traced.push(traced);
        self.known.insert(process.identity);
        if !self.pids.contains(&pid) {
            self.pids.push(pid);
        }
        Ok(())
    }

    fn load(&mut self, sites: usize) -> Result<(), AgentError> {
        let sampling = &self.spec.sampling;
        let offset = self.tally.clock.offset_ns;
        let config = Config {
            rate: sampling.rate,
            wall_offset_ns: offset,
            window_phase_ns: offset % SECOND_NS,
            sequence: sampling.sequence as u32,
            budget: sampling.max_traces_per_second,
            max_entries: sampling.max_entries_per_trace,
            slots: sampling.max_open_traces,
            paused: 0,
            // Until the first processes are all attached to.
            closed: 1,
            watch_new: u32::from(!self.is_by_pid()),
            reserved: 0,
        };
        let mut kernel = Kernel::load(&Settings {
            config,
            probes: Registry::room_for(sites),
            predicates: self.spec.stages.iter().any(|stage| stage.when.is_some()),
            log_level: self.options.log_level,
            backend: self.options.backend,
        })?;
        if self.options.log_level > 0 {
            self.log = Some(kernel.logger()?);
        }
        self.kernel = Some(kernel);
        Ok(())
    }

    /// The number of the next process that ends.
    pub(super) async fn next_ended(&mut self) -> u32 {
        match self.ended.1.recv().await {
            Some(number) => number,
            // Never: this side holds a sender too.
            None => std::future::pending().await,
        }
    }

    /// Some twenty times a second.
    pub(super) async fn tick(
        &mut self,
        now_ns: u64,
        observer: &mut dyn Observer,
    ) -> Result<Option<End>, AgentError> {
        let life = self.collect(now_ns).await?;
        let gone = self.follow(&life, now_ns, observer).await?;
        self.show_log();
        self.traced.iter_mut().for_each(|traced| traced.meter.tick(now_ns));
        if now_ns >= self.next_second_ns {
            self.next_second_ns = now_ns + SECOND_NS;
            self.follow_clock();
            self.report(now_ns, observer)?;
        }
        let failed = self.tally.sink.as_ref().is_some_and(QueuedSink::has_failed);
        Ok(if failed { Some(End::Output) } else { gone })
    }

    /// Shows the kernel program's diagnostics that have come so far.
    pub(super) fn show_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// Reads what has ended. Gives what happened to processes meanwhile.
    pub(super) async fn collect(&mut self, now_ns: u64) -> Result<Vec<Life>, AgentError> {
        let Some(kernel) = &mut self.kernel else { return Ok(Vec::new()) };
        let gathered = self.harvest.gather(kernel, now_ns)?;
        if !gathered.is_empty() {
            grace_period(self.grace).await;
            let (tally, table) = (&mut self.tally, self.registry.table());
            self.harvest.read(kernel, &gathered, |header, entries| tally.take(header, entries, table));
        }
        Ok(gathered.life)
    }

    /// The wall clock may be set while we run. Windows of the budget do not follow it, the times shown do.
    fn follow_clock(&mut self) {
        let offset_ns = wall_offset_ns();
        if offset_ns.abs_diff(self.tally.clock.offset_ns) > 1_000_000 {
            self.tally.clock.offset_ns = offset_ns;
        }
    }

    fn report(&mut self, now_ns: u64, observer: &mut dyn Observer) -> Result<(), AgentError> {
        let ledger = self.ledger()?;
        observer.progress(&Progress {
            elapsed: std::time::Duration::from_nanos(now_ns.saturating_sub(self.started_ns)),
            ledger: &ledger,
            processes: self.traced.len(),
            p99_ns: self.tally.stats.e2e.figures().map(|figures| figures.p99_ns),
        });
        Ok(())
    }

    /// Follows processes that come, and those that became another program.
    async fn follow(
        &mut self,
        life: &[Life],
        now_ns: u64,
        observer: &mut dyn Observer,
    ) -> Result<Option<End>, AgentError> {
        let mut replaced = false;
        for event in life {
            if let Life::Exec(pid) = event {
                self.refused.retain(|identity, _| identity.pid != *pid);
                let number =
                    self.traced.iter().find(|traced| traced.identity.pid == *pid).map(|traced| traced.number);
                if let Some(number) = number {
                    // Its old image is gone with all probes and records. The new one may be a target again.
                    self.remove(number).await?;
                    observer.event(&Event::Replaced { pid: *pid });
                    self.next_discovery_ns = now_ns;
                    replaced = true;
                }
            }
        }
        let due = now_ns >= self.next_discovery_ns;
        if self.is_by_pid() {
            // Nothing comes to a list of process ids; but one of them may be between two images.
            if due && self.traced.len() < self.pids.len() {
                self.discover(now_ns, observer)?;
                let waits = self.refused.values().any(|(_, told)| !told);
                return Ok((self.traced.is_empty() && !waits).then_some(End::TargetExit));
            }
        } else if due || !life.is_empty() {
            self.discover(now_ns, observer)?;
        }
        if replaced && self.traced.is_empty() && !self.is_by_pid() {
            observer.event(&Event::Waiting { target: self.target() });
        }
        Ok(None)
    }

    fn discover(&mut self, now_ns: u64, observer: &mut dyn Observer) -> Result<(), AgentError> {
        let found = self.resolver.find(&self.spec.target).unwrap_or_default();
        self.refused.retain(|identity, _| found.iter().any(|process| process.identity == *identity));
        let mut starting = false;
        for process in found {
            let identity = process.identity;
            let told = self.refused.get(&identity).is_some_and(|(_, told)| *told);
            let stranger = self.is_by_pid() && !self.known.contains(&identity);
            if told || stranger || self.traced.iter().any(|traced| traced.identity == identity) {
                continue;
            }
            match self.attach(&process) {
                Ok(()) => {
                    self.refused.remove(&identity);
                    observer.event(&Event::Joined { pid: identity.pid });
                }
                Err(error) => {
                    let (since, told) = self.refused.entry(identity).or_insert((now_ns, false));
                    *told = now_ns - *since >= PATIENCE_NS;
                    starting |= !*told;
                    if *told {
                        observer.event(&Event::NotAttached { pid: identity.pid, reason: error.to_string() });
                    }
                }
            }
        }
        self.resolver.forget();
        self.next_discovery_ns = now_ns + if starting { RETRY_NS } else { DISCOVER_NS };
        Ok(())
    }

    /// A process has ended.
    pub(super) async fn process_ended(
        &mut self,
        number: u32,
        observer: &mut dyn Observer,
    ) -> Result<Option<End>, AgentError> {
        let Some(pid) = self.remove(number).await? else { return Ok(None) };
        observer.event(&Event::Exited { pid });
        if !self.traced.is_empty() {
            return Ok(None);
        }
        if self.is_by_pid() {
            return Ok(Some(End::TargetExit));
        }
        observer.event(&Event::Waiting { target: self.target() });
        Ok(None)
    }

    /// Takes a process out: its probes, its records in flight, its figures.
    async fn remove(&mut self, number: u32) -> Result<Option<u32>, AgentError> {
        let Some(index) = self.traced.iter().position(|traced| traced.number == number) else {
            return Ok(None);
        };
        let mut traced = self.traced.swap_remove(index);
        self.past_use = self.past_use.plus(traced.meter.read(monotonic_ns()));
        let pid = traced.identity.pid;
        drop(traced);
        if let Some(kernel) = &mut self.kernel {
            kernel.forget(pid);
            self.harvest.end_process(kernel, number)?;
        }
        self.harvest.scan_next();
        self.collect(monotonic_ns()).await?;
        Ok(Some(pid))
    }
}

/// Whether no other process of the target will fare better.
fn is_fatal(error: &AgentError) -> bool {
    match error {
        AgentError::Attach(AttachError::Probe { .. })
        | AgentError::System { .. }
        | AgentError::Gone { .. } => false,
        AgentError::Attach(_) => true,
        AgentError::Target(_) | AgentError::Resolve(_) => false,
    }
}
