//! `stain replay`: a recording on the screen that a session has.

use std::path::Path;
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Context as _;

use super::args::ReplayArgs;
use super::{output, report, terminal};
use crate::recording::{Pace, Replay, Survey, survey};
use crate::sink::Hurry;
use crate::tui::terminal::{Player, Screen, Source, now_ns, run as show};
use crate::tui::theme::Theme;

/// Plays it until the user leaves.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    if !terminal::can_have_screen() {
        anyhow::bail!("a replay needs a terminal; `stain report {}` gives the text", args.file.display());
    }
    let reader = report::open(&args.file)?;
    let begun = Instant::now();
    let replay = Replay::new(reader, Pace::Times(args.speed), now_ns(begun))
        .map_err(|error| anyhow::anyhow!("{} {error}", args.file.display()))?;
    let surveying = surveying(&args.file)?;
    let screen = Screen {
        source: Source::Recording(Box::new(Player::new(replay, begun, surveying))),
        theme: Theme::new(terminal::look(args.ascii)),
        utc_offset_s: terminal::utc_offset_s(),
    };
    let told = show(output::Patient::new(output::stdout()?, Hurry::default()), screen);
    output::let_go();
    told.context("the terminal failed")?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the recording once, beside the screen, to find out how long it is.
fn surveying(path: &Path) -> anyhow::Result<JoinHandle<Option<Survey>>> {
    let mut reader = report::open(path)?;
    let thread = std::thread::Builder::new().name("stain-survey".to_owned());
    thread.spawn(move || survey(&mut reader).ok()).context("cannot start reading")
}
