//! The processes of the target: attaching to those that are there, following those that come, change and go.
//!
//! A process is attached to as a whole or not at all: while one of its stages lies in a library that it has not loaded yet, none of its stages is
//! probed, and it is waited for. So no journey lacks a stage because its library came late, and waiting costs the target nothing.

use crate::attach::{AttachError, monotonic_ns};
use crate::spec::{Spec, Target};
use crate::target::{Again, Identity, Process};

use super::error::AgentError;
use super::events::{End, Event, Observer};
use super::harvest::Life;
use super::processes::Traced;
use super::resolve::ResolveError;
use super::session::Running;

/// How often new processes of the target are looked for without being told of them, ns.
const DISCOVER_NS: u64 = 2_000_000_000;

/// How often while one is known that cannot be attached to yet: its loader may still be mapping libraries, ns.
const RETRY_NS: u64 = 30_000_000;

/// How long that is waited for, ns.
const PATIENCE_NS: u64 = 5_000_000_000;

impl Running {
    /// Attaches to all processes that are there. False when there are none yet, but may come.
    pub(super) fn attach_first(&mut self, observer: &mut dyn Observer) -> Result<bool, AgentError> {
        let now_ns = monotonic_ns();
        let mut first_error = None;
        self.look_for_libraries(now_ns, observer)?;
        for process in self.first_look()? {
            self.known.insert(process.identity);
            if self.awaiting.has(process.identity) || self.traces(process.identity) {
                continue;
            }
            match self.attach_or_await(&process, now_ns) {
                Ok(_) => {}
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
                let (since, _) = *self.refused.entry(identity).or_insert((now_ns, false));
                self.why_not = Some(error.to_string());
                return if now_ns - since < PATIENCE_NS { Ok(false) } else { Err(error) };
            }
            Some((identity, error)) => {
                self.refused.insert(identity, (monotonic_ns(), true));
                self.not_attached(identity, &error, observer);
            }
            None if self.traced.is_empty() => return Ok(false),
            None => {}
        }
        if let Some(kernel) = &mut self.kernel {
            kernel.set_closed(false);
        }
        self.started_ns = monotonic_ns();
        self.tell_unseen(observer);
        let sites = self.traced.iter().map(Traced::probes).sum();
        observer.event(&Event::Attached { sites, pids: self.pids.clone() });
        Ok(true)
    }

    /// The processes that are there at first. All process ids that are named must be; but one may have ended while libraries of another are waited for.
    fn first_look(&self) -> Result<Vec<Process>, AgentError> {
        let all = self.resolver.find(&self.spec.target);
        if all.is_err() && self.is_by_pid() {
            let mut there = self.resolver.find_again(&self.spec.target, None).processes;
            there.retain(|process| self.known.contains(&process.identity));
            if !there.is_empty() {
                return Ok(there);
            }
        }
        Ok(all?)
    }

    pub(super) fn not_attached(&self, identity: Identity, error: &AgentError, observer: &mut dyn Observer) {
        if self.may_lack_stages() && matches!(error, AgentError::Resolve(ResolveError::Points(_))) {
            log::debug!("not attached to process {}: {error}", identity.pid);
        } else {
            observer.event(&Event::NotAttached { pid: identity.pid, reason: error.to_string() });
        }
    }

    /// The spec is another one now than `before`.
    pub(super) fn spec_changed(&mut self, before: &Spec) {
        self.look_again();
        self.harvest.follow_spec(self.registry.sites(), [before, &self.spec], monotonic_ns());
    }

    fn traces(&self, identity: Identity) -> bool {
        self.traced.iter().any(|traced| traced.identity == identity)
    }

    pub(super) fn attach(&mut self, process: &Process) -> Result<(), AgentError> {
        let pid = process.identity.pid;
        let image = self.resolver.proc().image(pid).ok();
        let planned = self.resolver.sites(&self.spec, pid)?;
        if self.kernel.is_none() {
            let most = self.most_sites(pid).unwrap_or_default();
            self.load(planned.len().max(most))?;
        }
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        let sites = self.registry.adopt(planned, &self.spec, kernel)?;
        self.harvest.set_stage_ttls(&sites, &self.spec);
        self.last_number += 1;
        let number = self.last_number;
        // Before the first hit, so that every trace finds its process.
        self.tally.processes.set(number, pid);
        let links = kernel.attach(pid, number, &sites)?;
        let traced =
            Traced::new(number, process.identity, (links, image), monotonic_ns(), self.ended.0.clone());
        let traced = traced.map_err(|error| {
            kernel.forget(pid, number);
            AgentError::System { what: "watching the target", error }
        })?;
        self.comm.get_or_insert_with(|| process.comm.clone());
        self.traced.push(traced);
        if let Target::Container(container) = &self.spec.target {
            self.container = self.resolver.proc().container_of(pid, container).or(self.container.take());
        }
        if !self.pids.contains(&pid) {
            self.pids.push(pid);
        }
        self.tell_sites(vec![pid]);
        Ok(())
    }

