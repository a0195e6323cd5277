//! The journeys programs: their scenarios, what a spec says of them, and what their truth logs say of each record.
//!
//! Owns: the way from a truth log to the journeys that a report must have ([`crate::expected`]). Refuses: running anything.

pub mod attribute;
pub mod bounds;
pub mod codes;
mod fold;
mod scenario;
pub mod stage;

pub use attribute::Read;
pub use fold::fold;
pub use scenario::{Flow, Kind};
pub use stage::Stage;

use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// A FIFO in the folder, for [`Kind::Send`] and [`Kind::Receive`].
pub fn pipe(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    Ok(path)
}
