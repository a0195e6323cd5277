//! The report as Markdown: for issues, chats and documents. Pure.
//!
//! Owns: the text. Refuses: trusting names, which come from the target and must not become markup.

use super::{Session, units};
use crate::stats::{Figures, HopFigures, Series};
use crate::trace::Trace;
use crate::verdict::words::{Speech, caution, details, headline};
use crate::verdict::{Hop, of_session};

/// The report, every line ended.
#[must_use]
pub fn render(session: &Session<'_>) -> String {
    let parts = [
        heading(session),
        verdict(session),
        hops(session),
        slowest(session),
        changes(session),
        ledger(session),
        cost(session),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A name as plain text: what means something in Markdown, or in HTML within it, is escaped; lines stay whole.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '@' => {
                safe.extend(['\\', c]);
            }
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

fn time(ns: u64) -> String {
    units::duration(ns, false)
}

fn heading(session: &Session<'_>) -> String {
    let rate = session.rate_words();
    format!(
        "# {}\n\n{}, {rate}, {} traces, ended: {}\n",
        plain(session.target),
        time(session.duration_ns),
        units::count(session.stats.traces()),
        plain(session.end)
    )
}

fn verdict(session: &Session<'_>) -> String {
    let caution = caution(session.cost.share_of_target_cpu)
        .map_or_else(String::new, |text| format!("{}\n", plain(&text)));
    let Some(verdict) = of_session(session) else { return caution };
    let gap = if caution.is_empty() { "" } else { "\n" };
    let label = |hop: Hop| session.hop_label(hop, "→");
    let speech = Speech { hop: &label, ascii: false };
    let more: String =
        details(&verdict, &speech).iter().map(|sentence| format!("\n{}\n", plain(sentence))).collect();
    format!("{caution}{gap}**{}**\n{more}", plain(&headline(&verdict, &speech)))
}

fn hops(session: &Session<'_>) -> String {
    let hops = session.stats.hops();
    if hops.is_empty() {
        return String::new();
    }
    let whole = hops.iter().map(|hop| hop.figures.total_ns).sum();
    let hop = |hop: &HopFigures| {
        let label = plain(&session.hop_label((hop.from, hop.to), "→"));
        let share = units::share(units::part(hop.figures.total_ns, whole));
        row(&label, &hop.figures, &share)
    };
    let stats = session.stats;
    let sums: [(&str, &Series); 4] = [
        ("end to end", &stats.e2e),
        ("queue wait", &stats.queue_wait),
        ("transform", &stats.transform),
        ("sink write", &stats.sink_write),
    ];
    let sum = |(name, series): (&str, &Series)| Some(row(&format!("*{name}*"), &series.figures()?, ""));
    let rows: String = hops.iter().map(hop).chain(sums.into_iter().filter_map(sum)).collect();
    format!(
        "| hop | count | mean | P50 | P95 | P99 | max | share |\n|---|--:|--:|--:|--:|--:|--:|--:|\n{rows}"
    )
}

fn row(label: &str, figures: &Figures, share: &str) -> String {
    let Figures { count, total_ns: _, mean_ns, p50_ns, p95_ns, p99_ns, max_ns } = *figures;
    let times = [mean_ns, p50_ns, p95_ns, p99_ns, max_ns].map(time).join(" | ");
    format!("| {label} | {} | {times} | {share} |\n", units::count(count))
}

fn slowest(session: &Session<'_>) -> String {
    let Some(trace) = session.stats.keep.slowest().first() else { return String::new() };
    let about =
        format!("Slowest trace: {}, written after {}.\n\n", trace.id, time(trace.e2e_ns().unwrap_or(0)));
    about + "| stage | at | took | cpu | thread |\n|---|--:|--:|--:|--:|\n" + &stamps(session, trace)
}

fn stamps(session: &Session<'_>, trace: &Trace) -> String {
    let mut before = trace.start_ns;
    let row = |stamp: &crate::trace::Stamp| {
        let took = stamp.ts_ns.saturating_sub(std::mem::replace(&mut before, stamp.ts_ns));
        let at = stamp.ts_ns.saturating_sub(trace.start_ns);
        let name = plain(&format!("{} {}", stamp.code, session.stage_title(stamp.stage)));
        format!("| {} | {} | {} | {} | {} |\n", name.trim_end(), time(at), time(took), stamp.cpu, stamp.tid)
    };
    trace.stamps.iter().map(row).collect()
}

fn changes(session: &Session<'_>) -> String {
    let changes = session.told_changes();
    if changes.last.is_empty() {
        return String::new();
    }
    let earlier = match changes.earlier {
        0 => String::new(),
        earlier => format!("The last ones, after {} others:\n\n", units::count(earlier as u64)),
    };
    let line = |(since_ns, text): &(u64, String)| format!("- after {}: {}\n", time(*since_ns), plain(text));
    format!("## Changes\n\n{earlier}{}", changes.last.iter().map(line).collect::<String>())
}

fn ledger(session: &Session<'_>) -> String {
    let mut text = "## Ledger\n\n".to_owned();
    for law in session.ledger.laws(session.outcomes) {
        let total: Vec<_> =
            law.total.iter().map(|(name, count)| format!("{} {name}", units::count(*count))).collect();
        let parts: Vec<_> = law
            .parts
            .iter()
            .map(|(name, count)| format!("{} {}", units::count(*count), plain(name)))
            .collect();
        let equals = if law.holds { "=" } else { "≠" };
        text += &format!("{} {equals} {}\n\n", total.join(" + "), parts.join(" + "));
    }
    text + &match session.ledger.check() {
        Ok(()) => "Every sampled record is accounted for.\n".to_owned(),
        Err(imbalance) => format!("**Not balanced: {imbalance}.**\n"),
    }
}

fn cost(session: &Session<'_>) -> String {
    let cost = session.cost;
    let share = match cost.share_of_target_cpu {
        Some(share) => format!(", {} of the target's CPU time", units::share(share)),
        None => String::new(),
    };
    format!(
        "## Cost\n\nProbes: {} hits, {}{share}. Agent: {} of CPU time, {} at most.\n",
        units::count(cost.hits()),
        time(cost.probe_ns_total),
        time(cost.measured.agent_cpu_ns),
        units::bytes(cost.measured.agent_max_rss_bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::sink::Session;
    use crate::sink::testing::{busy, empty};

    #[test]
    fn a_busy_session() {
        let parts = busy();
        let text = render(&parts.session());
        for line in [
            "# pipeline",
            "10.0 s, 1 record in 1,000 sampled, 110 traces, ended: duration",
            "**79% of the time records wait in Q+ push → Q- pop: the transform behind it is either busy or takes them late, which is not known here**",
            "| Q+ push → Q- pop | 110 | 215 µs | 231 µs | 399 µs | 418 µs | 420 µs | 79% |",
            "| W! write | 484 µs | 10.0 µs | 1 | 4305 |",
            "## Changes",
            "- after 5.00 s: budget: 50 traces a second from now on (was 20 traces a second)",
            "1,240 sampled = 1,006 admitted + 200 refused by budget + 30 refused, slots full + 3 refused, key busy + 1 refused, paused",
            "Every sampled record is accounted for.",
        ] {
            assert!(text.lines().any(|other| other == line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn names_are_no_markup() {
        let mut parts = busy();
        parts.stages.iter_mut().for_each(|row| row.name = "a|b\n<b>*c*`".to_owned());
        let text = render(&Session { target: "[x](y) @all", ..parts.session() });
        assert!(text.starts_with("# \\[x\\](y) \\@all\n"), "{text}");
        assert!(text.contains("Q+ a\\|b\u{fffd}\\<b\\>\\*c\\*\\`") && !text.contains("<b>"), "{text}");
        assert!(render(&empty().session()).contains("0 traces"));
    }
}
