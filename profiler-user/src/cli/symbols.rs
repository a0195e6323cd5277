//! `stain symbols`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::bail;

use super::args::{SymbolsArgs, TextOrJson};
use super::output;
use crate::symbol::list::{Listed, list};
use crate::target::{ModuleCache, Proc};

/// Prints the functions.
pub(super) fn run(args: &SymbolsArgs) -> anyhow::Result<ExitCode> {
    let modules = Proc::default().modules_of(&args.subject, &mut ModuleCache::default())?;
    for skipped in &modules.skipped {
        output::note(&format!("warning: {}: {}", skipped.name.display(), skipped.reason));
    }
    let found = list(modules.loaded.iter().map(AsRef::as_ref), args.pattern.as_deref());
    if found.is_empty() {
        match &args.pattern {
            Some(pattern) => {
                bail!("no function of {} matches `{pattern}`; try a part of its name", args.subject)
            }
            None => bail!(
                "{} has no function names: it is stripped; install its debug symbols, or use addresses",
                args.subject
            ),
        }
    }
    output::print(&text(&found, args.format)?)?;
    Ok(ExitCode::SUCCESS)
}

fn text(found: &[Listed], format: TextOrJson) -> anyhow::Result<String> {
    let mut text = String::new();
    if format == TextOrJson::Text {
        writeln!(text, "{}", Listed::HEADING)?;
    }
    for function in found {
        match format {
            TextOrJson::Text => writeln!(text, "{}", function.text())?,
            TextOrJson::Json => writeln!(text, "{}", function.json()?)?,
        }
    }
    Ok(text)
}
