//! The end of the report: the ledger with its laws, and what the profiling cost.

use super::page::{Column, GLUE, Ink, Page};
use crate::ledger::JourneyBounds;
use crate::sink::{Session, units};
use crate::stats::Cost;
use crate::stats::cost::class_name;

/// Probes listed at most, the dearest ones.
const PROBES: usize = 8;

/// What was changed while it ran.
pub(super) fn changes(session: &Session<'_>, page: &mut Page) {
    let changes = session.told_changes();
    if changes.last.is_empty() {
        return;
    }
    page.title("Changes");
    if changes.earlier > 0 {
        page.line(&format!(
            "  {} {} earlier ones",
            page.glyphs().ellipsis,
            units::count(changes.earlier as u64)
        ));
    }
    for (since_ns, text) in &changes.last {
        let lead = format!("  after {:<8}  ", page.duration(*since_ns));
        page.wrapped(&lead, text, Ink::Plain);
    }
}

/// The two laws with their numbers, and whether they hold.
pub(super) fn ledger(session: &Session<'_>, page: &mut Page) {
    let ledger = session.ledger;
    page.title("Ledger");
    for law in ledger.laws(session.outcomes) {
        let parts: Vec<String> =
            law.parts.iter().map(|(name, count)| format!("{} {name}", units::count(*count))).collect();
        let equals = if law.holds { "=" } else { page.glyphs().not_equal };
        let total: Vec<String> =
            law.total.iter().map(|(name, count)| format!("{} {name}", units::count(*count))).collect();
        let lead = format!("  {} {equals} ", total.join(" + "));
        page.list(&lead, &parts, &format!(" +{GLUE}"), Ink::Plain);
    }
    match ledger.check() {
        Ok(()) => page.wrapped("  ", "Every sampled record is accounted for.", Ink::Good),
        Err(imbalance) => page.wrapped("  ", &format!("NOT BALANCED: {imbalance}."), Ink::Bad),
    }
    let mut note = |count: u64, text: &str| {
        if count > 0 {
            page.wrapped("  ! ", &format!("{} {text}", units::count(count)), Ink::Warn);
        }
    };
    note(ledger.key_unreadable, "hits with a key that could not be read");
    note(ledger.tasks_full, "records not counted because the table of source tasks was full");
    note(ledger.entry_unseen, "returns of calls whose entry was not seen");
    for (count, text) in journey_notes(&ledger.journeys) {
        note(count, text);
    }
}

/// What bounds of journeys refused, and scopes that were left. None of it is missing in the sums.
fn journey_notes(bounds: &JourneyBounds) -> [(u64, &'static str); 10] {
    let JourneyBounds {
        branches_full,
        branches_refused,
        keys_full,
        keys_refused,
        scopes_full,
        scopes_left,
        batches_full,
        members_full,
        attributes_full,
        attributes_unreadable,
    } = *bounds;
    [
        (
            branches_full,
            "outputs became no branch: too many of one record, or too deep; raise max_branches_per_trace",
        ),
        (
            branches_refused,
            "outputs became no branch because no slot was free, or their key was just being ended",
        ),
        (
            keys_full,
            "further keys were not bound because their trace had its bound of them; raise max_keys_per_trace",
        ),
        (keys_refused, "further keys were not bound because the table was full, or the key just being ended"),
        (scopes_full, "scopes were not opened because their thread had its bound of them"),
        (scopes_left, "scopes were left without their close, by an exception or a jump"),
        (batches_full, "records were put into a batch that was one too many to be known; raise max_batches"),
        (
            members_full,
            "sampled records were put into a batch that had its bound of sampled members; raise max_batch_members",
        ),
        (
            attributes_full,
            "attributes were not kept because their trace had its bound of them; raise max_attributes_per_trace",
        ),
        (attributes_unreadable, "attributes could not be read"),
    ]
}

/// CPU time of target and agent, and the probes' part of it.
/// What became of the traces at each destination.
pub(super) fn exports(session: &Session<'_>, page: &mut Page) {
    if session.exports.is_empty() {
        return;
    }
    page.title("Exports");
    for (name, counts) in session.exports {
        page.wrapped("  ", &format!("{name}: {counts}"), Ink::Plain);
        if let Err(imbalance) = counts.check() {
            page.wrapped("  ", &format!("NOT BALANCED: {imbalance}."), Ink::Bad);
        }
    }
}

pub(super) fn cost(session: &Session<'_>, page: &mut Page) {
    let cost = session.cost;
    page.title("Cost");
    let target = target(cost, page);
    page.wrapped("  target  ", &target, Ink::Plain);
    let probes = probes(cost, page);
    page.wrapped("  probes  ", &probes, Ink::Plain);
    let agent = agent(cost, page);
    page.wrapped("  agent   ", &agent, Ink::Plain);
    let hit: Vec<_> = cost.probes.iter().filter(|probe| probe.hits.hits > 0).collect();
    if hit.is_empty() {
        return;
    }
    let labels: Vec<String> = hit.iter().take(PROBES).map(|probe| probe.hits.site.clone()).collect();
    let mut columns = page
        .table(&labels, &[Column::Number(15), Column::Number(15), Column::Number(10), Column::Number(10)]);
    if let Some(first) = columns.first_mut() {
        *first = Column::Path(first.width());
    }
    page.line("");
    page.row(&columns, &["site", "instruction", "hits", "each", "all"], Ink::Dim);
    for probe in hit.iter().take(PROBES) {
        let [each, all] = [probe.hits.ns_each, probe.ns].map(|ns| page.duration(ns));
        let cells = [
            probe.hits.site.as_str(),
            class_name(probe.hits.class),
            &units::count(probe.hits.hits),
            &each,
            &all,
        ];
        page.row(&columns, &cells, Ink::Plain);
    }
    if hit.len() > PROBES {
        page.line(&format!("  {} {} cheaper sites", page.glyphs().ellipsis, hit.len() - PROBES));
    }
}

fn target(cost: &Cost, page: &Page) -> String {
    let measured = &cost.measured;
    let Some(cpu) = measured.target_cpu_ns else {
        return "CPU time not known".to_owned();
    };
    let cores = units::share(units::part(u128::from(cpu), u128::from(measured.duration_ns)));
    let mut text = format!("{} CPU ({cores} of a core)", page.duration(cpu));
    if let Some(switches) = measured.target_context_switches {
        text += &format!(", {} context switches", units::count(switches));
    }
    if let (Some(cycles), Some(instructions)) = (measured.target_cycles, measured.target_instructions) {
        let each = units::part(u128::from(instructions), u128::from(cycles));
        text += &format!(", about {} cycles, {each:.2} instructions a cycle", units::short_count(cycles));
    }
    text
}

fn probes(cost: &Cost, page: &Page) -> String {
    let total = page.duration(cost.probe_ns_total);
    let hits = units::count(cost.hits());
    let times = page.glyphs().times;
    match cost.share_of_target_cpu {
        Some(share) => format!(
            "{hits} hits {times} calibrated price = {total}, {} of the target's CPU time",
            units::share(share)
        ),
        None => format!("{hits} hits {times} calibrated price = {total}"),
    }
}

fn agent(cost: &Cost, page: &Page) -> String {
    let measured = &cost.measured;
    let cores =
        units::share(units::part(u128::from(measured.agent_cpu_ns), u128::from(measured.duration_ns)));
    let memory = units::bytes(measured.agent_max_rss_bytes);
    format!("{} CPU ({cores} of a core), {memory} memory at most", page.duration(measured.agent_cpu_ns))
}
