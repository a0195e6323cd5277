//! Names of files, when to close one, and which to remove.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::export::settings::{FileFormat, FileSettings};
use crate::feed::SessionInfo;

/// Names of one session's files: `stain-20260101T120000Z-4242-0001.jsonl`.
#[derive(Debug)]
pub(super) struct Folder {
    folder: PathBuf,
    extension: &'static str,
    rotate_size: u64,
    rotate_age: Duration,
    keep: Option<u64>,
    session: String,
    number: u32,
}

impl Folder {
    pub(super) fn new(settings: &FileSettings) -> Self {
        let extension = match settings.format {
            FileFormat::JsonLines => "jsonl",
            FileFormat::OtlpJson => "otlp.jsonl",
            FileFormat::Sttr => "sttr",
            FileFormat::Ctf => "ctf",
        };
        Self {
            folder: settings.folder.clone(),
            extension,
            rotate_size: settings.rotate_size,
            rotate_age: settings.rotate_age,
            keep: settings.keep,
            session: "unknown".to_owned(),
            number: 0,
        }
    }

    /// Names of files tell when the session began, and which agent wrote them.
    pub(super) fn started(&mut self, info: &SessionInfo) {
        let began = jiff::Timestamp::from_nanosecond(i128::from(info.began.wall_ns)).unwrap_or_default();
        self.session = format!("{}-{}", began.strftime("%Y%m%dT%H%M%SZ"), info.agent);
    }

    /// The path of the next file.
    pub(super) fn next(&mut self) -> PathBuf {
        self.number += 1;
        self.folder.join(format!("stain-{}-{:04}.{}", self.session, self.number, self.extension))
    }

    /// Whether a file is to be closed.
    pub(super) fn is_full(&self, bytes: u64, opened: Instant) -> bool {
        bytes >= self.rotate_size || opened.elapsed() >= self.rotate_age
    }

    /// Removes the oldest closed files beyond those that are kept; `open` is not among them.
    pub(super) fn clean(&self, open: Option<&Path>) -> io::Result<()> {
        let Some(keep) = self.keep else { return Ok(()) };
        let suffix = format!(".{}", self.extension);
        let is_ours = |name: &str| name.starts_with("stain-") && name.ends_with(&suffix);
        let mut closed: Vec<PathBuf> = fs::read_dir(&self.folder)?
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
            .map(|entry| entry.path())
            .filter(|path| Some(path.as_path()) != open)
            .collect();
        // Names sort by the time of the session, then by number.
        closed.sort();
        let surplus = closed.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        for path in closed.iter().take(surplus) {
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    }
}
