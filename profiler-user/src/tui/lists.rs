//! What the lists hold, in their order: the same for what is drawn and for where the keys go.

use std::sync::Arc;

use profiler_common::Outcome;

use super::flow::{Edge, Kind, Step, walk};
use super::model::{Model, Order, TaskId, TaskSort, TraceId, TraceSort, Within, age_ns};
use crate::stats::{Figures, Subject, TaskFigures};
use crate::trace::{Cause, Trace};
use crate::verdict::{median, outliers};

/// Traces listed at most.
const MAX_TRACES: usize = 1000;

/// The names of the spec's own outcomes.
#[must_use]
pub fn outcomes(model: &Model) -> &[String] {
    model.data.info().map_or(&[], |info| &info.outcomes)
}

/// The traces, as sorted and filtered.
#[must_use]
pub fn traces(model: &Model) -> Vec<&Arc<Trace>> {
    let (from, to) = model.span_ns();
    let list = model.traces;
    let wanted = |trace: &&Arc<Trace>| {
        list.outcome.is_none_or(|outcome| trace.outcome == outcome)
            && list.within.is_none_or(|within| is_within(trace, within))
    };
    let kept = &model.data.kept;
    let mut traces: Vec<_> = match list.order {
        Order::Slowest => kept.slowest(from, to).into_iter().filter(wanted).take(MAX_TRACES).collect(),
        Order::Latest => kept.latest(from, to).filter(wanted).take(MAX_TRACES).collect(),
    };
    match list.sort {
        TraceSort::Took => traces.sort_by_key(|trace| std::cmp::Reverse(age_ns(trace))),
        TraceSort::Ended => traces.sort_by_key(|trace| std::cmp::Reverse(trace.end_ns)),
        TraceSort::Outcome => traces.sort_by_key(|trace| trace.outcome.index()),
        TraceSort::Stamps => traces.sort_by_key(|trace| std::cmp::Reverse(trace.stamps.len())),
    }
    if list.reverse {
        traces.reverse();
    }
    traces
}

/// Whether a trace is one of those that a cell of the latency map counts.
#[must_use]
pub fn is_within(trace: &Trace, within: Within) -> bool {
    let Within { subject, from_ns, to_ns, low_ns, high_ns } = within;
    let fits = |ns: u64| (low_ns..=high_ns).contains(&ns);
    let counts = match subject {
        Subject::EndToEnd => trace.e2e_ns().is_some_and(fits),
        Subject::QueueWait => trace.queue_wait_ns().is_some_and(fits),
        Subject::Transform => trace.transform_ns().is_some_and(fits),
        Subject::SinkWrite => trace.sink_write_ns().is_some_and(fits),
        Subject::Hop(from, to) => trace
            .own_hops()
            .any(|hop| (hop.from.stage, hop.to.stage) == (from, to) && !hop.has_gap && fits(hop.ns)),
    };
    counts && (from_ns..to_ns).contains(&trace.end_ns)
}

/// What they are known by.
#[must_use]
pub fn ids(traces: &[&Arc<Trace>]) -> Vec<TraceId> {
    traces.iter().map(|trace| (trace.id, trace.branch)).collect()
}

/// Outcomes that a trace of the session had.
#[must_use]
pub fn seen_outcomes(model: &Model) -> Vec<Outcome> {
    Outcome::all().filter(|outcome| model.data.account.stats().ended(*outcome) > 0).collect()
}

/// Says of a text whether what the user searches for is in it, whatever the case.
pub(super) fn finder(model: &Model) -> impl Fn(&str) -> bool {
    let wanted = model.search.to_lowercase();
    move |text| text.to_lowercase().contains(&wanted)
}

/// Whether what the user searches for is in a trace.
#[must_use]
pub fn matches(model: &Model, trace: &Trace) -> bool {
    let has = finder(model);
    has(&trace.id.to_string())
        || has(&format!("{:#x}", trace.key))
        || has(trace.outcome.name(outcomes(model)))
        || trace.attributes.iter().any(|attribute| has(&attribute.value.to_string()))
        || trace.stamps.iter().any(|stamp| has(stage_name(model, stamp.stage)))
}

/// What a stage is called; empty for one that the spec does not have.
#[must_use]
pub fn stage_name(model: &Model, stage: usize) -> &str {
    let stages = model.data.info().map_or(&[][..], |info| &info.stages);
    stages.get(stage).map_or("", |stage| stage.name.as_str())
}

/// A stage with its code and, unless that is the code again, its name.
#[must_use]
pub fn stage_label(model: &Model, stage: usize) -> String {
    model.data.stage_label(stage).unwrap_or_else(|| format!("stage {stage}"))
}

/// A hop by its two stages.
#[must_use]
pub fn hop_label(model: &Model, (from, to): (usize, usize), arrow: char) -> String {
    format!("{} {arrow} {}", stage_label(model, from), stage_label(model, to))
}

/// What a kind of duration is called.
#[must_use]
pub fn subject_label(model: &Model, subject: Subject, arrow: char) -> String {
    match subject {
        Subject::EndToEnd => "end to end".to_owned(),
        Subject::QueueWait => "queue wait".to_owned(),
        Subject::Transform => "transform".to_owned(),
        Subject::SinkWrite => "sink write".to_owned(),
        Subject::Hop(from, to) => hop_label(model, (from, to), arrow),
    }
}

