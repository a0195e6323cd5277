//! `stain report`: what a recording comes to.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::args::{ReportArgs, ReportFormat};
use super::{output, terminal};
use crate::feed::Account;
use crate::recording::{Damage, Reader};
use crate::sink::{html, jsonl, markdown, report, units};

/// Reads the recording and reports.
pub(super) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    args.output.iter().try_for_each(|output| refuse_same(&args.file, output))?;
    let account = load(&args.file)?;
    let text = render(&account, args)?;
    match &args.output {
        Some(path) => output::write_file(path, text.as_bytes())?,
        None => output::print(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn render(account: &Account, args: &ReportArgs) -> anyhow::Result<String> {
    let totals = account.totals();
    let session = totals.session();
    Ok(match args.format {
        ReportFormat::Text => report::render(&session, terminal::style(args.output.is_some(), args.ascii)),
        ReportFormat::Json => jsonl::summary(&session).context("formatting the summary")? + "\n",
        ReportFormat::Markdown => markdown::render(&session),
        ReportFormat::Html => html::render(&session, account.info().map(|info| info.began)),
    })
}

/// A recording is not written over by what is made from it.
pub(super) fn refuse_same(recording: &Path, output: &Path) -> anyhow::Result<()> {
    let same = output.canonicalize().ok().zip(recording.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    anyhow::ensure!(!same, "{} is the recording itself: name another file by --output", output.display());
    Ok(())
}

/// Opens a recording.
pub(super) fn open(path: &Path) -> anyhow::Result<Reader<File>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    Reader::new(file).map_err(|error| anyhow::anyhow!("{name} {error}"))
}

/// Reads a recording to its end, and says what of it could not be read.
pub(super) fn load(path: &Path) -> anyhow::Result<Account> {
    let (mut reader, mut account) = (open(path)?, Account::default());
    while let Some(event) =
        reader.next_event().map_err(|error| anyhow::anyhow!("{} {error}", path.display()))?
    {
        account.add(&event);
    }
    check(&account, path, reader.damage())?;
    Ok(account)
}

/// Refuses a recording that holds no session, and says what of another could not be read.
pub(super) fn check(account: &Account, path: &Path, damage: Damage) -> anyhow::Result<()> {
    if account.info().is_none() {
        anyhow::bail!("{} holds no session: it ended before anything was recorded", path.display());
    }
    for sentence in warnings(account, damage) {
        output::note(&format!("warning: {}: {sentence}", path.display()));
    }
    Ok(())
}

fn warnings(account: &Account, damage: Damage) -> Vec<String> {
    let Damage { bytes, cut_bytes, events, unknown } = damage;
    let mut sentences = Vec::new();
    if account.ended().is_none() {
        sentences.push("the session's end was not recorded; this is how it stood at last".to_owned());
    }
    if bytes > cut_bytes || events > 0 {
        let size = units::bytes(bytes - cut_bytes);
        sentences.push(format!("{size} and {events} events are damaged and left out"));
    }
    if unknown > 0 {
        sentences.push(format!("{unknown} events are of kinds that this version does not know"));
    }
    let missing = account.missing();
    if missing > 0 {
        let missing = units::count(missing);
        sentences
            .push(format!("{missing} traces that were counted are not in it: figures are of the others"));
    }
    sentences
}
