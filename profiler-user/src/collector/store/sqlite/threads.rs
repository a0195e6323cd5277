//! The threads that SQLite works on: it blocks, and must not hold up those that serve.
//!
//! One thread writes, a few read. Each owns its connection; jobs come through bounded channels. A database in memory has one connection, so that the
//! writer reads as well.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{mpsc, oneshot};

use super::super::StoreError;
use super::error;
use super::open::{self, Place};
use super::write::Writer;

/// Threads that read.
const READERS: usize = 3;
/// Jobs that wait at most; whoever comes then waits outside.
const QUEUE: usize = 64;

type Read = Box<dyn FnOnce(&Connection, Option<&Arc<InterruptHandle>>) + Send>;
type Write = Box<dyn for<'c> FnOnce(&mut Writer<'c>) + Send>;

enum Task {
    Read(Read),
    Write(Write),
}

/// What ends the reading that an asker waits for: there while it goes on. An asker that goes away ends it, so that nobody's question keeps a thread busy
/// (only between two statements it is missed: then it goes on to its end).
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Option<Arc<InterruptHandle>>>>);

impl Asked {
    fn set(&self, interrupt: Option<&Arc<InterruptHandle>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = interrupt.cloned();
    }
}

/// The asker's side.
struct Asking(Asked);

impl Drop for Asking {
    fn drop(&mut self) {
        // Under its lock the thread cannot go on to somebody else's question.
        if let Some(interrupt) = &*self.0.0.lock().unwrap_or_else(PoisonError::into_inner) {
            interrupt.interrupt();
        }
    }
}

/// The threads of one store. Dropping it ends what is being read, waits for what is being written, and closes the database.
pub(super) struct Threads {
    place: Place,
    writes: Option<mpsc::Sender<Task>>,
    reads: Option<mpsc::Sender<Read>>,
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
    interrupts: Vec<Arc<InterruptHandle>>,
    /// Let go last.
    _lock: Option<File>,
}

impl Threads {
    /// Opens the database and starts them. Blocks.
    pub(super) fn start(place: Place) -> Result<Self, StoreError> {
        let lock = match &place {
            Place::File(path) => Some(open::lock(path)?),
            Place::Memory => None,
        };
        if let Place::File(path) = &place {
            open::inspect(path)?;
        }
        let connection = open::writer(&place)?;
        let mut all = Self {
            place,
            writes: None,
            reads: None,
            writer: None,
            readers: Vec::new(),
            interrupts: Vec::new(),
            _lock: lock,
        };
        let (writes, jobs) = mpsc::channel(QUEUE);
        all.writes = Some(writes);
        all.writer = Some(spawn("stain-writer", move || write(&connection, jobs))?);
        if matches!(all.place, Place::File(_)) {
            all.start_readers()?;
        }
        Ok(all)
    }

    fn start_readers(&mut self) -> Result<(), StoreError> {
        let (reads, jobs) = mpsc::channel::<Read>(QUEUE);
        self.reads = Some(reads);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..READERS {
            let connection = open::reader(&self.place)?;
            let interrupt = Arc::new(connection.get_interrupt_handle());
            self.interrupts.push(Arc::clone(&interrupt));
            let jobs = Arc::clone(&jobs);
            self.readers.push(spawn("stain-reader", move || read(&connection, &interrupt, &jobs))?);
        }
        Ok(())
    }

    /// Has something read.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let asked = Asked::default();
        let _asking = Asking(asked.clone());
        let job: Read = Box::new(move |connection, interrupt| {
            asked.set(interrupt);
            // Whoever asked may have gone while the job waited.
            let answer = (!tell.is_closed()).then(|| job(connection));
            asked.set(None);
            if let Some(answer) = answer {
                // Nobody may be left to be told.
                drop(tell.send(answer));
            }
        });
        let is_sent = match (&self.reads, &self.writes) {
            (Some(reads), _) => reads.send(job).await.is_ok(),
            (None, Some(writes)) => writes.send(Task::Read(job)).await.is_ok(),
            (None, None) => false,
        };
        self.answer(is_sent, told).await
    }

    /// Has something written.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&mut Writer<'c>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let job: Write = Box::new(move |writer| drop(tell.send(job(writer))));
        let is_sent = match &self.writes {
            Some(writes) => writes.send(Task::Write(job)).await.is_ok(),
            None => false,
        };
        self.answer(is_sent, told).await
    }

    async fn answer<T>(
        &self,
        is_sent: bool,
        told: oneshot::Receiver<rusqlite::Result<T>>,
    ) -> Result<T, StoreError> {
        let place = self.place.path();
        if !is_sent {
            return Err(error::gone(place));
        }
        let answer = told.await.map_err(|_| error::gone(place))?;
        answer.map_err(|error| error::of(place, &error))
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| StoreError::Unavailable {
        store: error::KIND,
        reason: format!("no thread can be started: {error}"),
    })
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.reads = None;
        self.interrupts.iter().for_each(|interrupt| interrupt.interrupt());
        // The writer's connection is closed last: the last one writes the log back into the file, and those that read may not.
        for reader in self.readers.drain(..) {
            // A thread that panicked has said so already.
            drop(reader.join());
        }
        self.writes = None;
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

fn write(connection: &Connection, mut jobs: mpsc::Receiver<Task>) {
    let mut writer = Writer::new(connection);
    while let Some(task) = jobs.blocking_recv() {
        match task {
            Task::Read(read) => read(connection, None),
            Task::Write(write) => write(&mut writer),
        }
    }
}

fn read(connection: &Connection, interrupt: &Arc<InterruptHandle>, jobs: &Mutex<mpsc::Receiver<Read>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = job else { return };
        job(connection, Some(interrupt));
    }
}
