//! The sink: writes rows in batches, each with a checksum behind it.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::queue::{Popped, Queue};
use super::record::Record;

/// Rows in one batch at most.
const BATCH: usize = 32;

/// When nothing has come for so long, the batch is written as it is.
const LINGER: Duration = Duration::from_micros(300);

/// What the sink did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sunk {
    pub(super) written: u64,
    pub(super) bytes: u64,
    /// Sum over the written records.
    pub(super) latency_ns: u64,
}

/// The sink's own state.
#[derive(Debug)]
pub(super) struct Sink {
    file: File,
    rows: Vec<u8>,
    #[expect(
        clippy::vec_box,
        reason = "a record keeps its address while it waits: that is what identifies it"
    )]
    batch: Vec<Box<Record>>,
    sunk: Sunk,
}

impl Sink {
    pub(super) fn new(file: File) -> Self {
        Self { file, rows: Vec::new(), batch: Vec::with_capacity(BATCH), sunk: Sunk::default() }
    }

    /// Until the queue ends. After an error the source is told to stop, and what still comes is thrown away.
    pub(super) fn run(mut self, input: &Queue<Record>, stop: &AtomicBool) -> io::Result<Sunk> {
        let result = self.write_all(input);
        if result.is_err() {
            stop.store(true, Ordering::Relaxed);
            while !matches!(input.pop(LINGER), Popped::Ended) {}
        }
        result.map(|()| self.sunk)
    }

    fn write_all(&mut self, input: &Queue<Record>) -> io::Result<()> {
        loop {
            match input.pop(LINGER) {
                Popped::Item(record) => self.accept(record)?,
                Popped::Idle => self.flush()?,
                Popped::Ended => return self.flush(),
            }
        }
    }

    /// Puts a row into the batch.
    #[inline(never)]
    fn accept(&mut self, record: Box<Record>) -> io::Result<()> {
        let Record { number, visitor, threats, waited, .. } = *record;
        write!(self.rows, "{number},{visitor:016x},{threats},{}", waited.as_nanos())?;
        if let Some(request) = &record.request {
            let (status, bytes) = (request.status, request.bytes);
            write!(self.rows, ",{},{},{status},{bytes}", request.method, request.path)?;
        }
        self.rows.push(b'\n');
        self.batch.push(record);
        if self.batch.len() < BATCH { Ok(()) } else { self.flush() }
    }

    /// Writes the batch; its records are done.
    fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let checksum = checksum(&self.rows);
        writeln!(self.rows, "#{checksum:08x}")?;
        self.file.write_all(&self.rows)?;
        self.sunk.bytes += self.rows.len() as u64;
        self.rows.clear();
        let mut batch = std::mem::take(&mut self.batch);
        batch.drain(..).for_each(|record| self.acknowledge(record));
        self.batch = batch;
        Ok(())
    }

    /// Ends a record that is written.
    #[inline(never)]
    fn acknowledge(&mut self, record: Box<Record>) {
        self.sunk.written += 1;
        self.sunk.latency_ns += record.received.elapsed().as_nanos() as u64;
        drop(record);
    }
}

/// Adler-32.
fn checksum(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_adler_32() {
        assert_eq!(super::checksum(b"Wikipedia"), 0x11E6_0398);
    }
}
