//! `stain plan`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

use super::args::{PlanArgs, TextOrJson};
use super::attach::calibrated;
use super::{output, spec};
use crate::agent::Resolver;
use crate::calibrate::Calibrated;
use crate::plan::{KernelTraits, Plan, print};
use crate::spec::{Spec, Target};
use crate::symbol::module::names_file;

/// Prints the sites.
pub(super) fn run(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let spec = spec::of(&args.source)?;
    let Calibrated { costs, kernel, .. } = calibrated();
    let plan = Plan { sites: sites(&spec, kernel)? };
    output::print(&match args.format {
        TextOrJson::Text => print::text(&plan, &spec, &costs),
        TextOrJson::Json => print::json(&plan, &spec, &costs) + "\n",
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A file that a stage names and that is not the executable itself.
fn other_library<'a>(spec: &'a Spec, exe: &Path) -> Option<&'a str> {
    let libraries = spec.stages.iter().filter_map(|stage| stage.point.library.as_deref());
    libraries.into_iter().find(|library| !names_file(exe, library))
}

/// In the first process of the target; in the executable itself when nothing runs it yet.
fn sites(spec: &Spec, kernel: KernelTraits) -> anyhow::Result<Vec<crate::plan::Site>> {
    let mut resolver = Resolver::new(kernel);
    match (resolver.find(&spec.target)?.first(), &spec.target) {
        (Some(process), _) => Ok(resolver.sites(spec, process.identity.pid)?),
        (None, Target::Exe(path)) => match other_library(spec, path) {
            Some(library) => bail!(
                "no file `{library}` is known: no process runs {}, and which libraries it uses shows only when it runs: start it first",
                path.display()
            ),
            None => Ok(resolver.sites_of_file(spec, &path.display().to_string())?),
        },
        (None, Target::Process(name)) => {
            bail!("no process is called `{name}`; start it, or name its executable")
        }
        (None, Target::Container(container)) => bail!("there is no process of {container}"),
        (None, Target::Pids(_)) => bail!("the process has ended"),
    }
}
