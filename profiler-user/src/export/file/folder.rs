//! Names of files, when to close one, and which to remove.

use std::fs::{self, File};
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

    /// Makes the next file, or folder. A name that is taken already is not used: another exporter of this session may write there, too.
    pub(super) fn make<T>(&mut self, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(PathBuf, T)> {
        loop {
            let number = self.number + 1;
            let path = self.folder.join(format!("stain-{}-{number:04}.{}", self.session, self.extension));
            match make(&path) {
                Ok(made) => {
                    self.number = number;
                    return Ok((path, made));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.number = number,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a file is to be closed.
    pub(super) fn is_full(&self, bytes: u64, opened: Instant) -> bool {
        bytes >= self.rotate_size || opened.elapsed() >= self.rotate_age
    }

    /// Removes the oldest closed files beyond those that are kept. What cannot be removed stays, and is tried again with the next.
    pub(super) fn clean(&self) {
        let Some(keep) = self.keep else { return };
        if let Err(error) = self.remove_oldest(keep) {
            log::warn!("{}: old files cannot be removed: {error}", self.folder.display());
        }
    }

    fn remove_oldest(&self, keep: u64) -> io::Result<()> {
        let entries = fs::read_dir(&self.folder)?.flatten().map(|entry| entry.path());
        let mut closed: Vec<_> = entries.filter_map(|path| Some((self.place(&path)?, path))).collect();
        closed.retain(|(_, path)| !is_open(path));
        closed.sort();
        let surplus = closed.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        for (_, path) in closed.iter().take(surplus) {
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    }

    /// Session and number of a file of our format. The extension is all behind the first dot: `.otlp.jsonl` is not `.jsonl`.
    fn place(&self, path: &Path) -> Option<(String, u64)> {
        let (stem, extension) = path.file_name()?.to_str()?.split_once('.')?;
        let (session, number) = stem.strip_prefix("stain-")?.rsplit_once('-')?;
        (extension == self.extension).then_some((session.to_owned(), number.parse().ok()?))
    }
}

/// The data of a folder of the Common Trace Format.
pub(super) const DATA: &str = "ch0_0";

/// Says that a file is being written, until it is closed: whoever cleans up leaves it alone.
pub(super) fn hold(file: &File) {
    // Where the file system knows no locks, there is one cleaner less to be told.
    if let Err(error) = file.try_lock() {
        log::debug!("a file cannot be locked: {error}");
    }
}

/// Whether somebody writes it: this exporter, another one, or another agent.
fn is_open(path: &Path) -> bool {
    let data = if path.is_dir() { path.join(DATA) } else { path.to_owned() };
    // Without data it is no recording, or not one yet.
    File::open(data).is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::{Folder, hold};
    use crate::export::settings::{Destination, Settings};
    use std::fs::{self, File};
    use std::path::Path;

    fn folder(path: &Path, options: &str) -> Folder {
        let url = format!("file:{}?{options}", path.display());
        let Destination::File(settings) = Settings::parse(&url).unwrap().destination else { panic!() };
        Folder::new(&settings)
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_of_other_formats_and_open_ones_stay() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path();
        let others = ["stain-20260101T000000Z-1-0001.otlp.jsonl", "stain-1-x.jsonl", "notes.jsonl"];
        let open = "stain-20260101T000000Z-1-0001.jsonl";
        let closed =
            ["9999", "10000", "10001"].map(|number| format!("stain-20260101T000000Z-2-{number}.jsonl"));
        for name in others.iter().copied().chain([open]).chain(closed.iter().map(String::as_str)) {
            fs::write(path.join(name), "x").unwrap();
        }
        let writer = File::options().write(true).open(path.join(open)).unwrap();
        hold(&writer);
        folder(path, "keep=2").clean();
        let left = |more: &[&str]| {
            let mut left: Vec<String> = others.iter().chain(more).map(|name| (*name).to_owned()).collect();
            left.sort();
            left
        };
        assert_eq!(names(path), left(&[open, &closed[1], &closed[2]]));
        drop(writer);
        folder(path, "keep=2").clean();
        assert_eq!(names(path), left(&[&closed[1], &closed[2]]));
        folder(path, "format=otlp-json&keep=1").clean();
        assert_eq!(names(path), left(&[&closed[1], &closed[2]]));
    }

    #[test]
    fn a_name_that_is_taken_is_skipped_and_a_failure_uses_none_up() {
        let home = tempfile::TempDir::new().unwrap();
        let (mut one, mut two) = (folder(home.path(), ""), folder(home.path(), ""));
        let create = |path: &Path| File::create_new(path);
        one.make(create).unwrap();
        two.make(|_| Err::<(), _>(std::io::ErrorKind::StorageFull.into())).unwrap_err();
        two.make(create).unwrap();
        assert_eq!(names(home.path()), ["stain-unknown-0001.jsonl", "stain-unknown-0002.jsonl"]);
    }
}
