//! The level of a running session, and single stages of it, changed.
//!
//! Each level has sites of its own in the kernel program, which sleep at every other one. Those of the new level are all set before one word is changed that
//! wakes them, and the old ones are put to sleep when each hit is known to be of one set only (see [`Edition`]); then these are taken off. So no journey is stamped
//! by a half of a level's sites, no hit is counted twice or lost, and of several probes on one instruction those that end scopes are always set first.

use std::time::Duration;

use profiler_common::Edition;

use crate::attach::{AttachError, Kernel, Links};
use crate::control::Answer;
use crate::plan::{Site, stage_of_call};
use crate::sink::Setting;
use crate::spec::{Level, Spec, Stage};

use super::error::AgentError;
use super::events::Observer;
use super::session::Running;

/// How long a hit may take that is under way, where it cannot be waited for: far longer than any does.
const UNSETTLED: Duration = Duration::from_millis(200);

impl Running {
    /// Looks at the stages of this level from now on, or says why that cannot be.
    pub(super) fn change_level(
        &mut self,
        level: Level,
        observer: &mut dyn Observer,
    ) -> Result<Answer, AgentError> {
        let from = self.spec.level;
        if from != level {
            let spec = match self.spec.at_level(level) {
                Ok(spec) => spec,
                Err(why) => return Ok(Answer::refused(format!("{why}; it stays at {from}"))),
            };
            if let Err(error) = self.exchange_sites(spec) {
                return Ok(Answer::refused(format!("the level stays at {from}: {error}")));
            }
        }
        self.changed(Setting::Level, from as u64, level as u64, observer)
    }

    /// Probes a stage no longer, or again, or says why that cannot be.
    pub(super) fn change_stage(
        &mut self,
        stage: usize,
        on: bool,
        observer: &mut dyn Observer,
    ) -> Result<Answer, AgentError> {
        let Some(now) = self.spec.stages.get(stage) else {
            let stages = self.spec.stages.len();
            return Ok(Answer::refused(format!(
                "there is no stage {stage}; the spec has {stages}, counted from 0"
            )));
        };
        let (was, label) = (!now.off, now.label());
        if was != on {
            let state = if was { "on" } else { "off" };
            let spec = match self.spec.switched(stage, on) {
                Ok(spec) => spec,
                Err(why) => return Ok(Answer::refused(format!("{label} stays {state}: {why}"))),
            };
            if let Err(error) = self.exchange_sites(spec) {
                return Ok(Answer::refused(format!("{label} stays {state}: {error}")));
            }
        }
        self.changed(Setting::Stage, Setting::of_stage(stage, was), Setting::of_stage(stage, on), observer)
    }

    fn exchange_sites(&mut self, spec: Spec) -> Result<(), AgentError> {
        let sets = self.sites_of_level(&spec);
        self.resolver.forget();
        let sets = sets?;
        if self.kernel.is_some() {
            self.wake(&spec, &sets)?;
        }
        let before = std::mem::replace(&mut self.spec, spec);
        self.spec_changed(&before);
        if self.kernel.is_some() {
            self.tell_sites(Vec::new());
        }
        for (traced, (_, links)) in self.traced.iter_mut().zip(sets) {
            drop(traced.exchange(links));
        }
        Ok(())
    }

    /// Wakes the sites of a spec, which are set, and puts those that are awake to sleep; on an error all is as it was.
    fn wake(&mut self, spec: &Spec, sets: &[(Vec<Site>, Links)]) -> Result<(), AgentError> {
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        // A call that was entered while its stage was probed before would give its arguments to another one that is returned from later.
        let is_new = |(old, new): (&Stage, &Stage)| !self.spec.is_probed(old) && spec.is_probed(new);
        let stages = self.spec.stages.iter().zip(&spec.stages);
        let new: Vec<usize> =
            (0..).zip(stages).filter(|(_, both)| is_new(*both)).map(|(stage, _)| stage).collect();
        kernel.forget_calls(|call| new.contains(&stage_of_call(call)))?;
        self.exchanges = self.exchanges.wrapping_add(1);
        let (from, to) = (self.spec.edition(), spec.edition());
        let between = Edition::change(from, to, self.exchanges);
        let read = |kernel: &Kernel| kernel.settings().map(|config| config.edition);
        switch(kernel, Kernel::set_edition, read, [from, between])?;
        for (traced, (sites, _)) in self.traced.iter().zip(sets) {
            // Where no probe can be set any more, in a process that ends, time has to do.
            if kernel.settle(traced.identity.pid, sites).is_err() {
                std::thread::sleep(UNSETTLED);
            }
        }
        let done = switch(kernel, Kernel::set_edition, read, [between, to]);
        if done.is_err() {
            kernel.set_edition(from);
        }
        kernel.forget_change();
        done
    }

    /// Sets the probes of a level in all processes, each process's sites with their links; on an error all of them are taken off again.
    fn sites_of_level(&mut self, spec: &Spec) -> Result<Vec<(Vec<Site>, Links)>, AgentError> {
        let Some(kernel) = &mut self.kernel else { return Ok(Vec::new()) };
        let mut sets = Vec::with_capacity(self.traced.len());
        for traced in &self.traced {
            let pid = traced.identity.pid;
            let planned = self.resolver.sites(spec, pid)?;
            let sites = self.registry.adopt(planned, spec, kernel)?;
            let links = kernel.attach_more(pid, traced.number, &sites)?;
            sets.push((sites, links));
        }
        Ok(sets)
    }
}

/// Gives the kernel program another edition, `[from, to]`. If that is not what it then has, or if it cannot be asked, it gets the one before again: the sites of the
/// new one are about to be taken off.
fn switch<K>(
    kernel: &mut K,
    set: impl Fn(&mut K, Edition),
    read: impl Fn(&K) -> Result<Edition, AttachError>,
    [from, to]: [Edition; 2],
) -> Result<(), AgentError> {
    set(kernel, to);
    let why = match read(kernel) {
        Ok(has) if has == to => return Ok(()),
        Ok(_) => AgentError::Unconfirmed,
        Err(error) => error.into(),
    };
    set(kernel, from);
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::{AgentError, AttachError, Edition, switch};

    #[test]
    fn what_is_not_confirmed_is_set_back() {
        let set = |kernel: &mut Vec<u32>, edition: Edition| kernel.push(edition.0);
        let last = |kernel: &Vec<u32>| Ok(Edition(kernel.last().copied().unwrap_or_default()));
        let both = |from, to| [Edition(from), Edition(to)];
        let mut kernel = Vec::new();
        assert!(switch(&mut kernel, set, last, both(3, 4)).is_ok());
        assert_eq!(kernel, [4]);
        let unmoved = switch(&mut kernel, set, |_| Ok(Edition(3)), both(4, 0));
        assert!(matches!(unmoved, Err(AgentError::Unconfirmed)));
        assert_eq!(kernel, [4, 0, 4]);
        let silent = switch(&mut kernel, set, |_| Err(AttachError::Map("CONFIG")), both(4, 1));
        assert!(matches!(silent, Err(AgentError::Attach(AttachError::Map("CONFIG")))));
        assert_eq!(kernel, [4, 0, 4, 1, 4]);
    }
}
