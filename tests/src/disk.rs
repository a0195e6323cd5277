//! A small disk that can be full, and have room again.
//!
//! Owns: a file system in memory of a given size, and its end with the test.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use tempfile::TempDir;

/// The file that takes the room.
const FULL: &str = "full";

/// A file system of its own, unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    _folder: TempDir,
}

fn run(program: &str, arguments: &[&str], path: &Path) -> Result<()> {
    let output = Command::new(program).args(arguments).arg(path).output()?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl Disk {
    /// One of so many KiB.
    pub fn of_kib(kib: u64) -> Result<Self> {
        let folder = TempDir::new()?;
        // Servers run as users of their own.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let path = folder.path().join("disk");
        std::fs::create_dir(&path)?;
        run("mount", &["-t", "tmpfs", "-o", &format!("size={kib}k"), "stain-test"], &path)?;
        Ok(Self { path, _folder: folder })
    }

    /// Whether this machine lets the test make one.
    #[must_use]
    pub fn can_be_made() -> bool {
        Self::of_kib(64).is_ok()
    }

    /// From now on it is full.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::options().create(true).append(true).open(self.path.join(FULL))?;
        let piece = vec![0; 256 << 10];
        while file.write_all(&piece).is_ok() {}
        Ok(())
    }

    /// From now on what [`Disk::fill`] took is free.
    pub fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path.join(FULL))?)
    }

    /// From now on it has so many KiB.
    pub fn resize(&self, kib: u64) -> Result<()> {
        run("mount", &["-o", &format!("remount,size={kib}k")], &self.path)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open holds nothing up.
        drop(run("umount", &["-l"], &self.path));
    }
}
