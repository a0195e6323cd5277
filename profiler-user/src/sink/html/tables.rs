//! The parts of the page that are tables: what the text report has, and who did the work.

use super::escape::escape;
use crate::sink::{Session, units};
use crate::stats::cost::class_name;
use crate::stats::{Figures, HopFigures, Prices, Series};
use crate::trace::Cause;
use crate::verdict::{Outlier, outliers};

/// Tasks that are listed of a hop, the slowest ones.
const TASKS: usize = 16;

/// Probes that are listed, the dearest ones.
const PROBES: usize = 16;

/// A cause as the style sheet names it.
pub(super) const fn class(cause: Cause) -> &'static str {
    match cause {
        Cause::Source => "source",
        Cause::Queue => "queue",
        Cause::Transform => "transform",
        Cause::SinkWrite => "sink-write",
        Cause::Other => "other",
    }
}

fn time(ns: u64) -> String {
    escape(&units::duration(ns, false))
}

fn card(title: &str, number: &str, about: &str) -> String {
    format!("<div class=\"card\"><p>{title}</p><b>{number}</b><small>{about}</small></div>\n")
}

/// The numbers to see first.
pub(super) fn cards(session: &Session<'_>) -> String {
    let (ledger, cost) = (session.ledger, session.cost);
    let e2e = session.stats.e2e.figures();
    let percentile =
        |of: fn(&Figures) -> u64| e2e.as_ref().map_or_else(|| "–".to_owned(), |figures| time(of(figures)));
    let seconds = session.duration_ns as f64 / 1e9;
    let rate = if seconds > 0.0 { (ledger.records as f64 / seconds) as u64 } else { 0 };
    let share = cost.share_of_target_cpu.map_or_else(|| "–".to_owned(), |share| escape(&units::share(share)));
    let balanced = if ledger.check().is_ok() { "every one accounted for" } else { "NOT BALANCED" };
    let cards = [
        card("end to end, P50", &percentile(|f| f.p50_ns), "from source to sink"),
        card("P95", &percentile(|f| f.p95_ns), ""),
        card("P99", &percentile(|f| f.p99_ns), ""),
        card(
            "records",
            &format!("{}/s", escape(&units::short_count(rate))),
            &format!("{} seen", units::count(ledger.records)),
        ),
        card("sampled", &units::count(ledger.sampled), balanced),
        card("probes", &share, "of the target's CPU time"),
    ];
    format!("<section class=\"cards\">\n{}</section>\n", cards.concat())
}

/// Where the time goes, as one bar.
pub(super) fn flow(session: &Session<'_>) -> String {
    let hops = session.stats.hops();
    let whole: u128 = hops.iter().map(|hop| hop.figures.total_ns).sum();
    if whole == 0 {
        return String::new();
    }
    let part = |hop: &HopFigures| {
        let share = units::part(hop.figures.total_ns, whole);
        let label = escape(&session.hop_label((hop.from, hop.to), "→"));
        let percent = escape(&units::share(share));
        let inside = if share >= 0.06 { percent.as_str() } else { "" };
        let class = class(hop.cause());
        format!(
            "<i class=\"{class}\" style=\"flex-grow:{share:.5}\" title=\"{label}: {percent}\">{inside}</i>"
        )
    };
    let bar: String = hops.iter().map(part).collect();
    let legend: String = [Cause::Source, Cause::Queue, Cause::Transform, Cause::SinkWrite, Cause::Other]
        .into_iter()
        .map(|cause| format!("<span><i class=\"{}\"></i>{}</span>", class(cause), cause.name()))
        .collect();
    format!(
        "<section>\n<h2>Where the time goes</h2>\n<div class=\"flow\">{bar}</div>\n<p class=\"legend\">{legend}</p>\n</section>\n"
    )
}

fn figures(figures: &Figures) -> String {
    let Figures { count, total_ns: _, mean_ns, p50_ns, p95_ns, p99_ns, max_ns } = *figures;
    let times: String = [mean_ns, p50_ns, p95_ns, p99_ns, max_ns]
        .into_iter()
        .map(|ns| format!("<td>{}</td>", time(ns)))
        .collect();
    format!("<td>{}</td>{times}", units::count(count))
}

/// Every hop, and the sums over a journey.
pub(super) fn hops(session: &Session<'_>) -> String {
    let hops = session.stats.hops();
    let whole: u128 = hops.iter().map(|hop| hop.figures.total_ns).sum();
    let prices = Prices::of_cost(session.cost);
    let row = |hop: &HopFigures| {
        let share = units::part(hop.figures.total_ns, whole);
        let overhead = session.stats.overhead_ns((hop.from, hop.to), &prices);
        format!(
            "<tr><th><i class=\"{}\"></i>{}</th>{}<td>{}</td><td class=\"bar\"><i class=\"{}\" style=\"width:{:.1}%\"></i>{}</td></tr>\n",
            class(hop.cause()),
            escape(&session.hop_label((hop.from, hop.to), "→")),
            figures(&hop.figures),
            time(overhead),
            class(hop.cause()),
            share * 100.0,
            escape(&units::share(share))
        )
    };
    let stats = session.stats;
    let sums: [(&str, &Series); 4] = [
        ("end to end", &stats.e2e),
        ("all time in queues", &stats.queue_wait),
        ("all time in transforms", &stats.transform),
        ("sink write", &stats.sink_write),
    ];
    let sum = |(name, series): (&str, &Series)| {
        Some(format!(
            "<tr class=\"sum\"><th>{name}</th>{}<td></td><td></td></tr>\n",
            figures(&series.figures()?)
        ))
    };
    let rows: String = hops.iter().map(row).chain(sums.into_iter().filter_map(sum)).collect();
    format!(
        "<section>\n<h2>Hops</h2>\n<div class=\"wide\"><table>\n<thead><tr><th></th><th>count</th><th>mean</th><th>P50</th><th>P95</th>\
         <th>P99</th><th>max</th><th title=\"what the probes themselves take of it\">probes</th><th>share</th></tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table></div>\n</section>\n"
    )
}

