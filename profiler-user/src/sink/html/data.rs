//! The numbers that the page's script draws.

use serde::Serialize;

use super::escape::in_script;
use crate::sink::Session;
use crate::stats::window::{Column, Heat};
use crate::stats::{Prices, Subject, overhead};
use crate::trace::{Hop, Trace};

/// Columns of time, rows of durations.
const COLUMNS: usize = 120;
const ROWS: usize = 40;

/// Hops that can be looked at over time: those with most of the time in them.
const HOPS: usize = 32;

/// Traces that can be looked at when none was written.
const LATEST: usize = 8;

#[derive(Serialize)]
struct Data {
    /// Where the first column begins, ns since the session's beginning.
    subjects: Vec<Course>,
    traces: Vec<OneTrace>,
}

/// One subject over time.
#[derive(Serialize)]
struct Course {
    label: String,
    cause: &'static str,
    /// Of the first column, monotonic ns divided by 10^6: whole milliseconds.
    from_ms: u64,
    each_ms: u64,
    /// Count, P50, P95, P99 and maximum of each column, ns; null where nothing ended.
    points: Vec<Option<[u64; 5]>>,
    /// Lowest and highest duration of each row, ns.
    rows: Vec<(u64, u64)>,
    /// Column, row, count.
    cells: Vec<(usize, usize, u64)>,
    highest: u64,
}

#[derive(Serialize)]
struct OneTrace {
    id: String,
    sequence: u64,
    key: String,
    pid: u32,
    outcome: String,
    branch: String,
    ns: u64,
    corrected_ns: u64,
    gaps: bool,
    stamps: Vec<OneStamp>,
}

#[derive(Serialize)]
struct OneStamp {
    code: String,
    name: String,
    /// Since the first stamp, ns.
    at_ns: u64,
    /// Since the one before, ns, as measured, and without the probes' own time.
    took_ns: u64,
    corrected_ns: u64,
    cause: &'static str,
    tid: u32,
    task: i64,
    cpu: u32,
    shared: bool,
    attributes: Vec<String>,
}

pub(super) fn json(session: &Session<'_>) -> String {
    let prices = Prices::of_cost(session.cost);
    let keep = &session.stats.keep;
    let mut traces: Vec<&Trace> = keep.slowest().iter().collect();
    if traces.is_empty() {
        traces = keep.latest().rev().take(LATEST).collect();
    }
    let data = Data {
        subjects: subjects(session).into_iter().map(|subject| course(session, subject)).collect(),
        traces: traces.into_iter().map(|trace| one_trace(session, trace, &prices)).collect(),
    };
    // Cannot fail: every part is a number, a string or a list of them.
    in_script(&serde_json::to_string(&data).unwrap_or_else(|_| "{}".to_owned()))
}

/// From end to end first, then the dearest hops in the order of the stages, then the sums.
fn subjects(session: &Session<'_>) -> Vec<Subject> {
    let mut hops = session.stats.hops();
    hops.sort_by_key(|hop| std::cmp::Reverse(hop.figures.total_ns));
    hops.truncate(HOPS);
    hops.sort_unstable_by_key(|hop| (hop.from, hop.to));
    let sums = [Subject::QueueWait, Subject::Transform, Subject::SinkWrite];
    let known: Vec<Subject> = session.stats.windows.subjects().collect();
    std::iter::once(Subject::EndToEnd)
        .chain(hops.iter().map(|hop| Subject::Hop(hop.from, hop.to)))
        .chain(sums)
        .filter(|subject| known.contains(subject))
        .collect()
}

fn course(session: &Session<'_>, subject: Subject) -> Course {
    let windows = &session.stats.windows;
    let (from_ns, to_ns) = windows.span_ns().unwrap_or_default();
    let heat = windows.heat(subject, from_ns, to_ns, COLUMNS, ROWS);
    let (label, cause) = name(session, subject);
    let first = heat.columns.first();
    let point = |column: &Column| {
        let figures = column.figures()?;
        Some([figures.count, figures.p50_ns, figures.p95_ns, figures.p99_ns, figures.max_ns])
    };
    Course {
        label,
        cause,
        from_ms: first.map_or(0, |column| column.from_ns / 1_000_000),
        each_ms: first.map_or(1, |column| (column.to_ns.saturating_sub(column.from_ns) / 1_000_000).max(1)),
        points: heat.columns.iter().map(point).collect(),
        rows: (0..heat.rows.len()).filter_map(|row| heat.durations(row)).collect(),
        cells: cells(&heat),
        highest: heat.highest,
    }
}

fn cells(heat: &Heat) -> Vec<(usize, usize, u64)> {
    let places =
        (0..heat.columns.len()).flat_map(|column| (0..heat.rows.len()).map(move |row| (column, row)));
    places.map(|(column, row)| (column, row, heat.count(column, row))).filter(|cell| cell.2 > 0).collect()
}

fn name(session: &Session<'_>, subject: Subject) -> (String, &'static str) {
    match subject {
        Subject::EndToEnd => ("end to end".to_owned(), "other"),
        Subject::QueueWait => ("all time in queues".to_owned(), "queue"),
        Subject::Transform => ("all time in transforms".to_owned(), "transform"),
        Subject::SinkWrite => ("sink write".to_owned(), "sink-write"),
        Subject::Hop(from, to) => {
            let hop = session.stats.hops().into_iter().find(|hop| (hop.from, hop.to) == (from, to));
            (session.hop_label((from, to), "→"), hop.map_or("other", |hop| super::tables::class(hop.cause())))
        }
    }
}

fn one_trace(session: &Session<'_>, trace: &Trace, prices: &Prices) -> OneTrace {
    let hops: Vec<Hop<'_>> = trace.hops().collect();
    let stamp = |index: usize| {
        one_stamp(session, trace, index, index.checked_sub(1).and_then(|at| hops.get(at)), prices)
    };
    let last = trace.stamps.last().map_or(trace.end_ns, |stamp| stamp.ts_ns);
    OneTrace {
        id: trace.id.to_string(),
        sequence: trace.sequence,
        key: format!("{:#x}", trace.key),
        pid: trace.pid,
        outcome: trace.outcome.name(session.outcomes).to_owned(),
        branch: if trace.branch.is_root() { String::new() } else { trace.branch.to_string() },
        ns: last.saturating_sub(trace.start_ns),
        corrected_ns: overhead::corrected_whole_ns(trace, prices),
        gaps: trace.has_gaps(),
        stamps: (0..trace.stamps.len()).filter_map(stamp).collect(),
    }
}

fn one_stamp(
    session: &Session<'_>,
    trace: &Trace,
    index: usize,
    hop: Option<&Hop<'_>>,
    prices: &Prices,
) -> Option<OneStamp> {
    let stamp = trace.stamps.get(index)?;
    let read = trace.attributes.iter().filter(|attribute| attribute.stamp == index);
    Some(OneStamp {
        code: stamp.code.to_string(),
        name: session.stage_title(stamp.stage).to_owned(),
        at_ns: stamp.ts_ns.saturating_sub(trace.start_ns),
        took_ns: hop.map_or(0, |hop| hop.ns),
        corrected_ns: hop.map_or(0, |hop| overhead::corrected_ns(hop, prices)),
        cause: hop
            .map_or("other", |hop| super::tables::class(crate::trace::Cause::of(hop.from.code, hop.to.code))),
        tid: stamp.tid,
        task: stamp.task_id,
        cpu: stamp.cpu,
        shared: index < trace.shared,
        attributes: read.map(|attribute| attribute.value.to_string()).collect(),
    })
}
