//! Small rules of the house that no other tool checks: no source file over 500 lines, no trailing blanks.
//!
//! Owns the rules. Refuses to look at files that git does not know, or that others wrote.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

const LINES_MAX: usize = 500;
const SOURCES: [&str; 8] = ["rs", "c", "cc", "cpp", "h", "hpp", "py", "sh"];
const TEXTS: [&str; 4] = ["toml", "md", "yml", "yaml"];

/// Checks every file that git knows.
pub(crate) fn check(root: &Path) -> Result<()> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .context("git does not start")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut findings = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        // A file that is deleted but not yet committed has nothing to check.
        if let Ok(text) = fs::read_to_string(root.join(name)) {
            findings.extend(untidy(name, &text));
        }
    }
    if !findings.is_empty() {
        bail!("\n  {}", findings.join("\n  "));
    }
    Ok(())
}

/// What is wrong with a file.
fn untidy(name: &str, text: &str) -> Vec<String> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let mut findings = Vec::new();
    let is_source = SOURCES.contains(&extension);
    if !is_source && !TEXTS.contains(&extension) {
        return findings;
    }
    let lines = text.lines().count();
    if is_source && lines > LINES_MAX {
        findings.push(format!("{name}: {lines} lines, the limit is {LINES_MAX}: split it"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.ends_with([' ', '\t']) {
            findings.push(format!("{name}:{number}: blanks at the end of the line"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::untidy;

    #[test]
    fn finds_long_files_and_trailing_blanks() {
        let long = "x\n".repeat(501);
        let cases: [(&str, &str, &[&str]); 6] = [
            ("a.rs", "fn main() {}\n", &[]),
            (
                "a.rs",
                "a \nb\nc\t\n",
                &["a.rs:1: blanks at the end of the line", "a.rs:3: blanks at the end of the line"],
            ),
            ("a.rs", &long, &["a.rs: 501 lines, the limit is 500: split it"]),
            ("a.md", &long, &[]),
            ("a.md", "a \n", &["a.md:1: blanks at the end of the line"]),
            ("golden.txt", "a \n", &[]),
        ];
        for (name, text, expected) in cases {
            assert_eq!(untidy(name, text), expected, "{name}");
        }
    }
}
