//! Files into a store: lines of OTLP in JSON (of our agent's spans, or of the stain-trace format), lines of our agent's own format, lines or lists of the
//! contract's events, and payloads (STTR) behind each other.
//!
//! Owns: telling them apart, and batches. What is there already changes nothing, so a file can be imported again. Refuses: stopping at what it does not
//! understand: that is counted, and told by its line.

use std::io::{self, BufRead, Read};
use std::path::Path;

use super::ingest::{self, Piece, Unread, payload_part};
use super::settings::Limits;
use super::store::{Batch, Store, StoreError, Written};
use crate::sink::sttr::{DecodeError, MAGIC, decode_first};

/// Rows of one transaction.
const BATCH: usize = 5000;

/// Bytes of one line or payload at most.
const MAX_PIECE: u64 = 64 << 20;

/// Lines that are told one by one.
const MAX_TOLD: usize = 20;

/// What a file came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Journeys that were not there before.
    pub new: u64,
    /// Journeys that were there already.
    pub repeated: u64,
    /// Other events, kept as they came; among them those that were not understood.
    pub raw: u64,
    /// Spans of others, which are not taken.
    pub rejected: u64,
    /// Lines or payloads that were not understood.
    pub faulty: u64,
    /// The first of them, in words.
    pub told: Vec<String>,
}

/// Why an import ended early. What was written before is there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts files into a store.
pub struct Import<'a> {
    store: &'a dyn Store,
    job: String,
    now_ms: i64,
    batch: Batch,
    imported: Imported,
}

impl<'a> Import<'a> {
    /// `job` is that of traces that name none; `now_ms` is when they come, ms since the Unix epoch.
    #[must_use]
    pub fn new(store: &'a dyn Store, job: String, now_ms: i64) -> Self {
        Self { store, job, now_ms, batch: Batch::default(), imported: Imported::default() }
    }

    /// Reads a file to its end.
    ///
    /// # Errors
    /// When it cannot be read, or the store fails.
    pub async fn file(&mut self, path: &Path, mut from: impl BufRead) -> Result<(), ImportError> {
        let name = path.display().to_string();
        let failed = |source| ImportError::Read { path: name.clone(), source };
        let is_binary = from.fill_buf().map_err(failed)?.starts_with(&MAGIC.to_be_bytes());
        if is_binary {
            self.payloads(&name, from).await?;
        } else {
            self.lines(&name, from).await?;
        }
        self.flush().await
    }

    /// What all files came to.
    #[must_use]
    pub fn finish(self) -> Imported {
        self.imported
    }

    async fn lines(&mut self, name: &str, mut from: impl BufRead) -> Result<(), ImportError> {
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let read = (&mut from).take(MAX_PIECE).read_until(b'\n', &mut line);
            let count = read.map_err(|source| ImportError::Read { path: name.to_owned(), source })?;
            if count == 0 {
                break;
            }
            if let Err(reason) = self.line(&line) {
                self.faulty(format!("{name}, line {number}: {reason}"));
            }
            self.flush_if_full().await?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Unread> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let limits = Limits { events: usize::MAX, ..Limits::default() };
        let Piece { batch, foreign, .. } = ingest::decode(line, &self.job, &limits, self.now_ms)?;
        self.imported.rejected += foreign;
        self.add(batch);
        Ok(())
    }

    async fn payloads(&mut self, name: &str, mut from: impl BufRead) -> Result<(), ImportError> {
        let mut held = Vec::new();
        let mut is_whole = false;
        loop {
            let taken = self.payloads_of(name, &held, is_whole);
            held.drain(..taken);
            self.flush_if_full().await?;
            if is_whole {
                return Ok(());
            }
            let read = (&mut from).take(1 << 20).read_to_end(&mut held);
            let count = read.map_err(|source| ImportError::Read { path: name.to_owned(), source })?;
            is_whole = count == 0 || held.len() as u64 > MAX_PIECE;
        }
    }

    /// Takes the payloads at the beginning, and gives how many bytes they were. The rest is no payload, or not all of one unless it `is_whole`.
    fn payloads_of(&mut self, name: &str, held: &[u8], is_whole: bool) -> usize {
        let mut rest = held;
        while !rest.is_empty() {
            match decode_first(rest) {
                Ok((_, behind)) => {
                    let payload = rest.get(..rest.len() - behind.len()).unwrap_or_default();
                    match payload_part(payload, &self.job, self.now_ms) {
                        Ok(part) => self.batch.parts.push(part),
                        Err(invalid) => self.faulty(format!("{name}: {invalid}")),
                    }
                    rest = behind;
                }
                Err(DecodeError::TooShort { .. }) if !is_whole => break,
                Err(error) => {
                    // Where the next one would begin is not known.
                    self.faulty(format!("{name}: {} bytes at the end are no payload: {error}", rest.len()));
                    return held.len();
                }
            }
        }
        held.len() - rest.len()
    }

    fn faulty(&mut self, told: String) {
        self.imported.faulty += 1;
        if self.imported.told.len() < MAX_TOLD {
            self.imported.told.push(told);
        }
    }

    fn add(&mut self, Batch { parts, raw, packets }: Batch) {
        self.batch.parts.extend(parts);
        self.batch.raw.extend(raw);
        self.batch.packets.extend(packets);
    }

