//! What a benchmark found, and how it is shown.
//!
//! Owns: rows with their ratios, aims with their verdicts, and the layout. Refuses: measuring.

use std::fmt;

use crate::series::Series;

/// One line of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    label: String,
    value: f64,
    unit: &'static str,
    /// Divided by the value that the row is compared with.
    ratio: Option<f64>,
    unrest: Option<f64>,
}

impl Row {
    /// A single number.
    pub(crate) fn new(label: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { label: label.into(), value, unit, ratio: None, unrest: None }
    }

    /// The least of a series of costs.
    pub(crate) fn cost(label: impl Into<String>, series: &Series, unit: &'static str) -> Self {
        Self { unrest: Some(series.unrest()), ..Self::new(label, series.least(), unit) }
    }

    /// Compares the row with another one's value.
    pub(crate) fn to(mut self, base: f64) -> Self {
        self.ratio = Some(self.value / base);
        self
    }
}

/// What was aimed at.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    text: String,
    found: String,
    met: bool,
}

impl Aim {
    /// `value` is to be at most `limit`; both are shown with `unit`.
    pub(crate) fn at_most(text: impl Into<String>, value: f64, limit: f64, unit: &str) -> Self {
        let found = format!("{}{unit} (at most {}{unit})", number(value), number(limit));
        Self { text: text.into(), found, met: value <= limit }
    }

    /// `value` is to be at least `limit`.
    pub(crate) fn at_least(text: impl Into<String>, value: f64, limit: f64, unit: &str) -> Self {
        let found = format!("{}{unit} (at least {}{unit})", number(value), number(limit));
        Self { text: text.into(), found, met: value >= limit }
    }

    /// Whether it was reached.
    pub(crate) fn met(&self) -> bool {
        self.met
    }
}

/// Rows that belong together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// What they show.
    pub(crate) title: String,
    /// What their ratios compare with.
    pub(crate) base: &'static str,
    /// The rows.
    pub(crate) rows: Vec<Row>,
    /// What was aimed at.
    pub(crate) aims: Vec<Aim>,
    /// What to know when reading them.
    pub(crate) notes: Vec<String>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, base, rows, aims, notes } = self;
        let width = rows.iter().map(|row| row.label.chars().count()).max().unwrap_or(0).max(24);
        writeln!(f, "{title}")?;
        let ratio = if base.is_empty() { String::new() } else { format!("ratio to {base}") };
        let unrest = if rows.iter().any(|row| row.unrest.is_some()) { "unrest" } else { "" };
        writeln!(f, "{}", format!("  {:width$}  {:>12} {:10}{unrest:>6}  {ratio}", "", "", "").trim_end())?;
        for Row { label, value, unit, ratio, unrest } in rows {
            let ratio = ratio.map_or(String::new(), |ratio| format!("{:>8}x", number(ratio)));
            let unrest = unrest.map_or(String::new(), |unrest| format!("{:.0} %", unrest * 100.0));
            let line = format!("  {label:width$}  {:>12} {unit:10}{unrest:>6}{ratio}", number(*value));
            writeln!(f, "{}", line.trim_end())?;
        }
        for Aim { text, found, met } in aims {
            writeln!(f, "  {} {text}: {found}", if *met { "PASS" } else { "MISS" })?;
        }
        notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}

/// Three or four digits that count, thousands apart.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => thousands(&format!("{value:.0}")),
    }
}

fn thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0.00"),
            (1.234, "1.23"),
            (45.67, "45.7"),
            (512.4, "512"),
            (10_800.0, "10,800"),
            (1_234_567.0, "1,234,567"),
            (-1500.0, "-1,500"),
            (f64::NAN, "-"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_table_shows_ratios_and_verdicts() {
        let table = Table {
            title: "cost".to_owned(),
            base: "plain",
            rows: vec![
                Row::cost("plain", &Series::of(&[2.0, 2.0]), "ns"),
                Row::new("probed", 500.0, "ns").to(2.0),
            ],
            aims: vec![Aim::at_most("cheap", 3.0, 2.0, " %"), Aim::at_least("fast", 3.0, 2.0, "x")],
            notes: vec!["here".to_owned()],
        };
        let lines = [
            "cost",
            "                                                   unrest  ratio to plain",
            "  plain                             2.00 ns           0 %",
            "  probed                             500 ns                   250x",
            "  MISS cheap: 3.00 % (at most 2.00 %)",
            "  PASS fast: 3.00x (at least 2.00x)",
            "  note: here",
            "",
        ];
        assert_eq!(table.to_string(), lines.join("\n"));
    }
}
