//! A spec that is changed while its session runs: another level, a stage off or on. Pure.
//!
//! Owns: which changes would make a journey false, or leave none, and are refused.

use super::{Level, Spec, Stage, StageCode};

/// What a spec must have to have journeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A source.
    Source,
    /// Where the key decides: a stage that begins traces.
    Beginning,
    /// A stage that ends a trace.
    End,
}

impl Lack {
    /// What is lacking.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "S0",
            Self::Beginning => "stage that begins a trace",
            Self::End => "stage that ends a trace",
        }
    }
}

impl Spec {
    /// The same spec at another level.
    ///
    /// # Errors
    /// Why that cannot be while it runs, in a clause.
    pub fn at_level(&self, level: Level) -> Result<Self, String> {
        let spec = Self { level, turn: !self.turn, ..self.clone() };
        match spec.lack() {
            Some(lack) => Err(format!("at level {level} the spec has no {}", lack.name())),
            None => self.allowed(spec, &format!("`--level {level}`")),
        }
    }

    /// The same spec with a stage switched off, or on again.
    ///
    /// # Errors
    /// Why that cannot be while it runs, in a clause.
    pub fn switched(&self, stage: usize, on: bool) -> Result<Self, String> {
        let mut spec = Self { turn: !self.turn, ..self.clone() };
        let Some(switched) = spec.stages.get_mut(stage) else {
            return Err("it is none of the spec".to_owned());
        };
        switched.off = !on;
        let so = format!("a spec {} {}", if on { "with" } else { "without" }, switched.label());
        match spec.lack() {
            Some(Lack::Source) => Err("it is the only S0: without it, no trace would be begun".to_owned()),
            Some(Lack::Beginning) => Err("it is the only one that begins traces".to_owned()),
            Some(Lack::End) => Err("it is the only one that ends traces".to_owned()),
            None => self.allowed(spec, &so),
        }
    }

    /// Whether a running session may go over to `new`; `so`: what one is attached with that is so from the start.
    fn allowed(&self, new: Self, so: &str) -> Result<Self, String> {
        // What is asked for first, then what comes of it.
        let (asked, rest): (Vec<_>, Vec<_>) = self
            .stages
            .iter()
            .zip(&new.stages)
            .partition(|(old, now)| self.is_probed(old) != new.is_probed(now));
        let why = asked.into_iter().chain(rest).find_map(|(old, now)| self.must_stay(old, &new, now));
        if let Some(why) = why {
            return Err(format!("{why}; detach, and attach with {so} from the start"));
        }
        if let Some((_, silent)) = new.unheard() {
            return Err(format!(
                "a scope tells by {} which records were filtered, and would take those that come there for such; give the scope empty = \"keep\"",
                silent.label()
            ));
        }
        Ok(new)
    }

    /// Why what a stage does to records that are under way must not change, if it would: `old` is a stage of this spec, `now` the same one of `new`.
    fn must_stay(&self, old: &Stage, new: &Self, now: &Stage) -> Option<String> {
        let (was, is) = (self.is_probed(old), new.is_probed(now));
        let why = if was != is && fixed(old).is_some() {
            fixed(old)
        } else if self.ends_batch(old) != new.ends_batch(now) {
            Some(
                "must end all batches or none: one that it does not end goes on in the next one at its address",
            )
        } else if was && is && self.begins(old) != new.begins(now) {
            Some(
                "must begin traces all the time or never: it would sample records again that were sampled before they came to it",
            )
        } else {
            None
        };
        why.map(|why| format!("{} {why}", old.label()))
    }
}

/// Why a stage must be probed all the time, or never, if it must.
fn fixed(stage: &Stage) -> Option<&'static str> {
    if stage.scope.is_some() {
        Some("opens or closes scopes, and one that is open now would go on into the next record")
    } else if stage.code == StageCode::SOURCE || stage.branch {
        Some("begins records, and those that it does not see would be taken for older ones with their keys")
    } else if stage.also.is_some() {
        Some(
            "binds a key that later stages know records by, and one that it does not see would be taken for an older one with that key",
        )
    } else {
        stage
            .batch
            .as_ref()
            .map(|_| "puts records into batches, and those that it does not see would be missing there")
    }
}
