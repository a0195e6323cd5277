//! What the agent tells those who read its stream of events.
//!
//! Owns: making the events out of what a session holds. Refuses: any work while nobody reads.

use std::path::Path;
use std::sync::Arc;

use profiler_common::ProbeCount;

use crate::attach::{monotonic_ns, wall_offset_ns};
use crate::feed::{
    Attached, Clock, Ended, FeedEvent, Hub, Notice, NoticeKind, SessionInfo, Settings, SiteInfo, StageInfo,
    Tick,
};
use crate::ledger::Ledger;
use crate::meter::{TargetUse, cpu_time_ns, max_rss_bytes, rss_bytes};
use crate::plan::{Costs, Site, expected_ns};
use crate::spec::Stage;
use crate::stats::Measured;
use profiler_common::Role;

use super::error::AgentError;
use super::events::{Event, Observer, Progress};
use super::session::Running;

/// An observer whose events the stream has, too.
pub(super) struct Tee<'a> {
    pub(super) observer: &'a mut dyn Observer,
    pub(super) hub: Hub,
}

impl Observer for Tee<'_> {
    fn event(&mut self, event: &Event) {
        if !self.hub.is_empty() {
            self.hub.send(&feed_event(event));
        }
        self.observer.event(event);
    }

    fn progress(&mut self, progress: &Progress<'_>) {
        self.observer.progress(progress);
    }
}

fn feed_event(event: &Event) -> FeedEvent {
    let kind = match event {
        Event::Changed(change, _) => return FeedEvent::Changed(*change),
        Event::Warning(_) | Event::NotAttached { .. } => NoticeKind::Warning,
        _ => NoticeKind::Process,
    };
    FeedEvent::Notice(Arc::new(Notice { at: now(), kind, text: event.to_string() }))
}

/// The name of this machine, by which jobs are told apart.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn now() -> Clock {
    let mono_ns = monotonic_ns();
    Clock { mono_ns, wall_ns: mono_ns.wrapping_add(wall_offset_ns()) }
}

impl Running {
    /// The first event.
    pub(super) fn tell_started(&self) {
        if self.hub.is_empty() {
            return;
        }
        self.hub.send(&FeedEvent::Started(Arc::new(SessionInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agent: std::process::id(),
            host: host_name(),
            target: self.target(),
            stages: self.stage_infos(),
            fills: self.spec.fills(),
            outcomes: self.spec.outcomes.clone(),
            sampling: self.spec.sampling.clone(),
            level: self.spec.level,
            began: now(),
        })));
    }

    /// The sites that are new, with the processes that are. Before the first of their traces is read.
    pub(super) fn tell_sites(&mut self, pids: Vec<u32>) {
        if self.hub.is_empty() {
            return;
        }
        let new = self.registry.sites().get(self.told_sites..).unwrap_or_default();
        let sites = new.iter().map(|site| site_info(site, &self.options.costs)).collect();
        self.told_sites = self.registry.sites().len();
        let (target, mono_ns) = (self.target(), monotonic_ns());
        let attached = Attached { target, mono_ns, pids, sites };
        self.hub.send(&FeedEvent::Attached(Arc::new(attached)));
    }

    /// How it stands.
    pub(super) fn tell_tick(&mut self, now_ns: u64, ledger: &Ledger) -> Result<(), AgentError> {
        if self.hub.is_empty() {
            return Ok(());
        }
        let used = self.traced.iter().fold(self.past_use, |sum, traced| sum.plus(traced.meter.used()));
        let measured = self.measured(used, now_ns.saturating_sub(self.started_ns));
        let probes =
            self.kernel.as_ref().map(|kernel| kernel.probe_counts()).transpose()?.unwrap_or_default();
        self.send_tick(now_ns, ledger, probes, measured)
    }

    /// The last tick and the end.
    pub(super) fn tell_end(
        &mut self,
        now_ns: u64,
        why: &str,
        ledger: &Ledger,
        probes: Vec<ProbeCount>,
        measured: Measured,
    ) -> Result<(), AgentError> {
        if self.hub.is_empty() {
            return Ok(());
        }
        self.send_tick(now_ns, ledger, probes, measured)?;
        let ended = Ended { why: why.to_owned(), mono_ns: now_ns };
        self.hub.send(&FeedEvent::Ended(Arc::new(ended)));
        Ok(())
    }

    fn send_tick(
        &self,
        mono_ns: u64,
        ledger: &Ledger,
        mut probes: Vec<ProbeCount>,
        measured: Measured,
    ) -> Result<(), AgentError> {
        probes.truncate(self.registry.sites().len());
        let (rate, budget, paused) = self.confirmed()?;
        self.hub.send(&FeedEvent::Tick(Arc::new(Tick {
            mono_ns,
            wall_ns: mono_ns.wrapping_add(self.tally.clock.offset_ns),
            settings: Settings { rate, budget, paused },
            ledger: *ledger,
            probes,
            processes: self.traced.iter().map(|traced| traced.identity.pid).collect(),
            measured,
            agent_rss_bytes: rss_bytes(),
            missed: 0,
        })));
        Ok(())
    }

    /// What target and agent used.
    pub(super) fn measured(&mut self, used: TargetUse, duration_ns: u64) -> Measured {
        let own = self.own_use.read();
        let own_ns = own.task_clock_ns.or_else(|| cpu_time_ns(std::process::id())).unwrap_or(0);
        Measured {
            duration_ns,
            target_cpu_ns: Some(used.cpu_ns),
            target_context_switches: Some(used.context_switches),
            target_cycles: used.cycles(),
            target_instructions: used.instructions(),
            agent_cpu_ns: own_ns,
            agent_max_rss_bytes: max_rss_bytes(),
        }
    }

    pub(super) fn stage_infos(&self) -> Vec<StageInfo> {
        let info = |stage: &Stage| StageInfo {
            code: stage.code,
            name: stage.name.clone(),
            probed: self.spec.is_probed(stage),
            attributes: stage.attributes.iter().map(|attribute| attribute.name.clone()).collect(),
        };
        self.spec.stages.iter().map(info).collect()
    }

    pub(super) fn site_infos(&self) -> Vec<SiteInfo> {
        self.registry.sites().iter().map(|site| site_info(site, &self.options.costs)).collect()
    }
}

fn site_info(site: &Site, costs: &Costs) -> SiteInfo {
    let label = match site.function_offset {
        0 => site.function.clone(),
        offset => format!("{}+{offset}", site.function),
    };
    let file = site.file.file_name().unwrap_or(site.file.as_os_str());
    SiteInfo {
        probe: site.probe,
        stage: site.stage,
        label,
        file: Path::new(file).display().to_string(),
        class: site.class,
        ns_each: expected_ns(site.carrier, site.trap, costs),
        saves: site.spec.role == Role::Save as u8,
    }
}
