//! Values with the place that they came from, and the heap of mistakes found so far.

use super::error::{FilePlace, SpecError, SpecErrors};

/// Where a value came from: a field of the file, or a flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Locus {
    pub(super) place: Option<FilePlace>,
    pub(super) field: String,
}

impl Locus {
    /// A place outside the file: a flag, or a field that stands nowhere.
    pub(super) fn named(field: impl Into<String>) -> Self {
        Self { place: None, field: field.into() }
    }

    /// How another mistake refers to this value.
    pub(super) fn reference(&self) -> String {
        match &self.place {
            Some(place) => format!("{} in line {}", self.field, place.line),
            None => self.field.clone(),
        }
    }

    fn error(&self, message: impl Into<String>) -> SpecError {
        SpecError { place: self.place.clone(), field: self.field.clone(), message: message.into() }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) locus: Locus,
}

/// All mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    wrong: Vec<SpecError>,
    missing: Vec<SpecError>,
    unreadable: Vec<SpecError>,
}

impl Mistakes {
    /// Something is there and wrong.
    pub(super) fn wrong(&mut self, locus: &Locus, message: impl Into<String>) {
        self.wrong.push(locus.error(message));
    }

    /// Something is not there. Not said of a file that could not be read in full, where it may only seem so.
    pub(super) fn missing(&mut self, locus: &Locus, message: impl Into<String>) {
        self.missing.push(locus.error(message));
    }

    /// A part of the file is not TOML. What else is said of its line would only be an echo.
    pub(super) fn unreadable(&mut self, locus: &Locus, message: impl Into<String>) {
        self.unreadable.push(locus.error(message));
    }

    /// How many there are so far.
    pub(super) fn count(&self) -> usize {
        self.wrong.len() + self.missing.len() + self.unreadable.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// All of them, those of the file first and in its order.
    pub(super) fn into_errors(self) -> SpecErrors {
        let Self { wrong, missing, unreadable } = self;
        let line = |error: &SpecError| error.place.as_ref().map(|place| place.line);
        let mut errors = unreadable;
        errors.dedup_by_key(|error| line(error));
        let echoes: Vec<usize> = errors.iter().filter_map(line).collect();
        if echoes.is_empty() {
            errors.extend(missing);
        }
        errors.extend(wrong.into_iter().filter(|error| line(error).is_none_or(|l| !echoes.contains(&l))));
        SpecErrors::in_order(errors)
    }
}
