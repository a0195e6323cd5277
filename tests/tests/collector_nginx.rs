//! nginx under load, the agent on it, the collector behind that: API and page tell what the agent's own summary tells.

use anyhow::{Result, ensure};
use stain_tests::collector::Collector;
use stain_tests::nginx::{self, Site};
use stain_tests::run::{LONG, turn};
use stain_tests::stain::Agent;
use stain_tests::tally::privileged;
use stain_tests::{agreed, browser, fields, ledger, shipped};

/// Requests of which one is traced.
const RATE: &str = "20";

#[test]
fn api_and_page_tell_the_percentiles_of_the_agent_on_nginx() -> Result<()> {
    let gate = privileged("collector_nginx::api_and_page_tell_the_percentiles_of_the_agent_on_nginx");
    let gate = gate.program("nginx", nginx::PROGRAM).program("wrk", "/usr/bin/wrk");
    if !gate.program("chromium", browser::PROGRAM).open() {
        return Ok(());
    }
    let _turn = turn()?;
    let site = Site::spread(2)?;
    let collector = Collector::start(site.folder(), &[])?;
    let nginx = site.start()?;
    let url = format!(
        "http://{}/ingest?payload=nano&job=88&flush=60s&spool={}",
        collector.address(),
        site.folder().join("spool").display()
    );
    let exe = site.binary().to_string_lossy().into_owned();
    let flags = ["--exe", &*exe, "--rate", RATE, "--budget", "0", "--export", &url];
    let mut agent = Agent::launch(&shipped::spec("nginx-journeys.toml"), &flags, site.folder(), "agent")?;
    for pid in nginx.processes() {
        agent.has_attached_to(pid)?;
    }
    // Sub-requests, redirects and plain ones, each as fast as it goes.
    for path in ["/ssi/1", "/auth/1", "/ok/1"] {
        let load = nginx::wrk(&site.url(path), 8, 1)?;
        ensure!(load.errors.is_empty() && load.requests > 100, "{path}: {load:?}");
    }
    let attached = agent.stop(LONG)?;
    let (report, summary) = (&attached.report, &attached.report.summary);
    ensure!(ledger::check(report).is_empty(), "{summary}");
    ensure!(report.traces.len() > 100, "{} journeys", report.traces.len());

    let given = fields::of_lines(&std::fs::read_to_string(site.folder().join("agent.jsonl"))?)?;
    let list = collector.all_of("88")?;
    ensure!(list.len() == given.len(), "{} of {} journeys are there", list.len(), given.len());
    agreed::percentiles(&collector, "88", summary)?;
    agreed::verdict(&collector, "88", summary)?;
    let page = browser::open(&format!("http://{}/#job=88&live=no", collector.address()), (1240, 2200))?;
    ensure!(page.complaints.is_empty(), "{:?}", page.complaints);
    agreed::shown_on_the_page(&page.elements, summary)?;
    ensure!(nginx.workers().len() == 2, "a worker is gone");
    Ok(())
}
