//! The tally of the privileged tests: which ran, which were skipped and why.
//!
//! Owns the reading of the tally file that `stain-tests` writes, a JSON object a line. Refuses to take silence for success: a tier
//! that ran nothing is an error.

use std::collections::BTreeMap;

/// What the privileged tests said of themselves.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Test name to the reason for its skipping, none if it ran.
    tests: BTreeMap<String, Option<String>>,
}

impl Tally {
    /// Reads the lines of a tally file. A test that ran once and was skipped once counts as skipped.
    pub(crate) fn read(lines: &str) -> Self {
        let mut tests = BTreeMap::new();
        for line in lines.lines() {
            let (Some(test), Some(result)) = (field(line, "test"), field(line, "result")) else { continue };
            let reason =
                (result != "ran").then(|| field(line, "reason").unwrap_or_else(|| "no reason given".into()));
            let known = tests.entry(test).or_insert_with(|| reason.clone());
            *known = known.take().or(reason);
        }
        Self { tests }
    }

    pub(crate) fn ran(&self) -> u64 {
        self.tests.values().filter(|reason| reason.is_none()).count() as u64
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.tests.len() as u64 - self.ran()
    }

    /// The lines to show: the counts, then each skipped test with its reason.
    pub(crate) fn report(&self) -> String {
        let mut report = format!("privileged tests: {} ran, {} skipped", self.ran(), self.skipped());
        for (test, reason) in &self.tests {
            if let Some(reason) = reason {
                report.push_str(&format!("\n  skipped {test}: {reason}"));
            }
        }
        report
    }

    /// Why the tier cannot count as passed. With a filter, running none is what was asked for, unless some were skipped.
    pub(crate) fn complaint(&self, filtered: bool) -> Option<&'static str> {
        match (self.ran(), self.skipped()) {
            (0, 0) if filtered => None,
            (0, 0) => Some("no privileged test reported that it ran"),
            (0, _) => Some("every privileged test was skipped: run as root on a kernel with BPF"),
            _ => None,
        }
    }
}

/// The text of a string field of a flat JSON object written by serde_json.
fn field(object: &str, name: &str) -> Option<String> {
    let (_, rest) = object.split_once(&format!("\"{name}\":\""))?;
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => match chars.next()? {
                'u' => {
                    let code: String = chars.by_ref().take(4).collect();
                    text.push(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)?);
                }
                'n' | 'r' | 't' => text.push(' '),
                plain => text.push(plain),
            },
            plain => text.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, field};

    const RAN: &str = r#"{"tier":"privileged","test":"loads","result":"ran"}"#;
    const NO_WRK: &str =
        r#"{"tier":"privileged","test":"nginx","result":"skipped","reason":"no \"wrk\" here"}"#;

    #[test]
    fn counts_each_test_once_and_gives_the_reasons() {
        let ran_then_skipped = r#"{"tier":"privileged","test":"loads","result":"skipped","reason":"later"}"#;
        let cases = [
            (String::new(), "privileged tests: 0 ran, 0 skipped"),
            (format!("{RAN}\n{RAN}\nnot json\n"), "privileged tests: 1 ran, 0 skipped"),
            (
                format!("{RAN}\n{NO_WRK}\n"),
                "privileged tests: 1 ran, 1 skipped\n  skipped nginx: no \"wrk\" here",
            ),
            (
                format!("{RAN}\n{ran_then_skipped}"),
                "privileged tests: 0 ran, 1 skipped\n  skipped loads: later",
            ),
            (
                format!("{ran_then_skipped}\n{RAN}"),
                "privileged tests: 0 ran, 1 skipped\n  skipped loads: later",
            ),
        ];
        for (lines, report) in cases {
            assert_eq!(Tally::read(&lines).report(), report);
        }
    }

    #[test]
    fn running_nothing_is_a_complaint_unless_filtered_away() {
        let cases = [
            ("", false, true),
            ("", true, false),
            (NO_WRK, true, true),
            (NO_WRK, false, true),
            (RAN, false, false),
        ];
        for (lines, filtered, complains) in cases {
            assert_eq!(Tally::read(lines).complaint(filtered).is_some(), complains, "{lines} {filtered}");
        }
    }

    #[test]
    fn reads_escapes() {
        assert_eq!(field(r#"{"a":"x\\\"y\u0041\n"}"#, "a").as_deref(), Some("x\\\"yA "));
        assert_eq!(field(r#"{"a":"open"#, "a"), None);
        assert_eq!(field(r#"{"b":"x"}"#, "a"), None);
    }
}
