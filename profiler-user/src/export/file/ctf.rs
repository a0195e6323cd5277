//! Folders in the Common Trace Format: `metadata`, one stream, and its index.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::folder::{DATA, hold};
use super::{Folder, Format};
use crate::feed::{SessionInfo, Tick};
use crate::sink::ctf::{INDEX_HEADER, Packets, discarded, metadata};
use crate::sink::packet::{Losses, Packet, Stream};
use crate::trace::Trace;

/// How often an idle stream says that nothing is missing.
const BEACON: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct CtfFiles {
    folder: Folder,
    host: String,
    info: Option<Arc<SessionInfo>>,
    packets: Packets,
    /// Packets that are there.
    written: u64,
    /// What they say of events that were discarded.
    told: u64,
    stream: Stream,
    open: Option<Open>,
    ticked: bool,
}

/// A folder that is being written.
struct Open {
    data: File,
    index: File,
    folder: PathBuf,
    data_length: u64,
    index_length: u64,
    /// Only its first packet is there, which says nothing.
    is_empty: bool,
    opened: Instant,
    written: Instant,
}

impl Open {
    /// Makes a folder with all that a reader wants, its first packet and that one's entry among them, or none.
    fn create(folder: &Path, metadata: &str, packet: &[u8], entry: &[u8]) -> io::Result<Self> {
        fs::create_dir(folder)?;
        let filled = Self::fill(folder, metadata).and_then(|mut open| {
            open.append(packet, entry)?;
            Ok(Self { is_empty: true, ..open })
        });
        if filled.is_err() {
            drop(fs::remove_dir_all(folder));
        }
        filled
    }

    fn fill(folder: &Path, metadata: &str) -> io::Result<Self> {
        let data = File::create(folder.join(DATA))?;
        hold(&data);
        fs::create_dir(folder.join("index"))?;
        fs::write(folder.join("metadata"), metadata)?;
        let index = File::create(folder.join("index").join(DATA).with_extension("idx"))?;
        index.write_all_at(&INDEX_HEADER, 0)?;
        let (now, index_length) = (Instant::now(), INDEX_HEADER.len() as u64);
        let folder = folder.to_owned();
        let (data_length, is_empty) = (0, true);
        Ok(Self { data, index, folder, data_length, index_length, is_empty, opened: now, written: now })
    }

    /// Appends a packet and its entry, which comes after it: an entry is never of a packet that is not there. Both or none: what a failure leaves
    /// of them is cut off, since a reader gives up on half a packet.
    fn append(&mut self, packet: &[u8], entry: &[u8]) -> io::Result<()> {
        let written = self
            .data
            .write_all_at(packet, self.data_length)
            .and_then(|()| self.index.write_all_at(entry, self.index_length));
        if written.is_err() {
            drop(self.data.set_len(self.data_length));
            drop(self.index.set_len(self.index_length));
            return written;
        }
        self.data_length += packet.len() as u64;
        self.index_length += entry.len() as u64;
        self.is_empty = false;
        self.written = Instant::now();
        Ok(())
    }
}

impl CtfFiles {
    pub(super) fn new(folder: Folder, host: String) -> Self {
        let (packets, stream) = (Packets::default(), Stream::new(0));
        Self { folder, host, info: None, packets, stream, written: 0, told: 0, open: None, ticked: false }
    }

    fn began_ns(&self) -> u64 {
        self.info.as_ref().map_or(0, |info| info.began.wall_ns)
    }

    /// A folder begins with an empty packet: what the next one says of discarded events is then a difference, which readers tell exactly, even if nothing
    /// could be written to this folder for a while.
    fn create(&mut self, packet: &Packet) -> io::Result<Open> {
        let began_ns = self.began_ns();
        let metadata = self.info.as_ref().map(|info| metadata::text(info, &self.host, began_ns));
        let metadata = metadata.unwrap_or_default();
        let packet = Packet { packet: self.written, ..*packet };
        let (mut data, mut entry) = (Vec::new(), Vec::new());
        self.packets.open(&packet, self.told, began_ns, &mut data, &mut entry);
        let (_, open) = self.folder.make(|folder| Open::create(folder, &metadata, &data, &entry))?;
        self.written += 1;
        self.folder.clean();
        Ok(open)
    }

