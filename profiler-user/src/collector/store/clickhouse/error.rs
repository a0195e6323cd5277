//! ClickHouse's errors in the collector's words.

use clickhouse::error::Error;

use super::super::StoreError;

/// See [`super::super::Store::kind`].
pub(super) const KIND: &str = "clickhouse";

/// What is shown of an answer at most, bytes: servers of today add stack traces.
const SHOWN: usize = 400;

/// Why it did not do what it was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The client or the server said so.
    Client(Error),
    /// What is stored makes no sense.
    Damage(&'static str),
    /// Already in the collector's words.
    Store(StoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl Fault {
    /// Whether a table could not be made since it is there.
    pub(super) fn is_there_already(&self) -> bool {
        matches!(self, Self::Client(Error::BadResponse(said)) if said.contains("already exists")
            || said.contains("creating or attaching right now"))
    }

    /// In the collector's words; `place` is without secrets.
    pub(super) fn told(self, place: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Damage(reason) => {
                StoreError::Corrupt { place: place.to_owned(), reason: reason.to_owned() }
            }
            Self::Client(Error::BadResponse(said)) if is_about_the_place(&said) => {
                StoreError::Place { place: place.to_owned(), reason: clipped(&said) }
            }
            Self::Client(Error::Network(network)) => {
                let source = network.source().map(|source| format!(": {source}")).unwrap_or_default();
                unavailable(format!("{network}{source}"))
            }
            Self::Client(other) => unavailable(clipped(&other.to_string())),
        }
    }
}

/// It cannot just now.
pub(super) fn unavailable(reason: String) -> StoreError {
    StoreError::Unavailable { store: KIND, reason }
}

/// No such database, user or password: numbers are those of ClickHouse's `ErrorCodes`.
fn is_about_the_place(said: &str) -> bool {
    ["Code: 81", "Code: 192", "Code: 193", "Code: 194", "Code: 516", "Code: 497"].iter().any(|code| {
        said.strip_prefix(code).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    })
}

fn clipped(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default();
    let end = (0..=SHOWN.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    line.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{clipped, is_about_the_place};

    #[test]
    fn codes_are_told_apart() {
        assert!(is_about_the_place("Code: 81, e.displayText() = DB::Exception: Database x doesn't exist"));
        assert!(is_about_the_place("Code: 516. DB::Exception: Authentication failed"));
        assert!(!is_about_the_place("Code: 812. DB::Exception"));
        assert_eq!(clipped("one\ntwo"), "one");
        assert_eq!(clipped(&"ä".repeat(300)).len(), 400);
    }
}
