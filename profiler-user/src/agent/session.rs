//! What a session holds while it runs, and what it does at each turn.

use std::collections::{BTreeMap, BTreeSet};

use profiler_common::Config;
use profiler_common::limits::MAX_SCOPE_THREADS;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use crate::assemble::{Processes, WallClock};
use crate::attach::{
    AttachError, Grace, Kernel, MultiSupport, Settings, monotonic_ns, multi_support, own_pid_namespace,
    wall_offset_ns,
};
use crate::control::Answer;
use crate::feed::Hub;
use crate::ledger::{AgentCounts, Ledger};
use crate::meter::{Events, TargetUse};
use crate::sink::Change;
use crate::spec::{SamplingMode, Spec, Stage, Target};
use crate::stats::Stats;
use crate::target::Identity;

use super::awaiting::Awaiting;
use super::error::AgentError;
use super::events::{End, Event, Observer, Progress};
use super::guard::Guard;
use super::harvest::{Harvest, Life, grace_period};
use super::processes::Traced;
use super::queue::QueuedSink;
use super::registry::Registry;
use super::resolve::Resolver;
use super::run::{Options, Outlets};
use super::strays::Strays;
use super::tally::Tally;
use super::unseen::Unseen;

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
    /// Processes that were found. A process id that is given out again is not what the user named.
    pub(super) known: BTreeSet<Identity>,
    /// The id of the container that is traced, if the target is one.
    pub(super) container: Option<String>,
    /// Whether it has been told that processes of the target may be missed.
    pub(super) told_missed: bool,
    /// What processes used that have ended since.
    pub(super) past_use: TargetUse,
    pub(super) own_use: Events,
    pub(super) started_ns: u64,
    pub(super) grace: Grace,
    /// What was changed over the control socket.
    pub(super) changes: Vec<Change>,
    /// How often a set of sites has followed another: tells one change from the next.
    pub(super) exchanges: u16,
    /// Whether no trace is to be begun.
    pub(super) paused: bool,
    /// Who asked for the session's end, to be told when it has come.
    pub(super) detach_reply: Option<oneshot::Sender<Answer>>,
    /// Short name of the first process.
    pub(super) comm: Option<String>,
    pub(super) resolver: Resolver,
    pub(super) ended: (Sender<u32>, Receiver<u32>),
    pub(super) last_number: u32,
    /// Processes that could not be attached to: when first seen, and whether that has been told.
    pub(super) refused: BTreeMap<Identity, (u64, bool)>,
    /// Why a process of the target that ran was not attached to at first.
    pub(super) why_not: Option<String>,
    /// Processes whose libraries are waited for.
    pub(super) awaiting: Awaiting,
    /// Children that inherited breakpoints.
    pub(super) strays: Strays,
    /// Stages that are not seen at every exit.
    pub(super) unseen: Unseen,
    /// What was read of the lives of processes and not acted on yet.
    pub(super) life: Vec<Life>,
    /// Notices that had found no room when that was last looked at.
    pub(super) notices_lost: u64,
    /// Who reads the stream of events.
    pub(super) hub: Hub,
    /// Sites that they know.
    pub(super) told_sites: usize,
    guard: Guard,
    pub(super) next_discovery_ns: u64,
    next_second_ns: u64,
    log: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
}

