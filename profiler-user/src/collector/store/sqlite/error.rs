//! What SQLite's errors mean to whoever asked.

use std::path::Path;

use rusqlite::{Error, ErrorCode, types::Type};

use super::super::StoreError;

/// The word for this store.
pub(super) const KIND: &str = "sqlite";

/// An error of the database at this place, in the store's words.
pub(super) fn of(place: &Path, error: &Error) -> StoreError {
    let place = place.display().to_string();
    let reason = error.to_string();
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..) => StoreError::Corrupt { place, reason },
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt { place, reason },
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => {
                StoreError::Place { place, reason: format!("{reason}: give a file that this user may write") }
            }
            _ => StoreError::Unavailable { store: KIND, reason: format!("{place}: {reason}") },
        },
        _ => StoreError::Unavailable { store: KIND, reason: format!("{place}: {reason}") },
    }
}

/// What is stored is not what this store writes.
pub(super) fn damaged(what: &'static str) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, what.into())
}

/// The store is closed, or its thread could not go on.
pub(super) fn gone(place: &Path) -> StoreError {
    let reason = format!("{}: it has been closed", place.display());
    StoreError::Unavailable { store: KIND, reason }
}
