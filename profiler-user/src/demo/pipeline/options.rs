//! What a run of the pipeline is asked for.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of the pipeline.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Options {
    /// Stop after so many records
    #[arg(long, value_name = "N")]
    pub records: Option<u64>,
    /// Stop after so many seconds
    #[arg(long, value_name = "S")]
    pub seconds: Option<u64>,
    /// Records in a second, about
    #[arg(long, value_name = "N", default_value = "20000")]
    pub per_second: NonZeroU64,
    /// As many records as the machine can take
    #[arg(long)]
    pub full_speed: bool,
    /// Start with the first line on standard input
    #[arg(long)]
    pub wait: bool,
    /// The file that rows are appended to
    #[arg(long, value_name = "FILE", default_value = "/dev/null")]
    pub output: PathBuf,
}

impl Options {
    pub(super) fn pace(&self) -> Option<NonZeroU64> {
        (!self.full_speed).then_some(self.per_second)
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        self.seconds.map(Duration::from_secs)
    }
}
