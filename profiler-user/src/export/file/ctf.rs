//! Folders in the Common Trace Format: `metadata`, one stream, and its index.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Folder, Format};
use crate::feed::{SessionInfo, Tick};
use crate::sink::ctf::{INDEX_HEADER, Packets, metadata};
use crate::sink::packet::Stream;
use crate::trace::Trace;

/// How often an idle stream says that nothing is missing.
const BEACON: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct CtfFiles {
    folder: Folder,
    host: String,
    info: Option<Arc<SessionInfo>>,
    packets: Packets,
    stream: Stream,
    open: Option<Open>,
    ticked: bool,
}

struct Open {
    data: File,
    index: File,
    folder: PathBuf,
    data_length: u64,
    index_length: u64,
    opened: Instant,
    written: Instant,
}

impl CtfFiles {
    pub(super) fn new(folder: Folder, host: String) -> Self {
        let (packets, stream) = (Packets::default(), Stream::new(0));
        Self { folder, host, info: None, packets, stream, open: None, ticked: false }
    }

    fn began_ns(&self) -> u64 {
        self.info.as_ref().map_or(0, |info| info.began.wall_ns)
    }

    fn create(&mut self) -> io::Result<Open> {
        let folder = self.folder.next();
        fs::create_dir(&folder)?;
        fs::create_dir(folder.join("index"))?;
        if let Some(info) = &self.info {
            fs::write(folder.join("metadata"), metadata::text(info, &self.host, info.began.wall_ns))?;
        }
        let data = File::create(folder.join("ch0_0"))?;
        let index = File::create(folder.join("index/ch0_0.idx"))?;
        index.write_all_at(&INDEX_HEADER, 0)?;
        self.packets.restart();
        self.folder.clean(Some(&folder))?;
        let now = Instant::now();
        let index_length = INDEX_HEADER.len() as u64;
        Ok(Open { data, index, folder, data_length: 0, index_length, opened: now, written: now })
    }

    /// The index entry comes after its packet: an entry is never of a packet that is not there.
    fn write_packet(&mut self, last: bool) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.create() {
                Ok(open) => open,
                Err(error) => {
                    self.forget();
                    return Err(error);
                }
            },
        };
        let packet = self.stream.cut(last);
        let (mut data, mut index) = (Vec::new(), Vec::new());
        self.packets.finish(&packet, self.began_ns(), open.data_length, &mut data, &mut index);
        let written = open
            .data
            .write_all_at(&data, open.data_length)
            .and_then(|()| open.index.write_all_at(&index, open.index_length));
        match &written {
            Ok(()) => {
                open.data_length += data.len() as u64;
                open.index_length += index.len() as u64;
                open.written = Instant::now();
            }
            Err(_) => {
                drop(open.data.set_len(open.data_length));
                drop(open.index.set_len(open.index_length));
            }
        }
        self.open = Some(open);
        written
    }

    /// Empties the open packet, which cannot be written.
    fn forget(&mut self) {
        let packet = self.stream.cut(false);
        self.packets.finish(&packet, 0, 0, &mut Vec::new(), &mut Vec::new());
    }
}

impl Format for CtfFiles {
    fn started(&mut self, info: &Arc<SessionInfo>) {
        self.folder.started(info);
        self.info = Some(Arc::clone(info));
    }

    fn add(&mut self, trace: &Trace, info: &SessionInfo) -> bool {
        self.packets.add(trace, info);
        self.stream.add(trace);
        true
    }

    fn tick(&mut self, tick: &Tick, dropped: u64) {
        self.stream.tick(tick, dropped);
        self.ticked = true;
    }

    fn buffered(&self) -> usize {
        self.packets.bytes()
    }

    fn flush(&mut self) -> io::Result<()> {
        let idle = self.open.as_ref().is_some_and(|open| open.written.elapsed() >= BEACON);
        if self.stream.count() > 0 || (idle && self.ticked) { self.write_packet(false) } else { Ok(()) }
    }

    fn rotate(&mut self, end: bool) -> io::Result<()> {
        let full = self.open.as_ref().is_some_and(|open| self.folder.is_full(open.data_length, open.opened));
        if !end && !full {
            return Ok(());
        }
        // The last packet says up to when nothing is missing.
        let last = if end && self.open.is_some() { self.write_packet(true) } else { Ok(()) };
        if let Some(empty) = self.open.take().filter(|open| open.data_length == 0) {
            drop(fs::remove_dir_all(&empty.folder));
        }
        last.and_then(|()| self.folder.clean(None))
    }
}
