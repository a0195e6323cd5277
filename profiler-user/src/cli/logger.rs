//! The log: to standard error, one line a record. Off unless asked for, save for errors.

use log::{LevelFilter, Log, Metadata, Record};

use super::output;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        output::note(&format!("{}: {}", record.level().as_str().to_ascii_lowercase(), record.args()));
    }

    fn flush(&self) {}
}

/// Shows records of `level` and worse.
pub(super) fn init(level: Option<log::Level>) {
    // Set once, by the one command that runs; a second logger would change nothing.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level.map_or(LevelFilter::Error, |level| level.to_level_filter()));
    }
}
