//! The level of a running session, and single stages of it, changed.
//!
//! Each level has sites of its own in the kernel program, which sleep at every other one. Those of the new level are all set before one word is changed that
//! wakes them and puts the old ones to sleep; then these are taken off. So no journey is stamped by a half of a level's sites, and of several probes on one
//! instruction those that end scopes are always set first.

use crate::attach::{AttachError, Kernel, Links};
use crate::control::Answer;
use crate::plan::stage_of_call;
use crate::sink::Setting;
use crate::spec::{Level, Spec, Stage};

use super::error::AgentError;
use super::events::Observer;
use super::session::Running;

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
        let links = self.sites_of_level(&spec);
        self.resolver.forget();
        let links = links?;
        if let Some(kernel) = &mut self.kernel {
            // A call that was entered while its stage was probed before would give its arguments to another one that is returned from later.
            let is_new = |(old, new): (&Stage, &Stage)| !self.spec.is_probed(old) && spec.is_probed(new);
            let stages = self.spec.stages.iter().zip(&spec.stages);
            let new: Vec<usize> =
                (0..).zip(stages).filter(|(_, both)| is_new(*both)).map(|(stage, _)| stage).collect();
            kernel.forget_calls(|call| new.contains(&stage_of_call(call)))?;
            let read = |kernel: &Kernel| kernel.settings().map(|config| config.level);
            switch(kernel, Kernel::set_level, read, [self.spec.edition(), spec.edition()])?;
        }
        self.spec = spec;
        if self.kernel.is_some() {
            self.tell_sites(Vec::new());
        }
        for (traced, links) in self.traced.iter_mut().zip(links) {
            drop(traced.exchange(links));
        }
        Ok(())
    }

    /// Sets the probes of a level in all processes; on an error all of them are taken off again.
    fn sites_of_level(&mut self, spec: &Spec) -> Result<Vec<Links>, AgentError> {
        let Some(kernel) = &mut self.kernel else { return Ok(Vec::new()) };
        let mut links = Vec::with_capacity(self.traced.len());
        for traced in &self.traced {
            let pid = traced.identity.pid;
            let planned = self.resolver.sites(spec, pid)?;
            let sites = self.registry.adopt(planned, spec, kernel)?;
            self.harvest.set_stage_ttls(&sites, spec);
            links.push(kernel.attach_more(pid, traced.number, &sites)?);
        }
        Ok(links)
    }
}

/// Gives the kernel program another edition, `[from, to]`. If that is not what it then has, or if it cannot be asked, it gets the one before again: the sites of the
/// new one are about to be taken off.
fn switch<K>(
    kernel: &mut K,
    set: impl Fn(&mut K, u32),
    read: impl Fn(&K) -> Result<u32, AttachError>,
    [from, to]: [u32; 2],
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
    use super::{AgentError, AttachError, switch};

    #[test]
    fn what_is_not_confirmed_is_set_back() {
        let set = |kernel: &mut Vec<u32>, edition| kernel.push(edition);
        let last = |kernel: &Vec<u32>| Ok(kernel.last().copied().unwrap_or_default());
        let mut kernel = Vec::new();
        assert!(switch(&mut kernel, set, last, [3, 4]).is_ok());
        assert_eq!(kernel, [4]);
        let unmoved = switch(&mut kernel, set, |_| Ok(3), [4, 0]);
        assert!(matches!(unmoved, Err(AgentError::Unconfirmed)));
        assert_eq!(kernel, [4, 0, 4]);
        let silent = switch(&mut kernel, set, |_| Err(AttachError::Map("CONFIG")), [4, 1]);
        assert!(matches!(silent, Err(AgentError::Attach(AttachError::Map("CONFIG")))));
        assert_eq!(kernel, [4, 0, 4, 1, 4]);
    }
}
