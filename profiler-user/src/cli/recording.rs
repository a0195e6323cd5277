//! `--record FILE`: a recording of the session, beside whatever else it gives.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::output;
use crate::feed;
use crate::recording::{Keeper, Kept};
use crate::sink::{Hurry, units};

/// Traces and ticks that may wait for the disk.
const ROOM: usize = 16 << 10;

/// See the module.
pub(super) struct Recording {
    keeper: Keeper,
    hurry: Hurry,
    name: String,
}

impl Recording {
    /// Opens the file, so that a mistake shows before anything is attached, and records what is sent from then on.
    pub(super) fn start(path: &Path) -> anyhow::Result<(Self, feed::Sender)> {
        let (hurry, name) = (Hurry::default(), path.display().to_string());
        // It may be all that is left of an incident.
        if std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0) {
            bail!(
                "{name} exists already and is not overwritten: remove it, or name another file by --record"
            );
        }
        let out = output::Patient::new(output::create(path)?, hurry.clone()).overwriting();
        let (sender, events) = feed::channel(ROOM);
        let destination = name.clone();
        let on_error = move |error: &std::io::Error| {
            output::note(&format!(
                "warning: the recording stops here: cannot write to {destination}: {error}"
            ));
        };
        let keeper = Keeper::start(events, out, on_error).context("starting the thread that records")?;
        Ok((Self { keeper, hurry, name }, sender))
    }

    /// Waits until all is written, and says what was. Whether something was not.
    pub(super) fn finish(self) -> bool {
        let Self { keeper, hurry, name } = self;
        hurry.begin();
        let Kept { recorded, missed, error } = keeper.close();
        let size = units::bytes(recorded.bytes);
        if recorded.bytes > 0 {
            output::note(&format!("recorded: {} traces, {size}, in {name}", units::count(recorded.traces)));
        }
        if missed > 0 {
            output::note(&format!("warning: {missed} events were not recorded: {name} took them too slowly"));
        }
        if recorded.too_large > 0 {
            output::note(&format!("warning: {} events were too large to be recorded", recorded.too_large));
        }
        error.is_some() || missed > 0 || recorded.too_large > 0
    }
}
