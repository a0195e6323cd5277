//! An ffmpeg as the distribution ships it.
//!
//! Owns: its input and command line, and where it maps its libraries. Refuses: knowing of the agent.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::child::{Ended, Guarded};

/// Where the distribution puts it.
pub const PROGRAM: &str = "/usr/bin/ffmpeg";

/// The libraries of the shipped spec.
pub const LIBRARIES: [&str; 2] = ["libavcodec.so.59", "libavformat.so.59"];

const LIMIT: Duration = Duration::from_secs(30);

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-hide_banner", "-loglevel", "error", "-y"]);
    command
}

/// Makes an AVI of so many pictures, 25 a second.
pub fn input(pictures: u32, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("in.avi");
    let mut command = quiet(PROGRAM);
    command.args(["-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-frames:v", &pictures.to_string()]);
    command.args(["-c:v", "mpeg4"]).arg(&path);
    let ended = Guarded::spawn(&mut command)?.wait(LIMIT)?;
    ensure!(ended.status.success(), "ffmpeg: {} {}", ended.status, ended.stderr);
    Ok(path)
}

/// A transcode that runs, or waits for its input.
#[derive(Debug)]
pub struct Transcode {
    process: Guarded,
    output: PathBuf,
}

impl Transcode {
    /// Starts a transcode of what [`Transcode::feed`] will give it. All its libraries are mapped when this returns, and it has not
    /// read anything.
    pub fn waiting(program: &str, output: &Path) -> Result<Self> {
        let transcode = Self::spawn(program, &["-i", "pipe:0"], output)?;
        transcode.libraries()?;
        Ok(transcode)
    }

    /// One thread and no time or version in the file: the same input gives the same bytes.
    fn spawn(program: &str, input: &[&str], output: &Path) -> Result<Self> {
        let mut command = quiet(program);
        command.args(input).args([
            "-c:v",
            "mpeg4",
            "-threads",
            "1",
            "-fflags",
            "+bitexact",
            "-flags:v",
            "+bitexact",
        ]);
        Ok(Self { process: Guarded::spawn(command.arg(output))?, output: output.to_owned() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The files of [`LIBRARIES`] that it maps.
    pub fn libraries(&self) -> Result<Vec<PathBuf>> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid()))?;
            let mapped = |library: &&str| maps.lines().find_map(|line| executable(line, library));
            let files: Vec<_> = LIBRARIES.iter().filter_map(mapped).collect();
            if files.len() == LIBRARIES.len() {
                return Ok(files);
            }
            ensure!(Instant::now() < deadline, "ffmpeg does not map {LIBRARIES:?}");
            std::thread::yield_now();
        }
    }

    /// Gives it its input, all of it.
    pub fn feed(&mut self, input: &Path) -> Result<()> {
        let bytes = std::fs::read(input)?;
        let written = self.process.stdin().context("fed already")?.write_all(&bytes);
        self.process.close_stdin();
        Ok(written?)
    }

    /// Waits for its end; gives the bytes of its output.
    pub fn finish(self) -> Result<Vec<u8>> {
        let Ended { status, stderr, .. } = self.process.wait(LIMIT)?;
        ensure!(status.success() && stderr.is_empty(), "ffmpeg: {status} {stderr}");
        Ok(std::fs::read(&self.output)?)
    }
}

/// The path at the end of a line of maps, if it is code of this library.
fn executable(line: &str, library: &str) -> Option<PathBuf> {
    let path = line.get(line.find('/')?..)?;
    let name = path.rsplit('/').next()?;
    (line.contains(" r-xp ") && name.starts_with(library)).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_code_of_a_library() {
        let line = "7f00-7f10 r-xp 00001000 fd:00 123   /usr/lib/libavcodec.so.59.37.100";
        let found = Some(PathBuf::from("/usr/lib/libavcodec.so.59.37.100"));
        assert_eq!(executable(line, "libavcodec.so.59"), found);
        assert_eq!(executable(line, "libavformat.so.59"), None);
        assert_eq!(executable(&line.replace("r-xp", "r--p"), "libavcodec.so.59"), None);
    }
}
