//! The suite, and what only a file can show.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use super::SqliteStore;
use super::schema::{APPLICATION_ID, MIGRATIONS, VERSION};
use crate::collector::model::Dimension;
use crate::collector::store::{Filter, Page, Retention, Store, StoreError, suite};

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

#[test]
fn conforms_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = 0..;
    run(suite::conforms(|| {
        let path = folder.path().join(format!("{}.db", files.next().unwrap()));
        async move { Arc::new(SqliteStore::open(&path).await.unwrap()) as Arc<dyn Store> }
    }));
}

#[test]
fn conforms_in_memory() {
    run(suite::conforms(|| async {
        Arc::new(SqliteStore::open_in_memory().await.unwrap()) as Arc<dyn Store>
    }));
}

/// Parts, and durations in the rollups.
async fn counts(store: &SqliteStore) -> (u64, u64) {
    let page = Page { limit: 1, offset: 0, after: None };
    let total = store.traces(&Filter::default(), &page).await.unwrap().total;
    let rollups = store.rollups(&suite::everything(Dimension::All)).await.unwrap();
    (total, rollups.iter().map(|rollup| rollup.sketch.count()).sum())
}

/// A database with a hundred traces in it, closed.
fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("traces.db");
    run(async {
        let store = SqliteStore::open(&path).await.unwrap();
        store.write(&suite::plain(0..100)).await.unwrap();
    });
    path
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    // A folder that is not there is made.
    let path = filled(&folder.path().join("a/b"));
    run(async {
        let store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(counts(&store).await, (100, 600));
        let (place, _) = store.after(None, 10).await.unwrap();
        assert_eq!(store.write(&suite::plain(50..150)).await.unwrap().new, 50);
        let (_, parts) = store.after(Some(place), 100).await.unwrap();
        assert_eq!((place, parts.len()), (100, 50));
    });
}

#[test]
fn what_was_written_is_on_the_disk_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("traces.db"), folder.path().join("copy.db"));
    run(async {
        let store = SqliteStore::open(&path).await.unwrap();
        store.write(&suite::plain(0..100)).await.unwrap();
        // What a process leaves that is killed now.
        fs::copy(&path, &copy).unwrap();
        fs::copy(folder.path().join("traces.db-wal"), folder.path().join("copy.db-wal")).unwrap();
        let copied = SqliteStore::open(&copy).await.unwrap();
        assert_eq!(counts(&copied).await, (100, 600));
        assert_eq!(copied.write(&suite::plain(0..100)).await.unwrap().repeated, 100);
    });
}

/// Opening fails, and not a byte changes, and no file is left beside it but the one that says who has it.
fn refused(path: &Path) -> StoreError {
    let before = fs::read(path).unwrap();
    let error = run(SqliteStore::open(path)).unwrap_err();
    assert!(fs::read(path).unwrap() == before, "it was changed: {error}");
    let beside = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = beside.collect();
    names.sort();
    assert_eq!(names, ["traces.db", "traces.db.lock"], "{error}");
    error
}

#[test]
fn a_later_version_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", VERSION + 3).unwrap();
    drop(connection);
    let error = refused(&path);
    assert!(
        matches!(error, StoreError::Newer { found, known: VERSION, .. } if found == VERSION + 3),
        "{error}"
    );
}

#[test]
fn another_programs_database_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    let error = refused(&path);
    assert!(
        matches!(&error, StoreError::Place { reason, .. } if reason.contains("another program")),
        "{error}"
    );
}

#[test]
fn a_damaged_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path());
    let whole = fs::read(&path).unwrap();
    let mut schema = whole.clone();
    schema[100..4096].fill(0xa5);
    let cases =
        [b"id,name\n1,nginx\n".to_vec(), whole[..60].to_vec(), whole[..whole.len() / 2].to_vec(), schema];
    for bytes in cases {
        fs::write(&path, bytes).unwrap();
        let error = refused(&path);
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn two_collectors_do_not_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.db");
    run(async {
        let first = SqliteStore::open(&path).await.unwrap();
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert!(error.to_string().contains("another collector has it open"), "{error}");
        drop(first);
        SqliteStore::open(&path).await.unwrap();
    });
}

#[test]
fn a_place_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for path in [folder.path().join("file/traces.db"), folder.path().to_owned()] {
        let error = run(SqliteStore::open(&path)).unwrap_err();
        assert!(matches!(error, StoreError::Place { .. }), "{error}");
    }
}

