//! MySQL's errors in the collector's words. Numbers are those of its reference manual, "Server Error Message Reference".

use mysql_async::Error;

use super::super::relational::Fault;

/// A lock was waited for too long; a circle of locks; a row changed meanwhile.
const CONFLICTS: [u16; 3] = [1205, 1213, 1020];
/// Access denied, to a user, a database, a table or a plugin; no such database.
const PLACES: [u16; 5] = [1044, 1045, 1049, 1142, 1698];

/// Which kind of fault it is.
pub(super) fn fault(error: &Error) -> Fault {
    match error {
        Error::Server(said) if CONFLICTS.contains(&said.code) => Fault::Conflict(said.message.clone()),
        Error::Server(said) if PLACES.contains(&said.code) => Fault::Place(said.message.clone()),
        Error::Server(said) => Fault::Failed(said.message.clone()),
        other => Fault::Failed(other.to_string()),
    }
}
