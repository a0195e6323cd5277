//! `stain spec`, and how every other command gets its spec.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::args::{SpecArgs, SpecSource};
use super::output;
use crate::spec::{self, MAX_SPEC_BYTES, Overrides, Spec};

/// Checks a spec at all levels, or prints the sample.
pub(super) fn run(args: &SpecArgs) -> anyhow::Result<ExitCode> {
    let Some(file) = &args.file else {
        output::print(spec::SAMPLE)?;
        return Ok(ExitCode::SUCCESS);
    };
    let text = read(file)?;
    let named = file.display().to_string();
    let checked = spec::check_all_levels(Some((&named, &text)), &Overrides::default())?;
    output::print(&format!("{}: a good spec of {} stages\n", file.display(), checked.stages.len()))?;
    Ok(ExitCode::SUCCESS)
}

/// The spec that a command's flags describe.
pub(super) fn of(source: &SpecSource) -> anyhow::Result<Spec> {
    let overrides = overrides(source)?;
    match &source.spec {
        Some(file) => load(file, &overrides),
        None => Ok(spec::load(None, &overrides)?),
    }
}

fn load(file: &Path, overrides: &Overrides) -> anyhow::Result<Spec> {
    let text = read(file)?;
    Ok(spec::load(Some((&file.display().to_string(), &text)), overrides)?)
}

fn read(file: &Path) -> anyhow::Result<String> {
    let opened = fs::File::open(file).with_context(|| format!("cannot read the spec {}", file.display()))?;
    let mut text = String::new();
    let limit = MAX_SPEC_BYTES as u64 + 1;
    opened
        .take(limit)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read the spec {}", file.display()))?;
    if text.len() > MAX_SPEC_BYTES {
        bail!("the spec {} is larger than {MAX_SPEC_BYTES} bytes: is it the right file?", file.display());
    }
    Ok(text)
}

fn overrides(source: &SpecSource) -> anyhow::Result<Overrides> {
    let SpecSource {
        spec: _,
        pid,
        process,
        exe,
        container,
        stage,
        rate,
        budget,
        sequence,
        max_entries,
        ttl,
        max_open_traces,
        level,
    } = source;
    let exe = exe.as_deref().map(std::path::absolute).transpose().context("--exe: no such path")?;
    Ok(Overrides {
        pids: pid.clone(),
        process: process.clone(),
        exe,
        container: container.clone(),
        rate: *rate,
        sequence: sequence.clone(),
        budget: *budget,
        max_entries: *max_entries,
        ttl: ttl.clone(),
        max_open_traces: *max_open_traces,
        level: Some(*level),
        stages: stage.clone(),
    })
}