/// The most pages that the database may have: what is beyond is a full disk to SQLite.
async fn limit(store: &SqliteStore, more_pages: i64) {
    let set = move |connection: &Connection| {
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        connection.pragma_update_and_check(None, "max_page_count", pages + more_pages, |_| Ok(()))
    };
    store.threads.write(move |writer| set(writer.connection)).await.unwrap();
}

#[test]
fn a_full_disk_leaves_nothing_half_written_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let store = SqliteStore::open(&folder.path().join("traces.db")).await.unwrap();
        store.write(&suite::plain(0..100)).await.unwrap();
        limit(&store, 10).await;
        for _ in 0..2 {
            let error = store.write(&suite::plain(0..2000)).await.unwrap_err();
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
            assert_eq!(counts(&store).await, (100, 600));
            store.ready().await.unwrap();
        }
        limit(&store, 100_000).await;
        assert_eq!(store.write(&suite::plain(0..2000)).await.unwrap().new, 1900);
        assert_eq!(counts(&store).await, (2000, 12_000));
    });
}

#[test]
fn a_file_that_is_too_large_becomes_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.db");
    run(async {
        let store = SqliteStore::open(&path).await.unwrap();
        for first in (0..6000).step_by(1000) {
            store.write(&suite::plain(first..first + 1000)).await.unwrap();
        }
        let max = 1 << 20;
        let removed =
            store.retain(&Retention { max_bytes: Some(max), ..Retention::default() }).await.unwrap();
        let (left, _) = counts(&store).await;
        assert!(removed.parts > 0 && left > 0 && left + removed.parts == 6000, "{removed:?}, {left} left");
        // While it is open, too, with its log.
        let log = folder.path().join("traces.db-wal");
        let length = fs::metadata(&path).unwrap().len() + fs::metadata(log).unwrap().len();
        assert!(length <= max, "{length} bytes");
    });
}

#[test]
fn what_nothing_refers_to_goes() {
    run(async {
        let store = SqliteStore::open_in_memory().await.unwrap();
        let counts = || async {
            let tables = ["name", "shape", "shape_code", "shape_name", "crew", "crew_task", "hop", "job"];
            let read = store.threads.read(move |connection| {
                let count = |table: &str| {
                    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
                };
                tables.into_iter().map(count).collect::<rusqlite::Result<Vec<i64>>>()
            });
            read.await.unwrap()
        };
        let hour = 3_600_000;
        let batch = |round: i64| {
            let mut batch = suite::plain(0..2);
            for (index, part) in (0..).zip(&mut batch.parts) {
                // Of both, names of their own but for the table, which both have.
                part.key.job = format!("{round}-{index}");
                part.host.clone_from(&part.key.job);
                part.entries.iter_mut().for_each(|entry| {
                    entry.name = Some(format!("{} {round}", entry.code));
                    entry.task += 100 * round;
                });
                (part.received_ms, part.end_ns) = (round * hour * 100, round * hour * 100 * 1_000_000);
            }
            batch
        };
        store.write(&batch(1)).await.unwrap();
        let once = counts().await;
        store.write(&batch(2)).await.unwrap();
        let twice = counts().await;
        let before =
            |ms: i64| Retention { before_ms: Some(ms), rollups_before_ms: Some(ms), ..Retention::default() };
        // Old, but not by an hour: it may be referred to yet.
        store.retain(&Retention { before_ms: Some(hour), ..Retention::default() }).await.unwrap();
        assert_eq!(counts().await, twice);
        let removed = store.retain(&before(150 * hour)).await.unwrap();
        assert!(removed.parts == 2 && removed.rollups > 0, "{removed:?}");
        assert_eq!(counts().await, once);
        // What went may come again, and is found.
        store.write(&batch(1)).await.unwrap();
        let task = Filter { task: Some(110), ..Filter::default() };
        let stage = Filter { stage_name: Some("3 1".to_owned()), ..Filter::default() };
        for filter in [task, stage] {
            let page = Page { limit: 10, offset: 0, after: None };
            assert_eq!(store.traces(&filter, &page).await.unwrap().total, 2);
        }
        store.retain(&before(i64::MAX)).await.unwrap();
        assert_eq!(counts().await, vec![0; once.len()]);
    });
}

