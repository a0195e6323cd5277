//! The flags of what needs the agent: attaching, planning, and all around a session.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum, value_parser};
use profiler_common::limits::MAX_BUDGET;

use super::args::{LogLevel, SpecSource, TextOrJson};
use super::export::ExportArgs;
use crate::attach::Backend;
use crate::spec::Level;

#[derive(Args, Debug)]
pub(super) struct AttachArgs {
    #[command(flatten)]
    pub(super) source: SpecSource,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) ui: UiArgs,
    /// Detach and report after this time, for example 10s; otherwise on Ctrl-C, or when all processes that were named by --pid have exited.
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
pub(super) struct DoctorArgs {
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "text")]
    pub(super) format: TextOrJson,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A readable report at the end.
    Text,
    /// A JSON line a trace, then one with the summary.
    Jsonl,
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
