//! `stain attach`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::args::{AttachArgs, Format, LogLevel, OutputArgs};
use super::doctor::OURSELVES;
use super::observer::{Silent, Stderr};
use super::recording::Recording;
use super::screen::{self, Shown};
use super::{export, logger, output, privileges, signals, spec, terminal};
use crate::agent::{self, AgentError, End, Finished, Observer, Options, Outlets, Resolver};
use crate::calibrate::{Calibrated, calibrate};
use crate::export::Exports;
use crate::plan::KernelTraits;
use crate::sink::jsonl::JsonLines;
use crate::sink::{Hurry, Names, Sink, SinkCounts, SinkError, report};
use crate::spec::{Spec, Stage};

/// Attaches, and reports.
pub(super) fn run(args: &AttachArgs) -> anyhow::Result<ExitCode> {
    let spec = spec::of(&args.source)?;
    let level = args.bpf_log.map(LogLevel::level);
    logger::init(level);
    let known = if args.no_calibration { Calibrated::assumed() } else { calibrated() };
    let options = Options {
        duration: args.duration,
        log_level: level.map_or(0, |level| level as u8),
        backend: args.backend.backend(),
        costs: known.costs,
        control: !args.no_control,
    };
    let ui = match () {
        () if args.ui.headless => Ui::Headless,
        () if screen::is_wanted(&args.ui, &args.output) => Ui::Screen,
        () => Ui::Messages,
    };
    let exports = export::open(&args.export, &spec.exports)?;
    session(spec, known.kernel, options, &args.output, exports, ui)
}

/// What the user sees while a session runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ui {
    /// The terminal UI.
    Screen,
    /// Messages and a line of progress; the report at the end.
    Messages,
    /// Messages.
    Headless,
}

/// What probes cost here. Without privileges that cannot be known, and attaching will say why.
pub(super) fn calibrated() -> Calibrated {
    calibrate(Path::new(OURSELVES)).unwrap_or_else(|error| {
        log::info!("{error}; assuming the costs of another machine");
        Calibrated::assumed()
    })
}

/// One session from a good spec to its report.
pub(super) fn session(
    spec: Spec,
    kernel: KernelTraits,
    options: Options,
    out: &OutputArgs,
    exports: Exports,
    ui: Ui,
) -> anyhow::Result<ExitCode> {
    let writer = Destination::open(out)?;
    privileges::raise_open_files();
    privileges::narrow(options.backend);
    let names = Names {
        stages: spec.stages.iter().map(|stage| stage.name.clone()).collect(),
        attributes: spec.stages.iter().map(attribute_names).collect(),
        outcomes: spec.outcomes.clone(),
    };
    let (sink, text) = match out.format.unwrap_or(Format::Text) {
        Format::Jsonl => {
            let lines = JsonLines::new(writer.out, writer.name, names).with_hurry(writer.hurry);
            let sink: Box<dyn Sink + Send> = Box::new(lines);
            (Some(sink), None)
        }
        Format::Text if ui == Ui::Headless && out.output.is_none() => (None, None),
        Format::Text => (None, Some(writer)),
    };
    let mut outlets = Outlets { sink, ..Outlets::default() };
    let recording = out.record.as_deref().map(Recording::start).transpose()?.map(|(recording, sender)| {
        outlets.hub.add(sender);
        recording
    });
    let (senders, exports) = export::start(exports, spec.sampling.max_entries_per_trace)?;
    senders.into_iter().for_each(|sender| outlets.hub.add(sender));
    let shown = match ui {
        Ui::Screen => {
            let (shown, ends) = Shown::start(out, options.duration.is_some())?;
            outlets.hub.add(ends.feed);
            outlets.screen = Some(ends.requests);
            Some(shown)
        }
        Ui::Messages | Ui::Headless => None,
    };
    let finished = watch(spec, kernel, options, outlets, ui)?;
    match shown {
        Some(shown) => shown.finish(!matches!(&finished, Ok(finished) if finished.end == End::TargetExit))?,
        // All probes are gone. Whoever does not want to wait for the output ends it by one more Ctrl-C.
        None => signals::restore(),
    }
    let lacks = recording.is_some_and(Recording::finish);
    let exported = exports.finish();
    let lacks = export::conclude(&exported) || lacks;
    let mut finished = finished?;
    finished.exports = exported;
    let code = deliver(finished, text, out)?;
    Ok(if lacks { ExitCode::FAILURE } else { code })
}

