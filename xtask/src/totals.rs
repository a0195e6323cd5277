//! Adds up what test programs print.
//!
//! Owns the reading of libtest's result lines. Refuses to run anything.

use std::fmt;

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Totals {
    /// The numbers in a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; ..`.
    pub(crate) fn from_result_line(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let number = |what: &str| {
            let count = counts.split(';').find_map(|part| part.trim().strip_suffix(what))?;
            count.trim().parse().ok()
        };
        Some(Self { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
    }

    pub(crate) fn add(&mut self, other: Self) {
        let Self { passed, failed, skipped } = other;
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
    }

    /// Counts tests that returned early, and so passed in libtest's eyes, as what they are.
    pub(crate) fn passed_to_skipped(&mut self, count: u64) {
        let count = count.min(self.passed);
        self.passed -= count;
        self.skipped += count;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn reads_result_lines_and_nothing_else() {
        let cases = [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s",
                Some((12, 0, 1)),
            ),
            (
                "test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
                Some((2, 5, 0)),
            ),
            ("test a::b ... ok", None),
            ("test result: ok.", None),
            ("test result: ok. many passed; 0 failed; 0 ignored", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|(passed, failed, skipped)| Totals { passed, failed, skipped });
            assert_eq!(Totals::from_result_line(line), expected, "{line}");
        }
    }

    #[test]
    fn a_skip_is_not_a_pass() {
        let mut totals = Totals { passed: 3, failed: 1, skipped: 0 };
        totals.add(Totals { passed: 2, failed: 0, skipped: 1 });
        totals.passed_to_skipped(4);
        assert_eq!(totals.to_string(), "1 passed, 1 failed, 5 skipped");
        totals.passed_to_skipped(9);
        assert_eq!(totals.to_string(), "0 passed, 1 failed, 6 skipped");
    }
}