    async fn flush_if_full(&mut self) -> Result<(), ImportError> {
        let Batch { parts, raw, packets } = &self.batch;
        if parts.len() + raw.len() + packets.len() < BATCH { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        let batch = std::mem::take(&mut self.batch);
        if batch.parts.is_empty() && batch.raw.is_empty() && batch.packets.is_empty() {
            return Ok(());
        }
        let Written { new, repeated } = self.store.write(&batch).await?;
        self.imported.new += new;
        self.imported.repeated += repeated;
        self.imported.raw += batch.raw.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Import, Imported};
    use crate::collector::http::testing::Memory;
    use crate::collector::model::Part;
    use crate::sink::otlp::lines;
    use crate::sink::sttr::nano;
    use crate::sink::testing::{attributes, info, outcomes, rich, stages};
    use crate::sink::{Names, jsonl};
    use crate::trace::Trace;
    use crate::trace::testing::trace;
    use profiler_common::Outcome;
    use std::path::Path;

    async fn import(store: &Memory, bytes: &[u8]) -> Imported {
        let mut import = Import::new(store, "7".to_owned(), 5);
        import.file(Path::new("f"), bytes).await.unwrap();
        import.finish()
    }

    #[tokio::test]
    async fn lines_of_all_kinds_and_what_is_none() {
        let store = Memory::default();
        let mut file = Vec::new();
        let origin = lines::Origin { job: "1".to_owned(), table: None };
        lines::put(&trace("S0@1 W!@2", Outcome::Written), &info(), &origin, &mut file).unwrap();
        lines::put(&rich(), &info(), &origin, &mut file).unwrap();
        file.extend_from_slice(
            b"\nnothing\n[{\"eventType\":\"JOB_STATUS\"},{\"eventType\":\"JOB_STATUS\"}]\n",
        );
        file.extend_from_slice(
            b"{\"eventType\":\"JOB_STATUS\"}\n{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}]}]}]}\n[\n",
        );
        let imported = import(&store, &file).await;
        assert_eq!((imported.new, imported.repeated, imported.raw, imported.rejected), (2, 0, 3, 1));
        assert_eq!((imported.faulty, imported.told.len()), (2, 2), "{imported:?}");
        assert!(imported.told[0].starts_with("f, line 4: "), "{:?}", imported.told);
        assert_eq!(import(&store, &file).await.repeated, 2);
    }

    #[tokio::test]
    async fn lines_of_the_agent_are_the_journeys_of_its_payloads() {
        let stages = stages().into_iter().map(|row| row.name).collect();
        let (store, names) =
            (Memory::default(), Names { stages, attributes: attributes(), outcomes: outcomes() });
        let mut file = Vec::new();
        let traces = [
            trace("S0@1 W!@2", Outcome::Written),
            Trace { id: 9, ..trace("S0@5 Q+@5 Q-@5 drop@9", Outcome::Filtered) },
            rich(),
        ];
        let mut payloads = Vec::new();
        for trace in &traces {
            jsonl::put_line(trace, &names, &mut file).unwrap();
            nano::encode(trace, &info().outcomes, &mut payloads);
        }
        file.extend_from_slice(b"{\"summary\":{\"ledger\":{}}}\n{\"trace_id\":\"x\"}\n");
        let imported = import(&store, &file).await;
        assert_eq!((imported.new, imported.raw, imported.faulty), (3, 0, 1), "{imported:?}");
        assert!(imported.told[0].starts_with("f, line 5: "), "{:?}", imported.told);
        assert_eq!(import(&store, &file).await.repeated, 3);
        // The same as payloads tell, but for the names, which these do not know.
        let other = Memory::default();
        assert_eq!((import(&store, &payloads).await.repeated, import(&other, &payloads).await.new), (3, 3));
        let (ours, theirs) = (store.parts.lock().unwrap(), other.parts.lock().unwrap());
        for (part, told) in ours.values().zip(theirs.values()) {
            let times = |part: &Part| (part.start_ns, part.end_ns, part.shared, part.is_partial);
            let stamps = |part: &Part| {
                part.entries.iter().map(|e| (e.code, e.task, e.ts_ns, e.pid, e.tid)).collect::<Vec<_>>()
            };
            assert_eq!((&part.key, times(part), stamps(part)), (&told.key, times(told), stamps(told)));
            assert_eq!((&part.outcome, &part.flags), (&told.outcome, &told.flags));
            assert_eq!((&part.batches, &part.record_times), (&told.batches, &told.record_times));
            let values =
                |part: &Part| part.attributes.iter().map(|a| (a.entry, a.value.clone())).collect::<Vec<_>>();
            assert_eq!(values(part), values(told));
        }
    }

    #[tokio::test]
    async fn payloads_behind_each_other() {
        let (store, mut file) = (Memory::default(), Vec::new());
        for id in 0..30_000 {
            let trace = Trace { id, ..trace("S0@1 Q+@2 W!@3", Outcome::Written) };
            nano::encode(&trace, &[], &mut file);
        }
        let whole = file.len();
        file.extend_from_slice(b"STTR\x4e");
        let imported = import(&store, &file).await;
        assert_eq!((imported.new, imported.faulty, store.count()), (30_000, 1, 30_000));
        assert!(imported.told[0].contains("5 bytes at the end"), "{imported:?}");
        assert_eq!(store.parts.lock().unwrap().keys().next().unwrap().job, "7");
        assert_eq!(import(&store, &file[..whole]).await.repeated, 30_000);
    }
}
