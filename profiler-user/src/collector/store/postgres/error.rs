//! PostgreSQL's errors in the collector's words.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use super::super::relational::Fault;

/// Which kind of fault it is.
pub(super) fn fault(error: &tokio_postgres::Error) -> Fault {
    let reason = told(error);
    let Some(code) = error.code() else { return Fault::Failed(reason) };
    let conflicts = [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::LOCK_NOT_AVAILABLE,
    ];
    let places = [
        &SqlState::INVALID_PASSWORD,
        &SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        &SqlState::INVALID_CATALOG_NAME,
        &SqlState::INSUFFICIENT_PRIVILEGE,
    ];
    if conflicts.contains(&code) {
        Fault::Conflict(reason)
    } else if places.contains(&code) {
        Fault::Place(reason)
    } else {
        Fault::Failed(reason)
    }
}

/// Why no connection was had.
pub(super) fn of_pool(error: PoolError) -> Fault {
    match error {
        PoolError::Backend(error) => fault(&error),
        PoolError::PostCreateHook(deadpool_postgres::HookError::Backend(error)) => fault(&error),
        PoolError::Timeout(_) => {
            Fault::Failed("no connection was free, or none was made, in time".to_owned())
        }
        other => Fault::Failed(other.to_string()),
    }
}

/// What the server said, or what is behind the driver's words.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
