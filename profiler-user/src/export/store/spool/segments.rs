//! The files of the spool: which there are, what is in them, and where reading has come to.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::format::{self, HEADER};
use crate::sink::packet::Lost;

const EXTENSION: &str = "seg";

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    /// Number of its first batch, and of the one behind its last.
    first: u64,
    end: u64,
    /// Bytes of whole records.
    length: u64,
    /// Batches that are not done with, and the traces in them.
    pub(super) left: Lost,
    /// Where its first record lies that is not done with.
    done_at: u64,
}

impl Segment {
    /// Number of its first batch.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn holds(&self, number: u64) -> bool {
        (self.first..self.end).contains(&number)
    }
}

/// All files, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Segments {
    files: VecDeque<Segment>,
    /// New batches go to the last file: it is of this session.
    open: bool,
    /// Where the record lies that was read and is not done with yet, and its length.
    reading: Option<(u64, u64, u64)>,
    /// What was found damaged and is told of once: the number that its file begins with, and what was left in it.
    damaged: Vec<(u64, Lost)>,
}

/// Whether a spool has any.
pub(super) fn any(folder: &Path) -> Result<bool, SpoolError> {
    Ok(!list(folder)?.is_empty())
}

/// The segments of a folder, the oldest first: their names are numbers.
fn list(folder: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let entries = fs::read_dir(folder).map_err(SpoolError::io(folder))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    paths.sort();
    Ok(paths)
}

impl Segments {
    /// Reads all files of a folder. Batches below `done` are done with.
    pub(super) fn load(folder: &Path, done: u64) -> Result<Self, SpoolError> {
        let (mut files, mut damaged) = (VecDeque::new(), Vec::new());
        for path in list(folder)? {
            // What is damaged at its end was being written when the agent or the machine stopped; what is damaged before was there, and is counted.
            while let Some(lost) = mend(&path, done).map_err(SpoolError::io(&path))? {
                damaged.push((0, lost));
            }
            let segment = load(&path, done).map_err(SpoolError::io(&path))?;
            if segment.done_at < segment.length {
                files.push_back(segment);
            } else {
                drop(fs::remove_file(&path));
            }
        }
        Ok(Self { files, damaged, ..Self::default() })
    }

    pub(super) fn next_number(&self) -> u64 {
        self.files.back().map_or(0, |last| last.end)
    }

    /// Appends a record to the open file; begins a new one where that has `target` bytes.
    pub(super) fn append(
        &mut self,
        folder: &Path,
        number: u64,
        traces: u64,
        record: &[u8],
        target: u64,
    ) -> Result<(), SpoolError> {
        let full = self.files.back().is_none_or(|last| last.length >= target);
        if !self.open || full {
            self.sync();
            self.files.push_back(create(folder, number)?);
            self.open = true;
        }
        let Some(last) = self.files.back_mut() else { return Ok(()) };
        if let Err(source) = last.file.write_all_at(record, last.length) {
            // Half a record is no record; what is left of it is written over by the next.
            drop(last.file.set_len(last.length));
            let path = last.path.clone();
            if last.length == 0 {
                drop(fs::remove_file(&path));
                self.files.pop_back();
                self.open = false;
            }
            return Err(SpoolError::Io { path, source });
        }
        last.length += record.len() as u64;
        last.end = number + 1;
        last.left += Lost { packets: 1, traces };
        Ok(())
    }

    /// The next record that is not done with: number, traces, body. Damage ends its file.
    pub(super) fn read_next(&mut self) -> Option<(u64, u64, Vec<u8>)> {
        loop {
            let front = self.files.front_mut()?;
            if front.done_at >= front.length {
                self.retire();
                continue;
            }
            match read_record(front) {
                Ok((number, traces, body)) => {
                    self.reading = Some((number, traces, (HEADER + body.len()) as u64));
                    return Some((number, traces, body));
                }
                Err(error) => {
                    log::error!("the spool's {} is damaged: {error}", front.path.display());
                    front.length = front.done_at;
                    self.damaged.push((front.first, std::mem::take(&mut front.left)));
                }
            }
        }
    }

    /// What was found damaged since the last call.
    pub(super) fn take_damaged(&mut self) -> Vec<(u64, Lost)> {
        std::mem::take(&mut self.damaged)
    }

    /// The record that was read is done with.
    pub(super) fn done(&mut self, number: u64) {
        let Some((_, traces, length)) = self.reading.take().filter(|(read, ..)| *read == number) else {
            return;
        };
        if let Some(front) = self.files.front_mut() {
            front.done_at += length;
            front.left.packets = front.left.packets.saturating_sub(1);
            front.left.traces = front.left.traces.saturating_sub(traces);
        }
        if self.files.front().is_some_and(|front| front.done_at >= front.length) {
            self.retire();
        }
    }

