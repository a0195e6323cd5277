//! A page in a real browser without a window: Chromium, which runs the page's scripts and then gives what they made of it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The browser.
pub const PROGRAM: &str = "chromium";

/// A page as its scripts left it, and what they had to complain of.
#[derive(Debug)]
pub struct Page {
    /// The elements that are there, as HTML.
    pub elements: String,
    /// Errors and warnings of scripts, of the page's policy and of what could not be fetched.
    pub complaints: Vec<String>,
}

/// Opens a page, in a window of so many points, and lets its scripts run for some seconds of the page's own clock.
///
/// # Errors
///
/// The browser cannot be started, or fails.
pub fn open(address: &str, size: (u32, u32)) -> Result<Page> {
    let output = browser(size)?.arg("--dump-dom").arg(address).output().context("chromium")?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "chromium: {}: {told}", output.status);
    let complaints = told.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    Ok(Page { elements: String::from_utf8(output.stdout)?, complaints })
}

/// Takes a picture of a page, as PNG.
///
/// # Errors
///
/// As [`open`]; or no picture was made.
pub fn picture(address: &str, size: (u32, u32), file: &Path) -> Result<()> {
    let output = browser(size)?
        .arg(format!("--screenshot={}", file.display()))
        .arg(address)
        .output()
        .context("chromium")?;
    ensure!(file.exists(), "no picture: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn browser((width, height): (u32, u32)) -> Result<Command> {
    let mut browser = Command::new("timeout");
    browser.args(["60", PROGRAM, "--headless", "--disable-gpu", "--hide-scrollbars"]);
    // Its sandbox needs user name spaces, which root in a container does not have. The pages are our own.
    browser.args(["--no-sandbox", "--enable-logging=stderr", "--virtual-time-budget=5000"]);
    // Nothing may come from anywhere but this machine.
    browser.arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
    browser.arg(format!("--window-size={width},{height}"));
    Ok(browser)
}
