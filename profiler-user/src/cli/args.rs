//! The flags. Their help is the users' first documentation.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

#[cfg(feature = "agent")]
pub(super) use super::agent_args::*;
use super::payload::{DecodeArgs, EncodeArgs};
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
    #[cfg(feature = "agent")]
    Attach(AttachArgs),
    /// Show, without attaching, which instructions would carry probes and what each hit would cost.
    #[cfg(feature = "agent")]
    Plan(PlanArgs),
    /// List the functions of a process or file.
    Symbols(SymbolsArgs),
    /// Check a spec, at all levels, or print a sample of one.
    Spec(SpecArgs),
    /// Ask a running `stain attach` how it stands, or change what it samples.
    #[cfg(feature = "agent")]
    Ctl(CtlArgs),
    /// Show a recording on the screen that `attach` has; needs no privileges.
    Replay(ReplayArgs),
    /// Check whether attaching will work on this machine, and say what is missing.
    #[cfg(feature = "agent")]
    Doctor(DoctorArgs),
    /// Print the payload of a trace (STTR) as JSON.
    Decode(DecodeArgs),
    /// Make a payload from the JSON that `decode` prints.
    Encode(EncodeArgs),
    /// Report what a recording comes to: as text, JSON, Markdown, or one page of HTML with plots.
    Report(ReportArgs),
    /// Write a recording's traces for other programs: Perfetto, Chrome, OpenTelemetry, spreadsheets.
    Export(ViewerArgs),
    /// Take traces of many agents and engines, keep them, and answer where records lose their time; needs no privileges.
    #[cfg(feature = "collector")]
    Collector(Box<super::collector::CollectorArgs>),
    /// Show what a collector is sent, on the screen that `attach` has.
    #[cfg(feature = "collector")]
    Top(super::top::TopArgs),
    /// Start a small pipeline as a process of its own, attach to it, and report.
    #[cfg(feature = "agent")]
    Demo(DemoArgs),
    /// The pipeline of `demo`.
    #[cfg(feature = "agent")]
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
pub(super) enum TextOrJson {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[cfg(any(feature = "agent", feature = "collector"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[cfg(any(feature = "agent", feature = "collector"))]
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

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
