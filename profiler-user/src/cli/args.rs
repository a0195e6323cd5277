//! The flags. Their help is the users' first documentation.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use profiler_common::limits::MAX_BUDGET;

use super::export::ExportArgs;
use super::payload::{DecodeArgs, EncodeArgs};
use crate::attach::Backend;
use crate::spec::Level;

/// Shows where records of a running pipeline spend their time, without changing or restarting it.
#[derive(Debug, Parser)]
#[command(name = "stain", version, propagate_version = true, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Attach to a running pipeline and report where its records spend their time.
    Attach(AttachArgs),
    /// Show, without attaching, which instructions would carry probes and what each hit would cost.
    Plan(PlanArgs),
    /// List the functions of a process or file.
    Symbols(SymbolsArgs),
    /// Check a spec, or print a sample of one.
    Spec(SpecArgs),
    /// Ask a running `stain attach` how it stands, or change what it samples.
    Ctl(CtlArgs),
    /// Show a recording on the screen that `attach` has; needs no privileges.
    Replay(ReplayArgs),
    /// Check whether attaching will work on this machine, and say what is missing.
    Doctor(DoctorArgs),
    /// Print the payload of a trace (STTR) as JSON.
    Decode(DecodeArgs),
    /// Make a payload from the JSON that `decode` prints.
    Encode(EncodeArgs),
    /// Report what a recording comes to: as text, JSON, Markdown, or one page of HTML with plots.
    Report(ReportArgs),
    /// Write a recording's traces for other programs: Perfetto, Chrome, OpenTelemetry, spreadsheets.
    Export(ViewerArgs),
    /// Show what a collector is sent, on the screen that `attach` has.
    #[cfg(feature = "collector")]
    Top(super::top::TopArgs),
    /// Start a small pipeline as a process of its own, attach to it, and report.
    Demo(DemoArgs),
    /// The pipeline of `demo`.
    #[command(hide = true)]
    DemoPipeline(crate::demo::pipeline::Options),
}

/// What to attach to and where its stages are: from a file, from flags, or both. Flags win.
#[derive(Args, Debug)]
pub(super) struct SpecSource {
    /// Spec file (TOML); `stain spec --sample` prints one.
    #[arg(short, long, value_name = "FILE")]
    pub(super) spec: Option<PathBuf>,
    /// Process to attach to; several are separated by commas.
    #[arg(short, long, value_name = "PID", value_delimiter = ',')]
    pub(super) pid: Vec<u32>,
    /// Attach to all processes of this name, also later ones.
    #[arg(long, value_name = "NAME")]
    pub(super) process: Option<String>,
    /// Attach to all processes that run this executable, also later ones.
    #[arg(long, value_name = "PATH")]
    pub(super) exe: Option<PathBuf>,
    /// Attach to all processes of the container whose id begins so, also later ones; with --process or --exe, to those of them.
    #[arg(long, value_name = "ID")]
    pub(super) container: Option<String>,
    /// A stage: CODE[:NAME]=POINT(KEY)[@TASK], for example 'W!=libfoo.so.1:write_done(arg0)'. Replaces the stages of the file.
    #[arg(long, value_name = "STAGE")]
    pub(super) stage: Vec<String>,
    /// Sample one record in N [default: 100000].
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<u64>,
    /// Begin at most N traces a second; 0: no bound [default: 50].
    #[arg(long, value_name = "N")]
    pub(super) budget: Option<u64>,
    /// Count records by source `task` (thread) or by `process` [default: task].
    #[arg(long, value_name = "task|process")]
    pub(super) sequence: Option<String>,
    /// Keep at most N stamps of one trace [default: 32].
    #[arg(long, value_name = "N")]
    pub(super) max_entries: Option<u64>,
    /// Give a trace up after this time, for example 5m [default: 30s].
    #[arg(long, value_name = "TIME")]
    pub(super) ttl: Option<String>,
    /// Follow at most N records at the same time [default: 4096].
    #[arg(long, value_name = "N")]
    pub(super) max_open_traces: Option<u64>,
    /// Probe the stages of this level and of those before it.
    #[arg(long, value_name = "info|debug|trace", default_value = "info", value_parser = str::parse::<Level>)]
    pub(super) level: Level,
}

#[derive(Args, Debug)]
pub(super) struct AttachArgs {
    #[command(flatten)]
    pub(super) source: SpecSource,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) ui: UiArgs,
    /// Detach and report after this time, for example 10s; otherwise on Ctrl-C or when the target exits.
    #[arg(short, long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) duration: Option<Duration>,
    #[command(flatten)]
    pub(super) export: ExportArgs,
    /// How to set probes.
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) backend: BackendArg,
    /// Show diagnostics of the kernel program. Every hit that is told of costs the target some microseconds.
    #[arg(long, value_name = "LEVEL")]
    pub(super) bpf_log: Option<LogLevel>,
    /// Do not measure what a hit costs on this machine (a tenth of a second, in a child process); assume.
    #[arg(long)]
    pub(super) no_calibration: bool,
    /// Do not listen for `stain ctl`.
    #[arg(long)]
    pub(super) no_control: bool,
}

#[derive(Args, Debug)]
pub(super) struct CtlArgs {
    /// Process id of the `stain attach` that is meant; not needed while only one runs.
    #[arg(short, long, value_name = "PID", global = true)]
    pub(super) agent: Option<u32>,
    /// How to print the answer: text, or the agent's JSON line.
    #[arg(short, long, value_enum, default_value = "text", global = true)]
    pub(super) format: TextOrJson,
    #[command(subcommand)]
    pub(super) request: CtlRequest,
}

