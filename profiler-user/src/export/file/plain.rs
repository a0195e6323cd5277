//! Files of traces behind each other: JSON lines of two kinds, and payloads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::folder::hold;
use super::{Folder, Format};
use crate::export::settings::FileFormat;
use crate::feed::{SessionInfo, Tick};
use crate::sink::event::{Origin, job_of};
use crate::sink::{Names, jsonl, otlp, sttr};
use crate::trace::Trace;

/// See the module.
pub(super) struct PlainFiles {
    folder: Folder,
    format: FileFormat,
    origin: Origin,
    names: Names,
    buffer: Vec<u8>,
    open: Option<Open>,
}

struct Open {
    file: File,
    path: PathBuf,
    /// Bytes of whole traces.
    length: u64,
    opened: Instant,
}

impl PlainFiles {
    pub(super) fn new(folder: Folder, format: FileFormat, origin: Origin) -> Self {
        Self { folder, format, origin, names: Names::default(), buffer: Vec::new(), open: None }
    }

    fn opened(&mut self) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let (path, file) = self.folder.make(|path| File::create_new(path))?;
                hold(&file);
                self.folder.clean();
                Open { file, path, length: 0, opened: Instant::now() }
            }
        };
        Ok(self.open.insert(open))
    }
}

impl Format for PlainFiles {
    fn started(&mut self, info: &Arc<SessionInfo>) {
        self.folder.started(info);
        self.names = Names::from(&**info);
        if self.origin.job.is_empty() {
            self.origin.job = job_of(&self.origin.host, &info.target);
        }
    }

    fn add(&mut self, trace: &Trace, info: &SessionInfo) -> bool {
        match self.format {
            FileFormat::OtlpJson => {
                let table = crate::sink::event::table(trace, info, &self.origin).map(str::to_owned);
                let origin = otlp::lines::Origin { job: self.origin.job.clone(), table };
                otlp::lines::put(trace, info, &origin, &mut self.buffer).is_ok()
            }
            FileFormat::Sttr => {
                sttr::nano::encode(trace, &info.outcomes, &mut self.buffer);
                true
            }
            FileFormat::JsonLines | FileFormat::Ctf => {
                jsonl::put_line(trace, &self.names, &mut self.buffer).is_ok()
            }
        }
    }

    fn tick(&mut self, _: &Tick) {}

    fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn flush(&mut self, _: u64) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.opened().and_then(|open| {
            let written = open.file.write_all_at(&buffer, open.length);
            match written {
                Ok(()) => open.length += buffer.len() as u64,
                Err(_) => drop(open.file.set_len(open.length)),
            }
            written
        });
        self.buffer = buffer;
        self.buffer.clear();
        written
    }

    fn rotate(&mut self, end: bool, _: u64) -> io::Result<()> {
        let folder = &self.folder;
        if self.open.as_ref().is_some_and(|open| end || folder.is_full(open.length, open.opened)) {
            let closed = self.open.take();
            // One that never got a trace, because the disk is full, is no file.
            if let Some(empty) = closed.filter(|open| open.length == 0) {
                drop(std::fs::remove_file(&empty.path));
            }
            self.folder.clean();
        }
        Ok(())
    }
}