    /// The record that was read is still to be read.
    pub(super) fn unread(&mut self) {
        self.reading = None;
    }

    /// Removes the first file, which is done with.
    fn retire(&mut self) {
        if self.files.len() == 1 {
            self.open = false;
        }
        if let Some(front) = self.files.pop_front() {
            drop(fs::remove_file(&front.path));
        }
    }

    /// Removes the first file, whatever it holds; not the only one.
    pub(super) fn drop_oldest(&mut self) -> Option<Segment> {
        if self.files.len() < 2 {
            return None;
        }
        let front = self.files.pop_front()?;
        drop(fs::remove_file(&front.path));
        self.reading = None;
        Some(front)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    pub(super) fn traces(&self) -> u64 {
        self.files.iter().map(|file| file.left.traces).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.iter().all(|file| file.done_at >= file.length)
    }

    /// Forces the open file to the disk.
    pub(super) fn sync(&self) {
        if let Some(last) = self.files.back().filter(|_| self.open)
            && let Err(error) = last.file.sync_data()
        {
            log::warn!("the spool's {} is not safely on disk: {error}", last.path.display());
        }
    }

    pub(super) fn remove_all(&mut self) {
        while let Some(file) = self.files.pop_front() {
            drop(fs::remove_file(&file.path));
        }
    }
}

fn create(folder: &Path, number: u64) -> Result<Segment, SpoolError> {
    let path = folder.join(format!("{number:016x}.{EXTENSION}"));
    let opened = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let file = opened.map_err(SpoolError::io(&path))?;
    Ok(Segment { path, file, first: number, end: number, length: 0, left: Lost::default(), done_at: 0 })
}

/// Reads a file of an earlier session from its start to its end, or to the first record that is not whole.
fn load(path: &Path, done: u64) -> io::Result<Segment> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut segment = Segment {
        path: path.to_owned(),
        file,
        first: 0,
        end: 0,
        length: 0,
        left: Lost::default(),
        done_at: 0,
    };
    let mut rest = bytes.as_slice();
    loop {
        match format::first(rest) {
            Ok(Some((record, length))) => {
                if segment.length == 0 {
                    segment.first = record.number;
                }
                segment.length += length as u64;
                segment.end = record.number + 1;
                if record.number < done {
                    segment.done_at = segment.length;
                } else {
                    segment.left += Lost { packets: 1, traces: record.traces.into() };
                }
                rest = rest.get(length..).unwrap_or_default();
            }
            Ok(None) => return Ok(segment),
            Err(damage) => {
                log::warn!(
                    "{}: {damage} at byte {}: what is behind it is lost",
                    path.display(),
                    segment.length
                );
                // What is no record is read no second time.
                segment.file.set_len(segment.length)?;
                return Ok(segment);
            }
        }
    }
}

/// Takes the first damaged record out of a file that has whole ones behind it. What went with it; `None` when there is no such record.
fn mend(path: &Path, done: u64) -> io::Result<Option<Lost>> {
    let bytes = fs::read(path)?;
    // A file is named by the number of its first batch.
    let named = path.file_stem().and_then(|stem| u64::from_str_radix(stem.to_str()?, 16).ok());
    let (mut at, mut next) = (0, named.unwrap_or(0));
    let damaged = loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match format::first(rest) {
            Ok(Some((record, length))) => (at, next) = (at + length, record.number.saturating_add(1)),
            Ok(None) => return Ok(None),
            Err(_) => break rest,
        }
    };
    let Some(gap) = format::resume(damaged) else { return Ok(None) };
    let (whole, behind) = (bytes.get(..at).unwrap_or_default(), damaged.get(gap..).unwrap_or_default());
    log::warn!("{}: {gap} damaged bytes at byte {at} are lost", path.display());
    // Under another name until it is whole.
    let mended = path.with_extension("mended");
    fs::write(&mended, [whole, behind].concat())?;
    File::open(&mended)?.sync_data()?;
    fs::rename(&mended, path)?;
    let behind = format::first(behind).ok().flatten().map_or(next, |(record, _)| record.number);
    let packets = behind.saturating_sub(next.max(done)).max(1);
    Ok(Some(Lost { packets, traces: format::claimed(damaged) }))
}

fn read_record(segment: &Segment) -> io::Result<(u64, u64, Vec<u8>)> {
    let mut header = [0; HEADER];
    segment.file.read_exact_at(&mut header, segment.done_at)?;
    let [.., l0, l1, l2, l3] = header;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    if length > format::MAX_BODY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; HEADER + length];
    segment.file.read_exact_at(&mut bytes, segment.done_at)?;
    let (number, traces) = match format::first(&bytes) {
        Ok(Some((record, _))) => (record.number, record.traces),
        Ok(None) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(damage) => return Err(io::Error::other(damage)),
    };
    bytes.drain(..HEADER);
    Ok((number, traces.into(), bytes))
}
