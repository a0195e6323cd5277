//! A target's machine code as it is in memory, against the file it came from: a probe shows, and so does one left behind.
//!
//! Owns: reading `/proc/PID/maps` and `/proc/PID/mem`. Refuses: writing anywhere.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Offsets in `file` at which the process's executable mappings differ from it.
pub fn differences(pid: u32, file: &Path) -> Result<Vec<u64>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let original = File::open(file)?;
    let name = file.to_str().context("an odd path")?;
    let mut different = Vec::new();
    let mut mapped = 0;
    for line in maps.lines().filter(|line| line.ends_with(name)) {
        let Some((start, end, offset)) = executable(line) else { continue };
        let mut now = vec![0; (end - start) as usize];
        memory.read_exact_at(&mut now, start)?;
        let mut before = vec![0; now.len()];
        let len = original.read_at(&mut before, offset)?;
        mapped += len;
        let pairs = now.iter().zip(&before).take(len).zip(offset..);
        different.extend(pairs.filter(|((a, b), _)| a != b).map(|(_, at)| at));
    }
    ensure!(mapped > 0, "process {pid} maps no code of {name}");
    Ok(different)
}

/// Waits until the process's code is the file's again. The kernel takes probes out shortly after their owner is gone.
pub fn wait_until_restored(pid: u32, file: &Path, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let left = differences(pid, file)?;
        if left.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "probes left behind at offsets {left:x?} after {limit:?}");
        std::thread::yield_now();
    }
}

/// Start, end and file offset of a line of maps, if it is executable.
fn executable(line: &str) -> Option<(u64, u64, u64)> {
    let mut fields = line.split_whitespace();
    let (range, rights, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = range.split_once('-')?;
    rights.contains('x').then_some((hex(start)?, hex(end)?, hex(offset)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn own_code_is_as_in_the_file() {
        let file = std::env::current_exe().unwrap();
        super::wait_until_restored(std::process::id(), &file, std::time::Duration::ZERO).unwrap();
    }

    #[test]
    fn reads_lines_of_maps() {
        let line = "55e0-55f0 r-xp 00001000 fd:00 123   /bin/x";
        assert_eq!(super::executable(line), Some((0x55e0, 0x55f0, 0x1000)));
        assert_eq!(super::executable(&line.replace("r-xp", "rw-p")), None);
    }
}
