//! Opening: what a file is, before anything touches it, and the settings of each connection.
//!
//! A file that is not ours, is of a later version, or does not hold together is refused by reading it, so that not a byte of it changes.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::schema::{APPLICATION_ID, MIGRATIONS, VERSION, WITH_RUNS};
use super::{error, keys, rollup};

/// Pages of the writer's cache, KiB.
const WRITER_CACHE_KIB: i64 = 32 << 10;
/// Pages of a reader's cache, KiB.
const READER_CACHE_KIB: i64 = 4 << 10;
/// Bytes of the log at which it is written back into the file, and to which it is cut where it became longer meanwhile. Trace ids are spread over all numbers,
/// so that each new one changes another page of the keys; the longer the log, the more of these changes are written back at once.
pub(super) const LOG_BYTES: i64 = 256 << 20;
/// Bytes of a page.
const PAGE_BYTES: i64 = 4096;

/// Where a database is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In a file.
    File(PathBuf),
    /// In memory, for as long as the store lives.
    Memory,
}

impl Place {
    /// How it is called in messages.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory => Path::new(":memory:"),
        }
    }
}

/// Takes the file for this process alone, for as long as what it gives is kept: a second collector would not see what the first holds in memory.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let options = File::options().create(true).truncate(false).write(true).open(&name);
    let file = options.map_err(|error| unusable(&name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Place {
            place: path.display().to_string(),
            reason: "another collector has it open: stop that one, or give this one another file".to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(unusable(&name, &error)),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> StoreError {
    let place = path.display().to_string();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            StoreError::Unavailable { store: error::KIND, reason: format!("{place}: {error}") }
        }
        _ => StoreError::Place { place, reason: format!("{error}: give a file that this user may write") },
    }
}

/// Looks at a file's header, and refuses what is not ours to write. Nothing there, or an empty file, is a new database.
///
/// The header's layout: <https://www.sqlite.org/fileformat2.html>, section 1.3.
pub(super) fn inspect(path: &Path) -> Result<(), StoreError> {
    let mut header = Vec::with_capacity(100);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(path, &error)),
    };
    let length = file.metadata().map_err(|error| unusable(path, &error))?.len();
    file.take(100).read_to_end(&mut header).map_err(|error| unusable(path, &error))?;
    if header.is_empty() {
        return Ok(());
    }
    let place = path.display().to_string();
    let corrupt = |reason: &str| Err(StoreError::Corrupt { place: place.clone(), reason: reason.to_owned() });
    let word = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        i64::from(u32::from_be_bytes(bytes.unwrap_or_default()))
    };
    if !header.starts_with(b"SQLite format 3\0") || header.len() < 100 {
        return corrupt("it does not begin like a SQLite database");
    }
    if word(68) != APPLICATION_ID {
        let reason =
            "it is a database of another program, and is left untouched: give another file".to_owned();
        return Err(StoreError::Place { place, reason });
    }
    known(path, word(60))?;
    let page = match u16::from_be_bytes([
        header.get(16).copied().unwrap_or(0),
        header.get(17).copied().unwrap_or(0),
    ]) {
        1 => 65_536,
        size => u64::from(size),
    };
    // The header's number of pages counts where its counter of changes says that it is up to date.
    let pages = u64::try_from(word(28)).unwrap_or(0);
    if page < 512 || (word(24) == word(92) && length < pages * page) {
        return corrupt("it is shorter than it says");
    }
    Ok(())
}

fn known(path: &Path, found: i64) -> Result<(), StoreError> {
    if found > VERSION {
        return Err(StoreError::Newer { place: path.display().to_string(), found, known: VERSION });
    }
    Ok(())
}

/// The connection that writes: the schema is the latest when it is there.
pub(super) fn writer(place: &Place) -> Result<Connection, StoreError> {
    let of = |error: rusqlite::Error| error::of(place.path(), &error);
    let connection = connect(place, OpenFlags::SQLITE_OPEN_CREATE, WRITER_CACHE_KIB).map_err(of)?;
    // What is refused is closed without a change.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(of)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = pragma("user_version").map_err(of)?;
    known(place.path(), found)?;
    if found > 0 {
        holds_together(&connection, place.path())?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(of)?;
    prepare(&connection, found).map_err(of)?;
    Ok(connection)
}

/// A connection that reads.
pub(super) fn reader(place: &Place) -> Result<Connection, StoreError> {
    let of = |error: rusqlite::Error| error::of(place.path(), &error);
    let connection = connect(place, OpenFlags::empty(), READER_CACHE_KIB).map_err(of)?;
    connection.pragma_update(None, "query_only", true).map_err(of)?;
    Ok(connection)
}

fn connect(place: &Place, more: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = match place {
        Place::File(path) => Connection::open_with_flags(path, flags)?,
        Place::Memory => Connection::open_in_memory_with_flags(flags)?,
    };
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// The tables are there and can be read. The whole file is not: that takes minutes, and what is damaged elsewhere is told when it is met.
fn holds_together(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let tables = ["part", "part_page", "attribute", "raw", "rollup", "stream", "name", "hop", "counter"];
    for table in tables {
        let read = connection.query_row(
            &format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)"),
            [],
            |_| Ok(()),
        );
        read.map_err(|error| StoreError::Corrupt {
            place: path.display().to_string(),
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

/// What the second schema has in another form than the first.
fn make_runs(connection: &Connection) -> rusqlite::Result<()> {
    rollup::widen(connection)?;
    keys::convert(connection)?;
    connection.execute_batch("DROP TABLE part_key")
}

fn prepare(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    if found == 0 {
        // Only before the first table: pages that are free can then be given back to the disk.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    // Answers with the mode that it got: `memory` stays what it is.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG_BYTES / PAGE_BYTES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    for (version, step) in (1i64..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = connection
            .execute_batch(step)
            .and_then(|()| if version == WITH_RUNS { make_runs(connection) } else { Ok(()) })
            .and_then(|()| connection.pragma_update(None, "application_id", APPLICATION_ID))
            .and_then(|()| connection.pragma_update(None, "user_version", version))
            .and_then(|()| connection.execute_batch("COMMIT"));
        if done.is_err() {
            connection.execute_batch("ROLLBACK")?;
            return done;
        }
    }
    if found < VERSION {
        // So that the file's header says what it is even while the log is there: that is what `inspect` reads.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}
