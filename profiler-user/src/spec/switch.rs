//! A spec that is changed while its session runs: another level, a stage off or on. Pure.
//!
//! Owns: which changes would make a journey false, or leave none, and are refused.

use super::{Level, Spec, Stage};

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
            None => self.allowed(spec),
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
        if !on && (switched.also.is_some() || switched.batch.is_some()) {
            return Err("later stages know records by the key that it binds".to_owned());
        }
        match spec.lack() {
            Some(Lack::Source) => Err("it is the only S0: without it, no trace would be begun".to_owned()),
            Some(Lack::Beginning) => Err("it is the only one that begins traces".to_owned()),
            Some(Lack::End) => Err("it is the only one that ends traces".to_owned()),
            None => self.allowed(spec),
        }
    }

    /// Whether a running session may go over to `new`.
    fn allowed(&self, new: Self) -> Result<Self, String> {
        let scoped = |spec: &Self, stage: &Stage| stage.scope.is_some() && spec.is_probed(stage);
        let changed =
            self.stages.iter().zip(&new.stages).find(|(old, now)| scoped(self, old) != scoped(&new, now));
        if let Some((stage, _)) = changed {
            return Err(format!(
                "{} opens or closes scopes, and one that is open now would go on into the next record; detach, and attach anew",
                stage.label()
            ));
        }
        if let Some((_, silent)) = new.unheard() {
            return Err(format!(
                "a scope tells by {} which records were filtered, and would take those that come there for such; give the scope empty = \"keep\"",
                silent.label()
            ));
        }
        Ok(new)
    }
}