    /// The open packet is empty then. One that could not be written has no number: of a gap in the numbers readers say that they do not know how much went with
    /// it, while the next packet's total tells exactly.
    fn write_packet(&mut self, last: bool, dropped: u64) -> io::Result<()> {
        let packet = self.stream.cut(last, Losses { before: dropped, ..Losses::default() });
        let open = match self.open.take() {
            Some(open) => Ok(open),
            None => self.create(&packet),
        };
        let packet = Packet { packet: self.written, ..packet };
        let at = open.as_ref().map_or(0, |open| open.data_length);
        let (mut data, mut entry) = (Vec::new(), Vec::new());
        self.packets.finish(&packet, self.began_ns(), at, &mut data, &mut entry);
        let mut open = open?;
        let written = open.append(&data, &entry);
        self.open = Some(open);
        if written.is_ok() {
            self.written += 1;
            self.told = discarded(&packet);
        }
        written
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

    fn tick(&mut self, tick: &Tick) {
        self.stream.tick(tick);
        self.ticked = true;
    }

    fn buffered(&self) -> usize {
        self.packets.bytes()
    }

    fn flush(&mut self, dropped: u64) -> io::Result<()> {
        let idle = self.open.as_ref().is_some_and(|open| open.written.elapsed() >= BEACON);
        if self.stream.count() > 0 || (idle && self.ticked) {
            self.write_packet(false, dropped)
        } else {
            Ok(())
        }
    }

    fn rotate(&mut self, end: bool, dropped: u64) -> io::Result<()> {
        let full = self.open.as_ref().is_some_and(|open| self.folder.is_full(open.data_length, open.opened));
        if !end && !full {
            return Ok(());
        }
        // The last packet says up to when nothing is missing.
        let last = if end && self.open.is_some() { self.write_packet(true, dropped) } else { Ok(()) };
        if let Some(empty) = self.open.take().filter(|open| open.is_empty) {
            drop(fs::remove_dir_all(&empty.folder));
        }
        self.folder.clean();
        last
    }
}

#[cfg(test)]
mod tests {
    use super::{INDEX_HEADER, Open};
    use std::fs::File;
    use std::io::ErrorKind;
    use std::path::Path;

    fn lengths(folder: &Path) -> (u64, u64) {
        let length = |name: &str| folder.join(name).metadata().unwrap().len();
        (length("ch0_0"), length("index/ch0_0.idx"))
    }

    #[test]
    fn of_a_packet_that_cannot_be_written_nothing_stays() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("x.ctf");
        let mut open = Open::create(&path, "/* CTF 1.8 */", b"packet", b"entry").unwrap();
        let header = INDEX_HEADER.len() as u64;
        assert_eq!(lengths(&path), (6, header + 5));
        // A disk that is full before the entry, and before the packet.
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let index = std::mem::replace(&mut open.index, full());
        assert_eq!(open.append(b"second", b"entry").unwrap_err().kind(), ErrorKind::StorageFull);
        open.index = index;
        let data = std::mem::replace(&mut open.data, full());
        assert_eq!(open.append(b"second", b"entry").unwrap_err().kind(), ErrorKind::StorageFull);
        open.data = data;
        assert_eq!(lengths(&path), (6, header + 5));
        open.append(b"third", b"entry").unwrap();
        assert_eq!(lengths(&path), (11, header + 10));
        assert_eq!(std::fs::read(path.join("ch0_0")).unwrap(), b"packetthird");
    }

    #[test]
    fn of_a_folder_that_cannot_be_filled_nothing_stays() {
        let home = tempfile::TempDir::new().unwrap();
        let mut path = home.path().to_owned();
        // Paths have at most 4095 bytes: there is room for `/metadata`, and none for `/index/ch0_0.idx`.
        let part = "x".repeat(100);
        while path.as_os_str().len() + 1 + part.len() < 4000 {
            path.push(&part);
        }
        std::fs::create_dir_all(&path).unwrap();
        path.push("y".repeat(4095 - 12 - 1 - path.as_os_str().len()));
        assert_eq!(
            Open::create(&path, "x", b"", b"").err().map(|error| error.kind()),
            Some(ErrorKind::InvalidFilename)
        );
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }
}
