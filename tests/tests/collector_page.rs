//! What people see of a collector: its page in a real browser, and `stain top` in a real terminal, both over the traces of a live agent.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use stain_tests::collector::Collector;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::screen::{self, Screen};
use stain_tests::stain::{self, Agent};
use stain_tests::tally::{privileged, unprivileged};
use stain_tests::targets::Flavour;
use stain_tests::{browser, hour, specs};

const RECORDS: &str = "60000";
const TRACES: u64 = 600;

/// Traces six hundred records of a pipeline, and sends them to a collector.
fn fill(collector: &Collector, folder: &Path) -> Result<()> {
    let url = format!(
        "http://{}/ingest?payload=nano&batch=50&flush=30s&spool={}",
        collector.address(),
        folder.join("spool").display()
    );
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", RECORDS], folder)?;
    let spec = specs::every(Flavour::C, 100).toml();
    let agent = Agent::attach(pipeline.pid(), &spec, &["--export", &url], folder, "agent")?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    agent.stop(LONG)?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    Ok(())
}

#[test]
fn the_page_shows_verdict_plots_traces_and_agents() -> Result<()> {
    if !privileged("collector_page::the_page_shows_verdict_plots_traces_and_agents")
        .program("chromium", browser::PROGRAM)
        .open()
    {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let collector = Collector::start(folder.path(), &[])?;
    // A stream that goes on would hold up the browser's own clock.
    let address = format!("http://{}/#live=no", collector.address());
    // One without a trace is a page, too.
    let empty = browser::open(&address, (1240, 2200))?;
    ensure!(empty.complaints.is_empty(), "{:?}", empty.complaints);
    ensure!(empty.elements.contains("No journey in this time."), "{}", empty.elements);
    fill(&collector, folder.path())?;
    let page = browser::open(&address, (1240, 2200))?;
    ensure!(page.complaints.is_empty(), "{:?}", page.complaints);
    let shown = &page.elements;
    let sentence = collector.json("/api/v1/bottlenecks")?["sentence"].as_str().unwrap_or_default().to_owned();
    let total = format!("{TRACES} in this time");
    let escaped = sentence.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for wanted in [&*escaped, &*total, "P99", "end to end", "its end", "task ", "written after"] {
        ensure!(!wanted.is_empty() && shown.contains(wanted), "no {wanted:?} in {shown}");
    }
    for (plot, parts) in [("id=\"course\"", "<path"), ("id=\"heat\"", "<rect"), ("id=\"waterfall\"", "<rect")]
    {
        let drawn = shown.split(plot).nth(1).unwrap_or_default();
        ensure!(
            drawn.split("</svg>").next().is_some_and(|svg| svg.contains(parts)),
            "nothing in {plot}: {shown}"
        );
    }
    let picture = folder.path().join("page.png");
    browser::picture(&address, (1240, 2200), &picture)?;
    ensure!(collector.stop()?.status.success());
    Ok(())
}

#[test]
fn top_shows_traces_as_they_come_and_tells_whom_it_cannot_ask() -> Result<()> {
    if !privileged("collector_page::top_shows_traces_as_they_come_and_tells_whom_it_cannot_ask")
        .program("tmux", screen::PROGRAM)
        .open()
    {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let collector = Collector::start(folder.path(), &[])?;
    let command = format!("{} top --collector http://{}", stain::binary()?.display(), collector.address());
    let mut screen = Screen::start(&command, "-u NO_COLOR LC_ALL=C.UTF-8", (120, 40))?;
    screen.shows_all(&["live"])?;
    fill(&collector, folder.path())?;
    screen.shows_all(&["end to end", "Q+", "W!"])?;
    screen.press(&["q"])?;
    screen.ends(0)?;
    // Who cannot be reached is told, and so is a collector that does not know the job.
    let mut screen = Screen::start(&format!("{command} --job none"), "LC_ALL=C.UTF-8", (120, 40))?;
    ensure!(screen.ends(1)?.contains("it has no trace of job none"));
    ensure!(collector.stop()?.status.success());
    let mut screen = Screen::start(&command, "LC_ALL=C.UTF-8", (120, 40))?;
    ensure!(screen.ends(1)?.contains("no connection to 127.0.0.1:"));
    Ok(())
}

/// Where pictures go, if anybody wants to look at them: `docs/pictures` has some of them.
const PICTURES: &str = "STAIN_PICTURES";

/// The count of a series of the statistics.
fn counted(stats: &serde_json::Value, hop: &str) -> Result<u64> {
    let series = stats["series"].as_array().context("no series")?;
    let found =
        series.iter().find(|one| one["hop"] == hop).with_context(|| format!("no {hop} in {stats}"))?;
    found["total"]["count"].as_u64().context("no count")
}

#[test]
fn an_hour_of_branches_crossings_and_losses_is_shown() -> Result<()> {
    if !unprivileged("collector_page::an_hour_of_branches_crossings_and_losses_is_shown")
        .program("chromium", browser::PROGRAM)
        .open()
    {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let collector = Collector::start(folder.path(), &[])?;
    hour::fill(&collector)?;
    // Spans of a branch begin where it left its record: what is before that counts once, and its time from end to end is whole.
    let (records, split) = (hour::RECORDS, hour::RECORDS / hour::SPLIT);
    let stats = collector.json("/api/v1/stats?jobId=orders")?;
    for (hop, count) in [
        ("accept -> push", records),
        ("pop -> parse", records),
        ("parse -> parsed", records + split),
        ("end to end", records + split),
    ] {
        ensure!(counted(&stats, hop)? == count, "{hop}: {count} wanted, {stats}");
    }
    let trace = collector.json("/api/v1/traces/1?jobId=orders")?;
    let branches = trace["branches"].as_array().context("no branches")?;
    for branch in branches {
        let count = branch["entries"].as_array().map(Vec::len);
        ensure!(count == Some(6) && branch["shared"] == 4 && branch["parent"] == "0", "{branch}");
    }
    ensure!(branches.len() == 2 && trace["trace"]["outcome"] == "split", "{trace}");
    // The order is that of the stages, though the other machine's clock is behind.
    let stats = collector.json("/api/v1/stats?jobId=billing")?;
    ensure!(counted(&stats, "send -> receive")? == hour::CROSSINGS, "{stats}");
    ensure!(counted(&stats, "end to end")? == hour::CROSSINGS, "{stats}");
    let trace = collector.json("/api/v1/traces/100000?jobId=billing")?;
    let suspect: Vec<bool> = trace["entries"]
        .as_array()
        .context("no entries")?
        .iter()
        .map(|entry| entry["clockSuspect"] == true)
        .collect();
    ensure!(suspect == [false, false, true, false] && trace["order"] == "stages", "{trace}");
    ensure!(trace["clocks"][0]["basis"] == "one way", "{trace}");

    let pictures = std::env::var_os(PICTURES).map_or_else(|| folder.path().to_owned(), Into::into);
    std::fs::create_dir_all(&pictures)?;
    let address = |rest: &str| format!("http://{}/#live=no&{rest}", collector.address());
    for (name, rest, size) in [
        ("collector", "job=orders", (1280, 1240)),
        ("collector-traces", "job=orders&f.outcome=split&group=host", (1280, 2700)),
        ("collector-narrow", "job=billing&span=3600", (480, 3400)),
    ] {
        let page = browser::open(&address(rest), size)?;
        ensure!(page.complaints.is_empty(), "{name}: {:?}", page.complaints);
        for wanted in ["written after", "lost on the way", "web3 5002"] {
            let is_there = page.elements.contains(wanted) || name != "collector";
            ensure!(is_there, "{name}: no {wanted:?} in {}", page.elements);
        }
        browser::picture(&address(rest), size, &pictures.join(format!("{name}.png")))?;
    }
    ensure!(collector.stop()?.status.success());
    Ok(())
}
