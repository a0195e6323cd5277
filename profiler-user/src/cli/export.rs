//! `--export`: from flags and spec to exporters, and what became of the traces.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::output;
use crate::export::settings::Settings;
use crate::export::{Exports, Machine, Notify, Running};
use crate::feed::Sender;
use crate::sink::counts::Counts;

#[derive(Args, Clone, Debug, Default)]
pub(super) struct ExportArgs {
    /// Send the traces to this destination as well; may be given several times, and adds to those of the spec.
    ///
    /// file:DIR?format=jsonl|otlp-json|sttr|ctf, http[s]://HOST/ingest, otlp+http[s]://HOST, otlp+grpc[s]://HOST,
    /// kafka://BROKERS/TOPIC, prometheus://127.0.0.1:9464, graphite://HOST. Options are appended as in ?batch=100&linger=2s; a token is read by
    /// token_file=FILE or token_env=NAME, never from the URL.
    #[arg(long = "export", value_name = "URL")]
    pub(super) exports: Vec<String>,
}

/// Checks all URLs, and opens what they name: before anything is attached, and before rights are given up.
pub(super) fn open(args: &ExportArgs, of_spec: &[String]) -> anyhow::Result<Exports> {
    let parse = |(place, url): (&str, &String)| {
        // The URL as it was given may hold what should not be shown: its place says which one it is.
        Settings::parse(url).with_context(|| place.to_owned())
    };
    let flags = args.exports.iter().map(|url| ("--export", url));
    let tables = of_spec.iter().map(|url| ("[[export]] of the spec", url));
    let settings = flags.chain(tables).map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Exports::open(settings, &machine())?)
}

/// Starts them; the traces of a session go to the senders. `entries` is how many stamps a trace has at most.
pub(super) fn start(exports: Exports, entries: u32) -> anyhow::Result<(Vec<Sender>, Running)> {
    let notify: Notify = Arc::new(|text: &str| output::note(&format!("export: {text}")));
    Ok(exports.start(crate::agent::room_for(entries), &notify)?)
}

/// Says what became of the traces. Whether some were lost.
pub(super) fn conclude(all: &[(String, Counts)]) -> bool {
    for (name, counts) in all {
        output::note(&format!("export: {name}: {counts}"));
        if let Err(imbalance) = counts.check() {
            output::note(&format!("warning: {name}: {imbalance}; please report this"));
        }
    }
    all.iter().any(|(_, counts)| counts.dropped_total() > 0)
}

fn machine() -> Machine {
    let host = crate::agent::host_name();
    let now = jiff::Timestamp::now().as_nanosecond();
    // Different for each session: the time, and the process among those of the same moment.
    let seed = u64::try_from(now & i128::from(u64::MAX)).unwrap_or(0)
        ^ u64::from(std::process::id()).rotate_left(40);
    Machine { host, state: state_folder(), seed }
}

/// Where programs keep what has to last: as systemd, or the user's session, or the system has it.
fn state_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("STATE_DIRECTORY") {
        return Some(folder);
    }
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/stain"));
    }
    let home = || variable("HOME").map(|home| home.join(".local/state"));
    variable("XDG_STATE_HOME").or_else(home).map(|folder| folder.join("stain"))
}