#[test]
fn a_database_of_the_first_version_becomes_one_of_this() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(MIGRATIONS[0]).unwrap();
    connection.execute_batch("INSERT INTO raw VALUES (1, 'A', NULL, 0, 5, '{}'), (2, 'A', NULL, 0, 5, '{}'); INSERT INTO name VALUES (1, 'x')").unwrap();
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    drop(connection);
    run(async {
        let store = SqliteStore::open(&path).await.unwrap();
        store.write(&suite::plain(0..10)).await.unwrap();
        let removed = store.retain(&Retention { before_ms: Some(6), ..Retention::default() }).await.unwrap();
        assert_eq!((removed.raw, counts(&store).await.0), (2, 10));
    });
}

#[test]
fn a_question_ends_with_its_asker() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let store = SqliteStore::open(&folder.path().join("traces.db")).await.unwrap();
        let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000000) SELECT count(*) FROM n";
        let (tell, mut told) = tokio::sync::mpsc::channel(8);
        // One that is given up before its statement has begun goes on to its end: not all eight do.
        for _ in 0..8 {
            let tell = tell.clone();
            let question = store.threads.read(move |connection| {
                let answer = connection.query_row(long, [], |row| row.get::<_, i64>(0));
                tell.blocking_send(answer.is_err()).unwrap();
                Ok(())
            });
            // Nobody waits longer than this.
            drop(tokio::time::timeout(std::time::Duration::from_millis(100), question).await);
        }
        drop(tell);
        let mut were_ended = Vec::new();
        while let Some(was_ended) = told.recv().await {
            were_ended.push(was_ended);
        }
        assert!(were_ended.contains(&true), "{were_ended:?}");
        assert_eq!(counts(&store).await, (0, 0));
    });
}

#[test]
fn the_contracts_tables_can_be_asked() {
    run(async {
        let store = SqliteStore::open_in_memory().await.unwrap();
        store.write(&suite::plain(3..5)).await.unwrap();
        let rows = store.threads.read(|connection| {
            let sql = "SELECT job_id, table_id, start_ts_ms, entry_count, stage, task_id, ts_ns - start_ns FROM st_trace
                JOIN st_trace_entry USING (trace_id, sink_task_id) WHERE trace_id = 4 AND entry_index = 2";
            let raw: i64 = connection.query_row("SELECT count(*) FROM st_trace_event_raw", [], |row| row.get(0))?;
            let row = connection.query_row(sql, [], |row| {
                let texts: (String, String) = (row.get(0)?, row.get(1)?);
                let numbers: [i64; 5] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
                Ok((texts, numbers))
            })?;
            Ok((raw, row))
        });
        let texts = ("77".to_owned(), "shop.orders".to_owned());
        assert_eq!(rows.await.unwrap(), (0, (texts, [1_700_000_000_000, 6, 3, 12, 3000])));
    });
}

#[test]
fn what_was_written_in_many_pieces_stays_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.db");
    let runs = async |store: &SqliteStore| {
        let count = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM key_run", [], |row| row.get::<_, i64>(0))
        };
        store.threads.read(count).await.unwrap()
    };
    run(async {
        let store = SqliteStore::open(&path).await.unwrap();
        let mut end = 0;
        for size in (1..8).cycle().take(210) {
            assert_eq!(store.write(&suite::plain(end..end + size)).await.unwrap().new, size);
            end += size;
        }
        let few = runs(&store).await;
        assert!(few <= 3 * 8, "{few} runs");
        // Of one trace, more than a row of keys holds.
        let mut same = suite::plain(0..200);
        (0..)
            .zip(&mut same.parts)
            .for_each(|(task, part)| (part.key.trace_id, part.key.sink_task) = (9000, task));
        assert_eq!(store.write(&same).await.unwrap().new, 200);
        drop(store);
        let store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(store.write(&suite::plain(0..end)).await.unwrap().repeated, end);
        assert_eq!(store.write(&same).await.unwrap().repeated, 200);
        assert_eq!(store.parts(None, 9000).await.unwrap().len(), 200);
        for id in [0, 1, end / 2, end - 1] {
            assert_eq!(store.parts(Some("77"), id).await.unwrap().len(), 1, "{id}");
        }
        assert!(store.parts(None, end).await.unwrap().is_empty());
        let all = Retention { before_ms: Some(i64::MAX), ..Retention::default() };
        assert_eq!(store.retain(&all).await.unwrap().parts, end + 200);
        assert_eq!(runs(&store).await, 0);
        assert_eq!(store.write(&suite::plain(0..10)).await.unwrap().new, 10);
    });
}