/// See [`crate::control::Request`].
#[derive(Clone, Debug, Subcommand)]
pub(super) enum CtlRequest {
    /// How it stands: target, settings, counts.
    Status,
    /// Sample one record in N from now on; 0: none.
    Rate {
        /// One record in so many.
        #[arg(value_parser = value_parser!(u64).range(0..=i64::MAX.cast_unsigned()))]
        n: u64,
    },
    /// Begin at most N traces a second from now on; 0: no bound.
    Budget {
        /// Traces a second.
        #[arg(value_parser = value_parser!(u32).range(0..=i64::from(MAX_BUDGET)))]
        n: u32,
    },
    /// Probe the stages of level L and of those before it from now on.
    Level {
        /// info, debug or trace.
        #[arg(value_name = "L")]
        level: Level,
    },
    /// Take the probes of one stage off, or set them again.
    Stage {
        /// The stage's number, name or code, as `status` shows them.
        stage: String,
        /// Whether it is to be probed.
        state: OnOff,
    },
    /// Begin no trace until `resume`; those in flight go on.
    Pause,
    /// Begin traces again.
    Resume,
    /// Take all probes off and end the session; it reports as usual.
    Detach,
}

/// Whether something is to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OnOff {
    /// It is.
    On,
    /// It is not.
    Off,
}

#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// What `stain attach --record` wrote.
    pub(super) file: PathBuf,
    /// How many times as fast as it was; 1 to 1000. Keys change it.
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = value_parser!(u32).range(1..=1000))]
    pub(super) speed: u32,
    /// Use ASCII characters only.
    #[arg(long)]
    pub(super) ascii: bool,
}

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "text")]
    pub(super) format: TextOrJson,
}

#[derive(Args, Debug)]
pub(super) struct ReportArgs {
    /// A recording: what `stain attach --record FILE` made.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// How to report.
    #[arg(short, long, value_enum, default_value = "text")]
    pub(super) format: ReportFormat,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Use ASCII characters only, in text.
    #[arg(long)]
    pub(super) ascii: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// The readable report that `attach` ends with.
    Text,
    /// The summary that `attach --format jsonl` ends with.
    Json,
    /// Tables for issues and documents.
    Markdown,
    /// One page with plots, which opens offline.
    Html,
}

#[derive(Args, Debug)]
pub(super) struct ViewerArgs {
    /// What `stain attach --record` wrote.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// For whom.
    #[arg(short, long, value_enum)]
    pub(super) format: ViewerForm,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The job id in otlp-json [default: made of the target's name].
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=i64::MAX as u64))]
    pub(super) job: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ViewerForm {
    /// Perfetto's format, for ui.perfetto.dev and trace_processor.
    Perfetto,
    /// Chrome's JSON, for chrome://tracing, Perfetto and speedscope.
    Chrome,
    /// OTLP in JSON, a line a trace.
    OtlpJson,
    /// Binary payloads behind each other, which `stain decode` reads.
    Sttr,
    /// A row a stamp, for spreadsheets and data frames.
    Csv,
}

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// Watch it on the screen that `attach` has, until you leave it.
    #[arg(long, conflicts_with_all = ["format", "output"])]
    pub(super) tui: bool,
    /// How long to watch it [default: 8s; with --tui until you leave].
    #[arg(short, long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Sample one record in N.
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<u64>,
    /// Begin at most N traces a second; 0: no bound.
    #[arg(long, value_name = "N")]
    pub(super) budget: Option<u64>,
}

/// On a terminal `attach` shows a screen, unless told otherwise.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct UiArgs {
    /// Show no screen, also on a terminal: messages while it runs, the report at the end.
    #[arg(long)]
    pub(super) no_tui: bool,
    /// Run as a service does: messages and what --format or --output asks for, no screen, no progress, no report on the terminal.
    #[arg(long)]
    pub(super) headless: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct OutputArgs {
    /// What to write: a readable report at the end, or a JSON line a trace and a last one with the summary [default: text].
    #[arg(short, long, value_enum)]
    pub(super) format: Option<Format>,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Use ASCII characters only.
    #[arg(long)]
    pub(super) ascii: bool,
    /// Record the session in this file, for `stain replay`, `report` and `export`.
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) source: SpecSource,
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "text")]
    pub(super) format: TextOrJson,
}

#[derive(Args, Debug)]
pub(super) struct SymbolsArgs {
    /// Process id, or path of a file.
    #[arg(value_name = "PID|PATH")]
    pub(super) subject: String,
    /// Only functions whose name contains this, or matches it when it has * or ?.
    pub(super) pattern: Option<String>,
    /// How to print them: a table, or a JSON line each.
    #[arg(short, long, value_enum, default_value = "text")]
    pub(super) format: TextOrJson,
}

#[derive(Args, Debug)]
pub(super) struct SpecArgs {
    /// Print a commented spec with all keys at their defaults.
    #[arg(long, conflicts_with = "file", required_unless_present = "file")]
    pub(super) sample: bool,
    /// Spec file to check.
    pub(super) file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A readable report at the end.
    Text,
    /// A JSON line a trace, then one with the summary.
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TextOrJson {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    pub(super) fn level(self) -> log::Level {
        match self {
            Self::Error => log::Level::Error,
            Self::Warn => log::Level::Warn,
            Self::Info => log::Level::Info,
            Self::Debug => log::Level::Debug,
            Self::Trace => log::Level::Trace,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum BackendArg {
    /// The best that this kernel offers.
    Auto,
    /// One link a file and process (Linux 6.10 and later).
    Multi,
    /// One perf event a site (Linux 5.15 and later): makes every context switch of the target dearer.
    Perf,
}

impl BackendArg {
    pub(super) fn backend(self) -> Option<Backend> {
        match self {
            Self::Auto => None,
            Self::Multi => Some(Backend::Multi),
            Self::Perf => Some(Backend::Perf),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
