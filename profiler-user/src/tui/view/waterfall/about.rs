//! What is told of a trace beside its stamps: what it is, what must be known before trusting it, and the chosen stamp's particulars.

use crate::sink::units;
use crate::trace::{Cause, Flags, Trace};
use crate::tui::lists;
use crate::tui::model::{Model, Opened, age_ns};
use crate::tui::paint::{Pen, wrap};
use crate::tui::theme::Ink;

/// Over the frame.
pub(super) fn title(model: &Model, trace: &Trace, pen: &Pen<'_>) -> String {
    let dot = pen.glyphs().dot;
    let outcome = trace.outcome.name(lists::outcomes(model));
    let branch = if trace.branch.is_root() { String::new() } else { format!(", branch {}", trace.branch) };
    let (after, note) = if model.corrected {
        (super::times(model, trace).last().map_or(0, |(at, _)| *at), ", probes taken off (c)")
    } else {
        (age_ns(trace), "")
    };
    format!("Trace {}{branch} {dot} {outcome} after {}{note}", trace.id, pen.duration(after))
}

/// Above the stamps; gives the rows that it takes.
pub(super) fn head(model: &Model, trace: &Trace, pen: &mut Pen<'_>) -> u16 {
    let dot = pen.glyphs().dot;
    let wall = model.data.clock(trace.start_ns).wall_ns;
    let mut parts =
        vec![format!("{}.{:06}", super::super::time_of_day(model, wall), wall % 1_000_000_000 / 1000)];
    if !model.is_remote {
        parts.push(format!("record {} of its source", units::count(trace.sequence)));
        parts.push(format!("key {:#x}", trace.key));
    }
    parts.push(format!("pid {}", trace.pid));
    if trace.branches > 0 {
        parts.push(format!("{} branched off it (left, right)", units::count(trace.branches.into())));
    }
    if trace.shared > 0 {
        parts.push(format!("the first {} stamps are shared with the one it branched off", trace.shared));
    }
    let mut y = pen.wrapped(1, 0, &parts.join(&format!(" {dot} ")), Ink::Dim);
    for sentence in flags(trace.flags) {
        y += pen.wrapped(1, y, &format!("! {sentence}"), Ink::Warn);
    }
    y
}

/// What must be known before trusting it.
fn flags(flags: Flags) -> Vec<String> {
    let Flags {
        entries_dropped,
        late_stamps,
        torn_stamps,
        early_stamps,
        keys_dropped,
        branches_dropped,
        attributes_dropped,
        attributes_unreadable,
        batches_dropped,
        is_partial,
    } = flags;
    let counts = [
        (entries_dropped, "stamps were not kept: the trace was at its maximum of entries"),
        (torn_stamps, "stamps were found incomplete and are not shown"),
        (late_stamps, "stamps came after its end and are not shown"),
        (early_stamps, "stamps were taken for an older record of the same key and are not shown"),
        (keys_dropped, "keys could not be bound to it: stages that know the record by them are missing"),
        (branches_dropped, "outputs of the record did not become journeys of their own"),
        (batches_dropped, "batches it was put into are not followed"),
        (attributes_dropped, "attributes found no room"),
        (attributes_unreadable, "attributes could not be read"),
    ];
    let partial = is_partial
        .then(|| "the record was met on its way: the journey does not begin at a source".to_owned());
    let told =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, text)| format!("{count} {text}"));
    partial.into_iter().chain(told).collect()
}

/// Below the stamps: the chosen one's particulars; gives the rows that they take. At least a third of the rows below `top` stay free.
pub(super) fn foot(model: &Model, opened: &Opened, pen: &mut Pen<'_>, top: u16) -> u16 {
    let lines: Vec<String> = particulars(model, opened, pen)
        .iter()
        .flat_map(|text| wrap(text, pen.width().saturating_sub(2)))
        .collect();
    let room = pen.height().saturating_sub(top) / 3;
    let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(room);
    let from = pen.height().saturating_sub(rows);
    for (line, y) in lines.iter().zip(from..pen.height()) {
        pen.text(1, y, line, Ink::Text);
    }
    rows
}

fn particulars(model: &Model, opened: &Opened, pen: &Pen<'_>) -> Vec<String> {
    let trace = &*opened.trace;
    let place = opened.stamp.min(trace.stamps.len().saturating_sub(1));
    let Some(stamp) = trace.stamps.get(place) else { return Vec::new() };
    let mut lines = vec![arrival(model, trace, place, pen)];
    let site = model.data.account.sites().get(stamp.probe as usize);
    let mut at = site
        .map_or_else(|| format!("probe {}", stamp.probe), |site| format!("{} in {}", site.label, site.file));
    at += &format!(", process {}, task {}", stamp.pid, stamp.task_id);
    lines.push(at);
    lines.extend(extras(model, trace, place, pen));
    lines
}

/// In a sentence: how the record came here.
fn arrival(model: &Model, trace: &Trace, place: usize, pen: &Pen<'_>) -> String {
    let Some(hop) = place.checked_sub(1).and_then(|before| trace.hops().nth(before)) else {
        return "Here the journey begins.".to_owned();
    };
    let spent = Cause::of(hop.from.code, hop.to.code).spent();
    let moved = match (hop.from.pid == hop.to.pid, hop.from.tid == hop.to.tid, hop.from.cpu == hop.to.cpu) {
        (false, ..) => ", then in another process",
        (_, false, _) => ", then on another thread",
        (_, _, false) => ", then on another CPU",
        _ => "",
    };
    let gap = if hop.has_gap { "; stamps between the two are missing" } else { "" };
    let (took, share) = super::hop_took(model, trace, place);
    format!(
        "{} after {}: {share} of the journey {spent}{moved}{gap}.",
        pen.duration(took),
        lists::stage_label(model, hop.from.stage)
    )
}

/// Attributes, batches and times of the record, as of this stamp.
fn extras(model: &Model, trace: &Trace, place: usize, pen: &Pen<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let info = model.data.info();
    let here = trace.attributes.iter().filter(|attribute| attribute.stamp == place);
    let told: Vec<String> = here
        .map(|attribute| {
            let name = info.and_then(|info| info.attribute_name(trace, attribute)).unwrap_or("?");
            format!("{name} = {}", attribute.value)
        })
        .collect();
    if !told.is_empty() {
        lines.push(told.join(", "));
    }
    for batch in trace.batches.iter().filter(|batch| batch.stamp == place) {
        let size = batch.size.map_or_else(|| "not taken yet".to_owned(), |size| format!("of {size}"));
        lines.push(format!("put into batch {:#x} as record {}, {size}", batch.key, batch.position + 1));
    }
    for time in trace.record_times.iter().filter(|time| time.stamp == place) {
        let late = pen.duration(time.latency_ns.unsigned_abs());
        let sense = if time.latency_ns < 0 { "ahead of" } else { "behind" };
        lines.push(format!("here {late} {sense} the record's own time"));
    }
    lines
}
