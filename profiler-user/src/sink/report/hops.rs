//! The table of hops and of the sums over a journey.

use super::page::{Column, Ink, Page};
use crate::sink::{Session, units};
use crate::stats::{Figures, HopFigures, LatencyFigures, Prices, RecordLatency};

/// Count, mean, P50, P95, P99, max.
const NUMBERS: [Column; 6] = [
    Column::Number(8),
    Column::Number(9),
    Column::Number(9),
    Column::Number(9),
    Column::Number(9),
    Column::Number(9),
];
const NUMBERS_WIDTH: usize = 8 + 5 * 9;
const SHARE_WIDTH: usize = 7;

struct Layout {
    columns: Vec<Column>,
    bar: usize,
}

/// Hops, then the sums, and what is missing of both; nothing when there is no trace.
pub(super) fn section(session: &Session<'_>, page: &mut Page) {
    let hops = session.stats.hops();
    if hops.is_empty() && session.stats.e2e.figures().is_none() {
        return;
    }
    page.title("Hops");
    let layout = layout(page.width());
    header(page, &layout);
    let whole = hops.iter().map(|hop| hop.figures.total_ns).sum();
    for hop in &hops {
        let label = label(session, hop, page.glyphs().arrow, label_width(&layout));
        row(page, &layout, &label, hop.figures, Some(units::part(hop.figures.total_ns, whole)));
    }
    page.line("");
    let stats = session.stats;
    for (label, series) in [
        ("end to end", &stats.e2e),
        ("queue wait", &stats.queue_wait),
        ("transform", &stats.transform),
        ("sink write", &stats.sink_write),
    ] {
        if let Some(figures) = series.figures() {
            row(page, &layout, label, figures, None);
        }
    }
    probes(session, &hops, page);
    notes(session, page);
}

/// How old records were by their own time, where a stage reads it.
pub(super) fn record_latency(session: &Session<'_>, page: &mut Page) {
    let RecordLatency { source, sink } = &session.stats.record_latency;
    let sides = [("at the source", source), ("written", sink)];
    if sides.iter().all(|(_, latencies)| latencies.count() == 0) {
        return;
    }
    page.title("Record latency");
    let columns = layout(page.width()).columns;
    page.row(&columns, &["", "count", "mean", "P50", "P95", "P99", "max"], Ink::Dim);
    for (label, latencies) in sides {
        let Some(figures) = latencies.figures() else { continue };
        let LatencyFigures { count, mean_ns, p50_ns, p95_ns, p99_ns, max_ns } = figures;
        let [mean, p50, p95, p99, max] =
            [mean_ns, p50_ns, p95_ns, p99_ns, max_ns].map(|ns| page.signed_duration(ns));
        page.row(&columns, &[label, &units::short_count(count), &mean, &p50, &p95, &p99, &max], Ink::Plain);
    }
}

/// The label takes what the numbers leave, up to what is pleasant; the rest is the bar's, if that is enough for one.
fn layout(width: usize) -> Layout {
    let left = width - 2 - NUMBERS_WIDTH - SHARE_WIDTH;
    let label = if left >= 30 { (left - 12).min(38) } else { left };
    let mut columns = vec![Column::Text(label)];
    columns.extend(NUMBERS);
    columns.push(Column::Number(SHARE_WIDTH));
    Layout { columns, bar: left.saturating_sub(label + 1).min(24) }
}

fn label_width(layout: &Layout) -> usize {
    match layout.columns.first() {
        Some(Column::Text(width)) => *width,
        _ => 0,
    }
}

fn header(page: &mut Page, layout: &Layout) {
    page.row(&layout.columns, &["", "count", "mean", "P50", "P95", "P99", "max", "share"], Ink::Dim);
}

fn row(page: &mut Page, layout: &Layout, label: &str, figures: Figures, share: Option<f64>) {
    let Figures { count, total_ns: _, mean_ns, p50_ns, p95_ns, p99_ns, max_ns } = figures;
    let count = units::short_count(count);
    let [mean, p50, p95, p99, max] = [mean_ns, p50_ns, p95_ns, p99_ns, max_ns].map(|ns| page.duration(ns));
    let percent = share.map(units::share).unwrap_or_default();
    let mut line = page.cells(&layout.columns, &[label, &count, &mean, &p50, &p95, &p99, &max, &percent]);
    if let Some(share) = share.filter(|_| layout.bar > 0) {
        line.push(' ');
        line += &page.ink(&page.bar(0.0, share, layout.bar), Ink::Bar);
    }
    page.line(&line);
}

/// Codes and names where both fit, codes alone otherwise, unless two stages share a code: then the names tell more.
pub(super) fn label(session: &Session<'_>, hop: &HopFigures, arrow: &str, width: usize) -> String {
    let full = session.hop_label((hop.from, hop.to), arrow);
    if full.chars().count() <= width {
        return full;
    }
    let shared = |code| session.stages.iter().filter(|row| row.code == code).count() > 1;
    if shared(hop.from_code) || shared(hop.to_code) {
        return format!("{} {arrow} {}", session.stage_name(hop.from), session.stage_name(hop.to));
    }
    format!("{} {arrow} {}", hop.from_code, hop.to_code)
}

/// Of which hops the probes themselves are a good part.
fn probes(session: &Session<'_>, hops: &[HopFigures], page: &mut Page) {
    let prices = Prices::of_cost(session.cost);
    let mut parts = Vec::new();
    for hop in hops {
        let ns = session.stats.overhead_ns((hop.from, hop.to), &prices);
        if ns > hop.figures.p50_ns / 10 {
            let label = label(session, hop, page.glyphs().arrow, 26);
            parts.push(format!("{label}: {}", page.duration(ns.min(hop.figures.p50_ns))));
        }
    }
    if !parts.is_empty() {
        page.line("");
        page.list("  probes take some  ", &parts, ", ", Ink::Dim);
    }
}

fn notes(session: &Session<'_>, page: &mut Page) {
    let stats = session.stats;
    let mut note = |count: u64, text: &str| {
        if count > 0 {
            page.wrapped("  ! ", &format!("{} {text}", units::count(count)), Ink::Warn);
        }
    };
    note(
        stats.flags.entries_dropped,
        "stamps were not kept because their trace was at its maximum of entries: raise max_entries_per_trace",
    );
    note(stats.gaps, "hops are left out of the table because stamps are missing in them");
    note(stats.flags.torn_stamps, "stamps were found incomplete and are not shown");
    note(stats.flags.late_stamps, "stamps came after their trace had ended and are not shown");
    note(stats.flags.early_stamps, "stamps were taken for an older record of the same key and are not shown");
    note(stats.flags.partial, "journeys were met on their way, not at a source");
    note(stats.hops_overflowed, "hops were of one kind too many to be told apart");
}
