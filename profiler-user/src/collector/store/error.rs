//! What can go wrong with a store.

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may do so later: the disk is full, a server is away, a lock was not had in time. Whoever sent the data is told to send it again.
    #[error("the {store} store cannot be used just now: {reason}")]
    Unavailable {
        /// The kind of store.
        store: &'static str,
        /// What it said, without secrets.
        reason: String,
    },
    /// It was made by a later version: it is left untouched.
    #[error(
        "{place} was made by a later version of stain (schema {found}, this one knows {known}): it is left untouched; use that version, or another place"
    )]
    Newer {
        /// Where it is, without secrets.
        place: String,
        /// The schema that it has.
        found: i64,
        /// The latest schema that is known here.
        known: i64,
    },
    /// What is stored makes no sense: it is left untouched.
    #[error(
        "{place} is damaged ({reason}): it is left untouched; restore it from a copy, or use another place"
    )]
    Corrupt {
        /// Where it is, without secrets.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The way to it is wrong: an address, a user, a folder.
    #[error("{place} cannot be used: {reason}")]
    Place {
        /// Where it is, without secrets.
        place: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}
