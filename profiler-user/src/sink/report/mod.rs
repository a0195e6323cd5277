//! The readable summary of a session: stages, hops, one slow trace, the verdict, the ledger, what it cost.
//!
//! Owns: layout for terminals of 72 columns and more. Refuses: knowing the terminal: width, colour and character set are given, the
//! result is a text.

mod hops;
mod page;
mod tail;
#[cfg(test)]
mod tests;
mod verdict;
mod waterfall;
mod why;

use super::{Session, units};
use page::{Column, Ink, Page};
pub use why::why;

/// How the terminal wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns; less than 72 counts as 72, more than 160 as 160.
    pub width: usize,
    /// Use colours. The caller honours `NO_COLOR` and what is no terminal.
    pub color: bool,
    /// Use ASCII only.
    pub ascii: bool,
}

/// The report as text, every line ended, none longer than the style's width.
#[must_use]
pub fn render(session: &Session<'_>, style: Style) -> String {
    let mut page = Page::new(style);
    heading(session, &mut page);
    verdict::section(session, &mut page);
    why::section(session, &mut page);
    stages(session, &mut page);
    hops::section(session, &mut page);
    hops::record_latency(session, &mut page);
    waterfall::section(session, &mut page);
    tail::changes(session, &mut page);
    tail::ledger(session, &mut page);
    tail::exports(session, &mut page);
    tail::cost(session, &mut page);
    page.into_text()
}

fn heading(session: &Session<'_>, page: &mut Page) {
    let pids: Vec<String> = session.pids.iter().take(8).map(u32::to_string).collect();
    let more =
        if session.pids.len() > 8 { format!(" and {} more", session.pids.len() - 8) } else { String::new() };
    let pids = match session.pids.len() {
        0 => String::new(),
        1 => format!(" (pid {})", pids.join(", ")),
        _ => format!(" (pids {}{more})", pids.join(", ")),
    };
    let rate = session.rate_words();
    let parts = [
        format!("{}{pids}", session.target),
        page.duration(session.duration_ns),
        rate,
        format!("{} traces", units::count(session.stats.traces())),
        format!("ended: {}", session.end),
    ];
    page.list("", &parts, page.glyphs().separator, Ink::Bold);
}

fn stages(session: &Session<'_>, page: &mut Page) {
    if session.stages.is_empty() {
        return;
    }
    page.title("Stages");
    let labels: Vec<String> =
        session.stages.iter().map(|row| format!("{:<5}{}", row.code, row.title())).collect();
    let numbers = [Column::Number(8), Column::Number(15), Column::Number(11), Column::Number(17)];
    let columns = page.table(&labels, &numbers);
    page.row(&columns, &["stage", "sites", "hits", "stamps", "unreadable keys"], Ink::Dim);
    for (row, label) in session.stages.iter().zip(&labels) {
        let unreadable =
            if row.unreadable == 0 { page.glyphs().none.to_owned() } else { units::count(row.unreadable) };
        let [sites, hits, stamps] = [row.sites, row.hits, row.stamps].map(units::count);
        let ink = if row.hits == 0 { Ink::Warn } else { Ink::Plain };
        page.row(&columns, &[label, &sites, &hits, &stamps, &unreadable], ink);
    }
}