fn attribute_names(stage: &Stage) -> Vec<String> {
    stage.attributes.iter().map(|attribute| attribute.name.clone()).collect()
}

/// Runs the session.
fn watch(
    spec: Spec,
    kernel: KernelTraits,
    options: Options,
    outlets: Outlets,
    ui: Ui,
) -> anyhow::Result<Result<Finished, AgentError>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let run = |observer: &mut dyn Observer| {
        runtime.block_on(agent::run(spec, Resolver::new(kernel), options, outlets, observer))
    };
    if ui == Ui::Screen {
        return Ok(run(&mut Silent));
    }
    let mut observer = if ui == Ui::Headless { Stderr::without_progress() } else { Stderr::new() };
    let finished = run(&mut observer);
    observer.clear();
    Ok(finished)
}

/// Where results go.
struct Destination {
    out: output::Patient,
    name: String,
    hurry: Hurry,
}

impl Destination {
    fn open(out: &OutputArgs) -> anyhow::Result<Self> {
        let hurry = Hurry::default();
        let (out, name) = match &out.output {
            Some(path) => {
                let file = output::Patient::new(output::create(path)?, hurry.clone());
                (file.overwriting(), path.display().to_string())
            }
            None => (output::Patient::new(output::stdout()?, hurry.clone()), "standard output".to_owned()),
        };
        Ok(Self { out, name, hurry })
    }
}

fn deliver(mut finished: Finished, text: Option<Destination>, out: &OutputArgs) -> anyhow::Result<ExitCode> {
    let sink = finished.sink.take();
    let session = finished.session();
    // A report on nothing would only mislead.
    if let Some(mut text) = text.filter(|_| !finished.pids.is_empty()) {
        let page = report::render(&session, terminal::style(out.output.is_some(), out.ascii));
        let written = text.out.write_all(page.as_bytes()).and_then(|()| text.out.flush());
        ignore_closed(written).with_context(|| format!("cannot write to {}", text.name))?;
    }
    let failed = conclude(&finished, sink);
    if finished.pids.is_empty() {
        let why = match &finished.why_not {
            Some(why) => format!("error: nothing was attached to, though {} runs: {why}", finished.target),
            None => format!("error: nothing was attached to: {} did not run", finished.target),
        };
        output::note(&why);
        return Ok(ExitCode::FAILURE);
    }
    if let Err(imbalance) = finished.ledger.check() {
        output::note(&format!("warning: the ledger does not balance: {imbalance}; please report this"));
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A reader that has seen enough is no error.
fn ignore_closed(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Gives the sink its summary, and says what did not arrive. Whether something did not.
fn conclude(finished: &Finished, sink: Option<Box<dyn Sink + Send>>) -> bool {
    let summary = match (&finished.sink_error, sink) {
        (None, Some(mut sink)) => sink.finish(&finished.session()).err(),
        _ => None,
    };
    let error = finished.sink_error.as_ref().or(summary.as_ref());
    if error.is_some_and(is_closed_pipe) {
        return false;
    }
    if let Some(error) = error {
        output::note(&format!("error: {error}"));
    }
    let SinkCounts { received, dropped, .. } = finished.delivery;
    if dropped > 0 {
        let why = if error.is_none() { ": the output took them too slowly" } else { "" };
        output::note(&format!("warning: {dropped} of {received} traces were not written{why}"));
    }
    error.is_some() || dropped > 0
}

fn is_closed_pipe(error: &SinkError) -> bool {
    matches!(error, SinkError::Write { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
}