    /// How many sites the process has at the level of all stages, if they can be planned now.
    fn most_sites(&mut self, pid: u32) -> Option<usize> {
        let highest = self.spec.stages.iter().map(|stage| stage.level).max()?;
        if highest <= self.spec.level {
            return None;
        }
        let all = Spec { level: highest, ..self.spec.clone() };
        self.resolver.sites(&all, pid).ok().map(|sites| sites.len())
    }

    /// Notes what may have happened to processes without a word, when there were `lost` notices that found no room: they were about any of them.
    pub(super) fn after_lost_notices(&mut self, lost: u64) {
        if std::mem::replace(&mut self.notices_lost, lost) == lost {
            return;
        }
        for traced in &self.traced {
            let pid = traced.identity.pid;
            self.life.push(Life::Fork(pid));
            if traced.is_another_program() && self.resolver.proc().is_alive(traced.identity) {
                self.life.push(Life::Exec(pid));
            }
        }
    }

    /// Follows processes that come, and those that became another program.
    pub(super) async fn follow(
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
        for pid in self.look_for_libraries(now_ns, observer)? {
            observer.event(&Event::Joined { pid });
        }
        let due = now_ns >= self.next_discovery_ns;
        if self.is_by_pid() {
            // Nothing comes to a list of process ids; but one of them may be between two images.
            if due && self.traced.len() < self.known.len() {
                self.discover(now_ns, observer)?;
                return Ok(self.is_over().then_some(End::TargetExit));
            }
        } else if due || !life.is_empty() {
            self.discover(now_ns, observer)?;
        }
        if replaced && self.traced.is_empty() && !self.is_by_pid() {
            observer.event(&Event::Waiting { target: self.awaited_target() });
        }
        Ok(None)
    }

    /// Whether nothing is left of a target that was named by its process ids: none is traced, or may be soon.
    fn is_over(&self) -> bool {
        let tries = self.refused.values().any(|(_, told)| !told);
        self.traced.is_empty() && self.awaiting.is_empty() && !tries
    }

    /// The processes of the target that are there now.
    fn find_again(&mut self, observer: &mut dyn Observer) -> Vec<Process> {
        let traced = self.container.as_deref();
        let Again { processes, missed } = self.resolver.find_again(&self.spec.target, traced);
        if let Some(error) = missed
            && !std::mem::replace(&mut self.told_missed, true)
        {
            let traced = traced.and_then(|id| id.get(..12)).filter(|_| !processes.is_empty());
            let but = traced.map(|id| format!("; until then only {id} is traced")).unwrap_or_default();
            observer.event(&Event::Warning(format!("processes of the target may be missed: {error}{but}")));
        }
        processes
    }

    fn discover(&mut self, now_ns: u64, observer: &mut dyn Observer) -> Result<(), AgentError> {
        let found = self.find_again(observer);
        self.refused.retain(|identity, _| found.iter().any(|process| process.identity == *identity));
        let mut starting = false;
        for process in found {
            let identity = process.identity;
            let told = self.refused.get(&identity).is_some_and(|(_, told)| *told);
            let stranger = self.is_by_pid() && !self.known.contains(&identity);
            if told || stranger || self.awaiting.has(identity) || self.traces(identity) {
                continue;
            }
            match self.attach_or_await(&process, now_ns) {
                Ok(false) => {
                    self.refused.remove(&identity);
                }
                Ok(true) => {
                    self.refused.remove(&identity);
                    observer.event(&Event::Joined { pid: identity.pid });
                }
                Err(error) => {
                    let (since, told) = self.refused.entry(identity).or_insert((now_ns, false));
                    *told = now_ns - *since >= PATIENCE_NS;
                    starting |= !*told;
                    if *told {
                        self.not_attached(identity, &error, observer);
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
    ) -> Result<(), AgentError> {
        let Some(pid) = self.remove(number).await? else { return Ok(()) };
        observer.event(&Event::Exited { pid });
        if self.is_by_pid() {
            // The next look, at once, tells whether it was the last: another one may be between two images.
            self.next_discovery_ns = 0;
        } else if self.traced.is_empty() {
            observer.event(&Event::Waiting { target: self.awaited_target() });
        }
        Ok(())
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
            kernel.forget(pid, number);
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
        AgentError::Attach(AttachError::Probe { .. } | AttachError::NoRoom { .. })
        | AgentError::System { .. }
        | AgentError::Unconfirmed
        | AgentError::Gone { .. } => false,
        AgentError::Attach(_) => true,
        AgentError::Target(_) | AgentError::Resolve(_) => false,
    }
}
