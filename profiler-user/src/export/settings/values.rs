//! Values of options: sizes, times, switches.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::SettingsError;
use crate::export::url::Url;

/// The options of a URL, taken one by one. Remembers which there are, for who writes another.
pub(crate) struct Options {
    url: Url,
    known: Vec<&'static str>,
}

/// Longest time of any option.
const MAX_TIME: Duration = Duration::from_secs(30 * 24 * 3600);

impl Options {
    pub(crate) const fn new(url: Url) -> Self {
        Self { url, known: Vec::new() }
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), SettingsError> {
        let Some(name) = self.url.left_over() else { return Ok(()) };
        let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        Err(SettingsError::Unknown { scheme: self.url.scheme.clone(), name: name.to_owned(), known })
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.url.option(name)
    }

    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
        default: T,
    ) -> Result<T, SettingsError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let found = choices.iter().find(|(word, _)| *word == text);
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        found
            .map(|(_, choice)| *choice)
            .ok_or_else(|| wrong(name, &text, &format!("one of {}", words.join(", "))))
    }

    pub(crate) fn switch(&mut self, name: &'static str, default: bool) -> Result<bool, SettingsError> {
        self.choice(name, &[("yes", true), ("no", false)], default)
    }

    pub(crate) fn number(
        &mut self,
        name: &'static str,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<u64>, SettingsError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let (least, most) = (bounds.start(), bounds.end());
        number.map(Some).ok_or_else(|| wrong(name, &text, &format!("a number from {least} to {most}")))
    }

    pub(crate) fn size(
        &mut self,
        name: &'static str,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> Result<u64, SettingsError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let size = parse_size(&text).filter(|size| bounds.contains(size));
        let (least, most) = (bounds.start(), bounds.end());
        let wanted = format!("a size from {least} to {most} bytes, such as 512KiB, 64MiB or 1GiB");
        size.ok_or_else(|| wrong(name, &text, &wanted))
    }

    pub(crate) fn time(
        &mut self,
        name: &'static str,
        default: Duration,
        least: Duration,
    ) -> Result<Duration, SettingsError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let time = humantime::parse_duration(&text).ok().filter(|time| (least..=MAX_TIME).contains(time));
        let wanted = format!("a time from {least:?} to 30d, such as 500ms, 10s or 1h");
        time.ok_or_else(|| wrong(name, &text, &wanted))
    }

    /// A job is a number of up to 19 digits.
    pub(crate) fn job(&mut self) -> Result<Option<String>, SettingsError> {
        let Some(text) = self.text("job") else { return Ok(None) };
        if text.parse::<i64>().is_ok_and(|job| job >= 0) {
            return Ok(Some(text));
        }
        Err(wrong("job", &text, "a number from 0 to 2^63-1"))
    }
}

fn wrong(name: &'static str, text: &str, wanted: &str) -> SettingsError {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    SettingsError::Value { name, message: format!("`{shown}` is not {wanted}") }
}

/// A size such as `512KiB`, bytes.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("", 0)];
    let (digits, shift) =
        units.into_iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))?;
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
