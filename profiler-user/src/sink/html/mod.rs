//! The report as one page of HTML that opens offline: verdict, figures, durations over time, heat map, slow traces stamp by stamp, ledger, cost.
//!
//! Owns: the page, and that nothing in it comes from elsewhere: no script, style, font or image is fetched, and a policy in its head forbids it. Tables
//! are plain HTML and can be read without scripts; the plots are drawn by the page's own script from the numbers that it carries.
//! Refuses: trusting names. They come from the target, and are escaped wherever they stand.

mod data;
mod escape;
mod tables;
#[cfg(test)]
mod tests;

use escape::escape;

use super::{Session, units};
use crate::feed::Clock;
use crate::verdict::words::{Speech, caution, details, headline};
use crate::verdict::{Hop, of_session};

/// The look of every page.
pub const STYLE: &str = include_str!("page.css");
/// What every page draws with.
pub const PLOT: &str = include_str!("plot.js");
const SCRIPT: &str = include_str!("page.js");

/// The page. `began` is the session's beginning, where it is known.
#[must_use]
pub fn render(session: &Session<'_>, began: Option<Clock>) -> String {
    let title = escape(&format!("{} - stain", session.target));
    let data = data::json(session);
    let body = [
        head(session, began),
        verdict(session),
        tables::cards(session),
        tables::flow(session),
        plots(session),
        tables::hops(session),
        traces(session),
        tables::tasks(session),
        tables::stages(session),
        tables::ledger(session),
        tables::cost(session),
    ]
    .concat();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n<div id=\"tip\" hidden></div>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{PLOT}{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn head(session: &Session<'_>, began: Option<Clock>) -> String {
    let pids: Vec<String> = session.pids.iter().take(8).map(u32::to_string).collect();
    let more =
        if session.pids.len() > 8 { format!(" and {} more", session.pids.len() - 8) } else { String::new() };
    let when = began.and_then(|clock| jiff::Timestamp::from_nanosecond(i128::from(clock.wall_ns)).ok());
    let mut facts: Vec<String> = when.map(|when| format!("{when:.0}")).into_iter().collect();
    facts.push(units::duration(session.duration_ns, false));
    facts.push(format!("process {}{more}", pids.join(", ")));
    facts.push(session.rate_words());
    facts.push(format!("{} traces", units::count(session.stats.traces())));
    facts.push(format!("ended: {}", session.end));
    let facts: Vec<String> = facts.iter().map(|fact| format!("<span>{}</span>", escape(fact))).collect();
    format!(
        "<header>\n<h1>{}</h1>\n<p class=\"facts\">{}</p>\n</header>\n",
        escape(session.target),
        facts.concat()
    )
}

fn verdict(session: &Session<'_>) -> String {
    let caution = caution(session.cost.share_of_target_cpu);
    let caution =
        caution.map_or_else(String::new, |text| format!("<p class=\"caution\">{}</p>\n", escape(&text)));
    let Some(verdict) = of_session(session) else {
        return format!(
            "<section class=\"verdict\">{caution}<p>No record took any time: see the ledger.</p></section>\n"
        );
    };
    let label = |hop: Hop| session.hop_label(hop, "→");
    let speech = Speech { hop: &label, ascii: false };
    let class = verdict.class.name().replace(' ', "-");
    let more: Vec<String> =
        details(&verdict, &speech).iter().map(|sentence| format!("<li>{}</li>", escape(sentence))).collect();
    format!(
        "<section class=\"verdict {class}\">\n{caution}<p class=\"class\">{}</p>\n<h2>{}</h2>\n<ul>{}</ul>\n</section>\n",
        escape(verdict.class.name()),
        escape(&headline(&verdict, &speech)),
        more.concat()
    )
}

/// Where the script draws.
fn plots(session: &Session<'_>) -> String {
    if session.stats.windows.span_ns().is_none() {
        return String::new();
    }
    "<section>\n<div class=\"row\"><h2>Over time</h2><label>of <select id=\"subject\"></select></label></div>\n\
     <h3>Percentiles</h3>\n<div id=\"course\" class=\"plot\"></div>\n<h3>Every journey</h3>\n<div id=\"heat\" class=\"plot\"></div>\n\
     <noscript><p>The plots need scripts; the page fetches none.</p></noscript>\n</section>\n"
        .to_owned()
}

fn traces(session: &Session<'_>) -> String {
    let keep = &session.stats.keep;
    if keep.slowest().is_empty() && keep.latest().next().is_none() {
        return String::new();
    }
    let title = if keep.slowest().is_empty() { "Latest traces" } else { "Slowest traces" };
    format!(
        "<section>\n<h2>{title}</h2>\n<div class=\"split\"><div id=\"traces\"></div><div id=\"waterfall\" class=\"plot\"></div></div>\n</section>\n"
    )
}
