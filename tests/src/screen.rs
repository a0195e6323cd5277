//! A real terminal for a program: a tmux of its own, with keys that go in and a screen that is read.
//!
//! Owns: a tmux server on a socket that nobody else knows, and its end. Refuses: waiting without a limit, and looking without a reason: the screen is read
//! again when something was written to it.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::child::Guarded;

/// For the program's name in a gate.
pub const PROGRAM: &str = "/usr/bin/tmux";

/// How long the screen may take to show what it is to show: attaching, on a machine with other work, is part of it.
const LIMIT: Duration = Duration::from_secs(40);

/// How long nothing may be told before the screen is read again all the same.
const LOOK: Duration = Duration::from_secs(1);

/// What the program's end is followed by, and its exit status.
const ENDED: &str = "ENDED WITH";

/// See the module. Dropping it ends everything in it.
#[derive(Debug)]
pub struct Screen {
    folder: TempDir,
    /// A client that is told whenever the program writes.
    watcher: Guarded,
}

impl Screen {
    /// A terminal of so many columns and rows, in which a shell command runs; `environment` is put before it: `COLORTERM=truecolor LANG=C.UTF-8`.
    pub fn start(command: &str, environment: &str, (width, height): (u16, u16)) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (width, height) = (width.to_string(), height.to_string());
        let home = folder.path().display();
        // `cat` keeps the terminal open when the command has ended, and its modes as the command left them.
        let line = format!("cd {home}; env {environment} {command}; echo {ENDED} $?; exec cat");
        let arguments = ["new-session", "-d", "-s", "s", "-x", &width, "-y", &height, "sh", "-c", &line];
        done(&call(folder.path(), &arguments)?)?;
        done(&call(folder.path(), &["set", "-g", "set-clipboard", "on"])?)?;
        let mut watch = tmux(folder.path());
        watch.args(["-C", "attach", "-t", "s", "-f", "ignore-size"]);
        Ok(Self { watcher: Guarded::spawn(&mut watch)?, folder })
    }

    /// Its working directory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Presses keys, by tmux's names: `q`, `Enter`, `C-c`, `Escape`.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        done(&call(self.folder.path(), &[&["send-keys", "-t", "s"], keys].concat())?).map(drop)
    }

    /// What stands on it, as lines without blanks at their ends.
    pub fn text(&self) -> Result<String> {
        done(&call(self.folder.path(), &["capture-pane", "-p", "-t", "s"])?)
    }

    /// The same, with its colours and with what was scrolled off.
    pub fn colored(&self) -> Result<String> {
        done(&call(self.folder.path(), &["capture-pane", "-p", "-e", "-S", "-", "-t", "s"])?)
    }

    /// Another size.
    pub fn resize(&self, width: u16, height: u16) -> Result<()> {
        let (width, height) = (width.to_string(), height.to_string());
        done(&call(self.folder.path(), &["resize-window", "-t", "s", "-x", &width, "-y", &height])?).map(drop)
    }

    /// What tmux knows of the terminal: `alternate_on`, `mouse_any_flag`, `cursor_flag`.
    pub fn mode(&self, name: &str) -> Result<String> {
        Ok(done(&call(self.folder.path(), &["display", "-p", "-t", "s", &format!("#{{{name}}}")])?)?
            .trim()
            .to_owned())
    }

    /// What the program has put into the clipboard.
    pub fn clipboard(&self) -> Result<String> {
        done(&call(self.folder.path(), &["show-buffer"])?)
    }

    /// Waits until the screen shows something that `wanted` says yes to; gives it.
    pub fn shows(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = self.text()?;
            if wanted(&text) {
                return Ok(text);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let written = |line: &str| line.starts_with("%output") || line.starts_with("%extended-output");
            if left.is_zero() {
                bail!("does not show {what}:\n{}", self.text()?);
            }
            // What was written before the watcher was there is told to nobody: look again from time to time.
            drop(self.watcher.stdout().find(written, left.min(LOOK)));
        }
    }

    /// Waits until all of these stand on it.
    pub fn shows_all(&mut self, words: &[&str]) -> Result<String> {
        self.shows(&words.join(", "), |text| words.iter().all(|word| text.contains(word)))
    }

    /// Waits until the program has ended, with this exit status. Gives everything that stands there then, with what was scrolled off.
    pub fn ends(&mut self, status: u8) -> Result<String> {
        let end = format!("{ENDED} ");
        self.shows("the program's end", |text| text.contains(&end))?;
        let text = done(&call(self.folder.path(), &["capture-pane", "-p", "-S", "-", "-t", "s"])?)?;
        ensure!(text.contains(&format!("{ENDED} {status}\n")), "{text}");
        for (mode, off) in [("alternate_on", "0"), ("mouse_any_flag", "0"), ("cursor_flag", "1")] {
            let found = self.mode(mode)?;
            ensure!(found == off, "the terminal is left with {mode} = {found}:\n{text}");
        }
        Ok(text)
    }

    /// The process ids of those that run in it under this name.
    pub fn pid_of(&self, name: &str) -> Result<u32> {
        let root = self.mode("pane_pid")?;
        let children = format!("/proc/{root}/task/{root}/children");
        let children = std::fs::read_to_string(&children).context(children)?;
        let is_meant = |pid: &&str| {
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            comm.trim() == name
        };
        let pid =
            children.split_whitespace().find(is_meant).with_context(|| format!("no {name} in {children}"))?;
        Ok(pid.parse()?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(call(self.folder.path(), &["kill-server"]));
    }
}

fn tmux(folder: &Path) -> Command {
    let mut command = Command::new("tmux");
    command.arg("-S").arg(folder.join("tmux.sock")).args(["-f", "/dev/null"]);
    // One that runs in a tmux itself is not meant, and no locale of the outside either.
    command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
    command
}

fn call(folder: &Path, arguments: &[&str]) -> Result<Output> {
    tmux(folder).args(arguments).output().with_context(|| format!("tmux {arguments:?}"))
}

fn done(output: &Output) -> Result<String> {
    ensure!(output.status.success(), "tmux: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
