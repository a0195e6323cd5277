//! Batches that a destination refused for good, kept beside the spool for people to look at: the last few.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::SpoolError;

/// Batches that are kept at most.
const MAX_KEPT: usize = 16;

/// Writes `TIME.body` and `TIME.reason`, the time in nanoseconds as hexadecimal digits, and removes the oldest beyond the bound.
pub(super) fn keep(folder: &Path, body: &[u8], reason: &str) -> Result<(), SpoolError> {
    fs::create_dir_all(folder).map_err(SpoolError::io(folder))?;
    let mut old: Vec<_> = fs::read_dir(folder)
        .map_err(SpoolError::io(folder))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "body"))
        .collect();
    old.sort();
    for path in old.iter().take((old.len() + 1).saturating_sub(MAX_KEPT)) {
        drop(fs::remove_file(path));
        drop(fs::remove_file(path.with_extension("reason")));
    }
    // Numbers of batches begin again with an empty spool; time does not.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let path = folder.join(format!("{now:016x}.body"));
    fs::write(&path, body).map_err(SpoolError::io(&path))?;
    let path = path.with_extension("reason");
    fs::write(&path, format!("{reason}\n")).map_err(SpoolError::io(&path))
}