/// Who did the work, hop by hop, where there was more than one.
pub(super) fn tasks(session: &Session<'_>) -> String {
    let mut parts = String::new();
    for hop in session.stats.tasks.hops() {
        let mut tasks = session.stats.tasks.of(hop);
        if tasks.len() < 2 {
            continue;
        }
        let slow = outliers(session.stats, hop, false);
        let is_slow =
            |task: &crate::stats::Task| slow.iter().any(|Outlier { task: other, .. }| other.task == *task);
        tasks.sort_by_key(|task| std::cmp::Reverse(task.whole.p50_ns));
        let rows: String = tasks
            .iter()
            .take(TASKS)
            .map(|task| {
                let mark = if is_slow(&task.task) { " class=\"slow\"" } else { "" };
                format!(
                    "<tr{mark}><th>task {} of process {}</th>{}</tr>\n",
                    task.task.task_id,
                    task.task.pid,
                    figures(&task.whole)
                )
            })
            .collect();
        let more = tasks.len().saturating_sub(TASKS);
        let more = if more > 0 { format!("<p>and {more} more</p>\n") } else { String::new() };
        parts += &format!(
            "<h3>{}</h3>\n<div class=\"wide\"><table>\n<thead><tr><th></th><th>count</th><th>mean</th><th>P50</th><th>P95</th><th>P99</th><th>max</th></tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table></div>\n{more}",
            escape(&session.hop_label(hop, "→"))
        );
    }
    if parts.is_empty() { parts } else { format!("<section>\n<h2>Tasks</h2>\n{parts}</section>\n") }
}

/// What was counted at each stage.
pub(super) fn stages(session: &Session<'_>) -> String {
    let rows: String = session
        .stages
        .iter()
        .map(|row| {
            let numbers: String = [row.sites, row.hits, row.stamps, row.unreadable]
                .into_iter()
                .map(|count| format!("<td>{}</td>", units::count(count)))
                .collect();
            format!(
                "<tr><th><code>{}</code> {}</th>{numbers}</tr>\n",
                escape(&row.code.to_string()),
                escape(row.title())
            )
        })
        .collect();
    format!(
        "<section>\n<h2>Stages</h2>\n<div class=\"wide\"><table>\n<thead><tr><th></th><th>sites</th><th>hits</th><th>stamps</th><th>unreadable keys</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table></div>\n</section>\n"
    )
}

/// The laws, and whether they hold.
pub(super) fn ledger(session: &Session<'_>) -> String {
    let mut lines = String::new();
    for law in session.ledger.laws(session.outcomes) {
        let counted = |name: &str, count: u64| format!("{} {}", units::count(count), escape(name));
        let total: Vec<String> = law.total.iter().map(|(name, count)| counted(name, *count)).collect();
        let parts: Vec<String> = law.parts.iter().map(|(name, count)| counted(name, *count)).collect();
        let equals = if law.holds { "=" } else { "≠" };
        lines += &format!("<p>{} {equals} {}</p>\n", total.join(" + "), parts.join(" + "));
    }
    let balance = match session.ledger.check() {
        Ok(()) => "<p class=\"good\">Every sampled record is accounted for.</p>\n".to_owned(),
        Err(imbalance) => format!("<p class=\"bad\">NOT BALANCED: {}.</p>\n", escape(&imbalance.to_string())),
    };
    format!("<section>\n<h2>Ledger</h2>\n{lines}{balance}</section>\n")
}

/// What it cost, and which probes.
pub(super) fn cost(session: &Session<'_>) -> String {
    let cost = session.cost;
    let measured = &cost.measured;
    let cores =
        |ns: u64| escape(&units::share(units::part(u128::from(ns), u128::from(measured.duration_ns))));
    let target = measured.target_cpu_ns.map_or_else(
        || "CPU time not known".to_owned(),
        |cpu| format!("{} of CPU time, {} of a core", time(cpu), cores(cpu)),
    );
    let hit = cost.probes.iter().filter(|probe| probe.hits.hits > 0);
    let rows: String = hit
        .take(PROBES)
        .map(|probe| {
            format!(
                "<tr><th><code>{}</code></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escape(&probe.hits.site),
                class_name(probe.hits.class),
                units::count(probe.hits.hits),
                time(probe.hits.ns_each),
                time(probe.ns)
            )
        })
        .collect();
    format!(
        "<section>\n<h2>Cost</h2>\n<p>Target: {target}. Probes: {} hits, {}. Agent: {}, {} of a core, {} at most.</p>\n\
         <div class=\"wide\"><table>\n<thead><tr><th>site</th><th>instruction</th><th>hits</th><th>each</th><th>all</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n</section>\n",
        units::count(cost.hits()),
        time(cost.probe_ns_total),
        time(measured.agent_cpu_ns),
        cores(measured.agent_cpu_ns),
        escape(&units::bytes(measured.agent_max_rss_bytes))
    )
}
