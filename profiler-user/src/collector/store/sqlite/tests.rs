//! The suite, and what only a file can show.

use std::sync::Arc;

use super::SqliteStore;
use crate::collector::store::{Store, suite};

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
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