impl Running {
    /// Takes no privileged step yet but the question whether it may.
    pub(super) fn new(
        spec: Spec,
        resolver: Resolver,
        options: Options,
        Outlets { sink, hub, screen: _ }: Outlets,
    ) -> Result<Self, AgentError> {
        if multi_support() == MultiSupport::NoPermission {
            return Err(AttachError::Permission { what: "load BPF programs".to_owned() }.into());
        }
        let started =
            |error| AgentError::System { what: "starting the thread that writes the output", error };
        let own_use = Events::on_self();
        // By its program's name from the first word on: a job that is named by a process id is another one after each restart.
        let comm = match &spec.target {
            Target::Pids(_) => {
                let named = resolver.find_again(&spec.target, None).processes;
                named.into_iter().next().map(|process| process.comm)
            }
            Target::Process(_) | Target::Exe(_) | Target::Container(_) => None,
        };
        let max_entries = spec.sampling.max_entries_per_trace;
        let sink = sink.map(|sink| QueuedSink::new(sink, max_entries)).transpose().map_err(started)?;
        let clock = WallClock { offset_ns: wall_offset_ns() };
        Ok(Self {
            harvest: Harvest::new(spec.sampling.trace_ttl, max_entries),
            tally: Tally {
                stats: Stats::default(),
                counts: AgentCounts::default(),
                clock,
                processes: Processes::default(),
                sink,
                hub: hub.clone(),
            },
            hub,
            told_sites: 0,
            spec,
            options,
            comm,
            resolver,
            own_use,
            kernel: None,
            registry: Registry::default(),
            traced: Vec::new(),
            pids: Vec::new(),
            known: BTreeSet::new(),
            container: None,
            told_missed: false,
            past_use: TargetUse::default(),
            started_ns: monotonic_ns(),
            grace: Grace::detect(),
            changes: Vec::new(),
            exchanges: 0,
            paused: false,
            detach_reply: None,
            ended: channel(64),
            last_number: 0,
            refused: BTreeMap::new(),
            why_not: None,
            awaiting: Awaiting::default(),
            strays: Strays::default(),
            unseen: Unseen::default(),
            life: Vec::new(),
            notices_lost: 0,
            guard: Guard::default(),
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
            Target::Container(container) => container.to_string(),
        }
    }

    /// What is being waited for.
    pub(super) fn awaited_target(&self) -> String {
        match &self.spec.target {
            Target::Exe(path) if !path.exists() => format!("{} (there is no such file now)", path.display()),
            _ => self.target(),
        }
    }

    /// Whether a process that lacks the stages is no surprise: a container runs shells and helpers, too.
    pub(super) fn may_lack_stages(&self) -> bool {
        matches!(&self.spec.target, Target::Container(container) if container.is_whole())
    }

    pub(super) fn is_by_pid(&self) -> bool {
        matches!(self.spec.target, Target::Pids(_))
    }

    pub(super) fn load(&mut self, sites: usize) -> Result<(), AgentError> {
        let spec = &self.spec;
        let sampling = &spec.sampling;
        let offset = self.tally.clock.offset_ns;
        let (pid_ns_inode, pid_ns_device) = own_pid_namespace();
        let config = Config {
            rate: sampling.rate,
            wall_offset_ns: offset,
            window_phase_ns: offset % SECOND_NS,
            ttl_ns: u64::try_from(sampling.trace_ttl.as_nanos()).unwrap_or(u64::MAX),
            sequence: sampling.sequence as u32,
            budget: sampling.max_traces_per_second,
            max_entries: sampling.max_entries_per_trace,
            slots: sampling.max_open_traces,
            paused: u32::from(self.paused),
            // Until the first processes are all attached to.
            closed: 1,
            watch_new: u32::from(!self.is_by_pid()),
            by_key: u32::from(sampling.mode == SamplingMode::Key),
            max_keys: if spec.stages.iter().any(|stage| stage.also.is_some()) {
                sampling.max_keys_per_trace
            } else {
                1
            },
            max_branches: sampling.max_branches_per_trace,
            max_extras: spec.max_extras(),
            max_attributes: sampling.max_attributes_per_trace,
            max_members: sampling.max_batch_members,
            edition: spec.edition(),
            zero: 0,
            pid_ns_inode,
            pid_ns_device,
            reserved: 0,
        };
        let mut kernel = Kernel::load(&Settings {
            config,
            probes: Registry::room_for(sites),
            predicates: self.spec.stages.iter().any(|stage| stage.when.is_some()),
            more: spec.stages.iter().any(has_more),
            scope_threads: if spec.has_scopes() { MAX_SCOPE_THREADS } else { 0 },
            batches: if spec.has_batches() { sampling.max_batches } else { 0 },
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
        self.collect(now_ns).await?;
        let life = std::mem::take(&mut self.life);
        let gone = self.follow(&life, now_ns, observer).await?;
        self.sweep_strays(&life, now_ns).await;
        self.tell_unseen(observer);
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

    /// Reads what has ended, and notes what happened to processes.
    pub(super) async fn collect(&mut self, now_ns: u64) -> Result<(), AgentError> {
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        let gathered = self.harvest.gather(kernel, now_ns)?;
        if !gathered.is_empty() {
            grace_period(self.grace).await;
            let (tally, table) = (&mut self.tally, self.registry.table());
            self.harvest.read(kernel, &gathered, |slot| tally.take(slot, table));
        }
        self.life.extend(gathered.life);
        Ok(())
    }

    /// The wall clock may be set while we run. Windows of the budget do not follow it, the times shown do.
    fn follow_clock(&mut self) {
        let offset_ns = wall_offset_ns();
        if offset_ns.abs_diff(self.tally.clock.offset_ns) > 1_000_000 {
            self.tally.clock.offset_ns = offset_ns;
        }
    }

    fn report(&mut self, now_ns: u64, observer: &mut dyn Observer) -> Result<(), AgentError> {
        self.tally.stats.windows.advance(now_ns);
        let ledger = self.ledger()?;
        self.after_lost_notices(ledger.notice_full);
        self.tell_bounds(now_ns, &ledger, observer);
        self.tell_tick(now_ns, &ledger)?;
        observer.progress(&Progress {
            elapsed: std::time::Duration::from_nanos(now_ns.saturating_sub(self.started_ns)),
            ledger: &ledger,
            processes: self.traced.len(),
            p99_ns: self.tally.stats.e2e.figures().map(|figures| figures.p99_ns),
        });
        Ok(())
    }

    pub(super) fn tell_bounds(&mut self, now_ns: u64, ledger: &Ledger, observer: &mut dyn Observer) {
        for sentence in self.guard.look(now_ns, ledger, &self.spec.sampling) {
            observer.event(&Event::Warning(sentence));
        }
    }
}

/// Whether a stage has to do with further keys, batches or attributes.
fn has_more(stage: &Stage) -> bool {
    let reads = !stage.attributes.is_empty() || stage.event_time.is_some();
    reads || stage.also.is_some() || stage.batch.is_some()
}
