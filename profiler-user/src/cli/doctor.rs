//! `stain doctor`.

use std::path::Path;
use std::process::ExitCode;

use super::args::{DoctorArgs, TextOrJson};
use super::output;
use crate::doctor::{examine, gather};

/// This very program, also when its file was replaced meanwhile.
pub(super) const OURSELVES: &str = "/proc/self/exe";

/// Prints the checks. The exit status says whether attaching will work.
pub(super) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let diagnosis = examine(&gather(Path::new(OURSELVES)));
    output::print(&match args.format {
        TextOrJson::Text => diagnosis.text(),
        TextOrJson::Json => diagnosis.json()? + "\n",
    })?;
    Ok(if diagnosis.attach_works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
