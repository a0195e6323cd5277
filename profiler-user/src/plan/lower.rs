//! From a stage to what the kernel program does at each of its sites: keys, conditions, attributes, bits.
//!
//! Owns: the lowering of one stage for one calling convention. Refuses: instructions, and where scopes close: that is `stage`'s and `ends`'s.

use profiler_common::{
    AttributeRecipe, ExtraKind, Key, KeyRecipe, Predicate, ProbeMore, ProbeSpec, Role, StageCode, Value,
};

use super::error::Problem;
use super::predicate;
use super::recipe::{self, Abi, Moment, RecipeError, Uses};
use crate::spec::{AttributeSpec, Binding, Empty, Expr, Reading, ScopeKind, Spec, Stage, StageKey};

/// What a stage comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Lowered {
    pub(super) spec: ProbeSpec,
    pub(super) predicate: Option<Box<Predicate>>,
    pub(super) more: Option<Box<ProbeMore>>,
}

/// A stage within its spec.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) spec: &'a Spec,
    pub(super) stage: &'a Stage,
}

impl<'a> Subject<'a> {
    /// The attributes that are read, with their numbers.
    fn attributes(self) -> impl Iterator<Item = (usize, &'a AttributeSpec)> {
        self.spec.attributes(self.stage)
    }

    /// What must be as it was at the entry for all that is computed at the stage.
    pub(super) fn uses(self) -> Uses {
        self.uses_with(self.attributes().map(|(_, attribute)| attribute))
    }

    /// The same with the attributes of every level: where the site is must not depend on the level, or a call that is under way when it is changed could pass
    /// both places, or neither.
    pub(super) fn uses_at_any_level(self) -> Uses {
        self.uses_with(self.stage.attributes.iter())
    }

    fn uses_with(self, attributes: impl Iterator<Item = &'a AttributeSpec>) -> Uses {
        let Stage { key, also, batch, task, when, event_time, .. } = self.stage;
        let bound = [also, batch].into_iter().flatten().map(|binding| &binding.expr);
        let conditions = when.iter().flat_map(|when| when.values());
        let times = event_time.iter().map(|time| &time.value);
        let values = key.value().into_iter().chain(bound).chain(task).chain(conditions).chain(times);
        let all = values.fold(Uses::default(), |uses, value| uses.with(Uses::of(value)));
        attributes.fold(all, |uses, attribute| {
            let read = attribute.reading.values().fold(uses, |uses, value| uses.with(Uses::of(value)));
            Uses { memory: read.memory || attribute.reading.reads_memory(), ..read }
        })
    }

    /// Whether the site must know where the stack was at its function's entry.
    pub(super) fn uses_scopes(self) -> bool {
        self.stage.key == StageKey::Scope || self.stage.scope.is_some() || self.stage.branch
    }

    /// The scope that it opens or closes.
    pub(super) fn scope(self) -> Option<ScopeKind> {
        self.stage.scope.map(|scope| scope.kind)
    }

    /// The name space as the kernel program compares it.
    fn space(self, space: u32) -> u32 {
        if self.spec.is_shared(space) { space | Key::SHARED } else { space }
    }
}

/// What the kernel program does at the stage, wherever that is; or everything that is wrong with its expressions.
pub(super) fn lower(subject: Subject<'_>, abi: Abi, moment: Moment) -> Result<Lowered, Vec<Problem>> {
    let stage = subject.stage;
    let mut problems = Vec::new();
    let mut keep = |problem: Problem| problems.push(problem);
    let key = stage.key.value().map(|key| recipe::key(key, abi, moment)).transpose();
    let key = key.map_err(|error| keep(Problem::Key(error))).ok().flatten();
    // The thread is what the kernel program takes by itself.
    let task = stage.task.as_ref().filter(|task| **task != Expr::Thread);
    let task = task.map(|task| recipe::value(task, abi, moment)).transpose();
    let task = task.map_err(|error| keep(Problem::Task(error))).ok().flatten();
    let when = stage.when.as_ref().map(|when| predicate::predicate(when, abi, moment)).transpose();
    let when = when.map_err(|error| keep(Problem::Condition(error))).ok().flatten();
    let more = more(subject, abi, moment, &mut keep);
    if !problems.is_empty() {
        return Err(problems);
    }
    let spec = ProbeSpec {
        role: role(stage) as u8,
        outcome: stage.outcome.and_then(|outcome| u8::try_from(outcome.code()).ok()).unwrap_or(0),
        flags: flags(subject, moment, task.as_ref(), when.as_ref()),
        space: subject.space(stage.space),
        key: key.unwrap_or_default(),
        task: task.unwrap_or_default(),
        ..ProbeSpec::default()
    };
    Ok(Lowered { spec, predicate: when.map(Box::new), more })
}

