//! `stain top`: the screen of `attach` over what a collector is sent.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::sync::mpsc;

use super::{output, terminal};
use crate::collector::top::{Link, LinkError, Top};
use crate::export::http::{Protocol, tls_config};
use crate::export::secret::Secret;
use crate::export::settings::TlsFiles;
use crate::export::url::Url;
use crate::feed::{Hub, channel};
use crate::sink::Hurry;
use crate::tui::terminal::{Screen, Source, run as show};
use crate::tui::theme::Theme;

/// Traces that wait for the screen.
const ROOM: usize = 16_384;

/// Where a collector listens unless told otherwise.
const PORT: u16 = 9808;

#[derive(Args, Debug)]
pub(super) struct TopArgs {
    /// The collector.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9808")]
    collector: String,
    /// Job to look at [default: the one with the latest trace].
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// File with the collector's token.
    #[arg(long, value_name = "FILE", conflicts_with = "token_env")]
    token_file: Option<PathBuf>,
    /// Variable of the environment with the collector's token.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// PEM file with the certificates to trust, for https.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Use ASCII characters only.
    #[arg(long)]
    ascii: bool,
}

/// Shows it until the user leaves.
pub(super) fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    if !terminal::can_have_screen() {
        bail!(
            "`stain top` needs a terminal; the collector's page and its API (/api/v1/bottlenecks) tell the same"
        );
    }
    let link = link(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, feed) = channel(ROOM);
    let top = runtime.block_on(Top::open(link, args.job.clone(), Hub::new(vec![sender])));
    let top = top.map_err(|error| refused(&args.collector, &error))?;
    let (session, requests) = mpsc::channel(4);
    let asking = std::thread::Builder::new().name("stain-top".to_owned());
    let asking = asking.spawn(move || runtime.block_on(top.run(requests))).context("cannot start asking")?;
    let screen = Screen {
        source: Source::Session { feed, requests: session, ends_with_it: false, is_remote: true },
        theme: Theme::new(terminal::look(args.ascii)),
        utc_offset_s: terminal::utc_offset_s(),
    };
    let told = show(output::Patient::new(output::stdout()?, Hurry::default()), screen);
    output::let_go();
    // It ends when the screen is gone; a panic has been told by itself.
    let _ = asking.join();
    told.context("the terminal failed")?;
    Ok(ExitCode::SUCCESS)
}

fn refused(collector: &str, error: &LinkError) -> anyhow::Error {
    anyhow::anyhow!("the collector at {collector}: {error}")
}

fn link(args: &TopArgs) -> anyhow::Result<Link> {
    let url = Url::parse(&args.collector).context("--collector")?;
    let tls = match url.scheme.as_str() {
        "http" => None,
        "https" => {
            let files = TlsFiles { ca: args.ca.clone(), ..TlsFiles::default() };
            Some(tls_config(&files, Protocol::Http1)?)
        }
        other => {
            bail!("--collector: `{other}` is not spoken; write http://HOST:{PORT} or https://HOST:{PORT}")
        }
    };
    let token = match (&args.token_file, &args.token_env) {
        (Some(path), _) => Some(Secret::from_file(path)?),
        (None, Some(name)) => Some(Secret::from_variable(name)?),
        (None, None) => None,
    };
    let path = url.path.trim_end_matches('/').to_owned();
    Ok(Link { host: url.host, port: url.port.unwrap_or(PORT), path, token, tls })
}
