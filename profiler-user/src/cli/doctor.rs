//! `stain doctor`.

use std::process::ExitCode;

use super::args::{DoctorArgs, TextOrJson};
use super::output;
use crate::doctor::{examine, gather};

/// This very program, also when its file was replaced meanwhile.
pub(super) const OURSELVES: &str = "/proc/self/exe";

/// Prints the checks. The exit status says whether attaching will work.
pub(super) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    // By its name, which the advice shows.
    let exe = std::env::current_exe().unwrap_or_else(|_| OURSELVES.into());
    let diagnosis = examine(&gather(&exe));
    output::print(&match args.format {
        TextOrJson::Text => diagnosis.text(),
        TextOrJson::Json => diagnosis.json()? + "\n",
    })?;
    Ok(if diagnosis.attach_works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
