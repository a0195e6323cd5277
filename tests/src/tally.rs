//! Lets an integration test find out whether it can run here, and say so.
//!
//! Owns the tally file named by `STAIN_TALLY`: a JSON line a test, `{"tier":"privileged","test":..,"result":"ran"|"skipped",
//! "reason":..}`. Refuses to let a test skip in silence; with `STAIN_REQUIRE_PRIVILEGED=1` a skip is a failure.
//!
//! ```no_run
//! # fn requests_are_traced() {
//! if !stain_tests::tally::privileged("requests_are_traced").program("nginx", "/usr/sbin/nginx").open() {
//!     return;
//! }
//! # }
//! ```

use std::{env, fs, io::Write as _, path::Path};

use serde_json::json;

/// The file that gets the lines.
pub const TALLY: &str = "STAIN_TALLY";
/// Set to 1 where every test has to run.
pub const REQUIRE: &str = "STAIN_REQUIRE_PRIVILEGED";

const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// What stands between a test and its run. The first lack found is the reason that is given.
#[derive(Debug)]
#[must_use = "a gate that is not opened tells nobody what it found"]
pub struct Gate<'a> {
    test: &'a str,
    lack: Option<String>,
}

/// A gate that asks for root and for the capabilities that load and attach kernel programs. `test` is the test's own name, unlike
/// any other's: the tally counts names.
pub fn privileged(test: &str) -> Gate<'_> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Gate { test, lack: lacking_privilege(&status).map(str::to_owned) }
}

/// A gate that asks for no privileges: for tests that need programs only.
pub fn unprivileged(test: &str) -> Gate<'_> {
    Gate { test, lack: None }
}

impl Gate<'_> {
    /// Asks for a program at a path, or under its name on `PATH`.
    pub fn program(self, name: &str, path: &str) -> Self {
        let folders = env::var_os("PATH").unwrap_or_default();
        let found =
            Path::new(path).is_file() || env::split_paths(&folders).any(|folder| folder.join(name).is_file());
        self.condition(found, &format!("{name} is not installed (no {path})"))
    }

    /// Asks for anything else, such as a feature of the kernel; `lack` says what is missing if it does not hold.
    pub fn condition(mut self, holds: bool, lack: &str) -> Self {
        if !holds && self.lack.is_none() {
            self.lack = Some(lack.to_owned());
        }
        self
    }

    /// Writes the tally; true if the test is to run, false if it is to return.
    ///
    /// # Panics
    /// If the test cannot run and `STAIN_REQUIRE_PRIVILEGED` is 1, or if the tally cannot be written.
    #[must_use]
    #[expect(clippy::panic, reason = "it fails the test that calls it, which is its purpose")]
    pub fn open(self) -> bool {
        let Self { test, lack } = self;
        // Failed, not skipped: the test's own result says so, and the tally must not say otherwise.
        if let Some(lack) = &lack
            && env::var_os(REQUIRE).is_some_and(|value| value == "1")
        {
            panic!("{test} has to run here ({REQUIRE}=1), but: {lack}");
        }
        if let Some(path) = env::var_os(TALLY)
            && let Err(error) = append(Path::new(&path), &line(test, lack.as_deref()))
        {
            panic!("{test}: cannot write the tally {}: {error}", Path::new(&path).display());
        }
        let Some(lack) = lack else { return true };
        eprintln!("skipped {test}: {lack}");
        false
    }
}

/// One line of the tally.
fn line(test: &str, lack: Option<&str>) -> String {
    let record = match lack {
        None => json!({"tier": "privileged", "test": test, "result": "ran"}),
        Some(reason) => json!({"tier": "privileged", "test": test, "result": "skipped", "reason": reason}),
    };
    format!("{record}\n")
}

/// One write, so that lines of several processes do not mix.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

/// What the process described by `/proc/PID/status` lacks to load and attach kernel programs.
fn lacking_privilege(status: &str) -> Option<&'static str> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let user = field("Uid:").and_then(|ids| ids.split_whitespace().nth(1));
    if user != Some("0") {
        return Some("not root");
    }
    let held = field("CapEff:").and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let enough = held & CAP_SYS_ADMIN != 0 || held & (CAP_BPF | CAP_PERFMON) == CAP_BPF | CAP_PERFMON;
    (!enough).then_some("root without CAP_SYS_ADMIN, and without CAP_BPF and CAP_PERFMON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_read_from_the_status() {
        let cases = [
            ("Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n", None),
            ("Uid:\t0\t0\t0\t0\nCapEff:\t0000000000200000\n", None),
            ("Uid:\t0\t0\t0\t0\nCapEff:\t000000c000000000\n", None),
            ("Uid:\t0\t0\t0\t0\nCapEff:\t0000008000000000\n", Some("root without")),
            ("Uid:\t0\t0\t0\t0\nCapEff:\tnonsense\n", Some("root without")),
            ("Uid:\t0\t1000\t0\t0\nCapEff:\t000001ffffffffff\n", Some("not root")),
            ("", Some("not root")),
        ];
        for (status, expected) in cases {
            let lack = lacking_privilege(status);
            assert_eq!(lack.is_none(), expected.is_none(), "{status}");
            assert!(lack.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{status}");
        }
    }

    #[test]
    fn lines_are_json_with_fixed_fields() {
        assert_eq!(line("a", None), "{\"result\":\"ran\",\"test\":\"a\",\"tier\":\"privileged\"}\n");
        let skipped = line("a", Some("no \"x\""));
        assert!(
            skipped.contains(r#""reason":"no \"x\"""#) && skipped.contains(r#""result":"skipped""#),
            "{skipped}"
        );
    }

    #[test]
    fn the_first_lack_is_the_reason() {
        let gate = Gate { test: "a", lack: None };
        let gate =
            gate.condition(true, "one").condition(false, "two").program("no-such-program", "/no/such/path");
        assert_eq!(gate.lack.as_deref(), Some("two"));
    }
}
