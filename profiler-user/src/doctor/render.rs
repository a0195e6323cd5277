//! The diagnosis as text for people and as JSON for programs.

use serde::Serialize;

use super::{Check, Diagnosis, Status};

/// Widest line of the text, columns.
const WIDTH: usize = 100;

/// Where the text of a check begins, columns.
const INDENT: usize = 34;

impl Diagnosis {
    /// For people: what there is to know at the end, since that is what a terminal shows.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.checks {
            self.check_lines(check, &mut lines);
        }
        lines.push(String::new());
        lines.extend(wrapped(&self.verdict(), 0, WIDTH));
        lines.join("\n") + "\n"
    }

    fn check_lines(&self, check: &Check, lines: &mut Vec<String>) {
        let status = match check.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Missing => "MISSING",
        };
        let head = format!("{status:<8}{:<26}", check.name);
        let mut body = wrapped(&check.found, INDENT, WIDTH);
        if check.status != Status::Ok {
            body.extend(wrapped(&check.means, INDENT, WIDTH));
            let get = check.get.as_deref().unwrap_or_default();
            let (advice, command) = get.split_once('\n').unwrap_or((get, ""));
            body.extend(
                wrapped(&format!("-> {advice}"), INDENT, WIDTH).into_iter().filter(|_| !get.is_empty()),
            );
            // Whole, to be copied.
            body.extend((!command.is_empty()).then(|| format!("{:INDENT$}{command}", "")));
        }
        if let Some(first) = body.first_mut() {
            *first = format!("{head}{}", first.trim_start());
        }
        lines.append(&mut body);
    }

    fn verdict(&self) -> String {
        if self.attach_works {
            return "stain can attach on this machine.".to_owned();
        }
        let missing: Vec<&str> = self
            .checks
            .iter()
            .filter(|check| check.status == Status::Missing)
            .map(|check| check.name)
            .collect();
        format!("stain cannot attach on this machine yet. Missing: {}.", missing.join(", "))
    }

    /// For programs: one object.
    ///
    /// # Errors
    /// None that is known; those of the serializer.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let calibration = self.calibrated.as_ref().map(|calibrated| Calibration {
            emulated_ns: calibrated.costs.emulated_ns,
            optimised_nop_ns: calibrated.costs.optimised_nop_ns,
            stepped_ns: calibrated.costs.stepped_ns,
            trampoline_ns: calibrated.costs.trampoline_ns,
            safe_five_byte_nop: calibrated.kernel.safe_five_byte_nop,
            emulates_long_nops: calibrated.kernel.emulates_long_nops,
        });
        let report = Report { attach_works: self.attach_works, checks: &self.checks, calibration };
        serde_json::to_string_pretty(&report).map(|text| text + "\n")
    }
}

#[derive(Serialize)]
struct Report<'a> {
    attach_works: bool,
    checks: &'a [Check],
    calibration: Option<Calibration>,
}

#[derive(Serialize)]
struct Calibration {
    emulated_ns: u64,
    optimised_nop_ns: u64,
    stepped_ns: u64,
    trampoline_ns: u64,
    safe_five_byte_nop: bool,
    emulates_long_nops: bool,
}

/// Breaks a text at blanks into lines of `width` columns, each after `indent` blanks. A word that is longer stays whole: it may be a
/// command to copy.
fn wrapped(text: &str, indent: usize, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{:indent$}{word}", "")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn wraps_at_blanks() {
        assert_eq!(wrapped("a bb ccc", 2, 6), ["  a bb", "  ccc"]);
        assert_eq!(wrapped("a long-command", 1, 5), [" a", " long-command"]);
        assert_eq!(wrapped("", 1, 5), Vec::<String>::new());
    }
}