/// Further keys, batches, attributes; `None` where there is none of it.
fn more(
    subject: Subject<'_>,
    abi: Abi,
    moment: Moment,
    keep: &mut impl FnMut(Problem),
) -> Option<Box<ProbeMore>> {
    let Stage { also, batch, event_time, .. } = subject.stage;
    let mut more = ProbeMore::default();
    let mut bind = |binding: &Option<Binding>, problem: fn(RecipeError) -> Problem| {
        let Some(Binding { expr, space }) = binding else { return (KeyRecipe::default(), 0) };
        let recipe = recipe::key(expr, abi, moment).map_err(|error| keep(problem(error)));
        (recipe.unwrap_or_default(), subject.space(*space))
    };
    (more.also, more.also_space) = bind(also, Problem::Also);
    (more.batch, more.batch_space) = bind(batch, Problem::Batch);
    let attributes = subject.attributes().map(|(index, attribute)| {
        let lowered = read(&attribute.reading, index, abi, moment);
        lowered.map_err(|error| Problem::Attribute { name: attribute.name.clone(), error })
    });
    let times = event_time.iter().map(|time| {
        let value = recipe::value(&time.value, abi, moment).map_err(Problem::EventTime)?;
        Ok(AttributeRecipe { kind: ExtraKind::RecordTime as u8, value, ..AttributeRecipe::default() })
    });
    // The checked spec has no more of them than there are places.
    for (place, lowered) in more.attribute.iter_mut().zip(attributes.chain(times)) {
        match lowered {
            Ok(recipe) => *place = recipe,
            Err(problem) => keep(problem),
        }
        more.attributes += 1;
    }
    let any = also.is_some() || batch.is_some() || more.attributes > 0;
    any.then(|| Box::new(more))
}

fn read(reading: &Reading, index: usize, abi: Abi, moment: Moment) -> Result<AttributeRecipe, RecipeError> {
    let index = u8::try_from(index).unwrap_or(u8::MAX);
    let (kind, value, len) = match reading {
        Reading::Number(value) => (ExtraKind::Number, value, Value::default()),
        Reading::Text { pointer, len } => {
            let kind = if reading.terminated().is_some() { ExtraKind::Text } else { ExtraKind::Bytes };
            (kind, pointer, recipe::value(len, abi, moment)?)
        }
    };
    let value = recipe::value(value, abi, moment)?;
    Ok(AttributeRecipe { kind: kind as u8, index, value, len, ..AttributeRecipe::default() })
}

fn flags(subject: Subject<'_>, moment: Moment, task: Option<&Value>, when: Option<&Predicate>) -> u32 {
    let Subject { spec, stage } = subject;
    let scope = stage.scope;
    let opens = scope.is_some_and(|scope| scope.kind.opens());
    let is_batch = stage.key.value().is_some() && spec.holds_batches(stage.space);
    let also_reads = stage.also.iter().any(|also| Uses::of(&also.expr).memory);
    [
        (ProbeSpec::HAS_TASK, task.is_some()),
        (ProbeSpec::USES_SAVED, moment == Moment::Return && subject.uses().arguments != 0),
        (ProbeSpec::HAS_PREDICATE, when.is_some()),
        (ProbeSpec::READS_MORE, when.is_some_and(predicate::reads) || also_reads),
        (ProbeSpec::KEY_IS_SCOPE, stage.key == StageKey::Scope),
        (ProbeSpec::OPENS_SCOPE, opens),
        (ProbeSpec::SCOPE_IS_CALL, subject.scope() == Some(ScopeKind::Call)),
        (ProbeSpec::CLOSES_SCOPE, subject.scope() == Some(ScopeKind::Close)),
        (ProbeSpec::KEEPS_EMPTY, opens && scope.is_some_and(|scope| scope.empty == Empty::Keep)),
        (ProbeSpec::BRANCHES, stage.branch),
        (ProbeSpec::HAS_ALSO, stage.also.is_some()),
        (ProbeSpec::HAS_BATCH, stage.batch.is_some()),
        (ProbeSpec::KEY_IS_BATCH, is_batch),
        (ProbeSpec::ENDS_BATCH, is_batch && spec.ends_batch(stage)),
        (ProbeSpec::HAS_ATTRIBUTES, stage.event_time.is_some() || subject.attributes().next().is_some()),
        (ProbeSpec::IS_OUTPUT, stage.is_output_by_code() && spec.has_scopes() && !is_batch),
        (ProbeSpec::CAN_BEGIN, spec.begins(stage) && stage.code != StageCode::SOURCE),
        (ProbeSpec::ENDS_REFUSED, spec.ends_unsourced(stage)),
    ]
    .into_iter()
    .filter(|(_, is)| *is)
    .fold(0, |flags, (flag, _)| flags | flag)
}

/// What a stage does to its record.
const fn role(stage: &Stage) -> Role {
    match (stage.code, stage.outcome) {
        (StageCode::SOURCE, _) => Role::Start,
        (_, Some(_)) => Role::Finish,
        (_, None) => Role::Stamp,
    }
}