/// Whether what the user searches for is in the name of a kind of duration; of a hop, in that of the stage where it ends.
#[must_use]
pub fn subject_matches(model: &Model, subject: Subject) -> bool {
    let label = match subject {
        Subject::Hop(_, to) => stage_label(model, to),
        other => subject_label(model, other, ' '),
    };
    finder(model)(&label)
}

/// What the time of a hop goes into.
#[must_use]
pub fn cause(model: &Model, (from, to): (usize, usize)) -> Cause {
    let stages = model.data.info().map_or(&[][..], |info| &info.stages);
    match (stages.get(from), stages.get(to)) {
        (Some(from), Some(to)) => Cause::of(from.code, to.code),
        _ => Cause::Other,
    }
}

/// The stages in the order in which records flow through them.
#[must_use]
pub fn flow(model: &Model) -> Vec<Step> {
    let stages = model.data.info().map_or(&[][..], |info| &info.stages);
    let codes: Vec<_> = stages.iter().map(|stage| stage.code).collect();
    let counts = model.data.account.stats().hop_counts();
    let edges: Vec<Edge> = counts.iter().map(|&((from, to), count)| Edge { from, to, count }).collect();
    walk(&codes, &edges)
}

/// Everything that has a duration, in the order of the list: end to end, the hops as they flow, the sums.
#[must_use]
pub fn subjects(model: &Model) -> Vec<Subject> {
    subjects_of(model, &flow(model))
}

/// The same, where the flow is known: to find it is the dear part.
#[must_use]
pub fn subjects_of(model: &Model, steps: &[Step]) -> Vec<Subject> {
    let known: Vec<Subject> = model.data.account.stats().windows.subjects().collect();
    let hops = steps.iter().filter(|step| step.kind != Kind::Root);
    let sums = [Subject::QueueWait, Subject::Transform, Subject::SinkWrite];
    let mut subjects = vec![Subject::EndToEnd];
    subjects.extend(hops.map(|step| Subject::Hop(step.from, step.to)));
    subjects.extend(sums.into_iter().filter(|sum| known.contains(sum)));
    subjects
}

/// The work of a task, beside that of its peers.
#[derive(Clone, Copy, Debug)]
pub struct TaskRow {
    /// Of which hop, and who.
    pub id: TaskId,
    /// The thread that it was last seen on.
    pub tid: u32,
    /// What its records took.
    pub figures: Figures,
    /// Its median, as a multiple of the median of its peers' medians; `None` without peers.
    pub versus: Option<f64>,
    /// Whether it stands out, as the verdict has it.
    pub stands_out: bool,
}

/// Who did which hop's work: of the whole session if that is the window, else of the last one to two minutes.
#[must_use]
pub fn tasks(model: &Model) -> Vec<TaskRow> {
    let tasks = &model.data.account.stats().tasks;
    let is_whole = model.window_s() == super::model::WHOLE;
    let mut rows = Vec::new();
    for hop in tasks.hops() {
        let of: Vec<(TaskFigures, Figures)> = tasks
            .of(hop)
            .into_iter()
            .filter_map(|task| Some((task, if is_whole { task.whole } else { task.recent? })))
            .collect();
        let slow = outliers(model.data.account.stats(), hop, !is_whole);
        for (place, (task, figures)) in of.iter().enumerate() {
            let others = of.iter().enumerate().filter(|(other, _)| *other != place);
            let mut peers: Vec<u64> = others.map(|(_, (_, figures))| figures.p50_ns).collect();
            let usual = median(&mut peers);
            let versus = usual.map(|usual| figures.p50_ns as f64 / usual.max(1) as f64);
            let stands_out = slow.iter().any(|outlier| outlier.task.task == task.task);
            rows.push(TaskRow { id: (hop, task.task), tid: task.tid, figures: *figures, versus, stands_out });
        }
    }
    let (sort, reverse) = model.tasks;
    let descending = |a: u128, b: u128| b.cmp(&a);
    rows.sort_by(|a, b| match sort {
        TaskSort::Peers => {
            a.id.0.cmp(&b.id.0).then(b.versus.unwrap_or(0.0).total_cmp(&a.versus.unwrap_or(0.0)))
        }
        TaskSort::Busy => descending(a.figures.total_ns, b.figures.total_ns),
        TaskSort::Records => descending(a.figures.count.into(), b.figures.count.into()),
        TaskSort::P95 => descending(a.figures.p95_ns.into(), b.figures.p95_ns.into()),
    });
    if reverse {
        rows.reverse();
    }
    rows
}

/// What they are known by.
#[must_use]
pub fn task_ids(rows: &[TaskRow]) -> Vec<TaskId> {
    rows.iter().map(|row| row.id).collect()
}

/// Whether what the user searches for is in a task's row.
#[must_use]
pub fn task_matches(model: &Model, row: &TaskRow) -> bool {
    let has = finder(model);
    let (hop, task) = row.id;
    has(&hop_label(model, hop, ' '))
        || has(&task.task_id.to_string())
        || has(&row.tid.to_string())
        || has(&task.pid.to_string())
}

/// Journeys of one trace that are kept, by their branch.
#[must_use]
pub fn siblings(model: &Model, trace: &Trace) -> Vec<Arc<Trace>> {
    let mut all: Vec<_> = model.data.kept.of_trace(trace.id).cloned().collect();
    all.sort_by_key(|trace| trace.branch);
    all.dedup_by_key(|trace| trace.branch);
    all
}
