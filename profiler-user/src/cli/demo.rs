//! `stain demo`, and the pipeline that it attaches to.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::args::DemoArgs;
use super::attach::{self, Ui};
use super::{logger, terminal};
use crate::agent::Options;
use crate::demo::{DemoProcess, SPEC, SPEC_NAME, pipeline};
use crate::export::Exports;
use crate::spec::{self, Overrides};

/// How long it is watched for a report.
const DURATION: Duration = Duration::from_secs(8);

/// Starts the pipeline, attaches to it, and ends it.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    logger::init(None);
    let process = DemoProcess::start(&[])?;
    let overrides =
        Overrides { pids: vec![process.pid()], rate: args.rate, budget: args.budget, ..Overrides::default() };
    let spec = spec::load(Some((SPEC_NAME, SPEC)), &overrides)?;
    let known = attach::calibrated();
    let ui = if args.tui && terminal::can_have_screen() { Ui::Screen } else { Ui::Messages };
    let duration = args.duration.or((ui == Ui::Messages).then_some(DURATION));
    let options = Options { duration, log_level: 0, backend: None, costs: known.costs, control: true };
    let code = attach::session(spec, known.kernel, options, &args.output, Exports::default(), ui)?;
    process.finish()?;
    Ok(code)
}

/// The pipeline itself, in the process that [`run`] starts.
pub(super) fn pipeline(options: &pipeline::Options) -> anyhow::Result<ExitCode> {
    pipeline::run(options).context("the demo's pipeline")?;
    Ok(ExitCode::SUCCESS)
}
