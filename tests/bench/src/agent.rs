//! What the agent itself takes: processor time and memory.
//!
//! Owns: two loads, the default budget and two hundred times as much, on a pipeline at full speed; read from outside and from the
//! agent's own account.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use stain_tests::pipeline::Pipeline;
use stain_tests::specs::{self, Spec};
use stain_tests::targets::Flavour;
use tempfile::TempDir;

use crate::attached::Attached;
use crate::table::{Aim, Row, Table};

const SECONDS: u64 = 10;
const LIMIT: Duration = Duration::from_secs(40);
const MIB: f64 = (1 << 20) as f64;

/// What one run took.
pub(crate) struct Use {
    pub(crate) traces_per_second: f64,
    /// Percent of one core, while the pipeline ran.
    pub(crate) running: f64,
    /// Attaching, ms of processor time.
    attach_ms: f64,
    /// By the agent's own account, ms of processor time in all.
    own_ms: f64,
    pub(crate) peak_mib: f64,
    own_peak_mib: f64,
}

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let default = measure(1000, 50, &[])?;
    let heavy = measure(10, 10_000, &[])?;
    let mut modest = table("at the default budget of 50 traces/s", &default);
    modest.aims.push(Aim::at_most("processor time", default.running, 1.0, " % of a core"));
    modest.aims.push(Aim::at_most("memory", default.peak_mib, 30.0, " MiB"));
    Ok(vec![modest, table("at a budget of 10,000 traces/s", &heavy)])
}

/// One run of the pipeline, with these exports besides the JSON lines.
pub(crate) fn measure(rate: u64, budget: u64, exports: &[String]) -> Result<Use> {
    let folder = TempDir::new()?;
    let mut pipeline = pipeline(folder.path())?;
    let output = folder.path().join("traces.jsonl");
    let output_path = output.to_str().context("an odd temporary folder")?;
    let mut arguments = vec!["--format", "jsonl", "-o", output_path];
    arguments.extend(exports.iter().flat_map(|url| ["--export", url]));
    let spec = spec(rate, budget).toml();
    let agent = Attached::start(pipeline.pid(), &spec, folder.path(), &arguments)?;
    let attach_ns = agent.cpu_ns()?;
    pipeline.go()?;
    let totals = pipeline.totals(LIMIT)?;
    let running_ns = agent.cpu_ns()? - attach_ns;
    let peak_bytes = agent.peak_bytes()?;
    agent.stop()?;
    pipeline.finish(LIMIT)?;
    let (written, cost) = summary(&output)?;
    let number = |name: &str| cost.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    Ok(Use {
        traces_per_second: written * 1e9 / totals.elapsed_ns as f64,
        running: running_ns as f64 * 100.0 / totals.elapsed_ns as f64,
        attach_ms: attach_ns as f64 / 1e6,
        own_ms: number("agent_cpu_ns") / 1e6,
        peak_mib: peak_bytes as f64 / MIB,
        own_peak_mib: number("agent_max_rss_bytes") / MIB,
    })
}

/// A pipeline at full speed, every record's transform busy for two microseconds. The truth log of the tests is there, but logs no
/// record.
fn pipeline(folder: &Path) -> Result<Pipeline> {
    let seconds = SECONDS.to_string();
    let mut arguments = vec!["--records", "0", "--seconds", &seconds, "--work", "2000", "--reuse", "owner"];
    arguments.extend(["--truth-sample", "1000000000000"]);
    Pipeline::start(Flavour::C, &arguments, folder)
}

/// Its six stages, without the drop point, with the default number of open traces.
fn spec(rate: u64, budget: u64) -> Spec {
    Spec { budget, max_open: 4096, ..specs::every(Flavour::C, rate).without_drop() }
}

/// Written traces and the cost, from the last line of the agent's output.
fn summary(output: &Path) -> Result<(f64, Value)> {
    let text = std::fs::read_to_string(output)?;
    let last: Value = serde_json::from_str(text.lines().last().context("the agent wrote nothing")?)?;
    let summary = last.get("summary").context("no summary")?;
    let written = summary.pointer("/ledger/written").and_then(Value::as_f64).context("no ledger")?;
    Ok((written, summary.get("cost").context("no cost")?.clone()))
}

fn table(load: &str, found: &Use) -> Table {
    let Use { traces_per_second, running, attach_ms, own_ms, peak_mib, own_peak_mib } = found;
    Table {
        title: format!("the agent {load}, writing JSON lines to a file, {SECONDS} s"),
        rows: vec![
            Row::new("traces", *traces_per_second, "traces/s"),
            Row::new("processor time while the pipeline ran", *running, "% of a core"),
            Row::new("processor time to attach", *attach_ms, "ms"),
            Row::new("processor time in all, by its own account", *own_ms, "ms"),
            Row::new("largest resident memory", *peak_mib, "MiB"),
            Row::new("the same by its own account", *own_peak_mib, "MiB"),
        ],
        ..Table::default()
    }
}
