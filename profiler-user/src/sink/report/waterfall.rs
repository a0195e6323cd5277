//! One trace, stamp by stamp: the slowest written one, or the latest if none was written.

use super::page::{Column, Ink, Page};
use crate::sink::{Session, units};
use crate::trace::{Membership, Stamp, Trace};

/// Stamps shown at most; the middle of a longer trace is left out, and said so.
const ROWS: usize = 24;

/// The waterfall, if there is a trace.
pub(super) fn section(session: &Session<'_>, page: &mut Page) {
    let keep = &session.stats.keep;
    let (title, trace) = match (keep.slowest().first(), keep.latest().next_back()) {
        (Some(trace), _) => ("Slowest trace", trace),
        (None, Some(trace)) => ("Latest trace", trace),
        (None, None) => return,
    };
    page.title(title);
    let about = about(session, trace, page);
    page.list("  ", &about, page.glyphs().separator, Ink::Dim);
    let span = trace.stamps.last().map_or(0, |stamp| since_start(trace, stamp));
    let hidden = trace.stamps.len().saturating_sub(ROWS);
    let mut before = trace.start_ns;
    for (index, stamp) in trace.stamps.iter().enumerate() {
        if hidden > 0 && index == ROWS / 2 {
            page.line(&format!("  {} {hidden} more stamps", page.glyphs().ellipsis));
        }
        if index < ROWS / 2 || index >= ROWS / 2 + hidden {
            row(session, page, trace, stamp, before, span);
            let beside = beside(session, page, trace, index);
            if !beside.is_empty() {
                page.list("       ", &beside, page.glyphs().separator, Ink::Dim);
            }
        }
        before = stamp.ts_ns;
    }
}

fn about(session: &Session<'_>, trace: &Trace, page: &Page) -> Vec<String> {
    let end = match trace.e2e_ns() {
        Some(ns) => format!("written after {}", page.duration(ns)),
        None => format!(
            "{} after {}",
            trace.outcome.name(session.outcomes),
            page.duration(trace.end_ns.saturating_sub(trace.start_ns))
        ),
    };
    let mut about = vec![format!("id {}", trace.id)];
    if !trace.branch.is_root() {
        about.push(format!("branch {}, whose first {} stamps are its parent's", trace.branch, trace.shared));
    }
    if trace.branches > 0 {
        about.push(format!("{} branches came out of it", trace.branches));
    }
    about.extend([
        format!("record {} of its source", units::count(trace.sequence)),
        format!("key {:#x}", trace.key),
        format!("pid {}", trace.pid),
        end,
    ]);
    about
}

/// What belongs to a stamp besides its time: attributes, the record's age, the batch that it was put into.
fn beside(session: &Session<'_>, page: &Page, trace: &Trace, index: usize) -> Vec<String> {
    let stage = trace.stamps.get(index).map_or(usize::MAX, |stamp| stamp.stage);
    let attributes = trace.attributes.iter().filter(|attribute| attribute.stamp == index);
    let mut parts: Vec<String> = attributes
        .map(|attribute| format!("{} = {}", session.attribute_name(stage, attribute.index), attribute.value))
        .collect();
    let ages = trace.record_times.iter().filter(|time| time.stamp == index);
    parts.extend(ages.map(|time| format!("record latency {}", page.signed_duration(time.latency_ns))));
    for Membership { stamp: _, key, position, size } in trace.batches.iter().filter(|one| one.stamp == index)
    {
        let place = units::count(u64::from(*position).saturating_add(1));
        let size = size.map_or_else(String::new, |size| format!(" of {}", units::count(size.into())));
        parts.push(format!("record {place}{size} in batch {key:#x}"));
    }
    parts
}

fn row(session: &Session<'_>, page: &mut Page, trace: &Trace, stamp: &Stamp, before: u64, span: u64) {
    let bar_width = (page.width() / 2).saturating_sub(12);
    let label = page.width() - 2 - 10 - 10 - 8 - 2 - bar_width;
    let columns = [Column::Text(label), Column::Number(10), Column::Number(10), Column::Number(8)];
    let at = since_start(trace, stamp);
    let from = before.saturating_sub(trace.start_ns);
    let took = format!("+{}", page.duration(stamp.ts_ns.saturating_sub(before)));
    let name = format!("{:<5}{}", stamp.code, session.stage_title(stamp.stage));
    let mut line = page.cells(&columns, &[&name, &page.duration(at), &took, &format!("cpu {}", stamp.cpu)]);
    line += "  ";
    let share = |ns: u64| units::part(u128::from(ns), u128::from(span));
    let bar = page.bar(share(from), share(at), bar_width);
    line += &page.ink(&bar, Ink::Bar);
    page.line(&line);
}

fn since_start(trace: &Trace, stamp: &Stamp) -> u64 {
    stamp.ts_ns.saturating_sub(trace.start_ns)
}
