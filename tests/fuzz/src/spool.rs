//! A spool whose one segment holds the bytes.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use profiler_user::export::store::{Batch, Spool};
use tempfile::TempDir;

const LIMIT: u64 = 1 << 20;

/// Where it is quick: in memory, where there is such a place.
fn folder() -> Option<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).ok() } else { tempfile::tempdir().ok() }
}

/// The files of a spool that was left behind with two batches.
fn left_behind(at: &Path) -> Vec<PathBuf> {
    let Ok(mut spool) = Spool::open(at, LIMIT) else { return Vec::new() };
    for body in [&b"one"[..], b"and another, which is longer"] {
        let _ = spool.push(&Batch { traces: 3, body: Bytes::from_static(body) });
    }
    spool.close();
    drop(spool);
    let mut files = Vec::new();
    walk(at, &mut files);
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if std::fs::metadata(&path).is_ok_and(|file| file.len() > 20) {
            files.push(path);
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let Some(folder) = folder() else { return Vec::new() };
    left_behind(folder.path()).iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

/// Writes the bytes over the segment, and reads what the spool makes of it.
pub(crate) fn run(data: &[u8]) {
    let Some(folder) = folder() else { return };
    for file in left_behind(folder.path()) {
        let _ = std::fs::write(file, data);
    }
    let Ok(mut spool) = Spool::open(folder.path(), LIMIT) else { return };
    let mut batches = 0;
    while let Some((number, batch)) = spool.read() {
        assert!(batch.body.len() <= data.len(), "more than there was");
        spool.remove(number);
        batches += 1;
        assert!(batches <= data.len() + 2, "more batches than bytes");
    }
    let _ = spool.take_damaged();
}
